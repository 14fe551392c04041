#include "net/retry.h"

#include <gtest/gtest.h>

#include "net/response_head.h"

namespace troupe::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

HttpReply answer(Headers headers) {
  HttpReply reply;
  reply.status = 429;
  reply.headers = std::move(headers);
  return reply;
}

constexpr WallTime kNow{seconds(1'790'000'000)};
constexpr Duration kLong = std::chrono::hours(1);

TEST(RetryAdvice, ReadsSecondsMillisecondsAndDates) {
  EXPECT_EQ(retry_advice(answer({{"retry-after", "3"}}), kNow).after, seconds(3));
  EXPECT_EQ(retry_advice(answer({{"retry-after", "0"}}), kNow).after, seconds(0));
  EXPECT_EQ(retry_advice(answer({{"retry-after-ms", "250"}, {"retry-after", "3"}}), kNow).after,
            milliseconds(250));
  const auto date = http_date(kNow + seconds(90));
  EXPECT_EQ(retry_advice(answer({{"retry-after", date}}), kNow).after, seconds(90));
  const auto past = http_date(kNow - seconds(90));
  EXPECT_EQ(retry_advice(answer({{"retry-after", past}}), kNow).after, seconds(0));
}

TEST(RetryAdvice, IgnoresWhatItCannotRead) {
  for (const char* text : {"", "-1", "soon", "1e9", "1 s", "nan", "99999999999"})
    EXPECT_FALSE(retry_advice(answer({{"retry-after", text}}), kNow).after) << text;
  EXPECT_EQ(retry_advice(answer({{"retry-after-ms", "x"}, {"retry-after", "2"}}), kNow).after,
            seconds(2));
}

TEST(RetryAdvice, ReadsTheServersVerdict) {
  EXPECT_EQ(retry_advice(answer({{"x-should-retry", "true"}}), kNow).should_retry, true);
  EXPECT_EQ(retry_advice(answer({{"x-should-retry", "false"}}), kNow).should_retry, false);
  EXPECT_EQ(retry_advice(answer({{"x-should-retry", "maybe"}}), kNow).should_retry, std::nullopt);
}

TEST(HttpDate, IsReadInItsOneForm) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), WallTime(seconds(784'111'777)));
  EXPECT_EQ(parse_http_date(http_date(kNow)), kNow);
  for (const char* text : {"", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 31 Feb 1994 08:49:37 GMT",
                           "Sun, 06 Foo 1994 08:49:37 GMT", "Sun, 06 Nov 1994 25:49:37 GMT",
                           "Sun, 06 Nov 1994 08-49-37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT"})
    EXPECT_FALSE(parse_http_date(text)) << text;
}

TEST(Backoff, IsUniformBelowADoublingBound) {
  RetryPolicy policy;
  Random random(7);
  Duration longest{};
  for (int i = 0; i < 400; ++i) {
    EXPECT_LE(backoff(policy, 1, random), milliseconds(500));
    const auto third = backoff(policy, 3, random);
    EXPECT_LE(third, seconds(2));
    longest = std::max(longest, third);
    EXPECT_LE(backoff(policy, 60, random), policy.max);
  }
  EXPECT_GT(longest, milliseconds(1900));
}

TEST(NextPause, WaitsAtLeastAsLongAsAskedFor) {
  RetryPolicy policy;
  Random random(7);
  for (int i = 0; i < 50; ++i) {
    const auto pause =
        next_pause(policy, 1, {.should_retry = {}, .after = seconds(5)}, kLong, random);
    ASSERT_TRUE(pause);
    EXPECT_GE(*pause, seconds(5));
    EXPECT_LE(*pause, milliseconds(5125));
  }
}

TEST(NextPause, EndsWithAttemptsCapAndDeadline) {
  RetryPolicy policy;
  Random random(7);
  EXPECT_TRUE(next_pause(policy, 3, {}, kLong, random));
  EXPECT_FALSE(next_pause(policy, 4, {}, kLong, random));
  EXPECT_FALSE(next_pause(policy, 1, {.should_retry = {}, .after = seconds(61)}, kLong, random));
  EXPECT_FALSE(
      next_pause(policy, 1, {.should_retry = {}, .after = seconds(5)}, seconds(5), random));
}

TEST(RetryBudget, RunsOutAndIsEarnedByCallsAndTime) {
  ManualClock clock;
  RetryBudget budget(clock, {.capacity = 2, .per_call = 0.5, .per_second = 0.25});
  EXPECT_TRUE(budget.take());
  EXPECT_TRUE(budget.take());
  EXPECT_FALSE(budget.take());
  budget.call_began();
  budget.call_began();
  EXPECT_TRUE(budget.take());
  EXPECT_FALSE(budget.take());
  clock.advance(seconds(4));
  EXPECT_TRUE(budget.take());
  clock.advance(std::chrono::hours(1));
  budget.call_began();
  EXPECT_DOUBLE_EQ(budget.tokens(), 2);
}

}  // namespace
}  // namespace troupe::net
