#include <algorithm>
#include <map>

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

/// An enqueue from the engine thread to the writer and back. What can be done before and after,
/// and every text of it, stays with the engine thread.
class EnqueueCall final : public WriterCall {
 public:
  EnqueueCall(Submission submission, UnixMs now) : submission_(std::move(submission)), now_(now) {
    adds = true;
    others_.reserve(submission_.tasks.size());
  }

  void run(Core core) override {
    others_.clear();
    error_.reset();
    auto added = core.ledger.enqueue(now_, submission_.tasks);
    if (!added) return fail(added.error());
    bool any_new = submission_.tasks.empty();
    for (std::size_t i = 0; i < added->size(); ++i) {
      const auto& [entry, existing] = (*added)[i];
      if (existing) {
        others_.push_back({i, entry->id, entry->run->id});
      } else {
        any_new = true;
        core.tables.insert(*entry, submission_.tasks[i]);
      }
    }
    if (any_new)
      for (const Document& document : submission_.documents) core.tables.add_document(document);
  }
  void fail(const Error& error) override { error_ = error; }
  void complete() override {
    if (error_) {
      promise.set(std::move(*error_));
      return;
    }
    std::vector<Accepted> accepted(submission_.tasks.size());
    for (std::size_t i = 0; i < accepted.size(); ++i) {
      accepted[i].id = std::move(submission_.tasks[i].id);
      accepted[i].run_id = std::move(submission_.tasks[i].run_id);
    }
    for (Other& other : others_)
      accepted[other.place] = {std::move(other.id), std::move(other.run_id), true};
    promise.set(std::move(accepted));
  }

  Promise<std::vector<Accepted>> promise;

 private:
  struct Other {  // what is there already
    std::size_t place;
    std::string id, run_id;
  };
  Submission submission_;
  UnixMs now_;
  std::vector<Other> others_;
  std::optional<Error> error_;
};

// The first part of a page: what is open, as of one moment.
struct OpenPart {
  struct Place {
    int index;
    std::string id;
    std::int64_t seq;
  };
  std::vector<Place> places;
  std::optional<Cursor> last;  ///< Where it stopped, when there may be more.
  std::uint64_t replays = 0;
};

constexpr int kListsAgain = 5;               // while others replay tasks
constexpr std::size_t kLookBudget = 20'000;  // open tasks looked at while nothing else is written

OpenPart look(Core core, const Filter& filter, const Cursor& from, int limit) {
  const auto most = static_cast<std::size_t>(limit) + 1;
  const auto found = core.ledger.look(filter, from.index, from.id, most, kLookBudget);
  OpenPart part{.replays = core.ledger.replays()};
  for (const Entry* entry : found.found)
    part.places.push_back({entry->index, entry->id, static_cast<std::int64_t>(entry->seq)});
  if (found.last) part.last = Cursor{found.last->index, found.last->id};
  return part;
}

Claimed claims_of(Core core, const std::vector<Entry*>& entries) {
  Claimed claimed;
  claimed.claims.reserve(entries.size());
  for (const Entry* entry : entries) {
    Claim& claim = claimed.claims.emplace_back();
    core.tables.read_claim(*entry, claim);
    claim.attempt = entry->attempt;
    claim.losses = entry->losses;
    claim.token = entry->token;
    claim.lease_until_ms = entry->lease_until_ms;
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
    auto call = std::make_shared<EnqueueCall>(std::move(submission), now());
    return through<std::vector<Accepted>>(ctx, std::move(call));
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

  // The open ones by the ledger, the ended ones and all texts by the file. A task that ends in
  // between is found by its row; one that is replayed would be missed, so then all is done again.
  Async<Page> list(Context& ctx, Filter filter, std::string cursor, int limit) override {
    CO_TRY(Cursor from, parse_cursor(cursor, filter));
    CO_TRY_VOID(check_page(limit));
    const auto shared = std::make_shared<const Filter>(std::move(filter));
    Page page;
    for (int again = 0;;) {
      auto looking = [shared, from, limit](Core core) -> Result<OpenPart> {
        return look(core, *shared, from, limit);
      };
      auto look_call = std::make_shared<TypedCall<OpenPart>>(std::move(looking));
      look_call->durable = false;
      CO_TRY(OpenPart open, co_await through<OpenPart>(ctx, std::move(look_call)));
      const auto last = open.last;
      const std::uint64_t replays = open.replays;
      const int wanted = limit - static_cast<int>(page.records.size());
      std::function<Result<std::vector<Record>>(Connection&)> reading =
          [shared, from, open = std::move(open), wanted](Connection& db) {
            return read_part(db, *shared, from, open, wanted);
          };
      CO_TRY(auto records, co_await read<std::vector<Record>>(ctx, std::move(reading)));
      if (writer_->replays() != replays && ++again < kListsAgain) continue;
      const bool full = records.size() > static_cast<std::size_t>(wanted);
      if (full) records.resize(static_cast<std::size_t>(wanted));
      std::ranges::move(records, std::back_inserter(page.records));
      if (full) page.next_cursor = make_cursor(page.records.back().spec, *shared);
      if (full || !last) co_return page;
      from = *last;
    }
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
    auto find = [id = std::move(id)](Core core) -> Result<std::int64_t> {
      return core.tables.seq_of(id);
    };
    CO_TRY(const std::int64_t seq, co_await through<std::int64_t>(ctx, std::move(find)));
    std::function<Result<Journal>(Connection&)> reading = [seq](Connection& db) -> Result<Journal> {
      Statement sql(db, "SELECT key,entry FROM journal WHERE seq=? ORDER BY place");
      sql.bind(seq);
      Journal entries;
      while (sql.step()) entries.emplace_back(sql.text(0), sql.text(1));
      return entries;
    };
    co_return co_await read<Journal>(ctx, std::move(reading));
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

  template <class T, class Call>
  Async<T> through(Context& ctx, std::shared_ptr<Call> call) {
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

  using Key = std::pair<int, std::string>;
  static Key key_of(const Filter& filter, int index, const std::string& id) {
    return {filter.run_id.empty() ? 0 : index, id};
  }

  // One more than wanted when there are more, and nothing beyond where the open ones stopped.
  static Result<std::vector<Record>> read_part(Connection& db, const Filter& filter,
                                               const Cursor& from, const OpenPart& open,
                                               int wanted) {
    std::map<Key, Record> found;
    const auto take = [&](const Statement& row) {
      Record record = read_record(db, row);
      const Status& status = record.status;
      if (!fits({&record.spec, status.state, status.cause, status.ended_ms}, filter)) return;
      Key key = key_of(filter, record.spec.index, record.spec.id);
      found.insert_or_assign(std::move(key), std::move(record));
    };
    db.exec("BEGIN");  // one moment for all
    Statement open_row(db, kSelectOpen + "WHERE seq=?");
    Statement ended_row(db, kSelectEnded + "WHERE id=?");
    for (const OpenPart::Place& place : open.places) {
      Statement* row = &open_row;
      if (!row->bind(place.seq).step()) (row = &ended_row)->bind(place.id).step();
      if (!row->is_null(0)) take(*row);
      open_row.reset();
      ended_row.reset();
    }
    add_ended(db, filter, from, wanted, found, take);
    db.exec("COMMIT");
    std::vector<Record> records;
    for (auto& [key, record] : found) {
      if (open.last && key > key_of(filter, open.last->index, open.last->id)) break;
      if (records.size() > static_cast<std::size_t>(wanted)) break;
      records.push_back(std::move(record));
    }
    return records;
  }

  // Ended ones in order, until there are enough of them.
  static void add_ended(Connection& db, const Filter& filter, const Cursor& from, int wanted,
                        const std::map<Key, Record>& found, const auto& take) {
    const auto& states = filter.states;
    if (!states.empty() && std::ranges::none_of(states, is_final)) return;
    std::string text = kSelectEnded + "WHERE " + condition(filter);
    const bool of_run = !filter.run_id.empty();
    if (!from.id.empty()) text += of_run ? " AND idx>=? AND (idx>? OR id>?)" : " AND id>?";
    text += of_run ? " ORDER BY idx,id" : " ORDER BY id";
    Statement sql(db, text);
    bind_filter(sql, filter);
    if (!from.id.empty() && of_run) sql.bind(from.index).bind(from.index);
    if (!from.id.empty()) sql.bind(from.id);
    const std::size_t most = found.size() + static_cast<std::size_t>(wanted) + 1;
    while (found.size() < most && sql.step()) take(sql);
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
