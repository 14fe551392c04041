#include "tasks/sqlite_writer.h"

#include <sqlite3.h>

#include <algorithm>
#include <utility>

#include "tasks/sqlite_schema.h"

namespace troupe::tasks {
namespace {

// Calls in one transaction at most, so that the first does not wait for thousands.
constexpr std::size_t kBatchMax = 1'000;

// So many wake the writer's thread before the turn of the loop is over.
constexpr std::size_t kWakeAt = 32;

bool disk_is_full(int code) { return (code & 0xff) == SQLITE_FULL; }

}  // namespace

SqliteWriter::SqliteWriter(asio::any_io_executor executor, Options options)
    : executor_(std::move(executor)), options_(std::move(options)), now_(options_.now) {}

Result<std::unique_ptr<SqliteWriter>> SqliteWriter::open(asio::any_io_executor executor,
                                                         Options options) {
  std::unique_ptr<SqliteWriter> writer(new SqliteWriter(std::move(executor), std::move(options)));
  TRY_VOID(writer->prepare());
  writer->thread_ = std::thread([raw = writer.get()] { raw->loop(); });
  return writer;
}

Result<void> SqliteWriter::prepare() {
  TRY(lock_, FileLock::take(options_.path));
  TRY_VOID(connection_.open(options_.path, Connection::Mode::create, options_.vfs));
  connection_.exec("PRAGMA journal_mode=WAL");
  connection_.exec("PRAGMA synchronous=FULL");
  // The log stays at its size: writing over it is cheaper than growing it.
  const std::string pages =
      "PRAGMA wal_autocheckpoint=" + std::to_string(options_.checkpoint_pages);
  connection_.exec(pages.c_str());
  connection_.exec("PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY");
  if (!connection_.ok()) return connection_.error();
  TRY_VOID(migrate(connection_));
  // A new file and its name must be on the disk before anything is acknowledged.
  connection_.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  if (!connection_.ok()) return connection_.error();
  TRY_VOID(sync_folder_of(options_.path));
  tables_ = std::make_unique<Tables>(connection_);
  ledger_ = tables_->load(options_.tasks_max, nullptr, options_.now);
  if (!connection_.ok()) return connection_.error();
  return {};
}

SqliteWriter::~SqliteWriter() { stop(); }

void SqliteWriter::stop() {
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
  *alive_ = false;
}

// The thread is woken once for all that is asked in one turn of the loop, so that they share a
// commit; and in between when many are there, so that it works while others still ask.
void SqliteWriter::submit(std::shared_ptr<WriterCall> call, UnixMs now) {
  std::size_t waiting = 0;
  {
    const std::lock_guard guard(mutex_);
    waiting_.push_back(std::move(call));
    waiting = waiting_.size();
    now_ = now;
  }
  if (waiting == kWakeAt) changed_.notify_one();
  if (waiting != 1) return;
  asio::post(executor_, [this, alive = alive_] {
    if (*alive) changed_.notify_one();
  });
}

void SqliteWriter::loop() {
  Batch batch;
  for (;;) {
    {
      std::unique_lock guard(mutex_);
      changed_.wait(guard, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      batch.swap(waiting_);
    }
    for (std::size_t from = 0; from < batch.size(); from += kBatchMax) {
      const auto to = std::min(batch.size(), from + kBatchMax);
      Batch part(std::make_move_iterator(batch.begin() + static_cast<std::ptrdiff_t>(from)),
                 std::make_move_iterator(batch.begin() + static_cast<std::ptrdiff_t>(to)));
      process(part);
      give_back(std::move(part));
    }
    batch.clear();
  }
}

void SqliteWriter::process(Batch& batch) {
  if (!broken_ && !attempt(batch)) one_by_one(batch);
  if (broken_)
    for (const auto& call : batch) call->fail(*broken_);
}

// All in one transaction. On failure nothing has happened, in the ledger neither.
bool SqliteWriter::attempt(std::span<const std::shared_ptr<WriterCall>> calls) {
  sync_commits(options_.full && std::ranges::any_of(calls, &WriterCall::durable));
  for (const auto& call : calls) {
    call->run({*ledger_, *tables_});
    tables_->flush();
    if (!connection_.ok()) break;
  }
  replays_ = ledger_->replays();  // before anybody can see the rows
  if (tables_->commit()) return true;
  if (!disk_is_full(connection_.code())) {
    // Also a failed sync: what is in the page cache then may be gone, and trying again would say
    // that all is well.
    broken_ = connection_.error();
    broken_->hint += broken_->hint.empty() ? "" : "; ";
    broken_->hint += "nothing more is written; restart after the cause is mended";
    return false;
  }
  const Error full = connection_.error();
  connection_.clear_error();
  UnixMs now = 0;
  {
    const std::lock_guard guard(mutex_);
    now = now_;
  }
  // Declared after: the old ledger is asked for its leases.
  auto old = std::move(ledger_);
  ledger_ = tables_->load(options_.tasks_max, old.get(), now);
  replays_ = ledger_->replays();
  if (!connection_.ok()) broken_ = connection_.error();
  if (calls.size() == 1) calls.front()->fail(full);
  return calls.size() == 1;
}

// The next synced commit takes along what those before it left in the page cache.
void SqliteWriter::sync_commits(bool sync) {
  if (std::exchange(syncs_, sync) == sync) return;
  connection_.exec(sync ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
}

// The disk is full for all of them together. What ends tasks goes first, and alone; what adds some
// is refused, so that there is room to end the others.
void SqliteWriter::one_by_one(Batch& batch) {
  if (broken_) return;
  const Error refused =
      troupe::fail(Errc::storage_failed, "database " + options_.path + ": the disk is full",
                   "database", "make room on its disk; nothing that was accepted is lost");
  for (const auto& call : batch) {
    if (broken_) return;
    if (call->adds && batch.size() > 1)
      call->fail(refused);
    else
      attempt(std::span(&call, 1));
  }
}

void SqliteWriter::give_back(Batch batch) {
  const bool news = !broken_ && ledger_->take_news();
  asio::post(executor_, [this, alive = alive_, batch = std::move(batch), news] {
    for (const auto& call : batch) call->complete();
    if (news && *alive && news_) news_();
  });
}

}  // namespace troupe::tasks
