#include "api/automation.h"

#include "api/operations.h"

namespace troupe::api {
namespace {

constexpr tasks::UnixMs kCancelGraceMs = 15'000;

net::HttpClientOptions client_options(const Settings& settings) {
  net::HttpClientOptions options;
  options.public_addresses_only = settings.webhook_addresses != "all";
  return options;
}

std::string node_name() {
  Random random = Random::from_system();
  return "node_" + random.uuid();
}

Async<void> announce_end(Context& ctx, tasks::Webhooks& webhooks, RunResult run,
                         std::string tenant) {
  std::string event(end_event(run.state)), key = run.run_id;
  json::object data = end_data(run);
  const auto announced = co_await webhooks.announce(ctx, std::move(tenant), std::move(event),
                                                    std::move(key), std::move(data));
  // What is too large once is so for ever: the receiver can ask for the run itself.
  if (!announced && announced.error().code != Errc::payload_too_large) co_return announced.error();
  co_return Result<void>();
}

tasks::SchedulerOptions scheduler_options() {
  tasks::SchedulerOptions options;
  options.node = node_name();
  return options;
}

tasks::WebhooksOptions webhooks_options(const Settings& settings) {
  tasks::WebhooksOptions options;
  options.node = node_name();
  options.timeout = settings.webhook_timeout;
  return options;
}

}  // namespace

Async<std::string> RunServiceStarter::submit(Context& ctx, json::object request, std::string tenant,
                                             std::string idempotency_key) {
  CO_TRY_VOID(check_fields(request, run_fields(), Unknown::refused));
  CO_TRY(auto run, run_request(request, library_));
  if (!request.contains("tenant")) run.tenant = std::move(tenant);
  run.idempotency_key = std::move(idempotency_key);
  co_return co_await runs_.submit(ctx, std::move(run));
}

Async<bool> RunServiceStarter::is_open(Context& ctx, std::string run_id) {
  const auto run = co_await runs_.find(ctx, std::move(run_id));
  if (run) co_return run->state == RunState::pending || run->state == RunState::running;
  if (run.error().code != Errc::not_found) co_return run.error();
  co_return false;
}

Async<void> RunServiceStarter::cancel(Context& ctx, std::string run_id, std::string reason) {
  const auto cancelled = runs_.cancel(run_id, reason);
  if (cancelled || cancelled.error().code == Errc::conflict) co_return Result<void>();
  if (cancelled.error().code != Errc::not_found) co_return cancelled.error();
  // Another node's: its worker hears of it with its next beat.
  const auto moved =
      co_await backend_.cancel_run(ctx, std::move(run_id), std::move(reason), kCancelGraceMs);
  if (!moved && moved.error().code != Errc::not_found) co_return moved.error();
  co_return Result<void>();
}

std::string_view end_event(RunState state) {
  switch (state) {
    case RunState::succeeded: return "run.succeeded";
    case RunState::partial: return "run.partial";
    case RunState::cancelled: return "run.cancelled";
    default: return "run.failed";
  }
}

json::object end_data(const RunResult& run) {
  json::object data = to_json(run);
  data.erase("tasks");
  data["total"] = run.tasks.size();
  data["succeeded"] = run.succeeded();
  return data;
}

Automation::Automation(engine::Engine& engine, RunService& runs, Library& library,
                       asio::any_io_executor executor)
    : engine_(engine),
      starter_(runs, library, engine.backend()),
      client_(net::HttpClient::create(client_options(engine.settings()))),
      schedules_(engine.clock(), executor, engine.backend(), starter_, engine.log(),
                 scheduler_options()),
      webhooks_(engine.clock(), executor, engine.backend(), *client_, engine.log(),
                webhooks_options(engine.settings())) {
  engine_.on_run_end([this](Context& ctx, RunResult run, std::string tenant) -> Async<void> {
    return announce_end(ctx, webhooks_, std::move(run), std::move(tenant));
  });
}

Automation::~Automation() { engine_.on_run_end(nullptr); }

void Automation::start() {
  schedules_.start();
  webhooks_.start();
}

asio::awaitable<void> Automation::stop() {
  co_await schedules_.stop();
  co_await webhooks_.stop();
}

}  // namespace troupe::api
