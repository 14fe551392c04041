#include "interact/concealed.h"

#include <gtest/gtest.h>

namespace troupe::interact {
namespace {

const json::object kGiven{{"password", "a&b \"1\""}, {"pin", "1"}, {"none", ""}, {"count", 3}};

TEST(Concealed, TakesValuesOutHoweverTheyAreWritten) {
  EXPECT_EQ(concealed("it is a&b \"1\"", kGiven), "it is %password%");
  EXPECT_EQ(concealed("https://a.example/?q=a%26b%20%22"
                      "1%22&x",
                      kGiven),
            "https://a.example/?q=%password%&x");
  EXPECT_EQ(concealed("q=a%26b+%22"
                      "1%22",
                      kGiven),
            "q=%password%");
  EXPECT_EQ(concealed(R"({"v":"a&b \"1\""})", kGiven), R"({"v":"%password%"})");
  EXPECT_EQ(concealed("1 and 2", kGiven), "%pin% and 2");
  EXPECT_EQ(concealed("plain", {}), "plain");
}

TEST(Concealed, DoesNotTakeNamesForValues) {
  const json::object given{{"user", "s"}, {"pass", "user"}};
  EXPECT_EQ(concealed("user s", given), "%pass% %user%");
}

TEST(Concealed, ReachesAllTextsOfAValue) {
  const json::value value = json::parse(R"({"a":["1",{"b":"x1"}],"n":1})");
  EXPECT_EQ(concealed_value(value, kGiven), json::parse(R"({"a":["%pin%",{"b":"x%pin%"}],"n":1})"));
}

TEST(Revealed, PutsValuesInOnceAndKnowsNoOtherNames) {
  EXPECT_EQ(revealed("%pin%%pin% 5%", kGiven).value(), "11 5%");
  EXPECT_EQ(revealed("%a%", json::object{{"a", "%b%"}, {"b", "x"}}).value(), "%b%");
  EXPECT_EQ(revealed("100% of %x%", {}).value(), "100% of %x%");
  const auto unknown = revealed("%other%", kGiven);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace troupe::interact
