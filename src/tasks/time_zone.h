// Time zones by their IANA name, read from the system's tz database (TZif files, RFC 8536). Knows
// offsets and when they change; no names of zones' phases, no formatting.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace troupe::tasks {

/// Seconds since 1970-01-01T00:00 on the wall clock of some zone, as if that were UTC.
using LocalSeconds = std::int64_t;
/// Seconds since the Unix epoch.
using UnixSeconds = std::int64_t;

/// Immutable; any thread.
class TimeZone final {
 public:
  /// A stretch of time with one offset: [begin, end). `before_s` is the offset until `begin`.
  struct Stretch {
    UnixSeconds begin = 0, end = 0;
    std::int64_t offset_s = 0;  ///< Local time minus UTC.
    std::int64_t before_s = 0;
  };

  /// UTC.
  TimeZone() = default;
  /// `UTC` needs no files. Errors: invalid_argument (no such zone, or no tz database; the hint says
  /// which package has it), storage_failed (a broken file).
  static Result<TimeZone> load(std::string_view name,
                               const std::string& folder = "/usr/share/zoneinfo");
  /// Reads a TZif file of version 1 to 4. Changes that its footer only describes by rule are known
  /// up to the year 2137. Errors: storage_failed.
  static Result<TimeZone> parse(std::string_view bytes, std::string_view name);

  const std::string& name() const { return name_; }
  Stretch at(UnixSeconds time) const;

 private:
  struct Change {
    UnixSeconds at;
    std::int64_t offset_s;
  };
  friend class TzifReader;
  std::string name_ = "UTC";
  std::int64_t first_offset_s_ = 0;
  std::vector<Change> changes_;  // ascending
};

/// Days since 1970-01-01 of a date of the Gregorian calendar.
std::int64_t days_from_date(std::int64_t year, int month, int day);
struct Date {
  std::int64_t year = 1970;
  int month = 1;  ///< 1..12
  int day = 1;    ///< 1..31
};
Date date_from_days(std::int64_t days);
/// 0: Sunday.
int weekday_of(std::int64_t days);
int days_in_month(std::int64_t year, int month);

}  // namespace troupe::tasks
