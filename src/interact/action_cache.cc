#include "interact/action_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <filesystem>

#include "base/text_file.h"

namespace troupe::interact {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kFileBytesMax = std::size_t{1} << 31;
constexpr auto kBetweenWrites = std::chrono::seconds(1);
constexpr auto kBetweenUses = std::chrono::seconds(30);  ///< Uses alone are no hurry.
constexpr auto kBetweenLooks = std::chrono::seconds(5);
constexpr std::size_t kShapesMax = 4;  ///< Of one instruction.

/// Other processes wait while one changes the file.
class FileLock final {
 public:
  explicit FileLock(const std::string& file)
      : descriptor_(::open((file + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
    if (descriptor_ >= 0) (void)::flock(descriptor_, LOCK_EX);
  }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

 private:
  int descriptor_;
};

/// Tells whether the file is another one than before.
struct Stamp {
  ino_t inode = 0;
  off_t size = -1;
  std::int64_t modified = 0;
  bool operator==(const Stamp&) const = default;
};

Stamp stamp_of(const std::string& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) return {};
  const auto& time = status.st_mtim;
  return {status.st_ino, status.st_size, std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec};
}

std::size_t size_of(const KnownAction& action) { return json::serialize(to_json(action)).size(); }

Result<ActionBook> read_book(const std::string& file) {
  auto text = read_text_file(file, kFileBytesMax);
  if (!text && text.error().code == Errc::not_found) return ActionBook{};
  if (!text) return text.error();
  return action_book_from(*text);
}

}  // namespace

/// What both threads use. Threads: any.
struct ActionCache::Shared {
  ActionCacheOptions options;
  std::mutex mutex;
  std::condition_variable closed;
  ActionBook book;
  std::map<ActionBook::key_type, std::size_t> sizes;
  std::size_t bytes = 0;
  std::map<ActionBook::key_type, Edit> edits;  ///< Not in the file yet.
  Stamp stamp;                                 ///< Of the file, as last read or written.
  bool scheduled = false;
  bool closing = false;
  Steady::time_point written_at{}, looked_at{};

  void set(KnownAction action) {
    auto key = std::make_pair(action.key, action.element.shape);
    std::size_t& size = sizes[key];
    bytes -= size;
    size = size_of(action);
    bytes += size;
    book.insert_or_assign(std::move(key), std::move(action));
  }
  void erase(const ActionBook::key_type& key) {
    const auto size = sizes.find(key);
    if (size == sizes.end()) return;
    bytes -= size->second;
    sizes.erase(size);
    book.erase(key);
  }
  void keep_limits() {
    while (!book.empty() && (book.size() > options.actions_max || bytes > options.bytes_max)) {
      const auto oldest = std::min_element(book.begin(), book.end(), [](const auto& a, auto& b) {
        return a.second.used_at < b.second.used_at;
      });
      const auto key = oldest->first;
      erase(key);
      edits[key] = Edit::forgotten;
    }
  }
  void replace(ActionBook other) {
    book.clear();
    sizes.clear();
    bytes = 0;
    for (auto& [key, action] : other) set(std::move(action));
    keep_limits();
  }
  /// Ours into what the file has now.
  void merge(ActionBook& theirs, const std::map<ActionBook::key_type, Edit>& ours) const {
    for (const auto& [key, edit] : ours) {
      const auto mine = book.find(key);
      const bool gone = edit == Edit::forgotten || mine == book.end();
      if (gone)
        theirs.erase(key);
      else if (edit == Edit::learned || theirs.contains(key))
        theirs.insert_or_assign(key, mine->second);
    }
  }
  void synchronise();
};

// Reads what others wrote, adds what is new here, and writes when there is something.
void ActionCache::Shared::synchronise() {
  std::map<ActionBook::key_type, Edit> ours;
  {
    std::unique_lock lock(mutex);
    closed.wait_until(lock, written_at + kBetweenWrites, [this] { return closing; });
    scheduled = false;
    written_at = Steady::now();
    if (edits.empty() && stamp_of(options.file) == stamp) return;
    ours.swap(edits);
  }
  const FileLock others(options.file);
  auto read = read_book(options.file);
  ActionBook theirs = read ? std::move(*read) : ActionBook{};
  ActionBook whole;
  bool changed = false;
  {
    const std::lock_guard lock(mutex);
    if (!read) theirs = book;  // damaged meanwhile: ours are whole
    merge(theirs, ours);
    const auto later = edits;  // while the file was read
    ActionBook newest = theirs;
    merge(newest, later);
    replace(std::move(newest));
    changed = !ours.empty() || !read;
    if (changed) whole = book;
  }
  if (changed) (void)replace_text_file(options.file, pretty(to_json(whole)));
  const std::lock_guard lock(mutex);
  stamp = stamp_of(options.file);
}

ActionCache::ActionCache(Clock& clock, ActionCacheOptions options)
    : clock_(clock), shared_(std::make_shared<Shared>()) {
  shared_->options = std::move(options);
  const std::string& file = shared_->options.file;
  auto book = read_book(file);
  shared_->stamp = stamp_of(file);
  shared_->looked_at = Steady::now();
  if (book) {
    shared_->replace(std::move(*book));
    return;
  }
  damage_ =
      fail(Errc::storage_failed,
           file + ": was put aside as .damaged, actions are learned anew: " + book.error().message,
           "data_dir");
  std::error_code ignored;
  std::filesystem::rename(file, file + ".damaged", ignored);
}

ActionCache::~ActionCache() {
  {
    const std::lock_guard lock(shared_->mutex);
    shared_->closing = true;
    shared_->closed.notify_all();
  }
  files_.join();
  if (!shared_->edits.empty()) shared_->synchronise();
}

std::size_t ActionCache::size() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->book.size();
}

std::vector<KnownAction> ActionCache::find(const ActionKey& key) {
  std::vector<KnownAction> found;
  bool look = false;
  {
    const std::lock_guard lock(shared_->mutex);
    for (auto at = shared_->book.lower_bound({key, ""});
         at != shared_->book.end() && at->first.first == key; ++at)
      found.push_back(at->second);
    const auto now = Steady::now();
    if (now - shared_->looked_at >= kBetweenLooks) {
      shared_->looked_at = now;
      look = !std::exchange(shared_->scheduled, true);
    }
  }
  if (look) asio::post(files_, [shared = shared_] { shared->synchronise(); });
  return found;
}

void ActionCache::note(const KnownAction& action, Edit edit) {
  bool write = false;
  {
    const std::lock_guard lock(shared_->mutex);
    Shared& all = *shared_;
    const auto key = std::make_pair(action.key, action.element.shape);
    Edit& last = all.edits.try_emplace(key, edit).first->second;
    if (edit != Edit::used) last = edit;
    if (edit == Edit::forgotten) all.erase(key);
    if (edit == Edit::learned) {
      all.set(action);
      auto at = all.book.lower_bound({action.key, ""});
      std::vector<ActionBook::key_type> shapes;
      for (; at != all.book.end() && at->first.first == action.key; ++at)
        if (at->first != key) shapes.push_back(at->first);
      std::sort(shapes.begin(), shapes.end(), [&](const auto& a, const auto& b) {
        return all.book.at(a).used_at > all.book.at(b).used_at;
      });
      for (std::size_t i = kShapesMax - 1; i < shapes.size(); ++i) {
        all.erase(shapes[i]);
        all.edits[shapes[i]] = Edit::forgotten;
      }
      all.keep_limits();
    }
    const bool hurry = edit != Edit::used || Steady::now() - all.written_at >= kBetweenUses;
    write = hurry && !std::exchange(all.scheduled, true);
  }
  if (write) asio::post(files_, [shared = shared_] { shared->synchronise(); });
}

void ActionCache::put(KnownAction action) {
  action.learned_at = action.used_at = clock_.wall();
  note(action, Edit::learned);
}

void ActionCache::count_use(const KnownAction& action) {
  {
    const std::lock_guard lock(shared_->mutex);
    const auto at = shared_->book.find({action.key, action.element.shape});
    if (at == shared_->book.end()) return;
    ++at->second.uses;
    at->second.used_at = clock_.wall();
  }
  note(action, Edit::used);
}

void ActionCache::forget(const KnownAction& action) { note(action, Edit::forgotten); }

Result<ActionBook> read_actions(const std::string& file) { return read_book(file); }

Result<void> change_actions(const std::string& file,
                            const std::function<void(ActionBook&)>& change) {
  const FileLock others(file);
  TRY(auto book, read_book(file));
  change(book);
  return replace_text_file(file, pretty(to_json(book)));
}

}  // namespace troupe::interact
