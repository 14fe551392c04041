#include "api/host.h"

#include <pthread.h>
#include <signal.h>

namespace troupe::api {
namespace {

// Signals belong to the program's own threads; a client that hangs up must not end the process.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

asio::awaitable<bool> close_engine(engine::Engine& engine, bool now) {
  co_await engine.close(now);
  co_return true;
}

}  // namespace

EngineHost::EngineHost() : work_(asio::make_work_guard(io_)) {}

Result<std::unique_ptr<EngineHost>> EngineHost::start(EngineFactory factory) {
  std::unique_ptr<EngineHost> host(new EngineHost);
  auto engine = factory(host->io_.get_executor());
  if (!engine) return engine.error();
  host->engine_ = std::move(*engine);
  host->thread_ = std::thread([io = &host->io_] {
    block_signals();
    io->run();
  });
  return host;
}

EngineHost::~EngineHost() {
  if (!thread_.joinable()) return;
  close(false);
  // The engine ends on its own thread: its sessions and timers belong to the loop there.
  asio::post(io_, [this] {
    engine_.reset();
    work_.reset();
  });
  thread_.join();
}

void EngineHost::close(bool now) {
  engine::Engine* engine = engine_.get();
  (void)call<bool>([engine, now] { return close_engine(*engine, now); });
}

}  // namespace troupe::api
