#include "sessions/cdp_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/testing.h"
#include "net/http_server.h"
#include "sessions/chromium.h"
#include "sessions/pool.h"
#include "sessions/remote_browser.h"
#include "sessions/testing.h"
#include "sessions/testing_devtools.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using troupe::testing::run;

// A browser of somebody else, with an open port.
struct Foreign {
  std::unique_ptr<Chromium> chromium;
  std::string address;  // http://127.0.0.1:port

  static Async<Foreign> start(Context& ctx, std::string dir) {
    ChromiumOptions options{.browsers_dir = dir + "/foreign",
                            .extra_flags = {"--remote-debugging-port=0"}};
    Foreign foreign;
    CO_TRY(foreign.chromium, co_await Chromium::launch(ctx, options));
    std::string port;
    while (port.empty()) {
      CO_TRY_VOID(co_await sleep_for(ctx, std::chrono::milliseconds(10)));
      std::ifstream file(foreign.chromium->profile_dir() + "/DevToolsActivePort");
      std::getline(file, port);
    }
    foreign.address = "http://127.0.0.1:" + port;
    co_return foreign;
  }
  Async<std::size_t> pages(Context& ctx) {
    CO_TRY(const auto answer, co_await chromium->connection().call(ctx, "", "Target.getTargets"));
    std::size_t count = 0;
    for (const auto& info : answer.at("targetInfos").as_array())
      if (info.at("type") == "page") ++count;
    co_return count;
  }
  Async<std::size_t> contexts(Context& ctx) {
    CO_TRY(const auto answer,
           co_await chromium->connection().call(ctx, "", "Target.getBrowserContexts"));
    co_return answer.at("browserContextIds").as_array().size();
  }
};

struct Fixture {
  Fixture(Context& ctx, std::string dir, std::vector<std::string> endpoints) : random(7) {
    CdpOptions options{.endpoints = std::move(endpoints),
                       .data_dir = std::move(dir),
                       .connect_timeout = std::chrono::seconds(5),
                       .health = {std::chrono::milliseconds(50), std::chrono::milliseconds(50)},
                       .reconnect_for = std::chrono::milliseconds(600),
                       .refused_for = std::chrono::milliseconds(300),
                       .retry_first = std::chrono::milliseconds(20)};
    auto made = make_cdp_provider(ctx.clock(), ctx.executor(), log, options).value();
    provider = made.get();
    std::vector<std::unique_ptr<SessionProvider>> providers;
    providers.push_back(std::move(made));
    pool = std::make_unique<Pool>(ctx.clock(), ctx.executor(), random, PoolOptions{},
                                  std::move(providers), PoolObserver{});
  }
  observe::Log& log = null_log();
  Random random;
  SessionProvider* provider = nullptr;
  std::unique_ptr<Pool> pool;
};

SessionSpec spec_of(Isolation isolation) { return {.provider = "cdp", .isolation = isolation}; }

class CdpProviderTest : public ::testing::Test {
 protected:
  std::string dir_ =
      (fs::temp_directory_path() / ("troupe-cdp-" + std::to_string(getpid()))).string();
  void TearDown() override { fs::remove_all(dir_); }
};

Async<std::unique_ptr<cdp::Page>> open_page(Context& ctx, LiveSession& session) {
  CO_TRY(const auto browser, session.browser());
  cdp::Page::Options where{.browser_context_id = browser.browser_context_id};
  co_return co_await cdp::Page::open(ctx, *browser.connection, where);
}

asio::awaitable<void> contexts_of_their_own(Context& ctx, std::string dir) {
  auto foreign = co_await Foreign::start(ctx, dir);
  EXPECT_TRUE(foreign) << foreign.error().describe();
  if (!foreign) co_return;
  const auto pages_before = *co_await foreign->pages(ctx);
  Fixture fixture(ctx, dir, {foreign->address});
  SessionSpec spec = spec_of(Isolation::context);
  auto first = co_await fixture.pool->acquire(ctx, spec, "run", "task");
  auto second = co_await fixture.pool->acquire(ctx, spec, "run", "task");
  EXPECT_TRUE(first) << first.error().describe();
  EXPECT_TRUE(second) << second.error().describe();
  if (!first || !second) co_return;
  EXPECT_NE(first->session().browser()->browser_context_id,
            second->session().browser()->browser_context_id);
  EXPECT_EQ(first->session().browser()->connection, second->session().browser()->connection);
  auto page = co_await open_page(ctx, first->session());
  EXPECT_TRUE(page) << page.error().describe();
  EXPECT_EQ(*co_await foreign->contexts(ctx), 2u);

  page->reset();
  (void)co_await first->release(ctx, true, EndReason::released);
  (void)co_await second->release(ctx, true, EndReason::released);
  EXPECT_EQ(*co_await foreign->contexts(ctx), 0u);
  EXPECT_EQ(*co_await foreign->pages(ctx), pages_before);
  auto closed = co_await fixture.pool->shutdown(ctx);
  EXPECT_TRUE(closed) << closed.error().describe();
  EXPECT_TRUE(foreign->chromium->alive());
  (void)co_await foreign->chromium->close(ctx);
}

TEST_F(CdpProviderTest, ContextSessionsHaveAContextOfTheirOwnAndLeaveNone) {
  run([&](Context& ctx) { return contexts_of_their_own(ctx, dir_); });
}

asio::awaitable<void> default_context(Context& ctx, std::string dir) {
  auto foreign = co_await Foreign::start(ctx, dir);
  EXPECT_TRUE(foreign) << foreign.error().describe();
  if (!foreign) co_return;
  Fixture fixture(ctx, dir, {foreign->address});
  SessionSpec spec = spec_of(Isolation::process);
  auto session = co_await fixture.provider->create(ctx, "mine", spec);
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  auto url = co_await (*session)->endpoint(ctx);
  EXPECT_THAT(url.value(), HasSubstr("/devtools/browser/"));

  json::object about{{"url", "about:blank"}};
  (void)co_await foreign->chromium->connection().call(ctx, "", "Target.createTarget", about);
  const auto pages_before = *co_await foreign->pages(ctx);
  auto page = co_await open_page(ctx, **session);
  EXPECT_TRUE(page) << page.error().describe();
  cdp::Page::EvaluateOptions own{.isolated = false, .user_gesture = true};
  (void)co_await (*page)->evaluate(ctx, "window.open('about:blank#popup') && 1", own);
  EXPECT_EQ(*co_await foreign->pages(ctx), pages_before + 2);

  // Lent once at a time: a second one waits.
  Context brief = ctx.with_timeout(std::chrono::milliseconds(50), "second session");
  auto second = co_await fixture.provider->create(brief, "second", spec);
  EXPECT_EQ(second.error().code, Errc::timeout);

  page->reset();
  auto closed = co_await (*session)->close(ctx, true);
  EXPECT_TRUE(closed) << closed.error().describe();
  for (int i = 0; i < 100 && *co_await foreign->pages(ctx) != pages_before; ++i)
    (void)co_await sleep_for(ctx, std::chrono::milliseconds(10));
  EXPECT_EQ(*co_await foreign->pages(ctx), pages_before);  // the foreign page is still there
  auto third = co_await fixture.provider->create(ctx, "third", spec);
  EXPECT_TRUE(third) << third.error().describe();
  if (third) (void)co_await (*third)->close(ctx, true);
  (void)co_await fixture.pool->shutdown(ctx);
  EXPECT_TRUE(foreign->chromium->alive());
  (void)co_await foreign->chromium->close(ctx);
}

TEST_F(CdpProviderTest, TheDefaultContextIsLentOnceAndOnlyItsOwnPagesAreClosed) {
  run([&](Context& ctx) { return default_context(ctx, dir_); });
}

asio::awaitable<void> browser_dies(Context& ctx, std::string dir) {
  auto first = co_await Foreign::start(ctx, dir);
  auto second = co_await Foreign::start(ctx, dir);
  EXPECT_TRUE(first && second);
  if (!first || !second) co_return;
  const std::string token = "/?token=secret";
  Fixture fixture(ctx, dir, {first->address + token, second->address + token});
  SessionSpec spec = spec_of(Isolation::context);
  auto lease = co_await fixture.pool->acquire(ctx, spec, "run", "task");
  EXPECT_TRUE(lease) << lease.error().describe();
  if (!lease) co_return;
  first->chromium->process().kill_group();

  (void)co_await lease->lost().wait(ctx);
  const Error reason = lease->lost_reason();
  EXPECT_EQ(reason.code, Errc::session_lost);
  EXPECT_THAT(reason.message, HasSubstr("cdp endpoint " + first->address + " ended"));
  EXPECT_THAT(reason.describe(), Not(HasSubstr("secret")));
  auto released = co_await lease->release(ctx, false, EndReason::released);
  EXPECT_TRUE(released) << released.error().describe();

  auto next = co_await fixture.pool->acquire(ctx, spec, "run", "task");  // at the other address
  EXPECT_TRUE(next) << next.error().describe();
  EXPECT_EQ(*co_await second->contexts(ctx), 1u);
  (void)co_await fixture.pool->shutdown(ctx);
  (void)co_await second->chromium->close(ctx);
}

TEST_F(CdpProviderTest, SessionsOfADeadBrowserAreLostAndTheNextGoElsewhere) {
  run([&](Context& ctx) { return browser_dies(ctx, dir_); });
}

asio::awaitable<void> connection_breaks(Context& ctx, std::string dir) {
  auto foreign = co_await Foreign::start(ctx, dir);
  EXPECT_TRUE(foreign) << foreign.error().describe();
  if (!foreign) co_return;
  Fixture fixture(ctx, dir, {foreign->address});
  SessionSpec spec = spec_of(Isolation::context);
  auto session = co_await fixture.provider->create(ctx, "one", spec);
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  (*session)->browser()->connection->close(fail(Errc::session_lost, "cable pulled"));
  EXPECT_TRUE((*session)->lost().is_set());
  EXPECT_THAT((*session)->lost_reason().message, HasSubstr("cable pulled"));
  EXPECT_EQ((*session)->browser().error().code, Errc::session_lost);
  (void)co_await (*session)->close(ctx, false);

  auto next = co_await fixture.provider->create(ctx, "two", spec);
  EXPECT_TRUE(next) << next.error().describe();
  EXPECT_EQ(*co_await foreign->contexts(ctx), 1u);  // what the broken one had is gone
  if (next) (void)co_await (*next)->close(ctx, false);
  (void)co_await fixture.pool->shutdown(ctx);
  (void)co_await foreign->chromium->close(ctx);
}

TEST_F(CdpProviderTest, ABrokenConnectionIsMadeAnew) {
  run([&](Context& ctx) { return connection_breaks(ctx, dir_); });
}

// --- Without real browsers: what connections do

// How a session that nobody holds ended. It is waited for.
asio::awaitable<Session> ended_session(Context& ctx, Pool& pool, std::string id) {
  while (pool.info(id)->state != SessionState::ended && ctx.check())
    (void)co_await sleep_for(ctx, std::chrono::milliseconds(5));
  co_return pool.info(id).value();
}

asio::awaitable<void> silence(Context& ctx, std::string dir, Isolation isolation) {
  auto stub = DevtoolsStub::start(ctx.executor(), ctx.clock());
  Fixture fixture(ctx, dir, {stub->address()});
  SessionSpec spec = spec_of(isolation);
  auto session = co_await fixture.pool->create(ctx, spec);
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  // While it answers, it stays.
  while (stub->count("Browser.getVersion") < 4 && ctx.check())
    (void)co_await sleep_for(ctx, std::chrono::milliseconds(5));
  EXPECT_EQ(fixture.pool->info(session->id)->state, SessionState::running);
  stub->fall_silent(true);
  const Session ended = co_await ended_session(ctx, *fixture.pool, session->id);
  EXPECT_EQ(ended.end_reason, EndReason::connection_lost);
  EXPECT_THAT(ended.error->message, HasSubstr("the browser does not answer"));
  (void)co_await fixture.pool->shutdown(ctx);
  (void)co_await stub->stop(ctx);
}

TEST_F(CdpProviderTest, ABrowserThatAnswersNothingIsGivenUp) {
  run([&](Context& ctx) { return silence(ctx, dir_, Isolation::context); });
  run([&](Context& ctx) { return silence(ctx, dir_, Isolation::process); });
}

asio::awaitable<void> taken_up_again(Context& ctx, std::string dir) {
  auto stub = DevtoolsStub::start(ctx.executor(), ctx.clock());
  Fixture fixture(ctx, dir, {stub->address()});
  SessionSpec spec = spec_of(Isolation::process);
  auto lease = co_await fixture.pool->acquire(ctx, spec, "run", "task");
  EXPECT_TRUE(lease) << lease.error().describe();
  if (!lease) co_return;
  auto page = co_await open_page(ctx, lease->session());
  EXPECT_TRUE(page) << page.error().describe();
  EXPECT_EQ(stub->pages(stub->browser()).size(), 2u);
  stub->fall_silent(true);  // for a moment nobody gets through
  stub->hang_up();
  while (lease->session().browser() && ctx.check())
    (void)co_await sleep_for(ctx, std::chrono::milliseconds(1));
  EXPECT_THAT(lease->session().browser().error().message, HasSubstr("being made anew"));
  stub->hang_up();
  stub->fall_silent(false);
  while (!lease->session().browser() && ctx.check())
    (void)co_await sleep_for(ctx, std::chrono::milliseconds(5));
  EXPECT_FALSE(lease->lost().is_set());
  EXPECT_GE(stub->connected(), 2);
  page->reset();
  EXPECT_TRUE(co_await lease->release(ctx, true, EndReason::released));
  EXPECT_EQ(stub->pages(stub->browser()).size(), 1u);  // its own page is closed all the same
  EXPECT_EQ(fixture.pool->info(lease->id())->end_reason, EndReason::released);
  (void)co_await fixture.pool->shutdown(ctx);
  (void)co_await stub->stop(ctx);
}

TEST_F(CdpProviderTest, ASessionIsTakenUpAgainInTheSameBrowser) {
  run([&](Context& ctx) { return taken_up_again(ctx, dir_); });
}

asio::awaitable<void> other_browser(Context& ctx, std::string dir, Isolation isolation) {
  auto stub = DevtoolsStub::start(ctx.executor(), ctx.clock());
  Fixture fixture(ctx, dir, {stub->address()});
  SessionSpec spec = spec_of(isolation);
  auto session = co_await fixture.pool->create(ctx, spec);
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  stub->restart();
  const Session ended = co_await ended_session(ctx, *fixture.pool, session->id);
  EXPECT_EQ(ended.end_reason, EndReason::provider_ended);
  EXPECT_THAT(ended.error->message, HasSubstr("another browser is there now"));
  (void)co_await fixture.pool->shutdown(ctx);
  (void)co_await stub->stop(ctx);
}

TEST_F(CdpProviderTest, ANewBrowserInItsPlaceEndsASession) {
  run([&](Context& ctx) { return other_browser(ctx, dir_, Isolation::context); });
  run([&](Context& ctx) { return other_browser(ctx, dir_, Isolation::process); });
}

asio::awaitable<void> place_gone(Context& ctx, std::string dir, Isolation isolation) {
  auto stub = DevtoolsStub::start(ctx.executor(), ctx.clock());
  Fixture fixture(ctx, dir, {stub->address()});
  SessionSpec spec = spec_of(isolation);
  auto session = co_await fixture.pool->create(ctx, spec);
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  (void)co_await stub->stop(ctx);
  stub.reset();
  const Session ended = co_await ended_session(ctx, *fixture.pool, session->id);
  EXPECT_EQ(ended.end_reason, EndReason::provider_ended);
  EXPECT_THAT(ended.error->message, HasSubstr("nothing listens there any more"));
  (void)co_await fixture.pool->shutdown(ctx);
}

TEST_F(CdpProviderTest, ABrowserThatIsGoneEndsItsSessions) {
  run([&](Context& ctx) { return place_gone(ctx, dir_, Isolation::context); });
  run([&](Context& ctx) { return place_gone(ctx, dir_, Isolation::process); });
}

asio::awaitable<void> same_place_unknown_browser(Context& ctx, std::string dir) {
  auto stub = DevtoolsStub::start(ctx.executor(), ctx.clock());
  Fixture fixture(ctx, dir, {stub->address()});
  SessionSpec spec = spec_of(Isolation::context);
  auto session = co_await fixture.pool->create(ctx, spec);
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  stub->hang_up();  // the way broke, the browser goes on
  const Session ended = co_await ended_session(ctx, *fixture.pool, session->id);
  EXPECT_EQ(ended.end_reason, EndReason::connection_lost);
  (void)co_await fixture.pool->shutdown(ctx);
  (void)co_await stub->stop(ctx);
}

TEST_F(CdpProviderTest, AContextIsLostWithItsConnectionAndThatIsSaid) {
  run([&](Context& ctx) { return same_place_unknown_browser(ctx, dir_); });
}

asio::awaitable<void> holder_comes_first(Context& ctx, std::string dir) {
  auto stub = DevtoolsStub::start(ctx.executor(), ctx.clock());
  Fixture fixture(ctx, dir, {stub->address()});
  SessionSpec spec = spec_of(Isolation::context);
  auto lease = co_await fixture.pool->acquire(ctx, spec, "run", "task");
  EXPECT_TRUE(lease) << lease.error().describe();
  if (!lease) co_return;
  const std::string id = lease->id();
  cdp::Connection& connection = *lease->session().browser()->connection;
  stub->restart();
  while (connection.is_open() && ctx.check())
    (void)co_await sleep_for(ctx, std::chrono::milliseconds(1));
  (void)co_await lease->release(ctx, false, EndReason::released);
  EXPECT_EQ(fixture.pool->info(id)->end_reason, EndReason::provider_ended);
  (void)co_await fixture.pool->shutdown(ctx);
  (void)co_await stub->stop(ctx);
}

TEST_F(CdpProviderTest, AHolderWhoNoticesFirstDoesNotHideTheEnd) {
  run([&](Context& ctx) { return holder_comes_first(ctx, dir_); });
}

asio::awaitable<void> pages_left_behind(Context& ctx, std::string dir) {
  auto stub = DevtoolsStub::start(ctx.executor(), ctx.clock());
  Fixture fixture(ctx, dir, {stub->address()});
  SessionSpec spec = spec_of(Isolation::process);
  auto session = co_await fixture.provider->create(ctx, "one", spec);
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  auto page = co_await open_page(ctx, **session);
  EXPECT_TRUE(page) << page.error().describe();
  page->reset();
  stub->fall_silent(true);
  stub->hang_up();
  while ((*session)->browser() && ctx.check())
    (void)co_await sleep_for(ctx, std::chrono::milliseconds(1));
  (void)co_await (*session)->close(ctx, false);  // before the connection is there again
  stub->fall_silent(false);
  auto next = co_await fixture.provider->create(ctx, "two", spec);
  EXPECT_TRUE(next) << next.error().describe();
  while (stub->pages(stub->browser()).size() > 1 && ctx.check())
    (void)co_await sleep_for(ctx, std::chrono::milliseconds(5));
  EXPECT_EQ(stub->pages(stub->browser()).size(), 1u);
  if (next) (void)co_await (*next)->close(ctx, true);
  (void)co_await fixture.pool->shutdown(ctx);
  (void)co_await stub->stop(ctx);
}

TEST_F(CdpProviderTest, PagesOfABrokenConnectionAreClosedByTheNext) {
  run([&](Context& ctx) { return pages_left_behind(ctx, dir_); });
}

asio::awaitable<void> nothing_listens(Context& ctx, std::string dir) {
  for (const char* address : {"http://user:secret@127.0.0.1:1", "ws://127.0.0.1:1/?token=secret"}) {
    Fixture fixture(ctx, dir, {address});
    SessionSpec spec = spec_of(Isolation::context);
    auto session = co_await fixture.provider->create(ctx, "one", spec);
    EXPECT_EQ(session.error().code, Errc::unavailable);
    EXPECT_THAT(session.error().message, HasSubstr("127.0.0.1:1"));
    EXPECT_THAT(session.error().describe(), Not(HasSubstr("secret")));
    // The second attempt waits for its time.
    const auto began = ctx.clock().now();
    auto again = co_await fixture.provider->create(ctx, "two", spec);
    EXPECT_EQ(again.error().code, Errc::unavailable);
    EXPECT_GE(ctx.clock().now() - began, std::chrono::milliseconds(15));
    (void)co_await fixture.pool->shutdown(ctx);
  }
}

TEST_F(CdpProviderTest, AnAddressWhereNothingListensIsUnavailable) {
  run([&](Context& ctx) { return nothing_listens(ctx, dir_); });
}

// An HTTP server that answers everything with `body`.
std::unique_ptr<net::HttpServer> answering(Context& ctx, int status, std::string body) {
  auto server = net::HttpServer::start(
      ctx.executor(), ctx.clock(), {},
      [status, body](Context&, net::HttpRequest) -> asio::awaitable<net::HttpResponse> {
        net::HttpResponse response{.status = status, .body = body};
        co_return response;
      });
  return std::move(server.value());
}

asio::awaitable<void> not_devtools(Context& ctx, std::string dir) {
  auto missing = answering(ctx, 404, "no");
  auto silent = answering(ctx, 200, "{}");
  const std::string missing_port = std::to_string(missing->port());
  const std::pair<std::string, std::string> cases[] = {
      {"http://127.0.0.1:" + missing_port, "/json/version answered 404"},
      {"ws://127.0.0.1:" + missing_port, "WebSocket handshake with HTTP 404"},
      {"http://127.0.0.1:" + std::to_string(silent->port()), "names no webSocketDebuggerUrl"},
  };
  for (const auto& [address, words] : cases) {
    Fixture fixture(ctx, dir, {address});
    SessionSpec spec = spec_of(Isolation::context);
    auto session = co_await fixture.provider->create(ctx, "one", spec);
    EXPECT_EQ(session.error().code, Errc::protocol_error) << address;
    EXPECT_THAT(session.error().message, HasSubstr(words));
    EXPECT_THAT(session.error().hint, HasSubstr("--remote-debugging-port"));
    (void)co_await fixture.pool->shutdown(ctx);
  }
  (void)co_await missing->stop(ctx);
  (void)co_await silent->stop(ctx);
}

TEST_F(CdpProviderTest, AnAddressWithoutDevToolsIsNamedWithItsRemedy) {
  run([&](Context& ctx) { return not_devtools(ctx, dir_); });
}

asio::awaitable<void> mapped_port(Context& ctx) {
  auto server =
      answering(ctx, 200, R"({"webSocketDebuggerUrl":"ws://0.0.0.0:3000/devtools/browser/1"})");
  auto http = net::HttpClient::create();
  const std::string authority = "127.0.0.1:" + std::to_string(server->port());
  const std::string address = "http://" + authority + "/?token=t";
  auto url = co_await resolve_endpoint(ctx, *http, address);
  EXPECT_EQ(url.value(), "ws://" + authority + "/devtools/browser/1?token=t");
  (void)co_await server->stop(ctx);
}

TEST(CdpEndpoints, KeepTheirHostAndTokenWhateverTheBrowserThinksItIsCalled) {
  run([&](Context& ctx) { return mapped_port(ctx); });
}

TEST_F(CdpProviderTest, WhatABrowserThatRunsCannotGetIsRefused) {
  run([&](Context& ctx) -> asio::awaitable<void> {
    Fixture fixture(ctx, dir_, {"http://127.0.0.1:1"});
    SessionSpec spec = spec_of(Isolation::context);
    spec.region = "mars";
    auto session = co_await fixture.provider->create(ctx, "one", spec);
    EXPECT_EQ(session.error().code, Errc::unsupported);
    EXPECT_THAT(session.error().message, HasSubstr("session region"));
    (void)co_await fixture.pool->shutdown(ctx);
  });
}

TEST(CdpEndpoints, AreCheckedWithoutShowingTheirSecrets) {
  EXPECT_TRUE(check_cdp_endpoints({"ws://h/x?token=t", "http://h:9222", "wss://h", "https://h"}));
  const auto refused = check_cdp_endpoints({"ftp://h/?token=secret"});
  EXPECT_EQ(refused.error().code, Errc::invalid_argument);
  EXPECT_THAT(refused.error().describe(), Not(HasSubstr("secret")));
  EXPECT_EQ(address_without_secrets("wss://u:p@h:3000/play/?token=t"), "wss://h:3000/play/");
}

}  // namespace
}  // namespace troupe::sessions
