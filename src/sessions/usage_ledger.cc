#include "sessions/usage_ledger.h"

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "base/text_file.h"

namespace troupe::sessions {
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{64} << 20;
constexpr auto kBetweenWrites = std::chrono::milliseconds(250);
// Beside the projects; no project has a name with a line break.
constexpr std::string_view kRunning = "\nrunning";

std::int64_t milliseconds_between(WallTime from, WallTime to) {
  return std::max<std::int64_t>(0, to_unix_ms(to) - to_unix_ms(from));
}

WallTime from_unix_ms(std::int64_t value) { return WallTime(std::chrono::milliseconds(value)); }

std::int64_t hour_of(WallTime time) { return to_unix_ms(time) / 3'600'000; }

json::object to_row(const Usage& usage) {
  json::object hours;
  for (const auto& [hour, used] : usage.hours_ms) hours[std::to_string(hour)] = used;
  json::object row{{"browser_ms", usage.browser_ms},       {"proxy_bytes", usage.proxy_bytes},
                   {"sessions", usage.sessions},           {"first_at", to_unix_ms(usage.first_at)},
                   {"last_at", to_unix_ms(usage.last_at)}, {"hours", std::move(hours)}};
  if (usage.creations_left) row["creations_left"] = *usage.creations_left;
  if (usage.creations_left) row["created_at"] = to_unix_ms(usage.created_at);
  return row;
}

std::int64_t number_at(const json::object& row, std::string_view name) {
  return std::max<std::int64_t>(0, find_int(row, name).value_or(0));
}

Usage from_row(const json::object& row) {
  Usage usage{.browser_ms = number_at(row, "browser_ms"),
              .proxy_bytes = static_cast<std::uint64_t>(number_at(row, "proxy_bytes")),
              .sessions = static_cast<std::uint64_t>(number_at(row, "sessions")),
              .first_at = from_unix_ms(number_at(row, "first_at")),
              .last_at = from_unix_ms(number_at(row, "last_at")),
              .created_at = from_unix_ms(number_at(row, "created_at"))};
  if (const auto* left = find(row, "creations_left"); left && left->is_number())
    usage.creations_left = left->to_number<double>();
  const auto* hours = find(row, "hours");
  if (!hours || !hours->is_object()) return usage;
  for (const auto& hour : hours->get_object()) {
    const std::string key(hour.key());
    if (hour.value().is_int64() && hour.value().get_int64() > 0)
      usage.hours_ms[std::strtoll(key.c_str(), nullptr, 10)] = hour.value().get_int64();
  }
  return usage;
}

}  // namespace

/// The text to be written next; a newer one takes its place. Threads: any.
struct UsageLedger::Writer {
  std::string file;
  std::mutex mutex;
  std::condition_variable closed;
  std::string next;
  bool scheduled = false;
  bool closing = false;
  std::chrono::steady_clock::time_point written_at{};

  // Whether a write must be posted for it.
  bool offer(std::string text) {
    const std::lock_guard lock(mutex);
    next = std::move(text);
    return !std::exchange(scheduled, true);
  }
  void close() {
    const std::lock_guard lock(mutex);
    closing = true;
    closed.notify_all();
  }
  // Sessions that end in a row are written down together.
  void write() {
    std::string text;
    {
      std::unique_lock lock(mutex);
      closed.wait_until(lock, written_at + kBetweenWrites, [this] { return closing; });
      written_at = std::chrono::steady_clock::now();
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
  if (!text && text.error().code == Errc::not_found) return;
  const Result<void> known = text ? read(*text) : Result<void>(text.error());
  if (known) return;
  damage_ = fail(Errc::storage_failed,
                 writer_->file +
                     ": was put aside as .damaged, usage is counted anew: " + known.error().message,
                 "data_dir");
  projects_.clear();
  std::error_code ignored;
  std::filesystem::rename(writer_->file, writer_->file + ".damaged", ignored);
}

Result<void> UsageLedger::read(const std::string& text) {
  TRY(const auto value, parse_json(text, writer_->file));
  if (!value.is_object()) return fail(Errc::invalid_argument, "is no object");
  const json::object* running = nullptr;
  for (const auto& project : value.get_object()) {
    if (!project.value().is_object())
      return fail(Errc::invalid_argument, "row '" + std::string(project.key()) + "' is no object");
    if (project.key() == kRunning)
      running = &project.value().get_object();
    else
      projects_.emplace(project.key(), from_row(project.value().get_object()));
  }
  if (!running) return {};
  for (const auto& session : *running) {
    if (!session.value().is_object()) continue;
    const json::object& row = session.value().get_object();
    count(std::string(find_string(row, "project").value_or("")), number_at(row, "browser_ms"),
          static_cast<std::uint64_t>(number_at(row, "proxy_bytes")));
  }
  return {};
}

void UsageLedger::count(const std::string& project, std::int64_t browser_ms,
                        std::uint64_t proxy_bytes) {
  const WallTime now = clock_.wall();
  Usage& usage = projects_.try_emplace(project, Usage{.first_at = now}).first->second;
  usage.browser_ms += browser_ms;
  usage.proxy_bytes += proxy_bytes;
  ++usage.sessions;
  usage.last_at = now;
  usage.hours_ms[hour_of(now)] += browser_ms;
  std::erase_if(usage.hours_ms, [&](const auto& row) { return row.first <= hour_of(now) - 24; });
}

UsageLedger::~UsageLedger() {
  writer_->close();
  files_.join();
}

void UsageLedger::know(const std::string& project) {
  const WallTime now = clock_.wall();
  if (projects_.try_emplace(project, Usage{.first_at = now, .last_at = now}).second) save();
}

void UsageLedger::add(const Session& session) {
  if (!session.started_at || !session.ended_at) return;  // never ran
  count(session.tenant, milliseconds_between(*session.started_at, *session.ended_at),
        session.proxy_bytes);
  running_.erase(session.id);
  save();
}

void UsageLedger::checkpoint(const std::vector<Session>& sessions) {
  json::object running;
  const WallTime now = clock_.wall();
  for (const Session& session : sessions) {
    if (!session.started_at || session.ended_at) continue;
    running[session.id] =
        json::object{{"project", session.tenant},
                     {"browser_ms", milliseconds_between(*session.started_at, now)},
                     {"proxy_bytes", session.proxy_bytes}};
  }
  if (running.empty() && running_.empty()) return;
  running_ = std::move(running);
  save();
}

Duration UsageLedger::ended_in_hour(const std::string& project, int hours_ago) const {
  const auto found = projects_.find(project);
  if (found == projects_.end()) return {};
  const auto hour = found->second.hours_ms.find(hour_of(clock_.wall()) - hours_ago);
  if (hour == found->second.hours_ms.end()) return {};
  return std::chrono::milliseconds(hour->second);
}

void UsageLedger::note_creations(const std::string& project, double left) {
  const WallTime now = clock_.wall();
  Usage& usage =
      projects_.try_emplace(project, Usage{.first_at = now, .last_at = now}).first->second;
  usage.creations_left = left;
  usage.created_at = now;
  save();
}

std::optional<CreationsLeft> UsageLedger::creations_left(const std::string& project) const {
  const auto found = projects_.find(project);
  if (found == projects_.end() || !found->second.creations_left) return std::nullopt;
  return CreationsLeft{*found->second.creations_left, clock_.wall() - found->second.created_at};
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
  if (!running_.empty()) all[kRunning] = running_;
  if (!writer_->offer(json::serialize(all) + "\n")) return;
  asio::post(files_, [writer = writer_] { writer->write(); });
}

}  // namespace troupe::sessions
