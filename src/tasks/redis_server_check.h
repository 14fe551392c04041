// Whether the options of a Redis backend are good, and a server can be trusted with tasks. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tasks/redis_backend.h"

namespace troupe::tasks {

/// Errors: invalid_argument, naming the option.
Result<void> check_redis_options(const RedisOptions& options);
/// Reads the answer of INFO. Gives warnings. Errors: unsupported (older than 6.2), storage_failed
/// (it may evict keys; nothing is kept on disk, and that is required).
Result<std::vector<std::string>> check_redis_server(std::string_view info,
                                                    const RedisOptions& options);

}  // namespace troupe::tasks
