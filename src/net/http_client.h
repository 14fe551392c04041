// An HTTP/1.1 client: one request, one response, over plain or TLS connections, kept alive and
// reused by origin. Deadlines cover the body. Follows no redirects. A proxy is used if it is told.
#pragma once

#include <memory>
#include <string>

#include "base/async.h"
#include "net/http_server.h"
#include "net/proxy.h"

namespace troupe::net {

struct HttpCall {
  std::string method = "GET";
  std::string url;  ///< http:// or https://
  Headers headers;
  std::string body;
  std::int64_t response_bytes_max = 16 << 20;
  /// Called each time before the first byte of the request is sent. A call that failed without it
  /// had no effect on the server.
  std::function<void()> on_sending;
  /// Takes the body of a 2xx answer of type `text/event-stream` piece by piece as it comes; it is
  /// not kept then. `false` ends the exchange: the reply is what came so far, and the connection
  /// is closed.
  std::function<bool(std::string_view)> on_event_bytes;
};

struct HttpReply {
  int status = 0;
  Headers headers;  ///< Names in lower case.
  std::string body;
  /// First header of that (lower-case) name, or "".
  std::string_view header(std::string_view name) const;
};

struct HttpClientOptions {
  /// Trusted certificates (PEM); empty: the system's.
  std::string ca_file;
  bool verify_certificates = true;
  bool public_addresses_only = false;  ///< Not this machine, not private networks; no proxy.
  /// Only through the proxy, also with `public_addresses_only`: then the proxy looks names up, and
  /// addresses that are given as such must be public.
  bool always_proxied = false;
  std::size_t idle_per_origin = 8;
  Duration idle_timeout = std::chrono::seconds(30);
  int header_bytes_max = 64 << 10;
  ProxyRules proxy;  ///< See proxy_rules(proxy_environment()); none by itself.
};

/// Threads: engine.
class HttpClient {
 public:
  static std::unique_ptr<HttpClient> create(HttpClientOptions options = {});
  virtual ~HttpClient() = default;
  /// A request on a kept connection that the server closed meanwhile is sent again on a new one
  /// when its method is idempotent. Errors: invalid_argument (url, method, header), dns_error,
  /// network_error, permission_denied (not a public address), unauthenticated (a proxy wants a
  /// password), tls_error, timeout, cancelled, payload_too_large, protocol_error. A status of 4xx
  /// or 5xx is a reply, not an error.
  virtual Async<HttpReply> send(Context& ctx, HttpCall call) = 0;
};

}  // namespace troupe::net
