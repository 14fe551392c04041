#include "app/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/text.h"
#include "base/clock.h"

namespace troupe::app {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

TEST(Table, AlignsTextLeftAndNumbersRight) {
  const Table table{{"title", "views"}, {{"Nosferatu", "9"}, {"M", "1200"}}};
  EXPECT_THAT(render_table(table, 80), ElementsAre("title      views",  //
                                                   "Nosferatu      9",  //
                                                   "M           1200"));
}

TEST(Table, ShrinksTheWidestColumnFirst) {
  const Table table{{"a", "b"}, {{std::string(50, 'x'), "short"}}};
  const auto lines = render_table(table, 30);
  EXPECT_EQ(display_width(lines[1]), 30);
  EXPECT_THAT(lines[1], HasSubstr("…  short"));
}

TEST(Table, LeavesOutColumnsThatHaveNoRoomAndSaysSo) {
  const std::string wide(20, 'x');
  const Table table{{"first", "second", "third"}, {{wide, wide, wide}}};
  const auto lines = render_table(table, 20);
  EXPECT_EQ(lines.back(), "(no room for: third)");
  for (const auto& line : lines) EXPECT_LE(display_width(line), 20);
}

TEST(Table, LeavesOutAddressesFirst) {
  const std::string wide(14, 'x');
  const Table table{{"url", "title"}, {{"http://h/a/long/path", wide}}};
  EXPECT_THAT(render_table(table, 20), ElementsAre("title", wide, "(no room for: url)"));
}

TEST(Table, OfObjectsHasAColumnPerMember) {
  const auto table = table_of(json::array{{{"title", "M"}, {"channel", {{"name", "Lang"}}}},
                                          {{"title", "Metropolis"}, {"year", 1927}}});
  EXPECT_THAT(table.headers, ElementsAre("title", "channel.name", "year"));
  EXPECT_THAT(table.rows[0], ElementsAre("M", "Lang", ""));
  EXPECT_THAT(table.rows[1], ElementsAre("Metropolis", "", "1927"));
}

TEST(Table, CellsHoldNoControlCharacters) {
  const auto table = table_of(json::array{{{"t", "a\x1b[2Jb\nc"}}});
  EXPECT_EQ(table.rows[0][0], "a [2Jb c");
}

RunResult two_tasks() {
  RunResult result;
  result.run_id = "run_1";
  result.sessions = 2;
  result.ended_at = WallTime(std::chrono::milliseconds(3200));
  result.tasks.resize(2);
  result.tasks[0].state = TaskState::succeeded;
  result.tasks[0].attempts = 1;
  result.tasks[0].output =
      json::object{{"topic", "silent"}, {"videos", json::array{{{"title", "M"}}}}};
  result.tasks[1].index = 1;
  result.tasks[1].state = TaskState::failed;
  result.tasks[1].attempts = 2;
  result.tasks[1].failed_step = "s3";
  result.tasks[1].error = Error{Errc::dns_error, "host x: not resolved", "", ""};
  return result;
}

TEST(Results, ShowListsTasksAndErrors) {
  EXPECT_THAT(render_results(two_tasks(), {}),
              ElementsAre("videos (1)",                               //
                          "task  title",                              //
                          "   1  M",                                  //
                          "",                                         //
                          "tasks (2)",                                //
                          "task  state      attempts  time  topic",   //
                          "   1  succeeded         1  0.0s  silent",  //
                          "   2  failed            2  0.0s",          //
                          "task 2, step s3: dns_error: host x: not resolved"));
}

TEST(Results, CutLongListsAndSaySo) {
  RunResult result;
  result.tasks.resize(1);
  result.tasks[0].state = TaskState::succeeded;
  json::array many;
  for (int i = 0; i < 40; ++i) many.push_back({{"n", i}});
  result.tasks[0].output = many;

  const auto lines = render_results(result, {.rows_max = 10});
  EXPECT_EQ(lines[0], "results (40)");
  EXPECT_THAT(lines, Contains("… 30 more; --json gives all"));
  EXPECT_THAT(lines, Not(Contains("39")));
}

TEST(Results, SummaryCountsWhatSucceeded) {
  EXPECT_EQ(summary_line(two_tasks()), "1 of 2 tasks succeeded in 3.2s on 2 sessions (run_1)");
}

}  // namespace
}  // namespace troupe::app
