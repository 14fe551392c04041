// Fields of JSON request bodies, declared once: checks and OpenAPI schemas come from the same rows.
// Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace troupe::api {

enum class FieldType { string, integer, boolean, object, objects, name_or_object, any };

/// One member of a body.
struct Field {
  std::string_view name;
  FieldType type;
  std::string_view help;
  bool required = false;
  std::int64_t low = 0;  ///< Bounds of an integer, when high is above low.
  std::int64_t high = 0;
  std::span<const std::string_view> words = {};  ///< Allowed texts; empty: any.
};

enum class Unknown { refused, ignored };

/// Errors: invalid_argument, naming the field and what was expected; an unknown field with the
/// nearest known one.
Result<void> check_fields(const json::object& body, std::span<const Field> fields, Unknown unknown);

/// JSON Schema of the same.
json::object schema_of(std::span<const Field> fields, Unknown unknown);

}  // namespace troupe::api
