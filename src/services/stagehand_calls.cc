#include "services/stagehand_calls.h"

namespace troupe::services {
namespace {

std::string string_at(const json::object& object, std::string_view key) {
  return std::string(find_string(object, key).value_or(""));
}

std::int64_t ms_of(Duration duration) {
  return std::max<std::int64_t>(
      1, std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

Error malformed(std::string_view method, const json::value& answer) {
  return fail(Errc::protocol_error,
              std::string(method) + ": its answer is " + std::string(type_name(answer)) +
                  ", or lacks what it must have",
              "stagehand");
}

json::object options_of(const StagehandCallOptions& options) {
  json::object out{{"timeout", ms_of(options.timeout)}};
  if (!options.locator.empty()) out["locator"] = json::object{{"selector", options.locator}};
  json::array ignored;
  for (const std::string& selector : options.ignore_locators)
    ignored.push_back({{"selector", selector}});
  if (!ignored.empty()) out["ignore_locators"] = std::move(ignored);
  return out;
}

json::object act_options(const StagehandCallOptions& options) {
  json::object out = options_of(options);
  if (!options.variables.empty()) out["variables"] = options.variables;
  return out;
}

std::optional<StagehandAction> action_from(const json::value& value) {
  const json::object* object = value.if_object();
  if (!object) return std::nullopt;
  StagehandAction action{.selector = string_at(*object, "selector"),
                         .description = string_at(*object, "description"),
                         .method = string_at(*object, "method"),
                         .arguments = {}};
  if (const json::value* list = find(*object, "arguments"); list && list->is_array())
    for (const json::value& one : list->get_array())
      if (one.is_string()) action.arguments.emplace_back(one.get_string());
  if (action.selector.empty()) return std::nullopt;
  return action;
}

Result<std::vector<StagehandAction>> actions_from(std::string_view method,
                                                  const json::value* value) {
  if (!value || !value->is_array()) return malformed(method, value ? *value : json::value());
  std::vector<StagehandAction> actions;
  for (const json::value& one : value->get_array()) {
    auto action = action_from(one);
    if (!action) return malformed(method, one);
    actions.push_back(std::move(*action));
  }
  return actions;
}

Result<StagehandActResult> act_result_from(const json::value& answer) {
  const json::value* data = find(answer, "data");
  const json::object* body = data ? data->if_object() : nullptr;
  const auto success = body ? find_bool(*body, "success") : std::nullopt;
  if (!success) return malformed("stagehand.act", answer);
  StagehandActResult result{.success = *success,
                            .message = string_at(*body, "message"),
                            .description = string_at(*body, "action_description"),
                            .actions = {},
                            .action_id = {}};
  TRY(result.actions, actions_from("stagehand.act", find(*body, "actions")));
  if (const json::value* metadata = find(answer, "metadata"))
    if (const json::value* cache = find(*metadata, "cache"))
      result.cache_hit = cache->is_object() && string_at(cache->get_object(), "status") == "HIT";
  return result;
}

std::string_view name_of(cdp::WaitUntil until) {
  if (until == cdp::WaitUntil::load) return "load";
  return until == cdp::WaitUntil::networkidle ? "networkidle" : "domcontentloaded";
}

Async<StagehandActResult> act_with(Context& ctx, StagehandRuntime& runtime,
                                   StagehandRequest request, StagehandAsker asker) {
  CO_TRY(const auto answer, co_await runtime.call(ctx, std::move(request), std::move(asker)));
  co_return act_result_from(answer);
}

}  // namespace

StagehandRequest act_request(std::string page, std::string instruction,
                             const StagehandCallOptions& options) {
  return {.method = "stagehand.act",
          .params = {
              {"page_id", page}, {"instruction", instruction}, {"options", act_options(options)}}};
}

StagehandRequest act_request(std::string page, const StagehandAction& action,
                             const StagehandCallOptions& options) {
  json::object what{{"selector", action.selector}, {"description", action.description}};
  if (!action.method.empty()) {
    json::array arguments;
    for (const std::string& one : action.arguments) arguments.push_back(json::string(one));
    what["method"] = action.method;
    what["arguments"] = std::move(arguments);
  }
  return {
      .method = "stagehand.act",
      .params = {
          {"page_id", page}, {"instruction", std::move(what)}, {"options", act_options(options)}}};
}

StagehandRequest observe_request(std::string page, std::string instruction,
                                 const StagehandCallOptions& options) {
  json::object params{{"page_id", page}, {"options", act_options(options)}};
  if (!instruction.empty()) params["instruction"] = instruction;
  return {.method = "stagehand.observe", .params = std::move(params)};
}

StagehandRequest extract_request(std::string page, std::string instruction, json::object schema,
                                 const StagehandCallOptions& options) {
  json::object settings = options_of(options);
  if (options.screenshot) settings["screenshot"] = true;
  json::object params{
      {"page_id", page}, {"instruction", instruction}, {"options", std::move(settings)}};
  if (!schema.empty()) params["schema"] = std::move(schema);
  return {.method = "stagehand.extract", .params = std::move(params)};
}

StagehandRequest goto_request(std::string page, std::string url, cdp::WaitUntil until,
                              Duration timeout) {
  const json::object options{{"wait_until", name_of(until)}, {"timeout", ms_of(timeout)}};
  return {.method = "page.goto", .params = {{"page_id", page}, {"url", url}, {"options", options}}};
}

Async<StagehandActResult> stagehand_act(Context& ctx, StagehandRuntime& runtime, std::string page,
                                        std::string instruction, StagehandCallOptions options) {
  auto request = act_request(std::move(page), std::move(instruction), options);
  co_return co_await act_with(ctx, runtime, std::move(request), std::move(options.asker));
}

Async<StagehandActResult> stagehand_act(Context& ctx, StagehandRuntime& runtime, std::string page,
                                        StagehandAction action, StagehandCallOptions options) {
  auto request = act_request(std::move(page), action, options);
  co_return co_await act_with(ctx, runtime, std::move(request), std::move(options.asker));
}

Async<std::vector<StagehandAction>> stagehand_observe(Context& ctx, StagehandRuntime& runtime,
                                                      std::string page, std::string instruction,
                                                      StagehandCallOptions options) {
  auto request = observe_request(std::move(page), std::move(instruction), options);
  auto asker = std::move(options.asker);
  CO_TRY(const auto answer, co_await runtime.call(ctx, std::move(request), std::move(asker)));
  co_return actions_from("stagehand.observe", find(answer, "data"));
}

Async<json::value> stagehand_extract(Context& ctx, StagehandRuntime& runtime, std::string page,
                                     std::string instruction, json::object schema,
                                     StagehandCallOptions options) {
  auto request =
      extract_request(std::move(page), std::move(instruction), std::move(schema), options);
  auto asker = std::move(options.asker);
  CO_TRY(const auto answer, co_await runtime.call(ctx, std::move(request), std::move(asker)));
  const json::value* data = find(answer, "data");
  if (!data) co_return malformed("stagehand.extract", answer);
  co_return *data;
}

Async<cdp::Navigation> stagehand_goto(Context& ctx, StagehandRuntime& runtime, std::string page,
                                      std::string url, cdp::WaitUntil until, Duration timeout) {
  auto request = goto_request(std::move(page), std::move(url), until, timeout);
  CO_TRY(const auto answer, co_await runtime.call(ctx, std::move(request)));
  const json::value* where = find(answer, "page");
  if (!where || !where->is_object()) co_return malformed("page.goto", answer);
  cdp::Navigation navigation{.url = string_at(where->get_object(), "url")};
  if (const json::value* response = find(answer, "response"); response && response->is_object())
    navigation.http_status =
        static_cast<int>(find_int(response->get_object(), "status").value_or(0));
  co_return navigation;
}

Async<std::string> stagehand_url(Context& ctx, StagehandRuntime& runtime, std::string page) {
  StagehandRequest request{.method = "page.url", .params = {{"page_id", page}}};
  CO_TRY(const auto answer, co_await runtime.call(ctx, std::move(request)));
  if (!answer.is_string()) co_return malformed("page.url", answer);
  co_return std::string(answer.get_string());
}

}  // namespace troupe::services
