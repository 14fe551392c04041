// A tab whose session's browser has the Stagehand runtime in it. Everything else of it is native.
#pragma once

#include <functional>
#include <memory>

#include "interact/native_tab.h"
#include "services/stagehand_runtime.h"

namespace troupe::interact {

/// Threads: engine.
class StagehandTab final : public Tab, public Navigator {
 public:
  explicit StagehandTab(std::unique_ptr<Tab> native) : native_(std::move(native)) {
    own().set_navigator(this);
  }
  std::string url() const override { return native_->url(); }
  NativeTab& own() { return static_cast<NativeTab&>(*native_); }
  std::unique_ptr<Tab> release_native() { return std::move(native_); }

  Async<cdp::Navigation> navigate(Context& ctx, NativeTab& tab, std::string url,
                                  cdp::WaitUntil until) override;

  std::shared_ptr<services::StagehandRuntime> runtime;
  std::function<Async<void>(Context&, StagehandTab&)> prepare;
  int known_since = 0;  ///< The start of the runtime that knew the page.

 private:
  std::unique_ptr<Tab> native_;
};

/// For the runtime itself: it gives up before we do, so that it tells why and stays whole.
Duration stagehand_limit(const Context& ctx);

/// Where the element is, as an XPath that the runtime understands; empty: it has none (in a shadow
/// root, in a frame).
Async<std::string> stagehand_path(Context& ctx, NativeTab& tab, int ref);

/// Waits until what is meant can be used so, as for the native engine's own actions, and notes what
/// the page is like. Errors: target_not_found, target_ambiguous, not_actionable.
Async<void> stagehand_ready(Context& ctx, NativeTab& tab, const Target& target, std::string method);
/// Nothing is known of the element: what changes is noted all the same.
Async<void> stagehand_mark(Context& ctx, NativeTab& tab);

/// The native reference of an element of the runtime's tree. The runtime names elements by the
/// browser's own numbers: the same ones for us, but those of frames in other processes (`in_main`
/// false, and there are such frames). Nothing: it is none that we can reach.
Async<std::optional<int>> stagehand_reference(Context& ctx, NativeTab& tab, const std::string& id,
                                              bool in_main);

}  // namespace troupe::interact
