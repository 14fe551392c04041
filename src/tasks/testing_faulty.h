// A backend behind a bad connection: calls fail before they arrive, are late, overtake each other,
// arrive twice, or are applied and their answer is lost. Seeded: the same seed, the same faults.
// Tests only.
#pragma once

#include <memory>

#include "base/random.h"
#include "tasks/backend.h"

namespace troupe::tasks {

struct Faults {
  double fail_before = 0.1;  ///< Not applied: `unavailable`.
  double lose_answer = 0.1;  ///< Applied: `timeout`.
  double duplicate = 0.1;    ///< Applied twice, one answer.
  double delay = 0.3;        ///< Let others overtake, by up to `delay_rounds` of the loop.
  double lose_news = 0.3;    ///< Of watch().
  int delay_rounds = 20;
};

/// Whether the caller cannot know what became of the call.
bool is_unknown(const Error& error);

class FaultyBackend final : public Backend {
 public:
  FaultyBackend(std::unique_ptr<Backend> inner, std::uint64_t seed, Faults faults)
      : inner_(std::move(inner)), random_(seed), faults_(faults) {}
  /// From now on nothing fails.
  void heal() { faults_ = {0, 0, 0, 0, 0, 0}; }
  int faults_done() const { return done_; }

  std::string_view name() const override { return inner_->name(); }
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
  asio::awaitable<void> close() override { return inner_->close(); }

 private:
  template <class T>
  Async<T> faulty(Context& ctx, std::function<Async<T>()> call);
  bool happens(double chance);

  std::unique_ptr<Backend> inner_;
  Random random_;
  Faults faults_;
  int done_ = 0;
};

}  // namespace troupe::tasks
