// OpenAI Responses. Nothing is kept at the service (`store: false`): each request is whole.
#include "services/model_errors.h"
#include "services/model_wire.h"

namespace troupe::services::model_wire {
namespace {

json::object user_item(const ModelMessage& message) {
  json::array parts;
  if (!message.text.empty()) parts.push_back({{"type", "input_text"}, {"text", message.text}});
  for (const auto& image : message.images)
    parts.push_back({{"type", "input_image"},
                     {"image_url", "data:" + image.media_type + ";base64," + base64(image.bytes)}});
  return {{"role", "user"}, {"content", std::move(parts)}};
}

void add_assistant(json::array& input, const ModelMessage& message) {
  if (!message.text.empty()) {
    json::array parts{json::object{{"type", "output_text"}, {"text", message.text}}};
    input.push_back({{"role", "assistant"}, {"content", std::move(parts)}});
  }
  for (const auto& call : message.tool_calls)
    input.push_back({{"type", "function_call"},
                     {"call_id", call.id},
                     {"name", call.name},
                     {"arguments", json::serialize(call.arguments)}});
}

void add_tool_answer(json::array& input, const ModelMessage& message) {
  const std::string text = message.tool_failed ? "error: " + message.text : message.text;
  input.push_back(
      {{"type", "function_call_output"}, {"call_id", message.tool_call_id}, {"output", text}});
  if (message.images.empty()) return;
  ModelMessage pictures;
  pictures.images = message.images;
  input.push_back(user_item(pictures));
}

json::array input_json(const ModelRequest& request) {
  json::array input;
  for (const auto& message : request.messages) {
    if (message.role == ModelRole::user) input.push_back(user_item(message));
    if (message.role == ModelRole::assistant) add_assistant(input, message);
    if (message.role == ModelRole::tool) add_tool_answer(input, message);
  }
  return input;
}

void add_tools(json::object& body, const ModelRequest& request) {
  if (request.tools.empty()) return;
  json::array tools;
  for (const auto& tool : request.tools)
    tools.push_back({{"type", "function"},
                     {"name", tool.name},
                     {"description", tool.description},
                     {"parameters", tool.parameters},
                     {"strict", is_strict(tool.parameters)}});
  body["tools"] = std::move(tools);
  constexpr const char* kChoices[] = {"auto", "none", "required"};
  body["tool_choice"] = kChoices[static_cast<int>(request.tool_choice)];
}

ModelUsage usage_from(const json::object& usage) {
  ModelUsage out;
  out.input_tokens = count_at(usage, "input_tokens");
  out.cached_input_tokens = count_at(object_at(usage, "input_tokens_details"), "cached_tokens");
  out.output_tokens = count_at(usage, "output_tokens");
  out.reasoning_tokens = count_at(object_at(usage, "output_tokens_details"), "reasoning_tokens");
  return out;
}

void judge_state(Incoming& incoming, const json::object& response) {
  const std::string status = text_at(response, "status");
  const json::object& error = object_at(response, "error");
  if (!error.empty() || status == "failed") {
    incoming.problem = text_at(error, "message");
    incoming.failure = failure_of_words(text_at(error, "code"), incoming.problem);
    return;
  }
  const std::string reason = text_at(object_at(response, "incomplete_details"), "reason");
  if (reason == "content_filter") {
    incoming.failure = ModelFailure::refusal;
    incoming.problem = "the service's content filter stopped it";
  } else if (status == "incomplete") {
    incoming.failure = ModelFailure::output_limit;
    incoming.problem = "the answer was longer than its limit";
  } else if (status == "cancelled") {
    incoming.failure = ModelFailure::cut;
    incoming.problem = "the service cancelled it";
  }
}

Result<void> read_message(const json::object& item, Incoming& incoming) {
  for (const auto& part : array_at(item, "content")) {
    if (!part.is_object()) return fail(Errc::protocol_error, "answer: a part is no object");
    const auto& object = part.get_object();
    incoming.text += text_at(object, "text");
    if (text_at(object, "type") != "refusal") continue;
    incoming.failure = ModelFailure::refusal;
    incoming.problem = text_at(object, "refusal");
  }
  return {};
}

Result<Incoming> response_from(const json::object& response) {
  if (!response.contains("output") && !response.contains("error"))
    return fail(Errc::protocol_error, "answer: 'output' is missing");
  Incoming incoming;
  incoming.usage = usage_from(object_at(response, "usage"));
  judge_state(incoming, response);
  for (const auto& value : array_at(response, "output")) {
    if (!value.is_object()) return fail(Errc::protocol_error, "answer: an item is no object");
    const auto& item = value.get_object();
    const std::string type = text_at(item, "type");
    if (type == "message") TRY_VOID(read_message(item, incoming));
    if (type != "function_call" || incoming.failure != ModelFailure::none) continue;
    ModelToolCall call{.id = text_at(item, "call_id"), .name = text_at(item, "name")};
    TRY(call.arguments, arguments_from(text_at(item, "arguments"), call.name));
    incoming.tool_calls.push_back(std::move(call));
  }
  return incoming;
}

// The last event repeats the whole answer, so only its text is followed meanwhile.
class ResponsesStream final : public StreamReader {
 public:
  Result<std::string> read(const net::ServerEvent& event) override {
    if (event.data == "[DONE]") return std::string();
    TRY(const json::object body, event_object(event));
    const std::string type = text_at(body, "type");
    if (type == "response.output_text.delta") {
      std::string text = text_at(body, "delta");
      partial_ += text;
      return text;
    }
    if (type == "error") {
      const json::object& inner = object_at(body, "error");
      const json::object& error = inner.empty() ? body : inner;
      incoming_.problem = text_at(error, "message");
      incoming_.failure = failure_of_words(text_at(error, "code"), incoming_.problem);
      complete_ = true;
    }
    if (type == "response.completed" || type == "response.incomplete" ||
        type == "response.failed") {
      TRY(incoming_, response_from(object_at(body, "response")));
      complete_ = true;
    }
    return std::string();
  }
  bool is_complete() const override { return complete_; }
  Incoming take() override {
    if (complete_) return std::move(incoming_);
    Incoming cut{.text = std::move(partial_)};
    cut.failure = ModelFailure::cut;
    cut.problem = "the stream ended before its end";
    return cut;
  }

 private:
  Incoming incoming_;
  std::string partial_;
  bool complete_ = false;
};

class Responses final : public Format {
 public:
  std::string_view name() const override { return "openai"; }

  Result<Outgoing> request(const ModelRequest& request, const std::string& model,
                           const std::string& key, bool stream) const override {
    if (!request.stop.empty())
      return fail(Errc::invalid_argument, "stop: the Responses format has no stop sequences", {},
                  "name the model openai-chat/… instead of openai/…");
    Outgoing out{.path = "/responses"};
    if (!key.empty()) out.headers.emplace_back("Authorization", "Bearer " + key);
    out.body = {{"model", model},
                {"input", input_json(request)},
                {"max_output_tokens", request.output_tokens_max},
                {"store", false}};
    if (!request.system.empty()) out.body["instructions"] = request.system;
    if (request.temperature) out.body["temperature"] = *request.temperature;
    add_tools(out.body, request);
    if (request.schema) {
      json::object format{{"type", "json_schema"},
                          {"name", request.schema_name},
                          {"schema", *request.schema},
                          {"strict", is_strict(*request.schema)}};
      out.body["text"] = {{"format", std::move(format)}};
    }
    if (stream) out.body["stream"] = true;
    return out;
  }

  Result<Incoming> reply(const json::value& body) const override {
    if (!body.is_object()) return fail(Errc::protocol_error, "answer is no object");
    return response_from(body.get_object());
  }

  std::unique_ptr<StreamReader> stream() const override {
    return std::make_unique<ResponsesStream>();
  }
};

}  // namespace

const Format& openai_responses() {
  static const Responses kFormat;
  return kFormat;
}

}  // namespace troupe::services::model_wire
