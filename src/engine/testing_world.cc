#include "engine/testing_world.h"

#include <algorithm>

namespace troupe::simulation {
namespace {

constexpr std::uint64_t kStepsPerMoment = 200'000;  // beyond it somebody runs in circles
constexpr std::size_t kTraceLines = 400;
const WallTime kBegin{std::chrono::seconds(1'790'000'000)};

}  // namespace

SteadyTime Place::now() const { return world_.now(); }

WallTime Place::wall() const {
  const Duration since = std::chrono::milliseconds(world_.ms()) + wall_offset;
  return kBegin + std::chrono::duration_cast<WallTime::duration>(since);
}

Clock::TimerId Place::at(SteadyTime when, std::function<void()> callback) {
  const TimerId id = ++last_timer_;
  timers_.emplace(std::pair{when, id}, std::move(callback));
  due_.emplace(id, when);
  return id;
}

void Place::cancel(TimerId id) {
  const auto row = due_.find(id);
  if (row == due_.end()) return;
  timers_.erase({row->second, id});
  due_.erase(row);
}

Place::Executor Place::executor() { return {*this, true}; }
asio::any_io_executor Place::any() { return executor(); }

void Place::spawn(asio::awaitable<void> work) {
  asio::co_spawn(any(), std::move(work), [this](std::exception_ptr exception) {
    if (exception) die_of_bug(name_, exception);
  });
}

SteadyTime Place::next_timer() const {
  if (life != Life::running || timers_.empty()) return SteadyTime::max();
  return timers_.begin()->first.first;
}

World::World(std::uint64_t seed, bool shuffle) : random(seed), shuffle_(shuffle) {}

Duration World::between(Duration low, Duration high) {
  return Duration(random.between(low.count(), high.count()));
}

Place& World::add_place(std::string name) {
  places_.push_back(std::make_unique<Place>(*this, std::move(name)));
  return *places_.back();
}

std::int64_t World::ms() const {
  const auto since = now_ - SteadyTime(std::chrono::hours(1000));
  return std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
}

bool World::step() {
  ++steps_;
  runnable_.clear();
  for (const auto& place : places_)
    if (place->can_run()) runnable_.push_back(place.get());
  if (runnable_.empty()) return advance();
  if (++steps_at_this_time_ > kStepsPerMoment) {
    broken("runs in circles without time passing");
    return false;
  }
  const auto last = static_cast<std::int64_t>(runnable_.size()) - 1;
  run_one(*runnable_[static_cast<std::size_t>(last ? random.between(0, last) : 0)]);
  return true;
}

void World::run_one(Place& place) {
  if (before_handler) before_handler(place);
  if (!place.can_run()) return;
  const auto last = static_cast<std::int64_t>(place.ready_.size()) - 1;
  const auto chosen = place.ready_.begin() + (shuffle_ && last ? random.between(0, last) : 0);
  const std::unique_ptr<Place::Job> job = std::move(*chosen);
  place.ready_.erase(chosen);
  current_ = &place;
  job->run();
  current_ = nullptr;
}

// Nobody can do anything now: on to the next timer of those who live.
bool World::advance() {
  Place* first = nullptr;
  for (const auto& place : places_)
    if (!first || place->next_timer() < first->next_timer()) first = place.get();
  if (!first || first->next_timer() == SteadyTime::max()) return false;
  auto timer = first->timers_.extract(first->timers_.begin());
  first->due_.erase(timer.key().second);
  if (timer.key().first > now_) {
    now_ = timer.key().first;
    steps_at_this_time_ = 0;
  }
  current_ = first;
  timer.mapped()();
  current_ = nullptr;
  return true;
}

void World::broken(std::string rule) {
  trace("RULE", rule);
  violations.push_back(std::to_string(ms()) + " ms: " + std::move(rule));
}

void World::trace(const std::string& who, const std::string& what) {
  if (!keep_trace) return;
  lines.push_back(std::to_string(ms()) + " ms  " + who + ": " + what);
  if (lines.size() > kTraceLines) lines.pop_front();
}

}  // namespace troupe::simulation
