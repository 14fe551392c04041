// One run as the engine keeps it: the request, what was resolved for it, and its results so far.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/async.h"
#include "troupe/run.hpp"
#include "workflows/catalogue.h"

namespace troupe::engine {

/// Shared by the engine's table of runs and by the run's own workers.
struct RunRecord {
  RunResult result;
  RunRequest request;
  std::shared_ptr<const workflows::Definition> definition;
  workflows::Site site;
  Ids ids;
  CancelSource cancel;    ///< Stops the running tasks at once.
  bool draining = false;  ///< No further task is claimed.
  int sessions_created = 0;
  Event ended;
};

}  // namespace troupe::engine
