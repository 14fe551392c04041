// Files of sessions: what their browsers downloaded, and what was uploaded for them. Downloads are
// in `<data_dir>/downloads/<session>` and stay for a while after the session's end; uploads in
// `<data_dir>/uploads/<session>` go with it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/async.h"

namespace troupe::sessions {

struct StoredDownload {
  std::string id;  ///< Of this file of this session, always the same: a UUID.
  std::string session_id;
  std::string file_name;  ///< As the site named it.
  std::string mime_type;
  std::uint64_t size = 0;
  std::string checksum;  ///< SHA-256, hex.
  WallTime created_at{};
  std::string path;
};

struct SessionFilesOptions {
  std::string data_dir;
  Duration downloads_kept = std::chrono::hours(24);  ///< After the last change in the folder.
  std::uint64_t upload_bytes_max = 1u << 30;         ///< Of one session, all together.
  std::size_t uploads_max = 1'000;                   ///< Of one session.
};

/// Bytes that live as long as `owner` does.
struct UploadContent {
  std::string_view bytes;
  std::shared_ptr<const void> owner;
};

/// Threads: engine; files are touched on a thread of its own.
class SessionFiles final {
 public:
  SessionFiles(Clock& clock, SessionFilesOptions options);
  ~SessionFiles();

  /// The browser names files by a token of its own when a client asks for that: `token` is the
  /// file's name on disk, `file_name` what the site suggested.
  void name_download(const std::string& session_id, const std::string& token,
                     std::string file_name);
  /// Finished ones, oldest first; none for a session without. Errors: storage_failed, timeout.
  Async<std::vector<StoredDownload>> downloads(Context& ctx, std::string session_id);
  /// Errors: not_found, and as above.
  Async<StoredDownload> download(Context& ctx, std::string id);
  /// A zip of them at a new path, which the caller removes. Entries are named
  /// `name-<unix ms>.ext`. Errors: storage_failed, timeout.
  Async<std::string> zip_downloads(Context& ctx, std::string session_id);
  /// Errors: not_found (the file).
  Async<void> remove_download(Context& ctx, std::string id);
  Async<void> remove_downloads(Context& ctx, std::string session_id);

  /// Keeps it for the session's browser; the path says where. A second one of the same name takes
  /// the place of the first. Errors: invalid_argument (name), payload_too_large, exhausted,
  /// storage_failed.
  Async<std::string> add_upload(Context& ctx, std::string session_id, std::string file_name,
                                UploadContent content);
  /// At most `size` bytes from `offset` on; nothing at the end. Errors: storage_failed, not_found.
  Async<std::string> read_piece(Context& ctx, std::string path, std::uint64_t offset,
                                std::size_t size);
  /// Removes a file that zip_downloads() made.
  void discard(const std::string& path);
  std::string upload_dir(const std::string& session_id) const;

  /// The session has ended: its uploads go, and its downloads if there are none.
  void session_ended(const std::string& session_id);
  /// Removes downloads that were kept long enough.
  void prune();

 private:
  using Names = std::map<std::string, std::string>;  ///< Token → file name.
  std::string downloads_dir(const std::string& session_id) const;
  Names names_of(const std::string& session_id) const;
  struct Cache;

  Clock& clock_;
  SessionFilesOptions options_;
  std::map<std::string, Names> names_;
  std::shared_ptr<Cache> cache_;  ///< Checksums; only its thread touches it.
  asio::thread_pool files_{1};
};

/// A plain name of a file: no folder, no control characters, at most 255 bytes. Pure.
/// Errors: invalid_argument.
Result<void> check_file_name(std::string_view name);
/// `report.csv` at 17 ms → `report-17.csv`. Pure.
std::string timed_name(std::string_view name, std::int64_t unix_ms);
/// By its extension; `application/octet-stream` when that says nothing. Pure.
std::string_view mime_type_of(std::string_view file_name);

}  // namespace troupe::sessions
