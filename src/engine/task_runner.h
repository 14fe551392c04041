// One attempt of one task: session, executor, release, verdict. The way of design.md section 3, top
// to bottom.
#pragma once

#include "base/random.h"
#include "engine/run_record.h"
#include "interact/interactor.h"
#include "observe/events.h"
#include "observe/log.h"
#include "sessions/pool.h"
#include "tasks/queue.h"
#include "troupe/settings.hpp"

namespace troupe::engine {

/// What attempts need from the engine; all outlive every run. Threads: engine.
struct TaskServices {
  const Settings& settings;
  tasks::Queue& queue;
  sessions::Pool& pool;
  observe::EventBus& events;
  observe::Log& log;
  Random& random;
  const workflows::Catalogue& catalogue;
};

/// Takes the run's tasks one after another until none is left. `slot` is the `session.index`.
asio::awaitable<void> work(TaskServices services, std::shared_ptr<RunRecord> run,
                           interact::Interactor& interactor, Context ctx, int slot);

}  // namespace troupe::engine
