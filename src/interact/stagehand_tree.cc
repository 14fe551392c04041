#include "interact/stagehand_tree.h"

#include <algorithm>
#include <array>

#include "interact/phrase.h"

namespace troupe::interact {
namespace {

constexpr std::size_t kContextMax = 240;
constexpr std::size_t kNodesMax = 20'000;

struct Node {
  std::string id, role, name;
  std::size_t depth = 0;
  std::size_t parent = std::string::npos;
  std::size_t end = 0;  ///< One past its last descendant.
  bool selected = false, checked = false;
};

bool take_end(std::string_view& text, std::string_view mark) {
  if (!text.ends_with(mark)) return false;
  text.remove_suffix(mark.size());
  return true;
}

std::optional<Node> node_of(std::string_view line) {
  const auto begin = line.find_first_not_of(' ');
  if (begin == std::string_view::npos || line[begin] != '[') return std::nullopt;
  const auto close = line.find("] ", begin);
  const std::string_view id = line.substr(begin + 1, close - begin - 1);
  const bool plain = close != std::string_view::npos && !id.empty() &&
                     id.find_first_not_of("0123456789-") == std::string_view::npos &&
                     id.find('-') != std::string_view::npos;
  if (!plain) return std::nullopt;
  Node node{.id = std::string(id), .depth = begin / 2};
  std::string_view rest = line.substr(close + 2);
  node.selected = take_end(rest, " [selected]");
  node.checked = take_end(rest, " [checked]");
  const auto colon = rest.find(": ");
  node.role = rest.substr(0, colon);
  if (colon != std::string_view::npos) node.name = rest.substr(colon + 2);
  const auto comma = node.role.find(", ");  // "scrollable, div"
  if (comma != std::string::npos) node.role.erase(0, comma + 2);
  return node;
}

std::vector<Node> nodes_of(std::string_view text) {
  std::vector<Node> nodes;
  std::vector<std::size_t> open;
  while (!text.empty() && nodes.size() < kNodesMax) {
    const auto end = std::min(text.find('\n'), text.size());
    auto node = node_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!node) continue;
    while (!open.empty() && nodes[open.back()].depth >= node->depth) {
      nodes[open.back()].end = nodes.size();
      open.pop_back();
    }
    if (!open.empty()) node->parent = open.back();
    open.push_back(nodes.size());
    nodes.push_back(std::move(*node));
  }
  for (const std::size_t index : open) nodes[index].end = nodes.size();
  return nodes;
}

std::string text_within(const std::vector<Node>& nodes, std::size_t index) {
  std::string text;
  for (std::size_t i = index; i < nodes[index].end && text.size() < kContextMax; ++i) {
    const bool listed = nodes[i].role == "option" || nodes[i].role == "MenuListPopup";
    if (!nodes[i].name.empty() && !listed) text += (text.empty() ? "" : " ") + nodes[i].name;
  }
  if (text.size() <= kContextMax) return text;
  std::size_t end = kContextMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

template <std::size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

constexpr std::array<std::string_view, 16> kRegions = {
    "row",         "listitem",   "article",  "group",    "region", "dialog",
    "alertdialog", "form",       "table",    "tabpanel", "menu",   "listbox",
    "radiogroup",  "navigation", "fieldset", "section"};
constexpr std::array<std::string_view, 10> kTypable = {
    "textbox",  "searchbox", "spinbutton", "slider", "Date",
    "DateTime", "InputTime", "combobox",   "date",   "TextField"};

bool has_twins(const std::vector<Node>& nodes, std::size_t index) {
  const Node& node = nodes[index];
  if (node.role != "div" && node.role != "generic") return false;
  int kin = 0;
  const std::size_t from = node.parent == std::string::npos ? 0 : node.parent + 1;
  const std::size_t to = node.parent == std::string::npos ? nodes.size() : nodes[node.parent].end;
  for (std::size_t i = from; i < to && kin < 2; i = nodes[i].end)
    if (nodes[i].role == node.role) ++kin;
  return kin > 1;
}

void add_context(Candidate& candidate, const std::vector<Node>& nodes, std::size_t index) {
  for (std::size_t up = nodes[index].parent; up != std::string::npos; up = nodes[up].parent) {
    const Node& region = nodes[up];
    if (region.role == "dialog" || region.role == "alertdialog") candidate.in_dialog = true;
    if (candidate.context.size() >= 3) continue;
    if (!is_one_of(region.role, kRegions) && !has_twins(nodes, up)) continue;
    std::string text = text_within(nodes, up);
    const bool said = !candidate.context.empty() && candidate.context.back() == text;
    if (!text.empty() && text != candidate.name && !said)
      candidate.context.push_back(std::move(text));
  }
}

// Role and tag as the native snapshot has them.
void name_kind(Candidate& candidate, const Node& node) {
  struct Kind {
    std::string_view theirs, role, tag;
  };
  constexpr std::array kKinds = std::to_array<Kind>({{"select", "combobox", "select"},
                                                     {"combobox", "combobox", "input"},
                                                     {"Date", "date", "input"},
                                                     {"DateTime", "date", "input"},
                                                     {"InputTime", "date", "input"},
                                                     {"TextField", "textbox", "input"},
                                                     {"StaticText", "text", "span"},
                                                     {"LabelText", "text", "label"},
                                                     {"DisclosureTriangle", "button", "summary"},
                                                     {"ToggleButton", "button", "button"},
                                                     {"popUpButton", "button", "button"},
                                                     {"image", "img", "img"},
                                                     {"gridcell", "cell", "td"}});
  candidate.role = node.role;
  for (const Kind& kind : kKinds)
    if (kind.theirs == node.role) {
      candidate.role = kind.role;
      candidate.tag = kind.tag;
    }
  if (!candidate.tag.empty()) return;
  candidate.tag = node.role;
  if (is_one_of(node.role, kTypable)) candidate.tag = "input";
}

constexpr std::array<std::string_view, 24> kWidgets = {"button",       "link",
                                                       "textbox",      "searchbox",
                                                       "combobox",     "listbox",
                                                       "checkbox",     "radio",
                                                       "switch",       "slider",
                                                       "tab",          "menuitem",
                                                       "option",       "menuitemradio",
                                                       "treeitem",     "spinbutton",
                                                       "select",       "menuitemcheckbox",
                                                       "Date",         "DateTime",
                                                       "InputTime",    "DisclosureTriangle",
                                                       "ToggleButton", "TextField"};

bool inside_select(const std::vector<Node>& nodes, std::size_t index) {
  for (std::size_t up = nodes[index].parent; up != std::string::npos; up = nodes[up].parent)
    if (nodes[up].role == "select") return true;
  return false;
}

Candidate candidate_of(const std::vector<Node>& nodes, std::size_t index,
                       const std::string& heading) {
  const Node& node = nodes[index];
  Candidate candidate{.ref = static_cast<int>(index), .name = node.name, .heading = heading};
  name_kind(candidate, node);
  if (candidate.tag == "label") candidate.name = text_within(nodes, index);
  candidate.checked = node.checked || node.selected;
  candidate.in_view = true;
  // Only what is inside what is known: as if all stood below each other.
  candidate.box = {0, static_cast<int>(index) * 10, 0,
                   static_cast<int>(node.end - index - 1) * 10 + 1};
  for (std::size_t i = index + 1; i < node.end; ++i) {
    if (node.role == "select" && nodes[i].role == "option")
      candidate.options.push_back(nodes[i].name);
    if (is_one_of(node.role, kTypable) && nodes[i].role == "StaticText")
      candidate.value += nodes[i].name;
  }
  add_context(candidate, nodes, index);
  return candidate;
}

}  // namespace

std::string StagehandTree::id_of(int ref) const {
  const bool known = ref >= 0 && static_cast<std::size_t>(ref) < ids.size();
  return known ? ids[static_cast<std::size_t>(ref)] : std::string();
}

std::string_view tree_in(std::string_view prompt) {
  for (const std::string_view title : {"Accessibility Tree: \n", "DOM: "}) {
    const auto place = prompt.find(title);
    if (place != std::string_view::npos) return prompt.substr(place + title.size());
  }
  return {};
}

StagehandTree read_stagehand_tree(std::string_view text) {
  const auto nodes = nodes_of(text);
  StagehandTree tree;
  std::vector<Candidate> texts;
  std::string heading;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    tree.ids.push_back(node.id);
    if (node.role == "heading") heading = node.name;
    if (node.role == "RootWebArea") tree.snapshot.title = node.name;
    const bool widget = is_one_of(node.role, kWidgets);
    const bool label = node.role == "LabelText";
    if ((!widget && !label && node.name.empty()) || node.role == "RootWebArea") continue;
    if (inside_select(nodes, i)) continue;
    Candidate candidate = candidate_of(nodes, i, heading);
    if (widget)
      tree.snapshot.elements.push_back(std::move(candidate));
    else
      texts.push_back(std::move(candidate));
  }
  std::move(texts.begin(), texts.end(), std::back_inserter(tree.snapshot.elements));
  return tree;
}

}  // namespace troupe::interact
