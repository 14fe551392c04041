#include "troupe/workflow.hpp"

#include <gtest/gtest.h>

#include "troupe/orchestrator.hpp"
#include "workflows/definition.h"

namespace troupe {
namespace {

TEST(WorkflowBuilder, BuildsWhatTheTextFormSays) {
  const Workflow workflow =
      WorkflowBuilder("titles", 2)
          .description("Reads titles")
          .input("urls", {.type = "array"})
          .input("max", {.type = "integer", .default_value = 3})
          .for_each("inputs.urls", "url",
                    [](WorkflowBuilder& body) {
                      body.step("goto", "{{ url }}", {.timeout = std::chrono::milliseconds(1500)})
                          .retry(2, std::chrono::milliseconds(100),
                                 [](WorkflowBuilder& again) { again.step("click", "#more"); });
                    })
          .if_(
              "inputs.max > 1", [](WorkflowBuilder& then) { then.step("log", "many"); },
              [](WorkflowBuilder& other) { other.step("log", "one"); })
          .while_("false", 5, [](WorkflowBuilder& body) { body.step("scroll", "bottom"); })
          .step("extract", {{"fields", {{"title", "string"}}}}, {.save_as = "page"})
          .output("title", "{{ page.title }}")
          .output_schema({{"type", "object"}})
          .build();

  const auto& w = *workflow.definition();
  EXPECT_EQ(workflow.name(), "titles");
  EXPECT_EQ(w.version, 2);
  EXPECT_EQ(w.inputs.size(), 2u);
  ASSERT_EQ(w.steps.size(), 4u);
  EXPECT_EQ(w.steps[0].bodies[0][0].timeout, std::chrono::milliseconds(1500));
  EXPECT_EQ(w.steps[0].bodies[0][1].retry.attempts, 2);
  EXPECT_EQ(w.steps[1].bodies[1].size(), 1u);
  EXPECT_EQ(w.steps[3].save_as, "page");
}

TEST(WorkflowBuilder, CanBeBuiltFromTwiceAndCopied) {
  WorkflowBuilder first("a");
  first.step("log", "x");
  WorkflowBuilder second = first;
  second.step("log", "y");

  EXPECT_EQ(first.build().definition()->steps.size(), 1u);
  EXPECT_EQ(second.build().definition()->steps.size(), 2u);
}

TEST(WorkflowBuilder, ThrowsEveryMistake) {
  WorkflowBuilder builder("bad");
  builder.step("clik", "#a").step("goto", "{{ inputs.url }}");

  try {
    (void)builder.build();
    FAIL() << "nothing was thrown";
  } catch (const Orchestrator::ConfigurationError& error) {
    EXPECT_EQ(error.error().code, Errc::invalid_argument);
    EXPECT_EQ(error.error().message,
              "bad steps[0]: unknown step 'clik' (did you mean 'click'?)\n"
              "bad steps[1].goto.url: no input 'url'");
  }
}

TEST(Workflow, ThrowsForTextsAndFilesThatAreWrong) {
  EXPECT_THROW(Workflow::from_text("steps: 1"), Orchestrator::ConfigurationError);
  EXPECT_THROW(Workflow::from_file("/none/w.yaml"), Orchestrator::ConfigurationError);
}

TEST(Workflow, ComesFromTextOrByName) {
  EXPECT_EQ(Workflow::from_text("workflow: w\nsteps: [{log: x}]").name(), "w");
  EXPECT_EQ(Workflow("later").definition(), nullptr);
  EXPECT_TRUE(Workflow().empty());
}

TEST(Workflow, VideoDiscoveryIsBuiltIn) {
  EXPECT_EQ(workflows::video_discovery().name(), "video_discovery");
  EXPECT_NE(workflows::video_discovery().definition(), nullptr);
}

}  // namespace
}  // namespace troupe
