// What tests of local sessions share: a site that remembers what it was asked, the real provider,
// and a foreign DevTools client. Tests only.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cdp/page.h"
#include "net/http_server.h"
#include "net/websocket.h"
#include "sessions/local_provider.h"
#include "sessions/testing.h"

namespace troupe::sessions {

namespace fs = std::filesystem;

class OneExtension final : public ExtensionStore {
 public:
  explicit OneExtension(std::string folder) : folder_(std::move(folder)) {}
  Async<StoredExtension> add(Context&, std::string, std::string, std::string) override {
    co_return fail(Errc::unsupported, "fixed");
  }
  Result<StoredExtension> find(const std::string& id) const override {
    if (id != "mark") return fail(Errc::not_found, "extension " + id);
    return StoredExtension{.id = id, .folder = folder_};
  }
  Async<void> remove(Context&, std::string) override { co_return Result<void>{}; }

 private:
  std::string folder_;
};

// A site that remembers what it was asked, a provider, and a foreign client on its sessions.
struct SessionFixture {
  explicit SessionFixture(Context& ctx, std::string dir_given, LocalOptions options = {})
      : dir(std::move(dir_given)) {
    auto handler = [this](Context&, net::HttpRequest request) {
      return answer(*this, std::move(request));
    };
    site = *net::HttpServer::start(ctx.executor(), ctx.clock(), {}, handler);
    contexts = make_context_store(ctx.clock(), dir + "/contexts");
    extensions = std::make_unique<OneExtension>(dir + "/extension");
    options.data_dir = dir;
    options.warm_sessions = 0;
    options.warm_processes = 0;
    options.tabs_max = 3;
    options.contexts = contexts.get();
    options.extensions = extensions.get();
    provider = make_local_provider(ctx.clock(), ctx.executor(), log, options);
  }

  static asio::awaitable<net::HttpResponse> answer(SessionFixture& f, net::HttpRequest request) {
    f.asked.push_back(request.path);
    net::HttpResponse response{.content_type = "text/html"};
    if (f.is_proxy && request.header("proxy-authorization") != "Basic dXNlcjpwYXNz") {
      response.status = 407;
      co_return response;
    }
    if (request.path.starts_with("/ws")) {
      response.upgrade = [](Context& ctx, net::WebSocket& socket) {
        return keep_open(ctx, socket);
      };
      co_return response;
    }
    f.mark = std::string(request.header("x-mark"));
    f.language = std::string(request.header("accept-language"));
    response.body = "<title>" + request.path + "</title><img src=/picture><p>text</p>";
    co_return response;
  }

  static asio::awaitable<void> keep_open(Context& ctx, net::WebSocket& socket) {
    while (co_await socket.read(ctx, 1'000)) {
    }
  }

  std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(site->port()) + path;
  }
  asio::awaitable<void> stop(Context& ctx) {
    (void)co_await provider->shutdown(ctx);
    (void)co_await site->stop(ctx);
    EXPECT_TRUE(fs::is_empty(dir + "/browsers"));
  }

  std::string dir;
  observe::Log& log = null_log();
  std::vector<std::string> asked;
  std::string mark, language;
  bool is_proxy = false;
  std::unique_ptr<net::HttpServer> site;
  std::unique_ptr<ContextStore> contexts;
  std::unique_ptr<ExtensionStore> extensions;
  std::unique_ptr<SessionProvider> provider;
};

struct Client {
  std::unique_ptr<cdp::Connection> connection;
  std::unique_ptr<cdp::Page> page;
};

inline Async<Client> open_page(Context& ctx, ProviderSession& session) {
  Client client;
  CO_TRY(std::string url, co_await session.endpoint(ctx));
  CO_TRY(auto transport, co_await cdp::connect_websocket(ctx, std::move(url)));
  client.connection = std::make_unique<cdp::Connection>(std::move(transport));
  cdp::Page::Options blank;
  CO_TRY(client.page, co_await cdp::Page::open(ctx, *client.connection, blank));
  co_return client;
}

inline asio::awaitable<json::value> evaluate(Context& ctx, cdp::Page& page, std::string script) {
  cdp::Page::EvaluateOptions own{.isolated = false};
  auto value = co_await page.evaluate(ctx, std::move(script), own);
  co_return value ? *value : json::value(value.error().describe());
}

}  // namespace troupe::sessions
