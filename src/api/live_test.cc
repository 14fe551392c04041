// Live view, log and recordings over HTTP, with a scripted browser.
#include <filesystem>
#include <fstream>

#include "api/gateway_testing.h"
#include "base/digest.h"

namespace troupe::api {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kTargets =
    R"({"id":1,"result":{"targetInfos":[)"
    R"({"targetId":"AB12","type":"page","title":"<script>alert(1)</script>","url":"https://a.example/x?y"},)"
    R"({"targetId":"W","type":"service_worker","title":"","url":"https://a.example/sw.js"},)"
    R"({"targetId":"CD34","type":"page","title":"","url":"about:blank"}]}})";

// A whole JPEG of 16 by 16 pixels.
constexpr std::string_view kJpeg =
    "/9j/4AAQSkZJRgABAgAAAQABAAD//gAQTGF2YzU5LjM3LjEwMAD/2wBDAAgoKC8oLzc3Nzc3N0E8QUNDQ0FBQUFDQ0NISE"
    "hVVVVISEhDQ0hIUFBVVVxfXFdXVVdfX2RkZHh4c3OMjJGsrM//xABLAAEBAAAAAAAAAAAAAAAAAAAABgEBAAAAAAAAAAAA"
    "AAAAAAAABhABAAAAAAAAAAAAAAAAAAAAABEBAAAAAAAAAAAAAAAAAAAAAP/AABEIABAAEAMBIgACEQADEQD/2gAMAwEAAh"
    "EDEQA/AIsAVCX/2Q==";

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

// A browser with one page that looks different each time, as one that moves does.
class RecordedTest : public LiveTest {
 protected:
  void SetUp() override {
    LiveTest::SetUp();
    script_ = [this](const json::object& message) -> std::string {
      const auto& method = message.at("method").as_string();
      if (method == "Target.setAutoAttach")
        return R"({"method":"Target.attachedToTarget","params":{"sessionId":"F","targetInfo":)"
               R"({"targetId":"AB12","type":"page","url":"https://a.example/"}}})";
      if (method != "Page.startScreencast" && method != "Page.screencastFrameAck") return "";
      const std::string picture = to_base64("picture " + std::to_string(pictures_++));
      return R"({"method":"Page.screencastFrame","sessionId":"F","params":{"data":")" + picture +
             R"(","sessionId":1}})";
    };
  }
  // Some pictures, and the end of the session.
  void record() {
    created_(kId);
    ASSERT_TRUE(wait_until([&] { return pictures_ >= 3; }));
    finish();
  }
  void finish() {
    session_.state = SessionState::ended;
    ended_(kId);
    ASSERT_TRUE(wait_until([&] { return connected_ == 0; }));
  }
  void encode_with(const std::string& text) {
    std::filesystem::create_directories(dir_);
    std::ofstream(settings_.video_encoder = (dir_ / "encoder").string()) << "#!/bin/sh\n" << text;
    std::filesystem::permissions(settings_.video_encoder, std::filesystem::perms::owner_all);
    restart();
  }
  // The server takes its settings when it starts.
  void restart() {
    ApiTest::TearDown();
    start();
  }
  std::string status_of_video() {
    const auto list = body_of(get(path("/recording/downloads")));
    return std::string(list.at("downloads").at(0).at("status").as_string());
  }
  int pictures_ = 0;
};

constexpr const char* kEncoder =
    "printf 0123ftyp89moov > video.mp4; printf segment > 00000.ts;"
    "printf '#EXTM3U\\n#EXTINF:6.0,\\n00000.ts\\n#EXT-X-ENDLIST\\n' > playlist.m3u8\n";

TEST_F(RecordedTest, RecordsWhatPagesShowFromTheBeginning) {
  spec_.connectable = true;  // of somebody who did not say whether it shall be recorded
  EXPECT_EQ(get(path("/replays")).body, R"({"pageCount":0,"pages":[]})");
  created_(kId);
  ASSERT_TRUE(wait_until([&] { return pictures_ >= 3; })) << "no client came";
  EXPECT_EQ(send("POST", path("/recording/downloads")).status, 409);
  EXPECT_EQ(send("DELETE", path("/recording")).status, 409);
  finish();
  ASSERT_EQ(get(path("/recording/downloads")).status, 200) << "everything is written now";

  const auto replays = body_of(get(path("/replays")));
  EXPECT_EQ(replays.at("pageCount"), 1);
  EXPECT_EQ(replays.at("pages").at(0).at("url"), "https://a.example/");
  const std::string replay = target_of(replays.at("replayUrl"));
  EXPECT_EQ(get(replay).status, 200);
  const std::string query = replay.substr(replay.find('?'));
  const std::string base = "/live/recordings/" + std::string(kId);
  const auto index = body_of(get(base + query));
  EXPECT_GE(index.at("pages").at(0).at("frames").as_array().size(), 2u);
  EXPECT_EQ(index.at("live"), false);
  EXPECT_TRUE(index.as_object().contains("log"));
  const auto picture = get(base + "/0/1" + query);
  EXPECT_EQ(picture.body, "picture 1");
  EXPECT_EQ(picture.header("content-type"), "image/jpeg");
  EXPECT_EQ(get(base + "/0/99" + query).status, 404);
  EXPECT_EQ(get(base + "/0/x" + query).status, 404);
  EXPECT_EQ(get(base + "/..%2Fx/0" + query).status, 404);
  EXPECT_EQ(body_of(get(path("/recording"))).at(0).at("type"), 5);
}

TEST_F(RecordedTest, IsNotRecordedWhenNobodyWantsIt) {
  spec_.connectable = true;
  spec_.record = false;
  created_(kId);
  turn(std::chrono::milliseconds(100));
  EXPECT_TRUE(paths_.empty());
  session_.state = SessionState::ended;
  for (const char* method : {"POST", "GET"})
    EXPECT_EQ(send(method, path("/recording/downloads")).status, 422);

  settings_.record_sessions = "off";
  restart();
  spec_.record.reset();
  created_(kId);
  turn(std::chrono::milliseconds(100));
  EXPECT_TRUE(paths_.empty());
}

TEST_F(RecordedTest, SessionsOfRunsAndOfOtherMachinesAreRecordedOnlyWhenAsked) {
  created_(kId);  // of a run: no client drives it
  spec_.connectable = true;
  for (const char* provider : {"cdp", "browserbase"}) {
    spec_.provider = provider;
    created_(kId);
  }
  spec_.record = true;  // Browserbase does that itself
  created_(kId);
  turn(std::chrono::milliseconds(100));
  EXPECT_TRUE(paths_.empty());

  spec_.provider = "cdp";
  created_(kId);
  EXPECT_TRUE(wait_until([&] { return pictures_ > 0; }));
}

TEST_F(RecordedTest, WithoutAnEncoderItSaysWhichPackageIsMissing) {
  settings_.video_encoder = "no-such-encoder";
  restart();
  spec_.record = true;
  record();
  for (const auto& reply : {send("POST", path("/recording/downloads")), get(path("/replays/0"))}) {
    EXPECT_EQ(reply.status, 501);
    EXPECT_THAT(reply.body, HasSubstr("Debian package ffmpeg"));
  }
  EXPECT_EQ(status_of_video(), "NOT_REQUESTED");
}

TEST_F(RecordedTest, MakesVideosWhenAsked) {
  encode_with(kEncoder);
  spec_.record = true;
  record();
  // What the scripted browser gives are no pictures: one that is stands among them.
  const auto folder = dir_ / "recordings" / kId;
  ASSERT_EQ(status_of_video(), "NOT_REQUESTED");
  std::ofstream(folder / "0.jpegs", std::ios::binary) << from_base64(kJpeg).value();
  std::ofstream(folder / "0.ndjson")
      << R"({"t":1,"o":0,"s":)" << from_base64(kJpeg)->size() << R"(,"u":""})" << "\n";
  const auto asked = send("POST", path("/recording/downloads"));
  EXPECT_EQ(asked.status, 202);
  EXPECT_EQ(asked.body, R"({"downloads":[{"pageId":"0","status":"PENDING"}]})");
  ASSERT_TRUE(wait_until([&] { return status_of_video() != "PENDING"; }));
  const auto row = body_of(get(path("/recording/downloads"))).at("downloads").at(0);
  ASSERT_EQ(row.at("status"), "COMPLETED") << json::serialize(row);
  EXPECT_TRUE(row.as_object().contains("completedAt"));

  const std::string address = target_of(row.at("downloadUrl"));
  const auto video = get(address);
  EXPECT_EQ(video.body, "0123ftyp89moov");
  EXPECT_EQ(video.header("content-type"), "video/mp4");
  const auto part = get(address, {{"Range", "bytes=3-5"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "3ft");
  EXPECT_EQ(part.header("content-range"), "bytes 3-5/14");
  EXPECT_EQ(get(address, {{"Range", "bytes=8-"}}).body, "89moov");
  for (const char* odd : {"bytes=99-", "bytes=-3", "bytes=5-3", "lines=1-2", "bytes=a-"})
    EXPECT_EQ(get(address, {{"Range", odd}}).body, "0123ftyp89moov") << odd;
  EXPECT_EQ(get(address.substr(0, address.find('?'))).status, 401);

  const auto playlist = get(path("/replays/0"));
  EXPECT_EQ(playlist.header("content-type"), "application/vnd.apple.mpegurl");
  const auto at = playlist.body.find("http://");
  ASSERT_NE(at, std::string::npos) << playlist.body;
  const std::string segment = playlist.body.substr(at, playlist.body.find('\n', at) - at);
  EXPECT_EQ(get(target_of(json::value(segment))).body, "segment");
  EXPECT_EQ(get(path("/replays/7")).status, 404);

  EXPECT_EQ(send("DELETE", path("/recording")).status, 204);
  EXPECT_EQ(get(path("/recording/downloads")).status, 410);
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(RecordedTest, AVideoThatCannotBeMadeHasFailed) {
  encode_with(kEncoder);
  spec_.record = true;
  record();
  EXPECT_EQ(send("POST", path("/recording/downloads")).status, 202);
  ASSERT_TRUE(wait_until([&] { return status_of_video() != "PENDING"; }));
  EXPECT_EQ(status_of_video(), "FAILED");
  EXPECT_THAT(get(path("/recording/downloads")).body, HasSubstr("no picture that can be shown"));
  EXPECT_EQ(get(path("/replays/0")).status, 404);
}

TEST_F(LiveTest, ARecordingThatIsNotThereSaysSo) {
  session_.state = SessionState::ended;
  EXPECT_EQ(get(path("/recording")).body, "[]");
  EXPECT_EQ(send("POST", path("/recording/downloads")).status, 404);
  EXPECT_EQ(get("/v1/sessions/other/replays").status, 404);
}

}  // namespace
}  // namespace troupe::api
