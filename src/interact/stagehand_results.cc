#include "interact/stagehand_results.h"

#include <algorithm>
#include <array>

namespace troupe::interact {
namespace {

// Its words for what can be done, and ours. The first of several is the one that is written.
struct Kind {
  std::string_view method, kind;
};
constexpr std::array kKinds = std::to_array<Kind>({{"click", "click"},
                                                   {"fill", "fill"},
                                                   {"type", "fill"},
                                                   {"selectOptionFromDropdown", "select"},
                                                   {"press", "press"},
                                                   {"hover", "hover"},
                                                   {"doubleClick", "double_click"},
                                                   {"scrollTo", "scroll"}});

Error unfit(const std::string& why) {
  return fail(Errc::invalid_argument, "act action: " + why, {},
              "give a row of observe: {kind: click, selector: \"#go\"}");
}

}  // namespace

json::object observed_row(const services::StagehandAction& action) {
  std::string_view kind = action.method.empty() ? "click" : std::string_view(action.method);
  for (const Kind& row : kKinds)
    if (row.method == action.method) kind = row.kind;
  json::object row{{"kind", kind},
                   {"name", action.description},
                   {"description", action.description},
                   {"selector", action.selector}};
  if (!action.arguments.empty()) row["arguments"] = json::value_from(action.arguments);
  return row;
}

bool has_known_action(const json::object& args) { return args.contains("action"); }

Result<services::StagehandAction> known_action(const json::object& args) {
  const json::value* given = find(args, "action");
  const json::object* row = given ? given->if_object() : nullptr;
  if (!row) return unfit("is no object");
  services::StagehandAction action;
  action.selector = find_string(*row, "selector").value_or("");
  if (action.selector.empty()) return unfit("has no selector");
  action.description = find_string(*row, "description").value_or(action.selector);
  const std::string kind(
      find_string(*row, "kind").value_or(find_string(*row, "method").value_or("click")));
  const auto known = std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& one) {
    return one.kind == kind || one.method == kind;
  });
  if (known == kKinds.end()) return unfit("kind \"" + kind + "\" is not known");
  action.method = known->kind == kind ? std::string(known->method) : kind;
  const json::value* arguments = find(*row, "arguments");
  if (arguments && arguments->is_array())
    for (const json::value& one : arguments->get_array())
      action.arguments.push_back(one.is_string() ? std::string(one.get_string())
                                                 : json::serialize(one));
  if (const json::value* value = find(*row, "value"); value && action.arguments.empty())
    action.arguments.push_back(value->is_string() ? std::string(value->get_string())
                                                  : json::serialize(*value));
  return action;
}

Result<Action> native_action(const services::StagehandAction& action) {
  Action out{.kind = "click", .args = {{"selector", action.selector}}};
  for (const Kind& row : kKinds)
    if (row.method == action.method) out.kind = std::string(row.kind);
  const std::string argument = action.arguments.empty() ? "" : action.arguments.front();
  const bool needs = out.kind == "fill" || out.kind == "select" || out.kind == "press";
  if (needs && action.arguments.empty()) return unfit("kind \"" + out.kind + "\" needs arguments");
  if (out.kind == "fill" || out.kind == "select") out.args["value"] = argument;
  if (out.kind == "press") out.args["key"] = argument;
  if (out.kind == "scroll" && !argument.empty()) out.args["to"] = argument;
  if (out.kind == "click" && !argument.empty()) out.args["button"] = argument;
  if (out.kind == "double_click") {
    out.kind = "click";
    out.args["count"] = 2;
  }
  return out;
}

bool stagehand_knows(std::string_view selector) {
  constexpr std::array kOurs =
      std::to_array<std::string_view>({"role=", "label=", "placeholder=", "test_id=", "text=\""});
  return std::none_of(kOurs.begin(), kOurs.end(),
                      [&](std::string_view start) { return selector.starts_with(start); });
}

}  // namespace troupe::interact
