// Clauses that take several elements, or several steps to reach one.
#include <algorithm>

#include "interact/act_steps.h"
#include "interact/phrase.h"

namespace troupe::interact::native {
namespace {

using std::chrono::milliseconds;

void add(ActionResult& whole, const ActionResult& one) {
  if (one.changed != "nothing") whole.changed = one.changed;
  whole.detail += (whole.detail.empty() ? "" : ", ") + one.detail;
}

Clause named(const Clause& like, Verb verb, const std::string& text) {
  Clause clause;
  clause.verb = verb;
  clause.target.text = clause.target.whole = text;
  clause.target.quoted = true;
  clause.target.scope = like.target.scope;
  return clause;
}

/// What is there now, without waiting.
Async<Resolution> resolve_now(Context& ctx, NativeTab& tab, const Clause& clause) {
  CO_TRY(const auto snapshot, co_await look(ctx, tab, clause.target.item, clause.target.colour));
  co_return resolve(clause, snapshot);
}

Async<void> settle(Context& ctx, NativeTab& tab, std::int64_t ms) {
  json::array args{std::min<std::int64_t>(ms, std::max<std::int64_t>(page_wait_ms(ctx), 0))};
  auto quiet = co_await tab.call(ctx, kCore, "quiet", std::move(args));
  if (!quiet && quiet.error().code != Errc::navigation_failed) co_return quiet.error();
  co_return Result<void>{};
}

/// Waits for an element that a press should have brought, for a moment.
Async<bool> appears(Context& ctx, NativeTab& tab, const Clause& clause, Duration moment) {
  const SteadyTime end = ctx.clock().now() + moment;
  for (;;) {
    const auto found = co_await resolve_now(ctx, tab, clause);
    if (found) co_return true;
    if (found.error().code != Errc::target_not_found) co_return found.error();
    if (ctx.clock().now() >= end || page_wait_ms(ctx) < 50) co_return false;
    CO_TRY_VOID(co_await settle(ctx, tab, 100));
  }
}

/// All elements that are meant, when the first of them are there.
Async<std::vector<Resolution>> resolve_first(Context& ctx, NativeTab& tab, const Clause& clause,
                                             Duration patience) {
  const SteadyTime begin = ctx.clock().now();
  for (;;) {
    CO_TRY(const auto snapshot, co_await look(ctx, tab, false, clause.target.colour));
    auto all = resolve_all(clause, snapshot);
    if (all) co_return all;
    if (ctx.clock().now() - begin >= patience || page_wait_ms(ctx) < 50) co_return all.error();
    CO_TRY_VOID(co_await settle(ctx, tab, 250));
  }
}

}  // namespace

Async<ActionResult> follow_menus(Context& ctx, NativeTab& tab, const Clause& clause,
                                 Duration patience) {
  ActionResult whole;
  whole.changed = "nothing";
  for (std::size_t i = 0; i + 1 < clause.values.size(); ++i) {
    const Clause next = named(clause, Verb::click, clause.values[i + 1]);
    const Clause hover = named(clause, Verb::hover, clause.values[i]);
    CO_TRY(const auto moved, co_await find_and_perform(ctx, tab, hover, patience));
    add(whole, moved);
    CO_TRY(const bool open, co_await appears(ctx, tab, next, milliseconds(700)));
    if (open) continue;
    const Clause press = named(clause, Verb::click, clause.values[i]);
    CO_TRY(const auto pressed, co_await find_and_perform(ctx, tab, press, patience));
    add(whole, pressed);
  }
  const Clause last = named(clause, Verb::click, clause.values.back());
  CO_TRY(const auto done, co_await find_and_perform(ctx, tab, last, patience));
  add(whole, done);
  co_return whole;
}

// All must be there before the first is touched.
Async<ActionResult> choose_each(Context& ctx, NativeTab& tab, const Clause& clause,
                                Duration patience) {
  ActionResult whole;
  whole.changed = "nothing";
  const bool none = clause.values.size() == 1 && to_lower(clause.values[0]) == "nothing";
  if (none) {
    whole.detail = "nothing was to be selected";
    co_return whole;
  }
  std::vector<Clause> parts;
  for (const std::string& value : clause.values) {
    parts.push_back(named(clause, Verb::select, value));
    parts.back().target = clause.target;
    parts.back().value = value;
    parts.back().values = {value};
  }
  for (const Clause& part : parts) {
    CO_TRY(const auto found, co_await resolve_waiting(ctx, tab, part, patience));
    (void)found;
  }
  for (const Clause& part : parts) {
    CO_TRY(const auto done, co_await find_and_perform(ctx, tab, part, patience));
    add(whole, done);
  }
  co_return whole;
}

Async<ActionResult> act_on_all(Context& ctx, NativeTab& tab, const Clause& clause,
                               Duration patience) {
  CO_TRY(const auto first, co_await resolve_first(ctx, tab, clause, patience));
  if (!clause.values.empty() && clause.values.size() != first.size())
    co_return fail(Errc::target_not_found,
                   std::string(to_string(clause.verb)) + ": " +
                       std::to_string(clause.values.size()) + " values for " +
                       std::to_string(first.size()) + " elements",
                   "page " + tab.url());
  ActionResult whole;
  whole.changed = "nothing";
  for (std::size_t i = 0; i < first.size(); ++i) {
    Clause one = clause;
    if (!clause.values.empty()) one.value = clause.values[i];
    CO_TRY(const auto done, co_await act_on(ctx, tab, one, first[i]));
    add(whole, done);
  }
  co_return whole;
}

namespace {

/// `overflow`: only what hides actions of the same part of the page.
Async<bool> open_next(Context& ctx, NativeTab& tab, const Clause& clause) {
  json::array args{clause.target.scope};
  CO_TRY(const auto answer, co_await tab.call(ctx, kWidgets, "nextClosed", std::move(args)));
  if (!answer.is_object() || !answer.get_object().contains("ref")) co_return false;
  const json::object& closed = answer.get_object();
  Target target;
  target.query = {{"ref", find_int(closed, "ref").value_or(-1)}};
  target.text = std::string(find_string(closed, "what").value_or("closed part"));
  // One that cannot be used any more, since another was opened, is passed over.
  Context brief = ctx.with_timeout(milliseconds(1500), "opening " + target.text);
  const bool hover = find_string(closed, "how").value_or("") == "hover";
  const ClickOptions options;
  Result<ActionResult> done = ActionResult{};
  if (hover)
    done = co_await hover_target(brief, tab, target);
  else
    done = co_await click_target(brief, tab, target, options);
  CO_TRY_VOID(ctx.check());
  co_return true;
}

}  // namespace

Async<bool> turn_page(Context& ctx, NativeTab& tab) {
  json::array none;
  CO_TRY(const auto answer, co_await tab.call(ctx, kWidgets, "nextPage", std::move(none)));
  if (!answer.is_object() || !answer.get_object().contains("ref")) co_return false;
  Target target;
  target.query = {{"ref", find_int(answer.get_object(), "ref").value_or(-1)}};
  target.text = std::string(find_string(answer.get_object(), "what").value_or("next page"));
  const ClickOptions options;
  auto done = co_await click_target(ctx, tab, target, options);
  if (!done && done.error().code != Errc::target_not_found) co_return done.error();
  co_return bool(done);
}

namespace {

/// How many items the page's main list has.
Async<int> main_items(Context& ctx, NativeTab& tab, const Clause& clause) {
  if (!clause.target.item) co_return 0;
  CO_TRY(const auto snapshot, co_await look(ctx, tab, true));
  co_return static_cast<int>(std::count_if(snapshot.elements.begin(), snapshot.elements.end(),
                                           [](const Candidate& c) { return c.item > 0; }));
}

}  // namespace

// First only for what is called exactly so: the same word with a point behind it in one tab is not
// the one in another tab.
Async<ActionResult> explore(Context& ctx, NativeTab& tab, const Clause& clause, Duration patience) {
  // Where nobody said that it is hidden, only what is called exactly so is taken.
  const int passes = clause.explore ? 2 : 1;
  for (int pass = 0; pass < passes; ++pass) {
    json::array none;
    CO_TRY(const auto reset, co_await tab.call(ctx, kWidgets, "exploreAgain", std::move(none)));
    (void)reset;
    Clause wanted = clause;
    wanted.exact_text = pass == 0 && (clause.target.quoted || !clause.explore);
    for (int opened = 0; opened < 60; ++opened) {
      const Duration moment = opened == 0 ? Duration(0) : Duration(milliseconds(500));
      const SteadyTime end = ctx.clock().now() + moment;
      Result<Resolution> found = fail(Errc::target_not_found, "nothing yet");
      for (;;) {
        found = co_await resolve_now(ctx, tab, wanted);
        // Entries of a menu are seldom real buttons.
        if (!found && opened > 0 && wanted.exact_text && wanted.target.role == "button") {
          Clause entry = wanted;
          entry.target.role.clear();
          auto again = co_await resolve_now(ctx, tab, entry);
          if (again) wanted = entry;
          if (again) found = std::move(again);
        }
        if (found || ctx.clock().now() >= end) break;
        CO_TRY_VOID(co_await settle(ctx, tab, 60));
      }
      if (found) co_return co_await find_and_perform(ctx, tab, wanted, patience);
      if (found.error().code != Errc::target_not_found) co_return found.error();
      CO_TRY(bool more, co_await open_next(ctx, tab, clause));
      if (!more) {
        CO_TRY(const int items, co_await main_items(ctx, tab, clause));
        CO_TRY(more, co_await turn_page(ctx, tab));
        // "the 9th result": those of the pages before count.
        if (more && wanted.target.item && wanted.target.ordinal > items)
          wanted.target.ordinal -= items;
      }
      if (!more) break;
    }
  }
  co_return co_await find_and_perform(ctx, tab, clause, patience);
}

}  // namespace troupe::interact::native
