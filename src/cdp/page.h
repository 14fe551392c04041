// One page (tab) of a browser over a flat DevTools session: typed calls, life-cycle state, dialogs.
// It knows the protocol, not what an interaction is.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cdp/connection.h"

namespace troupe::cdp {

/// A JavaScript dialog that was open, and how it was answered.
struct Dialog {
  std::string type;  ///< alert, confirm, prompt, beforeunload.
  std::string message;
  bool accepted = false;
};

/// When a navigation counts as done.
enum class WaitUntil { commit, domcontentloaded, load, networkidle };
std::optional<WaitUntil> wait_until_from(std::string_view name);

struct Navigation {
  std::string url;      ///< Where it ended.
  int http_status = 0;  ///< 0 when there was no HTTP exchange.
};

/// Threads: engine. Not movable: its event handler refers to it.
class Page final {
 public:
  struct Options {
    std::string browser_context_id;   ///< Empty: the default context.
    std::string url = "about:blank";  ///< Opened on it at once: cheaper than blank, then navigate.
    int width = 1280;
    int height = 720;
  };
  /// Creates a target and attaches. Does not wait for the page to load.
  static Async<std::unique_ptr<Page>> open(Context& ctx, Connection& connection, Options options);
  /// Attaches to a page that is open already. Its `url()` is known after the first navigation.
  static Async<std::unique_ptr<Page>> adopt(Context& ctx, Connection& connection,
                                            std::string target_id);
  ~Page();

  const std::string& target_id() const { return target_id_; }
  const std::string& session_id() const { return session_id_; }
  Connection& connection() { return connection_; }

  /// A command of this page's session. When the page crashed or closed: page_crashed, session_lost.
  Async<json::object> call(Context& ctx, std::string method, json::object params = {});
  void post(std::string_view method, const json::object& params = {});

  /// Goes to `url` and waits. Errors: dns_error, network_error, tls_error, navigation_failed,
  /// timeout (each names the URL). An HTTP 4xx/5xx is not an error here: see `http_status`.
  Async<Navigation> navigate(Context& ctx, std::string url, WaitUntil until);
  /// Waits until the present document reached `until`; tells of failures like navigate.
  Async<Navigation> wait_loaded(Context& ctx, WaitUntil until);

  /// Evaluates in an isolated world (`isolated`) or the page's own. Promises are awaited. The value
  /// comes back as JSON. Errors: script_error with the first line of the exception;
  /// navigation_failed when the document went away meanwhile (a new one is there or coming).
  struct EvaluateOptions {
    bool isolated = true;
    bool user_gesture = false;
    std::int64_t context_id = 0;  ///< Not 0: this context, whatever `isolated` says.
  };
  Async<json::value> evaluate(Context& ctx, std::string expression, EvaluateOptions options);

  /// The world that scripts are kept in, of the main frame or of another one in this process.
  /// Errors: protocol_error (no such frame).
  Async<std::int64_t> isolated_world(Context& ctx, std::string frame_id);

  bool crashed() const { return crashed_; }
  bool closed() const { return closed_; }
  const std::string& url() const { return url_; }
  /// Counts up with each new main document: a reference to an element is valid for one value of it.
  std::uint64_t document_serial() const { return document_serial_; }
  /// Origins that frames of this page have shown so far (at most 64; `origins_complete` tells).
  const std::set<std::string>& origins() const { return origins_; }
  bool origins_complete() const { return origins_.size() < 64; }
  /// Dialogs answered since the last call of this.
  std::vector<Dialog> take_dialogs();
  /// Answer for confirm and prompt from now on; alert and beforeunload are always accepted.
  void set_dialog_answer(bool accept, std::string prompt_text);

  /// Forgets origins, dialogs and answers of the last user (the caller has cleared the storage).
  void reset_for_reuse();
  /// Closes the target; harmless when it is gone.
  Async<void> close(Context& ctx);

 private:
  explicit Page(Connection& connection);
  Async<void> attach_to_target(Context& ctx);
  void on_event(std::string_view method, const json::object& params);
  void on_root_event(std::string_view method, const json::object& params);
  void on_frame_navigated(const json::object& frame);
  void answer_dialog(const json::object& params);
  void end(Error reason);
  Async<std::int64_t> isolated_context(Context& ctx);
  Async<json::object> evaluate_once(Context& ctx, const std::string& expression,
                                    EvaluateOptions options);
  Async<Navigation> loaded_document(Context& ctx, WaitUntil until);
  Async<void> wait_network_idle(Context& ctx);

  Connection& connection_;
  std::string target_id_;
  std::string session_id_;
  std::string main_frame_id_;
  std::string url_ = "about:blank";
  bool expects_navigation_ = false;  ///< Opened on a URL that is not committed yet.
  bool crashed_ = false;
  bool closed_ = false;
  std::optional<Error> end_reason_;
  std::uint64_t document_serial_ = 0;
  std::int64_t isolated_context_id_ = 0;
  std::uint64_t isolated_context_serial_ = 0;
  bool lifecycle_enabled_ = false;
  bool network_idle_ = false;
  std::set<std::string> origins_;
  Event changed_;  ///< Pulsed by every life-cycle event.
  std::vector<Dialog> dialogs_;
  bool dialog_accept_ = false;
  std::string dialog_text_;
  Connection::Subscription events_;
  Connection::Subscription root_events_;
};

/// The error for one of Chromium's `net::ERR_…` names while going to `url`.
Error navigation_error(std::string_view net_error, std::string_view url);

}  // namespace troupe::cdp
