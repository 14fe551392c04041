// The real engine, worker, pool, executor and store logic on virtual time: thousands of worlds
// with faults, each from one seed. TROUPE_SEED=n plays one and prints what happened in it;
// TROUPE_SEEDS=n says how many are played.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "engine/testing_simulation.h"

namespace troupe::simulation {
namespace {

constexpr std::uint64_t kSeeds = 300;
constexpr std::size_t kLastLines = 60;
constexpr int kFailuresShown = 10;

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

TEST(Simulation, LosesNothingWhateverHappens) {
  if (std::getenv("TROUPE_SEED")) {
    const std::uint64_t seed = number_from("TROUPE_SEED", 0);
    std::fputs(story_of(seed, 100'000).c_str(), stderr);
    EXPECT_TRUE(play(seed, false).violations.empty());
    return;
  }
  const std::uint64_t first = number_from("TROUPE_FIRST_SEED", 1);
  const std::uint64_t seeds = number_from("TROUPE_SEEDS", kSeeds);
  Verdict sum;
  int broken = 0;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    const Verdict verdict = play(seed, false);
    sum.steps += verdict.steps;
    sum.tasks += verdict.tasks;
    sum.effects += verdict.effects;
    sum.repeated += verdict.repeated;
    sum.kills += verdict.kills;
    sum.faults += verdict.faults;
    sum.failed += verdict.failed;
    if (verdict.violations.empty()) continue;
    if (broken++ < 1)
      ADD_FAILURE() << story_of(seed, kLastLines);
    else if (broken < kFailuresShown)
      ADD_FAILURE() << seed << ": " << verdict.violations.front();
  }
  std::printf(
      "%llu seeds, %d broken: %llu steps, %d tasks (%d failed), %d faults, %d kills, "
      "%d effects, %d of them repeated\n",
      static_cast<unsigned long long>(seeds), broken, static_cast<unsigned long long>(sum.steps),
      sum.tasks, sum.failed, sum.faults, sum.kills, sum.effects, sum.repeated);
  EXPECT_EQ(broken, 0);
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

}  // namespace
}  // namespace troupe::simulation
