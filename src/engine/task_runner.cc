#include "engine/task_runner.h"

#include "engine/executor.h"
#include "workflows/definition.h"

namespace troupe::engine {
namespace {

constexpr auto kRetryDelayMin = std::chrono::milliseconds(500);
constexpr auto kRetryDelayMax = std::chrono::seconds(30);

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

  TaskResult& result() { return run.result.tasks[static_cast<std::size_t>(claim.task.index)]; }
};

void tell(Attempt& attempt, observe::Level level, std::string_view action, std::string_view status,
          std::vector<observe::Detail> details, std::optional<Error> error = {}) {
  observe::LogLine line{
      .level = level, .action = action, .status = status, .details = std::move(details)};
  if (error) line.error = &*error;
  attempt.services.log.write(attempt.ids, line);
}

void on_step(Attempt& attempt, const StepReport& step) {
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(step.elapsed).count();
  const bool begins = step.status == "started";
  json::object data{{"step", step.id},
                    {"kind", step.kind},
                    {"status", step.status},
                    {"index", attempt.claim.task.index},
                    {"slot", attempt.slot}};
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
  return spec;
}

ExecutionInput execution_input(const Attempt& attempt) {
  const Settings& settings = attempt.services.settings;
  const auto* catalogue = &attempt.services.catalogue;
  ExecutionInput input;
  input.definition = attempt.run.definition;
  input.inputs = attempt.claim.task.inputs;
  input.site = attempt.run.site;
  // Without items a task stands for its session, whichever worker takes it (again).
  input.session_index = attempt.run.request.items.empty() ? attempt.claim.task.index : attempt.slot;
  input.session_count = attempt.run.result.sessions;
  input.run_id = attempt.run.result.run_id;
  input.task_id = attempt.claim.task.id;
  input.attempt = attempt.claim.task.attempt;
  input.artifacts_dir = settings.data_dir + "/runs/" + attempt.run.result.run_id;
  input.step_timeout = settings.step_timeout;
  input.output_bytes_max = settings.result_bytes_max;
  input.find_workflow = [catalogue](const std::string& name) { return catalogue->workflow(name); };
  return input;
}

// Ends the attempt when its session dies under it.
asio::awaitable<void> watch_session(Context ctx, const sessions::Lease& lease,
                                    CancelSource cancel) {
  const auto lost = co_await lease.lost().wait(ctx);
  if (lost) cancel.cancel(lease.lost_reason());
}

asio::awaitable<void> use_session(Context& ctx, Attempt& attempt, sessions::Lease& lease,
                                  interact::Interactor& interactor) {
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
  Attempt* place = &attempt;
  std::function<void(const StepReport&)> report = [place](const StepReport& step) {
    on_step(*place, step);
  };
  attempt.outcome =
      co_await execute(inner, lease.session(), interactor, std::move(input), std::move(report));
  stop_watch.cancel(fail(Errc::cancelled, "attempt ended"));
  Context cleanup = ctx.for_cleanup(std::chrono::seconds(15), "session release");
  (void)co_await scope.join(cleanup);
  const bool clean = attempt.outcome.page_clean && !attempt.outcome.error;
  auto released = co_await lease.release(cleanup, clean, EndReason::released);
  if (!released) {
    tell(attempt, observe::Level::error, "session.release", "failed", {}, released.error());
    attempt.outcome.cleanup_errors.push_back(released.error());
  }
}

// Not when the run itself is over: `ctx` is the run's.
bool may_retry(const Attempt& attempt, const Context& ctx) {
  const RunRecord& run = attempt.run;
  return attempt.outcome.error && attempt.outcome.error->retryable() &&
         attempt.claim.task.attempt < attempt.claim.task.attempts_max && !run.draining &&
         ctx.check() && run.definition->restartable;
}

// Exponential with full jitter: half a second, one, two, …
Duration retry_delay(int attempt, Random& random) {
  const double base = std::chrono::duration<double>(kRetryDelayMin).count();
  const double most = std::chrono::duration<double>(kRetryDelayMax).count();
  const double ceiling =
      std::min(most, base * static_cast<double>(1LL << std::min(attempt - 1, 20)));
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(ceiling * random.unit()));
}

tasks::Outcome verdict(Attempt& attempt, const Context& ctx) {
  if (!attempt.outcome.error) return {.state = TaskState::succeeded};
  if (attempt.outcome.error->code == Errc::cancelled) return {.state = TaskState::cancelled};
  if (!may_retry(attempt, ctx)) return {.state = TaskState::failed};
  return {.state = TaskState::queued,
          .retry_after = retry_delay(attempt.claim.task.attempt, attempt.services.random)};
}

void record(Attempt& attempt, const tasks::Outcome& outcome, SteadyTime now) {
  TaskResult& result = attempt.result();
  result.session_id = attempt.session_id;
  result.attempts = attempt.claim.task.attempt;
  result.state = outcome.state;
  result.duration += std::chrono::duration_cast<std::chrono::milliseconds>(now - attempt.started);
  result.error = attempt.outcome.error;
  result.failed_step = attempt.outcome.failed_step;
  result.screenshot = attempt.outcome.screenshot;
  for (auto& error : attempt.outcome.cleanup_errors) result.cleanup_errors.push_back(error);
  if (outcome.state == TaskState::succeeded) result.output = std::move(attempt.outcome.output);

  json::object data{{"index", attempt.claim.task.index},
                    {"slot", attempt.slot},
                    {"state", to_string(outcome.state)},
                    {"attempt", attempt.claim.task.attempt},
                    {"duration_ms", result.duration.count()}};
  if (result.error) data["error"] = to_json(*result.error);
  const bool again = outcome.state == TaskState::queued;
  if (again)
    data["retry_after_ms"] =
        std::chrono::duration_cast<std::chrono::milliseconds>(outcome.retry_after).count();
  const auto level = !result.error ? observe::Level::info
                     : again       ? observe::Level::warning
                                   : observe::Level::error;
  std::vector<observe::Detail> details{{"index", attempt.claim.task.index},
                                       {"duration_ms", result.duration.count()}};
  if (!result.failed_step.empty()) details.emplace_back("step", result.failed_step);
  tell(attempt, level, "task.execute",
       again                                   ? "retrying"
       : outcome.state == TaskState::succeeded ? "ok"
                                               : to_string(outcome.state),
       std::move(details), result.error);
  attempt.services.events.publish(again ? "task.retrying" : "task.ended", attempt.ids,
                                  std::move(data));
}

asio::awaitable<void> attempt_task(TaskServices& services, RunRecord& run, Context& ctx,
                                   interact::Interactor& interactor, tasks::Claim claim, int slot) {
  Attempt attempt{.services = services,
                  .run = run,
                  .claim = claim,
                  .slot = slot,
                  .ids = run.ids,
                  .started = ctx.clock().now(),
                  .outcome = {},
                  .session_id = {}};
  attempt.ids.task = claim.task.id;
  attempt.ids.attempt = claim.task.attempt;
  attempt.result().state = TaskState::running;
  attempt.result().attempts = claim.task.attempt;
  services.events.publish(
      "task.started", attempt.ids,
      {{"index", claim.task.index}, {"slot", slot}, {"attempt", claim.task.attempt}});
  tell(attempt, observe::Level::info, "task.execute", "started", {{"index", claim.task.index}});

  const auto limit =
      run.definition->timeout && !run.request.task_timeout
          ? *run.definition->timeout
          : Duration(run.request.task_timeout.value_or(services.settings.task_timeout));
  Context task_ctx = ctx.with_timeout(limit, "task").with_ids(attempt.ids);
  SessionSpec spec = session_spec(run, services.settings);
  const std::string run_id = run.result.run_id;
  auto lease = co_await services.pool.acquire(task_ctx, std::move(spec), run_id, claim.task.id);
  if (lease) {
    co_await use_session(task_ctx, attempt, *lease, interactor);
  } else {
    attempt.outcome.error = lease.error();
  }
  const tasks::Outcome outcome = verdict(attempt, ctx);
  Context cleanup = ctx.for_cleanup(std::chrono::seconds(15), "task bookkeeping");
  auto finished = co_await services.queue.finish(cleanup, claim, outcome);
  if (!finished)
    tell(attempt, observe::Level::error, "task.finish", "failed", {}, finished.error());
  else
    record(attempt, outcome, ctx.clock().now());
}

}  // namespace

asio::awaitable<void> work(TaskServices services, std::shared_ptr<RunRecord> run,
                           interact::Interactor& interactor, Context ctx, int slot) {
  for (;;) {
    if (run->draining) co_return;
    const std::string run_id = run->result.run_id;
    auto claimed = co_await services.queue.claim(ctx, run_id);
    if (!claimed || !*claimed) co_return;
    co_await attempt_task(services, *run, ctx, interactor, std::move(**claimed), slot);
  }
}

}  // namespace troupe::engine
