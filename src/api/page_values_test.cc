#include "api/page_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::api {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

json::object schema_of(std::string_view properties) {
  return {{"type", "object"}, {"properties", json::parse(properties)}};
}

constexpr std::string_view kShop = R"(<html><head><title>Shop | Kettle</title>
<meta property="og:site_name" content="The shop"><meta name="description" content="Boils water">
<script type="application/ld+json">{"@context":"https://schema.org","@type":"Product",
 "name":"Kettle","brand":{"@type":"Brand","name":"Hot"},
 "offers":{"price":"19.90","priceCurrency":"EUR"},
 "review":[{"author":{"name":"Ann"},"ratingValue":4},{"author":"Bob","ratingValue":"5"}]}</script>
<script>var price = 1;</script></head>
<body><h1>Kettle</h1><span itemprop="sku">K-1</span>
<table><tr><th>In stock</th><td> 12 </td></tr></table>
<dl><dt>Net weight</dt><dd>1,200 g</dd></dl><a href="/more">More</a></body></html>)";

PageValues read(std::string_view properties) {
  return values_by_schema(kShop, "https://shop.test/kettle", schema_of(properties));
}

TEST(PageValues, AreReadFromStructuredData) {
  const auto found = read(R"({"name": {"type": "string"}, "brand": {"type": "string"},
    "price": {"type": "number"}, "price_currency": {"type": ["string", "null"]},
    "offers": {"type": "object", "properties": {"price": {"type": "string"}}},
    "review": {"type": "array", "items": {"type": "object", "properties":
      {"author": {"type": "string"}, "ratingValue": {"type": "integer"}}}}})");

  EXPECT_THAT(found.missing, IsEmpty());
  EXPECT_EQ(found.value, json::parse(R"({"name": "Kettle", "brand": "Hot", "price": 19.90,
    "price_currency": "EUR", "offers": {"price": "19.90"},
    "review": [{"author": "Ann", "ratingValue": 4}, {"author": "Bob", "ratingValue": 5}]})"));
}

TEST(PageValues, AreReadFromMarksMetaTablesAndDefinitions) {
  const auto found = read(R"({"sku": {"type": "string"}, "siteName": {"type": "string"},
    "description": {"type": "string"}, "inStock": {"type": "integer"},
    "netWeight": {"type": "string"}, "headings": {"type": "array", "items": {"type": "string"}},
    "links": {"type": "array", "items": {"type": "object", "properties":
      {"url": {"type": "string"}}}}})");

  EXPECT_THAT(found.missing, IsEmpty());
  EXPECT_EQ(found.value, json::parse(R"({"sku": "K-1", "siteName": "The shop",
    "description": "Boils water", "inStock": 12, "netWeight": "1,200 g", "headings": ["Kettle"],
    "links": [{"url": "https://shop.test/more"}]})"));
}

TEST(PageValues, NameWhatIsMissingOrDoesNotFit) {
  const auto found = read(R"({"name": {"type": "string"}, "colour": {"type": "string"},
    "netWeight": {"type": "boolean"}, "offers": {"type": "object", "properties":
      {"availability": {"type": "string"}}}})");

  EXPECT_THAT(found.missing, ElementsAre("colour", "netWeight", "offers.availability"));
  EXPECT_EQ(found.value, json::parse(R"({"name": "Kettle", "offers": {}})"));
}

TEST(PageValues, OfJsonKeepTheirNesting) {
  const auto data = json::parse(R"({"Total-Count": "3", "rows": [{"id": 1, "more": true}]})");

  const auto found = values_of_data(data, "https://api.test/", schema_of(R"({
    "totalCount": {"type": "integer"}, "id": {"type": "integer"},
    "rows": {"type": "array", "items": {"properties": {"id": {"type": "integer"}}}}})"));

  EXPECT_THAT(found.missing, ElementsAre("id"));
  EXPECT_EQ(found.value, json::parse(R"({"totalCount": 3, "rows": [{"id": 1}]})"));
}

TEST(PageValues, OfGarbageAreMissing) {
  for (const char* html : {"", "<", "<script type=application/ld+json>{", "<table><td><th><dd>"})
    EXPECT_THAT(
        values_by_schema(html, "https://x.test/", schema_of(R"({"price": {"type": "number"}})"))
            .missing,
        ElementsAre("price"));
}

}  // namespace
}  // namespace troupe::api
