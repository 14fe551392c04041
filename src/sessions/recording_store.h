// Recordings of sessions on disk: pictures of each page with their times, the log, how it ended,
// and the videos made of it. One folder per session below `dir`; bounded per session, by age, by
// number and by size. Knows no browsers.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/async.h"
#include "base/json.h"

namespace troupe::sessions {

struct RecordedPage {
  std::string id;   ///< `0`, `1`, … in the order of opening.
  std::string url;  ///< Where it was last.
  std::int64_t start_ms = 0;
  std::int64_t end_ms = 0;
  int frames = 0;
  std::optional<WallTime> video_at;  ///< When its video was made, if there is one.
};

struct RecordedFrame {
  std::int64_t time_ms = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::string url;
};

/// A picture as the browser sends it.
struct NewFrame {
  int page = 0;
  std::int64_t time_ms = 0;
  std::string url;
  std::string base64;  ///< JPEG.
};

/// How a recording ended: `reason` is empty when it did with its session.
struct RecordingEnd {
  std::string reason;
  std::uint64_t frames_dropped = 0;
};

struct RecordingLimits {
  std::uint64_t session_bytes = std::uint64_t{256} << 20;
  int pages = 1'000;  ///< Of one session.
  Duration longest = std::chrono::hours(6);
  std::uint64_t queued_bytes = std::uint64_t{16} << 20;  ///< In memory, of all sessions together.
  Duration kept = std::chrono::hours(24 * 7);
  std::uint64_t bytes_kept = std::uint64_t{10} << 30;  ///< Of all recordings together.
  std::size_t recordings_kept = 1'000;
};

/// Threads: engine. Files are written on one thread of its own and read on another.
class RecordingStore final {
 public:
  /// `dir` empty: nothing is stored. It is made with the first picture.
  RecordingStore(asio::any_io_executor executor, std::string dir, RecordingLimits limits = {});
  ~RecordingStore();

  bool stores() const { return !dir_.empty(); }
  const RecordingLimits& limits() const { return limits_; }

  /// Never waits: the picture is written later. While the disk is slow and too much waits already,
  /// it is dropped and counted. An error ends the recording: exhausted (a limit of the session),
  /// storage_failed (an earlier picture could not be written), not_found (id).
  Result<void> add_frame(const std::string& session, NewFrame frame);
  /// The page's last picture was still to be seen at that time; then it was closed.
  void close_page(const std::string& session, int page, std::int64_t time_ms);
  /// The session writes no more; what waits is still written, then its log.
  void finish(const std::string& session, json::array log, std::string reason);
  bool is_writing(const std::string& session) const { return writing_->contains(session); }
  std::uint64_t frames_dropped(const std::string& session) const;
  /// Ends when everything that waits now is written. Errors: timeout, cancelled.
  Async<void> settle(Context& ctx) const;

  /// Errors of all: not_found (nothing recorded), gone (deleted for its age or by a limit),
  /// storage_failed, timeout.
  Async<std::vector<RecordedPage>> pages(Context& ctx, std::string session) const;
  Async<std::vector<RecordedFrame>> frames(Context& ctx, std::string session,
                                           std::string page) const;
  Async<std::string> picture(Context& ctx, std::string session, std::string page,
                             std::size_t number) const;
  Async<std::string> log(Context& ctx, std::string session) const;
  Async<RecordingEnd> end(Context& ctx, std::string session) const;
  /// At most `size` bytes of a page's video (`video.mp4`, `playlist.m3u8`, a segment) from `offset`
  /// on; nothing at its end.
  Async<std::string> video_piece(Context& ctx, std::string session, std::string page,
                                 std::string file, std::uint64_t offset, std::size_t size) const;
  Async<std::uint64_t> video_size(Context& ctx, std::string session, std::string page,
                                  std::string file) const;

  /// Deletes what is beyond the limits, and what broken encodings left. Those that are written and
  /// those in `busy` stay. How many recordings went.
  Async<int> sweep(Context& ctx, WallTime now, std::set<std::string> busy);
  /// Errors: not_found, conflict (it is being written).
  Async<void> remove(Context& ctx, std::string session);

  /// For the maker of videos; it must touch files on reader() only.
  Result<std::string> folder(const std::string& session) const;
  asio::thread_pool& reader() const { return threads_->reader; }

 private:
  struct Writing {
    std::uint64_t bytes = 0;
    std::int64_t first_ms = 0;
    std::uint64_t dropped = 0;
    std::optional<Error> error;
    bool finished = false;
  };
  using AllWriting = std::map<std::string, Writing>;
  struct Threads {
    asio::thread_pool writer{1};
    asio::thread_pool reader{1};
  };
  struct Index;
  struct Written;
  Error none(const std::string& session) const;
  template <class T>
  Async<T> read(Context& ctx, std::string session,
                std::function<Result<T>(std::string)> work) const;

  asio::any_io_executor executor_;
  std::string dir_;
  RecordingLimits limits_;
  std::shared_ptr<AllWriting> writing_ = std::make_shared<AllWriting>();
  std::shared_ptr<std::uint64_t> queued_ = std::make_shared<std::uint64_t>(0);
  std::deque<std::string> swept_;  ///< The last ones that were deleted.
  std::shared_ptr<Index> index_;   ///< Only the reader touches it.
  std::unique_ptr<Threads> threads_;
};

/// Where the videos of a page are, below its session's folder.
std::string video_folder(std::string_view page);

}  // namespace troupe::sessions
