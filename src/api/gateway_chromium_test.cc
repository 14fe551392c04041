// The gateway with a real Chromium behind it.
#include <filesystem>
#include <fstream>

#include "api/gateway_testing.h"
#include "sessions/chromium.h"

namespace troupe::api {
namespace {

using testing::HasSubstr;

class GatewayChromiumTest : public GatewayTest {
 protected:
  void SetUp() override {
    dir_ = std::filesystem::temp_directory_path() / ("troupe-gateway-" + secure_token(6));
    settings_.data_dir = dir_.string();
    GatewayTest::SetUp();
    sessions::ChromiumOptions options{.browsers_dir = dir_.string()};
    options.extra_flags = {"--remote-debugging-port=0"};
    Context ctx = base().with_timeout(std::chrono::seconds(20), "launch");
    auto launched = run(sessions::Chromium::launch(ctx, std::move(options)));
    ASSERT_TRUE(launched) << launched.error().describe();
    chromium_ = std::move(*launched);
    ASSERT_TRUE(wait_until([&] { return !address().empty(); }));
    using testing::_;
    ON_CALL(sessions_, endpoint(_, _)).WillByDefault([this](Context&, std::string) {
      return given(address());
    });
    ON_CALL(sessions_, downloads_dir(_)).WillByDefault(testing::Return((dir_ / "saved").string()));
  }
  void TearDown() override {
    if (chromium_) {
      Context ctx = base().with_timeout(std::chrono::seconds(10), "close");
      (void)run(chromium_->close(ctx));
      chromium_.reset();
    }
    GatewayTest::TearDown();
    std::filesystem::remove_all(dir_);
  }
  static Async<std::string> given(std::string text) { co_return text; }
  std::string address() const {
    std::ifstream file(chromium_->profile_dir() + "/DevToolsActivePort");
    std::string port;
    std::string path;
    std::getline(file, port);
    std::getline(file, path);
    return path.empty() ? "" : "ws://127.0.0.1:" + port + path;
  }
  // A command and its answer; events in between are dropped.
  json::object call(net::WebSocket& socket, std::string_view method, json::object params = {},
                    std::string_view flat = {}) {
    json::object message{{"id", ++last_id_}, {"method", method}, {"params", std::move(params)}};
    if (!flat.empty()) message["sessionId"] = flat;
    send(socket, json::serialize(message));
    for (;;) {
      const auto answer = read(socket);
      EXPECT_TRUE(answer) << answer.error().describe();
      if (!answer) return {};
      auto parsed = json::parse(answer->data).as_object();
      if (const auto* id = parsed.if_contains("id"); id && *id == last_id_) return parsed;
    }
  }
  std::string open(net::WebSocket& socket, const std::string& url) {
    const auto made = call(socket, "Target.createTarget", {{"url", url}});
    target_ = made.at("result").at("targetId").as_string();
    const auto attached =
        call(socket, "Target.attachToTarget", {{"targetId", target_}, {"flatten", true}});
    return std::string(attached.at("result").at("sessionId").as_string());
  }
  json::value evaluate(net::WebSocket& socket, const std::string& flat, std::string expression) {
    const auto answer = call(
        socket, "Runtime.evaluate",
        {{"expression", std::move(expression)}, {"returnByValue", true}, {"awaitPromise", true}},
        flat);
    // Nothing after an exception, as on a page that is not there yet.
    const json::value* value = find(answer.at("result").at("result"), "value");
    return value ? *value : json::value();
  }

  std::filesystem::path dir_;
  std::unique_ptr<sessions::Chromium> chromium_;
  std::int64_t last_id_ = 0;
  std::string target_;
};

TEST_F(GatewayChromiumTest, DrivesPagesWithMessagesOfTenMegabytes) {
  const auto socket = client();
  const std::string flat = open(*socket, "data:text/html,<title>here</title>");
  EXPECT_EQ(evaluate(*socket, flat, "1 + 1"), 2);

  const auto back = evaluate(*socket, flat, "'x'.repeat(10485760)");
  EXPECT_EQ(back.as_string().size(), 10'485'760u);
  EXPECT_EQ(evaluate(*socket, flat, "'" + std::string(10 << 20, 'y') + "'.length"), 10 << 20);

  const auto second = client();
  EXPECT_THAT(json::serialize(call(*second, "Browser.getVersion")), HasSubstr("Chrome"));
  const auto list = json::serialize(body_of(get("/v1/sessions/" + std::string(kId) + "/logs")));
  EXPECT_THAT(list, HasSubstr("Target.createTarget"));
}

TEST_F(GatewayChromiumTest, DownloadsLandInTheSessionsDirectory) {
  const auto socket = client();
  const auto set = call(*socket, "Browser.setDownloadBehavior",
                        {{"behavior", "allow"}, {"downloadPath", "/nowhere"}});
  EXPECT_FALSE(set.contains("error")) << json::serialize(set);
  const std::string flat = open(*socket, "about:blank");
  (void)evaluate(*socket, flat,
                 "const a = document.createElement('a'); a.download = 'hello.txt';"
                 "a.href = URL.createObjectURL(new Blob(['content'])); a.click(); 1");

  EXPECT_TRUE(wait_until([&] { return std::filesystem::exists(dir_ / "saved" / "hello.txt"); }));
}

TEST_F(GatewayChromiumTest, ShowsAPageLiveAndTakesInput) {
  const auto socket = client();
  const std::string flat = open(
      *socket, "data:text/html,<body style='background:red' onclick='window.hit=1'>live</body>");
  (void)evaluate(*socket, flat, "document.readyState");
  const auto debug = body_of(get("/v1/sessions/" + std::string(kId) + "/debug"));
  EXPECT_THAT(json::serialize(debug), HasSubstr(target_));

  auto viewer = dial("/debug/" + std::string(kId) + "/devtools/page/" + target_ +
                     "?key=" + key(KeyScope::control));
  ASSERT_TRUE(viewer) << viewer.error().describe();
  send(**viewer, R"({"id":900,"method":"Page.startScreencast","params":{"format":"jpeg"}})");
  std::string message;
  while (message.find("Page.screencastFrame") == std::string::npos) {
    const auto next = read(**viewer);
    ASSERT_TRUE(next) << next.error().describe();
    message = next->data;
  }
  EXPECT_THAT(message.substr(0, 2'000), HasSubstr("/9j/"));  // a JPEG in base64
  for (const char* type : {"mousePressed", "mouseReleased"})
    (void)call(**viewer, "Input.dispatchMouseEvent",
               {{"type", type}, {"x", 50}, {"y", 8}, {"button", "left"}, {"clickCount", 1}});
  EXPECT_EQ(evaluate(*socket, flat, "window.hit"), 1);
}

// The page of assets/live/ itself, opened in the very browser that it shows.
TEST_F(GatewayChromiumTest, TheLiveViewShowsAPageAndForwardsClicks) {
  const auto socket = client();
  const std::string flat =
      open(*socket,
           "data:text/html,<title>shown</title><body style='background:rgb(0,200,0)' "
           "onclick='window.hit=1' onkeydown='window.key=event.key'>x</body>");
  const std::string shown = target_;
  const auto debug = body_of(get("/v1/sessions/" + std::string(kId) + "/debug"));
  std::string address;
  for (const auto& page : debug.at("pages").as_array())
    if (page.at("id").as_string() == shown) address = page.at("debuggerUrl").as_string();
  const std::string live = open(*socket, address);

  const std::string pixel =
      "(() => { const c = document.getElementById('screen'); const w = c.width;"
      "const p = c.getContext('2d').getImageData(w / 2, c.height / 2, 1, 1).data;"
      "return p[1] > 150 && p[0] < 100 && !c.classList.contains('blank') ? 'green' :"
      "[...p].join() + document.getElementById('note').textContent; })()";
  json::value seen;
  EXPECT_TRUE(wait_until([&] { return (seen = evaluate(*socket, live, pixel)) == "green"; }))
      << json::serialize(seen);
  EXPECT_EQ(evaluate(*socket, live, "document.title"), "shown");
  (void)evaluate(*socket, live,
                 "(() => { const c = document.getElementById('screen');"
                 "const box = c.getBoundingClientRect();"
                 "for (const t of ['pointerdown', 'pointerup'])"
                 "c.dispatchEvent(new PointerEvent(t, {pointerId: 1, pointerType: 'touch',"
                 "clientX: box.x + box.width / 2, clientY: box.y + box.height / 2}));"
                 "c.dispatchEvent(new KeyboardEvent('keydown', {key: 'q', code: 'KeyQ'})); })()");
  EXPECT_TRUE(wait_until([&] { return evaluate(*socket, flat, "window.hit || 0") == 1; }));
  EXPECT_TRUE(wait_until([&] { return evaluate(*socket, flat, "window.key || ''") == "q"; }));
}

// Chromium's own DevTools, loaded through the service and connected through the gateway.
TEST_F(GatewayChromiumTest, ItsOwnDevtoolsWorkThroughTheService) {
  const auto socket = client();
  (void)open(*socket, "data:text/html,<title>looked at</title>");
  const std::string target = target_;
  const auto debug = body_of(get("/v1/sessions/" + std::string(kId) + "/debug"));
  std::string address;
  for (const auto& page : debug.at("pages").as_array())
    if (page.at("id").as_string() == target) address = page.at("devtoolsUrl").as_string();
  ASSERT_FALSE(address.empty());
  const std::size_t before = server_->gateway().client_count();

  const std::string devtools = open(*socket, address);

  EXPECT_TRUE(wait_until([&] {
    (void)evaluate(*socket, devtools, "1");
    return server_->gateway().client_count() > before;
  }));
  EXPECT_EQ(get("/live/devtools/" + std::string(kId) + "/none.js").status, 404);
  EXPECT_EQ(get("/live/devtools/" + std::string(kId) + "/..%2fjson%2flist").status, 404);
}

// A recording of two tabs, one of which goes somewhere else, and its replay in our own page.
class RecordedChromiumTest : public GatewayChromiumTest {
 protected:
  static std::string coloured(const std::string& colour) {
    return "data:text/html,<title>" + colour + "</title><body style='background:" + colour + "'>";
  }
  json::array recorded() {
    return body_of(get("/v1/sessions/" + std::string(kId) + "/replays")).at("pages").as_array();
  }
  bool is_recorded(const std::string& colour) {
    return std::ranges::any_of(recorded(), [&](const json::value& page) {
      return page.at("url").as_string().find("%3E" + colour) != std::string::npos ||
             page.at("url").as_string().find(">" + colour) != std::string::npos;
    });
  }
  // Red that becomes green in one tab, blue in the other; then the session ends.
  void record() {
    spec_.record = true;
    created_(kId);
    const auto socket = client();
    const std::string first = open(*socket, coloured("red"));
    ASSERT_TRUE(wait_until([&] { return is_recorded("red"); }));
    (void)call(*socket, "Page.navigate", {{"url", coloured("lime")}}, first);
    ASSERT_TRUE(wait_until([&] { return is_recorded("lime"); }));
    (void)open(*socket, coloured("blue"));
    ASSERT_TRUE(wait_until([&] { return is_recorded("blue"); }));
    session_.state = SessionState::ended;
    ended_(kId);
  }
  // The session is over; its browser, which only the test keeps, shows the replay.
  std::unique_ptr<net::WebSocket> viewer() {
    Context ctx = base().with_timeout(std::chrono::seconds(10), "dial");
    auto socket = run(net::connect_websocket(ctx, address(), {}));
    EXPECT_TRUE(socket) << socket.error().describe();
    return socket ? std::move(*socket) : nullptr;
  }
};

TEST_F(RecordedChromiumTest, ReplaysTabsAndNavigations) {
  ASSERT_NO_FATAL_FAILURE(record());
  const auto replays = body_of(get("/v1/sessions/" + std::string(kId) + "/replays"));
  const auto socket = viewer();
  const std::string page = open(*socket, std::string(replays.at("replayUrl").as_string()));
  const std::string tabs = "document.querySelectorAll('#tabs button').length";
  ASSERT_TRUE(wait_until([&] { return evaluate(*socket, page, tabs) == replays.at("pageCount"); }));
  // Goes to a tab by its address, to its first or last picture, and says the colour in the middle.
  const auto seen = [&](const std::string& tab, bool last) {
    return evaluate(*socket, page,
                    "(async () => { const tab = [...document.querySelectorAll('#tabs button')]"
                    ".find((one) => one.title.includes('" +
                        tab +
                        "')); tab.click();"
                        "const position = document.getElementById('position');"
                        "position.value = " +
                        std::string(last ? "position.max" : "'0'") +
                        ";"
                        "position.dispatchEvent(new Event('input'));"
                        "await new Promise((done) => setTimeout(done, 100));"
                        "const screen = document.getElementById('screen');"
                        "if (screen.classList.contains('blank')) return 'blank';"
                        "const at = screen.getContext('2d')"
                        ".getImageData(screen.width / 2, screen.height / 2, 1, 1).data;"
                        "return ['red', 'lime', 'blue'].find((name, n) => at[n] > 200 &&"
                        "at[(n + 1) % 3] < 80 && at[(n + 2) % 3] < 80) || [...at].join(); })()");
  };
  EXPECT_TRUE(wait_until([&] { return seen("blue", true) == "blue"; }));
  EXPECT_TRUE(wait_until([&] { return seen("lime", true) == "lime"; }));
  EXPECT_TRUE(wait_until([&] { return seen("lime", false) != "lime"; }))
      << "what was there before it went to the other page";
  (void)evaluate(*socket, page, "document.getElementById('play').click()");
  EXPECT_TRUE(wait_until([&] {
    return evaluate(*socket, page,
                    "document.getElementById('position').value =="
                    "document.getElementById('position').max &&"
                    "document.getElementById('play').textContent === 'Play'") == true;
  })) << "it plays to the end and stops";
}

TEST_F(RecordedChromiumTest, GoesOnAtAnotherSiteAndAfterACrash) {
  spec_.record = true;
  created_(kId);
  const auto socket = client();
  const std::string page = open(*socket, coloured("red"));
  ASSERT_TRUE(wait_until([&] { return is_recorded("red"); }));
  const std::string other = "http://127.0.0.1:" + std::to_string(server_->port()) + "/livez";
  send(*socket, json::serialize(json::object{{"id", 9'000},
                                             {"method", "Page.navigate"},
                                             {"sessionId", page},
                                             {"params", {{"url", other}}}}));
  ASSERT_TRUE(wait_until([&] {
    return std::ranges::any_of(
        recorded(), [&](const json::value& one) { return one.at("url").as_string() == other; });
  }));
  send(*socket,
       json::serialize(json::object{{"id", 9'001}, {"method", "Page.crash"}, {"sessionId", page}}));
  ASSERT_TRUE(wait_until([&] {
    (void)call(*socket, "Page.navigate", {{"url", coloured("lime")}}, page);
    return is_recorded("lime");
  }));
}

TEST_F(RecordedChromiumTest, ItsVideosPlay) {
  if (!server_->gateway().recorder().videos().encoder()) GTEST_SKIP() << "ffmpeg is not installed";
  ASSERT_NO_FATAL_FAILURE(record());
  const std::string downloads = "/v1/sessions/" + std::string(kId) + "/recording/downloads";
  ASSERT_EQ(send("POST", downloads).status, 202);
  json::array rows;
  ASSERT_TRUE(wait_until([&] {
    rows = body_of(get(downloads)).at("downloads").as_array();
    return std::ranges::none_of(rows,
                                [](const auto& row) { return row.at("status") == "PENDING"; });
  }));
  const auto socket = viewer();
  const std::string page = open(*socket, "about:blank");
  for (const auto& row : rows) {
    ASSERT_EQ(row.at("status"), "COMPLETED") << json::serialize(row);
    const std::string address(row.at("downloadUrl").as_string());
    const auto shown =
        evaluate(*socket, page,
                 "new Promise((done) => { const video = document.createElement('video');"
                 "video.onloadeddata = () => done(video.videoWidth > 100 && video.duration > 0.5 ||"
                 "[video.videoWidth, video.duration].join());"
                 "video.onerror = () => done(video.error.message); video.src = '" +
                     address + "'; })");
    EXPECT_EQ(shown, true) << json::serialize(shown);
  }
  const auto playlist = get("/v1/sessions/" + std::string(kId) + "/replays/0");
  EXPECT_EQ(playlist.status, 200);
  EXPECT_THAT(playlist.body, HasSubstr("/00000.ts?key="));
}

TEST_F(GatewayChromiumTest, SaysThatTheBrowserWasKilled) {
  const auto socket = client();
  Context ctx = base().with_timeout(std::chrono::seconds(10), "close");
  ASSERT_TRUE(run(chromium_->close(ctx)));
  chromium_.reset();
  session_.state = SessionState::ended;
  session_.end_reason = EndReason::crashed;
  ended_(kId);

  EXPECT_FALSE(read(*socket));
  EXPECT_EQ(socket->peer_close_code(), 1011);
}

}  // namespace
}  // namespace troupe::api
