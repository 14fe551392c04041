// Local sessions with a Chromium process of their own: what a spec needs at the start of the
// process, spares, and the life of such a session.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "base/async.h"
#include "observe/log.h"
#include "sessions/local_provider.h"
#include "sessions/process_spares.h"
#include "sessions/provider.h"

namespace troupe::sessions {

class ProcessSession;

/// Threads: engine.
class ProcessSessions final {
 public:
  ProcessSessions(Clock& clock, asio::any_io_executor executor, observe::Log& log,
                  LocalOptions options);
  ~ProcessSessions();

  /// Errors: as SessionProvider::create.
  Async<std::unique_ptr<ProviderSession>> create(Context& ctx, std::string id, SessionSpec spec);
  void tend();
  Async<void> shutdown(Context& ctx);
  const LocalOptions& options() const { return options_; }

 private:
  LocalOptions options_;
  ProcessSpares spares_;
};

}  // namespace troupe::sessions
