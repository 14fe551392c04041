#include "tasks/scheduler.h"

#include <gmock/gmock.h>

#include <set>

#include "base/testing.h"
#include "tasks/testing.h"

namespace troupe::tasks {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Runs by their keys, as the engine keeps them.
class Runs final : public RunStarter {
 public:
  std::map<std::string, std::string> run_of_key;
  std::vector<std::string> submissions;  // keys, repeated ones too
  std::set<std::string> open;
  std::vector<std::string> cancelled;
  std::function<Result<void>()> before_submit = [] { return Result<void>(); };
  std::function<Result<void>()> after_submit = [] { return Result<void>(); };

  Async<std::string> submit(Context&, json::object request, std::string, std::string key) override {
    CO_TRY_VOID(before_submit());
    submissions.push_back(key);
    last_request = std::move(request);
    const auto known = run_of_key.find(key);
    if (known == run_of_key.end()) {
      run_of_key[key] = "run_" + std::to_string(run_of_key.size() + 1);
      open.insert(run_of_key[key]);
    }
    CO_TRY_VOID(after_submit());
    co_return run_of_key[key];
  }
  Async<bool> is_open(Context&, std::string run_id) override { co_return open.contains(run_id); }
  Async<void> cancel(Context&, std::string run_id, std::string) override {
    cancelled.push_back(run_id);
    open.erase(run_id);
    co_return Result<void>();
  }
  json::object last_request;
};

class SchedulerTest : public ::testing::Test {
 protected:
  SchedulerTest() {
    const UnixMs past = loop_.now_ms() % 3'600'000;
    loop_.clock.advance(milliseconds(3'600'000 - past));  // to a full hour
    start_ms_ = loop_.now_ms();
  }

  std::unique_ptr<Scheduler> node(const std::string& name) {
    SchedulerOptions options;
    options.node = name;
    return std::make_unique<Scheduler>(loop_.clock, loop_.io.get_executor(), backend_, runs_, *log_,
                                       options);
  }
  Schedule hourly(Overlap overlap = Overlap::allow) {
    Schedule schedule;
    schedule.cron = "0 * * * *";
    schedule.overlap = overlap;
    schedule.request = {{"workflow", "video_discovery"}};
    return schedule;
  }
  std::string create(Scheduler& scheduler, Schedule schedule) {
    Context ctx = loop_.context();
    return loop_.run(scheduler.create(ctx, std::move(schedule))).value().id;
  }
  Result<Duration> tick(Scheduler& scheduler) {
    Context ctx = loop_.context();
    return loop_.run(scheduler.tick(ctx));
  }
  Schedule stored(Scheduler& scheduler, const std::string& id) {
    Context ctx = loop_.context();
    return loop_.run(scheduler.get(ctx, id)).value();
  }
  std::vector<Turn::Outcome> outcomes(Scheduler& scheduler, const std::string& id) {
    std::vector<Turn::Outcome> all;
    for (const Turn& turn : stored(scheduler, id).history) all.push_back(turn.outcome);
    return all;
  }

  testing::StandingLoop loop_;
  testing::DocumentBackend backend_;
  Runs runs_;
  std::unique_ptr<observe::Log> log_ = observe::make_null_log();
  UnixMs start_ms_ = 0;
};

TEST_F(SchedulerTest, StartsARunWhenItsTurnComes) {
  auto a = node("a");
  const std::string id = create(*a, hourly());

  ASSERT_TRUE(tick(*a));
  EXPECT_THAT(runs_.submissions, IsEmpty());
  loop_.clock.advance(hours(1));
  ASSERT_TRUE(tick(*a));
  ASSERT_TRUE(tick(*a));

  EXPECT_THAT(runs_.submissions, ElementsAre(turn_key(id, start_ms_ + 3'600'000)));
  EXPECT_EQ(runs_.last_request, hourly().request);
  EXPECT_EQ(stored(*a, id).last_run_id, "run_1");
}

TEST_F(SchedulerTest, SaysWhenItWantsToBeCalledAgain) {
  auto a = node("a");
  create(*a, hourly());
  loop_.clock.advance(hours(1) - milliseconds(300));
  EXPECT_EQ(tick(*a).value(), milliseconds(300));
}

TEST_F(SchedulerTest, TwoNodesStartEachTurnOnce) {
  auto a = node("a"), b = node("b");
  const std::string id = create(*a, hourly());

  for (int i = 0; i < 24 * 60; ++i) {
    loop_.clock.advance(minutes(1));
    Context ctx = loop_.context();
    std::vector<Async<Duration>> both;
    both.push_back(i % 2 == 0 ? a->tick(ctx) : b->tick(ctx));
    both.push_back(i % 2 == 0 ? b->tick(ctx) : a->tick(ctx));
    asio::co_spawn(loop_.io, gather(ctx, std::move(both)), [](std::exception_ptr, auto) {});
    loop_.io.restart();
    loop_.io.run();
  }

  EXPECT_EQ(runs_.run_of_key.size(), 24u);
  EXPECT_THAT(stored(*a, id).history.front().run_id, "run_24");
}

TEST_F(SchedulerTest, ACrashBeforeTheSubmissionIsMadeGoodByAnotherNode) {
  auto a = node("a"), b = node("b");
  const std::string id = create(*a, hourly());
  loop_.clock.advance(hours(1));
  runs_.before_submit = [] { return Result<void>(fail(Errc::cancelled, "a died here")); };
  backend_.before = [&](std::string_view call, const Document& document) -> Result<void> {
    if (call == "put" && document.text.find("\"failures\":1") != std::string::npos)
      return fail(Errc::unavailable, "a died here");
    return {};
  };
  EXPECT_FALSE(tick(*a));
  a.reset();
  runs_.before_submit = [] { return Result<void>(); };

  ASSERT_TRUE(tick(*b));
  EXPECT_THAT(runs_.submissions, IsEmpty());  // a may be at it yet
  loop_.clock.advance(seconds(5));
  ASSERT_TRUE(tick(*b));

  EXPECT_THAT(runs_.submissions, ElementsAre(turn_key(id, start_ms_ + 3'600'000)));
  EXPECT_THAT(outcomes(*b, id), ElementsAre(Turn::Outcome::started));
}

TEST_F(SchedulerTest, ACrashAfterTheSubmissionGivesNoSecondRun) {
  auto a = node("a"), b = node("b");
  const std::string id = create(*a, hourly());
  loop_.clock.advance(hours(1));
  bool dead = false;
  runs_.after_submit = [&] {
    dead = true;
    return Result<void>();
  };
  backend_.before = [&](std::string_view, const Document&) -> Result<void> {
    if (dead) return fail(Errc::unavailable, "a is dead");
    return {};
  };
  EXPECT_FALSE(tick(*a));
  a.reset();
  dead = false;
  runs_.after_submit = [] { return Result<void>(); };

  loop_.clock.advance(seconds(6));
  ASSERT_TRUE(tick(*b));

  EXPECT_EQ(runs_.submissions.size(), 2u);
  EXPECT_EQ(runs_.run_of_key.size(), 1u);
  EXPECT_EQ(stored(*b, id).last_run_id, "run_1");
  EXPECT_FALSE(stored(*b, id).firing);
}

TEST_F(SchedulerTest, ALostAnswerOfTheBackendDoublesNothing) {
  auto a = node("a");
  const std::string id = create(*a, hourly());
  loop_.clock.advance(hours(1));
  int lost = 0;
  backend_.after_put = [&](const Document&) -> Result<void> {
    if (++lost <= 2) return fail(Errc::timeout, "the answer was lost");
    return {};
  };

  for (int i = 0; i < 5; ++i) (void)tick(*a);

  EXPECT_EQ(runs_.run_of_key.size(), 1u);
  EXPECT_THAT(outcomes(*a, id), ElementsAre(Turn::Outcome::started));
}

TEST_F(SchedulerTest, ASubmissionThatFailsForNowIsTriedAgain) {
  auto a = node("a");
  const std::string id = create(*a, hourly());
  loop_.clock.advance(hours(1));
  int left = 3;
  runs_.before_submit = [&]() -> Result<void> {
    if (left-- > 0) return fail(Errc::unavailable, "not now");
    return {};
  };

  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(tick(*a));
    loop_.clock.advance(seconds(1));
  }

  EXPECT_EQ(left, -1);
  EXPECT_THAT(outcomes(*a, id), ElementsAre(Turn::Outcome::started));
}

TEST_F(SchedulerTest, ASubmissionThatCannotSucceedEndsItsTurn) {
  auto a = node("a");
  const std::string id = create(*a, hourly());
  runs_.before_submit = [] { return Result<void>(fail(Errc::not_found, "no such workflow")); };

  loop_.clock.advance(hours(1));
  ASSERT_TRUE(tick(*a));

  const Schedule schedule = stored(*a, id);
  ASSERT_EQ(schedule.history.size(), 1u);
  EXPECT_EQ(schedule.history[0].outcome, Turn::Outcome::failed);
  EXPECT_EQ(schedule.history[0].error, "no such workflow");
}

TEST_F(SchedulerTest, SkipLeavesOutATurnWhileTheRunBeforeGoesOn) {
  auto a = node("a");
  const std::string id = create(*a, hourly(Overlap::skip));
  for (int i = 0; i < 3; ++i) {
    if (i == 2) runs_.open.clear();
    loop_.clock.advance(hours(1));
    ASSERT_TRUE(tick(*a));
  }
  using enum Turn::Outcome;
  EXPECT_THAT(outcomes(*a, id), ElementsAre(started, skipped, started));
}

TEST_F(SchedulerTest, QueueWaitsForTheRunBefore) {
  auto a = node("a");
  const std::string id = create(*a, hourly(Overlap::queue));
  for (int i = 0; i < 3; ++i) {
    loop_.clock.advance(hours(1));
    ASSERT_TRUE(tick(*a));
  }
  EXPECT_EQ(runs_.run_of_key.size(), 1u);
  EXPECT_EQ(stored(*a, id).waiting.size(), 2u);

  runs_.open.clear();
  loop_.clock.advance(seconds(1));
  ASSERT_TRUE(tick(*a));
  EXPECT_EQ(runs_.run_of_key.size(), 2u);

  runs_.open.clear();
  loop_.clock.advance(seconds(1));
  ASSERT_TRUE(tick(*a));
  EXPECT_EQ(runs_.run_of_key.size(), 3u);
  EXPECT_THAT(stored(*a, id).waiting, IsEmpty());
}

TEST_F(SchedulerTest, CancelPreviousEndsTheRunBefore) {
  auto a = node("a");
  create(*a, hourly(Overlap::cancel_previous));
  for (int i = 0; i < 2; ++i) {
    loop_.clock.advance(hours(1));
    ASSERT_TRUE(tick(*a));
  }
  EXPECT_THAT(runs_.cancelled, ElementsAre("run_1"));
  EXPECT_THAT(runs_.open, ElementsAre("run_2"));
}

TEST_F(SchedulerTest, AJumpOfTheClockIsCaughtUpOnce) {
  auto a = node("a");
  const std::string id = create(*a, hourly());
  loop_.clock.advance(hours(10) + minutes(30));
  ASSERT_TRUE(tick(*a));
  ASSERT_TRUE(tick(*a));
  EXPECT_THAT(runs_.submissions, ElementsAre(turn_key(id, start_ms_ + 10 * 3'600'000)));
  using enum Turn::Outcome;
  EXPECT_THAT(outcomes(*a, id), ElementsAre(started, missed));
}

TEST_F(SchedulerTest, PausesDropTheirTurns) {
  auto a = node("a");
  const std::string id = create(*a, hourly());
  const auto pause = [&](bool paused) {
    Context ctx = loop_.context();
    Scheduler::Edit edit = [paused](Schedule& schedule) {
      schedule.paused = paused;
      return Result<void>();
    };
    ASSERT_TRUE(loop_.run(a->update(ctx, id, std::move(edit))));
  };

  pause(true);
  loop_.clock.advance(hours(5) + minutes(1));
  ASSERT_TRUE(tick(*a));
  EXPECT_EQ(a->next_turn(stored(*a, id)), std::nullopt);
  pause(false);
  ASSERT_TRUE(tick(*a));
  EXPECT_THAT(runs_.submissions, IsEmpty());
  loop_.clock.advance(hours(1));
  ASSERT_TRUE(tick(*a));
  EXPECT_EQ(runs_.submissions.size(), 1u);
}

TEST_F(SchedulerTest, AnotherNodesChangeIsSeenWithTheNextRefresh) {
  auto a = node("a"), b = node("b");
  const std::string id = create(*a, hourly());
  ASSERT_TRUE(tick(*b));
  Context ctx = loop_.context();
  ASSERT_TRUE(loop_.run(a->erase(ctx, id)));

  loop_.clock.advance(hours(1));
  ASSERT_TRUE(tick(*b));

  EXPECT_THAT(runs_.submissions, IsEmpty());
  EXPECT_EQ(loop_.run(b->get(ctx, id)).error().code, Errc::not_found);
}

TEST_F(SchedulerTest, TriggerStartsARunNowAndOnceForAKey) {
  auto a = node("a");
  Schedule schedule = hourly();
  schedule.paused = true;
  const std::string id = create(*a, schedule);
  Context ctx = loop_.context();

  const auto first = loop_.run(a->trigger(ctx, id, "k"));
  const auto second = loop_.run(a->trigger(ctx, id, "k"));
  const auto other = loop_.run(a->trigger(ctx, id, ""));

  ASSERT_TRUE(first && second && other);
  EXPECT_EQ(*first, *second);
  EXPECT_NE(*first, *other);
  EXPECT_EQ(stored(*a, id).history.size(), 2u);
  EXPECT_TRUE(stored(*a, id).history[0].manual);
}

TEST_F(SchedulerTest, RefusesABrokenSchedule) {
  auto a = node("a");
  Context ctx = loop_.context();
  Schedule schedule = hourly();
  schedule.cron = "61 * * * *";
  EXPECT_EQ(loop_.run(a->create(ctx, schedule)).error().code, Errc::invalid_argument);
  EXPECT_EQ(backend_.count("schedule"), 0u);
}

TEST_F(SchedulerTest, AnEditThatMeetsAnotherIsMadeAgain) {
  auto a = node("a");
  const std::string id = create(*a, hourly());
  Context ctx = loop_.context();
  int edits = 0;
  backend_.before = [&](std::string_view call, const Document&) -> Result<void> {
    if (call == "put" && edits == 1) return fail(Errc::conflict, "somebody was faster");
    return {};
  };
  Scheduler::Edit edit = [&](Schedule& schedule) {
    ++edits;
    schedule.name = "renamed";
    return Result<void>();
  };
  ASSERT_TRUE(loop_.run(a->update(ctx, id, edit)));
  EXPECT_EQ(edits, 2);
  EXPECT_EQ(stored(*a, id).name, "renamed");
}

// Crashes at every call to the backend in turn; whatever is hit, each turn gives one run.
TEST_F(SchedulerTest, EachTurnGivesOneRunWhateverCallFails) {
  for (int failing = 1; failing <= 40; ++failing) {
    testing::DocumentBackend backend;
    Runs runs;
    SchedulerOptions options;
    options.node = "a";
    Scheduler a(loop_.clock, loop_.io.get_executor(), backend, runs, *log_, options);
    options.node = "b";
    Scheduler b(loop_.clock, loop_.io.get_executor(), backend, runs, *log_, options);
    create(a, hourly());
    int calls = 0;
    const auto maybe = [&](const Document&) -> Result<void> {
      if (++calls == failing) return fail(Errc::unavailable, "cut");
      return {};
    };
    backend.before = [&](std::string_view, const Document& d) { return maybe(d); };
    backend.after_put = maybe;

    for (int second = 0; second < 2 * 3600 + 60; second += 10) {
      loop_.clock.advance(seconds(10));
      (void)tick(second % 20 == 0 ? a : b);
    }

    EXPECT_EQ(runs.run_of_key.size(), 2u) << "call " << failing;
  }
}

TEST(SchedulerLoop, RunsOnRealTimeAndStops) {
  troupe::testing::run([](Context& ctx) -> asio::awaitable<void> {
    testing::DocumentBackend backend;
    Runs runs;
    const auto log = observe::make_null_log();
    SchedulerOptions options;
    options.node = "a";
    Event submitted;
    runs.after_submit = [&] {
      submitted.set();
      return Result<void>();
    };
    Scheduler scheduler(ctx.clock(), ctx.executor(), backend, runs, *log, options);
    Schedule schedule;
    schedule.cron = "* * * * * *";
    scheduler.start();
    EXPECT_TRUE(co_await scheduler.create(ctx, schedule));
    EXPECT_TRUE(co_await submitted.wait(ctx));
    co_await scheduler.stop();
    EXPECT_GE(runs.run_of_key.size(), 1u);
  });
}

}  // namespace
}  // namespace troupe::tasks
