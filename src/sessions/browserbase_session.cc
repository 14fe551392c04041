#include "sessions/browserbase_session.h"

#include <algorithm>
#include <fstream>

#include "base/json.h"
#include "sessions/browserbase_mapping.h"

namespace troupe::sessions {
namespace {

constexpr Duration kPauseFirst = std::chrono::milliseconds(200);
constexpr Duration kPauseMax = std::chrono::seconds(5);
constexpr auto kConnectTimeout = std::chrono::seconds(15);
constexpr Duration kLifeLeftMin = std::chrono::seconds(10);

}  // namespace

void BrowserbaseLink::lose(Error reason, EndReason as) {
  if (lost_.is_set()) return;
  lost_reason_ = std::move(reason);
  lost_as_ = as;
  lost_.set();
}

// Status and address as they are now. session_lost when it has ended: then it is lost.
Async<void> BrowserbaseLink::refresh(Context& ctx) {
  std::string provider_id = remote_.id;
  auto now = co_await account_.get(ctx, std::move(provider_id));
  const bool is_gone =
      !now && (now.error().code == Errc::not_found || now.error().code == Errc::gone);
  if (!now && !is_gone) co_return now.error();
  const bool keep_alive = remote_.keep_alive;
  if (now) remote_ = std::move(*now);
  if (now && remote_.is_live()) {
    address_is_new_ = true;
    co_return Result<void>{};
  }
  const auto status = is_gone ? services::RemoteStatus::unknown : remote_.status;
  lose(browserbase_end_error(id_, status, keep_alive), browserbase_end_reason(status, keep_alive));
  co_return lost_reason_;
}

// Seen from outside when connection and page are both there. Browserbase shows the default context
// only, and starts with one page in it.
Async<void> BrowserbaseLink::open_connection(Context& ctx) {
  Context limited = ctx.with_timeout(kConnectTimeout, "browserbase connection");
  std::string url = remote_.connect_url;
  CO_TRY(auto browser, co_await connect_remote_browser(limited, std::move(url)));
  CO_TRY(const auto answer, co_await browser->connection->call(limited, "", "Target.getTargets"));
  std::unique_ptr<cdp::Page> page;
  const auto* infos = find(answer, "targetInfos");
  const std::size_t count = infos && infos->is_array() ? infos->get_array().size() : 0;
  for (std::size_t i = 0; i < count && !page; ++i) {
    const auto& info = infos->get_array()[i];
    if (!info.is_object() || find_string(info.get_object(), "type") != "page") continue;
    if (find_string(info.get_object(), "url").value_or("").starts_with("chrome-extension:"))
      continue;
    std::string target(find_string(info.get_object(), "targetId").value_or(""));
    CO_TRY(page, co_await cdp::Page::adopt(limited, *browser->connection, std::move(target)));
  }
  page_ = std::move(page);  // before its connection
  if (browser_) broken_.push_back(std::move(browser_));
  browser_ = std::move(browser);
  co_return Result<void>{};
}

// A certificate or a password that is wrong is wrong the next time, too; in the life of a session
// that was reached before, it may pass.
Async<void> BrowserbaseLink::connect(Context& ctx) {
  std::optional<Error> last;
  const auto is_hopeless = [&] {
    return !browser_ && last &&
           (last->code == Errc::tls_error || last->code == Errc::unauthenticated);
  };
  for (Duration pause = kPauseFirst;; pause = std::min(pause * 2, kPauseMax)) {
    if (!std::exchange(address_is_new_, false)) {
      const auto fresh = co_await refresh(ctx);
      if (lost_.is_set()) co_return lost_reason_;
      if (!fresh) last = fresh.error();
    }
    address_is_new_ = false;
    if (remote_.status != services::RemoteStatus::pending && !remote_.connect_url.empty()) {
      const auto opened = co_await open_connection(ctx);
      if (opened) co_return Result<void>{};
      last = opened.error();
    }
    if (is_hopeless()) co_return *last;
    const auto waited = co_await sleep_for(ctx, pause);
    if (waited) continue;
    Error error = waited.error();
    if (last) error.message += ": " + last->message;
    co_return error;
  }
}

asio::awaitable<void> BrowserbaseLink::watch(std::shared_ptr<BrowserbaseLink> self, Clock& clock,
                                             asio::any_io_executor executor) {
  const Context base(clock, executor);
  Context ctx = base.with_cancel(self->stop_);
  while (!self->lost_.is_set()) {
    const auto browser = self->browser_;
    const auto broken = co_await await_end(ctx, browser, self->account_.options().health);
    if (!broken) co_return;
    const Error why = browser->connection->close_reason();
    // Nothing lives longer at the provider than it said: then the answer is known without it.
    const auto left = self->remote_.expires_at - clock.wall() + std::chrono::seconds(10);
    const auto life = std::max<Duration>(std::chrono::duration_cast<Duration>(left), kLifeLeftMin);
    const Duration patience = self->account_.options().reconnect_for;
    Context limited = ctx.with_timeout(std::min(life, patience), "browserbase reconnection");
    self->address_is_new_ = false;
    const auto connected = co_await self->connect(limited);
    if (connected) continue;
    if (ctx.cancel_source().is_cancelled()) co_return;
    if (life <= patience)
      self->lose(browserbase_end_error(self->id_, services::RemoteStatus::timed_out, true),
                 EndReason::timed_out);
    else
      self->lose(fail(Errc::session_lost,
                      "session " + self->id_ + ": its connection broke (" + why.message +
                          ") and could not be made anew: " + connected.error().message,
                      "session", "tasks are retried in fresh sessions"),
                 EndReason::connection_lost);
  }
}

void BrowserbaseLink::stop() {
  stop_.cancel(fail(Errc::cancelled, "session " + id_ + ": it has ended"));
  page_.reset();
  if (browser_) browser_->connection->close(fail(Errc::session_lost, "session ended"));
}

// It appears there a moment after the browser has it. One of the same name may be there already.
Async<services::Download> BrowserbaseLink::find_download(Context& ctx,
                                                         const FinishedDownload& download) {
  for (Duration pause = kPauseFirst;; pause = std::min(pause * 2, kPauseMax)) {
    services::DownloadQuery query{.session_id = remote_.id, .filename = download.name};
    CO_TRY(auto page, co_await account_.client().list_downloads(ctx, std::move(query)));
    for (auto& one : page.downloads) {
      if (fetched_.contains(one.id) || one.filename != download.name) continue;
      if (download.bytes > 0 && one.size != download.bytes) continue;  // not all of it yet
      fetched_.insert(one.id);
      co_return std::move(one);
    }
    const auto waited = co_await sleep_for(ctx, pause);
    if (!waited)
      co_return fail(waited.error().code,
                     "download " + download.name +
                         ": Browserbase has not stored it: " + waited.error().message,
                     "session");
  }
}

Async<void> BrowserbaseLink::fetch_download(Context& ctx, FinishedDownload download,
                                            std::string path) {
  CO_TRY(const auto stored, co_await find_download(ctx, download));
  if (stored.size > download.bytes_max)
    co_return fail(Errc::payload_too_large, "download " + download.name + ": " +
                                                std::to_string(stored.size) + " bytes, more than " +
                                                std::to_string(download.bytes_max));
  std::string id = stored.id;
  CO_TRY(const auto bytes, co_await account_.client().download_bytes(ctx, std::move(id)));
  if (static_cast<std::int64_t>(bytes.size()) != stored.size)
    co_return fail(Errc::protocol_error, "download " + download.name + ": Browserbase gave " +
                                             std::to_string(bytes.size()) + " of " +
                                             std::to_string(stored.size) + " bytes");
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file)
    co_return fail(Errc::storage_failed, "download " + path + ": cannot be written", "data_dir",
                   "free disk space");
  co_return Result<void>{};
}

Async<std::string> BrowserbaseLink::endpoint(Context& ctx) {
  const auto fresh = co_await refresh(ctx);
  if (!fresh) co_return fresh.error();
  if (remote_.connect_url.empty())
    co_return fail(Errc::unavailable, "session " + id_ + ": Browserbase gives no address for it");
  co_return remote_.connect_url;
}

}  // namespace troupe::sessions
