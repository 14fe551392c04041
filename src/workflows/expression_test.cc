#include "workflows/expression.h"

#include <gtest/gtest.h>

namespace troupe::workflows {
namespace {

class Values final : public Names {
 public:
  explicit Values(json::object values) : values_(std::move(values)) {}
  const json::value* find(std::string_view name) const override {
    return troupe::find(values_, name);
  }

 private:
  json::object values_;
};

const Values& names() {
  static const Values kNames(json::parse(R"({
    "inputs": {"topics": ["a", "b", "c", "d", "e"], "max": 3, "text": "Ärger & Co"},
    "videos": [{"title": "x", "views": 5, "by": {"name": "n1"}},
               {"title": "y", "views": null, "by": {"name": "n2"}},
               {"title": "z", "views": 50, "by": {"name": "n1"}}],
    "site": {"consent": null}, "session": {"index": 1, "count": 2}
  })")
                                 .get_object());
  return kNames;
}

/// The value as JSON text, or `! message`.
std::string run(std::string_view text) {
  const auto parsed = Expression::parse(text);
  if (!parsed) return "! " + parsed.error().message;
  const auto value = parsed->evaluate(names(), {});
  return value ? json::serialize(*value) : "! " + value.error().message;
}
std::string render(std::string_view text) {
  const auto parsed = Template::parse(text);
  if (!parsed) return "! " + parsed.error().message;
  const auto value = parsed->render(names(), {});
  return value ? json::serialize(*value) : "! " + value.error().message;
}

TEST(Expression, ReadsLiterals) {
  EXPECT_EQ(run("42"), "42");
  EXPECT_EQ(run("2.5"), "2.5E0");
  EXPECT_EQ(run("'it''s'"), "! expected the end but found '''");
  EXPECT_EQ(run(R"('a\'b')"), R"("a'b")");
  EXPECT_EQ(run("\"x\""), "\"x\"");
  EXPECT_EQ(run("[1, 'a', true, null,]"), R"([1,"a",true,null])");
  EXPECT_EQ(run("{a: 1, 'b c': [2]}"), R"({"a":1,"b c":[2]})");
}

TEST(Expression, FollowsPaths) {
  EXPECT_EQ(run("inputs.max"), "3");
  EXPECT_EQ(run("inputs['max']"), "3");
  EXPECT_EQ(run("inputs.topics[0]"), "\"a\"");
  EXPECT_EQ(run("inputs.topics[-1]"), "\"e\"");
  EXPECT_EQ(run("videos[2].by.name"), "\"n1\"");
}

TEST(Expression, GivesNullForMissingMembersButNotForMissingNames) {
  EXPECT_EQ(run("inputs.nothing"), "null");
  EXPECT_EQ(run("site.consent.selector.deeper"), "null");
  EXPECT_EQ(run("inputs.topics[9]"), "null");
  EXPECT_EQ(run("nothing"), "! expression 'nothing': 'nothing' has no value here");
  EXPECT_EQ(run("nothing | default('x')"), "\"x\"");
}

TEST(Expression, RefusesMembersOfTextsAndNumbers) {
  EXPECT_EQ(run("inputs.max.x"),
            "! expression 'inputs.max.x': only an object has 'x', not integer 3");
  EXPECT_EQ(run("inputs[0]"), "! expression 'inputs[0]': only a list has [0], not object");
}

TEST(Expression, CalculatesWithPrecedence) {
  EXPECT_EQ(run("1 + 2 * 3"), "7");
  EXPECT_EQ(run("(1 + 2) * 3"), "9");
  EXPECT_EQ(run("7 / 2"), "3.5E0");
  EXPECT_EQ(run("6 / 2"), "3");
  EXPECT_EQ(run("-7 % 4"), "-3");
  EXPECT_EQ(run("2 - -3"), "5");
  EXPECT_EQ(run("1 - 2 - 3"), "-4");
}

TEST(Expression, RefusesArithmeticThatHasNoResult) {
  EXPECT_EQ(run("1 / 0"), "! expression '1 / 0': division by zero");
  EXPECT_EQ(run("1 % 0"), "! expression '1 % 0': division by zero");
  EXPECT_EQ(run("'a' * 2"), "! expression ''a' * 2': numbers are needed, not string");
  EXPECT_EQ(run("[1] + 2"), "! expression '[1] + 2': cannot add array and integer 2");
}

TEST(Expression, SurvivesTheExtremesOfIntegers) {
  EXPECT_EQ(run("(0 - 9223372036854775807 - 1) % -1"), "0");
  EXPECT_EQ(run("(0 - 9223372036854775807 - 1) / -1"), "9.223372036854776E18");
  EXPECT_EQ(run("9223372036854775807 + 1"), "9.223372036854776E18");
}

TEST(Expression, ComparesAndDecides) {
  EXPECT_EQ(run("1 < 2 and 2 <= 2 and 3 > 2.5"), "true");
  EXPECT_EQ(run("'a' < 'b' && !(1 == 1.0) || false"), "false");
  EXPECT_EQ(run("1 == 1.0"), "true");
  EXPECT_EQ(run("'a' in inputs.topics"), "true");
  EXPECT_EQ(run("'z' not in inputs.topics"), "true");
  EXPECT_EQ(run("'max' in inputs"), "true");
  EXPECT_EQ(run("'x' if inputs.max > 5 else 'y'"), "\"y\"");
  EXPECT_EQ(run("1 < 'a'"), "! expression '1 < 'a'': cannot compare integer 1 with string");
}

TEST(Expression, EvaluatesOnlyTheSideThatCounts) {
  EXPECT_EQ(run("false and 1 / 0"), "false");
  EXPECT_EQ(run("'left' or 1 / 0"), "\"left\"");
  EXPECT_EQ(run("1 if true else 1 / 0"), "1");
}

TEST(Expression, JoinsTextsListsAndObjects) {
  EXPECT_EQ(run("'n=' + 3"), "\"n=3\"");
  EXPECT_EQ(run("[1] + [2]"), "[1,2]");
  EXPECT_EQ(run("{a: 1, b: 1} + {b: 2}"), R"({"a":1,"b":2})");
}

TEST(Expression, BindsFiltersTighterThanOperators) {
  EXPECT_EQ(run("videos | length + 1"), "4");
  EXPECT_EQ(run("1 + 'ab' | length"), "3");
}

TEST(Filters, WorkOnTexts) {
  EXPECT_EQ(run("' aB ' | trim | upper"), "\"AB\"");
  EXPECT_EQ(run("'Ä' | length"), "1");
  EXPECT_EQ(run("'a,b' | split"), R"(["a","b"])");
  EXPECT_EQ(run("'a-b-c' | replace('-', '+')"), "\"a+b+c\"");
  EXPECT_EQ(run("inputs.text | url_encode"), "\"%C3%84rger%20%26%20Co\"");
  EXPECT_EQ(run("'abcdef' | slice(1, -1)"), "\"bcde\"");
  EXPECT_EQ(run("'v=12;' | find('v=([0-9]+)') | int"), "12");
  EXPECT_EQ(run("'abc' | matches('^a.c$')"), "true");
}

TEST(Filters, WorkOnLists) {
  EXPECT_EQ(run("videos | map('by.name') | unique | join('+')"), "\"n1+n2\"");
  EXPECT_EQ(run("videos | sort_by('views') | reverse | map('title')"), R"(["y","z","x"])");
  EXPECT_EQ(run("(videos | max_by('views')).title"), "\"z\"");
  EXPECT_EQ(run("(videos | min_by('views')).title"), "\"x\"");
  EXPECT_EQ(run("videos | sum('views')"), "55");
  EXPECT_EQ(run("videos | where('by.name', 'n1') | length"), "2");
  EXPECT_EQ(run("videos | where('views') | length"), "2");
  EXPECT_EQ(run("inputs.topics | slice(1, 3)"), R"(["b","c"])");
  EXPECT_EQ(run("inputs.topics | share(session.index, session.count)"), R"(["b","d"])");
  EXPECT_EQ(run("[] | first"), "null");
  EXPECT_EQ(run("[3, 1, 2] | sort_by | last"), "3");
}

TEST(Filters, ConvertAndRound) {
  EXPECT_EQ(run("'12' | int + 1"), "13");
  EXPECT_EQ(run("'x' | int"), "! expression ''x' | int': int: not a number: \"x\"");
  EXPECT_EQ(run("'x' | int(0)"), "0");
  EXPECT_EQ(run("2.5 | round"), "3");
  EXPECT_EQ(run("2.345 | round(1)"), "2.3E0");
  EXPECT_EQ(run("{a: null, b: 1} | compact | json"), R"("{\"b\":1}")");
  EXPECT_EQ(run("'[1]' | from_json | first"), "1");
}

TEST(Filters, RefuseSortingOfMixedValues) {
  EXPECT_EQ(run("[1, 'a'] | sort_by"),
            "! expression '[1, 'a'] | sort_by': sort_by: cannot compare integer 1 with string");
}

TEST(Filters, GiveUpOnExpensiveRegularExpressions) {
  EXPECT_EQ(run("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' | matches('^(a|a)*$b')")
                .substr(0, 1),
            "!");
  EXPECT_EQ(run("'a' | matches('(')"),
            "! expression ''a' | matches('(')': matches: not a regular expression: (");
}

TEST(Functions, CountAndChoose) {
  EXPECT_EQ(run("len(videos)"), "3");
  EXPECT_EQ(run("range(3)"), "[0,1,2]");
  EXPECT_EQ(run("range(2, 4)"), "[2,3]");
  EXPECT_EQ(run("max(1, 5, 3) + min([4, 2])"), "7");
  EXPECT_EQ(run("range(2000000)"),
            "! expression 'range(2000000)': range: limits must be within -1000000 to 1000000");
}

TEST(Expression, NamesUnknownFiltersAndFunctions) {
  EXPECT_EQ(run("1 | uper"), "! no filter 'uper' (did you mean 'upper'?)");
  EXPECT_EQ(run("lenn(1)"), "! no function 'lenn' (did you mean 'len'?)");
  EXPECT_EQ(run("'a' | replace('b')"), "! replace takes 2 arguments, not 1");
}

TEST(Expression, NamesThePlaceOfASyntaxError) {
  const auto parsed = Expression::parse("1 + * 2");

  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().offset, 4u);
  EXPECT_EQ(parsed.error().message, "expected a value but found '*'");
}

TEST(Expression, RefusesAssignment) {
  EXPECT_EQ(run("a = 1"), "! '=' is no operator; compare with '=='");
}

TEST(Expression, LimitsDepth) {
  EXPECT_EQ(run(std::string(5000, '(')), "! expression is nested more than 64 deep");
  EXPECT_EQ(run(std::string(5000, '-') + "1"), "! expression is nested more than 64 deep");
  EXPECT_EQ(run(std::string(5000, '{')), "! expected a key but found '{'");
  std::string sum = "1";
  for (int i = 0; i < 1000; ++i) sum += "+1";
  EXPECT_EQ(run(sum), "! expression is too deep: more than 200 levels");
  EXPECT_EQ(run(std::string(20000, ' ')), "! expression has 20000 bytes, more than 16384");
}

TEST(Expression, LimitsSteps) {
  const auto parsed = Expression::parse("range(1000) | length");

  const auto value = parsed->evaluate(names(), {.steps_max = 100});

  ASSERT_FALSE(value);
  EXPECT_NE(value.error().message.find("takes more than 100 steps"), std::string::npos);
}

TEST(Template, KeepsTheTypeOfASingleTemplate) {
  EXPECT_EQ(render("{{ inputs.max }}"), "3");
  EXPECT_EQ(render("{{ {'a': {'b': 1}} }}"), R"({"a":{"b":1}})");
}

TEST(Template, InterpolatesText) {
  EXPECT_EQ(render("{{ inputs.max }} of {{ len(inputs.topics) }}"), "\"3 of 5\"");
  EXPECT_EQ(render(" {{ inputs.max }}"), "\" 3\"");
  EXPECT_EQ(render("none: {{ inputs.none }}; {{ '}}' }}"), "\"none: ; }}\"");
  EXPECT_EQ(render("plain"), "\"plain\"");
}

TEST(Template, NamesWhatIsNotClosed) {
  EXPECT_EQ(render("a {{ inputs.max"), "! expected '}}' but found the end");
  EXPECT_EQ(render("{{ 'x }}"), "! text is not closed: no second '");
  EXPECT_EQ(render("{{ }}"), "! expected a value but found '}'");
}

TEST(Expression, ListsItsReferences) {
  const auto parsed = Expression::parse("inputs.topic + a['b'] + (c | default(d)) + e[f]");

  std::string text;
  for (const auto& reference : parsed->references())
    text += reference.root + "." + reference.member + "@" + std::to_string(reference.offset) + " ";

  EXPECT_EQ(text, "inputs.topic@0 a.b@15 d.@37 e.@43 f.@45 ");
}

}  // namespace
}  // namespace troupe::workflows
