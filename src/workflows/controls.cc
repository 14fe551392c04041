#include "workflows/controls.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace troupe::workflows {
namespace {

using interact::Field;
using interact::FieldType;
using enum interact::FieldType;

constexpr std::array kCommon = std::to_array<Field>({
    {"id", text, false, "Name of the step in logs, events and errors; unique in the workflow"},
    {"name", text, false, "What the step is for, for people"},
    {"save_as", text, false, "Variable that receives the step's result"},
    {"when", any, false, "Expression; the step is skipped when it is false"},
    {"timeout", duration, false, "Longest time of one attempt of the step: 10s, 500ms, 2m"},
    {"on_error", text, false, "What a failure does (default fail)", "fail|continue"},
    {"retry", object, false, "Repeats the step when it fails: {attempts, delay, backoff}"},
    {"restart", text, false, "`always`: done again by each new attempt of the task", "always"},
});
constexpr std::array kRetry = std::to_array<Field>({
    {"attempts", integer, false, "Attempts in all, 1 to 20 (default 3)"},
    {"delay", duration, false, "Wait before the second attempt (default 1s)"},
    {"backoff", number, false, "Factor from one wait to the next, 1 to 10 (default 2)"},
});
constexpr Field kDo = {"do", list, true, "Steps of the body"};
constexpr Field kAs = {"as", text, false, "Name of the item inside the body (default item)"};
constexpr Field kCollect = {"collect", any, false,
                            "Value of each round; save_as receives the list of them"};

constexpr std::array kIf = std::to_array<Field>({
    {"then", list, true, "Steps when the condition holds"},
    {"else", list, false, "Steps when it does not"},
});
constexpr std::array kForEach = std::to_array<Field>(
    {kAs, kDo, {"limit", integer, false, "Most rounds, 1 to 100000 (default 100000)"}, kCollect});
constexpr std::array kWhile = std::to_array<Field>(
    {{"max", integer, true, "Most rounds, 1 to 100000; reaching it is no error"}, kDo, kCollect});
constexpr std::array kRetryBlock = std::to_array<Field>({kDo});
constexpr std::array kParallel = std::to_array<Field>({
    kAs,
    {"do", list, false, "Steps of each branch, when `parallel` is a list of items"},
    {"limit", integer, false, "Most branches at a time, 1 to 10 (default 5)"},
    kCollect,
});
constexpr std::array kCall = std::to_array<Field>({
    {"with", object, false, "Inputs of the called workflow"},
});
constexpr std::array kAssert = std::to_array<Field>({
    {"message", text, false, "What is said when it does not hold"},
});
constexpr std::array kLog = std::to_array<Field>({
    {"level", text, false, "Level of the line (default info)", "debug|info|warning|error"},
});

constexpr std::array kControls = std::to_array<ControlRow>({
    {"if", StepType::condition, "Runs steps when a condition holds", any, "Expression", kIf},
    {"for_each", StepType::for_each, "Runs steps for each item of a list", any,
     "List, or expression that gives one", kForEach},
    {"while", StepType::while_loop, "Runs steps as long as a condition holds", any, "Expression",
     kWhile},
    {"retry", StepType::retry, "Runs steps again when one of them fails", object,
     "{attempts, delay, backoff}", kRetryBlock},
    {"parallel", StepType::parallel, "Runs steps in several tabs of the session at once", any,
     "List of step lists, or a list of items with `do`", kParallel},
    {"call", StepType::call, "Runs another workflow in this session", text, "Its name", kCall},
    {"assert", StepType::assertion, "Fails when an expression is false", any, "Expression",
     kAssert},
    {"set", StepType::assign, "Sets variables", object, "Name → value", {}},
    {"log", StepType::log, "Writes a line to the log", text, "Text of the line", kLog},
    {"fail", StepType::fail, "Fails the task", text, "What is said", {}},
    {"break_if",
     StepType::break_if,
     "Leaves the innermost loop when an expression is true",
     any,
     "Expression",
     {}},
    {"stop", StepType::stop, "Ends the workflow as a success", any, "Why, for the log", {}},
});

Error misfit(std::string_view wanted, const json::value& value) {
  std::string shown = json::serialize(value);
  if (shown.size() > 60) shown = shown.substr(0, 57) + "...";
  return fail(Errc::invalid_argument, "must be " + std::string(wanted) + ", not " +
                                          std::string(type_name(value)) + " " + shown);
}

bool is_choice(std::string_view choices, std::string_view word) {
  while (!choices.empty()) {
    const auto bar = choices.find('|');
    if (choices.substr(0, bar) == word) return true;
    choices = bar == std::string_view::npos ? std::string_view{} : choices.substr(bar + 1);
  }
  return false;
}

Result<json::value> fit_text(const Field& field, json::value value) {
  if (value.is_object() || value.is_array() || value.is_null()) return misfit("a text", value);
  std::string word = to_text(value);
  if (field.choices.empty() || is_choice(field.choices, word)) return json::value(word);
  std::string wanted = "one of ";
  for (const char c : field.choices) c == '|' ? wanted += ", " : wanted += c;
  return misfit(wanted, value);
}

Result<json::value> fit_number(json::value value, bool whole) {
  const std::string_view wanted = whole ? "an integer" : "a number";
  double number = 0;
  if (value.is_int64()) return value;
  if (const auto* numeric = value.if_string()) {
    const char* end = numeric->data() + numeric->size();
    const auto read = std::from_chars(numeric->data(), end, number);
    if (read.ec != std::errc() || read.ptr != end) return misfit(wanted, value);
  } else if (value.is_number()) {
    number = value.to_number<double>();
  } else {
    return misfit(wanted, value);
  }
  if (!std::isfinite(number)) return misfit(wanted, value);
  const bool integral = number == std::floor(number) && std::abs(number) < 9e15;
  if (whole && !integral) return misfit(wanted, value);
  if (integral) return json::value(static_cast<std::int64_t>(number));
  return json::value(number);
}

}  // namespace

std::span<const ControlRow> control_table() { return kControls; }
std::span<const Field> common_fields() { return kCommon; }
std::span<const Field> retry_fields() { return kRetry; }

const ControlRow* find_control(std::string_view kind) {
  const auto row = std::find_if(kControls.begin(), kControls.end(),
                                [&](const ControlRow& r) { return r.kind == kind; });
  return row == kControls.end() ? nullptr : &*row;
}

bool holds_steps(std::string_view field) {
  return field == "do" || field == "then" || field == "else";
}

std::vector<std::string_view> step_kinds() {
  std::vector<std::string_view> kinds;
  for (const auto& row : interact::action_table()) kinds.push_back(row.kind);
  for (const auto& row : kControls) kinds.push_back(row.kind);
  return kinds;
}

Result<json::value> fit_field(const Field& field, json::value value) {
  switch (field.type) {
    case text: return fit_text(field, std::move(value));
    case integer: return fit_number(std::move(value), true);
    case number: return fit_number(std::move(value), false);
    case flag:
      if (value.is_bool()) return value;
      if (value == "true") return json::value(true);
      if (value == "false") return json::value(false);
      return misfit("true or false", value);
    case duration: {
      TRY_VOID(parse_duration(value));
      return value;
    }
    case list:
      if (value.is_array()) return value;
      if (value.is_object() || value.is_null()) return misfit("a list", value);
      return json::value(json::array{std::move(value)});
    case object:
      if (value.is_object()) return value;
      return misfit("an object", value);
    case any: return value;
  }
  return value;
}

Result<Duration> parse_duration(const json::value& value) {
  const auto wrong = [&] { return misfit("a duration (10s, 500ms, 2m, 1h, or seconds)", value); };
  double seconds = 0;
  if (value.is_number()) {
    seconds = value.to_number<double>();
  } else if (const auto* written = value.if_string()) {
    const char* end = written->data() + written->size();
    const auto read = std::from_chars(written->data(), end, seconds);
    if (read.ec != std::errc()) return wrong();
    const std::string_view unit(read.ptr, static_cast<std::size_t>(end - read.ptr));
    if (unit == "ms")
      seconds /= 1000;
    else if (unit == "m")
      seconds *= 60;
    else if (unit == "h")
      seconds *= 3600;
    else if (unit != "s" && unit != "")
      return wrong();
  } else {
    return wrong();
  }
  if (!(seconds >= 0 && seconds <= 24 * 3600))
    return fail(Errc::invalid_argument, json::serialize(value) + " is not in 0 s to 24 h");
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace troupe::workflows
