#include "engine/executor_fixture.h"

namespace troupe::engine {
namespace {

using testing_support::ExecutorFixture;

using ExecutorControlTest = ExecutorFixture;

TEST_F(ExecutorControlTest, ChoosesBranchesOfIf) {
  const auto outcome = run_steps(R"(  - if: "{{ session.index == 1 }}"
    then: [{set: {a: yes}}]
    else: [{set: {a: no}}]
  - if: session.index > 5
    then: [{set: {b: yes}}]
)");

  EXPECT_EQ(text(outcome.output), R"({"a":"yes"})");
}

TEST_F(ExecutorControlTest, LoopsOverLists) {
  const auto outcome = run_steps(R"(  - for_each: [a, b, c, d]
    as: letter
    limit: 3
    do:
      - set: {last: "{{ letter }}"}
    collect: "{{ loop.index }}{{ letter }}{{ '!' if loop.last else '' }}"
    save_as: all
)");

  EXPECT_EQ(text(outcome.output), R"({"last":"c","all":["0a","1b","2c!"]})");
}

TEST_F(ExecutorControlTest, RefusesToLoopOverWhatIsNoList) {
  const auto outcome = run_steps("  - for_each: session.id\n    do: [{log: x}]\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->message, "for_each: needs a list, not string");
  EXPECT_EQ(outcome.error->source, "w.yaml:3 steps[0].for_each");
}

TEST_F(ExecutorControlTest, LeavesOnlyTheInnermostLoop) {
  const auto outcome = run_steps(R"(  - set: {n: 0}
  - for_each: [1, 2]
    as: outer
    do:
      - for_each: [1, 2, 3]
        as: inner
        do:
          - break_if: inner == 2
          - set: {n: "{{ n + 1 }}"}
)");

  EXPECT_EQ(text(outcome.output), R"({"n":2})");
}

TEST_F(ExecutorControlTest, RepeatsWhileTheConditionHoldsUpToItsBound) {
  const auto outcome = run_steps(R"(  - set: {n: 0, m: 0}
  - while: n < 5
    max: 100
    do: [{set: {n: "{{ n + 1 }}"}}]
  - while: true
    max: "{{ n + 2 }}"
    do: [{set: {m: "{{ m + 1 }}"}}]
)");

  EXPECT_EQ(text(outcome.output), R"({"n":5,"m":7})");
}

TEST_F(ExecutorControlTest, RefusesABoundThatATemplateGetsWrong) {
  const auto outcome = run_steps("  - while: true\n    max: '{{ 0 }}'\n    do: [{log: x}]\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->message, "max: 0 is less than the minimum 1");
}

TEST_F(ExecutorControlTest, StopsEarlyAsASuccess) {
  const auto outcome = run_steps(
      "  - for_each: [1, 2]\n    do:\n      - set: {n: '{{ item }}'}\n      - stop: enough\n"
      "  - set: {n: 9}\n");

  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(text(outcome.output), R"({"n":1})");
}

TEST_F(ExecutorControlTest, FailsAnAssertionWithItsMessage) {
  const auto outcome =
      run_steps("  - id: check\n    assert: 1 > 2\n    message: 'have {{ session.index }}'\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Errc::assertion_failed);
  EXPECT_EQ(outcome.error->message, "assert: have 1");
  EXPECT_EQ(outcome.error->source, "w.yaml:3 steps[0].assert");
  EXPECT_EQ(outcome.failed_step, "check");
  EXPECT_FALSE(outcome.page_clean);
}

TEST_F(ExecutorControlTest, FailsOnRequest) {
  const auto outcome = run_steps("  - fail: 'no luck'\n");

  EXPECT_EQ(outcome.error->message, "fail: no luck");
}

TEST_F(ExecutorControlTest, ReportsLogTextAndLevel) {
  std::string level;
  on_report = [&](const StepReport& step) {
    if (step.status == "ok") level = step.level + ": " + step.detail;
  };

  run_steps("  - log: 'task {{ task.attempt }}'\n    level: warning\n");

  EXPECT_EQ(level, "warning: task 1");
}

TEST_F(ExecutorControlTest, IgnoresAFailureOfAWholeBlock) {
  results.push_back(broken(Errc::target_not_found));

  const auto outcome = run_steps(
      "  - for_each: [1, 2]\n    on_error: continue\n    do: [{click: '#a'}]\n  - click: '#b'\n");

  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(done.size(), 2u);
}

TEST_F(ExecutorControlTest, RetriesABlockUntilItsAssertionHolds) {
  const auto outcome = run_steps(R"(  - set: {n: 0}
  - retry: {attempts: 4, delay: 1s}
    do:
      - set: {n: "{{ n + 1 }}"}
      - assert: n == 3
)");

  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(text(outcome.output), R"({"n":3})");
}

TEST_F(ExecutorControlTest, DoesNotContinueAfterTheDeadlineOfABlock) {
  const auto outcome = run_steps(R"(  - for_each: [1, 2, 3]
    timeout: 5s
    on_error: continue
    do:
      - wait_for: {duration: 3s}
        on_error: continue
  - click: '#b'
)");

  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(done.size(), 2u);  // one wait of three, then the click
}

TEST_F(ExecutorControlTest, CallsOtherWorkflowsWithTheirOwnVariables) {
  others["greet"] =
      "workflow: greet\ninputs: {name: string}\nsteps: [{set: {t: 'hi {{ inputs.name }}'}}]\n"
      "output: '{{ t }}'\n";

  const auto outcome =
      run_steps("  - call: greet\n    with: {name: '{{ session.id }}'}\n    save_as: said\n");

  EXPECT_EQ(text(outcome.output), R"({"said":"hi session-1"})");
  EXPECT_EQ(reports[1], "s1/s1 set started");
}

TEST_F(ExecutorControlTest, ChecksTheInputsOfACall) {
  others["greet"] = "workflow: greet\ninputs: {name: string}\nsteps: [{log: x}]\n";

  const auto outcome = run_steps("  - call: greet\n    with: {nmae: x, name: y}\n");

  EXPECT_EQ(outcome.error->message,
            "with.nmae: workflow greet has no such input (did you mean 'name'?)");
}

TEST_F(ExecutorControlTest, NamesTheFileOfACalledStep) {
  others["inner"] = "workflow: inner\nsteps:\n  - fail: 'inside'\n";

  const auto outcome = run_steps("  - call: inner\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->source, "inner.yaml:3 steps[0].fail");
  EXPECT_EQ(outcome.failed_step, "s1/s1");
}

TEST_F(ExecutorControlTest, LimitsTheDepthOfCalls) {
  others["loop"] = "workflow: loop\nsteps: [{call: loop}]\n";

  const auto outcome = run_steps("  - call: loop\n");

  EXPECT_EQ(outcome.error->message, "call: workflows call each other more than 8 deep");
}

TEST_F(ExecutorControlTest, NamesACallThatIsNotKnown) {
  EXPECT_EQ(run_steps("  - call: nobody\n").error->message, "workflow 'nobody' is not known");
}

TEST_F(ExecutorControlTest, RunsWrittenBranchesInTabsOfTheirOwn) {
  EXPECT_CALL(interactor, opens).Times(2);
  EXPECT_CALL(interactor, closes(false)).Times(2);

  const auto outcome = run_steps(R"(  - parallel:
      - [{evaluate: 'a', save_as: left}]
      - [{evaluate: 'b', save_as: right}]
)");

  EXPECT_EQ(text(outcome.output), R"({"left":{"expression":"a"},"right":{"expression":"b"}})");
}

TEST_F(ExecutorControlTest, RunsABranchPerItemAndKeepsTheirOrder) {
  const auto outcome = run_steps(R"(  - parallel: "{{ [3, 1, 2] }}"
    as: n
    limit: 2
    do:
      - wait_for: {duration: "{{ n }}s"}
      - set: {mine: "{{ n * 10 }}"}
    collect: "{{ mine }}"
    save_as: all
)");

  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(text(outcome.output), R"({"all":[30,10,20]})");
  EXPECT_EQ(clock.now() - ManualClock().now(), std::chrono::seconds(3));
}

TEST_F(ExecutorControlTest, StopsTheOtherBranchesWhenOneFails) {
  EXPECT_CALL(interactor, closes(false)).Times(2);

  const auto outcome = run_steps(R"(  - parallel:
      - [{wait_for: {duration: 20s}}]
      - [{wait_for: {duration: 1s}}, {id: bad, assert: false}]
)");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Errc::assertion_failed);
  EXPECT_EQ(outcome.failed_step, "bad");
  EXPECT_EQ(clock.now() - ManualClock().now(), std::chrono::seconds(1));
}

TEST_F(ExecutorControlTest, IgnoresAFailedParallelStepWhenToldTo) {
  const auto outcome =
      run_steps("  - parallel: [[{assert: false}]]\n    on_error: continue\n  - set: {a: 1}\n");

  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(text(outcome.output), R"({"a":1})");
}

TEST_F(ExecutorControlTest, EndsAnEndlessLoopAtTheDeadline) {
  task_timeout = std::chrono::seconds(1);
  on_report = [this](const StepReport& step) {
    if (step.status == "started") clock.advance(std::chrono::milliseconds(1));
  };

  const auto outcome = run_steps("  - while: true\n    max: 100000\n    do: [{set: {n: 1}}]\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Errc::timeout);
}

}  // namespace
}  // namespace troupe::engine
