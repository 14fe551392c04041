#include "sessions/video_encoder.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/random.h"
#include "base/text_file.h"
#include "sessions/process.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;
constexpr std::int64_t kStillMs = 2'000;  // after that a picture is given again
constexpr std::int64_t kLastMs = 1'000;   // how long the last one is seen
constexpr int kSideMax = 4'096;
constexpr std::int64_t kMemoryMax = std::int64_t{2} << 30;
constexpr int kNiceness = 15;
constexpr std::size_t kSaidMax = std::size_t{1} << 20;
constexpr std::size_t kPlaylistMax = std::size_t{4} << 20;

int even(int side) { return std::clamp(side + side % 2, 2, kSideMax); }

// Where one video is made; it gets its name when it is whole.
struct Place {
  std::string folder;    ///< Of the recording.
  std::string work;      ///< Absolute; ends in `.part`.
  std::string finished;  ///< Absolute.
};

Place place_of(const std::string& folder, const std::string& page) {
  const std::string name = video_folder(page);
  return {.folder = folder,
          .work = folder + "/" + name + "-" + secure_token(6) + ".part",
          .finished = folder + "/" + name};
}

// Everything the encoder needs; runs on the reader's thread.
Result<PictureSize> prepare(const Place& place, const std::string& page,
                            const std::vector<RecordedFrame>& frames) {
  std::ifstream file(place.folder + "/" + page + ".jpegs", std::ios::binary);
  PictureSize largest;
  std::vector<VideoFrame> good;
  std::string bytes;
  for (const RecordedFrame& frame : frames) {
    bytes.resize(static_cast<std::size_t>(frame.size));
    file.clear();
    file.seekg(static_cast<std::streamoff>(frame.offset));
    file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    const auto size = file ? jpeg_size(bytes) : std::nullopt;
    if (!size || std::max(size->width, size->height) > kSideMax) continue;
    largest.width = std::max(largest.width, size->width);
    largest.height = std::max(largest.height, size->height);
    good.push_back({.time_ms = frame.time_ms, .offset = frame.offset, .size = frame.size});
  }
  if (good.empty())
    return fail(Errc::not_found, "recording: page " + page + " has no picture that can be shown");
  std::error_code error;
  fs::create_directory(place.work, error);
  std::ofstream list(place.work + "/list.txt", std::ios::binary);
  list << video_list(good, "../" + page + ".jpegs");
  list.close();
  if (!list)
    return fail(Errc::storage_failed, "recording: " + place.work + " cannot be written",
                "data_dir");
  return PictureSize{even(largest.width), even(largest.height)};
}

std::vector<std::string> arguments_for(PictureSize size) {
  const std::string box = std::to_string(size.width) + ":" + std::to_string(size.height);
  const std::string fitted = "scale=" + box + ":force_original_aspect_ratio=decrease,pad=" + box +
                             ":(ow-iw)/2:(oh-ih)/2,setsar=1,format=yuv420p";
  // No pictures that refer to later ones (-bf 0): with them each would last as long as another.
  return {"-nostdin", "-hide_banner", "-loglevel", "error",
          // Only the recording's own file is read.
          "-protocol_whitelist", "file,subfile", "-f", "concat", "-safe", "0", "-i", "list.txt",
          "-an", "-vf", fitted, "-fps_mode", "vfr", "-c:v", "libx264", "-preset", "veryfast",
          "-crf", "28", "-bf", "0", "-threads", "1", "-force_key_frames", "expr:gte(t,n_forced*6)",
          "-map", "0:v", "-f", "tee",
          "[f=mp4:onfail=abort:movflags=+faststart]video.mp4|"
          "[f=hls:onfail=abort:hls_time=6:hls_list_size=0:hls_playlist_type=vod:"
          "hls_segment_filename=%05d.ts]playlist.m3u8"};
}

// What the encoder said, and the first line of it: the others come of that one.
struct Said {
  std::string all, first;
};
Said said_in(const std::string& path) {
  const auto text = read_text_file(path, kSaidMax);
  if (!text) return {};
  const auto from = std::min(text->find_first_not_of("\r\n"), text->size());
  const auto end = std::min(text->find('\n', from), text->size());
  return {*text, text->substr(from, std::min<std::size_t>(end - from, 300))};
}

bool has_bytes(const std::string& path) {
  std::error_code error;
  return fs::file_size(path, error) > 0 && !error;
}

// An index before the pictures, as it is written at the very end.
bool is_whole_video(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string head(64, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(file.gcount()));
  return head.find("ftyp") == 4 && head.find("moov") != std::string::npos;
}

bool is_whole_playlist(const std::string& path) {
  const auto text = read_text_file(path, kPlaylistMax);
  return text && text->find("#EXT-X-ENDLIST") != std::string::npos;
}

// Runs on the reader's thread, like prepare(). Encoders have ended well with half a video.
Result<void> complete(const Place& place, const std::string& exit_text) {
  const Said said = said_in(place.work + "/said.txt");
  if (said.all.find("No space left on device") != std::string::npos)
    return fail(Errc::storage_failed, "recording: no space is left for its video", "data_dir");
  // It passes over the rest of a list that it cannot read.
  const bool read = said.all.find("Impossible to open") == std::string::npos;
  const bool whole = exit_text == "exit code 0" && read &&
                     is_whole_video(place.work + "/video.mp4") &&
                     is_whole_playlist(place.work + "/playlist.m3u8");
  if (!whole) {
    const std::string why = said.first.empty() ? "" : ": " + said.first;
    return fail(Errc::protocol_error,
                "recording: the video encoder failed (" + exit_text + ")" + why, "video_encoder");
  }
  std::error_code error;
  fs::remove(place.work + "/list.txt", error);
  fs::remove(place.work + "/said.txt", error);
  fs::remove_all(place.finished, error);
  fs::rename(place.work, place.finished, error);
  if (error)
    return fail(Errc::storage_failed, "recording: " + place.finished + ": " + error.message(),
                "data_dir");
  return {};
}

// The recording may have been deleted meanwhile: then there is nothing to clean.
asio::awaitable<void> discard(Context& ctx, const RecordingStore& store, std::string work) {
  Context last = ctx.for_cleanup(std::chrono::seconds(10), "cleaning after a video");
  std::function<Result<void>()> clean = [work = std::move(work)]() -> Result<void> {
    std::error_code error;
    fs::remove_all(work, error);
    return {};
  };
  (void)co_await run_blocking<void>(last, store.reader(), std::move(clean));
}

Async<std::string> run_encoder(Context& ctx, std::string encoder, std::string work,
                               PictureSize size) {
  ProcessOptions options{.path = std::move(encoder),
                         .arguments = arguments_for(size),
                         .environment = {"LANG=C"},
                         .output_file = work + "/said.txt",
                         .data_bytes_max = kMemoryMax,
                         .working_dir = work,
                         .niceness = kNiceness};
  auto process = Process::spawn(ctx.executor(), options);
  const Error missing =
      fail(Errc::unsupported, "video encoder: " + options.path + " does not start", "video_encoder",
           "install the Debian package ffmpeg");
  if (!process && process.error().code == Errc::browser_missing) co_return missing;
  if (!process) co_return process.error();
  // A deadline or a stop ends it with this frame: the destructor kills and reaps.
  CO_TRY_VOID(co_await (*process)->exited().wait(ctx));
  const std::string& said = (*process)->exit_text();
  if (said == "exit code 127")
    co_return missing;  // what a shell says of a program that is not there
  co_return said;
}

}  // namespace

std::optional<PictureSize> jpeg_size(std::string_view bytes) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes[at]); };
  if (bytes.size() < 4 || byte(0) != 0xFF || byte(1) != 0xD8) return std::nullopt;
  if (byte(bytes.size() - 2) != 0xFF || byte(bytes.size() - 1) != 0xD9) return std::nullopt;
  // Up to the pixels: an encoder stops at a picture whose header is not whole.
  std::optional<PictureSize> size;
  std::size_t at = 2;
  while (at + 9 <= bytes.size() && byte(at) == 0xFF) {
    const unsigned marker = byte(at + 1);
    if (marker == 0xDA) return size;
    const bool frame =
        marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (frame)
      size = PictureSize{byte(at + 7) << 8 | byte(at + 8), byte(at + 5) << 8 | byte(at + 6)};
    if (size && (size->width == 0 || size->height == 0)) return std::nullopt;
    const std::size_t length = static_cast<std::size_t>(byte(at + 2) << 8 | byte(at + 3));
    if (length < 2) return std::nullopt;
    at += 2 + length;
  }
  return std::nullopt;
}

std::string video_list(const std::vector<VideoFrame>& frames, std::string_view pictures) {
  std::string list = "ffconcat version 1.0\n";
  const auto add = [&](const VideoFrame& frame, std::int64_t duration_ms) {
    const std::string fraction = std::to_string(1'000 + duration_ms % 1'000).substr(1);
    list += "file 'subfile,,start," + std::to_string(frame.offset) + ",end," +
            std::to_string(frame.offset + frame.size) + ",,:" + std::string(pictures) +
            "'\nduration " + std::to_string(duration_ms / 1'000) + "." + fraction + "\n";
  };
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const bool last = i + 1 == frames.size();
    // The clock may have been set back meanwhile.
    std::int64_t left =
        last ? kLastMs : std::max<std::int64_t>(frames[i + 1].time_ms - frames[i].time_ms, 1);
    for (; left > kStillMs; left -= kStillMs) add(frames[i], kStillMs);
    add(frames[i], left);
    if (last) add(frames[i], 1);  // the last duration of a list counts for nothing
  }
  return list;
}

Result<std::string> find_video_encoder(const std::string& wanted, std::string_view path) {
  const auto runs = [](const std::string& file) {
    std::error_code error;
    return fs::is_regular_file(file, error) && access(file.c_str(), X_OK) == 0;
  };
  const Error missing =
      fail(Errc::unsupported,
           "video encoder: " + (wanted.empty() ? "none is set" : "'" + wanted + "' is not here"),
           "video_encoder", "install the Debian package ffmpeg, or set video_encoder to its path");
  if (wanted.empty()) return missing;
  if (wanted.find('/') != std::string::npos) {
    std::error_code error;
    const std::string whole = fs::absolute(wanted, error).string();
    return runs(whole) ? Result<std::string>(whole) : Result<std::string>(missing);
  }
  while (!path.empty()) {
    const auto end = std::min(path.find(':'), path.size());
    const std::string file = std::string(path.substr(0, end)) + "/" + wanted;
    if (end > 0 && file.starts_with('/') && runs(file)) return file;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return missing;
}

Async<void> make_video(Context& ctx, const RecordingStore& store, VideoRequest request) {
  std::string session = request.session;
  std::string page = request.page;
  CO_TRY(const auto folder, store.folder(session));
  CO_TRY(auto frames, co_await store.frames(ctx, std::move(session), std::move(page)));
  const Place place = place_of(folder, request.page);
  std::function<Result<bool>()> look = [place]() -> Result<bool> {
    return has_bytes(place.finished + "/video.mp4");
  };
  CO_TRY(const bool there, co_await run_blocking<bool>(ctx, store.reader(), std::move(look)));
  if (there) co_return Result<void>{};
  std::function<Result<PictureSize>()> first = [place, page = request.page,
                                                frames = std::move(frames)] {
    return prepare(place, page, frames);
  };
  Result<void> made;
  auto size = co_await run_blocking<PictureSize>(ctx, store.reader(), std::move(first));
  if (size) {
    std::string encoder = std::move(request.encoder);
    std::string work = place.work;
    auto ended = co_await run_encoder(ctx, std::move(encoder), std::move(work), *size);
    if (ended) {
      Context last = ctx.for_cleanup(std::chrono::seconds(30), "keeping a video");
      std::function<Result<void>()> second = [place, text = *ended] {
        return complete(place, text);
      };
      made = co_await run_blocking<void>(last, store.reader(), std::move(second));
    } else {
      made = ended.error();
    }
  } else {
    made = size.error();
  }
  if (!made) co_await discard(ctx, store, place.work);
  co_return made;
}

}  // namespace troupe::sessions
