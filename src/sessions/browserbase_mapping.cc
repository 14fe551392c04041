#include "sessions/browserbase_mapping.h"

#include <algorithm>

#include "base/json.h"

namespace troupe::sessions {
namespace {

constexpr std::size_t kMetadataCharactersMax = 511;
constexpr std::int64_t kTimeoutMin = 60;
constexpr std::int64_t kTimeoutMax = 21'600;

Result<void> refuse_unsupported(const SessionSpec& spec) {
  const std::pair<std::string_view, bool> asked[] = {
      {"denied_domains", !spec.denied_domains.empty()},
      {"domains_cover_resources", spec.domains_cover_resources},
      {"blocked_resources", !spec.blocked_resources.empty()},
      {"user_agent", !spec.user_agent.empty()},
      {"locale", !spec.locale.empty()},
      {"timezone", !spec.timezone.empty()},
      {"extra_headers", !spec.extra_headers.empty()},
  };
  for (const auto& [name, is_asked] : asked)
    if (is_asked)
      return fail(Errc::unsupported,
                  "session " + std::string(name) + ": provider browserbase has no such setting",
                  "session", "leave it out, or use provider local");
  return {};
}

json::object metadata_of(const SessionSpec& spec, const std::string& id,
                         const std::string& install_id) {
  const auto mark = [&](json::object metadata) {
    metadata[kInstallKey] = install_id;
    metadata[kSessionKey] = id;
    return metadata;
  };
  json::object all = mark(spec.user_context);
  return json::serialize(all).size() <= kMetadataCharactersMax ? all : mark({});
}

Result<void> map_proxies(const SessionSpec& spec, services::CreateSession& request) {
  const auto is_plain = [](const ProxySpec& proxy) {
    return proxy.type == ProxySpec::Type::provider && proxy.domain_pattern.empty() &&
           proxy.geolocation.empty();
  };
  request.default_proxies = spec.proxies.size() == 1 && is_plain(spec.proxies.front());
  if (request.default_proxies) return {};
  for (const auto& proxy : spec.proxies) {
    if (proxy.type == ProxySpec::Type::external && proxy.server.empty())
      return fail(Errc::invalid_argument, "session proxies: an external one without a server");
    services::RemoteProxy remote;
    if (proxy.type == ProxySpec::Type::external) remote.type = "external";
    if (proxy.type == ProxySpec::Type::none) remote.type = "none";
    remote.server = proxy.server;
    remote.domain_pattern = proxy.domain_pattern;
    remote.username = proxy.username;
    remote.password = proxy.password;
    remote.geolocation = proxy.geolocation;
    request.proxies.push_back(std::move(remote));
  }
  return {};
}

}  // namespace

Result<services::CreateSession> browserbase_request(const SessionSpec& spec, const std::string& id,
                                                    const std::string& install_id) {
  TRY_VOID(refuse_unsupported(spec));
  services::CreateSession request;
  TRY_VOID(map_proxies(spec, request));
  if (spec.timeout) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(*spec.timeout).count();
    request.timeout_seconds = std::clamp<std::int64_t>(seconds, kTimeoutMin, kTimeoutMax);
  }
  request.keep_alive = spec.keep_alive;
  request.region = spec.region;
  request.extension_id = spec.extension_id;
  request.ca_certificates = spec.ca_certificates;
  request.user_metadata = metadata_of(spec, id, install_id);
  request.context_id = spec.context_id;
  request.context_persist = spec.context_persist;
  request.viewport_width = spec.viewport_width;
  request.viewport_height = spec.viewport_height;
  if (spec.block_ads) request.block_ads = true;
  request.solve_captchas = spec.solve_captchas;
  request.record_session = spec.record;
  request.log_session = spec.log;
  if (spec.ignore_certificate_errors) request.ignore_certificate_errors = true;
  request.allowed_domains = spec.allowed_domains;
  request.browser_settings = spec.provider_settings;
  request.via = spec.via;
  return request;
}

EndReason browserbase_end_reason(services::RemoteStatus status, bool keep_alive) {
  switch (status) {
    case services::RemoteStatus::timed_out: return EndReason::timed_out;
    case services::RemoteStatus::error: return EndReason::crashed;
    // Without keep-alive the end of the last connection ends the session.
    case services::RemoteStatus::completed:
      return keep_alive ? EndReason::provider_ended : EndReason::client_left;
    default: return EndReason::provider_ended;
  }
}

Error browserbase_end_error(const std::string& id, services::RemoteStatus status, bool keep_alive) {
  std::string why = "Browserbase does not know it any more";
  std::string hint = "tasks are retried in fresh sessions";
  switch (browserbase_end_reason(status, keep_alive)) {
    case EndReason::timed_out:
      why = "its life time at Browserbase passed (TIMED_OUT)";
      hint = "raise session_timeout; plans have limits of their own";
      break;
    case EndReason::crashed: why = "its browser failed at Browserbase (ERROR)"; break;
    case EndReason::client_left:
      why = "Browserbase ended it when the connection broke (COMPLETED)";
      hint = "keep_alive lets sessions survive that, if the plan has it";
      break;
    default:
      if (status == services::RemoteStatus::completed)
        why = "it was released at Browserbase by somebody else (COMPLETED)";
  }
  return fail(Errc::session_lost, "session " + id + ": " + why, "session", std::move(hint));
}

}  // namespace troupe::sessions
