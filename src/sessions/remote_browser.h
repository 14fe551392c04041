// Browsers that somebody else runs, reached over a DevTools WebSocket.
#pragma once

#include <memory>
#include <string>

#include "base/async.h"
#include "cdp/connection.h"
#include "net/http_client.h"
#include "troupe/session.hpp"

namespace troupe::sessions {

/// One DevTools connection to a foreign browser. Ending it never ends the browser.
struct RemoteBrowser {
  std::string name;  ///< Its address without secrets, for messages.
  std::string url;   ///< `ws://…`; may hold secrets.
  std::unique_ptr<cdp::Connection> connection;
  std::string product;  ///< `HeadlessChrome/156.0…`

  bool alive() const { return connection->is_open(); }
};

/// How a connection is kept an eye on: TCP alone tells nothing of a peer that vanished.
struct ConnectionHealth {
  Duration every = std::chrono::seconds(15);    ///< Asked when nothing came for so long.
  Duration timeout = std::chrono::seconds(10);  ///< For the answer.
};

/// Waits until the connection has ended. A browser that sends nothing and does not answer is given
/// up: its connection is closed here. Errors: cancelled, timeout (of `ctx`).
Async<void> await_end(Context& ctx, std::shared_ptr<RemoteBrowser> browser,
                      ConnectionHealth health);

/// Whether nothing listens where this error was met: the browser is gone, its machine is not.
bool is_refusal(const Error& error);
/// Whether `url` names one browser and no other (`…/devtools/browser/<id>`): a new one there has
/// another address.
bool names_one_browser(std::string_view url);

/// How a connection to a browser ended.
struct ConnectionLoss {
  EndReason as = EndReason::connection_lost;
  std::string text;
};
/// Asks at the place of a broken connection whether its browser (`url`) is still there.
asio::awaitable<ConnectionLoss> diagnose_loss(Context& ctx, net::HttpClient& http, std::string url);

/// A client that goes through the proxy of the environment, if there is one.
/// Errors: those of net::proxy_rules.
Result<std::unique_ptr<net::HttpClient>> make_http_client();

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
