#include "api/upstream.h"

#include <algorithm>
#include <array>

#include "services/via.h"

namespace troupe::api {
namespace {

constexpr std::string_view kSessions = "/v1/sessions/";
constexpr std::string_view kProvider = "browserbase";

// Of a session there: everything that its provider keeps of it. (Live view and end are ours.)
constexpr std::array kSessionParts = std::to_array<std::string_view>(
    {"logs", "recording", "recording/downloads", "replays", "downloads", "uploads"});

// In gateway mode: everything that is no session and no business of Troupe's own.
constexpr std::array kNouns = std::to_array<std::string_view>(
    {"/v1/contexts", "/v1/extensions", "/v1/certificates", "/v1/projects", "/v1/downloads",
     "/v1/fetch", "/v1/search", "/v1/agents", "/v1/functions", "/v1/secrets", "/v1/webhooks"});

constexpr std::array kPassedOn = std::to_array<std::string_view>({"accept", "content-type"});
constexpr std::array kPassedBack = std::to_array<std::string_view>(
    {"content-disposition", "location", "retry-after", "retry-after-ms", "x-should-retry",
     "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"});

// `path` is `prefix` itself or below it.
bool is_below(std::string_view path, std::string_view prefix) {
  return path.starts_with(prefix) && (path.size() == prefix.size() || path[prefix.size()] == '/');
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  if (from.empty() || from == to) return;
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

// A session of the upstream that Troupe knows, by its id at Troupe.
std::optional<Session> upstream_session(const SessionService& sessions, std::string_view id) {
  const auto session = sessions.find(std::string(id));
  if (!session || session->provider != kProvider) return std::nullopt;
  return *session;
}

// `sessionId=…` of a query; empty when there is none.
std::string_view session_in_query(std::string_view query) {
  constexpr std::string_view name = "sessionId=";
  while (!query.empty()) {
    const auto part = query.substr(0, query.find('&'));
    if (part.starts_with(name)) return part.substr(name.size());
    query.remove_prefix(std::min(part.size() + 1, query.size()));
  }
  return {};
}

UpstreamRoute route_of(std::string_view target, const Session& session) {
  UpstreamRoute route{
      .target = std::string(target),
      .session_id = session.id,
      .provider_id = session.provider_id.empty() ? session.id : session.provider_id};
  replace_all(route.target, route.session_id, route.provider_id);
  return route;
}

}  // namespace

std::optional<UpstreamRoute> upstream_route(std::string_view target, bool gateway,
                                            const SessionService& sessions) {
  const auto question = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, question);
  if (path.starts_with(kSessions)) {
    std::string_view rest = path.substr(kSessions.size());
    const auto slash = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(std::min(slash + 1, rest.size()));
    const bool fits = std::ranges::any_of(
        kSessionParts, [&](std::string_view name) { return is_below(part, name); });
    if (!fits) return std::nullopt;
    const auto session = upstream_session(sessions, rest.substr(0, slash));
    if (!session) return std::nullopt;
    return route_of(target, *session);
  }
  const bool fits =
      std::ranges::any_of(kNouns, [&](std::string_view noun) { return is_below(path, noun); });
  if (!gateway || !fits) return std::nullopt;
  const std::string_view id = session_in_query(
      target.substr(question).substr(std::min<std::size_t>(1, target.size() - question)));
  if (id.empty()) return UpstreamRoute{.target = std::string(target)};
  const auto session = upstream_session(sessions, id);
  if (!session) return std::nullopt;  // files of a session on this machine
  return route_of(target, *session);
}

Async<net::HttpResponse> Upstream::forward(Context& ctx, const net::HttpRequest& request,
                                           UpstreamRoute route) {
  CO_TRY(const auto content, request.content());
  net::HttpCall call{.method = request.method,
                     .url = options_.base_url + route.target,
                     .headers = {{"X-BB-API-Key", options_.api_key},
                                 {std::string(services::kViaHeader),
                                  services::via_from_here(request.header(services::kViaHeader))}},
                     .body = std::string(content),
                     .response_bytes_max = options_.response_bytes_max};
  for (const auto& [name, value] : request.headers)
    if (std::ranges::find(kPassedOn, name) != kPassedOn.end())
      call.headers.emplace_back(name, value);
  CO_TRY(auto reply, co_await client_->send(ctx, std::move(call)));
  net::HttpResponse response{.status = reply.status,
                             .content_type = std::string(reply.header("content-type")),
                             .body = std::move(reply.body)};
  for (auto& [name, value] : reply.headers)
    if (std::ranges::find(kPassedBack, name) != kPassedBack.end())
      response.headers.emplace_back(name, value);
  // An id is a UUID: it means nothing else in a text. Archives and videos are left alone.
  if (response.content_type.starts_with("application/json"))
    replace_all(response.body, route.provider_id, route.session_id);
  co_return response;
}

}  // namespace troupe::api
