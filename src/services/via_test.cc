#include "services/via.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace troupe::services {
namespace {

using ::testing::HasSubstr;

TEST(Via, NamesWhoWasPassedAndRefusesWhoComesBack) {
  EXPECT_TRUE(check_via(""));
  EXPECT_TRUE(check_via("somebody,else"));
  EXPECT_EQ(via_from_here(""), instance_name());
  EXPECT_EQ(via_from_here("somebody"), "somebody," + instance_name());
  const auto refused = check_via(via_from_here("somebody") + ",else");
  EXPECT_EQ(refused.error().code, Errc::invalid_argument);
  EXPECT_THAT(refused.error().describe(), HasSubstr("leads back to this troupe itself"));
}

TEST(Via, EndsChainsThatHaveNoEnd) {
  EXPECT_TRUE(check_via("1,2,3,4,5,6,7,8"));
  EXPECT_THAT(check_via("1,2,3,4,5,6,7,8,9").error().message, HasSubstr("9 services"));
}

}  // namespace
}  // namespace troupe::services
