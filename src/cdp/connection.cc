#include "cdp/connection.h"

namespace troupe::cdp {

// One command under way; lives in the frame of its call().
struct Connection::Pending {
  std::string session_id;
  std::string_view method;
  Promise<json::object> answer;
};

Connection::Connection(std::unique_ptr<Transport> transport)
    : transport_(std::move(transport)),
      pending_(std::make_shared<std::unordered_map<std::uint64_t, Pending*>>()) {
  transport_->start([this](std::string_view text) { on_message(text); },
                    [this](Error reason) { close(std::move(reason)); });
}

Connection::~Connection() { close(fail(Errc::session_lost, "cdp connection: closed")); }

std::uint64_t Connection::send(std::string_view session_id, std::string_view method,
                               const json::object& params) {
  const std::uint64_t id = ++last_id_;
  std::string text;
  encode_command(text, id, session_id, method, params);
  ++counters_.commands;
  counters_.bytes_sent += text.size();
  if (!session_id.empty()) {
    auto& own = by_session_[std::string(session_id)];
    ++own.commands;
    own.bytes_sent += text.size();
  }
  transport_->send(std::move(text));
  return id;
}

Async<json::object> Connection::call(Context& ctx, std::string session_id, std::string method,
                                     json::object params) {
  CO_TRY_VOID(ctx.check());
  if (closed_) co_return close_reason_;
  Pending pending{.session_id = std::move(session_id), .method = method, .answer = {}};
  const std::uint64_t id = send(pending.session_id, method, params);
  const auto table = pending_;
  table->emplace(id, &pending);
  auto result = co_await pending.answer.wait(ctx);
  table->erase(id);
  if (!result && result.error().code == Errc::timeout) {
    Error error = result.error();
    error.message += ": no answer to " + method;
    co_return error;
  }
  co_return result;
}

void Connection::post(std::string_view session_id, std::string_view method,
                      const json::object& params) {
  if (!closed_) send(session_id, method, params);
}

void Connection::on_message(std::string_view text) {
  counters_.bytes_received += text.size();
  auto message = decode_message(text);
  if (!message) {
    close(message.error());
    return;
  }
  if (auto* answer = std::get_if<Answer>(&*message)) {
    count_received(answer->session_id, text.size());
    on_answer(std::move(*answer));
    return;
  }
  const auto& event = std::get<EventMessage>(*message);
  count_received(event.session_id, text.size());
  if (event.method == "Target.detachedFromTarget") {
    // Nothing more comes of that session, and a browser sees many.
    const std::string ended(find_string(event.params, "sessionId").value_or(""));
    if (!ended.empty()) {
      by_session_.erase(ended);
      handlers_.erase(ended);
    }
  }
  dispatch(event);
}

// What comes late for a session that was forgotten does not bring it back.
void Connection::count_received(const std::string& session_id, std::size_t bytes) {
  const auto found = by_session_.find(session_id);
  if (found != by_session_.end()) found->second.bytes_received += bytes;
}

void Connection::on_answer(Answer answer) {
  const auto found = pending_->find(answer.id);
  if (found == pending_->end()) return;  // posted, or its caller stopped waiting
  Pending& pending = *found->second;
  if (!answer.is_error) {
    pending.answer.set(std::move(answer.result));
    return;
  }
  // -32001: the flat session is gone. Everything else is the browser's verdict on this command.
  const bool lost = answer.error_code == -32001;
  pending.answer.set(fail(lost ? Errc::session_lost : Errc::protocol_error,
                          std::string(pending.method) + ": " + answer.error_message + " (" +
                              std::to_string(answer.error_code) + ")",
                          "cdp"));
}

void Connection::dispatch(const EventMessage& event) {
  const auto found = handlers_.find(event.session_id);
  if (found == handlers_.end()) return;
  // A handler may end any subscription: walk a copy of the list of owners.
  std::vector<std::shared_ptr<EventHandler>> handlers;
  auto& list = found->second;
  for (auto place = list.begin(); place != list.end();) {
    if (auto handler = place->lock()) {
      handlers.push_back(std::move(handler));
      ++place;
    } else {
      place = list.erase(place);
    }
  }
  if (list.empty()) handlers_.erase(found);
  for (const auto& handler : handlers)
    if (handler.use_count() > 1) (*handler)(event.method, event.params);
}

Connection::Subscription& Connection::Subscription::operator=(Subscription&& other) noexcept {
  handler_ = std::move(other.handler_);
  return *this;
}

void Connection::Subscription::reset() { handler_.reset(); }

Connection::Subscription Connection::on_events(std::string session_id, EventHandler handler) {
  Subscription subscription;
  subscription.handler_ = std::make_shared<EventHandler>(std::move(handler));
  handlers_[std::move(session_id)].push_back(subscription.handler_);
  return subscription;
}

void Connection::fail_session(std::string_view session_id, const Error& reason) {
  for (const auto& [id, pending] : *pending_)
    if (pending->session_id == session_id) pending->answer.set(reason);
  by_session_.erase(std::string(session_id));
}

void Connection::close(Error reason) {
  if (closed_) return;
  closed_ = true;
  close_reason_ = std::move(reason);
  transport_->close();
  for (const auto& [id, pending] : *pending_) pending->answer.set(close_reason_);
  closed_event_.set();
}

TrafficCounters Connection::session_counters(std::string_view session_id) const {
  const auto found = by_session_.find(std::string(session_id));
  return found == by_session_.end() ? TrafficCounters{} : found->second;
}

}  // namespace troupe::cdp
