// Ids that follow one request through logs and errors: the trace (W3C traceparent) and the request
// id.
#pragma once

#include <string>
#include <string_view>

#include "base/random.h"

namespace troupe::api {

/// The trace id of a valid `traceparent` (W3C Trace Context, level 1), or a new one: 32 hex digits.
std::string trace_id_of(std::string_view traceparent, Random& random);

/// The client's id when it is 1 to 128 visible ASCII characters, or a new UUID.
std::string request_id_of(std::string_view given, Random& random);

}  // namespace troupe::api
