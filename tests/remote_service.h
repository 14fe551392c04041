// A Browserbase with real browsers behind its sessions, on a thread of its own.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "server_thread.h"
#include "services/stagehand_extension.h"
#include "services/testing.h"
#include "sessions/chromium.h"
#include "sessions/zip_archive.h"

namespace troupe::e2e {

class RemoteService final : public ServerThread {
 public:
  explicit RemoteService(const std::string& dir, int concurrency = 25)
      : dir_(dir), concurrency_(concurrency) {
    start();
  }
  ~RemoteService() override { stop(); }

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
    on_thread([&] {
      scope().spawn(
          "browser",
          [](RemoteService& self, std::promise<std::string>& told) -> asio::awaitable<void> {
            const Context base(self.clock(), self.executor());
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

  asio::awaitable<void> begin(Context&) override {
    services::FakeOptions options;
    options.concurrency = concurrency_;
    options.open = [this](Context& call, std::string id, json::object request) {
      std::string extension(find_string(request, "extensionId").value_or(""));
      return open(call, std::move(id), std::move(extension));
    };
    options.close = [this](Context& call, std::string id) { return close(call, std::move(id)); };
    fake_ = services::FakeBrowserbase::start(executor(), clock(), options).value();
    co_return;
  }
  asio::awaitable<void> end(Context& ctx) override {
    (void)co_await fake_->stop(ctx);
    browsers_.clear();
  }

  std::string dir_;
  int concurrency_;
  std::unique_ptr<services::FakeBrowserbase> fake_;
  std::map<std::string, std::unique_ptr<sessions::Chromium>> browsers_;
};

}  // namespace troupe::e2e
