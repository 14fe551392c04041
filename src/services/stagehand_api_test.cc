#include "services/stagehand_api.h"

#include <gmock/gmock.h>

#include "base/testing.h"
#include "base/text_file.h"
#include "services/json_schema.h"
#include "services/stagehand_wire.h"
#include "services/testing_stagehand.h"

namespace troupe::services {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Answer = StagehandFault::Answer;

const json::object& contract() {
  static const json::object kContract =
      parse_json(
          read_text_file(TROUPE_SOURCE_DIR "/tests/contract/stagehand_v3.json", 1 << 20).value(),
          "contract")
          .value()
          .as_object();
  return kContract;
}

/// "" when the request is as the contract says, else what is wrong with it.
std::string problem_of(const FakeStagehand::Request& request) {
  if (request.operation == "readyz") return "";
  json::object schema = contract().at("requests").at(request.operation).as_object();
  schema["$defs"] = contract().at("$defs");
  const auto fits = check_schema(request.body, schema);
  return fits ? "" : request.operation + ": " + fits.error().message;
}

/// A client and the fake it talks to; retries take milliseconds.
class StagehandApiTest : public ::testing::TestWithParam<bool> {
 protected:
  StagehandApiTest() {
    options_.retry_first = milliseconds(2);
    options_.retry_max = milliseconds(5);
    options_.api_key = "bb-key";
    options_.model_key = "model-key";
    FakeStagehand::Options fake;
    fake.api_key = "bb-key";
    fake.perform = [this](Context&, FakeStagehand::Request request) {
      return perform(std::move(request));
    };
    restart(std::move(fake));
  }
  ~StagehandApiTest() override {
    for (const auto& request : fake_->requests()) {
      if (!request.body.contains("bad")) EXPECT_EQ(problem_of(request), "");
    }
    (void)wait(fake_->stop(context_));
  }

  void restart(FakeStagehand::Options fake) {
    if (fake_) (void)wait(fake_->stop(context_));
    fake_ = FakeStagehand::start(io_.get_executor(), *clock_, std::move(fake));
    options_.base_url = fake_->url();
    reconnect();
  }
  void reconnect() { api_ = make_stagehand_api(options_, *http_, *clock_, Random(1)).value(); }
  Async<json::value> perform(FakeStagehand::Request request) {
    ++performed_;
    co_return contract().at("answers").at(request.operation).at("data").at("result");
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
  std::string session() {
    StagehandStart start{.model_name = "openai/gpt-5-mini"};
    start.cdp_url = "ws://127.0.0.1:1/devtools/browser/b";
    return wait(api_->start(context_, start)).value().session_id;
  }
  /// Whole, or streamed with its progress heard.
  StagehandCall call() {
    StagehandCall call;
    call.note = &note_;
    if (GetParam())
      call.on_progress = [this](std::string_view category, std::string_view message) {
        heard_.push_back(std::string(category) + "|" + std::string(message));
      };
    return call;
  }
  /// `code failure attempts`, and `?` when the page may have changed.
  template <class T>
  std::string outcome(Async<T> asked) {
    auto result = wait(std::move(asked));
    if (result) return "ok";
    error_ = result.error();
    return std::string(to_string(error_.code)) + " " + std::string(to_string(note_.failure)) + " " +
           std::to_string(note_.attempts) + (note_.may_be_applied ? " ?" : "");
  }
  std::string outcome_of_act(const std::string& id) {
    return outcome(api_->act(context_, id, std::string("click it"), call()));
  }
  std::string outcome_of_observe(const std::string& id) {
    return outcome(api_->observe(context_, id, "buttons", call()));
  }

  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  Context context_{Context(*clock_, io_.get_executor()).with_timeout(seconds(15), "test")};
  std::unique_ptr<net::HttpClient> http_ = net::HttpClient::create();
  StagehandOptions options_;
  std::unique_ptr<FakeStagehand> fake_;
  std::unique_ptr<StagehandApi> api_;
  int performed_ = 0;
  StagehandNote note_;
  Error error_;
  std::vector<std::string> heard_;
};

INSTANTIATE_TEST_SUITE_P(Answers, StagehandApiTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Streamed" : "Whole"; });

TEST_P(StagehandApiTest, DoesEveryOperation) {
  const std::string id = session();
  EXPECT_TRUE(wait(api_->ready(context_)));
  const auto actions = wait(api_->observe(context_, id, "the button", call())).value();
  ASSERT_EQ(actions.size(), 1u);
  EXPECT_EQ(actions[0].method, "click");
  const auto acted = wait(api_->act(context_, id, actions[0], call())).value();
  EXPECT_TRUE(acted.success);
  EXPECT_EQ(acted.description, "Email");
  EXPECT_THAT(acted.actions.at(0).arguments, ElementsAre("a@b.c", "7"));
  EXPECT_THAT(acted.action_id, Not(IsEmpty()));
  const auto schema = json::parse(R"({"type": "object"})").as_object();
  EXPECT_EQ(wait(api_->extract(context_, id, "status", schema, call())).value(),
            json::parse(R"({"status": "idle"})"));
  StagehandAgent goal{.instruction = "buy it", .mode = "dom", .steps_max = 5};
  const auto agent = wait(api_->agent(context_, id, goal, call())).value();
  EXPECT_TRUE(agent.completed);
  EXPECT_EQ(agent.input_tokens, 10);
  EXPECT_TRUE(wait(api_->replay(context_, id)).value().empty());
  EXPECT_TRUE(wait(api_->end(context_, id)));
  EXPECT_EQ(fake_->live(), 0u);
  EXPECT_TRUE(wait(api_->end(context_, id))) << "ending twice is harmless";
  if (GetParam()) {
    EXPECT_THAT(heard_, ::testing::Contains("observe|starting observe"));
    EXPECT_THAT(heard_, ::testing::Contains("|in plain words"));
  }
}

TEST_P(StagehandApiTest, SendsHeadersAndAllThatACallSays) {
  const std::string id = session();
  EXPECT_EQ(fake_->last().header("x-bb-api-key"), "bb-key");
  EXPECT_EQ(fake_->last().header("x-model-api-key"), "model-key");
  EXPECT_EQ(fake_->last().header("x-language"), "");
  StagehandCall asked = call();
  asked.frame_id = "F1";
  asked.model = {"openai/local", "k", "http://127.0.0.1:9/v1", "chat"};
  asked.selector = "form";
  asked.ignore_selectors = {"nav"};
  asked.variables = {{"password", "hunter2"}};
  asked.timeout = seconds(3);
  asked.bypass_cache = true;
  ASSERT_TRUE(wait(api_->observe(context_, id, "", asked)));
  EXPECT_EQ(fake_->last().header("browserbase-cache-bypass"), "true");
  EXPECT_EQ(fake_->last().header("x-bb-session-id"), id);
  EXPECT_EQ(fake_->last().header("x-stream-response"), GetParam() ? "true" : "");
  EXPECT_EQ(fake_->last().body, json::parse(R"({"frameId": "F1", "options": {
    "model": {"modelName": "openai/local", "apiKey": "k", "baseURL": "http://127.0.0.1:9/v1",
              "openaiEndpointFormat": "chat"},
    "variables": {"password": "hunter2"}, "timeout": 3000, "selector": "form",
    "ignoreSelectors": ["nav"]}})"));
}

TEST_P(StagehandApiTest, TakesA200ThatFailedForAFailure) {
  const std::string id = session();
  fake_->inject({.operation = "observe", .answer = Answer::failure});
  EXPECT_EQ(outcome_of_observe(id), "http_error operation 1");
  EXPECT_THAT(error_.message, HasSubstr("the model gave no answer"));
  fake_->inject({.operation = "act", .answer = Answer::failure});
  EXPECT_EQ(outcome_of_act(id), "http_error operation 1 ?");
}

TEST_P(StagehandApiTest, ReadsAllShapesOfErrors) {
  const std::string id = session();
  for (const auto& value : contract().at("errors").as_array()) {
    const auto& row = value.as_object();
    fake_->inject({.operation = "act",
                   .times = 3,
                   .status = static_cast<int>(row.at("status").as_int64()),
                   .body = json::serialize(row.at("body"))});
    const auto result = wait(api_->act(context_, id, std::string("x"), call()));
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().message, HasSubstr(std::string(row.at("words").as_string())));
    fake_->clear_faults();
  }
}

TEST_P(StagehandApiTest, SendsAnActOnlyOnceWhenItMayHaveHappened) {
  const std::string id = session();
  fake_->inject({.operation = "act", .answer = Answer::cut});
  EXPECT_THAT(outcome_of_act(id),
              ::testing::AnyOf("network_error cut 1 ?", "network_error network 1 ?"));
  fake_->inject({.operation = "act", .status = 500});
  EXPECT_EQ(outcome_of_act(id), "unavailable server 1 ?");
  fake_->inject({.operation = "act", .answer = Answer::garbage});
  EXPECT_EQ(outcome_of_act(id), "protocol_error malformed 1 ?");
  fake_->inject({.operation = "act", .status = 429, .body = "{}"});
  EXPECT_EQ(outcome_of_act(id), "ok");
  fake_->inject(
      {.operation = "act", .status = 503, .body = "{}", .headers = {{"x-should-retry", "true"}}});
  EXPECT_EQ(outcome_of_act(id), "ok");
}

TEST_P(StagehandApiTest, RepeatsWhatOnlyReads) {
  const std::string id = session();
  fake_->inject({.operation = "observe", .answer = Answer::cut});
  fake_->inject({.operation = "observe", .status = 502});
  EXPECT_EQ(outcome_of_observe(id), "ok");
  EXPECT_EQ(note_.attempts, 3);
}

TEST_P(StagehandApiTest, TellsASessionThatIsGone) {
  const std::string id = session();
  fake_->forget_sessions();
  EXPECT_EQ(outcome_of_act(id), "session_lost missing 1");
  EXPECT_EQ(outcome_of_act(""), "invalid_argument local 0");
}

TEST_P(StagehandApiTest, EndsWithItsTime) {
  const std::string id = session();
  options_.attempt_timeout = milliseconds(40);
  reconnect();
  fake_->inject({.operation = "act", .answer = Answer::silence});
  EXPECT_EQ(outcome_of_act(id), "timeout timeout 1 ?");
}

TEST_P(StagehandApiTest, StopsAskingAServiceThatFailsEveryTime) {
  const std::string id = session();
  options_.breaker_failures = 2;
  reconnect();
  fake_->inject({.operation = "act", .times = 2});
  (void)outcome_of_act(id);
  (void)outcome_of_act(id);
  EXPECT_EQ(outcome_of_act(id), "unavailable circuit_open 0");
}

TEST_P(StagehandApiTest, IgnoresTheMegabyteThatNavigateAnswers) {
  const std::string id = session();
  FakeStagehand::Options fake;
  fake.perform = [](Context&, FakeStagehand::Request) -> Async<json::value> {
    json::object page{{"conn", std::string(1'200'000, 'x')}};
    co_return json::value(std::move(page));
  };
  restart(std::move(fake));
  EXPECT_EQ(outcome(api_->navigate(context_, session(), "http://h/", "load", call())), "ok");
}

TEST_P(StagehandApiTest, RefusesWhatIsNoAnswer) {
  FakeStagehand::Options fake;
  fake.perform = [](Context&, FakeStagehand::Request) -> Async<json::value> {
    co_return json::value(json::object{{"page", "x"}});
  };
  restart(std::move(fake));
  const std::string id = session();
  EXPECT_EQ(outcome_of_observe(id), "protocol_error malformed 1");
  EXPECT_EQ(outcome_of_act(id), "protocol_error malformed 1 ?");
}

TEST_P(StagehandApiTest, TellsWhenTheServiceWillNotDriveTheSession) {
  FakeStagehand::Options fake;
  fake.available = false;
  restart(std::move(fake));
  StagehandStart start{.model_name = "openai/m"};
  start.cdp_url = "ws://h/";
  EXPECT_EQ(wait(api_->start(context_, start)).error().code, Errc::unsupported);
}

TEST_P(StagehandApiTest, TellsWrongKeysAndModels) {
  options_.api_key = "other";
  reconnect();
  StagehandStart start{.model_name = "acme/m"};
  EXPECT_EQ(wait(api_->start(context_, start)).error().code, Errc::unauthenticated);
  options_.api_key = "bb-key";
  reconnect();
  const auto refused = wait(api_->start(context_, start));
  EXPECT_EQ(refused.error().code, Errc::invalid_argument);
  EXPECT_THAT(refused.error().message, HasSubstr("Invalid provider: acme"));
}

TEST(StagehandWire, ReadsEventsWithAndWithoutNames) {
  std::vector<std::string> heard;
  stagehand_wire::ProgressReader reader(
      [&](std::string_view, std::string_view message) { heard.emplace_back(message); });
  EXPECT_TRUE(reader.read({"", R"({"data": {"status": "starting"}, "type": "system"})"}));
  EXPECT_TRUE(reader.read({"running", R"({"data": {"status": "running", "message": "a"}})"}));
  EXPECT_FALSE(reader.is_complete());
  EXPECT_TRUE(reader.read({"", R"({"data": {"status": "finished", "result": 3,
                                            "cacheHit": true}})"}));
  EXPECT_TRUE(reader.is_complete());
  EXPECT_TRUE(reader.read({"", "whatever follows"}));
  const auto answer = reader.take().value();
  EXPECT_EQ(answer.result, 3);
  EXPECT_TRUE(answer.cache_hit);
  EXPECT_THAT(heard, ElementsAre("a"));
}

TEST(StagehandWire, RefusesEventsOfAnotherKindAndAMissingEnd) {
  stagehand_wire::ProgressReader reader({});
  EXPECT_FALSE(reader.read({"", R"({"type": "delta"})"}));
  EXPECT_EQ(reader.take().error().code, Errc::protocol_error);
  stagehand_wire::ProgressReader cut({});
  EXPECT_EQ(cut.take().error().code, Errc::network_error);
}

TEST(StagehandApi, RefusesAnAddressOrKeyThatIsNone) {
  asio::io_context io;
  const auto clock = make_real_clock(io.get_executor());
  const auto http = net::HttpClient::create();
  for (const char* url : {"", "h", "ftp://h", "http://h?x=1"}) {
    StagehandOptions options;
    options.base_url = url;
    EXPECT_FALSE(make_stagehand_api(options, *http, *clock, Random(1))) << url;
  }
  StagehandOptions options;
  options.api_key = "two words";
  const auto refused = make_stagehand_api(options, *http, *clock, Random(1));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, Not(HasSubstr("two words")));
}

}  // namespace
}  // namespace troupe::services
