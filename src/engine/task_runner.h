// One attempt of one task: session, executor, release, verdict. The way of design.md section 3, top
// to bottom.
#pragma once

#include <map>

#include "base/random.h"
#include "engine/kept_sessions.h"
#include "engine/run_record.h"
#include "interact/interactor.h"
#include "net/retry.h"
#include "observe/events.h"
#include "observe/log.h"
#include "sessions/pool.h"
#include "tasks/backend.h"
#include "tasks/results.h"
#include "troupe/settings.hpp"

namespace troupe::engine {

/// What attempts need from the engine; all outlive every run. Threads: engine.
struct TaskServices {
  Clock& clock;
  const Settings& settings;
  tasks::Backend& backend;
  tasks::Results* results;  ///< For large outputs; null: they stay in the backend.
  sessions::Pool& pool;
  KeptSessions& kept;
  observe::EventBus& events;
  observe::Log& log;
  Random& random;
  const workflows::Catalogue& catalogue;
  bool one_shot;  ///< What the backend cannot store any more still counts for this process.
  std::map<std::string, net::RetryBudget>& retry_budgets;  ///< By site and provider.
  /// Takes where the task of a lease is.
  std::function<void(const std::string& task_id, std::uint64_t token, std::string progress)>
      progress;
  /// Called when the session is given back and finish() follows at once.
  std::function<void()> ending;
};

/// Performs a claimed task up to the backend's word on it. `slot` is its `session.index`; `ctx` is
/// limited by the run and cancelled with the task. Nothing when the lease was lost meanwhile, or
/// the backend does not take it (then the result says so, if it counts all the same: one_shot).
asio::awaitable<std::optional<tasks::Finished>> attempt_task(TaskServices& services,
                                                             std::shared_ptr<RunRecord> run,
                                                             Context ctx,
                                                             interact::Interactor& interactor,
                                                             tasks::Claim claim, int slot);

}  // namespace troupe::engine
