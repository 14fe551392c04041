#include "sessions/session_shape.h"

#include "sessions/request_rules.h"

namespace troupe::sessions {
namespace {

bool has_special_start(const SessionSpec& spec) {
  return !spec.context_id.empty() || !spec.extension_id.empty() || !spec.proxies.empty() ||
         !spec.ca_certificates.empty() || spec.ignore_certificate_errors ||
         !spec.user_agent.empty() || !spec.locale.empty() || !spec.timezone.empty() ||
         RequestRules(spec).covers_connections();
}

bool has_request_rules(const SessionSpec& spec) {
  return !spec.allowed_domains.empty() || !spec.denied_domains.empty() || spec.block_ads ||
         !spec.blocked_resources.empty() || !spec.extra_headers.empty();
}

}  // namespace

bool needs_own_process(const SessionSpec& spec) {
  return is_listening(spec) || has_special_start(spec) || has_request_rules(spec);
}

bool is_listening(const SessionSpec& spec) {
  return spec.connectable || spec.keep_alive || !spec.extension_id.empty() ||
         !spec.context_id.empty();
}

bool is_default_shape(const SessionSpec& spec) {
  const SessionSpec plain;
  return !has_special_start(spec) && spec.driver_folder.empty() &&
         spec.viewport_width == plain.viewport_width &&
         spec.viewport_height == plain.viewport_height;
}

}  // namespace troupe::sessions
