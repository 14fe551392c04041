#include "tasks/ledger.h"

#include <algorithm>
#include <stdexcept>

namespace troupe::tasks {
namespace {

std::size_t at(State state) { return static_cast<std::size_t>(state); }

bool waits(State state) { return state < State::running; }

Error unknown(std::string_view id) {
  return fail(Errc::not_found, "task: there is no " + std::string(id), "tasks");
}

Error ended_already(const Entry& entry) {
  return fail(Errc::conflict, "task: " + entry.id + " is " + std::string(to_string(entry.state)),
              "tasks");
}

}  // namespace

Counts to_counts(const StateCounts& counts) {
  return {.blocked = counts[0],
          .scheduled = counts[1],
          .queued = counts[2],
          .running = counts[3],
          .succeeded = counts[4],
          .failed = counts[5],
          .cancelled = counts[6]};
}

Ledger::Ledger(LedgerOptions options, Pager* pager) : options_(options), pager_(pager) {}

Ledger::~Ledger() {
  // The sets only link: they let go before the entries go.
  for (PlaceSet* set : {&scheduled_, &leases_, &ended_}) set->clear();
  expiries_.clear();
  by_id_.clear();
  for (auto& [id, run] : runs_) run->members.clear();
  for (auto& [key, gate] : gates_)
    for (auto& [queue, waiting] : gate->waiting)
      for (auto& [limit, parked] : waiting.parked) parked.clear();
  for (auto& [name, queue] : queues_) {
    queue.turns.clear();
    for (auto& [tenant, lane] : queue.lanes) lane->ready.clear();
  }
  for (const Slot& slot : entries_) delete slot.entry;
}

Entry* Ledger::held(std::string_view id) {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->entry;
}

Entry* Ledger::find(std::string_view id) {
  if (Entry* entry = held(id)) return entry;
  return pager_ ? pager_->page_in(id) : nullptr;
}

Entry* Ledger::find_by_key(std::string_view tenant, std::string_view key) {
  const auto found = keys_.find(std::pair(std::string(tenant), std::string(key)));
  if (found != keys_.end()) return found->second;
  return pager_ ? pager_->page_in_by_key(tenant, key) : nullptr;
}

RunEntry* Ledger::find_run(std::string_view id) {
  const auto found = runs_.find(std::string(id));
  return found == runs_.end() ? nullptr : found->second.get();
}

// An entry that is in no index yet.
Entry& Ledger::add(const Spec& spec, std::uint64_t seq) {
  auto owned = std::make_unique<Entry>();
  Entry& entry = *owned;
  entry.id = spec.id;
  entry.seq = seq;
  entry.index = spec.index;
  entry.rule = spec.depends_rule;
  entry.priority = static_cast<std::int8_t>(spec.priority);
  entry.attempts_max = spec.retry.attempts_max;
  entry.losses_max = spec.retry.losses_max;
  entry.run_at_ms = spec.run_at_ms;
  entry.deadline_ms = spec.deadline_ms;
  entry.queue_timeout_ms = spec.queue_timeout_ms;
  auto& run = runs_[spec.run_id];
  if (!run) {
    run = std::make_unique<RunEntry>();
    run->id = spec.run_id;
    run->ended_known = !pager_;
  }
  entry.run = run.get();
  ++run->entries;
  entry.lane = &lane(spec.queue, spec.tenant);
  ++entry.lane->entries;
  if (!spec.gates.empty() || !spec.depends_on.empty() || !spec.idempotency_key.empty()) {
    entry.ties = std::make_unique<Ties>();
    entry.ties->idempotency_key = spec.idempotency_key;
    entry.ties->depends_on = spec.depends_on;
    for (const Gate& wanted : spec.gates) {
      GateEntry* gate = &this->gate(wanted.key);
      const auto same = [&](const EntryGate& other) { return other.gate == gate; };
      if (std::ranges::any_of(entry.ties->gates, same)) continue;
      ++gate->entries;
      entry.ties->gates.push_back({gate, wanted.limit});
    }
  }
  entries_.insert(slot(entry));
  return *owned.release();
}

// Into the indexes that do not depend on the state.
void Ledger::link(Entry& entry) {
  entry.run->members.insert(entry.run->members.end(), entry);
  by_id_.insert(by_id_.end(), entry);
  if (!entry.ties) return;
  if (!entry.ties->idempotency_key.empty())
    keys_[{entry.lane->tenant->name, entry.ties->idempotency_key}] = &entry;
  if (entry.state == State::blocked)
    for (const std::string& id : entry.ties->depends_on) dependents_[id].push_back(entry.id);
}

void Ledger::touch(Entry& entry) {
  if (!options_.tracks || entry.touched) return;
  entry.touched = true;
  touched_.push_back(&entry);
}

void Ledger::take_touched(std::vector<Entry*>& into) {
  for (Entry* entry : touched_) entry->touched = false;
  touched_.swap(into);
}

void Ledger::count(Entry& entry, std::int64_t by) {
  counts_[at(entry.state)] += by;
  entry.run->counts[at(entry.state)] += by;
}

void Ledger::set_expiry(Entry& entry) {
  if (entry.expires_ms != 0) expiries_.erase(expiries_.iterator_to(entry));
  UnixMs next = is_final(entry.state) ? 0 : entry.deadline_ms;
  const auto earlier = [&](UnixMs time) { next = next == 0 ? time : std::min(next, time); };
  const bool waits_for_start = entry.state == State::scheduled || entry.state == State::queued;
  if (waits_for_start && entry.started_ms == 0 && entry.queue_timeout_ms > 0)
    earlier(entry.due_ms + entry.queue_timeout_ms);
  if (entry.state == State::running && entry.cancel_requested) earlier(entry.grace_until_ms);
  entry.expires_ms = next;
  if (next != 0) expiries_.insert(entry);
}

void Ledger::move(Entry& entry, State to, Cause cause) {
  if (entry.state != to && !can_go(entry.state, to))
    die_of_bug("tasks", std::make_exception_ptr(std::logic_error(
                            entry.id + " from " + std::string(to_string(entry.state)) + " to " +
                            std::string(to_string(to)))));
  unplace(entry);
  count(entry, -1);
  entry.state = to;
  entry.cause = cause;
  count(entry, 1);
  place(entry);
  set_expiry(entry);
  touch(entry);
}

void Ledger::remove(Entry& entry) {
  unplace(entry);
  if (entry.expires_ms != 0) expiries_.erase(expiries_.iterator_to(entry));
  if (!entry.guest) {
    entry.run->members.erase(entry.run->members.iterator_to(entry));
    by_id_.erase(by_id_.iterator_to(entry));
    count(entry, -1);
  }
  if (entry.ties) {
    const auto key = keys_.find(std::pair(entry.lane->tenant->name, entry.ties->idempotency_key));
    if (key != keys_.end() && key->second == &entry) keys_.erase(key);
    for (auto& [gate, limit] : entry.ties->gates) drop_gate(*gate);
  }
  if (--entry.run->entries == 0) runs_.erase(entry.run->id);
  drop_lane(*entry.lane);
  entries_.erase(slot(entry));
  delete &entry;
}

// What has ended stays counted: it is only not held here any more.
void Ledger::evict(Entry& entry) {
  if (!entry.guest) count(entry, 1);
  remove(entry);
}

void Ledger::set_ended(const StateCounts& counts) {
  for (const State state : {State::succeeded, State::failed, State::cancelled})
    counts_[at(state)] = counts[at(state)];
}

void Ledger::forget_ended(State state, std::string_view run_id) {
  --counts_[at(state)];
  if (RunEntry* run = find_run(run_id)) --run->counts[at(state)];
}

Entry& Ledger::restore(const Spec& spec, const Status& status, const Kept& kept) {
  Entry& entry = add(spec, kept.seq);
  entry.guest = kept.guest;
  entry.finished_token = kept.finished_token;
  entry.finished_state = kept.finished_state;
  entry.finished_cause = kept.finished_cause;
  entry.grace_until_ms = kept.grace_until_ms;
  entry.state = status.state;
  entry.cause = status.cause;
  entry.attempt = status.attempt;
  entry.losses = status.losses;
  entry.token = status.token;
  if (!status.worker.empty()) entry.worker = std::make_shared<const std::string>(status.worker);
  entry.lease_until_ms = status.lease_until_ms;
  entry.cancel_requested = status.cancel_requested;
  entry.created_ms = status.created_ms;
  entry.due_ms = status.due_ms;
  entry.started_ms = status.started_ms;
  entry.ended_ms = status.ended_ms;
  set_last_seq(kept.seq);
  if (kept.guest) return entry;
  link(entry);
  count(entry, 1);
  place(entry);
  set_expiry(entry);
  if (entry.state == State::blocked) unsettled_.push_back(entry.id);
  return entry;
}

void Ledger::expire_leases(UnixMs now) {
  std::vector<Entry*> running;
  for (Entry& entry : leases_) running.push_back(&entry);
  for (Entry* entry : running) set_lease(*entry, std::min(entry->lease_until_ms, now));
}

void Ledger::take_leases(Ledger& other) {
  std::vector<Entry*> running;
  for (Entry& entry : leases_) running.push_back(&entry);
  for (Entry* entry : running)
    if (const Entry* known = other.held(entry->id); known && known->token >= entry->token)
      set_lease(*entry, known->lease_until_ms);
}

void Ledger::set_lease(Entry& entry, UnixMs until) {
  leases_.erase(leases_.iterator_to(entry));
  entry.lease_until_ms = entry.order = until;
  leases_.insert(leases_.end(), entry);
}

Moved Ledger::moved(const Entry& entry) const {
  return {.id = entry.id,
          .run_id = entry.run->id,
          .index = entry.index,
          .state = entry.state,
          .cause = entry.cause,
          .run_open = entry.run->open()};
}

Status Ledger::status(const Entry& entry) const {
  return {.state = entry.state,
          .cause = entry.cause,
          .attempt = entry.attempt,
          .losses = entry.losses,
          .token = entry.token,
          .worker = entry.worker ? *entry.worker : std::string(),
          .lease_until_ms = entry.lease_until_ms,
          .cancel_requested = entry.cancel_requested,
          .created_ms = entry.created_ms,
          .due_ms = entry.due_ms,
          .started_ms = entry.started_ms,
          .ended_ms = entry.ended_ms};
}

Beat Ledger::beat(UnixMs now, const std::string& worker, const Held& held, UnixMs lease_ms,
                  Entry** beaten) {
  Entry* entry = find(held.id);
  if (!entry || entry->state != State::running || entry->token != held.token ||
      *entry->worker != worker)
    return Beat::lost;
  *beaten = entry;
  set_lease(*entry, now + lease_ms);
  return entry->cancel_requested ? Beat::cancel : Beat::ok;
}

void Ledger::end(Entry& entry, State state, Cause cause, UnixMs now, std::vector<Moved>* moved) {
  entry.ended_ms = now;
  move(entry, state, cause);
  settle_dependents(entry.id, now, moved);
}

void Ledger::make_ready(Entry& entry, UnixMs due, UnixMs now) {
  entry.due_ms = due;
  move(entry, due > now ? State::scheduled : State::queued, Cause::none);
}

Ledger::Outcome Ledger::finish(UnixMs now, const Finish& finish) {
  Outcome outcome;
  Entry* entry = find(finish.id);
  if (!entry) {
    outcome.answer.stale = true;
    outcome.answer.cause = Cause::none;
    return outcome;
  }
  if (finish.token != 0 && entry->finished_token == finish.token) {
    outcome.answer.state = entry->finished_state;
    outcome.answer.cause = entry->finished_cause;
  } else if (entry->state != State::running || entry->token != finish.token) {
    outcome.answer.stale = true;
    outcome.answer.state = entry->state;
    outcome.answer.cause = entry->cause;
  } else {
    entry->finished_token = finish.token;
    finish_running(now, *entry, finish, outcome.answer.moved);
    outcome.answer.state = entry->finished_state = entry->state;
    outcome.answer.cause = entry->finished_cause = entry->cause;
    outcome.applied = entry;
  }
  outcome.answer.run_open = entry->run->open();
  return outcome;
}

void Ledger::finish_running(UnixMs now, Entry& entry, const Finish& finish,
                            std::vector<Moved>& moved) {
  using Verdict = Finish::Verdict;
  if (finish.verdict != Verdict::released) entry.losses = 0;
  const bool goes_on = finish.verdict == Verdict::retry || finish.verdict == Verdict::released;
  if (goes_on && entry.cancel_requested)
    return end(entry, State::cancelled, Cause::cancelled, now, &moved);
  switch (finish.verdict) {
    case Verdict::succeeded: return end(entry, State::succeeded, Cause::finished, now, &moved);
    case Verdict::failed: return end(entry, State::failed, Cause::finished, now, &moved);
    case Verdict::cancelled: return end(entry, State::cancelled, Cause::cancelled, now, &moved);
    case Verdict::released: --entry.attempt; return move(entry, State::queued, Cause::none);
    case Verdict::retry: break;
  }
  const UnixMs due = now + std::max<UnixMs>(finish.delay_ms, 0);
  if (entry.attempt >= entry.attempts_max)
    return end(entry, State::failed, Cause::attempts_exhausted, now, &moved);
  if (entry.deadline_ms != 0 && due >= entry.deadline_ms)
    return end(entry, State::failed, Cause::deadline, now, &moved);
  make_ready(entry, due, now);
}

// Whether it is still running.
bool Ledger::ask_to_stop(UnixMs now, Entry& entry, UnixMs grace_ms, std::vector<Moved>* moved) {
  const UnixMs until = now + std::max<UnixMs>(grace_ms, 0);
  entry.grace_until_ms = entry.cancel_requested ? std::min(entry.grace_until_ms, until) : until;
  entry.cancel_requested = true;
  if (entry.state != State::running) {
    end(entry, State::cancelled, Cause::cancelled, now, moved);
    return false;
  }
  set_expiry(entry);
  touch(entry);
  return true;
}

Result<Entry*> Ledger::cancel(UnixMs now, std::string_view id, UnixMs grace_ms) {
  Entry* entry = find(id);
  if (!entry) return unknown(id);
  if (is_final(entry->state)) return ended_already(*entry);
  ask_to_stop(now, *entry, grace_ms, nullptr);
  return entry;
}

std::vector<Moved> Ledger::cancel_run(UnixMs now, const std::string& run_id, UnixMs grace_ms,
                                      std::vector<Entry*>& asked) {
  RunEntry* run = find_run(run_id);
  if (!run) return {};
  std::vector<Entry*> open;
  for (Entry& entry : run->members)
    if (!is_final(entry.state)) open.push_back(&entry);
  std::vector<Moved> all;
  for (Entry* entry : open) {
    // An earlier one's end may have settled it already.
    if (is_final(entry->state)) continue;
    asked.push_back(entry);
    std::vector<Moved> settled;
    ask_to_stop(now, *entry, grace_ms, &settled);
    all.push_back(moved(*entry));
    std::ranges::move(settled, std::back_inserter(all));
  }
  return all;
}

Result<Entry*> Ledger::replay(UnixMs now, std::string_view id) {
  Entry* entry = find(id);
  if (!entry) return unknown(id);
  if (!is_final(entry->state) || entry->state == State::succeeded) return ended_already(*entry);
  if (entry->guest) {
    entry->guest = false;
    link(*entry);
  }
  entry->revived = true;
  ++replays_;
  entry->attempt = entry->losses = 0;
  entry->cancel_requested = false;
  entry->started_ms = entry->ended_ms = entry->lease_until_ms = 0;
  // A deadline that has passed would end it again at once.
  if (entry->deadline_ms <= now) entry->deadline_ms = 0;
  make_ready(*entry, std::max(entry->run_at_ms, now), now);
  return entry;
}

Result<Entry*> Ledger::change(UnixMs now, std::string_view id, const Change& change) {
  if (change.priority && (*change.priority < -9 || *change.priority > 9))
    return fail(Errc::invalid_argument,
                "priority: " + std::to_string(*change.priority) + " is not in -9..9", "task");
  if (change.run_at_ms && *change.run_at_ms < 0)
    return fail(Errc::invalid_argument, "run_at_ms: is negative", "task");
  Entry* entry = find(id);
  if (!entry) return unknown(id);
  if (!waits(entry->state)) return ended_already(*entry);
  if (change.priority) entry->priority = static_cast<std::int8_t>(*change.priority);
  if (change.run_at_ms) entry->run_at_ms = *change.run_at_ms;
  if (entry->state == State::blocked) {
    touch(*entry);
    return entry;
  }
  const UnixMs due =
      change.run_at_ms ? std::max(*change.run_at_ms, entry->created_ms) : entry->due_ms;
  unplace(*entry);  // its order changes
  make_ready(*entry, due, now);
  return entry;
}

void Ledger::lose(Entry& entry, UnixMs now, std::vector<Moved>& moved) {
  ++entry.losses;
  if (entry.cancel_requested)
    end(entry, State::cancelled, Cause::cancelled, now, &moved);
  else if (entry.losses >= entry.losses_max)
    end(entry, State::failed, Cause::poisoned, now, &moved);
  else
    move(entry, State::queued, Cause::none);
}

Swept Ledger::sweep(UnixMs now, int max) {
  Swept swept;
  const auto room = [&] { return swept.moved.size() < static_cast<std::size_t>(max); };
  // A task, then what it took along: the list stays in the order in which things happened.
  const auto did = [&](Entry& entry, auto&& act) {
    std::vector<Moved> taken_along;
    act(taken_along);
    swept.moved.push_back(moved(entry));
    std::ranges::move(taken_along, std::back_inserter(swept.moved));
  };
  promote(now);
  while (room() && !expiries_.empty() && expiries_.begin()->expires_ms <= now) {
    Entry& entry = *expiries_.begin();
    const bool stubborn =
        entry.state == State::running && entry.cancel_requested && entry.grace_until_ms <= now;
    did(entry, [&](auto& along) {
      stubborn ? end(entry, State::cancelled, Cause::grace_exceeded, now, &along)
               : end(entry, State::failed, Cause::deadline, now, &along);
    });
  }
  while (room() && !leases_.empty() && leases_.begin()->order <= now) {
    Entry& entry = *leases_.begin();
    did(entry, [&](auto& along) { lose(entry, now, along); });
  }
  while (room() && !unsettled_.empty()) {
    const std::string id = std::move(unsettled_.back());
    unsettled_.pop_back();
    const auto found = entries_.find(std::string_view(id));
    if (found != entries_.end()) settle(*found->entry, now, swept.moved);
  }
  swept.more = !room();
  return swept;
}

Result<Entry*> Ledger::journaled(std::string_view id, std::uint64_t token) {
  Entry* entry = find(id);
  if (!entry || entry->state != State::running || entry->token != token)
    return fail(Errc::conflict,
                "task: token " + std::to_string(token) + " of " + std::string(id) +
                    " is not the latest of a running attempt",
                "tasks");
  entry->losses = 0;
  touch(*entry);
  return entry;
}

namespace {

bool may_fit(const Entry& entry, const Filter& filter) {
  const auto among = [](const auto& wanted, auto value) {
    return wanted.empty() || std::ranges::find(wanted, value) != wanted.end();
  };
  if (!filter.tenant.empty() && entry.lane->tenant->name != filter.tenant) return false;
  if (!filter.queue.empty() && entry.lane->queue->name != filter.queue) return false;
  if (filter.ended_before_ms && !is_final(entry.state)) return false;
  return among(filter.states, entry.state) && among(filter.causes, entry.cause);
}

}  // namespace

Ledger::Look Ledger::look(const Filter& filter, int after_index, std::string_view after_id,
                          std::size_t most, std::size_t budget) const {
  Look look;
  const auto walk = [&](const auto& set, auto next) {
    for (const Entry* last = nullptr; next != set.end(); ++next) {
      if (look.found.size() == most || budget == 0) {
        look.last = last;
        return;
      }
      --budget;
      last = &*next;
      if (may_fit(*next, filter)) look.found.push_back(last);
    }
  };
  if (filter.run_id.empty()) {
    walk(by_id_, by_id_.upper_bound(after_id,
                                    [](std::string_view a, std::string_view b) { return a < b; }));
  } else if (const auto run = runs_.find(filter.run_id); run != runs_.end()) {
    const RunSet& members = run->second->members;
    using Key = std::pair<int, std::string_view>;
    walk(members, members.upper_bound(Key(after_index, after_id), [](const Key& a, const Entry& b) {
      return a < Key(b.index, b.id);
    }));
  }
  return look;
}

Stats Ledger::stats() const {
  Stats stats;
  stats.counts = to_counts(counts_);
  const auto consider = [&](const PlaceSet& set) {
    if (set.empty()) return;
    const UnixMs due = set.begin()->due_ms;
    stats.oldest_queued_ms = std::min(stats.oldest_queued_ms.value_or(due), due);
  };
  for (const auto& [name, queue] : queues_) {
    if (queue.paused) stats.paused.push_back(name);
    for (const auto& [tenant, lane] : queue.lanes) consider(lane->ready);
  }
  for (const auto& [key, gate] : gates_)
    for (const auto& [queue, waiting] : gate->waiting)
      for (const auto& [limit, parked] : waiting.parked) consider(parked);
  return stats;
}

}  // namespace troupe::tasks
