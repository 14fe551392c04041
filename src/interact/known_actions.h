// What of an instruction can be remembered, and the replay of what is: between `act` and the action
// cache.
#pragma once

#include <functional>

#include "interact/act_steps.h"
#include "interact/action_cache.h"

namespace troupe::interact {

/// `https://shop.example` and `/orders/*`: numbers, ids and the query are left out. Empty for what
/// has no address of its own (about:, data:).
struct Place {
  std::string site, path;
};
Place place_of(std::string_view url);

/// Whether what the clause means depends on one element's name alone. Not so for what is told by
/// its place, its colour or its number, and not for several elements.
bool can_remember(const Clause& clause);
/// The words that say which element is meant, without those that say what to do with it.
std::string remembered_words(const Clause& clause);

/// What element `ref` is found again by; null: by nothing that is certain.
std::shared_ptr<const KnownElement> known_element(const Snapshot& snapshot, int ref,
                                                  const Clause& clause);
/// Whether any value of the variables stands in what would be stored.
bool holds_value(const KnownAction& action, const json::object& variables);

namespace native {

/// How a part of an instruction is done. Neither is a coroutine that captures: they call one.
struct PartHands {
  /// Without the cache; fills in tab.learned().
  std::function<Async<ActionResult>(Context&, const Clause&, Duration patience)> fresh;
  /// On the element that is known; `clause`: with what a model said is to be done.
  std::function<Async<ActionResult>(Context&, const Clause&, const Resolution&)> on;
};

/// Does the clause on the element that it meant before, if that is there and certain; else as
/// `hands.fresh` does, and remembers. The result's detail says `(cache: hit|healed|miss)`.
Async<ActionResult> perform_remembered(Context& ctx, NativeTab& tab, const Clause& clause,
                                       Duration patience, const PartHands& hands);

/// The native way to do a part without the cache.
using PerformPart = Async<ActionResult> (*)(Context& ctx, NativeTab& tab, const Clause& clause,
                                            Duration patience);
Async<ActionResult> perform_remembered(Context& ctx, NativeTab& tab, const Clause& clause,
                                       Duration patience, PerformPart perform);

}  // namespace native
}  // namespace troupe::interact
