// Operations on tasks and their queue: submit in bulk, look, cancel, begin anew, tune.
#include <algorithm>
#include <array>

#include "api/operations.h"
#include "engine/task_journal.h"
#include "tasks/backend.h"

namespace troupe::api {
namespace {

constexpr std::int64_t kBatchMax = 100'000;
constexpr QueryParameter kTaskList[] = {
    {"run_id", "string", "Only tasks of this run."},
    {"state", "string",
     "Only tasks in this state: blocked, scheduled, queued, running, succeeded, failed, "
     "cancelled."},
    {"dead", "boolean",
     "Only dead letters: tasks whose attempts are used up, or that took their worker down."},
    {"tenant", "string", "Only tasks of this tenant."},
    {"label", "string", "Only tasks with this label: name:value."},
    {"limit", "integer", "Most tasks of one page, 1 to 1000; 100 when not given."},
    {"cursor", "string", "The next_cursor of the page before."}};

constexpr Field kTasksFields[] = {
    {"tasks", FieldType::objects, "Each as for POST /v1/runs; 1 to 100,000.", true},
};
constexpr Field kUpdateFields[] = {
    {"priority", FieldType::integer, "A step overtakes work that is a minute older.", false, -9, 9},
    {"run_at", FieldType::string, "Not begun earlier (RFC 3339)."},
};
constexpr Field kPurgeFields[] = {
    {"ended_before", FieldType::string, "Only tasks that ended before (RFC 3339).", true},
    {"states", FieldType::any, "Only tasks in these final states; all of them when not given."},
    {"run_id", FieldType::string, "Only tasks of this run."},
    {"tenant", FieldType::string, "Only tasks of this tenant."},
    {"limit", FieldType::integer, "Most tasks at once; 1000 when not given.", false, 1, 100'000},
};
constexpr Field kQueueFields[] = {
    {"paused", FieldType::boolean, "Nothing of a paused queue is begun.", true},
};
constexpr Field kLimitFields[] = {
    {"limit", FieldType::integer, "Tasks at once; as the tasks say when not given.", false, 1,
     1'000'000},
};

Result<tasks::Backend*> backend_of(const Call& call) {
  if (call.services.backend) return call.services.backend;
  return fail(Errc::unsupported, "tasks: this service has no queue");
}

std::string query_text(const Call& call, std::string_view name) {
  const std::string* value = call.request.query_value(name);
  return value ? *value : std::string();
}

void put_time(json::object& object, std::string_view key, tasks::UnixMs ms) {
  if (ms) object[key] = to_rfc3339(WallTime(std::chrono::milliseconds(ms)));
}

// Stored texts are JSON of ours; what does not parse is shown as it is.
void put_json(json::object& object, std::string_view key, const std::string& text) {
  if (text.empty()) return;
  auto value = parse_json(text, key);
  object[key] = value ? std::move(*value) : json::value(text);
}

json::object task_object(const tasks::Record& record) {
  const tasks::Spec& spec = record.spec;
  const tasks::Status& status = record.status;
  json::object object{{"task_id", spec.id},
                      {"run_id", spec.run_id},
                      {"index", spec.index},
                      {"state", tasks::to_string(status.state)},
                      {"cause", tasks::to_string(status.cause)},
                      {"attempt", status.attempt},
                      {"attempts_max", spec.retry.attempts_max},
                      {"lost_leases", status.losses},
                      {"tenant", spec.tenant},
                      {"queue", spec.queue},
                      {"priority", spec.priority}};
  if (!spec.labels.empty()) object["labels"] = spec.labels;
  if (!spec.depends_on.empty())
    object["depends_on"] = json::array(spec.depends_on.begin(), spec.depends_on.end());
  if (!status.worker.empty()) object["worker"] = status.worker;
  if (status.cancel_requested) object["cancel_requested"] = true;
  if (!status.cancel_reason.empty()) object["cancel_reason"] = status.cancel_reason;
  put_time(object, "created_at", status.created_ms);
  put_time(object, "due_at", status.due_ms);
  put_time(object, "started_at", status.started_ms);
  put_time(object, "ended_at", status.ended_ms);
  put_time(object, "deadline", spec.deadline_ms);
  put_json(object, "result", status.result);
  put_json(object, "error", status.error);
  return object;
}

// The process that performs it knows more than the backend, which hears of it with each beat.
void put_progress(json::object& object, const Call& call, const tasks::Record& record) {
  object.erase("progress");
  if (record.status.state != tasks::State::running) return;
  const Services& services = call.services;
  std::string text = services.progress ? services.progress(record.spec.id) : std::string();
  if (text.empty()) text = record.status.progress;
  auto value = parse_json(text, "progress");
  if (!value || !value->is_object()) return;
  json::object& progress = value->get_object();
  // An attempt before this one may have told it.
  if (find_int(progress, "attempt") != record.status.attempt) return;
  if (const auto began = parse_rfc3339(find_string(progress, "began_at").value_or("")))
    progress["elapsed_ms"] =
        std::max<std::int64_t>(0, to_unix_ms(services.clock.wall()) - to_unix_ms(*began));
  object["progress"] = std::move(progress);
}

json::object moved_object(const tasks::Moved& moved) {
  return {{"task_id", moved.id},
          {"run_id", moved.run_id},
          {"state", tasks::to_string(moved.state)},
          {"cause", tasks::to_string(moved.cause)}};
}

Result<tasks::State> state_named(std::string_view name) {
  if (const auto state = tasks::state_from(name)) return *state;
  return fail(Errc::invalid_argument,
              "state: '" + std::string(name.substr(0, 64)) +
                  "' is not one of blocked, scheduled, queued, running, succeeded, failed, "
                  "cancelled",
              "query");
}

Result<tasks::Filter> filter_of(const Call& call) {
  tasks::Filter filter{.run_id = query_text(call, "run_id"), .tenant = query_text(call, "tenant")};
  if (const std::string state = query_text(call, "state"); !state.empty()) {
    TRY(const tasks::State wanted, state_named(state));
    filter.states = {wanted};
  }
  if (query_flag(call.request, "dead"))
    filter.causes = {tasks::Cause::attempts_exhausted, tasks::Cause::poisoned};
  if (const std::string label = query_text(call, "label"); !label.empty()) {
    const auto colon = label.find(':');
    if (colon == 0 || colon == std::string::npos)
      return fail(Errc::invalid_argument, "label: '" + label.substr(0, 64) + "' is not name:value",
                  "query");
    filter.labels[label.substr(0, colon)] = label.substr(colon + 1);
  }
  return filter;
}

Result<tasks::UnixMs> time_in(const json::object& body, std::string_view name) {
  const auto text = find_string(body, name).value_or("");
  if (const auto time = parse_rfc3339(text)) return to_unix_ms(*time);
  return fail(Errc::invalid_argument,
              std::string(name) + ": '" + std::string(text.substr(0, 64)) +
                  "' is no time like 2026-11-22T19:48:10Z",
              "body");
}

Result<std::vector<tasks::State>> final_states_in(const json::object& body) {
  std::vector<tasks::State> states{tasks::State::succeeded, tasks::State::failed,
                                   tasks::State::cancelled};
  const json::value* given = find(body, "states");
  if (!given) return states;
  if (!given->is_array()) return fail(Errc::invalid_argument, "states: is not a list", "body");
  states.clear();
  for (const json::value& name : given->get_array()) {
    if (!name.is_string()) return fail(Errc::invalid_argument, "states: has no texts", "body");
    TRY(const tasks::State state, state_named(name.get_string()));
    if (!tasks::is_final(state))
      return fail(Errc::invalid_argument,
                  "states: '" + std::string(name.get_string()) + "' is no final state", "body");
    states.push_back(state);
  }
  return states;
}

}  // namespace

Async<void> put_progress(Context& ctx, const Call& call, json::object& run) {
  auto* backend = call.services.backend;
  auto* rows = run.if_contains("tasks");
  if (!backend || !rows || !rows->is_array()) co_return Result<void>{};
  tasks::Filter filter{.run_id = std::string(find_string(run, "run_id").value_or("")),
                       .states = {tasks::State::running}};
  const std::string cursor;
  CO_TRY(const auto page, co_await backend->list(ctx, std::move(filter), cursor, 1'000));
  for (const tasks::Record& record : page.records) {
    const auto index = static_cast<std::size_t>(record.spec.index);
    if (index < rows->get_array().size() && rows->get_array()[index].is_object())
      put_progress(rows->get_array()[index].get_object(), call, record);
  }
  co_return Result<void>{};
}

std::span<const Field> tasks_fields() { return kTasksFields; }
std::span<const Field> task_update_fields() { return kUpdateFields; }
std::span<const Field> purge_fields() { return kPurgeFields; }
std::span<const Field> queue_fields() { return kQueueFields; }
std::span<const Field> limit_fields() { return kLimitFields; }
std::span<const QueryParameter> task_list_query() { return kTaskList; }

Async<net::HttpResponse> create_tasks(Context& ctx, const Call& call) {
  const json::array& given = call.body.at("tasks").get_array();
  if (given.empty() || static_cast<std::int64_t>(given.size()) > kBatchMax)
    co_return fail(Errc::invalid_argument, "tasks: " + std::to_string(given.size()) +
                                               " is not in 1.." + std::to_string(kBatchMax));
  std::vector<RunRequest> requests;
  requests.reserve(given.size());
  for (const json::value& one : given) {
    const std::string place = "tasks[" + std::to_string(requests.size()) + "]";
    auto checked = check_fields(one.get_object(), run_fields(), Unknown::refused);
    auto request = checked ? run_request(one.get_object(), call.services.library)
                           : Result<RunRequest>(checked.error());
    if (!request) {
      Error error = request.error();
      error.source = place;
      co_return error;
    }
    requests.push_back(std::move(*request));
  }
  CO_TRY(const auto accepted, co_await call.services.runs.submit_all(ctx, std::move(requests)));
  json::array data;
  for (const auto& task : accepted)
    data.push_back(
        json::object{{"task_id", task.id}, {"run_id", task.run_id}, {"existing", task.existing}});
  co_return json_response(json::object{{"data", std::move(data)}}, 202);
}

Async<net::HttpResponse> list_tasks(Context& ctx, const Call& call) {
  CO_TRY(auto* backend, backend_of(call));
  CO_TRY(const auto limit, query_number(call.request, "limit", 1, 1'000, 100));
  CO_TRY(auto filter, filter_of(call));
  const std::string cursor = query_text(call, "cursor");
  CO_TRY(const auto page,
         co_await backend->list(ctx, std::move(filter), cursor, static_cast<int>(limit)));
  json::array data;
  for (const auto& record : page.records) {
    json::object object = task_object(record);
    put_progress(object, call, record);
    data.push_back(std::move(object));
  }
  json::object body{{"limit", limit}, {"next_cursor", nullptr}, {"data", std::move(data)}};
  if (!page.next_cursor.empty()) body["next_cursor"] = page.next_cursor;
  co_return json_response(body);
}

Async<net::HttpResponse> get_task(Context& ctx, const Call& call) {
  CO_TRY(auto* backend, backend_of(call));
  const std::string& id = call.path_values[0];
  CO_TRY(const auto record, co_await backend->get(ctx, id));
  if (!record) co_return fail(Errc::not_found, "task " + id.substr(0, 64) + ": not known", "tasks");
  json::object object = task_object(*record);
  put_progress(object, call, *record);
  put_json(object, "job", record->spec.job);
  co_return json_response(object);
}

Async<net::HttpResponse> update_task(Context& ctx, const Call& call) {
  CO_TRY(auto* backend, backend_of(call));
  const std::string& id = call.path_values[0];
  tasks::Change change;
  if (const auto priority = find_int(call.body, "priority"))
    change.priority = static_cast<int>(*priority);
  if (find(call.body, "run_at")) {
    CO_TRY(const tasks::UnixMs run_at, time_in(call.body, "run_at"));
    change.run_at_ms = run_at;
  }
  if (!change.priority && !change.run_at_ms)
    co_return fail(Errc::invalid_argument, "body: neither priority nor run_at is given");
  CO_TRY_VOID(co_await backend->change(ctx, id, change));
  co_return co_await get_task(ctx, call);
}

Async<net::HttpResponse> task_journal(Context& ctx, const Call& call) {
  CO_TRY(auto* backend, backend_of(call));
  const std::string& id = call.path_values[0];
  CO_TRY(const auto record, co_await backend->get(ctx, id));
  if (!record) co_return fail(Errc::not_found, "task " + id.substr(0, 64) + ": not known", "tasks");
  CO_TRY(const auto entries, co_await backend->journal(ctx, id));
  co_return json_response(engine::journal_view(entries));
}

Async<net::HttpResponse> cancel_task(Context& ctx, const Call& call) {
  const std::string& id = call.path_values[0];
  const std::string reason = "cancelled through the API";
  CO_TRY(const auto moved, co_await call.services.runs.cancel_task(ctx, id, reason));
  co_return json_response(moved_object(moved), 202);
}

Async<net::HttpResponse> replay_task(Context& ctx, const Call& call) {
  const std::string& id = call.path_values[0];
  CO_TRY(const auto moved, co_await call.services.runs.replay_task(ctx, id));
  co_return json_response(moved_object(moved), 202);
}

Async<net::HttpResponse> purge_tasks(Context& ctx, const Call& call) {
  CO_TRY(auto* backend, backend_of(call));
  tasks::Filter filter{.run_id = std::string(find_string(call.body, "run_id").value_or("")),
                       .tenant = std::string(find_string(call.body, "tenant").value_or(""))};
  CO_TRY(filter.states, final_states_in(call.body));
  CO_TRY(const tasks::UnixMs before, time_in(call.body, "ended_before"));
  filter.ended_before_ms = before;
  const int most = static_cast<int>(find_int(call.body, "limit").value_or(1'000));
  CO_TRY(const auto purged, co_await backend->purge(ctx, std::move(filter), most));
  co_return json_response(json::object{{"purged", purged}});
}

Async<net::HttpResponse> queue_stats(Context& ctx, const Call& call) {
  CO_TRY(auto* backend, backend_of(call));
  CO_TRY(const auto stats, co_await backend->stats(ctx));
  const tasks::Counts& counts = stats.counts;
  json::object body{{"backend", backend->name()},
                    {"blocked", counts.blocked},
                    {"scheduled", counts.scheduled},
                    {"queued", counts.queued},
                    {"running", counts.running},
                    {"active", counts.queued + counts.running},
                    {"succeeded", counts.succeeded},
                    {"failed", counts.failed},
                    {"cancelled", counts.cancelled},
                    {"paused", json::array(stats.paused.begin(), stats.paused.end())}};
  body["oldest_queued_seconds"] = nullptr;
  if (stats.oldest_queued_ms) {
    const auto age = to_unix_ms(call.services.clock.wall()) - *stats.oldest_queued_ms;
    body["oldest_queued_seconds"] = static_cast<double>(std::max<std::int64_t>(0, age)) / 1000;
  }
  co_return json_response(body);
}

Async<net::HttpResponse> update_queue(Context& ctx, const Call& call) {
  CO_TRY(auto* backend, backend_of(call));
  const std::string& queue = call.path_values[0];
  const bool paused = find_bool(call.body, "paused").value_or(false);
  CO_TRY_VOID(co_await backend->pause(ctx, queue, paused));
  co_return json_response(json::object{{"queue", queue}, {"paused", paused}});
}

Async<net::HttpResponse> update_limit(Context& ctx, const Call& call) {
  CO_TRY(auto* backend, backend_of(call));
  const std::string& key = call.path_values[0];
  const auto limit = find_int(call.body, "limit");
  const std::string gate = "key:" + key;
  CO_TRY_VOID(co_await backend->set_limit(ctx, gate, limit));
  json::object body{{"concurrency_key", key}, {"limit", nullptr}};
  if (limit) body["limit"] = *limit;
  co_return json_response(body);
}

}  // namespace troupe::api
