// The native interactor with a model for what its rules do not know, in a real browser.
#include <gmock/gmock.h>

#include "interact/model_actions.h"
#include "interact/native_testing.h"
#include "services/models.h"
#include "services/testing_models.h"

namespace troupe::interact {
namespace {

using services::FakeModels;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class NativeModel : public NativeInteractorFixture {
 protected:
  void SetUp() override {
    NativeInteractorFixture::SetUp();
    if (!world_) return;
    fake_ = FakeModels::start(world_->io.get_executor(), *world_->clock);
    services::ModelsOptions options;
    options.endpoints.push_back(
        services::model_endpoint_from("openai-chat/m@" + fake_->url() + "/v1").value());
    options.client.attempts_max = 1;
    models_ = std::make_unique<services::Models>(std::move(options), *http_, *world_->clock,
                                                 Random(1), log_);
    interactor_ = make_native_interactor(models_.get());
    world_->run([this](Context& ctx) { return open_tab(ctx, this); });
  }
  void TearDown() override {
    if (world_) world_->run([this](Context& ctx) { return end(ctx, this); });
    NativeInteractorFixture::TearDown();
  }
  static asio::awaitable<void> open_tab(Context& ctx, NativeModel* self) {
    auto tab = co_await self->interactor_->open(ctx, *self->session_, {});
    self->own_ = std::move(*tab);
  }
  static asio::awaitable<void> end(Context& ctx, NativeModel* self) {
    (void)co_await self->interactor_->close(ctx, std::move(self->own_), false);
    (void)co_await self->fake_->stop(ctx);
  }
  static asio::awaitable<void> perform_one(Context& ctx, NativeModel* self, Action action,
                                           Duration limit, Result<ActionResult>* out) {
    Context step = ctx.with_timeout(limit, "step " + action.kind);
    *out = co_await self->interactor_->perform(step, *self->own_, std::move(action));
  }
  Result<ActionResult> perform(const std::string& kind, const std::string& args,
                               Duration limit = std::chrono::seconds(10)) {
    Result<ActionResult> result = fail(Errc::internal, "not done");
    Action action{.kind = kind, .args = json::parse(args).as_object()};
    world_->run(
        [&](Context& ctx) { return perform_one(ctx, this, std::move(action), limit, &result); });
    return result;
  }
  void show(const std::string& html) {
    world_->pages.html["/model"] = html;
    const std::string url = world_->url("/model");
    const auto shown = perform("goto", R"({"url": ")" + url + R"("})");
    ASSERT_TRUE(shown) << shown.error().describe();
  }
  std::string asked() { return json::serialize(fake_->last().body); }

  std::unique_ptr<net::HttpClient> http_ = net::HttpClient::create();
  observe::MemoryLog log_;
  std::unique_ptr<FakeModels> fake_;
  std::unique_ptr<services::Models> models_;
  std::unique_ptr<Interactor> interactor_;
  std::unique_ptr<Tab> own_;
};

constexpr const char* kShop = R"(
  <button onclick="out.textContent='bin'">Empty</button>
  <button onclick="out.textContent='paid'">Proceed</button>
  <input type=password value=hunter2 aria-label=Pass><p id=out></p>)";

TEST_F(NativeModel, IsNotAskedWhatTheRulesKnow) {
  show(kShop);
  ASSERT_TRUE(perform("act", R"({"instruction": "click the Proceed button"})"));
  ASSERT_TRUE(
      perform("extract", R"({"instruction": "it", "fields": {"out": {"selector": "#out"}}})"));
  EXPECT_TRUE(fake_->requests().empty());
}

TEST_F(NativeModel, ChoosesTheElementThatTheRulesDoNotKnow) {
  show(kShop);
  fake_->say(R"({"element": 1, "action": "click", "value": null})");
  const auto paid = perform("act", R"({"instruction": "settle the bill"})");
  ASSERT_TRUE(paid) << paid.error().describe();
  EXPECT_EQ(paid->changed, "dom");
  EXPECT_THAT(paid->detail, HasSubstr("chosen by a model"));
  EXPECT_EQ(perform("evaluate", R"({"expression": "out.textContent"})")->output, "paid");
  EXPECT_THAT(asked(), HasSubstr("settle the bill"));
  EXPECT_THAT(asked(), HasSubstr("1 button \\\"Proceed\\\""));
  EXPECT_THAT(asked(), Not(HasSubstr("hunter2")));
}

TEST_F(NativeModel, IsNeverToldValuesOfVariables) {
  show(R"html(<input aria-label=Code oninput="document.title='T '+this.value;
    out.textContent=this.value"><input oninput="this.value=this.value.slice(0,4)" aria-label=Pin>
    <button>Proceed</button><p id=out></p>)html");
  const std::string given = R"(, "variables": {"code": "hunter2"}})";
  const auto typed = perform("act", R"({"instruction": "type %code% into Code")" + given);
  ASSERT_TRUE(typed) << typed.error().describe();
  EXPECT_THAT(typed->detail, Not(HasSubstr("hunter2")));
  EXPECT_EQ(perform("evaluate", R"({"expression": "out.textContent"})")->output, "hunter2");
  fake_->say(R"({"element": 2, "action": "click", "value": null})");
  ASSERT_TRUE(perform("act", R"({"instruction": "settle the bill")" + given));
  EXPECT_THAT(asked(), AllOf(HasSubstr("%code%"), Not(HasSubstr("hunter2"))));
  // Nor later, when a step has no variables of its own.
  fake_->say(R"({"element": 2, "action": "click", "value": null})");
  ASSERT_TRUE(perform("act", R"({"instruction": "settle the other bill"})"));
  EXPECT_THAT(asked(), Not(HasSubstr("hunter2")));
  fake_->say(R"({"extraction": "x"})");
  ASSERT_TRUE(perform("extract", R"({"instruction": "what is shown"})"));
  EXPECT_THAT(asked(), AllOf(HasSubstr("%code%"), Not(HasSubstr("hunter2"))));
  // A field that cuts the value off tells no part of it.
  const auto cut = perform("act", R"({"instruction": "type %code% into Pin")" + given);
  ASSERT_FALSE(cut);
  EXPECT_THAT(cut.error().describe(), Not(HasSubstr("hunt")));
}

TEST_F(NativeModel, DoesNothingWhenTheModelDoesNotKnowEither) {
  show(kShop);
  for (const char* answer : {R"({"element": null, "action": "click", "value": null})",
                             R"({"element": 99, "action": "click", "value": null})",
                             R"({"element": 2, "action": "fill", "value": null})"}) {
    fake_->say(answer);
    const auto refused =
        perform("act", R"({"instruction": "settle the bill"})", std::chrono::milliseconds(3'500));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::target_not_found) << refused.error().describe();
    EXPECT_EQ(perform("evaluate", R"({"expression": "out.textContent"})")->output, "");
    show(kShop);
  }
}

TEST_F(NativeModel, WaitsForALateElementAfterTheModelDidNotKnow) {
  show(R"(<button>Other</button><script>setTimeout(() => {
    document.body.insertAdjacentHTML('beforeend',
      '<button onclick="document.title=1">Settle the bill</button>') }, 3000)</script>)");
  fake_->say(R"({"element": null, "action": "click", "value": null})");
  const auto late = perform("act", R"({"instruction": "click Settle the bill"})");
  ASSERT_TRUE(late) << late.error().describe();
}

TEST_F(NativeModel, FillsWhatIsMissingAndKeepsWhatWasFound) {
  show("<dl><dt>Price<dd>$12</dl><p>It runs for one hour, 37 minutes and 24 seconds.</p>");
  fake_->say(R"({"price": "$99", "length": "1:37:24"})");
  const auto read = perform("extract", R"({"instruction": "the film", "fields":
    {"price": "price", "length": "duration"}})");
  ASSERT_TRUE(read) << read.error().describe();
  EXPECT_EQ(json::serialize(read->output), R"({"price":1.2E1,"length":5844})");
  EXPECT_THAT(asked(), HasSubstr("one hour, 37 minutes"));
}

TEST_F(NativeModel, KeepsWhatWasFoundWhenTheModelFails) {
  show("<dl><dt>Price<dd>$12</dl>");
  fake_->fail(500, "server_error");
  const auto read = perform("extract", R"({"instruction": "the film", "fields":
    {"price": "price", "length": "duration"}})");
  ASSERT_TRUE(read) << read.error().describe();
  EXPECT_EQ(json::serialize(read->output), R"({"price":1.2E1,"length":null})");
}

TEST_F(NativeModel, ExtractsInWordsAlone) {
  show("<p>Hello there</p><a href=/x>More</a>");
  fake_->say(R"({"extraction": "Hello there"})");
  const auto read = perform("extract", R"({"instruction": "the greeting"})");
  ASSERT_TRUE(read) << read.error().describe();
  EXPECT_EQ(json::serialize(read->output), R"({"extraction":"Hello there"})");
  EXPECT_FALSE(perform("extract", "{}"));
}

TEST(ModelActions, ListElementsShortly) {
  Candidate named{.ref = 7, .tag = "button", .role = "button", .name = "Buy"};
  named.context = {"Row of the pen"};
  Candidate twin = named;
  twin.context = {"Row of the ink"};
  twin.disabled = true;
  Candidate icon{.ref = 8, .tag = "span", .tokens = "icon trash"};
  Candidate secret{.ref = 9,
                   .tag = "input",
                   .role = "textbox",
                   .name = "Pass",
                   .value = "x",
                   .type = "password"};
  EXPECT_EQ(native::element_lines({&named, &twin, &icon, &secret}),
            "0 button \"Buy\" in: Row of the pen\n"
            "1 button \"Buy\" disabled in: Row of the ink\n"
            "2 span (icon trash)\n"
            "3 textbox \"Pass\"\n");
}

constexpr const char* kOrder = R"(<h1>Order</h1>
  <p>One</p><p>Two</p><p>Three</p><p>Four</p><p>Five</p><p>Six</p><p>Seven</p><p>Eight</p>
  <input aria-label=Name><button onclick="if(document.querySelector('input').value){
  this.remove();out.textContent='Order 77 is placed'}">Send</button><p id=out></p>)";

/// The number of the first line that has the text, in all that the model was told.
int numbered(const std::string& told, const std::string& line) {
  const auto at = told.find(line);
  const auto begin = at == told.npos ? at : told.rfind("\\n", at);
  return begin == told.npos ? -1 : std::atoi(told.c_str() + begin + 2);
}

TEST_F(NativeModel, AgentTakesStepsUntilTheGoalIsReached) {
  show(kOrder);
  // The numbers are those of a page that was not looked at before: the order of its rows.
  fake_->say(R"({"reason": "?", "action": "click", "element": 9999, "value": null})");
  fake_->say(R"({"reason": "no", "action": "fail", "element": null, "value": "seen"})");
  (void)perform("agent", R"({"goal": "look"})");
  const std::string page = asked();
  const int name = numbered(page, "textbox \\\"Name"), send = numbered(page, "button \\\"Send");
  ASSERT_GE(name, 0) << page;
  ASSERT_GE(send, 0) << page;
  const auto step = [&](const char* action, int element, const char* value) {
    fake_->say(json::serialize(
        json::object{{"reason", "r"}, {"action", action}, {"element", element}, {"value", value}}));
  };
  const auto before = fake_->requests().size();
  step("fill", name, "%who%");
  step("click", send, "");
  step("done", 0, "Order 77 is placed");

  const auto done = perform(
      "agent", R"({"goal": "place an order for the person", "variables": {"who": "Ann Secret"}})");

  ASSERT_TRUE(done) << done.error().describe();
  EXPECT_EQ(done->output.at("message"), "Order 77 is placed");
  EXPECT_EQ(done->output.at("steps"), json::value(2));
  EXPECT_EQ(done->output.at("trace").at(1).at("changed"), "dom");
  EXPECT_EQ(perform("evaluate", R"({"expression": "out.textContent"})")->output,
            "Order 77 is placed");
  EXPECT_EQ(fake_->requests().size(), before + 3);
  // The page is told once, then only what changed; values of variables never.
  const std::string told = asked();
  EXPECT_EQ(told.find("Seven"), told.rfind("Seven"));
  EXPECT_THAT(told, AllOf(HasSubstr("- " + std::to_string(send) + "\\n"),
                          HasSubstr("Order 77 is placed"), HasSubstr("%who%")));
  EXPECT_THAT(told, Not(HasSubstr("Ann Secret")));
}

TEST_F(NativeModel, AgentSeesAndUsesFramesOfOtherOrigins) {
  world_->pages.html["/pay"] =
      "<button onclick=\"this.textContent='Paid';parent.postMessage('paid','*')\">Pay now</button>";
  show("<p>Shop</p><iframe src='" + world_->other_url("/pay") +
       "'></iframe><p id=out></p><script>onmessage=e=>out.textContent=e.data</script>");
  fake_->say(R"({"reason": "?", "action": "click", "element": 9999, "value": null})");
  fake_->say(R"({"reason": "no", "action": "fail", "element": null, "value": "seen"})");
  (void)perform("agent", R"({"goal": "look"})");
  const int pay = numbered(asked(), "button \\\"Pay now");
  ASSERT_GT(pay, 0) << asked();
  fake_->say(json::serialize(
      json::object{{"reason", "r"}, {"action", "click"}, {"element", pay}, {"value", nullptr}}));
  fake_->say(R"({"reason": "r", "action": "done", "element": null, "value": "paid"})");

  const auto done = perform("agent", R"({"goal": "pay"})");

  ASSERT_TRUE(done) << done.error().describe();
  EXPECT_EQ(perform("evaluate", R"({"expression": "out.textContent"})")->output, "paid");
  EXPECT_THAT(asked(), HasSubstr("Paid"));
}

TEST_F(NativeModel, AgentReportsNoSuccessThatDidNotHappen) {
  show(kOrder);
  const char* miss = R"({"reason": "?", "action": "click", "element": 9999, "value": null})";
  const char* done = R"({"reason": "!", "action": "done", "element": null, "value": "all done"})";
  fake_->say(miss);
  fake_->say(done);
  fake_->say(R"({"reason": "!", "action": "fail", "element": null, "value": "no such thing"})");
  const auto questioned = perform("agent", R"({"goal": "fly"})");
  for (int i = 0; i < 2; ++i) fake_->say(miss);
  const auto long_way = perform("agent", R"({"goal": "fly", "steps_max": 2})");
  for (int i = 0; i < 3; ++i) fake_->say(miss);
  const auto idle = perform("agent", R"({"goal": "fly"})");

  EXPECT_EQ(questioned.error().code, Errc::not_actionable);
  EXPECT_THAT(questioned.error().message,
              HasSubstr("agent: the goal was not reached: no such thing; done: click failed"));
  EXPECT_THAT(long_way.error().message, HasSubstr("2 steps were not enough"));
  EXPECT_THAT(idle.error().message, HasSubstr("changed nothing three times: click"));
}

}  // namespace
}  // namespace troupe::interact
