#include "tasks/redis_server_check.h"

#include <algorithm>

#include <charconv>

namespace troupe::tasks {
namespace {

// `name:value` on a line of its own; empty when it is not there.
std::string_view value_of(std::string_view info, const std::string& name) {
  const std::string key = "\n" + name + ":";
  const auto found = info.find(key);
  if (found == std::string_view::npos) return {};
  const auto begin = found + key.size();
  return info.substr(begin, info.find_first_of("\r\n", begin) - begin);
}

int number(std::string_view text) {
  int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

Result<void> check_redis_options(const RedisOptions& options) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == ':';
  };
  if (options.prefix.empty() || options.prefix.size() > 64 ||
      !std::ranges::all_of(options.prefix, is_allowed))
    return fail(Errc::invalid_argument, "redis prefix: '" + options.prefix.substr(0, 64) +
                                            "' is not 1..64 letters, digits, '-', '_', '.' or ':'");
  if (options.replicas < 0 || options.replicas > 100)
    return fail(Errc::invalid_argument,
                "redis replicas: " + std::to_string(options.replicas) + " is not in 0..100");
  return {};
}

Result<std::vector<std::string>> check_redis_server(std::string_view info,
                                                    const RedisOptions& options) {
  std::vector<std::string> warnings;
  const auto version = value_of(info, "redis_version");
  const auto dot = version.find('.');
  const int major = number(version);
  const int minor = dot == std::string_view::npos ? 0 : number(version.substr(dot + 1));
  if (!version.empty() && (major < 6 || (major == 6 && minor < 2)))
    return fail(Errc::unsupported, "redis: version " + std::string(version) + " is older than 6.2",
                "redis", "use Redis 7 or Valkey");
  const auto policy = value_of(info, "maxmemory_policy");
  if (policy.empty())
    warnings.emplace_back("redis: does not tell its maxmemory-policy; it must be noeviction");
  else if (policy != "noeviction")
    return fail(Errc::storage_failed,
                "redis: maxmemory-policy is " + std::string(policy) + ", so tasks could vanish",
                "redis", "set maxmemory-policy noeviction, or give Troupe a server of its own");
  const auto appends = value_of(info, "aof_enabled");
  if (appends == "0") {
    const std::string text = "redis: appendonly is no, so a restart loses accepted tasks";
    if (options.persistence_required)
      return fail(Errc::storage_failed, text, "redis",
                  "set appendonly yes, or allow a server that forgets");
    warnings.push_back(text);
  }
  if (value_of(info, "aof_last_write_status") == "err")
    return fail(Errc::storage_failed, "redis: cannot write its append-only file", "redis",
                "look at the server's log and disk");
  const int replicas = number(value_of(info, "connected_slaves"));
  if (replicas < options.replicas)
    warnings.push_back("redis: " + std::to_string(replicas) + " replicas are connected, " +
                       std::to_string(options.replicas) +
                       " are waited for: changes fail until they are");
  return warnings;
}

}  // namespace troupe::tasks
