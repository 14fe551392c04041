// Parts of `act` that several files share: looking, resolving, and the clauses that take more than
// one press.
#pragma once

#include "interact/handlers.h"

namespace troupe::interact::native {

/// The target of what was resolved.
Target target_of(const Resolution& found);
/// `listed`: with the places of elements in the page's main list, which costs some time.
Async<Snapshot> look(Context& ctx, NativeTab& tab, bool listed = false, std::string colour = {});
/// Looks again after each change of the page, until the time is up. What is ambiguous gets half a
/// second to become clear.
Async<Resolution> resolve_waiting(Context& ctx, NativeTab& tab, const Clause& clause,
                                  Duration patience);
/// Finds the element and acts on it; when the page replaces it in between, once more.
Async<ActionResult> find_and_perform(Context& ctx, NativeTab& tab, const Clause& clause,
                                     Duration patience);

// act_widgets.cc
/// Sets a slider that is no form field by its arrow keys.
Async<ActionResult> slide(Context& ctx, NativeTab& tab, const Resolution& found, double wanted);
/// Chooses a day (`2016-12-09`) in the calendar that the field opens.
Async<ActionResult> pick_date(Context& ctx, NativeTab& tab, const Resolution& found,
                              std::string day);
/// The day that a text means, as `2016-12-09`; empty: none.
Async<std::string> day_meant(Context& ctx, NativeTab& tab, std::string text);
Async<ActionResult> drag(Context& ctx, NativeTab& tab, const Clause& clause, Duration patience);
/// The same for an element that is known.
Async<ActionResult> drag_ref(Context& ctx, NativeTab& tab, const Clause& clause, int ref);
/// Presses at `from`, moves to `to` in steps, as a hand does, and lets go.
Async<void> drag_between(Context& ctx, NativeTab& tab, std::pair<double, double> from,
                         std::pair<double, double> to);
/// copy, paste, highlight.
Async<ActionResult> text_action(Context& ctx, NativeTab& tab, const Clause& clause,
                                Duration patience);
/// The text that a described value means.
Async<std::string> described_text(Context& ctx, NativeTab& tab, std::string words);

// act_several.cc
/// Menus, one inside the other.
Async<ActionResult> follow_menus(Context& ctx, NativeTab& tab, const Clause& clause,
                                 Duration patience);
/// Several options where no single list has them: each is ticked or clicked.
Async<ActionResult> choose_each(Context& ctx, NativeTab& tab, const Clause& clause,
                                Duration patience);
/// `both fields`, `all Like buttons`.
Async<ActionResult> act_on_all(Context& ctx, NativeTab& tab, const Clause& clause,
                               Duration patience);
/// Turns the page of a list, where there is a next one that was not seen yet.
Async<bool> turn_page(Context& ctx, NativeTab& tab);
/// Opens what is closed (tabs, sections, tree nodes, menus) until the element is there.
Async<ActionResult> explore(Context& ctx, NativeTab& tab, const Clause& clause, Duration patience);

// act_unsaid.cc
/// Whether the clause only puts something into the page, so that what comes up after it answers
/// nothing.
bool only_enters(const Clause& clause);
/// Presses Cancel or the like of the only popup that asks something; false: there is none.
Async<bool> dismiss_popup(Context& ctx, NativeTab& tab);
/// "press login".
bool means_login(const Clause& clause);
/// Where nothing is called so: the only button of the form that has the page's only password.
/// Errors: `absent`, when there is no such button.
Async<ActionResult> press_login(Context& ctx, NativeTab& tab, Error absent);

}  // namespace troupe::interact::native
