#include "app/doctor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "app/commands.h"
#include "app/loop.h"
#include "app/text.h"
#include "services/browserbase.h"
#include "sessions/cgroup.h"
#include "sessions/chromium.h"
#include "sessions/remote_browser.h"
#include "sessions/session_intents.h"
#include "sessions/video_encoder.h"

namespace troupe::app {
namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kFreeDiskMin = 512 * kMiB;
constexpr std::int64_t kFreeMemoryMin = 512 * kMiB;
constexpr std::int64_t kSharedMemoryMin = 256 * kMiB;

std::string mebibytes(std::int64_t bytes) { return std::to_string(bytes / kMiB) + " MiB"; }

// MemAvailable of /proc/meminfo in bytes; -1 when it cannot be read.
std::int64_t available_memory() {
  std::ifstream stream("/proc/meminfo");
  std::string name;
  std::int64_t kibibytes = 0;
  std::string unit;
  while (stream >> name >> kibibytes) {
    if (name == "MemAvailable:") return kibibytes * 1024;
    std::getline(stream, unit);
  }
  return -1;
}

std::string first_line(const std::string& path) {
  std::ifstream stream(path);
  std::string line;
  std::getline(stream, line);
  return line;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  constexpr std::string_view words[] = {"ok", "warn", "fail"};
  return words[static_cast<std::size_t>(verdict)];
}

std::string data_dir_of(const Settings& settings) {
  if (!settings.data_dir.empty()) return settings.data_dir;
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state && *state) return std::string(state) + "/troupe";
  const char* home = std::getenv("HOME");
  return std::string(home ? home : "/tmp") + "/.local/state/troupe";
}

Finding check_sandbox() {
  const std::string reason = sessions::sandbox_off_reason();
  if (!reason.empty())
    return {"sandbox", Verdict::warning, "off: " + reason,
            "run troupe as an ordinary user, so that pages stay inside Chromium's sandbox"};
  const std::string clone = first_line("/proc/sys/kernel/unprivileged_userns_clone");
  const std::string most = first_line("/proc/sys/user/max_user_namespaces");
  if (clone == "0" || most == "0")
    return {"sandbox", Verdict::warning, "user namespaces are not allowed",
            "sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000"};
  return {"sandbox", Verdict::ok, "on", ""};
}

Finding check_shared_memory(const std::string& path) {
  struct statvfs space{};
  if (statvfs(path.c_str(), &space) != 0)
    return {"shared memory", Verdict::warning, path + ": " + std::strerror(errno),
            "mount a tmpfs there, or Chromium uses slower files"};
  const auto bytes =
      static_cast<std::int64_t>(space.f_blocks) * static_cast<std::int64_t>(space.f_frsize);
  if (bytes < kSharedMemoryMin)
    return {"shared memory", Verdict::warning,
            path + " has " + mebibytes(bytes) + ", less than " + mebibytes(kSharedMemoryMin),
            "in a container: docker run --shm-size=1g; else pages may crash"};
  return {"shared memory", Verdict::ok, path + " has " + mebibytes(bytes), ""};
}

Finding check_file_limit(int sessions_max) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  // Chromium opens about 20 descriptors per session, in processes that inherit the limit.
  const rlim_t wanted = 1024 + static_cast<rlim_t>(sessions_max) * 20;
  const std::string detail = std::to_string(limit.rlim_cur) + " open files";
  if (limit.rlim_cur >= wanted || limit.rlim_cur == RLIM_INFINITY)
    return {"file limit", Verdict::ok, detail, ""};
  return {"file limit", Verdict::warning,
          detail + ", less than " + std::to_string(wanted) + " for " +
              std::to_string(sessions_max) + " sessions",
          "ulimit -n " + std::to_string(wanted) + " (systemd: LimitNOFILE=)"};
}

Finding check_cgroup(const Settings& settings) {
  const auto folder = sessions::Cgroups::look(settings.cgroup_folder);
  if (folder)
    return {"cgroup", Verdict::ok,
            *folder + ": memory.max " + std::to_string(settings.browser_memory_max_mb) +
                " MiB for each browser",
            ""};
  // Processes are held to the limit all the same, one by one.
  return {"cgroup", settings.cgroup_folder == "-" ? Verdict::ok : Verdict::warning,
          "no limit for a whole browser: " + folder.error().message, folder.error().hint};
}

Finding check_memory() {
  const std::int64_t bytes = available_memory();
  if (bytes < 0) return {"memory", Verdict::warning, "/proc/meminfo cannot be read", "mount /proc"};
  const std::string detail = mebibytes(bytes) + " available";
  if (bytes < kFreeMemoryMin)
    return {"memory", Verdict::warning, detail + ", less than " + mebibytes(kFreeMemoryMin),
            "a session takes 24 to 81 MiB besides its pages: run fewer sessions, or free memory"};
  return {"memory", Verdict::ok, detail, ""};
}

Finding check_data_dir(const std::string& dir) {
  std::error_code error;
  std::filesystem::create_directories(dir, error);
  const std::string probe = dir + "/.doctor-" + std::to_string(::getpid());
  std::ofstream stream(probe);
  stream << "probe";
  stream.close();
  const bool writable = static_cast<bool>(stream);
  std::error_code ignored;
  std::filesystem::remove(probe, ignored);
  if (!writable)
    return {"data folder", Verdict::failure, dir + " cannot be written",
            "chown or chmod it, or name another one: TROUPE_DATA_DIR"};
  const auto space = std::filesystem::space(dir, error);
  const auto free = static_cast<std::int64_t>(space.available);
  if (!error && free < kFreeDiskMin)
    return {"data folder", Verdict::warning,
            dir + " has " + mebibytes(free) + " left, less than " + mebibytes(kFreeDiskMin),
            "free space, or name another folder: TROUPE_DATA_DIR"};
  return {"data folder", Verdict::ok, dir + " is writable, " + mebibytes(free) + " left", ""};
}

Finding check_port(const std::string& host, int port, const std::string& what) {
  const std::string name = "port " + std::to_string(port);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1)
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const bool bound =
      ::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int reason = errno;
  ::close(descriptor);
  if (bound) return {name, Verdict::ok, "free for " + what, ""};
  return {name, Verdict::warning, what + " cannot use it: " + std::strerror(reason),
          "end what listens there (ss -ltnp), or choose another port: --port"};
}

Finding check_video_encoder(const Settings& settings, std::string_view path) {
  const auto found = sessions::find_video_encoder(settings.video_encoder, path);
  if (found) return {"video encoder", Verdict::ok, *found, ""};
  if (settings.video_encoder.empty()) return {"video encoder", Verdict::ok, "none is wanted", ""};
  return {"video encoder", Verdict::warning,
          settings.video_encoder + " is not here: recordings give no MP4 and no HLS",
          found.error().hint};
}

Finding check_clock(WallTime now) {
  const std::string time = to_rfc3339(now);
  if (now < WallTime{std::chrono::seconds(1'735'689'600)})  // 2025-01-01
    return {"clock", Verdict::failure, time + " is in the past",
            "set the clock: certificates are not valid at that time"};
  return {"clock", Verdict::ok, time, ""};
}

std::optional<Finding> check_paid_sessions(const std::string& dir, bool has_key) {
  const auto left = sessions::abandoned_intents(dir);
  if (left.empty()) return std::nullopt;
  const std::string count = std::to_string(left.size());
  return Finding{"paid sessions", Verdict::warning,
                 count + " at Browserbase, of a troupe that died, are not confirmed as ended",
                 has_key ? "start troupe serve, or run anything: it releases them"
                         : "set BROWSERBASE_API_KEY, then start troupe serve: it releases them"};
}

asio::awaitable<Finding> check_browser(Context& ctx, Settings settings) {
  Finding finding{"browser", Verdict::ok, "", ""};
  const auto refuse = [&finding](const Error& error) {
    finding.verdict = Verdict::failure;
    finding.detail = one_line(error.message);
    finding.mend = error.hint.empty() ? "apt-get install chromium-headless-shell, or name a "
                                        "Chromium: TROUPE_BROWSER"
                                      : error.hint;
  };
  const auto binary = sessions::find_browser(settings.browser);
  if (!binary) {
    refuse(binary.error());
    co_return finding;
  }
  sessions::ChromiumOptions options;
  options.browser = settings.browser;
  options.browsers_dir = data_dir_of(settings) + "/browsers";
  std::error_code ignored;
  std::filesystem::create_directories(options.browsers_dir, ignored);
  const SteadyTime started = ctx.clock().now();
  auto browser = co_await sessions::Chromium::launch(ctx, std::move(options));
  if (!browser) {
    refuse(browser.error());
    co_return finding;
  }
  const auto took =
      std::chrono::duration_cast<std::chrono::milliseconds>(ctx.clock().now() - started);
  finding.detail = (*browser)->version() + " at " + binary->path + ", answers after " +
                   std::to_string(took.count()) + " ms";
  if (!binary->headless_shell) {
    finding.verdict = Verdict::warning;
    finding.mend = "chromium-headless-shell costs a quarter of the CPU: apt-get install it";
  }
  Context close_ctx = ctx.for_cleanup(std::chrono::seconds(5), "browser close");
  (void)co_await (*browser)->close(close_ctx);
  co_return finding;
}

asio::awaitable<Finding> check_cdp_endpoint(Context& ctx, std::string address) {
  Finding finding{"cdp endpoint", Verdict::ok, "", ""};
  Context limited = ctx.with_timeout(std::chrono::seconds(5), "cdp endpoint");
  const auto http = sessions::make_http_client();
  Result<std::string> url = std::string();
  if (!http) url = http.error();
  if (http) url = co_await sessions::resolve_endpoint(limited, **http, std::move(address));
  Result<std::shared_ptr<sessions::RemoteBrowser>> browser = nullptr;
  if (!url) browser = url.error();
  if (url) browser = co_await sessions::connect_remote_browser(limited, *url);
  if (!browser) {
    finding.verdict = Verdict::failure;
    finding.detail = one_line(browser.error().message);
    finding.mend = browser.error().hint;
    co_return finding;
  }
  finding.detail = (*browser)->product + " at " + (*browser)->name;
  co_return finding;
}

asio::awaitable<Finding> check_browserbase(Context& ctx, Settings settings) {
  Finding finding{"browserbase", Verdict::ok, "", ""};
  Context limited = ctx.with_timeout(std::chrono::seconds(10), "browserbase");
  const auto http = sessions::make_http_client();
  services::BrowserbaseOptions options{.api_key = settings.browserbase_api_key,
                                       .base_url = settings.browserbase_base_url,
                                       .project_id = settings.browserbase_project_id};
  Result<std::unique_ptr<services::BrowserbaseClient>> client = nullptr;
  if (!http) client = http.error();
  if (http)
    client = services::make_browserbase_client(std::move(options), **http, limited.clock(),
                                               Random::from_system());
  Result<std::vector<services::Project>> projects = std::vector<services::Project>{};
  if (!client) projects = client.error();
  if (client) projects = co_await (*client)->list_projects(limited);
  if (!projects) {
    finding.verdict = Verdict::failure;
    finding.detail = one_line(projects.error().message);
    finding.mend = projects.error().hint;
    co_return finding;
  }
  finding.detail = settings.browserbase_base_url + " knows the key";
  for (const auto& project : *projects)
    finding.detail += "; project '" + project.name + "': " + std::to_string(project.concurrency) +
                      " sessions at once";
  co_return finding;
}

namespace {

asio::awaitable<int> examine(Loop& loop, Clock& clock, const Invocation& invocation,
                             Settings settings) {
  Context base(clock, loop.executor());
  Context ctx = base.with_timeout(std::chrono::seconds(30), "start the browser");
  std::vector<Finding> findings;
  findings.push_back(check_data_dir(data_dir_of(settings)));
  findings.push_back(co_await check_browser(ctx, settings));
  findings.push_back(check_sandbox());
  findings.push_back(check_shared_memory("/dev/shm"));
  findings.push_back(check_file_limit(settings.sessions_max));
  findings.push_back(check_memory());
  findings.push_back(check_cgroup(settings));
  findings.push_back(check_port(settings.host, settings.port, "troupe serve"));
  findings.push_back(check_port("127.0.0.1", 8090, "troupe demo-site"));
  findings.push_back(check_clock(clock.wall()));
  const char* path = std::getenv("PATH");
  findings.push_back(check_video_encoder(settings, path ? path : ""));
  if (auto left = check_paid_sessions(data_dir_of(settings), !settings.browserbase_api_key.empty()))
    findings.push_back(std::move(*left));
  for (const auto& address : settings.cdp_endpoints)
    findings.push_back(co_await check_cdp_endpoint(ctx, address));
  if (!settings.browserbase_api_key.empty())
    findings.push_back(co_await check_browserbase(ctx, settings));

  bool failed = false;
  json::array rows;
  std::vector<std::string> lines;
  for (const auto& finding : findings) {
    failed = failed || finding.verdict == Verdict::failure;
    rows.push_back({{"name", finding.name},
                    {"verdict", to_string(finding.verdict)},
                    {"detail", finding.detail},
                    {"mend", finding.mend}});
    lines.push_back(pad(to_string(finding.verdict), 6) + pad(finding.name, 15) + finding.detail);
    if (!finding.mend.empty()) lines.push_back(std::string(21, ' ') + "→ " + finding.mend);
  }
  if (invocation.output == Output::json)
    print(pretty(json::object{{"ok", !failed}, {"checks", rows}}));
  else
    print_lines(lines);
  co_return failed ? traits(Errc::browser_missing).exit_code : 0;
}

}  // namespace

int doctor(const Invocation& invocation, const config::Loaded& loaded) {
  Loop loop;
  const auto clock = make_real_clock(loop.executor());
  return loop.run(examine(loop, *clock, invocation, loaded.settings));
}

}  // namespace troupe::app
