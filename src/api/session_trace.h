// The CDP log of a session: events and command/answer pairs that passed the gateway, as bytes in a
// bounded ring. They are taken apart only when somebody asks.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"

namespace troupe::api {

/// Threads: engine.
class SessionTrace final {
 public:
  static constexpr std::size_t kEntryBytesMax = 16 << 10;  ///< Longer messages lose their body.
  static constexpr std::size_t kBytesMax = 1 << 20;
  static constexpr std::size_t kEntriesMax = 4'000;

  /// Whether a message from the browser that begins so is logged at all.
  static bool is_wanted(std::string_view beginning);
  void command(int client, std::string_view method, std::string_view message, WallTime time);
  /// An event, or an answer to a command.
  void message(int client, std::string_view text, WallTime time);
  /// As GET /v1/sessions/{id}/logs gives them, oldest first.
  json::array entries(const std::string& session_id) const;
  std::size_t bytes() const { return bytes_; }
  std::uint64_t dropped() const { return dropped_; }

 private:
  enum class Kind : std::uint8_t { command, from_browser };
  struct Entry {
    Kind kind;
    int client;
    WallTime time;
    std::string text;
  };
  void add(Entry entry);

  std::deque<Entry> entries_;
  std::size_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
};

/// The traces of all sessions, those that ended too, up to a limit for all.
class SessionTraces final {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{64} << 20;
  SessionTrace& of(const std::string& session_id);
  /// Forgets those that were not written to for longest, until all fit.
  void trim();
  const SessionTrace* find(const std::string& session_id) const;

 private:
  struct Kept {
    SessionTrace trace;
    std::list<std::string>::iterator place;
  };
  std::map<std::string, Kept> traces_;
  std::list<std::string> order_;  ///< Latest use last.
};

}  // namespace troupe::api
