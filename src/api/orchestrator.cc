#include "troupe/orchestrator.hpp"

#include <mutex>
#include <optional>

#include "api/host.h"
#include "api/orchestrator_parts.h"
#include "api/server.h"
#include "config/load.h"

namespace troupe {
namespace {

Settings load_settings() {
  config::Sources sources;
  sources.environment = config::process_environment();
  auto loaded = config::load(sources);
  if (!loaded) throw Orchestrator::ConfigurationError(loaded.error());
  return std::move(loaded->settings);
}

Result<std::unique_ptr<engine::Engine>> make_engine(asio::io_context& io, Settings settings) {
  TRY_VOID(config::check(settings));
  TRY(const auto level, observe::level_from(settings.log_level));
  observe::LogOptions options{
      .level = level, .json = settings.log_format == "json", .file = settings.log_file};
  TRY(auto log, observe::open_log(options));
  return engine::Engine::create(io, std::move(settings), std::move(log), engine::Use::one_shot);
}

// The exception that a finished run deserves, if any: failures of single tasks are results.
std::exception_ptr failure_of(const RunResult& run, bool session_created) {
  if (run.state != RunState::failed || !run.error) return nullptr;
  if (run.started_at == WallTime{})
    return std::make_exception_ptr(Orchestrator::TaskCreationError(*run.error));
  if (!session_created)
    return std::make_exception_ptr(Orchestrator::SessionCreationError(*run.error));
  return nullptr;
}

struct Ending {
  std::exception_ptr failure;
  RunResult run;
};

asio::awaitable<Ending> ending_of(engine::Engine& engine, Context ctx, std::string id) {
  auto run = co_await engine.wait(ctx, id);
  Ending ending;
  if (!run) {
    ending.failure = std::make_exception_ptr(Orchestrator::TaskExecutionError(run.error()));
    co_return ending;
  }
  ending.failure = failure_of(*run, engine.session_created(id));
  ending.run = std::move(*run);
  co_return ending;
}

asio::awaitable<Ending> run_to_end(engine::Engine& engine, Context ctx, RunRequest request) {
  auto id = co_await engine.submit(ctx, std::move(request));
  if (id) co_return co_await ending_of(engine, ctx, *id);
  Ending refused;
  refused.failure = std::make_exception_ptr(Orchestrator::TaskCreationError(id.error()));
  co_return refused;
}

using RunCallback = std::function<void(std::exception_ptr, RunResult)>;

asio::awaitable<void> report_end(engine::Engine& engine, Context ctx, std::string id,
                                 RunCallback done) {
  Ending ending = co_await ending_of(engine, ctx, id);
  if (done) done(ending.failure, std::move(ending.run));
}

asio::awaitable<bool> stop_server(api::ApiServer& server, Context ctx) {
  (void)co_await server.stop(ctx);
  co_return true;
}

asio::awaitable<bool> stop_waits(CancelSource waits, Scope& callbacks, Context ctx) {
  waits.cancel(fail(Errc::draining, "orchestrator: closed while the run had not ended"));
  (void)co_await callbacks.join(ctx);
  co_return true;
}

}  // namespace

struct Orchestrator::Impl {
  explicit Impl(const api::EngineFactory& factory) {
    auto started = api::EngineHost::start(factory);
    if (!started) throw ConfigurationError(started.error());
    host = std::move(*started);
    settings = host->engine().settings();
    callbacks.emplace(host->io().get_executor());
  }

  void refuse_engine_thread() const {
    if (host->on_engine_thread())
      throw Error(fail(Errc::conflict, "orchestrator: a blocking call on its own engine thread",
                       "orchestrator", "make it from another thread, not inside a callback"));
  }

  /// For what has to wait.
  template <class T>
  T call(std::function<asio::awaitable<T>()> body) {
    refuse_engine_thread();
    return host->call<T>(std::move(body));
  }

  /// For what the engine answers at once; callbacks may ask too.
  template <class T>
  T ask(std::function<T(engine::Engine&)> question) {
    if (host->on_engine_thread()) return question(host->engine());
    return host->call<T>([&]() -> asio::awaitable<T> { co_return question(host->engine()); });
  }

  void shut_down(bool now);

  Context context() { return Context(host->engine().clock(), host->io().get_executor()); }

  std::unique_ptr<api::EngineHost> host;
  std::optional<Scope> callbacks;  ///< Of start_workflow. Engine thread.
  CancelSource waits;              ///< Ends what still waits for a run after close().
  std::mutex server_mutex;
  std::unique_ptr<api::ApiServer> server;  ///< Made, stopped and ended on the engine thread.
  bool closed = false;                     ///< No server is started any more. Under server_mutex.
  Settings settings;
};

// The server answers while the engine drains, so that its clients can fetch their results.
void Orchestrator::Impl::shut_down(bool now) {
  refuse_engine_thread();
  {
    const std::lock_guard lock(server_mutex);
    closed = true;
  }
  host->close(now);
  call<bool>([this] { return stop_waits(waits, *callbacks, context()); });
  const std::lock_guard lock(server_mutex);
  if (!server) return;
  const Context ctx = context().with_timeout(std::chrono::seconds(5), "api server stop");
  call<bool>([&] { return stop_server(*server, ctx); });
  ask<bool>([this](engine::Engine&) {
    server.reset();
    return true;
  });
}

Orchestrator::Orchestrator() : Orchestrator(load_settings()) {}

Orchestrator::Orchestrator(Settings settings)
    : impl_(std::make_unique<Impl>(
          [&](asio::io_context& io) { return make_engine(io, std::move(settings)); })) {}

Orchestrator::Orchestrator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

std::unique_ptr<Orchestrator> OrchestratorAccess::make(const api::EngineFactory& factory) {
  auto impl = std::make_unique<Orchestrator::Impl>(factory);
  return std::unique_ptr<Orchestrator>(new Orchestrator(std::move(impl)));
}

Orchestrator::~Orchestrator() { close(); }

RunResult Orchestrator::run_workflow(RunRequest request) {
  const Context ctx = impl_->context().with_cancel(impl_->waits);
  Ending ending = impl_->call<Ending>(
      [&] { return run_to_end(impl_->host->engine(), ctx, std::move(request)); });
  if (ending.failure) std::rethrow_exception(ending.failure);
  return std::move(ending.run);
}

std::string Orchestrator::start_workflow(RunRequest request, RunCallback done) {
  const auto id = impl_->ask<Result<std::string>>([&](engine::Engine& engine) {
    auto accepted = engine.begin(std::move(request));
    const Context ctx = impl_->context().with_cancel(impl_->waits);
    if (accepted)
      impl_->callbacks->spawn("run callback", report_end(engine, ctx, *accepted, std::move(done)));
    return accepted;
  });
  if (!id) throw TaskCreationError(id.error());
  return *id;
}

bool Orchestrator::cancel_run(const std::string& run_id) {
  return impl_->ask<bool>([&](engine::Engine& engine) {
    return engine.cancel(run_id, "cancelled by its caller").has_value();
  });
}

std::optional<RunResult> Orchestrator::run_info(const std::string& run_id) {
  auto run =
      impl_->ask<Result<RunResult>>([&](engine::Engine& engine) { return engine.run(run_id); });
  return run ? std::optional(std::move(*run)) : std::nullopt;
}

std::vector<RunResult> Orchestrator::list_runs() {
  return impl_->ask<std::vector<RunResult>>([](engine::Engine& engine) { return engine.runs(); });
}

Session Orchestrator::create_session(SessionSpec spec) {
  engine::Engine& engine = impl_->host->engine();
  Context ctx = impl_->context();
  auto session =
      impl_->call<Result<Session>>([&] { return engine.create_session(ctx, std::move(spec)); });
  if (!session) throw SessionCreationError(session.error());
  return std::move(*session);
}

Session Orchestrator::session_info(const std::string& session_id) {
  auto session = impl_->ask<Result<Session>>(
      [&](engine::Engine& engine) { return engine.session(session_id); });
  if (!session) throw SessionNotFoundError(session.error());
  return std::move(*session);
}

std::vector<Session> Orchestrator::list_active_sessions() {
  return impl_->ask<std::vector<Session>>(
      [](engine::Engine& engine) { return engine.sessions(true); });
}

void Orchestrator::release_session(const std::string& session_id) {
  engine::Engine& engine = impl_->host->engine();
  Context ctx = impl_->context();
  auto released =
      impl_->call<Result<void>>([&] { return engine.release_session(ctx, session_id); });
  if (released) return;
  if (released.error().code == Errc::not_found) throw SessionNotFoundError(released.error());
  throw SessionReleaseError(released.error());
}

int Orchestrator::start_api_server(const std::string& host, int port) {
  impl_->refuse_engine_thread();  // before the lock, which close() may hold
  const std::lock_guard lock(impl_->server_mutex);
  if (impl_->closed)
    throw ConfigurationError(fail(Errc::draining, "api server: the orchestrator is closed"));
  if (impl_->server)
    throw ConfigurationError(fail(Errc::conflict, "api server: runs already on port " +
                                                      std::to_string(impl_->server->port())));
  auto executor = impl_->host->io().get_executor();
  const auto bound = impl_->ask<Result<int>>([&](engine::Engine& engine) -> Result<int> {
    TRY(impl_->server, api::ApiServer::start(engine, executor, host, port));
    return impl_->server->port();
  });
  if (!bound) throw ConfigurationError(bound.error());
  return *bound;
}

void Orchestrator::close() { impl_->shut_down(false); }
void Orchestrator::abort() { impl_->shut_down(true); }

const Settings& Orchestrator::settings() const { return impl_->settings; }

}  // namespace troupe
