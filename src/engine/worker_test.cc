#include "engine/worker.h"

#include <gmock/gmock.h>

#include "base/testing.h"
#include "net/testing_redis_server.h"
#include "tasks/redis_backend.h"
#include "tasks/testing_faulty.h"

namespace troupe::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using ::testing::UnorderedElementsAre;

tasks::Submission three_tasks() {
  tasks::Submission submission;
  for (const char* id : {"task_1", "task_2", "task_3"}) {
    tasks::Spec spec;
    spec.id = id;
    spec.run_id = "run_1";
    spec.job = "{}";
    submission.tasks.push_back(std::move(spec));
  }
  return submission;
}

// A worker whose leases outlast the test, so that only handing back frees a task.
struct Workplace {
  explicit Workplace(Context& ctx)
      : backend(tasks::make_memory_backend(ctx.clock(), {}), 1,
                {.fail_before = 0, .lose_answer = 1, .duplicate = 0, .delay = 0, .lose_news = 0}),
        worker(
            backend, ctx.clock(), ctx.executor(), random, *log,
            {.id = "node_1", .slots = 3, .lease = minutes(10), .poll = milliseconds(20)},
            [this](tasks::Claim claim, Context own) {
              return perform(*this, std::move(claim), std::move(own));
            },
            [](const tasks::Moved&) {}) {}

  static asio::awaitable<void> perform(Workplace& place, tasks::Claim claim, Context ctx) {
    place.performed.push_back(claim.spec.id + " " + std::to_string(claim.attempt) + " " +
                              std::to_string(claim.losses));
    if (place.forsaken.insert(claim.spec.id).second && place.forsakes)
      co_return place.worker.hand_back(claim.spec.id, claim.token);
    tasks::Finish finish{.id = claim.spec.id, .token = claim.token};
    std::vector<tasks::Finish> one{std::move(finish)};
    (void)co_await place.backend.finish(ctx, std::move(one));
  }
  asio::awaitable<void> until_performed(Context& ctx, std::size_t count) {
    while (performed.size() < count && ctx.check()) (void)co_await sleep_for(ctx, milliseconds(1));
  }

  Random random{1};
  std::unique_ptr<observe::Log> log = observe::make_null_log();
  tasks::FaultyBackend backend;
  bool forsakes = false;
  std::set<std::string> forsaken;
  std::vector<std::string> performed;
  Worker worker;
};

asio::awaitable<void> hold(tasks::Backend& backend, Event& enough, std::uint64_t& token,
                           tasks::Claim claim, Context ctx) {
  token = claim.token;
  (void)co_await enough.wait(ctx);
  std::vector<tasks::Finish> one{{.id = claim.spec.id, .token = claim.token}};
  (void)co_await backend.finish(ctx, std::move(one));
}

asio::awaitable<void> loses_answers(Context& ctx) {
  Workplace place(ctx);
  auto submission = three_tasks();
  EXPECT_FALSE(co_await place.backend.enqueue(ctx, std::move(submission)));  // but it was applied
  place.worker.start();
  while (place.backend.faults_done() < 4 && ctx.check())
    (void)co_await sleep_for(ctx, milliseconds(1));
  place.backend.heal();
  co_await place.until_performed(ctx, 3);
  EXPECT_THAT(place.performed, UnorderedElementsAre("task_1 1 0", "task_2 1 0", "task_3 1 0"));
  co_await place.worker.close();
}

TEST(Worker, GivesBackWhatItClaimedWithoutHearingOfIt) { troupe::testing::run(loses_answers); }

asio::awaitable<void> works_on_while_ends_are_told(Context& ctx) {
  auto backend = tasks::make_memory_backend(ctx.clock(), {});
  const auto log = observe::make_null_log();
  Random random{1};
  Event enough;
  std::vector<std::string> performed;
  std::unique_ptr<Worker> worker;
  const auto perform = [&](tasks::Claim claim, Context own) -> asio::awaitable<void> {
    performed.push_back(claim.spec.id);
    worker->ending(claim.spec.id, claim.token);
    std::uint64_t token = 0;
    co_await hold(*backend, enough, token, std::move(claim), std::move(own));
  };
  worker = std::make_unique<Worker>(
      *backend, ctx.clock(), ctx.executor(), random, *log,
      WorkerOptions{.id = "node_1", .slots = 1, .lease = minutes(10), .poll = milliseconds(5)},
      perform, [](const tasks::Moved&) {});
  auto submission = three_tasks();
  EXPECT_TRUE(co_await backend->enqueue(ctx, std::move(submission)));
  worker->start();
  while (performed.size() < 2 && ctx.check()) (void)co_await sleep_for(ctx, milliseconds(1));
  (void)co_await sleep_for(ctx, milliseconds(30));
  EXPECT_EQ(performed.size(), 2u) << "ends that nobody takes do not pile up";
  enough.set();
  while (performed.size() < 3 && ctx.check()) (void)co_await sleep_for(ctx, milliseconds(1));
  EXPECT_TRUE(co_await worker->idle(ctx));
  co_await worker->close();
}

TEST(Worker, HasRoomForTheNextWhileAnEndIsTold) {
  troupe::testing::run(works_on_while_ends_are_told);
}

asio::awaitable<void> turns_on_redis(Context& ctx, net::RedisServer& server) {
  tasks::RedisOptions options;
  options.url = server.url();
  auto backend = co_await tasks::open_redis_backend(ctx, std::move(options));
  if (!backend) throw std::runtime_error(backend.error().describe());
  const auto log = observe::make_null_log();
  Random random{1};
  int done = 0;
  std::unique_ptr<Worker> worker;
  const auto perform = [&](tasks::Claim claim, Context own) -> asio::awaitable<void> {
    worker->ending(claim.spec.id, claim.token);
    std::vector<tasks::Finish> one{{.id = claim.spec.id, .token = claim.token}};
    const auto finished = co_await (*backend)->finish(own, std::move(one));
    done += finished && !(*finished)[0].stale;
  };
  worker = std::make_unique<Worker>(*(*backend), ctx.clock(), ctx.executor(), random, *log,
                                    WorkerOptions{.id = "node_1",
                                                  .slots = 1,
                                                  .lease = minutes(10),
                                                  .poll = minutes(1),
                                                  .sweep_every = minutes(1)},
                                    perform, [](const tasks::Moved&) {});
  tasks::Submission submission;
  for (int i = 0; i < 100; ++i) {
    tasks::Spec spec{.id = "task_" + std::to_string(i), .run_id = "run_1"};
    spec.job = "{}";
    submission.tasks.push_back(std::move(spec));
  }
  EXPECT_TRUE(co_await (*backend)->enqueue(ctx, std::move(submission)));
  const std::int64_t before = server.script_calls();
  worker->start();
  while (done < 100 && ctx.check()) (void)co_await sleep_for(ctx, milliseconds(1));
  EXPECT_LE(server.script_calls() - before, 110) << "one for each turn, not two";
  co_await worker->close();
  co_await (*backend)->close();
}

TEST(Worker, TellsAndAsksInOneCallOnRedis) {
  if (!net::has_redis_server())
    GTEST_SKIP() << "redis-server is not installed: NOT tested (tools/install-deps test)";
  net::RedisServer server({"--appendonly", "yes"});
  troupe::testing::run([&server](Context& ctx) { return turns_on_redis(ctx, server); });
}

asio::awaitable<void> tells_progress(Context& ctx) {
  auto backend = tasks::make_memory_backend(ctx.clock(), {});
  const auto log = observe::make_null_log();
  Random random{1};
  Event enough;
  std::uint64_t token = 0;
  Worker worker(
      *backend, ctx.clock(), ctx.executor(), random, *log,
      {.id = "node_1", .slots = 1, .lease = milliseconds(3'000), .poll = milliseconds(5)},
      [&](tasks::Claim claim, Context own) -> asio::awaitable<void> {
        return hold(*backend, enough, token, std::move(claim), std::move(own));
      },
      [](const tasks::Moved&) {});
  auto submission = three_tasks();
  submission.tasks.resize(1);
  EXPECT_TRUE(co_await backend->enqueue(ctx, std::move(submission)));
  worker.start();
  while (token == 0 && ctx.check()) (void)co_await sleep_for(ctx, milliseconds(1));
  EXPECT_EQ(worker.progress("task_1"), "");
  worker.note_progress("task_1", token, R"({"done":1})");
  worker.note_progress("task_1", token + 1, R"({"done":9})");
  EXPECT_EQ(worker.progress("task_1"), R"({"done":1})");
  std::string stored;
  while (stored.empty() && ctx.check()) {
    (void)co_await sleep_for(ctx, milliseconds(1));
    stored = (co_await backend->get(ctx, "task_1")).value()->status.progress;
  }
  EXPECT_EQ(stored, R"({"done":1})");
  enough.set();
  (void)co_await worker.idle(ctx);
  EXPECT_EQ(worker.progress("task_1"), "");
  co_await worker.close();
}

TEST(Worker, ProgressGoesToTheBackendWithTheNextBeat) { troupe::testing::run(tells_progress); }

asio::awaitable<void> hands_back(Context& ctx) {
  Workplace place(ctx);
  place.backend.heal();
  place.forsakes = true;
  auto submission = three_tasks();
  EXPECT_TRUE(co_await place.backend.enqueue(ctx, std::move(submission)));
  place.worker.start();
  co_await place.until_performed(ctx, 6);
  std::ranges::sort(place.performed);
  EXPECT_THAT(place.performed, UnorderedElementsAre("task_1 1 0", "task_1 1 0", "task_2 1 0",
                                                    "task_2 1 0", "task_3 1 0", "task_3 1 0"));
  (void)co_await place.worker.idle(ctx);
  const auto stats = co_await place.backend.stats(ctx);
  EXPECT_EQ(stats->counts.succeeded, 3);
  co_await place.worker.close();
}

TEST(Worker, WhatIsHandedBackIsDoneAgainAtOnce) { troupe::testing::run(hands_back); }

}  // namespace
}  // namespace troupe::engine
