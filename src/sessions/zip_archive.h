// Zip archives: one of a stranger unpacked with care, and one made of files. Threads: any; they
// block.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace troupe::sessions {

struct ZipLimits {
  std::uint64_t unpacked_bytes = 400u << 20;
  std::uint64_t entries = 20'000;
  /// A larger file that shrank more than this is a bomb, not an extension.
  std::uint64_t ratio = 200;
};

/// Whether the archive has that file at its root. Errors: invalid_argument (no zip archive).
Result<bool> zip_has(const std::string& archive, const std::string& name);

/// Writes the archive's files below `folder`, which is made. Folders, links and devices come as
/// plain files or not at all. On an error the folder may be half full.
/// Errors: invalid_argument (no zip, encrypted, a path that leads out of the folder, a limit),
/// storage_failed.
Result<void> unpack_zip(const std::string& archive, const std::string& folder, ZipLimits limits);

struct ZipSource {
  std::string name;  ///< In the archive.
  std::string path;
  WallTime modified_at{};
};

/// An archive of these files at `path`; with none, the empty archive. Files that vanished meanwhile
/// make it fail. Errors: storage_failed.
Result<void> pack_zip(const std::vector<ZipSource>& files, const std::string& path);

}  // namespace troupe::sessions
