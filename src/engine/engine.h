// Engine: sessions, runs and their tasks on one event loop. The API server and the public
// Orchestrator are thin layers over it. Threads: engine.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "base/async.h"
#include "base/json.h"
#include "observe/events.h"
#include "observe/log.h"
#include "sessions/stores.h"
#include "troupe/run.hpp"
#include "troupe/session.hpp"
#include "troupe/settings.hpp"
#include "workflows/catalogue.h"

namespace troupe::services {
class Model;
}  // namespace troupe::services

namespace troupe::sessions {
class ContextStore;
class Pool;
}  // namespace troupe::sessions

namespace troupe::tasks {
class Backend;
struct Accepted;
struct Moved;
}  // namespace troupe::tasks

namespace troupe::engine {

struct Parts;

/// One readiness check.
struct Check {
  std::string name;
  bool ok = true;
  std::string detail;
};

/// What a process uses its engine for.
enum class Use {
  service,   ///< Performs whatever is queued; runs outlive it.
  one_shot,  ///< Performs its own runs only, and ends them when it ends (`troupe run`, a program).
};

class Engine final {
 public:
  /// Checks the settings that only matter at run time (data directory, browser name, backend).
  /// `io` is run meanwhile when the backend has to be reached over the network: it must not be
  /// running yet. Errors: storage_failed, unavailable, invalid_argument (naming the setting).
  static Result<std::unique_ptr<Engine>> create(asio::io_context& io, Settings settings,
                                                std::unique_ptr<observe::Log> log, Use use);
  /// From parts of the caller's choice (tests).
  static std::unique_ptr<Engine> assemble(asio::any_io_executor executor, Parts parts);
  ~Engine();

  /// Accepts a run: everything the request can have wrong is found here. Returns its id when its
  /// tasks are in the backend. Errors: invalid_argument, not_found, draining, exhausted, conflict
  /// (the idempotency key was used for something else), storage_failed, unavailable.
  Async<std::string> submit(Context& ctx, RunRequest request);
  /// The same without waiting for the backend: when it refuses, the run ends as failed with that.
  Result<std::string> begin(RunRequest request);
  /// Waits for its end. Errors: not_found, timeout, cancelled (of the wait, not of the run).
  Async<RunResult> wait(Context& ctx, std::string run_id);
  /// Of those that this process remembers.
  Result<RunResult> run(const std::string& run_id) const;
  /// Of all that the backend has. Errors: not_found.
  Async<RunResult> find_run(Context& ctx, std::string run_id);
  /// Whether at least one session of the run could be created.
  bool session_created(const std::string& run_id) const;
  std::vector<RunResult> runs() const;  ///< Newest first.
  /// Accepts all or none; each as a run of its own, in one write. At most 100,000.
  Async<std::vector<tasks::Accepted>> submit_all(Context& ctx, std::vector<RunRequest> requests);
  /// Ends one task of a run. Errors: not_found, conflict (has ended).
  Async<tasks::Moved> cancel_task(Context& ctx, std::string task_id, std::string reason);
  /// Where a task is that this process performs: JSON as the backend keeps it, but not older than
  /// the last step. Empty: it does not run here.
  std::string progress(const std::string& task_id) const;
  /// Begins a failed or cancelled task anew; its run goes on with it. Errors: not_found, conflict.
  Async<tasks::Moved> replay_task(Context& ctx, std::string task_id);
  /// All failed and cancelled tasks of a run; how many. Errors: not_found, conflict (there is
  /// none).
  Async<int> replay_run(Context& ctx, std::string run_id);
  /// Runs that the backend has, newest first, without their tasks; from after `cursor`.
  Async<std::vector<RunResult>> list_runs(Context& ctx, std::string cursor, int limit);
  /// Errors: not_found, conflict (has ended).
  Result<void> cancel(const std::string& run_id, std::string reason);

  /// Called when a run has ended and that is stored, before its marker is taken away; perhaps more
  /// than once, and by several nodes. After an error, or a crash, again at the next start.
  using RunEndHandler = std::function<Async<void>(Context&, RunResult, std::string tenant)>;
  void on_run_end(RunEndHandler handler);

  Async<Session> create_session(Context& ctx, SessionSpec spec);
  Result<Session> session(const std::string& session_id) const;
  std::vector<Session> sessions(bool active_only) const;
  Async<void> release_session(Context& ctx, std::string session_id,
                              EndReason reason = EndReason::released);
  /// For the CDP gateway: addresses, clients and traffic of sessions.
  sessions::Pool& pool();

  /// The configured language models; null: none.
  services::Model* models();
  /// This process among those that share a backend; another one after each start.
  const std::string& node() const;
  /// A random text that all processes of a shared backend have; empty when it is not shared.
  const std::string& shared_secret() const;
  /// The node that accepted a run and has all of its events; empty: not known here.
  std::string node_of(const std::string& run_id) const;
  /// An event of a run that this node accepted, from the one that performs a task of it.
  void take_news(std::string type, const Ids& ids, json::object data);
  /// Called within close(), after the last session's end and while the backend still works.
  using Farewell = std::function<asio::awaitable<void>()>;
  void on_close(Farewell farewell);

  tasks::Backend& backend();
  sessions::Stores stores() const;
  observe::EventBus& events();
  observe::Log& log();
  Clock& clock();
  const Settings& settings() const;
  const workflows::Catalogue& catalogue() const;
  /// Things without which runs cannot succeed: data directory writable, browser found, not
  /// draining.
  std::vector<Check> readiness() const;

  /// Stops intake, waits for running tasks within the drain timeout (`now`: cancels them at once),
  /// releases every session and ends every browser. Idempotent.
  asio::awaitable<void> close(bool now);

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace troupe::engine
