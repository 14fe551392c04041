// The rules of the store, checked with every call that is applied to it.
#include <algorithm>

#include "engine/testing_link.h"

namespace troupe::simulation {
namespace {

using tasks::State;

bool waits(State state) {
  return state == State::queued || state == State::scheduled || state == State::blocked;
}

// Of the two workflows.
const std::map<std::string, std::string> kBefore = {{"b", "a"},   {"c", "b"},   {"l1", "a"},
                                                    {"l2", "l1"}, {"l3", "l2"}, {"z", "l3"}};

}  // namespace

TaskView* Referee::find(const std::string& id, const std::string& who) {
  const auto found = tasks.find(id);
  if (found != tasks.end()) return &found->second;
  world_.broken(who + " speaks of task " + id + ", which nobody accepted");
  return nullptr;
}

void Referee::go(TaskView& task, State to, const std::string& why) {
  const State from = task.state;
  if (from == to) return;
  if (from == State::running)
    for (const tasks::Gate& gate : task.spec.gates) --running_by_gate_[gate.key];
  const bool possible = tasks::can_go(from, to) || (waits(from) && waits(to)) ||
                        (waits(from) && to == State::running);
  if (!possible)
    world_.broken("task " + task.spec.id + " went from " + std::string(to_string(from)) + " to " +
                  std::string(to_string(to)) + " by " + why);
  if (world_.keep_trace)
    world_.trace("store", task.spec.id + " " + std::string(to_string(to)) + " (" + why + ")");
  task.state = to;
  if (waits(to)) task.ready_ms = world_.ms();
}

void Referee::accepted(const tasks::Submission& submission,
                       const std::vector<tasks::Accepted>& answers) {
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (answers[i].existing) {
      find(answers[i].id, "enqueue");
      continue;
    }
    const tasks::Spec& spec = submission.tasks[i];
    if (tasks.contains(spec.id)) world_.broken("task " + spec.id + " was accepted twice as new");
    for (const auto& [id, other] : tasks)
      if (!spec.idempotency_key.empty() && other.spec.idempotency_key == spec.idempotency_key)
        world_.broken("tasks " + id + " and " + spec.id + " have one idempotency key");
    TaskView view;
    view.spec = spec;
    view.state = spec.depends_on.empty() ? State::queued : State::blocked;
    view.ready_ms = world_.ms();
    tasks.emplace(spec.id, std::move(view));
    open_runs.insert(spec.run_id);
  }
}

void Referee::claimed(const std::string& node, const std::vector<tasks::Claim>& claims) {
  for (const tasks::Claim& claim : claims) {
    TaskView* task = find(claim.spec.id, "claim");
    if (!task) continue;
    if (!waits(task->state))
      world_.broken("task " + claim.spec.id + " was claimed while " +
                    std::string(to_string(task->state)));
    if (claim.token <= task->token)
      world_.broken("task " + claim.spec.id + " got the token " + std::to_string(claim.token) +
                    " after " + std::to_string(task->token));
    if (paused_.contains(task->spec.queue))
      world_.broken("task " + claim.spec.id + " was claimed from a paused queue");
    go(*task, State::running, "claim of " + node);
    task->token = claim.token;
    ++served[task->spec.tenant];
    for (const tasks::Gate& gate : task->spec.gates)
      if (++running_by_gate_[gate.key] > gate.limit)
        world_.broken("gate " + gate.key + " lets more than " + std::to_string(gate.limit) + " in");
  }
}

void Referee::finished(const std::vector<tasks::Finish>& finishes,
                       const std::vector<tasks::Finished>& answers) {
  for (std::size_t i = 0; i < answers.size(); ++i) {
    TaskView* task = find(finishes[i].id, "finish");
    if (!task) continue;
    if (answers[i].stale || task->finished.contains(finishes[i].token)) continue;
    task->finished.insert(finishes[i].token);
    if (finishes[i].token == task->token)
      take_finish(*task, finishes[i].verdict, answers[i].state);
    else
      world_.broken("task " + finishes[i].id + " was finished with the old token " +
                    std::to_string(finishes[i].token));
    moved(answers[i].moved);
  }
}

void Referee::take_finish(TaskView& task, tasks::Finish::Verdict verdict, State now) {
  const bool again = verdict == tasks::Finish::Verdict::retry && waits(now);
  if (again && ++task.retries >= task.spec.retry.attempts_max)
    world_.broken("task " + task.spec.id + " is tried more than " +
                  std::to_string(task.spec.retry.attempts_max) + " times");
  go(task, now, "finish");
}

void Referee::moved(const tasks::Moved& moved, bool replayed) {
  TaskView* task = find(moved.id, "store");
  if (!task) return;
  if (replayed && tasks::is_final(task->state)) task->retries = 0;
  go(*task, moved.state, replayed ? "replay" : "move");
}

void Referee::moved(const std::vector<tasks::Moved>& all) {
  for (const tasks::Moved& one : all) moved(one, false);
}

void Referee::journalled(const std::string& id, std::uint64_t token, const std::string& key,
                         const std::string& text) {
  TaskView* task = find(id, "journal");
  if (!task) return;
  if (token != task->token)
    world_.broken("task " + id + " was journalled with the old token " + std::to_string(token));
  // Rounds of a loop take each other's place: what this one said tells which it was.
  const std::string path = key.substr(key.find('/') + 1);
  const bool round = path == "$round" && !text.empty();
  task->journalled.emplace(round ? text.substr(1, text.find(' ') - 1) : path, token);
}

void Referee::paused(const std::string& queue, bool paused) {
  if (paused)
    paused_.insert(queue);
  else
    paused_.erase(queue);
}

void Referee::effect(const std::string& id, std::uint64_t token, const std::string& step) {
  TaskView* task = find(id, "an action");
  if (!task) return;
  ++effects;
  const auto before = kBefore.find(step);
  if (before != kBefore.end() && !task->journalled.contains(before->second))
    world_.broken("task " + id + " did step " + step + " before step " + before->second +
                  " was written down");
  const auto entry = task->journalled.find(step);
  if (entry != task->journalled.end() && entry->second < token && !task->page_failed)
    world_.broken("task " + id + " did step " + step + " again, which was written down");
  if (!effects_seen_.insert(id + " " + step).second) ++repeated;
}

void Referee::compare(const tasks::Record& record) {
  const TaskView* task = find(record.spec.id, "the store");
  if (!task) return;
  const auto& status = record.status;
  const bool same = task->state == status.state || (waits(task->state) && waits(status.state));
  if (!same || task->token != status.token)
    world_.broken("task " + record.spec.id + " is " + std::string(to_string(status.state)) +
                  " with token " + std::to_string(status.token) +
                  " in the store, but was seen as " + std::string(to_string(task->state)) +
                  " with " + std::to_string(task->token));
}

}  // namespace troupe::simulation
