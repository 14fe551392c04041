// Operations on sessions. Paths, bodies and codes are those of the Browserbase API; ours are more
// members.
#include <algorithm>
#include <array>

#include "api/gateway.h"
#include "api/nodes.h"
#include "api/operations.h"
#include "api/session_body.h"
#include "api/session_query.h"
#include "services/via.h"
#include "sessions/certificate_store.h"
#include "sessions/context_store.h"
#include "sessions/extension_store.h"

namespace troupe::api {
namespace {

constexpr auto kTellLimit = std::chrono::seconds(3);
constexpr std::array<std::string_view, 3> kIsolations = {"context", "reuse", "process"};
constexpr std::array<std::string_view, 1> kRelease = {"REQUEST_RELEASE"};
constexpr std::array<std::string_view, 5> kStatuses = {"PENDING", "RUNNING", "ERROR", "TIMED_OUT",
                                                       "COMPLETED"};

constexpr Field kSessionFields[] = {
    {"projectId", FieldType::string, "Whose it is; the service's project when not given."},
    {"timeout", FieldType::integer, "Longest life in seconds.", false, 1, 21'600},
    {"keepAlive", FieldType::boolean, "Stays when its last CDP client leaves."},
    {"region", FieldType::string, "Where, at a remote provider; kept and shown."},
    {"userMetadata", FieldType::object, "Free metadata; at most 4 KiB."},
    {"browserSettings", FieldType::object,
     "viewport {width, height}, context {id, persist}, extensionId, blockAds, allowedDomains, "
     "ignoreCertificateErrors, recordSession, logSession, solveCaptchas; ours: deniedDomains, "
     "domainsCoverResources, blockedResources, userAgent, locale, timezone, extraHeaders."},
    {"proxies", FieldType::any,
     "true, or a list of {type: browserbase|external|none, server, domainPattern, username, "
     "password, geolocation}."},
    {"proxySettings", FieldType::object, "caCertificates: ids of uploaded certificates."},
    {"extensionId", FieldType::string, "An uploaded extension that it starts with."},
    {"provider", FieldType::string, "Who makes the session; the service's default when not given."},
    {"isolation", FieldType::string, "How separate the session is.", false, 0, 0, kIsolations},
    {"tenant", FieldType::string, "For whom; sessions are never shared between tenants."},
    {"site", FieldType::string, "Site profile it is meant for."},
};
constexpr Field kUpdateFields[] = {
    {"status", FieldType::string, "REQUEST_RELEASE", true, 0, 0, kRelease},
    {"projectId", FieldType::string, "Accepted for compatibility."},
};

Async<void> release(Context& ctx, const Call& call) {
  std::string id = call.path_values[0];
  co_return co_await call.services.sessions.release(ctx, std::move(id));
}

// What the session refers to must be there before a browser is started for it.
Result<void> check_references(const Services& services, const SessionSpec& spec) {
  if (spec.provider != "local") return {};  // other providers have their own
  if (!spec.context_id.empty() && services.stores.contexts)
    TRY_VOID(services.stores.contexts->find(spec.context_id));
  if (!spec.extension_id.empty() && services.stores.extensions)
    TRY_VOID(services.stores.extensions->find(spec.extension_id));
  if (!services.stores.certificates) return {};
  for (const std::string& id : spec.ca_certificates)
    TRY_VOID(services.stores.certificates->find(id));
  return {};
}

// With the addresses that a CDP client needs, while it has any.
json::object with_connection(const Call& call, const Session& session) {
  json::object object = session_object(session);
  call.services.gateway->add_connection(object, call.request, session);
  return object;
}

}  // namespace

std::span<const Field> session_fields() { return kSessionFields; }
std::span<const Field> session_update_fields() { return kUpdateFields; }

Async<net::HttpResponse> create_session(Context& ctx, const Call& call) {
  CO_TRY(auto spec, session_spec(call.body, call.services.settings));
  spec.via = call.request.header(services::kViaHeader);
  CO_TRY_VOID(check_references(call.services, spec));
  CO_TRY(const auto session, co_await call.services.sessions.create(ctx, std::move(spec)));
  if (call.services.nodes) {
    // The next request may reach another node. It works without, on this one.
    Context limited = ctx.with_timeout(kTellLimit, "telling the other nodes");
    (void)co_await call.services.nodes->told(limited, session.id);
  }
  json::object object = with_connection(call, session);
  net::HttpResponse response = json_response(object, 201);
  response.headers.emplace_back("Location", "/v1/sessions/" + session.id);
  co_return response;
}

Async<net::HttpResponse> list_sessions(Context& ctx, const Call& call) {
  const std::string* status = call.request.query_value("status");
  if (status && std::ranges::find(kStatuses, *status) == kStatuses.end())
    co_return fail(Errc::invalid_argument,
                   "status: '" + status->substr(0, 64) +
                       "' is not one of PENDING, RUNNING, ERROR, TIMED_OUT, COMPLETED",
                   "query");
  std::optional<MetadataQuery> query;
  if (const std::string* text = call.request.query_value("q")) {
    CO_TRY(query, parse_metadata_query(*text));
  }
  std::vector<std::pair<std::int64_t, json::object>> rows;
  std::vector<Session> sessions = call.services.sessions.list();
  std::ranges::sort(sessions, std::greater<>(), &Session::created_at);
  for (const Session& session : sessions) {
    if (status && status_of(session) != *status) continue;
    if (query && !query->fits(session.user_context)) continue;
    rows.emplace_back(to_unix_ms(session.created_at), session_object(session));
  }
  if (call.services.nodes) {
    CO_TRY(auto remote, co_await call.services.nodes->sessions(ctx));
    for (RemoteSession& session : remote) {
      const json::value* metadata = find(session.shown, "userMetadata");
      if (status && find_string(session.shown, "status") != *status) continue;
      if (query && (!metadata || !metadata->is_object() || !query->fits(metadata->get_object())))
        continue;
      rows.emplace_back(session.created_ms, std::move(session.shown));
    }
  }
  std::ranges::stable_sort(rows, std::greater<>(), [](const auto& row) { return row.first; });
  json::array list;
  for (auto& [created, object] : rows) list.push_back(std::move(object));
  co_return json_response(list);
}

Async<net::HttpResponse> get_session(Context&, const Call& call) {
  CO_TRY(const auto session, call.services.sessions.find(call.path_values[0]));
  co_return json_response(with_connection(call, session));
}

Async<net::HttpResponse> update_session(Context& ctx, const Call& call) {
  CO_TRY_VOID(co_await release(ctx, call));
  co_return co_await get_session(ctx, call);
}

Async<net::HttpResponse> delete_session(Context& ctx, const Call& call) {
  CO_TRY_VOID(co_await release(ctx, call));
  co_return net::HttpResponse{.status = 204, .content_type = {}};
}

}  // namespace troupe::api
