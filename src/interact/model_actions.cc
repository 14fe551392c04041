#include "interact/model_actions.h"

#include <algorithm>
#include <array>

#include "interact/asked_values.h"
#include "interact/concealed.h"
#include "interact/known_actions.h"
#include "interact/page_diff.h"
#include "services/model.h"
#include "services/prompts.h"

namespace troupe::interact::native {
namespace {

constexpr std::size_t kElementsMax = 250;
constexpr std::size_t kTextMax = 60'000;

struct Word {
  std::string_view name;
  Verb verb;
};
constexpr std::array kWords = std::to_array<Word>({{"click", Verb::click},
                                                   {"double_click", Verb::double_click},
                                                   {"fill", Verb::fill},
                                                   {"select", Verb::select},
                                                   {"check", Verb::check},
                                                   {"uncheck", Verb::uncheck},
                                                   {"hover", Verb::hover},
                                                   {"press", Verb::press},
                                                   {"scroll", Verb::scroll}});

json::object choice_schema() {
  json::array actions;
  for (const Word& word : kWords) actions.push_back(json::string(word.name));
  json::array integer{json::string("integer"), json::string("null")};
  json::array text{json::string("string"), json::string("null")};
  json::object properties{{"element", json::object{{"type", std::move(integer)}}},
                          {"action", json::object{{"type", "string"}, {"enum", actions}}},
                          {"value", json::object{{"type", std::move(text)}}}};
  json::array required{json::string("element"), json::string("action"), json::string("value")};
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

Async<json::object> ask(Context& ctx, NativeTab& tab, services::ModelRequest request) {
  services::ModelOptions options;
  CO_TRY(auto reply, co_await tab.model()->generate(ctx, std::move(request), std::move(options)));
  if (reply.structured.is_object()) co_return std::move(reply.structured.get_object());
  co_return fail(Errc::protocol_error, "model " + reply.model + ": gave no object");
}

// The clause that the model's answer is, or nothing.
std::optional<Clause> clause_from(const json::object& answer, const Clause& asked) {
  Clause clause = asked;
  const auto action = find_string(answer, "action").value_or("click");
  for (const Word& word : kWords)
    if (word.name == action) clause.verb = word.verb;
  const auto value = find_string(answer, "value");
  const bool needs =
      clause.verb == Verb::fill || clause.verb == Verb::select || clause.verb == Verb::press;
  if (needs && !value) return {};
  clause.value = std::string(value.value_or(""));
  clause.values = {clause.value};
  if (clause.verb == Verb::scroll) clause.value.clear();
  return clause;
}

// Text of the page, and where its links lead if addresses are wanted.
Async<std::string> page_text(Context& ctx, NativeTab& tab, const json::object& args, bool links) {
  const std::string within(find_string(args, "within").value_or(""));
  const bool css = !within.empty() && within.find('=') == std::string::npos;
  std::string script =
      "((at, links) => { const r = (at && document.querySelector(at)) || "
      "document.body; if (!r) return ''; let t = r.innerText;"
      "if (links) for (const a of [...r.querySelectorAll('a[href]')].slice(0, 300))"
      " if (a.innerText.trim()) t += '\\n[' + a.innerText.trim() + '](' + a.href +"
      " ')'; return t; })(";
  script += json::serialize(json::string(css ? within : "")) + (links ? ",true)" : ",false)");
  const cdp::Page::EvaluateOptions isolated;
  CO_TRY(const auto value, co_await tab.page().evaluate(ctx, std::move(script), isolated));
  if (!value.is_string()) co_return std::string();
  std::string text(value.get_string());
  if (text.size() > kTextMax) {
    std::size_t end = kTextMax;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    text.resize(end);
  }
  co_return text;
}

bool wants_address(const std::vector<FieldPlan>& fields) {
  return std::any_of(fields.begin(), fields.end(), [](const FieldPlan& field) {
    return field.type == "url" || wants_address(field.fields);
  });
}

bool is_gap(const json::value& value) {
  if (const auto* list = value.if_array()) return list->empty();
  return value.is_null() || (value.is_string() && value.get_string().empty());
}

}  // namespace

std::string element_lines(const std::vector<const Candidate*>& listed) {
  std::string lines;
  for (std::size_t i = 0; i < listed.size(); ++i) {
    const Candidate& c = *listed[i];
    const std::string& name = c.name.empty() ? c.label : c.name;
    lines += std::to_string(i) + " " + (c.role.empty() ? c.tag : c.role);
    if (!name.empty()) lines += " \"" + clipped(name, 80) + "\"";
    if (name.empty() && !c.placeholder.empty())
      lines += " placeholder \"" + clipped(c.placeholder, 60) + "\"";
    if (name.empty() && !c.tokens.empty()) lines += " (" + clipped(c.tokens, 60) + ")";
    if (!c.value.empty() && c.type != "password") lines += " = \"" + clipped(c.value, 40) + "\"";
    if (c.disabled) lines += " disabled";
    if (c.checked) lines += " checked";
    for (std::size_t o = 0; o < c.options.size() && o < 12; ++o)
      lines += (o == 0 ? " options: " : " | ") + clipped(c.options[o], 30);
    const bool repeats = std::any_of(listed.begin(), listed.end(), [&](const Candidate* other) {
      return other != &c && other->role == c.role && other->name == c.name;
    });
    if (repeats && !c.context.empty()) lines += " in: " + clipped(c.context.front(), 80);
    lines += "\n";
  }
  return lines;
}

bool may_ask(const NativeTab& tab, const Error& error) {
  return tab.model() &&
         (error.code == Errc::target_not_found || error.code == Errc::target_ambiguous);
}

Async<ActionResult> act_by_model(Context& ctx, NativeTab& tab, const Clause& clause, Error why) {
  tab.enter(nullptr);
  json::array none;
  CO_TRY(const auto rows, co_await tab.call(ctx, kSnapshot, "snapshot", std::move(none)));
  const Snapshot snapshot = read_snapshot(rows);
  auto listed = rank("", snapshot, kElementsMax);
  if (listed.size() >= kElementsMax) listed = rank(clause.source, snapshot, kElementsMax);
  if (listed.empty()) co_return why;
  const std::string lines = concealed(element_lines(listed), tab.secrets());
  const std::string title = concealed(clipped(snapshot.title, 120), tab.secrets());
  services::ModelRequest request;
  request.messages.push_back(
      {.text = services::prompt(
           "act", {{"instruction", clause.source}, {"elements", lines}, {"title", title}})});
  request.schema = choice_schema();
  request.temperature = 0;
  request.output_tokens_max = 2'048;  // those that think need room for it
  request.purpose = "act";
  auto answer = co_await ask(ctx, tab, std::move(request));
  if (!answer) {
    why.message += "; " + answer.error().message;
    co_return why;
  }
  const auto number = find_int(*answer, "element");
  const auto chosen = clause_from(*answer, clause);
  const bool known = number && *number >= 0 && *number < static_cast<std::int64_t>(listed.size());
  if (!known || !chosen) {
    why.message += "; the model did not know it either";
    co_return why;
  }
  const Candidate& element = *listed[static_cast<std::size_t>(*number)];
  Resolution found;
  found.ref = element.ref;
  found.what = describe(element);
  found.role = element.role;
  found.tag = element.tag;
  found.type = element.type;
  found.checked = element.checked;
  if (tab.actions()) found.known = known_element(snapshot, found.ref, clause);
  CO_TRY(auto result, co_await act_on(ctx, tab, *chosen, found));
  tab.learned() = {.element = found.known,
                   .by_model = true,
                   .verb = std::string(to_string(chosen->verb)),
                   .value = chosen->value};
  result.detail += " (chosen by a model)";
  co_return result;
}

bool should_ask(const NativeTab& tab, const json::object& args, const json::value& found) {
  if (!tab.model() || find_string(args, "instruction").value_or("").empty()) return false;
  if (const auto* record = found.if_object())
    return std::any_of(record->begin(), record->end(),
                       [](const auto& member) { return is_gap(member.value()); });
  return is_gap(found);
}

json::value merged(json::value found, const json::value& told) {
  if (is_gap(found)) return told;
  json::object* record = found.if_object();
  const json::object* more = told.if_object();
  if (!record || !more) return found;
  for (auto& member : *record)
    if (const json::value* value = find(*more, member.key()); value && is_gap(member.value()))
      member.value() = *value;
  return found;
}

Async<json::value> extract_by_model(Context& ctx, NativeTab& tab, const json::object& args,
                                    json::value found) {
  const bool in_words = !args.contains("fields") && !args.contains("schema");
  ExtractionPlan plan;
  json::object schema{{"type", "object"}};
  if (in_words) {
    json::array required{json::string("extraction")};
    schema["properties"] = json::object{{"extraction", json::object{{"type", "string"}}}};
    schema["required"] = std::move(required);
    schema["additionalProperties"] = false;
  } else {
    CO_TRY(plan, plan_extraction(args));
    schema = schema_of(plan);
  }
  CO_TRY(std::string text, co_await page_text(ctx, tab, args, wants_address(plan.fields)));
  const std::string wanted = instruction_of(args, plan);
  text = concealed(std::move(text), tab.secrets());
  const std::string url = concealed(tab.url().substr(0, 300), tab.secrets());
  services::ModelRequest request;
  request.messages.push_back(
      {.text =
           services::prompt("extract", {{"instruction", wanted}, {"url", url}, {"text", text}})});
  request.schema = std::move(schema);
  request.temperature = 0;
  request.output_tokens_max = 8'192;
  request.purpose = "extract";
  CO_TRY(auto answer, co_await ask(ctx, tab, std::move(request)));
  if (in_words) co_return json::value(std::move(answer));
  const json::value raw = raw_values(plan, args, json::value(std::move(answer)));
  CO_TRY(const json::value told, type_values(plan, raw, tab.url()));
  co_return merged(std::move(found), told);
}

}  // namespace troupe::interact::native
