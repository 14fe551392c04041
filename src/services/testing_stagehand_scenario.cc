#include "services/testing_stagehand_scenario.h"

#include <cctype>

#include "services/stagehand_calls.h"

namespace troupe::services {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Elements by a part of their line in the tree.
class ScriptedModel final : public StagehandServant {
 public:
  explicit ScriptedModel(std::string line, std::string method, std::vector<std::string> arguments)
      : line_(std::move(line)), method_(std::move(method)), arguments_(std::move(arguments)) {}
  std::vector<std::string> asked;  ///< Names of the answers' schemas.

  Async<json::value> serve(Context&, std::string method, json::object params) override {
    if (method != "llm.generate")
      co_return fail(Errc::unsupported, method + ": is not part of this");
    const std::string name(params.at("response_format").at("name").as_string());
    asked.push_back(name);
    json::object structured;
    if (name == "Act") structured = {{"action", chosen(params)}, {"twoStep", false}};
    if (name == "Observation") structured = {{"elements", json::array{chosen(params)}}};
    if (name == "Extraction") structured = {{"price", 12.5}};
    if (name == "Metadata") structured = {{"progress", ""}, {"completed", true}};
    const std::string text = json::serialize(structured);
    co_return json::object{{"role", "assistant"},
                           {"content", json::object{{"type", "text"}, {"text", text}}},
                           {"output_format", "json_schema"},
                           {"structured_content", std::move(structured)}};
  }

 private:
  json::value chosen(const json::object& params) const {
    const std::string text = json::serialize(params);
    const auto line = text.find(line_);
    if (line == std::string::npos) return nullptr;
    const auto begin = text.rfind('[', line) + 1;
    return json::object{{"elementId", text.substr(begin, text.find(']', begin) - begin)},
                        {"description", line_},
                        {"method", method_},
                        {"arguments", json::value_from(arguments_)}};
  }

  std::string line_, method_;
  std::vector<std::string> arguments_;
};

template <class T>
json::value outcome_of(const Result<T>& result) {
  if (!result) return json::string(to_string(result.error().code));
  if constexpr (std::is_void_v<T>) {
    return "ok";
  } else {
    return json::value_from(*result);
  }
}

json::object told(const StagehandActResult& result) {
  json::array arguments;
  for (const StagehandAction& action : result.actions)
    for (const std::string& argument : action.arguments) arguments.emplace_back(argument);
  return {{"success", result.success},
          {"method", result.actions.empty() ? "" : result.actions.front().method},
          {"selector", result.actions.empty() ? "" : result.actions.front().selector},
          {"arguments", std::move(arguments)}};
}

struct Play {
  Context& ctx;
  StagehandRuntime& runtime;
  std::string page;
  json::object outcomes;
  int marks = 0;
};

asio::awaitable<void> act_by(Play& play, std::string step, ScriptedModel& model,
                             std::string instruction, stagehand::Scope scope) {
  const std::string mark = " (call t" + std::to_string(++play.marks) + ")";
  StagehandAsker asker{.servant = &model, .mark = mark};
  auto request = stagehand::act(play.page, instruction + mark, scope);
  const auto done =
      co_await stagehand_act(play.ctx, play.runtime, std::move(request), std::move(asker));
  play.outcomes[step] = done ? json::value(told(*done)) : outcome_of<std::string>(done.error());
}

asio::awaitable<void> play_acts(Play& play) {
  const stagehand::Scope scope{.timeout = seconds(20)};
  ScriptedModel order("button: Order", "click", {});
  co_await act_by(play, "act in words", order, "press the Order button", scope);

  stagehand::Scope secret = scope;
  secret.variables = {{"code", "Zx9"}};
  ScriptedModel field("textbox: Name", "fill", {"%code%"});
  co_await act_by(play, "act with a variable", field, "type %code% into Name", secret);
  auto value = stagehand::input_value({.page = play.page, .selector = "#name"});
  const auto typed = co_await stagehand_text(play.ctx, play.runtime, std::move(value));
  play.outcomes["what it typed"] = outcome_of(typed);

  ScriptedModel nobody("no such line", "click", {});
  co_await act_by(play, "act on nothing", nobody, "press the Gift button", scope);

  StagehandAction pick{.selector = "#plan",
                       .description = "the plan",
                       .method = "selectOptionFromDropdown",
                       .arguments = {"Pro"}};
  auto known = stagehand::act(play.page, pick, scope);
  const auto done = co_await stagehand_act(play.ctx, play.runtime, std::move(known));
  play.outcomes["act that is known"] =
      done ? json::value(told(*done)) : outcome_of<std::string>(done.error());

  StagehandAction typing{
      .selector = "#name", .description = "the name", .method = "fill", .arguments = {"%code%!"}};
  known = stagehand::act(play.page, typing, secret);
  (void)co_await stagehand_act(play.ctx, play.runtime, std::move(known));
  value = stagehand::input_value({.page = play.page, .selector = "#name"});
  const auto retyped = co_await stagehand_text(play.ctx, play.runtime, std::move(value));
  play.outcomes["known act with a variable"] = outcome_of(retyped);
}

asio::awaitable<void> play_reading(Play& play) {
  const stagehand::Scope scope{.timeout = seconds(20)};
  ScriptedModel model("button: Order", "click", {});
  std::string mark = " (call t" + std::to_string(++play.marks) + ")";
  auto look = stagehand::observe(play.page, "the Order button" + mark, scope);
  StagehandAsker asker{.servant = &model, .mark = mark};
  const auto rows =
      co_await stagehand_observe(play.ctx, play.runtime, std::move(look), std::move(asker));
  play.outcomes["observe"] = rows && rows->size() == 1 ? json::value(rows->front().selector)
                                                       : outcome_of<std::string>(rows.error());
  mark = " (call t" + std::to_string(++play.marks) + ")";
  json::object schema{{"type", "object"},
                      {"properties", json::object{{"price", json::object{{"type", "number"}}}}},
                      {"required", json::array{"price"}}};
  auto read = stagehand::extract(play.page, "the price" + mark, std::move(schema), scope);
  StagehandAsker reader{.servant = &model, .mark = mark};
  const auto data =
      co_await stagehand_extract(play.ctx, play.runtime, std::move(read), std::move(reader));
  play.outcomes["extract"] = outcome_of(data);
  play.outcomes["asked"] = json::value_from(model.asked);
}

asio::awaitable<void> play_failures(Play& play) {
  auto missing = stagehand::wait_selector(play.page, "#nothing", "visible", milliseconds(200));
  const auto there = co_await stagehand_flag(play.ctx, play.runtime, std::move(missing));
  play.outcomes["wait for nothing"] = outcome_of(there);
  auto gone = stagehand::title("0123456789ABCDEF0123456789ABCDEF");
  const auto title = co_await stagehand_text(play.ctx, play.runtime, std::move(gone));
  play.outcomes["title of a page that is gone"] = outcome_of(title);
  StagehandRequest strange{.method = "page.dance", .params = {}};
  const auto danced = co_await play.runtime.call(play.ctx, std::move(strange));
  play.outcomes["an unknown method"] = outcome_of(danced);
  StagehandRequest bad{.method = "page.title", .params = {{"page", 1}}};
  const auto refused = co_await play.runtime.call(play.ctx, std::move(bad));
  play.outcomes["bad parameters"] = outcome_of(refused);
}

json::object trimmed(const json::object& block) {
  json::object out = block;
  const json::string* text = out.contains("text") ? out.at("text").if_string() : nullptr;
  if (!text) return out;
  std::string kept;
  for (std::size_t at = 0; at < text->size();) {
    const auto end = std::min(text->find('\n', at), text->size());
    const std::string_view line(text->data() + at, end - at);
    const auto first = line.find_first_not_of(' ');
    const bool node = first != std::string_view::npos && line[first] == '[' &&
                      first + 1 < line.size() &&
                      std::isdigit(static_cast<unsigned char>(line[first + 1])) != 0;
    const bool ours = line.find("(call t") != std::string_view::npos;
    const auto begin = node || !ours ? 0 : line.rfind(':', line.find("(call t")) + 1;
    if (node || ours) kept += std::string(line.substr(begin)) + "\n";
    at = end + 1;
  }
  out["text"] = kept;
  return out;
}

void drop_descriptions(json::value& value) {
  if (auto* object = value.if_object()) {
    const auto* told = object->if_contains("description");
    if (told && told->is_string()) object->erase("description");
    for (auto& member : *object) drop_descriptions(member.value());
  }
  if (auto* list = value.if_array())
    for (json::value& one : *list) drop_descriptions(one);
}

}  // namespace

std::string stagehand_stage_page() {
  return "<!doctype html><title>Shop</title><h1>Order</h1><label>Name <input id=name></label>"
         "<label>Plan <select id=plan><option>Free<option>Pro</select></label>"
         "<button onclick=\"said.textContent='done'\">Order</button><p id=said></p>"
         "<dl><dt>Price<dd>$12.50</dl>";
}

asio::awaitable<json::object> play_stagehand(Context& ctx, cdp::Connection& connection,
                                             StagehandStage stage) {
  StagehandRuntimeOptions options{.folder = stage.folder, .endpoint = stage.endpoint};
  const auto runtime = std::make_shared<StagehandRuntime>(connection, std::move(options));
  Play play{.ctx = ctx, .runtime = *runtime, .page = {}, .outcomes = {}};
  const auto started = co_await runtime->ensure(ctx);
  play.outcomes["start"] = outcome_of(started);
  const auto pages = co_await stagehand_pages(ctx, *runtime);
  if (!started || !pages || pages->empty()) co_return std::move(play.outcomes);
  play.page = pages->front().id;
  const stagehand::Load load{.timeout = seconds(15)};
  auto go = stagehand::go_to(play.page, stage.page, load);
  const auto gone = co_await stagehand_navigate(ctx, *runtime, std::move(go));
  play.outcomes["goto"] =
      gone ? json::value(gone->url == stage.page) : outcome_of<std::string>(gone.error());
  auto title = stagehand::title(play.page);
  const auto shown = co_await stagehand_text(ctx, *runtime, std::move(title));
  play.outcomes["title"] = outcome_of(shown);
  co_await play_reading(play);
  co_await play_acts(play);
  co_await play_failures(play);
  const auto closed = co_await runtime->close(ctx);
  play.outcomes["close"] = outcome_of(closed);
  co_return std::move(play.outcomes);
}

json::object stagehand_outcomes() {
  const auto act = [](std::string_view method, std::string_view selector,
                      const json::array& arguments) {
    return json::object{
        {"success", true}, {"method", method}, {"selector", selector}, {"arguments", arguments}};
  };
  const json::object nothing{
      {"success", false}, {"method", ""}, {"selector", ""}, {"arguments", json::array{}}};
  return {
      {"start", "ok"},
      {"goto", true},
      {"title", "Shop"},
      {"observe", "xpath=/html[1]/body[1]/button[1]"},
      {"extract", json::object{{"price", 12.5}}},
      {"asked", json::array{"Observation", "Extraction", "Metadata"}},
      {"act in words", act("click", "xpath=/html[1]/body[1]/button[1]", {})},
      {"act with a variable", act("fill", "xpath=/html[1]/body[1]/label[1]/input[1]", {"%code%"})},
      {"what it typed", "Zx9"},
      {"act on nothing", nothing},
      {"act that is known", act("selectOptionFromDropdown", "#plan", {"Pro"})},
      {"known act with a variable", "Zx9!"},
      {"wait for nothing", "timeout"},
      {"title of a page that is gone", "page_crashed"},
      {"an unknown method", "unsupported"},
      {"bad parameters", "invalid_argument"},
      {"close", "ok"}};
}

json::object without_prompts(json::object message) {
  constexpr std::size_t kErrorMax = 600;
  if (json::value* error = message.if_contains("error"))
    if (json::value* text = error->as_object().if_contains("message"))
      if (text->is_string() && text->get_string().size() > kErrorMax)
        text->get_string().resize(kErrorMax);
  json::value* params = message.if_contains("params");
  json::object* object = params ? params->if_object() : nullptr;
  if (!object || message.at("method") != "llm.generate") return message;
  if (object->contains("system_prompt")) (*object)["system_prompt"] = "(left out)";
  if (json::value* format = object->if_contains("response_format")) drop_descriptions(*format);
  for (json::value& one : object->at("messages").as_array()) {
    json::value& content = one.as_object().at("content");
    if (auto* block = content.if_object()) content = trimmed(*block);
    if (auto* list = content.if_array())
      for (json::value& block : *list) block = trimmed(block.as_object());
  }
  return message;
}

}  // namespace troupe::services
