#include "interact/stagehand_tab.h"

#include <algorithm>
#include <charconv>

#include "services/stagehand_calls.h"

namespace troupe::interact {
namespace {

using std::chrono::milliseconds;

json::object need_of(std::string_view method) {
  if (method == "click" || method == "doubleClick")
    return {{"enabled", true}, {"point", true}, {"mark", true}, {"guard", true}};
  if (method == "hover" || method == "dragAndDrop") return {{"point", true}, {"mark", true}};
  if (method == "fill" || method == "type")
    return {{"enabled", true}, {"editable", true}, {"mark", true}};
  return {{"enabled", true}, {"mark", true}};
}

// Places among siblings of the same name, as the runtime's own paths.
constexpr const char* kPath =
    "((e) => { if (!e || !e.isConnected || e.getRootNode() !== document) return '';"
    " let path = ''; for (; e && e.nodeType === 1; e = e.parentNode) { let n = 1;"
    " for (let s = e.previousElementSibling; s; s = s.previousElementSibling)"
    " if (s.nodeName === e.nodeName) n++;"
    " path = '/' + (e instanceof HTMLElement ? e.localName : '*[name()=\"' + e.nodeName + '\"]')"
    " + '[' + n + ']' + path; } return path; })(__troupe.refs[";

}  // namespace

Duration stagehand_limit(const Context& ctx) {
  const Duration left = std::min<Duration>(ctx.remaining(), std::chrono::hours(1));
  return std::max<Duration>(left - left / 10, milliseconds(1));
}

Async<std::string> stagehand_path(Context& ctx, NativeTab& tab, int ref) {
  const cdp::Page::EvaluateOptions isolated;
  std::string script = kPath + std::to_string(ref) + "])";
  CO_TRY(const auto path, co_await tab.page().evaluate(ctx, std::move(script), isolated));
  co_return path.is_string() ? std::string(path.get_string()) : std::string();
}

Async<void> stagehand_ready(Context& ctx, NativeTab& tab, const Target& target,
                            std::string method) {
  json::array args{target.query, need_of(method)};
  CO_TRY(const auto found, co_await tab.locate(ctx, target, kCore, "ready", std::move(args)));
  (void)found;
  co_return Result<void>{};
}

Async<void> stagehand_mark(Context& ctx, NativeTab& tab) {
  json::array args{nullptr, 0};
  CO_TRY(const auto marked, co_await tab.call(ctx, kInput, "focus", std::move(args)));
  (void)marked;
  co_return Result<void>{};
}

Async<std::optional<int>> stagehand_reference(Context& ctx, NativeTab& tab, const std::string& id,
                                              bool in_main) {
  json::array none;
  CO_TRY(const auto foreign, co_await tab.call(ctx, kCore, "foreign", std::move(none)));
  if (!in_main && foreign != json::value(0)) co_return std::nullopt;
  std::int64_t node = 0;
  const auto dash = id.find('-') + 1;
  std::from_chars(id.data() + dash, id.data() + id.size(), node);
  cdp::Page& page = tab.page();
  std::string frame = page.target_id();
  CO_TRY(const auto world, co_await page.isolated_world(ctx, std::move(frame)));
  json::object resolve{{"backendNodeId", node}, {"executionContextId", world}};
  const auto resolved = co_await page.call(ctx, "DOM.resolveNode", std::move(resolve));
  if (!resolved && resolved.error().code == Errc::protocol_error) co_return std::nullopt;
  if (!resolved) co_return resolved.error();
  const json::value* object = find(*resolved, "object");
  const json::value* object_id = object ? find(*object, "objectId") : nullptr;
  json::object call{{"objectId", object_id ? *object_id : json::value("")},
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

Async<cdp::Navigation> StagehandTab::navigate(Context& ctx, NativeTab& tab, std::string url,
                                              cdp::WaitUntil until) {
  CO_TRY_VOID(co_await prepare(ctx, *this));
  if (until == cdp::WaitUntil::commit)
    co_return co_await tab.page().navigate(ctx, std::move(url), until);
  const services::stagehand::Load load{.until = until, .timeout = stagehand_limit(ctx)};
  auto request = services::stagehand::go_to(tab.page().target_id(), url, load);
  auto gone = co_await services::stagehand_navigate(ctx, *runtime, std::move(request));
  // It calls an error page a success, and does not say what was wrong: navigating tells.
  const bool failed =
      gone ? gone->url.starts_with("chrome-error:") : gone.error().code == Errc::protocol_error;
  if (failed) co_return co_await tab.page().navigate(ctx, std::move(url), until);
  co_return gone;
}

}  // namespace troupe::interact
