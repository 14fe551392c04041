#include "interact/stagehand_runtime_interactor.h"

#include <algorithm>
#include <map>

#include "interact/asked_values.h"
#include "interact/concealed.h"
#include "interact/extract_reading.h"
#include "interact/handlers.h"
#include "interact/model_actions.h"
#include "interact/native_interactor.h"
#include "interact/stagehand_act.h"
#include "interact/stagehand_results.h"
#include "net/url.h"
#include "services/stagehand_calls.h"
#include "services/stagehand_runtime.h"

namespace troupe::interact {
namespace {

using services::StagehandRuntime;
using std::chrono::milliseconds;

constexpr std::size_t kSecretsMax = 256;

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
    if (spec.provider == "cdp") return {};
    const auto extension = services::find_stagehand(settings_.folder, settings_.data_dir);
    // An extension that was uploaded by its user must be it.
    if (!extension && spec.extension_id.empty()) return extension.error();
    if (extension) spec.driver_folder = extension->folder;
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
    if (action.kind == "act") {
      keep_secrets(action.args);
      StagehandAct act(tab, *native_, model_, marks_);
      co_return co_await act.perform(ctx, action.args);
    }
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
    if (!tab.runtime->is_ready() && tab.runtime->starts() > 0) {
      CO_TRY(std::string now, co_await tab.own().session().driver_endpoint(ctx));
      tab.runtime->set_endpoint(std::move(now));
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
    // The address of a browser that is one session's alone may have a key in it that changes.
    const bool own = browser.driver_loaded;
    Known& known = runtimes_[{own ? browser.connection : nullptr, own ? std::string() : endpoint}];
    if (known.runtime) co_return known.runtime;
    services::StagehandRuntimeOptions options{.endpoint = endpoint};
    options.in_contexts = !browser.browser_context_id.empty();
    // A browser elsewhere has other files: it must have the extension already.
    const auto url = net::parse_url(endpoint);
    const bool here =
        !own && url &&
        (url->host == "localhost" || url->host == "::1" || url->host.starts_with("127."));
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
                      .details = {{"said", concealed(std::string(message), secrets_)}}});
  }

  // The runtime is told what is to be typed, and tells what it does.
  void keep_secrets(const json::object& args) {
    const auto* given = find(args, "variables");
    if (!given || !given->is_object()) return;
    for (const auto& [name, value] : given->get_object()) {
      const bool known = std::any_of(secrets_.begin(), secrets_.end(),
                                     [&](const auto& kept) { return kept.value() == value; });
      if (!value.is_string() || known) continue;
      if (secrets_.size() >= kSecretsMax) secrets_.erase(secrets_.begin());
      secrets_[std::string(name) + " " + std::to_string(++secrets_kept_)] = value;
    }
  }

  Async<ActionResult> observe(Context& ctx, StagehandTab& tab, const json::object& args) {
    StagehandTopic topic{.mark = stagehand_mark_text(marks_)};
    topic.wanted = find_string(args, "instruction").value_or("");
    topic.secrets = tab.own().secrets();
    topic.limit = static_cast<std::size_t>(
        std::clamp<std::int64_t>(find_int(args, "limit").value_or(50), 1, 1'000));
    topic.use_model = model_ != nullptr;
    const std::string mark = topic.mark;
    std::string instruction =
        (topic.wanted.empty() ? "everything that can be done here" : topic.wanted) + mark;
    StagehandAnswers answers(std::move(topic), model_, {});
    const services::stagehand::Scope scope{.timeout = stagehand_limit(ctx)};
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
    StagehandTopic topic{.mark = stagehand_mark_text(marks_)};
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
    topic.secrets = tab.own().secrets();
    StagehandAnswers answers(std::move(topic), model_, {});
    services::stagehand::Scope scope{.timeout = stagehand_limit(ctx)};
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
  /// By browser: the connection to one that is a session's own, or the address of a shared one.
  std::map<std::pair<const cdp::Connection*, std::string>, Known> runtimes_;
  std::uint64_t marks_ = 0;
  json::object secrets_;  ///< What was typed lately: not to stand in what the runtime says.
  std::uint64_t secrets_kept_ = 0;
};

}  // namespace

std::unique_ptr<Interactor> make_stagehand_runtime_interactor(StagehandRuntimeSettings settings,
                                                              services::Model* model,
                                                              observe::Log& log) {
  return std::make_unique<StagehandRuntimeInteractor>(std::move(settings), model, log);
}

}  // namespace troupe::interact
