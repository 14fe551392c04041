#include "net/rate_limiter.h"

#include <algorithm>
#include <charconv>
#include <string>

namespace troupe::net {
namespace {

std::optional<std::int64_t> count_in(const HttpReply& reply, std::string_view name) {
  const auto text = reply.header(name);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 0) return {};
  return std::min<std::int64_t>(number, 1'000'000'000);
}

// A window longer than this is a mistake of somebody's: a date in place of seconds.
constexpr std::int64_t kWindowSecondsMax = 3'600;

}  // namespace

RateLimiter::State RateLimiter::state() const {
  State now = state_;
  if (clock_->now() < now.resets_at || !now.remaining) return now;
  // Nothing was heard of the next window yet: it is taken to be as long as the longest seen.
  now.remaining = now.limit;
  now.resets_at = clock_->now() + window_;
  return now;
}

bool RateLimiter::take() {
  state_ = state();
  if (!state_.remaining) return true;
  if (*state_.remaining == 0) return false;
  --*state_.remaining;
  return true;
}

void RateLimiter::arm() {
  if (waiting_.empty()) {
    timer_.reset();
    return;
  }
  timer_ = Timer(*clock_, std::max(state_.resets_at, clock_->now()), [this] { pump(); });
}

void RateLimiter::pump() {
  while (!waiting_.empty() && take()) {
    Waiter& next = *waiting_.front();
    next.leave();
    next.granted.set();
  }
  arm();
}

Async<void> RateLimiter::acquire(Context& ctx, bool wait) {
  CO_TRY_VOID(ctx.check());
  if (waiting_.empty() && take()) co_return Result<void>{};
  const Duration pause = state_.resets_at - clock_->now();
  if (!wait || pause >= ctx.remaining()) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(pause).count();
    co_return fail(Errc::exhausted,
                   "request rate: none left for the next " + std::to_string(ms) + " ms", {},
                   "send fewer requests, or allow more time");
  }
  Waiter waiter(waiting_);
  arm();
  const auto granted = co_await waiter.granted.wait(ctx);
  if (waiter.granted.is_set()) {
    // Its turn came together with its end: the next in line has it.
    if (!granted && state_.remaining) ++*state_.remaining;
    if (!granted) pump();
  } else {
    waiter.leave();
    arm();
  }
  co_return granted;
}

void RateLimiter::learn(const HttpReply& reply) {
  const auto limit = count_in(reply, "x-ratelimit-limit");
  const auto remaining = count_in(reply, "x-ratelimit-remaining");
  const auto reset = count_in(reply, "x-ratelimit-reset");
  if (limit && *limit > 0) state_.limit = limit;
  if (!remaining || !reset) return;
  const SteadyTime now = clock_->now();
  window_ = std::max<Duration>(window_, std::chrono::seconds(std::min(*reset, kWindowSecondsMax)));
  const auto resets_at = now + std::chrono::seconds(std::min(*reset, kWindowSecondsMax));
  // Within one window requests are under way whose answers are not in yet: the smaller counts.
  // Answers round to seconds, so a window is the same when its end moved by less than two.
  const auto moved =
      resets_at > state_.resets_at ? resets_at - state_.resets_at : state_.resets_at - resets_at;
  const bool same_window = now < state_.resets_at && moved < std::chrono::seconds(2);
  state_.remaining =
      same_window && state_.remaining ? std::min(*remaining, *state_.remaining) : *remaining;
  state_.resets_at = resets_at;
  pump();
}

void RateLimiter::hold(Duration pause) {
  state_.remaining = 0;
  state_.resets_at = std::max(state_.resets_at, clock_->now() + pause);
  arm();
}

}  // namespace troupe::net
