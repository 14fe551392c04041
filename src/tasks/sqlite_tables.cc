#include "tasks/sqlite_tables.h"

#include <algorithm>

#include "tasks/listing.h"

namespace troupe::tasks {
namespace {

// A job up to so many bytes is stored in the row, which is written anew with every change.
constexpr std::size_t kInlineJob = 2048;

#define TROUPE_TASK_COLUMNS                                                                    \
  "SELECT seq,id,run_id,idx,tenant,queue,priority,run_at,deadline,queue_timeout,attempts_max," \
  "base,cap,losses_max,key,extras,state,cause,attempt,losses,token,worker,lease,cancelling,"   \
  "created,due,started,ended,finished_token,finished,grace"

constexpr const char* kSelectEntries = TROUPE_TASK_COLUMNS " FROM task ";

enum Column {
  kSeq,
  kId,
  kRun,
  kIndex,
  kTenant,
  kQueue,
  kPriority,
  kRunAt,
  kDeadline,
  kQueueTimeout,
  kAttemptsMax,
  kBase,
  kCap,
  kLossesMax,
  kKey,
  kExtras,
  kState,
  kCause,
  kAttempt,
  kLosses,
  kToken,
  kWorker,
  kLease,
  kCancelling,
  kCreated,
  kDue,
  kStarted,
  kEnded,
  kFinishedToken,
  kFinished,
  kGrace,
  kCancelReason,
  kProgress,
  kResult,
  kError,
  kJob
};

std::string extras(const Entry& entry, const Spec& spec) {
  const bool depends = entry.ties && !entry.ties->depends_on.empty();
  if (spec.gates.empty() && !depends && spec.labels.empty()) return {};
  json::object object;
  if (!spec.gates.empty()) {
    json::array& gates = object["gates"].emplace_array();
    for (const Gate& gate : spec.gates) gates.push_back({gate.key, gate.limit});
  }
  if (depends) {
    const auto& ids = entry.ties->depends_on;
    object["depends_on"] = json::array(ids.begin(), ids.end());
    object["depends_rule"] = static_cast<int>(spec.depends_rule);
  }
  if (!spec.labels.empty()) object["labels"] = spec.labels;
  return json::serialize(object);
}

void read_extras(const std::string& text, Spec& spec) {
  if (text.empty()) return;
  const auto parsed = parse_json(text, "extras");
  if (!parsed || !parsed->is_object()) return;
  const json::object& object = parsed->get_object();
  if (const auto* gates = object.if_contains("gates"))
    for (const json::value& gate : gates->get_array())
      spec.gates.push_back(
          {std::string(gate.get_array()[0].get_string()), gate.get_array()[1].get_int64()});
  if (const auto* depends = object.if_contains("depends_on")) {
    for (const json::value& id : depends->get_array())
      spec.depends_on.emplace_back(id.get_string());
    spec.depends_rule = static_cast<DependsRule>(object.at("depends_rule").get_int64());
  }
  if (const auto* labels = object.if_contains("labels")) spec.labels = labels->get_object();
}

Spec read_spec(const Statement& row) {
  const auto integer = [&](Column column) { return static_cast<int>(row.number(column)); };
  Spec spec;
  spec.id = row.text(kId);
  spec.run_id = row.text(kRun);
  spec.index = integer(kIndex);
  spec.tenant = row.text(kTenant);
  spec.queue = row.text(kQueue);
  spec.priority = integer(kPriority);
  spec.run_at_ms = row.number(kRunAt);
  spec.deadline_ms = row.number(kDeadline);
  spec.queue_timeout_ms = row.number(kQueueTimeout);
  spec.retry = {.attempts_max = integer(kAttemptsMax),
                .base_ms = row.number(kBase),
                .cap_ms = row.number(kCap),
                .losses_max = integer(kLossesMax)};
  spec.idempotency_key = row.text(kKey);
  read_extras(row.text(kExtras), spec);
  return spec;
}

Status read_status(const Statement& row) {
  Status status;
  status.state = static_cast<State>(row.number(kState));
  status.cause = static_cast<Cause>(row.number(kCause));
  status.attempt = static_cast<int>(row.number(kAttempt));
  status.losses = static_cast<int>(row.number(kLosses));
  status.token = static_cast<std::uint64_t>(row.number(kToken));
  status.worker = row.text(kWorker);
  status.lease_until_ms = row.number(kLease);
  status.cancel_requested = row.number(kCancelling) != 0;
  status.created_ms = row.number(kCreated);
  status.due_ms = row.number(kDue);
  status.started_ms = row.number(kStarted);
  status.ended_ms = row.number(kEnded);
  return status;
}

std::string numbers(const auto& values) {
  std::string text;
  for (const auto value : values)
    text += (text.empty() ? "" : ", ") + std::to_string(static_cast<int>(value));
  return text;
}

}  // namespace

const std::string kSelectRecords = TROUPE_TASK_COLUMNS
    ",cancel_reason,progress,result,error,"
    "coalesce(job,(SELECT l.job FROM large_job l WHERE l.seq=task.seq)) FROM task ";

Record read_record(const Statement& row) {
  Record record{read_spec(row), read_status(row)};
  record.spec.job = row.text(kJob);
  record.status.cancel_reason = row.text(kCancelReason);
  record.status.progress = row.text(kProgress);
  record.status.result = row.text(kResult);
  record.status.error = row.text(kError);
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
  if (filter.ended_before_ms) sql += " AND ended>0 AND ended<?";
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
        insert(db,
               "INSERT INTO task(seq,id,run_id,idx,tenant,queue,priority,run_at,deadline,"
               "queue_timeout,attempts_max,base,cap,losses_max,key,extras,job,state,cause,created,"
               "due,attempt,losses,token,finished_token,finished,lease,cancelling,grace,started,"
               "ended) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0,0,0,0,0,0,0,0,0,0)"),
        insert_large(db, "INSERT INTO large_job VALUES(?,?)"),
        // Leaves `ended` alone, and with it the index of that column.
        update(db,
               "UPDATE task SET state=?,cause=?,attempt=?,losses=?,token=?,finished_token=?,"
               "finished=?,worker=?,lease=?,cancelling=?,grace=?,due=?,started=?,priority=?,"
               "run_at=?,cancel_reason=coalesce(cancel_reason,?),progress=coalesce(?,progress),"
               "error=coalesce(?,error) WHERE seq=?"),
        revive(db, "UPDATE task SET ended=0,result=NULL,cancel_reason=NULL,deadline=? WHERE seq=?"),
        finish(db,
               "UPDATE task SET state=?,cause=?,attempt=?,losses=?,token=?,finished_token=?,"
               "finished=?,worker=?,lease=?,cancelling=?,grace=?,due=?,started=?,priority=?,"
               "run_at=?,cancel_reason=coalesce(cancel_reason,?),progress=coalesce(?,progress),"
               "error=coalesce(?,error),ended=?,result=? WHERE seq=?"),
        entry_by_id(db, std::string(kSelectEntries) + "WHERE id=?"),
        entry_by_key(db, std::string(kSelectEntries) + "WHERE tenant=? AND key=?"),
        record_by_seq(db, kSelectRecords + "WHERE seq=?"),
        record_by_id(db, kSelectRecords + "WHERE id=?"),
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
        delete_task(db, "DELETE FROM task WHERE seq=?"),
        delete_large(db, "DELETE FROM large_job WHERE seq=?"),
        delete_journal(db, "DELETE FROM journal WHERE seq=?"),
        run_counts(db, "SELECT state,count(*) FROM task WHERE run_id=? GROUP BY state"),
        counter(db, "UPDATE counter SET tasks=? WHERE state=?") {}

  Statement begin, commit, insert, insert_large, update, revive, finish, entry_by_id, entry_by_key,
      record_by_seq, record_by_id, add_journal, erase_journal, add_document, version, put_document,
      erase_document, pause, resume, set_limit, unset_limit, delete_task, delete_large,
      delete_journal, run_counts, counter;
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
  Statement open(connection_, std::string(kSelectEntries) + "WHERE ended=0 ORDER BY seq");
  while (open.step()) restore(open, false);
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
  newest_id_ = connection_.text("SELECT max(id) FROM task").value_or("");
  const auto last = connection_.number("SELECT max(seq) FROM task");
  ledger->set_last_seq(static_cast<std::uint64_t>(last.value_or(0)));
  ledger->take_touched();
  return ledger;
}

Entry& Tables::restore(const Statement& row, bool guest) {
  const std::int64_t finished = row.number(kFinished);
  return ledger_->restore(read_spec(row), read_status(row),
                          {.seq = static_cast<std::uint64_t>(row.number(kSeq)),
                           .finished_token = static_cast<std::uint64_t>(row.number(kFinishedToken)),
                           .finished_state = static_cast<State>(finished / 16),
                           .finished_cause = static_cast<Cause>(finished % 16),
                           .grace_until_ms = row.number(kGrace),
                           .guest = guest});
}

Entry* Tables::take_guest(Statement& statement) {
  Entry* entry = nullptr;
  if (statement.step()) {
    entry = &restore(statement, true);
    guests_.push_back(entry->id);
  }
  statement.reset();
  return entry;
}

Entry* Tables::page_in(std::string_view id) {
  // Ids grow with time: a new one is seldom looked for in vain.
  if (id > newest_id_) return nullptr;
  return take_guest(sql_->entry_by_id.bind(id));
}

Entry* Tables::page_in_by_key(std::string_view tenant, std::string_view key) {
  Statement& statement = sql_->entry_by_key.bind(tenant).bind(key);
  if (!statement.step()) {
    statement.reset();
    return nullptr;
  }
  const std::string id = statement.text(kId);
  statement.reset();
  return ledger_->find(id);  // it may be here as a guest already
}

std::string Tables::job(const Entry& entry) { return record(entry).spec.job; }

void Tables::insert(Entry& entry, const Spec& spec) {
  begin();
  newest_id_ = std::max(newest_id_, spec.id);
  const bool large = spec.job.size() > kInlineJob;
  const std::string more = extras(entry, spec);
  Statement& sql = sql_->insert;
  sql.bind(static_cast<std::int64_t>(entry.seq)).bind(spec.id).bind(spec.run_id).bind(spec.index);
  sql.bind(spec.tenant).bind(spec.queue).bind(spec.priority).bind(spec.run_at_ms);
  sql.bind(spec.deadline_ms).bind(spec.queue_timeout_ms).bind(spec.retry.attempts_max);
  sql.bind(spec.retry.base_ms).bind(spec.retry.cap_ms).bind(spec.retry.losses_max);
  sql.bind_some(spec.idempotency_key).bind_some(more);
  large ? sql.bind_null() : sql.bind(spec.job);
  sql.bind(static_cast<int>(entry.state)).bind(static_cast<int>(entry.cause));
  sql.bind(entry.created_ms).bind(entry.due_ms).run();
  if (large) sql_->insert_large.bind(static_cast<std::int64_t>(entry.seq)).bind(spec.job).run();
}

void Tables::update(Entry& entry) {
  const bool ended = is_final(entry.state);
  Statement& sql = ended ? sql_->finish : sql_->update;
  sql.bind(static_cast<int>(entry.state)).bind(static_cast<int>(entry.cause));
  sql.bind(entry.attempt).bind(entry.losses).bind(static_cast<std::int64_t>(entry.token));
  sql.bind(static_cast<std::int64_t>(entry.finished_token));
  sql.bind(static_cast<int>(entry.finished_state) * 16 + static_cast<int>(entry.finished_cause));
  sql.bind_some(entry.worker ? *entry.worker : std::string_view());
  sql.bind(entry.lease_until_ms).bind(entry.cancel_requested).bind(entry.grace_until_ms);
  sql.bind(entry.due_ms).bind(entry.started_ms).bind(entry.priority).bind(entry.run_at_ms);
  const Body* texts = entry.body.get();
  const auto text = [&](std::string Body::* which) {
    return texts ? std::string_view(texts->*which) : std::string_view();
  };
  sql.bind_some(text(&Body::cancel_reason)).bind_some(text(&Body::progress));
  sql.bind_some(text(&Body::error));
  if (ended) sql.bind(entry.ended_ms).bind_some(text(&Body::result));
  const auto seq = static_cast<std::int64_t>(entry.seq);
  sql.bind(seq).run();
  if (std::exchange(entry.revived, false)) sql_->revive.bind(entry.deadline_ms).bind(seq).run();
}

void Tables::flush() {
  for (Entry* entry : ledger_->take_touched()) {
    begin();
    if (!std::exchange(entry->fresh, false)) update(*entry);
    entry->body.reset();
    if (is_final(entry->state)) ledger_->evict(*entry);
  }
  for (const std::string& id : std::exchange(guests_, {}))
    if (Entry* guest = ledger_->held(id); guest && guest->guest) ledger_->evict(*guest);
}

Record Tables::record(const Entry& entry) {
  Statement& sql = sql_->record_by_seq.bind(static_cast<std::int64_t>(entry.seq));
  Record record;
  if (sql.step()) record = read_record(sql);
  sql.reset();
  return record;
}

std::optional<Record> Tables::record(std::string_view id) {
  Statement& sql = sql_->record_by_id.bind(id);
  std::optional<Record> record;
  if (sql.step()) record = read_record(sql);
  sql.reset();
  // Beats that bring no news are not written.
  if (const Entry* entry = ledger_->held(id); entry && record)
    record->status.lease_until_ms = entry->lease_until_ms;
  return record;
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
  Statement ended(connection_,
                  kSelectRecords + "WHERE ended>0 AND " + condition(filter) + " ORDER BY ended");
  bind_filter(ended, filter);
  struct Row {
    std::int64_t seq;
    State state;
    std::string run_id;
  };
  std::vector<Row> chosen;
  while (chosen.size() < static_cast<std::size_t>(std::max(max, 0)) && ended.step()) {
    const Record record = read_record(ended);
    const Status& status = record.status;
    if (fits({&record.spec, status.state, status.cause, status.ended_ms}, filter))
      chosen.push_back({ended.number(kSeq), status.state, record.spec.run_id});
  }
  ended.reset();
  for (const Row& row : chosen) {
    begin();
    for (Statement* sql : {&sql_->delete_task, &sql_->delete_large, &sql_->delete_journal})
      sql->bind(row.seq).run();
    ledger_->forget_ended(row.state, row.run_id);
  }
  return static_cast<std::int64_t>(chosen.size());
}

Counts Tables::run_counts(const std::string& run_id) {
  RunEntry* run = ledger_->find_run(run_id);
  if (run && run->ended_known) return to_counts(run->counts);
  StateCounts counts{};
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
