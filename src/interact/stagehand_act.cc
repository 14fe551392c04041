#include "interact/stagehand_act.h"

#include <algorithm>

#include "interact/concealed.h"
#include "interact/known_actions.h"
#include "interact/stagehand_results.h"

namespace troupe::interact {
namespace {

using std::chrono::milliseconds;

constexpr Duration kBeforeAsking = milliseconds(2'000);
constexpr Duration kOptionalPatience = milliseconds(1'000);
constexpr std::int64_t kLookAgainMs = 250;

// What the runtime's act can do; the rest is done natively.
bool can_do(Verb verb) {
  switch (verb) {
    case Verb::click:
    case Verb::double_click:
    case Verb::right_click:
    case Verb::hover:
    case Verb::fill:
    case Verb::select:
    case Verb::check:
    case Verb::uncheck:
    case Verb::press: return true;
    default: return false;
  }
}

// What is done in several steps, or told by what it looks like or stands beside.
bool is_composite(const Clause& clause) {
  return clause.count > 1 || clause.values.size() > 1 || clause.path || clause.explore ||
         clause.beyond || clause.described_value || clause.target.every ||
         !clause.target.colour.empty() || !clause.names.empty();
}

// The runtime's word for what a model chose, in ours.
std::string_view verb_of(const StagehandElement& element) {
  if (element.method == "fill" || element.method == "type") return "fill";
  if (element.method == "selectOptionFromDropdown") return "select";
  if (element.method == "doubleClick") return "double_click";
  if (element.method == "hover" || element.method == "press") return element.method;
  if (element.method != "click") return "";
  return element.arguments.empty() || element.arguments.front() != "right" ? "click"
                                                                           : "right_click";
}

}  // namespace

std::string stagehand_mark_text(std::uint64_t& marks) {
  return " (call t" + std::to_string(++marks) + ")";
}

services::stagehand::Scope StagehandAct::scope_of(const Context& ctx) const {
  return {.timeout = stagehand_limit(ctx), .variables = variables_};
}

Async<ActionResult> StagehandAct::perform(Context& ctx, const json::object& args) {
  const auto* given = find(args, "variables");
  if (given && given->is_object()) variables_ = given->get_object();
  optional_ = find_bool(args, "optional").value_or(false);
  for (const auto& [name, value] : variables_) tab_.own().secrets()[name] = value;
  tab_.own().variables() = variables_;
  auto result = has_known_action(args) ? co_await known(ctx, args) : co_await in_words(ctx, args);
  tab_.own().variables().clear();
  if (variables_.empty()) co_return result;
  if (result) {
    result->detail = concealed(std::move(result->detail), variables_);
    result->output = concealed_value(result->output, variables_);
    co_return result;
  }
  Error error = result.error();
  if (error.source.empty() || error.source == "stagehand") error.source = "page " + tab_.url();
  error.message = concealed(std::move(error.message), variables_);
  error.hint = concealed(std::move(error.hint), variables_);
  error.source = concealed(std::move(error.source), variables_);
  co_return error;
}

Async<ActionResult> StagehandAct::in_words(Context& ctx, const json::object& args) {
  const std::string instruction(find_string(args, "instruction").value_or(""));
  const auto named = revealed(instruction, variables_);
  if (!named) co_return named.error();  // a variable that is not there
  auto clauses = parse_instruction(instruction);
  const bool plain = bool(clauses);
  if (!plain && !model_) co_return clauses.error();
  if (!plain) {
    Clause whole{.source = instruction};
    whole.target.text = whole.target.whole = instruction;
    clauses = std::vector<Clause>{std::move(whole)};
  }
  ActionResult whole;
  whole.changed = "nothing";
  for (std::size_t i = 0; i < clauses->size(); ++i) {
    auto done = co_await part(ctx, (*clauses)[i], plain);
    if (!done) {
      Error error = done.error();
      if (optional_ && i == 0 && error.code == Errc::target_not_found) {
        whole.detail = "skipped: " + error.message;
        co_return whole;
      }
      if (clauses->size() > 1)
        error.message = "part " + std::to_string(i + 1) + " of " + std::to_string(clauses->size()) +
                        " (" + (*clauses)[i].source + "): " + error.message;
      co_return error;
    }
    if (done->changed != "nothing") whole.changed = done->changed;
    whole.detail += std::string(whole.detail.empty() ? "" : ", ") + done->detail;
  }
  co_return whole;
}

// The runtime would fail at once where the element is not there yet, and press what is covered.
Async<ActionResult> StagehandAct::known(Context& ctx, const json::object& args) {
  CO_TRY(auto known, known_action(args));
  for (std::string& argument : known.arguments) {
    auto value = revealed(argument, variables_);
    if (!value) co_return value.error();
    if (!stagehand_knows(known.selector)) argument = std::move(*value);
  }
  if (!stagehand_knows(known.selector)) {
    CO_TRY(Action same, native_action(known));
    co_return co_await native_.perform(ctx, tab_.own(), std::move(same));
  }
  const Duration limit = optional_ ? kOptionalPatience : stagehand_limit(ctx);
  Context waiting = ctx.with_timeout(limit, "element");
  const auto ready = co_await await_known(waiting, known);
  ActionResult skipped;
  skipped.changed = "nothing";
  if (!ready) skipped.detail = "skipped: " + ready.error().message;
  if (!ready && optional_ && ready.error().code == Errc::target_not_found) co_return skipped;
  if (!ready) co_return ready.error();
  co_return co_await do_action(ctx, std::move(known));
}

// An XPath that goes through frames is the runtime's own.
Async<void> StagehandAct::await_known(Context& ctx, const services::StagehandAction& known) {
  const bool deep = known.selector.find("/iframe[") != std::string::npos ||
                    known.selector.find(">>") != std::string::npos;
  NativeTab& native = tab_.own();
  json::object args{{"selector", known.selector}};
  const auto target = parse_target(args);
  if (!deep && target) {
    std::string method = known.method;
    co_return co_await stagehand_ready(ctx, native, *target, std::move(method));
  }
  auto request = services::stagehand::wait_selector(native.page().target_id(), known.selector,
                                                    "visible", stagehand_limit(ctx));
  auto there = co_await services::stagehand_flag(ctx, *tab_.runtime, std::move(request));
  if (!there && there.error().code != Errc::timeout) co_return there.error();
  if (!there || !*there)
    co_return fail(Errc::target_not_found, known.selector + ": no element matches",
                   "page " + tab_.url());
  co_return co_await stagehand_mark(ctx, native);
}

Async<ActionResult> StagehandAct::do_action(Context& ctx, services::StagehandAction action) {
  tab_.own().expect_action();
  const auto scope = scope_of(ctx);
  auto request = services::stagehand::act(tab_.own().page().target_id(), action, scope);
  CO_TRY(const auto done, co_await services::stagehand_act(ctx, *tab_.runtime, std::move(request)));
  if (!done.success)
    co_return fail(Errc::not_actionable, "act: " + done.message, "page " + tab_.url());
  co_return co_await effect(ctx, done);
}

Async<ActionResult> StagehandAct::natively(Context& ctx, const Clause& clause) {
  Action same{.kind = "act", .args = {{"instruction", clause.source}, {"optional", optional_}}};
  if (!variables_.empty()) same.args["variables"] = variables_;
  auto done = co_await native_.perform(ctx, tab_.own(), std::move(same));
  tab_.own().variables() = variables_;
  co_return done;
}

// What it meant before is tried first: that needs no look at the page.
Async<ActionResult> StagehandAct::part(Context& ctx, const Clause& clause, bool plain) {
  const bool keys_only = clause.verb == Verb::press && clause.target.empty();
  if (plain && (!can_do(clause.verb) || keys_only || is_composite(clause)))
    co_return co_await natively(ctx, clause);
  const native::PartHands hands{
      .fresh = [this, plain](
                   Context& call, const Clause& asked,
                   Duration patience) { return find_and_do(call, asked, plain, patience); },
      .on = [this](Context& call, const Clause& asked,
                   const Resolution& found) { return do_found(call, asked, found); }};
  const Duration patience = optional_ ? kOptionalPatience : Duration(std::chrono::hours(1));
  co_return co_await native::perform_remembered(ctx, tab_.own(), clause, patience, hands);
}

// The element may still come: asked again after each change of the page. The rules first; a model
// after two seconds, once.
Async<ActionResult> StagehandAct::find_and_do(Context& ctx, const Clause& clause, bool plain,
                                              Duration patience) {
  const SteadyTime begin = ctx.clock().now();
  bool asked = false;
  for (;;) {
    const Duration spent = ctx.clock().now() - begin;
    StagehandTopic topic{.mark = stagehand_mark_text(marks_), .clause = clause};
    topic.use_rules = plain;
    topic.use_model = !asked && patience >= kBeforeAsking && (!plain || spent >= kBeforeAsking);
    topic.secrets = tab_.own().secrets();
    StagehandVerdict verdict;
    auto done = co_await attempt(ctx, std::move(topic), verdict);
    asked = asked || verdict.asked_model;
    if (done || !verdict.refused) co_return done;
    const bool over = ctx.clock().now() - begin >= patience || page_wait_ms(ctx) < 50;
    const bool unknown = verdict.refused->code == Errc::target_not_found ||
                         verdict.refused->code == Errc::target_ambiguous;
    if (over || !unknown || (!plain && asked)) co_return *verdict.refused;
    CO_TRY_VOID(co_await page_changes(ctx));
  }
}

Async<void> StagehandAct::page_changes(Context& ctx) {
  json::array args{std::min<std::int64_t>(page_wait_ms(ctx), kLookAgainMs)};
  auto quiet = co_await tab_.own().call(ctx, kCore, "quiet", std::move(args));
  if (quiet) co_return Result<void>{};
  if (quiet.error().code != Errc::navigation_failed) co_return quiet.error();
  auto next = co_await tab_.own().page().wait_loaded(ctx, cdp::WaitUntil::domcontentloaded);
  if (!next) co_return next.error();
  co_return Result<void>{};
}

Async<ActionResult> StagehandAct::attempt(Context& ctx, StagehandTopic topic,
                                          StagehandVerdict& verdict) {
  const std::string mark = topic.mark;
  const Clause clause = topic.clause;
  const std::string instruction = clause.source + mark;
  StagehandAnswers answers(std::move(topic), model_,
                           [this, &clause](Context& call, StagehandElement element) {
                             return make_ready(call, clause, std::move(element));
                           });
  tab_.own().learned() = {};
  tab_.own().expect_action();
  const auto scope = scope_of(ctx);
  auto request = services::stagehand::act(tab_.own().page().target_id(), instruction, scope);
  services::StagehandAsker asker{.servant = &answers, .mark = mark};
  auto done =
      co_await services::stagehand_act(ctx, *tab_.runtime, std::move(request), std::move(asker));
  verdict = answers.verdict();
  if (!done) co_return done.error();
  ActionResult result;
  result.changed = "nothing";
  result.detail = verdict.what + " is so already";
  if (verdict.done_already) co_return result;
  if (verdict.refused) co_return *verdict.refused;
  if (!done->success)
    co_return fail(Errc::not_actionable, "act: " + done->message, "page " + tab_.url());
  co_return co_await effect(ctx, *done);
}

// What we cannot reach is left to the runtime.
Async<void> StagehandAct::make_ready(Context& ctx, const Clause& clause, StagehandElement element) {
  NativeTab& native = tab_.own();
  CO_TRY(const auto ref, co_await stagehand_reference(ctx, native, element.id, element.in_main));
  if (!ref) {
    native.learned() = {};
    co_return co_await stagehand_mark(ctx, native);
  }
  CO_TRY_VOID(co_await learn(ctx, clause, element, *ref));
  Target target;
  target.query = {{"ref", *ref}};
  target.text = element.what;
  Context limited = ctx.with_timeout(stagehand_limit(ctx), "element");
  co_return co_await stagehand_ready(limited, native, target, std::move(element.method));
}

// For the next time, when the act succeeds. One that takes two steps is not one element.
Async<void> StagehandAct::learn(Context& ctx, const Clause& clause, const StagehandElement& element,
                                int ref) {
  NativeTab& native = tab_.own();
  native.learned() = {};
  const std::string_view verb = element.by_model ? verb_of(element) : "click";
  if (!native.actions() || !can_remember(clause) || element.second || verb.empty())
    co_return Result<void>{};
  CO_TRY(const auto snapshot, co_await native::look(ctx, native));
  native.learned() = {.element = known_element(snapshot, ref, clause),
                      .by_model = element.by_model,
                      .verb = std::string(verb),
                      .value = element.arguments.empty() || verb == "right_click"
                                   ? std::string()
                                   : element.arguments.front()};
  co_return Result<void>{};
}

// An element that is known: what the runtime cannot do in one step, or cannot name, is done
// natively.
Async<ActionResult> StagehandAct::do_found(Context& ctx, const Clause& clause,
                                           const Resolution& found) {
  NativeTab& native = tab_.own();
  Candidate element;
  element.tag = found.tag;
  element.role = found.role;
  element.type = found.type;
  element.checked = found.checked;
  const auto move = stagehand_move(clause, element);
  const bool one_step =
      move && !move->two_steps && !found.readonly && move->method != "selectOptionFromDropdown";
  std::string path;
  if (one_step && !move->needless) {
    CO_TRY(path, co_await stagehand_path(ctx, native, found.ref));
  }
  if (!one_step || (path.empty() && !move->needless))
    co_return co_await native::act_on(ctx, native, clause, found);
  ActionResult nothing;
  nothing.changed = "nothing";
  nothing.detail = found.what + " is so already";
  if (move->needless) co_return nothing;
  Context limited = ctx.with_timeout(stagehand_limit(ctx), "element");
  const Target target = native::target_of(found);
  CO_TRY_VOID(co_await stagehand_ready(limited, native, target, move->method));
  services::StagehandAction action{.selector = "xpath=" + path,
                                   .description = found.what,
                                   .method = move->method,
                                   .arguments = move->arguments};
  if (action.method == "fill") co_return co_await fill_at(ctx, std::move(action));
  co_return co_await do_action(ctx, std::move(action));
}

// By the runtime's locator, which does it in half the time of its act.
Async<ActionResult> StagehandAct::fill_at(Context& ctx, services::StagehandAction action) {
  const auto value = revealed(action.arguments.front(), variables_);
  if (!value) co_return value.error();
  tab_.own().expect_action();
  const services::stagehand::Locator place{.page = tab_.own().page().target_id(),
                                           .selector = action.selector,
                                           .timeout = stagehand_limit(ctx)};
  auto request = services::stagehand::fill(place, *value);
  CO_TRY(const auto filled, co_await tab_.runtime->call(ctx, std::move(request)));
  (void)filled;
  services::StagehandActResult done{.success = true, .description = action.description};
  done.actions.push_back(std::move(action));
  co_return co_await effect(ctx, done);
}

// What it did, as the page tells it.
Async<ActionResult> StagehandAct::effect(Context& ctx, const services::StagehandActResult& done) {
  CO_TRY(auto change, co_await tab_.own().changes(ctx));
  const std::string what = done.description;
  if (change.missed)
    co_return fail(Errc::not_actionable,
                   what + ": the press hit " + change.hit_instead + " instead",
                   "page " + tab_.url());
  ActionResult result;
  result.changed = std::move(change.kind);
  const std::string method = done.actions.empty() ? "act" : done.actions.front().method;
  result.detail = method + " " + what;
  co_return result;
}

}  // namespace troupe::interact
