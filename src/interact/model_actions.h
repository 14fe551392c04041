// What the native engine asks a model for when its own rules do not know: which element an
// instruction means, and values that it did not find. Only with a configured model.
#pragma once

#include "interact/extraction.h"
#include "interact/handlers.h"
#include "interact/resolver.h"

namespace troupe::interact::native {

/// Lines of elements for a prompt, each with its place in `listed` as number. Values of password
/// fields are left out.
std::string element_lines(const std::vector<const Candidate*>& listed);

/// Whether a model may be asked after `error`: there is one, and the error says that the rules did
/// not know the element.
bool may_ask(const NativeTab& tab, const Error& error);

/// Does the clause on the element that the model chooses. When it chooses none, the error is `why`.
Async<ActionResult> act_by_model(Context& ctx, NativeTab& tab, const Clause& clause, Error why);

/// Reads by the model alone. `found`: what the rules found, or null; its values stay.
Async<json::value> extract_by_model(Context& ctx, NativeTab& tab, const json::object& args,
                                    json::value found);
/// Whether something is missing that a model should be asked for: the step has an instruction.
bool should_ask(const NativeTab& tab, const json::object& args, const json::value& found);

/// `found` with its gaps filled from `told`.
json::value merged(json::value found, const json::value& told);

}  // namespace troupe::interact::native
