#include "sessions/request_rules.h"

#include <gtest/gtest.h>

namespace troupe::sessions {
namespace {

TEST(RequestRules, AHostFitsItsNameAndItsSubdomains) {
  EXPECT_TRUE(host_fits("example.com", "example.com"));
  EXPECT_TRUE(host_fits("a.b.Example.com", "example.COM"));
  EXPECT_TRUE(host_fits("a.example.com", "*.example.com"));
  EXPECT_TRUE(host_fits("anything", "*"));
  EXPECT_FALSE(host_fits("badexample.com", "example.com"));
  EXPECT_FALSE(host_fits("example.com.evil.org", "example.com"));
  EXPECT_FALSE(host_fits("example.com", ""));
}

TEST(RequestRules, NothingAskedForHoldsNothingUp) {
  const RequestRules rules{SessionSpec{}};

  EXPECT_TRUE(rules.empty());
  EXPECT_TRUE(rules.patterns().empty());
}

TEST(RequestRules, AllowedDomainsHoldForTheMainFrameOnly) {
  SessionSpec spec;
  spec.allowed_domains = {"example.com"};
  const RequestRules rules(spec);

  EXPECT_TRUE(rules.allows("https://www.example.com/a?b", "Document", true));
  EXPECT_FALSE(rules.allows("https://other.org/", "Document", true));
  EXPECT_FALSE(rules.allows("https://example.com@other.org/", "Document", true));
  EXPECT_FALSE(rules.allows("file:///etc/hosts", "Document", true));
  EXPECT_TRUE(rules.allows("data:text/html,x", "Document", true));
  EXPECT_TRUE(rules.allows("https://other.org/frame", "Document", false));
  EXPECT_EQ(rules.patterns().size(), 1u) << "only documents are held up";
}

TEST(RequestRules, DeniedWinsOverAllowed) {
  SessionSpec spec;
  spec.allowed_domains = {"example.com"};
  spec.denied_domains = {"private.example.com"};
  const RequestRules rules(spec);

  EXPECT_FALSE(rules.allows("http://private.example.com:8080/", "Document", true));
  EXPECT_TRUE(rules.allows("http://example.com/", "Document", true));
}

TEST(RequestRules, DomainsCoverResourcesWhenAsked) {
  SessionSpec spec;
  spec.allowed_domains = {"example.com"};
  spec.domains_cover_resources = true;
  const RequestRules rules(spec);

  EXPECT_FALSE(rules.allows("https://other.org/x.js", "Script", false));
  EXPECT_TRUE(rules.allows("https://cdn.example.com/x.js", "Script", false));
}

TEST(RequestRules, ResourcesAndAdvertisementsAreRefused) {
  SessionSpec spec;
  spec.blocked_resources = {"image", "font"};
  spec.block_ads = true;
  const RequestRules rules(spec);

  EXPECT_FALSE(rules.allows("https://example.com/a.png", "Image", false));
  EXPECT_TRUE(rules.allows("https://example.com/a.css", "Stylesheet", false));
  EXPECT_FALSE(rules.allows("https://ad.doubleclick.net/x", "Script", false));
  EXPECT_TRUE(rules.allows("https://doubleclick.net/", "Document", true)) << "asked for by hand";
}

TEST(RequestRules, SaysWhatIsWrongWithThem) {
  SessionSpec spec;
  spec.blocked_resources = {"video"};
  EXPECT_EQ(check_request_rules(spec).error().message,
            "session blocked_resources: 'video' is not one of image, media, font, stylesheet");
  spec.blocked_resources = {"media"};
  EXPECT_TRUE(check_request_rules(spec));
  spec.denied_domains = {"https://example.com"};
  EXPECT_EQ(check_request_rules(spec).error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace troupe::sessions
