#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/testing.h"
#include "net/http_server.h"
#include "sessions/chromium.h"
#include "sessions/local_provider.h"
#include "sessions/session_testing.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::Not;
using troupe::testing::run;

using Fixture = SessionFixture;

class ProcessSessionsTest : public ::testing::Test {
 protected:
  ProcessSessionsTest() { fs::create_directories(dir_); }
  ~ProcessSessionsTest() override { fs::remove_all(dir_); }
  std::string dir_ =
      (fs::temp_directory_path() / ("troupe-process-" + std::to_string(getpid()))).string();
};

constexpr auto kIdentity =
    "[navigator.userAgent,navigator.language,Intl.DateTimeFormat().resolvedOptions().locale,"
    "Intl.DateTimeFormat().resolvedOptions().timeZone].join('|')";

asio::awaitable<void> identity(Context& ctx, std::string dir) {
  Fixture f(ctx, dir);
  SessionSpec spec{.connectable = true};
  spec.user_agent = "Probe/1";
  spec.locale = "de-DE";
  spec.timezone = "Europe/Berlin";
  spec.extra_headers = {{"X-Mark", "yes"}};
  spec.allowed_domains = {"127.0.0.1"};
  spec.blocked_resources = {"image"};
  auto session = co_await f.provider->create(ctx, "one", spec);
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  auto client = co_await open_page(ctx, **session);
  EXPECT_TRUE(client) << client.error().describe();
  if (!client) co_return;
  cdp::Page& page = *client->page;
  std::string inside = f.url("/inside");
  auto went = co_await page.navigate(ctx, std::move(inside), cdp::WaitUntil::load);
  EXPECT_TRUE(went) << went.error().describe();
  std::string identity_script = kIdentity;
  const auto who = co_await evaluate(ctx, page, std::move(identity_script));
  EXPECT_EQ(who, json::value("Probe/1|de-DE|de-DE|Europe/Berlin"));
  EXPECT_EQ(f.mark, "yes");
  EXPECT_TRUE(f.language.starts_with("de-DE,de")) << f.language;
  EXPECT_THAT(f.asked, Not(Contains("/picture")));
  std::string outside = "http://localhost:" + std::to_string(f.site->port()) + "/outside";
  auto refused = co_await page.navigate(ctx, std::move(outside), cdp::WaitUntil::load);
  EXPECT_FALSE(refused);
  EXPECT_THAT(f.asked, Not(Contains("/outside")));
  client->page.reset();
  (void)co_await (*session)->close(ctx, false);
  session->reset();
  co_await f.stop(ctx);
}

TEST_F(ProcessSessionsTest, WhatIsAskedForHoldsForPagesOfForeignClients) {
  run([&](Context& ctx) { return identity(ctx, dir_); });
}

asio::awaitable<void> persist(Context& ctx, std::string dir) {
  Fixture f(ctx, dir);
  auto context = co_await f.contexts->create(ctx, "p", "");
  SessionSpec spec{.context_id = context->id, .context_persist = true};
  const std::string keep = "localStorage.a='kept';document.cookie='s=1';'done'";
  const std::string look = "localStorage.a+'|'+document.cookie";
  for (const std::string& script : {keep, look}) {
    auto session = co_await f.provider->create(ctx, "one", spec);
    EXPECT_TRUE(session) << session.error().describe();
    if (!session) co_return;
    auto second = co_await f.provider->create(ctx, "two", spec);
    EXPECT_EQ(second.error().code, Errc::conflict);
    auto client = co_await open_page(ctx, **session);
    EXPECT_TRUE(client) << client.error().describe();
    if (!client) co_return;
    std::string url = f.url("/");
    (void)co_await client->page->navigate(ctx, std::move(url), cdp::WaitUntil::load);
    const auto value = co_await evaluate(ctx, *client->page, script);
    EXPECT_EQ(value, json::value(script == keep ? "done" : "kept|s=1"));
    client->page.reset();
    auto closed = co_await (*session)->close(ctx, false);
    EXPECT_TRUE(closed) << closed.error().describe();
  }
  co_await f.stop(ctx);
}

TEST_F(ProcessSessionsTest, AContextKeepsCookiesAndStorage) {
  run([&](Context& ctx) { return persist(ctx, dir_); });
}

asio::awaitable<void> persist_crash(Context& ctx, std::string dir) {
  Fixture f(ctx, dir);
  auto context = co_await f.contexts->create(ctx, "p", "");
  SessionSpec spec{.context_id = context->id, .context_persist = true};
  auto session = co_await f.provider->create(ctx, "one", spec);
  (*session)->browser()->connection->post("", "Browser.crash");
  (void)co_await (*session)->lost().wait(ctx);
  auto closed = co_await (*session)->close(ctx, false);
  EXPECT_EQ(closed.error().code, Errc::storage_failed) << "a crashed profile is not kept";
  auto removed = co_await f.contexts->remove(ctx, context->id);
  EXPECT_TRUE(removed) << "and nobody has it any more";
  session->reset();
  co_await f.stop(ctx);
}

TEST_F(ProcessSessionsTest, AContextOfACrashedBrowserStaysAsItWas) {
  run([&](Context& ctx) { return persist_crash(ctx, dir_); });
}

asio::awaitable<void> extension(Context& ctx, std::string dir) {
  fs::create_directories(dir + "/extension");
  std::ofstream(dir + "/extension/manifest.json")
      << R"({"manifest_version":3,"name":"Mark","version":"1","content_scripts":[
            {"matches":["<all_urls>"],"js":["mark.js"],"run_at":"document_start"}]})";
  std::ofstream(dir + "/extension/mark.js") << "document.documentElement.dataset.mark='yes';";
  Fixture f(ctx, dir);
  SessionSpec unknown{.extension_id = "other"};
  auto none = co_await f.provider->create(ctx, "none", unknown);
  EXPECT_EQ(none.error().code, Errc::not_found);
  SessionSpec spec{.extension_id = "mark"};
  auto session = co_await f.provider->create(ctx, "one", spec);
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  auto client = co_await open_page(ctx, **session);
  EXPECT_TRUE(client) << client.error().describe();
  if (!client) co_return;
  std::string url = f.url("/");
  (void)co_await client->page->navigate(ctx, std::move(url), cdp::WaitUntil::load);
  const auto mark = co_await evaluate(ctx, *client->page, "document.documentElement.dataset.mark");
  EXPECT_EQ(mark, json::value("yes"));
  client->page.reset();
  (void)co_await (*session)->close(ctx, false);
  session->reset();
  co_await f.stop(ctx);
}

TEST_F(ProcessSessionsTest, AnExtensionIsLoaded) {
  if (!find_full_browser("")) GTEST_SKIP() << "needs a full Chromium (apt-get install chromium)";
  run([&](Context& ctx) { return extension(ctx, dir_); });
}

asio::awaitable<void> proxy(Context& ctx, std::string dir) {
  Fixture f(ctx, dir);
  Fixture proxy(ctx, dir + "/proxy");
  proxy.is_proxy = true;
  SessionSpec spec{.connectable = true};
  spec.proxies.push_back({.type = ProxySpec::Type::none, .domain_pattern = "127.0.0.1"});
  spec.proxies.push_back({.type = ProxySpec::Type::external,
                          .server = proxy.url("").substr(7),
                          .username = "user",
                          .password = "pass"});
  auto session = co_await f.provider->create(ctx, "one", spec);
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  auto client = co_await open_page(ctx, **session);
  EXPECT_TRUE(client) << client.error().describe();
  if (!client) co_return;
  std::string direct = f.url("/direct");
  auto went = co_await client->page->navigate(ctx, std::move(direct), cdp::WaitUntil::load);
  EXPECT_TRUE(went) << went.error().describe();
  EXPECT_THAT(f.asked, Contains("/direct"));
  std::string proxied = "http://host.invalid/proxied";
  went = co_await client->page->navigate(ctx, std::move(proxied), cdp::WaitUntil::load);
  EXPECT_TRUE(went) << went.error().describe();
  EXPECT_EQ(went->http_status, 200);
  Session info;
  (*session)->describe(info);
  EXPECT_GT(info.proxy_bytes, 0u);
  client->page.reset();
  (void)co_await (*session)->close(ctx, false);
  session->reset();
  co_await f.stop(ctx);
  co_await proxy.site->stop(ctx);
}

TEST_F(ProcessSessionsTest, AProxyIsChosenByHostAndGivenItsCredentials) {
  run([&](Context& ctx) { return proxy(ctx, dir_); });
}

asio::awaitable<void> storm(Context& ctx, std::string dir) {
  Fixture f(ctx, dir);
  SessionSpec spec{.connectable = true};
  auto session = co_await f.provider->create(ctx, "one", spec);
  auto client = co_await open_page(ctx, **session);
  EXPECT_TRUE(client) << client.error().describe();
  if (!client) co_return;
  for (int i = 0; i < 20; ++i)
    client->connection->post("", "Target.createTarget", {{"url", "about:blank"}});
  std::size_t pages = 99;
  while (pages > 3) {
    auto targets = co_await client->connection->call(ctx, "", "Target.getTargets");
    EXPECT_TRUE(targets) << targets.error().describe();
    if (!targets) co_return;
    pages = targets->at("targetInfos").as_array().size();
  }
  EXPECT_EQ(pages, 3u);
  client->page.reset();
  (void)co_await (*session)->close(ctx, false);
  session->reset();
  co_await f.stop(ctx);
}

TEST_F(ProcessSessionsTest, TabsBeyondTheLimitAreClosed) {
  run([&](Context& ctx) { return storm(ctx, dir_); });
}

asio::awaitable<void> refused(Context& ctx, std::string dir) {
  Fixture f(ctx, dir);
  SessionSpec spec{.connectable = true};
  spec.timezone = "Europe/Ber lin";
  auto session = co_await f.provider->create(ctx, "one", spec);
  EXPECT_EQ(session.error().code, Errc::invalid_argument) << session.error().describe();
  spec.timezone.clear();
  spec.proxies.push_back({});
  session = co_await f.provider->create(ctx, "one", spec);
  EXPECT_EQ(session.error().code, Errc::unsupported) << session.error().describe();
  spec.proxies[0] = {.type = ProxySpec::Type::external, .server = "ftp://x"};
  session = co_await f.provider->create(ctx, "one", spec);
  EXPECT_EQ(session.error().code, Errc::invalid_argument) << session.error().describe();
  spec.proxies.clear();
  spec.extra_headers = {{"A:", "b"}};
  session = co_await f.provider->create(ctx, "one", spec);
  EXPECT_EQ(session.error().code, Errc::invalid_argument) << session.error().describe();
  spec.extra_headers.clear();
  spec.context_id = "unknown";
  session = co_await f.provider->create(ctx, "one", spec);
  EXPECT_EQ(session.error().code, Errc::not_found) << session.error().describe();
  co_await f.stop(ctx);
}

TEST_F(ProcessSessionsTest, RefusesWhatItCannotDo) {
  run([&](Context& ctx) { return refused(ctx, dir_); });
}

}  // namespace
}  // namespace troupe::sessions
