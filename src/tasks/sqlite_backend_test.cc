// What is SQLite's own: the file, its lock, what survives the process.
#include <unistd.h>

#include <fstream>

#include "base/random.h"
#include "tasks/sqlite_schema.h"
#include "tasks/testing_conformance.h"
#include "tasks/testing_folder.h"

namespace troupe::tasks {
namespace {

using Verdict = Finish::Verdict;

class SqliteSubject final : public ManualSubject {
 public:
  SqliteSubject(Context& real, std::int64_t tasks_max) : ManualSubject(real), real_(real) {
    open(tasks_max);
  }
  void open(std::int64_t tasks_max = 100'000) {
    auto opened = make_sqlite_backend(real_.executor(), clock(),
                                      {.path = folder_.file(), .tasks_max = tasks_max});
    EXPECT_TRUE(opened) << opened.error().describe();
    use(std::move(*opened));
  }
  /// As after the death of the process and a new start.
  void reopen() {
    use(nullptr);
    open();
  }
  const Folder& folder() const { return folder_; }

 private:
  Context& real_;
  Folder folder_;
};

std::unique_ptr<Subject> sqlite(Context& real, std::int64_t tasks_max) {
  return std::make_unique<SqliteSubject>(real, tasks_max);
}

INSTANTIATE_TEST_SUITE_P(Sqlite, Conformance,
                         ::testing::Values(Factory{.name = "Sqlite", .make = sqlite}), name_of);

template <class Body>
asio::awaitable<void> with_file(Context& real, Body& body) {
  SqliteSubject subject(real, 100'000);
  co_await body(subject);
  co_await subject.backend().close();
}

// Runs `body` with a backend on a file of its own.
template <class Body>
void with_sqlite(Body body) {
  troupe::testing::run([&](Context& real) { return with_file(real, body); });
}

asio::awaitable<void> survives(SqliteSubject& s) {
  Spec keyed = spec("task_2");
  keyed.idempotency_key = "k";
  keyed.gates = {{.key = "site", .limit = 1}};
  keyed.labels = {{"team", "blue"}};
  Spec follower = spec("task_3");
  follower.depends_on = {"task_1"};
  Spec large = spec("task_4");
  large.job = std::string(100'000, 'x');
  Spec later = spec("task_5");
  later.run_at_ms = s.now() + 60'000;
  co_await add(s, {spec("task_1"), keyed, follower, large, later});
  const Claim claim = co_await take_one(s);
  co_await finish(s, claim, Verdict::retry, 5000);
  co_await s.backend().pause(s.ctx(), "slow", true);
  co_await s.backend().set_limit(s.ctx(), "site", 7);
  const std::string before = json::serialize(to_json(co_await get(s, "task_2")));
  s.reopen();
  EXPECT_EQ(json::serialize(to_json(co_await get(s, "task_2"))), before);
  EXPECT_EQ(co_await state(s, "task_1"), State::scheduled);
  EXPECT_EQ(co_await state(s, "task_3"), State::blocked);
  auto stats = co_await s.backend().stats(s.ctx());
  EXPECT_EQ(stats->paused, std::vector<std::string>{"slow"});
  EXPECT_EQ(stats->counts.open(), 5);
  const Accepted again = co_await add(s, keyed);
  EXPECT_TRUE(again.existing);
  co_await s.advance(5000);
  const auto claims = co_await take(s, 10);
  EXPECT_EQ(claims.size(), 3u);
  for (const Claim& one : claims) {
    if (one.spec.id == "task_4") EXPECT_EQ(one.spec.job, large.job);
    if (one.spec.id != "task_1") continue;
    EXPECT_EQ(one.attempt, 2);
    EXPECT_EQ(one.last_error, R"({"code":"timeout"})");
    const Finished finished = co_await finish(s, one, Verdict::succeeded);
    EXPECT_EQ(describe(finished.moved), "task_3 queued none");
  }
}

TEST(SqliteBackend, KeepsEverythingOverARestart) { with_sqlite(survives); }

asio::awaitable<void> lost(SqliteSubject& s) {
  co_await add(s, {spec("task_1"), spec("task_2")});
  const auto claims = co_await take(s, 2, "node_a", 3'600'000);
  co_await s.backend().cancel(s.ctx(), "task_2", "stop", 3'600'000);
  s.reopen();
  EXPECT_EQ(describe(co_await sweep(s)), "task_1 queued none, task_2 cancelled cancelled");
  const Finished late = co_await finish(s, claims[1], Verdict::succeeded);
  EXPECT_TRUE(late.stale);
  const Claim fresh = co_await take_one(s);
  EXPECT_EQ(fresh.losses, 1);
  EXPECT_GT(fresh.token, claims[0].token);
}

TEST(SqliteBackend, WhatADeadProcessHeldIsLostAtOnce) { with_sqlite(lost); }

asio::awaitable<void> ended(SqliteSubject& s) {
  co_await add(s, {spec("task_1"), spec("task_2")});
  const auto claims = co_await take(s, 2);
  co_await finish(s, claims[0], Verdict::succeeded);
  co_await finish(s, claims[1], Verdict::failed);
  s.reopen();
  const Finished repeated = co_await finish(s, claims[0], Verdict::succeeded);
  EXPECT_FALSE(repeated.stale);
  EXPECT_EQ(repeated.state, State::succeeded);
  auto counts = co_await s.backend().run_counts(s.ctx(), "run_1");
  EXPECT_EQ(counts->succeeded, 1);
  auto moved = co_await s.backend().replay(s.ctx(), "task_2");
  EXPECT_EQ(moved->state, State::queued);
  auto stats = co_await s.backend().stats(s.ctx());
  EXPECT_EQ(stats->counts.succeeded, 1);
  EXPECT_EQ(stats->counts.failed, 0);
  s.reopen();
  counts = co_await s.backend().run_counts(s.ctx(), "run_1");
  EXPECT_EQ(counts->queued, 1);
  EXPECT_EQ(counts->failed, 0);
  EXPECT_EQ(co_await take_ids(s, 10), "task_2");
}

TEST(SqliteBackend, EndedTasksAreFoundAgain) { with_sqlite(ended); }

asio::awaitable<void> replayed(SqliteSubject& s) {
  co_await add(s, spec("task_1"));
  co_await s.backend().cancel(s.ctx(), "task_1", "no", 0);
  co_await s.backend().replay(s.ctx(), "task_1");
  s.reopen();
  const Record record = co_await get(s, "task_1");
  EXPECT_EQ(record.status.state, State::queued);
  EXPECT_EQ(record.status.ended_ms, 0);
  EXPECT_EQ(record.status.cancel_reason, "");
  EXPECT_EQ(co_await take_ids(s, 10), "task_1");
}

TEST(SqliteBackend, AReplayOfATaskThatNeverRanIsKept) { with_sqlite(replayed); }

asio::awaitable<void> second(SqliteSubject& s) {
  auto other = make_sqlite_backend(s.ctx().executor(), s.clock(), {.path = s.folder().file()});
  EXPECT_EQ(other.error().code, Errc::conflict);
  EXPECT_EQ(other.error().message, "database " + s.folder().file() + ": is in use by process " +
                                       std::to_string(::getpid()));
  co_return;
}

TEST(SqliteBackend, RefusesADatabaseInUseAndNamesTheProcess) { with_sqlite(second); }

asio::awaitable<void> checked(SqliteSubject& s) {
  Spec large = spec("task_3");
  large.job = std::string(100'000, 'x');
  co_await add(s, {spec("task_1"), spec("task_2"), large});
  const Claim claim = co_await take_one(s);
  Journal entries{{"k", "{}"}};
  co_await s.backend().journal_add(s.ctx(), "task_1", claim.token, std::move(entries));
  co_await finish(s, claim, Verdict::succeeded);
  auto report = check_database(s.folder().file());  // while it is in use
  EXPECT_EQ(report->problems, std::vector<std::string>());
  EXPECT_EQ(report->schema, newest_schema());
  EXPECT_EQ(report->open, 2);
  EXPECT_EQ(report->ended, 1);
  const std::string copy = s.folder().path + "/copy.db";
  auto bytes = back_up_database(s.folder().file(), copy);
  EXPECT_GT(*bytes, 100'000);
  for (const std::string& file : {copy, s.folder().file(), s.folder().file() + "-wal"})
    EXPECT_EQ(std::filesystem::status(file).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        << file;
  report = check_database(copy);
  EXPECT_EQ(report->problems, std::vector<std::string>());
  EXPECT_EQ(report->open, 2);
  bytes = back_up_database(s.folder().file(), copy);
  EXPECT_EQ(bytes.error().code, Errc::conflict);
  report = check_database(s.folder().path + "/none.db");
  EXPECT_EQ(report.error().code, Errc::not_found);
  co_await add(s, spec("task_4"));  // undisturbed
}

TEST(SqliteBackend, IsCheckedAndBackedUpWhileInUse) { with_sqlite(checked); }

// The same calls on both backends, which share their rules: whatever SQLite stores and reads back
// must give the same answers. Restarts in between, when nothing runs.
class Twin {
 public:
  Twin(SqliteSubject& file, std::uint64_t seed)
      : file_(file), memory_(make_memory_backend(file.clock(), {})), random_(seed) {}

  asio::awaitable<void> step() {
    const std::string id = any();
    Context& ctx = file_.ctx();
    switch (random_.between(0, 9)) {
      case 0:
      case 1: {
        const Submission made = submission();
        auto left = co_await memory_->enqueue(ctx, made);
        auto right = co_await file_.backend().enqueue(ctx, made);
        co_return same(left, right, [](const std::vector<Accepted>& all) {
          std::string text;
          for (const Accepted& one : all) text += one.id + (one.existing ? "=" : "+");
          return text;
        });
      }
      case 2:
      case 3: co_return co_await claim(static_cast<int>(random_.between(1, 5)));
      case 4:
      case 5: co_return co_await finish();
      case 6: {
        const UnixMs grace = random_.between(0, 3000);
        auto left = co_await memory_->cancel(ctx, id, "test", grace);
        auto right = co_await file_.backend().cancel(ctx, id, "test", grace);
        co_return same(left, right, [](const Moved& one) { return describe({one}); });
      }
      case 7: {
        auto left = co_await memory_->replay(ctx, id);
        auto right = co_await file_.backend().replay(ctx, id);
        co_return same(left, right, [](const Moved& one) { return describe({one}); });
      }
      case 8: {
        Change change;
        change.priority = static_cast<int>(random_.between(-9, 9));
        if (random_.unit() < 0.5) change.run_at_ms = file_.now() + random_.between(0, 2000);
        auto left = co_await memory_->change(ctx, id, change);
        auto right = co_await file_.backend().change(ctx, id, change);
        EXPECT_EQ(left.has_value(), right.has_value());
        co_return;
      }
      default: co_return co_await sweep_both();
    }
  }

  asio::awaitable<void> compare() {
    auto left = co_await memory_->list(file_.ctx(), Filter{}, "", 1000);
    auto right = co_await file_.backend().list(file_.ctx(), Filter{}, "", 1000);
    EXPECT_EQ(left->records.size(), right->records.size());
    for (std::size_t i = 0; i < left->records.size() && i < right->records.size(); ++i)
      EXPECT_EQ(text(left->records[i]), text(right->records[i]));
    for (int run = 0; run < 3; ++run) {
      const std::string id = "run_" + std::to_string(run);
      auto one = co_await memory_->run_counts(file_.ctx(), id);
      auto other = co_await file_.backend().run_counts(file_.ctx(), id);
      // What is due moves from scheduled to queued with the next claim or sweep, not at a moment.
      EXPECT_EQ(one->blocked, other->blocked);
      EXPECT_EQ(one->queued + one->scheduled, other->queued + other->scheduled);
      EXPECT_EQ(std::tie(one->succeeded, one->failed, one->cancelled),
                std::tie(other->succeeded, other->failed, other->cancelled));
    }
  }

  // Nothing runs any more; then the process begins anew.
  asio::awaitable<void> restart() {
    while (!held_.empty()) co_await finish();
    const auto report = check_database(file_.folder().file());
    EXPECT_EQ(report->problems, std::vector<std::string>());
    file_.reopen();
  }

 private:
  static std::string text(const Record& record) {
    json::object object = to_json(record);
    object.erase("lease_until_ms");  // a list may show an older one
    return json::serialize(object);
  }

  template <class T, class Text>
  static void same(const Result<T>& left, const Result<T>& right, Text text) {
    EXPECT_EQ(left ? text(*left) : left.error().describe(),
              right ? text(*right) : right.error().describe());
  }

  std::string any() {
    return "task_" + std::to_string(1000 + random_.between(1, std::max(last_, 1)));
  }

  Submission submission() {
    Submission made;
    for (std::int64_t i = random_.between(1, 4); i > 0; --i) {
      Spec one = spec("task_" + std::to_string(1000 + ++last_),
                      "run_" + std::to_string(random_.between(0, 2)));
      one.index = last_;
      one.priority = static_cast<int>(random_.between(-3, 3));
      one.retry.attempts_max = static_cast<int>(random_.between(1, 3));
      if (random_.unit() < 0.2) one.run_at_ms = file_.now() + random_.between(0, 3000);
      if (random_.unit() < 0.2) one.deadline_ms = file_.now() + random_.between(1, 9000);
      if (random_.unit() < 0.2) one.queue_timeout_ms = random_.between(1, 9000);
      if (random_.unit() < 0.3) one.gates = {{.key = "gate", .limit = 2}};
      if (random_.unit() < 0.2) one.labels = {{"kind", "x"}};
      if (random_.unit() < 0.1) one.job = std::string(5000, 'y');
      if (random_.unit() < 0.3) {
        one.depends_on = {made.tasks.empty() ? any() : made.tasks[0].id};
        one.depends_rule = static_cast<DependsRule>(random_.between(0, 3));
      }
      if (random_.unit() < 0.2) {
        one.idempotency_key = std::to_string(random_.between(0, 5));
        one.job = "keyed";
      }
      made.tasks.push_back(std::move(one));
    }
    return made;
  }

  asio::awaitable<void> claim(int max) {
    ClaimRequest request;
    request.worker = "node_a";
    request.max = max;
    request.lease_ms = 4000;
    auto left = co_await memory_->claim(file_.ctx(), request);
    auto right = co_await file_.backend().claim(file_.ctx(), request);
    same(left, right, [](const Claimed& claimed) {
      std::string text;
      for (const Claim& one : claimed.claims)
        text += json::serialize(to_json(one.spec)) + std::to_string(one.token) + one.last_error;
      return text + std::to_string(claimed.next_due_ms.value_or(0));
    });
    if (!right) co_return;
    for (Claim& one : right->claims) held_.push_back(std::move(one));
  }

  asio::awaitable<void> finish() {
    if (held_.empty()) co_return;
    std::vector<Finish> finishes(1);
    finishes[0].id = held_.back().spec.id;
    finishes[0].token = held_.back().token;
    finishes[0].verdict = static_cast<Verdict>(random_.between(0, 4));
    finishes[0].delay_ms = random_.between(0, 3000);
    finishes[0].result = finishes[0].error = std::to_string(last_);
    held_.pop_back();
    auto left = co_await memory_->finish(file_.ctx(), finishes);
    auto right = co_await file_.backend().finish(file_.ctx(), finishes);
    same(left, right, [](const std::vector<Finished>& all) {
      const Finished& one = all[0];
      return (one.stale ? "stale " : "") + std::string(to_string(one.state)) +
             std::string(to_string(one.cause)) + std::to_string(one.run_open) + describe(one.moved);
    });
  }

  asio::awaitable<void> sweep_both() {
    co_await file_.advance(random_.between(0, 3000));
    auto left = co_await memory_->sweep(file_.ctx(), 1000);
    auto right = co_await file_.backend().sweep(file_.ctx(), 1000);
    same(left, right, [](const Swept& swept) { return describe(swept.moved); });
  }

  SqliteSubject& file_;
  std::unique_ptr<Backend> memory_;
  Random random_;
  std::vector<Claim> held_;
  int last_ = 0;
};

asio::awaitable<void> play_twins(SqliteSubject& subject, std::uint64_t seed) {
  // One tenant: what several were served lately is forgotten with a restart, and by SQLite when
  // nothing of a tenant is open.
  Twin twin(subject, seed);
  for (int i = 1; i <= 200 && !::testing::Test::HasFailure(); ++i) {
    co_await twin.step();
    if (i % 20 == 0) co_await twin.compare();
  }
  co_await twin.compare();
  co_await twin.restart();  // the order of what waits may differ then; what there is may not
  co_await twin.compare();
}

TEST(SqliteBackend, AnswersAsTheMemoryBackendDoes) {
  for (std::uint64_t seed = 1; seed <= 20 && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    with_sqlite([seed](SqliteSubject& subject) { return play_twins(subject, seed); });
  }
}

TEST(SqliteSchema, RefusesANewerOrForeignFile) {
  const Folder folder;
  {
    Connection connection;
    ASSERT_TRUE(connection.open(folder.file(), Connection::Mode::create, {}));
    ASSERT_TRUE(migrate(connection));
    connection.exec("PRAGMA user_version=99");
  }
  auto refused = migrate_file(folder.file());
  EXPECT_EQ(refused.error().code, Errc::storage_failed);
  EXPECT_NE(refused.error().message.find("schema version 99 is newer than"), std::string::npos);
  const std::string foreign = folder.path + "/foreign.db";
  {
    Connection connection;
    ASSERT_TRUE(connection.open(foreign, Connection::Mode::create, {}));
    connection.exec("CREATE TABLE other(x)");
  }
  refused = migrate_file(foreign);
  EXPECT_EQ(refused.error().message, "database " + foreign + ": is not one of Troupe");
  const std::string text = folder.path + "/text.db";
  std::ofstream(text) << std::string(5000, 'x');
  refused = migrate_file(text);
  EXPECT_EQ(refused.error().code, Errc::storage_failed);
}

// As a release with the second schema left it: tasks in one table, a column for each member.
void write_second_schema(const std::string& path) {
  Connection connection;
  ASSERT_TRUE(connection.open(path, Connection::Mode::create, {}));
  ASSERT_TRUE(migrate(connection, 2));
  connection.exec(R"(
INSERT INTO task VALUES(1,'task_1','run_1',0,'acme','slow',3,0,0,60000,5,100,2000,2,'k1',
  '{"gates":[["site",2]],"labels":{"team":"blue"}}','job one',2,0,1,1,7,6,32,'node_a',500,0,0,
  1000,2000,1500,0,NULL,'{"step":1}',NULL,'{"code":"timeout"}');
INSERT INTO task VALUES(2,'task_2','run_1',1,'acme','slow',0,0,0,0,4,500,30000,3,NULL,
  '{"depends_on":["task_1"],"depends_rule":3}',NULL,0,0,0,0,0,0,0,NULL,0,0,0,1000,1000,0,0,
  NULL,NULL,NULL,NULL);
INSERT INTO large_job VALUES(2,'a large job');
INSERT INTO task VALUES(3,'task_3','run_1',2,'acme','slow',0,0,0,0,1,500,30000,3,'k3',
  NULL,'job three',5,2,1,0,4,4,82,'node_a',0,0,0,1000,1000,1200,1300,
  NULL,NULL,NULL,'{"code":"page_error"}');
INSERT INTO journal VALUES(3,1,'step','{}');
UPDATE counter SET tasks=1 WHERE state=5;)");
  ASSERT_TRUE(connection.ok()) << connection.error().describe();
}

asio::awaitable<void> older(Context& real, std::string path) {
  ManualClock clock;
  auto backend = *make_sqlite_backend(real.executor(), clock, {.path = path});
  auto page = co_await backend->list(real, Filter{.run_id = "run_1"}, "", 10);
  std::string all;
  for (const Record& record : page->records) all += json::serialize(to_json(record)) + "\n";
  EXPECT_EQ(
      all,
      R"({"spec":{"v":1,"id":"task_1","run_id":"run_1","index":0,"tenant":"acme","queue":"slow",)"
      R"("priority":3,"queue_timeout_ms":60000,"retry":{"attempts_max":5,"base_ms":100,)"
      R"("cap_ms":2000,"losses_max":2},"idempotency_key":"k1","gates":[{"key":"site","limit":2}],)"
      R"("labels":{"team":"blue"},"job":"job one"},"state":"queued","cause":"none","attempt":1,)"
      R"("losses":1,"created_ms":1000,"due_ms":2000,"token":7,"worker":"node_a",)"
      R"("lease_until_ms":500,"started_ms":1500,"progress":"{\"step\":1}",)"
      R"("error":"{\"code\":\"timeout\"}"})"
      "\n"
      R"({"spec":{"v":1,"id":"task_2","run_id":"run_1","index":1,"tenant":"acme","queue":"slow",)"
      R"("priority":0,"depends_on":["task_1"],"depends_rule":"ended","job":"a large job"},)"
      R"("state":"blocked","cause":"none","attempt":0,"losses":0,"created_ms":1000,"due_ms":1000})"
      "\n"
      R"({"spec":{"v":1,"id":"task_3","run_id":"run_1","index":2,"tenant":"acme","queue":"slow",)"
      R"("priority":0,"retry":{"attempts_max":1,"base_ms":500,"cap_ms":30000,"losses_max":3},)"
      R"("idempotency_key":"k3","job":"job three"},"state":"failed",)"
      R"("cause":"attempts_exhausted","attempt":1,"losses":0,"created_ms":1000,"due_ms":1000,)"
      R"("token":4,"worker":"node_a","started_ms":1200,"ended_ms":1300,)"
      R"("error":"{\"code\":\"page_error\"}"})"
      "\n");
  const auto journal = co_await backend->journal(real, "task_3");
  EXPECT_EQ(journal->size(), 1u);
  std::vector<Finish> repeated(1);
  repeated[0] = {.id = "task_3", .token = 4, .verdict = Verdict::failed};
  const auto finished = co_await backend->finish(real, std::move(repeated));
  EXPECT_FALSE((*finished)[0].stale);
  EXPECT_EQ((*finished)[0].cause, Cause::attempts_exhausted);
  co_await backend->close();
}

TEST(SqliteSchema, GoesForwardFromAnOlderVersion) {
  const Folder folder;
  write_second_schema(folder.file());
  auto report = check_database(folder.file());  // before it is brought forward, too
  EXPECT_EQ(report->schema, 2);
  EXPECT_EQ(std::pair(report->open, report->ended), std::pair(2L, 1L));
  auto migrated = migrate_file(folder.file());
  EXPECT_EQ(migrated->from, 2);
  EXPECT_EQ(migrated->to, newest_schema());
  migrated = migrate_file(folder.file());
  EXPECT_EQ(migrated->from, newest_schema());
  report = check_database(folder.file());
  EXPECT_EQ(report->problems, std::vector<std::string>());
  EXPECT_EQ(std::pair(report->open, report->ended), std::pair(2L, 1L));
  troupe::testing::run([&](Context& real) { return older(real, folder.file()); });
}

TEST(SqliteSchema, ChecksFindDamage) {
  const Folder folder;
  {
    Connection connection;
    ASSERT_TRUE(connection.open(folder.file(), Connection::Mode::create, {}));
    ASSERT_TRUE(migrate(connection));
    connection.exec("UPDATE counter SET tasks=3 WHERE state=5");
    connection.exec("INSERT INTO open_task(seq,spec,status) VALUES(1,x'01',x'63')");
  }
  const auto report = check_database(folder.file());
  const std::vector<std::string> expected{"1 counters that disagree with the tasks",
                                          "1 tasks that cannot be read"};
  EXPECT_EQ(report->problems, expected);
}

}  // namespace
}  // namespace troupe::tasks
