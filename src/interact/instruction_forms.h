// Forms of sentences beyond verb and object: looking for something first, menu paths, dials and
// dates, dragging, copying, mail. Grammar only. No I/O.
#pragma once

#include <string>
#include <vector>

#include "interact/instruction.h"
#include "interact/phrase.h"

namespace troupe::interact {

/// "find and click …", "switch between the tabs to find and click …": drops the words that only say
/// that it may be hidden yet, and tells whether there were any.
bool take_search(Phrase& phrase);
/// Drops "Navigate through the file tree" ahead of other clauses; the same meaning.
bool take_wandering(std::vector<Phrase>& clauses);
/// "Find the email by Anna" ahead of other clauses: the place that they act in. "Find the 4th word
/// of the paragraph" becomes a clause that copies it.
std::string take_found(std::vector<Phrase>& clauses, std::vector<Clause>& out);

/// A value that says what to write instead of giving it: `the value of Gender`, `it`, `your
/// answer`.
bool is_described(Phrase phrase);
/// `"ada" in all upper case letters`: changes the quoted text and drops the words.
void set_case(Phrase& phrase);
/// `File > Export > PDF`.
bool parse_menu_path(const Phrase& rest, std::vector<Clause>& out);
/// `5 with the slider`, `3/14/2026 as the date`: values that are set, not chosen from a list.
bool parse_dial(const Phrase& rest, std::vector<Clause>& out);
/// The parts that commas and "and" tell apart.
std::vector<Phrase> items_of(const Phrase& phrase);
/// Several values, each with its field: `"ada" as the user and "x1" as the code`, `the user with
/// "ada" and the code with "x1"`.
bool parse_pairs(std::string_view verb, const Phrase& rest, std::vector<Clause>& out);
/// `the name Ada`, `the date 2026-03-14`: the field is named before the value.
bool parse_named_value(const Phrase& rest, std::vector<Clause>& out);
/// "select the text of the 2nd paragraph": nothing is chosen or ticked.
bool parse_marked_text(const Phrase& rest, std::vector<Clause>& out);
void parse_drag(Phrase rest, std::vector<Clause>& out);
/// copy, paste, highlight. False: it is no such action but the name of something.
bool parse_text_action(Verb verb, const Phrase& rest, std::vector<Clause>& out);
/// `delete the email from Anna`, `forward it to Bob`, `reply to them with the text "…"`.
bool parse_mail(const Phrase& phrase, std::vector<Clause>& out);
/// Whether such words begin at `at`.
bool mail_at(const Phrase& phrase, std::size_t at);

}  // namespace troupe::interact
