// What local sessions are held to: by the kernel (memory of a browser) and by counting (downloads).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "observe/log.h"
#include "sessions/cgroup.h"
#include "sessions/local_provider.h"

namespace troupe::sessions {

struct KernelLimits {
  std::int64_t memory_bytes_max = 0;  ///< Of a browser; 0: any.
  std::optional<Cgroups> groups;
  const Cgroups* cgroups() const { return groups ? &*groups : nullptr; }
};

/// Says in the log whether there are cgroups, and why not. Never more memory than three quarters of
/// what the machine has.
KernelLimits make_limits(const LocalOptions& options, observe::Log& log);

/// Which limit on downloads the folder exceeds; empty: none.
std::string over_download_limits(const LocalOptions& options, const std::string& folder);

}  // namespace troupe::sessions
