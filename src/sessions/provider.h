// The two seams of sessions: who makes them (SessionProvider), and one that is running
// (ProviderSession). The pool is the only caller.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/async.h"
#include "sessions/live_session.h"
#include "troupe/session.hpp"

namespace troupe::sessions {

/// A session at its provider. Threads: engine.
class ProviderSession : public LiveSession {
 public:
  /// Ends it (or keeps its page for reuse when `clean`). Harmless when it is lost.
  virtual Async<void> close(Context& ctx, bool clean) = 0;
  /// Set when the session died by itself; `lost_reason()` says why.
  virtual Event& lost() = 0;
  virtual Error lost_reason() const = 0;
  /// Which end that was.
  virtual EndReason lost_as() const { return EndReason::crashed; }
  /// Waits, briefly, until both are known; after lost().
  virtual Async<void> diagnose(Context& ctx);

  /// Set by the pool before the session is used: why close() will be called, if it is known.
  virtual void set_end_reason(EndReason reason) { (void)reason; }
};

/// Threads: engine.
class SessionProvider {
 public:
  virtual ~SessionProvider() = default;
  virtual std::string_view name() const = 0;
  /// A cancelled or failed call leaves nothing behind.
  /// Errors: browser_missing, exhausted, unavailable, storage_failed, timeout, invalid_argument.
  virtual Async<std::unique_ptr<ProviderSession>> create(Context& ctx, std::string id,
                                                         SessionSpec spec) = 0;
  /// Looks after spares, dead and used-up browsers; the pool calls it every few seconds.
  virtual Async<void> tend(Context& ctx) = 0;
  /// Sessions that it could still make now, as far as it knows (limits learnt, pressure of memory).
  /// The pool lets callers wait instead of asking for more.
  virtual int room() const { return 1'000'000; }
  /// Ends everything; afterwards create() answers `draining`.
  virtual Async<void> shutdown(Context& ctx) = 0;
};

}  // namespace troupe::sessions
