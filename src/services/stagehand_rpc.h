// JSON-RPC with the Stagehand runtime inside a browser: calls go to its service worker by
// evaluating, what it says comes as calls of a binding. Both sides ask.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "cdp/connection.h"

namespace troupe::services {

/// One method of the runtime with its parameters, as its protocol has them.
struct StagehandRequest {
  std::string method;
  json::object params;
};

/// Answers what the runtime asks while it works on a call. Seam. Threads: engine.
class StagehandServant {
 public:
  virtual ~StagehandServant() = default;
  /// The result that `method`'s schema wants. Of an error the runtime passes on the message only.
  virtual Async<json::value> serve(Context& ctx, std::string method, json::object params) = 0;
};

struct StagehandAsker {
  StagehandServant* servant = nullptr;
  /// A text within the call's parameters that no other call has: requests of the runtime do not say
  /// what they are for, but repeat the instruction.
  std::string mark;
};

/// What the runtime says of a failure as an error of ours. `name`: `data.name`.
/// The runtime has no codes: timeout, target_not_found, page_crashed (the page is gone), those of
/// navigation_error, unavailable (it is closing, not initialised), unsupported (version, method),
/// invalid_argument, script_error, else protocol_error.
Error stagehand_error(std::string_view method, std::int64_t code, std::string_view message,
                      std::string_view name);

/// Threads: engine. Not movable: its event handler refers to it.
class StagehandRpc final {
 public:
  using OnNotification = std::function<void(std::string_view method, const json::object& params)>;

  /// `session_id`: flat session of the service worker, with the binding in place.
  StagehandRpc(cdp::Connection& connection, std::string session_id, OnNotification notified);
  ~StagehandRpc();

  /// Errors: stagehand_error(); timeout, cancelled, session_lost, unavailable (the worker ended),
  /// payload_too_large.
  Async<json::value> call(Context& ctx, StagehandRequest request, StagehandAsker asker = {});
  /// Fails all calls under way and those to come.
  void end(Error reason);
  bool ended() const { return end_reason_.has_value(); }
  /// Something was not answered in time: whether it works at all is to be asked.
  bool suspect() const { return suspect_; }
  void clear_suspicion() { suspect_ = false; }

  static constexpr const char* kBinding = "__stagehandSendToHost";

 private:
  struct Pending;
  void on_event(std::string_view method, const json::object& params);
  void on_message(std::string_view text);
  void on_oversized(std::string_view text);
  void on_answer(json::object message);
  void on_request(json::object message, std::string_view text);
  Async<void> serve_next(Context& ctx, Pending& pending, StagehandServant& servant);
  Async<json::value> converse(Context& ctx, Pending& pending, StagehandServant* servant);
  void send(const json::object& message);

  cdp::Connection& connection_;
  std::string session_id_;
  OnNotification notified_;
  cdp::Connection::Subscription events_;
  std::int64_t last_id_ = 0;
  // Shared with the calls under way, which may outlive this object by one turn of the loop.
  std::shared_ptr<std::unordered_map<std::int64_t, Pending*>> pending_;
  std::optional<Error> end_reason_;
  bool suspect_ = false;
};

}  // namespace troupe::services
