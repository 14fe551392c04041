#include "api/upstream.h"

#include "api/testing.h"
#include "services/via.h"

namespace troupe::api {
namespace {

using testing::NiceMock;
using testing::Return;

Session session_of(std::string id, std::string provider, std::string provider_id) {
  Session session;
  session.id = std::move(id);
  session.provider = std::move(provider);
  session.provider_id = std::move(provider_id);
  return session;
}

class UpstreamTest : public ApiTest {
 protected:
  UpstreamTest() {
    ON_CALL(sessions_, find).WillByDefault(Return(fail(Errc::not_found, "session: unknown")));
    ON_CALL(sessions_, find(std::string("s-far")))
        .WillByDefault(Return(session_of("s-far", "browserbase", "bb-1")));
    ON_CALL(sessions_, find(std::string("s-near")))
        .WillByDefault(Return(session_of("s-near", "local", "")));
  }
  std::string to(std::string_view target, bool gateway) const {
    const auto route = upstream_route(target, gateway, sessions_);
    return route ? route->target : "here";
  }
};

TEST_F(UpstreamTest, WhatAProviderKeepsOfASessionIsAskedThere) {
  EXPECT_EQ(to("/v1/sessions/s-far/logs", false), "/v1/sessions/bb-1/logs");
  EXPECT_EQ(to("/v1/sessions/s-far/replays/12?x=1", true), "/v1/sessions/bb-1/replays/12?x=1");
  EXPECT_EQ(to("/v1/sessions/s-near/logs", true), "here");
  EXPECT_EQ(to("/v1/sessions/unknown/logs", true), "here");
  EXPECT_EQ(to("/v1/sessions/s-far", true), "here") << "sessions are the pool's";
  EXPECT_EQ(to("/v1/sessions/s-far/debug", true), "here") << "the live view is ours";
  EXPECT_EQ(to("/v1/sessions/s-far/logsbook", true), "here");
}

TEST_F(UpstreamTest, OtherNounsGoThereOnlyInGatewayMode) {
  EXPECT_EQ(to("/v1/contexts", false), "here");
  EXPECT_EQ(to("/v1/contexts", true), "/v1/contexts");
  EXPECT_EQ(to("/v1/contexts/a%2Fb", true), "/v1/contexts/a%2Fb");
  EXPECT_EQ(to("/v1/contextsandmore", true), "here");
  EXPECT_EQ(to("/v1/runs", true), "here");
  EXPECT_EQ(to("/v1/downloads?limit=5&sessionId=s-far", true),
            "/v1/downloads?limit=5&sessionId=bb-1");
  EXPECT_EQ(to("/v1/downloads?sessionId=s-near", true), "here");
}

asio::awaitable<net::HttpResponse> echo(Context&, net::HttpRequest request) {
  const std::string body = request.method + " " + request.target + " " +
                           std::string(request.header("x-bb-api-key")) + " " +
                           std::string(request.header("authorization")) + " " + request.body;
  net::HttpResponse response{.status = request.method == "DELETE" ? 409 : 200,
                             .body = json::serialize(json::string(body))};
  response.headers.emplace_back("Retry-After", "3");
  response.headers.emplace_back("Set-Cookie", "a=b");
  co_return response;
}

TEST_F(UpstreamTest, AnswersAsTheUpstreamAnswersWithOurId) {
  auto server = net::HttpServer::start(io_.get_executor(), *clock_, {}, echo);
  ASSERT_TRUE(server);
  Upstream upstream(
      {.base_url = "http://127.0.0.1:" + std::to_string((*server)->port()), .api_key = "key"},
      net::HttpClient::create());
  net::HttpRequest request{.method = "DELETE", .target = "/v1/sessions/s-far/downloads"};
  request.headers = {{"authorization", "Bearer ours"}, {"content-type", "application/json"}};
  request.body = "{}";
  auto route = upstream_route(request.target, true, sessions_);
  ASSERT_TRUE(route);
  Context ctx = Context(*clock_, io_.get_executor()).with_timeout(std::chrono::seconds(5), "call");

  const auto response = run(upstream.forward(ctx, request, *route));

  ASSERT_TRUE(response) << response.error().describe();
  EXPECT_EQ(response->status, 409);
  EXPECT_EQ(json::parse(response->body), "DELETE /v1/sessions/s-far/downloads key  {}");
  ASSERT_EQ(response->headers.size(), 1u);
  EXPECT_EQ(response->headers[0].second, "3");
  EXPECT_TRUE(run((*server)->stop(ctx)));
}

TEST_F(UpstreamTest, TheServiceSendsOnWhatItDoesNotAnswerItself) {
  auto far = net::HttpServer::start(io_.get_executor(), *clock_, {}, echo);
  ASSERT_TRUE(far);
  settings_.provider = "browserbase";
  settings_.browserbase_api_key = "far-key";
  settings_.browserbase_base_url = "http://127.0.0.1:" + std::to_string((*far)->port());
  settings_.api_keys = {"near-key"};
  start();

  const auto reply = get("/v1/agents?limit=2", {{"X-BB-API-Key", "near-key"}});
  const auto refused = get("/v1/agents", {{"X-BB-API-Key", "far-key"}});

  EXPECT_EQ(json::parse(reply.body), "GET /v1/agents?limit=2 far-key  ");
  EXPECT_EQ(refused.status, 401);
  Context ctx = Context(*clock_, io_.get_executor()).with_timeout(std::chrono::seconds(5), "stop");
  EXPECT_TRUE(run((*far)->stop(ctx)));
}

asio::awaitable<net::HttpResponse> tell_via(Context&, net::HttpRequest request) {
  const json::string via(request.header(services::kViaHeader));
  net::HttpResponse response{.body = json::serialize(via)};
  co_return response;
}

TEST_F(UpstreamTest, RequestsCarryWhereTheyCameFromAndDoNotComeBack) {
  auto far = net::HttpServer::start(io_.get_executor(), *clock_, {}, tell_via);
  ASSERT_TRUE(far);
  settings_.provider = "browserbase";
  settings_.browserbase_api_key = "far-key";
  settings_.browserbase_base_url = "http://127.0.0.1:" + std::to_string((*far)->port());
  start();
  const std::string header(services::kViaHeader);

  const auto fresh = get("/v1/agents");
  const auto further = get("/v1/agents", {{header, "somebody"}});
  const auto back = get("/v1/agents", {{header, "somebody," + services::instance_name()}});

  EXPECT_EQ(json::parse(fresh.body), json::value(services::instance_name()));
  EXPECT_EQ(json::parse(further.body), json::value("somebody," + services::instance_name()));
  EXPECT_EQ(back.status, 400);
  EXPECT_THAT(back.body, testing::HasSubstr("leads back to this troupe itself"));
  EXPECT_THAT(back.body, testing::HasSubstr("BROWSERBASE_BASE_URL"));
  Context ctx = Context(*clock_, io_.get_executor()).with_timeout(std::chrono::seconds(5), "stop");
  EXPECT_TRUE(run((*far)->stop(ctx)));
}

TEST_F(UpstreamTest, SaysWhenTheUpstreamIsNotThere) {
  Upstream upstream({.base_url = "http://127.0.0.1:1", .api_key = "key"},
                    net::HttpClient::create());
  net::HttpRequest request{.method = "GET", .target = "/v1/projects"};
  auto route = upstream_route(request.target, true, sessions_);
  ASSERT_TRUE(route);
  Context ctx = Context(*clock_, io_.get_executor()).with_timeout(std::chrono::seconds(5), "call");

  const auto response = run(upstream.forward(ctx, request, *route));

  EXPECT_EQ(response.error().code, Errc::network_error);
}

}  // namespace
}  // namespace troupe::api
