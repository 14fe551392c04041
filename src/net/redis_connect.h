// Finding a Redis server and greeting it. Internal to net/redis_*.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/byte_stream.h"
#include "net/redis_client.h"

namespace troupe::net {

/// A connection on which HELLO has been answered.
struct RedisLink {
  std::unique_ptr<ByteStream> stream;
  RedisParser parser;
  RedisAddress address;
};

/// To the primary that the URL leads to; to `moved` when a node of a cluster named that one.
/// Errors: as connect_tcp and connect_tls; protocol_error; unavailable (no primary is known, it is
/// a replica, it loads its data); unauthenticated, permission_denied.
Async<RedisLink> connect_redis(Context& ctx, RedisClientOptions options,
                               std::optional<RedisAddress> moved);
/// Writes one command and reads its answer, on a link that nobody else uses.
Async<RedisValue> ask_redis(Context& ctx, RedisLink& link, RedisCommand command);
/// Writes all of `bytes`.
Async<void> write_redis(Context& ctx, RedisLink& link, std::string bytes);
Async<RedisValue> read_redis(Context& ctx, RedisLink& link);

}  // namespace troupe::net
