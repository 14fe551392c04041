#include "api/session_body.h"

#include <algorithm>
#include <array>

#include "api/operations.h"

namespace troupe::api {
namespace {

constexpr std::size_t kProjectBytesMax = 128;
constexpr std::size_t kListMax = 1'000;
// What clients of the contract accept; a session of this machine has no region of its own.
constexpr std::string_view kDefaultRegion = "us-west-2";

// What is read here; the rest of browserSettings is the provider's business.
constexpr std::array<std::string_view, 16> kKnownSettings = {"context",
                                                             "extensionId",
                                                             "viewport",
                                                             "blockAds",
                                                             "solveCaptchas",
                                                             "recordSession",
                                                             "logSession",
                                                             "allowedDomains",
                                                             "deniedDomains",
                                                             "userAgent",
                                                             "domainsCoverResources",
                                                             "ignoreCertificateErrors",
                                                             "locale",
                                                             "timezone",
                                                             "blockedResources",
                                                             "extraHeaders"};

Error wrong(const std::string& name, const json::value& value, std::string_view expected) {
  return fail(Errc::invalid_argument,
              name + ": is " + std::string(type_name(value)) + ", not " + std::string(expected),
              "request body");
}

// Reads the members of one object; a null is what a missing member is.
class Reader {
 public:
  Reader(const json::object& object, std::string path) : object_(object), path_(std::move(path)) {}

  const json::value* member(std::string_view name) const {
    const json::value* value = find(object_, name);
    return value && !value->is_null() ? value : nullptr;
  }
  std::string name(std::string_view member) const { return path_ + std::string(member); }

  Result<void> read(std::string_view key, bool& into) const {
    const json::value* value = member(key);
    if (!value) return {};
    if (!value->is_bool()) return wrong(name(key), *value, "a boolean");
    into = value->get_bool();
    return {};
  }
  Result<void> read(std::string_view key, std::optional<bool>& into) const {
    bool flag = false;
    if (!member(key)) return {};
    TRY_VOID(read(key, flag));
    into = flag;
    return {};
  }
  Result<void> read(std::string_view key, std::string& into) const {
    const json::value* value = member(key);
    if (!value) return {};
    if (!value->is_string()) return wrong(name(key), *value, "a string");
    into = std::string(value->get_string());
    return {};
  }
  Result<void> read(std::string_view key, std::vector<std::string>& into) const {
    const json::value* value = member(key);
    if (!value) return {};
    if (!value->is_array()) return wrong(name(key), *value, "an array of strings");
    if (value->get_array().size() > kListMax)
      return fail(Errc::invalid_argument,
                  name(key) + ": " + std::to_string(value->get_array().size()) +
                      " entries exceed " + std::to_string(kListMax),
                  "request body");
    for (const json::value& item : value->get_array()) {
      if (!item.is_string()) return wrong(name(key), item, "a string");
      into.emplace_back(item.get_string());
    }
    return {};
  }
  /// The member as an object, or nullptr when it is missing.
  Result<const json::object*> object(std::string_view key) const {
    const json::value* value = member(key);
    if (!value) return static_cast<const json::object*>(nullptr);
    if (!value->is_object()) return wrong(name(key), *value, "an object");
    return &value->get_object();
  }

 private:
  const json::object& object_;
  std::string path_;
};

Result<void> read_side(const Reader& viewport, std::string_view name, int& into) {
  const json::value* value = viewport.member(name);
  if (!value) return {};
  boost::system::error_code error;
  const auto number = value->to_number<std::int64_t>(error);
  if (error || number < 100 || number > 10'000)
    return fail(Errc::invalid_argument,
                viewport.name(name) + ": " + json::serialize(*value).substr(0, 64) +
                    " is not in 100..10000",
                "request body");
  into = static_cast<int>(number);
  return {};
}

Result<void> read_context(const Reader& settings, SessionSpec& spec) {
  TRY(const json::object* context, settings.object("context"));
  if (!context) return {};
  const Reader reader(*context, settings.name("context."));
  TRY_VOID(reader.read("id", spec.context_id));
  TRY_VOID(reader.read("persist", spec.context_persist));
  if (spec.context_id.empty())
    return fail(Errc::invalid_argument, reader.name("id") + ": is missing", "request body");
  return {};
}

Result<void> read_headers(const Reader& settings, SessionSpec& spec) {
  TRY(const json::object* headers, settings.object("extraHeaders"));
  if (!headers) return {};
  for (const auto& header : *headers) {
    if (!header.value().is_string())
      return wrong(settings.name("extraHeaders.") + std::string(header.key()), header.value(),
                   "a string");
    spec.extra_headers.emplace_back(header.key(), header.value().get_string());
  }
  return {};
}

Result<void> read_browser_settings(const json::object& object, SessionSpec& spec) {
  const Reader settings(object, "browserSettings.");
  TRY(const json::object* viewport, settings.object("viewport"));
  if (viewport) {
    const Reader reader(*viewport, settings.name("viewport."));
    TRY_VOID(read_side(reader, "width", spec.viewport_width));
    TRY_VOID(read_side(reader, "height", spec.viewport_height));
  }
  TRY_VOID(read_context(settings, spec));
  TRY_VOID(settings.read("extensionId", spec.extension_id));
  TRY_VOID(settings.read("blockAds", spec.block_ads));
  TRY_VOID(settings.read("solveCaptchas", spec.solve_captchas));
  TRY_VOID(settings.read("recordSession", spec.record));
  TRY_VOID(settings.read("logSession", spec.log));
  TRY_VOID(settings.read("allowedDomains", spec.allowed_domains));
  TRY_VOID(settings.read("deniedDomains", spec.denied_domains));
  TRY_VOID(settings.read("domainsCoverResources", spec.domains_cover_resources));
  TRY_VOID(settings.read("blockedResources", spec.blocked_resources));
  TRY_VOID(settings.read("ignoreCertificateErrors", spec.ignore_certificate_errors));
  TRY_VOID(settings.read("userAgent", spec.user_agent));
  TRY_VOID(settings.read("locale", spec.locale));
  TRY_VOID(settings.read("timezone", spec.timezone));
  TRY_VOID(read_headers(settings, spec));
  for (const auto& member : object)
    if (std::ranges::find(kKnownSettings, std::string_view(member.key())) == kKnownSettings.end())
      spec.provider_settings[member.key()] = member.value();
  return {};
}

Result<ProxySpec> read_proxy(const json::value& value, std::size_t index) {
  const std::string path = "proxies[" + std::to_string(index) + "]";
  if (!value.is_object()) return wrong(path, value, "an object");
  const Reader reader(value.get_object(), path + ".");
  std::string type;
  TRY_VOID(reader.read("type", type));
  ProxySpec proxy;
  if (type == "external") {
    proxy.type = ProxySpec::Type::external;
  } else if (type == "none") {
    proxy.type = ProxySpec::Type::none;
  } else if (type != "browserbase") {
    return fail(Errc::invalid_argument,
                reader.name("type") + ": '" + type.substr(0, 64) +
                    "' is not one of browserbase, external, none",
                "request body");
  }
  TRY_VOID(reader.read("server", proxy.server));
  TRY_VOID(reader.read("domainPattern", proxy.domain_pattern));
  TRY_VOID(reader.read("username", proxy.username));
  TRY_VOID(reader.read("password", proxy.password));
  TRY(const json::object* place, reader.object("geolocation"));
  if (place) proxy.geolocation = *place;
  if (proxy.type == ProxySpec::Type::external && proxy.server.empty())
    return fail(Errc::invalid_argument, reader.name("server") + ": is missing", "request body",
                "for example http://host:port");
  return proxy;
}

Result<void> read_proxies(const json::object& body, SessionSpec& spec) {
  const json::value* proxies = find(body, "proxies");
  if (!proxies || proxies->is_null()) return {};
  if (proxies->is_bool()) {
    if (proxies->get_bool()) spec.proxies.emplace_back();
    return {};
  }
  if (!proxies->is_array()) return wrong("proxies", *proxies, "a boolean or an array");
  if (proxies->get_array().size() > kListMax)
    return fail(Errc::invalid_argument, "proxies: more than " + std::to_string(kListMax),
                "request body");
  for (const json::value& proxy : proxies->get_array()) {
    TRY(auto read, read_proxy(proxy, spec.proxies.size()));
    spec.proxies.push_back(std::move(read));
  }
  return {};
}

// The project of the Browserbase API is Troupe's tenant.
Result<void> read_tenant(const Reader& body, const Settings& settings, SessionSpec& spec) {
  std::string project;
  TRY_VOID(body.read("projectId", project));
  TRY_VOID(body.read("tenant", project));
  spec.tenant = project.empty() ? settings.project : project;
  if (spec.tenant.size() <= kProjectBytesMax) return {};
  return fail(Errc::invalid_argument, "projectId: longer than " + std::to_string(kProjectBytesMax),
              "request body");
}

}  // namespace

Result<SessionSpec> session_spec(const json::object& object, const Settings& settings) {
  const Reader body(object, "");
  SessionSpec spec;
  spec.provider = settings.provider;
  TRY_VOID(body.read("provider", spec.provider));
  spec.isolation = isolation_from(find_string(object, "isolation").value_or(""));
  spec.connectable = !body.member("provider") && !spec.isolation;
  if (const auto seconds = find_int(object, "timeout"))
    spec.timeout = std::chrono::seconds(*seconds);
  TRY_VOID(body.read("keepAlive", spec.keep_alive));
  TRY_VOID(body.read("region", spec.region));
  TRY_VOID(body.read("site", spec.site));
  if (!spec.site.empty()) TRY_VOID(check_name("site", spec.site));
  TRY_VOID(read_tenant(body, settings, spec));
  TRY(const json::object* browser, body.object("browserSettings"));
  if (browser) TRY_VOID(read_browser_settings(*browser, spec));
  TRY_VOID(body.read("extensionId", spec.extension_id));
  TRY_VOID(read_proxies(object, spec));
  TRY(const json::object* proxy, body.object("proxySettings"));
  if (proxy)
    TRY_VOID(Reader(*proxy, "proxySettings.").read("caCertificates", spec.ca_certificates));
  TRY(const json::object* metadata, body.object("userMetadata"));
  if (metadata) spec.user_context = *metadata;
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
    case EndReason::connection_lost:
    case EndReason::failed: return "ERROR";
    case EndReason::provider_ended:
    case EndReason::client_left: return "COMPLETED";
    default: return session.error ? "ERROR" : "COMPLETED";
  }
}

json::object session_object(const Session& session) {
  const WallTime started = session.started_at.value_or(session.created_at);
  const auto& counters = session.counters;
  json::object object{{"id", session.id},
                      {"createdAt", to_rfc3339(session.created_at)},
                      {"updatedAt", to_rfc3339(session.ended_at.value_or(started))},
                      {"projectId", session.tenant},
                      {"startedAt", to_rfc3339(started)},
                      {"expiresAt", to_rfc3339(session.expires_at)},
                      {"status", status_of(session)},
                      {"proxyBytes", session.proxy_bytes},
                      {"keepAlive", session.keep_alive},
                      {"region", session.region.empty() ? kDefaultRegion : session.region},
                      {"userMetadata", session.user_context},
                      {"provider", session.provider},
                      {"isolation", to_string(session.isolation)},
                      {"clients", session.clients},
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
  if (!session.context_id.empty()) object["contextId"] = session.context_id;
  if (!session.provider_id.empty()) object["providerSessionId"] = session.provider_id;
  if (session.memory_bytes > 0) {
    object["memoryBytes"] = session.memory_bytes;
    object["cpuSeconds"] = session.cpu_seconds;
  }
  if (!session.run_id.empty()) object["runId"] = session.run_id;
  if (!session.task_id.empty()) object["taskId"] = session.task_id;
  return object;
}

}  // namespace troupe::api
