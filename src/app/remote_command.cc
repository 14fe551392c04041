// `troupe sessions …` and `troupe runs …`: a client of a running service.
#include <algorithm>
#include <array>
#include <iostream>

#include "app/commands.h"
#include "app/loop.h"
#include "app/progress.h"
#include "app/request.h"
#include "app/table.h"
#include "app/text.h"
#include "app/top.h"
#include "config/fields.h"
#include "net/http_client.h"
#include "workflows/catalogue.h"
#include "workflows/definition.h"
#include "workflows/items.h"
#include "workflows/mistake.h"
#include "workflows/tree.h"

namespace troupe::app {
namespace {

constexpr Duration kTimeout = std::chrono::seconds(30);
constexpr Duration kWaitMost = std::chrono::seconds(60);

struct Request {
  std::string method;
  std::string path;
  std::string body;
};

// Ids come from a command line and become part of a path.
std::string escaped(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const unsigned char c : text) {
    const bool plain = std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~';
    if (plain)
      out += static_cast<char>(c);
    else
      out.append("%").append(1, digits[c >> 4]).append(1, digits[c & 15]);
  }
  return out;
}

std::string task_query(const Invocation& invocation) {
  std::string query = "?limit=1000";
  if (!invocation.state.empty()) query += "&state=" + escaped(invocation.state);
  if (!invocation.run_id.empty()) query += "&run_id=" + escaped(invocation.run_id);
  if (invocation.dead) query += "&dead=true";
  return query;
}

Request webhook_request(const Invocation& invocation, const std::string& verb) {
  const std::string endpoints = "/v1/webhook-endpoints", deliveries = "/v1/webhook-deliveries";
  if (verb == "list") return {"GET", endpoints, ""};
  if (verb == "deliveries") return {"GET", deliveries, ""};
  const std::string& argument = invocation.arguments.at(0);
  if (verb == "create") {
    json::object body{{"url", argument}};
    if (!invocation.events.empty())
      body["events"] = json::array(invocation.events.begin(), invocation.events.end());
    return {"POST", endpoints, json::serialize(body)};
  }
  const std::string id = "/" + escaped(argument);
  if (verb == "redeliver") return {"POST", deliveries + id + "/redeliver", "{}"};
  if (verb == "test") return {"POST", endpoints + id + "/test", "{}"};
  if (verb == "rotate") return {"POST", endpoints + id + "/secret", "{}"};
  return {verb == "show" ? "GET" : "DELETE", endpoints + id, ""};
}

Request request_of(const Invocation& invocation) {
  const std::string noun = invocation.command.substr(0, invocation.command.find(' '));
  const std::string verb = invocation.command.substr(noun.size() + 1);
  const std::string base = "/v1/" + noun;
  if (noun == "queue") {
    if (verb == "show") return {"GET", "/v1/queue", ""};
    return {"PATCH", "/v1/queues/default",
            json::serialize(json::object{{"paused", verb == "pause"}})};
  }
  if (noun == "webhooks") return webhook_request(invocation, verb);
  if (noun == "tasks" && verb == "list") return {"GET", base + task_query(invocation), ""};
  if (verb == "purge")
    return {"POST", base + "/purge",
            json::serialize(json::object{{"ended_before", invocation.before}})};
  if (verb == "list" || verb == "top") {
    const bool active = noun == "sessions" && !invocation.all;
    return {"GET", base + (active ? "?status=RUNNING" : ""), ""};
  }
  const std::string one = base + "/" + escaped(invocation.arguments.at(0));
  if (verb == "show") return {"GET", one, ""};
  if (verb == "journal") return {"GET", one + "/journal", ""};
  for (const std::string_view action : {"cancel", "replay", "pause", "resume", "trigger"})
    if (verb == action) return {"POST", one + "/" + verb, "{}"};
  return {"DELETE", one, ""};
}

Error error_of(const net::HttpReply& reply, const std::string& url) {
  const std::string status = "status " + std::to_string(reply.status);
  const auto body = parse_json(reply.body, url);
  const auto* object = body ? body->if_object() : nullptr;
  if (!object) return fail(Errc::protocol_error, url + ": answered with " + status, "service");
  const auto text = [&](std::string_view key) {
    return std::string(find_string(*object, key).value_or(""));
  };
  std::string message = text("detail");
  if (message.empty()) message = text("message");
  const std::string code = text("code");
  const Errc kind = code.empty() ? Errc::http_error : traits(code).code;
  return fail(kind, message.empty() ? url + ": answered with " + status : message, "service",
              text("hint"));
}

// Lists come as an array, or as an object with an array in it.
const json::array* array_in(const json::value& value) {
  if (const auto* array = value.if_array()) return array;
  if (const auto* object = value.if_object())
    for (const auto& member : *object)
      if (const auto* array = member.value().if_array()) return array;
  return nullptr;
}

std::string readable(std::string_view name, const json::value& value) {
  if (value.is_string()) return value.get_string().c_str();
  if (name == "progress" && value.is_object()) return progress_text(value.get_object());
  return json::serialize(value);
}

// What people want to see of a list; the rest is in --json and `show`.
json::array chosen_columns(const json::array& items) {
  constexpr std::string_view names[] = {
      "id",        "task_id",   "run_id",    "status",     "state",     "cause",  "attempt",
      "progress",  "priority",  "workflow",  "site",       "succeeded", "total",  "provider",
      "isolation", "endReason", "createdAt", "created_at", "step",      "url",    "name",
      "cron",      "every_ms",  "paused",    "next_at",    "event",     "enabled"};
  json::array rows;
  for (const auto& item : items) {
    auto& row = rows.emplace_back(json::object()).get_object();
    for (const auto name : names)
      if (const auto* value = find(item, name))
        row[name] = name == "progress" ? json::value(readable(name, *value)) : *value;
  }
  return rows;
}

void show(const Invocation& invocation, const net::HttpReply& reply, WallTime now) {
  const auto body = parse_json(reply.body, "answer");
  if (!body) {
    if (!reply.body.empty()) print(reply.body + "\n");
    return;
  }
  const bool top = invocation.command.ends_with(" top");
  const bool list =
      top || std::ranges::any_of(std::array{" list", " journal", " deliveries"},
                                 [&](auto verb) { return invocation.command.ends_with(verb); });
  if (wants_json(invocation.output)) return print(pretty(*body));
  if (!list) {
    Table table{{"name", "value"}, {}};
    if (const auto* object = body->if_object())
      for (const auto& member : *object) {
        table.rows.push_back(
            {std::string(member.key()), one_line(readable(member.key(), member.value()))});
      }
    return print_lines(render_table(table, terminal_width(1)));
  }
  const auto* items = array_in(*body);
  if (!items || items->empty()) return print("none\n");
  const Table table = top ? top_table(*items, now) : table_of(chosen_columns(*items));
  print_lines(render_table(table, terminal_width(1)));
}

// The body of POST /v1/runs. A workflow's file is sent along: the service may not have it.
Result<json::object> submission_of(const RunOptions& options, const Settings& settings) {
  TRY(const RunRequest request, request_from(options, settings));
  json::object body{{"workflow", options.workflow}, {"sessions", options.sessions}};
  if (workflows::Catalogue::is_path(options.workflow)) {
    TRY(const std::string text, workflows::read_text_file(options.workflow, 1 << 20));
    TRY_VOID(workflows::parse_definition(text, options.workflow));
    workflows::Mistakes mistakes(options.workflow);
    body["workflow"] = workflows::to_json(workflows::parse_yaml(text, {}, mistakes));
  }
  const auto put = [&](std::string_view key, const std::string& text) {
    if (!text.empty()) body[key] = text;
  };
  put("site", options.site);
  put("isolation", options.isolation);
  put("strategy", options.strategy);
  put("run_at", options.run_at);
  put("deadline", options.deadline);
  put("idempotency_key", options.idempotency_key);
  put("concurrency_key", options.concurrency_key);
  if (!request.inputs.empty()) body["inputs"] = request.inputs;
  if (!request.items.empty()) {
    auto& items = body["items"].emplace_array();
    for (const auto& item : request.items) items.push_back(item);
  }
  if (request.timeout) body["timeout_ms"] = request.timeout->count();
  if (request.task_timeout) body["task_timeout_ms"] = request.task_timeout->count();
  if (options.attempts) body["attempts"] = *options.attempts;
  if (options.priority) body["priority"] = *options.priority;
  if (options.concurrency_limit) body["concurrency_limit"] = *options.concurrency_limit;
  if (!options.depends_on.empty())
    body["depends_on"] = json::array(options.depends_on.begin(), options.depends_on.end());
  if (!request.labels.empty()) body["labels"] = request.labels;
  if (!request.site_overrides.empty()) body["site_overrides"] = request.site_overrides;
  return body;
}

asio::awaitable<int> send(Loop& loop, Clock& clock, const Invocation& invocation, Request request) {
  Context unbounded(clock, loop.executor());
  CancelSource stop;
  const Interrupts interrupts(loop.io(),
                              [&](int) { stop.cancel(fail(Errc::cancelled, "interrupted")); });
  const Duration limit = invocation.run.wait ? kTimeout + kWaitMost : kTimeout;
  Context ctx = unbounded.with_timeout(limit, "request").with_cancel(stop);
  std::string url = invocation.url;
  while (url.ends_with('/')) url.pop_back();
  url += request.path;
  net::HttpCall call{.method = request.method, .url = url, .headers = {}, .body = request.body};
  call.headers.emplace_back("accept", "application/json");
  if (!request.body.empty()) call.headers.emplace_back("content-type", "application/json");
  if (!invocation.api_key.empty())
    call.headers.emplace_back("authorization", "Bearer " + invocation.api_key);
  const auto client = net::HttpClient::create();
  auto reply = co_await client->send(ctx, std::move(call));
  if (!reply) {
    Error error = reply.error();
    if (error.code == Errc::network_error && error.hint.empty())
      error.hint = "is `troupe serve` running there?";
    co_return report(error);
  }
  if (reply->status >= 400) co_return report(error_of(*reply, url));
  show(invocation, *reply, clock.wall());
  co_return 0;
}

}  // namespace

int remote(const Invocation& invocation) {
  Loop loop;
  const auto clock = make_real_clock(loop.executor());
  return loop.run(send(loop, *clock, invocation, request_of(invocation)));
}

int submit(const Invocation& invocation, const config::Loaded& loaded) {
  auto body = submission_of(invocation.run, loaded.settings);
  if (!body) return report(body.error());
  if (invocation.run.wait) (*body)["wait_ms"] = 60'000;
  Loop loop;
  const auto clock = make_real_clock(loop.executor());
  Request request{"POST", "/v1/runs", json::serialize(*body)};
  return loop.run(send(loop, *clock, invocation, std::move(request)));
}

int create_schedule(const Invocation& invocation, const config::Loaded& loaded) {
  const ScheduleOptions& options = invocation.schedule;
  auto run = submission_of(invocation.run, loaded.settings);
  if (!run) return report(run.error());
  json::object body{{"run", std::move(*run)}};
  const std::pair<const char*, const std::string*> texts[] = {
      {"name", &options.name},         {"cron", &options.cron},
      {"timezone", &options.timezone}, {"overlap", &options.overlap},
      {"catch_up", &options.catch_up}, {"start_at", &options.start_at},
      {"end_at", &options.end_at}};
  for (const auto& [name, text] : texts)
    if (!text->empty()) body[name] = *text;
  const std::pair<const char*, const std::string*> times[] = {{"every_ms", &options.every},
                                                              {"jitter_ms", &options.jitter}};
  for (const auto& [name, text] : times) {
    if (text->empty()) continue;
    const auto time = config::parse_duration(*text);
    if (!time) return report(time.error());
    body[name] = time->count();
  }
  Loop loop;
  const auto clock = make_real_clock(loop.executor());
  Request request{"POST", "/v1/schedules", json::serialize(body)};
  return loop.run(send(loop, *clock, invocation, std::move(request)));
}

}  // namespace troupe::app
