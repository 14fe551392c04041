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

}  // namespace
}  // namespace troupe::interact
