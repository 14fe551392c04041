#include "interact/stagehand_answers.h"

#include <gmock/gmock.h>

#include "base/testing.h"
#include "services/testing_stagehand_runtime.h"

namespace troupe::interact {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using troupe::testing::run;

constexpr const char* kTree = R"([0-5] RootWebArea: Shop
  [0-12] body
    [0-3] textbox: Email
    [0-4] select: Plan
      [0-27] option: Free [selected]
      [0-28] option: Pro plan
    [0-60] checkbox: Newsletter [checked]
    [0-61] button: Colour
    [0-47] button: Sign in
)";

// A model that says what the test wants, and keeps what it was asked.
class ScriptedModel final : public services::Model {
 public:
  Async<services::ModelReply> generate(Context&, services::ModelRequest request,
                                       services::ModelOptions) override {
    requests.push_back(std::move(request));
    if (error) co_return *error;
    services::ModelReply reply{.structured = answer, .model = "test/model"};
    reply.usage.input_tokens = 700;
    reply.usage.output_tokens = 20;
    co_return reply;
  }
  std::vector<services::ModelRequest> requests;
  json::value answer;
  std::optional<Error> error;
};

json::object prompt(const std::string& name, const std::string& text) {
  const json::object content{{"type", "text"}, {"text", text}};
  const json::object message{{"role", "user"}, {"content", content}};
  const json::object schema{{"$schema", "https://json-schema.org/"}, {"type", "object"}};
  const json::object format{{"type", "json_schema"}, {"name", name}, {"schema", schema}};
  return {{"messages", json::array{message}},
          {"system_prompt", "You help. (call t1)"},
          {"response_format", format}};
}

json::object act_prompt(const std::string& tree = kTree) {
  return prompt("Act", "instruction: do it (call t1)\nAccessibility Tree: \n" + tree);
}

StagehandTopic topic_of(const std::string& instruction, bool use_model = false) {
  StagehandTopic topic{.mark = " (call t1)"};
  topic.clause = parse_instruction(instruction).value().front();
  topic.use_model = use_model;
  return topic;
}

// What `answers` replies, checked against the contract; an error as its message.
asio::awaitable<json::object> replied(Context& ctx, StagehandAnswers& answers,
                                      json::object request) {
  const services::StagehandContract contract;
  EXPECT_EQ(contract.problem("llm.generate", "params", request), "");
  const std::string method = "llm.generate";
  auto reply = co_await answers.serve(ctx, method, std::move(request));
  if (!reply) co_return json::object{{"error", reply.error().message}};
  EXPECT_EQ(contract.problem("llm.generate", "result", *reply), "");
  co_return reply->at("structured_content").as_object();
}

asio::awaitable<std::string> move_for(Context& ctx, std::string instruction) {
  StagehandAnswers answers(topic_of(instruction), nullptr, {});
  json::object request = act_prompt();
  const json::object reply = co_await replied(ctx, answers, std::move(request));
  if (!reply.at("action").is_object())
    co_return answers.verdict().done_already
        ? "already"
        : std::string(to_string(answers.verdict().refused->code));
  const json::object& action = reply.at("action").as_object();
  co_return std::string(action.at("elementId").as_string()) + " " +
      std::string(action.at("method").as_string()) + " " + json::serialize(action.at("arguments")) +
      (reply.at("twoStep").as_bool() ? " and more" : "");
}

asio::awaitable<void> acts(Context& ctx) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"click the Sign in button", "0-47 click []"},
      {"double click Sign in", "0-47 doubleClick []"},
      {"right click Sign in", "0-47 click [\"right\"]"},
      {"hover over Sign in", "0-47 hover []"},
      {"type a@b.c into Email", "0-3 fill [\"a@b.c\"]"},
      {"select pro plan from Plan", "0-4 selectOptionFromDropdown [\"Pro plan\"]"},
      {"uncheck Newsletter", "0-60 click []"},
      {"check Newsletter", "already"},
      {"press Enter in the Email field", "0-3 press [\"Enter\"]"},
      {"click Checkout", "target_not_found"}};
  for (const auto& [instruction, wanted] : rows) {
    std::string asked = instruction;
    const std::string got = co_await move_for(ctx, std::move(asked));
    EXPECT_EQ(got, wanted) << instruction;
  }
}
TEST(StagehandAnswers, ChooseTheElementWithoutAModel) { run(acts); }

asio::awaitable<void> acts_twice(Context& ctx) {
  StagehandAnswers answers(topic_of("select Blue from the Colour list"), nullptr, {});
  json::object first = act_prompt("[0-61] button: Colour\n");
  auto reply = co_await replied(ctx, answers, std::move(first));
  EXPECT_TRUE(reply.at("twoStep").as_bool()) << json::serialize(reply);
  json::object second = act_prompt("[0-80] option: Red\n[0-81] option: Blue\n");
  reply = co_await replied(ctx, answers, std::move(second));
  EXPECT_EQ(reply.at("action").at("elementId"), "0-81");
  EXPECT_FALSE(reply.at("twoStep").as_bool());
  EXPECT_FALSE(answers.verdict().refused);
  json::object third = act_prompt("[0-80] option: Red\n");
  reply = co_await replied(ctx, answers, std::move(third));
  EXPECT_TRUE(answers.verdict().refused) << "the option is not there: no success";
}
TEST(StagehandAnswers, OpenAListMadeOfOtherElementsFirst) { run(acts_twice); }

Async<void> covered() { co_return fail(Errc::not_actionable, "it is covered"); }

asio::awaitable<void> waits_ready(Context& ctx) {
  std::vector<std::string> checked;
  const auto ready = [&checked](Context&, StagehandElement element) {
    checked.push_back(element.id + " " + element.method + (element.in_main ? " main" : ""));
    return covered();
  };
  StagehandAnswers answers(topic_of("click Sign in"), nullptr, ready);
  json::object request = act_prompt();
  const auto reply = co_await replied(ctx, answers, std::move(request));
  EXPECT_TRUE(reply.at("action").is_null());
  EXPECT_THAT(checked, ElementsAre("0-47 click main"));
  EXPECT_EQ(answers.verdict().refused->message, "it is covered");
}
TEST(StagehandAnswers, GiveNoElementThatCannotBeUsed) { run(waits_ready); }

asio::awaitable<void> asks(Context& ctx) {
  ScriptedModel model;
  model.answer = json::parse(
      R"({"action": {"elementId": "0-47", "description": "the way in", "method": "click",
          "arguments": []}, "twoStep": false})");
  StagehandAnswers answers(topic_of("click the way in", true), &model, {});
  json::object request = act_prompt();
  auto reply = co_await replied(ctx, answers, std::move(request));
  EXPECT_EQ(reply.at("action").at("elementId"), "0-47");
  EXPECT_TRUE(answers.verdict().asked_model);
  const services::ModelRequest& sent = model.requests.at(0);
  EXPECT_THAT(sent.messages.at(0).text, HasSubstr("instruction: do it\nAccessibility"));
  EXPECT_THAT(sent.system, Not(HasSubstr("call t1")));
  EXPECT_EQ(sent.purpose, "act");
  EXPECT_FALSE(sent.schema->contains("$schema"));
  // One that is not on the page is none.
  model.answer.at("action").at("elementId") = "0-999";
  StagehandAnswers wrong(topic_of("click the way in", true), &model, {});
  request = act_prompt();
  reply = co_await replied(ctx, wrong, std::move(request));
  EXPECT_TRUE(reply.at("action").is_null());
  EXPECT_EQ(wrong.verdict().refused->code, Errc::target_not_found);
  model.requests.resize(1);
  // What is plain costs nothing.
  StagehandAnswers plain(topic_of("click Sign in", true), &model, {});
  request = act_prompt();
  (void)co_await replied(ctx, plain, std::move(request));
  EXPECT_EQ(model.requests.size(), 1u);
  // A model's failure is told as it is, though the runtime keeps only its message.
  model.error = fail(Errc::exhausted, "the budget of the day is used up");
  StagehandAnswers failing(topic_of("click the way in", true), &model, {});
  request = act_prompt();
  reply = co_await replied(ctx, failing, std::move(request));
  EXPECT_EQ(reply.at("error"), "the budget of the day is used up");
  EXPECT_EQ(failing.verdict().refused->code, Errc::exhausted);
}
TEST(StagehandAnswers, AskAModelWhereTheRulesDoNotKnow) { run(asks); }

asio::awaitable<void> counts_tokens(Context& ctx) {
  ScriptedModel model;
  model.answer = json::object{{"price", "5"}};
  StagehandAnswers answers({.mark = " (call t1)"}, &model, {});
  const std::string method = "llm.generate";
  json::object request = prompt("Extraction", "Instruction: x (call t1)\nDOM: ");
  auto reply = co_await answers.serve(ctx, method, std::move(request));
  EXPECT_EQ(reply->at("usage").at("total_tokens"), 720);
  request = prompt("Metadata", "Instruction: x");
  reply = co_await answers.serve(ctx, method, std::move(request));
  EXPECT_EQ(reply->at("usage").at("total_tokens"), 0);
  EXPECT_EQ(reply->at("structured_content").at("completed"), true);
  EXPECT_EQ(model.requests.size(), 1u);
  const std::string other = "browserbase.request";
  const json::object none;
  reply = co_await answers.serve(ctx, other, none);
  EXPECT_EQ(reply.error().code, Errc::unsupported);
}
TEST(StagehandAnswers, AnswerTheClosingQuestionAndCountTokens) { run(counts_tokens); }

asio::awaitable<void> observes(Context& ctx) {
  StagehandTopic topic{.mark = " (call t1)"};
  topic.wanted = "sign in";
  StagehandAnswers answers(std::move(topic), nullptr, {});
  json::object request = prompt("Observation", std::string("x\nAccessibility Tree: \n") + kTree);
  auto reply = co_await replied(ctx, answers, std::move(request));
  EXPECT_EQ(reply.at("elements").at(0).at("elementId"), "0-47");
  StagehandTopic all{.mark = " (call t1)", .limit = 3};
  StagehandAnswers every(std::move(all), nullptr, {});
  request = prompt("Observation", std::string("x\nAccessibility Tree: \n") + kTree);
  reply = co_await replied(ctx, every, std::move(request));
  EXPECT_EQ(reply.at("elements").as_array().size(), 3u);
  EXPECT_EQ(reply.at("elements").at(0).at("method"), "fill");
}
TEST(StagehandAnswers, ListWhatFits) { run(observes); }

asio::awaitable<void> extracts(Context& ctx) {
  StagehandTopic topic{.mark = " (call t1)"};
  topic.known = json::object{{"price", "$5"}};
  StagehandAnswers known(std::move(topic), nullptr, {});
  json::object request = prompt("Extraction", "Instruction: x\nDOM: ");
  auto reply = co_await replied(ctx, known, std::move(request));
  EXPECT_EQ(reply.at("price"), "$5");
  StagehandAnswers unknown({.mark = " (call t1)"}, nullptr, {});
  request = prompt("Extraction", "Instruction: x\nDOM: ");
  reply = co_await replied(ctx, unknown, std::move(request));
  EXPECT_THAT(std::string(reply.at("error").as_string()), HasSubstr("no model is configured"));
}
TEST(StagehandAnswers, GiveWhatWasReadAlready) { run(extracts); }

TEST(ModelRequestOfStagehand, HasPicturesAndRoles) {
  json::object params = prompt("Extraction", "look (call t1)");
  const json::object image{{"type", "image"}, {"data", "YWJj"}, {"mime_type", "image/png"}};
  const json::object text{{"type", "text"}, {"text", "and here"}};
  const json::object message{{"role", "assistant"}, {"content", json::array{image, text}}};
  params.at("messages").as_array().push_back(message);
  const auto request = model_request(params, " (call t1)");
  EXPECT_EQ(request->messages.at(0).text, "look");
  EXPECT_EQ(request->messages.at(1).role, services::ModelRole::assistant);
  EXPECT_EQ(request->messages.at(1).images.at(0).bytes, "abc");
  EXPECT_EQ(request->messages.at(1).text, "and here");
  EXPECT_EQ(model_request({}, "").error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace troupe::interact
