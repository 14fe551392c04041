// Events of runs go to the node that accepted the run: whoever performs its tasks sends them there,
// so that one stream has them all, numbered. Best effort: an event is news, not a record.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>

#include "api/forward.h"
#include "observe/events.h"

namespace troupe::api {

/// Where a node takes them.
inline constexpr std::string_view kNodeEventsPath = "/nodes/events";

/// Threads: engine.
class NodeEvents final {
 public:
  /// Which node accepted a run; empty: not known.
  using NodeOf = std::function<std::string(const std::string& run_id)>;
  /// What is referred to must live until stop() ended.
  NodeEvents(Nodes& nodes, observe::EventBus& bus, Clock& clock, asio::any_io_executor executor,
             NodeOf node_of);
  /// Sends what there is, and no more. Idempotent.
  asio::awaitable<void> stop();
  /// Events that no node took.
  std::uint64_t lost() const { return lost_; }

 private:
  struct Outbox {
    std::deque<json::object> events;
    bool sending = false;
  };
  void on_event(const observe::EventRecord& event);
  asio::awaitable<void> send(std::string node_id);

  Nodes& nodes_;
  Clock& clock_;
  asio::any_io_executor executor_;
  NodeOf node_of_;
  Forwarder forwarder_;
  std::map<std::string, Outbox> outboxes_;
  CancelSource stopping_;
  std::uint64_t lost_ = 0;
  observe::EventBus::Listener listener_;
  Scope scope_;
};

/// Hands each event of a body that NodeEvents sent to `take`. Errors: invalid_argument.
Result<void> take_node_events(
    std::string_view body,
    const std::function<void(std::string type, const Ids& ids, json::object data)>& take);

}  // namespace troupe::api
