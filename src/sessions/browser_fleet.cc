#include "sessions/browser_fleet.h"

#include <signal.h>

namespace troupe::sessions {
namespace {

constexpr auto kLaunchTimeout = std::chrono::seconds(30);
constexpr auto kPingTimeout = std::chrono::seconds(10);
constexpr auto kCheckEvery = std::chrono::seconds(15);

}  // namespace

std::string_view wear_of(const FleetOptions& options, const BrowserWear& wear) {
  if (wear.resident_bytes >> 20 > options.memory_mb) return "memory";
  if (options.recycle_age > Duration::zero() && wear.age > options.recycle_age) return "age";
  if (wear.crashes >= static_cast<std::uint64_t>(options.crashes_max)) return "crashes";
  if (wear.sessions >= options.recycle_after) return "uses";
  return {};
}

std::string FleetBrowser::take_memory_kill() {
  if (!memory_kill.empty()) return std::exchange(memory_kill, {});
  const std::uint64_t kills = chromium->cgroup().oom_kills();
  if (kills <= oom_kills) return {};
  oom_kills = kills;
  return "its page was killed when the memory of its browser reached browser_memory_max_mb";
}

BrowserFleet::BrowserFleet(Clock& clock, asio::any_io_executor executor, observe::Log& log,
                           FleetOptions options)
    : clock_(clock),
      executor_(executor),
      log_(log),
      options_(std::move(options)),
      scope_(executor) {}

bool BrowserFleet::has_room(const FleetBrowser& browser) const {
  if (browser.retiring || browser.launch_error) return false;
  if (!browser.launching && !browser.chromium->alive()) return false;
  return browser.active < options_.contexts_per_browser && browser.total < options_.recycle_after;
}

void BrowserFleet::drop_dead() {
  browsers_.remove_if([](const auto& browser) {
    return browser->launch_error || (!browser->launching && !browser->chromium->alive());
  });
}

// On the fleet's own fiber: several callers may wait for it, and one that gives up must not end it.
asio::awaitable<void> BrowserFleet::launch(std::shared_ptr<FleetBrowser> browser) {
  const Context base(clock_, executor_);
  Context ctx = base.with_timeout(kLaunchTimeout, "browser start");
  auto launched = co_await Chromium::launch(ctx, options_.chromium);
  browser->launching = false;
  browser->checked_at = clock_.now();
  if (launched) {
    browser->chromium = std::move(*launched);
    const TabLimitsOptions limits{.tabs_max = options_.tabs_max, .one_session = false};
    browser->tabs = std::make_unique<TabLimits>(clock_, browser->chromium->connection(), limits);
    browser->tabs->start();
    scope_.spawn("browser watch", mourn(browser));
    log_.write({}, {.action = "browser.launch",
                    .status = "ok",
                    .details = {{"pid", browser->chromium->process().pid()},
                                {"version", browser->chromium->version()}}});
  } else {
    const Error error = launched.error();
    browser->launch_error = error;
    log_.write({}, {.level = observe::Level::error,
                    .action = "browser.launch",
                    .status = "failed",
                    .error = &error});
  }
  browser->ready.set();
}

Async<std::shared_ptr<FleetBrowser>> BrowserFleet::take(Context& ctx) {
  if (closed_) co_return fail(Errc::draining, "browsers: shutting down");
  drop_dead();
  std::shared_ptr<FleetBrowser> best;
  for (const auto& browser : browsers_)
    if (has_room(*browser) && (!best || browser->active < best->active)) best = browser;
  const bool fresh = !best;
  if (fresh) {
    best = std::make_shared<FleetBrowser>();
    browsers_.push_back(best);
  }
  ++best->active;
  ++best->total;
  if (fresh) scope_.spawn("browser launch", launch(best));
  Result<void> ready = co_await best->ready.wait(ctx);
  if (ready && closed_) ready = fail(Errc::draining, "browsers: shutting down");
  if (ready && best->launch_error) ready = *best->launch_error;
  if (!ready) {
    give_back(best);
    co_return ready.error();
  }
  co_return best;
}

void BrowserFleet::give_back(const std::shared_ptr<FleetBrowser>& browser) {
  --browser->active;
  if (browser->total >= options_.recycle_after) browser->retiring = true;
  if (browser->active > 0 || !browser->retiring || !browser->chromium) return;
  browsers_.remove(browser);
  scope_.spawn("browser retirement", retire(browser));
}

asio::awaitable<void> BrowserFleet::retire(std::shared_ptr<FleetBrowser> browser) {
  const Context base(clock_, executor_);
  Context ctx = base.with_timeout(std::chrono::seconds(10), "browser close");
  (void)co_await browser->chromium->close(ctx);
  browser->chromium->connection().close(browser->chromium->death());
}

// Tells those who have a context in it.
asio::awaitable<void> BrowserFleet::mourn(std::shared_ptr<FleetBrowser> browser) {
  Context ctx(clock_, executor_);
  (void)co_await browser->chromium->connection().closed_event().wait(ctx);
  const auto deaths = std::exchange(browser->deaths, {});
  for (Event* death : deaths) death->set();
}

bool BrowserFleet::recycle(const std::shared_ptr<FleetBrowser>& browser, const GroupUsage& usage) {
  const BrowserWear wear{.age = clock_.now() - browser->chromium->started_at(),
                         .sessions = browser->total,
                         .resident_bytes = usage.resident_bytes,
                         .crashes = browser->tabs->crashes()};
  const std::string_view why = wear_of(options_, wear);
  if (why.empty() || browser->retiring) return false;
  log_.write(
      {}, {.level = why == "uses" || why == "age" ? observe::Level::info : observe::Level::warning,
           .action = "browser.recycle",
           .status = std::string(why),
           .details = {{"pid", browser->chromium->process().pid()},
                       {"resident_mb", usage.resident_bytes >> 20},
                       {"sessions", browser->total},
                       {"crashes", wear.crashes}}});
  browser->retiring = true;
  ++browser->active;
  give_back(browser);  // ends it when it carries nothing
  return true;
}

// One page that takes everything must not cost the others of its browser their sessions.
void BrowserFleet::end_fat_page(FleetBrowser& browser, const GroupUsage& usage) {
  if (options_.page_bytes_max == 0 || usage.largest_bytes <= options_.page_bytes_max) return;
  browser.memory_kill = "its page took " + std::to_string(usage.largest_bytes >> 20) +
                        " MiB of memory, more than " +
                        std::to_string(options_.page_bytes_max >> 20);
  log_.write({}, {.level = observe::Level::warning,
                  .action = "browser.page",
                  .status = "memory",
                  .details = {{"pid", browser.chromium->process().pid()},
                              {"resident_mb", usage.largest_bytes >> 20}}});
  ::kill(usage.largest, SIGKILL);
}

Async<void> BrowserFleet::warm_up(Context& ctx) {
  drop_dead();
  for (const auto& browser : browsers_)
    if (has_room(*browser)) co_return Result<void>{};
  CO_TRY(const auto browser, co_await take(ctx));
  --browser->total;
  give_back(browser);
  co_return Result<void>{};
}

Async<void> BrowserFleet::tend(Context& ctx) {
  drop_dead();
  const auto all = browsers_;  // a copy: the list changes while this waits
  auto usage = all.empty() ? std::map<pid_t, GroupUsage>() : usage_of_groups();
  for (const auto& browser : all) {
    if (browser->launching || !browser->chromium || !browser->chromium->alive()) continue;
    Process& process = browser->chromium->process();
    const GroupUsage& used = usage[process.pid()];
    end_fat_page(*browser, used);
    if (recycle(browser, used)) continue;
    if (clock_.now() - browser->checked_at < kCheckEvery) continue;
    browser->checked_at = clock_.now();
    Context limited = ctx.with_timeout(kPingTimeout, "browser health check");
    const auto answer =
        co_await browser->chromium->connection().call(limited, "", "Browser.getVersion");
    if (answer || ctx.cancel_source().is_cancelled()) continue;
    const Error error = answer.error();
    log_.write(ctx.ids(), {.level = observe::Level::error,
                           .action = "browser.health",
                           .status = "failed",
                           .details = {{"pid", process.pid()}},
                           .error = &error});
    process.kill_group();
  }
  drop_dead();
  co_return Result<void>{};
}

Async<void> BrowserFleet::shutdown(Context& ctx) {
  closed_ = true;
  const auto all = std::exchange(browsers_, {});
  for (const auto& browser : all) {
    if (browser->launching) (void)co_await browser->ready.wait(ctx);
    browser->retiring = true;
    if (browser->chromium) scope_.spawn("browser retirement", retire(browser));
  }
  co_return co_await scope_.join(ctx);
}

}  // namespace troupe::sessions
