#include "engine/executor_run.h"
#include "workflows/output_schema.h"
#include "workflows/planner.h"

namespace troupe::engine {

using workflows::StepType;

namespace {

constexpr std::int64_t kRoundsMax = 100'000;
constexpr std::int64_t kBranchesMax = 1'000;
constexpr std::int64_t kBranchesAtOnce = 5;
constexpr std::int64_t kBranchesAtOnceMax = 10;
constexpr int kCallDepthMax = 8;

Error wrong(std::string message) { return fail(Errc::invalid_argument, std::move(message)); }

}  // namespace

json::object loop_variables(std::int64_t index, std::int64_t count) {
  json::object loop;
  loop["index"] = index;
  loop["number"] = index + 1;
  loop["first"] = index == 0;
  if (count >= 0) {
    loop["last"] = index + 1 == count;
    loop["count"] = count;
  }
  return loop;
}

Result<std::int64_t> Run::limit_of(Context& ctx, const Frame& frame, const Step& step,
                                   std::int64_t fallback, std::int64_t most) {
  if (!step.limit) return fallback;
  const std::string name = step.type == StepType::while_loop ? "max" : "limit";
  TRY(const json::value value, render(ctx, frame, *step.limit));
  workflows::Input input;
  input.type = workflows::InputType::integer;
  input.min = 1;
  input.max = static_cast<double>(most);
  auto fitted = workflows::fit_input(input, value);
  if (!fitted) return wrong(name + ": " + fitted.error().message);
  return fitted->get_int64();
}

Result<json::array> Run::items_of(Context& ctx, const Frame& frame, const Step& step) {
  json::value list;
  if (step.condition.empty()) {
    TRY(list, render(ctx, frame, step.argument));
  } else {
    TRY(list, evaluate(ctx, frame, step.condition));
  }
  if (!list.is_array())
    return fail(Errc::invalid_argument,
                step.kind + ": needs a list, not " + std::string(type_name(list)), {},
                "a list that may be missing: {{ name | default([]) }}");
  return std::move(list.get_array());
}

Async<StepValue> Run::run_condition(Context& ctx, Frame& frame, const Step& step) {
  CO_TRY(const bool condition, holds(ctx, frame, step.condition));
  StepValue value;
  value.detail = condition ? "then" : "else";
  CO_TRY(value.flow, co_await run_steps(ctx, frame, step.bodies[condition ? 0 : 1]));
  co_return value;
}

Async<Flow> Run::run_round(Context& ctx, Frame& frame, const Step& step, Variables& round,
                           json::array& collected) {
  Frame inner = frame;
  inner.visible = &round;
  CO_TRY_VOID(co_await breathe(ctx));
  CO_TRY(const Flow flow, co_await run_steps(ctx, inner, step.bodies[0]));
  if (step.collect && flow == Flow::next) {
    CO_TRY(json::value value, render(ctx, inner, *step.collect));
    collected.push_back(std::move(value));
  }
  co_return flow;
}

Async<StepValue> Run::run_for_each(Context& ctx, Frame& frame, const Step& step) {
  CO_TRY(json::array items, items_of(ctx, frame, step));
  CO_TRY(const std::int64_t limit, limit_of(ctx, frame, step, kRoundsMax, kRoundsMax));
  if (!step.limit && static_cast<std::int64_t>(items.size()) > limit)
    co_return wrong("for_each: " + std::to_string(items.size()) + " items exceed " +
                    std::to_string(limit));
  const std::int64_t count = std::min(limit, static_cast<std::int64_t>(items.size()));
  json::array collected;
  StepValue value;
  for (std::int64_t i = 0; i < count; ++i) {
    Variables round(frame.visible);
    round.set(step.as, std::move(items[static_cast<std::size_t>(i)]));
    round.set("loop", loop_variables(i, count));
    CO_TRY(const Flow flow, co_await run_round(ctx, frame, step, round, collected));
    if (flow == Flow::stop) value.flow = flow;
    if (flow != Flow::next) break;
  }
  value.detail = std::to_string(count) + " items";
  value.value = std::move(collected);
  co_return value;
}

Async<StepValue> Run::run_while(Context& ctx, Frame& frame, const Step& step) {
  CO_TRY(const std::int64_t most, limit_of(ctx, frame, step, kRoundsMax, kRoundsMax));
  json::array collected;
  StepValue value;
  std::int64_t rounds = 0;
  for (; rounds < most; ++rounds) {
    Variables round(frame.visible);
    round.set("loop", loop_variables(rounds, -1));
    Frame inner = frame;
    inner.visible = &round;
    CO_TRY(const bool go_on, holds(ctx, inner, step.condition));
    if (!go_on) break;
    CO_TRY(const Flow flow, co_await run_round(ctx, frame, step, round, collected));
    if (flow == Flow::stop) value.flow = flow;
    if (flow != Flow::next) break;
  }
  value.detail = std::to_string(rounds) + " rounds";
  value.value = std::move(collected);
  co_return value;
}

Async<StepValue> Run::run_call(Context& ctx, Frame& frame, const Step& step) {
  if (frame.calls >= kCallDepthMax)
    co_return wrong("call: workflows call each other more than " + std::to_string(kCallDepthMax) +
                    " deep");
  if (!input_.find_workflow) co_return wrong("call: other workflows cannot be looked up here");
  CO_TRY(const auto definition, input_.find_workflow(step.word));
  CO_TRY(json::value with, render(ctx, frame, step.argument));
  if (!with.is_object()) with.emplace_object();
  CO_TRY(json::object inputs, workflows::complete_inputs(*definition, with.get_object(), "with"));
  Variables outside;
  outside.set("inputs", std::move(inputs));
  Variables saved(&outside);
  Frame inner(*frame.branch, saved, saved);
  inner.built_in = frame.built_in;
  inner.id_prefix = frame.id_prefix + step.id + "/";
  inner.calls = frame.calls + 1;
  StepValue value;
  CO_TRY(value.value, co_await run_workflow(ctx, inner, *definition));
  value.detail = definition->name;
  co_return value;
}

/// What the workers of one `parallel` step share. Lives in the frame of run_parallel.
struct Run::ParallelState {
  json::array items;  // with `do`
  std::size_t count = 0;
  std::size_t next = 0;
  CancelSource others;         // stops the other branches when one fails
  std::optional<Error> error;  // the first
  std::optional<Failure> failure;
  Flow flow = Flow::next;
  std::vector<json::object> saved;  // by branch
  json::array collected;            // by branch
};

Async<StepValue> Run::run_parallel(Context& ctx, Frame& frame, const Step& step) {
  ParallelState state;
  const bool over_items = !step.as.empty();
  if (over_items) {
    CO_TRY(state.items, items_of(ctx, frame, step));
  }
  state.count = over_items ? state.items.size() : step.bodies.size();
  if (static_cast<std::int64_t>(state.count) > kBranchesMax)
    co_return wrong("parallel: " + std::to_string(state.count) + " branches exceed " +
                    std::to_string(kBranchesMax));
  CO_TRY(const std::int64_t at_once,
         limit_of(ctx, frame, step, kBranchesAtOnce, kBranchesAtOnceMax));
  state.saved.resize(state.count);
  state.collected.resize(state.count);
  state.others = CancelSource::linked(ctx.cancel_source());
  Context group = ctx.with_cancel(state.others);
  std::vector<Async<int>> workers;
  const auto worker_count = std::min<std::int64_t>(at_once, static_cast<std::int64_t>(state.count));
  for (std::int64_t i = 0; i < worker_count; ++i)
    workers.push_back(run_branches(group, frame, step, state));
  (void)co_await gather(ctx, std::move(workers));
  if (state.error) {
    frame.branch->failure = std::move(state.failure);
    co_return *state.error;
  }
  // Branches are separate; what each of a written list saved is there for the steps after it.
  for (const json::object& saved : state.saved)
    for (const auto& member : saved)
      if (!over_items) frame.written->set(member.key(), member.value());
  StepValue value;
  value.flow = state.flow;
  value.detail = std::to_string(state.count) + " branches";
  value.value = std::move(state.collected);
  co_return value;
}

Async<int> Run::run_branches(Context& ctx, Frame& frame, const Step& step, ParallelState& state) {
  while (state.next < state.count && !state.error && ctx.check()) {
    const std::size_t index = state.next++;
    co_await run_branch(ctx, frame, step, state, index);
  }
  if (const auto stopped = ctx.check(); !stopped && !state.error) state.error = stopped.error();
  co_return 0;
}

asio::awaitable<void> Run::run_branch(Context& ctx, Frame& frame, const Step& step,
                                      ParallelState& state, std::size_t index) {
  Branch branch;
  Variables saved(frame.visible);
  Variables given(&saved);
  given.set("loop", loop_variables(static_cast<std::int64_t>(index),
                                   static_cast<std::int64_t>(state.count)));
  if (!step.as.empty()) given.set(step.as, std::move(state.items[index]));
  Frame inner = frame;
  inner.branch = &branch;
  inner.visible = &given;
  inner.written = &saved;
  auto flow = co_await run_steps(ctx, inner, step.bodies[step.as.empty() ? index : 0]);
  std::optional<Error> error;
  if (!flow) error = flow.error();
  if (!error && step.collect) {
    auto value = render(ctx, inner, *step.collect);
    if (value)
      state.collected[index] = std::move(*value);
    else
      error = value.error();
  }
  const bool first = error && !state.error;
  if (first) {
    state.error = error;
    state.others.cancel(fail(Errc::cancelled, "another branch of the parallel step failed"));
  }
  if (flow && *flow == Flow::stop) state.flow = Flow::stop;
  state.saved[index] = saved.own();
  if (error) co_await take_picture(ctx, branch, *error);
  co_await close_tab(branch, false);  // only the main tab's page is kept for the next task
  if (first) state.failure = std::move(branch.failure);
}

Result<StepValue> Run::assertion(Context& ctx, Frame& frame, const Step& step) {
  TRY(const bool fits, holds(ctx, frame, step.condition));
  if (fits) return StepValue{};
  TRY(const json::value message, render(ctx, frame, step.argument));
  const std::string text = workflows::to_text(message);
  return fail(Errc::assertion_failed,
              "assert: " + (text.empty() ? step.condition.text() + " is false" : text));
}

Result<StepValue> Run::assign(Context& ctx, Frame& frame, const Step& step) {
  TRY(json::value values, render(ctx, frame, step.argument));
  StepValue value;
  for (auto& member : values.get_object()) {
    value.detail += (value.detail.empty() ? "" : ", ") + std::string(member.key());
    frame.written->set(member.key(), std::move(member.value()));
  }
  return value;
}

/// log, fail and stop: a text, and what follows from it.
Result<StepValue> Run::spoken(Context& ctx, Frame& frame, const Step& step) {
  TRY(const json::value text, render(ctx, frame, step.argument));
  StepValue value;
  value.detail = workflows::to_text(text);
  if (step.type == StepType::fail) return fail(Errc::assertion_failed, "fail: " + value.detail);
  if (step.type == StepType::stop) value.flow = Flow::stop;
  return value;
}

}  // namespace troupe::engine
