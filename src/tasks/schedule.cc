#include "tasks/schedule.h"

#include <algorithm>
#include <array>

#include "tasks/stored_members.h"

namespace troupe::tasks {
namespace {

constexpr UnixMs kDayMs = 86'400'000;
constexpr UnixMs kEveryMin = 1'000, kEveryMax = 366 * kDayMs;
constexpr UnixMs kWindowMax = 31 * kDayMs;
constexpr UnixMs kTimeMax = 253'402'300'799'000;  // the year 9999
constexpr std::size_t kRequestBytesMax = 256 << 10;

constexpr std::array<std::string_view, 4> kOverlaps{"skip", "queue", "cancel_previous", "allow"};
constexpr std::array<std::string_view, 3> kCatchUps{"none", "one", "all"};
constexpr std::array<std::string_view, 4> kOutcomes{"started", "skipped", "missed", "failed"};

// FNV-1a, then a finalizer that spreads it: neighbouring times must not have neighbouring jitters.
std::uint64_t spread(std::string_view text) {
  std::uint64_t hash = 14'695'981'039'346'656'037u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211u;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdu;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53u;
  return hash ^ (hash >> 33);
}

Error out_of_range(std::string_view field, UnixMs value, UnixMs low, UnixMs high) {
  return fail(Errc::invalid_argument,
              "schedule: " + std::string(field) + " " + std::to_string(value) + " is not in " +
                  std::to_string(low) + ".." + std::to_string(high),
              std::string(field));
}

Result<void> check_range(std::string_view field, UnixMs value, UnixMs low, UnixMs high) {
  if (value < low || value > high) return out_of_range(field, value, low, high);
  return {};
}

Result<void> check_ranges(const Schedule& schedule) {
  if (!schedule.cron.empty() == (schedule.every_ms != 0))
    return fail(Errc::invalid_argument, "schedule: exactly one of cron and every_ms is needed",
                "cron");
  if (schedule.every_ms != 0)
    TRY_VOID(check_range("every_ms", schedule.every_ms, kEveryMin, kEveryMax));
  TRY_VOID(check_range("jitter_ms", schedule.jitter_ms, 0, kDayMs));
  TRY_VOID(check_range("catch_up_max", schedule.catch_up_max, 1, kWaitingMax));
  TRY_VOID(check_range("catch_up_window_ms", schedule.catch_up_window_ms, 0, kWindowMax));
  TRY_VOID(check_range("start_ms", schedule.start_ms, 0, kTimeMax));
  TRY_VOID(check_range("end_ms", schedule.end_ms, 0, kTimeMax));
  if (schedule.end_ms != 0 && schedule.end_ms <= schedule.start_ms)
    return fail(Errc::invalid_argument, "schedule: its end is not after its start", "end_at");
  if (schedule.name.size() > 128)
    return fail(
        Errc::invalid_argument,
        "schedule: a name of " + std::to_string(schedule.name.size()) + " bytes is longer than 128",
        "name");
  const std::size_t bytes = json::serialize(schedule.request).size();
  if (bytes > kRequestBytesMax)
    return fail(Errc::payload_too_large,
                "schedule: a run of " + std::to_string(bytes) + " bytes is larger than " +
                    std::to_string(kRequestBytesMax),
                "run");
  return {};
}

// The newest turns in (after, until], at most `max`; and how many older ones were seen on the way.
// Looks back in growing steps, so that years of turns every second cost no more than a few.
struct Newest {
  std::vector<UnixMs> turns;  // oldest first
  std::int64_t older = 0;
  UnixMs last_older_ms = 0;
};
Newest newest_turns(const Timetable& timetable, UnixMs after, UnixMs until, std::size_t max) {
  Newest newest;
  for (UnixMs span = 60'000;; span *= 2) {
    const UnixMs from = std::max(after, until - span);
    newest = {};
    for (auto due = timetable.next(from); due && *due <= until; due = timetable.next(*due)) {
      newest.turns.push_back(*due);
      if (newest.turns.size() <= max) continue;
      newest.last_older_ms = newest.turns.front();
      newest.turns.erase(newest.turns.begin());
      ++newest.older;
    }
    if (from == after || newest.older > 0) return newest;
  }
}

}  // namespace

std::string_view to_string(Overlap overlap) { return kOverlaps[static_cast<std::size_t>(overlap)]; }
std::string_view to_string(CatchUp c) { return kCatchUps[static_cast<std::size_t>(c)]; }
std::string_view to_string(Turn::Outcome o) { return kOutcomes[static_cast<std::size_t>(o)]; }
std::optional<Overlap> overlap_from(std::string_view name) {
  return named<Overlap>(kOverlaps, name);
}
std::optional<CatchUp> catch_up_from(std::string_view name) {
  return named<CatchUp>(kCatchUps, name);
}

Result<Timetable> Timetable::of(const Schedule& schedule) {
  TRY_VOID(check_ranges(schedule));
  Timetable timetable;
  if (!schedule.cron.empty()) {
    TRY(timetable.cron_, Cron::parse(schedule.cron));
    TRY(timetable.zone_, TimeZone::load(schedule.timezone));
  }
  timetable.id_ = schedule.id;
  timetable.every_ms_ = schedule.every_ms;
  timetable.anchor_ms_ = schedule.start_ms ? schedule.start_ms : schedule.created_ms;
  timetable.jitter_ms_ = schedule.jitter_ms;
  timetable.start_ms_ = schedule.start_ms;
  timetable.end_ms_ = schedule.end_ms;
  return timetable;
}

std::optional<UnixMs> Timetable::next(UnixMs after_ms) const {
  const UnixMs after = std::max(after_ms, start_ms_ - 1);
  std::optional<UnixMs> due;
  if (cron_) {
    const auto time = cron_->next(zone_, after / 1000 - (after < 0 ? 1 : 0));
    if (time) due = *time * 1000;
  } else if (after < anchor_ms_) {
    // Without a start it was made at the anchor, and its first turn is an interval later.
    due = start_ms_ ? anchor_ms_ : anchor_ms_ + every_ms_;
  } else {
    due = anchor_ms_ + ((after - anchor_ms_) / every_ms_ + 1) * every_ms_;
  }
  if (due && end_ms_ != 0 && *due > end_ms_) return std::nullopt;
  return due;
}

UnixMs Timetable::jitter(UnixMs due_ms) const {
  if (jitter_ms_ == 0) return 0;
  const std::uint64_t chance = spread(turn_key(id_, due_ms));
  return static_cast<UnixMs>(chance % static_cast<std::uint64_t>(jitter_ms_ + 1));
}

Decision decide(const Schedule& schedule, const Timetable& timetable, UnixMs now_ms) {
  Decision decision{.cursor_ms = schedule.cursor_ms};
  const UnixMs oldest =
      now_ms - std::max(schedule.catch_up_window_ms, kLateAfterMs) - schedule.jitter_ms;
  const UnixMs from = std::max(schedule.cursor_ms, oldest);
  const auto forgotten = timetable.next(schedule.cursor_ms);
  if (from > schedule.cursor_ms && forgotten && *forgotten <= from) {
    decision.missed = Turn{*forgotten, now_ms, Turn::Outcome::missed};
    decision.cursor_ms = from;
  }
  const Newest newest = newest_turns(timetable, from, now_ms, kWaitingMax);
  std::int64_t left_out = newest.older + (decision.missed ? 1 : 0);
  UnixMs last_left_out = newest.older > 0 ? newest.last_older_ms : decision.cursor_ms;
  std::vector<UnixMs> late;
  for (const UnixMs due : newest.turns) {
    if (due + timetable.jitter(due) > now_ms) break;  // later ones wait behind it: no gaps
    late.push_back(due);
  }
  if (newest.older > 0) decision.cursor_ms = newest.last_older_ms;
  if (!late.empty()) decision.cursor_ms = late.back();
  // Of turns that piled up only the newest can be in time.
  std::vector<UnixMs> punctual;
  if (!late.empty() && now_ms - late.back() - timetable.jitter(late.back()) <= kLateAfterMs) {
    punctual.push_back(late.back());
    late.pop_back();
  }
  std::size_t keep = 0;
  if (schedule.catch_up == CatchUp::one && punctual.empty()) keep = 1;
  if (schedule.catch_up == CatchUp::all) keep = static_cast<std::size_t>(schedule.catch_up_max);
  keep = std::min(keep, late.size());
  const auto kept = late.end() - static_cast<std::ptrdiff_t>(keep);
  if (kept != late.begin()) last_left_out = *(kept - 1);
  left_out += kept - late.begin();
  if (left_out > 0)
    decision.missed = Turn{.due_ms = last_left_out,
                           .at_ms = now_ms,
                           .outcome = Turn::Outcome::missed,
                           .count = static_cast<int>(std::min<std::int64_t>(left_out, 1'000'000))};
  decision.start.assign(kept, late.end());
  decision.start.insert(decision.start.end(), punctual.begin(), punctual.end());
  return decision;
}

void remember(Schedule& schedule, Turn turn) {
  schedule.history.insert(schedule.history.begin(), std::move(turn));
  if (schedule.history.size() > kHistoryMax) schedule.history.resize(kHistoryMax);
}

std::string turn_key(const std::string& schedule_id, UnixMs due_ms) {
  return "schedule:" + schedule_id + ":" + std::to_string(due_ms);
}

namespace {

json::object to_json(const Turn& turn) {
  return {{"due_ms", turn.due_ms}, {"at_ms", turn.at_ms}, {"outcome", to_string(turn.outcome)},
          {"run_id", turn.run_id}, {"error", turn.error}, {"count", turn.count},
          {"manual", turn.manual}};
}

Result<Turn> turn_from(const json::value& value) {
  StoredMembers members(value, "stored schedule");
  Turn turn;
  members.number("due_ms", turn.due_ms);
  members.number("at_ms", turn.at_ms);
  members.word("outcome", kOutcomes, turn.outcome);
  members.text("run_id", turn.run_id);
  members.text("error", turn.error);
  members.number("count", turn.count);
  members.flag("manual", turn.manual);
  TRY_VOID(members.end());
  return turn;
}

Result<Firing> firing_from(const json::value& value) {
  StoredMembers members(value, "stored schedule");
  Firing firing;
  members.number("due_ms", firing.due_ms);
  members.number("at_ms", firing.at_ms);
  members.text("node", firing.node);
  members.number("failures", firing.failures);
  TRY_VOID(members.end());
  return firing;
}

void read_definition(StoredMembers& members, Schedule& schedule) {
  members.text("id", schedule.id);
  members.text("name", schedule.name);
  members.text("tenant", schedule.tenant);
  members.text("cron", schedule.cron);
  members.text("timezone", schedule.timezone);
  members.number("every_ms", schedule.every_ms);
  members.number("jitter_ms", schedule.jitter_ms);
  members.word("overlap", kOverlaps, schedule.overlap);
  members.word("catch_up", kCatchUps, schedule.catch_up);
  members.number("catch_up_max", schedule.catch_up_max);
  members.number("catch_up_window_ms", schedule.catch_up_window_ms);
  members.number("start_ms", schedule.start_ms);
  members.number("end_ms", schedule.end_ms);
  members.flag("paused", schedule.paused);
  members.object("request", schedule.request);
}

}  // namespace

std::string to_text(const Schedule& s) {
  json::object object{{"v", 1},
                      {"id", s.id},
                      {"name", s.name},
                      {"tenant", s.tenant},
                      {"cron", s.cron},
                      {"timezone", s.timezone},
                      {"every_ms", s.every_ms},
                      {"jitter_ms", s.jitter_ms},
                      {"overlap", to_string(s.overlap)},
                      {"catch_up", to_string(s.catch_up)},
                      {"catch_up_max", s.catch_up_max},
                      {"catch_up_window_ms", s.catch_up_window_ms},
                      {"start_ms", s.start_ms},
                      {"end_ms", s.end_ms},
                      {"paused", s.paused},
                      {"request", s.request},
                      {"created_ms", s.created_ms},
                      {"cursor_ms", s.cursor_ms},
                      {"last_run_id", s.last_run_id},
                      {"last_due_ms", s.last_due_ms}};
  object["waiting"] = json::array(s.waiting.begin(), s.waiting.end());
  if (s.firing)
    object["firing"] = {{"due_ms", s.firing->due_ms},
                        {"at_ms", s.firing->at_ms},
                        {"node", s.firing->node},
                        {"failures", s.firing->failures}};
  json::array history;
  for (const Turn& turn : s.history) history.push_back(to_json(turn));
  object["history"] = std::move(history);
  return json::serialize(object);
}

Result<Schedule> schedule_from_text(std::string_view text) {
  TRY(const json::value value, parse_stored(text, "stored schedule"));
  StoredMembers members(value, "stored schedule");
  Schedule schedule;
  read_definition(members, schedule);
  members.number("created_ms", schedule.created_ms);
  members.number("cursor_ms", schedule.cursor_ms);
  members.text("last_run_id", schedule.last_run_id);
  members.number("last_due_ms", schedule.last_due_ms);
  for (const json::value& due : members.list("waiting"))
    if (due.is_int64()) schedule.waiting.push_back(due.get_int64());
  if (const json::value* firing = find(value, "firing")) {
    TRY(schedule.firing, firing_from(*firing));
  }
  for (const json::value& turn : members.list("history")) {
    TRY(Turn read, turn_from(turn));
    schedule.history.push_back(std::move(read));
  }
  TRY_VOID(members.end());
  return schedule;
}

}  // namespace troupe::tasks
