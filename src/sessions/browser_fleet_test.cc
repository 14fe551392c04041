#include "sessions/browser_fleet.h"

#include <gtest/gtest.h>

namespace troupe::sessions {
namespace {

using std::chrono::hours;

const FleetOptions kOptions{
    .recycle_after = 10, .memory_mb = 100, .recycle_age = hours(2), .crashes_max = 3};

TEST(BrowserWear, AFreshBrowserGoesOn) {
  EXPECT_EQ(wear_of(kOptions, {}), "");
  EXPECT_EQ(wear_of(kOptions,
                    {.age = hours(2), .sessions = 9, .resident_bytes = 100 << 20, .crashes = 2}),
            "");
}

TEST(BrowserWear, EachLimitRetiresIt) {
  EXPECT_EQ(wear_of(kOptions, {.age = hours(2) + std::chrono::seconds(1)}), "age");
  EXPECT_EQ(wear_of(kOptions, {.sessions = 10}), "uses");
  EXPECT_EQ(wear_of(kOptions, {.resident_bytes = 101 << 20}), "memory");
  EXPECT_EQ(wear_of(kOptions, {.crashes = 3}), "crashes");
}

TEST(BrowserWear, NoAgeIsTooMuchWhenNoneIsSet) {
  FleetOptions options = kOptions;
  options.recycle_age = Duration::zero();

  EXPECT_EQ(wear_of(options, {.age = hours(1'000)}), "");
}

}  // namespace
}  // namespace troupe::sessions
