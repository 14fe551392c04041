#include "sessions/local_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/testing.h"
#include "sessions/pool.h"
#include "sessions/testing.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using troupe::testing::run;

// A pool over the real provider, ended with the test.
struct Fixture {
  explicit Fixture(Context& ctx, std::string dir, LocalOptions local = {}) : random(7) {
    std::vector<std::unique_ptr<SessionProvider>> providers;
    local.data_dir = std::move(dir);
    local.warm_sessions = 0;
    local.warm_processes = 0;
    const PoolOptions options{.tend_every = std::chrono::milliseconds(100)};
    providers.push_back(make_local_provider(ctx.clock(), ctx.executor(), log, local));
    provider = providers.front().get();
    pool = std::make_unique<Pool>(ctx.clock(), ctx.executor(), random, options,
                                  std::move(providers), PoolObserver{});
  }
  observe::Log& log = null_log();
  Random random;
  SessionProvider* provider = nullptr;
  std::unique_ptr<Pool> pool;
};

class LocalProviderTest : public ::testing::Test {
 protected:
  std::string dir_ =
      (fs::temp_directory_path() / ("troupe-local-" + std::to_string(getpid()))).string();
  void TearDown() override { fs::remove_all(dir_); }
};

asio::awaitable<json::value> cookie_after_setting(Context& ctx, Lease& lease, std::string url) {
  auto browser = lease.session().browser();
  auto page = lease.session().take_page();
  if (!page) {
    cdp::Page::Options where{.browser_context_id = browser->browser_context_id};
    auto opened = co_await cdp::Page::open(ctx, *browser->connection, where);
    page = std::move(*opened);
  }
  cdp::Page::EvaluateOptions own{.isolated = false};
  (void)co_await page->navigate(ctx, url, cdp::WaitUntil::load);
  auto before = co_await page->evaluate(ctx, "window.name", own);
  (void)co_await page->evaluate(ctx, "window.name='mark'", own);
  lease.session().give_back_page(std::move(page));
  co_return before ? *before : json::value(before.error().describe());
}

asio::awaitable<void> two_leases(Context& ctx, std::string dir, Isolation isolation) {
  Fixture fixture(ctx, dir);
  SessionSpec spec{.isolation = isolation};
  const std::string url = "data:text/html,<p>page</p>";
  for (int round = 0; round < 2; ++round) {
    auto lease = co_await fixture.pool->acquire(ctx, spec, "run", "task");
    EXPECT_TRUE(lease) << lease.error().describe();
    if (!lease) co_return;
    const auto before = co_await cookie_after_setting(ctx, *lease, url);
    EXPECT_EQ(before, json::value("")) << "round " << round;
    auto released = co_await lease->release(ctx, true, EndReason::released);
    EXPECT_TRUE(released) << released.error().describe();
  }
  EXPECT_EQ(fixture.pool->active_count(), 0u);
  auto closed = co_await fixture.pool->shutdown(ctx);
  EXPECT_TRUE(closed) << closed.error().describe();
  EXPECT_TRUE(fs::is_empty(dir + "/browsers"));
}

TEST_F(LocalProviderTest, ContextSessionsShareNothing) {
  run([&](Context& ctx) { return two_leases(ctx, dir_, Isolation::context); });
}

TEST_F(LocalProviderTest, ReusedPagesAreCleared) {
  run([&](Context& ctx) { return two_leases(ctx, dir_, Isolation::reuse); });
}

TEST_F(LocalProviderTest, ProcessSessionsHaveTheirOwnBrowser) {
  run([&](Context& ctx) { return two_leases(ctx, dir_, Isolation::process); });
}

asio::awaitable<void> browser_closes(Context& ctx, std::string dir, Isolation isolation) {
  Fixture fixture(ctx, dir);
  SessionSpec spec{.isolation = isolation};
  auto lease = co_await fixture.pool->acquire(ctx, spec, "run", "task");
  EXPECT_TRUE(lease) << lease.error().describe();
  if (!lease) co_return;
  lease->session().browser()->connection->post("", "Browser.close");
  (void)co_await lease->lost().wait(ctx);
  EXPECT_THAT(lease->lost_reason().message, HasSubstr("it was closed (exit code 0)"));
  (void)co_await lease->release(ctx, false, EndReason::released);
  EXPECT_EQ(fixture.pool->info(lease->id())->end_reason, EndReason::provider_ended);
  (void)co_await fixture.pool->shutdown(ctx);
}

TEST_F(LocalProviderTest, ABrowserThatWasClosedHasNotCrashed) {
  run([&](Context& ctx) { return browser_closes(ctx, dir_, Isolation::context); });
  run([&](Context& ctx) { return browser_closes(ctx, dir_, Isolation::process); });
}

asio::awaitable<void> browser_dies(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir);
  SessionSpec spec;
  auto lease = co_await fixture.pool->acquire(ctx, spec, "run", "task");
  auto other = co_await fixture.pool->create(ctx, spec);
  auto browser = lease->session().browser();
  browser->connection->post("", "Browser.crash");

  (void)co_await lease->lost().wait(ctx);
  EXPECT_EQ(lease->lost_reason().code, Errc::session_lost);
  auto released = co_await lease->release(ctx, false, EndReason::released);
  EXPECT_TRUE(released) << released.error().describe();
  EXPECT_EQ(fixture.pool->info(lease->id())->end_reason, EndReason::crashed);
  (void)co_await fixture.pool->release(ctx, other->id, EndReason::released);
  EXPECT_EQ(fixture.pool->info(other->id)->end_reason, EndReason::crashed);

  auto next = co_await fixture.pool->acquire(ctx, spec, "run", "task");
  EXPECT_TRUE(next) << next.error().describe();
  (void)co_await fixture.pool->shutdown(ctx);
}

TEST_F(LocalProviderTest, ADeadBrowserIsReplaced) {
  run([&](Context& ctx) { return browser_dies(ctx, dir_); });
}

// Asks the endpoint like a foreign client would.
asio::awaitable<Result<json::object>> targets_at(Context& ctx, std::string url) {
  CO_TRY(auto transport, co_await cdp::connect_websocket(ctx, url));
  cdp::Connection client(std::move(transport));
  co_return co_await client.call(ctx, "", "Target.getTargets");
}

asio::awaitable<void> connectable(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir);
  SessionSpec spec{.connectable = true};
  auto session = co_await fixture.provider->create(ctx, "one", spec);
  EXPECT_TRUE(session) << session.error().describe();
  auto url = co_await (*session)->endpoint(ctx);
  EXPECT_TRUE(url) << url.error().describe();
  EXPECT_TRUE(url->starts_with("ws://127.0.0.1:")) << *url;
  auto targets = co_await targets_at(ctx, *url);
  EXPECT_TRUE(targets) << targets.error().describe();
  EXPECT_EQ(targets->at("targetInfos").as_array().size(), 1u) << "the default context has one page";
  EXPECT_FALSE((*session)->lost().is_set());

  auto client = co_await cdp::connect_websocket(ctx, *url);
  cdp::Connection foreign(std::move(*client));
  foreign.post("", "Browser.close");
  (void)co_await (*session)->lost().wait(ctx);
  EXPECT_EQ((*session)->lost_reason().code, Errc::session_lost);
  auto gone = co_await (*session)->endpoint(ctx);
  EXPECT_EQ(gone.error().code, Errc::session_lost);
  (void)co_await (*session)->close(ctx, false);
  session->reset();
  (void)co_await fixture.pool->shutdown(ctx);
  EXPECT_TRUE(fs::is_empty(dir + "/browsers"));
}

TEST_F(LocalProviderTest, AConnectableSessionHasAnEndpointForForeignClients) {
  run([&](Context& ctx) { return connectable(ctx, dir_); });
}

asio::awaitable<void> no_endpoint(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir);
  SessionSpec shared;
  auto session = co_await fixture.provider->create(ctx, "one", shared);
  auto url = co_await (*session)->endpoint(ctx);
  EXPECT_EQ(url.error().code, Errc::unsupported);
  (void)co_await (*session)->close(ctx, false);
  session->reset();
  (void)co_await fixture.pool->shutdown(ctx);
}

TEST_F(LocalProviderTest, ASharedBrowserHasNoEndpoint) {
  run([&](Context& ctx) { return no_endpoint(ctx, dir_); });
}

// A page in the session, with a script running in it.
asio::awaitable<std::unique_ptr<cdp::Page>> page_with(Context& ctx, Lease& lease,
                                                      std::string script) {
  const auto browser = lease.session().browser();
  cdp::Page::Options where{.browser_context_id = browser->browser_context_id};
  auto page = co_await cdp::Page::open(ctx, *browser->connection, where);
  EXPECT_TRUE(page) << page.error().describe();
  if (!page) co_return nullptr;
  (*page)->post("Runtime.evaluate", {{"expression", script}, {"userGesture", true}});
  co_return std::move(*page);
}

asio::awaitable<bool> still_works(Context& ctx, Lease& lease) {
  auto page = co_await page_with(ctx, lease, "0");
  if (!page) co_return false;
  cdp::Page::EvaluateOptions own{.isolated = false};
  const auto sum = co_await page->evaluate(ctx, "20+22", own);
  co_return sum && *sum == json::value(42);
}

// The offender ends with a reason that is told; its neighbour in the same browser goes on.
asio::awaitable<void> contained(Context& ctx, std::string dir, LocalOptions local, SessionSpec spec,
                                std::string script, std::string reason) {
  Fixture fixture(ctx, dir, local);
  auto bad = co_await fixture.pool->acquire(ctx, spec, "run", "bad");
  auto good = co_await fixture.pool->acquire(ctx, spec, "run", "good");
  EXPECT_TRUE(bad && good);
  if (!bad || !good) co_return;
  auto page = co_await page_with(ctx, *bad, script);

  const auto ended = co_await bad->lost().wait(ctx);

  EXPECT_TRUE(ended) << ended.error().describe();
  EXPECT_EQ(bad->lost_reason().code, Errc::exhausted) << bad->lost_reason().describe();
  EXPECT_NE(bad->lost_reason().message.find(reason), std::string::npos)
      << bad->lost_reason().describe();
  page.reset();
  auto released = co_await bad->release(ctx, true, EndReason::released);
  EXPECT_TRUE(released) << released.error().describe();
  EXPECT_EQ(fixture.pool->info(bad->id())->end_reason, EndReason::quota);
  EXPECT_FALSE(good->lost().is_set());
  EXPECT_TRUE(co_await still_works(ctx, *good));
  auto also = co_await good->release(ctx, true, EndReason::released);
  EXPECT_TRUE(also) << also.error().describe();
  // What still names a browser keeps its folder.
  *bad = Lease();
  *good = Lease();
  (void)co_await fixture.pool->shutdown(ctx);
  EXPECT_TRUE(fs::is_empty(dir + "/browsers"));
}

constexpr auto kOpensWindows = "setInterval(() => window.open('about:blank'), 1)";
constexpr auto kTakesMemory =
    "const all=[];setInterval(() => all.push(new Uint8Array(32<<20).fill(1)), 5)";

TEST_F(LocalProviderTest, AStormOfPagesEndsItsSessionOnly) {
  const LocalOptions few{.tabs_max = 3};
  for (const Isolation isolation : {Isolation::context, Isolation::reuse, Isolation::process}) {
    const SessionSpec spec{.isolation = isolation};
    run([&](Context& ctx) {
      return contained(ctx, dir_, few, spec, kOpensWindows, "session_tabs_max 3");
    });
  }
}

TEST_F(LocalProviderTest, APageThatTakesAllMemoryEndsItsSessionOnly) {
  const LocalOptions small{.browser_memory_mb = 500, .browser_memory_max_mb = 3'000};
  for (const Isolation isolation : {Isolation::context, Isolation::process}) {
    const SessionSpec spec{.isolation = isolation};
    run([&](Context& ctx) { return contained(ctx, dir_, small, spec, kTakesMemory, " MiB of "); });
  }
}

// Script objects are limited by V8: its page is lost and nothing else. Too many of them, and the
// browser takes no further sessions.
asio::awaitable<void> heap_overflows(Context& ctx, std::string dir) {
  LocalOptions local{.renderer_heap_mb = 64, .browser_crashes_max = 1};
  Fixture fixture(ctx, dir, local);
  SessionSpec spec;
  auto bad = co_await fixture.pool->acquire(ctx, spec, "run", "bad");
  auto good = co_await fixture.pool->acquire(ctx, spec, "run", "good");
  auto page = co_await page_with(ctx, *bad, "const a=[];for(;;)a.push(new Array(1e5).fill({}))");
  while (page && !page->crashed()) {
    const auto slept = co_await sleep_for(ctx, std::chrono::milliseconds(20));
    EXPECT_TRUE(slept) << "the page did not crash";
    if (!slept) break;
  }
  EXPECT_EQ(bad->session().counters().page_errors, 1u);
  EXPECT_FALSE(bad->lost().is_set());
  EXPECT_TRUE(co_await still_works(ctx, *good));
  const auto* old = good->session().browser()->connection;
  (void)co_await sleep_for(ctx, std::chrono::milliseconds(300));  // the care of the pool
  auto next = co_await fixture.pool->acquire(ctx, spec, "run", "next");
  EXPECT_TRUE(next && next->session().browser()->connection != old) << "a fresh browser";
  page.reset();
  (void)co_await fixture.pool->shutdown(ctx);
}

TEST_F(LocalProviderTest, AHeapThatOverflowsCostsItsPageAndSoonTheBrowserItsNewSessions) {
  run([&](Context& ctx) { return heap_overflows(ctx, dir_); });
}

// The kernel refuses more before anybody has looked.
asio::awaitable<void> refused_by_kernel(Context& ctx, std::string dir) {
  LocalOptions local{.browser_memory_mb = 100'000, .browser_memory_max_mb = 700};
  Fixture fixture(ctx, dir, local);
  SessionSpec spec;
  auto lease = co_await fixture.pool->acquire(ctx, spec, "run", "task");
  auto page = co_await page_with(ctx, *lease, "0");
  if (!page) co_return;
  constexpr auto kGreedy =
      "(() => {let n=0;const all=[];try{for(;n<60;++n)all.push(new Uint8Array(32<<20).fill(1))}"
      "catch(e){return n} return n})()";
  cdp::Page::EvaluateOptions own{.isolated = false};
  const auto pieces = co_await page->evaluate(ctx, kGreedy, own);
  const bool ended = !pieces && page->crashed();
  EXPECT_TRUE(ended || (pieces && pieces->to_number<int>() < 30))
      << (pieces ? json::serialize(*pieces) : pieces.error().describe());
  page.reset();
  (void)co_await fixture.pool->shutdown(ctx);
}

TEST_F(LocalProviderTest, TheKernelHoldsEachProcessToItsMemory) {
  run([&](Context& ctx) { return refused_by_kernel(ctx, dir_); });
}

asio::awaitable<void> downloads_too_much(Context& ctx, std::string dir) {
  const LocalOptions local{.downloads_max = 1};
  Fixture fixture(ctx, dir, local);
  SessionSpec spec;
  auto lease = co_await fixture.pool->acquire(ctx, spec, "run", "task");
  const auto folder = lease->session().downloads_dir();
  std::ofstream(*folder + "/one") << "1";
  std::ofstream(*folder + "/two.crdownload") << "2";

  (void)co_await lease->lost().wait(ctx);

  EXPECT_EQ(lease->lost_reason().code, Errc::exhausted);
  (void)co_await lease->release(ctx, true, EndReason::released);
  EXPECT_EQ(fixture.pool->info(lease->id())->end_reason, EndReason::quota);
  EXPECT_FALSE(fs::exists(*folder));
  (void)co_await fixture.pool->shutdown(ctx);
}

TEST_F(LocalProviderTest, DownloadsAreLimitedWhileTheyRun) {
  run([&](Context& ctx) { return downloads_too_much(ctx, dir_); });
}

// Old browsers are replaced, also when nothing happens.
asio::awaitable<void> grows_old(Context& ctx, std::string dir) {
  const LocalOptions local{.browser_recycle_age = std::chrono::milliseconds(1)};
  Fixture fixture(ctx, dir, local);
  SessionSpec spec;
  auto first = co_await fixture.pool->acquire(ctx, spec, "run", "one");
  const auto* old = first->session().browser()->connection;
  (void)co_await sleep_for(ctx, std::chrono::milliseconds(300));  // the care of the pool
  EXPECT_TRUE(co_await still_works(ctx, *first)) << "its sessions may end in peace";
  auto second = co_await fixture.pool->acquire(ctx, spec, "run", "two");
  EXPECT_TRUE(second && second->session().browser()->connection != old);
  (void)co_await fixture.pool->shutdown(ctx);
}

TEST_F(LocalProviderTest, AnOldBrowserTakesNoMoreSessions) {
  run([&](Context& ctx) { return grows_old(ctx, dir_); });
}

}  // namespace
}  // namespace troupe::sessions
