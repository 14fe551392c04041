#include "sessions/process_spares.h"

#include <gtest/gtest.h>

namespace troupe::sessions {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const SteadyTime kStart{std::chrono::hours(100)};

TEST(SpareDemand, IsNothingUntilSomebodyAsks) {
  SpareDemand demand(4);

  EXPECT_EQ(demand.wanted(kStart), 0);
  demand.taken(kStart, -1);
  EXPECT_EQ(demand.wanted(kStart), 1);
}

TEST(SpareDemand, GrowsWithEachCallerWhoHadToWaitUpToItsMaximum) {
  SpareDemand demand(3);

  for (int i = 0; i < 5; ++i) demand.taken(kStart, -1);

  EXPECT_EQ(demand.wanted(kStart), 3);
}

TEST(SpareDemand, StaysWhenEverybodyFindsOne) {
  SpareDemand demand(4);
  demand.taken(kStart, -1);
  demand.taken(kStart, -1);

  demand.taken(kStart + seconds(1), 1);

  EXPECT_EQ(demand.wanted(kStart + seconds(1)), 2);
}

TEST(SpareDemand, ShrinksByWhatNobodyNeededInAPeriod) {
  SpareDemand demand(4);
  for (int i = 0; i < 4; ++i) demand.taken(kStart, -1);
  EXPECT_EQ(demand.wanted(kStart + seconds(61)), 4) << "in the first period all were needed";

  demand.taken(kStart + seconds(70), 3);

  EXPECT_EQ(demand.wanted(kStart + seconds(125)), 1);
}

TEST(SpareDemand, IsForgottenAfterTenMinutes) {
  SpareDemand demand(4);
  demand.taken(kStart, -1);

  EXPECT_EQ(demand.wanted(kStart + minutes(9)), 1);
  EXPECT_EQ(demand.wanted(kStart + minutes(11)), 0);
}

TEST(SpareDemand, OfNoSparesIsNothing) {
  SpareDemand demand(0);
  demand.taken(kStart, -1);

  EXPECT_EQ(demand.wanted(kStart), 0);
}

}  // namespace
}  // namespace troupe::sessions
