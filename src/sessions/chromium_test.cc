#include "sessions/chromium.h"

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/testing.h"
#include "cdp/page.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;

using troupe::testing::run;

class ChromiumTest : public ::testing::Test {
 protected:
  std::string dir_ = (fs::temp_directory_path() / ("troupe-test-" + secure_name())).string();
  static std::string secure_name() { return std::to_string(::getpid()) + "-chromium"; }
  ChromiumOptions options() const { return {.browsers_dir = dir_}; }
  void TearDown() override { fs::remove_all(dir_); }
};

asio::awaitable<void> open_and_read(Context& ctx, ChromiumOptions options) {
  auto chromium = co_await Chromium::launch(ctx, options);
  EXPECT_TRUE(chromium) << chromium.error().describe();
  if (!chromium) co_return;
  auto& connection = (*chromium)->connection();
  cdp::Page::Options where{.url = "data:text/html,<title>T</title><p id=a>Hello</p>"};
  auto page = co_await cdp::Page::open(ctx, connection, where);
  EXPECT_TRUE(page) << page.error().describe();
  auto loaded = co_await (*page)->wait_loaded(ctx, cdp::WaitUntil::load);
  EXPECT_TRUE(loaded) << loaded.error().describe();
  cdp::Page::EvaluateOptions isolated;
  auto text = co_await (*page)->evaluate(ctx, "document.querySelector('#a').textContent", isolated);
  EXPECT_TRUE(text) << text.error().describe();
  EXPECT_EQ(*text, json::value("Hello"));
  auto thrown = co_await (*page)->evaluate(ctx, "nothing.there", isolated);
  EXPECT_EQ(thrown.error().code, Errc::script_error);
  EXPECT_NE(thrown.error().message.find("nothing is not defined"), std::string::npos);
  auto closed = co_await (*chromium)->close(ctx);
  EXPECT_TRUE(closed) << closed.error().describe();
}

TEST_F(ChromiumTest, OpensAPageAndReadsIt) {
  const auto options = this->options();
  run([&](Context& ctx) { return open_and_read(ctx, options); });

  EXPECT_TRUE(fs::is_empty(dir_)) << "the profile folder must be gone";
}

asio::awaitable<void> refused(Context& ctx, ChromiumOptions options) {
  auto chromium = co_await Chromium::launch(ctx, options);
  auto& connection = (*chromium)->connection();
  cdp::Page::Options blank;
  auto page = co_await cdp::Page::open(ctx, connection, blank);
  auto navigation =
      co_await (*page)->navigate(ctx, "http://127.0.0.1:49999/", cdp::WaitUntil::load);
  EXPECT_EQ(navigation.error().code, Errc::network_error) << navigation.error().describe();
  navigation = co_await (*page)->navigate(ctx, "nonsense", cdp::WaitUntil::load);
  EXPECT_EQ(navigation.error().code, Errc::invalid_argument) << navigation.error().describe();
  auto direct = co_await cdp::Page::open(ctx, connection, {.url = "http://127.0.0.1:49999/"});
  navigation = co_await (*direct)->wait_loaded(ctx, cdp::WaitUntil::load);
  EXPECT_EQ(navigation.error().code, Errc::navigation_failed) << navigation.error().describe();
}

TEST_F(ChromiumTest, TellsWhyAPageIsNotThere) {
  const auto options = this->options();
  run([&](Context& ctx) { return refused(ctx, options); });
}

asio::awaitable<void> crash(Context& ctx, ChromiumOptions options) {
  auto chromium = co_await Chromium::launch(ctx, options);
  cdp::Page::Options blank;
  auto page = co_await cdp::Page::open(ctx, (*chromium)->connection(), blank);
  auto crashed = co_await (*page)->call(ctx, "Page.crash");
  EXPECT_EQ(crashed.error().code, Errc::page_crashed) << crashed.error().describe();
  EXPECT_TRUE((*page)->crashed());

  auto second = co_await cdp::Page::open(ctx, (*chromium)->connection(), blank);
  (*chromium)->process().kill_group();
  auto lost = co_await (*second)->call(ctx, "Page.getFrameTree");
  EXPECT_EQ(lost.error().code, Errc::session_lost) << lost.error().describe();
}

TEST_F(ChromiumTest, TellsACrashedPageFromADeadBrowser) {
  const auto options = this->options();
  run([&](Context& ctx) { return crash(ctx, options); });
}

asio::awaitable<void> launch_fails(Context& ctx, ChromiumOptions options, Errc code) {
  auto chromium = co_await Chromium::launch(ctx, options);
  EXPECT_FALSE(chromium);
  EXPECT_EQ(chromium.error().code, code) << chromium.error().describe();
}

TEST_F(ChromiumTest, SaysThatTheBrowserIsMissing) {
  auto options = this->options();
  options.browser = "/nowhere/chromium";
  run([&](Context& ctx) { return launch_fails(ctx, options, Errc::browser_missing); });
  options.browser = "/bin/false";
  run([&](Context& ctx) { return launch_fails(ctx, options, Errc::browser_missing); });
}

TEST_F(ChromiumTest, SaysThatTheProfileFolderCannotBeMade) {
  auto options = this->options();
  options.browsers_dir = "/proc/nowhere";
  run([&](Context& ctx) { return launch_fails(ctx, options, Errc::storage_failed); });
}

TEST_F(ChromiumTest, ReapsOnlyProfilesWithoutAnOwner) {
  fs::create_directories(dir_ + "/dead");
  std::ofstream(dir_ + "/dead/owner.lock") << "";
  fs::create_directories(dir_ + "/foreign");

  std::ofstream(dir_ + "/dead/Cookies") << "of a user";

  const auto reaped = reap_profiles(dir_);

  EXPECT_EQ(reaped.removed, 1);
  EXPECT_EQ(reaped.left, 0);
  EXPECT_FALSE(fs::exists(dir_ + "/dead"));
  EXPECT_TRUE(fs::exists(dir_ + "/foreign"));
}

// As when processes that are dying still write into it.
TEST_F(ChromiumTest, AProfileThatCannotGoYetIsFoundAgain) {
  const std::string busy = dir_ + "/dead/Default";
  fs::create_directories(busy);
  std::ofstream(dir_ + "/dead/owner.lock") << "";
  std::ofstream(dir_ + "/dead/Cookies") << "of a user";
  if (mount("none", busy.c_str(), "tmpfs", 0, "size=64k") != 0)
    GTEST_SKIP() << "needs the right to mount";

  const auto first = reap_profiles(dir_);
  const bool was_locked = fs::exists(dir_ + "/dead/owner.lock");
  umount(busy.c_str());
  const auto second = reap_profiles(dir_);

  EXPECT_EQ(first.removed, 0);
  EXPECT_EQ(first.left, 1);
  EXPECT_TRUE(was_locked) << "without it nobody would know the rest for a profile";
  EXPECT_EQ(second.removed, 1);
  EXPECT_FALSE(fs::exists(dir_ + "/dead"));
}

// Of the process whose profile is below `dir`.
std::string command_line_of_browser(const std::string& dir) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline");
    const std::string line{std::istreambuf_iterator<char>(file), {}};
    if (line.find("--user-data-dir=" + dir) != std::string::npos) return line;
  }
  return {};
}

asio::awaitable<void> look_at_sandbox(Context& ctx, ChromiumOptions options) {
  auto chromium = co_await Chromium::launch(ctx, options);
  EXPECT_TRUE(chromium) << chromium.error().describe();
  if (!chromium) co_return;
  const std::string line = command_line_of_browser(options.browsers_dir);
  EXPECT_FALSE(line.empty());
  EXPECT_EQ(line.find("--no-sandbox") != std::string::npos, geteuid() == 0);
  EXPECT_TRUE(co_await (*chromium)->close(ctx));
}

TEST_F(ChromiumTest, ItsSandboxStaysOnUnlessRootForcesItOff) {
  const auto options = this->options();
  run([&](Context& ctx) { return look_at_sandbox(ctx, options); });
  EXPECT_EQ(sandbox_off_reason().empty(), geteuid() != 0);
  if (geteuid() != 0) return;
  const pid_t child = fork();  // an ordinary user
  if (child == 0) _exit(setuid(65534) == 0 && sandbox_off_reason().empty() ? 0 : 1);
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace troupe::sessions
