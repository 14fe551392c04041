#include "interact/stagehand_answers.h"

#include <algorithm>
#include <array>

#include "base/digest.h"
#include "interact/concealed.h"
#include "interact/text_fit.h"

namespace troupe::interact {
namespace {

std::string without(std::string text, std::string_view mark) {
  if (mark.empty()) return text;
  for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at))
    text.erase(at, mark.size());
  return text;
}

std::string_view string_at(const json::object& object, std::string_view key) {
  return find_string(object, key).value_or("");
}

// Content is one block or a list of them.
template <class Visit>
void each_block(const json::object& message, Visit visit) {
  const json::value* content = find(message, "content");
  if (!content) return;
  if (content->is_object()) visit(content->get_object());
  if (const auto* list = content->if_array())
    for (const json::value& block : *list)
      if (block.is_object()) visit(block.get_object());
}

const json::array& messages_of(const json::object& params) {
  static const json::array none;
  const json::value* list = find(params, "messages");
  return list && list->is_array() ? list->get_array() : none;
}

const json::object* format_of(const json::object& params) {
  const json::value* format = find(params, "response_format");
  return format ? format->if_object() : nullptr;
}

const Candidate* element_of(const Snapshot& snapshot, int ref) {
  for (const Candidate& one : snapshot.elements)
    if (one.ref == ref) return &one;
  return nullptr;
}

std::string option_like(const Candidate& element, const std::string& wanted) {
  const std::string* best = nullptr;
  double fit = 0.6;
  for (const std::string& option : element.options)
    if (const double now = text_fit(wanted, option, true); now > fit) {
      fit = now;
      best = &option;
    }
  return best ? *best : wanted;
}

bool ticks(const Candidate& element) {
  return element.role == "checkbox" || element.role == "radio" || element.role == "switch" ||
         element.role == "menuitemcheckbox" || element.role == "menuitemradio";
}

json::object row_of(const std::string& id, std::string description, const StagehandMove& move) {
  json::array arguments;
  for (const std::string& text : move.arguments) arguments.push_back(json::string(text));
  return {{"elementId", id},
          {"description", std::move(description)},
          {"method", move.method},
          {"arguments", std::move(arguments)}};
}

StagehandMove usual_move(const Candidate& element) {
  if (element.tag == "select") return {.method = "selectOptionFromDropdown"};
  return {.method = usual_action(element) == "fill" ? "fill" : "click"};
}

json::value reply_from(json::object structured, const services::ModelUsage& usage) {
  const std::int64_t total = usage.input_tokens + usage.output_tokens;
  const std::string text = json::serialize(structured);
  return json::object{{"role", "assistant"},
                      {"content", json::object{{"type", "text"}, {"text", text}}},
                      {"output_format", "json_schema"},
                      {"structured_content", std::move(structured)},
                      {"usage", json::object{{"input_tokens", usage.input_tokens},
                                             {"output_tokens", usage.output_tokens},
                                             {"total_tokens", total},
                                             {"reasoning_tokens", usage.reasoning_tokens},
                                             {"cached_input_tokens", usage.cached_input_tokens}}}};
}

}  // namespace

std::optional<StagehandMove> stagehand_move(const Clause& clause, const Candidate& element) {
  switch (clause.verb) {
    case Verb::click: return StagehandMove{.method = "click"};
    case Verb::double_click: return StagehandMove{.method = "doubleClick"};
    case Verb::right_click: return StagehandMove{.method = "click", .arguments = {"right"}};
    case Verb::hover: return StagehandMove{.method = "hover"};
    case Verb::press: return StagehandMove{.method = "press", .arguments = {clause.value}};
    case Verb::check:
    case Verb::uncheck:
      return StagehandMove{.method = "click",
                           .needless = element.checked == (clause.verb == Verb::check)};
    case Verb::fill:
    case Verb::select: break;
    default: return std::nullopt;
  }
  const std::string wanted =
      clause.verb == Verb::select && !clause.values.empty() ? clause.values.front() : clause.value;
  if (element.tag == "select")
    return StagehandMove{.method = "selectOptionFromDropdown",
                         .arguments = {option_like(element, wanted)}};
  if (clause.verb == Verb::fill && !ticks(element))
    return StagehandMove{.method = "fill", .arguments = {wanted}};
  if (ticks(element)) {
    const bool ticked = clause.verb == Verb::select || wanted == "true" || wanted == "yes" ||
                        wanted == "on" || wanted == "1";
    return StagehandMove{.method = "click", .needless = element.checked == ticked};
  }
  // The option itself was named, or a list that opens when it is clicked.
  const bool list = !clause.target.empty();
  return StagehandMove{.method = "click", .two_steps = list};
}

std::string prompt_of(const json::object& params) {
  std::string text;
  for (const json::value& message : messages_of(params)) {
    if (!message.is_object()) continue;
    each_block(message.get_object(), [&](const json::object& block) {
      if (string_at(block, "type") == "text") text = std::string(string_at(block, "text"));
    });
  }
  return text;
}

Result<services::ModelRequest> model_request(const json::object& params, std::string_view mark) {
  services::ModelRequest request;
  request.system = without(std::string(string_at(params, "system_prompt")), mark);
  for (const json::value& message : messages_of(params)) {
    if (!message.is_object()) continue;
    services::ModelMessage one;
    const bool assistant = string_at(message.get_object(), "role") == "assistant";
    one.role = assistant ? services::ModelRole::assistant : services::ModelRole::user;
    each_block(message.get_object(), [&](const json::object& block) {
      if (string_at(block, "type") == "text")
        one.text +=
            (one.text.empty() ? "" : "\n") + without(std::string(string_at(block, "text")), mark);
      if (string_at(block, "type") != "image") return;
      if (auto bytes = from_base64(string_at(block, "data")))
        one.images.push_back(
            {.media_type = std::string(string_at(block, "mime_type")), .bytes = std::move(*bytes)});
    });
    request.messages.push_back(std::move(one));
  }
  if (request.messages.empty())
    return fail(Errc::invalid_argument, "llm.generate: has no message", "stagehand");
  request.temperature = find_number(params, "temperature");
  request.output_tokens_max = 8'192;  // those that think need room for it
  const json::object* format = format_of(params);
  const json::value* schema = format ? find(*format, "schema") : nullptr;
  if (schema && schema->is_object()) {
    request.schema = schema->get_object();
    request.schema->erase("$schema");
    request.schema_name = string_at(*format, "name");
  }
  return request;
}

StagehandAnswers::StagehandAnswers(StagehandTopic topic, services::Model* model, Ready ready)
    : topic_(std::move(topic)), model_(model), ready_(std::move(ready)) {}

Async<json::value> StagehandAnswers::serve(Context& ctx, std::string method, json::object params) {
  if (method != "llm.generate")
    co_return fail(Errc::unsupported, method + ": is not offered", "stagehand");
  const json::object* format = format_of(params);
  const std::string name(format ? string_at(*format, "name") : "");
  usage_ = {};
  json::object answer;
  std::string prompt = prompt_of(params);
  if (name == "Metadata") {
    // It only words a log line.
    answer = {{"progress", ""}, {"completed", true}};
  } else if (name == "Act") {
    CO_TRY(answer, co_await act(ctx, params, std::move(prompt)));
  } else if (name == "Observation") {
    CO_TRY(answer, co_await observe(ctx, params, std::move(prompt)));
  } else if (name == "Extraction") {
    CO_TRY(answer, co_await extract(ctx, params));
  } else {
    CO_TRY(answer, co_await ask(ctx, params, "stagehand"));
  }
  co_return reply_from(std::move(answer), usage_);
}

json::object StagehandAnswers::refuse(Error why) {
  verdict_.refused = std::move(why);
  return {{"action", nullptr}, {"twoStep", false}};
}

Async<json::object> StagehandAnswers::act(Context& ctx, const json::object& params,
                                          std::string prompt) {
  const bool second = acts_++ > 0;
  const StagehandTree tree = read_stagehand_tree(tree_in(prompt));
  // The second prompt may have only what changed.
  if (!second && !tree.empty())
    main_frame_ = tree.ids.front().substr(0, tree.ids.front().find('-') + 1);
  Clause clause = topic_.clause;
  if (second) {  // the list is open: its option
    clause.verb = Verb::click;
    clause.target = {};
    clause.target.text = clause.target.whole =
        clause.values.empty() ? clause.value : clause.values.front();
    clause.target.quoted = true;
  }
  Result<Resolution> found = fail(Errc::target_not_found, "the rules do not know what is meant");
  if (topic_.use_rules) found = resolve(clause, tree.snapshot);
  const Candidate* element = found ? element_of(tree.snapshot, found->ref) : nullptr;
  const auto move = element ? stagehand_move(clause, *element) : std::nullopt;
  const Error unknown =
      found ? fail(Errc::unsupported, clause.source + ": Stagehand cannot do that") : found.error();
  verdict_.refused.reset();
  if (move && move->needless) {
    verdict_.done_already = true;
    verdict_.what = found->what;
    co_return refuse(fail(Errc::conflict, found->what + ": is so already"));
  }
  if (move) {
    json::object row = row_of(tree.id_of(found->ref), found->what, *move);
    json::object answer{{"action", std::move(row)}, {"twoStep", move->two_steps && !second}};
    co_return co_await with_ready(ctx, std::move(answer), false);
  }
  if (!model_ || !topic_.use_model) co_return refuse(unknown);
  CO_TRY(json::object answer, co_await ask(ctx, params, "act"));
  const json::value* action = find(answer, "action");
  const json::object* chosen = action ? action->if_object() : nullptr;
  const std::string id(chosen ? string_at(*chosen, "elementId") : "");
  if (std::find(tree.ids.begin(), tree.ids.end(), id) == tree.ids.end())
    co_return refuse(
        fail(Errc::target_not_found, unknown.message + "; the model did not know it either"));
  co_return co_await with_ready(ctx, std::move(answer), true);
}

// What cannot be used is not given: the runtime would click it all the same and call it a success.
Async<json::object> StagehandAnswers::with_ready(Context& ctx, json::object answer, bool by_model) {
  const json::object& action = answer.at("action").as_object();
  verdict_.what = string_at(action, "description");
  if (!ready_) co_return answer;
  StagehandElement element{.id = std::string(string_at(action, "elementId")),
                           .method = std::string(string_at(action, "method")),
                           .what = verdict_.what};
  element.in_main = !main_frame_.empty() && element.id.starts_with(main_frame_);
  element.by_model = by_model;
  element.second = acts_ > 1 || find_bool(answer, "twoStep").value_or(false);
  const json::value* arguments = find(action, "arguments");
  if (arguments && arguments->is_array())
    for (const json::value& one : arguments->get_array())
      element.arguments.push_back(one.is_string() ? std::string(one.get_string())
                                                  : json::serialize(one));
  const auto usable = co_await ready_(ctx, std::move(element));
  if (usable) co_return answer;
  co_return refuse(usable.error());
}

Async<json::object> StagehandAnswers::observe(Context& ctx, const json::object& params,
                                              std::string prompt) {
  const StagehandTree tree = read_stagehand_tree(tree_in(prompt));
  const auto ranked = rank(topic_.wanted, tree.snapshot, topic_.limit);
  if (ranked.empty() && model_ && topic_.use_model) co_return co_await ask(ctx, params, "observe");
  json::array rows;
  for (const Candidate* element : ranked)
    rows.push_back(row_of(tree.id_of(element->ref), describe(*element), usual_move(*element)));
  co_return json::object{{"elements", std::move(rows)}};
}

Async<json::object> StagehandAnswers::extract(Context& ctx, const json::object& params) {
  const json::object* known = topic_.known ? topic_.known->if_object() : nullptr;
  if (known) co_return *known;
  co_return co_await ask(ctx, params, "extract");
}

Async<json::object> StagehandAnswers::ask(Context& ctx, const json::object& params,
                                          std::string purpose) {
  if (!model_)
    co_return fail(Errc::unsupported, purpose + ": no model is configured", "settings",
                   "set models, for example openai/gpt-5-mini, and its key");
  verdict_.asked_model = true;
  CO_TRY(auto request, model_request(params, topic_.mark));
  request.purpose = std::move(purpose);
  request.system = concealed(std::move(request.system), topic_.secrets);
  for (auto& message : request.messages)
    message.text = concealed(std::move(message.text), topic_.secrets);
  services::ModelOptions options;
  auto reply = co_await model_->generate(ctx, std::move(request), std::move(options));
  if (!reply) {
    verdict_.refused = reply.error();  // the runtime passes on the message only
    co_return reply.error();
  }
  usage_ = reply->usage;
  if (reply->structured.is_object()) co_return std::move(reply->structured.get_object());
  co_return fail(Errc::protocol_error, "model " + reply->model + ": gave no object", "stagehand");
}

}  // namespace troupe::interact
