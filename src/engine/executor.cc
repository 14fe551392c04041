#include "engine/executor.h"

#include <filesystem>

#include "engine/executor_run.h"
#include "interact/files.h"
#include "workflows/output_schema.h"

namespace troupe::engine {
namespace {

constexpr auto kPictureLimit = std::chrono::seconds(3);
constexpr auto kCloseLimit = std::chrono::seconds(5);

/// Whether a picture can be taken: nobody is there to take it when the browser is gone, and a stop
/// that was asked for needs none.
bool can_take_picture(const Error& error) {
  return error.code != Errc::session_lost && error.code != Errc::page_crashed &&
         error.code != Errc::cancelled;
}

std::string file_name_of(std::string text) {
  for (char& c : text)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-' && c != '.') c = '-';
  return text;
}

}  // namespace

Run::Run(Context& ctx, sessions::LiveSession& session, interact::Interactor& interactor,
         ExecutionInput input, std::function<void(const StepReport&)> report)
    : ctx_(ctx),
      session_(session),
      interactor_(interactor),
      input_(std::move(input)),
      report_(std::move(report)),
      random_(std::hash<std::string>()(input_.task_id) + static_cast<std::size_t>(input_.attempt)),
      background_(ctx.executor()) {
  built_in_["site"] = input_.site.profile;
  built_in_["session"] = {
      {"index", input_.session_index}, {"count", input_.session_count}, {"id", session_.id()}};
  built_in_["run"] = {{"id", input_.run_id}};
  built_in_["task"] = {{"id", input_.task_id}, {"attempt", input_.attempt}};
}

asio::awaitable<ExecutionOutcome> Run::execute() {
  Branch branch;
  Variables variables;
  variables.set("inputs", input_.inputs);
  Variables saved(&variables);
  Frame frame(branch, saved, saved);
  frame.built_in = &built_in_;
  begin_journal(frame);
  auto output = co_await run_workflow(ctx_, frame, *input_.definition);
  if (output) {
    outcome_.output = std::move(*output);
  } else {
    outcome_.error = std::move(output).error();
  }
  if (outcome_.error) co_await take_picture(ctx_, branch, *outcome_.error);
  co_await page_asked(branch);
  co_await close_tab(branch, !outcome_.error);
  co_await end_journal();
  if (branch.failure) {
    outcome_.failed_step = std::move(branch.failure->step);
    outcome_.screenshot = std::move(branch.failure->screenshot);
  }
  outcome_.page_clean = !outcome_.error && outcome_.cleanup_errors.empty();
  co_return std::move(outcome_);
}

Async<json::value> Run::run_workflow(Context& ctx, Frame& frame,
                                     const workflows::Definition& definition) {
  Context limited = definition.timeout
                        ? ctx.with_timeout(*definition.timeout, "workflow " + definition.name)
                        : ctx;
  frame.definition = &definition;
  CO_TRY_VOID(co_await run_steps(limited, frame, definition.steps));
  auto output = output_of(limited, frame, definition);
  // The steps are done all the same, and the next attempt need not do them again.
  if (!output) write_journal_soon();
  co_return output;
}

Result<json::value> Run::output_of(Context& ctx, const Frame& frame,
                                   const workflows::Definition& definition) {
  const bool written = !definition.output.is_constant() || !definition.output.constant().is_null();
  json::value output;
  if (!written) {
    output = frame.written->own();  // without `output`: everything that was saved
  } else {
    auto rendered = render(ctx, frame, definition.output);
    if (!rendered) {
      Error error = rendered.error();
      error.source = definition.file + " output";
      return error;
    }
    output = std::move(*rendered);
  }
  const auto bytes = static_cast<std::int64_t>(json::serialize(output).size());
  if (bytes > input_.output_bytes_max)
    return fail(Errc::payload_too_large,
                "output: " + std::to_string(bytes) + " bytes exceed " +
                    std::to_string(input_.output_bytes_max),
                definition.file + " output", "save less, or raise the limit");
  if (!definition.output_schema.empty()) {
    auto fits = workflows::validate_output(definition.output_schema, output);
    if (!fits) {
      Error error = fits.error();
      error.source = definition.file + " output_schema";
      return error;
    }
  }
  return output;
}

asio::awaitable<void> Run::take_picture(Context& ctx, Branch& branch, Error error) {
  if (!branch.failure || !branch.failure->screenshot.empty()) co_return;
  if (!branch.tab || input_.artifacts_dir.empty() || !can_take_picture(error)) co_return;
  Context limited = ctx.for_cleanup(kPictureLimit, "picture of the failure");
  const auto png = co_await interactor_.screenshot(limited, *branch.tab);
  if (!png) co_return;  // the failure itself is what counts
  const std::string path = input_.artifacts_dir + "/" +
                           file_name_of(input_.task_id + "-" + branch.failure->step) + ".png";
  std::error_code unmade;
  std::filesystem::create_directories(input_.artifacts_dir, unmade);
  // On a full disk there is no picture; what was written of it must not keep the disk full.
  if (!unmade && interact::write_file(path, *png)) branch.failure->screenshot = path;
}

asio::awaitable<void> Run::close_tab(Branch& branch, bool clean) {
  if (!branch.tab) co_return;
  Context limited = ctx_.for_cleanup(kCloseLimit, "closing the tab");
  auto closed = co_await interactor_.close(limited, std::move(branch.tab), clean);
  if (!closed) outcome_.cleanup_errors.push_back(std::move(closed).error());
}

asio::awaitable<ExecutionOutcome> execute(Context& ctx, sessions::LiveSession& session,
                                          interact::Interactor& interactor, ExecutionInput input,
                                          std::function<void(const StepReport&)> report) {
  Run run(ctx, session, interactor, std::move(input), std::move(report));
  co_return co_await run.execute();
}

}  // namespace troupe::engine
