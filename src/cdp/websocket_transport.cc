#include <netinet/tcp.h>
#include <openssl/evp.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <deque>

#include "cdp/transport.h"
#include "net/connect.h"

namespace troupe::cdp {
namespace {

namespace websocket = boost::beast::websocket;
using net::kTuple;

// DevTools answers (DOM snapshots, traces, pictures) exceed Beast's default of 16 MB.
constexpr std::size_t kMessageBytesMax = std::size_t{512} << 20;
// Messages that wait to be written; beyond it the peer is not reading and the connection ends.
constexpr std::size_t kOutboxBytesMax = std::size_t{256} << 20;
constexpr std::size_t kKeptBufferBytes = std::size_t{1} << 20;
constexpr auto kCloseTime = std::chrono::seconds(2);

// The connection itself, owned by the transport and by its own coroutines, which may end later.
template <class Stream>
class Link final : public std::enable_shared_from_this<Link<Stream>> {
 public:
  Link(Stream stream, std::string peer)
      : socket_(std::move(stream)), close_timer_(socket_.get_executor()), peer_(std::move(peer)) {
    websocket::stream_base::timeout timeout{};
    timeout.handshake_timeout = websocket::stream_base::none();  // the context's deadline covers it
    timeout.idle_timeout = websocket::stream_base::none();
    timeout.keep_alive_pings = false;
    socket_.set_option(timeout);
    socket_.read_message_max(kMessageBytesMax);
    socket_.write_buffer_bytes(256 << 10);
    socket_.auto_fragment(false);
    socket_.text(true);
  }

  Async<void> handshake(Context& ctx, net::Url url);

  void start(std::function<void(std::string_view)> message, std::function<void(Error)> closed) {
    message_ = std::move(message);
    closed_ = std::move(closed);
    spawn(read_loop(this->shared_from_this()));
  }

  void send(std::string message) {
    if (ended_ || closing_) return;
    outbox_bytes_ += message.size();
    outbox_.push_back(std::move(message));
    if (outbox_bytes_ > kOutboxBytesMax) {
      const auto limit = std::to_string(kOutboxBytesMax);
      end(fail(Errc::network_error, peer_ + ": does not read; over " + limit + " bytes wait"));
    } else {
      wake_writer();
    }
  }

  // What was sent before still goes out; then a close frame, if the peer takes it in time.
  void close() {
    if (std::exchange(closing_, true) || ended_) return;
    close_timer_.expires_after(kCloseTime);
    close_timer_.async_wait([self = this->shared_from_this()](boost::system::error_code error) {
      if (!error) self->shut();
    });
    wake_writer();
  }

 private:
  void spawn(asio::awaitable<void> loop) {
    asio::co_spawn(socket_.get_executor(), std::move(loop),
                   [self = this->shared_from_this()](std::exception_ptr exception) {
                     if (exception) die_of_bug("websocket transport", exception);
                   });
  }

  void wake_writer() {
    if (std::exchange(writing_, true)) return;
    spawn(write_loop(this->shared_from_this()));
  }

  static asio::awaitable<void> read_loop(std::shared_ptr<Link> link) {
    boost::beast::flat_buffer buffer;
    for (;;) {
      const auto result = co_await link->socket_.async_read(buffer, kTuple);
      const auto error = std::get<0>(result);
      if (error) {
        link->end(link->read_failure(error));
        break;
      }
      const auto bytes = buffer.cdata();
      if (!link->closing_) link->message_({static_cast<const char*>(bytes.data()), bytes.size()});
      buffer.consume(buffer.size());
      if (buffer.capacity() > kKeptBufferBytes) buffer.shrink_to_fit();
    }
    link->close_timer_.cancel();
    link->message_ = nullptr;
  }

  static asio::awaitable<void> write_loop(std::shared_ptr<Link> link) {
    while (!link->ended_ && !link->outbox_.empty()) {
      const std::string message = std::move(link->outbox_.front());
      link->outbox_.pop_front();
      const auto buffer = asio::buffer(message);
      const auto result = co_await link->socket_.async_write(buffer, kTuple);
      link->outbox_bytes_ -= message.size();
      if (std::get<0>(result)) link->end(net::network_failure(std::get<0>(result), link->peer_));
    }
    link->writing_ = false;
    if (link->ended_ || !link->closing_) co_return;
    link->writing_ = true;
    const websocket::close_reason reason(websocket::close_code::normal);
    (void)co_await link->socket_.async_close(reason, kTuple);
    link->shut();
  }

  Error read_failure(const boost::system::error_code& error) const {
    if (error == websocket::error::closed) {
      const auto& reason = socket_.reason();
      std::string text = peer_ + ": closed by the peer with code " + std::to_string(reason.code);
      if (!reason.reason.empty()) text += ": " + std::string(reason.reason.c_str());
      return fail(Errc::network_error, text);
    }
    if (error == websocket::error::message_too_big)
      return fail(Errc::payload_too_large,
                  peer_ + ": a message exceeds " + std::to_string(kMessageBytesMax) + " bytes");
    if (error.category() == make_error_code(websocket::error::closed).category())
      return fail(Errc::protocol_error, peer_ + ": " + error.message());
    return net::network_failure(error, peer_);
  }

  // Reported once, from the event loop, and not after close().
  void end(Error reason) {
    if (std::exchange(ended_, true)) return;
    shut();
    asio::post(socket_.get_executor(),
               [self = this->shared_from_this(), reason = std::move(reason)] {
                 const auto closed = std::exchange(self->closed_, nullptr);
                 if (closed && !self->closing_) closed(reason);
               });
  }

  void shut() {
    boost::system::error_code ignored;
    boost::beast::get_lowest_layer(socket_).close(ignored);
  }

  websocket::stream<Stream> socket_;
  asio::steady_timer close_timer_;
  std::string peer_;
  std::function<void(std::string_view)> message_;
  std::function<void(Error)> closed_;
  std::deque<std::string> outbox_;
  std::size_t outbox_bytes_ = 0;
  bool writing_ = false;
  bool closing_ = false;
  bool ended_ = false;
};

std::string basic_credentials(const std::string& user_info) {
  const std::string plain = net::percent_decode(user_info).value_or(user_info);
  std::string text(4 * ((plain.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(plain.data()),
                                   static_cast<int>(plain.size()));
  text.resize(static_cast<std::size_t>(size));
  return "Basic " + text;
}

template <class Stream>
Async<void> Link<Stream>::handshake(Context& ctx, net::Url url) {
  if (!url.user_info.empty()) {
    const std::string credentials = basic_credentials(url.user_info);
    socket_.set_option(
        websocket::stream_base::decorator([credentials](websocket::request_type& request) {
          request.set(boost::beast::http::field::authorization, credentials);
        }));
  }
  const net::Interruption interruption(ctx, [this] { shut(); });
  const std::string host = url.authority();
  websocket::response_type response;
  const auto result = co_await socket_.async_handshake(response, host, url.target, kTuple);
  const auto error = std::get<0>(result);
  if (!error) co_return Result<void>{};
  if (error == websocket::error::upgrade_declined)
    co_return fail(Errc::protocol_error, peer_ + ": answered the WebSocket handshake with HTTP " +
                                             std::to_string(response.result_int()));
  const Error explained = interruption.explain(error, peer_);
  const bool garbage = explained.code == Errc::network_error &&
                       error.category() != asio::error::get_system_category() &&
                       error.category() != asio::error::get_misc_category();
  if (!garbage) co_return explained;
  co_return fail(Errc::protocol_error,
                 peer_ + ": did not answer the WebSocket handshake: " + error.message());
}

template <class Stream>
class WebsocketTransport final : public Transport {
 public:
  explicit WebsocketTransport(std::shared_ptr<Link<Stream>> link) : link_(std::move(link)) {}
  ~WebsocketTransport() override { link_->close(); }

  void start(std::function<void(std::string_view)> message,
             std::function<void(Error)> closed) override {
    link_->start(std::move(message), std::move(closed));
  }
  void send(std::string message) override { link_->send(std::move(message)); }
  void close() override { link_->close(); }

 private:
  std::shared_ptr<Link<Stream>> link_;
};

// Notices within a minute that the peer's machine vanished, also while nothing is sent.
void keep_alive(asio::ip::tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  for (const auto& [option, value] :
       {std::pair{TCP_KEEPIDLE, 30}, std::pair{TCP_KEEPINTVL, 10}, std::pair{TCP_KEEPCNT, 3}})
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, option, &value, sizeof value);
}

template <class Stream>
Async<std::unique_ptr<Transport>> upgrade(Context& ctx, std::unique_ptr<Stream> stream,
                                          net::Url url) {
  keep_alive(boost::beast::get_lowest_layer(*stream));
  std::string peer = url.scheme + "://" + url.authority();
  auto link = std::make_shared<Link<Stream>>(std::move(*stream), std::move(peer));
  CO_TRY_VOID(co_await link->handshake(ctx, std::move(url)));
  co_return std::make_unique<WebsocketTransport<Stream>>(std::move(link));
}

}  // namespace

Async<std::unique_ptr<Transport>> connect_websocket(Context& ctx, std::string url) {
  CO_TRY(const net::Url parsed, net::parse_url(url));
  if (parsed.scheme != "ws" && parsed.scheme != "wss")
    co_return fail(Errc::invalid_argument, "url: scheme '" + parsed.scheme + "' is not ws or wss");
  std::string host = parsed.host;
  std::string port = parsed.port;
  if (!parsed.secure()) {
    CO_TRY(auto socket, co_await net::connect_tcp(ctx, std::move(host), std::move(port)));
    co_return co_await upgrade(ctx, std::move(socket), parsed);
  }
  // The stream keeps what it needs of the TLS context (OpenSSL counts references).
  CO_TRY(const auto tls, net::make_tls_context({}));
  CO_TRY(auto stream, co_await net::connect_tls(ctx, *tls, std::move(host), std::move(port)));
  co_return co_await upgrade(ctx, std::move(stream), parsed);
}

}  // namespace troupe::cdp
