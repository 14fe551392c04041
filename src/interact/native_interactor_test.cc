// The native interactor in a real browser, on pages that a server in this process gives.
#include "interact/native_interactor.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/testing.h"
#include "net/http_server.h"
#include "sessions/chromium.h"

namespace troupe::interact {
namespace {

namespace fs = std::filesystem;

/// One tab's session on the shared browser, with a context of its own.
class TestSession final : public sessions::LiveSession {
 public:
  TestSession(cdp::Connection& connection, std::string context_id, std::string dir)
      : connection_(connection), context_id_(std::move(context_id)), dir_(std::move(dir)) {}
  const std::string& id() const override { return id_; }
  Result<sessions::Browser> browser() override {
    return sessions::Browser{.connection = &connection_, .browser_context_id = context_id_};
  }
  std::unique_ptr<cdp::Page> take_page() override { return nullptr; }
  void give_back_page(std::unique_ptr<cdp::Page> page) override { page.reset(); }
  Result<std::string> downloads_dir() override {
    fs::create_directories(dir_ + "/downloads");
    return dir_ + "/downloads";
  }
  Session::Counters& counters() override { return counters_; }

 private:
  cdp::Connection& connection_;
  std::string context_id_, dir_, id_ = "s";
  Session::Counters counters_;
};

/// The pages, by path. `/file.bin` is an attachment of 1000 bytes, `/broken` an HTTP 500.
class Pages {
 public:
  static asio::awaitable<net::HttpResponse> answer(Pages* pages, net::HttpRequest request) {
    net::HttpResponse response{.content_type = "text/html; charset=utf-8"};
    if (request.path == "/file.bin") {
      response.content_type = "application/octet-stream";
      response.headers.emplace_back("Content-Disposition", "attachment; filename=\"data.bin\"");
      response.body = std::string(1000, 'x');
    } else if (const auto page = pages->html.find(request.path); page != pages->html.end()) {
      response.body = "<!doctype html><title>T</title>" + page->second;
    } else {
      response.status = request.path == "/broken" ? 500 : 404;
      response.body = "no";
    }
    co_return response;
  }
  std::map<std::string, std::string> html;
};

/// The browser, loop and server that all tests here share.
struct World {
  asio::io_context io;
  std::unique_ptr<Clock> clock = make_real_clock(io.get_executor());
  Context root{*clock, io.get_executor()};
  std::string dir =
      (fs::temp_directory_path() / ("troupe-native-" + std::to_string(getpid()))).string();
  Pages pages;
  std::unique_ptr<net::HttpServer> server;
  std::unique_ptr<sessions::Chromium> chromium;
  std::unique_ptr<Interactor> interactor = make_native_interactor();

  std::string url(const std::string& path) {
    return "http://127.0.0.1:" + std::to_string(server->port()) + path;
  }
  template <class Body>
  void run(Body body) {
    std::exception_ptr thrown;
    bool done = false;
    Context ctx = root.with_timeout(std::chrono::seconds(20), "test");
    asio::co_spawn(io, body(ctx), [&](std::exception_ptr exception) {
      thrown = exception;
      done = true;
    });
    io.restart();
    while (!done) io.run_one();
    if (thrown) std::rethrow_exception(thrown);
  }
};

asio::awaitable<void> start_world(Context& ctx, World& world) {
  const sessions::ChromiumOptions options{.browsers_dir = world.dir + "/browsers"};
  auto chromium = co_await sessions::Chromium::launch(ctx, options);
  if (chromium)
    world.chromium = std::move(*chromium);
  else
    ADD_FAILURE() << chromium.error().describe();
}

asio::awaitable<void> end_world(Context& ctx, World& world) {
  if (world.chromium) (void)co_await world.chromium->close(ctx);
  if (world.server) (void)co_await world.server->stop(ctx);
}

class NativeInteractor : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!sessions::find_browser("")) return;
    world_ = new World;
    Pages* pages = &world_->pages;
    auto handler = [pages](Context&, net::HttpRequest request) {
      return Pages::answer(pages, std::move(request));
    };
    auto server = net::HttpServer::start(world_->io.get_executor(), *world_->clock, {}, handler);
    ASSERT_TRUE(server) << server.error().describe();
    world_->server = std::move(*server);
    world_->run([](Context& ctx) { return start_world(ctx, *world_); });
  }
  static void TearDownTestSuite() {
    if (!world_) return;
    world_->run([](Context& ctx) { return end_world(ctx, *world_); });
    world_->chromium.reset();
    fs::remove_all(world_->dir);
    delete world_;
    world_ = nullptr;
  }
  void SetUp() override {
    if (!world_) GTEST_SKIP() << "NO BROWSER IS INSTALLED: the native interactor was not tested";
    ASSERT_TRUE(world_->chromium);
    world_->run([this](Context& ctx) { return open(ctx, this); });
  }
  void TearDown() override {
    if (world_ && tab_) world_->run([this](Context& ctx) { return close(ctx, this); });
  }
  static asio::awaitable<void> open(Context& ctx, NativeInteractor* self) {
    auto& connection = world_->chromium->connection();
    auto context = co_await connection.call(ctx, "", "Target.createBrowserContext");
    self->context_id_ = std::string(find_string(*context, "browserContextId").value_or(""));
    self->session_ = std::make_unique<TestSession>(connection, self->context_id_, world_->dir);
    InteractOptions options{.artifacts_dir = world_->dir + "/artifacts"};
    auto tab = co_await world_->interactor->open(ctx, *self->session_, options);
    self->tab_ = std::move(*tab);
  }
  static asio::awaitable<void> close(Context& ctx, NativeInteractor* self) {
    auto tab = std::move(self->tab_);
    (void)co_await world_->interactor->close(ctx, std::move(tab), false);
    json::object params{{"browserContextId", self->context_id_}};
    (void)co_await world_->chromium->connection().call(ctx, "", "Target.disposeBrowserContext",
                                                       std::move(params));
  }
  static asio::awaitable<void> perform(Context& ctx, NativeInteractor* self, Action action,
                                       Duration limit, Result<ActionResult>* out) {
    Context step = ctx.with_timeout(limit, "step " + action.kind);
    *out = co_await world_->interactor->perform(step, *self->tab_, std::move(action));
  }

  /// One action; `args` is JSON, or the short form for act and goto.
  Result<ActionResult> act(const std::string& kind, const json::object& args,
                           Duration limit = std::chrono::seconds(4)) {
    Result<ActionResult> out = fail(Errc::internal, "not run");
    const Action action{kind, args};
    world_->run([&](Context& ctx) { return perform(ctx, this, action, limit, &out); });
    return out;
  }
  Result<ActionResult> act(const std::string& kind, const char* args,
                           Duration limit = std::chrono::seconds(4)) {
    return act(kind, json::parse(args).as_object(), limit);
  }
  Result<ActionResult> say(const std::string& instruction,
                           Duration limit = std::chrono::seconds(4)) {
    return act("act", json::object{{"instruction", instruction}}, limit);
  }
  void page(const std::string& html) {
    world_->pages.html["/p"] = html;
    const auto opened = act("goto", json::object{{"url", world_->url("/p")}});
    ASSERT_TRUE(opened) << opened.error().describe();
  }
  /// Value of an expression in the page, as JSON text.
  std::string value(const std::string& expression) {
    const auto result = act("evaluate", json::object{{"expression", expression}});
    return result ? json::serialize(result->output) : result.error().describe();
  }
  /// `ok: changed`, or the error's code.
  static std::string outcome(const Result<ActionResult>& result) {
    return result ? "ok: " + result->changed : std::string(to_string(result.error().code));
  }

  static World* world_;
  std::string context_id_;
  std::unique_ptr<TestSession> session_;
  std::unique_ptr<Tab> tab_;
};
World* NativeInteractor::world_ = nullptr;

TEST_F(NativeInteractor, ClicksAButtonWithATrustedEvent) {
  page("<button id=b onclick='window.t=event.isTrusted;this.textContent=1'>Go</button>");

  EXPECT_EQ(outcome(act("click", R"({"selector": "#b"})")), "ok: dom");
  EXPECT_EQ(value("window.t"), "true");
}

TEST_F(NativeInteractor, WaitsForALateButton) {
  page(
      "<script>setTimeout(()=>document.body.innerHTML='<button "
      "onclick=\"window.c=1\">Late</button>',400)</script>");

  EXPECT_EQ(outcome(act("click", R"({"role": "button", "name": "late"})")), "ok: focus");
  EXPECT_EQ(value("window.c"), "1");
}

TEST_F(NativeInteractor, SaysWhatCoversAButton) {
  page("<button id=b>Go</button><div id=cover style='position:fixed;inset:0'></div>");

  const auto result = act("click", R"({"selector": "#b"})", std::chrono::milliseconds(700));

  EXPECT_EQ(outcome(result), "not_actionable");
  EXPECT_NE(result.error().message.find("covered by <div#cover>"), std::string::npos)
      << result.error().message;
}

TEST_F(NativeInteractor, ClicksAVisiblePointWhenTheCentreIsCovered) {
  page(
      "<style>*{margin:0}button{position:absolute;left:0;top:0;width:100px;height:40px}"
      "i{position:absolute;left:30px;top:0;width:40px;height:40px}</style>"
      "<button onclick='window.c=1'>Go</button><i></i>");

  EXPECT_EQ(outcome(act("click", R"({"selector": "button"})")), "ok: focus");
  EXPECT_EQ(value("window.c"), "1");
}

TEST_F(NativeInteractor, WaitsUntilAButtonIsEnabled) {
  page(
      "<button disabled onclick='window.c=1'>Go</button>"
      "<script>setTimeout(()=>document.querySelector('button').disabled=false,300)</script>");

  EXPECT_EQ(outcome(act("click", R"({"text": "Go"})")), "ok: focus");
  EXPECT_EQ(value("window.c"), "1");
}

TEST_F(NativeInteractor, RefusesDisabledHiddenAndMissingElements) {
  page("<button id=a disabled>A</button><button id=b style='display:none'>B</button>");
  const auto limit = std::chrono::milliseconds(500);

  const auto disabled = act("click", R"({"selector": "#a"})", limit);
  const auto hidden = act("click", R"({"selector": "#b"})", limit);
  const auto missing = act("click", R"({"role": "button", "name": "C"})", limit);

  EXPECT_EQ(outcome(disabled), "not_actionable");
  EXPECT_NE(disabled.error().message.find("is disabled"), std::string::npos);
  EXPECT_EQ(outcome(hidden), "not_actionable");
  EXPECT_NE(hidden.error().message.find("not visible"), std::string::npos);
  EXPECT_EQ(outcome(missing), "target_not_found");
  EXPECT_NE(missing.error().message.find("button \"A\""), std::string::npos)
      << missing.error().message;
}

TEST_F(NativeInteractor, WaitsUntilAButtonStandsStill) {
  page(
      "<style>button{position:absolute;animation:m .5s linear}@keyframes "
      "m{from{left:0}to{left:600px}}"
      "button{left:600px}</style><button onclick='window.c=1'>Go</button>");

  EXPECT_EQ(outcome(act("click", R"({"selector": "button"})")), "ok: focus");
  EXPECT_EQ(value("window.c"), "1");
}

TEST_F(NativeInteractor, StopsAPressThatWouldHitSomethingElse) {
  page(
      "<style>*{margin:0}#a,#b{position:absolute;left:0;top:0;width:90px;height:30px}#b{display:"
      "none}</style>"
      "<button id=a onclick='window.a=1' onmouseenter=\"b.style.display='block';"
      "setTimeout(()=>b.remove(),200)\">A</button><button id=b onclick='window.b=1'>B</button>");

  EXPECT_EQ(act("click", R"({"selector": "#a"})")->detail, "clicked <button#a> \"A\"");
  EXPECT_EQ(value("[window.a,window.b]"), "[1,null]");
}

TEST_F(NativeInteractor, ReachesShadowRootsAndFrames) {
  world_->pages.html["/inner"] = "<button onclick='parent.f=event.isTrusted'>Inside</button>";
  page(
      "<x-y></x-y><iframe src=/inner style='margin:50px;border:9px solid'></iframe><script>"
      "document.querySelector('x-y').attachShadow({mode:'open'}).innerHTML="
      "'<input placeholder=Deep><button onclick=\"window.s=1\">Shadow</button>'</script>");

  EXPECT_EQ(outcome(act("click", R"({"role": "button", "name": "Shadow"})")), "ok: focus");
  EXPECT_EQ(outcome(act("fill", R"({"placeholder": "Deep", "value": "abc"})")), "ok: value");
  EXPECT_EQ(outcome(act("click", R"({"selector": "iframe >> text=Inside"})")), "ok: focus");
  EXPECT_EQ(value("[window.s,window.f,document.querySelector('x-y').shadowRoot.querySelector('"
                  "input').value]"),
            R"([1,true,"abc"])");
}

TEST_F(NativeInteractor, AnswersDialogs) {
  page("<button onclick=\"alert('Hello');window.r=confirm('Sure?')\">Go</button>");

  const auto result = act("click", R"({"selector": "button"})");

  EXPECT_EQ(outcome(result), "ok: dialog");
  EXPECT_EQ(value("window.r"), "false");
}

TEST_F(NativeInteractor, FillsAllKindsOfFields) {
  page(
      "<label>Name <input id=n value=old></label><textarea id=t></textarea><input id=d type=date>"
      "<div id=c contenteditable>x</div><input id=k type=checkbox><input id=m maxlength=2>"
      "<script>window.e=[];n.addEventListener('input',e=>window.e.push(e.isTrusted))</script>");

  EXPECT_EQ(outcome(act("fill", R"({"label": "Name", "value": "Ada é"})")), "ok: value");
  EXPECT_EQ(outcome(act("fill", R"({"selector": "#t", "value": "a\nb"})")), "ok: value");
  EXPECT_EQ(outcome(act("fill", R"({"selector": "#d", "value": "2024-05-06"})")), "ok: value");
  EXPECT_EQ(outcome(act("fill", R"({"selector": "#c", "value": "rich"})")), "ok: value");
  EXPECT_EQ(outcome(act("fill", R"({"selector": "#k", "value": true})")), "ok: value");
  EXPECT_EQ(value("[n.value,t.value,d.value,c.innerText,k.checked,window.e]"),
            R"(["Ada é","a\nb","2024-05-06","rich",true,[true]])");
  EXPECT_EQ(outcome(act("fill", R"({"selector": "#n", "value": ""})")), "ok: value");
  EXPECT_EQ(value("n.value"), "\"\"");
}

TEST_F(NativeInteractor, SaysWhenAFieldDoesNotTakeAText) {
  page("<input id=n><p id=p>text</p><script>n.oninput=()=>{n.value='fixed'}</script>");

  const auto refused = act("fill", R"({"selector": "#n", "value": "abc"})");

  EXPECT_EQ(outcome(refused), "not_actionable");
  EXPECT_NE(refused.error().message.find("holds \"fixed\" instead of \"abc\""), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(outcome(act("fill", R"({"selector": "#p", "value": "abc"})")), "not_actionable");
}

TEST_F(NativeInteractor, SelectsOptions) {
  page(
      "<select id=s><option>Red<option value=b>Blue</select><select id=m "
      "multiple><option>1<option>2<option>3</select>");

  EXPECT_EQ(outcome(act("select", R"({"selector": "#s", "value": "Blue"})")), "ok: value");
  EXPECT_EQ(outcome(act("select", R"({"selector": "#m", "value": ["1", "3"]})")), "ok: value");
  EXPECT_EQ(value("[s.value,[...m.selectedOptions].map(o=>o.text)]"), R"(["b",["1","3"]])");
  const auto missing =
      act("select", R"({"selector": "#s", "value": "Green"})", std::chrono::milliseconds(500));
  EXPECT_EQ(outcome(missing), "target_not_found");
  EXPECT_NE(missing.error().message.find("there are: Red; Blue"), std::string::npos);
}

TEST_F(NativeInteractor, SubmitsAFormAndWaitsForTheNextPage) {
  world_->pages.html["/next"] = "<h1>Next</h1>";
  page("<form action=/next><input name=q></form>");

  const auto result = act("fill", R"({"selector": "input", "value": "x", "submit": true})");

  EXPECT_EQ(outcome(result), "ok: url");
  EXPECT_EQ(value("document.querySelector('h1').textContent"), "\"Next\"");
}

TEST_F(NativeInteractor, PressesKeysHoversAndScrolls) {
  page(
      "<style>body{height:5000px}</style><input id=i value=abc><p id=p "
      "onmouseover='window.h=1'>P</p>"
      "<script>window.k=[];onkeydown=e=>window.k.push(e.key+e.code)</script>");

  EXPECT_EQ(outcome(act("press", R"({"key": "Backspace", "selector": "#i", "count": 2})")),
            "ok: value");
  EXPECT_EQ(outcome(act("hover", R"({"selector": "#p"})")), "ok: nothing");
  const auto scrolled = act("scroll", R"({"to": "bottom"})");
  EXPECT_EQ(scrolled->output.at("moved"), json::value(true));
  EXPECT_EQ(scrolled->output.at("at_end"), json::value(true));
  EXPECT_EQ(outcome(act("scroll", R"({"to": "bottom"})")), "ok: nothing");
  EXPECT_EQ(value("[i.value.length,window.h,window.k[0],scrollY>4000]"),
            R"([1,1,"BackspaceBackspace",true])");
}

TEST_F(NativeInteractor, ActsOnPlainSentences) {
  page(
      "<h1>Search</h1><input placeholder='Search videos' type=search><button>Search</button>"
      "<label><input type=checkbox id=k> I agree</label><select "
      "id=s><option>Red<option>Blue</select>"
      "<table><tr><td>Anna<td><button onclick='window.r=\"Anna\"'>Reply</button>"
      "<tr><td>Bob<td><button onclick='window.r=\"Bob\"'>Reply</button></table>");

  EXPECT_EQ(outcome(say("type jazz into the search box and press Enter")), "ok: value");
  EXPECT_EQ(outcome(say("check the box I agree, then select Blue")), "ok: value");
  EXPECT_EQ(outcome(say("click the Reply button in the row of Bob")), "ok: focus");
  EXPECT_EQ(value("[document.querySelector('input').value,k.checked,s.value,window.r]"),
            R"(["jazz",true,"Blue","Bob"])");
}

TEST_F(NativeInteractor, ActNeverClicksWhenItIsNotSure) {
  page("<button onclick='window.c=1'>Reply</button><button onclick='window.c=2'>Reply</button>");

  const auto unsure = say("click Reply", std::chrono::milliseconds(1200));
  const auto absent = say("click the Delete button", std::chrono::milliseconds(600));
  const auto half = say("click the Forward button and then click the 2nd Reply button",
                        std::chrono::milliseconds(600));

  EXPECT_EQ(outcome(unsure), "target_ambiguous");
  EXPECT_EQ(outcome(absent), "target_not_found");
  EXPECT_NE(absent.error().message.find("button \"Reply\""), std::string::npos)
      << absent.error().message;
  EXPECT_EQ(half.error().message.substr(0, 12), "part 1 of 2 ");
  EXPECT_EQ(value("window.c"), "null");
}

TEST_F(NativeInteractor, AcceptsCookiesAndForgivesOptionalOnes) {
  page(
      "<div id=d role=dialog>We use cookies <button onclick='d.remove()'>Accept all</button>"
      "<button>Settings</button></div><p>Page</p>");

  EXPECT_EQ(outcome(say("accept the cookies")), "ok: dom");
  EXPECT_EQ(value("document.querySelector('#d')"), "null");
  const auto skipped = act("act", R"({"instruction": "accept the cookies", "optional": true})");
  EXPECT_EQ(outcome(skipped), "ok: nothing");
}

TEST_F(NativeInteractor, ExtractsBySelector) {
  page(
      "<ul><li class=v><a href=/1>One</a> <b>1.2K views</b> <i>4:14</i></li>"
      "<li class=v><a href=/2>Two</a> <b>39 views</b> <i>LIVE</i></li></ul>");

  const auto result = act("extract", R"({"items": "li.v", "fields": {"title": {"selector": "a"},
      "url": {"selector": "a", "type": "url"}, "views": {"selector": "b", "type": "count"},
      "duration": {"selector": "i", "type": "duration"}}})");

  ASSERT_TRUE(result) << result.error().describe();
  const std::string base = world_->url("");
  EXPECT_EQ(json::serialize(result->output),
            R"([{"title":"One","url":")" + base + R"(/1","views":1200,"duration":254},)" +
                R"({"title":"Two","url":")" + base + R"(/2","views":39,"duration":null}])");
}

TEST_F(NativeInteractor, ExtractsByLabelWithoutSelectors) {
  page(
      "<h1>Metropolis</h1><dl><dt>Year<dd>1927</dl><table><tr><th>Director<td>Fritz Lang</table>"
      "<p>Length: 2:33:00</p><label>Seats <input value=42></label>");

  const auto result = act("extract", R"({"fields": {"title": "string", "year": "integer",
      "director": "string", "length": "duration", "seats": "integer"}})");

  ASSERT_TRUE(result) << result.error().describe();
  EXPECT_EQ(
      json::serialize(result->output),
      R"({"title":"Metropolis","year":1927,"director":"Fritz Lang","length":9180,"seats":42})");
}

TEST_F(NativeInteractor, ExtractsTablesAndRepeatedCards) {
  page(
      "<table><thead><tr><th>Product "
      "Name<th>Price<tbody><tr><td>Pen<td>$1.50<tr><td>Ink<td>$12</table>"
      "<div><article><h3>A</h3><span class=author>X</span></article><article><h3>B</h3>"
      "<span class=author>Y</span></article><article><h3>C</h3><span "
      "class=author>Z</span></article></div>");

  const auto table =
      act("extract", R"({"list": true, "fields": {"product_name": "string", "price": "price"}})");
  const auto cards = act(
      "extract", R"({"list": true, "min": 3, "fields": {"title": "string", "author": "string"}})");

  ASSERT_TRUE(table) << table.error().describe();
  EXPECT_EQ(json::serialize(table->output),
            R"([{"product_name":"Pen","price":1.5E0},{"product_name":"Ink","price":1.2E1}])");
  ASSERT_TRUE(cards) << cards.error().describe();
  EXPECT_EQ(
      json::serialize(cards->output),
      R"([{"title":"A","author":"X"},{"title":"B","author":"Y"},{"title":"C","author":"Z"}])");
}

TEST_F(NativeInteractor, ExtractionNamesWhatIsMissing) {
  page("<p>nothing</p>");

  const auto few = act("extract", R"({"items": ".x", "min": 2, "fields": {"a": "string"}})",
                       std::chrono::milliseconds(500));
  const auto wrong = act("extract", R"({"fields": {"a": {"selector": "p", "type": "integer"}}})");
  const auto selector = act("extract", R"({"items": "li[", "fields": {"a": "string"}})");

  EXPECT_EQ(few.error().message, "extract: 0 items found, min is 2");
  EXPECT_EQ(wrong.error().message, "field a: \"nothing\" is no integer");
  EXPECT_EQ(outcome(selector), "invalid_argument");
}

TEST_F(NativeInteractor, ObservesWithSelectorsThatWorkAgain) {
  page(
      "<button data-testid=go onclick='window.c=1'>Go</button><input aria-label=Name><a "
      "href=/x>X</a>");

  const auto all = act("observe", "{}");

  ASSERT_TRUE(all) << all.error().describe();
  ASSERT_EQ(all->output.get_array().size(), 3u);
  EXPECT_EQ(all->output.at(0).at("selector"), json::value("[data-testid=\"go\"]"));
  EXPECT_EQ(all->output.at(1).at("kind"), json::value("fill"));
  EXPECT_EQ(all->output.at(2).at("selector"), json::value("role=link[name=\"X\"]"));
}

TEST_F(NativeInteractor, DownloadsByClickAndByUrl) {
  page("<a href=/file.bin>Get it</a>");

  const auto clicked = act("download", R"({"text": "Get it"})");
  const auto direct =
      act("download", json::object{{"url", world_->url("/file.bin")}, {"name", "../x.bin"}});
  const auto large = act("download", R"({"text": "Get it", "bytes_max": 10})");

  ASSERT_TRUE(clicked) << clicked.error().describe();
  EXPECT_EQ(clicked->output.at("bytes"), json::value(1000));
  EXPECT_TRUE(std::string(clicked->output.at("path").as_string()).ends_with("artifacts/data.bin"));
  EXPECT_EQ(direct->output.at("name"), json::value("x.bin"));
  EXPECT_EQ(outcome(large), "payload_too_large");
}

TEST_F(NativeInteractor, UploadsFiles) {
  page("<label for=f>Photo</label><input id=f type=file style='display:none'>");
  const std::string path = world_->dir + "/up.txt";
  std::ofstream(path) << "hello";

  EXPECT_EQ(outcome(act("upload", json::object{{"label", "Photo"}, {"files", path}})), "ok: value");
  EXPECT_EQ(value("f.files[0].text()"), "\"hello\"");
  EXPECT_EQ(outcome(act("upload", R"({"label": "Photo", "files": "/no/such"})")), "not_found");
}

TEST_F(NativeInteractor, SavesPictures) {
  page(
      "<style>*{margin:0}#p{width:50px;height:20px;background:red}body{height:2000px}</style><div "
      "id=p></div>");

  const auto view = act("screenshot", R"({"name": "view"})");
  const auto part = act("screenshot", R"({"name": "part", "selector": "#p"})");
  const auto whole = act("screenshot", R"({"name": "whole", "full_page": true})");

  ASSERT_TRUE(view) << view.error().describe();
  EXPECT_EQ(view->output.at("height"), json::value(720));
  EXPECT_EQ(part->output.at("width"), json::value(50));
  EXPECT_EQ(part->output.at("height"), json::value(20));
  EXPECT_EQ(whole->output.at("height"), json::value(2000));
}

TEST_F(NativeInteractor, TellsNavigationFailures) {
  const auto refused = act("goto", R"({"url": "http://127.0.0.1:1/"})");
  const auto unknown = act("goto", R"({"url": "http://no.such.host.invalid/"})");
  const auto broken = act("goto", json::object{{"url", world_->url("/broken")}});
  const auto allowed = act(
      "goto", json::object{{"url", world_->url("/broken")}, {"allow_status", json::array{500}}});
  const auto relative = act("goto", R"({"url": "nothing"})");

  EXPECT_NE(outcome(refused).substr(0, 2), "ok");
  EXPECT_EQ(outcome(unknown), "dns_error");
  EXPECT_EQ(outcome(broken), "http_error");
  EXPECT_EQ(outcome(allowed), "ok: url");
  EXPECT_EQ(outcome(relative), "http_error");  // resolved against the page: a 404
}

TEST_F(NativeInteractor, ARefusedPortIsANetworkErrorOnTheFirstGoto) {
  const std::string gone =
      "http://127.0.0.1:" + std::to_string(world_->server->port() == 40001 ? 40002 : 40001);

  EXPECT_EQ(outcome(act("goto", json::object{{"url", gone}})), "network_error");
}

TEST_F(NativeInteractor, SaysThatAHungPageDoesNotAnswer) {
  page("<button onclick='for(;;);'>Hang</button>");
  (void)act("click", R"({"selector": "button"})", std::chrono::milliseconds(500));

  const auto result = act("click", R"({"selector": "button"})", std::chrono::milliseconds(500));

  EXPECT_EQ(outcome(result), "timeout");
  EXPECT_EQ(result.error().hint, "the page's main thread does not answer");
}

// The browser does nearly all the work of a session: each command costs.
TEST_F(NativeInteractor, SendsFewCommands) {
  const auto commands = [] { return world_->chromium->connection().counters().commands; };
  const auto cost = [&](const char* kind, const char* args) {
    const auto before = commands();
    EXPECT_EQ(outcome(act(kind, args)).substr(0, 2), "ok") << kind;
    return commands() - before;
  };
  const auto start = commands();
  page("<input id=i><button id=b>Go</button>");

  EXPECT_EQ(commands() - start, 4u) << "create and attach the target, enable, wait";
  EXPECT_EQ(cost("fill", R"({"selector": "#i", "value": "x"})"), 4u) << "world, find, type, check";
  EXPECT_EQ(cost("click", R"({"selector": "#b"})"), 5u) << "find, move, press, release, check";
  EXPECT_EQ(cost("extract", R"({"fields": {"b": {"selector": "#b"}}})"), 1u);
  EXPECT_EQ(cost("act", R"({"instruction": "click Go"})"), 6u) << "snapshot, and a click";
}

TEST_F(NativeInteractor, WaitsForConditions) {
  page(
      "<p "
      "id=p>a</p><script>setTimeout(()=>{window.ready=1;location.hash='done';p.remove()},200)</"
      "script>");

  EXPECT_EQ(outcome(act("wait_for", R"({"expression": "window.ready"})")), "ok: nothing");
  EXPECT_EQ(outcome(act("wait_for", R"({"url": "#done"})")), "ok: nothing");
  EXPECT_EQ(outcome(act("wait_for", R"({"selector": "#p", "state": "detached"})")), "ok: nothing");
  const auto never = act("wait_for", R"({"selector": "#never"})", std::chrono::milliseconds(400));
  EXPECT_EQ(outcome(never), "target_not_found");
}

}  // namespace
}  // namespace troupe::interact
