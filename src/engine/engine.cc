#include "engine/engine.h"

#include <unistd.h>

#include <deque>
#include <filesystem>
#include <map>

#include "engine/parts.h"
#include "engine/run_record.h"
#include "engine/task_runner.h"
#include "sessions/chromium.h"
#include "sessions/pool.h"
#include "workflows/definition.h"
#include "workflows/planner.h"

namespace troupe::engine {
namespace fs = std::filesystem;
namespace {

constexpr auto kCloseTimeout = std::chrono::seconds(30);

void merge(json::object& into, const json::object& from) {
  for (const auto& member : from) {
    auto* present = into.if_contains(member.key());
    if (present && present->is_object() && member.value().is_object())
      merge(present->get_object(), member.value().get_object());
    else
      into[member.key()] = member.value();
  }
}

constexpr auto kUsageEvery = std::chrono::minutes(1);
constexpr auto kPruneEvery = std::chrono::minutes(10);

std::function<Duration(const std::string&, int)> history_of(const sessions::UsageLedger* usage) {
  if (!usage) return {};
  return [usage](const std::string& tenant, int hours_ago) {
    return usage->ended_in_hour(tenant, hours_ago);
  };
}

sessions::PoolOptions pool_options(const Parts& parts) {
  const Settings& settings = parts.settings;
  return {.sessions_max = settings.sessions_max,
          .queue_max = settings.session_queue_max,
          .tenant_sessions_max = settings.tenant_sessions_max,
          .tenant_creations_per_minute = settings.tenant_creations_per_minute,
          .tenant_minutes_per_day = settings.tenant_minutes_per_day,
          .tenant_history = history_of(parts.usage.get()),
          .session_timeout = settings.session_timeout,
          .create_timeout = settings.session_create_timeout,
          .idle_timeout = settings.session_idle_timeout,
          .isolation = isolation_from(settings.isolation).value_or(Isolation::context),
          .spill_providers = settings.spill_providers,
          .spill_after = settings.spill_after};
}

Result<void> check_duration(std::optional<std::chrono::milliseconds> value, std::string_view name,
                            std::chrono::milliseconds most) {
  if (!value || (value->count() >= 1 && *value <= most)) return {};
  return fail(Errc::invalid_argument, std::string(name) + ": " + std::to_string(value->count()) +
                                          " ms is not in 1.." + std::to_string(most.count()) +
                                          " ms");
}

RunState final_state(const RunRecord& run) {
  const std::size_t succeeded = run.result.succeeded();
  if (succeeded == run.result.tasks.size()) return RunState::succeeded;
  if (run.cancel.is_cancelled() && run.cancel.reason().code == Errc::cancelled)
    return RunState::cancelled;
  return succeeded > 0 ? RunState::partial : RunState::failed;
}

}  // namespace

struct Engine::Impl {
  Impl(asio::any_io_executor run_on, Parts given)
      : executor(std::move(run_on)),
        parts(std::move(given)),
        random(parts.seed),
        events(*parts.clock, {.runs_kept = static_cast<std::size_t>(parts.settings.runs_kept)}),
        catalogue(parts.settings.workflow_dirs, parts.settings.site_dirs),
        pool(*parts.clock, executor, random, pool_options(parts), std::move(parts.providers),
             observer()),
        scope(executor) {}

  sessions::PoolObserver observer();
  void look_after_stores();
  Ids ids_of(const Session& session) const;
  interact::Interactor* interactor(const std::string& name) const;
  Result<std::shared_ptr<RunRecord>> accept(RunRequest request);
  Result<void> check(const RunRequest& request) const;
  std::vector<tasks::Task> tasks_of(const RunRecord& run,
                                    std::vector<workflows::TaskSpec> specs) const;
  asio::awaitable<void> conduct(std::shared_ptr<RunRecord> run, std::vector<tasks::Task> tasks);
  asio::awaitable<void> cancel_queued(std::shared_ptr<RunRecord> run, Error reason);
  void end(RunRecord& run);
  void forget_old();
  TaskServices services() {
    return {parts.settings, *parts.queue, pool, events, *parts.log, random, catalogue};
  }

  asio::any_io_executor executor;
  Parts parts;
  Random random;
  observe::EventBus events;
  workflows::Catalogue catalogue;
  sessions::Pool pool;
  std::map<std::string, std::shared_ptr<RunRecord>> runs;
  std::deque<std::string> ended_order;
  Scope scope;
  SteadyTime usage_written_at{};
  SteadyTime pruned_at{};
  bool draining = false;
  CancelSource intake;  ///< Cancelled with `draining`: ends waits for a session outside of runs.
  bool closing = false;
  Event closed;
};

Ids Engine::Impl::ids_of(const Session& session) const {
  Ids ids{.project = parts.settings.project,
          .run = session.run_id,
          .task = session.task_id,
          .session = session.id};
  if (const auto run = runs.find(session.run_id); run != runs.end()) {
    ids.workflow = run->second->result.workflow;
    ids.project = run->second->ids.project;
  }
  return ids;
}

sessions::PoolObserver Engine::Impl::observer() {
  return {
      .created =
          [this](const Session& session) {
            const Ids ids = ids_of(session);
            parts.log->write(ids, {.action = "session.create",
                                   .status = "ok",
                                   .details = {{"provider", session.provider},
                                               {"isolation", to_string(session.isolation)}}});
            events.publish("session.created", ids, to_json(session));
          },
      .ended =
          [this](const Session& session) {
            const Ids ids = ids_of(session);
            parts.log->write(
                ids, {.level = session.error ? observe::Level::warning : observe::Level::info,
                      .action = "session.release",
                      .status = "ok",
                      .details = {{"reason", to_string(session.end_reason)}},
                      .error = session.error ? &*session.error : nullptr});
            events.publish("session.ended", ids, to_json(session));
            if (parts.usage) parts.usage->add(session);
            if (parts.files) parts.files->session_ended(session.id);
          },
      .failed =
          [this](const SessionSpec& spec, const std::string& id, const Error& error) {
            const Ids ids{.project = parts.settings.project, .session = id};
            parts.log->write(ids, {.level = observe::Level::error,
                                   .action = "session.create",
                                   .status = "failed",
                                   .details = {{"provider", spec.provider}},
                                   .error = &error});
          },
      .tended = [this] { look_after_stores(); },
  };
}

void Engine::Impl::look_after_stores() {
  const SteadyTime now = parts.clock->now();
  if (parts.usage && now - usage_written_at > kUsageEvery) {
    parts.usage->checkpoint(pool.list(true));
    usage_written_at = now;
  }
  if (parts.files && now - pruned_at > kPruneEvery) {
    parts.files->prune();
    pruned_at = now;
  }
}

interact::Interactor* Engine::Impl::interactor(const std::string& asked) const {
  const std::string& name = asked.empty() ? parts.settings.interactor : asked;
  for (const auto& candidate : parts.interactors)
    if (candidate->name() == name) return candidate.get();
  return nullptr;
}

Result<void> Engine::Impl::check(const RunRequest& request) const {
  if (draining) return fail(Errc::draining, "run: shutting down, no new ones");
  if (request.workflow.empty())
    return fail(Errc::invalid_argument, "workflow: none given", "run",
                "list them with `troupe workflow list`");
  if (!interactor(request.interactor))
    return fail(Errc::invalid_argument, "interactor: '" + request.interactor + "' is not known",
                "run", "use native");
  if (!request.provider.empty() && !pool.has_provider(request.provider))
    return fail(Errc::invalid_argument, "provider: '" + request.provider + "' is not known", "run",
                "use local");
  if (request.attempts && (*request.attempts < 1 || *request.attempts > 10))
    return fail(Errc::invalid_argument,
                "attempts: " + std::to_string(*request.attempts) + " is not in 1..10", "run");
  TRY_VOID(check_duration(request.task_timeout, "task_timeout", std::chrono::hours(6)));
  TRY_VOID(check_duration(request.timeout, "timeout", std::chrono::hours(24)));
  return {};
}

Result<std::shared_ptr<RunRecord>> Engine::Impl::accept(RunRequest request) {
  TRY_VOID(check(request));
  auto run = std::make_shared<RunRecord>();
  run->definition = request.workflow.definition();
  if (!run->definition) {
    TRY(run->definition, catalogue.workflow(request.workflow.name()));
  }
  if (!request.site.empty()) {
    TRY(run->site, catalogue.site(request.site));
  }
  merge(run->site.profile, request.site_overrides);
  run->ids.project = request.project.empty() ? parts.settings.project : request.project;
  run->result.run_id = random.id("run", parts.clock->wall());
  run->result.workflow = run->definition->name;
  run->result.site = run->site.name;
  run->result.sessions = request.sessions;
  run->result.created_at = parts.clock->wall();
  run->ids.run = run->result.run_id;
  run->ids.workflow = run->result.workflow;
  run->request = std::move(request);
  return run;
}

std::vector<tasks::Task> Engine::Impl::tasks_of(const RunRecord& run,
                                                std::vector<workflows::TaskSpec> specs) const {
  std::vector<tasks::Task> tasks;
  tasks.reserve(specs.size());
  for (auto& spec : specs) {
    tasks::Task task{.id = run.result.run_id + "." + std::to_string(spec.index),
                     .run_id = run.result.run_id,
                     .index = spec.index,
                     .inputs = std::move(spec.inputs),
                     .attempts_max = run.request.attempts.value_or(parts.settings.task_attempts)};
    task.id.replace(0, 3, "task");
    tasks.push_back(std::move(task));
  }
  return tasks;
}

// The life of one run after it was accepted.
asio::awaitable<void> Engine::Impl::conduct(std::shared_ptr<RunRecord> run,
                                            std::vector<tasks::Task> tasks) {
  const Context base(*parts.clock, executor);
  Context ctx = base.with_cancel(run->cancel).with_ids(run->ids);
  const auto limit = run->request.timeout.value_or(parts.settings.run_timeout);
  Context limited = ctx.with_timeout(limit, "run");
  RunResult& result = run->result;
  const std::size_t count = tasks.size();
  auto queued = co_await parts.queue->enqueue(limited, std::move(tasks));
  if (!queued) {
    result.error = queued.error();
    parts.log->write(run->ids, {.level = observe::Level::error,
                                .action = "task.create",
                                .status = "failed",
                                .error = &*result.error});
    for (auto& task : result.tasks) {
      task.state = TaskState::cancelled;
      task.error = result.error;
    }
    end(*run);
    co_return;
  }
  parts.log->write(run->ids,
                   {.action = "task.create", .status = "ok", .details = {{"tasks", count}}});
  result.state = RunState::running;
  result.started_at = parts.clock->wall();
  events.publish("run.started", run->ids, {{"tasks", count}, {"sessions", result.sessions}});
  interact::Interactor& performer = *interactor(run->request.interactor);
  Scope workers(executor);
  const int slots =
      static_cast<int>(std::min<std::size_t>(static_cast<std::size_t>(result.sessions), count));
  for (int slot = 0; slot < slots; ++slot)
    workers.spawn("run worker", work(services(), run, performer, limited, slot));
  Context unbounded(*parts.clock, executor);
  (void)co_await workers.join(unbounded);

  // What no worker took any more: the run was cancelled, drained, or ran out of time.
  Error why = fail(Errc::draining, "run: shut down before this task began");
  if (const auto state = limited.check(); !state) why = state.error();
  co_await cancel_queued(run, why);
  Context cleanup = base.with_timeout(std::chrono::seconds(15), "run bookkeeping");
  const std::string id = result.run_id;
  (void)co_await parts.queue->forget(cleanup, id);
  end(*run);
}

asio::awaitable<void> Engine::Impl::cancel_queued(std::shared_ptr<RunRecord> run, Error reason) {
  const Context base(*parts.clock, executor);
  Context ctx = base.with_timeout(std::chrono::seconds(15), "run bookkeeping");
  const std::string id = run->result.run_id;
  auto cancelled = co_await parts.queue->cancel_queued(ctx, id);
  if (!cancelled) co_return;
  for (const auto& task : *cancelled) {
    TaskResult& result = run->result.tasks[static_cast<std::size_t>(task.index)];
    result.state = TaskState::cancelled;
    if (!result.error) result.error = reason;
    Ids ids = run->ids;
    ids.task = task.id;
    events.publish("task.ended", ids, {{"index", task.index}, {"state", "cancelled"}});
  }
}

void Engine::Impl::end(RunRecord& run) {
  RunResult& result = run.result;
  result.ended_at = parts.clock->wall();
  result.state = final_state(run);
  if (result.state != RunState::succeeded && !result.error)
    for (const auto& task : result.tasks)
      if (task.error && !result.error) result.error = task.error;
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

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

std::unique_ptr<Engine> Engine::assemble(asio::any_io_executor executor, Parts parts) {
  auto impl = std::make_unique<Impl>(std::move(executor), std::move(parts));
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Result<std::string> Engine::submit(RunRequest request) {
  TRY(auto run, impl_->accept(std::move(request)));
  const workflows::PlanLimits limits{.sessions_max = settings().sessions_max,
                                     .tasks_max = settings().tasks_max};
  TRY(auto specs, workflows::plan(*run->definition, run->request, limits));
  auto tasks = impl_->tasks_of(*run, std::move(specs));
  for (const auto& task : tasks)
    run->result.tasks.push_back({.task_id = task.id, .index = task.index});
  const std::string id = run->result.run_id;
  impl_->runs.emplace(id, run);
  impl_->parts.log->write(run->ids, {.action = "run.start",
                                     .status = "accepted",
                                     .details = {{"site", run->result.site},
                                                 {"sessions", run->result.sessions},
                                                 {"tasks", tasks.size()},
                                                 {"tenant", run->request.tenant},
                                                 {"inputs", json::value(run->request.inputs)}}});
  impl_->events.publish("run.created", run->ids,
                        {{"workflow", run->result.workflow},
                         {"site", run->result.site},
                         {"sessions", run->result.sessions},
                         {"tasks", tasks.size()}});
  impl_->scope.spawn("run", impl_->conduct(std::move(run), std::move(tasks)));
  return id;
}

Async<RunResult> Engine::wait(Context& ctx, std::string run_id) {
  const auto found = impl_->runs.find(run_id);
  if (found == impl_->runs.end()) co_return run(run_id);
  const auto run = found->second;
  CO_TRY_VOID(co_await run->ended.wait(ctx));
  co_return run->result;
}

Result<RunResult> Engine::run(const std::string& run_id) const {
  const auto found = impl_->runs.find(run_id);
  if (found == impl_->runs.end())
    return fail(Errc::not_found, "run " + run_id + ": not known here", "runs",
                "list them with `troupe runs list`");
  return found->second->result;
}

std::vector<RunResult> Engine::runs() const {
  std::vector<RunResult> all;
  for (const auto& [id, run] : impl_->runs) all.push_back(run->result);
  std::sort(all.begin(), all.end(), [](const RunResult& a, const RunResult& b) {
    return std::tie(a.created_at, a.run_id) > std::tie(b.created_at, b.run_id);
  });
  return all;
}

bool Engine::session_created(const std::string& run_id) const {
  const auto found = impl_->runs.find(run_id);
  return found == impl_->runs.end() || found->second->sessions_created > 0;
}

Result<void> Engine::cancel(const std::string& run_id, std::string reason) {
  const auto found = impl_->runs.find(run_id);
  if (found == impl_->runs.end()) return run(run_id).error();
  const auto target = found->second;
  if (target->ended.is_set())
    return fail(Errc::conflict, "run " + run_id + ": has ended (" +
                                    std::string(to_string(target->result.state)) + ")");
  impl_->parts.log->write(
      target->ids, {.action = "run.cancel", .status = "accepted", .details = {{"reason", reason}}});
  target->cancel.cancel(fail(Errc::cancelled, "run: " + reason));
  return {};
}

Async<Session> Engine::create_session(Context& ctx, SessionSpec spec) {
  const CancelSource cancel = CancelSource::linked(ctx.cancel_source());
  const CancelSource& intake = impl_->intake;
  const auto on_close = intake.on_cancel([&] { cancel.cancel(intake.reason()); });
  Context until_close = ctx.with_cancel(cancel);
  CO_TRY_VOID(until_close.check());
  co_return co_await impl_->pool.create(until_close, std::move(spec));
}

Result<Session> Engine::session(const std::string& session_id) const {
  return impl_->pool.info(session_id);
}

std::vector<Session> Engine::sessions(bool active_only) const {
  return impl_->pool.list(active_only);
}

Async<void> Engine::release_session(Context& ctx, std::string session_id, EndReason reason) {
  co_return co_await impl_->pool.release(ctx, std::move(session_id), reason);
}
sessions::Pool& Engine::pool() { return impl_->pool; }

sessions::Stores Engine::stores() const {
  const Parts& parts = impl_->parts;
  return {.contexts = parts.contexts.get(),
          .extensions = parts.extensions.get(),
          .certificates = parts.certificates.get(),
          .files = parts.files.get(),
          .usage = parts.usage.get()};
}

observe::EventBus& Engine::events() { return impl_->events; }
observe::Log& Engine::log() { return *impl_->parts.log; }
Clock& Engine::clock() { return *impl_->parts.clock; }
const Settings& Engine::settings() const { return impl_->parts.settings; }
const workflows::Catalogue& Engine::catalogue() const { return impl_->catalogue; }

std::vector<Check> Engine::readiness() const {
  std::vector<Check> checks;
  checks.push_back({.name = "accepting",
                    .ok = !impl_->draining,
                    .detail = impl_->draining ? "shutting down" : "yes"});
  const std::string& dir = settings().data_dir;
  const bool writable = access(dir.c_str(), W_OK) == 0;
  checks.push_back({.name = "data_dir",
                    .ok = writable,
                    .detail = dir + (writable ? " is writable" : " is not writable")});
  const auto browser = sessions::find_browser(settings().browser);
  checks.push_back({.name = "browser",
                    .ok = browser.has_value(),
                    .detail = browser ? browser->path : browser.error().describe()});
  const bool room =
      impl_->pool.waiting_count() < static_cast<std::size_t>(settings().session_queue_max);
  checks.push_back({.name = "sessions",
                    .ok = room,
                    .detail = std::to_string(impl_->pool.active_count()) + " of " +
                              std::to_string(settings().sessions_max) + " in use, " +
                              std::to_string(impl_->pool.waiting_count()) + " waiting"});
  return checks;
}

asio::awaitable<void> Engine::close(bool now) {
  impl_->draining = true;
  impl_->intake.cancel(fail(Errc::draining, "sessions: shutting down, no new ones"));
  const Context base(*impl_->parts.clock, impl_->executor);
  const auto stop_runs = [this](const std::string& why) {
    for (const auto& [id, run] : impl_->runs)
      if (!run->ended.is_set()) run->cancel.cancel(fail(Errc::cancelled, "run: " + why));
  };
  for (const auto& [id, run] : impl_->runs) {
    if (run->ended.is_set() || std::exchange(run->draining, true)) continue;
    const Error reason = fail(Errc::draining, "run: shut down before this task began");
    impl_->scope.spawn("run drain", impl_->cancel_queued(run, reason));
  }
  if (now) stop_runs("aborted by shutdown");
  if (std::exchange(impl_->closing, true)) {
    Context unbounded = base;
    (void)co_await impl_->closed.wait(unbounded);
    co_return;
  }
  log().write({.project = settings().project}, {.action = "engine.close", .status = "started"});
  Context drain = base.with_timeout(settings().drain_timeout, "drain");
  const auto drained = co_await impl_->scope.join(drain);
  if (!drained) {
    stop_runs("still running at the drain timeout");
    Context last = base.with_timeout(kCloseTimeout, "run clean-up");
    (void)co_await impl_->scope.join(last);
  }
  Context cleanup = base.with_timeout(kCloseTimeout, "session clean-up");
  auto ended = co_await impl_->pool.shutdown(cleanup);
  std::optional<Error> error;
  if (!ended) error = ended.error();
  log().write({.project = settings().project},
              {.level = error ? observe::Level::error : observe::Level::info,
               .action = "engine.close",
               .status = error ? "failed" : "ok",
               .error = error ? &*error : nullptr});
  log().flush();
  impl_->closed.set();
}

}  // namespace troupe::engine
