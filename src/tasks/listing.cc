#include "tasks/listing.h"

#include <algorithm>
#include <charconv>

namespace troupe::tasks {
namespace {

Result<void> check_bytes(std::string_view what, const std::string& text) {
  if (text.size() <= kResultBytesMax) return {};
  return fail(Errc::payload_too_large,
              std::string(what) + ": " + std::to_string(text.size()) + " bytes are more than " +
                  std::to_string(kResultBytesMax),
              "tasks", "keep large values in files and refer to them");
}

}  // namespace

bool fits(const RecordView& record, const Filter& filter) {
  const Spec& spec = *record.spec;
  const auto among = [](const auto& wanted, auto value) {
    return wanted.empty() || std::ranges::find(wanted, value) != wanted.end();
  };
  if (!filter.run_id.empty() && spec.run_id != filter.run_id) return false;
  if (!filter.tenant.empty() && spec.tenant != filter.tenant) return false;
  if (!filter.queue.empty() && spec.queue != filter.queue) return false;
  if (!among(filter.states, record.state) || !among(filter.causes, record.cause)) return false;
  if (filter.ended_before_ms &&
      (!is_final(record.state) || record.ended_ms >= *filter.ended_before_ms))
    return false;
  return std::ranges::all_of(filter.labels, [&](const auto& wanted) {
    const json::value* has = spec.labels.if_contains(wanted.key());
    return has && *has == wanted.value();
  });
}

std::string make_cursor(const Spec& last, const Filter& filter) {
  if (filter.run_id.empty()) return "i." + last.id;
  return "r." + std::to_string(last.index) + "." + last.id;
}

Result<Cursor> parse_cursor(const std::string& text, const Filter& filter) {
  Cursor cursor;
  if (text.empty()) return cursor;
  const auto wrong = [&] {
    return fail(Errc::invalid_argument,
                "cursor: '" + text.substr(0, 80) + "' is not one that this list gave", "tasks");
  };
  const bool of_run = !filter.run_id.empty();
  if (text.size() < 3 || !text.starts_with(of_run ? "r." : "i.")) return wrong();
  if (!of_run) {
    cursor.id = text.substr(2);
    return cursor;
  }
  const char* end = text.data() + text.size();
  const auto [rest, bad] = std::from_chars(text.data() + 2, end, cursor.index);
  if (bad != std::errc() || cursor.index < 0 || end - rest < 2 || *rest != '.') return wrong();
  cursor.id.assign(rest + 1, end);
  return cursor;
}

Result<void> check_page(int limit) {
  if (limit >= 1 && limit <= 1000) return {};
  return fail(Errc::invalid_argument, "limit: " + std::to_string(limit) + " is not in 1..1000",
              "tasks");
}

Result<void> check_limit(const std::string& key, std::optional<std::int64_t> limit) {
  if (key.empty() || key.size() > 256)
    return fail(Errc::invalid_argument, "key: is not of 1..256 bytes", "tasks");
  if (limit && (*limit < 0 || *limit > 1'000'000))
    return fail(Errc::invalid_argument,
                "limit: " + std::to_string(*limit) + " is not in 0..1000000", "tasks");
  return {};
}

Result<void> check_sizes(const std::vector<Finish>& finishes) {
  for (const Finish& finish : finishes) {
    TRY_VOID(check_bytes("result of " + finish.id, finish.result));
    TRY_VOID(check_bytes("error of " + finish.id, finish.error));
  }
  return {};
}

Result<void> check_entry(const std::string& entry) { return check_bytes("journal entry", entry); }

Error version_conflict(const Document& document, std::uint64_t stored) {
  return fail(Errc::conflict,
              document.kind + " " + document.id + ": version " + std::to_string(document.version) +
                  " is not the stored one, " + std::to_string(stored),
              "tasks", "read it again and repeat the change");
}

}  // namespace troupe::tasks
