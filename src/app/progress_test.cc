#include "app/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "app/text.h"

namespace troupe::app {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr SteadyTime kStart{std::chrono::hours(1)};

observe::EventRecord event(std::string type, json::object data) {
  return {.number = 1, .time = {}, .type = std::move(type), .ids = {}, .data = std::move(data)};
}

TEST(Progress, BeginsWithEverySessionWaiting) {
  const ProgressBoard board("w on demo", 2, 4, kStart);
  EXPECT_THAT(board.render(kStart, 80, 24),
              ElementsAre("w on demo: 0 of 4 tasks done, 0.0s", "  session 1  waiting",
                          "  session 2  waiting"));
}

TEST(Progress, HasNoMoreLinesThanTasks) {
  const ProgressBoard board("w", 5, 1, kStart);
  EXPECT_EQ(board.render(kStart, 80, 24).size(), 2u);
}

TEST(Progress, ShowsStepStateAndElapsedPerSession) {
  ProgressBoard board("w", 1, 2, kStart);
  board.take(event("task.started", {{"index", 1}, {"slot", 0}, {"attempt", 1}}), kStart);
  board.take(event("step.started", {{"slot", 0}, {"step", "s2"}, {"kind", "click"}}), kStart);
  board.take(event("step.ended", {{"slot", 0}, {"detail", "clicked \"Go\""}}), kStart);

  EXPECT_EQ(board.render(kStart + milliseconds(1500), 100, 24)[1],
            "  session 1  running    task 2       1.5s  s2 click                 clicked \"Go\"");
}

TEST(Progress, StopsTheTimeOfATaskThatEnded) {
  ProgressBoard board("w", 1, 2, kStart);
  board.take(event("task.started", {{"index", 0}, {"slot", 0}}), kStart);
  board.take(event("task.ended", {{"slot", 0}, {"state", "succeeded"}}),
             kStart + milliseconds(700));

  const auto lines = board.render(kStart + milliseconds(5000), 100, 24);
  EXPECT_EQ(lines[0], "w: 1 of 2 tasks done, 5.0s");
  EXPECT_EQ(lines[1], "  session 1  succeeded  task 1       0.7s");
}

TEST(Progress, CountsFailuresAndShowsWhy) {
  ProgressBoard board("w", 1, 1, kStart);
  board.take(event("task.started", {{"index", 0}, {"slot", 0}, {"attempt", 2}}), kStart);
  EXPECT_THAT(board.render(kStart, 100, 24)[1], HasSubstr("attempt 2"));
  board.take(
      event("task.ended",
            {{"slot", 0}, {"state", "failed"}, {"error", {{"message", "host x:\nnot resolved"}}}}),
      kStart);

  const auto lines = board.render(kStart, 100, 24);
  EXPECT_EQ(lines[0], "w: 1 of 1 tasks done, 1 failed, 0.0s");
  EXPECT_THAT(lines[1], HasSubstr("host x: not resolved"));
}

TEST(Progress, IgnoresEventsOfUnknownSessions) {
  ProgressBoard board("w", 1, 1, kStart);
  board.take(event("step.started", {{"slot", 7}, {"step", "s1"}}), kStart);
  board.take(event("session.created", {}), kStart);
  EXPECT_EQ(board.render(kStart, 100, 24)[1], "  session 1  waiting");
}

TEST(Progress, ShowsTheRoundOfALoop) {
  ProgressBoard board("w", 1, 1, kStart);
  board.take(event("task.started", {{"slot", 0}, {"index", 0}}), kStart);
  const json::array loops{{{"step", "a"}, {"round", 2}, {"of", 3}},
                          {{"step", "b"}, {"round", 37}, {"of", 100}}};
  board.take(
      event("step.started", {{"slot", 0}, {"step", "open"}, {"kind", "goto"}, {"loops", loops}}),
      kStart);
  EXPECT_THAT(board.render(kStart, 100, 24)[1], HasSubstr("open goto 37 of 100"));

  EXPECT_EQ(progress_text({{"step", "open"},
                           {"kind", "goto"},
                           {"done", 73},
                           {"attempt", 2},
                           {"loops", loops},
                           {"elapsed_ms", 12'300}}),
            "open goto, round 37 of 100, 73 steps done, attempt 2, 12.3s");
  const json::array endless{{{"step", "w"}, {"round", 4}}};
  EXPECT_EQ(progress_text({{"step", "s1"}, {"kind", "set"}, {"done", 1}, {"loops", endless}}),
            "s1 set, round 4, 1 step done");
}

TEST(Progress, FitsTheTerminal) {
  ProgressBoard board("a title that is long", 50, 50, kStart);
  const auto lines = board.render(kStart, 20, 10);
  EXPECT_EQ(lines.size(), 9u);
  EXPECT_EQ(lines.back(), "  and 43 more sessions");
  EXPECT_LE(display_width(lines[0]), 20);
}

TEST(Progress, PlainLinesTellTasksOnly) {
  EXPECT_EQ(progress_line(event("task.started", {{"index", 0}})), "task 1: started");
  EXPECT_EQ(progress_line(
                event("task.ended", {{"index", 1}, {"state", "succeeded"}, {"duration_ms", 1500}})),
            "task 2: succeeded after 1.5s");
  EXPECT_EQ(progress_line(
                event("task.retrying",
                      {{"index", 0}, {"retry_after_ms", 500}, {"error", {{"message", "gone"}}}})),
            "task 1: retrying in 0.5s: gone");
  EXPECT_EQ(progress_line(event("step.started", {{"index", 0}})), "");
}

/// What a screen writes, read back from a pipe.
class LiveScreenTest : public testing::Test {
 protected:
  LiveScreenTest() { EXPECT_EQ(::pipe(ends_), 0); }
  ~LiveScreenTest() override {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  std::string written() const {
    char buffer[4096];
    const auto count = ::read(ends_[0], buffer, sizeof buffer);
    return std::string(buffer, count > 0 ? static_cast<std::size_t>(count) : 0);
  }
  int ends_[2] = {-1, -1};
};

TEST_F(LiveScreenTest, RedrawsInPlaceAndRemovesAllAtTheEnd) {
  LiveScreen screen(ends_[1]);
  screen.draw({"one", "two"});
  EXPECT_EQ(written(), "one\ntwo\n");
  screen.draw({"three"});
  EXPECT_EQ(written(), "\x1b[2A\r\x1b[Jthree\n");
  screen.clear();
  EXPECT_EQ(written(), "\x1b[1A\r\x1b[J");
  screen.print_above("end");
  EXPECT_EQ(written(), "end\n");
}

TEST_F(LiveScreenTest, KeepsPrintedLinesAboveTheBoard) {
  LiveScreen screen(ends_[1]);
  screen.draw({"board"});
  screen.print_above("note");
  EXPECT_EQ(written(), "board\n\x1b[1A\r\x1b[Jnote\nboard\n");
}

}  // namespace
}  // namespace troupe::app
