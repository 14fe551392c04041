// The Chromium processes that carry local sessions: which one takes the next, when one is replaced,
// and what happens when one dies. Knows contexts, not sessions.
#pragma once

#include <list>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/async.h"
#include "observe/log.h"
#include "sessions/chromium.h"
#include "sessions/tab_limits.h"

namespace troupe::sessions {

/// One process and how much it carries. Shared by the fleet and by the sessions on it, so that a
/// process taken out of the fleet lives until its last session has ended.
struct FleetBrowser {
  std::unique_ptr<Chromium> chromium;
  int active = 0;         ///< Contexts in use or being made.
  int total = 0;          ///< Contexts made so far.
  bool retiring = false;  ///< Takes no more; ends with its last context.
  bool launching = true;
  std::optional<Error> launch_error;
  Event ready;  ///< Launched, or failed to.
  SteadyTime checked_at{};
  std::unique_ptr<TabLimits> tabs;  ///< Since it is launched; of each context.
  std::set<Event*> deaths;          ///< Set when it dies.
  /// Why the next page that is killed was: it took too much memory.
  std::string memory_kill;
  std::uint64_t oom_kills = 0;  ///< By the kernel, told so far.

  /// Why a page was killed that has just crashed; empty: it was not for its memory.
  std::string take_memory_kill();
};

struct FleetOptions {
  ChromiumOptions chromium;
  int contexts_per_browser = 16;
  int recycle_after = 500;
  int memory_mb = 4096;
  Duration recycle_age = std::chrono::hours(4);  ///< 0: at any age.
  int crashes_max = 5;                           ///< Of pages, before it is retired.
  std::int64_t page_bytes_max = 0;               ///< A page's process ends beyond; 0: never.
  int tabs_max = 0;                              ///< Of one context; 0: any number.
};

/// Why a browser takes no more sessions; empty: it may go on. Pure.
struct BrowserWear {
  Duration age{};
  int sessions = 0;
  std::int64_t resident_bytes = 0;
  std::uint64_t crashes = 0;
};
std::string_view wear_of(const FleetOptions& options, const BrowserWear& wear);

/// Threads: engine.
class BrowserFleet final {
 public:
  BrowserFleet(Clock& clock, asio::any_io_executor executor, observe::Log& log,
               FleetOptions options);

  /// A browser with room for one more context, counted as active already; launches one if needed.
  Async<std::shared_ptr<FleetBrowser>> take(Context& ctx);
  /// The context is gone; the process ends when it was the last of a retiring one.
  void give_back(const std::shared_ptr<FleetBrowser>& browser);
  /// Starts a process if none has room, without waiting for a caller.
  Async<void> warm_up(Context& ctx);
  /// Health and memory: a browser that does not answer is killed, a fat or old one retired.
  Async<void> tend(Context& ctx);
  Async<void> shutdown(Context& ctx);
  std::size_t size() const { return browsers_.size(); }

 private:
  bool has_room(const FleetBrowser& browser) const;
  asio::awaitable<void> launch(std::shared_ptr<FleetBrowser> browser);
  asio::awaitable<void> retire(std::shared_ptr<FleetBrowser> browser);
  asio::awaitable<void> mourn(std::shared_ptr<FleetBrowser> browser);
  bool recycle(const std::shared_ptr<FleetBrowser>& browser, const GroupUsage& usage);
  void end_fat_page(FleetBrowser& browser, const GroupUsage& usage);
  void drop_dead();

  Clock& clock_;
  asio::any_io_executor executor_;
  observe::Log& log_;
  FleetOptions options_;
  std::list<std::shared_ptr<FleetBrowser>> browsers_;  // those that may take more
  Scope scope_;
  bool closed_ = false;
};

}  // namespace troupe::sessions
