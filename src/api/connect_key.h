// The signed, expiring keys in connect and live view addresses: bound to one session and one use.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace troupe::api {

/// What a key lets its holder do. A wider one includes the narrower ones.
enum class KeyScope {
  view,     ///< Watch pages.
  control,  ///< Watch pages and send input.
  connect   ///< Everything: the browser's DevTools.
};

struct KeyClaim {
  std::string session_id;
  KeyScope scope = KeyScope::view;
  WallTime expires;
};

/// The secret that `file` has, made when there is none: keys outlive a restart, and another node's
/// are told from those of sessions that have ended. Only its owner may read the file; one that
/// others could read or that is damaged is replaced, and `said` is why.
/// Errors: storage_failed.
Result<std::string> kept_secret(const std::string& file, std::string& said);

/// `<scope>.<session>.<expiry in s>.<HMAC-SHA256, base64url>`: fit for a query as it is.
/// Pure.
class ConnectKeys final {
 public:
  explicit ConnectKeys(std::string secret) : secret_(std::move(secret)) {}
  std::string sign(const KeyClaim& claim) const;
  /// Errors: unauthenticated (not one of ours), gone (expired).
  Result<KeyClaim> check(std::string_view key, WallTime now) const;

 private:
  std::string mac(std::string_view text) const;
  std::string secret_;
};

}  // namespace troupe::api
