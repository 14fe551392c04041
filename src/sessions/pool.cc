#include "sessions/pool.h"

#include <algorithm>

#include "base/json.h"
#include "sessions/session_shape.h"

namespace troupe::sessions {
namespace {

constexpr std::chrono::milliseconds kTimeoutMin{1'000};
constexpr std::chrono::milliseconds kTimeoutMax{std::chrono::hours(6)};
constexpr std::size_t kUserContextBytesMax = 4'096;
constexpr auto kReleaseTimeout = std::chrono::seconds(10);
constexpr auto kDiagnosisTimeout = std::chrono::seconds(4);

std::string milliseconds_text(std::chrono::milliseconds value) {
  return std::to_string(value.count()) + " ms";
}

// Failures after which another provider may do better.
bool is_about_provider(Errc code) {
  switch (code) {
    case Errc::timeout:
    case Errc::exhausted:
    case Errc::unavailable:
    case Errc::network_error:
    case Errc::dns_error:
    case Errc::tls_error:
    case Errc::browser_missing: return true;
    default: return false;
  }
}

}  // namespace

// One session from the moment it runs until it has ended.
struct PoolEntry {
  Session info;
  SessionSpec spec;
  std::unique_ptr<ProviderSession> session;
  bool leased = false;
  bool ending = false;
  Event ended;
  Event lost;  ///< Died, expired, or was released by somebody else while on loan.
  Error lost_reason;
  SteadyTime started{};
  Timer expiry;
  Timer idle;
  SteadyTime used_at;  ///< By a CDP client.
  CancelSource watch_stop;

  /// What changes while it runs, put into `session`.
  void describe(Session& shown) const {
    shown.counters = session->counters();
    session->describe(shown);
  }

  /// Tells the holder. A failure is kept as the session's error; the first stays.
  void lose(Error reason, bool is_failure) {
    if (lost.is_set()) return;
    lost_reason = std::move(reason);
    if (is_failure && !info.error) info.error = lost_reason;
    lost.set();
  }
};

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  if (pool_) Lease(std::move(*this));  // releases what this one held
  pool_ = std::exchange(other.pool_, nullptr);
  entry_ = std::move(other.entry_);
  return *this;
}

Lease::~Lease() {
  if (pool_ && !entry_->ended.is_set())
    pool_->scope_.spawn("session release", pool_->give_back(entry_));
}

LiveSession& Lease::session() const { return *entry_->session; }
const std::string& Lease::id() const { return entry_->info.id; }
Event& Lease::lost() const { return entry_->lost; }
Error Lease::lost_reason() const { return entry_->lost_reason; }

void Lease::relabel(std::string run_id, std::string task_id) {
  entry_->info.run_id = std::move(run_id);
  entry_->info.task_id = std::move(task_id);
}

Async<void> Lease::release(Context& ctx, bool clean, EndReason reason) {
  Pool* pool = std::exchange(pool_, nullptr);
  if (!pool) co_return Result<void>{};
  const auto entry = entry_;
  co_return co_await pool->end(ctx, entry, clean, reason);
}

Pool::Pool(Clock& clock, asio::any_io_executor executor, Random& random, PoolOptions options,
           std::vector<std::unique_ptr<SessionProvider>> providers, PoolObserver observer)
    : clock_(clock),
      executor_(executor),
      random_(random),
      options_(std::move(options)),
      providers_(std::move(providers)),
      observer_(std::move(observer)),
      admission_(clock, admission_limits(),
                 [this](const std::string& name) {
                   const auto* asked = this->provider(name);
                   return asked ? asked->room() : 0;
                 }),
      scope_(executor) {
  scope_.spawn("session care", tend_forever());
}

Pool::~Pool() = default;

AdmissionLimits Pool::admission_limits() const {
  return {.places = options_.sessions_max,
          .queue_max = options_.queue_max,
          .tenant_places = options_.tenant_sessions_max,
          .tenant_creations_per_minute = options_.tenant_creations_per_minute,
          .tenant_minutes_per_day = options_.tenant_minutes_per_day,
          .history = options_.tenant_history,
          .creations_left = options_.tenant_creations_left,
          .created = options_.tenant_created,
          .running = [this](const std::string& tenant) {
            Duration sum{};
            for (const auto& [id, entry] : active_)
              if (entry->info.tenant == tenant) sum += clock_.now() - entry->started;
            return sum;
          }};
}

Result<SessionSpec> Pool::complete(SessionSpec spec) const {
  if (!spec.timeout) spec.timeout = options_.session_timeout;
  if (!spec.isolation) spec.isolation = options_.isolation;
  if (spec.provider == "local" && needs_own_process(spec)) spec.isolation = Isolation::process;
  if (*spec.timeout < kTimeoutMin || *spec.timeout > kTimeoutMax)
    return fail(Errc::invalid_argument, "session timeout: " + milliseconds_text(*spec.timeout) +
                                            " is not in " + milliseconds_text(kTimeoutMin) + ".." +
                                            milliseconds_text(kTimeoutMax));
  for (const auto& [name, pixels] :
       {std::pair{"width", spec.viewport_width}, std::pair{"height", spec.viewport_height}})
    if (pixels < 50 || pixels > 10'000)
      return fail(Errc::invalid_argument, std::string("session viewport ") + name + ": " +
                                              std::to_string(pixels) + " is not in 50..10000");
  const std::size_t bytes = json::serialize(spec.user_context).size();
  if (bytes > kUserContextBytesMax)
    return fail(Errc::invalid_argument, "session user_context: " + std::to_string(bytes) +
                                            " bytes exceed " +
                                            std::to_string(kUserContextBytesMax));
  if (has_provider(spec.provider)) return spec;
  std::string names;
  for (const auto& provider : providers_)
    names += (names.empty() ? "" : ", ") + std::string(provider->name());
  return fail(Errc::invalid_argument,
              "session provider: '" + spec.provider + "' is not one of " + names);
}

// The session's own provider, then those that it may spill to.
std::vector<std::string> Pool::ways_of(const SessionSpec& spec) const {
  std::vector<std::string> ways{spec.provider};
  const bool bound =
      !spec.context_id.empty() || !spec.extension_id.empty() || !spec.ca_certificates.empty() ||
      !spec.provider_settings.empty() || spec.solve_captchas.value_or(false) ||
      std::any_of(spec.proxies.begin(), spec.proxies.end(),
                  [](const ProxySpec& proxy) { return proxy.type == ProxySpec::Type::provider; });
  if (bound) return ways;
  for (const std::string& name : options_.spill_providers)
    if (has_provider(name) && std::find(ways.begin(), ways.end(), name) == ways.end())
      ways.push_back(name);
  return ways;
}

Async<std::shared_ptr<Pool::Entry>> Pool::open(Context& ctx, SessionSpec asked, std::string run_id,
                                               std::string task_id) {
  CO_TRY(SessionSpec spec, complete(std::move(asked)));
  const std::vector<std::string> ways = ways_of(spec);
  for (std::size_t i = 0;; ++i) {
    const bool may_spill = i + 1 < ways.size();
    spec.provider = ways[i];
    auto entry = co_await open_at(ctx, spec, run_id, task_id, may_spill);
    if (entry || !may_spill || !is_about_provider(entry.error().code)) co_return entry;
    CO_TRY_VOID(ctx.check());
  }
}

Async<std::shared_ptr<Pool::Entry>> Pool::open_at(Context& ctx, SessionSpec spec,
                                                  std::string run_id, std::string task_id,
                                                  bool may_spill) {
  // A place is held from here until the session has ended: creation counts too, so the limit holds.
  Context patience =
      may_spill ? ctx.with_timeout(options_.spill_after, "room at " + spec.provider) : ctx;
  CO_TRY_VOID(co_await admission_.enter(patience, spec.tenant, spec.provider));
  auto entry = std::make_shared<Entry>();
  Session& info = entry->info;
  info.id = random_.uuid();
  info.provider = spec.provider;
  info.isolation = *spec.isolation;
  info.created_at = clock_.wall();
  info.expires_at = info.created_at + *spec.timeout;
  info.user_context = spec.user_context;
  info.auth_token = secure_token(24);
  info.run_id = std::move(run_id);
  info.task_id = std::move(task_id);
  info.keep_alive = spec.keep_alive;
  info.region = spec.region;
  info.context_id = spec.context_id;
  info.tenant = spec.tenant;
  entry->spec = spec;
  const CancelSource cancel = CancelSource::linked(ctx.cancel_source());
  const auto on_stop = stop_.on_cancel([&] { cancel.cancel(stop_.reason()); });
  // From here: the wait for a place is bounded by the caller's own deadline.
  Context limited =
      ctx.with_timeout(options_.create_timeout, "session creation").with_cancel(cancel);
  ++creating_;
  admission_.asked(spec.provider);
  auto created = co_await provider(spec.provider)->create(limited, info.id, spec);
  --creating_;
  admission_.let_in();      // a provider that starts few at a time has room again
  creation_ended_.pulse();  // whoever waits is resumed from the loop, after this session is known
  if (!created) {
    info.state = SessionState::ended;
    info.end_reason = EndReason::failed;
    info.error = created.error();
    info.ended_at = clock_.wall();
    remember(*entry);
    admission_.leave(spec.tenant, Duration::zero());
    if (observer_.failed) observer_.failed(spec, info.id, created.error());
    co_return created.error();
  }
  entry->session = std::move(*created);
  info.state = SessionState::running;
  info.started_at = clock_.wall();
  entry->started = clock_.now();
  info.counters.tasks = 1;
  active_.emplace(info.id, entry);
  arm_timers(entry);
  scope_.spawn("session watch", watch(entry));
  if (observer_.created) observer_.created(info);
  co_return entry;
}

void Pool::arm_timers(const std::shared_ptr<Entry>& entry) {
  const auto life = entry->info.expires_at - entry->info.created_at;
  // Weak: the timer belongs to the entry.
  entry->expiry = Timer(clock_, clock_.now() + life, [this, weak = std::weak_ptr(entry)] {
    if (const auto alive = weak.lock())
      scope_.spawn("session expiry", expire(alive, EndReason::timed_out));
  });
}

// Also under its holder, who learns it from Lease::lost().
asio::awaitable<void> Pool::expire(std::shared_ptr<Entry> entry, EndReason reason) {
  const bool idle = reason == EndReason::idle;
  Error error = fail(Errc::timeout,
                     "session " + entry->info.id +
                         (idle ? ": idle for too long" : ": its maximum life time passed"),
                     "session", idle ? "raise session_idle_timeout" : "raise session_timeout");
  entry->info.end_reason = reason;
  entry->lose(std::move(error), !idle);
  const Context base(clock_, executor_);
  Context ctx = base.with_timeout(kReleaseTimeout, "session release");
  (void)co_await end(ctx, entry, false, reason);
}

asio::awaitable<void> Pool::watch(std::shared_ptr<Entry> entry) {
  const Context base(clock_, executor_);
  Context ctx = base.with_cancel(entry->watch_stop);
  const auto died = co_await entry->session->lost().wait(ctx);
  if (!died) co_return;
  co_await note_loss(entry);
  if (entry->leased) co_return;  // its holder notices and gives it back
  Context cleanup = base.with_timeout(kReleaseTimeout, "session release");
  (void)co_await end(cleanup, entry, false, entry->info.end_reason);
}

// Its holder may come first, who was told by a command that failed: both wait for the diagnosis.
asio::awaitable<void> Pool::note_loss(std::shared_ptr<Entry> entry) {
  const Context base(clock_, executor_);
  Context brief = base.with_timeout(kDiagnosisTimeout, "session diagnosis");
  (void)co_await entry->session->diagnose(brief);
  if (entry->info.end_reason != EndReason::none || entry->ended.is_set()) co_return;
  Error why = entry->session->lost_reason();
  entry->info.end_reason =
      why.code == Errc::exhausted ? EndReason::quota : entry->session->lost_as();
  entry->lose(std::move(why), true);
}

asio::awaitable<void> Pool::give_back(std::shared_ptr<Entry> entry) {
  const Context base(clock_, executor_);
  Context ctx = base.with_timeout(kReleaseTimeout, "session release");
  (void)co_await end(ctx, entry, false, EndReason::released);
}

// Ends a session once; whoever comes second waits for the first. The place is free afterwards,
// whatever the provider said.
Async<void> Pool::end(Context& ctx, std::shared_ptr<Entry> entry, bool clean, EndReason reason) {
  if (entry->ending) co_return co_await entry->ended.wait(ctx);
  entry->ending = true;
  const bool died_first =
      entry->session->lost().is_set() && entry->info.end_reason == EndReason::none;
  if (died_first) co_await note_loss(entry);
  entry->expiry.reset();
  entry->idle.reset();
  entry->watch_stop.cancel(fail(Errc::cancelled, "session ended"));
  Session& info = entry->info;
  info.state = SessionState::releasing;
  if (info.end_reason == EndReason::none) info.end_reason = reason;
  entry->lose(fail(Errc::session_lost, "session " + info.id + ": it was released", "session"),
              false);
  Context limited = ctx.for_cleanup(kReleaseTimeout, "session release");
  const bool reusable = clean && info.end_reason == EndReason::released;
  entry->session->set_end_reason(info.end_reason);
  auto closed = co_await entry->session->close(limited, reusable);
  entry->describe(info);
  info.state = SessionState::ended;
  info.ended_at = clock_.wall();
  if (!closed && !info.error) info.error = closed.error();
  active_.erase(info.id);
  remember(*entry);
  admission_.leave(info.tenant, clock_.now() - entry->started);
  if (observer_.ended) observer_.ended(info);
  entry->ended.set();
  co_return closed;
}

void Pool::remember(const Entry& entry) {
  Session info = entry.info;
  info.auth_token.clear();
  info.connect_url.clear();
  ended_order_.push_back(info.id);
  ended_.insert_or_assign(info.id, std::move(info));
  while (ended_order_.size() > options_.ended_kept) {
    ended_.erase(ended_order_.front());
    ended_order_.pop_front();
  }
}

Async<Lease> Pool::acquire(Context& ctx, SessionSpec spec, std::string run_id,
                           std::string task_id) {
  CO_TRY(auto entry, co_await open(ctx, std::move(spec), std::move(run_id), std::move(task_id)));
  entry->leased = true;
  Lease lease;
  lease.pool_ = this;
  lease.entry_ = std::move(entry);
  co_return lease;
}

Async<Session> Pool::create(Context& ctx, SessionSpec spec) {
  CO_TRY(const auto entry, co_await open(ctx, std::move(spec), "", ""));
  entry->used_at = clock_.now();
  arm_idle(entry);
  co_return entry->info;
}

// Use only moves a time point; the timer looks at it when it is due.
void Pool::arm_idle(const std::shared_ptr<Entry>& entry) {
  const SteadyTime due = entry->used_at + options_.idle_timeout;
  entry->idle = Timer(clock_, due, [this, weak = std::weak_ptr(entry)] {
    const auto alive = weak.lock();
    if (!alive) return;
    if (alive->used_at + options_.idle_timeout > clock_.now()) return arm_idle(alive);
    scope_.spawn("session idle", expire(alive, EndReason::idle));
  });
}

Result<std::shared_ptr<Pool::Entry>> Pool::running(const std::string& id) const {
  const auto found = active_.find(id);
  if (found != active_.end() && !found->second->ending) return found->second;
  if (found == active_.end() && !ended_.contains(id))
    return fail(Errc::not_found, "session " + id + ": not known here", "sessions");
  const Session& info = found == active_.end() ? ended_.at(id) : found->second->info;
  return fail(Errc::gone,
              "session " + id + ": has ended (" + std::string(to_string(info.end_reason)) + ")",
              "sessions", "create a new one");
}

Async<std::string> Pool::endpoint(Context& ctx, std::string id) {
  CO_TRY(const auto entry, running(id));
  co_return co_await entry->session->endpoint(ctx);
}

Result<std::string> Pool::downloads_dir(const std::string& id) {
  TRY(const auto entry, running(id));
  return entry->session->downloads_dir();
}

Result<SessionSpec> Pool::spec(const std::string& id) const {
  TRY(const auto entry, running(id));
  return entry->spec;
}

void Pool::count_client(const std::string& id, int change) {
  const auto entry = running(id);
  if (!entry) return;
  (*entry)->info.clients += change;
  (*entry)->used_at = clock_.now();
}

void Pool::count_traffic(const std::string& id, const Session::Counters& more) {
  const auto entry = running(id);
  if (!entry) return;
  Session::Counters& counters = (*entry)->session->counters();
  counters.cdp_commands += more.cdp_commands;
  counters.cdp_bytes_sent += more.cdp_bytes_sent;
  counters.cdp_bytes_received += more.cdp_bytes_received;
  (*entry)->used_at = clock_.now();
}

Result<Session> Pool::info(const std::string& id) const {
  if (const auto found = active_.find(id); found != active_.end()) {
    Session info = found->second->info;
    found->second->describe(info);
    return info;
  }
  if (const auto found = ended_.find(id); found != ended_.end()) return found->second;
  return fail(Errc::not_found, "session " + id + ": not known here", "sessions",
              "list them with `troupe sessions list`");
}

std::vector<Session> Pool::list(bool active_only) const {
  std::vector<Session> all;
  for (const auto& [id, entry] : active_) {
    all.push_back(entry->info);
    entry->describe(all.back());
  }
  if (!active_only)
    for (const auto& [id, info] : ended_) all.push_back(info);
  std::sort(all.begin(), all.end(),
            [](const Session& a, const Session& b) { return a.created_at < b.created_at; });
  return all;
}

Async<void> Pool::release(Context& ctx, std::string id, EndReason reason) {
  const auto found = active_.find(id);
  if (found == active_.end()) {
    if (ended_.contains(id)) co_return Result<void>{};
    co_return fail(Errc::not_found, "session " + id + ": not known here", "sessions");
  }
  const auto entry = found->second;
  co_return co_await end(ctx, entry, false, reason);
}

asio::awaitable<void> Pool::tend_forever() {
  const Context base(clock_, executor_);
  Context ctx = base.with_cancel(stop_);
  for (;;) {
    for (const auto& provider : providers_) {
      Context limited = ctx.with_timeout(options_.create_timeout, "session care");
      (void)co_await provider->tend(limited);
    }
    admission_.let_in();  // the providers may have room again
    if (observer_.tended) observer_.tended();
    const auto slept = co_await sleep_for(ctx, options_.tend_every);
    if (!slept) co_return;
  }
}

SessionProvider* Pool::provider(std::string_view name) const {
  const auto found = std::find_if(providers_.begin(), providers_.end(),
                                  [&](const auto& row) { return row->name() == name; });
  return found == providers_.end() ? nullptr : found->get();
}

bool Pool::has_provider(std::string_view name) const { return provider(name) != nullptr; }

void Pool::drain() {
  if (!std::exchange(draining_, true)) admission_.drain();
}

Async<void> Pool::shutdown(Context& ctx) {
  drain();
  stop_.cancel(fail(Errc::draining, "sessions: shutting down, no new ones"));
  while (creating_ > 0) CO_TRY_VOID(co_await creation_ended_.wait(ctx));
  std::vector<Async<void>> endings;
  for (const auto& [id, entry] : active_)
    endings.push_back(end(ctx, entry, false, EndReason::shutdown));
  (void)co_await gather(ctx, std::move(endings));
  std::optional<Error> first;
  for (const auto& provider : providers_) {
    auto ended = co_await provider->shutdown(ctx);
    if (!ended && !first) first = ended.error();
  }
  CO_TRY_VOID(co_await scope_.join(ctx));
  if (first) co_return *first;
  co_return Result<void>{};
}

}  // namespace troupe::sessions
