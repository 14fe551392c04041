// Records what the pages of a session look like: a DevTools client of its own that asks for
// pictures and has them stored.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "net/websocket.h"
#include "observe/log.h"
#include "sessions/recording_store.h"
#include "sessions/recording_videos.h"

namespace troupe::api {

/// How often pictures are taken. A page that changes now and then costs next to nothing: it is seen
/// whenever it does. In one that moves all the time Chromium copies and packs every frame while a
/// screencast runs (most of a core), so that it runs for single pictures only: `between` apart
/// while the burst lasts, then one per `refill`.
struct PictureRate {
  Duration calm = std::chrono::milliseconds(700);  ///< Pictures that far apart are no movement.
  Duration between = std::chrono::milliseconds(300);
  double burst = 50;  ///< Pictures of a session.
  Duration refill = std::chrono::seconds(2);
};

struct RecorderOptions {
  std::string dir;  ///< Empty: nothing is recorded.
  sessions::RecordingLimits limits;
  sessions::VideoOptions video;
  PictureRate rate;
};

/// Threads: engine.
class Recorder final {
 public:
  using Dial = std::function<Async<std::unique_ptr<net::WebSocket>>(Context&, std::string)>;
  Recorder(Clock& clock, asio::any_io_executor executor, observe::Log& log, RecorderOptions options,
           Dial dial);
  ~Recorder();

  /// Begins, unless it did already. It ends with the session's browser, at a limit, or by stop().
  void start(const std::string& session_id);
  /// Nobody wants this session recorded.
  void decline(const std::string& session_id);
  bool is_declined(const std::string& session_id) const;
  /// Until stop(), also when it has ended before.
  bool is_recording(const std::string& session_id) const { return running_.contains(session_id); }
  std::vector<std::string> recording() const;
  /// The session has ended; `log` is kept with the pictures.
  void stop(const std::string& session_id, json::array log);
  sessions::RecordingStore& store() { return store_; }
  sessions::RecordingVideos& videos() { return videos_; }
  /// From now on old recordings are deleted, until join().
  void begin();
  /// Call stop() for all before. Waits until everything is written.
  Async<void> join(Context& ctx);

 private:
  struct RecordedTab;
  struct Recording;
  void arm_sweep();
  asio::awaitable<void> sweep();
  asio::awaitable<void> record(std::shared_ptr<Recording> recording);
  void take(Recording& recording, const json::object& message);
  void attach(Recording& recording, const json::object& params);
  void begin(Recording& recording, const std::string& flat);
  void rename(Recording& recording, const json::object& target);
  void take_frame(Recording& recording, const std::string& flat, const json::object& params);
  Duration next_pause(Recording& recording) const;
  void close(const Recording& recording, const RecordedTab& tab);
  void end(Recording& recording, const Error& why);

  Clock& clock_;
  asio::any_io_executor executor_;
  observe::Log& log_;
  PictureRate rate_;
  sessions::RecordingStore store_;
  sessions::RecordingVideos videos_;
  Dial dial_;
  std::map<std::string, std::shared_ptr<Recording>> running_;
  std::deque<std::string> declined_;
  Timer sweep_timer_;
  Scope scope_;
};

}  // namespace troupe::api
