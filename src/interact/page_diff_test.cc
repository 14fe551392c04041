#include "interact/page_diff.h"

#include <gtest/gtest.h>

#include "base/testing.h"

namespace troupe::interact {
namespace {

Candidate button(int ref, std::string name) {
  Candidate c{.ref = ref};
  c.tag = c.role = "button";
  c.name = std::move(name);
  return c;
}

PageView view(std::vector<Candidate> elements, std::uint64_t document = 1) {
  Snapshot snapshot;
  snapshot.elements = std::move(elements);
  snapshot.title = "Shop";
  snapshot.url = "https://shop.test/";
  return view_of(snapshot, document, {{"code", "hunter2"}}, 5);
}

TEST(PageDiff, TellsWhatCameWentAndIsOther) {
  const auto before =
      view({button(1, "Alpha"), button(2, "Beta"), button(3, "Gamma"), button(4, "Delta")});
  const auto after =
      view({button(1, "Alpha"), button(3, "Gamma 2"), button(4, "Delta"), button(9, "Pay")});

  EXPECT_EQ(page_changes(before, after), "- 2\n~ 3 button \"Gamma 2\"\n+ 9 button \"Pay\"\n");
  EXPECT_EQ(page_changes(before, before), "");
}

TEST(PageDiff, TellsTheWholePageWhereItIsAnotherOneOrShorter) {
  const auto before = view({button(1, "A"), button(2, "B"), button(3, "C"), button(4, "D")});
  const auto next = view({button(1, "A")}, 2);
  const auto little = view({button(8, "H")});

  EXPECT_EQ(page_changes(before, next), "Page: Shop (https://shop.test/)\n1 button \"A\"\n");
  EXPECT_EQ(page_changes(view({}), little), "+ 8 button \"H\"\n");
}

TEST(PageDiff, ConcealsSecretsAndTellsWhatIsLeftOut) {
  Candidate field = button(1, "Code");
  field.role = "textbox";
  field.value = "hunter2";
  std::vector<Candidate> many{field};
  for (int i = 2; i < 9; ++i) many.push_back(button(i, "B" + std::to_string(i)));

  const std::string text = whole_page(view(many));

  EXPECT_NE(text.find("1 textbox \"Code\" = \"%code%\""), std::string::npos) << text;
  EXPECT_NE(text.find("(3 more are not listed)"), std::string::npos) << text;
}

}  // namespace
}  // namespace troupe::interact
