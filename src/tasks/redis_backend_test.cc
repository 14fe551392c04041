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

// What follows goes by the server's own clock.

#define NEEDS_REDIS()           \
  if (!net::has_redis_server()) \
  GTEST_SKIP() << "redis-server is not installed: NOT tested (tools/install-deps test)"

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using Verdict = Finish::Verdict;

RedisOptions options_for(std::string url, std::string prefix = "troupe") {
  RedisOptions options;
  options.url = std::move(url);
  options.prefix = std::move(prefix);
  options.call_timeout = 1s;
  options.stall_timeout = 500ms;
  return options;
}

asio::awaitable<std::unique_ptr<Backend>> open(Context& ctx, RedisOptions options) {
  auto opened = co_await open_redis_backend(ctx, std::move(options));
  if (!opened) throw std::runtime_error(opened.error().describe());
  co_return std::move(*opened);
}

Async<std::vector<Accepted>> add_one(Context& ctx, Backend& backend, Spec spec) {
  Submission submission;
  submission.tasks.push_back(std::move(spec));
  co_return co_await backend.enqueue(ctx, std::move(submission));
}

Async<Claimed> claim(Context& ctx, Backend& backend, std::string worker, int max,
                     UnixMs lease_ms = 10'000) {
  ClaimRequest request;
  request.worker = std::move(worker);
  request.max = max;
  request.lease_ms = lease_ms;
  co_return co_await backend.claim(ctx, std::move(request));
}

Async<std::vector<Finished>> finish_one(Context& ctx, Backend& backend, const Claim& claim) {
  std::vector<Finish> finishes(1);
  finishes[0].id = claim.spec.id;
  finishes[0].token = claim.token;
  co_return co_await backend.finish(ctx, std::move(finishes));
}

asio::awaitable<void> two_nodes(Context& ctx, std::string url) {
  const std::string prefix = fresh_prefix();
  RedisOptions options = options_for(url, prefix);
  const auto frozen = co_await open(ctx, options);
  const auto other = co_await open(ctx, options);
  Spec gated = spec("task_1");
  gated.gates = {{.key = "site", .limit = 1}};
  Spec second = gated;
  second.id = "task_2";
  EXPECT_TRUE(co_await add_one(ctx, *frozen, gated));
  EXPECT_TRUE(co_await add_one(ctx, *other, second));
  const auto first = co_await claim(ctx, *frozen, "node_frozen", 5, 200);
  EXPECT_EQ(first->claims.size(), 1u) << "one at a time, over all nodes";
  auto none = co_await claim(ctx, *other, "node_other", 5);
  EXPECT_TRUE(none->claims.empty());
  (void)co_await sleep_for(ctx, 250ms);
  const auto swept = co_await other->sweep(ctx, 100);
  EXPECT_EQ(swept->moved.size(), 1u);
  const auto again = co_await claim(ctx, *other, "node_other", 5);
  EXPECT_EQ(again->claims.size(), 1u);
  EXPECT_EQ(again->claims[0].losses, 1);
  EXPECT_GT(again->claims[0].token, first->claims[0].token);
  const auto late = co_await finish_one(ctx, *frozen, first->claims[0]);
  EXPECT_TRUE((*late)[0].stale);
  std::vector<Held> held{{.id = "task_1", .token = first->claims[0].token}};
  const auto beats = co_await frozen->beat(ctx, "node_frozen", std::move(held), 10'000);
  EXPECT_EQ((*beats)[0], Beat::lost);
  const auto done = co_await finish_one(ctx, *other, again->claims[0]);
  EXPECT_FALSE((*done)[0].stale);
  const auto last = co_await claim(ctx, *frozen, "node_frozen", 5);
  EXPECT_EQ(last->claims.size(), 1u) << "the gate has room again";
  co_await frozen->close();
  co_await other->close();
}

TEST(RedisBackend, ANodeFrozenPastItsLeaseIsRefusedAndGatesHoldOverNodes) {
  NEEDS_REDIS();
  troupe::testing::run([](Context& ctx) { return two_nodes(ctx, shared_server().url()); });
}

asio::awaitable<void> news_of_others(Context& ctx, std::string url) {
  RedisOptions options = options_for(url, fresh_prefix());
  const auto worker = co_await open(ctx, options);
  const auto submitter = co_await open(ctx, options);
  int heard = 0;
  worker->watch([&heard] { ++heard; });
  while (heard == 0) (void)co_await sleep_for(ctx, 2ms);  // subscribed
  (void)co_await claim(ctx, *worker, "node_a", 1);
  heard = 0;
  EXPECT_TRUE(co_await add_one(ctx, *submitter, spec("task_1")));
  for (int i = 0; i < 500 && heard == 0; ++i) (void)co_await sleep_for(ctx, 2ms);
  EXPECT_EQ(heard, 1);
  EXPECT_TRUE(co_await add_one(ctx, *submitter, spec("task_2")));
  (void)co_await sleep_for(ctx, 50ms);
  EXPECT_EQ(heard, 1) << "who has not come yet is not called twice";
  worker->watch({});  // nobody any more: news is for nobody
  (void)co_await claim(ctx, *worker, "node_a", 10);
  EXPECT_TRUE(co_await add_one(ctx, *submitter, spec("task_3")));
  (void)co_await sleep_for(ctx, 50ms);
  EXPECT_EQ(heard, 1);
  co_await worker->close();
  co_await submitter->close();
}

TEST(RedisBackend, CallsIdleWorkersOfOtherNodes) {
  NEEDS_REDIS();
  troupe::testing::run([](Context& ctx) { return news_of_others(ctx, shared_server().url()); });
}

asio::awaitable<void> together(Context& ctx, std::string url) {
  const auto backend = co_await open(ctx, options_for(url, fresh_prefix()));
  std::vector<Async<std::vector<Accepted>>> calls;
  for (int i = 0; i < 300; ++i) {
    Spec one = spec("task_" + std::to_string(i));
    if (i == 150) one.depends_on = {"task_none"};
    calls.push_back(add_one(ctx, *backend, std::move(one)));
  }
  const auto accepted = co_await gather(ctx, std::move(calls));
  for (std::size_t i = 0; i < accepted.size(); ++i)
    EXPECT_EQ(accepted[i].has_value(), i != 150) << "refused for itself only: " << i;
  const auto claimed = co_await claim(ctx, *backend, "node_a", 1000);
  EXPECT_EQ(claimed->claims.size(), 299u);
  std::vector<Async<std::vector<Finished>>> ends;
  for (const Claim& one : claimed->claims) ends.push_back(finish_one(ctx, *backend, one));
  const auto ended = co_await gather(ctx, std::move(ends));
  std::int64_t least = 1000;
  for (const auto& one : ended) least = std::min(least, (*one)[0].run_open);
  EXPECT_EQ(least, 0);
  const auto stats = co_await backend->stats(ctx);
  EXPECT_EQ(stats->counts.succeeded, 299);
  EXPECT_EQ(stats->counts.open(), 0);
  co_await backend->close();
}

TEST(RedisBackend, CallsThatGoTogetherAreAnsweredApart) {
  NEEDS_REDIS();
  troupe::testing::run([](Context& ctx) { return together(ctx, shared_server().url()); });
}

asio::awaitable<void> finish_with(Context& ctx, Backend& backend, Finish finish,
                                  std::vector<Finished>& told) {
  std::vector<Finish> finishes{std::move(finish)};
  auto finished = co_await backend.finish(ctx, std::move(finishes));
  if (finished) told = std::move(*finished);
}

// Tells an end and asks for more in the same turn of the loop.
asio::awaitable<Claimed> turn(Context& ctx, Backend& backend, Finish finish,
                              std::vector<Finished>& told) {
  Scope scope(ctx.executor());
  scope.spawn("finish", finish_with(ctx, backend, std::move(finish), told));
  const auto claimed = co_await claim(ctx, backend, "node_a", 1);
  EXPECT_TRUE(co_await scope.join(ctx));
  co_return claimed ? *claimed : Claimed();
}

asio::awaitable<void> turns(Context& ctx, RedisServer& server) {
  const RedisOptions options = options_for(server.url(), fresh_prefix());
  const auto backend = co_await open(ctx, options);
  const auto idle = co_await open(ctx, options);
  int heard = 0;
  idle->watch([&heard] { ++heard; });
  while (heard == 0) (void)co_await sleep_for(ctx, 2ms);  // subscribed
  for (const char* id : {"task_1", "task_2", "task_3"}) {
    Spec gated = spec(id);
    gated.gates = {{.key = "site", .limit = 1}};
    if (gated.id == "task_3") gated.queue = "other";
    EXPECT_TRUE(co_await add_one(ctx, *backend, gated));
  }
  const auto first = co_await claim(ctx, *backend, "node_a", 5);
  EXPECT_EQ(first->claims.size(), 1u);
  const auto none = co_await claim(ctx, *idle, "node_idle", 1);
  EXPECT_TRUE(none->claims.empty());
  heard = 0;

  const std::int64_t calls = server.script_calls();
  std::vector<Finished> told;
  const Finish retry{.id = "task_1", .token = first->claims[0].token, .verdict = Verdict::retry};
  const Claimed second = co_await turn(ctx, *backend, retry, told);
  EXPECT_EQ(server.script_calls(), calls + 1);
  EXPECT_EQ(told.at(0).state, State::queued);
  EXPECT_EQ(second.claims.at(0).spec.id, "task_2") << "with the room of what ended in this call";
  for (int i = 0; i < 500 && heard == 0; ++i) (void)co_await sleep_for(ctx, 2ms);
  EXPECT_EQ(heard, 1) << "there was room, which others might have used";

  const Finish end{.id = "task_2", .token = second.claims[0].token, .result = "1"};
  const Claimed third = co_await turn(ctx, *backend, end, told);
  EXPECT_EQ(told.at(0).state, State::succeeded);
  EXPECT_EQ(third.claims.at(0).spec.id, "task_1");
  EXPECT_GT(third.claims[0].token, retry.token);
  const Claimed late = co_await turn(ctx, *backend, retry, told);
  EXPECT_FALSE(told.at(0).stale) << "its first answer once more";
  EXPECT_TRUE(late.claims.empty()) << "the room is taken";
  const auto counts = co_await backend->run_counts(ctx, "run_1");
  EXPECT_EQ(counts->running, 1);
  EXPECT_EQ(counts->queued, 1);
  co_await backend->close();
  co_await idle->close();
}

TEST(RedisBackend, TakesAWorkersTurnAsOneCall) {
  NEEDS_REDIS();
  troupe::testing::run([](Context& ctx) { return turns(ctx, shared_server()); });
}

asio::awaitable<void> large(Context& ctx, std::string url) {
  RedisOptions options = options_for(url, fresh_prefix());
  options.call_timeout = 10s;
  options.stall_timeout = 10s;
  const auto backend = co_await open(ctx, options);
  Submission submission;
  for (int i = 0; i < 20'000; ++i) {
    Spec one = spec("task_" + std::to_string(1'000'000 + i));
    one.index = i;
    submission.tasks.push_back(std::move(one));
  }
  const auto accepted = co_await backend->enqueue(ctx, std::move(submission));
  EXPECT_TRUE(accepted) << accepted.error().describe();
  const auto counts = co_await backend->run_counts(ctx, "run_1");
  EXPECT_EQ(counts->queued, 20'000);
  const auto moved = co_await backend->cancel_run(ctx, "run_1", "enough", 0);
  EXPECT_EQ(moved->size(), 20'000u);
  Filter filter;
  const auto purged = co_await backend->purge(ctx, filter, 50'000);
  EXPECT_EQ(*purged, 20'000);
  co_await backend->close();
}

TEST(RedisBackend, TakesManyInOneCall) {
  NEEDS_REDIS();
  troupe::testing::run([](Context& ctx) { return large(ctx, shared_server().url()); });
}

asio::awaitable<void> forgets_scripts(Context& ctx, RedisServer& server) {
  const std::string prefix = fresh_prefix();
  const auto backend = co_await open(ctx, options_for(server.url(), prefix));
  server.ask("SCRIPT FLUSH");
  EXPECT_TRUE(co_await add_one(ctx, *backend, spec("task_1"))) << "it is given the script again";
  // An index that lost a task, which no script does by itself.
  server.ask("DEL \"{" + prefix + "}:ready:default\\x00default\"");
  auto claimed = co_await claim(ctx, *backend, "node_a", 1);
  EXPECT_TRUE(claimed->claims.empty());
  EXPECT_TRUE(co_await backend->sweep(ctx, 100));
  claimed = co_await claim(ctx, *backend, "node_a", 1);
  EXPECT_EQ(claimed->claims.size(), 1u) << "mended from the records";
  co_await backend->close();
}

TEST(RedisBackend, LoadsScriptsAgainAndMendsIndexes) {
  NEEDS_REDIS();
  troupe::testing::run([](Context& ctx) { return forgets_scripts(ctx, shared_server()); });
}

asio::awaitable<void> checks_server(Context& ctx, std::string evicting, std::string forgetful) {
  auto opened = co_await open_redis_backend(ctx, options_for(evicting));
  EXPECT_EQ(opened.error().code, Errc::storage_failed);
  EXPECT_EQ(opened.error().message,
            "redis: maxmemory-policy is allkeys-lru, so tasks could vanish");
  opened = co_await open_redis_backend(ctx, options_for(forgetful));
  EXPECT_EQ(opened.error().message, "redis: appendonly is no, so a restart loses accepted tasks");
  std::vector<std::string> warnings;
  RedisOptions options = options_for(forgetful);
  options.persistence_required = false;
  options.warn = [&warnings](const std::string& text) { warnings.push_back(text); };
  opened = co_await open_redis_backend(ctx, options);
  EXPECT_TRUE(opened) << opened.error().describe();
  EXPECT_EQ(warnings.size(), 1u);
  co_await (*opened)->close();
  opened = co_await open_redis_backend(ctx, options_for(forgetful, "a{b}"));
  EXPECT_EQ(opened.error().code, Errc::invalid_argument);
}

TEST(RedisBackend, RefusesAServerThatForgets) {
  NEEDS_REDIS();
  RedisServer evicting({"--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"});
  RedisServer forgetful({"--appendonly", "no"});
  troupe::testing::run(
      [&](Context& ctx) { return checks_server(ctx, evicting.url(), forgetful.url()); });
}

}  // namespace
}  // namespace troupe::tasks
