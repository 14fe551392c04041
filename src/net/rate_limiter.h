// Keeps requests within the rate that the server announces, so that a 429 need not be earned.
// Callers wait in the order they came. Threads: engine.
#pragma once

#include <list>
#include <optional>

#include "base/async.h"
#include "net/http_client.h"

namespace troupe::net {

/// Learns from `x-ratelimit-limit`, `-remaining` and `-reset` (seconds). Without them: no limit.
class RateLimiter final {
 public:
  explicit RateLimiter(Clock& clock) : clock_(&clock) {}
  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;

  /// Takes one request's turn; waits for the window to reset when none is left.
  /// Errors: exhausted at once when the wait is longer than the context's time or `wait` is false;
  /// cancelled.
  Async<void> acquire(Context& ctx, bool wait);
  /// Reads the headers of an answer.
  void learn(const HttpReply& reply);
  /// A 429 without these headers: nothing is sent for that long.
  void hold(Duration pause);

  struct State {
    std::optional<std::int64_t> limit;      ///< Requests in a window.
    std::optional<std::int64_t> remaining;  ///< Left in this window.
    SteadyTime resets_at{};
  };
  /// As of now: a window that is over has all its requests left.
  State state() const;
  std::size_t waiting() const { return waiting_.size(); }

 private:
  // In the line while it lives, or until its turn.
  struct Waiter {
    explicit Waiter(std::list<Waiter*>& l) : line(&l) { l.push_back(this); }
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    ~Waiter() { leave(); }
    void leave() { line->remove(this); }
    std::list<Waiter*>* line;
    Event granted;
  };
  bool take();
  void pump();
  void arm();

  Clock* clock_;
  State state_;
  Duration window_{};
  std::list<Waiter*> waiting_;
  Timer timer_;
};

}  // namespace troupe::net
