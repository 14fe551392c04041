// Inputs from a file: one object per row of CSV (RFC 4180, header row), line of JSONL, or member of
// a JSON array.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace troupe::workflows {

struct ItemLimits {
  std::size_t bytes_max = 64 << 20;
  std::size_t items_max = 100'000;
};

/// The format follows the name: .csv, .jsonl or .ndjson, .json.
/// Errors: not_found (no such file), invalid_argument (file and line).
Result<std::vector<json::object>> load_items(const std::string& path,
                                             const ItemLimits& limits = {});

Result<std::vector<json::object>> parse_csv(std::string_view text, std::string_view file,
                                            const ItemLimits& limits = {});
Result<std::vector<json::object>> parse_json_lines(std::string_view text, std::string_view file,
                                                   const ItemLimits& limits = {});
Result<std::vector<json::object>> parse_json_items(std::string_view text, std::string_view file,
                                                   const ItemLimits& limits = {});

/// The whole of a regular file. Errors: not_found, invalid_argument (too large, a folder),
/// storage_failed.
Result<std::string> read_text_file(const std::string& path, std::size_t bytes_max);

}  // namespace troupe::workflows
