// `troupe serve` and `troupe demo-site`: servers that run until they are interrupted.
#include <iostream>

#include "api/server.h"
#include "app/commands.h"
#include "app/loop.h"
#include "app/text.h"
#include "demo/site.h"
#include "engine/engine.h"

namespace troupe::app {
namespace {

Result<std::unique_ptr<observe::Log>> log_of(const Settings& settings) {
  TRY(const auto level, observe::level_from(settings.log_level));
  return observe::open_log(
      {.level = level, .json = settings.log_format == "json", .file = settings.log_file});
}

// The server answers while the engine drains, so that clients can fetch their results.
asio::awaitable<int> serve_until_interrupted(Loop& loop, engine::Engine& engine) {
  Context ctx(engine.clock(), loop.executor());
  const Settings& settings = engine.settings();
  auto server = api::ApiServer::start(engine, loop.executor(), settings.host, settings.port);
  if (!server) {
    co_await engine.close(true);
    co_return report(server.error());
  }
  const std::string host =
      settings.host.find(':') == std::string::npos ? settings.host : "[" + settings.host + "]";
  std::cerr << "troupe " TROUPE_VERSION " serves http://" << host << ":" << (*server)->port()
            << " (GET /openapi.json describes the API; Ctrl-C stops)\n";
  Scope scope(loop.executor());
  Event drained;
  const auto drain = [](api::ApiServer& front, engine::Engine& from, bool now,
                        Event& done) -> asio::awaitable<void> {
    co_await front.stop_automation();
    co_await from.close(now);
    done.set();
  };
  const Interrupts interrupts(loop.io(), [&](int count) {
    if (count == 1)
      std::cerr << "stopping: running tasks may end within "
                << short_time(settings.drain_timeout.count()) << "; once more aborts them\n";
    if (count == 2) std::cerr << "aborting\n";
    if (count <= 2) scope.spawn("drain", drain(**server, engine, count > 1, drained));
  });
  (void)co_await drained.wait(ctx);
  Context stop_ctx = ctx.with_timeout(std::chrono::seconds(3), "api server stop");
  (void)co_await (*server)->stop(stop_ctx);
  (void)co_await scope.join(ctx);
  co_return 0;
}

asio::awaitable<int> serve_demo_until_interrupted(Loop& loop, Clock& clock, std::string host,
                                                  int port) {
  Context ctx(clock, loop.executor());
  auto site = demo::start_demo_site(loop.executor(), clock, std::move(host), port);
  if (!site) co_return report(site.error());
  std::cerr << "the demo site is at " << (*site)->url() << " (Ctrl-C stops)\n";
  Event interrupted;
  const Interrupts interrupts(loop.io(), [&](int) { interrupted.set(); });
  (void)co_await interrupted.wait(ctx);
  Context stop_ctx = ctx.with_timeout(std::chrono::seconds(2), "demo site stop");
  (void)co_await (*site)->stop(stop_ctx);
  co_return 0;
}

}  // namespace

int serve(const Invocation&, config::Loaded loaded) {
  auto log = log_of(loaded.settings);
  if (!log) return report(log.error());
  Loop loop;
  auto engine =
      engine::Engine::create(loop.io(), loaded.settings, std::move(*log), engine::Use::service);
  if (!engine) return report(engine.error());
  return loop.run(serve_until_interrupted(loop, **engine));
}

int serve_demo_site(const Invocation& invocation, config::Loaded) {
  Loop loop;
  const auto clock = make_real_clock(loop.executor());
  return loop.run(
      serve_demo_until_interrupted(loop, *clock, invocation.demo_host, invocation.demo_port));
}

}  // namespace troupe::app
