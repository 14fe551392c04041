#include "sessions/provider.h"

namespace troupe::sessions {

Async<void> ProviderSession::diagnose(Context&) { co_return Result<void>{}; }

Async<std::string> LiveSession::endpoint(Context&) {
  co_return fail(Errc::unsupported, "session " + id() + ": no DevTools endpoint of its own",
                 "session", "ask for isolation process");
}

}  // namespace troupe::sessions
