// Backend: who stores tasks, and the only place that changes their state. One narrow interface;
// `memory`, `sqlite` and `redis` implement it and pass one conformance suite
// (tasks/conformance.h). Delivery is at least once: a claim is a lease with a fencing token, and a
// token that is not the latest changes nothing.
//
// A call that fails with `timeout`, `unavailable` or `network_error` may have been applied: every
// call can be repeated with the same arguments without doing harm (enqueue by task id, finish by
// token, ...). All-or-nothing per call. Threads: engine; no call blocks it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/async.h"
#include "tasks/record.h"

namespace troupe::tasks {

/// A small JSON text that is kept beside the tasks: runs, schedules, webhook deliveries. Versioned
/// for optimistic concurrency.
struct Document {
  std::string kind;  ///< `run`, `schedule`, `delivery`, ...
  std::string id;    ///< Sorts by time where the kind is listed by time.
  std::string text;
  std::uint64_t version = 0;  ///< Of the stored one; 0: does not exist yet.
};

/// Accepted as a whole or not at all; durable when the call returns.
struct Submission {
  std::vector<Spec> tasks;  ///< At most 100,000.
  /// Created together with the tasks; an existing one stays. None is created when there are tasks
  /// and all of them exist already.
  std::vector<Document> documents;
};

/// What enqueue did with one task.
struct Accepted {
  std::string id;         ///< Of the new task, or of the one with the same id or idempotency key.
  std::string run_id;     ///< The one's run.
  bool existing = false;  ///< Nothing was added for this one.
};

struct ClaimRequest {
  std::string worker;  ///< Unique per process start: `node_…`.
  int max = 1;
  UnixMs lease_ms = 10'000;
  std::vector<std::string> queues = {"default"};
};
/// A task on loan. Only the latest token can beat, journal or finish it.
struct Claim {
  Spec spec;
  int attempt = 1;
  int losses = 0;
  std::uint64_t token = 0;
  UnixMs lease_until_ms = 0;
  std::string last_error;  ///< JSON of the attempt before; empty for the first.
};
struct Claimed {
  std::vector<Claim> claims;
  /// When something becomes due that cannot be claimed yet; nothing: only news can change it.
  std::optional<UnixMs> next_due_ms;
};

struct Held {
  std::string id;
  std::uint64_t token = 0;
  std::string progress;  ///< JSON; empty: as before.
};
enum class Beat {
  ok,
  lost,    ///< Somebody else has it, or it has ended: stop, and do not finish it.
  cancel,  ///< Extended, and to be cancelled.
};

/// How an attempt ended.
struct Finish {
  enum class Verdict {
    succeeded,
    failed,    ///< For good.
    retry,     ///< With a retryable error: scheduled after `delay_ms`, or failed when no attempt is
               ///< left or it could not start before its deadline.
    released,  ///< Handed back untouched (drain): queued again at once; the attempt does not count.
    cancelled,
  };
  std::string id;
  std::uint64_t token = 0;
  Verdict verdict = Verdict::succeeded;
  UnixMs delay_ms = 0;  ///< Of retry.
  std::string result;   ///< JSON, at most kResultBytesMax.
  std::string error;    ///< JSON.
};
/// A task whose state changed other than by this caller's finish: for events.
struct Moved {
  std::string id, run_id;
  int index = 0;
  State state = State::queued;
  Cause cause = Cause::none;
  std::int64_t run_open = 0;
};
/// What finish did with one of them.
struct Finished {
  bool stale = false;  ///< The token is not the latest, or it has ended otherwise: nothing changed.
  State state = State::running;  ///< Now.
  Cause cause = Cause::none;
  std::int64_t run_open = 0;  ///< Tasks of its run that have not ended.
  std::vector<Moved> moved;   ///< Tasks that depended on it and moved with it.
};

struct Counts {
  std::int64_t blocked = 0, scheduled = 0, queued = 0, running = 0;
  std::int64_t succeeded = 0, failed = 0, cancelled = 0;
  std::int64_t open() const { return blocked + scheduled + queued + running; }
};
struct Stats {
  Counts counts;
  std::optional<UnixMs> oldest_queued_ms;  ///< Its due time.
  std::vector<std::string> paused;         ///< Queues.
};

/// All that are given must hold.
struct Filter {
  std::string run_id, tenant, queue;
  std::vector<State> states;
  std::vector<Cause> causes;  ///< The dead letters: attempts_exhausted, poisoned.
  json::object labels;
  std::optional<UnixMs> ended_before_ms;
};
/// By id, ascending (ids sort by time of creation); a run's tasks by index.
struct Page {
  std::vector<Record> records;
  std::string next_cursor;  ///< Empty: no more.
};

/// What Backend::change may change of a task that waits.
struct Change {
  std::optional<int> priority;
  std::optional<UnixMs> run_at_ms;
};

struct Swept {
  std::vector<Moved> moved;  ///< Lost leases, missed deadlines, settled dependencies, ...
  bool more = false;         ///< The limit was reached: call again at once.
};

/// What finished steps left for a later attempt: key and text, in the order of the first adding.
using Journal = std::vector<std::pair<std::string, std::string>>;

/// Seam.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;

  /// Errors: invalid_argument, exhausted (too many tasks), conflict (an idempotency key that is in
  /// use with a different job), not_found (a dependency), storage_failed, unavailable.
  virtual Async<std::vector<Accepted>> enqueue(Context& ctx, Submission submission) = 0;
  /// Tenants take turns (each by what it was served lately); within a tenant the smallest virtual
  /// deadline goes first. A task behind a full gate is parked, not scanned over again. Never waits
  /// for work: nothing to claim is an empty answer.
  virtual Async<Claimed> claim(Context& ctx, ClaimRequest request) = 0;
  /// Extends leases. One answer per given task, in order.
  virtual Async<std::vector<Beat>> beat(Context& ctx, std::string worker, std::vector<Held> held,
                                        UnixMs lease_ms) = 0;
  /// One answer per given one, in order. Repeating one that was applied answers the same, not
  /// stale (but for `moved`, which may be empty then).
  virtual Async<std::vector<Finished>> finish(Context& ctx, std::vector<Finish> finishes) = 0;

  /// Waiting: ends at once. Running: the worker hears of it with its next beat; when it has not
  /// ended it `grace_ms` later, sweep() does. Returns how it stands then. Errors: not_found,
  /// conflict (has ended).
  virtual Async<Moved> cancel(Context& ctx, std::string id, std::string reason,
                              UnixMs grace_ms) = 0;
  /// All of a run that have not ended.
  virtual Async<std::vector<Moved>> cancel_run(Context& ctx, std::string run_id, std::string reason,
                                               UnixMs grace_ms) = 0;
  /// A failed or cancelled task starts anew, with a new budget of attempts; its journal stays.
  /// Errors: not_found, conflict (has not ended, or succeeded).
  virtual Async<Moved> replay(Context& ctx, std::string id) = 0;
  /// Errors: not_found, conflict (does not wait any more), invalid_argument.
  virtual Async<void> change(Context& ctx, std::string id, Change change) = 0;
  /// Nothing of a paused queue is claimed.
  virtual Async<void> pause(Context& ctx, std::string queue, bool paused) = 0;
  /// Limit of a gate's key for all tasks, present and future; nothing: as each task says.
  virtual Async<void> set_limit(Context& ctx, std::string key,
                                std::optional<std::int64_t> limit) = 0;

  virtual Async<std::optional<Record>> get(Context& ctx, std::string id) = 0;
  /// `limit` 1..1000. A cursor that it did not give is invalid_argument.
  virtual Async<Page> list(Context& ctx, Filter filter, std::string cursor, int limit) = 0;
  virtual Async<Counts> run_counts(Context& ctx, std::string run_id) = 0;
  virtual Async<Stats> stats(Context& ctx) = 0;
  /// Deletes ended tasks with their journals, oldest first; returns how many.
  virtual Async<std::int64_t> purge(Context& ctx, Filter filter, int max) = 0;

  /// What time brings about: expired leases (lost: queued again, or failed as poisoned), missed
  /// deadlines, cancellations beyond their grace, dependencies that are settled. And what a crash
  /// may have left: indexes and records that disagree are mended. At most `max` tasks.
  virtual Async<Swept> sweep(Context& ctx, int max) = 0;

  /// Adds entries to a task's journal if the token is the latest: all of them or none. Entries keep
  /// their order; a key that is there is replaced, or erased by an empty text. Sets `losses` to 0.
  /// Errors: conflict (stale), payload_too_large (one of them).
  virtual Async<void> journal_add(Context& ctx, std::string id, std::uint64_t token,
                                  Journal entries) = 0;
  virtual Async<Journal> journal(Context& ctx, std::string id) = 0;

  /// `version` must be the stored one (0: must not exist). Returns the new version.
  /// Errors: conflict.
  virtual Async<std::uint64_t> put(Context& ctx, Document document) = 0;
  virtual Async<std::optional<Document>> document(Context& ctx, std::string kind,
                                                  std::string id) = 0;
  /// By id, `newest_first` descending; from after `cursor` (an id; empty: from the start).
  virtual Async<std::vector<Document>> documents(Context& ctx, std::string kind, std::string cursor,
                                                 int limit, bool newest_first) = 0;
  virtual Async<void> erase(Context& ctx, std::string kind, std::string id) = 0;

  /// Calls `news` on the engine thread whenever something may have become claimable, here or by
  /// another process. May call too often; a caller polls besides (lost messages). One watcher.
  virtual void watch(std::function<void()> news) = 0;
  /// Ends what it runs; calls under way end with `cancelled`. Idempotent.
  virtual asio::awaitable<void> close() = 0;
};

struct MemoryBackendOptions {
  std::int64_t tasks_max = 1'000'000;  ///< That have not ended.
};
std::unique_ptr<Backend> make_memory_backend(Clock& clock, MemoryBackendOptions options);

struct SqliteOptions {
  std::string path;  ///< Of the database file; its folder must exist.
  /// Power loss: `full` loses nothing that was acknowledged, `normal` may lose the last moments.
  /// A killed process loses nothing either way.
  enum class Durability { full, normal } durability = Durability::full;
  std::int64_t tasks_max = 1'000'000;  ///< That have not ended.
  /// Pages of the log (4 KiB each) beyond which it is copied into the database.
  int checkpoint_pages = 4000;
  std::string vfs;  ///< SQLite's own when empty. For tests.
};
/// Opens or creates the database; one process at a time. What was running when the last process
/// died counts as lost with the first sweep(). Errors: conflict (in use; names the process),
/// storage_failed (not ours; broken; of a newer release).
Result<std::unique_ptr<Backend>> make_sqlite_backend(asio::any_io_executor executor, Clock& clock,
                                                     SqliteOptions options);

}  // namespace troupe::tasks
