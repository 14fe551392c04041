// Accepting a run: everything the request can have wrong is found here, and its tasks are in the
// backend before anybody is told that it was accepted.
#include <algorithm>

#include "engine/engine_impl.h"
#include "engine/run_codec.h"
#include "workflows/definition.h"

namespace troupe::engine {
namespace {

constexpr auto kStoreLimit = std::chrono::seconds(15);

void merge(json::object& into, const json::object& from) {
  for (const auto& member : from) {
    auto* present = into.if_contains(member.key());
    if (present && present->is_object() && member.value().is_object())
      merge(present->get_object(), member.value().get_object());
    else
      into[member.key()] = member.value();
  }
}

Result<void> check_duration(std::optional<std::chrono::milliseconds> value, std::string_view name,
                            std::chrono::milliseconds most) {
  if (!value || (value->count() >= 1 && *value <= most)) return {};
  return fail(Errc::invalid_argument, std::string(name) + ": " + std::to_string(value->count()) +
                                          " ms is not in 1.." + std::to_string(most.count()) +
                                          " ms");
}

Result<void> check_range(std::string_view name, int value, int least, int most) {
  if (value >= least && value <= most) return {};
  return fail(Errc::invalid_argument,
              std::string(name) + ": " + std::to_string(value) + " is not in " +
                  std::to_string(least) + ".." + std::to_string(most),
              "run");
}

std::int64_t ms_or_zero(std::optional<WallTime> time) { return time ? to_unix_ms(*time) : 0; }

}  // namespace

Result<void> Engine::Impl::check(const RunRequest& request) const {
  if (draining) return fail(Errc::draining, "run: shutting down, no new ones");
  if (request.workflow.empty())
    return fail(Errc::invalid_argument, "workflow: none given", "run",
                "list them with `troupe workflow list`");
  if (!interactor(request.interactor))
    return fail(Errc::invalid_argument, "interactor: '" + request.interactor + "' is not known",
                "run", "use native");
  if (!request.provider.empty() && !pool.has_provider(request.provider))
    return fail(Errc::invalid_argument, "provider: '" + request.provider + "' is not known", "run",
                "use local");
  if (request.attempts) TRY_VOID(check_range("attempts", *request.attempts, 1, 100));
  TRY_VOID(check_range("priority", request.priority, -9, 9));
  TRY_VOID(check_range("concurrency_limit", request.concurrency_limit, 1, 1'000'000));
  if (!tasks::depends_rule_from(request.depends_rule))
    return fail(Errc::invalid_argument,
                "depends_rule: '" + request.depends_rule.substr(0, 32) +
                    "' is none of all, any, failure, ended",
                "run");
  TRY_VOID(check_duration(request.task_timeout, "task_timeout", std::chrono::hours(6)));
  TRY_VOID(check_duration(request.timeout, "timeout", std::chrono::hours(24)));
  TRY_VOID(check_duration(request.queue_timeout, "queue_timeout", std::chrono::hours(7 * 24)));
  if (request.deadline && *request.deadline <= parts.clock->wall())
    return fail(Errc::invalid_argument,
                "deadline: " + to_rfc3339(*request.deadline) + " has passed", "run");
  if (request.deadline && request.run_at && *request.deadline <= *request.run_at)
    return fail(Errc::invalid_argument,
                "deadline: " + to_rfc3339(*request.deadline) + " is not after run_at", "run");
  return {};
}

Result<std::shared_ptr<RunRecord>> Engine::Impl::accept(RunRequest request) {
  TRY_VOID(check(request));
  auto run = std::make_shared<RunRecord>();
  run->definition = request.workflow.definition();
  if (!run->definition) {
    TRY(run->definition, catalogue.workflow(request.workflow.name()));
  }
  if (!request.site.empty()) {
    TRY(run->site, catalogue.site(request.site));
  }
  merge(run->site.profile, request.site_overrides);
  // One place for all of them is what sequential means.
  if (request.strategy == Strategy::sequential) {
    if (request.items.empty() && request.sessions > 1)
      return fail(Errc::invalid_argument,
                  "strategy: sequential with " + std::to_string(request.sessions) +
                      " sessions and no items",
                  "run", "give items, or leave the number of sessions out");
    request.sessions = 1;
  }
  run->ids.project = request.project.empty() ? parts.settings.project : request.project;
  run->result.run_id = random.id("run", parts.clock->wall());
  run->node = node;
  run->result.workflow = run->definition->name;
  run->result.site = run->site.name;
  run->result.sessions = request.sessions;
  run->result.created_at = parts.clock->wall();
  run->ids.run = run->result.run_id;
  run->ids.workflow = run->result.workflow;
  run->request = std::move(request);
  if (run->request.strategy == Strategy::sequential && run->request.affinity.empty())
    run->request.affinity = run->result.run_id;
  return run;
}

Result<tasks::Submission> Engine::Impl::submission_of(RunRecord& run) const {
  const RunRequest& request = run.request;
  const workflows::PlanLimits limits{.sessions_max = parts.settings.sessions_max,
                                     .tasks_max = parts.settings.tasks_max};
  TRY(auto specs, workflows::plan(*run.definition, request, limits));
  const std::string& run_id = run.result.run_id;
  tasks::Spec common{.run_id = run_id,
                     .tenant = request.tenant,
                     .queue = parts.one_shot ? run_id : "default",
                     .priority = request.priority,
                     .run_at_ms = ms_or_zero(request.run_at),
                     .deadline_ms = ms_or_zero(request.deadline),
                     .depends_on = request.depends_on,
                     .depends_rule = *tasks::depends_rule_from(request.depends_rule),
                     .labels = request.labels};
  common.queue_timeout_ms = request.queue_timeout.value_or(std::chrono::milliseconds(0)).count();
  common.retry.attempts_max = request.attempts.value_or(parts.settings.task_attempts);
  common.gates.push_back({.key = "run:" + run_id, .limit = request.sessions});
  if (!request.concurrency_key.empty())
    common.gates.push_back(
        {.key = "key:" + request.concurrency_key, .limit = request.concurrency_limit});
  if (!request.affinity.empty()) common.gates.push_back({.key = affinity_key(request)});
  tasks::Submission submission;
  std::size_t digest = std::hash<std::string>()(run.definition->source);
  for (auto& spec : specs) {
    tasks::Spec task = common;
    task.id = "task" + run_id.substr(3) + "." + std::to_string(spec.index);
    task.index = spec.index;
    if (!request.idempotency_key.empty())
      task.idempotency_key = request.idempotency_key + "#" + std::to_string(spec.index);
    task.job = json::serialize(json::object{{"inputs", std::move(spec.inputs)}});
    digest = std::hash<std::string>()(task.job) + 31 * digest;
    TRY_VOID(tasks::check(task));
    run.result.tasks.push_back({.task_id = task.id, .index = spec.index});
    submission.tasks.push_back(std::move(task));
  }
  // The same key for something else is refused by the first task, whose job stands for all.
  if (!request.idempotency_key.empty()) {
    tasks::Spec& first = submission.tasks.front();
    json::object job = parse_json(first.job, "job").value().get_object();
    job["of"] = std::to_string(submission.tasks.size()) + ":" + std::to_string(digest);
    first.job = json::serialize(job);
  }
  submission.documents.push_back(run_document(run));
  submission.documents.push_back({.kind = std::string(kOpenRunKind), .id = run_id, .text = "{}"});
  return submission;
}

Result<std::string> Engine::Impl::begin(RunRequest request) {
  TRY(auto run, accept(std::move(request)));
  TRY(auto submission, submission_of(*run));
  const std::string id = run->result.run_id;
  runs.emplace(id, run);
  parts.log->write(run->ids, {.action = "run.start",
                              .status = "accepted",
                              .details = {{"site", run->result.site},
                                          {"sessions", run->result.sessions},
                                          {"tasks", submission.tasks.size()},
                                          {"tenant", run->request.tenant},
                                          {"inputs", json::value(run->request.inputs)}}});
  events.publish("run.created", run->ids,
                 {{"workflow", run->result.workflow},
                  {"site", run->result.site},
                  {"sessions", run->result.sessions},
                  {"tasks", submission.tasks.size()}});
  scope.spawn("run", store(std::move(run), std::move(submission)));
  return id;
}

// Puts a run into the backend. An answer that was lost is asked for again: the ids make it the same
// submission.
asio::awaitable<void> Engine::Impl::store(std::shared_ptr<RunRecord> run,
                                          tasks::Submission submission) {
  Context ctx = base().with_timeout(kStoreLimit, "accepting the run").with_ids(run->ids);
  if (parts.one_shot) worker.add_queue(run->result.run_id);
  const std::size_t count = submission.tasks.size();
  std::optional<Error> refused;
  for (auto pause = std::chrono::milliseconds(50);; pause *= 2) {
    tasks::Submission copy = submission;
    auto accepted = co_await parts.backend->enqueue(ctx, std::move(copy));
    if (accepted) {
      if (accepted->front().run_id != run->result.run_id) run->same_as = accepted->front().run_id;
      refused.reset();
      break;
    }
    refused = accepted.error();
    const bool unknown = refused->code == Errc::timeout || refused->code == Errc::unavailable ||
                         refused->code == Errc::network_error;
    if (!unknown || !ctx.check() || !co_await sleep_for(ctx, pause)) break;
  }
  if (refused || !run->same_as.empty()) {
    if (!refused) co_await erase(run->result.run_id);
    run->result.error = refused;
    if (refused)
      parts.log->write(run->ids, {.level = observe::Level::error,
                                  .action = "task.create",
                                  .status = "failed",
                                  .error = &*refused});
    for (auto& task : run->result.tasks) {
      task.state = TaskState::cancelled;
      task.error = refused;
    }
    run->result.ended_at = parts.clock->wall();
    run->result.state = refused ? RunState::failed : RunState::cancelled;
    tell_end(*run);
    run->accepted.set();
    co_return;
  }
  run->document_version = 1;
  parts.log->write(run->ids,
                   {.action = "task.create", .status = "ok", .details = {{"tasks", count}}});
  run->accepted.set();
  worker.wake();
  co_await conduct(std::move(run));
}

}  // namespace troupe::engine
