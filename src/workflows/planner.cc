#include "workflows/planner.h"

#include <charconv>
#include <cmath>

#include "base/suggest.h"

namespace troupe::workflows {
namespace {

std::string shown(const json::value& value) {
  std::string text = json::serialize(value);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

Error misfit(std::string_view wanted, const json::value& value) {
  return fail(Errc::invalid_argument, "must be " + std::string(wanted) + ", not " +
                                          std::string(type_name(value)) + " " + shown(value));
}

std::optional<double> number_of(const json::value& value) {
  if (value.is_number()) return value.to_number<double>();
  const auto* text = value.if_string();
  if (!text) return std::nullopt;
  double number = 0;
  const char* end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, number);
  if (read.ec != std::errc() || read.ptr != end || !std::isfinite(number)) return std::nullopt;
  return number;
}

Result<json::value> coerced(InputType type, json::value value);

/// A JSON text where a list or object is wanted, as command lines give it.
Result<json::value> from_text(InputType type, json::value value) {
  const bool array = type == InputType::array;
  const std::string_view wanted = array ? "an array" : "an object";
  const auto* text = value.if_string();
  if (!text || text->empty() || (*text)[0] != (array ? '[' : '{')) return misfit(wanted, value);
  auto parsed = parse_json(*text, "value");
  if (!parsed) return parsed.error();
  return coerced(type, std::move(*parsed));
}

Result<json::value> coerced(InputType type, json::value value) {
  switch (type) {
    case InputType::any: return value;
    case InputType::string:
      if (value.is_string()) return value;
      if (value.is_number() || value.is_bool()) return json::value(json::serialize(value));
      return misfit("a string", value);
    case InputType::boolean:
      if (value.is_bool()) return value;
      if (value == "true" || value == "yes" || value == "1") return json::value(true);
      if (value == "false" || value == "no" || value == "0") return json::value(false);
      return misfit("true or false", value);
    case InputType::integer: {
      if (value.is_int64()) return value;
      const auto number = number_of(value);
      if (!number || *number != std::floor(*number) || std::abs(*number) > 9e15)
        return misfit("an integer", value);
      return json::value(static_cast<std::int64_t>(*number));
    }
    case InputType::number: {
      if (value.is_number()) return value;
      const auto number = number_of(value);
      if (!number) return misfit("a number", value);
      return json::value(*number);
    }
    case InputType::array:
      if (value.is_array()) return value;
      return from_text(type, std::move(value));
    case InputType::object:
      if (value.is_object()) return value;
      return from_text(type, std::move(value));
  }
  return value;
}

Result<void> check_limits(const Input& input, const json::value& value) {
  std::optional<double> size;
  std::string_view unit;
  if (value.is_number()) size = value.to_number<double>();
  if (const auto* text = value.if_string()) size = text->size(), unit = " bytes";
  if (const auto* list = value.if_array()) size = list->size(), unit = " items";
  const auto text_of = [](double number) { return json::serialize(json::value(number)); };
  const auto plain = [&](double number) {
    return number == std::floor(number) && std::abs(number) < 9e15
               ? std::to_string(static_cast<std::int64_t>(number))
               : text_of(number);
  };
  if (size && input.min && *size < *input.min)
    return fail(Errc::invalid_argument, plain(*size) + std::string(unit) +
                                            " is less than the minimum " + plain(*input.min));
  if (size && input.max && *size > *input.max)
    return fail(Errc::invalid_argument, plain(*size) + std::string(unit) +
                                            " is more than the maximum " + plain(*input.max));
  if (input.allowed.empty()) return {};
  const bool allowed = std::any_of(input.allowed.begin(), input.allowed.end(),
                                   [&](const json::value& one) { return equal(one, value); });
  if (allowed) return {};
  return fail(Errc::invalid_argument,
              shown(value) + " is not one of " +
                  shown(json::array(input.allowed.begin(), input.allowed.end())));
}

Error with_field(Error error, const std::string& field) {
  error.message = field + ": " + error.message;
  error.source = field;
  return error;
}

}  // namespace

Result<json::value> fit_input(const Input& input, json::value value) {
  // One text where a list of texts is wanted is a list of one.
  if (input.type == InputType::array && value.is_string() && input.items &&
      *input.items == InputType::string && !std::string_view(value.get_string()).starts_with("["))
    value = json::array{std::move(value)};
  TRY(json::value fitted, coerced(input.type, std::move(value)));
  if (input.items) {
    std::size_t index = 0;
    for (json::value& item : fitted.get_array()) {
      auto one = coerced(*input.items, std::move(item));
      if (!one)
        return fail(Errc::invalid_argument,
                    "[" + std::to_string(index) + "] " + one.error().message);
      item = std::move(*one);
      ++index;
    }
  }
  TRY_VOID(check_limits(input, fitted));
  return fitted;
}

Result<json::object> complete_inputs(const Definition& definition, const json::object& given,
                                     std::string_view field) {
  json::object complete;
  for (const Input& input : definition.inputs) {
    const json::value* value = find(given, input.name);
    const std::string path = std::string(field) + "." + input.name;
    if (value && !value->is_null()) {
      auto fitted = fit_input(input, *value);
      if (!fitted) return with_field(fitted.error(), path);
      complete[input.name] = std::move(*fitted);
    } else if (input.required) {
      return fail(Errc::invalid_argument,
                  path + ": is missing; workflow " + definition.name + " needs it (" +
                      std::string(to_string(input.type)) + ")",
                  path, input.description);
    } else {
      complete[input.name] = input.default_value.value_or(nullptr);
    }
  }
  std::vector<std::string_view> names;
  for (const Input& input : definition.inputs) names.push_back(input.name);
  for (const auto& member : given) {
    if (complete.contains(member.key())) continue;
    const std::string path = std::string(field) + "." + std::string(member.key());
    std::string known;
    for (const auto name : names) known += (known.empty() ? "" : ", ") + std::string(name);
    return fail(Errc::invalid_argument,
                path + ": workflow " + definition.name + " has no such input" +
                    did_you_mean(member.key(), names),
                path, known.empty() ? "it has no inputs" : "its inputs: " + known);
  }
  return complete;
}

Result<std::vector<TaskSpec>> plan(const Definition& definition, const RunRequest& request,
                                   const PlanLimits& limits) {
  if (request.sessions < 1 || request.sessions > limits.sessions_max)
    return fail(Errc::invalid_argument,
                "sessions: " + std::to_string(request.sessions) + " is not in 1.." +
                    std::to_string(limits.sessions_max),
                "sessions", "ask for fewer, or raise the setting sessions_max");
  if (request.items.size() > static_cast<std::size_t>(std::max(0, limits.tasks_max)))
    return fail(Errc::invalid_argument,
                "items: " + std::to_string(request.items.size()) + " are more than " +
                    std::to_string(limits.tasks_max),
                "items", "split them over several runs");
  std::vector<TaskSpec> tasks;
  if (request.items.empty()) {
    TRY(const json::object inputs, complete_inputs(definition, request.inputs, "inputs"));
    for (int i = 0; i < request.sessions; ++i) tasks.push_back({i, inputs});
    return tasks;
  }
  tasks.reserve(request.items.size());
  for (std::size_t i = 0; i < request.items.size(); ++i) {
    json::object merged = request.inputs;
    for (const auto& member : request.items[i]) merged[member.key()] = member.value();
    const std::string field = "items[" + std::to_string(i) + "]";
    TRY(json::object inputs, complete_inputs(definition, merged, field));
    tasks.push_back({static_cast<int>(i), std::move(inputs)});
  }
  return tasks;
}

}  // namespace troupe::workflows
