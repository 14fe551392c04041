// Which journal entries of a task an attempt begins with, and under which keys it adds to them.
// Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace troupe::engine {

/// A start from the first step begins a new series of entries: keys are `<series>/<path>`, the path
/// as in journal_image.h.
struct JournalStart {
  int series = 1;  ///< Number of the attempt that began at the first step.
  std::vector<std::pair<std::string, std::string>> stored;  ///< Of this series; path → entry.
  std::vector<std::string> stale;                           ///< Keys of the others.
  /// For the error of this attempt, so that the next one sees whether this got any further; empty
  /// when it began at the first step.
  json::object resumed;
};

/// An attempt that resumed and failed where it began, by the page's fault, shows that the place
/// cannot be resumed: the next one begins at the first step. `last_error` is what the attempt
/// before left (stored_error).
JournalStart journal_start(const std::vector<std::pair<std::string, std::string>>& journal,
                           int attempt, const std::string& last_error);
std::string journal_key(int series, const std::string& path);

/// For people: `{"data": [{"step", "begun_by_attempt", "url"?, "rounds"?}], "saved": {}}`. Cookies
/// and storage are for resuming, not for reading.
json::object journal_view(const std::vector<std::pair<std::string, std::string>>& journal);

}  // namespace troupe::engine
