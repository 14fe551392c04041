#include "sessions/tab_limits.h"

namespace troupe::sessions {
namespace {

constexpr auto kStormWindow = std::chrono::seconds(10);

std::string text_at(const json::object& object, std::string_view key) {
  return std::string(find_string(object, key).value_or(""));
}

}  // namespace

TabLimits::TabLimits(Clock& clock, cdp::Connection& connection, TabLimitsOptions options)
    : clock_(clock), connection_(connection), options_(options) {}

void TabLimits::start() {
  events_ = connection_.on_events(
      "", [this](std::string_view method, const json::object& p) { on_event(method, p); });
  json::object pages{{"type", "page"}};
  json::array filter;
  filter.push_back(std::move(pages));
  connection_.post("", "Target.setDiscoverTargets", {{"discover", true}, {"filter", filter}});
}

void TabLimits::watch(const std::string& context_id, TabWatcher watcher) {
  Owner& owner = owners_[context_id];
  owner.watcher = std::move(watcher);
  owner.watched = true;
  owner.told = false;
  owner.closed = 0;
}

void TabLimits::forget(const std::string& context_id) {
  const auto found = owners_.find(context_id);
  if (found == owners_.end()) return;
  found->second.watched = false;
  found->second.watcher = {};
  if (found->second.tabs.empty()) owners_.erase(found);
}

void TabLimits::on_event(std::string_view method, const json::object& params) {
  if (method == "Target.targetCreated") {
    const auto* info = find(params, "targetInfo");
    if (info && info->is_object()) created(info->get_object());
  } else if (method == "Target.targetDestroyed") {
    destroyed(text_at(params, "targetId"));
  } else if (method == "Target.targetCrashed") {
    ++crashes_;
    const auto context = context_of_.find(text_at(params, "targetId"));
    if (context == context_of_.end()) return;
    // Copied: the watcher may end its watch.
    const auto tell = owners_[context->second].watcher.crashed;
    if (tell) tell(text_at(params, "status"));
  }
}

void TabLimits::created(const json::object& info) {
  // Pages that are made ahead of a navigation are nobody's tabs.
  if (text_at(info, "type") != "page" || !text_at(info, "subtype").empty()) return;
  const std::string id = text_at(info, "targetId");
  const std::string context = options_.one_session ? "" : text_at(info, "browserContextId");
  if (context_of_.contains(id)) return;
  Owner& owner = owners_[context];
  if (options_.tabs_max > 0 && static_cast<int>(owner.tabs.size()) >= options_.tabs_max)
    return refuse(owner, id);
  owner.tabs.insert(id);
  context_of_.emplace(id, context);
}

void TabLimits::destroyed(const std::string& target_id) {
  const auto row = context_of_.find(target_id);
  if (row == context_of_.end()) return;
  const auto owner = owners_.find(row->second);
  context_of_.erase(row);
  if (owner == owners_.end()) return;
  owner->second.tabs.erase(target_id);
  if (owner->second.tabs.empty() && !owner->second.watched) owners_.erase(owner);
}

void TabLimits::refuse(Owner& owner, const std::string& target_id) {
  ++closed_tabs_;
  connection_.post("", "Target.closeTarget", {{"targetId", target_id}});
  const SteadyTime now = clock_.now();
  if (now - owner.window_start > kStormWindow) {
    owner.window_start = now;
    owner.closed = 0;
  }
  if (++owner.closed < options_.storm_tabs || owner.told || !owner.watcher.storm) return;
  owner.told = true;
  const auto tell = owner.watcher.storm;
  tell(fail(Errc::exhausted,
            "session tabs: " + std::to_string(owner.closed) + " beyond session_tabs_max " +
                std::to_string(options_.tabs_max) + " were opened within 10 s",
            "session", "a page opens windows in a loop; or raise session_tabs_max"));
}

}  // namespace troupe::sessions
