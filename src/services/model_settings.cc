// The settings about models, read.
#include <algorithm>
#include <array>

#include "base/text_file.h"
#include "net/url.h"
#include "services/models.h"

namespace troupe::services {
namespace {

struct Provider {
  std::string_view name;
  const model_wire::Format& (*format)();
  std::string_view base_url;
  std::string Settings::* key;
};

const model_wire::Format& own_chat() { return model_wire::openai_chat(false); }

constexpr std::array kProviders = std::to_array<Provider>({
    {"openai", model_wire::openai_responses, "https://api.openai.com/v1",
     &Settings::openai_api_key},
    {"openai-chat", own_chat, "https://api.openai.com/v1", &Settings::openai_api_key},
    {"anthropic", model_wire::anthropic, "https://api.anthropic.com", &Settings::anthropic_api_key},
    {"google", model_wire::google, "https://generativelanguage.googleapis.com",
     &Settings::google_api_key},
});

const Provider* provider_of(std::string_view text) {
  const auto name = text.substr(0, text.find('/'));
  for (const Provider& provider : kProviders)
    if (provider.name == name) return &provider;
  return nullptr;
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "[::1]" || host == "::1" || host.starts_with("127.");
}

// A provider's key goes to its own address only; others have a row `host[:port]=key`.
Result<std::string> key_for(const Settings& settings, const ModelEndpoint& endpoint) {
  TRY(const net::Url url, net::parse_url(endpoint.base_url));
  std::string key;
  const Provider* provider = provider_of(endpoint.name);
  if (endpoint.base_url == provider->base_url) key = settings.*provider->key;
  for (const std::string& row : settings.model_keys) {
    const auto equals = row.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(Errc::invalid_argument, "model_keys: [secret] is not HOST=KEY");
    const std::string host = row.substr(0, equals);
    if (host == url.host || host == url.authority()) key = row.substr(equals + 1);
  }
  for (const char c : key)
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f)
      return fail(Errc::invalid_argument,
                  "key of model " + endpoint.name + ": holds a character no key has");
  return key;
}

}  // namespace

Result<ModelEndpoint> model_endpoint_from(std::string_view text) {
  const std::string shown = "models: '" + std::string(text) + "'";
  const auto at = text.find('@');
  const std::string_view name = text.substr(0, at);
  const Provider* provider = provider_of(name);
  const auto slash = name.find('/');
  if (!provider || slash == std::string_view::npos || slash + 1 == name.size())
    return fail(Errc::invalid_argument, shown + " is not PROVIDER/MODEL or PROVIDER/MODEL@URL", {},
                "PROVIDER is one of openai, openai-chat, anthropic, google");
  ModelEndpoint endpoint;
  endpoint.name = name;
  endpoint.model = name.substr(slash + 1);
  endpoint.format = &provider->format();
  endpoint.base_url = provider->base_url;
  if (at == std::string_view::npos) return endpoint;
  endpoint.base_url = text.substr(at + 1);
  while (endpoint.base_url.ends_with('/')) endpoint.base_url.pop_back();
  const auto url = net::parse_url(endpoint.base_url);
  if (!url || (url->scheme != "http" && url->scheme != "https") || !url->user_info.empty() ||
      endpoint.base_url.find_first_of("?#") != std::string::npos)
    return fail(Errc::invalid_argument, shown + " does not end with an http(s) address", {},
                "for example openai-chat/qwen3@http://127.0.0.1:11434/v1; keys go to model_keys");
  if (provider->name == "openai-chat") endpoint.format = &model_wire::openai_chat(true);
  if (is_loopback(url->host)) endpoint.price = ModelPrice{};
  return endpoint;
}

Result<ModelsOptions> models_options(const Settings& settings) {
  ModelsOptions options;
  PriceTable prices;
  if (!settings.model_prices.empty()) {
    TRY(const std::string text, read_text_file(settings.model_prices, 1 << 20));
    TRY(prices, price_table_from(text, "model_prices " + settings.model_prices));
  }
  for (const std::string& text : settings.models) {
    TRY(ModelEndpoint endpoint, model_endpoint_from(text));
    const auto twin = std::find_if(options.endpoints.begin(), options.endpoints.end(),
                                   [&](const auto& other) { return other.name == endpoint.name; });
    if (twin != options.endpoints.end())
      return fail(Errc::invalid_argument, "models: '" + endpoint.name + "' is named twice");
    TRY(endpoint.key, key_for(settings, endpoint));
    if (const auto price = find_price(prices, endpoint.name)) endpoint.price = price;
    options.endpoints.push_back(std::move(endpoint));
  }
  TRY(options.limits, budget_limits_from(settings.model_budgets));
  options.client.attempt_timeout = settings.model_timeout;
  options.budget_file = settings.data_dir + "/model_spending.json";
  if (settings.model_cache != "off") options.cache_bytes_max = 64 << 20;
  if (settings.model_cache == "file") options.cache_file = settings.data_dir + "/model_cache.jsonl";
  return options;
}

}  // namespace troupe::services
