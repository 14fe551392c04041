// Small files, whole: read, and replaced so that there is an old or a new one at every moment.
// Threads: any; they block.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace troupe {

/// Errors: not_found, storage_failed, payload_too_large (beyond `bytes_max`).
Result<std::string> read_text_file(const std::string& path, std::size_t bytes_max);

/// Written beside it, synced and renamed; only the owner may read it. Errors: storage_failed.
Result<void> replace_text_file(const std::string& path, std::string_view text);

}  // namespace troupe
