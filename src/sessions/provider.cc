#include "sessions/provider.h"

namespace troupe::sessions {

Result<DownloadWay> LiveSession::download_way() {
  TRY(std::string dir, downloads_dir());
  std::string browser_path = dir;
  return DownloadWay{.dir = std::move(dir), .browser_path = std::move(browser_path)};
}

Async<void> LiveSession::fetch_download(Context&, FinishedDownload) { co_return Result<void>{}; }

Async<void> ProviderSession::diagnose(Context&) { co_return Result<void>{}; }

Async<std::string> LiveSession::endpoint(Context&) {
  co_return fail(Errc::unsupported, "session " + id() + ": no DevTools endpoint of its own",
                 "session", "ask for isolation process");
}

Async<std::string> LiveSession::driver_endpoint(Context& ctx) { co_return co_await endpoint(ctx); }

}  // namespace troupe::sessions
