#include "net/redis_client.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "base/testing.h"
#include "net/testing_redis_faults.h"
#include "net/testing_redis_server.h"

namespace troupe::net {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;
using Words = std::vector<std::string>;

RedisClientOptions options_for(const std::string& url) {
  RedisClientOptions options;
  options.url = parse_redis_url(url).value();
  options.pause_least = 5ms;
  options.pause_most = 50ms;
  return options;
}

RedisCommand command(std::initializer_list<std::string_view> words) {
  RedisCommand command;
  for (const auto word : words) command.add(word);
  return command;
}

Async<RedisValue> ask(Context& ctx, RedisClient& client, RedisCommand command) {
  co_return co_await client.command(ctx, std::move(command));
}

// The error that a command ends with; `internal` without one.
asio::awaitable<Error> failure(Context& ctx, RedisClient& client, Duration limit = 2s) {
  Context limited = ctx.with_timeout(limit, "test");
  const auto answer = co_await client.command(limited, RedisCommand("PING"));
  co_return answer ? Error{} : answer.error();
}

#define NEEDS_REDIS()      \
  if (!has_redis_server()) \
  GTEST_SKIP() << "redis-server is not installed: NOT tested (tools/install-deps test)"

asio::awaitable<void> shared(Context& ctx, std::string url) {
  RedisClient client(ctx.executor(), ctx.clock(), options_for(url));
  std::vector<Async<RedisValue>> calls;
  for (int i = 0; i < 2000; ++i)
    calls.push_back(ask(ctx, client, command({"ECHO", std::to_string(i)})));
  const auto answers = co_await gather(ctx, std::move(calls));
  for (int i = 0; i < 2000; ++i) {
    const auto& answer = answers[static_cast<std::size_t>(i)];
    EXPECT_TRUE(answer && answer->text == std::to_string(i)) << i;
  }
  EXPECT_EQ(client.counters().connections, 1u);
  const std::string large(3'000'000, 'x');
  const auto echoed = co_await ask(ctx, client, command({"ECHO", large}));
  EXPECT_TRUE(echoed && echoed->text == large);
  co_await client.close();
  const Error closed = co_await failure(ctx, client);
  EXPECT_EQ(closed.code, Errc::cancelled);
}

TEST(RedisClient, ManyCallersShareOneConnection) {
  NEEDS_REDIS();
  RedisServer server;
  testing::run([&](Context& ctx) { return shared(ctx, server.url()); });
}

asio::awaitable<void> authenticates(Context& ctx, RedisServer& server) {
  {
    RedisClient client(ctx.executor(), ctx.clock(), options_for(server.url()));
    const Error error = co_await failure(ctx, client);
    EXPECT_EQ(error.code, Errc::unauthenticated) << error.describe();
    EXPECT_EQ(error.hint, "give user and password in the URL");
    co_await client.close();
  }
  RedisClient client(ctx.executor(), ctx.clock(), options_for(server.url("default:secret@")));
  const auto made = co_await ask(
      ctx, client, command({"ACL", "SETUSER", "bob", "on", ">pw", "~a:*", "+@all", "-config"}));
  EXPECT_TRUE(made) << made.error().describe();
  RedisClient bob(ctx.executor(), ctx.clock(), options_for(server.url("bob:pw@")));
  const auto set = co_await ask(ctx, bob, command({"SET", "a:1", "x"}));
  EXPECT_TRUE(set);
  const auto other = co_await ask(ctx, bob, command({"SET", "b", "x"}));
  EXPECT_EQ(other.error().code, Errc::permission_denied);
  co_await client.close();
  co_await bob.close();
}

TEST(RedisClient, AuthenticatesWithUserAndPassword) {
  NEEDS_REDIS();
  RedisServer server({"--requirepass", "secret"});
  testing::run([&](Context& ctx) { return authenticates(ctx, server); });
}

asio::awaitable<void> publishes(Context& ctx, RedisServer& server) {
  RedisClient client(ctx.executor(), ctx.clock(), options_for(server.url()));
  std::string heard;
  int subscribed = 0;
  Event told;
  client.subscribe(
      "news",
      [&](std::string_view text) {
        heard += text;
        told.set();
      },
      [&] {
        ++subscribed;
        told.set();
      });
  (void)co_await told.wait(ctx);
  told.reset();
  (void)co_await ask(ctx, client, command({"PUBLISH", "news", "one"}));
  (void)co_await told.wait(ctx);
  EXPECT_EQ(heard, "one");
  server.kill();
  server.start();
  while (subscribed < 2) (void)co_await sleep_for(ctx, 5ms);
  told.reset();
  (void)co_await ask(ctx, client, command({"PUBLISH", "news", "two"}));
  (void)co_await told.wait(ctx);
  EXPECT_EQ(heard, "onetwo");
  co_await client.close();
}

TEST(RedisClient, SubscribesAgainAfterABreak) {
  NEEDS_REDIS();
  RedisServer server;
  testing::run([&](Context& ctx) { return publishes(ctx, server); });
}

// How hard it tries while nobody is there, and how soon it is back.
asio::awaitable<void> comes_back(Context& ctx, RedisServer& server) {
  RedisClientOptions options = options_for(server.url());
  options.pause_least = 20ms;
  options.pause_most = 100ms;
  RedisClient client(ctx.executor(), ctx.clock(), options);
  (void)co_await ask(ctx, client, command({"SET", "k", "v"}));
  server.kill();
  const Error error = co_await failure(ctx, client, 1s);
  EXPECT_TRUE(error.code == Errc::unavailable || error.code == Errc::network_error);
  const Error second = co_await failure(ctx, client, 500ms);
  EXPECT_EQ(second.code, Errc::unavailable);
  EXPECT_THAT(second.message, HasSubstr("redis: not connected: connect to 127.0.0.1"));
  EXPECT_LE(client.counters().attempts, 80u) << "a busy loop";
  EXPECT_GE(client.counters().attempts, 5u);
  server.start();
  const auto value = co_await ask(ctx, client, command({"GET", "k"}));
  EXPECT_TRUE(value && value->text == "v");
  co_await client.close();
}

TEST(RedisClient, ConnectsAgainWithPausesAndWithoutABusyLoop) {
  NEEDS_REDIS();
  RedisServer server;
  testing::run([&](Context& ctx) { return comes_back(ctx, server); });
}

asio::awaitable<void> survives_faults(Context& ctx, RedisServer& server) {
  FaultProxy proxy(ctx.executor(), server.port());
  RedisClientOptions options = options_for(proxy.url());
  options.stall_timeout = 200ms;
  options.ping_interval = 100ms;
  options.connect_timeout = 200ms;
  RedisClient client(ctx.executor(), ctx.clock(), options);
  proxy.faults().slice = 3;
  const auto sliced = co_await ask(ctx, client, command({"ECHO", std::string(500, 'y')}));
  EXPECT_TRUE(sliced && sliced->text.size() == 500);
  proxy.faults().slice = 65'536;
  proxy.faults().freeze = true;
  const Error frozen = co_await failure(ctx, client, 3s);
  EXPECT_EQ(frozen.code, Errc::network_error) << frozen.describe();
  EXPECT_THAT(frozen.message, HasSubstr("has not answered for 200 ms"));
  proxy.faults().freeze = false;
  const auto thawed = co_await ask(ctx, client, command({"PING"}));
  EXPECT_TRUE(thawed);
  proxy.faults().lose_answers = 1;
  const auto lost = co_await ask(ctx, client, command({"INCR", "n"}));
  EXPECT_EQ(lost.error().code, Errc::network_error);
  const auto applied = co_await ask(ctx, client, command({"GET", "n"}));
  EXPECT_TRUE(applied && applied->text == "1") << "it was applied";
  // An idle connection that froze is noticed without anybody asking.
  const auto before = client.counters().connections;
  proxy.faults().freeze = true;
  (void)co_await sleep_for(ctx, 600ms);
  proxy.faults().freeze = false;
  const auto after = co_await ask(ctx, client, command({"PING"}));
  EXPECT_TRUE(after);
  EXPECT_GT(client.counters().connections, before);
  co_await client.close();
}

TEST(RedisClient, SurvivesSlicesHalfOpenConnectionsAndLostAnswers) {
  NEEDS_REDIS();
  RedisServer server;
  testing::run([&](Context& ctx) { return survives_faults(ctx, server); });
}

asio::awaitable<void> garbage(Context& ctx) {
  int commands = 0;
  FakeRedis server(ctx.executor(), [&commands](const Words& words) -> std::string {
    if (words[0] != "PING") return {};
    return ++commands == 1 ? "GARBAGE garbage\r\n" : "+PONG\r\n";
  });
  RedisClient client(ctx.executor(), ctx.clock(), options_for(server.url()));
  const Error error = co_await failure(ctx, client);
  EXPECT_EQ(error.code, Errc::protocol_error) << error.describe();
  const auto pong = co_await ask(ctx, client, command({"PING"}));
  EXPECT_TRUE(pong);
  EXPECT_EQ(server.connections(), 2);
  co_await client.close();
}

TEST(RedisClient, ConnectsAgainAfterRubbish) { testing::run(garbage); }

asio::awaitable<void> unasked(Context& ctx) {
  FakeRedis server(ctx.executor(), [](const Words& words) -> std::string {
    return words[0] == "PING" ? "+PONG\r\n+WHAT\r\n" : "";
  });
  RedisClient client(ctx.executor(), ctx.clock(), options_for(server.url()));
  (void)co_await ask(ctx, client, command({"PING"}));
  (void)co_await sleep_for(ctx, 20ms);
  EXPECT_GE(server.connections(), 1);
  EXPECT_TRUE(co_await ask(ctx, client, command({"PING"})));
  EXPECT_GE(server.connections(), 2);
  co_await client.close();
}

TEST(RedisClient, AnAnswerThatNobodyAskedForEndsTheConnection) { testing::run(unasked); }

asio::awaitable<void> moves(Context& ctx) {
  FakeRedis there(ctx.executor(), [](const Words& words) -> std::string {
    if (words[0] == "GET") return "$5\r\nthere\r\n";
    return words[0] == "ASKING" ? "+OK\r\n" : "";
  });
  const std::string address = "127.0.0.1:" + std::to_string(there.port());
  FakeRedis here(ctx.executor(), [address](const Words& words) -> std::string {
    if (words[0] != "GET") return {};
    return words[1] == "asked" ? "-ASK 7 " + address + "\r\n" : "-MOVED 7 " + address + "\r\n";
  });
  RedisClient client(ctx.executor(), ctx.clock(), options_for(here.url()));
  auto answer = co_await ask(ctx, client, command({"GET", "asked"}));
  EXPECT_TRUE(answer && answer->text == "there");
  EXPECT_THAT(client.server(), HasSubstr(std::to_string(here.port())));
  answer = co_await ask(ctx, client, command({"GET", "moved"}));
  EXPECT_TRUE(answer && answer->text == "there");
  EXPECT_EQ(client.server(), address) << "it stays with the new one";
  co_await client.close();
}

TEST(RedisClient, FollowsMovedAndAsk) { testing::run(moves); }

asio::awaitable<void> circles(Context& ctx) {
  std::string address;
  FakeRedis server(ctx.executor(), [&address](const Words& words) -> std::string {
    return words[0] == "PING" ? "-MOVED 7 " + address + "\r\n" : "";
  });
  address = "127.0.0.1:" + std::to_string(server.port());
  RedisClient client(ctx.executor(), ctx.clock(), options_for(server.url()));
  const Error error = co_await failure(ctx, client, 5s);
  EXPECT_EQ(error.message, "redis: redirected more than 5 times");
  co_await client.close();
}

TEST(RedisClient, DoesNotFollowInCircles) { testing::run(circles); }

asio::awaitable<void> asks_sentinel(Context& ctx) {
  FakeRedis primary(ctx.executor(), [](const Words& words) -> std::string {
    return words[0] == "PING" ? "+PRIMARY\r\n" : "";
  });
  FakeRedis replica(ctx.executor(), [](const Words& words) -> std::string {
    return words[0] == "ROLE" ? "*3\r\n+slave\r\n+x\r\n:1\r\n" : "";
  });
  int asked = 0;
  FakeRedis sentinel(ctx.executor(), [&](const Words& words) -> std::string {
    if (words[0] != "SENTINEL") return {};
    EXPECT_EQ(words[2], "main");
    const auto& named = ++asked < 3 ? replica : primary;  // late to notice
    const std::string port = std::to_string(named.port());
    return "*2\r\n+127.0.0.1\r\n$" + std::to_string(port.size()) + "\r\n" + port + "\r\n";
  });
  const std::string url = "redis-sentinel://127.0.0.1:" + std::to_string(free_port()) +
                          ",127.0.0.1:" + std::to_string(sentinel.port()) + "/main";
  RedisClient client(ctx.executor(), ctx.clock(), options_for(url));
  const auto answer = co_await ask(ctx, client, command({"PING"}));
  EXPECT_TRUE(answer && answer->text == "PRIMARY");
  EXPECT_EQ(asked, 3);
  co_await client.close();
}

TEST(RedisClient, FindsThePrimaryBySentinel) { testing::run(asks_sentinel); }

asio::awaitable<void> bounded(Context& ctx) {
  FakeRedis server(ctx.executor(), [](const Words&) { return std::string(); });
  RedisClientOptions options = options_for(server.url());
  options.commands_max = 3;
  RedisClient client(ctx.executor(), ctx.clock(), options);
  EXPECT_TRUE(co_await client.connected(ctx));
  Context limited = ctx.with_timeout(100ms, "test");
  std::vector<Async<RedisValue>> calls;
  for (int i = 0; i < 4; ++i) calls.push_back(ask(limited, client, RedisCommand("PING")));
  const auto answers = co_await gather(ctx, std::move(calls));
  EXPECT_EQ(answers[2].error().code, Errc::timeout);
  EXPECT_EQ(answers[3].error().code, Errc::exhausted);
  co_await client.close();
}

TEST(RedisClient, BoundsWhatWaitsAndKeepsDeadlines) { testing::run(bounded); }

asio::awaitable<void> over_tls(Context& ctx, std::string folder, int port) {
  RedisClientOptions options = options_for("rediss://localhost:" + std::to_string(port));
  options.ca_file = folder + "/cert.pem";
  RedisClient client(ctx.executor(), ctx.clock(), options);
  const auto echoed = co_await ask(ctx, client, command({"ECHO", std::string(200'000, 't')}));
  EXPECT_TRUE(echoed && echoed->text.size() == 200'000u);
  options.ca_file.clear();
  RedisClient distrusting(ctx.executor(), ctx.clock(), options);
  const Error error = co_await failure(ctx, distrusting, 300ms);
  EXPECT_EQ(error.code, Errc::unavailable);
  EXPECT_THAT(error.message, HasSubstr("TLS with localhost"));
  co_await client.close();
  co_await distrusting.close();
}

TEST(RedisClient, SpeaksTls) {
  NEEDS_REDIS();
  char name[] = "/tmp/troupe-redis-tls-XXXXXX";
  const std::string folder = ::mkdtemp(name);
  const std::string make =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
      "-nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost "
      "-keyout " +
      folder + "/key.pem -out " + folder + "/cert.pem 2>/dev/null";
  ASSERT_EQ(std::system(make.c_str()), 0);
  const int port = free_port();
  {
    RedisServer server({"--tls-port", std::to_string(port), "--tls-cert-file", folder + "/cert.pem",
                        "--tls-key-file", folder + "/key.pem", "--tls-auth-clients", "no"});
    testing::run([&](Context& ctx) { return over_tls(ctx, folder, port); });
  }
  (void)std::system(("rm -r " + folder).c_str());
}

asio::awaitable<void> over_local_socket(Context& ctx, std::string path) {
  RedisClient client(ctx.executor(), ctx.clock(), options_for("redis+unix://" + path));
  const auto pong = co_await ask(ctx, client, command({"PING"}));
  EXPECT_TRUE(pong) << pong.error().describe();
  co_await client.close();
}

TEST(RedisClient, SpeaksOverALocalSocket) {
  NEEDS_REDIS();
  const std::string path = "/tmp/troupe-redis-" + std::to_string(free_port()) + ".sock";
  RedisServer server({"--unixsocket", path});
  testing::run([&](Context& ctx) { return over_local_socket(ctx, path); });
}

}  // namespace
}  // namespace troupe::net
