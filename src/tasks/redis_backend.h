// The backend for many machines: tasks in Redis 7 or Valkey. Every operation is one Lua script
// (assets/redis/), so it is applied as a whole or not at all, by the server's clock.
//
// All keys of an installation carry one hash tag and lie on one node of a cluster: gates, turns and
// dependencies hold over all tasks. More is had by more installations (prefixes).
//
// What is durable is decided by the server: with `appendfsync always` what was acknowledged
// survives a power cut, with `everysec` a crash of the process, and the machine's may cost the last
// second. Replication is asynchronous: a failover may forget the last moments unless
// `replicas` are waited for, and then nearly never.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tasks/backend.h"

namespace troupe::tasks {

struct RedisOptions {
  std::string url;                ///< See net/redis_url.h. Secret.
  std::string prefix = "troupe";  ///< 1..64 letters, digits, `-`, `_`, `.` and `:`.
  std::string ca_file;            ///< Trusted certificates (PEM) for TLS; empty: the system's.
  int replicas = 0;               ///< Must have a change before it counts (WAIT).
  Duration replica_timeout = std::chrono::seconds(1);
  bool persistence_required = true;    ///< Else a server that forgets is only warned about.
  std::int64_t tasks_max = 1'000'000;  ///< That have not ended.
  /// Of a call to the server; a call's own deadline may be earlier.
  Duration call_timeout = std::chrono::seconds(5);
  /// Without an answer for so long, a connection counts as dead.
  Duration stall_timeout = std::chrono::seconds(10);
  /// Gets what the operator should know. May be null.
  std::function<void(const std::string&)> warn;
  /// Tests only: this clock's time instead of the server's.
  Clock* clock = nullptr;
};

/// Connects, checks the server and loads the scripts.
/// Errors: invalid_argument (options), unsupported (server too old), storage_failed (it may evict
/// tasks, or keeps nothing on disk), unavailable, unauthenticated, permission_denied.
Async<std::unique_ptr<Backend>> open_redis_backend(Context& ctx, RedisOptions options);

}  // namespace troupe::tasks
