#include "app/top.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::app {
namespace {

using ::testing::ElementsAre;

const WallTime kNow{std::chrono::seconds(1'790'000'065)};

json::object session(const char* id) {
  return {{"id", id},
          {"projectId", "shop"},
          {"provider", "local"},
          {"isolation", "process"},
          {"clients", 2},
          {"createdAt", to_rfc3339(kNow - std::chrono::seconds(65))}};
}

TEST(Top, ShowsTheLargestFirst) {
  json::object small = session("small"), large = session("large");
  small["memoryBytes"] = 100 << 20;
  small["cpuSeconds"] = 1.5;
  large["memoryBytes"] = 300 << 20;
  large["cpuSeconds"] = 60.0;
  large["runId"] = "run_1";

  const Table table = top_table({small, large}, kNow);

  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_THAT(table.rows[0], ElementsAre("large", "shop run_1", "local", "process", "2", "300 MiB",
                                         "1m00s", "1m05s"));
  EXPECT_THAT(table.rows[1],
              ElementsAre("small", "shop", "local", "process", "2", "100 MiB", "1.5s", "1m05s"));
}

TEST(Top, SaysThatASharedBrowserHasNoFiguresOfASession) {
  const Table table = top_table({session("shared")}, kNow);

  EXPECT_EQ(table.rows[0][5], "-");
  EXPECT_EQ(table.rows[0][6], "-");
}

TEST(Top, BearsWhatIsNoSession) {
  const json::array odd{1, json::object{}};

  const Table table = top_table(odd, kNow);

  ASSERT_EQ(table.rows.size(), 1u);
  EXPECT_EQ(table.rows[0][0], "-");
  EXPECT_EQ(table.rows[0][7], "-");
}

}  // namespace
}  // namespace troupe::app
