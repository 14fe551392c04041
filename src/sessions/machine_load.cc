#include "sessions/machine_load.h"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace troupe::sessions {
namespace {

constexpr auto kReadEvery = std::chrono::milliseconds(500);
constexpr int kAnyNumber = 1'000'000;
// A browser with one ordinary page takes 150 to 400 MiB.
constexpr std::int64_t kReserveBytes = std::int64_t{512} << 20;
constexpr double kMemoryStallMax = 10;
constexpr double kCpuStallMax = 95;
constexpr int kStartsWhenBusy = 2;

// The number after `name` at the start of a line of /proc/meminfo, in bytes.
std::int64_t meminfo(const std::string& text, const std::string& name) {
  const auto place = text.find(name + ":");
  if (place == std::string::npos) return 0;
  return std::atoll(text.c_str() + place + name.size() + 1) * 1'024;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// `some avg10=1.23 …` of a pressure file.
double stall(const std::string& path) {
  const std::string text = read_file(path);
  const auto place = text.find("some avg10=");
  return place == std::string::npos ? 0 : std::atof(text.c_str() + place + 11);
}

bool is_short_of_memory(const MachineLoad& load) {
  if (load.memory_total == 0) return false;
  const std::int64_t reserve = std::min(kReserveBytes, load.memory_total / 8);
  return load.memory_available < reserve || load.memory_stall > kMemoryStallMax;
}

}  // namespace

MachineLoad read_machine_load(const std::string& root) {
  const std::string memory = read_file(root + "/proc/meminfo");
  MachineLoad load{.memory_total = meminfo(memory, "MemTotal"),
                   .memory_available = meminfo(memory, "MemAvailable"),
                   .memory_stall = stall(root + "/proc/pressure/memory"),
                   .cpu_stall = stall(root + "/proc/pressure/cpu")};
  // In a container its own limit counts; "max" reads as 0.
  const std::string group = root + "/sys/fs/cgroup";
  const std::int64_t limit = std::atoll(read_file(group + "/memory.max").c_str());
  if (limit <= 0 || limit >= load.memory_total) return load;
  const std::int64_t used = std::atoll(read_file(group + "/memory.current").c_str());
  const std::string details = read_file(group + "/memory.stat");
  const auto cache = details.find("inactive_file ");
  const std::int64_t reclaimable =
      cache == std::string::npos ? 0 : std::atoll(details.c_str() + cache + 14);
  load.memory_total = limit;
  load.memory_available =
      std::clamp<std::int64_t>(limit - used + reclaimable, 0, load.memory_available);
  return load;
}

int room_under(const MachineLoad& load, int running, int starting) {
  if (running + starting == 0) return kAnyNumber;  // refusing would never end
  if (is_short_of_memory(load)) return 0;
  if (load.cpu_stall > kCpuStallMax) return std::max(0, kStartsWhenBusy - starting);
  return kAnyNumber;
}

const MachineLoad& LoadGate::load() {
  if (read_ && (read_at_ == SteadyTime{} || clock_.now() - read_at_ >= kReadEvery)) {
    load_ = read_();
    read_at_ = clock_.now();
  }
  return load_;
}

int LoadGate::room(int running, int starting) { return room_under(load(), running, starting); }
bool LoadGate::short_of_memory() { return is_short_of_memory(load()); }

}  // namespace troupe::sessions
