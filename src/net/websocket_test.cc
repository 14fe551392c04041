// WebSockets end to end over loopback: our server with our client, and raw bytes against both.
#include "net/websocket.h"

#include <gmock/gmock.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include "net/connect.h"
#include "net/websocket_handshake.h"

namespace troupe::net {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class WebSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    auto handler = [this](Context&, HttpRequest request) {
      return handle(*this, std::move(request));
    };
    auto server = HttpServer::start(io_.get_executor(), *clock_, {}, handler);
    ASSERT_TRUE(server) << server.error().describe();
    server_ = std::move(*server);
  }
  void TearDown() override {
    Context ctx = base().with_timeout(std::chrono::milliseconds(200), "stop");
    EXPECT_TRUE(run(server_->stop(ctx)));
  }

  static asio::awaitable<HttpResponse> handle(WebSocketTest& test, HttpRequest request) {
    HttpResponse response;
    if (request.path == "/echo")
      response.upgrade = [](Context& ctx, WebSocket& socket) { return echo(ctx, socket); };
    if (request.path == "/mute")
      response.upgrade = [&test](Context& ctx, WebSocket& socket) {
        return mute(test, ctx, socket);
      };
    if (request.path == "/pour")
      response.upgrade = [&test](Context& ctx, WebSocket& socket) {
        return pour(test, ctx, socket);
      };
    if (request.path == "/bye")
      response.upgrade = [](Context&, WebSocket& socket) -> asio::awaitable<void> {
        socket.close(4001, "not today");
        co_return;
      };
    co_return response;
  }

  // Sends every piece back as it comes, frame for frame.
  static asio::awaitable<void> echo(Context& ctx, WebSocket& socket) {
    for (;;) {
      const auto piece = socket.next();
      if (!piece) co_return;
      if (!*piece) {
        const auto flushed = co_await socket.flush(ctx);
        const auto received = co_await socket.receive(ctx);
        if (!flushed || !received) co_return;
        continue;
      }
      if ((*piece)->begins_frame())
        socket.begin_frame((*piece)->opcode, (*piece)->fin, (*piece)->length);
      socket.append((*piece)->data);
    }
  }

  static asio::awaitable<void> mute(WebSocketTest& test, Context& ctx, WebSocket& socket) {
    test.there_.set();
    (void)co_await test.go_.wait(ctx);
    const auto message = co_await socket.read(ctx, 1'000);
    test.result_ = message ? message->data : std::string(to_string(message.error().code));
  }

  // Sends as long as the peer takes it, up to 64 MB.
  static asio::awaitable<void> pour(WebSocketTest& test, Context& ctx, WebSocket& socket) {
    const std::string block(32'768, 'z');
    Context limited = ctx.with_timeout(std::chrono::milliseconds(150), "pour");
    for (int i = 0; i < 2'048; ++i) {
      socket.queue(Opcode::binary, block);
      test.most_unsent_ = std::max(test.most_unsent_, socket.unsent_bytes());
      const auto flushed = co_await socket.flush(limited);
      if (!flushed) test.result_ = std::string(to_string(flushed.error().code));
      if (!flushed) co_return;
      ++test.poured_;
    }
  }

  Context base() { return Context(*clock_, io_.get_executor()); }
  std::string url(const std::string& path) const {
    return "ws://127.0.0.1:" + std::to_string(server_->port()) + path;
  }
  Result<std::unique_ptr<WebSocket>> connect(const std::string& path) {
    Context ctx = base().with_timeout(std::chrono::seconds(5), "connect");
    return run(connect_websocket(ctx, url(path), {}));
  }
  Result<WebSocketMessage> read(WebSocket& socket, std::size_t most = std::size_t{64} << 20) {
    Context ctx = base().with_timeout(std::chrono::seconds(20), "read");
    return run(socket.read(ctx, most));
  }
  template <class T>
  Result<T> run(Async<T> work) {
    std::optional<Result<T>> value;
    asio::co_spawn(io_, std::move(work), [&](std::exception_ptr exception, Result<T> result) {
      if (exception) std::rethrow_exception(exception);
      value = std::move(result);
    });
    io_.restart();
    while (!value && io_.run_one_for(std::chrono::seconds(20)) > 0) {
    }
    return value ? std::move(*value) : fail(Errc::timeout, "nothing happened for 20 s");
  }
  // Sends raw bytes and gives all that comes back until the server closes.
  std::string talk(std::string bytes) { return *run(talk_raw(*this, std::move(bytes))); }
  static Async<std::string> talk_raw(WebSocketTest& test, std::string bytes) {
    tcp::socket socket(test.io_);
    const tcp::endpoint endpoint(asio::ip::address_v4::loopback(),
                                 static_cast<unsigned short>(test.server_->port()));
    (void)co_await socket.async_connect(endpoint, kTuple);
    (void)co_await asio::async_write(socket, asio::buffer(bytes), kTuple);
    std::string answer;
    char space[4'096];
    for (;;) {
      const auto got = co_await socket.async_read_some(asio::buffer(space), kTuple);
      if (std::get<0>(got)) break;
      answer.append(space, std::get<1>(got));
    }
    co_return answer;
  }
  static std::string request(const std::string& path, const std::string& headers) {
    return "GET " + path +
           " HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n"
           "Upgrade: websocket\r\n" +
           headers + "\r\n";
  }
  static constexpr const char* kGood =
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  std::unique_ptr<HttpServer> server_;
  Event there_;
  Event go_;
  std::string result_;
  std::size_t most_unsent_ = 0;
  int poured_ = 0;
};

TEST_F(WebSocketTest, CarriesMessagesOfAnySizeBothWays) {
  auto socket = connect("/echo");
  ASSERT_TRUE(socket) << socket.error().describe();

  for (const std::size_t size : {0, 1, 125, 126, 65'535, 65'536, 10 << 20}) {
    const std::string text(size, 'm');
    (*socket)->queue(Opcode::text, text);
    (*socket)->send_queued();
    const auto back = read(**socket);
    ASSERT_TRUE(back) << back.error().describe();
    EXPECT_TRUE(back->text);
    EXPECT_EQ(back->data, text) << size;
  }
}

TEST_F(WebSocketTest, KeepsFragmentsAndBinaryAsTheyAre) {
  auto socket = connect("/echo");
  ASSERT_TRUE(socket);
  (*socket)->begin_frame(Opcode::binary, false, 3);
  (*socket)->append("ab");
  (*socket)->append("c");
  (*socket)->ping();
  (*socket)->begin_frame(Opcode::continuation, true, 2);
  (*socket)->append("de");
  (*socket)->send_queued();

  const auto back = read(**socket);
  ASSERT_TRUE(back);
  EXPECT_FALSE(back->text);
  EXPECT_EQ(back->data, "abcde");
}

TEST_F(WebSocketTest, TakesFramesSentRightBehindTheHandshake) {
  std::string frames;
  const std::array<unsigned char, 4> mask{};
  append_frame_header(frames, Opcode::text, true, 2, &mask);
  frames += "hi";
  append_frame_header(frames, Opcode::close, true, 0, &mask);

  const std::string answer = talk(request("/echo", kGood) + frames);

  EXPECT_THAT(answer, StartsWith("HTTP/1.1 101 Switching Protocols\r\n"));
  EXPECT_THAT(answer, HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
  EXPECT_THAT(answer, HasSubstr("\x81\x02hi"));
}

TEST_F(WebSocketTest, RefusesAHandshakeThatIsNone) {
  EXPECT_THAT(talk(request("/echo", "Sec-WebSocket-Version: 8\r\nConnection: close\r\n")),
              StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(talk(request("/echo", "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n")),
              StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(talk("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 400"));
}

TEST_F(WebSocketTest, ClosesOnGarbageWithCode1002) {
  const std::string answer = talk(request("/echo", kGood) + "\x81\x02hi, unmasked");

  EXPECT_THAT(answer, HasSubstr(std::string("\x03\xea") + "websocket: a client's frame"));
}

TEST_F(WebSocketTest, TellsCodeAndReasonOfTheClose) {
  auto socket = connect("/bye");
  ASSERT_TRUE(socket);

  const auto message = read(**socket);

  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().code, Errc::gone);
  EXPECT_EQ((*socket)->peer_close_code(), 4001);
  EXPECT_EQ((*socket)->peer_close_reason(), "not today");
}

TEST_F(WebSocketTest, RefusesAMessageOverTheLimitBeforeItIsRead) {
  auto socket = connect("/mute");
  ASSERT_TRUE(socket);
  go_.set();
  (*socket)->begin_frame(Opcode::text, true, std::uint64_t{1} << 40);
  (*socket)->append("x");
  (*socket)->send_queued();

  const auto message = read(**socket);

  ASSERT_FALSE(message);
  EXPECT_EQ((*socket)->peer_close_code(), 1009);
  EXPECT_EQ(result_, "payload_too_large");
}

TEST_F(WebSocketTest, WaitsForAPeerThatDoesNotRead) {
  auto socket = connect("/pour");
  ASSERT_TRUE(socket);
  Context ctx = base().with_timeout(std::chrono::milliseconds(400), "nobody reads");
  (void)run(go_.wait(ctx));

  EXPECT_EQ(result_, "timeout");
  EXPECT_LT(poured_, 2'048);
  EXPECT_LT(most_unsent_, WebSocket::kQueueBytes + 2 * 32'768);
}

TEST_F(WebSocketTest, AnAbortedPeerIsANetworkError) {
  auto socket = connect("/mute");
  ASSERT_TRUE(socket);
  (*socket)->abort();
  go_.set();
  Context ctx = base().with_timeout(std::chrono::milliseconds(50), "pause");
  Event never;
  (void)run(never.wait(ctx));

  EXPECT_EQ(result_, "network_error");
  EXPECT_FALSE((*socket)->is_open());
}

TEST_F(WebSocketTest, ACancelledReadEndsTheConnection) {
  auto socket = connect("/mute");
  ASSERT_TRUE(socket);
  Context ctx = base().with_timeout(std::chrono::milliseconds(20), "read");

  const auto message = run((*socket)->read(ctx, 10));

  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().code, Errc::timeout);
  EXPECT_FALSE((*socket)->is_open());
}

TEST_F(WebSocketTest, SaysWithWhichStatusAnUpgradeWasDeclined) {
  const auto socket = connect("/nothing");

  ASSERT_FALSE(socket);
  EXPECT_EQ(socket.error().code, Errc::protocol_error);
  EXPECT_THAT(socket.error().message, HasSubstr("HTTP 200"));
}

}  // namespace
}  // namespace troupe::net
