#include "services/stagehand_calls.h"

#include <optional>

#include "base/digest.h"

namespace troupe::services {
namespace {

std::string string_at(const json::object& object, std::string_view key) {
  return std::string(find_string(object, key).value_or(""));
}

Error malformed(std::string_view method) {
  return fail(Errc::protocol_error,
              std::string(method) + ": its answer is not what its contract says", "stagehand");
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
  if (!value || !value->is_array()) return malformed(method);
  std::vector<StagehandAction> actions;
  for (const json::value& one : value->get_array()) {
    auto action = action_from(one);
    if (!action) return malformed(method);
    actions.push_back(std::move(*action));
  }
  return actions;
}

Result<StagehandActResult> act_result_from(const json::value& answer) {
  const json::value* data = find(answer, "data");
  const json::object* body = data ? data->if_object() : nullptr;
  const auto success = body ? find_bool(*body, "success") : std::nullopt;
  if (!success) return malformed("stagehand.act");
  StagehandActResult result{.success = *success,
                            .message = string_at(*body, "message"),
                            .description = string_at(*body, "action_description"),
                            .actions = {},
                            .action_id = {}};
  TRY(result.actions, actions_from("stagehand.act", find(*body, "actions")));
  const json::value* metadata = find(answer, "metadata");
  const json::value* cache = metadata ? find(*metadata, "cache") : nullptr;
  if (cache && cache->is_object())
    result.cache_hit = string_at(cache->get_object(), "status") == "HIT";
  return result;
}

}  // namespace

Async<StagehandActResult> stagehand_act(Context& ctx, StagehandRuntime& runtime,
                                        StagehandRequest request, StagehandAsker asker) {
  CO_TRY(const auto answer, co_await runtime.call(ctx, std::move(request), std::move(asker)));
  co_return act_result_from(answer);
}

Async<std::vector<StagehandAction>> stagehand_observe(Context& ctx, StagehandRuntime& runtime,
                                                      StagehandRequest request,
                                                      StagehandAsker asker) {
  CO_TRY(const auto answer, co_await runtime.call(ctx, std::move(request), std::move(asker)));
  co_return actions_from("stagehand.observe", find(answer, "data"));
}

Async<json::value> stagehand_extract(Context& ctx, StagehandRuntime& runtime,
                                     StagehandRequest request, StagehandAsker asker) {
  CO_TRY(const auto answer, co_await runtime.call(ctx, std::move(request), std::move(asker)));
  const json::value* data = find(answer, "data");
  if (!data) co_return malformed("stagehand.extract");
  co_return *data;
}

Async<cdp::Navigation> stagehand_navigate(Context& ctx, StagehandRuntime& runtime,
                                          StagehandRequest request) {
  const std::string method = request.method;
  CO_TRY(const auto answer, co_await runtime.call(ctx, std::move(request)));
  const json::value* where = find(answer, "page");
  if (!where || !where->is_object()) co_return malformed(method);
  cdp::Navigation navigation{.url = string_at(where->get_object(), "url")};
  if (const json::value* response = find(answer, "response"); response && response->is_object())
    navigation.http_status =
        static_cast<int>(find_int(response->get_object(), "status").value_or(0));
  co_return navigation;
}

Async<std::string> stagehand_text(Context& ctx, StagehandRuntime& runtime,
                                  StagehandRequest request) {
  const std::string method = request.method;
  CO_TRY(const auto answer, co_await runtime.call(ctx, std::move(request)));
  if (!answer.is_string()) co_return malformed(method);
  co_return std::string(answer.get_string());
}

Async<bool> stagehand_flag(Context& ctx, StagehandRuntime& runtime, StagehandRequest request) {
  const std::string method = request.method;
  CO_TRY(const auto answer, co_await runtime.call(ctx, std::move(request)));
  const json::value* flag = answer.is_object() ? find(answer, "matched") : &answer;
  if (!flag || !flag->is_bool()) co_return malformed(method);
  co_return flag->get_bool();
}

Async<json::value> stagehand_value(Context& ctx, StagehandRuntime& runtime,
                                   StagehandRequest request) {
  const std::string method = request.method;
  CO_TRY(const auto answer, co_await runtime.call(ctx, std::move(request)));
  if (!answer.is_object()) co_return malformed(method);
  const json::value* value = find(answer, "value");
  co_return value ? *value : json::value();
}

Async<std::string> stagehand_bytes(Context& ctx, StagehandRuntime& runtime,
                                   StagehandRequest request) {
  const std::string method = request.method;
  CO_TRY(const auto answer, co_await runtime.call(ctx, std::move(request)));
  const json::value* data = find(answer, "data");
  auto bytes = data && data->is_string() ? from_base64(data->get_string()) : std::nullopt;
  if (!bytes) co_return malformed(method);
  co_return std::move(*bytes);
}

Async<std::vector<StagehandPage>> stagehand_pages(Context& ctx, StagehandRuntime& runtime) {
  StagehandRequest request = stagehand::pages();
  CO_TRY(const auto answer, co_await runtime.call(ctx, std::move(request)));
  if (!answer.is_array()) co_return malformed("context.pages");
  std::vector<StagehandPage> pages;
  for (const json::value& one : answer.get_array()) {
    if (!one.is_object()) co_return malformed("context.pages");
    pages.push_back(
        {.id = string_at(one.get_object(), "page_id"), .url = string_at(one.get_object(), "url")});
  }
  co_return pages;
}

}  // namespace troupe::services
