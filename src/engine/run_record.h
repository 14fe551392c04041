// One run as the engine keeps it: the request, what was resolved for it, and its results so far.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/async.h"
#include "troupe/run.hpp"
#include "workflows/catalogue.h"

namespace troupe::engine {

/// Of the gate that lets one task at a time through, and of the session that is kept for the next.
inline std::string affinity_key(const RunRequest& request) {
  return "affinity:" + request.tenant + ":" + request.affinity;
}

/// Shared by the engine's table of runs and by the run's own workers.
struct RunRecord {
  RunResult result;
  RunRequest request;
  std::shared_ptr<const workflows::Definition> definition;
  workflows::Site site;
  Ids ids;
  CancelSource cancel;    ///< Stops the running tasks at once.
  bool draining = false;  ///< It is not retried any more: the process goes down.
  int sessions_created = 0;
  std::vector<bool> slots;  ///< Which `session.index` are taken on this node.
  int attempts_running = 0;
  std::set<int> performed_here;  ///< Indexes of the tasks that run in this process.
  std::string node;              ///< Which node accepted it; that one has all of its events.
  SteadyTime refreshed_at{};     ///< When the other nodes' tasks were last read.
  bool looking = false;          ///< Whether it has ended is being asked.
  bool unstored = false;  ///< The backend could not end its tasks: what is known here counts.
  std::uint64_t document_version = 0;  ///< Of its document in the backend; 0: not there.
  std::string same_as;  ///< Id of the run that its idempotency key was used for before.
  Event accepted;       ///< Its tasks are in the backend, or could not be put there.
  Event settled;        ///< All of its tasks have ended.
  Event ended;
};

}  // namespace troupe::engine
