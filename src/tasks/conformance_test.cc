// Conformance: accepting, order, leases and how attempts end.
#include "tasks/testing_conformance.h"

namespace troupe::tasks {
namespace {

using Verdict = Finish::Verdict;

std::unique_ptr<Subject> memory(Context& real, std::int64_t tasks_max) {
  auto subject = std::make_unique<ManualSubject>(real);
  subject->use(make_memory_backend(subject->clock(), {.tasks_max = tasks_max}));
  return subject;
}

INSTANTIATE_TEST_SUITE_P(Backends, Conformance,
                         ::testing::Values(Factory{.name = "Memory", .make = memory}), name_of);

asio::awaitable<void> life(Subject& s) {
  const Accepted accepted = co_await add(s, spec("task_1"));
  EXPECT_EQ(accepted.id, "task_1");
  EXPECT_EQ(accepted.run_id, "run_1");
  EXPECT_FALSE(accepted.existing);
  EXPECT_EQ(co_await state(s, "task_1"), State::queued);
  const Claim claim = co_await take_one(s);
  EXPECT_EQ(claim.spec.job, "job of task_1");
  EXPECT_EQ(claim.attempt, 1);
  EXPECT_EQ(claim.losses, 0);
  EXPECT_EQ(claim.last_error, "");
  Record record = co_await get(s, "task_1");
  EXPECT_EQ(record.status.state, State::running);
  EXPECT_EQ(record.status.worker, "node_a");
  EXPECT_EQ(record.status.token, claim.token);
  EXPECT_GT(record.status.started_ms, 0);
  const Finished finished = co_await finish(s, claim, Verdict::succeeded);
  EXPECT_FALSE(finished.stale);
  EXPECT_EQ(finished.state, State::succeeded);
  EXPECT_EQ(finished.cause, Cause::finished);
  EXPECT_EQ(finished.run_open, 0);
  record = co_await get(s, "task_1");
  EXPECT_EQ(record.status.state, State::succeeded);
  EXPECT_EQ(record.status.result, R"({"ok":true})");
  EXPECT_GT(record.status.ended_ms, 0);
  EXPECT_EQ(co_await take_ids(s, 10), "");
}

TEST_P(Conformance, RunsATaskFromEnqueueToItsEnd) { with(life); }

asio::awaitable<void> keeps_spec(Subject& s) {
  Spec full = spec("task_1");
  full.index = 7;
  full.tenant = "acme";
  full.priority = 3;
  full.deadline_ms = s.now() + 100'000;
  full.queue_timeout_ms = 50'000;
  full.retry = {.attempts_max = 7, .base_ms = 10, .cap_ms = 20, .losses_max = 5};
  full.idempotency_key = "key";
  full.gates = {{.key = "site", .limit = 2}, {.key = "mail", .limit = 1}};
  full.labels = {{"team", "blue"}};
  full.job = std::string("\x01{\"text\":\"\xc3\xa9\"}") + std::string(5000, 'x');
  const auto expected = json::serialize(to_json(full));
  co_await add(s, full);
  const Record record = co_await get(s, "task_1");
  EXPECT_EQ(json::serialize(to_json(record.spec)), expected);
  const Claim claim = co_await take_one(s);
  EXPECT_EQ(json::serialize(to_json(claim.spec)), expected);
}

TEST_P(Conformance, KeepsEveryFieldOfASpec) { with(keeps_spec); }

asio::awaitable<void> refuses(Subject& s) {
  Spec bad = spec("task_2");
  bad.priority = 10;
  Error error = co_await add_fails(s, {spec("task_1"), bad});
  EXPECT_EQ(error.code, Errc::invalid_argument);
  EXPECT_EQ(error.message, "priority: 10 is not in -9..9");
  EXPECT_EQ(co_await take_ids(s, 10), "");  // neither was accepted
  co_await add(s, {spec("task_1"), spec("task_2")});
  error = co_await add_fails(s, {spec("task_3"), spec("task_4")});
  EXPECT_EQ(error.code, Errc::exhausted);
  const Claim claim = co_await take_one(s);
  co_await finish(s, claim, Verdict::succeeded);
  co_await add(s, {spec("task_3"), spec("task_4")});  // there is room again
}

TEST_P(Conformance, AcceptsAllOrNone) { with(refuses, 3); }

asio::awaitable<void> same_id(Subject& s) {
  co_await add(s, spec("task_1"));
  Accepted again = co_await add(s, spec("task_1"));
  EXPECT_TRUE(again.existing);
  EXPECT_EQ(again.id, "task_1");
  const Claim claim = co_await take_one(s);
  again = co_await add(s, spec("task_1"));
  EXPECT_TRUE(again.existing);
  co_await finish(s, claim, Verdict::succeeded);
  again = co_await add(s, spec("task_1"));
  EXPECT_TRUE(again.existing);
  EXPECT_EQ(co_await take_ids(s, 10), "");
}

TEST_P(Conformance, ARepeatedEnqueueIsTheSameTask) { with(same_id); }

asio::awaitable<void> same_key(Subject& s) {
  Spec first = spec("task_1");
  first.idempotency_key = "order-7";
  first.job = "pay";
  co_await add(s, first);
  Spec second = first;
  second.id = "task_2";
  second.run_id = "run_2";
  Accepted accepted = co_await add(s, second);
  EXPECT_TRUE(accepted.existing);
  EXPECT_EQ(accepted.id, "task_1");
  EXPECT_EQ(accepted.run_id, "run_1");
  Spec other_job = second;
  other_job.job = "pay twice";
  Error error = co_await add_fails(s, {other_job});
  EXPECT_EQ(error.code, Errc::conflict);
  Spec other_tenant = other_job;
  other_tenant.tenant = "acme";
  accepted = co_await add(s, other_tenant);
  EXPECT_FALSE(accepted.existing);
  const auto claims = co_await take(s, 10);
  for (const Claim& claim : claims) co_await finish(s, claim, Verdict::succeeded);
  EXPECT_EQ(claims.size(), 2u);
  second.id = "task_3";
  accepted = co_await add(s, second);  // it has ended, and exists
  EXPECT_EQ(accepted.id, "task_1");
  auto purged = co_await s.backend().purge(s.ctx(), Filter{}, 10);
  EXPECT_EQ(*purged, 2);
  accepted = co_await add(s, second);
  EXPECT_EQ(accepted.id, "task_3");
  EXPECT_FALSE(accepted.existing);
}

TEST_P(Conformance, AnIdempotencyKeyNamesOneTask) { with(same_key); }

asio::awaitable<void> same_key_in_call(Subject& s) {
  Spec first = spec("task_1");
  first.idempotency_key = "k";
  first.job = "x";
  Spec second = first;
  second.id = "task_2";
  const auto added = co_await add(s, {first, second});
  EXPECT_EQ(added[1].id, "task_1");
  EXPECT_TRUE(added[1].existing);
  Spec third = first;
  third.id = "task_3";
  third.idempotency_key = "m";
  Spec fourth = third;
  fourth.id = "task_4";
  fourth.job = "y";
  const Error error = co_await add_fails(s, {third, fourth});
  EXPECT_EQ(error.code, Errc::conflict);
  EXPECT_EQ(co_await take_ids(s, 10), "task_1");
}

TEST_P(Conformance, AKeyUsedTwiceInOneCallIsOneTask) { with(same_key_in_call); }

asio::awaitable<void> order(Subject& s) {
  Spec urgent = spec("task_4");
  urgent.priority = 1;
  Spec idle = spec("task_0");
  idle.priority = -1;
  co_await add(s, {idle, spec("task_1"), spec("task_2"), spec("task_3"), urgent});
  EXPECT_EQ(co_await take_ids(s, 2), "task_4,task_1");
  EXPECT_EQ(co_await take_ids(s, 10), "task_2,task_3,task_0");
}

TEST_P(Conformance, GivesByPriorityThenAge) { with(order); }

asio::awaitable<void> boost(Subject& s) {
  if (!s.now()) co_return;
  Spec low = spec("task_1");
  low.run_at_ms = s.now() - 2 * kBoostMs - 1000;
  co_await add(s, low);
  Spec high = spec("task_2");
  high.priority = 2;
  co_await add(s, high);
  // due counts from when it was accepted at the earliest: nobody pushes ahead with an old time
  EXPECT_EQ(co_await take_ids(s, 1), "task_2");
}

TEST_P(Conformance, ARunAtInThePastDoesNotPushAhead) { with(boost); }

asio::awaitable<void> later(Subject& s) {
  Spec one = spec("task_1");
  one.run_at_ms = s.now() + 5000;
  co_await add(s, one);
  EXPECT_EQ(co_await state(s, "task_1"), State::scheduled);
  ClaimRequest request;
  request.worker = "node_a";
  auto claimed = co_await s.backend().claim(s.ctx(), request);
  EXPECT_TRUE(claimed->claims.empty());
  EXPECT_EQ(claimed->next_due_ms, one.run_at_ms);
  co_await s.advance(5000);
  claimed = co_await s.backend().claim(s.ctx(), request);
  EXPECT_EQ(claimed->claims.size(), 1u);
  EXPECT_FALSE(claimed->next_due_ms.has_value());
}

TEST_P(Conformance, WaitsForRunAtAndSaysWhen) { with(later); }

asio::awaitable<void> queues(Subject& s) {
  Spec other = spec("task_2");
  other.queue = "slow";
  co_await add(s, {spec("task_1"), other});
  EXPECT_EQ(co_await take_ids(s, 10), "task_1");
  ClaimRequest request;
  request.worker = "node_a";
  request.max = 10;
  request.queues = {"fast", "slow"};
  auto claimed = co_await s.backend().claim(s.ctx(), request);
  EXPECT_EQ(claimed->claims.size(), 1u);
  EXPECT_EQ(claimed->claims[0].spec.id, "task_2");
}

TEST_P(Conformance, ClaimsOnlyFromTheQueuesAskedFor) { with(queues); }

asio::awaitable<void> retried(Subject& s) {
  Spec one = spec("task_1");
  one.retry.attempts_max = 2;
  co_await add(s, one);
  Claim claim = co_await take_one(s);
  Finished finished = co_await finish(s, claim, Verdict::retry, 2000);
  EXPECT_EQ(finished.state, State::scheduled);
  EXPECT_EQ(finished.run_open, 1);
  EXPECT_EQ(co_await take_ids(s, 1), "");
  co_await s.advance(2000);
  const Claim again = co_await take_one(s);
  EXPECT_EQ(again.attempt, 2);
  EXPECT_GT(again.token, claim.token);
  EXPECT_EQ(again.last_error, R"({"code":"timeout"})");
  finished = co_await finish(s, again, Verdict::retry, 2000);
  EXPECT_EQ(finished.state, State::failed);
  EXPECT_EQ(finished.cause, Cause::attempts_exhausted);
  const Record record = co_await get(s, "task_1");
  EXPECT_EQ(record.status.error, R"({"code":"timeout"})");
  EXPECT_EQ(record.status.attempt, 2);
}

TEST_P(Conformance, RetriesAfterTheDelayUntilNoAttemptIsLeft) { with(retried); }

asio::awaitable<void> too_late(Subject& s) {
  Spec one = spec("task_1");
  one.deadline_ms = s.now() + 10'000;
  co_await add(s, one);
  const Claim claim = co_await take_one(s);
  const Finished finished = co_await finish(s, claim, Verdict::retry, 10'000);
  EXPECT_EQ(finished.state, State::failed);
  EXPECT_EQ(finished.cause, Cause::deadline);
}

TEST_P(Conformance, DoesNotRetryPastTheDeadline) { with(too_late); }

asio::awaitable<void> released(Subject& s) {
  co_await add(s, {spec("task_1"), spec("task_2")});
  const Claim claim = co_await take_one(s);
  const Finished finished = co_await finish(s, claim, Verdict::released);
  EXPECT_EQ(finished.state, State::queued);
  const Claim again = co_await take_one(s);
  EXPECT_EQ(again.spec.id, "task_1");  // it kept its place
  EXPECT_EQ(again.attempt, 1);
  EXPECT_GT(again.token, claim.token);
}

TEST_P(Conformance, WhatIsHandedBackKeepsItsPlaceAndAttempt) { with(released); }

asio::awaitable<void> repeated(Subject& s) {
  co_await add(s, {spec("task_1"), spec("task_2"), spec("task_3")});
  const auto claims = co_await take(s, 3);
  const Verdict verdicts[] = {Verdict::succeeded, Verdict::retry, Verdict::released};
  for (int i = 0; i < 3; ++i) {
    const Finished first = co_await finish(s, claims[i], verdicts[i], 1000);
    const Finished second = co_await finish(s, claims[i], verdicts[i], 1000);
    EXPECT_FALSE(second.stale);
    EXPECT_EQ(second.state, first.state);
    EXPECT_EQ(second.cause, first.cause);
  }
  EXPECT_EQ(co_await take_ids(s, 3), "task_3");
}

TEST_P(Conformance, ARepeatedFinishAnswersTheSame) { with(repeated); }

asio::awaitable<void> stale(Subject& s) {
  co_await add(s, spec("task_1"));
  const Claim old = co_await take_one(s);
  co_await s.advance(10'001);
  EXPECT_EQ(describe(co_await sweep(s)), "task_1 queued none");
  const Claim fresh = co_await take_one(s);
  EXPECT_EQ(fresh.attempt, 2);
  EXPECT_EQ(fresh.losses, 1);
  Finished finished = co_await finish(s, old, Verdict::succeeded);
  EXPECT_TRUE(finished.stale);
  EXPECT_EQ(co_await state(s, "task_1"), State::running);
  Journal entries{{"k", "{}"}};
  auto added = co_await s.backend().journal_add(s.ctx(), "task_1", old.token, std::move(entries));
  EXPECT_EQ(added.error().code, Errc::conflict);
  std::vector<Held> held = {{.id = "task_1", .token = old.token}};
  auto beats = co_await s.backend().beat(s.ctx(), "node_a", held, 10'000);
  EXPECT_EQ(*beats, std::vector{Beat::lost});
  finished = co_await finish(s, fresh, Verdict::succeeded);
  EXPECT_FALSE(finished.stale);
  Claim unknown = fresh;
  unknown.spec.id = "task_9";
  finished = co_await finish(s, unknown, Verdict::succeeded);
  EXPECT_TRUE(finished.stale);
}

TEST_P(Conformance, AStaleTokenChangesNothing) { with(stale); }

asio::awaitable<void> late_but_latest(Subject& s) {
  co_await add(s, spec("task_1"));
  const Claim claim = co_await take_one(s);
  co_await s.advance(10'001);  // nobody swept: it still holds the latest token
  std::vector<Held> held = {{.id = "task_1", .token = claim.token}};
  auto beats = co_await s.backend().beat(s.ctx(), "node_a", held, 10'000);
  EXPECT_EQ(*beats, std::vector{Beat::ok});
  EXPECT_EQ(describe(co_await sweep(s)), "");
  const Finished finished = co_await finish(s, claim, Verdict::succeeded);
  EXPECT_FALSE(finished.stale);
}

TEST_P(Conformance, ALateBeatOfTheLatestTokenIsGood) { with(late_but_latest); }

asio::awaitable<void> beats(Subject& s) {
  co_await add(s, {spec("task_1"), spec("task_2")});
  const auto claims = co_await take(s, 2);
  for (int i = 0; i < 3; ++i) {
    co_await s.advance(8000);
    std::vector<Held> held = {{.id = "task_1", .token = claims[0].token, .progress = R"({"n":1})"},
                              {.id = "task_9", .token = 1}};
    auto answers = co_await s.backend().beat(s.ctx(), "node_a", held, 10'000);
    EXPECT_EQ(*answers, (std::vector{Beat::ok, Beat::lost}));
  }
  EXPECT_EQ(describe(co_await sweep(s)), "task_2 queued none");
  const Record record = co_await get(s, "task_1");
  EXPECT_EQ(record.status.state, State::running);
  EXPECT_EQ(record.status.progress, R"({"n":1})");
}

TEST_P(Conformance, BeatsExtendLeasesAndKeepProgress) { with(beats); }

asio::awaitable<void> poisoned(Subject& s) {
  Spec one = spec("task_1");
  one.retry.attempts_max = 1;
  one.retry.losses_max = 3;
  co_await add(s, one);
  for (int i = 1; i <= 3; ++i) {
    const Claim claim = co_await take_one(s);
    EXPECT_EQ(claim.losses, i - 1);
    co_await s.advance(10'001);
    const auto moved = co_await sweep(s);
    EXPECT_EQ(describe(moved), i < 3 ? "task_1 queued none" : "task_1 failed poisoned");
  }
  EXPECT_EQ(co_await take_ids(s, 1), "");
}

TEST_P(Conformance, ATaskThatKillsItsWorkersIsPoison) { with(poisoned); }

asio::awaitable<void> not_poison(Subject& s) {
  Spec one = spec("task_1");
  one.retry.losses_max = 2;
  co_await add(s, one);
  for (int i = 0; i < 5; ++i) {
    const Claim claim = co_await take_one(s);
    Journal entries{{"step" + std::to_string(i), "{}"}};
    auto added =
        co_await s.backend().journal_add(s.ctx(), "task_1", claim.token, std::move(entries));
    EXPECT_TRUE(added);
    co_await s.advance(10'001);
    EXPECT_EQ(describe(co_await sweep(s)), "task_1 queued none");
  }
}

TEST_P(Conformance, ATaskThatGetsOnIsNoPoison) { with(not_poison); }

asio::awaitable<void> deadlines(Subject& s) {
  Spec waiting = spec("task_1");
  waiting.deadline_ms = s.now() + 5000;
  Spec impatient = spec("task_2");
  impatient.queue_timeout_ms = 5000;
  Spec started = spec("task_3");
  started.queue_timeout_ms = 5000;
  started.priority = 9;
  Spec running = spec("task_4");
  running.deadline_ms = s.now() + 5000;
  running.priority = 9;
  co_await add(s, {waiting, impatient, started, running});
  EXPECT_EQ(co_await take_ids(s, 2), "task_3,task_4");
  co_await s.advance(5001);
  EXPECT_EQ(co_await take_ids(s, 2), "");  // too late for them
  EXPECT_EQ(describe(co_await sweep(s)),
            "task_1 failed deadline, task_2 failed deadline, task_4 failed deadline");
  EXPECT_EQ(co_await state(s, "task_3"), State::running);
}

TEST_P(Conformance, DeadlinesEndWhatIsNotDone) { with(deadlines); }

asio::awaitable<void> journal(Subject& s) {
  co_await add(s, spec("task_1"));
  const Claim claim = co_await take_one(s);
  Journal first{{"b", "1"}, {"a", "2"}};
  auto added = co_await s.backend().journal_add(s.ctx(), "task_1", claim.token, std::move(first));
  EXPECT_TRUE(added);
  Journal again{{"b", "3"}};
  added = co_await s.backend().journal_add(s.ctx(), "task_1", claim.token, std::move(again));
  EXPECT_TRUE(added);
  Journal more{{"x", "7"}, {"y", "8"}, {"z", ""}};
  added = co_await s.backend().journal_add(s.ctx(), "task_1", claim.token, std::move(more));
  EXPECT_TRUE(added);
  Journal fewer{{"x", ""}, {"y", ""}, {"f", "6"}};
  added = co_await s.backend().journal_add(s.ctx(), "task_1", claim.token, std::move(fewer));
  EXPECT_TRUE(added);
  // None of them, also not those that would fit.
  Journal large{{"e", "5"}, {"c", std::string(kResultBytesMax + 1, 'x')}};
  added = co_await s.backend().journal_add(s.ctx(), "task_1", claim.token, std::move(large));
  EXPECT_EQ(added.error().code, Errc::payload_too_large);
  co_await finish(s, claim, Verdict::failed);
  Journal late{{"d", "4"}};
  added = co_await s.backend().journal_add(s.ctx(), "task_1", claim.token, std::move(late));
  EXPECT_EQ(added.error().code, Errc::conflict);
  auto kept = co_await s.backend().journal(s.ctx(), "task_1");
  EXPECT_EQ(*kept, (Journal{{"b", "3"}, {"a", "2"}, {"f", "6"}}));
  auto none = co_await s.backend().journal(s.ctx(), "task_9");
  EXPECT_TRUE(none->empty());
}

TEST_P(Conformance, TheJournalKeepsItsOrderReplacesAndErasesKeys) { with(journal); }

asio::awaitable<void> large(Subject& s) {
  co_await add(s, spec("task_1"));
  const Claim claim = co_await take_one(s);
  std::vector<Finish> finishes(1);
  finishes[0].id = "task_1";
  finishes[0].token = claim.token;
  finishes[0].result = std::string(kResultBytesMax + 1, 'x');
  auto finished = co_await s.backend().finish(s.ctx(), finishes);
  EXPECT_EQ(finished.error().code, Errc::payload_too_large);
  EXPECT_EQ(co_await state(s, "task_1"), State::running);
}

TEST_P(Conformance, RefusesAResultOverTheLimit) { with(large); }

asio::awaitable<void> bad_claim(Subject& s) {
  ClaimRequest request;
  auto claimed = co_await s.backend().claim(s.ctx(), request);
  EXPECT_EQ(claimed.error().code, Errc::invalid_argument);
  request.worker = "node_a";
  request.max = 0;
  claimed = co_await s.backend().claim(s.ctx(), request);
  EXPECT_EQ(claimed.error().code, Errc::invalid_argument);
}

TEST_P(Conformance, RefusesAClaimWithoutWorkerOrRoom) { with(bad_claim); }

asio::awaitable<void> closed(Subject& s) {
  co_await s.backend().close();
  auto claimed = co_await s.backend().stats(s.ctx());
  EXPECT_EQ(claimed.error().code, Errc::cancelled);
}

TEST_P(Conformance, AfterCloseCallsEndAsCancelled) { with(closed); }

}  // namespace
}  // namespace troupe::tasks
