#include "interact/native_tab.h"

#include <algorithm>

#include "interact/closed_roots.h"
#include "interact/keys.h"
#include "interact/resolver.h"

namespace troupe::interact {
namespace {

using std::chrono::milliseconds;

std::string text_of(const json::object& object, std::string_view key) {
  return std::string(find_string(object, key).value_or(""));
}

std::int64_t ms_of(Duration duration) {
  return std::chrono::duration_cast<milliseconds>(duration).count();
}

/// Mistakes in selectors and patterns show only when the browser reads them.
Error blame_caller(Error error) {
  const bool selector = error.message.find("is not a valid selector") != std::string::npos ||
                        error.message.find("not a valid XPath") != std::string::npos;
  const bool pattern = error.message.find("Invalid regular expression") != std::string::npos;
  if (error.code == Errc::script_error && (selector || pattern))
    error.code = Errc::invalid_argument;
  return error;
}

std::string list_of(const json::object& answer) {
  std::string out;
  if (const auto* some = find(answer, "some"); some && some->is_array())
    for (const auto& one : some->get_array())
      if (one.is_string()) out += (out.empty() ? "" : "; ") + std::string(one.get_string());
  return out;
}

std::string piece(const json::object& answer, std::size_t index) {
  const auto* some = find(answer, "some");
  if (!some || !some->is_array() || some->get_array().size() <= index) return "the element";
  const auto& value = some->get_array()[index];
  return value.is_string() ? std::string(value.get_string()) : "the element";
}

}  // namespace

NativeTab::NativeTab(sessions::LiveSession& session, InteractOptions options,
                     services::Model* model, ActionCache* actions)
    : session_(session), options_(std::move(options)), model_(model), actions_(actions) {}

Async<bool> NativeTab::need_page(Context& ctx, std::string url) {
  if (page_) co_return false;
  CO_TRY(const auto browser, session_.browser());
  page_ = session_.take_page();
  const bool warm = page_ != nullptr;
  if (!warm) {
    cdp::Page::Options where{.browser_context_id = browser.browser_context_id,
                             .url = std::move(url),
                             .width = browser.viewport_width,
                             .height = browser.viewport_height};
    CO_TRY(page_, co_await cdp::Page::open(ctx, *browser.connection, where));
  }
  watch();
  co_return !warm;
}

std::unique_ptr<cdp::Page> NativeTab::release_page() {
  events_.reset();
  inside_ = nullptr;
  frames_.clear();
  return std::move(page_);
}

void NativeTab::watch() {
  events_ = page_->connection().on_events(
      page_->session_id(),
      [this](std::string_view method, const json::object& params) { on_event(method, params); });
}

void NativeTab::on_event(std::string_view method, const json::object& params) {
  if (method == "Page.frameNavigated" || method == "Page.frameDetached") frames_.mark_stale();
  if (method == "Page.frameStoppedLoading") {
    const std::string frame_id = text_of(params, "frameId");
    if (frame_id == page_->target_id() || (inside_ && frame_id == inside_->id)) ++stops_;
  } else if (method == "Page.downloadWillBegin") {
    downloads_.push_back({.guid = text_of(params, "guid"),
                          .url = text_of(params, "url"),
                          .suggested_name = text_of(params, "suggestedFilename"),
                          .state = "inProgress"});
  } else if (method == "Page.downloadProgress") {
    for (Download& download : downloads_) {
      if (download.guid != text_of(params, "guid")) continue;
      download.state = text_of(params, "state");
      download.received =
          static_cast<std::int64_t>(find_number(params, "receivedBytes").value_or(0));
    }
  } else if (method != "Page.frameNavigated" && method != "Inspector.targetCrashed") {
    return;
  }
  moved_.pulse();
}

Async<json::value> NativeTab::call(Context& ctx, unsigned scripts, std::string function,
                                   json::array args) {
  // Roots inside roots take a round each.
  for (int round = 0;; ++round) {
    PageScript& script = inside_ ? inside_->script : script_;
    cdp::Page& page = page_here();
    auto answer = co_await script.call(ctx, page, scripts, function, args);
    // A frame's process that ended is a document that went away; the page is still there.
    const bool ended = !answer && &page != page_.get() && (page.closed() || page.crashed());
    if (ended) co_return fail(Errc::navigation_failed, "frame: its document went away", "page");
    if (!answer) co_return blame_caller(answer.error());
    const auto* hidden = answer->is_object() ? find(answer->get_object(), "closed") : nullptr;
    const bool suspects = hidden && *hidden != json::value(0) && !hidden->is_null();
    if (!suspects || round == 4) co_return answer;
    const std::string frame = inside_ ? inside_->id : page_->target_id();
    auto opened = co_await open_closed_roots(ctx, page, frame);
    if (!opened) co_return opened.error();
    // Nothing new can be seen: what was found stands, and who waits goes on waiting.
    const bool looks_again = *opened > 0 || answer->get_object().contains("why");
    if (!looks_again) co_return answer;
  }
}

Error NativeTab::target_error(const Target& target, const json::object& answer, Duration waited) {
  const std::string why = text_of(answer, "why");
  const std::string count = std::to_string(find_int(answer, "count").value_or(0));
  const std::string after = " (waited " + std::to_string(ms_of(waited)) + " ms)";
  const auto error = [&](Errc code, const std::string& message, std::string hint = {}) {
    return fail(code, target.text + ": " + message, "page " + url(), std::move(hint));
  };
  if (why == "none") return error(Errc::target_not_found, "no element matches" + after);
  if (why == "gone") return error(Errc::target_not_found, "the element was replaced");
  if (why == "few")
    return error(Errc::target_not_found, "only " + count + " elements match" + after);
  if (why == "many")
    return error(Errc::target_ambiguous, count + " elements match: " + list_of(answer),
                 "narrow it with exact, within or nth");
  if (why == "hidden")
    return error(Errc::not_actionable,
                 piece(answer, 0) + " is not visible; " + count + " match" + after);
  if (why == "covered")
    return error(Errc::not_actionable,
                 piece(answer, 0) + " is covered by " + piece(answer, 1) + after,
                 "close or dismiss what covers it first");
  if (why == "option")
    return error(Errc::target_not_found,
                 "no option \"" + text_of(answer, "missing") + "\"; there are: " + list_of(answer));
  if (why == "unfillable")
    return error(Errc::not_actionable, piece(answer, 0) + " is no field that takes text");
  constexpr std::pair<std::string_view, std::string_view> reasons[] = {
      {"disabled", " is disabled"},
      {"readonly", " is read-only"},
      {"moving", " does not stand still"},
      {"offscreen", " cannot be scrolled into view"}};
  for (const auto& [name, text] : reasons)
    if (why == name)
      return error(Errc::not_actionable, piece(answer, 0) + std::string(text) + after);
  return error(Errc::not_actionable, why + after);
}

Async<void> NativeTab::mouse_move(Context& ctx, double x, double y) {
  json::object move{{"type", "mouseMoved"}, {"x", x}, {"y", y}};
  auto moved = co_await page_->call(ctx, "Input.dispatchMouseEvent", std::move(move));
  if (!moved) co_return moved.error();
  co_return Result<void>{};
}

Async<void> NativeTab::mouse_click(Context& ctx, double x, double y, std::string button,
                                   int count) {
  stops_at_action_ = stops_;
  const int buttons = button == "right" ? 2 : button == "middle" ? 4 : 1;
  page_->post("Input.dispatchMouseEvent", {{"type", "mouseMoved"}, {"x", x}, {"y", y}});
  for (int i = 1; i <= count; ++i) {
    json::object press{{"type", "mousePressed"}, {"x", x},         {"y", y}, {"button", button},
                       {"buttons", buttons},     {"clickCount", i}};
    page_->post("Input.dispatchMouseEvent", press);
    json::object release{
        {"type", "mouseReleased"}, {"x", x}, {"y", y}, {"button", button}, {"clickCount", i}};
    if (i < count) {
      page_->post("Input.dispatchMouseEvent", release);
      continue;
    }
    auto done = co_await page_->call(ctx, "Input.dispatchMouseEvent", std::move(release));
    if (!done) co_return done.error();
  }
  co_return Result<void>{};
}

Async<void> NativeTab::press_key(Context& ctx, std::string key, int count) {
  CO_TRY(const auto stroke, parse_key(key));
  stops_at_action_ = stops_;
  for (int i = 0; i < count; ++i) {
    page_->post("Input.dispatchKeyEvent", key_down(stroke));
    json::object up = key_up(stroke);
    auto done = co_await page_->call(ctx, "Input.dispatchKeyEvent", std::move(up));
    if (!done) co_return done.error();
  }
  co_return Result<void>{};
}

Async<void> NativeTab::wait_leaving(Context& ctx, std::uint64_t serial, std::uint64_t stops) {
  Context limited = ctx.with_timeout(std::chrono::seconds(10), "navigation after an action");
  const std::size_t downloads = downloads_.size();
  while (page_->document_serial() == serial && stops_ == stops && downloads_.size() == downloads &&
         !page_->crashed()) {
    auto waited = co_await moved_.wait(limited);
    if (!waited) break;
  }
  co_return ctx.check();
}

Async<Change> NativeTab::changes(Context& ctx) {
  auto answer = co_await call(ctx, kCore, "settled", {});
  co_return co_await finish(ctx, std::move(answer));
}

Async<Change> NativeTab::finish(Context& ctx, Result<json::value> answer) {
  Change change;
  const std::uint64_t serial = page_->document_serial();
  bool replaced = false;
  if (!answer) {
    if (answer.error().code != Errc::navigation_failed) co_return answer.error();
    replaced = true;
  } else if (answer->is_object()) {
    change.answer = std::move(answer->get_object());
  }
  const auto told = [&](std::string_view key) {
    return find_bool(change.answer, key).value_or(false);
  };
  change.missed = find_bool(change.answer, "hit") == false;
  change.hit_instead = text_of(change.answer, "instead");
  if (change.answer.contains("leaving") && !change.missed) {
    CO_TRY_VOID(co_await wait_leaving(ctx, serial, stops_at_action_));
    replaced = page_->document_serial() != serial || (inside_ && !told("download"));
  }
  if (replaced) {
    Context limited = ctx.with_timeout(std::chrono::seconds(10), "page after an action");
    auto loaded = co_await page_->wait_loaded(limited, cdp::WaitUntil::domcontentloaded);
    if (!loaded && (page_->crashed() || page_->closed())) co_return loaded.error();
    ++session_.counters().navigations;
    change.kind = "url";
  } else if (told("url")) {
    change.kind = "url";
  } else if (told("download") || !downloads_.empty()) {
    change.kind = "download";
  } else if (told("value")) {
    change.kind = "value";
  } else if (find_int(change.answer, "dom").value_or(0) > 0) {
    change.kind = "dom";
  } else if (told("focus")) {
    change.kind = "focus";
  }
  co_return change;
}

}  // namespace troupe::interact
