// The one thread that writes: takes what waits, does it in one transaction, commits, and then
// tells everybody at once. The sync of one commit is the time in which the next batch gathers.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/async.h"
#include "tasks/ledger.h"
#include "tasks/sqlite_tables.h"

namespace troupe::tasks {

/// What a call works on, on the writer's thread.
struct Core {
  Ledger& ledger;
  Tables& tables;
};

/// One call, from the engine thread to the writer and back.
class WriterCall {
 public:
  virtual ~WriterCall() = default;
  /// Writer's thread. May run again after a rollback.
  virtual void run(Core core) = 0;
  virtual void fail(const Error& error) = 0;
  /// Engine thread, once.
  virtual void complete() = 0;
  /// Whether it takes more room on the disk for good.
  bool adds = false;
  /// Whether its answer waits for the disk. Without, a power cut may undo it (a kill does not): for
  /// claims and beats, whose holders a power cut ends too.
  bool durable = true;
};

template <class T>
class TypedCall final : public WriterCall {
 public:
  using Work = std::function<Result<T>(Core)>;
  explicit TypedCall(Work work) : work_(std::move(work)) {}
  void run(Core core) override { result_ = work_(core); }
  void fail(const Error& error) override { result_ = error; }
  void complete() override {
    if (left) left(*result_);
    promise.set(std::move(*result_));
  }

  Promise<T> promise;
  /// Set when nobody waits any more: what is to be done with the answer.
  std::function<void(Result<T>&)> left;

 private:
  Work work_;
  std::optional<Result<T>> result_;
};

class SqliteWriter final {
 public:
  struct Options {
    std::string path, vfs;
    bool full = true;
    std::int64_t tasks_max = 0;
    int checkpoint_pages = 4000;
    UnixMs now = 0;
  };
  /// Takes the lock, opens, migrates, loads. Blocks.
  static Result<std::unique_ptr<SqliteWriter>> open(asio::any_io_executor executor,
                                                    Options options);
  ~SqliteWriter();
  SqliteWriter(const SqliteWriter&) = delete;
  SqliteWriter& operator=(const SqliteWriter&) = delete;

  /// Engine thread. `now` is the time of the call, for a ledger that has to be loaded again.
  void submit(std::shared_ptr<WriterCall> call, UnixMs now);
  /// Called on the engine thread after something may have become claimable.
  void on_news(std::function<void()> news) { news_ = std::move(news); }
  /// Ledger::replays() of the last batch, from before it could be read. Any thread.
  std::uint64_t replays() const { return replays_.load(); }
  /// Does what was submitted, and ends the thread.
  void stop();

 private:
  using Batch = std::vector<std::shared_ptr<WriterCall>>;
  SqliteWriter(asio::any_io_executor executor, Options options);
  Result<void> prepare();
  void loop();
  void process(Batch& batch);
  bool attempt(std::span<const std::shared_ptr<WriterCall>> calls);
  void one_by_one(Batch& batch);
  void sync_commits(bool sync);
  void give_back(Batch batch);

  asio::any_io_executor executor_;
  Options options_;
  FileLock lock_;
  Connection connection_;
  std::unique_ptr<Tables> tables_;
  std::unique_ptr<Ledger> ledger_;
  std::atomic<std::uint64_t> replays_ = 0;
  bool syncs_ = true;            // as the database is set
  std::optional<Error> broken_;  // fail stop: nothing is done any more
  std::function<void()> news_;   // engine thread
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // engine thread

  std::mutex mutex_;
  std::condition_variable changed_;
  Batch waiting_;
  UnixMs now_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace troupe::tasks
