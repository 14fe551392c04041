// The CDP gateway: DevTools clients on one side, the browsers of sessions on the other. It forwards
// frames as they come, and knows only what must not pass unchanged (api/cdp_message.h).
#pragma once

#include <list>
#include <map>
#include <memory>
#include <string>

#include "api/access_rules.h"
#include "api/cdp_message.h"
#include "api/connect_key.h"
#include "api/recorder.h"
#include "api/service.h"
#include "api/session_trace.h"
#include "net/websocket.h"

namespace troupe::api {

struct GatewayOptions {
  int clients_max = 64;  ///< Of one session.
  /// How long a session without keep-alive stays when its last client has left.
  Duration leave_grace = Duration::zero();
  Duration ping_every = std::chrono::seconds(20);
  Duration silence_max = std::chrono::seconds(60);  ///< Then a client counts as gone.
  Duration dial_timeout = std::chrono::seconds(10);
  RecorderOptions recorder;
  bool record_by_default = false;           ///< Local sessions of clients that do not say.
  std::string secret;                       ///< Of connect keys; empty: that of `secret_file`.
  std::string secret_file;                  ///< Of kept_secret; empty: one for this process only.
  sessions::SessionFiles* files = nullptr;  ///< Learns the names of downloads; has the uploads.
};

/// A tab of a session.
struct LivePage {
  std::string target_id;
  std::string url;
  std::string title;
};

/// Threads: engine.
class Gateway final {
 public:
  /// What is referred to must live until join() ended.
  Gateway(SessionService& sessions, Clock& clock, asio::any_io_executor executor, observe::Log& log,
          const AccessRules& access, GatewayOptions options);
  ~Gateway();

  /// Answers a request for a WebSocket of any path: connects to the session's browser first, so
  /// that what cannot work is refused before the upgrade.
  /// Errors: invalid_argument (handshake), permission_denied (origin, scope), unauthenticated,
  /// not_found, gone (key or session), exhausted (clients), and those of connecting.
  /// `trusted`: its sender needs no API key to name a session (another node).
  Async<net::HttpResponse> connect(Context& ctx, const net::HttpRequest& request,
                                   bool trusted = false);
  /// The session that such a request may connect to, here or on another node.
  /// Errors: invalid_argument, permission_denied, unauthenticated, not_found, gone.
  Result<std::string> session_of(const net::HttpRequest& request) const;

  /// `ws://host/…` as the client that sent `request` reaches this service.
  static std::string base_url(const net::HttpRequest& request, std::string_view scheme);
  /// Holds as long as the session.
  std::string signing_key(const Session& session) const;
  std::string connect_url(const net::HttpRequest& request, const Session& session) const;
  const ConnectKeys& keys() const { return keys_; }
  /// Adds `connectUrl`, `seleniumRemoteUrl` and `signingKey` to what is told of a session, if CDP
  /// clients can drive it.
  void add_connection(json::object& object, const net::HttpRequest& request,
                      const Session& session) const;

  /// The tabs that the session has now, in the browser's order.
  Async<std::vector<LivePage>> pages(Context& ctx, std::string session_id);
  /// What was logged of the session; null when nothing was.
  const SessionTrace* trace(const std::string& session_id) const;
  Recorder& recorder() { return recorder_; }
  std::size_t client_count() const { return client_count_; }

  /// The server listens: join() will be waited for.
  void begin() { recorder_.begin(); }
  /// Closes all clients, and ends the sessions that nobody else keeps.
  void stop();
  Async<void> join(Context& ctx);

 private:
  struct Client;
  struct Room;
  struct Target;
  Result<Target> target_of(const net::HttpRequest& request, bool trusted) const;
  Result<KeyClaim> claim_of(const net::HttpRequest& request, bool trusted) const;
  Result<void> check_origin(const net::HttpRequest& request) const;
  Result<Session> running(const std::string& session_id) const;
  Async<std::unique_ptr<net::WebSocket>> dial(Context& ctx, std::string session_id,
                                              std::string target_id);
  asio::awaitable<void> serve(std::shared_ptr<Client> client, Context& ctx, net::WebSocket& socket);
  asio::awaitable<void> from_client(Context& ctx, Client& client);
  asio::awaitable<void> from_browser(std::shared_ptr<Client> client);
  asio::awaitable<void> tell_end(Client& client);
  void note_download(const Client& client, std::string_view text);
  void tap(Client& client, const net::FramePiece& piece);
  void log_message(const Client& client, std::string_view text);
  Result<void> take(Client& client, const net::FramePiece& piece);
  Result<void> take_whole(Client& client);
  bool take_guarded(Client& client, Guard guard, const json::object& message);
  void admit(Client& client);
  void dismiss(Client& client);
  void on_created(const std::string& session_id);
  void on_ended(const std::string& session_id);
  void end_recording(const std::string& session_id);
  asio::awaitable<void> end_session(std::string session_id, EndReason reason);
  asio::awaitable<void> leave(std::string session_id);
  void count(Client& client);
  void arm_sweep();
  void sweep();
  SessionTrace* trace_for(const std::string& session_id);

  SessionService& sessions_;
  Clock& clock_;
  asio::any_io_executor executor_;
  observe::Log& log_;
  const AccessRules& access_;
  GatewayOptions options_;
  ConnectKeys keys_;
  std::map<std::string, std::shared_ptr<Room>> rooms_;
  SessionTraces traces_;
  std::size_t client_count_ = 0;
  int last_client_ = 0;
  bool stopping_ = false;
  Timer sweep_timer_;
  bool sweep_armed_ = false;
  std::shared_ptr<void> created_handle_;
  std::shared_ptr<void> ended_handle_;
  Recorder recorder_;
  Scope scope_;
};

}  // namespace troupe::api
