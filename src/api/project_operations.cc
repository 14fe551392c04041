// Operations on projects (the owners of sessions) and what they have used; and the answer of all
// that the contract has and this service has not.
#include <algorithm>

#include "api/operations.h"
#include "sessions/usage_ledger.h"

namespace troupe::api {
namespace {

constexpr std::int64_t kTimeoutMin = 60;
constexpr std::int64_t kTimeoutMax = 21'600;
constexpr std::int64_t kMinute = 60'000;

json::object project_object(const Call& call, const std::string& id, const sessions::Usage& usage) {
  const Settings& settings = call.services.settings;
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(settings.session_timeout).count();
  return {{"id", id},
          {"createdAt", to_rfc3339(usage.first_at)},
          {"updatedAt", to_rfc3339(usage.last_at)},
          {"name", id},
          {"ownerId", settings.project},
          {"defaultTimeout", std::clamp<std::int64_t>(seconds, kTimeoutMin, kTimeoutMax)},
          {"concurrency", std::max(1, settings.sessions_max)}};
}

Result<sessions::Usage> find_project(const Call& call, const std::string& id) {
  const sessions::UsageLedger* ledger = call.services.stores.usage;
  if (!ledger) return fail(Errc::unsupported, "projects: not offered by this service");
  const auto found = ledger->projects().find(id);
  if (found != ledger->projects().end()) return found->second;
  return fail(Errc::not_found, "project " + id.substr(0, 128) + ": not known here", "projects",
              "GET /v1/projects lists all");
}

}  // namespace

Async<net::HttpResponse> list_projects(Context&, const Call& call) {
  const sessions::UsageLedger* ledger = call.services.stores.usage;
  if (!ledger) co_return fail(Errc::unsupported, "projects: not offered by this service");
  json::array list;
  for (const auto& [id, usage] : ledger->projects())
    list.push_back(project_object(call, id, usage));
  co_return json_response(list);
}

Async<net::HttpResponse> get_project(Context&, const Call& call) {
  CO_TRY(const auto usage, find_project(call, call.path_values[0]));
  co_return json_response(project_object(call, call.path_values[0], usage));
}

Async<net::HttpResponse> project_usage(Context&, const Call& call) {
  const std::string& id = call.path_values[0];
  CO_TRY_VOID(find_project(call, id));
  const auto usage = call.services.stores.usage->of(id, call.services.sessions.list());
  json::object body{{"browserMinutes", (usage.browser_ms + kMinute - 1) / kMinute},
                    {"proxyBytes", usage.proxy_bytes},
                    {"sessions", usage.sessions}};
  co_return json_response(body);
}

Async<net::HttpResponse> not_implemented(Context&, const Call& call) {
  const std::string_view path = call.request.path;
  const std::string_view rest = path.substr(std::min(path.find('/', 1), path.size() - 1) + 1);
  const std::string noun(rest.substr(0, rest.find('/')));
  co_return fail(Errc::unsupported, noun + ": Troupe does not have them yet", {},
                 "GET /openapi.json lists what this service has");
}

}  // namespace troupe::api
