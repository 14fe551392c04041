// A real browser with pages that a server in this process gives, for the native interactor's tests.
// Each suite starts one browser; each test has a context of its own. Tests only.
#pragma once

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
  std::vector<std::string> flags;  ///< More ones for the browser.
  std::string dir =
      (fs::temp_directory_path() / ("troupe-native-" + std::to_string(getpid()))).string();
  Pages pages;
  std::unique_ptr<net::HttpServer> server;
  std::unique_ptr<net::HttpServer> other;  ///< Same pages, another origin.
  std::unique_ptr<sessions::Chromium> chromium;
  std::unique_ptr<Interactor> interactor = make_native_interactor();

  std::string url(const std::string& path) {
    return "http://127.0.0.1:" + std::to_string(server->port()) + path;
  }
  std::string other_url(const std::string& path) {
    return "http://127.0.0.1:" + std::to_string(other->port()) + path;
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

inline asio::awaitable<void> start_world(Context& ctx, World& world) {
  const sessions::ChromiumOptions options{.browsers_dir = world.dir + "/browsers",
                                          .extra_flags = world.flags};
  auto chromium = co_await sessions::Chromium::launch(ctx, options);
  if (chromium)
    world.chromium = std::move(*chromium);
  else
    ADD_FAILURE() << chromium.error().describe();
}

inline asio::awaitable<void> end_world(Context& ctx, World& world) {
  if (world.chromium) (void)co_await world.chromium->close(ctx);
  if (world.server) (void)co_await world.server->stop(ctx);
  if (world.other) (void)co_await world.other->stop(ctx);
}

class NativeInteractorFixture : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { start({}); }
  static void start(std::vector<std::string> flags) {
    if (!sessions::find_browser("")) return;
    world_ = new World;
    world_->flags = std::move(flags);
    Pages* pages = &world_->pages;
    auto handler = [pages](Context&, net::HttpRequest request) {
      return Pages::answer(pages, std::move(request));
    };
    auto server = net::HttpServer::start(world_->io.get_executor(), *world_->clock, {}, handler);
    ASSERT_TRUE(server) << server.error().describe();
    world_->server = std::move(*server);
    auto other = net::HttpServer::start(world_->io.get_executor(), *world_->clock, {}, handler);
    ASSERT_TRUE(other) << other.error().describe();
    world_->other = std::move(*other);
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
  static asio::awaitable<void> open(Context& ctx, NativeInteractorFixture* self) {
    auto& connection = world_->chromium->connection();
    auto context = co_await connection.call(ctx, "", "Target.createBrowserContext");
    self->context_id_ = std::string(find_string(*context, "browserContextId").value_or(""));
    self->session_ = std::make_unique<TestSession>(connection, self->context_id_, world_->dir);
    InteractOptions options{.artifacts_dir = world_->dir + "/artifacts"};
    auto tab = co_await world_->interactor->open(ctx, *self->session_, options);
    self->tab_ = std::move(*tab);
  }
  static asio::awaitable<void> close(Context& ctx, NativeInteractorFixture* self) {
    auto tab = std::move(self->tab_);
    (void)co_await world_->interactor->close(ctx, std::move(tab), false);
    json::object params{{"browserContextId", self->context_id_}};
    (void)co_await world_->chromium->connection().call(ctx, "", "Target.disposeBrowserContext",
                                                       std::move(params));
  }
  static asio::awaitable<void> perform(Context& ctx, NativeInteractorFixture* self, Action action,
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

  static inline World* world_ = nullptr;
  std::string context_id_;
  std::unique_ptr<TestSession> session_;
  std::unique_ptr<Tab> tab_;
};

}  // namespace troupe::interact
