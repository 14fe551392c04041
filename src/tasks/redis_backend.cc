#include "tasks/redis_backend.h"

#include <algorithm>

#include "tasks/listing.h"
#include "tasks/redis_batches.h"
#include "tasks/redis_scripts.h"
#include "tasks/redis_server_check.h"
#include "tasks/redis_wire.h"

namespace troupe::tasks {
namespace {

using net::RedisCommand;
using net::RedisValue;

constexpr std::int64_t kListBudget = 500;     // tasks looked at in one script call
constexpr std::int64_t kPurgeBudget = 1'000;  // so the server is never busy for long
constexpr std::int64_t kLookThrough = 100;
constexpr std::int64_t kSweepGapMs = 3'000;  // every node sweeps each second
constexpr std::int64_t kGraceMs = 10'000;
constexpr std::size_t kBatchMax = 100'000;
constexpr std::size_t kBytesPerSecond = 20 << 20;  // that a call may take longer for
constexpr UnixMs kLeaseMax = 24LL * 60 * 60 * 1000;

Error no_task(const std::string& id) {
  return fail(Errc::not_found, "task: there is no " + id, "tasks");
}
Error task_is(const std::string& id, std::int64_t state) {
  return fail(Errc::conflict,
              "task: " + id + " is " + std::string(to_string(static_cast<State>(state))), "tasks");
}

class RedisBackend final : public Backend {
 public:
  RedisBackend(Context& ctx, RedisOptions options, net::RedisClientOptions client)
      : base_(ctx.clock(), ctx.executor()),
        options_(std::move(options)),
        key_("{" + options_.prefix + "}"),
        client_(ctx.executor(), ctx.clock(), std::move(client)),
        plain_enqueues_(ctx.executor(),
                        [this](auto shares) { return send_plain(std::move(shares)); }, {}),
        enqueues_(ctx.executor(), [this](auto shares) { return send_enqueues(std::move(shares)); },
                  {}),
        finishes_(ctx.executor(), [this](auto shares) { return send_finishes(std::move(shares)); },
                  {}) {}

  Async<void> start(Context& ctx);
  std::string_view name() const override { return "redis"; }
  Async<std::vector<Accepted>> enqueue(Context& ctx, Submission submission) override;
  Async<Claimed> claim(Context& ctx, ClaimRequest request) override;
  Async<std::vector<Beat>> beat(Context& ctx, std::string worker, std::vector<Held> held,
                                UnixMs lease_ms) override;
  Async<std::vector<Finished>> finish(Context& ctx, std::vector<Finish> finishes) override;
  Async<Moved> cancel(Context& ctx, std::string id, std::string reason, UnixMs grace_ms) override;
  Async<std::vector<Moved>> cancel_run(Context& ctx, std::string run_id, std::string reason,
                                       UnixMs grace_ms) override;
  Async<Moved> replay(Context& ctx, std::string id) override;
  Async<void> change(Context& ctx, std::string id, Change change) override;
  Async<void> pause(Context& ctx, std::string queue, bool paused) override;
  Async<void> set_limit(Context& ctx, std::string key, std::optional<std::int64_t> limit) override;
  Async<std::optional<Record>> get(Context& ctx, std::string id) override;
  Async<Page> list(Context& ctx, Filter filter, std::string cursor, int limit) override;
  Async<Counts> run_counts(Context& ctx, std::string run_id) override;
  Async<Stats> stats(Context& ctx) override;
  Async<std::int64_t> purge(Context& ctx, Filter filter, int max) override;
  Async<Swept> sweep(Context& ctx, int max) override;
  Async<void> journal_add(Context& ctx, std::string id, std::uint64_t token,
                          Journal entries) override;
  Async<Journal> journal(Context& ctx, std::string id) override;
  Async<std::uint64_t> put(Context& ctx, Document document) override;
  Async<std::optional<Document>> document(Context& ctx, std::string kind, std::string id) override;
  Async<std::vector<Document>> documents(Context& ctx, std::string kind, std::string cursor,
                                         int limit, bool newest_first) override;
  Async<void> erase(Context& ctx, std::string kind, std::string id) override;
  void watch(std::function<void()> news) override;
  asio::awaitable<void> close() override;

 private:
  using Enqueued = std::vector<Accepted>;
  enum class Kind { reads, writes };  // what is written, replicas are waited for

  RedisCommand arguments() const;
  Async<RedisValue> run(Context& ctx, Script script, RedisCommand given, Kind kind);
  Async<RedisValue> call(Context& ctx, Script script, RedisCommand given, bool by_source,
                         Kind kind);
  Result<void> usable(Context& ctx) const;
  void warn(const std::string& text) const {
    if (options_.warn) options_.warn(text);
  }
  asio::awaitable<void> send_plain(Batches<Enqueued>::Shares shares);
  asio::awaitable<void> send_enqueues(Batches<Enqueued>::Shares shares);
  using Finishes = Batches<std::vector<Finished>>;
  asio::awaitable<void> send_finishes(Finishes::Shares shares);
  asio::awaitable<void> send_turn(RedisCommand claim, std::shared_ptr<Promise<RedisValue>> claimed,
                                  Finishes::Shares shares);
  Async<RedisValue> claim_call(Context& ctx, RedisCommand given);

  Context base_;
  RedisOptions options_;
  std::string key_;
  RedisScripts scripts_;
  net::RedisClient client_;
  Batches<Enqueued> plain_enqueues_, enqueues_;
  Finishes finishes_;
  bool closed_ = false;
};

Result<void> RedisBackend::usable(Context& ctx) const {
  if (closed_) return fail(Errc::cancelled, "tasks: the backend is closed", "tasks");
  return ctx.check();
}

// Begins with the time: the server's (0), or that of a test's clock.
RedisCommand RedisBackend::arguments() const {
  RedisCommand given;
  given.add(options_.clock ? to_unix_ms(options_.clock->wall()) : std::int64_t{0});
  return given;
}

Async<RedisValue> RedisBackend::call(Context& ctx, Script script, RedisCommand given,
                                     bool by_source, Kind kind) {
  std::vector<RedisCommand> commands;
  commands.push_back(by_source ? scripts_.by_source(script, key_) : scripts_.by_hash(script, key_));
  commands.back().add_all(given);
  const bool waits = kind == Kind::writes && options_.replicas > 0;
  if (waits) {
    RedisCommand wait("WAIT");
    wait.add(std::int64_t{options_.replicas});
    wait.add(
        std::chrono::duration_cast<std::chrono::milliseconds>(options_.replica_timeout).count());
    commands.push_back(std::move(wait));
  }
  CO_TRY(auto answers, co_await client_.pipeline(ctx, std::move(commands)));
  if (waits && !answers[0].is_error() && answers[1].integer < options_.replicas)
    co_return fail(Errc::unavailable,
                   "redis: " + std::to_string(answers[1].integer) + " of " +
                       std::to_string(options_.replicas) +
                       " replicas have the change: it may be forgotten in a failover",
                   "tasks");
  co_return std::move(answers[0]);
}

Async<RedisValue> RedisBackend::run(Context& ctx, Script script, RedisCommand given, Kind kind) {
  CO_TRY_VOID(usable(ctx));
  const Duration extra = std::chrono::seconds(given.bytes() / kBytesPerSecond);
  Context limited = ctx.with_timeout(options_.call_timeout + extra, "redis");
  auto answer = co_await call(limited, script, given, false, kind);
  // After a restart, a failover or on another node: it does not know the script.
  if (answer && answer->is_error("NOSCRIPT"))
    answer = co_await call(limited, script, std::move(given), true, kind);
  if (!answer && answer.error().code == Errc::protocol_error)
    co_return fail(Errc::network_error, answer.error().message, "tasks");
  if (answer && answer->is_error()) co_return net::redis_error("redis", answer->text);
  co_return answer;
}

Async<void> RedisBackend::start(Context& ctx) {
  CO_TRY_VOID(co_await client_.connected(ctx));
  RedisCommand question("INFO");
  CO_TRY(const RedisValue info, co_await client_.command(ctx, std::move(question)));
  CO_TRY(const auto warnings, check_redis_server(info.text, options_));
  for (const std::string& warning : warnings) warn(warning);
  co_return co_await scripts_.load(ctx, client_);
}

Async<std::vector<Accepted>> RedisBackend::enqueue(Context& ctx, Submission submission) {
  CO_TRY_VOID(usable(ctx));
  const auto& tasks = submission.tasks;
  if (tasks.size() > kBatchMax)
    co_return fail(Errc::invalid_argument,
                   "tasks: " + std::to_string(tasks.size()) + " at once are more than " +
                       std::to_string(kBatchMax),
                   "tasks");
  RedisCommand given;
  const bool plain = are_plain(tasks);
  add_head(given, submission, plain);
  bool depends = false;
  for (const Spec& spec : tasks) {
    CO_TRY_VOID(check(spec));
    depends = depends || !spec.depends_on.empty();
    add_task(given, spec);
  }
  if (depends) CO_TRY_VOID(check_circles(tasks));
  for (const Document& document : submission.documents)
    given.add(document.kind).add(document.id).add(document.text);
  const auto count = static_cast<std::int64_t>(tasks.size());
  Batches<Enqueued>& batches = plain ? plain_enqueues_ : enqueues_;
  CO_TRY(Enqueued accepted, co_await batches.ask(ctx, std::move(given), count));
  if (!accepted.empty()) co_return accepted;
  for (Spec& spec : submission.tasks)  // all are new
    accepted.push_back({.id = std::move(spec.id), .run_id = std::move(spec.run_id)});
  co_return accepted;
}

asio::awaitable<void> RedisBackend::send_plain(Batches<Enqueued>::Shares shares) {
  RedisCommand given = arguments();
  given.add(options_.tasks_max).add(static_cast<std::int64_t>(shares.size()));
  for (const auto& share : shares) given.add_all(share->arguments);
  Context ctx = base_;
  const auto answer = co_await run(ctx, Script::enqueue_plain, std::move(given), Kind::writes);
  if (answer && answer->integer == 0) co_return co_await send_enqueues(std::move(shares));
  for (const auto& share : shares)
    share->done.set(answer ? Result<Enqueued>(Enqueued()) : Result<Enqueued>(answer.error()));
}

asio::awaitable<void> RedisBackend::send_enqueues(Batches<Enqueued>::Shares shares) {
  RedisCommand given = arguments();
  given.add(options_.tasks_max).add(static_cast<std::int64_t>(shares.size()));
  for (const auto& share : shares) given.add_all(share->arguments);
  Context ctx = base_;
  const auto answer = co_await run(ctx, Script::enqueue, std::move(given), Kind::writes);
  for (std::size_t i = 0; i < shares.size(); ++i) {
    if (!answer) {
      shares[i]->done.set(answer.error());
      continue;
    }
    const RedisValue& own = item(*answer, i);
    shares[i]->done.set(item(own, 0).text == "refused" ? Result<Enqueued>(refusal(own))
                                                       : read_accepted(own));
  }
}

Async<Claimed> RedisBackend::claim(Context& ctx, ClaimRequest request) {
  const auto wrong = [](const char* what) { return fail(Errc::invalid_argument, what, "claim"); };
  if (request.worker.empty() || request.worker.size() > 128)
    co_return wrong("worker: is not of 1..128 bytes");
  if (request.max < 1 || request.max > 10'000) co_return wrong("max: is not in 1..10000");
  if (request.lease_ms < 1 || request.lease_ms > kLeaseMax)
    co_return wrong("lease_ms: is not in 1..86400000");
  RedisCommand given = arguments();
  given.add(request.worker).add(std::int64_t{request.max}).add(request.lease_ms);
  given.add(static_cast<std::int64_t>(request.queues.size()));
  for (const std::string& queue : request.queues) given.add(queue);
  CO_TRY(const RedisValue answer, co_await claim_call(ctx, std::move(given)));
  Claimed claimed;
  if (const auto due = item(answer, 1).integer; due >= 0) claimed.next_due_ms = due;
  claimed.claims.reserve(answer.items.size());
  for (std::size_t i = 2; i < answer.items.size(); ++i) {
    auto claim = read_claim(answer.items[i], item(answer, 0).integer);
    // Its lease will be lost, and in the end it counts as poison: nobody here can run it.
    if (!claim)
      warn("redis: task " + item(answer.items[i], 0).text + ": " + claim.error().message);
    else
      claimed.claims.push_back(std::move(*claim));
  }
  co_return claimed;
}

Async<std::vector<Beat>> RedisBackend::beat(Context& ctx, std::string worker,
                                            std::vector<Held> held, UnixMs lease_ms) {
  RedisCommand given = arguments();
  given.add(worker).add(lease_ms);
  for (const Held& one : held)
    given.add(one.id).add(static_cast<std::int64_t>(one.token)).add(one.progress);
  CO_TRY(const RedisValue answer, co_await run(ctx, Script::beat, std::move(given), Kind::reads));
  std::vector<Beat> beats;
  for (const RedisValue& one : answer.items) beats.push_back(static_cast<Beat>(one.integer));
  if (beats.size() != held.size())
    co_return fail(Errc::network_error, "redis: answers of beat do not fit", "tasks");
  co_return beats;
}

Async<std::vector<Finished>> RedisBackend::finish(Context& ctx, std::vector<Finish> finishes) {
  CO_TRY_VOID(usable(ctx));
  CO_TRY_VOID(check_sizes(finishes));
  if (finishes.empty()) co_return std::vector<Finished>();
  RedisCommand given;
  for (const Finish& one : finishes) add_finish(given, one);
  const auto count = static_cast<std::int64_t>(finishes.size());
  co_return co_await finishes_.ask(ctx, std::move(given), count);
}

// What each share is told of the answer, or of why there is none.
void tell(const Batches<std::vector<Finished>>::Shares& shares, const Result<RedisValue>& answer) {
  std::size_t at = 0;
  for (const auto& share : shares) {
    Result<std::vector<Finished>> own = std::vector<Finished>();
    if (!answer) own = answer.error();
    for (std::int64_t i = 0; i < share->count && own; ++i) {
      auto finished = read_finished(item(*answer, at++));
      if (finished)
        own->push_back(std::move(*finished));
      else
        own = fail(Errc::network_error, finished.error().message, "tasks");
    }
    share->done.set(std::move(own));
  }
}

asio::awaitable<void> RedisBackend::send_finishes(Finishes::Shares shares) {
  RedisCommand given = arguments();
  for (const auto& share : shares) given.add_all(share->arguments);
  Context ctx = base_;
  tell(shares, co_await run(ctx, Script::finish, std::move(given), Kind::writes));
}

// A worker tells what has ended and asks for more in one turn of the loop: then it is one call. Not
// where replicas are waited for: a claim that they do not have is none, an end must be told.
Async<RedisValue> RedisBackend::claim_call(Context& ctx, RedisCommand given) {
  CO_TRY_VOID(usable(ctx));
  const auto claimed = std::make_shared<Promise<RedisValue>>();
  const auto join = [&] {
    return options_.replicas == 0 && finishes_.send_with([&](auto shares) {
      return send_turn(std::move(given), claimed, std::move(shares));
    });
  };
  bool joined = join();
  if (!joined) {
    co_await asio::post(base_.executor(), asio::use_awaitable);
    joined = join();
  }
  if (joined) co_return co_await claimed->wait(ctx);
  co_return co_await run(ctx, Script::claim, std::move(given), Kind::reads);
}

asio::awaitable<void> RedisBackend::send_turn(RedisCommand claim,
                                              std::shared_ptr<Promise<RedisValue>> claimed,
                                              Finishes::Shares shares) {
  for (const auto& share : shares) claim.add_all(share->arguments);
  Context ctx = base_;
  auto answer = co_await run(ctx, Script::turn, std::move(claim), Kind::writes);
  if (answer && answer->items.size() != 2)
    answer = fail(Errc::network_error, "redis: the answer of a turn does not fit", "tasks");
  const auto part = [&](std::size_t i) {
    return answer ? Result<RedisValue>(std::move(answer->items[i])) : answer.error();
  };
  tell(shares, part(0));
  claimed->set(part(1));
}

Async<Moved> RedisBackend::cancel(Context& ctx, std::string id, std::string reason,
                                  UnixMs grace_ms) {
  RedisCommand given = arguments();
  given.add(id).add(reason).add(grace_ms);
  CO_TRY(const RedisValue answer,
         co_await run(ctx, Script::cancel, std::move(given), Kind::writes));
  if (answer.items.empty()) co_return no_task(id);
  if (answer.items.size() == 1) co_return task_is(id, item(answer, 0).integer);
  co_return read_moved(answer);
}

Async<std::vector<Moved>> RedisBackend::cancel_run(Context& ctx, std::string run_id,
                                                   std::string reason, UnixMs grace_ms) {
  RedisCommand given = arguments();
  given.add(run_id).add(reason).add(grace_ms);
  CO_TRY(const RedisValue answer,
         co_await run(ctx, Script::cancel_run, std::move(given), Kind::writes));
  co_return read_moves(answer, 0);
}

Async<Moved> RedisBackend::replay(Context& ctx, std::string id) {
  RedisCommand given = arguments();
  given.add(id);
  CO_TRY(const RedisValue answer,
         co_await run(ctx, Script::replay, std::move(given), Kind::writes));
  if (answer.items.empty()) co_return no_task(id);
  if (answer.items.size() == 1) co_return task_is(id, item(answer, 0).integer);
  co_return read_moved(answer);
}

Async<void> RedisBackend::change(Context& ctx, std::string id, Change change) {
  if (change.priority && (*change.priority < -9 || *change.priority > 9))
    co_return fail(Errc::invalid_argument,
                   "priority: " + std::to_string(*change.priority) + " is not in -9..9", "task");
  if (change.run_at_ms && *change.run_at_ms < 0)
    co_return fail(Errc::invalid_argument, "run_at_ms: is negative", "task");
  RedisCommand given = arguments();
  given.add(id);
  given.add(change.priority ? std::to_string(*change.priority) : std::string());
  given.add(change.run_at_ms ? std::to_string(*change.run_at_ms) : std::string());
  CO_TRY(const RedisValue answer,
         co_await run(ctx, Script::change, std::move(given), Kind::writes));
  if (answer.items.empty()) co_return no_task(id);
  if (answer.items.size() == 1) co_return task_is(id, item(answer, 0).integer);
  co_return Result<void>{};
}

Async<void> RedisBackend::pause(Context& ctx, std::string queue, bool paused) {
  RedisCommand given = arguments();
  given.add(queue).add(paused ? "1" : "0");
  CO_TRY_VOID(co_await run(ctx, Script::pause, std::move(given), Kind::writes));
  co_return Result<void>{};
}

Async<void> RedisBackend::set_limit(Context& ctx, std::string key,
                                    std::optional<std::int64_t> limit) {
  CO_TRY_VOID(check_limit(key, limit));
  RedisCommand given = arguments();
  given.add(key).add(limit ? std::to_string(*limit) : std::string());
  CO_TRY_VOID(co_await run(ctx, Script::set_limit, std::move(given), Kind::writes));
  co_return Result<void>{};
}

Async<std::optional<Record>> RedisBackend::get(Context& ctx, std::string id) {
  RedisCommand given = arguments();
  given.add(id);
  CO_TRY(const RedisValue answer, co_await run(ctx, Script::get, std::move(given), Kind::reads));
  if (item(answer, 0).items.empty()) co_return std::optional<Record>();
  CO_TRY(auto record, read_record(item(answer, 0)));
  co_return std::optional(std::move(record));
}

Async<Page> RedisBackend::list(Context& ctx, Filter filter, std::string cursor, int limit) {
  CO_TRY(Cursor from, parse_cursor(cursor, filter));
  CO_TRY_VOID(check_page(limit));
  Page page;
  for (bool more = true; more;) {
    RedisCommand given = arguments();
    add_filter(given, filter);
    given.add(std::int64_t{from.index}).add(from.id);
    given.add(static_cast<std::int64_t>(limit) + 1 -
              static_cast<std::int64_t>(page.records.size()));
    given.add(kListBudget);
    CO_TRY(const RedisValue answer, co_await run(ctx, Script::list, std::move(given), Kind::reads));
    from.index = static_cast<int>(item(answer, 0).integer);
    from.id = item(answer, 1).text;
    more = item(answer, 2).integer == 1;
    for (std::size_t i = 3; i < answer.items.size(); ++i) {
      CO_TRY(auto record, read_record(answer.items[i]));
      const RecordView view{&record.spec, record.status.state, record.status.cause,
                            record.status.ended_ms};
      if (!fits(view, filter)) continue;
      if (page.records.size() == static_cast<std::size_t>(limit)) {
        page.next_cursor = make_cursor(page.records.back().spec, filter);
        co_return page;
      }
      page.records.push_back(std::move(record));
    }
  }
  co_return page;
}

Async<Counts> RedisBackend::run_counts(Context& ctx, std::string run_id) {
  RedisCommand given = arguments();
  given.add(run_id);
  CO_TRY(const RedisValue answer,
         co_await run(ctx, Script::run_counts, std::move(given), Kind::reads));
  co_return read_counts(answer);
}

Async<Stats> RedisBackend::stats(Context& ctx) {
  CO_TRY(const RedisValue answer, co_await run(ctx, Script::stats, arguments(), Kind::reads));
  Stats stats;
  CO_TRY(stats.counts, read_counts(item(answer, 0)));
  if (const auto oldest = item(answer, 1).integer; oldest >= 0) stats.oldest_queued_ms = oldest;
  for (const RedisValue& queue : item(answer, 2).items) stats.paused.push_back(queue.text);
  std::ranges::sort(stats.paused);
  co_return stats;
}

Async<std::int64_t> RedisBackend::purge(Context& ctx, Filter filter, int max) {
  std::int64_t deleted = 0, offset = 0;
  for (bool more = true; more && deleted < max;) {
    RedisCommand given = arguments();
    add_filter(given, filter);
    given.add(filter.labels.empty() ? std::string() : json::serialize(filter.labels));
    given.add(std::int64_t{max} - deleted).add(offset).add(kPurgeBudget);
    CO_TRY(const RedisValue answer,
           co_await run(ctx, Script::purge, std::move(given), Kind::reads));
    deleted += item(answer, 0).integer;
    offset = item(answer, 1).integer;
    more = item(answer, 2).integer == 1;
  }
  co_return deleted;
}

Async<Swept> RedisBackend::sweep(Context& ctx, int max) {
  RedisCommand given = arguments();
  given.add(std::int64_t{std::max(max, 1)}).add(kLookThrough);
  // A clock that a test moves makes gaps of its own.
  given.add(kSweepGapMs).add(options_.clock ? std::int64_t{0} : kGraceMs);
  CO_TRY(const RedisValue answer, co_await run(ctx, Script::sweep, std::move(given), Kind::writes));
  if (const auto mended = item(answer, 1).integer; mended > 0)
    warn("redis: mended the indexes of " + std::to_string(mended) + " tasks");
  Swept swept;
  swept.more = item(answer, 0).integer == 1;
  CO_TRY(swept.moved, read_moves(answer, 2));
  co_return swept;
}

Async<void> RedisBackend::journal_add(Context& ctx, std::string id, std::uint64_t token,
                                      Journal entries) {
  for (const auto& [key, text] : entries) CO_TRY_VOID(check_entry(text));
  RedisCommand given = arguments();
  given.add(id).add(static_cast<std::int64_t>(token));
  for (const auto& [key, text] : entries) given.add(key).add(text);
  CO_TRY(const RedisValue answer,
         co_await run(ctx, Script::journal_add, std::move(given), Kind::writes));
  if (answer.integer == 1) co_return Result<void>{};
  co_return fail(Errc::conflict,
                 "task: token " + std::to_string(token) + " of " + id +
                     " is not the latest of a running attempt",
                 "tasks");
}

Async<Journal> RedisBackend::journal(Context& ctx, std::string id) {
  RedisCommand given = arguments();
  given.add(id);
  CO_TRY(const RedisValue answer,
         co_await run(ctx, Script::journal, std::move(given), Kind::reads));
  std::vector<std::pair<long, std::pair<std::string, std::string>>> places;
  for (std::size_t i = 0; i + 1 < answer.items.size(); i += 2) {
    const std::string& entry = answer.items[i + 1].text;
    const auto colon = entry.find(':');
    if (colon == std::string::npos) continue;
    places.push_back({std::atol(entry.c_str()), {answer.items[i].text, entry.substr(colon + 1)}});
  }
  std::ranges::sort(places);
  std::vector<std::pair<std::string, std::string>> entries;
  for (auto& [place, entry] : places) entries.push_back(std::move(entry));
  co_return entries;
}

Async<std::uint64_t> RedisBackend::put(Context& ctx, Document document) {
  RedisCommand given = arguments();
  given.add(document.kind).add(document.id);
  given.add(static_cast<std::int64_t>(document.version)).add(document.text);
  CO_TRY(const RedisValue answer,
         co_await run(ctx, Script::document_put, std::move(given), Kind::writes));
  const auto version = static_cast<std::uint64_t>(item(answer, 1).integer);
  if (item(answer, 0).integer != 1) co_return version_conflict(document, version);
  co_return version;
}

Async<std::optional<Document>> RedisBackend::document(Context& ctx, std::string kind,
                                                      std::string id) {
  RedisCommand given = arguments();
  given.add(kind).add(id);
  CO_TRY(const RedisValue answer,
         co_await run(ctx, Script::document_get, std::move(given), Kind::reads));
  if (answer.is_nil()) co_return std::optional<Document>();
  CO_TRY(auto document, read_document(std::move(kind), std::move(id), answer));
  co_return std::optional(std::move(document));
}

Async<std::vector<Document>> RedisBackend::documents(Context& ctx, std::string kind,
                                                     std::string cursor, int limit,
                                                     bool newest_first) {
  CO_TRY_VOID(check_page(limit));
  RedisCommand given = arguments();
  given.add(kind).add(cursor).add(std::int64_t{limit}).add(newest_first ? "1" : "0");
  CO_TRY(const RedisValue answer,
         co_await run(ctx, Script::documents, std::move(given), Kind::reads));
  std::vector<Document> page;
  for (std::size_t i = 0; i + 1 < answer.items.size(); i += 2) {
    CO_TRY(auto document, read_document(kind, answer.items[i].text, answer.items[i + 1]));
    page.push_back(std::move(document));
  }
  co_return page;
}

Async<void> RedisBackend::erase(Context& ctx, std::string kind, std::string id) {
  RedisCommand given = arguments();
  given.add(kind).add(id);
  CO_TRY_VOID(co_await run(ctx, Script::document_erase, std::move(given), Kind::writes));
  co_return Result<void>{};
}

void RedisBackend::watch(std::function<void()> news) {
  if (!news) news = [] {};  // nobody watches any more
  client_.subscribe(key_ + ":news", [news](std::string_view) { news(); }, news);
}

asio::awaitable<void> RedisBackend::close() {
  closed_ = true;
  co_await client_.close();
  Context ctx = base_;
  co_await plain_enqueues_.close(ctx);
  co_await enqueues_.close(ctx);
  co_await finishes_.close(ctx);
}

}  // namespace

Async<std::unique_ptr<Backend>> open_redis_backend(Context& ctx, RedisOptions options) {
  CO_TRY_VOID(check_redis_options(options));
  net::RedisClientOptions client;
  CO_TRY(client.url, net::parse_redis_url(options.url));
  client.ca_file = options.ca_file;
  client.stall_timeout = options.stall_timeout;
  auto backend = std::make_unique<RedisBackend>(ctx, std::move(options), std::move(client));
  const auto started = co_await backend->start(ctx);
  if (started) co_return std::unique_ptr<Backend>(std::move(backend));
  co_await backend->close();
  co_return started.error();
}

}  // namespace troupe::tasks
