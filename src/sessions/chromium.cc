#include "sessions/chromium.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/random.h"
#include "services/stagehand_extension.h"

extern char** environ;

namespace troupe::sessions {
namespace fs = std::filesystem;
namespace {

// Debian's launchers are shell scripts, and the headless shell's does not exec: killing it would
// orphan the browser. So the binary itself is started.
constexpr const char* kDebianFolder = "/usr/lib/chromium/";

constexpr auto kEndpointPoll = std::chrono::milliseconds(2);

bool is_executable(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && access(path.c_str(), X_OK) == 0;
}

bool is_script(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char mark[2] = {};
  return file.read(mark, 2) && mark[0] == '#' && mark[1] == '!';
}

std::string find_in_path(const std::string& name) {
  const char* variable = std::getenv("PATH");
  std::string rest = variable ? variable : "/usr/local/bin:/usr/bin:/bin";
  while (!rest.empty()) {
    const auto colon = rest.find(':');
    const std::string candidate = rest.substr(0, colon) + "/" + name;
    if (is_executable(candidate)) return candidate;
    rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
  }
  return {};
}

// The binary behind a name or a launcher script; empty when there is none.
std::string resolve(const std::string& name_or_path) {
  std::string path = name_or_path;
  if (path.find('/') == std::string::npos) {
    if (is_executable(kDebianFolder + path)) return kDebianFolder + path;
    path = find_in_path(path);
  }
  if (path.empty() || !is_executable(path)) return {};
  const std::string behind = kDebianFolder + fs::path(path).filename().string();
  return is_script(path) && is_executable(behind) ? behind : path;
}

bool small_shared_memory() {
  struct statvfs shm{};
  if (statvfs("/dev/shm", &shm) != 0) return true;
  return static_cast<std::uint64_t>(shm.f_blocks) * shm.f_frsize < (256u << 20);
}

std::vector<std::string> flags_for(const ChromiumOptions& options, const BrowserBinary& binary,
                                   const std::string& profile) {
  std::vector<std::string> flags = {
      "--remote-debugging-pipe",
      "--user-data-dir=" + profile,
      "--no-first-run",
      "--no-default-browser-check",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--disable-default-apps",
      "--disable-breakpad",
      "--disable-crash-reporter",
      "--disable-client-side-phishing-detection",
      "--disable-domain-reliability",
      "--disable-quic",
      "--metrics-recording-only",
      "--mute-audio",
      "--password-store=basic",
      "--force-color-profile=srgb",
      // The last two keep or make documents that nobody comes back to, and a network process beside
      // the browser's saves nobody (on Linux it has no sandbox of its own): docs/performance.md.
      "--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider,"
      "InterestFeedContentSuggestions,CertificateTransparencyComponentUpdater,"
      "DisableLoadExtensionCommandLineSwitch,BackForwardCache,RenderDocument",
      "--enable-features=NetworkServiceInProcess2",
      "--window-size=" + std::to_string(options.width) + "," + std::to_string(options.height),
      "--js-flags=--max-old-space-size=" + std::to_string(options.renderer_heap_mb),
  };
  if (!binary.headless_shell) flags.push_back("--headless=new");
  if (!sandbox_off_reason().empty()) flags.push_back("--no-sandbox");
  if (small_shared_memory()) flags.push_back("--disable-dev-shm-usage");
  if (options.listening) flags.push_back("--remote-debugging-port=0");
  if (!options.driver_folder.empty()) {
    flags.push_back("--enable-unsafe-extension-debugging");
    flags.push_back("--remote-allow-origins=chrome-extension://" +
                    services::unpacked_extension_id(options.driver_folder));
  }
  flags.insert(flags.end(), options.extra_flags.begin(), options.extra_flags.end());
  if (options.listening) flags.push_back("about:blank");
  return flags;
}

// The caller's environment, with temporary files inside the profile so that they go with it.
std::vector<std::string> environment_for(const std::string& profile,
                                         const std::vector<std::string>& extra) {
  std::vector<std::string> environment = extra;
  environment.push_back("TMPDIR=" + profile + "/tmp");
  const std::vector<std::string> own = environment;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text(*entry);
    const auto name = text.substr(0, text.find('=') + 1);
    const bool replaced =
        std::any_of(own.begin(), own.end(), [&](const auto& row) { return row.starts_with(name); });
    if (!replaced && !text.starts_with("TROUPE_")) environment.emplace_back(text);
  }
  return environment;
}

std::string last_output(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(stream), {});
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const auto line = text.rfind('\n');
  text = line == std::string::npos ? text : text.substr(line + 1);
  return text.substr(0, 300);
}

bool has_page(const json::object& targets) {
  const auto* infos = find(targets, "targetInfos");
  if (!infos || !infos->is_array()) return false;
  const auto& list = infos->get_array();
  return std::any_of(list.begin(), list.end(), [](const json::value& info) {
    const auto* type = find(info, "type");
    return type && *type == json::value("page");
  });
}

// Kills processes whose command line names `profile`: those of a Troupe that died.
void kill_users_of(const std::string& profile) {
  const std::string mark = "--user-data-dir=" + profile;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid <= 1) continue;
    std::ifstream file(entry.path() / "cmdline", std::ios::binary);
    const std::string line(std::istreambuf_iterator<char>(file), {});
    const auto place = line.find(mark);
    if (place == std::string::npos) continue;
    const auto end = place + mark.size();
    if (end == line.size() || line[end] == '\0') kill(pid, SIGKILL);
  }
}

}  // namespace

Result<BrowserBinary> find_browser(const std::string& setting) {
  const std::vector<std::string> names =
      setting.empty() ? std::vector<std::string>{"chromium-headless-shell", "chrome-headless-shell",
                                                 "chromium", "google-chrome", "chromium-browser"}
                      : std::vector<std::string>{setting};
  std::string tried;
  for (const auto& name : names) {
    const std::string path = resolve(name);
    if (!path.empty())
      return BrowserBinary{.path = path,
                           .headless_shell = path.find("headless-shell") != std::string::npos};
    tried += (tried.empty() ? "" : ", ") + name;
  }
  return fail(Errc::browser_missing, "browser: none found (tried " + tried + ")", "browser",
              "install it (apt-get install chromium-headless-shell), or set TROUPE_BROWSER to the "
              "path of a Chromium binary");
}

EndReason end_of(const Chromium& chromium) {
  return chromium.closed() ? EndReason::provider_ended : EndReason::crashed;
}

std::string sandbox_off_reason() {
  return geteuid() == 0 ? "running as root: Chromium's sandbox needs an ordinary user" : "";
}

Result<BrowserBinary> find_full_browser(const std::string& setting) {
  if (!setting.empty()) {
    const auto given = find_browser(setting);
    if (given && !given->headless_shell) return given;
  }
  for (const char* name : {"chromium", "google-chrome", "chromium-browser", "chrome"})
    if (const auto found = find_browser(name); found && !found->headless_shell) return found;
  return fail(Errc::browser_missing, "browser: no full build found, only the headless shell",
              "browser", "extensions need one: apt-get install chromium");
}

Result<ProfileFolder> ProfileFolder::make(const std::string& browsers_dir) {
  ProfileFolder folder;
  const std::string dir = browsers_dir + "/" + secure_token(9);
  std::error_code error;
  fs::create_directories(dir + "/tmp", error);
  if (error)
    return fail(Errc::storage_failed, "profile folder " + dir + ": " + error.message(), "data_dir",
                "free disk space, or set data_dir to a folder that can be written");
  folder.path_ = dir;
  folder.lock_fd_ = open((dir + "/owner.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (folder.lock_fd_ < 0 || flock(folder.lock_fd_, LOCK_EX | LOCK_NB) != 0)
    return fail(Errc::storage_failed, "profile lock " + dir + ": " + std::strerror(errno));
  return folder;
}

ProfileFolder& ProfileFolder::operator=(ProfileFolder&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_fd_, other.lock_fd_);
  return *this;
}

ProfileFolder::~ProfileFolder() {
  if (!path_.empty()) {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

Async<std::unique_ptr<Chromium>> Chromium::launch(Context& ctx, ChromiumOptions options) {
  CO_TRY(ProfileFolder profile, ProfileFolder::make(options.browsers_dir));
  co_return co_await launch(ctx, std::move(options), std::move(profile));
}

Async<std::unique_ptr<Chromium>> Chromium::launch(Context& ctx, ChromiumOptions options,
                                                  ProfileFolder folder) {
  CO_TRY(const BrowserBinary binary, find_browser(options.browser));
  std::unique_ptr<Chromium> chromium(new Chromium);
  chromium->profile_ = std::move(folder);
  const std::string& profile = chromium->profile_.path();

  chromium->started_at_ = ctx.clock().now();
  if (options.cgroups) {
    const CgroupLimits limits{.memory_bytes = options.memory_bytes_max,
                              .cpu_weight = options.cpu_weight};
    auto group = options.cgroups->make(fs::path(profile).filename().string(), limits);
    if (group) chromium->cgroup_ = std::move(*group);
  }

  // Two socket pairs instead of pipes: their buffers hold whole messages, and they poll alike.
  int to_browser[2], from_browser[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, to_browser) != 0)
    co_return fail(Errc::exhausted, std::string("socketpair: ") + std::strerror(errno), "host",
                   "raise the limit on open files (ulimit -n)");
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, from_browser) != 0) {
    const std::string why = std::strerror(errno);
    for (const int descriptor : to_browser) ::close(descriptor);
    co_return fail(Errc::exhausted, "socketpair: " + why, "host",
                   "raise the limit on open files (ulimit -n)");
  }
  ProcessOptions process{.path = binary.path,
                         .arguments = flags_for(options, binary, profile),
                         .environment = environment_for(profile, options.extra_environment),
                         .fd3 = to_browser[1],
                         .fd4 = from_browser[1],
                         .output_file = profile + "/output.log",
                         .data_bytes_max = options.memory_bytes_max,
                         .cgroup_procs = chromium->cgroup_.procs_file()};
  auto spawned = Process::spawn(ctx.executor(), process);
  ::close(to_browser[1]);
  ::close(from_browser[1]);
  if (!spawned) {
    ::close(to_browser[0]);
    ::close(from_browser[0]);
    co_return spawned.error();
  }
  chromium->process_ = std::move(*spawned);
  chromium->connection_ = std::make_unique<cdp::Connection>(
      cdp::make_pipe_transport(ctx.executor(), from_browser[0], to_browser[0]));
  CO_TRY_VOID(co_await chromium->await_start(ctx, binary));
  if (options.listening) CO_TRY_VOID(co_await chromium->await_endpoint(ctx));
  co_return chromium;
}

Async<void> Chromium::await_start(Context& ctx, const BrowserBinary& binary) {
  auto version = co_await connection_->call(ctx, "", "Browser.getVersion");
  if (version) {
    version_ = std::string(find_string(*version, "product").value_or(""));
    co_return Result<void>{};
  }
  Error error = version.error();
  if (error.code == Errc::session_lost) {
    (void)co_await await_exit(ctx);
    error = fail(Errc::browser_missing,
                 "browser " + binary.path + ": did not start (" + process_->exit_text() +
                     "): " + last_output(profile_dir() + "/output.log"),
                 "browser", "run `troupe doctor` to see what it needs");
  }
  co_return error;
}

// Chromium writes the port and the path of its browser target into the profile at about the moment
// when it first answers on the pipe, and creates its first page then.
Async<void> Chromium::await_endpoint(Context& ctx) {
  const std::string file = profile_dir() + "/DevToolsActivePort";
  std::string port, path;
  for (;;) {
    std::ifstream stream(file);
    if (std::getline(stream, port) && std::getline(stream, path) && path.starts_with('/')) break;
    if (!alive()) co_return death();
    CO_TRY_VOID(co_await sleep_for(ctx, kEndpointPoll));
  }
  endpoint_ = "ws://127.0.0.1:" + port + path;
  for (;;) {
    CO_TRY(const auto targets, co_await connection_->call(ctx, "", "Target.getTargets"));
    if (has_page(targets)) co_return Result<void>{};
    CO_TRY_VOID(co_await sleep_for(ctx, kEndpointPoll));
  }
}

Chromium::~Chromium() {
  connection_.reset();
  process_.reset();
}

Async<void> Chromium::await_exit(Context& ctx) {
  Context brief = ctx.for_cleanup(std::chrono::seconds(1), "browser exit");
  co_return co_await process_->exited().wait(brief);
}

bool Chromium::closed() const {
  return !process_->running() && process_->exit_text() == "exit code 0";
}

Error Chromium::death() const {
  if (closed())
    return fail(Errc::session_lost, "browser: it was closed (exit code 0)", "browser",
                "its sessions have ended; tasks are retried in fresh ones");
  if (!process_->running())
    return fail(Errc::session_lost, "browser: its process ended (" + process_->exit_text() + ")",
                "browser", "its sessions are lost; tasks are retried in fresh ones");
  return connection_->close_reason();
}

Async<void> Chromium::close(Context& ctx) {
  if (alive()) {
    connection_->post("", "Browser.close");
    Context limit = ctx.for_cleanup(std::chrono::seconds(2), "browser close");
    (void)co_await process_->exited().wait(limit);
  }
  co_return co_await kill(ctx);
}

Async<void> Chromium::kill(Context& ctx) {
  process_->kill_group();
  Context limit = ctx.for_cleanup(std::chrono::seconds(5), "browser kill");
  co_return co_await process_->exited().wait(limit);
}

namespace {

// The lock goes last: without it nobody would know the rest for a profile. Processes that are
// dying may still write, so a folder may not be empty at the first try.
bool remove_profile(const std::string& dir) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(dir, error)) {
    std::error_code ignored;
    if (entry.path().filename() != "owner.lock") fs::remove_all(entry.path(), ignored);
  }
  if (std::distance(fs::directory_iterator(dir, error), fs::directory_iterator()) > 1) return false;
  fs::remove(dir + "/owner.lock", error);
  return fs::remove(dir, error) && !error;
}

}  // namespace

ReapedProfiles reap_profiles(const std::string& browsers_dir) {
  ReapedProfiles reaped;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(browsers_dir, error)) {
    const std::string dir = entry.path().string();
    const int lock = open((dir + "/owner.lock").c_str(), O_RDWR | O_CLOEXEC);
    if (lock < 0) continue;  // not a profile of ours, or being made right now
    if (flock(lock, LOCK_EX | LOCK_NB) == 0) {
      kill_users_of(dir);
      ++(remove_profile(dir) ? reaped.removed : reaped.left);
    }
    close(lock);
  }
  return reaped;
}

}  // namespace troupe::sessions
