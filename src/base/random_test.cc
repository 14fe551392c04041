#include "base/random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace troupe {
namespace {

using ::testing::MatchesRegex;

TEST(Random, GivesVersion4Uuids) {
  Random random(1);
  std::set<std::string> seen;
  for (int i = 0; i < 1'000; ++i) {
    const std::string uuid = random.uuid();
    EXPECT_THAT(
        uuid, MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
    seen.insert(uuid);
  }
  EXPECT_EQ(seen.size(), 1'000u);
}

TEST(Random, GivesIdsThatSortByTime) {
  Random random(1);
  const WallTime now{std::chrono::seconds(1'790'000'000)};
  const std::string first = random.id("run", now);
  const std::string second = random.id("run", now + std::chrono::milliseconds(1));
  EXPECT_LT(first.substr(0, 12), second.substr(0, 12));
  EXPECT_THAT(first, MatchesRegex("run_[0-9a-z]{16}"));
}

TEST(Random, RepeatsItselfForOneSeed) {
  Random first(7), second(7);
  EXPECT_EQ(first.uuid(), second.uuid());
  EXPECT_EQ(first.between(1, 100), second.between(1, 100));
}

TEST(SecureToken, HasTheBytesAskedForAndIsNeverTheSame) {
  EXPECT_EQ(secure_token(24).size(), 32u);
  EXPECT_NE(secure_token(24), secure_token(24));
}

}  // namespace
}  // namespace troupe
