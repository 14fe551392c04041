// Servers of a test on a thread and a loop of their own, as apart from the program as real ones
// are.
#pragma once

#include <boost/asio/io_context.hpp>
#include <future>
#include <thread>

#include "base/async.h"
#include "base/context.h"

namespace troupe::e2e {

/// Base of the servers: its last derived class calls start() when it is constructed, and stop()
/// first of all when it is destroyed.
class ServerThread {
 public:
  ServerThread() = default;
  ServerThread(const ServerThread&) = delete;
  ServerThread& operator=(const ServerThread&) = delete;

  /// Runs `work` on the servers' thread and gives what it returns.
  template <class Work>
  auto on_thread(Work work) {
    std::promise<decltype(work())> result;
    asio::post(io_, [&] {
      if constexpr (std::is_void_v<decltype(work())>) {
        work();
        result.set_value();
      } else {
        result.set_value(work());
      }
    });
    return result.get_future().get();
  }

 protected:
  virtual ~ServerThread() = default;
  virtual asio::awaitable<void> begin(Context& ctx) = 0;
  /// Has five seconds.
  virtual asio::awaitable<void> end(Context& ctx) = 0;

  /// Returns when begin() is through.
  void start() {
    thread_ = std::thread([this] {
      scope_.spawn("servers", live(*this));
      io_.run();
    });
    ready_.get_future().wait();
  }
  void stop() {
    asio::post(io_, [this] { end_.set(); });
    thread_.join();
  }
  asio::io_context::executor_type executor() { return io_.get_executor(); }
  Clock& clock() { return *clock_; }
  Scope& scope() { return scope_; }

 private:
  static asio::awaitable<void> live(ServerThread& self) {
    Context ctx(*self.clock_, self.io_.get_executor());
    co_await self.begin(ctx);
    self.ready_.set_value();
    (void)co_await self.end_.wait(ctx);
    Context cleanup = ctx.with_timeout(std::chrono::seconds(5), "end");
    co_await self.end(cleanup);
  }

  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  Scope scope_{io_.get_executor()};
  Event end_;
  std::promise<void> ready_;
  std::thread thread_;
};

}  // namespace troupe::e2e
