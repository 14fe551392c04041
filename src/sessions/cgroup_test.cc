#include "sessions/cgroup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/testing.h"
#include "sessions/kernel_limits.h"
#include "sessions/process.h"
#include "sessions/testing.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// A folder that looks like the kernel's, with this process in the group `/own`.
class CgroupTest : public ::testing::Test {
 protected:
  CgroupTest() {
    fs::create_directories(root_ + "/proc/self");
    fs::create_directories(own_);
    write(root_ + "/proc/self/mounts", "tmpfs /tmp tmpfs rw 0 0\ncgroup2 /cg cgroup2 rw 0 0\n");
    write(root_ + "/proc/self/cgroup", "4:memory:/old\n0::/own\n");
    write(own_ + "/cgroup.controllers", "cpu memory pids\n");
    write(own_ + "/cgroup.subtree_control", "");
    write(own_ + "/cgroup.procs", std::to_string(getpid()) + "\n");
  }
  ~CgroupTest() override { fs::remove_all(root_); }

  static void write(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
  }
  static std::string read(const std::string& path) {
    std::ifstream stream(path);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  std::string root_ =
      (fs::temp_directory_path() / ("troupe-cgroup-" + std::to_string(getpid()))).string();
  std::string own_ = root_ + "/cg/own";
};

TEST_F(CgroupTest, LimitsAreWrittenIntoAGroupOfItsOwn) {
  write(own_ + "/cgroup.subtree_control", "memory cpu");
  const auto groups = Cgroups::open("", root_);
  ASSERT_TRUE(groups) << groups.error().describe();

  const auto group = groups->make("one", {.memory_bytes = 1 << 30, .cpu_weight = 50});

  ASSERT_TRUE(group) << group.error().describe();
  EXPECT_EQ(group->folder(), own_ + "/troupe-" + std::to_string(getpid()) + "-one");
  EXPECT_EQ(read(group->folder() + "/memory.max"), "1073741824");
  EXPECT_EQ(read(group->folder() + "/memory.swap.max"), "0");
  EXPECT_EQ(read(group->folder() + "/cpu.weight"), "50");
}

TEST_F(CgroupTest, ControllersAreEnabledForTheChildren) {
  const auto groups = Cgroups::open("", root_);

  ASSERT_TRUE(groups) << groups.error().describe();
  EXPECT_EQ(read(own_ + "/cgroup.subtree_control"), "+memory +cpu");
}

TEST_F(CgroupTest, AProcessStartsInItsGroup) {
  const auto groups = Cgroups::open("", root_);
  const auto group = groups->make("one", {});
  write(group->procs_file(), "");

  troupe::testing::run([&](Context& ctx) -> asio::awaitable<void> {
    ProcessOptions options{.path = "/bin/true"};
    options.cgroup_procs = group->procs_file();
    auto process = Process::spawn(ctx.executor(), options);
    EXPECT_TRUE(process);
    (void)co_await (*process)->exited().wait(ctx);
  });

  EXPECT_EQ(read(group->procs_file()), "0") << "what a process writes to move itself";
}

TEST_F(CgroupTest, AGroupThatCannotBeEnteredKeepsNobodyFromStarting) {
  troupe::testing::run([&](Context& ctx) -> asio::awaitable<void> {
    ProcessOptions options{.path = "/bin/true"};
    options.cgroup_procs = "/nowhere/cgroup.procs";
    auto process = Process::spawn(ctx.executor(), options);
    EXPECT_TRUE(process);
    (void)co_await (*process)->exited().wait(ctx);
    EXPECT_EQ((*process)->exit_text(), "exit code 0");
  });
}

TEST_F(CgroupTest, OutOfMemoryKillsAreRead) {
  const auto group = Cgroups::open("", root_)->make("one", {});
  EXPECT_EQ(group->oom_kills(), 0u);

  write(group->folder() + "/memory.events", "low 0\nmax 12\noom 3\noom_kill 2\n");

  EXPECT_EQ(group->oom_kills(), 2u);
}

TEST_F(CgroupTest, AGroupGoesWithItsObject) {
  std::string folder;
  {
    const auto group = Cgroups::open("", root_)->make("one", {});
    folder = group->folder();
    // The kernel removes its own files with the folder.
    for (const auto& file : fs::directory_iterator(folder)) fs::remove(file);
  }
  EXPECT_FALSE(fs::exists(folder));
}

TEST_F(CgroupTest, GroupsOfADeadTroupeAreSweptAway) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  const std::string dead = own_ + "/troupe-" + std::to_string(child) + "-x";
  const std::string alive = own_ + "/troupe-" + std::to_string(getppid()) + "-x";
  fs::create_directories(dead);
  fs::create_directories(alive);

  ASSERT_TRUE(Cgroups::open("", root_));

  EXPECT_FALSE(fs::exists(dead));
  EXPECT_TRUE(fs::exists(alive));
}

TEST_F(CgroupTest, AGroupThatTroupeMovedIntoIsNotTakenForTheOneItWasGiven) {
  fs::create_directories(own_ + "/troupe");
  write(root_ + "/proc/self/cgroup", "0::/own/troupe\n");
  write(own_ + "/cgroup.subtree_control", "cpu memory\n");

  const auto groups = Cgroups::open("", root_);

  ASSERT_TRUE(groups) << groups.error().describe();
  EXPECT_EQ(groups->folder(), own_);
}

TEST_F(CgroupTest, SaysWhyThereAreNone) {
  EXPECT_THAT(Cgroups::open("-", root_).error().describe(), HasSubstr("switched off"));
  write(own_ + "/cgroup.controllers", "cpu pids\n");
  EXPECT_THAT(Cgroups::open("", root_).error().describe(), HasSubstr("no memory controller"));
  EXPECT_THAT(Cgroups::open(root_ + "/cg/none", root_).error().describe(),
              HasSubstr("is no group of it"));
  write(root_ + "/proc/self/mounts", "tmpfs /tmp tmpfs rw 0 0\n");
  EXPECT_THAT(Cgroups::open("", root_).error().describe(), HasSubstr("is not mounted"));
  EXPECT_EQ(Cgroups::open("", root_).error().code, Errc::unsupported);
}

TEST_F(CgroupTest, ARealBrowserGroupHoldsWhereTheKernelAllowsIt) {
  const auto groups = Cgroups::open("");
  if (!groups) GTEST_SKIP() << groups.error().describe();
  std::string folder;
  {
    const auto group = groups->make("test", {.memory_bytes = 64 << 20});
    ASSERT_TRUE(group) << group.error().describe();
    folder = group->folder();
    EXPECT_EQ(read(folder + "/memory.max"), "67108864\n");
  }
  EXPECT_FALSE(fs::exists(folder));
}

TEST_F(CgroupTest, ABrowserNeverGetsMoreThanThreeQuartersOfTheMachine) {
  LocalOptions options{.browser_memory_max_mb = 8'192};
  options.machine_load = [] { return MachineLoad{.memory_total = std::int64_t{4} << 30}; };

  EXPECT_EQ(make_limits(options, null_log()).memory_bytes_max, std::int64_t{3} << 30);
  options.browser_memory_max_mb = 1'024;
  EXPECT_EQ(make_limits(options, null_log()).memory_bytes_max, std::int64_t{1} << 30);
  options.browser_memory_max_mb = 0;
  EXPECT_EQ(make_limits(options, null_log()).memory_bytes_max, 0);
}

TEST_F(CgroupTest, DownloadsAreCountedWhetherFinishedOrNot) {
  const std::string folder = root_ + "/downloads";
  LocalOptions options{.downloads_bytes_max = 100, .downloads_max = 2};
  EXPECT_EQ(over_download_limits(options, folder), "") << "no folder";
  fs::create_directories(folder);
  write(folder + "/one.txt", std::string(60, 'x'));
  write(folder + "/two.crdownload", std::string(40, 'x'));
  EXPECT_EQ(over_download_limits(options, folder), "");

  write(folder + "/three", "");
  EXPECT_EQ(over_download_limits(options, folder), "3 downloads exceed session_downloads_max 2");

  write(folder + "/two.crdownload", std::string(41, 'x'));
  EXPECT_EQ(over_download_limits(options, folder),
            "101 bytes of downloads exceed session_downloads_bytes_max 100");
}

}  // namespace
}  // namespace troupe::sessions
