// The one way that news travels: run, task, step and session events, numbered, to any number of
// bounded subscribers (CLI progress, SSE, metrics). A slow subscriber loses the oldest, and is
// told.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/async.h"
#include "base/json.h"

namespace troupe::observe {

/// `type` is noun.verb: run.started, run.ended, task.queued, task.started, task.ended,
/// task.retrying, step.started, step.ended, session.created, session.ended, log.
struct EventRecord {
  std::uint64_t number = 0;  ///< Counts up over all events of this process.
  WallTime time;
  std::string type;
  Ids ids;
  json::object data;
};

json::object to_json(const EventRecord& event);

/// Threads: engine. Keeps the latest events of each run for late subscribers.
class EventBus final {
 public:
  struct Limits {
    std::size_t kept_per_run = 1'000;
    std::size_t runs_kept = 200;
    std::size_t queue_per_subscriber = 4'096;
  };
  EventBus(Clock& clock, Limits limits) : clock_(clock), limits_(limits) {}

  void publish(std::string type, const Ids& ids, json::object data);

  /// Synchronous listener (metrics, CLI progress) while the handle lives.
  class Listener final {
   public:
    Listener() = default;
    std::shared_ptr<std::function<void(const EventRecord&)>> handler;
  };
  [[nodiscard]] Listener listen(std::function<void(const EventRecord&)> handler);

  /// Pull subscriber for one run (empty: all): replays what is kept after `after`, then goes on.
  class Subscriber final {
   public:
    /// The next event. Errors: gone (the run ended and all was delivered), timeout, cancelled.
    /// One caller at a time.
    Async<EventRecord> next(Context& ctx);
    /// Events that this subscriber lost because it, or its subscription, came too late.
    std::uint64_t dropped() const { return dropped_; }

   private:
    friend class EventBus;
    std::string run_;
    std::deque<EventRecord> queue_;
    std::size_t limit_ = 0;
    std::uint64_t dropped_ = 0;
    bool ended_ = false;
    Event arrived_;
  };
  std::shared_ptr<Subscriber> subscribe(std::string run_id, std::uint64_t after);

 private:
  struct Kept {
    std::deque<EventRecord> events;
    std::uint64_t forgotten = 0;  ///< How many were dropped from the front.
    bool ended = false;
  };
  void keep(const EventRecord& event);
  static void offer(Subscriber& subscriber, const EventRecord& event);
  Clock& clock_;
  Limits limits_;
  std::uint64_t last_ = 0;
  std::list<std::weak_ptr<std::function<void(const EventRecord&)>>> listeners_;
  std::list<std::weak_ptr<Subscriber>> subscribers_;
  std::deque<std::string> run_order_;
  std::unordered_map<std::string, Kept> kept_;
};

}  // namespace troupe::observe
