#include "sessions/proxy_forwarder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::sessions {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(OwnProxy, IsReadFromItsUrl) {
  const auto http = proxy_from_url("http://user:p%40ss@proxy.test:3128");
  const auto socks = proxy_from_url("socks5://proxy.test:1080");

  EXPECT_EQ(http.value().server, "http://proxy.test:3128");
  EXPECT_EQ(http.value().username, "user");
  EXPECT_EQ(http.value().password, "p@ss");
  EXPECT_EQ(socks.value().server, "socks5://proxy.test:1080");
  EXPECT_TRUE(socks.value().username.empty());
}

TEST(OwnProxy, ThatIsNoneIsRefusedWithoutShowingIt) {
  for (const char* text :
       {"proxy", "https://user:hunter2@proxy.test", "socks5://", "http://u:%zz@p"}) {
    const auto proxy = proxy_from_url(text);
    ASSERT_FALSE(proxy) << text;
    EXPECT_EQ(proxy.error().code, Errc::invalid_argument);
    EXPECT_THAT(proxy.error().describe(), Not(HasSubstr("hunter2")));
  }
}

TEST(OwnProxy, StandsInForThoseOfTheProvider) {
  std::vector<ProxySpec> proxies{{.type = ProxySpec::Type::none, .domain_pattern = "plain.test"},
                                 {.domain_pattern = "*.shop.test"},
                                 {.type = ProxySpec::Type::external, .server = "http://x:1"}};

  ASSERT_TRUE(give_own_proxy(proxies, "http://u:p@proxy.test:3128"));

  EXPECT_TRUE(check_proxies(proxies));
  EXPECT_EQ(proxies[0].type, ProxySpec::Type::none);
  EXPECT_EQ(proxies[1].type, ProxySpec::Type::external);
  EXPECT_EQ(proxies[1].server, "http://proxy.test:3128");
  EXPECT_EQ(proxies[1].domain_pattern, "*.shop.test");
  EXPECT_EQ(proxies[2].server, "http://x:1");
}

TEST(OwnProxy, HasOnePlaceAndIsMissedBySetting) {
  std::vector<ProxySpec> abroad{{.geolocation = {{"country", "DE"}}}};
  std::vector<ProxySpec> any{{}};

  EXPECT_EQ(give_own_proxy(abroad, "http://proxy.test:3128").error().code, Errc::unsupported);
  EXPECT_TRUE(give_own_proxy(any, ""));
  EXPECT_THAT(check_proxies(any).error().describe(), HasSubstr("proxy_url"));
}

}  // namespace
}  // namespace troupe::sessions
