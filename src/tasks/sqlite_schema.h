// The database file as a whole: its schema and versions, integrity, backup. For the SQLite backend
// and `troupe db`. Blocking.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tasks/sqlite_file.h"

namespace troupe::tasks {

/// The newest schema that this release knows.
int newest_schema();

struct Migrated {
  int from = 0;  ///< 0: a new file.
  int to = 0;
};
/// Brings the schema forward, each step in a transaction of its own. Errors: storage_failed (a
/// file of another program, or of a newer release). `to`: only so far, for tests.
Result<Migrated> migrate(Connection& connection, std::optional<int> to = {});
/// `migrate` of the file under its lock. Errors: also conflict (in use), not_found.
Result<Migrated> migrate_file(const std::string& path);

struct DatabaseReport {
  int schema = 0;
  std::int64_t bytes = 0;
  std::int64_t open = 0, ended = 0, documents = 0;
  std::vector<std::string> problems;  ///< Empty: all is well.
};
/// Reads every page and compares tables with indexes and counters. A running service goes on
/// meanwhile. Errors: storage_failed (cannot be read at all), not_found.
Result<DatabaseReport> check_database(const std::string& path);

/// A consistent copy, also of a database in use. Errors: conflict (`to` exists), storage_failed,
/// not_found. Returns its size in bytes.
Result<std::int64_t> back_up_database(const std::string& path, const std::string& to);

}  // namespace troupe::tasks
