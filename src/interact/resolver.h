// Which element an instruction means: scores the elements of a snapshot, and answers only when one
// is clearly the best. No I/O.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "interact/instruction.h"

namespace troupe::interact {

/// One element of a snapshot (assets/interact/snapshot.js).
struct Candidate {
  int ref = -1;
  std::string tag, role, name, label, placeholder, value, type, href;
  std::string tokens;       ///< Words of id, class, data attributes: what nameless icons have.
  std::string id, test_id;  ///< Where they are no random ones.
  std::string heading;      ///< The heading before it.
  std::vector<std::string> context;  ///< Texts of the regions around it, nearest first.
  std::vector<std::string> options;  ///< Of a select.
  bool pointer = false;              ///< Plain element with a hand cursor.
  bool disabled = false, readonly = false, checked = false, in_view = false, in_dialog = false;
  int expanded = -1;      ///< 1 open, 0 closed, -1: it does not say.
  bool coloured = false;  ///< Has the colour that was asked for.
  int item = 0;           ///< The link of which item of the page's main list, from 1; 0: of none.
  std::array<int, 4> box{};
};

struct Snapshot {
  std::vector<Candidate> elements;
  int hidden = 0;
  int frames = 0;  ///< Visible frames of other origins, which are not in the list.
  int focused = -1;
  std::string url, title;
  std::string shape;  ///< Of the page: which forms, fields and regions it has.
};
Snapshot read_snapshot(const json::value& value);

struct KnownElement;

struct Resolution {
  int ref = -1;
  std::string what;  ///< `button "Search"`.
  std::string role, tag, type;
  bool checked = false;
  double score = 0;
  bool readonly = false;
  /// What it is found again by; null: not to be remembered.
  std::shared_ptr<const KnownElement> known;
};

/// The element that the clause means.
/// Errors: target_not_found, target_ambiguous; the message lists up to 8 candidates.
Result<Resolution> resolve(const Clause& clause, const Snapshot& snapshot);
/// All that the clause means (`both fields`, `every Like button`), in page order; at most
/// `clause.target.most` when that is not 0.
/// Errors: target_not_found (none, or fewer than `most`).
Result<std::vector<Resolution>> resolve_all(const Clause& clause, const Snapshot& snapshot);
/// The only button that sends off what was entered: Submit, Save, Done, …
std::optional<Resolution> finishing_button(const Snapshot& snapshot);
/// Whether one list has all the options that the clause selects.
bool one_list_has_all(const Clause& clause, const Snapshot& snapshot);

/// `button "Search" at 12,40`.
std::string describe(const Candidate& candidate);
/// The elements most like `wanted`, for messages: `button "Search" at 12,40; …`. Empty when none
/// is.
std::string similar(std::string_view wanted, const Snapshot& snapshot);
/// Elements ranked for a free text (empty: all interactive ones, in page order).
std::vector<const Candidate*> rank(std::string_view wanted, const Snapshot& snapshot,
                                   std::size_t limit);
/// What is usually done with it: click, fill, select, check.
std::string_view usual_action(const Candidate& candidate);

}  // namespace troupe::interact
