// From the options of `troupe run` to a run request.
#pragma once

#include "app/invocation.h"
#include "base/json.h"
#include "troupe/run.hpp"
#include "troupe/settings.hpp"

namespace troupe::app {

/// Reads the files that the options name. Errors: invalid_argument and not_found, naming the
/// option.
Result<RunRequest> request_from(const RunOptions& options, const Settings& settings);

/// `name=value` pairs; later ones win. Values stay texts: the workflow's types decide what they
/// are.
Result<json::object> parse_inputs(const std::vector<std::string>& pairs);

}  // namespace troupe::app
