#include "app/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/testing.h"

namespace troupe::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Doctor, DataFolderIsMadeAndProbed) {
  const std::string dir = ::testing::TempDir() + "troupe_doctor_test/data";
  EXPECT_NE(check_data_dir(dir).verdict, Verdict::failure);
  EXPECT_TRUE(std::filesystem::is_empty(dir));
  std::filesystem::remove_all(::testing::TempDir() + "troupe_doctor_test");
}

TEST(Doctor, DataFolderThatCannotBeWrittenFails) {
  const auto finding = check_data_dir("/proc/troupe");
  EXPECT_EQ(finding.verdict, Verdict::failure);
  EXPECT_THAT(finding.mend, HasSubstr("TROUPE_DATA_DIR"));
}

TEST(Doctor, PortThatIsTakenIsTold) {
  // Port 0 is always free; no test depends on a port of this machine.
  EXPECT_EQ(check_port("127.0.0.1", 0, "x").verdict, Verdict::ok);
  EXPECT_EQ(check_port("203.0.113.1", 0, "x").verdict, Verdict::warning);  // not of this machine
}

TEST(Doctor, SmallFileLimitIsTold) {
  EXPECT_EQ(check_file_limit(0).name, "file limit");
  EXPECT_EQ(check_file_limit(100'000'000).verdict, Verdict::warning);
}

TEST(Doctor, CgroupsAreToldWithTheReasonWhenThereAreNone) {
  Settings settings;
  settings.cgroup_folder = "/nonexistent";
  EXPECT_EQ(check_cgroup(settings).verdict, Verdict::warning);
  EXPECT_THAT(check_cgroup(settings).detail, HasSubstr("/nonexistent is no group of it"));
  settings.cgroup_folder = "-";
  EXPECT_EQ(check_cgroup(settings).verdict, Verdict::ok);
}

TEST(Doctor, ClockInThePastFails) {
  EXPECT_EQ(check_clock(WallTime{std::chrono::seconds(1'600'000'000)}).verdict, Verdict::failure);
  EXPECT_EQ(check_clock(WallTime{std::chrono::seconds(1'790'000'000)}).verdict, Verdict::ok);
}

TEST(Doctor, AMissingVideoEncoderIsTold) {
  Settings settings;
  settings.video_encoder = "sh";
  EXPECT_EQ(check_video_encoder(settings, "/nowhere:/bin").detail, "/bin/sh");
  settings.video_encoder = "no-such-encoder";
  const Finding missing = check_video_encoder(settings, "/bin");
  EXPECT_EQ(missing.verdict, Verdict::warning);
  EXPECT_THAT(missing.detail, HasSubstr("no MP4"));
  EXPECT_THAT(missing.mend, HasSubstr("ffmpeg"));
  settings.video_encoder.clear();
  EXPECT_EQ(check_video_encoder(settings, "/bin").verdict, Verdict::ok);
}

TEST(Doctor, PaidSessionsLeftBehindAreToldWithTheirRemedy) {
  const std::string dir = ::testing::TempDir() + "troupe_doctor_paid";
  EXPECT_FALSE(check_paid_sessions(dir, true));
  std::filesystem::create_directories(dir + "/sessions");
  std::ofstream(dir + "/sessions/dead.journal") << R"({"event":"intend","id":"a"})" << "\n";
  const auto without_key = check_paid_sessions(dir, false);
  const auto with_key = check_paid_sessions(dir, true);
  std::filesystem::remove_all(dir);
  ASSERT_TRUE(without_key && with_key);
  EXPECT_EQ(without_key->verdict, Verdict::warning);
  EXPECT_THAT(without_key->detail, HasSubstr("1 at Browserbase"));
  EXPECT_THAT(without_key->mend, HasSubstr("BROWSERBASE_API_KEY"));
  EXPECT_THAT(with_key->mend, Not(HasSubstr("BROWSERBASE_API_KEY")));
}

TEST(Doctor, MissingSharedMemoryIsTold) {
  EXPECT_EQ(check_shared_memory("/nonexistent").verdict, Verdict::warning);
}

TEST(Doctor, BrowserThatIsNotThereFails) {
  Finding finding;
  troupe::testing::run([&](Context& ctx) -> asio::awaitable<void> {
    Settings settings;
    settings.browser = "/nonexistent/browser";
    finding = co_await check_browser(ctx, std::move(settings));
  });
  EXPECT_EQ(finding.verdict, Verdict::failure);
  EXPECT_THAT(finding.detail, HasSubstr("/nonexistent/browser"));
}

}  // namespace
}  // namespace troupe::app
