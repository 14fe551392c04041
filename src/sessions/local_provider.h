// Provider `local`: sessions on Chromium processes of this machine. Many sessions share a browser
// process (isolation context, reuse), or each has its own (process). Spares are kept warm.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/async.h"
#include "observe/log.h"
#include "sessions/context_store.h"
#include "sessions/extension_store.h"
#include "sessions/machine_load.h"
#include "sessions/provider.h"

namespace troupe::sessions {

struct LocalOptions {
  std::string browser;  ///< As for find_browser.
  std::string
      data_dir;  ///< Profiles in `<data_dir>/browsers`, downloads in `<data_dir>/downloads`.
  int contexts_per_browser = 16;
  int warm_sessions = 1;
  int warm_processes = 4;  ///< Most spare processes for connectable sessions.
  int browser_recycle_after = 500;
  int renderer_heap_mb = 1024;
  int browser_memory_mb = 4096;
  Duration reuse_idle_max = std::chrono::minutes(1);
  Duration browser_recycle_age = std::chrono::hours(4);  ///< 0: at any age.
  int browser_crashes_max = 5;
  int browser_memory_max_mb = 0;  ///< What the kernel refuses to exceed; 0: no limit.
  int browser_cpu_weight = 100;
  std::string cgroup_folder = "-";  ///< As for Cgroups::open.
  int warm_processes_min = 0;
  Duration warm_latency = std::chrono::milliseconds(150);  ///< p95 of acquisition; 0: a spare each.
  int tabs_max = 100;  ///< Of a session; further ones are closed. 0: any.
  std::int64_t downloads_bytes_max = std::int64_t{4} << 30;
  int downloads_max = 1'000;
  std::string proxy_url;  ///< Of sessions that ask for proxies of the provider's; empty: none.
  /// Null: sessions that ask for one are refused. They live longer than the provider.
  ContextStore* contexts = nullptr;
  ExtensionStore* extensions = nullptr;
  /// PEM file of an uploaded certificate. Errors: not_found.
  std::function<Result<std::string>(const std::string& id)> certificate_file;
  /// Pressure that stops admission; empty: none is looked at.
  std::function<MachineLoad()> machine_load;
};

/// Threads: engine.
std::unique_ptr<SessionProvider> make_local_provider(Clock& clock, asio::any_io_executor executor,
                                                     observe::Log& log, LocalOptions options);

}  // namespace troupe::sessions
