#include <algorithm>
#include <boost/regex.hpp>
#include <charconv>
#include <cmath>

#include "workflows/expression_node.h"

namespace troupe::workflows {
namespace {

using Value = Result<json::value>;

Error mistake(std::string message) { return fail(Errc::invalid_argument, std::move(message)); }

Error needs(std::string_view wanted, const json::value& given) {
  return mistake("needs " + std::string(wanted) + ", not " + std::string(type_name(given)));
}

Result<std::string_view> text_of(const json::value& value) {
  if (const auto* text = value.if_string()) return std::string_view(*text);
  return needs("a text", value);
}
Result<const json::array*> list_of(const json::value& value) {
  if (const auto* list = value.if_array()) return list;
  return needs("a list", value);
}

/// The member `path` (`a.b` is nested) of an item; null when there is none.
json::value member_of(const json::value& item, std::string_view path) {
  const json::value* at = &item;
  while (!path.empty()) {
    const auto dot = path.find('.');
    at = find(*at, path.substr(0, dot));
    if (!at) return nullptr;
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
  }
  return *at;
}
/// The value that an item is sorted, summed or told apart by: a member, or itself.
Value key_of(const Call& call, std::size_t argument, const json::value& item) {
  if (call.count() <= argument) return item;
  TRY(const std::string_view path, text_of(call.arguments[argument]));
  return member_of(item, path);
}

Value run_default(Call& call) {
  return call.subject().is_null() ? call.arguments[1] : call.subject();
}
Value change_case(Call& call, int (*change)(int)) {
  TRY(const std::string_view text, text_of(call.subject()));
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 128) c = static_cast<char>(change(c));
  return json::value(out);
}
Value run_upper(Call& call) {
  return change_case(call, [](int c) { return std::toupper(c); });
}
Value run_lower(Call& call) {
  return change_case(call, [](int c) { return std::tolower(c); });
}
Value run_trim(Call& call) {
  TRY(const std::string_view text, text_of(call.subject()));
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return json::value("");
  return json::value(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
}
Value run_length(Call& call) {
  const json::value& subject = call.subject();
  if (const auto* list = subject.if_array()) return static_cast<std::int64_t>(list->size());
  if (const auto* map = subject.if_object()) return static_cast<std::int64_t>(map->size());
  if (subject.is_null()) return json::value(0);
  if (!subject.is_string()) return needs("a text, list or object", subject);
  const auto& text = subject.get_string();  // characters, not bytes
  return static_cast<std::int64_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}
Value run_first(Call& call) {
  if (call.subject().is_null()) return json::value();
  TRY(const json::array* list, list_of(call.subject()));
  return list->empty() ? json::value() : list->front();
}
Value run_last(Call& call) {
  if (call.subject().is_null()) return json::value();
  TRY(const json::array* list, list_of(call.subject()));
  return list->empty() ? json::value() : list->back();
}
Value run_join(Call& call) {
  TRY(const json::array* list, list_of(call.subject()));
  const std::string between = call.count() > 1 ? to_text(call.arguments[1]) : ", ";
  std::string out;
  for (const json::value& item : *list) {
    if (&item != &list->front()) out += between;
    out += to_text(item);
    TRY_VOID(call.spend(1 + out.size() / 4096));
  }
  return json::value(out);
}
Value run_split(Call& call) {
  TRY(std::string_view text, text_of(call.subject()));
  TRY(const std::string_view between,
      call.count() > 1 ? text_of(call.arguments[1]) : Result<std::string_view>(","));
  if (between.empty()) return mistake("the separator is empty");
  json::array parts;
  while (true) {
    TRY_VOID(call.spend(1));
    const auto at = text.find(between);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return json::value(std::move(parts));
    text.remove_prefix(at + between.size());
  }
}
Value run_replace(Call& call) {
  TRY(std::string_view text, text_of(call.subject()));
  TRY(const std::string_view from, text_of(call.arguments[1]));
  const std::string to = to_text(call.arguments[2]);
  if (from.empty()) return mistake("the text to replace is empty");
  std::string out;
  while (true) {
    TRY_VOID(call.spend(1 + to.size() / 64));
    const auto at = text.find(from);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return json::value(out);
    out += to;
    text.remove_prefix(at + from.size());
  }
}
std::optional<double> parse_number(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number))
    return std::nullopt;
  return number;
}
Result<std::optional<double>> number_or_default(const Call& call) {
  const json::value& subject = call.subject();
  if (const auto number = as_number(subject)) return number;
  if (const auto* flag = subject.if_bool()) return std::optional<double>(*flag ? 1 : 0);
  if (const auto* text = subject.if_string())
    if (const auto number = parse_number(*text)) return number;
  if (call.count() > 1) return std::optional<double>();
  return mistake("not a number: " + json::serialize(subject));
}
Value run_int(Call& call) {
  if (const auto whole = as_integer(call.subject())) return json::value(*whole);
  TRY(const auto number, number_or_default(call));
  if (!number) return call.arguments[1];
  if (std::abs(*number) > 9e18) return mistake("number is out of range");
  return json::value(static_cast<std::int64_t>(*number));
}
Value run_float(Call& call) {
  TRY(const auto number, number_or_default(call));
  if (!number) return call.arguments[1];
  return json::value(*number);
}
Value run_string(Call& call) { return json::value(to_text(call.subject())); }
Value run_json(Call& call) { return json::value(json::serialize(call.subject())); }
Value run_from_json(Call& call) {
  TRY(const std::string_view text, text_of(call.subject()));
  return parse_json(text, "text");
}

/// nulls last; otherwise as compare() says.
Value run_sort_by(Call& call) {
  TRY(const json::array* list, list_of(call.subject()));
  TRY_VOID(call.spend(list->size() * 16));
  std::vector<json::value> keys;
  std::vector<std::size_t> with_key;
  json::array without_key;
  for (const json::value& item : *list) {
    TRY(json::value key, key_of(call, 1, item));
    if (key.is_null())
      without_key.push_back(item);
    else
      with_key.push_back(keys.size());
    keys.push_back(std::move(key));
  }
  // Sorting needs a total order: numbers only, or texts only.
  for (const std::size_t index : with_key) {
    TRY_VOID(compare(keys[with_key[0]], keys[index]));
  }
  std::sort(with_key.begin(), with_key.end(), [&keys](std::size_t a, std::size_t b) {
    const int order = *compare(keys[a], keys[b]);
    return order != 0 ? order < 0 : a < b;
  });
  json::array sorted;
  for (const std::size_t index : with_key) sorted.push_back((*list)[index]);
  sorted.insert(sorted.end(), without_key.begin(), without_key.end());
  return json::value(std::move(sorted));
}
Value run_reverse(Call& call) {
  TRY(const json::array* list, list_of(call.subject()));
  return json::value(json::array(std::make_reverse_iterator(list->end()),
                                 std::make_reverse_iterator(list->begin())));
}
Value run_slice(Call& call) {
  const auto begin = as_integer(call.arguments[1]);
  if (!begin) return needs("an integer", call.arguments[1]);
  const bool open = call.count() < 3 || call.arguments[2].is_null();
  const auto end = open ? std::optional<std::int64_t>(INT64_MAX) : as_integer(call.arguments[2]);
  if (!end) return needs("an integer", call.arguments[2]);
  const json::value& subject = call.subject();
  if (!subject.is_array() && !subject.is_string()) return needs("a list or text", subject);
  const auto size = static_cast<std::int64_t>(subject.is_array() ? subject.get_array().size()
                                                                 : subject.get_string().size());
  const auto place = [size](std::int64_t at) {
    return std::clamp<std::int64_t>(at < 0 ? std::max<std::int64_t>(at, -size) + size : at, 0,
                                    size);
  };
  const std::int64_t first = place(*begin);
  const std::int64_t last = std::max(first, place(*end));
  if (const auto* text = subject.if_string())
    return json::value(
        text->subview(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first)));
  const auto& list = subject.get_array();
  return json::value(json::array(list.begin() + first, list.begin() + last));
}
Value run_map(Call& call) {
  TRY(const json::array* list, list_of(call.subject()));
  TRY(const std::string_view path, text_of(call.arguments[1]));
  TRY_VOID(call.spend(list->size()));
  json::array out;
  for (const json::value& item : *list) out.push_back(member_of(item, path));
  return json::value(std::move(out));
}
Value filtered(Call& call, bool keep) {
  TRY(const json::array* list, list_of(call.subject()));
  TRY(const std::string_view path, text_of(call.arguments[1]));
  TRY_VOID(call.spend(list->size()));
  json::array out;
  for (const json::value& item : *list) {
    const json::value member = member_of(item, path);
    const bool fits = call.count() > 2 ? equal(member, call.arguments[2]) : truthy(member);
    if (fits == keep) out.push_back(item);
  }
  return json::value(std::move(out));
}
Value run_where(Call& call) { return filtered(call, true); }
Value run_reject(Call& call) { return filtered(call, false); }
/// Every `count`-th item from `index` on: how tasks side by side divide a list.
Value run_share(Call& call) {
  TRY(const json::array* list, list_of(call.subject()));
  const auto index = as_integer(call.arguments[1]);
  const auto count = as_integer(call.arguments[2]);
  if (!index || !count || *count < 1 || *index < 0 || *index >= *count)
    return mistake("needs an index of 0 to count - 1, and a count");
  json::array out;
  for (auto i = static_cast<std::size_t>(*index); i < list->size();
       i += static_cast<std::size_t>(*count))
    out.push_back((*list)[i]);
  return json::value(std::move(out));
}
/// Without members or items that are null.
Value run_compact(Call& call) {
  if (call.subject().is_null()) return json::value(json::object());
  if (const auto* map = call.subject().if_object()) {
    json::object out;
    for (const auto& member : *map)
      if (!member.value().is_null()) out[member.key()] = member.value();
    return json::value(std::move(out));
  }
  TRY(const json::array* list, list_of(call.subject()));
  json::array out;
  for (const json::value& item : *list)
    if (!item.is_null()) out.push_back(item);
  return json::value(std::move(out));
}
Value run_unique(Call& call) {
  TRY(const json::array* list, list_of(call.subject()));
  TRY_VOID(call.spend(list->size()));
  std::vector<std::string> seen;
  json::array out;
  for (const json::value& item : *list) {
    TRY(const json::value key, key_of(call, 1, item));
    std::string text = json::serialize(key);
    const auto place = std::lower_bound(seen.begin(), seen.end(), text);
    if (place != seen.end() && *place == text) continue;
    seen.insert(place, std::move(text));
    out.push_back(item);
  }
  return json::value(std::move(out));
}
/// The item with the greatest (`sign` 1) or least (-1) key; items without one are passed over.
Value extreme(const Call& call, const json::array& list, std::size_t argument, int sign) {
  TRY_VOID(call.spend(list.size()));
  const json::value* best = nullptr;
  json::value best_key;
  for (const json::value& item : list) {
    TRY(json::value key, key_of(call, argument, item));
    if (key.is_null()) continue;
    if (best) {
      TRY(const int order, compare(key, best_key));
      if (order * sign <= 0) continue;
    }
    best = &item;
    best_key = std::move(key);
  }
  return best ? *best : json::value();
}
Value run_max_by(Call& call) {
  TRY(const json::array* list, list_of(call.subject()));
  return extreme(call, *list, 1, 1);
}
Value run_min_by(Call& call) {
  TRY(const json::array* list, list_of(call.subject()));
  return extreme(call, *list, 1, -1);
}
Value run_sum(Call& call) {
  TRY(const json::array* list, list_of(call.subject()));
  TRY_VOID(call.spend(list->size()));
  json::value total = 0;
  for (const json::value& item : *list) {
    TRY(const json::value key, key_of(call, 1, item));
    if (key.is_null()) continue;
    if (!key.is_number()) return needs("numbers", key);
    TRY(total, add(total, key));
  }
  return total;
}
Value run_round(Call& call) {
  const auto number = as_number(call.subject());
  if (!number) return needs("a number", call.subject());
  const auto digits = call.count() > 1 ? as_integer(call.arguments[1]) : 0;
  if (!digits || *digits < 0 || *digits > 12) return mistake("digits must be 0 to 12");
  if (*digits == 0) return number_value(std::round(*number));
  const double scale = std::pow(10.0, static_cast<double>(*digits));
  return json::value(std::round(*number * scale) / scale);
}
Value run_abs(Call& call) {
  const auto number = as_number(call.subject());
  if (!number) return needs("a number", call.subject());
  if (call.subject().is_double()) return json::value(std::abs(*number));
  return number_value(std::abs(*number));
}
Value run_url_encode(Call& call) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : to_text(call.subject())) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '_' || c == '.' || c == '~') {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return json::value(out);
}
Result<boost::regex> regex_of(const json::value& value) {
  TRY(const std::string_view text, text_of(value));
  if (text.size() > 1000) return mistake("the regular expression has more than 1000 bytes");
  try {
    return boost::regex(std::string(text));
  } catch (const std::exception&) {
    return mistake("not a regular expression: " + std::string(text));
  }
}
/// The matcher gives up by itself when a search becomes too expensive.
Result<bool> search(const std::string& text, boost::smatch& match, const boost::regex& regex) {
  if (text.size() > 100'000) return mistake("the text has more than 100000 bytes");
  try {
    return boost::regex_search(text, match, regex);
  } catch (const std::exception&) {
    return mistake("the regular expression takes too long on this text");
  }
}
Value run_matches(Call& call) {
  TRY(const boost::regex regex, regex_of(call.arguments[1]));
  const std::string text = to_text(call.subject());
  boost::smatch match;
  TRY(const bool found, search(text, match, regex));
  return json::value(found);
}
/// The first group, or the whole match when there is none; null without a match.
Value run_find(Call& call) {
  TRY(const boost::regex regex, regex_of(call.arguments[1]));
  const std::string text = to_text(call.subject());
  boost::smatch match;
  TRY(const bool found, search(text, match, regex));
  if (!found) return json::value();
  return json::value(match.str(match.size() > 1 ? 1 : 0));
}
Value run_keys(Call& call) {
  const auto* map = call.subject().if_object();
  if (!map) return needs("an object", call.subject());
  json::array out;
  for (const auto& member : *map) out.emplace_back(member.key());
  return json::value(std::move(out));
}
Value run_values(Call& call) {
  const auto* map = call.subject().if_object();
  if (!map) return needs("an object", call.subject());
  json::array out;
  for (const auto& member : *map) out.push_back(member.value());
  return json::value(std::move(out));
}
Value run_range(Call& call) {
  const auto first = call.count() > 1 ? as_integer(call.arguments[0]) : 0;
  const auto last = as_integer(call.arguments[call.count() > 1 ? 1 : 0]);
  if (!first || !last) return mistake("needs integers");
  if (*last > *first && (*first < -1'000'000 || *last > 1'000'000))
    return mistake("limits must be within -1000000 to 1000000");
  json::array out;
  for (std::int64_t i = *first; i < *last; ++i) {
    TRY_VOID(call.spend(1));
    out.emplace_back(i);
  }
  return json::value(std::move(out));
}
Value run_now(Call& call) { return json::value(to_rfc3339(call.evaluation->now)); }
Value chosen(Call& call, int sign) {
  if (call.count() == 1) {
    TRY(const json::array* list, list_of(call.subject()));
    return extreme(call, *list, 9, sign);
  }
  const json::array list(call.arguments.begin(), call.arguments.end());
  return extreme(call, list, 9, sign);
}
Value run_max(Call& call) { return chosen(call, 1); }
Value run_min(Call& call) { return chosen(call, -1); }

constexpr std::array kFilters = std::to_array<FilterRow>({
    {"abs", 1, 1, run_abs},         {"compact", 1, 1, run_compact},
    {"default", 2, 2, run_default}, {"share", 3, 3, run_share},
    {"find", 2, 2, run_find},       {"first", 1, 1, run_first},
    {"float", 1, 2, run_float},     {"from_json", 1, 1, run_from_json},
    {"int", 1, 2, run_int},         {"join", 1, 2, run_join},
    {"json", 1, 1, run_json},       {"keys", 1, 1, run_keys},
    {"last", 1, 1, run_last},       {"length", 1, 1, run_length},
    {"lower", 1, 1, run_lower},     {"map", 2, 2, run_map},
    {"matches", 2, 2, run_matches}, {"max_by", 2, 2, run_max_by},
    {"min_by", 2, 2, run_min_by},   {"reject", 2, 3, run_reject},
    {"replace", 3, 3, run_replace}, {"reverse", 1, 1, run_reverse},
    {"round", 1, 2, run_round},     {"slice", 2, 3, run_slice},
    {"sort_by", 1, 2, run_sort_by}, {"split", 1, 2, run_split},
    {"string", 1, 1, run_string},   {"sum", 1, 2, run_sum},
    {"trim", 1, 1, run_trim},       {"unique", 1, 2, run_unique},
    {"upper", 1, 1, run_upper},     {"url_encode", 1, 1, run_url_encode},
    {"values", 1, 1, run_values},   {"where", 2, 3, run_where},
});
constexpr std::array kFunctions = std::to_array<FilterRow>({
    {"len", 1, 1, run_length},
    {"max", 1, 20, run_max},
    {"min", 1, 20, run_min},
    {"now", 0, 0, run_now},
    {"range", 1, 2, run_range},
});

const FilterRow* row_of(std::span<const FilterRow> rows, std::string_view name) {
  const auto row =
      std::find_if(rows.begin(), rows.end(), [&](const FilterRow& r) { return r.name == name; });
  return row == rows.end() ? nullptr : &*row;
}
std::vector<std::string_view> names_of(std::span<const FilterRow> rows) {
  std::vector<std::string_view> names;
  for (const FilterRow& row : rows) names.push_back(row.name);
  return names;
}

}  // namespace

Result<void> Call::spend(std::size_t n) const {
  *steps_left -= static_cast<std::int64_t>(n);
  if (*steps_left < 0)
    return mistake("takes more than " + std::to_string(evaluation->steps_max) + " steps");
  return {};
}

const FilterRow* find_filter(std::string_view name) { return row_of(kFilters, name); }
const FilterRow* find_function(std::string_view name) { return row_of(kFunctions, name); }
std::vector<std::string_view> filter_names() { return names_of(kFilters); }
std::vector<std::string_view> function_names() { return names_of(kFunctions); }

}  // namespace troupe::workflows
