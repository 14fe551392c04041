// Webhooks as data: endpoints, deliveries, the signature, and what an answer means. Pure;
// tasks/webhooks.h sends. Follows the Standard Webhooks specification 1.0 (standardwebhooks.com).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "net/http_client.h"
#include "tasks/record.h"

namespace troupe::tasks {

/// What can be subscribed to.
std::span<const std::string_view> webhook_events();

struct WebhookEndpoint {
  struct Secret {
    std::string value;      ///< `whsec_` and base64 of 24 to 64 bytes. Secret.
    UnixMs expires_ms = 0;  ///< 0: the present one.
    bool operator==(const Secret&) const = default;
  };
  std::string id;  ///< `whe_…`
  std::string tenant = "default";
  std::string url;
  std::string description;
  std::vector<std::string> events;  ///< Empty: all.
  std::vector<Secret> secrets;      ///< The present one first.
  bool enabled = true;
  std::string disabled_reason;
  UnixMs created_ms = 0;

  bool operator==(const WebhookEndpoint&) const = default;
};

/// Errors: invalid_argument (url, events, secret, description).
Result<void> check(const WebhookEndpoint& endpoint);
bool wants(const WebhookEndpoint& endpoint, std::string_view tenant, std::string_view event);
/// A new secret in front; the one before signs for `overlap_ms` more. At most three are kept.
void rotate_secret(WebhookEndpoint& endpoint, std::string secret, UnixMs now_ms, UnixMs overlap_ms);
std::string new_webhook_secret();

struct Delivery {
  enum class State { pending, delivered, failed };
  struct Attempt {
    UnixMs at_ms = 0;
    UnixMs took_ms = 0;
    int status = 0;      ///< Of the answer; 0: there was none.
    std::string error;   ///< Why it did not count; empty: it did.
    std::string answer;  ///< The beginning of the answer's body.
    bool operator==(const Attempt&) const = default;
  };
  std::string id;  ///< The header webhook-id: the same for every attempt.
  std::string endpoint_id;
  std::string tenant;
  std::string event;
  std::string payload;  ///< The body, as it is signed and sent.
  State state = State::pending;
  UnixMs created_ms = 0;
  UnixMs next_ms = 0;         ///< Not tried earlier.
  UnixMs lease_until_ms = 0;  ///< Somebody is at it until then.
  int attempts = 0;
  std::vector<Attempt> log;  ///< Newest first; the last few.

  bool operator==(const Delivery&) const = default;
};
std::string_view to_string(Delivery::State state);

/// `webhook-id`, `webhook-timestamp` and `webhook-signature` (one `v1,…` for each secret that has
/// not expired).
net::Headers signature_headers(const WebhookEndpoint& endpoint, const Delivery& delivery,
                               UnixMs now_ms);

struct WebhookPolicy {
  /// Pauses after the first attempt, the second, ...; there is one attempt more than pauses.
  std::vector<UnixMs> pauses_ms = {5'000,      300'000,    1'800'000, 7'200'000,
                                   18'000'000, 36'000'000, 36'000'000};
  double jitter = 0.2;                  ///< Up to so much is added to a pause.
  UnixMs retry_after_max = 86'400'000;  ///< Longest pause that a receiver may ask for.
};

/// What follows from an attempt.
struct WebhookVerdict {
  enum class Next { delivered, retry, failed, disable } next = Next::retry;
  UnixMs pause_ms = 0;         ///< Of retry.
  bool receiver_fails = true;  ///< Counts against its host.
  Delivery::Attempt attempt;
};
/// `attempt` from 1; `chance` in [0, 1) for the jitter.
WebhookVerdict judge(const Result<net::HttpReply>& reply, int attempt, const WebhookPolicy& policy,
                     WallTime now, double chance);

/// Versioned JSON (`"v": 1`), for the backend. Errors: protocol_error.
std::string to_text(const WebhookEndpoint& endpoint);
std::string to_text(const Delivery& delivery);
Result<WebhookEndpoint> webhook_endpoint_from_text(std::string_view text);
Result<Delivery> delivery_from_text(std::string_view text);

}  // namespace troupe::tasks
