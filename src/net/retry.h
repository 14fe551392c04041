// When to send a request again, and after how long: backoff with full jitter, what the server
// asked for, and a budget that keeps retries from multiplying a service's trouble. Pure but for
// the clock and the randomness that are handed in.
#pragma once

#include <optional>

#include "base/clock.h"
#include "base/random.h"
#include "net/http_client.h"

namespace troupe::net {

struct RetryPolicy {
  int attempts_max = 4;
  Duration first = std::chrono::milliseconds(500);  ///< Upper end of the first pause; then doubled.
  Duration max = std::chrono::seconds(8);           ///< Upper end of every pause of our own.
  Duration after_max = std::chrono::seconds(60);    ///< Longest pause a server may ask for.
};

/// What an answer says about sending again.
struct RetryAdvice {
  std::optional<bool> should_retry;  ///< `x-should-retry`.
  std::optional<Duration> after;     ///< `retry-after-ms`, else `retry-after` (seconds or a date).
};
RetryAdvice retry_advice(const HttpReply& reply, WallTime now);

/// `Sun, 06 Nov 1994 08:49:37 GMT`; nothing for any other form.
std::optional<WallTime> parse_http_date(std::string_view text);

/// Pause before attempt `attempt` + 1, uniform in [0, min(max, first * 2^(attempt-1))].
Duration backoff(const RetryPolicy& policy, int attempt, Random& random);

/// The pause before the next attempt, or nothing: attempts are used up, the server asks for a
/// longer pause than allowed, or the pause does not fit into `remaining`.
std::optional<Duration> next_pause(const RetryPolicy& policy, int attempt,
                                   const RetryAdvice& advice, Duration remaining, Random& random);

/// Tokens that retries cost: one each. First attempts and time earn them back, so that in an
/// outage retries are a small part of all requests. Threads: engine.
class RetryBudget final {
 public:
  struct Options {
    double capacity = 10;     ///< Tokens at most, and at the start.
    double per_call = 0.1;    ///< Earned by each first attempt.
    double per_second = 0.2;  ///< Earned by time.
  };
  RetryBudget(Clock& clock, Options options)
      : clock_(&clock), options_(options), tokens_(options.capacity), at_(clock.now()) {}

  void call_began();
  /// Takes a token; false when there is none.
  bool take();
  double tokens() const { return tokens_; }

 private:
  void earn(double amount);
  Clock* clock_;
  Options options_;
  double tokens_;
  SteadyTime at_;
};

}  // namespace troupe::net
