#include "sessions/machine_load.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

class MachineLoadTest : public ::testing::Test {
 protected:
  MachineLoadTest() {
    fs::create_directories(root_ + "/proc/pressure");
    fs::create_directories(root_ + "/sys/fs/cgroup");
    write("/proc/meminfo", "MemTotal: 8388608 kB\nMemFree: 1 kB\nMemAvailable: 4194304 kB\n");
  }
  ~MachineLoadTest() override { fs::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    std::ofstream(root_ + path) << text;
  }
  std::string root_ =
      (fs::temp_directory_path() / ("troupe-load-" + std::to_string(getpid()))).string();
};

TEST_F(MachineLoadTest, ReadsMemoryAndPressure) {
  write("/proc/pressure/memory", "some avg10=12.50 avg60=0.00 total=1\nfull avg10=1.00\n");
  write("/proc/pressure/cpu", "some avg10=99.00 avg60=0.00 total=1\n");

  const MachineLoad load = read_machine_load(root_);

  EXPECT_EQ(load.memory_total, 8 * kGiB);
  EXPECT_EQ(load.memory_available, 4 * kGiB);
  EXPECT_DOUBLE_EQ(load.memory_stall, 12.5);
  EXPECT_DOUBLE_EQ(load.cpu_stall, 99);
}

TEST_F(MachineLoadTest, TheLimitOfAContainerCounts) {
  write("/sys/fs/cgroup/memory.max", std::to_string(2 * kGiB));
  write("/sys/fs/cgroup/memory.current", std::to_string(kGiB + kGiB / 2));
  write("/sys/fs/cgroup/memory.stat", "anon 5\ninactive_file " + std::to_string(kGiB / 4) + "\n");

  const MachineLoad load = read_machine_load(root_);

  EXPECT_EQ(load.memory_total, 2 * kGiB);
  EXPECT_EQ(load.memory_available, kGiB / 2 + kGiB / 4);
  write("/sys/fs/cgroup/memory.max", "max\n");
  EXPECT_EQ(read_machine_load(root_).memory_total, 8 * kGiB);
}

TEST_F(MachineLoadTest, NothingReadableIsNoLimit) {
  const MachineLoad load = read_machine_load("/nowhere");

  EXPECT_EQ(load.memory_total, 0);
  EXPECT_GT(room_under(load, 5, 5), 100);
}

TEST_F(MachineLoadTest, LittleMemoryStopsAllButTheFirst) {
  const MachineLoad load{.memory_total = 8 * kGiB, .memory_available = kGiB / 4};

  EXPECT_EQ(room_under(load, 3, 0), 0);
  EXPECT_GT(room_under(load, 0, 0), 0);
}

TEST_F(MachineLoadTest, StallsOfMemoryStopAdmissionBeforeItIsGone) {
  const MachineLoad load{
      .memory_total = 8 * kGiB, .memory_available = 4 * kGiB, .memory_stall = 15};

  EXPECT_EQ(room_under(load, 1, 0), 0);
}

TEST_F(MachineLoadTest, BusyProcessorsStartTwoAtATime) {
  const MachineLoad load{.memory_total = kGiB, .memory_available = kGiB, .cpu_stall = 99};

  EXPECT_EQ(room_under(load, 3, 0), 2);
  EXPECT_EQ(room_under(load, 3, 3), 0);
}

TEST_F(MachineLoadTest, TheGateReadsAtMostEveryHalfSecond) {
  ManualClock clock;
  int reads = 0;
  MachineLoad load{.memory_total = 8 * kGiB, .memory_available = 0};
  LoadGate gate(clock, [&] {
    ++reads;
    return load;
  });

  EXPECT_EQ(gate.room(1, 0), 0);
  EXPECT_TRUE(gate.short_of_memory());
  load.memory_available = 8 * kGiB;
  EXPECT_EQ(gate.room(1, 0), 0);
  EXPECT_EQ(reads, 1);
  clock.advance(std::chrono::seconds(1));
  EXPECT_GT(gate.room(1, 0), 0);
}

}  // namespace
}  // namespace troupe::sessions
