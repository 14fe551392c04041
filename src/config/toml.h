// The one place that knows toml++: a configuration file as a list of entries with their lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace troupe::config {

struct TomlEntry {
  std::string table;  ///< Dotted name of its table; empty: the top.
  std::string key;
  json::value value;  ///< Dates and times as text.
  int line = 0;
};

/// Errors: invalid_argument with `file:line:column`.
Result<std::vector<TomlEntry>> parse_toml(std::string_view text, const std::string& file);

}  // namespace troupe::config
