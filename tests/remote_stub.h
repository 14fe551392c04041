// A Browserbase with browsers that are stubs, so that there can be many; their ways can break.
#pragma once

#include "relay.h"
#include "server_thread.h"
#include "service.h"
#include "services/testing.h"
#include "sessions/testing_devtools.h"

namespace troupe::e2e {

/// The service and the browsers of its sessions, each behind a way that can break; on a thread of
/// its own.
class RemoteStub final : public ServerThread {
 public:
  RemoteStub() { start(); }
  ~RemoteStub() override { stop(); }

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
  asio::awaitable<void> begin(Context&) override {
    stub_ = sessions::DevtoolsStub::start(executor(), clock());
    services::FakeOptions options;
    options.concurrency = 400;
    options.open = [this](Context&, std::string id, json::object) {
      return open(*this, std::move(id));
    };
    options.close = [this](Context&, std::string id) { return close(*this, std::move(id)); };
    fake_ = services::FakeBrowserbase::start(executor(), clock(), options).value();
    const auto port_in = [](const std::string& url) {
      return std::stoi(url.substr(url.rfind(':') + 1));
    };
    api_ = std::make_unique<Relay>(executor(), port_in(fake_->base_url()));
    browsers_ = std::make_unique<Relay>(executor(), port_in(stub_->address()));
    co_return;
  }
  asio::awaitable<void> end(Context& ctx) override {
    api_->cut();
    browsers_->cut();
    (void)co_await fake_->stop(ctx);
    (void)co_await stub_->stop(ctx);
  }

  std::unique_ptr<services::FakeBrowserbase> fake_;
  std::unique_ptr<sessions::DevtoolsStub> stub_;
  std::unique_ptr<Relay> api_;
  std::unique_ptr<Relay> browsers_;
};

}  // namespace troupe::e2e
