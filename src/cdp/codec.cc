#include "cdp/codec.h"

#include <charconv>

namespace troupe::cdp {
namespace {

std::string text_of(const json::object& object, std::string_view key) {
  const auto text = find_string(object, key);
  return text ? std::string(*text) : std::string();
}

Result<json::object> parse_object(std::string_view text) {
  json::parse_options options;
  options.max_depth = kMessageDepthMax;
  options.allow_invalid_utf8 = true;  // pages put lone surrogates into console events
  boost::system::error_code error;
  json::value value = json::parse(json::string_view(text.data(), text.size()), error, {}, options);
  if (error)
    return fail(Errc::protocol_error, "cdp message: not valid JSON: " + error.message() + " (" +
                                          std::to_string(text.size()) + " bytes)");
  if (!value.is_object()) return fail(Errc::protocol_error, "cdp message: not an object");
  return std::move(value.get_object());
}

}  // namespace

void encode_command(std::string& out, std::uint64_t id, std::string_view session_id,
                    std::string_view method, const json::object& params) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, id).ptr;
  out.append(R"({"id":)").append(digits, end);
  out.append(R"(,"method":")").append(method).append("\"");
  if (!params.empty()) out.append(R"(,"params":)").append(json::serialize(params));
  if (!session_id.empty()) out.append(R"(,"sessionId":")").append(session_id).append("\"");
  out.append("}");
}

Result<Message> decode_message(std::string_view text) {
  TRY(json::object object, parse_object(text));
  if (const auto id = find_int(object, "id")) {
    Answer answer;
    answer.id = static_cast<std::uint64_t>(*id);
    answer.session_id = text_of(object, "sessionId");
    if (auto* error = object.if_contains("error"); error && error->is_object()) {
      answer.is_error = true;
      answer.error_code = find_int(error->get_object(), "code").value_or(0);
      answer.error_message = text_of(error->get_object(), "message");
    } else if (auto* result = object.if_contains("result"); result && result->is_object()) {
      answer.result = std::move(result->get_object());
    }
    return Message(std::move(answer));
  }
  EventMessage event;
  event.method = text_of(object, "method");
  if (event.method.empty())
    return fail(Errc::protocol_error, "cdp message: neither an answer nor an event");
  event.session_id = text_of(object, "sessionId");
  if (auto* params = object.if_contains("params"); params && params->is_object())
    event.params = std::move(params->get_object());
  return Message(std::move(event));
}

}  // namespace troupe::cdp
