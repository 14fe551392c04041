// What `observe` tells: elements ranked for an instruction, each with a selector that finds it
// again. No I/O.
#pragma once

#include "interact/resolver.h"

namespace troupe::interact {

/// By test id, role and name, label or placeholder; empty when none of them is the element's alone.
std::string stable_selector(const Candidate& candidate, const Snapshot& snapshot);

struct Observed {
  const Candidate* element = nullptr;
  std::string kind;  ///< What is done with it: click, fill, select, …
};
/// First what `act` would take for the instruction, part by part; then what resembles it. All
/// elements, in page order, when it is empty.
std::vector<Observed> rank_for(const std::string& instruction, const Snapshot& snapshot,
                               std::size_t limit);

}  // namespace troupe::interact
