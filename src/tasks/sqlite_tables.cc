#include "tasks/sqlite_tables.h"

#include <algorithm>

#include "tasks/listing.h"
#include "tasks/sqlite_codec.h"

namespace troupe::tasks {
namespace {

// A job up to so many bytes is stored in the row, which is written anew with every change.
constexpr std::size_t kInlineJob = 2048;

// What both tables have.
#define TROUPE_TASK_COLUMNS "SELECT seq,spec,status,cancel_reason,progress,error"
enum Column { kSeq, kSpec, kStatus, kCancelReason, kProgress, kError, kResult, kLargeJob };
#define TROUPE_LARGE_JOB "(SELECT l.job FROM large_job l WHERE l.seq="

std::string status_of(const Entry& entry) {
  const PackedStatus packed{.status = {.state = entry.state,
                                       .cause = entry.cause,
                                       .attempt = entry.attempt,
                                       .losses = entry.losses,
                                       .token = entry.token,
                                       .lease_until_ms = entry.lease_until_ms,
                                       .cancel_requested = entry.cancel_requested,
                                       .created_ms = entry.created_ms,
                                       .due_ms = entry.due_ms,
                                       .started_ms = entry.started_ms,
                                       .ended_ms = entry.ended_ms},
                            .finished_token = entry.finished_token,
                            .finished_state = entry.finished_state,
                            .finished_cause = entry.finished_cause,
                            .grace_until_ms = entry.grace_until_ms,
                            .priority = entry.priority,
                            .run_at_ms = entry.run_at_ms,
                            .deadline_ms = entry.deadline_ms};
  return pack_status(packed, entry.worker ? *entry.worker : std::string_view());
}

struct Row {
  Spec spec;
  PackedStatus status;
};

// Without the texts, and without a large job.
Row read_row(Connection& connection, const Statement& row) {
  auto spec = unpack_spec(row.bytes(kSpec));
  auto status = unpack_status(row.bytes(kStatus));
  if (!spec || !status) {
    connection.note_damage("task " + std::to_string(row.number(kSeq)));
    return {};
  }
  spec->spec.priority = status->priority;
  spec->spec.run_at_ms = status->run_at_ms;
  spec->spec.deadline_ms = status->deadline_ms;
  return {std::move(spec->spec), std::move(*status)};
}

std::string numbers(const auto& values) {
  std::string text;
  for (const auto value : values)
    text += (text.empty() ? "" : ", ") + std::to_string(static_cast<int>(value));
  return text;
}

}  // namespace

const std::string kSelectOpen =
    TROUPE_TASK_COLUMNS ",NULL," TROUPE_LARGE_JOB "open_task.seq) FROM open_task ";
const std::string kSelectEnded =
    TROUPE_TASK_COLUMNS ",result," TROUPE_LARGE_JOB "ended_task.seq) FROM ended_task ";

Record read_record(Connection& connection, const Statement& row) {
  Row read = read_row(connection, row);
  Record record{std::move(read.spec), std::move(read.status.status)};
  if (!row.is_null(kLargeJob)) record.spec.job = row.text(kLargeJob);
  record.status.cancel_reason = row.text(kCancelReason);
  record.status.progress = row.text(kProgress);
  record.status.error = row.text(kError);
  record.status.result = row.text(kResult);
  return record;
}

std::string condition(const Filter& filter) {
  std::string sql = "1";
  if (!filter.run_id.empty()) sql += " AND run_id=?";
  if (!filter.tenant.empty()) sql += " AND tenant=?";
  if (!filter.queue.empty()) sql += " AND queue=?";
  if (!filter.states.empty()) sql += " AND state IN (" + numbers(filter.states) + ")";
  auto causes = filter.causes;
  std::ranges::sort(causes);  // as the index of dead letters has them
  if (!causes.empty()) sql += " AND cause IN (" + numbers(causes) + ")";
  if (filter.ended_before_ms) sql += " AND ended<?";
  return sql;
}

void bind_filter(Statement& statement, const Filter& filter) {
  for (const std::string* text : {&filter.run_id, &filter.tenant, &filter.queue})
    if (!text->empty()) statement.bind(*text);
  if (filter.ended_before_ms) statement.bind(*filter.ended_before_ms);
}

struct Tables::Statements {
  explicit Statements(Connection& db)
      : begin(db, "BEGIN IMMEDIATE"),
        commit(db, "COMMIT"),
        insert(db, "INSERT INTO open_task(seq,spec,status) VALUES(?,?,?)"),
        insert_large(db, "INSERT INTO large_job VALUES(?,?)"),
        update(db, "UPDATE open_task SET status=? WHERE seq=?"),
        update_texts(db,
                     "UPDATE open_task SET cancel_reason=coalesce(cancel_reason,?),"
                     "progress=coalesce(?,progress),error=coalesce(?,error) WHERE seq=?"),
        end(db,
            "INSERT INTO ended_task SELECT "
            "NULL,seq,?,?,?,?,?,?,?,?,?,spec,?,coalesce(cancel_reason,"
            "?),"
            "coalesce(?,progress),coalesce(?,error),? FROM open_task WHERE seq=?"),
        delete_open(db, "DELETE FROM open_task WHERE seq=?"),
        revive(db,
               "INSERT INTO open_task SELECT seq,spec,?,NULL,progress,error FROM ended_task "
               "WHERE id=?"),
        entry_by_id(db, kSelectEnded + "WHERE id=?"),
        entry_by_key(db, "SELECT id FROM ended_task WHERE tenant=? AND key=?"),
        open_by_seq(db, kSelectOpen + "WHERE seq=?"),
        claim(db, "SELECT spec,error FROM open_task WHERE seq=?"),
        large_job(db, "SELECT job FROM large_job WHERE seq=?"),
        add_journal(db,
                    "INSERT INTO journal(seq,place,key,entry) VALUES(?1,(SELECT "
                    "coalesce(max(place),0)+1 FROM journal WHERE seq=?1),?2,?3) "
                    "ON CONFLICT(seq,key) DO UPDATE SET entry=excluded.entry"),
        erase_journal(db, "DELETE FROM journal WHERE seq=? AND key=?"),
        add_document(db, "INSERT OR IGNORE INTO document VALUES(?,?,1,?)"),
        version(db, "SELECT version FROM document WHERE kind=? AND id=?"),
        put_document(db, "INSERT OR REPLACE INTO document VALUES(?,?,?,?)"),
        erase_document(db, "DELETE FROM document WHERE kind=? AND id=?"),
        pause(db, "INSERT OR IGNORE INTO paused VALUES(?)"),
        resume(db, "DELETE FROM paused WHERE queue=?"),
        set_limit(db, "INSERT OR REPLACE INTO gate_limit VALUES(?,?)"),
        unset_limit(db, "DELETE FROM gate_limit WHERE key=?"),
        delete_ended(db, "DELETE FROM ended_task WHERE id=?"),
        delete_large(db, "DELETE FROM large_job WHERE seq=?"),
        delete_journal(db, "DELETE FROM journal WHERE seq=?"),
        run_counts(db, "SELECT state,count(*) FROM ended_task WHERE run_id=? GROUP BY state"),
        counter(db, "UPDATE counter SET tasks=? WHERE state=?") {}

  Statement begin, commit, insert, insert_large, update, update_texts, end, delete_open, revive,
      entry_by_id, entry_by_key, open_by_seq, claim, large_job, add_journal, erase_journal,
      add_document, version, put_document, erase_document, pause, resume, set_limit, unset_limit,
      delete_ended, delete_large, delete_journal, run_counts, counter;
};

Tables::Tables(Connection& connection)
    : connection_(connection), sql_(std::make_unique<Statements>(connection)) {}
Tables::~Tables() = default;

void Tables::begin() {
  if (!connection_.in_transaction()) sql_->begin.run();
}

bool Tables::commit() {
  if (connection_.ok() && connection_.in_transaction()) {
    store_counters();
    sql_->commit.run();
  }
  if (connection_.ok()) return true;
  connection_.roll_back();
  return false;
}

void Tables::store_counters() {
  const StateCounts& counts = ledger_->counts();
  for (std::size_t state = 4; state < 7; ++state) {
    if (stored_ended_[state] == counts[state]) continue;
    sql_->counter.bind(counts[state]).bind(static_cast<std::int64_t>(state)).run();
    stored_ended_[state] = counts[state];
  }
}

std::unique_ptr<Ledger> Tables::load(std::int64_t tasks_max, Ledger* before, UnixMs now) {
  auto ledger = std::make_unique<Ledger>(
      LedgerOptions{.tasks_max = tasks_max, .keeps_ended = false, .tracks = true}, this);
  ledger_ = ledger.get();
  guests_.clear();
  newest_id_ = connection_.text("SELECT max(id) FROM ended_task").value_or("");
  Statement open(connection_, TROUPE_TASK_COLUMNS " FROM open_task ORDER BY seq");
  while (open.step())
    if (const Entry* entry = restore(open, false)) newest_id_ = std::max(newest_id_, entry->id);
  ledger->expire_leases(now);
  if (before) ledger->take_leases(*before);
  Statement paused(connection_, "SELECT queue FROM paused");
  while (paused.step()) ledger->pause(paused.text(0), true);
  Statement limits(connection_, "SELECT key,most FROM gate_limit");
  while (limits.step()) ledger->set_limit(limits.text(0), limits.number(1));
  Statement counters(connection_, "SELECT state,tasks FROM counter");
  stored_ended_ = {};
  while (counters.step())
    stored_ended_.at(static_cast<std::size_t>(counters.number(0))) = counters.number(1);
  ledger->set_ended(stored_ended_);
  const auto last = connection_.number(
      "SELECT max(coalesce((SELECT max(seq) FROM open_task),0),"
      "coalesce((SELECT max(seq) FROM ended_task),0))");
  ledger->set_last_seq(static_cast<std::uint64_t>(last.value_or(0)));
  touched_.clear();
  ledger->take_touched(touched_);
  return ledger;
}

// Null when the row is damaged.
Entry* Tables::restore(const Statement& row, bool guest) {
  Row read = read_row(connection_, row);
  if (!connection_.ok()) return nullptr;
  return &ledger_->restore(read.spec, read.status.status,
                           {.seq = static_cast<std::uint64_t>(row.number(kSeq)),
                            .finished_token = read.status.finished_token,
                            .finished_state = read.status.finished_state,
                            .finished_cause = read.status.finished_cause,
                            .grace_until_ms = read.status.grace_until_ms,
                            .guest = guest});
}

Entry* Tables::page_in(std::string_view id) {
  // Ids grow with time: a new one is seldom looked for in vain.
  if (id > newest_id_) return nullptr;
  Statement& sql = sql_->entry_by_id.bind(id);
  Entry* entry = sql.step() ? restore(sql, true) : nullptr;
  if (entry) guests_.push_back(entry->id);
  sql.reset();
  return entry;
}

Entry* Tables::page_in_by_key(std::string_view tenant, std::string_view key) {
  Statement& statement = sql_->entry_by_key.bind(tenant).bind(key);
  const std::string id = statement.step() ? statement.text(0) : std::string();
  statement.reset();
  return id.empty() ? nullptr : ledger_->find(id);  // it may be here as a guest already
}

std::string Tables::job(const Entry& entry) { return record(entry).spec.job; }

void Tables::insert(Entry& entry, const Spec& spec) {
  begin();
  newest_id_ = std::max(newest_id_, spec.id);
  const bool large = spec.job.size() > kInlineJob;
  std::span<const std::string> depends;
  if (entry.ties) depends = entry.ties->depends_on;
  const std::string packed = pack_spec(spec, depends, large);
  const std::string status = status_of(entry);
  const auto seq = static_cast<std::int64_t>(entry.seq);
  sql_->insert.bind(seq).bind_bytes(packed).bind_bytes(status).run();
  if (large) sql_->insert_large.bind(seq).bind(spec.job).run();
}

void Tables::update(Entry& entry) {
  const auto seq = static_cast<std::int64_t>(entry.seq);
  const std::string status = status_of(entry);
  if (std::exchange(entry.revived, false)) {
    sql_->revive.bind_bytes(status).bind(entry.id).run();
    sql_->delete_ended.bind(entry.id).run();
  } else {
    sql_->update.bind_bytes(status).bind(seq).run();
  }
  if (!entry.body) return;
  const Body& texts = *entry.body;
  Statement& sql = sql_->update_texts;
  sql.bind_some(texts.cancel_reason).bind_some(texts.progress).bind_some(texts.error);
  sql.bind(seq).run();
}

// From the one table to the other.
void Tables::end(Entry& entry) {
  static const Body none;
  const Body& texts = entry.body ? *entry.body : none;
  const std::string status = status_of(entry);
  const auto seq = static_cast<std::int64_t>(entry.seq);
  Statement& sql = sql_->end;
  sql.bind(entry.id).bind(entry.run->id).bind(entry.index);
  sql.bind(entry.lane->tenant->name).bind(entry.lane->queue->name);
  sql.bind_some(entry.ties ? entry.ties->idempotency_key : std::string_view());
  sql.bind(static_cast<int>(entry.state)).bind(static_cast<int>(entry.cause));
  sql.bind(entry.ended_ms).bind_bytes(status);
  sql.bind_some(texts.cancel_reason).bind_some(texts.progress).bind_some(texts.error);
  sql.bind_some(texts.result).bind(seq).run();
  sql_->delete_open.bind(seq).run();
}

void Tables::flush() {
  touched_.clear();
  ledger_->take_touched(touched_);
  for (Entry* entry : touched_) {
    begin();
    const bool ended = is_final(entry->state);
    const bool fresh = std::exchange(entry->fresh, false);
    if (ended)
      end(*entry);
    else if (!fresh)
      update(*entry);
    entry->body.reset();
    if (ended) ledger_->evict(*entry);
  }
  if (guests_.empty()) return;
  for (const std::string& id : std::exchange(guests_, {}))
    if (Entry* guest = ledger_->held(id); guest && guest->guest) ledger_->evict(*guest);
}

Record Tables::record(const Entry& entry) {
  Record record;
  const bool ended = is_final(entry.state);
  Statement& sql = ended ? sql_->entry_by_id.bind(entry.id)
                         : sql_->open_by_seq.bind(static_cast<std::int64_t>(entry.seq));
  if (sql.step()) record = read_record(connection_, sql);
  sql.reset();
  // Beats that bring no news are not written.
  if (!ended) record.status.lease_until_ms = entry.lease_until_ms;
  return record;
}

void Tables::read_claim(const Entry& entry, Claim& claim) {
  const auto seq = static_cast<std::int64_t>(entry.seq);
  Statement& sql = sql_->claim.bind(seq);
  auto packed = sql.step() ? unpack_spec(sql.bytes(0)) : std::nullopt;
  if (!packed) {
    connection_.note_damage("task " + entry.id);
    return sql.reset();
  }
  claim.spec = std::move(packed->spec);
  claim.last_error = sql.text(1);
  sql.reset();
  if (packed->large) {
    if (sql_->large_job.bind(seq).step()) claim.spec.job = sql_->large_job.text(0);
    sql_->large_job.reset();
  }
  claim.spec.priority = entry.priority;
  claim.spec.run_at_ms = entry.run_at_ms;
  claim.spec.deadline_ms = entry.deadline_ms;
}

std::optional<Record> Tables::record(std::string_view id) {
  if (const Entry* entry = ledger_->held(id)) return record(*entry);
  Statement& sql = sql_->entry_by_id.bind(id);
  std::optional<Record> record;
  if (sql.step()) record = read_record(connection_, sql);
  sql.reset();
  return record;
}

std::int64_t Tables::seq_of(std::string_view id) {
  if (const Entry* entry = ledger_->held(id)) return static_cast<std::int64_t>(entry->seq);
  Statement& sql = sql_->entry_by_id.bind(id);
  const std::int64_t seq = sql.step() ? sql.number(kSeq) : 0;
  sql.reset();
  return seq;
}

void Tables::add_journal(const Entry& entry, const std::string& key, const std::string& text) {
  begin();
  const auto seq = static_cast<std::int64_t>(entry.seq);
  if (text.empty())
    sql_->erase_journal.bind(seq).bind(key).run();
  else
    sql_->add_journal.bind(seq).bind(key).bind(text).run();
}

void Tables::add_document(const Document& document) {
  begin();
  sql_->add_document.bind(document.kind).bind(document.id).bind(document.text).run();
}

std::uint64_t Tables::version(const Document& document) {
  Statement& sql = sql_->version.bind(document.kind).bind(document.id);
  const std::int64_t version = sql.step() ? sql.number(0) : 0;
  sql.reset();
  return static_cast<std::uint64_t>(version);
}

void Tables::put_document(const Document& document) {
  begin();
  sql_->put_document.bind(document.kind).bind(document.id);
  sql_->put_document.bind(static_cast<std::int64_t>(document.version)).bind(document.text).run();
}

void Tables::erase_document(const std::string& kind, const std::string& id) {
  begin();
  sql_->erase_document.bind(kind).bind(id).run();
}

void Tables::pause(const std::string& queue, bool paused) {
  begin();
  (paused ? sql_->pause : sql_->resume).bind(queue).run();
}

void Tables::set_limit(const std::string& key, std::optional<std::int64_t> limit) {
  begin();
  if (limit)
    sql_->set_limit.bind(key).bind(*limit).run();
  else
    sql_->unset_limit.bind(key).run();
}

std::int64_t Tables::purge(const Filter& filter, int max) {
  // They lie in the order of their ends: behind the first that is too young there are no others.
  Filter of_any_age = filter;
  of_any_age.ended_before_ms.reset();
  Statement ended(connection_, kSelectEnded + "WHERE " + condition(of_any_age) + " ORDER BY place");
  bind_filter(ended, of_any_age);
  struct Chosen {
    std::int64_t seq;
    State state;
    std::string id, run_id;
  };
  std::vector<Chosen> chosen;
  while (chosen.size() < static_cast<std::size_t>(std::max(max, 0)) && ended.step()) {
    const Record record = read_record(connection_, ended);
    const Status& status = record.status;
    if (filter.ended_before_ms && status.ended_ms >= *filter.ended_before_ms) break;
    if (fits({&record.spec, status.state, status.cause, status.ended_ms}, filter))
      chosen.push_back({ended.number(kSeq), status.state, record.spec.id, record.spec.run_id});
  }
  ended.reset();
  for (const Chosen& row : chosen) {
    begin();
    sql_->delete_ended.bind(row.id).run();
    for (Statement* sql : {&sql_->delete_large, &sql_->delete_journal}) sql->bind(row.seq).run();
    ledger_->forget_ended(row.state, row.run_id);
  }
  return static_cast<std::int64_t>(chosen.size());
}

Counts Tables::run_counts(const std::string& run_id) {
  RunEntry* run = ledger_->find_run(run_id);
  if (run && run->ended_known) return to_counts(run->counts);
  StateCounts counts{};
  if (run) counts = run->counts;
  for (const State state : {State::succeeded, State::failed, State::cancelled})
    counts[static_cast<std::size_t>(state)] = 0;
  Statement& sql = sql_->run_counts.bind(run_id);
  while (sql.step()) counts.at(static_cast<std::size_t>(sql.number(0))) = sql.number(1);
  sql.reset();
  if (run) {
    run->counts = counts;
    run->ended_known = true;
  }
  return to_counts(counts);
}

}  // namespace troupe::tasks
