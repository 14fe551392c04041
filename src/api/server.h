// The REST API over an engine: routes, access, errors, request log.
#pragma once

#include <memory>
#include <string>

#include "api/access_rules.h"
#include "api/devtools_frontend.h"
#include "api/forward.h"
#include "api/gateway.h"
#include "api/service.h"
#include "api/upstream.h"
#include "base/random.h"
#include "net/http_server.h"

namespace troupe::api {

/// Threads: engine.
class ApiServer final {
 public:
  /// Listens on `host`:`port` (0: any free port). `engine` must live until stop() ended.
  /// Errors: invalid_argument (host, port, a key), unavailable (address in use), permission_denied.
  static Result<std::unique_ptr<ApiServer>> start(engine::Engine& engine,
                                                  asio::any_io_executor executor, std::string host,
                                                  int port);
  /// The same over any services.
  static Result<std::unique_ptr<ApiServer>> start(Services services, asio::any_io_executor executor,
                                                  std::string host, int port);
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;
  ~ApiServer();

  int port() const { return server_->port(); }
  Gateway& gateway() { return gateway_; }
  /// Ends schedules and webhooks; called before the engine is closed.
  asio::awaitable<void> stop_automation();
  /// Ends event streams, lets running requests end until the context's deadline, then cancels them.
  Async<void> stop(Context& ctx);

 private:
  ApiServer(Services services, AccessRules access, asio::any_io_executor executor);
  Result<void> reach_upstream();
  Result<void> listen(asio::any_io_executor executor, std::string host, int port);
  static asio::awaitable<net::HttpResponse> handle(ApiServer& server, Context& ctx,
                                                   net::HttpRequest request);
  struct Exchange;
  Async<net::HttpResponse> perform(Context& ctx, Exchange& exchange);
  Async<net::HttpResponse> call(Context& ctx, Exchange& exchange);
  Async<net::HttpResponse> handle_here(Context& ctx, Exchange& exchange, json::object body);
  Async<net::HttpResponse> connect(Context& ctx, const Exchange& exchange);
  Async<std::optional<RemoteSession>> elsewhere(Context& ctx, std::string session_id);
  Async<std::optional<Node>> node_of_events(Context& ctx, const Exchange& exchange);
  Async<net::HttpResponse> ask_the_others(Context& ctx, const Exchange& exchange,
                                          Result<net::HttpResponse> own);
  Result<void> meet(Exchange& exchange) const;
  std::optional<UpstreamRoute> way_upstream(const net::HttpRequest& request) const;
  net::HttpResponse finish(Exchange& exchange, Result<net::HttpResponse> result) const;
  void join_nodes(const std::string& host);
  void write_log(const Exchange& exchange, int status, const Error* error) const;

  /// Adapters of an engine, of a type that only engine_service.cc knows; nobody else owns them.
  std::shared_ptr<void> adapters_;
  Services services_;
  AccessRules access_;
  std::unique_ptr<Upstream> upstream_;  ///< Null: no key for the real Browserbase.
  Random random_ = Random::from_system();
  CancelSource stopping_;
  std::unique_ptr<Forwarder> forwarder_;  ///< Null: there are no other nodes.
  Gateway gateway_;
  DevtoolsFrontend devtools_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace troupe::api
