#include "api/server.h"

#include <gmock/gmock.h>

#include "api/testing.h"

namespace troupe::api {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::Return;

using ApiServerTest = ApiTest;

TEST_F(ApiServerTest, HealthIsExactlyThis) {
  start();

  const auto reply = get("/health");

  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, R"({"status":"healthy"})");
  EXPECT_EQ(reply.header("content-type"), "application/json");
}

TEST_F(ApiServerTest, ReadyzIs503WhenACheckFails) {
  checks_ = {{"browser", true, "found"}, {"data_dir", false, "read-only"}};
  start();

  const auto reply = get("/readyz");

  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(body_of(reply).at("checks").at(1).at("detail"), "read-only");
}

TEST_F(ApiServerTest, ReadyzListsChecksWhenAsked) {
  checks_ = {{"browser", true, "found"}};
  start();

  EXPECT_EQ(get("/readyz").body, R"({"status":"ready"})");
  EXPECT_THAT(get("/readyz?verbose").body, HasSubstr("browser"));
  EXPECT_EQ(get("/readyz", {{"Accept", "text/plain"}}).body, "[+]browser found\nready\n");
}

TEST_F(ApiServerTest, AnUnknownPathIsAProblem) {
  start();

  const auto reply = get("/nowhere");

  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.header("content-type"), "application/problem+json");
  const auto problem = body_of(reply);
  EXPECT_EQ(problem.at("status"), 404);
  EXPECT_EQ(problem.at("statusCode"), 404);
  EXPECT_EQ(problem.at("code"), "not_found");
  EXPECT_EQ(problem.at("class"), "user");
  EXPECT_EQ(problem.at("retryable"), false);
  EXPECT_EQ(problem.at("error"), "Not Found");
  EXPECT_EQ(problem.at("instance"), "/nowhere");
  EXPECT_EQ(problem.at("trace_id").as_string().size(), 32u);
}

TEST_F(ApiServerTest, AWrongMethodNamesTheRightOnes) {
  start();

  const auto reply = send("PUT", "/v1/runs");

  EXPECT_EQ(reply.status, 405);
  EXPECT_EQ(reply.header("allow"), "POST, GET, HEAD");
  EXPECT_EQ(body_of(reply).at("status"), 405);
}

TEST_F(ApiServerTest, HeadIsServedLikeGet) {
  start();

  const auto reply = send("HEAD", "/health");

  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "");
}

TEST_F(ApiServerTest, GoesOnWithTheCallersIds) {
  start();
  const std::string trace = "0af7651916cd43dd8448eb211c80319c";

  const auto reply = get("/nowhere", {{"traceparent", "00-" + trace + "-b7ad6b7169203331-01"},
                                      {"X-Request-Id", "mine-1"}});

  EXPECT_EQ(reply.header("x-request-id"), "mine-1");
  EXPECT_EQ(body_of(reply).at("trace_id"), json::value(trace));
}

TEST_F(ApiServerTest, EveryRequestIsLogged) {
  start();

  get("/v1/runs");

  EXPECT_THAT(log_.lines(), Contains(AllOf(HasSubstr("Action: api.request"), HasSubstr("/v1/runs"),
                                           HasSubstr("http_status=200"))));
}

TEST_F(ApiServerTest, AHandlersExceptionIsAnInternalErrorWithItsTrace) {
  EXPECT_CALL(runs_, list).WillOnce(testing::Throw(std::runtime_error("broken on purpose")));
  start();

  const auto reply = get("/v1/runs");

  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(body_of(reply).at("code"), "internal");
}

TEST_F(ApiServerTest, AKeyIsNeededWhenThereAreKeys) {
  settings_.api_keys = {"ci:0123456789", "another-key"};
  start();

  const auto none = get("/v1/runs");
  const auto wrong = get("/v1/runs", {{"X-API-Key", "0123456780"}});

  EXPECT_EQ(none.status, 401);
  EXPECT_EQ(none.header("www-authenticate"), "Bearer");
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(get("/v1/runs", {{"Authorization", "Bearer 0123456789"}}).status, 200);
  EXPECT_EQ(get("/v1/runs", {{"X-API-Key", "another-key"}}).status, 200);
  EXPECT_EQ(get("/v1/runs", {{"X-BB-API-Key", "another-key"}}).status, 200);
  EXPECT_EQ(get("/health").status, 200);
  EXPECT_THAT(log_.lines(), Contains(HasSubstr("client=ci")));
  EXPECT_THAT(log_.lines(), Not(Contains(HasSubstr("0123456789"))));
}

TEST_F(ApiServerTest, WithoutKeysAnOpenListenerServesHealthOnlyAndSaysSo) {
  start("0.0.0.0");

  const auto reply = get("/v1/runs");

  EXPECT_EQ(reply.status, 403);
  EXPECT_THAT(reply.body, HasSubstr("TROUPE_API_KEYS"));
  EXPECT_EQ(get("/health").status, 200);
  EXPECT_EQ(get("/version").status, 200);
  EXPECT_THAT(log_.lines(), Contains(HasSubstr("health only")));
}

TEST_F(ApiServerTest, AWebPageCannotUseAKeylessService) {
  start();
  const std::string port = std::to_string(server_->port());

  const auto foreign = get("/v1/runs", {{"Origin", "http://evil.example"}});
  const auto own = get("/v1/runs", {{"Origin", "http://127.0.0.1:" + port}});

  EXPECT_EQ(foreign.status, 403);
  EXPECT_EQ(own.status, 200);
}

TEST(AccessRules, RefusesAHostThatWasReboundToThisMachine) {
  const auto rules = AccessRules::create({}, "127.0.0.1");
  ASSERT_TRUE(rules);

  const auto rebound = rules->check({.headers = {{"host", "evil.example:8000"}}});
  const auto local = rules->check({.headers = {{"host", "localhost:8000"}}});

  ASSERT_FALSE(rebound);
  EXPECT_EQ(rebound.error().code, Errc::permission_denied);
  EXPECT_TRUE(local);
}

TEST(AccessRules, KnowsLoopbackNames) {
  for (const char* host : {"localhost", "LOCALHOST:80", "a.localhost", "127.0.0.1", "127.9.9.9:1",
                           "[::1]:8000", "::1"})
    EXPECT_TRUE(is_loopback_host(host)) << host;
  for (const char* host :
       {"", "localhost.evil.example", "127.0.0.1.evil.example", "0.0.0.0", "10.0.0.1", "[::2]"})
    EXPECT_FALSE(is_loopback_host(host)) << host;
}

TEST(AccessRules, AKeyMayBeBoundToAProject) {
  const auto rules = AccessRules::create({"ci@acme:12345678", "ops:87654321"}, "127.0.0.1");
  ASSERT_TRUE(rules) << rules.error().describe();

  const auto name = rules->check({.headers = {{"x-api-key", "12345678"}}});

  ASSERT_TRUE(name);
  EXPECT_EQ(*name, "ci");
  EXPECT_EQ(rules->project_of(*name), "acme");
  EXPECT_EQ(rules->project_of("ops"), "");
}

TEST(AccessRules, AProjectMustBeNamedAndUnambiguous) {
  EXPECT_EQ(AccessRules::create({"ci@:12345678"}, "127.0.0.1").error().code,
            Errc::invalid_argument);
  EXPECT_EQ(AccessRules::create({"ci@a:12345678", "ci@b:87654321"}, "127.0.0.1").error().code,
            Errc::invalid_argument);
}

TEST(AccessRules, RefusesShortKeys) {
  const auto rules = AccessRules::create({"ci:short"}, "127.0.0.1");

  ASSERT_FALSE(rules);
  EXPECT_EQ(rules.error().code, Errc::invalid_argument);
  EXPECT_THAT(rules.error().message, Not(HasSubstr("short")));
}

}  // namespace
}  // namespace troupe::api
