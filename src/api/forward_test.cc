#include "api/forward.h"

#include "api/testing.h"
#include "tasks/testing.h"

namespace troupe::api {
namespace {

using ::testing::HasSubstr;

class ForwardTest : public ApiTest {
 protected:
  void SetUp() override {
    auto handler = [this](Context&, net::HttpRequest request) {
      return answer(*this, std::move(request));
    };
    auto far = net::HttpServer::start(io_.get_executor(), *clock_, {}, handler);
    ASSERT_TRUE(far);
    far_ = std::move(*far);
    node_ = {
        .id = "node_far", .url = "http://127.0.0.1:" + std::to_string(far_->port()), .role = "all"};
  }
  void TearDown() override {
    Context ctx = context();
    EXPECT_TRUE(run(far_->stop(ctx)));
  }
  Context context() {
    return Context(*clock_, io_.get_executor()).with_timeout(std::chrono::seconds(5), "call");
  }
  static asio::awaitable<net::HttpResponse> answer(ForwardTest& test, net::HttpRequest request) {
    test.asked_ = request;
    net::HttpResponse response = std::move(test.response_);
    co_return response;
  }
  // The whole body, streamed or not.
  static Async<std::string> all_of(Context& ctx, net::HttpResponse response) {
    struct Sink final : net::BodyWriter {
      Async<void> write(Context&, std::string piece) override {
        text += piece;
        co_return Result<void>{};
      }
      std::string text;
    };
    Sink sink;
    sink.text = response.body;
    if (response.stream) co_await response.stream(ctx, sink);
    co_return sink.text;
  }
  static asio::awaitable<void> pieces(Context& ctx, net::BodyWriter& writer) {
    for (int i = 0; i < 100; ++i) {
      std::string piece(20'000, static_cast<char>('a' + i % 26));
      const auto written = co_await writer.write(ctx, std::move(piece));
      if (!written) co_return;
    }
  }

  tasks::testing::DocumentBackend backend_;
  Nodes nodes_{
      backend_, sessions_,
      *clock_,  io_.get_executor(),
      log_,     {.self = {.id = "node_near", .url = {}, .role = "all"}, .secret = "of-all"}};
  Forwarder forwarder_{nodes_};
  std::unique_ptr<net::HttpServer> far_;
  Node node_;
  net::HttpRequest asked_;
  net::HttpResponse response_;
};

TEST_F(ForwardTest, SendsTheRequestWithATokenInPlaceOfTheClientsKey) {
  response_ = {.status = 409, .body = R"({"a": 1})"};
  response_.headers = {{"Retry-After", "3"}};
  net::HttpRequest request{.method = "POST", .target = "/v1/sessions/s%201?apiKey=own&x=1"};
  request.headers = {{"host", "shop.example"},
                     {"authorization", "Bearer own"},
                     {"x-bb-api-key", "own"},
                     {"content-type", "application/json"}};
  request.body = "{}";
  Context ctx = context();
  const auto response = run(forwarder_.send(ctx, request, node_, CancelSource()));
  ASSERT_TRUE(response) << response.error().describe();
  EXPECT_EQ(response->status, 409);
  EXPECT_EQ(response->content_type, "application/json");
  EXPECT_EQ(response->body, R"({"a": 1})");
  ASSERT_EQ(response->headers.size(), 1u);
  EXPECT_EQ(response->headers[0].second, "3");
  EXPECT_EQ(asked_.target, "/v1/sessions/s%201?x=1");
  EXPECT_EQ(asked_.body, "{}");
  EXPECT_EQ(asked_.header("content-type"), "application/json");
  EXPECT_EQ(asked_.header(Nodes::kHeader), nodes_.token_for("node_far"));
  EXPECT_EQ(asked_.header(kClientHostHeader), "shop.example");
  EXPECT_EQ(asked_.header("authorization"), "");
  EXPECT_EQ(asked_.header("x-bb-api-key"), "");
}

TEST_F(ForwardTest, PassesALongAnswerOnInPieces) {
  response_ = {.status = 200, .content_type = "application/zip"};
  response_.stream = [](Context& ctx, net::BodyWriter& writer) { return pieces(ctx, writer); };
  const net::HttpRequest request{.method = "GET", .target = "/v1/sessions/s1/downloads"};
  Context ctx = context();
  auto response = run(forwarder_.send(ctx, request, node_, CancelSource()));
  ASSERT_TRUE(response) << response.error().describe();
  EXPECT_TRUE(response->stream);
  EXPECT_EQ(response->content_type, "application/zip");
  const auto body = run(all_of(ctx, std::move(*response)));
  ASSERT_TRUE(body);
  EXPECT_EQ(body->size(), 2'000'000u);
  EXPECT_EQ(body->substr(1'999'999), std::string(1, 'a' + 99 % 26));
}

TEST_F(ForwardTest, ANodeThatIsAnotherOrAwayIsUnavailable) {
  response_ = {.status = kMisdirected, .body = "{}"};
  const net::HttpRequest request{.method = "GET", .target = "/v1/sessions/s1"};
  Context ctx = context();
  const auto other = run(forwarder_.send(ctx, request, node_, CancelSource()));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::unavailable);
  EXPECT_THAT(other.error().message, HasSubstr("another one is there"));
  const Node nobody{.id = "node_x", .url = "http://127.0.0.1:1", .role = "all"};
  const auto away = run(forwarder_.send(ctx, request, nobody, CancelSource()));
  ASSERT_FALSE(away);
  EXPECT_EQ(away.error().code, Errc::unavailable);
}

TEST_F(ForwardTest, ARefusedUpgradeIsRefusedTheSameWay) {
  const net::HttpRequest request{.method = "GET", .target = "/?signingKey=k"};
  Context ctx = context();
  for (const auto& [status, code] :
       {std::pair{410, Errc::gone}, {404, Errc::not_found}, {500, Errc::unavailable}}) {
    response_ = {.status = status, .body = "{}"};
    const auto refused = run(forwarder_.connect(ctx, request, node_, CancelSource()));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, code);
  }
}

TEST(WithoutApiKey, LeavesTheRestAsItWas) {
  EXPECT_EQ(without_api_key("/"), "/");
  EXPECT_EQ(without_api_key("/?sessionId=a&apiKey=b"), "/?sessionId=a");
  EXPECT_EQ(without_api_key("/p?apiKey=b&x=%20&apiKey="), "/p?x=%20");
  EXPECT_EQ(without_api_key("/p?apiKey=b"), "/p");
}

}  // namespace
}  // namespace troupe::api
