#include "interact/observed.h"

#include <algorithm>

#include "interact/phrase.h"
#include "interact/selector.h"

namespace troupe::interact {
namespace {

constexpr std::size_t kNameMax = 80;

/// Whether a selector with `role` finds elements of the role `have`, as the page's script has it.
bool role_covers(const std::string& role, const Candidate& have) {
  if (have.role == role) return true;
  constexpr std::string_view kTexts[] = {"searchbox", "combobox", "spinbutton", "date"};
  if (role == "textbox")
    return std::find(std::begin(kTexts), std::end(kTexts), have.role) != std::end(kTexts);
  if (role == "combobox") return have.tag == "select";
  if (role == "listbox") return have.role == "combobox";
  if (role == "menuitem") return have.role.starts_with("menuitem");
  return (role == "img" || role == "image") && (have.role == "img" || have.role == "image");
}

template <class Match>
bool only_one(const Snapshot& snapshot, Match match) {
  return std::count_if(snapshot.elements.begin(), snapshot.elements.end(), match) == 1;
}

bool usable(const std::string& text) { return !text.empty() && text.size() <= kNameMax; }

std::string kind_of(const Clause& clause, const Candidate& element) {
  switch (clause.verb) {
    case Verb::click: return std::string(usual_action(element));
    case Verb::double_click: return "double_click";
    case Verb::right_click: return "right_click";
    default: return std::string(to_string(clause.verb));
  }
}

}  // namespace

std::string stable_selector(const Candidate& c, const Snapshot& snapshot) {
  const auto same_id = [&](const Candidate& other) { return other.test_id == c.test_id; };
  if (!c.test_id.empty() && only_one(snapshot, same_id)) return "test_id=" + quoted(c.test_id);
  const std::string name = to_lower(c.name);
  const auto same_name = [&](const Candidate& other) {
    return role_covers(c.role, other) && to_lower(other.name) == name;
  };
  const bool real_role = !c.role.empty() && c.role != "text" && c.role != "generic" && !c.pointer;
  if (real_role && usable(c.name) && only_one(snapshot, same_name))
    return "role=" + c.role + "[name=" + quoted(c.name) + "]";
  const std::string label = to_lower(c.label);
  const auto same_label = [&](const Candidate& other) { return to_lower(other.label) == label; };
  if (usable(c.label) && only_one(snapshot, same_label)) return "label=" + quoted(c.label);
  const std::string shown = to_lower(c.placeholder);
  const auto same_shown = [&](const Candidate& o) { return to_lower(o.placeholder) == shown; };
  if (usable(c.placeholder) && only_one(snapshot, same_shown))
    return "placeholder=" + quoted(c.placeholder);
  return {};
}

std::vector<Observed> rank_for(const std::string& instruction, const Snapshot& snapshot,
                               std::size_t limit) {
  std::vector<Observed> out;
  const auto add = [&](const Candidate* element, std::string kind) {
    const bool known = std::any_of(out.begin(), out.end(),
                                   [&](const Observed& row) { return row.element == element; });
    if (!known && out.size() < limit) out.push_back({element, std::move(kind)});
  };
  const auto clauses = parse_instruction(instruction);
  for (const Clause& clause : clauses ? *clauses : std::vector<Clause>{}) {
    const auto found = resolve(clause, snapshot);
    if (!found) continue;
    for (const Candidate& element : snapshot.elements)
      if (element.ref == found->ref) add(&element, kind_of(clause, element));
  }
  for (const Clause& clause : clauses ? *clauses : std::vector<Clause>{})
    if (!clause.target.text.empty())
      for (const Candidate* element : rank(clause.target.text, snapshot, limit))
        add(element, std::string(usual_action(*element)));
  for (const Candidate* element : rank(instruction, snapshot, limit))
    add(element, std::string(usual_action(*element)));
  return out;
}

}  // namespace troupe::interact
