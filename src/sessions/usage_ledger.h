// What each project has used of browsers, kept in `<data_dir>/usage.json` beyond restarts.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async.h"
#include "base/json.h"
#include "sessions/admission.h"
#include "troupe/session.hpp"

namespace troupe::sessions {

struct Usage {
  std::int64_t browser_ms = 0;
  std::uint64_t proxy_bytes = 0;
  std::uint64_t sessions = 0;  ///< That have ended.
  WallTime first_at{};         ///< When the project was first heard of.
  WallTime last_at{};
  /// Browser time by the hour (since 1970) in which its session ended; the last day's only.
  std::map<std::int64_t, std::int64_t> hours_ms;
  /// What was left of its creations per minute after the last one; only where that is limited.
  std::optional<double> creations_left;
  WallTime created_at{};
};

/// Threads: engine; the file is written on a thread of its own, at most one write at a time and
/// four in a second.
class UsageLedger final {
 public:
  /// Reads `file`; one that is damaged is put aside as `<file>.damaged` and begun anew. Sessions
  /// that were running at the last checkpoint() of a killed Troupe count as ended then.
  UsageLedger(Clock& clock, std::string file);
  /// Waits for the last write.
  ~UsageLedger();

  /// Lists it from now on, used or not.
  void know(const std::string& project);
  /// Counts a session that has ended, once.
  void add(const Session& session);
  /// Writes down what the running ones among `sessions` have used, should Troupe be killed.
  void checkpoint(const std::vector<Session>& sessions);
  /// What of `project` ended in the hour so many hours ago, 0..23.
  Duration ended_in_hour(const std::string& project, int hours_ago) const;
  /// A session was let in, `left` more may be before the next minute. Written down at once, four
  /// times a second at most.
  void note_creations(const std::string& project, double left);
  std::optional<CreationsLeft> creations_left(const std::string& project) const;
  /// Why the file was put aside, if it was.
  const std::optional<Error>& damage() const { return damage_; }
  const std::map<std::string, Usage>& projects() const { return projects_; }
  /// Together with what the running sessions among `sessions` have used so far.
  Usage of(const std::string& project, const std::vector<Session>& sessions) const;

 private:
  struct Writer;
  Result<void> read(const std::string& text);
  void count(const std::string& project, std::int64_t browser_ms, std::uint64_t proxy_bytes);
  void save();

  Clock& clock_;
  std::optional<Error> damage_;
  json::object running_;  // session → row, at the last checkpoint
  std::map<std::string, Usage> projects_;
  std::shared_ptr<Writer> writer_;
  asio::thread_pool files_{1};
};

}  // namespace troupe::sessions
