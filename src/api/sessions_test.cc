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

TEST_F(SessionsTest, AKeyOfOneProjectActsForThatProjectOnly) {
  settings_.api_keys = {"ci@acme:0123456789", "ops:9876543210"};
  SessionSpec spec;
  EXPECT_CALL(sessions_, create).Times(2).WillRepeatedly([&](Context&, SessionSpec given) {
    spec = std::move(given);
    return ready_session(sample());
  });
  start();
  const auto post = [&](const std::string& key, const std::string& body) {
    return send("POST", "/v1/sessions", body,
                {{"Content-Type", "application/json"}, {"X-BB-API-Key", key}});
  };

  EXPECT_EQ(post("0123456789", "{}").status, 201);
  EXPECT_EQ(spec.tenant, "acme");
  const auto other = post("0123456789", R"({"projectId": "rival"})");
  EXPECT_EQ(other.status, 403) << other.body;
  EXPECT_THAT(other.body, HasSubstr("'rival' is not the project of this key"));
  EXPECT_EQ(post("9876543210", R"({"projectId": "rival"})").status, 201);
  EXPECT_EQ(spec.tenant, "rival");
}

TEST_F(SessionsTest, AnEmptyBodyIsEnough) {
  EXPECT_CALL(sessions_, create).WillOnce(Return(ByMove(ready_session(sample()))));
  start();

  EXPECT_EQ(send("POST", "/v1/sessions", "", {{"Content-Type", "application/json"}}).status, 201);
}

TEST_F(SessionsTest, AllThatTheContractAsksForReachesTheSession) {
  SessionSpec spec;
  EXPECT_CALL(sessions_, create).WillOnce([&](Context&, SessionSpec given) {
    spec = std::move(given);
    return ready_session(sample());
  });
  start();

  const auto reply = send("POST", "/v1/sessions", R"({
      "projectId": "acme", "keepAlive": true, "region": "eu-central-1",
      "proxies": [{"type": "external", "server": "http://proxy:8080", "username": "u",
                   "password": "p", "domainPattern": "*.example.com"},
                  {"type": "browserbase", "geolocation": {"country": "DE"}}, {"type": "none"}],
      "proxySettings": {"caCertificates": ["cert-1"]},
      "browserSettings": {
          "context": {"id": "c1", "persist": true}, "extensionId": "e1", "blockAds": true,
          "solveCaptchas": false, "recordSession": false, "logSession": true,
          "allowedDomains": ["example.com"], "ignoreCertificateErrors": true,
          "os": "mac", "captchaImageSelector": "#c",
          "userAgent": "x", "locale": "de-DE", "timezone": "Europe/Berlin",
          "extraHeaders": {"X-A": "1"}, "deniedDomains": ["evil.example"],
          "domainsCoverResources": true, "blockedResources": ["image"]}})");

  ASSERT_EQ(reply.status, 201) << reply.body;
  EXPECT_TRUE(spec.connectable);
  EXPECT_TRUE(spec.keep_alive);
  EXPECT_EQ(spec.tenant, "acme");
  EXPECT_EQ(spec.region, "eu-central-1");
  ASSERT_EQ(spec.proxies.size(), 3u);
  EXPECT_EQ(spec.proxies[0].server, "http://proxy:8080");
  EXPECT_EQ(spec.proxies[0].domain_pattern, "*.example.com");
  EXPECT_EQ(spec.proxies[0].username + spec.proxies[0].password, "up");
  EXPECT_EQ(spec.proxies[1].geolocation.at("country"), "DE");
  EXPECT_EQ(spec.proxies[2].type, ProxySpec::Type::none);
  EXPECT_EQ(spec.ca_certificates, std::vector<std::string>{"cert-1"});
  EXPECT_EQ(spec.context_id + spec.extension_id, "c1e1");
  EXPECT_TRUE(spec.context_persist && spec.block_ads && spec.ignore_certificate_errors);
  EXPECT_EQ(spec.solve_captchas, false);
  EXPECT_EQ(spec.record, false);
  EXPECT_EQ(spec.log, true);
  EXPECT_EQ(spec.allowed_domains, std::vector<std::string>{"example.com"});
  EXPECT_EQ(spec.denied_domains, std::vector<std::string>{"evil.example"});
  EXPECT_TRUE(spec.domains_cover_resources);
  EXPECT_EQ(spec.blocked_resources, std::vector<std::string>{"image"});
  EXPECT_EQ(spec.user_agent + spec.locale + spec.timezone, "xde-DEEurope/Berlin");
  ASSERT_EQ(spec.extra_headers.size(), 1u);
  EXPECT_EQ(json::serialize(spec.provider_settings), R"({"os":"mac","captchaImageSelector":"#c"})");
}

TEST_F(SessionsTest, WhoNamesAProviderOrAnIsolationDrivesItThroughTroupe) {
  std::vector<bool> connectable;
  EXPECT_CALL(sessions_, create).WillRepeatedly([&](Context&, SessionSpec given) {
    connectable.push_back(given.connectable);
    return ready_session(sample());
  });
  start();

  for (const char* body : {"{}", R"({"provider": "local"})", R"({"isolation": "context"})"})
    EXPECT_EQ(send("POST", "/v1/sessions", body).status, 201);

  EXPECT_EQ(connectable, (std::vector{true, false, false}));
}

class BadSession : public ApiTest, public testing::WithParamInterface<const char*> {};

TEST_P(BadSession, IsRefusedBeforeABrowserStarts) {
  EXPECT_CALL(sessions_, create).Times(0);
  start();

  EXPECT_EQ(send("POST", "/v1/sessions", GetParam()).status, 400);
}

INSTANTIATE_TEST_SUITE_P(
    All, BadSession,
    testing::Values(
        R"({"timeout": 0})", R"({"timeout": "60"})", R"({"proxies": 1})", R"({"proxies": ["x"]})",
        R"({"proxies": [{"type": "magic"}]})", R"({"proxies": [{"type": "external"}]})",
        R"({"keepAlive": "yes"})", R"({"browserSettings": {"viewport": {"width": 1}}})",
        R"({"browserSettings": {"context": {}}})", R"({"browserSettings": {"context": "c"}})",
        R"({"browserSettings": {"allowedDomains": "example.com"}})",
        R"({"browserSettings": {"blockAds": 1}})",
        R"({"browserSettings": {"extraHeaders": {"A": 1}}})",
        R"({"proxySettings": {"caCertificates": [1]}})", R"({"userMetadata": []})", "[]", "{"));

TEST_F(SessionsTest, TheListIsFilteredByMetadata) {
  Session spoons = sample("s2");
  spoons.user_context = {{"shop", json::object{{"name", "spoons"}}}};
  EXPECT_CALL(sessions_, list).WillRepeatedly(Return(std::vector{sample(), spoons}));
  start();

  const auto found =
      body_of(get("/v1/sessions?status=RUNNING&q=user_metadata%5B'shop'%5D%5B'name'%5D:'spoons'"));

  ASSERT_EQ(found.as_array().size(), 1u);
  EXPECT_EQ(found.at(0).at("id"), "s2");
  EXPECT_EQ(get("/v1/sessions?q=name%3Dspoons").status, 400);
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
