// Local sessions with a Chromium process of their own: spares, what a spec needs before its
// process starts, and what it may use while it runs.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "base/async.h"
#include "observe/log.h"
#include "sessions/kernel_limits.h"
#include "sessions/local_provider.h"
#include "sessions/process_spares.h"
#include "sessions/provider.h"

namespace troupe::sessions {

class ProcessSession;

/// Threads: engine.
class ProcessSessions final {
 public:
  ProcessSessions(Clock& clock, asio::any_io_executor executor, observe::Log& log,
                  LocalOptions options, const KernelLimits& limits);
  ~ProcessSessions();

  /// Errors: as SessionProvider::create, and those of the stores.
  Async<std::unique_ptr<ProviderSession>> create(Context& ctx, std::string id, SessionSpec spec);
  /// Spares (none while memory is short), and the usage of each session: one that takes too much
  /// is ended.
  void tend(bool short_of_memory);
  std::size_t running() const { return running_.size(); }
  Async<void> shutdown(Context& ctx);

 private:
  friend class ProcessSession;
  struct Prepared;
  Async<Prepared> prepare(Context& ctx, SessionSpec spec);
  Async<Prepared> launch(Context& ctx, SessionSpec spec, ProfileFolder profile);
  Result<std::vector<std::string>> certificate_files(const SessionSpec& spec) const;

  Clock& clock_;
  asio::any_io_executor executor_;
  observe::Log& log_;
  LocalOptions options_;
  const KernelLimits& limits_;
  ProcessSpares spares_;
  std::set<ProcessSession*> running_;
};

}  // namespace troupe::sessions
