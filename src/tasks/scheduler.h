// Starts the runs of schedules when their turns come. Any number of nodes may do it on one backend:
// each turn gives one run.
//
// How: a turn is first written down as `firing` (compare-and-swap on the schedule's document), then
// submitted under a key made of schedule and time, then written down as started. Whoever finds a
// firing that is some seconds old finishes it; a second submission under the same key is the same
// run. So a crash at any point loses no turn and doubles none, as long as the runs' idempotency
// keys are remembered longer than a node can be frozen.
#pragma once

#include <map>

#include "base/random.h"
#include "observe/log.h"
#include "tasks/backend.h"
#include "tasks/schedule.h"

namespace troupe::tasks {

/// Seam: what schedules need of the engine.
class RunStarter {
 public:
  virtual ~RunStarter() = default;
  /// `request` is the body of a POST /v1/runs. The same key gives the same run, whose id is
  /// returned. Errors: retryable ones are tried again, any other ends the turn as failed.
  virtual Async<std::string> submit(Context& ctx, json::object request, std::string tenant,
                                    std::string idempotency_key) = 0;
  /// Whether the run has not ended. A run that nobody knows has.
  virtual Async<bool> is_open(Context& ctx, std::string run_id) = 0;
  /// A run that has ended or is not known is ok.
  virtual Async<void> cancel(Context& ctx, std::string run_id, std::string reason) = 0;
};

struct SchedulerOptions {
  std::string node;                               ///< Unique per process start.
  Duration tick_max = std::chrono::seconds(1);    ///< Also how soon a jump of the clock is seen.
  Duration refresh = std::chrono::seconds(5);     ///< How soon other nodes' changes are seen.
  Duration help_after = std::chrono::seconds(5);  ///< Before another node's firing is taken over.
  std::size_t schedules_max = 10'000;
  int failures_max = 20;  ///< Of one turn's submission, with pauses of 1 s to 60 s.
};

/// Threads: engine.
class Scheduler final {
 public:
  static constexpr std::string_view kKind = "schedule";

  Scheduler(Clock& clock, asio::any_io_executor executor, Backend& backend, RunStarter& starter,
            observe::Log& log, SchedulerOptions options);

  /// Gives it an id and its times. Errors: invalid_argument, payload_too_large, exhausted, those of
  /// the backend.
  Async<Schedule> create(Context& ctx, Schedule schedule);
  Async<Schedule> get(Context& ctx, std::string id);
  /// By id, which sorts by creation. `cursor` is the last id of the page before.
  Async<std::vector<Schedule>> list(Context& ctx, std::string cursor, int limit);
  /// `edit` changes the definition (called again when somebody else was faster). New times count
  /// from now on: turns that were waiting are dropped, as they are by a pause.
  /// Errors: not_found, what `edit` gives, invalid_argument.
  using Edit = std::function<Result<void>(Schedule&)>;
  Async<Schedule> update(Context& ctx, std::string id, Edit edit);
  /// Starts a run now, whatever the times, pauses and overlaps say. The same `key` (not empty) is
  /// the same run. Returns its id. Errors: not_found, those of the submission.
  Async<std::string> trigger(Context& ctx, std::string id, std::string key);
  Async<void> erase(Context& ctx, std::string id);

  /// The next turn without jitter; nothing when paused or at its end.
  std::optional<UnixMs> next_turn(const Schedule& schedule) const;

  /// Does what has come due and says when to be called again at the latest.
  Async<Duration> tick(Context& ctx);
  /// Ticks until stop(). A backend that fails is asked again.
  void start();
  asio::awaitable<void> stop();

 private:
  struct Stored {
    Schedule schedule;
    std::uint64_t version = 0;
  };
  struct Entry {
    std::uint64_t version = 0;
    UnixMs wake_ms = 0;
  };
  enum class Step { done, again };

  UnixMs now_ms() const { return to_unix_ms(clock_.wall()); }
  asio::awaitable<void> run();
  Async<void> refresh(Context& ctx);
  void note(const Stored& stored);
  UnixMs wake_of(const Schedule& schedule) const;
  Async<std::optional<Stored>> load(Context& ctx, std::string id);
  Async<void> save(Context& ctx, Stored& stored);
  Async<void> advance(Context& ctx, std::string id);
  Async<Step> step(Context& ctx, Stored& stored);
  Async<Step> start_waiting(Context& ctx, Stored& stored, bool changed);
  Async<Step> finish_firing(Context& ctx, Stored& stored);
  bool may_finish(const Firing& firing) const;

  Clock& clock_;
  asio::any_io_executor executor_;
  Backend& backend_;
  RunStarter& starter_;
  observe::Log& log_;
  SchedulerOptions options_;
  Random random_ = Random::from_system();
  std::map<std::string, Entry, std::less<>> entries_;
  SteadyTime refresh_at_{};
  CancelSource stopping_;
  Event changed_;
  Scope scope_;
  bool started_ = false;
};

}  // namespace troupe::tasks
