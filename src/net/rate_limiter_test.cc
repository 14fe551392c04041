#include "net/rate_limiter.h"

#include <gmock/gmock.h>

#include "base/testing.h"

namespace troupe::net {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

void rethrow(std::exception_ptr exception) {
  if (exception) std::rethrow_exception(exception);
}

HttpReply answer(std::string limit, std::string remaining, std::string reset) {
  HttpReply reply;
  reply.headers = {{"x-ratelimit-limit", std::move(limit)},
                   {"x-ratelimit-remaining", std::move(remaining)},
                   {"x-ratelimit-reset", std::move(reset)}};
  return reply;
}

class RateLimiterTest : public ::testing::Test {
 protected:
  /// Starts an acquire(); its outcome is appended to done_ as `name` or `name: code`.
  void ask(std::string name, Context ctx, bool wait = true) {
    asio::co_spawn(io_, ask_for(limiter_, done_, std::move(name), ctx, wait), rethrow);
    settle();
  }
  void ask(std::string name) { ask(std::move(name), context()); }
  void advance(Duration by) {
    clock_.advance(by);
    settle();
  }
  Context context() { return Context(clock_, io_.get_executor()); }

  ManualClock clock_;
  asio::io_context io_;
  RateLimiter limiter_{clock_};
  std::vector<std::string> done_;

 private:
  static asio::awaitable<void> ask_for(RateLimiter& limiter, std::vector<std::string>& done,
                                       std::string name, Context ctx, bool wait) {
    const auto result = co_await limiter.acquire(ctx, wait);
    done.push_back(result ? name : name + ": " + std::string(to_string(result.error().code)));
  }
  void settle() {
    io_.restart();
    io_.poll();
  }
};

TEST_F(RateLimiterTest, KnowsNoLimitUntilItIsTold) {
  for (int i = 0; i < 100; ++i) ask("a");
  EXPECT_EQ(done_.size(), 100);
  EXPECT_EQ(limiter_.state().remaining, std::nullopt);
}

TEST_F(RateLimiterTest, CallersWaitInOrderForTheWindowToReset) {
  limiter_.learn(answer("2", "1", "30"));
  for (const char* name : {"a", "b", "c", "d"}) ask(name);
  EXPECT_THAT(done_, ElementsAre("a"));
  advance(seconds(29));
  EXPECT_THAT(done_, ElementsAre("a"));
  advance(seconds(1));
  EXPECT_THAT(done_, ElementsAre("a", "b", "c"));
  limiter_.learn(answer("2", "1", "30"));
  EXPECT_THAT(done_, ElementsAre("a", "b", "c")) << "an answer of the old count gives no turn";
  advance(seconds(30));
  EXPECT_THAT(done_, ElementsAre("a", "b", "c", "d"));
}

TEST_F(RateLimiterTest, FailsAtOnceWhenTheDeadlineComesBeforeTheReset) {
  limiter_.learn(answer("5", "0", "30"));
  const Context base = context();
  ask("short", base.with_timeout(seconds(10), "call"));
  EXPECT_THAT(done_, ElementsAre("short: exhausted"));
  ask("unwilling", base, false);
  EXPECT_THAT(done_, ElementsAre("short: exhausted", "unwilling: exhausted"));
  EXPECT_EQ(limiter_.waiting(), 0);
}

TEST_F(RateLimiterTest, ACancelledWaiterLeavesTheLine) {
  limiter_.learn(answer("1", "0", "30"));
  const CancelSource source;
  ask("a", context().with_cancel(source));
  ask("b");
  source.cancel(fail(Errc::cancelled, "test: enough"));
  advance(Duration::zero());
  EXPECT_THAT(done_, ElementsAre("a: cancelled"));
  advance(seconds(30));
  EXPECT_THAT(done_, ElementsAre("a: cancelled", "b"));
}

TEST_F(RateLimiterTest, CountsRequestsUnderWay) {
  limiter_.learn(answer("10", "5", "30"));
  ask("a");
  ask("b");
  limiter_.learn(answer("10", "4", "30"));
  EXPECT_EQ(limiter_.state().remaining, 3);
  advance(seconds(31));
  EXPECT_EQ(limiter_.state().remaining, 10);
}

TEST_F(RateLimiterTest, HoldsEverybodyAfterARefusalWithoutHeaders) {
  limiter_.hold(seconds(5));
  EXPECT_EQ(limiter_.state().remaining, 0);
  ask("a");
  ask("b");
  EXPECT_THAT(done_, ElementsAre());
  advance(seconds(5));
  EXPECT_THAT(done_, ElementsAre("a", "b"));
}

TEST_F(RateLimiterTest, IgnoresNumbersItCannotRead) {
  limiter_.learn(answer("x", "-1", ""));
  EXPECT_EQ(limiter_.state().limit, std::nullopt);
  EXPECT_EQ(limiter_.state().remaining, std::nullopt);
  limiter_.learn(answer("5", "0", "1790000000"));
  EXPECT_LE(limiter_.state().resets_at, clock_.now() + std::chrono::hours(1));
}

}  // namespace
}  // namespace troupe::net
