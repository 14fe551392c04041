// Pool: every session of this process: creation under a limit with a fair queue, leases, expiry,
// release on every path, and a memory of those that ended. Knows no tasks.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/async.h"
#include "base/random.h"
#include "sessions/admission.h"
#include "sessions/provider.h"
#include "troupe/session.hpp"

namespace troupe::sessions {

struct PoolOptions {
  int sessions_max = 50;
  int queue_max = 10'000;
  // Of each tenant; 0: no limit.
  int tenant_sessions_max = 0;
  int tenant_creations_per_minute = 0;
  int tenant_minutes_per_day = 0;
  /// As for AdmissionLimits.
  std::function<Duration(const std::string& tenant, int hours_ago)> tenant_history = {};
  std::function<std::optional<CreationsLeft>(const std::string& tenant)> tenant_creations_left = {};
  std::function<void(const std::string& tenant, double left)> tenant_created = {};
  std::chrono::milliseconds session_timeout{std::chrono::minutes(30)};
  std::chrono::milliseconds create_timeout{std::chrono::seconds(30)};
  std::chrono::milliseconds idle_timeout{std::chrono::minutes(10)};
  Isolation isolation = Isolation::context;
  /// Where sessions go that their own provider has no room for within `spill_after`, or cannot
  /// make; in this order. Not those that need what only their provider has (contexts, extensions).
  std::vector<std::string> spill_providers;
  std::chrono::milliseconds spill_after{std::chrono::seconds(2)};
  std::size_t ended_kept = 1'000;
  std::chrono::milliseconds tend_every{std::chrono::seconds(5)};
};

class Pool;
struct PoolEntry;

/// The loan of a session. Whatever happens to its holder, the session goes back: the destructor
/// releases it on the pool's own fiber. Threads: engine.
class Lease final {
 public:
  Lease() = default;
  Lease(Lease&& other) noexcept { *this = std::move(other); }
  Lease& operator=(Lease&& other) noexcept;
  ~Lease();

  explicit operator bool() const { return pool_ != nullptr; }
  LiveSession& session() const;
  const std::string& id() const;
  /// Set when the session died or expired while on loan; lost_reason() says why.
  Event& lost() const;
  Error lost_reason() const;

  /// It is another task's from now on.
  void relabel(std::string run_id, std::string task_id);

  /// Gives it back and waits until it is. `clean`: its page may be used again.
  /// Errors: those of the provider; the session counts as ended all the same.
  Async<void> release(Context& ctx, bool clean, EndReason reason);

 private:
  friend class Pool;
  Pool* pool_ = nullptr;
  std::shared_ptr<PoolEntry> entry_;  // also the pool's, until the session has ended
};

/// Tells what happened to sessions (logs, events).
struct PoolObserver {
  std::function<void(const Session&)> created;
  std::function<void(const Session&)> ended;
  std::function<void(const SessionSpec&, const std::string& id, const Error&)> failed;
  std::function<void()> tended = {};  ///< Every few seconds, after the providers' care.
};

class Pool final {
 public:
  Pool(Clock& clock, asio::any_io_executor executor, Random& random, PoolOptions options,
       std::vector<std::unique_ptr<SessionProvider>> providers, PoolObserver observer);
  ~Pool();

  /// Waits for a place (in order, fair between tenants), creates a session and lends it. `run_id`
  /// and `task_id` are shown with it. Errors: invalid_argument (spec), exhausted (queue full),
  /// draining, timeout, cancelled, and the provider's.
  Async<Lease> acquire(Context& ctx, SessionSpec spec, std::string run_id, std::string task_id);
  /// A session that belongs to nobody's task: it stays until released, idle or expired.
  Async<Session> create(Context& ctx, SessionSpec spec);
  Result<Session> info(const std::string& id) const;
  std::vector<Session> list(bool active_only) const;
  /// Errors: not_found; those of the provider. Harmless when it has ended.
  Async<void> release(Context& ctx, std::string id, EndReason reason);

  /// The browser's own DevTools address, for Troupe's gateway.
  /// Errors: not_found, gone (it has ended), and those of ProviderSession::endpoint.
  Async<std::string> endpoint(Context& ctx, std::string id);
  /// Errors: not_found, gone, storage_failed, unsupported.
  Result<std::string> downloads_dir(const std::string& id);
  /// What was asked for when it was created. Errors: not_found, gone.
  Result<SessionSpec> spec(const std::string& id) const;
  /// A CDP client came (1) or left (-1). Ended sessions are ignored.
  void count_client(const std::string& id, int change);
  /// Traffic of CDP clients, which is use as well. Ended sessions are ignored.
  void count_traffic(const std::string& id, const Session::Counters& more);

  bool has_provider(std::string_view name) const;
  /// Refuses new sessions from now on.
  void drain();
  /// Ends all sessions and providers.
  Async<void> shutdown(Context& ctx);
  std::size_t active_count() const { return active_.size() + static_cast<std::size_t>(creating_); }
  std::size_t waiting_count() const { return admission_.waiting(); }

 private:
  using Entry = PoolEntry;
  friend class Lease;
  Result<SessionSpec> complete(SessionSpec spec) const;
  SessionProvider* provider(std::string_view name) const;
  Async<std::shared_ptr<Entry>> open(Context& ctx, SessionSpec spec, std::string run_id,
                                     std::string task_id);
  Async<std::shared_ptr<Entry>> open_at(Context& ctx, SessionSpec spec, std::string run_id,
                                        std::string task_id, bool may_spill);
  AdmissionLimits admission_limits() const;
  std::vector<std::string> ways_of(const SessionSpec& spec) const;
  Async<void> end(Context& ctx, std::shared_ptr<Entry> entry, bool clean, EndReason reason);
  void arm_timers(const std::shared_ptr<Entry>& entry);
  void arm_idle(const std::shared_ptr<Entry>& entry);
  Result<std::shared_ptr<Entry>> running(const std::string& id) const;
  asio::awaitable<void> watch(std::shared_ptr<Entry> entry);
  asio::awaitable<void> note_loss(std::shared_ptr<Entry> entry);
  asio::awaitable<void> give_back(std::shared_ptr<Entry> entry);
  asio::awaitable<void> expire(std::shared_ptr<Entry> entry, EndReason reason);
  asio::awaitable<void> tend_forever();
  void remember(const Entry& entry);

  Clock& clock_;
  asio::any_io_executor executor_;
  Random& random_;
  PoolOptions options_;
  std::vector<std::unique_ptr<SessionProvider>> providers_;
  PoolObserver observer_;
  std::map<std::string, std::shared_ptr<Entry>> active_;
  std::map<std::string, Session> ended_;
  std::deque<std::string> ended_order_;
  Admission admission_;
  int creating_ = 0;
  Event creation_ended_;
  bool draining_ = false;
  CancelSource stop_;
  Scope scope_;
};

}  // namespace troupe::sessions
