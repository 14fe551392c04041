#include "services/json_schema.h"

#include <gtest/gtest.h>

namespace troupe::services {
namespace {

json::value parsed(std::string_view text) { return json::parse(text); }

/// "" when `value` fits, else what is wrong with it.
std::string problem(std::string_view schema, std::string_view value) {
  const auto result = check_schema(parsed(value), parsed(schema).as_object());
  return result ? "" : result.error().message;
}

constexpr std::string_view kVideos = R"({"type": "object", "required": ["videos"],
  "additionalProperties": false,
  "properties": {"videos": {"type": "array", "minItems": 1, "maxItems": 2,
                            "items": {"$ref": "#/$defs/video"}}},
  "$defs": {"video": {"type": "object", "required": ["title", "views"],
    "properties": {"title": {"type": "string", "minLength": 1, "maxLength": 4},
                   "views": {"type": ["integer", "null"], "minimum": 0, "maximum": 9},
                   "kind": {"enum": ["live", "short"]}}}}})";

TEST(JsonSchema, AcceptsWhatFits) {
  EXPECT_EQ(problem(kVideos, R"({"videos": [{"title": "äöüß", "views": 3, "kind": "live"},
                                            {"title": "b", "views": null}]})"),
            "");
  EXPECT_EQ(problem(kVideos, R"({"videos": [{"title": "a", "views": 2.0}]})"), "");
}

TEST(JsonSchema, SaysWhereAndWhyAValueDoesNotFit) {
  EXPECT_EQ(problem(kVideos, "[]"), "the answer: is array, not object");
  EXPECT_EQ(problem(kVideos, "{}"), "videos: is missing");
  EXPECT_EQ(problem(kVideos, R"({"videos": []})"), "videos: 0 items are fewer than 1");
  EXPECT_EQ(problem(kVideos, R"({"videos": [1, 2, 3]})"), "videos: 3 items are more than 2");
  EXPECT_EQ(problem(kVideos, R"({"videos": [{"title": "a"}]})"), "videos[0].views: is missing");
  EXPECT_EQ(problem(kVideos, R"({"videos": [{"title": "a", "views": "7"}]})"),
            "videos[0].views: is string, not integer or null");
  EXPECT_EQ(problem(kVideos, R"({"videos": [{"title": "a", "views": 1.5}]})"),
            "videos[0].views: is number, not integer or null");
  EXPECT_EQ(problem(kVideos, R"({"videos": [{"title": "", "views": 1}]})"),
            "videos[0].title: is shorter than 1");
  EXPECT_EQ(problem(kVideos, R"({"videos": [{"title": "abcde", "views": 1}]})"),
            "videos[0].title: is longer than 4");
  EXPECT_EQ(problem(kVideos, R"({"videos": [{"title": "a", "views": -1}]})"),
            "videos[0].views: -1 is less than 0.000000");
  EXPECT_EQ(problem(kVideos, R"({"videos": [{"title": "a", "views": 10}]})"),
            "videos[0].views: 10 is more than 9.000000");
  EXPECT_EQ(problem(kVideos, R"({"videos": [{"title": "a", "views": 1, "kind": "x"}]})"),
            "videos[0].kind: is none of [\"live\",\"short\"]");
  EXPECT_EQ(problem(kVideos, R"({"videos": [{"title": "a", "views": 1}], "more": 1})"),
            "more: is not allowed here");
}

TEST(JsonSchema, TriesAlternatives) {
  constexpr std::string_view either = R"({"anyOf": [{"type": "string"}, {"const": 7}]})";
  EXPECT_EQ(problem(either, "\"a\""), "");
  EXPECT_EQ(problem(either, "7"), "");
  EXPECT_EQ(problem(either, "8"), "the answer: is not 7");
  constexpr std::string_view both = R"({"allOf": [{"minimum": 2}, {"maximum": 4}]})";
  EXPECT_EQ(problem(both, "3"), "");
  EXPECT_NE(problem(both, "1"), "");
}

TEST(JsonSchema, EndsOnASchemaThatRefersToItself) {
  EXPECT_EQ(problem(R"({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}})", "1"),
            "the answer: is nested too deeply");
  EXPECT_EQ(problem(R"({"$ref": "#/$defs/b"})", "1"),
            "the answer: has the unknown schema #/$defs/b");
}

TEST(JsonSchema, WrapsASchemaThatIsNoObject) {
  bool wrapped = false;
  const auto list = parsed(R"({"type": "array", "items": {"$ref": "#/$defs/a"},
                               "$defs": {"a": {"type": "string"}}})")
                        .as_object();
  const json::object whole = object_schema(list, wrapped);
  EXPECT_TRUE(wrapped);
  EXPECT_TRUE(check_schema(parsed(R"({"value": ["x"]})"), whole));
  EXPECT_FALSE(check_schema(parsed(R"({"value": [1]})"), whole));
  EXPECT_FALSE(check_schema(parsed("{}"), whole));
  const auto object = parsed(R"({"type": "object"})").as_object();
  EXPECT_EQ(object_schema(object, wrapped), object);
  EXPECT_FALSE(wrapped);
}

}  // namespace
}  // namespace troupe::services
