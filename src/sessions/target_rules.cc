#include "sessions/target_rules.h"

namespace troupe::sessions {
namespace {

json::object auto_attach() {
  return {{"autoAttach", true}, {"waitForDebuggerOnStart", true}, {"flatten", true}};
}

std::string text_at(const json::object& object, std::string_view key) {
  return std::string(find_string(object, key).value_or(""));
}

const json::object* object_at(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  return value ? value->if_object() : nullptr;
}

}  // namespace

TargetRules::TargetRules(cdp::Connection& connection, TargetRulesOptions options)
    : connection_(connection), options_(std::move(options)) {
  if (!options_.requests.empty()) fetch_["patterns"] = options_.requests.patterns();
  json::object headers;
  for (const auto& [name, value] : options_.extra_headers) headers[name] = value;
  if (!headers.empty()) headers_["headers"] = std::move(headers);
}

Async<void> TargetRules::start(Context& ctx) {
  if (!options_.rules_targets()) co_return Result<void>{};
  root_events_ = connection_.on_events(
      "", [this](std::string_view method, const json::object& p) { on_root_event(method, p); });
  json::object attach = auto_attach();
  CO_TRY(const auto done,
         co_await connection_.call(ctx, "", "Target.setAutoAttach", std::move(attach)));
  (void)done;
  std::vector<std::string> sessions;
  for (const auto& [session, target] : targets_) sessions.push_back(session);
  // Commands of one target are answered in order: this answer means that the others are done.
  for (const auto& session : sessions)
    if (targets_.contains(session))
      (void)co_await connection_.call(ctx, session, "Runtime.runIfWaitingForDebugger");
  co_return Result<void>{};
}

void TargetRules::on_root_event(std::string_view method, const json::object& params) {
  if (method == "Target.attachedToTarget") return attached(params);
  if (method == "Target.detachedFromTarget") detached(params);
}

void TargetRules::on_target_event(const std::string& session_id, std::string_view method,
                                  const json::object& params) {
  if (method == "Fetch.requestPaused") return judge(session_id, params);
  if (method == "Target.attachedToTarget") return attached(params);
  if (method == "Target.detachedFromTarget") detached(params);
}

void TargetRules::attached(const json::object& params) {
  const json::object* info = object_at(params, "targetInfo");
  const std::string session = text_at(params, "sessionId");
  if (!info || session.empty()) return;
  Target target{.target_id = text_at(*info, "targetId")};
  // Troupe attaches to its own pages once more by hand, which is told here as well.
  for (const auto& [other, known] : targets_)
    if (known.target_id == target.target_id) return;
  target.events = connection_.on_events(
      session, [this, session](std::string_view method, const json::object& p) {
        on_target_event(session, method, p);
      });
  targets_.insert_or_assign(session, std::move(target));
  prepare(session, text_at(*info, "type"));
}

void TargetRules::detached(const json::object& params) {
  targets_.erase(text_at(params, "sessionId"));
}

void TargetRules::prepare(const std::string& session, const std::string& type) {
  const bool has_frames = type == "page" || type == "iframe" || type == "tab";
  if (has_frames) connection_.post(session, "Target.setAutoAttach", auto_attach());
  if (!fetch_.empty()) connection_.post(session, "Fetch.enable", fetch_);
  if (!headers_.empty()) {
    // The domain must be on for the headers; its buffers are of no use here.
    connection_.post(session, "Network.enable",
                     {{"maxTotalBufferSize", 1}, {"maxResourceBufferSize", 1}});
    connection_.post(session, "Network.setExtraHTTPHeaders", headers_);
  }
  if (!options_.locale.empty() && has_frames)
    connection_.post(session, "Emulation.setLocaleOverride", {{"locale", options_.locale}});
  connection_.post(session, "Runtime.runIfWaitingForDebugger");
}

void TargetRules::judge(const std::string& session, const json::object& params) {
  const auto target = targets_.find(session);
  const json::object* request = object_at(params, "request");
  const std::string id = text_at(params, "requestId");
  const std::string type = text_at(params, "resourceType");
  // Chromium names a page's main frame like its target.
  const bool is_main = target != targets_.end() && type == "Document" &&
                       text_at(params, "frameId") == target->second.target_id;
  if (!request || options_.requests.allows(text_at(*request, "url"), type, is_main)) {
    connection_.post(session, "Fetch.continueRequest", {{"requestId", id}});
    return;
  }
  ++refused_;
  connection_.post(session, "Fetch.failRequest",
                   {{"requestId", id}, {"errorReason", "BlockedByClient"}});
}

}  // namespace troupe::sessions
