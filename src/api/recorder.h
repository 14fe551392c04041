// Records what the pages of a session look like: a DevTools client of its own that asks for
// pictures and stores them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "net/websocket.h"
#include "observe/log.h"
#include "sessions/recording_store.h"

namespace troupe::api {

/// Threads: engine.
class Recorder final {
 public:
  using Dial = std::function<Async<std::unique_ptr<net::WebSocket>>(Context&, std::string)>;
  Recorder(Clock& clock, asio::any_io_executor executor, observe::Log& log, std::string dir,
           Dial dial);
  ~Recorder();

  /// Begins, unless it is under way. It ends with the session's browser, or by stop().
  void start(const std::string& session_id);
  bool is_recording(const std::string& session_id) const { return running_.contains(session_id); }
  /// The session has ended; `log` is kept with the pictures.
  void stop(const std::string& session_id, const json::array& log);
  sessions::RecordingStore& store() { return store_; }
  Async<void> join(Context& ctx);

 private:
  struct Recording;
  void arm_sweep();
  asio::awaitable<void> record(std::shared_ptr<Recording> recording);
  void take(Recording& recording, const json::object& message);
  void attach(Recording& recording, const json::object& params);
  void take_frame(Recording& recording, const std::string& flat, const json::object& params);

  Clock& clock_;
  asio::any_io_executor executor_;
  observe::Log& log_;
  sessions::RecordingStore store_;
  Dial dial_;
  std::map<std::string, std::shared_ptr<Recording>> running_;
  Timer sweep_;
  Scope scope_;
};

}  // namespace troupe::api
