// A cgroup v2 for each browser, where the kernel lets Troupe make one: memory.max, cpu.weight.
// Linux. Without them everything works the same, only unguarded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"

namespace troupe::sessions {

struct CgroupLimits {
  std::int64_t memory_bytes = 0;  ///< 0: none.
  int cpu_weight = 100;
};

/// One folder of the hierarchy; whatever is in it is killed, and the folder removed, with this.
class Cgroup final {
 public:
  Cgroup() = default;
  Cgroup(Cgroup&& other) noexcept { *this = std::move(other); }
  Cgroup& operator=(Cgroup&& other) noexcept;
  ~Cgroup();

  explicit operator bool() const { return !folder_.empty(); }
  const std::string& folder() const { return folder_; }
  /// A process that writes `0` into it moves itself; empty: no cgroup.
  std::string procs_file() const { return folder_.empty() ? "" : folder_ + "/cgroup.procs"; }
  /// Processes that the kernel killed here because the limit was reached.
  std::uint64_t oom_kills() const;

 private:
  friend class Cgroups;
  std::string folder_;
};

/// Threads: engine.
class Cgroups final {
 public:
  /// `folder` is delegated to Troupe; empty: its own cgroup. Lets the children have the memory and
  /// cpu controllers; for that Troupe moves itself into a child `troupe` when it is alone in its
  /// own cgroup. Removes what a dead Troupe left. `root` is for tests (before /proc and /sys).
  /// Errors: unsupported, with the reason (no cgroup v2, not writable, no memory controller).
  static Result<Cgroups> open(const std::string& folder, const std::string& root = {});
  /// The same without changing anything: whether open() would work, as far as can be seen.
  static Result<std::string> look(const std::string& folder, const std::string& root = {});

  const std::string& folder() const { return folder_; }
  /// Errors: storage_failed.
  Result<Cgroup> make(const std::string& name, const CgroupLimits& limits) const;

 private:
  std::string folder_;
};

}  // namespace troupe::sessions
