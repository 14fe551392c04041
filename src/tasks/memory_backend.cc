#include <algorithm>

#include "tasks/ledger.h"
#include "tasks/listing.h"

namespace troupe::tasks {
namespace {

class MemoryBackend final : public Backend {
 public:
  MemoryBackend(Clock& clock, MemoryBackendOptions options)
      : clock_(clock), ledger_({.tasks_max = options.tasks_max}) {}

  std::string_view name() const override { return "memory"; }

  Async<std::vector<Accepted>> enqueue(Context& ctx, Submission submission) override {
    CO_TRY_VOID(usable(ctx));
    CO_TRY(const auto added, ledger_.enqueue(now(), submission.tasks));
    std::vector<Accepted> accepted;
    accepted.reserve(added.size());
    bool any_new = submission.tasks.empty();
    for (std::size_t i = 0; i < added.size(); ++i) {
      const auto& [entry, existing] = added[i];
      accepted.push_back({entry->id, entry->run->id, existing});
      if (existing) continue;
      any_new = true;
      entry->body = std::make_unique<Body>();
      entry->body->spec = std::move(submission.tasks[i]);
      if (entry->ties) entry->body->spec.depends_on = entry->ties->depends_on;
    }
    if (any_new)
      for (Document& document : submission.documents) {
        document.version = 1;
        auto& kind = documents_[document.kind];
        std::string id = document.id;
        kind.try_emplace(std::move(id), std::move(document));
      }
    tell();
    co_return accepted;
  }

  Async<Claimed> claim(Context& ctx, ClaimRequest request) override {
    CO_TRY_VOID(usable(ctx));
    CO_TRY(const auto entries, ledger_.claim(now(), request));
    Claimed claimed;
    claimed.claims.reserve(entries.size());
    for (const Entry* entry : entries)
      claimed.claims.push_back({.spec = entry->body->spec,
                                .attempt = entry->attempt,
                                .losses = entry->losses,
                                .token = entry->token,
                                .lease_until_ms = entry->lease_until_ms,
                                .last_error = entry->body->error});
    claimed.next_due_ms = ledger_.next_due();
    co_return claimed;
  }

  Async<std::vector<Beat>> beat(Context& ctx, std::string worker, std::vector<Held> held,
                                UnixMs lease_ms) override {
    CO_TRY_VOID(usable(ctx));
    std::vector<Beat> beats;
    beats.reserve(held.size());
    for (Held& one : held) {
      Entry* entry = nullptr;
      beats.push_back(ledger_.beat(now(), worker, one, lease_ms, &entry));
      if (entry && !one.progress.empty()) entry->body->progress = std::move(one.progress);
    }
    co_return beats;
  }

  Async<std::vector<Finished>> finish(Context& ctx, std::vector<Finish> finishes) override {
    CO_TRY_VOID(usable(ctx));
    CO_TRY_VOID(check_sizes(finishes));
    std::vector<Finished> finished;
    finished.reserve(finishes.size());
    for (Finish& one : finishes) {
      auto [answer, entry] = ledger_.finish(now(), one);
      finished.push_back(std::move(answer));
      if (!entry) continue;
      if (entry->state == State::succeeded) entry->body->result = std::move(one.result);
      if (!one.error.empty()) entry->body->error = std::move(one.error);
    }
    tell();
    co_return finished;
  }

  Async<Moved> cancel(Context& ctx, std::string id, std::string reason, UnixMs grace_ms) override {
    CO_TRY_VOID(usable(ctx));
    CO_TRY(Entry * entry, ledger_.cancel(now(), id, grace_ms));
    keep_reason(*entry, reason);
    tell();
    co_return ledger_.moved(*entry);
  }

  Async<std::vector<Moved>> cancel_run(Context& ctx, std::string run_id, std::string reason,
                                       UnixMs grace_ms) override {
    CO_TRY_VOID(usable(ctx));
    std::vector<Entry*> asked;
    auto moved = ledger_.cancel_run(now(), run_id, grace_ms, asked);
    for (Entry* entry : asked) keep_reason(*entry, reason);
    tell();
    co_return moved;
  }

  Async<Moved> replay(Context& ctx, std::string id) override {
    CO_TRY_VOID(usable(ctx));
    CO_TRY(Entry * entry, ledger_.replay(now(), id));
    entry->body->spec.deadline_ms = entry->deadline_ms;
    entry->body->cancel_reason.clear();
    tell();
    co_return ledger_.moved(*entry);
  }

  Async<void> change(Context& ctx, std::string id, Change change) override {
    CO_TRY_VOID(usable(ctx));
    CO_TRY(Entry * entry, ledger_.change(now(), id, change));
    entry->body->spec.priority = entry->priority;
    entry->body->spec.run_at_ms = entry->run_at_ms;
    tell();
    co_return Result<void>{};
  }

  Async<void> pause(Context& ctx, std::string queue, bool paused) override {
    CO_TRY_VOID(usable(ctx));
    ledger_.pause(queue, paused);
    tell();
    co_return Result<void>{};
  }

  Async<void> set_limit(Context& ctx, std::string key, std::optional<std::int64_t> limit) override {
    CO_TRY_VOID(usable(ctx));
    CO_TRY_VOID(check_limit(key, limit));
    ledger_.set_limit(key, limit);
    tell();
    co_return Result<void>{};
  }

  Async<std::optional<Record>> get(Context& ctx, std::string id) override {
    CO_TRY_VOID(usable(ctx));
    const Entry* entry = ledger_.find(id);
    if (!entry) co_return std::optional<Record>();
    co_return std::optional(record(*entry));
  }

  Async<Page> list(Context& ctx, Filter filter, std::string cursor, int limit) override {
    CO_TRY_VOID(usable(ctx));
    CO_TRY(const Cursor from, parse_cursor(cursor, filter));
    CO_TRY_VOID(check_page(limit));
    if (filter.run_id.empty()) {
      const IdSet& all = ledger_.by_id();
      co_return page(from.id.empty() ? all.begin() : all.upper_bound(from.id), all.end(), filter,
                     limit);
    }
    RunEntry* run = ledger_.find_run(filter.run_id);
    if (!run) co_return Page{};
    Entry after;  // only its place in the order matters
    after.index = from.index;
    after.id = from.id;
    co_return page(cursor.empty() ? run->members.begin() : run->members.upper_bound(after),
                   run->members.end(), filter, limit);
  }

  Async<Counts> run_counts(Context& ctx, std::string run_id) override {
    CO_TRY_VOID(usable(ctx));
    const RunEntry* run = ledger_.find_run(run_id);
    co_return run ? to_counts(run->counts) : Counts{};
  }

  Async<Stats> stats(Context& ctx) override {
    CO_TRY_VOID(usable(ctx));
    co_return ledger_.stats();
  }

  Async<std::int64_t> purge(Context& ctx, Filter filter, int max) override {
    CO_TRY_VOID(usable(ctx));
    std::vector<Entry*> chosen;
    for (const Entry& entry : ledger_.ended()) {
      if (chosen.size() >= static_cast<std::size_t>(std::max(max, 0))) break;
      if (fits(record_view(entry), filter)) chosen.push_back(const_cast<Entry*>(&entry));
    }
    for (Entry* entry : chosen) ledger_.remove(*entry);
    co_return static_cast<std::int64_t>(chosen.size());
  }

  Async<Swept> sweep(Context& ctx, int max) override {
    CO_TRY_VOID(usable(ctx));
    auto swept = ledger_.sweep(now(), max);
    tell();
    co_return swept;
  }

  Async<void> journal_add(Context& ctx, std::string id, std::uint64_t token,
                          Journal entries) override {
    CO_TRY_VOID(usable(ctx));
    for (const auto& [key, text] : entries) CO_TRY_VOID(check_entry(text));
    CO_TRY(Entry * entry, ledger_.journaled(id, token));
    auto& journal = entry->body->journal;
    for (auto& [key, text] : entries) {
      const auto same = std::ranges::find(journal, key, &Journal::value_type::first);
      const bool known = same != journal.end();
      if (known && text.empty())
        journal.erase(same);
      else if (known)
        same->second = std::move(text);
      else if (!text.empty())
        journal.emplace_back(std::move(key), std::move(text));
    }
    co_return Result<void>{};
  }

  Async<Journal> journal(Context& ctx, std::string id) override {
    CO_TRY_VOID(usable(ctx));
    const Entry* entry = ledger_.find(id);
    if (!entry) co_return Journal();
    co_return entry->body->journal;
  }

  Async<std::uint64_t> put(Context& ctx, Document document) override {
    CO_TRY_VOID(usable(ctx));
    auto& kind = documents_[document.kind];
    const auto found = kind.find(document.id);
    const std::uint64_t stored = found == kind.end() ? 0 : found->second.version;
    if (stored != document.version) co_return version_conflict(document, stored);
    document.version = stored + 1;
    const std::uint64_t version = document.version;
    std::string id = document.id;
    kind.insert_or_assign(std::move(id), std::move(document));
    co_return version;
  }

  Async<std::optional<Document>> document(Context& ctx, std::string kind, std::string id) override {
    CO_TRY_VOID(usable(ctx));
    const auto& all = documents_[kind];
    const auto found = all.find(id);
    if (found == all.end()) co_return std::optional<Document>();
    co_return std::optional(found->second);
  }

  Async<std::vector<Document>> documents(Context& ctx, std::string kind, std::string cursor,
                                         int limit, bool newest_first) override {
    CO_TRY_VOID(usable(ctx));
    CO_TRY_VOID(check_page(limit));
    const auto& all = documents_[kind];
    std::vector<Document> page;
    const auto take = [&](auto from, auto to) {
      for (; from != to && page.size() < static_cast<std::size_t>(limit); ++from)
        page.push_back(from->second);
    };
    if (newest_first)
      take(std::make_reverse_iterator(cursor.empty() ? all.end() : all.lower_bound(cursor)),
           all.rend());
    else
      take(cursor.empty() ? all.begin() : all.upper_bound(cursor), all.end());
    co_return page;
  }

  Async<void> erase(Context& ctx, std::string kind, std::string id) override {
    CO_TRY_VOID(usable(ctx));
    documents_[kind].erase(id);
    co_return Result<void>{};
  }

  void watch(std::function<void()> news) override { news_ = std::move(news); }

  asio::awaitable<void> close() override {
    closed_ = true;
    news_ = nullptr;
    co_return;
  }

 private:
  UnixMs now() const { return to_unix_ms(clock_.wall()); }

  Result<void> usable(Context& ctx) const {
    if (closed_) return fail(Errc::cancelled, "tasks: the backend is closed", "tasks");
    return ctx.check();
  }

  void tell() {
    if (ledger_.take_news() && news_) news_();
  }

  static void keep_reason(Entry& entry, const std::string& reason) {
    if (entry.body->cancel_reason.empty()) entry.body->cancel_reason = reason;
  }

  static RecordView record_view(const Entry& entry) {
    return {&entry.body->spec, entry.state, entry.cause, entry.ended_ms};
  }

  Record record(const Entry& entry) const {
    Record record{entry.body->spec, ledger_.status(entry)};
    record.status.progress = entry.body->progress;
    record.status.result = entry.body->result;
    record.status.error = entry.body->error;
    record.status.cancel_reason = entry.body->cancel_reason;
    return record;
  }

  template <class Iterator>
  Page page(Iterator from, Iterator end, const Filter& filter, int limit) const {
    Page page;
    for (; from != end; ++from) {
      if (!fits(record_view(*from), filter)) continue;
      if (page.records.size() == static_cast<std::size_t>(limit)) {
        page.next_cursor = make_cursor(page.records.back().spec, filter);
        break;
      }
      page.records.push_back(record(*from));
    }
    return page;
  }

  Clock& clock_;
  Ledger ledger_;
  std::map<std::string, std::map<std::string, Document>> documents_;
  std::function<void()> news_;
  bool closed_ = false;
};

}  // namespace

std::unique_ptr<Backend> make_memory_backend(Clock& clock, MemoryBackendOptions options) {
  return std::make_unique<MemoryBackend>(clock, options);
}

}  // namespace troupe::tasks
