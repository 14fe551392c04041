// The life of a run after it was accepted: its tasks are performed here or on other nodes, and when
// the last has ended the run is ended, once.
#include <algorithm>

#include "engine/engine_impl.h"
#include "engine/run_codec.h"
#include "workflows/definition.h"

namespace troupe::engine {
namespace {

constexpr auto kBookkeeping = std::chrono::seconds(15);
constexpr auto kEndAgainMin = std::chrono::milliseconds(100);
constexpr auto kEndAgainMax = std::chrono::seconds(5);
constexpr auto kRefreshEvery = std::chrono::milliseconds(500);
constexpr auto kLookAgain = std::chrono::seconds(2);  // for tasks that other nodes perform
constexpr auto kOrphansEvery = std::chrono::seconds(10);
constexpr int kPage = 1'000;
constexpr auto kRetentionEvery = std::chrono::minutes(10);
constexpr int kRetentionPage = 100;
constexpr int kPurgeMax = 1'000'000;
constexpr tasks::UnixMs kGraceMs = 15'000;

RunState final_state(const RunRecord& run) {
  const std::size_t succeeded = run.result.succeeded();
  if (succeeded == run.result.tasks.size()) return RunState::succeeded;
  if (run.request.strategy == Strategy::race && succeeded > 0) return RunState::succeeded;
  if (run.cancel.is_cancelled() && run.cancel.reason().code == Errc::cancelled)
    return RunState::cancelled;
  if (succeeded > 0) return RunState::partial;
  const bool cancelled = std::ranges::all_of(run.result.tasks, [](const TaskResult& task) {
    return task.state == TaskState::cancelled && task.error && task.error->code == Errc::cancelled;
  });
  return cancelled ? RunState::cancelled : RunState::failed;
}

bool is_over(const RunResult& result) {
  return result.state != RunState::pending && result.state != RunState::running;
}

int take_slot(RunRecord& run) {
  const auto free = std::find(run.slots.begin(), run.slots.end(), false);
  const auto slot = free - run.slots.begin();
  if (free == run.slots.end())
    run.slots.push_back(true);
  else
    *free = true;
  return static_cast<int>(slot);
}

}  // namespace

asio::awaitable<void> Engine::Impl::conduct(std::shared_ptr<RunRecord> run) {
  const auto limit = Duration(run->request.timeout.value_or(parts.settings.run_timeout));
  const auto begins = std::max(run->result.created_at, run->request.run_at.value_or(WallTime{}));
  const auto gone = parts.clock->wall() - begins;
  const Duration left = std::max<Duration>(std::chrono::milliseconds(1),
                                           limit - std::chrono::duration_cast<Duration>(gone));
  CancelSource stop = CancelSource::linked(run->cancel);
  const auto on_leave = leaving.on_cancel([this, stop] { stop.cancel(leaving.reason()); });
  Context limited = base().with_cancel(stop).with_timeout(left, "run");
  auto settled = co_await settle(limited, *run);
  if (!settled && leaving.is_cancelled()) co_return;  // it goes on elsewhere
  if (!settled) {
    // Those that run are stopped by the run's own cancellation; the rest never begins.
    if (!run->cancel.is_cancelled()) run->cancel.cancel(settled.error());
    co_await cancel_waiting(run, settled.error());
    Context rest = base().with_cancel(leaving);
    if (auto ended = co_await settle(rest, *run); !ended) co_return;
  }
  co_await end(std::move(run));
}

// Waits until all tasks have ended, wherever they are performed.
Async<void> Engine::Impl::settle(Context& limited, RunRecord& run) {
  for (;;) {
    Context some = limited.with_timeout(kLookAgain, "look for the run's end");
    auto settled = co_await run.settled.wait(some);
    if (settled) co_return settled;
    CO_TRY_VOID(limited.check());
    if (!shared() && run.attempts_running > 0) continue;
    const std::string id = run.result.run_id;
    Context ctx = base().with_timeout(kBookkeeping, "run bookkeeping");
    const auto counts = co_await parts.backend->run_counts(ctx, id);
    if (counts && counts->open() == 0 && run.attempts_running == 0) run.settled.set();
  }
}

asio::awaitable<void> Engine::Impl::cancel_waiting(std::shared_ptr<RunRecord> run, Error reason) {
  Context ctx = base().with_timeout(kBookkeeping, "run bookkeeping");
  const std::string id = run->result.run_id;
  const std::string why = reason.message;
  auto cancelled = co_await parts.backend->cancel_run(ctx, id, why, kGraceMs);
  if (!cancelled) {
    if (parts.one_shot) close_unstored(*run, reason);
    const Error error = cancelled.error();
    parts.log->write(run->ids, {.level = observe::Level::error,
                                .action = "run.cancel",
                                .status = "failed",
                                .error = &error});
    co_return;
  }
  for (const tasks::Moved& task : *cancelled) moved(task, &reason);
}

// A task that ended without a worker's doing.
void Engine::Impl::moved(const tasks::Moved& task, const Error* reason) {
  const auto found = runs.find(task.run_id);
  if (found == runs.end()) {
    if (tasks::is_final(task.state) && task.run_open == 0)
      scope.spawn("run adoption", adopt(task.run_id));
    return;
  }
  RunRecord& run = *found->second;
  const auto index = static_cast<std::size_t>(task.index);
  if (index >= run.result.tasks.size() || has_ended(run.result.tasks[index].state)) return;
  TaskResult& result = run.result.tasks[index];
  if (!tasks::is_final(task.state)) {
    if (task.state != tasks::State::running) result.state = public_state(task.state);
    return;
  }
  result.state = public_state(task.state);
  const bool cancelled = task.cause == tasks::Cause::cancelled;
  if (!result.error || !cancelled) result.error = reason && cancelled ? *reason : error_of(task);
  Ids ids = run.ids;
  ids.task = task.id;
  json::object data{{"index", task.index}, {"state", to_string(result.state)}};
  data["error"] = to_json(*result.error);
  events.publish("task.ended", ids, std::move(data));
  took_end(task.run_id, task.run_open);
}

// A process with runs of its own only does not wait for a disk to have room again.
void Engine::Impl::give_up(const Error& error) {
  if (error.code != Errc::storage_failed) return;
  for (const auto& [id, run] : runs)
    if (!run->ended.is_set() && !run->cancel.is_cancelled()) run->cancel.cancel(error);
}

// Ends in memory what the backend cannot end.
void Engine::Impl::close_unstored(RunRecord& run, const Error& error) {
  for (TaskResult& result : run.result.tasks) {
    if (has_ended(result.state) || result.state == TaskState::running) continue;
    result.state = TaskState::cancelled;
    result.error = error;
  }
  run.unstored = true;
  if (run.attempts_running == 0) run.settled.set();
}

void Engine::Impl::took_end(const std::string& run_id, std::int64_t run_open) {
  const auto found = runs.find(run_id);
  if (found == runs.end() || run_open > 0) return;
  // What the run's own attempts still have to tell comes first.
  if (found->second->attempts_running == 0) found->second->settled.set();
}

asio::awaitable<void> Engine::Impl::perform(tasks::Claim claim, Context ctx) {
  const std::string run_id = claim.spec.run_id;
  // Another node has begun it anew: what is remembered of its end does not hold any more.
  if (const auto known = runs.find(run_id);
      shared() && known != runs.end() && known->second->ended.is_set())
    forget(run_id);
  Context reading = ctx.with_timeout(kBookkeeping, "reading the run");
  auto found = co_await run_of(reading, run_id);
  if (!found) {
    co_await finish_unknown(std::move(claim), found.error());
    co_return;
  }
  const std::shared_ptr<RunRecord> run = *found;
  const auto index = static_cast<std::size_t>(claim.spec.index);
  if (index >= run->result.tasks.size()) run->result.tasks.resize(index + 1);
  run->result.tasks[index].task_id = claim.spec.id;
  run->result.tasks[index].index = claim.spec.index;
  if (run->result.state == RunState::pending) {
    run->result.state = RunState::running;
    run->result.started_at = parts.clock->wall();
    events.publish("run.started", run->ids,
                   {{"tasks", run->result.tasks.size()}, {"sessions", run->result.sessions}});
  }
  const CancelSource stop = CancelSource::linked(ctx.cancel_source());
  const auto on_run = run->cancel.on_cancel([run, stop] { stop.cancel(run->cancel.reason()); });
  Context limited = ctx.with_cancel(stop).with_ids(run->ids);
  if (claim.spec.deadline_ms) {
    const auto left = std::chrono::milliseconds(
        std::max<std::int64_t>(1, claim.spec.deadline_ms - to_unix_ms(parts.clock->wall())));
    limited = limited.with_timeout(left, "task deadline");
  }
  const int slot = take_slot(*run);
  const int place = claim.spec.index;
  const std::string task_id = claim.spec.id;
  const std::uint64_t token = claim.token;
  ++run->attempts_running;
  run->performed_here.insert(place);
  TaskServices given = services();
  bool working = true;
  const auto leave_slot = [&working, run, slot] {
    if (std::exchange(working, false)) run->slots[static_cast<std::size_t>(slot)] = false;
  };
  if (run->request.strategy != Strategy::race)  // its first success ends the others
    given.ending = [&] {
      leave_slot();
      worker.ending(task_id, token);
    };
  interact::Interactor& performer = *interactor(run->request.interactor);
  auto finished =
      co_await attempt_task(given, run, std::move(limited), performer, std::move(claim), slot);
  --run->attempts_running;
  run->performed_here.erase(place);
  leave_slot();
  if (!finished) {
    if (shared()) worker.hand_back(task_id, token);
    const bool all_ended = std::ranges::all_of(
        run->result.tasks, [](const TaskResult& task) { return has_ended(task.state); });
    if (parts.one_shot && run->attempts_running == 0 && (run->unstored || all_ended))
      run->settled.set();
    co_return;
  }
  for (const tasks::Moved& other : finished->moved) moved(other, nullptr);
  took_end(run_id, finished->run_open);
  if (run->request.strategy == Strategy::race && finished->state == tasks::State::succeeded &&
      finished->run_open > 0 && !run->cancel.is_cancelled()) {
    const Error won = fail(Errc::cancelled, "run: another task was first");
    run->cancel.cancel(won);
  }
}

// Its run cannot be read: the task fails with that, instead of coming back for ever. But for one
// that is not at fault: its node goes down, or somebody else has it.
asio::awaitable<void> Engine::Impl::finish_unknown(tasks::Claim claim, Error error) {
  using Verdict = tasks::Finish::Verdict;
  if (error.code == Errc::conflict) co_return;
  parts.log->write({.run = claim.spec.run_id, .task = claim.spec.id},
                   {.level = observe::Level::error,
                    .action = "task.execute",
                    .status = "failed",
                    .error = &error});
  tasks::Finish finish{.id = claim.spec.id,
                       .token = claim.token,
                       .verdict = error.code == Errc::draining    ? Verdict::released
                                  : error.code == Errc::cancelled ? Verdict::cancelled
                                  : error.retryable()             ? Verdict::retry
                                                                  : Verdict::failed,
                       .delay_ms = 1'000};
  finish.error = json::serialize(json::object{{"error", to_json(error)}});
  std::vector<tasks::Finish> one{std::move(finish)};
  Context ctx = base().with_timeout(kBookkeeping, "task bookkeeping");
  (void)co_await parts.backend->finish(ctx, std::move(one));
}

Async<std::shared_ptr<RunRecord>> Engine::Impl::run_of(Context& ctx, std::string run_id) {
  // Who waited for another's reading that failed reads it himself: that one's end is not his.
  for (;;) {
    if (const auto found = runs.find(run_id); found != runs.end()) co_return found->second;
    const auto busy = loading.find(run_id);
    if (busy == loading.end()) break;
    const auto done = busy->second;
    CO_TRY_VOID(co_await done->wait(ctx));
  }
  const auto done = std::make_shared<Event>();
  loading.emplace(run_id, done);
  auto run = co_await load(ctx, run_id);
  loading.erase(run_id);
  if (run) {
    runs.emplace(run_id, *run);
    if (!is_over((*run)->result))
      scope.spawn("run", conduct(*run));
    else
      (*run)->ended.set();
  }
  done->set();
  co_return run;
}

Async<std::shared_ptr<RunRecord>> Engine::Impl::load(Context& ctx, std::string run_id) {
  const std::string kind(kRunKind);
  CO_TRY(const auto document, co_await parts.backend->document(ctx, kind, run_id));
  if (!document)
    co_return fail(Errc::not_found, "run " + run_id + ": not known", "runs",
                   "list them with `troupe runs list`");
  CO_TRY(auto run, run_from_document(*document));
  CO_TRY_VOID(co_await load_results(ctx, *run));
  run->accepted.set();
  co_return run;
}

// One that was deleted after its time, or cannot be read now, stays as the reference to it.
asio::awaitable<void> Engine::Impl::restore_output(Context& ctx, TaskResult& task) {
  if (!results() || !tasks::result_ref_from(task.output)) co_return;
  json::value reference = task.output;
  auto restored = co_await results()->restore(ctx, std::move(reference));
  if (restored) {
    task.output = std::move(*restored);
    co_return;
  }
  // The reference stays: it is known what there was, and why it cannot be had.
  const Error error = restored.error();
  parts.log->write({.task = task.task_id}, {.level = observe::Level::error,
                                            .action = "result.read",
                                            .status = "failed",
                                            .error = &error});
  task.cleanup_errors.push_back(error);
}

Async<void> Engine::Impl::load_results(Context& ctx, RunRecord& run) {
  std::string cursor;
  do {
    tasks::Filter filter{.run_id = run.result.run_id};
    CO_TRY(auto page, co_await parts.backend->list(ctx, std::move(filter), cursor, kPage));
    for (const tasks::Record& record : page.records) {
      const auto index = static_cast<std::size_t>(record.spec.index);
      if (index >= run.result.tasks.size()) run.result.tasks.resize(index + 1);
      // What is performed here, or has ended, is known better.
      if (run.performed_here.contains(record.spec.index)) continue;
      if (has_ended(run.result.tasks[index].state)) continue;
      run.result.tasks[index] = task_result_from(record);
      co_await restore_output(ctx, run.result.tasks[index]);
    }
    cursor = std::move(page.next_cursor);
  } while (!cursor.empty());
  co_return Result<void>{};
}

// How far the tasks are that other nodes perform, and whether one has begun the run anew.
asio::awaitable<void> Engine::Impl::refresh(Context& ctx, std::shared_ptr<RunRecord>& run) {
  const SteadyTime now = parts.clock->now();
  if (!shared() || run->document_version == 0 || now - run->refreshed_at < kRefreshEvery) co_return;
  run->refreshed_at = now;
  if (!run->ended.is_set()) {
    (void)co_await load_results(ctx, *run);
    RunResult& result = run->result;
    const bool began = std::ranges::any_of(
        result.tasks, [](const TaskResult& task) { return task.state != TaskState::queued; });
    // Of its own runs a node hears when they begin (take_news).
    if (began && result.state == RunState::pending && run->node != node)
      result.state = RunState::running;
    co_return;
  }
  const std::string kind(kRunKind);
  const std::string id = run->result.run_id;
  const auto stored = co_await parts.backend->document(ctx, kind, id);
  if (!stored || !*stored || (*stored)->version == run->document_version) co_return;
  forget(id);
  if (auto again = co_await run_of(ctx, id)) run = std::move(*again);
  run->refreshed_at = now;
}

// A task of it has ended on another node: perhaps it was the last.
asio::awaitable<void> Engine::Impl::look_at(std::shared_ptr<RunRecord> run) {
  if (std::exchange(run->looking, true)) co_return;
  const std::string id = run->result.run_id;
  Context ctx = base().with_timeout(kBookkeeping, "run bookkeeping");
  const auto counts = co_await parts.backend->run_counts(ctx, id);
  run->looking = false;
  if (counts && counts->open() == 0 && run->attempts_running == 0) run->settled.set();
}

void Engine::take_news(std::string type, const Ids& ids, json::object data) {
  const auto found = impl_->runs.find(ids.run);
  if (found == impl_->runs.end() || found->second->ended.is_set()) return;
  RunRecord& run = *found->second;
  if (type == "run.started") {
    if (run.result.state != RunState::pending) return;  // it began here, or on a third node
    run.result.state = RunState::running;
    run.result.started_at = impl_->parts.clock->wall();
  }
  const bool ends = type == "task.ended";
  impl_->events.publish(std::move(type), ids, std::move(data));
  if (ends) impl_->scope.spawn("run bookkeeping", impl_->look_at(found->second));
}

void Engine::Impl::forget(const std::string& run_id) {
  runs.erase(run_id);
  std::erase(ended_order, run_id);
}

// Takes over the end of a run whose node is gone; or what is left of a submission that was none.
asio::awaitable<void> Engine::Impl::adopt(std::string run_id) {
  Context ctx = base().with_timeout(kBookkeeping, "adopting a run");
  const auto counts = co_await parts.backend->run_counts(ctx, run_id);
  if (!counts) co_return;
  const bool empty = counts->open() == 0 && counts->succeeded == 0 && counts->failed == 0 &&
                     counts->cancelled == 0;
  if (empty) {
    co_await erase(run_id);
    co_return;
  }
  auto run = co_await run_of(ctx, run_id);
  if (run && counts->open() == 0) (*run)->settled.set();
  if (run && is_over((*run)->result)) (void)co_await close_books(**run);
}

asio::awaitable<void> Engine::Impl::erase(std::string run_id) {
  Context ctx = base().with_timeout(kBookkeeping, "run bookkeeping");
  for (const auto kind : {kRunKind, kOpenRunKind}) {
    const std::string name(kind);
    (void)co_await parts.backend->erase(ctx, name, run_id);
  }
}

// At the start: runs that were open when their process ended.
asio::awaitable<void> Engine::Impl::find_open_runs() {
  const std::string kind(kOpenRunKind);
  std::string cursor;
  for (;;) {
    Context ctx = base().with_cancel(leaving).with_timeout(kBookkeeping, "looking for runs");
    const auto open = co_await parts.backend->documents(ctx, kind, cursor, kPage, false);
    if (!open || open->empty()) co_return;
    for (const tasks::Document& marker : *open) {
      if (leaving.is_cancelled()) co_return;
      const std::string id = marker.id;
      worker.add_queue(id);  // of a `troupe run` that did not live to its end
      if (!runs.contains(id)) co_await adopt(id);
    }
    cursor = open->back().id;
  }
}

// Of nodes that died after a run's last task had ended, and before the run's end was stored.
asio::awaitable<void> Engine::Impl::look_for_orphans() {
  std::set<std::string> suspects;  // the node that ends it may be about to
  for (;;) {
    Context pause = base().with_cancel(leaving);
    if (!co_await sleep_for(pause, kOrphansEvery)) co_return;
    suspects = co_await adopt_orphans(std::move(suspects));
  }
}

// Returns those that may be orphans, but were not seen before.
asio::awaitable<std::set<std::string>> Engine::Impl::adopt_orphans(std::set<std::string> suspects) {
  const std::string kind(kOpenRunKind);
  std::string cursor;
  std::set<std::string> fresh;
  for (;;) {
    Context ctx = base().with_cancel(leaving).with_timeout(kBookkeeping, "looking for runs");
    const auto open = co_await parts.backend->documents(ctx, kind, cursor, kPage, false);
    if (!open || open->empty()) co_return fresh;
    for (const tasks::Document& marker : *open) {
      const std::string id = marker.id;
      if (runs.contains(id)) continue;
      const auto counts = co_await parts.backend->run_counts(ctx, id);
      if (!counts || counts->open() > 0) continue;
      if (suspects.contains(id))
        co_await adopt(id);
      else
        fresh.insert(id);
    }
    cursor = open->back().id;
  }
}

// Ended runs are kept for a time; then they go with their tasks.
asio::awaitable<void> Engine::Impl::keep_retention() {
  while (!draining) {
    auto swept = co_await forget_ended(parts.clock->wall() - parts.settings.runs_retention);
    if (!swept) {
      const Error error = swept.error();
      parts.log->write({}, {.level = observe::Level::warning,
                            .action = "run.retention",
                            .status = "failed",
                            .error = &error});
    }
    Context pause = base().with_cancel(intake);
    if (!co_await sleep_for(pause, kRetentionEvery)) co_return;
  }
}

Async<void> Engine::Impl::forget_ended(WallTime before) {
  const std::string kind(kRunKind);
  std::string cursor;
  for (;;) {
    Context ctx = base().with_cancel(intake).with_timeout(kBookkeeping, "forgetting old runs");
    CO_TRY(const auto documents,
           co_await parts.backend->documents(ctx, kind, cursor, kRetentionPage, false));
    if (documents.empty()) co_return Result<void>{};
    for (const tasks::Document& document : documents) {
      const auto run = run_from_document(document);
      if (run && (*run)->result.created_at >= before) co_return Result<void>{};  // younger follow
      const bool gone = run && is_over((*run)->result) && (*run)->result.ended_at < before;
      if (!gone || loading.contains(document.id)) continue;
      const std::string id = document.id;
      tasks::Filter filter{.run_id = id};
      CO_TRY_VOID(co_await parts.backend->purge(ctx, std::move(filter), kPurgeMax));
      CO_TRY_VOID(co_await parts.backend->erase(ctx, kind, id));
      forget(id);
    }
    cursor = documents.back().id;
  }
}

asio::awaitable<void> Engine::Impl::end(std::shared_ptr<RunRecord> run) {
  RunRecord* place = run.get();
  std::function<Async<void>(Context&)> step = [this, place](Context& ctx) {
    return store_end(ctx, *place);
  };
  auto ended = co_await insist(run->ids, std::move(step));
  if (ended) ended = co_await close_books(*run);
  if (!ended) {
    const Error error = ended.error();
    parts.log->write(
        run->ids,
        {.level = observe::Level::error, .action = "run.end", .status = "failed", .error = &error});
  }
  tell_end(*run);
}

// A backend that is away is asked again, by a service for as long as it runs: nobody else may be
// there to end the run.
Async<void> Engine::Impl::insist(Ids ids, std::function<Async<void>(Context&)> step) {
  const SteadyTime give_up = parts.clock->now() + kBookkeeping;
  for (Duration pause = kEndAgainMin;; pause = std::min<Duration>(2 * pause, kEndAgainMax)) {
    Context ctx = base().with_timeout(kBookkeeping, "ending the run").with_ids(ids);
    auto attempt = step(ctx);
    auto done = co_await std::move(attempt);
    if (done || !done.error().retryable()) co_return done;
    if (!parts.keep_runs && parts.clock->now() >= give_up) co_return done;
    Context waiting = base().with_cancel(leaving);
    if (!co_await sleep_for(waiting, pause)) co_return done;
  }
}

Async<void> Engine::Impl::store_end(Context& ctx, RunRecord& run) {
  RunResult& result = run.result;
  // How a run ended depends on all of its tasks: not on those alone that this node has seen. And
  // what a sweep ended while the run was being read was told to nobody.
  const bool unknown = std::ranges::any_of(
      result.tasks, [](const TaskResult& task) { return !has_ended(task.state); });
  const bool look = shared() || (unknown && !run.unstored);
  auto loaded = look ? co_await load_results(ctx, run) : Result<void>();
  result.ended_at = parts.clock->wall();
  result.state = final_state(run);
  if (result.state != RunState::succeeded && !result.error)
    for (const auto& task : result.tasks)
      if (task.error && !result.error) result.error = task.error;
  CO_TRY_VOID(loaded);
  tasks::Document document = run_document(run);
  auto put = co_await parts.backend->put(ctx, std::move(document));
  // Another node was first: it has said what there is to say.
  if (!put && put.error().code != Errc::conflict) co_return put.error();
  if (put) run.document_version = *put;
  co_return Result<void>{};
}

// Who wants to know is told before the marker goes, so that adopt() makes good what a crash left.
Async<void> Engine::Impl::close_books(RunRecord& run) {
  if (on_run_end) {
    Context ctx = base().with_timeout(kBookkeeping, "telling the run's end").with_ids(run.ids);
    RunResult result = run.result;
    std::string tenant = run.request.tenant;
    CO_TRY_VOID(co_await on_run_end(ctx, std::move(result), std::move(tenant)));
  }
  const std::string id = run.result.run_id;
  std::function<Async<void>(Context&)> step = [this, id](Context& ctx) {
    return parts.backend->erase(ctx, std::string(kOpenRunKind), id);
  };
  co_return co_await insist(run.ids, std::move(step));
}

void Engine::Impl::tell_end(RunRecord& run) {
  RunResult& result = run.result;
  if (run.request.affinity == result.run_id) kept.drop(affinity_key(run.request));
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(result.ended_at - result.created_at);
  const bool good = result.state == RunState::succeeded;
  parts.log->write(run.ids, {.level = good ? observe::Level::info : observe::Level::error,
                             .action = "run.end",
                             .status = good ? "ok" : to_string(result.state),
                             .details = {{"succeeded", result.succeeded()},
                                         {"tasks", result.tasks.size()},
                                         {"duration_ms", took.count()}},
                             .error = result.error ? &*result.error : nullptr});
  json::object data{{"state", to_string(result.state)},
                    {"succeeded", result.succeeded()},
                    {"tasks", result.tasks.size()},
                    {"duration_ms", took.count()}};
  if (result.error) data["error"] = to_json(*result.error);
  events.publish("run.ended", run.ids, std::move(data));
  ended_order.push_back(result.run_id);
  run.ended.set();
  forget_old();
}

void Engine::Impl::forget_old() {
  while (ended_order.size() > static_cast<std::size_t>(parts.settings.runs_kept)) {
    runs.erase(ended_order.front());
    ended_order.pop_front();
  }
}

}  // namespace troupe::engine
