#include "sessions/usage_ledger.h"

#include <filesystem>
#include <mutex>

#include "base/json.h"
#include "base/text_file.h"

namespace troupe::sessions {
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{64} << 20;

std::int64_t milliseconds_between(WallTime from, WallTime to) {
  return std::max<std::int64_t>(0, to_unix_ms(to) - to_unix_ms(from));
}

WallTime from_unix_ms(std::int64_t value) { return WallTime(std::chrono::milliseconds(value)); }

json::object to_row(const Usage& usage) {
  return {{"browser_ms", usage.browser_ms},
          {"proxy_bytes", usage.proxy_bytes},
          {"sessions", usage.sessions},
          {"first_at", to_unix_ms(usage.first_at)},
          {"last_at", to_unix_ms(usage.last_at)}};
}

Usage from_row(const json::object& row) {
  const auto number = [&](std::string_view name) { return find_int(row, name).value_or(0); };
  return {.browser_ms = number("browser_ms"),
          .proxy_bytes = static_cast<std::uint64_t>(number("proxy_bytes")),
          .sessions = static_cast<std::uint64_t>(number("sessions")),
          .first_at = from_unix_ms(number("first_at")),
          .last_at = from_unix_ms(number("last_at"))};
}

}  // namespace

/// The text to be written next; a newer one takes its place. Threads: any.
struct UsageLedger::Writer {
  std::string file;
  std::mutex mutex;
  std::string next;
  bool scheduled = false;

  // Whether a write must be posted for it.
  bool offer(std::string text) {
    const std::lock_guard lock(mutex);
    next = std::move(text);
    return !std::exchange(scheduled, true);
  }
  void write() {
    std::string text;
    {
      const std::lock_guard lock(mutex);
      scheduled = false;
      text.swap(next);
    }
    // The next session's end writes all of it again.
    (void)replace_text_file(file, text);
  }
};

UsageLedger::UsageLedger(Clock& clock, std::string file)
    : clock_(clock), writer_(std::make_shared<Writer>()) {
  writer_->file = std::move(file);
  const auto text = read_text_file(writer_->file, kFileBytesMax);
  if (!text) return;
  const auto value = parse_json(*text, writer_->file);
  if (!value || !value->is_object()) {
    std::error_code ignored;
    std::filesystem::rename(writer_->file, writer_->file + ".damaged", ignored);
    return;
  }
  for (const auto& project : value->get_object())
    if (project.value().is_object())
      projects_.emplace(project.key(), from_row(project.value().get_object()));
}

UsageLedger::~UsageLedger() { files_.join(); }

void UsageLedger::know(const std::string& project) {
  const WallTime now = clock_.wall();
  if (projects_.try_emplace(project, Usage{.first_at = now, .last_at = now}).second) save();
}

void UsageLedger::add(const Session& session) {
  if (!session.started_at || !session.ended_at) return;  // never ran
  const WallTime now = clock_.wall();
  Usage& usage = projects_.try_emplace(session.tenant, Usage{.first_at = now}).first->second;
  usage.browser_ms += milliseconds_between(*session.started_at, *session.ended_at);
  usage.proxy_bytes += session.proxy_bytes;
  ++usage.sessions;
  usage.last_at = now;
  save();
}

Usage UsageLedger::of(const std::string& project, const std::vector<Session>& sessions) const {
  const auto found = projects_.find(project);
  Usage usage = found == projects_.end() ? Usage() : found->second;
  const WallTime now = clock_.wall();
  for (const Session& session : sessions) {
    if (session.tenant != project || !session.started_at || session.ended_at) continue;
    usage.browser_ms += milliseconds_between(*session.started_at, now);
    usage.proxy_bytes += session.proxy_bytes;
  }
  return usage;
}

void UsageLedger::save() {
  json::object all;
  for (const auto& [project, usage] : projects_) all[project] = to_row(usage);
  if (!writer_->offer(json::serialize(all) + "\n")) return;
  asio::post(files_, [writer = writer_] { writer->write(); });
}

}  // namespace troupe::sessions
