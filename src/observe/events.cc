#include "observe/events.h"

namespace troupe::observe {

json::object to_json(const EventRecord& event) {
  json::object out;
  out["number"] = event.number;
  out["time"] = to_rfc3339(event.time);
  out["type"] = event.type;
  const auto id = [&](const char* name, const std::string& value) {
    if (!value.empty()) out[name] = value;
  };
  id("workflow", event.ids.workflow);
  id("run_id", event.ids.run);
  id("task_id", event.ids.task);
  if (event.ids.attempt > 0) out["attempt"] = event.ids.attempt;
  id("session_id", event.ids.session);
  id("project_id", event.ids.project);
  out["data"] = event.data;
  return out;
}

void EventBus::publish(std::string type, const Ids& ids, json::object data) {
  const EventRecord event{++last_, clock_.wall(), std::move(type), ids, std::move(data)};
  if (!ids.run.empty()) keep(event);
  for (auto place = subscribers_.begin(); place != subscribers_.end();) {
    const auto subscriber = place->lock();
    if (subscriber && (subscriber->run_.empty() || subscriber->run_ == ids.run))
      offer(*subscriber, event);
    place = subscriber ? std::next(place) : subscribers_.erase(place);
  }
  // A listener may publish, listen, or end any listener: its own node stays, since it is held here.
  for (auto place = listeners_.begin(); place != listeners_.end();) {
    const auto handler = place->lock();
    if (handler) (*handler)(event);
    place = handler ? std::next(place) : listeners_.erase(place);
  }
}

void EventBus::keep(const EventRecord& event) {
  const auto [row, is_new] = kept_.try_emplace(event.ids.run);
  Kept& kept = row->second;
  kept.events.push_back(event);
  kept.ended = kept.ended || event.type == "run.ended";
  if (kept.events.size() > limits_.kept_per_run) {
    kept.events.pop_front();
    ++kept.forgotten;
  }
  if (!is_new) return;
  run_order_.push_back(event.ids.run);
  if (run_order_.size() <= limits_.runs_kept) return;
  kept_.erase(run_order_.front());
  run_order_.pop_front();
}

void EventBus::offer(Subscriber& subscriber, const EventRecord& event) {
  subscriber.queue_.push_back(event);
  if (subscriber.queue_.size() > subscriber.limit_) {
    subscriber.queue_.pop_front();
    ++subscriber.dropped_;
  }
  if (!subscriber.run_.empty() && event.type == "run.ended") subscriber.ended_ = true;
  subscriber.arrived_.set();
}

EventBus::Listener EventBus::listen(std::function<void(const EventRecord&)> handler) {
  Listener listener;
  listener.handler = std::make_shared<std::function<void(const EventRecord&)>>(std::move(handler));
  listeners_.push_back(listener.handler);
  return listener;
}

std::shared_ptr<EventBus::Subscriber> EventBus::subscribe(std::string run_id, std::uint64_t after) {
  auto subscriber = std::make_shared<Subscriber>();
  subscriber->run_ = std::move(run_id);
  subscriber->limit_ = limits_.queue_per_subscriber;
  if (const auto row = kept_.find(subscriber->run_); row != kept_.end()) {
    const Kept& kept = row->second;
    if (!kept.events.empty() && after + 1 < kept.events.front().number)
      subscriber->dropped_ = kept.forgotten;
    for (const auto& event : kept.events)
      if (event.number > after) offer(*subscriber, event);
    subscriber->ended_ = kept.ended;
  }
  subscribers_.push_back(subscriber);
  return subscriber;
}

Async<EventRecord> EventBus::Subscriber::next(Context& ctx) {
  while (queue_.empty()) {
    if (ended_) co_return fail(Errc::gone, "run " + run_ + ": has ended; there are no more events");
    arrived_.reset();
    CO_TRY_VOID(co_await arrived_.wait(ctx));
  }
  EventRecord event = std::move(queue_.front());
  queue_.pop_front();
  co_return event;
}

}  // namespace troupe::observe
