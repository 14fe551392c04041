// What models cost. Amounts are micro-dollars (millionths of a dollar), whole numbers. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/json.h"
#include "services/model.h"

namespace troupe::services {

/// Dollars for a million tokens, which is micro-dollars for one.
struct ModelPrice {
  double input = 0;
  double cached_input = 0;  ///< Of input that the service had in its cache.
  double output = 0;
  bool operator==(const ModelPrice&) const = default;
};

/// Rounded up.
std::int64_t cost_of(const ModelPrice& price, const ModelUsage& usage);

/// More than the request's input is in tokens, as far as that can be told without the model's own
/// tokenizer: half its bytes, and 2,000 for each picture.
std::int64_t input_tokens_at_most(const ModelRequest& request);

/// The most that one attempt can cost.
std::int64_t cost_at_most(const ModelPrice& price, const ModelRequest& request);

/// By `provider/model` or `model` alone.
using PriceTable = std::map<std::string, ModelPrice>;
/// `{"gpt-5-mini": {"input": 0.25, "cached_input": 0.025, "output": 2}}`; without `cached_input`
/// that is `input`. Errors: invalid_argument with the model's name.
Result<PriceTable> price_table_from(std::string_view text, const std::string& origin);
/// The price of `openai/gpt-5-mini`: its own row, or that of `gpt-5-mini`.
std::optional<ModelPrice> find_price(const PriceTable& table, const std::string& name);

/// `0.0123 dollars`, for people.
std::string dollars(std::int64_t microdollars);

}  // namespace troupe::services
