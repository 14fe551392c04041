#include "api/devtools_frontend.h"

#include <algorithm>

#include "net/url.h"

namespace troupe::api {
namespace {

constexpr Duration kTimeout = std::chrono::seconds(10);
constexpr std::string_view kLocal = "ws://127.0.0.1:";

bool is_file_name(std::string_view path) {
  return !path.empty() && path.size() <= 256 && path.find("..") == std::string_view::npos &&
         path.find("//") == std::string_view::npos &&
         std::ranges::all_of(path, [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '.' || c == '/' || c == '-' || c == '_';
         });
}

}  // namespace

DevtoolsFrontend::DevtoolsFrontend(SessionService& sessions)
    : sessions_(sessions), client_(net::HttpClient::create()) {}

bool DevtoolsFrontend::is_served_by(std::string_view endpoint) {
  return endpoint.starts_with(kLocal) && endpoint.find("/devtools/browser/") != std::string::npos;
}

std::string DevtoolsFrontend::address(std::string_view session_id, std::string_view socket,
                                      bool secure) {
  return std::string(kPrefix) + std::string(session_id) + "/inspector.html?" +
         (secure ? "wss=" : "ws=") + net::percent_encode(socket);
}

Async<net::HttpResponse> DevtoolsFrontend::file(Context& ctx, const net::HttpRequest& request) {
  const std::string_view rest = std::string_view(request.path).substr(kPrefix.size());
  const auto slash = rest.find('/');
  const std::string_view name = slash == rest.npos ? "" : rest.substr(slash + 1);
  if (request.method != "GET" || !is_file_name(name))
    co_return fail(Errc::not_found, "path: " + request.path + " is not known");
  std::string id(rest.substr(0, slash));
  Context limited = ctx.with_timeout(kTimeout, "DevTools pages");
  CO_TRY(const std::string endpoint, co_await sessions_.endpoint(limited, std::move(id)));
  if (!is_served_by(endpoint))
    co_return fail(Errc::unsupported, "session: its browser serves no DevTools pages here");
  const auto end = endpoint.find('/', kLocal.size());
  net::HttpCall call;
  call.url = "http" + endpoint.substr(2, end - 2) + "/devtools/" + std::string(name);
  CO_TRY(auto reply, co_await client_->send(limited, std::move(call)));
  if (reply.status != 200 || reply.body.empty())
    co_return fail(Errc::not_found, "DevTools: the browser has no file " + std::string(name));
  net::HttpResponse response;
  response.content_type = reply.header("content-type");
  response.body = std::move(reply.body);
  response.headers.emplace_back("Cache-Control", "private, max-age=3600");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  co_return response;
}

}  // namespace troupe::api
