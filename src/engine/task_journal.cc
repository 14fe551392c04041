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
bool got_nowhere(const std::string& last_error, int series, std::int64_t done) {
  const auto value = parse_json(last_error, "task");
  const auto* object = value ? value->if_object() : nullptr;
  const auto* resumed = object ? find(*object, "resumed") : nullptr;
  if (!resumed || !resumed->is_object()) return false;
  const auto* error = find(*object, "error");
  const auto code =
      error && error->is_object() ? find_string(error->get_object(), "code") : std::nullopt;
  return find_int(resumed->get_object(), "series") == series &&
         find_int(resumed->get_object(), "done") == done && code &&
         traits(*code).fault == Fault::page;
}

std::string path_of(const std::string& key) { return key.substr(key.find('/') + 1); }

}  // namespace

std::string journal_key(int series, const std::string& path) {
  return std::to_string(series) + "/" + path;
}

JournalStart journal_start(const std::vector<std::pair<std::string, std::string>>& journal,
                           int attempt, const std::string& last_error) {
  JournalStart start;
  int latest = 0;
  std::int64_t done = 0;  // 0: of an earlier release, or nothing
  for (const auto& [key, entry] : journal) latest = std::max(latest, series_of(key));
  for (const auto& [key, entry] : journal)
    if (key == journal_key(latest, "#done")) done = std::atoll(entry.c_str());
  const bool anew = done == 0 || got_nowhere(last_error, latest, done);
  // A replay counts its attempts from 1 again.
  start.series = anew ? std::max(attempt, latest + 1) : latest;
  for (const auto& [key, entry] : journal) {
    if (series_of(key) == start.series)
      start.stored.emplace_back(path_of(key), entry);
    else
      start.stale.push_back(key);
  }
  if (!anew) start.resumed = {{"series", latest}, {"done", done}};
  return start;
}

json::object journal_view(const std::vector<std::pair<std::string, std::string>>& journal) {
  json::array data;
  json::object saved;
  for (const auto& [key, entry] : journal) {
    const std::string path = path_of(key);
    const auto last = path.rfind('>');
    const std::string name = last == std::string::npos ? path : path.substr(last + 1);
    const auto value = parse_json(entry, "journal");
    if (path.starts_with('$') && value) saved[path.substr(1)] = *value;
    if (!value || !value->is_object() || name.find_first_of("#$@") == 0) continue;
    json::object row{{"step", name.empty() ? path.substr(0, last) : path},
                     {"begun_by_attempt", key.substr(0, key.find('/'))}};
    for (const std::string_view member : {"url", "rounds"})
      if (const auto* found = find(*value, member)) row[member] = *found;
    // Where a step is that has not ended says something of loops only.
    if (!name.empty() || row.contains("rounds")) data.push_back(std::move(row));
  }
  return {{"data", std::move(data)}, {"saved", std::move(saved)}};
}

}  // namespace troupe::engine
