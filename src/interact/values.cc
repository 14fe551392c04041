// Texts as pages show them to typed values: counts, durations, numbers, URLs.
#include <algorithm>
#include <array>
#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include "interact/extraction.h"
#include "interact/phrase.h"

namespace troupe::interact {
namespace {

bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)); }

Error unfit(std::string_view raw, std::string_view type) {
  std::string shown(raw.substr(0, 80));
  return fail(Errc::extraction_failed, "\"" + shown + "\" is no " + std::string(type));
}

/// White space of all kinds becomes one plain space.
std::string plain(std::string_view raw) {
  std::string out;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const bool no_break =
        raw.substr(i).starts_with("\u00a0") || raw.substr(i).starts_with("\u202f");
    if (no_break) i += raw.substr(i).starts_with("\u00a0") ? 1 : 2;
    const bool space = no_break || std::isspace(static_cast<unsigned char>(raw[i]));
    if (!space)
      out += raw[i];
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

struct Numeral {
  std::string digits;  ///< `1,234.5`, `39`, as written.
  std::string rest;    ///< What follows, without leading space.
  bool negative = false;
};

/// The first number in a text; digits may be grouped by spaces: `12 345`.
std::optional<Numeral> find_numeral(const std::string& text) {
  std::size_t begin = 0;
  while (begin < text.size() && !is_digit(text[begin])) ++begin;
  if (begin == text.size()) return std::nullopt;
  std::size_t end = begin;
  const auto grouped = [&](std::size_t at) {
    return at + 3 < text.size() && is_digit(text[at + 1]) && is_digit(text[at + 2]) &&
           is_digit(text[at + 3]) && (at + 4 >= text.size() || !is_digit(text[at + 4]));
  };
  while (end < text.size()) {
    const char c = text[end];
    const bool separator =
        (c == '.' || c == ',') && end + 1 < text.size() && is_digit(text[end + 1]);
    const bool space = (c == ' ' || c == '\'') && end - begin <= 11 && grouped(end);
    if (!is_digit(c) && !separator && !space) break;
    ++end;
  }
  Numeral out;
  for (const char c : text.substr(begin, end - begin))
    if (c != ' ' && c != '\'') out.digits += c;
  out.negative =
      begin > 0 && (text[begin - 1] == '-' || (begin > 2 && text.substr(begin - 3, 3) == "\u2212"));
  out.rest = text.substr(end);
  if (!out.rest.empty() && out.rest.front() == ' ') out.rest.erase(0, 1);
  return out;
}

/// Which separators group digits and which one is the decimal point. `point_groups`: a lone point
/// before exactly three digits groups them (whole numbers: `1.234` is 1234).
std::optional<double> number_from(const std::string& digits, bool point_groups) {
  const auto last = digits.find_last_of(".,");
  std::string normal;
  if (last == std::string::npos) {
    normal = digits;
  } else {
    const char mark = digits[last];
    const bool once = digits.find(mark) == last;
    const bool both = digits.find(mark == '.' ? ',' : '.') != std::string::npos;
    const bool three = digits.size() - last == 4;
    const bool decimal = once && (both || !three || (mark == '.' && !point_groups));
    for (std::size_t i = 0; i < digits.size(); ++i) {
      if (is_digit(digits[i])) normal += digits[i];
      if (i == last && decimal) normal += '.';
    }
  }
  double number = 0;
  const auto [end, error] = std::from_chars(normal.data(), normal.data() + normal.size(), number);
  if (error != std::errc() || end != normal.data() + normal.size()) return std::nullopt;
  return number;
}

constexpr std::array<std::pair<std::string_view, double>, 14> kFactors = {{{"k", 1e3},
                                                                           {"thousand", 1e3},
                                                                           {"tsd", 1e3},
                                                                           {"m", 1e6},
                                                                           {"mio", 1e6},
                                                                           {"mln", 1e6},
                                                                           {"million", 1e6},
                                                                           {"millions", 1e6},
                                                                           {"b", 1e9},
                                                                           {"bn", 1e9},
                                                                           {"mrd", 1e9},
                                                                           {"billion", 1e9},
                                                                           {"lakh", 1e5},
                                                                           {"crore", 1e7}}};

double factor_of(std::string_view rest) {
  std::string word;
  for (const char c : rest) {
    if (!std::isalpha(static_cast<unsigned char>(c))) break;
    word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  for (const auto& [name, factor] : kFactors)
    if (word == name) return factor;
  return 1;
}

Result<json::value> to_count(std::string_view raw) {
  const std::string text = plain(raw);
  const auto numeral = find_numeral(text);
  if (!numeral) {
    if (to_lower(text).starts_with("no ")) return json::value(0);  // "No views"
    return unfit(raw, "count");
  }
  const double factor = factor_of(numeral->rest);
  const auto number = number_from(numeral->digits, factor == 1);
  if (!number) return unfit(raw, "count");
  const double count = *number * factor;
  if (count != std::floor(count) && factor == 1) return unfit(raw, "count");
  return json::value(static_cast<std::int64_t>(std::llround(count)));
}

/// A unit that is written so that it cannot be meant otherwise: `1.2M`, `39K`, `3 million`. A lone
/// `m` may be metres.
double plain_factor_of(const Numeral& numeral, const std::string& text) {
  const std::size_t length =
      std::find_if_not(numeral.rest.begin(), numeral.rest.end(),
                       [](char c) { return std::isalpha(static_cast<unsigned char>(c)); }) -
      numeral.rest.begin();
  if (length >= 3) return factor_of(numeral.rest);
  if (length != 1) return 1;
  const char unit = numeral.rest.front();
  const bool attached = text.find(numeral.digits.back() + std::string(1, unit)) != text.npos;
  return attached && (unit == 'K' || unit == 'k' || unit == 'M' || unit == 'B')
             ? factor_of(numeral.rest)
             : 1;
}

std::optional<std::int64_t> duration_in_colons(std::string_view text);

/// `3:45` and nothing else.
std::optional<std::int64_t> clock_text(const std::string& text) {
  const bool only = !text.empty() && std::all_of(text.begin(), text.end(),
                                                 [](char c) { return is_digit(c) || c == ':'; });
  return only && text.find(':') != text.npos ? duration_in_colons(text) : std::nullopt;
}

Result<json::value> to_number(std::string_view raw, std::string_view type) {
  const std::string text = plain(raw);
  if (const auto seconds = type == "price" ? std::nullopt : clock_text(text)) {
    if (type == "integer") return json::value(*seconds);
    return json::value(static_cast<double>(*seconds));
  }
  const auto numeral = find_numeral(text);
  const double factor = numeral ? plain_factor_of(*numeral, text) : 1;
  const auto number =
      numeral ? number_from(numeral->digits, type == "integer" && factor == 1) : std::nullopt;
  if (!number) return unfit(raw, type);
  double value = (numeral->negative ? -*number : *number) * factor;
  if (factor != 1) value = std::round(value * 100) / 100;
  if (type != "integer") return json::value(value);
  if (value != std::floor(value)) return unfit(raw, type);
  return json::value(static_cast<std::int64_t>(value));
}

std::optional<double> unit_seconds(std::string_view word) {
  constexpr std::array<std::pair<std::string_view, double>, 4> kUnits = {
      {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}}};
  if (word.starts_with("ms") || word.starts_with("mo")) return std::nullopt;
  for (const auto& [letter, seconds] : kUnits)
    if (word.starts_with(letter)) return seconds;
  return std::nullopt;
}

/// `1h 2m 3s`, `95 min`, `1 hour, 37 minutes`, `PT1H2M3S` without its `PT`.
std::optional<std::int64_t> duration_in_units(const std::string& text) {
  double total = 0;
  bool any = false;
  for (std::size_t i = 0; i < text.size();) {
    if (!is_digit(text[i])) {
      ++i;
      continue;
    }
    double number = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + text.size(), number);
    if (error != std::errc()) return std::nullopt;
    i = static_cast<std::size_t>(end - text.data());
    while (i < text.size() && text[i] == ' ') ++i;
    const auto seconds = unit_seconds(std::string_view(text).substr(i));
    if (!seconds) return std::nullopt;
    total += number * *seconds;
    any = true;
    while (i < text.size() && std::isalpha(static_cast<unsigned char>(text[i]))) ++i;
  }
  return any ? std::optional(static_cast<std::int64_t>(total)) : std::nullopt;
}

std::optional<std::int64_t> duration_in_colons(std::string_view text) {
  std::int64_t total = 0;
  int parts = 0;
  while (!text.empty() && parts < 4) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || (parts > 0 && number > 59)) return std::nullopt;
    total = total * 60 + number;
    ++parts;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.empty() || text.front() != ':') break;
    text.remove_prefix(1);
  }
  return parts >= 2 ? std::optional(total) : std::nullopt;
}

Result<json::value> to_duration(std::string_view raw) {
  std::string text = to_lower(plain(raw));
  if (text.starts_with("pt") || (text.starts_with("p") && text.size() > 1 && is_digit(text[1]))) {
    std::string units;
    for (const char c : text.substr(1))
      if (c != 't') units += c;
    if (const auto seconds = duration_in_units(units)) return json::value(*seconds);
    return unfit(raw, "duration");
  }
  const auto colon = text.find(':');
  if (colon != std::string::npos && colon > 0 && is_digit(text[colon - 1])) {
    std::size_t begin = colon;
    while (begin > 0 && is_digit(text[begin - 1])) --begin;
    if (const auto seconds = duration_in_colons(std::string_view(text).substr(begin)))
      return json::value(*seconds);
  }
  if (const auto seconds = duration_in_units(text)) return json::value(*seconds);
  return unfit(raw, "duration");
}

Result<json::value> to_boolean(std::string_view raw) {
  const std::string text = to_lower(plain(raw));
  for (const std::string_view word : {"true", "yes", "on", "1", "checked", "✓", "✔"})
    if (text == word) return json::value(true);
  for (const std::string_view word :
       {"false", "no", "off", "0", "unchecked", "✗", "✘", "mixed", ""})
    if (text == word) return json::value(false);
  return unfit(raw, "boolean");
}

Result<json::value> to_url(std::string_view raw, std::string_view page_url) {
  const std::string text = plain(raw);
  const auto reference = boost::urls::parse_uri_reference(text);
  if (!reference || text.find(' ') != std::string::npos) return unfit(raw, "url");
  if (reference->has_scheme()) return json::value(text);
  const auto base = boost::urls::parse_uri(page_url);
  if (!base) return unfit(raw, "absolute url");
  boost::urls::url whole;
  const auto resolved = boost::urls::resolve(*base, *reference, whole);
  if (!resolved) return unfit(raw, "url");
  return json::value(std::string(whole.buffer()));
}

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};

struct DatePart {
  int number = -1;  ///< Of a month in letters: its number.
  bool letters = false;
  std::size_t digits = 0;
};

/// Numbers and months of a date; empty when there is anything else.
std::vector<DatePart> date_parts(std::string_view text) {
  std::vector<DatePart> parts;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t begin = i;
    if (is_digit(text[i])) {
      while (i < text.size() && is_digit(text[i])) ++i;
      if (i - begin > 4) return {};
      DatePart part{.number = 0, .digits = i - begin};
      for (const char c : text.substr(begin, i - begin)) part.number = part.number * 10 + (c - '0');
      parts.push_back(part);
    } else if (std::isalpha(static_cast<unsigned char>(text[i]))) {
      while (i < text.size() && std::isalpha(static_cast<unsigned char>(text[i]))) ++i;
      const std::string word = to_lower(text.substr(begin, i - begin));
      const auto month = std::find(kMonths.begin(), kMonths.end(), word.substr(0, 3));
      const bool ordinal = word == "st" || word == "nd" || word == "rd" || word == "th";
      if (ordinal) continue;
      if (month == kMonths.end()) return {};
      parts.push_back({.number = static_cast<int>(month - kMonths.begin()) + 1, .letters = true});
    } else {
      ++i;
    }
  }
  return parts;
}

/// Year, month and day; nothing when the order is not certain.
std::optional<std::array<int, 3>> order_date(const std::vector<DatePart>& p, char mark) {
  if (p.size() != 3) return std::nullopt;
  if (p[0].digits == 4 && !p[2].letters) return std::array{p[0].number, p[1].number, p[2].number};
  if (p[2].digits != 4) return std::nullopt;
  if (p[0].letters) return std::array{p[2].number, p[0].number, p[1].number};
  if (p[1].letters || mark == '.') return std::array{p[2].number, p[1].number, p[0].number};
  if (p[0].number > 12) return std::array{p[2].number, p[1].number, p[0].number};
  if (p[1].number > 12 || p[0].number == p[1].number)
    return std::array{p[2].number, p[0].number, p[1].number};
  return std::nullopt;
}

}  // namespace

std::string iso_date(std::string_view raw) {
  const std::string text = plain(raw);
  const bool iso_time = text.size() > 10 && text[4] == '-' && (text[10] == 'T' || text[10] == ' ');
  if (iso_time && date_parts(text.substr(0, 10)).size() == 3) return text;
  const auto mark = text.find_first_of("./");
  const auto date = order_date(date_parts(text), mark == text.npos ? ' ' : text[mark]);
  if (!date || (*date)[1] < 1 || (*date)[1] > 12 || (*date)[2] < 1 || (*date)[2] > 31) return text;
  std::array<char, 16> out{};
  std::snprintf(out.data(), out.size(), "%04d-%02d-%02d", (*date)[0], (*date)[1], (*date)[2]);
  return out.data();
}

std::span<const std::string_view> field_types() {
  static constexpr std::array kTypes =
      std::to_array<std::string_view>({"string", "integer", "number", "boolean", "count",
                                       "duration", "price", "url", "image", "date", "rating"});
  return kTypes;
}

bool is_field_type(std::string_view type) {
  const auto types = field_types();
  return std::find(types.begin(), types.end(), type) != types.end();
}

Result<json::value> convert(std::string_view raw, std::string_view type,
                            std::string_view page_url) {
  if (type == "count") return to_count(raw);
  if (type == "duration") return to_duration(raw);
  if (type == "integer" || type == "number" || type == "price" || type == "rating")
    return to_number(raw, type);
  if (type == "boolean") return to_boolean(raw);
  if (type == "url" || type == "image") return to_url(raw, page_url);
  return json::value(std::string(raw));
}

}  // namespace troupe::interact
