#include "interact/selector.h"

#include <gtest/gtest.h>

#include "interact/files.h"
#include "interact/keys.h"
#include "interact/page_script.h"

namespace troupe::interact {
namespace {

std::string query(std::string_view selector) {
  const auto parsed = parse_selector(selector);
  return parsed ? json::serialize(*parsed) : parsed.error().message;
}

TEST(Selector, HasSeveralKinds) {
  EXPECT_EQ(query("#a > .b"), R"({"css":"#a > .b"})");
  EXPECT_EQ(query("a[href=x]"), R"({"css":"a[href=x]"})");
  EXPECT_EQ(query("xpath=//a[1]"), R"({"xpath":"//a[1]"})");
  EXPECT_EQ(query("//a"), R"({"xpath":"//a"})");
  EXPECT_EQ(query("text=Sign in"), R"({"text":"Sign in"})");
  EXPECT_EQ(query("text=\"Sign in\""), R"({"text":"Sign in","exact":true})");
  EXPECT_EQ(query("role=button[name=\"Go \\\"on\\\"\"]"),
            R"({"role":"button","name":"Go \"on\""})");
  EXPECT_EQ(query("role=tab"), R"({"role":"tab"})");
  EXPECT_EQ(query("#host >> button"), R"({"chain":[{"css":"#host"},{"css":"button"}]})");
  EXPECT_EQ(query("text='a >> b'"), R"({"text":"a >> b","exact":true})");
}

TEST(Selector, TellsWhatIsWrong) {
  EXPECT_EQ(query("role=button[label=x]"),
            "selector \"role=button[label=x]\": after the role only [name=\"…\"] may stand");
  EXPECT_EQ(query("a >>  >> b"), "selector \"a >>  >> b\": it has an empty part");
}

TEST(Target, JoinsFieldsIntoOneQuery) {
  const auto target = parse_target(
      json::parse(R"({"role": "button", "name": "Go", "within": "#form", "nth": -1})").as_object());

  ASSERT_TRUE(target) << target.error().describe();
  EXPECT_EQ(
      json::serialize(target->query),
      R"({"role":"button","name":"Go","exact":false,"strict":true,"within":{"css":"#form"},"nth":-1})");
  EXPECT_EQ(target->text, R"(role "button" name "Go" within "#form" nth -1)");
  EXPECT_TRUE(target->by_name);
}

TEST(Target, OfPlainCssNeedsNoNames) {
  const auto target = parse_target({{"selector", "#go"}});

  EXPECT_FALSE(target->by_name);
}

TEST(Target, RefusesNothingAndPlaceZero) {
  EXPECT_EQ(parse_target({}).error().code, Errc::invalid_argument);
  EXPECT_EQ(parse_target({{"text", "a"}, {"nth", 0}}).error().message,
            "nth: 0 is not a place; 1 is the first");
}

TEST(Keys, HaveCodesAndTexts) {
  const auto enter = parse_key("enter");
  const auto letter = parse_key("a");
  const auto sign = parse_key("?");
  const auto all = parse_key("Ctrl+A");

  EXPECT_EQ(
      json::serialize(key_down(*enter)),
      R"({"type":"keyDown","key":"Enter","modifiers":0,"code":"Enter","windowsVirtualKeyCode":13,"text":"\r"})");
  EXPECT_EQ(letter->code, "KeyA");
  EXPECT_EQ(letter->virtual_key, 65);
  EXPECT_EQ(sign->code, "Slash");
  EXPECT_EQ(sign->modifiers, 8);
  EXPECT_EQ(all->command, "selectAll");
  EXPECT_EQ(all->text, "");
  EXPECT_EQ(parse_key("+")->code, "Equal");
  EXPECT_EQ(parse_key("F5")->virtual_key, 116);
  EXPECT_EQ(parse_key("page down")->key, "PageDown");
  EXPECT_EQ(parse_key("é")->text, "é");
}

TEST(Keys, RefuseWhatIsNone) {
  EXPECT_EQ(parse_key("Entre").error().message, "key: \"Entre\" is not known");
  EXPECT_EQ(parse_key("").error().code, Errc::invalid_argument);
}

TEST(Scripts, LoseCommentsAndIndentation) {
  EXPECT_EQ(compact_script("// why\n  a();\n\n    // more\n  b('//');\n"), "a();\nb('//');\n");
}

TEST(Files, HaveNamesThatStayInTheirFolder) {
  EXPECT_EQ(safe_file_name("../../etc/passwd"), "passwd");
  EXPECT_EQ(safe_file_name("..\\a:b?.txt"), "a_b_.txt");
  EXPECT_EQ(safe_file_name(".."), "file");
  EXPECT_EQ(safe_file_name(""), "file");
  EXPECT_EQ(safe_file_name(std::string(300, 'x') + ".tar").size(), 120u);
  EXPECT_TRUE(safe_file_name(std::string(300, 'x') + ".tar").ends_with(".tar"));
}

TEST(Files, DecodeBase64AndKnowAPngsSize) {
  const std::string png = decode_base64("iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAYAAAC56t6BAAAA");

  EXPECT_EQ(png_size(png), std::pair(2, 3));
  EXPECT_EQ(png_size("nothing"), std::pair(0, 0));
}

}  // namespace
}  // namespace troupe::interact
