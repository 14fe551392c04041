#include "cdp/transport.h"
#include "net/url.h"
#include "net/websocket.h"

namespace troupe::cdp {
namespace {

// DevTools answers (DOM snapshots, traces, pictures) are large.
constexpr std::size_t kMessageBytesMax = std::size_t{512} << 20;
// Messages that wait to be written; beyond it the peer is not reading and the connection ends.
constexpr std::size_t kQueueBytesMax = std::size_t{256} << 20;

// The connection itself, owned by the transport and by its reader, which may end later.
struct Link final {
  Link(std::unique_ptr<net::WebSocket> s, Context c, std::string p)
      : socket(std::move(s)), ctx(std::move(c)), peer(std::move(p)) {}

  std::unique_ptr<net::WebSocket> socket;
  Context ctx;
  std::string peer;
  std::function<void(std::string_view)> message;
  std::function<void(Error)> closed;
  std::optional<Error> failure;  // ours, which the reader reports instead of its own
  bool closing = false;
};

Error read_failure(const Link& link, const Error& error) {
  if (link.failure) return *link.failure;
  const Errc code = error.code == Errc::gone ? Errc::network_error : error.code;
  constexpr std::string_view prefix = "websocket: ";
  std::string text = error.message;
  if (text.starts_with(prefix)) text.erase(0, prefix.size());
  return fail(code, link.peer + ": " + text);
}

asio::awaitable<void> read_loop(std::shared_ptr<Link> link) {
  for (;;) {
    auto message = co_await link->socket->read(link->ctx, kMessageBytesMax);
    if (link->closing) break;
    if (!message) {
      const auto closed = std::exchange(link->closed, nullptr);
      if (closed) closed(read_failure(*link, message.error()));
      break;
    }
    link->message(message->data);
  }
  link->message = nullptr;
}

class WebsocketTransport final : public Transport {
 public:
  explicit WebsocketTransport(std::shared_ptr<Link> link) : link_(std::move(link)) {}
  ~WebsocketTransport() override { close(); }

  void start(std::function<void(std::string_view)> message,
             std::function<void(Error)> closed) override {
    link_->message = std::move(message);
    link_->closed = std::move(closed);
    asio::co_spawn(link_->ctx.executor(), read_loop(link_), [](std::exception_ptr exception) {
      if (exception) die_of_bug("websocket transport", exception);
    });
  }

  void send(std::string message) override {
    net::WebSocket& socket = *link_->socket;
    socket.queue(net::Opcode::text, message);
    socket.send_queued();
    if (socket.unsent_bytes() <= kQueueBytesMax || link_->failure) return;
    link_->failure = fail(Errc::network_error, link_->peer + ": does not read; over " +
                                                   std::to_string(kQueueBytesMax) + " bytes wait");
    socket.abort();
  }

  // What was sent before still goes out; then a close frame, if the peer takes it in time.
  void close() override {
    if (std::exchange(link_->closing, true)) return;
    link_->socket->close(1000, {});
  }

 private:
  std::shared_ptr<Link> link_;
};

}  // namespace

Async<std::unique_ptr<Transport>> connect_websocket(Context& ctx, std::string url) {
  CO_TRY(const net::Url parsed, net::parse_url(url));
  net::WebSocketConnectOptions options;
  CO_TRY(options.proxy, net::proxy_rules(net::proxy_environment()));
  CO_TRY(auto socket, co_await net::connect_websocket(ctx, std::move(url), std::move(options)));
  // The connection outlives the wait for it.
  Context unbounded(ctx.clock(), ctx.executor());
  std::string peer = parsed.scheme + "://" + parsed.authority();
  auto link = std::make_shared<Link>(std::move(socket), std::move(unbounded), std::move(peer));
  co_return std::make_unique<WebsocketTransport>(std::move(link));
}

}  // namespace troupe::cdp
