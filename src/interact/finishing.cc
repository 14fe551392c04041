// The button that sends off what was entered.
#include <algorithm>
#include <array>

#include "interact/phrase.h"
#include "interact/resolver.h"

namespace troupe::interact {

std::optional<Resolution> finishing_button(const Snapshot& snapshot) {
  constexpr std::array kWords = std::to_array<std::string_view>(
      {"submit", "save", "done", "ok", "search", "go", "go!", "find", "send", "apply", "continue",
       "finish", "confirm", "order", "order!", "place order", "submit order", "save changes"});
  const Candidate* only = nullptr;
  for (const Candidate& c : snapshot.elements) {
    const bool presses = c.role == "button" || c.pointer;
    if (!presses || c.disabled) continue;
    if (std::find(kWords.begin(), kWords.end(), to_lower(c.name)) == kWords.end()) continue;
    if (only) return std::nullopt;
    only = &c;
  }
  if (!only) return std::nullopt;
  return Resolution{.ref = only->ref,
                    .what = describe(*only),
                    .role = only->role,
                    .tag = only->tag,
                    .type = only->type,
                    .score = 1};
}

}  // namespace troupe::interact
