// Tasks as the queue keeps them, and the only table of their states. Knows no sessions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "troupe/run.hpp"

namespace troupe::tasks {

/// One queued unit.
struct Task {
  std::string id;
  std::string run_id;
  int index = 0;  ///< Place in the run.
  json::object inputs;
  int attempts_max = 1;
  int attempt = 0;  ///< Of the present or last try; counts from 1.
  TaskState state = TaskState::queued;
  SteadyTime not_before{};  ///< Not claimed earlier (back-off).
};

// Apart from the Claim of backend.h, which the linker must not take for this one.
inline namespace in_memory {
/// A task on loan to a worker. Only the holder of the latest token can finish it.
struct Claim {
  Task task;
  std::uint64_t token = 0;
};
}  // namespace in_memory

/// How an attempt ended, for the queue.
struct Outcome {
  TaskState state = TaskState::succeeded;  ///< succeeded, failed, cancelled; queued: try again.
  Duration retry_after{};
};

/// Moves `state` to `next`. Errors: conflict, when the table has no such transition.
Result<void> advance(TaskState& state, TaskState next);
bool is_ended(TaskState state);

}  // namespace troupe::tasks
