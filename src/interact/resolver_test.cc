#include "interact/resolver.h"

#include <gtest/gtest.h>

#include "base/testing.h"
#include "interact/text_fit.h"

namespace troupe::interact {
namespace {

using ::testing::PrintToString;

// Elements stand below each other, 100 px apart, in the order given.
class Screen {
 public:
  Candidate& add(std::string role, std::string name) {
    const int at = static_cast<int>(snapshot.elements.size());
    Candidate c{.ref = at,
                .tag = role == "link"      ? "a"
                       : role == "textbox" ? "input"
                                           : role,
                .role = std::move(role),
                .name = std::move(name),
                .in_view = true};
    c.box = {10, at * 100, 80, 20};
    snapshot.elements.push_back(std::move(c));
    return snapshot.elements.back();
  }
  /// The chosen element's place and name, or the error's code and message.
  std::string find(std::string_view instruction) const {
    const auto clauses = parse_instruction(instruction);
    const auto found = resolve(clauses->front(), snapshot);
    return found ? std::to_string(found->ref) : std::string(to_string(found.error().code));
  }
  Error error(std::string_view instruction) const {
    const auto clauses = parse_instruction(instruction);
    return resolve(clauses->front(), snapshot).error();
  }
  Snapshot snapshot;
};

TEST(Resolver, TakesTheElementWithTheName) {
  Screen screen;
  screen.add("link", "About");
  screen.add("button", "Search");

  EXPECT_EQ(screen.find("click the 'Search' button"), "1");
  EXPECT_EQ(screen.find("click About"), "0");
  EXPECT_EQ(screen.find("click the search button"), "1");
}

TEST(Resolver, AnExactNameBeatsOneThatContainsIt) {
  Screen screen;
  screen.add("button", "Save draft");
  screen.add("button", "Save");

  EXPECT_EQ(screen.find("click Save"), "1");
  EXPECT_EQ(screen.find("click Save draft"), "0");
}

TEST(Resolver, AnExactNameBeatsOneWithOtherPunctuation) {
  Screen screen;
  screen.add("link", "nibh.");
  screen.add("link", "nibh");

  EXPECT_EQ(screen.find("click 'nibh'"), "1");
  EXPECT_EQ(screen.find("click 'nibh.'"), "0");
}

TEST(Resolver, RefusesEqualElementsAndListsThem) {
  Screen screen;
  screen.add("button", "Reply");
  screen.add("button", "Reply");

  const Error error = screen.error("click Reply");

  EXPECT_EQ(error.code, Errc::target_ambiguous);
  EXPECT_EQ(error.message,
            "click: 2 elements could be \"Reply\": button \"Reply\" at 10,0; "
            "button \"Reply\" at 10,100");
}

TEST(Resolver, NeverTakesSomethingElseForAnAbsentTarget) {
  Screen screen;
  screen.add("link", "The Gold Rush");
  screen.add("button", "Play");
  screen.add("main", "Videos of the week");

  EXPECT_EQ(screen.find("click 'Metropolis'"), "target_not_found");
  EXPECT_EQ(screen.find("click the Delete button"), "target_not_found");
  EXPECT_EQ(screen.find("click the Play video now link"), "target_not_found");
  const Error error = screen.error("click 'Metropolis'");
  EXPECT_NE(error.message.find("link \"The Gold Rush\" at 10,0"), std::string::npos)
      << error.message;
}

TEST(Resolver, TheRoleWordDecidesBetweenEqualNames) {
  Screen screen;
  screen.add("heading", "Login");
  screen.add("link", "Login");
  screen.add("button", "Login");

  EXPECT_EQ(screen.find("click the Login button"), "2");
  EXPECT_EQ(screen.find("click the Login link"), "1");
  EXPECT_EQ(screen.find("click Login"), "target_ambiguous");
}

TEST(Resolver, ARoleThatIsOtherThanSaidIsNotTaken) {
  Screen screen;
  screen.add("checkbox", "Newsletter");

  EXPECT_EQ(screen.find("click the Newsletter link"), "target_not_found");
}

TEST(Resolver, ScopeChoosesTheRow) {
  Screen screen;
  screen.add("button", "Reply").context = {"Bob Hello Reply", "Bob Hello Reply Anna Hi Reply"};
  screen.add("button", "Reply").context = {"Anna Hi Reply", "Bob Hello Reply Anna Hi Reply"};

  EXPECT_EQ(screen.find("click the Reply button in the row of Anna"), "1");
  EXPECT_EQ(screen.find("click the Reply button for Bob"), "0");
  EXPECT_EQ(screen.find("click the Reply button for Cem"), "target_not_found");
}

TEST(Resolver, OrdinalsCountThoseThatFit) {
  Screen screen;
  screen.add("button", "Add");
  screen.add("link", "Add");
  screen.add("button", "Add");
  screen.add("button", "Remove");

  EXPECT_EQ(screen.find("click the 2nd Add button"), "2");
  EXPECT_EQ(screen.find("click the last button"), "3");
  EXPECT_EQ(screen.find("click the 7th button"), "target_not_found");
}

TEST(Resolver, AnOrdinalMayBePartOfTheName) {
  Screen screen;
  screen.add("textbox", "Last name").label = "Last name";
  screen.add("textbox", "First name").label = "First name";

  EXPECT_EQ(screen.find("type Ada into the First name field"), "1");
  EXPECT_EQ(screen.find("type Ada into the last name field"), "0");
}

TEST(Resolver, FieldsGoByLabelAndPlaceholder) {
  Screen screen;
  screen.add("textbox", "Name").label = "Name";
  screen.add("textbox", "").placeholder = "Your e-mail";
  screen.add("button", "Name");

  EXPECT_EQ(screen.find("type Ada into Name"), "0");
  EXPECT_EQ(screen.find("fill the e-mail field with a@b.c"), "1");
}

TEST(Resolver, TypesIntoTheOnlyOrTheFocusedField) {
  Screen screen;
  screen.add("button", "Go");
  screen.add("textbox", "A");
  EXPECT_EQ(screen.find("type jazz"), "1");

  screen.add("textbox", "B");
  EXPECT_EQ(screen.find("type jazz"), "target_ambiguous");

  screen.snapshot.focused = 2;
  EXPECT_EQ(screen.find("type jazz"), "2");
}

TEST(Resolver, AComboboxInputTakesText) {
  Screen screen;
  screen.add("combobox", "City").tag = "input";

  EXPECT_EQ(screen.find("type Rome into City"), "0");
}

TEST(Resolver, FindsTheListWithTheOption) {
  Screen screen;
  Candidate& size = screen.add("combobox", "Size");
  size.tag = "select";
  size.options = {"Small", "Large"};
  Candidate& colour = screen.add("combobox", "Colour");
  colour.tag = "select";
  colour.options = {"Red", "Blue"};

  EXPECT_EQ(screen.find("select Blue"), "1");
  EXPECT_EQ(screen.find("select Small from Size"), "0");
  EXPECT_EQ(screen.find("select Blue from the dropdown"), "1");
  EXPECT_EQ(screen.find("select Green"), "target_not_found");
}

TEST(Resolver, IconsGoByTheirTokens) {
  Screen screen;
  screen.add("button", "").tokens = "icon trash delete";
  screen.add("button", "").tokens = "icon star";

  EXPECT_EQ(screen.find("click the star icon"), "1");
  EXPECT_EQ(screen.find("click the trash icon"), "0");
  EXPECT_EQ(screen.find("click the heart icon"), "target_not_found");
}

TEST(Resolver, AClosingSignIsAnX) {
  Screen screen;
  screen.add("button", "×");

  EXPECT_EQ(screen.find("click the 'x'"), "0");
}

TEST(Resolver, TwoLinksToOnePlaceAreOneThing) {
  Screen screen;
  screen.add("link", "Metropolis").href = "/v/1";
  screen.add("link", "Metropolis").href = "/v/1";

  EXPECT_EQ(screen.find("click Metropolis"), "0");
}

TEST(Resolver, AnOpenDialogComesFirst) {
  Screen screen;
  screen.add("button", "OK");
  screen.add("button", "OK").in_dialog = true;

  EXPECT_EQ(screen.find("click OK"), "1");
}

TEST(TextFit, OrdersLikenesses) {
  EXPECT_EQ(text_fit("Save", "Save", true), 1);
  EXPECT_GT(text_fit("save", "Save", true), text_fit("save", "Save.", true));
  EXPECT_GT(text_fit("Save", "Save!", true), text_fit("Save", "Save as", true));
  EXPECT_EQ(text_fit("av", "Save", true), 0);
  EXPECT_EQ(text_fit("cat food", "food for the cat", true), 0);
  EXPECT_GT(text_fit("cat food", "food for the cat", false), 0.6);
}

TEST(Snapshot, IsReadFromTheScriptsRows) {
  const Snapshot snapshot = read_snapshot(json::parse(
      R"({"rows": [{"r": 3, "t": 0, "k": 1, "n": "Go", "h": "/x", "b": [1,2,3,4], "i": 1,
          "s": [2], "hd": 9, "d": 1}], "texts": ["a", "link", "row text"], "hidden": 2, "focus": 9, "url": "u", "title": "t"})"));

  ASSERT_EQ(snapshot.elements.size(), 1u);
  EXPECT_EQ(snapshot.elements[0].context[0], "row text");
  EXPECT_TRUE(snapshot.elements[0].disabled);
  EXPECT_EQ(snapshot.elements[0].tag, "a");
  EXPECT_EQ(snapshot.elements[0].heading, "");  // a number that no text has
  EXPECT_EQ(describe(snapshot.elements[0]), "link \"Go\" at 1,2");
  EXPECT_EQ(snapshot.hidden, 2);
}

}  // namespace
}  // namespace troupe::interact
