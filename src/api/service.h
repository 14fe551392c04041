// What the API needs of the engine, as seams: the operations are tested against mocks of these. The
// real ones are in engine_service.cc.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/async.h"
#include "base/json.h"
#include "engine/engine.h"
#include "net/http_client.h"
#include "observe/events.h"
#include "observe/log.h"
#include "sessions/stores.h"
#include "tasks/backend.h"
#include "troupe/run.hpp"
#include "troupe/session.hpp"
#include "troupe/settings.hpp"

namespace troupe::services {
class Model;
}  // namespace troupe::services

namespace troupe::tasks {
class Scheduler;
class Webhooks;
}  // namespace troupe::tasks

namespace troupe::api {

/// A run's events, one after the other.
class EventSource {
 public:
  virtual ~EventSource() = default;
  /// Errors: gone (the run ended and all was given), timeout, cancelled.
  virtual Async<observe::EventRecord> next(Context& ctx) = 0;
  /// Events that were lost because the reader was slow, so far.
  virtual std::uint64_t dropped() const = 0;
};

/// Threads: engine. Meaning and errors as in engine::Engine.
class RunService {
 public:
  virtual ~RunService() = default;
  virtual Async<std::string> submit(Context& ctx, RunRequest request) = 0;
  virtual Async<RunResult> wait(Context& ctx, std::string run_id) = 0;
  virtual Async<RunResult> find(Context& ctx, std::string run_id) = 0;
  virtual Async<std::vector<RunResult>> list(Context& ctx, std::string cursor, int limit) = 0;
  virtual Async<std::vector<tasks::Accepted>> submit_all(Context& ctx,
                                                         std::vector<RunRequest> requests) = 0;
  virtual Async<tasks::Moved> cancel_task(Context& ctx, std::string task_id,
                                          std::string reason) = 0;
  virtual Async<tasks::Moved> replay_task(Context& ctx, std::string task_id) = 0;
  virtual Async<int> replay_run(Context& ctx, std::string run_id) = 0;
  virtual Result<void> cancel(const std::string& run_id, std::string reason) = 0;
  virtual std::unique_ptr<EventSource> events(const std::string& run_id, std::uint64_t after) = 0;
  virtual std::string node_of(const std::string&) const { return {}; }
};

/// Threads: engine. Meaning and errors as in engine::Engine.
class SessionService {
 public:
  virtual ~SessionService() = default;
  virtual Async<Session> create(Context& ctx, SessionSpec spec) = 0;
  virtual Result<Session> find(const std::string& session_id) const = 0;
  virtual std::vector<Session> list()
      const = 0;  ///< Ended ones too, as long as they are remembered.
  virtual Async<void> release(Context& ctx, std::string session_id) = 0;

  // For the CDP gateway; meaning and errors as in sessions::Pool.
  virtual Async<void> end(Context& ctx, std::string session_id, EndReason reason) = 0;
  virtual Async<std::string> endpoint(Context& ctx, std::string session_id) = 0;
  virtual Result<std::string> downloads_dir(const std::string& session_id) = 0;
  /// Where files that were uploaded for the session are. Errors: those of downloads_dir.
  virtual Result<std::string> uploads_dir(const std::string& session_id) = 0;
  virtual Result<SessionSpec> spec(const std::string& session_id) const = 0;
  /// `clients` came (or left, if negative); `more` traffic since the last call.
  virtual void count(const std::string& session_id, int clients, const Session::Counters& more) = 0;
  /// Called with the id of each session that is there from now on, while the handle lives.
  virtual std::shared_ptr<void> on_created(std::function<void(const std::string&)> listener) = 0;
  /// Called with the id of each session that ended, while the handle lives.
  virtual std::shared_ptr<void> on_ended(std::function<void(const std::string&)> listener) = 0;
};

/// Workflows and sites by name. Names only: the API reads no files that a client names.
class Library {
 public:
  virtual ~Library() = default;
  virtual json::array workflows() const = 0;
  virtual Result<json::object> workflow(const std::string& name) const = 0;
  virtual json::array sites() const = 0;
  virtual Result<json::object> site(const std::string& name) const = 0;
  /// A definition given inline. Errors: invalid_argument with every mistake.
  virtual Result<Workflow> parse(const json::object& document) const = 0;
};

class Gateway;
class Nodes;

/// All of them. What is referred to lives longer than the server.
struct Services {
  RunService& runs;
  SessionService& sessions;
  Library& library;
  Clock& clock;
  observe::Log& log;
  const Settings& settings;
  std::function<std::vector<engine::Check>()> readiness;
  sessions::Stores stores = {};
  net::HttpClient* fetcher = nullptr;             ///< For /v1/fetch; null: not offered.
  net::HttpClient* unverified_fetcher = nullptr;  ///< Takes any certificate.
  net::HttpClient* searcher = nullptr;            ///< For the search service.
  net::HttpClient* proxied_fetcher = nullptr;     ///< Through setting proxy_url; null: none.
  net::HttpClient* unverified_proxied_fetcher = nullptr;
  services::Model* model = nullptr;       ///< Null: none is configured.
  tasks::Backend* backend = nullptr;      ///< For what only reads and tunes the queue.
  tasks::Scheduler* schedules = nullptr;  ///< Null: not offered.
  tasks::Webhooks* webhooks = nullptr;    ///< Null: not offered.
  Nodes* nodes = nullptr;                 ///< Null: this is the only process.
  /// Takes events of runs that other nodes perform tasks of. With `nodes` only.
  std::function<void(std::string type, const Ids& ids, json::object data)> take_news = {};
  /// Engine::progress. Not set: what the backend has is all.
  std::function<std::string(const std::string& task_id)> progress = {};
  Gateway* gateway = nullptr;  ///< The server's own; never null in a handler.
};

}  // namespace troupe::api
