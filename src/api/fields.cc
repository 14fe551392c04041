#include "api/fields.h"

#include <algorithm>
#include <vector>

#include "base/suggest.h"

namespace troupe::api {
namespace {

Error unknown_field(std::string_view name, std::span<const Field> fields) {
  const std::string_view shown = name.substr(0, 64);
  std::vector<std::string_view> names;
  for (const Field& field : fields) names.push_back(field.name);
  const std::string_view best = nearest(name, names);
  std::string hint;
  if (!best.empty()) {
    hint = "did you mean '" + std::string(best) + "'?";
  } else {
    for (const Field& field : fields)
      hint += (hint.empty() ? "known: " : ", ") + std::string(field.name);
  }
  return fail(Errc::invalid_argument, std::string(shown) + ": no such field", "request body", hint);
}

bool fits(const json::value& value, FieldType type) {
  switch (type) {
    case FieldType::string: return value.is_string();
    case FieldType::integer: {
      boost::system::error_code error;
      (void)value.to_number<std::int64_t>(error);
      return value.is_number() && !error;
    }
    case FieldType::boolean: return value.is_bool();
    case FieldType::object: return value.is_object();
    case FieldType::objects:
      return value.is_array() &&
             std::ranges::all_of(value.get_array(),
                                 [](const json::value& item) { return item.is_object(); });
    case FieldType::name_or_object: return value.is_string() || value.is_object();
    case FieldType::any: return true;
  }
  return false;
}

std::string_view expectation(FieldType type) {
  switch (type) {
    case FieldType::string: return "a string";
    case FieldType::integer: return "an integer";
    case FieldType::boolean: return "a boolean";
    case FieldType::object: return "an object";
    case FieldType::objects: return "an array of objects";
    case FieldType::name_or_object: return "a name or an object";
    case FieldType::any: return "any value";
  }
  return {};
}

Result<void> check_field(const json::value& value, const Field& field) {
  const std::string name(field.name);
  const auto refuse = [](std::string message) {
    return fail(Errc::invalid_argument, std::move(message), "request body");
  };
  if (!fits(value, field.type))
    return refuse(name + ": is " + std::string(type_name(value)) + ", not " +
                  std::string(expectation(field.type)));
  if (field.high > field.low) {
    const auto number = value.to_number<std::int64_t>();
    if (number < field.low || number > field.high)
      return refuse(name + ": " + std::to_string(number) + " is not in " +
                    std::to_string(field.low) + ".." + std::to_string(field.high));
  }
  if (!field.words.empty()) {
    const std::string_view text = value.get_string();
    if (std::ranges::find(field.words, text) == field.words.end()) {
      std::string known;
      for (const auto word : field.words) known += (known.empty() ? "" : ", ") + std::string(word);
      return refuse(name + ": '" + std::string(text.substr(0, 64)) + "' is not one of " + known);
    }
  }
  return {};
}

}  // namespace

Result<void> check_fields(const json::object& body, std::span<const Field> fields,
                          Unknown unknown) {
  for (const auto& member : body) {
    const std::string_view name = member.key();
    const auto field = std::ranges::find(fields, name, &Field::name);
    if (field == fields.end()) {
      if (unknown == Unknown::refused) return unknown_field(name, fields);
      continue;
    }
    // A null is what a missing member is: typed clients write it for what was not given.
    if (member.value().is_null() && !field->required) continue;
    TRY_VOID(check_field(member.value(), *field));
  }
  for (const Field& field : fields)
    if (field.required && !body.contains(field.name))
      return fail(Errc::invalid_argument, std::string(field.name) + ": is missing", "request body",
                  std::string(field.help));
  return {};
}

json::object schema_of(std::span<const Field> fields, Unknown unknown) {
  json::object properties;
  json::array required;
  for (const Field& field : fields) {
    json::object schema;
    switch (field.type) {
      case FieldType::string: schema["type"] = "string"; break;
      case FieldType::integer: schema["type"] = "integer"; break;
      case FieldType::boolean: schema["type"] = "boolean"; break;
      case FieldType::object: schema["type"] = "object"; break;
      case FieldType::objects:
        schema["type"] = "array";
        schema["items"] = {{"type", "object"}};
        break;
      case FieldType::name_or_object: schema["type"] = {"string", "object"}; break;
      case FieldType::any: break;
    }
    schema["description"] = field.help;
    if (field.high > field.low) {
      schema["minimum"] = field.low;
      schema["maximum"] = field.high;
    }
    if (!field.words.empty()) schema["enum"] = json::array(field.words.begin(), field.words.end());
    properties[field.name] = std::move(schema);
    if (field.required) required.push_back(json::value(field.name));
  }
  json::object schema{{"type", "object"}, {"properties", std::move(properties)}};
  if (!required.empty()) schema["required"] = std::move(required);
  if (unknown == Unknown::refused) schema["additionalProperties"] = false;
  return schema;
}

}  // namespace troupe::api
