// A Browserbase with real browsers behind its sessions, on a thread of its own.
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <future>
#include <map>
#include <string>
#include <thread>

#include "services/stagehand_extension.h"
#include "services/testing.h"
#include "sessions/chromium.h"
#include "sessions/zip_archive.h"

namespace troupe::e2e {

class RemoteService final {
  template <class Work>
  auto on_thread(Work work) {
    std::promise<decltype(work())> result;
    asio::post(io_, [&] { result.set_value(work()); });
    return result.get_future().get();
  }

 public:
  explicit RemoteService(const std::string& dir, int concurrency = 25)
      : dir_(dir), concurrency_(concurrency), thread_([this] { work(); }) {
    ready_.get_future().wait();
  }
  ~RemoteService() {
    asio::post(io_, [this] { end_.set(); });
    thread_.join();
  }

  std::string base_url() {
    return on_thread([this] { return fake_->base_url(); });
  }
  int live() {
    return on_thread([this] { return fake_->live(); });
  }
  std::size_t sessions() {
    return on_thread([this] { return fake_->sessions().size(); });
  }
  std::string browser_of_its_own() {
    std::promise<std::string> url;
    asio::post(io_, [&] {
      scope_.spawn(
          "browser",
          [](RemoteService& self, std::promise<std::string>& told) -> asio::awaitable<void> {
            const Context base(*self.clock_, self.io_.get_executor());
            Context ctx = base.with_timeout(std::chrono::seconds(20), "browser");
            auto opened = co_await self.open(ctx, "own");
            told.set_value(opened ? *opened : opened.error().describe());
          }(*this, url));
    });
    return url.get_future().get();
  }
  std::size_t extensions() {
    return on_thread([this] { return fake_->extensions().size(); });
  }
  int count(const std::string& route) {
    return on_thread([&] { return fake_->count(route); });
  }
  std::map<std::string, std::string> environment() {
    return {{"BROWSERBASE_API_KEY", "bb_test_key"},
            {"BROWSERBASE_BASE_URL", base_url()},
            {"TROUPE_LOG_LEVEL", "info"}};
  }

 private:
  // As the service does: the archive is unpacked, and the browser starts with it.
  Async<std::string> open(Context& ctx, std::string id, std::string extension = {}) {
    sessions::ChromiumOptions options{.browsers_dir = dir_, .listening = true};
    if (!extension.empty()) {
      const std::string folder = dir_ + "-extensions/" + id;
      std::filesystem::create_directories(folder);
      CO_TRY_VOID(sessions::unpack_zip(fake_->extensions().at(extension), folder, {}));
      CO_TRY(const auto full, sessions::find_full_browser(""));
      options.browser = full.path;
      options.extra_flags = {
          "--load-extension=" + folder,
          "--remote-allow-origins=chrome-extension://" + services::unpacked_extension_id(folder)};
    }
    CO_TRY(auto chromium, co_await sessions::Chromium::launch(ctx, options));
    const std::string endpoint = chromium->endpoint();
    browsers_[id] = std::move(chromium);
    co_return endpoint;
  }
  asio::awaitable<void> close(Context& ctx, std::string id) {
    auto chromium = std::move(browsers_[id]);
    browsers_.erase(id);
    if (chromium) (void)co_await chromium->close(ctx);
  }

  static asio::awaitable<void> serve(RemoteService& self) {
    Context ctx(*self.clock_, self.io_.get_executor());
    services::FakeOptions options;
    options.concurrency = self.concurrency_;
    options.open = [&self](Context& call, std::string id, json::object request) {
      std::string extension(find_string(request, "extensionId").value_or(""));
      return self.open(call, std::move(id), std::move(extension));
    };
    options.close = [&self](Context& call, std::string id) {
      return self.close(call, std::move(id));
    };
    self.fake_ =
        services::FakeBrowserbase::start(self.io_.get_executor(), *self.clock_, options).value();
    self.ready_.set_value();
    (void)co_await self.end_.wait(ctx);
    Context cleanup = ctx.with_timeout(std::chrono::seconds(5), "end");
    (void)co_await self.fake_->stop(cleanup);
    self.browsers_.clear();
  }
  void work() {
    scope_.spawn("service", serve(*this));
    io_.run();
  }

  std::string dir_;
  int concurrency_;
  asio::io_context io_;
  std::unique_ptr<Clock> clock_ = make_real_clock(io_.get_executor());
  Scope scope_{io_.get_executor()};
  Event end_;
  std::promise<void> ready_;
  std::unique_ptr<services::FakeBrowserbase> fake_;
  std::map<std::string, std::unique_ptr<sessions::Chromium>> browsers_;
  std::thread thread_;
};

}  // namespace troupe::e2e
