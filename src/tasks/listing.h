// What backends share at their edge: filters, cursors, limits of the arguments.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tasks/backend.h"

namespace troupe::tasks {

/// As much of a record as a filter looks at.
struct RecordView {
  const Spec* spec = nullptr;
  State state = State::queued;
  Cause cause = Cause::none;
  UnixMs ended_ms = 0;
};
bool fits(const RecordView& record, const Filter& filter);

/// The last record of the page before. Lists of a run go by index, others by id.
struct Cursor {
  int index = -1;
  std::string id;
};
/// Empty text: from the start. Errors: invalid_argument.
Result<Cursor> parse_cursor(const std::string& text, const Filter& filter);
std::string make_cursor(const Spec& last, const Filter& filter);

/// Errors: invalid_argument (not in 1..1000).
Result<void> check_page(int limit);
/// Errors: invalid_argument.
Result<void> check_limit(const std::string& key, std::optional<std::int64_t> limit);
/// Errors: payload_too_large.
Result<void> check_sizes(const std::vector<Finish>& finishes);
Result<void> check_entry(const std::string& entry);

Error version_conflict(const Document& document, std::uint64_t stored);

}  // namespace troupe::tasks
