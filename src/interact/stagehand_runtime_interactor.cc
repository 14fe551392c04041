#include "interact/stagehand_runtime_interactor.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "interact/asked_values.h"
#include "interact/extract_reading.h"
#include "interact/handlers.h"
#include "interact/model_actions.h"
#include "interact/native_interactor.h"
#include "interact/stagehand_answers.h"
#include "interact/stagehand_results.h"
#include "net/url.h"
#include "services/stagehand_calls.h"
#include "services/stagehand_runtime.h"

namespace troupe::interact {
namespace {

using services::StagehandRuntime;
using std::chrono::milliseconds;

constexpr Duration kBeforeAsking = milliseconds(2'000);
constexpr Duration kOptionalPatience = milliseconds(1'000);
constexpr std::int64_t kLookAgainMs = 250;

class StagehandTab final : public Tab, public Navigator {
 public:
  explicit StagehandTab(std::unique_ptr<Tab> native) : native_(std::move(native)) {
    own().set_navigator(this);
  }
  std::string url() const override { return native_->url(); }
  NativeTab& own() { return static_cast<NativeTab&>(*native_); }
  std::unique_ptr<Tab> release_native() { return std::move(native_); }

  Async<cdp::Navigation> navigate(Context& ctx, NativeTab& tab, std::string url,
                                  cdp::WaitUntil until) override;

  std::shared_ptr<StagehandRuntime> runtime;
  std::function<Async<void>(Context&, StagehandTab&)> prepare;
  int known_since = 0;  ///< The start of the runtime that knew the page.

 private:
  std::unique_ptr<Tab> native_;
};

// For the runtime itself: it gives up before we do, so that it tells why and stays whole.
Duration limit_of(const Context& ctx) {
  const Duration left = std::min<Duration>(ctx.remaining(), std::chrono::hours(1));
  return std::max<Duration>(left - left / 10, milliseconds(1));
}

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

json::object need_of(std::string_view method) {
  if (method == "click" || method == "doubleClick")
    return {{"enabled", true}, {"point", true}, {"mark", true}, {"guard", true}};
  if (method == "hover" || method == "dragAndDrop") return {{"point", true}, {"mark", true}};
  if (method == "fill" || method == "type")
    return {{"enabled", true}, {"editable", true}, {"mark", true}};
  return {{"enabled", true}, {"mark", true}};
}

// Waits until it is so, as for the native engine's own actions.
Async<void> await_ready(Context& ctx, NativeTab& tab, const Target& target, std::string method) {
  json::array args{target.query, need_of(method)};
  CO_TRY(const auto found, co_await tab.locate(ctx, target, kCore, "ready", std::move(args)));
  (void)found;
  co_return Result<void>{};
}

// Nothing is known of the element: what changes is noted all the same.
Async<void> mark_page(Context& ctx, NativeTab& tab) {
  json::array args{nullptr, 0};
  CO_TRY(const auto marked, co_await tab.call(ctx, kInput, "focus", std::move(args)));
  (void)marked;
  co_return Result<void>{};
}

// The runtime names elements by the browser's own numbers: the same ones for us, but those of
// frames in other processes. Nothing: it is none that we can reach.
Async<std::optional<int>> reference_of(Context& ctx, NativeTab& tab,
                                       const StagehandElement& element) {
  json::array none;
  CO_TRY(const auto foreign, co_await tab.call(ctx, kCore, "foreign", std::move(none)));
  if (!element.in_main && foreign != json::value(0)) co_return std::nullopt;
  std::int64_t node = 0;
  const auto dash = element.id.find('-') + 1;
  std::from_chars(element.id.data() + dash, element.id.data() + element.id.size(), node);
  cdp::Page& page = tab.page();
  std::string frame = page.target_id();
  CO_TRY(const auto world, co_await page.isolated_world(ctx, std::move(frame)));
  json::object resolve{{"backendNodeId", node}, {"executionContextId", world}};
  const auto resolved = co_await page.call(ctx, "DOM.resolveNode", std::move(resolve));
  if (!resolved && resolved.error().code == Errc::protocol_error) co_return std::nullopt;
  if (!resolved) co_return resolved.error();
  const json::value* object = find(*resolved, "object");
  const json::value* id = object ? find(*object, "objectId") : nullptr;
  json::object call{{"objectId", id ? *id : json::value("")},
                    {"functionDeclaration",
                     "function(){return __troupe.remember(this.nodeType===1?this:"
                     "this.parentElement)}"},
                    {"returnByValue", true}};
  CO_TRY(const auto answer, co_await page.call(ctx, "Runtime.callFunctionOn", std::move(call)));
  const json::value* result = find(answer, "result");
  const json::value* value = result ? find(*result, "value") : nullptr;
  if (!value || !value->is_int64()) co_return std::nullopt;
  co_return static_cast<int>(value->get_int64());
}

// What we cannot reach is left to the runtime.
Async<void> make_ready(Context& ctx, NativeTab& tab, StagehandElement element) {
  CO_TRY(const auto ref, co_await reference_of(ctx, tab, element));
  if (!ref) co_return co_await mark_page(ctx, tab);
  Target target;
  target.query = {{"ref", *ref}};
  target.text = element.what;
  Context limited = ctx.with_timeout(limit_of(ctx), "element");
  co_return co_await await_ready(limited, tab, target, std::move(element.method));
}

class StagehandRuntimeInteractor final : public Interactor {
 public:
  StagehandRuntimeInteractor(StagehandRuntimeSettings settings, services::Model* model,
                             observe::Log& log)
      : settings_(std::move(settings)),
        model_(model),
        log_(log),
        native_(make_native_interactor(model, settings_.actions)) {}

  std::string_view name() const override { return "stagehand"; }

  Result<void> require(SessionSpec& spec) const override {
    if (spec.provider == "browserbase")
      return fail(Errc::unsupported, "stagehand: provider browserbase does not have its runtime",
                  "settings", "use interactor stagehand-api there");
    if (spec.provider != "local") return {};
    TRY(const auto extension, services::find_stagehand(settings_.folder, settings_.data_dir));
    spec.driver_folder = extension.folder;
    return {};
  }

  Async<std::unique_ptr<Tab>> open(Context& ctx, sessions::LiveSession& session,
                                   InteractOptions options) override {
    CO_TRY(auto native, co_await native_->open(ctx, session, std::move(options)));
    auto own = std::make_unique<StagehandTab>(std::move(native));
    own->prepare = [this](Context& call, StagehandTab& tab) { return prepare(call, tab); };
    std::unique_ptr<Tab> tab = std::move(own);
    co_return tab;
  }

  Async<ActionResult> perform(Context& ctx, Tab& tab, Action action) override {
    auto& own = static_cast<StagehandTab&>(tab);
    const bool ours = action.kind == "act" || action.kind == "observe" ||
                      (action.kind == "extract" && !says_where(action.args));
    if (!ours) co_return co_await native_->perform(ctx, own.own(), std::move(action));
    ++own.own().session().counters().actions;
    auto result = co_await dispatch(ctx, own, action);
    if (result) {
      note_dialogs(own, *result);
      co_return result;
    }
    Error error = result.error();
    if (error.source.empty() || error.source == "stagehand") error.source = "page " + own.url();
    co_return error;
  }

  Async<std::string> storage(Context& ctx, Tab& tab) override {
    co_return co_await native_->storage(ctx, static_cast<StagehandTab&>(tab).own());
  }
  Async<std::string> screenshot(Context& ctx, Tab& tab) override {
    co_return co_await native_->screenshot(ctx, static_cast<StagehandTab&>(tab).own());
  }
  Async<void> close(Context& ctx, std::unique_ptr<Tab> tab, bool clean) override {
    auto& own = static_cast<StagehandTab&>(*tab);
    co_return co_await native_->close(ctx, own.release_native(), clean);
  }

 private:
  struct Known {
    std::shared_ptr<StagehandRuntime> runtime;
    std::weak_ptr<const void> alive;  ///< The connection it uses.
  };

  static void note_dialogs(StagehandTab& tab, ActionResult& result) {
    const auto dialogs = tab.own().page().take_dialogs();
    for (const cdp::Dialog& dialog : dialogs) {
      result.changed = "dialog";
      result.detail += std::string(result.detail.empty() ? "" : "; ") + dialog.type + " \"" +
                       dialog.message.substr(0, 200) + "\" was " +
                       (dialog.accepted ? "accepted" : "dismissed");
    }
  }

  Async<ActionResult> dispatch(Context& ctx, StagehandTab& tab, const Action& action) {
    CO_TRY_VOID(co_await prepare(ctx, tab));
    tab.own().enter(nullptr);
    (void)tab.own().page().take_dialogs();
    if (action.kind == "act") co_return co_await act(ctx, tab, action.args);
    if (action.kind == "observe") co_return co_await observe(ctx, tab, action.args);
    co_return co_await extract(ctx, tab, action.args);
  }

  // A page, the browser's runtime, and each known to the other.
  Async<void> prepare(Context& ctx, StagehandTab& tab) {
    CO_TRY(const bool opened, co_await tab.own().need_page(ctx));
    (void)opened;
    if (!tab.runtime) {
      CO_TRY(tab.runtime, co_await runtime_of(ctx, tab.own().session()));
    }
    CO_TRY_VOID(co_await tab.runtime->ensure(ctx));
    if (tab.known_since == tab.runtime->starts()) co_return Result<void>{};
    for (;;) {
      const std::string page = tab.own().page().target_id();
      services::StagehandRequest request = services::stagehand::url(page);
      auto known = co_await services::stagehand_text(ctx, *tab.runtime, std::move(request));
      if (known) break;
      if (known.error().code != Errc::page_crashed) co_return known.error();
      if (tab.own().page().closed() || tab.own().page().crashed()) co_return known.error();
      CO_TRY_VOID(co_await sleep_for(ctx, milliseconds(20)));
    }
    tab.known_since = tab.runtime->starts();
    co_return Result<void>{};
  }

  Async<std::shared_ptr<StagehandRuntime>> runtime_of(Context& ctx,
                                                      sessions::LiveSession& session) {
    std::erase_if(runtimes_, [](const auto& row) { return row.second.alive.expired(); });
    CO_TRY(const std::string endpoint, co_await session.driver_endpoint(ctx));
    CO_TRY(const auto browser, session.browser());
    Known& known = runtimes_[endpoint];
    if (known.runtime) co_return known.runtime;
    services::StagehandRuntimeOptions options{.endpoint = endpoint};
    // A browser elsewhere has other files: it must have the extension already.
    const auto url = net::parse_url(endpoint);
    const bool here =
        url && (url->host == "localhost" || url->host == "::1" || url->host.starts_with("127."));
    const auto extension = services::find_stagehand(settings_.folder, settings_.data_dir);
    if (here && extension) options.folder = extension->folder;
    if (log_.enabled(observe::Level::debug)) options.log_level = "info";
    options.on_log = [this](std::string_view level, std::string_view message) {
      tell(level, message);
    };
    known.alive = browser.connection->lifetime();
    known.runtime = std::make_shared<StagehandRuntime>(*browser.connection, std::move(options));
    co_return known.runtime;
  }

  void tell(std::string_view level, std::string_view message) {
    const auto own =
        level == "error" || level == "warn" ? observe::Level::warning : observe::Level::debug;
    if (log_.enabled(own))
      log_.write({}, {.level = own,
                      .action = "stagehand.says",
                      .status = std::string(level),
                      .details = {{"said", message}}});
  }

  std::string next_mark() { return " (call t" + std::to_string(++marks_) + ")"; }

  Async<ActionResult> act(Context& ctx, StagehandTab& tab, const json::object& args) {
    const bool optional = find_bool(args, "optional").value_or(false);
    if (has_known_action(args)) co_return co_await act_known(ctx, tab, args, optional);
    // Variables are typed by us alone: neither the runtime nor a model is told their values.
    if (const auto* variables = find(args, "variables"); variables && !variables->is_null()) {
      Action same{.kind = "act", .args = args};
      co_return co_await native_->perform(ctx, tab.own(), std::move(same));
    }
    const std::string instruction(find_string(args, "instruction").value_or(""));
    auto clauses = parse_instruction(instruction);
    const bool plain = bool(clauses);
    if (!plain && !model_) co_return clauses.error();
    if (!plain) clauses = std::vector<Clause>{{.source = instruction}};
    ActionResult whole;
    whole.changed = "nothing";
    for (std::size_t i = 0; i < clauses->size(); ++i) {
      auto done = co_await do_clause(ctx, tab, (*clauses)[i], plain, optional);
      if (!done) {
        Error error = done.error();
        if (optional && i == 0 && error.code == Errc::target_not_found) {
          whole.detail = "skipped: " + error.message;
          co_return whole;
        }
        if (clauses->size() > 1)
          error.message = "part " + std::to_string(i + 1) + " of " +
                          std::to_string(clauses->size()) + " (" + (*clauses)[i].source +
                          "): " + error.message;
        co_return error;
      }
      if (done->changed != "nothing") whole.changed = done->changed;
      whole.detail += std::string(whole.detail.empty() ? "" : ", ") + done->detail;
    }
    co_return whole;
  }

  // The runtime would fail at once where the element is not there yet, and press what is covered.
  Async<ActionResult> act_known(Context& ctx, StagehandTab& tab, const json::object& args,
                                bool optional) {
    CO_TRY(const auto known, known_action(args));
    if (!stagehand_knows(known.selector)) {
      CO_TRY(Action same, native_action(known));
      co_return co_await native_->perform(ctx, tab.own(), std::move(same));
    }
    const Duration limit = optional ? kOptionalPatience : limit_of(ctx);
    Context waiting = ctx.with_timeout(limit, "element");
    const auto ready = co_await await_known(waiting, tab, known);
    ActionResult skipped;
    skipped.changed = "nothing";
    if (!ready) skipped.detail = "skipped: " + ready.error().message;
    if (!ready && optional && ready.error().code == Errc::target_not_found) co_return skipped;
    if (!ready) co_return ready.error();
    tab.own().expect_action();
    const services::stagehand::Scope scope{.timeout = limit_of(ctx)};
    auto request = services::stagehand::act(tab.own().page().target_id(), known, scope);
    CO_TRY(const auto done,
           co_await services::stagehand_act(ctx, *tab.runtime, std::move(request)));
    if (!done.success)
      co_return fail(Errc::not_actionable, "act: " + done.message, "page " + tab.url());
    co_return co_await effect(ctx, tab, done);
  }

  // An XPath that goes through frames is the runtime's own.
  Async<void> await_known(Context& ctx, StagehandTab& tab, const services::StagehandAction& known) {
    const bool deep = known.selector.find("/iframe[") != std::string::npos ||
                      known.selector.find(">>") != std::string::npos;
    json::object args{{"selector", known.selector}};
    const auto target = parse_target(args);
    if (!deep && target) {
      std::string method = known.method;
      co_return co_await await_ready(ctx, tab.own(), *target, std::move(method));
    }
    auto request = services::stagehand::wait_selector(tab.own().page().target_id(), known.selector,
                                                      "visible", limit_of(ctx));
    auto there = co_await services::stagehand_flag(ctx, *tab.runtime, std::move(request));
    if (!there && there.error().code != Errc::timeout) co_return there.error();
    if (!there || !*there)
      co_return fail(Errc::target_not_found, known.selector + ": no element matches",
                     "page " + tab.url());
    co_return co_await mark_page(ctx, tab.own());
  }

  // The element may still come: asked again after each change of the page. The rules first; a model
  // after two seconds, once.
  Async<ActionResult> do_clause(Context& ctx, StagehandTab& tab, const Clause& clause, bool plain,
                                bool optional) {
    const bool keys_only = clause.verb == Verb::press && clause.target.empty();
    if (!can_do(clause.verb) || keys_only || is_composite(clause)) {
      Action same{.kind = "act", .args = {{"instruction", clause.source}, {"optional", optional}}};
      co_return co_await native_->perform(ctx, tab.own(), std::move(same));
    }
    const SteadyTime begin = ctx.clock().now();
    const Duration patience = optional ? kOptionalPatience : Duration(std::chrono::hours(1));
    bool asked = false;
    for (;;) {
      const Duration spent = ctx.clock().now() - begin;
      StagehandTopic topic{.mark = next_mark(), .clause = clause};
      topic.use_rules = plain;
      topic.use_model = !asked && patience >= kBeforeAsking && (!plain || spent >= kBeforeAsking);
      StagehandVerdict verdict;
      auto done = co_await try_act(ctx, tab, std::move(topic), verdict);
      asked = asked || verdict.asked_model;
      if (done || !verdict.refused) co_return done;
      const bool over = ctx.clock().now() - begin >= patience || page_wait_ms(ctx) < 50;
      const bool unknown = verdict.refused->code == Errc::target_not_found ||
                           verdict.refused->code == Errc::target_ambiguous;
      if (over || !unknown || (!plain && asked)) co_return *verdict.refused;
      CO_TRY_VOID(co_await page_changes(ctx, tab));
    }
  }

  Async<void> page_changes(Context& ctx, StagehandTab& tab) {
    json::array args{std::min<std::int64_t>(page_wait_ms(ctx), kLookAgainMs)};
    auto quiet = co_await tab.own().call(ctx, kCore, "quiet", std::move(args));
    if (quiet) co_return Result<void>{};
    if (quiet.error().code != Errc::navigation_failed) co_return quiet.error();
    auto next = co_await tab.own().page().wait_loaded(ctx, cdp::WaitUntil::domcontentloaded);
    if (!next) co_return next.error();
    co_return Result<void>{};
  }

  Async<ActionResult> try_act(Context& ctx, StagehandTab& tab, StagehandTopic topic,
                              StagehandVerdict& verdict) {
    const std::string mark = topic.mark;
    const std::string instruction = topic.clause.source + mark;
    NativeTab* const native = &tab.own();
    StagehandAnswers answers(std::move(topic), model_,
                             [native](Context& call, StagehandElement element) {
                               return make_ready(call, *native, std::move(element));
                             });
    native->expect_action();
    const services::stagehand::Scope scope{.timeout = limit_of(ctx)};
    auto request = services::stagehand::act(native->page().target_id(), instruction, scope);
    services::StagehandAsker asker{.servant = &answers, .mark = mark};
    auto done =
        co_await services::stagehand_act(ctx, *tab.runtime, std::move(request), std::move(asker));
    verdict = answers.verdict();
    if (!done) co_return done.error();
    ActionResult result;
    result.changed = "nothing";
    result.detail = verdict.what + " is so already";
    if (verdict.done_already) co_return result;
    if (verdict.refused) co_return *verdict.refused;
    if (!done->success)
      co_return fail(Errc::not_actionable, "act: " + done->message, "page " + tab.url());
    co_return co_await effect(ctx, tab, *done);
  }

  // What it did, as the page tells it.
  Async<ActionResult> effect(Context& ctx, StagehandTab& tab,
                             const services::StagehandActResult& done) {
    CO_TRY(auto change, co_await tab.own().changes(ctx));
    const std::string what = done.description;
    if (change.missed)
      co_return fail(Errc::not_actionable,
                     what + ": the press hit " + change.hit_instead + " instead",
                     "page " + tab.url());
    ActionResult result;
    result.changed = std::move(change.kind);
    const std::string method = done.actions.empty() ? "act" : done.actions.front().method;
    result.detail = method + " " + what;
    co_return result;
  }

  Async<ActionResult> observe(Context& ctx, StagehandTab& tab, const json::object& args) {
    StagehandTopic topic{.mark = next_mark()};
    topic.wanted = find_string(args, "instruction").value_or("");
    topic.limit = static_cast<std::size_t>(
        std::clamp<std::int64_t>(find_int(args, "limit").value_or(50), 1, 1'000));
    topic.use_model = model_ != nullptr;
    const std::string mark = topic.mark;
    std::string instruction =
        (topic.wanted.empty() ? "everything that can be done here" : topic.wanted) + mark;
    StagehandAnswers answers(std::move(topic), model_, {});
    const services::stagehand::Scope scope{.timeout = limit_of(ctx)};
    auto request = services::stagehand::observe(tab.own().page().target_id(), instruction, scope);
    services::StagehandAsker asker{.servant = &answers, .mark = mark};
    auto found = co_await services::stagehand_observe(ctx, *tab.runtime, std::move(request),
                                                      std::move(asker));
    if (!found) co_return answers.verdict().refused.value_or(found.error());
    json::array rows;
    for (const auto& action : *found) rows.push_back(observed_row(action));
    ActionResult result;
    result.detail = "found " + std::to_string(rows.size()) + " elements";
    result.output = std::move(rows);
    result.changed = "nothing";
    co_return result;
  }

  // What the rules can read, as the page has it; null where they found nothing.
  Async<json::value> read_natively(Context& ctx, StagehandTab& tab, const ExtractionPlan& plan) {
    CO_TRY(auto read, co_await native::read_values(ctx, tab.own(), plan, true));
    co_return std::move(read.value);
  }

  Async<ActionResult> extract(Context& ctx, StagehandTab& tab, const json::object& args) {
    ActionResult result;
    result.changed = "nothing";
    result.detail = "extracted 1 record";
    StagehandTopic topic{.mark = next_mark()};
    if (!args.contains("fields") && !args.contains("schema")) {
      const std::string instruction(find_string(args, "instruction").value_or(""));
      CO_TRY(result.output,
             co_await ask_runtime(ctx, tab, args, instruction, {}, std::move(topic)));
      co_return result;
    }
    CO_TRY(const auto plan, plan_extraction(args));
    CO_TRY(const json::value raw, co_await read_natively(ctx, tab, plan));
    auto typed = type_values(plan, raw, tab.url());
    const bool whole = typed && !native::should_ask(tab.own(), args, *typed);
    if (!whole && !model_) co_return typed.error();
    json::object schema = schema_of(plan);
    if (whole) {
      drop_formats(schema);
      topic.known = plan.list ? json::value(json::object{{"items", raw}}) : raw;
    }
    const std::string instruction = instruction_of(args, plan);
    CO_TRY(json::value answer,
           co_await ask_runtime(ctx, tab, args, instruction, std::move(schema), std::move(topic)));
    const json::value told = raw_values(plan, args, std::move(answer));
    CO_TRY(result.output, type_values(plan, told, tab.url()));
    if (!whole && typed) result.output = native::merged(std::move(*typed), result.output);
    if (plan.list && result.output.is_array()) {
      const auto count = result.output.get_array().size();
      result.detail = "extracted " + std::to_string(count) + (count == 1 ? " record" : " records");
    }
    co_return result;
  }

  Async<json::value> ask_runtime(Context& ctx, StagehandTab& tab, const json::object& args,
                                 const std::string& wanted, json::object schema,
                                 StagehandTopic topic) {
    const std::string mark = topic.mark;
    std::string instruction = (wanted.empty() ? "what the page says" : wanted) + mark;
    StagehandAnswers answers(std::move(topic), model_, {});
    services::stagehand::Scope scope{.timeout = limit_of(ctx)};
    scope.locator = find_string(args, "within").value_or("");
    auto request = services::stagehand::extract(tab.own().page().target_id(), instruction,
                                                std::move(schema), scope);
    services::StagehandAsker asker{.servant = &answers, .mark = mark};
    auto told = co_await services::stagehand_extract(ctx, *tab.runtime, std::move(request),
                                                     std::move(asker));
    if (!told) co_return answers.verdict().refused.value_or(told.error());
    co_return told;
  }

  // The runtime puts element numbers in place of addresses; what we know are addresses already.
  static void drop_formats(json::value& schema) {
    if (auto* object = schema.if_object()) {
      object->erase("format");
      for (auto& member : *object) drop_formats(member.value());
    }
    if (auto* list = schema.if_array())
      for (json::value& one : *list) drop_formats(one);
  }
  static void drop_formats(json::object& schema) {
    for (auto& member : schema) drop_formats(member.value());
  }

  StagehandRuntimeSettings settings_;
  services::Model* model_;
  observe::Log& log_;
  std::unique_ptr<Interactor> native_;
  std::map<std::string, Known> runtimes_;
  std::uint64_t marks_ = 0;
};

Async<cdp::Navigation> StagehandTab::navigate(Context& ctx, NativeTab& tab, std::string url,
                                              cdp::WaitUntil until) {
  CO_TRY_VOID(co_await prepare(ctx, *this));
  if (until == cdp::WaitUntil::commit)
    co_return co_await tab.page().navigate(ctx, std::move(url), until);
  const services::stagehand::Load load{.until = until, .timeout = limit_of(ctx)};
  auto request = services::stagehand::go_to(tab.page().target_id(), url, load);
  auto gone = co_await services::stagehand_navigate(ctx, *runtime, std::move(request));
  // It calls an error page a success, and does not say what was wrong: navigating tells.
  const bool failed =
      gone ? gone->url.starts_with("chrome-error:") : gone.error().code == Errc::protocol_error;
  if (failed) co_return co_await tab.page().navigate(ctx, std::move(url), until);
  co_return gone;
}

}  // namespace

std::unique_ptr<Interactor> make_stagehand_runtime_interactor(StagehandRuntimeSettings settings,
                                                              services::Model* model,
                                                              observe::Log& log) {
  return std::make_unique<StagehandRuntimeInteractor>(std::move(settings), model, log);
}

}  // namespace troupe::interact
