#include "sessions/driver_uploads.h"

#include <algorithm>
#include <filesystem>

#include "base/digest.h"
#include "base/json.h"
#include "base/random.h"
#include "base/text_file.h"
#include "sessions/zip_archive.h"

namespace troupe::sessions {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kBytesMax = 100u << 20;  // Browserbase takes no larger archive
constexpr std::size_t kFilesMax = 2'000;
constexpr std::size_t kStateBytesMax = 1u << 20;
constexpr auto kTidyTimeout = std::chrono::seconds(5);

std::string state_file(const std::string& data_dir) {
  return data_dir + "/browserbase-extensions.json";
}

// What this account has of us, or nothing; a file that cannot be read costs one more upload.
json::object read_state(const std::string& data_dir) {
  const auto text = read_text_file(state_file(data_dir), kStateBytesMax);
  if (!text) return {};
  const auto parsed = parse_json(*text, "browserbase-extensions.json");
  return parsed && parsed->is_object() ? parsed->get_object() : json::object{};
}

struct Stored {
  std::string id, digest;
};

Stored stored_in(const json::object& state, const std::string& account) {
  const auto* row = find(state, account);
  if (!row || !row->is_object()) return {};
  return {.id = std::string(find_string(row->get_object(), "id").value_or("")),
          .digest = std::string(find_string(row->get_object(), "digest").value_or(""))};
}

Result<std::vector<ZipSource>> files_in(const std::string& folder) {
  std::error_code error;
  std::vector<ZipSource> files;
  fs::recursive_directory_iterator place(folder, error);
  if (error)
    return fail(Errc::not_found, "extension folder " + folder + ": " + error.message(), "session");
  std::uintmax_t bytes = 0;
  for (const fs::recursive_directory_iterator end; place != end; place.increment(error)) {
    if (error)
      return fail(Errc::storage_failed, "extension folder " + folder + ": " + error.message());
    if (!place->is_regular_file(error)) continue;
    bytes += place->file_size(error);
    if (files.size() == kFilesMax || bytes > kBytesMax)
      return fail(Errc::invalid_argument,
                  "extension folder " + folder + ": has more than " + std::to_string(kFilesMax) +
                      " files or " + std::to_string(kBytesMax) + " bytes",
                  "session");
    files.push_back({.name = fs::relative(place->path(), folder, error).generic_string(),
                     .path = place->path().string()});
  }
  if (files.empty())
    return fail(Errc::not_found, "extension folder " + folder + ": has no files", "session");
  std::sort(files.begin(), files.end(),
            [](const ZipSource& a, const ZipSource& b) { return a.name < b.name; });
  return files;
}

// Of names and contents: an archive's own bytes depend on times.
Result<std::string> digest_of(const std::vector<ZipSource>& files) {
  std::string all;
  for (const ZipSource& file : files) {
    TRY(const std::string bytes, read_text_file(file.path, kBytesMax));
    all += file.name + '\0' + sha256(bytes);
  }
  return to_hex(sha256(all));
}

Result<std::string> pack(const std::vector<ZipSource>& files, const std::string& data_dir) {
  const std::string path = data_dir + "/extension-" + secure_token(6) + ".zip";
  std::error_code ignored;
  const auto packed = pack_zip(files, path);
  auto bytes = packed ? read_text_file(path, kBytesMax) : Result<std::string>(packed.error());
  fs::remove(path, ignored);
  return bytes;
}

}  // namespace

DriverUploads::DriverUploads(services::BrowserbaseClient& client, observe::Log& log,
                             std::string data_dir, std::string account)
    : client_(client), log_(log), data_dir_(std::move(data_dir)), account_(std::move(account)) {}

DriverUploads::~DriverUploads() { files_.join(); }

void DriverUploads::tell(std::string_view status, const std::string& id, const Error* error) {
  log_.write({}, {.level = error ? observe::Level::warning : observe::Level::info,
                  .action = "extension.upload",
                  .status = status,
                  .details = {{"provider", "browserbase"}, {"extension", id}},
                  .error = error});
}

Async<std::string> DriverUploads::id_of(Context& ctx, std::string folder) {
  Upload& upload = uploads_[folder];
  while (upload.busy) CO_TRY_VOID(co_await upload.settled.wait(ctx));
  if (!upload.id.empty()) co_return upload.id;
  upload.busy = true;
  auto found = co_await find_or_upload(ctx, folder);
  upload.busy = false;
  if (found) upload.id = *found;
  upload.settled.pulse();
  co_return found;
}

Async<std::string> DriverUploads::find_or_upload(Context& ctx, const std::string& folder) {
  struct Local {
    std::vector<ZipSource> files;
    std::string digest;
    Stored stored;
  };
  std::function<Result<Local>()> look = [folder, dir = data_dir_,
                                         account = account_]() -> Result<Local> {
    Local local;
    TRY(local.files, files_in(folder));
    TRY(local.digest, digest_of(local.files));
    local.stored = stored_in(read_state(dir), account);
    return local;
  };
  CO_TRY(const Local local, co_await run_blocking<Local>(ctx, files_, std::move(look)));
  if (!local.stored.id.empty() && local.stored.digest == local.digest) {
    CO_TRY(const bool there, co_await is_there(ctx, local.stored.id));
    if (there) co_return local.stored.id;
  }
  std::function<Result<std::string>()> packing = [files = local.files, dir = data_dir_] {
    return pack(files, dir);
  };
  services::Upload file{.filename = "extension.zip", .content_type = "application/zip"};
  CO_TRY(file.bytes, co_await run_blocking<std::string>(ctx, files_, std::move(packing)));
  CO_TRY(const auto made, co_await client_.upload_extension(ctx, std::move(file)));
  if (made.id.empty())
    co_return fail(Errc::protocol_error, "browserbase: stored an extension without an id");
  tell("stored", made.id);
  Context cleanup = ctx.for_cleanup(kTidyTimeout, "uploaded extension");
  const auto noted = co_await remember(cleanup, made.id, local.digest);
  if (!noted) {
    const Error error = noted.error();
    tell("not remembered", made.id, &error);
  }
  // An older one of ours: nobody asks for it any more, and sessions that have it keep it.
  if (!local.stored.id.empty() && local.stored.digest != local.digest)
    (void)co_await client_.delete_extension(cleanup, local.stored.id);
  co_return made.id;
}

Async<bool> DriverUploads::is_there(Context& ctx, std::string id) {
  const auto told = co_await client_.get_extension(ctx, std::move(id));
  if (told) co_return true;
  if (told.error().code == Errc::not_found || told.error().code == Errc::gone) co_return false;
  co_return told.error();
}

Async<void> DriverUploads::remember(Context& ctx, std::string id, std::string digest) {
  std::function<Result<void>()> work = [id = std::move(id), digest = std::move(digest),
                                        dir = data_dir_, account = account_] {
    json::object state = read_state(dir);
    state[account] = json::object{{"id", id}, {"digest", digest}};
    return replace_text_file(state_file(dir), json::serialize(state));
  };
  co_return co_await run_blocking<void>(ctx, files_, std::move(work));
}

Async<bool> DriverUploads::is_gone(Context& ctx, std::string folder, std::string id) {
  std::string asked = id;
  CO_TRY(const bool there, co_await is_there(ctx, std::move(asked)));
  if (there) co_return false;
  Upload& upload = uploads_[folder];
  if (upload.id == id) upload.id.clear();  // else somebody has uploaded it again meanwhile
  co_return true;
}

}  // namespace troupe::sessions
