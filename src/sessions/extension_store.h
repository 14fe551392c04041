// Uploaded browser extensions: checked, unpacked into `<data_dir>/extensions`, attached to
// sessions.
#pragma once

#include <memory>
#include <string>

#include "base/async.h"

namespace troupe::sessions {

struct StoredExtension {
  std::string id;  ///< UUID.
  std::string project;
  std::string file_name;
  std::string folder;  ///< Unpacked, with manifest.json at its root.
  WallTime created_at{};
  WallTime updated_at{};
};

/// Seam. Threads: engine; files are touched on the blocking pool.
class ExtensionStore {
 public:
  virtual ~ExtensionStore() = default;
  /// `zip` is the archive's bytes, at most 100 MB. Errors: invalid_argument (no zip, no manifest,
  /// paths out of the folder, too large unpacked), storage_failed.
  virtual Async<StoredExtension> add(Context& ctx, std::string project, std::string file_name,
                                     std::string zip) = 0;
  /// Errors: not_found.
  virtual Result<StoredExtension> find(const std::string& id) const = 0;
  /// Sessions that have it keep it. Errors: not_found, storage_failed.
  virtual Async<void> remove(Context& ctx, std::string id) = 0;
};

/// Archives of at most that many bytes.
constexpr std::size_t kExtensionBytesMax = 100'000'000;

/// Keeps extensions in `dir`, which is made; reads what is there. Errors: storage_failed.
Result<std::unique_ptr<ExtensionStore>> make_extension_store(Clock& clock, std::string dir);

}  // namespace troupe::sessions
