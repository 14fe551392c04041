// When what is written: how many entries share a writing, and what a step waits for.
#include "engine/executor_fixture.h"
#include "engine/journal_image.h"

namespace troupe::engine {
namespace {

using testing::ElementsAre;
using testing_support::ExecutorFixture;

class JournalWritingTest : public ExecutorFixture {
 protected:
  /// Each writing as the ids of its steps; `done` tells what had been done by then.
  void write_down(std::string_view steps) {
    ExecutionInput input;
    input.definition = parse("workflow: w\nsteps:\n" + std::string(steps));
    input.task_id = "task_1";
    input.journal.emplace();
    input.journal->stored = stored;
    input.journal->add =
        [this](Context&, std::vector<std::pair<std::string, std::string>> entries) -> Async<void> {
      std::string ids;
      for (const auto& [key, entry] : entries)
        if (key.starts_with('s')) ids += (ids.empty() ? "" : " ") + key;
      writings.push_back(ids + " after " + std::to_string(done.size()));
      co_return Result<void>();
    };
    const auto outcome = run(std::move(input));
    EXPECT_FALSE(outcome.error) << outcome.error->describe();
  }

  JournalEntries stored;
  std::vector<std::string> writings;
};

TEST_F(JournalWritingTest, AStepWithAnEffectWaitsForTheOneBefore) {
  write_down("  - click: '#a'\n  - click: '#b'\n  - click: '#c'\n");

  EXPECT_THAT(writings, ElementsAre("s1 after 1", "s2 after 2"));
}

TEST_F(JournalWritingTest, TheFirstPageComesAlongWithTheFirstEffect) {
  write_down(
      "  - goto: https://a.example/\n  - fill: {selector: '#a', value: x}\n  - click: '#b'\n"
      "  - click: '#c'\n");

  EXPECT_THAT(writings, ElementsAre("s1 s2 s3 after 3"));
}

TEST_F(JournalWritingTest, ALaterPageMayHaveAnEffect) {
  write_down("  - goto: https://a.example/\n  - goto: https://a.example/out\n  - click: '#c'\n");

  EXPECT_THAT(writings, ElementsAre("s1 s2 after 2"));
}

TEST_F(JournalWritingTest, APageAfterGoingOnMayHaveAnEffect) {
  stored = {{"#done", "1"}, {"s1", "{}"}};
  write_down("  - click: '#a'\n  - goto: https://a.example/out\n  - click: '#c'\n");

  EXPECT_THAT(writings, ElementsAre("s2 after 1"));
}

}  // namespace
}  // namespace troupe::engine
