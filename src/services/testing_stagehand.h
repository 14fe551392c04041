// A Stagehand v3 server for tests: a real HTTP server on the loopback interface with every
// operation, whole or streamed, with the errors in the shapes of the real one, and faults by
// script. What the operations do is asked of the test. Tests only. Threads: engine.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/random.h"
#include "net/http_server.h"

namespace troupe::services {

struct StagehandFault {
  enum class Answer {
    status,        ///< `status` and `body` in place of the answer.
    cut,           ///< The connection breaks in the middle of the answer or stream.
    no_end,        ///< A stream that ends without its last event.
    silence,       ///< No answer, and the connection stays open.
    garbage,       ///< 200 and half a JSON text.
    failure,       ///< 200 and `success: false`, or the stream's `error` event.
    late_failure,  ///< The same after the operation was done.
  };
  std::string operation;  ///< `act`; `*`: any.
  Answer answer = Answer::status;
  int times = 1;
  int status = 500;
  std::string body = R"({"success":false,"message":"internal error"})";
  net::Headers headers;
};

class FakeStagehand final {
 public:
  struct Request {
    std::string operation;
    std::string session;
    net::Headers headers;
    json::object body;
    std::string header(std::string_view name) const;
  };
  struct Options {
    std::string api_key;  ///< Needed; empty: none, as in the self-hosted server.
    bool available = true;
    /// Does an operation: navigate, observe, act, extract, agentExecute; gives `data.result`.
    /// An error is answered as the real server does.
    std::function<Async<json::value>(Context&, Request)> perform;
    /// Called for start (with the request) and end (with an empty one).
    std::function<asio::awaitable<void>(Context&, std::string session, json::object)> changed;
  };

  static std::unique_ptr<FakeStagehand> start(asio::any_io_executor executor, Clock& clock,
                                              Options options);
  Async<void> stop(Context& ctx) { return server_->stop(ctx); }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }
  void inject(StagehandFault fault) { faults_.push_back(std::move(fault)); }
  void clear_faults() { faults_.clear(); }
  const std::vector<Request>& requests() const { return requests_; }
  const Request& last() const { return requests_.back(); }
  int count(std::string_view operation) const;
  std::size_t live() const { return sessions_.size(); }
  /// The server is started again: it knows no session any more.
  void forget_sessions() { sessions_.clear(); }

 private:
  asio::awaitable<net::HttpResponse> handle(Context& ctx, net::HttpRequest request);
  asio::awaitable<net::HttpResponse> answer(Context& ctx, Request request);
  asio::awaitable<net::HttpResponse> begin_session(Context& ctx, Request request);
  asio::awaitable<net::HttpResponse> misbehave(Context& ctx, StagehandFault fault, Request request);
  std::optional<StagehandFault> take_fault(const std::string& operation);

  Options options_;
  Random random_{7};
  std::unique_ptr<net::HttpServer> server_;
  std::vector<StagehandFault> faults_;
  std::vector<Request> requests_;
  std::map<std::string, json::object> sessions_;
};

}  // namespace troupe::services
