// Transports for tests: scripted (the test answers), and a recorded session of a real browser,
// played back in order. Tests only.
#pragma once

#include <deque>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "cdp/transport.h"

namespace troupe::cdp {

/// What the test sees and does; outlives the connection.
struct Wire {
  std::vector<json::object> sent;
  std::function<void(std::string_view)> deliver;
  std::function<void(Error)> hang_up;
  std::function<void(const json::object&)> on_send;  ///< Called from the loop, after the send.
  bool closed = false;
};

class ScriptedTransport final : public Transport {
 public:
  ScriptedTransport(asio::any_io_executor executor, Wire& wire)
      : executor_(std::move(executor)), wire_(wire) {}
  void start(std::function<void(std::string_view)> message,
             std::function<void(Error)> closed) override {
    wire_.deliver = std::move(message);
    wire_.hang_up = std::move(closed);
  }
  void send(std::string message) override {
    auto parsed = parse_json(message, "sent").value().as_object();
    wire_.sent.push_back(parsed);
    asio::post(executor_, [wire = &wire_, parsed, here = std::weak_ptr<int>(alive_)] {
      if (!here.expired() && wire->on_send && !wire->closed) wire->on_send(parsed);
    });
  }
  void close() override { wire_.closed = true; }

 private:
  asio::any_io_executor executor_;
  Wire& wire_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();  ///< The wire may go after the transport.
};

/// A recorded session: each command sent must be the next recorded one (by method, or by its
/// parameters too); what the browser said after it is delivered then, with the ids of the commands
/// really sent.
class Transcript final {
 public:
  enum class Match { method, params };
  explicit Transcript(const std::string& path, Match match = Match::method) : match_(match) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
      lines_.push_back(parse_json(line, path).value().as_object());
  }

  void attach(Wire& wire) {
    wire.on_send = [this, &wire](const json::object& sent) { play(wire, sent); };
  }
  const std::string& mismatch() const { return mismatch_; }
  bool finished() const { return lines_.empty(); }

 private:
  void play(Wire& wire, const json::object& sent) {
    const json::object* recorded =
        lines_.empty() ? nullptr : find(lines_.front(), "send")->if_object();
    const auto params_of = [](const json::object& command) {
      const json::value* params = find(command, "params");
      return params ? *params : json::value(json::object());
    };
    const bool fits = recorded && recorded->at("method") == sent.at("method") &&
                      (match_ == Match::method || params_of(*recorded) == params_of(sent));
    if (!fits) {
      mismatch_ = "sent " + json::serialize(sent) + ", recorded " +
                  (recorded ? json::serialize(*recorded) : "nothing");
      return;
    }
    ids_[recorded->at("id").as_int64()] = sent.at("id").as_int64();
    lines_.pop_front();
    while (!lines_.empty() && lines_.front().contains("receive")) {
      json::object message = lines_.front().at("receive").as_object();
      lines_.pop_front();
      if (auto* id = message.if_contains("id")) *id = ids_.at(id->as_int64());
      wire.deliver(json::serialize(message));
    }
  }

  Match match_;
  std::deque<json::object> lines_;
  std::unordered_map<std::int64_t, std::int64_t> ids_;
  std::string mismatch_;
};

}  // namespace troupe::cdp
