// The Redis backend while its server dies, freezes, moves or answers into the void.
#include <gmock/gmock.h>

#include <fstream>
#include <set>

#include "net/testing_redis_faults.h"
#include "net/testing_redis_server.h"
#include "tasks/redis_backend.h"
#include "tasks/testing_conformance.h"

namespace troupe::tasks {
namespace {

using net::FaultProxy;
using net::RedisServer;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

#define NEEDS_REDIS()           \
  if (!net::has_redis_server()) \
  GTEST_SKIP() << "redis-server is not installed: NOT tested (tools/install-deps test)"

RedisOptions options_for(std::string url) {
  RedisOptions options;
  options.url = std::move(url);
  options.call_timeout = 400ms;
  options.stall_timeout = 300ms;
  return options;
}

asio::awaitable<std::unique_ptr<Backend>> open(Context& ctx, RedisOptions options) {
  auto opened = co_await open_redis_backend(ctx, std::move(options));
  if (!opened) throw std::runtime_error(opened.error().describe());
  co_return std::move(*opened);
}

bool may_have_been_applied(const Error& error) {
  return error.code == Errc::timeout || error.code == Errc::unavailable ||
         error.code == Errc::network_error;
}

Async<std::vector<Accepted>> add_one(Context& ctx, Backend& backend, std::string id) {
  Submission submission;
  submission.tasks.push_back(spec(std::move(id)));
  co_return co_await backend.enqueue(ctx, std::move(submission));
}

Async<Claimed> claim(Context& ctx, Backend& backend, int max) {
  ClaimRequest request;
  request.worker = "node_a";
  request.max = max;
  co_return co_await backend.claim(ctx, std::move(request));
}

Async<std::vector<Finished>> finish_one(Context& ctx, Backend& backend, Claim claim) {
  std::vector<Finish> finishes(1);
  finishes[0].id = claim.spec.id;
  finishes[0].token = claim.token;
  finishes[0].result = "7";
  co_return co_await backend.finish(ctx, std::move(finishes));
}

// Submits one after the other, each until it is acknowledged, while `stop` is false.
struct Submitter {
  std::set<std::string> acknowledged;
  int failures = 0;
  int unexpected = 0;
  bool stop = false;
  int next = 0;
};
asio::awaitable<void> submit(Context& ctx, Backend& backend, Submitter& submitter) {
  while (!submitter.stop) {
    const std::string id = "task_" + std::to_string(100'000 + submitter.next++);
    while (!submitter.stop) {
      const auto accepted = co_await add_one(ctx, backend, id);
      if (accepted) {
        submitter.acknowledged.insert(id);
        break;
      }
      ++submitter.failures;
      if (!may_have_been_applied(accepted.error())) ++submitter.unexpected;
    }
  }
}

// Everything that was acknowledged is there, runs once, and ends.
asio::awaitable<void> expect_all(Context& ctx, Backend& backend, const Submitter& submitter) {
  std::set<std::string> ended;
  for (;;) {
    const auto claimed = co_await claim(ctx, backend, 1000);
    EXPECT_TRUE(claimed) << claimed.error().describe();
    if (!claimed || claimed->claims.empty()) break;
    for (const Claim& one : claimed->claims) {
      auto finished = co_await finish_one(ctx, backend, one);
      // A disk that is busy with something else holds the server up for longer than a call waits.
      for (int i = 0; i < 5 && !finished && may_have_been_applied(finished.error()); ++i)
        finished = co_await finish_one(ctx, backend, one);
      EXPECT_TRUE(finished) << one.spec.id << ": " << finished.error().describe();
      EXPECT_FALSE(finished && (*finished)[0].stale) << one.spec.id;
      EXPECT_TRUE(ended.insert(one.spec.id).second) << one.spec.id << " ran twice";
    }
  }
  int lost = 0;
  for (const std::string& id : submitter.acknowledged) lost += !ended.contains(id);
  EXPECT_EQ(lost, 0) << "of " << submitter.acknowledged.size();
  EXPECT_LE(ended.size(), static_cast<std::size_t>(submitter.next)) << "none was doubled";
  EXPECT_EQ(submitter.unexpected, 0);
}

asio::awaitable<void> kills(Context& ctx, RedisServer& server) {
  const auto backend = co_await open(ctx, options_for(server.url()));
  Submitter submitter;
  Scope scope(ctx.executor());
  for (int i = 0; i < 8; ++i) scope.spawn("submit", submit(ctx, *backend, submitter));
  for (int round = 0; round < 3; ++round) {
    (void)co_await sleep_for(ctx, 150ms);
    server.kill();
    (void)co_await sleep_for(ctx, 150ms);
    const auto before = submitter.acknowledged.size();
    server.start();
    const SteadyTime begin = ctx.clock().now();
    while (submitter.acknowledged.size() == before && ctx.clock().now() - begin < 5s)
      (void)co_await sleep_for(ctx, 5ms);
    EXPECT_GT(submitter.acknowledged.size(), before) << "it came back by itself";
  }
  submitter.stop = true;
  (void)co_await scope.join(ctx);
  co_await expect_all(ctx, *backend, submitter);
  co_await backend->close();
}

TEST(RedisFaults, KilledAndStartedAgainWithAofNothingAcknowledgedIsLost) {
  NEEDS_REDIS();
  RedisServer server;
  troupe::testing::run([&](Context& ctx) { return kills(ctx, server); });
}

asio::awaitable<void> pauses(Context& ctx, RedisServer& server) {
  FaultProxy proxy(ctx.executor(), server.port());
  const auto backend = co_await open(ctx, options_for(proxy.url()));
  Submitter submitter;
  Scope scope(ctx.executor());
  for (int i = 0; i < 4; ++i) scope.spawn("submit", submit(ctx, *backend, submitter));
  (void)co_await sleep_for(ctx, 100ms);
  server.pause();
  (void)co_await sleep_for(ctx, 2s);
  const int connections = proxy.connections();
  server.resume();
  EXPECT_LE(connections, 12) << "no busy loop";
  EXPECT_GE(submitter.failures, 4) << "calls end, they do not hang";
  EXPECT_LE(submitter.failures, 60);
  const auto before = submitter.acknowledged.size();
  proxy.faults().latency = 5ms;  // and slow afterwards
  (void)co_await sleep_for(ctx, 1s);
  EXPECT_GT(submitter.acknowledged.size(), before);
  submitter.stop = true;
  (void)co_await scope.join(ctx);
  proxy.faults().latency = {};
  co_await expect_all(ctx, *backend, submitter);
  co_await backend->close();
}

TEST(RedisFaults, FrozenAndSlowItIsWaitedForWithoutABusyLoop) {
  NEEDS_REDIS();
  RedisServer server;
  troupe::testing::run([&](Context& ctx) { return pauses(ctx, server); });
}

asio::awaitable<void> loses_answers(Context& ctx, RedisServer& server) {
  FaultProxy proxy(ctx.executor(), server.port());
  const auto backend = co_await open(ctx, options_for(proxy.url()));
  for (int i = 0; i < 10; ++i) {
    const std::string id = "task_" + std::to_string(i);
    proxy.faults().lose_answers = 1;
    auto accepted = co_await add_one(ctx, *backend, id);
    EXPECT_EQ(accepted.error().code, Errc::network_error);
    accepted = co_await add_one(ctx, *backend, id);
    EXPECT_TRUE(accepted && (*accepted)[0].existing) << "it was applied, and is not doubled";
    const auto claimed = co_await claim(ctx, *backend, 1);
    EXPECT_EQ(claimed->claims.size(), 1u);
    proxy.faults().lose_answers = 1;
    auto finished = co_await finish_one(ctx, *backend, claimed->claims[0]);
    EXPECT_EQ(finished.error().code, Errc::network_error);
    finished = co_await finish_one(ctx, *backend, claimed->claims[0]);
    EXPECT_TRUE(finished) << finished.error().describe();
    if (!finished) break;
    EXPECT_FALSE((*finished)[0].stale);
    EXPECT_EQ((*finished)[0].state, State::succeeded);
  }
  const auto counts = co_await backend->run_counts(ctx, "run_1");
  EXPECT_EQ(counts->succeeded, 10);
  EXPECT_EQ(counts->open(), 0);
  co_await backend->close();
}

TEST(RedisFaults, WhatIsRepeatedAfterALostAnswerIsNotDoubled) {
  NEEDS_REDIS();
  RedisServer server;
  troupe::testing::run([&](Context& ctx) { return loses_answers(ctx, server); });
}

asio::awaitable<void> fails_over(Context& ctx, RedisServer& primary, std::string url) {
  RedisOptions options = options_for(url);
  options.replicas = 1;
  options.replica_timeout = 300ms;
  const auto backend = co_await open(ctx, options);
  Submitter submitter;
  Scope scope(ctx.executor());
  scope.spawn("submit", submit(ctx, *backend, submitter));
  (void)co_await sleep_for(ctx, 300ms);
  primary.kill();
  const auto before = submitter.acknowledged.size();
  EXPECT_GT(before, 0u);
  (void)co_await sleep_for(ctx, 300ms);
  submitter.stop = true;
  (void)co_await scope.join(ctx);
  // The new primary has no replica: nobody confirms, so reading goes on and WAIT refuses.
  RedisOptions alone = options_for(url);
  std::unique_ptr<Backend> after;
  for (int tries = 0; tries < 100 && !after; ++tries) {
    auto opened = co_await open_redis_backend(ctx, alone);
    if (opened)
      after = std::move(*opened);
    else
      (void)co_await sleep_for(ctx, 50ms);
  }
  EXPECT_TRUE(after) << "no new primary";
  if (after) {
    auto accepted = co_await add_one(ctx, *backend, "task_last");
    for (int tries = 0;
         tries < 20 && !accepted && accepted.error().message.find("0 of 1") == std::string::npos;
         ++tries)
      accepted = co_await add_one(ctx, *backend, "task_last");
    EXPECT_FALSE(accepted);
    if (!accepted)
      EXPECT_THAT(accepted.error().message, ::testing::HasSubstr("redis: 0 of 1 replicas"));
    ++submitter.next;
    co_await expect_all(ctx, *after, submitter);
    co_await after->close();
  }
  co_await backend->close();
}

TEST(RedisFaults, AfterAFailoverWhatReplicasConfirmedIsThere) {
  NEEDS_REDIS();
  RedisServer primary;
  RedisServer replica({"--appendonly", "yes", "--replicaof", "127.0.0.1",
                       std::to_string(primary.port()), "--repl-diskless-sync-delay", "0"});
  for (int i = 0; i < 300 && replica.ask("ROLE").find("connected") == std::string::npos; ++i)
    usleep(20'000);
  const std::string file = primary.folder() + "/sentinel.conf";
  std::ofstream(file) << "sentinel monitor main 127.0.0.1 " << primary.port() << " 1\n"
                      << "sentinel down-after-milliseconds main 400\n"
                      << "sentinel failover-timeout main 2000\n";
  RedisServer sentinel({file, "--sentinel"});
  for (int i = 0; i < 300 && sentinel.ask("SENTINEL REPLICAS main").starts_with("*0"); ++i)
    usleep(20'000);
  troupe::testing::run([&](Context& ctx) {
    return fails_over(ctx, primary,
                      "redis-sentinel://127.0.0.1:" + std::to_string(sentinel.port()) + "/main");
  });
}

asio::awaitable<void> clustered(Context& ctx, RedisServer& owner, RedisServer& other) {
  // Asked at the wrong node: every script call is redirected, so each is safe for a cluster.
  const auto backend = co_await open(ctx, options_for(other.url()));
  std::vector<Spec> specs{spec("task_1"), spec("task_2")};
  specs[0].gates = {{.key = "g", .limit = 1}};
  specs[0].idempotency_key = "k";
  specs[1].depends_on = {"task_1"};
  Submission submission;
  submission.tasks = specs;
  submission.documents.push_back({.kind = "run", .id = "run_1", .text = "{}"});
  const auto accepted = co_await backend->enqueue(ctx, std::move(submission));
  EXPECT_TRUE(accepted) << accepted.error().describe();
  const auto claimed = co_await claim(ctx, *backend, 5);
  EXPECT_EQ(claimed->claims.size(), 1u);
  Journal entries{{"a", "b"}};
  const auto token = claimed->claims[0].token;
  EXPECT_TRUE(co_await backend->journal_add(ctx, "task_1", token, std::move(entries)));
  const auto finished = co_await finish_one(ctx, *backend, claimed->claims[0]);
  EXPECT_EQ((*finished)[0].moved.size(), 1u);
  EXPECT_TRUE(co_await backend->cancel(ctx, "task_2", "no", 0));
  EXPECT_TRUE(co_await backend->replay(ctx, "task_2"));
  EXPECT_TRUE(co_await backend->sweep(ctx, 10));
  EXPECT_TRUE(co_await backend->set_limit(ctx, "g", 2));
  EXPECT_TRUE(co_await backend->pause(ctx, "default", true));
  const auto page = co_await backend->list(ctx, Filter{}, "", 10);
  EXPECT_EQ(page->records.size(), 2u);
  const auto documents = co_await backend->documents(ctx, "run", "", 10, true);
  EXPECT_EQ(documents->size(), 1u);
  EXPECT_EQ(*co_await backend->purge(ctx, Filter{}, 10), 1);
  EXPECT_NE(owner.ask("DBSIZE"), ":0\r\n");
  EXPECT_EQ(other.ask("DBSIZE"), ":0\r\n");
  co_await backend->close();
}

TEST(RedisFaults, RunsInAClusterAndFollowsItsRedirections) {
  NEEDS_REDIS();
  RedisServer owner({"--cluster-enabled", "yes", "--appendonly", "yes", "--cluster-port",
                     std::to_string(net::free_port())});
  RedisServer other({"--cluster-enabled", "yes", "--appendonly", "yes", "--cluster-port",
                     std::to_string(net::free_port())});
  owner.ask("CLUSTER ADDSLOTSRANGE 0 16383");
  const std::string info = owner.ask("CLUSTER NODES");
  const auto bus = info.find('@');
  ASSERT_NE(bus, std::string::npos);
  other.ask("CLUSTER MEET 127.0.0.1 " + std::to_string(owner.port()) + " " +
            info.substr(bus + 1, info.find_first_of(", ", bus) - bus - 1));
  bool ready = false;
  for (int i = 0; i < 500 && !ready; ++i) {
    ready = other.ask("CLUSTER INFO").find("cluster_state:ok") != std::string::npos &&
            owner.ask("CLUSTER INFO").find("cluster_state:ok") != std::string::npos;
    if (!ready) usleep(20'000);
  }
  ASSERT_TRUE(ready) << other.ask("CLUSTER INFO");
  troupe::testing::run([&](Context& ctx) { return clustered(ctx, owner, other); });
}

}  // namespace
}  // namespace troupe::tasks
