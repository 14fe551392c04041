// A thin layer over SQLite: connection, statement, the first error. No exceptions: after an error
// every further statement does nothing, so that a transaction is looked at once, at its end.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace troupe::tasks {

class Statement;

class Connection final {
 public:
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  enum class Mode { create, existing, read_only };
  Result<void> open(const std::string& path, Mode mode, const std::string& vfs);
  /// Runs statements without results.
  bool exec(const char* sql);
  /// First column of the first row of a statement.
  std::optional<std::int64_t> number(const char* sql);
  std::optional<std::string> text(const char* sql);

  bool ok() const { return code_ == 0; }
  /// SQLite's extended code of the first error.
  int code() const { return code_; }
  /// The first error as ours: storage_failed, naming the file.
  Error error() const;
  void clear_error() { code_ = 0; }
  void note(int code);
  /// A row that is not as this release writes it: counts as a damaged file.
  void note_damage(const std::string& what);
  /// Also after an error, which stays.
  void roll_back();
  bool in_transaction() const;
  std::int64_t changes() const;
  sqlite3* handle() const { return db_; }
  const std::string& path() const { return path_; }

 private:
  sqlite3* db_ = nullptr;
  std::string path_;
  int code_ = 0;
  std::string message_;
};

/// Compiled once. `bind` in order, then `step` until false; `reset` before the next round.
class Statement final {
 public:
  Statement() = default;
  Statement(Connection& connection, std::string_view sql);
  Statement(Statement&& other) noexcept { *this = std::move(other); }
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  Statement& bind(std::int64_t value);
  Statement& bind(std::string_view value);        ///< Must live until reset().
  Statement& bind_bytes(std::string_view value);  ///< Must live until reset().
  Statement& bind_null();
  /// Null when empty.
  Statement& bind_some(std::string_view value);
  /// One row, or false: no more, or an error.
  bool step();
  /// Runs to the end and resets; whether it went well.
  bool run();
  void reset();

  std::int64_t number(int column) const;
  std::string text(int column) const;
  std::string_view bytes(int column) const;  ///< Until the next step() or reset().
  bool is_null(int column) const;

 private:
  Connection* connection_ = nullptr;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

/// Keeps a second process away from a database: a lock on `<path>.lock`, which holds the number of
/// the process. Ends with the process, however that ends.
class FileLock final {
 public:
  FileLock() = default;
  FileLock(FileLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  FileLock& operator=(FileLock&& other) noexcept {
    std::swap(file_, other.file_);
    return *this;
  }
  ~FileLock();
  /// Errors: conflict, naming the process that has it; storage_failed.
  static Result<FileLock> take(const std::string& path);

 private:
  int file_ = -1;
};

/// An empty file, unless it is there, that only the owner can read: jobs may hold secrets.
Result<void> create_private(const std::string& path);

/// Makes new files of a folder survive a power loss.
Result<void> sync_folder_of(const std::string& path);

}  // namespace troupe::tasks
