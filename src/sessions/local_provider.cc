#include "sessions/local_provider.h"

#include <deque>
#include <filesystem>
#include <map>
#include <set>

#include "sessions/browser_fleet.h"
#include "sessions/kernel_limits.h"
#include "sessions/process_sessions.h"
#include "sessions/session_shape.h"

namespace troupe::sessions {
namespace fs = std::filesystem;
namespace {

// A browser context made ahead of its session, or kept from the last one (then with its page).
struct Slot {
  std::shared_ptr<FleetBrowser> browser;
  std::string context_id;
  std::unique_ptr<cdp::Page> page;
  SteadyTime since{};

  bool alive() const { return browser->chromium->alive() && !browser->retiring; }
  cdp::Connection& connection() const { return browser->chromium->connection(); }
};

class LocalSession;

// Beyond that the process of a page in a shared browser is ended: it must fit in there with others.
std::int64_t page_bytes_max(const LocalOptions& options) {
  return (std::int64_t{options.browser_memory_mb} << 20) / 4 * 3;
}

// Sessions and provider share this: a session may end while the provider waits for its shutdown.
class Slots final {
 public:
  /// `driver_folder`: as of ChromiumOptions; its browsers must be full builds.
  Slots(Clock& clock, asio::any_io_executor executor, observe::Log& log,
        const LocalOptions& options, const KernelLimits& limits,
        const std::string& driver_folder = {})
      : clock_(clock),
        options_(options),
        fleet_(clock, executor, log, fleet_options(options, limits, driver_folder)) {}

  BrowserFleet& fleet() { return fleet_; }
  const BrowserFleet& fleet() const { return fleet_; }
  const LocalOptions& options() const { return options_; }

  /// Those that run.
  std::set<LocalSession*>& sessions() { return sessions_; }

  Async<Slot> make(Context& ctx) {
    CO_TRY(auto browser, co_await fleet_.take(ctx));
    Slot slot{.browser = browser};
    json::object params{{"disposeOnDetach", true}};
    auto made =
        co_await slot.connection().call(ctx, "", "Target.createBrowserContext", std::move(params));
    if (!made) {
      fleet_.give_back(browser);
      co_return made.error();
    }
    slot.context_id = std::string(find_string(*made, "browserContextId").value_or(""));
    slot.since = clock_.now();
    co_return slot;
  }

  Async<void> dispose(Context& ctx, Slot slot) {
    Result<void> result;
    slot.page.reset();
    if (slot.browser->chromium->alive()) {
      json::object params{{"browserContextId", slot.context_id}};
      auto gone = co_await slot.connection().call(ctx, "", "Target.disposeBrowserContext",
                                                  std::move(params));
      if (!gone && slot.browser->chromium->alive()) {
        // A browser that cannot even drop a context is of no further use.
        result = gone.error();
        slot.browser->chromium->process().kill_group();
      }
    }
    fleet_.give_back(slot.browser);
    co_return result;
  }

  std::optional<Slot> take_spare() { return take_from(spares_); }
  std::optional<Slot> take_kept(const std::string& key) {
    const auto found = kept_.find(key);
    if (found == kept_.end()) return std::nullopt;
    auto slot = take_from(found->second);
    if (found->second.empty()) kept_.erase(found);
    return slot;
  }
  void keep(const std::string& key, Slot slot) {
    slot.since = clock_.now();
    kept_[key].push_back(std::move(slot));
  }

  Async<void> refill(Context& ctx) {
    if (std::exchange(refilling_, true)) co_return Result<void>{};
    Result<void> result;
    while (!closed_ && static_cast<int>(spares_.size()) < options_.warm_sessions && result) {
      auto slot = co_await make(ctx);
      if (slot) spares_.push_back(std::move(*slot));
      if (!slot) result = slot.error();
    }
    refilling_ = false;
    co_return result;
  }

  // Pages kept for reuse that nobody asked for, and what would keep a retired browser alive.
  Async<void> drop_idle(Context& ctx) {
    std::vector<Slot> old;
    std::erase_if(spares_, [&](Slot& slot) {
      const bool useless = !slot.alive();
      if (useless) old.push_back(std::move(slot));
      return useless;
    });
    for (auto& [key, slots] : kept_)
      while (!slots.empty() && (clock_.now() - slots.front().since > options_.reuse_idle_max ||
                                !slots.front().alive())) {
        old.push_back(std::move(slots.front()));
        slots.pop_front();
      }
    std::erase_if(kept_, [](const auto& row) { return row.second.empty(); });
    for (auto& slot : old) (void)co_await dispose(ctx, std::move(slot));
    co_return Result<void>{};
  }

  Async<void> shutdown(Context& ctx) {
    closed_ = true;
    // The contexts go with their browsers.
    for (auto& slot : std::exchange(spares_, {})) fleet_.give_back(slot.browser);
    for (auto& [key, slots] : std::exchange(kept_, {}))
      for (auto& slot : slots) {
        slot.page.reset();
        fleet_.give_back(slot.browser);
      }
    co_return co_await fleet_.shutdown(ctx);
  }

 private:
  static FleetOptions fleet_options(const LocalOptions& options, const KernelLimits& limits,
                                    const std::string& driver_folder) {
    return {.chromium = {.browser = options.browser,
                         .browsers_dir = options.data_dir + "/browsers",
                         .renderer_heap_mb = options.renderer_heap_mb,
                         .listening = !driver_folder.empty(),
                         .driver_folder = driver_folder,
                         .memory_bytes_max = limits.memory_bytes_max,
                         .cgroups = limits.cgroups(),
                         .cpu_weight = options.browser_cpu_weight},
            .contexts_per_browser = options.contexts_per_browser,
            .recycle_after = options.browser_recycle_after,
            .memory_mb = options.browser_memory_mb,
            .recycle_age = options.browser_recycle_age,
            .crashes_max = options.browser_crashes_max,
            .page_bytes_max = page_bytes_max(options),
            .tabs_max = options.tabs_max};
  }

  std::optional<Slot> take_from(std::deque<Slot>& slots) {
    while (!slots.empty()) {
      Slot slot = std::move(slots.back());
      slots.pop_back();
      if (slot.alive()) return slot;
      slot.page.reset();
      fleet_.give_back(slot.browser);
    }
    return std::nullopt;
  }

  Clock& clock_;
  LocalOptions options_;
  BrowserFleet fleet_;
  std::deque<Slot> spares_;
  std::set<LocalSession*> sessions_;
  std::map<std::string, std::deque<Slot>> kept_;
  bool refilling_ = false;
  bool closed_ = false;
};

class LocalSession final : public ProviderSession {
 public:
  LocalSession(Slots& slots, Slot slot, std::string id, SessionSpec spec)
      : slots_(slots), slot_(std::move(slot)), id_(std::move(id)), spec_(std::move(spec)) {
    slots_.sessions().insert(this);
    slot_.browser->deaths.insert(&lost_);
    if (!slot_.browser->chromium->alive()) lost_.set();
    TabWatcher watcher{.storm = [this](Error error) { end_for(std::move(error)); },
                       .crashed = [this](const std::string&) { page_crashed(); }};
    slot_.browser->tabs->watch(slot_.context_id, std::move(watcher));
  }
  ~LocalSession() override {
    stop_watching();
    slots_.sessions().erase(this);
  }

  const std::string& id() const override { return id_; }
  Session::Counters& counters() override { return counters_; }
  Event& lost() override { return lost_; }
  Error lost_reason() const override {
    return over_limit_ ? *over_limit_ : slot_.browser->chromium->death();
  }
  EndReason lost_as() const override {
    return over_limit_ ? EndReason::quota : end_of(*slot_.browser->chromium);
  }
  Async<void> diagnose(Context& ctx) override {
    if (over_limit_) co_return Result<void>{};
    co_return co_await slot_.browser->chromium->await_exit(ctx);
  }

  Result<Browser> browser() override {
    if (ended_) return fail(Errc::session_lost, "session " + id_ + ": it has ended", "session");
    if (over_limit_ || !slot_.browser->chromium->alive()) return lost_reason();
    return Browser{.connection = &slot_.connection(),
                   .browser_context_id = slot_.context_id,
                   .viewport_width = spec_.viewport_width,
                   .viewport_height = spec_.viewport_height};
  }

  // Not its endpoint(): a foreign client would see the other sessions there.
  Async<std::string> driver_endpoint(Context& ctx) override {
    const Chromium& chromium = *slot_.browser->chromium;
    if (ended_ || over_limit_ || !chromium.alive()) co_return browser().error();
    if (chromium.endpoint().empty()) co_return co_await ProviderSession::driver_endpoint(ctx);
    co_return chromium.endpoint();
  }

  std::unique_ptr<cdp::Page> take_page() override { return std::move(slot_.page); }

  void give_back_page(std::unique_ptr<cdp::Page> page) override {
    if (!page) return;
    const auto traffic = slot_.connection().session_counters(page->session_id());
    counters_.cdp_commands += traffic.commands;
    counters_.cdp_bytes_sent += traffic.bytes_sent;
    counters_.cdp_bytes_received += traffic.bytes_received;
    if (!slot_.page) slot_.page = std::move(page);
  }

  Result<std::string> downloads_dir() override {
    const std::string dir = downloads_path();
    std::error_code error;
    fs::create_directories(dir, error);
    if (error)
      return fail(Errc::storage_failed, "downloads folder " + dir + ": " + error.message(),
                  "data_dir", "free disk space, or set data_dir to a folder that can be written");
    has_downloads_ = true;
    return dir;
  }

  Async<void> close(Context& ctx, bool clean) override {
    ended_ = true;
    stop_watching();
    if (has_downloads_) {
      std::error_code ignored;
      fs::remove_all(downloads_path(), ignored);
    }
    if (spec_.isolation == Isolation::reuse && clean && slot_.page && slot_.alive()) {
      const auto cleaned = co_await clean_page(ctx);
      if (cleaned) {
        slots_.keep(reuse_key(spec_), take_slot());
        co_return Result<void>{};
      }
    }
    co_return co_await slots_.dispose(ctx, take_slot());
  }

  static std::string reuse_key(const SessionSpec& spec) {
    return spec.tenant + "\n" + spec.site + "\n" + std::to_string(spec.viewport_width) + "x" +
           std::to_string(spec.viewport_height);
  }

  // Ends the session when it takes more than it may; the pool learns it from lost().
  void hold_to_limits() {
    if (!has_downloads_ || ended_ || over_limit_) return;
    const std::string what = over_download_limits(slots_.options(), downloads_path());
    if (!what.empty()) end_for(fail(Errc::exhausted, "session " + id_ + ": " + what, "session"));
  }

 private:
  std::string downloads_path() const { return slots_.options().data_dir + "/downloads/" + id_; }
  void end_for(Error error) {
    if (ended_ || over_limit_) return;
    over_limit_ = std::move(error);
    lost_.set();
  }
  // A page that crashed by itself is its user's to notice.
  void page_crashed() {
    ++counters_.page_errors;
    const std::string why = slot_.browser->take_memory_kill();
    if (!why.empty()) end_for(fail(Errc::exhausted, "session " + id_ + ": " + why, "session"));
  }
  void stop_watching() {
    slot_.browser->deaths.erase(&lost_);
    if (std::exchange(watching_, false)) slot_.browser->tabs->forget(slot_.context_id);
  }

  // The session keeps its own reference to the browser: `lost()` must stay valid.
  Slot take_slot() {
    Slot slot{
        .browser = slot_.browser, .context_id = slot_.context_id, .page = std::move(slot_.page)};
    return slot;
  }

  // Leaves the document, then empties what it could have stored. Fails (and the context is
  // disposed) when anything else is open in the context or the page does not obey.
  Async<void> clean_page(Context& ctx) {
    cdp::Page& page = *slot_.page;
    if (page.crashed() || page.closed() || !page.origins_complete())
      co_return fail(Errc::conflict, "page: not fit for reuse");
    Context limited = ctx.with_timeout(std::chrono::seconds(3), "page cleaning");
    page.post("Runtime.evaluate", {{"expression", "window.name='';sessionStorage.clear()"}});
    CO_TRY(const auto navigation,
           co_await page.navigate(limited, "about:blank", cdp::WaitUntil::commit));
    (void)navigation;
    CO_TRY(const auto targets, co_await slot_.connection().call(limited, "", "Target.getTargets"));
    int pages = 0;
    if (const auto* infos = find(targets, "targetInfos"); infos && infos->is_array())
      for (const auto& info : infos->get_array())
        if (const auto* context = find(info, "browserContextId");
            context && *context == json::value(slot_.context_id))
          ++pages;
    if (pages != 1)
      co_return fail(Errc::conflict, "context: " + std::to_string(pages) + " targets are open");
    for (const auto& origin : page.origins())
      page.post("Storage.clearDataForOrigin", {{"origin", origin}, {"storageTypes", "all"}});
    page.post("Page.resetNavigationHistory");
    json::object context{{"browserContextId", slot_.context_id}};
    CO_TRY(const auto cleared, co_await slot_.connection().call(limited, "", "Storage.clearCookies",
                                                                std::move(context)));
    (void)cleared;
    page.reset_for_reuse();
    co_return Result<void>{};
  }

  Slots& slots_;
  Slot slot_;
  std::string id_;
  SessionSpec spec_;
  Session::Counters counters_{.tasks = 1};
  Event lost_;
  std::optional<Error> over_limit_;
  bool watching_ = true;
  bool ended_ = false;
  bool has_downloads_ = false;
};

class LocalProvider final : public SessionProvider {
 public:
  LocalProvider(Clock& clock, asio::any_io_executor executor, observe::Log& log,
                LocalOptions options)
      : clock_(clock),
        executor_(executor),
        log_(log),
        limits_(make_limits(options, log)),
        slots_(clock, executor, log, options, limits_),
        processes_(clock, executor, log, options, limits_),
        gate_(clock, options.machine_load) {}

  std::string_view name() const override { return "local"; }

  Async<std::unique_ptr<ProviderSession>> create(Context& ctx, std::string id,
                                                 SessionSpec spec) override {
    reap_once();
    ++starting_;
    auto session = co_await make(ctx, std::move(id), std::move(spec));
    --starting_;
    co_return session;
  }

  int room() const override {
    std::size_t browsers = processes_.running() + slots_.fleet().size();
    for (const auto& [folder, slots] : driven_) browsers += slots->fleet().size();
    return gate_.room(static_cast<int>(browsers), starting_);
  }

  Async<void> tend(Context& ctx) override {
    reap_once();
    processes_.tend(gate_.short_of_memory());
    CO_TRY_VOID(co_await tend_slots(ctx, slots_));
    CO_TRY_VOID(co_await slots_.refill(ctx));
    std::vector<Slots*> driven;  // more may come while this waits; none goes
    for (const auto& [folder, slots] : driven_) driven.push_back(slots.get());
    for (Slots* slots : driven) CO_TRY_VOID(co_await tend_slots(ctx, *slots));
    co_return Result<void>{};
  }

  Async<void> shutdown(Context& ctx) override {
    auto ended = co_await processes_.shutdown(ctx);
    for (const auto& [folder, slots] : driven_) {
      auto driven = co_await slots->shutdown(ctx);
      if (ended) ended = driven;
    }
    auto result = co_await slots_.shutdown(ctx);
    co_return result ? ended : result;
  }

 private:
  Async<std::unique_ptr<ProviderSession>> make(Context& ctx, std::string id, SessionSpec spec) {
    if (spec.isolation == Isolation::process || needs_own_process(spec))
      co_return co_await processes_.create(ctx, std::move(id), std::move(spec));
    CO_TRY(Slots* const slots, slots_for(spec));
    CO_TRY(Slot slot, co_await take_slot(ctx, *slots, spec));
    std::unique_ptr<ProviderSession> session =
        std::make_unique<LocalSession>(*slots, std::move(slot), std::move(id), std::move(spec));
    co_return session;
  }

  // Browsers that something of Troupe's own drives are others than those that nobody does.
  Result<Slots*> slots_for(const SessionSpec& spec) {
    if (spec.driver_folder.empty()) return &slots_;
    auto& driven = driven_[spec.driver_folder];
    if (driven) return driven.get();
    LocalOptions options = slots_.options();
    const auto binary = find_full_browser(options.browser);
    if (!binary) {
      driven_.erase(spec.driver_folder);
      return binary.error();
    }
    options.browser = binary->path;
    options.warm_sessions = 0;
    driven = std::make_unique<Slots>(clock_, executor_, log_, options, limits_, spec.driver_folder);
    return driven.get();
  }

  Async<Slot> take_slot(Context& ctx, Slots& slots, const SessionSpec& spec) {
    std::optional<Slot> slot;
    if (spec.isolation == Isolation::reuse) slot = slots.take_kept(LocalSession::reuse_key(spec));
    if (!slot) slot = slots.take_spare();
    if (slot) co_return std::move(*slot);
    co_return co_await slots.make(ctx);
  }

  static Async<void> tend_slots(Context& ctx, Slots& slots) {
    const auto sessions = slots.sessions();
    for (LocalSession* session : sessions) session->hold_to_limits();
    CO_TRY_VOID(co_await slots.drop_idle(ctx));
    co_return co_await slots.fleet().tend(ctx);
  }

  // What a Troupe that was killed left behind goes at the first chance of the next one.
  void reap_once() {
    if (reaped_) return;
    const auto profiles = reap_profiles(slots_.options().data_dir + "/browsers");
    reaped_ = profiles.left == 0;  // else again, when their processes have died
    if (profiles.removed > 0)
      log_.write({}, {.level = observe::Level::warning,
                      .action = "browser.reap",
                      .status = "ok",
                      .details = {{"profiles", profiles.removed}}});
    if (std::exchange(sandbox_told_, true)) return;
    if (const std::string reason = sandbox_off_reason(); !reason.empty())
      log_.write({}, {.level = observe::Level::warning,
                      .action = "browser.sandbox",
                      .status = "off",
                      .details = {{"reason", reason}}});
  }

  Clock& clock_;
  asio::any_io_executor executor_;
  observe::Log& log_;
  KernelLimits limits_;
  Slots slots_;
  std::map<std::string, std::unique_ptr<Slots>> driven_;  ///< By the driver's folder.
  ProcessSessions processes_;
  mutable LoadGate gate_;  // reads now and then, whoever asks
  int starting_ = 0;
  bool reaped_ = false;
  bool sandbox_told_ = false;
};

}  // namespace

std::unique_ptr<SessionProvider> make_local_provider(Clock& clock, asio::any_io_executor executor,
                                                     observe::Log& log, LocalOptions options) {
  return std::make_unique<LocalProvider>(clock, std::move(executor), log, std::move(options));
}

}  // namespace troupe::sessions
