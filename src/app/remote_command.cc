// `troupe sessions …` and `troupe runs …`: a client of a running service.
#include <iostream>

#include "app/commands.h"
#include "app/loop.h"
#include "app/table.h"
#include "app/text.h"
#include "app/top.h"
#include "net/http_client.h"

namespace troupe::app {
namespace {

constexpr Duration kTimeout = std::chrono::seconds(30);

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

Request request_of(const Invocation& invocation) {
  const std::string noun = invocation.command.substr(0, invocation.command.find(' '));
  const std::string verb = invocation.command.substr(noun.size() + 1);
  const std::string base = "/v1/" + noun;
  if (verb == "list" || verb == "top") {
    const bool active = noun == "sessions" && !invocation.all;
    return {"GET", base + (active ? "?status=RUNNING" : ""), ""};
  }
  const std::string one = base + "/" + escaped(invocation.arguments.at(0));
  if (verb == "show") return {"GET", one, ""};
  if (verb == "cancel") return {"POST", one + "/cancel", "{}"};
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

// What people want to see of a list; the rest is in --json and `show`.
json::array chosen_columns(const json::array& items) {
  constexpr std::string_view names[] = {
      "id",    "run_id",   "status",    "state",     "workflow",  "site",      "succeeded",
      "total", "provider", "isolation", "endReason", "createdAt", "created_at"};
  json::array rows;
  for (const auto& item : items) {
    auto& row = rows.emplace_back(json::object()).get_object();
    for (const auto name : names)
      if (const auto* value = find(item, name)) row[name] = *value;
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
  const bool list = top || invocation.command.ends_with(" list");
  if (wants_json(invocation.output)) return print(pretty(*body));
  if (!list) {
    Table table{{"name", "value"}, {}};
    if (const auto* object = body->if_object())
      for (const auto& member : *object) {
        const auto& value = member.value();
        table.rows.push_back(
            {std::string(member.key()),
             one_line(value.is_string() ? value.get_string().c_str() : json::serialize(value))});
      }
    return print_lines(render_table(table, terminal_width(1)));
  }
  const auto* items = array_in(*body);
  if (!items || items->empty()) return print("none\n");
  const Table table = top ? top_table(*items, now) : table_of(chosen_columns(*items));
  print_lines(render_table(table, terminal_width(1)));
}

asio::awaitable<int> send(Loop& loop, Clock& clock, const Invocation& invocation) {
  Context unbounded(clock, loop.executor());
  CancelSource stop;
  const Interrupts interrupts(loop.io(),
                              [&](int) { stop.cancel(fail(Errc::cancelled, "interrupted")); });
  Context ctx = unbounded.with_timeout(kTimeout, "request").with_cancel(stop);
  const Request request = request_of(invocation);
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
  return loop.run(send(loop, *clock, invocation));
}

}  // namespace troupe::app
