// Interactor: who performs interactions on a session. One row of kActions = one action a workflow
// step can name. Implementations: native (own engine), stagehand-api.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/async.h"
#include "base/json.h"
#include "sessions/live_session.h"

namespace troupe::interact {

/// One interaction to perform: `kind` names a row of the action table (actions.h), `args` are its
/// fields, templates already rendered.
struct Action {
  std::string kind;
  json::object args;
};

/// What an action did. A success that did not happen is never reported.
struct ActionResult {
  json::value output;   ///< What `save_as` stores: extracted data, text, path, …
  std::string changed;  ///< url | dom | value | focus | dialog | download | nothing
  std::string detail;   ///< For people: `clicked button "Search"`.
};

/// One tab of a session, as an interactor sees it.
class Tab {
 public:
  virtual ~Tab() = default;
  /// Present URL; "about:blank" before the first goto.
  virtual std::string url() const = 0;
};

/// What the interactor needs besides the action.
struct InteractOptions {
  std::string artifacts_dir;       ///< Where screenshots and downloads of this task go.
  json::object site;               ///< The site profile: selectors, consent, popups.
  std::string tenant = "default";  ///< Whose task it is: what is remembered stays with it.
};

/// Seam. Threads: engine. Errors: those of actions (target_not_found, target_ambiguous,
/// not_actionable, navigation_failed, extraction_failed, …), session_lost, page_crashed, timeout,
/// cancelled.
class Interactor {
 public:
  virtual ~Interactor() = default;
  virtual std::string_view name() const = 0;
  /// Adds what a session must have for it. Errors: not_found (something is not installed).
  virtual Result<void> require(SessionSpec& spec) const {
    (void)spec;
    return {};
  }
  /// Opens a tab. Nothing is sent to the browser before the first action needs it.
  virtual Async<std::unique_ptr<Tab>> open(Context& ctx, sessions::LiveSession& session,
                                           InteractOptions options) = 0;
  virtual Async<ActionResult> perform(Context& ctx, Tab& tab, Action action) = 0;
  /// What the tab's document keeps, as the JSON text of [origin, localStorage, sessionStorage];
  /// empty when that is not known or more than 128 KiB. May run beside an action.
  virtual Async<std::string> storage(Context& ctx, Tab& tab);
  /// Picture of the tab as PNG bytes, also when an action failed. Short deadline in `ctx`.
  virtual Async<std::string> screenshot(Context& ctx, Tab& tab) = 0;
  /// Closes the tab (or keeps its page for reuse when `clean`). Harmless when it is gone.
  virtual Async<void> close(Context& ctx, std::unique_ptr<Tab> tab, bool clean) = 0;
};

}  // namespace troupe::interact
