// Interactor `stagehand`: the real extension of npm in a real, full Chromium, driven by the binary.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <future>

#include "binary.h"
#include "net/http_server.h"
#include "service.h"
#include "services/stagehand_calls.h"
#include "services/testing_models.h"
#include "sessions/chromium.h"

namespace troupe::e2e {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string extension_folder() {
  return std::string(TROUPE_SOURCE_DIR) + "/tests/clients/node_modules/@browserbasehq/stagehand";
}

constexpr const char* kOrder = R"html(<!doctype html><title>Shop</title>
<h1>Your order</h1>
<label>Name <input id=name></label>
<label>Plan <select id=plan><option>Free<option>Pro</select></label>
<label><input type=checkbox id=news> Newsletter</label>
<button onclick="said.textContent='Thanks '+document.getElementById('name').value+', '+plan.value+', '+
  document.getElementById('news').checked">Order</button><p id=said></p>
<dl><dt>Price<dd>$1,250.50<dt>Length<dd>1:37:24</dl>
<table><thead><tr><th>Product<th>Views<tbody><tr><td>Pen<td>1.2M<tr><td>Ink<td>39K</table>)html";

// Each trap notes in `log` what really happened to it.
constexpr const char* kTraps = R"html(<!doctype html><title>Traps</title>
<script>note = (what) => { log.textContent += what + ' '; };</script>
<p>Log: <span id=log></span></p>
<button id=late disabled onclick="note('late')">Late</button>
<div style="position:relative;width:200px;height:40px"><button onclick="note('below')">Below</button>
  <div id=cover style="position:absolute;inset:0;background:#eee"></div></div>
<button onclick="note('asked:' + confirm('Sure?'))">Ask</button>
<button id=colour aria-haspopup=listbox onclick="list.hidden=false">Colour</button>
<ul id=list role=listbox hidden><li role=option onclick="note('red')">Red</li>
  <li role=option onclick="note('blue')">Blue</li></ul>
<button disabled onclick="note('never')">Never</button>
<iframe srcdoc="<button onclick=&quot;parent.note('inside')&quot;>Inside</button>"></iframe>
<div id=host></div>
<script>
  host.attachShadow({mode: 'open'}).innerHTML =
    '<button onclick="note(\'shadow\')">Shadow</button>';
  setTimeout(() => { late.disabled = false; cover.remove(); }, 700);
  setTimeout(() => {
    const fresh = document.createElement('button');
    fresh.textContent = 'Fresh';
    fresh.onclick = () => note('fresh');
    document.body.append(fresh);
  }, 1400);
</script>)html";

// Pages over HTTP (extensions do not reach others), and a model that says what the test wants.
class World final {
 public:
  World() : thread_([this] { work(); }) { ready_.get_future().wait(); }
  ~World() {
    asio::post(io_, [this] { end_.set(); });
    thread_.join();
  }

  template <class Work>
  auto on_thread(Work work) {
    std::promise<decltype(work())> result;
    asio::post(io_, [&] { result.set_value(work()); });
    return result.get_future().get();
  }
  std::string url(const std::string& path) {
    return on_thread([&] { return "http://127.0.0.1:" + std::to_string(pages_->port()) + path; });
  }
  std::string model() {
    return on_thread([this] { return "openai-chat/test@" + models_->url() + "/v1"; });
  }
  void let_model_say(std::string text) {
    on_thread([&] { return models_->say(std::move(text)), true; });
  }
  std::vector<std::string> asked() {
    return on_thread([this] {
      std::vector<std::string> bodies;
      for (const auto& request : models_->requests())
        bodies.push_back(json::serialize(request.body));
      return bodies;
    });
  }

 private:
  static asio::awaitable<net::HttpResponse> answer(net::HttpRequest request) {
    net::HttpResponse response{.content_type = "text/html; charset=utf-8"};
    if (request.path == "/order") response.body = kOrder;
    if (request.path == "/traps") response.body = kTraps;
    if (response.body.empty()) response.status = 404;
    co_return response;
  }
  static asio::awaitable<void> serve(World& self) {
    Context ctx(*self.clock_, self.io_.get_executor());
    auto handler = [](Context&, net::HttpRequest request) { return answer(std::move(request)); };
    self.pages_ =
        net::HttpServer::start(self.io_.get_executor(), *self.clock_, {}, handler).value();
    self.models_ = services::FakeModels::start(self.io_.get_executor(), *self.clock_);
    self.ready_.set_value();
    (void)co_await self.end_.wait(ctx);
    Context cleanup = ctx.with_timeout(seconds(5), "end");
    (void)co_await self.models_->stop(cleanup);
    (void)co_await self.pages_->stop(cleanup);
  }
  void work() {
    scope_.spawn("world", serve(*this));
    io_.run();
  }

  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  Scope scope_{io_.get_executor()};
  Event end_;
  std::promise<void> ready_;
  std::unique_ptr<net::HttpServer> pages_;
  std::unique_ptr<services::FakeModels> models_;
  std::thread thread_;
};

class StagehandRuntimeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!services::read_stagehand(extension_folder()))
      GTEST_SKIP() << "NO STAGEHAND IN tests/clients/node_modules: its runtime was not tested";
    if (!sessions::find_full_browser(""))
      GTEST_SKIP() << "NO FULL CHROMIUM IS INSTALLED: Stagehand's runtime was not tested";
    world_ = std::make_unique<World>();
  }
  std::string write(const std::string& text) {
    std::string whole = text;
    const std::string base = world_->url("");
    for (auto at = whole.find("BASE"); at != std::string::npos; at = whole.find("BASE"))
      whole.replace(at, 4, base);
    return scratch_.write("workflow.yaml", whole);
  }
  std::map<std::string, std::string> environment(bool model = false) {
    std::map<std::string, std::string> out{{"TROUPE_STAGEHAND_FOLDER", extension_folder()},
                                           {"TROUPE_LOG_LEVEL", "debug"},
                                           {"TROUPE_STEP_TIMEOUT", "60s"}};
    if (!model) return out;
    out["TROUPE_MODELS"] = world_->model();
    out["TROUPE_MODEL_KEYS"] = "127.0.0.1=sk-of-the-test";
    return out;
  }
  json::value run(const std::string& workflow, std::vector<std::string> more, bool model = false) {
    std::vector<std::string> arguments{"run", workflow, "--json", "--attempts", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Binary troupe(scratch_, std::move(arguments), environment(model));
    troupe.wait(seconds(120));
    log_ = troupe.err();
    return parsed(troupe.out());
  }

  const Scratch scratch_;
  std::unique_ptr<World> world_;
  std::string log_;
};

constexpr const char* kOrderWorkflow = R"(
workflow: order
steps:
  - goto: "BASE/order"
  - act: type Ada into Name and select Pro from Plan
  - act: check Newsletter
  - act: check Newsletter
  - observe: the Order button
    save_as: seen
  - act: {action: "{{ seen[0] }}"}
  - act: {instruction: click the Gift button, optional: true}
  - extract: {fields: {price: price, length: duration}}
    save_as: offer
  - extract: {list: true, fields: {product: string, views: count}}
    save_as: products
  - evaluate: said.textContent
    save_as: said
output:
  offer: "{{ offer }}"
  products: "{{ products }}"
  said: "{{ said }}"
)";

TEST_F(StagehandRuntimeTest, GivesTheSameResultsAsTheNativeInteractor) {
  const std::string workflow = write(kOrderWorkflow);
  const json::value remote = run(workflow, {"--interactor", "stagehand"});
  ASSERT_EQ(remote.at("state"), "succeeded") << log_;
  const json::value native = run(workflow, {});
  ASSERT_EQ(native.at("state"), "succeeded") << log_;
  const json::value& output = remote.at("tasks").at(0).at("output");
  EXPECT_EQ(output, native.at("tasks").at(0).at("output"));
  EXPECT_EQ(output.at("said"), "Thanks Ada, Pro, true");
}

TEST_F(StagehandRuntimeTest, AsksTheConfiguredModelWhereTheRulesDoNotKnow) {
  world_->let_model_say(R"({"mood": "cheerful"})");
  const std::string workflow = write(R"(
workflow: mood
steps:
  - goto: "BASE/order"
  - extract: {instruction: the mood of the page, fields: {mood: string}}
    save_as: read
output: "{{ read }}"
)");
  const json::value result = run(workflow, {"--interactor", "stagehand"}, true);
  ASSERT_EQ(result.at("state"), "succeeded") << log_;
  EXPECT_EQ(result.at("tasks").at(0).at("output").at("mood"), "cheerful");
  const auto asked = world_->asked();
  ASSERT_EQ(asked.size(), 1u) << "the closing question is answered without a model";
  EXPECT_THAT(asked.front(), AllOf(HasSubstr("the mood of the page"), HasSubstr("heading: Your"),
                                   Not(HasSubstr("(call t"))));
  EXPECT_THAT(log_, AllOf(HasSubstr("stagehand.says"), Not(HasSubstr("sk-of-the-test"))));
}

TEST_F(StagehandRuntimeTest, WaitsForElementsAndNeverTellsASuccessThatWasNone) {
  const std::string workflow = write(R"(
workflow: traps
steps:
  - goto: "BASE/traps"
  - act: click Late
  - act: click Below
  - act: click Ask
  - act: select Blue from Colour
  - act: click Inside
  - act: click Shadow
  - act: click Fresh
  - act: click Never
    timeout: 2s
    on_error: continue
  - evaluate: log.textContent.trim()
    save_as: log
output: "{{ log }}"
)");
  const json::value result = run(workflow, {"--interactor", "stagehand"});
  ASSERT_EQ(result.at("state"), "succeeded") << log_;
  EXPECT_EQ(result.at("tasks").at(0).at("output"),
            "late below asked:false blue inside shadow fresh");
  EXPECT_THAT(log_, HasSubstr("Action: step.act, Status: ignored")) << "Never was pressed";
}

TEST_F(StagehandRuntimeTest, TellsWhyAPageDidNotOpen) {
  const std::string workflow = write("workflow: w\nsteps:\n  - goto: http://nowhere.invalid/\n");
  const json::value result = run(workflow, {"--interactor", "stagehand"});
  EXPECT_THAT(result.at("error").at("message").as_string(), HasSubstr("net::ERR_")) << log_;
  EXPECT_THAT(result.at("error").at("message").as_string(), HasSubstr("nowhere.invalid"));
}

TEST_F(StagehandRuntimeTest, KeepsSessionsApartInOneBrowser) {
  const std::string workflow = write(R"yaml(
workflow: apart
steps:
  - goto: "BASE/order"
  - evaluate: "localStorage.visits = 1 + Number(localStorage.visits || 0), document.cookie = 'visits=' + (document.cookie ? 2 : 1), 0"
  - act: "type {{ session.index }} into Name"
  - act: click Order
  - evaluate: "[said.textContent, localStorage.visits, document.cookie].join(' ')"
    save_as: told
output: "{{ told }}"
)yaml");
  const json::value result = run(workflow, {"--interactor", "stagehand", "--sessions", "16"});
  ASSERT_EQ(result.at("state"), "succeeded") << log_;
  std::set<std::string> told;
  for (const auto& task : result.at("tasks").as_array())
    told.insert(std::string(task.at("output").as_string()));
  std::set<std::string> wanted;
  for (int i = 0; i < 16; ++i)
    wanted.insert("Thanks " + std::to_string(i) + ", Free, false 1 visits=1");
  EXPECT_EQ(told, wanted);
}

// A browser that the extension may dial.
Async<std::unique_ptr<sessions::Chromium>> launch(Context& ctx, std::string dir) {
  const auto extension = services::read_stagehand(extension_folder());
  sessions::ChromiumOptions options{.browser = sessions::find_full_browser("")->path,
                                    .browsers_dir = dir,
                                    .listening = true,
                                    .driver_folder = extension->folder};
  co_return co_await sessions::Chromium::launch(ctx, std::move(options));
}

asio::awaitable<void> with_browser(Context& ctx, std::string dir,
                                   std::function<void(const std::string&)> use) {
  auto chromium = co_await launch(ctx, std::move(dir));
  EXPECT_TRUE(chromium) << chromium.error().describe();
  if (!chromium) co_return;
  use((*chromium)->endpoint());
  (void)co_await (*chromium)->close(ctx);
}

// A second debugger of the runtime's worker, which stops it at its next line.
asio::awaitable<bool> halt_worker(Context& ctx, cdp::Connection& connection) {
  json::object find_workers{{"filter", json::array{json::object{{"type", "service_worker"}}}}};
  const auto targets =
      co_await connection.call(ctx, "", "Target.getTargets", std::move(find_workers));
  if (!targets || targets->at("targetInfos").as_array().size() != 1) co_return false;
  const auto& worker = targets->at("targetInfos").as_array().front().as_object();
  json::object attach{{"targetId", worker.at("targetId")}, {"flatten", true}};
  const auto attached =
      co_await connection.call(ctx, "", "Target.attachToTarget", std::move(attach));
  if (!attached) co_return false;
  const std::string session(attached->at("sessionId").as_string());
  const json::object none;
  if (!co_await connection.call(ctx, session, "Debugger.enable", none)) co_return false;
  connection.post(session, "Runtime.evaluate", {{"expression", "debugger"}});
  co_return true;
}

asio::awaitable<void> recover(Context& ctx, std::string dir, std::string url) {
  const auto extension = services::read_stagehand(extension_folder());
  auto chromium = co_await launch(ctx, std::move(dir));
  EXPECT_TRUE(chromium) << chromium.error().describe();
  if (!chromium) co_return;
  cdp::Connection& connection = (*chromium)->connection();
  services::StagehandRuntimeOptions how{.folder = extension->folder,
                                        .endpoint = (*chromium)->endpoint(),
                                        .health_timeout = seconds(2)};
  auto runtime = std::make_shared<services::StagehandRuntime>(connection, std::move(how));
  const auto started = co_await runtime->ensure(ctx);
  EXPECT_TRUE(started) << started.error().describe();
  if (!started) co_return;
  auto page = co_await cdp::Page::open(ctx, connection, {.url = url});
  (void)co_await (*page)->wait_loaded(ctx, cdp::WaitUntil::load);

  // Its worker stands still from here on.
  EXPECT_TRUE(co_await halt_worker(ctx, connection));
  auto asking = services::stagehand::title((*page)->target_id());
  Context brief = ctx.with_timeout(seconds(1), "title");
  const auto answer = co_await services::stagehand_text(brief, *runtime, std::move(asking));
  EXPECT_EQ(answer.error().code, Errc::timeout);

  const auto again = co_await runtime->ensure(ctx);
  EXPECT_TRUE(again) << again.error().describe();
  EXPECT_EQ(runtime->starts(), 2);
  auto request = services::stagehand::title((*page)->target_id());
  const auto title = co_await services::stagehand_text(ctx, *runtime, std::move(request));
  EXPECT_TRUE(title) << title.error().describe();
  if (title) EXPECT_EQ(*title, "Shop");
  const auto gone = co_await runtime->close(ctx);
  EXPECT_TRUE(gone) << gone.error().describe();
  (void)co_await (*chromium)->close(ctx);
}

// Runs `body` on a loop of its own; false: it threw.
template <class Body>
bool in_loop(Body body) {
  asio::io_context io;
  const auto clock = make_real_clock(io.get_executor());
  const Context base(*clock, io.get_executor());
  Context ctx = base.with_timeout(seconds(100), "test");
  bool done = false;
  asio::co_spawn(io, body(ctx), [&](std::exception_ptr exception) { done = !exception; });
  io.run();
  return done;
}

TEST_F(StagehandRuntimeTest, IsLoadedAnewWithoutLosingThePage) {
  const std::string dir = scratch_.path() + "/browsers";
  const std::string url = world_->url("/order");
  EXPECT_TRUE(in_loop([&](Context& ctx) { return recover(ctx, dir, url); }));
}

TEST_F(StagehandRuntimeTest, WorksInABrowserThatTroupeDidNotStart) {
  const std::string dir = scratch_.path() + "/browsers";
  const std::string workflow = write(kOrderWorkflow);
  const auto use = [&](const std::string& endpoint) {
    for (int round = 0; round < 2; ++round) {  // the second finds the extension loaded
      const json::value result = run(workflow, {"--provider", "cdp", "--cdp-endpoints", endpoint,
                                                "--interactor", "stagehand", "--sessions", "2"});
      EXPECT_EQ(result.at("state"), "succeeded") << log_;
    }
  };
  EXPECT_TRUE(in_loop([&](Context& ctx) { return with_browser(ctx, dir, use); }));
}

TEST(StagehandCommand, TellsWhatIsMissingAndInstallsNothingUnchecked) {
  const Scratch scratch;
  Binary status(scratch, {"stagehand", "status"});
  EXPECT_NE(status.wait(), 0);
  EXPECT_THAT(status.err(), HasSubstr("troupe stagehand install"));
  const std::string archive = scratch.write("other.tgz", "not the archive");
  Binary wrong(scratch, {"stagehand", "install", archive});
  EXPECT_NE(wrong.wait(), 0);
  EXPECT_THAT(wrong.err(), HasSubstr("is not @browserbasehq/stagehand@4.4.0"));
  Binary no_npm(scratch, {"stagehand", "install"}, {{"PATH", scratch.path()}});
  EXPECT_NE(no_npm.wait(), 0);
  EXPECT_THAT(no_npm.err(), HasSubstr("npm: is not installed"));
  EXPECT_FALSE(fs::exists(scratch.path() + "/data/stagehand/4.4.0"));
  const std::string workflow =
      scratch.write("w.yaml", "workflow: w\nsteps:\n  - goto: about:blank");
  Binary run(scratch, {"run", workflow, "--interactor", "stagehand", "--json"});
  EXPECT_NE(run.wait(), 0);
  EXPECT_THAT(run.out(), HasSubstr("not_found"));
}

}  // namespace
}  // namespace troupe::e2e
