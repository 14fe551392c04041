#include "interact/extraction.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "base/testing.h"
#include "interact/extract_reading.h"

namespace troupe::interact {
namespace {

constexpr std::string_view kPage = "https://site.test/a/b";

std::string converted(std::string_view raw, std::string_view type) {
  const auto value = convert(raw, type, kPage);
  return value ? json::serialize(*value) : value.error().message;
}

TEST(Values, CountsHaveSuffixesAndGroups) {
  EXPECT_EQ(converted("1.2M views", "count"), "1200000");
  EXPECT_EQ(converted("39K", "count"), "39000");
  EXPECT_EQ(converted("12,345", "count"), "12345");
  EXPECT_EQ(converted("1.234", "count"), "1234");
  EXPECT_EQ(converted("12 345 Aufrufe", "count"), "12345");
  EXPECT_EQ(converted("1,2 Mio. Aufrufe", "count"), "1200000");
  EXPECT_EQ(converted("(7)", "count"), "7");
  EXPECT_EQ(converted("No views", "count"), "0");
  EXPECT_EQ(converted("many", "count"), "\"many\" is no count");
}

TEST(Values, DurationsAreSeconds) {
  EXPECT_EQ(converted("1:37:24", "duration"), "5844");
  EXPECT_EQ(converted("04:14", "duration"), "254");
  EXPECT_EQ(converted("PT1H2M", "duration"), "3720");
  EXPECT_EQ(converted("PT45S", "duration"), "45");
  EXPECT_EQ(converted("1 h 5 min", "duration"), "3900");
  EXPECT_EQ(converted("95 minutes", "duration"), "5700");
  EXPECT_EQ(converted("LIVE", "duration"), "\"LIVE\" is no duration");
}

TEST(Values, NumbersFollowTheirOwnSeparators) {
  EXPECT_EQ(converted("1,234.56", "number"), "1.23456E3");
  EXPECT_EQ(converted("1.234,56 €", "price"), "1.23456E3");
  EXPECT_EQ(converted("€ 12,50", "price"), "1.25E1");
  EXPECT_EQ(converted("$-3", "number"), "-3E0");
  EXPECT_EQ(converted("1925", "integer"), "1925");
  EXPECT_EQ(converted("3.5", "integer"), "\"3.5\" is no integer");
  EXPECT_EQ(converted("none", "number"), "\"none\" is no number");
}

TEST(Values, NumbersHaveUnitsWhereTheyAreCertain) {
  EXPECT_EQ(converted("1.2M views", "integer"), "1200000");
  EXPECT_EQ(converted("39K", "number"), "3.9E4");
  EXPECT_EQ(converted("2,5 Mio.", "integer"), "2500000");
  EXPECT_EQ(converted("5 m", "number"), "5E0");
  EXPECT_EQ(converted("3 Men", "integer"), "3");
  EXPECT_EQ(converted("3:45", "integer"), "225");
  EXPECT_EQ(converted("1:00:00", "number"), "3.6E3");
  EXPECT_EQ(converted("4.5 out of 5 stars", "rating"), "4.5E0");
  EXPECT_EQ(converted("/a.png", "image"), "\"https://site.test/a.png\"");
}

TEST(Values, DatesAreIsoOnlyWhereTheyMeanOneDay) {
  EXPECT_EQ(iso_date("Nov 2, 2024"), "2024-11-02");
  EXPECT_EQ(iso_date("2nd November 2024"), "2024-11-02");
  EXPECT_EQ(iso_date("2024/11/2"), "2024-11-02");
  EXPECT_EQ(iso_date("02.11.2024"), "2024-11-02");
  EXPECT_EQ(iso_date("11/22/2024"), "2024-11-22");
  EXPECT_EQ(iso_date("11/02/2024"), "11/02/2024");
  EXPECT_EQ(iso_date("2024-11-02T08:00:00Z"), "2024-11-02T08:00:00Z");
  EXPECT_EQ(iso_date("3 days ago"), "3 days ago");
}

TEST(Values, BooleansAndUrls) {
  EXPECT_EQ(converted("Yes", "boolean"), "true");
  EXPECT_EQ(converted("off", "boolean"), "false");
  EXPECT_EQ(converted("maybe", "boolean"), "\"maybe\" is no boolean");
  EXPECT_EQ(converted("../c?x=1", "url"), "\"https://site.test/c?x=1\"");
  EXPECT_EQ(converted("https://other.test/", "url"), "\"https://other.test/\"");
  EXPECT_EQ(converted("two words", "url"), "\"two words\" is no url");
  EXPECT_EQ(converted("Nov 2, 2024", "date"), "\"Nov 2, 2024\"");
}

json::object args(std::string_view text) { return json::parse(text).as_object(); }

TEST(ExtractionPlan, TakesTypesAndSelectors) {
  const auto plan = plan_extraction(args(R"({"items": ".card", "min": 2, "unique_by": "url",
      "fields": {"title": "string", "url": {"selector": "a", "attribute": "href", "type": "url"},
                 "tags": "string[]"}})"));

  ASSERT_TRUE(plan) << plan.error().describe();
  EXPECT_TRUE(plan->list);
  EXPECT_EQ(plan->min, 2);
  EXPECT_EQ(json::serialize(plan->script.at("fields").at("url")),
            R"({"q":{"css":"a"},"attr":"href","type":"url"})");
  EXPECT_TRUE(plan->fields[2].list);
}

TEST(ExtractionPlan, TakesAJsonSchema) {
  const auto plan = plan_extraction(args(R"({"schema": {"type": "array", "items": {"type": "object",
      "properties": {"link": {"type": "string", "format": "uri"}, "year": {"type": "integer"}},
      "required": ["year"]}}})"));

  ASSERT_TRUE(plan) << plan.error().describe();
  EXPECT_TRUE(plan->list);
  EXPECT_EQ(plan->fields[0].type, "url");
  EXPECT_EQ(plan->fields[1].required, std::optional(true));
}

TEST(ExtractionPlan, ReadsOnOnlyOneList) {
  const auto inner = plan_extraction(args(R"({"more": "pages", "pages_max": 3, "limit": 40,
      "schema": {"type": "object", "properties": {"total": {"type": "integer"},
      "rows": {"type": "array", "items": {"properties": {"a": {"type": "string"}}}}}}})"));
  const auto none = plan_extraction(args(R"({"more": "scroll", "fields": {"a": "string"}})"));
  const auto wrong =
      plan_extraction(args(R"({"more": "all", "list": true, "fields": {"a": "url"}})"));

  ASSERT_TRUE(inner) << inner.error().describe();
  EXPECT_EQ(inner->inner_list, "rows");
  EXPECT_EQ(inner->pages_max, 3);
  EXPECT_EQ(inner->limit, 40);
  EXPECT_EQ(none.error().message, "more: there is no list to read on");
  EXPECT_EQ(wrong.error().message, "more: \"all\" is not one of none, scroll, pages");
}

TEST(ListParts, OverlapsAreKnownRows) {
  const auto joined = [](const char* known, const char* seen) {
    json::array rows = json::parse(known).as_array();
    native::append_rows(rows, json::parse(seen).as_array());
    return json::serialize(rows);
  };
  EXPECT_EQ(joined("[1,2]", "[1,2,3]"), "[1,2,3]");
  EXPECT_EQ(joined("[1,2,3]", "[2,3,4]"), "[1,2,3,4]");
  EXPECT_EQ(joined("[1,2,3]", "[2]"), "[1,2,3]");
  EXPECT_EQ(joined("[1,2]", "[5,6]"), "[1,2,5,6]");
  EXPECT_EQ(joined("[1,1]", "[1,1]"), "[1,1]");
}

TEST(ExtractionPlan, NamesTheFieldThatIsWrong) {
  const auto plan = plan_extraction(args(R"({"fields": {"age": "years"}})"));
  const auto missing = plan_extraction(args(R"({"instruction": "the title"})"));
  const auto unique = plan_extraction(args(R"({"fields": {"a": "string"}, "unique_by": "b"})"));

  EXPECT_EQ(plan.error().message.substr(0, 31), "fields.age: type \"years\" is not");
  EXPECT_EQ(missing.error().code, Errc::invalid_argument);
  EXPECT_EQ(unique.error().message, "unique_by: there is no field \"b\"");
}

Result<json::value> typed(std::string_view plan_text, std::string_view raw) {
  const auto plan = plan_extraction(args(plan_text));
  return type_values(*plan, json::parse(raw), kPage);
}

TEST(TypedValues, AreOfTheirTypes) {
  const auto value =
      typed(R"({"fields": {"views": "count", "live": "boolean", "tags": "string[]"}})",
            R"({"views": "1.5K", "live": "no", "tags": ["a", "b"]})");

  ASSERT_TRUE(value) << value.error().describe();
  EXPECT_EQ(json::serialize(*value), R"({"views":1500,"live":false,"tags":["a","b"]})");
}

TEST(TypedValues, NameFieldAndValueThatDoNotFit) {
  const auto value = typed(R"({"fields": {"views": "count"}})", R"({"views": "abc"})");

  EXPECT_EQ(value.error().code, Errc::extraction_failed);
  EXPECT_EQ(value.error().message, "field views: \"abc\" is no count");
}

TEST(TypedValues, OfItemsAreNullWhereTheyDoNotFitUnlessRequired) {
  const auto lenient = typed(R"({"items": "li", "fields": {"n": "integer", "t": "string"}})",
                             R"([{"n": "x", "t": "T"}])");
  const auto strict =
      typed(R"({"items": "li", "fields": {"n": {"type": "integer", "required": true}}})",
            R"([{"n": "x"}])");

  EXPECT_EQ(json::serialize(*lenient), R"([{"n":null,"t":"T"}])");
  EXPECT_EQ(strict.error().message, "field [0].n: \"x\" is no integer");
}

TEST(TypedValues, ARecordWithNothingInItIsAFailure) {
  const auto value =
      typed(R"({"fields": {"a": "string", "b": "string"}})", R"({"a": null, "b": ""})");

  EXPECT_EQ(value.error().message, "extract: none of the fields was found: a, b");
}

TEST(TypedValues, FewerItemsThanMinAreAFailure) {
  const auto value =
      typed(R"({"items": "li", "min": 3, "fields": {"a": "string"}})", R"([{"a": "1"}])");

  EXPECT_EQ(value.error().message, "extract: 1 items found, min is 3");
}

}  // namespace
}  // namespace troupe::interact
