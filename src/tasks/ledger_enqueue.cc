// How tasks come in: all of a call or none, and what depends on what.
#include <algorithm>
#include <deque>

#include "tasks/ledger.h"

namespace troupe::tasks {
namespace {

constexpr std::size_t kBatchMax = 100'000;

Error refused(std::string message, std::string hint = {}) {
  return fail(Errc::invalid_argument, std::move(message), "tasks", std::move(hint));
}

}  // namespace

// What each spec of a call comes to.
struct Ledger::Plan {
  struct Item {
    Entry* existing = nullptr;
    std::size_t same_as = kNone;  // place in the call of the spec that it repeats
  };
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::vector<Item> items;
  std::unordered_map<std::string_view, std::size_t> places;                   // by id
  std::map<std::pair<std::string_view, std::string_view>, std::size_t> keys;  // tenant, key
  std::map<std::size_t, std::vector<std::string>> depends;  // under the ids they have here
  std::size_t added = 0;
};

// Whether the spec repeats a task that is there, or one earlier in the call.
Result<bool> Ledger::plan_existing(const Spec& spec, std::size_t place, Plan& plan) {
  Plan::Item& item = plan.items[place];
  if (plan.items.size() > 1) {
    const auto [same, is_new] = plan.places.try_emplace(spec.id, place);
    if (!is_new) {
      item = {plan.items[same->second].existing, same->second};
      return true;
    }
  }
  if ((item.existing = find(spec.id))) return true;
  if (spec.idempotency_key.empty()) return false;
  const auto other_job = [&] {
    return fail(
        Errc::conflict,
        "idempotency key: '" + spec.idempotency_key + "' is in use by a task with a different job",
        "tasks", "take a new key for new work");
  };
  if ((item.existing = find_by_key(spec.tenant, spec.idempotency_key))) {
    const Body* body = item.existing->body.get();
    const bool same = body ? body->spec.job == spec.job : pager_->job(*item.existing) == spec.job;
    if (!same) return other_job();
    return true;
  }
  const auto [same, is_new] = plan.keys.try_emplace({spec.tenant, spec.idempotency_key}, place);
  if (!is_new) item.same_as = same->second;
  return !is_new;
}

Result<void> Ledger::plan(std::span<const Spec> specs, Plan& plan) {
  if (specs.size() > kBatchMax)
    return refused("tasks: " + std::to_string(specs.size()) + " at once are more than " +
                   std::to_string(kBatchMax));
  plan.items.resize(specs.size());
  bool depends = false;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    TRY_VOID(check(specs[i]));
    TRY(const bool repeats, plan_existing(specs[i], i, plan));
    const std::size_t same_as = plan.items[i].same_as;
    if (same_as != Plan::kNone && specs[same_as].id != specs[i].id &&
        specs[same_as].job != specs[i].job)
      return fail(Errc::conflict,
                  "idempotency key: '" + specs[i].idempotency_key +
                      "' is used twice in the call, for different jobs",
                  "tasks");
    if (repeats) continue;
    ++plan.added;
    depends = depends || !specs[i].depends_on.empty();
  }
  if (depends) TRY_VOID(plan_dependencies(specs, plan));
  if (open() + static_cast<std::int64_t>(plan.added) > options_.tasks_max)
    return fail(Errc::exhausted,
                "tasks: " + std::to_string(open()) + " that have not ended and " +
                    std::to_string(plan.added) + " more exceed " +
                    std::to_string(options_.tasks_max),
                "tasks", "wait until some have ended, or submit fewer at once");
  return {};
}

// Under which ids the tasks that are depended on are known here; no circles.
Result<void> Ledger::plan_dependencies(std::span<const Spec> specs, Plan& plan) {
  if (specs.size() == 1) plan.places.try_emplace(specs[0].id, 0);
  std::map<std::size_t, std::vector<std::size_t>> followers;
  std::map<std::size_t, std::size_t> open;
  std::deque<std::size_t> free;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (plan.items[i].existing || plan.items[i].same_as != Plan::kNone) continue;
    for (const std::string& wanted : specs[i].depends_on) {
      auto& depends = plan.depends[i];
      std::string id = wanted;
      auto place = plan.places.find(wanted);
      if (place != plan.places.end()) {
        std::size_t at = place->second;
        while (plan.items[at].same_as != Plan::kNone) at = plan.items[at].same_as;
        const Entry* existing = plan.items[at].existing;
        id = existing ? existing->id : specs[at].id;
        if (!existing) {
          followers[at].push_back(i);
          ++open[i];
        }
      } else if (!find(wanted)) {
        return fail(
            Errc::not_found,
            "depends_on: task " + specs[i].id + " depends on " + wanted + ", which does not exist",
            "tasks", "submit both in one call, or the other first");
      }
      if (std::ranges::find(depends, id) == depends.end()) depends.push_back(std::move(id));
    }
    if (!open.contains(i)) free.push_back(i);
  }
  while (!free.empty()) {
    for (const std::size_t follower : followers[free.front()])
      if (--open[follower] == 0) {
        open.erase(follower);
        free.push_back(follower);
      }
    free.pop_front();
  }
  if (open.empty()) return {};
  return refused("depends_on: task " + specs[open.begin()->first].id +
                 " depends on itself by way of others");
}

Result<std::vector<Ledger::Added>> Ledger::enqueue(UnixMs now, std::span<const Spec> specs) {
  Plan plan;
  TRY_VOID(this->plan(specs, plan));
  std::vector<Added> added(specs.size());
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const auto& [existing, same_as] = plan.items[i];
    if (existing || same_as != Plan::kNone) {
      added[i] = {existing ? existing : added[same_as].entry, true};
      continue;
    }
    Entry& entry = add(specs[i], last_seq_ + 1);
    ++last_seq_;
    entry.fresh = true;
    entry.created_ms = now;
    entry.due_ms = std::max(specs[i].run_at_ms, now);
    if (!specs[i].depends_on.empty()) {
      entry.ties->depends_on = std::move(plan.depends[i]);
      entry.state = State::blocked;
    } else {
      entry.state = entry.due_ms > now ? State::scheduled : State::queued;
    }
    link(entry);
    count(entry, 1);
    place(entry);
    set_expiry(entry);
    touch(entry);
    added[i] = {&entry, false};
  }
  // What can go on at once does; what is ruled out already ends with the next sweep, which tells.
  for (const Added& one : added) {
    if (one.existing || one.entry->state != State::blocked) continue;
    const auto ruled = ruling(*one.entry);
    if (!ruled) continue;
    if (ruled->first == State::queued)
      make_ready(*one.entry, std::max(one.entry->run_at_ms, now), now);
    else
      unsettled_.push_back(one.entry->id);
  }
  return added;
}

// What the tasks that it depends on decide for it; nothing: wait. A task that is gone has ended,
// and did not rule anything then.
std::optional<std::pair<State, Cause>> Ledger::ruling(const Entry& entry) {
  std::array<int, 7> in{};
  int open = 0;
  for (const std::string& id : entry.ties->depends_on) {
    const Entry* other = find(id);
    if (!other) continue;
    ++in[static_cast<std::size_t>(other->state)];
    if (!is_final(other->state)) ++open;
  }
  const int succeeded = in[4], failed = in[5], cancelled = in[6];
  const std::pair go(State::queued, Cause::none);
  const std::pair fails(State::failed, Cause::dependency);
  switch (entry.rule) {
    case DependsRule::all:
      if (failed + cancelled > 0) return fails;
      if (open == 0) return go;
      break;
    case DependsRule::any:
      if (succeeded > 0) return go;
      if (open == 0) return fails;
      break;
    case DependsRule::failure:
      if (failed > 0) return go;
      if (open == 0) return std::pair(State::cancelled, Cause::dependency);
      break;
    case DependsRule::ended:
      if (open == 0) return go;
  }
  return std::nullopt;
}

// Moves a blocked task if its time has come; says where to.
std::optional<State> Ledger::decide(Entry& entry, UnixMs now, std::vector<Moved>& moved) {
  const auto ruled = ruling(entry);
  if (!ruled) return std::nullopt;
  if (ruled->first == State::queued) {
    make_ready(entry, std::max(entry.run_at_ms, now), now);
  } else {
    entry.ended_ms = now;
    move(entry, ruled->first, ruled->second);
  }
  moved.push_back(this->moved(entry));
  return entry.state;
}

void Ledger::settle(Entry& entry, UnixMs now, std::vector<Moved>& moved) {
  if (entry.state != State::blocked) return;
  const auto state = decide(entry, now, moved);
  if (state && is_final(*state)) settle_dependents(entry.id, now, &moved);
}

// Those that depended on a task that has ended, and those that depended on them. Without a list
// for what moves, sweep() does it.
void Ledger::settle_dependents(const std::string& id, UnixMs now, std::vector<Moved>* moved) {
  // A list instead of recursion: a chain of dependencies can be long.
  std::deque<std::string> ended{id};
  while (!ended.empty()) {
    const auto node = dependents_.extract(ended.front());
    ended.pop_front();
    if (node.empty()) continue;
    std::vector<std::string> blocked;
    for (const std::string& dependent : node.mapped()) {
      const auto found = entries_.find(std::string_view(dependent));
      if (found == entries_.end() || found->entry->state != State::blocked) continue;
      std::optional<State> state;
      if (moved)
        state = decide(*found->entry, now, *moved);
      else
        unsettled_.push_back(dependent);
      if (!state)
        blocked.push_back(dependent);
      else if (is_final(*state))
        ended.push_back(dependent);
    }
    if (!blocked.empty()) dependents_[node.key()] = std::move(blocked);
  }
}

}  // namespace troupe::tasks
