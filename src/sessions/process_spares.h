// Chromium processes started before their session is asked for: how many is learnt from the demand.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>

#include "base/async.h"
#include "observe/log.h"
#include "sessions/chromium.h"

namespace troupe::sessions {

struct SpareGoal {
  int min = 0;  ///< Also when nobody asks.
  int max = 4;
  /// Within which 95 of 100 callers shall have a browser; 0: as soon as possible, so that each
  /// caller without a spare makes one more.
  Duration latency{};
};

/// How many spares to keep, decided from who found one and how long callers waited. Pure but for
/// the time that it is given. Grows by one with each caller that waited too long while the target
/// is missed, shrinks by what nobody needed in a while, and is at its minimum until somebody asks
/// and again when nobody has for long.
class SpareDemand final {
 public:
  explicit SpareDemand(SpareGoal goal) : goal_(goal), wanted_(goal.min) {}
  /// Somebody took one; `left`: how many remain. -1: there was none for him.
  void taken(SteadyTime now, int left);
  /// He has a browser, that long after he asked.
  void acquired(Duration latency);
  int wanted(SteadyTime now);
  /// Of the last 20 callers; zero without any.
  Duration p95() const;

 private:
  void grow() { wanted_ = std::max(wanted_, std::min(goal_.max, wanted_ + 1)); }
  SpareGoal goal_;
  int wanted_;
  std::deque<Duration> latencies_;
  int unused_ = 0;  ///< Fewest that were left in the present period.
  SteadyTime period_start_{};
  SteadyTime last_taken_{};
};

struct SparesOptions {
  ChromiumOptions chromium;
  SpareGoal goal;
  Duration age_max{};    ///< An older one is replaced; 0: at any age.
  int memory_mb = 4096;  ///< One that takes more is replaced.
};

/// Threads: engine.
class ProcessSpares final {
 public:
  ProcessSpares(Clock& clock, asio::any_io_executor executor, observe::Log& log,
                SparesOptions options);

  /// A living spare or null; either way the demand is noted and the stock filled up soon.
  std::unique_ptr<Chromium> take();
  /// Whoever asked take() has a browser, his own or that one, after this time.
  void acquired(Duration latency);
  /// Replaces dead, old and fat ones, lets go of those too many; `none`: of all (memory is short).
  void tend(bool none);
  Async<void> shutdown(Context& ctx);
  std::size_t size() const { return ready_.size(); }

 private:
  void fill();
  void fill_soon();
  void drop_worn();
  asio::awaitable<void> start_one();
  asio::awaitable<void> end_one(std::unique_ptr<Chromium> chromium);

  Clock& clock_;
  asio::any_io_executor executor_;
  observe::Log& log_;
  SparesOptions options_;
  SpareDemand demand_;
  std::deque<std::unique_ptr<Chromium>> ready_;
  int starting_ = 0;
  SteadyTime not_before_{};  ///< After failed starts in a row.
  int failures_ = 0;
  CancelSource stop_;
  Scope scope_;
  bool closed_ = false;
  bool fill_due_ = false;
  Timer filling_;
};

}  // namespace troupe::sessions
