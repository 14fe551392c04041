// Clauses that need something read from the page first (instruction_readings.h).
#pragma once

#include "interact/act_steps.h"

namespace troupe::interact::native {

/// Does what `clause.reading` says.
Async<ActionResult> act_by_reading(Context& ctx, NativeTab& tab, const Clause& clause,
                                   Duration patience);

using Reading = Async<ActionResult> (*)(Context& ctx, NativeTab& tab, const Clause& clause,
                                        Duration patience);
/// Null: it is none of drawn things.
Reading figure_reading(std::string_view name);

/// Asks the page until its answer has no `why`, or the time is up.
/// Errors: target_not_found, with what `why` means.
Async<json::object> ask_page(Context& ctx, NativeTab& tab, const Clause& clause, unsigned scripts,
                             std::string function, json::array args, Duration patience);
/// A refusal: what could not be made out on the page.
Error not_made_out(const NativeTab& tab, const Clause& clause, std::string_view why);
/// Clicks an element that a script remembered.
Async<ActionResult> click_ref(Context& ctx, NativeTab& tab, std::int64_t ref, std::string what);
/// Clicks a button that is called so and is the only one.
Async<ActionResult> click_called(Context& ctx, NativeTab& tab, std::vector<std::string> names,
                                 Duration patience);
/// The figure that the words of a clause mean; ref -1: none, or the words mean no figure.
Async<Resolution> figure_meant(Context& ctx, NativeTab& tab, const Figure& figure);

}  // namespace troupe::interact::native
