#include "api/nodes.h"

#include <gmock/gmock.h>

#include "api/node_events.h"
#include "api/node_routes.h"
#include "api/testing.h"
#include "tasks/testing.h"

namespace troupe::api {
namespace {

using std::chrono::seconds;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::NiceMock;

// One process with its sessions.
struct Machine {
  Machine(tasks::testing::StandingLoop& loop, tasks::Backend& backend, std::string id,
          std::size_t ended_kept = 1'000)
      : loop_(loop) {
    ON_CALL(sessions, find(_)).WillByDefault([this](const std::string& asked) -> Result<Session> {
      const auto known = there.find(asked);
      if (known == there.end()) return fail(Errc::not_found, "session " + asked + ": unknown");
      return known->second;
    });
    NodesOptions options{.self = {.id = std::move(id), .url = {}, .role = "all"},
                         .secret = "of-all",
                         .ended_kept = ended_kept};
    nodes = std::make_unique<Nodes>(backend, sessions, loop.clock, loop.io.get_executor(), log,
                                    std::move(options));
  }
  ~Machine() {
    nodes->changed("");  // of nobody: ignored
    (void)loop_.run(stop(*nodes));
  }
  static Async<void> stop(Nodes& nodes) {
    co_await nodes.stop();
    co_return Result<void>{};
  }
  void add(const std::string& id) {
    Session session;
    session.id = id;
    session.state = SessionState::running;
    session.created_at = loop_.clock.wall();
    there[id] = session;
    nodes->changed(id);
  }
  void end(const std::string& id) {
    there[id].state = SessionState::ended;
    there[id].end_reason = EndReason::released;
    nodes->changed(id);
  }

  tasks::testing::StandingLoop& loop_;
  observe::MemoryLog log;
  NiceMock<MockSessions> sessions;
  std::map<std::string, Session> there;
  std::unique_ptr<Nodes> nodes;
};

class NodesTest : public ::testing::Test {
 protected:
  void settle() {
    loop_.io.restart();
    loop_.io.poll();
  }
  // In steps of a beat, as time passes.
  void pass(seconds time) {
    for (seconds passed{0}; passed < time; passed += seconds(1)) {
      loop_.clock.advance(seconds(1));
      settle();
    }
  }
  std::optional<RemoteSession> find(Machine& machine, const std::string& id) {
    Context ctx = loop_.context();
    return loop_.run(machine.nodes->find_session(ctx, id)).value();
  }
  std::string status(Machine& machine, const std::string& id) {
    const auto session = find(machine, id);
    return session ? std::string(find_string(session->shown, "status").value_or("")) : "unknown";
  }
  static std::vector<std::string> ids(const std::vector<Node>& nodes) {
    std::vector<std::string> list;
    for (const Node& node : nodes) list.push_back(node.id + " " + node.url);
    return list;
  }

  tasks::testing::StandingLoop loop_;
  tasks::testing::DocumentBackend backend_;
};

TEST_F(NodesTest, LearnOfEachOtherAndOfOnesEnd) {
  Machine a(loop_, backend_, "node_a"), b(loop_, backend_, "node_b");
  a.nodes->start("http://a:1");
  settle();
  b.nodes->start("http://b:2");
  settle();
  EXPECT_THAT(ids(b.nodes->others()), ElementsAre("node_a http://a:1"));
  pass(seconds(2));
  EXPECT_THAT(ids(a.nodes->others()), ElementsAre("node_b http://b:2"));
  EXPECT_TRUE(loop_.run(Machine::stop(*b.nodes)));
  pass(seconds(2));
  EXPECT_THAT(a.nodes->others(), IsEmpty());
}

TEST_F(NodesTest, OneThatSaysNothingIsGoneAndItsSessionsWithIt) {
  Machine a(loop_, backend_, "node_a");
  a.nodes->start("http://a:1");
  Context ctx = loop_.context();
  tasks::Document mute{.kind = "node", .id = "node_m", .text = R"({"v":1,"url":"http://m:3"})"};
  ASSERT_TRUE(loop_.run(backend_.put(ctx, mute)));
  tasks::Document session{
      .kind = "session",
      .id = "s1",
      .text = R"({"v":1,"node":"node_m","session":{"id":"s1","status":"RUNNING","clients":2,
                  "updatedAt":"2026-11-23T00:00:00Z"}})"};
  ASSERT_TRUE(loop_.run(backend_.put(ctx, session)));
  pass(seconds(4));
  EXPECT_EQ(a.nodes->others().size(), 1u);
  EXPECT_EQ(status(a, "s1"), "RUNNING");
  pass(seconds(12));
  EXPECT_THAT(a.nodes->others(), IsEmpty());
  const auto gone = find(a, "s1");
  ASSERT_TRUE(gone);
  EXPECT_FALSE(gone->node);
  EXPECT_EQ(find_string(gone->shown, "status"), "ERROR");
  EXPECT_EQ(find_string(gone->shown, "endReason"), "connection_lost");
  EXPECT_EQ(find_string(gone->shown, "endedAt"), "2026-11-23T00:00:00Z");
  pass(seconds(90));
  EXPECT_EQ(backend_.count("node"), 1u) << "its entry is swept";
}

TEST_F(NodesTest, NobodyIsGoneForABackendThatIsAway) {
  Machine a(loop_, backend_, "node_a"), b(loop_, backend_, "node_b");
  a.nodes->start("http://a:1");
  b.nodes->start("http://b:2");
  pass(seconds(4));
  backend_.before = [](std::string_view, const tasks::Document&) -> Result<void> {
    return fail(Errc::unavailable, "away");
  };
  pass(seconds(60));
  EXPECT_EQ(a.nodes->others().size(), 1u);
  backend_.before = {};
  pass(seconds(4));
  EXPECT_EQ(a.nodes->others().size(), 1u);
  EXPECT_EQ(b.nodes->others().size(), 1u);
  EXPECT_THAT(a.log.lines(), ::testing::Contains(HasSubstr("node.beat")));
}

TEST_F(NodesTest, TellOfTheirSessions) {
  Machine a(loop_, backend_, "node_a"), b(loop_, backend_, "node_b");
  a.nodes->start("http://a:1");
  b.nodes->start("http://b:2");
  pass(seconds(2));
  a.add("s1");
  Context ctx = loop_.context();
  EXPECT_TRUE(loop_.run(a.nodes->told(ctx, "s1")));
  const auto session = find(b, "s1");
  ASSERT_TRUE(session && session->node);
  EXPECT_EQ(session->node->url, "http://a:1");
  EXPECT_FALSE(find(a, "s1")) << "one's own is not elsewhere";
  EXPECT_FALSE(find(b, "unknown"));
  a.end("s1");
  settle();
  EXPECT_EQ(status(b, "s1"), "COMPLETED");
  EXPECT_EQ(loop_.run(b.nodes->sessions(ctx)).value().size(), 1u);
  EXPECT_THAT(loop_.run(a.nodes->sessions(ctx)).value(), IsEmpty());
}

TEST_F(NodesTest, AChangeThatNobodyTellsOfIsSeenLater) {
  Machine a(loop_, backend_, "node_a"), b(loop_, backend_, "node_b");
  a.nodes->start("http://a:1");
  b.nodes->start("http://b:2");
  a.add("s1");
  pass(seconds(2));
  a.there["s1"].run_id = "run_1";
  pass(seconds(2));
  EXPECT_EQ(find_string(find(b, "s1")->shown, "runId"), "run_1");
}

TEST_F(NodesTest, AnAnswerThatWasLostIsNoConflict) {
  Machine a(loop_, backend_, "node_a"), b(loop_, backend_, "node_b");
  a.nodes->start("http://a:1");
  b.nodes->start("http://b:2");
  a.add("s1");
  pass(seconds(2));
  int lost = 0;
  backend_.after_put = [&lost](const tasks::Document&) -> Result<void> {
    if (++lost > 3) return {};
    return fail(Errc::timeout, "the answer was lost");
  };
  a.end("s1");
  pass(seconds(6));
  EXPECT_GT(lost, 3);
  EXPECT_EQ(status(b, "s1"), "COMPLETED");
  EXPECT_EQ(b.nodes->others().size(), 1u);
}

TEST_F(NodesTest, OneThatStoodStillComesBackWithItsSessions) {
  Machine a(loop_, backend_, "node_a"), b(loop_, backend_, "node_b");
  a.nodes->start("http://a:1");
  b.nodes->start("http://b:2");
  a.add("s1");
  pass(seconds(2));
  Context ctx = loop_.context();
  ASSERT_TRUE(loop_.run(backend_.erase(ctx, "node", "node_a")));
  ASSERT_TRUE(loop_.run(backend_.erase(ctx, "session", "s1")));
  pass(seconds(4));
  EXPECT_EQ(b.nodes->others().size(), 1u);
  EXPECT_EQ(status(b, "s1"), "RUNNING");
}

TEST_F(NodesTest, OnlySoManyEndedSessionsAreKept) {
  Machine a(loop_, backend_, "node_a", 2);
  a.nodes->start("http://a:1");
  for (const char* id : {"s1", "s2", "s3"}) {
    a.add(id);
    settle();
    a.end(id);
    settle();
  }
  EXPECT_EQ(backend_.count("session"), 2u);
}

TEST_F(NodesTest, WhatAGoneNodeHadIsForgottenAfterADay) {
  Machine a(loop_, backend_, "node_a");
  const std::string now = std::to_string(loop_.now_ms());
  Context ctx = loop_.context();
  for (const char* node : {"node_a", "node_gone"}) {
    tasks::Document session{.kind = "session",
                            .id = std::string("of_") + node,
                            .text = R"({"v":1,"node":")" + std::string(node) + R"(","told_ms":)" +
                                    now + R"(,"session":{}})"};
    ASSERT_TRUE(loop_.run(backend_.put(ctx, session)));
  }
  a.nodes->start("http://a:1");
  loop_.clock.advance(std::chrono::hours(23));
  settle();
  EXPECT_EQ(backend_.count("session"), 2u);
  loop_.clock.advance(std::chrono::hours(2));
  settle();
  EXPECT_EQ(backend_.count("session"), 1u);
}

TEST_F(NodesTest, AreKnownByATokenForEachAlone) {
  Machine a(loop_, backend_, "node_a"), b(loop_, backend_, "node_b");
  const std::string header(Nodes::kHeader);
  net::HttpRequest request;
  EXPECT_FALSE(a.nodes->is_from_node(request).value());
  request.headers = {{header, b.nodes->token_for("node_a")}};
  EXPECT_TRUE(a.nodes->is_from_node(request).value());
  EXPECT_EQ(b.nodes->is_from_node(request).error().code, Errc::unavailable);
  request.headers = {{header, "guessed"}};
  EXPECT_FALSE(a.nodes->is_from_node(request));
  EXPECT_NE(a.nodes->secret_for("connect"), a.nodes->token_for("connect"));
}

std::string asked_for(std::string method, const std::string& target,
                      std::vector<std::pair<std::string, std::string>> query = {}) {
  net::HttpRequest request{.method = std::move(method), .target = target};
  request.query = std::move(query);
  return session_asked_for(find_route(request.method, target), request);
}

TEST(NodeRoutes, KnowWhichSessionARequestIsAbout) {
  EXPECT_EQ(asked_for("GET", "/v1/sessions/s1"), "s1");
  EXPECT_EQ(asked_for("POST", "/v1/sessions/s1"), "s1");
  EXPECT_EQ(asked_for("GET", "/v1/sessions/s1/recording/downloads"), "s1");
  EXPECT_EQ(asked_for("POST", "/v1/sessions/s1/uploads"), "s1");
  EXPECT_EQ(asked_for("GET", "/live/pages/s1/tab"), "s1");
  EXPECT_EQ(asked_for("GET", "/live/assets/live.js"), "");
  EXPECT_EQ(asked_for("GET", "/v1/downloads?sessionId=s1", {{"sessionId", "s1"}}), "s1");
  EXPECT_EQ(asked_for("GET", "/v1/sessions"), "");
  EXPECT_EQ(asked_for("GET", "/v1/runs/s1"), "");
  EXPECT_TRUE(may_be_anothers(*find_route("GET", "/v1/downloads/f1").operation));
  EXPECT_TRUE(may_be_anothers(*find_route("DELETE", "/v1/contexts/c1").operation));
  EXPECT_TRUE(may_be_anothers(*find_route("POST", "/v1/sessions").operation));
  EXPECT_FALSE(may_be_anothers(*find_route("GET", "/v1/downloads").operation));
  EXPECT_FALSE(may_be_anothers(*find_route("GET", "/v1/tasks/t1").operation));
}

TEST(NodeRoutes, AWorkerAnswersProbesOnly) {
  for (const char* path : {"/health", "/livez", "/readyz", "/version"})
    EXPECT_TRUE(is_for_probes(find_route("GET", path).operation)) << path;
  for (const char* path : {"/v1/runs", "/openapi.json", "/live/sessions/s1", "/nowhere"})
    EXPECT_FALSE(is_for_probes(find_route("GET", path).operation)) << path;
}

TEST(NodeRoutes, ASessionThatEndedWithItsNodeIsShownAndElseGone) {
  RemoteSession session{.node_id = "node_a", .shown = {{"id", "s1"}, {"status", "ERROR"}}};
  const auto answer = [&](const char* method, const char* path) {
    return gone_answer(*find_route(method, path).operation, session);
  };
  EXPECT_THAT(answer("GET", "/v1/sessions/s1")->body, HasSubstr("ERROR"));
  EXPECT_EQ(answer("POST", "/v1/sessions/s1")->status, 200);
  EXPECT_EQ(answer("DELETE", "/v1/sessions/s1")->status, 204);
  EXPECT_EQ(answer("GET", "/v1/sessions/s1/debug").error().code, Errc::gone);
}

TEST(NodeRoutes, AddressesOfNodes) {
  EXPECT_TRUE(check_node_url("http://10.0.0.7:8000"));
  EXPECT_TRUE(check_node_url("https://node.example/"));
  for (const char* url : {"10.0.0.7:8000", "ws://a", "http://a/path", "http://user:word@a"})
    EXPECT_FALSE(check_node_url(url)) << url;
  EXPECT_EQ(default_node_url("127.0.0.1", 80), "http://127.0.0.1:80");
  EXPECT_EQ(default_node_url("::1", 80), "http://[::1]:80");
  EXPECT_EQ(default_node_url("0.0.0.0", 80).find("0.0.0.0"), std::string::npos);
}

TEST(NodeRoutes, TheClientsHostTakesThePlaceOfTheNodes) {
  net::HttpRequest request;
  request.headers = {{"host", "10.0.0.7:8000"}, {"x-troupe-host", "shop.example"}};
  take_client_host(request);
  EXPECT_EQ(request.header("host"), "shop.example");
}

TEST(NodeEvents, AreTakenAsTheyWereSent) {
  std::vector<std::string> taken;
  const auto take = [&taken](std::string type, const Ids& ids, json::object data) {
    taken.push_back(type + " " + ids.run + " " + ids.task + " " + std::to_string(ids.attempt) +
                    " " + json::serialize(data));
  };
  const observe::EventRecord event{.number = 7,
                                   .time = {},
                                   .type = "task.ended",
                                   .ids = {.run = "run_1", .task = "task_1", .attempt = 2},
                                   .data = {{"index", 3}}};
  json::array sent{observe::to_json(event)};
  EXPECT_TRUE(take_node_events(json::serialize(sent), take));
  EXPECT_THAT(taken, ElementsAre(R"(task.ended run_1 task_1 2 {"index":3})"));
  for (const char* wrong : {"", "{}", "[1]", R"([{"type":"task.ended"}])"})
    EXPECT_FALSE(take_node_events(wrong, take)) << wrong;
}

}  // namespace
}  // namespace troupe::api
