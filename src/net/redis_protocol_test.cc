#include "net/redis_protocol.h"

#include <gmock/gmock.h>

#include "base/random.h"
#include "base/testing.h"
#include "net/redis_url.h"

namespace troupe::net {
namespace {

using testing::HasSubstr;
using Kind = RedisValue::Kind;

// Everything that whole RESP3 texts give, written shortly.
std::string shown(const RedisValue& value) {
  switch (value.kind) {
    case Kind::nil: return "nil";
    case Kind::text: return "'" + value.text + "'";
    case Kind::integer: return std::to_string(value.integer);
    case Kind::real: return "real " + std::to_string(value.real);
    case Kind::boolean: return value.integer ? "true" : "false";
    case Kind::error: return "error " + value.text;
    default: break;
  }
  std::string text = value.kind == Kind::map ? "map" : value.kind == Kind::push ? "push" : "list";
  for (const RedisValue& one : value.items) text += " " + shown(one);
  return text + ".";
}

std::string parsed(std::string_view bytes) {
  RedisParser parser;
  parser.feed(bytes);
  std::string all;
  for (;;) {
    const auto value = parser.next();
    if (!value) return all + std::string(to_string(value.error().code));
    if (!*value) return all + (parser.unread_bytes() > 0 ? "more" : "");
    all += shown(**value) + " ";
  }
}

constexpr std::string_view kAll =
    "+OK\r\n-ERR no\r\n:-42\r\n$5\r\nab\r\nc\r\n$0\r\n\r\n$-1\r\n*-1\r\n_\r\n#t\r\n#f\r\n,1.5\r\n"
    ",inf\r\n(123456789012345678901\r\n=7\r\ntxt:abc\r\n!5\r\nERR "
    "x\r\n*0\r\n*2\r\n:1\r\n*1\r\n+x\r\n"
    "%1\r\n+k\r\n:2\r\n~1\r\n:3\r\n>2\r\n+message\r\n+hi\r\n|1\r\n+ttl\r\n:9\r\n:7\r\n%0\r\n";
constexpr std::string_view kAllShown =
    "'OK' error ERR no -42 'ab\r\nc' '' nil nil nil true false real 1.500000 real inf "
    "'123456789012345678901' 'abc' error ERR x list. list 1 list 'x'.. map 'k' 2. list 3. "
    "push 'message' 'hi'. 7 map. ";

TEST(RedisParser, ReadsEveryTypeOfResp3) { EXPECT_EQ(parsed(kAll), kAllShown); }

TEST(RedisParser, TakesBytesInPiecesOfAnySize) {
  Random random(7);
  for (int round = 0; round < 200; ++round) {
    RedisParser parser;
    std::string all;
    for (std::size_t at = 0; at < kAll.size();) {
      const auto size = static_cast<std::size_t>(random.between(1, round % 2 ? 3 : 40));
      parser.feed(kAll.substr(at, size));
      at += size;
      for (;;) {
        const auto value = parser.next();
        ASSERT_TRUE(value) << value.error().describe();
        if (!*value) break;
        all += shown(**value) + " ";
      }
    }
    ASSERT_EQ(all, kAllShown) << "round " << round;
  }
}

TEST(RedisParser, RefusesWhatIsNoResp3) {
  for (const std::string_view bytes :
       {"HTTP/1.1 400 Bad Request\r\n", "\r\n", ":x\r\n", ":1 \r\n", "$x\r\n", "$-2\r\n", "*-2\r\n",
        "*99999999999\r\n", "#x\r\n", "_x\r\n", "$3\r\nabcd\r\n", "?\r\n", "G"}) {
    EXPECT_EQ(parsed(bytes), "protocol_error") << bytes;
  }
}

TEST(RedisParser, StaysBrokenAfterAnError) {
  RedisParser parser;
  parser.feed("?\r\n+OK\r\n");
  EXPECT_FALSE(parser.next());
  EXPECT_FALSE(parser.next());
}

TEST(RedisParser, HoldsItsLimits) {
  RedisParser parser({.text_bytes_max = 10, .items_max = 3, .depth_max = 2});
  parser.feed("*3\r\n$10\r\n0123456789\r\n*1\r\n:1\r\n:2\r\n");
  EXPECT_TRUE(*parser.next());
  parser.feed("*1\r\n*1\r\n*1\r\n:1\r\n");
  EXPECT_THAT(parser.next().error().message, HasSubstr("nested"));
}

TEST(RedisParser, SurvivesRubbish) {
  Random random(11);
  for (int round = 0; round < 3000; ++round) {
    std::string bytes(kAll);
    for (std::int64_t i = random.between(1, 6); i > 0; --i)
      bytes[static_cast<std::size_t>(
          random.between(0, static_cast<std::int64_t>(bytes.size()) - 1))] =
          static_cast<char>(random.between(0, 255));
    RedisParser parser;
    parser.feed(bytes);
    for (int values = 0; values < 100; ++values) {
      const auto value = parser.next();
      if (!value || !*value) break;
    }
    EXPECT_LE(parser.unread_bytes(), bytes.size());
  }
}

TEST(RedisCommand, IsAListOfTexts) {
  RedisCommand command("SET");
  command.add("a\r\n").add(std::int64_t{-7});
  RedisCommand more("x");
  command.add_all(more);
  std::string bytes;
  command.append_to(bytes);
  EXPECT_EQ(bytes, "*4\r\n$3\r\nSET\r\n$3\r\na\r\n\r\n$2\r\n-7\r\n$1\r\nx\r\n");
}

TEST(RedisError, SaysWhatTheAnswerMeans) {
  EXPECT_EQ(redis_error("redis", "LOADING the data").code, Errc::unavailable);
  EXPECT_EQ(redis_error("redis", "OOM command not allowed").code, Errc::storage_failed);
  EXPECT_EQ(redis_error("redis", "NOAUTH Authentication required.").code, Errc::unauthenticated);
  EXPECT_EQ(redis_error("redis", "ERR wrong number").code, Errc::internal);
  EXPECT_EQ(redis_error("redis", "READONLY x").message, "redis: the server answered READONLY x");
}

TEST(RedisUrl, ReadsEveryForm) {
  auto url = parse_redis_url("redis://user:p%40ss@example.com/3");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->user, "user");
  EXPECT_EQ(url->password, "p@ss");
  EXPECT_EQ(url->addresses, (std::vector<RedisAddress>{{"example.com", "6379"}}));
  EXPECT_EQ(url->database, 3);
  EXPECT_EQ(url->shown(), "redis://example.com:6379/3");
  url = parse_redis_url("rediss://:secret@[::1]:7000,b:7001");
  ASSERT_TRUE(url);
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->user, "");
  EXPECT_EQ(url->addresses, (std::vector<RedisAddress>{{"::1", "7000"}, {"b", "7001"}}));
  url = parse_redis_url("redis-sentinel://a,b:5000/mymaster/1");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->kind, RedisUrl::Kind::sentinel);
  EXPECT_EQ(url->primary_name, "mymaster");
  EXPECT_EQ(url->database, 1);
  EXPECT_EQ(url->addresses, (std::vector<RedisAddress>{{"a", "26379"}, {"b", "5000"}}));
  url = parse_redis_url("redis+unix:///run/redis.sock?db=2");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->path, "/run/redis.sock");
  EXPECT_EQ(url->database, 2);
}

TEST(RedisUrl, RefusesWhatIsNone) {
  for (const char* text :
       {"", "localhost", "http://a", "redis://", "redis://a:0", "redis://a:99999", "redis://a/x",
        "redis-sentinel://a", "redis+unix://relative", "redis://a,,b", "redis://u%zz@a"}) {
    const auto url = parse_redis_url(text);
    ASSERT_FALSE(url) << text;
    EXPECT_EQ(url.error().code, Errc::invalid_argument);
  }
}

}  // namespace
}  // namespace troupe::net
