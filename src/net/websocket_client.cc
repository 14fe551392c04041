#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include "net/byte_stream.h"
#include "net/websocket.h"
#include "net/websocket_handshake.h"

namespace troupe::net {
namespace {

constexpr std::size_t kHeadBytesMax = 16 << 10;

// Notices within a minute that the peer's machine vanished, also while nothing is sent.
void keep_alive(tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  for (const auto& [option, value] :
       {std::pair{TCP_KEEPIDLE, 30}, std::pair{TCP_KEEPINTVL, 10}, std::pair{TCP_KEEPCNT, 3}})
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, option, &value, sizeof value);
}

std::string random_key() {
  unsigned char bytes[16];
  unsigned char text[25];
  RAND_bytes(bytes, sizeof bytes);
  EVP_EncodeBlock(text, bytes, sizeof bytes);
  return std::string(reinterpret_cast<const char*>(text), 24);
}

Error with_peer(const std::string& peer, const Error& error) {
  return fail(error.code, peer + ": " + error.message);
}

// Gives the bytes that came behind the answer's head.
template <class Stream>
Async<std::string> shake_hands(Context& ctx, Stream& stream, Url url, Headers headers,
                               int* declined_with) {
  const std::string peer = url.origin();
  const std::string key = random_key();
  const std::string request = handshake_request(url, key, headers);
  const Interruption interruption(ctx, [&stream] {
    boost::system::error_code ignored;
    stream.lowest_layer().close(ignored);
  });
  const auto bytes = asio::buffer(request);
  const auto written = co_await asio::async_write(stream, bytes, kTuple);
  if (std::get<0>(written)) co_return interruption.explain(std::get<0>(written), peer);
  std::string answer;
  auto space = asio::dynamic_buffer(answer, kHeadBytesMax);
  const std::string_view end = "\r\n\r\n";
  const auto read = co_await asio::async_read_until(stream, space, end, kTuple);
  const auto error = std::get<0>(read);
  if (error == asio::error::not_found || (error == asio::error::eof && !answer.empty()))
    co_return fail(Errc::protocol_error, peer + ": did not answer the WebSocket handshake");
  if (error) co_return interruption.explain(error, peer);
  const auto checked = check_handshake_answer(answer.substr(0, std::get<1>(read)), key);
  if (!checked) {
    if (declined_with && answer.starts_with("HTTP/1.1 "))
      *declined_with = std::atoi(answer.c_str() + std::string_view("HTTP/1.1 ").size());
    co_return with_peer(peer, checked.error());
  }
  co_return answer.substr(std::get<1>(read));
}

}  // namespace

Async<std::unique_ptr<WebSocket>> connect_websocket(Context& ctx, std::string url,
                                                    WebSocketConnectOptions options) {
  CO_TRY(const Url parsed, parse_url(url));
  if (parsed.scheme != "ws" && parsed.scheme != "wss")
    co_return fail(Errc::invalid_argument, "url: scheme '" + parsed.scheme + "' is not ws or wss");
  std::string host = parsed.host;
  std::string port = parsed.port;
  Headers headers = std::move(options.headers);
  std::optional<Url> proxy;
  if (const Url* chosen = proxy_for(options.proxy, parsed)) proxy = *chosen;
  std::unique_ptr<ByteStream> stream;
  std::string early;
  if (parsed.secure()) {
    // The stream keeps what it needs of the TLS context (OpenSSL counts references).
    CO_TRY(const auto tls, make_tls_context(options.ca_file));
    CO_TRY(auto secure, co_await connect_tls(ctx, *tls, std::move(host), std::move(port), nullptr,
                                             std::move(proxy)));
    keep_alive(secure->next_layer());
    CO_TRY(early,
           co_await shake_hands(ctx, *secure, parsed, std::move(headers), options.declined_with));
    stream = make_byte_stream(std::move(secure));
  } else {
    CO_TRY(auto socket,
           co_await connect_through(ctx, std::move(proxy), std::move(host), std::move(port)));
    keep_alive(*socket);
    CO_TRY(early,
           co_await shake_hands(ctx, *socket, parsed, std::move(headers), options.declined_with));
    stream = make_byte_stream(std::move(*socket));
  }
  co_return std::make_unique<WebSocket>(ctx.executor(), ctx.clock(), std::move(stream),
                                        WebSocketRole::client, std::move(early));
}

}  // namespace troupe::net
