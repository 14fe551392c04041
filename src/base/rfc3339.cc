// Reading of RFC 3339 times (clock.h).
#include <charconv>

#include "base/clock.h"

namespace troupe {
namespace {

// `text` must be digits only; -1 otherwise.
int number(std::string_view text) {
  int value = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  return error == std::errc{} && end == last && text[0] != '-' ? value : -1;
}

// Takes `Z` or `+hh:mm` at the end; minutes east of Greenwich.
std::optional<int> offset_minutes(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return {};
  const int hours = number(text.substr(1, 2));
  const int minutes = number(text.substr(4, 2));
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return {};
  return (text[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
}

// Microseconds of `.123…`; further digits are cut off.
std::optional<std::chrono::microseconds> fraction(std::string_view digits) {
  if (digits.empty()) return {};
  int micros = 0;
  int scale = 100'000;
  for (const char c : digits) {
    if (c < '0' || c > '9') return {};
    micros += (c - '0') * scale;
    scale /= 10;
  }
  return std::chrono::microseconds(micros);
}

}  // namespace

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  constexpr std::string_view form = "0000-00-00T00:00:00";
  if (text.size() < form.size() + 1) return {};
  for (const std::size_t at : {4, 7, 13, 16})
    if (text[at] != form[at]) return {};
  if (text[10] != 'T' && text[10] != 't' && text[10] != ' ') return {};
  const int year = number(text.substr(0, 4));
  const int month = number(text.substr(5, 2));
  const int day = number(text.substr(8, 2));
  const int hour = number(text.substr(11, 2));
  const int minute = number(text.substr(14, 2));
  const int second = number(text.substr(17, 2));
  if (year < 0 || month < 0 || day < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60)
    return {};
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return {};
  std::string_view rest = text.substr(form.size());
  std::chrono::microseconds part{};
  if (rest[0] == '.') {
    const auto end = std::min(rest.find_first_not_of("0123456789", 1), rest.size());
    const auto micros = fraction(rest.substr(1, end - 1));
    if (!micros) return {};
    part = *micros;
    rest = rest.substr(end);
  }
  const auto offset = offset_minutes(rest);
  if (!offset) return {};
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second) + part - std::chrono::minutes(*offset);
}

}  // namespace troupe
