// Browserbase's JSON to the structs of browserbase_models.h and back. Pure. Unknown members are
// ignored, `null` counts as absent; a missing or wrong required member is a protocol_error that
// names it: `session: 'id' is missing`.
#pragma once

#include "base/json.h"
#include "services/browserbase_models.h"

namespace troupe::services::wire {

using troupe::parse_rfc3339;
RemoteStatus status_from(std::string_view text);

// Requests. `project_id` is used where the request has none.
json::object to_wire(const CreateSession& request, const std::string& project_id);
json::object to_wire(const FetchRequest& request);
json::object to_wire(const SearchRequest& request);
/// `?a=1&b=2`, or nothing; values percent-encoded.
std::string to_query(const SessionQuery& query);
std::string to_query(const DownloadQuery& query);

/// A body of multipart/form-data with the one field `file`. `boundary` does not occur in the bytes.
std::string to_multipart(const Upload& file, std::string_view boundary);

// Answers.
Result<RemoteSession> session_from(const json::value& value);
Result<std::vector<RemoteSession>> sessions_from(const json::value& value);
Result<LiveUrls> live_urls_from(const json::value& value);
Result<std::vector<LogEntry>> logs_from(const json::value& value);
Result<std::vector<RecordingEvent>> recording_from(const json::value& value);
Result<std::vector<RecordingDownload>> recording_downloads_from(const json::value& value);
Result<std::vector<ReplayPage>> replays_from(const json::value& value);
Result<Download> download_from(const json::value& value);
Result<DownloadPage> downloads_from(const json::value& value);
Result<CreatedContext> created_context_from(const json::value& value);
Result<RemoteContext> context_from(const json::value& value);
Result<RemoteExtension> extension_from(const json::value& value);
Result<RemoteCertificate> certificate_from(const json::value& value);
Result<std::vector<RemoteCertificate>> certificates_from(const json::value& value);
Result<Project> project_from(const json::value& value);
Result<std::vector<Project>> projects_from(const json::value& value);
Result<ProjectUsage> usage_from(const json::value& value);
Result<FetchResult> fetch_from(const json::value& value);
Result<SearchResult> search_from(const json::value& value);

}  // namespace troupe::services::wire
