#include "interact/stagehand_results.h"

#include <array>

namespace troupe::interact {

json::object observed_row(const services::StagehandAction& action) {
  // Its words for what can be done, in ours.
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kKinds = {
      {{"click", "click"},
       {"fill", "fill"},
       {"type", "fill"},
       {"selectOptionFromDropdown", "select"},
       {"scrollTo", "scroll"}}};
  std::string_view kind = action.method.empty() ? "click" : std::string_view(action.method);
  for (const auto& [method, ours] : kKinds)
    if (method == action.method) kind = ours;
  json::object row{{"kind", kind},
                   {"name", action.description},
                   {"description", action.description},
                   {"selector", action.selector}};
  if (!action.arguments.empty()) row["arguments"] = json::value_from(action.arguments);
  return row;
}

}  // namespace troupe::interact
