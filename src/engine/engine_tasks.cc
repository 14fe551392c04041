// What is done with single tasks from outside: submitted in bulk, cancelled, begun anew.
#include "engine/engine_impl.h"
#include "engine/run_codec.h"
#include "workflows/definition.h"

namespace troupe::engine {
namespace {

constexpr std::size_t kBatchMax = 100'000;
constexpr int kPage = 1'000;

}  // namespace

Async<std::vector<tasks::Accepted>> Engine::submit_all(Context& ctx,
                                                       std::vector<RunRequest> requests) {
  if (requests.empty() || requests.size() > kBatchMax)
    co_return fail(Errc::invalid_argument, "tasks: " + std::to_string(requests.size()) +
                                               " is not in 1.." + std::to_string(kBatchMax));
  tasks::Submission all;
  std::vector<std::string> run_ids;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    auto run = impl_->accept(std::move(requests[i]));
    auto one = run ? impl_->submission_of(**run) : Result<tasks::Submission>(run.error());
    if (!one) {
      Error error = one.error();
      error.source = "tasks[" + std::to_string(i) + "]";
      co_return error;
    }
    run_ids.push_back((*run)->result.run_id);
    for (auto& task : one->tasks) all.tasks.push_back(std::move(task));
    for (auto& document : one->documents) all.documents.push_back(std::move(document));
    if (i % 256 == 255) CO_TRY_VOID(co_await sleep_for(ctx, {}));  // others want to run, too
  }
  CO_TRY(auto accepted, co_await impl_->parts.backend->enqueue(ctx, std::move(all)));
  // What an idempotency key had made already needs no second run.
  std::set<std::string> used;
  for (const auto& task : accepted) used.insert(task.run_id);
  for (const std::string& id : run_ids)
    if (!used.contains(id)) co_await impl_->erase(id);
  impl_->worker.wake();
  co_return accepted;
}

Async<tasks::Moved> Engine::cancel_task(Context& ctx, std::string task_id, std::string reason) {
  const auto grace =
      std::chrono::duration_cast<std::chrono::milliseconds>(settings().cancel_grace).count();
  CO_TRY(auto moved, co_await impl_->parts.backend->cancel(ctx, task_id, reason, grace));
  const Error why = fail(Errc::cancelled, "task " + task_id + ": " + reason);
  impl_->worker.cancel(task_id, why);
  impl_->moved(moved, &why);
  co_return moved;
}

std::string Engine::progress(const std::string& task_id) const {
  return impl_->worker.progress(task_id);
}

// Its run has not ended any more.
Async<void> Engine::Impl::reopen(Context& ctx, std::string run_id) {
  CO_TRY(auto run, co_await run_of(ctx, run_id));
  if (!run->ended.is_set()) co_return Result<void>{};
  forget(run_id);
  CO_TRY(run, co_await load(ctx, run_id));
  run->result.state = RunState::running;
  run->result.ended_at = {};
  run->result.error.reset();
  tasks::Document document = run_document(*run);
  CO_TRY_VOID(co_await parts.backend->put(ctx, std::move(document)));
  tasks::Document marker{.kind = std::string(kOpenRunKind), .id = run_id, .text = "{}"};
  auto put = co_await parts.backend->put(ctx, std::move(marker));
  if (!put && put.error().code != Errc::conflict) co_return put.error();
  co_return Result<void>{};
}

Async<tasks::Moved> Engine::replay_task(Context& ctx, std::string task_id) {
  CO_TRY(const auto record, co_await impl_->parts.backend->get(ctx, task_id));
  if (!record) co_return fail(Errc::not_found, "task " + task_id + ": not known", "tasks");
  const auto state = record->status.state;
  if (state != tasks::State::failed && state != tasks::State::cancelled)
    co_return fail(Errc::conflict,
                   "task " + task_id + ": is " + std::string(tasks::to_string(state)), "tasks",
                   "only failed and cancelled tasks begin anew");
  const std::string run_id = record->spec.run_id;
  CO_TRY_VOID(co_await impl_->reopen(ctx, run_id));
  CO_TRY(const auto moved, co_await impl_->parts.backend->replay(ctx, task_id));
  CO_TRY(const auto run, co_await impl_->run_of(ctx, run_id));
  if (moved.index >= 0 && static_cast<std::size_t>(moved.index) < run->result.tasks.size()) {
    TaskResult& result = run->result.tasks[static_cast<std::size_t>(moved.index)];
    result = {.task_id = task_id, .index = moved.index, .state = public_state(moved.state)};
  }
  impl_->worker.wake();
  co_return moved;
}

Async<int> Engine::replay_run(Context& ctx, std::string run_id) {
  std::vector<std::string> ids;
  std::string cursor;
  do {
    tasks::Filter filter{.run_id = run_id,
                         .states = {tasks::State::failed, tasks::State::cancelled}};
    CO_TRY(auto page, co_await impl_->parts.backend->list(ctx, std::move(filter), cursor, kPage));
    for (const auto& record : page.records) ids.push_back(record.spec.id);
    cursor = std::move(page.next_cursor);
  } while (!cursor.empty());
  if (ids.empty()) {
    CO_TRY(const auto run, co_await find_run(ctx, run_id));
    co_return fail(Errc::conflict, "run " + run_id + ": none of its " +
                                       std::to_string(run.tasks.size()) +
                                       " tasks has failed or was cancelled");
  }
  for (const std::string& id : ids) CO_TRY_VOID(co_await replay_task(ctx, id));
  co_return static_cast<int>(ids.size());
}

Async<std::vector<RunResult>> Engine::list_runs(Context& ctx, std::string cursor, int limit) {
  const std::string kind(kRunKind);
  CO_TRY(const auto documents,
         co_await impl_->parts.backend->documents(ctx, kind, cursor, limit, true));
  std::vector<RunResult> results;
  for (const auto& document : documents) {
    // This process knows more of those that it works on.
    const auto known = impl_->runs.find(document.id);
    if (known != impl_->runs.end()) {
      results.push_back(known->second->result);
    } else if (auto run = run_from_document(document)) {
      const std::string id = document.id;
      CO_TRY(const auto counts, co_await impl_->parts.backend->run_counts(ctx, id));
      RunResult& result = (*run)->result;
      const auto total = counts.open() + counts.succeeded + counts.failed + counts.cancelled;
      result.tasks.resize(static_cast<std::size_t>(total));
      for (std::size_t i = 0; i < static_cast<std::size_t>(counts.succeeded); ++i)
        result.tasks[i].state = TaskState::succeeded;
      results.push_back(std::move(result));
    }
  }
  co_return results;
}

}  // namespace troupe::engine
