// Sessions that wait for the next task of a sequential run or of an affinity: what was logged in
// stays so.
#pragma once

#include <map>
#include <string>

#include "sessions/pool.h"

namespace troupe::engine {

/// Of this process: another node has sessions of its own. A kept session has its place in the pool;
/// it goes when nobody comes for half a minute, when others wait for a place, when it is lost, and
/// with drop() and clear(). Threads: engine.
class KeptSessions final {
 public:
  KeptSessions(Clock& clock, sessions::Pool& pool) : clock_(clock), pool_(pool) {}

  /// The living session of that key, if it is of the kind that is asked for; else an empty lease.
  sessions::Lease take(const std::string& key, const SessionSpec& spec);
  /// For the next. Given back to the pool at once when others wait for a place there.
  void keep(const std::string& key, SessionSpec spec, sessions::Lease lease);
  /// Nobody comes any more.
  void drop(const std::string& key) { kept_.erase(key); }
  /// None is kept from now on. The pool's shutdown waits for their end.
  void clear();
  std::size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    SessionSpec spec;
    sessions::Lease lease;
    SteadyTime until;
    Timer look;
  };
  void look_again(const std::string& key);

  Clock& clock_;
  sessions::Pool& pool_;
  std::map<std::string, Kept> kept_;
  bool closed_ = false;
};

}  // namespace troupe::engine
