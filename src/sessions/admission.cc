#include "sessions/admission.h"

#include <algorithm>
#include <tuple>

namespace troupe::sessions {
namespace {

constexpr std::chrono::milliseconds kRoomPoll{200};

Error draining_error() { return fail(Errc::draining, "sessions: shutting down, no new ones"); }

std::int64_t hour_of(SteadyTime time) {
  return std::chrono::duration_cast<std::chrono::hours>(time.time_since_epoch()).count();
}

}  // namespace

// A caller that waits for a place; lives in the frame of its enter().
struct Admission::Waiter {
  std::string provider;
  Event turn;
  bool has_place = false;
};

Admission::Admission(Clock& clock, AdmissionLimits limits,
                     std::function<int(const std::string&)> room)
    : clock_(clock), limits_(std::move(limits)), room_(std::move(room)) {}

Admission::~Admission() = default;

// Forgets hours that are a day old and adds the tokens of the time that passed.
void Admission::refresh(Tenant& tenant) const {
  const SteadyTime now = clock_.now();
  const std::int64_t hour = hour_of(now);
  const std::int64_t passed = std::min<std::int64_t>(hour - tenant.hour, 24);
  for (std::int64_t i = 0; i < passed; ++i)
    tenant.hours[static_cast<std::size_t>((hour - i) % 24)] = Duration::zero();
  tenant.hour = hour;
  const double rate = limits_.tenant_creations_per_minute;
  const double minutes =
      std::chrono::duration<double, std::ratio<60>>(now - tenant.tokens_at).count();
  tenant.tokens = std::min(rate, tenant.tokens + minutes * rate);
  tenant.tokens_at = now;
}

// A restart is no new day, and no new minute.
void Admission::remember(const std::string& name, Tenant& tenant) const {
  const double rate = limits_.tenant_creations_per_minute;
  const auto left = rate > 0 && limits_.creations_left ? limits_.creations_left(name)
                                                       : std::optional<CreationsLeft>();
  if (left) {
    const double minutes = std::chrono::duration<double, std::ratio<60>>(left->ago).count();
    tenant.tokens = std::clamp(left->count + std::max(minutes, 0.0) * rate, 0.0, rate);
  }
  if (!limits_.history || limits_.tenant_minutes_per_day == 0) return;
  for (int ago = 0; ago < 24; ++ago)
    tenant.hours[static_cast<std::size_t>((tenant.hour - ago) % 24)] = limits_.history(name, ago);
}

Duration Admission::minutes_used(Tenant& tenant) const {
  Duration sum{};
  for (const Duration hour : tenant.hours) sum += hour;
  return sum;
}

bool Admission::may_have_place(Tenant& tenant) const {
  if (limits_.tenant_places > 0 && tenant.places >= limits_.tenant_places) return false;
  // A little less than one: sums of fractions may stay just below.
  return limits_.tenant_creations_per_minute == 0 || tenant.tokens > 0.999'999;
}

Async<void> Admission::enter(Context& ctx, std::string name, std::string provider) {
  if (draining_) co_return draining_error();
  const auto [place, is_new] = tenants_.try_emplace(name);
  Tenant& tenant = place->second;
  if (is_new) {
    // As if the bucket had filled up since ever.
    tenant.tokens = limits_.tenant_creations_per_minute;
    tenant.tokens_at = clock_.now();
    tenant.hour = hour_of(clock_.now());
    tenant.name = name;
    remember(name, tenant);
  }
  refresh(tenant);
  const auto allowed = std::chrono::minutes(limits_.tenant_minutes_per_day);
  const Duration running = limits_.tenant_minutes_per_day > 0 && limits_.running
                               ? limits_.running(name)
                               : Duration::zero();
  if (limits_.tenant_minutes_per_day > 0 && minutes_used(tenant) + running >= allowed)
    co_return fail(Errc::exhausted,
                   "sessions of '" + name + "': its " +
                       std::to_string(limits_.tenant_minutes_per_day) +
                       " minutes of the last 24 hours are used up",
                   "sessions", "wait, or raise tenant_minutes_per_day");
  Waiter waiter{.provider = provider};
  auto& queue = tenant.queues[provider];
  const auto own = queue.insert(queue.end(), &waiter);
  ++waiting_;
  let_in();
  if (waiter.has_place) co_return Result<void>{};
  if (waiting_ > static_cast<std::size_t>(limits_.queue_max)) {
    queue.erase(own);
    --waiting_;
    co_return fail(Errc::exhausted,
                   "sessions: " + std::to_string(waiting_) + " already wait for one of " +
                       std::to_string(limits_.places),
                   "sessions", "raise sessions_max or session_queue_max, or ask for fewer at once");
  }
  auto result = co_await waiter.turn.wait(ctx);
  if (!waiter.turn.is_set()) {
    tenants_[name].queues[provider].erase(own);
    --waiting_;
    co_return result.error();
  }
  // A place given in the same moment as the wait ended otherwise is handed on.
  if (!result && waiter.has_place) {
    asked(provider);
    leave(name, Duration::zero());
  }
  if (!result) co_return result.error();
  if (!waiter.has_place) co_return draining_error();
  co_return Result<void>{};
}

std::list<Admission::Waiter*>* Admission::next_queue(Tenant** chosen) {
  std::list<Waiter*>* best = nullptr;
  for (auto& [name, tenant] : tenants_) {
    if (tenant.queues.empty()) continue;
    refresh(tenant);
    if (!may_have_place(tenant)) continue;
    if (best &&
        std::tie((*chosen)->places, (*chosen)->served) <= std::tie(tenant.places, tenant.served))
      continue;
    for (auto& [provider, queue] : tenant.queues) {
      const auto coming = let_in_.find(provider);
      if (queue.empty() || room_(provider) <= (coming == let_in_.end() ? 0 : coming->second))
        continue;
      best = &queue;
      *chosen = &tenant;
      break;
    }
  }
  return best;
}

void Admission::let_in() {
  while (used_ < limits_.places && waiting_ > 0) {
    Tenant* tenant = nullptr;
    auto* queue = next_queue(&tenant);
    if (!queue) break;
    Waiter* next = queue->front();
    queue->pop_front();
    --waiting_;
    ++used_;
    ++tenant->places;
    tenant->served = ++turns_;
    if (limits_.tenant_creations_per_minute > 0) {
      tenant->tokens -= 1;
      if (limits_.created) limits_.created(tenant->name, tenant->tokens);
    }
    ++let_in_[next->provider];
    next->has_place = true;
    next->turn.set();
  }
  wake_later();
}

// For the next token of a tenant; and for room, of which nobody tells.
void Admission::wake_later() {
  wake_.reset();
  if (waiting_ == 0 || used_ >= limits_.places) return;
  auto pause = kRoomPoll;
  double least = 1;
  for (auto& [name, tenant] : tenants_) {
    const bool waits = std::any_of(tenant.queues.begin(), tenant.queues.end(),
                                   [](const auto& row) { return !row.second.empty(); });
    if (waits && !may_have_place(tenant)) least = std::min(least, 1 - tenant.tokens);
  }
  if (const int rate = limits_.tenant_creations_per_minute; rate > 0) {
    const auto token = static_cast<std::int64_t>(least * 60'000 / rate) + 1;
    pause = std::min(pause, std::chrono::milliseconds(token));
  }
  wake_ = Timer(clock_, clock_.now() + pause, [this] { let_in(); });
}

void Admission::asked(const std::string& provider) {
  const auto found = let_in_.find(provider);
  if (found != let_in_.end() && --found->second <= 0) let_in_.erase(found);
}

void Admission::leave(const std::string& name, Duration lived) {
  --used_;
  Tenant& tenant = tenants_[name];
  --tenant.places;
  refresh(tenant);
  tenant.hours[static_cast<std::size_t>(tenant.hour % 24)] += lived;
  let_in();
  forget_idle();
}

// A tenant that is as if it had never come.
void Admission::forget_idle() {
  for (auto row = tenants_.begin(); row != tenants_.end();) {
    Tenant& tenant = row->second;
    std::erase_if(tenant.queues, [](const auto& queue) { return queue.second.empty(); });
    const bool counts_minutes =
        limits_.tenant_minutes_per_day > 0 && minutes_used(tenant) > Duration::zero();
    const bool full = tenant.tokens + 0.001 >= limits_.tenant_creations_per_minute;
    const bool idle = tenant.places == 0 && tenant.queues.empty() && !counts_minutes && full;
    row = idle ? tenants_.erase(row) : std::next(row);
  }
}

void Admission::drain() {
  draining_ = true;
  wake_.reset();
  for (auto& [name, tenant] : tenants_)
    for (auto& [provider, queue] : tenant.queues)
      while (!queue.empty()) {
        Waiter* waiter = queue.front();
        queue.pop_front();
        --waiting_;
        waiter->turn.set();
      }
}

}  // namespace troupe::sessions
