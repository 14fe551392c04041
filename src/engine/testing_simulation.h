// One seed: nodes, orders, faults, and what must hold when all of it is over. Tests only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/testing_cast.h"

namespace troupe::simulation {

/// What became of a seed.
struct Verdict {
  std::vector<std::string> violations;
  std::vector<std::string> trace;
  std::uint64_t steps = 0;
  std::uint64_t digest = 0;  ///< Of the whole history: the same for the same seed.
  int tasks = 0, effects = 0, repeated = 0, kills = 0, faults = 0, failed = 0;
  // Of play_crowd().
  int overtaken = 0;    ///< Tasks of the large tenant served while the few of the other were.
  double humble_s = 0;  ///< How long the task of the lowest priority took among urgent ones.
};

/// Plays one seed to its end, or to the first broken rule.
Verdict play(std::uint64_t seed, bool keep_trace);

/// Without faults: a tenant with many tasks, one with few that come later, and one task of the
/// lowest priority while urgent ones keep coming.
Verdict play_crowd(std::uint64_t seed);

}  // namespace troupe::simulation
