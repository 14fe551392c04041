#include "api/host.h"

#include <pthread.h>
#include <signal.h>

#include <system_error>

namespace troupe::api {
namespace {

// Signals belong to the program's own threads. A thread inherits the mask of the one that starts
// it, so none can arrive before it is set.
class SignalsBlocked final {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

void run_loop(asio::io_context& io) {
  try {
    io.run();
  } catch (...) {
    die_of_bug("engine thread", std::current_exception());
  }
}

asio::awaitable<bool> close_engine(engine::Engine& engine, bool now) {
  co_await engine.close(now);
  co_return true;
}

}  // namespace

EngineHost::EngineHost() : work_(asio::make_work_guard(io_)) {}

Result<std::unique_ptr<EngineHost>> EngineHost::start(EngineFactory factory) {
  std::unique_ptr<EngineHost> host(new EngineHost);
  auto engine = factory(host->io_);
  if (!engine) return engine.error();
  host->engine_ = std::move(*engine);
  try {
    const SignalsBlocked blocked;
    host->thread_ = std::thread([io = &host->io_] { run_loop(*io); });
  } catch (const std::system_error& error) {
    return fail(Errc::exhausted, std::string("engine thread: ") + error.what(), "orchestrator");
  }
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
