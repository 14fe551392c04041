#include "tasks/webhook.h"

#include <gmock/gmock.h>

#include "base/digest.h"

namespace troupe::tasks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Next = WebhookVerdict::Next;

WebhookEndpoint endpoint() {
  WebhookEndpoint endpoint;
  endpoint.id = "whe_1";
  endpoint.url = "https://example.com/hook";
  endpoint.secrets = {{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", 0}};
  return endpoint;
}

std::string refusal(const std::function<void(WebhookEndpoint&)>& edit) {
  WebhookEndpoint changed = endpoint();
  edit(changed);
  const auto checked = check(changed);
  return checked ? "accepted" : checked.error().message;
}

TEST(WebhookEndpoint, RefusesWhatCannotWork) {
  EXPECT_EQ(refusal([](auto&) {}), "accepted");
  EXPECT_NE(refusal([](auto& e) { e.url = "example.com"; }), "accepted");
  EXPECT_THAT(refusal([](auto& e) { e.url = "wss://example.com"; }), HasSubstr("wss:"));
  EXPECT_THAT(refusal([](auto& e) { e.url = "https://a:b@example.com"; }), HasSubstr("password"));
  EXPECT_THAT(refusal([](auto& e) { e.url += std::string(3'000, 'x'); }), HasSubstr("2048"));
  EXPECT_THAT(refusal([](auto& e) { e.events = {"run.exploded"}; }), HasSubstr("run.exploded"));
  EXPECT_THAT(refusal([](auto& e) { e.secrets = {{"whsec_c2hvcnQ=", 0}}; }), HasSubstr("24 to 64"));
  EXPECT_THAT(refusal([](auto& e) { e.secrets[0].value = "secret"; }), HasSubstr("24 to 64"));
  EXPECT_THAT(refusal([](auto& e) { e.description.assign(257, 'x'); }), HasSubstr("257"));
}

TEST(WebhookEndpoint, MakesSecretsThatItAccepts) {
  for (int i = 0; i < 50; ++i) {
    const std::string secret = new_webhook_secret();
    EXPECT_EQ(refusal([&](auto& e) { e.secrets = {{secret, 0}}; }), "accepted") << secret;
  }
}

TEST(WebhookEndpoint, WantsItsTenantsEvents) {
  WebhookEndpoint some = endpoint();
  EXPECT_TRUE(wants(some, "default", "run.failed"));
  EXPECT_FALSE(wants(some, "other", "run.failed"));
  some.events = {"run.failed"};
  EXPECT_TRUE(wants(some, "default", "run.failed"));
  EXPECT_FALSE(wants(some, "default", "run.succeeded"));
  some.enabled = false;
  EXPECT_FALSE(wants(some, "default", "run.failed"));
}

TEST(WebhookSignature, IsWhatTheSpecificationSays) {
  const Delivery delivery{.id = "msg_p5jXN8AQM9LWM0D4loKWxJek",
                          .payload = R"({"test": 2432232314})"};

  const auto headers = signature_headers(endpoint(), delivery, 1'614'265'330'999);

  EXPECT_THAT(
      headers,
      ElementsAre(std::pair<std::string, std::string>("webhook-id", delivery.id),
                  std::pair<std::string, std::string>("webhook-timestamp", "1614265330"),
                  std::pair<std::string, std::string>(
                      "webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")));
}

TEST(WebhookSignature, HasBothWhileASecretIsRotated) {
  WebhookEndpoint rotated = endpoint();
  rotate_secret(rotated, new_webhook_secret(), 1'000'000, 60'000);
  const Delivery delivery{.id = "msg_1", .payload = "{}"};
  const auto old = std::get<1>(signature_headers(endpoint(), delivery, 1'050'000)[2]);

  const auto during = std::get<1>(signature_headers(rotated, delivery, 1'050'000)[2]);
  const auto after = std::get<1>(signature_headers(rotated, delivery, 1'060'000)[2]);

  EXPECT_THAT(during, HasSubstr(" " + old));
  EXPECT_THAT(during, StartsWith("v1,"));
  rotated.secrets.resize(1);
  EXPECT_EQ(after, std::get<1>(signature_headers(rotated, delivery, 1'060'000)[2]));
}

TEST(WebhookSignature, KeepsAtMostThreeSecrets) {
  WebhookEndpoint rotated = endpoint();
  for (int i = 0; i < 5; ++i) rotate_secret(rotated, new_webhook_secret(), 1'000, 60'000);
  EXPECT_EQ(rotated.secrets.size(), 3u);
  EXPECT_EQ(rotated.secrets[0].expires_ms, 0);
  EXPECT_EQ(rotated.secrets[1].expires_ms, 61'000);

  rotate_secret(rotated, new_webhook_secret(), 61'000, 60'000);
  EXPECT_EQ(rotated.secrets.size(), 2u);
}

WebhookVerdict judged(int status, int attempt = 1, net::Headers headers = {}) {
  net::HttpReply reply;
  reply.status = status;
  reply.headers = std::move(headers);
  return judge(reply, attempt, WebhookPolicy{}, WallTime(), 0.5);
}

TEST(WebhookVerdict, FollowsTheStatus) {
  EXPECT_EQ(judged(200).next, Next::delivered);
  EXPECT_EQ(judged(204).next, Next::delivered);
  EXPECT_EQ(judged(302).next, Next::retry);
  EXPECT_EQ(judged(404).next, Next::retry);
  EXPECT_EQ(judged(500).next, Next::retry);
  EXPECT_EQ(judged(410).next, Next::disable);
}

TEST(WebhookVerdict, BlamesTheHostForItsOwnFailuresOnly) {
  EXPECT_TRUE(judged(500).receiver_fails);
  EXPECT_TRUE(judged(429).receiver_fails);
  EXPECT_FALSE(judged(404).receiver_fails);
  EXPECT_FALSE(judged(200).receiver_fails);
}

TEST(WebhookVerdict, PausesGrowFromSecondsToHours) {
  EXPECT_EQ(judged(500, 1).pause_ms, 5'500);  // 5 s and half of the jitter
  EXPECT_EQ(judged(500, 2).pause_ms, 330'000);
  EXPECT_EQ(judged(500, 7).pause_ms, 39'600'000);
  EXPECT_EQ(judged(500, 8).next, Next::failed);
}

TEST(WebhookVerdict, RespectsWhatTheReceiverAsksForWithinADay) {
  EXPECT_EQ(judged(503, 1, {{"retry-after", "120"}}).pause_ms, 120'000);
  EXPECT_EQ(judged(503, 1, {{"retry-after", "1"}}).pause_ms, 5'500);
  EXPECT_EQ(judged(503, 1, {{"retry-after", "9999999"}}).pause_ms, 86'400'000);
}

TEST(WebhookVerdict, AnAddressThatMayNotBeAskedIsNoMatterOfTime) {
  const auto refused = judge(fail(Errc::permission_denied, "no"), 1, {}, WallTime(), 0);
  EXPECT_EQ(refused.next, Next::failed);
  EXPECT_FALSE(refused.receiver_fails);
  EXPECT_EQ(judge(fail(Errc::network_error, "reset"), 1, {}, WallTime(), 0).next, Next::retry);
  EXPECT_EQ(judge(fail(Errc::dns_error, "none"), 8, {}, WallTime(), 0).next, Next::failed);
}

TEST(WebhookVerdict, KeepsTheBeginningOfTheAnswer) {
  net::HttpReply reply;
  reply.status = 500;
  reply.body = std::string(511, 'x') + "\xc3\xa4";  // a character over the edge
  EXPECT_EQ(judge(reply, 1, {}, WallTime(), 0).attempt.answer, std::string(511, 'x'));
  reply.body = "\xff\xfe\xff\xfe\xff\xfe";
  EXPECT_EQ(judge(reply, 1, {}, WallTime(), 0).attempt.answer, "(not a text)");
}

TEST(Delivery, SurvivesBeingStored) {
  Delivery delivery{.id = "msg_1",
                    .endpoint_id = "whe_1",
                    .tenant = "t",
                    .event = "run.failed",
                    .payload = "{}",
                    .state = Delivery::State::failed,
                    .created_ms = 1,
                    .next_ms = 2,
                    .lease_until_ms = 3,
                    .attempts = 4,
                    .log = {{5, 6, 500, "why", "answer"}}};
  EXPECT_EQ(delivery_from_text(to_text(delivery)).value(), delivery);

  WebhookEndpoint disabled = endpoint();
  disabled.enabled = false;
  disabled.disabled_reason = "gone";
  disabled.events = {"run.failed"};
  EXPECT_EQ(webhook_endpoint_from_text(to_text(disabled)).value(), disabled);
}

TEST(Delivery, RefusesOtherVersions) {
  EXPECT_EQ(delivery_from_text(R"({"v":9})").error().code, Errc::protocol_error);
  EXPECT_THAT(delivery_from_text(R"({"v":1})").error().message, HasSubstr("'id' is missing"));
  EXPECT_FALSE(webhook_endpoint_from_text("nonsense"));
}

}  // namespace
}  // namespace troupe::tasks
