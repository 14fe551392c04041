// Provider `browserbase`: sessions at Browserbase (or a service that speaks its API). What users
// fear most there is a session that is forgotten and paid: see browserbase_account.h.
#pragma once

#include <memory>

#include "base/async.h"
#include "observe/log.h"
#include "services/browserbase.h"
#include "sessions/browserbase_account.h"
#include "sessions/provider.h"

namespace troupe::sessions {

/// All sessions have a browser of their own, whatever their isolation. Without `api_key` every
/// create() fails with `unauthenticated`, and nothing is asked for. Threads: engine.
/// Errors: invalid_argument (base_url).
Result<std::unique_ptr<SessionProvider>> make_browserbase_provider(
    Clock& clock, asio::any_io_executor executor, observe::Log& log,
    services::BrowserbaseOptions service, BrowserbaseAccountOptions account);

}  // namespace troupe::sessions
