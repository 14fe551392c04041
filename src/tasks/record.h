// A task as the backends keep it: what was asked for, how it stands, and the table of its states.
// Knows no sessions and no workflows: what is to be done is opaque text (`job`).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace troupe::tasks {

/// Milliseconds since the Unix epoch, by the backend's clock (Redis: the server's).
using UnixMs = std::int64_t;

/// Where a task is. The table of transitions is in record.cc; each transition is an event.
///
///   blocked ──► scheduled ──► queued ──► running ──► succeeded | failed | cancelled
///      └────────────┴───────────┴──► cancelled | failed     └──► scheduled (retry) | queued (back)
///   failed | cancelled ──► queued | scheduled: a replay, with a new budget of attempts
enum class State {
  blocked,    ///< Waits for the tasks it depends on.
  scheduled,  ///< Waits for its time: `run_at`, or the delay before a retry.
  queued,     ///< Can be claimed (or is parked behind a full gate).
  running,    ///< Held by a worker under a lease.
  succeeded,
  failed,
  cancelled,
};
std::string_view to_string(State state);
/// Nothing when the name is none of them.
std::optional<State> state_from(std::string_view name);
bool is_final(State state);
bool can_go(State from, State to);

/// Why a task is in its final state, or why its last attempt ended; spelled as on the wire.
enum class Cause {
  none,
  finished,            ///< The attempt's own verdict.
  attempts_exhausted,  ///< Failed with a retryable error, and no attempt is left.
  poisoned,            ///< Its lease was lost `losses_max` times in a row.
  deadline,            ///< `deadline` or `queue_timeout` passed before it was done.
  dependency,          ///< What it depends on ended in a way that rules it out.
  cancelled,           ///< Somebody asked for it.
  grace_exceeded,      ///< Cancelled while running, and its worker did not end it in time.
};
std::string_view to_string(Cause cause);
std::optional<Cause> cause_from(std::string_view name);

/// When a task that depends on others may start.
enum class DependsRule {
  all,      ///< All have succeeded; otherwise it fails with cause `dependency`.
  any,      ///< One has succeeded; it fails when none can any more.
  failure,  ///< One has failed; it is cancelled when none can any more. For clean-up work.
  ended,    ///< All have ended, however.
};
std::string_view to_string(DependsRule rule);
std::optional<DependsRule> depends_rule_from(std::string_view name);

/// At most `limit` tasks that carry the same key run at once, over all nodes. A limit set with
/// Backend::set_limit for the key wins over the one that the task carries.
struct Gate {
  std::string key;
  std::int64_t limit = 1;
  bool operator==(const Gate&) const = default;
};

/// When to try again, and how often.
struct Retry {
  int attempts_max = 4;  ///< 1..100.
  UnixMs base_ms = 500;  ///< Full jitter: random(0, min(cap, base x 2^(n-1))).
  UnixMs cap_ms = 30'000;
  int losses_max = 3;  ///< Leases lost in a row before it counts as poison; 1..100.
  bool operator==(const Retry&) const = default;
};

/// What is asked for. Immutable but for `priority` and `run_at_ms` (Backend::change).
struct Spec {
  std::string id;      ///< `task_…`; chosen by the caller, so that a repeated enqueue is the same.
  std::string run_id;  ///< Never empty.
  int index = 0;       ///< Place in the run.
  std::string tenant = "default";
  std::string queue = "default";
  int priority = 0;             ///< -9..9; a step is worth `kBoostMs` of waiting.
  UnixMs run_at_ms = 0;         ///< Not claimed earlier; 0: at once.
  UnixMs deadline_ms = 0;       ///< Fails with cause `deadline` when not done by then; 0: none.
  UnixMs queue_timeout_ms = 0;  ///< Longest wait for its first claim, from run_at; 0: none.
  Retry retry;
  std::string idempotency_key;          ///< Unique per tenant while the task exists; empty: none.
  std::vector<Gate> gates;              ///< At most 4.
  std::vector<std::string> depends_on;  ///< Task ids, at most 64; must exist or be in the batch.
  DependsRule depends_rule = DependsRule::all;
  json::object labels;  ///< Texts, at most 16; list() filters by them.
  std::string job;      ///< What to do: opaque to backends; at most kJobBytesMax.
};

/// A step of priority lets a task overtake work that is so much older. Nothing starves.
inline constexpr UnixMs kBoostMs = 60'000;
inline constexpr std::size_t kJobBytesMax = 1 << 20;
inline constexpr std::size_t kResultBytesMax = 1 << 20;

/// How it stands.
struct Status {
  State state = State::queued;
  Cause cause = Cause::none;
  int attempt = 0;          ///< Of the present or last try, from 1; lost ones count.
  int losses = 0;           ///< Leases lost in a row; a journal entry sets it to 0.
  std::uint64_t token = 0;  ///< Of the present or last lease; grows with every claim.
  std::string worker;       ///< Who holds or held it.
  UnixMs lease_until_ms = 0;
  bool cancel_requested = false;
  std::string cancel_reason;
  UnixMs created_ms = 0;
  UnixMs due_ms = 0;      ///< When it may be claimed: run_at, or after the delay of a retry.
  UnixMs started_ms = 0;  ///< Of the first attempt.
  UnixMs ended_ms = 0;
  std::string progress;  ///< JSON of the worker's last word; small.
  std::string result;    ///< JSON: the output or a reference to it. Empty unless succeeded.
  std::string error;     ///< JSON of the last error; kept when a retry succeeds later.
};

struct Record {
  Spec spec;
  Status status;
};

/// Checks every field of a spec. Errors: invalid_argument, naming field, value and limit.
Result<void> check(const Spec& spec);
/// Errors: invalid_argument (a task of these depends on itself by way of others: it would wait for
/// ever).
Result<void> check_circles(const std::vector<Spec>& specs);
/// Versioned JSON (`"v": 1`). Reading refuses other versions and unknown or ill-typed fields.
json::object to_json(const Spec& spec);
Result<Spec> spec_from_json(const json::value& value);
json::object to_json(const Record& record);

/// The order among ready tasks of one tenant: smaller goes first.
inline UnixMs virtual_deadline(UnixMs due_ms, int priority) { return due_ms - priority * kBoostMs; }

}  // namespace troupe::tasks
