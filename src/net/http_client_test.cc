#include "net/http_client.h"

#include <gmock/gmock.h>

#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <filesystem>

#include "net/connect.h"

namespace troupe::net {
namespace {

using testing::HasSubstr;

// A peer that reads until an empty line and then sends the bytes it was given, then closes if told.
struct Script {
  std::string answer;
  bool close = true;
};

class HttpClientTest : public testing::Test {
 protected:
  static asio::awaitable<void> serve(tcp::acceptor& acceptor, std::vector<Script> scripts,
                                     int& accepted) {
    auto result = co_await acceptor.async_accept(kTuple);
    ++accepted;
    auto socket = std::move(std::get<1>(result));
    std::string got;
    for (std::size_t i = 0; i < scripts.size(); ++i) {
      char bytes[512];
      while (got.find("\r\n\r\n") == std::string::npos) {
        const auto read = co_await socket.async_read_some(asio::buffer(bytes), kTuple);
        if (std::get<0>(read)) co_return;
        got.append(bytes, std::get<1>(read));
      }
      got.clear();
      const std::string& answer = scripts[i].answer;
      (void)co_await asio::async_write(socket, asio::buffer(answer), kTuple);
      if (!scripts[i].close) continue;
      socket.close();
      result = co_await acceptor.async_accept(kTuple);
      if (std::get<0>(result)) co_return;
      ++accepted;
      socket = std::move(std::get<1>(result));
    }
    (void)co_await asio::async_read(socket, asio::dynamic_buffer(got), kTuple);
  }

  void peer(std::vector<Script> scripts) {
    asio::co_spawn(io_, serve(acceptor_, std::move(scripts), accepted_),
                   [](std::exception_ptr exception) {
                     if (exception) std::rethrow_exception(exception);
                   });
  }
  std::string url(const std::string& path = "/") const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + path;
  }

  Result<HttpReply> send(HttpCall call, Duration limit = std::chrono::seconds(10)) {
    Context ctx = Context(*clock_, io_.get_executor()).with_timeout(limit, "call");
    std::optional<Result<HttpReply>> reply;
    asio::co_spawn(io_, client_->send(ctx, std::move(call)),
                   [&](std::exception_ptr exception, Result<HttpReply> result) {
                     if (exception) std::rethrow_exception(exception);
                     reply = std::move(result);
                   });
    io_.restart();
    while (!reply && io_.run_one_for(std::chrono::seconds(20)) > 0) {
    }
    return std::move(*reply);
  }

  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  tcp::acceptor acceptor_{io_, {asio::ip::address_v4::loopback(), 0}};
  int accepted_ = 0;
  std::unique_ptr<HttpClient> client_ = HttpClient::create();
};

constexpr const char* kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Name: Value\r\n\r\nok";

TEST_F(HttpClientTest, GivesStatusHeadersAndBody) {
  peer({{kOk}});

  const auto reply = send({.url = url()});

  ASSERT_TRUE(reply) << reply.error().describe();
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->header("x-name"), "Value");
  EXPECT_EQ(reply->body, "ok");
}

TEST_F(HttpClientTest, ReusesAConnection) {
  peer({{kOk, false}, {kOk, false}});

  const auto first = send({.url = url()});
  const auto second = send({.url = url()});

  ASSERT_TRUE(first && second);
  EXPECT_EQ(accepted_, 1);
}

TEST_F(HttpClientTest, OpensANewConnectionWhenTheKeptOneWasClosed) {
  peer({{kOk, true}, {kOk, false}});

  const auto first = send({.url = url()});
  const auto second = send({.method = "POST", .url = url(), .body = "x"});

  ASSERT_TRUE(first);
  ASSERT_TRUE(second) << second.error().describe();
  EXPECT_EQ(accepted_, 2);
}

TEST_F(HttpClientTest, ReadsChunkedAndUntilTheEnd) {
  peer({{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", true},
        {"HTTP/1.0 200 OK\r\n\r\nto the end", true}});

  const auto chunked = send({.url = url()});
  const auto until_end = send({.url = url()});

  ASSERT_TRUE(chunked && until_end);
  EXPECT_EQ(chunked->body, "abc");
  EXPECT_EQ(until_end->body, "to the end");
}

TEST_F(HttpClientTest, SkipsInterimResponses) {
  peer({{std::string("HTTP/1.1 103 Early Hints\r\n\r\n") + kOk}});

  const auto reply = send({.url = url()});

  ASSERT_TRUE(reply) << reply.error().describe();
  EXPECT_EQ(reply->status, 200);
}

TEST_F(HttpClientTest, AnErrorStatusIsAReply) {
  peer({{"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"}});

  const auto reply = send({.url = url()});

  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 500);
}

TEST_F(HttpClientTest, HeadNeedsNoBody) {
  peer({{"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", false}});

  const auto reply = send({.method = "HEAD", .url = url()});

  ASSERT_TRUE(reply) << reply.error().describe();
  EXPECT_EQ(reply->body, "");
}

struct BadAnswer {
  const char* name;
  const char* bytes;
  Errc code;
};
class BadAnswers : public HttpClientTest, public testing::WithParamInterface<BadAnswer> {};

TEST_P(BadAnswers, AreClassified) {
  peer({{GetParam().bytes}});

  const auto reply = send({.url = url(), .response_bytes_max = 10});

  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, GetParam().code) << reply.error().describe();
}

INSTANTIATE_TEST_SUITE_P(
    All, BadAnswers,
    testing::Values(BadAnswer{"garbage", "hello\r\n\r\n", Errc::protocol_error},
                    BadAnswer{"nothing", "", Errc::network_error},
                    BadAnswer{"half_header", "HTTP/1.1 200 OK\r\nCont", Errc::network_error},
                    BadAnswer{"half_body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab",
                              Errc::network_error},
                    BadAnswer{"too_long", "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nab",
                              Errc::payload_too_large}),
    [](const auto& row) { return row.param.name; });

TEST_F(HttpClientTest, TheDeadlineCoversTheBody) {
  peer({{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", false}});

  const auto reply = send({.url = url()}, std::chrono::milliseconds(40));

  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Errc::timeout);
}

TEST_F(HttpClientTest, ARefusedConnectionIsANetworkError) {
  const std::string closed = url();
  acceptor_.close();

  const auto reply = send({.url = closed});

  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Errc::network_error);
  EXPECT_THAT(reply.error().message, HasSubstr("refused"));
}

Async<std::string> whole_stream(Context& ctx, HttpClient& client, HttpCall call, int& pieces) {
  CO_TRY(const auto stream, co_await client.open(ctx, std::move(call)));
  std::string text = std::to_string(stream->head().status) + " ";
  for (;;) {
    CO_TRY(const std::string piece, co_await stream->read(ctx));
    if (piece.empty()) co_return text;
    text += piece;
    ++pieces;
  }
}

TEST_F(HttpClientTest, ReadsABodyAsItComes) {
  const auto text_of = [this](std::string answer) {
    accepted_ = 0;
    peer({{.answer = std::move(answer), .close = true}});
    Context ctx =
        Context(*clock_, io_.get_executor()).with_timeout(std::chrono::seconds(5), "call");
    int pieces = 0;
    std::string text;
    HttpCall call{.url = url()};
    asio::co_spawn(io_, whole_stream(ctx, *client_, std::move(call), pieces),
                   [&](std::exception_ptr exception, Result<std::string> result) {
                     if (exception) std::rethrow_exception(exception);
                     text = result ? *result : std::string(to_string(result.error().code));
                   });
    io_.restart();
    while (text.empty() && io_.run_one_for(std::chrono::seconds(20)) > 0) {
    }
    acceptor_.close();
    acceptor_ = tcp::acceptor(io_, {asio::ip::address_v4::loopback(), 0});
    return text;
  };
  EXPECT_EQ(text_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"),
            "200 abcdefg");
  EXPECT_EQ(text_of("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno"),
            "404 no");
  EXPECT_EQ(text_of("HTTP/1.1 204 None\r\n\r\n"), "204 ");
  EXPECT_EQ(text_of("HTTP/1.1 200 OK\r\n\r\nuntil the end"), "200 until the end");
  EXPECT_EQ(text_of("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\ncut off"), "network_error");
  EXPECT_EQ(text_of("no HTTP at all\r\n\r\n"), "protocol_error");
}

TEST_F(HttpClientTest, AnUnknownHostIsADnsError) {
  const auto reply = send({.url = "http://no-such-host.invalid/"});

  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Errc::dns_error);
}

TEST_F(HttpClientTest, RefusesWhatCannotBeSent) {
  const auto scheme = send({.url = "ftp://x/"});
  const auto text = send({.url = "not a url"});
  const auto header = send({.url = url(), .headers = {{"X", "a\r\nY: b"}}});
  const auto method = send({.method = "GE T", .url = url()});

  for (const auto* reply : {&scheme, &text, &header, &method}) {
    ASSERT_FALSE(*reply);
    EXPECT_EQ(reply->error().code, Errc::invalid_argument);
  }
}

// A TLS peer with a certificate made for the test.
class TlsTest : public HttpClientTest {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "troupe_tls_" + std::to_string(::getpid());
    std::filesystem::create_directories(folder_);
    const std::string command =
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
        " -addext subjectAltName=DNS:localhost -keyout " +
        folder_ + "/key.pem -out " + folder_ + "/cert.pem 2>/dev/null";
    ASSERT_EQ(std::system(command.c_str()), 0);
    tls_.use_certificate_file(folder_ + "/cert.pem", asio::ssl::context::pem);
    tls_.use_private_key_file(folder_ + "/key.pem", asio::ssl::context::pem);
    asio::co_spawn(io_, serve_tls(acceptor_, tls_), [](std::exception_ptr exception) {
      if (exception) std::rethrow_exception(exception);
    });
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  static asio::awaitable<void> serve_tls(tcp::acceptor& acceptor, asio::ssl::context& tls) {
    auto accepted = co_await acceptor.async_accept(kTuple);
    TlsStream stream(std::move(std::get<1>(accepted)), tls);
    const auto shaken = co_await stream.async_handshake(asio::ssl::stream_base::server, kTuple);
    if (std::get<0>(shaken)) co_return;
    char bytes[512];
    (void)co_await stream.async_read_some(asio::buffer(bytes), kTuple);
    (void)co_await asio::async_write(stream, asio::buffer(std::string_view(kOk)), kTuple);
    (void)co_await stream.async_read_some(asio::buffer(bytes), kTuple);
  }
  std::string tls_url(const std::string& host) const {
    return "https://" + host + ":" + std::to_string(acceptor_.local_endpoint().port()) + "/";
  }

  std::string folder_;
  asio::ssl::context tls_{asio::ssl::context::tls_server};
};

TEST_F(TlsTest, ACertificateNobodyVouchesForIsATlsError) {
  const auto reply = send({.url = tls_url("localhost")});

  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Errc::tls_error);
  EXPECT_THAT(reply.error().message, HasSubstr("self-signed"));
}

TEST_F(TlsTest, ATrustedCertificateWithTheRightNameIsAccepted) {
  client_ = HttpClient::create({.ca_file = folder_ + "/cert.pem"});

  const auto reply = send({.url = tls_url("localhost")});

  ASSERT_TRUE(reply) << reply.error().describe();
  EXPECT_EQ(reply->body, "ok");
}

TEST_F(TlsTest, AnotherNameIsATlsError) {
  client_ = HttpClient::create({.ca_file = folder_ + "/cert.pem"});

  const auto reply = send({.url = tls_url("127.0.0.1")});

  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, Errc::tls_error);
  EXPECT_THAT(reply.error().message, HasSubstr("mismatch"));
}

}  // namespace
}  // namespace troupe::net
