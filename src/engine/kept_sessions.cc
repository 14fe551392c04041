#include "engine/kept_sessions.h"

namespace troupe::engine {
namespace {

constexpr auto kIdleMax = std::chrono::seconds(30);
constexpr auto kLookEvery = std::chrono::milliseconds(500);

// What a workflow can see of how its session was made.
bool same_kind(const SessionSpec& a, const SessionSpec& b) {
  return a.provider == b.provider && a.isolation == b.isolation && a.tenant == b.tenant &&
         a.site == b.site && a.context_id == b.context_id && a.region == b.region &&
         a.connectable == b.connectable && a.driver_folder == b.driver_folder;
}

}  // namespace

sessions::Lease KeptSessions::take(const std::string& key, const SessionSpec& spec) {
  const auto found = kept_.find(key);
  if (found == kept_.end()) return {};
  Kept kept = std::move(found->second);
  kept_.erase(found);
  if (kept.lease.lost().is_set() || !same_kind(kept.spec, spec)) return {};
  return std::move(kept.lease);
}

void KeptSessions::keep(const std::string& key, SessionSpec spec, sessions::Lease lease) {
  if (closed_ || pool_.waiting_count() > 0 || lease.lost().is_set()) return;
  Kept kept{.spec = std::move(spec),
            .lease = std::move(lease),
            .until = clock_.now() + kIdleMax,
            .look = {}};
  kept_.insert_or_assign(key, std::move(kept));
  look_again(key);
}

// That others wait for a place is nothing that could be awaited: they come and go.
void KeptSessions::look_again(const std::string& key) {
  const auto found = kept_.find(key);
  if (found == kept_.end()) return;
  const Kept& kept = found->second;
  if (clock_.now() >= kept.until || pool_.waiting_count() > 0 || kept.lease.lost().is_set()) {
    kept_.erase(found);
    return;
  }
  found->second.look = Timer(clock_, clock_.now() + kLookEvery, [this, key] { look_again(key); });
}

void KeptSessions::clear() {
  closed_ = true;
  kept_.clear();
}

}  // namespace troupe::engine
