#include "api/session_query.h"

#include <gmock/gmock.h>

namespace troupe::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

json::object metadata() {
  return json::parse(R"({"shop": {"name": "spoons", "n": 17, "list": ["spoons"]}, "a'b": "c\\d"})")
      .as_object();
}

TEST(MetadataQuery, ReadsThePathAndTheValue) {
  const auto query = parse_metadata_query("user_metadata['shop'][\"name\"] : 'spoons'");
  ASSERT_TRUE(query) << query.error().describe();
  EXPECT_THAT(query->path, ElementsAre("shop", "name"));
  EXPECT_EQ(query->value, "spoons");
  EXPECT_TRUE(query->fits(metadata()));
}

TEST(MetadataQuery, TakesEscapedQuotes) {
  const auto query = parse_metadata_query(R"(user_metadata['a\'b']:"c\\d")");
  ASSERT_TRUE(query) << query.error().describe();
  EXPECT_TRUE(query->fits(metadata()));
}

TEST(MetadataQuery, FitsOnlyTheSameTextAtTheSamePlace) {
  const auto fits = [](const char* text) {
    return parse_metadata_query(text).value().fits(metadata());
  };
  EXPECT_FALSE(fits("user_metadata['shop']['name']:'Spoons'"));
  EXPECT_FALSE(fits("user_metadata['shop']:'spoons'"));
  EXPECT_FALSE(fits("user_metadata['shop']['n']:'17'"));
  EXPECT_FALSE(fits("user_metadata['shop']['list']:'spoons'"));
  EXPECT_FALSE(fits("user_metadata['shop']['name']['x']:'spoons'"));
  EXPECT_FALSE(fits("user_metadata['other']['name']:'spoons'"));
}

class BadQuery : public testing::TestWithParam<const char*> {};

TEST_P(BadQuery, IsRefusedWithItsPlace) {
  const auto query = parse_metadata_query(GetParam());
  ASSERT_FALSE(query) << GetParam();
  EXPECT_EQ(query.error().code, Errc::invalid_argument);
  EXPECT_THAT(query.error().message, HasSubstr("at offset"));
}

INSTANTIATE_TEST_SUITE_P(All, BadQuery,
                         testing::Values("", "metadata['a']:'b'", "user_metadata:'b'",
                                         "user_metadata['a'", "user_metadata['a']",
                                         "user_metadata['a']:", "user_metadata['a']:b",
                                         "user_metadata['a']:'b", "user_metadata['a']:'b' x",
                                         "user_metadata[a]:'b'", "user_metadata['a'].b:'c'"));

TEST(MetadataQuery, IsLimitedInLengthAndDepth) {
  std::string deep = "user_metadata";
  for (int i = 0; i < 33; ++i) deep += "['a']";
  EXPECT_FALSE(parse_metadata_query(deep + ":'b'"));
  EXPECT_FALSE(parse_metadata_query("user_metadata['a']:'" + std::string(9'000, 'x') + "'"));
}

}  // namespace
}  // namespace troupe::api
