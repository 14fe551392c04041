#include "services/json_schema.h"

#include <algorithm>
#include <cmath>

namespace troupe::services {
namespace {

constexpr int kDepthMax = 64;

// One check of a whole value; `root` is what references refer to.
class Checker {
 public:
  explicit Checker(const json::object& root) : root_(root) {}

  Result<void> check(const json::value& value, const json::value& schema, const std::string& at,
                     int depth) const {
    if (schema.is_bool())
      return schema.get_bool() ? Result<void>{} : refuse(at, "is not allowed here");
    if (!schema.is_object()) return {};
    if (depth > kDepthMax) return refuse(at, "is nested too deeply");
    const json::object& object = schema.get_object();
    if (const auto reference = find_string(object, "$ref")) {
      const json::value* target = resolve(*reference);
      if (!target) return refuse(at, "has the unknown schema " + std::string(*reference));
      return check(value, *target, at, depth + 1);
    }
    TRY_VOID(check_type(value, object, at));
    TRY_VOID(check_choice(value, object, at, depth));
    if (value.is_object()) return check_object(value.get_object(), object, at, depth);
    if (value.is_array()) return check_array(value.get_array(), object, at, depth);
    if (value.is_string()) return check_text(value.get_string(), object, at);
    return check_number(value, object, at);
  }

 private:
  static Error refuse(const std::string& at, const std::string& why) {
    return fail(Errc::invalid_argument, (at.empty() ? "the answer" : at) + ": " + why);
  }

  const json::value* resolve(std::string_view reference) const {
    if (!reference.starts_with("#/")) return nullptr;
    reference.remove_prefix(2);
    const json::value* place = nullptr;
    while (!reference.empty()) {
      const auto end = std::min(reference.find('/'), reference.size());
      const auto name = reference.substr(0, end);
      place = place ? find(*place, name) : find(root_, name);
      if (!place) return nullptr;
      reference.remove_prefix(std::min(end + 1, reference.size()));
    }
    return place;
  }

  static bool is_of(const json::value& value, std::string_view type) {
    if (type == "number") return value.is_number();
    if (type == "integer")
      return value.is_int64() || value.is_uint64() ||
             (value.is_double() && value.get_double() == std::floor(value.get_double()));
    return type_name(value) == type;
  }

  static Result<void> check_type(const json::value& value, const json::object& schema,
                                 const std::string& at) {
    const json::value* type = find(schema, "type");
    if (!type) return {};
    std::string wanted;
    const auto fits = [&](const json::value& name) {
      if (!name.is_string()) return true;
      wanted += (wanted.empty() ? "" : " or ") + std::string(name.get_string());
      return is_of(value, name.get_string());
    };
    const bool good = type->is_array()
                          ? std::any_of(type->get_array().begin(), type->get_array().end(), fits)
                          : fits(*type);
    if (good) return {};
    return refuse(at, "is " + std::string(type_name(value)) + ", not " + wanted);
  }

  Result<void> check_choice(const json::value& value, const json::object& schema,
                            const std::string& at, int depth) const {
    if (const json::value* values = find(schema, "enum"); values && values->is_array()) {
      const auto& all = values->get_array();
      if (std::find(all.begin(), all.end(), value) == all.end())
        return refuse(at, "is none of " + json::serialize(all));
    }
    if (const json::value* one = find(schema, "const"); one && *one != value)
      return refuse(at, "is not " + json::serialize(*one));
    for (const char* key : {"anyOf", "oneOf", "allOf"}) {
      const json::value* list = find(schema, key);
      if (!list || !list->is_array() || list->get_array().empty()) continue;
      const bool all = key == std::string_view("allOf");
      Result<void> last;
      bool any = false;
      for (const auto& inner : list->get_array()) {
        last = check(value, inner, at, depth + 1);
        any = any || last;
        if (all && !last) return last;
      }
      if (!any) return last;
    }
    return {};
  }

  Result<void> check_object(const json::object& value, const json::object& schema,
                            const std::string& at, int depth) const {
    const std::string prefix = at.empty() ? "" : at + ".";
    if (const json::value* required = find(schema, "required"); required && required->is_array())
      for (const auto& name : required->get_array())
        if (name.is_string() && !value.contains(name.get_string()))
          return refuse(prefix + std::string(name.get_string()), "is missing");
    const json::value* properties = find(schema, "properties");
    const json::value* others = find(schema, "additionalProperties");
    for (const auto& member : value) {
      const std::string place = prefix + std::string(member.key());
      const json::value* inner = properties ? find(*properties, member.key()) : nullptr;
      if (!inner) inner = others;
      if (inner) TRY_VOID(check(member.value(), *inner, place, depth + 1));
    }
    return {};
  }

  Result<void> check_array(const json::array& value, const json::object& schema,
                           const std::string& at, int depth) const {
    const auto size = static_cast<std::int64_t>(value.size());
    const auto least = find_int(schema, "minItems");
    const auto most = find_int(schema, "maxItems");
    if (least && size < *least)
      return refuse(at, std::to_string(size) + " items are fewer than " + std::to_string(*least));
    if (most && size > *most)
      return refuse(at, std::to_string(size) + " items are more than " + std::to_string(*most));
    const json::value* items = find(schema, "items");
    for (std::size_t i = 0; items && i < value.size(); ++i)
      TRY_VOID(check(value[i], *items, at + "[" + std::to_string(i) + "]", depth + 1));
    return {};
  }

  static Result<void> check_text(const json::string& value, const json::object& schema,
                                 const std::string& at) {
    // Characters, not bytes.
    const auto size = std::count_if(value.begin(), value.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    });
    const auto least = find_int(schema, "minLength");
    const auto most = find_int(schema, "maxLength");
    if (least && size < *least) return refuse(at, "is shorter than " + std::to_string(*least));
    if (most && size > *most) return refuse(at, "is longer than " + std::to_string(*most));
    return {};
  }

  static Result<void> check_number(const json::value& value, const json::object& schema,
                                   const std::string& at) {
    if (!value.is_number()) return {};
    const double number = value.to_number<double>();
    const auto least = find_number(schema, "minimum");
    const auto most = find_number(schema, "maximum");
    if (least && number < *least)
      return refuse(at, json::serialize(value) + " is less than " + std::to_string(*least));
    if (most && number > *most)
      return refuse(at, json::serialize(value) + " is more than " + std::to_string(*most));
    return {};
  }

  const json::object& root_;
};

}  // namespace

Result<void> check_schema(const json::value& value, const json::object& schema) {
  return Checker(schema).check(value, schema, "", 0);
}

json::object object_schema(const json::object& schema, bool& wrapped) {
  const auto type = find_string(schema, "type");
  wrapped = type ? *type != "object" : !schema.contains("properties");
  if (!wrapped) return schema;
  json::object inner = schema;
  json::array required{json::string("value")};
  json::object out{
      {"type", "object"}, {"required", std::move(required)}, {"additionalProperties", false}};
  // References start at the root.
  for (const char* key : {"$defs", "definitions"})
    if (const json::value* definitions = find(inner, key)) {
      out[key] = *definitions;
      inner.erase(key);
    }
  out["properties"] = json::object{{"value", std::move(inner)}};
  return out;
}

}  // namespace troupe::services
