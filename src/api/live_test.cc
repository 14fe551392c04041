// Live view, log and recordings over HTTP, with a scripted browser.
#include <filesystem>

#include "api/gateway_testing.h"

namespace troupe::api {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kTargets =
    R"({"id":1,"result":{"targetInfos":[)"
    R"({"targetId":"AB12","type":"page","title":"<script>alert(1)</script>","url":"https://a.example/x?y"},)"
    R"({"targetId":"W","type":"service_worker","title":"","url":"https://a.example/sw.js"},)"
    R"({"targetId":"CD34","type":"page","title":"","url":"about:blank"}]}})";

class LiveTest : public GatewayTest {
 protected:
  void SetUp() override {
    dir_ = std::filesystem::temp_directory_path() / ("troupe-live-" + secure_token(6));
    settings_.data_dir = dir_.string();
    GatewayTest::SetUp();
    script_ = [](const json::object& message) {
      return message.at("method") == "Target.getTargets" ? std::string(kTargets) : std::string();
    };
  }
  void TearDown() override {
    GatewayTest::TearDown();
    std::filesystem::remove_all(dir_);
  }
  std::string path(const std::string& of) { return "/v1/sessions/" + std::string(kId) + of; }
  // What follows the service's address.
  std::string target_of(const json::value& url) {
    const std::string text(url.as_string());
    return text.substr(text.find('/', text.find("://") + 3));
  }
  std::filesystem::path dir_;
};

TEST_F(LiveTest, DebugGivesAddressesThatWork) {
  session_.keep_alive = true;
  const auto reply = get(path("/debug"));
  ASSERT_EQ(reply.status, 200) << reply.body;
  const auto body = body_of(reply);
  const auto& pages = body.at("pages").as_array();
  ASSERT_EQ(pages.size(), 2u);
  EXPECT_EQ(pages[0].at("id"), "AB12");
  EXPECT_EQ(pages[0].at("faviconUrl"), "https://a.example/favicon.ico");
  EXPECT_EQ(pages[1].at("faviconUrl"), "data:,");

  const auto page = get(target_of(body.at("debuggerUrl")));
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(std::string(page.header("content-type")), HasSubstr("text/html"));
  EXPECT_THAT(std::string(page.header("content-security-policy")), HasSubstr("script-src 'self'"));
  EXPECT_EQ(page.header("referrer-policy"), "no-referrer");
  EXPECT_EQ(get(target_of(pages[0].at("debuggerFullscreenUrl"))).status, 200);
  EXPECT_TRUE(dial(target_of(body.at("wsUrl"))));
  EXPECT_TRUE(dial(target_of(pages[0].at("wsUrl"))));
}

TEST_F(LiveTest, DebugIsGoneAfterTheEndAndUnknownBefore) {
  EXPECT_EQ(get("/v1/sessions/other/debug").status, 404);
  EXPECT_EQ(get(path("/debug?expiresIn=0")).status, 400);
  session_.state = SessionState::ended;
  EXPECT_EQ(get(path("/debug")).status, 410);
}

TEST_F(LiveTest, PagesOfTheLiveViewNeedTheirKey) {
  const std::string page = "/live/sessions/" + std::string(kId);
  EXPECT_EQ(get(page).status, 401);
  EXPECT_EQ(get(page + "?key=x").status, 401);
  EXPECT_EQ(get("/live/sessions/other?key=" + key(KeyScope::view)).status, 403);
  const auto asset = get("/live/assets/live.js");
  EXPECT_EQ(asset.status, 200);
  EXPECT_EQ(asset.header("content-type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(get("/live/assets/live.html").status, 404);
  EXPECT_EQ(get("/live/assets/..%2Fapi%2Fschemas.json").status, 404);
}

TEST_F(LiveTest, StateSaysWhatTheKeyAllows) {
  const auto state = [&](KeyScope scope) {
    return get("/live/state/" + std::string(kId) + "?key=" + key(scope));
  };
  EXPECT_EQ(body_of(state(KeyScope::view)).at("controls"), false);
  EXPECT_EQ(body_of(state(KeyScope::control)).at("controls"), true);
  EXPECT_EQ(body_of(state(KeyScope::control)).at("pages").as_array().size(), 2u);
  session_.state = SessionState::ended;
  EXPECT_EQ(state(KeyScope::control).status, 410);
}

TEST_F(LiveTest, ScriptsOfTheLiveViewMakeNoMarkupOutOfText) {
  for (const char* name : {"live.js", "replay.js"}) {
    const std::string script = get("/live/assets/" + std::string(name)).body;
    EXPECT_THAT(script, Not(HasSubstr("innerHTML")));
    EXPECT_THAT(script, Not(HasSubstr("document.write")));
    EXPECT_THAT(script, Not(HasSubstr("eval(")));
  }
}

TEST_F(LiveTest, TheLogHasTheTrafficOfClients) {
  session_.keep_alive = true;
  script_ = [](const json::object&) { return R"({"id":4,"result":{"product":"X"}})"; };
  const auto socket = client();
  send(*socket, R"({"id":4,"method":"Browser.getVersion"})");
  (void)text(*socket);

  const auto list = body_of(get(path("/logs"))).as_array();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].at("method"), "Browser.getVersion");
  EXPECT_EQ(list[0].at("response").at("result").at("product"), "X");
  EXPECT_EQ(get("/v1/sessions/other/logs").status, 404);
}

TEST_F(LiveTest, NothingIsLoggedWhenTheSessionDoesNotWantIt) {
  spec_.log = false;
  const auto socket = client();
  send(*socket, R"({"id":4,"method":"Browser.getVersion"})");
  (void)wait_until([&] { return !received_.empty(); });

  EXPECT_EQ(get(path("/logs")).body, "[]");
}

TEST_F(LiveTest, RecordsWhatPagesShow) {
  spec_.record = true;
  int acknowledged = 0;
  script_ = [&](const json::object& message) -> std::string {
    const auto& method = message.at("method").as_string();
    if (method == "Target.setAutoAttach")
      return R"({"method":"Target.attachedToTarget","params":{"sessionId":"F","targetInfo":)"
             R"({"targetId":"AB12","type":"page","url":"https://a.example/"}}})";
    acknowledged += method == "Page.screencastFrameAck";
    if (method == "Page.startScreencast" || method == "Page.screencastFrameAck")
      return R"({"method":"Page.screencastFrame","sessionId":"F","params":{"data":"aGVsbG8=","sessionId":1}})";
    return "";
  };
  EXPECT_EQ(get(path("/replays")).body, R"({"pageCount":0,"pages":[]})");
  const auto socket = client();
  ASSERT_TRUE(wait_until([&] { return acknowledged == 2; }));

  const auto replays = body_of(get(path("/replays")));
  EXPECT_EQ(replays.at("pageCount"), 1);
  EXPECT_EQ(replays.at("pages").at(0).at("url"), "https://a.example/");
  const std::string replay = target_of(replays.at("replayUrl"));
  EXPECT_EQ(get(replay).status, 200);
  const std::string query = replay.substr(replay.find('?'));
  const std::string base = "/live/recordings/" + std::string(kId);
  EXPECT_GE(body_of(get(base + query)).at("pages").at(0).at("frames").as_array().size(), 2u);
  const auto picture = get(base + "/0/0" + query);
  EXPECT_EQ(picture.body, "hello");
  EXPECT_EQ(picture.header("content-type"), "image/jpeg");
  EXPECT_EQ(get(base + "/0/99" + query).status, 404);
  EXPECT_EQ(get(base + "/0/x" + query).status, 404);
  EXPECT_EQ(get(base + "/..%2Fx/0" + query).status, 404);
  EXPECT_EQ(body_of(get(path("/recording"))).at(0).at("type"), 5);
  EXPECT_EQ(send("POST", path("/recording/downloads")).status, 409);

  session_.state = SessionState::ended;
  ended_(kId);
  EXPECT_EQ(send("POST", path("/recording/downloads")).status, 501);
  EXPECT_EQ(get(path("/replays/0")).status, 501);
  EXPECT_EQ(get(path("/replays/7")).status, 404);
  EXPECT_TRUE(body_of(get(base + query)).as_object().contains("log"));
}

TEST_F(LiveTest, ARecordingThatIsNotThereSaysSo) {
  session_.state = SessionState::ended;
  EXPECT_EQ(get(path("/recording")).body, "[]");
  EXPECT_EQ(send("POST", path("/recording/downloads")).status, 404);
  EXPECT_EQ(get("/v1/sessions/other/replays").status, 404);
}

}  // namespace
}  // namespace troupe::api
