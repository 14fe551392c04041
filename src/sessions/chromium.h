// Chromium on this machine: finding it, starting it over a pipe, and leaving nothing behind.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/async.h"
#include "cdp/connection.h"
#include "sessions/cgroup.h"
#include "sessions/process.h"
#include "troupe/session.hpp"

namespace troupe::sessions {

struct BrowserBinary {
  std::string path;
  bool headless_shell = false;  ///< The small build: always headless, a quarter of the cost.
};

/// `setting` is a path, a name (looked up in PATH and Debian's folder) or empty: headless shell
/// first. Errors: browser_missing, with what was tried.
Result<BrowserBinary> find_browser(const std::string& setting);

struct ChromiumOptions {
  std::string browser;       ///< As for find_browser.
  std::string browsers_dir;  ///< Profiles are made below it, one folder each.
  int renderer_heap_mb = 1024;
  int width = 1280;
  int height = 720;
  /// Also listens on a loopback port for CDP clients (Chromium::endpoint) and opens a blank page.
  /// No origin is let in: pages and extensions come through Troupe's gateway or not at all.
  bool listening = false;
  /// Folder of an unpacked extension that will be loaded (by whoever uses the browser) and may dial
  /// the port of a listening browser.
  std::string driver_folder;
  std::vector<std::string> extra_flags;
  std::vector<std::string> extra_environment;  ///< `NAME=value`; wins over the caller's.
  /// What the kernel lets each of its processes have, and all of them where there are cgroups; 0:
  /// any.
  std::int64_t memory_bytes_max = 0;
  const Cgroups* cgroups = nullptr;  ///< Null: no cgroup of its own. Lives longer.
  int cpu_weight = 100;
};

/// A folder for one browser's profile and temporary files, locked by this process; removed with
/// this object.
class ProfileFolder final {
 public:
  /// Errors: storage_failed.
  static Result<ProfileFolder> make(const std::string& browsers_dir);
  ProfileFolder() = default;
  ProfileFolder(ProfileFolder&& other) noexcept { *this = std::move(other); }
  ProfileFolder& operator=(ProfileFolder&& other) noexcept;
  ~ProfileFolder();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int lock_fd_ = -1;
};

/// As find_browser, but only a full build, which the small one is not: for extensions.
Result<BrowserBinary> find_full_browser(const std::string& setting);

/// One browser process. Dies with this object, with Troupe, or by itself; its profile folder goes
/// when this object ends, or at the next start of Troupe. Threads: engine.
class Chromium final {
 public:
  /// Errors: browser_missing (with the end of what it printed), storage_failed, timeout.
  static Async<std::unique_ptr<Chromium>> launch(Context& ctx, ChromiumOptions options);
  /// With a profile that was prepared.
  static Async<std::unique_ptr<Chromium>> launch(Context& ctx, ChromiumOptions options,
                                                 ProfileFolder profile);
  ~Chromium();

  cdp::Connection& connection() { return *connection_; }
  Process& process() { return *process_; }
  const Cgroup& cgroup() const { return cgroup_; }
  SteadyTime started_at() const { return started_at_; }
  const std::string& profile_dir() const { return profile_.path(); }
  /// `ws://127.0.0.1:port/…` of a listening browser; else empty. Secret.
  const std::string& endpoint() const { return endpoint_; }
  const std::string& version() const { return version_; }  ///< `HeadlessChrome/156.0…`
  bool alive() const { return process_->running() && connection_->is_open(); }
  /// Why it is not alive: exit status, or what broke the connection.
  Error death() const;
  /// The pipe breaks a moment before the exit can be seen: waits for that, at most a second.
  Async<void> await_exit(Context& ctx);
  /// It ended in order (somebody closed it), rather than died.
  bool closed() const;

  /// Asks it to end, kills it after 2 s. Harmless when it is dead.
  Async<void> close(Context& ctx);
  /// Ends it at once; what it has not written is lost.
  Async<void> kill(Context& ctx);

 private:
  Chromium() = default;
  Async<void> await_start(Context& ctx, const BrowserBinary& binary);
  Async<void> await_endpoint(Context& ctx);

  ProfileFolder profile_;  // outlives the process: the last member to go
  Cgroup cgroup_;
  SteadyTime started_at_{};
  std::unique_ptr<Process> process_;
  std::unique_ptr<cdp::Connection> connection_;
  std::string version_;
  std::string endpoint_;
};

/// How the sessions of a browser that is not alive ended.
EndReason end_of(const Chromium& chromium);

/// Why `--no-sandbox` is added, or empty when it is not: only for root.
std::string sandbox_off_reason();

struct ReapedProfiles {
  int removed = 0;
  int left = 0;  ///< Processes that are dying still wrote into them: to be tried again.
};
/// Removes profile folders below `browsers_dir` whose Troupe has died (kill -9, power loss), and
/// kills what still runs on them. Never touches those of a living Troupe.
ReapedProfiles reap_profiles(const std::string& browsers_dir);

}  // namespace troupe::sessions
