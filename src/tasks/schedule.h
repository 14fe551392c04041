// A schedule: what to start again and again, and the decisions about when. Pure; tasks/scheduler.h
// acts on it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "tasks/cron.h"
#include "tasks/record.h"

namespace troupe::tasks {

/// When its turn comes while the run before still goes on.
enum class Overlap {
  skip,             ///< This turn is left out.
  queue,            ///< It waits for the end of the one before; at most kWaitingMax wait.
  cancel_previous,  ///< The one before is cancelled.
  allow,            ///< Both run.
};
/// Turns that nobody was there to start: all that have come but the newest, and that one too when
/// it is later than kLateAfterMs.
enum class CatchUp {
  none,  ///< They are left out.
  one,   ///< The newest is started, for all of them.
  all,   ///< The newest `catch_up_max` of them are started, oldest first.
};
std::string_view to_string(Overlap overlap);
std::string_view to_string(CatchUp catch_up);
std::optional<Overlap> overlap_from(std::string_view name);
std::optional<CatchUp> catch_up_from(std::string_view name);

inline constexpr std::size_t kWaitingMax = 100;
inline constexpr std::size_t kHistoryMax = 20;
inline constexpr UnixMs kLateAfterMs = 60'000;

/// What became of a turn.
struct Turn {
  enum class Outcome { started, skipped, missed, failed };
  UnixMs due_ms = 0;
  UnixMs at_ms = 0;  ///< When that was decided.
  Outcome outcome = Outcome::started;
  std::string run_id;  ///< Of a started one.
  std::string error;   ///< Of a failed one.
  int count = 1;       ///< Of missed ones, at least: neighbours share an entry.
  bool manual = false;
  bool operator==(const Turn&) const = default;
};
std::string_view to_string(Turn::Outcome outcome);

/// A turn that is being started: whoever finds it may finish it, since the key of its submission
/// makes a second one harmless.
struct Firing {
  UnixMs due_ms = 0;
  UnixMs at_ms = 0;  ///< Not taken over by other nodes before some seconds have passed.
  std::string node;
  int failures = 0;
  bool operator==(const Firing&) const = default;
};

struct Schedule {
  std::string id;  ///< `sched_…`
  std::string name;
  std::string tenant = "default";
  /// Either a cron expression with the zone it is meant in, or an interval.
  std::string cron;
  std::string timezone = "UTC";
  UnixMs every_ms = 0;   ///< From `start_ms`, or from its creation on.
  UnixMs jitter_ms = 0;  ///< Each turn comes up to this much later, by chance of its own time.
  Overlap overlap = Overlap::skip;
  CatchUp catch_up = CatchUp::one;
  int catch_up_max = 10;
  UnixMs catch_up_window_ms = 86'400'000;  ///< Older turns are missed for good.
  UnixMs start_ms = 0, end_ms = 0;         ///< No turns before and after; 0: none.
  bool paused = false;
  json::object request;  ///< What is submitted: the body of a POST /v1/runs.

  // How it stands.
  UnixMs created_ms = 0;
  UnixMs cursor_ms = 0;  ///< Turns up to here are decided.
  std::vector<UnixMs> waiting;
  std::optional<Firing> firing;
  std::string last_run_id;
  UnixMs last_due_ms = 0;
  std::vector<Turn> history;  ///< Newest first.

  bool operator==(const Schedule&) const = default;
};

/// A schedule that was checked, ready to be asked for times.
class Timetable final {
 public:
  /// Errors: invalid_argument, naming field, value and limit.
  static Result<Timetable> of(const Schedule& schedule);

  /// The first turn after `after_ms`, without jitter; nothing: none any more.
  std::optional<UnixMs> next(UnixMs after_ms) const;
  /// The same for every node: depends on the schedule and the turn only.
  UnixMs jitter(UnixMs due_ms) const;

 private:
  std::optional<Cron> cron_;
  TimeZone zone_;
  std::string id_;
  UnixMs every_ms_ = 0, anchor_ms_ = 0, jitter_ms_ = 0, start_ms_ = 0, end_ms_ = 0;
};

/// What is to be done about the turns that have come by `now_ms`.
struct Decision {
  std::vector<UnixMs> start;  ///< Oldest first.
  UnixMs cursor_ms = 0;
  std::optional<Turn> missed;
};
Decision decide(const Schedule& schedule, const Timetable& timetable, UnixMs now_ms);

/// Puts it in front; the oldest of more than kHistoryMax are forgotten.
void remember(Schedule& schedule, Turn turn);

/// The idempotency key of a turn: the same for whoever starts it, and however often.
std::string turn_key(const std::string& schedule_id, UnixMs due_ms);

/// Versioned JSON (`"v": 1`), for the backend. Errors: protocol_error.
std::string to_text(const Schedule& schedule);
Result<Schedule> schedule_from_text(std::string_view text);

}  // namespace troupe::tasks
