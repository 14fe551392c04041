// Child processes that never outlive Troupe: own process group, parent-death signal, exit by pidfd.
// Linux. Spawn only from a thread that lives as long as the program (the signal follows the
// thread).
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async.h"

namespace troupe::sessions {

struct ProcessOptions {
  std::string path;
  std::vector<std::string> arguments;    ///< Without argv[0].
  std::vector<std::string> environment;  ///< `NAME=value`, all of it.
  int fd3 = -1;                          ///< Becomes descriptor 3 of the child; -1: none.
  int fd4 = -1;
  std::string output_file;  ///< Standard output and error; empty: discarded.
  /// Private memory that it and each of its descendants may have (RLIMIT_DATA); 0: any.
  std::int64_t data_bytes_max = 0;
  /// The cgroup that it starts in, by its `cgroup.procs`; empty: its parent's. One that cannot be
  /// entered is no failure.
  std::string cgroup_procs;
  std::string working_dir;  ///< Empty: Troupe's own.
  int niceness = 0;         ///< Added to Troupe's own: the higher, the later its turn.
};

/// What the living processes of one group use.
struct GroupUsage {
  std::int64_t resident_bytes = 0;  ///< Shared pages counted once per process.
  double cpu_seconds = 0;           ///< User and system.
  pid_t largest = 0;                ///< The one with most memory, the leader left aside; 0: none.
  std::int64_t largest_bytes = 0;
};
/// All process groups of this machine, read in one pass.
std::map<pid_t, GroupUsage> usage_of_groups();

/// Threads: engine. The destructor kills the whole group and reaps.
class Process final {
 public:
  /// Errors: browser_missing (cannot be executed), exhausted (no more processes allowed).
  static Result<std::unique_ptr<Process>> spawn(asio::any_io_executor executor,
                                                const ProcessOptions& options);
  ~Process();
  pid_t pid() const;
  /// Set when the process ended; `exit_text` says how (`exit code 1`, `signal 9`).
  Event& exited();
  bool running() const;
  const std::string& exit_text() const;
  /// SIGKILL to the group; the exit is told by exited().
  void kill_group();

 private:
  Process();
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace troupe::sessions
