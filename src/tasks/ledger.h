// Ledger: the rules of the queue without storage. Which task may move where, whose turn it is,
// what is parked behind which gate, what time brings about. Plain code on plain time, one thread.
// The memory backend keeps everything in it; the SQLite backend keeps the open tasks in it and
// pages ended ones in when a call names them.
#pragma once

#include <array>
#include <boost/intrusive/set.hpp>
#include <boost/unordered/unordered_flat_set.hpp>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tasks/backend.h"

namespace troupe::tasks {

namespace intrusive = boost::intrusive;

struct Entry;
struct Lane;
struct GateEntry;
struct QueueEntry;
using Hook = intrusive::set_member_hook<intrusive::optimize_size<true>>;

/// What the ledger does not need for its decisions; where it is kept is the backend's business.
struct Body {
  Spec spec;
  std::string progress, result, error, cancel_reason;
  std::vector<std::pair<std::string, std::string>> journal;
};

struct EntryGate {
  GateEntry* gate = nullptr;
  std::int64_t limit = 1;
};

/// What few tasks have.
struct Ties {
  std::vector<EntryGate> gates;
  std::vector<std::string> depends_on;
  std::string idempotency_key;
};

using StateCounts = std::array<std::int64_t, 7>;
Counts to_counts(const StateCounts& counts);

struct RunEntry;

/// Where an entry is linked in; each place orders its entries by `order`, then `seq`.
enum class Place : std::uint8_t { none, scheduled, ready, parked, leased, ended };

struct Entry {
  std::string id;
  std::uint64_t seq = 0;  ///< Order of creation.
  RunEntry* run = nullptr;
  Lane* lane = nullptr;
  UnixMs order = 0;
  UnixMs expires_ms = 0;  ///< Deadline, queue timeout or end of the grace, whichever is next.
  int index = 0;
  State state = State::blocked;
  Cause cause = Cause::none;
  State finished_state = State::blocked;  ///< What the finish with `finished_token` led to.
  Cause finished_cause = Cause::none;
  DependsRule rule = DependsRule::all;
  Place place = Place::none;
  std::int8_t priority = 0;
  std::uint8_t parked_at = 0;  ///< Index of the gate, while parked.
  bool cancel_requested = false;
  bool touched = false;
  bool guest = false;    ///< Paged in for one call, in no index.
  bool fresh = false;    ///< Came in with this call.
  bool revived = false;  ///< Replayed with this call.
  int attempts_max = 1, losses_max = 1, attempt = 0, losses = 0;
  std::uint64_t token = 0, finished_token = 0;
  UnixMs created_ms = 0, run_at_ms = 0, due_ms = 0, deadline_ms = 0, queue_timeout_ms = 0;
  UnixMs started_ms = 0, ended_ms = 0, lease_until_ms = 0, grace_until_ms = 0;
  std::shared_ptr<const std::string> worker;
  std::unique_ptr<Ties> ties;
  std::unique_ptr<Body> body;
  Hook place_hook, expiry_hook, run_hook, id_hook;
};

struct ByOrder {
  bool operator()(const Entry& a, const Entry& b) const {
    return a.order != b.order ? a.order < b.order : a.seq < b.seq;
  }
};
struct ByExpiry {
  bool operator()(const Entry& a, const Entry& b) const {
    return a.expires_ms != b.expires_ms ? a.expires_ms < b.expires_ms : a.seq < b.seq;
  }
};
struct ByIndex {
  bool operator()(const Entry& a, const Entry& b) const {
    return a.index != b.index ? a.index < b.index : a.id < b.id;
  }
};
struct ById {
  using type = std::string;
  const std::string& operator()(const Entry& entry) const { return entry.id; }
};
template <Hook Entry::* hook, class Compare>
using EntrySet =
    intrusive::set<Entry, intrusive::member_hook<Entry, Hook, hook>, intrusive::compare<Compare>>;
using PlaceSet = EntrySet<&Entry::place_hook, ByOrder>;
using ExpirySet = EntrySet<&Entry::expiry_hook, ByExpiry>;
using RunSet = EntrySet<&Entry::run_hook, ByIndex>;
using IdSet = intrusive::set<Entry, intrusive::member_hook<Entry, Hook, &Entry::id_hook>,
                             intrusive::key_of_value<ById>>;

struct RunEntry {
  std::string id;
  StateCounts counts{};
  std::int64_t entries = 0;  ///< Members and guests.
  bool ended_known = false;  ///< `counts` has the ended ones that are stored elsewhere.
  RunSet members;
  std::int64_t open() const { return counts[0] + counts[1] + counts[2] + counts[3]; }
};

/// Who shares the workers. `served` is virtual time: what it was served since it became active.
struct Tenant {
  std::string name;
  std::uint64_t served = 0;
  int active = 0;  ///< Lanes with something ready.
  std::vector<Lane*> lanes;
};

/// The ready tasks of one tenant in one queue.
struct Lane {
  Tenant* tenant = nullptr;
  QueueEntry* queue = nullptr;
  std::int64_t entries = 0;
  PlaceSet ready;
  Hook turn_hook;
};
struct ByTurn {
  bool operator()(const Lane& a, const Lane& b) const {
    return a.tenant->served != b.tenant->served ? a.tenant->served < b.tenant->served
                                                : a.tenant->name < b.tenant->name;
  }
};

struct QueueEntry {
  std::string name;
  bool paused = false;
  std::map<std::string, std::unique_ptr<Lane>, std::less<>> lanes;  // by tenant
  intrusive::set<Lane, intrusive::member_hook<Lane, Hook, &Lane::turn_hook>,
                 intrusive::compare<ByTurn>>
      turns;
};

struct GateEntry {
  std::string key;
  std::optional<std::int64_t> limit;  ///< Set for all; wins over the tasks' own.
  std::int64_t running = 0, entries = 0;
  /// Per queue, since nobody may be claiming from another one: what is in its lanes, and what is
  /// parked, by the limit that the tasks carry.
  struct Waiting {
    std::int64_t ready = 0;
    std::map<std::int64_t, PlaceSet> parked;
  };
  std::map<QueueEntry*, Waiting> waiting;
  bool has_room(std::int64_t own, std::int64_t taken) const { return taken < limit.value_or(own); }
};

/// Seam: brings back what a call names and the ledger does not hold (any more).
class Pager {
 public:
  virtual ~Pager() = default;
  /// Calls Ledger::restore with guest = true, or returns null.
  virtual Entry* page_in(std::string_view id) = 0;
  virtual Entry* page_in_by_key(std::string_view tenant, std::string_view key) = 0;
  virtual std::string job(const Entry& entry) = 0;
};

struct LedgerOptions {
  std::int64_t tasks_max = 1'000'000;
  bool keeps_ended = true;  ///< Ended tasks stay, and are listed.
  bool tracks = false;      ///< Collects `touched`.
};

class Ledger final {
 public:
  explicit Ledger(LedgerOptions options, Pager* pager = nullptr);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  struct Added {
    Entry* entry = nullptr;
    bool existing = false;
  };
  /// All or none; one answer per spec.
  Result<std::vector<Added>> enqueue(UnixMs now, std::span<const Spec> specs);
  Result<std::vector<Entry*>> claim(UnixMs now, const ClaimRequest& request);
  std::optional<UnixMs> next_due() const;
  Beat beat(UnixMs now, const std::string& worker, const Held& held, UnixMs lease_ms,
            Entry** entry);
  struct Outcome {
    Finished answer;
    Entry* applied = nullptr;  ///< Null: stale, or repeated.
  };
  Outcome finish(UnixMs now, const Finish& finish);
  Result<Entry*> cancel(UnixMs now, std::string_view id, UnixMs grace_ms);
  /// What it moved; `asked` are all that were cancelled or asked to.
  std::vector<Moved> cancel_run(UnixMs now, const std::string& run_id, UnixMs grace_ms,
                                std::vector<Entry*>& asked);
  Result<Entry*> replay(UnixMs now, std::string_view id);
  Result<Entry*> change(UnixMs now, std::string_view id, const Change& change);
  void pause(const std::string& queue, bool paused);
  void set_limit(const std::string& key, std::optional<std::int64_t> limit);
  Swept sweep(UnixMs now, int max);
  /// Whoever holds it shall not lose it for what it did not do: the journal grew.
  Result<Entry*> journaled(std::string_view id, std::uint64_t token);

  Entry* find(std::string_view id);
  /// Without paging in.
  Entry* held(std::string_view id);
  RunEntry* find_run(std::string_view id);
  Stats stats() const;
  const IdSet& by_id() const { return by_id_; }
  struct Look {
    std::vector<const Entry*> found;  ///< In the order of the list.
    /// Where it stopped, when there may be more.
    const Entry* last = nullptr;
  };
  /// What fits a filter among the entries here, from after a place of its list (a run's by index,
  /// else by id); labels are left to the caller. Stops at `most` found or `budget` looked at.
  Look look(const Filter& filter, int after_index, std::string_view after_id, std::size_t most,
            std::size_t budget) const;
  /// How many were replayed since it was made.
  std::uint64_t replays() const { return replays_; }
  const PlaceSet& ended() const { return ended_; }
  void remove(Entry& entry);
  Moved moved(const Entry& entry) const;
  Status status(const Entry& entry) const;

  struct Kept {
    std::uint64_t seq = 0, finished_token = 0;
    State finished_state = State::blocked;
    Cause finished_cause = Cause::none;
    UnixMs grace_until_ms = 0;
    bool guest = false;
  };
  /// Puts back what was stored.
  Entry& restore(const Spec& spec, const Status& status, const Kept& kept);
  /// Ended tasks that are stored elsewhere: how many there are, and that one is deleted.
  void set_ended(const StateCounts& counts);
  void forget_ended(State state, std::string_view run_id);
  const StateCounts& counts() const { return counts_; }
  /// Every running task's lease ends at `now`: nobody holds them.
  void expire_leases(UnixMs now);
  /// Something of it changed that has to be stored.
  void touch(Entry& entry);
  /// But those that `other` knows go on as there.
  void take_leases(Ledger& other);
  /// Into a list that is empty.
  void take_touched(std::vector<Entry*>& into);
  /// Lets go of an entry that is stored elsewhere and not open.
  void evict(Entry& entry);
  std::int64_t open() const { return to_counts(counts_).open(); }
  void set_last_seq(std::uint64_t seq) { last_seq_ = std::max(last_seq_, seq); }
  /// Whether something may have become claimable since the last call.
  bool take_news() { return std::exchange(news_, false); }

 private:
  /// With the hash of the id, so that growing does not visit every entry.
  struct Slot {
    std::size_t hash;
    Entry* entry;
  };
  static Slot slot(Entry& entry) { return {hash_of(entry.id), &entry}; }
  static std::size_t hash_of(std::string_view id) { return std::hash<std::string_view>{}(id); }
  struct IdHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view id) const { return hash_of(id); }
    std::size_t operator()(const Slot& slot) const { return slot.hash; }
  };
  struct IdEqual {
    using is_transparent = void;
    bool operator()(const Slot& a, const Slot& b) const { return a.entry == b.entry; }
    bool operator()(std::string_view id, const Slot& slot) const { return id == slot.entry->id; }
    bool operator()(const Slot& slot, std::string_view id) const { return id == slot.entry->id; }
  };
  struct Plan;

  // ledger.cc: entries and their states
  Entry& add(const Spec& spec, std::uint64_t seq);
  void link(Entry& entry);
  void move(Entry& entry, State to, Cause cause);
  void count(Entry& entry, std::int64_t by);
  void set_expiry(Entry& entry);
  void set_lease(Entry& entry, UnixMs until);
  Entry* find_by_key(std::string_view tenant, std::string_view key);
  Result<void> plan(std::span<const Spec> specs, Plan& plan);
  Result<bool> plan_existing(const Spec& spec, std::size_t place, Plan& plan);
  Result<void> plan_dependencies(std::span<const Spec> specs, Plan& plan);
  void end(Entry& entry, State state, Cause cause, UnixMs now, std::vector<Moved>* moved);
  void make_ready(Entry& entry, UnixMs due, UnixMs now);
  void settle_dependents(const std::string& id, UnixMs now, std::vector<Moved>* moved);
  void settle(Entry& entry, UnixMs now, std::vector<Moved>& moved);
  std::optional<State> decide(Entry& entry, UnixMs now, std::vector<Moved>& moved);
  std::optional<std::pair<State, Cause>> ruling(const Entry& entry);
  void finish_running(UnixMs now, Entry& entry, const Finish& finish, std::vector<Moved>& moved);
  bool ask_to_stop(UnixMs now, Entry& entry, UnixMs grace_ms, std::vector<Moved>* moved);
  void lose(Entry& entry, UnixMs now, std::vector<Moved>& moved);
  void promote(UnixMs now);

  // ledger_lanes.cc: whose turn it is
  Lane& lane(const std::string& queue, const std::string& tenant);
  GateEntry& gate(const std::string& key);
  void place(Entry& entry);
  void unplace(Entry& entry);
  void to_lane(Entry& entry);
  void from_lane(Entry& entry);
  void park(Entry& entry, std::size_t gate);
  void wake(GateEntry& gate);
  void drop_gate(GateEntry& gate);
  void drop_lane(Lane& lane);
  std::optional<std::size_t> full_gate(const Entry& entry) const;
  Lane* next_lane(const std::vector<std::string>& queues);
  void serve(Tenant& tenant);
  void start(Entry& entry, UnixMs now, const ClaimRequest& request);

  LedgerOptions options_;
  Pager* pager_;
  boost::unordered_flat_set<Slot, IdHash, IdEqual> entries_;
  std::map<std::pair<std::string, std::string>, Entry*, std::less<>> keys_;
  std::unordered_map<std::string, std::unique_ptr<RunEntry>> runs_;
  std::map<std::string, std::unique_ptr<Tenant>, std::less<>> tenants_;
  std::map<std::string, QueueEntry, std::less<>> queues_;
  std::unordered_map<std::string, std::unique_ptr<GateEntry>> gates_;
  std::unordered_map<std::string, std::vector<std::string>> dependents_;
  std::vector<std::string> unsettled_;  // blocked tasks that sweep() has to look at
  PlaceSet scheduled_, leases_, ended_;
  ExpirySet expiries_;
  IdSet by_id_;
  StateCounts counts_{};
  std::uint64_t last_seq_ = 0;
  std::uint64_t served_ = 0;  // virtual time of the tenant served last
  std::shared_ptr<const std::string> worker_;
  std::vector<Entry*> touched_;
  std::uint64_t replays_ = 0;
  bool news_ = false;
};

}  // namespace troupe::tasks
