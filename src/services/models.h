// The configured models as one: asked in their order until one answers, within budgets, with a
// cache in front, secrets taken out, and every call logged with its cost.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "observe/log.h"
#include "services/model_budget.h"
#include "services/model_cache.h"
#include "services/model_client.h"
#include "troupe/settings.hpp"

namespace troupe::services {

struct ModelsOptions {
  std::vector<ModelEndpoint> endpoints;  ///< In the order they are asked.
  ModelClientOptions client;
  BudgetLimits limits;
  std::string budget_file;
  std::int64_t cache_bytes_max = 0;  ///< 0: no cache.
  std::string cache_file;
};

/// What the settings say (models, model_keys, model_prices, …). `data_dir` holds the files.
/// Errors: invalid_argument, not_found (the file of prices).
Result<ModelsOptions> models_options(const Settings& settings);

/// `PROVIDER/MODEL` or `PROVIDER/MODEL@BASE_URL`, PROVIDER one of openai (Responses), openai-chat
/// (Chat Completions), anthropic, google. Errors: invalid_argument.
Result<ModelEndpoint> model_endpoint_from(std::string_view text);

/// Replaces each secret's value by `%name%`, in all texts that would be sent.
void hide_secrets(ModelRequest& request);

/// What all calls of this process came to.
struct ModelTotals {
  std::int64_t calls = 0;
  std::int64_t failed = 0;
  std::int64_t cached = 0;
  ModelUsage usage;
  std::int64_t cost_microdollars = 0;
};

/// Threads: engine.
class Models final : public Model {
 public:
  /// `http`, `clock` and `log` outlive it.
  Models(ModelsOptions options, net::HttpClient& http, Clock& clock, Random random,
         observe::Log& log);

  /// See Model. Without any configured model: unsupported.
  Async<ModelReply> generate(Context& ctx, ModelRequest request,
                             ModelOptions options = {}) override;

  bool empty() const { return clients_.empty(); }
  /// Names, in their order.
  std::vector<std::string> names() const;
  const ModelEndpoint* endpoint(std::string_view name) const;
  const ModelTotals& totals() const { return totals_; }
  ModelBudget& budget() { return budget_; }

 private:
  Result<std::vector<ModelClient*>> choose(const ModelRequest& request, const std::string& model);
  Async<ModelReply> ask_in_turn(Context& ctx, const ModelRequest& request,
                                const ModelOptions& options, std::vector<ModelClient*> chosen,
                                ModelNote& note);
  void report(const Ids& ids, const ModelRequest& request, const ModelNote& note,
              const Result<ModelReply>& reply, Duration took);

  Clock& clock_;
  observe::Log& log_;
  ModelBudget budget_;
  std::optional<ModelCache> cache_;
  std::vector<std::unique_ptr<ModelClient>> clients_;
  ModelTotals totals_;
};

}  // namespace troupe::services
