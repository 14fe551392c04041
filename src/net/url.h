// URLs as this project needs them: parsed once into parts, and percent-encoding. Parsing is
// Boost.URL's.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace troupe::net {

/// An absolute URL with a host. `target` is what goes on the request line: path and query.
struct Url {
  std::string scheme;     ///< Lower case: http, https, ws, wss.
  std::string host;       ///< Without brackets for IPv6; lower case.
  std::string port;       ///< Decimal; the scheme's default when none was given.
  std::string target;     ///< Encoded; at least `/`. No fragment.
  std::string user_info;  ///< Encoded `user:password`, or empty. Secret.

  bool secure() const { return scheme == "https" || scheme == "wss"; }
  /// `host`, or `host:port` when the port is not the scheme's own; IPv6 in brackets.
  std::string authority() const;
  /// `scheme://host:port`, which names a connection pool.
  std::string origin() const;
};

/// Errors: invalid_argument (not a URL, no host, port out of range, scheme not http, https, ws,
/// wss).
Result<Url> parse_url(std::string_view text);

/// Everything but unreserved characters (RFC 3986 2.3) as %XX.
std::string percent_encode(std::string_view text);
/// Nothing when a `%` is not followed by two hex digits, or when the result holds a NUL byte or is
/// not UTF-8. `plus_is_space` for query strings.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
/// `a=1&b=2` decoded; a name without `=` has an empty value. Nothing as for percent_decode.
using QueryValues = std::vector<std::pair<std::string, std::string>>;
std::optional<QueryValues> parse_query(std::string_view text);

/// Whether all of `text` is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
bool is_utf8(std::string_view text);

}  // namespace troupe::net
