// The real engine, worker, pool, executor and store logic on virtual time: thousands of worlds
// with faults, each from one seed. TROUPE_SEED=n plays one and prints what happened in it;
// TROUPE_SEEDS=n says how many are played, TROUPE_FIRST_SEED=n from where.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

#include "engine/testing_simulation.h"

namespace troupe::simulation {
namespace {

constexpr std::uint64_t kSeeds = 10'000;
constexpr std::size_t kLastLines = 60;
constexpr std::size_t kBrokenMax = 10;  // then it is clear enough

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

std::string story_of(std::uint64_t seed, std::size_t lines_max) {
  const Verdict verdict = play(seed, true);
  std::string text = "seed " + std::to_string(seed) + " (TROUPE_SEED=" + std::to_string(seed) +
                     " plays it again)\n";
  const std::size_t lines = verdict.trace.size();
  for (std::size_t i = lines > lines_max ? lines - lines_max : 0; i < lines; ++i)
    text += "  " + verdict.trace[i] + "\n";
  for (const std::string& violation : verdict.violations) text += "  BROKEN " + violation + "\n";
  return text;
}

// Seeds are shared out among threads: each world is its own.
class Season {
 public:
  Season(std::uint64_t first, std::uint64_t seeds) : next_(first), end_(first + seeds) {}

  void play_all() {
    std::vector<std::jthread> threads;
    const unsigned count = std::clamp(std::thread::hardware_concurrency(), 1U, 8U);
    for (unsigned i = 0; i < count; ++i) threads.emplace_back([this] { play_some(); });
  }

  Verdict sum;
  int played = 0;
  std::map<std::uint64_t, std::string> broken;  ///< Seed → the first rule.

 private:
  void play_some() {
    for (std::uint64_t seed = next_++; seed < end_; seed = next_++) {
      const Verdict verdict = play(seed, false);
      const std::lock_guard lock(mutex_);
      add(verdict);
      if (!verdict.violations.empty()) broken[seed] = verdict.violations.front();
      if (broken.size() >= kBrokenMax) return;
    }
  }

  void add(const Verdict& verdict) {
    ++played;
    sum.steps += verdict.steps;
    sum.tasks += verdict.tasks;
    sum.failed += verdict.failed;
    sum.effects += verdict.effects;
    sum.repeated += verdict.repeated;
    sum.kills += verdict.kills;
    sum.faults += verdict.faults;
  }

  std::atomic<std::uint64_t> next_;
  std::uint64_t end_;
  std::mutex mutex_;
};

TEST(Simulation, LosesNothingWhateverHappens) {
  if (std::getenv("TROUPE_SEED")) {
    const std::uint64_t seed = number_from("TROUPE_SEED", 0);
    std::fputs(story_of(seed, 100'000).c_str(), stderr);
    EXPECT_TRUE(play(seed, false).violations.empty());
    return;
  }
  Season season(number_from("TROUPE_FIRST_SEED", 1), number_from("TROUPE_SEEDS", kSeeds));
  season.play_all();
  const Verdict& sum = season.sum;
  std::printf(
      "%d seeds, %zu broken: %llu steps, %d tasks (%d failed), %d faults and %d kills, %d effects, "
      "%d of them repeated\n",
      season.played, season.broken.size(), static_cast<unsigned long long>(sum.steps), sum.tasks,
      sum.failed, sum.faults, sum.kills, sum.effects, sum.repeated);
  for (const auto& [seed, rule] : season.broken) ADD_FAILURE() << "seed " << seed << ": " << rule;
  if (!season.broken.empty()) ADD_FAILURE() << story_of(season.broken.begin()->first, kLastLines);
  EXPECT_GT(sum.kills, 0);
  EXPECT_GT(sum.effects, sum.tasks);
}

TEST(Simulation, PlaysASeedTheSameWayAgain) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Verdict once = play(seed, false);
    const Verdict again = play(seed, true);
    EXPECT_EQ(once.digest, again.digest) << seed;
    EXPECT_EQ(once.steps, again.steps) << seed;
  }
}

TEST(Simulation, TenantsTakeTurnsAndNothingStarves) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const Verdict verdict = play_crowd(seed);
    for (const std::string& rule : verdict.violations)
      ADD_FAILURE() << "seed " << seed << ": " << rule;
    std::printf(
        "seed %llu: while 4 tasks of one tenant were served, %d of another's 40 were; the lowest "
        "priority took %.0f s among urgent ones\n",
        static_cast<unsigned long long>(seed), verdict.overtaken, verdict.humble_s);
  }
}

}  // namespace
}  // namespace troupe::simulation
