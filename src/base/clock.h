// Time as an argument: now, wall time and timers come from a Clock, so that tests and simulations
// run on virtual time. Not for measuring in benchmarks.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace troupe {

using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

/// Seam. Threads: engine only.
class Clock {
 public:
  using TimerId = std::uint64_t;
  virtual ~Clock() = default;
  virtual SteadyTime now() const = 0;
  virtual WallTime wall() const = 0;
  /// Calls `callback` once, at or after `when`, from the event loop (never from inside this call).
  virtual TimerId at(SteadyTime when, std::function<void()> callback) = 0;
  /// Forgets a timer; an unknown or finished id is ignored.
  virtual void cancel(TimerId id) = 0;
};

/// A timer that is forgotten when this object ends.
class Timer final {
 public:
  Timer() = default;
  Timer(Clock& clock, SteadyTime when, std::function<void()> callback)
      : clock_(&clock), id_(clock.at(when, std::move(callback))) {}
  Timer(Timer&& other) noexcept : clock_(std::exchange(other.clock_, nullptr)), id_(other.id_) {}
  Timer& operator=(Timer&& other) noexcept {
    reset();
    clock_ = std::exchange(other.clock_, nullptr);
    id_ = other.id_;
    return *this;
  }
  ~Timer() { reset(); }
  void reset() {
    if (clock_) std::exchange(clock_, nullptr)->cancel(id_);
  }

 private:
  Clock* clock_ = nullptr;
  Clock::TimerId id_ = 0;
};

/// The machine's clocks; all timers share one operating-system timer on `executor`.
std::unique_ptr<Clock> make_real_clock(boost::asio::any_io_executor executor);

/// Virtual time for tests: stands still until advanced.
class ManualClock final : public Clock {
 public:
  SteadyTime now() const override { return now_; }
  WallTime wall() const override { return wall_; }
  TimerId at(SteadyTime when, std::function<void()> callback) override;
  void cancel(TimerId id) override;
  /// Moves time on and runs what became due, in order.
  void advance(Duration by);
  /// Time of the next timer, or SteadyTime::max().
  SteadyTime next() const;

 private:
  SteadyTime now_{std::chrono::hours(1000)};
  WallTime wall_{std::chrono::seconds(1'790'000'000)};
  TimerId last_ = 0;
  std::map<std::pair<SteadyTime, TimerId>, std::function<void()>> timers_;
  std::map<TimerId, SteadyTime> due_;
};

/// `2026-11-22T19:48:10.123Z` (RFC 3339, UTC, milliseconds).
std::string to_rfc3339(WallTime time);
/// The same, also with an offset and other fractions; nothing for anything else.
std::optional<WallTime> parse_rfc3339(std::string_view text);
/// Milliseconds since the Unix epoch.
std::int64_t to_unix_ms(WallTime time);

}  // namespace troupe
