// click, fill, select, press, hover, scroll: real input events, each verified.
#include <charconv>

#include "interact/handlers.h"

namespace troupe::interact::native {
namespace {

std::string text_value(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  return value.is_null() ? "" : json::serialize(value);
}

/// `optional: true`: an absent element is no error, nor one that nobody sees.
Result<ActionResult> forgive(Result<ActionResult> result, const json::object& args) {
  const bool absent =
      !result && (result.error().code == Errc::target_not_found ||
                  result.error().message.find(" is not visible") != std::string::npos);
  if (!absent || !find_bool(args, "optional").value_or(false)) return result;
  ActionResult nothing;
  nothing.changed = "nothing";
  nothing.detail = "skipped: " + result.error().message;
  return nothing;
}

/// An optional element is waited for only a moment.
Context patience(Context& ctx, const json::object& args) {
  const bool optional = find_bool(args, "optional").value_or(false);
  if (!optional) return ctx;
  return ctx.with_timeout(std::chrono::seconds(1), "optional element");
}

json::object need_for_mouse(const ClickOptions& options) {
  return {
      {"enabled", true}, {"point", true}, {"mark", true}, {"guard", true}, {"own", options.own}};
}

double number_in(const json::value& list, std::size_t at) {
  const json::array& all = list.get_array();
  return at < all.size() && all[at].is_number() ? all[at].to_number<double>() : 0;
}

Target option_target(std::string_view value) {
  Target target;
  target.query = {{"role", "option"}, {"name", value}, {"strict", true}};
  target.text = "option \"" + std::string(value) + "\"";
  target.wanted = value;
  target.by_name = true;
  return target;
}

}  // namespace

// A press that would hit something else than the target is stopped in the page, and the target is
// looked for again: pages swap, move and cover elements when the mouse comes.
Async<ActionResult> click_target(Context& ctx, NativeTab& tab, const Target& target,
                                 ClickOptions options) {
  std::string covered;
  for (int round = 0; round < 20; ++round) {
    json::array args{target.query, need_for_mouse(options)};
    CO_TRY(const auto found, co_await tab.locate(ctx, target, kCore, "ready", std::move(args)));
    if (const auto* from = find(found.answer, "from"); from && from->is_array() && !tab.inside())
      CO_TRY_VOID(co_await tab.mouse_move(ctx, number_in(*from, 0), number_in(*from, 1)));
    CO_TRY_VOID(co_await tab.mouse_click(ctx, found.x, found.y, options.button, options.count));
    CO_TRY(auto change, co_await tab.changes(ctx));
    // A frame hears nothing of a press that something over it took.
    const bool unheard = tab.inside() && !change.answer.empty() && !change.answer.contains("hit");
    if (!change.missed && !unheard) {
      ActionResult result;
      result.changed = std::move(change.kind);
      result.detail = "clicked " + found.what;
      co_return result;
    }
    covered = unheard ? "something over its frame" : std::move(change.hit_instead);
    CO_TRY_VOID(co_await sleep_for(ctx, std::chrono::milliseconds(50)));
  }
  co_return fail(Errc::not_actionable, target.text + ": every press hit " + covered + " instead",
                 "page " + tab.url());
}

Async<ActionResult> click(Context& ctx, NativeTab& tab, const json::object& args) {
  CO_TRY(const auto target, parse_target(args));
  ClickOptions options{.button = std::string(find_string(args, "button").value_or("left")),
                       .count = static_cast<int>(find_int(args, "count").value_or(1))};
  if (options.count < 1 || options.count > 3)
    co_return fail(Errc::invalid_argument,
                   "count: " + std::to_string(options.count) + " is not in 1..3");
  Context limited = patience(ctx, args);
  auto result = co_await click_target(limited, tab, target, options);
  co_return forgive(std::move(result), args);
}

Async<ActionResult> tick_target(Context& ctx, NativeTab& tab, const Target& target, bool ticked) {
  json::array args{target.query};
  CO_TRY(const auto found,
         co_await tab.locate(ctx, target, kControls | kNames, "tickable", std::move(args)));
  ActionResult result;
  result.changed = "nothing";
  result.detail = found.what + (ticked ? " was ticked already" : " was not ticked");
  if (find_bool(found.answer, "ticked").value_or(false) == ticked) co_return result;
  Target exact = target;
  exact.query = {{"ref", found.ref}};
  ClickOptions options;
  CO_TRY(result, co_await click_target(ctx, tab, exact, options));
  json::array again{found.ref};
  auto state = co_await tab.call(ctx, kControls | kNames, "ticked", std::move(again));
  if (state && state->is_object() &&
      find_bool(state->get_object(), "ticked").value_or(ticked) != ticked)
    co_return fail(Errc::not_actionable, found.what + " did not change when it was clicked",
                   "page " + tab.url());
  result.detail = (ticked ? "ticked " : "unticked ") + found.what;
  co_return result;
}

Async<ActionResult> fill_target(Context& ctx, NativeTab& tab, const Target& target,
                                std::string value) {
  json::array args{target.query, value};
  CO_TRY(const auto found, co_await tab.locate(ctx, target, kInput, "fill", std::move(args)));
  const std::string mode(find_string(found.answer, "mode").value_or("done"));
  Target exact = target;
  exact.query = {{"ref", found.ref}};
  if (mode == "tick") {
    const bool ticked = value == "true" || value == "yes" || value == "on" || value == "1";
    co_return co_await tick_target(ctx, tab, exact, ticked);
  }
  if (mode == "list") {
    std::vector<std::string> values{value};
    co_return co_await select_target(ctx, tab, exact, std::move(values));
  }
  if (mode == "type") {
    json::object text{{"text", value}};
    auto typed = co_await tab.page().call(ctx, "Input.insertText", std::move(text));
    if (!typed) co_return typed.error();
  }
  json::array check{found.ref, value};
  auto read = co_await tab.call(ctx, kInput, "filled", std::move(check));
  CO_TRY(const auto change, co_await tab.finish(ctx, std::move(read)));
  const bool kept = change.kind == "url" || find_bool(change.answer, "same").value_or(true);
  // Even a part of a secret is not told.
  if (!kept && !tab.variables().empty())
    co_return fail(Errc::not_actionable, found.what + " does not hold the text that it was given",
                   "page " + tab.url(), "the field refuses or limits this text");
  if (!kept)
    co_return fail(Errc::not_actionable,
                   found.what + " holds \"" +
                       std::string(find_string(change.answer, "holds").value_or("")).substr(0, 80) +
                       "\" instead of \"" + value.substr(0, 80) + "\"",
                   "page " + tab.url(), "the field refuses or limits this text");
  ActionResult result;
  result.changed = change.kind;
  result.detail = "filled " + found.what;
  co_return result;
}

Async<ActionResult> fill(Context& ctx, NativeTab& tab, const json::object& args) {
  CO_TRY(const auto target, parse_target(args));
  const auto* value = find(args, "value");
  std::string text = value ? text_value(*value) : "";
  CO_TRY(auto result, co_await fill_target(ctx, tab, target, std::move(text)));
  if (!find_bool(args, "submit").value_or(false)) co_return result;
  CO_TRY(auto pressed, co_await press_target(ctx, tab, nullptr, "Enter", 1));
  if (pressed.changed != "nothing") result.changed = pressed.changed;
  result.detail += " and pressed Enter";
  co_return result;
}

Async<ActionResult> select_target(Context& ctx, NativeTab& tab, const Target& target,
                                  std::vector<std::string> values) {
  json::array wanted;
  for (const std::string& value : values) wanted.emplace_back(value);
  json::array args{target.query, wanted};
  CO_TRY(auto found, co_await tab.locate(ctx, target, kControls, "choose", std::move(args)));
  ActionResult result;
  std::string all;
  for (const std::string& value : values) all += (all.empty() ? "\"" : ", \"") + value + "\"";
  result.detail = "selected " + all + " in " + found.what;
  if (found.answer.contains("mode")) {  // a list made of other elements: open it, click the option
    Target list = target;
    list.query = {{"ref", found.ref}};
    ClickOptions options;
    CO_TRY(result, co_await click_target(ctx, tab, list, options));
    for (const std::string& value : values) {
      const Target option = option_target(value);
      CO_TRY(result, co_await click_target(ctx, tab, option, options));
    }
    result.detail = "selected " + all + " in " + found.what;
    co_return result;
  }
  if (!find_bool(found.answer, "same").value_or(true))
    co_return fail(Errc::not_actionable, found.what + " did not keep the option " + all,
                   "page " + tab.url());
  Result<json::value> answer = json::value(std::move(found.answer));
  CO_TRY(auto change, co_await tab.finish(ctx, std::move(answer)));
  result.changed = std::move(change.kind);
  co_return result;
}

Async<ActionResult> select(Context& ctx, NativeTab& tab, const json::object& args) {
  CO_TRY(const auto target, parse_target(args));
  std::vector<std::string> values;
  const auto* value = find(args, "value");
  if (value && value->is_array())
    for (const auto& one : value->get_array()) values.push_back(text_value(one));
  else if (value)
    values.push_back(text_value(*value));
  if (values.empty()) co_return fail(Errc::invalid_argument, "select: value is missing");
  co_return co_await select_target(ctx, tab, target, std::move(values));
}

Async<ActionResult> press_target(Context& ctx, NativeTab& tab, const Target* target,
                                 std::string key, int count) {
  ActionResult result;
  result.detail = "pressed " + key;
  if (target) {
    json::array args{target->query};
    CO_TRY(const auto found, co_await tab.locate(ctx, *target, kInput, "focus", std::move(args)));
    result.detail += " on " + found.what;
  } else {
    json::array args{nullptr, 0};
    CO_TRY(const auto marked, co_await tab.call(ctx, kInput, "focus", std::move(args)));
    (void)marked;
  }
  CO_TRY_VOID(co_await tab.press_key(ctx, key, count));
  CO_TRY(auto change, co_await tab.changes(ctx));
  result.changed = std::move(change.kind);
  co_return result;
}

Async<ActionResult> press(Context& ctx, NativeTab& tab, const json::object& args) {
  std::string key(find_string(args, "key").value_or(""));
  const auto count = find_int(args, "count").value_or(1);
  if (count < 1 || count > 1000)
    co_return fail(Errc::invalid_argument,
                   "count: " + std::to_string(count) + " is not in 1..1000");
  if (!has_target(args))
    co_return co_await press_target(ctx, tab, nullptr, std::move(key), static_cast<int>(count));
  CO_TRY(const auto target, parse_target(args));
  co_return co_await press_target(ctx, tab, &target, std::move(key), static_cast<int>(count));
}

Async<ActionResult> hover_target(Context& ctx, NativeTab& tab, const Target& target) {
  json::object need{{"point", true}, {"mark", true}};
  json::array args{target.query, std::move(need)};
  CO_TRY(const auto found, co_await tab.locate(ctx, target, kCore, "ready", std::move(args)));
  CO_TRY_VOID(co_await tab.mouse_move(ctx, found.x, found.y));
  CO_TRY(auto change, co_await tab.changes(ctx));
  ActionResult result;
  result.changed = std::move(change.kind);
  result.detail = "moved the mouse over " + found.what;
  co_return result;
}

Async<ActionResult> hover(Context& ctx, NativeTab& tab, const json::object& args) {
  CO_TRY(const auto target, parse_target(args));
  co_return co_await hover_target(ctx, tab, target);
}

Async<ActionResult> scroll_target(Context& ctx, NativeTab& tab, const Target* target,
                                  json::object how) {
  Target page;
  page.text = "page";
  const Target& region = target ? *target : page;
  json::array args{target ? json::value(target->query) : json::value(nullptr), std::move(how)};
  CO_TRY(const auto found, co_await tab.locate(ctx, region, kControls, "scroll", std::move(args)));
  const bool moved = find_bool(found.answer, "moved").value_or(false);
  ActionResult result;
  result.output = json::object{{"moved", moved},
                               {"at_end", find_bool(found.answer, "at_end").value_or(false)},
                               {"y", find_int(found.answer, "y").value_or(0)}};
  result.changed = moved ? "dom" : "nothing";
  result.detail =
      (moved ? "scrolled " : "could not scroll ") + (found.what.empty() ? "the page" : found.what);
  co_return result;
}

Async<ActionResult> scroll(Context& ctx, NativeTab& tab, const json::object& args) {
  json::object how;
  const std::string to(find_string(args, "to").value_or(""));
  if (to.ends_with('%')) {
    double percent = 0;
    const auto read = std::from_chars(to.data(), to.data() + to.size() - 1, percent);
    if (read.ec != std::errc() || percent < 0 || percent > 100)
      co_return fail(Errc::invalid_argument, "to: \"" + to + "\" is not in 0%..100%");
  } else if (!to.empty() && to != "top" && to != "bottom" && to != "next" && to != "previous") {
    co_return fail(Errc::invalid_argument,
                   "to: \"" + to + "\" is not one of top, bottom, next, previous, 50%");
  }
  if (!to.empty()) how["to"] = to;
  if (const auto by = find_int(args, "by")) how["by"] = *by;
  if (!has_target(args)) {
    if (how.empty()) how["to"] = "next";
    co_return co_await scroll_target(ctx, tab, nullptr, std::move(how));
  }
  CO_TRY(const auto target, parse_target(args));
  co_return co_await scroll_target(ctx, tab, &target, std::move(how));
}

}  // namespace troupe::interact::native
