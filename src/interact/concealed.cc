#include "interact/concealed.h"

#include <algorithm>
#include <vector>

#include "net/url.h"

namespace troupe::interact {
namespace {

void replace_all(std::string& text, std::string_view what, std::string_view by) {
  if (what.empty()) return;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

/// As it may be written: plain, percent-encoded in both ways of forms, escaped for JSON.
std::vector<std::string> spellings(std::string_view value) {
  std::vector<std::string> all{std::string(value), net::percent_encode(value)};
  std::string form = all.back();
  replace_all(form, "%20", "+");
  all.push_back(std::move(form));
  const std::string quoted = json::serialize(json::string(value));
  all.push_back(quoted.substr(1, quoted.size() - 2));
  return all;
}

}  // namespace

Result<std::string> revealed(std::string text, const json::object& given) {
  for (std::size_t at = text.find('%'); at != std::string::npos && !given.empty();
       at = text.find('%', at + 1)) {
    const std::size_t end = text.find('%', at + 1);
    if (end == std::string::npos) break;
    const std::string name = text.substr(at + 1, end - at - 1);
    const bool word = !name.empty() && name.find_first_of(" \t\n") == std::string::npos;
    const auto value = find_string(given, name);
    if (word && !value)
      return fail(Errc::invalid_argument, "variables: there is no \"" + name + "\"");
    if (!value) continue;
    text.replace(at, end - at + 1, *value);
    at += value->size() - 1;
  }
  return text;
}

std::string concealed(std::string text, const json::object& given) {
  // The longest first: one value may begin another.
  std::vector<std::pair<std::string, std::string>> all;
  for (const auto& [name, value] : given)
    if (value.is_string())
      for (std::string& spelling : spellings(value.get_string()))
        all.emplace_back(std::move(spelling), "%" + std::string(name) + "%");
  std::sort(all.begin(), all.end(),
            [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
  std::erase_if(all, [](const auto& row) { return row.first.empty(); });
  if (all.empty()) return text;
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto hit = std::find_if(all.begin(), all.end(), [&](const auto& row) {
      return std::string_view(text).substr(at).starts_with(row.first);
    });
    out += hit == all.end() ? std::string(1, text[at]) : hit->second;
    at += hit == all.end() ? 1 : hit->first.size();
  }
  return out;
}

json::value concealed_value(const json::value& value, const json::object& given) {
  if (const auto* text = value.if_string())
    return json::value(concealed(std::string(*text), given));
  if (const auto* list = value.if_array()) {
    json::array out;
    for (const auto& item : *list) out.push_back(concealed_value(item, given));
    return out;
  }
  const auto* object = value.if_object();
  if (!object) return value;
  json::object out;
  for (const auto& member : *object) out[member.key()] = concealed_value(member.value(), given);
  return out;
}

}  // namespace troupe::interact
