// Drawn things: clicked, counted, dragged into boxes.
#include "interact/act_readings.h"
#include "interact/instruction_readings.h"

namespace troupe::interact::native {
namespace {

json::object figure_of(const Clause& clause) {
  const auto* figure = find(clause.how, "figure");
  return figure && figure->is_object() ? figure->get_object() : json::object();
}

double number_at(const json::object& object, std::string_view key) {
  return find_number(object, key).value_or(0);
}

std::vector<json::object> objects_at(const json::object& answer, std::string_view key) {
  std::vector<json::object> out;
  if (const auto* list = find(answer, key); list && list->is_array())
    for (const auto& one : list->get_array())
      if (one.is_object()) out.push_back(one.get_object());
  return out;
}

Async<json::object> find_figures(Context& ctx, NativeTab& tab, const Clause& clause,
                                 Duration patience) {
  json::array args{figure_of(clause)};
  co_return co_await ask_page(ctx, tab, clause, kFigures, "figures", std::move(args), patience);
}

Async<ActionResult> click_figure(Context& ctx, NativeTab& tab, const Clause& clause,
                                 Duration patience) {
  CO_TRY(const auto answer, co_await find_figures(ctx, tab, clause, patience));
  const auto found = objects_at(answer, "found");
  const bool all = find_bool(clause.how, "all").value_or(false);
  const bool any = find_bool(figure_of(clause), "any").value_or(false);
  if (found.empty()) co_return not_made_out(tab, clause, "none");
  if (found.size() > 1 && !all && !any)
    co_return fail(Errc::target_ambiguous,
                   "click: " + std::to_string(found.size()) + " drawn things could be \"" +
                       clause.target.text + "\"",
                   "page " + tab.url(), "say which: its colour, size or place");
  ActionResult whole;
  whole.changed = "nothing";
  for (const json::object& one : found) {
    std::string what(find_string(one, "what").value_or("figure"));
    CO_TRY(const auto done,
           co_await click_ref(ctx, tab, find_int(one, "ref").value_or(-1), std::move(what)));
    if (done.changed != "nothing") whole.changed = done.changed;
    whole.detail += (whole.detail.empty() ? "" : ", ") + done.detail;
    if (!all) break;
  }
  co_return whole;
}

Async<ActionResult> count_figures(Context& ctx, NativeTab& tab, const Clause& clause,
                                  Duration patience) {
  CO_TRY(const auto answer, co_await find_figures(ctx, tab, clause, patience));
  const std::string count = std::to_string(objects_at(answer, "found").size());
  std::vector<std::string> names{count};
  CO_TRY(auto done, co_await click_called(ctx, tab, std::move(names), patience));
  done.detail = "counted " + count + ", " + done.detail;
  co_return done;
}

Async<ActionResult> drag_figures(Context& ctx, NativeTab& tab, const Clause& clause,
                                 Duration patience) {
  const auto* groups = find(clause.how, "groups");
  json::array args{groups ? *groups : json::value(json::array())};
  CO_TRY(const auto answer,
         co_await ask_page(ctx, tab, clause, kFigures, "dragPlan", std::move(args), patience));
  ActionResult result;
  result.changed = "nothing";
  const auto moves = objects_at(answer, "moves");
  for (const json::object& move : moves) {
    const std::pair from{number_at(move, "x"), number_at(move, "y")};
    const std::pair to{number_at(move, "tx"), number_at(move, "ty")};
    CO_TRY_VOID(co_await drag_between(ctx, tab, from, to));
    result.changed = "dom";
  }
  // What was dragged must be where it should be now.
  json::array again{groups ? *groups : json::value(json::array())};
  CO_TRY(const auto left,
         co_await ask_page(ctx, tab, clause, kFigures, "dragPlan", std::move(again), Duration(0)));
  if (!objects_at(left, "moves").empty())
    co_return fail(Errc::not_actionable,
                   "drag: " + std::to_string(objects_at(left, "moves").size()) + " of " +
                       std::to_string(moves.size()) + " did not stay where they were dropped",
                   "page " + tab.url());
  result.detail = "dragged " + std::to_string(moves.size()) + " drawn things";
  co_return result;
}

struct Row {
  std::string_view name;
  Reading reading;
};
constexpr Row kRows[] = {
    {"figure", click_figure}, {"count_figures", count_figures}, {"drag_figures", drag_figures}};

}  // namespace

Reading figure_reading(std::string_view name) {
  for (const Row& row : kRows)
    if (row.name == name) return row.reading;
  return nullptr;
}

Async<Resolution> figure_meant(Context& ctx, NativeTab& tab, const Figure& figure) {
  Resolution none;
  if (figure.kind.empty()) co_return none;
  json::array args{to_json(figure)};
  CO_TRY(const auto answer, co_await tab.call(ctx, kFigures, "figures", std::move(args)));
  if (!answer.is_object()) co_return none;
  const auto found = objects_at(answer.get_object(), "found");
  if (found.size() != 1) co_return none;
  none.ref = static_cast<int>(find_int(found[0], "ref").value_or(-1));
  none.what = std::string(find_string(found[0], "what").value_or("figure"));
  co_return none;
}

}  // namespace troupe::interact::native
