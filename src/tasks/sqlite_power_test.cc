// Power loss, a full disk, a sync that fails: what was acknowledged stays.
#include <cstdlib>
#include <map>

#include "tasks/sqlite_codec.h"
#include "tasks/sqlite_schema.h"
#include "tasks/testing_conformance.h"
#include "tasks/testing_disk.h"
#include "tasks/testing_folder.h"

namespace troupe::tasks {
namespace {

using Verdict = Finish::Verdict;
using Durability = SqliteOptions::Durability;

class DiskSubject final : public ManualSubject {
 public:
  DiskSubject(Context& real, Durability durability) : ManualSubject(real) {
    auto opened = make_sqlite_backend(real.executor(), clock(),
                                      {.path = folder_.file(),
                                       .durability = durability,
                                       .checkpoint_pages = 40,
                                       .vfs = disk_.vfs()});
    EXPECT_TRUE(opened) << opened.error().describe();
    use(std::move(*opened));
  }
  ~DiskSubject() override { use(nullptr); }  // before its disk goes
  Disk& disk() { return disk_; }
  const Folder& folder() const { return folder_; }

 private:
  Folder folder_;
  Disk disk_;
};

// What the service said, and when.
struct Said {
  std::size_t moment;
  std::string id;
  bool succeeded;
};

struct History {
  std::vector<Said> said;
  std::size_t opened = 0;
};

asio::awaitable<Result<void>> one_client(DiskSubject& s, History& history, int client) {
  for (int i = 0; i < 12; ++i) {
    const std::string id = "task_" + std::to_string(client) + "_" + std::to_string(i);
    Spec one = spec(id);
    if (i % 5 == 0) one.job = std::string(6000, 'x');
    co_await add(s, std::move(one));
    history.said.push_back({s.disk().moment(), id, false});
    auto claims = co_await take(s, 1, "node_" + std::to_string(client));
    if (claims.empty()) continue;
    const Finished finished = co_await finish(s, claims[0], Verdict::succeeded);
    EXPECT_FALSE(finished.stale);
    history.said.push_back({s.disk().moment(), claims[0].spec.id, true});
  }
  co_return Result<void>();
}

asio::awaitable<void> work(DiskSubject& s, History& history) {
  history.opened = s.disk().moment();
  std::vector<Async<void>> clients;
  for (int i = 0; i < 6; ++i) clients.push_back(one_client(s, history, i));
  (void)co_await gather(s.ctx(), std::move(clients));
}

// How many promises the files in `folder` break.
int broken_promises(const std::string& file, const History& history, std::size_t moment) {
  std::map<std::string, State> stored;
  Connection connection;
  EXPECT_TRUE(connection.open(file, Connection::Mode::existing, {}));
  Statement ended(connection, "SELECT id,state FROM ended_task");
  while (ended.step()) stored[ended.text(0)] = static_cast<State>(ended.number(1));
  Statement open(connection, "SELECT spec,status FROM open_task");
  while (open.step())
    stored[unpack_spec(open.bytes(0))->spec.id] = unpack_status(open.bytes(1))->status.state;
  EXPECT_TRUE(connection.ok()) << connection.error().describe();
  int broken = 0;
  for (const Said& one : history.said) {
    if (one.moment > moment) continue;
    const auto found = stored.find(one.id);
    const bool kept =
        found != stored.end() && (!one.succeeded || found->second == State::succeeded);
    broken += !kept;
  }
  return broken;
}

struct Losses {
  int crashes = 0, with_losses = 0, promises = 0;
};

Losses cut_power(const Disk& disk, const History& history, int crashes) {
  Losses losses;
  Random random(20'261'123);
  for (; losses.crashes < crashes; ++losses.crashes) {
    const Folder after;
    const auto moment = static_cast<std::size_t>(random.between(
        static_cast<std::int64_t>(history.opened), static_cast<std::int64_t>(disk.moment())));
    disk.after_power_loss(moment, random, after.path);
    const auto report = check_database(after.file());
    EXPECT_TRUE(report) << report.error().describe();
    if (report) EXPECT_EQ(report->problems, std::vector<std::string>()) << "at " << moment;
    const int broken = broken_promises(after.file(), history, moment);
    losses.promises += broken;
    losses.with_losses += broken > 0;
    if (::testing::Test::HasFailure()) break;
  }
  return losses;
}

int crashes_wanted() {
  const char* text = std::getenv("TROUPE_CRASHES");
  return text ? std::atoi(text) : 300;
}

asio::awaitable<void> work_and_cut(Context& real, Durability durability, int crashes,
                                   Losses& losses) {
  DiskSubject subject(real, durability);
  History history;
  co_await work(subject, history);
  EXPECT_EQ(history.said.size(), 144u);
  losses = cut_power(subject.disk(), history, crashes);
  co_await subject.backend().close();
}

Losses lose_power(Durability durability, int crashes) {
  Losses losses;
  troupe::testing::run(
      [&](Context& real) { return work_and_cut(real, durability, crashes, losses); });
  return losses;
}

TEST(SqlitePower, NothingThatWasAcknowledgedIsLost) {
  const Losses losses = lose_power(Durability::full, crashes_wanted());
  EXPECT_EQ(losses.crashes, crashes_wanted());
  EXPECT_EQ(losses.promises, 0);
}

// And this is how the test would look if something were: the setting says that it may.
TEST(SqlitePower, NormalDurabilityForgetsTheLastMomentsButBreaksNothing) {
  const Losses losses = lose_power(Durability::normal, 50);
  EXPECT_GT(losses.with_losses, 10);
}

asio::awaitable<void> full(DiskSubject& s) {
  co_await add(s, {spec("task_1"), spec("task_2")});
  const Claim claim = co_await take_one(s);
  s.disk().full_after(0);
  const Error error = co_await add_fails(s, {spec("task_3")});
  EXPECT_EQ(error.code, Errc::storage_failed);
  EXPECT_NE(error.message.find("full"), std::string::npos) << error.message;
  EXPECT_NE(error.hint.find("nothing that was accepted is lost"), std::string::npos);
  std::vector<Finish> finishes(1);
  finishes[0].id = "task_1";
  finishes[0].token = claim.token;
  auto finished = co_await s.backend().finish(s.ctx(), finishes);
  EXPECT_EQ(finished.error().code, Errc::storage_failed);
  EXPECT_EQ(co_await state(s, "task_1"), State::running) << "as if it had not been called";
  s.disk().full_after(-1);
  finished = co_await s.backend().finish(s.ctx(), finishes);
  EXPECT_EQ((*finished)[0].state, State::succeeded);
  const Accepted accepted = co_await add(s, spec("task_3"));
  EXPECT_FALSE(accepted.existing);
  EXPECT_EQ(co_await take_ids(s, 10), "task_2,task_3");
  const auto report = check_database(s.folder().file());
  EXPECT_EQ(report->problems, std::vector<std::string>());
}

template <class Body>
asio::awaitable<void> on_disk(Context& real, Body& body) {
  DiskSubject subject(real, Durability::full);
  co_await body(subject);
  co_await subject.backend().close();
}

template <class Body>
void with_disk(Body body) {
  troupe::testing::run([&](Context& real) { return on_disk(real, body); });
}

TEST(SqlitePower, AFullDiskRefusesAndThenGoesOn) { with_disk(full); }

asio::awaitable<Result<std::vector<Accepted>>> enqueue(DiskSubject& s, std::string id) {
  Submission submission;
  submission.tasks.push_back(spec(std::move(id)));
  co_return co_await s.backend().enqueue(s.ctx(), std::move(submission));
}

// In one transaction: those that add are refused, and the one that ends a task has the room.
asio::awaitable<void> full_for_some(DiskSubject& s) {
  co_await add(s, spec("task_0"));
  const Claim claim = co_await take_one(s);
  s.disk().full_after(30'000);  // less than all of them need, however they are grouped
  std::vector<Async<std::vector<Accepted>>> adding;
  for (int i = 1; i <= 200; ++i) adding.push_back(enqueue(s, "task_" + std::to_string(i)));
  auto added = co_await gather(s.ctx(), std::move(adding));
  int accepted = 0;
  for (const auto& one : added) accepted += one.has_value();
  EXPECT_LT(accepted, 200);
  s.disk().full_after(-1);
  const Finished finished = co_await finish(s, claim, Verdict::succeeded);
  EXPECT_EQ(finished.state, State::succeeded);
  auto stats = co_await s.backend().stats(s.ctx());
  EXPECT_EQ(stats->counts.queued, accepted);
}

TEST(SqlitePower, WhatAFullDiskRefusedIsNotThere) { with_disk(full_for_some); }

asio::awaitable<void> no_sync(DiskSubject& s) {
  co_await add(s, spec("task_1"));
  s.disk().fail_syncs(true);
  Error error = co_await add_fails(s, {spec("task_2")});
  EXPECT_EQ(error.code, Errc::storage_failed);
  s.disk().fail_syncs(false);
  error = co_await add_fails(s, {spec("task_3")});  // it stays so: what is on the disk is unknown
  EXPECT_EQ(error.code, Errc::storage_failed);
  EXPECT_NE(error.hint.find("restart"), std::string::npos);
  auto stats = co_await s.backend().stats(s.ctx());
  EXPECT_EQ(stats.error().code, Errc::storage_failed);
}

TEST(SqlitePower, AFailedSyncStopsEverything) { with_disk(no_sync); }

}  // namespace
}  // namespace troupe::tasks
