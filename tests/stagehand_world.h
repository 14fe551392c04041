// Pages and a model for tests of the interactor `stagehand`, with the real extension of npm.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "binary.h"
#include "net/http_server.h"
#include "server_thread.h"
#include "service.h"
#include "services/stagehand_extension.h"
#include "services/testing_models.h"
#include "services/testing_stagehand_scenario.h"
#include "sessions/chromium.h"

namespace troupe::e2e {

using std::chrono::seconds;

inline std::string extension_folder() {
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

// Each kind of step, on every interactor with the same outcome.
constexpr const char* kOrderWorkflow = R"(
workflow: order
steps:
  - goto: "BASE/order"
  - wait_for: "#plan"
  - fill: {label: Name, value: Bob}
  - press: {key: End, label: Name}
  - act: type Ada into Name and select Pro from Plan
  - click: {label: Newsletter}
  - act: uncheck Newsletter
  - act: check Newsletter
  - act: check Newsletter
  - select: {label: Plan, value: Free}
  - act: {instruction: "select %plan% from Plan", variables: {plan: Pro}}
  - hover: {role: button, name: Order}
  - observe: the Order button
    save_as: seen
  - act: {action: "{{ seen[0] }}"}
  - wait_for: {text: Thanks Ada}
  - act: {instruction: click the Gift button, optional: true}
  - extract: {fields: {price: price, length: duration}}
    save_as: offer
  - extract: {list: true, fields: {product: string, views: count}}
    save_as: products
  - extract: {fields: {said: {selector: "#said"}, title: {selector: h1}}}
    save_as: told
  - goto: "BASE/traps"
  - act: click Late
  - act: click Fresh
  - act: click Never
    timeout: 2s
    on_error: continue
  - extract: {fields: {log: {selector: "#log"}}}
    save_as: trapped
  - act: go back
  - wait_for: {url: /order}
output:
  offer: "{{ offer }}"
  products: "{{ products }}"
  said: "{{ told.said }}"
  title: "{{ told.title }}"
  trapped: "{{ trapped.log }}"
)";
constexpr const char* kOrderOutput =
    R"({"offer":{"price":1.2505E3,"length":5844},)"
    R"("products":[{"product":"Pen","views":1200000},{"product":"Ink","views":39000}],)"
    R"("said":"Thanks Ada, Pro, true","title":"Your order","trapped":"late fresh"})";

// Pages over HTTP (extensions do not reach others), and a model that says what the test wants.
class World final : public ServerThread {
 public:
  World() { start(); }
  ~World() override { stop(); }

  std::string url(const std::string& path) {
    return on_thread([&] { return "http://127.0.0.1:" + std::to_string(pages_->port()) + path; });
  }
  std::string model() {
    return on_thread([this] { return "openai-chat/test@" + models_->url() + "/v1"; });
  }
  void let_model_say(std::string text) {
    on_thread([&] { return models_->say(std::move(text)), true; });
  }
  /// As a model would: the element whose line in the page's tree has these words.
  void let_model_choose(std::string words) {
    on_thread([&] {
      models_->answer_with([words](const json::object& body) {
        const std::string text = json::serialize(body);
        const auto line = text.find(words);
        const auto begin = text.rfind('[', line) + 1;
        if (line == std::string::npos) return std::string(R"({"action":null,"twoStep":false})");
        return R"({"action":{"elementId":")" + text.substr(begin, text.find(']', begin) - begin) +
               R"(","description":"what was meant","method":"click","arguments":[]},)" +
               R"("twoStep":false})";
      });
      return true;
    });
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
    if (request.path == "/stage") response.body = services::stagehand_stage_page();
    if (response.body.empty()) response.status = 404;
    co_return response;
  }
  asio::awaitable<void> begin(Context&) override {
    auto handler = [](Context&, net::HttpRequest request) { return answer(std::move(request)); };
    pages_ = net::HttpServer::start(executor(), clock(), {}, handler).value();
    models_ = services::FakeModels::start(executor(), clock());
    co_return;
  }
  asio::awaitable<void> end(Context& ctx) override {
    (void)co_await models_->stop(ctx);
    (void)co_await pages_->stop(ctx);
  }

  std::unique_ptr<net::HttpServer> pages_;
  std::unique_ptr<services::FakeModels> models_;
};

/// With the address of the pages.
inline std::string at_pages(std::string text, World& world) {
  const std::string base = world.url("");
  for (auto at = text.find("BASE"); at != std::string::npos; at = text.find("BASE"))
    text.replace(at, 4, base);
  return text;
}

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
    return scratch_.write("workflow.yaml", at_pages(text, *world_));
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

// A browser that the extension may dial.
inline Async<std::unique_ptr<sessions::Chromium>> launch(Context& ctx, std::string dir) {
  const auto extension = services::read_stagehand(extension_folder());
  sessions::ChromiumOptions options{.browser = sessions::find_full_browser("")->path,
                                    .browsers_dir = dir,
                                    .listening = true,
                                    .driver_folder = extension->folder};
  co_return co_await sessions::Chromium::launch(ctx, std::move(options));
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

}  // namespace troupe::e2e
