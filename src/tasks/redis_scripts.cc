#include "tasks/redis_scripts.h"

#include <openssl/evp.h>

#include <sstream>

#include "base/assets.h"

namespace troupe::tasks {
namespace {

constexpr std::array<std::string_view, kScripts> kNames = {
    "enqueue",    "enqueue_plain", "claim",        "beat",      "finish",        "cancel",
    "cancel_run", "replay",        "change",       "pause",     "set_limit",     "sweep",
    "get",        "list",          "purge",        "stats",     "run_counts",    "journal_add",
    "journal",    "document_put",  "document_get", "documents", "document_erase"};

std::string file(std::string_view name) {
  return std::string(assets::get("redis/" + std::string(name) + ".lua"));
}

// A script names the parts that it needs in its first line: `-- uses: records lanes`.
std::string put_together(std::string_view name) {
  const std::string body = file(name);
  std::istringstream words(body.substr(0, body.find('\n')));
  std::string source, word;
  words >> word >> word;
  while (words >> word) source += file(word);
  return source + body;
}

std::string sha1(const std::string& text) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), bytes, &size, EVP_sha1(), nullptr);
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hash;
  for (unsigned int i = 0; i < size; ++i) {
    hash += digits[bytes[i] >> 4];
    hash += digits[bytes[i] & 15];
  }
  return hash;
}

}  // namespace

RedisScripts::RedisScripts() {
  for (std::size_t i = 0; i < kScripts; ++i) {
    entries_[i].source = put_together(kNames[i]);
    entries_[i].hash = sha1(entries_[i].source);
  }
}

net::RedisCommand RedisScripts::by_hash(Script script, std::string_view key) const {
  net::RedisCommand command("EVALSHA");
  command.add(at(script).hash).add("1").add(key);
  return command;
}

net::RedisCommand RedisScripts::by_source(Script script, std::string_view key) const {
  net::RedisCommand command("EVAL");
  command.add(at(script).source).add("1").add(key);
  return command;
}

Async<void> RedisScripts::load(Context& ctx, net::RedisClient& client) const {
  std::vector<net::RedisCommand> commands;
  for (const Entry& entry : entries_) {
    net::RedisCommand command("SCRIPT");
    command.add("LOAD").add(entry.source);
    commands.push_back(std::move(command));
  }
  CO_TRY(const auto answers, co_await client.pipeline(ctx, std::move(commands)));
  for (std::size_t i = 0; i < kScripts; ++i) {
    if (answers[i].is_error())
      co_return net::redis_error("redis: script " + std::string(kNames[i]), answers[i].text);
    if (answers[i].text != entries_[i].hash)
      co_return fail(Errc::protocol_error, "redis: gave script " + std::string(kNames[i]) +
                                               " another hash: " + answers[i].text);
  }
  co_return Result<void>{};
}

}  // namespace troupe::tasks
