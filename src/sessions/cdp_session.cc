#include "sessions/cdp_session.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/json.h"
#include "net/url.h"

namespace troupe::sessions {
namespace fs = std::filesystem;
namespace {

constexpr Duration kPauseFirst = std::chrono::milliseconds(200);
constexpr Duration kPauseMax = std::chrono::seconds(2);

bool uses_default_context(const SessionSpec& spec) {
  return spec.connectable || spec.isolation == Isolation::process;
}

// Chromium's answer at the address of a browser that is no more.
bool is_unknown_there(const Error& error) {
  return error.code == Errc::protocol_error && error.message.find("HTTP 404") != std::string::npos;
}

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

  // Of those known so far, the ones that the browser at the other end has.
  Async<std::set<std::string>> present(Context& ctx, cdp::Connection& connection) const {
    CO_TRY(const auto answer, co_await connection.call(ctx, "", "Target.getTargets"));
    std::set<std::string> found;
    const auto* infos = find(answer, "targetInfos");
    if (!infos || !infos->is_array()) co_return found;
    for (const auto& info : infos->get_array()) {
      if (!info.is_object()) continue;
      std::string id(find_string(info.get_object(), "targetId").value_or(""));
      if (targets_.contains(id)) found.insert(std::move(id));
    }
    co_return found;
  }
  void keep_only(std::set<std::string> present) { targets_ = std::move(present); }

  Async<void> close(Context& ctx, cdp::Connection& connection) {
    const auto targets = take();
    for (const auto& target : targets)
      connection.post("", "Target.closeTarget", {{"targetId", target}});
    // Answered after the ones before: then the connection may end.
    auto answer = co_await connection.call(ctx, "", "Browser.getVersion");
    if (!answer) co_return answer.error();
    co_return Result<void>{};
  }

  std::set<std::string> take() { return std::exchange(targets_, {}); }
  bool empty() const { return targets_.empty(); }

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

// What both kinds have in common.
class CdpSession : public ProviderSession {
 public:
  CdpSession(Endpoints& home, Endpoint& endpoint, std::string id, SessionSpec spec)
      : home_(home), endpoint_(endpoint), id_(std::move(id)), spec_(std::move(spec)) {}

  const std::string& id() const override { return id_; }
  Session::Counters& counters() override { return counters_; }
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
    const auto url = net::parse_url(browser_url());
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

 protected:
  virtual const std::string& browser_url() const = 0;
  Browser browser_at(cdp::Connection& connection, std::string context_id) const {
    return Browser{.connection = &connection,
                   .browser_context_id = std::move(context_id),
                   .viewport_width = spec_.viewport_width,
                   .viewport_height = spec_.viewport_height};
  }
  Error has_ended() const {
    return fail(Errc::session_lost, "session " + id_ + ": it has ended", "session");
  }
  Error connection_ended(const Error& reason, const std::string& finding) const {
    return fail(Errc::session_lost,
                "session " + id_ + ": the connection to cdp endpoint " + endpoint_.name +
                    " ended: " + reason.message + (finding.empty() ? "" : "; " + finding),
                "session", "its tasks are retried; the endpoint is connected to again");
  }
  void remove_downloads() {
    std::error_code ignored;
    if (has_downloads_) fs::remove_all(home_.options().data_dir + "/downloads/" + id_, ignored);
  }

  Endpoints& home_;
  Endpoint& endpoint_;
  std::string id_;
  SessionSpec spec_;
  bool ended_ = false;

 private:
  Session::Counters counters_{.tasks = 1};
  bool has_downloads_ = false;
};

// Its context ends with the connection: one that broke cannot be taken up again.
class ContextSession final : public CdpSession {
 public:
  ContextSession(Endpoints& home, Endpoints::Taken taken, std::string id, SessionSpec spec)
      : CdpSession(home, *taken.endpoint, std::move(id), std::move(spec)),
        shared_(std::move(taken.shared)) {}

  Async<void> start(Context& ctx) {
    json::object params{{"disposeOnDetach", true}};
    CO_TRY(const auto made,
           co_await connection().call(ctx, "", "Target.createBrowserContext", std::move(params)));
    context_id_ = std::string(find_string(made, "browserContextId").value_or(""));
    if (context_id_.empty())
      co_return fail(Errc::protocol_error,
                     "cdp endpoint " + endpoint_.name + ": made no browser context");
    co_return Result<void>{};
  }

  Event& lost() override { return connection().closed_event(); }
  Error lost_reason() const override {
    return connection_ended(shared_->browser->connection->close_reason(), shared_->loss.text);
  }
  EndReason lost_as() const override { return shared_->loss.as; }
  Async<void> diagnose(Context& ctx) override { co_return co_await shared_->diagnosed.wait(ctx); }

  Async<std::string> driver_endpoint(Context&) override {
    CO_TRY(const auto there, browser());
    (void)there;
    co_return browser_url();
  }

  Result<Browser> browser() override {
    if (ended_) return has_ended();
    if (!shared_->browser->alive()) return lost_reason();
    return browser_at(connection(), context_id_);
  }

  // Contexts end with their connection, but a browser may not have noticed that it broke.
  Async<void> close(Context& ctx, bool) override {
    if (std::exchange(ended_, true)) co_return Result<void>{};
    remove_downloads();
    Result<void> result;
    json::object params{{"browserContextId", context_id_}};
    if (!context_id_.empty()) {
      const auto gone = co_await connection().call(ctx, "", "Target.disposeBrowserContext", params);
      if (!gone) endpoint_.left_over.push_back({"Target.disposeBrowserContext", params});
      if (!gone && shared_->browser->alive()) result = gone.error();
    }
    home_.give_back(endpoint_, false);
    co_return result;
  }

 private:
  const std::string& browser_url() const override { return shared_->browser->url; }
  cdp::Connection& connection() { return *shared_->browser->connection; }

  std::shared_ptr<SharedConnection> shared_;
  std::string context_id_;
};

// The connection to a default context. Also held by the fiber that watches it, so it may outlive
// its session.
class DefaultContextLink final {
 public:
  DefaultContextLink(Endpoints& home, std::string name, std::shared_ptr<RemoteBrowser> browser)
      : home_(home),
        name_(std::move(name)),
        browser_(std::move(browser)),
        stop_(CancelSource::linked(home.stop_source())) {}

  Async<void> start(Context& ctx) { co_return co_await pages_.watch(ctx, *browser_->connection); }

  static asio::awaitable<void> watch(std::shared_ptr<DefaultContextLink> self) {
    Context ctx = self->home_.fiber_context(self->stop_);
    while (!self->lost_.is_set()) {
      const auto browser = self->browser_;
      const auto ended = co_await await_end(ctx, browser, self->home_.options().health);
      if (!ended) co_return;
      self->why_ = browser->connection->close_reason();
      co_await self->reconnect(ctx);
      if (ctx.cancel_source().is_cancelled()) co_return;
    }
  }

  void stop() {
    stop_.cancel(fail(Errc::cancelled, "session ended"));
    browser_->connection->close(fail(Errc::session_lost, "session ended"));
  }

  RemoteBrowser& browser() { return *browser_; }
  const RemoteBrowser& browser() const { return *browser_; }
  OwnPages& pages() { return pages_; }
  Event& lost() { return lost_; }
  const ConnectionLoss& loss() const { return loss_; }
  const Error& why() const { return why_; }

 private:
  // Until the browser is found again, or surely is another one, or is away for too long.
  asio::awaitable<void> reconnect(Context& ctx) {
    if (!names_one_browser(browser_->url) && pages_.empty())
      co_return lose({EndReason::connection_lost, "whether its browser is still there is unknown"});
    const auto began = ctx.clock().now();
    const CdpOptions& options = home_.options();
    for (Duration pause = kPauseFirst;; pause = std::min(pause * 2, kPauseMax)) {
      Context limited = ctx.with_timeout(options.connect_timeout, "cdp reconnection");
      const auto again = co_await connect_again(limited);
      if (ctx.cancel_source().is_cancelled()) co_return;
      if (again) {
        home_.note(observe::Level::warning, "cdp.connection", "restored", {{"endpoint", name_}},
                   &why_);
        co_return;
      }
      const Duration away = ctx.clock().now() - began;
      const bool refused = is_refusal(again.error());
      if (again.error().code == Errc::gone || is_unknown_there(again.error()))
        co_return lose({EndReason::provider_ended, "another browser is there now"});
      if (refused && away >= options.refused_for)
        co_return lose({EndReason::provider_ended, "nothing listens there any more"});
      if (away >= options.reconnect_for)
        co_return lose({EndReason::connection_lost, again.error().message});
      (void)co_await sleep_for(ctx, pause);
    }
  }

  // Chromium knows a browser's own address; at other services the pages tell whether it is the one.
  Async<void> connect_again(Context& ctx) {
    std::string url = browser_->url;
    CO_TRY(auto fresh, co_await connect_remote_browser(ctx, std::move(url)));
    CO_TRY(auto present, co_await pages_.present(ctx, *fresh->connection));
    if (present.empty() && !names_one_browser(browser_->url))
      co_return fail(Errc::gone, "none of the session's pages is there");
    pages_.keep_only(std::move(present));
    CO_TRY_VOID(co_await pages_.watch(ctx, *fresh->connection));
    broken_.push_back(std::move(browser_));
    browser_ = std::move(fresh);
    co_return Result<void>{};
  }

  void lose(ConnectionLoss loss) {
    loss_ = std::move(loss);
    home_.note(observe::Level::error, "cdp.connection", "lost",
               {{"endpoint", name_}, {"end", to_string(loss_.as)}}, &why_);
    lost_.set();
  }

  Endpoints& home_;
  std::string name_;
  std::shared_ptr<RemoteBrowser> browser_;
  /// Pages of a task that runs may still refer to them.
  std::vector<std::shared_ptr<RemoteBrowser>> broken_;
  OwnPages pages_;
  CancelSource stop_;
  Event lost_;
  Error why_;
  ConnectionLoss loss_;
};

class DefaultContextSession final : public CdpSession {
 public:
  DefaultContextSession(Endpoints& home, Endpoints::Taken taken, std::string id, SessionSpec spec)
      : CdpSession(home, *taken.endpoint, std::move(id), std::move(spec)),
        link_(std::make_shared<DefaultContextLink>(home, taken.endpoint->name,
                                                   std::move(taken.browser))) {}

  Async<void> start(Context& ctx) {
    CO_TRY_VOID(co_await link_->start(ctx));
    home_.spawn("cdp session", DefaultContextLink::watch(link_));
    co_return Result<void>{};
  }

  Event& lost() override { return link_->lost(); }
  Error lost_reason() const override { return connection_ended(link_->why(), link_->loss().text); }
  EndReason lost_as() const override { return link_->loss().as; }

  Result<Browser> browser() override {
    if (ended_) return has_ended();
    if (link_->lost().is_set()) return lost_reason();
    if (!link_->browser().alive())
      return connection_ended(link_->browser().connection->close_reason(), "it is being made anew");
    return browser_at(*link_->browser().connection, {});
  }

  Async<std::string> endpoint(Context&) override {
    if (ended_) co_return has_ended();
    if (link_->lost().is_set()) co_return lost_reason();
    co_return link_->browser().url;
  }

  Async<void> close(Context& ctx, bool) override {
    if (std::exchange(ended_, true)) co_return Result<void>{};
    remove_downloads();
    Result<void> result;
    if (link_->browser().alive()) {
      result = co_await link_->pages().close(ctx, *link_->browser().connection);
    } else {
      for (const auto& target : link_->pages().take())
        endpoint_.left_over.push_back({"Target.closeTarget", {{"targetId", target}}});
    }
    link_->stop();
    home_.give_back(endpoint_, true);
    co_return result;
  }

 private:
  const std::string& browser_url() const override { return link_->browser().url; }

  std::shared_ptr<DefaultContextLink> link_;
};

template <class Kind>
Async<std::unique_ptr<ProviderSession>> started(Context& ctx, std::unique_ptr<Kind> session) {
  const auto begun = co_await session->start(ctx);
  if (begun) {
    std::unique_ptr<ProviderSession> made = std::move(session);
    co_return made;
  }
  Context cleanup = ctx.for_cleanup(std::chrono::seconds(2), "session clean-up");
  (void)co_await session->close(cleanup, false);
  co_return begun.error();
}

}  // namespace

Async<std::unique_ptr<ProviderSession>> make_cdp_session(Context& ctx, Endpoints& home,
                                                         std::string id, SessionSpec spec) {
  const bool default_context = uses_default_context(spec);
  CO_TRY(auto taken, co_await home.take(ctx, default_context));
  if (default_context) {
    auto session = std::make_unique<DefaultContextSession>(home, std::move(taken), std::move(id),
                                                           std::move(spec));
    co_return co_await started(ctx, std::move(session));
  }
  auto session =
      std::make_unique<ContextSession>(home, std::move(taken), std::move(id), std::move(spec));
  co_return co_await started(ctx, std::move(session));
}

}  // namespace troupe::sessions
