#include "sessions/kernel_limits.h"

#include <algorithm>
#include <filesystem>

namespace troupe::sessions {
namespace fs = std::filesystem;

KernelLimits make_limits(const LocalOptions& options, observe::Log& log) {
  KernelLimits limits;
  limits.memory_bytes_max = std::int64_t{options.browser_memory_max_mb} << 20;
  if (limits.memory_bytes_max > 0 && options.machine_load) {
    const std::int64_t total = options.machine_load().memory_total;
    if (total > 0) limits.memory_bytes_max = std::min(limits.memory_bytes_max, total / 4 * 3);
  }
  auto groups = Cgroups::open(options.cgroup_folder);
  if (groups) {
    limits.groups = std::move(*groups);
    log.write({}, {.action = "browser.cgroup",
                   .status = "ok",
                   .details = {{"folder", limits.groups->folder()},
                               {"memory_max_mb", limits.memory_bytes_max >> 20}}});
  } else if (options.cgroup_folder != "-") {
    log.write({}, {.level = options.cgroup_folder.empty() ? observe::Level::debug
                                                          : observe::Level::warning,
                   .action = "browser.cgroup",
                   .status = "none",
                   .details = {{"reason", groups.error().message}}});
  }
  return limits;
}

std::string over_download_limits(const LocalOptions& options, const std::string& folder) {
  std::int64_t bytes = 0;
  int files = 0;
  std::error_code error;
  // Also those under way: a browser writes them here from their first byte on.
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    std::error_code missing;
    if (!entry.is_regular_file(missing)) continue;
    const auto size = entry.file_size(missing);
    if (missing) continue;
    ++files;
    bytes += static_cast<std::int64_t>(size);
  }
  if (bytes > options.downloads_bytes_max)
    return std::to_string(bytes) + " bytes of downloads exceed session_downloads_bytes_max " +
           std::to_string(options.downloads_bytes_max);
  if (files > options.downloads_max)
    return std::to_string(files) + " downloads exceed session_downloads_max " +
           std::to_string(options.downloads_max);
  return {};
}

}  // namespace troupe::sessions
