#include "sessions/process_spares.h"

#include <gtest/gtest.h>

namespace troupe::sessions {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const SteadyTime kStart{std::chrono::hours(100)};

TEST(SpareDemand, IsNothingUntilSomebodyAsks) {
  SpareDemand demand({.max = 4});

  EXPECT_EQ(demand.wanted(kStart), 0);
  demand.taken(kStart, -1);
  EXPECT_EQ(demand.wanted(kStart), 1);
}

TEST(SpareDemand, GrowsWithEachCallerWhoHadToWaitUpToItsMaximum) {
  SpareDemand demand({.max = 3});

  for (int i = 0; i < 5; ++i) demand.taken(kStart, -1);

  EXPECT_EQ(demand.wanted(kStart), 3);
}

TEST(SpareDemand, StaysWhenEverybodyFindsOne) {
  SpareDemand demand({.max = 4});
  demand.taken(kStart, -1);
  demand.taken(kStart, -1);

  demand.taken(kStart + seconds(1), 1);

  EXPECT_EQ(demand.wanted(kStart + seconds(1)), 2);
}

TEST(SpareDemand, ShrinksByWhatNobodyNeededInAPeriod) {
  SpareDemand demand({.max = 4});
  for (int i = 0; i < 4; ++i) demand.taken(kStart, -1);
  EXPECT_EQ(demand.wanted(kStart + seconds(61)), 4) << "in the first period all were needed";

  demand.taken(kStart + seconds(70), 3);

  EXPECT_EQ(demand.wanted(kStart + seconds(125)), 1);
}

TEST(SpareDemand, IsForgottenAfterTenMinutes) {
  SpareDemand demand({.max = 4});
  demand.taken(kStart, -1);

  EXPECT_EQ(demand.wanted(kStart + minutes(9)), 1);
  EXPECT_EQ(demand.wanted(kStart + minutes(11)), 0);
}

TEST(SpareDemand, OfNoSparesIsNothing) {
  SpareDemand demand({.max = 0});
  demand.taken(kStart, -1);

  EXPECT_EQ(demand.wanted(kStart), 0);
}

using std::chrono::milliseconds;

// One caller after the other: a spare costs 1 ms, a cold start 400 ms.
int misses_of(SpareDemand& demand, int callers, int at_once) {
  int misses = 0;
  for (int i = 0; i < callers; ++i) {
    const int spares = demand.wanted(kStart + seconds(i));
    for (int k = 0; k < at_once; ++k) {
      const bool hit = k < spares;
      demand.taken(kStart + seconds(i), hit ? spares - k - 1 : -1);
      demand.acquired(hit ? milliseconds(1) : milliseconds(400));
      misses += hit ? 0 : 1;
    }
  }
  return misses;
}

TEST(SpareDemand, GrowsUntilTheTargetLatencyIsMet) {
  SpareDemand demand({.max = 8, .latency = milliseconds(100)});

  EXPECT_EQ(misses_of(demand, 40, 3), 3) << "only the first three wait";
  EXPECT_LE(demand.p95(), milliseconds(100));
  EXPECT_EQ(demand.wanted(kStart + seconds(40)), 3);
}

TEST(SpareDemand, StaysAtItsMaximumAlthoughTheTargetIsMissed) {
  SpareDemand demand({.max = 2, .latency = milliseconds(100)});

  misses_of(demand, 10, 5);

  EXPECT_EQ(demand.wanted(kStart + seconds(10)), 2);
  EXPECT_GT(demand.p95(), milliseconds(100));
}

TEST(SpareDemand, KeepsNoneWhenColdStartsMeetTheTarget) {
  SpareDemand demand({.max = 4, .latency = milliseconds(500)});

  misses_of(demand, 5, 3);

  EXPECT_EQ(demand.wanted(kStart + seconds(5)), 0);
}

TEST(SpareDemand, OneLateCallerInTwentyIsAllowed) {
  SpareDemand demand({.max = 4, .latency = milliseconds(100)});
  for (int i = 0; i < 19; ++i) demand.acquired(milliseconds(1));

  demand.taken(kStart, -1);
  demand.acquired(milliseconds(400));
  EXPECT_EQ(demand.wanted(kStart), 0);

  demand.acquired(milliseconds(400));
  EXPECT_EQ(demand.wanted(kStart), 1);
}

TEST(SpareDemand, IsNeverBelowItsMinimum) {
  SpareDemand demand({.min = 2, .max = 4, .latency = milliseconds(100)});
  EXPECT_EQ(demand.wanted(kStart), 2) << "before anybody asked";

  misses_of(demand, 3, 4);
  EXPECT_EQ(demand.wanted(kStart + seconds(3)), 4);

  EXPECT_EQ(demand.wanted(kStart + minutes(11)), 2) << "when idle";
}

}  // namespace
}  // namespace troupe::sessions
