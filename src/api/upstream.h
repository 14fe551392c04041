// Gateway mode: what only the real Browserbase can answer (its contexts, extensions, recordings of
// its sessions, …) is sent on to it and answered as it answers. Sessions themselves are not: the
// pool makes them, queues for them and releases them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "api/service.h"
#include "net/http_client.h"

namespace troupe::api {

/// A request's way to the real Browserbase.
struct UpstreamRoute {
  std::string target;       ///< Path and query there.
  std::string session_id;   ///< Ours, and
  std::string provider_id;  ///< the one there, when the request is about a session.
};

/// Where a request goes, or nothing when Troupe answers it itself. `target` is as on the request
/// line. `gateway`: whatever is not about a session of this machine belongs to the upstream. Pure.
std::optional<UpstreamRoute> upstream_route(std::string_view target, bool gateway,
                                            const SessionService& sessions);

/// Threads: engine.
class Upstream final {
 public:
  struct Options {
    std::string base_url;  ///< `https://api.browserbase.com`
    std::string api_key;
    std::int64_t response_bytes_max = 256 << 20;
  };
  Upstream(Options options, std::unique_ptr<net::HttpClient> client)
      : options_(std::move(options)), client_(std::move(client)) {}

  /// The upstream's answer with its status and type, with Troupe's session id in place of its own.
  /// Errors: those of HttpClient::send.
  Async<net::HttpResponse> forward(Context& ctx, const net::HttpRequest& request,
                                   UpstreamRoute route);

 private:
  Options options_;
  std::unique_ptr<net::HttpClient> client_;
};

}  // namespace troupe::api
