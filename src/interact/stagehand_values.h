// What the interactor `stagehand-api` asks of the service in place of a native action, and its
// answers in the form that native actions have. No I/O.
#pragma once

#include <string>

#include "interact/extraction.h"
#include "services/stagehand_api.h"

namespace troupe::interact {

/// An extract that says where its values are (selectors, labels, patterns): no model is needed.
bool says_where(const json::object& args);

/// JSON Schema that asks for all values as the page shows them, so that they are typed as native
/// ones are.
json::object schema_of(const ExtractionPlan& plan);
/// The instruction, or one made from the fields' names.
std::string instruction_of(const json::object& args, const ExtractionPlan& plan);
/// The service's answer to schema_of() as type_values() takes it: limited, without repeated items.
json::value raw_values(const ExtractionPlan& plan, const json::object& args, json::value answer);

/// One row of an observe's output.
json::object observed_row(const services::StagehandAction& action);

/// Whether an act that did not succeed had found nothing to act on.
bool found_nothing(const services::StagehandActResult& result);

}  // namespace troupe::interact
