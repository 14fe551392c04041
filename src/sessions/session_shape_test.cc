#include "sessions/session_shape.h"

#include <gtest/gtest.h>

#include "sessions/launch_plan.h"

namespace troupe::sessions {
namespace {

TEST(SessionShape, LetsDrivenSessionsShareABrowserButNotOneThatNobodyDrives) {
  SessionSpec spec;
  EXPECT_TRUE(is_default_shape(spec));
  spec.driver_folder = "/opt/stagehand";
  EXPECT_FALSE(needs_own_process(spec));
  EXPECT_FALSE(is_listening(spec)) << "no foreign client is let in";
  EXPECT_FALSE(is_default_shape(spec));
  spec.locale = "de-DE";
  EXPECT_TRUE(needs_own_process(spec));
}

TEST(SessionShape, LetsTheDriverOfAnOwnProcessDialIt) {
  SessionSpec spec;
  EXPECT_FALSE(plan_launch({}, spec, {}).listening);
  spec.driver_folder = "/opt/stagehand";
  const ChromiumOptions planned = plan_launch({}, spec, {});
  EXPECT_TRUE(planned.listening);
  EXPECT_EQ(planned.driver_folder, "/opt/stagehand");
}

}  // namespace
}  // namespace troupe::sessions
