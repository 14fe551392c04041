// Checks a JSON value against a JSON Schema: the part of the language that answers of models are
// asked for in. Pure.
#pragma once

#include <string>

#include "base/json.h"

namespace troupe::services {

/// Known: type, enum, const, properties, required, additionalProperties, items, minItems, maxItems,
/// minLength, maxLength, minimum, maximum, anyOf, oneOf, allOf, $ref to `#/…`. Others (pattern,
/// format) are not checked. Errors: invalid_argument whose message says where and why:
/// `videos[2].views: is a string, not an integer`.
Result<void> check_schema(const json::value& value, const json::object& schema);

/// Services take objects at the root only. Another schema becomes the property `value` of one;
/// `wrapped` tells whether that was done.
json::object object_schema(const json::object& schema, bool& wrapped);

}  // namespace troupe::services
