// What each project has used of browsers, kept in `<data_dir>/usage.json` beyond restarts.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/async.h"
#include "troupe/session.hpp"

namespace troupe::sessions {

struct Usage {
  std::int64_t browser_ms = 0;
  std::uint64_t proxy_bytes = 0;
  std::uint64_t sessions = 0;  ///< That have ended.
  WallTime first_at{};         ///< When the project was first heard of.
  WallTime last_at{};
};

/// Threads: engine; the file is written on a thread of its own, at most one write at a time.
class UsageLedger final {
 public:
  /// Reads `file`; one that is damaged is put aside as `<file>.damaged` and begun anew.
  UsageLedger(Clock& clock, std::string file);
  /// Waits for the last write.
  ~UsageLedger();

  /// Lists it from now on, used or not.
  void know(const std::string& project);
  /// Counts a session that has ended, once.
  void add(const Session& session);
  const std::map<std::string, Usage>& projects() const { return projects_; }
  /// Together with what the running sessions among `sessions` have used so far.
  Usage of(const std::string& project, const std::vector<Session>& sessions) const;

 private:
  struct Writer;
  void save();

  Clock& clock_;
  std::map<std::string, Usage> projects_;
  std::shared_ptr<Writer> writer_;
  asio::thread_pool files_{1};
};

}  // namespace troupe::sessions
