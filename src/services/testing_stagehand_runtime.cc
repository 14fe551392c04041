#include "services/testing_stagehand_runtime.h"

#include "base/text_file.h"
#include "services/json_schema.h"
#include "services/stagehand_extension.h"

namespace troupe::services {
namespace {

// What the browser calls the extension in the folder that tests name.
std::string extension_id() { return unpacked_extension_id("/opt/stagehand"); }

// Between the parentheses of the one call in it: a string literal with JSON in it.
std::string text_of(const std::string& expression) {
  const auto begin = expression.find('(') + 1;
  const auto end = expression.rfind(')');
  const auto literal = parse_json(expression.substr(begin, end - begin), "sent");
  return literal && literal->is_string() ? std::string(literal->get_string()) : std::string();
}

json::value default_result(const std::string& method) {
  const json::object page{{"page_id", "PAGE"}, {"url", "https://shop.example/"}};
  if (method == "stagehand.init")
    return json::object{{"initialized", true}, {"pages", json::array{page}}};
  if (method == "stagehand.close") return json::object{{"closed", true}};
  if (method == "context.pages") return json::array{page};
  if (method == "page.url") return "https://shop.example/";
  return json::object{{"ok", true}};
}

}  // namespace

StagehandContract::StagehandContract() {
  const auto text = read_text_file(TROUPE_SOURCE_DIR "/tests/contract/stagehand_v4.json", 1 << 20);
  contract_ = parse_json(text.value(), "contract").value().as_object();
}

std::string StagehandContract::problem(std::string_view method, std::string_view part,
                                       const json::value& value) const {
  const json::value* known = find(contract_.at("methods"), method);
  if (!known) return std::string(method) + ": is no method";
  json::object schema{{"$defs", contract_.at("$defs")}};
  for (const auto& member : known->at(part).as_object()) schema[member.key()] = member.value();
  const auto fits = check_schema(value, schema);
  return fits ? "" : std::string(method) + " " + std::string(part) + ": " + fits.error().message;
}

std::string StagehandContract::notification_problem(std::string_view method,
                                                    const json::value& params) const {
  const json::value* known = find(contract_.at("notifications"), method);
  if (!known) return std::string(method) + ": is no notification";
  json::object schema{{"$defs", contract_.at("$defs")}};
  for (const auto& member : known->as_object()) schema[member.key()] = member.value();
  const auto fits = check_schema(params, schema);
  return fits ? "" : std::string(method) + ": " + fits.error().message;
}

std::vector<std::string> StagehandContract::methods() const {
  std::vector<std::string> names;
  for (const auto& member : contract_.at("methods").as_object()) names.emplace_back(member.key());
  return names;
}

FakeStagehandRuntime::FakeStagehandRuntime(asio::any_io_executor executor)
    : connection_(std::make_unique<cdp::Connection>(
          std::make_unique<cdp::ScriptedTransport>(std::move(executor), wire_))) {
  wire_.on_send = [this](const json::object& command) { on_command(command); };
}

void FakeStagehandRuntime::on_command(const json::object& command) {
  commands.push_back(command);
  const std::string method(command.at("method").as_string());
  json::object params;
  if (const json::value* given = find(command, "params")) params = given->as_object();
  if (method == "Runtime.enable" && dying_workers > 0) {
    --dying_workers;
    return end_worker();
  }
  json::object reply{{"id", command.at("id")}};
  if ((method.starts_with("Extensions.") && !has_extensions) || unknown.contains(method))
    reply["error"] = json::object{{"code", -32601}, {"message", "'" + method + "' wasn't found"}};
  else
    reply["result"] = answer_of(method, params);
  if (const json::value* session = find(command, "sessionId")) reply["sessionId"] = *session;
  wire_.deliver(json::serialize(reply));
}

json::object FakeStagehandRuntime::answer_of(const std::string& method,
                                             const json::object& params) {
  if (method == "Extensions.loadUnpacked") {
    silent_until_loaded = false;
    loaded_ = true;
    ++loads_;
    return {{"id", extension_id()}};
  }
  if (method == "Extensions.uninstall") loaded_ = false;
  if (method == "Extensions.getExtensions") {
    json::object one{{"id", extension_id()}, {"name", "Stagehand Runtime"}, {"enabled", true}};
    if (!folder.empty()) one["path"] = folder;
    json::array all;
    if (is_listed && (preloaded || loads_ > 0)) all.push_back(one);
    return {{"extensions", std::move(all)}};
  }
  if (method == "Target.getTargets") {
    const std::string url = "chrome-extension://" + extension_id() + "/service-worker.js";
    json::array list;
    const auto add = [&](const std::string& target) {
      list.push_back({{"targetId", target}, {"type", "service_worker"}, {"url", url}});
    };
    if (has_old_worker) add("OLD");
    const bool there = loaded_ || preloaded;
    if (sleeps == 0 && there) add("WORKER" + std::to_string(loads_));
    if (sleeps > 0 && there) --sleeps;
    return {{"targetInfos", std::move(list)}};
  }
  if (method == "Target.attachToTarget") return {{"sessionId", "W" + std::to_string(++sessions_)}};
  if (method == "Target.createTarget") return {{"targetId", "T"}};
  if (method == "Runtime.evaluate") return evaluate(params);
  return {};
}

json::object FakeStagehandRuntime::evaluate(const json::object& params) {
  const std::string expression(params.at("expression").as_string());
  if (expression.find("__stagehand_runtime") != std::string::npos) {
    const json::object info{{"name", "stagehand"}, {"version", "1.3.0"}};
    const json::object marker{{"protocolVersion", protocol}, {"serverInfo", info}};
    const json::object value{{"marker", marker}, {"receives", receives}};
    return {{"result", json::object{{"type", "object"}, {"value", value}}}};
  }
  if (expression.find("__stagehandClientLifecycle") != std::string::npos) {
    if (refuses_client.empty()) return {{"result", json::object{{"value", true}}}};
    const json::object exception{{"description", "Error: " + refuses_client + "\n  at line"}};
    return {{"result", json::object{{"type", "object"}}},
            {"exceptionDetails", json::object{{"exception", exception}}}};
  }
  receive(text_of(expression));
  return {{"result", json::object{{"type", "undefined"}}}};
}

// Answers come before that of the evaluate, as with the real one.
void FakeStagehandRuntime::receive(const std::string& text) {
  const auto message = parse_json(text, "sent");
  if (!message) {
    problems.push_back("no JSON: " + text);
    return;
  }
  const json::object& body = message->as_object();
  const std::int64_t id = body.at("id").as_int64();
  if (body.contains("method")) {
    on_rpc(id, {.method = std::string(body.at("method").as_string()),
                .params = body.at("params").as_object()});
    return;
  }
  replies.push_back(body);
  const auto asked = asked_.find(id);
  const json::value* result = find(body, "result");
  if (asked != asked_.end() && result) {
    const std::string problem = contract_.problem(asked->second, "result", *result);
    if (!problem.empty()) problems.push_back(problem);
  }
  if (on_reply) on_reply(body);
}

void FakeStagehandRuntime::on_rpc(std::int64_t id, StagehandRequest request) {
  const std::string problem = contract_.problem(request.method, "params", request.params);
  if (!problem.empty()) problems.push_back(problem);
  calls.push_back(request);
  if (silent_until_loaded || silent.contains(request.method)) return;
  if (on_call && on_call(id, request)) return;
  const auto given = results.find(request.method);
  answer(id, given != results.end() ? given->second : default_result(request.method));
}

void FakeStagehandRuntime::answer(std::int64_t id, json::value result) {
  say(json::serialize(json::object{{"jsonrpc", "2.0"}, {"result", std::move(result)}, {"id", id}}));
}

void FakeStagehandRuntime::refuse(std::int64_t id, std::int64_t code, const std::string& message,
                                  const std::string& name) {
  const json::object error{
      {"code", code}, {"message", message}, {"data", json::object{{"name", name}}}};
  say(json::serialize(json::object{{"jsonrpc", "2.0"}, {"error", error}, {"id", id}}));
}

std::int64_t FakeStagehandRuntime::ask(std::string method, json::object params) {
  const std::int64_t id = ++last_asked_;
  asked_[id] = method;
  say(json::serialize(
      json::object{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}}));
  return id;
}

void FakeStagehandRuntime::notify(const std::string& method, json::object params) {
  say(json::serialize(json::object{{"jsonrpc", "2.0"}, {"method", method}, {"params", params}}));
}

void FakeStagehandRuntime::say(const std::string& text) {
  const json::object params{{"name", StagehandRpc::kBinding}, {"payload", text}};
  wire_.deliver(json::serialize(json::object{{"method", "Runtime.bindingCalled"},
                                             {"params", params},
                                             {"sessionId", "W" + std::to_string(sessions_)}}));
}

void FakeStagehandRuntime::end_worker() {
  const json::object params{{"sessionId", "W" + std::to_string(sessions_)}};
  wire_.deliver(
      json::serialize(json::object{{"method", "Target.detachedFromTarget"}, {"params", params}}));
}

int FakeStagehandRuntime::count(std::string_view method) const {
  int found = 0;
  for (const json::object& command : commands)
    if (command.at("method") == json::value(method)) ++found;
  for (const StagehandRequest& call : calls)
    if (call.method == method) ++found;
  return found;
}

}  // namespace troupe::services
