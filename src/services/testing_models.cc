#include "services/testing_models.h"

#include <stdexcept>

namespace troupe::services {
namespace {

using Fault = ScriptedAnswer::Fault;

enum class Speech { chat, responses, anthropic, google };

std::string event(const json::value& data, std::string_view name = {}) {
  std::string text;
  if (!name.empty()) text = "event: " + std::string(name) + "\n";
  return text + "data: " + json::serialize(data) + "\n\n";
}

// Chat Completions.

json::object chat_usage(const ModelUsage& usage) {
  return {
      {"prompt_tokens", usage.input_tokens},
      {"prompt_tokens_details", json::object{{"cached_tokens", usage.cached_input_tokens}}},
      {"completion_tokens", usage.output_tokens},
      {"completion_tokens_details", json::object{{"reasoning_tokens", usage.reasoning_tokens}}}};
}

const char* chat_reason(const ScriptedAnswer& answer) {
  if (answer.fault == Fault::too_short) return "length";
  return answer.tool_calls.empty() ? "stop" : "tool_calls";
}

json::array chat_calls(const ScriptedAnswer& answer, bool indexed) {
  json::array calls;
  for (const auto& call : answer.tool_calls) {
    json::object item{{"id", call.id}, {"type", "function"}};
    if (indexed) item["index"] = calls.size();
    item["function"] =
        json::object{{"name", call.name}, {"arguments", json::serialize(call.arguments)}};
    calls.push_back(std::move(item));
  }
  return calls;
}

json::value chat_whole(const ScriptedAnswer& answer) {
  json::object message{{"role", "assistant"}, {"content", answer.text}, {"refusal", nullptr}};
  if (answer.fault == Fault::refusal) {
    message["content"] = nullptr;
    message["refusal"] = "I cannot help with that";
  }
  if (!answer.tool_calls.empty()) message["tool_calls"] = chat_calls(answer, false);
  json::array choices{json::object{
      {"index", 0}, {"message", std::move(message)}, {"finish_reason", chat_reason(answer)}}};
  return json::object{{"object", "chat.completion"},
                      {"choices", std::move(choices)},
                      {"usage", chat_usage(answer.usage)}};
}

json::value chat_chunk(json::object delta, json::value reason) {
  json::array choices{json::object{
      {"index", 0}, {"delta", std::move(delta)}, {"finish_reason", std::move(reason)}}};
  return json::object{{"object", "chat.completion.chunk"}, {"choices", std::move(choices)}};
}

std::vector<std::string> chat_stream(const ScriptedAnswer& answer) {
  std::vector<std::string> out{
      event(chat_chunk({{"role", "assistant"}, {"content", ""}}, nullptr))};
  const std::string half = answer.text.substr(0, answer.text.size() / 2);
  if (answer.fault == Fault::refusal) {
    out.push_back(event(chat_chunk({{"refusal", "I cannot help with that"}}, nullptr)));
  } else {
    out.push_back(event(chat_chunk({{"content", half}}, nullptr)));
    out.push_back(event(chat_chunk({{"content", answer.text.substr(half.size())}}, nullptr)));
  }
  for (const auto& value : chat_calls(answer, true)) {
    json::object call = value.as_object();
    const std::string arguments(call["function"].as_object()["arguments"].as_string());
    call["function"].as_object()["arguments"] = arguments.substr(0, 3);
    out.push_back(event(chat_chunk({{"tool_calls", json::array{call}}}, nullptr)));
    json::object rest{{"index", call["index"]},
                      {"function", json::object{{"arguments", arguments.substr(3)}}}};
    out.push_back(event(chat_chunk({{"tool_calls", json::array{rest}}}, nullptr)));
  }
  out.push_back(event(chat_chunk({}, chat_reason(answer))));
  out.push_back(
      event(json::object{{"choices", json::array{}}, {"usage", chat_usage(answer.usage)}}));
  out.push_back("data: [DONE]\n\n");
  return out;
}

// Responses.

json::object responses_whole(const ScriptedAnswer& answer) {
  json::object part{{"type", "output_text"}, {"text", answer.text}, {"annotations", json::array{}}};
  if (answer.fault == Fault::refusal)
    part = {{"type", "refusal"}, {"refusal", "I cannot help with that"}};
  json::array output{
      json::object{{"type", "reasoning"}, {"summary", json::array{}}},
      json::object{
          {"type", "message"}, {"role", "assistant"}, {"content", json::array{std::move(part)}}}};
  for (const auto& call : answer.tool_calls)
    output.push_back({{"type", "function_call"},
                      {"call_id", call.id},
                      {"name", call.name},
                      {"arguments", json::serialize(call.arguments)}});
  json::object whole{{"object", "response"},
                     {"status", "completed"},
                     {"error", nullptr},
                     {"output", std::move(output)}};
  if (answer.fault == Fault::too_short) {
    whole["status"] = "incomplete";
    whole["incomplete_details"] = json::object{{"reason", "max_output_tokens"}};
  }
  whole["usage"] = json::object{
      {"input_tokens", answer.usage.input_tokens},
      {"input_tokens_details", json::object{{"cached_tokens", answer.usage.cached_input_tokens}}},
      {"output_tokens", answer.usage.output_tokens},
      {"output_tokens_details", json::object{{"reasoning_tokens", answer.usage.reasoning_tokens}}}};
  return whole;
}

std::vector<std::string> responses_stream(const ScriptedAnswer& answer) {
  const std::string half = answer.text.substr(0, answer.text.size() / 2);
  const auto delta = [](const std::string& text) {
    return event(json::object{{"type", "response.output_text.delta"}, {"delta", text}},
                 "response.output_text.delta");
  };
  std::vector<std::string> out{
      event(json::object{{"type", "response.created"}}, "response.created")};
  if (answer.fault != Fault::refusal) {
    out.push_back(delta(half));
    out.push_back(delta(answer.text.substr(half.size())));
  }
  const char* name =
      answer.fault == Fault::too_short ? "response.incomplete" : "response.completed";
  out.push_back(event(json::object{{"type", name}, {"response", responses_whole(answer)}}, name));
  return out;
}

// Anthropic.

json::object anthropic_usage(const ModelUsage& usage) {
  return {{"input_tokens", usage.input_tokens - usage.cached_input_tokens},
          {"cache_read_input_tokens", usage.cached_input_tokens},
          {"cache_creation_input_tokens", 0},
          {"output_tokens", usage.output_tokens}};
}

const char* anthropic_reason(const ScriptedAnswer& answer) {
  if (answer.fault == Fault::too_short) return "max_tokens";
  if (answer.fault == Fault::refusal) return "refusal";
  return answer.tool_calls.empty() ? "end_turn" : "tool_use";
}

json::value anthropic_whole(const ScriptedAnswer& answer) {
  json::array content;
  if (!answer.text.empty()) content.push_back({{"type", "text"}, {"text", answer.text}});
  for (const auto& call : answer.tool_calls)
    content.push_back(
        {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", call.arguments}});
  return json::object{{"type", "message"},
                      {"role", "assistant"},
                      {"content", std::move(content)},
                      {"stop_reason", anthropic_reason(answer)},
                      {"usage", anthropic_usage(answer.usage)}};
}

void anthropic_block(std::vector<std::string>& out, int index, json::object start,
                     std::vector<json::object> deltas) {
  out.push_back(event(
      json::object{
          {"type", "content_block_start"}, {"index", index}, {"content_block", std::move(start)}},
      "content_block_start"));
  for (auto& delta : deltas)
    out.push_back(event(
        json::object{
            {"type", "content_block_delta"}, {"index", index}, {"delta", std::move(delta)}},
        "content_block_delta"));
  out.push_back(
      event(json::object{{"type", "content_block_stop"}, {"index", index}}, "content_block_stop"));
}

std::vector<std::string> anthropic_stream(const ScriptedAnswer& answer) {
  json::object usage = anthropic_usage(answer.usage);
  usage["output_tokens"] = 1;
  json::object message{{"role", "assistant"}, {"usage", std::move(usage)}};
  std::vector<std::string> out{
      event(json::object{{"type", "message_start"}, {"message", std::move(message)}},
            "message_start"),
      event(json::object{{"type", "ping"}}, "ping")};
  int index = 0;
  const std::string half = answer.text.substr(0, answer.text.size() / 2);
  if (!answer.text.empty())
    anthropic_block(out, index++, {{"type", "text"}, {"text", ""}},
                    {{{"type", "text_delta"}, {"text", half}},
                     {{"type", "text_delta"}, {"text", answer.text.substr(half.size())}}});
  for (const auto& call : answer.tool_calls) {
    const std::string arguments = json::serialize(call.arguments);
    anthropic_block(out, index++,
                    {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", {}}},
                    {{{"type", "input_json_delta"}, {"partial_json", arguments.substr(0, 3)}},
                     {{"type", "input_json_delta"}, {"partial_json", arguments.substr(3)}}});
  }
  json::object last{{"type", "message_delta"},
                    {"delta", json::object{{"stop_reason", anthropic_reason(answer)}}},
                    {"usage", json::object{{"output_tokens", answer.usage.output_tokens}}}};
  out.push_back(event(last, "message_delta"));
  out.push_back(event(json::object{{"type", "message_stop"}}, "message_stop"));
  return out;
}

// Google.

json::object google_body(json::array parts, const ScriptedAnswer& answer, bool last) {
  json::object candidate{{"content", json::object{{"role", "model"}, {"parts", std::move(parts)}}}};
  if (last) {
    const bool refused = answer.fault == Fault::refusal;
    candidate["finishReason"] = refused                            ? "SAFETY"
                                : answer.fault == Fault::too_short ? "MAX_TOKENS"
                                                                   : "STOP";
  }
  const ModelUsage& usage = answer.usage;
  return {{"candidates", json::array{std::move(candidate)}},
          {"usageMetadata",
           json::object{{"promptTokenCount", usage.input_tokens},
                        {"cachedContentTokenCount", usage.cached_input_tokens},
                        {"thoughtsTokenCount", usage.reasoning_tokens},
                        {"candidatesTokenCount", usage.output_tokens - usage.reasoning_tokens}}}};
}

json::array google_calls(const ScriptedAnswer& answer) {
  json::array parts;
  for (const auto& call : answer.tool_calls)
    parts.push_back({{"functionCall",
                      json::object{{"id", call.id}, {"name", call.name}, {"args", call.arguments}}},
                     {"thoughtSignature", call.signature}});
  return parts;
}

json::value google_whole(const ScriptedAnswer& answer) {
  json::array parts{json::object{{"text", "thinking aloud"}, {"thought", true}},
                    json::object{{"text", answer.text}}};
  for (auto& part : google_calls(answer)) parts.push_back(part);
  return google_body(std::move(parts), answer, true);
}

std::vector<std::string> google_stream(const ScriptedAnswer& answer) {
  const std::string half = answer.text.substr(0, answer.text.size() / 2);
  json::array first{json::object{{"text", half}}};
  json::array second{json::object{{"text", answer.text.substr(half.size())}}};
  for (auto& part : google_calls(answer)) second.push_back(part);
  return {event(google_body(std::move(first), answer, false)),
          event(google_body(std::move(second), answer, true))};
}

// All.

json::value whole_of(Speech speech, const ScriptedAnswer& answer) {
  switch (speech) {
    case Speech::chat: return chat_whole(answer);
    case Speech::responses: return responses_whole(answer);
    case Speech::anthropic: return anthropic_whole(answer);
    case Speech::google: return google_whole(answer);
  }
  return {};
}

std::vector<std::string> stream_of(Speech speech, const ScriptedAnswer& answer) {
  switch (speech) {
    case Speech::chat: return chat_stream(answer);
    case Speech::responses: return responses_stream(answer);
    case Speech::anthropic: return anthropic_stream(answer);
    case Speech::google: return google_stream(answer);
  }
  return {};
}

json::object error_of(Speech speech, const ScriptedAnswer& answer) {
  json::object error{{"message", answer.error_message}};
  error[speech == Speech::google ? "status" : "type"] = answer.error_type;
  if (speech == Speech::anthropic) return {{"type", "error"}, {"error", std::move(error)}};
  return {{"error", std::move(error)}};
}

std::string error_event(Speech speech, const ScriptedAnswer& answer) {
  json::object error = error_of(speech, answer);
  if (speech != Speech::responses) return event(error, speech == Speech::anthropic ? "error" : "");
  return event(
      json::object{
          {"type", "error"}, {"code", answer.error_type}, {"message", answer.error_message}},
      "error");
}

net::HttpResponse streamed(Speech speech, const ScriptedAnswer& answer) {
  auto pieces = stream_of(speech, answer);
  if (answer.fault == Fault::no_end) {
    pieces.pop_back();
    if (speech == Speech::chat) pieces.resize(pieces.size() - 2);
  }
  if (answer.fault == Fault::cut || answer.fault == Fault::mid_error) pieces.resize(2);
  if (answer.fault == Fault::mid_error) pieces.back() = error_event(speech, answer);
  if (answer.fault == Fault::cut && speech == Speech::google) pieces.resize(1);
  net::HttpResponse response{.content_type = "text/event-stream; charset=utf-8"};
  response.stream = [pieces, answer](Context& ctx,
                                     net::BodyWriter& writer) -> asio::awaitable<void> {
    for (const std::string& piece : pieces) {
      const Duration delay = answer.delay;
      if (delay > Duration::zero()) (void)co_await sleep_for(ctx, delay);
      std::string copy = piece;
      const auto written = co_await writer.write(ctx, std::move(copy));
      if (!written) co_return;
    }
    if (answer.fault == Fault::cut) throw std::runtime_error("cut by the test");
  };
  return response;
}

std::optional<Speech> speech_of(const std::string& path) {
  if (path == "/v1/chat/completions") return Speech::chat;
  if (path == "/v1/responses") return Speech::responses;
  if (path == "/v1/messages") return Speech::anthropic;
  if (path.starts_with("/v1beta/models/")) return Speech::google;
  return {};
}

}  // namespace

std::string FakeModels::Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

std::unique_ptr<FakeModels> FakeModels::start(asio::any_io_executor executor, Clock& clock) {
  auto fake = std::make_unique<FakeModels>();
  net::HttpServerOptions options;
  options.body_bytes_max = 32 << 20;
  fake->server_ =
      net::HttpServer::start(executor, clock, options,
                             [self = fake.get()](Context& ctx, net::HttpRequest request) {
                               return self->handle(ctx, std::move(request));
                             })
          .value();
  return fake;
}

void FakeModels::fail(int status, std::string type, std::string message, net::Headers headers) {
  ScriptedAnswer answer{.fault = Fault::status, .status = status};
  answer.error_type = std::move(type);
  answer.error_message = std::move(message);
  answer.headers = std::move(headers);
  script_.push_back(std::move(answer));
}

asio::awaitable<net::HttpResponse> FakeModels::handle(Context& ctx, net::HttpRequest request) {
  const auto speech = speech_of(request.path);
  const auto body = parse_json(request.body, "request");
  if (!speech || !body || !body->is_object())
    co_return net::HttpResponse{.status = 404, .body = R"({"error":{"message":"no such path"}})"};
  requests_.push_back({request.target, request.headers, body->get_object()});
  ScriptedAnswer answer;
  if (!script_.empty()) {
    answer = std::move(script_.front());
    script_.pop_front();
  } else if (answer_) {
    answer.text = answer_(body->get_object());
  }
  const bool stream = request.target.find("streamGenerateContent") != std::string::npos ||
                      find_bool(body->get_object(), "stream").value_or(false);
  net::HttpResponse response;
  switch (answer.fault) {
    case Fault::status:
      response.status = answer.status;
      response.headers = answer.headers;
      response.body = json::serialize(error_of(*speech, answer));
      co_return response;
    case Fault::silence: {
      Event never;
      (void)co_await never.wait(ctx);
      co_return response;
    }
    case Fault::half_json: response.body = R"({"choices": [{"mess)"; co_return response;
    case Fault::web_page:
      response.content_type = "text/html";
      response.body = "<html><body>Please sign in</body></html>";
      co_return response;
    default: break;
  }
  if (stream) co_return streamed(*speech, answer);
  if (answer.delay > Duration::zero()) (void)co_await sleep_for(ctx, answer.delay);
  response.body = json::serialize(whole_of(*speech, answer));
  if (answer.fault == Fault::cut)
    response.stream = [](Context&, net::BodyWriter&) -> asio::awaitable<void> {
      throw std::runtime_error("cut by the test");
      co_return;
    };
  co_return response;
}

}  // namespace troupe::services
