// Makes a video of a recorded page with a packaged encoder (ffmpeg): one MP4 file, and the same
// pictures as HLS. A child process at low priority that dies with Troupe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/async.h"
#include "sessions/recording_store.h"

namespace troupe::sessions {

struct PictureSize {
  int width = 0;
  int height = 0;
};
/// What the header of a JPEG says; nothing when it is none, or not whole. Pure.
std::optional<PictureSize> jpeg_size(std::string_view bytes);

/// A picture that can be decoded, and when it was seen.
struct VideoFrame {
  std::int64_t time_ms = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};
/// The encoder's list: each picture, a part of the file `pictures`, for as long as it was seen. A
/// still one is repeated, so that players and segments do not wait for it. Pure.
std::string video_list(const std::vector<VideoFrame>& frames, std::string_view pictures);

/// The encoder as an absolute path: `wanted` is one, or a name on `path` (as in $PATH).
/// Errors: unsupported (there is none), with the package that has it.
Result<std::string> find_video_encoder(const std::string& wanted, std::string_view path);

struct VideoRequest {
  std::string encoder;  ///< Absolute path.
  std::string session;
  std::string page;
};
/// Leaves `video.mp4`, `playlist.m3u8` and `00000.ts`, … in the page's video folder, or nothing.
/// Threads: engine. Errors: not_found (no picture can be decoded), unsupported (the encoder cannot
/// be started), storage_failed (disk full), protocol_error (the encoder failed), timeout,
/// cancelled.
Async<void> make_video(Context& ctx, const RecordingStore& store, VideoRequest request);

}  // namespace troupe::sessions
