// Cron expressions: when they fire. Pure.
//
//   [second] minute hour day-of-month month day-of-week     or     @hourly, @daily, ...
//
// `*`, `?`, lists, ranges (also over the end: FRI-MON, 22-2), steps, names of months and weekdays
// (0 and 7: Sunday). Day of month: `L` last, `L-3`, `15W` nearest weekday, `LW`. Day of week: `5L`
// last Friday, `5#2` second Friday. When both day fields are restricted, a day that fits either
// one fires; a field that begins with `*` or is `?` does not restrict.
//
// Changes of the clock: an expression whose hour is `*` follows the clock as it ticks (skipped
// times are dropped, repeated ones fire again, so that every hour has its turn). Any other fires
// once for times that are skipped, at the first moment after them, and once for times that happen
// twice, at the first of them.
#pragma once

#include <array>
#include <bitset>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/time_zone.h"

namespace troupe::tasks {

class Cron final {
 public:
  /// Errors: invalid_argument, naming the field and what it may hold; an expression that never
  /// fires (30 February) too.
  static Result<Cron> parse(std::string_view text);

  /// The first time after `after`; nothing when there is none within 40 years.
  std::optional<UnixSeconds> next(const TimeZone& zone, UnixSeconds after) const;

  bool operator==(const Cron&) const = default;

 private:
  friend class CronReader;
  bool fits_day(std::int64_t days) const;
  bool fits_day_of_month(const Date& date, std::int64_t days) const;
  bool fits_day_of_week(const Date& date, int weekday) const;
  /// The first fitting time of the wall clock in [from, until).
  std::optional<LocalSeconds> first_fit(LocalSeconds from, LocalSeconds until) const;
  std::optional<int> first_time_of_day(int from_s) const;

  std::bitset<60> seconds_, minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  std::bitset<32> days_before_last_;     // L, L-3
  std::bitset<32> nearest_weekdays_;     // 15W
  bool last_weekday_ = false;            // LW
  std::bitset<7> last_of_month_;         // 5L
  std::array<std::bitset<7>, 6> nth_{};  // 5#2: nth_[2][5]
  bool any_hour_ = false, any_day_ = false, any_weekday_ = false;
};

}  // namespace troupe::tasks
