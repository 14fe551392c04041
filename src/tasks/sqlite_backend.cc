#include <algorithm>

#include "tasks/listing.h"
#include "tasks/sqlite_schema.h"
#include "tasks/sqlite_writer.h"

namespace troupe::tasks {
namespace {

// Answers of calls: the shapes that a call's work gives back.

Body& texts(Entry& entry) {
  if (!entry.body) entry.body = std::make_unique<Body>();
  return *entry.body;
}

std::vector<Accepted> enqueue_in(Core core, const Submission& submission,
                                 const std::vector<Ledger::Added>& added) {
  std::vector<Accepted> accepted;
  accepted.reserve(added.size());
  bool any_new = submission.tasks.empty();
  for (std::size_t i = 0; i < added.size(); ++i) {
    const auto& [entry, existing] = added[i];
    accepted.push_back({entry->id, entry->run->id, existing});
    if (existing) continue;
    any_new = true;
    core.tables.insert(*entry, submission.tasks[i]);
  }
  if (any_new)
    for (const Document& document : submission.documents) core.tables.add_document(document);
  return accepted;
}

Claimed claims_of(Core core, const std::vector<Entry*>& entries) {
  Claimed claimed;
  claimed.claims.reserve(entries.size());
  for (const Entry* entry : entries) {
    Record record = core.tables.record(*entry);
    claimed.claims.push_back({.spec = std::move(record.spec),
                              .attempt = entry->attempt,
                              .losses = entry->losses,
                              .token = entry->token,
                              .lease_until_ms = entry->lease_until_ms,
                              .last_error = std::move(record.status.error)});
  }
  claimed.next_due_ms = core.ledger.next_due();
  return claimed;
}

std::vector<Finished> finish_in(Core core, UnixMs now, const std::vector<Finish>& finishes) {
  std::vector<Finished> finished;
  finished.reserve(finishes.size());
  for (const Finish& one : finishes) {
    auto [answer, entry] = core.ledger.finish(now, one);
    finished.push_back(std::move(answer));
    if (!entry) continue;
    if (entry->state == State::succeeded && !one.result.empty()) texts(*entry).result = one.result;
    if (!one.error.empty()) texts(*entry).error = one.error;
    // So that the same task can come again in this call.
    core.tables.flush();
  }
  return finished;
}

class SqliteBackend final : public Backend {
 public:
  SqliteBackend(Clock& clock, std::string path, std::shared_ptr<SqliteWriter> writer)
      : clock_(clock), path_(std::move(path)), writer_(std::move(writer)) {}
  ~SqliteBackend() override {
    writer_->on_news(nullptr);
    readers_.join();
  }

  std::string_view name() const override { return "sqlite"; }

  Async<std::vector<Accepted>> enqueue(Context& ctx, Submission submission) override {
    using Answer = std::vector<Accepted>;
    const UnixMs now = this->now();
    auto shared = std::make_shared<const Submission>(std::move(submission));
    auto work = [shared, now](Core core) -> Result<Answer> {
      TRY(const auto added, core.ledger.enqueue(now, shared->tasks));
      return enqueue_in(core, *shared, added);
    };
    auto call = std::make_shared<TypedCall<Answer>>(std::move(work));
    call->adds = true;
    co_return co_await through<Answer>(ctx, call);
  }

  Async<Claimed> claim(Context& ctx, ClaimRequest request) override {
    const UnixMs now = this->now();
    auto work = [request = std::move(request), now](Core core) -> Result<Claimed> {
      TRY(const auto entries, core.ledger.claim(now, request));
      return claims_of(core, entries);
    };
    auto call = std::make_shared<TypedCall<Claimed>>(std::move(work));
    call->durable = false;
    auto claimed = co_await through<Claimed>(ctx, call);
    // Whoever asked is gone: what comes yet goes back, and is not lost for the length of a lease.
    if (!claimed)
      call->left = [writer = std::weak_ptr(writer_), now](Result<Claimed>& late) {
        const auto there = writer.lock();
        if (there && late) hand_back(*there, *late, now);
      };
    co_return claimed;
  }

  Async<std::vector<Beat>> beat(Context& ctx, std::string worker, std::vector<Held> held,
                                UnixMs lease_ms) override {
    using Answer = std::vector<Beat>;
    auto work = [worker = std::move(worker), held = std::move(held), lease_ms,
                 now = now()](Core core) -> Result<Answer> {
      Answer beats;
      for (const Held& one : held) {
        Entry* entry = nullptr;
        beats.push_back(core.ledger.beat(now, worker, one, lease_ms, &entry));
        if (!entry || one.progress.empty()) continue;
        texts(*entry).progress = one.progress;
        core.ledger.touch(*entry);
      }
      return beats;
    };
    auto call = std::make_shared<TypedCall<Answer>>(std::move(work));
    call->durable = false;
    return through<Answer>(ctx, std::move(call));
  }

  Async<std::vector<Finished>> finish(Context& ctx, std::vector<Finish> finishes) override {
    using Answer = std::vector<Finished>;
    CO_TRY_VOID(check_sizes(finishes));
    auto work = [finishes = std::move(finishes), now = now()](Core core) -> Result<Answer> {
      return finish_in(core, now, finishes);
    };
    auto call = std::make_shared<TypedCall<Answer>>(std::move(work));
    co_return co_await through<Answer>(ctx, call);
  }

  Async<Moved> cancel(Context& ctx, std::string id, std::string reason, UnixMs grace_ms) override {
    auto work = [id = std::move(id), reason = std::move(reason), grace_ms,
                 now = now()](Core core) -> Result<Moved> {
      TRY(Entry * entry, core.ledger.cancel(now, id, grace_ms));
      texts(*entry).cancel_reason = reason;
      return core.ledger.moved(*entry);
    };
    return through<Moved>(ctx, std::move(work));
  }

  Async<std::vector<Moved>> cancel_run(Context& ctx, std::string run_id, std::string reason,
                                       UnixMs grace_ms) override {
    using Answer = std::vector<Moved>;
    auto work = [run_id = std::move(run_id), reason = std::move(reason), grace_ms,
                 now = now()](Core core) -> Result<Answer> {
      std::vector<Entry*> asked;
      auto moved = core.ledger.cancel_run(now, run_id, grace_ms, asked);
      for (Entry* entry : asked) texts(*entry).cancel_reason = reason;
      return moved;
    };
    return through<Answer>(ctx, std::move(work));
  }

  Async<Moved> replay(Context& ctx, std::string id) override {
    auto work = [id = std::move(id), now = now()](Core core) -> Result<Moved> {
      TRY(Entry * entry, core.ledger.replay(now, id));
      return core.ledger.moved(*entry);
    };
    return through<Moved>(ctx, std::move(work));
  }

  Async<void> change(Context& ctx, std::string id, Change change) override {
    auto work = [id = std::move(id), change, now = now()](Core core) -> Result<void> {
      TRY_VOID(core.ledger.change(now, id, change));
      return {};
    };
    return through<void>(ctx, std::move(work));
  }

  Async<void> pause(Context& ctx, std::string queue, bool paused) override {
    auto work = [queue = std::move(queue), paused](Core core) -> Result<void> {
      core.ledger.pause(queue, paused);
      core.tables.pause(queue, paused);
      return {};
    };
    return through<void>(ctx, std::move(work));
  }

  Async<void> set_limit(Context& ctx, std::string key, std::optional<std::int64_t> limit) override {
    auto work = [key = std::move(key), limit](Core core) -> Result<void> {
      TRY_VOID(check_limit(key, limit));
      core.ledger.set_limit(key, limit);
      core.tables.set_limit(key, limit);
      return {};
    };
    return through<void>(ctx, std::move(work));
  }

  Async<std::optional<Record>> get(Context& ctx, std::string id) override {
    using Answer = std::optional<Record>;
    auto work = [id = std::move(id)](Core core) -> Result<Answer> {
      return core.tables.record(id);
    };
    return through<Answer>(ctx, std::move(work));
  }

  Async<Page> list(Context& ctx, Filter filter, std::string cursor, int limit) override {
    return read<Page>(ctx, [filter = std::move(filter), cursor = std::move(cursor),
                            limit](Connection& db) { return page(db, filter, cursor, limit); });
  }

  Async<Counts> run_counts(Context& ctx, std::string run_id) override {
    auto work = [run_id = std::move(run_id)](Core core) -> Result<Counts> {
      return core.tables.run_counts(run_id);
    };
    return through<Counts>(ctx, std::move(work));
  }

  Async<Stats> stats(Context& ctx) override {
    return through<Stats>(ctx, [](Core core) -> Result<Stats> { return core.ledger.stats(); });
  }

  Async<std::int64_t> purge(Context& ctx, Filter filter, int max) override {
    auto work = [filter = std::move(filter), max](Core core) -> Result<std::int64_t> {
      return core.tables.purge(filter, max);
    };
    return through<std::int64_t>(ctx, std::move(work));
  }

  Async<Swept> sweep(Context& ctx, int max) override {
    auto work = [max, now = now()](Core core) -> Result<Swept> {
      return core.ledger.sweep(now, max);
    };
    return through<Swept>(ctx, std::move(work));
  }

  Async<void> journal_add(Context& ctx, std::string id, std::uint64_t token,
                          Journal entries) override {
    auto work = [id = std::move(id), token,
                 entries = std::move(entries)](Core core) -> Result<void> {
      for (const auto& [key, text] : entries) TRY_VOID(check_entry(text));
      TRY(const Entry* entry, core.ledger.journaled(id, token));
      for (const auto& [key, text] : entries) core.tables.add_journal(*entry, key, text);
      return {};
    };
    return through<void>(ctx, std::move(work));
  }

  Async<Journal> journal(Context& ctx, std::string id) override {
    return read<Journal>(ctx, [id = std::move(id)](Connection& db) -> Result<Journal> {
      Statement sql(db,
                    "SELECT key,entry FROM journal WHERE seq=(SELECT seq FROM task WHERE id=?) "
                    "ORDER BY place");
      sql.bind(id);
      Journal entries;
      while (sql.step()) entries.emplace_back(sql.text(0), sql.text(1));
      return entries;
    });
  }

  Async<std::uint64_t> put(Context& ctx, Document document) override {
    auto work = [given = std::move(document)](Core core) -> Result<std::uint64_t> {
      const std::uint64_t stored = core.tables.version(given);
      if (stored != given.version) return version_conflict(given, stored);
      Document next = given;
      ++next.version;
      core.tables.put_document(next);
      return next.version;
    };
    return through<std::uint64_t>(ctx, std::move(work));
  }

  Async<std::optional<Document>> document(Context& ctx, std::string kind, std::string id) override {
    using Answer = std::optional<Document>;
    return read<Answer>(
        ctx, [kind = std::move(kind), id = std::move(id)](Connection& db) -> Result<Answer> {
          Statement sql(db, "SELECT id,version,text FROM document WHERE kind=? AND id=?");
          sql.bind(kind).bind(id);
          if (!sql.step()) return Answer();
          return Answer(document_at(sql, kind));
        });
  }

  Async<std::vector<Document>> documents(Context& ctx, std::string kind, std::string cursor,
                                         int limit, bool newest_first) override {
    using Answer = std::vector<Document>;
    return read<Answer>(ctx,
                        [kind = std::move(kind), cursor = std::move(cursor), limit,
                         newest_first](Connection& db) -> Result<Answer> {
                          TRY_VOID(check_page(limit));
                          std::string text = "SELECT id,version,text FROM document WHERE kind=?";
                          if (!cursor.empty()) text += newest_first ? " AND id<?" : " AND id>?";
                          text +=
                              newest_first ? " ORDER BY id DESC LIMIT ?" : " ORDER BY id LIMIT ?";
                          Statement sql(db, text);
                          sql.bind(kind);
                          if (!cursor.empty()) sql.bind(cursor);
                          sql.bind(limit);
                          Answer page;
                          while (sql.step()) page.push_back(document_at(sql, kind));
                          return page;
                        });
  }

  Async<void> erase(Context& ctx, std::string kind, std::string id) override {
    auto work = [kind = std::move(kind), id = std::move(id)](Core core) -> Result<void> {
      core.tables.erase_document(kind, id);
      return {};
    };
    return through<void>(ctx, std::move(work));
  }

  void watch(std::function<void()> news) override { writer_->on_news(std::move(news)); }

  asio::awaitable<void> close() override {
    closed_ = true;
    writer_->on_news(nullptr);
    readers_.join();
    reader_.reset();  // before the writer: the last one to close tidies the log up
    writer_->stop();
    co_return;
  }

 private:
  UnixMs now() const { return to_unix_ms(clock_.wall()); }

  Result<void> usable(Context& ctx) const {
    if (closed_) return fail(Errc::cancelled, "tasks: the backend is closed", "tasks");
    return ctx.check();
  }

  // Keeps the loop running while the answer comes from another thread.
  static auto tracked(Context& ctx) {
    return asio::prefer(ctx.executor(), asio::execution::outstanding_work.tracked);
  }

  template <class T>
  Async<T> through(Context& ctx, std::shared_ptr<TypedCall<T>> call) {
    CO_TRY_VOID(usable(ctx));
    const auto work = tracked(ctx);
    writer_->submit(call, now());
    co_return co_await call->promise.wait(ctx);
  }
  template <class T>
  Async<T> through(Context& ctx, typename TypedCall<T>::Work work) {
    return through<T>(ctx, std::make_shared<TypedCall<T>>(std::move(work)));
  }

  // On a thread and a connection of its own, which cannot write.
  template <class T>
  Async<T> read(Context& ctx, std::function<Result<T>(Connection&)> work) {
    CO_TRY_VOID(usable(ctx));
    const auto keep = tracked(ctx);
    std::function<Result<T>()> job = [this, work = std::move(work)]() -> Result<T> {
      TRY_VOID(open_reader());
      auto result = work(*reader_);
      if (reader_->ok()) return result;
      const Error error = reader_->error();
      reader_.reset();
      return error;
    };
    co_return co_await run_blocking<T>(ctx, readers_, std::move(job));
  }

  Result<void> open_reader() {
    if (reader_) return {};
    auto connection = std::make_unique<Connection>();
    TRY_VOID(connection->open(path_, Connection::Mode::existing, {}));
    connection->exec("PRAGMA query_only=1; PRAGMA wal_autocheckpoint=0");
    if (!connection->ok()) return connection->error();
    reader_ = std::move(connection);
    return {};
  }

  static Document document_at(const Statement& row, const std::string& kind) {
    return {.kind = kind,
            .id = row.text(0),
            .text = row.text(2),
            .version = static_cast<std::uint64_t>(row.number(1))};
  }

  static Result<Page> page(Connection& db, const Filter& filter, const std::string& cursor,
                           int limit) {
    TRY(const Cursor from, parse_cursor(cursor, filter));
    TRY_VOID(check_page(limit));
    std::string text = kSelectRecords + "WHERE " + condition(filter);
    const bool of_run = !filter.run_id.empty();
    if (!cursor.empty()) text += of_run ? " AND idx>=? AND (idx>? OR id>?)" : " AND id>?";
    text += of_run ? " ORDER BY idx,id" : " ORDER BY id";
    Statement sql(db, text);
    bind_filter(sql, filter);
    if (!cursor.empty() && of_run) sql.bind(from.index).bind(from.index);
    if (!cursor.empty()) sql.bind(from.id);
    Page page;
    while (sql.step()) {
      Record record = read_record(sql);
      const Status& status = record.status;
      if (!fits({&record.spec, status.state, status.cause, status.ended_ms}, filter)) continue;
      if (page.records.size() == static_cast<std::size_t>(limit)) {
        page.next_cursor = make_cursor(page.records.back().spec, filter);
        break;
      }
      page.records.push_back(std::move(record));
    }
    return page;
  }

  static void hand_back(SqliteWriter& writer, const Claimed& late, UnixMs now) {
    std::vector<Finish> finishes;
    for (const Claim& claim : late.claims)
      finishes.push_back(
          {.id = claim.spec.id, .token = claim.token, .verdict = Finish::Verdict::released});
    if (finishes.empty()) return;
    using Answer = std::vector<Finished>;
    auto work = [finishes = std::move(finishes), now](Core core) -> Result<Answer> {
      return finish_in(core, now, finishes);
    };
    writer.submit(std::make_shared<TypedCall<Answer>>(std::move(work)), now);
  }

  Clock& clock_;
  std::string path_;
  std::shared_ptr<SqliteWriter> writer_;
  asio::thread_pool readers_{1};
  std::unique_ptr<Connection> reader_;  // its thread's, until that is joined
  bool closed_ = false;
};

}  // namespace

Result<std::unique_ptr<Backend>> make_sqlite_backend(asio::any_io_executor executor, Clock& clock,
                                                     SqliteOptions options) {
  SqliteWriter::Options inner{.path = options.path,
                              .vfs = options.vfs,
                              .full = options.durability == SqliteOptions::Durability::full,
                              .tasks_max = options.tasks_max,
                              .checkpoint_pages = options.checkpoint_pages,
                              .now = to_unix_ms(clock.wall())};
  TRY(auto writer, SqliteWriter::open(std::move(executor), std::move(inner)));
  return std::unique_ptr<Backend>(
      std::make_unique<SqliteBackend>(clock, options.path, std::move(writer)));
}

}  // namespace troupe::tasks
