// The JSON Schema for editors, from the same tables that the checks read.
#include "workflows/controls.h"
#include "workflows/definition.h"

namespace troupe::workflows {
namespace {

using interact::Field;
using interact::FieldType;

json::object reference(std::string_view name) {
  return {{"$ref", "#/definitions/" + std::string(name)}};
}

json::array words(std::string_view choices) {
  json::array list;
  while (!choices.empty()) {
    const auto bar = choices.find('|');
    list.emplace_back(choices.substr(0, bar));
    choices = bar == std::string_view::npos ? std::string_view{} : choices.substr(bar + 1);
  }
  return list;
}

/// A type, or a text with a template.
json::object or_template(json::object type) {
  return {{"anyOf", json::array{std::move(type), reference("template")}}};
}

json::object schema_of(const Field& field) {
  json::object schema;
  switch (field.type) {
    case FieldType::text:
      schema = field.choices.empty() ? json::object{{"type", {"string", "number", "boolean"}}}
                                     : or_template({{"enum", words(field.choices)}});
      break;
    case FieldType::integer: schema = or_template({{"type", "integer"}}); break;
    case FieldType::number: schema = or_template({{"type", "number"}}); break;
    case FieldType::flag: schema = or_template({{"type", "boolean"}}); break;
    case FieldType::duration: schema = or_template(reference("duration")); break;
    case FieldType::list: schema = or_template({{"type", "array"}}); break;
    case FieldType::object: schema = or_template({{"type", "object"}}); break;
    case FieldType::any: break;
  }
  if (holds_steps(field.name)) schema = reference("steps");
  schema["description"] = field.help;
  return schema;
}

void add_fields(std::span<const Field> fields, json::object& properties, json::array& required) {
  for (const Field& field : fields) {
    if (!properties.contains(field.name)) properties[field.name] = schema_of(field);
    if (field.required) required.emplace_back(field.name);
  }
}

json::object closed(json::object properties, json::array required) {
  json::object schema = {{"type", "object"}, {"additionalProperties", false}};
  schema["properties"] = std::move(properties);
  if (!required.empty()) schema["required"] = std::move(required);
  return schema;
}

json::object retry_schema() {
  json::object properties;
  json::array required;
  add_fields(retry_fields(), properties, required);
  const json::object count = {{"type", "integer"}, {"minimum", 1}, {"maximum", 20}};
  return {{"anyOf", json::array{count, closed(std::move(properties), std::move(required))}}};
}

/// A step of one kind: the kind's key, its own keys and the common ones.
json::object step_schema(std::string_view kind, json::object main, std::span<const Field> beside) {
  json::object properties;
  json::array required;
  properties[kind] = std::move(main);
  required.emplace_back(kind);
  add_fields(beside, properties, required);
  json::array none;
  add_fields(common_fields(), properties, none);
  if (kind != "retry") properties["retry"] = reference("retry");
  return closed(std::move(properties), std::move(required));
}

json::object action_schema(const interact::ActionRow& row) {
  json::object properties;
  json::array required;
  add_fields(row.fields, properties, required);
  if (row.has_target) add_fields(interact::target_fields(), properties, required);
  json::array forms;
  forms.push_back(closed(std::move(properties), std::move(required)));
  if (!row.main_field.empty()) forms.push_back(json::object{{"type", {"string", "number"}}});
  const bool bare = std::none_of(row.fields.begin(), row.fields.end(),
                                 [](const Field& field) { return field.required; });
  if (bare && (!row.has_target || row.target_optional))
    forms.push_back(json::object{{"type", "null"}});
  json::object main = {{"anyOf", std::move(forms)}};
  main["description"] = row.help;
  return step_schema(row.kind, std::move(main), {});
}

json::object control_schema(const ControlRow& row) {
  json::object main = schema_of(Field{row.kind, row.main_type, true, row.main_help});
  if (row.type == StepType::retry) main = reference("retry");
  main["description"] = std::string(row.help) + ". " + std::string(row.main_help);
  return step_schema(row.kind, std::move(main), row.fields);
}

json::object input_schema() {
  const json::object type = {
      {"enum", {"string", "integer", "number", "boolean", "array", "object", "any"}}};
  json::object properties = {{"type", type},
                             {"default", json::object()},
                             {"required", {{"type", "boolean"}}},
                             {"min", {{"type", "number"}}},
                             {"max", {{"type", "number"}}},
                             {"enum", {{"type", "array"}}},
                             {"items", json::object()},
                             {"description", {{"type", "string"}}}};
  return {{"anyOf", json::array{type, closed(std::move(properties), {})}}};
}

}  // namespace

json::object workflow_schema() {
  json::array kinds;
  for (const auto& row : interact::action_table()) kinds.push_back(action_schema(row));
  for (const auto& row : control_table()) kinds.push_back(control_schema(row));
  json::object definitions;
  definitions["template"] = {{"type", "string"}, {"pattern", "\\{\\{"}};
  definitions["duration"] = {{"anyOf",
                              {{{"type", "number"}, {"minimum", 0}},
                               {{"type", "string"}, {"pattern", "^[0-9.]+(ms|s|m|h)?$"}}}}};
  definitions["retry"] = retry_schema();
  definitions["input"] = input_schema();
  definitions["step"] = json::object{{"anyOf", std::move(kinds)}};
  definitions["steps"] = {{"type", "array"}, {"minItems", 1}, {"items", reference("step")}};
  json::object properties;
  properties["workflow"] = {{"type", "string"},
                            {"description", "Name of the workflow"},
                            {"pattern", "^[A-Za-z0-9_-]{1,64}$"}};
  properties["version"] = {{"type", "integer"}, {"minimum", 1}};
  properties["description"] = {{"type", "string"}};
  properties["inputs"] = {{"type", "object"}, {"additionalProperties", reference("input")}};
  properties["steps"] = reference("steps");
  properties["output"] = {{"description", "Value with templates: the task's result"}};
  properties["output_schema"] = {{"type", "object"}, {"description", "JSON Schema of the output"}};
  properties["timeout"] = reference("duration");
  properties["restart"] = {{"enum", {"resume", "always", "never"}}};
  json::object schema = closed(std::move(properties), {"workflow", "steps"});
  schema["$schema"] = "http://json-schema.org/draft-07/schema#";
  schema["title"] = "Troupe workflow";
  schema["definitions"] = std::move(definitions);
  return schema;
}

}  // namespace troupe::workflows
