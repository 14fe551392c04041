// Clauses on composite widgets: sliders, calendars, dragging, and texts that are copied.
#include <charconv>
#include <cmath>

#include "interact/act_steps.h"
#include "interact/phrase.h"

namespace troupe::interact::native {
namespace {

using std::chrono::milliseconds;

std::vector<double> numbers_of(const json::value& state) {
  std::vector<double> out;
  const auto* list = find(state, "numbers");
  if (list && list->is_array())
    for (const auto& one : list->get_array())
      if (one.is_number()) out.push_back(one.to_number<double>());
  return out;
}

Async<std::vector<double>> slider_numbers(Context& ctx, NativeTab& tab, int ref) {
  json::array args{ref};
  CO_TRY(const auto state, co_await tab.call(ctx, kWidgets, "sliderState", std::move(args)));
  co_return numbers_of(state);
}

/// The number that the press changed; -1: none did.
int changed_at(const std::vector<double>& before, const std::vector<double>& after) {
  for (std::size_t i = 0; i < before.size() && i < after.size(); ++i)
    if (before[i] != after[i]) return static_cast<int>(i);
  return -1;
}

Error stuck(const NativeTab& tab, const std::string& what, const std::string& why) {
  return fail(Errc::not_actionable, what + " " + why, "page " + tab.url());
}

Async<void> focus(Context& ctx, NativeTab& tab, int ref) {
  const json::object query{{"ref", ref}};
  json::array args{query};
  Target target;
  target.query = query;
  target.text = "slider";
  CO_TRY(const auto found, co_await tab.locate(ctx, target, kInput, "focus", std::move(args)));
  (void)found;
  co_return Result<void>{};
}

}  // namespace

Async<ActionResult> slide(Context& ctx, NativeTab& tab, const Resolution& found, double wanted) {
  CO_TRY_VOID(co_await focus(ctx, tab, found.ref));
  CO_TRY(auto before, co_await slider_numbers(ctx, tab, found.ref));
  int at = -1;
  double step = 0;
  // Which key moves it which way shows when it is pressed; at its end only one does.
  std::string forth = "ArrowRight", back = "ArrowLeft";
  for (int round = 0; round < 2 && at < 0; ++round) {
    CO_TRY_VOID(co_await tab.press_key(ctx, forth, 1));
    CO_TRY(auto after, co_await slider_numbers(ctx, tab, found.ref));
    at = changed_at(before, after);
    if (at >= 0) step = after[static_cast<std::size_t>(at)] - before[static_cast<std::size_t>(at)];
    if (at >= 0) before = std::move(after);
    if (at < 0) std::swap(forth, back);
  }
  if (at < 0 || step == 0)
    co_return stuck(tab, found.what, "does not show a value that its arrow keys change");
  const auto index = static_cast<std::size_t>(at);
  const double steps = (wanted - before[index]) / step;
  const double whole = std::round(steps);
  if (std::abs(steps - whole) > 1e-6 || std::abs(whole) > 1000)
    co_return stuck(tab, found.what, "cannot be set to that value by its steps");
  const auto presses = static_cast<int>(std::abs(whole));
  const std::string key = whole > 0 ? forth : back;
  CO_TRY_VOID(co_await tab.press_key(ctx, key, presses));
  CO_TRY(const auto after, co_await slider_numbers(ctx, tab, found.ref));
  if (index >= after.size() || std::abs(after[index] - wanted) > 1e-6)
    co_return stuck(tab, found.what, "did not reach the value; it is at its end");
  ActionResult result;
  result.changed = "value";
  result.detail = "set " + found.what;
  co_return result;
}

// --- Calendars. ---

Async<std::string> day_meant(Context& ctx, NativeTab& tab, std::string text) {
  json::array args{text};
  CO_TRY(const auto day, co_await tab.call(ctx, kControls, "isoDate", std::move(args)));
  co_return day.is_string() ? std::string(day.get_string()) : std::string();
}

namespace {

struct Month {
  int year = 0, month = 0;
  json::object days;
  std::int64_t previous = -1, next = -1;
  int number() const { return year * 12 + month; }
};

Async<Month> open_month(Context& ctx, NativeTab& tab) {
  json::array none;
  CO_TRY(const auto answer, co_await tab.call(ctx, kWidgets, "calendar", std::move(none)));
  Month month;
  if (!answer.is_object() || !answer.get_object().contains("year")) co_return month;
  const json::object& object = answer.get_object();
  month.year = static_cast<int>(find_int(object, "year").value_or(0));
  month.month = static_cast<int>(find_int(object, "month").value_or(0));
  month.previous = find_int(object, "previous").value_or(-1);
  month.next = find_int(object, "next").value_or(-1);
  if (const auto* days = find(answer, "days"); days && days->is_object())
    month.days = days->get_object();
  co_return month;
}

/// Waits until the calendar shows another month than `old` (0: any).
Async<Month> next_month(Context& ctx, NativeTab& tab, int old) {
  const SteadyTime end = ctx.clock().now() + std::chrono::seconds(3);
  for (;;) {
    CO_TRY(auto month, co_await open_month(ctx, tab));
    if (month.year > 0 && month.number() != old) co_return month;
    if (ctx.clock().now() >= end)
      co_return fail(
          Errc::not_actionable,
          old == 0 ? "the field opened no calendar" : "the calendar did not turn to another month",
          "page " + tab.url());
    json::array args{100};
    auto quiet = co_await tab.call(ctx, kCore, "quiet", std::move(args));
    (void)quiet;
  }
}

Async<void> click_ref(Context& ctx, NativeTab& tab, std::int64_t ref, std::string what) {
  Target target;
  target.query = {{"ref", ref}};
  target.text = std::move(what);
  const ClickOptions options;
  CO_TRY(const auto done, co_await click_target(ctx, tab, target, options));
  (void)done;
  co_return Result<void>{};
}

int number_at(std::string_view text, std::size_t begin, std::size_t length) {
  int number = 0;
  const auto piece = text.substr(begin, length);
  std::from_chars(piece.data(), piece.data() + piece.size(), number);
  return number;
}

}  // namespace

Async<ActionResult> pick_date(Context& ctx, NativeTab& tab, const Resolution& found,
                              std::string day) {
  const int wanted = number_at(day, 0, 4) * 12 + number_at(day, 5, 2) - 1;
  CO_TRY(auto month, co_await open_month(ctx, tab));
  if (month.year == 0) {
    CO_TRY_VOID(co_await click_ref(ctx, tab, found.ref, found.what));
    CO_TRY(month, co_await next_month(ctx, tab, 0));
  }
  for (int turns = 0; month.number() != wanted; ++turns) {
    const std::int64_t way = month.number() > wanted ? month.previous : month.next;
    if (way < 0 || turns > 600)
      co_return stuck(tab, "calendar", "cannot be turned to the month of " + day);
    const int old = month.number();
    CO_TRY_VOID(co_await click_ref(ctx, tab, way, "button that turns the calendar"));
    CO_TRY(month, co_await next_month(ctx, tab, old));
  }
  const std::string number = std::to_string(number_at(day, 8, 2));
  const auto ref = find_int(month.days, number);
  if (!ref) co_return stuck(tab, "calendar", "has no day " + day + " that can be chosen");
  CO_TRY_VOID(co_await click_ref(ctx, tab, *ref, "day " + day));
  json::array args{found.ref, 0};
  CO_TRY(const auto text, co_await tab.call(ctx, kWidgets, "readText", std::move(args)));
  const std::string shown = text.is_string() ? std::string(text.get_string()) : "";
  if (shown.find(number) == std::string::npos)
    co_return stuck(tab, found.what, "holds \"" + shown.substr(0, 40) + "\" instead of " + day);
  ActionResult result;
  result.changed = "value";
  result.detail = "chose " + day + " for " + found.what;
  co_return result;
}

// --- Texts. ---

namespace {

/// How many there are, when the words ask for that: `the total number of blocks`; -1: they do not,
/// or it cannot be told.
Async<std::int64_t> number_counted(Context& ctx, NativeTab& tab, const Phrase& phrase) {
  const std::size_t of = find_first(phrase, {"number of", "count of", "amount of"}, 0);
  if (of == std::string::npos || of + 3 != phrase.size()) co_return -1;
  std::string noun = phrase.back().lower;
  if (noun.size() > 2 && noun.back() == 's') noun.pop_back();
  json::array args{noun};
  CO_TRY(const auto count, co_await tab.call(ctx, kFigures, "countOf", std::move(args)));
  co_return count.is_int64() ? count.get_int64() : -1;
}

/// `your answer`, `the text below`, `the number of blocks`; empty: the page does not tell.
Async<std::string> text_read(Context& ctx, NativeTab& tab, std::string words) {
  const Phrase phrase = split_words(words);
  CO_TRY(const auto count, co_await number_counted(ctx, tab, phrase));
  if (count >= 0) co_return std::to_string(count);
  const auto says = [&](std::initializer_list<std::string_view> some) {
    return find_first(phrase, some, 0) != std::string::npos;
  };
  const char* function = nullptr;
  if (says({"answer", "result", "solution", "sum"})) function = "answer";
  if (says({"text", "word", "code"}) && says({"below", "above", "shown", "displayed"}))
    function = "standingText";
  if (!function) co_return std::string();
  json::array none;
  CO_TRY(const auto answer, co_await tab.call(ctx, kReckon, function, std::move(none)));
  const auto* text = find(answer, "text");
  co_return text && text->is_string() ? std::string(text->get_string()) : std::string();
}

}  // namespace

Async<std::string> described_text(Context& ctx, NativeTab& tab, std::string words) {
  const bool it = words == "it" || words == "that" || words == "this";
  if (it && !tab.copied().empty()) co_return tab.copied();
  constexpr std::string_view kValueOf = "the value of ";
  std::string label;
  if (words.starts_with(kValueOf)) label = words.substr(kValueOf.size());
  if (!label.empty()) {
    json::array args{label};
    CO_TRY(const auto values, co_await tab.call(ctx, kWidgets, "valueBeside", std::move(args)));
    const std::size_t count = values.is_array() ? values.get_array().size() : 0;
    if (count == 1 && values.get_array()[0].is_string())
      co_return std::string(values.get_array()[0].get_string());
    if (count > 1)
      co_return fail(Errc::target_ambiguous,
                     "fill: " + std::to_string(count) + " values stand beside \"" + label + "\"",
                     "page " + tab.url());
  }
  CO_TRY(auto read, co_await text_read(ctx, tab, words));
  if (!read.empty()) co_return read;
  co_return fail(Errc::target_not_found,
                 "fill: \"" + words + "\" describes a text instead of giving it",
                 "page " + tab.url(), "put a text that is meant as it stands in quotes");
}

Async<ActionResult> text_action(Context& ctx, NativeTab& tab, const Clause& clause,
                                Duration patience) {
  Clause wanted = clause;
  if (clause.verb == Verb::paste) wanted.other_than = tab.copied_from();
  CO_TRY(const auto found, co_await resolve_waiting(ctx, tab, wanted, patience));
  ActionResult result;
  result.changed = "nothing";
  if (clause.verb == Verb::paste) {
    if (tab.copied().empty())
      co_return fail(Errc::invalid_argument, "paste: nothing was copied before");
    const Target target = target_of(found);
    std::string text = tab.copied();
    co_return co_await fill_target(ctx, tab, target, std::move(text));
  }
  if (clause.verb == Verb::highlight) {
    json::array args{found.ref};
    CO_TRY(const auto answer, co_await tab.call(ctx, kWidgets, "highlight", std::move(args)));
    const auto* text = find(answer, "text");
    if (!text || !text->is_string() || text->get_string().empty())
      co_return stuck(tab, found.what, "has no text that can be selected");
    result.changed = "focus";
    result.detail = "selected the text of " + found.what;
    co_return result;
  }
  json::array args{found.ref, number_at(clause.value, 0, 9)};
  CO_TRY(const auto text, co_await tab.call(ctx, kWidgets, "readText", std::move(args)));
  if (!text.is_string() || text.get_string().empty())
    co_return fail(Errc::target_not_found, "copy: " + found.what + " has no such text",
                   "page " + tab.url());
  tab.copied() = std::string(text.get_string());
  tab.copied_from() = found.ref;
  result.output = tab.copied();
  result.detail = "read the text of " + found.what;
  co_return result;
}

}  // namespace troupe::interact::native
