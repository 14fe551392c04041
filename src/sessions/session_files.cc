#include "sessions/session_files.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <memory>

#include "base/json.h"
#include "base/random.h"
#include "base/text_file.h"
#include "sessions/zip_archive.h"

namespace troupe::sessions {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kPiece = std::size_t{64} << 10;
constexpr std::size_t kNameBytesMax = 255;
constexpr std::size_t kNamesBytesMax = std::size_t{4} << 20;
constexpr std::size_t kNamesMax = 10'000;
constexpr std::string_view kNamesFile = ".names.json";

using Names = std::map<std::string, std::string>;

std::string hex_of(const unsigned char* bytes, std::size_t size) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

class Sha256 {
 public:
  Sha256() { EVP_DigestInit_ex(digest_.get(), EVP_sha256(), nullptr); }
  void add(std::string_view bytes) { EVP_DigestUpdate(digest_.get(), bytes.data(), bytes.size()); }
  std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
    unsigned size = 0;
    EVP_DigestFinal_ex(digest_.get(), value.data(), &size);
    return hex_of(value.data(), size);
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> digest_{EVP_MD_CTX_new()};
};

Result<std::string> checksum_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::storage_failed, path + ": cannot be read", "data_dir");
  Sha256 digest;
  std::vector<char> piece(kPiece);
  while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())) || file.gcount() > 0)
    digest.add({piece.data(), static_cast<std::size_t>(file.gcount())});
  if (file.bad()) return fail(Errc::storage_failed, path + ": cannot be read", "data_dir");
  return digest.hex();
}

// The same file of the same session has the same id, whenever it is listed.
std::string download_id(const std::string& session_id, const std::string& name) {
  Sha256 digest;
  digest.add(session_id);
  digest.add("/");
  digest.add(name);
  std::string hex = digest.hex().substr(0, 32);
  hex[12] = '8';  // RFC 9562: a UUID of the maker's own kind
  hex[16] = 'a';
  for (const std::size_t place : {20, 16, 12, 8}) hex.insert(place, "-");
  return hex;
}

bool is_unfinished(const std::string& name) {
  return name.starts_with('.') || name.ends_with(".crdownload") || name.ends_with(".tmp");
}

WallTime modified_at(const fs::path& path) {
  std::error_code error;
  const auto time = fs::last_write_time(path, error);
  if (error) return {};
  return std::chrono::time_point_cast<WallTime::duration>(std::chrono::file_clock::to_sys(time));
}

Names read_names(const std::string& folder) {
  Names names;
  const auto text = read_text_file(folder + "/" + std::string(kNamesFile), kNamesBytesMax);
  if (!text) return names;
  const auto value = parse_json(*text, "names of downloads");
  if (!value || !value->is_object()) return names;
  for (const auto& name : value->get_object())
    if (name.value().is_string()) names.emplace(name.key(), name.value().get_string());
  return names;
}

void write_names(const std::string& folder, const Names& names) {
  json::object object;
  for (const auto& [token, name] : names) object[token] = name;
  // Without it a download has the browser's token for a name; nothing worse.
  (void)replace_text_file(folder + "/" + std::string(kNamesFile), json::serialize(object));
}

}  // namespace

/// Size and time of change tell whether a checksum still holds.
struct SessionFiles::Cache {
  struct Row {
    std::uint64_t size = 0;
    WallTime modified_at{};
    std::string checksum;
  };
  std::map<std::string, Row> rows;

  Result<std::string> checksum(const std::string& path, std::uint64_t size, WallTime modified) {
    if (const auto row = rows.find(path);
        row != rows.end() && row->second.size == size && row->second.modified_at == modified)
      return row->second.checksum;
    TRY(auto checksum, checksum_of(path));
    rows[path] = {size, modified, checksum};
    return checksum;
  }

  Result<std::vector<StoredDownload>> scan(const std::string& session_id, const fs::path& folder,
                                           Names names) {
    for (auto& [token, name] : read_names(folder.string())) names.emplace(token, name);
    std::vector<StoredDownload> list;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      const std::string name = entry.path().filename().string();
      std::error_code missing;
      if (is_unfinished(name) || !entry.is_regular_file(missing) || entry.is_symlink(missing))
        continue;
      StoredDownload download;
      download.session_id = session_id;
      download.id = download_id(session_id, name);
      const auto known = names.find(name);
      download.file_name = known == names.end() ? name : known->second;
      download.mime_type = mime_type_of(download.file_name);
      download.path = entry.path().string();
      download.size = entry.file_size(missing);
      download.created_at = modified_at(entry.path());
      if (missing) continue;  // gone meanwhile
      TRY(download.checksum, checksum(download.path, download.size, download.created_at));
      list.push_back(std::move(download));
    }
    std::ranges::sort(list, [](const StoredDownload& a, const StoredDownload& b) {
      return std::tie(a.created_at, a.path) < std::tie(b.created_at, b.path);
    });
    return list;
  }
};

SessionFiles::SessionFiles(Clock& clock, SessionFilesOptions options)
    : clock_(clock), options_(std::move(options)), cache_(std::make_shared<Cache>()) {
  // Whose session was running when a Troupe died, has none now.
  asio::post(files_, [dir = options_.data_dir + "/uploads"] {
    std::error_code ignored;
    fs::remove_all(dir, ignored);
  });
  prune();
}

SessionFiles::~SessionFiles() { files_.join(); }

std::string SessionFiles::downloads_dir(const std::string& session_id) const {
  return options_.data_dir + "/downloads/" + session_id;
}

std::string SessionFiles::upload_dir(const std::string& session_id) const {
  return options_.data_dir + "/uploads/" + session_id;
}

SessionFiles::Names SessionFiles::names_of(const std::string& session_id) const {
  const auto found = names_.find(session_id);
  return found == names_.end() ? Names() : found->second;
}

void SessionFiles::name_download(const std::string& session_id, const std::string& token,
                                 std::string file_name) {
  if (!check_file_name(token) || !check_file_name(file_name)) return;
  Names& names = names_[session_id];
  if (names.size() < kNamesMax) names.emplace(token, std::move(file_name));
}

Async<std::vector<StoredDownload>> SessionFiles::downloads(Context& ctx, std::string session_id) {
  CO_TRY_VOID(check_file_name(session_id));
  std::function<Result<std::vector<StoredDownload>>()> work =
      [cache = cache_, session_id, folder = downloads_dir(session_id),
       names = names_of(session_id)] { return cache->scan(session_id, folder, names); };
  co_return co_await run_blocking<std::vector<StoredDownload>>(ctx, files_, std::move(work));
}

Async<StoredDownload> SessionFiles::download(Context& ctx, std::string id) {
  std::function<Result<StoredDownload>()> work = [cache = cache_, id,
                                                  root = options_.data_dir + "/downloads",
                                                  names = names_]() -> Result<StoredDownload> {
    std::error_code error;
    for (const auto& folder : fs::directory_iterator(root, error)) {
      const std::string session_id = folder.path().filename().string();
      for (const auto& file : fs::directory_iterator(folder.path(), error)) {
        if (download_id(session_id, file.path().filename().string()) != id) continue;
        const auto known = names.find(session_id);
        TRY(const auto all,
            cache->scan(session_id, folder.path(), known == names.end() ? Names() : known->second));
        for (const StoredDownload& download : all)
          if (download.id == id) return download;
      }
    }
    return fail(Errc::not_found, "download " + id.substr(0, 64) + ": not known here", "downloads");
  };
  co_return co_await run_blocking<StoredDownload>(ctx, files_, std::move(work));
}

Async<std::string> SessionFiles::zip_downloads(Context& ctx, std::string session_id) {
  CO_TRY(const auto all, co_await downloads(ctx, session_id));
  std::vector<ZipSource> files;
  for (const StoredDownload& download : all)
    files.push_back({timed_name(download.file_name, to_unix_ms(download.created_at)), download.path,
                     download.created_at});
  const std::string path =
      options_.data_dir + "/downloads/.zip-" + Random::from_system().uuid() + ".tmp";
  std::function<Result<std::string>()> work = [files = std::move(files),
                                               path]() -> Result<std::string> {
    TRY_VOID(pack_zip(files, path));
    return path;
  };
  co_return co_await run_blocking<std::string>(ctx, files_, std::move(work));
}

Async<void> SessionFiles::remove_download(Context& ctx, std::string id) {
  CO_TRY(const auto found, co_await download(ctx, id));
  std::function<Result<void>()> work = [path = found.path]() -> Result<void> {
    std::error_code error;
    fs::remove(path, error);
    if (error) return fail(Errc::storage_failed, path + ": " + error.message(), "data_dir");
    return {};
  };
  co_return co_await run_blocking<void>(ctx, files_, std::move(work));
}

Async<void> SessionFiles::remove_downloads(Context& ctx, std::string session_id) {
  CO_TRY(const auto all, co_await downloads(ctx, session_id));
  std::function<Result<void>()> work = [all]() -> Result<void> {
    for (const StoredDownload& download : all) {
      std::error_code error;
      fs::remove(download.path, error);
      if (error)
        return fail(Errc::storage_failed, download.path + ": " + error.message(), "data_dir");
    }
    return {};
  };
  co_return co_await run_blocking<void>(ctx, files_, std::move(work));
}

Async<std::string> SessionFiles::add_upload(Context& ctx, std::string session_id,
                                            std::string file_name, UploadContent content) {
  CO_TRY_VOID(check_file_name(session_id));
  CO_TRY_VOID(check_file_name(file_name));
  std::function<Result<std::string>()> work = [folder = upload_dir(session_id), file_name, content,
                                               options = options_]() -> Result<std::string> {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return fail(Errc::storage_failed, folder + ": " + error.message(), "data_dir");
    std::uint64_t bytes = content.bytes.size();
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      ++count;
      if (entry.path().filename() != file_name) bytes += entry.file_size(error);
    }
    if (bytes > options.upload_bytes_max)
      return fail(Errc::payload_too_large,
                  "uploads: " + std::to_string(bytes) + " bytes of one session exceed " +
                      std::to_string(options.upload_bytes_max),
                  "file");
    if (count >= options.uploads_max)
      return fail(Errc::exhausted,
                  "uploads: one session has " + std::to_string(count) + " files already", "file");
    const std::string path = folder + "/" + file_name;
    TRY_VOID(replace_text_file(path, content.bytes));
    return path;
  };
  co_return co_await run_blocking<std::string>(ctx, files_, std::move(work));
}

Async<std::string> SessionFiles::read_piece(Context& ctx, std::string path, std::uint64_t offset,
                                            std::size_t size) {
  std::function<Result<std::string>()> work = [path, offset, size]() -> Result<std::string> {
    std::ifstream file(path, std::ios::binary);
    if (!file) return fail(Errc::not_found, path + ": is not there any more", "data_dir");
    std::string piece(size, '\0');
    file.seekg(static_cast<std::streamoff>(offset));
    file.read(piece.data(), static_cast<std::streamsize>(size));
    if (file.bad()) return fail(Errc::storage_failed, path + ": cannot be read", "data_dir");
    piece.resize(static_cast<std::size_t>(file.gcount()));
    return piece;
  };
  co_return co_await run_blocking<std::string>(ctx, files_, std::move(work));
}

void SessionFiles::discard(const std::string& path) {
  asio::post(files_, [path] {
    std::error_code ignored;
    fs::remove(path, ignored);
  });
}

void SessionFiles::session_ended(const std::string& session_id) {
  if (!check_file_name(session_id)) return;
  const Names names = names_of(session_id);
  names_.erase(session_id);
  asio::post(files_,
             [uploads = upload_dir(session_id), downloads = downloads_dir(session_id), names] {
               std::error_code error;
               fs::remove_all(uploads, error);
               if (!fs::exists(downloads, error)) return;
               if (!names.empty() && !fs::is_empty(downloads, error)) write_names(downloads, names);
               fs::remove(downloads, error);  // only when it is empty
             });
}

void SessionFiles::prune() {
  const WallTime oldest = clock_.wall() - options_.downloads_kept;
  asio::post(files_, [root = options_.data_dir + "/downloads", oldest] {
    std::error_code error;
    for (const auto& folder : fs::directory_iterator(root, error)) {
      std::error_code ignored;
      if (modified_at(folder.path()) < oldest) fs::remove_all(folder.path(), ignored);
    }
  });
}

Result<void> check_file_name(std::string_view name) {
  const bool control = std::ranges::any_of(name, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '/' || c == '\\';
  });
  if (!name.empty() && !name.starts_with('.') && name.size() <= kNameBytesMax && !control)
    return {};
  return fail(Errc::invalid_argument, "file name: is not a plain name of at most 255 bytes", "file",
              "leave out folders and a dot at the beginning");
}

std::string timed_name(std::string_view name, std::int64_t unix_ms) {
  const auto dot = name.rfind('.');
  const std::size_t end = dot == std::string_view::npos || dot == 0 ? name.size() : dot;
  return std::string(name.substr(0, end)) + "-" + std::to_string(unix_ms) +
         std::string(name.substr(end));
}

std::string_view mime_type_of(std::string_view file_name) {
  constexpr std::array kTypes = std::to_array<std::pair<std::string_view, std::string_view>>({
      {".csv", "text/csv"},        {".gif", "image/gif"},      {".gz", "application/gzip"},
      {".htm", "text/html"},       {".html", "text/html"},     {".jpeg", "image/jpeg"},
      {".jpg", "image/jpeg"},      {".js", "text/javascript"}, {".json", "application/json"},
      {".mp3", "audio/mpeg"},      {".mp4", "video/mp4"},      {".pdf", "application/pdf"},
      {".png", "image/png"},       {".svg", "image/svg+xml"},  {".txt", "text/plain"},
      {".webm", "video/webm"},     {".webp", "image/webp"},    {".xml", "application/xml"},
      {".zip", "application/zip"},
  });
  std::string end(file_name.substr(std::min(file_name.rfind('.'), file_name.size())));
  std::ranges::transform(end, end.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  const auto row = std::ranges::find(kTypes, std::string_view(end),
                                     &std::pair<std::string_view, std::string_view>::first);
  return row == kTypes.end() ? "application/octet-stream" : row->second;
}

}  // namespace troupe::sessions
