#include "interact/stagehand_results.h"

#include <gmock/gmock.h>

#include "base/testing.h"

namespace troupe::interact {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

json::object step(const std::string& row) { return {{"action", json::parse(row)}}; }

std::string native(const std::string& row) {
  const auto known = known_action(step(row));
  if (!known) return known.error().message;
  const auto action = native_action(*known);
  return action ? action->kind + " " + json::serialize(action->args) : action.error().message;
}

TEST(KnownAction, IsWhatObserveListed) {
  const services::StagehandAction action{.selector = "xpath=/html[1]/input[1]",
                                         .description = "textbox \"Name\"",
                                         .method = "fill",
                                         .arguments = {"Ada"}};
  const json::object args{{"action", observed_row(action)}};
  const auto known = known_action(args);
  EXPECT_EQ(known->selector, action.selector);
  EXPECT_EQ(known->method, "fill");
  EXPECT_THAT(known->arguments, ElementsAre("Ada"));
  EXPECT_EQ(known_action(step(R"({"selector": "#s", "kind": "select"})"))->method,
            "selectOptionFromDropdown");
  EXPECT_EQ(known_action(step(R"({"selector": "#s", "method": "doubleClick"})"))->method,
            "doubleClick");
}

TEST(KnownAction, IsDoneNativelyToo) {
  EXPECT_EQ(native(R"({"selector": "#a"})"), R"(click {"selector":"#a"})");
  EXPECT_EQ(native(R"({"selector": "#a", "kind": "fill", "arguments": ["x"]})"),
            R"(fill {"selector":"#a","value":"x"})");
  EXPECT_EQ(native(R"({"selector": "#a", "kind": "select", "value": "Pro"})"),
            R"(select {"selector":"#a","value":"Pro"})");
  EXPECT_EQ(native(R"({"selector": "#a", "kind": "press", "arguments": ["Enter"]})"),
            R"(press {"selector":"#a","key":"Enter"})");
  EXPECT_EQ(native(R"({"selector": "#a", "method": "doubleClick"})"),
            R"(click {"selector":"#a","count":2})");
  EXPECT_EQ(native(R"({"selector": "#a", "method": "click", "arguments": ["right"]})"),
            R"(click {"selector":"#a","button":"right"})");
}

TEST(KnownAction, SaysWhatItLacks) {
  EXPECT_THAT(native("5"), HasSubstr("no object"));
  EXPECT_THAT(native("{}"), HasSubstr("no selector"));
  EXPECT_THAT(native(R"({"selector": "#a", "kind": "dance"})"), HasSubstr("dance"));
  EXPECT_THAT(native(R"({"selector": "#a", "kind": "fill"})"), HasSubstr("needs arguments"));
}

TEST(StagehandKnows, CssXpathAndText) {
  for (const char* theirs : {"#a", "xpath=/html[1]", "/html[1]/body[1]", "text=Go", "css=a"})
    EXPECT_TRUE(stagehand_knows(theirs)) << theirs;
  for (const char* ours : {"role=button[name=\"Go\"]", "label=Name", "text=\"Go\""})
    EXPECT_FALSE(stagehand_knows(ours)) << ours;
}

}  // namespace
}  // namespace troupe::interact
