#include "net/circuit_breaker.h"

#include <gtest/gtest.h>

namespace troupe::net {
namespace {

using std::chrono::seconds;

class CircuitBreakerTest : public testing::Test {
 protected:
  void fail_times(int count) {
    for (int i = 0; i < count; ++i) {
      auto permit = breaker_.enter();
      ASSERT_TRUE(permit) << i;
      permit->failed();
    }
  }
  ManualClock clock_;
  CircuitBreaker breaker_{clock_, {.failures = 3, .open = seconds(10)}};
};

TEST_F(CircuitBreakerTest, OpensAfterFailuresInARow) {
  fail_times(2);
  EXPECT_TRUE(breaker_.enter());
  fail_times(1);
  EXPECT_FALSE(breaker_.enter());
  EXPECT_EQ(breaker_.closed_for(), seconds(10));
}

TEST_F(CircuitBreakerTest, ASuccessBeginsTheCountAnew) {
  fail_times(2);
  breaker_.enter()->succeeded();
  fail_times(2);
  EXPECT_TRUE(breaker_.enter());
  EXPECT_EQ(breaker_.closed_for(), Duration::zero());
}

TEST_F(CircuitBreakerTest, LetsOneProbeThroughAndClosesWhenItSucceeds) {
  fail_times(3);
  clock_.advance(seconds(10));
  auto probe = breaker_.enter();
  ASSERT_TRUE(probe);
  EXPECT_FALSE(breaker_.enter());
  probe->succeeded();
  EXPECT_TRUE(breaker_.enter());
  fail_times(2);
  EXPECT_TRUE(breaker_.enter());
}

TEST_F(CircuitBreakerTest, AFailedProbeOpensItAgain) {
  fail_times(3);
  clock_.advance(seconds(10));
  breaker_.enter()->failed();
  EXPECT_FALSE(breaker_.enter());
  clock_.advance(seconds(9));
  EXPECT_FALSE(breaker_.enter());
  clock_.advance(seconds(1));
  EXPECT_TRUE(breaker_.enter());
}

TEST_F(CircuitBreakerTest, AnAbandonedProbeMakesRoomForTheNext) {
  fail_times(3);
  clock_.advance(seconds(10));
  {
    const auto abandoned = breaker_.enter();
    EXPECT_TRUE(abandoned);
  }
  EXPECT_TRUE(breaker_.enter());
}

TEST_F(CircuitBreakerTest, LateVerdictsOfEarlierCallsChangeNothing) {
  auto slow_success = breaker_.enter();
  auto slow_failure = breaker_.enter();
  fail_times(3);
  slow_success->succeeded();
  EXPECT_FALSE(breaker_.enter());
  clock_.advance(seconds(8));
  slow_failure->failed();
  EXPECT_EQ(breaker_.closed_for(), seconds(2));
}

}  // namespace
}  // namespace troupe::net
