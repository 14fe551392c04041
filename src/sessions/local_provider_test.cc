#include "sessions/local_provider.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/testing.h"
#include "sessions/pool.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;
using troupe::testing::run;

class NullLog final : public observe::Log {
 public:
  bool enabled(observe::Level) const override { return false; }
  void write(const Ids&, const observe::LogLine&) override {}
  void flush() override {}
};

// A pool over the real provider, ended with the test.
struct Fixture {
  explicit Fixture(Context& ctx, std::string dir, PoolOptions options = {}) : random(7) {
    std::vector<std::unique_ptr<SessionProvider>> providers;
    LocalOptions local{.data_dir = std::move(dir), .warm_sessions = 0};
    providers.push_back(make_local_provider(ctx.clock(), ctx.executor(), log, local));
    pool = std::make_unique<Pool>(ctx.clock(), ctx.executor(), random, options,
                                  std::move(providers), PoolObserver{});
  }
  NullLog log;
  Random random;
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

}  // namespace
}  // namespace troupe::sessions
