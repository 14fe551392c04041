// Attempts that die anywhere, and the next one that goes on from the journal: what had an effect is
// not done again, and what comes out is what one attempt would have given.
#include "engine/executor_fixture.h"
#include "engine/journal_image.h"

namespace troupe::engine {
namespace {

using std::chrono_literals::operator""ms;
using ::testing::HasSubstr;
using testing_support::ExecutorFixture;

constexpr std::string_view kNested = R"(  - set: {total: 0}
  - goto: "https://site.test/start"
  - for_each: "{{ inputs.letters }}"
    as: outer
    save_as: rows
    collect: "{{ outer }}={{ cells }}"
    do:
      - for_each: [1, 2, 3]
        as: inner
        save_as: cells
        collect: "{{ outer }}{{ inner }}{{ said }}"
        do:
          - evaluate: "cell {{ outer }}{{ inner }}"
            save_as: said
          - set: {total: "{{ total + inner }}"}
          - if: inner == 2
            then:
              - evaluate: "then {{ outer }}{{ total }}"
              - set: {total: "{{ total + 1 }}"}
          - evaluate: "end {{ outer }}{{ inner }} {{ loop.number }} of {{ loop.count }}"
  - evaluate: "after {{ total }}"
)";

constexpr std::string_view kWhile = R"(  - set: {n: 0, said: ""}
  - while: n < 4
    max: 50
    collect: "{{ n }}"
    save_as: counted
    do:
      - set: {n: "{{ n + 1 }}"}
      - evaluate: "more {{ n }} {{ loop.index }}"
        save_as: said
      - break_if: n == 3
      - evaluate: "still {{ n }}"
  - evaluate: "last {{ said }}"
)";

constexpr std::string_view kCall = R"(  - set: {base: 5}
  - for_each: [1, 2]
    as: i
    do:
      - call: other
        with: {n: "{{ base + i }}"}
        save_as: got
      - set: {base: "{{ got.sum }}"}
      - evaluate: "called {{ base }}"
)";
constexpr std::string_view kOther = R"(workflow: other
inputs: {n: {type: integer}}
steps:
  - set: {sum: "{{ inputs.n }}"}
  - for_each: [1, 2]
    as: j
    do:
      - evaluate: "inside {{ inputs.n }} {{ j }}"
      - set: {sum: "{{ sum + j }}"}
output: {sum: "{{ sum }}"}
)";

constexpr std::string_view kTabs = R"(  - set: {first: x}
  - parallel: "{{ inputs.letters }}"
    as: letter
    limit: 2
    save_as: all
    collect: "{{ letter }}{{ mine }}"
    do:
      - goto: "https://site.test/{{ letter }}"
      - set: {mine: 0}
      - for_each: [1, 2]
        as: k
        do:
          - set: {mine: "{{ mine + k }}"}
          - evaluate: "tab {{ letter }}{{ k }}"
  - parallel:
      - [{evaluate: "left", save_as: left}, {evaluate: "left again"}]
      - [{evaluate: "right", save_as: right}]
  - evaluate: "joined {{ left }} {{ right }}"
)";

constexpr std::string_view kRetry = R"(  - set: {tries: 0}
  - retry: {attempts: 3, delay: 1s}
    do:
      - set: {tries: "{{ tries + 1 }}"}
      - evaluate: "try {{ tries }}"
      - assert: tries == 2
      - evaluate: "good {{ tries }}"
)";

class ExecutorResumeTest : public ExecutorFixture {
 protected:
  ExecutorResumeTest() {
    interactor.takes = 7ms;
    inputs["letters"] = json::array{"a", "b", "c"};
    others["other"] = kOther;
    ON_CALL(interactor, does).WillByDefault([this](const interact::Action& action) {
      return perform(action);
    });
  }

  // The action takes effect, and then the attempt dies, on its own or with its process: what was
  // not stored by then never will be.
  Result<interact::ActionResult> perform(const interact::Action& action) {
    if (dead) return broken(Errc::session_lost);
    if (action.kind == "goto") {
      ++pages[std::string(action.args.at("url").get_string())];
      return interact::ActionResult{};
    }
    if (action.kind != "evaluate") return interact::ActionResult{.output = action.args};
    const std::string text(action.args.at("expression").get_string());
    ++effects[text];
    ++actions;
    if (--left == 0) {
      dead = true;
      last = text;
      return broken(Errc::session_lost);
    }
    return interact::ActionResult{.output = json::value(text)};
  }
  Async<void> add(Context& ctx, JournalEntries entries) {
    CO_TRY_VOID(co_await sleep_for(ctx, 3ms));
    if (dead && killed) co_return fail(Errc::conflict, "journal: its process is dead");
    for (auto& [key, entry] : entries) {
      if (entry.empty())
        store.erase(key);
      else
        store[key] = std::move(entry);
    }
    most_keys = std::max(most_keys, store.size());
    co_return Result<void>{};
  }
  // Dies at its action number `left`; at none when it has fewer, or 0.
  ExecutionOutcome attempt(std::string_view steps, int until) {
    dead = false;
    left = until;
    interactor.address = "about:blank";
    ExecutionInput input;
    input.definition =
        parse("workflow: w\ninputs: {letters: {type: array}}\nsteps:\n" + std::string(steps));
    input.inputs = inputs;
    input.task_id = "task_1";
    input.output_bytes_max = 64 << 20;
    input.find_workflow = [this](const std::string& name) { return find(name); };
    input.journal.emplace();
    for (const auto& [key, entry] : store) input.journal->stored.emplace_back(key, entry);
    input.journal->add = [this](Context& ctx, JournalEntries entries) {
      return add(ctx, std::move(entries));
    };
    return run(std::move(input));
  }
  int repeated() const {
    int count = 0;
    for (const auto& [effect, times] : effects) count += times - 1;
    return count;
  }
  void forget() {
    store.clear();
    effects.clear();
    pages.clear();
    actions = 0;
  }

  // `at_once` branches may each have a step under way.
  void dies_anywhere(std::string_view steps, int at_once = 1) {
    const auto whole = attempt(steps, 0);
    ASSERT_FALSE(whole.error) << whole.error->describe();
    const auto expected = effects;
    const int count = actions;
    for (const bool with_process : {false, true}) {
      killed = with_process;
      for (int at = 1; at <= count; ++at) {
        SCOPED_TRACE("action " + std::to_string(at) + (killed ? ", killed" : ", failed"));
        forget();
        EXPECT_TRUE(attempt(steps, at).error);
        const auto second = attempt(steps, 0);
        ASSERT_FALSE(second.error) << second.error->describe();
        EXPECT_EQ(text(second.output), text(whole.output));
        EXPECT_GE(effects[last], 2);
        EXPECT_LE(repeated(), at_once);
        EXPECT_EQ(effects.size(), expected.size());
      }
      forget();  // and on and on
      int attempts = 0;
      while (attempt(steps, at_once + 1).error && ++attempts < 1'000) continue;
      EXPECT_EQ(effects.size(), expected.size());
      EXPECT_LT(attempts, 1'000);
      EXPECT_LE(repeated(), attempts * at_once);
    }
  }

  bool dead = false;
  bool killed = false;
  int left = 0;
  int actions = 0;
  std::string last;
  std::map<std::string, int> effects;
  std::map<std::string, int> pages;
  std::map<std::string, std::string> store;
  std::size_t most_keys = 0;
};

TEST_F(ExecutorResumeTest, NestedLoopsGoOnInTheMiddleOfARound) { dies_anywhere(kNested); }
TEST_F(ExecutorResumeTest, AWhileGoesOnWithWhatItsConditionNeeds) { dies_anywhere(kWhile); }
TEST_F(ExecutorResumeTest, ACalledWorkflowGoesOnWithItsInputsAndNames) { dies_anywhere(kCall); }
TEST_F(ExecutorResumeTest, TabsOfAParallelStepGoOnEachForItself) { dies_anywhere(kTabs, 2); }
TEST_F(ExecutorResumeTest, ARepeatedBlockGoesOnInTheSameTry) { dies_anywhere(kRetry); }

TEST_F(ExecutorResumeTest, GoesOnInTheThirtySeventhRound) {
  constexpr std::string_view steps = R"(  - goto: "https://site.test/list"
  - set: {all: 0}
  - for_each: "{{ inputs.letters }}"
    as: n
    collect: "{{ n * 2 }}"
    save_as: doubled
    do:
      - evaluate: "first {{ n }}"
      - set: {all: "{{ all + n }}"}
      - evaluate: "second {{ n }}"
)";
  json::array numbers;
  for (int i = 1; i <= 100; ++i) numbers.push_back(i);
  inputs["letters"] = numbers;
  killed = true;

  EXPECT_TRUE(attempt(steps, 74).error);
  EXPECT_EQ(last, "second 37");
  inputs["letters"] = json::array{"another", "list"};  // as they were when the loop began
  const auto second = attempt(steps, 0);

  ASSERT_FALSE(second.error) << second.error->describe();
  EXPECT_EQ(second.output.at("all"), 5050);
  EXPECT_EQ(second.output.at("doubled").as_array().size(), 100u);
  EXPECT_EQ(second.output.at("doubled").as_array()[99], 200);
  EXPECT_EQ(repeated(), 1);
  EXPECT_EQ(effects["second 37"], 2);
  EXPECT_EQ(pages["https://site.test/list"], 2);  // opened again to go on from
}

TEST_F(ExecutorResumeTest, FillsInAgainWhatTheRoundHadFilledIn) {
  constexpr std::string_view steps = R"(  - goto: "https://site.test/form"
  - fill: {label: name, value: outside}
  - for_each: [1, 2]
    as: n
    do:
      - fill: {label: number, value: "{{ n }}"}
      - evaluate: "send {{ n }}"
)";
  std::vector<std::string> filled;
  ON_CALL(interactor, does).WillByDefault([&](const interact::Action& action) {
    if (action.kind == "fill" && !dead) filled.push_back(text(action.args.at("value")));
    return perform(action);
  });
  EXPECT_TRUE(attempt(steps, 2).error);
  filled.clear();

  const auto second = attempt(steps, 0);

  ASSERT_FALSE(second.error) << second.error->describe();
  EXPECT_THAT(filled, testing::ElementsAre("\"outside\"", "2"));
  EXPECT_EQ(effects["send 1"], 1);
}

TEST_F(ExecutorResumeTest, ABlockThatFailedForGoodBeginsAnew) {
  constexpr std::string_view steps = R"(  - set: {n: 0}
  - retry: {attempts: 2, delay: 1s}
    do:
      - set: {n: "{{ n + 1 }}"}
      - evaluate: "block {{ n }}"
      - assert: n == 3
)";
  EXPECT_TRUE(attempt(steps, 0).error);

  EXPECT_FALSE(attempt(steps, 0).error);
  EXPECT_EQ(effects, (std::map<std::string, int>{{"block 1", 1}, {"block 2", 1}, {"block 3", 1}}));
}

TEST_F(ExecutorResumeTest, AWayBackThatFailsIsNoFailureOfTheLoop) {
  constexpr std::string_view steps = R"(  - goto: "https://site.test/"
  - for_each: [1, 2, 3]
    as: n
    on_error: continue
    retry: {attempts: 3, delay: 1s}
    do: [{evaluate: "once {{ n }}"}]
)";
  EXPECT_TRUE(attempt(steps, 2).error);
  ON_CALL(interactor, does).WillByDefault([&](const interact::Action& action) {
    if (action.kind == "goto")
      return Result<interact::ActionResult>(broken(Errc::navigation_failed));
    return perform(action);
  });
  const auto failed = attempt(steps, 0);
  EXPECT_EQ(failed.error->code, Errc::navigation_failed);
  ON_CALL(interactor, does).WillByDefault([&](const interact::Action& action) {
    return perform(action);
  });

  EXPECT_FALSE(attempt(steps, 0).error);
  EXPECT_EQ(effects["once 1"], 1);
  EXPECT_EQ(effects["once 3"], 1);
}

TEST_F(ExecutorResumeTest, ALongLoopLeavesAShortJournal) {
  constexpr std::string_view steps = R"(  - for_each: "{{ inputs.letters }}"
    as: n
    do:
      - evaluate: "round {{ n }}"
        save_as: said
      - evaluate: "again {{ n }}"
  - evaluate: done
)";
  json::array numbers;
  for (int i = 0; i < 1'000; ++i) numbers.push_back(i);
  inputs["letters"] = numbers;

  EXPECT_TRUE(attempt(steps, 2001).error);

  EXPECT_LE(most_keys, 8u);     // list, loop, its two steps, `said`, names, count
  EXPECT_LE(store.size(), 4u);  // the loop has ended
  std::size_t bytes = 0;
  for (const auto& [key, entry] : store) bytes += key.size() + entry.size();
  EXPECT_LE(bytes, 200u);
}

TEST_F(ExecutorResumeTest, RefusesToKeepMoreThanTheJournalMayHold) {
  inputs["letters"] = json::array(40, json::value(std::string(450 << 10, 'x')));
  constexpr std::string_view steps = R"(  - for_each: "{{ inputs.letters }}"
    as: n
    do: [{evaluate: "{{ loop.index }}"}]
)";
  const auto outcome = attempt(steps, 0);

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Errc::payload_too_large);
  EXPECT_THAT(outcome.error->message, HasSubstr("more than 16777216"));
  EXPECT_EQ(store.size(), 0u);
}

}  // namespace
}  // namespace troupe::engine
