// Who may call what: API keys, and for a keyless service on loopback the checks that keep web pages
// out. Pure; keys are kept as hashes only.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/http_server.h"

namespace troupe::api {

class AccessRules final {
 public:
  /// `keys`: `name:key`, `name@project:key`, or a key alone. `host` is where the service listens.
  /// Errors: invalid_argument (a key shorter than 8 characters).
  static Result<AccessRules> create(const std::vector<std::string>& keys, std::string_view host);

  /// The name of the key that was given (empty without keys), or why the request is refused.
  /// Errors: unauthenticated, permission_denied.
  Result<std::string> check(const net::HttpRequest& request) const;

  /// The only project that the key of that name may act for; empty: any.
  std::string_view project_of(std::string_view key_name) const;

  bool has_keys() const { return !keys_.empty(); }
  /// Only open operations are served: other machines can connect and there are no keys.
  bool is_locked() const { return !loopback_ && keys_.empty(); }

 private:
  using Hash = std::array<unsigned char, 32>;
  struct Key {
    std::string name;
    std::string project;
    Hash hash;
  };
  Result<std::string> check_key(const net::HttpRequest& request) const;
  static Hash hash_of(std::string_view key);

  std::vector<Key> keys_;
  bool loopback_ = true;
};

/// `localhost`, a name under it, 127.0.0.0/8 or ::1, with or without a port or brackets.
bool is_loopback_host(std::string_view host);

}  // namespace troupe::api
