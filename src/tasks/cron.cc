#include "tasks/cron.h"

#include <algorithm>
#include <charconv>

namespace troupe::tasks {
namespace {

constexpr std::int64_t kDay = 86'400;
constexpr std::int64_t kHorizon = 40 * 366 * kDay;

struct FieldRule {
  std::string_view name;
  int low, high;
};
constexpr FieldRule kSecond{"second", 0, 59};
constexpr FieldRule kMinute{"minute", 0, 59};
constexpr FieldRule kHour{"hour", 0, 23};
constexpr FieldRule kDayOfMonth{"day of month", 1, 31};
constexpr FieldRule kMonth{"month", 1, 12};
constexpr FieldRule kDayOfWeek{"day of week", 0, 7};

constexpr std::string_view kMonths[] = {"",    "JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                        "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
constexpr std::string_view kWeekdays[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

struct Shorthand {
  std::string_view name, meaning;
};
constexpr Shorthand kShorthands[] = {{"@YEARLY", "0 0 1 1 *"},  {"@ANNUALLY", "0 0 1 1 *"},
                                     {"@MONTHLY", "0 0 1 * *"}, {"@WEEKLY", "0 0 * * 0"},
                                     {"@DAILY", "0 0 * * *"},   {"@MIDNIGHT", "0 0 * * *"},
                                     {"@HOURLY", "0 * * * *"}};

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find_first_of(separators, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

std::string in_upper_case(std::string_view text) {
  std::string upper(text);
  for (char& c : upper)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  return upper;
}

std::optional<int> whole_number(std::string_view text) {
  int number = 0;
  const auto end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (text.empty() || read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return number;
}

template <std::size_t N>
std::optional<int> next_set(const std::bitset<N>& set, int from) {
  for (int i = from; i < static_cast<int>(N); ++i)
    if (set[static_cast<std::size_t>(i)]) return i;
  return std::nullopt;
}

template <std::size_t N>
void set(std::bitset<N>& bits, int place) {
  bits.set(static_cast<std::size_t>(place));
}
template <std::size_t N>
bool has(const std::bitset<N>& bits, int place) {
  return bits[static_cast<std::size_t>(place)];
}

}  // namespace

class CronReader {
 public:
  explicit CronReader(std::string_view text) : text_(in_upper_case(text)) {}

  Result<Cron> read() {
    for (const auto& shorthand : kShorthands)
      if (text_ == shorthand.name) text_ = shorthand.meaning;
    std::vector<std::string_view> fields;
    for (const auto field : split(text_, " \t"))
      if (!field.empty()) fields.push_back(field);
    if (text_.size() > 256 || (fields.size() != 5 && fields.size() != 6))
      return fail(Errc::invalid_argument,
                  "cron: \"" + text_.substr(0, 64) + "\" has " + std::to_string(fields.size()) +
                      " fields, not 5 (or 6 with seconds)",
                  "cron", "minute hour day-of-month month day-of-week, such as 30 6 * * MON-FRI");
    if (fields.size() == 5) fields.insert(fields.begin(), "0");
    TRY_VOID(read_plain(kSecond, fields[0], cron_.seconds_));
    TRY_VOID(read_plain(kMinute, fields[1], cron_.minutes_));
    TRY_VOID(read_plain(kHour, fields[2], cron_.hours_));
    TRY_VOID(read_days(fields[3]));
    TRY_VOID(read_plain(kMonth, fields[4], cron_.months_));
    TRY_VOID(read_weekdays(fields[5]));
    cron_.any_hour_ = fields[2] == "*";
    cron_.any_day_ = fields[3].front() == '*' || fields[3] == "?";
    cron_.any_weekday_ = fields[5].front() == '*' || fields[5] == "?";
    if (!cron_.next(TimeZone(), 0))
      return fail(Errc::invalid_argument, "cron: \"" + text_ + "\" never fires", "cron",
                  "no month that it names has such a day");
    return cron_;
  }

 private:
  Error wrong(const FieldRule& rule, std::string_view part) const {
    std::string hint = "a number, range, list or step of " + std::to_string(rule.low) + ".." +
                       std::to_string(rule.high);
    if (rule.name == kMonth.name) hint += ", or JAN..DEC";
    if (rule.name == kDayOfMonth.name) hint += ", or L, L-3, 15W, LW";
    if (rule.name == kDayOfWeek.name) hint += ", or SUN..SAT, 5L, 5#2";
    return fail(Errc::invalid_argument,
                "cron: " + std::string(rule.name) + " \"" + std::string(part.substr(0, 32)) +
                    "\" is not valid",
                "cron", hint);
  }

  std::optional<int> value_of(const FieldRule& rule, std::string_view part) const {
    if (rule.name == kMonth.name)
      for (int i = 1; i <= 12; ++i)
        if (part == kMonths[i]) return i;
    if (rule.name == kDayOfWeek.name)
      for (int i = 0; i < 7; ++i)
        if (part == kWeekdays[i]) return i;
    const auto number = whole_number(part);
    if (!number || *number < rule.low || *number > rule.high) return std::nullopt;
    return number;
  }

  template <std::size_t N>
  Result<void> read_plain(const FieldRule& rule, std::string_view field, std::bitset<N>& bits) {
    for (const auto part : split(field, ",")) TRY_VOID(read_part(rule, part, bits));
    return {};
  }

  // `*`, `3`, `1-5`, each perhaps with `/2`.
  template <std::size_t N>
  Result<void> read_part(const FieldRule& rule, std::string_view part, std::bitset<N>& bits) {
    const int high = rule.name == kDayOfWeek.name ? 6 : rule.high;  // 7 is only another 0
    const auto slash = part.find('/');
    const auto range = part.substr(0, slash);
    int step = 1;
    if (slash != part.npos) {
      const auto given = whole_number(part.substr(slash + 1));
      if (!given || *given < 1 || *given > rule.high) return wrong(rule, part);
      step = *given;
    }
    int first = rule.low, last = high;
    if (range != "*" && range != "?") {
      const auto dash = range.find('-');
      const auto low = value_of(rule, range.substr(0, dash));
      auto up = dash == range.npos ? low : value_of(rule, range.substr(dash + 1));
      if (dash == range.npos && slash != part.npos) up = high;  // 5/15: from 5 on
      if (!low || !up) return wrong(rule, part);
      first = *low;
      last = *up;
    }
    if (last < first) last += high - rule.low + 1;  // over the end
    for (int i = first; i <= last; i += step)
      set(bits, rule.low + (i - rule.low) % (high - rule.low + 1));
    return {};
  }

  Result<void> read_days(std::string_view field) {
    for (const auto part : split(field, ",")) {
      if (part == "LW") {
        cron_.last_weekday_ = true;
      } else if (part.starts_with('L')) {
        const auto before = part == "L"              ? std::optional(0)
                            : part.starts_with("L-") ? whole_number(part.substr(2))
                                                     : std::nullopt;
        if (!before || *before < 0 || *before > 30) return wrong(kDayOfMonth, part);
        set(cron_.days_before_last_, *before);
      } else if (part.ends_with('W')) {
        const auto day = value_of(kDayOfMonth, part.substr(0, part.size() - 1));
        if (!day) return wrong(kDayOfMonth, part);
        set(cron_.nearest_weekdays_, *day);
      } else {
        TRY_VOID(read_part(kDayOfMonth, part, cron_.days_));
      }
    }
    return {};
  }

  Result<void> read_weekdays(std::string_view field) {
    for (const auto part : split(field, ",")) {
      const auto hash = part.find('#');
      if (hash == part.npos && !(part.size() > 1 && part.ends_with('L'))) {
        TRY_VOID(read_part(kDayOfWeek, part, cron_.weekdays_));
        continue;
      }
      const auto day = value_of(kDayOfWeek, part.substr(0, std::min(hash, part.size() - 1)));
      const auto nth = hash == part.npos ? std::optional(1) : whole_number(part.substr(hash + 1));
      if (!day || !nth || *nth < 1 || *nth > 5) return wrong(kDayOfWeek, part);
      if (hash == part.npos)
        set(cron_.last_of_month_, *day % 7);
      else
        set(cron_.nth_[static_cast<std::size_t>(*nth)], *day % 7);
    }
    return {};
  }

  std::string text_;
  Cron cron_;
};

Result<Cron> Cron::parse(std::string_view text) { return CronReader(text).read(); }

std::optional<UnixSeconds> Cron::next(const TimeZone& zone, UnixSeconds after) const {
  const UnixSeconds limit = after + kHorizon;
  for (UnixSeconds time = after + 1; time < limit;) {
    const TimeZone::Stretch stretch = zone.at(time);
    LocalSeconds from = time + stretch.offset_s;
    const LocalSeconds old_clock = stretch.begin + stretch.before_s;  // read when it was changed
    const bool put_on = stretch.before_s < stretch.offset_s;
    if (put_on && time == stretch.begin && !any_hour_ && first_fit(old_clock, from)) return time;
    if (!put_on && stretch.before_s != stretch.offset_s && !any_hour_)
      from = std::max(from, old_clock);
    const UnixSeconds until = std::min(stretch.end, limit);
    if (const auto fit = first_fit(from, until + stretch.offset_s)) return *fit - stretch.offset_s;
    time = until;
  }
  return std::nullopt;
}

std::optional<LocalSeconds> Cron::first_fit(LocalSeconds from, LocalSeconds until) const {
  if (from >= until) return std::nullopt;
  std::int64_t day = from / kDay - (from % kDay < 0 ? 1 : 0);
  int second = static_cast<int>(from - day * kDay);
  while (day * kDay < until) {
    const Date date = date_from_days(day);
    if (!has(months_, date.month)) {
      day += days_in_month(date.year, date.month) - date.day + 1;
      second = 0;
      continue;
    }
    const auto time = fits_day(day) ? first_time_of_day(second) : std::nullopt;
    if (time && day * kDay + *time < until) return day * kDay + *time;
    ++day;
    second = 0;
  }
  return std::nullopt;
}

std::optional<int> Cron::first_time_of_day(int from_s) const {
  const int from_hour = from_s / 3600, from_minute = from_s / 60 % 60;
  for (auto hour = next_set(hours_, from_hour); hour; hour = next_set(hours_, *hour + 1)) {
    const bool same_hour = *hour == from_hour;
    auto minute = next_set(minutes_, same_hour ? from_minute : 0);
    for (; minute; minute = next_set(minutes_, *minute + 1)) {
      const bool same_minute = same_hour && *minute == from_minute;
      const auto second = next_set(seconds_, same_minute ? from_s % 60 : 0);
      if (second) return *hour * 3600 + *minute * 60 + *second;
    }
  }
  return std::nullopt;
}

bool Cron::fits_day(std::int64_t days) const {
  const Date date = date_from_days(days);
  const bool day = fits_day_of_month(date, days);
  const bool weekday = fits_day_of_week(date, weekday_of(days));
  if (any_day_ || any_weekday_) return day && weekday;
  return day || weekday;
}

bool Cron::fits_day_of_month(const Date& date, std::int64_t days) const {
  const int last = days_in_month(date.year, date.month);
  if (has(days_, date.day) || has(days_before_last_, last - date.day)) return true;
  const int weekday = weekday_of(days);
  if (weekday == 0 || weekday == 6) return false;
  const bool monday = weekday == 1, friday = weekday == 5;
  if (last_weekday_ && (date.day == last || (friday && date.day + 2 >= last))) return true;
  if (has(nearest_weekdays_, date.day)) return true;
  // A Saturday's turn is on Friday, a Sunday's on Monday; but never in another month.
  if (friday && date.day < last && has(nearest_weekdays_, date.day + 1)) return true;
  if (monday && date.day > 1 && has(nearest_weekdays_, date.day - 1)) return true;
  if (monday && date.day == 3 && has(nearest_weekdays_, 1)) return true;
  return friday && date.day + 2 == last && has(nearest_weekdays_, last);
}

bool Cron::fits_day_of_week(const Date& date, int weekday) const {
  if (has(weekdays_, weekday)) return true;
  if (has(nth_[static_cast<std::size_t>((date.day + 6) / 7)], weekday)) return true;
  return has(last_of_month_, weekday) && date.day + 7 > days_in_month(date.year, date.month);
}

}  // namespace troupe::tasks
