#include <gmock/gmock.h>

#include "api/testing.h"

namespace troupe::api {
namespace {

using testing::_;
using testing::ByMove;
using testing::HasSubstr;
using testing::Return;
using testing::SaveArg;

RunResult sample(RunState state = RunState::running, std::string id = "run_1") {
  RunResult run;
  run.run_id = std::move(id);
  run.workflow = "titles";
  run.state = state;
  run.sessions = 2;
  run.tasks.push_back({.task_id = "task_1",
                       .index = 0,
                       .state = TaskState::succeeded,
                       .output = json::object{{"title", "A"}}});
  TaskResult failed{.task_id = "task_2", .index = 1, .state = TaskState::failed};
  failed.error = fail(Errc::page_crashed, "page: crashed");
  run.tasks.push_back(std::move(failed));
  return run;
}

using RunsTest = ApiTest;

TEST_F(RunsTest, CreateTakesEveryFieldAndAnswers202WithItsPlace) {
  RunRequest request;
  EXPECT_CALL(runs_, submit).WillOnce([&](RunRequest given) {
    request = std::move(given);
    return Result<std::string>("run_1");
  });
  EXPECT_CALL(runs_, find("run_1")).WillOnce(Return(sample()));
  start();

  const auto reply =
      send("POST", "/v1/runs", R"({"workflow": "titles", "site": "demo", "sessions": 5,
      "inputs": {"a": 1}, "items": [{"b": 2}, {"b": 3}], "isolation": "process", "provider": "local",
      "interactor": "native", "task_timeout_ms": 1000, "timeout_ms": 60000, "attempts": 3,
      "tenant": "acme", "project": "p", "user_context": {"who": "me"},
      "site_overrides": {"base_url": "http://127.0.0.1:9"}})");

  EXPECT_EQ(reply.status, 202) << reply.body;
  EXPECT_EQ(reply.header("location"), "/v1/runs/run_1");
  EXPECT_EQ(body_of(reply).at("run_id"), "run_1");
  EXPECT_EQ(request.workflow.name(), "titles");
  EXPECT_EQ(request.site, "demo");
  EXPECT_EQ(request.sessions, 5);
  EXPECT_EQ(request.inputs.at("a"), 1);
  EXPECT_EQ(request.items.size(), 2u);
  EXPECT_EQ(request.isolation, Isolation::process);
  EXPECT_EQ(request.provider, "local");
  EXPECT_EQ(request.interactor, "native");
  EXPECT_EQ(request.task_timeout, std::chrono::seconds(1));
  EXPECT_EQ(request.timeout, std::chrono::minutes(1));
  EXPECT_EQ(request.attempts, 3);
  EXPECT_EQ(request.tenant, "acme");
  EXPECT_EQ(request.project, "p");
  EXPECT_EQ(request.user_context.at("who"), "me");
  EXPECT_EQ(request.site_overrides.at("base_url"), "http://127.0.0.1:9");
}

TEST_F(RunsTest, CreateTakesADefinitionInline) {
  EXPECT_CALL(library_, parse).WillOnce([](const json::object& document) {
    EXPECT_EQ(document.at("name"), "mine");
    return Result<Workflow>(Workflow("mine"));
  });
  EXPECT_CALL(runs_, submit).WillOnce(Return("run_1"));
  EXPECT_CALL(runs_, find).WillOnce(Return(sample()));
  start();

  EXPECT_EQ(send("POST", "/v1/runs", R"({"workflow": {"name": "mine"}})").status, 202);
}

TEST_F(RunsTest, CreateWaitsForTheEndWhenAsked) {
  EXPECT_CALL(runs_, submit).WillOnce(Return("run_1"));
  EXPECT_CALL(runs_, wait(_, "run_1"))
      .WillOnce(Return(ByMove(ready_run(sample(RunState::partial)))));
  EXPECT_CALL(runs_, find).WillOnce(Return(sample(RunState::partial)));
  start();

  const auto reply = send("POST", "/v1/runs", R"({"workflow": "titles", "wait_ms": 1000})");

  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(body_of(reply).at("state"), "partial");
}

struct Refused {
  const char* name;
  const char* body;
  const char* says;
};
class RefusedRuns : public ApiTest, public testing::WithParamInterface<Refused> {};

TEST_P(RefusedRuns, SayWhatIsWrong) {
  EXPECT_CALL(runs_, submit).Times(0);
  start();

  const auto reply = send("POST", "/v1/runs", GetParam().body);

  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedRuns,
    testing::Values(
        Refused{"empty", "", "workflow: is missing"},
        Refused{"no_json", "{\"workflow\":", "not valid JSON at offset"},
        Refused{"array", "[]", "is array, not an object"},
        Refused{"typing_error", R"({"workflow": "x", "sesions": 2})", "did you mean 'sessions'?"},
        Refused{"wrong_type", R"({"workflow": "x", "sessions": "two"})",
                "sessions: is string, not an integer"},
        Refused{"fraction", R"({"workflow": "x", "sessions": 1.5})", "not an integer"},
        Refused{"attempts", R"({"workflow": "x", "attempts": 101})",
                "attempts: 101 is not in 1..100"},
        Refused{"isolation", R"({"workflow": "x", "isolation": "none"})",
                "isolation: 'none' is not one of context, reuse, process"},
        Refused{"items", R"({"workflow": "x", "items": [1]})", "not an array of objects"},
        Refused{"path", R"({"workflow": "../../etc/passwd"})", "is not a name"},
        Refused{"file", R"({"workflow": "secret.yaml"})", "is not a name"},
        Refused{"site_path", R"({"workflow": "x", "site": "/etc/passwd"})", "is not a name"}),
    [](const auto& row) { return row.param.name; });

TEST_F(RunsTest, DeepBodiesAreRefused) {
  start();

  const auto reply = send("POST", "/v1/runs", std::string(100'000, '['));

  EXPECT_EQ(reply.status, 400);
}

TEST_F(RunsTest, TheEnginesRefusalKeepsItsCodeAndHint) {
  EXPECT_CALL(runs_, submit)
      .WillOnce(Return(fail(Errc::draining, "service: is shutting down", {}, "ask another one")));
  start();

  const auto reply = send("POST", "/v1/runs", R"({"workflow": "titles"})");

  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.header("retry-after"), "1");
  EXPECT_EQ(body_of(reply).at("code"), "draining");
  EXPECT_EQ(body_of(reply).at("hint"), "ask another one");
}

TEST_F(RunsTest, ListGivesPagesWithoutTasks) {
  EXPECT_CALL(runs_, list).WillRepeatedly([](const std::string& cursor, int limit) {
    std::vector all{sample(RunState::running, "c"), sample(RunState::failed, "b"),
                    sample(RunState::running, "a")};
    if (!cursor.empty()) std::erase_if(all, [&](const auto& r) { return r.run_id >= cursor; });
    if (all.size() > static_cast<std::size_t>(limit)) all.resize(static_cast<std::size_t>(limit));
    return all;
  });
  start();

  const auto first = body_of(get("/v1/runs?limit=2"));
  const auto second = body_of(get("/v1/runs?limit=2&cursor=b"));
  const auto failed = body_of(get("/v1/runs?state=failed"));

  EXPECT_EQ(first.at("data").as_array().size(), 2u);
  EXPECT_EQ(first.at("data").at(0).at("run_id"), "c");
  EXPECT_FALSE(first.at("data").at(0).as_object().contains("tasks"));
  EXPECT_EQ(first.at("next_cursor"), "b");
  EXPECT_EQ(second.at("data").at(0).at("run_id"), "a");
  EXPECT_TRUE(second.at("next_cursor").is_null());
  EXPECT_EQ(failed.at("data").as_array().size(), 1u);
}

TEST_F(RunsTest, ListRefusesWrongQueries) {
  start();

  EXPECT_EQ(get("/v1/runs?limit=0").status, 400);
  EXPECT_EQ(get("/v1/runs?limit=ten").status, 400);
  EXPECT_EQ(get("/v1/runs?state=asleep").status, 400);
}

TEST_F(RunsTest, GetGivesTheRunOr404) {
  EXPECT_CALL(runs_, find("run_1")).WillOnce(Return(sample()));
  EXPECT_CALL(runs_, find("run_2")).WillOnce(Return(fail(Errc::not_found, "run run_2: not known")));
  start();

  EXPECT_EQ(body_of(get("/v1/runs/run_1")).at("tasks").as_array().size(), 2u);
  EXPECT_EQ(get("/v1/runs/run_2").status, 404);
}

TEST_F(RunsTest, CancelAnswers202Or409) {
  EXPECT_CALL(runs_, cancel("run_1", _)).WillOnce(Return(Result<void>()));
  EXPECT_CALL(runs_, cancel("run_2", _))
      .WillOnce(Return(fail(Errc::conflict, "run run_2: has ended")));
  EXPECT_CALL(runs_, find).WillRepeatedly(Return(sample()));
  start();

  EXPECT_EQ(send("POST", "/v1/runs/run_1/cancel").status, 202);
  EXPECT_EQ(send("POST", "/v1/runs/run_2/cancel").status, 409);
}

TEST_F(RunsTest, ResultsAreRefusedWhileRunningUnlessPartial) {
  EXPECT_CALL(runs_, find).WillRepeatedly(Return(sample(RunState::running)));
  start();

  const auto refused = get("/v1/runs/run_1/results");
  const auto partial = get("/v1/runs/run_1/results?partial=true");

  EXPECT_EQ(refused.status, 409);
  EXPECT_THAT(refused.body, HasSubstr("partial=true"));
  EXPECT_EQ(partial.status, 200);
}

TEST_F(RunsTest, ResultsHaveOutputsAndErrors) {
  EXPECT_CALL(runs_, find).WillRepeatedly(Return(sample(RunState::partial)));
  start();

  const auto results = body_of(get("/v1/runs/run_1/results"));
  const auto lines = get("/v1/runs/run_1/results", {{"Accept", "application/x-ndjson"}});

  EXPECT_EQ(results.at("outputs").at(0).at("title"), "A");
  EXPECT_EQ(results.at("errors").at(0).at("error").at("code"), "page_crashed");
  EXPECT_EQ(lines.header("content-type"), "application/x-ndjson");
  EXPECT_EQ(std::ranges::count(lines.body, '\n'), 2);
  EXPECT_EQ(json::parse(lines.body.substr(0, lines.body.find('\n'))).at("output").at("title"), "A");
}

// Gives the events it was made with, then ends as the bus does.
class ScriptedEvents : public EventSource {
 public:
  explicit ScriptedEvents(std::vector<std::string> types, std::uint64_t number)
      : types_(types.begin(), types.end()), number_(number) {}
  Async<observe::EventRecord> next(Context&) override {
    if (types_.empty()) co_return fail(Errc::gone, "the run has ended");
    observe::EventRecord event;
    event.number = ++number_;
    event.type = types_.front();
    types_.pop_front();
    co_return event;
  }
  std::uint64_t dropped() const override { return types_.empty() ? 3 : 0; }

 private:
  std::deque<std::string> types_;
  std::uint64_t number_;
};

TEST_F(RunsTest, EventsAreStreamedUpToTheEnd) {
  EXPECT_CALL(runs_, find).WillRepeatedly(Return(sample()));
  EXPECT_CALL(runs_, events("run_1", 0)).WillOnce([](const std::string&, std::uint64_t after) {
    const std::vector<std::string> types = {"task.started", "run.ended"};
    return std::make_unique<ScriptedEvents>(types, after);
  });
  start();

  const auto reply = get("/v1/runs/run_1/events");

  EXPECT_EQ(reply.header("content-type"), "text/event-stream");
  EXPECT_THAT(reply.body, HasSubstr("id: 1\nevent: task.started\ndata: {"));
  EXPECT_THAT(reply.body,
              HasSubstr("event: dropped\ndata: {\"count\":3}\n\nid: 2\nevent: run.ended\n"));
  EXPECT_TRUE(reply.body.ends_with("}\n\n"));
}

TEST_F(RunsTest, EventsResumeWhereTheClientWas) {
  EXPECT_CALL(runs_, find).WillRepeatedly(Return(sample()));
  std::vector<std::uint64_t> begun;
  EXPECT_CALL(runs_, events).WillRepeatedly([&](const std::string&, std::uint64_t after) {
    begun.push_back(after);
    return std::make_unique<ScriptedEvents>(std::vector<std::string>{}, after);
  });
  start();

  get("/v1/runs/run_1/events", {{"Last-Event-ID", "41"}});
  get("/v1/runs/run_1/events?after=7", {{"Last-Event-ID", "41"}});

  EXPECT_THAT(begun, testing::ElementsAre(41, 7));
}

TEST_F(RunsTest, EventsOfAnUnknownRunAre404) {
  EXPECT_CALL(runs_, find).WillOnce(Return(fail(Errc::not_found, "run x: not known")));
  start();

  EXPECT_EQ(get("/v1/runs/x/events").status, 404);
}

// Never gives anything.
class SilentEvents : public EventSource {
 public:
  explicit SilentEvents(Event& asked) : asked_(asked) {}
  Async<observe::EventRecord> next(Context& ctx) override {
    asked_.set();
    const Result<void> waited = co_await never_.wait(ctx);
    co_return waited.error();
  }
  std::uint64_t dropped() const override { return 0; }

 private:
  Event& asked_;
  Event never_;
};

Async<std::string> stop_while_streaming(net::HttpClient& client, ApiServer& server, Event& asked,
                                        Context& ctx) {
  net::HttpCall call{.url = "http://127.0.0.1:" + std::to_string(server.port()) +
                            "/v1/runs/run_1/events"};
  Promise<std::string> body;
  auto fetch = [](net::HttpClient& c, Context& x, net::HttpCall request,
                  Promise<std::string>& into) -> asio::awaitable<void> {
    auto reply = co_await c.send(x, std::move(request));
    into.set(reply ? Result<std::string>(reply->body) : reply.error());
  };
  Scope scope(ctx.executor());
  scope.spawn("fetch", fetch(client, ctx, std::move(call), body));
  CO_TRY_VOID(co_await asked.wait(ctx));
  CO_TRY_VOID(co_await server.stop(ctx));
  auto text = co_await body.wait(ctx);
  CO_TRY_VOID(co_await scope.join(ctx));
  co_return text;
}

TEST_F(RunsTest, StopEndsEventStreams) {
  EXPECT_CALL(runs_, find).WillRepeatedly(Return(sample()));
  Event asked;
  EXPECT_CALL(runs_, events).WillOnce([&](const std::string&, std::uint64_t) {
    return std::make_unique<SilentEvents>(asked);
  });
  start();
  Context ctx = Context(*clock_, io_.get_executor()).with_timeout(std::chrono::seconds(5), "test");

  const auto body = run(stop_while_streaming(*client_, *server_, asked, ctx));

  ASSERT_TRUE(body) << body.error().describe();
  EXPECT_EQ(*body, "retry: 2000\n\n");
}

}  // namespace
}  // namespace troupe::api
