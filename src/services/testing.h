// A Browserbase for tests: a real HTTP server on the loopback interface with the operations that
// the client uses, sessions with their states and limits, and faults by script. It starts no
// browser: where a session is reached is asked of the test. Tests only. Threads: engine.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/random.h"
#include "net/http_server.h"
#include "services/browserbase_models.h"

namespace troupe::services {

/// What goes wrong with the next requests of a route.
struct FakeFault {
  enum class Answer {
    normal,        ///< Only the delay.
    status,        ///< `status`, `message` and `headers` in place of the answer.
    cut,           ///< The connection breaks behind the answer's header.
    silence,       ///< No answer, and the connection stays open.
    garbage,       ///< 200 and half a JSON text.
    web_page,      ///< 200 and HTML, as from a proxy on the way.
    vanished,      ///< The session of the request is forgotten first.
    says_ended,    ///< The session of the request, as COMPLETED; nothing is done.
    says_running,  ///< The session of the request, as RUNNING; nothing is done.
    another,       ///< Some other session, as it is.
  };
  std::string route;  ///< `POST /v1/sessions`, `GET /v1/sessions/{id}`; `*`: all.
  Answer answer = Answer::normal;
  int times = 1;
  double probability = 1;  ///< Of each request, by the seed.
  bool apply = false;      ///< The operation is done nevertheless; `normal` always does it.
  Duration delay{};        ///< Before all else.
  int status = 500;
  std::string message = "internal error";
  net::Headers headers;
};

struct FakeOptions {
  std::string api_key = "bb_test_key";
  std::string project_id = "11111111-2222-4333-8444-555555555555";
  int concurrency = 3;
  int creations_per_window = 1'000;
  Duration window = std::chrono::seconds(60);
  std::int64_t default_timeout_seconds = 900;
  Duration pending{};  ///< A new session is PENDING for so long.
  Duration ending{};   ///< From the request for release to COMPLETED.
  std::uint64_t seed = 1;
  /// Starts what is behind a session and gives its `connectUrl`. An error is answered with 500.
  std::function<Async<std::string>(Context&, std::string id, json::object request)> open;
  /// Ends it; called once for each session that `open` made.
  std::function<asio::awaitable<void>(Context&, std::string id)> close;
};

class FakeBrowserbase final {
 public:
  struct Request {
    std::string route;
    std::string target;
    net::Headers headers;
    std::string body;
  };
  struct Session {
    std::string id;
    json::object request;
    WallTime created;
    WallTime expires;
    std::optional<WallTime> ended;
    RemoteStatus final_status = RemoteStatus::completed;  ///< Holds from `ended` on.
    bool closed = false;                                  ///< options.close was called.
    int releases = 0;                                     ///< Requests for release so far.
    std::string connect_url;
    int connect_key = 1;  ///< Part of the default URL; a test raises it to age the URL.
    std::vector<Upload> uploads;
    std::string archive;  ///< Answer of /downloads; empty: the empty zip archive.
  };

  FakeBrowserbase(Clock& clock, FakeOptions options);  ///< For start().
  static Result<std::unique_ptr<FakeBrowserbase>> start(asio::any_io_executor executor,
                                                        Clock& clock, FakeOptions options = {});
  ~FakeBrowserbase();
  Async<void> stop(Context& ctx);

  std::string base_url() const;
  FakeOptions& options() { return options_; }

  /// Faults of one route take effect one after the other, in the order they were given.
  void inject(FakeFault fault) { faults_.push_back(std::move(fault)); }
  const std::vector<Request>& requests() const { return requests_; }
  /// How often that route was asked.
  int count(std::string_view route) const;

  std::map<std::string, Session>& sessions() { return sessions_; }
  RemoteStatus status_of(const Session& session) const;
  int live() const;
  /// The session ends by itself: a crash (`error`), a time-out, a client that left (`completed`).
  void end_session(const std::string& id, RemoteStatus status);
  /// Uploaded extensions, zipped, by id.
  const std::map<std::string, std::string>& extensions() const { return extensions_; }
  /// Adds to the single downloads; gives its id.
  std::string add_download(Download download, std::string bytes);

 private:
  // A request's path, taken apart.
  struct Place {
    std::string route;  // `GET /v1/sessions/{id}/debug`
    std::string method;
    std::string kind;  // `sessions`
    std::string id;
    std::string suffix;  // `/debug`
  };
  static net::HttpResponse json_answer(int status, const json::value& body);
  static std::optional<Upload> uploaded_file(const net::HttpRequest& request);
  static net::HttpResponse refusal(int status, std::string_view message);
  asio::awaitable<net::HttpResponse> handle(Context& ctx, net::HttpRequest request);
  asio::awaitable<net::HttpResponse> answer(Context& ctx, Place place, net::HttpRequest request);
  asio::awaitable<net::HttpResponse> misbehave(Context& ctx, FakeFault fault,
                                               net::HttpResponse applied);
  net::HttpResponse lie(FakeFault::Answer answer, const std::string& id) const;
  std::optional<FakeFault> take_fault(const std::string& route);
  asio::awaitable<void> settle(Context& ctx);
  asio::awaitable<void> vanish(Context& ctx, std::string id);

  asio::awaitable<net::HttpResponse> create_session(Context& ctx, const net::HttpRequest& request);
  std::optional<net::HttpResponse> refuse_creation(const json::object& body, net::Headers& rate);
  net::HttpResponse list_sessions(const net::HttpRequest& request) const;
  net::HttpResponse session_operation(const Place& place, const net::HttpRequest& request);
  net::HttpResponse recording_downloads(const Place& place, const Session& session) const;
  net::HttpResponse live_urls(const Session& session) const;
  json::object session_json(const Session& session, bool with_connection) const;
  std::string connect_url(const Session& session) const;

  json::object upload_of_context(const std::string& id) const;
  net::HttpResponse contexts(const Place& place, const net::HttpRequest& request);
  net::HttpResponse files(const Place& place, const net::HttpRequest& request);
  net::HttpResponse downloads(const Place& place, const net::HttpRequest& request);
  net::HttpResponse projects(const Place& place) const;
  net::HttpResponse fetch_or_search(const Place& place, const net::HttpRequest& request);

  FakeOptions options_;
  Clock& clock_;
  Random random_;
  std::unique_ptr<net::HttpServer> server_;
  std::vector<FakeFault> faults_;
  std::vector<Request> requests_;
  std::map<std::string, Session> sessions_;
  std::map<std::string, json::object> contexts_;
  std::map<std::string, std::map<std::string, json::object>> files_;  ///< By kind, then id.
  std::map<std::string, std::string> extensions_;
  std::map<std::string, std::pair<Download, std::string>> downloads_;
  int created_in_window_ = 0;
  SteadyTime window_began_{};
};

}  // namespace troupe::services
