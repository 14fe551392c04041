#include "services/models.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "base/testing.h"
#include "services/testing_models.h"

namespace troupe::services {
namespace {

namespace fs = std::filesystem;
using std::chrono::hours;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using Fault = ScriptedAnswer::Fault;

std::string scratch_file(const std::string& name) {
  const auto dir = fs::temp_directory_path() / ("troupe-models-" + std::to_string(getpid()));
  fs::create_directories(dir);
  const std::string file = (dir / name).string();
  fs::remove(file);
  return file;
}

// Prices.

TEST(ModelPrices, CountCachedInputOutputAndRoundUp) {
  const ModelPrice price{.input = 0.25, .cached_input = 0.025, .output = 2};
  const ModelUsage usage{.input_tokens = 1'000, .cached_input_tokens = 400, .output_tokens = 30};
  EXPECT_EQ(cost_of(price, usage), 150 + 10 + 60);
  EXPECT_EQ(cost_of(price, {.input_tokens = 1}), 1);
  EXPECT_EQ(cost_of(price, {}), 0);
  EXPECT_EQ(cost_of({}, usage), 0);
}

TEST(ModelPrices, AreReadFromJson) {
  const auto table = price_table_from(R"({"gpt-5-mini": {"input": 0.25, "output": 2},
    "google/g": {"input": 1, "cached_input": 0.5, "output": 3}})",
                                      "prices.json")
                         .value();
  EXPECT_EQ(find_price(table, "openai/gpt-5-mini"), (ModelPrice{0.25, 0.25, 2}));
  EXPECT_EQ(find_price(table, "google/g"), (ModelPrice{1, 0.5, 3}));
  EXPECT_EQ(find_price(table, "openai/g"), std::nullopt);
}

TEST(ModelPrices, RefuseWhatIsNoPrice) {
  for (const char* text : {R"({"m": 3})", R"({"m": {"input": 1}})", "[]", "{",
                           R"({"m": {"input": -1, "output": 1}})"}) {
    const auto table = price_table_from(text, "p");
    ASSERT_FALSE(table) << text;
    EXPECT_EQ(table.error().code, Errc::invalid_argument);
  }
}

TEST(ModelPrices, EstimateMoreThanARequestTakes) {
  ModelRequest request;
  request.output_tokens_max = 10;
  request.messages.push_back({.text = std::string(4'000, 'x')});
  EXPECT_GE(input_tokens_at_most(request), 2'000);
  const auto before = input_tokens_at_most(request);
  request.messages.back().images.emplace_back();
  EXPECT_EQ(input_tokens_at_most(request), before + 2'000);
  EXPECT_EQ(cost_at_most({.output = 100}, request), 1'000);
}

// Budgets.

TEST(ModelBudget, ReadsItsLimits) {
  EXPECT_EQ(budget_limits_from({"task=0.05", "run=2", "tenant=20", "day=50"}).value(),
            (BudgetLimits{50'000, 2'000'000, 20'000'000, 50'000'000}));
  for (const char* item : {"task", "task=", "task=x", "task=0", "task=-1", "hour=1", "run=1$"})
    EXPECT_EQ(budget_limits_from({item}).error().code, Errc::invalid_argument) << item;
}

TEST(ModelBudget, SetsAsideWhatCallsAtTheSameTimeMayCost) {
  ManualClock clock;
  ModelBudget budget(clock, {.task = 100});
  const Ids ids{.task = "t1"};
  auto first = budget.reserve(ids, 60);
  ASSERT_TRUE(first);
  const auto second = budget.reserve(ids, 41);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::exhausted);
  EXPECT_THAT(second.error().message, HasSubstr("task t1"));
  EXPECT_THAT(second.error().message, HasSubstr("set aside"));
  EXPECT_TRUE(budget.reserve({.task = "t2"}, 100));
  first->settle(10);
  first->settle(50);  // counts once
  EXPECT_EQ(budget.spent_by_task("t1"), 10);
  EXPECT_TRUE(budget.reserve(ids, 90));
  EXPECT_FALSE(budget.reserve(ids, 91));
}

TEST(ModelBudget, GivesBackWhatWasNotUsed) {
  ManualClock clock;
  ModelBudget budget(clock, {.run = 100});
  {
    const auto reservation = budget.reserve({.run = "r"}, 100);
  }
  EXPECT_TRUE(budget.reserve({.run = "r"}, 100));
}

TEST(ModelBudget, HoldsForARunATenantAndTheDay) {
  ManualClock clock;
  ModelBudget budget(clock, {.run = 50, .tenant = 80, .day = 100});
  const auto spend = [&](const char* tenant, const char* run, std::int64_t cost) -> std::string {
    auto reserved = budget.reserve({.project = tenant, .run = run}, cost);
    if (!reserved) return reserved.error().message.substr(0, reserved.error().message.find(':'));
    reserved->settle(cost);
    return "ok";
  };
  EXPECT_EQ(spend("a", "r1", 50), "ok");
  EXPECT_EQ(spend("a", "r1", 1), "model budget of run r1");
  EXPECT_EQ(spend("a", "r2", 30), "ok");
  EXPECT_EQ(spend("a", "r3", 1), "model budget of tenant a");
  EXPECT_EQ(spend("b", "r4", 21), "model budget of day");
  EXPECT_EQ(budget.spent_today(), 80);
  clock.advance(hours(24));
  EXPECT_EQ(budget.spent_today(), 0);
  EXPECT_EQ(spend("a", "r3", 40), "ok");
  EXPECT_EQ(spend("a", "r1", 1), "model budget of run r1");  // a run's budget is not a day's
}

TEST(ModelBudget, RemembersTodayOverARestart) {
  const std::string file = scratch_file("spending.json");
  ManualClock clock;
  {
    ModelBudget budget(clock, {}, file);
    budget.reserve({.project = "a", .run = "r"}, 70)->settle(70);
  }
  ModelBudget again(clock, {.tenant = 100}, file);
  EXPECT_EQ(again.spent_today(), 70);
  EXPECT_FALSE(again.reserve({.project = "a"}, 31));
  clock.advance(hours(24));
  ModelBudget tomorrow(clock, {.tenant = 100}, file);
  EXPECT_EQ(tomorrow.spent_today(), 0);
  std::ofstream(file) << "{broken";
  EXPECT_EQ(ModelBudget(clock, {}, file).spent_today(), 0);
}

// The cache.

ModelReply reply_with(std::string text) {
  ModelReply reply;
  reply.text = std::move(text);
  reply.structured = json::object{{"a", 1}};
  reply.tool_calls.push_back({"c", "click", {{"id", 7}}, "sig"});
  reply.model = "openai/m";
  reply.cost_microdollars = 9;
  return reply;
}

TEST(ModelCache, KnowsARequestWhateverTheOrderOfItsJson) {
  ModelRequest one;
  one.messages.push_back({.text = "x"});
  one.schema = json::parse(R"({"type": "object", "required": ["a"]})").as_object();
  ModelRequest other = one;
  other.schema = json::parse(R"({"required": ["a"], "type": "object"})").as_object();
  other.purpose = "act";
  EXPECT_EQ(request_digest(one, {"m"}), request_digest(other, {"m"}));
  EXPECT_EQ(request_digest(one, {"m"}).size(), 64u);
  EXPECT_NE(request_digest(one, {"m"}), request_digest(one, {"n"}));
  other.messages[0].images.push_back({"image/png", "a"});
  const std::string with_picture = request_digest(other, {"m"});
  EXPECT_NE(with_picture, request_digest(one, {"m"}));
  other.messages[0].images[0].bytes = "b";
  EXPECT_NE(request_digest(other, {"m"}), with_picture);
}

TEST(ModelCache, GivesTheWholeAnswerForNothing) {
  ModelCache cache(10'000);
  EXPECT_FALSE(cache.find("d"));
  cache.put("d", reply_with("hello"));
  const auto found = cache.find("d");
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->cached);
  EXPECT_EQ(found->text, "hello");
  EXPECT_EQ(found->structured, json::value(json::object{{"a", 1}}));
  EXPECT_EQ(found->tool_calls.at(0).signature, "sig");
  EXPECT_EQ(found->cost_microdollars, 0);
  EXPECT_EQ(cache.hits(), 1);
  EXPECT_EQ(cache.misses(), 1);
}

TEST(ModelCache, ForgetsTheLeastUsedBeyondItsBytes) {
  ModelCache cache(700);
  cache.put("a", reply_with(std::string(100, 'a')));
  cache.put("b", reply_with(std::string(100, 'b')));
  EXPECT_TRUE(cache.find("a"));
  cache.put("c", reply_with(std::string(100, 'c')));
  EXPECT_LE(cache.bytes(), 700);
  EXPECT_FALSE(cache.find("b"));
  EXPECT_TRUE(cache.find("a"));
  cache.put("d", reply_with(std::string(1'000, 'd')));  // larger than all
  EXPECT_FALSE(cache.find("d"));
  EXPECT_TRUE(cache.find("c"));
}

TEST(ModelCache, KeepsAnswersInAFileAndPassesOverBrokenLines) {
  const std::string file = scratch_file("cache.jsonl");
  const std::string digest(64, 'd');
  {
    ModelCache cache(10'000, file);
    cache.put(digest, reply_with("old"));
    cache.put(digest, reply_with("new"));
  }
  std::ofstream(file, std::ios::app) << "{\"digest\": \"cut";
  ModelCache again(10'000, file);
  EXPECT_EQ(again.size(), 1u);
  EXPECT_EQ(again.find(digest).value().text, "new");
}

// Settings.

TEST(ModelSettings, ReadModelsInTheirOrder) {
  const auto local = model_endpoint_from("openai-chat/qwen3:8b@http://127.0.0.1:11434/v1/").value();
  EXPECT_EQ(local.name, "openai-chat/qwen3:8b");
  EXPECT_EQ(local.model, "qwen3:8b");
  EXPECT_EQ(local.base_url, "http://127.0.0.1:11434/v1");
  EXPECT_EQ(local.price, ModelPrice{});
  EXPECT_EQ(local.format, &model_wire::openai_chat(true));
  const auto routed = model_endpoint_from("openai-chat/a/b@https://r.example/api").value();
  EXPECT_EQ(routed.model, "a/b");
  EXPECT_EQ(routed.price, std::nullopt);
  for (const char* text : {"", "gpt-5", "acme/x", "openai/", "openai/x@", "openai/x@ftp://h",
                           "openai/x@http://u:p@h", "openai/x@http://h?q"})
    EXPECT_EQ(model_endpoint_from(text).error().code, Errc::invalid_argument) << text;
}

TEST(ModelSettings, SendAProvidersKeyToItsOwnAddressOnly) {
  Settings settings;
  settings.models = {"openai/a", "openai-chat/b@https://other.example/v1", "anthropic/c",
                     "google/d", "openai-chat/e@http://127.0.0.1:9/v1"};
  settings.openai_api_key = "key-o";
  settings.anthropic_api_key = "key-a";
  settings.google_api_key = "key-g";
  settings.model_keys = {"127.0.0.1:9=key-l"};
  const auto options = models_options(settings).value();
  std::vector<std::string> keys;
  for (const auto& endpoint : options.endpoints) keys.push_back(endpoint.key);
  EXPECT_THAT(keys, ElementsAre("key-o", "", "key-a", "key-g", "key-l"));
}

TEST(ModelSettings, RefuseWhatIsWrong) {
  Settings settings;
  settings.models = {"openai/a", "openai/a@http://h"};
  EXPECT_THAT(models_options(settings).error().message, HasSubstr("named twice"));
  settings.models = {"openai/a"};
  settings.openai_api_key = "has space";
  const Error error = models_options(settings).error();
  EXPECT_THAT(error.message, Not(HasSubstr("has space")));
  settings.openai_api_key.clear();
  settings.model_keys = {"sk-just-a-key"};
  EXPECT_THAT(models_options(settings).error().message, Not(HasSubstr("sk-just")));
  settings.model_keys.clear();
  settings.model_prices = "/nowhere/prices.json";
  EXPECT_EQ(models_options(settings).error().code, Errc::not_found);
  settings.model_prices.clear();
  settings.model_budgets = {"week=1"};
  EXPECT_EQ(models_options(settings).error().code, Errc::invalid_argument);
}

// All together.

TEST(Models, HideSecretsInEveryText) {
  ModelRequest request;
  request.system = "The password is hunter2.";
  request.messages.push_back({.text = "type hunter2hunter2"});
  ModelMessage call{.role = ModelRole::assistant};
  call.tool_calls.push_back({"c", "fill", {{"values", {"hunter2", 1}}}, ""});
  request.messages.push_back(call);
  request.secrets = {{"password", "hunter2"}, {"empty", ""}};
  hide_secrets(request);
  EXPECT_EQ(request.system, "The password is %password%.");
  EXPECT_EQ(request.messages[0].text, "type %password%%password%");
  EXPECT_EQ(json::serialize(request.messages[1].tool_calls[0].arguments),
            R"({"values":["%password%",1]})");
}

/// Two services with a model each.
class ModelsTest : public ::testing::Test {
 protected:
  ModelsTest() {
    options_.endpoints.push_back(
        model_endpoint_from("openai-chat/first@" + first_->url() + "/v1").value());
    options_.endpoints.push_back(model_endpoint_from("anthropic/second@" + second_->url()).value());
    for (auto& endpoint : options_.endpoints) endpoint.price = ModelPrice{1, 1, 10};
    options_.client.attempts_max = 1;
    options_.cache_bytes_max = 1 << 20;
    restart();
  }
  ~ModelsTest() override {
    (void)wait(first_->stop(context_));
    (void)wait(second_->stop(context_));
  }
  void restart() { models_ = std::make_unique<Models>(options_, *http_, *clock_, Random(1), log_); }
  template <class T>
  Result<T> wait(Async<T> call) {
    std::optional<Result<T>> result;
    asio::co_spawn(io_, std::move(call), [&](std::exception_ptr exception, Result<T> value) {
      if (exception) std::rethrow_exception(exception);
      result = std::move(value);
    });
    io_.restart();
    while (!result && io_.run_one_for(seconds(20)) > 0) {
    }
    return std::move(*result);
  }
  static ModelRequest question(std::string text = "What?") {
    ModelRequest request;
    request.messages.push_back({.text = std::move(text)});
    return request;
  }
  Result<ModelReply> ask(ModelRequest request, std::string model = {}) {
    ModelOptions options;
    options.note = &note_;
    options.model = std::move(model);
    return wait(models_->generate(context_, std::move(request), std::move(options)));
  }

  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  Context context_{Context(*clock_, io_.get_executor()).with_timeout(seconds(15), "test")};
  std::unique_ptr<net::HttpClient> http_ = net::HttpClient::create();
  std::unique_ptr<FakeModels> first_ = FakeModels::start(io_.get_executor(), *clock_);
  std::unique_ptr<FakeModels> second_ = FakeModels::start(io_.get_executor(), *clock_);
  observe::MemoryLog log_;
  ModelsOptions options_;
  std::unique_ptr<Models> models_;
  ModelNote note_;
};

TEST_F(ModelsTest, AskTheNextModelWhenOneCannot) {
  first_->fail(401, "authentication_error");
  second_->say("from the second");
  const auto reply = ask(question());
  ASSERT_TRUE(reply) << reply.error().describe();
  EXPECT_EQ(reply->text, "from the second");
  EXPECT_EQ(reply->model, "anthropic/second");
  EXPECT_EQ(note_.attempts, 2);
  EXPECT_EQ(models_->totals().calls, 1);
  EXPECT_EQ(models_->totals().cost_microdollars, 100 + 100);
}

TEST_F(ModelsTest, EndWithTheLastModelsErrorOrOneThatHoldsForAll) {
  first_->fail(500, "server_error");
  second_->fail(429, "rate_limit_error");
  EXPECT_EQ(ask(question()).error().code, Errc::exhausted);
  EXPECT_EQ(note_.failure, ModelFailure::rate);
  first_->fail(Fault::too_short);
  EXPECT_EQ(ask(question()).error().code, Errc::exhausted);
  EXPECT_EQ(note_.failure, ModelFailure::output_limit);
  EXPECT_EQ(second_->requests().size(), 1u);
}

TEST_F(ModelsTest, TellAListenerThatAnotherModelBeginsAnew) {
  first_->say({.text = "lost words", .fault = Fault::cut});
  second_->say("kept");
  std::string heard;
  ModelOptions options;
  options.on_delta = [&](const ModelDelta& delta) {
    heard += delta.kind == ModelDelta::Kind::text ? std::string(delta.text) : "|";
  };
  EXPECT_TRUE(wait(models_->generate(context_, question(), std::move(options))));
  EXPECT_TRUE(heard.ends_with("|kept")) << heard;
}

TEST_F(ModelsTest, AnswerTheSameQuestionFromTheCache) {
  first_->say("once");
  EXPECT_FALSE(ask(question())->cached);
  const auto again = ask(question());
  EXPECT_TRUE(again->cached);
  EXPECT_EQ(again->text, "once");
  EXPECT_EQ(again->cost_microdollars, 0);
  EXPECT_EQ(first_->requests().size(), 1u);
  ModelRequest fresh = question();
  fresh.cacheable = false;
  EXPECT_EQ(ask(std::move(fresh))->text, "ok");
  EXPECT_EQ(models_->totals().cached, 1);
}

TEST_F(ModelsTest, KeepSecretsOutOfRequestsAndLogs) {
  options_.endpoints[0].key = "key-of-first";
  restart();
  first_->fail(401, "authentication_error", "bad key key-of-first");
  ModelRequest request = question("log in with hunter2");
  request.secrets = {{"password", "hunter2"}};
  EXPECT_TRUE(ask(std::move(request)));
  EXPECT_THAT(json::serialize(first_->last().body), HasSubstr("log in with %password%"));
  EXPECT_THAT(json::serialize(second_->last().body), Not(HasSubstr("hunter2")));
  for (const auto& line : log_.lines()) {
    EXPECT_THAT(line, Not(HasSubstr("hunter2")));
    EXPECT_THAT(line, Not(HasSubstr("key-of-first")));
  }
}

TEST_F(ModelsTest, UseOnlyTheModelThatWasNamed) {
  EXPECT_EQ(ask(question(), "anthropic/second")->model, "anthropic/second");
  EXPECT_TRUE(first_->requests().empty());
  EXPECT_EQ(ask(question(), "anthropic/none").error().code, Errc::invalid_argument);
}

TEST_F(ModelsTest, RefuseWrongRequestsAndAnEmptyConfiguration) {
  EXPECT_EQ(ask({}).error().code, Errc::invalid_argument);
  ModelRequest tool = question();
  tool.tools.push_back({"no good", "", {}});
  EXPECT_EQ(ask(std::move(tool)).error().code, Errc::invalid_argument);
  ModelRequest limit = question();
  limit.output_tokens_max = 0;
  EXPECT_EQ(ask(std::move(limit)).error().code, Errc::invalid_argument);
  options_.endpoints.clear();
  restart();
  EXPECT_EQ(ask(question()).error().code, Errc::unsupported);
  EXPECT_TRUE(first_->requests().empty());
}

}  // namespace
}  // namespace troupe::services
