#include "sessions/local_provider.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/testing.h"
#include "sessions/pool.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
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
    provider = providers.front().get();
    pool = std::make_unique<Pool>(ctx.clock(), ctx.executor(), random, options,
                                  std::move(providers), PoolObserver{});
  }
  NullLog log;
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

}  // namespace
}  // namespace troupe::sessions
