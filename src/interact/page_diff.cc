#include "interact/page_diff.h"

#include <algorithm>
#include <map>

#include "interact/concealed.h"

namespace troupe::interact {

std::string clipped(std::string_view text, std::size_t most) {
  std::string out;
  for (const char c : text.substr(0, most)) out += c == '\n' || c == '\r' ? ' ' : c;
  while (!out.empty() && text.size() > most && (static_cast<unsigned char>(out.back()) & 0x80))
    out.pop_back();  // no half character
  return out;
}

namespace {

std::string line_of(const Candidate& c) {
  std::string line = c.role.empty() ? c.tag : c.role;
  const std::string& name = c.name.empty() ? c.label : c.name;
  if (!name.empty()) line += " \"" + clipped(name, 80) + "\"";
  if (name.empty() && !c.placeholder.empty())
    line += " placeholder \"" + clipped(c.placeholder, 60) + "\"";
  if (name.empty() && !c.tokens.empty()) line += " (" + clipped(c.tokens, 60) + ")";
  if (!c.value.empty())
    line += c.type == "password" ? " filled" : " = \"" + clipped(c.value, 60) + "\"";
  if (c.disabled) line += " disabled";
  if (c.checked) line += " checked";
  if (c.expanded >= 0) line += c.expanded ? " open" : " closed";
  for (std::size_t o = 0; o < c.options.size() && o < 12; ++o)
    line += (o == 0 ? " options: " : " | ") + clipped(c.options[o], 30);
  return line;
}

std::string head_of(const PageView& view) {
  return "Page: " + view.title + " (" + view.url + ")\n";
}

}  // namespace

PageView view_of(const Snapshot& snapshot, std::uint64_t document, const json::object& secrets,
                 std::size_t rows_max) {
  PageView view{.document = document};
  view.url = concealed(clipped(snapshot.url, 200), secrets);
  view.title = concealed(clipped(snapshot.title, 120), secrets);
  std::map<std::string, int> same;
  for (const Candidate& c : snapshot.elements) ++same[c.role + "\n" + c.name];
  for (const Candidate& c : snapshot.elements) {
    if (view.rows.size() >= rows_max) break;
    std::string line = line_of(c);
    if (same[c.role + "\n" + c.name] > 1 && !c.context.empty())
      line += " in: " + clipped(c.context.front(), 80);
    view.rows.emplace_back(c.ref, concealed(std::move(line), secrets));
  }
  view.left_out = snapshot.elements.size() - view.rows.size();
  return view;
}

std::string whole_page(const PageView& view) {
  std::string text = head_of(view);
  for (const auto& [ref, line] : view.rows) text += std::to_string(ref) + " " + line + "\n";
  if (view.left_out > 0) text += "(" + std::to_string(view.left_out) + " more are not listed)\n";
  return text;
}

std::string page_changes(const PageView& before, const PageView& now) {
  if (before.document != now.document) return whole_page(now);
  const std::map<int, std::string> old(before.rows.begin(), before.rows.end());
  const std::map<int, std::string> fresh(now.rows.begin(), now.rows.end());
  std::string text;
  for (const auto& [ref, line] : before.rows)
    if (!fresh.contains(ref)) text += "- " + std::to_string(ref) + "\n";
  for (const auto& [ref, line] : now.rows) {
    const auto known = old.find(ref);
    if (known == old.end())
      text += "+ " + std::to_string(ref) + " " + line + "\n";
    else if (known->second != line)
      text += "~ " + std::to_string(ref) + " " + line + "\n";
  }
  const bool moved = before.url != now.url || before.title != now.title;
  if (moved) text = head_of(now) + text;
  std::string whole = whole_page(now);
  return text.size() < whole.size() ? text : whole;
}

}  // namespace troupe::interact
