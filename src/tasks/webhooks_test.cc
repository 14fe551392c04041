#include "tasks/webhooks.h"

#include <gmock/gmock.h>

#include "net/http_server.h"
#include "tasks/testing.h"
#include "tasks/testing_digest.h"

namespace troupe::tasks {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A receiver as its operator would write it: keeps what came, and checks signatures by itself.
struct Receiver {
  int status = 200;
  net::Headers headers;
  std::string body = "ok";
  bool silent = false;  // takes the request and never answers
  std::vector<net::HttpRequest> got;
};

bool signed_with(const net::HttpRequest& request, const std::string& secret) {
  const std::string content = std::string(request.header("webhook-id")) + "." +
                              std::string(request.header("webhook-timestamp")) + "." + request.body;
  const std::string mac =
      testing::other_hmac(testing::other_base64_decoded(secret.substr(6)), content);
  std::string_view rest = request.header("webhook-signature");
  while (!rest.empty()) {
    const auto one = rest.substr(0, rest.find(' '));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    if (one.starts_with("v1,") && testing::other_base64_decoded(one.substr(3)) == mac) return true;
  }
  return false;
}

asio::awaitable<net::HttpResponse> answer(Context& ctx, net::HttpRequest request,
                                          Receiver& receiver) {
  receiver.got.push_back(std::move(request));
  if (receiver.silent) {
    Event never;
    (void)co_await never.wait(ctx);
  }
  net::HttpResponse response;
  response.status = receiver.status;
  response.body = receiver.body;
  response.headers = receiver.headers;
  co_return response;
}

class WebhooksTest : public ::testing::Test {
 protected:
  WebhooksTest() {
    server_ = net::HttpServer::start(loop_.io.get_executor(), loop_.clock, {},
                                     [this](Context& ctx, net::HttpRequest request) {
                                       return answer(ctx, std::move(request), receiver_);
                                     })
                  .value();
    options_.node = "a";
    webhooks_ = make();
  }
  ~WebhooksTest() override {
    // Beyond every time limit, so that nothing waits for the receiver any more.
    loop_.clock.advance(hours(1));
    Context ctx = loop_.context();
    (void)loop_.run(webhooks_->join(ctx));
    (void)loop_.run(server_->stop(ctx));
  }

  std::unique_ptr<Webhooks> make() {
    return std::make_unique<Webhooks>(loop_.clock, loop_.io.get_executor(), backend_, *client_,
                                      *log_, options_);
  }
  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(server_->port()) + "/hook";
  }
  WebhookEndpoint create(std::string to = "") {
    WebhookEndpoint endpoint;
    endpoint.url = to.empty() ? url() : to;
    Context ctx = loop_.context();
    return loop_.run(webhooks_->create(ctx, endpoint)).value();
  }
  std::vector<std::string> announce(const std::string& key = "run_1") {
    Context ctx = loop_.context();
    return loop_
        .run(webhooks_->announce(ctx, "default", "run.succeeded", key,
                                 {{"run_id", key}, {"state", "succeeded"}}))
        .value();
  }
  // One tick, and all attempts that it began.
  void deliver(Webhooks& webhooks) {
    Context ctx = loop_.context();
    ASSERT_TRUE(loop_.run(webhooks.tick(ctx)));
    ASSERT_TRUE(loop_.run(webhooks.join(ctx)));
  }
  void deliver() { deliver(*webhooks_); }
  Delivery stored(const std::string& id) {
    Context ctx = loop_.context();
    return loop_.run(webhooks_->delivery(ctx, id)).value();
  }

  testing::StandingLoop loop_;
  testing::DocumentBackend backend_;
  Receiver receiver_;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<net::HttpClient> client_ = net::HttpClient::create();
  std::unique_ptr<observe::Log> log_ = observe::make_null_log();
  WebhooksOptions options_;
  std::unique_ptr<Webhooks> webhooks_;
};

TEST_F(WebhooksTest, DeliversASignedEvent) {
  const WebhookEndpoint endpoint = create();
  const auto ids = announce();
  deliver();

  ASSERT_EQ(receiver_.got.size(), 1u);
  const net::HttpRequest& request = receiver_.got[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/hook");
  EXPECT_EQ(request.header("content-type"), "application/json");
  EXPECT_EQ(request.header("webhook-id"), ids.at(0));
  EXPECT_EQ(request.header("webhook-timestamp"), std::to_string(loop_.now_ms() / 1000));
  EXPECT_TRUE(signed_with(request, endpoint.secrets[0].value));
  EXPECT_FALSE(signed_with(request, new_webhook_secret()));
  const auto body = json::parse(request.body);
  EXPECT_EQ(body.at("type"), "run.succeeded");
  EXPECT_EQ(body.at("data").at("run_id"), "run_1");
  EXPECT_EQ(stored(ids[0]).state, Delivery::State::delivered);
  EXPECT_EQ(backend_.count("delivery"), 0u);
}

TEST_F(WebhooksTest, AnnouncingAgainAddsNothing) {
  create();
  const auto first = announce();
  EXPECT_EQ(announce(), first);
  deliver();
  EXPECT_EQ(announce(), first);
  deliver();
  EXPECT_EQ(receiver_.got.size(), 1u);
}

TEST_F(WebhooksTest, SendsToWantingEndpointsOfTheTenantOnly) {
  Context ctx = loop_.context();
  WebhookEndpoint other;
  other.url = url();
  other.tenant = "other";
  ASSERT_TRUE(loop_.run(webhooks_->create(ctx, other)));
  other.tenant = "default";
  other.events = {"run.failed"};
  ASSERT_TRUE(loop_.run(webhooks_->create(ctx, other)));
  EXPECT_THAT(announce(), IsEmpty());
}

TEST_F(WebhooksTest, TriesAgainUnderTheSameIdUntilItIsTaken) {
  create();
  const auto id = announce().at(0);
  receiver_.status = 500;
  deliver();
  deliver();  // not yet
  EXPECT_EQ(receiver_.got.size(), 1u);

  loop_.clock.advance(seconds(6));
  deliver();
  receiver_.status = 200;
  loop_.clock.advance(minutes(6));
  deliver();

  ASSERT_EQ(receiver_.got.size(), 3u);
  for (const auto& request : receiver_.got) EXPECT_EQ(request.header("webhook-id"), id);
  EXPECT_NE(receiver_.got[0].header("webhook-timestamp"),
            receiver_.got[2].header("webhook-timestamp"));
  const Delivery delivery = stored(id);
  EXPECT_EQ(delivery.state, Delivery::State::delivered);
  ASSERT_EQ(delivery.log.size(), 3u);
  EXPECT_EQ(delivery.log[2].status, 500);
  EXPECT_EQ(delivery.log[2].error, "the receiver answered 500");
}

TEST_F(WebhooksTest, GivesUpAfterItsAttempts) {
  create();
  const auto id = announce().at(0);
  receiver_.status = 404;
  for (int i = 0; i < 10; ++i) {
    deliver();
    loop_.clock.advance(hours(13));
  }
  EXPECT_EQ(receiver_.got.size(), 8u);
  EXPECT_EQ(stored(id).state, Delivery::State::failed);
}

TEST_F(WebhooksTest, AReceiverThatNeverAnswersEndsWithTheTimeLimit) {
  create();
  const auto id = announce().at(0);
  receiver_.silent = true;
  Context ctx = loop_.context();
  ASSERT_TRUE(loop_.run(webhooks_->tick(ctx)));
  while (receiver_.got.empty()) loop_.io.run_one_for(seconds(5));

  loop_.clock.advance(seconds(15));
  ASSERT_TRUE(loop_.run(webhooks_->join(ctx)));

  EXPECT_THAT(stored(id).log.at(0).error, HasSubstr("timed out after 15000 ms"));
  EXPECT_EQ(stored(id).state, Delivery::State::pending);
}

TEST_F(WebhooksTest, A410DisablesTheEndpoint) {
  const WebhookEndpoint endpoint = create();
  const auto id = announce("run_1").at(0);
  announce("run_2");
  receiver_.status = 410;
  options_.parallel_max = 1;
  webhooks_ = make();
  deliver();
  deliver();

  Context ctx = loop_.context();
  const auto now = loop_.run(webhooks_->get(ctx, endpoint.id)).value();
  EXPECT_FALSE(now.enabled);
  EXPECT_EQ(now.disabled_reason, "the receiver answered 410");
  EXPECT_EQ(stored(id).state, Delivery::State::failed);
  EXPECT_EQ(receiver_.got.size(), 1u);  // the second one failed without being sent
  EXPECT_EQ(backend_.count("delivery"), 0u);
}

TEST_F(WebhooksTest, FollowsNoRedirects) {
  create();
  const auto id = announce().at(0);
  receiver_.status = 302;
  receiver_.headers = {{"location", url() + "/elsewhere"}};
  deliver();
  ASSERT_EQ(receiver_.got.size(), 1u);
  EXPECT_THAT(stored(id).log.at(0).error, HasSubstr("redirects are not followed"));
}

TEST_F(WebhooksTest, RefusesPrivateAddressesUnlessTheyAreAllowed) {
  client_ = net::HttpClient::create({.public_addresses_only = true});
  webhooks_ = make();
  create();
  const auto id = announce().at(0);
  deliver();
  EXPECT_THAT(receiver_.got, IsEmpty());
  EXPECT_EQ(stored(id).state, Delivery::State::failed);
  EXPECT_NE(stored(id).log.at(0).error, "");
}

TEST_F(WebhooksTest, AnAnswerWithoutEndIsAFailure) {
  create();
  const auto id = announce().at(0);
  receiver_.body.assign(100'000, 'x');
  deliver();
  EXPECT_EQ(stored(id).state, Delivery::State::pending);
  EXPECT_NE(stored(id).log.at(0).error, "");
}

TEST_F(WebhooksTest, StopsAskingAHostThatFailsEveryTime) {
  create();
  receiver_.status = 500;
  for (int i = 0; i < 20; ++i) announce("run_" + std::to_string(i));
  for (int i = 0; i < 20; ++i) deliver();
  EXPECT_LE(receiver_.got.size(), 8u);  // five, and what was under way beside them

  const auto before = receiver_.got.size();
  receiver_.status = 200;
  loop_.clock.advance(minutes(10));
  for (int i = 0; i < 20; ++i) {
    deliver();
    loop_.clock.advance(seconds(1));  // those that met the probe come after it
  }
  EXPECT_EQ(backend_.count("delivery"), 0u);
  EXPECT_EQ(receiver_.got.size(), before + 20);
}

TEST_F(WebhooksTest, ANodeThatDiesInAnAttemptIsReplacedAfterItsLease) {
  create();
  const auto id = announce().at(0);
  receiver_.silent = true;
  Context ctx = loop_.context();
  ASSERT_TRUE(loop_.run(webhooks_->tick(ctx)));
  while (receiver_.got.empty()) loop_.io.run_one_for(seconds(5));
  auto other = make();
  deliver(*other);
  EXPECT_EQ(receiver_.got.size(), 1u);  // the lease holds

  receiver_.silent = false;
  backend_.before = [](std::string_view call, const Document&) -> Result<void> {
    if (call == "put") return fail(Errc::unavailable, "the first node is dead");
    return {};
  };
  loop_.clock.advance(seconds(16));
  ASSERT_TRUE(loop_.run(webhooks_->join(ctx)));
  backend_.before = nullptr;
  loop_.clock.advance(seconds(15));
  deliver(*other);

  EXPECT_EQ(receiver_.got.size(), 2u);
  EXPECT_EQ(receiver_.got[1].header("webhook-id"), id);
  EXPECT_EQ(stored(id).state, Delivery::State::delivered);
}

TEST_F(WebhooksTest, TwoNodesSendEachDeliveryOnce) {
  create();
  for (int i = 0; i < 30; ++i) announce("run_" + std::to_string(i));
  auto other = make();
  Context ctx = loop_.context();
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(loop_.run(webhooks_->tick(ctx)));
    ASSERT_TRUE(loop_.run(other->tick(ctx)));
    ASSERT_TRUE(loop_.run(webhooks_->join(ctx)));
    ASSERT_TRUE(loop_.run(other->join(ctx)));
  }
  EXPECT_EQ(receiver_.got.size(), 30u);
  EXPECT_EQ(backend_.count("delivery"), 0u);
}

TEST_F(WebhooksTest, ACrashBetweenTheTwoWritesOfTheEndSendsNothingAgain) {
  create();
  const auto id = announce().at(0);
  backend_.before = [](std::string_view call, const Document& document) -> Result<void> {
    if (call == "put" && document.kind == "delivery_ended") return fail(Errc::unavailable, "crash");
    return {};
  };
  deliver();
  EXPECT_EQ(backend_.count("delivery"), 1u);
  backend_.before = nullptr;
  auto other = make();
  deliver(*other);

  EXPECT_EQ(receiver_.got.size(), 1u);
  EXPECT_EQ(backend_.count("delivery"), 0u);
  EXPECT_EQ(stored(id).state, Delivery::State::delivered);
}

TEST_F(WebhooksTest, ADeletedEndpointFailsWhatWaitsForIt) {
  const auto endpoint = create();
  const auto id = announce().at(0);
  Context ctx = loop_.context();
  ASSERT_TRUE(loop_.run(webhooks_->erase(ctx, endpoint.id)));
  deliver();
  EXPECT_THAT(receiver_.got, IsEmpty());
  EXPECT_THAT(stored(id).log.at(0).error, HasSubstr("deleted"));
}

TEST_F(WebhooksTest, TestsAnEndpointAtOnce) {
  const auto endpoint = create();
  receiver_.status = 418;
  Context ctx = loop_.context();
  const auto delivery = loop_.run(webhooks_->test(ctx, endpoint.id)).value();
  EXPECT_EQ(delivery.state, Delivery::State::failed);
  EXPECT_EQ(delivery.log.at(0).status, 418);
  EXPECT_TRUE(signed_with(receiver_.got.at(0), endpoint.secrets[0].value));
  EXPECT_EQ(loop_.run(webhooks_->test(ctx, "whe_none")).error().code, Errc::not_found);
}

TEST_F(WebhooksTest, SendsAnEndedOneAgainWhenAsked) {
  create();
  const auto id = announce().at(0);
  deliver();
  Context ctx = loop_.context();
  ASSERT_TRUE(loop_.run(webhooks_->redeliver(ctx, id)));
  deliver();
  ASSERT_EQ(receiver_.got.size(), 2u);
  EXPECT_EQ(receiver_.got[1].header("webhook-id"), id);
  EXPECT_EQ(loop_.run(webhooks_->redeliver(ctx, "msg_none")).error().code, Errc::not_found);
}

TEST_F(WebhooksTest, ListsDeliveriesInPagesNewestFirst) {
  create();
  announce("run_1");
  announce("run_2");
  deliver();
  announce("run_3");
  Context ctx = loop_.context();
  const auto keys = [](const Webhooks::Deliveries& page) {
    std::vector<std::string> ids;
    for (const Delivery& delivery : page.deliveries) ids.push_back(delivery.id.substr(4, 5));
    return ids;
  };
  const auto first = loop_.run(webhooks_->deliveries(ctx, "", 2)).value();
  const auto second = loop_.run(webhooks_->deliveries(ctx, first.next_cursor, 2)).value();
  EXPECT_THAT(keys(first), ElementsAre("run_3", "run_2"));
  EXPECT_THAT(keys(second), ElementsAre("run_1"));
  EXPECT_EQ(second.next_cursor, "");
  EXPECT_EQ(loop_.run(webhooks_->deliveries(ctx, "x", 2)).error().code, Errc::invalid_argument);
}

TEST_F(WebhooksTest, ForgetsEndedDeliveriesByAgeAndNumber) {
  options_.kept_max = 3;
  webhooks_ = make();
  create();
  for (int i = 1; i <= 5; ++i) announce("run_" + std::to_string(i));
  for (int i = 0; i < 3; ++i) deliver();
  Context ctx = loop_.context();
  EXPECT_EQ(loop_.run(webhooks_->sweep(ctx)).value(), 2);
  EXPECT_EQ(backend_.count("delivery_ended"), 3u);
  loop_.clock.advance(hours(8 * 24));
  EXPECT_EQ(loop_.run(webhooks_->sweep(ctx)).value(), 3);
}

TEST_F(WebhooksTest, RefusesTooLargePayloads) {
  Context ctx = loop_.context();
  const auto announced = loop_.run(webhooks_->announce(ctx, "default", "run.failed", "run_1",
                                                       {{"x", std::string(300'000, 'x')}}));
  EXPECT_EQ(announced.error().code, Errc::payload_too_large);
}

}  // namespace
}  // namespace troupe::tasks
