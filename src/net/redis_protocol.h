// RESP3, the protocol of Redis and Valkey: values, a parser that takes bytes as they come, and the
// encoding of commands. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace troupe::net {

/// One answer. Maps are flat: key, value, key, value.
struct RedisValue {
  enum class Kind { nil, text, integer, real, boolean, error, list, map, push };
  Kind kind = Kind::nil;
  std::int64_t integer = 0;  ///< Also of booleans.
  double real = 0;
  std::string text;  ///< Of texts and errors.
  std::vector<RedisValue> items;

  bool is_nil() const { return kind == Kind::nil; }
  bool is_error() const { return kind == Kind::error; }
  /// Whether an error begins with this word: `NOSCRIPT`, `MOVED`.
  bool is_error(std::string_view word) const;
};

/// Takes a stream of bytes apart. After an error it stays in error.
class RedisParser final {
 public:
  /// Longest text, most elements and deepest nesting that are believed.
  struct Limits {
    std::size_t text_bytes_max = std::size_t{512} << 20;
    std::size_t items_max = std::size_t{16} << 20;
    std::size_t depth_max = 16;
  };
  RedisParser() = default;
  explicit RedisParser(Limits limits) : limits_(limits) {}

  void feed(std::string_view bytes);
  /// The next whole value, or nothing when more bytes are needed. Errors: protocol_error.
  Result<std::optional<RedisValue>> next();
  /// Bytes that were fed and belong to no value yet.
  std::size_t unread_bytes() const { return buffer_.size() - at_; }

 private:
  struct Level {
    RedisValue value;
    std::size_t left = 0;
    bool is_attribute = false;
  };
  enum class Step { more, took, opened };
  Result<Step> step(RedisValue& into);
  Result<Step> step_line(char type, std::string_view line, RedisValue& into);
  Result<Step> open(char type, std::string_view line, RedisValue& into);
  Result<Step> take_text(char type, std::string_view line, std::size_t begin, RedisValue& into);
  bool close_levels(RedisValue& value);
  Error broken(std::string what);

  Limits limits_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::vector<Level> levels_;
  std::optional<Error> error_;
};

/// A command and its arguments; any bytes.
class RedisCommand final {
 public:
  RedisCommand() = default;
  explicit RedisCommand(std::string_view name) { add(name); }
  RedisCommand& add(std::string_view argument);
  RedisCommand& add(std::int64_t argument);
  /// All of another one's.
  RedisCommand& add_all(const RedisCommand& other);
  std::size_t bytes() const { return body_.size() + 16; }
  void append_to(std::string& out) const;

 private:
  std::string body_;
  std::size_t count_ = 0;
};

/// The error that a server's error answer stands for; `what` goes in front of its message.
Error redis_error(std::string_view what, std::string_view answer);

}  // namespace troupe::net
