// extract and observe: what is on the page, as data.
#include <algorithm>

#include "interact/extract_reading.h"
#include "interact/handlers.h"
#include "interact/model_actions.h"
#include "interact/observed.h"

namespace troupe::interact::native {
namespace {

/// Appends rows about what the document has, or the frame that the tab is in; returns all that is
/// there.
Async<Snapshot> list_elements(Context& ctx, NativeTab& tab, const std::string& wanted,
                              std::size_t limit, json::array& list) {
  json::array everywhere{nullptr, false, "", true};
  CO_TRY(const auto rows, co_await tab.call(ctx, kSnapshot, "snapshot", std::move(everywhere)));
  Snapshot snapshot = read_snapshot(rows);
  const auto ranked = rank_for(wanted, snapshot, limit);
  std::vector<std::string> selectors;
  json::array refs;  // of those that only their place in the document tells from others
  for (const Observed& row : ranked) {
    selectors.push_back(stable_selector(*row.element, snapshot));
    if (selectors.back().empty()) refs.emplace_back(row.element->ref);
  }
  json::value paths = json::array();
  if (!refs.empty()) {
    json::array call;
    call.emplace_back(std::move(refs));
    CO_TRY(paths, co_await tab.call(ctx, kSnapshot, "selectorsOf", std::move(call)));
  }
  std::size_t next_path = 0;
  for (std::size_t i = 0; i < ranked.size(); ++i) {
    const Candidate& c = *ranked[i].element;
    json::object row{{"kind", ranked[i].kind},
                     {"role", c.role},
                     {"name", c.name.empty() ? c.label : c.name},
                     {"description", describe(c)},
                     {"selector", selectors[i]}};
    const bool by_path = selectors[i].empty() && paths.is_array();
    if (by_path && next_path < paths.get_array().size())
      row["selector"] = paths.get_array()[next_path++];
    if (!c.context.empty() && by_path) row["region"] = c.context.front();
    if (c.disabled) row["disabled"] = true;
    if (tab.inside()) row["frame"] = tab.inside()->url;
    if (!c.value.empty() && c.type != "password") row["value"] = c.value;
    list.push_back(std::move(row));
  }
  co_return snapshot;
}

// Read by the rules alone. `sources`: set to where each value comes from, when it is asked for.
Async<ActionResult> read_page(Context& ctx, NativeTab& tab, const json::object& args,
                              json::value* sources) {
  if (!args.contains("fields") && !args.contains("schema"))
    co_return fail(
        Errc::invalid_argument,
        "extract: fields or a schema are needed; an instruction alone is enough only with a model",
        {}, "name what is wanted: fields: {title: string, price: price}");
  CO_TRY(const auto plan, plan_extraction(args));
  const bool acted = tab.acted_lately(ctx.clock().now());
  CO_TRY(auto read, co_await read_values(ctx, tab, plan, acted));
  auto typed = type_values(plan, read.value, tab.url());
  if (!typed) {
    Error error = typed.error();
    error.source = "page " + tab.url();
    co_return error;
  }
  ActionResult result;
  const std::size_t count = plan.list && typed->is_array() ? typed->get_array().size() : 1;
  result.output = std::move(*typed);
  result.changed = read.changed;
  result.detail = "extracted " + std::to_string(count) + (count == 1 ? " record" : " records");
  if (read.parts > 1) result.detail += " from " + std::to_string(read.parts) + " parts";
  *sources = std::move(read.sources);
  co_return result;
}

}  // namespace

namespace {

/// `sources: true`: the result and, beside it, where each value comes from.
ActionResult with_sources(ActionResult result, const json::object& args, json::value sources) {
  if (!find_bool(args, "sources").value_or(false)) return result;
  result.output =
      json::object{{"value", std::move(result.output)}, {"sources", std::move(sources)}};
  return result;
}

}  // namespace

Async<ActionResult> extract(Context& ctx, NativeTab& tab, const json::object& args) {
  const bool in_words = !args.contains("fields") && !args.contains("schema") &&
                        !find_string(args, "instruction").value_or("").empty();
  json::value sources;
  Result<ActionResult> read = ActionResult{.output = nullptr, .changed = "nothing"};
  if (!in_words || !tab.model()) read = co_await read_page(ctx, tab, args, &sources);
  const bool unfound = !read && read.error().code == Errc::extraction_failed;
  if (!read && !unfound) co_return read;
  const json::value found = read ? read->output : json::value(nullptr);
  const auto by_rules = [&] {
    return read ? Result<ActionResult>(with_sources(*read, args, sources)) : read;
  };
  if (!should_ask(tab, args, found)) co_return by_rules();
  auto told = co_await extract_by_model(ctx, tab, args, found);
  // What the rules found stays good without the model.
  if (!told && read && !in_words) co_return by_rules();
  if (!told) co_return told.error();
  ActionResult result;
  result.output = std::move(*told);
  result.changed = "nothing";
  result.detail = "extracted with a model";
  co_return with_sources(std::move(result), args, std::move(sources));
}

Async<ActionResult> observe(Context& ctx, NativeTab& tab, const json::object& args) {
  const std::string wanted(find_string(args, "instruction").value_or(""));
  const auto limit = static_cast<std::size_t>(
      std::clamp<std::int64_t>(find_int(args, "limit").value_or(50), 1, 1000));
  json::array list;
  CO_TRY(const auto snapshot, co_await list_elements(ctx, tab, wanted, limit, list));
  const json::value answer = json::object{{"frames", snapshot.frames}};
  CO_TRY(const auto frames, co_await tab.frames_beside(ctx, answer));
  for (ForeignFrame* frame : frames) {
    if (list.size() >= limit) break;
    tab.enter(frame);
    const auto listed = co_await list_elements(ctx, tab, wanted, limit - list.size(), list);
    const bool gone = !listed && listed.error().code == Errc::navigation_failed;
    if (!listed && !gone) co_return listed.error();
  }
  ActionResult result;
  result.detail = "found " + std::to_string(list.size()) + " elements";
  result.output = std::move(list);
  result.changed = "nothing";
  co_return result;
}

}  // namespace troupe::interact::native
