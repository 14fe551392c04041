#include "services/models.h"

#include <algorithm>

#include "services/model_errors.h"

namespace troupe::services {
namespace {

void replace_all(std::string& text, const std::string& value, const std::string& place) {
  for (auto at = text.find(value); at != std::string::npos;
       at = text.find(value, at + place.size()))
    text.replace(at, value.size(), place);
}

void replace_all(json::value& value, const std::string& secret, const std::string& place) {
  if (value.is_string()) {
    std::string text(value.get_string());
    replace_all(text, secret, place);
    value = text;
  } else if (value.is_array()) {
    for (auto& item : value.get_array()) replace_all(item, secret, place);
  } else if (value.is_object()) {
    for (auto& member : value.get_object()) replace_all(member.value(), secret, place);
  }
}

Result<void> check_request(const ModelRequest& request) {
  if (request.messages.empty())
    return fail(Errc::invalid_argument, "model request: has no messages");
  if (request.output_tokens_max < 1 || request.output_tokens_max > 1'000'000)
    return fail(Errc::invalid_argument, "model request: output_tokens_max " +
                                            std::to_string(request.output_tokens_max) +
                                            " is not in 1..1000000");
  for (const auto& tool : request.tools) {
    const bool good = !tool.name.empty() && tool.name.size() <= 64 &&
                      std::all_of(tool.name.begin(), tool.name.end(), [](unsigned char c) {
                        return std::isalnum(c) || c == '_' || c == '-';
                      });
    if (!good || (request.schema && tool.name == request.schema_name))
      return fail(Errc::invalid_argument,
                  "model request: a tool cannot be named '" + tool.name + "'");
  }
  return {};
}

}  // namespace

void hide_secrets(ModelRequest& request) {
  for (const auto& [name, value] : request.secrets) {
    if (value.empty()) continue;
    const std::string place = "%" + name + "%";
    replace_all(request.system, value, place);
    for (auto& message : request.messages) {
      replace_all(message.text, value, place);
      for (auto& call : message.tool_calls)
        for (auto& member : call.arguments) replace_all(member.value(), value, place);
    }
  }
  request.secrets.clear();
}

Models::Models(ModelsOptions options, net::HttpClient& http, Clock& clock, Random random,
               observe::Log& log)
    : clock_(clock), log_(log), budget_(clock, options.limits, options.budget_file) {
  if (options.cache_bytes_max > 0) cache_.emplace(options.cache_bytes_max, options.cache_file);
  for (auto& endpoint : options.endpoints)
    clients_.push_back(std::make_unique<ModelClient>(std::move(endpoint), options.client, http,
                                                     clock, Random(random.next()), &budget_));
}

std::vector<std::string> Models::names() const {
  std::vector<std::string> names;
  for (const auto& client : clients_) names.push_back(client->endpoint().name);
  return names;
}

const ModelEndpoint* Models::endpoint(std::string_view name) const {
  for (const auto& client : clients_)
    if (client->endpoint().name == name) return &client->endpoint();
  return nullptr;
}

Result<std::vector<ModelClient*>> Models::choose(const ModelRequest& request,
                                                 const std::string& model) {
  TRY_VOID(check_request(request));
  std::vector<ModelClient*> chosen;
  for (const auto& client : clients_)
    if (model.empty() || client->endpoint().name == model) chosen.push_back(client.get());
  if (!chosen.empty()) return chosen;
  if (clients_.empty())
    return fail(Errc::unsupported, "model: none is configured", {},
                "set models, for example openai/gpt-5-mini, and its key");
  return fail(Errc::invalid_argument, "model: '" + model + "' is not configured", {}, "set models");
}

Async<ModelReply> Models::ask_in_turn(Context& ctx, const ModelRequest& request,
                                      const ModelOptions& options, std::vector<ModelClient*> chosen,
                                      ModelNote& note) {
  bool streamed = false;
  for (std::size_t i = 0;; ++i) {
    ModelNote part;
    ModelOptions own;
    own.note = &part;
    if (options.on_delta)
      own.on_delta = [&](const ModelDelta& delta) {
        streamed = delta.kind == ModelDelta::Kind::text;
        options.on_delta(delta);
      };
    ModelRequest copy = request;
    auto reply = co_await chosen[i]->generate(ctx, std::move(copy), std::move(own));
    part.attempts += note.attempts;
    part.usage += note.usage;
    part.cost_microdollars += note.cost_microdollars;
    note = std::move(part);
    if (reply) {
      reply->usage = note.usage;
      reply->cost_microdollars = note.cost_microdollars;
      co_return reply;
    }
    const bool more = i + 1 < chosen.size() && may_pass_elsewhere(note.failure) && ctx.check();
    if (!more) co_return reply;
    const Error why = reply.error();
    log_.write(ctx.ids(), {.level = observe::Level::warning,
                           .action = "model.fallback",
                           .status = "retrying",
                           .details = {{"model", note.model},
                                       {"next", chosen[i + 1]->endpoint().name},
                                       {"failure", to_string(note.failure)}},
                           .error = &why});
    if (streamed) options.on_delta({ModelDelta::Kind::restart, {}});
    streamed = false;
  }
}

void Models::report(const Ids& ids, const ModelRequest& request, const ModelNote& note,
                    const Result<ModelReply>& reply, Duration took) {
  ++totals_.calls;
  totals_.failed += reply ? 0 : 1;
  totals_.cached += reply && reply->cached ? 1 : 0;
  totals_.usage += note.usage;
  totals_.cost_microdollars += note.cost_microdollars;
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(took).count();
  observe::LogLine line{.level = reply ? observe::Level::info : observe::Level::warning,
                        .action = "model.generate",
                        .status = reply ? "ok" : "failed",
                        .details = {{"purpose", request.purpose},
                                    {"model", reply ? reply->model : note.model},
                                    {"cached", json::value(reply && reply->cached)},
                                    {"attempts", json::value(note.attempts)},
                                    {"input_tokens", json::value(note.usage.input_tokens)},
                                    {"output_tokens", json::value(note.usage.output_tokens)},
                                    {"microdollars", json::value(note.cost_microdollars)},
                                    {"ms", json::value(ms)}}};
  if (!reply) line.details.emplace_back("failure", to_string(note.failure));
  const Error why = reply ? Error{} : reply.error();
  if (!reply) line.error = &why;
  log_.write(ids, line);
}

Async<ModelReply> Models::generate(Context& ctx, ModelRequest request, ModelOptions options) {
  ModelNote unused;
  ModelNote& note = options.note ? *options.note : unused;
  note = {};
  auto chosen = choose(request, options.model);
  if (!chosen) {
    note.failure = ModelFailure::local;
    co_return chosen.error();
  }
  hide_secrets(request);
  const SteadyTime began = clock_.now();
  std::string digest;
  if (cache_ && request.cacheable) {
    std::vector<std::string> asked;
    for (const ModelClient* client : *chosen) asked.push_back(client->endpoint().name);
    digest = request_digest(request, asked);
    if (auto known = cache_->find(digest)) {
      if (options.on_delta) options.on_delta({ModelDelta::Kind::text, known->text});
      Result<ModelReply> reply = std::move(*known);
      report(ctx.ids(), request, note, reply, clock_.now() - began);
      co_return reply;
    }
  }
  auto reply = co_await ask_in_turn(ctx, request, options, std::move(*chosen), note);
  if (reply && !digest.empty()) cache_->put(digest, *reply);
  report(ctx.ids(), request, note, reply, clock_.now() - began);
  co_return reply;
}

}  // namespace troupe::services
