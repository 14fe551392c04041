// Which proxy a request goes through, as the customary environment variables say. Pure.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "net/url.h"

namespace troupe::net {

/// Empty: every request goes directly.
struct ProxyRules {
  std::optional<Url> http;   ///< For http:// and ws:// targets.
  std::optional<Url> https;  ///< For https:// and wss:// targets.
  /// Hosts reached directly: `example.com` (with its subdomains), `.example.com` (those only),
  /// `host:port`, addresses, networks (`10.0.0.0/8`), `*`.
  std::vector<std::string> direct;
};

using Environment = std::map<std::string, std::string>;
/// Reads HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY; lower case wins. HTTP_PROXY in upper case
/// is not read under CGI (REQUEST_METHOD is set), where a client's header could set it.
/// Errors: invalid_argument (not a URL), unsupported (a proxy that is not http://).
Result<ProxyRules> proxy_rules(const Environment& environment);
/// Those variables of this process.
Environment proxy_environment();

/// The proxy for `target`, or nullptr: none is set, the host is an exception, or it is this machine
/// (loopback addresses and `localhost` are never asked of a proxy).
const Url* proxy_for(const ProxyRules& rules, const Url& target);

/// `Basic …` for the user and password in the proxy's URL; empty when it has none. Secret.
std::string proxy_authorization(const Url& proxy);

}  // namespace troupe::net
