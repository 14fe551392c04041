// "did you mean": the nearest of the names there are. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// The most similar name, or empty when none is near.
std::string_view nearest(std::string_view name, const std::vector<std::string_view>& names);
/// ` (did you mean 'x'?)`, or empty when none is near.
std::string did_you_mean(std::string_view name, const std::vector<std::string_view>& names);

}  // namespace troupe
