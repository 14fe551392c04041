// What this Troupe has asked paid providers for, on disk before it is asked: so that no session is
// forgotten, whatever ends the process. One line of JSON per event in a journal of each process in
// `<data_dir>/sessions`; the next process takes over the journals of those that died.
#pragma once

#include <unistd.h>

#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/async.h"

namespace troupe::sessions {

/// One session that may exist at a provider.
struct SessionIntent {
  std::string id;        ///< Ours.
  std::string provider;  ///< `browserbase`.
  std::string tenant;
  std::string account;          ///< At the provider: only its key can end the session.
  std::string provider_id;      ///< Empty: the provider's answer was never seen.
  std::int64_t at_unix_ms = 0;  ///< When it was asked for.
  bool inherited = false;       ///< Of a process that died.
};

/// What of the file system can fail halfway; tests let it.
struct FileCalls {
  std::function<ssize_t(int, const void*, std::size_t)> write = ::write;
  std::function<int(int, off_t)> truncate = ::ftruncate;
};

/// What processes that died left open in `data_dir`, and no living one has taken over. Reads files,
/// changes none. Threads: any.
std::vector<SessionIntent> abandoned_intents(const std::string& data_dir);

/// Writes reach the disk before they return. Several processes may share a data folder.
/// Threads: engine; files are touched on a thread of its own.
class SessionIntents final {
 public:
  /// Nothing is read or written before open(). Only what an earlier process asked for with
  /// `account`, or before accounts were written down, is taken over; empty: all.
  explicit SessionIntents(std::string data_dir, FileCalls calls = {}, std::string account = {});
  ~SessionIntents();
  SessionIntents(const SessionIntents&) = delete;
  SessionIntents& operator=(const SessionIntents&) = delete;

  /// Makes a journal and moves into it what processes that died left open; what belongs to another
  /// account stays for a process that has its key. Torn and senseless lines are left out. Harmless
  /// when repeated. Errors: storage_failed.
  Async<void> open(Context& ctx);
  /// Name of this data folder in the metadata of sessions. Known after open().
  const std::string& install_id() const { return install_id_; }

  /// Returns once it is on disk; opens first. After an error nothing is recorded.
  /// Errors: storage_failed, timeout, cancelled.
  Async<void> intend(Context& ctx, SessionIntent intent);
  /// The provider's answer. When it cannot be written, the next start has to search by metadata.
  Async<void> answered(Context& ctx, std::string id, std::string provider_id);
  /// The provider confirmed the end, or surely never made it.
  Async<void> settled(Context& ctx, std::string id);

  /// Those not settled, oldest id first.
  std::vector<SessionIntent> unsettled() const;
  /// When an unsettled one was asked for.
  std::optional<WallTime> asked_at(const std::string& id) const;
  bool is_unsettled(const std::string& id) const { return open_.contains(id); }
  /// Ids in the journals of other living processes. To be asked after the provider's list: whoever
  /// is in that list was in a journal before. Errors: storage_failed.
  Async<std::set<std::string>> owned_elsewhere(Context& ctx);

 private:
  struct Journal;
  Async<void> append(Context& ctx, std::string line);

  std::string dir_;
  std::shared_ptr<Journal> journal_;  // shared with work under way
  std::map<std::string, SessionIntent> open_;
  std::string install_id_;
  std::size_t lines_ = 0;
  bool opened_ = false;
  bool opening_ = false;
  Event opening_ended_;
  std::unique_ptr<asio::thread_pool> thread_;  // one: keeps the order of writes
};

}  // namespace troupe::sessions
