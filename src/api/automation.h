// What starts runs by itself and tells others of their end: schedules and webhooks of an engine.
#pragma once

#include <memory>

#include "api/service.h"
#include "tasks/scheduler.h"
#include "tasks/webhooks.h"

namespace troupe::api {

/// Schedules submit through `runs` what a POST /v1/runs would. Threads: engine.
class RunServiceStarter final : public tasks::RunStarter {
 public:
  RunServiceStarter(RunService& runs, Library& library, tasks::Backend& backend)
      : runs_(runs), library_(library), backend_(backend) {}
  Async<std::string> submit(Context& ctx, json::object request, std::string tenant,
                            std::string idempotency_key) override;
  Async<bool> is_open(Context& ctx, std::string run_id) override;
  Async<void> cancel(Context& ctx, std::string run_id, std::string reason) override;

 private:
  RunService& runs_;
  Library& library_;
  tasks::Backend& backend_;
};

/// The event that a run's end is, and what it carries: the run without its tasks.
std::string_view end_event(RunState state);
json::object end_data(const RunResult& run);

/// Threads: engine.
class Automation final {
 public:
  /// Everything given must live until stop() ended.
  Automation(engine::Engine& engine, RunService& runs, Library& library,
             asio::any_io_executor executor);
  ~Automation();
  void start();
  asio::awaitable<void> stop();

  tasks::Scheduler& schedules() { return schedules_; }
  tasks::Webhooks& webhooks() { return webhooks_; }

 private:
  engine::Engine& engine_;
  RunServiceStarter starter_;
  std::unique_ptr<net::HttpClient> client_;
  tasks::Scheduler schedules_;
  tasks::Webhooks webhooks_;
};

}  // namespace troupe::api
