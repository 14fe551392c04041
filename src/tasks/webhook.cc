#include "tasks/webhook.h"

#include <algorithm>
#include <array>

#include "base/digest.h"
#include "base/random.h"
#include "net/retry.h"
#include "net/url.h"
#include "tasks/stored_members.h"

namespace troupe::tasks {
namespace {

constexpr std::array<std::string_view, 5> kEvents{"run.succeeded", "run.partial", "run.failed",
                                                  "run.cancelled", "webhook.test"};
constexpr std::array<std::string_view, 3> kStates{"pending", "delivered", "failed"};
constexpr std::string_view kSecretPrefix = "whsec_";
constexpr std::size_t kSecretsMax = 3;
constexpr std::size_t kLogMax = 10;
constexpr std::size_t kAnswerBytesMax = 512;
constexpr std::size_t kUrlBytesMax = 2'048;

std::optional<std::string> key_of(std::string_view secret) {
  if (!secret.starts_with(kSecretPrefix)) return std::nullopt;
  return from_base64(secret.substr(kSecretPrefix.size()));
}

Error wrong(std::string field, const std::string& why, std::string hint = {}) {
  return fail(Errc::invalid_argument, "webhook endpoint: " + why, std::move(field),
              std::move(hint));
}

// The text may end within a character: only whole ones are kept.
std::string beginning(std::string_view body) {
  std::string text(body.substr(0, kAnswerBytesMax));
  for (int i = 0; i < 4 && !net::is_utf8(text) && !text.empty(); ++i) text.pop_back();
  return net::is_utf8(text) ? text : std::string("(not a text)");
}

}  // namespace

std::span<const std::string_view> webhook_events() { return kEvents; }
std::string_view to_string(Delivery::State state) {
  return kStates[static_cast<std::size_t>(state)];
}

Result<void> check(const WebhookEndpoint& endpoint) {
  if (endpoint.url.size() > kUrlBytesMax)
    return wrong("url", "an address of " + std::to_string(endpoint.url.size()) +
                            " bytes is longer than " + std::to_string(kUrlBytesMax));
  TRY(const net::Url url, net::parse_url(endpoint.url));
  if (url.scheme != "https" && url.scheme != "http")
    return wrong("url", "its address is " + url.scheme + ":, not https: or http:");
  if (!url.user_info.empty())
    return wrong("url", "its address has a password in it",
                 "receivers check the signature instead");
  if (endpoint.description.size() > 256)
    return wrong("description", "a description of " + std::to_string(endpoint.description.size()) +
                                    " bytes is longer than 256");
  for (const std::string& event : endpoint.events)
    if (std::ranges::find(kEvents, event) == kEvents.end())
      return wrong("events", "there is no event '" + event.substr(0, 64) + "'",
                   "run.succeeded, run.partial, run.failed, run.cancelled");
  for (const auto& secret : endpoint.secrets) {
    const auto key = key_of(secret.value);
    if (!key || key->size() < 24 || key->size() > 64)
      return wrong("secret", "its secret is not whsec_ and base64 of 24 to 64 bytes");
  }
  return {};
}

bool wants(const WebhookEndpoint& endpoint, std::string_view tenant, std::string_view event) {
  if (!endpoint.enabled || endpoint.tenant != tenant) return false;
  return endpoint.events.empty() ||
         std::ranges::find(endpoint.events, event) != endpoint.events.end();
}

std::string new_webhook_secret() {
  // 32 bytes in the URL alphabet, without padding, to the plain one.
  std::string text = secure_token(32);
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  while (text.size() % 4 != 0) text += '=';
  return std::string(kSecretPrefix) + text;
}

void rotate_secret(WebhookEndpoint& endpoint, std::string secret, UnixMs now_ms,
                   UnixMs overlap_ms) {
  std::erase_if(endpoint.secrets,
                [&](const auto& s) { return s.expires_ms != 0 && s.expires_ms <= now_ms; });
  for (auto& old : endpoint.secrets)
    if (old.expires_ms == 0) old.expires_ms = now_ms + overlap_ms;
  endpoint.secrets.insert(endpoint.secrets.begin(), {std::move(secret), 0});
  if (endpoint.secrets.size() > kSecretsMax) endpoint.secrets.resize(kSecretsMax);
}

net::Headers signature_headers(const WebhookEndpoint& endpoint, const Delivery& delivery,
                               UnixMs now_ms) {
  const std::string timestamp = std::to_string(now_ms / 1000);
  const std::string content = delivery.id + "." + timestamp + "." + delivery.payload;
  std::string signatures;
  for (const auto& secret : endpoint.secrets) {
    const auto key = key_of(secret.value);
    if (!key || (secret.expires_ms != 0 && secret.expires_ms <= now_ms)) continue;
    signatures += (signatures.empty() ? "v1," : " v1,") + to_base64(hmac_sha256(*key, content));
  }
  return {{"webhook-id", delivery.id},
          {"webhook-timestamp", timestamp},
          {"webhook-signature", signatures}};
}

WebhookVerdict judge(const Result<net::HttpReply>& reply, int attempt, const WebhookPolicy& policy,
                     WallTime now, double chance) {
  using Next = WebhookVerdict::Next;
  WebhookVerdict verdict;
  net::RetryAdvice advice;
  if (reply) {
    const int status = reply->status;
    verdict.attempt.status = status;
    verdict.attempt.answer = beginning(reply->body);
    verdict.receiver_fails = status >= 500 || status == 429;
    if (status >= 200 && status < 300) {
      verdict.next = Next::delivered;
      return verdict;
    }
    verdict.attempt.error = "the receiver answered " + std::to_string(status);
    if (status >= 300 && status < 400) verdict.attempt.error += " (redirects are not followed)";
    if (status == 410) {
      verdict.next = Next::disable;
      return verdict;
    }
    advice = net::retry_advice(*reply, now);
  } else {
    const Error error = reply.error();
    verdict.attempt.error = error.message;
    if (error.code == Errc::permission_denied || error.code == Errc::invalid_argument) {
      verdict.receiver_fails = false;
      verdict.next = Next::failed;
      return verdict;
    }
  }
  if (attempt > static_cast<int>(policy.pauses_ms.size())) {
    verdict.next = Next::failed;
    return verdict;
  }
  const auto pause = static_cast<double>(policy.pauses_ms[static_cast<std::size_t>(attempt - 1)]);
  verdict.pause_ms = static_cast<UnixMs>(pause * (1 + policy.jitter * chance));
  if (advice.after) {
    const UnixMs asked =
        std::chrono::duration_cast<std::chrono::milliseconds>(*advice.after).count();
    verdict.pause_ms = std::max(verdict.pause_ms, std::min(asked, policy.retry_after_max));
  }
  return verdict;
}

std::string to_text(const WebhookEndpoint& endpoint) {
  json::array secrets;
  for (const auto& secret : endpoint.secrets)
    secrets.push_back(json::object{{"value", secret.value}, {"expires_ms", secret.expires_ms}});
  return json::serialize(
      json::object{{"v", 1},
                   {"id", endpoint.id},
                   {"tenant", endpoint.tenant},
                   {"url", endpoint.url},
                   {"description", endpoint.description},
                   {"events", json::array(endpoint.events.begin(), endpoint.events.end())},
                   {"secrets", std::move(secrets)},
                   {"enabled", endpoint.enabled},
                   {"disabled_reason", endpoint.disabled_reason},
                   {"created_ms", endpoint.created_ms}});
}

Result<WebhookEndpoint> webhook_endpoint_from_text(std::string_view text) {
  constexpr std::string_view what = "stored webhook endpoint";
  TRY(const json::value value, parse_stored(text, what));
  StoredMembers members(value, what);
  WebhookEndpoint endpoint;
  members.text("id", endpoint.id);
  members.text("tenant", endpoint.tenant);
  members.text("url", endpoint.url);
  members.text("description", endpoint.description);
  members.texts("events", endpoint.events);
  members.flag("enabled", endpoint.enabled);
  members.text("disabled_reason", endpoint.disabled_reason);
  members.number("created_ms", endpoint.created_ms);
  for (const json::value& one : members.list("secrets")) {
    StoredMembers secret_members(one, what);
    WebhookEndpoint::Secret secret;
    secret_members.text("value", secret.value);
    secret_members.number("expires_ms", secret.expires_ms);
    TRY_VOID(secret_members.end());
    endpoint.secrets.push_back(std::move(secret));
  }
  TRY_VOID(members.end());
  return endpoint;
}

std::string to_text(const Delivery& delivery) {
  json::array log;
  for (std::size_t i = 0; i < std::min(delivery.log.size(), kLogMax); ++i) {
    const auto& attempt = delivery.log[i];
    log.push_back(json::object{{"at_ms", attempt.at_ms},
                               {"took_ms", attempt.took_ms},
                               {"status", attempt.status},
                               {"error", attempt.error},
                               {"answer", attempt.answer}});
  }
  return json::serialize(json::object{{"v", 1},
                                      {"id", delivery.id},
                                      {"endpoint_id", delivery.endpoint_id},
                                      {"tenant", delivery.tenant},
                                      {"event", delivery.event},
                                      {"payload", delivery.payload},
                                      {"state", to_string(delivery.state)},
                                      {"created_ms", delivery.created_ms},
                                      {"next_ms", delivery.next_ms},
                                      {"lease_until_ms", delivery.lease_until_ms},
                                      {"attempts", delivery.attempts},
                                      {"log", std::move(log)}});
}

Result<Delivery> delivery_from_text(std::string_view text) {
  constexpr std::string_view what = "stored delivery";
  TRY(const json::value value, parse_stored(text, what));
  StoredMembers members(value, what);
  Delivery delivery;
  members.text("id", delivery.id);
  members.text("endpoint_id", delivery.endpoint_id);
  members.text("tenant", delivery.tenant);
  members.text("event", delivery.event);
  members.text("payload", delivery.payload);
  members.word("state", kStates, delivery.state);
  members.number("created_ms", delivery.created_ms);
  members.number("next_ms", delivery.next_ms);
  members.number("lease_until_ms", delivery.lease_until_ms);
  members.number("attempts", delivery.attempts);
  for (const json::value& one : members.list("log")) {
    StoredMembers attempt_members(one, what);
    Delivery::Attempt attempt;
    attempt_members.number("at_ms", attempt.at_ms);
    attempt_members.number("took_ms", attempt.took_ms);
    attempt_members.number("status", attempt.status);
    attempt_members.text("error", attempt.error);
    attempt_members.text("answer", attempt.answer);
    TRY_VOID(attempt_members.end());
    delivery.log.push_back(std::move(attempt));
  }
  TRY_VOID(members.end());
  return delivery;
}

}  // namespace troupe::tasks
