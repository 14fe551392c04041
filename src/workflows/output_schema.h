// JSON Schema of a workflow's output (draft 7, through valijson). Pure.
#pragma once

#include "base/json.h"
#include "base/result.h"

namespace troupe::workflows {

/// Whether it is a schema that can be used. References to other documents are refused.
Result<void> check_schema(const json::object& schema);
/// Errors: extraction_failed, naming every place that does not fit (at most 20).
Result<void> validate_output(const json::object& schema, const json::value& output);

}  // namespace troupe::workflows
