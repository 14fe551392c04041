#include "base/context.h"

#include <optional>

namespace troupe {

struct CancelState {
  std::optional<Error> reason;
  std::list<std::shared_ptr<std::function<void()>>> callbacks;
  CancelSource::Registration parent;
};

CancelSource::CancelSource() : state_(std::make_shared<CancelState>()) {}

CancelSource CancelSource::linked(const CancelSource& parent) {
  CancelSource child;
  const std::weak_ptr<CancelState> weak = child.state_;
  const CancelState* source = parent.state_.get();
  child.state_->parent = parent.on_cancel([weak, source] {
    const auto state = weak.lock();
    if (!state) return;
    CancelSource self;
    self.state_ = state;
    self.cancel(*source->reason);
  });
  return child;
}

void CancelSource::cancel(Error reason) const {
  if (state_->reason) return;
  state_->reason = std::move(reason);
  const auto keep = state_;  // a callback may drop the last other owner
  // A callback may end another's registration, which empties that one's function.
  while (!keep->callbacks.empty()) {
    const auto callback = std::move(keep->callbacks.front());
    keep->callbacks.pop_front();
    if (*callback) (*callback)();
  }
}

bool CancelSource::is_cancelled() const { return state_->reason.has_value(); }
const Error& CancelSource::reason() const { return *state_->reason; }

CancelSource::Registration CancelSource::on_cancel(std::function<void()> callback) const {
  Registration registration;
  if (state_->reason) {
    callback();
    return registration;
  }
  registration.state_ = state_;
  registration.callback_ = std::make_shared<std::function<void()>>(std::move(callback));
  registration.place_ = state_->callbacks.insert(state_->callbacks.end(), registration.callback_);
  return registration;
}

CancelSource::Registration& CancelSource::Registration::operator=(Registration&& other) noexcept {
  reset();
  state_ = std::move(other.state_);
  place_ = other.place_;
  callback_ = std::exchange(other.callback_, nullptr);
  return *this;
}

void CancelSource::Registration::reset() {
  const auto callback = std::exchange(callback_, nullptr);
  if (!callback) return;
  if (const auto state = state_.lock(); state && !state->reason) state->callbacks.erase(place_);
  *callback = nullptr;
}

Context::Context(Clock& clock, boost::asio::any_io_executor executor)
    : clock_(&clock), executor_(std::move(executor)) {}

Context Context::with_timeout(Duration limit, std::string what) const {
  Context child = *this;
  const SteadyTime deadline = clock_->now() + limit;
  if (deadline < deadline_) {
    child.deadline_ = deadline;
    child.limit_ = limit;
    child.what_ = std::move(what);
  }
  return child;
}

Context Context::with_cancel(CancelSource source) const {
  Context child = *this;
  child.cancel_ = std::move(source);
  return child;
}

Context Context::with_ids(Ids ids) const {
  Context child = *this;
  child.ids_ = std::move(ids);
  return child;
}

Context Context::for_cleanup(Duration limit, std::string what) const {
  Context child(*clock_, executor_);
  child.ids_ = ids_;
  return child.with_timeout(limit, std::move(what));
}

Duration Context::remaining() const {
  if (deadline_ == SteadyTime::max()) return Duration::max();
  return std::max(Duration::zero(), deadline_ - clock_->now());
}

Result<void> Context::check() const {
  if (cancel_.is_cancelled()) return cancel_.reason();
  if (deadline_ != SteadyTime::max() && clock_->now() >= deadline_) return timeout_error();
  return {};
}

Error Context::timeout_error() const {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit_).count();
  return fail(Errc::timeout, "timed out after " + std::to_string(ms) + " ms: " + what_);
}

}  // namespace troupe
