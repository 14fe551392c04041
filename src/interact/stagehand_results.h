// Answers of Stagehand, of either protocol, as results of our actions. Pure.
#pragma once

#include "base/json.h"
#include "services/stagehand_api.h"

namespace troupe::interact {

/// One row of an observe's output.
json::object observed_row(const services::StagehandAction& action);

}  // namespace troupe::interact
