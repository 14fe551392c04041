#include "tasks/time_zone.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>

#include "base/text_file.h"

namespace troupe::tasks {
namespace {

namespace chrono = std::chrono;

constexpr std::size_t kFileBytesMax = 256 << 10;
constexpr int kLastYear = 2137;
constexpr std::int64_t kDay = 86'400;
constexpr UnixSeconds kEver = std::int64_t{1} << 60;  // leaves room for sums

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

bool is_zone_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '+' || c == '/';
  };
  return !name.empty() && name.size() <= 64 && name.front() != '/' &&
         std::all_of(name.begin(), name.end(), fits);
}

// When one of the two changes of a year happens: a POSIX rule, in local time.
struct YearlyRule {
  enum class Kind { julian_without_leap_day, day_of_year, weekday } kind = Kind::weekday;
  int month = 1, week = 1, day = 0;
  std::int64_t time_s = 2 * 3600;

  LocalSeconds in(int year) const {
    const std::int64_t first = days_from_date(year, 1, 1);
    if (kind == Kind::day_of_year) return (first + day) * kDay + time_s;
    if (kind == Kind::julian_without_leap_day) {
      const bool leap = days_in_month(year, 2) == 29;
      return (first + day - 1 + (leap && day >= 60 ? 1 : 0)) * kDay + time_s;
    }
    const std::int64_t month_first = days_from_date(year, month, 1);
    std::int64_t day_of_month = (day - weekday_of(month_first) + 7) % 7 + (week - 1) * 7;
    while (day_of_month >= days_in_month(year, month)) day_of_month -= 7;
    return (month_first + day_of_month) * kDay + time_s;
  }
};

// A POSIX TZ string as the footer of a TZif file has it: `CET-1CEST,M3.5.0,M10.5.0/3`.
struct Footer {
  std::int64_t standard_s = 0;
  bool has_summer = false;
  std::int64_t summer_s = 0;
  YearlyRule begin, end;
};

class FooterReader {
 public:
  explicit FooterReader(std::string_view text) : rest_(text) {}

  std::optional<Footer> read() {
    Footer footer;
    if (!skip_name() || !read_time(footer.standard_s)) return std::nullopt;
    footer.standard_s = -footer.standard_s;
    if (rest_.empty()) return footer;
    footer.has_summer = true;
    footer.summer_s = footer.standard_s + 3600;
    if (!skip_name()) return std::nullopt;
    if (!rest_.empty() && rest_.front() != ',') {
      if (!read_time(footer.summer_s)) return std::nullopt;
      footer.summer_s = -footer.summer_s;
    }
    if (!read_rule(footer.begin) || !read_rule(footer.end) || !rest_.empty()) return std::nullopt;
    return footer;
  }

 private:
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool skip_name() {
    if (take('<')) {
      const auto end = rest_.find('>');
      if (end == rest_.npos) return false;
      rest_.remove_prefix(end + 1);
      return true;
    }
    const auto is_letter = [](char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; };
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_letter);
    const auto length = static_cast<std::size_t>(end - rest_.begin());
    rest_.remove_prefix(length);
    return length >= 3;
  }
  bool read_number(std::int64_t& number, std::int64_t max) {
    std::size_t digits = 0;
    for (number = 0; digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '9';
         ++digits) {
      number = number * 10 + (rest_[digits] - '0');
      if (number > max) return false;
    }
    rest_.remove_prefix(digits);
    return digits > 0;
  }
  bool read_time(std::int64_t& seconds) {
    const bool negative = take('-');
    if (!negative) take('+');
    std::int64_t part = 0;
    if (!read_number(part, 167)) return false;
    seconds = part * 3600;
    for (std::int64_t unit = 60; unit >= 1 && take(':'); unit /= 60) {
      if (!read_number(part, 59)) return false;
      seconds += part * unit;
    }
    if (negative) seconds = -seconds;
    return true;
  }
  bool read_rule(YearlyRule& rule) {
    if (!take(',')) return false;
    std::int64_t month = 0, week = 0, day = 0;
    if (take('M')) {
      if (!read_number(month, 12) || !take('.') || !read_number(week, 5) || !take('.') ||
          !read_number(day, 6) || month == 0 || week == 0)
        return false;
    } else {
      rule.kind =
          take('J') ? YearlyRule::Kind::julian_without_leap_day : YearlyRule::Kind::day_of_year;
      if (!read_number(day, 365)) return false;
    }
    rule.month = static_cast<int>(month);
    rule.week = static_cast<int>(week);
    rule.day = static_cast<int>(day);
    return !take('/') || read_time(rule.time_s);
  }

  std::string_view rest_;
};

}  // namespace

class TzifReader {
 public:
  TzifReader(std::string_view bytes, std::string_view name) : rest_(bytes) { zone_.name_ = name; }

  Result<TimeZone> read() {
    TRY(Header header, read_header());
    if (header.version >= '2') {  // the first block is for readers of version 1
      TRY_VOID(skip(header.bytes(4)));
      TRY(header, read_header());
      time_bytes_ = 8;
    }
    TRY_VOID(read_block(header));
    if (time_bytes_ == 8) TRY_VOID(read_footer());
    return std::move(zone_);
  }

 private:
  struct Header {
    char version = 0;
    std::size_t utc_flags = 0, standard_flags = 0, leaps = 0, times = 0, types = 0, chars = 0;
    std::size_t bytes(std::size_t time_bytes) const {
      return times * time_bytes + times + types * 6 + chars + leaps * (time_bytes + 4) +
             standard_flags + utc_flags;
    }
  };

  Error broken(std::string_view why) const {
    return fail(Errc::storage_failed, "time zone " + zone_.name_ + ": its file " + std::string(why),
                "timezone", "install the package tzdata anew");
  }
  Result<std::string_view> take(std::size_t count) {
    if (count > rest_.size()) return broken("ends too early");
    const auto bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }
  Result<void> skip(std::size_t count) {
    TRY([[maybe_unused]] auto bytes, take(count));
    return {};
  }
  Result<Header> read_header() {
    TRY(const auto bytes, take(44));
    if (!bytes.starts_with("TZif")) return broken("is no TZif file");
    std::size_t counts[6];
    for (std::size_t i = 0; i < 6; ++i) {
      counts[i] = big_endian(bytes.substr(20 + 4 * i, 4));
      if (counts[i] > kFileBytesMax) return broken("has a count out of range");
    }
    if (counts[4] == 0) return broken("has no offsets");
    return Header{bytes[4], counts[0], counts[1], counts[2], counts[3], counts[4], counts[5]};
  }
  Result<void> read_block(const Header& header) {
    TRY(const auto times, take(header.times * time_bytes_));
    TRY(const auto kinds, take(header.times));
    TRY(const auto types, take(header.types * 6));
    TRY_VOID(skip(header.bytes(time_bytes_) - times.size() - kinds.size() - types.size()));
    const auto offset = [&](std::size_t type) {
      return static_cast<std::int64_t>(
          static_cast<std::int32_t>(big_endian(types.substr(type * 6, 4))));
    };
    zone_.first_offset_s_ = offset(0);
    for (std::size_t i = 0; i < header.times; ++i) {
      const std::size_t kind = static_cast<unsigned char>(kinds[i]);
      if (kind >= header.types) return broken("names an offset that it does not have");
      const std::uint64_t raw = big_endian(times.substr(i * time_bytes_, time_bytes_));
      const std::int64_t at =
          time_bytes_ == 8 ? static_cast<std::int64_t>(raw) : static_cast<std::int32_t>(raw);
      TRY_VOID(add(at, offset(kind)));
    }
    return {};
  }
  Result<void> add(UnixSeconds at, std::int64_t offset_s) {
    auto& changes = zone_.changes_;
    if (offset_s < -kDay || offset_s > kDay) return broken("has an offset out of range");
    if (!changes.empty() && at <= changes.back().at) return broken("is not in order");
    const auto before = changes.empty() ? zone_.first_offset_s_ : changes.back().offset_s;
    if (offset_s != before) changes.push_back({at, offset_s});  // else only the name changes
    last_seen_ = at;
    return {};
  }
  Result<void> read_footer() {
    if (rest_.size() < 2 || rest_.front() != '\n') return broken("has no footer");
    const auto text = rest_.substr(1, rest_.find('\n', 1) - 1);
    if (text.empty()) return {};
    const auto footer = FooterReader(text).read();
    if (!footer) return broken("has a footer that cannot be read");
    if (!footer->has_summer) {
      if (zone_.changes_.empty()) zone_.first_offset_s_ = footer->standard_s;
      return {};
    }
    std::vector<TimeZone::Change> coming;
    for (int year = 1970; year <= kLastYear; ++year) {
      coming.push_back({footer->begin.in(year)-footer->standard_s, footer->summer_s});
      coming.push_back({footer->end.in(year)-footer->summer_s, footer->standard_s});
    }
    std::sort(coming.begin(), coming.end(), [](auto& a, auto& b) { return a.at < b.at; });
    for (const auto& change : coming)
      if (change.at > last_seen_) TRY_VOID(add(change.at, change.offset_s));
    return {};
  }

  std::string_view rest_;
  TimeZone zone_;
  std::size_t time_bytes_ = 4;
  UnixSeconds last_seen_ = std::numeric_limits<UnixSeconds>::min();
};

Result<TimeZone> TimeZone::parse(std::string_view bytes, std::string_view name) {
  return TzifReader(bytes, name).read();
}

Result<TimeZone> TimeZone::load(std::string_view name, const std::string& folder) {
  if (name == "UTC" || name == "Etc/UTC") return TimeZone();
  const std::string shown(name.substr(0, 64));
  if (!is_zone_name(name))
    return fail(Errc::invalid_argument, "timezone: \"" + shown + "\" is no name of a time zone",
                "timezone", "IANA names are meant: Europe/Berlin, America/New_York, UTC");
  const auto bytes = read_text_file(folder + "/" + shown, kFileBytesMax);
  if (bytes) return parse(*bytes, name);
  const bool has_database = read_text_file(folder + "/Etc/UTC", kFileBytesMax).has_value();
  return fail(Errc::invalid_argument, "timezone: " + shown + " is not known", "timezone",
              has_database ? "IANA names are meant: Europe/Berlin, America/New_York, UTC"
                           : "there is no tz database in " + folder + ": install tzdata");
}

TimeZone::Stretch TimeZone::at(UnixSeconds time) const {
  const auto after = std::upper_bound(changes_.begin(), changes_.end(), time,
                                      [](UnixSeconds t, const Change& c) { return t < c.at; });
  Stretch stretch{-kEver, kEver, first_offset_s_, first_offset_s_};
  if (after != changes_.end()) stretch.end = after->at;
  if (after == changes_.begin()) return stretch;
  const auto present = after - 1;
  stretch.begin = present->at;
  stretch.offset_s = present->offset_s;
  stretch.before_s = present == changes_.begin() ? first_offset_s_ : (present - 1)->offset_s;
  return stretch;
}

std::int64_t days_from_date(std::int64_t year, int month, int day) {
  const chrono::year_month_day date{chrono::year(static_cast<int>(year)),
                                    chrono::month(static_cast<unsigned>(month)),
                                    chrono::day(static_cast<unsigned>(day))};
  return chrono::sys_days(date).time_since_epoch().count();
}

Date date_from_days(std::int64_t days) {
  const chrono::year_month_day date{chrono::sys_days(chrono::days(days))};
  return {static_cast<int>(date.year()), static_cast<int>(static_cast<unsigned>(date.month())),
          static_cast<int>(static_cast<unsigned>(date.day()))};
}

int weekday_of(std::int64_t days) {
  return static_cast<int>(chrono::weekday(chrono::sys_days(chrono::days(days))).c_encoding());
}

int days_in_month(std::int64_t year, int month) {
  const chrono::year_month_day_last last{
      chrono::year(static_cast<int>(year)),
      chrono::month_day_last(chrono::month(static_cast<unsigned>(month)))};
  return static_cast<int>(static_cast<unsigned>(last.day()));
}

}  // namespace troupe::tasks
