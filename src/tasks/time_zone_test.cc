#include "tasks/time_zone.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <ctime>

namespace troupe::tasks {
namespace {

using ::testing::HasSubstr;

// The C library's reading of the same database, for comparison.
class SystemZone {
 public:
  explicit SystemZone(const char* name) {
    if (const char* before = std::getenv("TZ")) before_ = before;
    setenv("TZ", name, 1);
    tzset();
  }
  ~SystemZone() {
    if (before_.empty())
      unsetenv("TZ");
    else
      setenv("TZ", before_.c_str(), 1);
    tzset();
  }
  std::int64_t offset_s(UnixSeconds time) const {
    const std::time_t t = time;
    std::tm local{};
    localtime_r(&t, &local);
    return local.tm_gmtoff;
  }

 private:
  std::string before_;
};

class TimeZones : public testing::TestWithParam<const char*> {};

TEST_P(TimeZones, AgreeWithTheCLibraryFrom1960To2090) {
  const auto zone = TimeZone::load(GetParam());
  ASSERT_TRUE(zone) << zone.error().describe();
  const SystemZone system(GetParam());

  std::string first_difference;
  for (UnixSeconds time = -315'619'200; time < 3'786'912'000; time += 11 * 3600 + 601)
    if (first_difference.empty() && zone->at(time).offset_s != system.offset_s(time))
      first_difference = "at " + std::to_string(time);

  EXPECT_EQ(first_difference, "");
}

INSTANTIATE_TEST_SUITE_P(Names, TimeZones,
                         testing::Values("Europe/Berlin", "America/New_York", "America/Sao_Paulo",
                                         "Asia/Kolkata", "Australia/Lord_Howe", "Europe/Dublin",
                                         "Pacific/Apia", "Africa/Casablanca", "Asia/Tokyo",
                                         "America/Santiago", "Pacific/Chatham", "Etc/GMT+5"));

TEST(TimeZone, SaysWhenItsOffsetChanges) {
  const auto zone = TimeZone::load("Europe/Berlin").value();

  const auto summer = zone.at(1'774'746'000);  // 2026-03-29T01:00Z

  EXPECT_EQ(summer.begin, 1'774'746'000);
  EXPECT_EQ(summer.before_s, 3600);
  EXPECT_EQ(summer.offset_s, 7200);
  EXPECT_EQ(summer.end, 1'792'890'000);  // 2026-10-25T01:00Z
}

TEST(TimeZone, UtcNeedsNoFiles) {
  EXPECT_TRUE(TimeZone::load("UTC", "/nowhere"));
  EXPECT_EQ(TimeZone().at(0).offset_s, 0);
}

TEST(TimeZone, RefusesNamesThatAreNone) {
  for (const char* name : {"", "Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Berlin\n"}) {
    const auto zone = TimeZone::load(name);
    ASSERT_FALSE(zone) << name;
    EXPECT_EQ(zone.error().code, Errc::invalid_argument) << name;
  }
}

TEST(TimeZone, SaysThatTheDatabaseIsMissing) {
  const auto zone = TimeZone::load("Europe/Berlin", "/nowhere");
  ASSERT_FALSE(zone);
  EXPECT_THAT(zone.error().hint, HasSubstr("install tzdata"));
}

std::string tzif(std::string_view footer) {
  std::string header = std::string("TZif2") + std::string(15, '\0');
  const std::string counts("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4", 24);
  const std::string block("\0\0\x0e\x10\0\0CET\0", 10);  // one offset: an hour
  return header + counts + block + header + counts + block + "\n" + std::string(footer) + "\n";
}

TEST(TimeZone, FollowsTheRuleOfTheFooter) {
  const auto zone = TimeZone::parse(tzif("CET-1CEST,M3.5.0,M10.5.0/3"), "Test");

  ASSERT_TRUE(zone) << zone.error().describe();
  EXPECT_EQ(zone->at(1'774'745'999).offset_s, 3600);
  EXPECT_EQ(zone->at(1'774'746'000).offset_s, 7200);
}

TEST(TimeZone, RefusesBrokenFiles) {
  const std::string whole = tzif("CET-1CEST,M3.5.0,M10.5.0/3");
  for (std::size_t length = 0; length + 2 < whole.size() - 26; ++length) {
    const auto zone = TimeZone::parse(whole.substr(0, length), "Test");
    ASSERT_FALSE(zone) << length;
    EXPECT_EQ(zone.error().code, Errc::storage_failed);
  }
  EXPECT_FALSE(TimeZone::parse(tzif("CET-1CEST,M13.5.0,M10.5.0/3"), "Test"));
  EXPECT_FALSE(TimeZone::parse(tzif("-1"), "Test"));
}

TEST(Dates, GoThereAndBack) {
  EXPECT_EQ(days_from_date(1970, 1, 1), 0);
  EXPECT_EQ(days_from_date(2024, 2, 29), 19'782);
  const Date date = date_from_days(19'782);
  EXPECT_EQ(date.year * 10'000 + date.month * 100 + date.day, 20'240'229);
  EXPECT_EQ(weekday_of(0), 4);  // a Thursday
  EXPECT_EQ(days_in_month(2100, 2), 28);
}

}  // namespace
}  // namespace troupe::tasks
