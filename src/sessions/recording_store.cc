#include "sessions/recording_store.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kPictures = ".jpegs";
constexpr std::string_view kIndex = ".ndjson";

bool is_plain(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-';
  });
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Errc::not_found, "recording: there is none");
  return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<void> append(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::app);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.flush();
  if (!file) return fail(Errc::storage_failed, "recording: " + path + " cannot be written");
  return {};
}

}  // namespace

Result<std::string> RecordingStore::folder(const std::string& session) const {
  if (dir_.empty() || !is_plain(session, 64))
    return fail(Errc::not_found,
                "recording of session " + session.substr(0, 64) + ": there is none");
  return dir_ + "/" + session;
}

Result<void> RecordingStore::add_frame(const std::string& session, int page, std::int64_t time_ms,
                                       std::string_view url, std::string_view jpeg) {
  TRY(const auto dir, folder(session));
  std::uint64_t& written = written_[session];
  if (written + jpeg.size() > limits_.session_bytes || page >= limits_.pages)
    return fail(Errc::exhausted, "recording of session " + session + ": " +
                                     std::to_string(limits_.session_bytes) + " bytes or " +
                                     std::to_string(limits_.pages) + " pages are full");
  std::error_code error;
  fs::create_directories(dir, error);
  const std::string base = dir + "/" + std::to_string(page);
  const auto size = fs::file_size(base + std::string(kPictures), error);
  const std::uint64_t offset = error ? 0 : size;
  TRY_VOID(append(base + std::string(kPictures), jpeg));
  const json::object row{{"t", time_ms}, {"o", offset}, {"s", jpeg.size()}, {"u", url}};
  TRY_VOID(append(base + std::string(kIndex), json::serialize(row) + "\n"));
  written += jpeg.size();
  return {};
}

Result<void> RecordingStore::set_log(const std::string& session, const json::array& entries) {
  TRY(const auto dir, folder(session));
  std::error_code error;
  if (!fs::is_directory(dir, error)) return {};
  fs::remove(dir + "/log.json", error);
  return append(dir + "/log.json", json::serialize(entries));
}

Result<std::vector<RecordedFrame>> RecordingStore::frames(const std::string& session,
                                                          std::string_view page) const {
  TRY(const auto dir, folder(session));
  if (!is_plain(page, 3)) return fail(Errc::not_found, "recording: there is no such page");
  TRY(const auto text, read_file(dir + "/" + std::string(page) + std::string(kIndex)));
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

Result<std::vector<RecordedPage>> RecordingStore::pages(const std::string& session) const {
  TRY(const auto dir, folder(session));
  std::vector<RecordedPage> pages;
  for (int number = 0; number < limits_.pages; ++number) {
    const std::string id = std::to_string(number);
    const auto all = frames(session, id);
    if (!all || all->empty()) continue;
    pages.push_back({.id = id,
                     .url = all->back().url,
                     .start_ms = all->front().time_ms,
                     .end_ms = all->back().time_ms,
                     .frames = static_cast<int>(all->size())});
  }
  if (pages.empty())
    return fail(Errc::not_found, "recording of session " + session + ": there is none");
  return pages;
}

Result<std::string> RecordingStore::picture(const std::string& session, std::string_view page,
                                            std::size_t number) const {
  TRY(const auto all, frames(session, page));
  if (number >= all.size())
    return fail(Errc::not_found, "recording: picture " + std::to_string(number) + " is not in 0.." +
                                     std::to_string(all.size()));
  TRY(const auto dir, folder(session));
  std::ifstream file(dir + "/" + std::string(page) + std::string(kPictures), std::ios::binary);
  file.seekg(static_cast<std::streamoff>(all[number].offset));
  std::string bytes(static_cast<std::size_t>(all[number].size), '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file) return fail(Errc::storage_failed, "recording: a picture cannot be read");
  return bytes;
}

Result<std::string> RecordingStore::log(const std::string& session) const {
  TRY(const auto dir, folder(session));
  return read_file(dir + "/log.json");
}

int RecordingStore::sweep(WallTime now) {
  int removed = 0;
  std::error_code error;
  if (dir_.empty()) return 0;
  std::vector<fs::path> old;
  for (const auto& entry : fs::directory_iterator(dir_, error)) {
    const auto written = fs::last_write_time(entry.path(), error);
    if (error) continue;
    const auto time = std::chrono::file_clock::to_sys(written);
    if (now - time > limits_.kept && !written_.contains(entry.path().filename().string()))
      old.push_back(entry.path());
  }
  for (const auto& path : old) removed += fs::remove_all(path, error) > 0;
  return removed;
}

}  // namespace troupe::sessions
