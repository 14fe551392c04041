#include "tasks/results.h"

#include <algorithm>
#include <filesystem>

#include "base/digest.h"
#include "base/text_file.h"
#include "tasks/stored_members.h"

namespace troupe::tasks {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr int kPage = 500;
constexpr int kRoundsMax = 20;
constexpr UnixMs kDeletingMax = 5 * 60'000;  // then whoever began it is dead
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kRefKey = "$result";

UnixMs ms_of(Duration duration) {
  return std::chrono::duration_cast<milliseconds>(duration).count();
}

bool is_name(std::string_view name) {
  const auto fits = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return name.size() == 64 && std::ranges::all_of(name, fits);
}

Error no_name(std::string_view name) {
  return fail(Errc::not_found, "result " + std::string(name.substr(0, 64)) + ": there is none");
}

Error damaged(const std::string& place, const ResultRef& ref, const std::string* bytes) {
  const auto described = [](std::size_t size, const std::string& digest) {
    return std::to_string(size) + " bytes with SHA-256 " + digest;
  };
  const std::string found = bytes ? described(bytes->size(), to_hex(sha256(*bytes)))
                                  : "more than " + std::to_string(ref.bytes) + " bytes";
  return fail(Errc::storage_failed,
              "result " + place + ": is not what was written: expected " +
                  described(static_cast<std::size_t>(ref.bytes), ref.sha256) + ", found " + found,
              {}, "the disk or the object storage changed it; run the task again");
}

class FileBlobs final : public BlobStore {
 public:
  FileBlobs(asio::thread_pool& pool, std::string folder)
      : pool_(pool), folder_(std::move(folder)) {}

  Async<void> put(Context& ctx, std::string name, std::string bytes, std::string) override {
    std::function<Result<void>()> work = [path = path_of(name), bytes = std::move(bytes)] {
      std::error_code error;
      fs::create_directories(fs::path(path).parent_path(), error);
      return replace_text_file(path, bytes);
    };
    co_return co_await run_blocking(ctx, pool_, std::move(work));
  }
  Async<std::string> get(Context& ctx, std::string name, std::int64_t bytes_max) override {
    std::function<Result<std::string>()> work = [path = path_of(name), bytes_max] {
      return read_text_file(path, static_cast<std::size_t>(bytes_max));
    };
    co_return co_await run_blocking(ctx, pool_, std::move(work));
  }
  Async<void> erase(Context& ctx, std::string name) override {
    std::function<Result<void>()> work = [path = path_of(name)]() -> Result<void> {
      std::error_code error;
      fs::remove(path, error);
      if (error) return fail(Errc::storage_failed, path + ": " + error.message(), "data_dir");
      return {};
    };
    co_return co_await run_blocking(ctx, pool_, std::move(work));
  }

  std::string where(const std::string& name) const override { return path_of(name); }

 private:
  // Folders of a few hundred files each.
  std::string path_of(const std::string& name) const {
    return folder_ + "/" + name.substr(0, 2) + "/" + name;
  }
  asio::thread_pool& pool_;
  std::string folder_;
};

class ObjectBlobs final : public BlobStore {
 public:
  explicit ObjectBlobs(std::unique_ptr<services::ObjectStorage> storage)
      : storage_(std::move(storage)) {}

  Async<void> put(Context& ctx, std::string name, std::string bytes,
                  std::string content_type) override {
    return storage_->put(ctx, std::move(name), std::move(bytes), std::move(content_type));
  }
  Async<std::string> get(Context& ctx, std::string name, std::int64_t bytes_max) override {
    return storage_->get(ctx, std::move(name), bytes_max);
  }
  Async<void> erase(Context& ctx, std::string name) override {
    return storage_->erase(ctx, std::move(name));
  }
  std::string where(const std::string& name) const override { return storage_->address(name); }

 private:
  std::unique_ptr<services::ObjectStorage> storage_;
};

}  // namespace

std::unique_ptr<BlobStore> make_file_blobs(asio::thread_pool& pool, std::string folder) {
  return std::make_unique<FileBlobs>(pool, std::move(folder));
}
std::unique_ptr<BlobStore> make_object_blobs(std::unique_ptr<services::ObjectStorage> storage) {
  return std::make_unique<ObjectBlobs>(std::move(storage));
}

json::object to_json(const ResultRef& ref) {
  return {{kRefKey,
           {{"sha256", ref.sha256}, {"bytes", ref.bytes}, {"content_type", ref.content_type}}}};
}

std::optional<ResultRef> result_ref_from(const json::value& value) {
  const json::value* inner = find(value, kRefKey);
  if (!inner || !inner->is_object() || value.get_object().size() != 1) return std::nullopt;
  const json::object& object = inner->get_object();
  const auto sha256 = find_string(object, "sha256");
  const auto bytes = find_int(object, "bytes");
  const auto content_type = find_string(object, "content_type");
  if (!sha256 || !is_name(*sha256) || !bytes || *bytes < 0 || !content_type) return std::nullopt;
  return ResultRef{std::string(*sha256), *bytes, std::string(*content_type)};
}

Results::Results(Clock& clock, asio::any_io_executor executor, Backend& backend, BlobStore& blobs,
                 observe::Log& log, ResultsOptions options)
    : clock_(clock),
      executor_(executor),
      backend_(backend),
      blobs_(blobs),
      log_(log),
      options_(options),
      scope_(executor) {}

Document Results::document_of(const Entry& entry) {
  const json::object object{{"v", 1},
                            {"bytes", entry.ref.bytes},
                            {"content_type", entry.ref.content_type},
                            {"put_ms", entry.put_ms},
                            {"deleting_ms", entry.deleting_ms}};
  return {std::string(kKind), entry.ref.sha256, json::serialize(object), entry.version};
}

Result<Results::Entry> Results::entry_of(const Document& document) {
  TRY(const json::value value, parse_stored(document.text, "stored result"));
  StoredMembers members(value, "stored result");
  Entry entry{{.sha256 = document.id}, 0, 0, document.version};
  members.number("bytes", entry.ref.bytes);
  members.text("content_type", entry.ref.content_type);
  members.number("put_ms", entry.put_ms);
  members.number("deleting_ms", entry.deleting_ms);
  TRY_VOID(members.end());
  return entry;
}

Async<std::optional<Results::Entry>> Results::load(Context& ctx, std::string sha256) {
  std::string kind(kKind);
  CO_TRY(const auto document, co_await backend_.document(ctx, std::move(kind), std::move(sha256)));
  if (!document) co_return std::nullopt;
  CO_TRY(auto entry, entry_of(*document));
  co_return std::move(entry);
}

// The entry comes before the bytes: bytes that nobody knows of would never be deleted.
Async<ResultRef> Results::put(Context& ctx, std::string bytes, std::string content_type) {
  if (static_cast<std::int64_t>(bytes.size()) > options_.bytes_max)
    co_return fail(Errc::payload_too_large,
                   "result: " + std::to_string(bytes.size()) + " bytes are more than " +
                       std::to_string(options_.bytes_max),
                   "result_bytes_max");
  const ResultRef ref{to_hex(sha256(bytes)), static_cast<std::int64_t>(bytes.size()),
                      std::move(content_type)};
  for (int round = 0;; ++round) {
    CO_TRY(auto known, co_await load(ctx, ref.sha256));
    Entry entry = known ? std::move(*known) : Entry{ref};
    if (entry.deleting_ms != 0 && now_ms() - entry.deleting_ms < kDeletingMax)
      co_return fail(Errc::unavailable,
                     "result " + ref.sha256 + ": the same one is deleted at this moment", {},
                     "put it again");
    entry.put_ms = now_ms();
    entry.deleting_ms = 0;
    Document document = document_of(entry);
    const auto saved = co_await backend_.put(ctx, std::move(document));
    if (saved) break;
    if (saved.error().code != Errc::conflict || round == kRoundsMax) co_return saved.error();
  }
  std::string name = ref.sha256, type = ref.content_type;
  CO_TRY_VOID(co_await blobs_.put(ctx, std::move(name), std::move(bytes), std::move(type)));
  co_return ref;
}

Async<std::string> Results::get(Context& ctx, ResultRef ref) {
  if (!is_name(ref.sha256)) co_return no_name(ref.sha256);
  if (ref.bytes > options_.bytes_max)
    co_return fail(Errc::payload_too_large,
                   "result " + ref.sha256 + ": " + std::to_string(ref.bytes) +
                       " bytes are more than " + std::to_string(options_.bytes_max),
                   "result_bytes_max");
  std::string name = ref.sha256;
  // One byte more is enough to see that it is not the one.
  auto bytes = co_await blobs_.get(ctx, std::move(name), ref.bytes + 1);
  if (!bytes && bytes.error().code == Errc::not_found)
    co_return fail(Errc::gone, "result " + blobs_.where(ref.sha256) + ": is not there any more", {},
                   "results are deleted after their time");
  const bool too_large = !bytes && bytes.error().code == Errc::payload_too_large;
  if (!bytes && !too_large) co_return bytes;
  if (too_large || static_cast<std::int64_t>(bytes->size()) != ref.bytes ||
      to_hex(sha256(*bytes)) != ref.sha256)
    co_return damaged(blobs_.where(ref.sha256), ref, bytes ? &*bytes : nullptr);
  co_return std::move(*bytes);
}

Async<ResultRef> Results::find(Context& ctx, std::string sha256) {
  if (!is_name(sha256)) co_return no_name(sha256);
  CO_TRY(auto entry, co_await load(ctx, sha256));
  if (!entry || entry->deleting_ms != 0) co_return no_name(sha256);
  co_return std::move(entry->ref);
}

Async<json::value> Results::shrink(Context& ctx, json::value value) {
  std::string text = json::serialize(value);
  // What only looks like a reference is stored, so that no output can name another's result.
  const bool in_disguise = troupe::find(value, kRefKey) != nullptr;
  if (static_cast<std::int64_t>(text.size()) <= options_.inline_bytes_max && !in_disguise)
    co_return value;
  std::string type(kJson);
  CO_TRY(const auto ref, co_await put(ctx, std::move(text), std::move(type)));
  co_return to_json(ref);
}

Async<json::value> Results::restore(Context& ctx, json::value value) {
  auto ref = result_ref_from(value);
  if (!ref) co_return value;
  CO_TRY(const auto text, co_await get(ctx, std::move(*ref)));
  co_return parse_json(text, "stored result");
}

Async<bool> Results::erase(Context& ctx, Entry entry) {
  entry.deleting_ms = now_ms();
  Document document = document_of(entry);
  const auto saved = co_await backend_.put(ctx, std::move(document));
  if (!saved && saved.error().code == Errc::conflict) co_return false;  // somebody put it again
  if (!saved) co_return saved.error();
  std::string name = entry.ref.sha256, kind(kKind), id = entry.ref.sha256;
  CO_TRY_VOID(co_await blobs_.erase(ctx, std::move(name)));
  CO_TRY_VOID(co_await backend_.erase(ctx, std::move(kind), std::move(id)));
  co_return true;
}

Async<Results::Swept> Results::sweep(Context& ctx) {
  std::vector<Entry> entries;
  std::string cursor;
  for (;;) {
    std::string kind(kKind), from = cursor;
    CO_TRY(const auto documents,
           co_await backend_.documents(ctx, std::move(kind), std::move(from), kPage, false));
    for (const Document& document : documents)
      if (auto entry = entry_of(document)) entries.push_back(std::move(*entry));
    if (documents.size() < static_cast<std::size_t>(kPage)) break;
    cursor = documents.back().id;
  }
  Swept swept;
  swept.left = static_cast<std::int64_t>(entries.size());
  for (const Entry& entry : entries) swept.left_bytes += entry.ref.bytes;
  std::ranges::sort(entries, {}, &Entry::put_ms);
  const UnixMs oldest = now_ms() - ms_of(options_.kept);
  for (const Entry& entry : entries) {
    const bool half_deleted =
        entry.deleting_ms != 0 && now_ms() - entry.deleting_ms >= kDeletingMax;
    const bool too_much =
        swept.left > options_.kept_max || swept.left_bytes > options_.kept_bytes_max;
    if (entry.deleting_ms != 0 && !half_deleted) continue;
    if (entry.put_ms >= oldest && !too_much && !half_deleted) continue;
    CO_TRY(const bool erased, co_await erase(ctx, entry));
    if (!erased) continue;
    --swept.left;
    swept.left_bytes -= entry.ref.bytes;
    ++swept.erased;
    swept.erased_bytes += entry.ref.bytes;
  }
  co_return swept;
}

void Results::start() {
  if (std::exchange(started_, true)) return;
  scope_.spawn("results", run());
}

asio::awaitable<void> Results::run() {
  const Context base = Context(clock_, executor_).with_cancel(stopping_);
  while (!stopping_.is_cancelled()) {
    Context pause = base;
    (void)co_await sleep_for(pause, options_.sweep_every);
    if (stopping_.is_cancelled()) co_return;
    Context turn = base.with_timeout(options_.sweep_every, "sweep of the results");
    const auto swept = co_await sweep(turn);
    std::optional<Error> error;
    if (!swept) error = swept.error();
    if (swept && swept->erased == 0) continue;
    log_.write({}, {.level = error ? observe::Level::warning : observe::Level::info,
                    .action = "results.sweep",
                    .status = error ? "failed" : "ok",
                    .details = {{"erased", swept ? swept->erased : 0},
                                {"bytes", swept ? swept->erased_bytes : 0}},
                    .error = error ? &*error : nullptr});
  }
}

asio::awaitable<void> Results::stop() {
  stopping_.cancel(fail(Errc::cancelled, "results: stopping"));
  Context ctx = Context(clock_, executor_).with_timeout(std::chrono::seconds(10), "sweep's end");
  (void)co_await scope_.join(ctx);
}

}  // namespace troupe::tasks
