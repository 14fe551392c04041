// `troupe stagehand install` and `troupe stagehand status`: the extension that the interactor
// stagehand loads, fetched through npm in the one release that Troupe is made for.
#include <filesystem>

#include "app/commands.h"
#include "app/doctor.h"
#include "app/loop.h"
#include "base/digest.h"
#include "base/random.h"
#include "base/text_file.h"
#include "services/stagehand_extension.h"
#include "sessions/process.h"

extern char** environ;

namespace troupe::app {
namespace fs = std::filesystem;
namespace {

constexpr auto kFetchLimit = std::chrono::minutes(5);
constexpr std::size_t kArchiveMax = 64u << 20;
constexpr const char* kHint =
    "install npm, or fetch the archive elsewhere (npm pack @browserbasehq/stagehand@4.4.0) and "
    "name it: troupe stagehand install ARCHIVE";

std::string release_name() {
  return std::string(services::kStagehandPackage) + "@" + std::string(services::kStagehandRelease);
}

// Removed with this object.
class WorkFolder final {
 public:
  explicit WorkFolder(std::string path) : path_(std::move(path)) {}
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  ~WorkFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Result<void> make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error)
    return fail(Errc::storage_failed, "folder " + path + ": " + error.message(), "data_dir",
                "free disk space, or set TROUPE_DATA_DIR to a folder that can be written");
  return {};
}

// The caller's environment without Troupe's own settings, which hold secrets.
std::vector<std::string> environment_of_tools() {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry; ++entry)
    if (!std::string_view(*entry).starts_with("TROUPE_")) environment.emplace_back(*entry);
  return environment;
}

Async<void> run_tool(Context& ctx, std::string work, std::vector<std::string> command) {
  const std::string said = work + "/said.txt";
  const std::string name = command.front();
  sessions::ProcessOptions options{.path = "/usr/bin/env",
                                   .arguments = std::move(command),
                                   .environment = environment_of_tools(),
                                   .output_file = said,
                                   .working_dir = work};
  CO_TRY(auto process, sessions::Process::spawn(ctx.executor(), options));
  CO_TRY_VOID(co_await process->exited().wait(ctx));
  if (process->exit_text() == "exit code 0") co_return Result<void>{};
  if (process->exit_text() == "exit code 127")
    co_return fail(Errc::not_found, name + ": is not installed", "stagehand", kHint);
  auto text = read_text_file(said, 1 << 20);
  std::string end = text ? *text : std::string();
  if (end.size() > 400) end = "…" + end.substr(end.size() - 400);
  co_return fail(Errc::unavailable, name + ": ended with " + process->exit_text() + ": " + end,
                 "stagehand", kHint);
}

Result<std::string> archive_in(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".tgz") return entry.path().string();
  return fail(Errc::not_found, "npm: wrote no archive", "stagehand", kHint);
}

Result<void> check_archive(const std::string& archive) {
  TRY(const std::string bytes, read_text_file(archive, kArchiveMax));
  const std::string digest = to_base64(sha512(bytes));
  if (digest == services::kStagehandIntegrity) return {};
  return fail(
      Errc::invalid_argument,
      "archive " + archive + ": is not " + release_name() + " (its SHA-512 is " + digest + ")",
      "stagehand", "nothing was installed; fetch it again from a registry you trust");
}

Result<void> put_in_place(const std::string& unpacked, const std::string& home) {
  TRY_VOID(make_folder(fs::path(home).parent_path().string()));
  std::error_code error;
  fs::remove_all(home, error);
  fs::rename(unpacked, home, error);
  if (error)
    return fail(Errc::storage_failed, "folder " + home + ": " + error.message(), "data_dir");
  return {};
}

Async<void> install(Context& ctx, std::string given, std::string data_dir) {
  const WorkFolder work(data_dir + "/stagehand/new-" + secure_token(6));
  CO_TRY_VOID(make_folder(work.path()));
  std::string archive = std::move(given);
  if (archive.empty()) {
    std::vector<std::string> fetch{"npm", "pack", release_name(), "--pack-destination",
                                   work.path()};
    std::string folder = work.path();
    CO_TRY_VOID(co_await run_tool(ctx, std::move(folder), std::move(fetch)));
    CO_TRY(archive, archive_in(work.path()));
  }
  CO_TRY_VOID(check_archive(archive));
  std::vector<std::string> unpack{"tar", "-xzf",      archive,
                                  "-C",  work.path(), "package/dist/extension"};
  std::string folder = work.path();
  CO_TRY_VOID(co_await run_tool(ctx, std::move(folder), std::move(unpack)));
  const std::string unpacked = work.path() + "/package/dist/extension";
  const auto found = services::read_stagehand(unpacked);
  if (!found) co_return found.error();
  co_return put_in_place(unpacked, services::stagehand_home(data_dir));
}

int show(const Invocation& invocation, const Settings& settings) {
  const std::string dir = data_dir_of(settings);
  const auto found = services::find_stagehand(settings.stagehand_folder, dir);
  if (!found) return report(found.error());
  const json::object object{{"folder", found->folder},
                            {"extension", found->version},
                            {"id", found->id},
                            {"package", release_name()},
                            {"protocol", services::kStagehandProtocol},
                            {"from", settings.stagehand_folder.empty() ? "troupe stagehand install"
                                                                       : "stagehand_folder"}};
  if (wants_json(invocation.output))
    print(pretty(object));
  else
    print("Stagehand runtime " + found->version + " in " + found->folder + " (protocol " +
          std::string(services::kStagehandProtocol) + ")\n");
  return 0;
}

asio::awaitable<int> install_and_show(Context& ctx, const Invocation& invocation,
                                      Settings settings) {
  std::string given = invocation.arguments.empty() ? "" : invocation.arguments.front();
  if (!given.empty()) given = fs::absolute(given).string();
  std::string dir = fs::absolute(data_dir_of(settings)).string();
  Context limited = ctx.with_timeout(kFetchLimit, "install");
  const auto installed = co_await install(limited, std::move(given), std::move(dir));
  if (!installed) co_return report(installed.error());
  settings.stagehand_folder.clear();
  co_return show(invocation, settings);
}

}  // namespace

int show_stagehand(const Invocation& invocation, const config::Loaded& loaded) {
  return show(invocation, loaded.settings);
}

int install_stagehand(const Invocation& invocation, const config::Loaded& loaded) {
  Loop loop;
  const auto clock = make_real_clock(loop.executor());
  Context ctx(*clock, loop.executor());
  Interrupts interrupts(
      loop.io(), [&](int) { ctx.cancel_source().cancel(fail(Errc::cancelled, "interrupted")); });
  return loop.run(install_and_show(ctx, invocation, loaded.settings));
}

}  // namespace troupe::app
