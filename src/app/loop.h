// The event loop of a command, and how it is interrupted.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <functional>

#include "base/async.h"

namespace troupe::app {

class Loop final {
 public:
  asio::any_io_executor executor() { return io_.get_executor(); }
  asio::io_context& io() { return io_; }
  /// Runs until `body` ends and gives what it gave.
  int run(asio::awaitable<int> body) {
    int code = 70;
    asio::co_spawn(io_, std::move(body), [&](std::exception_ptr exception, int given) {
      if (exception) die_of_bug("command", exception);
      code = given;
      io_.stop();
    });
    io_.run();
    return code;
  }

 private:
  asio::io_context io_{1};
};

/// Calls `handler` with 1, 2, … for every SIGINT, SIGTERM or SIGHUP while it lives.
class Interrupts final {
 public:
  Interrupts(asio::io_context& io, std::function<void(int)> handler)
      : signals_(io, SIGINT, SIGTERM, SIGHUP), handler_(std::move(handler)) {
    wait();
  }

 private:
  void wait() {
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (error) return;
      const int count = ++count_;
      wait();
      handler_(count);
    });
  }
  asio::signal_set signals_;
  std::function<void(int)> handler_;
  int count_ = 0;
};

}  // namespace troupe::app
