#include "engine/run_codec.h"

#include "workflows/definition.h"

namespace troupe::engine {
namespace {

constexpr std::int64_t kVersion = 1;

using std::chrono::milliseconds;

WallTime wall_of(std::int64_t ms) { return WallTime(milliseconds(ms)); }

std::string text_of(const json::object& object, std::string_view key) {
  return std::string(find_string(object, key).value_or(""));
}

json::object object_of(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  return value && value->is_object() ? value->get_object() : json::object();
}

int int_of(const json::object& object, std::string_view key, int otherwise) {
  return static_cast<int>(find_int(object, key).value_or(otherwise));
}

void put_text(json::object& object, std::string_view key, const std::string& text) {
  if (!text.empty()) object[key] = text;
}

void put_object(json::object& object, std::string_view key, const json::object& value) {
  if (!value.empty()) object[key] = value;
}

void put_ms(json::object& object, std::string_view key, std::optional<milliseconds> value) {
  if (value) object[key] = value->count();
}

std::optional<milliseconds> ms_of(const json::object& object, std::string_view key) {
  const auto value = find_int(object, key);
  return value ? std::optional(milliseconds(*value)) : std::nullopt;
}

void put_time(json::object& object, std::string_view key, std::optional<WallTime> time) {
  if (time && *time != WallTime{}) object[key] = to_unix_ms(*time);
}

std::optional<WallTime> time_of(const json::object& object, std::string_view key) {
  const auto value = find_int(object, key);
  return value ? std::optional(wall_of(*value)) : std::nullopt;
}

Error error_from(const json::object& object) {
  return fail(traits(find_string(object, "code").value_or("internal")).code,
              text_of(object, "message"), text_of(object, "source"), text_of(object, "hint"));
}

std::optional<Error> optional_error(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  return value && value->is_object() ? std::optional(error_from(value->get_object()))
                                     : std::nullopt;
}

RunState run_state_from(std::string_view name) {
  for (const RunState state : {RunState::pending, RunState::running, RunState::succeeded,
                               RunState::partial, RunState::failed, RunState::cancelled})
    if (to_string(state) == name) return state;
  return RunState::pending;
}

// What a success and a failure have in common.
json::object told(const TaskResult& result) {
  json::object object{{"duration_ms", result.duration.count()}};
  put_text(object, "session_id", result.session_id);
  put_text(object, "failed_step", result.failed_step);
  put_text(object, "screenshot", result.screenshot);
  if (!result.cleanup_errors.empty()) {
    auto& list = object["cleanup_errors"].emplace_array();
    for (const Error& error : result.cleanup_errors) list.push_back(to_json(error));
  }
  return object;
}

void read_told(const json::object& object, TaskResult& result) {
  result.duration = milliseconds(find_int(object, "duration_ms").value_or(0));
  result.session_id = text_of(object, "session_id");
  result.failed_step = text_of(object, "failed_step");
  result.screenshot = text_of(object, "screenshot");
  if (const auto* list = find(object, "cleanup_errors"); list && list->is_array())
    for (const auto& error : list->get_array())
      if (error.is_object()) result.cleanup_errors.push_back(error_from(error.get_object()));
  result.error = optional_error(object, "error");
  if (const auto* output = find(object, "output")) result.output = *output;
}

json::array texts(const std::vector<std::string>& list) {
  return json::array(list.begin(), list.end());
}

}  // namespace

json::object to_json(const RunRequest& request) {
  json::object object{{"sessions", request.sessions},
                      {"tenant", request.tenant},
                      {"strategy", to_string(request.strategy)},
                      {"has_items", !request.items.empty()}};
  put_object(object, "inputs", request.inputs);
  if (request.isolation) object["isolation"] = to_string(*request.isolation);
  put_text(object, "provider", request.provider);
  put_text(object, "interactor", request.interactor);
  put_ms(object, "task_timeout_ms", request.task_timeout);
  put_ms(object, "timeout_ms", request.timeout);
  if (request.attempts) object["attempts"] = *request.attempts;
  put_text(object, "project", request.project);
  put_object(object, "user_context", request.user_context);
  if (request.priority) object["priority"] = request.priority;
  put_time(object, "run_at_ms", request.run_at);
  put_time(object, "deadline_ms", request.deadline);
  put_ms(object, "queue_timeout_ms", request.queue_timeout);
  put_text(object, "idempotency_key", request.idempotency_key);
  put_text(object, "concurrency_key", request.concurrency_key);
  if (!request.concurrency_key.empty()) object["concurrency_limit"] = request.concurrency_limit;
  put_text(object, "affinity", request.affinity);
  if (!request.depends_on.empty()) {
    object["depends_on"] = texts(request.depends_on);
    object["depends_rule"] = request.depends_rule;
  }
  put_object(object, "labels", request.labels);
  put_text(object, "parent_run", request.parent_run);
  put_text(object, "context_id", request.context_id);
  put_text(object, "region", request.region);
  return object;
}

Result<RunRequest> run_request_from_json(const json::object& object) {
  RunRequest request;
  request.sessions = int_of(object, "sessions", 1);
  request.tenant = text_of(object, "tenant");
  request.strategy = strategy_from(text_of(object, "strategy")).value_or(Strategy::parallel);
  // The items themselves are in the tasks; that there were some decides what `session.index` means.
  if (find_bool(object, "has_items").value_or(false)) request.items.resize(1);
  request.inputs = object_of(object, "inputs");
  request.isolation = isolation_from(text_of(object, "isolation"));
  request.provider = text_of(object, "provider");
  request.interactor = text_of(object, "interactor");
  request.task_timeout = ms_of(object, "task_timeout_ms");
  request.timeout = ms_of(object, "timeout_ms");
  if (const auto attempts = find_int(object, "attempts"))
    request.attempts = static_cast<int>(*attempts);
  request.project = text_of(object, "project");
  request.user_context = object_of(object, "user_context");
  request.priority = int_of(object, "priority", 0);
  request.run_at = time_of(object, "run_at_ms");
  request.deadline = time_of(object, "deadline_ms");
  request.queue_timeout = ms_of(object, "queue_timeout_ms");
  request.idempotency_key = text_of(object, "idempotency_key");
  request.concurrency_key = text_of(object, "concurrency_key");
  request.concurrency_limit = int_of(object, "concurrency_limit", 1);
  request.affinity = text_of(object, "affinity");
  if (const auto* list = find(object, "depends_on"); list && list->is_array())
    for (const auto& id : list->get_array())
      if (id.is_string()) request.depends_on.emplace_back(id.get_string());
  if (const auto rule = find_string(object, "depends_rule")) request.depends_rule = *rule;
  request.labels = object_of(object, "labels");
  request.parent_run = text_of(object, "parent_run");
  request.context_id = text_of(object, "context_id");
  request.region = text_of(object, "region");
  return request;
}

tasks::Document run_document(const RunRecord& run) {
  const RunResult& result = run.result;
  json::object object{{"v", kVersion},
                      {"request", to_json(run.request)},
                      {"workflow",
                       {{"name", run.definition->name},
                        {"version", run.definition->version},
                        {"file", run.definition->file},
                        {"source", run.definition->source}}},
                      {"site", {{"name", run.site.name}, {"profile", run.site.profile}}},
                      {"project", run.ids.project},
                      {"state", to_string(result.state)},
                      {"sessions", result.sessions},
                      {"tasks", result.tasks.size()},
                      {"succeeded", result.succeeded()}};
  put_text(object, "node", run.node);
  put_time(object, "created_ms", result.created_at);
  put_time(object, "started_ms", result.started_at);
  put_time(object, "ended_ms", result.ended_at);
  if (result.error) object["error"] = to_json(*result.error);
  return {.kind = std::string(kRunKind),
          .id = result.run_id,
          .text = json::serialize(object),
          .version = run.document_version};
}

Result<std::shared_ptr<RunRecord>> run_from_document(const tasks::Document& document) {
  TRY(const auto value, parse_json(document.text, "run " + document.id));
  const auto* object = value.if_object();
  if (!object || find_int(*object, "v") != kVersion)
    return fail(Errc::protocol_error, "run " + document.id + ": its record is not of version " +
                                          std::to_string(kVersion));
  auto run = std::make_shared<RunRecord>();
  TRY(run->request, run_request_from_json(object_of(*object, "request")));
  const json::object workflow = object_of(*object, "workflow");
  TRY(run->definition,
      workflows::parse_definition(text_of(workflow, "source"), text_of(workflow, "file")));
  const json::object site = object_of(*object, "site");
  run->site.name = text_of(site, "name");
  run->site.profile = object_of(site, "profile");
  run->document_version = document.version;
  RunResult& result = run->result;
  run->node = text_of(*object, "node");
  result.run_id = document.id;
  result.workflow = run->definition->name;
  result.site = run->site.name;
  result.state = run_state_from(text_of(*object, "state"));
  result.sessions = int_of(*object, "sessions", 1);
  result.created_at = time_of(*object, "created_ms").value_or(WallTime{});
  result.started_at = time_of(*object, "started_ms").value_or(WallTime{});
  result.ended_at = time_of(*object, "ended_ms").value_or(WallTime{});
  result.error = optional_error(*object, "error");
  run->ids.project = text_of(*object, "project");
  run->ids.run = document.id;
  run->ids.workflow = result.workflow;
  return run;
}

std::string stored_result(const TaskResult& result) {
  json::object object = told(result);
  object["output"] = result.output;
  return json::serialize(object);
}

std::string stored_error(const TaskResult& result, const json::object& resumed) {
  json::object object = told(result);
  put_object(object, "resumed", resumed);
  if (result.error) object["error"] = to_json(*result.error);
  return json::serialize(object);
}

TaskState public_state(tasks::State state) {
  return static_cast<TaskState>(static_cast<int>(state));  // the same list: checked in the test
}

TaskResult task_result_from(const tasks::Record& record) {
  const tasks::Status& status = record.status;
  TaskResult result{.task_id = record.spec.id,
                    .index = record.spec.index,
                    .state = public_state(status.state),
                    .attempts = status.attempt};
  const std::string& text = status.state == tasks::State::succeeded ? status.result : status.error;
  if (const auto value = parse_json(text, "task"); value && value->is_object())
    read_told(value->get_object(), result);
  const bool ended_otherwise = status.cause != tasks::Cause::none &&
                               status.cause != tasks::Cause::finished &&
                               status.cause != tasks::Cause::attempts_exhausted;
  if (ended_otherwise && status.state != tasks::State::succeeded) {
    const Error why =
        error_of({.id = record.spec.id, .state = status.state, .cause = status.cause});
    if (!result.error || status.cause != tasks::Cause::cancelled) result.error = why;
    if (!status.cancel_reason.empty() && status.cause == tasks::Cause::cancelled)
      result.error->message = "task " + record.spec.id + ": " + status.cancel_reason;
  }
  return result;
}

Error error_of(const tasks::Moved& moved) {
  const std::string task = "task " + moved.id + ": ";
  switch (moved.cause) {
    case tasks::Cause::poisoned:
      return fail(
          Errc::internal, task + "its worker died with it several times in a row", "queue",
          "look at what it does before it is replayed: `troupe tasks show " + moved.id + "`");
    case tasks::Cause::deadline:
      return fail(Errc::timeout, task + "its deadline passed before it was done", "queue");
    case tasks::Cause::dependency:
      return fail(Errc::conflict, task + "what it depends on did not end as it must", "queue");
    case tasks::Cause::grace_exceeded:
      return fail(Errc::cancelled, task + "cancelled; its worker did not end it in time", "queue");
    default: return fail(Errc::cancelled, task + "cancelled", "queue");
  }
}

}  // namespace troupe::engine
