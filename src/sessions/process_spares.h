// Chromium processes started before their session is asked for: how many is learnt from the demand.
#pragma once

#include <deque>
#include <memory>

#include "base/async.h"
#include "observe/log.h"
#include "sessions/chromium.h"

namespace troupe::sessions {

/// How many spares to keep, decided from who found one and who did not. Pure but for the time that
/// it is given. Grows by one with each caller that had to wait, shrinks by what nobody needed in a
/// while, and is zero until somebody asks and again when nobody has for long.
class SpareDemand final {
 public:
  explicit SpareDemand(int max) : max_(max) {}
  /// Somebody took one; `left`: how many remain. -1: there was none for him.
  void taken(SteadyTime now, int left);
  int wanted(SteadyTime now);

 private:
  int max_;
  int wanted_ = 0;
  int unused_ = 0;  ///< Fewest that were left in the present period.
  SteadyTime period_start_{};
  SteadyTime last_taken_{};
};

struct SparesOptions {
  ChromiumOptions chromium;
  int max = 4;
};

/// Threads: engine.
class ProcessSpares final {
 public:
  ProcessSpares(Clock& clock, asio::any_io_executor executor, observe::Log& log,
                SparesOptions options);

  /// A living spare or null; either way the demand is noted and the stock filled up again.
  std::unique_ptr<Chromium> take();
  /// Replaces dead ones, lets go of those too many; `none`: of all (memory is short).
  void tend(bool none);
  Async<void> shutdown(Context& ctx);
  std::size_t size() const { return ready_.size(); }

 private:
  void fill();
  asio::awaitable<void> start_one();
  asio::awaitable<void> end_one(std::unique_ptr<Chromium> chromium);

  Clock& clock_;
  asio::any_io_executor executor_;
  observe::Log& log_;
  SparesOptions options_;
  SpareDemand demand_;
  std::deque<std::unique_ptr<Chromium>> ready_;
  int starting_ = 0;
  SteadyTime not_before_{};  ///< After a failed start.
  CancelSource stop_;
  Scope scope_;
  bool closed_ = false;
};

}  // namespace troupe::sessions
