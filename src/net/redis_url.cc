#include "net/redis_url.h"

#include <charconv>

#include "net/url.h"

namespace troupe::net {
namespace {

Error wrong(const std::string& what) {
  return fail(Errc::invalid_argument, "redis url: " + what, {},
              "redis://[user:password@]host[:port][/database], rediss:// for TLS, "
              "redis-sentinel://host,host/name for Sentinel");
}

bool is_number(std::string_view text, int most, int& into) {
  const char* end = text.data() + text.size();
  const auto [last, bad] = std::from_chars(text.data(), end, into);
  return bad == std::errc() && last == end && into >= 0 && into <= most;
}

Result<RedisAddress> parse_address(std::string_view text, const std::string& default_port) {
  RedisAddress address{.host = {}, .port = default_port};
  std::string_view port;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return wrong("'" + std::string(text) + "' lacks a ]");
    address.host = text.substr(1, close - 1);
    port = text.substr(close + 1);
    if (!port.empty() && port[0] != ':') return wrong("'" + std::string(text) + "' is no address");
  } else {
    const auto colon = text.find(':');
    address.host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon);
  }
  if (address.host.empty()) return wrong("a host is empty");
  if (port.empty()) return address;
  int number = 0;
  if (!is_number(port.substr(1), 65535, number) || number == 0)
    return wrong("port '" + std::string(port.substr(1)) + "' is not in 1..65535");
  address.port = std::to_string(number);
  return address;
}

Result<void> take_user(std::string_view info, RedisUrl& url) {
  const auto colon = info.find(':');
  const auto user = percent_decode(info.substr(0, colon));
  const auto password =
      percent_decode(colon == std::string_view::npos ? std::string_view() : info.substr(colon + 1));
  if (!user || !password) return wrong("user or password is not well encoded");
  url.user = *user;
  url.password = *password;
  return {};
}

}  // namespace

std::string RedisUrl::shown() const {
  std::string text = kind == Kind::local      ? "redis+unix://" + path
                     : kind == Kind::sentinel ? (tls ? "rediss-sentinel://" : "redis-sentinel://")
                                              : (tls ? "rediss://" : "redis://");
  if (kind == Kind::local) return text;
  for (std::size_t i = 0; i < addresses.size(); ++i)
    text += (i > 0 ? "," : "") + addresses[i].text();
  if (kind == Kind::sentinel) text += "/" + primary_name;
  if (database != 0) text += "/" + std::to_string(database);
  return text;
}

Result<RedisUrl> parse_redis_url(std::string_view text) {
  RedisUrl url;
  const auto colon = text.find("://");
  const auto scheme = text.substr(0, colon);
  if (scheme == "redis" || scheme == "valkey") {
  } else if (scheme == "rediss" || scheme == "valkeys") {
    url.tls = true;
  } else if (scheme == "redis-sentinel" || scheme == "rediss-sentinel") {
    url.kind = RedisUrl::Kind::sentinel;
    url.tls = scheme == "rediss-sentinel";
  } else if (scheme == "redis+unix") {
    url.kind = RedisUrl::Kind::local;
  } else {
    return wrong("scheme '" + std::string(scheme.substr(0, 40)) + "' is not known");
  }
  auto rest = text.substr(colon + 3);
  if (url.kind == RedisUrl::Kind::local) {
    const auto query = rest.find("?db=");
    if (query != std::string_view::npos && !is_number(rest.substr(query + 4), 1'000, url.database))
      return wrong("'" + std::string(rest.substr(query)) + "' names no database");
    url.path = rest.substr(0, query);
    if (!url.path.starts_with('/') || url.path.size() > 100)
      return wrong("the path of the socket is not absolute, or longer than 100 bytes");
    return url;
  }
  const auto slash = rest.find('/');
  auto path = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  rest = rest.substr(0, slash);
  if (const auto user = rest.rfind('@'); user != std::string_view::npos) {
    TRY_VOID(take_user(rest.substr(0, user), url));
    rest.remove_prefix(user + 1);
  }
  const std::string port = url.kind == RedisUrl::Kind::sentinel ? "26379" : "6379";
  for (std::size_t begin = 0; begin <= rest.size();) {
    const auto comma = std::min(rest.find(',', begin), rest.size());
    TRY(auto address, parse_address(rest.substr(begin, comma - begin), port));
    url.addresses.push_back(std::move(address));
    begin = comma + 1;
  }
  if (url.kind == RedisUrl::Kind::sentinel) {
    const auto end = std::min(path.find('/'), path.size());
    url.primary_name = path.substr(0, end);
    path = path.substr(std::min(end + 1, path.size()));
    if (url.primary_name.empty()) return wrong("the name of the primary is missing");
  }
  if (!path.empty() && !is_number(path, 1'000, url.database))
    return wrong("'" + std::string(path) + "' names no database");
  return url;
}

}  // namespace troupe::net
