// Files that actions write: safe names, whole writes, pictures. Blocking, small.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace troupe::interact {

/// A name that stays inside its folder: no separators, control characters or leading dots; at most
/// 120 bytes, its ending kept. Empty becomes `file`.
std::string safe_file_name(std::string_view name);
/// `dir/name`, or with -2, -3, … before the ending when that exists.
std::string free_path(const std::string& dir, const std::string& name);
/// Errors: storage_failed; half-written files are removed.
Result<void> write_file(const std::string& path, std::string_view content);
/// Moves, also across file systems; returns the size. Errors: storage_failed.
Result<std::int64_t> move_file(const std::string& from, const std::string& to);
std::string decode_base64(std::string_view text);
/// Width and height of a PNG; zeros when it is none.
std::pair<int, int> png_size(std::string_view png);

}  // namespace troupe::interact
