// The Stagehand v4 runtime (npm 4.4.0) in one browser: its extension loaded, its service worker
// attached, the version checked, our end announced to it, initialised with ourselves as its model.
// One serves all pages of the browser, of any of its contexts.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "services/stagehand_extension.h"
#include "services/stagehand_rpc.h"

namespace troupe::services {

struct StagehandRuntimeOptions {
  /// On this machine, to be loaded; empty, or none that the browser can read: it has the extension
  /// already.
  std::string folder;
  /// It will be used in contexts of their own, which an extension enters only when it is loaded for
  /// that.
  bool in_contexts = false;
  std::string endpoint;           ///< `ws://…` of the browser, which the runtime dials. Secret.
  std::string log_level = "off";  ///< off, error, warn, info, debug.
  std::function<void(std::string_view level, std::string_view message)> on_log;
  Duration start_timeout = std::chrono::seconds(60);
  Duration health_timeout = std::chrono::seconds(5);
};

/// Whether a client for `wanted` works with a runtime that speaks `offered`: same major, the
/// runtime's minor not older, pre-releases equal.
bool stagehand_compatible(std::string_view wanted, std::string_view offered);

/// What stagehand.init is sent: ourselves as its model, no wait for a quiet network (we wait
/// ourselves), no healing (it would act on another element and call it a success).
StagehandRequest stagehand_init_request(const std::string& endpoint, const std::string& log_level);

/// Threads: engine. Owned by shared_ptr: calls keep it.
class StagehandRuntime final : public std::enable_shared_from_this<StagehandRuntime> {
 public:
  /// Nothing is sent before the first call needs it. `connection` is not used after it ended or
  /// this object did; who calls makes sure that it lives.
  StagehandRuntime(cdp::Connection& connection, StagehandRuntimeOptions options);
  ~StagehandRuntime();

  /// Starts the runtime if needed; where the last call got no answer, asks whether it works at all,
  /// and loads it anew if not. Pages stay as they are.
  /// Errors: not_found (no extension), unsupported (this browser takes none, or another protocol),
  /// timeout, unavailable, session_lost.
  Async<void> ensure(Context& ctx);
  /// One call of a started runtime. Errors: see StagehandRpc::call.
  Async<json::value> call(Context& ctx, StagehandRequest request, StagehandAsker asker = {});
  /// Ends its instance in the browser; the extension and the pages stay.
  Async<void> close(Context& ctx);
  /// Whether ensure() has nothing to do.
  bool is_ready() const { return !starting_ && running() && !distrusted_ && !rpc_->suspect(); }
  /// For the next start: addresses with a key in them age.
  void set_endpoint(std::string endpoint) { options_.endpoint = std::move(endpoint); }
  /// The next ensure() loads the extension anew.
  void distrust() { distrusted_ = true; }
  int starts() const { return starts_; }  ///< How often it was loaded.
  bool running() const { return rpc_ && !rpc_->ended(); }
  const std::string& version() const { return version_; }  ///< Of the extension.

 private:
  struct Installed {
    std::string id;      ///< Empty: it is not there.
    std::string folder;  ///< Of the browser's machine; empty: not known.
  };
  Async<void> start(Context& ctx);
  Async<void> load(Context& ctx, bool again);
  Async<void> load_folder(Context& ctx, std::string folder);
  Async<void> adopt(Context& ctx, bool again);
  Async<Installed> installed(Context& ctx);
  Async<Installed> listed(Context& ctx);
  Async<Installed> find_by_marker(Context& ctx);
  Async<bool> has_marker(Context& ctx, std::string target);
  void drop_watch();
  Async<void> unload(Context& ctx);
  Async<std::vector<json::object>> workers(Context& ctx);
  std::string without_endpoint(std::string text) const;
  Async<std::string> find_worker(Context& ctx);
  Async<std::string> worker_target(Context& ctx, std::string other_than);
  Async<void> attach(Context& ctx);
  Async<void> attach_once(Context& ctx);
  Async<void> await_marker(Context& ctx, std::string session_id);
  Async<void> announce(Context& ctx, std::string session_id);
  Async<void> initialise(Context& ctx);
  Async<bool> answers(Context& ctx);
  void on_root_event(std::string_view method, const json::object& params);
  void on_notification(std::string_view method, const json::object& params);

  cdp::Connection& connection_;
  StagehandRuntimeOptions options_;
  std::string id_;  ///< Of the extension.
  std::string version_;
  std::string worker_session_;
  std::shared_ptr<StagehandRpc> rpc_;
  cdp::Connection::Subscription root_events_;
  std::string watched_target_;
  std::string old_worker_;          ///< Target that was there before the extension was loaded.
  std::set<std::string> detached_;  ///< Sessions that ended while the worker's was not known.
  bool starting_ = false;
  bool distrusted_ = false;
  int starts_ = 0;
  Event changed_;
};

}  // namespace troupe::services
