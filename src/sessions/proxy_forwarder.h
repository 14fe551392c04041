// A loopback proxy of one session: the browser talks to it, and it talks to the proxies that the
// session asked for, with their credentials, or directly, by host. So a browser needs neither
// credentials nor rules, and foreign CDP clients cannot get around them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/async.h"
#include "troupe/session.hpp"

namespace troupe::sessions {

/// Errors: invalid_argument (server is no `http://host:port` or `socks5://host:port`), unsupported
/// (type provider: this machine has no proxies of its own).
Result<void> check_proxies(const std::vector<ProxySpec>& proxies);

/// An external one from `http://user:password@host:port` or `socks5://…`.
/// Errors: invalid_argument, without showing the URL, which may hold a password.
Result<ProxySpec> proxy_from_url(const std::string& url);
/// Puts the proxy of setting proxy_url in the place of those of type provider.
/// Errors: unsupported (there is no such setting, or a country is asked for), those of
/// proxy_from_url.
Result<void> give_own_proxy(std::vector<ProxySpec>& proxies, const std::string& proxy_url);

/// Threads: engine. Ends its connections with itself.
class ProxyForwarder final {
 public:
  /// Errors: those of check_proxies; exhausted (no port).
  static Result<std::unique_ptr<ProxyForwarder>> start(Clock& clock, asio::any_io_executor executor,
                                                       std::vector<ProxySpec> proxies);
  /// From now on other hosts are answered with 403; empty: none are refused.
  void allow_only(std::function<bool(const std::string& host)> allows);
  ~ProxyForwarder();
  int port() const;
  /// Both ways, through external proxies only.
  std::uint64_t proxied_bytes() const;

  struct State;

 private:
  ProxyForwarder() = default;
  std::shared_ptr<State> state_;  // also of the connections under way
};

}  // namespace troupe::sessions
