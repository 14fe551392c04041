#include "api/forward.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "net/websocket.h"
#include "services/via.h"

namespace troupe::api {
namespace {

constexpr auto kHeadLimit = std::chrono::seconds(60);   // until the node begins to answer
constexpr auto kPieceLimit = std::chrono::seconds(60);  // an event stream says something each 15 s
constexpr auto kDialLimit = std::chrono::seconds(15);
constexpr std::int64_t kWholeBytesMax = 1 << 20;
constexpr Duration kPingEvery = std::chrono::seconds(20);
constexpr Duration kSilenceMax = std::chrono::seconds(60);

constexpr std::array kPassedOn = std::to_array<std::string_view>(
    {"accept", "content-type", "last-event-id", "idempotency-key", "traceparent", "x-request-id",
     "x-forwarded-proto", "x-bb-signing-key"});
// Of the connection, or set for every answer anyway.
constexpr std::array kKept = std::to_array<std::string_view>(
    {"connection", "keep-alive", "transfer-encoding", "content-length", "content-type", "date",
     "server", "x-request-id", "x-content-type-options", "www-authenticate"});

bool is_in(std::span<const std::string_view> list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

Error silent(const Node& node, const std::string& why) {
  return fail(Errc::unavailable, "node " + node.id + ": does not answer: " + why, "nodes",
              "ask again: when it is gone, its sessions have ended");
}

Error as_ours(const Node& node, const Error& error) {
  const bool own = error.code == Errc::cancelled || error.code == Errc::draining;
  return own ? error : silent(node, error.message);
}

std::optional<std::int64_t> length_of(const net::HttpReply& head) {
  const std::string_view text = head.header("content-length");
  std::int64_t length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return length;
}

// What the errors of a refused upgrade are here, too.
Error refusal(const Node& node, int status, const Error& error) {
  for (const Errc code : {Errc::invalid_argument, Errc::unauthenticated, Errc::permission_denied,
                          Errc::not_found, Errc::gone, Errc::exhausted, Errc::unsupported})
    if (traits(code).http_status == status)
      return fail(code, "session: its node " + node.id + " refused the connection", "nodes");
  return as_ours(node, error);
}

asio::awaitable<void> pass_body(std::shared_ptr<net::HttpStream> stream, CancelSource stopping,
                                Context& ctx, net::BodyWriter& writer) {
  const CancelSource end = CancelSource::linked(ctx.cancel_source());
  const auto on_stop = stopping.on_cancel([end, stopping] { end.cancel(stopping.reason()); });
  Context until_stop = ctx.with_cancel(end);
  for (;;) {
    Context limited = until_stop.with_timeout(kPieceLimit, "answer of another node");
    auto piece = co_await stream->read(limited);
    if (!piece || piece->empty()) co_return;
    const auto written = co_await writer.write(ctx, std::move(*piece));
    if (!written) co_return;
  }
}

// One direction, until `from` ends; then `to` is closed the same way.
asio::awaitable<void> pump(Context ctx, net::WebSocket& from, net::WebSocket& to) {
  for (;;) {
    const auto piece = from.next();
    if (!piece) break;
    if (!*piece) {
      const auto flushed = co_await to.flush(ctx);
      if (!flushed) break;
      const auto received = co_await from.receive(ctx);
      if (!received) break;
      continue;
    }
    if ((*piece)->begins_frame()) to.begin_frame((*piece)->opcode, (*piece)->fin, (*piece)->length);
    to.append((*piece)->data);
  }
  const int code = from.peer_close_code();
  if (code == 0)
    to.close(1011, "the connection between two nodes broke");
  else
    to.close(code == 1005 ? 1000 : code, from.peer_close_reason());
}

asio::awaitable<void> watch(Context ctx, net::WebSocket& client, net::WebSocket& node) {
  for (;;) {
    if (!co_await sleep_for(ctx, kPingEvery)) co_return;
    for (net::WebSocket* socket : {&client, &node}) {
      if (ctx.clock().now() - socket->heard_at() > kSilenceMax) socket->abort();
      socket->ping();
    }
  }
}

asio::awaitable<void> relay_until(CancelSource stopping, Context& ctx, net::WebSocket& client,
                                  std::shared_ptr<net::WebSocket> node) {
  const auto on_stop = stopping.on_cancel([&client, node] {
    client.close(1001, "service is shutting down");
    node->close(1000, {});
  });
  co_await relay(ctx, client, *node);
}

}  // namespace

std::string without_api_key(std::string_view target) {
  constexpr std::string_view name = "apiKey=";
  const auto question = target.find('?');
  if (question == std::string_view::npos) return std::string(target);
  std::string kept(target.substr(0, question));
  std::string_view rest = target.substr(question + 1);
  char before = '?';
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    if (part.starts_with(name)) continue;
    kept += before + std::string(part);
    before = '&';
  }
  return kept;
}

asio::awaitable<void> relay(Context& ctx, net::WebSocket& client, net::WebSocket& node) {
  const CancelSource over = CancelSource::linked(ctx.cancel_source());
  Context watching = ctx.with_cancel(over);
  Scope scope(ctx.executor());
  scope.spawn("relay watch", watch(watching, client, node));
  scope.spawn("relay answers", pump(ctx, node, client));
  co_await pump(ctx, client, node);
  over.cancel(fail(Errc::cancelled, "relay: ended"));
  Context unbounded = ctx.for_cleanup(std::chrono::seconds(10), "relay: its end");
  const auto joined = co_await scope.join(unbounded);
  if (joined) co_return;
  node.abort();
  client.abort();
  Context last(ctx.clock(), ctx.executor());
  (void)co_await scope.join(last);
}

Forwarder::Forwarder(Nodes& nodes) : nodes_(nodes) {}

net::Headers Forwarder::headers_for(const net::HttpRequest& request, const Node& node) const {
  net::Headers headers{{std::string(Nodes::kHeader), nodes_.token_for(node.id)},
                       {std::string(kClientHostHeader), std::string(request.header("host"))},
                       {std::string(services::kViaHeader),
                        services::via_from_here(request.header(services::kViaHeader))}};
  for (const auto& [name, value] : request.headers)
    if (is_in(kPassedOn, name)) headers.emplace_back(name, value);
  return headers;
}

Async<net::HttpResponse> Forwarder::send(Context& ctx, const net::HttpRequest& request,
                                         const Node& node, CancelSource stopping) {
  CO_TRY(const auto content, request.content());
  net::HttpCall call{.method = request.method,
                     .url = node.url + without_api_key(request.target),
                     .headers = headers_for(request, node),
                     .body = std::string(content)};
  Context limited = ctx.with_timeout(kHeadLimit, "answer of another node");
  auto opened = co_await client_->open(limited, std::move(call));
  if (!opened) co_return as_ours(node, opened.error());
  const std::shared_ptr<net::HttpStream> stream = std::move(*opened);
  const net::HttpReply& head = stream->head();
  if (head.status == kMisdirected) co_return silent(node, "another one is there");
  net::HttpResponse response{
      .status = head.status, .content_type = std::string(head.header("content-type")), .body = {}};
  for (const auto& [name, value] : head.headers)
    if (!is_in(kKept, name) && name != "cache-control") response.headers.emplace_back(name, value);
  if (request.method == "HEAD" || head.status == 204 || head.status == 304) co_return response;
  const auto length = length_of(head);
  if (!length || *length > kWholeBytesMax) {
    response.stream = [stream, stopping](Context& streaming, net::BodyWriter& writer) {
      return pass_body(stream, stopping, streaming, writer);
    };
    co_return response;
  }
  for (;;) {
    auto piece = co_await stream->read(limited);
    if (!piece) co_return as_ours(node, piece.error());
    if (piece->empty()) co_return response;
    response.body += *piece;
  }
}

Async<net::HttpResponse> Forwarder::connect(Context& ctx, const net::HttpRequest& request,
                                            const Node& node, CancelSource stopping) {
  int status = 0;
  net::WebSocketConnectOptions options{.headers = headers_for(request, node), .ca_file = {}};
  options.declined_with = &status;
  // http → ws, https → wss
  std::string url = "ws" + node.url.substr(4) + without_api_key(request.target);
  Context limited = ctx.with_timeout(kDialLimit, "connecting to another node");
  auto dialled = co_await net::connect_websocket(limited, std::move(url), std::move(options));
  if (!dialled) co_return refusal(node, status, dialled.error());
  const std::shared_ptr<net::WebSocket> upstream = std::move(*dialled);
  net::HttpResponse response;
  response.upgrade = [upstream, stopping](Context& upgraded, net::WebSocket& socket) {
    return relay_until(stopping, upgraded, socket, upstream);
  };
  co_return response;
}

Async<void> Forwarder::post(Context& ctx, std::string path, std::string body, const Node& node) {
  net::HttpCall call{.method = "POST",
                     .url = node.url + path,
                     .headers = {{std::string(Nodes::kHeader), nodes_.token_for(node.id)},
                                 {"content-type", "application/json"}},
                     .body = std::move(body)};
  const auto reply = co_await client_->send(ctx, std::move(call));
  if (!reply) co_return as_ours(node, reply.error());
  if (reply->status / 100 == 2) co_return Result<void>{};
  co_return silent(node, "HTTP " + std::to_string(reply->status));
}

}  // namespace troupe::api
