#include "services/prompts.h"

#include <gmock/gmock.h>

#include "base/assets.h"

namespace troupe::services {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Prompts, FillsPlacesAndLeavesValuesAsTheyAre) {
  const auto filled = fill_prompt("Do {{what}} on {{page}}: {{what}}.",
                                  {{"what", "{{page}} $1"}, {"page", "a\nb"}});
  EXPECT_EQ(filled.value(), "Do {{page}} $1 on a\nb: {{page}} $1.");
}

TEST(Prompts, RefusesPlacesAndValuesThatDoNotMeet) {
  EXPECT_EQ(fill_prompt("{{a}}", {}).error().message, "prompt: place 'a' has no value");
  EXPECT_EQ(fill_prompt("{{a", {{"a", "1"}}).error().message, "prompt: place 'a' has no value");
  EXPECT_EQ(fill_prompt("x", {{"a", "1"}}).error().message, "prompt: there is no place 'a'");
}

TEST(Prompts, AreShortAndEndWithALineEnd) {
  for (const auto path : assets::list("prompts/")) {
    const auto text = assets::get(path);
    EXPECT_LT(text.size(), 6'000u) << path;
    EXPECT_TRUE(text.ends_with('\n')) << path;
  }
}

TEST(Prompts, MendTellsTheProblemAndForbidsInvention) {
  const std::string text = prompt("mend_json", {{"problem", "views: is string, not integer"}});
  EXPECT_THAT(text, HasSubstr("views: is string, not integer"));
  EXPECT_THAT(text, HasSubstr("Do not invent"));
  EXPECT_THAT(text, Not(HasSubstr("{{")));
}

}  // namespace
}  // namespace troupe::services
