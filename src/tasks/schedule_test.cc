#include "tasks/schedule.h"

#include <gmock/gmock.h>

#include <set>

namespace troupe::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr UnixMs kHour = 3'600'000;
constexpr UnixMs kStart = 1'790'000'000'000 - 1'790'000'000'000 % kHour;

Schedule hourly() {
  Schedule schedule;
  schedule.id = "sched_1";
  schedule.cron = "0 * * * *";
  schedule.created_ms = schedule.cursor_ms = kStart;
  return schedule;
}

Decision decided(const Schedule& schedule, UnixMs now) {
  return decide(schedule, Timetable::of(schedule).value(), now);
}

TEST(Timetable, IntervalsCountFromTheirStart) {
  Schedule schedule;
  schedule.every_ms = 90'000;
  schedule.created_ms = 1'000;
  EXPECT_EQ(Timetable::of(schedule)->next(0), 91'000);
  EXPECT_EQ(Timetable::of(schedule)->next(91'000), 181'000);

  schedule.start_ms = 500'000;
  EXPECT_EQ(Timetable::of(schedule)->next(1'000), 500'000);
  EXPECT_EQ(Timetable::of(schedule)->next(500'000), 590'000);
}

TEST(Timetable, KeepsWithinStartAndEnd) {
  Schedule schedule = hourly();
  schedule.start_ms = kStart + 10 * kHour;
  schedule.end_ms = kStart + 11 * kHour;

  const auto timetable = Timetable::of(schedule).value();

  EXPECT_EQ(timetable.next(kStart), kStart + 10 * kHour);
  EXPECT_EQ(timetable.next(kStart + 10 * kHour), kStart + 11 * kHour);
  EXPECT_EQ(timetable.next(kStart + 11 * kHour), std::nullopt);
}

TEST(Timetable, JitterIsBoundedAndTheSameForEveryNode) {
  Schedule schedule = hourly();
  schedule.jitter_ms = 5'000;
  const auto here = Timetable::of(schedule).value(), there = Timetable::of(schedule).value();

  std::set<UnixMs> seen;
  for (int i = 0; i < 500; ++i) {
    const UnixMs jitter = here.jitter(kStart + i * kHour);
    EXPECT_EQ(jitter, there.jitter(kStart + i * kHour));
    EXPECT_GE(jitter, 0);
    EXPECT_LE(jitter, 5'000);
    seen.insert(jitter / 500);
  }
  EXPECT_GE(seen.size(), 10u);  // spread over all of it
}

TEST(Timetable, RefusesWhatIsOutOfRange) {
  const auto message = [](auto edit) {
    Schedule schedule = hourly();
    edit(schedule);
    const auto timetable = Timetable::of(schedule);
    return timetable ? "accepted" : timetable.error().message;
  };
  EXPECT_THAT(message([](Schedule& s) { s.every_ms = 1'000; }), HasSubstr("exactly one of"));
  EXPECT_THAT(message([](Schedule& s) { s.cron.clear(); }), HasSubstr("exactly one of"));
  EXPECT_THAT(message([](Schedule& s) { s.cron.clear(), s.every_ms = 999; }),
              HasSubstr("every_ms 999 is not in 1000.."));
  EXPECT_THAT(message([](Schedule& s) { s.jitter_ms = -1; }), HasSubstr("jitter_ms -1"));
  EXPECT_THAT(message([](Schedule& s) { s.catch_up_max = 0; }), HasSubstr("catch_up_max 0"));
  EXPECT_THAT(message([](Schedule& s) { s.catch_up_window_ms = 99 * 24 * kHour; }),
              HasSubstr("catch_up_window_ms"));
  EXPECT_THAT(message([](Schedule& s) { s.start_ms = 5, s.end_ms = 5; }), HasSubstr("its end"));
  EXPECT_THAT(message([](Schedule& s) { s.timezone = "Mars"; }), HasSubstr("Mars is not known"));
  EXPECT_THAT(message([](Schedule& s) { s.name.assign(129, 'x'); }), HasSubstr("129"));
  EXPECT_THAT(message([](Schedule& s) { s.request["x"] = std::string(300'000, 'x'); }),
              HasSubstr("262144"));
}

TEST(Decide, NothingBeforeTheTurn) {
  const auto decision = decided(hourly(), kStart + kHour - 1);
  EXPECT_THAT(decision.start, IsEmpty());
  EXPECT_EQ(decision.cursor_ms, kStart);
}

TEST(Decide, StartsATurnInTime) {
  const auto decision = decided(hourly(), kStart + kHour + 500);
  EXPECT_THAT(decision.start, ElementsAre(kStart + kHour));
  EXPECT_EQ(decision.cursor_ms, kStart + kHour);
  EXPECT_FALSE(decision.missed);
}

TEST(Decide, WaitsForTheJitter) {
  Schedule schedule = hourly();
  schedule.jitter_ms = 60'000;
  const UnixMs jitter = Timetable::of(schedule)->jitter(kStart + kHour);
  ASSERT_GT(jitter, 0);

  EXPECT_THAT(decided(schedule, kStart + kHour + jitter - 1).start, IsEmpty());
  EXPECT_THAT(decided(schedule, kStart + kHour + jitter).start, ElementsAre(kStart + kHour));
}

TEST(Decide, CatchUpNoneLeavesOutLateTurns) {
  Schedule schedule = hourly();
  schedule.catch_up = CatchUp::none;

  const auto late = decided(schedule, kStart + 3 * kHour + kLateAfterMs + 1);
  EXPECT_THAT(late.start, IsEmpty());
  ASSERT_TRUE(late.missed);
  EXPECT_EQ(late.missed->count, 3);
  EXPECT_EQ(late.cursor_ms, kStart + 3 * kHour);

  const auto punctual = decided(schedule, kStart + 3 * kHour + kLateAfterMs);
  EXPECT_THAT(punctual.start, ElementsAre(kStart + 3 * kHour));
  EXPECT_EQ(punctual.missed->count, 2);
}

TEST(Decide, CatchUpOneStartsTheNewest) {
  const auto decision = decided(hourly(), kStart + 5 * kHour + kHour / 2);
  EXPECT_THAT(decision.start, ElementsAre(kStart + 5 * kHour));
  EXPECT_EQ(decision.missed->count, 4);
  EXPECT_EQ(decision.missed->due_ms, kStart + 4 * kHour);
}

TEST(Decide, CatchUpAllStartsTheNewestFewOldestFirst) {
  Schedule schedule = hourly();
  schedule.catch_up = CatchUp::all;
  schedule.catch_up_max = 2;
  const auto decision = decided(schedule, kStart + 5 * kHour + kHour / 2);
  EXPECT_THAT(decision.start, ElementsAre(kStart + 4 * kHour, kStart + 5 * kHour));
  EXPECT_EQ(decision.missed->count, 3);
}

TEST(Decide, TurnsBeyondTheWindowAreMissed) {
  Schedule schedule = hourly();
  schedule.catch_up = CatchUp::all;
  schedule.catch_up_window_ms = 2 * kHour;
  const auto decision = decided(schedule, kStart + 50 * kHour + kHour / 2);
  EXPECT_THAT(decision.start, ElementsAre(kStart + 49 * kHour, kStart + 50 * kHour));
  EXPECT_TRUE(decision.missed);
}

TEST(Decide, YearsOfSecondsCostLittle) {
  Schedule schedule = hourly();
  schedule.cron = "* * * * * *";
  schedule.catch_up = CatchUp::all;
  schedule.catch_up_max = 3;
  schedule.catch_up_window_ms = 31 * 24 * kHour;
  const UnixMs now = kStart + 3 * 366 * 24 * kHour;
  const auto decision = decided(schedule, now);
  EXPECT_THAT(decision.start, ElementsAre(now - 3'000, now - 2'000, now - 1'000, now));
  EXPECT_EQ(decision.cursor_ms, now);
}

TEST(Decide, AClockThatWasSetBackStartsNothingTwice) {
  Schedule schedule = hourly();
  schedule.cursor_ms = kStart + kHour;
  EXPECT_THAT(decided(schedule, kStart + kHour / 2).start, IsEmpty());
  EXPECT_THAT(decided(schedule, kStart + kHour).start, IsEmpty());
  EXPECT_THAT(decided(schedule, kStart + 2 * kHour).start, ElementsAre(kStart + 2 * kHour));
}

TEST(Schedule, SurvivesBeingStored) {
  Schedule schedule = hourly();
  schedule.name = "every hour";
  schedule.overlap = Overlap::cancel_previous;
  schedule.catch_up = CatchUp::all;
  schedule.request = {{"workflow", "video_discovery"}, {"sessions", 3}};
  schedule.waiting = {1, 2};
  schedule.firing = Firing{3, 4, "node_1", 2};
  schedule.last_run_id = "run_1";
  remember(schedule, Turn{1, 2, Turn::Outcome::failed, "", "no such workflow"});

  const auto read = schedule_from_text(to_text(schedule));

  ASSERT_TRUE(read) << read.error().describe();
  EXPECT_EQ(*read, schedule);
}

TEST(Schedule, RefusesTextsOfOtherVersions) {
  EXPECT_EQ(schedule_from_text(R"({"v":2})").error().code, Errc::protocol_error);
  EXPECT_EQ(schedule_from_text("[]").error().code, Errc::protocol_error);
  EXPECT_THAT(schedule_from_text(R"({"v":1})").error().message, HasSubstr("'id' is missing"));
}

TEST(Schedule, RemembersTheLastTurnsOnly) {
  Schedule schedule;
  for (int i = 0; i < 30; ++i) remember(schedule, Turn{i});
  ASSERT_EQ(schedule.history.size(), kHistoryMax);
  EXPECT_EQ(schedule.history.front().due_ms, 29);
}

}  // namespace
}  // namespace troupe::tasks
