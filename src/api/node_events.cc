#include "api/node_events.h"

namespace troupe::api {
namespace {

constexpr std::size_t kOutboxMax = 4'096;
constexpr std::size_t kBatchMax = 256;
constexpr int kAttempts = 4;
constexpr auto kPostLimit = std::chrono::seconds(5);
constexpr auto kAgain = std::chrono::seconds(1);

std::string text_of(const json::object& object, std::string_view name) {
  return std::string(find_string(object, name).value_or(""));
}

}  // namespace

NodeEvents::NodeEvents(Nodes& nodes, observe::EventBus& bus, Clock& clock,
                       asio::any_io_executor executor, NodeOf node_of)
    : nodes_(nodes),
      clock_(clock),
      executor_(executor),
      node_of_(std::move(node_of)),
      forwarder_(nodes),
      scope_(executor) {
  listener_ = bus.listen([this](const observe::EventRecord& event) { on_event(event); });
}

// Creation and end are the accepting node's own to tell.
void NodeEvents::on_event(const observe::EventRecord& event) {
  if (event.ids.run.empty() || event.type == "run.created" || event.type == "run.ended") return;
  const std::string node = node_of_(event.ids.run);
  if (node.empty() || node == nodes_.self().id || stopping_.is_cancelled()) return;
  Outbox& outbox = outboxes_[node];
  if (outbox.events.size() >= kOutboxMax) {
    outbox.events.pop_front();
    ++lost_;
  }
  outbox.events.push_back(observe::to_json(event));
  if (!std::exchange(outbox.sending, true)) scope_.spawn("node events", send(node));
}

// One batch after the other; while one is under way the next gathers.
asio::awaitable<void> NodeEvents::send(std::string node_id) {
  int failures = 0;
  while (!outboxes_[node_id].events.empty() && failures < kAttempts) {
    const auto& events = outboxes_[node_id].events;
    const std::size_t count = std::min(events.size(), kBatchMax);
    json::array batch;
    for (std::size_t i = 0; i < count; ++i) batch.push_back(events[i]);
    std::string body = json::serialize(batch);
    Context ctx = Context(clock_, executor_).with_timeout(kPostLimit, "events for another node");
    const auto node = nodes_.find_node(node_id);
    Result<void> posted = fail(Errc::unavailable, "node " + node_id + ": is not there");
    if (node) {
      std::string path(kNodeEventsPath);
      posted = co_await forwarder_.post(ctx, std::move(path), std::move(body), *node);
    }
    if (posted) {
      failures = 0;
      // Those in front may have given way to newer ones meanwhile; an event twice does less harm.
      auto& left = outboxes_[node_id].events;
      left.erase(left.begin(),
                 left.begin() + static_cast<std::ptrdiff_t>(std::min(count, left.size())));
      continue;
    }
    ++failures;
    Context pause = Context(clock_, executor_).with_cancel(stopping_);
    if (!co_await sleep_for(pause, kAgain)) break;
  }
  lost_ += outboxes_[node_id].events.size();
  outboxes_.erase(node_id);
}

asio::awaitable<void> NodeEvents::stop() {
  Context sending = Context(clock_, executor_).with_timeout(std::chrono::seconds(2), "last events");
  listener_ = {};
  (void)co_await scope_.join(sending);
  stopping_.cancel(fail(Errc::draining, "node: is shutting down"));
  Context last(clock_, executor_);
  (void)co_await scope_.join(last);
}

Result<void> take_node_events(
    std::string_view body,
    const std::function<void(std::string type, const Ids& ids, json::object data)>& take) {
  TRY(const auto value, parse_json(body, "events"));
  if (!value.is_array()) return fail(Errc::invalid_argument, "events: are not an array");
  for (const json::value& one : value.get_array()) {
    const json::object* event = one.if_object();
    const json::value* data = event ? find(*event, "data") : nullptr;
    if (!data || !data->is_object()) return fail(Errc::invalid_argument, "events: one has no data");
    const Ids ids{.project = text_of(*event, "project_id"),
                  .run = text_of(*event, "run_id"),
                  .task = text_of(*event, "task_id"),
                  .session = text_of(*event, "session_id"),
                  .workflow = text_of(*event, "workflow"),
                  .attempt = static_cast<int>(find_int(*event, "attempt").value_or(0))};
    take(text_of(*event, "type"), ids, data->get_object());
  }
  return {};
}

}  // namespace troupe::api
