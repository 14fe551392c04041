// The library's front door: runs workflows on parallel browser sessions. Thread-safe: any thread
// may call any member at any time; work happens on one engine thread that the orchestrator owns.
// On that thread, inside a callback, members that wait throw Error (conflict): run_workflow,
// create_session, release_session, start_api_server, close and abort.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "troupe/error.hpp"
#include "troupe/run.hpp"
#include "troupe/session.hpp"
#include "troupe/settings.hpp"
#include "troupe/workflow.hpp"

namespace troupe {

struct OrchestratorAccess;  // internal: tests put their own engine in

class Orchestrator {
 public:
  /// Base of all exceptions thrown here; `error()` has code, message, source and hint.
  class Error : public std::runtime_error {
   public:
    explicit Error(troupe::Error error)
        : std::runtime_error(error.describe()), error_(std::move(error)) {}
    const troupe::Error& error() const { return error_; }

   private:
    troupe::Error error_;
  };
  class SessionCreationError : public Error {
    using Error::Error;
  };
  class SessionNotFoundError : public Error {
    using Error::Error;
  };
  class SessionReleaseError : public Error {
    using Error::Error;
  };
  class TaskCreationError : public Error {
    using Error::Error;
  };
  /// Only from calls that wait for a single task; run_workflow reports failures in its result.
  class TaskExecutionError : public Error {
    using Error::Error;
  };
  class ConfigurationError : public Error {
    using Error::Error;
  };

  /// Settings from environment, file and defaults.
  Orchestrator();
  /// `settings` as they are: neither environment nor file is read.
  explicit Orchestrator(Settings settings);
  /// Calls close(). Not inside a callback.
  ~Orchestrator();
  Orchestrator(const Orchestrator&) = delete;
  Orchestrator& operator=(const Orchestrator&) = delete;

  /// Runs and waits. Failures of single tasks are in the result, also when all failed.
  /// Throws TaskCreationError (request refused: unknown workflow or site, wrong inputs, sessions
  /// out of range) and SessionCreationError (not one session could be created).
  RunResult run_workflow(RunRequest request);
  /// The same without waiting: `done` is called once, on the engine thread, with the exception or
  /// the result, perhaps before this returns; it must not throw. An exception says
  /// TaskExecutionError when the run did not end before close() gave up. Returns the run's id.
  /// Throws TaskCreationError.
  std::string start_workflow(RunRequest request,
                             std::function<void(std::exception_ptr, RunResult)> done);
  /// Asks a run to stop: queued tasks end at once, running ones after their present step.
  /// Returns false when there is no such run or it has ended.
  bool cancel_run(const std::string& run_id);
  std::optional<RunResult> run_info(const std::string& run_id);
  std::vector<RunResult> list_runs();

  /// A session that stays until it is released or expires. Throws SessionCreationError.
  Session create_session(SessionSpec spec = {});
  /// Throws SessionNotFoundError. Ended sessions are remembered for a while.
  Session session_info(const std::string& session_id);
  std::vector<Session> list_active_sessions();
  /// Harmless when repeated. Throws SessionNotFoundError, SessionReleaseError.
  void release_session(const std::string& session_id);

  /// Starts the REST API; returns the port (useful with port 0). Throws ConfigurationError.
  int start_api_server(const std::string& host = "127.0.0.1", int port = 8000);
  /// Stops intake, lets running tasks end within the drain timeout, releases every session, ends
  /// the browsers. Idempotent.
  void close();
  /// Like close(), but running tasks are cancelled at once.
  void abort();

  const Settings& settings() const;

 private:
  struct Impl;
  friend struct OrchestratorAccess;
  explicit Orchestrator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace troupe
