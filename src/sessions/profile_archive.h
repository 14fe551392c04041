// A browser profile as one encrypted file: AES-256-GCM in pieces, each sealed with its place, under
// a key derived for this file. No half file is ever taken for a whole one.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/result.h"

namespace troupe::sessions {

using ProfileKey = std::array<unsigned char, 32>;

/// Reads the key, or makes one that only its owner may read. Errors: storage_failed (also when
/// others may read it).
Result<ProfileKey> load_or_make_profile_key(const std::string& file);

/// Packs what a user of the profile would miss (cookies, storages, databases, workers; no caches)
/// into `file`, which must not exist. `label` must be the same when it is opened again.
/// Blocks. Errors: storage_failed, exhausted (more than 1 GiB).
Result<void> pack_profile(const std::string& user_data_dir, const std::string& file,
                          const ProfileKey& key, const std::string& label);

/// The other way, into an existing folder. On failure some files may have been written.
/// Blocks. Errors: storage_failed (cannot be read or written, was changed, or is another's).
Result<void> unpack_profile(const std::string& file, const std::string& user_data_dir,
                            const ProfileKey& key, const std::string& label);

}  // namespace troupe::sessions
