// Browsers that somebody else runs, reached over a DevTools WebSocket.
#pragma once

#include <memory>
#include <string>

#include "base/async.h"
#include "cdp/connection.h"
#include "net/http_client.h"

namespace troupe::sessions {

/// One DevTools connection to a foreign browser. Ending it never ends the browser.
struct RemoteBrowser {
  std::string name;  ///< Its address without secrets, for messages.
  std::string url;   ///< `ws://…`; may hold secrets.
  std::unique_ptr<cdp::Connection> connection;
  std::string product;  ///< `HeadlessChrome/156.0…`

  bool alive() const { return connection->is_open(); }
};

/// Scheme, host, port and path of an address: query and user information can be secrets.
std::string address_without_secrets(const std::string& address);

/// The browser's WebSocket address for a configured one: `ws(s)://…` as it is; `http(s)://…` by
/// asking `/json/version` there. The answer's host is replaced by the one asked (browsers behind a
/// port mapping do not know it), and the query of the address (a token) goes along.
/// Errors: invalid_argument (address), unavailable (nothing answers), protocol_error (no DevTools).
Async<std::string> resolve_endpoint(Context& ctx, net::HttpClient& http, std::string address);

/// Connects and makes sure that a browser answers.
/// Errors: unavailable (nothing answers, refused), protocol_error (no DevTools), timeout.
Async<std::shared_ptr<RemoteBrowser>> connect_remote_browser(Context& ctx, std::string url);

}  // namespace troupe::sessions
