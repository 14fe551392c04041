// Recordings of sessions on disk: pictures of each page with their times, and the log. One folder
// per session below `dir`; bounded per session and by age. Knows no browsers.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace troupe::sessions {

struct RecordedPage {
  std::string id;   ///< `0`, `1`, … in the order of opening.
  std::string url;  ///< Where it was last.
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  int frames = 0;
};

struct RecordedFrame {
  std::int64_t time_ms = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::string url;
};

struct RecordingLimits {
  std::uint64_t session_bytes = std::uint64_t{128} << 20;
  int pages = 100;  ///< Of one session.
  std::chrono::hours kept{24 * 7};
};

/// Writes in place: pictures are small. Threads: engine.
class RecordingStore final {
 public:
  /// `dir` empty: nothing is stored. It is made with the first picture.
  explicit RecordingStore(std::string dir, RecordingLimits limits = {})
      : dir_(std::move(dir)), limits_(limits) {}

  /// Errors: exhausted (the session's limit), storage_failed, invalid_argument (id).
  Result<void> add_frame(const std::string& session, int page, std::int64_t time_ms,
                         std::string_view url, std::string_view jpeg);
  Result<void> set_log(const std::string& session, const json::array& entries);
  /// The session writes no more.
  void finish(const std::string& session) { written_.erase(session); }

  /// Errors: not_found (nothing recorded).
  Result<std::vector<RecordedPage>> pages(const std::string& session) const;
  Result<std::vector<RecordedFrame>> frames(const std::string& session,
                                            std::string_view page) const;
  Result<std::string> picture(const std::string& session, std::string_view page,
                              std::size_t number) const;
  Result<std::string> log(const std::string& session) const;
  /// Removes what is older than the limit; how many recordings went.
  int sweep(WallTime now);

 private:
  Result<std::string> folder(const std::string& session) const;
  std::string dir_;
  RecordingLimits limits_;
  std::map<std::string, std::uint64_t> written_;  ///< Bytes of the sessions that write.
};

}  // namespace troupe::sessions
