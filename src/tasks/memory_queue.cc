#include <deque>
#include <map>

#include "tasks/queue.h"

namespace troupe::tasks {
namespace {

// Tasks of one run: the ready ones in order, those that back off by time, those with workers.
struct RunTasks {
  std::deque<Task> ready;
  std::multimap<SteadyTime, Task> later;
  std::map<std::uint64_t, Task> running;  // by token
  Event changed;

  std::size_t size() const { return ready.size() + later.size() + running.size(); }
};

class MemoryQueue final : public Queue {
 public:
  MemoryQueue(Clock& clock, MemoryQueueOptions options) : clock_(clock), options_(options) {}

  Async<void> enqueue(Context& ctx, std::vector<Task> tasks) override {
    CO_TRY_VOID(ctx.check());
    if (count_ + tasks.size() > options_.tasks_max)
      co_return fail(Errc::exhausted,
                     "queue: " + std::to_string(count_) + " tasks and " +
                         std::to_string(tasks.size()) + " more exceed " +
                         std::to_string(options_.tasks_max),
                     "queue", "wait until some have ended, or submit fewer at once");
    count_ += tasks.size();
    for (auto& task : tasks) {
      auto& run = runs_[task.run_id];
      if (!run) run = std::make_shared<RunTasks>();
      run->ready.push_back(std::move(task));
    }
    co_return Result<void>{};
  }

  Async<std::optional<Claim>> claim(Context& ctx, std::string run_id) override {
    for (;;) {
      CO_TRY_VOID(ctx.check());
      const auto found = runs_.find(run_id);
      if (found == runs_.end()) co_return std::optional<Claim>{};
      const auto run = found->second;  // forget() may take it off the map while this waits
      promote(*run);
      if (!run->ready.empty()) co_return take(*run);
      if (run->size() == 0) co_return std::optional<Claim>{};
      // Others run or back off: one of them may come back to the queue.
      Timer timer;
      if (!run->later.empty())
        timer = Timer(clock_, run->later.begin()->first, [run] { run->changed.pulse(); });
      CO_TRY_VOID(co_await run->changed.wait(ctx));
    }
  }

  Async<void> finish(Context&, Claim claim, Outcome outcome) override {
    const auto found = runs_.find(claim.task.run_id);
    if (found == runs_.end()) co_return stale(claim);
    RunTasks& run = *found->second;
    const auto row = run.running.find(claim.token);
    if (row == run.running.end()) co_return stale(claim);
    CO_TRY_VOID(advance(row->second.state, outcome.state));
    Task task = std::move(row->second);
    run.running.erase(row);
    if (outcome.state == TaskState::queued) {
      task.not_before = clock_.now() + outcome.retry_after;
      run.later.emplace(task.not_before, std::move(task));
    } else {
      --count_;
    }
    run.changed.pulse();
    co_return Result<void>{};
  }

  Async<std::vector<Task>> cancel_queued(Context&, std::string run_id) override {
    std::vector<Task> cancelled;
    const auto found = runs_.find(run_id);
    if (found == runs_.end()) co_return cancelled;
    RunTasks& run = *found->second;
    for (auto& task : run.ready) cancelled.push_back(std::move(task));
    for (auto& [when, task] : run.later) cancelled.push_back(std::move(task));
    run.ready.clear();
    run.later.clear();
    for (auto& task : cancelled) CO_TRY_VOID(advance(task.state, TaskState::cancelled));
    count_ -= cancelled.size();
    run.changed.pulse();
    co_return cancelled;
  }

  Async<void> forget(Context&, std::string run_id) override {
    const auto found = runs_.find(run_id);
    if (found == runs_.end()) co_return Result<void>{};
    count_ -= found->second->size();
    found->second->changed.pulse();
    runs_.erase(found);
    co_return Result<void>{};
  }

 private:
  void promote(RunTasks& run) {
    while (!run.later.empty() && run.later.begin()->first <= clock_.now()) {
      run.ready.push_back(std::move(run.later.begin()->second));
      run.later.erase(run.later.begin());
    }
  }

  std::optional<Claim> take(RunTasks& run) {
    Claim claim{.task = std::move(run.ready.front()), .token = ++last_token_};
    run.ready.pop_front();
    ++claim.task.attempt;
    claim.task.state = TaskState::running;
    run.running.emplace(claim.token, claim.task);
    return claim;
  }

  static Error stale(const Claim& claim) {
    return fail(Errc::conflict, "task " + claim.task.id + ": token " + std::to_string(claim.token) +
                                    " is no longer the latest");
  }

  Clock& clock_;
  MemoryQueueOptions options_;
  std::map<std::string, std::shared_ptr<RunTasks>> runs_;
  std::size_t count_ = 0;
  std::uint64_t last_token_ = 0;
};

}  // namespace

std::unique_ptr<Queue> make_memory_queue(Clock& clock, MemoryQueueOptions options) {
  return std::make_unique<MemoryQueue>(clock, options);
}

}  // namespace troupe::tasks
