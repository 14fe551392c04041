// Worker: claims tasks from a backend, keeps their leases alive while they are performed, and does
// what time brings about (sweep). Knows no sessions: what is done with a claim is its owner's
// affair.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/async.h"
#include "base/random.h"
#include "observe/log.h"
#include "tasks/backend.h"

namespace troupe::engine {

struct WorkerOptions {
  std::string id;                             ///< Unique per process start: `node_…`.
  int slots = 1;                              ///< Tasks at once.
  Duration lease = std::chrono::seconds(10);  ///< Beats go out at a third of it.
  Duration poll = std::chrono::seconds(1);    ///< Looks for work at least that often.
  Duration sweep_every = std::chrono::seconds(1);
  std::vector<std::string> queues = {"default"};
};

/// Threads: engine.
class Worker final {
 public:
  /// Performs one claim, to its finish() at the backend. `ctx` is cancelled with `conflict` when
  /// the lease is lost (then nothing is to be finished), with `cancelled` when the task is to be
  /// cancelled.
  using Perform = std::function<asio::awaitable<void>(tasks::Claim claim, Context ctx)>;
  using OnMoved = std::function<void(const tasks::Moved&)>;
  /// The backend gave no answer, or none that helps, to a claim.
  using OnFailure = std::function<void(const Error&)>;

  Worker(tasks::Backend& backend, Clock& clock, asio::any_io_executor executor, Random& random,
         observe::Log& log, WorkerOptions options, Perform perform, OnMoved on_moved);

  /// Set before start().
  void on_failure(OnFailure handler) { on_failure_ = std::move(handler); }
  void start();
  /// Something may have become claimable.
  void wake();
  /// Claims from this queue too.
  void add_queue(std::string queue);
  /// A claim whose attempt ended without finish(), because the backend was away: it is given back
  /// untouched when that answers again. Harmless when somebody else has it by then.
  void hand_back(std::string task_id, std::uint64_t token);
  /// An attempt's work is over, and finish() follows at once: its place is free, so that the
  /// backend hears what ended together with the question for more.
  void ending(const std::string& task_id, std::uint64_t token);
  /// Where a task is that runs here: JSON, small. The backend gets it with the next beat.
  void note_progress(const std::string& task_id, std::uint64_t token, std::string progress);
  /// Empty when it does not run here, or has told nothing yet.
  std::string progress(const std::string& task_id) const;
  /// Stops a task that runs here at once, instead of with its next beat. False: it does not.
  bool cancel(const std::string& task_id, const Error& reason);
  /// Stops everything that runs here.
  void cancel_all(const Error& reason);
  /// Nothing more is claimed; what runs goes on. Idempotent.
  void stop_claiming();
  int running() const { return static_cast<int>(held_.size()); }
  /// Waits until nothing runs. Errors: those of the wait.
  Async<void> idle(Context& ctx);
  /// Ends its loops; to be called when nothing runs any more.
  asio::awaitable<void> close();

 private:
  struct Holding {
    std::string id;
    CancelSource cancel;
    std::string told;     ///< Its progress, as the backend has it.
    Timer lapse;          ///< By this process's clock: then the lease counts as lost.
    bool ending = false;  ///< Only the backend's word on it is missing.
  };

  asio::awaitable<void> claim_loop();
  asio::awaitable<void> beat_loop();
  asio::awaitable<void> sweep_loop();
  asio::awaitable<void> perform(tasks::Claim claim, std::uint64_t number);
  Timer lapse_at(SteadyTime until, std::string id, CancelSource cancel);
  asio::awaitable<void> beat();
  int room() const;
  Async<std::optional<tasks::UnixMs>> claim_some();
  Async<void> make_good();
  Async<void> find_unknown_claims();
  Async<void> rest(Duration longest);
  Context base() const { return Context(clock_, executor_).with_cancel(stop_); }
  void complain(std::string_view action, const Error& error);

  tasks::Backend& backend_;
  Clock& clock_;
  asio::any_io_executor executor_;
  Random& random_;
  observe::Log& log_;
  WorkerOptions options_;
  Perform perform_;
  OnMoved on_moved_;
  OnFailure on_failure_;
  CancelSource stop_;
  bool claiming_ = true;
  bool news_ = false;
  int failures_ = 0;
  SteadyTime complained_{};
  Event wake_;
  Event ended_;
  std::map<std::uint64_t, Holding> held_;  ///< By a number of its own: tokens belong to tasks.
  std::uint64_t last_number_ = 0;
  std::map<std::uint64_t, tasks::Held> leases_;
  std::vector<tasks::Finish> unsettled_;
  int looks_left_ = 0;  ///< For claims whose answers were lost.
  Scope scope_;
};

}  // namespace troupe::engine
