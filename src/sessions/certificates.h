// Certificate authorities that one browser trusts besides the system's: an NSS database in a home
// folder of its own, which Chromium reads at its start.
#pragma once

#include <string>
#include <vector>

#include "base/async.h"

namespace troupe::sessions {

/// Trusts the PEM files in the database below `home`, which is made.
/// Errors: unsupported (certutil is not installed), invalid_argument (no certificate),
/// storage_failed, timeout.
Async<void> trust_certificates(Context& ctx, std::string home, std::vector<std::string> pem_files);

}  // namespace troupe::sessions
