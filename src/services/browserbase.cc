#include "services/browserbase.h"

#include "net/url.h"
#include "services/browserbase_calls.h"
#include "services/browserbase_wire.h"

namespace troupe::services {
namespace {

constexpr std::int64_t kArchiveBytesMax = 512 << 20;
constexpr Duration kArchiveTime = std::chrono::minutes(4);

Result<json::value> body_of(const net::HttpReply& reply) {
  const auto type = reply.header("content-type");
  if (!type.empty() && type.find("json") == std::string_view::npos)
    return fail(Errc::protocol_error,
                "answer is " + std::string(type.substr(0, 80)) + ", not application/json");
  auto body = parse_json(reply.body, "answer");
  if (!body) return fail(Errc::protocol_error, body.error().message);
  return body;
}

// Slow links must be able to send it: 1 MiB each second.
Duration time_for(std::size_t bytes) {
  return std::chrono::seconds(static_cast<std::int64_t>(bytes >> 20));
}

// `suffix` and `query` are encoded already.
RemoteCall call_to(std::string_view group, std::string method, std::string_view suffix = {}) {
  RemoteCall call;
  call.group = group;
  call.method = std::move(method);
  call.path = "/v1/" + std::string(group) + std::string(suffix);
  call.what = call.method + " " + call.path;
  call.repeatable = call.method != "POST";
  call.missing_is_done = call.method == "DELETE";
  return call;
}

// About one thing: `/v1/<group>/<id><suffix>`.
RemoteCall call_about(std::string_view group, std::string method, const std::string& id,
                      const std::string& suffix = {}) {
  RemoteCall call = call_to(group, std::move(method));
  call.path += "/" + net::percent_encode(id) + suffix;
  call.what += "/{id}" + suffix.substr(0, suffix.find('?'));
  // An empty segment would ask for the whole list, and dots would leave it.
  if (id.empty() || id == "." || id == "..")
    call.refused = fail(Errc::invalid_argument, std::string(group) + ": id '" + id + "' is none");
  return call;
}

RemoteCall with_json(RemoteCall call, const json::object& body) {
  call.body = json::serialize(body);
  call.content_type = "application/json";
  return call;
}

class RestClient final : public BrowserbaseClient {
 public:
  RestClient(BrowserbaseOptions options, net::HttpClient& http, Clock& clock, Random random)
      : calls_(std::move(options), http, clock, std::move(random)) {}

  Async<RemoteSession> create_session(Context& ctx, CreateSession request,
                                      CallOptions options) override {
    RemoteCall call = call_to("sessions", "POST");
    call = with_json(std::move(call), wire::to_wire(request, calls_.options().project_id));
    // Refusals for a full project say nothing about reading and releasing.
    call.group = "sessions:create";
    call.counts = true;
    call.via = std::move(request.via);
    return ask(ctx, std::move(call), options, connectable_session);
  }
  Async<std::vector<RemoteSession>> list_sessions(Context& ctx, SessionQuery query,
                                                  CallOptions options) override {
    return ask(ctx, call_to("sessions", "GET", wire::to_query(query)), options,
               wire::sessions_from);
  }
  Async<RemoteSession> get_session(Context& ctx, std::string id, CallOptions options) override {
    return ask_about(ctx, call_about("sessions", "GET", id), id, options);
  }
  Async<RemoteSession> release_session(Context& ctx, std::string id, CallOptions options) override {
    json::object body{{"status", "REQUEST_RELEASE"}};
    const auto& project = calls_.options().project_id;
    if (!project.empty()) body["projectId"] = project;
    RemoteCall call = with_json(call_about("sessions", "POST", id), body);
    call.repeatable = true;
    return ask_about(ctx, std::move(call), id, options);
  }
  Async<LiveUrls> live_urls(Context& ctx, std::string id, std::optional<int> expires_in_seconds,
                            CallOptions options) override {
    std::string suffix = "/debug";
    if (expires_in_seconds) suffix += "?expiresIn=" + std::to_string(*expires_in_seconds);
    return ask(ctx, call_about("sessions", "GET", id, suffix), options, wire::live_urls_from);
  }
  Async<std::vector<LogEntry>> session_logs(Context& ctx, std::string id,
                                            CallOptions options) override {
    return ask(ctx, large(call_about("sessions", "GET", id, "/logs")), options, wire::logs_from);
  }
  Async<std::vector<RecordingEvent>> session_recording(Context& ctx, std::string id,
                                                       CallOptions options) override {
    return ask(ctx, large(call_about("sessions", "GET", id, "/recording")), options,
               wire::recording_from);
  }
  Async<std::vector<RecordingDownload>> request_recording_downloads(Context& ctx, std::string id,
                                                                    CallOptions options) override {
    RemoteCall call = call_about("sessions", "POST", id, "/recording/downloads");
    call.repeatable = true;
    return ask(ctx, std::move(call), options, wire::recording_downloads_from);
  }
  Async<std::vector<RecordingDownload>> recording_downloads(Context& ctx, std::string id,
                                                            CallOptions options) override {
    return ask(ctx, call_about("sessions", "GET", id, "/recording/downloads"), options,
               wire::recording_downloads_from);
  }
  Async<std::vector<ReplayPage>> session_replays(Context& ctx, std::string id,
                                                 CallOptions options) override {
    return ask(ctx, call_about("sessions", "GET", id, "/replays"), options, wire::replays_from);
  }
  Async<std::string> replay_playlist(Context& ctx, std::string id, std::string page_id,
                                     CallOptions options) override {
    RemoteCall call = call_about("sessions", "GET", id, "/replays/" + net::percent_encode(page_id));
    call.accept = "application/vnd.apple.mpegurl";
    return bytes(ctx, std::move(call), options);
  }
  Async<std::string> session_downloads(Context& ctx, std::string id, CallOptions options) override {
    RemoteCall call = large(call_about("sessions", "GET", id, "/downloads"));
    call.accept = "application/zip";
    return bytes(ctx, std::move(call), options);
  }
  Async<void> delete_session_downloads(Context& ctx, std::string id, CallOptions options) override {
    return done(ctx, call_about("sessions", "DELETE", id, "/downloads"), options);
  }
  Async<void> upload_file(Context& ctx, std::string id, Upload file, CallOptions options) override {
    RemoteCall call = with_file(call_about("sessions", "POST", id, "/uploads"), file);
    call.repeatable = true;  // the same name, the same bytes
    return done(ctx, std::move(call), options);
  }

  Async<DownloadPage> list_downloads(Context& ctx, DownloadQuery query,
                                     CallOptions options) override {
    return ask(ctx, call_to("downloads", "GET", wire::to_query(query)), options,
               wire::downloads_from);
  }
  Async<Download> get_download(Context& ctx, std::string id, CallOptions options) override {
    return ask(ctx, call_about("downloads", "GET", id), options, wire::download_from);
  }
  Async<std::string> download_bytes(Context& ctx, std::string id, CallOptions options) override {
    RemoteCall call = large(call_about("downloads", "GET", id));
    call.accept = "application/octet-stream";
    return bytes(ctx, std::move(call), options);
  }
  Async<void> delete_download(Context& ctx, std::string id, CallOptions options) override {
    return done(ctx, call_about("downloads", "DELETE", id), options);
  }

  Async<CreatedContext> create_context(Context& ctx, std::string name,
                                       CallOptions options) override {
    json::object body;
    if (!name.empty()) body["name"] = name;
    const auto& project = calls_.options().project_id;
    if (!project.empty()) body["projectId"] = project;
    return ask(ctx, with_json(call_to("contexts", "POST"), body), options,
               wire::created_context_from);
  }
  Async<RemoteContext> get_context(Context& ctx, std::string id, CallOptions options) override {
    return ask(ctx, call_about("contexts", "GET", id), options, wire::context_from);
  }
  Async<CreatedContext> update_context(Context& ctx, std::string id, CallOptions options) override {
    RemoteCall call = call_about("contexts", "PUT", id);
    call.content_type = "application/json";  // with an empty body, as the official client does
    return ask(ctx, std::move(call), options, wire::created_context_from);
  }
  Async<void> delete_context(Context& ctx, std::string id, CallOptions options) override {
    return done(ctx, call_about("contexts", "DELETE", id), options);
  }
  Async<RemoteExtension> upload_extension(Context& ctx, Upload file, CallOptions options) override {
    return ask(ctx, with_file(call_to("extensions", "POST"), file), options, wire::extension_from);
  }
  Async<RemoteExtension> get_extension(Context& ctx, std::string id, CallOptions options) override {
    return ask(ctx, call_about("extensions", "GET", id), options, wire::extension_from);
  }
  Async<void> delete_extension(Context& ctx, std::string id, CallOptions options) override {
    return done(ctx, call_about("extensions", "DELETE", id), options);
  }
  Async<RemoteCertificate> upload_certificate(Context& ctx, Upload file,
                                              CallOptions options) override {
    return ask(ctx, with_file(call_to("certificates", "POST"), file), options,
               wire::certificate_from);
  }
  Async<std::vector<RemoteCertificate>> list_certificates(Context& ctx,
                                                          CallOptions options) override {
    return ask(ctx, call_to("certificates", "GET"), options, wire::certificates_from);
  }
  Async<RemoteCertificate> get_certificate(Context& ctx, std::string id,
                                           CallOptions options) override {
    return ask(ctx, call_about("certificates", "GET", id), options, wire::certificate_from);
  }
  Async<void> delete_certificate(Context& ctx, std::string id, CallOptions options) override {
    return done(ctx, call_about("certificates", "DELETE", id), options);
  }

  Async<std::vector<Project>> list_projects(Context& ctx, CallOptions options) override {
    return ask(ctx, call_to("projects", "GET"), options, wire::projects_from);
  }
  Async<Project> get_project(Context& ctx, std::string id, CallOptions options) override {
    return ask(ctx, call_about("projects", "GET", id), options, wire::project_from);
  }
  Async<ProjectUsage> project_usage(Context& ctx, std::string id, CallOptions options) override {
    return ask(ctx, call_about("projects", "GET", id, "/usage"), options, wire::usage_from);
  }

  Async<FetchResult> fetch(Context& ctx, FetchRequest request, CallOptions options) override {
    RemoteCall call = with_json(call_to("fetch", "POST"), wire::to_wire(request));
    call.repeatable = true;  // it reads
    return ask(ctx, std::move(call), options, wire::fetch_from);
  }
  Async<SearchResult> search(Context& ctx, SearchRequest request, CallOptions options) override {
    RemoteCall call = with_json(call_to("search", "POST"), wire::to_wire(request));
    call.repeatable = true;  // it reads
    return ask(ctx, std::move(call), options, wire::search_from);
  }

  RateState creation_rate() const override { return calls_.creation_rate(); }

 private:
  static Result<RemoteSession> connectable_session(const json::value& value) {
    TRY(RemoteSession session, wire::session_from(value));
    if (session.connect_url.empty())
      return fail(Errc::protocol_error, "session: 'connectUrl' is missing");
    return session;
  }
  static RemoteCall large(RemoteCall call) {
    call.response_bytes_max = kArchiveBytesMax;
    call.more_time = kArchiveTime;
    return call;
  }
  RemoteCall with_file(RemoteCall call, const Upload& file) {
    const std::string boundary = "troupe-" + calls_.uuid();
    call.body = wire::to_multipart(file, boundary);
    call.content_type = "multipart/form-data; boundary=" + boundary;
    call.more_time = time_for(call.body.size());
    return call;
  }

  template <class T>
  Async<T> ask(Context& ctx, RemoteCall call, CallOptions options,
               Result<T> (*read)(const json::value&)) {
    std::optional<T> value;
    BrowserbaseCalls::Accept accept = [&value, read](net::HttpReply& reply) -> Result<void> {
      TRY(const json::value body, body_of(reply));
      TRY(value, read(body));
      return {};
    };
    CO_TRY_VOID(co_await calls_.perform(ctx, std::move(call), options, std::move(accept)));
    co_return std::move(*value);
  }
  // An answer about another session must not be acted upon.
  Async<RemoteSession> ask_about(Context& ctx, RemoteCall call, std::string id,
                                 CallOptions options) {
    std::optional<RemoteSession> session;
    BrowserbaseCalls::Accept accept = [&session, &id](net::HttpReply& reply) -> Result<void> {
      TRY(const json::value body, body_of(reply));
      TRY(session, wire::session_from(body));
      if (session->id == id) return {};
      return fail(Errc::protocol_error, "answer is about another session");
    };
    CO_TRY_VOID(co_await calls_.perform(ctx, std::move(call), options, std::move(accept)));
    co_return std::move(*session);
  }
  Async<std::string> bytes(Context& ctx, RemoteCall call, CallOptions options) {
    std::string body;
    const std::string expected = call.accept;
    BrowserbaseCalls::Accept accept = [&body, &expected](net::HttpReply& reply) -> Result<void> {
      // A web page or an error in JSON is not the file that was asked for.
      const auto type = reply.header("content-type");
      const bool strict = expected != "application/octet-stream";
      if (strict && !type.starts_with(expected))
        return fail(Errc::protocol_error,
                    "answer is '" + std::string(type.substr(0, 80)) + "', not " + expected);
      body = std::move(reply.body);
      return {};
    };
    CO_TRY_VOID(co_await calls_.perform(ctx, std::move(call), options, std::move(accept)));
    co_return std::move(body);
  }
  Async<void> done(Context& ctx, RemoteCall call, CallOptions options) {
    BrowserbaseCalls::Accept accept = [](net::HttpReply&) -> Result<void> { return {}; };
    co_return co_await calls_.perform(ctx, std::move(call), options, std::move(accept));
  }

  BrowserbaseCalls calls_;
};

}  // namespace

Result<std::unique_ptr<BrowserbaseClient>> make_browserbase_client(BrowserbaseOptions options,
                                                                   net::HttpClient& http,
                                                                   Clock& clock, Random random) {
  if (options.api_key.empty())
    return fail(Errc::invalid_argument, "browserbase_api_key: is empty", {},
                "set it, or BROWSERBASE_API_KEY");
  for (const char c : options.api_key)
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f)
      return fail(Errc::invalid_argument, "browserbase_api_key: holds a character no key has");
  while (options.base_url.ends_with('/')) options.base_url.pop_back();
  auto url = net::parse_url(options.base_url);
  if (!url || (url->scheme != "http" && url->scheme != "https") ||
      options.base_url.find_first_of("?#") != std::string::npos)
    return fail(Errc::invalid_argument,
                "browserbase_base_url: '" + options.base_url + "' is not an http(s) address", {},
                "for example https://api.browserbase.com");
  return std::make_unique<RestClient>(std::move(options), http, clock, std::move(random));
}

}  // namespace troupe::services
