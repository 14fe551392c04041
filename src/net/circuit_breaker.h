// Stops asking a service that fails every time, so that its callers fail at once and it can
// recover. Threads: engine.
#pragma once

#include <optional>

#include "base/clock.h"

namespace troupe::net {

/// Closed: all calls pass. Open, after some failures in a row: none pass, for a while. Then one
/// probe passes, and its outcome closes or opens it again.
class CircuitBreaker final {
 public:
  struct Options {
    int failures = 5;  ///< In a row.
    Duration open = std::chrono::seconds(15);
  };
  CircuitBreaker(Clock& clock, Options options) : clock_(&clock), options_(options) {}
  CircuitBreaker(const CircuitBreaker&) = delete;
  CircuitBreaker& operator=(const CircuitBreaker&) = delete;

  /// One call that may be made. Without a verdict (a cancelled call) it counts as neither.
  class Permit final {
   public:
    Permit(Permit&& other) noexcept;
    Permit& operator=(Permit&&) = delete;
    ~Permit();
    /// The service answered as a working one does; a refusal of the request is that, too.
    void succeeded();
    void failed();

   private:
    friend class CircuitBreaker;
    Permit(CircuitBreaker& breaker, bool probe) : breaker_(&breaker), probe_(probe) {}
    CircuitBreaker* breaker_;
    bool probe_;
  };
  /// Nothing while it is open. The breaker outlives its permits.
  std::optional<Permit> enter();
  /// Time until the next probe may pass; zero when calls pass now.
  Duration closed_for() const;

 private:
  Clock* clock_;
  Options options_;
  int failures_ = 0;
  bool open_ = false;
  bool probing_ = false;
  SteadyTime probe_at_{};
};

}  // namespace troupe::net
