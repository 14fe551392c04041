#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>

#include "engine/executor_run.h"
#include "workflows/controls.h"

namespace troupe::engine {

using workflows::StepType;

namespace {

constexpr int kStepsBetweenWaits = 100;
constexpr auto kRetryDelayMax = std::chrono::minutes(5);

bool is_absolute(std::string_view url) {
  const auto colon = url.find(':');
  const auto stop = url.find_first_of("/?#");
  return colon != std::string_view::npos && colon > 0 &&
         (stop == std::string_view::npos || colon < stop);
}

/// `url` as it is when absolute, else joined to the site's base.
Result<std::string> joined(const json::object& site, std::string_view url) {
  if (url.empty()) return fail(Errc::invalid_argument, "url: is empty");
  if (is_absolute(url)) return std::string(url);
  const auto base_text = find_string(site, "base_url");
  if (!base_text)
    return fail(Errc::invalid_argument, "url: '" + std::string(url) + "' is relative", {},
                "give the run a site, or the step an absolute URL");
  const auto base = boost::urls::parse_uri(*base_text);
  const auto reference = boost::urls::parse_uri_reference(url);
  if (!base || !reference)
    return fail(Errc::invalid_argument, "url: '" + std::string(url) + "' is not a URL", {},
                "encode texts with the filter url_encode");
  boost::urls::url whole;
  if (!boost::urls::resolve(*base, *reference, whole))
    return fail(Errc::invalid_argument, "url: '" + std::string(url) + "' does not fit base_url");
  return std::string(whole.buffer());
}

const interact::Field* field_named(const interact::ActionRow& row, std::string_view name) {
  for (const auto& field : row.fields)
    if (field.name == name) return &field;
  for (const auto& field : interact::target_fields())
    if (field.name == name) return &field;
  return nullptr;
}

// Frames of a list end with it: what was passed in it is no longer on the way.
struct PassedUntil {
  std::vector<Passed>& passed;
  std::size_t size;
  ~PassedUntil() {
    if (passed.size() > size) passed.resize(size);
  }
};

}  // namespace

bool worth_retrying(const Error& error) {
  const ErrorTraits& row = traits(error.code);
  return row.retryable || row.fault == Fault::page;
}

bool is_final(const Error& error) {
  return error.code == Errc::cancelled || error.code == Errc::session_lost ||
         error.code == Errc::page_crashed || error.code == Errc::internal;
}

const json::value* Frame::find(std::string_view name) const {
  if (const auto* value = visible->find(name)) return value;
  if (name == "page") return &branch->page;
  if (name == "error") return &branch->error;
  return troupe::find(*built_in, name);
}

void Run::refresh_page(const Frame& frame) {
  frame.branch->page.get_object()["url"] = frame.branch->tab ? frame.branch->tab->url() : "";
}

Result<json::value> Run::evaluate(Context& ctx, const Frame& frame,
                                  const workflows::Expression& expression) {
  refresh_page(frame);
  const workflows::Evaluation limits{.now = ctx.clock().wall()};
  return expression.evaluate(frame, limits);
}

Result<json::value> Run::render(Context& ctx, const Frame& frame,
                                const workflows::ValueTemplate& value) {
  if (value.is_constant()) return value.constant();
  refresh_page(frame);
  const workflows::Evaluation limits{.now = ctx.clock().wall()};
  return value.render(frame, limits);
}

Result<bool> Run::holds(Context& ctx, const Frame& frame, const workflows::Expression& expression) {
  TRY(const json::value value, evaluate(ctx, frame, expression));
  return workflows::truthy(value);
}

void Run::tell(const Frame& frame, const Step& step, std::string_view status, std::string detail,
               SteadyTime started, const Error* error) {
  if (!report_) return;
  StepReport report;
  report.id = frame.id_prefix + step.id;
  report.kind = step.kind;
  report.status = status;
  report.detail = std::move(detail);
  report.elapsed = ctx_.clock().now() - started;
  if (step.type == StepType::log && status == "ok")
    report.level = step.word.empty() ? "info" : step.word;
  if (error) report.error = *error;
  report.done = steps_done_;
  for (const LoopAt* loop = frame.loop; loop; loop = loop->around)
    report.loops.insert(report.loops.begin(), loop->at);
  report_(report);
}

/// The error with the step it happened in. The innermost step wins; the ones around it only pass
/// on.
Error Run::located(Context& ctx, Frame& frame, const Step& step, Error error) {
  if (const auto state = ctx.check(); !state && ctx.cancel_source().is_cancelled())
    error = state.error();
  if (frame.branch->failure) return error;
  frame.branch->failure = Failure{frame.id_prefix + step.id, {}};
  std::string place = frame.definition->file;
  if (step.position.line > 0) place += ":" + std::to_string(step.position.line);
  place += " " + step.field + "." + step.kind;
  error.source = error.source.empty() ? place : place + ", " + error.source;
  return error;
}

/// A loop of steps that never wait would hold the engine thread: let others run now and then.
Async<void> Run::breathe(Context& ctx) {
  CO_TRY_VOID(ctx.check());
  if (++steps_since_wait_ < kStepsBetweenWaits) co_return Result<void>();
  steps_since_wait_ = 0;
  co_await asio::post(ctx.executor(), asio::use_awaitable);
  co_return ctx.check();
}

Async<Flow> Run::run_steps(Context& ctx, Frame& frame, const Steps& steps) {
  auto& passed = frame.branch->passed;
  const PassedUntil before{passed, passed.size()};
  std::size_t first = 0;
  if (frame.branch->resuming) {
    const auto [done, flow] = skip_finished(frame, steps);
    if (flow != Flow::next) co_return flow;
    first = done;
  }
  for (std::size_t i = first; i < steps.size(); ++i) {
    if (input_.journal) CO_TRY_VOID(co_await before_step(ctx, frame, steps[i]));
    auto flow = co_await run_step(ctx, frame, steps[i]);
    if (!flow) write_journal_soon();
    if (!flow) co_return flow.error();
    if (input_.journal) note_finished(frame, steps, i, *flow);
    if (*flow != Flow::next) co_return *flow;
  }
  co_return Flow::next;
}

Async<Flow> Run::run_step(Context& ctx, Frame& frame, const Step& step) {
  const SteadyTime started = ctx.clock().now();
  if (auto state = co_await breathe(ctx); !state)
    co_return located(ctx, frame, step, state.error());
  const bool begun = was_begun(frame, step);
  Result<bool> wanted = true;
  if (step.when && !begun) wanted = holds(ctx, frame, *step.when);
  if (wanted && !*wanted) {
    tell(frame, step, "skipped", {}, started, nullptr);
    co_return Flow::next;
  }
  tell(frame, step, "started", step.name, started, nullptr);
  for (int attempt = begun ? first_try(frame, step) : 1;; ++attempt) {
    Result<StepValue> result = wanted ? Result<StepValue>(StepValue{}) : wanted.error();
    if (wanted) result = co_await this->attempt(ctx, frame, step);
    if (result) {
      if (!step.save_as.empty()) frame.written->set(step.save_as, std::move(result->value));
      ++steps_done_;
      tell(frame, step, "ok", std::move(result->detail), started, nullptr);
      co_return result->flow;
    }
    const Error error = located(ctx, frame, step, std::move(result).error());
    const bool over = is_final(error) || cannot_resume_ || !ctx.check();
    if (!over && wanted) {
      auto again = co_await wait_before_retry(ctx, frame, step, attempt, error);
      if (again && *again) continue;
      if (!again) co_return located(ctx, frame, step, again.error());
    }
    if (!over && step.ignore_errors) {
      frame.branch->error = {{"code", to_string(error.code)},
                             {"message", error.message},
                             {"step", frame.branch->failure->step}};
      frame.branch->failure.reset();
      ++steps_done_;
      tell(frame, step, "ignored", {}, started, &error);
      co_return Flow::next;
    }
    tell(frame, step, "failed", {}, started, &error);
    co_return error;
  }
}

/// True after the wait; false when the step is not to be tried again.
Async<bool> Run::wait_before_retry(Context& ctx, Frame& frame, const Step& step, int attempt,
                                   const Error& error) {
  const bool again = attempt < step.retry.attempts && worth_retrying(error);
  if (step.retry.attempts > 1) begin_try(frame, step, again ? attempt + 1 : 1);
  if (!again) co_return false;
  double seconds = std::chrono::duration<double>(step.retry.delay).count();
  for (int i = 1; i < attempt; ++i) seconds *= step.retry.backoff;
  seconds *= 0.75 + random_.unit() / 2;  // so that sessions do not all come back at once
  const double most = std::chrono::duration<double>(kRetryDelayMax).count();
  const auto delay =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(std::min(seconds, most)));
  frame.branch->failure.reset();
  const std::string detail =
      "attempt " + std::to_string(attempt + 1) + " of " + std::to_string(step.retry.attempts);
  tell(frame, step, "retrying", detail, ctx.clock().now(), &error);
  CO_TRY_VOID(co_await sleep_for(ctx, delay));
  co_return true;
}

Async<StepValue> Run::attempt(Context& ctx, Frame& frame, const Step& step) {
  const std::string what = "step " + frame.id_prefix + step.id + " (" + step.kind + ")";
  if (step.timeout) {
    Context limited = ctx.with_timeout(*step.timeout, what);
    co_return co_await dispatch(limited, frame, step);
  }
  if (step.type == StepType::action) {
    Context limited = ctx.with_timeout(input_.step_timeout, what);
    co_return co_await dispatch(limited, frame, step);
  }
  co_return co_await dispatch(ctx, frame, step);
}

Async<StepValue> Run::dispatch(Context& ctx, Frame& frame, const Step& step) {
  switch (step.type) {
    case StepType::action: co_return co_await act(ctx, frame, step);
    case StepType::condition: co_return co_await run_condition(ctx, frame, step);
    case StepType::for_each: co_return co_await run_for_each(ctx, frame, step);
    case StepType::while_loop: co_return co_await run_while(ctx, frame, step);
    case StepType::retry: {  // run_step repeats it
      StepValue value;
      Frame inner = frame;
      inner.place = place_of(frame, step);
      CO_TRY(value.flow, co_await run_steps(ctx, inner, step.bodies[0]));
      co_return value;
    }
    case StepType::parallel: co_return co_await run_parallel(ctx, frame, step);
    case StepType::call: co_return co_await run_call(ctx, frame, step);
    case StepType::assertion: co_return assertion(ctx, frame, step);
    case StepType::assign: co_return assign(ctx, frame, step);
    case StepType::break_if: {
      CO_TRY(const bool leave, holds(ctx, frame, step.condition));
      StepValue value;
      value.flow = leave ? Flow::leave_loop : Flow::next;
      co_return value;
    }
    default: co_return spoken(ctx, frame, step);
  }
}

Result<json::object> Run::arguments_of(Context& ctx, const Frame& frame, const Step& step) {
  TRY(json::value rendered, render(ctx, frame, step.argument));
  json::object arguments;
  if (!rendered.is_object()) return arguments;
  for (auto& member : rendered.get_object()) {
    const std::string name(member.key());
    const interact::Field* field = field_named(*step.action, name);
    if (!field) return fail(Errc::invalid_argument, name + ": unknown field");
    // A template that gives nothing leaves an optional field out.
    if (member.value().is_null() && !field->required && field->type != interact::FieldType::any)
      continue;
    auto fitted = workflows::fit_field(*field, std::move(member.value()));
    if (!fitted) return fail(Errc::invalid_argument, name + ": " + fitted.error().message);
    arguments[name] = std::move(*fitted);
  }
  if (step.kind == "goto") {
    const auto text = find_string(arguments, "url");
    TRY(std::string url, joined(input_.site.profile, text.value_or("")));
    arguments["url"] = std::move(url);
  }
  return arguments;
}

Async<void> Run::open_tab(Context& ctx, Frame& frame) {
  if (frame.branch->tab) co_return Result<void>();
  interact::InteractOptions options{
      .artifacts_dir = input_.artifacts_dir, .site = input_.site.profile, .tenant = input_.tenant};
  CO_TRY(frame.branch->tab, co_await interactor_.open(ctx, session_, std::move(options)));
  co_return Result<void>();
}

Async<StepValue> Run::act(Context& ctx, Frame& frame, const Step& step) {
  interact::Action action;
  action.kind = step.kind;
  CO_TRY(action.args, arguments_of(ctx, frame, step));
  CO_TRY_VOID(co_await open_tab(ctx, frame));
  steps_since_wait_ = 0;
  if (step.kind == "screenshot" && !action.args.contains("name")) action.args["name"] = step.id;
  CO_TRY(auto done, co_await interactor_.perform(ctx, *frame.branch->tab, std::move(action)));
  StepValue value;
  value.value = std::move(done.output);
  value.detail = std::move(done.detail);
  co_return value;
}

}  // namespace troupe::engine
