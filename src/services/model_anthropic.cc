// Anthropic Messages. JSON by a schema is asked for as the call of a tool that does nothing.
#include <map>

#include "services/model_errors.h"
#include "services/model_wire.h"

namespace troupe::services::model_wire {
namespace {

constexpr std::string_view kVersion = "2023-06-01";

json::object text_part(const std::string& text) { return {{"type", "text"}, {"text", text}}; }

void add_images(json::array& parts, const ModelMessage& message) {
  for (const auto& image : message.images) {
    json::object source{
        {"type", "base64"}, {"media_type", image.media_type}, {"data", base64(image.bytes)}};
    parts.push_back({{"type", "image"}, {"source", std::move(source)}});
  }
}

json::array content_of(const ModelMessage& message) {
  json::array parts;
  if (message.role == ModelRole::tool) {
    json::array inner;
    if (!message.text.empty()) inner.push_back(text_part(message.text));
    add_images(inner, message);
    parts.push_back({{"type", "tool_result"},
                     {"tool_use_id", message.tool_call_id},
                     {"content", std::move(inner)},
                     {"is_error", message.tool_failed}});
    return parts;
  }
  add_images(parts, message);
  if (!message.text.empty()) parts.push_back(text_part(message.text));
  for (const auto& call : message.tool_calls)
    parts.push_back(
        {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", call.arguments}});
  return parts;
}

// Neighbours of one role become one message: the answers of several tools belong together.
json::array messages_json(const ModelRequest& request) {
  json::array messages;
  std::string last;
  for (const auto& message : request.messages) {
    const std::string role = message.role == ModelRole::assistant ? "assistant" : "user";
    json::array parts = content_of(message);
    if (role == last) {
      auto& before = messages.back().get_object()["content"].get_array();
      before.insert(before.end(), parts.begin(), parts.end());
      continue;
    }
    messages.push_back({{"role", role}, {"content", std::move(parts)}});
    last = role;
  }
  return messages;
}

void add_tools(json::object& body, const ModelRequest& request) {
  json::array tools;
  for (const auto& tool : request.tools)
    tools.push_back({{"name", tool.name},
                     {"description", tool.description},
                     {"input_schema", tool.parameters}});
  if (request.schema)
    tools.push_back({{"name", request.schema_name},
                     {"description", "Gives the answer. Call it once, with the whole answer."},
                     {"input_schema", *request.schema}});
  if (tools.empty()) return;
  body["tools"] = std::move(tools);
  constexpr const char* kChoices[] = {"auto", "none", "any"};
  json::object choice{{"type", kChoices[static_cast<int>(request.tool_choice)]}};
  if (request.schema && request.tools.empty())
    choice = {{"type", "tool"}, {"name", request.schema_name}};
  else if (request.schema)
    choice = {{"type", "any"}};
  body["tool_choice"] = std::move(choice);
}

// Parts of the cache are told beside the input, not within it.
void read_usage(const json::object& usage, ModelUsage& out) {
  if (usage.contains("input_tokens")) {
    out.cached_input_tokens = count_at(usage, "cache_read_input_tokens");
    out.input_tokens = count_at(usage, "input_tokens") + out.cached_input_tokens +
                       count_at(usage, "cache_creation_input_tokens");
  }
  if (usage.contains("output_tokens")) out.output_tokens = count_at(usage, "output_tokens");
}

void judge_end(Incoming& incoming, std::string_view reason) {
  if (reason == "refusal") {
    incoming.failure = ModelFailure::refusal;
    incoming.problem = "the model declined";
  } else if (reason == "max_tokens") {
    incoming.failure = ModelFailure::output_limit;
    incoming.problem = "the answer was longer than its limit";
  } else if (reason == "model_context_window_exceeded") {
    incoming.failure = ModelFailure::too_long;
    incoming.problem = "the model's context is full";
  }
}

void judge_error(Incoming& incoming, const json::object& error) {
  incoming.problem = text_at(error, "message");
  incoming.failure = failure_of_words(text_at(error, "type"), incoming.problem);
}

class MessagesStream final : public StreamReader {
 public:
  Result<std::string> read(const net::ServerEvent& event) override {
    TRY(const json::object body, event_object(event));
    const std::string type = text_at(body, "type");
    if (type == "message_start")
      read_usage(object_at(object_at(body, "message"), "usage"), incoming_.usage);
    if (type == "content_block_start") begin(body);
    if (type == "content_block_delta") return add(body);
    if (type == "message_delta") {
      read_usage(object_at(body, "usage"), incoming_.usage);
      const std::string reason = text_at(object_at(body, "delta"), "stop_reason");
      if (!reason.empty()) reason_ = reason;
    }
    if (type == "error") judge_error(incoming_, object_at(body, "error"));
    if (type == "message_stop" || type == "error") complete_ = true;
    return std::string();
  }
  bool is_complete() const override { return complete_; }
  Incoming take() override {
    if (incoming_.failure != ModelFailure::none) return std::move(incoming_);
    judge_end(incoming_, reason_);
    if (!complete_) {
      incoming_.failure = ModelFailure::cut;
      incoming_.problem = "the stream ended before its end";
    }
    if (incoming_.failure != ModelFailure::none) return std::move(incoming_);
    for (auto& [index, piece] : calls_) {
      auto arguments = arguments_from(piece.arguments, piece.call.name);
      if (!arguments) {
        incoming_.failure = ModelFailure::malformed;
        incoming_.problem = arguments.error().message;
        break;
      }
      piece.call.arguments = std::move(*arguments);
      incoming_.tool_calls.push_back(std::move(piece.call));
    }
    return std::move(incoming_);
  }

 private:
  struct Piece {
    ModelToolCall call;
    std::string arguments;
  };
  void begin(const json::object& body) {
    const json::object& block = object_at(body, "content_block");
    if (text_at(block, "type") != "tool_use") return;
    Piece& piece = calls_[count_at(body, "index")];
    piece.call.id = text_at(block, "id");
    piece.call.name = text_at(block, "name");
  }
  std::string add(const json::object& body) {
    const json::object& delta = object_at(body, "delta");
    const std::string type = text_at(delta, "type");
    if (type == "input_json_delta") {
      std::string piece = text_at(delta, "partial_json");
      calls_[count_at(body, "index")].arguments += piece;
      return {};
    }
    std::string text = type == "text_delta" ? text_at(delta, "text") : "";
    incoming_.text += text;
    return text;
  }

  Incoming incoming_;
  std::map<std::int64_t, Piece> calls_;
  std::string reason_;
  bool complete_ = false;
};

class Messages final : public Format {
 public:
  std::string_view name() const override { return "anthropic"; }

  Result<Outgoing> request(const ModelRequest& request, const std::string& model,
                           const std::string& key, bool stream) const override {
    Outgoing out{.path = "/v1/messages"};
    out.headers = {{"anthropic-version", std::string(kVersion)}};
    if (!key.empty()) out.headers.emplace_back("x-api-key", key);
    out.body = {{"model", model},
                {"max_tokens", request.output_tokens_max},
                {"messages", messages_json(request)}};
    if (!request.system.empty()) out.body["system"] = request.system;
    if (request.temperature) out.body["temperature"] = *request.temperature;
    if (!request.stop.empty()) out.body["stop_sequences"] = json::value_from(request.stop);
    add_tools(out.body, request);
    if (stream) out.body["stream"] = true;
    return out;
  }

  Result<Incoming> reply(const json::value& body) const override {
    if (!body.is_object() || !body.get_object().contains("content"))
      return fail(Errc::protocol_error, "answer: 'content' is missing");
    const auto& object = body.get_object();
    Incoming incoming;
    read_usage(object_at(object, "usage"), incoming.usage);
    for (const auto& value : array_at(object, "content")) {
      if (!value.is_object()) return fail(Errc::protocol_error, "answer: a part is no object");
      const auto& part = value.get_object();
      const std::string type = text_at(part, "type");
      if (type == "text") incoming.text += text_at(part, "text");
      if (type != "tool_use") continue;
      ModelToolCall call{.id = text_at(part, "id"), .name = text_at(part, "name")};
      call.arguments = object_at(part, "input");
      incoming.tool_calls.push_back(std::move(call));
    }
    judge_end(incoming, text_at(object, "stop_reason"));
    return incoming;
  }

  std::unique_ptr<StreamReader> stream() const override {
    return std::make_unique<MessagesStream>();
  }
};

}  // namespace

const Format& anthropic() {
  static const Messages kFormat;
  return kFormat;
}

}  // namespace troupe::services::model_wire
