#include "base/digest.h"
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
  Frame inner = frame;
  inner.place = place_of(frame, step);
  const auto begun = find_int(image_.object(inner.place), "branch");
  bool condition = begun == 0;
  if (!begun) {
    CO_TRY(condition, holds(ctx, frame, step.condition));
  }
  const int branch = condition ? 0 : 1;
  if (input_.journal && !begun) image_.set(inner.place, json::object{{"branch", branch}});
  StepValue value;
  value.detail = condition ? "then" : "else";
  CO_TRY(value.flow, co_await run_steps(ctx, inner, step.bodies[static_cast<std::size_t>(branch)]));
  co_return value;
}

Async<Flow> Run::run_round(Context& ctx, Frame& frame, const Step& step, Variables& round,
                           LoopState& loop) {
  Frame inner = frame;
  inner.visible = &round;
  inner.place = loop.place;
  LoopAt at{.around = frame.loop, .at = {frame.id_prefix + step.id, loop.rounds + 1, {}}};
  if (step.type == StepType::for_each) at.at.of = loop.most;
  inner.loop = &at;
  enter_round(loop);
  CO_TRY_VOID(co_await breathe(ctx));
  CO_TRY(const Flow flow, co_await run_steps(ctx, inner, step.bodies[0]));
  if (flow != Flow::next) co_return flow;
  if (step.collect) {
    CO_TRY_VOID(co_await back_on_the_page(ctx, inner));
    CO_TRY(json::value value, render(ctx, inner, *step.collect));
    if (loop.kept) loop.kept->add(image_, value);
    loop.collected.push_back(std::move(value));
  }
  end_round(loop);
  co_return flow;
}

/// The items of a for_each as they were when it began.
Result<json::array> Run::rounds_of(Context& ctx, const Frame& frame, const Step& step) {
  const std::string place = place_of(frame, step);
  if (input_.journal && image_.find(place)) return image_.pieces(place + "#items.");
  TRY(json::array items, items_of(ctx, frame, step));
  TRY(const std::int64_t limit, limit_of(ctx, frame, step, kRoundsMax, kRoundsMax));
  const auto count = static_cast<std::int64_t>(items.size());
  if (!step.limit && count > limit)
    return wrong("for_each: " + std::to_string(count) + " items exceed " + std::to_string(limit));
  items.resize(static_cast<std::size_t>(std::min(limit, count)));
  keep_items(place, items);
  return items;
}

Async<StepValue> Run::run_for_each(Context& ctx, Frame& frame, const Step& step) {
  CO_TRY(json::array items, rounds_of(ctx, frame, step));
  const auto count = static_cast<std::int64_t>(items.size());
  LoopState loop = begin_loop(frame, step, count);
  StepValue value;
  while (loop.rounds < count) {
    Variables round(frame.visible);
    round.set(step.as, std::move(items[static_cast<std::size_t>(loop.rounds)]));
    round.set("loop", loop_variables(loop.rounds, count));
    CO_TRY(const Flow flow, co_await run_round(ctx, frame, step, round, loop));
    if (flow == Flow::stop) value.flow = flow;
    if (flow != Flow::next) break;
  }
  value.detail = std::to_string(count) + " items";
  value.value = std::move(loop.collected);
  co_return value;
}

Async<StepValue> Run::run_while(Context& ctx, Frame& frame, const Step& step) {
  CO_TRY(const std::int64_t most, limit_of(ctx, frame, step, kRoundsMax, kRoundsMax));
  LoopState loop = begin_loop(frame, step, most);
  StepValue value;
  while (loop.rounds < loop.most) {
    Variables round(frame.visible);
    round.set("loop", loop_variables(loop.rounds, -1));
    Frame inner = frame;
    inner.visible = &round;
    if (!loop.in_round) {
      CO_TRY_VOID(co_await back_on_the_page(ctx, inner));
      CO_TRY(const bool go_on, holds(ctx, inner, step.condition));
      if (!go_on) break;
    }
    CO_TRY(const Flow flow, co_await run_round(ctx, frame, step, round, loop));
    if (flow == Flow::stop) value.flow = flow;
    if (flow != Flow::next) break;
  }
  value.detail = std::to_string(loop.rounds) + " rounds";
  value.value = std::move(loop.collected);
  co_return value;
}

/// As they were when the call began. Another definition than then begins anew.
Result<json::object> Run::inputs_of(Context& ctx, const Frame& frame, const Step& step,
                                    const workflows::Definition& definition) {
  const std::string place = place_of(frame, step);
  const std::string digest = input_.journal ? to_hex(sha256(definition.source)) : std::string();
  json::object begun = image_.object(place);
  const auto* with = troupe::find(begun, "with");
  if (with && with->is_object() && find_string(begun, "of") == digest) return with->get_object();
  TRY(json::value given, render(ctx, frame, step.argument));
  if (!given.is_object()) given.emplace_object();
  TRY(json::object inputs, workflows::complete_inputs(definition, given.get_object(), "with"));
  if (!input_.journal) return inputs;
  image_.erase_under(place);
  image_.set(place, json::object{{"with", inputs}, {"of", digest}});
  return inputs;
}

Async<StepValue> Run::run_call(Context& ctx, Frame& frame, const Step& step) {
  if (frame.calls >= kCallDepthMax)
    co_return wrong("call: workflows call each other more than " + std::to_string(kCallDepthMax) +
                    " deep");
  if (!input_.find_workflow) co_return wrong("call: other workflows cannot be looked up here");
  CO_TRY(const auto definition, input_.find_workflow(step.word));
  CO_TRY(json::object inputs, inputs_of(ctx, frame, step, *definition));
  Variables outside;
  outside.set("inputs", std::move(inputs));
  Variables saved(&outside);
  Frame inner(*frame.branch, saved, saved);
  inner.built_in = frame.built_in;
  inner.id_prefix = frame.id_prefix + step.id + "/";
  inner.calls = frame.calls + 1;
  inner.loop = frame.loop;
  inner.place = inner.scope = place_of(frame, step);
  if (frame.branch->resuming) load_names(inner);
  StepValue value;
  CO_TRY(value.value, co_await run_workflow(ctx, inner, *definition));
  value.detail = definition->name;
  co_return value;
}

/// What the workers of one `parallel` step share. Lives in the frame of run_parallel.
struct Run::ParallelState {
  std::string place;  // prefix in the journal
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
  state.place = place_of(frame, step);
  const bool begun = input_.journal && image_.find(state.place);
  if (over_items && begun) {
    state.items = image_.pieces(state.place + "#items.");
  } else if (over_items) {
    CO_TRY(state.items, items_of(ctx, frame, step));
    keep_items(state.place, state.items);
  }
  if (input_.journal && !begun) image_.set(state.place, json::object());
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
  frame.branch->effects = effects_;
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
  const std::string key = state.place + "[" + std::to_string(index) + "]";
  if (finished_before(key, state, index)) co_return;
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
  inner.place = inner.scope = branch.place = key + ">";
  branch.effects = effects_;  // the branch before this one may have ended just now
  const auto number = static_cast<std::int64_t>(index) + 1;
  const auto count = static_cast<std::int64_t>(state.count);
  LoopAt at{.around = frame.loop, .at = {frame.id_prefix + step.id, number, count}};
  inner.loop = &at;
  branch.resuming = image_.any_under(inner.place);
  if (branch.resuming) load_names(inner);
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
  co_await page_asked(branch);
  if (!error) note_branch(key, state, index, *flow == Flow::stop);
  co_await close_tab(branch, false);  // only the main tab's page is kept for the next task
  if (first) state.failure = std::move(branch.failure);
}

bool Run::finished_before(const std::string& key, ParallelState& state, std::size_t index) {
  if (!input_.journal || !image_.find(key)) return false;
  json::object entry = image_.object(key);
  if (auto* saved = entry.if_contains("saved"); saved && saved->is_object())
    state.saved[index] = std::move(saved->get_object());
  if (auto* got = entry.if_contains("got")) state.collected[index] = std::move(*got);
  if (entry.contains("stop")) state.flow = Flow::stop;
  return true;
}

void Run::note_branch(const std::string& key, const ParallelState& state, std::size_t index,
                      bool stop) {
  if (!input_.journal) return;
  json::object entry{{"saved", state.saved[index]}, {"got", state.collected[index]}};
  if (stop) entry["stop"] = true;
  image_.erase_under(key + ">");
  image_.set(key, entry);
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
