#include "workflows/definition.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "base/assets.h"
#include "workflows/output_schema.h"

namespace troupe::workflows {
namespace {

/// All mistakes, one a line; `ok` when there are none.
std::string mistakes(std::string_view text) {
  std::string all;
  for (const auto& mistake : check_definition(text, "w.yaml").mistakes)
    all += (all.empty() ? "" : "\n") + mistake.describe();
  return all.empty() ? "ok" : all;
}
std::string steps_mistakes(std::string_view steps) {
  return mistakes("workflow: w\nsteps:\n" + std::string(steps));
}

TEST(Definition, IsReadWithPositionsAndIds) {
  const auto parsed = parse_definition(R"(
workflow: titles
version: 3
inputs:
  url: string
  max: {type: integer, default: "5", min: 1}
steps:
  - goto: "{{ inputs.url }}"
  - if: inputs.max > 3
    then:
      - click: "#more"
        timeout: 500ms
    else:
      - id: tell
        log: few
  - extract: {fields: {title: string}}
    save_as: page
output: {title: "{{ page.title }}"}
)",
                                       "w.yaml");

  ASSERT_TRUE(parsed) << parsed.error().message;
  const Definition& w = **parsed;
  EXPECT_EQ(w.name, "titles");
  EXPECT_EQ(w.version, 3);
  ASSERT_EQ(w.inputs.size(), 2u);
  EXPECT_TRUE(w.inputs[0].required);
  EXPECT_EQ(*w.inputs[1].default_value, json::value(5));
  ASSERT_EQ(w.steps.size(), 3u);
  EXPECT_EQ(w.steps[0].kind, "goto");
  EXPECT_EQ(w.steps[0].position.line, 8);
  EXPECT_EQ(w.steps[0].position.column, 5);
  EXPECT_EQ(w.steps[1].bodies[0][0].id, "s2.1");
  EXPECT_EQ(w.steps[1].bodies[0][0].timeout, std::chrono::milliseconds(500));
  EXPECT_EQ(w.steps[1].bodies[0][0].field, "steps[1].then[0]");
  EXPECT_EQ(w.steps[1].bodies[1][0].id, "tell");
}

TEST(Definition, ReportsEveryMistakeAtOnceInTheOrderOfLines) {
  EXPECT_EQ(mistakes(R"(workflow: w
versoin: 1
inputs:
  n: {type: intger}
steps:
  - clik: "#a"
  - click: {selector: "#a", nth: second}
  - goto: "{{ inputs.m }}"
  - goto: {}
)"),
            "w.yaml:2:1 versoin: unknown key (did you mean 'version'?)\n"
            "w.yaml:4:13 inputs.n.type: unknown type 'intger' (did you mean 'integer'?)\n"
            "w.yaml:6:5 steps[0]: unknown step 'clik' (did you mean 'click'?)\n"
            "w.yaml:7:34 steps[1].click.nth: must be an integer, not string \"second\"\n"
            "w.yaml:8:15 steps[2].goto.url: no input 'm' (did you mean 'n'?)\n"
            "w.yaml:9:11 steps[3].goto: field 'url' is missing");
}

TEST(Definition, NamesWhatIsMissing) {
  EXPECT_EQ(mistakes("{}"),
            "w.yaml:1:1 workflow: is missing: the workflow's name\n"
            "w.yaml:1:1 steps: is missing: the list of steps");
  EXPECT_EQ(mistakes("[]"), "w.yaml:1:1: must be a map with the keys workflow and steps");
  EXPECT_EQ(mistakes(""), "w.yaml: the document is empty");
  EXPECT_EQ(mistakes("workflow: w\nsteps: []"), "w.yaml:2:8 steps: has no steps");
}

TEST(Definition, RefusesTextThatIsNotYaml) {
  EXPECT_EQ(mistakes("workflow: [a").substr(0, 30), "w.yaml:1:1: not valid YAML: en");
}

TEST(Definition, RefusesRepeatedKeys) {
  EXPECT_EQ(mistakes("workflow: w\nworkflow: v\nsteps: [{log: x}]"),
            "w.yaml:2:1: key 'workflow' is given twice");
}

TEST(Definition, TellsThatTemplatesNeedQuotes) {
  EXPECT_EQ(steps_mistakes("  - log: {{ inputs.x }}\n").substr(0, 74),
            "w.yaml:3:11: a template at the beginning of a value must stand in quotes: ");
}

TEST(Definition, NamesThePlaceInsideATemplate) {
  EXPECT_EQ(steps_mistakes("  - log: \"n = {{ 1 + }}\"\n"),
            "w.yaml:3:22 steps[0].log: expected a value but found '}' (at character 12)");
  EXPECT_EQ(steps_mistakes("  - when: a.b ==\n    log: x\n"),
            "w.yaml:3:17 steps[0].when: expected a value but found the end (at character 7)");
}

TEST(Definition, FindsNamesThatNothingDefines) {
  EXPECT_EQ(steps_mistakes("  - set: {videos: []}\n  - log: \"{{ vidoes }}\"\n"),
            "w.yaml:4:14 steps[1].log: nothing has the name 'vidoes' (did you mean 'videos'?)");
  EXPECT_EQ(steps_mistakes("  - log: \"{{ session.indx }}\"\n"),
            "w.yaml:3:14 steps[0].log: 'session' has no 'indx' (did you mean 'index'?)");
  EXPECT_EQ(
      mistakes("workflow: w\ninputs: {url: string}\nsteps: [{goto: '{{ url }}'}]"),
      "w.yaml:3:20 steps[0].goto.url: nothing has the name 'url' (did you mean 'inputs.url'?)");
}

TEST(Definition, AllowsNamesThatLaterStepsOrLoopsDefine) {
  EXPECT_EQ(
      steps_mistakes("  - while: (n | default(0)) < 3\n    max: 5\n    do:\n"
                     "      - set: {n: \"{{ (n | default(0)) + 1 }}\"}\n"
                     "  - for_each: [1, 2]\n    as: x\n    do:\n"
                     "      - log: \"{{ x }} {{ loop.index }} {{ page.url }} {{ error.code }}\"\n"),
      "ok");
}

TEST(Definition, ProtectsNamesWithAMeaning) {
  EXPECT_EQ(
      steps_mistakes("  - set: {inputs: 1}\n"),
      "w.yaml:3:19 steps[0].set.inputs: 'inputs' has a meaning of its own; choose another name");
  EXPECT_EQ(steps_mistakes("  - set: {a-b: 1}\n"),
            "w.yaml:3:16 steps[0].set.a-b: not a name: 'a-b'; letters, digits and _ only, 64 at "
            "most, no digit first");
}

TEST(Definition, RefusesTwoKindsInOneStep) {
  EXPECT_EQ(steps_mistakes("  - goto: https://a.example\n    click: '#b'\n"),
            "w.yaml:4:5 steps[0]: has two kinds, 'goto' and 'click': make two steps of it");
}

TEST(Definition, KnowsRetryAsStepAndAsPolicy) {
  EXPECT_EQ(steps_mistakes("  - retry: {attempts: 2, delay: 1s}\n    do: [{log: x}]\n"
                           "  - goto: https://a.example\n    retry: {attempts: 5, backoff: 1.5}\n"
                           "  - goto: https://a.example\n    retry: 3\n"),
            "ok");
  EXPECT_EQ(steps_mistakes("  - log: x\n    retry: {attempts: 21, dely: 1s}\n"),
            "w.yaml:4:23 steps[0].retry.attempts: 21 is not in 1..20\n"
            "w.yaml:4:27 steps[0].retry.dely: unknown key (did you mean 'delay'?)");
}

TEST(Definition, DemandsTheBoundOfWhile) {
  EXPECT_EQ(steps_mistakes("  - while: true\n    do: [{log: x}]\n"),
            "w.yaml:3:5 steps[0]: 'max' of 'while' is missing");
  EXPECT_EQ(steps_mistakes("  - while: true\n    max: 100001\n    do: [{log: x}]\n"),
            "w.yaml:4:10 steps[0].max: 100001 is not in 1..100000");
}

TEST(Definition, ChecksTargets) {
  EXPECT_EQ(steps_mistakes("  - click: {nth: 2}\n"),
            "w.yaml:3:12 steps[0].click: needs a target: selector, role, name, label, text, "
            "placeholder or test_id");
  EXPECT_EQ(steps_mistakes("  - fill: hello\n"),
            "w.yaml:3:11 steps[0].fill: must be an object with its fields");
  EXPECT_EQ(steps_mistakes("  - screenshot:\n  - press: Enter\n"), "ok");
}

TEST(Definition, ChecksTheKeysOfExtractFields) {
  EXPECT_EQ(
      steps_mistakes(
          "  - extract: {fields: {n: {selektor: a}, o: {items: li, fields: {p: datte}}}}\n"),
      "w.yaml:3:28 steps[0].extract.fields.n.selektor: unknown key (did you mean 'selector'?)\n"
      "w.yaml:3:69 steps[0].extract.fields.o.fields.p: unknown type 'datte' (did you mean "
      "'date'?)");
}

TEST(Definition, ChecksChoicesDurationsAndExtractTypes) {
  EXPECT_EQ(steps_mistakes("  - wait_for: {selector: a, state: gone}\n"),
            "w.yaml:3:36 steps[0].wait_for.state: must be one of attached, visible, hidden, "
            "detached, enabled, not string \"gone\"");
  EXPECT_EQ(
      steps_mistakes("  - log: x\n    timeout: 5 parsecs\n"),
      "w.yaml:4:14 steps[0].timeout: must be a duration (10s, 500ms, 2m, 1h, or seconds), not "
      "string \"5 parsecs\"");
  EXPECT_EQ(
      steps_mistakes("  - extract: {fields: {n: cuont, u: {type: urll}}}\n"),
      "w.yaml:3:27 steps[0].extract.fields.n: unknown type 'cuont' (did you mean 'count'?)\n"
      "w.yaml:3:44 steps[0].extract.fields.u.type: unknown type 'urll' (did you mean 'url'?)");
}

TEST(Definition, RefusesABreakOutsideALoop) {
  EXPECT_EQ(steps_mistakes("  - break_if: true\n"),
            "w.yaml:3:5 steps[0]: break_if stands in no for_each or while");
}

TEST(Definition, RefusesSavingWhatAStepDoesNotGive) {
  EXPECT_EQ(steps_mistakes("  - log: x\n    save_as: y\n"),
            "w.yaml:4:14 steps[0].save_as: 'log' gives no value to save");
  EXPECT_EQ(steps_mistakes("  - for_each: [1]\n    do: [{log: x}]\n    save_as: y\n"),
            "w.yaml:5:14 steps[0].save_as: 'for_each' gives a value only with 'collect'");
}

TEST(Definition, RefusesRepeatedIds) {
  EXPECT_EQ(steps_mistakes("  - {id: a, log: x}\n  - {id: a, log: y}\n"),
            "w.yaml:4:10 steps[1].id: 'a' is given twice");
}

TEST(Definition, LimitsNesting) {
  std::string text = "workflow: w\nsteps: ";
  for (int i = 0; i < 17; ++i) text += "[{if: true, then: ";
  text += "[{log: x}]";
  for (int i = 0; i < 17; ++i) text += "}]";

  EXPECT_NE(mistakes(text).find("steps are nested more than 16 deep"), std::string::npos);
  EXPECT_NE(mistakes(std::string(100'000, '[')).find("nested more than 48 deep"),
            std::string::npos);
}

TEST(Definition, LimitsSteps) {
  std::string text = "workflow: w\nsteps:\n";
  for (int i = 0; i < 10'001; ++i) text += "- log: x\n";

  EXPECT_EQ(mistakes(text), "w.yaml:10003:3 steps: the workflow has more than 10000 steps");
}

TEST(Definition, LimitsBytes) {
  EXPECT_EQ(mistakes(std::string((1 << 20) + 1, ' ')),
            "w.yaml: has 1048577 bytes, more than 1048576");
}

TEST(Definition, RefusesBombsOfAliases) {
  std::string text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'j'; ++c) {
    const std::string before = "*" + std::string(1, static_cast<char>(c - 1));
    text += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 10; ++i) text += (i ? ", " : "") + before;
    text += "]\n";
  }

  EXPECT_NE(mistakes(text).find("aliases expand to more than 200000 values"), std::string::npos);
}

TEST(Definition, RefusesItemsOfWhatIsNoArray) {
  EXPECT_EQ(mistakes("workflow: w\ninputs: {t: {items: string, default: a}}\nsteps: [{log: x}]"),
            "w.yaml:2:21 inputs.t.items: only an array has items");
}

TEST(Definition, KeepsQuotedNumbersAsTexts) {
  const auto parsed =
      parse_definition("workflow: w\nsteps: [{log: x}]\noutput: {a: 5, b: \"5\"}", "w");

  EXPECT_EQ(json::serialize((*parsed)->output.constant()), R"({"a":5,"b":"5"})");
}

TEST(Definition, ReadsJsonToo) {
  EXPECT_EQ(mistakes(R"({"workflow": "w", "steps": [{"goto": {"url": "https:\/\/a.example"}}]})"),
            "ok");
}

TEST(Definition, RefusesABrokenOutputSchema) {
  EXPECT_NE(mistakes("workflow: w\nsteps: [{log: x}]\noutput_schema: {type: objct}")
                .find("w.yaml:3:16 output_schema: not a JSON Schema"),
            std::string::npos);
  EXPECT_NE(mistakes("workflow: w\nsteps: [{log: x}]\noutput_schema: {$ref: 'file:///etc/passwd'}")
                .find("$ref must point into the schema itself"),
            std::string::npos);
}

TEST(OutputSchema, NamesEveryPlaceThatDoesNotFit) {
  const auto schema = json::parse(
      R"({"type":"object","properties":{"n":{"type":"integer"},"l":{"items":{"type":"string"}}}})");
  const auto output = json::parse(R"({"n":"x","l":["a",1]})");

  const auto checked = validate_output(schema.get_object(), output);

  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, Errc::extraction_failed);
  EXPECT_NE(checked.error().message.find("output[n]"), std::string::npos)
      << checked.error().message;
  EXPECT_NE(checked.error().message.find("output[l][1]"), std::string::npos)
      << checked.error().message;
}

TEST(OutputSchema, AcceptsWhatFits) {
  const auto schema = json::parse(R"({"type":"object","required":["n"]})");

  EXPECT_TRUE(validate_output(schema.get_object(), json::parse(R"({"n":1})")));
}

TEST(WorkflowSchema, HasEveryStepKindAndIsItselfASchema) {
  const json::object schema = workflow_schema();

  const std::string text = json::serialize(schema);
  EXPECT_NE(text.find("\"wait_for\""), std::string::npos);
  EXPECT_NE(text.find("\"for_each\""), std::string::npos);
  EXPECT_TRUE(check_schema(schema));
}

TEST(WorkflowSchema, FitsAWorkflowAndRefusesAnUnknownStep) {
  const json::object schema = workflow_schema();
  const auto good = json::parse(
      R"({"workflow":"w","steps":[{"goto":"https://a.example","retry":{"attempts":2}},
          {"if":"a","then":[{"click":{"selector":"b"}}]},{"retry":{"attempts":2},"do":[{"log":"x"}]}]})");
  const auto bad = json::parse(R"({"workflow":"w","steps":[{"gogo":"https://a.example"}]})");

  const auto checked = validate_output(schema, good);
  EXPECT_TRUE(checked) << checked.error().message;
  EXPECT_FALSE(validate_output(schema, bad));
}

/// The n-th YAML block of the guide.
std::string guide_block(int n) {
  std::ifstream file(std::string(TROUPE_SOURCE_DIR) + "/docs/guides/workflows.md");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  constexpr std::string_view kOpen = "```yaml\n";
  std::size_t begin = 0;
  for (int i = 0; i < n; ++i) begin = text.find(kOpen, begin) + kOpen.size();
  return text.substr(begin, text.find("```", begin) - begin);
}

TEST(Guide, ShowsAValidWorkflow) { EXPECT_EQ(mistakes(guide_block(1)), "ok"); }

TEST(Guide, ShowsValidControlSteps) {
  std::string steps = guide_block(2);
  for (auto at = steps.find("[...]"); at != std::string::npos; at = steps.find("[...]"))
    steps.replace(at, 5, "[{log: x}]");
  // What the guide's fragments take for granted, and a loop around its break_if.
  const std::string text =
      "workflow: w\ninputs: {deep: boolean, topics: array, user: string}\nsteps:\n"
      "- set: {found: [], urls: [], details: null, videos: []}\n"
      "- for_each: [1]\n  do:\n  - log: x\n";
  std::string indented;
  std::istringstream lines(steps);
  for (std::string line; std::getline(lines, line);) indented += "  " + line + "\n";

  EXPECT_EQ(mistakes(text + indented), "ok");
}

TEST(BuiltInWorkflows, AreValid) {
  const auto paths = assets::list("workflows/");
  ASSERT_FALSE(paths.empty());
  for (const auto path : paths) {
    const auto parsed = parse_definition(assets::get(path), path);
    EXPECT_TRUE(parsed) << parsed.error().message;
  }
}

}  // namespace
}  // namespace troupe::workflows
