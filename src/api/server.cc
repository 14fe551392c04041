#include "api/server.h"

#include "api/node_events.h"
#include "api/node_routes.h"
#include "api/operations.h"
#include "api/request_ids.h"
#include "api/router.h"
#include "net/websocket_handshake.h"
#include "services/via.h"
#include "tasks/scheduler.h"
#include "tasks/webhooks.h"

namespace troupe::api {

/// One request on its way.
struct ApiServer::Exchange {
  net::HttpRequest request;
  SteadyTime began;
  std::string trace_id;
  std::string request_id;
  std::string key_name;
  Route route;
  bool from_node = false;  ///< Another node has let it in and asks this one.
  int status = 0;          ///< A status that only HTTP knows; 0: the error table's.
};

namespace {

bool is_read(std::string_view method) { return method == "GET" || method == "HEAD"; }

Result<json::object> body_of(const Operation& operation, const std::string& text) {
  if (operation.body.empty()) return json::object();
  json::value value = json::object();
  if (text.find_first_not_of(" \t\r\n") != std::string::npos) {
    TRY(value, parse_json(text, "request body"));
  }
  if (!value.is_object())
    return fail(Errc::invalid_argument,
                "request body: is " + std::string(type_name(value)) + ", not an object");
  json::object body = std::move(value.get_object());
  TRY_VOID(check_fields(body, operation.body, operation.unknown));
  return body;
}

// A key of one project acts for that one only, also when the request names none.
Result<void> bind_project(const Operation& operation, std::string_view project,
                          json::object& body) {
  if (project.empty()) return {};
  for (const char* name : {"projectId", "tenant"}) {
    const auto given = find_string(body, name);
    if (given && !given->empty() && *given != project)
      return fail(Errc::permission_denied,
                  std::string(name) + ": '" + std::string(given->substr(0, 64)) +
                      "' is not the project of this key",
                  "request body", "leave it out, or use that project's key");
    const bool taken =
        std::ranges::any_of(operation.body, [&](const Field& field) { return field.name == name; });
    if (taken) body[name] = project;
  }
  return {};
}

constexpr auto kOthersLimit = std::chrono::seconds(35);  // a session may have to be created

// A form with a file may be larger than other bodies: extensions of 100 MB, and their envelope.
constexpr std::int64_t kUploadBytesMax = 105'000'000;

net::HttpServerOptions server_options(const Settings& settings, std::string host, int port) {
  net::HttpServerOptions options;
  options.host = std::move(host);
  options.port = port;
  options.body_bytes_max = settings.request_bytes_max;
  options.connections_max = settings.connections_max;
  options.upload_bytes_max = std::max(kUploadBytesMax, settings.request_bytes_max);
  options.upload_folder = settings.data_dir;
  return options;
}

// What `seleniumRemoteUrl` of the contract names. A WebDriver client shows `value.message`.
bool is_webdriver(std::string_view path) {
  return path == "/webdriver" || path.starts_with("/webdriver/");
}

net::HttpResponse webdriver_refusal() {
  constexpr std::string_view message =
      "WebDriver is not spoken here: connect to connectUrl of the session with Playwright, "
      "Puppeteer or another DevTools client";
  const json::object value{
      {"error", "session not created"}, {"message", message}, {"stacktrace", ""}};
  json::object body{{"statusCode", 501}, {"error", "Not supported"}, {"message", message}};
  body["code"] = to_string(Errc::unsupported);
  body["value"] = value;
  net::HttpResponse response = json_response(body, 501);
  response.headers.emplace_back("x-should-retry", "false");
  return response;
}

GatewayOptions gateway_options(const Services& services) {
  const Settings& settings = services.settings;
  GatewayOptions options;
  options.files = services.stores.files;
  RecorderOptions& recorder = options.recorder;
  options.record_by_default = settings.record_sessions == "on";
  if (!settings.data_dir.empty()) recorder.dir = settings.data_dir + "/recordings";
  recorder.limits.kept = settings.recordings_kept;
  recorder.limits.bytes_kept = static_cast<std::uint64_t>(settings.recordings_bytes_kept);
  recorder.limits.recordings_kept = static_cast<std::size_t>(settings.recordings_max);
  recorder.video.encoder = settings.video_encoder;
  recorder.video.at_once = settings.video_encodings_max;
  if (!settings.data_dir.empty()) options.secret_file = settings.data_dir + "/connect.key";
  if (services.nodes) options.secret = services.nodes->secret_for("connect");
  return options;
}

}  // namespace

ApiServer::ApiServer(Services services, AccessRules access, asio::any_io_executor executor)
    : services_(std::move(services)),
      access_(std::move(access)),
      forwarder_(services_.nodes ? std::make_unique<Forwarder>(*services_.nodes) : nullptr),
      gateway_(services_.sessions, services_.clock, std::move(executor), services_.log, access_,
               gateway_options(services_)),
      devtools_(services_.sessions) {
  services_.gateway = &gateway_;
}

ApiServer::~ApiServer() = default;

Result<std::unique_ptr<ApiServer>> ApiServer::start(Services services,
                                                    asio::any_io_executor executor,
                                                    std::string host, int port) {
  TRY(auto access, AccessRules::create(services.settings.api_keys, host));
  std::unique_ptr<ApiServer> server(
      new ApiServer(std::move(services), std::move(access), executor));
  TRY_VOID(server->reach_upstream());
  if (const auto& url = server->services_.settings.node_url; !url.empty())
    TRY_VOID(check_node_url(url));
  TRY_VOID(server->listen(std::move(executor), host, port));
  server->gateway_.begin();
  server->join_nodes(host);
  return server;
}

Result<void> ApiServer::reach_upstream() {
  const Settings& settings = services_.settings;
  if (settings.browserbase_api_key.empty()) return {};
  Upstream::Options options{.base_url = settings.browserbase_base_url,
                            .api_key = settings.browserbase_api_key};
  net::HttpClientOptions client;
  TRY(client.proxy, net::proxy_rules(net::proxy_environment()));
  upstream_ =
      std::make_unique<Upstream>(std::move(options), net::HttpClient::create(std::move(client)));
  return {};
}

Result<void> ApiServer::listen(asio::any_io_executor executor, std::string host, int port) {
  auto handler = [this](Context& ctx, net::HttpRequest request) {
    return handle(*this, ctx, std::move(request));
  };
  auto options = server_options(services_.settings, host, port);
  options.is_upload = [this](const net::HttpRequest& request) {
    const Route route = find_route(request.method, request.target);
    return route.operation && route.operation->upload && access_.check(request);
  };
  TRY(server_, net::HttpServer::start(std::move(executor), services_.clock, std::move(options),
                                      std::move(handler)));
  const std::string_view access = access_.has_keys()    ? "key"
                                  : access_.is_locked() ? "health only: set api_keys"
                                                        : "this machine";
  services_.log.write(
      {}, {.level = access_.is_locked() ? observe::Level::warning : observe::Level::info,
           .action = "api.listen",
           .status = "ok",
           .details = {{"host", host}, {"port", server_->port()}, {"access", access}}});
  return {};
}

void ApiServer::join_nodes(const std::string& host) {
  if (!services_.nodes) return;
  const std::string& told = services_.settings.node_url;
  std::string url = told.empty() ? default_node_url(host, port()) : told;
  while (url.ends_with('/')) url.pop_back();
  const Node& self = services_.nodes->self();
  services_.log.write({}, {.action = "node.join",
                           .status = "ok",
                           .details = {{"node", self.id}, {"role", self.role}, {"url", url}}});
  services_.nodes->start(std::move(url));
}

asio::awaitable<void> ApiServer::stop_automation() {
  if (services_.schedules) co_await services_.schedules->stop();
  if (services_.webhooks) co_await services_.webhooks->stop();
}

Async<void> ApiServer::stop(Context& ctx) {
  co_await stop_automation();
  stopping_.cancel(fail(Errc::draining, "service: is shutting down"));
  gateway_.stop();
  auto stopped = co_await server_->stop(ctx);
  if (services_.nodes) co_await services_.nodes->stop();
  Context last = ctx.for_cleanup(std::chrono::seconds(2), "gateway: its last clients");
  CO_TRY_VOID(co_await gateway_.join(last));
  co_return stopped;
}

asio::awaitable<net::HttpResponse> ApiServer::handle(ApiServer& server, Context& ctx,
                                                     net::HttpRequest request) {
  Exchange exchange;
  exchange.began = server.services_.clock.now();
  exchange.request = std::move(request);
  exchange.trace_id = trace_id_of(exchange.request.header("traceparent"), server.random_);
  exchange.request_id = request_id_of(exchange.request.header("x-request-id"), server.random_);
  auto result = co_await server.perform(ctx, exchange);
  co_return server.finish(exchange, std::move(result));
}

net::HttpResponse ApiServer::finish(Exchange& exchange, Result<net::HttpResponse> result) const {
  const std::string& path = exchange.request.path;
  std::optional<Error> error;
  if (!result) error = result.error();
  net::HttpResponse response =
      result ? std::move(*result)
             : problem_response(*error, path, exchange.trace_id, exchange.status);
  if (response.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (!exchange.route.operation && !exchange.route.allow.empty() && response.status != 401 &&
      response.status != 403)
    response.headers.emplace_back("Allow", exchange.route.allow);
  // The official client cannot send a form a second time: it would hide this answer.
  const Operation* operation = exchange.route.operation;
  if (operation && operation->upload && response.status >= 400)
    response.headers.emplace_back("x-should-retry", "false");
  response.headers.emplace_back("X-Request-Id", exchange.request_id);
  if (path.starts_with("/v1/")) response.headers.emplace_back("Cache-Control", "no-store");
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  write_log(exchange, response.status, error ? &*error : nullptr);
  return response;
}

// Knows another node by its token.
Result<void> ApiServer::meet(Exchange& exchange) const {
  if (!services_.nodes) return {};
  const auto from_node = services_.nodes->is_from_node(exchange.request);
  if (!from_node) exchange.status = kMisdirected;
  TRY(exchange.from_node, from_node);
  if (exchange.from_node) take_client_host(exchange.request);
  return {};
}

Async<net::HttpResponse> ApiServer::perform(Context& ctx, Exchange& exchange) {
  const net::HttpRequest& request = exchange.request;
  exchange.route = find_route(request.method, request.target);
  const Operation* operation = exchange.route.operation;
  CO_TRY_VOID(meet(exchange));
  if (services_.settings.role == "worker" && !exchange.from_node && !is_for_probes(operation))
    co_return fail(Errc::not_found, "path: " + request.path + " is not served by a worker", {},
                   "ask a node with role api or all");
  if (is_webdriver(request.path)) co_return webdriver_refusal();
  CO_TRY_VOID(services::check_via(request.header(services::kViaHeader)));
  if (!operation && net::wants_websocket(request)) co_return co_await connect(ctx, exchange);
  if (!operation && request.path.starts_with(DevtoolsFrontend::kPrefix) && !access_.is_locked())
    co_return co_await devtools_.file(ctx, request);
  if (!exchange.from_node && (!operation || operation->access == Access::key)) {
    CO_TRY(exchange.key_name, access_.check(request));
  }
  if (exchange.from_node && request.path == kNodeEventsPath) {
    CO_TRY_VOID(take_node_events(request.body, services_.take_news));
    co_return net::HttpResponse{.status = 204, .content_type = {}};
  }
  if (auto route = way_upstream(request))
    co_return co_await upstream_->forward(ctx, request, std::move(*route));
  if (operation) {
    std::string bug;
    try {
      co_return co_await call(ctx, exchange);
    } catch (const std::exception& exception) {
      bug = exception.what();
    }
    co_return fail(Errc::internal, "request: " + bug, std::string(operation->id));
  }
  if (exchange.route.allow.empty())
    co_return fail(Errc::not_found, "path: " + request.path + " is not known", {},
                   "GET /openapi.json lists all");
  if (request.method == "OPTIONS") co_return net::HttpResponse{.status = 204, .content_type = {}};
  exchange.status = 405;
  co_return fail(Errc::invalid_argument,
                 "method: " + request.method + " is not one of " + exchange.route.allow);
}

std::optional<UpstreamRoute> ApiServer::way_upstream(const net::HttpRequest& request) const {
  if (!upstream_) return std::nullopt;
  const bool gateway = services_.settings.provider == "browserbase";
  return upstream_route(request.target, gateway, services_.sessions);
}

// Sessions that this node does not know may be another's. One hop: what a node asks for is here.
Async<std::optional<RemoteSession>> ApiServer::elsewhere(Context& ctx, std::string session_id) {
  if (session_id.empty() || services_.sessions.find(session_id))
    co_return std::optional<RemoteSession>();
  co_return co_await services_.nodes->find_session(ctx, std::move(session_id));
}

Async<net::HttpResponse> ApiServer::connect(Context& ctx, const Exchange& exchange) {
  const net::HttpRequest& request = exchange.request;
  if (services_.nodes && !exchange.from_node) {
    CO_TRY(std::string session_id, gateway_.session_of(request));
    CO_TRY(const auto remote, co_await elsewhere(ctx, std::move(session_id)));
    if (remote && !remote->node) co_return gone_with_node(*remote);
    if (remote) co_return co_await forwarder_->connect(ctx, request, *remote->node, stopping_);
  }
  co_return co_await gateway_.connect(ctx, request, exchange.from_node);
}

// The node that accepted a run has all of its events.
Async<std::optional<Node>> ApiServer::node_of_events(Context& ctx, const Exchange& exchange) {
  if (exchange.route.operation->id != "getRunEvents") co_return std::optional<Node>();
  const std::string& run_id = exchange.route.path_values[0];
  CO_TRY_VOID(co_await services_.runs.find(ctx, run_id));
  co_return services_.nodes->find_node(services_.runs.node_of(run_id));
}

// Its id does not say whose it is.
Async<net::HttpResponse> ApiServer::ask_the_others(Context& ctx, const Exchange& exchange,
                                                   Result<net::HttpResponse> own) {
  CO_TRY(const auto others, co_await services_.nodes->others_now(ctx));
  for (const Node& node : others) {
    Context limited = ctx.with_timeout(kOthersLimit, "answer of another node");
    auto answer = co_await forwarder_->send(limited, exchange.request, node, stopping_);
    if (answer && answer->status != 404) co_return answer;
  }
  co_return own;
}

Async<net::HttpResponse> ApiServer::call(Context& ctx, Exchange& exchange) {
  const Operation& operation = *exchange.route.operation;
  CO_TRY(auto body, body_of(operation, exchange.request.body));
  CO_TRY_VOID(bind_project(operation, access_.project_of(exchange.key_name), body));
  if (!services_.nodes || exchange.from_node)
    co_return co_await handle_here(ctx, exchange, std::move(body));
  std::string session_id = session_asked_for(exchange.route, exchange.request);
  CO_TRY(const auto remote, co_await elsewhere(ctx, std::move(session_id)));
  CO_TRY(auto node, co_await node_of_events(ctx, exchange));
  if (remote) node = remote->node;
  if (node) co_return co_await forwarder_->send(ctx, exchange.request, *node, stopping_);
  auto answer = co_await handle_here(ctx, exchange, std::move(body));
  const bool unknown = !answer && answer.error().code == Errc::not_found;
  if (unknown && remote) co_return gone_answer(operation, *remote);
  if (unknown && may_be_anothers(operation))
    co_return co_await ask_the_others(ctx, exchange, std::move(answer));
  co_return answer;
}

Async<net::HttpResponse> ApiServer::handle_here(Context& ctx, Exchange& exchange,
                                                json::object body) {
  const Operation& operation = *exchange.route.operation;
  const Call call{.services = services_,
                  .request = exchange.request,
                  .path_values = std::move(exchange.route.path_values),
                  .body = std::move(body),
                  .trace_id = exchange.trace_id,
                  .stopping = stopping_};
  co_return co_await operation.handler(ctx, call);
}

void ApiServer::write_log(const Exchange& exchange, int status, const Error* error) const {
  const bool read = is_read(exchange.request.method) || exchange.request.path == kNodeEventsPath;
  const observe::Level level = status >= 500 && status != 503 ? observe::Level::warning
                               : read                         ? observe::Level::debug
                                                              : observe::Level::info;
  if (!services_.log.enabled(level)) return;
  const auto elapsed =
      std::chrono::duration_cast<std::chrono::microseconds>(services_.clock.now() - exchange.began);
  observe::LogLine line{.level = level,
                        .action = "api.request",
                        .status = status < 400 ? "ok" : "failed",
                        .details = {},
                        .error = error};
  line.details = {{"method", exchange.request.method},
                  {"path", exchange.request.path},
                  {"http_status", status},
                  {"elapsed_us", elapsed.count()},
                  {"trace_id", exchange.trace_id},
                  {"request_id", exchange.request_id},
                  {"remote", exchange.request.remote_address}};
  if (!exchange.key_name.empty()) line.details.emplace_back("client", exchange.key_name);
  services_.log.write({}, line);
}

}  // namespace troupe::api
