#include "cdp/page.h"

#include <array>

namespace troupe::cdp {
namespace {

// Waits in the page, so that one command tells all: where it is, what the server answered, and that
// it is loaded. A document that goes away meanwhile fails the command, and the next document is
// asked.
constexpr std::string_view kProbeStart = R"((()=>{const f=()=>({u:location.href,
h:(performance.getEntriesByType('navigation')[0]||{}).responseStatus||0});
)";
constexpr std::string_view kProbeLoad = R"(return document.readyState==='complete'?f():
new Promise(r=>addEventListener('load',()=>r(f()),{once:true}))})())";
constexpr std::string_view kProbeDom = R"(return document.readyState!=='loading'?f():
new Promise(r=>document.addEventListener('DOMContentLoaded',()=>r(f()),{once:true}))})())";
constexpr std::string_view kProbeNow = "return f()})()";

std::string_view probe_end(WaitUntil until) {
  if (until == WaitUntil::commit) return kProbeNow;
  return until == WaitUntil::domcontentloaded ? kProbeDom : kProbeLoad;
}

std::string string_at(const json::object& object, std::string_view key) {
  return std::string(find_string(object, key).value_or(""));
}

bool is_error_page(std::string_view url) { return url.starts_with("chrome-error://"); }

// Texts of Chromium that mean: this document is no longer there.
bool document_went_away(const Error& error) {
  constexpr std::array texts = {"Execution context was destroyed", "Cannot find context",
                                "navigated or closed", "uniqueContextId not found",
                                "Cannot find default execution context"};
  if (error.code != Errc::protocol_error) return false;
  return std::any_of(texts.begin(), texts.end(), [&](const char* text) {
    return error.message.find(text) != std::string::npos;
  });
}

Error not_a_url(const std::string& url) {
  return fail(Errc::invalid_argument, "goto " + url + ": the browser does not take it for a URL",
              "page", "give an absolute URL such as https://example.com/");
}

Error script_failure(const json::object& details) {
  std::string text = string_at(details, "text");
  if (const auto* exception = find(details, "exception"); exception && exception->is_object()) {
    const std::string description = string_at(exception->get_object(), "description");
    if (!description.empty())
      text = description;
    else if (const auto* value = find(*exception, "value"))
      text = json::serialize(*value);
  }
  return fail(Errc::script_error,
              "script: " + text.substr(0, std::min(text.find('\n'), std::size_t{500})));
}

}  // namespace

std::optional<WaitUntil> wait_until_from(std::string_view name) {
  if (name == "commit") return WaitUntil::commit;
  if (name == "domcontentloaded") return WaitUntil::domcontentloaded;
  if (name == "load") return WaitUntil::load;
  if (name == "networkidle") return WaitUntil::networkidle;
  return std::nullopt;
}

Error navigation_error(std::string_view net_error, std::string_view url) {
  const auto has = [&](std::string_view part) {
    return net_error.find(part) != std::string_view::npos;
  };
  Errc code = Errc::navigation_failed;
  std::string hint;
  if (has("ERR_NAME_NOT_RESOLVED") || has("ERR_NAME_RESOLUTION") || has("ERR_DNS")) {
    code = Errc::dns_error;
    hint = "check the host name and this machine's name servers";
  } else if (has("ERR_CERT") || has("ERR_SSL")) {
    code = Errc::tls_error;
    hint = "the site's certificate is not acceptable to this browser";
  } else if (has("ERR_CONNECTION") || has("ERR_ADDRESS") || has("ERR_INTERNET") ||
             has("ERR_NETWORK") || has("ERR_EMPTY_RESPONSE") || has("ERR_SOCKET") ||
             has("ERR_PROXY") || has("ERR_TIMED_OUT") || has("ERR_TUNNEL")) {
    code = Errc::network_error;
    hint = "check that the server is up and reachable from this machine";
  } else if (has("ERR_HTTP_RESPONSE_CODE_FAILURE")) {
    code = Errc::http_error;
  }
  return fail(code, "goto " + std::string(url) + ": " + std::string(net_error), "page", hint);
}

Page::Page(Connection& connection) : connection_(connection) {}
Page::~Page() = default;

Async<std::unique_ptr<Page>> Page::open(Context& ctx, Connection& connection, Options options) {
  std::unique_ptr<Page> page(new Page(connection));
  json::object create{{"url", options.url}};
  if (!options.browser_context_id.empty()) create["browserContextId"] = options.browser_context_id;
  // The full Chromium takes a size for windows only; its default context has one already.
  if (options.browser_context_id.empty()) create["newWindow"] = true;
  create["width"] = options.width;
  create["height"] = options.height;
  auto created = co_await connection.call(ctx, "", "Target.createTarget", std::move(create));
  if (!created &&
      created.error().message.find("Failed to create web contents") != std::string::npos)
    co_return not_a_url(options.url);
  if (!created) co_return created.error();
  page->target_id_ = string_at(*created, "targetId");
  page->expects_navigation_ = options.url != "about:blank";
  auto attached = co_await page->attach_to_target(ctx);
  if (attached) co_return page;
  connection.post("", "Target.closeTarget", {{"targetId", page->target_id_}});
  co_return attached.error();
}

Async<std::unique_ptr<Page>> Page::adopt(Context& ctx, Connection& connection,
                                         std::string target_id) {
  std::unique_ptr<Page> page(new Page(connection));
  page->target_id_ = std::move(target_id);
  CO_TRY_VOID(co_await page->attach_to_target(ctx));
  co_return page;
}

Async<void> Page::attach_to_target(Context& ctx) {
  main_frame_id_ = target_id_;  // Chromium names a page's first frame like its target
  json::object attach{{"targetId", target_id_}, {"flatten", true}};
  CO_TRY(const auto attached,
         co_await connection_.call(ctx, "", "Target.attachToTarget", std::move(attach)));
  session_id_ = string_at(attached, "sessionId");
  events_ = connection_.on_events(
      session_id_, [this](std::string_view m, const json::object& p) { on_event(m, p); });
  root_events_ = connection_.on_events(
      "", [this](std::string_view m, const json::object& p) { on_root_event(m, p); });
  connection_.post(session_id_, "Page.enable");
  co_return Result<void>{};
}

Async<json::object> Page::call(Context& ctx, std::string method, json::object params) {
  if (end_reason_) co_return *end_reason_;
  auto answer = co_await connection_.call(ctx, session_id_, std::move(method), std::move(params));
  if (!answer && end_reason_) co_return *end_reason_;
  co_return answer;
}

void Page::post(std::string_view method, const json::object& params) {
  if (!end_reason_) connection_.post(session_id_, method, params);
}

Async<Navigation> Page::navigate(Context& ctx, std::string url, WaitUntil until) {
  expects_navigation_ = false;
  network_idle_ = false;
  if (until == WaitUntil::networkidle && !std::exchange(lifecycle_enabled_, true))
    post("Page.setLifecycleEventsEnabled", {{"enabled", true}});
  json::object params{{"url", url}};
  auto answer = co_await call(ctx, "Page.navigate", std::move(params));
  if (!answer) {
    if (answer.error().code == Errc::protocol_error) co_return not_a_url(url);
    if (answer.error().code != Errc::timeout) co_return answer.error();
    post("Page.stopLoading");
    co_return fail(Errc::timeout, "goto " + url + ": " + answer.error().message, "page");
  }
  const std::string net_error = string_at(*answer, "errorText");
  if (!net_error.empty()) co_return navigation_error(net_error, url);
  if (!answer->contains("loaderId")) co_return Navigation{.url = url_, .http_status = 0};
  co_return co_await wait_loaded(ctx, until);
}

Async<Navigation> Page::wait_loaded(Context& ctx, WaitUntil until) {
  auto loaded = co_await loaded_document(ctx, until);
  if (!loaded) {
    if (loaded.error().code == Errc::timeout) {
      Error error = loaded.error();
      error.message = "page " + url_ + " did not load: " + error.message;
      co_return error;
    }
    co_return loaded;
  }
  if (until == WaitUntil::networkidle) CO_TRY_VOID(co_await wait_network_idle(ctx));
  co_return loaded;
}

// Asks the present document; when that one is replaced meanwhile, the next. The first document of a
// page opened on a URL is about:blank: then the commit is waited for.
Async<Navigation> Page::loaded_document(Context& ctx, WaitUntil until) {
  const std::string probe = std::string(kProbeStart) + std::string(probe_end(until));
  for (;;) {
    const std::uint64_t serial = document_serial_;
    EvaluateOptions options{.isolated = false};
    auto answer = co_await evaluate_once(ctx, probe, options);
    if (answer) {
      const auto* value = find(*answer, "value");
      const json::object empty;
      const json::object& document = value && value->is_object() ? value->get_object() : empty;
      url_ = string_at(document, "u");
      if (is_error_page(url_))
        co_return fail(Errc::navigation_failed, "page: the browser shows an error page", "page");
      if (!(expects_navigation_ && url_ == "about:blank")) {
        expects_navigation_ = false;
        const auto status = static_cast<int>(find_int(document, "h").value_or(0));
        co_return Navigation{.url = url_, .http_status = status};
      }
    } else if (!document_went_away(answer.error())) {
      co_return answer.error();
    }
    while (document_serial_ == serial && !end_reason_) CO_TRY_VOID(co_await changed_.wait(ctx));
    if (end_reason_) co_return *end_reason_;
  }
}

Async<void> Page::wait_network_idle(Context& ctx) {
  if (!std::exchange(lifecycle_enabled_, true)) {
    json::object enable{{"enabled", true}};  // also tells what the document reached already
    CO_TRY_VOID(co_await call(ctx, "Page.setLifecycleEventsEnabled", std::move(enable)));
  }
  while (!network_idle_ && !end_reason_) CO_TRY_VOID(co_await changed_.wait(ctx));
  if (end_reason_) co_return *end_reason_;
  co_return Result<void>{};
}

Async<std::int64_t> Page::isolated_context(Context& ctx) {
  if (isolated_context_id_ != 0 && isolated_context_serial_ == document_serial_)
    co_return isolated_context_id_;
  const std::uint64_t serial = document_serial_;
  CO_TRY(isolated_context_id_, co_await isolated_world(ctx, main_frame_id_));
  isolated_context_serial_ = serial;
  co_return isolated_context_id_;
}

Async<std::int64_t> Page::isolated_world(Context& ctx, std::string frame_id) {
  json::object params{{"frameId", frame_id}, {"worldName", "troupe"}};
  CO_TRY(auto answer, co_await call(ctx, "Page.createIsolatedWorld", std::move(params)));
  co_return find_int(answer, "executionContextId").value_or(0);
}

Async<json::object> Page::evaluate_once(Context& ctx, const std::string& expression,
                                        EvaluateOptions options) {
  json::object params{{"expression", expression}, {"awaitPromise", true}, {"returnByValue", true}};
  if (options.user_gesture) params["userGesture"] = true;
  if (options.context_id != 0) {
    params["contextId"] = options.context_id;
  } else if (options.isolated) {
    CO_TRY(const auto context, co_await isolated_context(ctx));
    params["contextId"] = context;
  }
  CO_TRY(auto answer, co_await call(ctx, "Runtime.evaluate", std::move(params)));
  if (const auto* details = find(answer, "exceptionDetails"); details && details->is_object())
    co_return script_failure(details->get_object());
  auto* result = answer.if_contains("result");
  co_return result && result->is_object() ? std::move(result->get_object()) : json::object{};
}

Async<json::value> Page::evaluate(Context& ctx, std::string expression, EvaluateOptions options) {
  auto result = co_await evaluate_once(ctx, expression, options);
  if (!result && document_went_away(result.error())) {
    if (options.context_id == 0) isolated_context_id_ = 0;
    co_return fail(Errc::navigation_failed, "page: the document was replaced while a script ran",
                   "page");
  }
  if (!result) co_return result.error();
  auto* value = result->if_contains("value");
  co_return value ? std::move(*value) : json::value(nullptr);
}

void Page::on_event(std::string_view method, const json::object& params) {
  if (method == "Page.frameNavigated") {
    if (const auto* frame = find(params, "frame"); frame && frame->is_object())
      on_frame_navigated(frame->get_object());
  } else if (method == "Page.navigatedWithinDocument") {
    if (string_at(params, "frameId") == main_frame_id_) url_ = string_at(params, "url");
  } else if (method == "Page.lifecycleEvent") {
    if (string_at(params, "frameId") == main_frame_id_) {
      const auto name = find_string(params, "name");
      if (name == "init") network_idle_ = false;
      if (name == "networkIdle") network_idle_ = true;
    }
  } else if (method == "Page.javascriptDialogOpening") {
    answer_dialog(params);
  } else if (method == "Inspector.targetCrashed") {
    crashed_ = true;
    end(fail(Errc::page_crashed, "page " + url_ + ": its renderer process died", "page",
             "a new attempt runs in a fresh session; if it repeats, the page needs more memory "
             "than renderer_heap_mb allows"));
  } else {
    return;
  }
  changed_.pulse();
}

void Page::on_frame_navigated(const json::object& frame) {
  const std::string origin = string_at(frame, "securityOrigin");
  if (origin.starts_with("http") && origins_complete()) origins_.insert(origin);
  if (frame.contains("parentId")) return;
  main_frame_id_ = string_at(frame, "id");
  url_ = string_at(frame, "url");
  network_idle_ = false;
  ++document_serial_;
}

void Page::on_root_event(std::string_view method, const json::object& params) {
  if (method != "Target.detachedFromTarget" || string_at(params, "sessionId") != session_id_)
    return;
  closed_ = true;
  end(fail(Errc::session_lost, "page " + url_ + ": it was closed", "page"));
}

void Page::end(Error reason) {
  if (end_reason_) return;
  end_reason_ = std::move(reason);
  connection_.fail_session(session_id_, *end_reason_);
  changed_.pulse();
}

void Page::answer_dialog(const json::object& params) {
  Dialog dialog{.type = string_at(params, "type"), .message = string_at(params, "message")};
  const bool asks = dialog.type == "confirm" || dialog.type == "prompt";
  dialog.accepted = !asks || dialog_accept_;
  json::object answer{{"accept", dialog.accepted}};
  if (dialog.accepted && dialog.type == "prompt") answer["promptText"] = dialog_text_;
  post("Page.handleJavaScriptDialog", answer);
  constexpr std::size_t kept_max = 100;  // a page that opens dialogs in a loop
  if (dialogs_.size() < kept_max) dialogs_.push_back(std::move(dialog));
}

std::vector<Dialog> Page::take_dialogs() { return std::exchange(dialogs_, {}); }

void Page::set_dialog_answer(bool accept, std::string prompt_text) {
  dialog_accept_ = accept;
  dialog_text_ = std::move(prompt_text);
}

void Page::reset_for_reuse() {
  origins_.clear();
  dialogs_.clear();
  set_dialog_answer(false, "");
}

Async<void> Page::close(Context& ctx) {
  if (closed_ || !connection_.is_open()) co_return Result<void>{};
  json::object params{{"targetId", target_id_}};
  auto answer = co_await connection_.call(ctx, "", "Target.closeTarget", std::move(params));
  if (!answer && answer.error().code != Errc::protocol_error) co_return answer.error();
  co_return Result<void>{};
}

}  // namespace troupe::cdp
