// One session at Browserbase: its connection, made anew while the session lives, and its end.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/async.h"
#include "services/browserbase_models.h"
#include "sessions/browserbase_account.h"
#include "sessions/provider.h"
#include "sessions/remote_browser.h"

namespace troupe::sessions {

/// Also held by the fiber that watches the connection, so it may outlive its session.
class BrowserbaseLink final {
 public:
  BrowserbaseLink(BrowserbaseAccount& account, std::string id, services::RemoteSession remote)
      : account_(account), id_(std::move(id)), remote_(std::move(remote)) {}

  /// Connects as soon as the session runs, and takes its open page. Reads the address anew when it
  /// does not work. Errors: session_lost (it ended), timeout, cancelled.
  Async<void> connect(Context& ctx);
  /// Watches until stop(): a broken connection is made anew while the session runs.
  static asio::awaitable<void> watch(std::shared_ptr<BrowserbaseLink> self, Clock& clock,
                                     asio::any_io_executor executor);
  void stop();
  /// The address for one more client, read now.
  Async<std::string> endpoint(Context& ctx);

  /// Waits until Browserbase has stored a finished download, and writes it to `path`.
  /// Errors: payload_too_large, storage_failed, timeout, and the client's.
  Async<void> fetch_download(Context& ctx, FinishedDownload download, std::string path);

  bool connected() const { return browser_ && browser_->alive(); }
  cdp::Connection& connection() { return *browser_->connection; }
  std::unique_ptr<cdp::Page> take_page() { return std::move(page_); }
  const services::RemoteSession& remote() const { return remote_; }
  Event& lost() { return lost_; }
  const Error& lost_reason() const { return lost_reason_; }
  EndReason lost_as() const { return lost_as_; }

 private:
  Async<void> refresh(Context& ctx);
  Async<services::Download> find_download(Context& ctx, const FinishedDownload& download);
  Async<void> open_connection(Context& ctx);
  void lose(Error reason, EndReason as);

  BrowserbaseAccount& account_;
  std::string id_;
  services::RemoteSession remote_;
  std::shared_ptr<RemoteBrowser> browser_;
  /// Broken ones: pages of a task that runs may still refer to them.
  std::vector<std::shared_ptr<RemoteBrowser>> broken_;
  std::set<std::string> fetched_;  ///< Downloads, by their id there.
  std::unique_ptr<cdp::Page> page_;
  bool address_is_new_ = true;
  CancelSource stop_;
  Event lost_;
  Error lost_reason_;
  EndReason lost_as_ = EndReason::none;
};

}  // namespace troupe::sessions
