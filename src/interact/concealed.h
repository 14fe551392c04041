// Values of variables in texts: put in where something is typed, taken out of what anybody reads.
// No I/O.
#pragma once

#include <string>

#include "base/json.h"

namespace troupe::interact {

/// The text with its `%name%` replaced by values. Errors: invalid_argument (no such variable; not
/// when `given` is empty, since then `%` is a character as any other).
Result<std::string> revealed(std::string text, const json::object& given);

/// The text with `%name%` in place of each value, also as it stands in a URL or in JSON.
std::string concealed(std::string text, const json::object& given);
/// The same for all texts in a value.
json::value concealed_value(const json::value& value, const json::object& given);

}  // namespace troupe::interact
