// JSON values (Boost.JSON) and the few helpers that save writing the same look-ups again.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace troupe {

namespace json = boost::json;

/// Parses; the error names the offset. Limits nesting to 64.
Result<json::value> parse_json(std::string_view text, std::string_view what);
/// Indented by two spaces, with a final newline.
std::string pretty(const json::value& value);

/// The member, or null when `value` is no object or has none.
const json::value* find(const json::value& value, std::string_view key);
const json::value* find(const json::object& object, std::string_view key);
/// The member as text, number or flag; nothing when absent or of another type.
std::optional<std::string_view> find_string(const json::object& object, std::string_view key);
std::optional<std::int64_t> find_int(const json::object& object, std::string_view key);
std::optional<double> find_number(const json::object& object, std::string_view key);
std::optional<bool> find_bool(const json::object& object, std::string_view key);
/// `null`, `boolean`, `integer`, `number`, `string`, `array`, `object`.
std::string_view type_name(const json::value& value);

}  // namespace troupe
