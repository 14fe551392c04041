// Where settings come from: defaults < file < environment < flags. Every value knows its origin,
// and every mistake is named with its place.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "troupe/settings.hpp"

namespace troupe::config {

struct Sources {
  std::string file;  ///< Of --config; must exist. Empty: TROUPE_CONFIG, or a usual place.
  std::map<std::string, std::string> environment;
  std::vector<std::pair<std::string, std::string>> flags;  ///< Setting name and value; later wins.
};

struct Loaded {
  Settings settings;
  /// By setting name: `default`, `troupe.toml:3`, `TROUPE_PORT`, `--port`.
  std::map<std::string, std::string> origins;
  std::string file;                   ///< The file that was read; empty: none.
  std::vector<std::string> warnings;  ///< Environment names that look like settings but are none.
};

/// The file is TOML: `name = value` at the top, and tables `[env.<name>]` of the same, of which the
/// one that TROUPE_ENV names is laid over. Usual places: ./troupe.toml, then
/// $XDG_CONFIG_HOME/troupe/ or
/// ~/.config/troupe/.
/// Errors: not_found (a file that was named), invalid_argument (all mistakes, each with its place).
Result<Loaded> load(const Sources& sources);

/// Checks settings that were filled in by a program.
Result<void> check(const Settings& settings);

/// The process's environment, names beginning with TROUPE_ and those that name usual places.
std::map<std::string, std::string> process_environment();

}  // namespace troupe::config
