#include "tasks/task.h"

#include <algorithm>
#include <array>

namespace troupe::tasks {
namespace {

struct Transition {
  TaskState from;
  TaskState to;
};

constexpr std::array kTransitions = std::to_array<Transition>({
    {TaskState::queued, TaskState::running},
    {TaskState::queued, TaskState::cancelled},
    {TaskState::running, TaskState::succeeded},
    {TaskState::running, TaskState::failed},
    {TaskState::running, TaskState::cancelled},
    {TaskState::running, TaskState::queued},  // another attempt
});

}  // namespace

bool is_ended(TaskState state) {
  return std::none_of(kTransitions.begin(), kTransitions.end(),
                      [&](const Transition& row) { return row.from == state; });
}

Result<void> advance(TaskState& state, TaskState next) {
  const bool allowed =
      std::any_of(kTransitions.begin(), kTransitions.end(),
                  [&](const Transition& row) { return row.from == state && row.to == next; });
  if (!allowed)
    return fail(Errc::conflict, "task: cannot go from " + std::string(to_string(state)) + " to " +
                                    std::string(to_string(next)));
  state = next;
  return {};
}

}  // namespace troupe::tasks
