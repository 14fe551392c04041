#include "engine/task_runner.h"

#include "engine/executor.h"
#include "engine/run_codec.h"
#include "engine/task_journal.h"
#include "workflows/definition.h"

namespace troupe::engine {
namespace {

constexpr auto kKeepOutput = std::chrono::seconds(60);

// One attempt while it lasts.
struct Attempt {
  TaskServices& services;
  RunRecord& run;
  tasks::Claim claim;
  int slot;
  Ids ids;
  SteadyTime started;
  ExecutionOutcome outcome;
  std::string session_id;
  std::string began_at;
  std::optional<JournalStart> journal;
  json::object resumed;  ///< As journal_start() gave it, for the error.

  TaskResult& result() { return run.result.tasks[static_cast<std::size_t>(claim.spec.index)]; }
};

void tell(Attempt& attempt, observe::Level level, std::string_view action, std::string_view status,
          std::vector<observe::Detail> details, std::optional<Error> error = {}) {
  observe::LogLine line{
      .level = level, .action = action, .status = status, .details = std::move(details)};
  if (error) line.error = &*error;
  attempt.services.log.write(attempt.ids, line);
}

json::array to_json(const std::vector<RoundAt>& loops) {
  json::array all;
  for (const RoundAt& loop : loops) {
    json::object one{{"step", loop.step}, {"round", loop.round}};
    if (loop.of) one["of"] = *loop.of;
    all.push_back(std::move(one));
  }
  return all;
}

// Of `parallel` branches the one that began a step last.
void note_progress(Attempt& attempt, const StepReport& step) {
  if (step.status == "skipped") return;
  json::object progress{{"attempt", attempt.claim.attempt},
                        {"step", step.id},
                        {"kind", step.kind},
                        {"done", step.done}};
  if (!step.loops.empty()) progress["loops"] = to_json(step.loops);
  progress["began_at"] = attempt.began_at;
  attempt.services.progress(attempt.claim.spec.id, attempt.claim.token, json::serialize(progress));
}

void on_step(Attempt& attempt, const StepReport& step) {
  note_progress(attempt, step);
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(step.elapsed).count();
  const bool begins = step.status == "started";
  json::object data{{"step", step.id},       {"kind", step.kind},
                    {"status", step.status}, {"index", attempt.claim.spec.index},
                    {"slot", attempt.slot},  {"done", step.done}};
  if (!step.loops.empty()) data["loops"] = to_json(step.loops);
  if (!step.detail.empty()) data["detail"] = step.detail;
  if (!begins) data["elapsed_ms"] = elapsed;
  if (step.error) data["error"] = to_json(*step.error);
  attempt.services.events.publish(begins ? "step.started" : "step.ended", attempt.ids,
                                  std::move(data));
  const auto said = observe::level_from(step.level);  // a `log` step has a level of its own
  const auto level = said                       ? *said
                     : step.status == "failed"  ? observe::Level::warning
                     : step.status == "ignored" ? observe::Level::info
                                                : observe::Level::debug;
  if (!begins && attempt.services.log.enabled(level))
    tell(attempt, level, "step." + step.kind, step.status,
         {{"step", step.id}, {"elapsed_ms", elapsed}, {"detail", step.detail}}, step.error);
}

SessionSpec session_spec(const RunRecord& run, const Settings& settings) {
  SessionSpec spec;
  spec.provider = run.request.provider.empty() ? settings.provider : run.request.provider;
  spec.isolation = run.request.isolation;
  spec.tenant = run.request.tenant;
  spec.site = run.site.name;
  spec.user_context = run.request.user_context;
  spec.context_id = run.request.context_id;
  spec.region = run.request.region;
  return spec;
}

// Written by the engine itself when the run was accepted.
json::object inputs_of(const tasks::Spec& spec) {
  const auto job = parse_json(spec.job, "task " + spec.id);
  const auto* inputs = job ? find(*job, "inputs") : nullptr;
  return inputs && inputs->is_object() ? inputs->get_object() : json::object();
}

ExecutionInput execution_input(const Attempt& attempt) {
  const Settings& settings = attempt.services.settings;
  const auto* catalogue = &attempt.services.catalogue;
  ExecutionInput input;
  input.definition = attempt.run.definition;
  input.inputs = inputs_of(attempt.claim.spec);
  input.site = attempt.run.site;
  // Without items a task stands for its session, whichever worker takes it (again).
  input.session_index = attempt.run.request.items.empty() ? attempt.claim.spec.index : attempt.slot;
  input.session_count = attempt.run.result.sessions;
  input.run_id = attempt.run.result.run_id;
  input.tenant = attempt.run.request.tenant;
  input.task_id = attempt.claim.spec.id;
  input.attempt = attempt.claim.attempt;
  input.artifacts_dir = settings.data_dir + "/runs/" + attempt.run.result.run_id;
  input.step_timeout = settings.step_timeout;
  input.output_bytes_max = settings.result_bytes_max;
  input.find_workflow = [catalogue](const std::string& name) { return catalogue->workflow(name); };
  return input;
}

// The steps have had their effect: the store is asked until it has the entries, the lease is lost
// or the time is up. That the store gave no answer is not the page's fault.
Async<void> add_to_journal(Context& ctx, tasks::Backend& backend, std::string id,
                           std::uint64_t token, int series, std::vector<std::string> stale,
                           tasks::Journal entries) {
  for (auto& [path, entry] : entries) path = journal_key(series, path);
  for (std::string& key : stale) entries.emplace_back(std::move(key), std::string());
  for (auto pause = std::chrono::milliseconds(50);; pause *= 2) {
    tasks::Journal some = entries;
    auto added = co_await backend.journal_add(ctx, id, token, std::move(some));
    if (added || !added.error().retryable()) co_return added;
    Error error = added.error();
    if (error.code == Errc::timeout) error.code = Errc::unavailable;
    const bool slept = bool(co_await sleep_for(ctx, pause));
    if (ctx.cancel_source().is_cancelled()) co_return ctx.cancel_source().reason();
    if (!slept) co_return error;
  }
}

StepJournal step_journal(Attempt& attempt) {
  StepJournal journal;
  journal.stored = std::move(attempt.journal->stored);
  tasks::Backend* backend = &attempt.services.backend;
  journal.add = [backend, id = attempt.claim.spec.id, token = attempt.claim.token,
                 series = attempt.journal->series, stale = std::move(attempt.journal->stale)](
                    Context& ctx,
                    std::vector<std::pair<std::string, std::string>> entries) mutable {
    return add_to_journal(ctx, *backend, id, token, series, std::exchange(stale, {}),
                          std::move(entries));
  };
  return journal;
}

// Without a durable backend a task does not outlive its process: nothing is written down.
Async<void> open_journal(Context& ctx, Attempt& attempt) {
  const bool restarts = attempt.run.definition->restart != workflows::Restart::resume;
  if (restarts || attempt.services.backend.name() == "memory") co_return Result<void>{};
  std::vector<std::pair<std::string, std::string>> entries;
  // Not the number of the attempt: one that was handed back, or replayed, has that of the first.
  if (attempt.claim.token > 1) {
    const std::string id = attempt.claim.spec.id;
    CO_TRY(entries, co_await attempt.services.backend.journal(ctx, id));
  }
  attempt.journal = journal_start(entries, attempt.claim.attempt, attempt.claim.last_error);
  attempt.resumed = attempt.journal->resumed;
  co_return Result<void>{};
}

// Ends the attempt when its session dies under it.
asio::awaitable<void> watch_session(Context ctx, const sessions::Lease& lease,
                                    CancelSource cancel) {
  const auto lost = co_await lease.lost().wait(ctx);
  if (lost) cancel.cancel(lease.lost_reason());
}

// A failure that is not the session's leaves it to the next task, as an own run would.
bool can_be_kept(const Attempt& attempt, const sessions::Lease& lease) {
  const ExecutionOutcome& outcome = attempt.outcome;
  if (attempt.run.request.affinity.empty() || lease.lost().is_set()) return false;
  if (!outcome.cleanup_errors.empty()) return false;
  if (!outcome.error) return true;
  const Fault fault = traits(outcome.error->code).fault;
  return fault == Fault::page || fault == Fault::user;
}

asio::awaitable<void> use_session(Context& ctx, Attempt& attempt, sessions::Lease& lease,
                                  interact::Interactor& interactor, SessionSpec spec) {
  attempt.session_id = lease.id();
  attempt.ids.session = lease.id();
  ++attempt.run.sessions_created;
  const CancelSource stop_watch;
  Context watch_ctx =
      ctx.for_cleanup(std::chrono::hours(24), "session watch").with_cancel(stop_watch);
  const CancelSource cancel = CancelSource::linked(ctx.cancel_source());
  Context inner = ctx.with_cancel(cancel).with_ids(attempt.ids);
  Scope scope(ctx.executor());
  scope.spawn("session watch", watch_session(watch_ctx, lease, cancel));
  ExecutionInput input = execution_input(attempt);
  if (attempt.journal) input.journal = step_journal(attempt);
  Attempt* place = &attempt;
  std::function<void(const StepReport&)> report = [place](const StepReport& step) {
    on_step(*place, step);
  };
  attempt.outcome =
      co_await execute(inner, lease.session(), interactor, std::move(input), std::move(report));
  stop_watch.cancel(fail(Errc::cancelled, "attempt ended"));
  Context cleanup = ctx.for_cleanup(std::chrono::seconds(15), "session release");
  (void)co_await scope.join(cleanup);
  if (can_be_kept(attempt, lease)) {
    const std::string key = affinity_key(attempt.run.request);
    attempt.services.kept.keep(key, std::move(spec), std::move(lease));
    co_return;
  }
  const bool clean = attempt.outcome.page_clean && !attempt.outcome.error;
  auto released = co_await lease.release(cleanup, clean, EndReason::released);
  if (!released) {
    tell(attempt, observe::Level::error, "session.release", "failed", {}, released.error());
    attempt.outcome.cleanup_errors.push_back(released.error());
  }
}

// Of the site on its provider: what fails there fails for all of its tasks alike.
net::RetryBudget& budget_of(Attempt& attempt) {
  constexpr net::RetryBudget::Options kBudget{.capacity = 100, .per_call = 0.1, .per_second = 3};
  const std::string upstream = attempt.run.site.name + "@" + attempt.run.request.provider;
  return attempt.services.retry_budgets.try_emplace(upstream, attempt.services.clock, kBudget)
      .first->second;
}

// A retry at once would only multiply an outage: without budget it waits as long as a retry may.
Duration retry_delay(Attempt& attempt) {
  const tasks::Retry& retry = attempt.claim.spec.retry;
  const double least = static_cast<double>(retry.base_ms);
  const double most = static_cast<double>(retry.cap_ms);
  const double ceiling =
      std::min(most, least * static_cast<double>(1LL << std::min(attempt.claim.attempt - 1, 20)));
  const bool affordable = budget_of(attempt).take();
  const double share = attempt.services.random.unit();
  const double ms = affordable ? ceiling * share : most * (0.5 + share / 2);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::milli>(ms));
}

// `ctx` is the attempt's: cancelled by the run, by its task's cancellation, or by the lost lease.
tasks::Finish verdict(Attempt& attempt, const Context& ctx) {
  using Verdict = tasks::Finish::Verdict;
  tasks::Finish finish{.id = attempt.claim.spec.id, .token = attempt.claim.token};
  const auto& error = attempt.outcome.error;
  if (!error) {
    finish.verdict = Verdict::succeeded;
  } else if (error->code == Errc::draining) {
    finish.verdict = Verdict::released;  // another node goes on
  } else if (error->code == Errc::cancelled || attempt.run.cancel.is_cancelled()) {
    finish.verdict = Verdict::cancelled;
  } else if (error->retryable() && ctx.check() && !attempt.run.draining &&
             attempt.run.definition->restart != workflows::Restart::never) {
    finish.verdict = Verdict::retry;
    finish.delay_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(retry_delay(attempt)).count();
  } else {
    finish.verdict = Verdict::failed;
  }
  return finish;
}

void fill_result(Attempt& attempt, SteadyTime now) {
  TaskResult& result = attempt.result();
  result.session_id = attempt.session_id;
  result.attempts = attempt.claim.attempt;
  result.duration += std::chrono::duration_cast<std::chrono::milliseconds>(now - attempt.started);
  result.error = attempt.outcome.error;
  result.failed_step = attempt.outcome.failed_step;
  result.screenshot = attempt.outcome.screenshot;
  for (auto& error : attempt.outcome.cleanup_errors) result.cleanup_errors.push_back(error);
  if (!attempt.outcome.error) result.output = std::move(attempt.outcome.output);
}

// What became of it, once the backend has said so.
void tell_end(Attempt& attempt, tasks::UnixMs delay_ms) {
  const TaskResult& result = attempt.result();
  json::object data{{"index", attempt.claim.spec.index},
                    {"slot", attempt.slot},
                    {"state", to_string(result.state)},
                    {"attempt", attempt.claim.attempt},
                    {"duration_ms", result.duration.count()}};
  if (result.error) data["error"] = to_json(*result.error);
  const bool again = !has_ended(result.state);
  if (again) data["retry_after_ms"] = delay_ms;
  const auto level = !result.error ? observe::Level::info
                     : again       ? observe::Level::warning
                                   : observe::Level::error;
  std::vector<observe::Detail> details{{"index", attempt.claim.spec.index},
                                       {"duration_ms", result.duration.count()}};
  if (!result.failed_step.empty()) details.emplace_back("step", result.failed_step);
  tell(attempt, level, "task.execute",
       again                                  ? "retrying"
       : result.state == TaskState::succeeded ? "ok"
                                              : to_string(result.state),
       std::move(details), result.error);
  attempt.services.events.publish(again ? "task.retrying" : "task.ended", attempt.ids,
                                  std::move(data));
}

void begin(Attempt& attempt) {
  if (attempt.claim.attempt == 1) budget_of(attempt).call_began();
  attempt.ids.task = attempt.claim.spec.id;
  attempt.ids.attempt = attempt.claim.attempt;
  attempt.result().state = TaskState::running;
  attempt.result().attempts = attempt.claim.attempt;
  attempt.services.events.publish("task.started", attempt.ids,
                                  {{"index", attempt.claim.spec.index},
                                   {"slot", attempt.slot},
                                   {"attempt", attempt.claim.attempt}});
  tell(attempt, observe::Level::info, "task.execute", "started",
       {{"index", attempt.claim.spec.index}});
}

// The backend may be away for a moment: says it again until the lease has run out at the latest.
Async<tasks::Finished> finish_at(Context& ctx, tasks::Backend& backend, tasks::Finish finish) {
  for (auto pause = std::chrono::milliseconds(50);; pause *= 2) {
    std::vector<tasks::Finish> one{finish};
    auto finished = co_await backend.finish(ctx, std::move(one));
    if (finished) co_return std::move(finished->front());
    const Error error = finished.error();
    // A disk that is full now may have room in a moment, and the work is done.
    const bool again = error.retryable() || error.code == Errc::storage_failed;
    if (!again || !ctx.check()) co_return error;
    if (!co_await sleep_for(ctx, pause)) co_return error;
  }
}

// Where a large output is, which is kept outside the backend; null for any other. One that cannot
// be kept fails the attempt: nothing is cut off silently.
asio::awaitable<json::value> keep_outside(Context& ctx, Attempt& attempt) {
  tasks::Results* results = attempt.services.results;
  if (!results || attempt.outcome.error) co_return nullptr;
  json::value output = attempt.outcome.output;
  auto kept = co_await results->shrink(ctx, std::move(output));
  if (!kept) attempt.outcome.error = kept.error();
  if (!kept || !tasks::result_ref_from(*kept)) co_return nullptr;
  co_return std::move(*kept);
}

// `outside` stands for the output when it is kept elsewhere.
tasks::Finish with_texts(Attempt& attempt, tasks::Finish finish, json::value outside) {
  TaskResult& result = attempt.result();
  const bool elsewhere = !outside.is_null();
  if (elsewhere) std::swap(result.output, outside);
  if (finish.verdict == tasks::Finish::Verdict::succeeded)
    finish.result = stored_result(result);
  else
    finish.error = stored_error(result, attempt.resumed);
  if (elsewhere) std::swap(result.output, outside);
  return finish;
}

Async<sessions::Lease> session_for(Context& ctx, Attempt& attempt, SessionSpec spec) {
  TaskServices& services = attempt.services;
  std::string run_id = attempt.run.result.run_id;
  std::string task_id = attempt.claim.spec.id;
  if (!attempt.run.request.affinity.empty()) {
    sessions::Lease kept = services.kept.take(affinity_key(attempt.run.request), spec);
    if (kept) kept.relabel(std::move(run_id), std::move(task_id));
    if (kept) co_return kept;
  }
  co_return co_await services.pool.acquire(ctx, std::move(spec), std::move(run_id),
                                           std::move(task_id));
}

}  // namespace

asio::awaitable<std::optional<tasks::Finished>> attempt_task(TaskServices& services,
                                                             std::shared_ptr<RunRecord> run,
                                                             Context ctx,
                                                             interact::Interactor& interactor,
                                                             tasks::Claim claim, int slot) {
  Attempt attempt{.services = services,
                  .run = *run,
                  .claim = std::move(claim),
                  .slot = slot,
                  .ids = run->ids,
                  .started = ctx.clock().now(),
                  .outcome = {},
                  .session_id = {},
                  .began_at = to_rfc3339(ctx.clock().wall())};
  begin(attempt);
  const auto limit =
      run->definition->timeout && !run->request.task_timeout
          ? *run->definition->timeout
          : Duration(run->request.task_timeout.value_or(services.settings.task_timeout));
  Context task_ctx = ctx.with_timeout(limit, "task").with_ids(attempt.ids);
  SessionSpec spec = session_spec(*run, services.settings);
  const std::string task_id = attempt.claim.spec.id;
  auto opened = interactor.require(spec);
  if (opened) opened = co_await open_journal(task_ctx, attempt);
  if (opened) {
    auto lease = co_await session_for(task_ctx, attempt, spec);
    if (lease)
      co_await use_session(task_ctx, attempt, *lease, interactor, std::move(spec));
    else
      attempt.outcome.error = lease.error();
    if (!lease) attempt.resumed.clear();  // without a session it says nothing about the place
  } else {
    attempt.outcome.error = opened.error();
  }
  // Whoever has the task now, it is not this attempt.
  const auto& cancel = ctx.cancel_source();
  if (cancel.is_cancelled() && cancel.reason().code == Errc::conflict) {
    tell(attempt, observe::Level::warning, "task.execute", "lease lost", {}, cancel.reason());
    co_return std::nullopt;
  }
  Context keeping = ctx.for_cleanup(kKeepOutput, "keeping the output");
  auto outside = co_await keep_outside(keeping, attempt);
  fill_result(attempt, ctx.clock().now());
  tasks::Finish finish = with_texts(attempt, verdict(attempt, ctx), std::move(outside));
  const tasks::UnixMs delay_ms = finish.delay_ms;
  Context cleanup = ctx.for_cleanup(std::chrono::seconds(10), "task bookkeeping");
  using Verdict = tasks::Finish::Verdict;
  // One that comes back could be here again before it is told to have gone.
  if (finish.verdict != Verdict::retry && finish.verdict != Verdict::released) services.ending();
  auto finished = co_await finish_at(cleanup, services.backend, std::move(finish));
  if (!finished || finished->stale) {
    const Error error = finished ? fail(Errc::conflict, "task " + task_id +
                                                            ": its lease was lost; what it gave "
                                                            "does not count")
                                 : finished.error();
    tell(attempt, observe::Level::error, "task.finish", "failed", {}, error);
    if (!finished && services.one_shot) {
      attempt.result().state = attempt.result().error ? TaskState::failed : TaskState::succeeded;
      tell_end(attempt, delay_ms);
    }
    co_return std::nullopt;
  }
  attempt.result().state = public_state(finished->state);
  if (!has_ended(attempt.result().state)) attempt.result().output = nullptr;
  tell_end(attempt, delay_ms);
  co_return std::move(*finished);
}

}  // namespace troupe::engine
