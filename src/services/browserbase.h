// Client of the Browserbase REST API: typed, asynchronous, resilient. One object per account: its
// calls share connections, rate limiter, circuit breakers and retry budget.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async.h"
#include "base/random.h"
#include "net/http_client.h"
#include "services/browserbase_models.h"

namespace troupe::services {

/// Why a call failed, finer than the error code. `error.code` follows from it (see error_for()).
enum class RemoteFailure {
  none,
  bad_request,    ///< 400: invalid_argument.
  key,            ///< 401: unauthenticated.
  payment,        ///< 402: permission_denied; the plan or its quota does not include it.
  forbidden,      ///< 403: permission_denied.
  missing,        ///< 404: not_found.
  conflict,       ///< 409: conflict.
  gone,           ///< 410: gone.
  too_large,      ///< 413, or an answer over the limit: payload_too_large.
  unprocessable,  ///< 422: invalid_argument.
  concurrency,    ///< 429: exhausted; too many sessions at once.
  rate,           ///< 429: exhausted; too many requests in a time.
  server,         ///< 5xx: unavailable.
  other_status,   ///< Any other status: http_error.
  timeout,        ///< timeout.
  cancelled,      ///< cancelled.
  dns,            ///< dns_error.
  tls,            ///< tls_error.
  network,        ///< network_error: refused, reset, closed.
  malformed,      ///< protocol_error: the answer is not what the contract says.
  circuit_open,   ///< unavailable: not sent, for the last calls of this kind failed.
  proxy,          ///< unauthenticated: a proxy on the way wants a password (407).
  local,          ///< The call was not sent, for its input or the client's settings are wrong.
};
std::string_view to_string(RemoteFailure failure);

/// What became of a call, for those who must know more than its error.
struct CallNote {
  RemoteFailure failure = RemoteFailure::none;
  int attempts = 0;
  int status = 0;  ///< Of the last answer; 0: none came.
  /// The call failed, and yet the service may have done what was asked.
  bool may_be_applied = false;
  std::optional<Duration> retry_after;  ///< What the last answer asked for.
};

struct CallOptions {
  /// Creating calls (POST) are sent again only when the service surely did nothing (refused
  /// connection, 429, `x-should-retry: true`); `true` sends them again after lost answers and 5xx,
  /// too, and so may create twice.
  bool retry_ambiguous = false;
  /// Attempts in all; 1: none again.
  int attempts_max = 4;
  /// Wait for the rate limiter's turn; else fail with `exhausted` (rate) at once.
  bool wait_for_rate = true;
  /// Filled before the call returns. It must outlive the call.
  CallNote* note = nullptr;
};

/// What the answers' headers said last about creating sessions. Absent: never heard.
struct RateState {
  std::optional<std::int64_t> limit;
  std::optional<std::int64_t> remaining;
  SteadyTime resets_at{};
};

struct BrowserbaseOptions {
  std::string api_key;  ///< Secret.
  std::string base_url = "https://api.browserbase.com";
  std::string project_id;  ///< Sent where a request has none; empty: the key's own.
  Duration attempt_timeout = std::chrono::seconds(60);
  Duration retry_first = std::chrono::milliseconds(500);  ///< Doubles, with full jitter.
  Duration retry_max = std::chrono::seconds(8);
  /// Longest `retry-after` that is waited for; a longer one ends the call with its error.
  Duration retry_after_max = std::chrono::seconds(60);
  int breaker_failures = 5;  ///< In a row, of one endpoint group; then its calls fail at once.
  Duration breaker_open = std::chrono::seconds(15);
};

/// Every call may end with: unauthenticated, permission_denied, exhausted, unavailable, timeout,
/// cancelled, network_error, dns_error, tls_error, protocol_error, http_error; those about one
/// thing with not_found, gone, conflict; those with input with invalid_argument. Ids are
/// percent-encoded. Seam. Threads: engine.
class BrowserbaseClient {
 public:
  virtual ~BrowserbaseClient() = default;

  // Sessions.
  virtual Async<RemoteSession> create_session(Context& ctx, CreateSession request,
                                              CallOptions options = {}) = 0;
  virtual Async<std::vector<RemoteSession>> list_sessions(Context& ctx, SessionQuery query,
                                                          CallOptions options = {}) = 0;
  virtual Async<RemoteSession> get_session(Context& ctx, std::string id,
                                           CallOptions options = {}) = 0;
  /// Asks for the end; it comes later. Repeating is harmless.
  virtual Async<RemoteSession> release_session(Context& ctx, std::string id,
                                               CallOptions options = {}) = 0;
  /// gone after the session's end.
  virtual Async<LiveUrls> live_urls(Context& ctx, std::string id,
                                    std::optional<int> expires_in_seconds = {},
                                    CallOptions options = {}) = 0;
  virtual Async<std::vector<LogEntry>> session_logs(Context& ctx, std::string id,
                                                    CallOptions options = {}) = 0;
  virtual Async<std::vector<RecordingEvent>> session_recording(Context& ctx, std::string id,
                                                               CallOptions options = {}) = 0;
  virtual Async<std::vector<RecordingDownload>> request_recording_downloads(
      Context& ctx, std::string id, CallOptions options = {}) = 0;
  virtual Async<std::vector<RecordingDownload>> recording_downloads(Context& ctx, std::string id,
                                                                    CallOptions options = {}) = 0;
  virtual Async<std::vector<ReplayPage>> session_replays(Context& ctx, std::string id,
                                                         CallOptions options = {}) = 0;
  /// An HLS playlist.
  virtual Async<std::string> replay_playlist(Context& ctx, std::string id, std::string page_id,
                                             CallOptions options = {}) = 0;
  /// A zip archive; 22 bytes when nothing has been synced yet.
  virtual Async<std::string> session_downloads(Context& ctx, std::string id,
                                               CallOptions options = {}) = 0;
  virtual Async<void> delete_session_downloads(Context& ctx, std::string id,
                                               CallOptions options = {}) = 0;
  virtual Async<void> upload_file(Context& ctx, std::string id, Upload file,
                                  CallOptions options = {}) = 0;

  // Single downloads.
  virtual Async<DownloadPage> list_downloads(Context& ctx, DownloadQuery query,
                                             CallOptions options = {}) = 0;
  virtual Async<Download> get_download(Context& ctx, std::string id, CallOptions options = {}) = 0;
  virtual Async<std::string> download_bytes(Context& ctx, std::string id,
                                            CallOptions options = {}) = 0;
  virtual Async<void> delete_download(Context& ctx, std::string id, CallOptions options = {}) = 0;

  // Contexts, extensions, certificates.
  virtual Async<CreatedContext> create_context(Context& ctx, std::string name,
                                               CallOptions options = {}) = 0;
  virtual Async<RemoteContext> get_context(Context& ctx, std::string id,
                                           CallOptions options = {}) = 0;
  /// Answers as create_context does. Deprecated there: nothing can be uploaded any more.
  virtual Async<CreatedContext> update_context(Context& ctx, std::string id,
                                               CallOptions options = {}) = 0;
  virtual Async<void> delete_context(Context& ctx, std::string id, CallOptions options = {}) = 0;
  virtual Async<RemoteExtension> upload_extension(Context& ctx, Upload file,
                                                  CallOptions options = {}) = 0;
  virtual Async<RemoteExtension> get_extension(Context& ctx, std::string id,
                                               CallOptions options = {}) = 0;
  virtual Async<void> delete_extension(Context& ctx, std::string id, CallOptions options = {}) = 0;
  virtual Async<RemoteCertificate> upload_certificate(Context& ctx, Upload file,
                                                      CallOptions options = {}) = 0;
  virtual Async<std::vector<RemoteCertificate>> list_certificates(Context& ctx,
                                                                  CallOptions options = {}) = 0;
  virtual Async<RemoteCertificate> get_certificate(Context& ctx, std::string id,
                                                   CallOptions options = {}) = 0;
  virtual Async<void> delete_certificate(Context& ctx, std::string id,
                                         CallOptions options = {}) = 0;

  // Projects.
  virtual Async<std::vector<Project>> list_projects(Context& ctx, CallOptions options = {}) = 0;
  virtual Async<Project> get_project(Context& ctx, std::string id, CallOptions options = {}) = 0;
  virtual Async<ProjectUsage> project_usage(Context& ctx, std::string id,
                                            CallOptions options = {}) = 0;

  // Without a browser.
  virtual Async<FetchResult> fetch(Context& ctx, FetchRequest request,
                                   CallOptions options = {}) = 0;
  virtual Async<SearchResult> search(Context& ctx, SearchRequest request,
                                     CallOptions options = {}) = 0;

  virtual RateState creation_rate() const = 0;
};

/// `http` and `clock` outlive the client. Errors: invalid_argument (base_url, no api_key).
Result<std::unique_ptr<BrowserbaseClient>> make_browserbase_client(BrowserbaseOptions options,
                                                                   net::HttpClient& http,
                                                                   Clock& clock, Random random);

}  // namespace troupe::services
