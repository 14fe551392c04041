// Conformance of queue backends: every backend must pass every test here.
#include "tasks/queue.h"

#include <gtest/gtest.h>

#include "base/testing.h"

namespace troupe::tasks {
namespace {

using troupe::testing::run;

struct Fixture {
  explicit Fixture(Context& real) : ctx(clock, real.executor()) {
    queue = make_memory_queue(clock, {.tasks_max = 3});
  }
  asio::awaitable<void> add(int count) {
    std::vector<Task> tasks;
    for (int i = 0; i < count; ++i)
      tasks.push_back({.id = "t" + std::to_string(i), .run_id = "r", .index = i});
    auto added = co_await queue->enqueue(ctx, std::move(tasks));
    EXPECT_TRUE(added) << added.error().describe();
  }
  ManualClock clock;
  Context ctx;
  std::unique_ptr<Queue> queue;
};

asio::awaitable<void> order(Context& real) {
  Fixture f(real);
  co_await f.add(2);
  auto first = co_await f.queue->claim(f.ctx, "r");
  auto second = co_await f.queue->claim(f.ctx, "r");
  EXPECT_EQ((*first)->task.id, "t0");
  EXPECT_EQ((*first)->task.attempt, 1);
  EXPECT_EQ((*second)->task.id, "t1");
  (void)co_await f.queue->finish(f.ctx, **first, {.state = TaskState::succeeded});
  (void)co_await f.queue->finish(f.ctx, **second, {.state = TaskState::failed});
  auto none = co_await f.queue->claim(f.ctx, "r");
  EXPECT_FALSE(none->has_value());
}

TEST(Queue, GivesTasksInOrderAndThenNothing) { run(order); }

asio::awaitable<void> back_off(Context& real) {
  Fixture f(real);
  co_await f.add(1);
  auto first = co_await f.queue->claim(f.ctx, "r");
  (void)co_await f.queue->finish(
      f.ctx, **first, {.state = TaskState::queued, .retry_after = std::chrono::seconds(5)});
  Context brief = f.ctx.with_timeout(std::chrono::seconds(1), "claim");
  std::vector<Async<std::optional<Claim>>> waits;
  waits.push_back(f.queue->claim(brief, "r"));
  asio::post(real.executor(), [&f] {
    asio::post(f.ctx.executor(), [&f] { f.clock.advance(std::chrono::seconds(2)); });
  });
  auto early = co_await gather(f.ctx, std::move(waits));
  EXPECT_EQ(early[0].error().code, Errc::timeout);
  f.clock.advance(std::chrono::seconds(4));
  auto again = co_await f.queue->claim(f.ctx, "r");
  EXPECT_EQ((*again)->task.attempt, 2);
}

TEST(Queue, KeepsARetriedTaskBackUntilItsTime) { run(back_off); }

asio::awaitable<void> stale(Context& real) {
  Fixture f(real);
  co_await f.add(1);
  auto claim = co_await f.queue->claim(f.ctx, "r");
  Claim old = **claim;
  old.token += 1;
  auto refused = co_await f.queue->finish(f.ctx, old, {.state = TaskState::succeeded});
  EXPECT_EQ(refused.error().code, Errc::conflict);
  (void)co_await f.queue->finish(f.ctx, **claim, {.state = TaskState::succeeded});
  refused = co_await f.queue->finish(f.ctx, **claim, {.state = TaskState::failed});
  EXPECT_EQ(refused.error().code, Errc::conflict);
}

TEST(Queue, AStaleTokenChangesNothing) { run(stale); }

asio::awaitable<void> cancel(Context& real) {
  Fixture f(real);
  co_await f.add(3);
  auto running = co_await f.queue->claim(f.ctx, "r");
  auto cancelled = co_await f.queue->cancel_queued(f.ctx, "r");
  EXPECT_EQ(cancelled->size(), 2u);
  EXPECT_EQ((*cancelled)[0].state, TaskState::cancelled);
  (void)co_await f.queue->finish(f.ctx, **running, {.state = TaskState::cancelled});
  auto none = co_await f.queue->claim(f.ctx, "r");
  EXPECT_FALSE(none->has_value());
  co_await f.add(3);  // their places are free
}

TEST(Queue, CancelsWhatWaits) { run(cancel); }

asio::awaitable<void> limit(Context& real) {
  Fixture f(real);
  co_await f.add(3);
  std::vector<Task> more(1);
  more[0].run_id = "other";
  auto refused = co_await f.queue->enqueue(f.ctx, std::move(more));
  EXPECT_EQ(refused.error().code, Errc::exhausted);
  auto none = co_await f.queue->claim(f.ctx, "other");
  EXPECT_FALSE(none->has_value());
}

TEST(Queue, RefusesMoreThanItsLimit) { run(limit); }

TEST(TaskStates, OnlyTheTableIsAllowed) {
  TaskState state = TaskState::queued;
  EXPECT_EQ(advance(state, TaskState::succeeded).error().code, Errc::conflict);
  EXPECT_TRUE(advance(state, TaskState::running));
  EXPECT_TRUE(advance(state, TaskState::queued));
  EXPECT_TRUE(advance(state, TaskState::cancelled));
  EXPECT_TRUE(is_ended(state));
  EXPECT_EQ(advance(state, TaskState::running).error().message,
            "task: cannot go from cancelled to running");
}

}  // namespace
}  // namespace troupe::tasks
