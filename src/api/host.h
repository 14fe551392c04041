// An engine on a thread of its own, and calls into it from any other thread. What the public
// Orchestrator is made of.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <future>
#include <memory>
#include <thread>

#include "base/async.h"
#include "engine/engine.h"

namespace troupe::api {

using EngineFactory = std::function<Result<std::unique_ptr<engine::Engine>>(asio::io_context& io)>;

/// Threads: any, unless said otherwise.
class EngineHost final {
 public:
  /// Errors: the factory's; exhausted (no further thread).
  static Result<std::unique_ptr<EngineHost>> start(EngineFactory factory);
  /// Closes the engine, then ends the thread.
  ~EngineHost();

  engine::Engine& engine() { return *engine_; }
  asio::io_context& io() { return io_; }
  bool on_engine_thread() const { return std::this_thread::get_id() == thread_.get_id(); }

  /// Runs `body` on the engine thread and waits for its value. Not from the engine thread.
  template <class T>
  T call(std::function<asio::awaitable<T>()> body) {
    // Shared: the caller may have gone on before set_value() returns.
    const auto promise = std::make_shared<std::promise<T>>();
    auto future = promise->get_future();
    asio::co_spawn(io_, std::move(body), [promise](std::exception_ptr exception, T value) {
      if (exception) die_of_bug("engine call", exception);
      promise->set_value(std::move(value));
    });
    return future.get();
  }

  /// Idempotent; waits until everything has ended.
  void close(bool now);

 private:
  EngineHost();
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::unique_ptr<engine::Engine> engine_;
  std::thread thread_;
};

}  // namespace troupe::api
