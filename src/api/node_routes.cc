#include "api/node_routes.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "net/url.h"

namespace troupe::api {
namespace {

constexpr std::string_view kSession = "/v1/sessions/{id}";
constexpr std::string_view kLive = "/live/";
constexpr std::string_view kId = "{id}";
// The last one: a session that begins with a context or an extension.
constexpr std::array kInAFolder = std::to_array<std::string_view>(
    {"/v1/downloads/{id}", "/v1/contexts/{id}", "/v1/extensions/{id}", "/v1/certificates/{id}",
     "/v1/sessions"});

}  // namespace

std::string session_asked_for(const Route& route, const net::HttpRequest& request) {
  const std::string_view path = route.operation->path;
  const bool live = path.starts_with(kLive) && path.find(kId) != std::string_view::npos;
  if (path.starts_with(kSession) || live) return route.path_values[0];
  if (path != "/v1/downloads") return {};
  const std::string* id = request.query_value("sessionId");
  return id ? *id : std::string();
}

bool may_be_anothers(const Operation& operation) {
  return std::ranges::find(kInAFolder, operation.path) != kInAFolder.end();
}

bool is_for_probes(const Operation* operation) {
  return operation && operation->access == Access::open && !operation->path.starts_with(kLive);
}

Error gone_with_node(const RemoteSession& session) {
  const std::string id(find_string(session.shown, "id").value_or(""));
  return fail(Errc::gone, "session " + id + ": has ended with its node " + session.node_id, "nodes",
              "create a new one");
}

Result<net::HttpResponse> gone_answer(const Operation& operation, const RemoteSession& session) {
  if (operation.path != kSession) return gone_with_node(session);
  if (operation.method == "DELETE") return net::HttpResponse{.status = 204, .content_type = {}};
  return json_response(session.shown);
}

void take_client_host(net::HttpRequest& request) {
  const std::string client(request.header("x-troupe-host"));
  for (auto& [name, value] : request.headers)
    if (name == "host" && !client.empty()) value = client;
}

Result<void> check_node_url(const std::string& url) {
  const auto parsed = net::parse_url(url);
  const bool plain = parsed && (parsed->scheme == "http" || parsed->scheme == "https") &&
                     parsed->target == "/" && parsed->user_info.empty();
  if (plain) return {};
  return fail(Errc::invalid_argument,
              "node_url: '" + url.substr(0, 200) + "' is not like http://10.0.0.7:8000",
              "settings");
}

std::string default_node_url(const std::string& host, int port) {
  std::string name = host;
  if (host.empty() || host == "0.0.0.0" || host == "::") {
    std::array<char, 256> machine{};
    if (gethostname(machine.data(), machine.size() - 1) == 0) name = machine.data();
  }
  const bool six = name.find(':') != std::string::npos;
  return "http://" + (six ? "[" + name + "]" : name) + ":" + std::to_string(port);
}

}  // namespace troupe::api
