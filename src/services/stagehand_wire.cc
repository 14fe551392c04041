#include "services/stagehand_wire.h"

#include <array>

namespace troupe::services {
namespace {

// One row for each StagehandFailure, in its order.
struct Row {
  std::string_view name;
  Errc code;
  bool later;    // a new attempt may do better
  bool applied;  // the page may have changed (if it was sent)
  bool outage;   // speaks against the service
  std::string_view hint;
};

constexpr std::array kRows = std::to_array<Row>({
    {"none", Errc::internal, false, false, false, ""},
    {"bad_request", Errc::invalid_argument, false, false, false, ""},
    {"key", Errc::unauthenticated, false, false, false,
     "check stagehand_api_key (or browserbase_api_key) and the model's key"},
    {"payment", Errc::permission_denied, false, false, false,
     "the account's plan or quota does not include this"},
    {"forbidden", Errc::permission_denied, false, false, false, "this key may not do that"},
    {"missing", Errc::session_lost, false, false, false,
     "the service does not know the session: it ended there, or the service was started again"},
    {"conflict", Errc::conflict, false, false, false, ""},
    {"rate", Errc::exhausted, true, false, false, "too many requests in a short time: send fewer"},
    {"server", Errc::unavailable, true, true, true, "the service has trouble; try again later"},
    {"other_status", Errc::http_error, false, true, false,
     "check stagehand_api_url: this is no answer of the API"},
    {"operation", Errc::http_error, false, true, false, ""},
    {"not_available", Errc::unsupported, false, false, false,
     "the service does not drive sessions of this kind; use interactor native"},
    {"timeout", Errc::timeout, true, true, true, ""},
    {"cancelled", Errc::cancelled, false, true, false, ""},
    {"dns", Errc::dns_error, true, false, true, "check stagehand_api_url and the name server"},
    {"tls", Errc::tls_error, false, false, true,
     "check stagehand_api_url, the clock and the system's certificates"},
    {"network", Errc::network_error, true, true, true,
     "check that the service of stagehand_api_url runs, and the proxy variables"},
    {"cut", Errc::network_error, true, true, true, ""},
    {"malformed", Errc::protocol_error, true, true, true,
     "check stagehand_api_url: this is no answer of the API"},
    {"circuit_open", Errc::unavailable, false, false, false,
     "the last calls failed, so none is sent for a while"},
    {"local", Errc::invalid_argument, false, false, false, ""},
});
static_assert(kRows.size() == static_cast<std::size_t>(StagehandFailure::local) + 1);

const Row& row(StagehandFailure failure) { return kRows[static_cast<std::size_t>(failure)]; }

}  // namespace

std::string_view to_string(StagehandFailure failure) { return row(failure).name; }

namespace stagehand_wire {
namespace {

json::value to_ms(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

// `{path, message}` rows of the two shapes that list what is wrong.
std::string issues_text(const json::array& issues) {
  std::string text;
  for (const auto& issue : issues) {
    const json::object* object = issue.if_object();
    if (!object || text.size() > 1'000) continue;
    if (!text.empty()) text += "; ";
    if (const json::value* path = find(*object, "path"); path && path->is_array()) {
      std::string place;
      for (const auto& part : path->get_array())
        place += (place.empty() ? "" : ".") +
                 (part.is_string() ? std::string(part.get_string()) : json::serialize(part));
      if (!place.empty()) text += place + ": ";
    }
    text += std::string(find_string(*object, "message").value_or("is not valid"));
  }
  return text;
}

std::string text_at(const json::object& object, std::string_view key) {
  return std::string(find_string(object, key).value_or(""));
}

}  // namespace

json::object to_wire(const StagehandModel& model) {
  json::object out{{"modelName", model.name}};
  if (!model.api_key.empty()) out["apiKey"] = model.api_key;
  if (!model.base_url.empty()) out["baseURL"] = model.base_url;
  if (!model.endpoint_format.empty()) out["openaiEndpointFormat"] = model.endpoint_format;
  return out;
}

json::object to_wire(const StagehandAction& action) {
  json::object out{{"selector", action.selector}, {"description", action.description}};
  if (!action.method.empty()) out["method"] = action.method;
  out["arguments"] = json::value_from(action.arguments);
  return out;
}

json::object to_wire(const StagehandStart& request) {
  json::object out = request.more;
  out["modelName"] = request.model_name;
  if (!request.cdp_url.empty())
    out["browser"] = json::object{{"type", "local"}, {"cdpUrl", request.cdp_url}};
  else if (!request.launch_options.empty())
    out["browser"] = json::object{{"type", "local"}, {"launchOptions", request.launch_options}};
  if (!request.browserbase_session_id.empty())
    out["browserbaseSessionID"] = request.browserbase_session_id;
  if (!request.system_prompt.empty()) out["systemPrompt"] = request.system_prompt;
  if (request.self_heal) out["selfHeal"] = *request.self_heal;
  if (request.dom_settle_timeout_ms) out["domSettleTimeoutMs"] = *request.dom_settle_timeout_ms;
  if (request.act_timeout_ms) out["actTimeoutMs"] = *request.act_timeout_ms;
  return out;
}

json::object to_wire(const StagehandCall& call, bool observes) {
  json::object out;
  if (!call.frame_id.empty()) out["frameId"] = call.frame_id;
  json::object options;
  if (!call.model.empty()) options["model"] = to_wire(call.model);
  if (!call.variables.empty()) options["variables"] = call.variables;
  if (call.timeout) options["timeout"] = to_ms(*call.timeout);
  if (observes && !call.selector.empty()) options["selector"] = call.selector;
  if (observes && !call.ignore_selectors.empty())
    options["ignoreSelectors"] = json::value_from(call.ignore_selectors);
  if (observes && call.screenshot) options["screenshot"] = true;
  if (!options.empty()) out["options"] = std::move(options);
  return out;
}

json::object to_wire(const StagehandAgent& request, const StagehandCall& call) {
  json::object config;
  if (!call.model.empty()) config["model"] = to_wire(call.model);
  if (!request.system_prompt.empty()) config["systemPrompt"] = request.system_prompt;
  if (!request.mode.empty()) config["mode"] = request.mode;
  json::object execute{{"instruction", request.instruction}};
  if (request.steps_max) execute["maxSteps"] = *request.steps_max;
  if (!call.variables.empty()) execute["variables"] = call.variables;
  json::object out{{"agentConfig", std::move(config)}, {"executeOptions", std::move(execute)}};
  if (!call.frame_id.empty()) out["frameId"] = call.frame_id;
  return out;
}

std::string words_of(const json::value& body) {
  const json::object* object = body.if_object();
  if (!object) return {};
  std::string text;
  if (const json::value* error = find(*object, "error")) {
    if (error->is_string()) text = error->get_string();
    if (error->is_array()) text = issues_text(error->get_array());
  }
  if (const auto message = find_string(*object, "message")) text = *message;
  if (const json::value* issues = find(*object, "issues"); issues && issues->is_array())
    text += (text.empty() ? "" : ": ") + issues_text(issues->get_array());
  return text;
}

Result<Answer> answer_from(const json::value& body) {
  if (!body.is_object()) return fail(Errc::protocol_error, "answer is no object");
  const auto& object = body.get_object();
  const json::value* data = find(object, "data");
  if (find_bool(object, "success") == false)
    return fail(Errc::http_error, words_of(body).empty() ? "failed" : words_of(body));
  if (find_bool(object, "success") != true)
    return fail(Errc::protocol_error, "answer: 'success' is missing");
  Answer answer;
  if (!data || !data->is_object()) return answer;  // `end` has none
  const json::value* result = find(*data, "result");
  answer.result = result ? *result : *data;
  answer.action_id = text_at(data->get_object(), "actionId");
  return answer;
}

Result<StartedStagehand> started_from(const json::value& data) {
  const json::object* object = data.if_object();
  const auto id = object ? find_string(*object, "sessionId") : std::nullopt;
  if (!id || id->empty()) return fail(Errc::protocol_error, "answer: 'sessionId' is missing");
  if (!find_bool(*object, "available").value_or(true))
    return fail(Errc::unsupported, "the service will not drive this session");
  return StartedStagehand{std::string(*id), text_at(*object, "cdpUrl")};
}

Result<StagehandAction> action_from(const json::value& value) {
  const json::object* object = value.if_object();
  if (!object || !find_string(*object, "selector"))
    return fail(Errc::protocol_error, "answer: an action has no 'selector'");
  StagehandAction action{text_at(*object, "selector"),
                         text_at(*object, "description"),
                         text_at(*object, "method"),
                         {}};
  const json::value* arguments = find(*object, "arguments");
  if (!arguments || !arguments->is_array()) return action;
  for (const auto& argument : arguments->get_array())
    action.arguments.push_back(argument.is_string() ? std::string(argument.get_string())
                                                    : json::serialize(argument));
  return action;
}

Result<std::vector<StagehandAction>> actions_from(const json::value& value) {
  if (!value.is_array()) return fail(Errc::protocol_error, "answer: 'result' is no list");
  std::vector<StagehandAction> actions;
  for (const auto& item : value.get_array()) {
    TRY(auto action, action_from(item));
    actions.push_back(std::move(action));
  }
  return actions;
}

Result<StagehandActResult> act_result_from(const Answer& answer) {
  const json::object* object = answer.result.if_object();
  const auto success = object ? find_bool(*object, "success") : std::nullopt;
  if (!success) return fail(Errc::protocol_error, "answer: 'result.success' is missing");
  StagehandActResult result;
  result.success = *success;
  result.message = text_at(*object, "message");
  result.description = text_at(*object, "actionDescription");
  result.action_id = answer.action_id;
  result.cache_hit = answer.cache_hit;
  if (const json::value* actions = find(*object, "actions")) {
    TRY(result.actions, actions_from(*actions));
  }
  return result;
}

Result<StagehandAgentResult> agent_result_from(const json::value& value) {
  const json::object* object = value.if_object();
  const auto success = object ? find_bool(*object, "success") : std::nullopt;
  if (!success) return fail(Errc::protocol_error, "answer: 'result.success' is missing");
  StagehandAgentResult result;
  result.success = *success;
  result.completed = find_bool(*object, "completed").value_or(false);
  result.message = text_at(*object, "message");
  if (const json::value* actions = find(*object, "actions"); actions && actions->is_array())
    result.actions = actions->get_array();
  if (const json::value* metadata = find(*object, "metadata"); metadata && metadata->is_object())
    result.metadata = metadata->get_object();
  const json::value* usage = find(*object, "usage");
  if (!usage || !usage->is_object()) return result;
  const auto tokens = [&](const char* key) {
    return static_cast<std::int64_t>(find_number(usage->get_object(), key).value_or(0));
  };
  result.input_tokens = tokens("input_tokens");
  result.output_tokens = tokens("output_tokens");
  return result;
}

bool ProgressReader::read(const net::ServerEvent& event) {
  if (outcome_) return true;
  auto body = parse_json(event.data, "event");
  const json::value* inner = body ? find(*body, "data") : nullptr;
  const json::object* data = inner ? inner->if_object() : nullptr;
  const auto status = data ? find_string(*data, "status") : std::nullopt;
  if (!status) {
    outcome_ = fail(Errc::protocol_error, "an event has no 'data.status'");
    return false;
  }
  if (*status == "finished") {
    Answer answer;
    if (const json::value* result = find(*data, "result")) answer.result = *result;
    answer.action_id = text_at(*data, "actionId");
    answer.cache_hit = find_bool(*data, "cacheHit").value_or(false);
    outcome_ = std::move(answer);
  } else if (*status == "error") {
    const std::string words = words_of(*inner);
    outcome_ = fail(Errc::http_error, words.empty() ? "failed" : words);
  } else if (*status == "running" && on_progress_) {
    const json::value* message = find(*data, "message");
    if (message && message->is_string()) on_progress_("", std::string_view(message->get_string()));
    if (message && message->is_object())
      on_progress_(text_at(message->get_object(), "category"),
                   text_at(message->get_object(), "message"));
  }
  return true;
}

Result<Answer> ProgressReader::take() {
  if (outcome_) return std::move(*outcome_);
  return fail(Errc::network_error, "the stream ended before its end");
}

StagehandFailure failure_of(int status) {
  if (status >= 200 && status < 300) return StagehandFailure::none;
  if (status >= 500) return StagehandFailure::server;
  switch (status) {
    case 400:
    case 422: return StagehandFailure::bad_request;
    case 401: return StagehandFailure::key;
    case 402: return StagehandFailure::payment;
    case 403: return StagehandFailure::forbidden;
    case 404: return StagehandFailure::missing;
    case 408: return StagehandFailure::timeout;
    case 409: return StagehandFailure::conflict;
    case 429: return StagehandFailure::rate;
    default: return StagehandFailure::other_status;
  }
}

StagehandFailure failure_of(const Error& error) {
  switch (error.code) {
    case Errc::timeout: return StagehandFailure::timeout;
    case Errc::cancelled: return StagehandFailure::cancelled;
    case Errc::dns_error: return StagehandFailure::dns;
    case Errc::tls_error: return StagehandFailure::tls;
    case Errc::network_error: return StagehandFailure::network;
    case Errc::http_error: return StagehandFailure::operation;
    case Errc::unsupported: return StagehandFailure::not_available;
    case Errc::protocol_error:
    case Errc::payload_too_large: return StagehandFailure::malformed;
    default: return StagehandFailure::local;
  }
}

Error error_for(StagehandFailure failure, const std::string& what, std::string message) {
  for (char& c : message)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  constexpr std::size_t kMost = 400;
  if (message.size() > kMost) {
    std::size_t end = kMost;
    while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xc0) == 0x80) --end;
    message = message.substr(0, end) + "…";
  }
  return fail(row(failure).code, "stagehand: " + what + ": " + message, {},
              std::string(row(failure).hint));
}

bool may_pass_later(StagehandFailure failure) { return row(failure).later; }
bool may_be_applied(StagehandFailure failure) { return row(failure).applied; }
bool blames_service(StagehandFailure failure) { return row(failure).outage; }

}  // namespace stagehand_wire
}  // namespace troupe::services
