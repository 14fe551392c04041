// Who may have a session next: places in all, quotas of each tenant, room at the providers; fair
// between tenants, in order within one. Knows no sessions.
#pragma once

#include <array>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/async.h"

namespace troupe::sessions {

/// Creations that a tenant still had, and how long ago that was.
struct CreationsLeft {
  double count = 0;
  Duration ago{};
};

struct AdmissionLimits {
  int places = 50;         ///< Sessions at once.
  int queue_max = 10'000;  ///< Callers that may wait.
  // Of each tenant; 0: no limit.
  int tenant_places = 0;
  int tenant_creations_per_minute = 0;  ///< Bursts up to that number, then evenly.
  int tenant_minutes_per_day = 0;       ///< Life time of sessions in the last 24 hours.
  /// What a tenant's sessions of an earlier process lived that ended so many hours ago, 0..23;
  /// empty: none are known.
  std::function<Duration(const std::string& tenant, int hours_ago)> history = {};
  /// What a tenant of an earlier process had left of its creations; empty, or nothing: all.
  std::function<std::optional<CreationsLeft>(const std::string& tenant)> creations_left = {};
  /// Told after each creation what is left; empty: not told.
  std::function<void(const std::string& tenant, double left)> created = {};
  /// How long a tenant's running sessions have lived; empty: not counted.
  std::function<Duration(const std::string& tenant)> running = {};
};

/// Threads: engine.
class Admission final {
 public:
  /// `room`: how many more sessions the provider of that name could make now.
  Admission(Clock& clock, AdmissionLimits limits,
            std::function<int(const std::string& provider)> room);
  Admission(const Admission&) = delete;
  ~Admission();

  /// Waits for a place. With several tenants waiting, the one with the fewest places is next, then
  /// the one served longest ago. Whoever was let in must leave().
  /// Errors: exhausted (queue full, or the tenant's minutes are used up), draining, timeout,
  /// cancelled.
  Async<void> enter(Context& ctx, std::string tenant, std::string provider);
  /// The provider has been asked now: from here its room() counts this session.
  void asked(const std::string& provider);
  /// The session has ended (after `lived`) or was never made (zero).
  void leave(const std::string& tenant, Duration lived);
  /// Lets in whoever can be: room may have changed.
  void let_in();
  /// Everybody who waits is refused, and whoever comes.
  void drain();

  std::size_t waiting() const { return waiting_; }
  int used() const { return used_; }

 private:
  struct Waiter;
  struct Tenant {
    int places = 0;
    std::uint64_t served = 0;  // number of the last turn
    double tokens = 0;         // creations allowed now
    SteadyTime tokens_at{};
    std::array<Duration, 24> hours{};  // life time by the hour in which it ended
    std::int64_t hour = 0;
    std::string name;
    std::map<std::string, std::list<Waiter*>> queues;  // by provider
  };
  bool may_have_place(Tenant& tenant) const;
  void remember(const std::string& name, Tenant& tenant) const;
  void refresh(Tenant& tenant) const;
  Duration minutes_used(Tenant& tenant) const;
  std::list<Waiter*>* next_queue(Tenant** chosen);
  void wake_later();
  void forget_idle();

  Clock& clock_;
  AdmissionLimits limits_;
  std::function<int(const std::string&)> room_;
  std::map<std::string, Tenant> tenants_;
  std::map<std::string, int> let_in_;  // by provider: let in, provider not asked yet
  std::size_t waiting_ = 0;
  int used_ = 0;
  std::uint64_t turns_ = 0;
  bool draining_ = false;
  Timer wake_;
};

}  // namespace troupe::sessions
