// For the tests of api/: the services as mocks behind a real server, and a real client over
// loopback.
#pragma once

#include <gmock/gmock.h>

#include <boost/asio/io_context.hpp>
#include <deque>
#include <string>
#include <vector>

#include "api/server.h"
#include "net/http_client.h"

namespace troupe {

/// Without it GoogleMock prints results with Boost's operator, which needs one for every value.
template <class T>
void PrintTo(const Result<T>& result, std::ostream* out) {
  *out << (result ? "a value" : result.error().describe());
}

}  // namespace troupe

namespace troupe::api {

class MockRuns : public RunService {
 public:
  MOCK_METHOD(Result<std::string>, submit, (RunRequest));
  Async<std::string> submit(Context&, RunRequest request) override {
    co_return submit(std::move(request));
  }
  MOCK_METHOD(Async<RunResult>, wait, (Context&, std::string), (override));
  MOCK_METHOD(Result<RunResult>, find, (const std::string&), (const));
  Async<RunResult> find(Context&, std::string run_id) override { co_return find(run_id); }
  MOCK_METHOD(std::vector<RunResult>, list, (std::string, int));
  Async<std::vector<RunResult>> list(Context&, std::string cursor, int limit) override {
    co_return list(std::move(cursor), limit);
  }
  MOCK_METHOD(std::vector<tasks::Accepted>, submit_all, (std::vector<RunRequest>));
  Async<std::vector<tasks::Accepted>> submit_all(Context&,
                                                 std::vector<RunRequest> requests) override {
    co_return submit_all(std::move(requests));
  }
  MOCK_METHOD(Async<tasks::Moved>, cancel_task, (Context&, std::string, std::string), (override));
  MOCK_METHOD(Async<tasks::Moved>, replay_task, (Context&, std::string), (override));
  MOCK_METHOD(Async<int>, replay_run, (Context&, std::string), (override));
  MOCK_METHOD(Result<void>, cancel, (const std::string&, std::string), (override));
  MOCK_METHOD(std::unique_ptr<EventSource>, events, (const std::string&, std::uint64_t),
              (override));
};

class MockSessions : public SessionService {
 public:
  MOCK_METHOD(Async<Session>, create, (Context&, SessionSpec), (override));
  MOCK_METHOD(Result<Session>, find, (const std::string&), (const, override));
  MOCK_METHOD(std::vector<Session>, list, (), (const, override));
  MOCK_METHOD(Async<void>, release, (Context&, std::string), (override));
  MOCK_METHOD(Async<void>, end, (Context&, std::string, EndReason), (override));
  MOCK_METHOD(Async<std::string>, endpoint, (Context&, std::string), (override));
  MOCK_METHOD(Result<std::string>, downloads_dir, (const std::string&), (override));
  MOCK_METHOD(Result<std::string>, uploads_dir, (const std::string&), (override));
  MOCK_METHOD(Result<SessionSpec>, spec, (const std::string&), (const, override));
  MOCK_METHOD(void, count, (const std::string&, int, const Session::Counters&), (override));
  MOCK_METHOD(std::shared_ptr<void>, on_created, (std::function<void(const std::string&)>),
              (override));
  MOCK_METHOD(std::shared_ptr<void>, on_ended, (std::function<void(const std::string&)>),
              (override));
};

class MockLibrary : public Library {
 public:
  MOCK_METHOD(json::array, workflows, (), (const, override));
  MOCK_METHOD(Result<json::object>, workflow, (const std::string&), (const, override));
  MOCK_METHOD(json::array, sites, (), (const, override));
  MOCK_METHOD(Result<json::object>, site, (const std::string&), (const, override));
  MOCK_METHOD(Result<Workflow>, parse, (const json::object&), (const, override));
};

/// Coroutines that end at once.
inline Async<RunResult> ready_run(Result<RunResult> run) { co_return run; }
inline Async<Session> ready_session(Result<Session> session) { co_return session; }
inline Async<void> ready_void(Result<void> result) { co_return result; }

class ApiTest : public testing::Test {
 protected:
  void start(std::string host = "127.0.0.1") {
    Services services{.runs = runs_,
                      .sessions = sessions_,
                      .library = library_,
                      .clock = *clock_,
                      .log = log_,
                      .settings = settings_,
                      .readiness = [this] { return checks_; },
                      .stores = stores_,
                      .fetcher = fetcher_,
                      .unverified_fetcher = fetcher_,
                      .searcher = fetcher_,
                      .proxied_fetcher = proxied_fetcher_,
                      .unverified_proxied_fetcher = proxied_fetcher_,
                      .model = model_,
                      .schedules = schedules_,
                      .webhooks = webhooks_};
    auto server = ApiServer::start(std::move(services), io_.get_executor(), std::move(host), 0);
    ASSERT_TRUE(server) << server.error().describe();
    server_ = std::move(*server);
  }
  void TearDown() override {
    if (!server_) return;
    Context ctx =
        Context(*clock_, io_.get_executor()).with_timeout(std::chrono::seconds(5), "stop");
    EXPECT_TRUE(run(server_->stop(ctx)));
  }

  net::HttpReply send(std::string method, const std::string& path, std::string body = {},
                      net::Headers headers = {}) {
    net::HttpCall call{.method = std::move(method),
                       .url = "http://127.0.0.1:" + std::to_string(server_->port()) + path,
                       .headers = std::move(headers),
                       .body = std::move(body)};
    Context ctx =
        Context(*clock_, io_.get_executor()).with_timeout(std::chrono::seconds(10), "call");
    auto reply = run(client_->send(ctx, std::move(call)));
    EXPECT_TRUE(reply) << reply.error().describe();
    return reply ? std::move(*reply) : net::HttpReply{};
  }
  net::HttpReply get(const std::string& path, net::Headers headers = {}) {
    return send("GET", path, {}, std::move(headers));
  }
  static json::value body_of(const net::HttpReply& reply) { return json::parse(reply.body); }

  template <class T>
  Result<T> run(Async<T> work) {
    std::optional<Result<T>> value;
    asio::co_spawn(io_, std::move(work), [&](std::exception_ptr exception, Result<T> result) {
      if (exception) std::rethrow_exception(exception);
      value = std::move(result);
    });
    io_.restart();
    while (!value && io_.run_one_for(std::chrono::seconds(20)) > 0) {
    }
    return value ? std::move(*value) : fail(Errc::timeout, "nothing happened for 20 s");
  }

  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  testing::NiceMock<MockRuns> runs_;
  testing::NiceMock<MockSessions> sessions_;
  testing::NiceMock<MockLibrary> library_;
  observe::MemoryLog log_;
  Settings settings_;
  sessions::Stores stores_;
  net::HttpClient* fetcher_ = nullptr;
  net::HttpClient* proxied_fetcher_ = nullptr;
  services::Model* model_ = nullptr;
  tasks::Scheduler* schedules_ = nullptr;
  tasks::Webhooks* webhooks_ = nullptr;
  std::vector<engine::Check> checks_;
  std::unique_ptr<ApiServer> server_;
  std::unique_ptr<net::HttpClient> client_ = net::HttpClient::create();
};

}  // namespace troupe::api
