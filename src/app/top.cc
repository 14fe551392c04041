#include "app/top.h"

#include <algorithm>
#include <ctime>
#include <iomanip>
#include <sstream>

#include "app/text.h"

namespace troupe::app {
namespace {

constexpr auto kNone = "-";

std::string text_at(const json::object& object, std::string_view key) {
  return one_line(find_string(object, key).value_or(kNone));
}

std::int64_t memory_of(const json::object& session) {
  return find_int(session, "memoryBytes").value_or(0);
}

std::string memory_text(const json::object& session) {
  const std::int64_t bytes = memory_of(session);
  return bytes == 0 ? kNone : std::to_string(bytes >> 20) + " MiB";
}

std::string cpu_text(const json::object& session) {
  const auto seconds = find_number(session, "cpuSeconds");
  return seconds ? short_time(static_cast<long long>(*seconds * 1'000)) : kNone;
}

std::string age_text(const json::object& session, WallTime now) {
  std::tm parts{};
  std::istringstream text{std::string(find_string(session, "createdAt").value_or(""))};
  text >> std::get_time(&parts, "%Y-%m-%dT%H:%M:%S");
  if (!text) return kNone;
  const auto created = std::chrono::system_clock::from_time_t(timegm(&parts));
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - created).count();
  return short_time(std::max<long long>(age, 0));
}

// A run that holds it, or the tenant that asked for it.
std::string owner_text(const json::object& session) {
  const std::string run = text_at(session, "runId");
  const std::string tenant = text_at(session, "projectId");
  return run == kNone ? tenant : tenant + " " + run;
}

}  // namespace

Table top_table(const json::array& sessions, WallTime now) {
  std::vector<const json::object*> sorted;
  for (const auto& session : sessions)
    if (const auto* object = session.if_object()) sorted.push_back(object);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto* a, const auto* b) { return memory_of(*a) > memory_of(*b); });
  Table table{{"session", "owner", "provider", "isolation", "clients", "memory", "cpu", "age"}, {}};
  for (const auto* session : sorted)
    table.rows.push_back({text_at(*session, "id"), owner_text(*session),
                          text_at(*session, "provider"), text_at(*session, "isolation"),
                          std::to_string(find_int(*session, "clients").value_or(0)),
                          memory_text(*session), cpu_text(*session), age_text(*session, now)});
  return table;
}

}  // namespace troupe::app
