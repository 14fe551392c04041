// Model services for tests: a real HTTP server on the loopback interface that speaks all four wire
// formats, whole and as streams, with answers by script and faults. Tests only. Threads: engine.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "net/http_server.h"
#include "services/model.h"

namespace troupe::services {

/// What the next request gets.
struct ScriptedAnswer {
  enum class Fault {
    none,
    status,     ///< `status`, `error_type`, `error_message`, `headers`.
    silence,    ///< No answer, and the connection stays open.
    slow,       ///< `delay` before each piece of a stream, or before the whole answer.
    cut,        ///< The connection breaks in the middle.
    no_end,     ///< A stream that ends well, but without its last event.
    half_json,  ///< 200 and half a JSON text.
    web_page,   ///< 200 and HTML.
    refusal,    ///< The model declines.
    too_short,  ///< The limit of output was reached.
    mid_error,  ///< An error event in the stream.
  };
  std::string text = "ok";
  std::vector<ModelToolCall> tool_calls;
  ModelUsage usage{.input_tokens = 100, .cached_input_tokens = 40, .output_tokens = 10};
  Fault fault = Fault::none;
  Duration delay{};
  int status = 500;
  std::string error_type = "server_error";
  std::string error_message = "internal error";
  net::Headers headers;
};

class FakeModels final {
 public:
  struct Request {
    std::string path;
    net::Headers headers;
    json::object body;
    std::string header(std::string_view name) const;
  };

  static std::unique_ptr<FakeModels> start(asio::any_io_executor executor, Clock& clock);
  Async<void> stop(Context& ctx) { return server_->stop(ctx); }

  /// `openai`: add `/v1`.
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }
  /// Answers are taken in turn; without any, the answer is `ok`.
  void say(ScriptedAnswer answer) { script_.push_back(std::move(answer)); }
  void say(std::string text) { script_.push_back({.text = std::move(text)}); }
  void fail(ScriptedAnswer::Fault fault) { script_.push_back({.fault = fault}); }
  void fail(int status, std::string type, std::string message = "no", net::Headers headers = {});
  /// What is said once the script is at its end.
  void answer_with(std::function<std::string(const json::object& body)> answer) {
    answer_ = std::move(answer);
  }
  const std::vector<Request>& requests() const { return requests_; }
  const Request& last() const { return requests_.back(); }

 private:
  asio::awaitable<net::HttpResponse> handle(Context& ctx, net::HttpRequest request);

  std::unique_ptr<net::HttpServer> server_;
  std::deque<ScriptedAnswer> script_;
  std::function<std::string(const json::object& body)> answer_;
  std::vector<Request> requests_;
};

}  // namespace troupe::services
