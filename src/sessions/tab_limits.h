// The pages of each session of one browser: those beyond the limit are closed, and whoever opens
// them in a loop, or lets them crash, is told of. Works on Troupe's own connection, beside foreign
// clients.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "base/async.h"
#include "cdp/connection.h"

namespace troupe::sessions {

struct TabLimitsOptions {
  int tabs_max = 0;         ///< Of one session; 0: any number.
  bool one_session = true;  ///< The whole browser is one; else each browser context.
  /// More closed ones than that within ten seconds are a storm.
  int storm_tabs = 100;
};

/// What a session hears of its pages. Called from the loop; it may end the watch.
struct TabWatcher {
  std::function<void(Error)> storm;  ///< Once: exhausted.
  /// A page's process died: DevTools' words for how (`crashed`, `killed`, `oom`).
  std::function<void(const std::string& status)> crashed;
};

/// Threads: engine. Lives at most as long as the connection.
class TabLimits final {
 public:
  TabLimits(Clock& clock, cdp::Connection& connection, TabLimitsOptions options);
  TabLimits(const TabLimits&) = delete;

  /// Holds from now on, also for pages that are there already.
  void start();
  /// `context_id` is empty when the whole browser is one session.
  void watch(const std::string& context_id, TabWatcher watcher);
  void forget(const std::string& context_id);

  std::uint64_t closed_tabs() const { return closed_tabs_; }
  std::uint64_t crashes() const { return crashes_; }

 private:
  struct Owner {
    std::set<std::string> tabs;
    int closed = 0;  // since window_start
    SteadyTime window_start{};
    TabWatcher watcher;
    bool watched = false;
    bool told = false;
  };
  void on_event(std::string_view method, const json::object& params);
  void created(const json::object& info);
  void destroyed(const std::string& target_id);
  void refuse(Owner& owner, const std::string& target_id);

  Clock& clock_;
  cdp::Connection& connection_;
  TabLimitsOptions options_;
  std::map<std::string, Owner> owners_;            // by context
  std::map<std::string, std::string> context_of_;  // by target
  std::uint64_t closed_tabs_ = 0;
  std::uint64_t crashes_ = 0;
  cdp::Connection::Subscription events_;
};

}  // namespace troupe::sessions
