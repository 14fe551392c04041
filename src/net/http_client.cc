#include "net/http_client.h"

#include <sys/socket.h>

#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <list>

#include "net/beast_chunks.h"
#include "net/connect.h"

namespace troupe::net {
namespace {

namespace http = boost::beast::http;

// One connection to one origin, plain or TLS.
class Wire final {
 public:
  explicit Wire(std::unique_ptr<tcp::socket> plain) : plain_(std::move(plain)) {}
  explicit Wire(std::unique_ptr<TlsStream> tls) : tls_(std::move(tls)) {}

  asio::awaitable<boost::system::error_code> write(const std::string& bytes) {
    const auto buffer = asio::buffer(bytes);
    if (tls_) {
      const auto result = co_await asio::async_write(*tls_, buffer, kTuple);
      co_return std::get<0>(result);
    }
    const auto result = co_await asio::async_write(*plain_, buffer, kTuple);
    co_return std::get<0>(result);
  }

  asio::awaitable<boost::system::error_code> read() {
    const auto space = buffer.prepare(16 << 10);
    std::tuple<boost::system::error_code, std::size_t> result;
    if (tls_) {
      result = co_await tls_->async_read_some(space, kTuple);
    } else {
      result = co_await plain_->async_read_some(space, kTuple);
    }
    buffer.commit(std::get<1>(result));
    co_return std::get<0>(result);
  }

  void close() {
    boost::system::error_code ignored;
    socket().close(ignored);
  }

  /// Nothing came while it was idle: neither an end nor bytes nobody asked for.
  bool is_quiet() {
    char byte = 0;
    const auto size = ::recv(socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return buffer.size() == 0 && size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

  boost::beast::flat_buffer buffer;

 private:
  tcp::socket& socket() { return tls_ ? tls_->next_layer() : *plain_; }
  std::unique_ptr<tcp::socket> plain_;
  std::unique_ptr<TlsStream> tls_;
};

bool is_token(std::string_view text) {
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!plain && (c == 0 || std::string_view("!#$%&'*+-.^_`|~").find(c) == std::string_view::npos))
      return false;
  }
  return !text.empty();
}

// `proxy`: what the request is sent to in place of the host itself, or nullptr.
Result<std::string> request_bytes(const HttpCall& call, const Url& url, const Url* proxy) {
  if (!is_token(call.method))
    return fail(Errc::invalid_argument,
                "http request: method '" + call.method + "' is not a token");
  const std::string target = proxy ? "http://" + url.authority() + url.target : url.target;
  std::string text = call.method + " " + target + " HTTP/1.1\r\nHost: " + url.authority() +
                     "\r\nUser-Agent: troupe/" TROUPE_VERSION "\r\nAccept-Encoding: identity\r\n";
  const std::string authorization = proxy ? proxy_authorization(*proxy) : std::string{};
  if (!authorization.empty()) text += "Proxy-Authorization: " + authorization + "\r\n";
  for (const auto& [name, value] : call.headers) {
    if (!is_token(name) || value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
      return fail(Errc::invalid_argument, "http request: header '" + name + "' is not valid");
    text += name + ": " + value + "\r\n";
  }
  if (!call.body.empty() || (call.method != "GET" && call.method != "HEAD"))
    text += "Content-Length: " + std::to_string(call.body.size()) + "\r\n";
  text += "\r\n";
  return text + call.body;
}

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" ||
         method == "OPTIONS";
}

// How an exchange on one connection went.
struct Exchange {
  Result<HttpReply> reply = fail(Errc::internal, "http client: no exchange");
  bool began = false;     // at least one byte of the response came
  bool reusable = false;  // the connection can take another request
};

using Parser = http::response_parser<http::string_body>;

// Informational responses (1xx) come before the real one.
bool is_interim(const Parser& parser) {
  return parser.get().result_int() < 200 && parser.get().result_int() != 101;
}

void prepare(std::optional<Parser>& parser, const HttpCall& call, int header_bytes_max) {
  parser.emplace();
  parser->eager(true);
  parser->skip(call.method == "HEAD");
  parser->header_limit(static_cast<std::uint32_t>(header_bytes_max));
  parser->body_limit(static_cast<std::uint64_t>(call.response_bytes_max));
}

// Hands over what came of an event stream; false when its reader wants no more.
bool pass_on(Parser& parser, const HttpCall& call) {
  if (!call.on_event_bytes || !parser.is_header_done()) return true;
  auto& message = parser.get();
  const auto type = message[http::field::content_type];
  if (message.result_int() / 100 != 2 || !type.starts_with("text/event-stream")) return true;
  if (message.body().empty()) return true;
  const bool more = call.on_event_bytes(message.body());
  message.body().clear();
  return more;
}

HttpReply to_reply(Parser& parser) {
  HttpReply reply;
  auto& message = parser.get();
  reply.status = static_cast<int>(message.result_int());
  for (const auto& field : message) {
    std::string name(field.name_string());
    for (char& c : name)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    reply.headers.emplace_back(std::move(name), std::string(field.value()));
  }
  reply.body = std::move(message.body());
  return reply;
}

Error answer_failure(const boost::system::error_code& error, const HttpCall& call,
                     const std::string& where) {
  if (error == http::error::body_limit)
    return fail(Errc::payload_too_large,
                where + ": answer exceeds " + std::to_string(call.response_bytes_max) + " bytes");
  return fail(Errc::protocol_error, where + ": answer is not valid HTTP: " + error.message());
}

asio::awaitable<Exchange> exchange(Context& ctx, Wire& wire, const HttpCall& call,
                                   const std::string& bytes, const std::string& where,
                                   int header_bytes_max) {
  Exchange result;
  const Interruption interruption(ctx, [&wire] { wire.close(); });
  if (call.on_sending) call.on_sending();
  // A server may refuse while the request is still being sent: its answer counts, not the broken
  // pipe.
  const auto write_error = co_await wire.write(bytes);
  std::optional<Parser> parser;
  prepare(parser, call, header_bytes_max);
  boost::system::error_code error;
  while (!parser->is_done()) {
    error = {};
    std::size_t used = 0;
    if (!needs_more_first(*parser, wire.buffer.size()))
      used = parser->put(wire.buffer.data(), error);
    wire.buffer.consume(used);
    if (error && error != http::error::need_more) {
      result.reply = answer_failure(error, call, where);
      co_return result;
    }
    if (parser->is_done() && is_interim(*parser)) prepare(parser, call, header_bytes_max);
    if (!pass_on(*parser, call)) {
      result.reply = to_reply(*parser);
      co_return result;
    }
    if (parser->is_done() || (used > 0 && wire.buffer.size() > 0)) continue;
    const auto read_error = co_await wire.read();
    if (!read_error) {
      result.began = true;
      continue;
    }
    error = {};
    if (read_error == asio::error::eof && result.began && !interruption.happened())
      parser->put_eof(error);
    if (!parser->is_done() || error) {
      result.reply = interruption.explain(write_error ? write_error : read_error, where);
      co_return result;
    }
  }
  result.reusable = parser->get().keep_alive() && !parser->get().need_eof() && !write_error &&
                    wire.buffer.size() == 0;
  result.reply = to_reply(*parser);
  co_return result;
}

class PooledClient final : public HttpClient {
 public:
  explicit PooledClient(HttpClientOptions options) : options_(std::move(options)) {}

  Async<HttpReply> send(Context& ctx, HttpCall call) override {
    CO_TRY_VOID(ctx.check());
    CO_TRY(const Url url, parse_url(call.url));
    if (url.scheme != "http" && url.scheme != "https")
      co_return fail(Errc::invalid_argument,
                     "url: scheme '" + url.scheme + "' is not http or https");
    CO_TRY(const Url* proxy, way_to(url));
    CO_TRY(const std::string bytes, request_bytes(call, url, url.secure() ? nullptr : proxy));
    const std::string where = call.method + " " + url.scheme + "://" + url.authority();
    auto wire = take(ctx, url.origin());
    const bool kept = wire != nullptr;
    if (!kept) {
      CO_TRY(wire, co_await open(ctx, url, proxy));
    }
    Exchange done = co_await exchange(ctx, *wire, call, bytes, where, options_.header_bytes_max);
    const bool stale = kept && !done.began && !done.reply &&
                       done.reply.error().code == Errc::network_error && is_idempotent(call.method);
    if (stale) {
      CO_TRY(wire, co_await open(ctx, url, proxy));
      done = co_await exchange(ctx, *wire, call, bytes, where, options_.header_bytes_max);
    }
    if (proxy && !url.secure() && done.reply && done.reply->status == 407)
      co_return proxy_refusal("proxy " + proxy->authority());
    if (done.reusable) keep(ctx, url.origin(), std::move(wire));
    co_return std::move(done.reply);
  }

 private:
  struct Idle {
    std::unique_ptr<Wire> wire;
    SteadyTime until;
  };

  // The proxy, or null for a direct connection.
  Result<const Url*> way_to(const Url& url) const {
    const bool public_only = options_.public_addresses_only;
    if (!options_.always_proxied) return public_only ? nullptr : proxy_for(options_.proxy, url);
    const Url* proxy = proxy_for(options_.proxy, url);
    boost::system::error_code is_name;
    const auto address = asio::ip::make_address(url.host, is_name);
    if (!proxy || (public_only && !is_name && !is_public_address(address)))
      return fail(Errc::permission_denied,
                  "host '" + url.host + "': is not to be asked through a proxy", "url");
    return proxy;
  }

  std::unique_ptr<Wire> take(Context& ctx, const std::string& origin) {
    forget_expired(ctx.clock().now());
    const auto place = idle_.find(origin);
    while (place != idle_.end() && !place->second.empty()) {
      Idle candidate = std::move(place->second.back());
      place->second.pop_back();
      if (candidate.wire->is_quiet()) return std::move(candidate.wire);
    }
    return nullptr;
  }

  void forget_expired(SteadyTime now) {
    for (auto it = idle_.begin(); it != idle_.end();) {
      std::erase_if(it->second, [now](const Idle& idle) { return idle.until <= now; });
      it = it->second.empty() ? idle_.erase(it) : std::next(it);
    }
  }

  void keep(Context& ctx, const std::string& origin, std::unique_ptr<Wire> wire) {
    auto& idle = idle_[origin];
    if (idle.size() >= options_.idle_per_origin) idle.erase(idle.begin());
    idle.push_back({std::move(wire), ctx.clock().now() + options_.idle_timeout});
  }

  Async<std::unique_ptr<Wire>> open(Context& ctx, const Url& url, const Url* proxy) {
    const Url& next = proxy && !url.secure() ? *proxy : url;
    std::string host = next.host;
    std::string port = next.port;
    const bool filtered = options_.public_addresses_only && !proxy;
    const AddressFilter filter = filtered ? is_public_address : nullptr;
    if (!url.secure()) {
      CO_TRY(auto socket, co_await connect_tcp(ctx, std::move(host), std::move(port), filter));
      co_return std::make_unique<Wire>(std::move(socket));
    }
    if (!tls_) {
      CO_TRY(tls_, make_tls_context(options_.ca_file, options_.verify_certificates));
    }
    const auto tls = tls_;
    std::optional<Url> through;
    if (proxy) through = *proxy;
    CO_TRY(auto stream, co_await connect_tls(ctx, *tls, std::move(host), std::move(port), filter,
                                             std::move(through)));
    co_return std::make_unique<Wire>(std::move(stream));
  }

  HttpClientOptions options_;
  std::shared_ptr<asio::ssl::context> tls_;  // made on first use; a handshake in flight owns it too
  std::unordered_map<std::string, std::vector<Idle>> idle_;
};

}  // namespace

std::string_view HttpReply::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

std::unique_ptr<HttpClient> HttpClient::create(HttpClientOptions options) {
  return std::make_unique<PooledClient>(std::move(options));
}

}  // namespace troupe::net
