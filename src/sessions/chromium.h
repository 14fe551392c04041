// Chromium on this machine: finding it, starting it over a pipe, and leaving nothing behind.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/async.h"
#include "cdp/connection.h"
#include "sessions/process.h"

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
  std::vector<std::string> extra_flags;
};

/// One browser process. Dies with this object, with Troupe, or by itself; its profile folder goes
/// when this object ends, or at the next start of Troupe. Threads: engine.
class Chromium final {
 public:
  /// Errors: browser_missing (with the end of what it printed), storage_failed, timeout.
  static Async<std::unique_ptr<Chromium>> launch(Context& ctx, ChromiumOptions options);
  ~Chromium();

  cdp::Connection& connection() { return *connection_; }
  Process& process() { return *process_; }
  const std::string& profile_dir() const { return profile_dir_; }
  const std::string& version() const { return version_; }  ///< `HeadlessChrome/156.0…`
  bool alive() const { return process_->running() && connection_->is_open(); }
  /// Why it is not alive: exit status, or what broke the connection.
  Error death() const;

  /// Asks it to end, kills it after 2 s. Harmless when it is dead.
  Async<void> close(Context& ctx);

 private:
  Chromium() = default;
  std::unique_ptr<Process> process_;
  std::unique_ptr<cdp::Connection> connection_;
  std::string profile_dir_;
  int lock_fd_ = -1;
  std::string version_;
};

/// Why `--no-sandbox` is added, or empty when it is not: only for root.
std::string sandbox_off_reason();

/// Removes profile folders below `browsers_dir` whose Troupe has died (kill -9, power loss), and
/// kills what still runs on them. Returns how many folders went. Never touches those of a living
/// Troupe.
int reap_profiles(const std::string& browsers_dir);

}  // namespace troupe::sessions
