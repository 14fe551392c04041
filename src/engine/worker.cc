#include "engine/worker.h"

#include <algorithm>

namespace troupe::engine {
namespace {

constexpr auto kCallLimit = std::chrono::seconds(10);
constexpr auto kBackOffMin = std::chrono::milliseconds(100);
constexpr auto kBackOffMax = std::chrono::seconds(5);
constexpr auto kComplainEvery = std::chrono::seconds(10);
constexpr int kSweepMax = 200;
constexpr int kPage = 1'000;
constexpr int kLooks = 2;  // what was under way may arrive behind the first

bool may_have_been_applied(const Error& error) {
  return error.code == Errc::timeout || error.code == Errc::unavailable ||
         error.code == Errc::network_error;
}

tasks::UnixMs in_ms(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

Worker::Worker(tasks::Backend& backend, Clock& clock, asio::any_io_executor executor,
               Random& random, observe::Log& log, WorkerOptions options, Perform perform,
               OnMoved on_moved)
    : backend_(backend),
      clock_(clock),
      executor_(executor),
      random_(random),
      log_(log),
      options_(std::move(options)),
      perform_(std::move(perform)),
      on_moved_(std::move(on_moved)),
      scope_(std::move(executor)) {}

void Worker::start() {
  backend_.watch([this] { wake(); });
  scope_.spawn("worker claims", claim_loop());
  scope_.spawn("worker heartbeat", beat_loop());
  scope_.spawn("worker sweep", sweep_loop());
}

void Worker::wake() {
  news_ = true;
  wake_.pulse();
}

void Worker::add_queue(std::string queue) {
  if (std::ranges::find(options_.queues, queue) != options_.queues.end()) return;
  options_.queues.push_back(std::move(queue));
  wake();
}

void Worker::ending(const std::string& task_id, std::uint64_t token) {
  for (const auto& [number, lease] : leases_)
    if (lease.token == token && lease.id == task_id) held_.at(number).ending = true;
  wake();
}

void Worker::note_progress(const std::string& task_id, std::uint64_t token, std::string progress) {
  for (auto& [number, lease] : leases_)
    if (lease.token == token && lease.id == task_id) lease.progress = std::move(progress);
}

std::string Worker::progress(const std::string& task_id) const {
  for (const auto& [number, lease] : leases_)
    if (lease.id == task_id) return lease.progress;
  return {};
}

bool Worker::cancel(const std::string& task_id, const Error& reason) {
  for (const auto& [number, holding] : held_) {
    if (holding.id != task_id) continue;
    const CancelSource cancel = holding.cancel;
    cancel.cancel(reason);
    return true;
  }
  return false;
}

void Worker::cancel_all(const Error& reason) {
  std::vector<CancelSource> sources;  // cancelling may end one of them, and its place in the map
  for (const auto& [number, holding] : held_) sources.push_back(holding.cancel);
  for (const CancelSource& source : sources) source.cancel(reason);
}

void Worker::stop_claiming() {
  claiming_ = false;
  wake();
}

// One line in ten seconds is enough while a backend is away.
void Worker::complain(std::string_view action, const Error& error) {
  if (clock_.now() - complained_ < kComplainEvery) return;
  complained_ = clock_.now();
  log_.write(
      {},
      {.level = observe::Level::warning, .action = action, .status = "failed", .error = &error});
}

Async<void> Worker::rest(Duration longest) {
  if (std::exchange(news_, false)) co_return Result<void>{};
  Context pause = base().with_timeout(longest, "wait for tasks");
  (void)co_await wake_.wait(pause);
  news_ = false;
  co_return stop_.is_cancelled() ? Result<void>(stop_.reason()) : Result<void>{};
}

asio::awaitable<void> Worker::claim_loop() {
  while (claiming_ && !stop_.is_cancelled()) {
    Duration longest = options_.poll;
    news_ = false;
    const auto good = co_await make_good();
    auto due = good ? co_await claim_some() : Result<std::optional<tasks::UnixMs>>(good.error());
    if (!due) {
      if (may_have_been_applied(due.error())) looks_left_ = kLooks;
      complain("task.claim", due.error());
      if (on_failure_) on_failure_(due.error());
      const double most = std::min(std::chrono::duration<double>(kBackOffMax).count(),
                                   std::chrono::duration<double>(kBackOffMin).count() *
                                       static_cast<double>(1 << std::min(failures_++, 10)));
      longest = std::chrono::duration_cast<Duration>(
          std::chrono::duration<double>(most * (0.5 + random_.unit() / 2)));
      news_ = false;  // a backend that is away has none; do not ask it in a loop
    } else {
      failures_ = 0;
      if (*due) {
        const auto wait = std::chrono::milliseconds(
            std::max<tasks::UnixMs>(1, **due - to_unix_ms(clock_.wall())));
        longest = std::min<Duration>(longest, wait);
      }
    }
    if (!co_await rest(longest)) break;
  }
}

// What is ending takes no place; but while the backend takes no ends, they do not pile up.
int Worker::room() const {
  const auto is_ending = [](const auto& held) { return held.second.ending; };
  const auto ending = static_cast<int>(std::ranges::count_if(held_, is_ending));
  return options_.slots - running() + std::min(ending, options_.slots);
}

Async<std::optional<tasks::UnixMs>> Worker::claim_some() {
  const int most = room();
  if (most <= 0) co_return std::optional<tasks::UnixMs>{};
  Context ctx = base().with_timeout(kCallLimit, "claim");
  tasks::ClaimRequest request{.worker = options_.id,
                              .max = most,
                              .lease_ms = in_ms(options_.lease),
                              .queues = options_.queues};
  // Counted from before the call: whatever time it took, the lease began after this.
  const SteadyTime until = clock_.now() + options_.lease;
  CO_TRY(auto claimed, co_await backend_.claim(ctx, std::move(request)));
  for (auto& claim : claimed.claims) {
    // Known from here on, not from when its attempt gets its turn.
    const std::uint64_t number = ++last_number_;
    leases_.emplace(number, tasks::Held{.id = claim.spec.id, .token = claim.token, .progress = {}});
    Holding holding{.id = claim.spec.id, .cancel = {}, .told = {}, .lapse = {}};
    holding.lapse = lapse_at(until, holding.id, holding.cancel);
    held_.emplace(number, std::move(holding));
    scope_.spawn("task attempt", perform(std::move(claim), number));
  }
  co_return claimed.next_due_ms;
}

void Worker::hand_back(std::string task_id, std::uint64_t token) {
  unsettled_.push_back(
      {.id = std::move(task_id), .token = token, .verdict = tasks::Finish::Verdict::released});
  wake();
}

// After the backend was away: what this process has and cannot do anything with goes back before
// its lease ends, since a lost lease would count against the task.
Async<void> Worker::make_good() {
  if (looks_left_ > 0) {
    CO_TRY_VOID(co_await find_unknown_claims());
    --looks_left_;
  }
  if (unsettled_.empty()) co_return Result<void>{};
  std::vector<tasks::Finish> finishes = unsettled_;
  const auto count = static_cast<std::ptrdiff_t>(finishes.size());
  Context ctx = base().with_timeout(kCallLimit, "handing back");
  CO_TRY_VOID(co_await backend_.finish(ctx, std::move(finishes)));
  unsettled_.erase(unsettled_.begin(), unsettled_.begin() + count);
  co_return Result<void>{};
}

// A claim that was applied and whose answer was lost.
Async<void> Worker::find_unknown_claims() {
  std::string cursor;
  do {
    Context ctx = base().with_timeout(kCallLimit, "looking for lost claims");
    tasks::Filter filter{.states = {tasks::State::running}};
    CO_TRY(auto page, co_await backend_.list(ctx, std::move(filter), cursor, kPage));
    for (const tasks::Record& record : page.records) {
      const tasks::Status& status = record.status;
      const bool known = std::ranges::any_of(leases_, [&](const auto& lease) {
        return lease.second.id == record.spec.id && lease.second.token == status.token;
      });
      if (status.worker == options_.id && !known) hand_back(record.spec.id, status.token);
    }
    cursor = std::move(page.next_cursor);
  } while (!cursor.empty());
  co_return Result<void>{};
}

asio::awaitable<void> Worker::perform(tasks::Claim claim, std::uint64_t number) {
  Context ctx = Context(clock_, executor_).with_cancel(held_.at(number).cancel);
  co_await perform_(std::move(claim), std::move(ctx));
  leases_.erase(number);
  held_.erase(number);
  ended_.pulse();
  wake();
}

// A node that hears nothing from the backend must have stopped when another may begin.
Timer Worker::lapse_at(SteadyTime until, std::string id, CancelSource cancel) {
  return Timer(clock_, until, [id = std::move(id), cancel] {
    const CancelSource source = cancel;  // the timer may end with what it cancels
    source.cancel(fail(Errc::conflict, "task " + id + ": its lease was lost"));
  });
}

asio::awaitable<void> Worker::beat_loop() {
  while (!stop_.is_cancelled()) {
    Context ctx = base();
    if (!co_await sleep_for(ctx, options_.lease / 3)) co_return;
    if (!held_.empty()) co_await beat();
  }
}

asio::awaitable<void> Worker::beat() {
  std::vector<std::uint64_t> numbers;
  std::vector<tasks::Held> leases;
  for (const auto& [number, lease] : leases_) {
    numbers.push_back(number);
    leases.push_back(lease);
    if (held_.at(number).told == lease.progress) leases.back().progress.clear();
  }
  const std::vector<tasks::Held> sent = leases;
  const SteadyTime until = clock_.now() + options_.lease;
  Context ctx = base().with_timeout(options_.lease / 3, "heartbeat");
  const std::string id = options_.id;
  auto beats = co_await backend_.beat(ctx, id, std::move(leases), in_ms(options_.lease));
  if (!beats) {
    complain("task.beat", beats.error());
    co_return;
  }
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto holding = held_.find(numbers[i]);
    if (holding == held_.end()) continue;  // ended meanwhile
    const tasks::Beat answer = (*beats)[i];
    const std::string what = "task " + holding->second.id + ": ";
    const CancelSource cancel = holding->second.cancel;
    if (!sent[i].progress.empty()) holding->second.told = sent[i].progress;
    if (answer != tasks::Beat::lost)
      holding->second.lapse = lapse_at(until, holding->second.id, cancel);
    if (answer == tasks::Beat::lost)
      cancel.cancel(fail(Errc::conflict, what + "its lease was lost"));
    else if (answer == tasks::Beat::cancel)
      cancel.cancel(fail(Errc::cancelled, what + "cancelled"));
  }
}

asio::awaitable<void> Worker::sweep_loop() {
  while (!stop_.is_cancelled()) {
    Context ctx = base().with_timeout(kCallLimit, "sweep");
    auto swept = co_await backend_.sweep(ctx, kSweepMax);
    if (!swept) complain("task.sweep", swept.error());
    if (swept) {
      for (const tasks::Moved& moved : swept->moved) on_moved_(moved);
      if (swept->more) continue;
    }
    Context pause = base();
    if (!co_await sleep_for(pause, options_.sweep_every)) co_return;
  }
}

Async<void> Worker::idle(Context& ctx) {
  while (!held_.empty()) CO_TRY_VOID(co_await ended_.wait(ctx));
  co_return Result<void>{};
}

asio::awaitable<void> Worker::close() {
  stop_claiming();
  stop_.cancel(fail(Errc::cancelled, "worker: closed"));
  Context unbounded(clock_, executor_);
  (void)co_await scope_.join(unbounded);
  backend_.watch({});
}

}  // namespace troupe::engine
