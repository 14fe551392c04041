#include "observe/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

namespace troupe::observe {
namespace {

using testing::ElementsAre;

class EventBusTest : public testing::Test {
 protected:
  EventBus make_bus(EventBus::Limits limits = {}) { return EventBus(clock_, limits); }

  static Ids of_run(const std::string& run) { return {.run = run}; }

  /// Runs `subscriber.next` to its end, or until nothing is left to do.
  std::optional<Result<EventRecord>> next(EventBus::Subscriber& subscriber) {
    std::optional<Result<EventRecord>> got;
    Context ctx(clock_, loop_.get_executor());
    ctx = ctx.with_cancel(stop_);
    asio::co_spawn(
        loop_, subscriber.next(ctx),
        [&](std::exception_ptr, Result<EventRecord> result) { got = std::move(result); });
    loop_.restart();
    loop_.poll();
    if (got) return got;
    stop_.cancel(fail(Errc::cancelled, "nothing came"));  // ends the coroutine that still waits
    loop_.restart();
    loop_.poll();
    return got;
  }
  std::string next_type(EventBus::Subscriber& subscriber) {
    const auto result = next(subscriber);
    return result->has_value() ? (*result)->type : std::string(to_string(result->error().code));
  }

  ManualClock clock_;
  asio::io_context loop_;
  CancelSource stop_;
};

TEST_F(EventBusTest, NumbersEventsAndCallsListeners) {
  auto bus = make_bus();
  std::vector<std::uint64_t> numbers;
  const auto listener = bus.listen([&](const EventRecord& e) { numbers.push_back(e.number); });

  bus.publish("run.started", of_run("r"), {});
  bus.publish("session.created", {}, {});

  EXPECT_THAT(numbers, ElementsAre(1, 2));
}

TEST_F(EventBusTest, ListenerThatEndedIsNotCalled) {
  auto bus = make_bus();
  int calls = 0;
  {
    const auto listener = bus.listen([&](const EventRecord&) { ++calls; });
    bus.publish("a", {}, {});
  }
  bus.publish("b", {}, {});
  EXPECT_EQ(calls, 1);
}

TEST_F(EventBusTest, ListenersMayPublishAndEndOthers) {
  auto bus = make_bus();
  std::vector<std::string> seen;
  EventBus::Listener second;
  const auto first = bus.listen([&](const EventRecord& e) {
    if (e.type != "a") return;
    second = {};
    bus.publish("b", {}, {});
  });
  second = bus.listen([&](const EventRecord& e) { seen.push_back(e.type); });
  const auto third = bus.listen([&](const EventRecord& e) { seen.push_back("3" + e.type); });

  bus.publish("a", {}, {});

  EXPECT_THAT(seen, ElementsAre("3b", "3a"));
}

TEST_F(EventBusTest, SubscriberGetsOnlyItsRunAndEndsAfterRunEnded) {
  auto bus = make_bus();
  const auto subscriber = bus.subscribe("r", 0);
  bus.publish("run.started", of_run("r"), {});
  bus.publish("run.started", of_run("other"), {});
  bus.publish("run.ended", of_run("r"), {});

  EXPECT_EQ(next_type(*subscriber), "run.started");
  EXPECT_EQ(next_type(*subscriber), "run.ended");
  EXPECT_EQ(next_type(*subscriber), "gone");
  EXPECT_EQ(next_type(*subscriber), "gone");
}

TEST_F(EventBusTest, LateSubscriberIsGivenWhatIsKeptAfterANumber) {
  auto bus = make_bus();
  bus.publish("run.started", of_run("r"), {});
  bus.publish("task.started", of_run("r"), {});
  bus.publish("run.ended", of_run("r"), {});

  const auto subscriber = bus.subscribe("r", 1);
  EXPECT_EQ(next_type(*subscriber), "task.started");
  EXPECT_EQ(next_type(*subscriber), "run.ended");
  EXPECT_EQ(next_type(*bus.subscribe("r", 3)), "gone");
}

TEST_F(EventBusTest, SubscriberOfAllRunsGoesOnAfterOneEnds) {
  auto bus = make_bus();
  const auto subscriber = bus.subscribe("", 0);
  bus.publish("run.ended", of_run("r"), {});

  EXPECT_EQ(next_type(*subscriber), "run.ended");
  EXPECT_EQ(next_type(*subscriber), "cancelled");
}

TEST_F(EventBusTest, SlowSubscriberLosesTheOldestAndIsTold) {
  auto bus = make_bus({.queue_per_subscriber = 2});
  const auto subscriber = bus.subscribe("r", 0);
  for (const char* type : {"a", "b", "c"}) bus.publish(type, of_run("r"), {});

  EXPECT_EQ(subscriber->dropped(), 1u);
  EXPECT_EQ(next_type(*subscriber), "b");
}

TEST_F(EventBusTest, LateSubscriberIsToldWhatWasForgotten) {
  auto bus = make_bus({.kept_per_run = 2});
  for (const char* type : {"a", "b", "c"}) bus.publish(type, of_run("r"), {});

  const auto subscriber = bus.subscribe("r", 0);
  EXPECT_EQ(subscriber->dropped(), 1u);
  EXPECT_EQ(next_type(*subscriber), "b");
  EXPECT_EQ(bus.subscribe("r", 2)->dropped(), 0u);
}

TEST_F(EventBusTest, OldRunsAreForgotten) {
  auto bus = make_bus({.runs_kept = 1});
  bus.publish("run.ended", of_run("old"), {});
  bus.publish("run.ended", of_run("new"), {});

  EXPECT_EQ(next_type(*bus.subscribe("new", 0)), "run.ended");
  EXPECT_EQ(next_type(*bus.subscribe("old", 0)), "cancelled");
}

TEST_F(EventBusTest, WaitEndsWhenAnEventArrives) {
  auto bus = make_bus();
  const auto subscriber = bus.subscribe("r", 0);
  Context ctx(clock_, loop_.get_executor());
  std::string type;
  asio::co_spawn(loop_, subscriber->next(ctx),
                 [&](std::exception_ptr, Result<EventRecord> result) { type = result->type; });
  loop_.poll();
  EXPECT_EQ(type, "");

  bus.publish("task.queued", of_run("r"), {});
  loop_.restart();
  loop_.poll();
  EXPECT_EQ(type, "task.queued");
}

TEST_F(EventBusTest, JsonHoldsIdsAndData) {
  auto bus = make_bus();
  std::string text;
  const auto listener =
      bus.listen([&](const EventRecord& e) { text = json::serialize(to_json(e)); });
  bus.publish("task.started", {.run = "r", .task = "t", .attempt = 1}, {{"index", 4}});
  EXPECT_EQ(text, R"({"number":1,"time":")" + to_rfc3339(clock_.wall()) +
                      R"(","type":"task.started","run_id":"r","task_id":"t","attempt":1,)"
                      R"("data":{"index":4}})");
}

}  // namespace
}  // namespace troupe::observe
