// One call to Browserbase with all that keeps it safe: rate limiter, circuit breaker, attempts with
// their own time, retries within a budget. Knows no operations.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "net/circuit_breaker.h"
#include "net/rate_limiter.h"
#include "net/retry.h"
#include "services/browserbase.h"

namespace troupe::services {

/// What goes over the wire, and what may be done with it.
struct RemoteCall {
  std::string group;  ///< Its circuit breaker.
  std::string method = "GET";
  std::string path;  ///< From `/v1` on, encoded.
  std::string what;  ///< For messages, without ids: `POST /v1/sessions`.
  std::string body;
  std::string content_type;
  std::string accept = "application/json";
  std::string via;               ///< Services that the caller's own request came through.
  bool repeatable = true;        ///< Doing it twice leaves the same as doing it once.
  bool counts = false;           ///< Against the creation rate.
  bool missing_is_done = false;  ///< A 404 after an attempt of unknown outcome is a success.
  Duration more_time{};          ///< Beyond the time of an attempt, for large bodies.
  std::int64_t response_bytes_max = 16 << 20;
  std::optional<Error> refused;  ///< Not sent: this is its answer.
};

/// Threads: engine.
class BrowserbaseCalls final {
 public:
  BrowserbaseCalls(BrowserbaseOptions options, net::HttpClient& http, Clock& clock, Random random);

  /// Reads a 2xx answer; protocol_error when it does not fit.
  using Accept = std::function<Result<void>(net::HttpReply&)>;
  Async<void> perform(Context& ctx, RemoteCall call, CallOptions options, Accept accept);

  const BrowserbaseOptions& options() const { return options_; }
  std::string uuid() { return random_.uuid(); }
  RateState creation_rate() const;

 private:
  struct Attempt;
  asio::awaitable<Attempt> attempt(Context& ctx, const RemoteCall& call, const Accept& accept);
  Async<net::HttpReply> send(Context& ctx, const RemoteCall& call, bool& sent);
  void judge(Attempt& attempt, const RemoteCall& call, const Accept& accept,
             Result<net::HttpReply> reply);
  Async<void> admit(Context& ctx, const RemoteCall& call, const CallOptions& options);
  std::optional<Duration> pause_after(Context& ctx, const Attempt& attempt, const RemoteCall& call,
                                      const CallOptions& options, int attempts);
  net::CircuitBreaker& breaker(const std::string& group);

  BrowserbaseOptions options_;
  net::HttpClient& http_;
  Clock& clock_;
  Random random_;
  net::RetryBudget budget_;
  net::RateLimiter limiter_;
  std::map<std::string, net::CircuitBreaker> breakers_;
};

}  // namespace troupe::services
