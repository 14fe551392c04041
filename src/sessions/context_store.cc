#include "sessions/context_store.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "base/json.h"
#include "base/random.h"
#include "sessions/profile_archive.h"

namespace troupe::sessions {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kNameBytesMax = 128;

std::string folded(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string trimmed(const std::string& text) {
  const auto start = text.find_first_not_of(" \t\r\n");
  if (start == std::string::npos) return {};
  return text.substr(start, text.find_last_not_of(" \t\r\n") - start + 1);
}

WallTime from_unix_ms(std::int64_t value) { return WallTime(std::chrono::milliseconds(value)); }

// Written beside and renamed, so that there is an old or a new one at every moment.
Result<void> write_description(const std::string& dir, const StoredContext& context) {
  const json::object row{{"id", context.id},
                         {"project", context.project},
                         {"name", context.name},
                         {"created_at", to_unix_ms(context.created_at)},
                         {"updated_at", to_unix_ms(context.updated_at)}};
  const std::string file = dir + "/" + context.id + ".json";
  std::ofstream out(file + ".new", std::ios::trunc);
  out << json::serialize(row) << '\n';
  out.close();
  std::error_code error;
  if (out) fs::rename(file + ".new", file, error);
  if (!out || error)
    return fail(Errc::storage_failed, "context " + file + ": cannot be written", "data_dir",
                "free disk space, or mend the permissions of data_dir");
  return {};
}

std::optional<StoredContext> read_description(const fs::path& file) {
  std::ifstream in(file);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const auto row = parse_json(text, file.string());
  if (!row || !row->is_object()) return std::nullopt;
  const auto& object = row->get_object();
  StoredContext context{.id = std::string(find_string(object, "id").value_or("")),
                        .project = std::string(find_string(object, "project").value_or("")),
                        .name = std::string(find_string(object, "name").value_or("")),
                        .created_at = from_unix_ms(find_int(object, "created_at").value_or(0)),
                        .updated_at = from_unix_ms(find_int(object, "updated_at").value_or(0))};
  if (context.id != file.stem().string()) return std::nullopt;
  return context;
}

class FileContextStore final : public ContextStore {
 public:
  FileContextStore(Clock& clock, std::string dir)
      : clock_(clock), dir_(std::move(dir)), random_(Random::from_system()), files_(1) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(dir_, error)) {
      std::error_code ignored;
      const auto extension = entry.path().extension();
      if (extension == ".new") fs::remove(entry.path(), ignored);  // a Troupe died over it
      if (extension != ".json") continue;
      if (auto context = read_description(entry.path()))
        contexts_.emplace(context->id, std::move(*context));
    }
  }

  Async<StoredContext> create(Context&, std::string project, std::string name) override {
    name = trimmed(name);
    if (name.size() > kNameBytesMax)
      co_return fail(Errc::invalid_argument, "context name: " + std::to_string(name.size()) +
                                                 " bytes exceed " + std::to_string(kNameBytesMax));
    for (const auto& [id, other] : contexts_)
      if (!name.empty() && other.project == project && folded(other.name) == folded(name))
        co_return fail(Errc::conflict, "context name '" + name + "': taken by " + id);
    const WallTime now = clock_.wall();
    StoredContext context{.id = random_.uuid(),
                          .project = std::move(project),
                          .name = std::move(name),
                          .created_at = now,
                          .updated_at = now};
    CO_TRY_VOID(make_folder());
    CO_TRY_VOID(write_description(dir_, context));
    contexts_.emplace(context.id, context);
    co_return context;
  }

  Result<StoredContext> find(const std::string& id) const override {
    const auto found = contexts_.find(id);
    if (found == contexts_.end()) return unknown(id);
    return found->second;
  }

  Async<void> remove(Context&, std::string id) override {
    if (!contexts_.contains(id)) co_return unknown(id);
    if (claimed_.contains(id)) co_return in_use(id);
    contexts_.erase(id);
    std::error_code profile_error, error;
    fs::remove(profile_file(id), profile_error);
    fs::remove(dir_ + "/" + id + ".json", error);
    if (profile_error || error)
      co_return fail(Errc::storage_failed, "context " + id + ": cannot be deleted", "data_dir");
    co_return Result<void>{};
  }

  Async<void> load(Context& ctx, std::string id, std::string user_data_dir, bool persist) override {
    if (!contexts_.contains(id)) co_return unknown(id);
    if (persist && !claimed_.insert(id).second) co_return in_use(id);
    std::error_code ignored;
    if (!fs::exists(profile_file(id), ignored)) co_return Result<void>{};
    std::function<Result<void>()> work = [file = profile_file(id), user_data_dir, id,
                                          key_file = key_file()]() -> Result<void> {
      TRY(const ProfileKey key, load_or_make_profile_key(key_file));
      return unpack_profile(file, user_data_dir, key, id);
    };
    auto unpacked = co_await run_blocking<void>(ctx, files_, std::move(work));
    if (!unpacked && persist) claimed_.erase(id);
    co_return unpacked;
  }

  Async<void> save(Context& ctx, std::string id, std::string user_data_dir) override {
    const auto found = contexts_.find(id);
    if (found == contexts_.end()) co_return unknown(id);
    StoredContext changed = found->second;
    changed.updated_at = clock_.wall();
    std::function<Result<void>()> work = [file = profile_file(id), user_data_dir, id,
                                          key_file = key_file(), changed,
                                          dir = dir_]() -> Result<void> {
      TRY(const ProfileKey key, load_or_make_profile_key(key_file));
      const std::string fresh = file + ".new";
      auto packed = pack_profile(user_data_dir, fresh, key, id);
      std::error_code error;
      if (packed) fs::rename(fresh, file, error);
      if (!packed || error) {
        std::error_code ignored;
        fs::remove(fresh, ignored);
      }
      if (!packed) return packed;
      if (error) return fail(Errc::storage_failed, "context " + file + ": " + error.message());
      return write_description(dir, changed);
    };
    auto saved = co_await run_blocking<void>(ctx, files_, std::move(work));
    claimed_.erase(id);
    if (const auto now = contexts_.find(id); saved && now != contexts_.end())
      now->second.updated_at = changed.updated_at;
    co_return saved;
  }

  void give_up(const std::string& id) override { claimed_.erase(id); }

 private:
  // On first use: most who run Troupe keep no contexts.
  Result<void> make_folder() const {
    std::error_code error;
    fs::create_directories(dir_, error);
    if (error)
      return fail(Errc::storage_failed, "contexts folder " + dir_ + ": " + error.message(),
                  "data_dir", "free disk space, or set data_dir to a folder that can be written");
    fs::permissions(dir_, fs::perms::owner_all, error);
    return {};
  }
  std::string key_file() const { return dir_ + "/key"; }
  std::string profile_file(const std::string& id) const { return dir_ + "/" + id + ".profile"; }
  static Error unknown(const std::string& id) {
    return fail(Errc::not_found, "context " + id + ": not known here", "contexts");
  }
  static Error in_use(const std::string& id) {
    return fail(Errc::conflict, "context " + id + ": a session that persists into it is running",
                "contexts", "wait for its end, or start without persist");
  }

  Clock& clock_;
  std::string dir_;
  Random random_;
  std::map<std::string, StoredContext> contexts_;
  std::set<std::string> claimed_;  ///< A session that persists has them.
  asio::thread_pool files_;
};

}  // namespace

std::unique_ptr<ContextStore> make_context_store(Clock& clock, std::string dir) {
  return std::make_unique<FileContextStore>(clock, std::move(dir));
}

}  // namespace troupe::sessions
