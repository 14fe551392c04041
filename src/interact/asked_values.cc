#include "interact/asked_values.h"

#include <algorithm>
#include <array>
#include <set>

namespace troupe::interact {
namespace {

json::object leaf(const FieldPlan& field) {
  json::array types{json::string("string"), json::string("null")};
  json::object out{{"type", std::move(types)}};
  // Stagehand puts the real address where this format is.
  if (field.type == "url") out["format"] = "uri";
  if (field.type != "url" && field.type != "string")
    out["description"] = "the text exactly as the page shows it, with its unit";
  return out;
}

json::object record(const std::vector<FieldPlan>& fields) {
  json::object properties;
  json::array required;
  for (const FieldPlan& field : fields) {
    json::object one = field.fields.empty() ? leaf(field) : record(field.fields);
    if (field.list) one = json::object{{"type", "array"}, {"items", std::move(one)}};
    properties[field.name] = std::move(one);
    required.push_back(json::string(field.name));
  }
  return {
      {"type", "object"}, {"properties", std::move(properties)}, {"required", std::move(required)}};
}

}  // namespace

bool says_where(const json::object& args) {
  constexpr std::array kPlaces =
      std::to_array<std::string_view>({"selector", "attribute", "pattern", "label"});
  if (const json::value* items = find(args, "items"); items && items->is_string()) return true;
  for (const auto& member : args) {
    const bool named =
        std::find(kPlaces.begin(), kPlaces.end(), std::string_view(member.key())) != kPlaces.end();
    if (named && member.value().is_string()) return true;
  }
  for (const char* key : {"fields", "schema", "properties", "items"}) {
    const json::value* inner = find(args, key);
    if (!inner || !inner->is_object()) continue;
    if (says_where(inner->get_object())) {
      // A field may be called `label`: its type is no place.
      if (std::string_view(key) != "fields" && std::string_view(key) != "properties") return true;
    }
    for (const auto& member : inner->get_object()) {
      const json::value* field = &member.value();
      if (const auto* list = field->if_array(); list && list->size() == 1) field = &list->front();
      if (field->is_object() && says_where(field->get_object())) return true;
    }
  }
  return false;
}

json::object schema_of(const ExtractionPlan& plan) {
  json::object one = record(plan.fields);
  if (!plan.list) return one;
  json::object list{{"type", "array"}, {"items", std::move(one)}};
  json::array required{json::string("items")};
  return {{"type", "object"},
          {"properties", json::object{{"items", std::move(list)}}},
          {"required", std::move(required)}};
}

std::string instruction_of(const json::object& args, const ExtractionPlan& plan) {
  if (const auto text = find_string(args, "instruction"); text && !text->empty())
    return std::string(*text);
  std::string names;
  for (const FieldPlan& field : plan.fields) names += (names.empty() ? "" : ", ") + field.name;
  return (plan.list ? "every record on the page with its " : "the ") + names;
}

json::value raw_values(const ExtractionPlan& plan, const json::object& args, json::value answer) {
  if (!plan.list) return answer;
  const json::value* items = find(answer, "items");
  if (!items || !items->is_array()) return json::array{};
  const auto unique = find_string(args, "unique_by");
  const auto limit = static_cast<std::size_t>(
      std::clamp<std::int64_t>(find_int(args, "limit").value_or(1'000), 0, 1'000'000));
  json::array kept;
  std::set<std::string> seen;
  for (const auto& item : items->get_array()) {
    if (kept.size() >= limit) break;
    const json::value* name = unique ? find(item, *unique) : nullptr;
    if (name && !seen.insert(json::serialize(*name)).second) continue;
    kept.push_back(item);
  }
  return kept;
}

}  // namespace troupe::interact
