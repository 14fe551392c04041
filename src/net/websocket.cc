#include "net/websocket.h"

#include <openssl/rand.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstring>

#include "net/byte_stream.h"

namespace troupe::net {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10;
constexpr std::size_t kKeptBytes = std::size_t{64} << 10;
constexpr Duration kCloseTime = std::chrono::seconds(2);
// Answers to pings that a peer sends without ever reading.
constexpr std::size_t kControlBytesMax = std::size_t{256} << 10;

Error closed_error(int code, const std::string& reason) {
  std::string text = "websocket: closed by the peer with code " + std::to_string(code);
  if (!reason.empty()) text += ": " + reason;
  return fail(Errc::gone, std::move(text));
}

}  // namespace

struct WebSocket::State final : std::enable_shared_from_this<State> {
  State(asio::any_io_executor e, Clock& c, std::unique_ptr<ByteStream> s, WebSocketRole r)
      : executor(std::move(e)),
        clock(&c),
        stream(std::move(s)),
        role(r),
        parser(r),
        heard(c.now()),
        closer(executor) {}

  std::size_t unsent() const { return out.size() + sending.size() - sent; }
  void shut(Error reason);
  void begin_frame(Opcode opcode, bool fin, std::uint64_t length);
  void append(std::string_view payload);
  void end_frame();
  void whole_frame(std::string& where, Opcode opcode, std::string_view payload);
  void control(Opcode opcode, std::string_view payload);
  void send_queued();
  void on_closed_by_peer(std::string_view payload);
  Result<bool> take_control(const FramePiece& piece);
  void start_close(int code, std::string_view reason, bool wait_for_peer);
  static asio::awaitable<void> write_rest(std::shared_ptr<State> state);
  void end_if_closed();

  asio::any_io_executor executor;
  Clock* clock;
  std::unique_ptr<ByteStream> stream;
  WebSocketRole role;
  FrameParser parser;
  ReadBuffer in;
  std::span<char> unread;
  SteadyTime heard;
  // The peer's moment to answer a close frame. Not one of the clock's timers: the rest of a
  // connection may outlive the clock by the end of the event loop.
  asio::steady_timer closer;
  bool waits_for_peer = false;

  std::string out;      // queued
  std::string sending;  // being written by write_rest()
  std::size_t sent = 0;
  std::string controls;     // control frames that wait for the end of a data frame
  std::string deferred;     // messages that wait for the end of another one
  bool in_message = false;  // between begin_frame() and the end of the message
  bool frame_fin = true;
  std::uint64_t frame_left = 0;  // payload bytes of the frame that append() is filling
  std::array<unsigned char, 4> mask{};
  std::uint64_t mask_offset = 0;

  bool writing = false;
  bool closing = false;
  int peer_code = 0;
  std::string peer_reason;
  std::optional<Error> failure;  // set: the connection has ended
  Event drained;                 // pulsed when something was written, and at the end
  Event peer_closed;
  Event ended;
};

void WebSocket::State::shut(Error reason) {
  if (failure) return;
  failure = std::move(reason);
  stream->close();
  closer.cancel();
  peer_closed.set();
  drained.pulse();
  ended.set();
}

void WebSocket::State::begin_frame(Opcode opcode, bool fin, std::uint64_t length) {
  const bool masked = role == WebSocketRole::client;
  if (masked) RAND_bytes(mask.data(), static_cast<int>(mask.size()));
  append_frame_header(out, opcode, fin, length, masked ? &mask : nullptr);
  mask_offset = 0;
  frame_left = length;
  frame_fin = fin;
  in_message = true;
  if (length == 0) end_frame();
}

void WebSocket::State::end_frame() {
  if (!controls.empty()) out += std::exchange(controls, {});
  in_message = !frame_fin;
  if (!in_message && !deferred.empty()) out += std::exchange(deferred, {});
}

void WebSocket::State::append(std::string_view payload) {
  const std::size_t begin = out.size();
  out.append(payload);
  if (role == WebSocketRole::client) apply_mask(std::span(out).subspan(begin), mask, mask_offset);
  mask_offset += payload.size();
  frame_left -= payload.size();
  if (frame_left == 0 && !payload.empty()) end_frame();
}

// A whole frame: a control frame may stand between frames, a message only between messages.
void WebSocket::State::whole_frame(std::string& where, Opcode opcode, std::string_view payload) {
  std::array<unsigned char, 4> key{};
  const bool masked = role == WebSocketRole::client;
  if (masked) RAND_bytes(key.data(), static_cast<int>(key.size()));
  append_frame_header(where, opcode, true, payload.size(), masked ? &key : nullptr);
  const std::size_t begin = where.size();
  where.append(payload);
  if (masked) apply_mask(std::span(where).subspan(begin), key, 0);
}

void WebSocket::State::control(Opcode opcode, std::string_view payload) {
  whole_frame(frame_left > 0 ? controls : out, opcode, payload);
}

void WebSocket::State::send_queued() {
  if (writing || failure || out.empty()) return;
  boost::system::error_code error;
  const std::size_t size = stream->write_now(out, error);
  if (error) return shut(network_failure(error, "websocket"));
  if (size == out.size()) {
    out.clear();
    if (out.capacity() > kKeptBytes) out.shrink_to_fit();
    return;
  }
  sending = std::exchange(out, {});
  sent = size;
  writing = true;
  asio::co_spawn(executor, write_rest(shared_from_this()), [](std::exception_ptr exception) {
    if (exception) die_of_bug("websocket writer", exception);
  });
}

asio::awaitable<void> WebSocket::State::write_rest(std::shared_ptr<State> state) {
  while (!state->failure && (state->sent < state->sending.size() || !state->out.empty())) {
    if (state->sent == state->sending.size()) {
      state->sending = std::exchange(state->out, {});
      state->sent = 0;
    }
    const auto rest = std::string_view(state->sending).substr(state->sent);
    boost::system::error_code error;
    const std::size_t size = co_await state->stream->write(rest, error);
    state->sent += size;
    if (error) state->shut(network_failure(error, "websocket"));
    state->drained.pulse();
  }
  state->sending = {};
  state->sent = 0;
  state->writing = false;
  state->drained.pulse();
  state->end_if_closed();
}

// After the close frame went out the peer has a moment to answer it.
void WebSocket::State::end_if_closed() {
  if (!closing || failure || unsent() > 0 || (waits_for_peer && !peer_closed.is_set())) return;
  shut(fail(Errc::gone, "websocket: closed"));
}

void WebSocket::State::start_close(int code, std::string_view reason, bool wait_for_peer) {
  if (closing || failure) return;
  closing = true;
  // In the middle of a frame there is no way to say anything.
  if (frame_left > 0) return shut(fail(Errc::gone, "websocket: closed inside a message"));
  control(Opcode::close, code == 1005 ? std::string() : close_payload(code, reason));
  send_queued();
  waits_for_peer = wait_for_peer;
  asio::post(executor, [self = shared_from_this()] { self->end_if_closed(); });
  closer.expires_after(kCloseTime);
  closer.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->shut(fail(Errc::gone, "websocket: closed"));
  });
}

void WebSocket::State::on_closed_by_peer(std::string_view payload) {
  const auto parsed = parse_close_payload(payload);
  peer_code = parsed ? parsed->first : 1002;
  if (parsed) peer_reason = parsed->second;
  peer_closed.set();
  start_close(peer_code, peer_reason, false);
  end_if_closed();
}

// True for a control frame, which is dealt with here.
Result<bool> WebSocket::State::take_control(const FramePiece& piece) {
  if (piece.opcode == Opcode::close) {
    on_closed_by_peer(piece.data);
    return closed_error(peer_code, peer_reason);
  }
  if (piece.opcode == Opcode::ping && !closing) {
    if (unsent() + controls.size() > kControlBytesMax) {
      const Error flood = fail(Errc::protocol_error, "websocket: pings without reading");
      shut(flood);
      return flood;
    }
    control(Opcode::pong, piece.data);
    send_queued();
  }
  return piece.opcode == Opcode::ping || piece.opcode == Opcode::pong;
}

WebSocket::WebSocket(asio::any_io_executor executor, Clock& clock,
                     std::unique_ptr<ByteStream> stream, WebSocketRole role, std::string early)
    : state_(std::make_shared<State>(std::move(executor), clock, std::move(stream), role)) {
  if (early.empty()) return;
  state_->in.bytes.reset(new char[early.size()]);
  std::memcpy(state_->in.bytes.get(), early.data(), early.size());
  state_->unread = {state_->in.bytes.get(), early.size()};
}

WebSocket::~WebSocket() {
  if (!state_->closing) abort();
}

Async<void> WebSocket::receive(Context& ctx) {
  const auto state = state_;
  if (state->failure) co_return *state->failure;
  if (!state->unread.empty()) co_return Result<void>{};
  boost::system::error_code error;
  {
    const Interruption interruption(
        ctx, [&state] { state->shut(fail(Errc::cancelled, "websocket: interrupted")); });
    error = co_await state->stream->read(state->in, kReadBytes);
    if (interruption.happened()) co_return interruption.explain(error, "websocket");
  }
  state->heard = state->clock->now();
  if (error) {
    state->shut(network_failure(error, "websocket"));
    co_return *state->failure;
  }
  state->unread = {state->in.bytes.get(), state->in.size};
  co_return Result<void>{};
}

Result<std::optional<FramePiece>> WebSocket::next() {
  State& state = *state_;
  for (;;) {
    if (state.failure) return *state.failure;
    if (state.peer_closed.is_set()) return closed_error(state.peer_code, state.peer_reason);
    auto piece = state.parser.next(state.unread);
    if (!piece) {
      state.start_close(1002, piece.error().message, false);
      state.peer_closed.set();
      return piece.error();
    }
    if (!*piece) {
      state.in.bytes.reset();
      state.unread = {};
      return *piece;
    }
    TRY(const bool was_control, state.take_control(**piece));
    if (!was_control && !state.closing) return *piece;
  }
}

Async<WebSocketMessage> WebSocket::read(Context& ctx, std::size_t bytes_max) {
  WebSocketMessage message;
  for (;;) {
    CO_TRY(const auto piece, next());
    if (!piece) {
      CO_TRY_VOID(co_await receive(ctx));
      continue;
    }
    if (piece->opcode != Opcode::continuation) message.text = piece->opcode == Opcode::text;
    if (message.data.size() + piece->length - piece->offset > bytes_max) {
      close(1009, "message too big");
      co_return fail(Errc::payload_too_large,
                     "websocket: a message exceeds " + std::to_string(bytes_max) + " bytes");
    }
    message.data.append(piece->data);
    if (piece->ends_message()) co_return std::move(message);
  }
}

void WebSocket::begin_frame(Opcode opcode, bool fin, std::uint64_t length) {
  if (is_open()) state_->begin_frame(opcode, fin, length);
}

void WebSocket::append(std::string_view payload) {
  if (is_open()) state_->append(payload);
}

void WebSocket::queue(Opcode opcode, std::string_view payload) {
  if (is_open())
    state_->whole_frame(state_->in_message ? state_->deferred : state_->out, opcode, payload);
}

void WebSocket::send_queued() { state_->send_queued(); }

Async<void> WebSocket::flush(Context& ctx) {
  const auto state = state_;
  state->send_queued();
  while (!state->failure && state->unsent() > kQueueBytes)
    CO_TRY_VOID(co_await state->drained.wait(ctx));
  if (state->failure) co_return *state->failure;
  co_return Result<void>{};
}

std::size_t WebSocket::unsent_bytes() const { return state_->unsent(); }

void WebSocket::ping() {
  if (!is_open()) return;
  state_->control(Opcode::ping, {});
  state_->send_queued();
}

SteadyTime WebSocket::heard_at() const { return state_->heard; }
void WebSocket::close(int code, std::string_view reason) {
  state_->start_close(code, reason, true);
}
void WebSocket::abort() { state_->shut(fail(Errc::gone, "websocket: aborted")); }
bool WebSocket::is_open() const {
  return !state_->failure && !state_->closing && !state_->peer_closed.is_set();
}
Async<void> WebSocket::ended(Context& ctx) {
  const auto state = state_;
  co_return co_await state->ended.wait(ctx);
}
int WebSocket::peer_close_code() const { return state_->peer_code; }
const std::string& WebSocket::peer_close_reason() const { return state_->peer_reason; }

}  // namespace troupe::net
