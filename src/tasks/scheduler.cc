#include "tasks/scheduler.h"

#include <algorithm>

namespace troupe::tasks {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kPage = 500;
constexpr int kRoundsMax = 50;  // of one schedule in one tick
constexpr std::size_t kParallel = 16;
constexpr UnixMs kNever = std::int64_t{1} << 60;
constexpr std::string_view kIdPrefix = "sched";

UnixMs ms_of(Duration duration) {
  return std::chrono::duration_cast<milliseconds>(duration).count();
}

UnixMs pause_after(int failures) {
  return std::min<UnixMs>(1'000 * (std::int64_t{1} << std::min(failures - 1, 6)), 60'000);
}

Error unknown(const std::string& id) {
  return fail(Errc::not_found, "schedule " + id + ": there is none", {},
              "GET /v1/schedules lists them");
}

// Whether the same submission can succeed later or from another node. A full disk gets room again.
bool is_passing(Errc code) {
  return traits(code).retryable || code == Errc::cancelled || code == Errc::storage_failed;
}

bool same_times(const Schedule& a, const Schedule& b) {
  return a.cron == b.cron && a.timezone == b.timezone && a.every_ms == b.every_ms &&
         a.start_ms == b.start_ms && a.end_ms == b.end_ms && a.paused == b.paused &&
         a.jitter_ms == b.jitter_ms;
}

}  // namespace

Scheduler::Scheduler(Clock& clock, asio::any_io_executor executor, Backend& backend,
                     RunStarter& starter, observe::Log& log, SchedulerOptions options)
    : clock_(clock),
      executor_(executor),
      backend_(backend),
      starter_(starter),
      log_(log),
      options_(std::move(options)),
      scope_(executor) {}

Async<Schedule> Scheduler::create(Context& ctx, Schedule schedule) {
  if (entries_.size() >= options_.schedules_max)
    co_return fail(Errc::exhausted,
                   "schedules: there are " + std::to_string(entries_.size()) + " of at most " +
                       std::to_string(options_.schedules_max),
                   {}, "delete some");
  schedule.id = random_.id(kIdPrefix, clock_.wall());
  schedule.created_ms = now_ms();
  schedule.cursor_ms = schedule.created_ms;
  CO_TRY([[maybe_unused]] const auto timetable, Timetable::of(schedule));
  Stored stored{std::move(schedule), 0};
  CO_TRY_VOID(co_await save(ctx, stored));
  changed_.set();
  co_return stored.schedule;
}

Async<Schedule> Scheduler::get(Context& ctx, std::string id) {
  CO_TRY(auto stored, co_await load(ctx, id));
  if (!stored) co_return unknown(id);
  co_return std::move(stored->schedule);
}

Async<std::vector<Schedule>> Scheduler::list(Context& ctx, std::string cursor, int limit) {
  std::string kind(kKind);
  CO_TRY(const auto documents,
         co_await backend_.documents(ctx, std::move(kind), std::move(cursor), limit, false));
  std::vector<Schedule> schedules;
  for (const Document& document : documents) {
    CO_TRY(auto schedule, schedule_from_text(document.text));
    schedules.push_back(std::move(schedule));
  }
  co_return schedules;
}

Async<Schedule> Scheduler::update(Context& ctx, std::string id, Edit edit) {
  for (int round = 0;; ++round) {
    CO_TRY(auto stored, co_await load(ctx, id));
    if (!stored) co_return unknown(id);
    const Schedule before = stored->schedule;
    Schedule& schedule = stored->schedule;
    CO_TRY_VOID(edit(schedule));
    CO_TRY([[maybe_unused]] const auto timetable, Timetable::of(schedule));
    if (!same_times(before, schedule)) {
      schedule.cursor_ms = now_ms();
      schedule.waiting.clear();
    }
    const auto saved = co_await save(ctx, *stored);
    if (saved) changed_.set();
    if (saved) co_return std::move(stored->schedule);
    if (saved.error().code != Errc::conflict || round == kRoundsMax) co_return saved.error();
  }
}

Async<std::string> Scheduler::trigger(Context& ctx, std::string id, std::string key) {
  if (key.empty()) key = random_.uuid();
  CO_TRY(auto first, co_await load(ctx, id));
  if (!first) co_return unknown(id);
  json::object request = first->schedule.request;
  std::string tenant = first->schedule.tenant;
  std::string run_key = "schedule:" + id + ":by-hand:" + key;
  CO_TRY(const auto run_id,
         co_await starter_.submit(ctx, std::move(request), std::move(tenant), std::move(run_key)));
  const Turn turn{.due_ms = now_ms(), .at_ms = now_ms(), .run_id = run_id, .manual = true};
  for (int round = 0; round < kRoundsMax; ++round) {
    CO_TRY(auto stored, co_await load(ctx, id));
    const auto is_it = [&](const Turn& t) { return t.run_id == run_id; };
    // The run is there in any case: that it is not noted (deleted meanwhile) is no failure.
    if (!stored || std::ranges::any_of(stored->schedule.history, is_it)) break;
    stored->schedule.last_run_id = run_id;
    remember(stored->schedule, turn);
    const auto saved = co_await save(ctx, *stored);
    if (saved || saved.error().code != Errc::conflict) break;
  }
  co_return run_id;
}

Async<void> Scheduler::erase(Context& ctx, std::string id) {
  CO_TRY(const auto stored, co_await load(ctx, id));
  if (!stored) co_return unknown(id);
  entries_.erase(id);
  std::string kind(kKind);
  co_return co_await backend_.erase(ctx, std::move(kind), std::move(id));
}

std::optional<UnixMs> Scheduler::next_turn(const Schedule& schedule) const {
  if (schedule.paused) return std::nullopt;
  const auto timetable = Timetable::of(schedule);
  if (!timetable) return std::nullopt;
  return timetable->next(schedule.cursor_ms);
}

Async<std::optional<Scheduler::Stored>> Scheduler::load(Context& ctx, std::string id) {
  std::string kind(kKind);
  CO_TRY(const auto document, co_await backend_.document(ctx, std::move(kind), std::move(id)));
  if (!document) co_return std::nullopt;
  CO_TRY(auto schedule, schedule_from_text(document->text));
  co_return Stored{std::move(schedule), document->version};
}

Async<void> Scheduler::save(Context& ctx, Stored& stored) {
  Document document{std::string(kKind), stored.schedule.id, to_text(stored.schedule),
                    stored.version};
  CO_TRY(stored.version, co_await backend_.put(ctx, std::move(document)));
  note(stored);
  co_return Result<void>();
}

void Scheduler::note(const Stored& stored) {
  entries_[stored.schedule.id] = {stored.version, wake_of(stored.schedule)};
}

UnixMs Scheduler::wake_of(const Schedule& schedule) const {
  if (const auto& firing = schedule.firing) {
    if (firing->failures > 0) return firing->at_ms + pause_after(firing->failures);
    return firing->at_ms + (firing->node == options_.node ? 0 : ms_of(options_.help_after));
  }
  if (schedule.paused) return kNever;
  if (!schedule.waiting.empty()) return now_ms() + ms_of(options_.tick_max);
  const auto timetable = Timetable::of(schedule);
  const auto due = timetable ? timetable->next(schedule.cursor_ms) : std::nullopt;
  return due ? *due + timetable->jitter(*due) : kNever;
}

Async<void> Scheduler::refresh(Context& ctx) {
  std::map<std::string, Entry, std::less<>> seen;
  std::string cursor;
  for (;;) {
    std::string kind(kKind), from = cursor;
    CO_TRY(const auto documents,
           co_await backend_.documents(ctx, std::move(kind), std::move(from), kPage, false));
    for (const Document& document : documents) {
      const auto known = entries_.find(document.id);
      if (known != entries_.end() && known->second.version >= document.version) {
        seen.insert(*known);
        continue;
      }
      // One that cannot be read stands still; its text stays for the release that wrote it.
      const auto schedule = schedule_from_text(document.text);
      seen[document.id] = {document.version, schedule ? wake_of(*schedule) : kNever};
    }
    if (documents.size() < static_cast<std::size_t>(kPage)) break;
    cursor = documents.back().id;
  }
  entries_ = std::move(seen);
  refresh_at_ = clock_.now() + options_.refresh;
  co_return Result<void>();
}

Async<Duration> Scheduler::tick(Context& ctx) {
  if (clock_.now() >= refresh_at_) CO_TRY_VOID(co_await refresh(ctx));
  std::vector<std::string> due;
  const UnixMs now = now_ms();
  for (const auto& [id, entry] : entries_)
    if (entry.wake_ms <= now) due.push_back(id);
  std::optional<Error> first_error;
  for (std::size_t at = 0; at < due.size(); at += kParallel) {
    std::vector<Async<void>> batch;
    for (std::size_t i = at; i < std::min(at + kParallel, due.size()); ++i)
      batch.push_back(advance(ctx, due[i]));
    const auto results = co_await gather(ctx, std::move(batch));
    for (const auto& result : results)
      if (!result && !first_error) first_error = result.error();
  }
  if (first_error) co_return std::move(*first_error);
  UnixMs wake = now_ms() + ms_of(options_.tick_max);
  for (const auto& [id, entry] : entries_) wake = std::min(wake, entry.wake_ms);
  co_return milliseconds(std::max<UnixMs>(wake - now_ms(), 0));
}

Async<void> Scheduler::advance(Context& ctx, std::string id) {
  for (int round = 0; round < kRoundsMax; ++round) {
    CO_TRY(auto stored, co_await load(ctx, id));
    if (!stored) {
      entries_.erase(id);
      co_return Result<void>();
    }
    const auto step_done = co_await step(ctx, *stored);
    if (!step_done && step_done.error().code == Errc::conflict)
      continue;  // another node was faster
    if (!step_done) co_return step_done.error();
    if (*step_done == Step::again) continue;
    note(*stored);
    break;
  }
  co_return Result<void>();
}

bool Scheduler::may_finish(const Firing& firing) const {
  const UnixMs waited = now_ms() - firing.at_ms;
  if (waited < 0) return true;  // the clock was set back: its time says nothing
  if (firing.failures > 0) return waited >= pause_after(firing.failures);
  return firing.node == options_.node || waited >= ms_of(options_.help_after);
}

Async<Scheduler::Step> Scheduler::step(Context& ctx, Stored& stored) {
  Schedule& schedule = stored.schedule;
  if (schedule.firing) {
    if (!may_finish(*schedule.firing)) co_return Step::done;
    co_return co_await finish_firing(ctx, stored);
  }
  if (schedule.paused) co_return Step::done;
  CO_TRY(const auto timetable, Timetable::of(schedule));
  Decision decision = decide(schedule, timetable, now_ms());
  const bool changed = decision.cursor_ms != schedule.cursor_ms;
  schedule.cursor_ms = decision.cursor_ms;
  if (decision.missed) remember(schedule, *decision.missed);
  for (const UnixMs due : decision.start) {
    if (schedule.waiting.size() < kWaitingMax)
      schedule.waiting.push_back(due);
    else
      remember(schedule, Turn{due, now_ms(), Turn::Outcome::skipped});
  }
  if (!schedule.waiting.empty()) co_return co_await start_waiting(ctx, stored, changed);
  if (changed) CO_TRY_VOID(co_await save(ctx, stored));
  co_return Step::done;
}

Async<Scheduler::Step> Scheduler::start_waiting(Context& ctx, Stored& stored, bool changed) {
  Schedule& schedule = stored.schedule;
  bool open = false;
  std::string last = schedule.last_run_id;
  if (!last.empty() && schedule.overlap != Overlap::allow) {
    std::string asked = last;
    CO_TRY(open, co_await starter_.is_open(ctx, std::move(asked)));
  }
  if (open && schedule.overlap == Overlap::queue) {
    if (changed) CO_TRY_VOID(co_await save(ctx, stored));
    co_return Step::done;
  }
  const bool skip = open && schedule.overlap == Overlap::skip;
  const bool replace = open && schedule.overlap == Overlap::cancel_previous;
  const std::size_t keep = skip ? 0 : replace ? 1 : schedule.waiting.size();
  while (schedule.waiting.size() > keep) {
    remember(schedule, Turn{schedule.waiting.front(), now_ms(), Turn::Outcome::skipped});
    schedule.waiting.erase(schedule.waiting.begin());
  }
  if (skip) {
    CO_TRY_VOID(co_await save(ctx, stored));
    co_return Step::done;
  }
  if (replace) {
    std::string reason = "schedule " + schedule.id + ": the next turn has come";
    CO_TRY_VOID(co_await starter_.cancel(ctx, std::move(last), std::move(reason)));
  }
  schedule.firing = Firing{schedule.waiting.front(), now_ms(), options_.node};
  schedule.waiting.erase(schedule.waiting.begin());
  CO_TRY_VOID(co_await save(ctx, stored));
  co_return co_await finish_firing(ctx, stored);
}

Async<Scheduler::Step> Scheduler::finish_firing(Context& ctx, Stored& stored) {
  Schedule& schedule = stored.schedule;
  const UnixMs due = schedule.firing->due_ms;
  json::object request = schedule.request;
  std::string tenant = schedule.tenant;
  std::string key = turn_key(schedule.id, due);
  const auto submitted =
      co_await starter_.submit(ctx, std::move(request), std::move(tenant), std::move(key));
  std::optional<Error> error;
  if (!submitted) error = submitted.error();
  log_.write(ctx.ids(), {.level = error ? observe::Level::warning : observe::Level::info,
                         .action = "schedule.fire",
                         .status = error ? "failed" : "ok",
                         .details = {{"schedule", schedule.id},
                                     {"due_ms", due},
                                     {"run_id", submitted ? *submitted : std::string()}},
                         .error = error ? &*error : nullptr});
  if (error && is_passing(error->code) && schedule.firing->failures < options_.failures_max) {
    ++schedule.firing->failures;
    schedule.firing->at_ms = now_ms();
    CO_TRY_VOID(co_await save(ctx, stored));
    co_return Step::done;
  }
  schedule.firing.reset();
  Turn turn{.due_ms = due, .at_ms = now_ms()};
  if (error) {
    turn.outcome = Turn::Outcome::failed;
    turn.error = error->message.substr(0, 512);
  } else {
    turn.run_id = *submitted;
    schedule.last_run_id = *submitted;
    schedule.last_due_ms = due;
  }
  remember(schedule, std::move(turn));
  CO_TRY_VOID(co_await save(ctx, stored));
  co_return Step::again;
}

void Scheduler::start() {
  if (std::exchange(started_, true)) return;
  scope_.spawn("scheduler", run());
}

asio::awaitable<void> Scheduler::run() {
  const Context base = Context(clock_, executor_).with_cancel(stopping_);
  while (!stopping_.is_cancelled()) {
    changed_.reset();
    Context turn = base.with_timeout(seconds(30), "tick of the schedules");
    const auto pause = co_await tick(turn);
    if (!pause && !stopping_.is_cancelled()) {
      const Error error = pause.error();
      log_.write({}, {.level = observe::Level::warning,
                      .action = "schedule.tick",
                      .status = "failed",
                      .error = &error});
    }
    const Duration wait = pause ? *pause : options_.tick_max;
    Context limited = base.with_timeout(std::max<Duration>(wait, milliseconds(10)), "pause");
    (void)co_await changed_.wait(limited);
  }
}

asio::awaitable<void> Scheduler::stop() {
  stopping_.cancel(fail(Errc::cancelled, "schedules: stopping"));
  Context ctx = Context(clock_, executor_).with_timeout(seconds(10), "end of the schedules");
  (void)co_await scope_.join(ctx);
}

}  // namespace troupe::tasks
