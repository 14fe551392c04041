// `troupe models list` and `troupe models check`: what is configured, and whether it answers.
#include <array>
#include <cstdio>

#include "app/commands.h"
#include "app/doctor.h"
#include "app/loop.h"
#include "app/table.h"
#include "app/text.h"
#include "net/proxy.h"
#include "services/models.h"
#include "services/prompts.h"

namespace troupe::app {
namespace {

std::string number_text(double number) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g", number);
  return text.data();
}

json::object row_of(const services::ModelEndpoint& endpoint) {
  json::object row{{"model", endpoint.name},
                   {"address", endpoint.base_url},
                   {"key", endpoint.key.empty() ? "none" : "set"}};
  // For people: Boost.JSON writes 0.25 as 2.5E-1.
  row["input_price"] = endpoint.price ? number_text(endpoint.price->input) : "unknown";
  row["output_price"] = endpoint.price ? number_text(endpoint.price->output) : "unknown";
  return row;
}

void show(const Invocation& invocation, const json::array& rows) {
  if (wants_json(invocation.output))
    print(pretty(rows));
  else
    print_lines(render_table(table_of(rows), terminal_width(1)));
}

Result<services::ModelsOptions> options_of(const config::Loaded& loaded) {
  Settings settings = loaded.settings;
  settings.data_dir = data_dir_of(settings);
  TRY(auto options, services::models_options(settings));
  if (!options.endpoints.empty()) return options;
  return fail(Errc::unsupported, "models: none is configured", {},
              "set models, for example TROUPE_MODELS=openai/gpt-5-mini, and its key");
}

asio::awaitable<json::object> check_model(Context& ctx, services::Models& models,
                                          std::string name) {
  services::ModelRequest request;
  request.messages.push_back({.text = services::prompt("check", {})});
  request.output_tokens_max = 1'024;  // those that think need room for it
  request.cacheable = false;
  request.purpose = "check";
  services::ModelNote note;
  services::ModelOptions options{.on_delta = {}, .model = name, .note = &note};
  const SteadyTime began = ctx.clock().now();
  const auto reply = co_await models.generate(ctx, std::move(request), std::move(options));
  const auto took = ctx.clock().now() - began;
  json::object row{{"model", name}, {"verdict", reply ? "ok" : "fail"}};
  row["ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
  row["input_tokens"] = note.usage.input_tokens;
  row["output_tokens"] = note.usage.output_tokens;
  row["microdollars"] = note.cost_microdollars;
  row["detail"] = reply ? reply->text.substr(0, 60) : reply.error().describe();
  co_return row;
}

asio::awaitable<int> check_all(Context& ctx, services::Models& models,
                               const Invocation& invocation) {
  json::array rows;
  int code = 0;
  for (const std::string& name : models.names()) {
    json::object row = co_await check_model(ctx, models, name);
    if (row["verdict"] != "ok") code = 1;
    rows.push_back(std::move(row));
  }
  show(invocation, rows);
  co_return code;
}

}  // namespace

int list_models(const Invocation& invocation, const config::Loaded& loaded) {
  const auto options = options_of(loaded);
  if (!options) return report(options.error());
  json::array rows;
  for (const auto& endpoint : options->endpoints) rows.push_back(row_of(endpoint));
  show(invocation, rows);
  return 0;
}

int check_models(const Invocation& invocation, const config::Loaded& loaded) {
  auto options = options_of(loaded);
  if (!options) return report(options.error());
  options->budget_file.clear();
  options->cache_bytes_max = 0;
  net::HttpClientOptions client;
  auto proxy = net::proxy_rules(net::proxy_environment());
  if (!proxy) return report(proxy.error());
  client.proxy = std::move(*proxy);
  Loop loop;
  const auto clock = make_real_clock(loop.executor());
  const auto http = net::HttpClient::create(std::move(client));
  const auto log = observe::make_null_log();
  services::Models models(std::move(*options), *http, *clock, Random::from_system(), *log);
  Context ctx(*clock, loop.executor());
  Interrupts interrupts(
      loop.io(), [&](int) { ctx.cancel_source().cancel(fail(Errc::cancelled, "interrupted")); });
  return loop.run(check_all(ctx, models, invocation));
}

}  // namespace troupe::app
