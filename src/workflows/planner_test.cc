#include "workflows/planner.h"

#include <gtest/gtest.h>

namespace troupe::workflows {
namespace {

std::shared_ptr<const Definition> definition() {
  const auto parsed = parse_definition(R"(
workflow: w
inputs:
  topic: {type: string, default: jazz, enum: [jazz, rock], description: What to look for}
  max: {type: integer, default: 20, min: 1, max: 500}
  ratio: {type: number, required: false}
  deep: {type: boolean, default: false}
  tags: {type: array, items: string, default: [], max: 3}
  extra: {type: object, required: false}
steps: [{log: x}]
)",
                                       "w.yaml");
  EXPECT_TRUE(parsed) << parsed.error().message;
  return *parsed;
}

/// The inputs of the tasks as JSON, or `! message`.
std::string plan_of(const RunRequest& request, PlanLimits limits = {}) {
  const auto tasks = plan(*definition(), request, limits);
  if (!tasks) return "! " + tasks.error().message;
  std::string text;
  for (const auto& task : *tasks)
    text += std::to_string(task.index) + " " + json::serialize(task.inputs) + "\n";
  return text;
}
std::string inputs_of(json::object inputs) {
  RunRequest request;
  request.inputs = std::move(inputs);
  return plan_of(request);
}

constexpr std::string_view kDefaults =
    R"("max":20,"ratio":null,"deep":false,"tags":[],"extra":null})";

TEST(Planner, MakesOneTaskPerSession) {
  RunRequest request;
  request.sessions = 2;

  const std::string row = R"({"topic":"jazz",)" + std::string(kDefaults) + "\n";
  EXPECT_EQ(plan_of(request), "0 " + row + "1 " + row);
}

TEST(Planner, MakesOneTaskPerItemMergedOverTheInputs) {
  RunRequest request;
  request.sessions = 5;
  request.inputs = {{"max", 5}, {"topic", "rock"}};
  request.items = {{{"topic", "jazz"}}, {{"max", "7"}}};

  const std::string rest = R"(,"ratio":null,"deep":false,"tags":[],"extra":null})";
  EXPECT_EQ(plan_of(request), R"(0 {"topic":"jazz","max":5)" + rest + "\n" +
                                  R"(1 {"topic":"rock","max":7)" + rest + "\n");
}

TEST(Planner, CoercesWhatLosesNothing) {
  EXPECT_EQ(
      inputs_of({{"max", "5"},
                 {"ratio", "0.5"},
                 {"deep", "yes"},
                 {"tags", R"(["a",1])"},
                 {"extra", R"({"a":1})"}}),
      R"(0 {"topic":"jazz","max":5,"ratio":5E-1,"deep":true,"tags":["a","1"],"extra":{"a":1}})"
      "\n");
  EXPECT_EQ(inputs_of({{"max", 5.0}, {"tags", "one"}}),
            R"(0 {"topic":"jazz","max":5,"ratio":null,"deep":false,"tags":["one"],"extra":null})"
            "\n");
}

TEST(Planner, RefusesWrongTypes) {
  EXPECT_EQ(inputs_of({{"max", "many"}}), "! inputs.max: must be an integer, not string \"many\"");
  EXPECT_EQ(inputs_of({{"max", 2.5}}), "! inputs.max: must be an integer, not number 2.5E0");
  EXPECT_EQ(inputs_of({{"deep", 2}}), "! inputs.deep: must be true or false, not integer 2");
  EXPECT_EQ(inputs_of({{"tags", {{"a", 1}}}}),
            "! inputs.tags: must be an array, not object {\"a\":1}");
  EXPECT_EQ(inputs_of({{"tags", json::array{json::object()}}}),
            "! inputs.tags: [0] must be a string, not object {}");
  EXPECT_EQ(inputs_of({{"extra", "x"}}), "! inputs.extra: must be an object, not string \"x\"");
}

TEST(Planner, ChecksLimitsAndChoices) {
  EXPECT_EQ(inputs_of({{"max", 0}}), "! inputs.max: 0 is less than the minimum 1");
  EXPECT_EQ(inputs_of({{"max", 501}}), "! inputs.max: 501 is more than the maximum 500");
  EXPECT_EQ(inputs_of({{"tags", {"a", "b", "c", "d"}}}),
            "! inputs.tags: 4 items is more than the maximum 3");
  EXPECT_EQ(inputs_of({{"topic", "polka"}}),
            R"(! inputs.topic: "polka" is not one of ["jazz","rock"])");
}

TEST(Planner, RefusesUnknownInputsWithASuggestion) {
  EXPECT_EQ(inputs_of({{"topics", "jazz"}}),
            "! inputs.topics: workflow w has no such input (did you mean 'topic'?)");
  RunRequest request;
  request.items = {json::object(), {{"mix", 1}}};
  EXPECT_EQ(plan_of(request), "! items[1].mix: workflow w has no such input (did you mean 'max'?)");
}

TEST(Planner, NamesAMissingInput) {
  const auto parsed =
      parse_definition("workflow: w\ninputs: {url: string}\nsteps: [{log: x}]", "w");

  const auto tasks = plan(**parsed, RunRequest{}, {});

  ASSERT_FALSE(tasks);
  EXPECT_EQ(tasks.error().code, Errc::invalid_argument);
  EXPECT_EQ(tasks.error().message, "inputs.url: is missing; workflow w needs it (string)");
}

TEST(Planner, RefusesSessionsOutOfRange) {
  RunRequest request;
  request.sessions = 0;
  EXPECT_EQ(plan_of(request), "! sessions: 0 is not in 1..50");
  request.sessions = 1'000'000'000;
  EXPECT_EQ(plan_of(request), "! sessions: 1000000000 is not in 1..50");
}

TEST(Planner, RefusesTooManyItems) {
  RunRequest request;
  request.items.resize(3);

  EXPECT_EQ(plan_of(request, {.tasks_max = 2}), "! items: 3 are more than 2");
}

}  // namespace
}  // namespace troupe::workflows
