// The bodies of the session operations: what is asked for becomes a SessionSpec, and a Session
// becomes what is shown. Pure.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "troupe/session.hpp"
#include "troupe/settings.hpp"

namespace troupe::api {

/// `body` has passed check_fields. A body that names neither provider nor isolation asks for a
/// session that a DevTools client drives. Members of `browserSettings` that are not known here go
/// on to the provider. Errors: invalid_argument.
Result<SessionSpec> session_spec(const json::object& body, const Settings& settings);

/// PENDING, RUNNING, ERROR, TIMED_OUT, COMPLETED.
std::string_view status_of(const Session& session);

/// Without what gives access to it.
json::object session_object(const Session& session);

}  // namespace troupe::api
