#include "net/http_server.h"

#include <sys/socket.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <list>

#include "net/byte_stream.h"
#include "net/listen.h"
#include "net/problem.h"
#include "net/request_parser.h"
#include "net/response_head.h"
#include "net/spool.h"
#include "net/websocket.h"
#include "net/websocket_handshake.h"

namespace troupe::net {
namespace {

using tcp = asio::ip::tcp;
constexpr asio::as_tuple_t<asio::use_awaitable_t<>> kToken;
// Connections above the limit that are still read and answered with 503; beyond those, none is.
constexpr std::size_t kRefusedAtOnce = 64;
constexpr std::size_t kLingerBytes = 16 << 20;
constexpr Duration kLingerTime = std::chrono::seconds(2);

class Connection;

// What connections share. Owned by the server and by every connection's coroutine, since a
// coroutine may end after the server.
struct Shared {
  Shared(asio::any_io_executor e, Clock& c, HttpServerOptions o, HttpHandler h)
      : executor(e), clock(&c), options(std::move(o)), handler(std::move(h)), acceptor(e) {}

  void arm_sweep();
  void sweep();
  std::string_view date();
  void cancel_all();
  void close_all();

  asio::any_io_executor executor;
  Clock* clock;
  HttpServerOptions options;
  HttpHandler handler;
  tcp::acceptor acceptor;
  std::list<Connection*> connections;
  Timer sweep_timer;
  bool sweep_armed = false;
  bool accepting = false;
  bool stopping = false;
  Event changed;  // a connection or the acceptor ended
  std::int64_t date_second = -1;
  std::string date_text;
};

HttpResponse error_response(const Error& error, int status) {
  HttpResponse response;
  response.status = status;
  response.content_type = "application/problem+json";
  response.body = json::serialize(problem(error, {}, {}, status));
  return response;
}

class Connection final : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Shared> shared, tcp::socket socket, bool refused)
      : shared_(std::move(shared)),
        socket_(std::move(socket)),
        parser_({.header_bytes_max = static_cast<std::size_t>(shared_->options.header_bytes_max),
                 .body_bytes_max = static_cast<std::uint64_t>(shared_->options.body_bytes_max),
                 .upload_bytes_max = static_cast<std::uint64_t>(shared_->options.upload_bytes_max),
                 .is_upload = shared_->options.is_upload,
                 .upload_folder = shared_->options.upload_folder}),
        refused_(refused) {
    place_ = shared_->connections.insert(shared_->connections.end(), this);
    boost::system::error_code error;
    const auto remote = socket_.remote_endpoint(error);
    if (!error) remote_address_ = remote.address().to_string();
    socket_.set_option(tcp::no_delay(true), error);
  }
  ~Connection() { shared_->connections.erase(place_); }

  asio::awaitable<void> run();
  /// Called by the sweep: ends what took too long, watches long requests for a client that left.
  void sweep(SteadyTime now);
  void close();
  void close_if_idle();
  void cancel(const Error& reason) { cancel_.cancel(reason); }

 private:
  friend class ChunkWriter;
  enum class Phase { idle, reading, handling, writing, lingering, upgraded };

  asio::awaitable<bool> read_request();
  asio::awaitable<bool> read_more();
  asio::awaitable<bool> answer();
  asio::awaitable<HttpResponse> call_handler(Context& ctx, HttpRequest request);
  asio::awaitable<bool> send_whole(HttpResponse response, bool keep);
  asio::awaitable<bool> send_stream(HttpResponse response, bool keep);
  asio::awaitable<bool> send(std::string_view head, std::string_view body = {});
  asio::awaitable<void> upgrade(HttpResponse response, std::string head);
  asio::awaitable<void> refuse(int status, Error error);
  asio::awaitable<void> linger();
  void enter(Phase phase, Duration limit);
  void watch();
  void end_watch();
  void client_readable(std::uint64_t request);
  Context request_context() const;

  std::shared_ptr<Shared> shared_;
  tcp::socket socket_;
  RequestParser parser_;
  boost::beast::flat_buffer buffer_;
  std::string out_;
  std::string remote_address_;
  std::list<Connection*>::iterator place_;
  Phase phase_ = Phase::idle;
  SteadyTime deadline_ = SteadyTime::max();
  WebSocket* websocket_ = nullptr;  // while upgraded: it has the socket
  CancelSource cancel_;             // of the request that is being handled
  std::uint64_t request_ = 0;
  bool refused_ = false;
  bool timed_out_ = false;
  bool watching_ = false;
  bool seen_by_sweep_ = false;
};

class ChunkWriter final : public BodyWriter {
 public:
  explicit ChunkWriter(Connection& connection, bool chunked)
      : connection_(connection), chunked_(chunked) {}

  Async<void> write(Context& ctx, std::string piece) override {
    CO_TRY_VOID(ctx.check());
    if (piece.empty()) co_return Result<void>{};
    std::string head;
    if (chunked_) {
      char digits[24];
      head.assign(digits, static_cast<std::size_t>(
                              std::snprintf(digits, sizeof digits, "%zx\r\n", piece.size())));
      piece += "\r\n";
    }
    auto& source = ctx.cancel_source();
    const auto registration = source.on_cancel([this] { connection_.close(); });
    const bool sent = co_await connection_.send(head, piece);
    if (sent) co_return Result<void>{};
    CO_TRY_VOID(ctx.check());
    co_return fail(Errc::network_error, "client: disconnected");
  }

 private:
  Connection& connection_;
  bool chunked_;
};

// --- Shared

// One timer for all connections: a request sets a time point, which costs nothing, and this looks
// at them often enough.
void Shared::arm_sweep() {
  if (sweep_armed || connections.empty()) return;
  sweep_armed = true;
  const Duration shortest = std::min({options.header_timeout, options.body_timeout,
                                      options.idle_timeout, options.handler_timeout});
  const Duration period = std::clamp<Duration>(shortest / 8, std::chrono::milliseconds(5),
                                               std::chrono::milliseconds(500));
  sweep_timer = Timer(*clock, clock->now() + period, [this] {
    sweep_armed = false;
    sweep();
  });
}

void Shared::sweep() {
  const SteadyTime now = clock->now();
  for (auto it = connections.begin(); it != connections.end();) {
    Connection* connection = *it++;
    connection->sweep(now);
  }
  arm_sweep();
}

std::string_view Shared::date() {
  const WallTime now = clock->wall();
  const auto second = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  if (second != date_second) {
    date_second = second;
    date_text = http_date(now);
  }
  return date_text;
}

void Shared::cancel_all() {
  const Error reason = fail(Errc::draining, "server: is shutting down");
  for (auto* connection : std::list(connections)) connection->cancel(reason);
}

void Shared::close_all() {
  boost::system::error_code ignored;
  acceptor.close(ignored);
  for (auto* connection : connections) connection->close();
}

// --- Connection

void Connection::enter(Phase phase, Duration limit) {
  phase_ = phase;
  seen_by_sweep_ = false;
  deadline_ = shared_->clock->now() + limit;
}

void Connection::close() {
  if (websocket_) websocket_->abort();
  boost::system::error_code ignored;
  socket_.close(ignored);
}

void Connection::close_if_idle() {
  if (phase_ == Phase::idle || phase_ == Phase::lingering) close();
}

void Connection::sweep(SteadyTime now) {
  if (phase_ == Phase::handling) {
    if (seen_by_sweep_) watch();
    seen_by_sweep_ = true;
    return;
  }
  if (phase_ == Phase::upgraded) return;
  if (now < deadline_) return;
  timed_out_ = true;
  boost::system::error_code ignored;
  if (phase_ == Phase::reading || phase_ == Phase::idle) {
    socket_.cancel(ignored);
  } else {
    close();
  }
}

// The wait consumes nothing: a pipelined request stays where it is.
void Connection::watch() {
  if (watching_ || !socket_.is_open()) return;
  watching_ = true;
  auto self = shared_from_this();
  socket_.async_wait(tcp::socket::wait_read,
                     [self, request = request_](boost::system::error_code error) {
                       if (!error) self->client_readable(request);
                     });
}

void Connection::client_readable(std::uint64_t request) {
  if (!watching_ || request != request_ || !socket_.is_open()) return;
  char byte = 0;
  const auto size = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR))) return;
  cancel_.cancel(fail(Errc::cancelled, "request: the client disconnected"));
}

void Connection::end_watch() {
  if (!watching_) return;
  watching_ = false;
  boost::system::error_code ignored;
  socket_.cancel(ignored);
}

asio::awaitable<void> Connection::run() {
  enter(Phase::idle, shared_->options.header_timeout);
  shared_->arm_sweep();
  bool lingering = false;
  while (socket_.is_open()) {
    const bool ready = co_await read_request();
    lingering = parser_.state() == RequestParser::State::refused;
    if (!ready) break;
    const bool again = co_await answer();
    lingering = !again;
    if (!again) break;
    enter(Phase::idle, shared_->options.idle_timeout);
    if (shared_->stopping && buffer_.size() == 0) break;
  }
  if (lingering || timed_out_) co_await linger();
  close();
}

asio::awaitable<bool> Connection::read_request() {
  using State = RequestParser::State;
  parser_.reset();
  bool continued = false;
  for (;;) {
    const std::string_view bytes(static_cast<const char*>(buffer_.data().data()), buffer_.size());
    const State before = parser_.state();
    buffer_.consume(parser_.feed(bytes));
    const State state = parser_.state();
    if (state == State::complete) co_return true;
    if (state == State::refused) {
      co_await refuse(parser_.refusal().status, parser_.refusal().error);
      co_return false;
    }
    if (phase_ == Phase::idle && !bytes.empty())
      enter(Phase::reading, shared_->options.header_timeout);
    if (before == State::header && state == State::body)
      enter(Phase::reading, shared_->options.body_timeout);
    if (state == State::body && parser_.expects_continue() && !std::exchange(continued, true)) {
      const SteadyTime deadline = deadline_;
      const bool sent = co_await send("HTTP/1.1 100 Continue\r\n\r\n");
      if (!sent) co_return false;
      phase_ = Phase::reading;
      deadline_ = deadline;
    }
    const bool more = co_await read_more();
    if (!more) co_return false;
  }
}

asio::awaitable<bool> Connection::read_more() {
  const bool body = parser_.state() == RequestParser::State::body;
  const auto space = buffer_.prepare(body ? 64 << 10 : 4 << 10);
  const auto result = co_await socket_.async_read_some(space, kToken);
  const auto& [error, size] = result;
  if (!error && !timed_out_) {
    buffer_.commit(size);
    co_return true;
  }
  if (timed_out_ && phase_ == Phase::reading) {
    const Error slow = fail(Errc::timeout, "request: did not arrive in time");
    co_await refuse(408, slow);
  } else {
    timed_out_ = false;  // an idle connection ends without a word
  }
  co_return false;
}

Context Connection::request_context() const {
  return Context(*shared_->clock, shared_->executor).with_cancel(cancel_);
}

asio::awaitable<bool> Connection::answer() {
  if (refused_) {
    const Error busy =
        fail(Errc::unavailable, "server: " + std::to_string(shared_->options.connections_max) +
                                    " connections are open, no more are served");
    co_await refuse(503, busy);
    co_return false;
  }
  enter(Phase::handling, Duration::zero());
  ++request_;
  cancel_ = CancelSource();
  HttpRequest request = parser_.take();
  request.remote_address = remote_address_;
  Context ctx = request_context().with_timeout(shared_->options.handler_timeout, "request");
  HttpRequest handshake;
  if (wants_websocket(request)) handshake = {.method = request.method, .headers = request.headers};
  HttpResponse response = co_await call_handler(ctx, std::move(request));
  end_watch();
  if (response.upgrade) {
    const auto checked = check_handshake(handshake);
    if (checked) {
      std::string head = handshake_answer(handshake, response.headers);
      co_await upgrade(std::move(response), std::move(head));
      co_return false;
    }
    response = error_response(checked.error(), 400);
    co_return co_await send_whole(std::move(response), false);
  }
  const bool keep = parser_.keep_alive() && !shared_->stopping;
  if (response.stream && !has_no_body(response.status))
    co_return co_await send_stream(std::move(response), keep);
  co_return co_await send_whole(std::move(response), keep);
}

asio::awaitable<HttpResponse> Connection::call_handler(Context& ctx, HttpRequest request) {
  std::string bug;
  try {
    co_return co_await shared_->handler(ctx, std::move(request));
  } catch (const std::exception& exception) {
    bug = exception.what();
  }
  co_return error_response(fail(Errc::internal, "request handler: " + bug), 500);
}

asio::awaitable<bool> Connection::send_whole(HttpResponse response, bool keep) {
  Framing framing{.version = parser_.version(), .keep_alive = keep};
  framing.content_length = response.body.size();
  out_.clear();
  append_head(out_, response, framing, shared_->date());
  std::string_view body = response.body;
  if (parser_.is_head() || has_no_body(response.status)) body = {};
  const bool sent = co_await send(out_, body);
  co_return sent&& keep;
}

asio::awaitable<bool> Connection::send_stream(HttpResponse response, bool keep) {
  const bool chunked = parser_.version() == 11;
  keep = keep && chunked;
  out_.clear();
  append_head(out_, response, {.version = parser_.version(), .keep_alive = keep}, shared_->date());
  const bool started = co_await send(out_);
  if (!started) co_return false;
  if (parser_.is_head()) co_return keep;
  phase_ = Phase::handling;
  watch();
  Context ctx = request_context();
  ChunkWriter writer(*this, chunked);
  bool broken = false;
  try {
    co_await response.stream(ctx, writer);
  } catch (const std::exception&) {
    broken = true;  // the status is out already: an unfinished body is all that can be said
  }
  end_watch();
  if (broken || cancel_.is_cancelled() || !socket_.is_open()) {
    close();
    co_return false;
  }
  if (!chunked) co_return false;
  const bool ended = co_await send("0\r\n\r\n");
  co_return ended&& keep && !shared_->stopping;
}

// The WebSocket takes the socket, and what the client sent right behind its request.
asio::awaitable<void> Connection::upgrade(HttpResponse response, std::string head) {
  const bool sent = co_await send(head);
  if (!sent) co_return;
  phase_ = Phase::upgraded;
  const auto rest = buffer_.data();
  std::string early(static_cast<const char*>(rest.data()), rest.size());
  buffer_.clear();
  buffer_.shrink_to_fit();
  WebSocket websocket(shared_->executor, *shared_->clock, make_byte_stream(std::move(socket_)),
                      WebSocketRole::server, std::move(early));
  websocket_ = &websocket;
  Context ctx = request_context();
  bool broken = false;
  try {
    co_await response.upgrade(ctx, websocket);
  } catch (const std::exception&) {
    broken = true;
  }
  if (websocket.is_open()) websocket.close(broken ? 1011 : 1000, {});
  // The peer's close frame is still to come; the wait for it is limited.
  Context unbounded(*shared_->clock, shared_->executor);
  while (websocket.next()) {
    const auto received = co_await websocket.receive(unbounded);
    if (!received) break;
  }
  (void)co_await websocket.ended(unbounded);
  websocket_ = nullptr;
}

asio::awaitable<bool> Connection::send(std::string_view head, std::string_view body) {
  const Phase before = phase_;
  while (!head.empty() || !body.empty()) {
    enter(Phase::writing, shared_->options.body_timeout);
    const std::array<asio::const_buffer, 2> buffers{asio::buffer(head), asio::buffer(body)};
    const auto result = co_await socket_.async_write_some(buffers, kToken);
    const auto& [error, size] = result;
    if (error) {
      close();
      co_return false;
    }
    const std::size_t of_head = std::min(size, head.size());
    head.remove_prefix(of_head);
    body.remove_prefix(size - of_head);
  }
  phase_ = before;
  co_return true;
}

asio::awaitable<void> Connection::refuse(int status, Error error) {
  HttpResponse response = error_response(error, status);
  if (status == 503) response.headers.emplace_back("Retry-After", "1");
  (void)co_await send_whole(std::move(response), false);
}

// Closing while the client still sends would reset the connection, and the client could lose the
// answer.
asio::awaitable<void> Connection::linger() {
  boost::system::error_code error;
  socket_.shutdown(tcp::socket::shutdown_send, error);
  if (error) co_return;
  enter(Phase::lingering, kLingerTime);
  if (shared_->stopping) deadline_ = shared_->clock->now();
  std::size_t total = 0;
  buffer_.clear();
  while (total < kLingerBytes) {
    const auto space = buffer_.prepare(16 << 10);
    const auto result = co_await socket_.async_read_some(space, kToken);
    if (std::get<0>(result)) co_return;
    total += std::get<1>(result);
  }
}

asio::awaitable<void> accept_loop(std::shared_ptr<Shared> shared) {
  while (shared->acceptor.is_open()) {
    auto result = co_await shared->acceptor.async_accept(kToken);
    auto& [error, socket] = result;
    if (error == asio::error::operation_aborted || !shared->acceptor.is_open()) co_return;
    if (error) {
      // Out of descriptors, or the client left already: wait for better times.
      Context ctx(*shared->clock, shared->executor);
      const Duration pause = std::chrono::milliseconds(50);
      (void)co_await sleep_for(ctx, pause);
      continue;
    }
    const std::size_t open = shared->connections.size();
    const auto limit = static_cast<std::size_t>(shared->options.connections_max);
    if (open >= limit + kRefusedAtOnce) continue;
    auto connection = std::make_shared<Connection>(shared, std::move(socket), open >= limit);
    auto* raw = connection.get();
    asio::co_spawn(shared->executor, raw->run(),
                   [connection, shared](std::exception_ptr exception) mutable {
                     if (exception) die_of_bug("http connection", exception);
                     connection.reset();
                     shared->changed.pulse();
                   });
  }
}

// --- The server

class BeastServer final : public HttpServer {
 public:
  explicit BeastServer(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {
    port_ = shared_->acceptor.local_endpoint().port();
    shared_->accepting = true;
    asio::co_spawn(shared_->executor, accept_loop(shared_),
                   [shared = shared_](std::exception_ptr exception) {
                     if (exception) die_of_bug("http acceptor", exception);
                     shared->accepting = false;
                     shared->changed.pulse();
                   });
  }

  ~BeastServer() override {
    shared_->stopping = true;
    shared_->sweep_timer.reset();
    shared_->sweep_armed = true;  // never again: the clock may end before the connections
    shared_->cancel_all();
    shared_->close_all();
  }

  int port() const override { return port_; }

  Async<void> stop(Context& ctx) override {
    shared_->stopping = true;
    boost::system::error_code ignored;
    shared_->acceptor.close(ignored);
    for (auto* connection : shared_->connections) connection->close_if_idle();
    const Result<void> drained = co_await all_ended(ctx);
    if (drained) co_return Result<void>{};
    shared_->cancel_all();
    Context grace = ctx.for_cleanup(std::chrono::seconds(1), "http server: cancelled requests");
    const Result<void> cancelled = co_await all_ended(grace);
    if (cancelled) co_return Result<void>{};
    shared_->close_all();
    Context last = ctx.for_cleanup(std::chrono::seconds(5), "http server: closing connections");
    co_return co_await all_ended(last);
  }

 private:
  Async<void> all_ended(Context& ctx) {
    while (shared_->accepting || !shared_->connections.empty())
      CO_TRY_VOID(co_await shared_->changed.wait(ctx));
    co_return Result<void>{};
  }

  std::shared_ptr<Shared> shared_;
  int port_ = 0;
};

}  // namespace

Result<std::string_view> HttpRequest::content() const {
  if (spool) return spool->view();
  return std::string_view(body);
}

std::string_view HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

const std::string* HttpRequest::query_value(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (key == name) return &value;
  return nullptr;
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(asio::any_io_executor executor, Clock& clock,
                                                      HttpServerOptions options,
                                                      HttpHandler handler) {
  auto shared = std::make_shared<Shared>(executor, clock, std::move(options), std::move(handler));
  TRY_VOID(listen(shared->acceptor, shared->options.host, shared->options.port));
  return std::unique_ptr<HttpServer>(std::make_unique<BeastServer>(std::move(shared)));
}

}  // namespace troupe::net
