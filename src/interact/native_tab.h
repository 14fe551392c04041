// A tab of the native interactor: its page, the scripts in it, and what its actions share: finding
// a target, real input events, and what they changed.
#pragma once

#include <memory>
#include <string>

#include "interact/frames.h"
#include "interact/interactor.h"
#include "interact/page_script.h"
#include "interact/selector.h"

namespace troupe::services {
class Model;
}

namespace troupe::interact {

class ActionCache;
struct KnownElement;

/// An element that is ready for an action.
struct Located {
  std::int64_t ref = -1;
  std::string what;  ///< `button "Search"`.
  std::string tag, type;
  double x = 0, y = 0;  ///< A point that the mouse hits, when one was asked for.
  json::object answer;  ///< All that the script told.
};

/// What an action changed, and whether its mouse press hit the target.
struct Change {
  std::string kind = "nothing";  ///< ActionResult::changed.
  bool missed = false;
  std::string hit_instead;
  json::object answer;
};

/// A download that the tab's page began.
struct Download {
  std::string guid;
  std::string url;
  std::string suggested_name;
  std::string state;  ///< inProgress, completed, canceled.
  std::int64_t received = 0;
};

/// What can be remembered of a part of an instruction.
struct Learned {
  std::shared_ptr<const KnownElement> element;  ///< Null: nothing.
  bool by_model = false;
  std::string verb, value;  ///< Of the model's answer.
};

class NativeTab;

/// Takes a tab to a URL in place of the tab's own page. Seam. Threads: engine.
class Navigator {
 public:
  virtual ~Navigator() = default;
  /// Errors: those of cdp::Page::navigate.
  virtual Async<cdp::Navigation> navigate(Context& ctx, NativeTab& tab, std::string url,
                                          cdp::WaitUntil until) = 0;
};

/// Threads: engine. Not movable: its event handler refers to it.
class NativeTab final : public Tab {
 public:
  /// `model`: who is asked where the rules do not know; null: nobody. `actions`: what instructions
  /// meant before; null: nothing is remembered.
  NativeTab(sessions::LiveSession& session, InteractOptions options,
            services::Model* model = nullptr, ActionCache* actions = nullptr);

  std::string url() const override { return page_ ? page_->url() : "about:blank"; }

  sessions::LiveSession& session() { return session_; }
  const InteractOptions& options() const { return options_; }
  services::Model* model() const { return model_; }
  ActionCache* actions() const { return actions_; }
  /// Null: its own page navigates.
  Navigator* navigator() const { return navigator_; }
  void set_navigator(Navigator* navigator) { navigator_ = navigator; }
  bool has_page() const { return page_ != nullptr; }
  cdp::Page& page() { return *page_; }
  /// The same, or of the frame that calls go to, when that is in another process.
  cdp::Page& page_here() { return inside_ ? *inside_->page : *page_; }

  /// A page to work on: the session's warm one, or a new one opened on `url`. Harmless when there
  /// is one already. Tells whether it was opened on `url`.
  Async<bool> need_page(Context& ctx, std::string url = "about:blank");
  /// The page, given away; for reuse or close.
  std::unique_ptr<cdp::Page> release_page();

  /// One call of a script. Errors as PageScript::call; a bad selector or pattern is
  /// invalid_argument.
  Async<json::value> call(Context& ctx, unsigned scripts, std::string function, json::array args);
  /// The same for calls that wait in the page: milliseconds to wait (at most `limit`) are appended
  /// to `args`, and when the document is replaced meanwhile the next one is asked. The first of
  /// `args` is the query: where it finds nothing, frames of other origins are asked too.
  Async<json::value> call_waiting(Context& ctx, unsigned scripts, std::string function,
                                  json::array args, Duration limit = std::chrono::hours(1));

  /// The frame of another origin that calls go to; null: the main document. An action enters it
  /// when it finds its target there, and stays until its end.
  ForeignFrame* inside() const { return inside_; }
  void enter(ForeignFrame* frame) { inside_ = frame; }
  /// The frames to ask when the main document, which `answer` comes from, has not what is looked
  /// for. Calls go to the main document again.
  Async<std::vector<ForeignFrame*>> frames_beside(Context& ctx, const json::value& answer);

  /// Waits until the target is what `need` says (see core.js, ready()).
  /// Errors: target_not_found, target_ambiguous, not_actionable, each with the reason seen last.
  Async<Located> locate(Context& ctx, const Target& target, unsigned scripts, std::string function,
                        json::array args);

  /// Moves the mouse, and presses and releases `button` there `count` times.
  Async<void> mouse_click(Context& ctx, double x, double y, std::string button, int count);
  Async<void> mouse_move(Context& ctx, double x, double y);
  Async<void> press_key(Context& ctx, std::string key, int count);

  /// Somebody else is about to act: what the page loads from now on is because of that.
  void expect_action() { stops_at_action_ = stops_; }
  /// Whether something was done to the page so lately that its outcome may be under way.
  bool acted_lately(SteadyTime now) const {
    return acted_ && now - *acted_ < std::chrono::seconds(2);
  }
  void note_action(SteadyTime now) { acted_ = now; }
  /// What changed since the script's mark(); waits for a navigation that began.
  Async<Change> changes(Context& ctx);
  /// The same for an answer of the page that tells the changes itself.
  Async<Change> finish(Context& ctx, Result<json::value> answer);

  /// Downloads since the last call of start_downloads.
  std::vector<Download>& downloads() { return downloads_; }
  /// What the instruction that runs has copied.
  std::string& copied() { return copied_; }
  int& copied_from() { return copied_from_; }
  /// Values for `%name%` in what is typed: secrets, which stand in no message.
  json::object& variables() { return variables_; }
  /// All of those that this tab was ever given: no model is told any of them.
  json::object& secrets() { return secrets_; }
  /// The element that the present part of the instruction was done on, and how it was found.
  Learned& learned() { return learned_; }
  /// Pulsed by page life-cycle and download events.
  Event& moved() { return moved_; }

 private:
  Async<json::value> call_waiting_here(Context& ctx, unsigned scripts, std::string function,
                                       json::array args, SteadyTime end);
  Async<json::value> probe_frames(Context& ctx, std::vector<ForeignFrame*> frames, unsigned scripts,
                                  const json::array& args);
  Async<Located> locate_here(Context& ctx, const Target& target, unsigned scripts,
                             std::string function, json::array args);
  Async<json::object> point_outside(Context& ctx, double x, double y);
  void on_event(std::string_view method, const json::object& params);
  void watch();
  Async<void> wait_leaving(Context& ctx, std::uint64_t serial, std::uint64_t stops);
  Error target_error(const Target& target, const json::object& answer, Duration waited);

  sessions::LiveSession& session_;
  InteractOptions options_;
  services::Model* model_;
  ActionCache* actions_;
  Navigator* navigator_ = nullptr;
  std::unique_ptr<cdp::Page> page_;
  PageScript script_;
  ForeignFrames frames_;
  ForeignFrame* inside_ = nullptr;
  cdp::Connection::Subscription events_;
  Event moved_;
  std::uint64_t stops_ = 0;  ///< Loads that ended, also without a new document (downloads, 204).
  std::uint64_t stops_at_action_ = 0;
  std::optional<SteadyTime> acted_;
  std::vector<Download> downloads_;
  std::string copied_;
  json::object variables_, secrets_;
  Learned learned_;
  int copied_from_ = -1;  ///< Reference of the element.
};

}  // namespace troupe::interact
