#include "tasks/sqlite_schema.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>

#include "tasks/sqlite_codec.h"
#include "tasks/sqlite_upgrade.h"

namespace troupe::tasks {
namespace {

constexpr std::int64_t kApplication = 0x54727570;  // "Trup"

// Only ever appended to. A database of version n has run the first n.
constexpr std::array kSteps = {
    R"(
CREATE TABLE task(
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  idx INTEGER NOT NULL,
  tenant TEXT NOT NULL,
  queue TEXT NOT NULL,
  priority INTEGER NOT NULL,
  run_at INTEGER NOT NULL,
  deadline INTEGER NOT NULL,
  queue_timeout INTEGER NOT NULL,
  attempts_max INTEGER NOT NULL,
  base INTEGER NOT NULL,
  cap INTEGER NOT NULL,
  losses_max INTEGER NOT NULL,
  key TEXT,
  extras TEXT,               -- JSON: gates, dependencies, labels; null when there are none
  job TEXT,                  -- null: in large_job
  state INTEGER NOT NULL,
  cause INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  losses INTEGER NOT NULL,
  token INTEGER NOT NULL,
  finished_token INTEGER NOT NULL,
  finished INTEGER NOT NULL, -- state x 16 + cause
  worker TEXT,
  lease INTEGER NOT NULL,
  cancelling INTEGER NOT NULL,
  grace INTEGER NOT NULL,
  created INTEGER NOT NULL,
  due INTEGER NOT NULL,
  started INTEGER NOT NULL,
  ended INTEGER NOT NULL,    -- 0: open
  cancel_reason TEXT,
  progress TEXT,
  result TEXT,
  error TEXT
) STRICT;
CREATE UNIQUE INDEX task_id ON task(id);
CREATE INDEX task_run ON task(run_id, idx);
CREATE INDEX task_ended ON task(ended);
CREATE UNIQUE INDEX task_key ON task(tenant, key) WHERE key IS NOT NULL;
CREATE TABLE large_job(seq INTEGER PRIMARY KEY, job TEXT NOT NULL) STRICT;
CREATE TABLE journal(
  seq INTEGER NOT NULL, place INTEGER NOT NULL, key TEXT NOT NULL, entry TEXT NOT NULL,
  PRIMARY KEY(seq, key)) STRICT, WITHOUT ROWID;
CREATE TABLE document(
  kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY(kind, id)) STRICT, WITHOUT ROWID;
CREATE TABLE paused(queue TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE gate_limit(key TEXT PRIMARY KEY, most INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE counter(state INTEGER PRIMARY KEY, tasks INTEGER NOT NULL) STRICT;
INSERT INTO counter VALUES(4, 0), (5, 0), (6, 0);
)",
    // The dead letters: few among many.
    "CREATE INDEX task_dead ON task(id) WHERE cause IN (2, 3);",
    // Open tasks are found by the ledger in memory: their rows need no index. Only ended ones are
    // searched here.
    R"(
CREATE TABLE open_task(
  seq INTEGER PRIMARY KEY,
  spec BLOB NOT NULL,        -- sqlite_codec.h
  status BLOB NOT NULL,
  cancel_reason TEXT,
  progress TEXT,
  error TEXT
) STRICT;
CREATE TABLE ended_task(
  place INTEGER PRIMARY KEY, -- in the order in which they ended
  seq INTEGER NOT NULL,
  id TEXT NOT NULL,
  run_id TEXT NOT NULL,
  idx INTEGER NOT NULL,
  tenant TEXT NOT NULL,
  queue TEXT NOT NULL,
  key TEXT,
  state INTEGER NOT NULL,
  cause INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  spec BLOB NOT NULL,
  status BLOB NOT NULL,
  cancel_reason TEXT,
  progress TEXT,
  error TEXT,
  result TEXT
) STRICT;
INSERT INTO open_task SELECT
  seq,
  packed_spec(id,run_id,idx,tenant,queue,queue_timeout,attempts_max,base,cap,losses_max,key,extras,
              job),
  packed_status(state,cause,finished,cancelling,attempt,losses,token,finished_token,created,due,
                started,ended,lease,grace,priority,run_at,deadline,worker),
  cancel_reason,progress,error
  FROM task WHERE ended=0 ORDER BY seq;
INSERT INTO ended_task SELECT
  NULL,seq,id,run_id,idx,tenant,queue,key,state,cause,ended,
  packed_spec(id,run_id,idx,tenant,queue,queue_timeout,attempts_max,base,cap,losses_max,key,extras,
              job),
  packed_status(state,cause,finished,cancelling,attempt,losses,token,finished_token,created,due,
                started,ended,lease,grace,priority,run_at,deadline,worker),
  cancel_reason,progress,error,result
  FROM task WHERE ended>0 ORDER BY ended,seq;
DROP TABLE task;
CREATE UNIQUE INDEX ended_id ON ended_task(id);
CREATE INDEX ended_run ON ended_task(run_id, idx);
CREATE UNIQUE INDEX ended_key ON ended_task(tenant, key) WHERE key IS NOT NULL;
CREATE INDEX ended_dead ON ended_task(id) WHERE cause IN (2, 3);
)",
};
constexpr int kTwoTables = 3;  // the version that has open_task and ended_task

Error storage(std::string message, std::string hint = {}) {
  return fail(Errc::storage_failed, std::move(message), "database", std::move(hint));
}

Result<void> must_exist(const std::string& path) {
  std::error_code bad;
  if (std::filesystem::exists(path, bad)) return {};
  return fail(Errc::not_found, "database " + path + ": does not exist", "database",
              "the service creates it when it starts");
}

// Without the lock when a service has it: readers do not disturb it.
Result<void> open_to_read(const std::string& path, Connection& connection, FileLock& lock) {
  TRY_VOID(must_exist(path));
  auto taken = FileLock::take(path);
  if (taken) lock = std::move(*taken);
  TRY_VOID(connection.open(path, Connection::Mode::existing, {}));
  connection.exec("PRAGMA query_only=1; PRAGMA wal_autocheckpoint=0");
  if (!connection.ok()) return connection.error();
  if (connection.number("PRAGMA application_id") != kApplication)
    return storage("database " + path + ": is not one of Troupe");
  return {};
}

void look_into_tasks(Connection& connection, DatabaseReport& report) {
  Statement tasks(connection,
                  "SELECT spec,status,0,seq IN (SELECT seq FROM large_job) FROM open_task "
                  "UNION ALL SELECT spec,status,1,seq IN (SELECT seq FROM large_job) "
                  "FROM ended_task");
  std::int64_t unreadable = 0, without_job = 0, misplaced = 0;
  while (tasks.step()) {
    const auto spec = unpack_spec(tasks.bytes(0));
    const auto status = unpack_status(tasks.bytes(1));
    if (!spec || !status)
      ++unreadable;
    else if (spec->large && tasks.number(3) == 0)
      ++without_job;
    else if (is_final(status->status.state) != (tasks.number(2) == 1))
      ++misplaced;
  }
  const auto none = [&](std::int64_t found, const char* what) {
    if (found > 0) report.problems.push_back(std::to_string(found) + what);
  };
  none(unreadable, " tasks that cannot be read");
  none(without_job, " tasks without their job");
  none(misplaced, " tasks that are not where their state belongs");
}

void look_for_problems(Connection& connection, DatabaseReport& report) {
  Statement integrity(connection, "PRAGMA integrity_check(20)");
  while (integrity.step())
    if (const std::string line = integrity.text(0); line != "ok") report.problems.push_back(line);
  const auto none = [&](const char* sql, const char* what) {
    const auto found = connection.number(sql);
    if (found && *found > 0) report.problems.push_back(std::to_string(*found) + what);
  };
  if (report.schema < kTwoTables) return;
  none("SELECT count(*) FROM ended_task WHERE state < 4 OR ended <= 0",
       " tasks whose state and time of end disagree");
  none("SELECT count(*) FROM open_task WHERE seq IN (SELECT seq FROM ended_task)",
       " tasks that are both open and ended");
  none(
      "SELECT count(*) FROM counter c WHERE tasks <> "
      "(SELECT count(*) FROM ended_task WHERE state = c.state)",
      " counters that disagree with the tasks");
  none(
      "SELECT count(*) FROM journal WHERE seq NOT IN "
      "(SELECT seq FROM open_task UNION ALL SELECT seq FROM ended_task)",
      " journal entries without their task");
  look_into_tasks(connection, report);
}

}  // namespace

int newest_schema() { return static_cast<int>(kSteps.size()); }

Result<Migrated> migrate(Connection& connection, std::optional<int> to) {
  const auto application = connection.number("PRAGMA application_id");
  const auto version = connection.number("PRAGMA user_version");
  const auto tables = connection.number("SELECT count(*) FROM sqlite_schema");
  if (!connection.ok()) return connection.error();
  if (application != kApplication && (application != 0 || tables != 0))
    return storage("database " + connection.path() + ": is not one of Troupe",
                   "give another data directory");
  if (*version > newest_schema())
    return storage("database " + connection.path() + ": schema version " +
                       std::to_string(*version) + " is newer than " +
                       std::to_string(newest_schema()) + ", the newest that this release knows",
                   "use the newer release again, or restore a backup from before it");
  Migrated migrated{.from = static_cast<int>(*version), .to = to.value_or(newest_schema())};
  if (migrated.from < migrated.to) add_upgrade_functions(connection);
  for (int next = migrated.from; next < migrated.to; ++next) {
    const std::string mark = "PRAGMA application_id=" + std::to_string(kApplication) +
                             "; PRAGMA user_version=" + std::to_string(next + 1);
    connection.exec("BEGIN IMMEDIATE");
    connection.exec(kSteps[static_cast<std::size_t>(next)]);
    connection.exec(mark.c_str());
    connection.exec("COMMIT");
    if (!connection.ok()) return connection.error();
  }
  return migrated;
}

Result<Migrated> migrate_file(const std::string& path) {
  TRY_VOID(must_exist(path));
  TRY(const FileLock lock, FileLock::take(path));
  Connection connection;
  TRY_VOID(connection.open(path, Connection::Mode::existing, {}));
  connection.exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
  return migrate(connection);
}

Result<DatabaseReport> check_database(const std::string& path) {
  FileLock lock;
  Connection connection;
  TRY_VOID(open_to_read(path, connection, lock));
  DatabaseReport report;
  const auto number = [&](const char* sql) { return connection.number(sql).value_or(0); };
  connection.exec("BEGIN");  // one moment for all that is compared
  report.schema = static_cast<int>(number("PRAGMA user_version"));
  report.bytes = number("PRAGMA page_count") * number("PRAGMA page_size");
  if (report.schema > newest_schema())
    return storage("database " + path + ": schema version " + std::to_string(report.schema) +
                   " is newer than this release knows");
  look_for_problems(connection, report);
  const bool two = report.schema >= kTwoTables;
  report.open =
      number(two ? "SELECT count(*) FROM open_task" : "SELECT count(*) FROM task WHERE ended = 0");
  report.ended =
      number(two ? "SELECT count(*) FROM ended_task" : "SELECT count(*) FROM task WHERE ended > 0");
  report.documents = number("SELECT count(*) FROM document");
  if (!connection.ok()) report.problems.push_back(connection.error().message);
  return report;
}

Result<std::int64_t> back_up_database(const std::string& path, const std::string& to) {
  std::error_code bad;
  if (std::filesystem::exists(to, bad))
    return fail(Errc::conflict, "backup " + to + ": exists", "database", "give another name");
  FileLock lock;
  Connection connection;
  TRY_VOID(open_to_read(path, connection, lock));
  connection.exec("PRAGMA query_only=0");  // it writes the copy
  const std::string half = to + ".part";
  std::filesystem::remove(half, bad);
  TRY_VOID(create_private(half));
  Statement copy(connection, "VACUUM INTO ?1");
  if (!copy.bind(half).run()) {
    std::filesystem::remove(half, bad);
    return connection.error();
  }
  const int file = ::open(half.c_str(), O_RDWR | O_CLOEXEC);
  const bool synced = file >= 0 && ::fsync(file) == 0;
  if (file >= 0) ::close(file);
  if (!synced || ::rename(half.c_str(), to.c_str()) != 0)
    return storage("backup " + to + ": " + std::strerror(errno));
  TRY_VOID(sync_folder_of(to));
  return static_cast<std::int64_t>(std::filesystem::file_size(to, bad));
}

}  // namespace troupe::tasks
