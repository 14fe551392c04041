// OpenAI Chat Completions, and the many servers that speak it.
#include <map>

#include "services/model_errors.h"
#include "services/model_wire.h"

namespace troupe::services::model_wire {
namespace {

json::value user_content(const ModelMessage& message) {
  if (message.images.empty()) return json::string(message.text);
  json::array parts;
  if (!message.text.empty()) parts.push_back({{"type", "text"}, {"text", message.text}});
  for (const auto& image : message.images) {
    json::object address{{"url", "data:" + image.media_type + ";base64," + base64(image.bytes)}};
    parts.push_back({{"type", "image_url"}, {"image_url", std::move(address)}});
  }
  return parts;
}

json::object assistant_message(const ModelMessage& message) {
  json::object out{{"role", "assistant"}};
  out["content"] = message.text.empty() ? json::value(nullptr) : json::value(message.text);
  json::array calls;
  for (const auto& call : message.tool_calls) {
    json::object function{{"name", call.name}, {"arguments", json::serialize(call.arguments)}};
    calls.push_back({{"id", call.id}, {"type", "function"}, {"function", std::move(function)}});
  }
  if (!calls.empty()) out["tool_calls"] = std::move(calls);
  return out;
}

json::object message_json(const ModelMessage& message) {
  if (message.role == ModelRole::assistant) return assistant_message(message);
  if (message.role == ModelRole::user)
    return {{"role", "user"}, {"content", user_content(message)}};
  const std::string text = message.tool_failed ? "error: " + message.text : message.text;
  return {{"role", "tool"}, {"tool_call_id", message.tool_call_id}, {"content", text}};
}

json::array messages_json(const ModelRequest& request) {
  json::array messages;
  if (!request.system.empty())
    messages.push_back({{"role", "system"}, {"content", request.system}});
  for (const auto& message : request.messages) {
    messages.push_back(message_json(message));
    // A tool's answer is text only; its pictures follow as the user's.
    if (message.role != ModelRole::tool || message.images.empty()) continue;
    ModelMessage pictures;
    pictures.images = message.images;
    messages.push_back(message_json(pictures));
  }
  return messages;
}

void add_tools(json::object& body, const ModelRequest& request) {
  if (request.tools.empty()) return;
  json::array tools;
  for (const auto& tool : request.tools) {
    json::object function{
        {"name", tool.name}, {"description", tool.description}, {"parameters", tool.parameters}};
    tools.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  body["tools"] = std::move(tools);
  constexpr const char* kChoices[] = {"auto", "none", "required"};
  body["tool_choice"] = kChoices[static_cast<int>(request.tool_choice)];
}

ModelUsage usage_from(const json::object& usage) {
  ModelUsage out;
  out.input_tokens = count_at(usage, "prompt_tokens");
  out.cached_input_tokens = count_at(object_at(usage, "prompt_tokens_details"), "cached_tokens");
  out.output_tokens = count_at(usage, "completion_tokens");
  out.reasoning_tokens =
      count_at(object_at(usage, "completion_tokens_details"), "reasoning_tokens");
  return out;
}

void judge_end(Incoming& incoming, std::string_view reason, const std::string& refusal) {
  if (!refusal.empty() || reason == "content_filter") {
    incoming.failure = ModelFailure::refusal;
    incoming.problem = refusal.empty() ? "the service's content filter stopped it" : refusal;
  } else if (reason == "length") {
    incoming.failure = ModelFailure::output_limit;
    incoming.problem = "the answer was longer than its limit";
  }
}

class ChatStream final : public StreamReader {
 public:
  Result<std::string> read(const net::ServerEvent& event) override {
    if (event.data == "[DONE]") {
      complete_ = true;
      return std::string();
    }
    TRY(const json::object body, event_object(event));
    if (const json::object& error = object_at(body, "error"); !error.empty()) {
      incoming_.failure = failure_of_words(text_at(error, "type") + " " + text_at(error, "code"),
                                           text_at(error, "message"));
      incoming_.problem = text_at(error, "message");
      complete_ = true;
      return std::string();
    }
    if (const json::object& usage = object_at(body, "usage"); !usage.empty())
      incoming_.usage = usage_from(usage);
    const json::array& choices = array_at(body, "choices");
    if (choices.empty() || !choices[0].is_object()) return std::string();
    const json::object& choice = choices[0].get_object();
    if (const auto reason = find_string(choice, "finish_reason")) reason_ = *reason;
    return add(object_at(choice, "delta"));
  }
  bool is_complete() const override { return complete_; }
  Incoming take() override {
    if (incoming_.failure != ModelFailure::none) return std::move(incoming_);
    if (!complete_ && reason_.empty()) {
      incoming_.failure = ModelFailure::cut;
      incoming_.problem = "the stream ended before its end";
      return std::move(incoming_);
    }
    judge_end(incoming_, reason_, refusal_);
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
  std::string add(const json::object& delta) {
    refusal_ += text_at(delta, "refusal");
    for (const auto& item : array_at(delta, "tool_calls")) {
      if (!item.is_object()) continue;
      const json::object& call = item.get_object();
      Piece& piece = calls_[count_at(call, "index")];
      if (const auto id = find_string(call, "id")) piece.call.id = *id;
      const json::object& function = object_at(call, "function");
      piece.call.name += text_at(function, "name");
      piece.arguments += text_at(function, "arguments");
    }
    std::string text = text_at(delta, "content");
    incoming_.text += text;
    return text;
  }

  Incoming incoming_;
  std::map<std::int64_t, Piece> calls_;
  std::string reason_, refusal_;
  bool complete_ = false;
};

class Chat final : public Format {
 public:
  explicit Chat(bool plain) : plain_(plain) {}
  std::string_view name() const override { return "openai-chat"; }

  Result<Outgoing> request(const ModelRequest& request, const std::string& model,
                           const std::string& key, bool stream) const override {
    Outgoing out{.path = "/chat/completions"};
    if (!key.empty()) out.headers.emplace_back("Authorization", "Bearer " + key);
    out.body = {{"model", model}, {"messages", messages_json(request)}};
    out.body[plain_ ? "max_tokens" : "max_completion_tokens"] = request.output_tokens_max;
    if (request.temperature) out.body["temperature"] = *request.temperature;
    if (!request.stop.empty()) out.body["stop"] = json::value_from(request.stop);
    add_tools(out.body, request);
    if (request.schema) {
      json::object schema{{"name", request.schema_name},
                          {"schema", *request.schema},
                          {"strict", is_strict(*request.schema)}};
      out.body["response_format"] = {{"type", "json_schema"}, {"json_schema", std::move(schema)}};
    }
    if (stream) {
      out.body["stream"] = true;
      out.body["stream_options"] = {{"include_usage", true}};
    }
    return out;
  }

  Result<Incoming> reply(const json::value& body) const override {
    if (!body.is_object()) return fail(Errc::protocol_error, "answer is no object");
    const json::array& choices = array_at(body.get_object(), "choices");
    if (choices.empty() || !choices[0].is_object())
      return fail(Errc::protocol_error, "answer: 'choices' is missing");
    const json::object& choice = choices[0].get_object();
    const json::object& message = object_at(choice, "message");
    Incoming incoming;
    incoming.usage = usage_from(object_at(body.get_object(), "usage"));
    incoming.text = text_at(message, "content");
    judge_end(incoming, text_at(choice, "finish_reason"), text_at(message, "refusal"));
    if (incoming.failure != ModelFailure::none) return incoming;
    for (const auto& item : array_at(message, "tool_calls")) {
      if (!item.is_object()) return fail(Errc::protocol_error, "answer: a tool call is no object");
      const json::object& function = object_at(item.get_object(), "function");
      ModelToolCall call{.id = text_at(item.get_object(), "id"), .name = text_at(function, "name")};
      TRY(call.arguments, arguments_from(text_at(function, "arguments"), call.name));
      incoming.tool_calls.push_back(std::move(call));
    }
    return incoming;
  }

  std::unique_ptr<StreamReader> stream() const override { return std::make_unique<ChatStream>(); }

 private:
  bool plain_;
};

}  // namespace

const Format& openai_chat(bool plain) {
  static const Chat kPlain(true);
  static const Chat kOwn(false);
  return plain ? kPlain : kOwn;
}

}  // namespace troupe::services::model_wire
