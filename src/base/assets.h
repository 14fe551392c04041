// Text files carried inside the binary (folder assets/ of the source tree).
#pragma once

#include <string_view>
#include <vector>

namespace troupe::assets {

/// The content of assets/<path>; a missing asset is a bug, so it asserts.
std::string_view get(std::string_view path);
/// Whether assets/<path> exists.
bool has(std::string_view path);
/// Paths that begin with `prefix`, sorted.
std::vector<std::string_view> list(std::string_view prefix);

}  // namespace troupe::assets
