// One model at one address: attempts, retries within a budget, circuit breaker, streaming, answers
// checked against their schema. The chain of several is in models.h.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/random.h"
#include "net/circuit_breaker.h"
#include "net/http_client.h"
#include "net/retry.h"
#include "services/model.h"
#include "services/model_budget.h"
#include "services/model_prices.h"
#include "services/model_wire.h"

namespace troupe::services {

/// Where a model is and how it is spoken to.
struct ModelEndpoint {
  std::string name;  ///< `openai/gpt-5-mini`, as configured.
  const model_wire::Format* format = nullptr;
  std::string base_url;  ///< Without a slash at its end.
  std::string model;     ///< Its name at the service.
  std::string key;       ///< Secret; empty: none is sent.
  std::optional<ModelPrice> price;
};

struct ModelClientOptions {
  Duration attempt_timeout = std::chrono::seconds(60);
  Duration idle_timeout = std::chrono::seconds(30);  ///< Between the pieces of a stream.
  int attempts_max = 3;
  Duration retry_first = std::chrono::milliseconds(500);
  Duration retry_max = std::chrono::seconds(8);
  /// Longest `retry-after` that is waited for; a longer one ends the call (or asks the next model).
  Duration retry_after_max = std::chrono::seconds(20);
  int breaker_failures = 5;
  Duration breaker_open = std::chrono::seconds(15);
  std::int64_t answer_bytes_max = 16 << 20;
};

/// Threads: engine.
class ModelClient final : public Model {
 public:
  /// `http`, `clock` and `budget` (or null: none is kept) outlive it.
  ModelClient(ModelEndpoint endpoint, ModelClientOptions options, net::HttpClient& http,
              Clock& clock, Random random, ModelBudget* budget);

  Async<ModelReply> generate(Context& ctx, ModelRequest request, ModelOptions options) override;
  const ModelEndpoint& endpoint() const { return endpoint_; }

 private:
  struct Attempt;
  struct Call;
  asio::awaitable<Attempt> attempt(Context& ctx, const Call& call);
  Async<net::HttpReply> send(Context& ctx, const Call& call, const model_wire::Outgoing& outgoing,
                             Attempt& attempt);
  asio::awaitable<Attempt> sent_attempt(Context& ctx, const Call& call);
  void judge(Attempt& attempt, const net::HttpReply& reply);
  asio::awaitable<Attempt> attempts(Context& ctx, const Call& call, ModelNote& note);
  std::optional<Duration> pause_after(Context& ctx, const Attempt& attempt, int attempts);
  std::int64_t paid_for(const Attempt& attempt, const Call& call) const;

  ModelEndpoint endpoint_;
  ModelClientOptions options_;
  net::HttpClient& http_;
  Clock& clock_;
  Random random_;
  ModelBudget* budget_;
  net::RetryBudget retries_;
  net::CircuitBreaker breaker_;
};

}  // namespace troupe::services
