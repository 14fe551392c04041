#include "sessions/recording_store.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>

#include "base/digest.h"
#include "base/text_file.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kPictures = ".jpegs";
constexpr std::string_view kIndex = ".ndjson";
constexpr std::string_view kVideo = ".video";
constexpr std::string_view kBroken = ".part";
constexpr std::size_t kUrlBytesMax = 2'048;
constexpr std::size_t kRowBytesMax = std::size_t{6} * kUrlBytesMax + 256;  // all of it escaped
constexpr std::size_t kSweptRemembered = 1'000;
constexpr std::size_t kIndexesHeld = 8;
constexpr std::size_t kSmallFileMax = std::size_t{64} << 20;

bool is_plain(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-';
  });
}

// `000.ts` and the like; nothing that could be a path.
bool is_file_name(std::string_view text) {
  return !text.starts_with('.') && !text.empty() && text.size() <= 64 &&
         std::ranges::all_of(text, [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
         });
}

// At most that many bytes, whole characters only.
std::string shortened(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  text.resize(most + 1);
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
  if (!text.empty()) text.pop_back();
  return text;
}

Result<void> append(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::app);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.flush();
  if (!file) return fail(Errc::storage_failed, "recording: " + path + " cannot be written");
  return {};
}

Result<std::string> read_bytes(const std::string& path, std::uint64_t offset, std::size_t size) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::not_found, "recording: there is no such file");
  file.seekg(static_cast<std::streamoff>(offset));
  std::string bytes(size, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(size));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad()) return fail(Errc::storage_failed, "recording: " + path + " cannot be read");
  return bytes;
}

// The row comes last: a picture that was written in part is never found.
Result<void> write_frame(const std::string& dir, const NewFrame& frame) {
  const auto jpeg = from_base64(frame.base64);
  if (!jpeg || jpeg->empty()) return {};  // nothing that anybody could show
  std::error_code error;
  fs::create_directories(dir, error);
  const std::string base = dir + "/" + std::to_string(frame.page);
  const auto size = fs::file_size(base + std::string(kPictures), error);
  const std::uint64_t offset = error ? 0 : size;
  TRY_VOID(append(base + std::string(kPictures), *jpeg));
  const json::object row{
      {"t", frame.time_ms}, {"o", offset}, {"s", jpeg->size()}, {"u", frame.url}};
  return append(base + std::string(kIndex), json::serialize(row) + "\n");
}

// What the last row says, once more at another time; nothing when there is none.
Result<void> write_last_row(const std::string& dir, int page, std::int64_t time_ms) {
  const std::string path = dir + "/" + std::to_string(page) + std::string(kIndex);
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) return {};
  const auto from = size - std::min<std::uintmax_t>(size, kRowBytesMax);
  TRY(std::string tail, read_bytes(path, from, static_cast<std::size_t>(size - from)));
  if (!tail.ends_with('\n')) return {};
  tail.pop_back();
  const auto begin = tail.rfind('\n');
  const auto row = parse_json(tail.substr(begin == std::string::npos ? 0 : begin + 1), "recording");
  if (!row || !row->is_object()) return {};
  json::object again = row->get_object();
  if (find_int(again, "t").value_or(time_ms) >= time_ms) return {};
  again["t"] = time_ms;
  return append(path, json::serialize(again) + "\n");
}

void write_end(const std::string& dir, const std::string& log, const RecordingEnd& end) {
  std::error_code error;
  if (!fs::is_directory(dir, error)) return;  // no picture, no recording
  const json::object row{{"reason", end.reason}, {"framesDropped", end.frames_dropped}};
  // On a full disk neither is there: what was written before can be seen all the same.
  (void)replace_text_file(dir + "/log.json", log);
  (void)replace_text_file(dir + "/end.json", json::serialize(row));
}

WallTime wall_of(fs::file_time_type time) {
  return std::chrono::time_point_cast<WallTime::duration>(std::chrono::file_clock::to_sys(time));
}

// One folder of a recording, as the sweep sees it.
struct Kept {
  fs::path path;
  WallTime changed{};
  std::uint64_t bytes = 0;
  bool busy = false;
};

Kept look_at(const fs::path& path, bool busy) {
  Kept kept{.path = path, .busy = busy};
  std::error_code error;
  std::vector<fs::path> broken;
  for (const auto& entry : fs::recursive_directory_iterator(path, error)) {
    std::error_code ignored;
    if (entry.path().extension() == kBroken && !busy) broken.push_back(entry.path());
    if (!entry.is_regular_file(ignored)) continue;
    const auto size = entry.file_size(ignored);
    if (!ignored) kept.bytes += size;
    const auto written = entry.last_write_time(ignored);
    if (!ignored) kept.changed = std::max(kept.changed, wall_of(written));
  }
  for (const auto& one : broken) fs::remove_all(one, error);
  if (kept.bytes == 0) {
    const auto made = fs::last_write_time(path, error);
    if (!error) kept.changed = std::max(kept.changed, wall_of(made));
  }
  return kept;
}

std::vector<std::string> sweep_folder(const std::string& dir, const RecordingLimits& limits,
                                      WallTime now, const std::set<std::string>& busy) {
  std::vector<Kept> all;
  std::error_code error;
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(dir, error)) {
    const std::string name = entry.path().filename().string();
    std::error_code ignored;
    if (!is_plain(name, 64) || !entry.is_directory(ignored)) continue;
    all.push_back(look_at(entry.path(), busy.contains(name)));
    bytes += all.back().bytes;
  }
  std::ranges::sort(all, {}, &Kept::changed);
  std::size_t count = all.size();
  std::vector<std::string> gone;
  for (const Kept& kept : all) {
    const bool old = now - kept.changed > limits.kept;
    const bool many = bytes > limits.bytes_kept || count > limits.recordings_kept;
    if (kept.busy || (!old && !many)) continue;
    fs::remove_all(kept.path, error);
    bytes -= kept.bytes;
    --count;
    gone.push_back(kept.path.filename().string());
  }
  return gone;
}

Result<std::vector<RecordedFrame>> parse_index(const std::string& text) {
  std::vector<RecordedFrame> frames;
  std::size_t at = 0;
  for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', at)) {
    const auto row = parse_json(std::string_view(text).substr(at, end - at), "recording");
    at = end + 1;
    if (!row || !row->is_object()) continue;
    const json::object& object = row->get_object();
    frames.push_back({.time_ms = find_int(object, "t").value_or(0),
                      .offset = static_cast<std::uint64_t>(find_int(object, "o").value_or(0)),
                      .size = static_cast<std::uint64_t>(find_int(object, "s").value_or(0)),
                      .url = std::string(find_string(object, "u").value_or(""))});
  }
  return frames;
}

Result<std::string> video_path(const std::string& dir, const std::string& page,
                               const std::string& file) {
  if (!is_plain(page, 3) || !is_file_name(file))
    return fail(Errc::not_found, "recording: there is no such file");
  return dir + "/" + video_folder(page) + "/" + file;
}

}  // namespace

std::string video_folder(std::string_view page) { return std::string(page) + std::string(kVideo); }

// Indexes that were read last, so that a player does not have one read again for every picture.
struct RecordingStore::Index {
  struct Row {
    std::string path;
    std::uintmax_t size = 0;
    std::shared_ptr<const std::vector<RecordedFrame>> frames;
  };
  std::deque<Row> rows;

  Result<std::shared_ptr<const std::vector<RecordedFrame>>> get(const std::string& path) {
    std::error_code error;
    const auto size = fs::file_size(path, error);
    if (error) return fail(Errc::not_found, "recording: there is no such page");
    const auto found = std::ranges::find(rows, path, &Row::path);
    if (found != rows.end() && found->size == size) return found->frames;
    if (found != rows.end()) rows.erase(found);
    TRY(const auto text, read_text_file(path, kSmallFileMax));
    TRY(auto frames, parse_index(text));
    rows.push_front({path, size, std::make_shared<const std::vector<RecordedFrame>>(frames)});
    if (rows.size() > kIndexesHeld) rows.pop_back();
    return rows.front().frames;
  }

  Result<std::vector<RecordedPage>> pages(const std::string& dir) {
    std::vector<RecordedPage> pages;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(dir, error)) {
      if (entry.path().extension() != kIndex) continue;
      const std::string id = entry.path().stem().string();
      const auto all = get(entry.path().string());
      if (!all || (*all)->empty()) continue;
      RecordedPage page{.id = id,
                        .url = (*all)->back().url,
                        .start_ms = (*all)->front().time_ms,
                        .end_ms = (*all)->back().time_ms,
                        .frames = static_cast<int>((*all)->size())};
      std::error_code none;
      const auto made = fs::last_write_time(dir + "/" + video_folder(id) + "/video.mp4", none);
      if (!none) page.video_at = wall_of(made);
      pages.push_back(std::move(page));
    }
    std::ranges::sort(pages, {},
                      [](const RecordedPage& page) { return std::pair(page.id.size(), page.id); });
    return pages;
  }
};

// What the engine thread learns of a picture that was written or not.
struct RecordingStore::Written {
  std::weak_ptr<AllWriting> writing;
  std::weak_ptr<std::uint64_t> queued;
  std::string session;
  std::uint64_t bytes = 0;

  void tell(const Result<void>& result) const {
    if (const auto left = queued.lock()) *left -= bytes;
    const auto all = writing.lock();
    if (!all || result) return;
    const auto found = all->find(session);
    if (found != all->end() && !found->second.error) found->second.error = result.error();
  }
};

RecordingStore::RecordingStore(asio::any_io_executor executor, std::string dir,
                               RecordingLimits limits)
    : executor_(std::move(executor)), dir_(std::move(dir)), limits_(limits) {
  if (dir_.empty()) return;
  threads_ = std::make_unique<Threads>();
  index_ = std::make_shared<Index>();
}

RecordingStore::~RecordingStore() {
  if (!threads_) return;
  // Who wanted everything written has waited for settle(): a slow disk must not hold up the end.
  threads_->writer.stop();
  threads_->reader.stop();
  threads_->writer.join();
  threads_->reader.join();
}

Error RecordingStore::none(const std::string& session) const {
  const std::string what = "recording of session " + session.substr(0, 64) + ": ";
  if (std::ranges::find(swept_, session) != swept_.end())
    return fail(Errc::gone, what + "was deleted", "recordings",
                "recordings_kept, recordings_max and recordings_bytes_kept say how long they stay");
  return fail(Errc::not_found, what + "there is none");
}

Result<std::string> RecordingStore::folder(const std::string& session) const {
  if (dir_.empty() || !is_plain(session, 64)) return none(session);
  return dir_ + "/" + session;
}

Result<void> RecordingStore::add_frame(const std::string& session, NewFrame frame) {
  TRY(const auto dir, folder(session));
  Writing& writing = (*writing_)[session];
  if (writing.error) return *writing.error;
  if (writing.first_ms == 0) writing.first_ms = frame.time_ms;
  const std::uint64_t size = frame.base64.size() / 4 * 3;
  const auto longest = std::chrono::duration_cast<std::chrono::milliseconds>(limits_.longest);
  const std::string name = "recording of session " + session + ": ";
  if (writing.bytes + size > limits_.session_bytes)
    return fail(Errc::exhausted, name + std::to_string(limits_.session_bytes) + " bytes are full");
  if (frame.page >= limits_.pages)
    return fail(Errc::exhausted, name + std::to_string(limits_.pages) + " pages are full");
  if (frame.time_ms - writing.first_ms > longest.count())
    return fail(Errc::exhausted, name + std::to_string(longest.count()) + " ms have passed");
  frame.url = shortened(std::move(frame.url), kUrlBytesMax);
  const std::uint64_t held = frame.base64.size() + frame.url.size();
  if (*queued_ + held > limits_.queued_bytes) {
    ++writing.dropped;
    return {};
  }
  writing.bytes += size;
  *queued_ += held;
  Written written{.writing = writing_, .queued = queued_, .session = session, .bytes = held};
  asio::post(threads_->writer, [dir, frame = std::move(frame), written, executor = executor_] {
    auto result = write_frame(dir, frame);
    asio::post(executor, [written, result = std::move(result)] { written.tell(result); });
  });
  return {};
}

void RecordingStore::close_page(const std::string& session, int page, std::int64_t time_ms) {
  const auto found = writing_->find(session);
  const auto dir = folder(session);
  if (found == writing_->end() || found->second.finished || found->second.error || !dir) return;
  asio::post(threads_->writer, [dir = *dir, page, time_ms] {
    // On a full disk the page ends with its last picture.
    (void)write_last_row(dir, page, time_ms);
  });
}

void RecordingStore::finish(const std::string& session, json::array log, std::string reason) {
  const auto found = writing_->find(session);
  const auto dir = folder(session);
  if (found == writing_->end() || found->second.finished || !dir) return;
  found->second.finished = true;
  std::weak_ptr<AllWriting> writing = writing_;
  const RecordingEnd end{.reason = std::move(reason), .frames_dropped = found->second.dropped};
  asio::post(threads_->writer,
             [dir = *dir, log = std::move(log), end, writing, session, executor = executor_] {
               write_end(dir, json::serialize(log), end);
               asio::post(executor, [writing, session] {
                 if (const auto all = writing.lock()) all->erase(session);
               });
             });
}

std::uint64_t RecordingStore::frames_dropped(const std::string& session) const {
  const auto found = writing_->find(session);
  return found == writing_->end() ? 0 : found->second.dropped;
}

Async<void> RecordingStore::settle(Context& ctx) const {
  if (!threads_) co_return Result<void>{};
  std::function<Result<void>()> nothing = [] { return Result<void>{}; };
  co_return co_await run_blocking<void>(ctx, threads_->writer, std::move(nothing));
}

template <class T>
Async<T> RecordingStore::read(Context& ctx, std::string session,
                              std::function<Result<T>(std::string)> work) const {
  CO_TRY(const auto dir, folder(session));
  std::function<Result<T>()> job = [dir, work = std::move(work)]() -> Result<T> {
    std::error_code error;
    if (!fs::is_directory(dir, error)) return fail(Errc::not_found, "");
    return work(dir);
  };
  auto value = co_await run_blocking<T>(ctx, threads_->reader, std::move(job));
  if (!value && value.error().message.empty()) co_return none(session);
  co_return value;
}

Async<std::vector<RecordedPage>> RecordingStore::pages(Context& ctx, std::string session) const {
  using Pages = std::vector<RecordedPage>;
  std::function<Result<Pages>(std::string)> work = [index = index_](std::string dir) {
    return index->pages(dir);
  };
  CO_TRY(auto pages, co_await read<Pages>(ctx, session, std::move(work)));
  if (pages.empty()) co_return none(session);
  co_return pages;
}

Async<std::vector<RecordedFrame>> RecordingStore::frames(Context& ctx, std::string session,
                                                         std::string page) const {
  using Frames = std::vector<RecordedFrame>;
  if (!is_plain(page, 3)) co_return fail(Errc::not_found, "recording: there is no such page");
  std::function<Result<Frames>(std::string)> work = [index = index_,
                                                     page](std::string dir) -> Result<Frames> {
    TRY(const auto frames, index->get(dir + "/" + page + std::string(kIndex)));
    return *frames;
  };
  co_return co_await read<Frames>(ctx, std::move(session), std::move(work));
}

Async<std::string> RecordingStore::picture(Context& ctx, std::string session, std::string page,
                                           std::size_t number) const {
  if (!is_plain(page, 3)) co_return fail(Errc::not_found, "recording: there is no such page");
  std::function<Result<std::string>(std::string)> work =
      [index = index_, page, number](std::string dir) -> Result<std::string> {
    TRY(const auto frames, index->get(dir + "/" + page + std::string(kIndex)));
    if (number >= frames->size())
      return fail(Errc::not_found, "recording: picture " + std::to_string(number) +
                                       " is not in 0.." + std::to_string(frames->size()));
    const RecordedFrame& frame = (*frames)[number];
    const auto size = static_cast<std::size_t>(frame.size);
    TRY(auto bytes, read_bytes(dir + "/" + page + std::string(kPictures), frame.offset, size));
    if (bytes.size() < size)
      return fail(Errc::storage_failed, "recording: a picture cannot be read");
    return bytes;
  };
  co_return co_await read<std::string>(ctx, std::move(session), std::move(work));
}

Async<std::string> RecordingStore::log(Context& ctx, std::string session) const {
  std::function<Result<std::string>(std::string)> work = [](std::string dir) {
    return read_text_file(dir + "/log.json", kSmallFileMax);
  };
  co_return co_await read<std::string>(ctx, std::move(session), std::move(work));
}

Async<RecordingEnd> RecordingStore::end(Context& ctx, std::string session) const {
  std::function<Result<RecordingEnd>(std::string)> work =
      [](std::string dir) -> Result<RecordingEnd> {
    TRY(const auto text, read_text_file(dir + "/end.json", kSmallFileMax));
    TRY(const auto parsed, parse_json(text, "recording"));
    if (!parsed.is_object()) return fail(Errc::not_found, "recording: how it ended is not known");
    const json::object& row = parsed.get_object();
    return RecordingEnd{
        .reason = std::string(find_string(row, "reason").value_or("")),
        .frames_dropped = static_cast<std::uint64_t>(find_int(row, "framesDropped").value_or(0))};
  };
  co_return co_await read<RecordingEnd>(ctx, std::move(session), std::move(work));
}

Async<std::string> RecordingStore::video_piece(Context& ctx, std::string session, std::string page,
                                               std::string file, std::uint64_t offset,
                                               std::size_t size) const {
  std::function<Result<std::string>(std::string)> work =
      [page, file, offset, size](std::string dir) -> Result<std::string> {
    TRY(const auto path, video_path(dir, page, file));
    return read_bytes(path, offset, size);
  };
  co_return co_await read<std::string>(ctx, std::move(session), std::move(work));
}

Async<std::uint64_t> RecordingStore::video_size(Context& ctx, std::string session, std::string page,
                                                std::string file) const {
  std::function<Result<std::uint64_t>(std::string)> work =
      [page, file](std::string dir) -> Result<std::uint64_t> {
    TRY(const auto path, video_path(dir, page, file));
    std::error_code error;
    const auto size = fs::file_size(path, error);
    if (error) return fail(Errc::not_found, "recording: there is no such file");
    return std::uint64_t{size};
  };
  co_return co_await read<std::uint64_t>(ctx, std::move(session), std::move(work));
}

Async<int> RecordingStore::sweep(Context& ctx, WallTime now, std::set<std::string> busy) {
  if (!threads_) co_return 0;
  for (const auto& [session, writing] : *writing_) busy.insert(session);
  using Names = std::vector<std::string>;
  std::function<Result<Names>()> work = [dir = dir_, limits = limits_, now,
                                         busy = std::move(busy)]() -> Result<Names> {
    return sweep_folder(dir, limits, now, busy);
  };
  CO_TRY(const auto gone, co_await run_blocking<Names>(ctx, threads_->reader, std::move(work)));
  swept_.insert(swept_.end(), gone.begin(), gone.end());
  while (swept_.size() > kSweptRemembered) swept_.pop_front();
  co_return static_cast<int>(gone.size());
}

Async<void> RecordingStore::remove(Context& ctx, std::string session) {
  if (is_writing(session))
    co_return fail(Errc::conflict, "recording of session " + session + ": is being written");
  std::function<Result<bool>(std::string)> work = [](std::string dir) -> Result<bool> {
    std::error_code error;
    fs::remove_all(dir, error);
    if (error)
      return fail(Errc::storage_failed, "recording: " + dir + ": " + error.message(), "data_dir");
    return true;
  };
  CO_TRY_VOID(co_await read<bool>(ctx, session, std::move(work)));
  swept_.push_back(std::move(session));
  co_return Result<void>{};
}

}  // namespace troupe::sessions
