// A session as its users see it: one browser with its own cookies and storage, wherever it runs.
// Plain data: a copy of the state at the moment it was asked for.
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "troupe/error.hpp"

namespace troupe {

/// pending (being created) → running → releasing → ended.
enum class SessionState { pending, running, releasing, ended };

/// Why a session ended; `none` while it has not.
enum class EndReason {
  none,
  released,         ///< Handed back by its user.
  timed_out,        ///< Its maximum life time passed.
  idle,             ///< Nobody used it for the idle limit.
  client_left,      ///< The last CDP client disconnected.
  provider_ended,   ///< The provider ended it by itself.
  crashed,          ///< The browser or its renderer died.
  quota,            ///< A limit of the tenant or machine was reached (memory, budget).
  shutdown,         ///< Troupe itself was stopped.
  failed,           ///< It could not be created completely.
  connection_lost,  ///< The way to its browser broke and could not be made anew.
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

/// Through which proxy a session's requests go; the first that fits a host counts.
struct ProxySpec {
  enum class Type { provider, external, none };  ///< provider: whatever the provider offers.
  Type type = Type::provider;
  std::string server;          ///< external: `http://host:port`, `socks5://host:port`.
  std::string domain_pattern;  ///< Empty: every host. `*.example.com`.
  std::string username;
  std::string password;             ///< Secret.
  boost::json::object geolocation;  ///< provider: `{"country": "US", …}`.
};

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

  /// A foreign CDP client drives it: a process of its own, with a `connect_url`. Local only; the
  /// sessions of other providers always have one.
  bool connectable = false;
  /// Stays when its last CDP client leaves (until released, idle or expired).
  bool keep_alive = false;
  std::string region;            ///< Of the provider; empty: its default.
  std::string context_id;        ///< Persisted profile to start from; empty: a fresh one.
  bool context_persist = false;  ///< Keep the changes in the profile at the end.
  std::string extension_id;      ///< An uploaded extension that it starts with.
  std::string driver_folder;     ///< Unpacked extension of this machine that may drive the browser.
  std::vector<ProxySpec> proxies;
  std::vector<std::string> ca_certificates;  ///< Ids of uploaded certificates.
  bool ignore_certificate_errors = false;
  /// Hosts that a page may go to (a name covers its subdomains); empty: all.
  std::vector<std::string> allowed_domains;
  std::vector<std::string> denied_domains;
  bool domains_cover_resources = false;        ///< The two lists hold for sub-resources as well.
  bool block_ads = false;                      ///< Well-known advertisement and tracking hosts.
  std::vector<std::string> blocked_resources;  ///< `image`, `media`, `font`, `stylesheet`.
  std::string user_agent;
  std::string locale;    ///< BCP 47: `de-DE`.
  std::string timezone;  ///< IANA: `Europe/Berlin`.
  std::vector<std::pair<std::string, std::string>> extra_headers;
  std::optional<bool> record;          ///< Frames for the replay; empty: the provider's default.
  std::optional<bool> log;             ///< Log of CDP events; empty: the provider's default.
  std::optional<bool> solve_captchas;  ///< Remote providers only.
  /// Members of `browserSettings` that only the remote provider understands, handed on as given.
  boost::json::object provider_settings;
  /// Services of Troupe that the request came through, so that one which calls itself notices.
  std::string via;
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
  std::string tenant;  ///< Whose it is: the project of the Browserbase API.
  std::string region;
  std::string context_id;
  bool keep_alive = false;
  /// Its id at the provider; empty when that is the same.
  std::string provider_id;
  std::uint64_t proxy_bytes = 0;
  std::int64_t memory_bytes = 0;  ///< Resident, of its own process; 0: unknown or shared.
  double cpu_seconds = 0;         ///< Of its own process.
  int clients = 0;                ///< CDP clients connected now.
  /// DevTools endpoint of this session for a CDP client, with `auth_token` in it; empty when the
  /// provider or isolation offers none.
  std::string connect_url;
  /// Secret part of `connect_url`. Never logged.
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
