// Random operations on every backend, bare and behind a bad connection, with what must hold checked
// after each: no task is lost, ended ones stay ended, tokens grow, gates hold, counts agree. And
// at the end, when all is well again: every task ends.
#include <cstdlib>
#include <map>
#include <set>

#include "tasks/testing_conformance.h"
#include "tasks/testing_faulty.h"

namespace troupe::tasks {
namespace {

using Verdict = Finish::Verdict;
constexpr std::int64_t kGateLimit = 2;

// Somebody else's backend behind a decorator.
class Borrowed final : public Backend {
 public:
  explicit Borrowed(Backend& inner) : inner_(inner) {}
  std::string_view name() const override { return inner_.name(); }
  Async<std::vector<Accepted>> enqueue(Context& c, Submission s) override {
    return inner_.enqueue(c, std::move(s));
  }
  Async<Claimed> claim(Context& c, ClaimRequest r) override {
    return inner_.claim(c, std::move(r));
  }
  Async<std::vector<Beat>> beat(Context& c, std::string w, std::vector<Held> h, UnixMs l) override {
    return inner_.beat(c, std::move(w), std::move(h), l);
  }
  Async<std::vector<Finished>> finish(Context& c, std::vector<Finish> f) override {
    return inner_.finish(c, std::move(f));
  }
  Async<Moved> cancel(Context& c, std::string id, std::string r, UnixMs g) override {
    return inner_.cancel(c, std::move(id), std::move(r), g);
  }
  Async<std::vector<Moved>> cancel_run(Context& c, std::string id, std::string r,
                                       UnixMs g) override {
    return inner_.cancel_run(c, std::move(id), std::move(r), g);
  }
  Async<Moved> replay(Context& c, std::string id) override {
    return inner_.replay(c, std::move(id));
  }
  Async<void> change(Context& c, std::string id, Change change) override {
    return inner_.change(c, std::move(id), change);
  }
  Async<void> pause(Context& c, std::string q, bool p) override {
    return inner_.pause(c, std::move(q), p);
  }
  Async<void> set_limit(Context& c, std::string k, std::optional<std::int64_t> l) override {
    return inner_.set_limit(c, std::move(k), l);
  }
  Async<std::optional<Record>> get(Context& c, std::string id) override {
    return inner_.get(c, std::move(id));
  }
  Async<Page> list(Context& c, Filter f, std::string cursor, int limit) override {
    return inner_.list(c, std::move(f), std::move(cursor), limit);
  }
  Async<Counts> run_counts(Context& c, std::string id) override {
    return inner_.run_counts(c, std::move(id));
  }
  Async<Stats> stats(Context& c) override { return inner_.stats(c); }
  Async<std::int64_t> purge(Context& c, Filter f, int max) override {
    return inner_.purge(c, std::move(f), max);
  }
  Async<Swept> sweep(Context& c, int max) override { return inner_.sweep(c, max); }
  Async<void> journal_add(Context& c, std::string id, std::uint64_t t, Journal entries) override {
    return inner_.journal_add(c, std::move(id), t, std::move(entries));
  }
  Async<Journal> journal(Context& c, std::string id) override {
    return inner_.journal(c, std::move(id));
  }
  Async<std::uint64_t> put(Context& c, Document d) override { return inner_.put(c, std::move(d)); }
  Async<std::optional<Document>> document(Context& c, std::string k, std::string id) override {
    return inner_.document(c, std::move(k), std::move(id));
  }
  Async<std::vector<Document>> documents(Context& c, std::string k, std::string cursor, int limit,
                                         bool newest) override {
    return inner_.documents(c, std::move(k), std::move(cursor), limit, newest);
  }
  Async<void> erase(Context& c, std::string k, std::string id) override {
    return inner_.erase(c, std::move(k), std::move(id));
  }
  void watch(std::function<void()> news) override { inner_.watch(std::move(news)); }
  asio::awaitable<void> close() override { return inner_.close(); }

 private:
  Backend& inner_;
};

// What was asked for and answered, and what follows from it.
class Model {
 public:
  Model(Subject& subject, std::uint64_t seed, Faults faults)
      : subject_(subject),
        random_(seed),
        through_(std::make_unique<Borrowed>(subject.backend()), seed + 1, faults) {}

  asio::awaitable<void> step() {
    switch (random_.between(0, 11)) {
      case 0:
      case 1: co_return co_await enqueue();
      case 2:
      case 3:
      case 4: co_return co_await claim();
      case 5:
      case 6: co_return co_await finish();
      case 7: co_return co_await cancel();
      case 8: co_return co_await replay();
      case 9: co_return co_await beat();
      case 10: co_return co_await change();
      default:
        co_await subject_.advance(random_.between(0, 1500));
        auto swept = through_.sweep(ctx(), 10);
        (void)co_await std::move(swept);
    }
  }

  // Looks past the bad connection.
  asio::awaitable<void> look() {
    std::map<std::string, std::int64_t> at_gate;
    std::map<State, std::int64_t> in_state;
    std::set<std::string> there;
    std::string cursor;
    do {
      auto page = co_await subject_.backend().list(ctx(), Filter{}, cursor, 100);
      if (!page) co_return (void)(ADD_FAILURE() << page.error().describe());
      for (const Record& record : page->records) {
        there.insert(record.spec.id);
        ++in_state[record.status.state];
        look_at(record);
        if (record.status.state != State::running) continue;
        for (const Gate& gate : record.spec.gates) ++at_gate[gate.key];
      }
      cursor = page->next_cursor;
    } while (!cursor.empty());
    for (const std::string& id : accepted_) EXPECT_TRUE(there.contains(id)) << id << " is lost";
    for (const auto& [key, running] : at_gate) EXPECT_LE(running, kGateLimit) << key;
    auto stats = co_await subject_.backend().stats(ctx());
    const Counts& counts = stats->counts;
    EXPECT_EQ(counts.blocked, in_state[State::blocked]);
    EXPECT_EQ(counts.scheduled, in_state[State::scheduled]);
    EXPECT_EQ(counts.queued, in_state[State::queued]);
    EXPECT_EQ(counts.running, in_state[State::running]);
    EXPECT_EQ(counts.succeeded, in_state[State::succeeded]);
    EXPECT_EQ(counts.failed, in_state[State::failed]);
    EXPECT_EQ(counts.cancelled, in_state[State::cancelled]);
  }

  // Nothing fails any more: everything must end.
  asio::awaitable<void> drain() {
    through_.heal();
    for (int round = 0; round < 2000; ++round) {
      auto swept = co_await subject_.backend().sweep(ctx(), 1000);
      ClaimRequest request;
      request.worker = "node_z";
      request.max = 10;
      request.lease_ms = 1000;
      auto claimed = co_await subject_.backend().claim(ctx(), request);
      std::vector<Finish> finishes;
      for (const Claim& claim : claimed->claims)
        finishes.push_back({.id = claim.spec.id, .token = claim.token});
      const bool idle = finishes.empty();
      auto finished = co_await subject_.backend().finish(ctx(), finishes);
      for (const Finished& one : *finished) EXPECT_FALSE(one.stale);
      auto stats = co_await subject_.backend().stats(ctx());
      if (stats->counts.open() == 0) co_return;
      if (idle) co_await subject_.advance(500);
    }
    ADD_FAILURE() << "tasks are left that do not end";
  }

  int faults() const { return through_.faults_done(); }
  std::size_t accepted() const { return accepted_.size(); }
  int finished() const { return finished_; }

 private:
  struct Known {
    State state = State::blocked;
    std::uint64_t token = 0;
    bool replayed = false;
  };

  Context& ctx() { return subject_.ctx(); }

  void look_at(const Record& record) {
    Known& known = known_[record.spec.id];
    const State state = record.status.state;
    EXPECT_GE(record.status.token, known.token) << record.spec.id;
    if (is_final(known.state) && !known.replayed)
      EXPECT_EQ(to_string(state), to_string(known.state)) << record.spec.id << " had ended";
    EXPECT_EQ(record.status.ended_ms != 0, is_final(state));
    EXPECT_LE(record.status.losses, record.spec.retry.losses_max);
    known = {state, record.status.token, false};
  }

  asio::awaitable<void> enqueue() {
    Submission submission;
    const auto count = random_.between(1, 5);
    for (std::int64_t i = 0; i < count; ++i) submission.tasks.push_back(random_spec(submission));
    // As a client does: again until it knows.
    for (int tries = 0; tries < 50; ++tries) {
      auto added = through_.enqueue(ctx(), submission);
      auto result = co_await std::move(added);
      if (!result && is_unknown(result.error())) continue;
      EXPECT_TRUE(result) << result.error().describe();
      if (result)
        for (const Accepted& one : *result) accepted_.insert(one.id);
      co_return;
    }
  }

  Spec random_spec(const Submission& with) {
    std::string number = std::to_string(++last_);
    Spec one = spec("task_" + std::string(6 - number.size(), '0') + number,
                    "run_" + std::to_string(random_.between(0, 5)));
    one.tenant = "tenant_" + std::to_string(random_.between(0, 2));
    one.priority = static_cast<int>(random_.between(-9, 9));
    one.retry.attempts_max = static_cast<int>(random_.between(1, 3));
    one.retry.losses_max = static_cast<int>(random_.between(1, 3));
    if (random_.unit() < 0.2) one.run_at_ms = subject_.now() + random_.between(0, 3000);
    if (random_.unit() < 0.1) one.deadline_ms = subject_.now() + random_.between(1, 5000);
    if (random_.unit() < 0.1) one.queue_timeout_ms = random_.between(1, 5000);
    if (random_.unit() < 0.2) {
      one.idempotency_key = "key_" + std::to_string(random_.between(0, 9));
      one.job = one.idempotency_key;
    }
    for (const char* key : {"gate_a", "gate_b"})
      if (random_.unit() < 0.3) one.gates.push_back({.key = key, .limit = kGateLimit});
    if (random_.unit() < 0.2) {
      if (!with.tasks.empty())
        one.depends_on = {with.tasks[0].id};
      else if (!accepted_.empty())
        one.depends_on = {any_accepted()};
      one.depends_rule = static_cast<DependsRule>(random_.between(0, 3));
    }
    return one;
  }

  std::string any_accepted() {
    const auto skip = random_.between(0, static_cast<std::int64_t>(accepted_.size()) - 1);
    return *std::next(accepted_.begin(), skip);
  }

  asio::awaitable<void> claim() {
    ClaimRequest request;
    request.worker = "node_" + std::to_string(random_.between(0, 1));
    request.max = static_cast<int>(random_.between(1, 4));
    request.lease_ms = 1000;
    const std::string worker = request.worker;
    auto claiming = through_.claim(ctx(), std::move(request));
    auto claimed = co_await std::move(claiming);
    if (!claimed) co_return;  // what it got is lost, until its lease ends
    for (const Claim& claim : claimed->claims) {
      EXPECT_GT(claim.token, tokens_[claim.spec.id]) << "two live tokens of " << claim.spec.id;
      tokens_[claim.spec.id] = claim.token;
      held_.push_back({claim, worker});
    }
  }

  asio::awaitable<void> finish() {
    if (held_.empty()) co_return;
    const auto at = random_.between(0, static_cast<std::int64_t>(held_.size()) - 1);
    const Claim claim = held_[static_cast<std::size_t>(at)].first;
    held_.erase(held_.begin() + at);
    if (random_.unit() < 0.1) co_return;  // the worker died
    Finish one{.id = claim.spec.id,
               .token = claim.token,
               .verdict = static_cast<Verdict>(random_.between(0, 4)),
               .delay_ms = random_.between(0, 2000),
               .result = "1",
               .error = {}};
    for (int tries = 0; tries < 50; ++tries) {
      std::vector<Finish> finishes = {one};
      auto finishing = through_.finish(ctx(), std::move(finishes));
      auto finished = co_await std::move(finishing);
      if (!finished && is_unknown(finished.error())) continue;
      EXPECT_TRUE(finished) << finished.error().describe();
      if (!finished || (*finished)[0].stale) co_return;
      ++finished_;
      const State state = (*finished)[0].state;
      if (one.verdict == Verdict::succeeded)
        EXPECT_EQ(to_string(state), to_string(State::succeeded));
      co_return;
    }
  }

  asio::awaitable<void> cancel() {
    if (accepted_.empty() || random_.unit() < 0.5) co_return;
    auto cancelling = through_.cancel(ctx(), any_accepted(), "test", random_.between(0, 500));
    (void)co_await std::move(cancelling);
  }

  asio::awaitable<void> replay() {
    if (accepted_.empty()) co_return;
    const std::string id = any_accepted();
    known_[id].replayed = true;
    auto replaying = through_.replay(ctx(), id);
    (void)co_await std::move(replaying);
  }

  asio::awaitable<void> beat() {
    std::vector<Held> held;
    for (const auto& [claim, worker] : held_)
      if (worker == "node_0") held.push_back({.id = claim.spec.id, .token = claim.token});
    auto beating = through_.beat(ctx(), "node_0", std::move(held), 1000);
    (void)co_await std::move(beating);
  }

  asio::awaitable<void> change() {
    if (accepted_.empty()) co_return;
    Change change;
    if (random_.unit() < 0.5) change.priority = static_cast<int>(random_.between(-9, 9));
    if (random_.unit() < 0.5) change.run_at_ms = subject_.now() + random_.between(-500, 2000);
    auto changing = through_.change(ctx(), any_accepted(), change);
    (void)co_await std::move(changing);
  }

  Subject& subject_;
  Random random_;
  FaultyBackend through_;
  std::set<std::string> accepted_;
  std::map<std::string, Known> known_;
  std::map<std::string, std::uint64_t> tokens_;
  std::vector<std::pair<Claim, std::string>> held_;
  int last_ = 0, finished_ = 0;
};

asio::awaitable<void> play(Subject& subject, std::uint64_t seed, Faults faults, int steps) {
  Model model(subject, seed, faults);
  for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
    co_await model.step();
    co_await model.look();
  }
  co_await model.drain();
  co_await model.look();
  EXPECT_GT(model.accepted(), 10u);
  EXPECT_GT(model.finished(), 0);
  if (faults.delay > 0) EXPECT_GT(model.faults(), 20);
}

// TROUPE_SEED=7 plays that one alone; TROUPE_SEEDS=1000, so many.
std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

template <class Play>
void for_seeds(std::uint64_t count, Play one) {
  const auto first = from_environment("TROUPE_SEED", 1);
  const auto last = std::getenv("TROUPE_SEED") ? first : from_environment("TROUPE_SEEDS", count);
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    one(seed);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "replay with TROUPE_SEED=" << seed;
  }
}

TEST_P(Conformance, HoldsUnderRandomOperations) {
  for_seeds(GetParam().exact_time ? 20 : 2, [&](std::uint64_t seed) {
    with([seed](Subject& s) { return play(s, seed, {0, 0, 0, 0, 0, 0}, 150); });
  });
}

TEST_P(Conformance, HoldsBehindABadConnection) {
  for_seeds(GetParam().exact_time ? 20 : 2, [&](std::uint64_t seed) {
    with([seed](Subject& s) { return play(s, seed, Faults{}, 150); });
  });
}

}  // namespace
}  // namespace troupe::tasks
