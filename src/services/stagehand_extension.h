// Stagehand's browser extension on this machine: which release Troupe is made for, where it is, and
// what Chromium will call it. Pure but for reading its manifest.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace troupe::services {

/// The npm package, its release, and the digest that its archive must have (SHA-512, base64).
inline constexpr std::string_view kStagehandPackage = "@browserbasehq/stagehand";
inline constexpr std::string_view kStagehandRelease = "4.4.0";
inline constexpr std::string_view kStagehandIntegrity =
    "Va2HZwdKjmqbCXIMc3wzCcG54hJToscEKoHo+pdRNIKmTqHJDF/ZvqrvMUQbRi8fXtXNncnoo9qhwvlXbsH2SA==";
/// Of the runtime in that release.
inline constexpr std::string_view kStagehandProtocol = "3.1.1";
inline constexpr std::string_view kStagehandName = "Stagehand Runtime";

struct StagehandExtension {
  std::string folder;   ///< Absolute, without symbolic links: Chromium makes the id from it.
  std::string version;  ///< Of the extension, as its manifest says.
  std::string id;
};

/// What Chromium calls an unpacked extension in `folder`.
std::string unpacked_extension_id(std::string_view folder);

/// Where `troupe stagehand install` puts it.
std::string stagehand_home(const std::string& data_dir);

/// The extension in `folder`, or in an npm package there. Errors: not_found, invalid_argument (it
/// is something else).
Result<StagehandExtension> read_stagehand(const std::string& folder);

/// The one to use: of the setting, else the installed one. Errors: not_found with how to get it,
/// invalid_argument.
Result<StagehandExtension> find_stagehand(const std::string& setting, const std::string& data_dir);

}  // namespace troupe::services
