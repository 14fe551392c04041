#include "interact/native_interactor.h"

#include <algorithm>
#include <array>

#include "interact/actions.h"
#include "interact/handlers.h"
#include "interact/stagehand_results.h"

namespace troupe::interact {
namespace {

struct HandlerRow {
  std::string_view kind;
  native::Handler handler;
};

constexpr std::array kHandlers = std::to_array<HandlerRow>({
    {"goto", native::go_to},
    {"act", native::act},
    {"agent", native::agent},
    {"extract", native::extract},
    {"observe", native::observe},
    {"click", native::click},
    {"fill", native::fill},
    {"select", native::select},
    {"press", native::press},
    {"hover", native::hover},
    {"scroll", native::scroll},
    {"wait_for", native::wait_for},
    {"screenshot", native::screenshot},
    {"evaluate", native::evaluate},
    {"download", native::download},
    {"upload", native::upload},
});

// A dialog that the action opened is what a person would tell first.
void note_dialogs(NativeTab& tab, ActionResult& result) {
  if (!tab.has_page()) return;
  const auto dialogs = tab.page().take_dialogs();
  for (const cdp::Dialog& dialog : dialogs) {
    result.changed = "dialog";
    result.detail += std::string(result.detail.empty() ? "" : "; ") + dialog.type + " \"" +
                     dialog.message.substr(0, 200) + "\" was " +
                     (dialog.accepted ? "accepted" : "dismissed");
  }
}

// Refused before a page is opened for it.
Error no_agent() {
  return fail(Errc::unsupported, "agent: its steps are planned by a model, and none is configured",
              "action", "write the steps, or configure a model (docs/guides/models.md)");
}

constexpr std::string_view kReadStorage = R"((() => { try {
  const all = (s) => Object.fromEntries(Object.keys(s).map((k) => [k, s.getItem(k)]));
  const text = JSON.stringify([location.origin, all(localStorage), all(sessionStorage)]);
  return text.length > 131072 ? null : text;
} catch { return null; } })())";

// A page that was only opened tells itself when it is ready.
bool only_reads(std::string_view kind) {
  constexpr std::array kKinds =
      std::to_array<std::string_view>({"extract", "observe", "screenshot", "goto", "wait_for"});
  return std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end();
}

class NativeInteractor final : public Interactor {
 public:
  NativeInteractor(services::Model* model, ActionCache* actions)
      : model_(model), actions_(actions) {}
  std::string_view name() const override { return "native"; }

  Async<std::unique_ptr<Tab>> open(Context& ctx, sessions::LiveSession& session,
                                   InteractOptions options) override {
    CO_TRY_VOID(ctx.check());
    std::unique_ptr<Tab> tab =
        std::make_unique<NativeTab>(session, std::move(options), model_, actions_);
    co_return tab;
  }

  Async<ActionResult> perform(Context& ctx, Tab& tab, Action action) override {
    auto& own = static_cast<NativeTab&>(tab);
    if (action.kind == "agent" && !model_) co_return no_agent();
    if (action.kind == "act" && has_known_action(action.args)) {
      CO_TRY(const auto known, known_action(action.args));
      const bool optional = find_bool(action.args, "optional").value_or(false);
      CO_TRY(action, native_action(known));
      if (optional && action.kind == "click") action.args["optional"] = true;
    }
    const auto row = std::find_if(kHandlers.begin(), kHandlers.end(),
                                  [&](const HandlerRow& r) { return r.kind == action.kind; });
    if (row == kHandlers.end())
      co_return fail(Errc::invalid_argument, "action: there is no \"" + action.kind + "\"");
    if (action.kind != "goto") {
      auto ready = co_await own.need_page(ctx);
      if (!ready) co_return ready.error();
    }
    ++own.session().counters().actions;
    own.enter(nullptr);
    if (own.has_page()) (void)own.page().take_dialogs();
    auto result = co_await row->handler(ctx, own, action.args);
    if (!only_reads(action.kind)) own.note_action(ctx.clock().now());
    if (!result) {
      Error error = result.error();
      if (error.source.empty()) error.source = "page " + own.url();
      if (error.code == Errc::page_crashed) ++own.session().counters().page_errors;
      co_return error;
    }
    note_dialogs(own, *result);
    co_return result;
  }

  Async<std::string> storage(Context& ctx, Tab& tab) override {
    auto& own = static_cast<NativeTab&>(tab);
    if (!own.has_page()) co_return std::string();
    std::string script(kReadStorage);
    cdp::Page::EvaluateOptions main{.isolated = false};
    CO_TRY(const auto value, co_await own.page().evaluate(ctx, std::move(script), main));
    co_return value.is_string() ? std::string(value.get_string()) : std::string();
  }

  Async<std::string> screenshot(Context& ctx, Tab& tab) override {
    auto& own = static_cast<NativeTab&>(tab);
    if (!own.has_page()) co_return fail(Errc::not_found, "screenshot: the tab has no page yet");
    json::object params{{"format", "png"}};
    co_return co_await native::take_picture(ctx, own.page(), std::move(params));
  }

  Async<void> close(Context& ctx, std::unique_ptr<Tab> tab, bool clean) override {
    auto& own = static_cast<NativeTab&>(*tab);
    auto page = own.release_page();
    if (!page) co_return Result<void>{};
    if (clean && !page->crashed() && !page->closed()) {
      own.session().give_back_page(std::move(page));
      co_return Result<void>{};
    }
    co_return co_await page->close(ctx);
  }

 private:
  services::Model* model_;
  ActionCache* actions_;
};

}  // namespace

Async<std::string> Interactor::storage(Context&, Tab&) { co_return std::string(); }

std::unique_ptr<Interactor> make_native_interactor(services::Model* model, ActionCache* actions) {
  return std::make_unique<NativeInteractor>(model, actions);
}

}  // namespace troupe::interact
