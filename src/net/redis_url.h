// Where a Redis is, as one text says it. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace troupe::net {

struct RedisAddress {
  std::string host;
  std::string port;
  std::string text() const { return host + ":" + port; }
  bool operator==(const RedisAddress&) const = default;
};

struct RedisUrl {
  enum class Kind { direct, sentinel, local };
  Kind kind = Kind::direct;
  bool tls = false;
  std::string user;
  std::string password;                 ///< Secret.
  std::vector<RedisAddress> addresses;  ///< Of the server, or of the Sentinels, or several nodes.
  std::string primary_name;             ///< With Sentinel: `mymaster`.
  std::string path;                     ///< Of a local socket.
  int database = 0;
  /// Without the password.
  std::string shown() const;
};

/// `redis://[user:password@]host[:6379][,host…][/0]`, `rediss://…` (TLS),
/// `redis-sentinel://[user:password@]host[:26379][,host…]/name[/0]`,
/// `rediss-sentinel://…` (TLS to Sentinels and servers), `redis+unix:///path/of/socket[?db=0]`.
/// Errors: invalid_argument.
Result<RedisUrl> parse_redis_url(std::string_view text);

}  // namespace troupe::net
