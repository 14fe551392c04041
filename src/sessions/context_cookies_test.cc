#include "sessions/context_cookies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/testing.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;
using troupe::testing::run;

json::object cookie(std::string_view name, std::string_view domain, std::string_view path = "/") {
  return {{"name", name}, {"value", "v"}, {"domain", domain}, {"path", path}};
}

std::string header_for(const json::array& cookies, std::string_view url) {
  return cookie_header(cookies, net::parse_url(url).value(), WallTime(std::chrono::seconds(1'000)));
}

TEST(CookieHeader, HoldsWhatFitsHostAndPath) {
  const json::array all{cookie("host", "a.test"), cookie("domain", ".a.test"),
                        cookie("other", "b.test"), cookie("deep", "a.test", "/x")};
  EXPECT_EQ(header_for(all, "http://a.test/"), "host=v; domain=v");
  EXPECT_EQ(header_for(all, "http://sub.a.test/"), "domain=v");
  EXPECT_EQ(header_for(all, "http://nota.test/"), "");
  EXPECT_EQ(header_for(all, "http://a.test/x/y?z"), "deep=v; host=v; domain=v");
  EXPECT_EQ(header_for(all, "http://a.test/xy"), "host=v; domain=v");
}

TEST(CookieHeader, LeavesOutWhatIsOverOrMustNotGoThere) {
  json::object secure = cookie("secure", "a.test");
  secure["secure"] = true;
  json::object over = cookie("over", "a.test");
  over["expires"] = 999.5;
  json::object session = cookie("session", "a.test");
  session["expires"] = -1;
  json::object partitioned = cookie("partitioned", "a.test");
  partitioned["partitionKey"] = json::object{{"topLevelSite", "https://b.test"}};
  json::object forged = cookie("forged", "a.test");
  forged["value"] = "x\r\nEvil: 1";
  const json::array all{secure, over, session, partitioned, forged};
  EXPECT_EQ(header_for(all, "http://a.test/"), "session=v");
  EXPECT_EQ(header_for(all, "https://a.test/"), "secure=v; session=v");
}

TEST(ContextCookies, AreThoseThatTheLastSessionLeft) {
  const std::string dir =
      (fs::temp_directory_path() / ("troupe-cookies-" + std::to_string(getpid()))).string();
  fs::create_directories(dir + "/profile/Default");
  std::ofstream(dir + "/profile/Default/troupe_cookies.json")
      << json::serialize(json::array{cookie("login", "a.test")});
  run([&](Context& ctx) -> asio::awaitable<void> {
    auto contexts = make_context_store(ctx.clock(), dir + "/contexts");
    const auto made = co_await contexts->create(ctx, "p", "name");
    EXPECT_TRUE(made) << made.error().describe();
    if (!made) co_return;
    const auto fresh = co_await cookies_of_context(ctx, *contexts, made->id, dir + "/browsers");
    EXPECT_TRUE(fresh && fresh->empty()) << "it was never saved";
    EXPECT_TRUE(co_await contexts->save(ctx, made->id, dir + "/profile"));
    const auto saved = co_await cookies_of_context(ctx, *contexts, made->id, dir + "/browsers");
    EXPECT_EQ(header_for(saved.value(), "http://a.test/"), "login=v");
    const auto unknown = co_await cookies_of_context(ctx, *contexts, "none", dir + "/browsers");
    EXPECT_EQ(unknown.error().code, Errc::not_found);
  });
  EXPECT_TRUE(fs::is_empty(dir + "/browsers"));  // nothing unpacked stays
  fs::remove_all(dir);
}

}  // namespace
}  // namespace troupe::sessions
