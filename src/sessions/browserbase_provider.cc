#include "sessions/browserbase_provider.h"

#include <filesystem>

#include "sessions/browserbase_session.h"
#include "sessions/driver_uploads.h"

namespace troupe::sessions {
namespace {

class BrowserbaseSession final : public ProviderSession {
 public:
  BrowserbaseSession(BrowserbaseAccount& account, std::shared_ptr<BrowserbaseLink> link,
                     std::string id, const SessionSpec& spec)
      : account_(account),
        link_(std::move(link)),
        id_(std::move(id)),
        viewport_width_(spec.viewport_width),
        viewport_height_(spec.viewport_height),
        driver_loaded_(!spec.driver_folder.empty()) {}

  const std::string& id() const override { return id_; }
  Session::Counters& counters() override { return counters_; }
  Event& lost() override { return link_->lost(); }
  Error lost_reason() const override { return link_->lost_reason(); }
  EndReason lost_as() const override { return link_->lost_as(); }

  Result<Browser> browser() override {
    if (ended_) return fail(Errc::session_lost, "session " + id_ + ": it has ended", "session");
    if (link_->lost().is_set()) return link_->lost_reason();
    if (!link_->connected())
      return fail(Errc::session_lost,
                  "session " + id_ + ": the connection to Browserbase broke and is being made anew",
                  "session", "tasks are retried in fresh sessions");
    return Browser{.connection = &link_->connection(),
                   .browser_context_id = "",
                   .viewport_width = viewport_width_,
                   .viewport_height = viewport_height_,
                   .driver_loaded = driver_loaded_};
  }

  std::unique_ptr<cdp::Page> take_page() override { return link_->take_page(); }

  void give_back_page(std::unique_ptr<cdp::Page> page) override {
    if (!page) return;
    const auto traffic = page->connection().session_counters(page->session_id());
    counters_.cdp_commands += traffic.commands;
    counters_.cdp_bytes_sent += traffic.bytes_sent;
    counters_.cdp_bytes_received += traffic.bytes_received;
  }

  // Clients of the gateway tell the browser its own folder; what is there the API of downloads
  // gives.
  Result<std::string> downloads_dir() override {
    return fail(Errc::unsupported,
                "downloads: files of session " + id_ + " are stored at Browserbase", "session",
                "GET /v1/sessions/{id}/downloads has them");
  }

  Result<DownloadWay> download_way() override {
    std::error_code error;
    std::filesystem::create_directories(downloads_path(), error);
    if (error)
      return fail(Errc::storage_failed,
                  "downloads folder " + downloads_path() + ": " + error.message(), "data_dir",
                  "free disk space, or set data_dir to a folder that can be written");
    has_downloads_ = true;
    return DownloadWay{
        .dir = downloads_path(), .browser_path = "downloads", .named_by_guid = false};
  }

  Async<void> fetch_download(Context& ctx, FinishedDownload download) override {
    const std::string path = downloads_path() + "/" + download.guid;
    co_return co_await link_->fetch_download(ctx, std::move(download), path);
  }

  Async<std::string> endpoint(Context& ctx) override { co_return co_await link_->endpoint(ctx); }

  void describe(Session& session) const override {
    const auto& remote = link_->remote();
    session.provider_id = remote.id;
    session.region = remote.region;
    session.context_id = remote.context_id;
    session.keep_alive = remote.keep_alive;
    session.proxy_bytes = static_cast<std::uint64_t>(remote.proxy_bytes);
  }

  // The release goes on in the background until it is confirmed. It is waited for only when the
  // account is full: the place is free afterwards.
  Async<void> close(Context& ctx, bool) override {
    if (std::exchange(ended_, true)) co_return Result<void>{};
    account_.release(id_, link_->remote().id);
    link_->stop();
    std::error_code ignored;
    if (has_downloads_) std::filesystem::remove_all(downloads_path(), ignored);
    if (!account_.is_full()) co_return Result<void>{};
    Context brief = ctx.with_timeout(std::chrono::seconds(3), "browserbase release");
    (void)co_await account_.released(brief, id_);
    co_return Result<void>{};
  }

 private:
  std::string downloads_path() const { return account_.options().data_dir + "/downloads/" + id_; }

  BrowserbaseAccount& account_;
  std::shared_ptr<BrowserbaseLink> link_;
  std::string id_;
  int viewport_width_;
  int viewport_height_;
  bool driver_loaded_;
  Session::Counters counters_{.tasks = 1};
  bool ended_ = false;
  bool has_downloads_ = false;
};

class BrowserbaseProvider final : public SessionProvider {
 public:
  BrowserbaseProvider(Clock& clock, asio::any_io_executor executor, observe::Log& log,
                      std::unique_ptr<net::HttpClient> http,
                      std::unique_ptr<services::BrowserbaseClient> client,
                      BrowserbaseAccountOptions options)
      : clock_(clock),
        executor_(executor),
        http_(std::move(http)),
        account_(clock, executor, log, std::move(client), std::move(options)),
        drivers_(account_.client(), log, account_.options().data_dir, account_.options().account),
        scope_(executor) {}

  std::string_view name() const override { return "browserbase"; }

  Async<std::unique_ptr<ProviderSession>> create(Context& ctx, std::string id,
                                                 SessionSpec spec) override {
    CO_TRY(auto remote, co_await create_remote(ctx, id, spec));
    remote.keep_alive = spec.keep_alive;
    auto link = std::make_shared<BrowserbaseLink>(account_, id, std::move(remote));
    auto connected = co_await link->connect(ctx);
    if (!connected) {
      account_.release(id, link->remote().id);
      link->stop();
      co_return connected.error();
    }
    scope_.spawn("session connection", BrowserbaseLink::watch(link, clock_, executor_));
    std::unique_ptr<ProviderSession> session =
        std::make_unique<BrowserbaseSession>(account_, std::move(link), std::move(id), spec);
    co_return session;
  }

  Async<void> tend(Context&) override {
    account_.tend();
    co_return Result<void>{};
  }

  int room() const override { return account_.room(); }

  Async<void> shutdown(Context& ctx) override {
    auto ended = co_await account_.shutdown(ctx);
    Context cleanup = ctx.for_cleanup(std::chrono::seconds(2), "browserbase shutdown");
    auto joined = co_await scope_.join(cleanup);
    co_return ended ? joined : ended;
  }

 private:
  // What drives it cannot be added later. An extension that the caller named takes its place.
  Async<services::RemoteSession> create_remote(Context& ctx, const std::string& id,
                                               SessionSpec spec) {
    const std::string folder = spec.extension_id.empty() ? spec.driver_folder : "";
    for (bool again = false;; again = true) {
      if (!folder.empty()) {
        CO_TRY(spec.extension_id, co_await drivers_.id_of(ctx, folder));
      }
      auto made = co_await account_.create(ctx, id, spec);
      if (made || folder.empty() || again || made.error().code != Errc::not_found) co_return made;
      const auto gone = co_await drivers_.is_gone(ctx, folder, spec.extension_id);
      if (!gone || !*gone) co_return made;
    }
  }

  Clock& clock_;
  asio::any_io_executor executor_;
  std::unique_ptr<net::HttpClient> http_;
  BrowserbaseAccount account_;
  DriverUploads drivers_;
  Scope scope_;
};

// Without a key nothing can be created, nor what an earlier process left be released: that is said,
// and waits for a start with a key.
class UnconfiguredProvider final : public SessionProvider {
 public:
  UnconfiguredProvider(observe::Log& log, std::string data_dir)
      : log_(log), data_dir_(std::move(data_dir)) {}
  std::string_view name() const override { return "browserbase"; }
  Async<std::unique_ptr<ProviderSession>> create(Context&, std::string, SessionSpec) override {
    co_return fail(Errc::unauthenticated, "browserbase_api_key: none is set", "browserbase_api_key",
                   "set BROWSERBASE_API_KEY to the key of the account");
  }
  Async<void> tend(Context&) override {
    if (std::exchange(told_, true)) co_return Result<void>{};
    const auto left = abandoned_intents(data_dir_);
    if (left.empty()) co_return Result<void>{};
    const Error error = fail(
        Errc::unauthenticated,
        "browserbase: " + std::to_string(left.size()) +
            " sessions of a Troupe that died are not confirmed as ended; they may cost money",
        "browserbase_api_key", "set BROWSERBASE_API_KEY and start again: they are released then");
    log_.write({}, {.level = observe::Level::warning,
                    .action = "session.release",
                    .status = "postponed",
                    .details = {{"provider", "browserbase"},
                                {"sessions", static_cast<std::int64_t>(left.size())}},
                    .error = &error});
    co_return Result<void>{};
  }
  Async<void> shutdown(Context&) override { co_return Result<void>{}; }

 private:
  observe::Log& log_;
  std::string data_dir_;
  bool told_ = false;
};

}  // namespace

Result<std::unique_ptr<SessionProvider>> make_browserbase_provider(
    Clock& clock, asio::any_io_executor executor, observe::Log& log,
    services::BrowserbaseOptions service, BrowserbaseAccountOptions account) {
  if (service.api_key.empty())
    return std::make_unique<UnconfiguredProvider>(log, std::move(account.data_dir));
  account.account = browserbase_account_name(service.base_url, service.api_key);
  TRY(auto http, make_http_client());
  const Random random = Random::from_system();
  TRY(auto client, services::make_browserbase_client(std::move(service), *http, clock, random));
  return std::make_unique<BrowserbaseProvider>(clock, std::move(executor), log, std::move(http),
                                               std::move(client), std::move(account));
}

}  // namespace troupe::sessions
