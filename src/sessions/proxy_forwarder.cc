#include "sessions/proxy_forwarder.h"

#include <openssl/evp.h>

#include <algorithm>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <set>

#include "net/connect.h"
#include "net/url.h"
#include "sessions/request_rules.h"

namespace troupe::sessions {
namespace {

using net::kTuple;
using tcp = asio::ip::tcp;
using Socket = std::shared_ptr<tcp::socket>;

constexpr std::size_t kHeadBytesMax = 64 << 10;
constexpr std::size_t kChunkBytes = 64 << 10;
constexpr std::size_t kConnectionsMax = 512;
constexpr auto kConnectTimeout = std::chrono::seconds(20);

// Where one connection of the browser wants to go.
struct Request {
  bool is_connect = false;
  std::string host;
  std::string port;
  std::string target;  // path and query
  std::string head;    // as the browser sent it
  std::string rest;    // what came after it already
};

struct Upstream {
  bool socks = false;
  std::string host;
  std::string port;
};

std::string base64(const std::string& text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

Result<Upstream> parse_server(const std::string& server) {
  Upstream upstream;
  std::string text = server;
  upstream.socks = text.starts_with("socks5://");
  if (upstream.socks) text = "http://" + text.substr(9);
  if (text.find("://") == std::string::npos) text = "http://" + text;
  const auto url = net::parse_url(text);
  if (!url || url->scheme != "http" || url->host.empty())
    return fail(Errc::invalid_argument,
                "session proxy: the server is no http://host:port or socks5://host:port",
                "session");
  upstream.host = url->host;
  upstream.port = url->port;
  return upstream;
}

bool is_named(std::string_view line, std::string_view name) {
  return line.size() > name.size() && line[name.size()] == ':' &&
         std::equal(name.begin(), name.end(), line.begin(), [](char a, char b) {
           return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b + 32) : b);
         });
}

// Each connection carries one request: the next one may be for another host.
std::string one_time_head(std::string_view first_line, std::string_view lines,
                          const std::string& authorization) {
  std::string head(first_line);
  head += "\r\n";
  while (!lines.empty()) {
    const auto end = std::min(lines.find("\r\n"), lines.size());
    const auto line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 2, lines.size()));
    if (is_named(line, "connection") || is_named(line, "proxy-connection") ||
        is_named(line, "proxy-authorization"))
      continue;
    head += std::string(line) + "\r\n";
  }
  head += "Connection: close\r\n";
  if (!authorization.empty()) head += "Proxy-Authorization: Basic " + authorization + "\r\n";
  return head + "\r\n";
}

// `CONNECT host:port` or `GET http://host/path`; nothing when it is neither.
std::optional<Request> parse_request(const std::string& head, std::string rest) {
  const std::string line = head.substr(0, head.find("\r\n"));
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string::npos || last <= first) return std::nullopt;
  const std::string target = line.substr(first + 1, last - first - 1);
  Request request{.head = head, .rest = std::move(rest)};
  request.is_connect = line.starts_with("CONNECT ");
  const auto url = net::parse_url(request.is_connect ? "http://" + target : target);
  if (!url || url->host.size() > 255) return std::nullopt;
  request.host = url->host;
  request.port = url->port;
  request.target = url->target;
  return request;
}

struct Route {
  const ProxySpec* proxy = nullptr;  // null: directly
  Upstream upstream;
  std::string authorization;  // base64, or empty
};

}  // namespace

struct ProxyForwarder::State {
  State(Clock& clock_given, asio::any_io_executor executor_given)
      : clock(clock_given), executor(executor_given), acceptor(executor_given) {}

  Route route(const std::string& host) const {
    for (const auto& proxy : proxies) {
      if (!proxy.domain_pattern.empty() && !host_fits(host, proxy.domain_pattern)) continue;
      if (proxy.type == ProxySpec::Type::none) return {};
      Route route{.proxy = &proxy, .upstream = *parse_server(proxy.server)};
      if (!proxy.username.empty())
        route.authorization = base64(proxy.username + ":" + proxy.password);
      return route;
    }
    return {};
  }
  void close(const Socket& socket) {
    boost::system::error_code ignored;
    if (socket) socket->close(ignored);
    open.erase(socket);
  }

  Clock& clock;
  asio::any_io_executor executor;
  tcp::acceptor acceptor;
  std::vector<ProxySpec> proxies;
  std::function<bool(const std::string&)> allows;
  std::set<Socket> open;
  CancelSource stop;
  std::uint64_t proxied = 0;
};

namespace {

asio::awaitable<bool> send(tcp::socket& socket, std::string bytes) {
  const auto buffer = asio::buffer(bytes);
  const auto result = co_await asio::async_write(socket, buffer, kTuple);
  co_return !std::get<0>(result);
}

asio::awaitable<bool> receive(tcp::socket& socket, std::string& bytes, std::size_t size) {
  bytes.resize(size);
  const auto buffer = asio::buffer(bytes);
  const auto result = co_await asio::async_read(socket, buffer, kTuple);
  co_return !std::get<0>(result);
}

// Reads up to the empty line; false when it does not come or is too long.
asio::awaitable<bool> receive_head(tcp::socket& socket, std::string& head, std::string& rest) {
  for (;;) {
    const auto end = head.find("\r\n\r\n");
    if (end != std::string::npos) {
      rest = head.substr(end + 4);
      head.resize(end + 2);
      co_return true;
    }
    if (head.size() > kHeadBytesMax) co_return false;
    const std::size_t had = head.size();
    head.resize(had + 4096);
    const auto space = asio::buffer(head.data() + had, 4096);
    const auto result = co_await socket.async_read_some(space, kTuple);
    head.resize(had + std::get<1>(result));
    if (std::get<0>(result)) co_return false;
  }
}

// RFC 1928 and 1929.
Async<void> socks_connect(tcp::socket& socket, std::string host, std::string port,
                          std::string username, std::string password) {
  const Error broken = fail(Errc::network_error, "socks5 proxy: refused, or closed the connection");
  std::string answer;
  const bool with_user = !username.empty();
  std::string hello{'\x05', '\x01', with_user ? '\x02' : '\x00'};
  if (!co_await send(socket, hello)) co_return broken;
  if (!co_await receive(socket, answer, 2)) co_return broken;
  if (answer[0] != 5 || answer[1] != hello[2]) co_return broken;
  if (with_user) {
    std::string login(1, '\x01');
    login += static_cast<char>(username.size()) + username;
    login += static_cast<char>(password.size()) + password;
    if (!co_await send(socket, login)) co_return broken;
    if (!co_await receive(socket, answer, 2)) co_return broken;
    if (answer[1] != 0) co_return broken;
  }
  const int number = std::atoi(port.c_str());
  std::string ask{'\x05', '\x01', '\x00', '\x03', static_cast<char>(host.size())};
  ask += host;
  ask += {static_cast<char>(number >> 8), static_cast<char>(number & 255)};
  if (!co_await send(socket, ask)) co_return broken;
  if (!co_await receive(socket, answer, 5)) co_return broken;
  if (answer[0] != 5 || answer[1] != 0) co_return broken;
  const std::size_t name = static_cast<unsigned char>(answer[4]);
  const std::size_t left = answer[3] == 1 ? 3 + 2 : answer[3] == 4 ? 15 + 2 : name + 2;
  if (!co_await receive(socket, answer, left)) co_return broken;
  co_return Result<void>{};
}

// One direction until its end, which is passed on.
Async<void> pump(Socket from, Socket to, std::shared_ptr<ProxyForwarder::State> state,
                 bool counted) {
  std::string chunk(kChunkBytes, '\0');
  for (;;) {
    const auto space = asio::buffer(chunk);
    const auto got = co_await from->async_read_some(space, kTuple);
    if (std::get<0>(got)) break;
    if (counted) state->proxied += std::get<1>(got);
    const auto bytes = asio::buffer(chunk.data(), std::get<1>(got));
    const auto sent = co_await asio::async_write(*to, bytes, kTuple);
    if (std::get<0>(sent)) break;
  }
  boost::system::error_code ignored;
  to->shutdown(tcp::socket::shutdown_send, ignored);
  co_return Result<void>{};
}

// A connection to where the request goes next: the target, or an HTTP proxy before it.
Async<Socket> reach(Context& ctx, const Request& request, const Route& route) {
  const bool is_direct = route.proxy == nullptr;
  std::string host = is_direct ? request.host : route.upstream.host;
  std::string port = is_direct ? request.port : route.upstream.port;
  CO_TRY(auto connected, co_await net::connect_tcp(ctx, std::move(host), std::move(port)));
  Socket socket(std::move(connected));
  if (is_direct || !route.upstream.socks) co_return socket;
  const net::Interruption interruption(ctx, [socket] {
    boost::system::error_code ignored;
    socket->close(ignored);
  });
  CO_TRY_VOID(co_await socks_connect(*socket, request.host, request.port, route.proxy->username,
                                     route.proxy->password));
  co_return socket;
}

// What the next hop is told first, and what the browser is answered.
struct Opening {
  std::string to_upstream;
  std::string to_browser;
};
Opening opening_of(const Request& request, const Route& route) {
  const bool tells_proxy = route.proxy && !route.upstream.socks;
  const auto line_end = request.head.find("\r\n");
  const std::string_view lines = std::string_view(request.head).substr(line_end + 2);
  std::string line = request.head.substr(0, line_end);
  if (request.is_connect && tells_proxy) {
    std::string head = line + "\r\nHost: " + request.host + ":" + request.port + "\r\n";
    if (!route.authorization.empty())
      head += "Proxy-Authorization: Basic " + route.authorization + "\r\n";
    return {.to_upstream = head + "\r\n" + request.rest};
  }
  if (request.is_connect)
    return {.to_upstream = request.rest,
            .to_browser = "HTTP/1.1 200 Connection established\r\n\r\n"};
  if (!tells_proxy) {
    const auto first = line.find(' ');
    const auto last = line.rfind(' ');
    line = line.substr(0, first + 1) + request.target + line.substr(last);
  }
  return {.to_upstream =
              one_time_head(line, lines, tells_proxy ? route.authorization : "") + request.rest};
}

asio::awaitable<void> serve(std::shared_ptr<ProxyForwarder::State> state, Socket browser) {
  state->open.insert(browser);
  std::string head, rest;
  Socket upstream;
  const bool whole = co_await receive_head(*browser, head, rest);
  auto request = whole ? parse_request(head, std::move(rest)) : std::nullopt;
  if (request && state->allows && !state->allows(request->host)) {
    std::string answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    (void)co_await send(*browser, std::move(answer));
  } else if (request) {
    const Context base(state->clock, state->executor);
    const Context stoppable = base.with_cancel(state->stop);
    Context ctx = stoppable.with_timeout(kConnectTimeout, "proxy connection");
    const Route route = state->route(request->host);
    auto reached = co_await reach(ctx, *request, route);
    if (reached) {
      upstream = *reached;
      state->open.insert(upstream);
      Opening opening = opening_of(*request, route);
      const bool counted = route.proxy != nullptr;
      if (counted) state->proxied += opening.to_upstream.size();
      bool good = co_await send(*upstream, std::move(opening.to_upstream));
      if (good) good = co_await send(*browser, std::move(opening.to_browser));
      if (good) {
        std::vector<Async<void>> both;
        both.push_back(pump(browser, upstream, state, counted));
        both.push_back(pump(upstream, browser, state, counted));
        (void)co_await gather(ctx, std::move(both));
      }
    } else {
      std::string answer =
          "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
      (void)co_await send(*browser, std::move(answer));
    }
  }
  state->close(browser);
  state->close(upstream);
}

void end_of_fiber(std::exception_ptr exception) {
  if (exception) die_of_bug("proxy forwarder", exception);
}

asio::awaitable<void> accept_forever(std::shared_ptr<ProxyForwarder::State> state) {
  while (state->acceptor.is_open()) {
    auto socket = std::make_shared<tcp::socket>(state->executor);
    const auto result = co_await state->acceptor.async_accept(*socket, kTuple);
    if (!state->acceptor.is_open()) co_return;
    if (std::get<0>(result)) {
      // Out of descriptors, most likely: wait for some to come free.
      const Context base(state->clock, state->executor);
      Context ctx = base.with_cancel(state->stop);
      (void)co_await sleep_for(ctx, std::chrono::milliseconds(50));
      continue;
    }
    if (state->open.size() >= 2 * kConnectionsMax) continue;
    asio::co_spawn(state->executor, serve(state, socket), end_of_fiber);
  }
}

}  // namespace

Result<void> check_proxies(const std::vector<ProxySpec>& proxies) {
  for (const auto& proxy : proxies) {
    if (proxy.type == ProxySpec::Type::provider)
      return fail(Errc::unsupported, "session proxy: this machine offers none of its own",
                  "session", "set proxy_url, give an external one, or ask another provider");
    if (proxy.type == ProxySpec::Type::external) TRY_VOID(parse_server(proxy.server));
    if (proxy.username.size() > 255 || proxy.password.size() > 255)
      return fail(Errc::invalid_argument, "session proxy: the credentials exceed 255 bytes");
  }
  return {};
}

Result<ProxySpec> proxy_from_url(const std::string& text) {
  const Error wrong = fail(Errc::invalid_argument, "proxy_url: is not the URL of a proxy",
                           "settings", "give http://user:password@host:port or socks5://host:port");
  const bool socks = text.starts_with("socks5://");
  // parse_url() knows no schemes of proxies but http.
  const auto url = net::parse_url(socks ? "http://" + text.substr(9) : text);
  if (!url || url->scheme != "http" || url->host.empty()) return wrong;
  const auto colon = std::min(url->user_info.find(':'), url->user_info.size());
  const auto user = net::percent_decode(url->user_info.substr(0, colon));
  const auto password =
      net::percent_decode(url->user_info.substr(std::min(colon + 1, url->user_info.size())));
  if (!user || !password) return wrong;
  return ProxySpec{.type = ProxySpec::Type::external,
                   .server = (socks ? "socks5://" : "http://") + url->authority(),
                   .username = *user,
                   .password = *password};
}

Result<void> give_own_proxy(std::vector<ProxySpec>& proxies, const std::string& proxy_url) {
  for (auto& proxy : proxies) {
    if (proxy.type != ProxySpec::Type::provider || proxy_url.empty()) continue;
    if (!proxy.geolocation.empty())
      return fail(Errc::unsupported,
                  "session proxy: geolocation cannot be chosen with the proxy of proxy_url",
                  "session", "leave it out, or give an external proxy in that country");
    TRY(ProxySpec own, proxy_from_url(proxy_url));
    own.domain_pattern = std::move(proxy.domain_pattern);
    proxy = std::move(own);
  }
  return {};
}

Result<std::unique_ptr<ProxyForwarder>> ProxyForwarder::start(Clock& clock,
                                                              asio::any_io_executor executor,
                                                              std::vector<ProxySpec> proxies) {
  TRY_VOID(check_proxies(proxies));
  std::unique_ptr<ProxyForwarder> forwarder(new ProxyForwarder);
  forwarder->state_ = std::make_shared<State>(clock, executor);
  State& state = *forwarder->state_;
  state.proxies = std::move(proxies);
  boost::system::error_code error;
  const tcp::endpoint where(asio::ip::address_v4::loopback(), 0);
  state.acceptor.open(where.protocol(), error);
  if (!error) state.acceptor.bind(where, error);
  if (!error) state.acceptor.listen(64, error);
  if (error)
    return fail(Errc::exhausted, "proxy forwarder: " + error.message(), "host",
                "raise the limit on open files (ulimit -n)");
  asio::co_spawn(executor, accept_forever(forwarder->state_), end_of_fiber);
  return forwarder;
}

ProxyForwarder::~ProxyForwarder() {
  if (!state_) return;
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  state_->stop.cancel(fail(Errc::cancelled, "session ended"));
  const auto open = state_->open;  // closing wakes their fibers, which take themselves out
  for (const auto& socket : open) socket->close(ignored);
}

void ProxyForwarder::allow_only(std::function<bool(const std::string& host)> allows) {
  state_->allows = std::move(allows);
}

int ProxyForwarder::port() const {
  boost::system::error_code ignored;
  return state_->acceptor.local_endpoint(ignored).port();
}

std::uint64_t ProxyForwarder::proxied_bytes() const { return state_->proxied; }

}  // namespace troupe::sessions
