#include "api/gateway.h"

#include <algorithm>

#include "api/cdp_message.h"
#include "base/random.h"
#include "net/websocket_handshake.h"
#include "sessions/session_files.h"

namespace troupe::api {
namespace {

// A message up to this size is looked at as a whole before it is forwarded; a longer one is
// forwarded as it comes.
constexpr std::size_t kHeldBytes = std::size_t{64} << 10;
constexpr std::size_t kSecretBytes = 32;
constexpr Duration kSweepEvery = std::chrono::seconds(5);
constexpr Duration kReleaseTimeout = std::chrono::seconds(10);
constexpr Duration kEndNotice = std::chrono::seconds(2);

std::string end_text(const Session& session) {
  std::string text = "session ended: " + std::string(to_string(session.end_reason));
  if (session.error) text += ": " + session.error->message;
  return text;
}

bool is_over(const Session& session) {
  return session.state == SessionState::releasing || session.state == SessionState::ended;
}

int close_code(const Session& session) {
  const EndReason reason = session.end_reason;
  return reason == EndReason::crashed || reason == EndReason::connection_lost ? 1011 : 1001;
}

std::string secret_of(const GatewayOptions& options, observe::Log& log) {
  if (options.secret_file.empty()) return secure_token(kSecretBytes);
  std::string said;
  auto secret = kept_secret(options.secret_file, said);
  if (secret && said.empty()) return *secret;
  const Error why = secret ? fail(Errc::storage_failed, said) : secret.error();
  log.write({}, {.level = observe::Level::warning,
                 .action = "gateway.secret",
                 .status = secret ? "replaced" : "temporary",
                 .error = &why});
  return secret ? *secret : secure_token(kSecretBytes);
}

}  // namespace

// Where a request wants to go.
struct Gateway::Target {
  KeyClaim claim;
  std::string page;  ///< Target id; empty: the browser.
};

// One client, from the request until both its connections have ended.
struct Gateway::Client {
  int number = 0;
  std::string session_id;
  KeyScope scope = KeyScope::connect;
  bool of_page = false;  ///< Its end says nothing about the session's use.
  bool keep_alive = false;
  std::shared_ptr<Room> room;
  std::unique_ptr<net::WebSocket> upstream;
  net::WebSocket* socket = nullptr;
  bool leaving = false;
  bool logged = true;
  Event browser_done;

  MethodScanner scanner;
  std::string held;  ///< The beginning of the client's message, while it is not forwarded.
  net::Opcode opcode = net::Opcode::text;
  bool streaming = false;
  std::string tapped;  ///< A frame of the browser's that came in pieces, for the log.
  Session::Counters traffic;
  std::string close_text = "client left";
};

// The clients of one session.
struct Gateway::Room {
  std::list<Client*> clients;
  Event changed;  ///< The session has ended.
  std::size_t browser_clients() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(clients, [](const Client* client) { return !client->of_page; }));
  }
};

Gateway::Gateway(SessionService& sessions, Clock& clock, asio::any_io_executor executor,
                 observe::Log& log, const AccessRules& access, GatewayOptions options)
    : sessions_(sessions),
      clock_(clock),
      executor_(executor),
      log_(log),
      access_(access),
      options_(std::move(options)),
      keys_(secret_of(options_, log)),
      recorder_(clock, executor, log, options_.recorder,
                [this](Context& ctx, std::string id) { return dial(ctx, std::move(id), ""); }),
      scope_(executor) {
  created_handle_ = sessions_.on_created([this](const std::string& id) { on_created(id); });
  ended_handle_ = sessions_.on_ended([this](const std::string& id) { on_ended(id); });
}

Gateway::~Gateway() = default;

// --- Who may come in
std::string Gateway::base_url(const net::HttpRequest& request, std::string_view scheme) {
  const bool secure = request.header("x-forwarded-proto") == "https";
  return std::string(scheme) + (secure ? "s://" : "://") + std::string(request.header("host"));
}

std::string Gateway::signing_key(const Session& session) const {
  return keys_.sign({session.id, KeyScope::connect, session.expires_at});
}

std::string Gateway::connect_url(const net::HttpRequest& request, const Session& session) const {
  return base_url(request, "ws") + "/?signingKey=" + signing_key(session);
}

void Gateway::add_connection(json::object& object, const net::HttpRequest& request,
                             const Session& session) const {
  if (is_over(session)) return;
  const auto spec = sessions_.spec(session.id);
  if (!spec || (!spec->connectable && session.provider == "local")) return;
  object["connectUrl"] = connect_url(request, session);
  object["seleniumRemoteUrl"] = base_url(request, "http") + "/webdriver";
  object["signingKey"] = signing_key(session);
}

// Programs and extensions send no origin of the web; a page of another site must not get in, even
// if it has learnt a key.
Result<void> Gateway::check_origin(const net::HttpRequest& request) const {
  const std::string origin(request.header("origin"));
  if (origin.empty() || origin.starts_with("chrome-extension://")) return {};
  const std::string host(request.header("host"));
  if (origin == "http://" + host || origin == "https://" + host) return {};
  return fail(Errc::permission_denied, "request: Origin '" + origin + "' is another site");
}

Result<KeyClaim> Gateway::claim_of(const net::HttpRequest& request) const {
  const std::string* key = request.query_value("signingKey");
  if (!key) key = request.query_value("key");
  if (key) return keys_.check(*key, clock_.wall());
  if (const auto header = request.header("x-bb-signing-key"); !header.empty())
    return keys_.check(header, clock_.wall());
  const std::string* session = request.query_value("sessionId");
  if (!session)
    return fail(Errc::unauthenticated, "request: no signingKey in the query", {},
                "use the connectUrl of the session as it is");
  net::HttpRequest asked;
  asked.headers = request.headers;
  if (const std::string* api_key = request.query_value("apiKey"))
    asked.headers.emplace_back("x-bb-api-key", *api_key);
  TRY_VOID(access_.check(asked));
  return KeyClaim{.session_id = *session, .scope = KeyScope::connect, .expires = WallTime::max()};
}

Result<Gateway::Target> Gateway::target_of(const net::HttpRequest& request) const {
  TRY_VOID(check_origin(request));
  TRY(auto claim, claim_of(request));
  constexpr std::string_view prefix = "/debug/";
  constexpr std::string_view middle = "/devtools/page/";
  std::string_view path = request.path;
  if (!path.starts_with(prefix)) {
    if (claim.scope != KeyScope::connect)
      return fail(Errc::permission_denied, "signing key: is for pages only");
    return Target{.claim = std::move(claim), .page = {}};
  }
  path.remove_prefix(prefix.size());
  const auto at = path.find(middle);
  if (at == std::string_view::npos || path.substr(0, at) != claim.session_id)
    return fail(Errc::not_found, "path: " + request.path + " is not a page of the key's session");
  std::string page(path.substr(at + middle.size()));
  const bool plain =
      !page.empty() && page.size() <= 64 &&
      std::ranges::all_of(page, [](unsigned char c) { return std::isalnum(c) != 0; });
  if (!plain) return fail(Errc::not_found, "page: '" + page.substr(0, 64) + "' is not a target id");
  return Target{.claim = std::move(claim), .page = std::move(page)};
}

Result<Session> Gateway::running(const std::string& session_id) const {
  TRY(auto session, sessions_.find(session_id));
  if (is_over(session))
    return fail(Errc::gone, "session " + session_id + ": has " + end_text(session).substr(8),
                "sessions", "create a new one");
  return session;
}

Async<std::unique_ptr<net::WebSocket>> Gateway::dial(Context& ctx, std::string session_id,
                                                     std::string target_id) {
  CO_TRY(std::string url, co_await sessions_.endpoint(ctx, session_id));
  if (!target_id.empty()) {
    const auto at = url.find("/devtools/browser/");
    if (at == std::string::npos)
      co_return fail(Errc::unsupported,
                     "session " + session_id + ": its provider has no addresses of pages");
    url = url.substr(0, at) + "/devtools/page/" + target_id;
  }
  net::WebSocketConnectOptions options;
  CO_TRY(options.proxy, net::proxy_rules(net::proxy_environment()));
  co_return co_await net::connect_websocket(ctx, std::move(url), std::move(options));
}

Async<net::HttpResponse> Gateway::connect(Context& ctx, const net::HttpRequest& request) {
  CO_TRY_VOID(net::check_handshake(request));
  CO_TRY(auto target, target_of(request));
  CO_TRY(const auto session, running(target.claim.session_id));
  if (stopping_) co_return fail(Errc::draining, "service: is shutting down");
  const auto room = rooms_.find(session.id);
  if (room != rooms_.end() &&
      room->second->clients.size() >= static_cast<std::size_t>(options_.clients_max))
    co_return fail(Errc::exhausted, "session " + session.id + ": " +
                                        std::to_string(options_.clients_max) +
                                        " clients are connected already");
  auto client = std::make_shared<Client>();
  client->session_id = session.id;
  client->scope = target.claim.scope;
  client->of_page = !target.page.empty();
  // A session that a task holds is the task's to end.
  client->keep_alive = session.keep_alive || !session.run_id.empty();
  const auto spec = sessions_.spec(session.id);
  client->logged = !client->of_page && (!spec || spec->log.value_or(true));
  Context limited = ctx.with_timeout(options_.dial_timeout, "connecting to the browser");
  std::string page = std::move(target.page);
  CO_TRY(client->upstream, co_await dial(limited, session.id, std::move(page)));
  net::HttpResponse response;
  response.upgrade = [this, client](Context& upgraded, net::WebSocket& socket) {
    return serve(client, upgraded, socket);
  };
  co_return response;
}

// --- Forwarding
asio::awaitable<void> Gateway::serve(std::shared_ptr<Client> client, Context& ctx,
                                     net::WebSocket& socket) {
  client->socket = &socket;
  admit(*client);
  scope_.spawn("gateway browser", from_browser(client));
  co_await from_client(ctx, *client);
  client->leaving = true;
  client->upstream->close(1000, {});
  Context unbounded(clock_, executor_);
  (void)co_await client->browser_done.wait(unbounded);
  dismiss(*client);
}

asio::awaitable<void> Gateway::from_client(Context& ctx, Client& client) {
  for (;;) {
    const auto piece = client.socket->next();
    if (!piece) co_return;
    if (*piece) {
      const auto taken = take(client, **piece);
      if (!taken) client.socket->close(1008, taken.error().message);
      continue;
    }
    const auto flushed = co_await client.upstream->flush(ctx);
    // The end of the browser's side is told by from_browser(); the close frame ends this loop.
    if (!flushed && client.upstream->is_open()) co_return;
    const auto received = co_await client.socket->receive(ctx);
    if (!received) co_return;
  }
}

// Up to kHeldBytes a message is held until it is complete; a longer one goes on frame by frame.
Result<void> Gateway::take(Client& client, const net::FramePiece& piece) {
  client.traffic.cdp_bytes_sent += piece.data.size();
  const bool first = piece.opcode != net::Opcode::continuation && piece.begins_frame();
  if (first) {
    client.scanner.reset();
    client.held.clear();
    client.opcode = piece.opcode;
    client.streaming = false;
  }
  client.scanner.feed(piece.data);
  net::WebSocket& upstream = *client.upstream;
  if (client.streaming) {
    if (piece.begins_frame()) upstream.begin_frame(piece.opcode, piece.fin, piece.length);
    upstream.append(piece.data);
  } else {
    client.held.append(piece.data);
    if (piece.ends_message()) return take_whole(client);
    if (client.held.size() <= kHeldBytes) return {};
    client.streaming = true;
    const std::uint64_t seen = piece.offset + piece.data.size();
    if (client.held.size() == seen) {
      upstream.begin_frame(client.opcode, piece.fin, piece.length);
      upstream.append(client.held);
    } else {
      // Several small frames were held: they become one, and what is left of this one another.
      upstream.begin_frame(client.opcode, false, client.held.size());
      upstream.append(client.held);
      if (!piece.ends_frame())
        upstream.begin_frame(net::Opcode::continuation, piece.fin, piece.length - seen);
    }
    client.held = {};
  }
  const std::string& method = client.scanner.method();
  if (guard_of(method) != Guard::none || client.scope != KeyScope::connect)
    return fail(Errc::permission_denied, "a message that must be looked at exceeds " +
                                             std::to_string(kHeldBytes) + " bytes");
  if (piece.ends_message()) {
    ++client.traffic.cdp_commands;
    if (client.logged)
      trace_for(client.session_id)
          ->command(client.number, method, std::string(SessionTrace::kEntryBytesMax + 1, ' '),
                    clock_.wall());
  }
  return {};
}

Result<void> Gateway::take_whole(Client& client) {
  ++client.traffic.cdp_commands;
  const std::string& method = client.scanner.method();
  if (client.logged)
    trace_for(client.session_id)->command(client.number, method, client.held, clock_.wall());
  const Guard guard = guard_of(method);
  const bool allowed = is_allowed(client.scope, method);
  if (guard == Guard::none && allowed) {
    client.upstream->queue(client.opcode, client.held);
    return {};
  }
  const auto message = parse_json(client.held, "message");
  // What is no JSON is the browser's to complain about, unless the key does not let it through.
  if (!message || !message->is_object()) {
    if (!allowed) return fail(Errc::permission_denied, "not a DevTools message");
    client.upstream->queue(client.opcode, client.held);
    return {};
  }
  if (!allowed) {
    client.socket->queue(net::Opcode::text,
                         error_answer(message->get_object(), "this key does not allow " + method));
    client.socket->send_queued();
    return {};
  }
  if (!take_guarded(client, guard, message->get_object()))
    client.upstream->queue(client.opcode, client.held);
  return {};
}

// False: it goes on unchanged.
bool Gateway::take_guarded(Client& client, Guard guard, const json::object& message) {
  if (guard == Guard::download_behaviour) {
    const auto dir = sessions_.downloads_dir(client.session_id);
    if (!dir) return false;
    client.upstream->queue(net::Opcode::text, with_download_dir(message, *dir));
    return true;
  }
  if (guard == Guard::input_files) {
    const auto dir = sessions_.uploads_dir(client.session_id);
    if (!dir) return false;
    client.upstream->queue(net::Opcode::text, with_uploads_dir(message, *dir));
    return true;
  }
  client.socket->queue(net::Opcode::text, empty_answer(message));
  if (client.keep_alive) {
    client.close_text = "Browser.close: the session stays";
    client.socket->close(1000, client.close_text);
  } else {
    client.socket->send_queued();
    scope_.spawn("gateway close", end_session(client.session_id, EndReason::released));
  }
  return true;
}

asio::awaitable<void> Gateway::from_browser(std::shared_ptr<Client> client) {
  Context ctx(clock_, executor_);
  net::WebSocket& upstream = *client->upstream;
  for (;;) {
    const auto piece = upstream.next();
    if (!piece) break;
    if (!*piece) {
      const auto flushed = co_await client->socket->flush(ctx);
      if (!flushed) break;
      const auto received = co_await upstream.receive(ctx);
      if (!received) break;
      continue;
    }
    if ((*piece)->begins_frame())
      client->socket->begin_frame((*piece)->opcode, (*piece)->fin, (*piece)->length);
    client->socket->append((*piece)->data);
    client->traffic.cdp_bytes_received += (*piece)->data.size();
    tap(*client, **piece);
  }
  if (!client->leaving && client->socket->is_open()) co_await tell_end(*client);
  client->browser_done.set();
}

// Small text messages of the browser go into the log as well.
void Gateway::tap(Client& client, const net::FramePiece& piece) {
  if (piece.length > SessionTrace::kEntryBytesMax || !piece.fin) return;
  if (piece.begins_frame()) client.tapped.clear();
  if (piece.begins_frame() && piece.ends_frame()) return log_message(client, piece.data);
  client.tapped.append(piece.data);
  if (piece.ends_frame()) log_message(client, client.tapped);
}

// With several clients every event comes several times: that of the oldest one counts.
void Gateway::log_message(const Client& client, std::string_view text) {
  note_download(client, text);
  if (!client.logged) return;
  if (!SessionTrace::is_wanted(text)) return;
  const auto& clients = client.room->clients;
  const auto oldest = std::ranges::find_if(clients, [](const Client* c) { return c->logged; });
  const bool answer = text.starts_with("{\"id\":");
  if (!answer && (oldest == clients.end() || *oldest != &client)) return;
  trace_for(client.session_id)->message(client.number, text, clock_.wall());
}

// A client may let the browser name files by tokens: this event has the name that the site gave.
void Gateway::note_download(const Client& client, std::string_view text) {
  if (!options_.files || !text.starts_with(R"({"method":"Browser.downloadWillBegin")")) return;
  const auto message = parse_json(text, "event");
  const json::value* params = message ? find(*message, "params") : nullptr;
  if (!params || !params->is_object()) return;
  const auto token = find_string(params->get_object(), "guid");
  const auto name = find_string(params->get_object(), "suggestedFilename");
  if (token && name)
    options_.files->name_download(client.session_id, std::string(*token), std::string(*name));
}

// The browser's side is gone: because the session has ended, or a page was closed, or it broke.
asio::awaitable<void> Gateway::tell_end(Client& client) {
  if (client.upstream->peer_close_code() >= 1000 && client.of_page) {
    client.close_text = "page closed";
    client.socket->close(1000, client.close_text);
    co_return;
  }
  const auto room = client.room;
  Context base(clock_, executor_);
  Context ctx = base.with_timeout(kEndNotice, "session end");
  auto session = sessions_.find(client.session_id);
  if (session && !is_over(*session)) {
    (void)co_await room->changed.wait(ctx);
    session = sessions_.find(client.session_id);
  }
  const bool over = session && is_over(*session);
  client.close_text = over ? end_text(*session) : "the connection to the browser broke";
  client.socket->close(over ? close_code(*session) : 1011, client.close_text);
}

// --- Who is there
void Gateway::admit(Client& client) {
  auto& room = rooms_[client.session_id];
  if (!room) room = std::make_shared<Room>();
  client.room = room;
  client.number = ++last_client_;
  room->clients.push_back(&client);
  ++client_count_;
  if (!client.of_page) sessions_.count(client.session_id, 1, {});
  arm_sweep();
  log_.write({.session = client.session_id},
             {.action = "gateway.connect",
              .status = "ok",
              .details = {{"client", client.number},
                          {"kind", client.of_page ? "page" : "browser"},
                          {"clients", room->clients.size()}}});
}

void Gateway::dismiss(Client& client) {
  const auto room = client.room;
  room->clients.remove(&client);
  --client_count_;
  count(client);
  if (!client.of_page) sessions_.count(client.session_id, -1, {});
  const int code = client.socket->peer_close_code();
  log_.write({.session = client.session_id}, {.action = "gateway.disconnect",
                                              .status = "ok",
                                              .details = {{"client", client.number},
                                                          {"code", code},
                                                          {"reason", client.close_text},
                                                          {"clients", room->clients.size()}}});
  if (!client.of_page && !client.keep_alive && room->browser_clients() == 0 && !stopping_)
    scope_.spawn("gateway leave", leave(client.session_id));
  if (room->clients.empty()) rooms_.erase(client.session_id);
}

asio::awaitable<void> Gateway::leave(std::string session_id) {
  if (options_.leave_grace > Duration::zero()) {
    Context ctx(clock_, executor_);
    (void)co_await sleep_for(ctx, options_.leave_grace);
    const auto room = rooms_.find(session_id);
    if (room != rooms_.end() && room->second->browser_clients() > 0) co_return;
  }
  co_await end_session(session_id, EndReason::client_left);
}

asio::awaitable<void> Gateway::end_session(std::string session_id, EndReason reason) {
  const Context base(clock_, executor_);
  Context ctx = base.with_timeout(kReleaseTimeout, "session release");
  const auto ended = co_await sessions_.end(ctx, session_id, reason);
  if (ended) co_return;
  const Error error = ended.error();
  if (error.code == Errc::not_found) co_return;
  log_.write({.session = session_id}, {.level = observe::Level::warning,
                                       .action = "gateway.release",
                                       .status = "failed",
                                       .error = &error});
}

void Gateway::on_ended(const std::string& session_id) {
  end_recording(session_id);
  const auto found = rooms_.find(session_id);
  if (found == rooms_.end()) return;
  const auto room = found->second;
  room->changed.set();
  const auto session = sessions_.find(session_id);
  for (Client* client : room->clients) {
    if (session) client->close_text = end_text(*session);
    client->socket->close(session ? close_code(*session) : 1001, client->close_text);
  }
}

void Gateway::count(Client& client) {
  const Session::Counters traffic = std::exchange(client.traffic, {});
  if (traffic.cdp_bytes_sent > 0) sessions_.count(client.session_id, 0, traffic);
}

void Gateway::arm_sweep() {
  if (std::exchange(sweep_armed_, true)) return;
  sweep_timer_ = Timer(clock_, clock_.now() + std::min(kSweepEvery, options_.ping_every), [this] {
    sweep_armed_ = false;
    sweep();
  });
}

// Half-open clients are found by what they do not answer.
void Gateway::sweep() {
  const SteadyTime now = clock_.now();
  traces_.trim();
  for (const auto& [id, room] : rooms_)
    for (Client* client : room->clients) {
      count(*client);
      const Duration silence = now - client->socket->heard_at();
      if (silence > options_.silence_max) {
        client->close_text = "client does not answer";
        client->socket->abort();
      } else if (silence >= options_.ping_every) {
        client->socket->ping();
      }
    }
  if (client_count_ > 0) arm_sweep();
}

SessionTrace* Gateway::trace_for(const std::string& session_id) { return &traces_.of(session_id); }

const SessionTrace* Gateway::trace(const std::string& session_id) const {
  return traces_.find(session_id);
}

void Gateway::stop() {
  stopping_ = true;
  for (const auto& [id, room] : rooms_)
    for (Client* client : room->clients) {
      client->close_text = "service is shutting down";
      client->socket->close(1001, client->close_text);
    }
}

Async<void> Gateway::join(Context& ctx) {
  for (const std::string& id : recorder_.recording()) end_recording(id);
  CO_TRY_VOID(co_await recorder_.join(ctx));
  co_return co_await scope_.join(ctx);
}

}  // namespace troupe::api
