// Sends webhooks: an announced event becomes one delivery for each endpoint that wants it, kept in
// the backend until it was taken or given up. At least once: a receiver tells a repeated delivery
// by its webhook-id. Any number of nodes may send from one backend.
#pragma once

#include <map>
#include <memory>
#include <set>

#include "base/random.h"
#include "net/circuit_breaker.h"
#include "net/http_client.h"
#include "observe/log.h"
#include "tasks/backend.h"
#include "tasks/webhook.h"

namespace troupe::tasks {

struct WebhooksOptions {
  std::string node;                             ///< For logs.
  Duration timeout = std::chrono::seconds(15);  ///< Of one attempt.
  Duration refresh = std::chrono::seconds(15);  ///< How soon another node's are taken over.
  Duration kept = std::chrono::hours(7 * 24);   ///< Ended deliveries.
  std::size_t kept_max = 10'000;
  std::size_t endpoints_max = 100;
  std::size_t payload_bytes_max = 256 << 10;
  int parallel_max = 32, parallel_per_endpoint_max = 4;
  WebhookPolicy policy;
};

/// Threads: engine.
class Webhooks final {
 public:
  static constexpr std::string_view kEndpoints = "webhook_endpoint";
  static constexpr std::string_view kOpen = "delivery";
  static constexpr std::string_view kEnded = "delivery_ended";

  /// `client` decides which addresses may be asked (HttpClientOptions::public_addresses_only).
  Webhooks(Clock& clock, asio::any_io_executor executor, Backend& backend, net::HttpClient& client,
           observe::Log& log, WebhooksOptions options);
  ~Webhooks();

  /// Durable when it returns. `key` names the event for good (a run's id, say; ids that sort by
  /// time make deliveries sort so): announcing it again adds nothing. Returns the deliveries' ids.
  /// Errors: payload_too_large, those of the backend (announce it again then).
  Async<std::vector<std::string>> announce(Context& ctx, std::string tenant, std::string event,
                                           std::string key, json::object data);

  /// Gives it an id, and a secret unless it has one. Errors: invalid_argument, exhausted.
  Async<WebhookEndpoint> create(Context& ctx, WebhookEndpoint endpoint);
  Async<WebhookEndpoint> get(Context& ctx, std::string id);
  Async<std::vector<WebhookEndpoint>> list(Context& ctx);
  /// Errors: not_found, what `edit` gives, invalid_argument.
  using Edit = std::function<Result<void>(WebhookEndpoint&)>;
  Async<WebhookEndpoint> update(Context& ctx, std::string id, Edit edit);
  /// What waits for it fails with its next turn.
  Async<void> erase(Context& ctx, std::string id);
  /// Sends `webhook.test` now, once, and tells how that went.
  Async<Delivery> test(Context& ctx, std::string endpoint_id);

  /// Newest first; open ones before ended ones. `cursor` as the page before gave it.
  struct Deliveries {
    std::vector<Delivery> deliveries;
    std::string next_cursor;
  };
  Async<Deliveries> deliveries(Context& ctx, std::string cursor, int limit);
  Async<Delivery> delivery(Context& ctx, std::string id);
  /// An ended one is sent anew under the same id; an open one at once. Errors: not_found.
  Async<Delivery> redeliver(Context& ctx, std::string id);

  /// Begins the attempts that are due and says when to be called again at the latest.
  Async<Duration> tick(Context& ctx);
  /// Waits for the attempts that were begun.
  Async<void> join(Context& ctx) { return scope_.join(ctx); }
  /// Forgets ended deliveries beyond `kept` and `kept_max`; returns how many.
  Async<std::int64_t> sweep(Context& ctx);
  /// Ticks and sweeps until stop(). A backend that fails is asked again.
  void start();
  asio::awaitable<void> stop();

 private:
  struct Entry {
    std::uint64_t version = 0;
    std::string endpoint_id;
    UnixMs wake_ms = 0;
  };
  template <class T>
  struct Stored {
    T value;
    std::uint64_t version = 0;
  };
  UnixMs now_ms() const { return to_unix_ms(clock_.wall()); }
  asio::awaitable<void> run();
  Async<void> refresh(Context& ctx);
  Async<void> read_endpoints(Context& ctx);
  void note(const Delivery& delivery, std::uint64_t version);
  Async<std::optional<Stored<Delivery>>> load(Context& ctx, std::string_view kind, std::string id);
  Async<std::optional<Stored<WebhookEndpoint>>> load_endpoint(Context& ctx, std::string id);
  Async<void> save(Context& ctx, Stored<Delivery>& stored);
  Async<void> save_endpoint(Context& ctx, Stored<WebhookEndpoint>& stored);
  Delivery make_delivery(const WebhookEndpoint& endpoint, std::string event, const std::string& key,
                         const json::object& data) const;
  asio::awaitable<void> attempt_in_background(std::string id, std::string endpoint_id);
  Async<void> attempt(Context& ctx, std::string id);
  Async<WebhookVerdict> send(Context& ctx, const WebhookEndpoint& endpoint,
                             const Delivery& delivery);
  Async<void> conclude(Context& ctx, Stored<Delivery>& stored, WebhookVerdict verdict);
  Async<void> move_to_ended(Context& ctx, Stored<Delivery>& stored);
  Async<void> disable(Context& ctx, std::string endpoint_id, std::string reason);
  net::CircuitBreaker& breaker_of(const std::string& origin);

  Clock& clock_;
  asio::any_io_executor executor_;
  Backend& backend_;
  net::HttpClient& client_;
  observe::Log& log_;
  WebhooksOptions options_;
  Random random_ = Random::from_system();
  std::map<std::string, Entry> entries_;
  std::map<std::string, int> busy_;  // attempts under way by endpoint
  std::set<std::string> under_way_;
  std::map<std::string, std::unique_ptr<net::CircuitBreaker>> breakers_;
  std::vector<WebhookEndpoint> endpoints_;
  SteadyTime endpoints_until_{};
  SteadyTime refresh_at_{}, sweep_at_{};
  CancelSource stopping_;
  Event changed_;
  Scope scope_;
  bool started_ = false;
};

}  // namespace troupe::tasks
