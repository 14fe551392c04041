// How DevTools messages travel: one JSON text per message, both ways. Implementations: pipe
// (browsers that Troupe launched), WebSocket (any endpoint), scripted (tests).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/async.h"

namespace troupe::cdp {

/// Seam. Threads: engine.
class Transport {
 public:
  virtual ~Transport() = default;
  /// `message` is called for every message received; `closed` once, with the reason, unless close()
  /// came first. Both from the event loop. Call start() once, before send().
  virtual void start(std::function<void(std::string_view)> message,
                     std::function<void(Error)> closed) = 0;
  /// Queues one message; never blocks. After the end it is dropped.
  virtual void send(std::string message) = 0;
  virtual void close() = 0;
};

/// Takes both descriptors, which must be Unix stream sockets. Messages end with a NUL byte.
std::unique_ptr<Transport> make_pipe_transport(asio::any_io_executor executor, int read_fd,
                                               int write_fd);

/// Connects to `ws://host:port/path` or `wss://…`.
/// Errors: network_error, dns_error, tls_error, protocol_error, timeout.
Async<std::unique_ptr<Transport>> connect_websocket(Context& ctx, std::string url);

}  // namespace troupe::cdp
