#include "app/request.h"

#include "base/clock.h"
#include "config/fields.h"
#include "workflows/items.h"

namespace troupe::app {
namespace {

constexpr std::size_t kInputsBytesMax = 8 << 20;

Result<std::optional<std::chrono::milliseconds>> duration_of(const std::string& option,
                                                             const std::string& text) {
  using Optional = std::optional<std::chrono::milliseconds>;
  if (text.empty()) return Optional();
  auto parsed = config::parse_duration(text);
  if (!parsed) return fail(Errc::invalid_argument, parsed.error().message, option);
  return Optional(*parsed);
}

Result<json::object> read_inputs(const std::string& path) {
  TRY(const std::string text, workflows::read_text_file(path, kInputsBytesMax));
  TRY(json::value value, parse_json(text, path));
  if (auto* object = value.if_object()) return std::move(*object);
  return fail(Errc::invalid_argument,
              path + ": is " + std::string(type_name(value)) + ", not an object of inputs",
              "--inputs");
}

}  // namespace

Result<json::object> parse_inputs(const std::vector<std::string>& pairs) {
  json::object inputs;
  for (const auto& pair : pairs) {
    const auto equals = pair.find('=');
    if (equals == 0 || equals == std::string::npos)
      return fail(Errc::invalid_argument, "input \"" + pair + "\" is not NAME=VALUE", "--input");
    inputs[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return inputs;
}

Result<RunRequest> request_from(const RunOptions& options, const Settings& settings) {
  RunRequest request;
  request.workflow = Workflow(options.workflow);
  request.site = options.site;
  request.sessions = options.sessions;
  request.project = settings.project;
  if (!options.inputs_file.empty()) {
    TRY(request.inputs, read_inputs(options.inputs_file));
  }
  TRY(const json::object given, parse_inputs(options.inputs));
  for (const auto& member : given) request.inputs[member.key()] = member.value();
  if (!options.items_file.empty()) {
    workflows::ItemLimits limits;
    limits.items_max = static_cast<std::size_t>(settings.tasks_max);
    TRY(request.items, workflows::load_items(options.items_file, limits));
    if (request.items.empty())
      return fail(Errc::invalid_argument, options.items_file + ": has no items", "--items");
  }
  if (!options.isolation.empty()) request.isolation = isolation_from(options.isolation);
  TRY(request.timeout, duration_of("--timeout", options.timeout));
  TRY(request.task_timeout, duration_of("--task-timeout", options.task_timeout));
  request.attempts = options.attempts;
  request.strategy = strategy_from(options.strategy).value_or(Strategy::parallel);
  request.priority = options.priority.value_or(0);
  request.concurrency_key = options.concurrency_key;
  request.concurrency_limit = options.concurrency_limit.value_or(1);
  if (!options.deadline.empty()) {
    request.deadline = parse_rfc3339(options.deadline);
    if (!request.deadline)
      return fail(Errc::invalid_argument,
                  "deadline \"" + options.deadline + "\" is no time like 2026-11-22T19:48:10Z",
                  "--deadline");
  }
  TRY(request.labels, parse_inputs(options.labels));
  if (!options.base_url.empty()) request.site_overrides["base_url"] = options.base_url;
  return request;
}

}  // namespace troupe::app
