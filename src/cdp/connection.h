// One DevTools connection: commands with deadlines, events by session. Flat sessions (`sessionId`).
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/async.h"
#include "base/json.h"
#include "cdp/codec.h"
#include "cdp/transport.h"

namespace troupe::cdp {

struct TrafficCounters {
  std::uint64_t commands = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
};

/// Threads: engine.
class Connection final {
 public:
  using EventHandler = std::function<void(std::string_view method, const json::object& params)>;

  explicit Connection(std::unique_ptr<Transport> transport);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Sends a command and waits for its answer. `session_id` empty = the browser itself.
  /// Errors: timeout, cancelled; session_lost (connection closed, or the target is gone);
  /// protocol_error (the browser refused the command; message has its code and text).
  Async<json::object> call(Context& ctx, std::string session_id, std::string method,
                           json::object params = {});
  /// Sends a command whose answer nobody waits for (its error is dropped).
  void post(std::string_view session_id, std::string_view method, const json::object& params = {});
  /// Events of one flat session ("" = the browser's own), while the subscription lives. Handlers
  /// run in the event loop; they must not wait, and may end any subscription.
  class Subscription final {
   public:
    Subscription() = default;
    Subscription(Subscription&& other) noexcept { *this = std::move(other); }
    Subscription& operator=(Subscription&& other) noexcept;
    ~Subscription() { reset(); }
    void reset();

   private:
    friend class Connection;
    std::shared_ptr<EventHandler> handler_;  // the connection holds it weakly
  };
  [[nodiscard]] Subscription on_events(std::string session_id, EventHandler handler);

  /// Fails the pending commands of one flat session at once (its target ended).
  void fail_session(std::string_view session_id, const Error& reason);

  bool is_open() const { return !closed_; }
  /// Expires when this object ends: for those who keep what they know of it by its address.
  std::weak_ptr<const void> lifetime() const { return lifetime_; }
  /// Set once the connection ended; `close_reason()` says why.
  Event& closed_event() { return closed_event_; }
  const Error& close_reason() const { return close_reason_; }
  void close(Error reason);
  const TrafficCounters& counters() const { return counters_; }
  /// Bytes and commands of one flat session so far; forgotten when its target is detached.
  TrafficCounters session_counters(std::string_view session_id) const;

 private:
  struct Pending;
  void on_message(std::string_view text);
  void on_answer(Answer answer);
  void count_received(const std::string& session_id, std::size_t bytes);
  void dispatch(const EventMessage& event);
  std::uint64_t send(std::string_view session_id, std::string_view method,
                     const json::object& params);

  std::unique_ptr<Transport> transport_;
  std::uint64_t last_id_ = 0;
  // Shared with the calls under way, which may outlive the connection by one turn of the loop.
  std::shared_ptr<std::unordered_map<std::uint64_t, Pending*>> pending_;
  std::unordered_map<std::string, std::list<std::weak_ptr<EventHandler>>> handlers_;
  std::unordered_map<std::string, TrafficCounters> by_session_;
  TrafficCounters counters_;
  std::shared_ptr<const void> lifetime_ = std::make_shared<char>();
  bool closed_ = false;
  Error close_reason_;
  Event closed_event_;
};

}  // namespace troupe::cdp
