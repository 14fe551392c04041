#include "sessions/testing_devtools.h"

namespace troupe::sessions {
namespace {

constexpr std::string_view kPath = "/devtools/browser/";

json::object page_info(const std::string& id) {
  return {{"targetId", id},       {"type", "page"},   {"title", ""},
          {"url", "about:blank"}, {"attached", true}, {"canAccessOpener", false}};
}

void send(net::WebSocket& socket, const json::object& message) {
  socket.queue(net::Opcode::text, json::serialize(message));
  socket.send_queued();
}

}  // namespace

std::unique_ptr<DevtoolsStub> DevtoolsStub::start(asio::any_io_executor executor, Clock& clock) {
  auto stub = std::make_unique<DevtoolsStub>();
  stub->restart();
  net::HttpServerOptions options;
  options.connections_max = 4'096;
  auto server = net::HttpServer::start(std::move(executor), clock, options,
                                       [self = stub.get()](Context&, net::HttpRequest request) {
                                         return self->handle(std::move(request));
                                       });
  stub->server_ = std::move(server.value());
  return stub;
}

Async<void> DevtoolsStub::stop(Context& ctx) {
  hang_up();
  co_return co_await server_->stop(ctx);
}

std::string DevtoolsStub::address() const {
  return "http://127.0.0.1:" + std::to_string(server_->port());
}

std::string DevtoolsStub::url(const std::string& browser) const {
  return "ws://127.0.0.1:" + std::to_string(server_->port()) + std::string(kPath) + browser;
}

void DevtoolsStub::add(const std::string& browser) {
  browsers_[browser].pages.insert("PAGE" + std::to_string(++number_));
}

void DevtoolsStub::remove(const std::string& browser) {
  const auto found = browsers_.find(browser);
  if (found == browsers_.end()) return;
  const auto clients = found->second.clients;
  browsers_.erase(found);
  for (net::WebSocket* client : clients) client->abort();
}

void DevtoolsStub::restart() {
  remove(browser_);
  browser_ = "stub-" + std::to_string(++number_);
  add(browser_);
}

void DevtoolsStub::hang_up() {
  for (auto& [id, browser] : browsers_)
    for (net::WebSocket* client : std::set(browser.clients)) client->abort();
}

std::size_t DevtoolsStub::clients() const {
  std::size_t count = 0;
  for (const auto& [id, browser] : browsers_) count += browser.clients.size();
  return count;
}

int DevtoolsStub::count(const std::string& method) const {
  const auto found = counts_.find(method);
  return found == counts_.end() ? 0 : found->second;
}

asio::awaitable<net::HttpResponse> DevtoolsStub::handle(net::HttpRequest request) {
  net::HttpResponse response;
  if (request.path == "/json/version") {
    response.body = json::serialize(json::object{{"webSocketDebuggerUrl", url(browser_)}});
    co_return response;
  }
  std::string browser;
  if (request.path.starts_with(kPath)) browser = request.path.substr(kPath.size());
  if (!browsers_.contains(browser)) co_return net::HttpResponse{.status = 404};
  response.upgrade = [this, browser](Context& ctx, net::WebSocket& socket) {
    return serve(ctx, socket, browser);
  };
  co_return response;
}

asio::awaitable<void> DevtoolsStub::serve(Context& ctx, net::WebSocket& socket,
                                          std::string browser) {
  if (!browsers_.contains(browser)) co_return;
  browsers_[browser].clients.insert(&socket);
  ++connected_;
  for (;;) {
    const auto message = co_await socket.read(ctx, 16 << 20);
    const auto found = browsers_.find(browser);
    if (!message || found == browsers_.end()) break;
    const auto command = parse_json(message->data, "command");
    if (!silent_ && command && command->is_object())
      answer(socket, found->second, command->get_object());
  }
  const auto found = browsers_.find(browser);
  if (found != browsers_.end()) found->second.clients.erase(&socket);
}

void DevtoolsStub::answer(net::WebSocket& socket, Browser& browser, const json::object& command) {
  ++counts_[std::string(find_string(command, "method").value_or(""))];
  json::object reply{{"id", find_int(command, "id").value_or(0)}};
  reply["result"] = result_of(socket, browser, command);
  if (const auto session = find_string(command, "sessionId")) reply["sessionId"] = *session;
  send(socket, reply);
}

json::object DevtoolsStub::result_of(net::WebSocket& socket, Browser& browser,
                                     const json::object& command) {
  const auto method = find_string(command, "method").value_or("");
  const auto* given = find(command, "params");
  const json::object params = given && given->is_object() ? given->get_object() : json::object();
  const std::string target(find_string(params, "targetId").value_or(""));
  const std::string number = std::to_string(++number_);
  if (method == "Browser.getVersion") return {{"product", "Stub/1"}};
  if (method == "Target.createBrowserContext") return {{"browserContextId", "CONTEXT" + number}};
  if (method == "Target.getTargets") {
    json::array infos;
    for (const auto& page : browser.pages) infos.push_back(page_info(page));
    return {{"targetInfos", std::move(infos)}};
  }
  if (method == "Target.createTarget") {
    browser.pages.insert("PAGE" + number);
    return {{"targetId", "PAGE" + number}};
  }
  if (method == "Target.attachToTarget") {
    const json::object event{{"sessionId", "SESSION" + number}, {"targetInfo", page_info(target)}};
    send(socket, {{"method", "Target.attachedToTarget"}, {"params", event}});
    return {{"sessionId", "SESSION" + number}};
  }
  if (method == "Target.closeTarget") return {{"success", browser.pages.erase(target) > 0}};
  return {};
}

}  // namespace troupe::sessions
