// Google Gemini, generateContent.
#include "net/url.h"
#include "services/model_errors.h"
#include "services/model_wire.h"

namespace troupe::services::model_wire {
namespace {

void add_images(json::array& parts, const ModelMessage& message) {
  for (const auto& image : message.images) {
    json::object data{{"mimeType", image.media_type}, {"data", base64(image.bytes)}};
    parts.push_back({{"inlineData", std::move(data)}});
  }
}

json::array parts_of(const ModelMessage& message) {
  json::array parts;
  if (message.role == ModelRole::tool) {
    json::object response{{message.tool_failed ? "error" : "output", message.text}};
    json::object answer{{"name", message.tool_name}, {"response", std::move(response)}};
    if (!message.tool_call_id.empty()) answer["id"] = message.tool_call_id;
    parts.push_back({{"functionResponse", std::move(answer)}});
    add_images(parts, message);
    return parts;
  }
  add_images(parts, message);
  if (!message.text.empty()) parts.push_back({{"text", message.text}});
  for (const auto& call : message.tool_calls) {
    json::object function{{"name", call.name}, {"args", call.arguments}};
    if (!call.id.empty()) function["id"] = call.id;
    json::object part{{"functionCall", std::move(function)}};
    if (!call.signature.empty()) part["thoughtSignature"] = call.signature;
    parts.push_back(std::move(part));
  }
  return parts;
}

json::array contents_json(const ModelRequest& request) {
  json::array contents;
  std::string last;
  for (const auto& message : request.messages) {
    const std::string role = message.role == ModelRole::assistant ? "model" : "user";
    json::array parts = parts_of(message);
    if (role == last) {
      auto& before = contents.back().get_object()["parts"].get_array();
      before.insert(before.end(), parts.begin(), parts.end());
      continue;
    }
    contents.push_back({{"role", role}, {"parts", std::move(parts)}});
    last = role;
  }
  return contents;
}

void add_tools(json::object& body, const ModelRequest& request) {
  if (request.tools.empty()) return;
  json::array declarations;
  for (const auto& tool : request.tools)
    declarations.push_back({{"name", tool.name},
                            {"description", tool.description},
                            {"parametersJsonSchema", tool.parameters}});
  json::array tools{json::object{{"functionDeclarations", std::move(declarations)}}};
  body["tools"] = std::move(tools);
  constexpr const char* kModes[] = {"AUTO", "NONE", "ANY"};
  json::object mode{{"mode", kModes[static_cast<int>(request.tool_choice)]}};
  body["toolConfig"] = {{"functionCallingConfig", std::move(mode)}};
}

ModelUsage usage_from(const json::object& usage) {
  ModelUsage out;
  out.input_tokens =
      count_at(usage, "promptTokenCount") + count_at(usage, "toolUsePromptTokenCount");
  out.cached_input_tokens = count_at(usage, "cachedContentTokenCount");
  out.reasoning_tokens = count_at(usage, "thoughtsTokenCount");
  out.output_tokens = count_at(usage, "candidatesTokenCount") + out.reasoning_tokens;
  return out;
}

void judge_end(Incoming& incoming, const std::string& reason) {
  if (reason.empty() || reason == "STOP" || reason == "FINISH_REASON_UNSPECIFIED") return;
  if (reason == "MAX_TOKENS") {
    incoming.failure = ModelFailure::output_limit;
    incoming.problem = "the answer was longer than its limit";
  } else if (reason == "MALFORMED_FUNCTION_CALL" || reason == "UNEXPECTED_TOOL_CALL" ||
             reason == "OTHER") {
    incoming.failure = ModelFailure::malformed;
    incoming.problem = "the model ended with " + reason;
  } else {
    incoming.failure = ModelFailure::refusal;  // SAFETY, RECITATION, PROHIBITED_CONTENT, …
    incoming.problem = "the service stopped it: " + reason;
  }
}

// One body, or one event of a stream: adds to `incoming` and gives the text that it adds.
Result<std::string> add_body(const json::object& body, Incoming& incoming, std::string& reason) {
  const std::string blocked = text_at(object_at(body, "promptFeedback"), "blockReason");
  if (const auto& usage = object_at(body, "usageMetadata"); !usage.empty())
    incoming.usage = usage_from(usage);
  if (!blocked.empty()) {
    incoming.failure = ModelFailure::refusal;
    incoming.problem = "the service refused the request: " + blocked;
    reason = blocked;
    return std::string();
  }
  const json::array& candidates = array_at(body, "candidates");
  if (candidates.empty() || !candidates[0].is_object()) return std::string();
  const json::object& candidate = candidates[0].get_object();
  std::string added;
  for (const auto& value : array_at(object_at(candidate, "content"), "parts")) {
    if (!value.is_object()) return fail(Errc::protocol_error, "answer: a part is no object");
    const json::object& part = value.get_object();
    if (find_bool(part, "thought").value_or(false)) continue;
    added += text_at(part, "text");
    const json::object& function = object_at(part, "functionCall");
    if (function.empty()) continue;
    ModelToolCall call{.id = text_at(function, "id"), .name = text_at(function, "name")};
    call.arguments = object_at(function, "args");
    call.signature = text_at(part, "thoughtSignature");
    incoming.tool_calls.push_back(std::move(call));
  }
  incoming.text += added;
  if (const std::string end = text_at(candidate, "finishReason"); !end.empty()) reason = end;
  return added;
}

class ContentStream final : public StreamReader {
 public:
  Result<std::string> read(const net::ServerEvent& event) override {
    TRY(const json::object body, event_object(event));
    if (const json::object& error = object_at(body, "error"); !error.empty()) {
      incoming_.problem = text_at(error, "message");
      incoming_.failure = failure_of_words(text_at(error, "status"), incoming_.problem);
      return std::string();
    }
    return add_body(body, incoming_, reason_);
  }
  // Usage may follow the reason, so the connection's end is the end.
  bool is_complete() const override { return false; }
  Incoming take() override {
    if (incoming_.failure != ModelFailure::none) return std::move(incoming_);
    judge_end(incoming_, reason_);
    if (reason_.empty()) {
      incoming_.failure = ModelFailure::cut;
      incoming_.problem = "the stream ended before its end";
    }
    return std::move(incoming_);
  }

 private:
  Incoming incoming_;
  std::string reason_;
};

class Content final : public Format {
 public:
  std::string_view name() const override { return "google"; }

  Result<Outgoing> request(const ModelRequest& request, const std::string& model,
                           const std::string& key, bool stream) const override {
    Outgoing out{.path = "/v1beta/models/" + net::percent_encode(model)};
    out.path += stream ? ":streamGenerateContent?alt=sse" : ":generateContent";
    if (!key.empty()) out.headers.emplace_back("x-goog-api-key", key);
    out.body["contents"] = contents_json(request);
    if (!request.system.empty()) {
      json::array parts{json::object{{"text", request.system}}};
      out.body["systemInstruction"] = {{"parts", std::move(parts)}};
    }
    json::object config{{"maxOutputTokens", request.output_tokens_max}};
    if (request.temperature) config["temperature"] = *request.temperature;
    if (!request.stop.empty()) config["stopSequences"] = json::value_from(request.stop);
    if (request.schema) {
      config["responseMimeType"] = "application/json";
      config["responseJsonSchema"] = *request.schema;
    }
    out.body["generationConfig"] = std::move(config);
    add_tools(out.body, request);
    return out;
  }

  Result<Incoming> reply(const json::value& body) const override {
    if (!body.is_object()) return fail(Errc::protocol_error, "answer is no object");
    const auto& object = body.get_object();
    if (!object.contains("candidates") && !object.contains("promptFeedback"))
      return fail(Errc::protocol_error, "answer: 'candidates' is missing");
    Incoming incoming;
    std::string reason;
    TRY(const std::string text, add_body(object, incoming, reason));
    if (incoming.failure == ModelFailure::none) judge_end(incoming, reason);
    return incoming;
  }

  std::unique_ptr<StreamReader> stream() const override {
    return std::make_unique<ContentStream>();
  }
};

}  // namespace

const Format& google() {
  static const Content kFormat;
  return kFormat;
}

}  // namespace troupe::services::model_wire
