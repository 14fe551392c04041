// What a model (or a service that has one) is asked for in place of a native extract, and its
// answer in the form that the page's script gives. No I/O.
#pragma once

#include <string>

#include "interact/extraction.h"

namespace troupe::interact {

/// An extract that says where its values are (selectors, labels, patterns): no model is needed.
bool says_where(const json::object& args);

/// JSON Schema that asks for all values as the page shows them, so that they are typed as native
/// ones are.
json::object schema_of(const ExtractionPlan& plan);
/// The instruction, or one made from the fields' names.
std::string instruction_of(const json::object& args, const ExtractionPlan& plan);
/// The answer to schema_of() as type_values() takes it: limited, without repeated items.
json::value raw_values(const ExtractionPlan& plan, const json::object& args, json::value answer);

}  // namespace troupe::interact
