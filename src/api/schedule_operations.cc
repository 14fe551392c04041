// Operations on schedules: runs that start by themselves.
#include <array>

#include "api/automation_operations.h"
#include "tasks/scheduler.h"

namespace troupe::api {
namespace {

using tasks::Schedule;
using tasks::UnixMs;

constexpr std::int64_t kDayMs = 24 * 60 * 60 * 1000;
constexpr std::array<std::string_view, 4> kOverlaps = {"skip", "queue", "cancel_previous", "allow"};
constexpr std::array<std::string_view, 3> kCatchUps = {"none", "one", "all"};

constexpr Field kName{"name", FieldType::string, "Name for people."};
constexpr Field kCron{"cron", FieldType::string,
                      "Minute, hour, day of month, month, day of week (a sixth field in front: "
                      "second); or @hourly, @daily, @weekly, @monthly, @yearly."};
constexpr Field kTimezone{"timezone", FieldType::string,
                          "IANA name of the zone that cron is meant in; UTC when not given."};
constexpr Field kEvery{"every_ms", FieldType::integer, "An interval in place of cron.", false,
                       1'000,      366 * kDayMs};
constexpr Field kJitter{
    "jitter_ms", FieldType::integer, "Each turn comes up to this much later, by chance.", false, 0,
    kDayMs};
constexpr Field kOverlap{"overlap",
                         FieldType::string,
                         "When the run before still goes on; skip when not given.",
                         false,
                         0,
                         0,
                         kOverlaps};
constexpr Field kCatchUp{"catch_up",
                         FieldType::string,
                         "Turns that nobody was there to start; one when not given.",
                         false,
                         0,
                         0,
                         kCatchUps};
constexpr Field kCatchUpMax{"catch_up_max",
                            FieldType::integer,
                            "Most turns that catch_up: all starts; 10 when not given.",
                            false,
                            1,
                            100};
constexpr Field kCatchUpWindow{"catch_up_window_ms",
                               FieldType::integer,
                               "Older turns are missed for good; a day when not given.",
                               false,
                               0,
                               31 * kDayMs};
constexpr Field kStart{"start_at", FieldType::string, "No turns before (RFC 3339)."};
constexpr Field kEnd{"end_at", FieldType::string, "No turns after (RFC 3339)."};
constexpr Field kPaused{"paused", FieldType::boolean, "Starts nothing while it is paused."};
constexpr Field kTenant{"tenant", FieldType::string, "For whom its runs are."};
constexpr Field kRun{"run", FieldType::object, "What it starts: the body of a POST /v1/runs.",
                     true};
constexpr Field kNewRun{"run", FieldType::object, "What it starts: the body of a POST /v1/runs."};

constexpr Field kFields[] = {kName,    kCron,       kTimezone,      kEvery, kJitter, kOverlap,
                             kCatchUp, kCatchUpMax, kCatchUpWindow, kStart, kEnd,    kPaused,
                             kTenant,  kRun};
constexpr Field kUpdateFields[] = {kName,    kCron,    kTimezone,   kEvery,         kJitter,
                                   kOverlap, kCatchUp, kCatchUpMax, kCatchUpWindow, kStart,
                                   kEnd,     kPaused,  kTenant,     kNewRun};
constexpr Field kTriggerFields[] = {
    {"key", FieldType::string, "The same key again is the same run; new each time when not given."},
};

Result<tasks::Scheduler*> schedules_of(const Call& call) {
  if (call.services.schedules) return call.services.schedules;
  return fail(Errc::unsupported, "schedules: not offered by this service");
}

// A schedule must not come to nothing at three in the night for a mistake that shows now.
Result<void> check_run(const json::object& run, const Library& library) {
  TRY_VOID(check_fields(run, run_fields(), Unknown::refused));
  for (const std::string_view name : {"idempotency_key", "run_at", "deadline", "wait_ms"})
    if (run.contains(name))
      return fail(Errc::invalid_argument,
                  "run." + std::string(name) + ": has no place in a schedule", "request body",
                  "each turn is a run with a key and a time of its own");
  TRY(const RunRequest request, run_request(run, library));
  const json::value* workflow = find(run, "workflow");
  if (!workflow || !workflow->is_string()) return {};
  const auto known = library.workflow(std::string(std::string_view(workflow->get_string())));
  if (known) return {};
  const Error error = known.error();
  return fail(Errc::invalid_argument, "run: " + error.message, "request body", error.hint);
}

Result<void> take_time(const json::object& body, std::string_view name, UnixMs& into) {
  const auto text = find_string(body, name);
  if (!text) return {};
  if (text->empty()) {
    into = 0;
    return {};
  }
  const auto time = parse_rfc3339(*text);
  if (!time || to_unix_ms(*time) <= 0)
    return fail(Errc::invalid_argument,
                std::string(name) + ": '" + std::string(text->substr(0, 64)) +
                    "' is not a time such as 2026-11-23T06:00:00Z",
                "request body");
  into = to_unix_ms(*time);
  return {};
}

void take_text(const json::object& body, std::string_view name, std::string& into) {
  if (const auto text = find_string(body, name)) into = *text;
}
template <class Integer>
void take_number(const json::object& body, std::string_view name, Integer& into) {
  if (const auto number = find_int(body, name)) into = static_cast<Integer>(*number);
}

// What the body names is changed, the rest stays. Giving cron takes the interval's place, and the
// other way round.
Result<void> apply(const json::object& body, Schedule& schedule) {
  take_text(body, "name", schedule.name);
  if (body.contains("cron") && !body.contains("every_ms")) schedule.every_ms = 0;
  if (body.contains("every_ms") && !body.contains("cron")) schedule.cron.clear();
  take_text(body, "cron", schedule.cron);
  take_text(body, "timezone", schedule.timezone);
  take_number(body, "every_ms", schedule.every_ms);
  take_number(body, "jitter_ms", schedule.jitter_ms);
  if (const auto word = find_string(body, "overlap"))
    schedule.overlap = tasks::overlap_from(*word).value_or(schedule.overlap);
  if (const auto word = find_string(body, "catch_up"))
    schedule.catch_up = tasks::catch_up_from(*word).value_or(schedule.catch_up);
  take_number(body, "catch_up_max", schedule.catch_up_max);
  take_number(body, "catch_up_window_ms", schedule.catch_up_window_ms);
  TRY_VOID(take_time(body, "start_at", schedule.start_ms));
  TRY_VOID(take_time(body, "end_at", schedule.end_ms));
  schedule.paused = find_bool(body, "paused").value_or(schedule.paused);
  take_text(body, "tenant", schedule.tenant);
  if (const json::value* run = find(body, "run")) schedule.request = run->get_object();
  return {};
}

std::string shown_time(UnixMs ms) { return to_rfc3339(WallTime(std::chrono::milliseconds(ms))); }

json::object shown(const tasks::Turn& turn) {
  json::object object{{"due_at", shown_time(turn.due_ms)},
                      {"at", shown_time(turn.at_ms)},
                      {"outcome", to_string(turn.outcome)}};
  if (!turn.run_id.empty()) object["run_id"] = turn.run_id;
  if (!turn.error.empty()) object["error"] = turn.error;
  if (turn.count > 1) object["count"] = turn.count;
  if (turn.manual) object["manual"] = true;
  return object;
}

json::object shown(const Schedule& schedule, const tasks::Scheduler& scheduler) {
  json::object object{{"id", schedule.id},
                      {"name", schedule.name},
                      {"tenant", schedule.tenant},
                      {"jitter_ms", schedule.jitter_ms},
                      {"overlap", to_string(schedule.overlap)},
                      {"catch_up", to_string(schedule.catch_up)},
                      {"catch_up_max", schedule.catch_up_max},
                      {"catch_up_window_ms", schedule.catch_up_window_ms},
                      {"paused", schedule.paused},
                      {"run", schedule.request},
                      {"created_at", shown_time(schedule.created_ms)},
                      {"next_at", nullptr},
                      {"waiting", schedule.waiting.size()}};
  if (schedule.cron.empty()) {
    object["every_ms"] = schedule.every_ms;
  } else {
    object["cron"] = schedule.cron;
    object["timezone"] = schedule.timezone;
  }
  if (schedule.start_ms) object["start_at"] = shown_time(schedule.start_ms);
  if (schedule.end_ms) object["end_at"] = shown_time(schedule.end_ms);
  if (const auto next = scheduler.next_turn(schedule)) object["next_at"] = shown_time(*next);
  if (!schedule.last_run_id.empty()) object["last_run_id"] = schedule.last_run_id;
  json::array history;
  for (const auto& turn : schedule.history) history.push_back(shown(turn));
  object["history"] = std::move(history);
  return object;
}

Async<net::HttpResponse> edited(Context& ctx, const Call& call, tasks::Scheduler::Edit edit) {
  CO_TRY(auto* scheduler, schedules_of(call));
  std::string id = call.path_values[0];
  CO_TRY(const Schedule schedule, co_await scheduler->update(ctx, std::move(id), std::move(edit)));
  co_return json_response(shown(schedule, *scheduler));
}

tasks::Scheduler::Edit set_paused(bool paused) {
  return [paused](Schedule& schedule) {
    schedule.paused = paused;
    return Result<void>();
  };
}

}  // namespace

std::span<const Field> schedule_fields() { return kFields; }
std::span<const Field> schedule_update_fields() { return kUpdateFields; }
std::span<const Field> trigger_fields() { return kTriggerFields; }

Async<net::HttpResponse> create_schedule(Context& ctx, const Call& call) {
  CO_TRY(auto* scheduler, schedules_of(call));
  Schedule wanted;
  CO_TRY_VOID(apply(call.body, wanted));
  CO_TRY_VOID(check_run(wanted.request, call.services.library));
  CO_TRY(const Schedule made, co_await scheduler->create(ctx, std::move(wanted)));
  net::HttpResponse response = json_response(shown(made, *scheduler), 201);
  response.headers.emplace_back("Location", "/v1/schedules/" + made.id);
  co_return response;
}

Async<net::HttpResponse> list_schedules(Context& ctx, const Call& call) {
  CO_TRY(auto* scheduler, schedules_of(call));
  CO_TRY(const auto limit, query_number(call.request, "limit", 1, 1'000, 100));
  const std::string* given = call.request.query_value("cursor");
  std::string cursor = given ? *given : std::string();
  const int count = static_cast<int>(limit);
  CO_TRY(const auto schedules, co_await scheduler->list(ctx, std::move(cursor), count));
  json::array data;
  for (const Schedule& schedule : schedules) data.push_back(shown(schedule, *scheduler));
  json::object page{{"data", std::move(data)}, {"next_cursor", nullptr}};
  if (static_cast<std::int64_t>(schedules.size()) == limit)
    page["next_cursor"] = schedules.back().id;
  co_return json_response(page);
}

Async<net::HttpResponse> get_schedule(Context& ctx, const Call& call) {
  CO_TRY(auto* scheduler, schedules_of(call));
  std::string id = call.path_values[0];
  CO_TRY(const Schedule schedule, co_await scheduler->get(ctx, std::move(id)));
  co_return json_response(shown(schedule, *scheduler));
}

Async<net::HttpResponse> update_schedule(Context& ctx, const Call& call) {
  if (const json::value* run = find(call.body, "run"))
    CO_TRY_VOID(check_run(run->get_object(), call.services.library));
  tasks::Scheduler::Edit edit = [&call](Schedule& schedule) { return apply(call.body, schedule); };
  co_return co_await edited(ctx, call, std::move(edit));
}

Async<net::HttpResponse> pause_schedule(Context& ctx, const Call& call) {
  auto edit = set_paused(true);
  co_return co_await edited(ctx, call, std::move(edit));
}

Async<net::HttpResponse> resume_schedule(Context& ctx, const Call& call) {
  auto edit = set_paused(false);
  co_return co_await edited(ctx, call, std::move(edit));
}

Async<net::HttpResponse> trigger_schedule(Context& ctx, const Call& call) {
  CO_TRY(auto* scheduler, schedules_of(call));
  std::string id = call.path_values[0];
  std::string key(find_string(call.body, "key").value_or(""));
  CO_TRY(const auto run_id, co_await scheduler->trigger(ctx, std::move(id), std::move(key)));
  net::HttpResponse response = json_response(json::object{{"run_id", run_id}}, 202);
  response.headers.emplace_back("Location", "/v1/runs/" + run_id);
  co_return response;
}

Async<net::HttpResponse> delete_schedule(Context& ctx, const Call& call) {
  CO_TRY(auto* scheduler, schedules_of(call));
  std::string id = call.path_values[0];
  CO_TRY_VOID(co_await scheduler->erase(ctx, std::move(id)));
  net::HttpResponse response;
  response.status = 204;
  co_return response;
}

}  // namespace troupe::api
