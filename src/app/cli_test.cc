#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/completion.h"
#include "app/invocation.h"
#include "app/request.h"

namespace troupe::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

Parsed parse(std::vector<const char*> words) {
  words.insert(words.begin(), "troupe");
  return parse_command_line(static_cast<int>(words.size()), words.data());
}

std::string mistake(std::vector<const char*> words) {
  testing::internal::CaptureStderr();
  const auto parsed = parse(std::move(words));
  EXPECT_EQ(parsed.exit_code, 2);
  return testing::internal::GetCapturedStderr();
}

TEST(CommandLine, ReadsARun) {
  const auto parsed = parse({"run", "video_discovery", "--site", "demo", "-n", "5", "-i", "a=1",
                             "--input", "b=2", "--json"});
  ASSERT_FALSE(parsed.exit_code);
  EXPECT_EQ(parsed.invocation.command, "run");
  EXPECT_EQ(parsed.invocation.run.workflow, "video_discovery");
  EXPECT_EQ(parsed.invocation.run.site, "demo");
  EXPECT_EQ(parsed.invocation.run.sessions, 5);
  EXPECT_THAT(parsed.invocation.run.inputs, ElementsAre("a=1", "b=2"));
  EXPECT_EQ(parsed.invocation.output, Output::json);
}

TEST(CommandLine, ReadsWhichActionsAreMeant) {
  const auto forget = parse({"actions", "forget", "https://a.example", "click Save"});
  ASSERT_FALSE(forget.exit_code);
  EXPECT_EQ(forget.invocation.command, "actions forget");
  EXPECT_THAT(forget.invocation.arguments, ElementsAre("https://a.example", "click Save"));
  EXPECT_EQ(parse({"actions", "list"}).invocation.command, "actions list");
  EXPECT_THAT(mistake({"actions", "import"}), HasSubstr("file"));
}

TEST(CommandLine, TakesSettingsAnywhere) {
  const auto parsed = parse({"--log-level", "debug", "serve", "--port", "9", "--port", "10"});
  ASSERT_FALSE(parsed.exit_code);
  EXPECT_THAT(parsed.invocation.settings,
              ElementsAre(Pair("log_level", "debug"), Pair("port", "9"), Pair("port", "10")));
}

TEST(CommandLine, KeepsThePortOfTheDemoSiteApart) {
  const auto parsed = parse({"demo-site", "--port", "0"});
  ASSERT_FALSE(parsed.exit_code);
  EXPECT_EQ(parsed.invocation.demo_port, 0);
  EXPECT_TRUE(parsed.invocation.settings.empty());
}

TEST(CommandLine, NamesNestedCommands) {
  const auto parsed = parse({"sessions", "show", "id1", "--url", "http://h"});
  ASSERT_FALSE(parsed.exit_code);
  EXPECT_EQ(parsed.invocation.command, "sessions show");
  EXPECT_THAT(parsed.invocation.arguments, ElementsAre("id1"));
  EXPECT_EQ(parsed.invocation.url, "http://h");
}

TEST(CommandLine, SuggestsWhatWasMeant) {
  EXPECT_THAT(mistake({"run", "w", "--sesions", "5"}), HasSubstr("did you mean --sessions?"));
  EXPECT_THAT(mistake({"rn"}), HasSubstr("there is no command \"rn\"\ndid you mean run?"));
}

TEST(CommandLine, RefusesWhatIsMissingOrWrong) {
  EXPECT_THAT(mistake({"run"}), HasSubstr("see `troupe run --help`"));
  EXPECT_THAT(mistake({"run", "w", "--sessions", "many"}), HasSubstr("--sessions"));
  EXPECT_THAT(mistake({"run", "w", "--isolation", "total"}), HasSubstr("--isolation"));
  EXPECT_THAT(mistake({"completion", "tcsh"}), HasSubstr("tcsh"));
  EXPECT_THAT(mistake({"config"}), HasSubstr("troupe"));
}

TEST(CommandLine, HelpIsNoMistake) {
  testing::internal::CaptureStdout();
  const auto parsed = parse({"run", "--help"});
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("--task-timeout"));
  EXPECT_EQ(parsed.exit_code, 0);
}

TEST(CommandLine, InputsArePairs) {
  const auto inputs = parse_inputs({"a=1", "b=x=y", "a=2", "c="});
  ASSERT_TRUE(inputs);
  EXPECT_EQ(json::serialize(*inputs), R"({"a":"2","b":"x=y","c":""})");
  EXPECT_FALSE(parse_inputs({"a"}));
  EXPECT_FALSE(parse_inputs({"=a"}));
}

TEST(CommandLine, RequestNamesTheOptionThatIsWrong) {
  RunOptions options{.workflow = "w"};
  options.task_timeout = "soon";
  const auto request = request_from(options, Settings{});
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().code, Errc::invalid_argument);
  EXPECT_EQ(request.error().source, "--task-timeout");
}

TEST(CommandLine, RequestCarriesTheOptions) {
  RunOptions options{.workflow = "w", .site = "demo", .base_url = "http://h"};
  options.timeout = "5m";
  options.isolation = "process";
  const auto request = request_from(options, Settings{});
  ASSERT_TRUE(request);
  EXPECT_EQ(request->timeout, std::chrono::minutes(5));
  EXPECT_EQ(request->isolation, Isolation::process);
  EXPECT_EQ(json::serialize(request->site_overrides), R"({"base_url":"http://h"})");
}

TEST(Completion, KnowsCommandsOptionsAndTheirWords) {
  const CommandInfo root = command_tree();
  const std::string bash = bash_completion(root);
  EXPECT_THAT(bash, HasSubstr("'sessions list'"));
  EXPECT_THAT(bash, HasSubstr("'run:--isolation') mapfile -t COMPREPLY < <(compgen -W "
                              "'context reuse process'"));
  EXPECT_THAT(bash, testing::Not(HasSubstr("'docs'")));
  EXPECT_THAT(fish_completion(root), HasSubstr("-l log-level -a 'trace debug info"));
  EXPECT_THAT(zsh_completion(root), HasSubstr("#compdef troupe"));
}

}  // namespace
}  // namespace troupe::app
