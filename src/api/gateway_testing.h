// For the tests of the gateway: sessions as mocks, a scripted browser behind them, and clients.
// Tests only.
#pragma once

#include "api/testing.h"
#include "net/websocket.h"

namespace troupe::api {

class GatewayTest : public ApiTest {
 protected:
  static constexpr const char* kId = "3f2b9a52-5f0a-4d34-9a0f-7b2f1d3c4e5f";

  void SetUp() override {
    session_.id = kId;
    session_.state = SessionState::running;
    session_.expires_at = clock_->wall() + std::chrono::hours(1);
    auto handler = [this](Context&, net::HttpRequest request) {
      return browse(*this, std::move(request));
    };
    auto browser = net::HttpServer::start(io_.get_executor(), *clock_, {}, handler);
    ASSERT_TRUE(browser);
    browser_ = std::move(*browser);
    using testing::_;
    using testing::Return;
    ON_CALL(sessions_, find(_)).WillByDefault([this](const std::string& id) -> Result<Session> {
      if (id != kId) return fail(Errc::not_found, "session " + id + ": not known here");
      return session_;
    });
    ON_CALL(sessions_, spec(_)).WillByDefault([this](const std::string&) {
      return Result<SessionSpec>(spec_);
    });
    ON_CALL(sessions_, downloads_dir(_)).WillByDefault(Return(std::string("/data/downloads/s")));
    ON_CALL(sessions_, uploads_dir(_)).WillByDefault(Return(std::string("/data/uploads/s")));
    ON_CALL(sessions_, endpoint(_, _)).WillByDefault([this](Context&, std::string) {
      return endpoint(*this);
    });
    ON_CALL(sessions_, count(_, _, _))
        .WillByDefault([this](const std::string&, int change, const Session::Counters& more) {
          clients_ += change;
          commands_ += more.cdp_commands;
        });
    ON_CALL(sessions_, on_created(_))
        .WillByDefault([this](std::function<void(const std::string&)> listener) {
          created_ = std::move(listener);
          return std::shared_ptr<void>();
        });
    ON_CALL(sessions_, on_ended(_))
        .WillByDefault([this](std::function<void(const std::string&)> listener) {
          ended_ = std::move(listener);
          return std::shared_ptr<void>();
        });
    ON_CALL(sessions_, end(_, _, _)).WillByDefault([this](Context&, std::string, EndReason reason) {
      return end(*this, reason);
    });
    start();
  }
  void TearDown() override {
    ApiTest::TearDown();
    Context ctx = base().with_timeout(std::chrono::seconds(3), "stop");
    EXPECT_TRUE(run(browser_->stop(ctx)));
  }

  // Answers each command with its own text; what is not JSON comes back as it is.
  static asio::awaitable<net::HttpResponse> browse(GatewayTest& test, net::HttpRequest request) {
    test.paths_.push_back(request.path);
    net::HttpResponse response;
    response.upgrade = [&test](Context& ctx, net::WebSocket& socket) {
      return talk(test, ctx, socket);
    };
    co_return response;
  }
  static asio::awaitable<void> talk(GatewayTest& test, Context& ctx, net::WebSocket& socket) {
    test.sockets_.push_back(&socket);
    ++test.connected_;
    test.changed_.pulse();
    for (;;) {
      if (test.deaf_) (void)co_await test.never_.wait(ctx);
      auto message = co_await socket.read(ctx, std::size_t{64} << 20);
      if (!message) break;
      test.received_.push_back(message->data);
      test.changed_.pulse();
      if (test.script_) {
        const auto parsed = parse_json(message->data, "message");
        const std::string answer = parsed ? test.script_(parsed->as_object()) : "";
        if (!answer.empty()) socket.queue(net::Opcode::text, answer);
        socket.send_queued();
        continue;
      }
      socket.queue(message->text ? net::Opcode::text : net::Opcode::binary, message->data);
      const auto flushed = co_await socket.flush(ctx);
      if (!flushed) break;
    }
    std::erase(test.sockets_, &socket);
    --test.connected_;
    test.changed_.pulse();
  }
  static Async<std::string> endpoint(GatewayTest& test) {
    co_return "ws://127.0.0.1:" + std::to_string(test.browser_->port()) + "/devtools/browser/b";
  }
  static Async<void> end(GatewayTest& test, EndReason reason) {
    test.ends_.push_back(reason);
    test.session_.state = SessionState::ended;
    test.session_.end_reason = reason;
    test.ended_(kId);
    test.changed_.pulse();
    co_return Result<void>{};
  }

  static asio::awaitable<net::HttpResponse> upgrade(Gateway& gateway, Context& ctx,
                                                    net::HttpRequest request) {
    auto response = co_await gateway.connect(ctx, request);
    if (response) co_return std::move(*response);
    co_return net::HttpResponse{.status = traits(response.error().code).http_status};
  }
  Context base() { return Context(*clock_, io_.get_executor()); }
  std::string url() const { return "ws://127.0.0.1:" + std::to_string(server_->port()); }
  std::string key() { return server_->gateway().signing_key(session_); }
  std::string key(KeyScope scope) {
    return server_->gateway().keys().sign({kId, scope, session_.expires_at});
  }
  Result<std::unique_ptr<net::WebSocket>> dial(const std::string& target,
                                               net::Headers headers = {}) {
    Context ctx = base().with_timeout(std::chrono::seconds(10), "dial");
    net::WebSocketConnectOptions options{.headers = std::move(headers)};
    return run(net::connect_websocket(ctx, url() + target, std::move(options)));
  }
  using ApiTest::send;
  std::unique_ptr<net::WebSocket> client() {
    auto socket = dial("/?signingKey=" + key());
    EXPECT_TRUE(socket) << socket.error().describe();
    return socket ? std::move(*socket) : nullptr;
  }
  void send(net::WebSocket& socket, std::string_view text) {
    socket.queue(net::Opcode::text, text);
    socket.send_queued();
  }
  Result<net::WebSocketMessage> read(net::WebSocket& socket) {
    Context ctx = base().with_timeout(std::chrono::seconds(10), "read");
    return run(socket.read(ctx, std::size_t{64} << 20));
  }
  std::string text(net::WebSocket& socket) {
    auto message = read(socket);
    return message ? message->data : message.error().describe();
  }
  bool wait_until(std::function<bool()> fact) {
    const auto deadline = clock_->now() + std::chrono::seconds(10);
    while (!fact() && clock_->now() < deadline) {
      io_.restart();
      io_.run_one_for(std::chrono::milliseconds(50));
    }
    return fact();
  }
  void turn(Duration time) {
    io_.restart();
    io_.run_for(time);
  }

  Session session_;
  SessionSpec spec_;
  std::unique_ptr<net::HttpServer> browser_;
  std::function<void(const std::string&)> created_ = [](const std::string&) {};
  std::function<void(const std::string&)> ended_ = [](const std::string&) {};
  std::vector<std::string> paths_;
  std::vector<std::string> received_;
  std::vector<net::WebSocket*> sockets_;
  std::vector<EndReason> ends_;
  int connected_ = 0;
  int clients_ = 0;
  std::uint64_t commands_ = 0;
  /// What the browser answers instead of the message itself; nothing: silence.
  std::function<std::string(const json::object&)> script_;
  bool deaf_ = false;
  Event changed_;
  Event never_;
};

}  // namespace troupe::api
