#include "troupe/orchestrator.hpp"

#include <mutex>

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

Result<std::unique_ptr<engine::Engine>> make_engine(asio::any_io_executor executor,
                                                    Settings settings) {
  TRY_VOID(config::check(settings));
  TRY(const auto level, observe::level_from(settings.log_level));
  observe::LogOptions options{
      .level = level, .json = settings.log_format == "json", .file = settings.log_file};
  TRY(auto log, observe::open_log(options));
  return engine::Engine::create(executor, std::move(settings), std::move(log));
}

asio::awaitable<Result<RunResult>> submit_and_wait(engine::Engine& engine, Context ctx,
                                                   RunRequest request) {
  CO_TRY(const std::string id, engine.submit(std::move(request)));
  co_return co_await engine.wait(ctx, id);
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

}  // namespace

struct Orchestrator::Impl {
  explicit Impl(const api::EngineFactory& factory) {
    auto started = api::EngineHost::start(factory);
    if (!started) throw ConfigurationError(started.error());
    host = std::move(*started);
    settings = host->engine().settings();
  }

  template <class T>
  T call(std::function<asio::awaitable<T>()> body) {
    if (host->on_engine_thread())
      throw Error(fail(Errc::conflict, "orchestrator: a blocking call on its own engine thread",
                       "orchestrator", "make it from another thread, not inside a callback"));
    return host->call<T>(std::move(body));
  }

  Context context() { return Context(host->engine().clock(), host->io().get_executor()); }

  std::unique_ptr<api::EngineHost> host;
  std::unique_ptr<api::ApiServer> server;
  Settings settings;
  std::mutex server_mutex;
};

Orchestrator::Orchestrator() : Orchestrator(load_settings()) {}

Orchestrator::Orchestrator(Settings settings)
    : impl_(std::make_unique<Impl>([&](asio::any_io_executor executor) {
        return make_engine(std::move(executor), std::move(settings));
      })) {}

Orchestrator::Orchestrator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

std::unique_ptr<Orchestrator> OrchestratorAccess::make(const api::EngineFactory& factory) {
  auto impl = std::make_unique<Orchestrator::Impl>(factory);
  return std::unique_ptr<Orchestrator>(new Orchestrator(std::move(impl)));
}

Orchestrator::~Orchestrator() { close(); }

RunResult Orchestrator::run_workflow(RunRequest request) {
  engine::Engine& engine = impl_->host->engine();
  Context ctx = impl_->context();
  auto result = impl_->call<Result<RunResult>>(
      [&] { return submit_and_wait(engine, ctx, std::move(request)); });
  if (!result) throw TaskCreationError(result.error());
  const std::string id = result->run_id;
  const bool created =
      impl_->call<bool>([&]() -> asio::awaitable<bool> { co_return engine.session_created(id); });
  if (auto failure = failure_of(*result, created)) std::rethrow_exception(failure);
  return std::move(*result);
}

namespace {

asio::awaitable<void> report_end(engine::Engine& engine, Context ctx, std::string id,
                                 std::function<void(std::exception_ptr, RunResult)> done) {
  auto result = co_await engine.wait(ctx, id);
  if (!result) {
    done(std::make_exception_ptr(Orchestrator::TaskExecutionError(result.error())), {});
    co_return;
  }
  done(failure_of(*result, engine.session_created(id)), std::move(*result));
}

}  // namespace

std::string Orchestrator::start_workflow(RunRequest request,
                                         std::function<void(std::exception_ptr, RunResult)> done) {
  engine::Engine& engine = impl_->host->engine();
  auto id = impl_->call<Result<std::string>>([&]() -> asio::awaitable<Result<std::string>> {
    co_return engine.submit(std::move(request));
  });
  if (!id) throw TaskCreationError(id.error());
  asio::co_spawn(impl_->host->io(), report_end(engine, impl_->context(), *id, std::move(done)),
                 [](std::exception_ptr exception) {
                   if (exception) die_of_bug("run callback", exception);
                 });
  return *id;
}

bool Orchestrator::cancel_run(const std::string& run_id) {
  engine::Engine& engine = impl_->host->engine();
  return impl_->call<bool>([&]() -> asio::awaitable<bool> {
    co_return engine.cancel(run_id, "cancelled by its caller").has_value();
  });
}

std::optional<RunResult> Orchestrator::run_info(const std::string& run_id) {
  engine::Engine& engine = impl_->host->engine();
  auto run = impl_->call<Result<RunResult>>(
      [&]() -> asio::awaitable<Result<RunResult>> { co_return engine.run(run_id); });
  return run ? std::optional(std::move(*run)) : std::nullopt;
}

std::vector<RunResult> Orchestrator::list_runs() {
  engine::Engine& engine = impl_->host->engine();
  return impl_->call<std::vector<RunResult>>(
      [&]() -> asio::awaitable<std::vector<RunResult>> { co_return engine.runs(); });
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
  engine::Engine& engine = impl_->host->engine();
  auto session = impl_->call<Result<Session>>(
      [&]() -> asio::awaitable<Result<Session>> { co_return engine.session(session_id); });
  if (!session) throw SessionNotFoundError(session.error());
  return std::move(*session);
}

std::vector<Session> Orchestrator::list_active_sessions() {
  engine::Engine& engine = impl_->host->engine();
  return impl_->call<std::vector<Session>>(
      [&]() -> asio::awaitable<std::vector<Session>> { co_return engine.sessions(true); });
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
  const std::lock_guard lock(impl_->server_mutex);
  if (impl_->server)
    throw ConfigurationError(fail(Errc::conflict, "api server: runs already on port " +
                                                      std::to_string(impl_->server->port())));
  engine::Engine& engine = impl_->host->engine();
  auto executor = impl_->host->io().get_executor();
  Result<int> bound = impl_->call<Result<int>>([&]() -> asio::awaitable<Result<int>> {
    auto server = api::ApiServer::start(engine, executor, host, port);
    if (!server) co_return server.error();
    impl_->server = std::move(*server);
    co_return impl_->server->port();
  });
  if (!bound) throw ConfigurationError(bound.error());
  return *bound;
}

namespace {

asio::awaitable<bool> stop_server(std::unique_ptr<api::ApiServer> server, Context ctx) {
  (void)co_await server->stop(ctx);
  server.reset();
  co_return true;
}

}  // namespace

void Orchestrator::close() {
  if (!impl_ || !impl_->host) return;
  {
    const std::lock_guard lock(impl_->server_mutex);
    if (impl_->server) {
      Context ctx = impl_->context().with_timeout(std::chrono::seconds(5), "api server stop");
      auto server = std::make_shared<std::unique_ptr<api::ApiServer>>(std::move(impl_->server));
      (void)impl_->call<bool>([server, ctx] { return stop_server(std::move(*server), ctx); });
    }
  }
  impl_->host->close(false);
}

void Orchestrator::abort() { impl_->host->close(true); }

const Settings& Orchestrator::settings() const { return impl_->settings; }

}  // namespace troupe
