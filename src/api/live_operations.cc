// Live view: who may see and drive a session in a browser, and the pages that do it. The pages are
// ours (assets/live/); the pictures come over the gateway.
#include <algorithm>

#include "api/devtools_frontend.h"
#include "api/gateway.h"
#include "api/live_pages.h"
#include "api/operations.h"
#include "base/assets.h"

namespace troupe::api {
namespace {

constexpr std::int64_t kLifeSecondsMax = 21'600;
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kAssetTypes = {
    {{".js", "text/javascript; charset=utf-8"},
     {".css", "text/css; charset=utf-8"},
     {".svg", "image/svg+xml"}}};

// Only our own files run; pictures arrive as data. Other sites may embed the page.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'";

net::HttpResponse page_response(std::string_view asset) {
  net::HttpResponse response;
  response.content_type = "text/html; charset=utf-8";
  response.body = assets::get(asset);
  response.headers.emplace_back("Content-Security-Policy", kPolicy);
  // The address holds a key.
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

// An address that a browser would try for the page's icon.
std::string favicon_of(const std::string& url) {
  const auto scheme = url.find("://");
  if (scheme == std::string::npos || !url.starts_with("http")) return "data:,";
  return url.substr(0, url.find_first_of("/?#", scheme + 3)) + "/favicon.ico";
}

}  // namespace

Result<KeyClaim> live_claim(const Call& call) {
  const std::string* key = call.request.query_value("key");
  if (!key) return fail(Errc::unauthenticated, "request: no key in the query");
  TRY(auto claim, call.services.gateway->keys().check(*key, call.services.clock.wall()));
  if (claim.session_id != call.path_values[0])
    return fail(Errc::permission_denied, "key: is for another session");
  return claim;
}

Result<Session> live_session(const Call& call, const std::string& id) {
  TRY(auto session, call.services.sessions.find(id));
  if (session.state == SessionState::releasing || session.state == SessionState::ended)
    return fail(Errc::gone, "session " + id + ": has ended (" +
                                std::string(to_string(session.end_reason)) + ")");
  return session;
}

Async<net::HttpResponse> session_debug(Context& ctx, const Call& call) {
  std::string id = call.path_values[0];
  CO_TRY(const auto life,
         query_number(call.request, "expiresIn", 1, kLifeSecondsMax, kLifeSecondsMax));
  CO_TRY(const auto session, live_session(call, id));
  Gateway& gateway = *call.services.gateway;
  CO_TRY(const auto pages, co_await gateway.pages(ctx, id));
  const auto endpoint = co_await call.services.sessions.endpoint(ctx, std::move(id));
  const bool has_devtools = endpoint && DevtoolsFrontend::is_served_by(*endpoint);
  const WallTime expires =
      std::min(session.expires_at, call.services.clock.wall() + std::chrono::seconds(life));
  const std::string key = gateway.keys().sign({session.id, KeyScope::control, expires});
  const std::string full = gateway.keys().sign({session.id, KeyScope::connect, expires});
  const std::string base = Gateway::base_url(call.request, "http");
  const std::string sockets = Gateway::base_url(call.request, "ws");
  json::array list;
  for (const LivePage& page : pages) {
    const std::string place = session.id + "/" + page.target_id + "?key=" + key;
    const std::string socket =
        sockets + "/debug/" + session.id + "/devtools/page/" + page.target_id + "?key=" + full;
    json::object row{{"id", page.target_id},
                     {"url", page.url},
                     {"faviconUrl", favicon_of(page.url)},
                     {"title", page.title},
                     {"debuggerUrl", base + "/live/pages/" + place},
                     {"debuggerFullscreenUrl", base + "/live/pages/" + place + "&navbar=false"},
                     {"wsUrl", socket}};
    if (has_devtools)
      row["devtoolsUrl"] =
          base + DevtoolsFrontend::address(session.id, socket.substr(socket.find("://") + 3),
                                           sockets.starts_with("wss"));
    list.push_back(std::move(row));
  }
  const std::string all = base + "/live/sessions/" + session.id + "?key=" + key;
  co_return json_response({{"debuggerUrl", all},
                           {"debuggerFullscreenUrl", all + "&navbar=false"},
                           {"wsUrl", sockets + "/?signingKey=" + full},
                           {"pages", std::move(list)}});
}

Async<net::HttpResponse> session_logs(Context&, const Call& call) {
  const std::string& id = call.path_values[0];
  CO_TRY_VOID(call.services.sessions.find(id));
  const SessionTrace* trace = call.services.gateway->trace(id);
  co_return json_response(trace ? trace->entries(id) : json::array());
}

Async<net::HttpResponse> live_page(Context&, const Call& call) {
  CO_TRY_VOID(live_claim(call));
  co_return page_response("live/live.html");
}

Async<net::HttpResponse> replay_page(Context&, const Call& call) {
  CO_TRY_VOID(live_claim(call));
  co_return page_response("live/replay.html");
}

Async<net::HttpResponse> live_asset(Context&, const Call& call) {
  const std::string& name = call.path_values[0];
  const auto type =
      std::ranges::find_if(kAssetTypes, [&](const auto& row) { return name.ends_with(row.first); });
  const std::string path = "live/" + name;
  if (type == kAssetTypes.end() || !assets::has(path))
    co_return fail(Errc::not_found, "asset: '" + name.substr(0, 64) + "' is not known");
  net::HttpResponse response;
  response.content_type = type->second;
  response.body = assets::get(path);
  response.headers.emplace_back("Cache-Control", "max-age=300");
  co_return response;
}

Async<net::HttpResponse> live_state(Context& ctx, const Call& call) {
  CO_TRY(const auto claim, live_claim(call));
  CO_TRY_VOID(live_session(call, claim.session_id));
  CO_TRY(const auto pages, co_await call.services.gateway->pages(ctx, claim.session_id));
  json::array list;
  for (const LivePage& page : pages)
    list.push_back({{"id", page.target_id}, {"url", page.url}, {"title", page.title}});
  net::HttpResponse response =
      json_response({{"pages", std::move(list)}, {"controls", claim.scope != KeyScope::view}});
  response.headers.emplace_back("Cache-Control", "no-store");
  co_return response;
}

}  // namespace troupe::api
