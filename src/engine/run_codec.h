// Runs as they are stored: the request, its definition and site as resolved when it was accepted,
// and how far it came; and what one task gave. Versioned JSON; pure.
#pragma once

#include <memory>
#include <string>

#include "engine/run_record.h"
#include "tasks/backend.h"

namespace troupe::engine {

inline constexpr std::string_view kRunKind = "run";
/// A marker beside each run that has not ended, so that unfinished ones are found quickly.
inline constexpr std::string_view kOpenRunKind = "open-run";

/// The run's document, for tasks::Backend::put and enqueue.
tasks::Document run_document(const RunRecord& run);
/// Without its tasks' results. Errors: protocol_error (unknown version, broken), invalid_argument
/// (the definition does not parse any more).
Result<std::shared_ptr<RunRecord>> run_from_document(const tasks::Document& document);

/// What Finish carries of one attempt: `result` of a success, `error` of the rest.
std::string stored_result(const TaskResult& result);
/// `resumed`: where the attempt had resumed (task_journal.h); may be empty.
std::string stored_error(const TaskResult& result, const json::object& resumed);
/// A task as the backend has it.
TaskResult task_result_from(const tasks::Record& record);
/// Why a task ended that no worker ended.
Error error_of(const tasks::Moved& moved);
TaskState public_state(tasks::State state);

json::object to_json(const RunRequest& request);
Result<RunRequest> run_request_from_json(const json::object& object);

}  // namespace troupe::engine
