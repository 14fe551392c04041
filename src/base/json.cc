#include "base/json.h"

namespace troupe {

Result<json::value> parse_json(std::string_view text, std::string_view what) {
  json::parse_options options;
  options.max_depth = 64;
  json::stream_parser parser({}, options);
  boost::system::error_code error;
  std::size_t used = parser.write_some(text.data(), text.size(), error);
  if (!error && used < text.size()) {
    const auto rest = text.find_first_not_of(" \t\r\n", used);
    if (rest != std::string_view::npos) error = json::make_error_code(json::error::extra_data);
  }
  if (!error) parser.finish(error);
  if (error)
    return fail(Errc::invalid_argument, std::string(what) + ": not valid JSON at offset " +
                                            std::to_string(used) + ": " + error.message());
  return parser.release();
}

namespace {

void write_pretty(const json::value& value, std::string& out, const std::string& indent) {
  const std::string inner = indent + "  ";
  if (const auto* object = value.if_object(); object && !object->empty()) {
    out += "{\n";
    std::size_t left = object->size();
    for (const auto& member : *object) {
      out += inner + json::serialize(json::string_view(member.key())) + ": ";
      write_pretty(member.value(), out, inner);
      out += --left ? ",\n" : "\n";
    }
    out += indent + "}";
  } else if (const auto* array = value.if_array(); array && !array->empty()) {
    out += "[\n";
    std::size_t left = array->size();
    for (const auto& item : *array) {
      out += inner;
      write_pretty(item, out, inner);
      out += --left ? ",\n" : "\n";
    }
    out += indent + "]";
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

std::string pretty(const json::value& value) {
  std::string out;
  write_pretty(value, out, "");
  out += '\n';
  return out;
}

const json::value* find(const json::object& object, std::string_view key) {
  const auto member = object.find(key);
  return member == object.end() ? nullptr : &member->value();
}

const json::value* find(const json::value& value, std::string_view key) {
  const auto* object = value.if_object();
  return object ? find(*object, key) : nullptr;
}

std::optional<std::string_view> find_string(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  if (!value || !value->is_string()) return std::nullopt;
  const auto& text = value->get_string();
  return std::string_view(text.data(), text.size());
}

std::optional<std::int64_t> find_int(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  if (!value) return std::nullopt;
  boost::system::error_code error;
  const auto number = value->to_number<std::int64_t>(error);
  return error ? std::nullopt : std::optional(number);
}

std::optional<double> find_number(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  if (!value || !value->is_number()) return std::nullopt;
  boost::system::error_code error;
  const auto number = value->to_number<double>(error);
  return error ? std::nullopt : std::optional(number);
}

std::optional<bool> find_bool(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  return value && value->is_bool() ? std::optional(value->get_bool()) : std::nullopt;
}

std::string_view type_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return "boolean";
    case json::kind::int64:
    case json::kind::uint64: return "integer";
    case json::kind::double_: return "number";
    case json::kind::string: return "string";
    case json::kind::array: return "array";
    case json::kind::object: return "object";
  }
  return "null";
}

}  // namespace troupe
