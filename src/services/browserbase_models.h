// What the Browserbase REST API talks about, as plain data. An empty string means that the member
// is absent, unless said otherwise. Names follow Troupe's style; browserbase_wire.h maps them.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace troupe::services {

/// `unknown`: a status that this version does not know yet.
enum class RemoteStatus { pending, running, error, timed_out, completed, unknown };
/// As on the wire: `PENDING`, `RUNNING`, …
std::string_view to_string(RemoteStatus status);

/// One rule of `proxies`.
struct RemoteProxy {
  std::string type = "browserbase";  ///< `browserbase`, `external` or `none`.
  std::string server;                ///< external only.
  std::string domain_pattern;
  std::string username;
  std::string password;  ///< Secret.
  boost::json::object geolocation;
};

/// POST /v1/sessions.
struct CreateSession {
  std::string project_id;
  std::string extension_id;
  std::optional<std::int64_t> timeout_seconds;  ///< 60..21600.
  bool keep_alive = false;
  bool default_proxies = false;  ///< `proxies: true`; not together with `proxies`.
  std::vector<RemoteProxy> proxies;
  std::vector<std::string> ca_certificates;
  std::string region;
  boost::json::object user_metadata;  ///< At most 512 characters as JSON.

  // Members of `browserSettings`.
  std::string context_id;
  bool context_persist = false;
  std::optional<int> viewport_width;  ///< Both or none.
  std::optional<int> viewport_height;
  std::optional<bool> block_ads;
  std::optional<bool> solve_captchas;
  std::optional<bool> record_session;
  std::optional<bool> log_session;
  std::optional<bool> ignore_certificate_errors;
  std::vector<std::string> allowed_domains;
  /// Further members (`verified`, `os`, …), which the ones above win over.
  boost::json::object browser_settings;
  std::string via;  ///< See services/via.h: a header, not part of the body.
};

struct RemoteSession {
  std::string id;
  std::string project_id;
  RemoteStatus status = RemoteStatus::unknown;
  WallTime created_at;
  WallTime updated_at;
  WallTime started_at;
  WallTime expires_at;
  std::optional<WallTime> ended_at;
  bool keep_alive = false;
  std::int64_t proxy_bytes = 0;
  std::string region;
  std::string context_id;
  boost::json::object user_metadata;
  std::string connect_url;  ///< Secret. Only while it can be connected to, and not in lists.
  std::string selenium_url;
  std::string signing_key;  ///< Secret.

  bool is_live() const {
    return status == RemoteStatus::pending || status == RemoteStatus::running;
  }
};

/// GET /v1/sessions.
struct SessionQuery {
  std::optional<RemoteStatus> status;
  std::string q;  ///< See metadata_query().
};

struct LivePage {
  std::string id;
  std::string url;
  std::string title;
  std::string favicon_url;
  std::string debugger_url;
  std::string debugger_fullscreen_url;
};

struct LiveUrls {
  std::string debugger_url;
  std::string debugger_fullscreen_url;
  std::string ws_url;
  std::vector<LivePage> pages;
};

/// Request and response stay as they came: their members depend on the CDP method.
struct LogEntry {
  std::string method;
  std::string session_id;
  std::int64_t page_id = 0;
  std::optional<std::int64_t> timestamp_ms;
  std::string frame_id;
  std::string loader_id;
  boost::json::object request;
  boost::json::object response;
};

struct RecordingEvent {
  std::string session_id;
  std::int64_t timestamp_ms = 0;
  std::int64_t type = 0;  ///< Of rrweb.
  boost::json::object data;
};

struct RecordingDownload {
  std::string page_id;
  std::string status;  ///< `NOT_REQUESTED`, `PENDING`, `COMPLETED`, `FAILED`.
  std::string download_url;
  std::optional<WallTime> completed_at;
};

struct ReplayPage {
  std::string page_id;
  std::string url;
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
};

/// GET /v1/downloads.
struct DownloadQuery {
  std::string session_id;  ///< Required.
  std::string filename;
  std::string mime_type;
  std::optional<std::int64_t> size_min;
  std::optional<std::int64_t> size_max;
  std::optional<WallTime> created_after;
  std::optional<WallTime> created_before;
  std::optional<int> limit;  ///< 1..100.
  std::optional<int> offset;
};

struct Download {
  std::string id;
  std::string session_id;
  std::string filename;
  std::string mime_type;
  std::int64_t size = 0;
  std::string checksum;  ///< SHA-256.
  WallTime created_at;
};

struct DownloadPage {
  std::vector<Download> downloads;
  std::int64_t total = 0;
  std::int64_t limit = 0;
  std::int64_t offset = 0;
};

/// A file sent as multipart field `file`.
struct Upload {
  std::string filename;
  std::string content_type = "application/octet-stream";
  std::string bytes;
};

struct RemoteContext {
  std::string id;
  std::string project_id;
  std::string name;
  WallTime created_at;
  WallTime updated_at;
};

/// Answer of creating a context. The upload fields of the API are dead and left out.
struct CreatedContext {
  std::string id;
};

struct RemoteExtension {
  std::string id;
  std::string project_id;
  std::string file_name;
  WallTime created_at;
  WallTime updated_at;
};

struct RemoteCertificate {
  std::string id;
  std::string project_id;
  WallTime created_at;
  WallTime updated_at;
};

struct Project {
  std::string id;
  std::string name;
  std::string owner_id;
  std::int64_t default_timeout_seconds = 0;
  std::int64_t concurrency = 0;  ///< Sessions at once.
  WallTime created_at;
  WallTime updated_at;
};

struct ProjectUsage {
  std::int64_t browser_minutes = 0;
  std::int64_t proxy_bytes = 0;
};

/// POST /v1/fetch.
struct FetchRequest {
  std::string url;
  bool allow_redirects = false;
  bool allow_insecure_ssl = false;
  bool proxies = false;
  boost::json::object proxy_geolocation;  ///< Not empty: `proxies: {geolocation: …}`.
  std::string format;                     ///< `raw`, `json`, `markdown`; empty: the default, raw.
  boost::json::object schema;             ///< For `json`.
  std::string context_id;
};

struct FetchResult {
  std::string id;
  std::int64_t status_code = 0;  ///< Of the page.
  std::vector<std::pair<std::string, std::string>> headers;
  boost::json::value content;  ///< A text, or an object for `json`.
  std::string content_type;
  std::string encoding;
};

/// POST /v1/search.
struct SearchRequest {
  std::string query;               ///< 1..200 characters.
  std::optional<int> num_results;  ///< 1..25.
};

struct SearchHit {
  std::string id;
  std::string url;
  std::string title;
  std::string author;
  std::string published_date;
  std::string image;
  std::string favicon;
};

struct SearchResult {
  std::string request_id;
  std::string query;
  std::vector<SearchHit> results;
};

/// `user_metadata['key']:'value'`, which matches sessions whose metadata has that text under that
/// key. Quotes and backslashes are escaped.
std::string metadata_query(std::string_view key, std::string_view value);

}  // namespace troupe::services
