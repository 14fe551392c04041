#include <gmock/gmock.h>

#include "api/testing.h"

namespace troupe::api {
namespace {

using testing::_;
using testing::ByMove;
using testing::HasSubstr;
using testing::Not;
using testing::Return;

Session sample(std::string id = "s1") {
  Session session;
  session.id = std::move(id);
  session.provider = "local";
  session.state = SessionState::running;
  session.created_at = WallTime(std::chrono::seconds(1'790'000'000));
  session.started_at = session.created_at;
  session.expires_at = session.created_at + std::chrono::minutes(30);
  return session;
}

using SessionsTest = ApiTest;

TEST_F(SessionsTest, CreateSpeaksBrowserbaseAndTellsHowToConnect) {
  SessionSpec spec;
  SessionSpec connectable;
  connectable.connectable = true;
  EXPECT_CALL(sessions_, spec).WillRepeatedly(Return(Result<SessionSpec>(connectable)));
  EXPECT_CALL(sessions_, create).WillOnce([&](Context&, SessionSpec given) {
    spec = std::move(given);
    return ready_session(sample());
  });
  EXPECT_CALL(sessions_, find).WillRepeatedly(Return(sample()));
  EXPECT_CALL(sessions_, list).WillRepeatedly(Return(std::vector{sample()}));
  start();

  const auto reply = send("POST", "/v1/sessions", R"({"projectId": "p", "timeout": 60,
      "keepAlive": true, "region": "us-west-2", "userMetadata": {"a": "b"}, "proxies": false,
      "browserSettings": {"viewport": {"width": 800, "height": 600}, "blockAds": true},
      "somethingNew": 1, "isolation": "process", "tenant": "acme"})");

  EXPECT_EQ(reply.status, 201) << reply.body;
  EXPECT_EQ(reply.header("location"), "/v1/sessions/s1");
  const auto body = body_of(reply);
  for (const char* name : {"id", "createdAt", "updatedAt", "projectId", "startedAt", "expiresAt",
                           "status", "proxyBytes", "keepAlive", "region"})
    EXPECT_TRUE(body.as_object().contains(name)) << name;
  EXPECT_EQ(body.at("status"), "RUNNING");
  const std::string key(body.at("signingKey").as_string());
  EXPECT_EQ(body.at("connectUrl").as_string(),
            "ws://127.0.0.1:" + std::to_string(server_->port()) + "/?signingKey=" + key);
  EXPECT_THAT(get("/v1/sessions/s1").body, HasSubstr(key));
  EXPECT_THAT(get("/v1/sessions").body, Not(HasSubstr(key)));
  EXPECT_EQ(spec.timeout, std::chrono::seconds(60));
  EXPECT_EQ(spec.viewport_width, 800);
  EXPECT_EQ(spec.viewport_height, 600);
  EXPECT_EQ(spec.isolation, Isolation::process);
  EXPECT_EQ(spec.tenant, "acme");
  EXPECT_EQ(spec.user_context.at("a"), "b");
}

TEST_F(SessionsTest, AnEmptyBodyIsEnough) {
  EXPECT_CALL(sessions_, create).WillOnce(Return(ByMove(ready_session(sample()))));
  start();

  EXPECT_EQ(send("POST", "/v1/sessions", "", {{"Content-Type", "application/json"}}).status, 201);
}

TEST_F(SessionsTest, WhatCannotBeGivenIsRefusedNotIgnored) {
  EXPECT_CALL(sessions_, create).Times(0);
  start();

  EXPECT_EQ(send("POST", "/v1/sessions", R"({"proxies": true})").status, 501);
  EXPECT_EQ(send("POST", "/v1/sessions", R"({"extensionId": "x"})").status, 501);
  EXPECT_EQ(send("POST", "/v1/sessions", R"({"browserSettings": {"context": {"id": "c"}}})").status,
            501);
  EXPECT_EQ(send("POST", "/v1/sessions", R"({"timeout": 0})").status, 400);
  EXPECT_EQ(
      send("POST", "/v1/sessions", R"({"browserSettings": {"viewport": {"width": 1}}})").status,
      400);
}

TEST_F(SessionsTest, ErrorsArePlainJsonInBothShapes) {
  EXPECT_CALL(sessions_, create)
      .WillOnce(
          Return(ByMove(ready_session(fail(Errc::exhausted, "sessions: all 50 are in use")))));
  start();

  const auto reply = send("POST", "/v1/sessions", "{}");

  EXPECT_EQ(reply.status, 429);
  EXPECT_EQ(reply.header("content-type"), "application/json");
  EXPECT_EQ(body_of(reply).at("statusCode"), 429);
  EXPECT_EQ(body_of(reply).at("error"), "Too Many Requests");
  EXPECT_EQ(body_of(reply).at("message"), "sessions: all 50 are in use");
}

TEST_F(SessionsTest, ListIsABareArrayFilteredByStatus) {
  Session ended = sample("s2");
  ended.state = SessionState::ended;
  ended.end_reason = EndReason::timed_out;
  EXPECT_CALL(sessions_, list).WillRepeatedly(Return(std::vector{sample(), ended}));
  start();

  const auto all = body_of(get("/v1/sessions"));
  const auto timed_out = body_of(get("/v1/sessions?status=TIMED_OUT"));

  EXPECT_EQ(all.as_array().size(), 2u);
  ASSERT_EQ(timed_out.as_array().size(), 1u);
  EXPECT_EQ(timed_out.at(0).at("id"), "s2");
  EXPECT_EQ(get("/v1/sessions?status=ASLEEP").status, 400);
}

struct Status {
  const char* name;
  SessionState state;
  EndReason reason;
  const char* expected;
};
class SessionStatus : public ApiTest, public testing::WithParamInterface<Status> {};

TEST_P(SessionStatus, IsBrowserbases) {
  Session session = sample();
  session.state = GetParam().state;
  session.end_reason = GetParam().reason;
  EXPECT_CALL(sessions_, find).WillOnce(Return(session));
  start();

  EXPECT_EQ(body_of(get("/v1/sessions/s1")).at("status"), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    All, SessionStatus,
    testing::Values(Status{"pending", SessionState::pending, EndReason::none, "PENDING"},
                    Status{"releasing", SessionState::releasing, EndReason::none, "RUNNING"},
                    Status{"released", SessionState::ended, EndReason::released, "COMPLETED"},
                    Status{"idle", SessionState::ended, EndReason::idle, "COMPLETED"},
                    Status{"crashed", SessionState::ended, EndReason::crashed, "ERROR"},
                    Status{"failed", SessionState::ended, EndReason::failed, "ERROR"},
                    Status{"timed_out", SessionState::ended, EndReason::timed_out, "TIMED_OUT"}),
    [](const auto& row) { return row.param.name; });

TEST_F(SessionsTest, BothWaysReleaseIt) {
  EXPECT_CALL(sessions_, release(_, "s1")).Times(2).WillRepeatedly([](Context&, std::string) {
    return ready_void({});
  });
  EXPECT_CALL(sessions_, find).WillRepeatedly(Return(sample()));
  start();

  const auto asked = send("POST", "/v1/sessions/s1", R"({"status": "REQUEST_RELEASE"})");
  const auto deleted = send("DELETE", "/v1/sessions/s1");

  EXPECT_EQ(asked.status, 200);
  EXPECT_EQ(deleted.status, 204);
  EXPECT_EQ(deleted.body, "");
}

TEST_F(SessionsTest, AnotherStatusIsRefused) {
  EXPECT_CALL(sessions_, release).Times(0);
  start();

  EXPECT_EQ(send("POST", "/v1/sessions/s1", R"({"status": "RUNNING"})").status, 400);
  EXPECT_EQ(send("POST", "/v1/sessions/s1", "{}").status, 400);
}

TEST_F(SessionsTest, AnUnknownSessionIs404) {
  EXPECT_CALL(sessions_, find).WillOnce(Return(fail(Errc::not_found, "session x: not known")));
  start();

  EXPECT_EQ(get("/v1/sessions/x").status, 404);
}

}  // namespace
}  // namespace troupe::api
