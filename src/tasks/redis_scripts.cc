#include "tasks/redis_scripts.h"

#include <openssl/evp.h>

#include <cctype>
#include <map>
#include <sstream>

#include "base/assets.h"

namespace troupe::tasks {
namespace {

constexpr std::array<std::string_view, kScripts> kNames = {
    "enqueue",     "enqueue_plain", "claim",        "beat",         "finish",    "turn",
    "cancel",      "cancel_run",    "replay",       "change",       "pause",     "set_limit",
    "sweep",       "get",           "list",         "purge",        "stats",     "run_counts",
    "journal_add", "journal",       "document_put", "document_get", "documents", "document_erase"};

std::string file(std::string_view name) {
  return std::string(assets::get("redis/" + std::string(name) + ".lua"));
}

using Numbers = std::map<std::string, std::string, std::less<>>;

// assets/redis/numbers.txt: on each line the first number, then the names that count up from it.
Numbers read_numbers() {
  Numbers numbers;
  std::istringstream lines(std::string(assets::get("redis/numbers.txt")));
  for (std::string line, name; std::getline(lines, line);) {
    std::istringstream words(line);
    int next = 0;
    if (words >> next)
      while (words >> name) numbers[name] = std::to_string(next++);
  }
  return numbers;
}

bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

// Where the word, the text in quotes, the comment or the sign at the beginning ends.
std::size_t token_end(std::string_view source) {
  std::size_t end = 1;
  if (source.starts_with("--")) return std::min(source.find('\n'), source.size());
  if (source[0] == '\'') {
    while (end < source.size() && source[end] != '\'') end += source[end] == '\\' ? 2 : 1;
    return std::min(end + 1, source.size());
  }
  if (in_word(source[0]))
    while (end < source.size() && in_word(source[end])) ++end;
  return end;
}

// Without comments, and with numbers for their names: each function of a script that uses a named
// one would have to be given it in each call, which took a tenth of the server's time.
std::string with_numbers(std::string_view source) {
  static const Numbers numbers = read_numbers();
  std::string out;
  out.reserve(source.size());
  while (!source.empty()) {
    const std::string_view token = source.substr(0, token_end(source));
    source.remove_prefix(token.size());
    if (token.starts_with("--")) continue;
    const auto number = numbers.find(token);
    out += number == numbers.end() ? token : number->second;
  }
  return out;
}

// A script names the parts that it needs in its first line: `-- uses: records lanes`.
std::string put_together(std::string_view name) {
  const std::string body = file(name);
  std::istringstream words(body.substr(0, body.find('\n')));
  std::string source, word;
  words >> word >> word;
  while (words >> word) source += file(word);
  return with_numbers(source + body);
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
