#include "net/redis_protocol.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace troupe::net {
namespace {

constexpr std::string_view kTypes = "+-:$*,#_(!=%~>|";
constexpr std::size_t kLineBytesMax = 64 << 10;
// Space is set aside for so many elements at once; the rest only as they come.
constexpr std::size_t kItemsReserved = 4096;

template <class Number>
bool read_number(std::string_view text, Number& into) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const char* end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, into);
  return error == std::errc() && last == end;
}

bool read_real(std::string_view text, double& into) {
  if (text == "inf" || text == "-inf" || text == "nan") {
    into = text == "nan" ? std::numeric_limits<double>::quiet_NaN() : HUGE_VAL;
    if (text.starts_with('-')) into = -into;
    return true;
  }
  return read_number(text, into);
}

// What came, fit to be shown.
std::string shown(std::string_view bytes) {
  std::string text;
  for (const char c : bytes.substr(0, 32)) text += c >= ' ' && c <= '~' ? c : '.';
  return text;
}

struct AnswerWord {
  std::string_view word;
  Errc code;
  std::string_view hint;
};

// Answers that mean something to the caller; all others are of our own making.
constexpr AnswerWord kWords[] = {
    {"LOADING", Errc::unavailable, ""},
    {"BUSY", Errc::unavailable, ""},
    {"MASTERDOWN", Errc::unavailable, ""},
    {"CLUSTERDOWN", Errc::unavailable, ""},
    {"TRYAGAIN", Errc::unavailable, ""},
    {"READONLY", Errc::unavailable, "it is a replica; give the primary, or Sentinel's address"},
    {"NOREPLICAS", Errc::unavailable, "too few replicas are in step (min-replicas-to-write)"},
    {"NOSCRIPT", Errc::unavailable, ""},
    {"MOVED", Errc::unavailable, ""},
    {"ASK", Errc::unavailable, ""},
    {"UNBLOCKED", Errc::unavailable, ""},
    {"OOM", Errc::storage_failed, "raise maxmemory"},
    {"MISCONF", Errc::storage_failed, "the server cannot write to its disk"},
    {"NOAUTH", Errc::unauthenticated, "give user and password in the URL"},
    {"WRONGPASS", Errc::unauthenticated, "give user and password in the URL"},
    {"NOPERM", Errc::permission_denied, "the user's ACL lacks a command, key or channel"},
    {"NOPROTO", Errc::unsupported, "Redis 6.2 or later, or Valkey, is needed"},
};

}  // namespace

bool RedisValue::is_error(std::string_view word) const {
  return kind == Kind::error && text.starts_with(word) &&
         (text.size() == word.size() || text[word.size()] == ' ');
}

void RedisParser::feed(std::string_view bytes) {
  if (at_ == buffer_.size()) {
    buffer_.clear();
    at_ = 0;
    if (buffer_.capacity() > (std::size_t{1} << 20)) buffer_.shrink_to_fit();
  } else if (at_ > (std::size_t{64} << 10) && at_ > buffer_.size() / 2) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
  buffer_.append(bytes);
}

Error RedisParser::broken(std::string what) {
  error_ = fail(Errc::protocol_error, "redis: " + std::move(what));
  return *error_;
}

Result<std::optional<RedisValue>> RedisParser::next() {
  if (error_) return *error_;
  for (;;) {
    RedisValue value;
    TRY(const Step taken, step(value));
    if (taken == Step::more) return std::optional<RedisValue>();
    if (taken == Step::took && close_levels(value)) return std::optional(std::move(value));
  }
}

// Puts a finished value where it belongs; true when it is a whole answer.
bool RedisParser::close_levels(RedisValue& value) {
  while (!levels_.empty()) {
    Level& level = levels_.back();
    if (!level.is_attribute) level.value.items.push_back(std::move(value));
    if (--level.left > 0) return false;
    const bool dropped = level.is_attribute;
    value = std::move(level.value);
    levels_.pop_back();
    if (dropped) return false;  // what it says something about comes next
  }
  return true;
}

Result<RedisParser::Step> RedisParser::step(RedisValue& into) {
  const std::size_t end = buffer_.find("\r\n", at_);
  if (end == std::string::npos) {
    if (buffer_.size() - at_ > kLineBytesMax) return broken("a line of more than 64 KiB");
    // Rubbish need not hold a line end: look at the first byte at once.
    if (at_ < buffer_.size() && kTypes.find(buffer_[at_]) == std::string_view::npos)
      return broken("'" + shown(std::string_view(buffer_).substr(at_)) + "' is no RESP3");
    return Step::more;
  }
  if (end == at_) return broken("an empty line is no RESP3");
  const char type = buffer_[at_];
  const auto line = std::string_view(buffer_).substr(at_ + 1, end - at_ - 1);
  if (type == '$' || type == '=' || type == '!') return take_text(type, line, end + 2, into);
  TRY(const Step taken, step_line(type, line, into));
  at_ = end + 2;
  return taken;
}

Result<RedisParser::Step> RedisParser::step_line(char type, std::string_view line,
                                                 RedisValue& into) {
  using Kind = RedisValue::Kind;
  bool good = true;
  switch (type) {
    case '+':
    case '(':
    case '-':
      into.kind = type == '-' ? Kind::error : Kind::text;
      into.text = line;
      break;
    case ':':
      into.kind = Kind::integer;
      good = read_number(line, into.integer);
      break;
    case ',':
      into.kind = Kind::real;
      good = read_real(line, into.real);
      break;
    case '#':
      into.kind = Kind::boolean;
      into.integer = line == "t";
      good = line == "t" || line == "f";
      break;
    case '_': good = line.empty(); break;
    case '*':
    case '~':
    case '%':
    case '>':
    case '|': return open(type, line, into);
    default: good = false;
  }
  if (!good) return broken("'" + shown(type + std::string(line)) + "' is no RESP3");
  return Step::took;
}

Result<RedisParser::Step> RedisParser::open(char type, std::string_view line, RedisValue& into) {
  if (type == '*' && line == "-1") return Step::took;  // nil as RESP2 has it
  std::size_t count = 0;
  if (!read_number(line, count) || count > limits_.items_max)
    return broken("a list of '" + shown(line) + "' elements");
  if (type == '%' || type == '|') count *= 2;
  if (levels_.size() >= limits_.depth_max) return broken("lists are nested too deeply");
  using Kind = RedisValue::Kind;
  const Kind kind = type == '%' ? Kind::map : type == '>' ? Kind::push : Kind::list;
  if (count == 0) {
    into.kind = kind;
    return type == '|' ? Step::opened : Step::took;
  }
  Level& level = levels_.emplace_back();
  level.value.kind = kind;
  level.is_attribute = type == '|';
  level.left = count;
  level.value.items.reserve(std::min(count, kItemsReserved));
  return Step::opened;
}

Result<RedisParser::Step> RedisParser::take_text(char type, std::string_view line,
                                                 std::size_t begin, RedisValue& into) {
  if (type == '$' && line == "-1") {
    at_ = begin;
    return Step::took;
  }
  std::size_t size = 0;
  if (!read_number(line, size) || size > limits_.text_bytes_max)
    return broken("a text of '" + shown(line) + "' bytes");
  if (buffer_.size() < begin + size + 2) {
    buffer_.reserve(begin + size + 2);
    return Step::more;
  }
  if (buffer_.compare(begin + size, 2, "\r\n") != 0) return broken("a text has no end");
  const std::size_t skipped = type == '=' ? std::min<std::size_t>(4, size) : 0;  // `txt:`
  into.kind = type == '!' ? RedisValue::Kind::error : RedisValue::Kind::text;
  into.text.assign(buffer_, begin + skipped, size - skipped);
  at_ = begin + size + 2;
  return Step::took;
}

RedisCommand& RedisCommand::add(std::string_view argument) {
  char head[24];
  head[0] = '$';
  char* end = std::to_chars(head + 1, head + sizeof head, argument.size()).ptr;
  *end++ = '\r';
  *end++ = '\n';
  body_.append(head, end);
  body_.append(argument);
  body_.append("\r\n", 2);
  ++count_;
  return *this;
}

RedisCommand& RedisCommand::add(std::int64_t argument) {
  char text[24];
  const char* end = std::to_chars(text, text + sizeof text, argument).ptr;
  return add(std::string_view(text, end));
}

RedisCommand& RedisCommand::add_all(const RedisCommand& other) {
  body_ += other.body_;
  count_ += other.count_;
  return *this;
}

void RedisCommand::append_to(std::string& out) const {
  char head[24];
  head[0] = '*';
  char* end = std::to_chars(head + 1, head + sizeof head, count_).ptr;
  *end++ = '\r';
  *end++ = '\n';
  out.append(head, end);
  out.append(body_);
}

Error redis_error(std::string_view what, std::string_view answer) {
  const auto word = answer.substr(0, answer.find(' '));
  const auto* known =
      std::ranges::find_if(kWords, [&](const AnswerWord& row) { return row.word == word; });
  const bool is_known = known != std::end(kWords);
  return fail(is_known ? known->code : Errc::internal,
              std::string(what) + ": the server answered " + std::string(answer), {},
              is_known ? std::string(known->hint) : std::string());
}

}  // namespace troupe::net
