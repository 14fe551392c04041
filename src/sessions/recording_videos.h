// Which videos of recorded pages are wanted, made, there, or could not be made. So many are made at
// once; the others wait their turn.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/async.h"
#include "observe/log.h"
#include "sessions/recording_store.h"

namespace troupe::sessions {

struct VideoOptions {
  std::string encoder;  ///< As find_video_encoder() takes it; empty: no videos.
  int at_once = 1;
  std::size_t waiting_max = 1'000;
  Duration turn_timeout = std::chrono::minutes(60);  ///< Of waiting for a turn.
  Duration timeout = std::chrono::minutes(15);       ///< Of making one.
};

/// Threads: engine.
class RecordingVideos final {
 public:
  RecordingVideos(Clock& clock, asio::any_io_executor executor, observe::Log& log,
                  const RecordingStore& store, VideoOptions options);

  /// Looks anew each time: an encoder may have been installed meanwhile. Errors: unsupported, with
  /// the package that is missing.
  Result<std::string> encoder() const;
  /// Has a page's video made, unless that is under way; one that failed is tried again.
  /// Errors: unsupported, exhausted (too many wait), draining.
  Result<void> request(const std::string& session, const std::string& page);
  bool is_pending(const std::string& session, const std::string& page) const;
  /// Why the last attempt failed; nothing when it did not, or there was none.
  std::optional<Error> failure(const std::string& session, const std::string& page) const;
  /// Waits for a video that is being made. Errors: those of making it, timeout, cancelled.
  Async<void> wait(Context& ctx, std::string session, std::string page);
  /// Sessions whose videos are being made or wait for that.
  std::set<std::string> busy() const;

  /// Kills the encoders; what waits is given up.
  void stop();
  Async<void> join(Context& ctx) { return scope_.join(ctx); }

 private:
  using Key = std::pair<std::string, std::string>;  ///< Session, page.
  struct Job {
    Event done;
    std::optional<Error> error;
  };
  asio::awaitable<void> make(Key key, std::shared_ptr<Job> job, std::string encoder);
  Async<void> turn(Context& ctx, const Job* job);
  void end(const Key& key, Job& job, const Result<void>& made, Duration took);

  Clock& clock_;
  asio::any_io_executor executor_;
  observe::Log& log_;
  const RecordingStore& store_;
  VideoOptions options_;
  std::map<Key, std::shared_ptr<Job>> jobs_;
  std::deque<const Job*> waiting_;
  int making_ = 0;
  Event changed_;
  std::map<Key, Error> failures_;
  CancelSource stopping_;
  Scope scope_;
};

}  // namespace troupe::sessions
