// The engine's state and the life of its runs. Private to the engine sources.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/parts.h"
#include "engine/run_record.h"
#include "engine/task_runner.h"
#include "engine/worker.h"
#include "sessions/pool.h"
#include "workflows/planner.h"

namespace troupe::engine {

struct Engine::Impl {
  Impl(asio::any_io_executor run_on, Parts given);

  // engine.cc
  sessions::PoolObserver observer();
  void look_after_stores();
  Ids ids_of(const Session& session) const;
  interact::Interactor* interactor(const std::string& name) const;
  WorkerOptions worker_options();

  // engine_accept.cc
  Result<void> check(const RunRequest& request) const;
  Result<std::shared_ptr<RunRecord>> accept(RunRequest request);
  Result<tasks::Submission> submission_of(RunRecord& run) const;
  Result<std::string> begin(RunRequest request);
  asio::awaitable<void> store(std::shared_ptr<RunRecord> run, tasks::Submission submission);

  // engine_runs.cc
  asio::awaitable<void> conduct(std::shared_ptr<RunRecord> run);
  Async<void> settle(Context& limited, RunRecord& run);
  asio::awaitable<void> cancel_waiting(std::shared_ptr<RunRecord> run, Error reason);
  asio::awaitable<void> perform(tasks::Claim claim, Context ctx);
  void moved(const tasks::Moved& moved, const Error* reason);
  void give_up(const Error& error);
  void close_unstored(RunRecord& run, const Error& error);
  void took_end(const std::string& run_id, std::int64_t run_open);
  asio::awaitable<void> finish_unknown(tasks::Claim claim, Error error);
  Async<std::shared_ptr<RunRecord>> run_of(Context& ctx, std::string run_id);
  Async<std::shared_ptr<RunRecord>> load(Context& ctx, std::string run_id);
  Async<void> load_results(Context& ctx, RunRecord& run);
  asio::awaitable<void> refresh(Context& ctx, std::shared_ptr<RunRecord>& run);
  asio::awaitable<void> look_at(std::shared_ptr<RunRecord> run);
  void forget(const std::string& run_id);
  asio::awaitable<void> restore_output(Context& ctx, TaskResult& task);
  asio::awaitable<void> adopt(std::string run_id);
  asio::awaitable<void> find_open_runs();
  asio::awaitable<void> look_for_orphans();
  asio::awaitable<std::set<std::string>> adopt_orphans(std::set<std::string> suspects);
  asio::awaitable<void> keep_retention();
  Async<void> forget_ended(WallTime before);
  Async<void> reopen(Context& ctx, std::string run_id);
  asio::awaitable<void> end(std::shared_ptr<RunRecord> run);
  asio::awaitable<void> erase(std::string run_id);
  Async<void> insist(Ids ids, std::function<Async<void>(Context&)> step);
  Async<void> store_end(Context& ctx, RunRecord& run);
  Async<void> close_books(RunRecord& run);
  void tell_end(RunRecord& run);
  void forget_old();

  Context base() const { return Context(*parts.clock, executor); }
  TaskServices services() {
    return {*parts.clock,
            parts.settings,
            *parts.backend,
            results(),
            pool,
            kept,
            events,
            *parts.log,
            random,
            catalogue,
            parts.one_shot,
            retry_budgets,
            [this](const std::string& task_id, std::uint64_t token, std::string progress) {
              worker.note_progress(task_id, token, std::move(progress));
            },
            [] {}};
  }
  tasks::Results* results() { return parts.results ? &parts.results->results() : nullptr; }
  bool shared() const { return parts.backend->name() == "redis"; }

  asio::any_io_executor executor;
  Parts parts;
  Random random;
  observe::EventBus events;
  workflows::Catalogue catalogue;
  sessions::Pool pool;
  KeptSessions kept{*parts.clock, pool};
  std::map<std::string, net::RetryBudget> retry_budgets;
  std::map<std::string, std::shared_ptr<RunRecord>> runs;
  std::map<std::string, std::shared_ptr<Event>> loading;  ///< Runs that are being read.
  std::deque<std::string> ended_order;
  std::string node;
  Worker worker;
  Scope scope;
  bool draining = false;
  CancelSource intake;   ///< Cancelled with `draining`: ends waits for a session outside of runs.
  CancelSource leaving;  ///< Ends the waits for runs that another process will go on with.
  SteadyTime usage_written_at{};
  SteadyTime pruned_at{};
  bool closing = false;
  Event closed;
  RunEndHandler on_run_end;
  Farewell farewell;
};

}  // namespace troupe::engine
