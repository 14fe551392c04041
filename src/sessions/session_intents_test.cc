#include "sessions/session_intents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

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
void die_with(const std::string& dir, std::string id, std::string provider_id) {
  const pid_t child = fork();
  if (child == 0) {
    run([&](Context& ctx) -> asio::awaitable<void> {
      SessionIntents intents(dir);
      SessionIntent intent = intent_of(id);
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

TEST_F(SessionIntentsTest, AnAnswerForNobodyIsAnError) {
  run([&](Context& ctx) -> asio::awaitable<void> {
    SessionIntents intents(dir_);
    EXPECT_TRUE(co_await intents.open(ctx));
    const auto refused = co_await intents.answered(ctx, "nobody", "remote");
    EXPECT_EQ(refused.error().code, Errc::not_found);
  });
}

}  // namespace
}  // namespace troupe::sessions
