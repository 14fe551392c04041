// A server that answers as a test says, and a proxy that harms what passes. Tests only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/async.h"

namespace troupe::net {

/// Answers commands as a handler says; greets as a primary by itself. Ends with the test's loop.
class FakeRedis final {
 public:
  /// Gets the words of a command; the raw bytes of the answer, nothing to stay silent, or `cut` to
  /// end the connection.
  using Handler = std::function<std::string(const std::vector<std::string>& words)>;
  static constexpr const char* cut = "\x01";

  FakeRedis(asio::any_io_executor executor, Handler handler);
  ~FakeRedis();
  int port() const;
  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port()); }
  int connections() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Between a client and a server on loopback ports.
class FaultProxy final {
 public:
  struct Faults {
    Duration latency{};          ///< Of each piece, each way.
    std::size_t slice = 65'536;  ///< Largest piece.
    bool refuse = false;         ///< New connections end at once.
    bool freeze = false;         ///< Nothing passes, nothing ends (half-open).
    int lose_answers = 0;        ///< The next so many answers are dropped and the connection cut.
  };
  FaultProxy(asio::any_io_executor executor, int target_port);
  ~FaultProxy();
  int port() const;
  std::string url() const { return "redis://127.0.0.1:" + std::to_string(port()); }
  Faults& faults();
  /// Resets all connections.
  void cut();
  int connections() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace troupe::net
