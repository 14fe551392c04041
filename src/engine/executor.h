// Executor: runs one task's steps on one session through an interactor. The only place that joins
// tasks with sessions. Knows no queue and no pool.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async.h"
#include "base/json.h"
#include "interact/interactor.h"
#include "sessions/live_session.h"
#include "workflows/catalogue.h"

namespace troupe::engine {

/// What earlier attempts did, and where this one writes down what it does: the entries of a
/// JournalImage (journal_image.h).
struct StepJournal {
  std::vector<std::pair<std::string, std::string>> stored;
  /// All of them or none; an empty text erases its key. No step that may have an effect elsewhere
  /// is followed by another one before this has answered; entries of other steps come along with
  /// the next one, or after a second.
  std::function<Async<void>(Context& ctx, std::vector<std::pair<std::string, std::string>> entries)>
      add;
};

/// All that one execution needs; owns everything.
struct ExecutionInput {
  std::shared_ptr<const workflows::Definition> definition;
  json::object inputs;    ///< Complete and checked (planner).
  workflows::Site site;   ///< Empty name: no site.
  int session_index = 0;  ///< `session.index`, `session.count`, `session.id` in templates.
  int session_count = 1;
  std::string run_id;
  std::string tenant = "default";
  std::string task_id;
  int attempt = 1;
  std::string artifacts_dir;  ///< For screenshots, downloads; made on first use.
  Duration step_timeout = std::chrono::seconds(30);
  std::int64_t output_bytes_max = 16 << 20;
  std::optional<StepJournal> journal;  ///< None: every attempt begins at the first step.
  /// Looks up the workflow that a `call` step names.
  std::function<Result<std::shared_ptr<const workflows::Definition>>(const std::string&)>
      find_workflow;
};

/// A loop or `parallel` step around another one, and which of its rounds that is in.
struct RoundAt {
  std::string step;
  std::int64_t round = 1;
  std::optional<std::int64_t> of;  ///< Where it is known beforehand.
};

/// One step that began or ended, for events and logs.
struct StepReport {
  std::string id;  ///< Path of the step: `s3`, `s3.1`, or the id it was given.
  std::string kind;
  /// started | ok | failed | skipped | retrying | ignored (failed, on_error: continue)
  std::string status;
  std::string level;   ///< Of a `log` step: debug | info | warning | error. Else empty.
  std::string detail;  ///< What was done, for people. Never a secret.
  Duration elapsed{};
  std::optional<Error> error;
  std::int64_t done = 0;       ///< Steps finished so far, those of earlier attempts included.
  std::vector<RoundAt> loops;  ///< Around it, the outermost first.
};

/// What an execution gave: an output, or the first error with where it happened.
struct ExecutionOutcome {
  json::value output;
  std::optional<Error> error;
  std::string failed_step;
  std::string screenshot;  ///< Path of the picture taken at the failure, when one could be taken.
  std::vector<Error> cleanup_errors;
  bool page_clean = false;  ///< Whether the page may be used again (isolation `reuse`).
};

/// Never fails itself: failures are in the outcome. Cancellation and deadline of `ctx` end it after
/// closing its tabs (clean-up has a deadline of its own).
asio::awaitable<ExecutionOutcome> execute(Context& ctx, sessions::LiveSession& session,
                                          interact::Interactor& interactor, ExecutionInput input,
                                          std::function<void(const StepReport&)> report);

}  // namespace troupe::engine
