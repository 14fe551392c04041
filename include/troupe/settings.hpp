// All settings with their defaults. Order of precedence: given directly > environment
// (TROUPE_<NAME>) > file (troupe.toml) > default. Names, bounds and help are declared once, in
// src/config/fields.cc; docs/reference/settings.md is generated from there.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace troupe {

struct Settings {
  // Where things are.
  std::string data_dir;  ///< Empty: $XDG_STATE_HOME/troupe or ~/.local/state/troupe.
  std::string browser;   ///< Browser binary or name; empty: chromium-headless-shell, else chromium.
  std::vector<std::string> workflow_dirs;
  std::vector<std::string> site_dirs;

  // Sessions.
  std::string provider = "local";
  std::string interactor = "native";
  std::string isolation = "context";
  int sessions_max = 50;            ///< Sessions at once in this process.
  int session_queue_max = 10'000;   ///< Callers that may wait for a session.
  int contexts_per_browser = 16;    ///< A further browser process is started beyond that.
  int warm_sessions = 1;            ///< Spare sessions kept ready while the service runs.
  int warm_processes = 4;           ///< Most spare browser processes for connectable sessions.
  int browser_recycle_after = 500;  ///< Sessions after which a browser process is replaced.
  int renderer_heap_mb = 1024;      ///< V8 heap limit of a renderer.
  int browser_memory_mb = 4096;     ///< Resident memory at which a browser is recycled.
  std::chrono::milliseconds session_timeout{std::chrono::minutes(30)};
  std::chrono::milliseconds session_create_timeout{std::chrono::seconds(30)};
  std::chrono::milliseconds session_idle_timeout{std::chrono::minutes(10)};
  /// Providers for sessions that their own has no room for, or cannot make now; in this order.
  std::vector<std::string> spill_providers;
  std::chrono::milliseconds spill_after{std::chrono::seconds(2)};  ///< Wait for room before that.
  int tenant_sessions_max = 0;          ///< Sessions at once of one tenant; 0: no limit.
  int tenant_creations_per_minute = 0;  ///< 0: no limit.
  int tenant_minutes_per_day = 0;       ///< Session minutes in the last 24 hours; 0: no limit.
  std::string browserbase_api_key;      ///< Secret.
  std::string browserbase_base_url = "https://api.browserbase.com";
  std::string browserbase_project_id;      ///< Empty: the key's own.
  std::vector<std::string> cdp_endpoints;  ///< Secret: a token may be in them.
  std::chrono::milliseconds browser_recycle_age{std::chrono::hours(4)};  ///< 0: at any age.
  int browser_crashes_max = 5;  ///< Crashed pages after which a browser is recycled.
  /// Most memory that the kernel gives a browser process, and (cgroup v2) its group; 0: any.
  int browser_memory_max_mb = 8'192;
  int browser_cpu_weight = 100;  ///< cgroup v2 weight of each browser, 1..10000.
  std::string cgroup_folder;     ///< Delegated to Troupe; empty: its own cgroup.
  int warm_processes_min = 0;    ///< Spare browser processes kept although nobody asks.
  /// Ninety-five of 100 connectable sessions shall be there after that; 0: spares for all.
  std::chrono::milliseconds warm_latency{150};
  int session_tabs_max = 100;  ///< Pages of one session at once; further ones are closed.
  std::int64_t session_downloads_bytes_max = std::int64_t{4} << 30;
  int session_downloads_max = 1'000;
  std::string proxy_url;  ///< Secret: a password may be in it. For whoever asks for `proxies`.

  // Models.
  std::vector<std::string> models;         ///< `PROVIDER/MODEL` or `PROVIDER/MODEL@URL`, as asked.
  std::string openai_api_key;              ///< Secret.
  std::string anthropic_api_key;           ///< Secret.
  std::string google_api_key;              ///< Secret.
  std::vector<std::string> model_keys;     ///< Secret. `HOST=KEY`, for other addresses.
  std::string model_prices;                ///< File.
  std::vector<std::string> model_budgets;  ///< `task=0.05`, `run=2`, `tenant=20`, `day=50`.
  std::chrono::milliseconds model_timeout{std::chrono::seconds(60)};  ///< Of one attempt.
  std::string model_cache = "memory";
  std::string stagehand_api_url = "https://api.stagehand.browserbase.com";
  std::string stagehand_api_key;  ///< Secret. Empty: browserbase_api_key.
  std::string stagehand_folder;   ///< Stagehand's extension; empty: what was installed in data_dir.
  std::string action_cache = "on";  ///< Elements that instructions meant are found again: on, off.
  int action_cache_max = 5'000;     ///< Instructions remembered.
  std::int64_t action_cache_bytes_max = 8 << 20;

  // Runs and tasks.
  std::chrono::milliseconds task_timeout{std::chrono::minutes(10)};
  std::chrono::milliseconds run_timeout{std::chrono::hours(2)};
  std::chrono::milliseconds step_timeout{std::chrono::seconds(30)};
  std::chrono::milliseconds drain_timeout{std::chrono::seconds(20)};
  int task_attempts = 2;
  int tasks_max = 100'000;  ///< Tasks of one run.
  int runs_kept = 1'000;    ///< Ended runs remembered by the service.
  std::int64_t result_bytes_max = 16 << 20;
  std::string backend = "sqlite";       ///< Who stores tasks: memory, sqlite, redis.
  std::string durability = "full";      ///< `normal`: a power cut may forget the last moments.
  std::string redis_url;                ///< Secret: a password may be in it.
  std::string redis_prefix = "troupe";  ///< Begins the names of all keys.
  int redis_replicas = 0;               ///< Replicas that must have a write before it counts.
  std::chrono::milliseconds task_lease{std::chrono::seconds(10)};
  std::chrono::milliseconds cancel_grace{std::chrono::seconds(15)};
  std::chrono::milliseconds runs_retention{std::chrono::hours(7 * 24)};  ///< Of ended runs.
  std::string role = "all";  ///< Of this node: all, api (performs no task), worker.

  // The service.
  std::string host = "127.0.0.1";
  int port = 8000;
  std::vector<std::string> api_keys;  ///< Secret. `name:key`, or a key alone.
  std::int64_t request_bytes_max = 8 << 20;
  int connections_max = 1'024;
  std::chrono::milliseconds downloads_kept{std::chrono::hours(24)};  ///< After a session's end.
  std::string fetch_addresses = "public";  ///< `all`: /v1/fetch may ask this machine and network.
  std::string search_url;                  ///< Search service for /v1/search; `{query}` in it.
  std::string webhook_addresses =
      "public";  ///< `all`: webhooks may go to this machine and network.
  std::chrono::milliseconds webhook_timeout{std::chrono::seconds(15)};  ///< Of one attempt.
  std::int64_t result_inline_bytes = 256 << 10;  ///< Larger outputs are kept outside the database.
  std::int64_t results_bytes_kept = std::int64_t{10} << 30;  ///< Of all of those together.
  std::string s3_endpoint;  ///< Empty: large outputs are files in data_dir.
  std::string s3_bucket;
  std::string s3_region = "us-east-1";
  std::string s3_access_key;           ///< Secret.
  std::string s3_secret_key;           ///< Secret.
  std::string s3_prefix;               ///< Begins the names of all objects.
  std::string record_sessions = "on";  ///< Local sessions of /v1/sessions that do not say.
  std::chrono::milliseconds recordings_kept{std::chrono::hours(7 * 24)};
  std::int64_t recordings_bytes_kept = std::int64_t{10} << 30;  ///< Of all of them together.
  int recordings_max = 1'000;
  std::string video_encoder = "ffmpeg";  ///< Path, or a name on PATH; empty: none.
  int video_encodings_max = 1;           ///< At once.
  std::string node_url;  ///< Where other nodes reach this one; empty: from host and port.

  // Logs.
  std::string log_level = "info";
  std::string log_format = "text";
  std::string log_file;  ///< Empty: standard error.
  std::string project = "default";
};

}  // namespace troupe
