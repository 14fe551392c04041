#include "services/model_wire.h"

#include <openssl/evp.h>

#include <algorithm>

namespace troupe::services::model_wire {

std::string base64(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

Result<json::object> arguments_from(std::string_view text, std::string_view tool) {
  if (text.empty()) return json::object{};
  auto value = parse_json(text, "arguments");
  if (value && value->is_object()) return std::move(value->get_object());
  return fail(Errc::protocol_error,
              "arguments of tool '" + std::string(tool) + "' are no JSON object");
}

Result<json::object> event_object(const net::ServerEvent& event) {
  auto value = parse_json(event.data, "event");
  if (!value) return fail(Errc::protocol_error, value.error().message);
  if (!value->is_object())
    return fail(Errc::protocol_error,
                "event is a " + std::string(type_name(*value)) + ", not an object");
  return std::move(value->get_object());
}

bool is_strict(const json::value& schema) {
  if (schema.is_array())
    return std::all_of(schema.get_array().begin(), schema.get_array().end(), is_strict);
  if (!schema.is_object()) return true;
  const auto& object = schema.get_object();
  if (const json::value* properties = find(object, "properties");
      properties && properties->is_object()) {
    if (find_bool(object, "additionalProperties").value_or(true)) return false;
    const json::array& required = array_at(object, "required");
    for (const auto& property : properties->get_object()) {
      const json::value name(property.key());
      if (std::find(required.begin(), required.end(), name) == required.end()) return false;
      if (!is_strict(property.value())) return false;
    }
  } else if (find_string(object, "type") == "object") {
    return false;  // any members
  }
  for (const char* key : {"items", "anyOf", "$defs"}) {
    const json::value* inner = find(object, key);
    if (!inner) continue;
    if (std::string_view(key) != "$defs" && !is_strict(*inner)) return false;
    if (std::string_view(key) != "$defs" || !inner->is_object()) continue;
    for (const auto& definition : inner->get_object())
      if (!is_strict(definition.value())) return false;
  }
  for (const char* key : {"oneOf", "allOf", "not", "patternProperties", "if"})
    if (object.contains(key)) return false;
  return true;
}

std::int64_t count_at(const json::object& object, std::string_view key) {
  return find_int(object, key).value_or(0);
}

const json::object& object_at(const json::object& object, std::string_view key) {
  static const json::object kNone;
  const json::value* value = find(object, key);
  return value && value->is_object() ? value->get_object() : kNone;
}

const json::array& array_at(const json::object& object, std::string_view key) {
  static const json::array kNone;
  const json::value* value = find(object, key);
  return value && value->is_array() ? value->get_array() : kNone;
}

std::string text_at(const json::object& object, std::string_view key) {
  return std::string(find_string(object, key).value_or(""));
}

}  // namespace troupe::services::model_wire
