#include "base/async.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "base/testing.h"

namespace troupe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using troupe::testing::run;

asio::awaitable<void> note(std::vector<int>& order, int number) {
  order.push_back(number);
  co_return;
}

asio::awaitable<void> wait_and_note(Context& ctx, Event& event, std::vector<Errc>& ends) {
  auto result = co_await event.wait(ctx);
  ends.push_back(result ? Errc::internal : result.error().code);
}

asio::awaitable<void> ends_of_a_wait(Context& real) {
  ManualClock clock;
  const Context base(clock, real.executor());
  Event event;
  std::vector<Errc> ends;
  Scope scope(real.executor());
  const CancelSource cancel;
  Context cancelled = base.with_cancel(cancel);
  Context brief = base.with_timeout(std::chrono::seconds(1), "the probe");
  scope.spawn("cancelled", wait_and_note(cancelled, event, ends));
  scope.spawn("brief", wait_and_note(brief, event, ends));
  (void)co_await sleep_for(real, std::chrono::milliseconds(1));
  cancel.cancel(fail(Errc::cancelled, "stop"));
  (void)co_await sleep_for(real, std::chrono::milliseconds(1));
  EXPECT_THAT(ends, ElementsAre(Errc::cancelled));
  clock.advance(std::chrono::seconds(2));
  (void)co_await scope.join(real);
  EXPECT_THAT(ends, ElementsAre(Errc::cancelled, Errc::timeout));
  EXPECT_THAT(brief.timeout_error().message, HasSubstr("1000 ms: the probe"));
  auto late = co_await event.wait(brief);
  EXPECT_EQ(late.error().code, Errc::timeout);
}

TEST(Event, EndsAWaitAtCancellationOrDeadline) { run(ends_of_a_wait); }

asio::awaitable<void> outlived(Context& real) {
  std::vector<Errc> ends;
  Scope scope(real.executor());
  {
    Event event;
    scope.spawn("waiter", wait_and_note(real, event, ends));
    (void)co_await sleep_for(real, std::chrono::milliseconds(1));
  }
  (void)co_await scope.join(real);
  EXPECT_THAT(ends, ElementsAre(Errc::cancelled));
}

TEST(Event, ThatEndsWakesItsWaiters) { run(outlived); }

asio::awaitable<void> first_value(Context& ctx) {
  Promise<int> promise;
  EXPECT_TRUE(promise.set(1));
  EXPECT_FALSE(promise.set(2));
  auto value = co_await promise.wait(ctx);
  EXPECT_EQ(*value, 1);
}

TEST(Promise, KeepsTheFirstValue) { run(first_value); }

asio::awaitable<void> later(Context& real) {
  std::vector<int> order;
  Scope scope(real.executor());
  scope.spawn("child", note(order, 2));
  order.push_back(1);
  (void)co_await scope.join(real);
  EXPECT_THAT(order, ElementsAre(1, 2));
}

TEST(Scope, StartsItsChildrenFromTheLoop) { run(later); }

Async<int> number_after(Context& ctx, int number, std::chrono::milliseconds delay) {
  CO_TRY_VOID(co_await sleep_for(ctx, delay));
  if (number < 0) co_return fail(Errc::conflict, "negative");
  co_return number;
}

asio::awaitable<void> gathered(Context& ctx) {
  std::vector<Async<int>> children;
  children.push_back(number_after(ctx, 1, std::chrono::milliseconds(3)));
  children.push_back(number_after(ctx, -1, std::chrono::milliseconds(1)));
  children.push_back(number_after(ctx, 3, std::chrono::milliseconds(0)));
  auto results = co_await gather(ctx, std::move(children));
  EXPECT_EQ(*results[0], 1);
  EXPECT_EQ(results[1].error().code, Errc::conflict);
  EXPECT_EQ(*results[2], 3);
  auto none = co_await gather(ctx, std::vector<Async<int>>{});
  EXPECT_TRUE(none.empty());
}

TEST(Gather, KeepsTheOrderAndEveryResult) { run(gathered); }

asio::awaitable<void> blocking(Context& ctx) {
  asio::thread_pool pool(1);
  std::function<Result<int>()> work = [] { return Result<int>(42); };
  auto value = co_await run_blocking<int>(ctx, pool, work);
  EXPECT_EQ(*value, 42);
  std::function<Result<int>()> bad = [] { return Result<int>(fail(Errc::storage_failed, "full")); };
  value = co_await run_blocking<int>(ctx, pool, bad);
  EXPECT_EQ(value.error().message, "full");
  pool.join();
}

TEST(RunBlocking, BringsTheValueBackToTheLoop) { run(blocking); }

TEST(CancelSource, ReachesLinkedSourcesAndForgetsEndedCallbacks) {
  const CancelSource parent;
  const CancelSource child = CancelSource::linked(parent);
  std::vector<int> called;
  auto kept = child.on_cancel([&] { called.push_back(1); });
  {
    auto ended = child.on_cancel([&] { called.push_back(2); });
  }
  CancelSource::Registration third;
  auto second = child.on_cancel([&] { third.reset(); });
  third = child.on_cancel([&] { called.push_back(3); });
  parent.cancel(fail(Errc::cancelled, "first"));
  parent.cancel(fail(Errc::timeout, "second"));
  EXPECT_THAT(called, ElementsAre(1));
  EXPECT_EQ(child.reason().message, "first");
  auto late = child.on_cancel([&] { called.push_back(4); });
  EXPECT_THAT(called, ElementsAre(1, 4));
}

TEST(ManualClock, RunsTimersInOrderAndForgetsCancelledOnes) {
  ManualClock clock;
  std::vector<int> order;
  const auto start = clock.now();
  clock.at(start + std::chrono::seconds(2), [&] { order.push_back(2); });
  clock.at(start + std::chrono::seconds(1), [&] { order.push_back(1); });
  const auto id = clock.at(start + std::chrono::seconds(1), [&] { order.push_back(9); });
  clock.cancel(id);
  EXPECT_EQ(clock.next(), start + std::chrono::seconds(1));
  clock.advance(std::chrono::seconds(3));
  EXPECT_THAT(order, ElementsAre(1, 2));
  EXPECT_EQ(clock.next(), SteadyTime::max());
}

TEST(Context, AChildNeverOutlivesItsParent) {
  boost::asio::io_context io;
  ManualClock clock;
  const Context base(clock, io.get_executor());
  const Context parent = base.with_timeout(std::chrono::seconds(1), "parent");
  const Context child = parent.with_timeout(std::chrono::seconds(5), "child");
  EXPECT_EQ(child.deadline(), parent.deadline());
  clock.advance(std::chrono::seconds(2));
  EXPECT_THAT(child.check().error().message, HasSubstr("parent"));
  EXPECT_TRUE(parent.for_cleanup(std::chrono::seconds(1), "clean-up").check());
}

TEST(Errors, EveryCodeHasARowOfItsOwn) {
  std::vector<std::string_view> names;
  for (const auto& row : error_table()) {
    EXPECT_EQ(traits(row.name).code, row.code);
    EXPECT_GE(row.http_status, 400);
    EXPECT_GT(row.exit_code, 0);
    names.push_back(row.name);
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
  EXPECT_EQ(traits("no such name").code, Errc::internal);
}

TEST(Json, ParsesOneDocumentAndNamesTheOffset) {
  EXPECT_EQ(*parse_json(" {\"a\": 1}\n", "body"), (json::value{{"a", 1}}));
  EXPECT_THAT(parse_json("{\"a\": }", "body").error().message,
              HasSubstr("body: not valid JSON at offset"));
  EXPECT_FALSE(parse_json("1 2", "body"));
  EXPECT_FALSE(parse_json(std::string(100, '['), "body"));
}

}  // namespace
}  // namespace troupe
