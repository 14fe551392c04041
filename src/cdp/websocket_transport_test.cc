#include <gmock/gmock.h>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>

#include "cdp/transport.h"
#include "net/connect.h"

namespace troupe::cdp {
namespace {

namespace websocket = boost::beast::websocket;
using asio::ip::tcp;
using net::kTuple;
using testing::ElementsAre;
using testing::HasSubstr;

// A peer that answers every message with the same one, a browser's end, or something else entirely.
class WebsocketTransportTest : public testing::Test {
 protected:
  static asio::awaitable<void> echo(tcp::acceptor& acceptor, int messages) {
    auto accepted = co_await acceptor.async_accept(kTuple);
    websocket::stream<tcp::socket> socket(std::move(std::get<1>(accepted)));
    socket.read_message_max(std::size_t{512} << 20);
    (void)co_await socket.async_accept(kTuple);
    boost::beast::flat_buffer buffer;
    for (int i = 0; i < messages; ++i) {
      const auto read = co_await socket.async_read(buffer, kTuple);
      if (std::get<0>(read)) co_return;
      socket.text(socket.got_text());
      const auto bytes = buffer.cdata();
      (void)co_await socket.async_write(bytes, kTuple);
      buffer.clear();
    }
    const websocket::close_reason reason(websocket::close_code::going_away, "browser ended");
    (void)co_await socket.async_close(reason, kTuple);
  }

  static asio::awaitable<void> answer(tcp::acceptor& acceptor, std::string text) {
    auto accepted = co_await acceptor.async_accept(kTuple);
    auto& socket = std::get<1>(accepted);
    char bytes[1024];
    (void)co_await socket.async_read_some(asio::buffer(bytes), kTuple);
    (void)co_await socket.async_write_some(asio::buffer(text), kTuple);
    (void)co_await socket.async_read_some(asio::buffer(bytes), kTuple);
  }

  void spawn(asio::awaitable<void> peer) {
    asio::co_spawn(io_, std::move(peer), [](std::exception_ptr exception) {
      if (exception) std::rethrow_exception(exception);
    });
  }

  template <class Done>
  void run_until(Done done) {
    io_.restart();
    while (!done() && io_.run_one_for(std::chrono::seconds(20)) > 0) {
    }
  }

  Result<std::unique_ptr<Transport>> connect(std::string url,
                                             Duration limit = std::chrono::seconds(10)) {
    Context ctx = Context(*clock_, io_.get_executor()).with_timeout(limit, "connect");
    std::optional<Result<std::unique_ptr<Transport>>> transport;
    asio::co_spawn(io_, connect_websocket(ctx, std::move(url)),
                   [&](std::exception_ptr exception, Result<std::unique_ptr<Transport>> result) {
                     if (exception) std::rethrow_exception(exception);
                     transport = std::move(result);
                   });
    run_until([&] { return transport.has_value(); });
    return std::move(*transport);
  }
  std::string url() const {
    return "ws://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + "/devtools";
  }
  void start(Transport& transport) {
    transport.start([this](std::string_view text) { got_.emplace_back(text); },
                    [this](Error error) { closed_.push_back(std::move(error)); });
  }

  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  tcp::acceptor acceptor_{io_, {asio::ip::address_v4::loopback(), 0}};
  std::vector<std::string> got_;
  std::vector<Error> closed_;
};

TEST_F(WebsocketTransportTest, CarriesMessagesBothWaysInOrder) {
  spawn(echo(acceptor_, 3));
  auto transport = connect(url());
  ASSERT_TRUE(transport) << transport.error().describe();
  start(**transport);

  for (const char* text : {R"({"id":1})", R"({"id":2})", R"({"id":3})"}) (*transport)->send(text);
  run_until([&] { return got_.size() == 3; });

  EXPECT_THAT(got_, ElementsAre(R"({"id":1})", R"({"id":2})", R"({"id":3})"));
}

TEST_F(WebsocketTransportTest, CarriesMessagesAboveBeastsDefaultLimit) {
  spawn(echo(acceptor_, 1));
  auto transport = connect(url());
  ASSERT_TRUE(transport);
  start(**transport);

  (*transport)->send(std::string(20 << 20, 'x'));
  run_until([&] { return !got_.empty() || !closed_.empty(); });

  ASSERT_EQ(got_.size(), 1u);
  EXPECT_EQ(got_[0].size(), std::size_t{20} << 20);
}

TEST_F(WebsocketTransportTest, SaysWhyThePeerClosed) {
  spawn(echo(acceptor_, 0));
  auto transport = connect(url());
  ASSERT_TRUE(transport);
  start(**transport);

  run_until([&] { return !closed_.empty(); });

  ASSERT_EQ(closed_.size(), 1u);
  EXPECT_EQ(closed_[0].code, Errc::network_error);
  EXPECT_THAT(closed_[0].message, HasSubstr("1001: browser ended"));
}

TEST_F(WebsocketTransportTest, SendsWhatIsQueuedBeforeClosingAndReportsNothing) {
  spawn(echo(acceptor_, 1));
  auto transport = connect(url());
  ASSERT_TRUE(transport);
  start(**transport);

  (*transport)->send("last words");
  (*transport)->close();
  (*transport)->send("too late");
  transport->reset();
  io_.restart();
  io_.run_for(std::chrono::seconds(5));

  EXPECT_TRUE(io_.stopped()) << "something still waits";
  EXPECT_TRUE(closed_.empty());
}

TEST_F(WebsocketTransportTest, ADeclinedUpgradeIsAProtocolError) {
  spawn(answer(acceptor_, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));

  const auto transport = connect(url());

  ASSERT_FALSE(transport);
  EXPECT_EQ(transport.error().code, Errc::protocol_error);
  EXPECT_THAT(transport.error().message, HasSubstr("HTTP 404"));
}

TEST_F(WebsocketTransportTest, AnAnswerThatIsNotHttpIsAProtocolError) {
  spawn(answer(acceptor_, "SSH-2.0-hello\r\n\r\n"));

  const auto transport = connect(url());

  ASSERT_FALSE(transport);
  EXPECT_EQ(transport.error().code, Errc::protocol_error) << transport.error().describe();
}

TEST_F(WebsocketTransportTest, ASilentPeerIsATimeout) {
  spawn(answer(acceptor_, ""));

  const auto transport = connect(url(), std::chrono::milliseconds(40));

  ASSERT_FALSE(transport);
  EXPECT_EQ(transport.error().code, Errc::timeout);
}

TEST_F(WebsocketTransportTest, ARefusedConnectionIsANetworkError) {
  const std::string closed = url();
  acceptor_.close();

  const auto transport = connect(closed);

  ASSERT_FALSE(transport);
  EXPECT_EQ(transport.error().code, Errc::network_error);
}

TEST_F(WebsocketTransportTest, AnotherSchemeIsAnInvalidArgument) {
  const auto transport = connect("http://127.0.0.1/");

  ASSERT_FALSE(transport);
  EXPECT_EQ(transport.error().code, Errc::invalid_argument);
}

}  // namespace
}  // namespace troupe::cdp
