// From a run request to its tasks. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "troupe/run.hpp"
#include "workflows/catalogue.h"
#include "workflows/definition.h"

namespace troupe::workflows {

/// One task to queue.
struct TaskSpec {
  int index = 0;
  json::object inputs;  ///< Checked against the definition, defaults filled in.
};

/// Limits that a request is checked against.
struct PlanLimits {
  int sessions_max = 50;
  int tasks_max = 100'000;
};

/// The value as the input wants it: coerced where nothing is lost ("5" → 5), limits checked.
/// Errors: invalid_argument; the message does not name the input.
Result<json::value> fit_input(const Input& input, json::value value);
/// All inputs of a definition: defaults filled in, unknown names refused. `field` begins the names
/// in errors: `inputs`, `items[3]`.
Result<json::object> complete_inputs(const Definition& definition, const json::object& given,
                                     std::string_view field);

/// One task per item; without items one per session.
/// Errors: invalid_argument, naming field, value and limit (sessions, inputs.<name>,
/// items[<i>].<name>).
Result<std::vector<TaskSpec>> plan(const Definition& definition, const RunRequest& request,
                                   const PlanLimits& limits);

}  // namespace troupe::workflows
