// drag: with the mouse, or for elements that the browser drags itself by its own drag events.
#include "interact/act_readings.h"

namespace troupe::interact::native {
namespace {

struct Place {
  double x = 0, y = 0;
};

Async<Place> centre(Context& ctx, NativeTab& tab, int ref) {
  json::array args{ref};
  CO_TRY(const auto answer, co_await tab.call(ctx, kWidgets, "center", std::move(args)));
  const json::object none;
  const json::object& object = answer.is_object() ? answer.get_object() : none;
  if (object.contains("why") || object.empty())
    co_return fail(Errc::target_not_found, "drag: the element was replaced");
  co_return Place{find_number(object, "x").value_or(0), find_number(object, "y").value_or(0)};
}

Async<void> mouse(Context& ctx, NativeTab& tab, const char* type, Place at, bool pressed) {
  json::object event{{"type", type}, {"x", at.x}, {"y", at.y}, {"buttons", pressed ? 1 : 0}};
  if (std::string_view(type) != "mouseMoved") {
    event["button"] = "left";
    event["clickCount"] = 1;
  } else if (pressed) {
    event["button"] = "left";
  }
  auto sent = co_await tab.page().call(ctx, "Input.dispatchMouseEvent", std::move(event));
  if (!sent) co_return sent.error();
  co_return Result<void>{};
}

Async<void> move(Context& ctx, NativeTab& tab, Place from, Place to) {
  constexpr int kSteps = 8;
  if (from.x == to.x && from.y == to.y) co_return Result<void>{};
  for (int i = 1; i <= kSteps; ++i) {
    const double share = static_cast<double>(i) / kSteps;
    const Place at{from.x + (to.x - from.x) * share, from.y + (to.y - from.y) * share};
    CO_TRY_VOID(co_await mouse(ctx, tab, "mouseMoved", at, true));
  }
  co_return Result<void>{};
}

/// Presses at `from`, moves to `to` in steps, as a hand does, and lets go. `sorting`: sideways
/// first, then up or down: sortable lists take the last direction for which side of a part is
/// meant.
Async<void> pull(Context& ctx, NativeTab& tab, Place from, Place to, bool sorting) {
  CO_TRY_VOID(co_await mouse(ctx, tab, "mouseMoved", from, false));
  CO_TRY_VOID(co_await mouse(ctx, tab, "mousePressed", from, true));
  const Place corner = sorting ? Place{to.x, from.y} : from;
  CO_TRY_VOID(co_await move(ctx, tab, from, corner));
  CO_TRY_VOID(co_await move(ctx, tab, corner, to));
  CO_TRY_VOID(co_await mouse(ctx, tab, "mouseMoved", to, true));
  CO_TRY_VOID(co_await mouse(ctx, tab, "mouseReleased", to, false));
  co_return Result<void>{};
}

/// Elements that say draggable=true: the browser's own drag, which the page hears as dragstart to
/// drop. Intercepted, so that it needs no window of the system.
Async<void> carry(Context& ctx, NativeTab& tab, Place from, Place to) {
  auto& page = tab.page();
  json::value data;
  Event begun;
  auto heard = page.connection().on_events(
      page.session_id(), [&](std::string_view method, const json::object& params) {
        if (method != "Input.dragIntercepted") return;
        if (const auto* one = find(params, "data")) data = *one;
        begun.pulse();
      });
  json::object on{{"enabled", true}};
  CO_TRY(const auto enabled, co_await page.call(ctx, "Input.setInterceptDrags", std::move(on)));
  (void)enabled;
  CO_TRY_VOID(co_await mouse(ctx, tab, "mouseMoved", from, false));
  CO_TRY_VOID(co_await mouse(ctx, tab, "mousePressed", from, true));
  const Place near{from.x + (to.x > from.x ? 5 : -5), from.y + (to.y > from.y ? 5 : -5)};
  CO_TRY_VOID(co_await mouse(ctx, tab, "mouseMoved", near, true));
  CO_TRY_VOID(co_await mouse(ctx, tab, "mouseMoved", to, true));
  Context brief = ctx.with_timeout(std::chrono::seconds(5), "start of the drag");
  while (data.is_null()) {
    auto waited = co_await begun.wait(brief);
    if (!waited) break;
  }
  const bool started = !data.is_null();
  for (const char* type : {"dragEnter", "dragOver", "drop"}) {
    if (!started) break;
    json::object event{{"type", type}, {"x", to.x}, {"y", to.y}, {"data", data}};
    CO_TRY(const auto sent, co_await page.call(ctx, "Input.dispatchDragEvent", std::move(event)));
    (void)sent;
  }
  CO_TRY_VOID(co_await mouse(ctx, tab, "mouseReleased", to, false));
  json::object off{{"enabled", false}};
  auto disabled = co_await page.call(ctx, "Input.setInterceptDrags", std::move(off));
  (void)disabled;
  if (!started) co_return fail(Errc::not_actionable, "drag: the page refused to begin the drag");
  co_return Result<void>{};
}

struct Goal {
  Place at;
  int to = -1;  ///< Its place in its list afterwards; -1: it is in none.
  std::int64_t item = -1;
  bool there = false;
};

Async<Goal> place_in_list(Context& ctx, NativeTab& tab, const Clause& clause,
                          const Resolution& found) {
  json::array args{found.ref, clause.value, clause.count};
  CO_TRY(const auto answer, co_await tab.call(ctx, kWidgets, "dropPlace", std::move(args)));
  const json::object none;
  const json::object& object = answer.is_object() ? answer.get_object() : none;
  Goal goal;
  goal.there = find_bool(object, "same").value_or(false);
  if (!object.contains("x") && !goal.there)
    co_return fail(Errc::target_not_found,
                   "drag: there is no place \"" + clause.value + "\" for " + found.what,
                   "page " + tab.url());
  goal.at = {find_number(object, "x").value_or(0), find_number(object, "y").value_or(0)};
  goal.to = static_cast<int>(find_int(object, "to").value_or(-1));
  goal.item = find_int(object, "item").value_or(-1);
  co_return goal;
}

bool is_direction(const Clause& clause) {
  return clause.count == 0 && (clause.value == "up" || clause.value == "down" ||
                               clause.value == "left" || clause.value == "right");
}

Async<Goal> goal_of(Context& ctx, NativeTab& tab, const Clause& clause, const Resolution& found,
                    Place from, Duration patience) {
  Goal goal;
  if (is_direction(clause)) {
    constexpr double kFar = 40;
    goal.at = from;
    goal.at.x += clause.value == "right" ? kFar : clause.value == "left" ? -kFar : 0;
    goal.at.y += clause.value == "down" ? kFar : clause.value == "up" ? -kFar : 0;
    co_return goal;
  }
  if (!clause.value.empty()) co_return co_await place_in_list(ctx, tab, clause, found);
  Clause onto;
  onto.verb = Verb::hover;
  onto.target = clause.destination;
  CO_TRY(const auto place, co_await resolve_waiting(ctx, tab, onto, patience));
  CO_TRY(goal.at, co_await centre(ctx, tab, place.ref));
  co_return goal;
}

Async<ActionResult> drag_found(Context& ctx, NativeTab& tab, const Clause& clause,
                               const Resolution& found, Duration patience) {
  const Target target = target_of(found);
  json::array args{target.query, json::object{{"point", true}, {"mark", true}}};
  CO_TRY(const auto ready, co_await tab.locate(ctx, target, kCore, "ready", std::move(args)));
  const Place from{ready.x, ready.y};
  CO_TRY(const auto goal, co_await goal_of(ctx, tab, clause, found, from, patience));
  ActionResult result;
  result.changed = "nothing";
  result.detail = found.what + " is there already";
  if (goal.there) co_return result;
  json::array own{found.ref};
  CO_TRY(const auto native, co_await tab.call(ctx, kWidgets, "native", std::move(own)));
  const bool carried = native.is_bool() && native.get_bool();
  if (carried)
    CO_TRY_VOID(co_await carry(ctx, tab, from, goal.at));
  else
    CO_TRY_VOID(co_await pull(ctx, tab, from, goal.at, goal.to >= 0));
  CO_TRY(auto change, co_await tab.changes(ctx));
  if (goal.to >= 0) {
    json::array item{goal.item};
    auto at = co_await tab.call(ctx, kWidgets, "placeInList", std::move(item));
    if (at && at->is_int64() && at->get_int64() >= 0 && at->get_int64() != goal.to)
      co_return fail(Errc::not_actionable,
                     found.what + " was dropped at place " + std::to_string(at->get_int64() + 1) +
                         " instead of " + std::to_string(goal.to + 1),
                     "page " + tab.url());
  }
  if (change.kind == "nothing")
    co_return fail(Errc::not_actionable, found.what + " cannot be dragged: nothing changed",
                   "page " + tab.url());
  result.changed = std::move(change.kind);
  result.detail = "dragged " + found.what;
  co_return result;
}

}  // namespace

Async<ActionResult> drag(Context& ctx, NativeTab& tab, const Clause& clause, Duration patience) {
  if (clause.value.empty() && clause.destination.empty())
    co_return fail(Errc::invalid_argument, "drag: it does not say where to", {},
                   "say the place: drag 'Report' onto 'Archive'");
  if (clause.target.text.empty() && clause.target.colour.empty() &&
      clause.target.figure.kind.empty())
    co_return fail(Errc::target_not_found, "drag: it does not say what, by its name", {},
                   "name it as it is shown on the page");
  CO_TRY(auto found, co_await figure_meant(ctx, tab, clause.target.figure));
  if (found.ref < 0) {
    CO_TRY(found, co_await resolve_waiting(ctx, tab, clause, patience));
  }
  co_return co_await drag_found(ctx, tab, clause, found, patience);
}

Async<ActionResult> drag_ref(Context& ctx, NativeTab& tab, const Clause& clause, int ref) {
  Resolution found;
  found.ref = ref;
  found.what = "entry of the list";
  co_return co_await drag_found(ctx, tab, clause, found, Duration(0));
}

Async<void> drag_between(Context& ctx, NativeTab& tab, std::pair<double, double> from,
                         std::pair<double, double> to) {
  const Place begin{from.first, from.second}, end{to.first, to.second};
  co_return co_await pull(ctx, tab, begin, end, false);
}

}  // namespace troupe::interact::native
