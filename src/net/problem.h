// The one shape of error bodies (RFC 9457 problem details, plus the three members that clients of
// the Browserbase API read). Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace troupe::net {

/// `type title status detail instance code class retryable hint trace_id statusCode error message`;
/// members with nothing to say are left out. Status and the rest come from the error table.
/// A `status` other than 0 is one that only HTTP knows (405, 408, 431, …).
json::object problem(const Error& error, std::string_view instance, std::string_view trace_id,
                     int status = 0);

/// `Not Found` for 404; empty for codes that are not in RFC 9110 or RFC 6585.
std::string_view reason_phrase(int status);

}  // namespace troupe::net
