#include "sessions/cdp_provider.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/json.h"
#include "net/url.h"
#include "sessions/remote_browser.h"

namespace troupe::sessions {
namespace fs = std::filesystem;
namespace {

struct Endpoint {
  std::string address;
  std::string name;  // the address without secrets
  std::shared_ptr<RemoteBrowser> shared;
  bool connecting = false;
  Event settled;  // pulsed when an attempt to connect ended
  int sessions = 0;
  bool default_taken = false;
  int failures = 0;  // attempts in a row
  SteadyTime retry_at{};
  std::optional<Error> failure;
  SteadyTime used_at{};
  SteadyTime checked_at{};
  // Browser contexts that could not be disposed of: tried again on the next connection.
  std::vector<std::string> left_over;

  bool connected() const { return shared && shared->alive(); }
};

// All addresses and the shared connection of each. Sessions refer to it.
class Endpoints final {
 public:
  Endpoints(Clock& clock, asio::any_io_executor executor, observe::Log& log, CdpOptions options)
      : clock_(clock),
        executor_(executor),
        log_(log),
        options_(std::move(options)),
        http_(net::HttpClient::create()),
        scope_(executor) {
    for (const auto& address : options_.endpoints) {
      auto endpoint = std::make_unique<Endpoint>();
      endpoint->address = address;
      endpoint->name = address_without_secrets(address);
      all_.push_back(std::move(endpoint));
    }
  }

  const CdpOptions& options() const { return options_; }
  bool any() const { return !all_.empty(); }

  // Counted as used by one more session; give_back() undoes it. Tries one address after the other,
  // those that failed lately last and not before their time.
  Async<Endpoint*> take(Context& ctx, bool default_context,
                        std::shared_ptr<RemoteBrowser>& browser) {
    std::set<Endpoint*> tried;
    std::optional<Error> last;
    while (!closed_) {
      Endpoint* endpoint = choose(tried, default_context);
      if (!endpoint && last) co_return *last;
      if (!endpoint) {  // every default context is in use
        CO_TRY_VOID(co_await given_back_.wait(ctx));
        continue;
      }
      tried.insert(endpoint);
      ++endpoint->sessions;
      if (default_context) endpoint->default_taken = true;
      auto connected = default_context ? co_await connect(ctx, *endpoint)
                                       : co_await shared_connection(ctx, *endpoint);
      if (connected && !closed_) {
        browser = std::move(*connected);
        co_return endpoint;
      }
      give_back(*endpoint, default_context);
      CO_TRY_VOID(ctx.check());
      if (!connected) last = connected.error();
    }
    co_return fail(Errc::draining, "cdp endpoints: shutting down");
  }

  void give_back(Endpoint& endpoint, bool default_context) {
    --endpoint.sessions;
    if (default_context) endpoint.default_taken = false;
    endpoint.used_at = clock_.now();
    given_back_.pulse();
  }

  Async<void> tend(Context& ctx) {
    for (const auto& endpoint : all_) {
      const auto now = clock_.now();
      const bool in_use =
          endpoint->sessions > 0 || now - endpoint->used_at <= options_.idle_timeout;
      if (endpoint->connected() && !in_use) {
        endpoint->shared.reset();
      } else if (endpoint->connected()) {
        co_await check(ctx, *endpoint);
      } else if (in_use && endpoint->used_at != SteadyTime{} && !endpoint->connecting &&
                 now >= endpoint->retry_at) {
        // On its own fiber: an address that swallows packets must not hold up the others' care.
        scope_.spawn("cdp reconnect", reconnect(*endpoint));
      }
    }
    co_return Result<void>{};
  }

  Async<void> shutdown(Context& ctx) {
    closed_ = true;
    stop_.cancel(fail(Errc::draining, "cdp endpoints: shutting down"));
    given_back_.pulse();
    auto joined = co_await scope_.join(ctx);
    for (const auto& endpoint : all_) endpoint->shared.reset();
    co_return joined;
  }

 private:
  Endpoint* choose(const std::set<Endpoint*>& tried, bool default_context) const {
    Endpoint* best = nullptr;
    const auto rank = [&](const Endpoint& one) {
      const bool waits = !one.connected() && one.retry_at > clock_.now();
      return std::tuple(waits ? one.retry_at : SteadyTime{}, one.sessions);
    };
    for (const auto& one : all_)
      if (!tried.contains(one.get()) && !(default_context && one->default_taken) &&
          (!best || rank(*one) < rank(*best)))
        best = one.get();
    return best;
  }

  Async<std::shared_ptr<RemoteBrowser>> shared_connection(Context& ctx, Endpoint& endpoint) {
    if (endpoint.connecting) {
      while (endpoint.connecting) CO_TRY_VOID(co_await endpoint.settled.wait(ctx));
      if (!endpoint.connected() && endpoint.failure) co_return *endpoint.failure;
    }
    if (endpoint.connected()) co_return endpoint.shared;
    endpoint.connecting = true;
    auto connected = co_await connect(ctx, endpoint);
    endpoint.connecting = false;
    if (connected) {
      endpoint.shared = *connected;
      endpoint.checked_at = clock_.now();
      for (const auto& context : std::exchange(endpoint.left_over, {}))
        endpoint.shared->connection->post("", "Target.disposeBrowserContext",
                                          {{"browserContextId", context}});
    }
    endpoint.settled.pulse();
    co_return connected;
  }

  // A connection of its own, not before the address may be tried again.
  Async<std::shared_ptr<RemoteBrowser>> connect(Context& ctx, Endpoint& endpoint) {
    const auto now = clock_.now();
    if (endpoint.retry_at > now) CO_TRY_VOID(co_await sleep_for(ctx, endpoint.retry_at - now));
    Context limited = ctx.with_timeout(options_.connect_timeout, "cdp endpoint " + endpoint.name);
    std::string address = endpoint.address;
    auto url = co_await resolve_endpoint(limited, *http_, std::move(address));
    if (!url) {
      note_failure(ctx, endpoint, url.error());
      co_return url.error();
    }
    auto browser = co_await connect_remote_browser(limited, std::move(*url));
    if (!browser) {
      note_failure(ctx, endpoint, browser.error());
      co_return browser.error();
    }
    endpoint.used_at = clock_.now();
    if (endpoint.failures > 0 || !endpoint.shared)
      log_.write(ctx.ids(), {.action = "cdp.connect",
                             .status = "ok",
                             .details = {{"endpoint", endpoint.name},
                                         {"version", (*browser)->product},
                                         {"failures", endpoint.failures}}});
    endpoint.failures = 0;
    endpoint.failure.reset();
    endpoint.retry_at = SteadyTime{};
    co_return browser;
  }

  void note_failure(Context& ctx, Endpoint& endpoint, const Error& error) {
    if (ctx.cancel_source().is_cancelled()) return;  // says nothing about the address
    const int doublings = std::min(endpoint.failures++, 16);
    const Duration pause = std::min(options_.retry_first * (1 << doublings), options_.retry_max);
    endpoint.retry_at = clock_.now() + pause;
    endpoint.failure = error;
    if (endpoint.failures > 1) return;  // once, not every few seconds
    log_.write(ctx.ids(), {.level = observe::Level::error,
                           .action = "cdp.connect",
                           .status = "failed",
                           .details = {{"endpoint", endpoint.name}},
                           .error = &error});
  }

  asio::awaitable<void> reconnect(Endpoint& endpoint) {
    const Context base(clock_, executor_);
    Context ctx = base.with_cancel(stop_);
    (void)co_await shared_connection(ctx, endpoint);
  }

  // A browser that does not answer is given up: its sessions learn it from the connection.
  asio::awaitable<void> check(Context& ctx, Endpoint& endpoint) {
    if (clock_.now() - endpoint.checked_at < options_.check_every) co_return;
    endpoint.checked_at = clock_.now();
    const auto browser = endpoint.shared;
    Context limited = ctx.with_timeout(options_.check_timeout, "cdp endpoint " + endpoint.name);
    const auto answer = co_await browser->connection->call(limited, "", "Browser.getVersion");
    if (answer || ctx.cancel_source().is_cancelled()) co_return;
    const Error error = answer.error();
    log_.write(ctx.ids(), {.level = observe::Level::error,
                           .action = "cdp.health",
                           .status = "failed",
                           .details = {{"endpoint", endpoint.name}},
                           .error = &error});
    browser->connection->close(
        fail(Errc::session_lost, "the browser does not answer: " + error.message));
  }

  Clock& clock_;
  asio::any_io_executor executor_;
  observe::Log& log_;
  CdpOptions options_;
  std::unique_ptr<net::HttpClient> http_;
  std::vector<std::unique_ptr<Endpoint>> all_;
  Event given_back_;
  CancelSource stop_;
  Scope scope_;
  bool closed_ = false;
};

// In the default context: the pages that came from this connection, and those that they opened.
// Everything else in that browser belongs to somebody else.
class OwnPages final {
 public:
  Async<void> watch(Context& ctx, cdp::Connection& connection) {
    events_ = connection.on_events("", [this](std::string_view method, const json::object& params) {
      on_event(method, params);
    });
    json::object params{{"discover", true}};
    CO_TRY_VOID(co_await connection.call(ctx, "", "Target.setDiscoverTargets", std::move(params)));
    co_return Result<void>{};
  }

  Async<void> close(Context& ctx, cdp::Connection& connection) {
    const auto targets = std::exchange(targets_, {});
    for (const auto& target : targets)
      connection.post("", "Target.closeTarget", {{"targetId", target}});
    // Answered after the ones before: then the connection may end.
    auto answer = co_await connection.call(ctx, "", "Browser.getVersion");
    if (!answer) co_return answer.error();
    co_return Result<void>{};
  }

 private:
  void on_event(std::string_view method, const json::object& params) {
    if (method == "Target.targetDestroyed") {
      targets_.erase(std::string(find_string(params, "targetId").value_or("")));
      return;
    }
    const auto* info = find(params, "targetInfo");
    if (!info || !info->is_object()) return;
    const std::string id(find_string(info->get_object(), "targetId").value_or(""));
    const std::string opener(find_string(info->get_object(), "openerId").value_or(""));
    const bool ours = method == "Target.attachedToTarget" ||
                      (method == "Target.targetCreated" && targets_.contains(opener));
    if (ours) targets_.insert(id);
  }

  std::set<std::string> targets_;
  cdp::Connection::Subscription events_;
};

class CdpSession final : public ProviderSession {
 public:
  CdpSession(Endpoints& home, Endpoint& endpoint, std::shared_ptr<RemoteBrowser> browser,
             std::string id, SessionSpec spec)
      : home_(home),
        endpoint_(endpoint),
        browser_(std::move(browser)),
        id_(std::move(id)),
        spec_(std::move(spec)) {}

  bool has_default_context() const { return uses_default_context(spec_); }
  static bool uses_default_context(const SessionSpec& spec) {
    return spec.connectable || spec.isolation == Isolation::process;
  }

  Async<void> start(Context& ctx) {
    cdp::Connection& connection = *browser_->connection;
    if (has_default_context()) co_return co_await own_pages_.watch(ctx, connection);
    json::object params{{"disposeOnDetach", true}};
    CO_TRY(const auto made,
           co_await connection.call(ctx, "", "Target.createBrowserContext", std::move(params)));
    context_id_ = std::string(find_string(made, "browserContextId").value_or(""));
    if (context_id_.empty())
      co_return fail(Errc::protocol_error,
                     "cdp endpoint " + endpoint_.name + ": made no browser context");
    co_return Result<void>{};
  }

  const std::string& id() const override { return id_; }
  Session::Counters& counters() override { return counters_; }
  Event& lost() override { return browser_->connection->closed_event(); }
  Error lost_reason() const override {
    return fail(Errc::session_lost,
                "session " + id_ + ": the connection to cdp endpoint " + endpoint_.name +
                    " ended: " + browser_->connection->close_reason().message,
                "session", "its tasks are retried; the endpoint is connected to again");
  }

  Result<Browser> browser() override {
    if (ended_) return fail(Errc::session_lost, "session " + id_ + ": it has ended", "session");
    if (!browser_->alive()) return lost_reason();
    return Browser{.connection = browser_->connection.get(),
                   .browser_context_id = context_id_,
                   .viewport_width = spec_.viewport_width,
                   .viewport_height = spec_.viewport_height};
  }

  std::unique_ptr<cdp::Page> take_page() override { return nullptr; }

  void give_back_page(std::unique_ptr<cdp::Page> page) override {
    if (!page) return;
    const auto traffic = page->connection().session_counters(page->session_id());
    counters_.cdp_commands += traffic.commands;
    counters_.cdp_bytes_sent += traffic.bytes_sent;
    counters_.cdp_bytes_received += traffic.bytes_received;
    page->connection().post("", "Target.closeTarget", {{"targetId", page->target_id()}});
  }

  Result<std::string> downloads_dir() override {
    const auto url = net::parse_url(browser_->url);
    const bool here =
        url && (url->host == "127.0.0.1" || url->host == "::1" || url->host == "localhost");
    if (!here)
      return fail(Errc::unsupported,
                  "downloads: the browser at " + endpoint_.name + " has its files elsewhere",
                  "session", "use provider local for downloads");
    const std::string dir = home_.options().data_dir + "/downloads/" + id_;
    std::error_code error;
    fs::create_directories(dir, error);
    if (error)
      return fail(Errc::storage_failed, "downloads folder " + dir + ": " + error.message(),
                  "data_dir", "free disk space, or set data_dir to a folder that can be written");
    has_downloads_ = true;
    return dir;
  }

  Async<std::string> endpoint(Context& ctx) override {
    if (!has_default_context()) co_return co_await ProviderSession::endpoint(ctx);
    if (!browser_->alive()) co_return lost_reason();
    co_return browser_->url;
  }

  Async<void> close(Context& ctx, bool) override {
    if (std::exchange(ended_, true)) co_return Result<void>{};
    if (has_downloads_) {
      std::error_code ignored;
      fs::remove_all(home_.options().data_dir + "/downloads/" + id_, ignored);
    }
    Result<void> result;
    if (has_default_context()) {
      if (browser_->alive()) result = co_await own_pages_.close(ctx, *browser_->connection);
      browser_->connection->close(fail(Errc::session_lost, "session " + id_ + ": it has ended"));
    } else {
      result = co_await dispose(ctx);
    }
    home_.give_back(endpoint_, has_default_context());
    co_return result;
  }

 private:
  // Contexts end with their connection, but a browser may not have noticed that it broke.
  Async<void> dispose(Context& ctx) {
    Result<void> result;
    if (context_id_.empty()) co_return result;
    json::object params{{"browserContextId", context_id_}};
    auto gone = co_await browser_->connection->call(ctx, "", "Target.disposeBrowserContext",
                                                    std::move(params));
    if (gone) co_return result;
    endpoint_.left_over.push_back(context_id_);
    if (browser_->alive()) result = gone.error();
    co_return result;
  }

  Endpoints& home_;
  Endpoint& endpoint_;
  std::shared_ptr<RemoteBrowser> browser_;
  std::string id_;
  SessionSpec spec_;
  std::string context_id_;
  OwnPages own_pages_;
  Session::Counters counters_{.tasks = 1};
  bool ended_ = false;
  bool has_downloads_ = false;
};

// What can only be said when a browser is started, or needs more than a DevTools address.
Result<void> refuse_unsupported(const SessionSpec& spec) {
  const std::pair<std::string_view, bool> asked[] = {
      {"region", !spec.region.empty()},
      {"context_id", !spec.context_id.empty()},
      {"extension_id", !spec.extension_id.empty()},
      {"proxies", !spec.proxies.empty()},
      {"ca_certificates", !spec.ca_certificates.empty()},
      {"ignore_certificate_errors", spec.ignore_certificate_errors},
      {"allowed_domains", !spec.allowed_domains.empty()},
      {"denied_domains", !spec.denied_domains.empty()},
      {"block_ads", spec.block_ads},
      {"blocked_resources", !spec.blocked_resources.empty()},
      {"user_agent", !spec.user_agent.empty()},
      {"locale", !spec.locale.empty()},
      {"timezone", !spec.timezone.empty()},
      {"extra_headers", !spec.extra_headers.empty()},
      {"solve_captchas", spec.solve_captchas.value_or(false)},
  };
  for (const auto& [name, is_asked] : asked)
    if (is_asked)
      return fail(Errc::unsupported,
                  "session " + std::string(name) +
                      ": provider cdp cannot give that to a browser "
                      "that runs already",
                  "session", "leave it out, or use another provider");
  return {};
}

class CdpProvider final : public SessionProvider {
 public:
  CdpProvider(Clock& clock, asio::any_io_executor executor, observe::Log& log, CdpOptions options)
      : endpoints_(clock, std::move(executor), log, std::move(options)) {}

  std::string_view name() const override { return "cdp"; }

  Async<std::unique_ptr<ProviderSession>> create(Context& ctx, std::string id,
                                                 SessionSpec spec) override {
    CO_TRY_VOID(refuse_unsupported(spec));
    if (!endpoints_.any())
      co_return fail(Errc::invalid_argument, "cdp_endpoints: none is set", "cdp_endpoints",
                     "give the addresses of the browsers, for example http://127.0.0.1:9222");
    const bool default_context = CdpSession::uses_default_context(spec);
    std::shared_ptr<RemoteBrowser> browser;
    CO_TRY(Endpoint * endpoint, co_await endpoints_.take(ctx, default_context, browser));
    auto session = std::make_unique<CdpSession>(endpoints_, *endpoint, std::move(browser),
                                                std::move(id), std::move(spec));
    auto started = co_await session->start(ctx);
    if (!started) {
      Context cleanup = ctx.for_cleanup(std::chrono::seconds(2), "session clean-up");
      (void)co_await session->close(cleanup, false);
      co_return started.error();
    }
    std::unique_ptr<ProviderSession> made = std::move(session);
    co_return made;
  }

  Async<void> tend(Context& ctx) override { co_return co_await endpoints_.tend(ctx); }
  Async<void> shutdown(Context& ctx) override { co_return co_await endpoints_.shutdown(ctx); }

 private:
  Endpoints endpoints_;
};

}  // namespace

std::unique_ptr<SessionProvider> make_cdp_provider(Clock& clock, asio::any_io_executor executor,
                                                   observe::Log& log, CdpOptions options) {
  return std::make_unique<CdpProvider>(clock, std::move(executor), log, std::move(options));
}

Result<void> check_cdp_endpoints(const std::vector<std::string>& endpoints) {
  for (const auto& endpoint : endpoints)
    if (!net::parse_url(endpoint))
      return fail(Errc::invalid_argument,
                  "cdp_endpoints: '" + address_without_secrets(endpoint) +
                      "' is not a ws, wss, http or https URL",
                  "cdp_endpoints", "for example http://127.0.0.1:9222");
  return {};
}

}  // namespace troupe::sessions
