#include "engine/task_journal.h"

#include <algorithm>
#include <charconv>

#include "troupe/error.hpp"

namespace troupe::engine {
namespace {

int series_of(const std::string& key) {
  int series = 0;
  std::from_chars(key.data(), key.data() + key.size(), series);
  return series;
}

// The error's own report of where it had resumed, and whether the page was at fault.
bool got_nowhere(const std::string& last_error, int series, std::size_t entries) {
  const auto value = parse_json(last_error, "task");
  const auto* object = value ? value->if_object() : nullptr;
  const auto* resumed = object ? find(*object, "resumed") : nullptr;
  if (!resumed || !resumed->is_object()) return false;
  const auto* error = find(*object, "error");
  const auto code =
      error && error->is_object() ? find_string(error->get_object(), "code") : std::nullopt;
  return find_int(resumed->get_object(), "series") == series &&
         find_int(resumed->get_object(), "entries") == static_cast<std::int64_t>(entries) && code &&
         traits(*code).fault == Fault::page;
}

}  // namespace

std::string journal_key(int series, const std::string& step) {
  return std::to_string(series) + "/" + step;
}

JournalStart journal_start(const std::vector<std::pair<std::string, std::string>>& journal,
                           int attempt, const std::string& last_error) {
  JournalStart start;
  start.series = attempt;
  if (journal.empty()) return start;
  const int latest = series_of(journal.back().first);
  std::vector<std::pair<std::string, std::string>> finished;
  for (const auto& [key, entry] : journal)
    if (series_of(key) == latest) finished.emplace_back(key.substr(key.find('/') + 1), entry);
  if (got_nowhere(last_error, latest, finished.size())) {
    start.series = std::max(attempt, latest + 1);  // a replay counts its attempts from 1 again
    return start;
  }
  start.series = latest;
  start.resumed = {{"series", latest}, {"entries", finished.size()}};
  start.finished = std::move(finished);
  return start;
}

}  // namespace troupe::engine
