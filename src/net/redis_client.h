// A client of Redis and Valkey: one connection that all callers share (pipelining), RESP3, ACL,
// TLS, Sentinel, the redirections of Cluster, publish/subscribe. It finds its server again by
// itself, with growing pauses.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/async.h"
#include "net/redis_protocol.h"
#include "net/redis_url.h"

namespace troupe::net {

struct RedisClientOptions {
  RedisUrl url;
  /// Trusted certificates (PEM) for TLS; empty: the system's.
  std::string ca_file;
  std::string client_name = "troupe";
  /// A connection attempt with its handshake, for each address.
  Duration connect_timeout = std::chrono::seconds(2);
  /// Without an answer or any progress for so long, the connection counts as dead.
  Duration stall_timeout = std::chrono::seconds(10);
  /// Nothing to say for so long: a PING finds out whether anybody is there.
  Duration ping_interval = std::chrono::seconds(5);
  /// Pause before connecting again: random(0, min(most, least x 2^n)), at least `pause_least`/2.
  Duration pause_least = std::chrono::milliseconds(50);
  Duration pause_most = std::chrono::seconds(2);
  std::size_t commands_max = 10'000;               ///< Unanswered and waiting ones.
  std::size_t bytes_max = std::size_t{256} << 20;  ///< Unsent ones.
};

/// For metrics and tests.
struct RedisClientCounters {
  std::uint64_t attempts = 0;     ///< To connect.
  std::uint64_t connections = 0;  ///< That came about.
  std::uint64_t commands = 0;
  std::uint64_t redirections = 0;
};

/// Threads: engine.
class RedisClient final {
 public:
  RedisClient(asio::any_io_executor executor, Clock& clock, RedisClientOptions options);
  /// Ends without waiting; better close() first.
  ~RedisClient();
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  /// Waits until it is connected. Errors: what the last attempt failed with, when the context ends
  /// before.
  Async<void> connected(Context& ctx);
  /// Sends a command and waits for its answer. Errors: network_error or timeout (it may have been
  /// applied), protocol_error (likewise), unavailable (not sent), exhausted (too many wait), and
  /// what the server answers (redis_error).
  Async<RedisValue> command(Context& ctx, RedisCommand command);
  /// Several in a row, nothing of this client in between. Error answers are values here. Cluster's
  /// redirections are followed for all of them together.
  Async<std::vector<RedisValue>> pipeline(Context& ctx, std::vector<RedisCommand> commands);

  /// Calls `message` for what is published on the channel, and `again` whenever messages may have
  /// been missed, i.e. each time that it is subscribed. One subscription per channel.
  void subscribe(std::string channel, std::function<void(std::string_view)> message,
                 std::function<void()> again);

  bool is_connected() const;
  const RedisClientCounters& counters() const;
  /// The server that it is connected with, or was last.
  std::string server() const;
  /// Why it is not connected.
  std::string last_failure() const;
  /// Ends; calls under way end with `cancelled`. Idempotent.
  asio::awaitable<void> close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace troupe::net
