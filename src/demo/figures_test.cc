#include "demo/figures.h"

#include <gmock/gmock.h>

namespace troupe::demo {
namespace {

using std::chrono::sys_days;
using std::chrono::year;
using testing::AllOf;
using testing::Ge;
using testing::Le;

TEST(DemoFigures, StayWithinTheirLimits) {
  for (int i = 0; i < 500; ++i) {
    const Figures figures = figures_of(std::to_string(i));
    EXPECT_THAT(figures.views, AllOf(Ge(799), Le(6'000'000)));
    EXPECT_THAT(figures.likes, AllOf(Ge(figures.views / 100 - 1), Le(figures.views * 6 / 100)));
    EXPECT_THAT(figures.published,
                AllOf(Ge(sys_days(year{2009} / 1 / 1)), Le(sys_days(year{2025} / 12 / 31))));
    EXPECT_THAT(comments_of(std::to_string(i)).size(), AllOf(Ge(3U), Le(24U)));
  }
}

TEST(DemoFigures, AreTheSameForOneIdAndDifferForOthers) {
  EXPECT_EQ(figures_of("metropo1927").views, figures_of("metropo1927").views);
  EXPECT_NE(figures_of("metropo1927").views, figures_of("aelita01924").views);
  EXPECT_EQ(comments_of("metropo1927").front().text, comments_of("metropo1927").front().text);
}

TEST(DemoFigures, ShortenCountsWithoutRoundingUp) {
  EXPECT_EQ(compact_count(0), "0");
  EXPECT_EQ(compact_count(999), "999");
  EXPECT_EQ(compact_count(1'000), "1.0K");
  EXPECT_EQ(compact_count(9'999), "9.9K");
  EXPECT_EQ(compact_count(12'345), "12K");
  EXPECT_EQ(compact_count(999'999), "999K");
  EXPECT_EQ(compact_count(1'250'000), "1.2M");
}

TEST(DemoFigures, GroupCountsByThousands) {
  EXPECT_EQ(grouped_count(7), "7");
  EXPECT_EQ(grouped_count(123), "123");
  EXPECT_EQ(grouped_count(1'234), "1,234");
  EXPECT_EQ(grouped_count(1'234'567), "1,234,567");
}

TEST(DemoFigures, WriteLengthsAsPlayersDo) {
  EXPECT_EQ(duration_text(46), "0:46");
  EXPECT_EQ(duration_text(720), "12:00");
  EXPECT_EQ(duration_text(3'599), "59:59");
  EXPECT_EQ(duration_text(4'085), "1:08:05");
}

TEST(DemoFigures, WriteAgesInTheLargestUnit) {
  EXPECT_EQ(age_text(0), "today");
  EXPECT_EQ(age_text(1), "1 day ago");
  EXPECT_EQ(age_text(13), "1 week ago");
  EXPECT_EQ(age_text(75), "2 months ago");
  EXPECT_EQ(age_text(364), "12 months ago");
  EXPECT_EQ(age_text(1'100), "3 years ago");
}

TEST(DemoFigures, WriteDates) {
  EXPECT_EQ(date_text(sys_days(year{2019} / 3 / 14)), "Mar 14, 2019");
}

}  // namespace
}  // namespace troupe::demo
