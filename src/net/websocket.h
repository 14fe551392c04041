// One WebSocket connection (RFC 6455), either end. Frames of any size pass in pieces, so that a
// proxy needs little memory; whole messages for everybody else. No extensions are offered.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/async.h"
#include "net/http_server.h"
#include "net/proxy.h"
#include "net/websocket_frames.h"

namespace troupe::net {

class ByteStream;

/// A whole message.
struct WebSocketMessage {
  bool text = true;
  std::string data;
};

/// Threads: engine. One reader at a time; writing never waits unless asked to (flush).
class WebSocket final {
 public:
  /// `early` are bytes that came behind the handshake. Internal to net/.
  WebSocket(asio::any_io_executor executor, Clock& clock, std::unique_ptr<ByteStream> stream,
            WebSocketRole role, std::string early);
  /// Aborts what is still open.
  ~WebSocket();
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  /// Waits until bytes came; next() then takes them apart.
  /// Errors: gone (closed properly: see peer_close_code()), network_error, timeout, cancelled.
  Async<void> receive(Context& ctx);
  /// The next piece of a data frame among the received bytes, or nothing when receive() must come
  /// first. Pings are answered here. The piece holds until the next call.
  /// Errors: gone, protocol_error (the peer is told and the connection ends).
  Result<std::optional<FramePiece>> next();
  /// The next whole message. Errors: as above; payload_too_large.
  Async<WebSocketMessage> read(Context& ctx, std::size_t bytes_max);

  /// Queues a frame's header; its payload must follow by append(), in pieces of any size.
  void begin_frame(Opcode opcode, bool fin, std::uint64_t length);
  void append(std::string_view payload);
  /// Queues a message of one frame; behind the message that is being written, if there is one.
  void queue(Opcode opcode, std::string_view payload);
  /// Sends as much as goes at once; what stays behind goes when it can.
  void send_queued();
  /// The same; then waits while more than `kQueueBytes` are unsent: back-pressure.
  /// Errors: network_error, gone (closed), timeout, cancelled.
  Async<void> flush(Context& ctx);
  std::size_t unsent_bytes() const;
  static constexpr std::size_t kQueueBytes = std::size_t{128} << 10;

  void ping();
  /// When bytes last came.
  SteadyTime heard_at() const;

  /// Sends what is queued and a close frame, waits for the peer's for at most 2 s, and ends. A
  /// second call changes nothing.
  void close(int code, std::string_view reason);
  /// Ends at once.
  void abort();
  /// Not closed, closing or broken.
  bool is_open() const;
  /// Waits until the connection has ended completely.
  Async<void> ended(Context& ctx);
  /// What the peer said when it closed; 0 while it has not, 1005 without a code.
  int peer_close_code() const;
  const std::string& peer_close_reason() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // also of its own coroutines, which may end a moment later
};

struct WebSocketConnectOptions {
  Headers headers;
  /// Trusted certificates (PEM) for wss; empty: the system's.
  std::string ca_file;
  ProxyRules proxy;              ///< See proxy_rules(proxy_environment()); none by itself.
  int* declined_with = nullptr;  ///< Gets the status of an answer that declines the upgrade.
};

/// Connects to `ws://host:port/path` or `wss://…`; a user and password in it become basic
/// credentials.
/// Errors: invalid_argument (url), dns_error, network_error, tls_error, timeout, protocol_error
/// (with the status when the upgrade is declined).
Async<std::unique_ptr<WebSocket>> connect_websocket(Context& ctx, std::string url,
                                                    WebSocketConnectOptions options);

}  // namespace troupe::net
