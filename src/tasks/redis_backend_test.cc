// The conformance suite on a real server, and what only Redis has.
#include "tasks/redis_backend.h"

#include <gmock/gmock.h>

#include "net/testing_redis_server.h"
#include "tasks/testing_conformance.h"

namespace troupe::tasks {
namespace {

using net::RedisServer;
using ::testing::HasSubstr;

// One server for all tests that do not harm it; each test takes a prefix of its own.
RedisServer& shared_server() {
  static RedisServer server({"--appendonly", "yes", "--appendfsync", "everysec"});
  return server;
}

std::string fresh_prefix() {
  static int last = 0;
  return "test" + std::to_string(++last);
}

// Scripts go by a clock that the test moves; calls by the real one, since the server is real.
class RedisSubject final : public Subject {
 public:
  RedisSubject(Context& real, std::int64_t tasks_max) : ctx_(real) {
    options_.url = shared_server().url();
    options_.prefix = fresh_prefix();
    options_.tasks_max = tasks_max;
    options_.clock = &clock_;
  }
  asio::awaitable<void> prepare() override {
    RedisOptions options = options_;
    auto opened = co_await open_redis_backend(ctx_, std::move(options));
    if (!opened) throw std::runtime_error(opened.error().describe());
    backend_ = std::move(*opened);
  }
  Backend& backend() override { return *backend_; }
  Context& ctx() override { return ctx_; }
  UnixMs now() override { return to_unix_ms(clock_.wall()); }
  asio::awaitable<void> advance(UnixMs ms) override {
    clock_.advance(std::chrono::milliseconds(ms));
    co_return;
  }

 private:
  ManualClock clock_;
  Context ctx_;
  RedisOptions options_;
  std::unique_ptr<Backend> backend_;
};

std::unique_ptr<Subject> redis(Context& real, std::int64_t tasks_max) {
  return std::make_unique<RedisSubject>(real, tasks_max);
}

std::vector<Factory> factories() {
  if (!net::has_redis_server()) return {};  // RedisServerIsInstalled says so
  return {Factory{.name = "Redis", .make = redis}};
}

INSTANTIATE_TEST_SUITE_P(Redis, Conformance, ::testing::ValuesIn(factories()), name_of);

TEST(RedisBackend, RunsOnARealServerInTheseTests) {
  if (!net::has_redis_server())
    GTEST_SKIP() << "redis-server is not installed: the Redis backend is NOT tested "
                    "(tools/install-deps test)";
  EXPECT_THAT(shared_server().ask("PING"), HasSubstr("PONG"));
}

}  // namespace
}  // namespace troupe::tasks
