// Provider `cdp`: sessions in browsers that somebody else runs, each at a DevTools address. Troupe
// ends what it made there, and never the browser.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/async.h"
#include "observe/log.h"
#include "sessions/provider.h"
#include "sessions/remote_browser.h"

namespace troupe::sessions {

struct CdpOptions {
  /// `ws://…`, `wss://…` (with a token in the query, if it wants one), or `http(s)://host:port`.
  std::vector<std::string> endpoints;
  std::string data_dir;  ///< Downloads of browsers on this machine in `<data_dir>/downloads`.
  Duration connect_timeout = std::chrono::seconds(10);
  ConnectionHealth health;
  /// How long a session with a browser's default context looks for its browser when the connection
  /// broke, and how long when nothing listens there.
  Duration reconnect_for = std::chrono::seconds(30);
  Duration refused_for = std::chrono::seconds(5);
  /// A connection that carries no session is closed then: some services count connections.
  Duration idle_timeout = std::chrono::minutes(1);
  Duration retry_first = std::chrono::milliseconds(500);  ///< Doubles.
  Duration retry_max = std::chrono::seconds(30);
};

/// Isolation `context` and `reuse` make a browser context of their own on a shared connection;
/// `process` uses the default context over a connection of its own, one session per endpoint at a
/// time. Threads: engine. Errors: those of check_cdp_endpoints and of the proxy's environment.
Result<std::unique_ptr<SessionProvider>> make_cdp_provider(Clock& clock,
                                                           asio::any_io_executor executor,
                                                           observe::Log& log, CdpOptions options);

/// Errors: invalid_argument (not such an address).
Result<void> check_cdp_endpoints(const std::vector<std::string>& endpoints);

}  // namespace troupe::sessions
