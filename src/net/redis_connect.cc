#include "net/redis_connect.h"

#include <boost/asio/local/stream_protocol.hpp>

#include "net/connect.h"

namespace troupe::net {
namespace {

constexpr std::size_t kReadBytes = std::size_t{16} << 10;

std::string where(const RedisLink& link) { return "redis " + link.address.text(); }

Async<RedisLink> dial(Context& ctx, RedisClientOptions options, RedisAddress address) {
  RedisLink link;
  std::string host = address.host;
  std::string port = address.port;
  link.address = std::move(address);
  if (options.url.tls) {
    CO_TRY(const auto tls, make_tls_context(options.ca_file));
    CO_TRY(auto stream, co_await connect_tls(ctx, *tls, std::move(host), std::move(port)));
    link.stream = make_byte_stream(std::move(stream));
  } else {
    CO_TRY(auto socket, co_await connect_tcp(ctx, std::move(host), std::move(port)));
    link.stream = make_byte_stream(std::move(*socket));
  }
  co_return link;
}

Async<RedisLink> dial_local(Context& ctx, RedisClientOptions options) {
  RedisLink link;
  link.address = {.host = options.url.path, .port = "0"};
  asio::local::stream_protocol::socket socket(ctx.executor());
  boost::system::error_code error;
  // Connecting to a local socket does not wait.
  socket.connect(asio::local::stream_protocol::endpoint(options.url.path), error);
  if (error) co_return network_failure(error, "connect to " + options.url.path);
  link.stream = make_byte_stream(std::move(socket));
  co_return link;
}

// Greets; the answer of an old server, or one with other credentials, says what is wrong.
Async<void> greet(Context& ctx, RedisLink& link, RedisClientOptions options, bool of_sentinel) {
  RedisCommand hello("HELLO");
  hello.add("3");
  if (!options.url.password.empty() && !of_sentinel)
    hello.add("AUTH")
        .add(options.url.user.empty() ? "default" : options.url.user)
        .add(options.url.password);
  hello.add("SETNAME").add(options.client_name);
  CO_TRY(const RedisValue greeting, co_await ask_redis(ctx, link, std::move(hello)));
  if (greeting.is_error()) {
    if (greeting.is_error("ERR"))
      co_return fail(Errc::unsupported, where(link) + ": answered HELLO 3 with " + greeting.text,
                     {}, "Redis 6.2 or later, or Valkey, is needed");
    co_return redis_error(where(link), greeting.text);
  }
  if (greeting.kind != RedisValue::Kind::map)
    co_return fail(Errc::protocol_error, where(link) + ": did not answer HELLO as Redis does");
  if (options.url.database == 0 || of_sentinel) co_return Result<void>{};
  RedisCommand select("SELECT");
  select.add(std::int64_t{options.url.database});
  CO_TRY(const RedisValue selected, co_await ask_redis(ctx, link, std::move(select)));
  if (selected.is_error()) co_return redis_error(where(link), selected.text);
  co_return Result<void>{};
}

// A primary that answers; a failover may leave the old one as a replica.
Async<void> check_role(Context& ctx, RedisLink& link) {
  RedisCommand role("ROLE");
  CO_TRY(const RedisValue answer, co_await ask_redis(ctx, link, std::move(role)));
  if (answer.is_error("NOPERM")) co_return Result<void>{};
  if (answer.is_error()) co_return redis_error(where(link), answer.text);
  const bool is_primary = !answer.items.empty() && answer.items[0].text == "master";
  if (!is_primary) co_return fail(Errc::unavailable, where(link) + ": is not the primary");
  co_return Result<void>{};
}

Async<RedisLink> open_link(Context& ctx, RedisClientOptions options, RedisAddress address) {
  Context limited = ctx.with_timeout(options.connect_timeout, "connect to " + address.text());
  CO_TRY(auto link, co_await dial(limited, options, std::move(address)));
  CO_TRY_VOID(co_await greet(limited, link, options, false));
  CO_TRY_VOID(co_await check_role(limited, link));
  co_return link;
}

// What one Sentinel says about who is the primary.
Async<RedisAddress> ask_sentinel(Context& ctx, RedisClientOptions options, RedisAddress sentinel) {
  const std::string name = sentinel.text();
  Context limited = ctx.with_timeout(options.connect_timeout, "ask sentinel " + name);
  CO_TRY(auto link, co_await dial(limited, options, std::move(sentinel)));
  CO_TRY_VOID(co_await greet(limited, link, options, true));
  RedisCommand question("SENTINEL");
  question.add("GET-MASTER-ADDR-BY-NAME").add(options.url.primary_name);
  CO_TRY(const RedisValue answer, co_await ask_redis(limited, link, std::move(question)));
  if (answer.is_error()) co_return redis_error("sentinel " + name, answer.text);
  if (answer.items.size() != 2)
    co_return fail(Errc::unavailable,
                   "sentinel " + name + ": knows no primary '" + options.url.primary_name + "'");
  co_return RedisAddress{.host = answer.items[0].text, .port = answer.items[1].text};
}

}  // namespace

Async<void> write_redis(Context& ctx, RedisLink& link, std::string bytes) {
  ByteStream* stream = link.stream.get();
  const Interruption interruption(ctx, [stream] { stream->close(); });
  std::string_view rest = bytes;
  while (!rest.empty()) {
    boost::system::error_code error;
    const std::size_t written = co_await stream->write(rest, error);
    if (error) co_return interruption.explain(error, where(link));
    rest.remove_prefix(written);
  }
  co_return Result<void>{};
}

Async<RedisValue> read_redis(Context& ctx, RedisLink& link) {
  ByteStream* stream = link.stream.get();
  const Interruption interruption(ctx, [stream] { stream->close(); });
  for (;;) {
    CO_TRY(auto value, link.parser.next());
    if (value) co_return std::move(*value);
    ReadBuffer buffer;
    const auto error = co_await stream->read(buffer, kReadBytes);
    if (error) co_return interruption.explain(error, where(link));
    link.parser.feed(std::string_view(buffer.bytes.get(), buffer.size));
  }
}

Async<RedisValue> ask_redis(Context& ctx, RedisLink& link, RedisCommand command) {
  std::string bytes;
  command.append_to(bytes);
  CO_TRY_VOID(co_await write_redis(ctx, link, std::move(bytes)));
  co_return co_await read_redis(ctx, link);
}

Async<RedisLink> connect_redis(Context& ctx, RedisClientOptions options,
                               std::optional<RedisAddress> moved) {
  if (options.url.kind == RedisUrl::Kind::local) {
    CO_TRY(auto link, co_await dial_local(ctx, options));
    Context limited = ctx.with_timeout(options.connect_timeout, "greet redis");
    CO_TRY_VOID(co_await greet(limited, link, options, false));
    CO_TRY_VOID(co_await check_role(limited, link));
    co_return link;
  }
  std::vector<RedisAddress> addresses = options.url.addresses;
  Error last = fail(Errc::unavailable, "redis: no address");
  if (options.url.kind == RedisUrl::Kind::sentinel) {
    std::vector<RedisAddress> found;
    for (const RedisAddress& sentinel : addresses) {
      auto primary = co_await ask_sentinel(ctx, options, sentinel);
      if (!primary) {
        last = primary.error();
        continue;
      }
      found.push_back(std::move(*primary));
      break;
    }
    addresses = std::move(found);
  } else if (moved) {
    addresses.insert(addresses.begin(), *moved);
  }
  for (const RedisAddress& address : addresses) {
    auto link = co_await open_link(ctx, options, address);
    if (link) co_return link;
    last = link.error();
    CO_TRY_VOID(ctx.check());
  }
  co_return last;
}

}  // namespace troupe::net
