#include "net/circuit_breaker.h"

#include <algorithm>
#include <utility>

namespace troupe::net {

CircuitBreaker::Permit::Permit(Permit&& other) noexcept
    : breaker_(std::exchange(other.breaker_, nullptr)), probe_(other.probe_) {}

CircuitBreaker::Permit::~Permit() {
  if (breaker_ && probe_) breaker_->probing_ = false;
}

void CircuitBreaker::Permit::succeeded() {
  if (!breaker_) return;
  auto& breaker = *std::exchange(breaker_, nullptr);
  // A call from before it opened says nothing about now.
  if (breaker.open_ && !probe_) return;
  breaker.open_ = false;
  breaker.probing_ = false;
  breaker.failures_ = 0;
}

void CircuitBreaker::Permit::failed() {
  if (!breaker_) return;
  auto& breaker = *std::exchange(breaker_, nullptr);
  if (probe_) breaker.probing_ = false;
  if (breaker.open_ && !probe_) return;
  if (!probe_ && ++breaker.failures_ < breaker.options_.failures) return;
  breaker.open_ = true;
  breaker.probe_at_ = breaker.clock_->now() + breaker.options_.open;
}

std::optional<CircuitBreaker::Permit> CircuitBreaker::enter() {
  if (!open_) return Permit(*this, false);
  if (probing_ || clock_->now() < probe_at_) return {};
  probing_ = true;
  return Permit(*this, true);
}

Duration CircuitBreaker::closed_for() const {
  if (!open_) return {};
  return std::max(Duration::zero(), probe_at_ - clock_->now());
}

}  // namespace troupe::net
