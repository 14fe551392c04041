#include "observe/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace troupe::observe {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string one_line(const Ids& ids, const LogLine& line) {
  MemoryLog log;
  log.write(ids, line);
  return log.lines().at(0);
}

Ids all_ids() {
  return {.project = "p",
          .run = "run_1",
          .task = "task_1",
          .session = "s1",
          .workflow = "video_discovery",
          .attempt = 2};
}

/// A file in the temporary folder that is removed at the end.
class TemporaryFile {
 public:
  TemporaryFile()
      : path_(testing::TempDir() + "troupe_log_test_" + std::to_string(::getpid()) + ".log") {}
  ~TemporaryFile() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }
  std::string content() const {
    std::ostringstream out;
    out << std::ifstream(path_).rdbuf();
    return out.str();
  }

 private:
  std::string path_;
};

TEST(Log, WritesAllFieldsInOrder) {
  EXPECT_EQ(one_line(all_ids(), {.action = "session.create",
                                 .status = "ok",
                                 .details = {{"provider", "local"}, {"note", "two words"}}}),
            "INFO Action: session.create, Status: ok, Workflow: video_discovery, RunID: run_1, "
            "TaskID: task_1, Attempt: 2, SessionID: s1, ProjectID: p, "
            "Details: provider=local note=\"two words\"");
}

TEST(Log, LeavesOutEmptyIds) {
  EXPECT_EQ(one_line({}, {.level = Level::warning, .action = "a.b", .status = "failed"}),
            "WARNING Action: a.b, Status: failed");
}

TEST(Log, KeepsOneEventOnOneLine) {
  const auto line = one_line(
      {},
      {.action = "a", .status = "ok", .details = {{"text", "x\ny\r\x1b[31m\xc2\x85\xe2\x80\xa8"}}});
  EXPECT_THAT(line, HasSubstr(R"(text="x\ny\r\x1b[31m\xc2\x85\xe2\x80\xa8")"));
}

TEST(Log, QuotesWhatLooksLikeItsOwnSyntax) {
  const auto line = one_line({.workflow = "w, SessionID: forged"},
                             {.action = "a", .status = "ok", .details = {{"v", "a\"b=c"}}});
  EXPECT_EQ(line, R"(INFO Action: a, Status: ok, Workflow: "w, SessionID: forged", )"
                  R"(Details: v="a\"b=c")");
}

TEST(Log, EscapesBytesThatAreNoText) {
  EXPECT_THAT(one_line({}, {.action = "a", .status = "ok", .details = {{"v", "\xff\xc3("}}}),
              HasSubstr(R"(v="\xff\xc3(")"));
}

TEST(Log, WritesNumbersFlagsAndObjectsAsJson) {
  EXPECT_THAT(one_line({}, {.action = "a",
                            .status = "ok",
                            .details = {{"n", 3}, {"f", true}, {"o", json::object{{"k", "v"}}}}}),
              HasSubstr(R"(Details: n=3 f=true o={"k":"v"})"));
}

TEST(Log, CutsLongValues) {
  const auto line =
      one_line({}, {.action = "a", .status = "ok", .details = {{"v", std::string(10'000, 'x')}}});
  EXPECT_LT(line.size(), 4300u);
  EXPECT_THAT(line, HasSubstr("… (10000 bytes)"));
}

TEST(Log, NeverWritesSecrets) {
  const auto line = one_line({}, {.action = "a",
                                  .status = "ok",
                                  .details = {{"key", Secret{"hunter2"}},
                                              {"api_key", "hunter2"},
                                              {"inputs", json::object{{"password", "hunter2"}}},
                                              {"url", "http://u:hunter2@h/"}}});
  EXPECT_THAT(line, testing::Not(HasSubstr("hunter2")));
  EXPECT_THAT(line, HasSubstr("key=[secret] api_key=[secret]"));
}

TEST(Log, AddsTheError) {
  const Error error{Errc::dns_error, "host x.test: not resolved", "step s1", "check the name"};
  EXPECT_THAT(
      one_line({}, {.level = Level::error, .action = "a", .status = "failed", .error = &error}),
      HasSubstr(R"(Details: error=dns_error message="host x.test: not resolved" )"
                R"(source="step s1" hint="check the name")"));
}

TEST(Log, JsonLinesHoldTheSameFields) {
  const TemporaryFile file;
  const Error error{Errc::timeout, "timed out", "", ""};
  const auto log = open_log({.json = true, .file = file.path()});
  ASSERT_TRUE(log);
  (*log)->write(all_ids(), {.level = Level::error,
                            .action = "task.execute",
                            .status = "failed",
                            .details = {{"bad", "\xff"}},
                            .error = &error});
  (*log)->flush();

  std::string line = file.content();
  ASSERT_THAT(line, testing::StartsWith(R"({"time":")"));
  line.erase(1, line.find("\"level\"") - 1);
  EXPECT_EQ(line, R"({"level":"error","action":"task.execute","status":"failed",)"
                  R"("workflow":"video_discovery","run_id":"run_1","task_id":"task_1","attempt":2,)"
                  R"("session_id":"s1","project_id":"p","details":{"bad":")"
                  "\xef\xbf\xbd"
                  R"("},)"
                  R"("error":{"code":"timeout","message":"timed out"}})"
                  "\n");
}

TEST(Log, AppendsAndStampsTextLines) {
  const TemporaryFile file;
  for (int i = 0; i < 2; ++i) {
    const auto log = open_log({.file = file.path()});
    ASSERT_TRUE(log);
    (*log)->write({}, {.action = "a.b", .status = "ok"});
  }
  EXPECT_THAT(file.content(), testing::MatchesRegex(
                                  "(....-..-..T..:..:..\\....Z INFO Action: a.b, Status: ok\n)+"));
  const auto content = file.content();
  EXPECT_EQ(std::count(content.begin(), content.end(), '\n'), 2);
}

TEST(Log, LevelFiltersWhatIsLess) {
  const TemporaryFile file;
  const auto log = open_log({.level = Level::error, .file = file.path()});
  ASSERT_TRUE(log);
  (*log)->write({}, {.level = Level::warning, .action = "a", .status = "ok"});
  EXPECT_EQ(file.content(), "");
  EXPECT_FALSE((*log)->enabled(Level::info));
  EXPECT_TRUE((*log)->enabled(Level::error));
}

TEST(Log, FileThatCannotBeOpenedIsAnError) {
  const auto log = open_log({.file = "/nonexistent/x.log"});
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, Errc::storage_failed);
  EXPECT_THAT(log.error().message, HasSubstr("/nonexistent/x.log"));
}

TEST(Log, LevelsHaveNames) {
  EXPECT_EQ(*level_from("warning"), Level::warning);
  const auto bad = level_from("loud");
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace troupe::observe
