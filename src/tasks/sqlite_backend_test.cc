// What is SQLite's own: the file, its lock, what survives the process.
#include <unistd.h>

#include <fstream>

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

// Runs `body` with a backend on a file of its own.
template <class Body>
void with_sqlite(Body body) {
  troupe::testing::run([&](Context& real) -> asio::awaitable<void> {
    SqliteSubject subject(real, 100'000);
    co_await body(subject);
    co_await subject.backend().close();
  });
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
  co_await s.backend().journal_add(s.ctx(), "task_1", claim.token, "k", "{}");
  co_await finish(s, claim, Verdict::succeeded);
  auto report = check_database(s.folder().file());  // while it is in use
  EXPECT_EQ(report->problems, std::vector<std::string>());
  EXPECT_EQ(report->schema, newest_schema());
  EXPECT_EQ(report->open, 2);
  EXPECT_EQ(report->ended, 1);
  const std::string copy = s.folder().path + "/copy.db";
  auto bytes = back_up_database(s.folder().file(), copy);
  EXPECT_GT(*bytes, 100'000);
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

TEST(SqliteSchema, GoesForwardFromAnOlderVersion) {
  const Folder folder;
  {
    Connection connection;
    ASSERT_TRUE(connection.open(folder.file(), Connection::Mode::create, {}));
    ASSERT_TRUE(migrate(connection));
    connection.exec("DROP INDEX task_dead; PRAGMA user_version=1");
    ASSERT_TRUE(connection.ok());
  }
  auto migrated = migrate_file(folder.file());
  EXPECT_EQ(migrated->from, 1);
  EXPECT_EQ(migrated->to, newest_schema());
  migrated = migrate_file(folder.file());
  EXPECT_EQ(migrated->from, newest_schema());
  Connection connection;
  ASSERT_TRUE(connection.open(folder.file(), Connection::Mode::existing, {}));
  EXPECT_EQ(connection.number("SELECT count(*) FROM sqlite_schema WHERE name='task_dead'"), 1);
}

TEST(SqliteSchema, ChecksFindDamage) {
  const Folder folder;
  {
    Connection connection;
    ASSERT_TRUE(connection.open(folder.file(), Connection::Mode::create, {}));
    ASSERT_TRUE(migrate(connection));
    connection.exec("UPDATE counter SET tasks=3 WHERE state=5");
  }
  const auto report = check_database(folder.file());
  EXPECT_EQ(report->problems, std::vector<std::string>{"1 counters that disagree with the tasks"});
}

}  // namespace
}  // namespace troupe::tasks
