#include "net/http_server.h"

#include <gmock/gmock.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <fstream>

#include "net/request_parser.h"

namespace troupe::net {
namespace {

using tcp = asio::ip::tcp;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
constexpr asio::as_tuple_t<asio::use_awaitable_t<>> kToken;

// A server with a few behaviours behind paths, and a client that speaks raw bytes.
class HttpServerTest : public testing::Test {
 protected:
  void start(HttpServerOptions options = {}) {
    auto handler = [this](Context& ctx, HttpRequest request) {
      return handle(*this, ctx, std::move(request));
    };
    auto server = HttpServer::start(io_.get_executor(), *clock_, options, handler);
    ASSERT_TRUE(server) << server.error().describe();
    server_ = std::move(*server);
  }

  static asio::awaitable<HttpResponse> handle(HttpServerTest& test, Context& ctx,
                                              HttpRequest request) {
    HttpResponse response;
    if (request.path == "/echo") {
      response.body = request.method + " " + request.body;
    } else if (request.path == "/upload") {
      const auto content = request.content();
      response.body = std::to_string(content->size()) + (request.spool ? " disk " : " memory ") +
                      std::to_string(request.body.size()) + " " +
                      std::string(content->substr(content->size() - 3));
    } else if (request.path == "/throw") {
      throw std::runtime_error("broken on purpose");
    } else if (request.path == "/wait") {
      test.waiting_.set();
      const Result<void> waited = co_await test.go_.wait(ctx);
      response.body = waited ? "went on" : std::string(to_string(waited.error().code));
      test.wait_result_ = response.body;
      test.waited_.set();
    } else if (request.path == "/stream") {
      response.content_type = "text/plain";
      response.stream = [&test](Context& c, BodyWriter& writer) { return stream(test, c, writer); };
    } else if (request.path == "/header") {
      response.headers.emplace_back("X-Given", *request.query_value("value"));
    } else {
      response.body = request.path;
      for (const auto& [name, value] : request.query) response.body += "|" + name + "=" + value;
    }
    co_return response;
  }

  static asio::awaitable<void> stream(HttpServerTest& test, Context& ctx, BodyWriter& writer) {
    std::string first = "first,";
    (void)co_await writer.write(ctx, std::move(first));
    test.waiting_.set();
    const Result<void> waited = co_await test.go_.wait(ctx);
    test.wait_result_ = waited ? "went on" : std::string(to_string(waited.error().code));
    test.waited_.set();
    if (!waited) co_return;
    std::string second = "second";
    (void)co_await writer.write(ctx, std::move(second));
  }

  // Sends `bytes`, then reads until the server closes.
  static asio::awaitable<std::string> talk(HttpServerTest& test, std::string bytes) {
    tcp::socket socket(test.io_);
    co_await test.connect(socket);
    co_await asio::async_write(socket, asio::buffer(bytes), asio::use_awaitable);
    co_return co_await read_all(socket);
  }
  asio::awaitable<void> connect(tcp::socket& socket) {
    const tcp::endpoint endpoint(asio::ip::address_v4::loopback(),
                                 static_cast<unsigned short>(server_->port()));
    co_await socket.async_connect(endpoint, asio::use_awaitable);
  }
  static asio::awaitable<std::string> read_all(tcp::socket& socket) {
    std::string text;
    (void)co_await asio::async_read(socket, asio::dynamic_buffer(text), kToken);
    co_return text;
  }
  // Reads until `text` came.
  static asio::awaitable<std::string> read_until(tcp::socket& socket, std::string text) {
    std::string got;
    char bytes[256];
    while (got.find(text) == std::string::npos) {
      const auto result = co_await socket.async_read_some(asio::buffer(bytes), kToken);
      if (std::get<0>(result)) break;
      got.append(bytes, std::get<1>(result));
    }
    co_return got;
  }

  template <class T>
  T run(asio::awaitable<T> work) {
    std::optional<T> value;
    asio::co_spawn(io_, std::move(work), [&](std::exception_ptr exception, T result) {
      if (exception) std::rethrow_exception(exception);
      value = std::move(result);
    });
    io_.restart();
    while (!value && io_.run_one_for(std::chrono::seconds(20)) > 0) {
    }
    EXPECT_TRUE(value) << "nothing happened for 20 s";
    return value ? std::move(*value) : T();
  }
  std::string ask(std::string bytes) { return run(talk(*this, std::move(bytes))); }

  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  Event go_;
  Event waiting_;
  Event waited_;
  std::string wait_result_;
  std::unique_ptr<HttpServer> server_;
};

constexpr const char* kClose = "Host: x\r\nConnection: close\r\n\r\n";

std::string get(const std::string& target) { return "GET " + target + " HTTP/1.1\r\n" + kClose; }

TEST_F(HttpServerTest, AnswersARequestWithDecodedPathAndQuery) {
  start();

  const std::string reply = ask(get("/a%20b/%C3%A9?q=1+2&name=%26"));

  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(reply, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(reply, HasSubstr("Date: "));
  EXPECT_THAT(reply, HasSubstr("\r\n\r\n/a b/é|q=1 2|name=&"));
}

TEST_F(HttpServerTest, ServesPipelinedRequestsInOrder) {
  start();

  const std::string reply =
      ask("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n" +
          std::string("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
                      "\r\nabc") +
          get("/3"));

  const auto first = reply.find("\r\n\r\n/1");
  const auto second = reply.find("\r\n\r\nPOST abc");
  const auto third = reply.find("\r\n\r\n/3");
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_NE(third, std::string::npos);
}

TEST_F(HttpServerTest, HeadHasTheLengthButNoBody) {
  start();

  const std::string reply = ask("HEAD /abc HTTP/1.1\r\n" + std::string(kClose));

  EXPECT_THAT(reply, HasSubstr("Content-Length: 4\r\n"));
  EXPECT_TRUE(reply.ends_with("\r\n\r\n"));
}

TEST_F(HttpServerTest, ReadsAChunkedBody) {
  start();

  const std::string reply = ask(
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
      "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");

  EXPECT_THAT(reply, HasSubstr("\r\n\r\nPOST abcde"));
}

// Beast 1.81 fails an assertion when the last chunk comes in small pieces.
TEST(RequestParser, TakesAChunkedRequestByteByByte) {
  const std::string bytes =
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  RequestParser parser({});
  std::string buffer;

  for (const char c : bytes) {
    buffer += c;
    buffer.erase(0, parser.feed(buffer));
  }

  ASSERT_EQ(parser.state(), RequestParser::State::complete);
  EXPECT_EQ(parser.take().body, "abc");
}

asio::awaitable<std::string> post_after_continue(tcp::socket& socket) {
  const std::string head =
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
      "Connection: close\r\n\r\n";
  co_await asio::async_write(socket, asio::buffer(head), asio::use_awaitable);
  char bytes[25];
  (void)co_await asio::async_read(socket, asio::buffer(bytes), kToken);
  std::string reply(bytes, sizeof bytes);
  co_await asio::async_write(socket, asio::buffer("ok", 2), asio::use_awaitable);
  std::string rest;
  (void)co_await asio::async_read(socket, asio::dynamic_buffer(rest), kToken);
  co_return reply + rest;
}

TEST_F(HttpServerTest, SendsContinueBeforeTheBodyIsSent) {
  start();
  tcp::socket socket(io_);
  socket.connect({asio::ip::address_v4::loopback(), static_cast<unsigned short>(server_->port())});

  const std::string reply = run(post_after_continue(socket));

  EXPECT_THAT(reply, StartsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"));
  EXPECT_THAT(reply, HasSubstr("POST ok"));
}

struct Malformed {
  const char* name;
  std::string bytes;
  int status;
};
class MalformedRequest : public HttpServerTest, public testing::WithParamInterface<Malformed> {};

TEST_P(MalformedRequest, IsRefusedAndTheServerGoesOn) {
  start();

  const std::string reply = ask(GetParam().bytes);
  const std::string next = ask(get("/still"));

  EXPECT_THAT(reply, StartsWith("HTTP/1.1 " + std::to_string(GetParam().status) + " "));
  EXPECT_THAT(reply, HasSubstr("application/problem+json"));
  EXPECT_THAT(reply, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(next, HasSubstr("/still"));
}

const std::string kGet = "GET / HTTP/1.1\r\n";
const std::string kPost = "POST /echo HTTP/1.1\r\nHost: x\r\n";
INSTANTIATE_TEST_SUITE_P(
    All, MalformedRequest,
    testing::Values(
        Malformed{"garbage", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 9), 400},
        Malformed{"words", "hello there\r\n\r\n", 400}, Malformed{"no_host", kGet + "\r\n", 400},
        Malformed{"two_hosts", kGet + "Host: a\r\nHost: b\r\n\r\n", 400},
        Malformed{"bad_host", kGet + "Host: a b\r\n\r\n", 400},
        Malformed{"folded", kGet + "Host: a\r\nX: 1\r\n 2\r\n\r\n", 400},
        Malformed{"bare_lf", "GET / HTTP/1.1\nHost: a\n\n", 400},
        Malformed{"space_before_colon", kGet + "Host : a\r\n\r\n", 400},
        Malformed{"coding", kPost + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400},
        Malformed{"unknown_coding", kPost + "Transfer-Encoding: xchunked\r\n\r\n", 400},
        Malformed{
            "two_codings",
            kPost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400},
        Malformed{"coding_and_length",
                  kPost + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
        Malformed{"chunked_in_1_0",
                  "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        Malformed{"two_lengths", kPost + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
        Malformed{"signed_length", kPost + "Content-Length: +1\r\n\r\na", 400},
        Malformed{"bad_chunk", kPost + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
        Malformed{"bad_percent", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        Malformed{"nul", "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        Malformed{"not_utf8", "GET /?a=%ff HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        Malformed{"relative", "GET abc HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        Malformed{"version", "GET / HTTP/3.7\r\nHost: x\r\n\r\n", 400},
        Malformed{"expect", kPost + "Expect: tea\r\nContent-Length: 0\r\n\r\n", 417},
        Malformed{"long_header", kGet + "Host: x\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n",
                  431},
        Malformed{"long_body", kPost + "Content-Length: 99999999\r\n\r\n", 413}),
    [](const auto& row) { return row.param.name; });

TEST_F(HttpServerTest, RefusesAChunkedBodyThatGrowsOverTheLimit) {
  start({.body_bytes_max = 4});

  const std::string reply =
      ask(kPost + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\nabc\r\n0\r\n\r\n");

  EXPECT_THAT(reply, StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpServerTest, AcceptsTheAbsoluteForm) {
  start();

  EXPECT_THAT(ask(get("http://x/there")), HasSubstr("\r\n\r\n/there"));
}

TEST_F(HttpServerTest, ResponseHeaderValuesCannotAddHeaders) {
  start();

  const std::string reply = ask(get("/header?value=a%0d%0aX-Bad:%20b"));

  EXPECT_THAT(reply, HasSubstr("X-Given: a  X-Bad: b\r\n"));
}

TEST_F(HttpServerTest, AThrowingHandlerGives500AndTheConnectionGoesOn) {
  start();

  const std::string reply = ask("GET /throw HTTP/1.1\r\nHost: x\r\n\r\n" + get("/next"));

  EXPECT_THAT(reply, StartsWith("HTTP/1.1 500 "));
  EXPECT_THAT(reply, HasSubstr("\r\n\r\n/next"));
}

TEST_F(HttpServerTest, ASlowHeaderEndsWith408) {
  start({.header_timeout = std::chrono::milliseconds(40)});

  const std::string reply = ask("GET / HTTP/1.1\r\nHost:");

  EXPECT_THAT(reply, StartsWith("HTTP/1.1 408 "));
}

TEST_F(HttpServerTest, ASlowBodyEndsWith408) {
  start({.body_timeout = std::chrono::milliseconds(40)});

  const std::string reply = ask(kPost + "Content-Length: 5\r\n\r\nab");

  EXPECT_THAT(reply, StartsWith("HTTP/1.1 408 "));
}

TEST_F(HttpServerTest, AnIdleConnectionIsClosedWithoutAWord) {
  start({.idle_timeout = std::chrono::milliseconds(40)});

  const std::string reply = ask("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");

  EXPECT_TRUE(reply.ends_with("\r\n\r\n/1")) << reply;
}

TEST_F(HttpServerTest, AConnectionAboveTheLimitGets503) {
  start({.connections_max = 1});
  tcp::socket first(io_);
  run([](auto& test, auto& socket) -> asio::awaitable<bool> {
    co_await test.connect(socket);
    const std::string request = "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n";
    co_await asio::async_write(socket, asio::buffer(request), asio::use_awaitable);
    std::string end = "/1";
    (void)co_await read_until(socket, std::move(end));
    co_return true;
  }(*this, first));

  const std::string reply = ask(get("/2"));

  EXPECT_THAT(reply, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(reply, HasSubstr("Retry-After: 1\r\n"));
}

TEST_F(HttpServerTest, StreamsInChunks) {
  start();
  go_.set();

  const std::string reply = ask(get("/stream"));

  EXPECT_THAT(reply, HasSubstr("Transfer-Encoding: chunked\r\n"));
  EXPECT_TRUE(reply.ends_with("\r\n\r\n6\r\nfirst,\r\n6\r\nsecond\r\n0\r\n\r\n")) << reply;
}

TEST_F(HttpServerTest, StreamsToHttp10WithoutChunks) {
  start();
  go_.set();

  const std::string reply = ask("GET /stream HTTP/1.0\r\n\r\n");

  EXPECT_THAT(reply, Not(HasSubstr("chunked")));
  EXPECT_TRUE(reply.ends_with("\r\n\r\nfirst,second")) << reply;
}

asio::awaitable<std::string> leave_stream(tcp::socket& socket, Event& waited, std::string& result,
                                          Context& ctx) {
  const std::string request = get("/stream");
  co_await asio::async_write(socket, asio::buffer(request), asio::use_awaitable);
  char bytes[16];
  (void)co_await asio::async_read(socket, asio::buffer(bytes), kToken);
  socket.close();
  (void)co_await waited.wait(ctx);
  co_return result;
}

TEST_F(HttpServerTest, AStreamIsCancelledWhenTheClientLeaves) {
  start();
  tcp::socket socket(io_);
  socket.connect({asio::ip::address_v4::loopback(), static_cast<unsigned short>(server_->port())});
  Context ctx(*clock_, io_.get_executor());

  EXPECT_EQ(run(leave_stream(socket, waited_, wait_result_, ctx)), "cancelled");
}

asio::awaitable<std::string> stop_during(HttpServer& server, tcp::socket& socket, Event& waiting,
                                         Event* go, Context& ctx) {
  const std::string request = "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n";
  co_await asio::async_write(socket, asio::buffer(request), asio::use_awaitable);
  (void)co_await waiting.wait(ctx);
  if (go) go->set();
  Context limited = ctx.with_timeout(std::chrono::milliseconds(go ? 10'000 : 20), "drain");
  const Result<void> stopped = co_await server.stop(limited);
  std::string reply = stopped ? "" : stopped.error().describe();
  (void)co_await asio::async_read(socket, asio::dynamic_buffer(reply), kToken);
  co_return reply;
}

TEST_F(HttpServerTest, StopLetsARunningRequestEnd) {
  start();
  tcp::socket socket(io_);
  socket.connect({asio::ip::address_v4::loopback(), static_cast<unsigned short>(server_->port())});
  Context ctx(*clock_, io_.get_executor());

  const std::string reply = run(stop_during(*server_, socket, waiting_, &go_, ctx));

  EXPECT_THAT(reply, HasSubstr("Connection: close\r\n"));
  EXPECT_THAT(reply, HasSubstr("went on"));
}

TEST_F(HttpServerTest, StopCancelsARequestAtTheDeadline) {
  start();
  tcp::socket socket(io_);
  socket.connect({asio::ip::address_v4::loopback(), static_cast<unsigned short>(server_->port())});
  Context ctx(*clock_, io_.get_executor());

  const std::string reply = run(stop_during(*server_, socket, waiting_, nullptr, ctx));

  EXPECT_THAT(reply, HasSubstr("draining"));
}

TEST_F(HttpServerTest, APortInUseIsSaid) {
  start();

  auto second = HttpServer::start(
      io_.get_executor(), *clock_, {.port = server_->port()},
      [](Context&, HttpRequest) -> asio::awaitable<HttpResponse> { co_return HttpResponse{}; });

  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::unavailable);
  EXPECT_THAT(second.error().message, HasSubstr("is in use"));
  EXPECT_FALSE(second.error().hint.empty());
}

TEST_F(HttpServerTest, AHostThatIsNoAddressIsRefused) {
  auto server = HttpServer::start(io_.get_executor(), *clock_, {.host = "nowhere"}, {});

  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().code, Errc::invalid_argument);
}

HttpServerOptions with_uploads() {
  HttpServerOptions options{.body_bytes_max = 1'000, .upload_bytes_max = 64 << 20};
  options.is_upload = [](const HttpRequest& request) { return request.path == "/upload"; };
  return options;
}

TEST_F(HttpServerTest, ALargeUploadIsKeptOnDiskAndASmallOneIsNot) {
  start(with_uploads());
  const auto upload = [&](const std::string& body) {
    return ask("POST /upload HTTP/1.1\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
               kClose + body);
  };

  EXPECT_THAT(upload(std::string(997, 'x') + "end"), HasSubstr("1000 memory 1000 end"));
  EXPECT_THAT(upload(std::string(2'999'997, 'x') + "end"), HasSubstr("3000000 disk 0 end"));
}

TEST_F(HttpServerTest, AChunkedUploadIsKeptOnDiskToo) {
  start(with_uploads());
  std::string body;
  for (int i = 0; i < 40; ++i) body += "8000\r\n" + std::string(0x8000, 'y') + "\r\n";

  const std::string reply = ask("POST /upload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" +
                                std::string(kClose) + body + "3\r\nend\r\n0\r\n\r\n");

  EXPECT_THAT(reply, HasSubstr("1310723 disk 0 end"));
}

TEST_F(HttpServerTest, AnUploadBeyondItsLimitIsRefused) {
  auto options = with_uploads();
  options.upload_bytes_max = 1 << 20;
  start(options);
  std::string body;
  for (int i = 0; i < 40; ++i) body += "8000\r\n" + std::string(0x8000, 'y') + "\r\n";

  EXPECT_THAT(ask("POST /upload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + std::string(kClose) +
                  body + "0\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
}

TEST_F(HttpServerTest, AnUploadThatDiskCannotTakeIsRefused) {
  auto options = with_uploads();
  options.upload_folder = "/nowhere/at/all";
  start(options);

  EXPECT_THAT(ask("POST /upload HTTP/1.1\r\nContent-Length: 3000000\r\n" + std::string(kClose) +
                  std::string(3'000'000, 'x')),
              StartsWith("HTTP/1.1 507 "));
}

// Memory of this process that no file backs, in KiB.
long private_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::stol(line.substr(8));
  return -1;
}

asio::awaitable<std::string> upload_slowly(tcp::socket& socket, int pieces, long& most) {
  const std::string piece(1 << 20, 'z');
  const std::string head = "POST /upload HTTP/1.1\r\nContent-Length: " +
                           std::to_string(piece.size() * static_cast<std::size_t>(pieces)) +
                           "\r\n" + kClose;
  co_await asio::async_write(socket, asio::buffer(head), asio::use_awaitable);
  for (int i = 0; i < pieces; ++i) {
    co_await asio::async_write(socket, asio::buffer(piece), asio::use_awaitable);
    most = std::max(most, private_memory());
  }
  std::string reply;
  (void)co_await asio::async_read(socket, asio::dynamic_buffer(reply), kToken);
  most = std::max(most, private_memory());
  co_return reply;
}

TEST_F(HttpServerTest, AnUploadTakesLittleMemoryHoweverLargeItIs) {
  start(with_uploads());
  tcp::socket socket(io_);
  socket.connect({asio::ip::address_v4::loopback(), static_cast<unsigned short>(server_->port())});
  [[maybe_unused]] const long before = private_memory();
  long most = 0;

  const std::string reply = run(upload_slowly(socket, 60, most));

  EXPECT_THAT(reply, HasSubstr("62914560 disk 0 zzz"));
#if !__has_feature(address_sanitizer)  // which keeps freed memory for a while
  EXPECT_LT(most - before, 16'000) << "KiB, of an upload of 60 MiB";
#endif
}

}  // namespace
}  // namespace troupe::net
