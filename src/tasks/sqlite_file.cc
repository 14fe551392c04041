#include "tasks/sqlite_file.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace troupe::tasks {
namespace {

Error storage(std::string message, std::string hint = {}) {
  return fail(Errc::storage_failed, std::move(message), "database", std::move(hint));
}

}  // namespace

Connection::~Connection() {
  if (db_) sqlite3_close(db_);
}

Result<void> create_private(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0)
    return storage(path + ": " + std::strerror(errno), "the folder must exist and be writable");
  ::close(file);
  return {};
}

Result<void> Connection::open(const std::string& path, Mode mode, const std::string& vfs) {
  path_ = path;
  // SQLite gives the files beside it the rights of this one.
  if (mode == Mode::create) TRY_VOID(create_private(path));
  int flags = SQLITE_OPEN_NOMUTEX;
  flags |= mode == Mode::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (mode == Mode::create) flags |= SQLITE_OPEN_CREATE;
  const int code = sqlite3_open_v2(path.c_str(), &db_, flags, vfs.empty() ? nullptr : vfs.c_str());
  if (code != SQLITE_OK) {
    note(code);
    return error();
  }
  sqlite3_extended_result_codes(db_, 1);
  sqlite3_busy_timeout(db_, 5'000);
  return {};
}

void Connection::note(int code) {
  if (code_ != 0 || code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE) return;
  code_ = code;
  message_ = db_ ? sqlite3_errmsg(db_) : sqlite3_errstr(code);
}

void Connection::note_damage(const std::string& what) {
  if (!ok()) return;
  code_ = SQLITE_CORRUPT;
  message_ = what + " is not as this release writes it";
}

Error Connection::error() const {
  const int primary = code_ & 0xff;
  std::string hint;
  if (primary == SQLITE_FULL) hint = "make room on its disk; nothing that was accepted is lost";
  if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
    hint = "stop the service, look with `troupe db check`, restore a backup";
  if (primary == SQLITE_CANTOPEN) hint = "the folder must exist and be writable";
  return storage("database " + path_ + ": " + message_ + " (" + std::to_string(code_) + ")",
                 std::move(hint));
}

bool Connection::exec(const char* sql) {
  if (ok()) note(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr));
  return ok();
}

void Connection::roll_back() {
  if (in_transaction()) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
}

std::optional<std::int64_t> Connection::number(const char* sql) {
  Statement statement(*this, sql);
  if (!statement.step()) return std::nullopt;
  return statement.number(0);
}

std::optional<std::string> Connection::text(const char* sql) {
  Statement statement(*this, sql);
  if (!statement.step()) return std::nullopt;
  return statement.text(0);
}

bool Connection::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }
std::int64_t Connection::changes() const { return sqlite3_changes64(db_); }

Statement::Statement(Connection& connection, std::string_view sql) : connection_(&connection) {
  if (!connection.ok()) return;
  connection.note(sqlite3_prepare_v3(connection.handle(), sql.data(), static_cast<int>(sql.size()),
                                     SQLITE_PREPARE_PERSISTENT, &statement_, nullptr));
}

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(connection_, other.connection_);
  std::swap(statement_, other.statement_);
  std::swap(bound_, other.bound_);
  return *this;
}

Statement::~Statement() {
  if (statement_) sqlite3_finalize(statement_);
}

Statement& Statement::bind(std::int64_t value) {
  if (statement_) connection_->note(sqlite3_bind_int64(statement_, ++bound_, value));
  return *this;
}

Statement& Statement::bind(std::string_view value) {
  // An empty text, not null: a null pointer would be bound as null.
  if (statement_)
    connection_->note(sqlite3_bind_text(statement_, ++bound_, value.data() ? value.data() : "",
                                        static_cast<int>(value.size()), SQLITE_STATIC));
  return *this;
}

Statement& Statement::bind_bytes(std::string_view value) {
  if (statement_)
    connection_->note(sqlite3_bind_blob(statement_, ++bound_, value.data() ? value.data() : "",
                                        static_cast<int>(value.size()), SQLITE_STATIC));
  return *this;
}

Statement& Statement::bind_null() {
  if (statement_) connection_->note(sqlite3_bind_null(statement_, ++bound_));
  return *this;
}

Statement& Statement::bind_some(std::string_view value) {
  return value.empty() ? bind_null() : bind(value);
}

bool Statement::step() {
  if (!statement_ || !connection_->ok()) return false;
  const int code = sqlite3_step(statement_);
  connection_->note(code);
  return code == SQLITE_ROW;
}

bool Statement::run() {
  while (step()) {
  }
  reset();
  return connection_->ok();
}

void Statement::reset() {
  if (statement_) sqlite3_reset(statement_);
  bound_ = 0;
}

std::int64_t Statement::number(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string Statement::text(int column) const {
  const auto* bytes = sqlite3_column_text(statement_, column);
  if (!bytes) return {};
  return {reinterpret_cast<const char*>(bytes),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::string_view Statement::bytes(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  if (!bytes) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

FileLock::~FileLock() {
  if (file_ >= 0) ::close(file_);
}

Result<FileLock> FileLock::take(const std::string& path) {
  const std::string name = path + ".lock";
  FileLock lock;
  // Not inherited: a browser that outlives this process must not keep the lock.
  lock.file_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock.file_ < 0)
    return storage(name + ": " + std::strerror(errno), "the folder must exist and be writable");
  if (::flock(lock.file_, LOCK_EX | LOCK_NB) != 0) {
    char holder[32] = {};
    const auto size = ::pread(lock.file_, holder, sizeof holder - 1, 0);
    const std::string who = size > 1 ? std::string(holder, std::strcspn(holder, "\n")) : "unknown";
    return fail(Errc::conflict, "database " + path + ": is in use by process " + who, "database",
                "one process at a time: stop that one, give this one a data directory of its "
                "own, or use Redis for several");
  }
  const std::string self = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock.file_, 0) != 0 ||
      ::pwrite(lock.file_, self.data(), self.size(), 0) != static_cast<ssize_t>(self.size()))
    return storage(name + ": " + std::strerror(errno));
  return lock;
}

Result<void> sync_folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool good = file >= 0 && ::fsync(file) == 0;
  const int code = errno;
  if (file >= 0) ::close(file);
  if (!good) return storage(folder + ": " + std::strerror(code));
  return {};
}

}  // namespace troupe::tasks
