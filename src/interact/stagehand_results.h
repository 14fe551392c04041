// Known actions: rows of observe, as Stagehand (either protocol) and as the native engine take
// them. Pure.
#pragma once

#include "interact/interactor.h"
#include "services/stagehand_api.h"

namespace troupe::interact {

/// One row of an observe's output.
json::object observed_row(const services::StagehandAction& action);

/// Whether an act names its action instead of saying it in words.
bool has_known_action(const json::object& args);
/// That action. Errors: invalid_argument (no selector, an unknown kind).
Result<services::StagehandAction> known_action(const json::object& args);
/// The same for the native engine. Errors: invalid_argument (it needs an argument).
Result<Action> native_action(const services::StagehandAction& action);
/// Whether Stagehand understands the selector: it knows CSS, XPath and `text=…` only.
bool stagehand_knows(std::string_view selector);

}  // namespace troupe::interact
