#include <algorithm>
#include <cmath>

#include "services/browserbase_wire.h"

namespace troupe::services::wire {
namespace {

// Reads members of one object and keeps the first thing that is wrong with it.
class Members final {
 public:
  Members(const json::value& value, std::string_view what) : what_(what) {
    object_ = value.if_object();
    if (!object_) refuse("is of type " + std::string(type_name(value)) + ", not object");
  }

  std::string text(std::string_view key) {
    const json::value* value = required(key);
    if (!value) return {};
    if (!value->is_string()) return refuse_type(key, *value, "string"), std::string{};
    return std::string(value->get_string());
  }
  std::string text_or_empty(std::string_view key) { return has(key) ? text(key) : std::string{}; }

  std::int64_t integer(std::string_view key) {
    const json::value* value = required(key);
    if (!value) return 0;
    if (const auto number = to_integer(*value)) return *number;
    refuse_type(key, *value, "integer");
    return 0;
  }
  std::int64_t integer_or(std::string_view key, std::int64_t other) {
    return has(key) ? integer(key) : other;
  }

  bool flag(std::string_view key) {
    const json::value* value = required(key);
    if (!value) return false;
    if (!value->is_bool()) return refuse_type(key, *value, "boolean"), false;
    return value->get_bool();
  }

  WallTime time(std::string_view key) {
    const std::string shown = text(key);
    const auto time = parse_rfc3339(shown);
    if (!time) refuse("'" + std::string(key) + "' is \"" + shown + "\", not an RFC 3339 time");
    return time.value_or(WallTime{});
  }
  std::optional<WallTime> time_if_any(std::string_view key) {
    if (!has(key)) return {};
    return time(key);
  }

  json::object object_or_empty(std::string_view key) {
    if (!has(key)) return {};
    const json::value& value = object_->at(key);
    if (!value.is_object()) return refuse_type(key, value, "object"), json::object{};
    return value.get_object();
  }
  json::value any(std::string_view key) {
    const json::value* value = required(key);
    return value ? *value : json::value{};
  }

  template <class T>
  std::vector<T> list(std::string_view key, Result<std::vector<T>> (*read)(const json::value&)) {
    const json::value* value = required(key);
    if (!value) return {};
    auto items = read(*value);
    if (items) return std::move(*items);
    refuse(std::string(key) + ": " + items.error().message);
    return {};
  }

  template <class T>
  Result<T> finish(T value) {
    if (error_) return std::move(*error_);
    return value;
  }

 private:
  static std::optional<std::int64_t> to_integer(const json::value& value) {
    if (value.is_int64()) return value.get_int64();
    if (!value.is_double()) return {};
    // Some services write times as fractions of a millisecond.
    const double number = value.get_double();
    if (!(std::abs(number) < 9e15)) return {};
    return static_cast<std::int64_t>(number);
  }
  bool has(std::string_view key) const {
    const json::value* value = object_ ? object_->if_contains(key) : nullptr;
    return value && !value->is_null();
  }
  const json::value* required(std::string_view key) {
    if (!has(key)) {
      refuse("'" + std::string(key) + "' is missing");
      return nullptr;
    }
    return object_->if_contains(key);
  }
  void refuse_type(std::string_view key, const json::value& value, std::string_view expected) {
    refuse("'" + std::string(key) + "' is of type " + std::string(type_name(value)) + ", not " +
           std::string(expected));
  }
  void refuse(const std::string& why) {
    if (!error_) error_ = fail(Errc::protocol_error, std::string(what_) + ": " + why);
  }

  std::string_view what_;
  const json::object* object_ = nullptr;
  std::optional<Error> error_;
};

template <class T>
Result<std::vector<T>> list_from(const json::value& value, std::string_view what,
                                 Result<T> (*read)(const json::value&)) {
  const auto* array = value.if_array();
  if (!array)
    return fail(Errc::protocol_error, std::string(what) + ": is of type " +
                                          std::string(type_name(value)) + ", not array");
  std::vector<T> items;
  items.reserve(array->size());
  for (const auto& entry : *array) {
    TRY(T item, read(entry));
    items.push_back(std::move(item));
  }
  return items;
}

Result<LivePage> live_page_from(const json::value& value) {
  Members members(value, "live page");
  LivePage page;
  page.id = members.text("id");
  page.url = members.text("url");
  page.debugger_url = members.text("debuggerUrl");
  page.debugger_fullscreen_url = members.text("debuggerFullscreenUrl");
  page.title = members.text_or_empty("title");  // of a page that has not loaded
  page.favicon_url = members.text_or_empty("faviconUrl");
  return members.finish(std::move(page));
}

Result<std::vector<LivePage>> live_pages_from(const json::value& value) {
  return list_from<LivePage>(value, "live pages", live_page_from);
}

Result<LogEntry> log_entry_from(const json::value& value) {
  Members members(value, "log entry");
  LogEntry entry;
  entry.method = members.text("method");
  entry.session_id = members.text("sessionId");
  entry.page_id = members.integer("pageId");
  if (const auto time = members.integer_or("timestamp", -1); time >= 0) entry.timestamp_ms = time;
  entry.frame_id = members.text_or_empty("frameId");
  entry.loader_id = members.text_or_empty("loaderId");
  entry.request = members.object_or_empty("request");
  entry.response = members.object_or_empty("response");
  return members.finish(std::move(entry));
}

Result<RecordingEvent> recording_event_from(const json::value& value) {
  Members members(value, "recording event");
  RecordingEvent event;
  event.session_id = members.text("sessionId");
  event.timestamp_ms = members.integer("timestamp");
  event.type = members.integer("type");
  event.data = members.object_or_empty("data");
  return members.finish(std::move(event));
}

Result<RecordingDownload> recording_download_from(const json::value& value) {
  Members members(value, "recording download");
  RecordingDownload download;
  download.page_id = members.text("pageId");
  download.status = members.text("status");
  download.download_url = members.text_or_empty("downloadUrl");
  download.completed_at = members.time_if_any("completedAt");
  return members.finish(std::move(download));
}

Result<std::vector<RecordingDownload>> recording_download_list_from(const json::value& value) {
  return list_from<RecordingDownload>(value, "recording downloads", recording_download_from);
}

Result<ReplayPage> replay_page_from(const json::value& value) {
  Members members(value, "replay page");
  ReplayPage page;
  page.page_id = members.text("pageId");
  page.url = members.text("url");
  page.start_ms = members.integer("startTimeMs");
  page.end_ms = members.integer("endTimeMs");
  return members.finish(std::move(page));
}

Result<std::vector<ReplayPage>> replay_pages_from(const json::value& value) {
  return list_from<ReplayPage>(value, "replay pages", replay_page_from);
}

Result<std::vector<Download>> download_list_from(const json::value& value) {
  return list_from<Download>(value, "downloads", download_from);
}

Result<SearchHit> search_hit_from(const json::value& value) {
  Members members(value, "search result");
  SearchHit hit;
  hit.id = members.text("id");
  hit.url = members.text("url");
  hit.title = members.text("title");
  hit.author = members.text_or_empty("author");
  hit.published_date = members.text_or_empty("publishedDate");
  hit.image = members.text_or_empty("image");
  hit.favicon = members.text_or_empty("favicon");
  return members.finish(std::move(hit));
}

Result<std::vector<SearchHit>> search_hits_from(const json::value& value) {
  return list_from<SearchHit>(value, "search results", search_hit_from);
}

}  // namespace

Result<RemoteSession> session_from(const json::value& value) {
  Members members(value, "session");
  RemoteSession session;
  session.id = members.text("id");
  session.project_id = members.text("projectId");
  session.status = status_from(members.text("status"));
  session.created_at = members.time("createdAt");
  session.updated_at = members.time("updatedAt");
  session.started_at = members.time("startedAt");
  session.expires_at = members.time("expiresAt");
  session.ended_at = members.time_if_any("endedAt");
  session.keep_alive = members.flag("keepAlive");
  session.proxy_bytes = members.integer("proxyBytes");
  session.region = members.text("region");
  session.context_id = members.text_or_empty("contextId");
  session.user_metadata = members.object_or_empty("userMetadata");
  session.connect_url = members.text_or_empty("connectUrl");
  session.selenium_url = members.text_or_empty("seleniumRemoteUrl");
  session.signing_key = members.text_or_empty("signingKey");
  return members.finish(std::move(session));
}

Result<std::vector<RemoteSession>> sessions_from(const json::value& value) {
  return list_from<RemoteSession>(value, "sessions", session_from);
}

Result<LiveUrls> live_urls_from(const json::value& value) {
  Members members(value, "live urls");
  LiveUrls urls;
  urls.debugger_url = members.text("debuggerUrl");
  urls.debugger_fullscreen_url = members.text("debuggerFullscreenUrl");
  urls.ws_url = members.text("wsUrl");
  urls.pages = members.list<LivePage>("pages", live_pages_from);
  return members.finish(std::move(urls));
}

Result<std::vector<LogEntry>> logs_from(const json::value& value) {
  return list_from<LogEntry>(value, "session logs", log_entry_from);
}

Result<std::vector<RecordingEvent>> recording_from(const json::value& value) {
  return list_from<RecordingEvent>(value, "session recording", recording_event_from);
}

Result<std::vector<RecordingDownload>> recording_downloads_from(const json::value& value) {
  Members members(value, "recording downloads");
  auto downloads = members.list<RecordingDownload>("downloads", recording_download_list_from);
  return members.finish(std::move(downloads));
}

Result<std::vector<ReplayPage>> replays_from(const json::value& value) {
  Members members(value, "session replays");
  auto pages = members.list<ReplayPage>("pages", replay_pages_from);
  return members.finish(std::move(pages));
}

Result<Download> download_from(const json::value& value) {
  Members members(value, "download");
  Download download;
  download.id = members.text("id");
  download.session_id = members.text("sessionId");
  download.filename = members.text("filename");
  download.mime_type = members.text("mimeType");
  download.size = members.integer("size");
  download.checksum = members.text("checksum");
  download.created_at = members.time("createdAt");
  return members.finish(std::move(download));
}

Result<DownloadPage> downloads_from(const json::value& value) {
  Members members(value, "download page");
  DownloadPage page;
  page.downloads = members.list<Download>("downloads", download_list_from);
  page.total = members.integer("total");
  page.limit = members.integer("limit");
  page.offset = members.integer("offset");
  return members.finish(std::move(page));
}

Result<CreatedContext> created_context_from(const json::value& value) {
  Members members(value, "context");
  CreatedContext context{members.text("id")};
  return members.finish(std::move(context));
}

Result<RemoteContext> context_from(const json::value& value) {
  Members members(value, "context");
  RemoteContext context;
  context.id = members.text("id");
  context.project_id = members.text("projectId");
  context.name = members.text_or_empty("name");
  context.created_at = members.time("createdAt");
  context.updated_at = members.time("updatedAt");
  return members.finish(std::move(context));
}

Result<RemoteExtension> extension_from(const json::value& value) {
  Members members(value, "extension");
  RemoteExtension extension;
  extension.id = members.text("id");
  extension.project_id = members.text("projectId");
  extension.file_name = members.text("fileName");
  extension.created_at = members.time("createdAt");
  extension.updated_at = members.time("updatedAt");
  return members.finish(std::move(extension));
}

Result<RemoteCertificate> certificate_from(const json::value& value) {
  Members members(value, "certificate");
  RemoteCertificate certificate;
  certificate.id = members.text("id");
  certificate.project_id = members.text("projectId");
  certificate.created_at = members.time("createdAt");
  certificate.updated_at = members.time("updatedAt");
  return members.finish(std::move(certificate));
}

Result<std::vector<RemoteCertificate>> certificates_from(const json::value& value) {
  return list_from<RemoteCertificate>(value, "certificates", certificate_from);
}

Result<Project> project_from(const json::value& value) {
  Members members(value, "project");
  Project project;
  project.id = members.text("id");
  project.name = members.text("name");
  project.owner_id = members.text("ownerId");
  project.default_timeout_seconds = members.integer("defaultTimeout");
  project.concurrency = members.integer("concurrency");
  project.created_at = members.time("createdAt");
  project.updated_at = members.time("updatedAt");
  return members.finish(std::move(project));
}

Result<std::vector<Project>> projects_from(const json::value& value) {
  return list_from<Project>(value, "projects", project_from);
}

Result<ProjectUsage> usage_from(const json::value& value) {
  Members members(value, "project usage");
  ProjectUsage usage;
  usage.browser_minutes = members.integer("browserMinutes");
  usage.proxy_bytes = members.integer("proxyBytes");
  return members.finish(usage);
}

Result<FetchResult> fetch_from(const json::value& value) {
  Members members(value, "fetch result");
  FetchResult result;
  result.id = members.text("id");
  result.status_code = members.integer("statusCode");
  for (const auto& member : members.object_or_empty("headers"))
    if (const auto* text = member.value().if_string())
      result.headers.emplace_back(member.key(), std::string(*text));
  result.content = members.any("content");
  result.content_type = members.text("contentType");
  result.encoding = members.text("encoding");
  return members.finish(std::move(result));
}

Result<SearchResult> search_from(const json::value& value) {
  Members members(value, "search results");
  SearchResult result;
  result.request_id = members.text("requestId");
  result.query = members.text("query");
  result.results = members.list<SearchHit>("results", search_hits_from);
  return members.finish(std::move(result));
}

}  // namespace troupe::services::wire
