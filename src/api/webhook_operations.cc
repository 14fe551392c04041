// Operations on webhooks: who is told of a run's end, and how that went.
#include "api/automation_operations.h"
#include "tasks/webhooks.h"

namespace troupe::api {
namespace {

using tasks::Delivery;
using tasks::UnixMs;
using tasks::WebhookEndpoint;

constexpr std::int64_t kDayMs = 24 * 60 * 60 * 1000;

constexpr Field kUrl{"url", FieldType::string, "Where events are sent (https: or http:).", true};
constexpr Field kNewUrl{"url", FieldType::string, "Where events are sent (https: or http:)."};
constexpr Field kEvents{"events", FieldType::any,
                        "Which: run.succeeded, run.partial, run.failed, run.cancelled; all when "
                        "empty or not given."};
constexpr Field kDescription{"description", FieldType::string, "Words for people."};
constexpr Field kTenant{"tenant", FieldType::string, "Whose runs; default when not given."};
constexpr Field kSecret{"secret", FieldType::string,
                        "whsec_ and base64 of 24 to 64 bytes; made when not given."};
constexpr Field kEnabled{"enabled", FieldType::boolean, "Nothing is sent while it is not."};

constexpr Field kFields[] = {kUrl, kEvents, kDescription, kTenant, kSecret};
constexpr Field kUpdateFields[] = {kNewUrl, kEvents, kDescription, kEnabled};
constexpr Field kRotateFields[] = {
    kSecret,
    {"overlap_ms", FieldType::integer,
     "So long the secret before signs, too; a day when not given.", false, 0, 7 * kDayMs},
};

Result<tasks::Webhooks*> webhooks_of(const Call& call) {
  if (call.services.webhooks) return call.services.webhooks;
  return fail(Errc::unsupported, "webhooks: not offered by this service");
}

Result<void> apply(const json::object& body, WebhookEndpoint& endpoint) {
  if (const auto url = find_string(body, "url")) endpoint.url = *url;
  if (const auto text = find_string(body, "description")) endpoint.description = *text;
  if (const auto enabled = find_bool(body, "enabled")) {
    endpoint.enabled = *enabled;
    endpoint.disabled_reason.clear();
  }
  const json::value* events = find(body, "events");
  if (!events) return {};
  endpoint.events.clear();
  const auto wrong = fail(Errc::invalid_argument, "events: is not a list of names", "request body");
  if (!events->is_array()) return wrong;
  for (const json::value& event : events->get_array()) {
    if (!event.is_string()) return wrong;
    endpoint.events.emplace_back(std::string_view(event.get_string()));
  }
  return {};
}

std::string shown_time(UnixMs ms) { return to_rfc3339(WallTime(std::chrono::milliseconds(ms))); }

// The secret is shown to whoever makes it, and never again.
json::object shown(const WebhookEndpoint& endpoint, bool with_secret = false) {
  json::object object{{"id", endpoint.id},
                      {"url", endpoint.url},
                      {"description", endpoint.description},
                      {"tenant", endpoint.tenant},
                      {"events", json::array(endpoint.events.begin(), endpoint.events.end())},
                      {"enabled", endpoint.enabled},
                      {"created_at", shown_time(endpoint.created_ms)}};
  if (!endpoint.disabled_reason.empty()) object["disabled_reason"] = endpoint.disabled_reason;
  if (with_secret) object["secret"] = endpoint.secrets.front().value;
  return object;
}

json::object shown(const Delivery& delivery) {
  json::object object{{"id", delivery.id},
                      {"endpoint_id", delivery.endpoint_id},
                      {"tenant", delivery.tenant},
                      {"event", delivery.event},
                      {"state", to_string(delivery.state)},
                      {"attempts", delivery.attempts},
                      {"created_at", shown_time(delivery.created_ms)}};
  if (delivery.state == Delivery::State::pending) object["next_at"] = shown_time(delivery.next_ms);
  json::array log;
  for (const auto& attempt : delivery.log) {
    json::object row{{"at", shown_time(attempt.at_ms)}, {"took_ms", attempt.took_ms}};
    if (attempt.status) row["status"] = attempt.status;
    if (!attempt.error.empty()) row["error"] = attempt.error;
    if (!attempt.answer.empty()) row["answer"] = attempt.answer;
    log.push_back(std::move(row));
  }
  object["log"] = std::move(log);
  return object;
}

}  // namespace

std::span<const Field> webhook_endpoint_fields() { return kFields; }
std::span<const Field> webhook_endpoint_update_fields() { return kUpdateFields; }
std::span<const Field> rotate_secret_fields() { return kRotateFields; }

Async<net::HttpResponse> create_webhook_endpoint(Context& ctx, const Call& call) {
  CO_TRY(auto* webhooks, webhooks_of(call));
  WebhookEndpoint wanted;
  CO_TRY_VOID(apply(call.body, wanted));
  if (const auto tenant = find_string(call.body, "tenant")) wanted.tenant = *tenant;
  if (const auto secret = find_string(call.body, "secret"))
    wanted.secrets.push_back({std::string(*secret), 0});
  CO_TRY(const auto made, co_await webhooks->create(ctx, std::move(wanted)));
  net::HttpResponse response = json_response(shown(made, true), 201);
  response.headers.emplace_back("Location", "/v1/webhook-endpoints/" + made.id);
  co_return response;
}

Async<net::HttpResponse> list_webhook_endpoints(Context& ctx, const Call& call) {
  CO_TRY(auto* webhooks, webhooks_of(call));
  CO_TRY(const auto endpoints, co_await webhooks->list(ctx));
  json::array data;
  for (const auto& endpoint : endpoints) data.push_back(shown(endpoint));
  co_return json_response(json::object{{"data", std::move(data)}});
}

Async<net::HttpResponse> get_webhook_endpoint(Context& ctx, const Call& call) {
  CO_TRY(auto* webhooks, webhooks_of(call));
  std::string id = call.path_values[0];
  CO_TRY(const auto endpoint, co_await webhooks->get(ctx, std::move(id)));
  co_return json_response(shown(endpoint));
}

Async<net::HttpResponse> update_webhook_endpoint(Context& ctx, const Call& call) {
  CO_TRY(auto* webhooks, webhooks_of(call));
  std::string id = call.path_values[0];
  tasks::Webhooks::Edit edit = [&call](WebhookEndpoint& endpoint) {
    return apply(call.body, endpoint);
  };
  CO_TRY(const auto endpoint, co_await webhooks->update(ctx, std::move(id), std::move(edit)));
  co_return json_response(shown(endpoint));
}

Async<net::HttpResponse> delete_webhook_endpoint(Context& ctx, const Call& call) {
  CO_TRY(auto* webhooks, webhooks_of(call));
  std::string id = call.path_values[0];
  CO_TRY_VOID(co_await webhooks->erase(ctx, std::move(id)));
  net::HttpResponse response;
  response.status = 204;
  co_return response;
}

Async<net::HttpResponse> rotate_webhook_secret(Context& ctx, const Call& call) {
  CO_TRY(auto* webhooks, webhooks_of(call));
  std::string id = call.path_values[0];
  std::string secret(find_string(call.body, "secret").value_or(""));
  if (secret.empty()) secret = tasks::new_webhook_secret();
  const UnixMs overlap = find_int(call.body, "overlap_ms").value_or(kDayMs);
  const UnixMs now = to_unix_ms(call.services.clock.wall());
  tasks::Webhooks::Edit edit = [secret, now, overlap](WebhookEndpoint& endpoint) {
    tasks::rotate_secret(endpoint, secret, now, overlap);
    return Result<void>();
  };
  CO_TRY(const auto endpoint, co_await webhooks->update(ctx, std::move(id), std::move(edit)));
  co_return json_response(shown(endpoint, true));
}

Async<net::HttpResponse> test_webhook_endpoint(Context& ctx, const Call& call) {
  CO_TRY(auto* webhooks, webhooks_of(call));
  std::string id = call.path_values[0];
  CO_TRY(const auto delivery, co_await webhooks->test(ctx, std::move(id)));
  co_return json_response(shown(delivery));
}

Async<net::HttpResponse> list_webhook_deliveries(Context& ctx, const Call& call) {
  CO_TRY(auto* webhooks, webhooks_of(call));
  CO_TRY(const auto limit, query_number(call.request, "limit", 1, 1'000, 100));
  const std::string* given = call.request.query_value("cursor");
  std::string cursor = given ? *given : std::string();
  const int count = static_cast<int>(limit);
  CO_TRY(const auto page, co_await webhooks->deliveries(ctx, std::move(cursor), count));
  json::array data;
  for (const auto& delivery : page.deliveries) data.push_back(shown(delivery));
  json::object object{{"data", std::move(data)}, {"next_cursor", nullptr}};
  if (!page.next_cursor.empty()) object["next_cursor"] = page.next_cursor;
  co_return json_response(object);
}

Async<net::HttpResponse> get_webhook_delivery(Context& ctx, const Call& call) {
  CO_TRY(auto* webhooks, webhooks_of(call));
  std::string id = call.path_values[0];
  CO_TRY(const auto delivery, co_await webhooks->delivery(ctx, std::move(id)));
  json::object object = shown(delivery);
  const auto payload = parse_json(delivery.payload, "payload");
  if (payload) object["payload"] = *payload;
  co_return json_response(object);
}

Async<net::HttpResponse> redeliver_webhook(Context& ctx, const Call& call) {
  CO_TRY(auto* webhooks, webhooks_of(call));
  std::string id = call.path_values[0];
  CO_TRY(const auto delivery, co_await webhooks->redeliver(ctx, std::move(id)));
  co_return json_response(shown(delivery), 202);
}

}  // namespace troupe::api
