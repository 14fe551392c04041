// Whose turn it is: tenants in turn, within a tenant by virtual deadline, gates with parking.
#include <algorithm>

#include "tasks/ledger.h"

namespace troupe::tasks {
namespace {

// Parked in one claim at most, so that a call stays short; the next call goes on.
constexpr int kParksMax = 1'000;
constexpr std::uint64_t kServedPerTask = 1;

}  // namespace

Lane& Ledger::lane(const std::string& queue, const std::string& tenant) {
  QueueEntry& in = queues_[queue];
  if (in.name.empty()) in.name = queue;
  auto& lane = in.lanes[tenant];
  if (lane) return *lane;
  lane = std::make_unique<Lane>();
  lane->queue = &in;
  auto& who = tenants_[tenant];
  if (!who) {
    who = std::make_unique<Tenant>();
    who->name = tenant;
  }
  lane->tenant = who.get();
  who->lanes.push_back(lane.get());
  return *lane;
}

void Ledger::drop_lane(Lane& lane) {
  if (--lane.entries > 0) return;
  Tenant& tenant = *lane.tenant;
  std::erase(tenant.lanes, &lane);
  lane.queue->lanes.erase(tenant.name);
  if (tenant.lanes.empty()) tenants_.erase(tenants_.find(tenant.name));
}

GateEntry& Ledger::gate(const std::string& key) {
  auto& gate = gates_[key];
  if (!gate) {
    gate = std::make_unique<GateEntry>();
    gate->key = key;
  }
  return *gate;
}

void Ledger::drop_gate(GateEntry& gate) {
  if (--gate.entries == 0 && !gate.limit) gates_.erase(gate.key);
}

// Puts an entry where its state says that it belongs.
void Ledger::place(Entry& entry) {
  const auto into = [&](PlaceSet& set, Place place, UnixMs order) {
    entry.order = order;
    entry.place = place;
    set.insert(set.end(), entry);
  };
  switch (entry.state) {
    case State::blocked: return;
    case State::scheduled: return into(scheduled_, Place::scheduled, entry.due_ms);
    case State::queued: return to_lane(entry);
    case State::running:
      if (entry.ties)
        for (auto& [gate, limit] : entry.ties->gates) ++gate->running;
      return into(leases_, Place::leased, entry.lease_until_ms);
    default:
      if (options_.keeps_ended) into(ended_, Place::ended, entry.ended_ms);
  }
}

void Ledger::unplace(Entry& entry) {
  const auto from = [&](PlaceSet& set) { set.erase(set.iterator_to(entry)); };
  const Place place = std::exchange(entry.place, Place::none);
  switch (place) {
    case Place::none: return;
    case Place::scheduled: return from(scheduled_);
    case Place::ended: return from(ended_);
    case Place::ready: return from_lane(entry);
    case Place::parked: {
      const auto& [gate, limit] = entry.ties->gates[entry.parked_at];
      return from(gate->waiting[entry.lane->queue].parked[limit]);
    }
    case Place::leased:
      from(leases_);
      if (!entry.ties) return;
      for (auto& [gate, limit] : entry.ties->gates) {
        --gate->running;
        wake(*gate);
      }
  }
}

void Ledger::to_lane(Entry& entry) {
  Lane& lane = *entry.lane;
  if (lane.ready.empty()) {
    Tenant& tenant = *lane.tenant;
    // Who was away has saved nothing up.
    if (tenant.active++ == 0) tenant.served = std::max(tenant.served, served_);
    lane.queue->turns.insert(lane);
  }
  entry.order = virtual_deadline(entry.due_ms, entry.priority);
  entry.place = Place::ready;
  lane.ready.insert(lane.ready.end(), entry);
  if (entry.ties)
    for (auto& [gate, limit] : entry.ties->gates) ++gate->waiting[lane.queue].ready;
  news_ = true;
}

void Ledger::from_lane(Entry& entry) {
  Lane& lane = *entry.lane;
  lane.ready.erase(lane.ready.iterator_to(entry));
  if (lane.ready.empty()) {
    lane.queue->turns.erase(lane.queue->turns.iterator_to(lane));
    --lane.tenant->active;
  }
  if (!entry.ties) return;
  for (auto& [gate, limit] : entry.ties->gates) --gate->waiting[lane.queue].ready;
  // It may have been the one that was to use the room.
  for (auto& [gate, limit] : entry.ties->gates) wake(*gate);
}

void Ledger::park(Entry& entry, std::size_t at) {
  unplace(entry);
  entry.parked_at = static_cast<std::uint8_t>(at);
  entry.place = Place::parked;
  entry.order = virtual_deadline(entry.due_ms, entry.priority);
  const auto& [gate, limit] = entry.ties->gates[at];
  gate->waiting[entry.lane->queue].parked[limit].insert(entry);
}

// As many go back to their lanes as there is room for; the others stay parked.
void Ledger::wake(GateEntry& gate) {
  for (auto& [queue, waiting] : gate.waiting)
    for (auto& [limit, parked] : waiting.parked)
      while (!parked.empty() && gate.has_room(limit, gate.running + waiting.ready)) {
        Entry& entry = *parked.begin();
        parked.erase(parked.begin());
        to_lane(entry);
      }
}

std::optional<std::size_t> Ledger::full_gate(const Entry& entry) const {
  if (!entry.ties) return std::nullopt;
  const auto& gates = entry.ties->gates;
  for (std::size_t i = 0; i < gates.size(); ++i)
    if (!gates[i].gate->has_room(gates[i].limit, gates[i].gate->running)) return i;
  return std::nullopt;
}

Lane* Ledger::next_lane(const std::vector<std::string>& queues) {
  Lane* best = nullptr;
  for (const std::string& name : queues) {
    const auto queue = queues_.find(name);
    if (queue == queues_.end() || queue->second.paused || queue->second.turns.empty()) continue;
    Lane& first = *queue->second.turns.begin();
    const auto rank = [](const Lane& lane) {
      return std::pair(lane.tenant->served, lane.ready.begin()->order);
    };
    if (!best || rank(first) < rank(*best)) best = &first;
  }
  return best;
}

// The tenant goes back in line: its lanes are ordered by what it was served.
void Ledger::serve(Tenant& tenant) {
  served_ = std::max(served_, tenant.served);
  for (Lane* lane : tenant.lanes)
    if (!lane->ready.empty()) lane->queue->turns.erase(lane->queue->turns.iterator_to(*lane));
  tenant.served += kServedPerTask;
  for (Lane* lane : tenant.lanes)
    if (!lane->ready.empty()) lane->queue->turns.insert(*lane);
}

void Ledger::start(Entry& entry, UnixMs now, const ClaimRequest& request) {
  if (!worker_ || *worker_ != request.worker)
    worker_ = std::make_shared<const std::string>(request.worker);
  entry.worker = worker_;
  entry.lease_until_ms = now + request.lease_ms;
  ++entry.attempt;
  ++entry.token;
  if (entry.started_ms == 0) entry.started_ms = now;
  // Its gates count it before they lose it as ready, so that nobody is woken for its room.
  if (entry.ties)
    for (auto& [gate, limit] : entry.ties->gates) ++gate->running;
  move(entry, State::running, Cause::none);
  if (entry.ties)
    for (auto& [gate, limit] : entry.ties->gates) --gate->running;
}

Result<std::vector<Entry*>> Ledger::claim(UnixMs now, const ClaimRequest& request) {
  const auto wrong = [](const char* what) { return fail(Errc::invalid_argument, what, "claim"); };
  if (request.worker.empty() || request.worker.size() > 128)
    return wrong("worker: is not of 1..128 bytes");
  if (request.max < 1 || request.max > 10'000) return wrong("max: is not in 1..10000");
  if (request.lease_ms < 1) return wrong("lease_ms: is not positive");
  promote(now);
  std::vector<Entry*> claimed;
  int parks = 0;
  while (claimed.size() < static_cast<std::size_t>(request.max) && parks < kParksMax) {
    Lane* lane = next_lane(request.queues);
    if (!lane) break;
    Entry& entry = *lane->ready.begin();
    if (entry.expires_ms != 0 && entry.expires_ms <= now) {
      unplace(entry);  // too late for it: sweep() ends it
      continue;
    }
    if (const auto full = full_gate(entry)) {
      park(entry, *full);
      ++parks;
      continue;
    }
    Tenant& tenant = *lane->tenant;
    start(entry, now, request);
    serve(tenant);
    claimed.push_back(&entry);
  }
  if (parks == kParksMax) news_ = true;
  return claimed;
}

std::optional<UnixMs> Ledger::next_due() const {
  if (scheduled_.empty()) return std::nullopt;
  return scheduled_.begin()->due_ms;
}

// What waits for its time and is due. A bounded number: the rest with the next call.
void Ledger::promote(UnixMs now) {
  constexpr int kMost = 500;
  for (int i = 0; i < kMost && !scheduled_.empty() && scheduled_.begin()->due_ms <= now; ++i)
    move(*scheduled_.begin(), State::queued, Cause::none);
}

void Ledger::pause(const std::string& queue, bool paused) {
  QueueEntry& entry = queues_[queue];
  if (entry.name.empty()) entry.name = queue;
  entry.paused = paused;
  if (!paused) news_ = true;
}

void Ledger::set_limit(const std::string& key, std::optional<std::int64_t> limit) {
  GateEntry& entry = gate(key);
  entry.limit = limit;
  wake(entry);
  if (entry.entries == 0 && !limit) gates_.erase(key);
}

}  // namespace troupe::tasks
