// Providers `browserbase` and `cdp` with the real binary, against a fake service with real
// browsers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <future>

#include "binary.h"
#include "service.h"
#include "services/testing.h"
#include "sessions/chromium.h"

namespace troupe::e2e {
namespace {

using services::FakeBrowserbase;
using ::testing::HasSubstr;

// Browsers with a port each, and the service in front of them; on a thread of its own.
class RemoteService final {
  template <class Work>
  auto on_thread(Work work) {
    std::promise<decltype(work())> result;
    asio::post(io_, [&] { result.set_value(work()); });
    return result.get_future().get();
  }

 public:
  explicit RemoteService(const std::string& dir, int concurrency = 25)
      : dir_(dir), concurrency_(concurrency), thread_([this] { work(); }) {
    ready_.get_future().wait();
  }
  ~RemoteService() {
    asio::post(io_, [this] { end_.set(); });
    thread_.join();
  }

  std::string base_url() {
    return on_thread([this] { return fake_->base_url(); });
  }
  int live() {
    return on_thread([this] { return fake_->live(); });
  }
  std::size_t sessions() {
    return on_thread([this] { return fake_->sessions().size(); });
  }
  std::string browser_of_its_own() {
    std::promise<std::string> url;
    asio::post(io_, [&] {
      scope_.spawn(
          "browser",
          [](RemoteService& self, std::promise<std::string>& told) -> asio::awaitable<void> {
            const Context base(*self.clock_, self.io_.get_executor());
            Context ctx = base.with_timeout(std::chrono::seconds(20), "browser");
            auto opened = co_await self.open(ctx, "own");
            told.set_value(opened ? *opened : opened.error().describe());
          }(*this, url));
    });
    return url.get_future().get();
  }
  std::map<std::string, std::string> environment() {
    return {{"BROWSERBASE_API_KEY", "bb_test_key"},
            {"BROWSERBASE_BASE_URL", base_url()},
            {"TROUPE_LOG_LEVEL", "info"}};
  }

 private:
  Async<std::string> open(Context& ctx, std::string id) {
    sessions::ChromiumOptions options{.browsers_dir = dir_,
                                      .extra_flags = {"--remote-debugging-port=0"}};
    CO_TRY(auto chromium, co_await sessions::Chromium::launch(ctx, options));
    const std::string path = chromium->profile_dir() + "/DevToolsActivePort";
    std::string port, target;
    while (target.empty()) {
      CO_TRY_VOID(co_await sleep_for(ctx, std::chrono::milliseconds(10)));
      std::ifstream file(path);
      std::getline(file, port);
      std::getline(file, target);
    }
    browsers_[id] = std::move(chromium);
    co_return "ws://127.0.0.1:" + port + target;
  }
  asio::awaitable<void> close(Context& ctx, std::string id) {
    auto chromium = std::move(browsers_[id]);
    browsers_.erase(id);
    if (chromium) (void)co_await chromium->close(ctx);
  }

  static asio::awaitable<void> serve(RemoteService& self) {
    Context ctx(*self.clock_, self.io_.get_executor());
    services::FakeOptions options;
    options.concurrency = self.concurrency_;
    options.open = [&self](Context& call, std::string id, json::object) {
      return self.open(call, std::move(id));
    };
    options.close = [&self](Context& call, std::string id) {
      return self.close(call, std::move(id));
    };
    self.fake_ = FakeBrowserbase::start(self.io_.get_executor(), *self.clock_, options).value();
    self.ready_.set_value();
    (void)co_await self.end_.wait(ctx);
    Context cleanup = ctx.with_timeout(std::chrono::seconds(5), "end");
    (void)co_await self.fake_->stop(cleanup);
    self.browsers_.clear();
  }
  void work() {
    scope_.spawn("service", serve(*this));
    io_.run();
  }

  std::string dir_;
  int concurrency_;
  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  Scope scope_{io_.get_executor()};
  Event end_;
  std::promise<void> ready_;
  std::unique_ptr<FakeBrowserbase> fake_;
  std::map<std::string, std::unique_ptr<sessions::Chromium>> browsers_;
  std::thread thread_;
};

constexpr const char* kSlowWorkflow = R"(
workflow: slow
steps:
  - goto: "data:text/html,<p>here</p>"
  - wait_for: {duration: 60s}
)";

TEST(Providers, RunsAWorkflowAtBrowserbaseAndReleasesAll) {
  const Scratch scratch;
  RemoteService service(scratch.path() + "/remote");
  Binary troupe(scratch,
                {"run", "video_discovery", "--site", "demo", "--sessions", "2", "--provider",
                 "browserbase", "--json"},
                service.environment());

  ASSERT_EQ(troupe.wait(), 0) << troupe.err();

  EXPECT_GE(service.sessions(), 2u);
  EXPECT_EQ(service.live(), 0);
}

TEST(Providers, GatewayModeIsBrowserbaseWithAQueueAndASpill) {
  const Scratch scratch;
  RemoteService remote(scratch.path() + "/remote", 1);
  auto environment = remote.environment();
  environment["TROUPE_SPILL_PROVIDERS"] = "local";
  environment["TROUPE_SPILL_AFTER"] = "200ms";
  Service service(scratch, {"--provider", "browserbase"}, environment);

  const auto first = parsed(service.post("/v1/sessions", R"({"keepAlive":true})").body);
  const auto second = parsed(service.post("/v1/sessions", R"({"keepAlive":true})").body);
  const auto context = service.post("/v1/contexts", R"({"name":"login"})");

  EXPECT_EQ(first.at("provider"), "browserbase") << first;
  EXPECT_THAT(std::string(first.at("connectUrl").as_string()),
              HasSubstr(service.url().substr(service.url().find("127."))));
  EXPECT_EQ(second.at("provider"), "local") << "the account has one place: " << second;
  EXPECT_EQ(context.status, 201) << context.body;
  const std::string context_id(parsed(context.body).at("id").as_string());
  EXPECT_EQ(service.get("/v1/contexts/" + context_id).status, 200);
  const std::string first_id(first.at("id").as_string());
  EXPECT_EQ(service.get("/v1/sessions/" + first_id + "/logs").status, 200);
  EXPECT_EQ(remote.live(), 1);

  EXPECT_EQ(service.post("/v1/sessions/" + first_id, R"({"status":"REQUEST_RELEASE"})").status,
            200);
  EXPECT_TRUE(Binary::until(std::chrono::seconds(15), [&] { return remote.live() == 0; }));
  service.binary().signal(SIGTERM);
  EXPECT_EQ(service.binary().wait(), 0) << service.binary().err();
}

TEST(Providers, SessionsOfAKilledTroupeAreReleasedByTheNext) {
  const Scratch scratch;
  RemoteService service(scratch.path() + "/remote");
  const std::string file = scratch.write("slow.yaml", kSlowWorkflow);
  Binary first(scratch, {"run", file, "--sessions", "2", "--provider", "browserbase"},
               service.environment());
  ASSERT_TRUE(first.until(std::chrono::seconds(30), [&] { return service.live() == 2; }))
      << first.err();
  first.signal(SIGKILL);
  EXPECT_EQ(first.wait(), 128 + SIGKILL);
  EXPECT_EQ(service.live(), 2);

  Binary next(scratch, {"serve", "--port", "0"}, service.environment());

  EXPECT_TRUE(next.until(std::chrono::seconds(15), [&] { return service.live() == 0; }))
      << next.err();
  next.signal(SIGTERM);
  EXPECT_EQ(next.wait(), 0) << next.err();
}

TEST(Providers, RunsAWorkflowInABrowserOfSomebodyElse) {
  const Scratch scratch;
  RemoteService service(scratch.path() + "/remote");
  const std::string endpoint = service.browser_of_its_own();
  ASSERT_THAT(endpoint, HasSubstr("ws://"));
  for (const char* isolation : {"context", "process"}) {
    Binary troupe(scratch,
                  {"run", "video_discovery", "--site", "demo", "--sessions", "2", "--provider",
                   "cdp", "--isolation", isolation},
                  {{"TROUPE_CDP_ENDPOINTS", endpoint}});
    ASSERT_EQ(troupe.wait(), 0) << troupe.err();
  }
}

}  // namespace
}  // namespace troupe::e2e
