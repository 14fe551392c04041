#include "sessions/browserbase_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fstream>

#include <filesystem>
#include <set>

#include "base/testing.h"
#include "services/testing.h"
#include "sessions/browserbase_mapping.h"
#include "sessions/chromium.h"
#include "sessions/pool.h"
#include "sessions/testing.h"
#include "sessions/testing_devtools.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;
using services::FakeBrowserbase;
using services::FakeFault;
using services::FakeOptions;
using services::RemoteStatus;
using ::testing::HasSubstr;
using troupe::testing::run;

// Browsers behind the sessions of a service.
struct Backend {
  std::string dir;
  std::map<std::string, std::unique_ptr<Chromium>> browsers;

  Async<std::string> open(Context& ctx, std::string id) {
    ChromiumOptions options{.browsers_dir = dir, .listening = true};  // with one page
    CO_TRY(auto chromium, co_await Chromium::launch(ctx, options));
    const std::string endpoint = chromium->endpoint();
    browsers[id] = std::move(chromium);
    co_return endpoint;
  }
  asio::awaitable<void> close(Context& ctx, std::string id) {
    const auto found = browsers.find(id);
    if (found == browsers.end()) co_return;
    auto chromium = std::move(found->second);
    browsers.erase(found);
    (void)co_await chromium->close(ctx);
  }
};

Async<std::string> open_stub(DevtoolsStub& stub, std::string id) {
  stub.add(id);
  co_return stub.url(id);
}

asio::awaitable<void> close_stub(DevtoolsStub& stub, std::string id) {
  stub.remove(id);
  co_return;
}

struct Fixture {
  // With real browsers, or with `stub` in their place.
  Fixture(Context& ctx, const std::string& dir, DevtoolsStub* stub = nullptr)
      : backend{.dir = dir + "/browsers"}, random(7) {
    FakeOptions options;
    options.open = [this](Context& call, std::string id, json::object) {
      return backend.open(call, std::move(id));
    };
    options.close = [this](Context& call, std::string id) {
      return backend.close(call, std::move(id));
    };
    if (stub) {
      options.open = [stub](Context&, std::string id, json::object) {
        return open_stub(*stub, std::move(id));
      };
      options.close = [stub](Context&, std::string id) { return close_stub(*stub, std::move(id)); };
    }
    fake = FakeBrowserbase::start(ctx.executor(), ctx.clock(), options).value();
    services::BrowserbaseOptions service{.api_key = options.api_key,
                                         .base_url = fake->base_url(),
                                         .retry_first = std::chrono::milliseconds(5)};
    BrowserbaseAccountOptions account{
        .data_dir = dir,
        .health = {std::chrono::milliseconds(40), std::chrono::milliseconds(40)},
        .reconnect_for = std::chrono::milliseconds(700)};
    std::vector<std::unique_ptr<SessionProvider>> providers;
    providers.push_back(
        make_browserbase_provider(ctx.clock(), ctx.executor(), log, service, account).value());
    pool = std::make_unique<Pool>(ctx.clock(), ctx.executor(), random, PoolOptions{},
                                  std::move(providers), PoolObserver{});
  }
  std::string only_session() const { return fake->sessions().begin()->first; }
  Async<void> end(Context& ctx) {
    auto ended = co_await pool->shutdown(ctx);
    (void)co_await fake->stop(ctx);
    backend.browsers.clear();
    co_return ended;
  }
  observe::Log& log = null_log();
  Backend backend;
  Random random;
  std::unique_ptr<FakeBrowserbase> fake;
  std::unique_ptr<Pool> pool;
};

class BrowserbaseProviderTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(dir_); }
  void TearDown() override { fs::remove_all(dir_); }
  std::string dir_ =
      (fs::temp_directory_path() / ("troupe-bb-" + std::to_string(getpid()))).string();
};

asio::awaitable<void> whole_life(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir);
  SessionSpec spec{.provider = "browserbase"};
  auto lease = co_await fixture.pool->acquire(ctx, spec, "run", "task");
  EXPECT_TRUE(lease) << lease.error().describe();
  if (!lease) co_return;
  auto page = lease->session().take_page();
  EXPECT_TRUE(page) << "its open page is there";
  if (!page) co_return;
  std::string url = "data:text/html,<title>t</title>";
  auto shown = co_await page->navigate(ctx, std::move(url), cdp::WaitUntil::load);
  EXPECT_TRUE(shown) << shown.error().describe();
  cdp::Page::EvaluateOptions own{.isolated = false};
  const auto title = co_await page->evaluate(ctx, "document.title", own);
  EXPECT_EQ(title.value(), json::value("t"));
  lease->session().give_back_page(std::move(page));
  EXPECT_GT(lease->session().counters().cdp_commands, 0u);

  EXPECT_TRUE(co_await lease->release(ctx, true, EndReason::released));
  EXPECT_TRUE(co_await fixture.end(ctx));
  EXPECT_EQ(fixture.fake->live(), 0);
  EXPECT_EQ(fixture.fake->sessions().begin()->second.releases, 1);
}

TEST_F(BrowserbaseProviderTest, LendsTheOpenPageAndReleasesTheSession) {
  run([&](Context& ctx) { return whole_life(ctx, dir_); });
}

asio::awaitable<void> reconnects(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir);
  SessionSpec spec{.provider = "browserbase", .keep_alive = true};
  auto lease = co_await fixture.pool->acquire(ctx, spec, "run", "task");
  EXPECT_TRUE(lease) << lease.error().describe();
  if (!lease) co_return;
  cdp::Connection* first = lease->session().browser()->connection;
  const int asked = fixture.fake->count("GET /v1/sessions/{id}");
  first->close(fail(Errc::session_lost, "cable pulled"));
  EXPECT_EQ(lease->session().browser().error().code, Errc::session_lost);
  while (!lease->session().browser() && ctx.check())
    (void)co_await sleep_for(ctx, std::chrono::milliseconds(10));
  EXPECT_NE(lease->session().browser()->connection, first);
  EXPECT_GT(fixture.fake->count("GET /v1/sessions/{id}"), asked);  // the address was read anew
  EXPECT_FALSE(lease->lost().is_set());
  auto page = lease->session().take_page();
  EXPECT_TRUE(page);
  page.reset();
  EXPECT_TRUE(co_await lease->release(ctx, true, EndReason::released));
  EXPECT_TRUE(co_await fixture.end(ctx));
  EXPECT_EQ(fixture.fake->live(), 0);
}

TEST_F(BrowserbaseProviderTest, ABrokenConnectionIsMadeAnewWhileTheSessionRuns) {
  run([&](Context& ctx) { return reconnects(ctx, dir_); });
}

// The address that was given at first is of no use any more; the service has another one.
asio::awaitable<void> address_ages(Context& ctx, std::string dir) {
  const auto stub = DevtoolsStub::start(ctx.executor(), ctx.clock());
  Fixture fixture(ctx, dir, stub.get());
  SessionSpec spec{.provider = "browserbase", .keep_alive = true};
  auto lease = co_await fixture.pool->acquire(ctx, spec, "run", "task");
  EXPECT_TRUE(lease) << lease.error().describe();
  if (!lease) co_return;
  const auto before = co_await lease->session().endpoint(ctx);
  EXPECT_EQ(before.value(), stub->url(fixture.only_session()));

  stub->add("moved");
  fixture.fake->sessions().begin()->second.connect_url = stub->url("moved");
  stub->remove(fixture.only_session());

  const auto after = co_await lease->session().endpoint(ctx);
  EXPECT_EQ(after.value(), stub->url("moved")) << "for clients of the gateway";
  while (!lease->session().browser() && ctx.check())
    (void)co_await sleep_for(ctx, std::chrono::milliseconds(10));
  EXPECT_FALSE(lease->lost().is_set());
  EXPECT_EQ(stub->clients(), 1u) << "and for the connection that broke";
  EXPECT_TRUE(co_await lease->release(ctx, true, EndReason::released));
  EXPECT_TRUE(co_await fixture.end(ctx));
  (void)co_await stub->stop(ctx);
}

TEST_F(BrowserbaseProviderTest, AnAddressThatAgedOutIsReadAnew) {
  run([&](Context& ctx) { return address_ages(ctx, dir_); });
}

asio::awaitable<void> is_driven(Context& ctx, std::string dir) {
  const auto stub = DevtoolsStub::start(ctx.executor(), ctx.clock());
  Fixture fixture(ctx, dir, stub.get());
  fs::create_directories(dir + "/driver");
  std::ofstream(dir + "/driver/manifest.json") << "{}";
  const SessionSpec spec{.provider = "browserbase", .driver_folder = dir + "/driver"};
  const auto used = [&] {
    std::set<std::string> ids;
    for (const auto& [id, session] : fixture.fake->sessions())
      ids.emplace(find_string(session.request, "extensionId").value_or("none"));
    return ids;
  };
  for (int i = 0; i < 2; ++i) {
    auto lease = co_await fixture.pool->acquire(ctx, spec, "run", "task");
    EXPECT_TRUE(lease) << lease.error().describe();
    if (!lease) co_return;
    EXPECT_TRUE(lease->session().browser()->driver_loaded);
    EXPECT_TRUE(co_await lease->release(ctx, true, EndReason::released));
  }
  EXPECT_EQ(used(), (std::set<std::string>{fixture.fake->extensions().begin()->first}));
  EXPECT_EQ(fixture.fake->count("POST /v1/extensions"), 1) << "one for all sessions";

  // Somebody clears the account up.
  const std::string old = fixture.fake->extensions().begin()->first;
  fixture.fake->inject({.route = "POST /v1/sessions",
                        .answer = FakeFault::Answer::status,
                        .status = 404,
                        .message = "Extension not found"});
  fixture.fake->inject({.route = "GET /v1/extensions/{id}",
                        .answer = FakeFault::Answer::status,
                        .times = 2,
                        .status = 404,
                        .message = "Not found"});
  auto lease = co_await fixture.pool->acquire(ctx, spec, "run", "task");
  EXPECT_TRUE(lease) << lease.error().describe();
  EXPECT_EQ(fixture.fake->count("POST /v1/extensions"), 2);
  EXPECT_EQ(used().size(), 2u) << "the new one is not used";
  lease = co_await fixture.pool->acquire(
      ctx, {.provider = "browserbase", .extension_id = old, .driver_folder = dir + "/driver"},
      "run", "task");
  EXPECT_TRUE(lease) << "an extension that the caller names: " << lease.error().describe();
  EXPECT_EQ(fixture.fake->count("POST /v1/extensions"), 2);
  EXPECT_TRUE(co_await fixture.end(ctx));
  (void)co_await stub->stop(ctx);
}

TEST_F(BrowserbaseProviderTest, WhatDrivesABrowserIsUploadedOnceAndNamedToAllSessions) {
  run([&](Context& ctx) { return is_driven(ctx, dir_); });
}

asio::awaitable<void> ends_remotely(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir);
  SessionSpec spec{.provider = "browserbase"};
  auto lease = co_await fixture.pool->acquire(ctx, spec, "run", "task");
  EXPECT_TRUE(lease) << lease.error().describe();
  if (!lease) co_return;
  const std::string id = fixture.only_session();
  fixture.fake->end_session(id, RemoteStatus::timed_out);
  co_await fixture.backend.close(ctx, id);
  EXPECT_TRUE(co_await lease->lost().wait(ctx));
  EXPECT_EQ(lease->lost_reason().code, Errc::session_lost);
  EXPECT_THAT(lease->lost_reason().message, HasSubstr("TIMED_OUT"));
  EXPECT_TRUE(co_await lease->release(ctx, false, EndReason::released));
  EXPECT_EQ(fixture.pool->info(lease->id())->end_reason, EndReason::timed_out);
  EXPECT_TRUE(co_await fixture.end(ctx));
}

TEST_F(BrowserbaseProviderTest, TheEndThatTheServiceDecidedIsToldAsItWas) {
  run([&](Context& ctx) { return ends_remotely(ctx, dir_); });
}

asio::awaitable<void> cannot_connect(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir);
  fixture.fake->options().open = nullptr;  // the address it gives leads nowhere
  SessionSpec spec{.provider = "browserbase"};
  Context brief = ctx.with_timeout(std::chrono::milliseconds(500), "session");
  auto lease = co_await fixture.pool->acquire(brief, spec, "run", "task");
  EXPECT_EQ(lease.error().code, Errc::timeout);
  EXPECT_THAT(lease.error().message, HasSubstr("127.0.0.1"));
  EXPECT_TRUE(co_await fixture.end(ctx));
  EXPECT_EQ(fixture.fake->sessions().size(), 1u);
  EXPECT_EQ(fixture.fake->live(), 0);
}

TEST_F(BrowserbaseProviderTest, ASessionThatCannotBeReachedIsReleased) {
  run([&](Context& ctx) { return cannot_connect(ctx, dir_); });
}

asio::awaitable<Session> ended_session(Context& ctx, Pool& pool, std::string id) {
  while (pool.info(id)->state != SessionState::ended && ctx.check())
    (void)co_await sleep_for(ctx, std::chrono::milliseconds(5));
  co_return pool.info(id).value();
}

asio::awaitable<void> half_open(Context& ctx, std::string dir) {
  auto stub = DevtoolsStub::start(ctx.executor(), ctx.clock());
  Fixture fixture(ctx, dir, stub.get());
  SessionSpec spec{.provider = "browserbase", .keep_alive = true};
  auto session = co_await fixture.pool->create(ctx, spec);
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  stub->fall_silent(true);
  while (stub->connected() < 2 && ctx.check())  // given up, and dialled anew
    (void)co_await sleep_for(ctx, std::chrono::milliseconds(5));
  stub->fall_silent(false);
  stub->hang_up();
  const int so_far = stub->count("Browser.getVersion");
  while (stub->count("Browser.getVersion") < so_far + 4 && ctx.check())
    (void)co_await sleep_for(ctx, std::chrono::milliseconds(5));
  EXPECT_EQ(fixture.pool->info(session->id)->state, SessionState::running);
  EXPECT_TRUE(co_await fixture.end(ctx));
  EXPECT_EQ(fixture.fake->live(), 0);
  (void)co_await stub->stop(ctx);
}

TEST_F(BrowserbaseProviderTest, AConnectionOnWhichNothingIsAnsweredIsMadeAnew) {
  run([&](Context& ctx) { return half_open(ctx, dir_); });
}

asio::awaitable<void> says_running(Context& ctx, std::string dir) {
  auto stub = DevtoolsStub::start(ctx.executor(), ctx.clock());
  Fixture fixture(ctx, dir, stub.get());
  SessionSpec spec{.provider = "browserbase"};
  auto session = co_await fixture.pool->create(ctx, spec);
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  stub->remove(fixture.only_session());  // and yet the service says RUNNING
  const Session ended = co_await ended_session(ctx, *fixture.pool, session->id);
  EXPECT_EQ(ended.end_reason, EndReason::connection_lost);
  EXPECT_THAT(ended.error->message, HasSubstr("could not be made anew"));
  EXPECT_TRUE(co_await fixture.end(ctx));
  EXPECT_EQ(fixture.fake->live(), 0);  // released all the same
  (void)co_await stub->stop(ctx);
}

TEST_F(BrowserbaseProviderTest, ASessionSaidToRunThatCannotBeReachedIsLostAndReleased) {
  run([&](Context& ctx) { return says_running(ctx, dir_); });
}

asio::awaitable<void> vanishes(Context& ctx, std::string dir) {
  auto stub = DevtoolsStub::start(ctx.executor(), ctx.clock());
  Fixture fixture(ctx, dir, stub.get());
  SessionSpec spec{.provider = "browserbase"};
  auto session = co_await fixture.pool->create(ctx, spec);
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  fixture.fake->inject({.route = "GET /v1/sessions/{id}", .answer = FakeFault::Answer::vanished});
  stub->hang_up();
  const Session ended = co_await ended_session(ctx, *fixture.pool, session->id);
  EXPECT_EQ(ended.end_reason, EndReason::provider_ended);
  EXPECT_TRUE(co_await fixture.end(ctx));
  (void)co_await stub->stop(ctx);
}

TEST_F(BrowserbaseProviderTest, ASessionThatVanishedIsToldAsEndedThere) {
  run([&](Context& ctx) { return vanishes(ctx, dir_); });
}

asio::awaitable<void> downloads(Context& ctx, std::string dir) {
  auto stub = DevtoolsStub::start(ctx.executor(), ctx.clock());
  Fixture fixture(ctx, dir, stub.get());
  SessionSpec spec{.provider = "browserbase"};
  auto lease = co_await fixture.pool->acquire(ctx, spec, "run", "task");
  EXPECT_TRUE(lease) << lease.error().describe();
  if (!lease) co_return;
  const auto way = lease->session().download_way();
  EXPECT_TRUE(way) << way.error().describe();
  EXPECT_EQ(way->browser_path, "downloads");  // the browser's own, which the service keeps
  EXPECT_FALSE(way->named_by_guid);
  const auto add = [&](const std::string& bytes) {
    fixture.fake->add_download(
        {.session_id = fixture.only_session(), .filename = "a.txt", .mime_type = "text/plain"},
        bytes);
  };
  add("old");
  FinishedDownload first{.guid = "g1", .name = "a.txt", .bytes = 3, .bytes_max = 100};
  EXPECT_TRUE(co_await lease->session().fetch_download(ctx, first));
  // The second of that name appears late.
  Timer late(ctx.clock(), ctx.clock().now() + std::chrono::milliseconds(100),
             [&] { add("newer"); });
  FinishedDownload second{.guid = "g2", .name = "a.txt", .bytes = 5, .bytes_max = 100};
  EXPECT_TRUE(co_await lease->session().fetch_download(ctx, second));
  std::string text;
  std::getline(std::ifstream(way->dir + "/g1"), text);
  EXPECT_EQ(text, "old");
  std::getline(std::ifstream(way->dir + "/g2"), text);
  EXPECT_EQ(text, "newer");
  add("too large a file");
  FinishedDownload third{.guid = "g3", .name = "a.txt", .bytes = 16, .bytes_max = 10};
  const auto refused = co_await lease->session().fetch_download(ctx, third);
  EXPECT_EQ(refused.error().code, Errc::payload_too_large);
  Context brief = ctx.with_timeout(std::chrono::milliseconds(50), "download");
  FinishedDownload absent{.guid = "g4", .name = "b.txt", .bytes_max = 10};
  const auto missing = co_await lease->session().fetch_download(brief, absent);
  EXPECT_EQ(missing.error().code, Errc::timeout);
  EXPECT_THAT(missing.error().message, HasSubstr("has not stored it"));

  EXPECT_TRUE(co_await lease->release(ctx, true, EndReason::released));
  EXPECT_FALSE(fs::exists(way->dir));
  EXPECT_TRUE(co_await fixture.end(ctx));
  (void)co_await stub->stop(ctx);
}

TEST_F(BrowserbaseProviderTest, DownloadsAreFetchedFromTheService) {
  run([&](Context& ctx) { return downloads(ctx, dir_); });
}

// What a log was told.
class KeepingLog final : public observe::Log {
 public:
  bool enabled(observe::Level) const override { return true; }
  void write(const Ids&, const observe::LogLine& line) override {
    lines.push_back(std::string(line.action) + " " + std::string(line.status) +
                    (line.error ? " " + line.error->describe() : ""));
  }
  void flush() override {}
  std::vector<std::string> lines;
};

TEST_F(BrowserbaseProviderTest, WithoutAKeyItTellsWhatItCannotRelease) {
  const pid_t child = fork();
  if (child == 0) {
    run([&](Context& ctx) -> asio::awaitable<void> {
      SessionIntents intents(dir_);
      SessionIntent intent{.id = "left", .provider = "browserbase"};
      _exit(co_await intents.intend(ctx, intent) ? 0 : 2);
    });
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  run([&](Context& ctx) -> asio::awaitable<void> {
    KeepingLog log;
    services::BrowserbaseOptions service;
    BrowserbaseAccountOptions account{.data_dir = dir_};
    auto provider =
        make_browserbase_provider(ctx.clock(), ctx.executor(), log, service, account).value();
    (void)co_await provider->tend(ctx);
    (void)co_await provider->tend(ctx);
    EXPECT_EQ(log.lines.size(), 1u);
    EXPECT_THAT(log.lines.at(0), HasSubstr("session.release postponed"));
    EXPECT_THAT(log.lines.at(0), HasSubstr("1 sessions"));
    EXPECT_THAT(log.lines.at(0), HasSubstr("BROWSERBASE_API_KEY"));
  });
  EXPECT_EQ(abandoned_intents(dir_).size(), 1u);  // for a start with a key
  // With a key it is looked for (in vain) and settled.
  run([&](Context& ctx) -> asio::awaitable<void> {
    Fixture fixture(ctx, dir_);
    while (fixture.fake->count("GET /v1/sessions") < 2 && ctx.check())
      (void)co_await sleep_for(ctx, std::chrono::milliseconds(5));
    EXPECT_GE(fixture.fake->count("GET /v1/sessions"), 2);
    EXPECT_TRUE(co_await fixture.end(ctx));
  });
}

TEST_F(BrowserbaseProviderTest, WithoutAKeyItSaysSo) {
  run([&](Context& ctx) -> asio::awaitable<void> {
    observe::Log& log = null_log();
    services::BrowserbaseOptions service;
    BrowserbaseAccountOptions account{.data_dir = dir_};
    auto provider =
        make_browserbase_provider(ctx.clock(), ctx.executor(), log, service, account).value();
    SessionSpec spec{.provider = "browserbase"};
    const auto session = co_await provider->create(ctx, "a", spec);
    EXPECT_EQ(session.error().code, Errc::unauthenticated);
    EXPECT_THAT(session.error().hint, HasSubstr("BROWSERBASE_API_KEY"));
    (void)co_await provider->shutdown(ctx);
  });
}

TEST(BrowserbaseMapping, AsksForAllThatASessionCanBe) {
  SessionSpec spec;
  spec.timeout = std::chrono::milliseconds(90'500);
  spec.keep_alive = true;
  spec.region = "eu-central-1";
  spec.context_id = "c";
  spec.context_persist = true;
  spec.extension_id = "e";
  spec.user_context = {{"team", "a"}, {"troupe", "forged"}};
  spec.proxies = {{.type = ProxySpec::Type::external, .server = "http://p:1", .username = "u"}};
  spec.block_ads = true;
  spec.solve_captchas = false;
  spec.record = false;
  spec.allowed_domains = {"example.com"};
  spec.provider_settings = {{"verified", true}};
  const auto request = browserbase_request(spec, "id", "install").value();
  EXPECT_EQ(request.timeout_seconds, 91);
  EXPECT_TRUE(request.keep_alive);
  EXPECT_EQ(request.region, "eu-central-1");
  EXPECT_EQ(request.context_id, "c");
  EXPECT_TRUE(request.context_persist);
  EXPECT_EQ(request.extension_id, "e");
  EXPECT_EQ(request.user_metadata.at("team"), "a");
  EXPECT_EQ(request.user_metadata.at("troupe"), "install");
  EXPECT_EQ(request.user_metadata.at("troupe_session"), "id");
  EXPECT_FALSE(request.default_proxies);
  EXPECT_EQ(request.proxies.at(0).server, "http://p:1");
  EXPECT_EQ(request.viewport_width, 1280);
  EXPECT_EQ(request.block_ads, true);
  EXPECT_EQ(request.solve_captchas, false);
  EXPECT_EQ(request.record_session, false);
  EXPECT_EQ(request.log_session, std::nullopt);
  EXPECT_EQ(request.allowed_domains.at(0), "example.com");
  EXPECT_EQ(request.browser_settings.at("verified"), true);
}

TEST(BrowserbaseMapping, KeepsWithinTheServicesLimits) {
  SessionSpec spec;
  spec.timeout = std::chrono::seconds(1);
  spec.proxies = {ProxySpec{}};
  spec.user_context = {{"long", std::string(600, 'x')}};
  const auto request = browserbase_request(spec, "id", "install").value();
  EXPECT_EQ(request.timeout_seconds, 60);
  EXPECT_TRUE(request.default_proxies);
  EXPECT_TRUE(request.proxies.empty());
  EXPECT_FALSE(request.user_metadata.contains("long"));
  EXPECT_EQ(request.user_metadata.at("troupe_session"), "id");
  spec.user_agent = "x";
  EXPECT_EQ(browserbase_request(spec, "id", "install").error().code, Errc::unsupported);
}

TEST(BrowserbaseMapping, NamesEveryEnd) {
  EXPECT_EQ(browserbase_end_reason(RemoteStatus::timed_out, false), EndReason::timed_out);
  EXPECT_EQ(browserbase_end_reason(RemoteStatus::error, false), EndReason::crashed);
  EXPECT_EQ(browserbase_end_reason(RemoteStatus::completed, false), EndReason::client_left);
  EXPECT_EQ(browserbase_end_reason(RemoteStatus::completed, true), EndReason::provider_ended);
  EXPECT_EQ(browserbase_end_reason(RemoteStatus::unknown, true), EndReason::provider_ended);
  EXPECT_THAT(browserbase_end_error("s", RemoteStatus::unknown, true).message,
              HasSubstr("does not know it"));
}

}  // namespace
}  // namespace troupe::sessions
