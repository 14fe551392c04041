#include "config/toml.h"

#include <toml++/toml.h>

namespace troupe::config {
namespace {

json::value to_json(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return json::string(*text);
  if (const auto number = node.value_exact<std::int64_t>()) return *number;
  if (const auto real = node.value_exact<double>()) return *real;
  if (const auto flag = node.value_exact<bool>()) return *flag;
  json::array items;
  if (const auto* array = node.as_array())
    for (const auto& item : *array) items.push_back(to_json(item));
  return node.is_array() ? json::value(std::move(items)) : json::value(nullptr);
}

void collect(const toml::table& table, const std::string& name, std::vector<TomlEntry>& out) {
  for (const auto& [key, node] : table) {
    const std::string text(key.str());
    if (const auto* inner = node.as_table()) {
      collect(*inner, name.empty() ? text : name + "." + text, out);
      continue;
    }
    out.push_back({name, text, to_json(node), static_cast<int>(key.source().begin.line)});
  }
}

}  // namespace

Result<std::vector<TomlEntry>> parse_toml(std::string_view text, const std::string& file) {
  try {
    std::vector<TomlEntry> entries;
    collect(toml::parse(text, file), "", entries);
    return entries;
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    return fail(Errc::invalid_argument, "not valid TOML: " + std::string(error.description()),
                file + ":" + std::to_string(at.line) + ":" + std::to_string(at.column));
  }
}

}  // namespace troupe::config
