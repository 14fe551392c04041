#include "interact/extraction.h"

#include <algorithm>
#include <array>

#include "interact/selector.h"

namespace troupe::interact {
namespace {

struct Planned {
  FieldPlan plan;
  json::object script;
};

Error bad(const std::string& where, const std::string& why) {
  return fail(Errc::invalid_argument, where + ": " + why, "extract");
}

Result<std::pair<std::vector<FieldPlan>, json::object>> plan_fields(const json::object& fields,
                                                                    const std::string& where);

Result<void> set_type(Planned& planned, std::string_view type, const std::string& where) {
  if (type.ends_with("[]")) {
    planned.plan.list = true;
    type.remove_suffix(2);
  }
  if (!is_field_type(type))
    return bad(where,
               "type \"" + std::string(type) +
                   "\" is not one of string, integer, number, "
                   "boolean, count, duration, price, url, image, date, rating (or one of them with "
                   "[])");
  planned.plan.type = type;
  return {};
}

}  // namespace

// `properties`, `format`, `title` and the like are JSON Schema's: a field may be written so too.
std::span<const std::string_view> field_keys() {
  static constexpr std::array kKeys = std::to_array<std::string_view>(
      {"selector", "attribute", "pattern", "label", "type", "required", "fields", "items", "limit",
       "properties", "format", "title", "description"});
  return kKeys;
}

namespace {

/// `type` of a JSON Schema property, with its `format`, to ours.
std::string schema_type(const json::object& property) {
  const auto* type = find(property, "type");
  std::string name = "string";
  if (type && type->is_string()) name = std::string(type->get_string());
  if (type && type->is_array())
    for (const auto& one : type->get_array())
      if (one.is_string() && one.get_string() != "null") name = std::string(one.get_string());
  const auto format = find_string(property, "format").value_or("");
  if (name != "string") return name;
  if (format == "uri" || format == "url" || format == "uri-reference") return "url";
  return format == "date" || format == "date-time" ? "date" : "string";
}

Result<void> read_selector(Planned& planned, const json::object& spec, const std::string& where) {
  if (const auto selector = find_string(spec, "selector")) {
    auto query = parse_selector(*selector);
    if (!query) return bad(where, query.error().message);
    planned.script["q"] = std::move(*query);
  }
  if (const auto attribute = find_string(spec, "attribute")) planned.script["attr"] = *attribute;
  if (const auto pattern = find_string(spec, "pattern")) planned.script["pattern"] = *pattern;
  if (const auto label = find_string(spec, "label")) planned.script["label"] = *label;
  return {};
}

Result<Planned> plan_field(const std::string& name, const json::value& value,
                           const std::string& where);

/// A field that is itself an object or a list of objects.
Result<Planned> plan_nested(Planned planned, const json::object& spec, const json::object& fields,
                            const std::string& where) {
  TRY(auto inner, plan_fields(fields, where));
  planned.plan.fields = std::move(inner.first);
  planned.script["fields"] = std::move(inner.second);
  planned.script["limit"] = find_int(spec, "limit").value_or(1000);
  if (planned.plan.list) planned.script["list"] = true;
  if (const auto items = find_string(spec, "items")) {
    auto query = parse_selector(*items);
    if (!query) return bad(where + ".items", query.error().message);
    planned.script["items"] = std::move(*query);
    planned.plan.list = true;
  }
  return planned;
}

Result<Planned> plan_field(const std::string& name, const json::value& value,
                           const std::string& where) {
  Planned planned;
  planned.plan.name = name;
  if (value.is_string()) {
    TRY_VOID(set_type(planned, std::string_view(value.get_string()), where));
  } else if (const auto* list = value.if_array(); list && list->size() == 1) {
    TRY(planned, plan_field(name, list->front(), where));
    planned.plan.list = true;
    if (!planned.plan.fields.empty()) planned.script["list"] = true;
  } else if (const auto* spec = value.if_object()) {
    TRY_VOID(read_selector(planned, *spec, where));
    planned.plan.required = find_bool(*spec, "required");
    const auto format = find_string(*spec, "format").value_or("");
    planned.plan.iso = format == "date" || format == "date-time";
    const auto* properties = find(*spec, "properties");
    if (!properties) properties = find(*spec, "fields");
    const auto* items = find(*spec, "items");
    if (items && items->is_object()) {  // JSON Schema: an array
      planned.plan.list = true;
      if (const auto* inner = find(*items, "properties"); inner && inner->is_object())
        return plan_nested(std::move(planned), {}, inner->get_object(), where);
      TRY_VOID(set_type(planned, schema_type(items->get_object()), where));
    } else if (properties && properties->is_object()) {
      return plan_nested(std::move(planned), *spec, properties->get_object(), where);
    } else {
      TRY_VOID(set_type(planned, schema_type(*spec), where));
    }
  } else {
    return bad(where, "must be a type or an object, not " + std::string(type_name(value)));
  }
  planned.script["type"] = planned.plan.type;
  if (planned.plan.list) planned.script["all"] = true;
  if (planned.plan.required.value_or(false)) planned.script["required"] = true;
  return planned;
}

Result<std::pair<std::vector<FieldPlan>, json::object>> plan_fields(const json::object& fields,
                                                                    const std::string& where) {
  std::vector<FieldPlan> plans;
  json::object script;
  for (const auto& member : fields) {
    const std::string name(member.key());
    TRY(auto planned, plan_field(name, member.value(), where + "." + name));
    plans.push_back(std::move(planned.plan));
    script[name] = std::move(planned.script);
  }
  if (plans.empty()) return bad(where, "no field is named");
  return std::pair(std::move(plans), std::move(script));
}

/// `required: [a, b]` of a JSON Schema marks its properties.
json::object with_required(json::object properties, const json::object& schema) {
  const auto* required = find(schema, "required");
  if (!required || !required->is_array()) return properties;
  for (const auto& name : required->get_array()) {
    if (!name.is_string()) continue;
    const auto found = properties.find(name.get_string());
    if (found == properties.end()) continue;
    if (!found->value().is_object()) found->value() = json::object{{"type", found->value()}};
    found->value().get_object()["required"] = true;
  }
  return properties;
}

/// The wanted fields, from `fields` or `schema`; sets `list` when the schema is an array.
Result<json::object> wanted_fields(const json::object& args, ExtractionPlan& plan) {
  if (const auto* fields = find(args, "fields"); fields && fields->is_object())
    return fields->get_object();
  const auto* schema = find(args, "schema");
  if (!schema || !schema->is_object())
    return fail(Errc::invalid_argument, "extract: neither fields nor schema is given", "extract",
                "name what is wanted: fields: {title: string, price: price}");
  const json::object* object = &schema->get_object();
  if (const auto* items = find(*object, "items"); items && items->is_object()) {
    plan.list = true;
    object = &items->get_object();
  }
  const auto* properties = find(*object, "properties");
  if (properties && properties->is_object())
    return with_required(properties->get_object(), *object);
  const auto type = find_string(*object, "type");
  if (type && *type != "object" && object->size() <= 4 && is_field_type(schema_type(*object))) {
    plan.wrapped_value = true;
    return json::object{{"value", *object}};
  }
  return *object;  // the short form: {title: string}
}

}  // namespace

namespace {

Result<void> plan_reading(const json::object& args, ExtractionPlan& plan) {
  plan.sources = find_bool(args, "sources").value_or(false);
  plan.within = find_string(args, "within").value_or("");
  plan.pages_max = std::clamp<std::int64_t>(find_int(args, "pages_max").value_or(20), 1, 200);
  const std::string more(find_string(args, "more").value_or("none"));
  if (more != "none" && more != "scroll" && more != "pages")
    return bad("more", "\"" + more + "\" is not one of none, scroll, pages");
  plan.more = more;
  if (plan.list || more == "none") return {};
  for (const FieldPlan& field : plan.fields) {
    if (!field.list || field.fields.empty()) continue;
    if (!plan.inner_list.empty())
      return bad("more", "which of the lists is meant: " + plan.inner_list + " or " + field.name);
    plan.inner_list = field.name;
  }
  if (plan.inner_list.empty()) return bad("more", "there is no list to read on");
  return {};
}

/// `maxItems` and `minItems` of a schema's array.
void bound_by_schema(const json::object& args, ExtractionPlan& plan) {
  const auto* schema = find(args, "schema");
  if (!schema || !schema->is_object() || !plan.list) return;
  plan.limit = find_int(schema->get_object(), "maxItems").value_or(plan.limit);
  plan.min = find_int(schema->get_object(), "minItems").value_or(plan.min);
}

}  // namespace

Result<ExtractionPlan> plan_extraction(const json::object& args) {
  ExtractionPlan plan;
  TRY(const auto fields, wanted_fields(args, plan));
  plan.list = plan.list || find_bool(args, "list").value_or(false) || args.contains("items");
  TRY(auto planned, plan_fields(fields, "fields"));
  plan.fields = std::move(planned.first);
  bound_by_schema(args, plan);
  plan.min = find_int(args, "min").value_or(plan.min);
  plan.limit = find_int(args, "limit").value_or(plan.limit);
  TRY_VOID(plan_reading(args, plan));
  plan.script["fields"] = std::move(planned.second);
  plan.script["min"] = plan.min;
  plan.script["limit"] = plan.limit;
  if (plan.sources) plan.script["sources"] = true;
  if (!plan.inner_list.empty()) plan.script["inner"] = plan.inner_list;
  if (plan.list) plan.script["list"] = true;
  for (const std::string_view key : {"items", "within"}) {
    const auto selector = find_string(args, key);
    if (!selector) continue;
    TRY(auto query, parse_selector(*selector));
    plan.script[key] = std::move(query);
  }
  if (const auto unique = find_string(args, "unique_by")) {
    const bool known = std::any_of(plan.fields.begin(), plan.fields.end(),
                                   [&](const FieldPlan& field) { return field.name == *unique; });
    if (!known) return bad("unique_by", "there is no field \"" + std::string(*unique) + "\"");
    plan.script["uniqueBy"] = *unique;
    plan.unique_by = *unique;
  }
  return plan;
}

namespace {

struct Place {
  std::string path;
  bool in_list = false;
  std::string_view page_url;
};

Result<json::value> type_field(const FieldPlan& field, const json::value& raw, const Place& place);

Result<json::object> type_record(const std::vector<FieldPlan>& fields, const json::value& raw,
                                 const Place& place) {
  json::object out;
  for (const FieldPlan& field : fields) {
    const auto* value = find(raw, field.name);
    Place inner = place;
    inner.path += (place.path.empty() ? "" : ".") + field.name;
    const json::value nothing;
    TRY(auto typed, type_field(field, value ? *value : nothing, inner));
    out[field.name] = std::move(typed);
  }
  return out;
}

Result<json::array> type_items(const std::vector<FieldPlan>& fields, const json::value& raw,
                               Place place) {
  json::array out;
  if (!raw.is_array()) return out;
  place.in_list = true;
  const std::string path = place.path;
  for (std::size_t i = 0; i < raw.get_array().size(); ++i) {
    place.path = path + "[" + std::to_string(i) + "]";
    TRY(auto item, type_record(fields, raw.get_array()[i], place));
    out.push_back(std::move(item));
  }
  return out;
}

Result<json::value> type_text(const FieldPlan& field, const json::value& raw, const Place& place) {
  const bool missing =
      raw.is_null() || (raw.is_string() && raw.get_string().empty() && field.type != "boolean");
  if (missing) {
    if (!field.required.value_or(false)) return json::value(nullptr);
    return fail(Errc::extraction_failed, "field " + place.path + ": not found on the page",
                "extract", "give its selector or label");
  }
  const std::string text = raw.is_string() ? std::string(raw.get_string()) : json::serialize(raw);
  auto value = convert(text, field.type, place.page_url);
  if (value && field.iso && value->is_string()) return json::value(iso_date(value->get_string()));
  if (value) return value;
  if (!field.required.value_or(!place.in_list)) return json::value(nullptr);
  return fail(Errc::extraction_failed, "field " + place.path + ": " + value.error().message,
              "extract");
}

Result<json::value> type_field(const FieldPlan& field, const json::value& raw, const Place& place) {
  if (!field.fields.empty() && field.list) {
    TRY(auto items, type_items(field.fields, raw, place));
    return json::value(std::move(items));
  }
  if (!field.fields.empty()) {
    TRY(auto record, type_record(field.fields, raw, place));
    return json::value(std::move(record));
  }
  if (!field.list) return type_text(field, raw, place);
  json::array out;
  if (raw.is_array())
    for (const auto& one : raw.get_array()) {
      TRY(auto value, type_text(field, one, place));
      if (!value.is_null()) out.push_back(std::move(value));
    }
  if (out.empty() && field.required.value_or(false))
    return fail(Errc::extraction_failed, "field " + place.path + ": not found on the page",
                "extract");
  return json::value(std::move(out));
}

bool is_blank(const json::value& value) {
  if (const auto* list = value.if_array()) return list->empty();
  return value.is_null() || (value.is_string() && value.get_string().empty());
}

}  // namespace

Result<json::value> type_values(const ExtractionPlan& plan, const json::value& raw,
                                std::string_view page_url) {
  Place place{.path = {}, .in_list = false, .page_url = page_url};
  if (plan.list) {
    TRY(auto items, type_items(plan.fields, raw, place));
    if (static_cast<std::int64_t>(items.size()) < plan.min)
      return fail(Errc::extraction_failed,
                  "extract: " + std::to_string(items.size()) + " items found, min is " +
                      std::to_string(plan.min),
                  "extract");
    if (!plan.wrapped_value) return json::value(std::move(items));
    for (auto& item : items) item = json::value(item.get_object()["value"]);
    return json::value(std::move(items));
  }
  TRY(auto record, type_record(plan.fields, raw, place));
  const bool nothing = std::all_of(record.begin(), record.end(),
                                   [](const auto& member) { return is_blank(member.value()); });
  if (nothing) {
    std::string names;
    for (const FieldPlan& field : plan.fields) names += (names.empty() ? "" : ", ") + field.name;
    return fail(Errc::extraction_failed, "extract: none of the fields was found: " + names,
                "extract", "give their selectors or labels");
  }
  if (plan.wrapped_value) return record["value"];
  return json::value(std::move(record));
}

}  // namespace troupe::interact
