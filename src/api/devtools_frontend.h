// Chromium's own DevTools pages, as the browser of a session serves them on its port: fetched there
// and handed on, so that they need no package and always fit the browser.
#pragma once

#include <memory>
#include <string>

#include "api/service.h"
#include "net/http_client.h"

namespace troupe::api {

/// Threads: engine.
class DevtoolsFrontend final {
 public:
  explicit DevtoolsFrontend(SessionService& sessions);
  static constexpr std::string_view kPrefix = "/live/devtools/";
  /// Path and query below a service's address that show a page's DevTools; `socket` is its
  /// WebSocket without the scheme.
  static std::string address(std::string_view session_id, std::string_view socket, bool secure);
  /// Whether a session's browser at `endpoint` is one that serves them here.
  static bool is_served_by(std::string_view endpoint);
  /// `/live/devtools/<session>/<file>`. The files hold nothing of the session: no key is asked for.
  /// Errors: not_found, gone (session), and those of the connection.
  Async<net::HttpResponse> file(Context& ctx, const net::HttpRequest& request);

 private:
  SessionService& sessions_;
  std::unique_ptr<net::HttpClient> client_;
};

}  // namespace troupe::api
