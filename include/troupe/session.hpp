// A session as its users see it: one browser with its own cookies and storage, wherever it runs.
// Plain data: a copy of the state at the moment it was asked for.
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "troupe/error.hpp"

namespace troupe {

/// pending (being created) → running → releasing → ended.
enum class SessionState { pending, running, releasing, ended };

/// Why a session ended; `none` while it has not.
enum class EndReason {
  none,
  released,        ///< Handed back by its user.
  timed_out,       ///< Its maximum life time passed.
  idle,            ///< Nobody used it for the idle limit.
  client_left,     ///< The last CDP client disconnected.
  provider_ended,  ///< The provider ended it by itself.
  crashed,         ///< The browser or its renderer died.
  quota,           ///< A limit of the tenant or machine was reached (memory, budget).
  shutdown,        ///< Troupe itself was stopped.
  failed,          ///< It could not be created completely.
};

/// How separate from other sessions it is, and what that costs (docs/guides/sessions.md).
enum class Isolation {
  context,  ///< A browser context of its own in a shared browser process. The default.
  reuse,    ///< A cleared page, used again for the same tenant and site.
  process,  ///< A browser process of its own.
};

std::string_view to_string(SessionState state);
std::string_view to_string(EndReason reason);
std::string_view to_string(Isolation isolation);
std::optional<Isolation> isolation_from(std::string_view name);

/// What is asked for. Defaults come from the settings.
struct SessionSpec {
  std::string provider = "local";
  std::optional<Isolation> isolation;
  /// Longest life, whole process time; 1 s to 6 h.
  std::optional<std::chrono::milliseconds> timeout;
  int viewport_width = 1280;
  int viewport_height = 720;
  std::string tenant = "default";
  /// Sessions with `reuse` isolation are shared only between tasks of one tenant and one site.
  std::string site;
  /// Free metadata of the user; at most 4 KiB as JSON; kept and shown as given.
  boost::json::object user_context;
};

/// One session.
struct Session {
  std::string id;  ///< UUID.
  std::string provider;
  Isolation isolation = Isolation::context;
  SessionState state = SessionState::pending;
  EndReason end_reason = EndReason::none;
  std::optional<Error> error;  ///< What went wrong with it; the first failure stays.
  std::chrono::system_clock::time_point created_at;
  std::optional<std::chrono::system_clock::time_point> started_at;
  std::chrono::system_clock::time_point expires_at;
  std::optional<std::chrono::system_clock::time_point> ended_at;
  boost::json::object user_context;
  /// DevTools endpoint of this session for a CDP client, with `auth_token` in it; empty when the
  /// provider or isolation offers none.
  std::string connect_url;
  /// Secret part of `connect_url`. Never logged; the API shows it only to the creator.
  std::string auth_token;
  std::string run_id;  ///< The run and task that hold it now; empty when none.
  std::string task_id;

  struct Counters {
    std::uint64_t tasks = 0;  ///< Leases so far.
    std::uint64_t navigations = 0;
    std::uint64_t actions = 0;
    std::uint64_t cdp_commands = 0;
    std::uint64_t cdp_bytes_sent = 0;
    std::uint64_t cdp_bytes_received = 0;
    std::uint64_t page_errors = 0;  ///< Crashes and failed navigations.
  } counters;
};

}  // namespace troupe
