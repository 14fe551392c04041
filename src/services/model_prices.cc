#include "services/model_prices.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace troupe::services {
namespace {

constexpr std::int64_t kTokensOfAPicture = 2'000;

// Calls, tools and schema go over the wire, too.
std::size_t bytes_of(const ModelRequest& request) {
  std::size_t bytes = request.system.size();
  for (const auto& message : request.messages) {
    bytes += message.text.size() + 32;
    for (const auto& call : message.tool_calls)
      bytes += call.name.size() + json::serialize(call.arguments).size() + 32;
  }
  for (const auto& tool : request.tools)
    bytes +=
        tool.name.size() + tool.description.size() + json::serialize(tool.parameters).size() + 64;
  if (request.schema) bytes += json::serialize(*request.schema).size() + 64;
  return bytes + 256;
}

Result<double> price_at(const json::object& row, const char* key, const std::string& where) {
  const auto price = find_number(row, key);
  if (!price || !(*price >= 0 && *price <= 100'000))
    return fail(Errc::invalid_argument,
                where + "." + key + ": is not a price in 0..100000 dollars for a million tokens");
  return *price;
}

}  // namespace

std::int64_t cost_of(const ModelPrice& price, const ModelUsage& usage) {
  const auto plain = static_cast<double>(usage.input_tokens - usage.cached_input_tokens);
  const double cost = plain * price.input +
                      static_cast<double>(usage.cached_input_tokens) * price.cached_input +
                      static_cast<double>(usage.output_tokens) * price.output;
  return static_cast<std::int64_t>(std::ceil(cost - 1e-6));
}

std::int64_t input_tokens_at_most(const ModelRequest& request) {
  std::int64_t tokens = static_cast<std::int64_t>(bytes_of(request) / 2);
  for (const auto& message : request.messages)
    tokens += kTokensOfAPicture * static_cast<std::int64_t>(message.images.size());
  return tokens;
}

std::int64_t cost_at_most(const ModelPrice& price, const ModelRequest& request) {
  ModelUsage usage;
  usage.input_tokens = input_tokens_at_most(request);
  usage.output_tokens = request.output_tokens_max;
  return cost_of(price, usage);
}

Result<PriceTable> price_table_from(std::string_view text, const std::string& origin) {
  TRY(const json::value value, parse_json(text, origin));
  if (!value.is_object())
    return fail(Errc::invalid_argument,
                origin + ": is " + std::string(type_name(value)) + ", not object");
  PriceTable table;
  for (const auto& member : value.get_object()) {
    const std::string where = origin + ": " + std::string(member.key());
    if (!member.value().is_object())
      return fail(Errc::invalid_argument,
                  where + ": is " + std::string(type_name(member.value())) + ", not object", {},
                  "for example {\"input\": 0.25, \"output\": 2}");
    const json::object& row = member.value().get_object();
    ModelPrice price;
    TRY(price.input, price_at(row, "input", where));
    TRY(price.output, price_at(row, "output", where));
    price.cached_input = price.input;
    if (row.contains("cached_input")) {
      TRY(price.cached_input, price_at(row, "cached_input", where));
    }
    table[std::string(member.key())] = price;
  }
  return table;
}

std::optional<ModelPrice> find_price(const PriceTable& table, const std::string& name) {
  auto row = table.find(name);
  if (row == table.end()) row = table.find(name.substr(name.find('/') + 1));
  if (row == table.end()) return {};
  return row->second;
}

std::string dollars(std::int64_t microdollars) {
  std::array<char, 48> text{};
  const double amount = static_cast<double>(microdollars) / 1e6;
  const char* form = microdollars != 0 && std::abs(amount) < 0.01 ? "%.6f dollars" : "%.4f dollars";
  std::snprintf(text.data(), text.size(), form, amount);
  return text.data();
}

}  // namespace troupe::services
