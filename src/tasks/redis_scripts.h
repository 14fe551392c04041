// The Lua scripts of the Redis backend: put together from assets/redis, known to the server by
// their hash.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "net/redis_client.h"

namespace troupe::tasks {

enum class Script {
  enqueue,
  enqueue_plain,
  claim,
  beat,
  finish,
  turn,
  cancel,
  cancel_run,
  replay,
  change,
  pause,
  set_limit,
  sweep,
  get,
  list,
  purge,
  stats,
  run_counts,
  journal_add,
  journal,
  document_put,
  document_get,
  documents,
  document_erase,
};
inline constexpr std::size_t kScripts = static_cast<std::size_t>(Script::document_erase) + 1;

class RedisScripts final {
 public:
  RedisScripts();
  const std::string& source(Script script) const { return at(script).source; }
  /// `EVALSHA` with the one key that names the shard.
  net::RedisCommand by_hash(Script script, std::string_view key) const;
  /// `EVAL`, for a server that does not know the script (any more).
  net::RedisCommand by_source(Script script, std::string_view key) const;
  /// Makes them known. Errors: as RedisClient::command.
  Async<void> load(Context& ctx, net::RedisClient& client) const;

 private:
  struct Entry {
    std::string source;
    std::string hash;
  };
  const Entry& at(Script script) const { return entries_[static_cast<std::size_t>(script)]; }
  std::array<Entry, kScripts> entries_;
};

}  // namespace troupe::tasks
