// Bodies of type multipart/form-data (RFC 7578), whole in memory. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace troupe::net {

struct FormPart {
  std::string name;
  std::string file_name;  ///< As sent, UTF-8; empty when the part is no file.
  std::string content_type;
  std::string_view content;  ///< Into the body.
};

/// At most 64 parts with headers of at most 8 KiB each.
/// Errors: invalid_argument (another type, no boundary, broken parts).
Result<std::vector<FormPart>> parse_multipart(std::string_view content_type, std::string_view body);

}  // namespace troupe::net
