#include "sessions/session_intents.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/json.h"
#include "base/random.h"

namespace troupe::sessions {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kLinesMax = 100'000;  // then the journal is written anew
constexpr std::string_view kSuffix = ".journal";
constexpr auto kDraftAge = std::chrono::minutes(1);

Error storage_error(const std::string& path, const std::string& why) {
  return fail(Errc::storage_failed, "session journal " + path + ": " + why, "data_dir",
              "no paid session is made without its journal: free disk space, or set data_dir to a "
              "folder that can be written");
}

Error storage_error(const std::string& path) { return storage_error(path, std::strerror(errno)); }

Result<void> write_all(int fd, std::string_view text, const std::string& path,
                       const FileCalls& calls = {}) {
  while (!text.empty()) {
    const ssize_t written = calls.write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return storage_error(path);
    if (written == 0) return storage_error(path, "takes no more");
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fdatasync(fd) != 0) return storage_error(path);
  return {};
}

Result<void> sync_folder(const std::string& dir) {
  const int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return storage_error(dir);
  const int result = ::fsync(fd);
  ::close(fd);
  if (result != 0) return storage_error(dir);
  return {};
}

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The first process names the folder; whoever comes second takes the name that won.
Result<std::string> read_or_make_install_id(const std::string& dir) {
  const std::string path = dir + "/install_id";
  for (int round = 0; round < 2; ++round) {
    const std::string known = read_text(path);
    if (known.size() >= 16) return known;
    const std::string made = secure_token(12);
    const std::string draft = path + "." + made;
    const int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return storage_error(draft);
    auto written = write_all(fd, made, draft);
    ::close(fd);
    if (written && !known.empty()) ::unlink(path.c_str());  // half a name is none
    if (written && ::link(draft.c_str(), path.c_str()) != 0 && errno != EEXIST)
      written = storage_error(path);
    ::unlink(draft.c_str());
    if (!written) return written.error();
  }
  const std::string known = read_text(path);
  if (known.size() < 16) return storage_error(path, "cannot be read back");
  return known;
}

std::string line_of(const json::object& event) { return json::serialize(event) + "\n"; }

std::string intend_line(const SessionIntent& intent) {
  return line_of({{"event", "intend"},
                  {"id", intent.id},
                  {"provider", intent.provider},
                  {"tenant", intent.tenant},
                  {"account", intent.account},
                  {"at_unix_ms", intent.at_unix_ms}});
}

std::string answered_line(const std::string& id, const std::string& provider_id) {
  return line_of({{"event", "answered"}, {"id", id}, {"provider_id", provider_id}});
}

using Table = std::map<std::string, SessionIntent>;

void apply(Table& table, const json::object& event) {
  const auto text = [&](std::string_view key) {
    return std::string(find_string(event, key).value_or(""));
  };
  const std::string id = text("id");
  const std::string kind = text("event");
  if (id.empty()) return;
  if (kind == "intend") {
    table[id] = {.id = id,
                 .provider = text("provider"),
                 .tenant = text("tenant"),
                 .account = text("account"),
                 .at_unix_ms = find_int(event, "at_unix_ms").value_or(0),
                 .inherited = true};
  } else if (kind == "answered" && table.contains(id)) {
    table[id].provider_id = text("provider_id");
  } else if (kind == "settled") {
    table.erase(id);
  }
}

void read_journal(const std::string& path, Table& table) {
  std::ifstream file(path, std::ios::binary);
  for (std::string line; std::getline(file, line);) {
    const auto event = parse_json(line, "journal");
    if (event && event->is_object()) apply(table, event->get_object());
  }
}

// A journal of somebody else: whether its process lives is told by the lock.
struct ForeignJournal {
  std::string path;
  int fd = -1;  // locked by us now: its process has died

  ~ForeignJournal() {
    if (fd >= 0) ::close(fd);
  }
};

std::vector<std::unique_ptr<ForeignJournal>> foreign_journals(const std::string& dir,
                                                              const std::string& own) {
  std::vector<std::unique_ptr<ForeignJournal>> all;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(dir, ignored)) {
    auto journal = std::make_unique<ForeignJournal>();
    journal->path = entry.path().string();
    if (!journal->path.ends_with(kSuffix) || journal->path == own) continue;
    const int fd = ::open(journal->path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) continue;
    struct stat about{};
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      ::close(fd);
    } else if (::fstat(fd, &about) != 0 || about.st_nlink == 0) {
      ::close(fd);  // another process took it over in this moment
      continue;
    } else {
      journal->fd = fd;
    }
    all.push_back(std::move(journal));
  }
  return all;
}

std::string lines_of(const Table& table) {
  std::string text;
  for (const auto& [id, intent] : table) {
    text += intend_line(intent);
    if (!intent.provider_id.empty()) text += answered_line(id, intent.provider_id);
  }
  return text;
}

// A journal that no process holds, for whoever has the key of the account.
Result<void> leave_journal(const std::string& dir, const std::string& text) {
  const std::string name = dir + "/" + secure_token(9) + std::string(kSuffix);
  const std::string draft = name + ".new";
  const int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return storage_error(draft);
  auto result = write_all(fd, text, draft);
  ::close(fd);
  if (result && ::rename(draft.c_str(), name.c_str()) != 0) result = storage_error(name);
  if (result) result = sync_folder(dir);
  if (!result) ::unlink(draft.c_str());
  return result;
}

struct Opened {
  std::string install_id;
  Table inherited;
};

}  // namespace

// Touched on the journal's own thread only.
struct SessionIntents::Journal {
  FileCalls calls;
  std::string dir;
  std::string account;
  std::string path;
  int fd = -1;
  off_t size = 0;
  bool torn = false;  ///< Half a line is behind `size`, which could not be cut off.

  ~Journal() {
    // Nothing open in it: nobody needs it. Otherwise the next process takes it over.
    if (fd >= 0 && is_settled()) ::unlink(path.c_str());
    if (fd >= 0) ::close(fd);
  }

  bool is_settled() const {
    Table left;
    read_journal(path, left);
    return left.empty();
  }

  // Locked before it has its name: a process that starts now must not take it for an orphan.
  Result<void> start(const std::string& text) {
    const std::string name = dir + "/" + secure_token(9) + std::string(kSuffix);
    const std::string draft = name + ".new";
    const int made = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (made < 0) return storage_error(draft);
    Result<void> result;
    if (::flock(made, LOCK_EX | LOCK_NB) != 0) result = storage_error(draft);
    if (result) result = write_all(made, text, draft, calls);
    if (result && ::rename(draft.c_str(), name.c_str()) != 0) result = storage_error(name);
    if (result) result = sync_folder(dir);
    if (!result) {
      ::unlink(draft.c_str());
      ::unlink(name.c_str());
      ::close(made);
      return result;
    }
    if (fd >= 0) {
      ::unlink(path.c_str());
      ::close(fd);
    }
    fd = made;
    path = name;
    size = static_cast<off_t>(text.size());
    torn = false;
    return {};
  }

  // No half line stays in front of the next one, which would then be no line either: it is cut off,
  // or else ended.
  Result<void> add(const std::string& line) {
    if (torn) torn = !cut_back();
    auto written = write_all(fd, torn ? "\n" + line : line, path, calls);
    if (written) {
      size = ::lseek(fd, 0, SEEK_CUR);
      torn = false;
    } else {
      torn = !cut_back();
    }
    return written;
  }

  bool cut_back() {
    if (calls.truncate(fd, size) != 0) return false;
    ::lseek(fd, size, SEEK_SET);
    return true;
  }

  // What processes left that died while they wrote a file which nobody knew yet.
  void remove_drafts() const {
    std::error_code ignored;
    std::vector<std::string> drafts;
    for (const auto& entry : fs::directory_iterator(dir, ignored)) {
      const std::string name = entry.path().filename().string();
      const bool is_draft =
          name.ends_with(std::string(kSuffix) + ".new") || name.starts_with("install_id.");
      std::error_code error;
      const auto changed = fs::last_write_time(entry.path(), error);
      // A younger one may be somebody's who is about to finish it.
      if (is_draft && !error && fs::file_time_type::clock::now() - changed > kDraftAge)
        drafts.push_back(entry.path().string());
    }
    for (const auto& draft : drafts) ::unlink(draft.c_str());
  }

  bool is_ours(const SessionIntent& intent) const {
    return account.empty() || intent.account.empty() || intent.account == account;
  }

  Result<Opened> open_all() {
    std::error_code error;
    fs::create_directories(dir, error);
    if (error) return storage_error(dir, error.message());
    remove_drafts();
    Opened opened;
    TRY(opened.install_id, read_or_make_install_id(dir));
    if (fd >= 0) read_journal(path, opened.inherited);  // of an open() whose caller left early
    const auto foreign = foreign_journals(dir, path);
    Table found, others;
    for (const auto& journal : foreign)
      if (journal->fd >= 0) read_journal(journal->path, found);
    for (auto& [id, intent] : found)
      (is_ours(intent) ? opened.inherited : others).insert_or_assign(id, std::move(intent));
    TRY_VOID(start(lines_of(opened.inherited)));
    if (!others.empty()) TRY_VOID(leave_journal(dir, lines_of(others)));
    for (const auto& journal : foreign)
      if (journal->fd >= 0) ::unlink(journal->path.c_str());
    return opened;
  }
};

SessionIntents::SessionIntents(std::string data_dir, FileCalls calls, std::string account)
    : dir_(std::move(data_dir) + "/sessions"), journal_(std::make_shared<Journal>()) {
  journal_->calls = std::move(calls);
  journal_->dir = dir_;
  journal_->account = std::move(account);
}

SessionIntents::~SessionIntents() {
  if (thread_) thread_->join();
}

Async<void> SessionIntents::open(Context& ctx) {
  while (opening_) CO_TRY_VOID(co_await opening_ended_.wait(ctx));
  if (opened_) co_return Result<void>{};
  opening_ = true;
  if (!thread_) thread_ = std::make_unique<asio::thread_pool>(1);
  std::function<Result<Opened>()> work = [journal = journal_] { return journal->open_all(); };
  auto opened = co_await run_blocking<Opened>(ctx, *thread_, std::move(work));
  opening_ = false;
  opening_ended_.pulse();
  if (!opened) co_return opened.error();
  opened_ = true;
  install_id_ = opened->install_id;
  for (auto& [id, intent] : opened->inherited) open_.emplace(id, std::move(intent));
  co_return Result<void>{};
}

// The table has the event already, so a journal written anew has it, too.
Async<void> SessionIntents::append(Context& ctx, std::string line) {
  const bool anew = ++lines_ > kLinesMax;
  if (anew) lines_ = 0;
  std::string text = anew ? lines_of(open_) : std::move(line);
  std::function<Result<void>()> work = [journal = journal_, anew, text = std::move(text)] {
    return anew ? journal->start(text) : journal->add(text);
  };
  co_return co_await run_blocking<void>(ctx, *thread_, std::move(work));
}

Async<void> SessionIntents::intend(Context& ctx, SessionIntent intent) {
  CO_TRY_VOID(co_await open(ctx));
  const std::string id = intent.id;
  std::string line = intend_line(intent);
  open_.insert_or_assign(id, std::move(intent));
  auto written = co_await append(ctx, std::move(line));
  if (written) co_return written;
  // A wait that ended early may still be written: settled by the line behind it.
  Context cleanup = ctx.for_cleanup(std::chrono::seconds(2), "session journal");
  (void)co_await settled(cleanup, id);
  co_return written.error();
}

Async<void> SessionIntents::answered(Context& ctx, std::string id, std::string provider_id) {
  const auto found = open_.find(id);
  if (found == open_.end())
    co_return fail(Errc::not_found, "session journal: " + id + " is not in it");
  found->second.provider_id = provider_id;
  std::string line = answered_line(id, provider_id);
  co_return co_await append(ctx, std::move(line));
}

Async<void> SessionIntents::settled(Context& ctx, std::string id) {
  if (open_.erase(id) == 0) co_return Result<void>{};
  std::string line = line_of({{"event", "settled"}, {"id", id}});
  co_return co_await append(ctx, std::move(line));
}

std::vector<SessionIntent> SessionIntents::unsettled() const {
  std::vector<SessionIntent> all;
  for (const auto& [id, intent] : open_) all.push_back(intent);
  return all;
}

std::vector<SessionIntent> abandoned_intents(const std::string& data_dir) {
  Table table;
  for (const auto& journal : foreign_journals(data_dir + "/sessions", {}))
    if (journal->fd >= 0) read_journal(journal->path, table);
  std::vector<SessionIntent> all;
  for (const auto& [id, intent] : table) all.push_back(intent);
  return all;
}

std::optional<WallTime> SessionIntents::asked_at(const std::string& id) const {
  const auto found = open_.find(id);
  if (found == open_.end() || found->second.at_unix_ms <= 0) return std::nullopt;
  return WallTime(std::chrono::milliseconds(found->second.at_unix_ms));
}

Async<std::set<std::string>> SessionIntents::owned_elsewhere(Context& ctx) {
  CO_TRY_VOID(co_await open(ctx));
  using Ids = std::set<std::string>;
  std::function<Result<Ids>()> work = [journal = journal_]() -> Result<Ids> {
    Ids ids;
    for (const auto& foreign : foreign_journals(journal->dir, journal->path)) {
      Table table;
      if (foreign->fd < 0) read_journal(foreign->path, table);
      for (const auto& [id, intent] : table) ids.insert(id);
    }
    return ids;
  };
  co_return co_await run_blocking<Ids>(ctx, *thread_, std::move(work));
}

}  // namespace troupe::sessions
