#include "sessions/launch_plan.h"

#include <algorithm>

#include "sessions/proxy_forwarder.h"
#include "sessions/request_rules.h"
#include "sessions/session_shape.h"

namespace troupe::sessions {
namespace {

constexpr std::size_t kUserAgentBytesMax = 512;
constexpr std::size_t kHeadersMax = 64;
constexpr std::size_t kHeaderBytesMax = 8'192;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool consists_of(std::string_view text, std::string_view others) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return is_alphanumeric(c) || others.find(c) != std::string_view::npos;
  });
}

bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return c >= 0x20 && c != 0x7f; });
}

Error refuse(const std::string& what, const std::string& value, const std::string& hint) {
  return fail(Errc::invalid_argument, "session " + what + ": '" + value + "' " + hint, "session");
}

}  // namespace

Result<void> check_local_spec(const SessionSpec& spec) {
  TRY_VOID(check_request_rules(spec));
  TRY_VOID(check_proxies(spec.proxies));
  if (spec.user_agent.size() > kUserAgentBytesMax || !is_plain(spec.user_agent))
    return refuse("user_agent", spec.user_agent.substr(0, 60),
                  "is longer than 512 bytes or has control characters");
  if (spec.locale.size() > 35 || !consists_of(spec.locale, "-"))
    return refuse("locale", spec.locale.substr(0, 60), "is no language tag such as de-DE");
  if (spec.timezone.size() > 64 || !consists_of(spec.timezone, "/_+-"))
    return refuse("timezone", spec.timezone.substr(0, 80), "is no zone such as Europe/Berlin");
  if (spec.extra_headers.size() > kHeadersMax)
    return fail(
        Errc::invalid_argument,
        "session extra_headers: " + std::to_string(spec.extra_headers.size()) + " exceed 64");
  for (const auto& [name, value] : spec.extra_headers)
    if (name.empty() || !consists_of(name, "!#$%&'*+-.^_`|~") || !is_plain(value) ||
        name.size() + value.size() > kHeaderBytesMax)
      return refuse("extra_headers", name.substr(0, 60), "is no header, or too long");
  return {};
}

ChromiumOptions plan_launch(ChromiumOptions options, const SessionSpec& spec,
                            const LaunchParts& parts) {
  options.listening = is_listening(spec) || !spec.driver_folder.empty();
  options.driver_folder = spec.driver_folder;
  options.width = spec.viewport_width;
  options.height = spec.viewport_height;
  auto& flags = options.extra_flags;
  if (!spec.user_agent.empty()) flags.push_back("--user-agent=" + spec.user_agent);
  if (!spec.locale.empty()) {
    const std::string language = spec.locale.substr(0, spec.locale.find('-'));
    flags.push_back("--accept-lang=" + spec.locale +
                    (language == spec.locale ? "" : "," + language));
  }
  if (!spec.timezone.empty()) options.extra_environment.push_back("TZ=" + spec.timezone);
  if (spec.ignore_certificate_errors) flags.push_back("--ignore-certificate-errors");
  if (!parts.extension_folder.empty()) {
    flags.push_back("--load-extension=" + parts.extension_folder);
    flags.push_back("--disable-extensions-except=" + parts.extension_folder);
  }
  if (parts.proxy_port > 0) {
    flags.push_back("--proxy-server=http://127.0.0.1:" + std::to_string(parts.proxy_port));
    // By itself Chromium would go around a proxy for this machine's own addresses, and for WebRTC.
    flags.push_back("--proxy-bypass-list=<-loopback>");
    flags.push_back("--force-webrtc-ip-handling-policy=disable_non_proxied_udp");
  }
  if (!parts.home.empty()) options.extra_environment.push_back("HOME=" + parts.home);
  return options;
}

}  // namespace troupe::sessions
