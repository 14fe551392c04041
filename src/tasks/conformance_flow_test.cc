// Conformance: whose turn it is, gates, cancelling, replay, dependencies.
#include <map>

#include "tasks/testing_conformance.h"

namespace troupe::tasks {
namespace {

using Verdict = Finish::Verdict;

Spec of_tenant(std::string id, std::string tenant) {
  Spec one = spec(std::move(id));
  one.tenant = std::move(tenant);
  return one;
}

std::string numbered(std::string_view prefix, int number) {
  std::string digits = std::to_string(number);
  return std::string(prefix) + std::string(5 - digits.size(), '0') + digits;
}

asio::awaitable<void> turns(Subject& s) {
  std::vector<Spec> many;
  for (int i = 0; i < 100; ++i) many.push_back(of_tenant(numbered("task_a", i), "large"));
  for (int i = 0; i < 4; ++i) many.push_back(of_tenant(numbered("task_b", i), "small"));
  co_await add(s, many);
  const auto claims = co_await take(s, 8);
  int small = 0;
  for (const Claim& claim : claims) small += claim.spec.tenant == "small";
  EXPECT_EQ(small, 4);  // did not wait for the hundred that came first
}

TEST_P(Conformance, TenantsTakeTurns) { with(turns); }

asio::awaitable<void> no_savings(Subject& s) {
  std::vector<Spec> many;
  for (int i = 0; i < 40; ++i) many.push_back(of_tenant(numbered("task_a", i), "busy"));
  co_await add(s, many);
  co_await take(s, 20);
  many.clear();
  for (int i = 0; i < 20; ++i) many.push_back(of_tenant(numbered("task_b", i), "late"));
  co_await add(s, many);
  const auto claims = co_await take(s, 10);
  int late = 0;
  for (const Claim& claim : claims) late += claim.spec.tenant == "late";
  EXPECT_GE(late, 4);
  EXPECT_LE(late, 6);  // who was away has saved nothing up
}

TEST_P(Conformance, ATenantThatWasAwaySavesNothingUp) { with(no_savings); }

// High priority arrives faster than it can be served, for half an hour of virtual time.
asio::awaitable<void> starvation(Subject& s) {
  if (!Conformance::GetParam().exact_time) co_return;
  Spec low = spec("task_low");
  low.priority = -9;
  co_await add(s, low);
  const UnixMs start = s.now();
  UnixMs served_after = 0;
  for (int second = 0; second < 1800 && served_after == 0; ++second) {
    std::vector<Spec> high;
    for (int i = 0; i < 3; ++i) {
      high.push_back(spec(numbered("task_high", second * 3 + i)));
      high.back().priority = 9;
    }
    co_await add(s, high);
    const auto claims = co_await take(s, 2);
    for (const Claim& claim : claims) {
      co_await finish(s, claim, Verdict::succeeded);
      if (claim.spec.id == "task_low") served_after = s.now() - start;
    }
    co_await s.advance(1000);
  }
  // 18 steps of priority are worth 18 minutes; the backlog of high ones, a third more.
  EXPECT_GE(served_after, 18 * kBoostMs);
  EXPECT_LE(served_after, 28 * kBoostMs);
}

TEST_P(Conformance, LowPriorityDoesNotStarve) { with(starvation); }

asio::awaitable<void> gates(Subject& s) {
  std::vector<Spec> many;
  for (int i = 0; i < 6; ++i) {
    many.push_back(spec(numbered("task_a", i)));
    many.back().gates = {{.key = "site", .limit = 2}};
  }
  many.push_back(spec("task_free"));
  co_await add(s, many);
  auto claims = co_await take(s, 10);
  EXPECT_EQ(claims.size(), 3u);
  EXPECT_EQ(claims[2].spec.id, "task_free");
  EXPECT_EQ(co_await take_ids(s, 10), "");
  co_await finish(s, claims[0], Verdict::succeeded);
  EXPECT_EQ(co_await take_ids(s, 10), "task_a00002");
  co_await finish(s, claims[1], Verdict::released);  // its place is the next one's
  EXPECT_EQ(co_await take_ids(s, 10), "task_a00001");
  co_await s.advance(10'001);
  co_await sweep(s);
  claims = co_await take(s, 10);
  EXPECT_EQ(claims.size(), 3u);  // the two lost ones' places, and the free one
}

TEST_P(Conformance, AGateLetsSoManyThroughAndNoMore) { with(gates); }

asio::awaitable<void> freed_by_cancel(Subject& s) {
  std::vector<Spec> many;
  for (int i = 0; i < 4; ++i) {
    many.push_back(spec(numbered("task_a", i)));
    many.back().gates = {{.key = "site", .limit = 1}};
  }
  co_await add(s, many);
  const Claim first = co_await take_one(s);
  EXPECT_EQ(co_await take_ids(s, 10), "");  // all the others are parked now
  co_await finish(s, first, Verdict::succeeded);
  // The one that was woken for the room goes away: another one must get it.
  auto cancelled = co_await s.backend().cancel(s.ctx(), "task_a00001", "test", 0);
  EXPECT_TRUE(cancelled);
  EXPECT_EQ(co_await take_ids(s, 10), "task_a00002");
  // A parked one goes away: nothing else changes.
  cancelled = co_await s.backend().cancel(s.ctx(), "task_a00003", "test", 0);
  EXPECT_EQ(cancelled->state, State::cancelled);
  EXPECT_EQ(co_await take_ids(s, 10), "");
}

TEST_P(Conformance, RoomAtAGateIsNotLostWithTheTaskThatHadIt) { with(freed_by_cancel); }

asio::awaitable<void> two_gates(Subject& s) {
  Spec both = spec("task_1");
  both.gates = {{.key = "x", .limit = 1}, {.key = "y", .limit = 1}};
  Spec only_x = spec("task_2");
  only_x.gates = {{.key = "x", .limit = 1}};
  Spec only_y = spec("task_3");
  only_y.gates = {{.key = "y", .limit = 1}};
  co_await add(s, {only_x, only_y});
  const auto claims = co_await take(s, 2);
  co_await add(s, both);
  EXPECT_EQ(co_await take_ids(s, 1), "");
  co_await finish(s, claims[0], Verdict::succeeded);
  EXPECT_EQ(co_await take_ids(s, 1), "");  // y is still full
  co_await finish(s, claims[1], Verdict::succeeded);
  EXPECT_EQ(co_await take_ids(s, 1), "task_1");
}

TEST_P(Conformance, ATaskNeedsRoomAtAllItsGates) { with(two_gates); }

asio::awaitable<void> limits(Subject& s) {
  std::vector<Spec> many;
  for (int i = 0; i < 5; ++i) {
    many.push_back(spec(numbered("task_a", i)));
    many.back().gates = {{.key = "site", .limit = 1}};
  }
  co_await add(s, many);
  EXPECT_EQ(co_await take_ids(s, 10), "task_a00000");
  auto set = co_await s.backend().set_limit(s.ctx(), "site", 3);
  EXPECT_TRUE(set);
  EXPECT_EQ(co_await take_ids(s, 10), "task_a00001,task_a00002");
  set = co_await s.backend().set_limit(s.ctx(), "site", std::nullopt);
  EXPECT_EQ(co_await take_ids(s, 10), "");
  set = co_await s.backend().set_limit(s.ctx(), "site", -1);
  EXPECT_EQ(set.error().code, Errc::invalid_argument);
}

TEST_P(Conformance, ALimitSetForAllWins) { with(limits); }

asio::awaitable<void> paused(Subject& s) {
  co_await add(s, spec("task_1"));
  auto done = co_await s.backend().pause(s.ctx(), "default", true);
  EXPECT_TRUE(done);
  EXPECT_EQ(co_await take_ids(s, 1), "");
  auto stats = co_await s.backend().stats(s.ctx());
  EXPECT_EQ(stats->paused, std::vector<std::string>{"default"});
  EXPECT_EQ(stats->counts.queued, 1);
  done = co_await s.backend().pause(s.ctx(), "default", false);
  EXPECT_EQ(co_await take_ids(s, 1), "task_1");
  stats = co_await s.backend().stats(s.ctx());
  EXPECT_TRUE(stats->paused.empty());
}

TEST_P(Conformance, APausedQueueGivesNothing) { with(paused); }

// A gate's room must not be held by a task of a queue from which nobody claims.
asio::awaitable<void> gate_across_queues(Subject& s) {
  std::vector<Spec> many;
  for (int i = 0; i < 4; ++i) {
    many.push_back(spec(numbered("task_a", i)));
    many.back().gates = {{.key = "site", .limit = 1}};
    if (i % 2 == 1) many.back().queue = "other";
  }
  co_await add(s, many);
  const Claim first = co_await take_one(s);
  EXPECT_EQ(co_await take_ids(s, 1), "");
  ClaimRequest other;
  other.worker = "node_b";
  other.max = 10;
  other.queues = {"other"};
  auto none = co_await s.backend().claim(s.ctx(), other);
  EXPECT_TRUE(none->claims.empty());
  co_await finish(s, first, Verdict::succeeded);
  EXPECT_EQ(co_await take_ids(s, 1), "task_a00002");
}

TEST_P(Conformance, AGateIsSharedByQueues) { with(gate_across_queues); }

asio::awaitable<void> cancel_waiting(Subject& s) {
  Spec later = spec("task_2");
  later.run_at_ms = s.now() + 60'000;
  co_await add(s, {spec("task_1"), later});
  for (const char* id : {"task_1", "task_2"}) {
    auto moved = co_await s.backend().cancel(s.ctx(), id, "not needed", 1000);
    EXPECT_EQ(moved->state, State::cancelled);
    EXPECT_EQ(moved->cause, Cause::cancelled);
    const Record record = co_await get(s, id);
    EXPECT_EQ(record.status.cancel_reason, "not needed");
    moved = co_await s.backend().cancel(s.ctx(), id, "again", 1000);
    EXPECT_EQ(moved.error().code, Errc::conflict);
  }
  auto unknown = co_await s.backend().cancel(s.ctx(), "task_9", "x", 0);
  EXPECT_EQ(unknown.error().code, Errc::not_found);
  EXPECT_EQ(co_await take_ids(s, 10), "");
}

TEST_P(Conformance, CancelsWhatWaitsAtOnce) { with(cancel_waiting); }

asio::awaitable<void> cancel_running(Subject& s) {
  co_await add(s, {spec("task_1"), spec("task_2"), spec("task_3")});
  const auto claims = co_await take(s, 3, "node_a", 60'000);
  for (const Claim& claim : claims) {
    auto moved = co_await s.backend().cancel(s.ctx(), claim.spec.id, "stop", 5000);
    EXPECT_EQ(moved->state, State::running);
  }
  std::vector<Held> held = {{.id = "task_1", .token = claims[0].token}};
  auto beats = co_await s.backend().beat(s.ctx(), "node_a", held, 60'000);
  EXPECT_EQ(*beats, std::vector{Beat::cancel});
  Finished finished = co_await finish(s, claims[0], Verdict::cancelled);
  EXPECT_EQ(finished.state, State::cancelled);
  finished = co_await finish(s, claims[1], Verdict::retry, 1000);  // no further attempt
  EXPECT_EQ(finished.state, State::cancelled);
  EXPECT_EQ(finished.cause, Cause::cancelled);
  co_await s.advance(5001);
  EXPECT_EQ(describe(co_await sweep(s)), "task_3 cancelled grace_exceeded");
  finished = co_await finish(s, claims[2], Verdict::succeeded);
  EXPECT_TRUE(finished.stale);
}

TEST_P(Conformance, ARunningTaskIsAskedToStopAndThenEnded) { with(cancel_running); }

asio::awaitable<void> lost_while_cancelled(Subject& s) {
  co_await add(s, spec("task_1"));
  co_await take_one(s);
  co_await s.backend().cancel(s.ctx(), "task_1", "stop", 60'000);
  co_await s.advance(10'001);
  EXPECT_EQ(describe(co_await sweep(s)), "task_1 cancelled cancelled");
}

TEST_P(Conformance, ALostTaskThatWasToStopIsCancelled) { with(lost_while_cancelled); }

asio::awaitable<void> cancel_run(Subject& s) {
  Spec follower = spec("task_4");
  follower.depends_on = {"task_1"};
  follower.depends_rule = DependsRule::ended;
  co_await add(s, {spec("task_1"), spec("task_2"), spec("task_3", "run_2"), follower});
  const Claim running = co_await take_one(s);
  auto moved = co_await s.backend().cancel_run(s.ctx(), "run_1", "over", 5000);
  EXPECT_EQ(describe(*moved),
            "task_1 running none, task_2 cancelled cancelled, task_4 cancelled cancelled");
  const Finished finished = co_await finish(s, running, Verdict::cancelled);
  EXPECT_EQ(finished.run_open, 0);
  EXPECT_EQ(co_await take_ids(s, 10), "task_3");
  auto counts = co_await s.backend().run_counts(s.ctx(), "run_1");
  EXPECT_EQ(counts->cancelled, 3);
  EXPECT_EQ(counts->open(), 0);
  moved = co_await s.backend().cancel_run(s.ctx(), "run_9", "over", 5000);
  EXPECT_TRUE(moved->empty());
}

TEST_P(Conformance, CancelsAllOfARun) { with(cancel_run); }

asio::awaitable<void> replay(Subject& s) {
  Spec one = spec("task_1");
  one.retry.attempts_max = 1;
  one.deadline_ms = s.now() + 50'000;
  co_await add(s, one);
  Claim claim = co_await take_one(s);
  auto refused = co_await s.backend().replay(s.ctx(), "task_1");
  EXPECT_EQ(refused.error().code, Errc::conflict);
  Journal entries{{"step", "1"}};
  auto added = co_await s.backend().journal_add(s.ctx(), "task_1", claim.token, std::move(entries));
  EXPECT_TRUE(added);
  co_await finish(s, claim, Verdict::retry);
  co_await s.advance(50'001);  // the deadline must not end it again
  auto moved = co_await s.backend().replay(s.ctx(), "task_1");
  EXPECT_EQ(moved->state, State::queued);
  EXPECT_EQ(moved->run_open, 1);
  EXPECT_EQ(describe(co_await sweep(s)), "");
  const Claim again = co_await take_one(s);
  EXPECT_EQ(again.attempt, 1);
  EXPECT_GT(again.token, claim.token);
  auto kept = co_await s.backend().journal(s.ctx(), "task_1");
  EXPECT_EQ(kept->size(), 1u);
  const Finished stale = co_await finish(s, claim, Verdict::succeeded);
  EXPECT_EQ(stale.state, State::failed) << "what that attempt came to";
  co_await finish(s, again, Verdict::succeeded);
  refused = co_await s.backend().replay(s.ctx(), "task_1");
  EXPECT_EQ(refused.error().code, Errc::conflict);
  refused = co_await s.backend().replay(s.ctx(), "task_9");
  EXPECT_EQ(refused.error().code, Errc::not_found);
}

TEST_P(Conformance, AReplayStartsAnewWithItsJournal) { with(replay); }

asio::awaitable<void> change(Subject& s) {
  co_await add(s, {spec("task_1"), spec("task_2"), spec("task_3")});
  Change up;
  up.priority = 5;
  auto done = co_await s.backend().change(s.ctx(), "task_3", up);
  EXPECT_TRUE(done);
  Change put_off;
  put_off.run_at_ms = s.now() + 5000;
  done = co_await s.backend().change(s.ctx(), "task_1", put_off);
  EXPECT_EQ(co_await state(s, "task_1"), State::scheduled);
  EXPECT_EQ(co_await take_ids(s, 10), "task_3,task_2");
  done = co_await s.backend().change(s.ctx(), "task_2", up);
  EXPECT_EQ(done.error().code, Errc::conflict);
  Change at_once;
  at_once.run_at_ms = 0;
  done = co_await s.backend().change(s.ctx(), "task_1", at_once);
  EXPECT_EQ(co_await take_ids(s, 10), "task_1");
  up.priority = 10;
  done = co_await s.backend().change(s.ctx(), "task_1", up);
  EXPECT_EQ(done.error().code, Errc::invalid_argument);
  up.priority = 1;
  done = co_await s.backend().change(s.ctx(), "task_9", up);
  EXPECT_EQ(done.error().code, Errc::not_found);
  const Record record = co_await get(s, "task_3");
  EXPECT_EQ(record.spec.priority, 5);
}

TEST_P(Conformance, ChangesWhatWaits) { with(change); }

// What a task with `rule` does after its two dependencies have ended so.
asio::awaitable<std::string> after(Subject& s, int number, DependsRule rule, Verdict first,
                                   Verdict second) {
  const std::string suffix = std::to_string(number);
  Spec follower = spec("follow_" + suffix);
  follower.depends_on = {"first_" + suffix, "second_" + suffix};
  follower.depends_rule = rule;
  co_await add(s, {follower, spec("first_" + suffix), spec("second_" + suffix)});
  EXPECT_EQ(co_await state(s, follower.id), State::blocked);
  auto claims = co_await take(s, 2);
  std::string moves;
  const Finished one = co_await finish(s, claims[0], first);
  moves = describe(one.moved);
  const Finished two = co_await finish(s, claims[1], second);
  moves += " | " + describe(two.moved);
  claims = co_await take(s, 2);
  for (const Claim& claim : claims) co_await finish(s, claim, Verdict::succeeded);
  co_return moves;
}

asio::awaitable<void> rules(Subject& s) {
  const Verdict good = Verdict::succeeded, bad = Verdict::failed;
  const auto all = DependsRule::all, any = DependsRule::any;
  const auto failure = DependsRule::failure, ended = DependsRule::ended;
  EXPECT_EQ(co_await after(s, 1, all, good, good), " | follow_1 queued none");
  EXPECT_EQ(co_await after(s, 2, all, bad, good), "follow_2 failed dependency | ");
  EXPECT_EQ(co_await after(s, 3, any, bad, good), " | follow_3 queued none");
  EXPECT_EQ(co_await after(s, 4, any, good, bad), "follow_4 queued none | ");
  EXPECT_EQ(co_await after(s, 5, any, bad, bad), " | follow_5 failed dependency");
  EXPECT_EQ(co_await after(s, 6, failure, bad, good), "follow_6 queued none | ");
  EXPECT_EQ(co_await after(s, 7, failure, good, good), " | follow_7 cancelled dependency");
  EXPECT_EQ(co_await after(s, 8, ended, bad, good), " | follow_8 queued none");
}

TEST_P(Conformance, DependenciesFollowTheirRule) { with(rules); }

asio::awaitable<void> chain(Subject& s) {
  std::vector<Spec> many;
  for (int i = 0; i < 300; ++i) {
    many.push_back(spec(numbered("task_a", i)));
    if (i > 0) many.back().depends_on = {numbered("task_a", i - 1)};
  }
  co_await add(s, many);
  const Claim first = co_await take_one(s);
  EXPECT_EQ(co_await take_ids(s, 1), "");
  const Finished finished = co_await finish(s, first, Verdict::failed);
  EXPECT_EQ(finished.moved.size(), 299u);
  EXPECT_EQ(finished.run_open, 0);
  EXPECT_EQ(finished.moved.back().cause, Cause::dependency);
}

TEST_P(Conformance, AFailureTakesAWholeChainAlong) { with(chain); }

asio::awaitable<void> bad_dependencies(Subject& s) {
  Spec one = spec("task_1");
  one.depends_on = {"task_9"};
  Error error = co_await add_fails(s, {one});
  EXPECT_EQ(error.code, Errc::not_found);
  one.depends_on = {"task_2"};
  Spec two = spec("task_2");
  two.depends_on = {"task_3"};
  Spec three = spec("task_3");
  three.depends_on = {"task_1"};
  error = co_await add_fails(s, {one, two, three});
  EXPECT_EQ(error.code, Errc::invalid_argument);
  auto stats = co_await s.backend().stats(s.ctx());
  EXPECT_EQ(stats->counts.open(), 0);
}

TEST_P(Conformance, RefusesDependenciesThatAreMissingOrCircular) { with(bad_dependencies); }

asio::awaitable<void> on_ended(Subject& s) {
  co_await add(s, {spec("task_1"), spec("task_2")});
  const auto claims = co_await take(s, 2);
  co_await finish(s, claims[0], Verdict::succeeded);
  co_await finish(s, claims[1], Verdict::failed);
  Spec good = spec("task_3");
  good.depends_on = {"task_1"};
  Spec bad = spec("task_4");
  bad.depends_on = {"task_2"};
  co_await add(s, {good, bad});
  EXPECT_EQ(co_await take_ids(s, 10), "task_3");
  EXPECT_EQ(describe(co_await sweep(s)), "task_4 failed dependency");
}

TEST_P(Conformance, DependsOnTasksThatHaveEnded) { with(on_ended); }

asio::awaitable<void> keyed_dependency(Subject& s) {
  Spec first = spec("task_1");
  first.idempotency_key = "k";
  first.job = "x";
  co_await add(s, first);
  first.id = "task_2";  // stands for task_1
  Spec follower = spec("task_3");
  follower.depends_on = {"task_2"};
  co_await add(s, {first, follower});
  const Record record = co_await get(s, "task_3");
  EXPECT_EQ(record.spec.depends_on, std::vector<std::string>{"task_1"});
  const Claim claim = co_await take_one(s);
  const Finished finished = co_await finish(s, claim, Verdict::succeeded);
  EXPECT_EQ(describe(finished.moved), "task_3 queued none");
}

TEST_P(Conformance, ADependencyFollowsTheIdempotencyKey) { with(keyed_dependency); }

asio::awaitable<void> cancelled_dependency(Subject& s) {
  Spec follower = spec("task_2");
  follower.depends_on = {"task_1"};
  Spec delayed = spec("task_3");
  delayed.depends_on = {"task_1"};
  delayed.depends_rule = DependsRule::ended;
  delayed.run_at_ms = s.now() + 5000;
  co_await add(s, {spec("task_1"), follower, delayed});
  co_await s.backend().cancel(s.ctx(), "task_1", "no", 0);
  EXPECT_EQ(describe(co_await sweep(s)), "task_2 failed dependency, task_3 scheduled none");
  co_await s.advance(5000);
  EXPECT_EQ(co_await take_ids(s, 10), "task_3");
}

TEST_P(Conformance, ACancelledDependencyIsSettledBySweep) { with(cancelled_dependency); }

asio::awaitable<void> news(Subject& s) {
  int heard = 0;
  s.backend().watch([&heard] { ++heard; });
  const auto hear = [&]() -> bool { return std::exchange(heard, 0) > 0; };
  Spec gated = spec("task_1");
  gated.gates = {{.key = "g", .limit = 1}};
  Spec second = spec("task_2");
  second.gates = gated.gates;
  co_await add(s, {gated, second});
  EXPECT_TRUE(hear());
  const auto claims = co_await take(s, 2);
  EXPECT_EQ(claims.size(), 1u);
  hear();
  co_await finish(s, claims[0], Verdict::succeeded);
  EXPECT_TRUE(hear()) << "the gate has room";
  co_await s.backend().pause(s.ctx(), "default", true);
  hear();
  co_await s.backend().pause(s.ctx(), "default", false);
  EXPECT_TRUE(hear()) << "goes on";
}

TEST_P(Conformance, TellsWhenSomethingCanBeClaimed) {
  if (GetParam().exact_time) with(news);
}

}  // namespace
}  // namespace troupe::tasks
