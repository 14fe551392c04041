// One session of provider `cdp`.
#pragma once

#include <memory>
#include <string>

#include "base/async.h"
#include "sessions/cdp_endpoints.h"
#include "sessions/provider.h"

namespace troupe::sessions {

/// In a browser context of its own on a shared connection, or in a browser's default context over a
/// connection of its own, which is made anew when it breaks and the browser is still the same.
/// Errors: those of Endpoints::take; protocol_error.
Async<std::unique_ptr<ProviderSession>> make_cdp_session(Context& ctx, Endpoints& home,
                                                         std::string id, SessionSpec spec);

}  // namespace troupe::sessions
