// Handlers of the operations on schedules and webhooks, for their rows (automation_rows.cc).
#pragma once

#include "api/operations.h"

namespace troupe::api {

Async<net::HttpResponse> create_schedule(Context& ctx, const Call& call);
Async<net::HttpResponse> list_schedules(Context& ctx, const Call& call);
Async<net::HttpResponse> get_schedule(Context& ctx, const Call& call);
Async<net::HttpResponse> update_schedule(Context& ctx, const Call& call);
Async<net::HttpResponse> pause_schedule(Context& ctx, const Call& call);
Async<net::HttpResponse> resume_schedule(Context& ctx, const Call& call);
Async<net::HttpResponse> trigger_schedule(Context& ctx, const Call& call);
Async<net::HttpResponse> delete_schedule(Context& ctx, const Call& call);
std::span<const Field> schedule_fields();
std::span<const Field> schedule_update_fields();
std::span<const Field> trigger_fields();

Async<net::HttpResponse> create_webhook_endpoint(Context& ctx, const Call& call);
Async<net::HttpResponse> list_webhook_endpoints(Context& ctx, const Call& call);
Async<net::HttpResponse> get_webhook_endpoint(Context& ctx, const Call& call);
Async<net::HttpResponse> update_webhook_endpoint(Context& ctx, const Call& call);
Async<net::HttpResponse> delete_webhook_endpoint(Context& ctx, const Call& call);
Async<net::HttpResponse> rotate_webhook_secret(Context& ctx, const Call& call);
Async<net::HttpResponse> test_webhook_endpoint(Context& ctx, const Call& call);
Async<net::HttpResponse> list_webhook_deliveries(Context& ctx, const Call& call);
Async<net::HttpResponse> get_webhook_delivery(Context& ctx, const Call& call);
Async<net::HttpResponse> redeliver_webhook(Context& ctx, const Call& call);
std::span<const Field> webhook_endpoint_fields();
std::span<const Field> webhook_endpoint_update_fields();
std::span<const Field> rotate_secret_fields();

}  // namespace troupe::api
