// A world on virtual time with a seeded scheduler: places (processes) that run handlers one by
// one, and can be frozen or killed between any two of them. Tests only.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/async.h"
#include "base/random.h"

namespace troupe::simulation {

class World;

/// One process: its ready handlers, its timers, its clock. Handlers run in the order in which they
/// became ready (as in an io_context with one thread), or in any order when the world shuffles.
class Place final : public asio::execution_context, public Clock {
 public:
  class Executor;
  enum class Life {
    running,
    frozen,  ///< Neither handlers nor timers run; it catches up when it thaws.
    killed,  ///< The same for ever, but for World::bury().
  };

  Place(World& world, std::string name) : world_(world), name_(std::move(name)) {}
  ~Place() override { asio::execution_context::shutdown(); }

  SteadyTime now() const override;
  WallTime wall() const override;
  TimerId at(SteadyTime when, std::function<void()> callback) override;
  void cancel(TimerId id) override;

  Executor executor();
  Context context() { return Context(*this, any()); }
  asio::any_io_executor any();
  /// Runs `work` as a coroutine of this place.
  void spawn(asio::awaitable<void> work);
  const std::string& name() const { return name_; }

  Life life = Life::running;
  Duration wall_offset{};  ///< Jumps of its wall clock.
  SteadyTime thawed_at{};  ///< Until then it could not know what time it is.

 private:
  friend class World;
  struct Job {
    virtual ~Job() = default;
    virtual void run() = 0;
  };
  template <class Work>
  struct JobOf;
  bool can_run() const { return life == Life::running && !ready_.empty(); }
  SteadyTime next_timer() const;

  World& world_;
  std::string name_;
  std::deque<std::unique_ptr<Job>> ready_;
  TimerId last_timer_ = 0;
  std::map<std::pair<SteadyTime, TimerId>, std::function<void()>> timers_;
  std::map<TimerId, SteadyTime> due_;
};

/// The time and the order of everything. The same seed gives the same history.
class World final {
 public:
  explicit World(std::uint64_t seed, bool shuffle);

  Random random;
  bool happens(double chance) { return random.unit() < chance; }
  Duration between(Duration low, Duration high);

  /// Places live as long as the world.
  Place& add_place(std::string name);
  SteadyTime now() const { return now_; }
  /// Time since the world began, in ms.
  std::int64_t ms() const;
  /// One handler, or a step of time to the next timer. False: nothing is left to do.
  bool step();
  std::uint64_t steps() const { return steps_; }
  bool running_now(const Place& place) const { return current_ == &place; }

  /// Called before each handler of the place: it may kill or freeze it (then it does not run).
  std::function<void(Place&)> before_handler;
  /// Broken rules; the first one ends a simulation.
  std::vector<std::string> violations;
  void broken(std::string rule);
  /// The last lines of what happened, when kept.
  bool keep_trace = false;
  void trace(const std::string& who, const std::string& what);
  std::deque<std::string> lines;

 private:
  friend class Place;
  void run_one(Place& place);
  bool advance();

  bool shuffle_;
  SteadyTime now_{std::chrono::hours(1000)};
  std::vector<std::unique_ptr<Place>> places_;
  std::vector<Place*> runnable_;
  Place* current_ = nullptr;
  std::uint64_t steps_ = 0;
  std::uint64_t steps_at_this_time_ = 0;
};

class Place::Executor {
 public:
  Executor(Place& place, bool inline_allowed) : place_(&place), inline_allowed_(inline_allowed) {}

  asio::execution_context& query(asio::execution::context_t) const noexcept { return *place_; }
  asio::execution::blocking_t query(asio::execution::blocking_t) const noexcept {
    return inline_allowed_ ? asio::execution::blocking_t(asio::execution::blocking.possibly)
                           : asio::execution::blocking_t(asio::execution::blocking.never);
  }
  Executor require(asio::execution::blocking_t::never_t) const noexcept { return {*place_, false}; }
  Executor require(asio::execution::blocking_t::possibly_t) const noexcept {
    return {*place_, true};
  }
  template <class Work>
  void execute(Work&& work) const;
  bool operator==(const Executor& other) const noexcept = default;

 private:
  Place* place_;
  bool inline_allowed_;
};

template <class Work>
struct Place::JobOf final : Place::Job {
  explicit JobOf(Work w) : work(std::move(w)) {}
  void run() override { std::move(work)(); }
  Work work;
};

template <class Work>
void Place::Executor::execute(Work&& work) const {
  if (inline_allowed_ && place_->world_.running_now(*place_)) {
    std::decay_t<Work> now(std::forward<Work>(work));
    std::move(now)();
    return;
  }
  place_->ready_.push_back(std::make_unique<JobOf<std::decay_t<Work>>>(std::forward<Work>(work)));
}

}  // namespace troupe::simulation
