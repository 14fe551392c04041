// A run: one execution of a workflow on N sessions, and what it gives back.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "troupe/error.hpp"
#include "troupe/session.hpp"
#include "troupe/workflow.hpp"

namespace troupe {

/// How a run's tasks share its sessions.
enum class Strategy {
  parallel,    ///< Up to `sessions` at once.
  sequential,  ///< One after another, in one session.
  race,        ///< In parallel; the first success cancels the rest.
};
std::string_view to_string(Strategy strategy);
std::optional<Strategy> strategy_from(std::string_view name);

/// What to run. Only `workflow` is required.
struct RunRequest {
  std::string site;  ///< Name of a site profile, or a profile file's path. Empty: none.
  Workflow workflow;
  int sessions = 1;  ///< Parallel sessions; 1 to the setting `sessions_max`.
  /// Inputs of the workflow by name, the same for every task.
  boost::json::object inputs;
  /// One task per item, spread over the sessions; each item is an object merged over `inputs`.
  /// Empty: one task per session, told apart by `session.index`.
  std::vector<boost::json::object> items;
  std::optional<Isolation> isolation;
  std::string provider;    ///< Empty: the setting `provider`.
  std::string interactor;  ///< Empty: the setting `interactor`.
  /// Longest time of one attempt of a task, and of the whole run.
  std::optional<std::chrono::milliseconds> task_timeout;
  std::optional<std::chrono::milliseconds> timeout;
  std::optional<int> attempts;  ///< Attempts per task at most; 1 to 10.
  std::string tenant = "default";
  std::string project;
  boost::json::object user_context;    ///< Copied to every session of the run.
  boost::json::object site_overrides;  ///< Merged over the site profile: `{"base_url": …}`.

  // How its tasks are queued.
  Strategy strategy = Strategy::parallel;
  int priority = 0;  ///< -9 to 9; a step lets a task overtake work that is a minute older.
  /// Not begun earlier; a deadline: tasks that are not done by then fail.
  std::optional<std::chrono::system_clock::time_point> run_at;
  std::optional<std::chrono::system_clock::time_point> deadline;
  std::optional<std::chrono::milliseconds> queue_timeout;  ///< Longest wait for the first attempt.
  /// The same key again (of the same tenant) gives the run that it was first used for.
  std::string idempotency_key;
  /// At most `concurrency_limit` tasks with the same key run at once, over all runs and nodes.
  std::string concurrency_key;
  int concurrency_limit = 1;
  /// Tasks of a tenant with the same affinity run one after another, and find the session as the
  /// one before left it while they are on one node and no more than half a minute apart.
  std::string affinity;
  /// Ids of tasks that must have ended first, as `depends_rule` says: all, any, failure, ended.
  std::vector<std::string> depends_on;
  std::string depends_rule = "all";
  boost::json::object labels;  ///< Texts, at most 16; lists can be filtered by them.
  std::string parent_run;      ///< Id of the run that this one belongs to.
  std::string context_id;      ///< Profile (`/v1/contexts`) that its sessions start from.
  std::string region;          ///< Of the provider.
};

/// pending → running → succeeded | partial | failed | cancelled.
enum class RunState { pending, running, succeeded, partial, failed, cancelled };
/// blocked (by others) → scheduled (for a time) → queued → running → succeeded | failed |
/// cancelled; running → scheduled or queued for another attempt.
enum class TaskState { blocked, scheduled, queued, running, succeeded, failed, cancelled };
/// Whether it is one of the last three.
bool has_ended(TaskState state);
std::string_view to_string(RunState state);
std::string_view to_string(TaskState state);

/// What one task gave.
struct TaskResult {
  std::string task_id;
  int index = 0;  ///< Place in the run: the item's, or the session's.
  TaskState state = TaskState::queued;
  std::string session_id;  ///< Of the last attempt.
  int attempts = 0;
  boost::json::value output;   ///< As the workflow's `output` says; null unless succeeded.
  std::optional<Error> error;  ///< The first cause; clean-up errors never replace it.
  std::string failed_step;     ///< Id of the step that failed.
  std::string screenshot;      ///< Path of the picture taken at the failure; may be empty.
  std::vector<Error> cleanup_errors;
  std::chrono::milliseconds duration{};
  bool ok() const { return state == TaskState::succeeded; }
};

/// What a run gave. Partial results are results: `tasks` holds every task, in order.
struct RunResult {
  std::string run_id;
  std::string workflow;
  std::string site;
  RunState state = RunState::pending;
  int sessions = 0;
  std::vector<TaskResult> tasks;
  std::optional<Error> error;  ///< Why the run failed as a whole (or the first task's error).
  std::chrono::system_clock::time_point created_at;
  std::chrono::system_clock::time_point started_at;
  std::chrono::system_clock::time_point ended_at;
  bool ok() const { return state == RunState::succeeded; }
  std::size_t succeeded() const;
  /// The outputs of the tasks that succeeded, in order.
  boost::json::array outputs() const;
};

boost::json::object to_json(const Error& error);
boost::json::object to_json(const Session& session);
boost::json::object to_json(const TaskResult& task);
boost::json::object to_json(const RunResult& run);

}  // namespace troupe
