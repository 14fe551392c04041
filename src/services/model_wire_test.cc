#include "services/model_wire.h"

#include <gmock/gmock.h>

#include "services/model_errors.h"

namespace troupe::services {
namespace {

using model_wire::Format;

json::value parsed(std::string_view text) { return json::parse(text); }

const Format& format_of(std::string_view name) {
  if (name == "openai") return model_wire::openai_responses();
  if (name == "openai-chat") return model_wire::openai_chat(false);
  if (name == "anthropic") return model_wire::anthropic();
  return model_wire::google();
}

/// A conversation with all that can be in one.
ModelRequest conversation() {
  ModelRequest request;
  request.system = "Be brief.";
  request.output_tokens_max = 77;
  request.temperature = 0.5;
  ModelMessage question{.text = "What is there?"};
  question.images.push_back({"image/jpeg", "abc"});
  ModelMessage call{.role = ModelRole::assistant, .text = "I look."};
  call.tool_calls.push_back({"call_1", "click", {{"id", 7}}, "sig"});
  ModelMessage answer{.role = ModelRole::tool, .text = "gone"};
  answer.tool_call_id = "call_1";
  answer.tool_name = "click";
  answer.tool_failed = true;
  request.messages = {question, call, answer};
  request.tools = {{"click", "Clicks", parsed(R"({"type": "object"})").as_object()}};
  request.tool_choice = ToolChoice::required;
  return request;
}

json::object body_of(std::string_view name, const ModelRequest& request, bool stream = false) {
  return format_of(name).request(request, "m-1", "k", stream).value().body;
}

TEST(ModelWire, WritesChatCompletions) {
  const auto out = model_wire::openai_chat(false).request(conversation(), "m-1", "k", true).value();
  EXPECT_EQ(out.path, "/chat/completions");
  EXPECT_EQ(out.headers, (net::Headers{{"Authorization", "Bearer k"}}));
  EXPECT_EQ(out.body, parsed(R"({
    "model": "m-1", "max_completion_tokens": 77, "temperature": 0.5,
    "messages": [
      {"role": "system", "content": "Be brief."},
      {"role": "user", "content": [{"type": "text", "text": "What is there?"},
        {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,YWJj"}}]},
      {"role": "assistant", "content": "I look.", "tool_calls": [
        {"id": "call_1", "type": "function",
         "function": {"name": "click", "arguments": "{\"id\":7}"}}]},
      {"role": "tool", "tool_call_id": "call_1", "content": "error: gone"}],
    "tools": [{"type": "function", "function":
      {"name": "click", "description": "Clicks", "parameters": {"type": "object"}}}],
    "tool_choice": "required", "stream": true, "stream_options": {"include_usage": true}})"));
  const auto plain = model_wire::openai_chat(true).request(conversation(), "m", "", false).value();
  EXPECT_EQ(plain.body.at("max_tokens"), 77);
  EXPECT_TRUE(plain.headers.empty());
}

TEST(ModelWire, WritesResponses) {
  const auto out = model_wire::openai_responses().request(conversation(), "m-1", "k", true).value();
  EXPECT_EQ(out.path, "/responses");
  EXPECT_EQ(out.body, parsed(R"({
    "model": "m-1", "max_output_tokens": 77, "temperature": 0.5, "store": false,
    "instructions": "Be brief.",
    "input": [
      {"role": "user", "content": [{"type": "input_text", "text": "What is there?"},
        {"type": "input_image", "image_url": "data:image/jpeg;base64,YWJj"}]},
      {"role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
      {"type": "function_call", "call_id": "call_1", "name": "click", "arguments": "{\"id\":7}"},
      {"type": "function_call_output", "call_id": "call_1", "output": "error: gone"}],
    "tools": [{"type": "function", "name": "click", "description": "Clicks",
               "parameters": {"type": "object"}, "strict": false}],
    "tool_choice": "required", "stream": true})"));
  ModelRequest stops = conversation();
  stops.stop = {"END"};
  EXPECT_EQ(model_wire::openai_responses().request(stops, "m", "", false).error().code,
            Errc::invalid_argument);
}

TEST(ModelWire, WritesAnthropicMessages) {
  const auto out = model_wire::anthropic().request(conversation(), "m-1", "k", true).value();
  EXPECT_EQ(out.path, "/v1/messages");
  EXPECT_EQ(out.headers, (net::Headers{{"anthropic-version", "2023-06-01"}, {"x-api-key", "k"}}));
  EXPECT_EQ(out.body, parsed(R"({
    "model": "m-1", "max_tokens": 77, "temperature": 0.5, "system": "Be brief.",
    "messages": [
      {"role": "user", "content": [
        {"type": "image", "source":
          {"type": "base64", "media_type": "image/jpeg", "data": "YWJj"}},
        {"type": "text", "text": "What is there?"}]},
      {"role": "assistant", "content": [{"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "call_1", "name": "click", "input": {"id": 7}}]},
      {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1",
        "content": [{"type": "text", "text": "gone"}], "is_error": true}]}],
    "tools": [{"name": "click", "description": "Clicks", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "any"}, "stream": true})"));
}

TEST(ModelWire, WritesGenerateContent) {
  const auto out = model_wire::google().request(conversation(), "m-1", "k", true).value();
  EXPECT_EQ(out.path, "/v1beta/models/m-1:streamGenerateContent?alt=sse");
  EXPECT_EQ(out.headers, (net::Headers{{"x-goog-api-key", "k"}}));
  EXPECT_EQ(out.body, parsed(R"({
    "contents": [
      {"role": "user", "parts": [{"inlineData": {"mimeType": "image/jpeg", "data": "YWJj"}},
                                 {"text": "What is there?"}]},
      {"role": "model", "parts": [{"text": "I look."},
        {"functionCall": {"name": "click", "args": {"id": 7}, "id": "call_1"},
         "thoughtSignature": "sig"}]},
      {"role": "user", "parts": [{"functionResponse":
        {"name": "click", "response": {"error": "gone"}, "id": "call_1"}}]}],
    "systemInstruction": {"parts": [{"text": "Be brief."}]},
    "generationConfig": {"maxOutputTokens": 77, "temperature": 0.5},
    "tools": [{"functionDeclarations": [{"name": "click", "description": "Clicks",
                                         "parametersJsonSchema": {"type": "object"}}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}})"));
  EXPECT_EQ(model_wire::google().request(conversation(), "a/b", "", false).value().path,
            "/v1beta/models/a%2Fb:generateContent");
}

TEST(ModelWire, AsksForJsonInTheWayOfEachFormat) {
  ModelRequest request;
  request.messages = {{.text = "x"}};
  request.schema = parsed(R"({"type": "object", "properties": {"a": {"type": "string"}},
                              "required": ["a"], "additionalProperties": false})")
                       .as_object();
  const json::object& schema = *request.schema;
  const json::object chat = body_of("openai-chat", request).at("response_format").as_object();
  EXPECT_EQ(chat.at("json_schema").at("schema"), schema);
  EXPECT_EQ(chat.at("json_schema").at("strict"), true);
  EXPECT_EQ(body_of("openai", request).at("text").at("format").at("schema"), schema);
  const json::object anthropic = body_of("anthropic", request);
  EXPECT_EQ(anthropic.at("tools").at(0).at("input_schema"), schema);
  EXPECT_EQ(anthropic.at("tool_choice"), parsed(R"({"type": "tool", "name": "answer"})"));
  const json::object google = body_of("google", request).at("generationConfig").as_object();
  EXPECT_EQ(google.at("responseJsonSchema"), schema);
  EXPECT_EQ(google.at("responseMimeType"), "application/json");

  request.schema->erase("required");
  EXPECT_EQ(body_of("openai-chat", request).at("response_format").at("json_schema").at("strict"),
            false);
  request.tools = conversation().tools;
  EXPECT_EQ(body_of("anthropic", request).at("tool_choice"), parsed(R"({"type": "any"})"));
}

TEST(ModelWire, KnowsWhichSchemasAreStrict) {
  const auto strict = [](std::string_view text) { return model_wire::is_strict(parsed(text)); };
  EXPECT_TRUE(strict(R"({"type": "array", "items": {"type": "string"}})"));
  EXPECT_FALSE(strict(R"({"type": "object"})"));
  EXPECT_FALSE(strict(R"({"properties": {"a": {"type": "object"}}, "required": ["a"],
                          "additionalProperties": false})"));
  EXPECT_FALSE(strict(R"({"anyOf": [{"type": "string"}, {"type": "object"}]})"));
  EXPECT_FALSE(strict(R"({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}})"));
  EXPECT_FALSE(strict(R"({"oneOf": []})"));
}

TEST(ModelWire, RefusesAnswersOfAnotherKind) {
  for (const char* name : {"openai", "openai-chat", "anthropic", "google"})
    for (const char* body : {"[]", "{}", "1", R"({"status": "ok"})"}) {
      const auto reply = format_of(name).reply(parsed(body));
      ASSERT_FALSE(reply) << name << " took " << body;
      EXPECT_EQ(reply.error().code, Errc::protocol_error);
    }
}

TEST(ModelWire, RefusesArgumentsThatAreNoObject) {
  const auto chat = parsed(R"({"choices": [{"finish_reason": "tool_calls", "message":
    {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "[1]"}}]}}]})");
  EXPECT_EQ(format_of("openai-chat").reply(chat).error().message,
            "arguments of tool 'f' are no JSON object");
  const auto cut = parsed(R"({"choices": [{"finish_reason": "length", "message":
    {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{\"a"}}]}}]})");
  EXPECT_EQ(format_of("openai-chat").reply(cut).value().failure, ModelFailure::output_limit);
}

TEST(ModelWire, ReadsGooglesBlockedPrompt) {
  const auto reply = format_of("google").reply(
      parsed(R"({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata":
                 {"promptTokenCount": 5}})"));
  EXPECT_EQ(reply.value().failure, ModelFailure::refusal);
  EXPECT_EQ(reply.value().usage.input_tokens, 5);
}

// Errors.

net::HttpReply reply_of(int status, std::string body, net::Headers headers = {}) {
  net::HttpReply reply;
  reply.status = status;
  reply.body = std::move(body);
  reply.headers = std::move(headers);
  return reply;
}

TEST(ModelErrors, AreClassifiedByStatusAndWords) {
  const struct {
    int status;
    const char* body;
    ModelFailure failure;
  } rows[] = {
      {200, "", ModelFailure::none},
      {400, R"({"error": {"message": "bad", "type": "invalid_request_error"}})",
       ModelFailure::bad_request},
      {400, R"({"error": {"message": "x", "code": "context_length_exceeded"}})",
       ModelFailure::too_long},
      {400, R"({"type": "error", "error": {"type": "invalid_request_error",
                "message": "prompt is too long: 210000 tokens > 200000 maximum"}})",
       ModelFailure::too_long},
      {400, R"({"error": {"code": 400, "status": "INVALID_ARGUMENT",
                "message": "API key not valid. Please pass a valid API key."}})",
       ModelFailure::key},
      {400, R"({"error": {"type": "invalid_request_error",
                "message": "Your credit balance is too low"}})",
       ModelFailure::quota},
      {401, "", ModelFailure::key},
      {402, "", ModelFailure::quota},
      {403, "", ModelFailure::forbidden},
      {404, R"({"error": {"type": "not_found_error", "message": "model: x"}})",
       ModelFailure::missing},
      {408, "", ModelFailure::timeout},
      {413, "", ModelFailure::too_long},
      {418, "", ModelFailure::other_status},
      {429, R"({"error": {"code": "insufficient_quota", "message": "exceeded"}})",
       ModelFailure::quota},
      {429, R"({"error": {"status": "RESOURCE_EXHAUSTED", "message": "slow"}})",
       ModelFailure::rate},
      {500, "<html>", ModelFailure::server},
      {503, "", ModelFailure::overloaded},
      {529, R"({"type": "error", "error": {"type": "overloaded_error", "message": "x"}})",
       ModelFailure::overloaded},
  };
  for (const auto& row : rows)
    EXPECT_EQ(to_string(failure_of_model(reply_of(row.status, row.body))), to_string(row.failure))
        << row.status << " " << row.body;
}

TEST(ModelErrors, TellTheServicesWordsWithoutTheKey) {
  const auto reply =
      reply_of(401, R"({"error": {"message": "Incorrect API key: sk-abc\nSee sk-abc"}})");
  const Error error = model_error(ModelFailure::key, reply, "openai/m", "sk-abc");
  EXPECT_EQ(error.code, Errc::unauthenticated);
  EXPECT_EQ(error.message,
            "model openai/m: answered 401: Incorrect API key: [secret] See [secret]");
  EXPECT_NE(error.hint.find("openai_api_key"), std::string::npos);
}

TEST(ModelErrors, ReadTheWaitFromHeadersOrGooglesBody) {
  const WallTime now{};
  EXPECT_EQ(retry_after_of(reply_of(429, "", {{"retry-after", "7"}}), now),
            std::chrono::seconds(7));
  const auto google = reply_of(429, R"({"error": {"details": [{"@type": "x"},
    {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"}]}})");
  EXPECT_EQ(retry_after_of(google, now), std::chrono::milliseconds(1'500));
  EXPECT_EQ(retry_after_of(reply_of(429, "{}"), now), std::nullopt);
}

}  // namespace
}  // namespace troupe::services
