#include "interact/stagehand_interactor.h"

#include <algorithm>
#include <array>

#include "interact/asked_values.h"
#include "interact/native_interactor.h"
#include "interact/native_tab.h"
#include "interact/stagehand_results.h"
#include "net/url.h"

namespace troupe::interact {
namespace {

using services::StagehandApi;
using services::StagehandCall;
using services::StagehandFailure;
using services::StagehandNote;

// What a person would notice of a change: address, text, values of fields, focus.
constexpr std::string_view kFingerprint = R"((() => {
  const hash = (text) => {
    let h = 0;
    for (let i = 0; i < text.length; i++) h = (h * 31 + text.charCodeAt(i)) | 0;
    return h;
  };
  const fields = [...document.querySelectorAll('input,textarea,select')]
    .map((e) => e.type === 'checkbox' || e.type === 'radio' ? String(e.checked) : e.value);
  const root = document.documentElement;
  const path = (e) => e && e !== document.body ? path(e.parentElement) + '/' +
    [...(e.parentElement ? e.parentElement.children : [])].indexOf(e) : '';
  return {url: location.href, value: hash(fields.join('\u0000')),
          dom: hash(root ? root.outerHTML : ''), focus: path(document.activeElement)};
})())";

class StagehandTab final : public Tab {
 public:
  StagehandTab(sessions::LiveSession& session, std::unique_ptr<Tab> native)
      : session_(session), native_(std::move(native)) {}
  std::string url() const override { return native_->url(); }

  sessions::LiveSession& session() { return session_; }
  NativeTab& native() { return static_cast<NativeTab&>(*native_); }
  std::unique_ptr<Tab> release_native() { return std::move(native_); }

  std::string remote;  ///< Session at the service; empty: none yet.

 private:
  sessions::LiveSession& session_;
  std::unique_ptr<Tab> native_;
};

bool is_loopback(const std::string& address) {
  const auto url = net::parse_url(address);
  return url && (url->host == "localhost" || url->host == "::1" || url->host.starts_with("127."));
}

// Whether an act that did not succeed had found nothing to act on.
bool found_nothing(const services::StagehandActResult& result) {
  if (result.actions.empty()) return true;
  std::string text = result.message;
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const char* words : {"could not find", "no action found", "not found"})
    if (text.find(words) != std::string::npos) return true;
  return false;
}

class StagehandInteractor final : public Interactor {
 public:
  StagehandInteractor(StagehandInteractorOptions options, std::unique_ptr<net::HttpClient> http,
                      Clock& clock, Random random, observe::Log& log)
      : model_(std::move(options.model)),
        hosted_(!is_loopback(options.service.base_url)),
        http_(std::move(http)),
        log_(log) {
    api_ =
        services::make_stagehand_api(std::move(options.service), *http_, clock, std::move(random));
  }

  std::string_view name() const override { return "stagehand-api"; }
  // The service drives the session's browser: it needs an endpoint of its own.
  Result<void> require(SessionSpec& spec) const override {
    spec.connectable = true;
    return {};
  }

  Async<std::unique_ptr<Tab>> open(Context& ctx, sessions::LiveSession& session,
                                   InteractOptions options) override {
    CO_TRY(auto native, co_await native_->open(ctx, session, std::move(options)));
    std::unique_ptr<Tab> tab = std::make_unique<StagehandTab>(session, std::move(native));
    co_return tab;
  }

  Async<ActionResult> perform(Context& ctx, Tab& tab, Action action) override {
    auto& own = static_cast<StagehandTab&>(tab);
    const bool in_words = action.kind == "act" || action.kind == "observe" ||
                          action.kind == "agent" ||
                          (action.kind == "extract" && !says_where(action.args));
    if (!in_words) co_return co_await native_->perform(ctx, own.native(), std::move(action));
    ++own.session().counters().actions;
    CO_TRY(const bool opened, co_await own.native().need_page(ctx));
    (void)opened;
    own.native().enter(nullptr);
    auto result = co_await in_session(ctx, own, action);
    if (result) co_return result;
    Error error = result.error();
    if (error.source.empty()) error.source = "page " + own.url();
    co_return error;
  }

  Async<std::string> screenshot(Context& ctx, Tab& tab) override {
    auto& own = static_cast<StagehandTab&>(tab);
    co_return co_await native_->screenshot(ctx, own.native());
  }

  Async<void> close(Context& ctx, std::unique_ptr<Tab> tab, bool clean) override {
    auto& own = static_cast<StagehandTab&>(*tab);
    auto closed = co_await native_->close(ctx, own.release_native(), clean);
    if (own.remote.empty() || !api_) co_return closed;
    auto ended = co_await (*api_)->end(ctx, own.remote);
    if (!ended) {
      const Error why = ended.error();
      log_.write(ctx.ids(), {.level = observe::Level::warning,
                             .action = "stagehand.end",
                             .status = "failed",
                             .error = &why});
    }
    co_return closed;
  }

 private:
  // A service that was started again does not know the session any more: nothing was done, so it
  // is done in a new one.
  Async<ActionResult> in_session(Context& ctx, StagehandTab& tab, const Action& action) {
    for (bool again = false;; again = true) {
      CO_TRY_VOID(co_await need_remote(ctx, tab));
      StagehandNote note;
      auto result = co_await dispatch(ctx, tab, action, note);
      if (result || note.failure != StagehandFailure::missing) co_return result;
      tab.remote.clear();
      if (again) co_return result;
    }
  }

  Async<ActionResult> dispatch(Context& ctx, StagehandTab& tab, const Action& action,
                               StagehandNote& note) {
    if (action.kind == "act") co_return co_await act(ctx, tab, action.args, note);
    if (action.kind == "observe") co_return co_await observe(ctx, tab, action.args, note);
    if (action.kind == "extract") co_return co_await extract(ctx, tab, action.args, note);
    co_return co_await agent(ctx, tab, action.args, note);
  }

  Async<void> need_remote(Context& ctx, StagehandTab& tab) {
    if (!tab.remote.empty()) co_return Result<void>{};
    if (!api_) co_return api_.error();
    if (model_.empty())
      co_return fail(Errc::unsupported, "stagehand-api: no model is configured", "settings",
                     "set models, for example openai/gpt-5-mini, and its key");
    services::StagehandStart start{.model_name = model_.name};
    start.self_heal = false;  // it would act on another element and call it a success
    Session known;
    tab.session().describe(known);
    if (hosted_ && !known.provider_id.empty()) {
      start.browserbase_session_id = known.provider_id;
    } else {
      CO_TRY(start.cdp_url, co_await tab.session().endpoint(ctx));
      if (hosted_ && is_loopback(start.cdp_url))
        co_return fail(Errc::unsupported,
                       "stagehand-api: the hosted service cannot reach a browser on this machine",
                       "settings",
                       "use provider browserbase, or set stagehand_api_url to a service here");
    }
    CO_TRY(auto started, co_await (*api_)->start(ctx, std::move(start)));
    tab.remote = std::move(started.session_id);
    co_return Result<void>{};
  }

  StagehandCall call_of(Context& ctx, StagehandTab& tab, StagehandNote& note) {
    StagehandCall call;
    // The main frame of a page has the id of its target.
    call.frame_id = tab.native().page().target_id();
    call.model = model_;
    call.note = &note;
    // The service gives up before we do, so that it tells why.
    const Duration left = ctx.remaining();
    if (left < std::chrono::hours(24)) call.timeout = left - left / 10;
    const Ids ids = ctx.ids();
    call.on_progress = [this, ids](std::string_view category, std::string_view message) {
      if (log_.enabled(observe::Level::debug))
        log_.write(ids, {.level = observe::Level::debug,
                         .action = "stagehand.progress",
                         .status = "started",
                         .details = {{"category", category}, {"said", message.substr(0, 300)}}});
    };
    return call;
  }

  Async<json::object> fingerprint(Context& ctx, StagehandTab& tab) {
    std::string script(kFingerprint);
    const cdp::Page::EvaluateOptions isolated;
    CO_TRY(auto value, co_await tab.native().page().evaluate(ctx, std::move(script), isolated));
    co_return value.is_object() ? value.get_object() : json::object{};
  }

  // The page after the service's hands were on it: a document that is on its way has arrived.
  Async<std::string> changed_since(Context& ctx, StagehandTab& tab, const json::object& before) {
    cdp::Page& page = tab.native().page();
    Context limited = ctx.with_timeout(std::chrono::seconds(10), "page after act");
    (void)co_await page.wait_loaded(limited, cdp::WaitUntil::domcontentloaded);
    if (!page.take_dialogs().empty()) co_return std::string("dialog");
    const auto after = co_await fingerprint(ctx, tab);
    // One more document came meanwhile.
    if (!after && after.error().code == Errc::navigation_failed) co_return std::string("url");
    if (!after) co_return after.error();
    for (const char* key : {"url", "value", "dom", "focus"}) {
      const json::value* was = find(before, key);
      const json::value* is = find(*after, key);
      if (was && is && *was != *is) co_return std::string(key);
    }
    co_return std::string("nothing");
  }

  // `known` with a selector: that, else what the instruction says.
  Async<services::StagehandActResult> act_at_service(Context& ctx, StagehandTab& tab,
                                                     std::string instruction,
                                                     services::StagehandAction known,
                                                     const json::object& args,
                                                     StagehandNote& note) {
    StagehandCall call = call_of(ctx, tab, note);
    if (const auto* given = find(args, "variables"); given && given->is_object())
      call.variables = given->get_object();
    if (!known.selector.empty())
      co_return co_await (*api_)->act(ctx, tab.remote, std::move(known), std::move(call));
    co_return co_await (*api_)->act(ctx, tab.remote, std::move(instruction), std::move(call));
  }

  Async<ActionResult> act(Context& ctx, StagehandTab& tab, const json::object& args,
                          StagehandNote& note) {
    std::string instruction(find_string(args, "instruction").value_or(""));
    services::StagehandAction known;
    if (has_known_action(args)) {
      CO_TRY(known, known_action(args));
      instruction = known.description;
    }
    (void)tab.native().page().take_dialogs();
    CO_TRY(const json::object before, co_await fingerprint(ctx, tab));
    CO_TRY(const auto done, co_await act_at_service(ctx, tab, instruction, known, args, note));
    ActionResult result;
    result.changed = "nothing";
    if (!done.success) {
      const bool nothing = found_nothing(done);
      result.detail = "not there: " + instruction;
      if (nothing && find_bool(args, "optional").value_or(false)) co_return result;
      co_return fail(nothing ? Errc::target_not_found : Errc::not_actionable,
                     "act \"" + instruction + "\": " + done.message);
    }
    CO_TRY(result.changed, co_await changed_since(ctx, tab, before));
    result.detail = done.message.empty() ? done.description : done.message;
    co_return result;
  }

  Async<ActionResult> observe(Context& ctx, StagehandTab& tab, const json::object& args,
                              StagehandNote& note) {
    std::string instruction(find_string(args, "instruction").value_or(""));
    const auto limit = static_cast<std::size_t>(
        std::clamp<std::int64_t>(find_int(args, "limit").value_or(50), 1, 1'000));
    StagehandCall call = call_of(ctx, tab, note);
    CO_TRY(const auto actions,
           co_await (*api_)->observe(ctx, tab.remote, std::move(instruction), std::move(call)));
    json::array rows;
    for (const auto& action : actions)
      if (rows.size() < limit) rows.push_back(observed_row(action));
    ActionResult result;
    result.detail = "found " + std::to_string(rows.size()) + " elements";
    result.output = std::move(rows);
    result.changed = "nothing";
    co_return result;
  }

  Async<ActionResult> extract(Context& ctx, StagehandTab& tab, const json::object& args,
                              StagehandNote& note) {
    StagehandCall call = call_of(ctx, tab, note);
    call.selector = find_string(args, "within").value_or("");
    if (call.selector.starts_with("text=") || call.selector.starts_with("role="))
      co_return fail(Errc::unsupported,
                     "extract: within \"" + call.selector + "\" is neither CSS nor XPath",
                     "extract", "name the region by a CSS selector or xpath=…");
    ActionResult result;
    result.changed = "nothing";
    result.detail = "extracted 1 record";
    if (!args.contains("fields") && !args.contains("schema")) {
      std::string instruction(find_string(args, "instruction").value_or(""));
      const std::optional<json::object> any;
      CO_TRY(result.output, co_await (*api_)->extract(ctx, tab.remote, std::move(instruction), any,
                                                      std::move(call)));
      co_return result;
    }
    CO_TRY(const auto plan, plan_extraction(args));
    std::string instruction = instruction_of(args, plan);
    std::optional<json::object> schema = schema_of(plan);
    CO_TRY(json::value answer, co_await (*api_)->extract(ctx, tab.remote, std::move(instruction),
                                                         std::move(schema), std::move(call)));
    const json::value raw = raw_values(plan, args, std::move(answer));
    CO_TRY(result.output, type_values(plan, raw, tab.url()));
    if (plan.list && result.output.is_array()) {
      const auto count = result.output.get_array().size();
      result.detail = "extracted " + std::to_string(count) + (count == 1 ? " record" : " records");
    }
    co_return result;
  }

  Async<ActionResult> agent(Context& ctx, StagehandTab& tab, const json::object& args,
                            StagehandNote& note) {
    services::StagehandAgent goal;
    goal.instruction = find_string(args, "goal").value_or("");
    if (const auto steps = find_int(args, "steps_max")) goal.steps_max = static_cast<int>(*steps);
    (void)tab.native().page().take_dialogs();
    CO_TRY(const json::object before, co_await fingerprint(ctx, tab));
    StagehandCall call = call_of(ctx, tab, note);
    CO_TRY(auto done, co_await (*api_)->agent(ctx, tab.remote, std::move(goal), std::move(call)));
    if (!done.success || !done.completed)
      co_return fail(Errc::not_actionable, "agent: the goal was not reached: " + done.message);
    ActionResult result;
    CO_TRY(result.changed, co_await changed_since(ctx, tab, before));
    result.detail = done.message;
    result.output = json::object{{"message", done.message},
                                 {"steps", done.actions.size()},
                                 {"input_tokens", done.input_tokens},
                                 {"output_tokens", done.output_tokens}};
    co_return result;
  }

  services::StagehandModel model_;
  bool hosted_;
  std::unique_ptr<net::HttpClient> http_;
  observe::Log& log_;
  std::unique_ptr<Interactor> native_ = make_native_interactor();
  Result<std::unique_ptr<StagehandApi>> api_ = fail(Errc::internal, "stagehand: not made");
};

}  // namespace

std::unique_ptr<Interactor> make_stagehand_interactor(StagehandInteractorOptions options,
                                                      std::unique_ptr<net::HttpClient> http,
                                                      Clock& clock, Random random,
                                                      observe::Log& log) {
  return std::make_unique<StagehandInteractor>(std::move(options), std::move(http), clock,
                                               std::move(random), log);
}

}  // namespace troupe::interact
