// Words that begin clauses, and clauses that are told in another order than they are done. Grammar
// only. No I/O.
#pragma once

#include <string_view>

#include "interact/instruction.h"
#include "interact/phrase.h"

namespace troupe::interact {

struct VerbRow {
  std::string_view words;
  Verb verb;
  bool alone = false;  ///< Says enough without an object.
};

/// The verb that begins at `at`; null: none does.
const VerbRow* verb_at(const Phrase& phrase, std::size_t at);

/// "Before pressing Save, tick A", "press Save after ticking A": as "tick A, then press Save".
Phrase plain_order(Phrase phrase);
/// Whether it still begins with what comes before or after something else.
bool out_of_order(const Phrase& phrase);

}  // namespace troupe::interact
