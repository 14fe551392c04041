// Whether this machine can carry one more browser: free memory and the kernel's pressure figures.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.h"

namespace troupe::sessions {

struct MachineLoad {
  std::int64_t memory_total = 0;      ///< Bytes; the container's limit if that is less. 0: unknown.
  std::int64_t memory_available = 0;  ///< Without swapping.
  double memory_stall = 0;  ///< Per cent of the last 10 s in which some task waited for memory.
  double cpu_stall = 0;     ///< The same for processors.
};

/// Reads `root` + `/proc` and `/sys` (root is for tests). What cannot be read stays unknown.
MachineLoad read_machine_load(const std::string& root = {});

/// Sessions that may be started now with `starting` under way. Pure. Little memory: none, unless
/// none runs at all. Processors overloaded: two at a time.
int room_under(const MachineLoad& load, int running, int starting);

/// Reads at most every half a second.
class LoadGate final {
 public:
  LoadGate(Clock& clock, std::function<MachineLoad()> read)
      : clock_(clock), read_(std::move(read)) {}
  /// As room_under; without a reader there is always room.
  int room(int running, int starting);
  bool short_of_memory();

 private:
  const MachineLoad& load();
  Clock& clock_;
  std::function<MachineLoad()> read_;
  MachineLoad load_;
  SteadyTime read_at_{};
};

}  // namespace troupe::sessions
