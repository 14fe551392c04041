// `troupe serve`: the REST API of the real binary with real browsers, and how it ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "service.h"

namespace troupe::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A workflow that stays on its page for a while.
json::object stay(const std::string& duration, int sessions = 1) {
  const json::object workflow{
      {"workflow", "stay"},
      {"steps",
       {{{"goto", "data:text/html,<p>here</p>"}}, {{"wait_for", {{"duration", duration}}}}}}};
  return {{"workflow", workflow}, {"sessions", sessions}};
}

struct SentEvent {
  std::uint64_t number = 0;
  std::string type;
};

std::vector<SentEvent> events_in(const std::string& stream) {
  std::vector<SentEvent> events;
  std::istringstream lines(stream);
  SentEvent event;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("id: ")) event.number = std::stoull(line.substr(4));
    if (line.starts_with("event: ")) event.type = line.substr(7);
    if (line.empty() && !event.type.empty()) events.push_back(std::exchange(event, {}));
  }
  return events;
}

// Whether the run comes so far that `count` sessions work for it.
bool goes_on(const Service& service, std::size_t count = 1) {
  return Binary::until(std::chrono::seconds(20), [&] {
    return parsed(service.get("/v1/sessions?status=RUNNING").body).as_array().size() >= count;
  });
}

// Processes of a group end a moment after its leader, whom Troupe waits for.
bool all_end(const std::set<pid_t>& groups, std::chrono::seconds limit = std::chrono::seconds(1)) {
  return Binary::until(limit, [&] { return processes_in(groups) == 0; });
}

TEST(Serve, TellsThatItIsWell) {
  const Scratch scratch;
  const Service service(scratch);

  const auto health = service.get("/health");
  EXPECT_EQ(health.status, 200);
  EXPECT_EQ(health.body, R"({"status":"healthy"})");
  EXPECT_EQ(service.get("/livez").status, 200);
  EXPECT_EQ(parsed(service.get("/version").body).at("name"), "troupe");

  EXPECT_TRUE(Binary::until(std::chrono::seconds(20),
                            [&] { return service.get("/readyz").status == 200; }));
  const json::value ready = parsed(service.get("/readyz?verbose").body);
  EXPECT_EQ(ready.at("status"), "ready");
  EXPECT_GE(ready.at("checks").as_array().size(), 2u);

  const json::value document = parsed(service.get("/openapi.json").body);
  EXPECT_TRUE(document.at("openapi").as_string().starts_with("3."));
  EXPECT_TRUE(document.at("paths").as_object().contains("/v1/runs/{id}/events"));
  EXPECT_THAT(service.get("/v1/workflows").body, HasSubstr("video_discovery"));
  EXPECT_THAT(service.get("/v1/sites").body, HasSubstr("youtube"));
}

TEST(Serve, IsNotReadyWithoutABrowser) {
  const Scratch scratch;
  const Service service(scratch, {}, {{"TROUPE_BROWSER", "/nowhere/chromium"}});

  const auto ready = service.get("/readyz");
  EXPECT_EQ(ready.status, 503) << ready.body;
  EXPECT_THAT(ready.body, HasSubstr("/nowhere/chromium"));
  EXPECT_EQ(service.get("/health").status, 200);
  const auto session = service.post("/v1/sessions", "{}");
  EXPECT_EQ(session.status, 503) << session.body;
  EXPECT_EQ(parsed(session.body).at("code"), "browser_missing");
}

TEST(Serve, RunsAWorkflowAndHandsOutItsResults) {
  const Scratch scratch;
  const DemoSite site(scratch);
  const Service service(scratch);

  const std::string id = service.start({{"workflow", "video_discovery"},
                                        {"site", "demo"},
                                        {"site_overrides", {{"base_url", site.url()}}},
                                        {"sessions", 2},
                                        {"inputs", {{"topics", {"space", "comedy"}}}}});
  const json::value run = service.ended(id);
  ASSERT_EQ(run.at("state"), "succeeded") << run;

  const json::value results = parsed(service.get("/v1/runs/" + id + "/results").body);
  EXPECT_EQ(results.at("succeeded"), 2);
  ASSERT_EQ(results.at("outputs").as_array().size(), 2u);
  const std::string url(results.at("outputs").at(0).at("videos").at(0).at("url").as_string());
  EXPECT_TRUE(url.starts_with(site.url())) << url;

  const auto lines =
      service.get("/v1/runs/" + id + "/results", {{"accept", "application/x-ndjson"}});
  EXPECT_EQ(lines.header("content-type"), "application/x-ndjson");
  EXPECT_EQ(std::ranges::count(lines.body, '\n'), 2);
  EXPECT_EQ(parsed(lines.body.substr(0, lines.body.find('\n'))).at("state"), "succeeded");

  const json::value list = parsed(service.get("/v1/runs?state=succeeded").body);
  EXPECT_EQ(list.at("data").at(0).at("run_id"), json::value(id));
}

TEST(Serve, StreamsTheEventsOfARunAndResumes) {
  const Scratch scratch;
  const Service service(scratch);
  const std::string id = service.start(stay("700ms", 2));

  // The stream ends by itself after run.ended, so the whole of it is one reply.
  const auto stream = service.get("/v1/runs/" + id + "/events");
  EXPECT_EQ(stream.status, 200);
  EXPECT_EQ(stream.header("content-type"), "text/event-stream");
  const auto all = events_in(stream.body);
  ASSERT_GE(all.size(), 6u) << stream.body;
  EXPECT_EQ(all.front().type, "run.created");
  EXPECT_EQ(all.back().type, "run.ended");
  EXPECT_TRUE(std::ranges::is_sorted(all, std::less<>(), &SentEvent::number));

  const SentEvent& seen = all[all.size() / 2];
  const auto rest = events_in(
      service.get("/v1/runs/" + id + "/events", {{"last-event-id", std::to_string(seen.number)}})
          .body);
  ASSERT_EQ(rest.size(), all.size() - all.size() / 2 - 1);
  EXPECT_GT(rest.front().number, seen.number);
  EXPECT_EQ(rest.back().type, "run.ended");
}

TEST(Serve, CancelsARun) {
  const Scratch scratch;
  const Service service(scratch);
  const std::string id = service.start(stay("60s", 2));
  ASSERT_TRUE(goes_on(service, 2)) << service.run(id);
  EXPECT_EQ(service.get("/v1/runs/" + id + "/results").status, 409);

  EXPECT_EQ(service.post("/v1/runs/" + id + "/cancel", "{}").status, 202);

  const json::value run = service.ended(id, std::chrono::seconds(10));
  EXPECT_EQ(run.at("state"), "cancelled") << run;
  EXPECT_EQ(run.at("tasks").at(0).at("error").at("code"), "cancelled");
  EXPECT_EQ(parsed(service.get("/v1/sessions?status=RUNNING").body).as_array().size(), 0u);
  EXPECT_EQ(service.post("/v1/runs/" + id + "/cancel", "{}").status, 409);
  EXPECT_EQ(service.get("/v1/runs/run_nosuch").status, 404);
}

TEST(Serve, SpeaksTheSessionsOfBrowserbase) {
  const Scratch scratch;
  const Service service(scratch);

  const auto created = service.post(
      "/v1/sessions", R"({"projectId":"p","timeout":60,"userMetadata":{"order":"17"}})");
  ASSERT_EQ(created.status, 201) << created.body;
  const json::value session = parsed(created.body);
  const std::string id(session.at("id").as_string());
  EXPECT_EQ(session.at("status"), "RUNNING");
  EXPECT_EQ(session.at("userMetadata").at("order"), "17");
  EXPECT_EQ(created.header("location"), "/v1/sessions/" + id);

  EXPECT_THAT(service.get("/v1/sessions?status=RUNNING").body, HasSubstr(id));
  const auto shown = service.get("/v1/sessions/" + id);
  EXPECT_EQ(parsed(shown.body).at("id"), json::value(id));
  EXPECT_TRUE(parsed(shown.body).as_object().contains("connectUrl"));

  for (int i = 0; i < 2; ++i) {  // the second release is harmless
    const auto released =
        service.post("/v1/sessions/" + id, R"({"status":"REQUEST_RELEASE","projectId":"p"})");
    EXPECT_EQ(released.status, 200) << released.body;
    EXPECT_EQ(parsed(released.body).at("status"), "COMPLETED");
  }
  EXPECT_THAT(service.get("/v1/sessions?status=RUNNING").body, Not(HasSubstr(id)));
  EXPECT_EQ(service.get("/v1/sessions/nosuch").status, 404);
  EXPECT_EQ(service.post("/v1/sessions", R"({"timeout":0})").status, 400);
  EXPECT_EQ(service.post("/v1/sessions", R"({"proxies":true})").status, 501);
}

TEST(Serve, AsksForItsKeys) {
  const Scratch scratch;
  Service service(scratch, {}, {{"TROUPE_API_KEYS", "ci:open-sesame-1"}});

  EXPECT_EQ(service.get("/health").status, 200);
  const auto none = service.get("/v1/runs");
  EXPECT_EQ(none.status, 401);
  EXPECT_EQ(parsed(none.body).at("code"), "unauthenticated");
  EXPECT_EQ(service.get("/v1/runs", {{"x-api-key", "open-sesame-2"}}).status, 401);
  EXPECT_EQ(service.get("/v1/runs", {{"authorization", "Bearer open-sesame-1"}}).status, 200);
  EXPECT_EQ(service.get("/v1/sessions", {{"x-bb-api-key", "open-sesame-1"}}).status, 200);

  Binary refused(scratch, {"sessions", "list", "--url", service.url()});
  EXPECT_EQ(refused.wait(), 2);
  EXPECT_THAT(refused.err(), HasSubstr("API key"));
  Binary allowed(scratch,
                 {"sessions", "list", "--url", service.url(), "--api-key", "open-sesame-1"});
  EXPECT_EQ(allowed.wait(), 0) << allowed.err();
  EXPECT_THAT(service.binary().err(), Not(HasSubstr("open-sesame")));
}

TEST(Serve, RefusesOtherSitesAndOpenAddressesWithoutKeys) {
  const Scratch scratch;
  const Service service(scratch);
  const auto foreign = service.get("/v1/runs", {{"origin", "https://evil.example"}});
  EXPECT_EQ(foreign.status, 403);
  EXPECT_EQ(parsed(foreign.body).at("code"), "permission_denied");

  const Scratch other;
  Service open(other, {"--host", "0.0.0.0"});
  const std::string port = open.url().substr(open.url().rfind(':'));
  const auto get = [&](const std::string& path) {
    return send(
        {.method = "GET", .url = "http://127.0.0.1" + port + path, .headers = {}, .body = {}});
  };
  EXPECT_EQ(get("/health").status, 200);
  EXPECT_EQ(get("/v1/runs").status, 403);
}

// One bad request and the answer to it.
struct BadRequest {
  std::string name;
  std::string method;
  std::string path;
  std::string body;
  int status;
  std::string says;
};

class ServeRefuses : public ::testing::TestWithParam<BadRequest> {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<Scratch>();
    service_ = std::make_unique<Service>(
        *scratch_, std::vector<std::string>{"--request-bytes-max", "2048", "--warm-sessions", "0"});
  }
  static void TearDownTestSuite() {
    service_.reset();
    scratch_.reset();
  }
  inline static std::unique_ptr<Scratch> scratch_;
  inline static std::unique_ptr<Service> service_;
};

TEST_P(ServeRefuses, WithAProblem) {
  const BadRequest& bad = GetParam();
  const auto reply = send({.method = bad.method,
                           .url = service_->url() + bad.path,
                           .headers = {{"content-type", "application/json"}},
                           .body = bad.body});

  EXPECT_EQ(reply.status, bad.status) << reply.body;
  EXPECT_THAT(std::string(reply.header("content-type")), HasSubstr("application/problem+json"));
  EXPECT_THAT(reply.body, HasSubstr(bad.says));
  const json::value problem = parsed(reply.body);
  EXPECT_EQ(problem.at("status"), bad.status);
  EXPECT_EQ(problem.at("statusCode"), bad.status);
  if (bad.status == 405) EXPECT_EQ(reply.header("allow"), "GET, HEAD");
}

INSTANTIATE_TEST_SUITE_P(
    BadRequests, ServeRefuses,
    ::testing::Values(
        BadRequest{"UnknownPath", "GET", "/v1/nothing", "", 404, "/v1/nothing"},
        BadRequest{"WrongMethod", "PUT", "/health", "{}", 405, "PUT is not one of GET, HEAD"},
        BadRequest{"NoJson", "POST", "/v1/runs", "{", 400, "not valid JSON at offset 1"},
        BadRequest{"NoBody", "POST", "/v1/runs", "{}", 400, "workflow"},
        BadRequest{"UnknownField", "POST", "/v1/runs",
                   R"({"workflow":"video_discovery","sesions":3})", 400,
                   "did you mean 'sessions'?"},
        BadRequest{"WrongType", "POST", "/v1/runs",
                   R"({"workflow":"video_discovery","sessions":"five"})", 400, "sessions"},
        BadRequest{"TooManySessions", "POST", "/v1/runs",
                   R"({"workflow":"video_discovery","site":"demo","sessions":1000000000})", 400,
                   "1..50"},
        BadRequest{"UnknownWorkflow", "POST", "/v1/runs", R"({"workflow":"nosuch"})", 404,
                   "nosuch"},
        BadRequest{"FileAsWorkflow", "POST", "/v1/runs", R"({"workflow":"/etc/passwd"})", 400,
                   "reads no files"},
        BadRequest{"BadDefinition", "POST", "/v1/runs",
                   R"({"workflow":{"workflow":"x","steps":[{"clik":"#a"}]}})", 400, "clik"},
        BadRequest{"TooLarge", "POST", "/v1/runs", std::string(4'096, ' '), 413, "2048"},
        BadRequest{"UnknownState", "GET", "/v1/runs?state=odd", "", 400, "odd"}),
    [](const auto& info) { return info.param.name; });

TEST(Serve, LetsARunEndWhenItIsStopped) {
  const Scratch scratch;
  Service service(scratch);
  service.start(stay("2s"));
  ASSERT_TRUE(goes_on(service, 1));
  const auto groups = browser_groups(scratch.path());
  ASSERT_FALSE(groups.empty());

  service.binary().signal(SIGTERM);

  ASSERT_TRUE(service.binary().says("Action: engine.close, Status: started"));
  const auto refused = service.post("/v1/runs", json::serialize(stay("1s")));
  EXPECT_EQ(refused.status, 503) << refused.body;
  EXPECT_EQ(parsed(refused.body).at("code"), "draining");
  EXPECT_EQ(service.binary().wait(std::chrono::seconds(15)), 0);
  EXPECT_THAT(service.binary().err(), HasSubstr("Action: run.end, Status: ok"));
  EXPECT_TRUE(all_end(groups));
  EXPECT_EQ(profiles_in(scratch.path() + "/data"), 0u);
}

TEST(Serve, CancelsWhatOutlastsTheDrainTimeout) {
  const Scratch scratch;
  Service service(scratch, {"--drain-timeout", "500ms"});
  service.start(stay("60s", 2));
  ASSERT_TRUE(goes_on(service, 2));
  const auto groups = browser_groups(scratch.path());
  ASSERT_FALSE(groups.empty());

  service.binary().signal(SIGTERM);

  EXPECT_EQ(service.binary().wait(std::chrono::seconds(10)), 0);
  EXPECT_TRUE(all_end(groups));
  EXPECT_EQ(profiles_in(scratch.path() + "/data"), 0u);
}

TEST(Serve, LeavesNoBrowserAfterKill9) {
  const Scratch scratch;
  Service service(scratch);
  ASSERT_EQ(service.post("/v1/sessions", R"({"isolation":"process"})").status, 201);
  service.start(stay("60s", 2));
  ASSERT_TRUE(goes_on(service, 3));
  const auto groups = browser_groups(scratch.path());
  ASSERT_GE(groups.size(), 2u);

  service.binary().signal(SIGKILL);
  service.binary().wait();

  EXPECT_TRUE(all_end(groups, std::chrono::seconds(5)));
}

TEST(Serve, SaysThatTheSessionOfAConnectUrlEndedWithTheProcessBefore) {
  const Scratch scratch;
  std::string key;
  {
    Service before(scratch);
    const auto created = before.post("/v1/sessions", R"({"keepAlive":true})");
    ASSERT_EQ(created.status, 201) << created.body;
    key = std::string(parsed(created.body).at("signingKey").as_string());
    before.binary().signal(SIGKILL);
    before.binary().wait();
  }
  const Service after(scratch);
  const auto dial = [&](const std::string& with) {
    return send({.method = "GET",
                 .url = after.url() + "/?signingKey=" + with,
                 .headers = {{"Connection", "Upgrade"},
                             {"Upgrade", "websocket"},
                             {"Sec-WebSocket-Version", "13"},
                             {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}}});
  };

  const auto ended = dial(key);
  EXPECT_EQ(ended.status, 404) << ended.body;
  EXPECT_THAT(ended.body, HasSubstr("not known here"));
  const auto forged = dial(key.substr(0, key.size() - 4) + "AAAA");
  EXPECT_EQ(forged.status, 401) << forged.body;
}

TEST(Serve, SaysThatItsPortIsTaken) {
  const Scratch scratch;
  const Service service(scratch);
  const std::string port = service.url().substr(service.url().rfind(':') + 1);

  const Scratch other;  // a data directory belongs to one process
  for (const char* command : {"serve", "demo-site"}) {
    Binary second(other, {command, "--port", port, "--log-level", "error"});
    EXPECT_EQ(second.wait(), 4) << command;
    EXPECT_THAT(second.err(), HasSubstr("127.0.0.1:" + port + " is in use"));
    EXPECT_EQ(std::ranges::count(second.err(), '\n'), 1) << second.err();
  }
}

TEST(Serve, IsSeenByTheClientCommands) {
  const Scratch scratch;
  const Service service(scratch);
  const std::string id(parsed(service.post("/v1/sessions", "{}").body).at("id").as_string());
  const std::string run_id = service.start(stay("60s"));
  const auto client = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--url", service.url()});
    Binary binary(scratch, std::move(arguments));
    EXPECT_EQ(binary.wait(), 0) << binary.err();
    return binary.out();
  };

  EXPECT_THAT(client({"sessions", "list", "--human"}), HasSubstr(id));
  EXPECT_THAT(client({"sessions", "show", id}), HasSubstr("\"RUNNING\""));
  EXPECT_THAT(client({"runs", "list", "--human"}), HasSubstr(run_id));
  client({"runs", "cancel", run_id});
  EXPECT_EQ(service.ended(run_id).at("state"), "cancelled");
  client({"sessions", "release", id});
  EXPECT_THAT(client({"sessions", "list"}), Not(HasSubstr(id)));
  EXPECT_THAT(client({"sessions", "list", "--all"}), HasSubstr(id));

  Binary unknown(scratch, {"sessions", "show", "nosuch", "--url", service.url()});
  EXPECT_EQ(unknown.wait(), 2);
  EXPECT_THAT(unknown.err(), HasSubstr("nosuch"));
  Binary nobody(scratch, {"runs", "list", "--url", "http://127.0.0.1:1"});
  EXPECT_EQ(nobody.wait(), 1);
  EXPECT_THAT(nobody.err(), HasSubstr("is `troupe serve` running there?"));
}

}  // namespace
}  // namespace troupe::e2e
