// Operations on runs: start, list, show, cancel, results.
#include <algorithm>
#include <array>
#include <limits>

#include "api/operations.h"

namespace troupe::api {
namespace {

constexpr std::int64_t kDayMs = 24 * 60 * 60 * 1000;
constexpr std::array<std::string_view, 3> kIsolations = {"context", "reuse", "process"};
constexpr std::array<std::string_view, 3> kStrategies = {"parallel", "sequential", "race"};
constexpr std::array<std::string_view, 4> kDependsRules = {"all", "any", "failure", "ended"};

constexpr Field kRunFields[] = {
    {"workflow", FieldType::name_or_object,
     "Name of a workflow (GET /v1/workflows), or a definition.", true},
    {"site", FieldType::string, "Name of a site profile (GET /v1/sites)."},
    {"sessions", FieldType::integer, "Parallel sessions; 1 when not given."},
    {"inputs", FieldType::object, "The workflow's inputs, the same for every task."},
    {"items", FieldType::objects, "One task per item; each is merged over inputs."},
    {"isolation", FieldType::string, "How separate the sessions are.", false, 0, 0, kIsolations},
    {"provider", FieldType::string,
     "Who makes the sessions; the service's default when not given."},
    {"interactor", FieldType::string,
     "Who performs the steps; the service's default when not given."},
    {"task_timeout_ms", FieldType::integer, "Longest time of one attempt of a task.", false, 1,
     kDayMs},
    {"timeout_ms", FieldType::integer, "Longest time of the run.", false, 1, 7 * kDayMs},
    {"attempts", FieldType::integer, "Attempts per task at most.", false, 1, 100},
    {"strategy", FieldType::string, "How the tasks share the sessions; parallel when not given.",
     false, 0, 0, kStrategies},
    {"priority", FieldType::integer, "A step overtakes work that is a minute older.", false, -9, 9},
    {"run_at", FieldType::string, "Not begun earlier (RFC 3339)."},
    {"deadline", FieldType::string, "Tasks that are not done by then fail (RFC 3339)."},
    {"queue_timeout_ms", FieldType::integer, "Longest wait for the first attempt.", false, 1,
     7 * kDayMs},
    {"idempotency_key", FieldType::string,
     "The same key again gives the same run; the header Idempotency-Key says the same."},
    {"concurrency_key", FieldType::string,
     "Tasks with the same key run at most concurrency_limit at once."},
    {"concurrency_limit", FieldType::integer, "1 when not given.", false, 1, 1'000'000},
    {"affinity", FieldType::string,
     "Tasks of a tenant with the same affinity run one after another, on one node in one session."},
    {"depends_on", FieldType::any, "Ids of tasks that must have ended first."},
    {"depends_rule", FieldType::string,
     "How they must have ended; all have succeeded when not given.", false, 0, 0, kDependsRules},
    {"labels", FieldType::object, "Texts that lists can be filtered by; at most 16."},
    {"parent_run", FieldType::string, "Id of the run that this one belongs to."},
    {"context_id", FieldType::string, "Profile (POST /v1/contexts) that its sessions start from."},
    {"region", FieldType::string, "Region of the provider."},
    {"tenant", FieldType::string, "For whom; sessions are never shared between tenants."},
    {"project", FieldType::string, "Project for logs."},
    {"user_context", FieldType::object, "Free metadata, copied to every session."},
    {"site_overrides", FieldType::object,
     "Merged over the site profile, such as {\"base_url\": ...}."},
    {"wait_ms", FieldType::integer, "Waits so long for the end before answering.", false, 0,
     60'000},
};

std::string text_of(const json::object& body, std::string_view name) {
  return std::string(find_string(body, name).value_or(""));
}

std::optional<std::chrono::milliseconds> ms_of(const json::object& body, std::string_view name) {
  const auto number = find_int(body, name);
  return number ? std::optional(std::chrono::milliseconds(*number)) : std::nullopt;
}

int int_of(std::int64_t number) {
  return static_cast<int>(std::clamp<std::int64_t>(number, std::numeric_limits<int>::min(),
                                                   std::numeric_limits<int>::max()));
}

json::object object_of(const json::object& body, std::string_view name) {
  const json::value* value = find(body, name);
  return value && value->is_object() ? value->get_object() : json::object();
}

Result<Workflow> workflow_of(const json::value& value, const Library& library) {
  if (value.is_object()) return library.parse(value.get_object());
  const std::string name(std::string_view(value.get_string()));
  TRY_VOID(check_name("workflow", name));
  return Workflow(name);
}

Result<std::optional<WallTime>> time_of(const json::object& body, std::string_view name) {
  const std::string text = text_of(body, name);
  if (text.empty()) return std::optional<WallTime>();
  const auto time = parse_rfc3339(text);
  if (!time)
    return fail(Errc::invalid_argument,
                std::string(name) + ": '" + text.substr(0, 64) + "' is no time like " +
                    "2026-11-22T19:48:10Z",
                "body");
  return time;
}

Result<void> read_queueing(const json::object& body, RunRequest& request) {
  request.strategy = strategy_from(text_of(body, "strategy")).value_or(Strategy::parallel);
  request.priority = int_of(find_int(body, "priority").value_or(0));
  TRY(request.run_at, time_of(body, "run_at"));
  TRY(request.deadline, time_of(body, "deadline"));
  request.queue_timeout = ms_of(body, "queue_timeout_ms");
  request.idempotency_key = text_of(body, "idempotency_key");
  request.concurrency_key = text_of(body, "concurrency_key");
  request.concurrency_limit = int_of(find_int(body, "concurrency_limit").value_or(1));
  request.affinity = text_of(body, "affinity");
  if (const json::value* list = find(body, "depends_on")) {
    const auto* ids = list->if_array();
    const bool texts =
        ids && std::ranges::all_of(*ids, [](const json::value& id) { return id.is_string(); });
    if (!texts) return fail(Errc::invalid_argument, "depends_on: is not a list of ids", "body");
    for (const json::value& id : *ids) request.depends_on.emplace_back(id.get_string());
  }
  if (const auto rule = find_string(body, "depends_rule")) request.depends_rule = *rule;
  request.labels = object_of(body, "labels");
  request.parent_run = text_of(body, "parent_run");
  request.context_id = text_of(body, "context_id");
  request.region = text_of(body, "region");
  return {};
}

}  // namespace

Result<RunRequest> run_request(const json::object& body, const Library& library) {
  RunRequest request;
  TRY(request.workflow, workflow_of(body.at("workflow"), library));
  request.site = text_of(body, "site");
  if (!request.site.empty()) TRY_VOID(check_name("site", request.site));
  request.sessions = int_of(find_int(body, "sessions").value_or(1));
  request.inputs = object_of(body, "inputs");
  if (const json::value* items = find(body, "items"); items && items->is_array())
    for (const json::value& item : items->get_array()) request.items.push_back(item.get_object());
  request.isolation = isolation_from(text_of(body, "isolation"));
  request.provider = text_of(body, "provider");
  request.interactor = text_of(body, "interactor");
  request.task_timeout = ms_of(body, "task_timeout_ms");
  request.timeout = ms_of(body, "timeout_ms");
  if (const auto attempts = find_int(body, "attempts")) request.attempts = int_of(*attempts);
  if (const auto tenant = find_string(body, "tenant")) request.tenant = std::string(*tenant);
  request.project = text_of(body, "project");
  request.user_context = object_of(body, "user_context");
  request.site_overrides = object_of(body, "site_overrides");
  TRY_VOID(read_queueing(body, request));
  return request;
}

namespace {

bool has_ended(const RunResult& run) {
  return run.state != RunState::pending && run.state != RunState::running;
}

net::HttpResponse run_response(const RunResult& run, int status) {
  net::HttpResponse response = json_response(to_json(run), status);
  response.headers.emplace_back("Location", "/v1/runs/" + run.run_id);
  return response;
}

json::object task_line(const TaskResult& task) {
  json::object line{
      {"index", task.index}, {"task_id", task.task_id}, {"state", to_string(task.state)}};
  if (task.ok()) line["output"] = task.output;
  if (task.error) line["error"] = to_json(*task.error);
  return line;
}

bool is_over(const TaskResult& task) { return has_ended(task.state); }

net::HttpResponse result_lines(const RunResult& run) {
  net::HttpResponse response;
  response.content_type = "application/x-ndjson";
  for (const TaskResult& task : run.tasks)
    if (is_over(task)) response.body += json::serialize(task_line(task)) + "\n";
  return response;
}

json::object results_object(const RunResult& run) {
  json::array errors;
  for (const TaskResult& task : run.tasks)
    if (task.error) errors.push_back(task_line(task));
  return {{"run_id", run.run_id},      {"state", to_string(run.state)},
          {"total", run.tasks.size()}, {"succeeded", run.succeeded()},
          {"outputs", run.outputs()},  {"errors", std::move(errors)}};
}

}  // namespace

std::span<const Field> run_fields() { return kRunFields; }

Async<net::HttpResponse> create_run(Context& ctx, const Call& call) {
  CO_TRY(auto request, run_request(call.body, call.services.library));
  const auto key = call.request.header("idempotency-key");
  if (request.idempotency_key.empty()) request.idempotency_key = std::string(key);
  CO_TRY(const auto id, co_await call.services.runs.submit(ctx, std::move(request)));
  const auto wait = ms_of(call.body, "wait_ms");
  if (wait && wait->count() > 0) {
    Context limited = ctx.with_timeout(*wait, "wait for the run");
    // The answer says how far it came; that the time passed is no failure.
    (void)co_await call.services.runs.wait(limited, id);
  }
  CO_TRY(const auto run, co_await call.services.runs.find(ctx, id));
  co_return run_response(run, has_ended(run) ? 200 : 202);
}

Async<net::HttpResponse> list_runs(Context& ctx, const Call& call) {
  CO_TRY(const auto limit, query_number(call.request, "limit", 1, 1'000, 20));
  std::string wanted;
  if (const std::string* state = call.request.query_value("state")) {
    constexpr RunState all[] = {RunState::pending, RunState::running, RunState::succeeded,
                                RunState::partial, RunState::failed,  RunState::cancelled};
    const bool known = std::ranges::any_of(all, [&](RunState s) { return to_string(s) == *state; });
    if (!known)
      co_return fail(Errc::invalid_argument,
                     "state: '" + state->substr(0, 64) +
                         "' is not one of pending, running, succeeded, partial, failed, cancelled",
                     "query");
    wanted = *state;
  }
  std::string cursor;
  if (const std::string* given = call.request.query_value("cursor")) cursor = *given;
  json::array data;
  json::object page{{"limit", limit}, {"next_cursor", nullptr}};
  // Pages are read until there are enough of the wanted state; a bound keeps one request short.
  for (int pages = 0; pages < 50 && data.size() < static_cast<std::size_t>(limit); ++pages) {
    const int room = static_cast<int>(limit) - static_cast<int>(data.size());
    CO_TRY(const auto runs, co_await call.services.runs.list(ctx, cursor, room));
    for (const RunResult& run : runs) {
      cursor = run.run_id;
      if (!wanted.empty() && to_string(run.state) != wanted) continue;
      json::object row = to_json(run);
      row.erase("tasks");
      data.push_back(std::move(row));
    }
    const bool more = runs.size() == static_cast<std::size_t>(room);
    page["next_cursor"] = more ? json::value(cursor) : json::value(nullptr);
    if (!more) break;
  }
  page["data"] = std::move(data);
  co_return json_response(page);
}

Async<net::HttpResponse> get_run(Context& ctx, const Call& call) {
  const std::string& id = call.path_values[0];
  CO_TRY(const auto run, co_await call.services.runs.find(ctx, id));
  json::object body = to_json(run);
  if (!has_ended(run)) CO_TRY_VOID(co_await put_progress(ctx, call, body));
  co_return json_response(body);
}

Async<net::HttpResponse> cancel_run(Context& ctx, const Call& call) {
  const std::string& id = call.path_values[0];
  CO_TRY_VOID(co_await call.services.runs.find(ctx, id));  // reads it, if it is not at hand
  CO_TRY_VOID(call.services.runs.cancel(id, "cancelled through the API"));
  CO_TRY(const auto run, co_await call.services.runs.find(ctx, id));
  co_return run_response(run, 202);
}

Async<net::HttpResponse> replay_run(Context& ctx, const Call& call) {
  const std::string& id = call.path_values[0];
  CO_TRY_VOID(co_await call.services.runs.replay_run(ctx, id));
  CO_TRY(const auto run, co_await call.services.runs.find(ctx, id));
  co_return run_response(run, 202);
}

Async<net::HttpResponse> run_results(Context& ctx, const Call& call) {
  const std::string& id = call.path_values[0];
  CO_TRY(const auto run, co_await call.services.runs.find(ctx, id));
  if (!has_ended(run) && !query_flag(call.request, "partial"))
    co_return fail(Errc::conflict,
                   "run " + run.run_id + ": is " + std::string(to_string(run.state)), {},
                   "wait for its end (GET /v1/runs/" + run.run_id +
                       "/events), or add ?partial=true for what there is so far");
  const auto accept = call.request.header("accept");
  const bool lines = accept.find("ndjson") != std::string_view::npos ||
                     accept.find("jsonl") != std::string_view::npos;
  if (lines) co_return result_lines(run);
  co_return json_response(results_object(run));
}

}  // namespace troupe::api
