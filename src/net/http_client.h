// An HTTP/1.1 client: one request, one response, over plain or TLS connections, kept alive and
// reused by origin. Deadlines cover the body.
#pragma once

#include <memory>
#include <string>

#include "base/async.h"
#include "net/http_server.h"

namespace troupe::net {

struct HttpCall {
  std::string method = "GET";
  std::string url;  ///< http:// or https://
  Headers headers;
  std::string body;
  std::int64_t response_bytes_max = 16 << 20;
};

struct HttpReply {
  int status = 0;
  Headers headers;  ///< Names in lower case.
  std::string body;
  std::string_view header(std::string_view name) const;
};

/// Threads: engine.
class HttpClient {
 public:
  static std::unique_ptr<HttpClient> create(asio::any_io_executor executor);
  virtual ~HttpClient() = default;
  /// Errors: invalid_argument (url), dns_error, network_error, tls_error, timeout,
  /// payload_too_large, protocol_error. A status of 4xx or 5xx is a reply, not an error.
  virtual Async<HttpReply> send(Context& ctx, HttpCall call) = 0;
};

}  // namespace troupe::net
