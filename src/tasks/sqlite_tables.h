// Tables: what the ledger decides, written to the database, and read back. Everything happens in
// the transaction that the first write opens. Threads: one (the writer's).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tasks/ledger.h"
#include "tasks/sqlite_file.h"

namespace troupe::tasks {

/// `SELECT` of whole records, up to WHERE: of open and of ended tasks.
extern const std::string kSelectOpen, kSelectEnded;
/// The row at which such a statement stands. What cannot be read is noted as damage.
Record read_record(Connection& connection, const Statement& row);
/// As much of a filter as SQL can say, as a condition; labels are left to fits().
std::string condition(const Filter& filter);
/// Binds the texts and numbers that condition() left open.
void bind_filter(Statement& statement, const Filter& filter);

class Tables final : public Pager {
 public:
  explicit Tables(Connection& connection);
  ~Tables() override;

  /// A ledger of what is open. A lease that `before` knows goes on; others end `now`.
  std::unique_ptr<Ledger> load(std::int64_t tasks_max, Ledger* before, UnixMs now);

  /// Stores what the ledger touched; ended tasks leave it.
  void flush();
  /// Ends the transaction, if one is open. False: rolled back.
  bool commit();

  void insert(Entry& entry, const Spec& spec);
  Record record(const Entry& entry);
  /// Of an open task, what its worker needs: its spec and the last error.
  void read_claim(const Entry& entry, Claim& claim);
  std::optional<Record> record(std::string_view id);
  /// Under which its journal is kept; 0: there is none.
  std::int64_t seq_of(std::string_view id);
  void add_journal(const Entry& entry, const std::string& key, const std::string& text);
  void add_document(const Document& document);
  /// 0: not stored.
  std::uint64_t version(const Document& document);
  void put_document(const Document& document);
  void erase_document(const std::string& kind, const std::string& id);
  void pause(const std::string& queue, bool paused);
  void set_limit(const std::string& key, std::optional<std::int64_t> limit);
  std::int64_t purge(const Filter& filter, int max);
  Counts run_counts(const std::string& run_id);

  Entry* page_in(std::string_view id) override;
  Entry* page_in_by_key(std::string_view tenant, std::string_view key) override;
  std::string job(const Entry& entry) override;

 private:
  struct Statements;
  void begin();
  void update(Entry& entry);
  void end(Entry& entry);
  Entry* restore(const Statement& row, bool guest);
  void store_counters();

  Connection& connection_;
  std::unique_ptr<Statements> sql_;
  Ledger* ledger_ = nullptr;
  std::vector<std::string> guests_;
  std::vector<Entry*> touched_;  // of the last flush: its room is used again
  StateCounts stored_ended_{};
  std::string newest_id_;
};

}  // namespace troupe::tasks
