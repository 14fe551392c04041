// A session that is running, as interactors and the executor use it. Only providers make them.
#pragma once

#include <string>

#include "cdp/connection.h"
#include "cdp/page.h"
#include "troupe/session.hpp"

namespace troupe::sessions {

/// Where a page of the session is opened.
struct Browser {
  cdp::Connection* connection = nullptr;  ///< Never null for a live session.
  std::string browser_context_id;         ///< Empty: the default context.
  int viewport_width = 1280;
  int viewport_height = 720;
  /// What drives it (SessionSpec::driver_folder) was put in when the browser was made, from files
  /// that it has and this machine may not.
  bool driver_loaded = false;
};

/// How a task's downloads come to this machine.
struct DownloadWay {
  std::string dir;           ///< Of this machine; a finished file is in it by its guid.
  std::string browser_path;  ///< What the browser is told.
  bool named_by_guid = true;
};

/// A download that the browser has finished.
struct FinishedDownload {
  std::string guid;
  std::string name;  ///< As the page suggested it.
  std::int64_t bytes = 0;
  std::int64_t bytes_max = 0;
};

/// Seam. Threads: engine. Lives at least as long as the lease that gives it.
class LiveSession {
 public:
  virtual ~LiveSession() = default;
  virtual const std::string& id() const = 0;
  /// The browser to talk to. session_lost when it died.
  virtual Result<Browser> browser() = 0;
  /// A warm page of this session made ahead of time, or null: target id and flat session id belong
  /// to the taker.
  virtual std::unique_ptr<cdp::Page> take_page() = 0;
  /// Hands a clean page back for the next task (isolation `reuse`); ends it otherwise.
  virtual void give_back_page(std::unique_ptr<cdp::Page> page) = 0;
  /// Folder for this session's downloads; made on first use. Errors: storage_failed.
  virtual Result<std::string> downloads_dir() = 0;
  /// Errors: storage_failed, unsupported (the browser has its files elsewhere).
  virtual Result<DownloadWay> download_way();
  /// Brings a finished download to where download_way() says, if it is not there.
  /// Errors: payload_too_large, storage_failed, timeout, and the provider's.
  virtual Async<void> fetch_download(Context& ctx, FinishedDownload download);
  virtual Session::Counters& counters() = 0;

  /// `ws://…` or `wss://…` of the browser itself, for a CDP client that drives it: secret. Troupe's
  /// own gateway dials it, and a service that an interactor lets drive it. May be read anew at the
  /// provider (such addresses age). Errors: unsupported (a shared browser has none), session_lost,
  /// and the provider's.
  virtual Async<std::string> endpoint(Context& ctx);
  /// The same for what Troupe itself loads into the browser to drive it
  /// (SessionSpec::driver_folder); it keeps to this session's pages. A shared browser has one, too.
  virtual Async<std::string> driver_endpoint(Context& ctx);
  /// What only the provider knows of it, put into what users see (region, ids, proxy bytes,
  /// memory).
  virtual void describe(Session& session) const { (void)session; }
};

}  // namespace troupe::sessions
