// Queue: where tasks wait and how workers get them. Backends: memory (this process); durable ones
// later.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async.h"
#include "tasks/task.h"

namespace troupe::tasks {

/// Seam. Threads: engine.
class Queue {
 public:
  virtual ~Queue() = default;
  /// Accepts all or none. Errors: exhausted (too many), storage_failed.
  virtual Async<void> enqueue(Context& ctx, std::vector<Task> tasks) = 0;
  /// The run's next ready task; waits for one that backs off. Nothing when all have ended or are
  /// with other workers for good; then the worker can go. Errors: timeout, cancelled.
  virtual Async<std::optional<Claim>> claim(Context& ctx, std::string run_id) = 0;
  /// Ends the loan. Errors: conflict (stale token: somebody else has it, or it has ended).
  virtual Async<void> finish(Context& ctx, Claim claim, Outcome outcome) = 0;
  /// Cancels the run's queued tasks and returns them; running ones are their workers' business.
  virtual Async<std::vector<Task>> cancel_queued(Context& ctx, std::string run_id) = 0;
  /// Forgets a run whose tasks have all ended.
  virtual Async<void> forget(Context& ctx, std::string run_id) = 0;
};

struct MemoryQueueOptions {
  std::size_t tasks_max = 1'000'000;  ///< Of all runs together.
};
std::unique_ptr<Queue> make_memory_queue(Clock& clock, MemoryQueueOptions options);

}  // namespace troupe::tasks
