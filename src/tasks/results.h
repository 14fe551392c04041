// Large results (long lists, screenshots, downloads) outside of the database: named by the SHA-256
// of their bytes, which is checked when they are read, and deleted by age, number and total size.
#pragma once

#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <optional>
#include <string>

#include "base/async.h"
#include "base/json.h"
#include "observe/log.h"
#include "services/object_storage.h"
#include "tasks/backend.h"

namespace troupe::tasks {

/// Seam: where the bytes are. A name is 64 hexadecimal digits.
class BlobStore {
 public:
  virtual ~BlobStore() = default;
  /// There is all of it or nothing. One of the same name is replaced.
  virtual Async<void> put(Context& ctx, std::string name, std::string bytes,
                          std::string content_type) = 0;
  /// Errors: not_found, payload_too_large.
  virtual Async<std::string> get(Context& ctx, std::string name, std::int64_t bytes_max) = 0;
  /// One that is not there is ok.
  virtual Async<void> erase(Context& ctx, std::string name) = 0;
  /// Its path or address, for errors.
  virtual std::string where(const std::string& name) const = 0;
};
/// Files in `folder`, which is made when it is needed; reads and writes on `pool`.
std::unique_ptr<BlobStore> make_file_blobs(asio::thread_pool& pool, std::string folder);
std::unique_ptr<BlobStore> make_object_blobs(std::unique_ptr<services::ObjectStorage> storage);

/// What stands in the database instead of the bytes.
struct ResultRef {
  std::string sha256;
  std::int64_t bytes = 0;
  std::string content_type;
  bool operator==(const ResultRef&) const = default;
};
/// `{"$result": {"sha256": …, "bytes": …, "content_type": …}}`
json::object to_json(const ResultRef& ref);
/// Nothing when it is no reference.
std::optional<ResultRef> result_ref_from(const json::value& value);

struct ResultsOptions {
  std::int64_t inline_bytes_max = 64 << 10;  ///< Smaller ones stay in the database.
  std::int64_t bytes_max = 256 << 20;        ///< Of one.
  Duration kept = std::chrono::hours(7 * 24);
  std::int64_t kept_max = 100'000;
  std::int64_t kept_bytes_max = std::int64_t{10} << 30;
  Duration sweep_every = std::chrono::minutes(10);
};

/// Threads: engine.
class Results final {
 public:
  static constexpr std::string_view kKind = "result";

  Results(Clock& clock, asio::any_io_executor executor, Backend& backend, BlobStore& blobs,
          observe::Log& log, ResultsOptions options);

  /// Durable when it returns. The same bytes again are the same result, kept from now on.
  /// Errors: payload_too_large, storage_failed, those of the backend.
  Async<ResultRef> put(Context& ctx, std::string bytes, std::string content_type);
  /// Errors: gone (was deleted after its time, or its bytes are missing), storage_failed (other
  /// bytes than were written: names the place, what was expected and what was found),
  /// payload_too_large.
  Async<std::string> get(Context& ctx, ResultRef ref);
  /// What is known of a name. Errors: not_found.
  Async<ResultRef> find(Context& ctx, std::string sha256);

  /// The value itself when it is small, else a reference to it.
  Async<json::value> shrink(Context& ctx, json::value value);
  /// The value that shrink() was given.
  Async<json::value> restore(Context& ctx, json::value value);

  struct Swept {
    std::int64_t erased = 0, erased_bytes = 0, left = 0, left_bytes = 0;
  };
  /// Deletes what is too old, then the oldest of what is too much.
  Async<Swept> sweep(Context& ctx);
  /// Sweeps until stop().
  void start();
  asio::awaitable<void> stop();

 private:
  struct Entry {
    ResultRef ref;
    UnixMs put_ms = 0;
    UnixMs deleting_ms = 0;  ///< A sweep began to delete it then; 0: it stays.
    std::uint64_t version = 0;
  };
  UnixMs now_ms() const { return to_unix_ms(clock_.wall()); }
  asio::awaitable<void> run();
  static Document document_of(const Entry& entry);
  static Result<Entry> entry_of(const Document& document);
  Async<std::optional<Entry>> load(Context& ctx, std::string sha256);
  Async<bool> erase(Context& ctx, Entry entry);

  Clock& clock_;
  asio::any_io_executor executor_;
  Backend& backend_;
  BlobStore& blobs_;
  observe::Log& log_;
  ResultsOptions options_;
  CancelSource stopping_;
  Scope scope_;
  bool started_ = false;
};

}  // namespace troupe::tasks
