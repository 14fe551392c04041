// Words and JSON of the public value types (include/troupe/run.hpp, session.hpp).
#include <algorithm>
#include <array>

#include "base/clock.h"
#include "base/json.h"
#include "troupe/run.hpp"
#include "troupe/session.hpp"

namespace troupe {
namespace {

template <std::size_t N, class Enum>
std::string_view word(const std::array<std::string_view, N>& words, Enum value) {
  return words[static_cast<std::size_t>(value)];
}

constexpr std::array<std::string_view, 3> kIsolations = {"context", "reuse", "process"};
constexpr std::array<std::string_view, 3> kStrategies = {"parallel", "sequential", "race"};

void put_time(json::object& object, std::string_view key, std::optional<WallTime> time) {
  if (time && *time != WallTime{}) object[key] = to_rfc3339(*time);
}

}  // namespace

std::string_view to_string(SessionState state) {
  return word(std::array<std::string_view, 4>{"pending", "running", "releasing", "ended"}, state);
}

std::string_view to_string(EndReason reason) {
  return word(std::array<std::string_view, 11>{"none", "released", "timed_out", "idle",
                                               "client_left", "provider_ended", "crashed", "quota",
                                               "shutdown", "failed", "connection_lost"},
              reason);
}

std::string_view to_string(Isolation isolation) { return word(kIsolations, isolation); }

std::optional<Isolation> isolation_from(std::string_view name) {
  for (std::size_t i = 0; i < kIsolations.size(); ++i)
    if (kIsolations[i] == name) return static_cast<Isolation>(i);
  return std::nullopt;
}

std::string_view to_string(RunState state) {
  return word(std::array<std::string_view, 6>{"pending", "running", "succeeded", "partial",
                                              "failed", "cancelled"},
              state);
}

std::string_view to_string(TaskState state) {
  return word(std::array<std::string_view, 7>{"blocked", "scheduled", "queued", "running",
                                              "succeeded", "failed", "cancelled"},
              state);
}

bool has_ended(TaskState state) { return state >= TaskState::succeeded; }

std::string_view to_string(Strategy strategy) { return word(kStrategies, strategy); }

std::optional<Strategy> strategy_from(std::string_view name) {
  for (std::size_t i = 0; i < kStrategies.size(); ++i)
    if (kStrategies[i] == name) return static_cast<Strategy>(i);
  return std::nullopt;
}

std::size_t RunResult::succeeded() const {
  return std::count_if(tasks.begin(), tasks.end(),
                       [](const TaskResult& task) { return task.ok(); });
}

boost::json::array RunResult::outputs() const {
  boost::json::array all;
  for (const auto& task : tasks)
    if (task.ok()) all.push_back(task.output);
  return all;
}

boost::json::object to_json(const Error& error) {
  const ErrorTraits& row = traits(error.code);
  json::object object{{"code", row.name},
                      {"message", error.message},
                      {"class", to_string(row.fault)},
                      {"retryable", row.retryable}};
  if (!error.source.empty()) object["source"] = error.source;
  if (!error.hint.empty()) object["hint"] = error.hint;
  return object;
}

boost::json::object to_json(const Session& session) {
  json::object object{{"id", session.id},
                      {"provider", session.provider},
                      {"isolation", to_string(session.isolation)},
                      {"state", to_string(session.state)},
                      {"end_reason", to_string(session.end_reason)}};
  put_time(object, "created_at", session.created_at);
  put_time(object, "started_at", session.started_at);
  put_time(object, "expires_at", session.expires_at);
  put_time(object, "ended_at", session.ended_at);
  object["user_context"] = session.user_context;
  if (!session.run_id.empty()) object["run_id"] = session.run_id;
  if (!session.task_id.empty()) object["task_id"] = session.task_id;
  if (session.error) object["error"] = to_json(*session.error);
  const auto& c = session.counters;
  object["counters"] = {{"tasks", c.tasks},
                        {"navigations", c.navigations},
                        {"actions", c.actions},
                        {"cdp_commands", c.cdp_commands},
                        {"cdp_bytes_sent", c.cdp_bytes_sent},
                        {"cdp_bytes_received", c.cdp_bytes_received},
                        {"page_errors", c.page_errors}};
  return object;
}

boost::json::object to_json(const TaskResult& task) {
  json::object object{{"task_id", task.task_id},
                      {"index", task.index},
                      {"state", to_string(task.state)},
                      {"attempts", task.attempts},
                      {"duration_ms", task.duration.count()},
                      {"output", task.output}};
  if (!task.session_id.empty()) object["session_id"] = task.session_id;
  if (task.error) object["error"] = to_json(*task.error);
  if (!task.failed_step.empty()) object["failed_step"] = task.failed_step;
  if (!task.screenshot.empty()) object["screenshot"] = task.screenshot;
  if (!task.cleanup_errors.empty()) {
    auto& list = object["cleanup_errors"].emplace_array();
    for (const auto& error : task.cleanup_errors) list.push_back(to_json(error));
  }
  return object;
}

boost::json::object to_json(const RunResult& run) {
  json::object object{{"run_id", run.run_id},     {"workflow", run.workflow},
                      {"site", run.site},         {"state", to_string(run.state)},
                      {"sessions", run.sessions}, {"succeeded", run.succeeded()},
                      {"total", run.tasks.size()}};
  put_time(object, "created_at", run.created_at);
  put_time(object, "started_at", run.started_at);
  put_time(object, "ended_at", run.ended_at);
  if (run.error) object["error"] = to_json(*run.error);
  auto& list = object["tasks"].emplace_array();
  for (const auto& task : run.tasks) list.push_back(to_json(task));
  return object;
}

}  // namespace troupe
