#include "engine/executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "workflows/definition.h"

namespace troupe {
/// GoogleMock prints what a mock returns; Boost's own printing needs types that can be streamed.
template <class T>
void PrintTo(const Result<T>& result, std::ostream* out) {
  *out << (result ? "ok" : result.error().describe());
}
}  // namespace troupe

namespace troupe::engine {
namespace {

using testing::_;
using testing::AnyNumber;
using testing::HasSubstr;
using testing::NiceMock;

class FakeTab final : public interact::Tab {
 public:
  explicit FakeTab(std::string* address) : address_(address) {}
  std::string url() const override { return *address_; }

 private:
  std::string* address_;
};

class FakeSession final : public sessions::LiveSession {
 public:
  const std::string& id() const override { return id_; }
  Result<sessions::Browser> browser() override { return sessions::Browser{}; }
  std::unique_ptr<cdp::Page> take_page() override { return nullptr; }
  void give_back_page(std::unique_ptr<cdp::Page>) override {}
  Result<std::string> downloads_dir() override { return std::string(); }
  Session::Counters& counters() override { return counters_; }

 private:
  std::string id_ = "session-1";
  Session::Counters counters_;
};

/// What the interactor is asked to do; `does` answers for the page.
class MockInteractor : public interact::Interactor {
 public:
  MOCK_METHOD(Result<interact::ActionResult>, does, (const interact::Action&));
  MOCK_METHOD(Result<void>, opens, ());
  MOCK_METHOD(Result<std::string>, pictures, ());
  MOCK_METHOD(Result<void>, closes, (bool clean));

  std::string_view name() const override { return "mock"; }
  Async<std::unique_ptr<interact::Tab>> open(Context&, sessions::LiveSession&,
                                             interact::InteractOptions) override {
    CO_TRY_VOID(opens());
    ++open_tabs;
    co_return std::make_unique<FakeTab>(&address);
  }
  Async<interact::ActionResult> perform(Context& ctx, interact::Tab&,
                                        interact::Action action) override {
    if (action.kind == "wait_for" && action.args.contains("duration")) {
      CO_TRY(const Duration duration, workflows::parse_duration(action.args.at("duration")));
      CO_TRY_VOID(co_await sleep_for(ctx, duration));
    }
    if (action.kind == "goto") address = std::string(action.args.at("url").get_string());
    co_return does(action);
  }
  Async<std::string> screenshot(Context&, interact::Tab&) override { co_return pictures(); }
  Async<void> close(Context& ctx, std::unique_ptr<interact::Tab>, bool clean) override {
    CO_TRY_VOID(ctx.check());  // clean-up is never cancelled
    --open_tabs;
    co_return closes(clean);
  }

  std::string address = "about:blank";
  int open_tabs = 0;
};

class ExecutorTest : public testing::Test {
 protected:
  ExecutorTest() {
    ON_CALL(interactor, opens).WillByDefault([] { return Result<void>(); });
    ON_CALL(interactor, closes).WillByDefault([](bool) { return Result<void>(); });
    ON_CALL(interactor, pictures).WillByDefault([] { return Result<std::string>("png"); });
    ON_CALL(interactor, does).WillByDefault([this](const interact::Action& action) {
      return answer(action);
    });
  }

  /// By default an action gives its arguments; queued results come first.
  Result<interact::ActionResult> answer(const interact::Action& action) {
    done.push_back(action.kind + " " + json::serialize(action.args));
    if (!results.empty()) {
      auto result = std::move(results.front());
      results.erase(results.begin());
      return result;
    }
    return interact::ActionResult{.output = action.args, .detail = "did " + action.kind};
  }

  static std::shared_ptr<const workflows::Definition> parse(std::string_view text) {
    auto parsed = workflows::parse_definition(text, "w.yaml");
    EXPECT_TRUE(parsed) << parsed.error().message;
    return parsed ? *parsed : nullptr;
  }
  ExecutionOutcome run(std::string_view text) {
    ExecutionInput input;
    input.definition = parse(text);
    input.inputs = inputs;
    input.site = site;
    input.session_index = 1;
    input.session_count = 3;
    input.run_id = "run_1";
    input.task_id = "task_1";
    input.artifacts_dir = artifacts;
    input.output_bytes_max = output_bytes_max;
    input.find_workflow = [this](const std::string& name) { return find(name); };
    return run(std::move(input));
  }
  ExecutionOutcome run_steps(std::string_view steps) {
    return run("workflow: w\nsteps:\n" + std::string(steps));
  }
  /// Virtual time: whenever nothing is left to do, the clock moves to its next timer.
  ExecutionOutcome run(ExecutionInput input) {
    asio::io_context io;
    Context root(clock, io.get_executor());
    Context cancellable = root.with_cancel(cancel);
    Context ctx = cancellable.with_timeout(task_timeout, "task task_1");
    std::optional<ExecutionOutcome> outcome;
    auto report = [this](const StepReport& step) {
      reports.push_back(step.id + " " + step.kind + " " + step.status);
      details.push_back(step.detail);
      if (on_report) on_report(step);
    };
    asio::co_spawn(io, execute(ctx, session, interactor, std::move(input), report),
                   [&outcome](std::exception_ptr exception, ExecutionOutcome value) {
                     if (exception) std::rethrow_exception(exception);
                     outcome = std::move(value);
                   });
    while (!outcome) {
      io.restart();
      io.poll();
      if (outcome || clock.next() == SteadyTime::max()) break;
      clock.advance(clock.next() - clock.now());
    }
    EXPECT_TRUE(outcome.has_value()) << "the execution hangs";
    EXPECT_EQ(interactor.open_tabs, 0) << "a tab was left open";
    return outcome.value_or(ExecutionOutcome{});
  }
  Result<std::shared_ptr<const workflows::Definition>> find(const std::string& name) {
    const auto found = others.find(name);
    if (found == others.end()) return fail(Errc::not_found, "workflow '" + name + "' is not known");
    return workflows::parse_definition(found->second, name + ".yaml");
  }
  static Error broken(Errc code, std::string message = "broken") {
    return fail(code, std::move(message));
  }
  static std::string text(const json::value& value) { return json::serialize(value); }

  ManualClock clock;
  CancelSource cancel;
  Duration task_timeout = std::chrono::minutes(10);
  FakeSession session;
  NiceMock<MockInteractor> interactor;
  workflows::Site site;
  json::object inputs;
  std::string artifacts;
  std::int64_t output_bytes_max = 1 << 20;
  std::map<std::string, std::string> others;
  std::vector<Result<interact::ActionResult>> results;
  std::function<void(const StepReport&)> on_report;
  std::vector<std::string> done;
  std::vector<std::string> reports;
  std::vector<std::string> details;
};

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

TEST_F(ExecutorTest, ChoosesBranchesOfIf) {
  const auto outcome = run_steps(R"(  - if: "{{ session.index == 1 }}"
    then: [{set: {a: yes}}]
    else: [{set: {a: no}}]
  - if: session.index > 5
    then: [{set: {b: yes}}]
)");

  EXPECT_EQ(text(outcome.output), R"({"a":"yes"})");
}

TEST_F(ExecutorTest, LoopsOverLists) {
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

TEST_F(ExecutorTest, RefusesToLoopOverWhatIsNoList) {
  const auto outcome = run_steps("  - for_each: session.id\n    do: [{log: x}]\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->message, "for_each: needs a list, not string");
  EXPECT_EQ(outcome.error->source, "w.yaml:3 steps[0].for_each");
}

TEST_F(ExecutorTest, LeavesOnlyTheInnermostLoop) {
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

TEST_F(ExecutorTest, RepeatsWhileTheConditionHoldsUpToItsBound) {
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

TEST_F(ExecutorTest, RefusesABoundThatATemplateGetsWrong) {
  const auto outcome = run_steps("  - while: true\n    max: '{{ 0 }}'\n    do: [{log: x}]\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->message, "max: 0 is less than the minimum 1");
}

TEST_F(ExecutorTest, StopsEarlyAsASuccess) {
  const auto outcome = run_steps(
      "  - for_each: [1, 2]\n    do:\n      - set: {n: '{{ item }}'}\n      - stop: enough\n"
      "  - set: {n: 9}\n");

  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(text(outcome.output), R"({"n":1})");
}

TEST_F(ExecutorTest, FailsAnAssertionWithItsMessage) {
  const auto outcome =
      run_steps("  - id: check\n    assert: 1 > 2\n    message: 'have {{ session.index }}'\n");

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Errc::assertion_failed);
  EXPECT_EQ(outcome.error->message, "assert: have 1");
  EXPECT_EQ(outcome.error->source, "w.yaml:3 steps[0].assert");
  EXPECT_EQ(outcome.failed_step, "check");
  EXPECT_FALSE(outcome.page_clean);
}

TEST_F(ExecutorTest, FailsOnRequest) {
  const auto outcome = run_steps("  - fail: 'no luck'\n");

  EXPECT_EQ(outcome.error->message, "fail: no luck");
}

TEST_F(ExecutorTest, ReportsLogTextAndLevel) {
  std::string level;
  on_report = [&](const StepReport& step) {
    if (step.status == "ok") level = step.level + ": " + step.detail;
  };

  run_steps("  - log: 'task {{ task.attempt }}'\n    level: warning\n");

  EXPECT_EQ(level, "warning: task 1");
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

TEST_F(ExecutorTest, IgnoresAFailureOfAWholeBlock) {
  results.push_back(broken(Errc::target_not_found));

  const auto outcome = run_steps(
      "  - for_each: [1, 2]\n    on_error: continue\n    do: [{click: '#a'}]\n  - click: '#b'\n");

  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(done.size(), 2u);
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

TEST_F(ExecutorTest, RetriesABlockUntilItsAssertionHolds) {
  const auto outcome = run_steps(R"(  - set: {n: 0}
  - retry: {attempts: 4, delay: 1s}
    do:
      - set: {n: "{{ n + 1 }}"}
      - assert: n == 3
)");

  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(text(outcome.output), R"({"n":3})");
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

TEST_F(ExecutorTest, DoesNotContinueAfterTheDeadlineOfABlock) {
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

TEST_F(ExecutorTest, CallsOtherWorkflowsWithTheirOwnVariables) {
  others["greet"] =
      "workflow: greet\ninputs: {name: string}\nsteps: [{set: {t: 'hi {{ inputs.name }}'}}]\n"
      "output: '{{ t }}'\n";

  const auto outcome =
      run_steps("  - call: greet\n    with: {name: '{{ session.id }}'}\n    save_as: said\n");

  EXPECT_EQ(text(outcome.output), R"({"said":"hi session-1"})");
  EXPECT_EQ(reports[1], "s1/s1 set started");
}

TEST_F(ExecutorTest, ChecksTheInputsOfACall) {
  others["greet"] = "workflow: greet\ninputs: {name: string}\nsteps: [{log: x}]\n";

  const auto outcome = run_steps("  - call: greet\n    with: {nmae: x, name: y}\n");

  EXPECT_EQ(outcome.error->message,
            "with.nmae: workflow greet has no such input (did you mean 'name'?)");
}

TEST_F(ExecutorTest, LimitsTheDepthOfCalls) {
  others["loop"] = "workflow: loop\nsteps: [{call: loop}]\n";

  const auto outcome = run_steps("  - call: loop\n");

  EXPECT_EQ(outcome.error->message, "call: workflows call each other more than 8 deep");
}

TEST_F(ExecutorTest, NamesACallThatIsNotKnown) {
  EXPECT_EQ(run_steps("  - call: nobody\n").error->message, "workflow 'nobody' is not known");
}

TEST_F(ExecutorTest, RunsWrittenBranchesInTabsOfTheirOwn) {
  EXPECT_CALL(interactor, opens).Times(2);
  EXPECT_CALL(interactor, closes(true)).Times(2);

  const auto outcome = run_steps(R"(  - parallel:
      - [{evaluate: 'a', save_as: left}]
      - [{evaluate: 'b', save_as: right}]
)");

  EXPECT_EQ(text(outcome.output), R"({"left":{"expression":"a"},"right":{"expression":"b"}})");
}

TEST_F(ExecutorTest, RunsABranchPerItemAndKeepsTheirOrder) {
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

TEST_F(ExecutorTest, StopsTheOtherBranchesWhenOneFails) {
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

TEST_F(ExecutorTest, IgnoresAFailedParallelStepWhenToldTo) {
  const auto outcome =
      run_steps("  - parallel: [[{assert: false}]]\n    on_error: continue\n  - set: {a: 1}\n");

  EXPECT_FALSE(outcome.error);
  EXPECT_EQ(text(outcome.output), R"({"a":1})");
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

TEST_F(ExecutorTest, EndsAnEndlessLoopAtTheDeadline) {
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
