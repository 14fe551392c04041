// `troupe run`: the main job, its failures, and that nothing is left behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "binary.h"

namespace troupe::e2e {
namespace {

using ::testing::HasSubstr;

json::value parsed(const std::string& text) {
  auto value = parse_json(text, "output");
  EXPECT_TRUE(value) << text.substr(0, 2'000);
  return value ? *value : json::value(nullptr);
}

// Every line of what a session did must be closed by a release.
void expect_all_released(const std::string& log) {
  std::size_t created = 0, released = 0;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    created += line.find("Action: session.create, Status: ok") != std::string::npos;
    released += line.find("Action: session.release, Status: ok") != std::string::npos;
  }
  EXPECT_EQ(created, released) << log;
}

// A page that is there at once, and a minute of nothing.
constexpr const char* kSlowWorkflow = R"(
workflow: slow
steps:
  - goto: "data:text/html,<p>here</p>"
  - wait_for: {duration: 60s}
)";

const std::map<std::string, std::string> kLogged = {{"TROUPE_LOG_LEVEL", "info"}};

TEST(Run, DiscoversVideosOnFiveParallelSessions) {
  const Scratch scratch;
  Binary troupe(scratch, {"run", "video_discovery", "--site", "demo", "--sessions", "5", "--json"},
                kLogged);

  ASSERT_EQ(troupe.wait(), 0) << troupe.err();

  const json::value run = parsed(troupe.out());
  EXPECT_EQ(run.at("state"), "succeeded");
  ASSERT_EQ(run.at("tasks").as_array().size(), 5u);
  for (const auto& task : run.at("tasks").as_array()) {
    const auto& videos = task.at("output").at("videos").as_array();
    EXPECT_GE(videos.size(), 10u);
    for (const auto& video : videos) {
      EXPECT_FALSE(video.at("title").as_string().empty());
      EXPECT_FALSE(video.at("channel").as_string().empty());
      EXPECT_TRUE(video.at("url").as_string().starts_with("http://127.0.0.1:")) << video;
      EXPECT_GT(video.at("views").as_int64(), 0);
      EXPECT_FALSE(video.at("age").as_string().empty());
      EXPECT_GT(video.at("duration").as_int64(), 0);
    }
    EXPECT_FALSE(task.at("output").at("best").at("title").as_string().empty());
  }
  expect_all_released(troupe.err());
  EXPECT_EQ(browsers_of(scratch.path()), 0);
  EXPECT_EQ(profiles_in(scratch.path() + "/data"), 0u);
}

TEST(Run, LeavesNoBrowserAfterKill9) {
  const Scratch scratch;
  const std::string slow = scratch.write("slow.yaml", kSlowWorkflow);
  Binary troupe(scratch, {"run", slow, "--sessions", "5"}, {{"TROUPE_LOG_LEVEL", "debug"}});
  ASSERT_TRUE(Binary::until(std::chrono::seconds(20), [&] {
    std::size_t at = 0, count = 0;
    const std::string log = troupe.err();
    for (; (at = log.find("Action: step.goto, Status: ok", at)) != std::string::npos; ++at) ++count;
    return count >= 5;
  })) << troupe.err();
  const auto groups = browser_groups(scratch.path());
  ASSERT_GT(processes_in(groups), 5);

  troupe.signal(SIGKILL);
  troupe.wait();

  EXPECT_TRUE(Binary::until(std::chrono::seconds(5), [&] { return processes_in(groups) == 0; }));
  EXPECT_GE(profiles_in(scratch.path() + "/data"), 1u);
  Binary next(scratch, {"run", scratch.write("one.yaml", R"(
workflow: one
steps:
  - goto: "data:text/html,<p>here</p>"
)")});
  EXPECT_EQ(next.wait(), 0) << next.err();
  EXPECT_EQ(profiles_in(scratch.path() + "/data"), 0u);
}

TEST(Run, DrainsOnTheFirstInterruptAndAbortsOnTheSecond) {
  const Scratch scratch;
  const std::string slow = scratch.write("slow.yaml", kSlowWorkflow);
  Binary troupe(scratch, {"run", slow, "--sessions", "2"}, {{"TROUPE_LOG_LEVEL", "debug"}});
  ASSERT_TRUE(troupe.says("Action: step.goto, Status: ok"));
  troupe.signal(SIGINT);
  ASSERT_TRUE(troupe.says("Action: engine.close, Status: started")) << troupe.err();
  EXPECT_GT(browsers_of(scratch.path()), 0);
  troupe.signal(SIGINT);
  EXPECT_EQ(troupe.wait(std::chrono::seconds(10)), 130) << troupe.err();
  expect_all_released(troupe.err());
  EXPECT_EQ(browsers_of(scratch.path()), 0);
  EXPECT_EQ(profiles_in(scratch.path() + "/data"), 0u);
}

// One bad input, its exit code and a word of what must be said.
struct BadInput {
  std::string name;
  std::vector<std::string> arguments;
  int exit_code;
  std::string says;
  std::map<std::string, std::string> environment = {};
};

class RunRefuses : public ::testing::TestWithParam<BadInput> {};

TEST_P(RunRefuses, WithOneClearError) {
  const Scratch scratch;
  Binary troupe(scratch, GetParam().arguments, GetParam().environment);
  EXPECT_EQ(troupe.wait(std::chrono::seconds(40)), GetParam().exit_code) << troupe.err();
  EXPECT_THAT(troupe.err(), HasSubstr(GetParam().says));
  EXPECT_EQ(browsers_of(scratch.path()), 0);
}

INSTANTIATE_TEST_SUITE_P(
    BadInput, RunRefuses,
    ::testing::Values(
        BadInput{"UnknownWorkflow", {"run", "nothing_such"}, 2, "nothing_such"},
        BadInput{"UnknownSite", {"run", "video_discovery", "--site", "nosite"}, 2, "nosite"},
        BadInput{"NoSessions",
                 {"run", "video_discovery", "--site", "demo", "--sessions", "0"},
                 2,
                 "1..50"},
        BadInput{"TooManySessions",
                 {"run", "video_discovery", "--site", "demo", "--sessions", "1000000000"},
                 2,
                 "1..50"},
        BadInput{"UnknownInput",
                 {"run", "video_discovery", "--site", "demo", "--input", "topcis=x"},
                 2,
                 "topcis"},
        BadInput{"WrongType",
                 {"run", "video_discovery", "--site", "demo", "--input", "max_videos=many"},
                 2,
                 "max_videos"},
        BadInput{"NoBrowser",
                 {"run", "video_discovery", "--site", "demo"},
                 4,
                 "TROUPE_BROWSER",
                 {{"TROUPE_BROWSER", "/nowhere/chromium"}}},
        BadInput{"NoDataDir",
                 {"run", "video_discovery", "--site", "demo"},
                 4,
                 "data_dir",
                 {{"TROUPE_DATA_DIR", "/proc/nowhere"}}},
        BadInput{"UnknownSetting",
                 {"run", "video_discovery", "--config", "/nowhere.toml"},
                 2,
                 "/nowhere.toml"}),
    [](const auto& info) { return info.param.name; });

// A workflow of one goto and what must come of it.
struct BadPage {
  std::string name;
  std::string url;
  std::string code;
};

// Visits a good page and `url` side by side: only the second may fail, with `code`.
void expect_only_that_task_fails(const Scratch& scratch, const std::string& url,
                                 const std::string& code) {
  const std::string workflow = scratch.write("visit.yaml", R"(
workflow: visit
inputs:
  path: {type: string}
steps:
  - goto: "{{ inputs.path }}"
    timeout: 4s
  - extract: {fields: {title: {selector: title, type: string}}}
    save_as: page
output: "{{ page }}"
)");
  const std::string items = scratch.write("items.jsonl", R"({"path": "/"})"
                                                         "\n"
                                                         R"({"path": ")" +
                                                             url + "\"}\n");
  Binary troupe(scratch, {"run", workflow, "--site", "demo", "--sessions", "2", "--items", items,
                          "--attempts", "1", "--json"});

  EXPECT_EQ(troupe.wait(), 3) << troupe.err();

  const json::value run = parsed(troupe.out());
  EXPECT_EQ(run.at("state"), "partial");
  EXPECT_EQ(run.at("tasks").at(0).at("state"), "succeeded") << run.at("tasks").at(0);
  EXPECT_EQ(run.at("tasks").at(1).at("state"), "failed");
  EXPECT_EQ(run.at("tasks").at(1).at("error").at("code"), json::value(code))
      << run.at("tasks").at(1);
  EXPECT_EQ(browsers_of(scratch.path()), 0);
}

class RunOnBadPages : public ::testing::TestWithParam<BadPage> {};

TEST_P(RunOnBadPages, FailsThatTaskAndNoOther) {
  const Scratch scratch;
  expect_only_that_task_fails(scratch, GetParam().url, GetParam().code);
}

TEST(Run, SaysThatACertificateIsNotAcceptable) {
  const Scratch scratch;
  const std::string key = scratch.path() + "/key.pem", certificate = scratch.path() + "/cert.pem";
  const std::string make =
      "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout " + key +
      " -out " + certificate + " 2>/dev/null";
  ASSERT_EQ(std::system(make.c_str()), 0);
  const int port = free_port();
  const Child server({"openssl", "s_server", "-accept", std::to_string(port), "-key", key, "-cert",
                      certificate, "-www", "-quiet"});
  ASSERT_TRUE(Binary::until(std::chrono::seconds(10), [&] { return listens(port); }));
  expect_only_that_task_fails(scratch, "https://127.0.0.1:" + std::to_string(port) + "/",
                              "tls_error");
}

INSTANTIATE_TEST_SUITE_P(
    BadPages, RunOnBadPages,
    ::testing::Values(BadPage{"Status500", "/status/500", "http_error"},
                      BadPage{"NeverLoads", "/never", "timeout"},
                      BadPage{"UnreachableHost", "http://127.0.0.1:49999/", "network_error"},
                      BadPage{"UnknownHost", "http://no-such-host.invalid/", "dns_error"},
                      BadPage{"NoUrl", "ht!tp://", "invalid_argument"}),
    [](const auto& info) { return info.param.name; });

TEST(Run, SurvivesACrashOfTheRendererAndOfTheBrowser) {
  const Scratch scratch;
  const std::string workflow = scratch.write("crash.yaml", R"(
workflow: crash
inputs:
  path: {type: string}
steps:
  - goto: "{{ inputs.path }}"
  - wait_for: {duration: 3s}
  - extract: {fields: {title: {selector: title, type: string}}}
    save_as: page
output: "{{ page }}"
)");
  const std::string items = scratch.write("items.jsonl", R"({"path": "/"})"
                                                         "\n"
                                                         R"({"path": "chrome://crash"})"
                                                         "\n");
  Binary troupe(scratch, {"run", workflow, "--site", "demo", "--sessions", "2", "--items", items,
                          "--attempts", "1", "--json"});
  EXPECT_EQ(troupe.wait(), 3) << troupe.err();
  json::value run = parsed(troupe.out());
  EXPECT_EQ(run.at("tasks").at(0).at("state"), "succeeded") << run.at("tasks").at(0);
  EXPECT_EQ(run.at("tasks").at(1).at("error").at("code"), "page_crashed") << run.at("tasks").at(1);

  // The browser itself is killed once; the second attempt runs in a fresh one.
  Binary again(scratch, {"run", workflow, "--site", "demo", "--input", "path=/", "--json"},
               {{"TROUPE_LOG_LEVEL", "debug"}});
  ASSERT_TRUE(again.says("Action: step.goto, Status: ok")) << again.err();
  const std::string log = again.err();
  const auto at = log.find(" pid=");
  ASSERT_NE(at, std::string::npos) << log;
  kill(std::atoi(log.c_str() + at + 5), SIGKILL);
  EXPECT_EQ(again.wait(), 0) << again.err();
  run = parsed(again.out());
  EXPECT_EQ(run.at("tasks").at(0).at("attempts"), 2);
  EXPECT_EQ(browsers_of(scratch.path()), 0);
}

}  // namespace
}  // namespace troupe::e2e
