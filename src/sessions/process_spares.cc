#include "sessions/process_spares.h"

#include <algorithm>

namespace troupe::sessions {
namespace {

constexpr auto kPeriod = std::chrono::seconds(60);
constexpr auto kForgotten = std::chrono::minutes(10);
constexpr auto kStartTimeout = std::chrono::seconds(30);
constexpr auto kPauseAfterFailure = std::chrono::seconds(10);
constexpr int kFailuresMax = 5;  // the pause doubles until then
constexpr std::size_t kLatenciesKept = 20;
// More at once would take the processors from sessions that start now.
constexpr int kStartsAtOnce = 2;
// Who asks is often not alone: a start at once would slow down the others of a burst.
constexpr auto kFillAfter = std::chrono::milliseconds(100);

}  // namespace

void SpareDemand::taken(SteadyTime now, int left) {
  if (wanted_ <= goal_.min) {
    period_start_ = now;
    unused_ = goal_.max;
  }
  last_taken_ = now;
  if (goal_.latency == Duration::zero() && (left < 0 || wanted_ == 0)) grow();
  unused_ = std::min(unused_, std::max(left, 0));
}

void SpareDemand::acquired(Duration latency) {
  latencies_.push_back(latency);
  if (latencies_.size() > kLatenciesKept) latencies_.pop_front();
  if (goal_.latency > Duration::zero() && latency > goal_.latency && p95() > goal_.latency) grow();
}

Duration SpareDemand::p95() const {
  if (latencies_.empty()) return {};
  std::vector<Duration> sorted(latencies_.begin(), latencies_.end());
  const std::size_t rank = (sorted.size() * 95 + 99) / 100 - 1;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(rank),
                   sorted.end());
  return sorted[rank];
}

int SpareDemand::wanted(SteadyTime now) {
  if (wanted_ <= goal_.min) return wanted_;
  if (now - last_taken_ > kForgotten) {
    latencies_.clear();
    return wanted_ = goal_.min;
  }
  if (now - period_start_ < kPeriod) return wanted_;
  wanted_ = std::max({1, goal_.min, wanted_ - unused_});
  period_start_ = now;
  unused_ = wanted_;
  return wanted_;
}

ProcessSpares::ProcessSpares(Clock& clock, asio::any_io_executor executor, observe::Log& log,
                             SparesOptions options)
    : clock_(clock),
      executor_(executor),
      log_(log),
      options_(std::move(options)),
      demand_(options_.goal),
      scope_(executor) {}

std::unique_ptr<Chromium> ProcessSpares::take() {
  if (closed_ || options_.goal.max == 0) return nullptr;
  std::unique_ptr<Chromium> chromium;
  while (!chromium && !ready_.empty()) {
    if (ready_.front()->alive()) chromium = std::move(ready_.front());
    ready_.pop_front();
  }
  demand_.taken(clock_.now(), chromium ? static_cast<int>(ready_.size()) : -1);
  fill_soon();
  return chromium;
}

void ProcessSpares::fill_soon() {
  if (std::exchange(fill_due_, true)) return;
  filling_ = Timer(clock_, clock_.now() + kFillAfter, [this] {
    fill_due_ = false;
    fill();
  });
}

void ProcessSpares::acquired(Duration latency) {
  demand_.acquired(latency);
  if (options_.goal.max > 0) fill_soon();
}

void ProcessSpares::fill() {
  const int wanted = demand_.wanted(clock_.now());
  while (!closed_ && clock_.now() >= not_before_ && starting_ < kStartsAtOnce &&
         static_cast<int>(ready_.size()) + starting_ < wanted) {
    ++starting_;
    scope_.spawn("spare browser start", start_one());
  }
}

asio::awaitable<void> ProcessSpares::start_one() {
  const Context base(clock_, executor_);
  const Context stoppable = base.with_cancel(stop_);
  Context ctx = stoppable.with_timeout(kStartTimeout, "spare browser start");
  auto launched = co_await Chromium::launch(ctx, options_.chromium);
  --starting_;
  if (!launched) {
    const Error error = launched.error();
    not_before_ = clock_.now() + kPauseAfterFailure * (1 << failures_);
    failures_ = std::min(failures_ + 1, kFailuresMax);
    log_.write({}, {.level = observe::Level::warning,
                    .action = "browser.spare",
                    .status = "failed",
                    .error = &error});
    co_return;
  }
  failures_ = 0;
  if (closed_) co_return;
  ready_.push_back(std::move(*launched));
  fill();
}

asio::awaitable<void> ProcessSpares::end_one(std::unique_ptr<Chromium> chromium) {
  const Context base(clock_, executor_);
  Context ctx = base.with_timeout(std::chrono::seconds(10), "spare browser end");
  (void)co_await chromium->kill(ctx);
}

void ProcessSpares::drop_worn() {
  std::erase_if(ready_, [](const auto& chromium) { return !chromium->alive(); });
  if (ready_.empty()) return;
  auto usage = usage_of_groups();
  std::deque<std::unique_ptr<Chromium>> good;
  for (auto& chromium : ready_) {
    const bool old = options_.age_max > Duration::zero() &&
                     clock_.now() - chromium->started_at() > options_.age_max;
    const std::int64_t megabytes = usage[chromium->process().pid()].resident_bytes >> 20;
    if (!old && megabytes <= options_.memory_mb) {
      good.push_back(std::move(chromium));
      continue;
    }
    log_.write({}, {.action = "browser.recycle",
                    .status = old ? "age" : "memory",
                    .details = {{"pid", chromium->process().pid()}, {"resident_mb", megabytes}}});
    scope_.spawn("spare browser end", end_one(std::move(chromium)));
  }
  ready_ = std::move(good);
}

void ProcessSpares::tend(bool none) {
  drop_worn();
  const std::size_t keep = none ? 0 : static_cast<std::size_t>(demand_.wanted(clock_.now()));
  while (ready_.size() > keep) {
    scope_.spawn("spare browser end", end_one(std::move(ready_.front())));
    ready_.pop_front();
  }
  if (!none) fill();
}

Async<void> ProcessSpares::shutdown(Context& ctx) {
  closed_ = true;
  filling_.reset();
  stop_.cancel(fail(Errc::draining, "browsers: shutting down"));
  tend(true);
  co_return co_await scope_.join(ctx);
}

}  // namespace troupe::sessions
