#include "services/stagehand_rpc.h"

#include <charconv>

#include "cdp/page.h"

namespace troupe::services {
namespace {

constexpr std::size_t kMessageMax = 400;        // of an error; the runtime dumps 77 kB
constexpr std::size_t kPayloadMax = 48u << 20;  // of one message, either way

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string clipped(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMessageMax)) out += c == '\n' || c == '\r' ? ' ' : c;
  while (text.size() > kMessageMax && !out.empty() &&
         (static_cast<unsigned char>(out.back()) & 0x80))
    out.pop_back();  // no half character
  return text.size() > kMessageMax ? out + "…" : out;
}

Errc code_of(std::int64_t code, std::string_view message, std::string_view name) {
  if (code == -32601 || name == "StagehandProtocolCompatibilityError") return Errc::unsupported;
  if (code == -32602) return Errc::invalid_argument;
  if (code != -32603) return Errc::protocol_error;
  if (name == "TimeoutError" || has(message, "timed out after")) return Errc::timeout;
  if (has(message, "Could not find an element") || has(message, "Element not found"))
    return Errc::target_not_found;
  if (has(message, "call context.pages") || has(message, "Target closed"))
    return Errc::page_crashed;
  if (has(message, "is closing") || has(message, "not initialized") ||
      has(message, "already initialized"))
    return Errc::unavailable;
  if (has(message, "Evaluation failed") || has(message, "Uncaught")) return Errc::script_error;
  return Errc::protocol_error;
}

std::string_view string_at(const json::object& object, std::string_view key) {
  return find_string(object, key).value_or("");
}

Error error_from(std::string_view method, const json::value& error) {
  const json::object none;
  const json::object& body = error.is_object() ? error.get_object() : none;
  const json::value* data = find(body, "data");
  const std::string_view name =
      data && data->is_object() ? string_at(data->get_object(), "name") : "";
  return stagehand_error(method, find_int(body, "code").value_or(0), string_at(body, "message"),
                         name);
}

}  // namespace

Error stagehand_error(std::string_view method, std::int64_t code, std::string_view message,
                      std::string_view name) {
  const auto net = message.find("net::ERR_");
  if (net != std::string_view::npos) {
    const auto end = message.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", net + 5);
    return cdp::navigation_error(
        message.substr(net, end == std::string_view::npos ? end : end - net), "(by Stagehand)");
  }
  return fail(code_of(code, message, name), std::string(method) + ": " + clipped(message),
              "stagehand");
}

// One call under way; lives in the frame of its call().
struct StagehandRpc::Pending {
  std::string method;
  std::string mark;
  std::optional<Result<json::value>> answer;
  std::deque<json::object> requests;
  Event changed;
};

StagehandRpc::StagehandRpc(cdp::Connection& connection, std::string session_id,
                           OnNotification notified)
    : connection_(connection),
      session_id_(std::move(session_id)),
      notified_(std::move(notified)),
      pending_(std::make_shared<std::unordered_map<std::int64_t, Pending*>>()) {
  events_ = connection_.on_events(
      session_id_, [this](std::string_view m, const json::object& p) { on_event(m, p); });
}

StagehandRpc::~StagehandRpc() { end(fail(Errc::unavailable, "stagehand: closed", "stagehand")); }

void StagehandRpc::end(Error reason) {
  events_.reset();
  if (end_reason_) return;
  end_reason_ = std::move(reason);
  for (const auto& [id, pending] : *pending_) {
    if (!pending->answer) pending->answer = *end_reason_;
    pending->changed.set();
  }
}

void StagehandRpc::on_event(std::string_view method, const json::object& params) {
  if (method == "Inspector.targetCrashed") {
    end(fail(Errc::unavailable, "stagehand: its worker crashed", "stagehand"));
    return;
  }
  if (method != "Runtime.bindingCalled" || string_at(params, "name") != kBinding) return;
  on_message(string_at(params, "payload"));
}

void StagehandRpc::on_message(std::string_view text) {
  if (text.size() > kPayloadMax) return on_oversized(text);
  auto parsed = parse_json(text, "message of Stagehand");
  if (!parsed || !parsed->is_object()) return;  // not for us: others may use the same binding
  json::object& message = parsed->get_object();
  if (!message.contains("method")) return on_answer(std::move(message));
  if (message.contains("id")) return on_request(std::move(message), text);
  const json::value* params = find(message, "params");
  if (notified_ && params && params->is_object())
    notified_(string_at(message, "method"), params->get_object());
}

// Answers end with their id.
void StagehandRpc::on_oversized(std::string_view text) {
  const auto place = text.rfind("\"id\":");
  if (place == std::string_view::npos) return;
  std::int64_t id = -1;
  std::from_chars(text.data() + place + 5, text.data() + text.size(), id);
  const auto found = pending_->find(id);
  if (found == pending_->end()) return;
  Pending& pending = *found->second;
  pending.answer = fail(Errc::payload_too_large,
                        pending.method + ": an answer of " + std::to_string(text.size()) +
                            " bytes exceeds " + std::to_string(kPayloadMax),
                        "stagehand");
  pending.changed.set();
}

void StagehandRpc::on_answer(json::object message) {
  const auto found = pending_->find(find_int(message, "id").value_or(-1));
  if (found == pending_->end()) return;  // its caller stopped waiting
  Pending& pending = *found->second;
  if (const json::value* error = find(message, "error"))
    pending.answer = error_from(pending.method, *error);
  else if (json::value* result = message.if_contains("result"))
    pending.answer = std::move(*result);
  else
    pending.answer = json::value();
  pending.changed.set();
}

void StagehandRpc::on_request(json::object message, std::string_view text) {
  for (const auto& [id, pending] : *pending_) {
    if (pending->mark.empty() || !has(text, pending->mark)) continue;
    pending->requests.push_back(std::move(message));
    pending->changed.set();
    return;
  }
  const json::object error{{"code", -32000}, {"message", "nobody waits for this any more"}};
  send({{"jsonrpc", "2.0"}, {"id", message["id"]}, {"error", error}});
}

void StagehandRpc::send(const json::object& message) {
  const std::string text = json::serialize(json::string(json::serialize(message)));
  connection_.post(session_id_, "Runtime.evaluate",
                   {{"expression", "void globalThis.__stagehandReceiveFromHost(" + text + ")"},
                    {"returnByValue", true}});
}

Async<void> StagehandRpc::serve_next(Context& ctx, Pending& pending, StagehandServant& servant) {
  json::object request = std::move(pending.requests.front());
  pending.requests.pop_front();
  std::string method(string_at(request, "method"));
  json::object params;
  if (json::value* given = request.if_contains("params"); given && given->is_object())
    params = std::move(given->get_object());
  auto answer = co_await servant.serve(ctx, std::move(method), std::move(params));
  if (pending.answer) co_return Result<void>{};  // it is over, or this object is gone
  json::object reply{{"jsonrpc", "2.0"}, {"id", request["id"]}};
  if (answer)
    reply["result"] = std::move(*answer);
  else
    reply["error"] = json::object{{"code", -32000}, {"message", answer.error().message}};
  send(reply);
  co_return Result<void>{};
}

Async<json::value> StagehandRpc::converse(Context& ctx, Pending& pending,
                                          StagehandServant* servant) {
  for (;;) {
    if (pending.answer) co_return std::move(*pending.answer);
    if (!pending.requests.empty() && servant) {
      CO_TRY_VOID(co_await serve_next(ctx, pending, *servant));
      continue;
    }
    pending.changed.reset();
    CO_TRY_VOID(co_await pending.changed.wait(ctx));
  }
}

Async<json::value> StagehandRpc::call(Context& ctx, StagehandRequest request,
                                      StagehandAsker asker) {
  CO_TRY_VOID(ctx.check());
  if (end_reason_) co_return *end_reason_;
  const std::int64_t id = ++last_id_;
  const json::object message{{"jsonrpc", "2.0"},
                             {"id", id},
                             {"method", request.method},
                             {"params", std::move(request.params)}};
  const std::string text = json::serialize(json::string(json::serialize(message)));
  if (text.size() > kPayloadMax)
    co_return fail(Errc::payload_too_large, request.method + ": " + std::to_string(text.size()) +
                                                " bytes exceed " + std::to_string(kPayloadMax));
  Pending pending;
  pending.method = request.method;
  pending.mark = asker.servant ? asker.mark : "";
  const auto table = pending_;
  table->emplace(id, &pending);
  json::object evaluate{
      {"expression", "void globalThis.__stagehandReceiveFromHost(" + text + ");true"},
      {"returnByValue", true}};
  // Its answer says only that the text arrived; the call's own may be here before.
  auto sent = co_await connection_.call(ctx, session_id_, "Runtime.evaluate", std::move(evaluate));
  Result<json::value> answer = json::value();
  if (!sent)
    answer = sent.error();
  else if (sent->contains("exceptionDetails") && !pending.answer)
    answer = fail(Errc::unavailable, request.method + ": the runtime took no message", "stagehand");
  else
    answer = co_await converse(ctx, pending, asker.servant);
  table->erase(id);
  const bool late = !answer && !pending.answer && answer.error().code == Errc::timeout;
  if (late && !end_reason_) suspect_ = true;
  co_return answer;
}

}  // namespace troupe::services
