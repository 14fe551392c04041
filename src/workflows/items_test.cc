#include "workflows/items.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace troupe::workflows {
namespace {

std::string shown(const Result<std::vector<json::object>>& items) {
  if (!items) return "! " + items.error().message;
  std::string text;
  for (const auto& item : *items) text += json::serialize(item);
  return text;
}

TEST(CsvItems, ReadsRowsUnderTheirHeader) {
  EXPECT_EQ(shown(parse_csv("a,b\n1,x\r\n2,\n", "f.csv")), R"({"a":"1","b":"x"}{"a":"2"})");
  EXPECT_EQ(shown(parse_csv("\xEF\xBB\xBF"
                            "a\n1",
                            "f.csv")),
            R"({"a":"1"})");
}

TEST(CsvItems, ReadsQuotedFieldsWithCommasQuotesAndLines) {
  EXPECT_EQ(shown(parse_csv("a,b\n\"x, \"\"y\"\"\nz\",2\n", "f.csv")),
            R"({"a":"x, \"y\"\nz","b":"2"})");
  EXPECT_EQ(shown(parse_csv("a\n\"\"\n\"q\"", "f.csv")), R"({"a":"q"})");
}

TEST(CsvItems, NamesTheLineOfAMistake) {
  EXPECT_EQ(shown(parse_csv("a,b\n1,2\n\"x\ny\",2,3\n", "f.csv")),
            "! f.csv:3: 3 fields, but the header has 2");
  EXPECT_EQ(shown(parse_csv("a\n\"x\n", "f.csv")), "! f.csv:2: a quoted field is not closed");
  EXPECT_EQ(shown(parse_csv("a\n\"", "f.csv")), "! f.csv:2: a quoted field is not closed");
  EXPECT_EQ(shown(parse_csv("a\n\"x\"y\n", "f.csv")),
            "! f.csv:2: text after the closing quote of a field");
  EXPECT_EQ(shown(parse_csv("a\nx\"y\n", "f.csv")),
            "! f.csv:2: a quote inside a field that does not begin with one");
  EXPECT_EQ(shown(parse_csv("", "f.csv")), "! f.csv:1: no header row");
  EXPECT_EQ(shown(parse_csv("a,a\n", "f.csv")), "! f.csv:1: column 'a' is given twice");
  EXPECT_EQ(shown(parse_csv("a,\n", "f.csv")), "! f.csv:1: column 2 has no name");
}

TEST(CsvItems, LimitsTheirNumber) {
  EXPECT_EQ(shown(parse_csv("a\n1\n2\n3\n", "f.csv", {.items_max = 2})),
            "! f.csv: more than 2 items");
}

TEST(JsonLineItems, ReadsObjectsAndNamesTheLineOfAMistake) {
  EXPECT_EQ(shown(parse_json_lines("{\"a\":1}\n\n{\"a\":2}", "f.jsonl")), R"({"a":1}{"a":2})");
  EXPECT_EQ(shown(parse_json_lines("{}\n[1]\n", "f.jsonl")),
            "! f.jsonl:2: must be an object, not array");
  EXPECT_EQ(shown(parse_json_lines("{}\n{a}\n", "f.jsonl")).substr(0, 30),
            "! f.jsonl:2: line: not valid J");
}

TEST(JsonItems, ReadsAListOfObjects) {
  EXPECT_EQ(shown(parse_json_items("[{\"a\":1}]", "f.json")), R"({"a":1})");
  EXPECT_EQ(shown(parse_json_items("{}", "f.json")),
            "! f.json: must be a list of objects, not object");
  EXPECT_EQ(shown(parse_json_items("[{}, 1]", "f.json")),
            "! f.json: [1] must be an object, not integer");
}

TEST(LoadItems, ChoosesTheFormatByTheName) {
  const std::string path = testing::TempDir() + "items_test.csv";
  std::ofstream(path) << "a\n1\n";

  EXPECT_EQ(shown(load_items(path)), R"({"a":"1"})");
  EXPECT_EQ(shown(load_items(path, {.bytes_max = 2})), "! " + path + ": more than 2 bytes");
  std::filesystem::remove(path);
}

TEST(LoadItems, NamesFilesThatCannotBeRead) {
  EXPECT_EQ(shown(load_items("/none/items.csv")), "! /none/items.csv: no such file");
  EXPECT_EQ(shown(load_items("items.txt")), "! items.txt: unknown kind of file '.txt'");
  const std::string folder = testing::TempDir() + "items_folder.csv";
  std::filesystem::create_directory(folder);
  EXPECT_EQ(shown(load_items(folder)), "! " + folder + ": is a folder, not a file");
  std::filesystem::remove(folder);
}

}  // namespace
}  // namespace troupe::workflows
