#include "api/automation.h"

#include "api/testing.h"

namespace troupe::api {
namespace {

using testing::_;
using testing::HasSubstr;
using testing::Return;

constexpr const char* kNightly =
    R"({"name":"nightly","cron":"0 3 * * *","timezone":"Europe/Berlin","run":{"workflow":"demo"}})";

class AutomationTest : public ApiTest {
 protected:
  AutomationTest() {
    ON_CALL(library_, workflow("demo")).WillByDefault(Return(json::object{{"name", "demo"}}));
    ON_CALL(library_, workflow("none"))
        .WillByDefault(Return(fail(Errc::not_found, "workflow none: is not known")));
    schedules_ = &scheduler_;
    webhooks_ = &hooks_;
    start();
  }
  std::string make_schedule(const std::string& body = kNightly) {
    const auto reply = send("POST", "/v1/schedules", body);
    EXPECT_EQ(reply.status, 201) << reply.body;
    return reply.status == 201 ? body_of(reply).at("id").as_string().c_str() : "";
  }
  json::value make_endpoint() {
    const auto reply = send("POST", "/v1/webhook-endpoints",
                            json::serialize(json::object{{"url", url_ + "/hook"}}));
    EXPECT_EQ(reply.status, 201) << reply.body;
    return body_of(reply);
  }

  std::unique_ptr<tasks::Backend> backend_ = tasks::make_memory_backend(*clock_, {});
  RunServiceStarter starter_{runs_, library_, *backend_};
  tasks::Scheduler scheduler_{*clock_, io_.get_executor(), *backend_, starter_, log_, {}};
  tasks::Webhooks hooks_{*clock_, io_.get_executor(), *backend_, *client_, log_, {}};
  const std::string url_ = "http://127.0.0.1:1";  // nobody listens there
};

TEST_F(AutomationTest, MakesAndShowsASchedule) {
  const std::string id = make_schedule();

  const auto shown = body_of(get("/v1/schedules/" + id));

  EXPECT_EQ(shown.at("name"), "nightly");
  EXPECT_EQ(shown.at("cron"), "0 3 * * *");
  EXPECT_EQ(shown.at("overlap"), "skip");
  EXPECT_TRUE(shown.at("next_at").is_string());
  EXPECT_EQ(body_of(get("/v1/schedules")).at("data").as_array().size(), 1u);
  EXPECT_EQ(get("/v1/schedules/sched_none").status, 404);
}

TEST_F(AutomationTest, RefusesSchedulesThatWouldFailLater) {
  const auto refusal = [&](const std::string& body) {
    const auto reply = send("POST", "/v1/schedules", body);
    return std::to_string(reply.status) + " " + reply.body;
  };
  EXPECT_THAT(refusal(R"({"cron":"61 * * * *","run":{"workflow":"demo"}})"), HasSubstr("400 "));
  EXPECT_THAT(refusal(R"({"cron":"0 3 * * *","run":{"workflow":"none"}})"),
              HasSubstr("workflow none: is not known"));
  EXPECT_THAT(refusal(R"({"cron":"0 3 * * *","run":{}})"), HasSubstr("workflow"));
  EXPECT_THAT(refusal(R"({"cron":"0 3 * * *","run":{"workflow":"demo","idempotency_key":"k"}})"),
              HasSubstr("has no place in a schedule"));
  EXPECT_THAT(refusal(R"({"run":{"workflow":"demo"}})"), HasSubstr("exactly one of"));
  EXPECT_THAT(refusal(R"({"cron":"@daily","start_at":"soon","run":{"workflow":"demo"}})"),
              HasSubstr("is not a time"));
  EXPECT_THAT(refusal(R"({"cron":"@daily","overlap":"maybe","run":{"workflow":"demo"}})"),
              HasSubstr("is not one of skip"));
  EXPECT_EQ(body_of(get("/v1/schedules")).at("data").as_array().size(), 0u);
}

TEST_F(AutomationTest, ChangesPausesAndDeletesASchedule) {
  const std::string id = make_schedule();

  const auto changed = body_of(send("PATCH", "/v1/schedules/" + id, R"({"every_ms":60000})"));
  EXPECT_EQ(changed.at("every_ms"), 60000);
  EXPECT_FALSE(changed.as_object().contains("cron"));
  EXPECT_EQ(changed.at("name"), "nightly");

  EXPECT_EQ(body_of(send("POST", "/v1/schedules/" + id + "/pause")).at("next_at"), nullptr);
  EXPECT_NE(body_of(send("POST", "/v1/schedules/" + id + "/resume")).at("next_at"), nullptr);
  EXPECT_EQ(send("PATCH", "/v1/schedules/" + id, R"({"every_ms":5})").status, 400);
  EXPECT_EQ(send("DELETE", "/v1/schedules/" + id).status, 204);
  EXPECT_EQ(send("DELETE", "/v1/schedules/" + id).status, 404);
}

TEST_F(AutomationTest, TriggersARunWithTheSchedulesRequest) {
  const std::string id = make_schedule();
  RunRequest got;
  EXPECT_CALL(runs_, submit(_)).WillOnce([&](RunRequest request) {
    got = std::move(request);
    return Result<std::string>("run_1");
  });

  const auto reply = send("POST", "/v1/schedules/" + id + "/trigger", R"({"key":"k"})");

  EXPECT_EQ(reply.status, 202) << reply.body;
  EXPECT_EQ(body_of(reply).at("run_id"), "run_1");
  EXPECT_EQ(got.workflow.name(), "demo");
  EXPECT_EQ(got.idempotency_key, "schedule:" + id + ":by-hand:k");
  EXPECT_EQ(body_of(get("/v1/schedules/" + id)).at("history").at(0).at("manual"), true);
}

TEST_F(AutomationTest, StarterTellsOpenRunsFromEndedOnes) {
  Context ctx(*clock_, io_.get_executor());
  RunResult open, ended;
  open.state = RunState::running;
  ended.state = RunState::partial;
  EXPECT_CALL(runs_, find("run_1")).WillOnce(Return(open));
  EXPECT_CALL(runs_, find("run_2")).WillOnce(Return(ended));
  EXPECT_CALL(runs_, find("run_3")).WillOnce(Return(fail(Errc::not_found, "no")));
  EXPECT_CALL(runs_, find("run_4")).WillOnce(Return(fail(Errc::unavailable, "no")));
  EXPECT_EQ(run(starter_.is_open(ctx, "run_1")).value(), true);
  EXPECT_EQ(run(starter_.is_open(ctx, "run_2")).value(), false);
  EXPECT_EQ(run(starter_.is_open(ctx, "run_3")).value(), false);
  EXPECT_FALSE(run(starter_.is_open(ctx, "run_4")));
}

TEST_F(AutomationTest, StarterCancelsRunsWhereverTheyAre) {
  Context ctx(*clock_, io_.get_executor());
  EXPECT_CALL(runs_, cancel("run_1", _)).WillOnce(Return(Result<void>()));
  EXPECT_CALL(runs_, cancel("run_2", _)).WillOnce(Return(fail(Errc::conflict, "has ended")));
  EXPECT_CALL(runs_, cancel("run_3", _)).WillOnce(Return(fail(Errc::not_found, "elsewhere")));
  EXPECT_TRUE(run(starter_.cancel(ctx, "run_1", "why")));
  EXPECT_TRUE(run(starter_.cancel(ctx, "run_2", "why")));
  EXPECT_TRUE(run(starter_.cancel(ctx, "run_3", "why")));
}

TEST_F(AutomationTest, ShowsAWebhooksSecretOnlyOnce) {
  const auto made = make_endpoint();
  const std::string id = made.at("id").as_string().c_str();
  EXPECT_THAT(made.at("secret").as_string().c_str(), HasSubstr("whsec_"));

  const auto shown = get("/v1/webhook-endpoints/" + id);
  EXPECT_THAT(shown.body, testing::Not(HasSubstr("whsec_")));
  EXPECT_THAT(get("/v1/webhook-endpoints").body, testing::Not(HasSubstr("whsec_")));
  const auto rotated = body_of(send("POST", "/v1/webhook-endpoints/" + id + "/secret", "{}"));
  EXPECT_NE(rotated.at("secret"), made.at("secret"));
}

TEST_F(AutomationTest, ChangesAndDeletesAWebhookEndpoint) {
  const std::string id = make_endpoint().at("id").as_string().c_str();
  const auto path = "/v1/webhook-endpoints/" + id;

  const auto changed = body_of(send("PATCH", path, R"({"events":["run.failed"],"enabled":false})"));
  EXPECT_EQ(changed.at("events"), json::array({"run.failed"}));
  EXPECT_EQ(changed.at("enabled"), false);
  EXPECT_EQ(send("PATCH", path, R"({"events":["run.exploded"]})").status, 400);
  EXPECT_EQ(send("PATCH", path, R"({"events":"run.failed"})").status, 400);
  EXPECT_EQ(send("PATCH", path, R"({"url":"ftp://x"})").status, 400);
  EXPECT_EQ(send("DELETE", path).status, 204);
  EXPECT_EQ(get(path).status, 404);
}

TEST_F(AutomationTest, TellsHowATestWentAndListsIt) {
  const std::string id = make_endpoint().at("id").as_string().c_str();

  const auto tested = body_of(send("POST", "/v1/webhook-endpoints/" + id + "/test"));

  EXPECT_EQ(tested.at("state"), "failed");
  EXPECT_NE(tested.at("log").at(0).at("error"), "");
  const auto listed = body_of(get("/v1/webhook-deliveries"));
  EXPECT_EQ(listed.at("data").as_array().size(), 1u);
  const std::string delivery = tested.at("id").as_string().c_str();
  EXPECT_EQ(body_of(get("/v1/webhook-deliveries/" + delivery)).at("payload").at("type"),
            "webhook.test");
  EXPECT_EQ(send("POST", "/v1/webhook-deliveries/" + delivery + "/redeliver").status, 202);
  EXPECT_EQ(get("/v1/webhook-deliveries/msg_none").status, 404);
}

TEST_F(AutomationTest, BrowserbasesOwnWebhooksStayApart) {
  EXPECT_EQ(get("/v1/webhooks").status, 501);
}

TEST(AutomationEvents, AreTheRunWithoutItsTasks) {
  RunResult result;
  result.run_id = "run_1";
  result.state = RunState::partial;
  result.tasks.resize(3);
  result.tasks[1].state = TaskState::succeeded;
  const auto data = end_data(result);
  EXPECT_EQ(end_event(result.state), "run.partial");
  EXPECT_EQ(data.at("run_id"), "run_1");
  EXPECT_EQ(data.at("total"), 3u);
  EXPECT_EQ(data.at("succeeded"), 1u);
  EXPECT_FALSE(data.contains("tasks"));
}

}  // namespace
}  // namespace troupe::api
