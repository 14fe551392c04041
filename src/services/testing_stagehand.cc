#include "services/testing_stagehand.h"

#include <algorithm>
#include <stdexcept>

namespace troupe::services {
namespace {

using Answer = StagehandFault::Answer;

net::HttpResponse json_answer(int status, const json::value& body) {
  net::HttpResponse response;
  response.status = status;
  response.body = json::serialize(body);
  return response;
}

// The four shapes.
net::HttpResponse refuse(int status, std::string_view message) {
  return json_answer(status, json::object{{"success", false}, {"message", message}});
}
net::HttpResponse unknown_session(bool at_end) {
  json::object body{{"message", "Session not found"}};
  if (at_end) body["success"] = false;
  return json_answer(404, body);
}
net::HttpResponse invalid(std::string_view path, std::string_view message) {
  json::array issues{json::object{
      {"code", "invalid_type"}, {"path", json::array{json::string(path)}}, {"message", message}}};
  return json_answer(
      400, json::object{{"error", "Request validation failed"}, {"issues", std::move(issues)}});
}
net::HttpResponse plain_error(int status, std::string_view error) {
  return json_answer(status, json::object{{"error", error}, {"statusCode", status}});
}

std::string event(std::string_view status, json::object data, std::string_view type,
                  const std::string& id) {
  data["status"] = status;
  const json::object whole{{"data", std::move(data)}, {"type", type}, {"id", id}};
  return "event: " + std::string(status) + "\ndata: " + json::serialize(whole) + "\n\n";
}

json::object log_line(std::string_view category, std::string_view message) {
  return {{"message", json::object{{"category", category},
                                   {"message", message},
                                   {"level", 1},
                                   {"auxiliary", json::object{}}}}};
}

bool wants_stream(const FakeStagehand::Request& request) {
  const auto told = find_bool(request.body, "streamResponse");
  return told ? *told : request.header("x-stream-response") == "true";
}

std::vector<std::string> beginning(Random& random, const std::string& operation) {
  return {event("starting", {}, "system", random.uuid()),
          event("connected", {}, "system", random.uuid()),
          event("running", log_line(operation, "starting " + operation), "log", random.uuid()),
          event("running", {{"message", "in plain words"}}, "log", random.uuid())};
}

net::HttpResponse streamed(std::vector<std::string> pieces, bool cut) {
  net::HttpResponse response{.content_type = "text/event-stream"};
  response.stream = [pieces = std::move(pieces), cut](
                        Context& ctx, net::BodyWriter& writer) -> asio::awaitable<void> {
    for (const std::string& piece : pieces) {
      std::string copy = piece;
      const auto written = co_await writer.write(ctx, std::move(copy));
      if (!written) co_return;
    }
    if (cut) throw std::runtime_error("cut by the test");
  };
  return response;
}

std::optional<net::HttpResponse> check_body(const FakeStagehand::Request& request) {
  const auto& body = request.body;
  const auto needs = [&](const char* key) { return !body.contains(key); };
  if (request.operation == "navigate" && needs("url"))
    return invalid("url", "Invalid input: expected string, received undefined");
  if (request.operation == "act" && needs("input")) return invalid("input", "Invalid input");
  if (request.operation == "agentExecute" && (needs("agentConfig") || needs("executeOptions")))
    return invalid("agentConfig", "Required");
  return {};
}

}  // namespace

std::string FakeStagehand::Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return {};
}

std::unique_ptr<FakeStagehand> FakeStagehand::start(asio::any_io_executor executor, Clock& clock,
                                                    Options options) {
  auto fake = std::make_unique<FakeStagehand>();
  fake->options_ = std::move(options);
  fake->server_ =
      net::HttpServer::start(executor, clock, {},
                             [self = fake.get()](Context& ctx, net::HttpRequest request) {
                               return self->handle(ctx, std::move(request));
                             })
          .value();
  return fake;
}

int FakeStagehand::count(std::string_view operation) const {
  return static_cast<int>(
      std::count_if(requests_.begin(), requests_.end(),
                    [&](const Request& request) { return request.operation == operation; }));
}

std::optional<StagehandFault> FakeStagehand::take_fault(const std::string& operation) {
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (fault->operation != operation && fault->operation != "*") continue;
    StagehandFault taken = *fault;
    if (--fault->times <= 0) faults_.erase(fault);
    return taken;
  }
  return {};
}

asio::awaitable<net::HttpResponse> FakeStagehand::handle(Context& ctx, net::HttpRequest request) {
  if (request.path == "/readyz") {
    requests_.push_back({"readyz", "", request.headers, {}});
    co_return net::HttpResponse{.content_type = "text/plain", .body = "Ready"};
  }
  constexpr std::string_view kPrefix = "/v1/sessions/";
  if (!request.path.starts_with(kPrefix)) co_return plain_error(404, "Not Found");
  const std::string rest = request.path.substr(kPrefix.size());
  const auto slash = rest.find('/');
  Request asked;
  asked.operation = slash == std::string::npos ? rest : rest.substr(slash + 1);
  asked.session = slash == std::string::npos ? "" : rest.substr(0, slash);
  asked.headers = request.headers;
  const auto body = parse_json(request.body.empty() ? "{}" : request.body, "request");
  if (!body || !body->is_object()) co_return plain_error(400, "Bad Request");
  asked.body = body->get_object();
  requests_.push_back(asked);
  if (auto fault = take_fault(asked.operation))
    co_return co_await misbehave(ctx, std::move(*fault), std::move(asked));
  co_return co_await answer(ctx, std::move(asked));
}

asio::awaitable<net::HttpResponse> FakeStagehand::misbehave(Context& ctx, StagehandFault fault,
                                                            Request request) {
  const bool stream = wants_stream(request);
  auto pieces = beginning(random_, request.operation);
  net::HttpResponse response;
  switch (fault.answer) {
    case Answer::status:
      response.status = fault.status;
      response.body = fault.body;
      response.headers = fault.headers;
      co_return response;
    case Answer::cut:
      if (!stream) pieces = {};
      response = streamed(std::move(pieces), true);
      if (!stream) response.content_type = "application/json";
      co_return response;
    case Answer::no_end: co_return streamed(std::move(pieces), false);
    case Answer::silence: {
      Event never;
      (void)co_await never.wait(ctx);
      co_return response;
    }
    case Answer::garbage: response.body = R"({"success": true, "da)"; co_return response;
    case Answer::late_failure: {
      const auto done = co_await options_.perform(ctx, request);
      (void)done;
      break;
    }
    case Answer::failure: break;
  }
  if (!stream) co_return refuse(200, "the model gave no answer");
  pieces.push_back(
      event("error", {{"error", "the model gave no answer"}}, "system", random_.uuid()));
  co_return streamed(std::move(pieces), false);
}

asio::awaitable<net::HttpResponse> FakeStagehand::begin_session(Context& ctx, Request request) {
  const std::string language = request.header("x-language");
  if (!language.empty() && language != "typescript" && language != "python" &&
      language != "playground")
    co_return refuse(400, "Invalid client language header");
  const auto model = find_string(request.body, "modelName");
  if (!model) co_return invalid("modelName", "Required");
  const std::string provider(model->substr(0, model->find('/')));
  if (model->find('/') != std::string_view::npos && provider != "openai" &&
      provider != "anthropic" && provider != "google")
    co_return refuse(400, "Invalid provider: " + provider);
  const json::value* browser = find(request.body, "browser");
  const bool local =
      browser && browser->is_object() && find_string(browser->get_object(), "type") == "local";
  if (local && !find(*browser, "cdpUrl") && !find(*browser, "launchOptions"))
    co_return invalid("browser", "When browser.type is 'local', provide cdpUrl or launchOptions.");
  if (!local && request.header("x-bb-api-key").empty())
    co_return refuse(400, "Missing required headers for browserbase sessions");
  const std::string id = random_.uuid();
  if (options_.available) sessions_[id] = request.body;
  if (options_.changed) co_await options_.changed(ctx, id, request.body);
  json::object data{{"sessionId", id}, {"available", options_.available}, {"cdpUrl", nullptr}};
  if (local && find(*browser, "cdpUrl")) data["cdpUrl"] = *find(*browser, "cdpUrl");
  co_return json_answer(200, json::object{{"success", true}, {"data", std::move(data)}});
}

asio::awaitable<net::HttpResponse> FakeStagehand::answer(Context& ctx, Request request) {
  if (!options_.api_key.empty() && request.header("x-bb-api-key") != options_.api_key)
    co_return plain_error(401, "Unauthorized");
  if (request.operation == "start") co_return co_await begin_session(ctx, std::move(request));
  const bool at_end = request.operation == "end";
  if (!sessions_.contains(request.session)) co_return unknown_session(at_end);
  if (at_end) {
    sessions_.erase(request.session);
    if (options_.changed) co_await options_.changed(ctx, request.session, {});
    co_return json_answer(200, json::object{{"success", true}});
  }
  if (request.operation == "replay") {
    json::object data{{"pages", json::array{}}};
    co_return json_answer(200, json::object{{"success", true}, {"data", std::move(data)}});
  }
  if (auto refused = check_body(request)) co_return std::move(*refused);
  const std::string action_id = random_.uuid();
  const bool stream = wants_stream(request);
  const std::string operation = request.operation;
  auto result = co_await options_.perform(ctx, std::move(request));
  if (!stream && !result) co_return refuse(500, result.error().message);
  if (!stream) {
    json::object data{{"result", std::move(*result)}, {"actionId", action_id}};
    co_return json_answer(200, json::object{{"success", true}, {"data", std::move(data)}});
  }
  auto pieces = beginning(random_, operation);
  if (result)
    pieces.push_back(event("finished", {{"result", std::move(*result)}, {"actionId", action_id}},
                           "system", random_.uuid()));
  else
    pieces.push_back(event("error", {{"error", result.error().message}}, "system", random_.uuid()));
  co_return streamed(std::move(pieces), false);
}

}  // namespace troupe::services
