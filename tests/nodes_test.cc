// Several nodes on one Redis: whichever is asked answers for all of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <thread>

#include "net/websocket.h"
#include "node.h"
#include "witness.h"

namespace troupe::e2e {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

#define NEEDS_REDIS() \
  if (!net::has_redis_server()) GTEST_SKIP() << "no redis-server"

// One DevTools command through a connect URL: the answer, or why there is none.
std::string ask_browser(const std::string& url, const std::string& command) {
  asio::io_context io;
  const auto clock = make_real_clock(io.get_executor());
  Context ctx = Context(*clock, io.get_executor()).with_timeout(seconds(20), "browser of a test");
  struct Talk {
    static asio::awaitable<void> talk(Context& ctx, std::string url, std::string command,
                                      std::string& answer) {
      net::WebSocketConnectOptions options;
      auto socket = co_await net::connect_websocket(ctx, std::move(url), std::move(options));
      if (!socket) {
        answer = socket.error().message;
        co_return;
      }
      (*socket)->queue(net::Opcode::text, command);
      (*socket)->send_queued();
      const auto message = co_await (*socket)->read(ctx, 1 << 20);
      answer = message ? message->data : message.error().message;
      (*socket)->close(1000, {});
      (void)co_await (*socket)->ended(ctx);
    }
  };
  std::string answer;
  asio::co_spawn(io, Talk::talk(ctx, url, command, answer), [&](std::exception_ptr) { io.stop(); });
  io.run();
  return answer;
}

json::object shown(const Service& node, const std::string& session) {
  const auto reply = node.get("/v1/sessions/" + session);
  EXPECT_EQ(reply.status, 200) << reply.body;
  const json::value value = parsed(reply.body);
  return value.is_object() ? value.get_object() : json::object();
}

bool lists(const Service& node, const std::string& session, const std::string& query = "") {
  const json::value list = parsed(node.get("/v1/sessions" + query).body);
  return list.is_array() && std::ranges::count_if(list.get_array(), [&](const json::value& row) {
                              return row.at("id").as_string() == session;
                            }) == 1;
}

TEST(Nodes, AnyOfThemAnswersForASession) {
  NEEDS_REDIS();
  Installation installation({{"TROUPE_API_KEYS", "me:secret-of-the-test"}});
  const net::Headers key{{"x-api-key", "secret-of-the-test"}};
  const auto owner = installation.node("a");
  const auto other = installation.node("b");
  const auto made =
      owner->post("/v1/sessions", R"({"keepAlive": true, "userMetadata": {"order": "17"}})", key);
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string id(parsed(made.body).at("id").as_string());

  EXPECT_EQ(other->get("/v1/sessions/" + id).status, 401);
  const auto reply = other->get("/v1/sessions/" + id, key);
  ASSERT_EQ(reply.status, 200) << reply.body;
  const json::value session = parsed(reply.body);
  EXPECT_EQ(session.at("id").as_string(), id);
  EXPECT_EQ(session.at("status"), "RUNNING");
  // The address is that of the node that was asked.
  const std::string url(session.at("connectUrl").as_string());
  EXPECT_THAT(url, HasSubstr("ws" + other->url().substr(4) + "/"));
  EXPECT_THAT(ask_browser(url, R"({"id": 1, "method": "Browser.getVersion"})"),
              HasSubstr("protocolVersion"));
  const std::string by_key = "ws" + other->url().substr(4) + "/?sessionId=" + id;
  EXPECT_THAT(ask_browser(by_key + "&apiKey=secret-of-the-test",
                          R"({"id": 2, "method": "Browser.getVersion"})"),
              HasSubstr(R"("id":2)"));
  EXPECT_THAT(ask_browser(by_key + "&apiKey=another-secret", "{}"), HasSubstr("HTTP 401"));

  const auto debug = other->get("/v1/sessions/" + id + "/debug", key);
  EXPECT_EQ(debug.status, 200) << debug.body;
  EXPECT_EQ(other->get("/v1/sessions/" + id + "/logs", key).status, 200);
  EXPECT_EQ(other->get("/v1/sessions/" + id + "/downloads", key).status, 200);
  EXPECT_EQ(other->get("/v1/sessions/00000000-0000-4000-8000-000000000000", key).status, 404);
  const auto list =
      other->get("/v1/sessions?status=RUNNING&q=user_metadata%5B'order'%5D:'17'", key);
  EXPECT_THAT(list.body, HasSubstr(id));

  const auto released = other->post("/v1/sessions/" + id, R"({"status": "REQUEST_RELEASE"})", key);
  EXPECT_EQ(released.status, 200) << released.body;
  EXPECT_EQ(parsed(owner->get("/v1/sessions/" + id, key).body).at("status"), "COMPLETED");
  EXPECT_EQ(other->get("/v1/sessions/" + id + "/debug", key).status, 410);
}

TEST(Nodes, ASessionBeginsWhereItsContextIs) {
  NEEDS_REDIS();
  Installation installation;
  const auto owner = installation.node("a");
  const auto other = installation.node("b");
  const auto made = owner->post("/v1/contexts", "{}");
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string context(parsed(made.body).at("id").as_string());
  EXPECT_EQ(other->get("/v1/contexts/" + context).status, 200);
  const auto session =
      other->post("/v1/sessions", R"({"keepAlive": true, "browserSettings": {"context": {"id": ")" +
                                      context + R"("}}})");
  ASSERT_EQ(session.status, 201) << session.body;
  const json::value given = parsed(session.body);
  EXPECT_THAT(std::string(given.at("connectUrl").as_string()),
              HasSubstr("ws" + other->url().substr(4)));
  const std::string id(given.at("id").as_string());
  EXPECT_EQ(shown(*other, id).at("contextId").as_string(), context);
  const auto none = other->post(
      "/v1/sessions",
      R"({"browserSettings": {"context": {"id": "00000000-0000-4000-8000-000000000000"}}})");
  EXPECT_EQ(none.status, 404) << none.body;
  EXPECT_EQ(other->erase("/v1/sessions/" + id).status, 204);
  EXPECT_EQ(other->erase("/v1/contexts/" + context).status, 204);
  EXPECT_EQ(owner->get("/v1/contexts/" + context).status, 404);
}

TEST(Nodes, NobodyButANodeIsTakenForOne) {
  NEEDS_REDIS();
  Installation installation({{"TROUPE_API_KEYS", "me:secret-of-the-test"}});
  const auto node = installation.node("a", "worker");
  for (const char* path : {"/v1/sessions", "/nodes/events", "/v1/runs"}) {
    EXPECT_EQ(node->get(path, {{"x-troupe-node", "0123456789abcdef"}}).status, 421) << path;
    EXPECT_EQ(node->get(path, {{"x-api-key", "secret-of-the-test"}}).status, 404) << path;
  }
  EXPECT_EQ(node->get("/livez").status, 200);
  EXPECT_EQ(node->get("/readyz").status, 200);
}

TEST(Nodes, ASessionEndsWithItsNodeAndTheOthersSaySo) {
  NEEDS_REDIS();
  Installation installation;
  auto owner = installation.node("a");
  const auto other = installation.node("b");
  const auto made = owner->post("/v1/sessions", R"({"keepAlive": true})");
  ASSERT_EQ(made.status, 201) << made.body;
  const std::string id(parsed(made.body).at("id").as_string());
  const std::string url(shown(*other, id).at("connectUrl").as_string());
  owner->binary().signal(SIGKILL);
  (void)owner->binary().wait();
  EXPECT_TRUE(Binary::until(seconds(10), [&] {
    const auto reply = other->get("/v1/sessions/" + id);
    return reply.status == 200 && parsed(reply.body).at("status") == "ERROR";
  })) << other->get("/v1/sessions/" + id).body;
  EXPECT_EQ(shown(*other, id).at("endReason"), "connection_lost");
  EXPECT_EQ(other->get("/v1/sessions/" + id + "/debug").status, 410);
  EXPECT_THAT(ask_browser(url, "{}"), HasSubstr("HTTP 410"));
  EXPECT_TRUE(lists(*other, id, "?status=ERROR"));
  EXPECT_FALSE(lists(*other, id, "?status=RUNNING"));
  EXPECT_EQ(other->post("/v1/sessions/" + id, R"({"status": "REQUEST_RELEASE"})").status, 200);
  // The same machine, started again, is another node: it says the same.
  const auto again = installation.node("a");
  EXPECT_TRUE(Binary::until(seconds(10), [&] {
    const auto reply = again->get("/v1/sessions/" + id);
    return reply.status == 200 && parsed(reply.body).at("status") == "ERROR";
  }));
}

TEST(Nodes, ARunIsTheSameWhicheverNodeIsAsked) {
  NEEDS_REDIS();
  Installation installation;
  Witness witness;
  const auto front = installation.node("api", "api");
  const auto worker = installation.node("worker", "worker");
  const auto third = installation.node("third", "api");
  const std::string id = front->start(paced_run(witness.url(), 3, "300ms", 2));
  // Events of the tasks, which are performed elsewhere, up to the end; from a node that neither
  // accepted the run nor works on it.
  const auto events = third->get("/v1/runs/" + id + "/events");
  EXPECT_EQ(events.status, 200) << events.body;
  for (const char* type : {"run.created", "run.started", "task.started", "step.ended",
                           "session.created", "task.ended", "run.ended"})
    EXPECT_THAT(events.body, HasSubstr("event: " + std::string(type) + "\n"));
  for (const auto* node : {front.get(), third.get()}) {
    const json::value run = node->ended(id);
    EXPECT_EQ(run.at("state"), "succeeded") << run;
    EXPECT_EQ(run.at("tasks").as_array().size(), 3u);
    for (const json::value& task : run.at("tasks").as_array())
      EXPECT_EQ(task.at("output"), "done") << run;
  }
  const json::value run = front->run(id);
  const std::string session(run.at("tasks").at(0).at("session_id").as_string());
  EXPECT_EQ(shown(*front, session).at("id").as_string(), session);
}

TEST(Nodes, ARunningTaskIsCancelledFromAnother) {
  NEEDS_REDIS();
  Installation installation;
  Witness witness;
  const auto front = installation.node("api", "api");
  const auto worker = installation.node("worker", "worker");
  const auto third = installation.node("third", "api");
  const std::string first = front->start(paced_run(witness.url(), 1, "60s", 1));
  const std::string second = front->start(paced_run(witness.url(), 1, "60s", 1));
  ASSERT_TRUE(Binary::until(seconds(20), [&] { return witness.seen()["/begin?t0"] == 2; }));
  EXPECT_EQ(parsed(third->get("/v1/runs/" + second).body).at("tasks").at(0).at("state"), "running");
  EXPECT_EQ(third->post("/v1/runs/" + first + "/cancel", "").status, 202);
  const auto listed = parsed(third->get("/v1/tasks?run_id=" + second).body);
  const std::string task(listed.at("data").at(0).at("task_id").as_string());
  EXPECT_EQ(third->post("/v1/tasks/" + task + "/cancel", "").status, 202);
  for (const std::string& id : {first, second}) {
    EXPECT_EQ(front->ended(id).at("state"), "cancelled");
    EXPECT_EQ(third->ended(id).at("state"), "cancelled");
  }
  // Begun anew by the one, performed by the other, known to the third.
  EXPECT_EQ(third->post("/v1/tasks/" + task + "/replay", "").status, 202);
  EXPECT_TRUE(Binary::until(seconds(20), [&] { return witness.seen()["/begin?t0"] == 3; }));
  EXPECT_TRUE(Binary::until(seconds(10), [&] {
    return front->run(second).at("state") == "running";
  })) << front->run(second);
}

TEST(Nodes, LimitsKeysAndSchedulesHoldOverAllOfThem) {
  NEEDS_REDIS();
  Installation installation;
  Witness witness;
  std::vector<std::unique_ptr<Service>> nodes;
  for (const char* name : {"a", "b", "c"}) nodes.push_back(installation.node(name));

  // The same key at each of them, at the same time: one run.
  json::object once = paced_run(witness.url(), 1, "1ms", 1);
  std::vector<std::thread> callers;
  std::array<std::string, 3> ids;
  for (std::size_t i = 0; i < ids.size(); ++i)
    callers.emplace_back([&, i] {
      const auto reply =
          nodes[i]->post("/v1/runs", json::serialize(once), {{"idempotency-key", "only-one"}});
      const auto run = parse_json(reply.body, "run");
      ids[i] = run && run->is_object() && run->get_object().contains("run_id")
                   ? std::string(run->at("run_id").as_string())
                   : reply.body;
    });
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_EQ(ids[0], ids[2]);
  EXPECT_EQ(nodes[1]->ended(ids[0]).at("state"), "succeeded");
  EXPECT_EQ(witness.seen()["/begin?t0"], 1);

  // A schedule of each second, known to all.
  const json::object schedule{{"name", "tick"},
                              {"every_ms", 1'000},
                              {"overlap", "allow"},
                              {"run", paced_run(witness.url() + "/tick", 1, "1ms", 1)}};
  const auto scheduled = nodes[0]->post("/v1/schedules", json::serialize(schedule));
  ASSERT_EQ(scheduled.status, 201) << scheduled.body;
  const auto began = std::chrono::steady_clock::now();

  // Two at once, although three nodes have room for many more.
  json::object limited = paced_run(witness.url() + "/limited", 8, "400ms", 8);
  limited["concurrency_key"] = "shop";
  limited["concurrency_limit"] = 2;
  const std::string run = nodes[2]->start(limited);
  EXPECT_EQ(nodes[0]->ended(run, seconds(60)).at("state"), "succeeded");
  int now = 0, most = 0;
  for (const auto& visit : witness.visits()) {
    if (!visit.path.starts_with("/limited")) continue;
    now += visit.path.starts_with("/limited/begin") ? 1 : -1;
    most = std::max(most, now);
  }
  EXPECT_EQ(now, 0);
  EXPECT_EQ(most, 2);

  const auto took = std::chrono::steady_clock::now() - began;
  const std::string id(parsed(scheduled.body).at("id").as_string());
  EXPECT_EQ(nodes[1]->erase("/v1/schedules/" + id).status, 204);
  const auto turns = std::chrono::duration_cast<seconds>(took).count();
  const int ticks = witness.seen()["/tick/begin?t0"];
  EXPECT_LE(ticks, turns + 1);
  EXPECT_GE(ticks, 1);
}

}  // namespace
}  // namespace troupe::e2e
