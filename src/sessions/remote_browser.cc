#include "sessions/remote_browser.h"

#include "base/json.h"
#include "cdp/transport.h"
#include "net/url.h"

namespace troupe::sessions {
namespace {

constexpr std::string_view kHint =
    "give ws://…, wss://… of a browser, or http://host:port of one started with "
    "--remote-debugging-port";

constexpr std::string_view kBrowserPath = "/devtools/browser/";

// Whatever is between here and a browser: the endpoint is not usable now, later it may be.
Error unreachable(const std::string& name, const Error& cause) {
  if (cause.code == Errc::tls_error)
    return fail(cause.code, "cdp endpoint " + name + ": " + cause.message, "cdp endpoint",
                "check its certificate and name, this machine's clock and certificates");
  if (cause.code == Errc::unauthenticated)
    return fail(cause.code, "cdp endpoint " + name + ": " + cause.message, cause.source,
                cause.hint);
  const bool plain = cause.code == Errc::network_error || cause.code == Errc::dns_error;
  return fail(plain ? Errc::unavailable : cause.code, "cdp endpoint " + name + ": " + cause.message,
              "cdp endpoint",
              cause.code == Errc::protocol_error ? std::string(kHint)
                                                 : "check that the browser runs there");
}

Error no_devtools(const std::string& name, const std::string& why) {
  return fail(Errc::protocol_error, "cdp endpoint " + name + ": " + why, "cdp endpoint",
              std::string(kHint));
}

std::string query_of(const std::string& target) {
  const auto mark = target.find('?');
  return mark == std::string::npos ? "" : target.substr(mark);
}

// `/json/version` below the path that was given, before its query.
std::string version_url(const net::Url& url) {
  std::string path = url.target.substr(0, url.target.find('?'));
  while (path.ends_with('/')) path.pop_back();
  if (!path.ends_with("/json/version")) path += "/json/version";
  return url.origin() + path + query_of(url.target);
}

}  // namespace

Async<void> await_end(Context& ctx, std::shared_ptr<RemoteBrowser> browser,
                      ConnectionHealth health) {
  cdp::Connection& connection = *browser->connection;
  for (std::uint64_t heard = connection.counters().bytes_received;;) {
    Context quiet = ctx.with_timeout(health.every, "connection check");
    const auto ended = co_await connection.closed_event().wait(quiet);
    if (ended) co_return Result<void>{};
    CO_TRY_VOID(ctx.check());
    const std::uint64_t now = connection.counters().bytes_received;
    if (std::exchange(heard, now) != now) continue;
    Context limited = ctx.with_timeout(health.timeout, "connection check");
    const auto answer = co_await connection.call(limited, "", "Browser.getVersion");
    CO_TRY_VOID(ctx.check());
    heard = connection.counters().bytes_received;
    if (!answer && answer.error().code == Errc::timeout)
      connection.close(fail(Errc::session_lost,
                            "the browser does not answer: " + answer.error().message, "browser"));
  }
}

bool is_refusal(const Error& error) {
  return error.message.find("connection refused") != std::string::npos;
}

bool names_one_browser(std::string_view url) { return url.find(kBrowserPath) != url.npos; }

asio::awaitable<ConnectionLoss> diagnose_loss(Context& ctx, net::HttpClient& http,
                                              std::string url) {
  const auto at = net::parse_url(url);
  if (!at) co_return ConnectionLoss{};
  net::Url asked = *at;
  asked.scheme = at->secure() ? "https" : "http";
  const std::string path = at->target.substr(0, at->target.find('?'));
  const bool named = names_one_browser(path);
  asked.target = (named ? path.substr(0, path.find(kBrowserPath)) : "/") + query_of(at->target);
  net::HttpCall call{.url = version_url(asked), .response_bytes_max = 1 << 20};
  const auto reply = co_await http.send(ctx, std::move(call));
  if (!reply && is_refusal(reply.error()))
    co_return ConnectionLoss{EndReason::provider_ended, "nothing listens there any more"};
  if (!reply) co_return ConnectionLoss{EndReason::connection_lost, reply.error().message};
  const auto body = parse_json(reply->body, "/json/version");
  const auto* socket = body && body->is_object() ? find(*body, "webSocketDebuggerUrl") : nullptr;
  if (named && socket && socket->is_string() && names_one_browser(socket->get_string().c_str()) &&
      socket->get_string().find(path.substr(path.find(kBrowserPath))) == json::string::npos)
    co_return ConnectionLoss{EndReason::provider_ended, "another browser is there now"};
  co_return ConnectionLoss{EndReason::connection_lost, "the place itself still answers"};
}

Result<std::unique_ptr<net::HttpClient>> make_http_client() {
  net::HttpClientOptions options;
  TRY(options.proxy, net::proxy_rules(net::proxy_environment()));
  return net::HttpClient::create(std::move(options));
}

std::string address_without_secrets(const std::string& address) {
  const auto url = net::parse_url(address);
  if (!url) return "[not a URL]";
  const std::string path = url->target.substr(0, url->target.find('?'));
  return url->scheme + "://" + url->authority() + (path == "/" ? "" : path);
}

Async<std::string> resolve_endpoint(Context& ctx, net::HttpClient& http, std::string address) {
  CO_TRY(const net::Url url, net::parse_url(address));
  if (url.scheme == "ws" || url.scheme == "wss") co_return address;
  const std::string name = address_without_secrets(address);
  net::HttpCall call{.url = version_url(url), .response_bytes_max = 1 << 20};
  auto reply = co_await http.send(ctx, std::move(call));
  if (!reply) co_return unreachable(name, reply.error());
  if (reply->status != 200)
    co_return no_devtools(name, "/json/version answered " + std::to_string(reply->status));
  const auto body = parse_json(reply->body, "/json/version");
  const json::value* socket = body ? find(*body, "webSocketDebuggerUrl") : nullptr;
  if (!socket || !socket->is_string())
    co_return no_devtools(name, "/json/version names no webSocketDebuggerUrl");
  const auto told = net::parse_url(socket->get_string());
  if (!told) co_return no_devtools(name, "its webSocketDebuggerUrl is not a URL");
  std::string target = told->target;
  if (query_of(target).empty()) target += query_of(url.target);
  co_return (url.secure() ? "wss://" : "ws://") + url.authority() + target;
}

Async<std::shared_ptr<RemoteBrowser>> connect_remote_browser(Context& ctx, std::string url) {
  auto browser = std::make_shared<RemoteBrowser>();
  browser->name = address_without_secrets(url);
  browser->url = url;
  auto transport = co_await cdp::connect_websocket(ctx, std::move(url));
  if (!transport) co_return unreachable(browser->name, transport.error());
  browser->connection = std::make_unique<cdp::Connection>(std::move(*transport));
  auto version = co_await browser->connection->call(ctx, "", "Browser.getVersion");
  if (!version && version.error().code == Errc::session_lost)
    co_return unreachable(browser->name,
                          fail(Errc::network_error, "it hung up: " + version.error().message));
  if (!version) co_return unreachable(browser->name, version.error());
  browser->product = std::string(find_string(*version, "product").value_or(""));
  co_return browser;
}

}  // namespace troupe::sessions
