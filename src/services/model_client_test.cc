#include "services/model_client.h"

#include <gmock/gmock.h>

#include "base/testing.h"
#include "services/models.h"
#include "services/testing_models.h"

namespace troupe::services {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;
using Fault = ScriptedAnswer::Fault;

/// A client of each wire format and the fake it talks to; retries take milliseconds.
class ModelClientTest : public ::testing::TestWithParam<std::string> {
 protected:
  ModelClientTest() {
    options_.retry_first = milliseconds(2);
    options_.retry_max = milliseconds(5);
    const bool openai = GetParam().starts_with("openai");
    endpoint_ =
        model_endpoint_from(GetParam() + "/m-1@" + fake_->url() + (openai ? "/v1" : "")).value();
    endpoint_.key = "secret-key";
    endpoint_.price = ModelPrice{.input = 2, .cached_input = 1, .output = 10};
    reconnect();
  }
  ~ModelClientTest() override { (void)wait(fake_->stop(context_)); }

  void reconnect() {
    client_ = std::make_unique<ModelClient>(endpoint_, options_, *http_, *clock_, Random(1),
                                            budget_.get());
  }
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
  static ModelRequest question() {
    ModelRequest request;
    request.messages.push_back({.text = "What?"});
    return request;
  }
  static ModelRequest wants_json() {
    ModelRequest request = question();
    request.schema = json::parse(R"({"type": "object", "required": ["views"],
      "properties": {"views": {"type": "integer"}}})")
                         .as_object();
    return request;
  }
  Result<ModelReply> ask(ModelRequest request, bool stream = false) {
    return ask(context_, std::move(request), stream);
  }
  Result<ModelReply> ask(Context& ctx, ModelRequest request, bool stream = false) {
    ModelOptions options;
    options.note = &note_;
    heard_.clear();
    if (stream)
      options.on_delta = [this](const ModelDelta& delta) {
        heard_ += delta.kind == ModelDelta::Kind::text ? std::string(delta.text) : "<restart>";
      };
    return wait(client_->generate(ctx, std::move(request), std::move(options)));
  }
  /// `failure code attempts` of a question that fails.
  std::string outcome(bool stream = false) {
    const auto reply = ask(question(), stream);
    if (reply) return "ok " + reply->text;
    error_ = reply.error();
    return std::string(to_string(note_.failure)) + " " + std::string(to_string(error_.code)) + " " +
           std::to_string(note_.attempts);
  }
  /// JSON as the format gives it: a tool's call, or text.
  void say_json(std::string_view text) {
    ScriptedAnswer answer{.text = std::string(text)};
    const auto value = parse_json(text, "script");
    if (GetParam() == "anthropic" && value && value->is_object()) {
      answer.text.clear();
      answer.tool_calls.push_back({"c", "answer", value->as_object(), ""});
    }
    fake_->say(std::move(answer));
  }

  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  Context context_{Context(*clock_, io_.get_executor()).with_timeout(seconds(15), "test")};
  std::unique_ptr<net::HttpClient> http_ = net::HttpClient::create();
  std::unique_ptr<FakeModels> fake_ = FakeModels::start(io_.get_executor(), *clock_);
  ModelClientOptions options_;
  ModelEndpoint endpoint_;
  std::unique_ptr<ModelBudget> budget_;
  std::unique_ptr<ModelClient> client_;
  ModelNote note_;
  Error error_;
  std::string heard_;
};

INSTANTIATE_TEST_SUITE_P(Formats, ModelClientTest,
                         ::testing::Values("openai", "openai-chat", "anthropic", "google"),
                         [](const auto& info) {
                           return info.param == "openai-chat" ? "chat" : info.param;
                         });

TEST_P(ModelClientTest, GivesTextUsageAndCost) {
  fake_->say("It is a page.");
  const auto reply = ask(question());
  ASSERT_TRUE(reply) << reply.error().describe();
  EXPECT_EQ(reply->text, "It is a page.");
  EXPECT_EQ(reply->usage.input_tokens, 100);
  EXPECT_EQ(reply->usage.cached_input_tokens, 40);
  EXPECT_EQ(reply->usage.output_tokens, 10);
  EXPECT_EQ(reply->cost_microdollars, 60 * 2 + 40 * 1 + 10 * 10);
  EXPECT_EQ(reply->model, GetParam() + "/m-1");
  const std::string sent = fake_->last().header("authorization") +
                           fake_->last().header("x-api-key") +
                           fake_->last().header("x-goog-api-key");
  EXPECT_THAT(sent, HasSubstr("secret-key"));
}

TEST_P(ModelClientTest, StreamsTheSameAnswer) {
  ScriptedAnswer answer{.text = "It is a page."};
  answer.tool_calls.push_back({"c1", "click", {{"id", 7}}, ""});
  answer.tool_calls.push_back({"c2", "type", {{"text", "ä"}}, ""});
  fake_->say(answer);
  fake_->say(answer);
  const auto whole = ask(question());
  const auto streamed = ask(question(), true);
  ASSERT_TRUE(whole && streamed) << error_.describe();
  EXPECT_EQ(heard_, "It is a page.");
  EXPECT_EQ(streamed->text, whole->text);
  EXPECT_EQ(streamed->usage, whole->usage);
  ASSERT_EQ(streamed->tool_calls.size(), 2u);
  ASSERT_EQ(whole->tool_calls.size(), 2u);
  for (const std::size_t i : {0u, 1u}) {
    EXPECT_EQ(streamed->tool_calls[i].name, answer.tool_calls[i].name);
    EXPECT_EQ(streamed->tool_calls[i].id, answer.tool_calls[i].id);
    EXPECT_EQ(streamed->tool_calls[i].arguments, answer.tool_calls[i].arguments);
    EXPECT_EQ(whole->tool_calls[i].arguments, answer.tool_calls[i].arguments);
  }
}

TEST_P(ModelClientTest, GivesJsonThatFitsItsSchema) {
  say_json(R"({"views": 3})");
  EXPECT_EQ(ask(wants_json()).value().structured, json::parse(R"({"views": 3})"));
  say_json(R"({"views": 4})");
  EXPECT_EQ(ask(wants_json(), true).value().structured, json::parse(R"({"views": 4})"));
  fake_->say("```json\n{\"views\": 5}\n```");
  EXPECT_EQ(ask(wants_json()).value().structured, json::parse(R"({"views": 5})"));
}

TEST_P(ModelClientTest, GivesAPlainValueWhereTheSchemaIsNoObject) {
  ModelRequest request = question();
  request.schema = json::parse(R"({"type": "array", "items": {"type": "integer"}})").as_object();
  say_json(R"({"value": [1, 2]})");
  EXPECT_EQ(ask(request).value().structured, json::parse("[1, 2]"));
}

TEST_P(ModelClientTest, AsksOnceToMendWhatDoesNotFit) {
  say_json(R"({"views": "3"})");
  say_json(R"({"views": 3})");
  const auto reply = ask(wants_json());
  ASSERT_TRUE(reply) << reply.error().describe();
  EXPECT_EQ(reply->structured, json::parse(R"({"views": 3})"));
  EXPECT_EQ(reply->usage.input_tokens, 200);
  EXPECT_EQ(note_.attempts, 2);
  EXPECT_THAT(json::serialize(fake_->last().body), HasSubstr("views: is string, not integer"));
  EXPECT_THAT(json::serialize(fake_->last().body), HasSubstr("\\\"views\\\":"));
}

TEST_P(ModelClientTest, FailsWhenMendingDoesNotHelp) {
  say_json("{\"views\": \"3\"}");
  say_json("{}");
  ASSERT_FALSE(ask(wants_json()));
  EXPECT_EQ(note_.failure, ModelFailure::schema);
  fake_->say("no JSON");
  fake_->say("{\"views\":");
  const auto reply = ask(wants_json());
  ASSERT_FALSE(reply);
  EXPECT_EQ(note_.failure, ModelFailure::malformed);
  EXPECT_EQ(reply.error().code, Errc::protocol_error);
  EXPECT_EQ(note_.attempts, 2);
}

TEST_P(ModelClientTest, TriesAgainWhatMayPass) {
  fake_->fail(500, "server_error");
  fake_->fail(Fault::half_json);
  fake_->say("third");
  EXPECT_EQ(outcome(), "ok third");
  EXPECT_EQ(note_.attempts, 3);
  for (int i = 0; i < 3; ++i) fake_->fail(529, "overloaded_error");
  EXPECT_EQ(outcome(), "overloaded unavailable 3");
}

TEST_P(ModelClientTest, DoesNotRepeatWhatCannotPass) {
  fake_->fail(401, "authentication_error", "invalid key secret-key");
  EXPECT_EQ(outcome(), "key unauthenticated 1");
  EXPECT_THAT(error_.message, Not(HasSubstr("secret-key")));
  fake_->fail(402, "billing");
  EXPECT_EQ(outcome(), "quota permission_denied 1");
  fake_->fail(403, "permission_error");
  EXPECT_EQ(outcome(), "forbidden permission_denied 1");
  fake_->fail(404, "not_found_error");
  EXPECT_EQ(outcome(), "missing not_found 1");
  fake_->fail(400, "invalid_request_error", "maximum context length is 8192 tokens");
  EXPECT_EQ(outcome(), "too_long payload_too_large 1");
  fake_->fail(400, "invalid_request_error");
  EXPECT_EQ(outcome(), "bad_request invalid_argument 1");
}

TEST_P(ModelClientTest, WaitsAsLongAsARateLimitAsks) {
  fake_->fail(429, "rate_limit_error", "slow down", {{"retry-after-ms", "60"}});
  fake_->say("later");
  const auto began = clock_->now();
  EXPECT_EQ(outcome(), "ok later");
  EXPECT_GE(clock_->now() - began, milliseconds(60));
  fake_->fail(429, "rate_limit_error", "slow down", {{"retry-after", "3600"}});
  EXPECT_EQ(outcome(), "rate exhausted 1");
  EXPECT_EQ(note_.retry_after, seconds(3'600));
}

TEST_P(ModelClientTest, TellsRefusalAndOutputLimit) {
  for (const bool stream : {false, true}) {
    fake_->fail(Fault::refusal);
    EXPECT_EQ(outcome(stream), "refusal unsupported 1");
    fake_->say({.text = "half an answ", .fault = Fault::too_short});
    EXPECT_EQ(outcome(stream), "output_limit exhausted 1");
    EXPECT_EQ(note_.partial_text, "half an answ");
    EXPECT_EQ(note_.usage.output_tokens, 10);
  }
}

TEST_P(ModelClientTest, BeginsAnewWhenAStreamIsCut) {
  fake_->say({.text = "lost words", .fault = Fault::cut});
  fake_->say({.text = "more lost", .fault = Fault::no_end});
  fake_->say("kept");
  const auto reply = ask(question(), true);
  ASSERT_TRUE(reply) << reply.error().describe();
  EXPECT_EQ(reply->text, "kept");
  EXPECT_TRUE(heard_.ends_with("<restart>kept")) << heard_;
  for (int i = 0; i < 3; ++i) fake_->fail(Fault::cut);
  EXPECT_EQ(outcome(true), "cut network_error 3");
}

TEST_P(ModelClientTest, TakesAnErrorInsideAStreamForWhatItIs) {
  for (int i = 0; i < 3; ++i)
    fake_->say({.fault = Fault::mid_error, .error_type = "overloaded_error"});
  EXPECT_EQ(outcome(true), "overloaded unavailable 3");
}

TEST_P(ModelClientTest, GivesUpAStreamThatStandsStill) {
  options_.idle_timeout = milliseconds(40);
  options_.attempts_max = 1;
  reconnect();
  fake_->say({.fault = Fault::slow, .delay = milliseconds(400)});
  EXPECT_EQ(outcome(true), "timeout timeout 1");
  EXPECT_THAT(error_.message, HasSubstr("stood still"));
}

TEST_P(ModelClientTest, EndsWithItsTime) {
  options_.attempt_timeout = milliseconds(50);
  options_.attempts_max = 2;
  reconnect();
  fake_->fail(Fault::silence);
  fake_->fail(Fault::silence);
  EXPECT_EQ(outcome(), "timeout timeout 2");
  fake_->fail(Fault::silence);
  Context hurried = context_.with_timeout(milliseconds(30), "step");
  const auto reply = ask(hurried, question());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Errc::timeout);
  EXPECT_EQ(note_.attempts, 1);
}

TEST_P(ModelClientTest, RefusesAWebPage) {
  options_.attempts_max = 1;
  reconnect();
  fake_->fail(Fault::web_page);
  EXPECT_EQ(outcome(), "malformed protocol_error 1");
}

TEST_P(ModelClientTest, StopsAskingAServiceThatFailsEveryTime) {
  options_.attempts_max = 1;
  options_.breaker_failures = 2;
  reconnect();
  fake_->fail(500, "server_error");
  fake_->fail(500, "server_error");
  (void)outcome();
  (void)outcome();
  EXPECT_EQ(outcome(), "circuit_open unavailable 0");
  EXPECT_EQ(fake_->requests().size(), 2u);
}

TEST_P(ModelClientTest, SpendsNoMoreThanItsBudget) {
  const BudgetLimits limits{.run = 2'000};
  budget_ = std::make_unique<ModelBudget>(*clock_, limits);
  reconnect();
  Context ctx = context_.with_ids({.run = "r1"});
  ModelRequest request = question();
  request.output_tokens_max = 100;  // 1000 micro-dollars, and some input
  ASSERT_TRUE(ask(ctx, request));
  EXPECT_EQ(budget_->spent_by_run("r1"), 260);
  ASSERT_TRUE(ask(ctx, request));
  ASSERT_TRUE(ask(ctx, request));
  const auto refused = ask(ctx, request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(note_.failure, ModelFailure::budget);
  EXPECT_EQ(refused.error().code, Errc::exhausted);
  EXPECT_EQ(fake_->requests().size(), 3u);
  EXPECT_LE(budget_->spent_by_run("r1"), limits.run);
}

TEST_P(ModelClientTest, AsksNoModelWithoutAPriceWhereABudgetHolds) {
  budget_ = std::make_unique<ModelBudget>(*clock_, BudgetLimits{.day = 1'000'000});
  endpoint_.price.reset();
  reconnect();
  EXPECT_EQ(outcome(), "budget invalid_argument 0");
  EXPECT_THAT(error_.describe(), HasSubstr("model_prices"));
}

}  // namespace
}  // namespace troupe::services
