#include "sessions/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"

namespace troupe::sessions {
namespace {

using ::testing::ElementsAre;
using troupe::testing::run;

asio::awaitable<void> turn(Context& ctx) { (void)co_await sleep_for(ctx, Duration::zero()); }

// Callers on virtual time that write down in which order they were let in.
struct Fixture {
  explicit Fixture(Context& ctx, AdmissionLimits limits)
      : virtual_ctx(clock, ctx.executor()),
        admission(clock, limits, [this](const std::string& name) { return room[name]; }),
        scope(ctx.executor()) {
    room["local"] = 1'000;
  }
  void ask(const std::string& name, const std::string& tenant, std::string provider = "local") {
    scope.spawn("caller", caller(*this, name, tenant, std::move(provider)));
  }
  static asio::awaitable<void> caller(Fixture& f, std::string name, std::string tenant,
                                      std::string provider) {
    auto entered = co_await f.admission.enter(f.virtual_ctx, tenant, provider);
    f.order.push_back(entered ? name : name + ":" + std::string(to_string(entered.error().code)));
    if (entered) f.admission.asked(provider);
  }
  ManualClock clock;
  Context virtual_ctx;
  std::map<std::string, int> room;
  Admission admission;
  Scope scope;
  std::vector<std::string> order;
};

asio::awaitable<void> fairness(Context& ctx) {
  Fixture f(ctx, {.places = 1});
  f.ask("first", "a");
  co_await turn(ctx);
  for (const char* name : {"a1", "a2", "a3"}) f.ask(name, "a");
  co_await turn(ctx);
  f.ask("b1", "b");
  co_await turn(ctx);
  for (int i = 0; i < 4; ++i) {
    f.admission.leave(i == 1 ? "b" : "a", Duration::zero());
    co_await turn(ctx);
  }
  EXPECT_THAT(f.order, ElementsAre("first", "b1", "a1", "a2", "a3"));
}

TEST(Admission, ATenantWithManyCallersDoesNotHoldUpAnother) {
  run([](Context& ctx) { return fairness(ctx); });
}

asio::awaitable<void> quota(Context& ctx) {
  Fixture f(ctx, {.places = 10, .tenant_places = 1});
  for (const char* name : {"a1", "a2"}) f.ask(name, "a");
  f.ask("b1", "b");
  co_await turn(ctx);
  EXPECT_THAT(f.order, ElementsAre("a1", "b1"));
  f.admission.leave("a", Duration::zero());
  co_await turn(ctx);
  EXPECT_THAT(f.order, ElementsAre("a1", "b1", "a2"));
}

TEST(Admission, ATenantWaitsAtItsOwnLimitOnly) {
  run([](Context& ctx) { return quota(ctx); });
}

asio::awaitable<void> rate(Context& ctx) {
  Fixture f(ctx, {.places = 10, .tenant_creations_per_minute = 2});
  for (const char* name : {"1", "2", "3", "4"}) f.ask(name, "a");
  co_await turn(ctx);
  EXPECT_THAT(f.order, ElementsAre("1", "2"));
  f.clock.advance(std::chrono::seconds(29));
  co_await turn(ctx);
  EXPECT_EQ(f.order.size(), 2u);
  f.clock.advance(std::chrono::seconds(2));
  co_await turn(ctx);
  EXPECT_THAT(f.order, ElementsAre("1", "2", "3"));
  f.clock.advance(std::chrono::seconds(30));
  co_await turn(ctx);
  EXPECT_THAT(f.order, ElementsAre("1", "2", "3", "4"));
}

TEST(Admission, CreationsBeyondTheRateWaitForTheirMinute) {
  run([](Context& ctx) { return rate(ctx); });
}

asio::awaitable<void> rate_after_restart(Context& ctx) {
  std::vector<double> told;
  AdmissionLimits limits{.places = 10, .tenant_creations_per_minute = 4};
  limits.creations_left = [](const std::string& tenant) -> std::optional<CreationsLeft> {
    if (tenant != "a") return std::nullopt;
    return CreationsLeft{.count = 0, .ago = std::chrono::seconds(15)};
  };
  limits.created = [&](const std::string&, double left) { told.push_back(left); };
  Fixture f(ctx, limits);
  for (const char* name : {"1", "2"}) f.ask(name, "a");
  co_await turn(ctx);
  EXPECT_THAT(f.order, ElementsAre("1")) << "a quarter of a minute gives one of four";
  EXPECT_THAT(told, ElementsAre(::testing::DoubleNear(0, 0.001)));
  f.ask("other", "b");
  co_await turn(ctx);
  EXPECT_THAT(f.order, ElementsAre("1", "other"));
  f.clock.advance(std::chrono::seconds(16));
  co_await turn(ctx);
  EXPECT_THAT(f.order, ElementsAre("1", "other", "2"));
}

TEST(Admission, CreationsOfAnEarlierProcessCount) {
  run([](Context& ctx) { return rate_after_restart(ctx); });
}

asio::awaitable<void> minutes(Context& ctx) {
  Fixture f(ctx, {.places = 10, .tenant_minutes_per_day = 60});
  f.ask("1", "a");
  co_await turn(ctx);
  f.admission.leave("a", std::chrono::minutes(61));
  f.ask("2", "a");
  f.ask("other", "b");
  co_await turn(ctx);
  EXPECT_THAT(f.order, ElementsAre("1", "2:exhausted", "other"));
  f.clock.advance(std::chrono::hours(25));
  f.ask("3", "a");
  co_await turn(ctx);
  EXPECT_EQ(f.order.back(), "3") << "a day later they are forgotten";
}

TEST(Admission, ATenantWithoutMinutesIsRefused) {
  run([](Context& ctx) { return minutes(ctx); });
}

asio::awaitable<void> earlier_minutes(Context& ctx) {
  AdmissionLimits limits{.places = 10, .tenant_minutes_per_day = 60};
  limits.history = [](const std::string& tenant, int ago) -> Duration {
    return std::chrono::minutes(tenant == "a" && ago == 20 ? 60 : 0);
  };
  Fixture f(ctx, limits);
  f.ask("1", "a");
  f.ask("other", "b");
  co_await turn(ctx);
  EXPECT_THAT(f.order, ElementsAre("1:exhausted", "other"));
  f.clock.advance(std::chrono::hours(5));
  f.ask("2", "a");
  co_await turn(ctx);
  EXPECT_EQ(f.order.back(), "2") << "they were used a day ago";
}

TEST(Admission, MinutesOfAnEarlierProcessCount) {
  run([](Context& ctx) { return earlier_minutes(ctx); });
}

asio::awaitable<void> running_minutes(Context& ctx) {
  Duration running = std::chrono::minutes(59);
  AdmissionLimits limits{.places = 10, .tenant_minutes_per_day = 60};
  limits.running = [&](const std::string&) { return running; };
  Fixture f(ctx, limits);
  f.ask("1", "a");
  co_await turn(ctx);
  running = std::chrono::minutes(60);
  f.ask("2", "a");
  co_await turn(ctx);
  EXPECT_THAT(f.order, ElementsAre("1", "2:exhausted"));
}

TEST(Admission, MinutesOfRunningSessionsCount) {
  run([](Context& ctx) { return running_minutes(ctx); });
}

asio::awaitable<void> provider_room(Context& ctx) {
  Fixture f(ctx, {.places = 10});
  f.room["remote"] = 0;
  f.ask("remote", "a", "remote");
  f.ask("local", "a");
  co_await turn(ctx);
  EXPECT_THAT(f.order, ElementsAre("local"));
  f.room["remote"] = 1;
  f.clock.advance(std::chrono::seconds(1));
  co_await turn(ctx);
  EXPECT_THAT(f.order, ElementsAre("local", "remote"));
}

TEST(Admission, AProviderWithoutRoomHoldsUpOnlyItsOwnCallers) {
  run([](Context& ctx) { return provider_room(ctx); });
}

asio::awaitable<void> cancelled(Context& ctx) {
  Fixture f(ctx, {.places = 1, .queue_max = 1});
  f.ask("1", "a");
  co_await turn(ctx);
  Context brief = f.virtual_ctx.with_timeout(std::chrono::seconds(1), "patience");
  Scope scope(ctx.executor());
  std::string tenant = "a", provider = "local";
  auto waits = f.admission.enter(brief, tenant, provider);
  std::optional<Result<void>> result;
  asio::co_spawn(ctx.executor(), std::move(waits),
                 [&](std::exception_ptr, Result<void> ended) { result = std::move(ended); });
  co_await turn(ctx);
  f.ask("too many", "b");
  co_await turn(ctx);
  EXPECT_THAT(f.order, ElementsAre("1", "too many:exhausted"));
  f.clock.advance(std::chrono::seconds(2));
  co_await turn(ctx);
  EXPECT_EQ(result->error().code, Errc::timeout);
  EXPECT_EQ(f.admission.waiting(), 0u);
  f.admission.leave("a", Duration::zero());
  EXPECT_EQ(f.admission.used(), 0);
  f.admission.drain();
  f.ask("late", "a");
  co_await turn(ctx);
  EXPECT_EQ(f.order.back(), "late:draining");
}

TEST(Admission, WhoStopsWaitingLeavesNothingBehind) {
  run([](Context& ctx) { return cancelled(ctx); });
}

}  // namespace
}  // namespace troupe::sessions
