// A Browserbase with browsers that are stubs, so that there can be many; their ways can break.
#pragma once

#include <boost/asio/io_context.hpp>
#include <future>

#include "relay.h"
#include "service.h"
#include "services/testing.h"
#include "sessions/testing_devtools.h"

namespace troupe::e2e {

/// The service and the browsers of its sessions, each behind a way that can break; on a thread of
/// its own.
class RemoteStub final {
 public:
  RemoteStub() : thread_([this] { work(); }) { ready_.get_future().wait(); }
  ~RemoteStub() {
    asio::post(io_, [this] { end_.set(); });
    thread_.join();
  }

  template <class Work>
  auto on_thread(Work work) {
    std::promise<decltype(work())> result;
    asio::post(io_, [&] {
      if constexpr (std::is_void_v<decltype(work())>) {
        work();
        result.set_value();
      } else {
        result.set_value(work());
      }
    });
    return result.get_future().get();
  }
  int live() {
    return on_thread([this] { return fake_->live(); });
  }
  std::size_t sessions() {
    return on_thread([this] { return fake_->sessions().size(); });
  }
  std::size_t clients() {
    return on_thread([this] { return stub_->clients(); });
  }
  int api_port() {
    return on_thread([this] { return api_->port(); });
  }
  int browsers_port() {
    return on_thread([this] { return browsers_->port(); });
  }
  // Where browsers of sessions are said to be, in place of here.
  std::string browsers_at;
  // The one that is always there.
  std::string browser() {
    return on_thread([this] { return stub_->browser(); });
  }
  // Its browser crashes.
  void end_session(const std::string& id, services::RemoteStatus status) {
    on_thread([&] {
      fake_->end_session(id, status);
      stub_->remove(id);
    });
  }
  void inject(services::FakeFault fault) {
    on_thread([&] { fake_->inject(fault); });
  }
  void cut() {
    on_thread([this] {
      api_->cut();
      browsers_->cut();
    });
  }
  void mend() {
    on_thread([this] {
      api_->mend();
      browsers_->mend();
    });
  }
  // Connections to the service go dead; those to browsers stay.
  void deaden() {
    on_thread([this] { api_->deaden(); });
  }
  std::map<std::string, std::string> environment() {
    const int port = on_thread([this] { return api_->port(); });
    return {{"BROWSERBASE_API_KEY", "bb_test_key"},
            {"BROWSERBASE_BASE_URL", "http://127.0.0.1:" + std::to_string(port)},
            {"TROUPE_SESSIONS_MAX", "300"},
            {"TROUPE_LOG_LEVEL", "info"}};
  }

 private:
  static Async<std::string> open(RemoteStub& self, std::string id) {
    self.stub_->add(id);
    const std::string here = "ws://127.0.0.1:" + std::to_string(self.browsers_->port());
    co_return (self.browsers_at.empty() ? here : self.browsers_at) + "/devtools/browser/" + id;
  }
  static asio::awaitable<void> close(RemoteStub& self, std::string id) {
    self.stub_->remove(id);
    co_return;
  }
  static asio::awaitable<void> serve(RemoteStub& self) {
    const auto executor = self.io_.get_executor();
    Context ctx(*self.clock_, executor);
    self.stub_ = sessions::DevtoolsStub::start(executor, *self.clock_);
    services::FakeOptions options;
    options.concurrency = 400;
    options.open = [&self](Context&, std::string id, json::object) {
      return open(self, std::move(id));
    };
    options.close = [&self](Context&, std::string id) { return close(self, std::move(id)); };
    self.fake_ = services::FakeBrowserbase::start(executor, *self.clock_, options).value();
    const auto port_in = [](const std::string& url) {
      return std::stoi(url.substr(url.rfind(':') + 1));
    };
    self.api_ = std::make_unique<Relay>(executor, port_in(self.fake_->base_url()));
    self.browsers_ = std::make_unique<Relay>(executor, port_in(self.stub_->address()));
    self.ready_.set_value();
    (void)co_await self.end_.wait(ctx);
    self.api_->cut();
    self.browsers_->cut();
    Context cleanup = ctx.with_timeout(std::chrono::seconds(5), "end");
    (void)co_await self.fake_->stop(cleanup);
    (void)co_await self.stub_->stop(cleanup);
  }
  void work() {
    scope_.spawn("service", serve(*this));
    io_.run();
  }

  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  Scope scope_{io_.get_executor()};
  Event end_;
  std::promise<void> ready_;
  std::unique_ptr<services::FakeBrowserbase> fake_;
  std::unique_ptr<sessions::DevtoolsStub> stub_;
  std::unique_ptr<Relay> api_;
  std::unique_ptr<Relay> browsers_;
  std::thread thread_;
};

}  // namespace troupe::e2e
