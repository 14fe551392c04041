#include "engine/executor_fixture.h"

#include <filesystem>

namespace troupe::engine {
namespace {

using testing::HasSubstr;
using testing_support::ExecutorFixture;

using ExecutorTest = ExecutorFixture;

TEST_F(ExecutorTest, RunsActionsAndGivesTheOutput) {
  inputs = {{"url", "https://a.example/"}};
  EXPECT_CALL(interactor, closes(true));

  const auto outcome = run(R"(
workflow: w
inputs: {url: string}
steps:
  - goto: "{{ inputs.url }}"
  - extract: {fields: {title: string}}
    save_as: page_data
output: {at: "{{ page.url }}", got: "{{ page_data.fields.title }}"}
)");

  ASSERT_FALSE(outcome.error) << outcome.error->describe();
  EXPECT_EQ(text(outcome.output), R"({"at":"https://a.example/","got":"string"})");
  EXPECT_TRUE(outcome.page_clean);
  EXPECT_EQ(done[0], R"(goto {"url":"https://a.example/"})");
  EXPECT_THAT(reports, testing::ElementsAre("s1 goto started", "s1 goto ok", "s2 extract started",
                                            "s2 extract ok"));
  EXPECT_EQ(details[1], "did goto");
}

TEST_F(ExecutorTest, GivesEverythingSavedWhenThereIsNoOutput) {
  const auto outcome = run_steps("  - set: {a: 1, b: '{{ session.index }}/{{ session.count }}'}\n");

  EXPECT_EQ(text(outcome.output), R"({"a":1,"b":"1/3"})");
}

TEST_F(ExecutorTest, OpensNoTabWhenNoActionNeedsOne) {
  EXPECT_CALL(interactor, opens).Times(0);

  EXPECT_FALSE(run_steps("  - set: {a: 1}\n").error);
}

TEST_F(ExecutorTest, SkipsAStepWhoseConditionIsFalse) {
  const auto outcome = run_steps("  - when: 1 > 2\n    click: '#a'\n  - click: '#b'\n");

  EXPECT_FALSE(outcome.error);
  EXPECT_THAT(done, testing::ElementsAre(R"(click {"selector":"#b"})"));
  EXPECT_EQ(reports[0], "s1 click skipped");
}

TEST_F(ExecutorTest, JoinsRelativeUrlsToTheSite) {
  site.name = "demo";
  site.profile = {{"base_url", "http://127.0.0.1:8080/base/"}};

  const auto outcome = run_steps("  - goto: '/results?q=a%20b'\n  - goto: watch?v=1\n");

  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(done[0], R"(goto {"url":"http://127.0.0.1:8080/results?q=a%20b"})");
  EXPECT_EQ(done[1], R"(goto {"url":"http://127.0.0.1:8080/base/watch?v=1"})");
}

TEST_F(ExecutorTest, RefusesRelativeUrlsWithoutASite) {
  const auto outcome = run_steps("  - goto: /results\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Errc::invalid_argument);
  EXPECT_EQ(outcome.error->message, "url: '/results' is relative");
  EXPECT_EQ(outcome.error->hint, "give the run a site, or the step an absolute URL");
}

TEST_F(ExecutorTest, NamesTheStepThatFailed) {
  results.push_back(broken(Errc::target_not_found, "no element fits '#a'"));
  EXPECT_CALL(interactor, closes(false));

  const auto outcome = run_steps("  - if: true\n    then:\n      - click: '#a'\n  - click: '#b'\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Errc::target_not_found);
  EXPECT_EQ(outcome.error->source, "w.yaml:5 steps[0].then[0].click");
  EXPECT_EQ(outcome.failed_step, "s1.1");
  EXPECT_EQ(done.size(), 1u);
  EXPECT_EQ(reports.back(), "s1 if failed");
}

TEST_F(ExecutorTest, GoesOnAfterAnIgnoredFailure) {
  results.push_back(broken(Errc::not_actionable));

  const auto outcome = run_steps(
      "  - click: '#a'\n    on_error: continue\n  - set: {why: '{{ error.code }} {{ error.step "
      "}}'}\n");

  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(text(outcome.output), R"({"why":"not_actionable s1"})");
  EXPECT_EQ(reports[1], "s1 click ignored");
  EXPECT_EQ(outcome.failed_step, "");
}

TEST_F(ExecutorTest, RetriesAStepWithGrowingDelays) {
  for (int i = 0; i < 2; ++i) results.push_back(broken(Errc::target_not_found));
  const SteadyTime start = clock.now();

  const auto outcome =
      run_steps("  - click: '#a'\n    retry: {attempts: 3, delay: 1s, backoff: 10}\n");

  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(done.size(), 3u);
  const auto waited = clock.now() - start;  // 1 s and 10 s, each by 0.75 to 1.25
  EXPECT_GE(waited, std::chrono::milliseconds(8'250));
  EXPECT_LE(waited, std::chrono::milliseconds(13'750));
  EXPECT_EQ(reports[1], "s1 click retrying");
}

TEST_F(ExecutorTest, GivesUpAfterTheLastAttempt) {
  for (int i = 0; i < 5; ++i) results.push_back(broken(Errc::target_not_found));

  const auto outcome = run_steps("  - click: '#a'\n    retry: 2\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(done.size(), 2u);
}

TEST_F(ExecutorTest, RetriesNothingThatCannotGetBetter) {
  results.push_back(broken(Errc::invalid_argument));

  const auto outcome = run_steps("  - click: '#a'\n    retry: 3\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(done.size(), 1u);
}

TEST_F(ExecutorTest, EndsAStepAtItsTimeout) {
  const auto outcome = run_steps("  - id: slow\n    wait_for: {duration: 60s}\n    timeout: 2s\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Errc::timeout);
  EXPECT_EQ(outcome.error->message, "timed out after 2000 ms: step slow (wait_for)");
}

TEST_F(ExecutorTest, GivesActionsADefaultTimeout) {
  const auto outcome = run_steps("  - wait_for: {duration: 60s}\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->message, "timed out after 30000 ms: step s1 (wait_for)");
}

TEST_F(ExecutorTest, DoesNotContinueAfterTheDeadlineOfTheTask) {
  task_timeout = std::chrono::seconds(5);

  const auto outcome = run_steps(
      "  - wait_for: {duration: 20s}\n    on_error: continue\n    retry: 3\n  - click: '#b'\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->message, "timed out after 5000 ms: task task_1");
  EXPECT_EQ(done.size(), 0u);
}

TEST_F(ExecutorTest, HonoursTheTimeoutOfTheWorkflow) {
  const auto outcome = run("workflow: w\ntimeout: 4s\nsteps:\n  - wait_for: {duration: 20s}\n");

  EXPECT_EQ(outcome.error->message, "timed out after 4000 ms: workflow w");
}

TEST_F(ExecutorTest, EndsWhenCancelledWhateverThePolicySays) {
  on_report = [this](const StepReport& step) {
    if (step.id == "s2" && step.status == "started")
      cancel.cancel(fail(Errc::cancelled, "cancelled by the user"));
  };
  EXPECT_CALL(interactor, pictures).Times(0);
  EXPECT_CALL(interactor, closes(false));

  const auto outcome = run_steps(
      "  - click: '#a'\n  - wait_for: {duration: 9s}\n    on_error: continue\n  - click: '#b'\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Errc::cancelled);
  EXPECT_EQ(outcome.error->message, "cancelled by the user");
  EXPECT_EQ(outcome.failed_step, "s2");
  EXPECT_EQ(done.size(), 1u);
}

TEST_F(ExecutorTest, EndsTheAttemptWhenTheSessionIsLost) {
  results.push_back(broken(Errc::session_lost));
  EXPECT_CALL(interactor, pictures).Times(0);

  const auto outcome =
      run_steps("  - click: '#a'\n    on_error: continue\n    retry: 3\n  - click: '#b'\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Errc::session_lost);
  EXPECT_EQ(done.size(), 1u);
}

TEST_F(ExecutorTest, EndsTheAttemptWhenThePageCrashes) {
  results.push_back(broken(Errc::page_crashed));

  const auto outcome = run_steps("  - click: '#a'\n    on_error: continue\n  - click: '#b'\n");

  EXPECT_EQ(outcome.error->code, Errc::page_crashed);
  EXPECT_EQ(done.size(), 1u);
}

TEST_F(ExecutorTest, FailsWhenNoTabCanBeOpened) {
  EXPECT_CALL(interactor, opens).WillOnce([] {
    return Result<void>(broken(Errc::session_lost, "session: browser died"));
  });
  EXPECT_CALL(interactor, closes).Times(0);

  const auto outcome = run_steps("  - click: '#a'\n");

  EXPECT_EQ(outcome.error->message, "session: browser died");
  EXPECT_EQ(outcome.failed_step, "s1");
}

TEST_F(ExecutorTest, KeepsTheCauseWhenClosingFailsToo) {
  results.push_back(broken(Errc::script_error, "the cause"));
  EXPECT_CALL(interactor, closes).WillOnce([](bool) {
    return Result<void>(broken(Errc::network_error, "closing failed"));
  });

  const auto outcome = run_steps("  - click: '#a'\n");

  EXPECT_EQ(outcome.error->message, "the cause");
  ASSERT_EQ(outcome.cleanup_errors.size(), 1u);
  EXPECT_EQ(outcome.cleanup_errors[0].message, "closing failed");
}

TEST_F(ExecutorTest, SucceedsButIsNotCleanWhenOnlyClosingFails) {
  EXPECT_CALL(interactor, closes).WillOnce([](bool) {
    return Result<void>(broken(Errc::network_error, "closing failed"));
  });

  const auto outcome = run_steps("  - click: '#a'\n");

  EXPECT_FALSE(outcome.error);
  EXPECT_FALSE(outcome.page_clean);
  EXPECT_EQ(outcome.cleanup_errors.size(), 1u);
}

TEST_F(ExecutorTest, SavesAPictureOfTheFailure) {
  artifacts = testing::TempDir() + "executor_test/pictures";
  results.push_back(broken(Errc::target_not_found));

  const auto outcome = run_steps("  - id: go\n    click: '#a'\n");

  EXPECT_EQ(outcome.screenshot, artifacts + "/task_1-go.png");
  EXPECT_EQ(std::filesystem::file_size(outcome.screenshot), 3u);
  std::filesystem::remove_all(testing::TempDir() + "executor_test");
}

TEST_F(ExecutorTest, LetsNoPictureMaskTheFailure) {
  artifacts = "/proc/no/such/folder";
  results.push_back(broken(Errc::target_not_found, "the cause"));

  const auto outcome = run_steps("  - click: '#a'\n");

  EXPECT_EQ(outcome.error->message, "the cause");
  EXPECT_EQ(outcome.screenshot, "");
}

TEST_F(ExecutorTest, RefusesValuesThatTemplatesGetWrong) {
  const auto outcome = run_steps("  - click: {selector: '#a', nth: '{{ session.id }}'}\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->message, "nth: must be an integer, not string \"session-1\"");
  EXPECT_TRUE(done.empty());
}

TEST_F(ExecutorTest, LeavesOutFieldsWhoseTemplateGivesNothing) {
  run_steps("  - click: {selector: '#a', within: '{{ site.nothing }}', nth: \"{{ '2' }}\"}\n");

  EXPECT_EQ(done[0], R"(click {"selector":"#a","nth":2})");
}

TEST_F(ExecutorTest, LimitsTheSizeOfTheOutput) {
  output_bytes_max = 10;

  const auto outcome = run_steps("  - set: {a: 'a long text'}\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Errc::payload_too_large);
  EXPECT_EQ(outcome.error->message, "output: 19 bytes exceed 10");
}

TEST_F(ExecutorTest, ChecksTheOutputAgainstItsSchema) {
  const auto outcome = run(
      "workflow: w\nsteps: [{set: {n: x}}]\noutput_schema: {properties: {n: {type: integer}}}\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Errc::extraction_failed);
  EXPECT_THAT(outcome.error->message, HasSubstr("output[n]"));
  EXPECT_EQ(outcome.error->source, "w.yaml output_schema");
}

}  // namespace
}  // namespace troupe::engine
