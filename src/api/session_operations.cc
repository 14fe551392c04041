// Operations on sessions. Paths, bodies and codes are those of the Browserbase API; ours are more
// members.
#include <algorithm>
#include <array>

#include "api/gateway.h"
#include "api/operations.h"

namespace troupe::api {
namespace {

constexpr std::array<std::string_view, 3> kIsolations = {"context", "reuse", "process"};
constexpr std::array<std::string_view, 1> kRelease = {"REQUEST_RELEASE"};
constexpr std::array<std::string_view, 5> kStatuses = {"PENDING", "RUNNING", "ERROR", "TIMED_OUT",
                                                       "COMPLETED"};

constexpr Field kSessionFields[] = {
    {"projectId", FieldType::string, "Accepted for compatibility."},
    {"timeout", FieldType::integer, "Longest life in seconds.", false, 1, 21'600},
    {"keepAlive", FieldType::boolean, "Accepted: sessions stay until released, in any case."},
    {"region", FieldType::string, "Accepted for compatibility."},
    {"userMetadata", FieldType::object, "Free metadata; at most 4 KiB."},
    {"browserSettings", FieldType::object, "viewport {width, height} is used."},
    {"proxies", FieldType::any, "Not supported by the local provider."},
    {"extensionId", FieldType::string, "Not supported by the local provider."},
    {"provider", FieldType::string, "Who makes the session; the service's default when not given."},
    {"isolation", FieldType::string, "How separate the session is.", false, 0, 0, kIsolations},
    {"tenant", FieldType::string, "For whom; sessions are never shared between tenants."},
    {"site", FieldType::string, "Site profile it is meant for."},
};
constexpr Field kUpdateFields[] = {
    {"status", FieldType::string, "REQUEST_RELEASE", true, 0, 0, kRelease},
    {"projectId", FieldType::string, "Accepted for compatibility."},
};

// A session that silently lacks what was asked for (another address, an extension) would be worse
// than none.
Result<void> refuse_unsupported(const json::object& body) {
  const auto refuse = [](std::string_view name) {
    return fail(Errc::unsupported, std::string(name) + ": not supported by this service",
                "request body", "leave it out");
  };
  if (const json::value* proxies = find(body, "proxies")) {
    const bool none = proxies->is_null() || (proxies->is_bool() && !proxies->get_bool()) ||
                      (proxies->is_array() && proxies->get_array().empty());
    if (!none) return refuse("proxies");
  }
  if (const auto extension = find_string(body, "extensionId"); extension && !extension->empty())
    return refuse("extensionId");
  const json::value* settings = find(body, "browserSettings");
  if (!settings) return {};
  for (const std::string_view name : {"context", "extensionId"})
    if (const json::value* value = find(*settings, name); value && !value->is_null())
      return refuse("browserSettings." + std::string(name));
  return {};
}

Result<int> viewport_side(const json::value& viewport, std::string_view name, int otherwise) {
  const json::value* value = find(viewport, name);
  if (!value || value->is_null()) return otherwise;
  boost::system::error_code error;
  const auto number = value->to_number<std::int64_t>(error);
  if (error || number < 100 || number > 10'000)
    return fail(Errc::invalid_argument,
                "browserSettings.viewport." + std::string(name) + ": " +
                    json::serialize(*value).substr(0, 64) + " is not in 100..10000",
                "request body");
  return static_cast<int>(number);
}

Result<SessionSpec> session_spec(const json::object& body, const Settings& settings) {
  TRY_VOID(refuse_unsupported(body));
  SessionSpec spec;
  spec.provider = std::string(find_string(body, "provider").value_or(settings.provider));
  spec.isolation = isolation_from(find_string(body, "isolation").value_or(""));
  if (const auto seconds = find_int(body, "timeout")) spec.timeout = std::chrono::seconds(*seconds);
  if (const json::value* browser = find(body, "browserSettings"))
    if (const json::value* viewport = find(*browser, "viewport")) {
      TRY(spec.viewport_width, viewport_side(*viewport, "width", spec.viewport_width));
      TRY(spec.viewport_height, viewport_side(*viewport, "height", spec.viewport_height));
    }
  if (const auto tenant = find_string(body, "tenant")) spec.tenant = std::string(*tenant);
  spec.site = std::string(find_string(body, "site").value_or(""));
  if (!spec.site.empty()) TRY_VOID(check_name("site", spec.site));
  const json::value* metadata = find(body, "userMetadata");
  if (metadata && metadata->is_object()) spec.user_context = metadata->get_object();
  return spec;
}

std::string_view status_of(const Session& session) {
  switch (session.state) {
    case SessionState::pending: return "PENDING";
    case SessionState::running:
    case SessionState::releasing: return "RUNNING";
    case SessionState::ended: break;
  }
  switch (session.end_reason) {
    case EndReason::timed_out: return "TIMED_OUT";
    case EndReason::crashed:
    case EndReason::quota:
    case EndReason::failed: return "ERROR";
    default: return session.error ? "ERROR" : "COMPLETED";
  }
}

json::object session_object(const Session& session, const Settings& settings) {
  const WallTime started = session.started_at.value_or(session.created_at);
  const auto& counters = session.counters;
  json::object object{{"id", session.id},
                      {"createdAt", to_rfc3339(session.created_at)},
                      {"updatedAt", to_rfc3339(session.ended_at.value_or(started))},
                      {"projectId", settings.project},
                      {"startedAt", to_rfc3339(started)},
                      {"expiresAt", to_rfc3339(session.expires_at)},
                      {"status", status_of(session)},
                      {"proxyBytes", 0},
                      {"keepAlive", true},
                      {"region", "local"},
                      {"userMetadata", session.user_context},
                      {"provider", session.provider},
                      {"isolation", to_string(session.isolation)},
                      {"counters",
                       {{"tasks", counters.tasks},
                        {"navigations", counters.navigations},
                        {"actions", counters.actions},
                        {"cdpCommands", counters.cdp_commands},
                        {"cdpBytesSent", counters.cdp_bytes_sent},
                        {"cdpBytesReceived", counters.cdp_bytes_received},
                        {"pageErrors", counters.page_errors}}}};
  if (session.ended_at) object["endedAt"] = to_rfc3339(*session.ended_at);
  if (session.end_reason != EndReason::none) object["endReason"] = to_string(session.end_reason);
  if (session.error) object["error"] = to_json(*session.error);
  if (!session.run_id.empty()) object["runId"] = session.run_id;
  if (!session.task_id.empty()) object["taskId"] = session.task_id;
  return object;
}

Async<void> release(Context& ctx, const Call& call) {
  std::string id = call.path_values[0];
  co_return co_await call.services.sessions.release(ctx, std::move(id));
}

}  // namespace

std::span<const Field> session_fields() { return kSessionFields; }
std::span<const Field> session_update_fields() { return kUpdateFields; }

Async<net::HttpResponse> create_session(Context& ctx, const Call& call) {
  CO_TRY(auto spec, session_spec(call.body, call.services.settings));
  CO_TRY(const auto session, co_await call.services.sessions.create(ctx, std::move(spec)));
  json::object object = session_object(session, call.services.settings);
  call.services.gateway->add_connection(object, call.request, session);
  net::HttpResponse response = json_response(object, 201);
  response.headers.emplace_back("Location", "/v1/sessions/" + session.id);
  co_return response;
}

Async<net::HttpResponse> list_sessions(Context&, const Call& call) {
  const std::string* status = call.request.query_value("status");
  if (status && std::ranges::find(kStatuses, *status) == kStatuses.end())
    co_return fail(Errc::invalid_argument,
                   "status: '" + status->substr(0, 64) +
                       "' is not one of PENDING, RUNNING, ERROR, TIMED_OUT, COMPLETED",
                   "query");
  if (call.request.query_value("q"))
    co_return fail(Errc::unsupported, "q: not supported by this service", "query", "leave it out");
  std::vector<Session> sessions = call.services.sessions.list();
  std::ranges::sort(sessions, std::greater<>(), &Session::created_at);
  json::array list;
  for (const Session& session : sessions)
    if (!status || status_of(session) == *status)
      list.push_back(session_object(session, call.services.settings));
  co_return json_response(list);
}

Async<net::HttpResponse> get_session(Context&, const Call& call) {
  CO_TRY(const auto session, call.services.sessions.find(call.path_values[0]));
  json::object object = session_object(session, call.services.settings);
  call.services.gateway->add_connection(object, call.request, session);
  co_return json_response(object);
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
