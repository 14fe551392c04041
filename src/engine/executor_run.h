// One execution in progress: variables, branches and the coroutines of the step kinds. Private to
// the executor sources.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "engine/executor.h"
#include "engine/journal_image.h"
#include "workflows/definition.h"

namespace troupe::engine {

/// Where the steps go on after one of them.
enum class Flow { next, leave_loop, stop };

/// Named values, inside other ones. Looking up goes outwards.
class Variables final {
 public:
  explicit Variables(const Variables* outer = nullptr) : outer_(outer) {}
  const json::value* find(std::string_view name) const {
    if (const auto* own = troupe::find(values_, name)) return own;
    return outer_ ? outer_->find(name) : nullptr;
  }
  void set(std::string_view name, json::value value) {
    values_[name] = std::move(value);
    changed_.emplace(name);
  }
  /// Names that were set since the last call.
  std::set<std::string> take_changed() { return std::exchange(changed_, {}); }
  const json::object& own() const { return values_; }
  /// Whether there are more of them than at the last call.
  bool take_grown() { return std::exchange(size_, values_.size()) != values_.size(); }

 private:
  const Variables* outer_;
  json::object values_;
  std::set<std::string> changed_;
  std::size_t size_ = 0;
};

/// Where and why a branch failed: the innermost step.
struct Failure {
  std::string step;
  std::string screenshot;
};

struct Frame;

/// A step that an earlier attempt finished, on the way to where this one goes on.
struct Passed {
  Frame* frame = nullptr;
  const workflows::Step* step = nullptr;
  std::string url;  ///< Of the page after it.
};

/// One line of execution with a tab of its own, opened when an action needs it.
struct Branch {
  std::unique_ptr<interact::Tab> tab;
  json::value page = json::object();  ///< `page` in templates.
  json::value error;                  ///< `error`: the latest failure that was ignored.
  std::optional<Failure> failure;

  // For the journal.
  std::string place;           ///< Prefix of what is its own there.
  bool resuming = false;       ///< On the way to where an earlier attempt ended.
  std::vector<Passed> passed;  ///< While resuming.
  std::string noted_url;
  json::value noted_error;
  std::uint64_t effects = 0;  ///< Number of its last step with an effect.
};

/// A round of a loop, or a branch over items, and those around it.
struct LoopAt {
  const LoopAt* around = nullptr;
  RoundAt at;
};

/// What a step sees and where it writes.
struct Frame final : workflows::Names {
  Frame(Branch& b, const Variables& all, Variables& target)
      : branch(&b), visible(&all), written(&target) {}
  const json::value* find(std::string_view name) const override;

  Branch* branch;
  const Variables* visible;
  Variables* written;
  const json::object* built_in = nullptr;             ///< site, session, run, task
  const workflows::Definition* definition = nullptr;  ///< Whose steps run: for errors.
  std::string id_prefix;  ///< `s3/` inside the workflow that step s3 calls.
  int calls = 0;          ///< How deep `call` is nested.
  const LoopAt* loop = nullptr;
  std::string place;  ///< In the journal: prefix of the list of steps, and of the variables.
  std::string scope;
};

/// A loop that is under way.
struct LoopState {
  std::string place;                ///< Its prefix in the journal.
  std::int64_t most = 0;            ///< Rounds.
  std::int64_t rounds = 0;          ///< Finished ones.
  bool in_round = false;            ///< Of a `while`: the condition of the next one held.
  json::array collected;            ///< What they gave.
  std::optional<GrowingList> kept;  ///< The same in the journal, where somebody wants it.
};

/// What one attempt of a step gave.
struct StepValue {
  Flow flow = Flow::next;
  json::value value;
  std::string detail;
};

class Run final {
 public:
  Run(Context& ctx, sessions::LiveSession& session, interact::Interactor& interactor,
      ExecutionInput input, std::function<void(const StepReport&)> report);

  asio::awaitable<ExecutionOutcome> execute();

 private:
  using Step = workflows::Step;
  using Steps = std::vector<Step>;
  struct ParallelState;

  // executor.cc
  Async<json::value> run_workflow(Context& ctx, Frame& frame,
                                  const workflows::Definition& definition);
  Result<json::value> output_of(Context& ctx, const Frame& frame,
                                const workflows::Definition& definition);
  asio::awaitable<void> close_tab(Branch& branch, bool clean);
  asio::awaitable<void> take_picture(Context& ctx, Branch& branch, Error error);

  // executor_journal.cc
  void note_finished(Frame& frame, const Steps& steps, std::size_t place, Flow flow);
  void note_page(Branch& branch, const Step& step, json::object& entry);
  void write_journal_soon();
  asio::awaitable<void> linger(bool effect);
  asio::awaitable<void> write_journal();
  Async<void> write_down();
  Async<void> ask_page_state(Context& ctx, Branch& branch);
  Async<json::object> cookies_now(Context& ctx);
  Async<json::object> storage_now(Context& ctx, interact::Tab& tab);
  bool matters_elsewhere(const Step& step) const;
  Async<void> journal_settled(Context& ctx, const Branch& branch);
  asio::awaitable<void> page_asked(Branch& branch);
  asio::awaitable<void> end_journal();

  // executor_resume.cc
  void note_names(Frame& frame);
  void begin_journal(Frame& frame);
  void load_names(Frame& frame);
  std::pair<std::size_t, Flow> skip_finished(Frame& frame, const Steps& steps);
  Async<void> before_step(Context& ctx, Frame& frame, const Step& step);
  Async<void> back_on_the_page(Context& ctx, Frame& frame);
  Async<void> restore(Context& ctx, Frame& frame, const std::vector<Passed>& passed);
  Async<void> do_again(Context& ctx, const Passed& passed);
  Async<void> go_back_to(Context& ctx, Frame& frame, const std::string& url);
  std::string place_of(const Frame& frame, const Step& step) const;
  bool was_begun(const Frame& frame, const Step& step) const;
  int first_try(const Frame& frame, const Step& step) const;
  void begin_try(const Frame& frame, const Step& step, int attempt);
  LoopState begin_loop(const Frame& frame, const Step& step, std::int64_t most);
  void enter_round(LoopState& loop);
  void end_round(LoopState& loop);
  void keep_items(const std::string& place, const json::array& items);

  // executor_steps.cc
  Async<Flow> run_steps(Context& ctx, Frame& frame, const Steps& steps);
  Async<Flow> run_step(Context& ctx, Frame& frame, const Step& step);
  Async<StepValue> attempt(Context& ctx, Frame& frame, const Step& step);
  Async<StepValue> dispatch(Context& ctx, Frame& frame, const Step& step);
  Async<StepValue> act(Context& ctx, Frame& frame, const Step& step);
  Async<void> open_tab(Context& ctx, Frame& frame);
  Async<void> breathe(Context& ctx);
  Async<bool> wait_before_retry(Context& ctx, Frame& frame, const Step& step, int attempt,
                                const Error& error);
  Error located(Context& ctx, Frame& frame, const Step& step, Error error);
  Result<json::object> arguments_of(Context& ctx, const Frame& frame, const Step& step);
  Result<json::value> evaluate(Context& ctx, const Frame& frame,
                               const workflows::Expression& expression);
  Result<json::value> render(Context& ctx, const Frame& frame,
                             const workflows::ValueTemplate& value);
  Result<bool> holds(Context& ctx, const Frame& frame, const workflows::Expression& expression);
  void refresh_page(const Frame& frame);
  void tell(const Frame& frame, const Step& step, std::string_view status, std::string detail,
            SteadyTime started, const Error* error);

  // executor_control.cc
  Async<StepValue> run_condition(Context& ctx, Frame& frame, const Step& step);
  Async<StepValue> run_for_each(Context& ctx, Frame& frame, const Step& step);
  Async<StepValue> run_while(Context& ctx, Frame& frame, const Step& step);
  Async<StepValue> run_call(Context& ctx, Frame& frame, const Step& step);
  Async<StepValue> run_parallel(Context& ctx, Frame& frame, const Step& step);
  Async<int> run_branches(Context& ctx, Frame& frame, const Step& step, ParallelState& state);
  asio::awaitable<void> run_branch(Context& ctx, Frame& frame, const Step& step,
                                   ParallelState& state, std::size_t index);
  bool finished_before(const std::string& key, ParallelState& state, std::size_t index);
  void note_branch(const std::string& key, const ParallelState& state, std::size_t index,
                   bool stop);
  Result<json::object> inputs_of(Context& ctx, const Frame& frame, const Step& step,
                                 const workflows::Definition& definition);
  Async<Flow> run_round(Context& ctx, Frame& frame, const Step& step, Variables& round,
                        LoopState& loop);
  Result<json::array> items_of(Context& ctx, const Frame& frame, const Step& step);
  Result<json::array> rounds_of(Context& ctx, const Frame& frame, const Step& step);
  Result<std::int64_t> limit_of(Context& ctx, const Frame& frame, const Step& step,
                                std::int64_t fallback, std::int64_t most);
  Result<StepValue> assertion(Context& ctx, Frame& frame, const Step& step);
  Result<StepValue> assign(Context& ctx, Frame& frame, const Step& step);
  Result<StepValue> spoken(Context& ctx, Frame& frame, const Step& step);

  Context& ctx_;
  sessions::LiveSession& session_;
  interact::Interactor& interactor_;
  ExecutionInput input_;
  std::function<void(const StepReport&)> report_;
  json::object built_in_;
  Random random_;  // of retry delays; seeded by task and attempt, so runs can be repeated
  ExecutionOutcome outcome_;
  int steps_since_wait_ = 0;

  // The journal is written beside the steps.
  JournalImage image_;
  std::int64_t steps_done_ = 0;  ///< That did something; in all attempts since the first step.
  SteadyTime written_at_{};
  std::set<Branch*> to_ask_;   ///< Whose page may have changed cookies or storage.
  Branch* asked_ = nullptr;    ///< Whose page is being asked.
  std::uint64_t effects_ = 0;  ///< Steps with an effect: done, on their way to the store, in it.
  std::uint64_t effects_taken_ = 0;
  std::uint64_t effects_written_ = 0;
  bool touched_ = false;  ///< A step that may have an effect was done already.
  bool write_wanted_ = false;
  bool writing_ = false;
  bool lingering_ = false;
  bool soon_ = false;           ///< A writing is due for a step that had an effect.
  bool cannot_resume_ = false;  ///< The place was not found again: no step is at fault.
  CancelSource ended_;
  std::optional<Error> journal_error_;
  Event changed_;  ///< Of the flags above.
  Scope background_;
};

/// Whether another attempt of a step can help: what the error table calls retryable, and everything
/// that the page is at fault for (an element that is late, an assertion that does not hold yet).
bool worth_retrying(const Error& error);
/// Whether the execution ends here, whatever the step's policy says.
bool is_final(const Error& error);

/// Whether it has an effect elsewhere itself, as far as one can know; steps that hold others do
/// not.
bool may_have_effect(const workflows::Step& step);
/// Only changes what the page shows.
bool changes_only_the_page(const workflows::Step& step);
bool holds_steps(const workflows::Step& step);
bool is_web(std::string_view url);

/// `{index, number, first, last, count}` of a loop's round; no `last` and `count` when `count` < 0.
json::object loop_variables(std::int64_t index, std::int64_t count);

}  // namespace troupe::engine
