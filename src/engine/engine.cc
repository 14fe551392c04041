#include "engine/engine.h"

#include <unistd.h>

#include "engine/engine_impl.h"
#include "engine/run_codec.h"
#include "sessions/chromium.h"
#include "workflows/definition.h"

namespace troupe::engine {
namespace {

constexpr auto kCloseTimeout = std::chrono::seconds(30);

constexpr auto kUsageEvery = std::chrono::minutes(1);
constexpr auto kPruneEvery = std::chrono::minutes(10);

std::function<Duration(const std::string&, int)> history_of(const sessions::UsageLedger* usage) {
  if (!usage) return {};
  return [usage](const std::string& tenant, int hours_ago) {
    return usage->ended_in_hour(tenant, hours_ago);
  };
}

std::function<std::optional<sessions::CreationsLeft>(const std::string&)> creations_of(
    const sessions::UsageLedger* usage) {
  if (!usage) return {};
  return [usage](const std::string& tenant) { return usage->creations_left(tenant); };
}

std::function<void(const std::string&, double)> note_creations(sessions::UsageLedger* usage) {
  if (!usage) return {};
  return [usage](const std::string& tenant, double left) { usage->note_creations(tenant, left); };
}

sessions::PoolOptions pool_options(const Parts& parts) {
  const Settings& settings = parts.settings;
  return {.sessions_max = settings.sessions_max,
          .queue_max = settings.session_queue_max,
          .tenant_sessions_max = settings.tenant_sessions_max,
          .tenant_creations_per_minute = settings.tenant_creations_per_minute,
          .tenant_minutes_per_day = settings.tenant_minutes_per_day,
          .tenant_history = history_of(parts.usage.get()),
          .tenant_creations_left = creations_of(parts.usage.get()),
          .tenant_created = note_creations(parts.usage.get()),
          .session_timeout = settings.session_timeout,
          .create_timeout = settings.session_create_timeout,
          .idle_timeout = settings.session_idle_timeout,
          .isolation = isolation_from(settings.isolation).value_or(Isolation::context),
          .spill_providers = settings.spill_providers,
          .spill_after = settings.spill_after};
}

}  // namespace

Engine::Impl::Impl(asio::any_io_executor run_on, Parts given)
    : executor(std::move(run_on)),
      parts(std::move(given)),
      random(parts.seed),
      events(*parts.clock, {.runs_kept = static_cast<std::size_t>(parts.settings.runs_kept)}),
      catalogue(parts.settings.workflow_dirs, parts.settings.site_dirs),
      pool(*parts.clock, executor, random, pool_options(parts), std::move(parts.providers),
           observer()),
      node(random.id("node", parts.clock->wall())),
      worker(
          *parts.backend, *parts.clock, executor, random, *parts.log, worker_options(),
          [this](tasks::Claim claim, Context ctx) {
            return perform(std::move(claim), std::move(ctx));
          },
          [this](const tasks::Moved& task) { moved(task, nullptr); }),
      scope(executor) {}

WorkerOptions Engine::Impl::worker_options() {
  WorkerOptions options{
      .id = node, .slots = parts.settings.sessions_max, .lease = parts.settings.task_lease};
  if (parts.one_shot) options.queues.clear();
  return options;
}

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

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

std::unique_ptr<Engine> Engine::assemble(asio::any_io_executor executor, Parts parts) {
  auto impl = std::make_unique<Impl>(std::move(executor), std::move(parts));
  if (impl->parts.one_shot)
    impl->worker.on_failure([own = impl.get()](const Error& error) { own->give_up(error); });
  impl->worker.start();
  if (impl->parts.settings.role == "api") impl->worker.stop_claiming();
  if (!impl->parts.one_shot) impl->scope.spawn("open runs", impl->find_open_runs());
  if (impl->parts.keep_runs) impl->scope.spawn("retention", impl->keep_retention());
  if (impl->parts.keep_runs && impl->shared())
    impl->scope.spawn("orphans", impl->look_for_orphans());
  if (!impl->parts.one_shot && impl->results()) impl->results()->start();
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

Result<std::string> Engine::begin(RunRequest request) { return impl_->begin(std::move(request)); }

Async<std::string> Engine::submit(Context& ctx, RunRequest request) {
  CO_TRY(const std::string id, impl_->begin(std::move(request)));
  const auto run = impl_->runs.at(id);
  CO_TRY_VOID(co_await run->accepted.wait(ctx));
  if (!run->same_as.empty()) co_return run->same_as;
  const bool refused = run->document_version == 0;
  if (refused && run->result.error) co_return *run->result.error;
  co_return id;
}

Async<RunResult> Engine::wait(Context& ctx, std::string run_id) {
  CO_TRY(auto run, co_await impl_->run_of(ctx, run_id));
  CO_TRY_VOID(co_await run->ended.wait(ctx));
  if (run->same_as.empty()) co_return run->result;
  const std::string other = run->same_as;
  co_return co_await wait(ctx, other);
}

Async<RunResult> Engine::find_run(Context& ctx, std::string run_id) {
  CO_TRY(auto run, co_await impl_->run_of(ctx, run_id));
  co_await impl_->refresh(ctx, run);
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

void Engine::on_run_end(RunEndHandler handler) { impl_->on_run_end = std::move(handler); }
services::Model* Engine::models() {
  services::Models* const models = impl_->parts.models.get();
  return models && !models->empty() ? models : nullptr;
}

const std::string& Engine::node() const { return impl_->node; }

const std::string& Engine::shared_secret() const { return impl_->parts.shared_secret; }

std::string Engine::node_of(const std::string& run_id) const {
  const auto run = impl_->runs.find(run_id);
  return run == impl_->runs.end() ? std::string() : run->second->node;
}

void Engine::on_close(Farewell farewell) { impl_->farewell = std::move(farewell); }
tasks::Backend& Engine::backend() { return *impl_->parts.backend; }
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
  Impl& impl = *impl_;
  impl.draining = true;
  impl.intake.cancel(fail(Errc::draining, "sessions: shutting down, no new ones"));
  impl.worker.stop_claiming();
  const bool keep = impl.parts.keep_runs;
  // What is kept is handed back and tried elsewhere; what is not has ended with that.
  const auto stop_runs = [&impl, keep](const std::string& why) {
    if (keep) {
      impl.leaving.cancel(fail(Errc::draining, "run: goes on when Troupe is started again"));
      return impl.worker.cancel_all(fail(Errc::draining, "task: handed back, " + why));
    }
    for (const auto& [id, run] : impl.runs)
      if (!run->ended.is_set()) run->cancel.cancel(fail(Errc::cancelled, "run: " + why));
  };
  for (const auto& [id, run] : impl.runs) {
    if (keep || run->ended.is_set() || std::exchange(run->draining, true)) continue;
    const Error reason = fail(Errc::draining, "run: shut down before this task began");
    impl.scope.spawn("run drain", impl.cancel_waiting(run, reason));
  }
  if (now) stop_runs("aborted by shutdown");
  if (std::exchange(impl.closing, true)) {
    Context unbounded = impl.base();
    (void)co_await impl.closed.wait(unbounded);
    co_return;
  }
  log().write({.project = settings().project}, {.action = "engine.close", .status = "started"});
  Context drain = impl.base().with_timeout(settings().drain_timeout, "drain");
  auto drained = co_await impl.worker.idle(drain);
  if (!drained) {
    stop_runs("still running at the drain timeout");
    Context last = impl.base().with_timeout(kCloseTimeout, "run clean-up");
    (void)co_await impl.worker.idle(last);
  }
  if (keep) impl.leaving.cancel(fail(Errc::draining, "run: goes on when Troupe is started again"));
  Context last = impl.base().with_timeout(kCloseTimeout, "run clean-up");
  (void)co_await impl.scope.join(last);
  co_await impl.worker.close();
  impl.kept.clear();
  Context cleanup = impl.base().with_timeout(kCloseTimeout, "session clean-up");
  auto ended = co_await impl.pool.shutdown(cleanup);
  if (impl.results()) co_await impl.results()->stop();
  if (impl.farewell) co_await impl.farewell();
  co_await impl.parts.backend->close();
  std::optional<Error> error;
  if (!ended) error = ended.error();
  log().write({.project = settings().project},
              {.level = error ? observe::Level::error : observe::Level::info,
               .action = "engine.close",
               .status = error ? "failed" : "ok",
               .error = error ? &*error : nullptr});
  log().flush();
  impl.closed.set();
}

}  // namespace troupe::engine
