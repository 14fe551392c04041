#include "base/clock.h"

#include <boost/asio/steady_timer.hpp>
#include <cstdio>
#include <ctime>

namespace troupe {
namespace {

// One steady_timer armed for the earliest deadline: arming and forgetting a timer costs two map
// operations and no system call unless the earliest one changes.
class RealClock final : public Clock, public std::enable_shared_from_this<RealClock> {
 public:
  explicit RealClock(boost::asio::any_io_executor executor) : timer_(std::move(executor)) {}

  SteadyTime now() const override { return std::chrono::steady_clock::now(); }
  WallTime wall() const override { return std::chrono::system_clock::now(); }

  TimerId at(SteadyTime when, std::function<void()> callback) override {
    const TimerId id = ++last_;
    timers_.emplace(std::pair{when, id}, std::move(callback));
    due_.emplace(id, when);
    arm();
    return id;
  }

  void cancel(TimerId id) override {
    const auto row = due_.find(id);
    if (row == due_.end()) return;
    timers_.erase({row->second, id});
    due_.erase(row);
    if (timers_.empty()) disarm();
  }

  void disarm() {
    armed_ = SteadyTime::max();
    timer_.cancel();
  }

 private:
  void arm() {
    if (timers_.empty()) return;
    const SteadyTime first = timers_.begin()->first.first;
    if (first >= armed_) return;
    armed_ = first;
    timer_.expires_at(first);
    // Weak: a clock that ended must not be called, and must not keep the loop alive.
    timer_.async_wait([self = weak_from_this()](const boost::system::error_code& error) {
      if (error) return;
      if (const auto clock = self.lock()) clock->run_due();
    });
  }

  void run_due() {
    armed_ = SteadyTime::max();
    const SteadyTime time = now();
    while (!timers_.empty() && timers_.begin()->first.first <= time) {
      auto node = timers_.extract(timers_.begin());
      due_.erase(node.key().second);
      node.mapped()();
    }
    arm();
  }

  boost::asio::steady_timer timer_;
  SteadyTime armed_ = SteadyTime::max();
  TimerId last_ = 0;
  std::map<std::pair<SteadyTime, TimerId>, std::function<void()>> timers_;
  std::unordered_map<TimerId, SteadyTime> due_;
};

// Owns the shared RealClock, whose other (weak) owner is its own pending wait.
class RealClockOwner final : public Clock {
 public:
  explicit RealClockOwner(boost::asio::any_io_executor executor)
      : clock_(std::make_shared<RealClock>(std::move(executor))) {}
  ~RealClockOwner() override { clock_->disarm(); }
  SteadyTime now() const override { return clock_->now(); }
  WallTime wall() const override { return clock_->wall(); }
  TimerId at(SteadyTime when, std::function<void()> callback) override {
    return clock_->at(when, std::move(callback));
  }
  void cancel(TimerId id) override { clock_->cancel(id); }

 private:
  std::shared_ptr<RealClock> clock_;
};

}  // namespace

std::unique_ptr<Clock> make_real_clock(boost::asio::any_io_executor executor) {
  return std::make_unique<RealClockOwner>(std::move(executor));
}

Clock::TimerId ManualClock::at(SteadyTime when, std::function<void()> callback) {
  const TimerId id = ++last_;
  timers_.emplace(std::pair{when, id}, std::move(callback));
  due_.emplace(id, when);
  return id;
}

void ManualClock::cancel(TimerId id) {
  const auto row = due_.find(id);
  if (row == due_.end()) return;
  timers_.erase({row->second, id});
  due_.erase(row);
}

void ManualClock::advance(Duration by) {
  const SteadyTime target = now_ + by;
  while (!timers_.empty() && timers_.begin()->first.first <= target) {
    auto node = timers_.extract(timers_.begin());
    due_.erase(node.key().second);
    const SteadyTime when = std::max(now_, node.key().first);
    wall_ += std::chrono::duration_cast<WallTime::duration>(when - now_);
    now_ = when;
    node.mapped()();
  }
  wall_ += std::chrono::duration_cast<WallTime::duration>(target - now_);
  now_ = target;
}

SteadyTime ManualClock::next() const {
  return timers_.empty() ? SteadyTime::max() : timers_.begin()->first.first;
}

std::int64_t to_unix_ms(WallTime time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

std::string to_rfc3339(WallTime time) {
  const std::int64_t ms = to_unix_ms(time);
  const std::time_t seconds = ms / 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
                utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                static_cast<int>(ms % 1000));
  return text;
}

}  // namespace troupe
