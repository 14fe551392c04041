#include "net/connect.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>

#include "net/proxy.h"

namespace troupe::net {

Interruption::Interruption(Context& ctx, std::function<void()> stop) : stop_(std::move(stop)) {
  if (ctx.deadline() != SteadyTime::max())
    timer_ = Timer(ctx.clock(), ctx.deadline(),
                   [this, error = ctx.timeout_error()] { interrupt(error); });
  auto source = ctx.cancel_source();
  registration_ = source.on_cancel([this, source] { interrupt(source.reason()); });
}

void Interruption::interrupt(Error reason) {
  if (reason_) return;
  reason_ = std::move(reason);
  stop_();
}

Error Interruption::explain(const boost::system::error_code& error, const std::string& what) const {
  return reason_ ? *reason_ : network_failure(error, what);
}

Error proxy_refusal(const std::string& where) {
  return fail(Errc::unauthenticated, where + " answered 407: it takes no one without a password",
              "proxy", "give user and password in the proxy's URL");
}

Error network_failure(const boost::system::error_code& error, const std::string& what) {
  const bool tls = error.category() == asio::error::get_ssl_category();
  if (tls) return fail(Errc::tls_error, what + ": " + error.message());
  if (error == asio::error::eof || error == asio::ssl::error::stream_truncated)
    return fail(Errc::network_error, what + ": the peer closed the connection");
  std::string text = error.message();
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] + 32);
  return fail(Errc::network_error, what + ": " + text);
}

namespace {

// A look-up runs in a thread of Asio's and cannot be stopped: the waiter leaves, the result is
// dropped.
Async<tcp::resolver::results_type> resolve(Context& ctx, std::string host, std::string port) {
  auto resolver = std::make_shared<tcp::resolver>(ctx.executor());
  auto promise = std::make_shared<Promise<tcp::resolver::results_type>>();
  resolver->async_resolve(
      host, port,
      [resolver, promise, host](boost::system::error_code error,
                                tcp::resolver::results_type results) {
        if (error) {
          promise->set(
              fail(Errc::dns_error, "host '" + host + "' does not resolve: " + error.message()));
        } else {
          promise->set(std::move(results));
        }
      });
  co_return co_await promise->wait(ctx);
}

Async<void> connect_socket(Context& ctx, tcp::socket& socket, std::vector<tcp::endpoint> endpoints,
                           std::string what) {
  CO_TRY_VOID(ctx.check());
  const Interruption interruption(ctx, [&socket] {
    boost::system::error_code ignored;
    socket.close(ignored);
  });
  boost::system::error_code error;
  for (const tcp::endpoint& address : endpoints) {
    boost::system::error_code ignored;
    if (interruption.happened()) break;
    socket.close(ignored);
    const auto result = co_await socket.async_connect(address, kTuple);
    error = std::get<0>(result);
    if (!error) break;
  }
  if (interruption.happened() || error) co_return interruption.explain(error, what);
  socket.set_option(tcp::no_delay(true), error);
  co_return Result<void>{};
}

constexpr std::size_t kProxyHeadMax = 16 << 10;

// Reads `HTTP/1.1 200 …`.
Result<void> proxy_verdict(std::string_view head, const std::string& where) {
  const auto line = head.substr(0, head.find("\r\n"));
  const bool is_http = line.size() >= 12 && line.starts_with("HTTP/1.") && line[8] == ' ';
  if (!is_http) return fail(Errc::network_error, where + ": the answer is not HTTP");
  const auto status = line.substr(9, 3);
  if (status.starts_with('2')) return {};
  if (status == "407") return proxy_refusal(where);
  return fail(Errc::network_error, where + " answered " + std::string(status), {},
              "check the proxy variables, or except this host");
}

// Ranges that are not for everybody (IANA's special-purpose registries).
struct Range4 {
  std::uint32_t network;
  int bits;
};
constexpr Range4 kSpecial4[] = {
    {0x00000000, 8},  {0x0A000000, 8},  {0x64400000, 10}, {0x7F000000, 8},  {0xA9FE0000, 16},
    {0xAC100000, 12}, {0xC0000000, 24}, {0xC0000200, 24}, {0xC0A80000, 16}, {0xC6120000, 15},
    {0xC6336400, 24}, {0xCB007100, 24}, {0xE0000000, 4},  {0xF0000000, 4}};

bool is_public_v4(std::uint32_t address) {
  return std::ranges::none_of(kSpecial4, [address](const Range4& range) {
    return (address ^ range.network) >> (32 - range.bits) == 0;
  });
}

}  // namespace

bool is_public_address(const asio::ip::address& address) {
  if (address.is_v4()) return is_public_v4(address.to_v4().to_uint());
  const auto bytes = address.to_v6().to_bytes();
  const auto v4_at = [&bytes](std::size_t at) {
    return std::uint32_t{bytes[at]} << 24 | std::uint32_t{bytes[at + 1]} << 16 |
           std::uint32_t{bytes[at + 2]} << 8 | bytes[at + 3];
  };
  if (address.to_v6().is_v4_mapped()) return is_public_v4(v4_at(12));
  if (bytes[0] == 0x20 && bytes[1] == 0x02) return is_public_v4(v4_at(2));  // 6to4
  if (bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] < 2) return false;   // Teredo and others
  if (bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] == 0x0D && bytes[3] == 0xB8) return false;
  return (bytes[0] & 0xE0) == 0x20;  // 2000::/3 is all that is given out
}

Async<std::unique_ptr<tcp::socket>> connect_tcp(Context& ctx, std::string host, std::string port,
                                                AddressFilter filter) {
  CO_TRY(const auto found, co_await resolve(ctx, host, port));
  std::vector<tcp::endpoint> endpoints;
  for (const auto& entry : found)
    if (!filter || filter(entry.endpoint().address())) endpoints.push_back(entry.endpoint());
  if (endpoints.empty())
    co_return fail(Errc::permission_denied, "host '" + host + "': is not on the public Internet",
                   "url");
  auto socket = std::make_unique<tcp::socket>(ctx.executor());
  std::string what = "connect to " + host + ":" + port;
  CO_TRY_VOID(co_await connect_socket(ctx, *socket, std::move(endpoints), std::move(what)));
  co_return std::move(socket);
}

Async<std::unique_ptr<tcp::socket>> connect_through(Context& ctx, std::optional<Url> proxy,
                                                    std::string host, std::string port,
                                                    AddressFilter filter) {
  if (!proxy) co_return co_await connect_tcp(ctx, std::move(host), std::move(port), filter);
  CO_TRY(auto socket, co_await connect_tcp(ctx, proxy->host, proxy->port));
  const std::string target =
      (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
  const std::string where = "proxy " + proxy->authority() + ": CONNECT " + target;
  std::string request = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n";
  const std::string authorization = proxy_authorization(*proxy);
  if (!authorization.empty()) request += "Proxy-Authorization: " + authorization + "\r\n";
  request += "\r\n";
  const Interruption interruption(ctx, [&socket] {
    boost::system::error_code ignored;
    socket->close(ignored);
  });
  const auto buffer = asio::buffer(request);
  const auto sent = co_await asio::async_write(*socket, buffer, kTuple);
  if (std::get<0>(sent)) co_return interruption.explain(std::get<0>(sent), where);
  // Byte by byte: what follows the answer's head belongs to the tunnel.
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    if (head.size() >= kProxyHeadMax)
      co_return fail(Errc::network_error, where + ": the answer's head has no end");
    char byte = 0;
    const auto place = asio::buffer(&byte, 1);
    const auto read = co_await socket->async_read_some(place, kTuple);
    if (std::get<0>(read)) co_return interruption.explain(std::get<0>(read), where);
    head += byte;
  }
  const auto verdict = proxy_verdict(head, where);
  if (!verdict) co_return verdict.error();
  if (interruption.happened()) co_return interruption.explain({}, where);
  co_return std::move(socket);
}

Result<std::shared_ptr<asio::ssl::context>> make_tls_context(const std::string& ca_file,
                                                             bool verify) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  boost::system::error_code error;
  SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_2_VERSION);
  // Many servers end without close_notify; lengths are checked by HTTP itself.
  SSL_CTX_set_options(context->native_handle(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  if (ca_file.empty()) {
    context->set_default_verify_paths(error);
  } else {
    context->load_verify_file(ca_file, error);
  }
  if (error)
    return fail(Errc::storage_failed, "certificates: cannot read " +
                                          (ca_file.empty() ? "the system's" : ca_file) + ": " +
                                          error.message());
  context->set_verify_mode(verify ? asio::ssl::verify_peer : asio::ssl::verify_none, error);
  return context;
}

Async<std::unique_ptr<TlsStream>> connect_tls(Context& ctx, asio::ssl::context& tls,
                                              std::string host, std::string port,
                                              AddressFilter filter, std::optional<Url> proxy) {
  CO_TRY(auto socket, co_await connect_through(ctx, std::move(proxy), host, port, filter));
  auto stream = std::make_unique<TlsStream>(std::move(*socket), tls);
  const std::string what = "TLS with " + host + ":" + port;
  boost::system::error_code not_address;
  (void)asio::ip::make_address(host, not_address);
  // Checked by OpenSSL itself, which then says what does not fit.
  X509_VERIFY_PARAM* const wanted = SSL_get0_param(stream->native_handle());
  const int set = not_address ? X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), host.size())
                              : X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str());
  if (!set) co_return fail(Errc::tls_error, what + ": host name cannot be verified");
  if (not_address && !SSL_set_tlsext_host_name(stream->native_handle(), host.c_str()))
    co_return fail(Errc::tls_error, what + ": host name is not usable for SNI");
  const Interruption interruption(ctx, [&stream] {
    boost::system::error_code ignored;
    stream->lowest_layer().close(ignored);
  });
  const auto result = co_await stream->async_handshake(asio::ssl::stream_base::client, kTuple);
  const boost::system::error_code error = std::get<0>(result);
  if (!error) co_return std::move(stream);
  Error failure = interruption.explain(error, what);
  if (const long verdict = SSL_get_verify_result(stream->native_handle());
      failure.code == Errc::tls_error && verdict != X509_V_OK)
    failure.message = what + ": " + X509_verify_cert_error_string(verdict);
  co_return failure;
}

}  // namespace troupe::net
