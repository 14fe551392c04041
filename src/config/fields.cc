#include "config/fields.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace troupe::config {
namespace {

using S = Settings;

constexpr std::int64_t kSecond = 1'000;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kKiB = 1'024;
constexpr std::int64_t kGiB = kKiB * kKiB * kKiB;

constexpr std::string_view kPlaces = "Places";
constexpr std::string_view kSessions = "Sessions";
constexpr std::string_view kModels = "Models";
constexpr std::string_view kRuns = "Runs and tasks";
constexpr std::string_view kService = "Service";
constexpr std::string_view kLogs = "Logs";

constexpr std::array kFields = std::to_array<Field>({
    {kPlaces, "data_dir", &S::data_dir,
     "Folder for everything Troupe keeps; empty: $XDG_STATE_HOME/troupe, else "
     "~/.local/state/troupe"},
    {kPlaces, "browser", &S::browser,
     "Browser binary or its name; empty: chromium-headless-shell, else chromium"},
    {kPlaces, "workflow_dirs", &S::workflow_dirs, "Folders with further workflows"},
    {kPlaces, "site_dirs", &S::site_dirs, "Folders with further site profiles"},

    {kSessions, "provider", &S::provider, "Who makes sessions", 0, 0, "local|browserbase|cdp"},
    {kSessions, "interactor", &S::interactor, "Who performs interactions", 0, 0,
     "native|stagehand|stagehand-api"},
    {kSessions, "isolation", &S::isolation, "How separate sessions are unless a run says otherwise",
     0, 0, "context|reuse|process"},
    {kSessions, "sessions_max", &S::sessions_max, "Sessions at once in this process", 1, 1'000},
    {kSessions, "session_queue_max", &S::session_queue_max, "Callers that may wait for a session",
     0, 1'000'000},
    {kSessions, "contexts_per_browser", &S::contexts_per_browser,
     "Sessions in one browser process; beyond that a further one is started", 1, 200},
    {kSessions, "warm_sessions", &S::warm_sessions,
     "Spare sessions kept ready while the service runs", 0, 100},
    {kSessions, "warm_processes", &S::warm_processes,
     "Spare browser processes for connectable sessions at most; how many there are follows demand",
     0, 100},
    {kSessions, "browser_recycle_after", &S::browser_recycle_after,
     "Sessions after which a browser process is replaced", 1, 1'000'000},
    {kSessions, "renderer_heap_mb", &S::renderer_heap_mb, "V8 heap limit of a page in MiB", 64,
     16'384},
    {kSessions, "browser_memory_mb", &S::browser_memory_mb,
     "Resident memory in MiB at which a browser process is replaced", 256, 262'144},
    {kSessions, "session_timeout", &S::session_timeout, "Longest life of a session", kSecond,
     6 * kHour},
    {kSessions, "session_create_timeout", &S::session_create_timeout,
     "Longest time to create a session", kSecond, 10 * kMinute},
    {kSessions, "session_idle_timeout", &S::session_idle_timeout,
     "A session that nobody uses for that long ends", kSecond, 6 * kHour},
    {kSessions, "spill_providers", &S::spill_providers,
     "Providers for sessions that their own has no room for or cannot make now, in this order"},
    {kSessions, "spill_after", &S::spill_after,
     "Wait for room at a session's own provider before the next one is tried", 1, kHour},
    {kSessions, "tenant_sessions_max", &S::tenant_sessions_max,
     "Sessions at once of one tenant (project); further ones wait; 0: no limit", 0, 1'000},
    {kSessions, "tenant_creations_per_minute", &S::tenant_creations_per_minute,
     "Sessions that one tenant may create per minute; further ones wait; 0: no limit", 0, 100'000},
    {kSessions, "tenant_minutes_per_day", &S::tenant_minutes_per_day,
     "Session minutes of one tenant in the last 24 hours; 0: no limit", 0, 10'000'000},
    {kSessions,
     "browserbase_api_key",
     &S::browserbase_api_key,
     "Key of the Browserbase account",
     0,
     0,
     {},
     true,
     true,
     "BROWSERBASE_API_KEY"},
    {kSessions,
     "browserbase_base_url",
     &S::browserbase_base_url,
     "Where the Browserbase API is",
     0,
     0,
     {},
     false,
     true,
     "BROWSERBASE_BASE_URL"},
    {kSessions,
     "browserbase_project_id",
     &S::browserbase_project_id,
     "Browserbase project of new sessions; empty: the key's own",
     0,
     0,
     {},
     false,
     true,
     "BROWSERBASE_PROJECT_ID"},
    {kSessions,
     "cdp_endpoints",
     &S::cdp_endpoints,
     "Browsers of provider cdp: ws://…, wss://… or http://host:port",
     0,
     0,
     {},
     true},
    {kSessions, "browser_recycle_age", &S::browser_recycle_age,
     "Age at which a browser process is replaced, spares too; 0: never", 0, 31 * 24 * kHour},
    {kSessions, "browser_crashes_max", &S::browser_crashes_max,
     "Crashed pages after which a browser process is replaced", 1, 1'000'000},
    {kSessions, "browser_memory_max_mb", &S::browser_memory_max_mb,
     "Memory in MiB that the kernel refuses a browser to exceed: each of its processes, and with "
     "cgroup v2 all of them together; 0: no limit",
     0, 1'048'576},
    {kSessions, "browser_cpu_weight", &S::browser_cpu_weight,
     "Weight of a browser when processors are short (cgroup v2, where it can be had)", 1, 10'000},
    {kSessions, "cgroup_folder", &S::cgroup_folder,
     "cgroup v2 folder in which Troupe may make one for each browser; empty: its own; - : none"},
    {kSessions, "warm_processes_min", &S::warm_processes_min,
     "Spare browser processes for connectable sessions at least, also when nobody asks", 0, 100},
    {kSessions, "warm_latency", &S::warm_latency,
     "Spares grow until 95 of 100 connectable sessions have their browser within that; 0: until "
     "every one finds a spare",
     0, kMinute},
    {kSessions, "session_tabs_max", &S::session_tabs_max,
     "Pages of one session at once; further ones are closed; 0: any number", 0, 10'000},
    {kSessions, "session_downloads_bytes_max", &S::session_downloads_bytes_max,
     "Downloads of one session in bytes; it ends beyond that", kKiB, 1'024 * kGiB},
    {kSessions, "session_downloads_max", &S::session_downloads_max,
     "Downloaded files of one session; it ends beyond that", 1, 1'000'000},
    {kSessions,
     "proxy_url",
     &S::proxy_url,
     "Proxy of local sessions and fetches that ask for `proxies` without naming one: "
     "http://user:password@host:port, or socks5:// (sessions only); empty: such requests are "
     "refused",
     0,
     0,
     {},
     true},

    {kModels, "models", &S::models,
     "Language models in the order they are asked: PROVIDER/MODEL, or PROVIDER/MODEL@URL for "
     "another address; PROVIDER is openai, openai-chat, anthropic or google"},
    {kModels,
     "openai_api_key",
     &S::openai_api_key,
     "Key of the OpenAI account",
     0,
     0,
     {},
     true,
     true,
     "OPENAI_API_KEY"},
    {kModels,
     "anthropic_api_key",
     &S::anthropic_api_key,
     "Key of the Anthropic account",
     0,
     0,
     {},
     true,
     true,
     "ANTHROPIC_API_KEY"},
    {kModels,
     "google_api_key",
     &S::google_api_key,
     "Key of the Gemini API",
     0,
     0,
     {},
     true,
     true,
     "GEMINI_API_KEY"},
    {kModels,
     "model_keys",
     &S::model_keys,
     "Keys for models at other addresses: HOST=KEY",
     0,
     0,
     {},
     true},
    {kModels, "model_prices", &S::model_prices,
     "JSON file with dollars for a million tokens by model: {\"gpt-5-mini\": {\"input\": 0.25, "
     "\"cached_input\": 0.025, \"output\": 2}}"},
    {kModels, "model_budgets", &S::model_budgets,
     "Dollars that models may cost at most: task=0.05, run=2, tenant=20, day=50; tenant is for one "
     "day, too"},
    {kModels, "model_timeout", &S::model_timeout, "Longest time of one attempt to ask a model", 100,
     kHour},
    {kModels, "model_cache", &S::model_cache,
     "Where answers to repeated questions are kept; file: over restarts, too", 0, 0,
     "memory|file|off"},
    {kModels,
     "stagehand_api_url",
     &S::stagehand_api_url,
     "Where the Stagehand v3 API of the interactor stagehand-api is",
     0,
     0,
     {},
     false,
     true,
     "STAGEHAND_API_URL"},
    {kModels,
     "stagehand_api_key",
     &S::stagehand_api_key,
     "Key for it; empty: browserbase_api_key",
     0,
     0,
     {},
     true},
    {kModels, "stagehand_folder", &S::stagehand_folder,
     "Folder of the Stagehand extension; empty: the one of `troupe stagehand install`"},
    {kModels, "action_cache", &S::action_cache,
     "Whether the element that an instruction of `act` meant is remembered and found again", 0, 0,
     "on|off"},
    {kModels, "action_cache_max", &S::action_cache_max, "Instructions that are remembered", 1,
     1'000'000},
    {kModels, "action_cache_bytes_max", &S::action_cache_bytes_max,
     "Size of what is remembered of them", 10 * kKiB, kGiB},

    {kRuns, "task_timeout", &S::task_timeout, "Longest time of one attempt of a task", 100,
     24 * kHour},
    {kRuns, "run_timeout", &S::run_timeout, "Longest time of a whole run", 100, 7 * 24 * kHour},
    {kRuns, "step_timeout", &S::step_timeout, "Longest time of one step unless it says otherwise",
     10, 6 * kHour},
    {kRuns, "drain_timeout", &S::drain_timeout,
     "Time that running tasks have to end when Troupe is stopped", 0, kHour},
    {kRuns, "task_attempts", &S::task_attempts, "Attempts of a task at most", 1, 10},
    {kRuns, "tasks_max", &S::tasks_max, "Tasks of one run at most", 1, 10'000'000},
    {kRuns, "runs_kept", &S::runs_kept, "Ended runs that the service remembers", 1, 1'000'000},
    {kRuns, "result_bytes_max", &S::result_bytes_max, "Largest output of a task", kKiB, kGiB},
    {kRuns, "backend", &S::backend,
     "Who stores tasks: this process alone, a file in data_dir, or a Redis for many machines", 0, 0,
     "memory|sqlite|redis"},
    {kRuns, "durability", &S::durability,
     "What a power cut may cost with sqlite: nothing (full), or the last moments (normal)", 0, 0,
     "full|normal"},
    {kRuns,
     "redis_url",
     &S::redis_url,
     "Redis for backend redis: redis://, rediss:// or redis-sentinel://",
     0,
     0,
     {},
     true},
    {kRuns, "redis_prefix", &S::redis_prefix, "Begins the names of all keys in Redis"},
    {kRuns, "redis_replicas", &S::redis_replicas,
     "Replicas that must have a write before it is acknowledged", 0, 10},
    {kRuns, "task_lease", &S::task_lease,
     "A task whose worker gives no sign of life for that long is given to another", kSecond, kHour},
    {kRuns, "cancel_grace", &S::cancel_grace,
     "Time that a running task has to end when it is cancelled", 100, kHour},
    {kRuns, "runs_retention", &S::runs_retention, "Ended runs are kept that long", kMinute,
     365 * 24 * kHour},
    {kRuns, "role", &S::role,
     "What this node does: everything, the API without performing tasks, or tasks only", 0, 0,
     "all|api|worker"},

    {kService, "host", &S::host, "Address the service listens on"},
    {kService, "port", &S::port, "Port the service listens on; 0: any free one", 0, 65'535},
    {kService,
     "api_keys",
     &S::api_keys,
     "Keys that clients must send: name:key, name@project:key (for that project only), or a key "
     "alone; none: no check on loopback",
     0,
     0,
     {},
     true},
    {kService, "request_bytes_max", &S::request_bytes_max, "Largest request body", kKiB, kGiB},
    {kService, "connections_max", &S::connections_max, "Client connections at once", 1, 100'000},
    {kService, "downloads_kept", &S::downloads_kept,
     "How long the downloads of a session stay after its end", 0, 31 * 24 * kHour},
    {kService, "fetch_addresses", &S::fetch_addresses,
     "Which hosts /v1/fetch may ask: only those of the public Internet, or also this machine and "
     "private networks",
     0, 0, "public|all"},
    {kService, "search_url", &S::search_url,
     "Address of a search service for /v1/search, with {query} and {count}; its answer is JSON "
     "with a list `results` (SearXNG's form); empty: none"},
    {kService, "webhook_addresses", &S::webhook_addresses,
     "Which hosts webhooks may go to: only those of the public Internet, or also this machine and "
     "private networks",
     0, 0, "public|all"},
    {kService, "webhook_timeout", &S::webhook_timeout, "Longest time of one attempt at a webhook",
     kSecond, 2 * kMinute},
    {kService, "result_inline_bytes", &S::result_inline_bytes,
     "Larger outputs of tasks are kept outside the database", 0, 1 << 20},
    {kService, "results_bytes_kept", &S::results_bytes_kept,
     "Outputs outside the database in total; beyond that the oldest are deleted", kKiB* kKiB,
     kGiB* kKiB* kKiB},
    {kService, "s3_endpoint", &S::s3_endpoint,
     "S3-compatible storage for large outputs, such as https://s3.eu-central-1.amazonaws.com; "
     "empty: files in data_dir (then every node needs the same one)"},
    {kService, "s3_bucket", &S::s3_bucket, "Bucket for large outputs"},
    {kService, "s3_region", &S::s3_region, "Region that requests to s3_endpoint are signed for"},
    {kService,
     "s3_access_key",
     &S::s3_access_key,
     "Access key id for s3_endpoint",
     0,
     0,
     {},
     true,
     true,
     "AWS_ACCESS_KEY_ID"},
    {kService,
     "s3_secret_key",
     &S::s3_secret_key,
     "Secret access key for s3_endpoint",
     0,
     0,
     {},
     true,
     true,
     "AWS_SECRET_ACCESS_KEY"},
    {kService, "s3_prefix", &S::s3_prefix, "Begins the names of all objects in s3_bucket"},
    {kService, "record_sessions", &S::record_sessions,
     "Whether sessions made over /v1/sessions on this machine are recorded that do not say", 0, 0,
     "on|off"},
    {kService, "recordings_kept", &S::recordings_kept, "How long recordings are kept", 0,
     365 * 24 * kHour},
    {kService, "recordings_bytes_kept", &S::recordings_bytes_kept,
     "Recordings in total; beyond that the oldest are deleted", kKiB* kKiB, kGiB* kKiB* kKiB},
    {kService, "recordings_max", &S::recordings_max,
     "Recordings kept; beyond that the oldest are deleted", 1, 1'000'000},
    {kService, "video_encoder", &S::video_encoder,
     "Program that makes MP4 and HLS of recordings (ffmpeg): a path or a name on PATH; empty: "
     "none"},
    {kService, "video_encodings_max", &S::video_encodings_max,
     "Videos of recordings made at once; each takes up to one core at low priority", 1, 64},
    {kService, "node_url", &S::node_url,
     "Where the other nodes of backend redis reach this one, such as http://10.0.0.7:8000; empty: "
     "http, host and port (the machine's name when it listens on all addresses)"},

    {kLogs, "log_level", &S::log_level, "Least important event that is logged", 0, 0,
     "trace|debug|info|warning|error|off"},
    {kLogs, "log_format", &S::log_format, "Form of a log line", 0, 0, "text|json"},
    {kLogs, "log_file", &S::log_file, "File to append to; empty: standard error"},
    {kLogs, "project", &S::project, "Name that log lines and runs carry as their project"},
});

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(separator), text.size());
    auto part = text.substr(0, end);
    while (!part.empty() && part.front() == ' ') part.remove_prefix(1);
    while (!part.empty() && part.back() == ' ') part.remove_suffix(1);
    if (!part.empty()) parts.emplace_back(part);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const auto& part : parts) text.append(text.empty() ? "" : separator).append(part);
  return text;
}

Error refuse(const Field& field, std::string_view value, const std::string& why,
             const std::string& origin) {
  const std::string shown = field.secret ? "[secret]" : "\"" + std::string(value) + "\"";
  return fail(Errc::invalid_argument, std::string(field.name) + ": " + shown + " " + why, origin);
}

Result<std::int64_t> parse_integer(const Field& field, std::string_view text,
                                   const std::string& origin) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size())
    return refuse(field, text, "is not an integer in " + limits_of(field), origin);
  return number;
}

bool is_duration(const Field& field) {
  return std::holds_alternative<std::chrono::milliseconds Settings::*>(field.member);
}

Result<void> check_range(const Field& field, std::int64_t value, const std::string& origin) {
  if (value >= field.min && value <= field.max) return {};
  const std::string shown = is_duration(field) ? format_duration(std::chrono::milliseconds(value))
                                               : std::to_string(value);
  return fail(Errc::invalid_argument,
              std::string(field.name) + ": " + shown + " is not in " + limits_of(field), origin);
}

}  // namespace

std::span<const Field> fields() { return kFields; }

const Field* find_field(std::string_view name) {
  const auto row = std::find_if(kFields.begin(), kFields.end(),
                                [&](const Field& field) { return field.name == name; });
  return row == kFields.end() ? nullptr : &*row;
}

std::string environment_name(const Field& field) {
  std::string name = "TROUPE_";
  for (const unsigned char c : field.name) name += static_cast<char>(std::toupper(c));
  return name;
}

std::string flag_name(const Field& field) {
  std::string name = "--" + std::string(field.name);
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::string_view type_of(const Field& field) {
  return std::visit(
      Overloaded{[](std::string S::*) -> std::string_view { return "text"; },
                 [](std::vector<std::string> S::*) -> std::string_view { return "list"; },
                 [](int S::*) -> std::string_view { return "integer"; },
                 [](std::int64_t S::*) -> std::string_view { return "bytes"; },
                 [](std::chrono::milliseconds S::*) -> std::string_view { return "duration"; }},
      field.member);
}

std::string limits_of(const Field& field) {
  if (!field.choices.empty()) return join(split(field.choices, '|'), " | ");
  if (field.max == 0) return {};
  if (is_duration(field))
    return format_duration(std::chrono::milliseconds(field.min)) + ".." +
           format_duration(std::chrono::milliseconds(field.max));
  return std::to_string(field.min) + ".." + std::to_string(field.max);
}

Result<void> set_text(Settings& settings, const Field& field, std::string_view text,
                      const std::string& origin) {
  if (const auto* member = std::get_if<std::string S::*>(&field.member)) {
    settings.*(*member) = text;
  } else if (const auto* list = std::get_if<std::vector<std::string> S::*>(&field.member)) {
    settings.*(*list) = split(text, ',');
  } else if (const auto* duration = std::get_if<std::chrono::milliseconds S::*>(&field.member)) {
    const auto parsed = parse_duration(text);
    if (!parsed) return refuse(field, text, "is not a duration (30s, 5m, 500ms)", origin);
    settings.*(*duration) = *parsed;
  } else {
    TRY(const std::int64_t number, parse_integer(field, text, origin));
    TRY_VOID(check_range(field, number, origin));  // before it is narrowed
    if (const auto* small = std::get_if<int S::*>(&field.member))
      settings.*(*small) = static_cast<int>(number);
    else
      settings.*(std::get<std::int64_t S::*>(field.member)) = number;
  }
  return check_field(settings, field, origin);
}

Result<void> set_value(Settings& settings, const Field& field, const json::value& value,
                       const std::string& origin) {
  const auto* list = std::get_if<std::vector<std::string> S::*>(&field.member);
  if (const auto* array = value.if_array(); array && list) {
    std::vector<std::string> items;
    for (const auto& item : *array) {
      if (!item.is_string())
        return refuse(field, json::serialize(item), "is not a text, in a list of texts", origin);
      items.emplace_back(item.get_string().c_str(), item.get_string().size());
    }
    settings.*(*list) = std::move(items);
    return {};
  }
  if (const auto* text = value.if_string(); text && type_of(field) != "integer")
    return set_text(settings, field, std::string_view(text->data(), text->size()), origin);
  const bool takes_number =
      type_of(field) == "integer" || type_of(field) == "bytes" || is_duration(field);
  // Boost.JSON writes 1.5 as 1.5E0, which people do not.
  const std::string shown =
      value.is_double() ? std::to_string(value.get_double()) : json::serialize(value);
  if (value.is_number() && takes_number) return set_text(settings, field, shown, origin);
  return refuse(field, shown,
                "is a " + std::string(type_name(value)) + ", not a " + std::string(type_of(field)),
                origin);
}

Result<void> check_field(const Settings& settings, const Field& field, const std::string& origin) {
  const auto number = [&](auto member) {
    return check_range(field, static_cast<std::int64_t>(settings.*member), origin);
  };
  return std::visit(
      Overloaded{[&](std::string S::* member) -> Result<void> {
                   const auto words = split(field.choices, '|');
                   const std::string& value = settings.*member;
                   if (words.empty() || std::find(words.begin(), words.end(), value) != words.end())
                     return {};
                   return refuse(field, value, "is none of " + join(words, ", "), origin);
                 },
                 [](std::vector<std::string> S::*) -> Result<void> { return {}; },
                 [&](int S::* member) { return number(member); },
                 [&](std::int64_t S::* member) { return number(member); },
                 [&](std::chrono::milliseconds S::* member) {
                   return check_range(field, (settings.*member).count(), origin);
                 }},
      field.member);
}

json::value value_of(const Settings& settings, const Field& field) {
  return std::visit(
      Overloaded{[&](std::string S::* member) -> json::value {
                   const bool hidden = field.secret && !(settings.*member).empty();
                   return json::string(hidden ? "[secret]" : settings.*member);
                 },
                 [&](std::vector<std::string> S::* member) -> json::value {
                   json::array items;
                   for (const auto& item : settings.*member)
                     items.emplace_back(field.secret ? "[secret]" : item);
                   return items;
                 },
                 [&](int S::* member) -> json::value { return settings.*member; },
                 [&](std::int64_t S::* member) -> json::value { return settings.*member; },
                 [&](std::chrono::milliseconds S::* member) -> json::value {
                   return json::string(format_duration(settings.*member));
                 }},
      field.member);
}

std::string show_value(const Settings& settings, const Field& field) {
  const json::value value = value_of(settings, field);
  if (const auto* text = value.if_string()) return std::string(text->data(), text->size());
  const auto* items = value.if_array();
  if (!items) return json::serialize(value);
  if (field.secret) return items->empty() ? "" : "[secret]";
  std::string text;
  for (const auto& item : *items)
    text.append(text.empty() ? "" : ",").append(item.get_string().c_str());
  return text;
}

Result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  double number = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number, std::chars_format::fixed);
  const std::string_view unit(end, static_cast<std::size_t>(last - end));
  constexpr std::pair<std::string_view, double> units[] = {
      {"", 1e3}, {"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}};
  const auto* row = std::find_if(std::begin(units), std::end(units),
                                 [&](const auto& u) { return u.first == unit; });
  const double ms = row == std::end(units) ? -1 : number * row->second;
  if (error != std::errc{} || !(ms >= 0) || ms > 1e12)
    return fail(Errc::invalid_argument,
                "duration: \"" + std::string(text) + "\" is not like 500ms, 30s, 5m, 2h");
  return std::chrono::milliseconds(static_cast<std::int64_t>(ms + 0.5));
}

std::string format_duration(std::chrono::milliseconds duration) {
  const std::int64_t ms = duration.count();
  if (ms == 0) return "0s";
  if (ms % kHour == 0) return std::to_string(ms / kHour) + "h";
  if (ms % kMinute == 0) return std::to_string(ms / kMinute) + "m";
  if (ms % kSecond == 0) return std::to_string(ms / kSecond) + "s";
  return std::to_string(ms) + "ms";
}

}  // namespace troupe::config
