#include "services/stagehand_extension.h"

#include <filesystem>

#include "base/digest.h"
#include "base/json.h"
#include "base/text_file.h"

namespace troupe::services {
namespace fs = std::filesystem;

std::string unpacked_extension_id(std::string_view folder) {
  std::string id = to_hex(sha256(folder)).substr(0, 32);
  for (char& c : id) c = static_cast<char>(c <= '9' ? 'a' + (c - '0') : 'k' + (c - 'a'));
  return id;
}

std::string stagehand_home(const std::string& data_dir) {
  return data_dir + "/stagehand/" + std::string(kStagehandRelease);
}

Result<StagehandExtension> read_stagehand(const std::string& folder) {
  const auto missing = [&] {
    return fail(Errc::not_found, "stagehand_folder " + folder + ": has no extension in it",
                "settings",
                "run `troupe stagehand install`, or set stagehand_folder to dist/extension of npm "
                "@browserbasehq/stagehand");
  };
  std::error_code error;
  fs::path place = fs::canonical(folder, error);
  if (error) return missing();
  for (const char* inner :
       {"dist/extension", "node_modules/@browserbasehq/stagehand/dist/extension"})
    if (!fs::exists(place / "manifest.json", error) && fs::exists(place / inner, error))
      place = fs::canonical(place / inner, error);
  const auto text = read_text_file((place / "manifest.json").string(), 1 << 20);
  if (!text) return missing();
  TRY(const auto manifest, parse_json(*text, "manifest of " + place.string()));
  const auto name =
      manifest.is_object() ? find_string(manifest.get_object(), "name") : std::nullopt;
  if (name != kStagehandName || !fs::exists(place / "service-worker.js", error))
    return fail(Errc::invalid_argument,
                "stagehand_folder " + place.string() + ": is not the Stagehand runtime", "settings",
                "run `troupe stagehand install`");
  StagehandExtension found{.folder = place.string()};
  found.version = find_string(manifest.get_object(), "version").value_or("");
  found.id = unpacked_extension_id(found.folder);
  return found;
}

Result<StagehandExtension> find_stagehand(const std::string& setting, const std::string& data_dir) {
  if (!setting.empty()) return read_stagehand(setting);
  auto installed = read_stagehand(stagehand_home(data_dir));
  if (installed || installed.error().code != Errc::not_found) return installed;
  return fail(Errc::not_found, "stagehand: its extension is not installed", "settings",
              "run `troupe stagehand install`, or set stagehand_folder");
}

}  // namespace troupe::services
