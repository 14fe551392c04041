// Which services of Troupe a request came through: one that is told to use itself as its
// Browserbase would otherwise ask itself for ever.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace troupe::services {

/// The header, in lower case. Its value is a list of names, one for each service passed.
inline constexpr std::string_view kViaHeader = "x-troupe-via";

/// The name of this process; random, and the same until it ends.
const std::string& instance_name();
/// The header's value for a request that goes on from here after it came with `via`.
std::string via_from_here(std::string_view via);
/// Refuses what has been here before, or has come through more than eight services.
/// Errors: invalid_argument.
Result<void> check_via(std::string_view via);

}  // namespace troupe::services
