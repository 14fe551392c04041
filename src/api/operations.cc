#include "api/operations.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "api/live_pages.h"
#include "net/problem.h"

namespace troupe::api {
namespace {

constexpr QueryParameter kVerbose[] = {{"verbose", "boolean", "List every check."}};
constexpr QueryParameter kRunList[] = {
    {"state", "string", "Only runs in this state."},
    {"limit", "integer", "Most runs of one page, 1 to 1000; 20 when not given."},
    {"cursor", "string", "The next_cursor of the page before."}};
constexpr QueryParameter kResults[] = {
    {"partial", "boolean", "Also while the run is not at its end: what there is so far."}};
constexpr QueryParameter kEvents[] = {
    {"after", "integer", "Begin after this event number (as the header Last-Event-ID does)."}};
constexpr QueryParameter kDebug[] = {
    {"expiresIn", "integer",
     "Seconds for which the addresses hold; as long as the session when not given, at most six "
     "hours."}};
constexpr QueryParameter kKey[] = {{"key", "string", "Signed key out of an address."}};
constexpr QueryParameter kSessionList[] = {
    {"status", "string",
     "Only sessions with this status: PENDING, RUNNING, ERROR, TIMED_OUT, COMPLETED."},
    {"q", "string", "Only sessions with this metadata: user_metadata['order']['id']:'17'."}};

std::vector<Operation> make_operations() {
  return {
      {"GET", "/health", "getHealth", "Whether the service answers.", Access::open, 200, "Health",
       "application/json", health},
      {"GET", "/livez", "getLive", "Whether the process is alive.", Access::open, 200, "Health",
       "application/json", alive},
      {"GET",
       "/readyz",
       "getReady",
       "Whether runs can succeed; 503 when a check fails.",
       Access::open,
       200,
       "Readiness",
       "application/json",
       ready,
       {},
       Unknown::refused,
       kVerbose},
      {"GET", "/version", "getVersion", "Version of the service.", Access::open, 200, "Version",
       "application/json", version},
      {"GET", "/openapi.json", "getOpenapi", "This document.", Access::key, 200, "Document",
       "application/json", openapi},

      {"POST", "/v1/runs", "createRun",
       "Starts a run of a workflow on parallel sessions. 200 when it ended within wait_ms.",
       Access::key, 202, "Run", "application/json", create_run, run_fields()},
      {"GET",
       "/v1/runs",
       "listRuns",
       "Runs, newest first, without their tasks.",
       Access::key,
       200,
       "RunPage",
       "application/json",
       list_runs,
       {},
       Unknown::refused,
       kRunList},
      {"GET", "/v1/runs/{id}", "getRun", "A run with its tasks.", Access::key, 200, "Run",
       "application/json", get_run},
      {"POST", "/v1/runs/{id}/cancel", "cancelRun",
       "Asks a run to stop: queued tasks end at once, running ones after their present step.",
       Access::key, 202, "Run", "application/json", cancel_run},
      {"POST", "/v1/runs/{id}/replay", "replayRun",
       "Begins all failed and cancelled tasks of a run anew, with new attempts.", Access::key, 202,
       "Run", "application/json", replay_run},
      {"GET",
       "/v1/runs/{id}/results",
       "getRunResults",
       "What the tasks gave. 409 while the run goes on. With Accept: application/x-ndjson one task "
       "a line.",
       Access::key,
       200,
       "Results",
       "application/json",
       run_results,
       {},
       Unknown::refused,
       kResults},
      {"GET",
       "/v1/runs/{id}/events",
       "getRunEvents",
       "The run's events as they happen (server-sent events), up to run.ended.",
       Access::key,
       200,
       "Event",
       "text/event-stream",
       run_events,
       {},
       Unknown::refused,
       kEvents},

      {"POST", "/v1/tasks", "createTasks",
       "Accepts many tasks in one call, all or none; each becomes a run of its own.", Access::key,
       202, "AcceptedTasks", "application/json", create_tasks, tasks_fields()},
      {"GET",
       "/v1/tasks",
       "listTasks",
       "Tasks, oldest first.",
       Access::key,
       200,
       "TaskPage",
       "application/json",
       list_tasks,
       {},
       Unknown::refused,
       task_list_query()},
      {"GET", "/v1/tasks/{id}", "getTask", "A task as the queue has it.", Access::key, 200,
       "QueuedTask", "application/json", get_task},
      {"PATCH", "/v1/tasks/{id}", "updateTask", "Changes priority or time of a task that waits.",
       Access::key, 200, "QueuedTask", "application/json", update_task, task_update_fields()},
      {"GET", "/v1/tasks/{id}/journal", "getTaskJournal",
       "The steps that its attempts have finished: a new attempt goes on behind them.", Access::key,
       200, "TaskJournal", "application/json", task_journal},
      {"POST", "/v1/tasks/{id}/cancel", "cancelTask",
       "Ends a task: at once when it waits, after the grace time at the latest when it runs.",
       Access::key, 202, "MovedTask", "application/json", cancel_task},
      {"POST", "/v1/tasks/{id}/replay", "replayTask",
       "Begins a failed or cancelled task anew, with new attempts.", Access::key, 202, "MovedTask",
       "application/json", replay_task},
      {"POST", "/v1/tasks/purge", "purgeTasks", "Deletes ended tasks, oldest first.", Access::key,
       200, "Purged", "application/json", purge_tasks, purge_fields()},
      {"GET", "/v1/queue", "getQueue", "How many tasks are in which state.", Access::key, 200,
       "Queue", "application/json", queue_stats},
      {"PATCH", "/v1/queues/{id}", "updateQueue", "Pauses a queue, or lets it go on.", Access::key,
       200, "QueueState", "application/json", update_queue, queue_fields()},
      {"PATCH", "/v1/limits/{id}", "updateLimit",
       "Sets how many tasks with a concurrency key run at once.", Access::key, 200, "Limit",
       "application/json", update_limit, limit_fields()},

      {"POST", "/v1/sessions", "createSession",
       "Creates a session. Without provider and isolation it is one that a DevTools client drives; "
       "it ends when its last client leaves, unless keepAlive.",
       Access::key, 201, "Session", "application/json", create_session, session_fields(),
       Unknown::ignored},
      {"GET",
       "/v1/sessions",
       "listSessions",
       "Sessions, newest first.",
       Access::key,
       200,
       "SessionList",
       "application/json",
       list_sessions,
       {},
       Unknown::ignored,
       kSessionList},
      {"GET", "/v1/sessions/{id}", "getSession", "A session.", Access::key, 200, "Session",
       "application/json", get_session},
      {"POST", "/v1/sessions/{id}", "updateSession", "Releases a session.", Access::key, 200,
       "Session", "application/json", update_session, session_update_fields(), Unknown::ignored},
      {"DELETE",
       "/v1/sessions/{id}",
       "deleteSession",
       "Releases a session.",
       Access::key,
       204,
       {},
       {},
       delete_session},

      {"GET",
       "/v1/sessions/{id}/debug",
       "getSessionLiveUrls",
       "Addresses that show the session live; 410 after its end.",
       Access::key,
       200,
       "SessionLiveUrls",
       "application/json",
       session_debug,
       {},
       Unknown::ignored,
       kDebug},
      {"GET",
       "/v1/sessions/{id}/logs",
       "listSessionLogs",
       "Log of the session's CDP traffic.",
       Access::key,
       200,
       "SessionLogList",
       "application/json",
       session_logs,
       {},
       Unknown::ignored},
      {"GET",
       "/v1/sessions/{id}/recording",
       "getSessionRecording",
       "Deprecated: one custom event per recorded page.",
       Access::key,
       200,
       "RecordingEventList",
       "application/json",
       session_recording,
       {},
       Unknown::ignored},
      {"DELETE",
       "/v1/sessions/{id}/recording",
       "deleteSessionRecording",
       "Deletes a recording with its videos; 409 while they are made.",
       Access::key,
       204,
       {},
       {},
       delete_recording},
      {"POST", "/v1/sessions/{id}/recording/downloads", "createRecordingDownloads",
       "Has an MP4 file of each recorded page made; 501 without ffmpeg.", Access::key, 202,
       "RecordingDownloadList", "application/json", create_recording_downloads},
      {"GET",
       "/v1/sessions/{id}/recording/downloads",
       "listRecordingDownloads",
       "MP4 files of a recording, and how far they are.",
       Access::key,
       200,
       "RecordingDownloadList",
       "application/json",
       list_recording_downloads,
       {},
       Unknown::ignored},
      {"GET",
       "/v1/sessions/{id}/replays",
       "getSessionReplay",
       "Recorded pages, and the address of a replay.",
       Access::key,
       200,
       "SessionReplay",
       "application/json",
       session_replays,
       {},
       Unknown::ignored},
      {"GET",
       "/v1/sessions/{id}/replays/{pageId}",
       "getSessionReplayPage",
       "HLS playlist of a recorded page; 501 without ffmpeg, 503 while it is made.",
       Access::key,
       200,
       "Playlist",
       "application/vnd.apple.mpegurl",
       session_replay_playlist,
       {},
       Unknown::ignored},

      {"GET", "/v1/workflows", "listWorkflows", "Workflows that can be run by name.", Access::key,
       200, "WorkflowList", "application/json", list_workflows},
      {"GET", "/v1/workflows/{name}", "getWorkflow", "A workflow with its inputs.", Access::key,
       200, "Workflow", "application/json", get_workflow},
      {"GET", "/v1/sites", "listSites", "Site profiles.", Access::key, 200, "SiteList",
       "application/json", list_sites},
      {"GET", "/v1/sites/{name}", "getSite", "A site profile.", Access::key, 200, "Site",
       "application/json", get_site},

      {"GET",
       "/live/sessions/{id}",
       "getLivePage",
       "Live view of a session.",
       Access::open,
       200,
       "Html",
       "text/html",
       live_page,
       {},
       Unknown::ignored,
       kKey},
      {"GET",
       "/live/pages/{id}/{target}",
       "getLiveTab",
       "Live view of one tab.",
       Access::open,
       200,
       "Html",
       "text/html",
       live_page,
       {},
       Unknown::ignored,
       kKey},
      {"GET",
       "/live/replay/{id}",
       "getReplayPage",
       "Replay of a recorded session.",
       Access::open,
       200,
       "Html",
       "text/html",
       replay_page,
       {},
       Unknown::ignored,
       kKey},
      {"GET",
       "/live/state/{id}",
       "getLiveState",
       "Tabs of a session, for its live view.",
       Access::open,
       200,
       "LiveState",
       "application/json",
       live_state,
       {},
       Unknown::ignored,
       kKey},
      {"GET",
       "/live/recordings/{id}",
       "getRecordingIndex",
       "Times of all pictures of a recording.",
       Access::open,
       200,
       "RecordingIndex",
       "application/json",
       recording_index,
       {},
       Unknown::ignored,
       kKey},
      {"GET",
       "/live/recordings/{id}/{page}/{number}",
       "getRecordingPicture",
       "A picture of a recording.",
       Access::open,
       200,
       "Picture",
       "image/jpeg",
       recording_frame,
       {},
       Unknown::ignored,
       kKey},
      {"GET",
       "/live/videos/{id}/{page}/{file}",
       "getRecordingVideo",
       "A recorded page as video.mp4, playlist.m3u8 or one of its segments; takes a Range.",
       Access::open,
       200,
       "Binary",
       "video/mp4",
       recording_video,
       {},
       Unknown::ignored,
       kKey},
      {"GET",
       "/live/assets/{name}",
       "getLiveAsset",
       "Scripts and styles of the live view.",
       Access::open,
       200,
       "Html",
       "text/javascript",
       live_asset,
       {},
       Unknown::ignored},
  };
}

}  // namespace

std::span<const Operation> operations() {
  static const std::vector<Operation> rows = [] {
    auto all = make_operations();
    for (const auto& more : {automation_operations(), browserbase_operations()})
      all.insert(all.end(), more.begin(), more.end());
    return all;
  }();
  return rows;
}

net::HttpResponse json_response(const json::value& value, int status) {
  net::HttpResponse response;
  response.status = status;
  response.body = json::serialize(value);
  return response;
}

net::HttpResponse problem_response(const Error& error, std::string_view path,
                                   std::string_view trace_id, int status) {
  net::HttpResponse response = json_response(net::problem(error, path, trace_id, status));
  response.status = status == 0 ? traits(error.code).http_status : status;
  response.content_type =
      is_browserbase_path(path) ? "application/json" : "application/problem+json";
  if (response.status == 429 || response.status == 503)
    response.headers.emplace_back("Retry-After", "1");
  return response;
}

Result<std::int64_t> query_number(const net::HttpRequest& request, std::string_view name,
                                  std::int64_t low, std::int64_t high, std::int64_t otherwise) {
  const std::string* text = request.query_value(name);
  if (!text) return otherwise;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size() || number < low || number > high)
    return fail(Errc::invalid_argument,
                std::string(name) + ": '" + text->substr(0, 64) + "' is not in " +
                    std::to_string(low) + ".." + std::to_string(high),
                "query");
  return number;
}

bool query_flag(const net::HttpRequest& request, std::string_view name) {
  const std::string* text = request.query_value(name);
  return text && (text->empty() || *text == "true" || *text == "1");
}

Result<void> check_name(std::string_view what, std::string_view name) {
  const bool plain = !name.empty() && name.size() <= 128 && name.front() != '.' &&
                     std::ranges::all_of(name, [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
                     });
  const bool file = name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
  if (plain && !file) return {};
  return fail(Errc::invalid_argument,
              std::string(what) + ": '" + std::string(name.substr(0, 128)) + "' is not a name", {},
              "use letters, digits, '_', '-' and '.'; the API reads no files by path");
}

}  // namespace troupe::api
