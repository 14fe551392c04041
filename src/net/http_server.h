// A small HTTP/1.1 server: requests to one handler coroutine, responses whole or streamed. Knows no
// routes and no TLS (a reverse proxy's work).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/async.h"

namespace troupe::net {

class Spool;
using Headers = std::vector<std::pair<std::string, std::string>>;

/// One request, read whole. `path` and query values are percent-decoded UTF-8; `target` is as sent;
/// names of headers are lower case.
struct HttpRequest {
  std::string method;
  std::string target;
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;
  Headers headers;
  std::string body;              ///< Empty when `spool` has it.
  std::shared_ptr<Spool> spool;  ///< A large upload, on disk (net/spool.h).
  std::string remote_address;
  /// The body, wherever it is; valid while the request lives. Errors: storage_failed.
  Result<std::string_view> content() const;
  /// First header of that (lower-case) name, or "".
  std::string_view header(std::string_view name) const;
  /// First query value of that name, or nullptr.
  const std::string* query_value(std::string_view name) const;
};

/// Writes a streamed body piece by piece (chunked). Waits while the client does not read. Fails
/// with network_error when the client is gone (the context is cancelled then, too).
class BodyWriter {
 public:
  virtual ~BodyWriter() = default;
  virtual Async<void> write(Context& ctx, std::string piece) = 0;
};

class WebSocket;

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  Headers headers;
  /// Instead of `body`: called after the headers went out, unless the request was HEAD.
  std::function<asio::awaitable<void>(Context&, BodyWriter&)> stream;
  /// Instead of all of these but `headers`: answers with 101 and calls this with the WebSocket,
  /// which ends with it. A request that is no proper handshake gets 400 (net/websocket.h).
  std::function<asio::awaitable<void>(Context&, WebSocket&)> upgrade;
};

/// The context is cancelled when the client goes away, and at the end of stop(). An exception is
/// answered with 500.
using HttpHandler = std::function<asio::awaitable<HttpResponse>(Context&, HttpRequest)>;

struct HttpServerOptions {
  std::string host = "127.0.0.1";
  int port = 0;  ///< 0: any free one.
  std::int64_t body_bytes_max = 8 << 20;
  /// Limit instead of `body_bytes_max` for requests that `is_upload` says yes to, by their header.
  std::int64_t upload_bytes_max = 0;
  std::function<bool(const HttpRequest&)> is_upload = {};
  /// Folder for bodies of uploads too large for memory; empty: the system's for temporary files.
  std::string upload_folder = {};
  int header_bytes_max = 16 << 10;
  int connections_max = 1'024;
  /// From connect, or a request's first byte, to the header's end.
  Duration header_timeout = std::chrono::seconds(10);
  Duration body_timeout =
      std::chrono::seconds(60);  ///< Of a request's body; of progress in sending.
  Duration idle_timeout = std::chrono::seconds(75);      ///< Between requests of one connection.
  Duration handler_timeout = std::chrono::seconds(120);  ///< Not for streams.
};

/// Threads: engine.
class HttpServer {
 public:
  /// Binds and starts to accept. `clock` and what `handler` refers to must live until stop() ended.
  /// Errors: invalid_argument (host, port), unavailable (address in use: says so and how to mend
  /// it), permission_denied.
  static Result<std::unique_ptr<HttpServer>> start(asio::any_io_executor executor, Clock& clock,
                                                   HttpServerOptions options, HttpHandler handler);
  virtual ~HttpServer() = default;
  virtual int port() const = 0;
  /// Stops accepting, closes idle connections, lets running requests end until the context's
  /// deadline, cancels the rest and closes all. Idempotent.
  virtual Async<void> stop(Context& ctx) = 0;
};

}  // namespace troupe::net
