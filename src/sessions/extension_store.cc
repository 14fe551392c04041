#include "sessions/extension_store.h"

#include <filesystem>
#include <map>

#include "base/json.h"
#include "base/random.h"
#include "base/text_file.h"
#include "sessions/zip_archive.h"

namespace troupe::sessions {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kExtensionsMax = 1'000;
constexpr std::size_t kManifestBytesMax = 1 << 20;
constexpr std::size_t kRowBytesMax = 64 << 10;
constexpr std::size_t kNameBytesMax = 255;
constexpr auto kManifestHint = "put manifest.json at the root of the archive, in no folder";

Error unknown(const std::string& id) {
  return fail(Errc::not_found, "extension " + id.substr(0, 64) + ": not known here", "extensions");
}

// Chrome allows comments in a manifest, so that only what everybody reads alike is checked: it must
// be there, be text, and begin as an object.
Result<void> check_manifest(const std::string& folder) {
  const auto text = read_text_file(folder + "/manifest.json", kManifestBytesMax);
  if (!text && text.error().code == Errc::not_found)
    return fail(Errc::invalid_argument, "extension: the archive has no manifest.json", "file",
                kManifestHint);
  if (!text) return text.error();
  const auto begin = text->find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  if (begin != std::string::npos && ((*text)[begin] == '{' || (*text)[begin] == '/')) return {};
  return fail(Errc::invalid_argument, "extension: manifest.json is not a JSON object", "file");
}

// On the blocking pool: all of one upload, with nothing left of one that failed.
Result<void> unpack(const std::string& zip, const std::string& folder) {
  TRY(const bool has_manifest, zip_has(zip, "manifest.json"));
  if (!has_manifest)
    return fail(Errc::invalid_argument, "extension: the archive has no manifest.json", "file",
                kManifestHint);
  auto done = unpack_zip(zip, folder, {});
  if (done) done = check_manifest(folder);
  std::error_code ignored;
  if (!done) fs::remove_all(folder, ignored);
  return done;
}

Result<void> write_row(const std::string& dir, const StoredExtension& extension) {
  const json::object row{{"id", extension.id},
                         {"project", extension.project},
                         {"file_name", extension.file_name},
                         {"created_at", to_unix_ms(extension.created_at)}};
  return replace_text_file(dir + "/" + extension.id + ".json", json::serialize(row) + "\n");
}

std::optional<StoredExtension> read_row(const fs::path& file) {
  const auto text = read_text_file(file.string(), kRowBytesMax);
  if (!text) return std::nullopt;
  const auto row = parse_json(*text, file.string());
  if (!row || !row->is_object()) return std::nullopt;
  const auto& object = row->get_object();
  StoredExtension extension;
  extension.id = std::string(find_string(object, "id").value_or(""));
  extension.project = std::string(find_string(object, "project").value_or(""));
  extension.file_name = std::string(find_string(object, "file_name").value_or(""));
  extension.created_at =
      WallTime(std::chrono::milliseconds(find_int(object, "created_at").value_or(0)));
  extension.updated_at = extension.created_at;
  extension.folder = (file.parent_path() / extension.id).string();
  std::error_code ignored;
  if (extension.id.empty() || extension.id != file.stem().string()) return std::nullopt;
  if (!fs::is_directory(extension.folder, ignored)) return std::nullopt;
  return extension;
}

class FileExtensionStore final : public ExtensionStore {
 public:
  FileExtensionStore(Clock& clock, std::string dir) : clock_(clock), dir_(std::move(dir)) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(dir_, error)) {
      if (entry.path().extension() != ".json") continue;
      if (auto extension = read_row(entry.path()))
        extensions_.emplace(extension->id, std::move(*extension));
    }
    // What a Troupe that died left half done.
    for (const auto& entry : fs::directory_iterator(dir_, error)) {
      std::error_code ignored;
      if (!extensions_.contains(entry.path().stem().string()))
        fs::remove_all(entry.path(), ignored);
    }
  }

  // What is to be removed shall be.
  ~FileExtensionStore() override { files_.join(); }

  Async<StoredExtension> add(Context& ctx, std::string project, std::string file_name,
                             std::string zip) override {
    if (zip.size() > kExtensionBytesMax)
      co_return fail(Errc::payload_too_large,
                     "extension: " + std::to_string(zip.size()) + " bytes exceed " +
                         std::to_string(kExtensionBytesMax),
                     "file");
    if (extensions_.size() + adding_ >= kExtensionsMax)
      co_return fail(Errc::exhausted,
                     "extensions: there are " + std::to_string(kExtensionsMax) + " already",
                     "extensions", "delete some");
    StoredExtension extension;
    extension.id = random_.uuid();
    extension.project = std::move(project);
    extension.file_name = file_name.substr(0, kNameBytesMax);
    extension.folder = dir_ + "/" + extension.id;
    extension.created_at = extension.updated_at = clock_.wall();
    std::function<Result<void>()> work = [zip = std::move(zip), extension,
                                          dir = dir_]() -> Result<void> {
      TRY_VOID(unpack(zip, extension.folder));
      return write_row(dir, extension);
    };
    ++adding_;
    auto written = co_await run_blocking<void>(ctx, files_, std::move(work));
    --adding_;
    if (!written) {
      drop_files(extension.id);
      co_return written.error();
    }
    extensions_.emplace(extension.id, extension);
    co_return extension;
  }

  Result<StoredExtension> find(const std::string& id) const override {
    const auto found = extensions_.find(id);
    if (found == extensions_.end()) return unknown(id);
    return found->second;
  }

  Async<void> remove(Context&, std::string id) override {
    if (extensions_.erase(id) == 0) co_return unknown(id);
    drop_files(id);
    co_return Result<void>{};
  }

 private:
  // The description goes first: without it the folder counts as a remainder. Behind the work that
  // may still write into it, as there is one thread.
  void drop_files(const std::string& id) {
    asio::post(files_, [dir = dir_, id] {
      std::error_code ignored;
      fs::remove(dir + "/" + id + ".json", ignored);
      fs::remove_all(dir + "/" + id, ignored);
    });
  }

  Clock& clock_;
  std::string dir_;
  Random random_ = Random::from_system();
  std::map<std::string, StoredExtension> extensions_;
  std::size_t adding_ = 0;
  asio::thread_pool files_{1};
};

}  // namespace

Result<std::unique_ptr<ExtensionStore>> make_extension_store(Clock& clock, std::string dir) {
  std::error_code error;
  fs::create_directories(dir, error);
  if (error)
    return fail(Errc::storage_failed, "extensions folder " + dir + ": " + error.message(),
                "data_dir", "free disk space, or set data_dir to a folder that can be written");
  std::unique_ptr<ExtensionStore> store =
      std::make_unique<FileExtensionStore>(clock, std::move(dir));
  return store;
}

}  // namespace troupe::sessions
