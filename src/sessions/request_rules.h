// Which requests of a session may leave: domains, kinds of resources, advertisements. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "troupe/session.hpp"

namespace troupe::sessions {

/// Whether `host` fits `pattern`: the name itself, its subdomains, also written `*.name`; `*` is
/// every host. Case does not matter.
bool host_fits(std::string_view host, std::string_view pattern);

class RequestRules final {
 public:
  RequestRules() = default;
  explicit RequestRules(const SessionSpec& spec);

  bool empty() const { return !has_domains_ && resources_.empty() && !ads_; }
  /// Whether the lists hold for every connection. WebSockets are none of Fetch's requests: then a
  /// proxy has to ask host_allowed().
  bool covers_connections() const { return has_domains_ && covers_resources_; }
  bool host_allowed(std::string_view host) const;
  /// For `Fetch.enable`: only what may have to be refused is held up.
  json::array patterns() const;
  /// Whether a request that fits patterns() may go. `type` is DevTools' resource type.
  bool allows(std::string_view url, std::string_view type, bool is_main_frame) const;

 private:
  bool domain_allowed(std::string_view url) const;

  std::vector<std::string> allowed_;
  std::vector<std::string> denied_;
  std::vector<std::string> resources_;  // as DevTools names them: `Image`
  bool has_domains_ = false;
  bool covers_resources_ = false;
  bool ads_ = false;
};

/// Errors: invalid_argument (a kind of resource that is not known, a domain that is none).
Result<void> check_request_rules(const SessionSpec& spec);

}  // namespace troupe::sessions
