// act: a plain sentence, clause by clause. Each clause is resolved against a fresh snapshot, and
// the first one that cannot be ends the action.
#include <algorithm>
#include <charconv>

#include "interact/act_readings.h"
#include "interact/concealed.h"
#include "interact/known_actions.h"
#include "interact/model_actions.h"
#include "interact/phrase.h"

namespace troupe::interact::native {

using std::chrono::milliseconds;

Target target_of(const Resolution& found) {
  Target target;
  target.query = {{"ref", found.ref}};
  target.text = found.what;
  return target;
}

Async<Snapshot> look(Context& ctx, NativeTab& tab, bool listed, std::string colour) {
  json::array args{nullptr, listed};
  if (!colour.empty()) args.emplace_back(colour);
  CO_TRY(const auto rows, co_await tab.call(ctx, kSnapshot, "snapshot", std::move(args)));
  co_return read_snapshot(rows);
}

namespace {

Async<std::vector<ForeignFrame*>> frames_of(Context& ctx, NativeTab& tab,
                                            const Snapshot& snapshot) {
  const json::value answer = json::object{{"frames", snapshot.frames}};
  co_return co_await tab.frames_beside(ctx, answer);
}

// What the main document has not may be in one of the frames beside it; the tab then stays in that
// one. `absent`: the error of the main document.
Async<Resolution> resolve_in_frames(Context& ctx, NativeTab& tab, const Clause& clause,
                                    const Snapshot& main, Error absent) {
  CO_TRY(const auto frames, co_await frames_of(ctx, tab, main));
  std::vector<std::pair<ForeignFrame*, Resolution>> all;
  for (ForeignFrame* frame : frames) {
    tab.enter(frame);
    auto snapshot = co_await look(ctx, tab, clause.target.item);
    tab.enter(nullptr);
    const bool replaced = !snapshot && snapshot.error().code == Errc::navigation_failed;
    if (replaced) continue;
    if (!snapshot) co_return snapshot.error();
    auto found = resolve(clause, *snapshot);
    if (found) all.emplace_back(frame, std::move(*found));
    if (!found && found.error().code == Errc::target_ambiguous) co_return found;
  }
  if (all.empty()) co_return absent;
  if (all.size() > 1)
    co_return fail(Errc::target_ambiguous,
                   std::string(to_string(clause.verb)) + ": " + std::to_string(all.size()) +
                       " frames have such an element: " + all[0].second.what + "; " +
                       all[1].second.what,
                   {}, "give a selector that only one of them has");
  tab.enter(all.front().first);
  co_return std::move(all.front().second);
}

/// By its name, else by one of the other names it may have.
Result<Resolution> resolve_by_names(const Clause& clause, const Snapshot& snapshot) {
  auto found = resolve(clause, snapshot);
  for (const std::string& name : clause.names) {
    if (found || found.error().code != Errc::target_not_found) break;
    Clause other = clause;
    other.target.text = other.target.whole = name;
    auto again = resolve(other, snapshot);
    if (again || again.error().code == Errc::target_ambiguous) return again;
  }
  return found;
}

}  // namespace

// Elements may still come.
Async<Resolution> resolve_waiting(Context& ctx, NativeTab& tab, const Clause& clause,
                                  Duration patience) {
  const SteadyTime begin = ctx.clock().now();
  for (;;) {
    tab.enter(nullptr);
    auto snapshot = co_await look(ctx, tab, clause.target.item, clause.target.colour);
    const bool replaced = !snapshot && snapshot.error().code == Errc::navigation_failed;
    if (!snapshot && !replaced) co_return snapshot.error();
    const Duration spent = ctx.clock().now() - begin;
    if (snapshot) {
      auto found = resolve_by_names(clause, *snapshot);
      if (!found && snapshot->frames > 0 && found.error().code == Errc::target_not_found)
        found = co_await resolve_in_frames(ctx, tab, clause, *snapshot, found.error());
      if (found && tab.actions() && !tab.inside())
        found->known = known_element(*snapshot, found->ref, clause);
      if (found) co_return found;
      const bool ambiguous = found.error().code == Errc::target_ambiguous;
      const bool over = spent >= patience || page_wait_ms(ctx) < 50;
      if (over || (ambiguous && spent > milliseconds(500))) co_return found.error();
      const std::int64_t pause = std::min<std::int64_t>(page_wait_ms(ctx), 250);
      json::array args{pause};
      auto quiet = co_await tab.call(ctx, kCore, "quiet", std::move(args));
      if (quiet) continue;
      if (quiet.error().code != Errc::navigation_failed) co_return quiet.error();
    }
    auto next = co_await tab.page().wait_loaded(ctx, cdp::WaitUntil::domcontentloaded);
    if (!next) co_return next.error();
  }
}

namespace {

/// A number on a slider that is no form field; a date on a field that only its calendar fills.
/// Null: the field is filled as any other.
Async<std::unique_ptr<ActionResult>> fill_by_widget(Context& ctx, NativeTab& tab,
                                                    const Clause& clause, const Resolution& found) {
  std::unique_ptr<ActionResult> none;
  if (found.role == "slider" && found.tag != "input") {
    double number = 0;
    const auto* end = clause.value.data() + clause.value.size();
    if (std::from_chars(clause.value.data(), end, number).ptr != end) co_return none;
    CO_TRY(auto result, co_await slide(ctx, tab, found, number));
    co_return std::make_unique<ActionResult>(std::move(result));
  }
  if (!found.readonly) co_return none;
  CO_TRY(auto day, co_await day_meant(ctx, tab, clause.value));
  if (day.empty()) co_return none;
  CO_TRY(auto result, co_await pick_date(ctx, tab, found, std::move(day)));
  co_return std::make_unique<ActionResult>(std::move(result));
}

Async<ActionResult> fill_found(Context& ctx, NativeTab& tab, const Clause& clause,
                               const Resolution& found) {
  const Target target = target_of(found);
  CO_TRY(auto done, co_await fill_by_widget(ctx, tab, clause, found));
  if (done) co_return std::move(*done);
  if (!clause.described_value) {
    auto given = revealed(clause.value, tab.variables());
    if (!given) co_return given.error();
    co_return co_await fill_target(ctx, tab, target, std::move(*given));
  }
  CO_TRY(auto text, co_await described_text(ctx, tab, clause.value));
  co_return co_await fill_target(ctx, tab, target, std::move(text));
}

Async<ActionResult> select_found(Context& ctx, NativeTab& tab, const Clause& clause,
                                 const Target& target) {
  std::vector<std::string> values;
  for (const std::string& value : clause.values) {
    auto given = revealed(value, tab.variables());
    if (!given) co_return given.error();
    values.push_back(std::move(*given));
  }
  co_return co_await select_target(ctx, tab, target, std::move(values));
}

}  // namespace

Async<ActionResult> act_on(Context& ctx, NativeTab& tab, const Clause& clause,
                           const Resolution& found) {
  const Target target = target_of(found);
  switch (clause.verb) {
    case Verb::fill: co_return co_await fill_found(ctx, tab, clause, found);
    case Verb::check: co_return co_await tick_target(ctx, tab, target, true);
    case Verb::uncheck: co_return co_await tick_target(ctx, tab, target, false);
    case Verb::hover: co_return co_await hover_target(ctx, tab, target);
    case Verb::press:
      co_return co_await press_target(ctx, tab, &target, clause.value, clause.count);
    case Verb::scroll: {
      json::object how;
      if (!clause.value.empty()) how["to"] = clause.value;
      co_return co_await scroll_target(ctx, tab, &target, std::move(how));
    }
    case Verb::select:
      if (found.tag == "select" || found.role == "combobox" || found.role == "listbox" ||
          !clause.target.empty())
        co_return co_await select_found(ctx, tab, clause, target);
      break;
    default: break;
  }
  const bool ticks = found.role == "checkbox" || found.role == "radio";
  if (clause.verb == Verb::select && ticks) co_return co_await tick_target(ctx, tab, target, true);
  ClickOptions options{.own = true};
  if (clause.verb == Verb::double_click) options.count = 2;
  if (clause.verb == Verb::right_click) options.button = "right";
  co_return co_await click_target(ctx, tab, target, options);
}

Async<ActionResult> find_and_perform(Context& ctx, NativeTab& tab, const Clause& clause,
                                     Duration patience) {
  for (int round = 0;; ++round) {
    CO_TRY(const auto found, co_await resolve_waiting(ctx, tab, clause, patience));
    auto result = co_await act_on(ctx, tab, clause, found);
    const bool replaced = !result && result.error().code == Errc::target_not_found &&
                          result.error().message.ends_with("was replaced");
    if (result) tab.learned() = {.element = found.known};
    if (!replaced || round == 3) co_return result;
  }
}

namespace {

Clause click_on(std::string text, std::string role) {
  Clause clause;
  clause.target.text = clause.target.whole = std::move(text);
  clause.target.role = std::move(role);
  return clause;
}

// The words on consent buttons, the clearest first.
constexpr std::string_view kAccept[] = {"Accept all",
                                        "Accept all cookies",
                                        "Accept cookies",
                                        "Accept",
                                        "Allow all",
                                        "Allow all cookies",
                                        "I agree",
                                        "Agree",
                                        "Agree and continue",
                                        "Got it",
                                        "OK",
                                        "Allow"};
constexpr std::string_view kReject[] = {
    "Reject all",     "Reject all cookies", "Reject", "Decline",    "Decline all",
    "Only necessary", "Necessary only",     "Deny",   "Refuse all", "Continue without accepting"};
constexpr std::string_view kDismiss[] = {"Close", "Dismiss", "No thanks", "Got it", "OK"};

std::vector<std::string_view> consent_words(std::string_view kind) {
  std::vector<std::string_view> words;
  const auto add = [&](std::span<const std::string_view> more) {
    words.insert(words.end(), more.begin(), more.end());
  };
  if (kind == "accept") add(kAccept);
  if (kind != "accept") add(kReject);
  if (kind == "dismiss") {
    add(kDismiss);
    add(kAccept);
  }
  return words;
}

/// `consent` of the site profile: a selector, or {accept, reject} with one each.
std::string consent_selector(const NativeTab& tab, const std::string& kind) {
  const auto* consent = find(tab.options().site, "consent");
  if (!consent) return {};
  if (consent->is_string()) return std::string(consent->get_string());
  if (!consent->is_object()) return {};
  std::vector<std::string_view> keys{kind, "selector"};
  if (kind == "dismiss") keys.push_back("reject");
  if (kind != "reject") keys.push_back("accept");
  for (const auto key : keys)
    if (const auto selector = find_string(consent->get_object(), key))
      return std::string(*selector);
  return {};
}

Async<ActionResult> consent(Context& ctx, NativeTab& tab, const Clause& clause, Duration patience) {
  const std::string selector = consent_selector(tab, clause.value);
  const SteadyTime end = ctx.clock().now() + patience;
  for (;;) {
    if (!selector.empty()) {
      Context brief = ctx.with_timeout(milliseconds(800), "consent button");
      json::object args{{"selector", selector}};
      auto clicked = co_await click(brief, tab, args);
      if (clicked) co_return clicked;
    }
    CO_TRY(const auto snapshot, co_await look(ctx, tab));
    for (const auto word : consent_words(clause.value)) {
      Clause button = click_on(std::string(word), "button");
      button.target.quoted = true;
      button.exact_only = true;
      const auto found = resolve(button, snapshot);
      if (found) co_return co_await act_on(ctx, tab, button, *found);
    }
    if (ctx.clock().now() >= end || page_wait_ms(ctx) < 100)
      co_return fail(Errc::target_not_found,
                     clause.value +
                         " consent: no such button on the page; "
                         "nearest: " +
                         similar("cookies consent", snapshot),
                     "page " + tab.url(), "give its selector as `consent` in the site profile");
    json::array args{250};
    auto quiet = co_await tab.call(ctx, kCore, "quiet", std::move(args));
    (void)quiet;
  }
}

/// "close the dialog": its close button; "close the Offers banner": the one in that region.
Async<ActionResult> close_box(Context& ctx, NativeTab& tab, const Clause& clause,
                              Duration patience) {
  const SteadyTime end = ctx.clock().now() + patience;
  const std::string named = clause.target.text;
  Error last;
  for (;;) {
    CO_TRY(const auto snapshot, co_await look(ctx, tab));
    for (const std::string_view word :
         {"Close ", "Close", "Dismiss", "No thanks", "Cancel", "OK"}) {
      Clause button = click_on(word == "Close " ? "Close " + named : std::string(word), "button");
      button.exact_only = true;
      auto found = resolve(button, snapshot);
      if (!found && found.error().code == Errc::target_ambiguous) {
        button.target.scope = named;
        found = resolve(button, snapshot);
      }
      if (found) co_return co_await act_on(ctx, tab, button, *found);
      if (word == "Close") last = found.error();
    }
    if (ctx.clock().now() >= end || page_wait_ms(ctx) < 100) co_return last;
    json::array args{250};
    auto quiet = co_await tab.call(ctx, kCore, "quiet", std::move(args));
    (void)quiet;
  }
}

Async<ActionResult> scroll_words(Context& ctx, NativeTab& tab, const Clause& clause) {
  json::object how;
  if (clause.value.ends_with("px")) {
    int pixels = 0;
    std::from_chars(clause.value.data(), clause.value.data() + clause.value.size(), pixels);
    how["by"] = pixels;
  } else {
    how["to"] = clause.value;
  }
  co_return co_await scroll_target(ctx, tab, nullptr, std::move(how));
}

Async<ActionResult> wait_words(Context& ctx, NativeTab& tab, const Clause& clause) {
  ActionResult result;
  result.changed = "nothing";
  result.detail = "waited";
  std::int64_t ms = 0;
  const auto* end = clause.value.data() + clause.value.size();
  if (std::from_chars(clause.value.data(), end, ms).ptr == end) {
    CO_TRY_VOID(co_await sleep_for(ctx, milliseconds(ms)));
    co_return result;
  }
  const Duration patience = std::chrono::hours(1);
  if (clause.value == "visible") {
    CO_TRY(const auto found, co_await resolve_waiting(ctx, tab, clause, patience));
    result.detail = "there is " + found.what;
    co_return result;
  }
  for (;;) {
    CO_TRY(const auto snapshot, co_await look(ctx, tab));
    if (!resolve(clause, snapshot)) co_return result;
    if (page_wait_ms(ctx) < 50)
      co_return fail(Errc::timeout, "wait: \"" + clause.target.text + "\" is still there",
                     "page " + tab.url());
    json::array args{250};
    auto quiet = co_await tab.call(ctx, kCore, "quiet", std::move(args));
    (void)quiet;
  }
}

/// "All results" may be the name of one thing; ref -1: it is not.
Async<Resolution> called_so(Context& ctx, NativeTab& tab, const Clause& clause) {
  if (clause.verb == Verb::fill || clause.target.most > 0) co_return Resolution{};
  Clause name = clause;
  name.target = Description{.text = clause.target.whole, .quoted = true};
  name.target.whole = name.target.text;
  name.exact_only = true;
  CO_TRY(const auto snapshot, co_await look(ctx, tab));
  auto found = resolve(name, snapshot);
  co_return found ? std::move(*found) : Resolution{};
}

/// "select Black and White": one option, or two where there is no such one but both of them.
Async<Clause> values_meant(Context& ctx, NativeTab& tab, Clause clause) {
  const std::string whole = clause.values.size() == 1 ? clause.values.front() : std::string();
  const auto at = whole.find(" and ");
  if (at == std::string::npos || clause.source.find('"' + whole + '"') != std::string::npos)
    co_return clause;
  CO_TRY(const auto snapshot, co_await look(ctx, tab));
  const auto there = [&](const Clause& one) {
    return one_list_has_all(one, snapshot) || (one.target.empty() && resolve(one, snapshot));
  };
  if (there(clause)) co_return clause;
  Clause several = clause;
  several.values = {whole.substr(0, at), whole.substr(at + 5)};
  for (const std::string& value : several.values) {
    Clause one = clause;
    one.value = value;
    one.values = {value};
    if (!there(one)) co_return clause;
  }
  several.value = several.values.front();
  co_return several;
}

/// Several options that no single list has, or the word "nothing".
Async<bool> apart_from_lists(Context& ctx, NativeTab& tab, const Clause& clause) {
  if (clause.values.size() == 1 && to_lower(clause.values[0]) != "nothing") co_return false;
  CO_TRY(const auto snapshot, co_await look(ctx, tab));
  co_return !one_list_has_all(clause, snapshot);
}

Async<ActionResult> do_clause(Context& ctx, NativeTab& tab, const Clause& clause,
                              Duration patience) {
  if (!clause.reading.empty()) co_return co_await act_by_reading(ctx, tab, clause, patience);
  switch (clause.verb) {
    case Verb::back: co_return co_await step_history(ctx, tab, -1);
    case Verb::forward: co_return co_await step_history(ctx, tab, 1);
    case Verb::reload: co_return co_await reload(ctx, tab);
    case Verb::go: {
      json::object args{{"url", clause.value}};
      co_return co_await go_to(ctx, tab, args);
    }
    case Verb::consent: co_return co_await consent(ctx, tab, clause, patience);
    case Verb::close: co_return co_await close_box(ctx, tab, clause, patience);
    case Verb::wait: co_return co_await wait_words(ctx, tab, clause);
    case Verb::press:
      if (clause.target.empty())
        co_return co_await press_target(ctx, tab, nullptr, clause.value, clause.count);
      break;
    case Verb::scroll:
      if (clause.target.empty()) co_return co_await scroll_words(ctx, tab, clause);
      break;
    case Verb::drag: co_return co_await drag(ctx, tab, clause, patience);
    case Verb::copy:
    case Verb::paste:
    case Verb::highlight: co_return co_await text_action(ctx, tab, clause, patience);
    case Verb::select: {
      if (clause.path) co_return co_await follow_menus(ctx, tab, clause, patience);
      CO_TRY(const auto meant, co_await values_meant(ctx, tab, clause));
      if (!clause.target.empty()) co_return co_await find_and_perform(ctx, tab, meant, patience);
      CO_TRY(const bool apart, co_await apart_from_lists(ctx, tab, meant));
      if (apart) co_return co_await choose_each(ctx, tab, meant, patience);
      break;
    }
    default: break;
  }
  if (clause.described_value && tab.copied_from() >= 0 && clause.other_than < 0) {
    Clause elsewhere = clause;
    elsewhere.other_than = tab.copied_from();
    co_return co_await find_and_perform(ctx, tab, elsewhere, patience);
  }
  if (clause.target.every) {
    CO_TRY(const auto called, co_await called_so(ctx, tab, clause));
    if (called.ref >= 0) co_return co_await act_on(ctx, tab, clause, called);
    co_return co_await act_on_all(ctx, tab, clause, patience);
  }
  if (clause.explore && clause.verb != Verb::press)
    co_return co_await explore(ctx, tab, clause, patience);
  auto done = co_await find_and_perform(ctx, tab, clause, patience);
  if (!done && done.error().code == Errc::target_not_found && means_login(clause))
    co_return co_await press_login(ctx, tab, done.error());
  // In the row of Anna it may be behind a button for more, which is opened as a person would.
  const bool hidden = !done && done.error().code == Errc::target_not_found &&
                      clause.verb == Verb::click && !clause.target.scope.empty();
  if (!hidden || page_wait_ms(ctx) < 100) co_return done;
  auto opened = co_await explore(ctx, tab, clause, Duration(0));
  if (opened) co_return opened;
  co_return done;
}

// The rules; a model after two seconds, if there is one and the rules may be given up; and when it
// does not know either, the rules for the rest of the time: the element may still come.
Async<ActionResult> do_or_ask(Context& ctx, NativeTab& tab, const Clause& clause,
                              Duration patience) {
  constexpr Duration kBeforeAsking = milliseconds(2'000);
  if (!tab.model() || patience < kBeforeAsking)
    co_return co_await do_clause(ctx, tab, clause, patience);
  auto done = co_await do_clause(ctx, tab, clause, kBeforeAsking);
  if (done || !may_ask(tab, done.error())) co_return done;
  auto asked = co_await act_by_model(ctx, tab, clause, done.error());
  if (asked || !may_ask(tab, asked.error())) co_return asked;
  co_return co_await do_clause(ctx, tab, clause, patience);
}

}  // namespace

namespace {

/// Whether the last part of an instruction entered or moved something that is not sent off yet.
bool leaves_open(const Clause& last) {
  if (!last.reading.empty())
    return last.reading != "extreme" && last.reading != "figure" && last.reading != "when" &&
           last.reading != "search_for" && last.reading != "beside" &&
           last.reading != "count_figures";
  return last.verb == Verb::fill || last.verb == Verb::select || last.verb == Verb::check ||
         last.verb == Verb::uncheck || last.verb == Verb::drag || last.verb == Verb::paste;
}

Async<ActionResult> act_out(Context& ctx, NativeTab& tab, const json::object& args) {
  const std::string instruction(find_string(args, "instruction").value_or(""));
  CO_TRY(auto clauses, parse_instruction(instruction));
  for (Clause& clause : clauses)
    clause.first_of_equals = find_string(args, "equals").value_or("") == "first";
  const bool optional = find_bool(args, "optional").value_or(false);
  const auto* given = find(args, "patience");
  Duration patience = optional ? Duration(milliseconds(1000)) : Duration(std::chrono::hours(1));
  if (given) {
    const auto limit = read_duration(*given);
    if (!limit) co_return limit.error();
    patience = *limit;
  }
  tab.copied().clear();
  tab.copied_from() = -1;
  ActionResult whole;
  whole.changed = "nothing";
  for (std::size_t i = 0; i < clauses.size(); ++i) {
    auto done = co_await perform_remembered(ctx, tab, clauses[i], patience, do_or_ask);
    // What came up while something was entered answers nothing that was pressed.
    const std::size_t entered = std::max<std::size_t>(i, 1);
    const bool covered = !done && done.error().code == Errc::not_actionable;
    if (covered && page_wait_ms(ctx) > 100 &&
        std::all_of(clauses.begin(), clauses.begin() + static_cast<std::ptrdiff_t>(entered),
                    only_enters)) {
      CO_TRY(const bool away, co_await dismiss_popup(ctx, tab));
      if (away) done = co_await perform_remembered(ctx, tab, clauses[i], patience, do_or_ask);
    }
    if (!done) {
      Error error = done.error();
      if (optional && i == 0 && error.code == Errc::target_not_found) {
        whole.detail = "skipped: " + error.message;
        co_return whole;
      }
      if (clauses.size() > 1)
        error.message = "part " + std::to_string(i + 1) + " of " + std::to_string(clauses.size()) +
                        " (" + clauses[i].source + "): " + error.message;
      co_return error;
    }
    if (done->changed != "nothing") whole.changed = done->changed;
    whole.detail += std::string(whole.detail.empty() ? "" : ", ") + done->detail;
    whole.output = std::move(done->output);
  }
  if (find_bool(args, "finish").value_or(false) && leaves_open(clauses.back())) {
    CO_TRY(const auto snapshot, co_await look(ctx, tab));
    if (const auto button = finishing_button(snapshot)) {
      CO_TRY(const auto done, co_await act_on(ctx, tab, click_on(button->what, ""), *button));
      if (done.changed != "nothing") whole.changed = done.changed;
      whole.detail += ", " + done.detail;
    }
  }
  co_return whole;
}

}  // namespace

Async<ActionResult> act(Context& ctx, NativeTab& tab, const json::object& args) {
  const auto* given = find(args, "variables");
  const json::object variables = given && given->is_object() ? given->get_object() : json::object();
  tab.variables() = variables;
  for (const auto& [name, value] : variables) tab.secrets()[name] = value;
  auto result = co_await act_out(ctx, tab, args);
  tab.variables().clear();
  if (variables.empty()) co_return result;
  if (result) {
    result->detail = concealed(std::move(result->detail), variables);
    result->output = concealed_value(result->output, variables);
    co_return result;
  }
  Error error = result.error();
  if (error.source.empty()) error.source = "page " + tab.url();
  error.message = concealed(std::move(error.message), variables);
  error.hint = concealed(std::move(error.hint), variables);
  error.source = concealed(std::move(error.source), variables);
  co_return error;
}

}  // namespace troupe::interact::native
