#include "services/prompts.h"

#include <algorithm>
#include <cassert>
#include <set>

#include "base/assets.h"

namespace troupe::services {

Result<std::string> fill_prompt(std::string_view text, const PromptValues& values) {
  std::string out;
  std::set<std::string_view> used;
  while (!text.empty()) {
    const auto begin = text.find("{{");
    out += text.substr(0, begin);
    if (begin == std::string_view::npos) break;
    text.remove_prefix(begin + 2);
    const auto end = text.find("}}");
    const std::string_view name = text.substr(0, end);
    const auto value = std::find_if(values.begin(), values.end(),
                                    [&](const auto& entry) { return entry.first == name; });
    if (end == std::string_view::npos || value == values.end())
      return fail(Errc::invalid_argument,
                  "prompt: place '" + std::string(name.substr(0, 40)) + "' has no value");
    out += value->second;
    used.insert(value->first);
    text.remove_prefix(end + 2);
  }
  for (const auto& [name, value] : values)
    if (!used.contains(name))
      return fail(Errc::invalid_argument, "prompt: there is no place '" + std::string(name) + "'");
  return out;
}

std::string prompt(std::string_view name, const PromptValues& values) {
  auto filled = fill_prompt(assets::get("prompts/" + std::string(name) + ".md"), values);
  assert(filled && "the values are those of the file");
  return filled ? std::move(*filled) : std::string();
}

}  // namespace troupe::services
