#include "tasks/cron.h"

#include <gmock/gmock.h>

#include <ctime>

namespace troupe::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// `2026-03-28 23:59:00` of the wall clock as seconds.
LocalSeconds clock(const std::string& text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  std::sscanf(text.c_str(), "%d-%d-%d %d:%d:%d", &year, &month, &day, &hour, &minute, &second);
  return days_from_date(year, month, day) * 86'400 + hour * 3600 + minute * 60 + second;
}

std::string shown(LocalSeconds time) {
  const std::int64_t day = time / 86'400, rest = time % 86'400;
  const Date date = date_from_days(day);
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d", static_cast<int>(date.year),
                date.month, date.day, static_cast<int>(rest / 3600),
                static_cast<int>(rest / 60 % 60), static_cast<int>(rest % 60));
  return text;
}

// The next fires after a time in UTC, each in UTC.
std::vector<std::string> fires(const std::string& cron, const std::string& after, int count,
                               const char* zone_name = "UTC") {
  const Cron parsed = Cron::parse(cron).value();
  const TimeZone zone = TimeZone::load(zone_name).value();
  std::vector<std::string> times;
  std::optional<UnixSeconds> time = clock(after);
  while (count-- > 0 && (time = parsed.next(zone, *time))) times.push_back(shown(*time));
  return times;
}

TEST(Cron, FiresAtGivenMinutesAndHours) {
  EXPECT_THAT(fires("30 6,18 * * *", "2026-11-23 07:00:00", 3),
              ElementsAre("2026-11-23 18:30:00", "2026-11-24 06:30:00", "2026-11-24 18:30:00"));
}

TEST(Cron, FiresOnlyAfterTheGivenTime) {
  EXPECT_THAT(fires("0 12 * * *", "2026-11-23 12:00:00", 1), ElementsAre("2026-11-24 12:00:00"));
  EXPECT_THAT(fires("0 12 * * *", "2026-11-23 11:59:59", 1), ElementsAre("2026-11-23 12:00:00"));
}

TEST(Cron, TakesSecondsAsAFirstOfSixFields) {
  EXPECT_THAT(fires("*/20 59 23 * * *", "2026-11-23 23:59:10", 3),
              ElementsAre("2026-11-23 23:59:20", "2026-11-23 23:59:40", "2026-11-24 23:59:00"));
}

TEST(Cron, StepsWithinRangesAndFromAValueOn) {
  EXPECT_THAT(fires("10-30/10 0 * * *", "2026-11-23 00:00:00", 4),
              ElementsAre("2026-11-23 00:10:00", "2026-11-23 00:20:00", "2026-11-23 00:30:00",
                          "2026-11-24 00:10:00"));
  EXPECT_THAT(fires("5/25 0 * * *", "2026-11-23 00:00:00", 4),
              ElementsAre("2026-11-23 00:05:00", "2026-11-23 00:30:00", "2026-11-23 00:55:00",
                          "2026-11-24 00:05:00"));
}

TEST(Cron, RangesRunOverTheEnd) {
  EXPECT_THAT(fires("0 0 * * FRI-MON", "2026-11-24 00:00:00", 5),  // a Tuesday
              ElementsAre("2026-11-27 00:00:00", "2026-11-28 00:00:00", "2026-11-29 00:00:00",
                          "2026-11-30 00:00:00", "2026-12-04 00:00:00"));
  EXPECT_THAT(fires("0 22-1 * * *", "2026-11-23 12:00:00", 4),
              ElementsAre("2026-11-23 22:00:00", "2026-11-23 23:00:00", "2026-11-24 00:00:00",
                          "2026-11-24 01:00:00"));
}

TEST(Cron, SundayIsZeroAndSeven) {
  for (const char* sunday : {"0 0 * * 0", "0 0 * * 7", "0 0 * * sun", "0 0 * * 7-7"})
    EXPECT_THAT(fires(sunday, "2026-11-23 00:00:00", 2),
                ElementsAre("2026-11-29 00:00:00", "2026-12-06 00:00:00"))
        << sunday;
}

TEST(Cron, EitherDayFieldFitsWhenBothAreRestricted) {
  EXPECT_THAT(fires("0 0 1 * MON", "2026-11-24 00:00:00", 3),
              ElementsAre("2026-11-30 00:00:00", "2026-12-01 00:00:00", "2026-12-07 00:00:00"));
  EXPECT_THAT(fires("0 0 ? * MON", "2026-11-24 00:00:00", 2),
              ElementsAre("2026-11-30 00:00:00", "2026-12-07 00:00:00"));
}

TEST(Cron, NamesOfMonths) {
  EXPECT_THAT(fires("0 0 1 jan,Jul *", "2026-02-01 00:00:00", 2),
              ElementsAre("2026-07-01 00:00:00", "2027-01-01 00:00:00"));
}

TEST(Cron, LeapDaysAreFoundAcrossACentury) {
  EXPECT_THAT(fires("0 0 29 2 *", "2096-01-01 00:00:00", 2),
              ElementsAre("2096-02-29 00:00:00", "2104-02-29 00:00:00"));
}

TEST(Cron, LastDays) {
  EXPECT_THAT(fires("0 0 L * *", "2027-01-31 12:00:00", 2),
              ElementsAre("2027-02-28 00:00:00", "2027-03-31 00:00:00"));
  EXPECT_THAT(fires("0 0 L-3 2 *", "2028-01-01 00:00:00", 1), ElementsAre("2028-02-26 00:00:00"));
  EXPECT_THAT(fires("0 0 LW * *", "2027-01-01 00:00:00", 2),  // the 31st and 28th are Sundays
              ElementsAre("2027-01-29 00:00:00", "2027-02-26 00:00:00"));
}

TEST(Cron, NearestWeekdayStaysInItsMonth) {
  EXPECT_THAT(fires("0 0 1W * *", "2026-07-15 00:00:00", 2),  // 2026-08-01 is a Saturday
              ElementsAre("2026-08-03 00:00:00", "2026-09-01 00:00:00"));
  EXPECT_THAT(fires("0 0 15W * *", "2026-08-01 00:00:00", 1), ElementsAre("2026-08-14 00:00:00"));
  EXPECT_THAT(fires("0 0 31W 1 *", "2027-01-01 00:00:00", 1), ElementsAre("2027-01-29 00:00:00"));
}

TEST(Cron, WeekdaysCountedInTheMonth) {
  EXPECT_THAT(fires("0 9 * * 2#2", "2026-11-23 00:00:00", 2),  // patch Tuesday
              ElementsAre("2026-12-08 09:00:00", "2027-01-12 09:00:00"));
  EXPECT_THAT(fires("0 9 * * FRIL", "2026-11-23 00:00:00", 2),
              ElementsAre("2026-11-27 09:00:00", "2026-12-25 09:00:00"));
}

TEST(Cron, Shorthands) {
  EXPECT_EQ(Cron::parse("@daily").value(), Cron::parse("0 0 * * *").value());
  EXPECT_EQ(Cron::parse("@Hourly").value(), Cron::parse("0 * * * *").value());
  EXPECT_EQ(Cron::parse("@weekly").value(), Cron::parse("0 0 * * SUN").value());
  EXPECT_EQ(Cron::parse("@yearly").value(), Cron::parse("0 0 1 1 *").value());
}

TEST(Cron, LivesInItsTimeZone) {
  EXPECT_THAT(fires("30 6 * * *", "2026-11-23 00:00:00", 1, "America/New_York"),
              ElementsAre("2026-11-23 11:30:00"));
  EXPECT_THAT(fires("30 6 * * *", "2026-07-23 00:00:00", 1, "America/New_York"),
              ElementsAre("2026-07-23 10:30:00"));
}

TEST(Cron, SkippedTimesFireOnceAfterTheGap) {
  // Berlin: 2026-03-29 02:00 becomes 03:00 (01:00Z).
  EXPECT_THAT(fires("0,30 2 * * *", "2026-03-28 00:45:00", 3, "Europe/Berlin"),
              ElementsAre("2026-03-28 01:00:00", "2026-03-28 01:30:00", "2026-03-29 01:00:00"));
  EXPECT_THAT(fires("30 2 * * *", "2026-03-29 00:59:59", 2, "Europe/Berlin"),
              ElementsAre("2026-03-29 01:00:00", "2026-03-30 00:30:00"));
}

TEST(Cron, ASkippedMidnightStillFires) {
  // Santiago: 2026-09-06 00:00 becomes 01:00 (04:00Z).
  EXPECT_THAT(fires("0 0 * * *", "2026-09-05 12:00:00", 2, "America/Santiago"),
              ElementsAre("2026-09-06 04:00:00", "2026-09-07 03:00:00"));
}

TEST(Cron, DoubledTimesFireOnce) {
  // Berlin: 2026-10-25 03:00 becomes 02:00 (01:00Z).
  EXPECT_THAT(fires("30 2 * * *", "2026-10-24 12:00:00", 2, "Europe/Berlin"),
              ElementsAre("2026-10-25 00:30:00", "2026-10-26 01:30:00"));
}

TEST(Cron, EveryHourFollowsTheClockThroughItsChanges) {
  EXPECT_THAT(fires("30 * * * *", "2026-03-29 00:00:00", 3, "Europe/Berlin"),
              ElementsAre("2026-03-29 00:30:00", "2026-03-29 01:30:00", "2026-03-29 02:30:00"));
  EXPECT_THAT(fires("30 * * * *", "2026-10-25 00:00:00", 3, "Europe/Berlin"),
              ElementsAre("2026-10-25 00:30:00", "2026-10-25 01:30:00", "2026-10-25 02:30:00"));
}

// Minute by minute over four months of summer and winter, with the C library's calendar.
std::string first_difference(const std::string& cron, bool (*fits)(const std::tm&)) {
  const Cron parsed = Cron::parse(cron).value();
  const UnixSeconds begin = clock("2027-12-20 00:00:00"), end = clock("2028-04-20 00:00:00");
  auto next = parsed.next(TimeZone(), begin - 1);
  for (std::time_t time = begin; time < end; time += 60) {
    std::tm utc{};
    gmtime_r(&time, &utc);
    if (fits(utc) != (next == time)) return shown(time);
    if (next == time) next = parsed.next(TimeZone(), time);
  }
  return "";
}

TEST(Cron, AgreesWithAPlainCountOfMinutes) {
  EXPECT_EQ(first_difference("*/7 3-5,22 * * *",
                             [](const std::tm& t) {
                               return t.tm_min % 7 == 0 &&
                                      ((t.tm_hour >= 3 && t.tm_hour <= 5) || t.tm_hour == 22);
                             }),
            "");
  EXPECT_EQ(first_difference("0 12 13 * FRI",
                             [](const std::tm& t) {
                               return t.tm_min == 0 && t.tm_hour == 12 &&
                                      (t.tm_mday == 13 || t.tm_wday == 5);
                             }),
            "");
  EXPECT_EQ(first_difference("59 23 L 2,3 *",
                             [](const std::tm& t) {
                               return t.tm_min == 59 && t.tm_hour == 23 &&
                                      ((t.tm_mon == 1 && t.tm_mday == 29) ||
                                       (t.tm_mon == 2 && t.tm_mday == 31));
                             }),
            "");
  EXPECT_EQ(first_difference("30 8 * * 1#1,3L",
                             [](const std::tm& t) {
                               const int last = t.tm_mon == 1 ? 29 : t.tm_mon == 3 ? 30 : 31;
                               return t.tm_min == 30 && t.tm_hour == 8 &&
                                      ((t.tm_wday == 1 && t.tm_mday <= 7) ||
                                       (t.tm_wday == 3 && t.tm_mday > last - 7));
                             }),
            "");
}

TEST(Cron, RefusesWhatItCannotMean) {
  for (const char* text : {"",
                           "* * * *",
                           "* * * * * * *",
                           "60 * * * *",
                           "* 24 * * *",
                           "* * 0 * *",
                           "* * 32 * *",
                           "* * * 13 *",
                           "* * * * 8",
                           "*/0 * * * *",
                           "1-x * * * *",
                           "a * * * *",
                           "* * L-31 * *",
                           "* * * * 2#6",
                           "* * W * *",
                           "* * * * L",
                           "1,,2 * * * *",
                           "-1 * * * *",
                           "@never",
                           "5-/2 * * * *",
                           "1.5 * * * *",
                           "* * 0W * *"}) {
    const auto cron = Cron::parse(text);
    ASSERT_FALSE(cron) << text;
    EXPECT_EQ(cron.error().code, Errc::invalid_argument) << text;
    EXPECT_NE(cron.error().hint, "") << text;
  }
}

TEST(Cron, RefusesDaysThatNeverCome) {
  const auto cron = Cron::parse("0 0 31 2,4 *");
  ASSERT_FALSE(cron);
  EXPECT_THAT(cron.error().message, HasSubstr("never fires"));
}

TEST(Cron, NamesTheFieldThatIsWrong) {
  EXPECT_THAT(Cron::parse("0 25 * * *").error().message, HasSubstr("hour \"25\""));
}

}  // namespace
}  // namespace troupe::tasks
