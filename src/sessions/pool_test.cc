#include "sessions/pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"
#include "sessions/testing.h"

namespace troupe::sessions {
namespace {

using ::testing::ElementsAre;
using troupe::testing::run;

// A pool over the scripted provider, on virtual time that the test moves.
struct Fixture {
  explicit Fixture(Context& ctx, PoolOptions options = {})
      : virtual_ctx(clock, ctx.executor()), random(1) {
    std::vector<std::unique_ptr<SessionProvider>> providers;
    providers.push_back(std::make_unique<ScriptedProvider>(script));
    providers.push_back(std::make_unique<ScriptedProvider>(other, "other"));
    pool = std::make_unique<Pool>(clock, ctx.executor(), random, options, std::move(providers),
                                  PoolObserver{});
  }
  asio::awaitable<void> shutdown() {
    auto closed = co_await pool->shutdown(virtual_ctx);
    EXPECT_TRUE(closed) << closed.error().describe();
    EXPECT_TRUE(script.shut_down);
    EXPECT_EQ(pool->active_count(), 0u);
  }
  ManualClock clock;
  Context virtual_ctx;
  Script script;
  Script other;  ///< Of the provider `other`.
  Random random;
  std::unique_ptr<Pool> pool;
};

asio::awaitable<void> turn(Context& ctx) { (void)co_await sleep_for(ctx, Duration::zero()); }

asio::awaitable<void> life(Context& ctx) {
  Fixture f(ctx);
  SessionSpec spec;
  spec.user_context["who"] = "me";
  auto lease = co_await f.pool->acquire(f.virtual_ctx, spec, "run_1", "task_1");
  const std::string id = lease->id();
  const Session running = *f.pool->info(id);
  EXPECT_EQ(running.state, SessionState::running);
  EXPECT_EQ(running.task_id, "task_1");
  EXPECT_EQ(running.user_context.at("who"), "me");
  EXPECT_FALSE(running.auth_token.empty());

  auto released = co_await lease->release(f.virtual_ctx, true, EndReason::released);

  EXPECT_TRUE(released);
  const Session ended = *f.pool->info(id);
  EXPECT_EQ(ended.state, SessionState::ended);
  EXPECT_EQ(ended.end_reason, EndReason::released);
  EXPECT_FALSE(ended.error) << ended.error->describe();
  EXPECT_TRUE(ended.auth_token.empty());
  EXPECT_TRUE(f.pool->list(true).empty());
  EXPECT_EQ(f.pool->list(false).size(), 1u);
  co_await f.shutdown();
}

TEST(Pool, KeepsTrackOfASessionFromCreationToEnd) {
  run([](Context& ctx) { return life(ctx); });
}

asio::awaitable<void> dropped(Context& ctx) {
  Fixture f(ctx);
  std::string id;
  {
    auto lease = co_await f.pool->acquire(f.virtual_ctx, SessionSpec{}, "", "");
    id = lease->id();
  }
  co_await turn(ctx);
  EXPECT_THAT(f.script.closed, ElementsAre(id));
  co_await f.shutdown();
}

TEST(Pool, ReleasesALeaseThatIsJustDropped) {
  run([](Context& ctx) { return dropped(ctx); });
}

asio::awaitable<void> create_fails(Context& ctx) {
  Fixture f(ctx, {.sessions_max = 1});
  f.script.create_error = fail(Errc::browser_missing, "none");
  auto lease = co_await f.pool->acquire(f.virtual_ctx, SessionSpec{}, "", "");
  EXPECT_EQ(lease.error().code, Errc::browser_missing);
  EXPECT_EQ(f.pool->list(false).at(0).end_reason, EndReason::failed);
  f.script.create_error.reset();
  auto second = co_await f.pool->acquire(f.virtual_ctx, SessionSpec{}, "", "");
  EXPECT_TRUE(second) << "the place of the failed one must be free";
  co_await f.shutdown();
}

TEST(Pool, ReportsAFailedCreationAndFreesItsPlace) {
  run([](Context& ctx) { return create_fails(ctx); });
}

asio::awaitable<void> release_fails(Context& ctx) {
  Fixture f(ctx, {.sessions_max = 1});
  f.script.close_error = fail(Errc::unavailable, "provider says no");
  auto lease = co_await f.pool->acquire(f.virtual_ctx, SessionSpec{}, "", "");
  auto released = co_await lease->release(f.virtual_ctx, false, EndReason::released);
  EXPECT_EQ(released.error().code, Errc::unavailable);
  EXPECT_EQ(f.pool->info(lease->id())->error->message, "provider says no");
  auto second = co_await f.pool->acquire(f.virtual_ctx, SessionSpec{}, "", "");
  EXPECT_TRUE(second);
  co_await f.shutdown();
}

TEST(Pool, ReportsAFailedReleaseAndFreesItsPlace) {
  run([](Context& ctx) { return release_fails(ctx); });
}

asio::awaitable<void> wait_for_lease(Context& ctx, Pool& pool, std::vector<int>& order,
                                     int number) {
  auto lease = co_await pool.acquire(ctx, SessionSpec{}, "", "");
  if (!lease) co_return;
  order.push_back(number);
  (void)co_await lease->release(ctx, false, EndReason::released);
}

asio::awaitable<void> queue(Context& ctx) {
  Fixture f(ctx, {.sessions_max = 1, .queue_max = 3});
  auto first = co_await f.pool->acquire(f.virtual_ctx, SessionSpec{}, "", "");
  std::vector<int> order;
  Scope scope(ctx.executor());
  for (int i = 1; i <= 3; ++i)
    scope.spawn("waiter", wait_for_lease(f.virtual_ctx, *f.pool, order, i));
  co_await turn(ctx);
  EXPECT_EQ(f.pool->waiting_count(), 3u);
  auto refused = co_await f.pool->acquire(f.virtual_ctx, SessionSpec{}, "", "");
  EXPECT_EQ(refused.error().code, Errc::exhausted);

  (void)co_await first->release(f.virtual_ctx, false, EndReason::released);
  (void)co_await scope.join(ctx);

  EXPECT_THAT(order, ElementsAre(1, 2, 3));
  co_await f.shutdown();
}

TEST(Pool, ServesWaitersInOrderAndLimitsTheQueue) {
  run([](Context& ctx) { return queue(ctx); });
}

asio::awaitable<void> wait_ends(Context& ctx) {
  Fixture f(ctx, {.sessions_max = 1, .create_timeout = std::chrono::seconds(5)});
  auto first = co_await f.pool->acquire(f.virtual_ctx, SessionSpec{}, "", "");
  std::vector<int> order;
  Scope scope(ctx.executor());
  const CancelSource cancel;
  Context cancelled = f.virtual_ctx.with_cancel(cancel);
  scope.spawn("waiter", wait_for_lease(cancelled, *f.pool, order, 1));
  co_await turn(ctx);
  cancel.cancel(fail(Errc::cancelled, "no more"));
  (void)co_await scope.join(ctx);
  EXPECT_EQ(f.pool->waiting_count(), 0u);

  (void)co_await first->release(f.virtual_ctx, false, EndReason::released);
  auto next = co_await f.pool->acquire(f.virtual_ctx, SessionSpec{}, "", "");
  EXPECT_TRUE(next) << "a cancelled waiter must not keep the place";
  co_await f.shutdown();
}

TEST(Pool, ForgetsAWaiterThatWasCancelled) {
  run([](Context& ctx) { return wait_ends(ctx); });
}

asio::awaitable<void> long_wait(Context& ctx) {
  Fixture f(ctx, {.sessions_max = 1, .create_timeout = std::chrono::seconds(5)});
  auto first = co_await f.pool->acquire(f.virtual_ctx, SessionSpec{}, "", "");
  std::vector<int> order;
  Scope scope(ctx.executor());
  scope.spawn("waiter", wait_for_lease(f.virtual_ctx, *f.pool, order, 1));
  co_await turn(ctx);
  f.clock.advance(std::chrono::seconds(60));
  (void)co_await first->release(f.virtual_ctx, false, EndReason::released);
  (void)co_await scope.join(ctx);
  EXPECT_THAT(order, ElementsAre(1)) << "the wait for a place does not count as creation";
  co_await f.shutdown();
}

TEST(Pool, BoundsTheCreationNotTheWaitForAPlace) {
  run([](Context& ctx) { return long_wait(ctx); });
}

asio::awaitable<void> expiry(Context& ctx) {
  Fixture f(ctx);
  SessionSpec spec{.timeout = std::chrono::seconds(10)};
  auto lease = co_await f.pool->acquire(f.virtual_ctx, spec, "", "");
  auto idle = co_await f.pool->create(f.virtual_ctx, SessionSpec{});
  f.clock.advance(std::chrono::seconds(11));
  co_await turn(ctx);
  EXPECT_TRUE(lease->lost().is_set());
  EXPECT_EQ(f.pool->info(lease->id())->end_reason, EndReason::timed_out);
  f.clock.advance(std::chrono::minutes(10));
  co_await turn(ctx);
  EXPECT_EQ(f.pool->info(idle->id)->end_reason, EndReason::idle);
  co_await f.shutdown();
}

TEST(Pool, EndsSessionsAtTheirTimeoutAndWhenIdle) {
  run([](Context& ctx) { return expiry(ctx); });
}

asio::awaitable<void> death(Context& ctx) {
  Fixture f(ctx);
  auto lease = co_await f.pool->acquire(f.virtual_ctx, SessionSpec{}, "", "");
  auto unused = co_await f.pool->create(f.virtual_ctx, SessionSpec{});
  for (Event* lost : f.script.lost) lost->set();
  co_await turn(ctx);
  co_await turn(ctx);
  EXPECT_EQ(lease->lost_reason().message, "scripted death");
  EXPECT_EQ(f.pool->info(unused->id)->end_reason, EndReason::crashed);
  EXPECT_EQ(f.pool->info(unused->id)->error->message, "scripted death");
  (void)co_await lease->release(f.virtual_ctx, false, EndReason::released);
  EXPECT_EQ(f.pool->info(lease->id())->end_reason, EndReason::crashed);
  co_await f.shutdown();
}

TEST(Pool, TellsTheHolderOfASessionThatDied) {
  run([](Context& ctx) { return death(ctx); });
}

asio::awaitable<void> bad_specs(Context& ctx) {
  Fixture f(ctx);
  const SessionSpec provider{.provider = "nowhere"};
  const SessionSpec timeout{.timeout = std::chrono::hours(7)};
  const SessionSpec size{.viewport_width = 0};
  SessionSpec fat;
  fat.user_context["x"] = std::string(5'000, 'x');
  for (const auto& spec : {provider, timeout, size, fat}) {
    auto lease = co_await f.pool->acquire(f.virtual_ctx, spec, "", "");
    EXPECT_EQ(lease.error().code, Errc::invalid_argument);
  }
  auto lease = co_await f.pool->acquire(f.virtual_ctx, timeout, "", "");
  EXPECT_EQ(lease.error().message, "session timeout: 25200000 ms is not in 1000 ms..21600000 ms");
  EXPECT_EQ(f.script.created, 0);
  auto unknown = co_await f.pool->release(f.virtual_ctx, "nope", EndReason::released);
  EXPECT_EQ(unknown.error().code, Errc::not_found);
  co_await f.shutdown();
}

TEST(Pool, RefusesSpecsOutOfBounds) {
  run([](Context& ctx) { return bad_specs(ctx); });
}

asio::awaitable<void> shutdown_under_load(Context& ctx) {
  Fixture f(ctx, {.sessions_max = 1});
  auto lease = co_await f.pool->acquire(f.virtual_ctx, SessionSpec{}, "", "");
  std::vector<int> order;
  Scope scope(ctx.executor());
  scope.spawn("waiter", wait_for_lease(f.virtual_ctx, *f.pool, order, 1));
  co_await turn(ctx);
  co_await f.shutdown();
  (void)co_await scope.join(ctx);
  EXPECT_TRUE(order.empty());
  EXPECT_EQ(f.pool->info(lease->id())->end_reason, EndReason::shutdown);
  auto late = co_await f.pool->acquire(f.virtual_ctx, SessionSpec{}, "", "");
  EXPECT_EQ(late.error().code, Errc::draining);
}

TEST(Pool, ShutdownEndsEverythingAndRefusesMore) {
  run([](Context& ctx) { return shutdown_under_load(ctx); });
}

asio::awaitable<void> create_into(Context ctx, Pool& pool, std::optional<Result<Session>>& into) {
  into = co_await pool.create(ctx, SessionSpec{});
}

asio::awaitable<void> shutdown_during_creation(Context& ctx) {
  Fixture f(ctx);
  Event never;
  f.script.hold_creation = &never;
  std::optional<Result<Session>> created;
  Scope scope(ctx.executor());
  scope.spawn("creation", create_into(f.virtual_ctx, *f.pool, created));
  co_await turn(ctx);
  co_await f.shutdown();
  (void)co_await scope.join(ctx);
  EXPECT_EQ(created->error().code, Errc::draining);
}

TEST(Pool, ShutdownStopsACreationUnderWay) {
  run([](Context& ctx) { return shutdown_during_creation(ctx); });
}

// A provider that finishes what it has begun, whatever the context says.
class StubbornProvider final : public SessionProvider {
 public:
  StubbornProvider(Script& script, Context& ctx, Event& go) : inner_(script), ctx_(ctx), go_(go) {}
  std::string_view name() const override { return "local"; }
  Async<std::unique_ptr<ProviderSession>> create(Context& ctx, std::string id,
                                                 SessionSpec spec) override {
    (void)co_await go_.wait(ctx_);
    co_return co_await inner_.create(ctx, std::move(id), std::move(spec));
  }
  Async<void> tend(Context& ctx) override { return inner_.tend(ctx); }
  Async<void> shutdown(Context& ctx) override { return inner_.shutdown(ctx); }

 private:
  ScriptedProvider inner_;
  Context& ctx_;
  Event& go_;
};

asio::awaitable<void> shutdown_awaits_creation(Context& ctx) {
  ManualClock clock;
  Context virtual_ctx(clock, ctx.executor());
  Random random(1);
  Script script;
  Event go;
  std::vector<std::unique_ptr<SessionProvider>> providers;
  providers.push_back(std::make_unique<StubbornProvider>(script, ctx, go));
  Pool pool(clock, ctx.executor(), random, {}, std::move(providers), PoolObserver{});
  std::optional<Result<Session>> created;
  Scope scope(ctx.executor());
  scope.spawn("creation", create_into(virtual_ctx, pool, created));
  co_await turn(ctx);
  const Timer later(ctx.clock(), ctx.clock().now(), [&] { go.set(); });
  auto closed = co_await pool.shutdown(virtual_ctx);
  (void)co_await scope.join(ctx);
  EXPECT_TRUE(closed);
  EXPECT_EQ(script.created, 1);
  EXPECT_EQ(script.closed.size(), 1u) << "a session that came late is ended too";
}

TEST(Pool, ShutdownEndsASessionThatComesLate) {
  run([](Context& ctx) { return shutdown_awaits_creation(ctx); });
}

PoolOptions spilling() {
  PoolOptions options;
  options.spill_providers = {"other"};
  return options;
}

asio::awaitable<void> spill_of_a_burst(Context& ctx) {
  Fixture f(ctx, spilling());
  f.script.room = 0;
  std::optional<Result<Session>> made;
  auto create = [](Fixture& fixture,
                   std::optional<Result<Session>>& result) -> asio::awaitable<void> {
    result = co_await fixture.pool->create(fixture.virtual_ctx, SessionSpec{});
  };
  Scope scope(ctx.executor());
  scope.spawn("create", create(f, made));
  co_await turn(ctx);
  f.clock.advance(std::chrono::milliseconds(1'999));
  co_await turn(ctx);
  EXPECT_FALSE(made) << "its own provider has its time first";
  f.clock.advance(std::chrono::milliseconds(2));
  for (int i = 0; i < 5 && !made; ++i) co_await turn(ctx);
  EXPECT_TRUE(made && *made) << "it went to the other one";
  if (made && *made) EXPECT_EQ((*made)->provider, "other");

  SessionSpec bound;
  bound.context_id = "profile";
  Context limited = f.virtual_ctx.with_timeout(std::chrono::seconds(5), "test");
  std::optional<Result<Session>> stays;
  auto create_bound = [](Fixture& fixture, Context& within, SessionSpec spec,
                         std::optional<Result<Session>>& result) -> asio::awaitable<void> {
    result = co_await fixture.pool->create(within, std::move(spec));
  };
  scope.spawn("create", create_bound(f, limited, bound, stays));
  co_await turn(ctx);
  f.clock.advance(std::chrono::seconds(6));
  for (int i = 0; i < 5 && !stays; ++i) co_await turn(ctx);
  EXPECT_TRUE(stays && !*stays);
  EXPECT_EQ(f.other.created, 1) << "what needs its provider's profile waits for it";
  co_await f.shutdown();
}

TEST(Pool, ABurstSpillsToTheNextProvider) {
  run([](Context& ctx) { return spill_of_a_burst(ctx); });
}

asio::awaitable<void> spill_of_a_failure(Context& ctx) {
  Fixture f(ctx, spilling());
  f.script.create_error = fail(Errc::unavailable, "the provider is down");
  auto made = co_await f.pool->create(f.virtual_ctx, SessionSpec{});
  EXPECT_EQ(made->provider, "other");

  f.script.create_error = fail(Errc::invalid_argument, "what is asked for makes no sense");
  auto refused = co_await f.pool->create(f.virtual_ctx, SessionSpec{});
  EXPECT_EQ(refused.error().code, Errc::invalid_argument);
  EXPECT_EQ(f.other.created, 1);
  co_await f.shutdown();
}

TEST(Pool, AProviderThatIsDownIsReplacedByTheNext) {
  run([](Context& ctx) { return spill_of_a_failure(ctx); });
}

}  // namespace
}  // namespace troupe::sessions
