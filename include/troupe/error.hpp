// Failures as values: what went wrong, where, and what to do about it. The classification of every
// code (wire name, HTTP status, exit code, who is at fault, whether a retry can help) is one table,
// `traits()`. Nothing here throws.
#pragma once

#include <string>
#include <string_view>

namespace troupe {

/// What kind of failure. Enumerators are spelled as on the wire.
enum class Errc {
  invalid_argument,   ///< The caller's input is wrong; the message names field, value and limit.
  not_found,          ///< No such workflow, site, run, session, file.
  conflict,           ///< The state does not allow it (already ended, lost lease).
  gone,               ///< It existed and has ended.
  unauthenticated,    ///< No API key, or one that is not known.
  permission_denied,  ///< Known, but not allowed.
  payload_too_large,  ///< A body, page, or result over its limit.
  unsupported,        ///< Not available in this build or with this provider.
  exhausted,          ///< A limit on sessions, tasks or rate is reached; later it may work.
  unavailable,        ///< A provider or service does not answer; later it may work.
  draining,           ///< This process is shutting down and takes no new work.
  timeout,            ///< A deadline passed.
  cancelled,          ///< Somebody asked for it to stop.
  network_error,      ///< Connecting or transferring failed (refused, reset, unreachable).
  dns_error,          ///< The host name does not resolve.
  tls_error,          ///< The certificate or handshake is not acceptable.
  http_error,         ///< The page or service answered with a 4xx or 5xx status.
  navigation_failed,  ///< The browser could not show the page, for any other reason.
  target_not_found,   ///< No element fits; the candidates are listed.
  target_ambiguous,   ///< Several elements fit equally; the candidates are listed.
  not_actionable,     ///< The element exists but is hidden, disabled, moving or covered.
  script_error,       ///< JavaScript in the page threw.
  extraction_failed,  ///< The page's data does not fit the schema.
  assertion_failed,   ///< An `assert` step did not hold.
  page_crashed,       ///< The renderer died.
  session_lost,       ///< The browser died or its connection broke.
  browser_missing,    ///< No browser installed, or it does not start.
  storage_failed,     ///< Disk full, read-only or broken data directory.
  protocol_error,     ///< A peer sent something that its contract does not allow.
  internal,           ///< A bug in Troupe.
};

/// Whose fault a failure is; decides how it is reported and retried.
enum class Fault { user, page, network, session, provider, host, troupe };

/// One row of the error table.
struct ErrorTraits {
  Errc code;
  std::string_view name;   ///< Wire name: `target_not_found`.
  std::string_view title;  ///< Short text for people (RFC 9457 `title`).
  int http_status;
  int exit_code;
  bool retryable;  ///< A new attempt, perhaps in a fresh session, can succeed.
  Fault fault;
};

/// The row for `code`. Never fails.
const ErrorTraits& traits(Errc code);
/// The row with that wire name, or the one of `internal` when there is none.
const ErrorTraits& traits(std::string_view wire_name);
std::string_view to_string(Errc code);
std::string_view to_string(Fault fault);

/// One failure. `message` is a lower-case sentence, subject first, with the value and the limit.
struct Error {
  Errc code = Errc::internal;
  std::string message;
  std::string source;  ///< Where: `workflow.yaml:12 steps[3].click`, `session s_… goto`.
  std::string hint;    ///< How to mend it; may be empty.

  bool retryable() const { return traits(code).retryable; }
  /// `message (source): hint` on one line.
  std::string describe() const;
  bool operator==(const Error&) const = default;
};

}  // namespace troupe
