#include "sessions/session_intents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>

#include "base/testing.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using troupe::testing::run;

class SessionIntentsTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(dir_); }
  void TearDown() override { fs::remove_all(dir_); }
  std::string dir_ =
      (fs::temp_directory_path() / ("troupe-intents-" + std::to_string(getpid()))).string();
};

SessionIntent intent_of(std::string id) {
  return {.id = std::move(id), .provider = "browserbase", .tenant = "t", .at_unix_ms = 5};
}

std::vector<std::string> journals(const std::string& dir) {
  std::vector<std::string> paths;
  for (const auto& entry : fs::directory_iterator(dir + "/sessions"))
    if (entry.path().extension() == ".journal") paths.push_back(entry.path().string());
  return paths;
}

// Records in a process that then dies without a word.
void die_with(const std::string& dir, std::string id, std::string provider_id,
              std::string account = {}) {
  const pid_t child = fork();
  if (child == 0) {
    run([&](Context& ctx) -> asio::awaitable<void> {
      SessionIntents intents(dir, {}, account);
      SessionIntent intent = intent_of(id);
      intent.account = account;
      const auto written = co_await intents.intend(ctx, intent);
      if (!written) _exit(2);
      if (!provider_id.empty()) (void)co_await intents.answered(ctx, id, provider_id);
      _exit(0);
    });
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
}

asio::awaitable<void> life(Context& ctx, std::string dir) {
  SessionIntents intents(dir);
  SessionIntent first = intent_of("a");
  SessionIntent second = intent_of("b");
  EXPECT_TRUE(co_await intents.intend(ctx, first));
  EXPECT_TRUE(co_await intents.intend(ctx, second));
  EXPECT_TRUE(co_await intents.answered(ctx, "a", "remote-a"));
  EXPECT_TRUE(co_await intents.settled(ctx, "b"));
  const auto left = intents.unsettled();
  EXPECT_EQ(left.size(), 1u);
  EXPECT_EQ(left.at(0).provider_id, "remote-a");
  EXPECT_FALSE(left.at(0).inherited);
  EXPECT_GE(intents.install_id().size(), 16u);
  EXPECT_EQ(journals(dir).size(), 1u);
  EXPECT_TRUE(co_await intents.settled(ctx, "a"));
  EXPECT_THAT(intents.unsettled(), IsEmpty());
}

TEST_F(SessionIntentsTest, AreWrittenAnsweredAndSettledAndLeaveNoFile) {
  run([&](Context& ctx) { return life(ctx, dir_); });
  EXPECT_THAT(journals(dir_), IsEmpty());
}

asio::awaitable<void> inherit(Context& ctx, std::string dir) {
  SessionIntents intents(dir);
  EXPECT_TRUE(co_await intents.open(ctx));
  const auto left = intents.unsettled();
  EXPECT_EQ(left.size(), 2u);
  if (left.size() != 2) co_return;
  EXPECT_EQ(left[0].id, "x");
  EXPECT_EQ(left[0].provider_id, "");
  EXPECT_EQ(left[0].tenant, "t");
  EXPECT_EQ(left[0].at_unix_ms, 5);
  EXPECT_TRUE(left[0].inherited);
  EXPECT_EQ(left[1].provider_id, "remote-y");
  EXPECT_EQ(journals(dir).size(), 1u);  // the old ones went into this one
  EXPECT_TRUE(co_await intents.settled(ctx, "x"));
}

TEST_F(SessionIntentsTest, OfADeadProcessAreTakenOver) {
  die_with(dir_, "x", "");
  die_with(dir_, "y", "remote-y");
  std::ofstream(journals(dir_).at(0), std::ios::app) << "garbage\n[1]\n{\"event\":\"settled\",\"i";
  run([&](Context& ctx) { return inherit(ctx, dir_); });
  run([&](Context& ctx) -> asio::awaitable<void> {
    SessionIntents next(dir_);
    EXPECT_TRUE(co_await next.open(ctx));
    EXPECT_EQ(next.unsettled().size(), 1u);
    EXPECT_TRUE(next.is_unsettled("y"));
  });
}

TEST_F(SessionIntentsTest, OfALivingProcessAreLeftToIt) {
  run([&](Context& ctx) -> asio::awaitable<void> {
    SessionIntents first(dir_), second(dir_);
    SessionIntent intent = intent_of("mine");
    EXPECT_TRUE(co_await first.intend(ctx, intent));
    EXPECT_TRUE(co_await second.open(ctx));
    EXPECT_THAT(second.unsettled(), IsEmpty());
    EXPECT_EQ(second.install_id(), first.install_id());
    const auto elsewhere = co_await second.owned_elsewhere(ctx);
    EXPECT_THAT(elsewhere.value(), ElementsAre("mine"));
    const auto own = co_await first.owned_elsewhere(ctx);
    EXPECT_THAT(own.value(), IsEmpty());
  });
}

TEST_F(SessionIntentsTest, RefuseWhenTheyCannotBeWritten) {
  std::ofstream(dir_ + "/sessions") << "a file, where the folder should be";
  run([&](Context& ctx) -> asio::awaitable<void> {
    SessionIntents intents(dir_);
    SessionIntent intent = intent_of("a");
    const auto refused = co_await intents.intend(ctx, intent);
    EXPECT_EQ(refused.error().code, Errc::storage_failed);
    EXPECT_THAT(refused.error().hint, HasSubstr("data_dir"));
    EXPECT_THAT(intents.unsettled(), IsEmpty());
    fs::remove(dir_ + "/sessions");
    EXPECT_TRUE(co_await intents.intend(ctx, intent));  // as soon as it can
    EXPECT_TRUE(co_await intents.settled(ctx, "a"));
  });
}

// A disk that is full after some bytes, and a file that cannot be cut back either.
struct FullDisk {
  std::atomic<std::size_t> room{1'000'000};
  std::atomic<bool> can_cut{true};

  FileCalls calls() {
    return {.write = [this](int fd, const void* data, std::size_t size) -> ssize_t {
              const std::size_t fits = std::min(size, room.load());
              if (fits == 0) return errno = ENOSPC, -1;
              room -= fits;
              return ::write(fd, data, fits);
            },
            .truncate = [this](int fd, off_t size) -> int {
              return can_cut ? ::ftruncate(fd, size) : (errno = EIO, -1);
            }};
  }
};

// Half a line is written, then the disk has room again: what is read afterwards?
asio::awaitable<void> torn(Context& ctx, std::string dir, bool can_cut, std::size_t bytes) {
  FullDisk disk;
  {
    SessionIntents intents(dir, disk.calls());
    SessionIntent kept = intent_of("kept"), half = intent_of("half"), after = intent_of("after");
    EXPECT_TRUE(co_await intents.intend(ctx, kept));
    disk.can_cut = can_cut;
    disk.room = bytes;
    const auto refused = co_await intents.intend(ctx, half);
    EXPECT_EQ(refused.error().code, Errc::storage_failed);
    EXPECT_THAT(refused.error().message, HasSubstr("No space left"));
    EXPECT_FALSE(intents.is_unsettled("half"));
    disk.room = 1'000'000;
    EXPECT_TRUE(co_await intents.intend(ctx, after));
    EXPECT_TRUE(co_await intents.answered(ctx, "after", "remote"));
  }
  SessionIntents next(dir);
  EXPECT_TRUE(co_await next.open(ctx));
  std::vector<std::string> ids;
  for (const auto& intent : next.unsettled()) ids.push_back(intent.id);
  EXPECT_THAT(ids, ElementsAre("after", "kept")) << bytes << " bytes, can be cut: " << can_cut;
  EXPECT_EQ(next.unsettled().at(0).provider_id, "remote");
  EXPECT_TRUE(co_await next.settled(ctx, "after"));
  EXPECT_TRUE(co_await next.settled(ctx, "kept"));
}

TEST_F(SessionIntentsTest, HalfALineHidesNoOther) {
  for (const bool can_cut : {true, false})
    for (const std::size_t bytes : {0u, 1u, 30u, 60u})
      run([&](Context& ctx) { return torn(ctx, dir_, can_cut, bytes); });
}

// The same with the kernel's own limit in place of a full disk.
TEST_F(SessionIntentsTest, SurviveAFileThatMayNotGrow) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGXFSZ, SIG_IGN);
    run([&](Context& ctx) -> asio::awaitable<void> {
      SessionIntents intents(dir_);
      SessionIntent first = intent_of("first"), second = intent_of("second");
      if (!co_await intents.intend(ctx, first)) _exit(2);
      const auto size = static_cast<rlim_t>(fs::file_size(journals(dir_).at(0)));
      const rlimit tight{size + 20, RLIM_INFINITY}, wide{RLIM_INFINITY, RLIM_INFINITY};
      setrlimit(RLIMIT_FSIZE, &tight);
      if (co_await intents.intend(ctx, second)) _exit(3);
      setrlimit(RLIMIT_FSIZE, &wide);
      SessionIntent third = intent_of("third");
      if (!co_await intents.intend(ctx, third)) _exit(4);
      _exit(0);
    });
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  const auto left = abandoned_intents(dir_);
  ASSERT_EQ(left.size(), 2u);
  EXPECT_EQ(left[0].id, "first");
  EXPECT_EQ(left[1].id, "third");
}

TEST_F(SessionIntentsTest, DraftsOfDeadProcessesAreRemoved) {
  fs::create_directories(dir_ + "/sessions");
  const std::string old_draft = dir_ + "/sessions/abc.journal.new";
  const std::string young_draft = dir_ + "/sessions/def.journal.new";
  const std::string old_name = dir_ + "/sessions/install_id.xyz";
  for (const auto& path : {old_draft, young_draft, old_name}) std::ofstream(path) << "half";
  const auto long_ago = fs::file_time_type::clock::now() - std::chrono::hours(1);
  for (const auto& path : {old_draft, old_name}) fs::last_write_time(path, long_ago);
  run([&](Context& ctx) -> asio::awaitable<void> {
    SessionIntents intents(dir_);
    EXPECT_TRUE(co_await intents.open(ctx));
  });
  EXPECT_FALSE(fs::exists(old_draft));
  EXPECT_FALSE(fs::exists(old_name));
  EXPECT_TRUE(fs::exists(young_draft));
  EXPECT_TRUE(fs::exists(dir_ + "/sessions/install_id"));
}

TEST_F(SessionIntentsTest, WhatWasAbandonedIsToldWithoutTakingIt) {
  EXPECT_THAT(abandoned_intents(dir_), IsEmpty());
  die_with(dir_, "x", "remote-x");
  for (int i = 0; i < 2; ++i) {
    const auto left = abandoned_intents(dir_);
    ASSERT_EQ(left.size(), 1u);
    EXPECT_EQ(left[0].provider_id, "remote-x");
  }
  run([&](Context& ctx) -> asio::awaitable<void> {
    SessionIntents living(dir_);
    EXPECT_TRUE(co_await living.open(ctx));
    EXPECT_THAT(abandoned_intents(dir_), IsEmpty());  // somebody cares for it now
    EXPECT_TRUE(co_await living.settled(ctx, "x"));
  });
}

TEST_F(SessionIntentsTest, AnAnswerForNobodyIsAnError) {
  run([&](Context& ctx) -> asio::awaitable<void> {
    SessionIntents intents(dir_);
    EXPECT_TRUE(co_await intents.open(ctx));
    const auto refused = co_await intents.answered(ctx, "nobody", "remote");
    EXPECT_EQ(refused.error().code, Errc::not_found);
  });
}

asio::awaitable<void> opened_as(Context& ctx, std::string dir, std::string account,
                                std::vector<std::string>& ids) {
  SessionIntents intents(dir, {}, account);
  EXPECT_TRUE(co_await intents.open(ctx));
  for (const auto& intent : intents.unsettled()) {
    ids.push_back(intent.id);
    EXPECT_EQ(intent.account, intent.id == "old" ? "" : account);
    if (intent.id == "second") {
      EXPECT_EQ(intent.provider_id, "remote-2");
    }
    std::string id = intent.id;
    EXPECT_TRUE(co_await intents.settled(ctx, id));
  }
}

TEST_F(SessionIntentsTest, OfAnotherAccountStayForWhoHasItsKey) {
  die_with(dir_, "first", "remote-1", "one");
  die_with(dir_, "second", "remote-2", "two");
  die_with(dir_, "old", "remote-3");
  std::vector<std::string> of_one, of_two, again;

  run([&](Context& ctx) { return opened_as(ctx, dir_, "one", of_one); });
  EXPECT_EQ(abandoned_intents(dir_).size(), 1u);
  run([&](Context& ctx) { return opened_as(ctx, dir_, "two", of_two); });
  run([&](Context& ctx) { return opened_as(ctx, dir_, "two", again); });

  EXPECT_THAT(of_one, ElementsAre("first", "old"));
  EXPECT_THAT(of_two, ElementsAre("second"));
  EXPECT_THAT(again, IsEmpty());
  EXPECT_THAT(journals(dir_), IsEmpty());
}

}  // namespace
}  // namespace troupe::sessions
