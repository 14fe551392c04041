// What a browser sends for a form: names with texts or files. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace troupe::demo {

struct FormField {
  std::string name;
  std::string value;      ///< The text, or a file's content.
  std::string file_name;  ///< Empty for texts and for a file field left empty.
  bool is_file = false;
};

/// Reads `application/x-www-form-urlencoded` and `multipart/form-data` bodies.
/// Errors: invalid_argument (another content type, no boundary, broken parts).
Result<std::vector<FormField>> parse_form(std::string_view content_type, std::string_view body);
/// The value of the first field of that name, or "".
std::string_view field_value(const std::vector<FormField>& fields, std::string_view name);

}  // namespace troupe::demo
