// Sentences that can only be carried out after something was read from the page: the cheapest of
// the flights, the small red circle, the moment when a price is low enough, the answer of a sum.
// Grammar only; act_readings.cc and act_figures.cc do them. No I/O.
#pragma once

#include <optional>
#include <vector>

#include "interact/instruction.h"
#include "interact/phrase.h"

namespace troupe::interact {

/// Adds the clause that the words mean, with `Clause::reading`. False: they mean no such thing.
bool parse_reading(const Phrase& phrase, std::vector<Clause>& out);
/// "Solve the problem" ahead of "and type the answer": says nothing that is done by itself.
bool only_thinks(const Phrase& phrase);
/// After such a clause: "type the answer" means not these words.
bool names_answer(const Clause& clause);
/// "press submit when done": when is clear from the order.
Phrase without_when(Phrase phrase);
/// `small red circles`; nothing when a word of it is not understood.
std::optional<Figure> parse_figure(Phrase phrase);

/// For the page script.
json::object to_json(const Figure& figure);

}  // namespace troupe::interact
