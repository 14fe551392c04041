// The interactor stagehand-api against the fake service, on one real browser.
#include "interact/stagehand_interactor.h"

#include <gmock/gmock.h>

#include "interact/asked_values.h"
#include "interact/native_testing.h"
#include "interact/testing_stagehand_hands.h"

namespace troupe::interact {
namespace {

using services::FakeStagehand;
using services::StagehandFault;
using ::testing::HasSubstr;

/// A session that tells where its browser is.
class ReachableSession final : public sessions::LiveSession {
 public:
  ReachableSession(sessions::LiveSession& inner, std::string endpoint)
      : inner_(inner), endpoint_(std::move(endpoint)) {}
  const std::string& id() const override { return inner_.id(); }
  Result<sessions::Browser> browser() override { return inner_.browser(); }
  std::unique_ptr<cdp::Page> take_page() override { return inner_.take_page(); }
  void give_back_page(std::unique_ptr<cdp::Page> page) override {
    inner_.give_back_page(std::move(page));
  }
  Result<std::string> downloads_dir() override { return inner_.downloads_dir(); }
  Session::Counters& counters() override { return inner_.counters(); }
  Async<std::string> endpoint(Context&) override { co_return endpoint_; }
  void describe(Session& session) const override { session.provider_id = provider_id; }

  std::string provider_id;

 private:
  sessions::LiveSession& inner_;
  std::string endpoint_;
};

class Stagehand : public NativeInteractorFixture {
 protected:
  void SetUp() override {
    NativeInteractorFixture::SetUp();
    if (!world_) return;
    log_ = std::make_unique<observe::MemoryLog>();
    hands_ = std::make_unique<StagehandHands>(&world_->chromium->connection());
    FakeStagehand::Options fake;
    StagehandHands* hands = hands_.get();
    fake.perform = [hands](Context& ctx, FakeStagehand::Request request) {
      return hands->perform(ctx, std::move(request));
    };
    fake_ = FakeStagehand::start(world_->io.get_executor(), *world_->clock, std::move(fake));
    reachable_ =
        std::make_unique<ReachableSession>(*session_, "ws://127.0.0.1:9/devtools/browser/b");
    begin(fake_->url());
  }
  void TearDown() override {
    if (world_) {
      world_->run([this](Context& ctx) { return end(ctx, this); });
    }
    NativeInteractorFixture::TearDown();
  }

  void begin(const std::string& url, const std::string& model = "openai/gpt-5-mini") {
    StagehandInteractorOptions options;
    options.service.base_url = url;
    options.service.attempts_max = 1;
    options.model.name = model;
    options.model.api_key = "model-key";
    interactor_ = make_stagehand_interactor(std::move(options), net::HttpClient::create(),
                                            *world_->clock, Random(1), *log_);
    world_->run([this](Context& ctx) { return open_tab(ctx, this); });
  }
  static asio::awaitable<void> open_tab(Context& ctx, Stagehand* self) {
    InteractOptions options{.artifacts_dir = world_->dir + "/artifacts"};
    auto tab = co_await self->interactor_->open(ctx, *self->reachable_, options);
    self->own_ = std::move(*tab);
  }
  static asio::awaitable<void> end(Context& ctx, Stagehand* self) {
    if (self->own_) co_await close_own(ctx, self);
    (void)co_await self->fake_->stop(ctx);
  }
  static asio::awaitable<void> close_own(Context& ctx, Stagehand* self) {
    (void)co_await self->interactor_->close(ctx, std::move(self->own_), false);
  }
  static asio::awaitable<void> perform_one(Context& ctx, Interactor* interactor, Tab* tab,
                                           Action action, Result<ActionResult>* out) {
    Context step = ctx.with_timeout(std::chrono::seconds(10), "step " + action.kind);
    *out = co_await interactor->perform(step, *tab, std::move(action));
  }
  Result<ActionResult> perform(Interactor& interactor, Tab& tab, const std::string& kind,
                               const std::string& args) {
    Result<ActionResult> result = fail(Errc::internal, "not done");
    Action action{.kind = kind, .args = json::parse(args).as_object()};
    world_->run([&](Context& ctx) {
      return perform_one(ctx, &interactor, &tab, std::move(action), &result);
    });
    return result;
  }
  /// Through the service.
  Result<ActionResult> ask(const std::string& kind, const std::string& args) {
    return perform(*interactor_, *own_, kind, args);
  }
  void show(const std::string& html) {
    world_->pages.html["/stagehand"] = html;
    const std::string url = world_->url("/stagehand");
    const auto shown = ask("goto", R"({"url": ")" + url + R"("})");
    ASSERT_TRUE(shown) << shown.error().describe();
  }

  std::unique_ptr<observe::MemoryLog> log_;
  std::unique_ptr<StagehandHands> hands_;
  std::unique_ptr<FakeStagehand> fake_;
  std::unique_ptr<ReachableSession> reachable_;
  std::unique_ptr<Interactor> interactor_;
  std::unique_ptr<Tab> own_;
};

constexpr const char* kForm = R"(
  <label>Email <input id=mail></label>
  <button onclick="document.title = mail.value; out.textContent = 'sent ' + mail.value">Send</button>
  <p id=out></p><dl><dt>Price<dd>$1,250.50<dt>Length<dd>1:37:24<dt>Views<dd>1.2M</dl>)";

TEST_F(Stagehand, ActsAndTellsWhatChanged) {
  show(kForm);
  const auto filled = ask("act", R"({"instruction": "type a@b.c into Email"})");
  ASSERT_TRUE(filled) << filled.error().describe();
  EXPECT_EQ(filled->changed, "value");
  const auto sent = ask("act", R"({"instruction": "click the Send button"})");
  ASSERT_TRUE(sent) << sent.error().describe();
  EXPECT_EQ(sent->changed, "dom");
  EXPECT_EQ(ask("evaluate", R"({"expression": "document.title"})")->output, "a@b.c");
  EXPECT_EQ(fake_->count("start"), 1);
  EXPECT_EQ(fake_->last().body.at("options").at("model").at("modelName"), "openai/gpt-5-mini");
  EXPECT_EQ(fake_->requests().front().body.at("selfHeal"), false);
}

TEST_F(Stagehand, TellsASuccessThatDidNotHappen) {
  show(kForm);
  hands_->idle = true;
  const auto done = ask("act", R"({"instruction": "click the Send button"})");
  ASSERT_TRUE(done);
  EXPECT_EQ(done->changed, "nothing");
}

TEST_F(Stagehand, ExtractsTheSameValuesAsNative) {
  show(kForm);
  const std::string args =
      R"({"fields": {"price": "price", "length": "duration", "views": "count"}})";
  const auto asked = ask("extract", args);
  ASSERT_TRUE(asked) << asked.error().describe();
  EXPECT_EQ(json::serialize(asked->output), R"({"price":1.2505E3,"length":5844,"views":1200000})");
  const std::string url = world_->url("/stagehand");
  ASSERT_TRUE(perform(*world_->interactor, *tab_, "goto", R"({"url": ")" + url + R"("})"));
  const auto native = perform(*world_->interactor, *tab_, "extract", args);
  ASSERT_TRUE(native);
  EXPECT_EQ(native->output, asked->output);
  EXPECT_EQ(native->detail, asked->detail);
}

TEST_F(Stagehand, ExtractsLists) {
  show(
      "<table><thead><tr><th>Product<th>Price<tbody><tr><td>Pen<td>$1.50<tr><td>Ink<td>$12"
      "<tr><td>Pen<td>$2</table>");
  const auto all = ask("extract", R"({"list": true, "unique_by": "product",
    "fields": {"product": "string", "price": "price"}})");
  ASSERT_TRUE(all) << all.error().describe();
  EXPECT_EQ(json::serialize(all->output),
            R"([{"product":"Pen","price":1.5E0},{"product":"Ink","price":1.2E1}])");
  const auto few = ask("extract", R"({"list": true, "limit": 1, "min": 2,
    "fields": {"product": "string", "price": "price"}})");
  EXPECT_EQ(few.error().code, Errc::extraction_failed);
}

TEST_F(Stagehand, ExtractsInWordsAlone) {
  show("<p>Hello there</p>");
  EXPECT_EQ(ask("extract", R"({"instruction": "the greeting"})")->output.at("extraction"),
            "Hello there");
  EXPECT_EQ(ask("extract", "{}")->output.at("pageText"), "Hello there");
  EXPECT_EQ(ask("extract", R"({"within": "text=Hello"})").error().code, Errc::unsupported);
}

TEST_F(Stagehand, DoesNativelyWhatNamesItsElements) {
  show(kForm);
  ASSERT_TRUE(ask("fill", R"({"selector": "#mail", "value": "x"})"));
  const auto read = ask("extract", R"({"fields": {"mail": {"selector": "#mail"}}})");
  ASSERT_TRUE(read) << read.error().describe();
  EXPECT_EQ(json::serialize(read->output), R"({"mail":"x"})");
  EXPECT_TRUE(fake_->requests().empty());
}

TEST_F(Stagehand, Observes) {
  show(kForm);
  const auto seen = ask("observe", R"({"instruction": "the button", "limit": 1})");
  ASSERT_TRUE(seen) << seen.error().describe();
  ASSERT_EQ(seen->output.as_array().size(), 1u);
  EXPECT_EQ(seen->output.at(0).at("kind"), "click");
  EXPECT_TRUE(seen->output.at(0).at("selector").is_string());
}

TEST_F(Stagehand, LetsAnAgentReachAGoal) {
  show(kForm);
  const auto done =
      ask("agent", R"({"goal": "type z into Email; click the Send button", "steps_max": 5})");
  ASSERT_TRUE(done) << done.error().describe();
  EXPECT_EQ(done->output.at("steps"), 2);
  EXPECT_EQ(done->changed, "value");
  EXPECT_EQ(fake_->last().body.at("executeOptions").at("maxSteps"), 5);
  const auto failed = ask("agent", R"({"goal": "click the Nowhere button"})");
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("gave up"));
  EXPECT_EQ(perform(*world_->interactor, *tab_, "agent", R"({"goal": "x"})").error().code,
            Errc::unsupported);
}

TEST_F(Stagehand, TellsWhatIsNotThere) {
  show(kForm);
  const auto missing = ask("act", R"({"instruction": "click the Buy button"})");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::target_not_found);
  EXPECT_THAT(missing.error().source, HasSubstr("/stagehand"));
  EXPECT_TRUE(ask("act", R"({"instruction": "click the Buy button", "optional": true})"));
}

TEST_F(Stagehand, BeginsANewSessionWhenTheServiceForgotIt) {
  show(kForm);
  ASSERT_TRUE(ask("act", R"({"instruction": "type a into Email"})"));
  fake_->forget_sessions();
  const auto again = ask("act", R"({"instruction": "type b into Email"})");
  ASSERT_TRUE(again) << again.error().describe();
  EXPECT_EQ(fake_->count("start"), 2);
}

TEST_F(Stagehand, TellsTheServicesFailuresAndEndsItsSession) {
  show(kForm);
  fake_->inject({.operation = "act", .answer = StagehandFault::Answer::failure});
  const auto failed = ask("act", R"({"instruction": "click the Send button"})");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::http_error);
  EXPECT_EQ(fake_->live(), 1u);
  world_->run([this](Context& ctx) { return end(ctx, this); });
  EXPECT_EQ(fake_->live(), 0u);
}

TEST_F(Stagehand, NeedsAModelAndAServiceThatReachesTheBrowser) {
  world_->run([this](Context& ctx) { return close_own(ctx, this); });
  begin(fake_->url(), "");
  EXPECT_EQ(ask("act", R"({"instruction": "x"})").error().code, Errc::unsupported);
  world_->run([this](Context& ctx) { return close_own(ctx, this); });
  begin("https://api.stagehand.browserbase.com");
  const auto far = ask("act", R"({"instruction": "x"})");
  EXPECT_EQ(far.error().code, Errc::unsupported);
  EXPECT_THAT(far.error().hint, HasSubstr("provider browserbase"));
  world_->run([this](Context& ctx) { return close_own(ctx, this); });
  begin("nowhere");
  EXPECT_EQ(ask("act", R"({"instruction": "x"})").error().code, Errc::invalid_argument);
}

TEST(AskedValues, KnowWhatSaysWhereItsValuesAre) {
  const auto says = [](std::string_view text) { return says_where(json::parse(text).as_object()); };
  EXPECT_FALSE(says(R"({"instruction": "x"})"));
  EXPECT_FALSE(says(R"({"fields": {"label": "string", "pattern": "price"}})"));
  EXPECT_TRUE(says(R"({"items": "li", "fields": {"a": "string"}})"));
  EXPECT_TRUE(says(R"({"fields": {"a": {"selector": "b"}}})"));
  EXPECT_TRUE(says(R"({"fields": {"a": [{"b": 1, "selector": "c"}]}})"));
  EXPECT_TRUE(says(R"({"schema": {"type": "array", "items": {"properties":
                       {"a": {"type": "string", "label": "A"}}}}})"));
  EXPECT_FALSE(says(R"({"schema": {"type": "object", "properties": {"a": {"type": "string"}}}})"));
}

TEST(AskedValues, AskForTextsInTheFormOfTheFields) {
  const auto plan = plan_extraction(json::parse(R"({"list": true, "fields":
    {"title": "string", "link": "url", "tags": "string[]"}})")
                                        .as_object())
                        .value();
  EXPECT_EQ(schema_of(plan), json::parse(R"({"type": "object", "required": ["items"],
    "properties": {"items": {"type": "array", "items": {"type": "object",
      "required": ["title", "link", "tags"], "properties": {
        "title": {"type": ["string", "null"]},
        "link": {"type": ["string", "null"], "format": "uri"},
        "tags": {"type": "array", "items": {"type": ["string", "null"]}}}}}}})"));
  EXPECT_EQ(instruction_of({}, plan), "every record on the page with its title, link, tags");
}

}  // namespace
}  // namespace troupe::interact
