#include "interact/stagehand_tree.h"

#include <gmock/gmock.h>

#include "base/testing.h"

namespace troupe::interact {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Written as the runtime writes a small page: a form, a table with a button in each row, a dialog.
constexpr const char* kTree = R"([0-5] RootWebArea: Shop
  [0-7] scrollable, html
    [0-12] body
      [0-13] heading: Your order
      [0-2] form
        [0-15] LabelText
          [0-16] StaticText: Email address
        [0-3] textbox: Email address
          [0-54] StaticText: a@b.c
        [0-4] select: Plan
          [0-25] MenuListPopup
            [0-27] option: Free [selected]
            [0-28] option: Pro
        [0-60] checkbox: Newsletter [checked]
        [0-47] button: Sign in
      [0-70] table
        [0-71] row
          [0-72] cell: Pen
          [0-73] button: Remove
        [0-74] row
          [0-75] cell: Ink
          [0-76] button: Remove
      [1-51] link: Documentation
)";

Resolution resolved(const std::string& instruction, const StagehandTree& tree) {
  const auto clauses = parse_instruction(instruction);
  auto found = resolve(clauses.value().front(), tree.snapshot);
  EXPECT_TRUE(found) << instruction << ": " << found.error().describe();
  return found ? *found : Resolution{};
}

TEST(StagehandTree, GivesTheResolverWhatItNeeds) {
  const StagehandTree tree = read_stagehand_tree(kTree);
  const auto id = [&](const std::string& instruction) {
    return tree.id_of(resolved(instruction, tree).ref);
  };
  EXPECT_EQ(id("click the Sign in button"), "0-47");
  EXPECT_EQ(id("type x@y.z into the email address field"), "0-3");
  EXPECT_EQ(id("select Pro from Plan"), "0-4");
  EXPECT_EQ(id("uncheck Newsletter"), "0-60");
  EXPECT_EQ(id("click Remove in the row of Ink"), "0-76");
  EXPECT_EQ(id("click the second Remove button"), "0-76");
  EXPECT_EQ(id("click Documentation"), "1-51");
  EXPECT_TRUE(resolved("uncheck Newsletter", tree).checked);
  EXPECT_EQ(resolved("click the Sign in button", tree).what, "button \"Sign in\"");
}

TEST(StagehandTree, RefusesWhatIsAmbiguousOrNotThere) {
  const StagehandTree tree = read_stagehand_tree(kTree);
  const auto ambiguous = resolve(parse_instruction("click Remove").value().front(), tree.snapshot);
  EXPECT_EQ(ambiguous.error().code, Errc::target_ambiguous);
  const auto absent = resolve(parse_instruction("click Checkout").value().front(), tree.snapshot);
  EXPECT_EQ(absent.error().code, Errc::target_not_found);
}

TEST(StagehandTree, KnowsValuesOptionsAndPlaces) {
  const StagehandTree tree = read_stagehand_tree(kTree);
  EXPECT_EQ(tree.snapshot.title, "Shop");
  for (const Candidate& one : tree.snapshot.elements) {
    if (one.tag == "select") EXPECT_THAT(one.options, ElementsAre("Free", "Pro"));
    if (one.name == "Email address" && one.role == "textbox") {
      EXPECT_EQ(one.value, "a@b.c");
      EXPECT_EQ(one.heading, "Your order");
    }
    if (tree.id_of(one.ref) == "0-73") EXPECT_THAT(one.context, Contains(HasSubstr("Pen")));
  }
}

TEST(StagehandTree, PassesOverWhatIsNoTree) {
  for (const char* text :
       {"", "\n\n", "button: x", "[0-1]", "[0-1 button: x", "[a-b] button: x", "[12] button: x"})
    EXPECT_TRUE(read_stagehand_tree(text).empty()) << text;
  EXPECT_EQ(read_stagehand_tree("[0-1] button: a: b [checked]").snapshot.elements.front().name,
            "a: b");
  EXPECT_EQ(StagehandTree{}.id_of(0), "");
  EXPECT_EQ(StagehandTree{}.id_of(-1), "");
}

TEST(StagehandTree, StandsBehindItsTitleInAPrompt) {
  EXPECT_EQ(tree_in("instruction: x\nAccessibility Tree: \n[0-1] a"), "[0-1] a");
  EXPECT_EQ(tree_in("Instruction: x\nDOM: [0-1] a"), "[0-1] a");
  EXPECT_EQ(tree_in("nothing"), "");
}

}  // namespace
}  // namespace troupe::interact
