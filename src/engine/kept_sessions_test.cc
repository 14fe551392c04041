// Which tasks share a session, and that none is left over.
#include "engine/kept_sessions.h"

#include "base/testing.h"
#include "engine/engine_fixture.h"

namespace troupe::engine {
namespace {

using troupe::testing::run;

RunRequest of_items(Fixture& f, int tasks, Strategy strategy, std::string affinity = "") {
  RunRequest request = f.request(1);
  request.strategy = strategy;
  request.affinity = std::move(affinity);
  request.attempts = 3;
  for (int i = 0; i < tasks; ++i) request.items.emplace_back();
  return request;
}

asio::awaitable<void> in_one_session(Context& ctx) {
  Fixture f(ctx);
  RunRequest request = of_items(f, 3, Strategy::sequential);
  auto result = co_await f.complete(std::move(request));
  EXPECT_EQ(result.succeeded(), 3);
  EXPECT_EQ(f.script.created, 1);
  EXPECT_EQ(result.tasks[0].session_id, result.tasks[2].session_id);
  RunRequest other = of_items(f, 2, Strategy::sequential);
  result = co_await f.complete(std::move(other));
  EXPECT_EQ(result.succeeded(), 2);
  EXPECT_EQ(f.script.created, 2) << "another run has a session of its own";
  co_await f.close();
}

TEST(KeptSessions, ASequentialRunHasOneForAllItsTasks) { run(in_one_session); }

asio::awaitable<void> gone_with_run(Context& ctx) {
  Fixture f(ctx);
  RunRequest request = of_items(f, 2, Strategy::sequential);
  co_await f.complete(std::move(request));
  Context limited = ctx.with_timeout(std::chrono::seconds(10), "release");
  while (f.script.closed.empty() && co_await sleep_for(limited, std::chrono::milliseconds(5))) {
  }
  EXPECT_EQ(f.script.closed.size(), 1u) << "before the engine is closed";
  co_await f.close();
}

TEST(KeptSessions, ASequentialRunTakesItsSessionAlong) { run(gone_with_run); }

asio::awaitable<void> across_runs(Context& ctx) {
  Fixture f(ctx);
  RunRequest first = of_items(f, 1, Strategy::parallel, "account-1");
  RunRequest again = of_items(f, 2, Strategy::parallel, "account-1");
  RunRequest other = of_items(f, 1, Strategy::parallel, "account-2");
  RunRequest stranger = of_items(f, 1, Strategy::parallel, "account-1");
  stranger.tenant = "somebody else";
  RunRequest alone = of_items(f, 1, Strategy::parallel);
  const auto one = co_await f.complete(std::move(first));
  const auto two = co_await f.complete(std::move(again));
  EXPECT_EQ(f.script.created, 1);
  EXPECT_EQ(one.tasks[0].session_id, two.tasks[1].session_id);
  co_await f.complete(std::move(other));
  EXPECT_EQ(f.script.created, 2);
  co_await f.complete(std::move(stranger));
  EXPECT_EQ(f.script.created, 3);
  co_await f.complete(std::move(alone));
  EXPECT_EQ(f.script.created, 4);
  EXPECT_EQ(f.script.closed.size(), 1u) << "only the one without an affinity";
  co_await f.close();
}

TEST(KeptSessions, AnAffinityKeepsOneAcrossRunsForItsTenant) { run(across_runs); }

asio::awaitable<void> other_kind(Context& ctx) {
  Fixture f(ctx);
  RunRequest first = of_items(f, 1, Strategy::parallel, "a");
  RunRequest second = of_items(f, 1, Strategy::parallel, "a");
  second.isolation = Isolation::process;
  co_await f.complete(std::move(first));
  co_await f.complete(std::move(second));
  EXPECT_EQ(f.script.created, 2);
  co_await f.close();
}

TEST(KeptSessions, OneOfAnotherKindIsNotTaken) { run(other_kind); }

asio::awaitable<void> after_failures(Context& ctx) {
  Fixture f(ctx);
  // The page's fault leaves the session to the next attempt; a lost session is none for anybody.
  f.acting.errors = {fail(Errc::target_not_found, "scripted"), std::nullopt,
                     fail(Errc::session_lost, "scripted"), std::nullopt};
  RunRequest request = of_items(f, 2, Strategy::sequential);
  const auto result = co_await f.complete(std::move(request));
  EXPECT_EQ(result.succeeded(), 2);
  EXPECT_EQ(f.acting.calls, 4);
  EXPECT_EQ(f.script.created, 2);
  co_await f.close();
}

TEST(KeptSessions, APagesFaultKeepsTheSessionAndALostOneIsReplaced) { run(after_failures); }

asio::awaitable<void> dies_meanwhile(Context& ctx) {
  Fixture f(ctx);
  RunRequest first = of_items(f, 1, Strategy::parallel, "a");
  RunRequest second = of_items(f, 1, Strategy::parallel, "a");
  co_await f.complete(std::move(first));
  f.script.lost.back()->set();
  const auto result = co_await f.complete(std::move(second));
  EXPECT_EQ(result.succeeded(), 1);
  EXPECT_EQ(f.script.created, 2);
  co_await f.close();
}

TEST(KeptSessions, OneThatDiedWhileItWaitedIsNotTaken) { run(dies_meanwhile); }

asio::awaitable<void> makes_room(Context& ctx) {
  Fixture f(ctx, false, 1);
  RunRequest first = of_items(f, 1, Strategy::parallel, "a");
  RunRequest second = of_items(f, 1, Strategy::parallel);
  co_await f.complete(std::move(first));
  const auto result = co_await f.complete(std::move(second));  // there is a place for one
  EXPECT_EQ(result.succeeded(), 1);
  EXPECT_EQ(f.script.created, 2);
  co_await f.close();
}

TEST(KeptSessions, OneThatOnlyWaitsMakesRoomForOthers) { run(makes_room); }

}  // namespace
}  // namespace troupe::engine
