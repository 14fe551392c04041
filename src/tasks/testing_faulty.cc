#include "tasks/testing_faulty.h"

#include <boost/asio/use_awaitable.hpp>

namespace troupe::tasks {

bool is_unknown(const Error& error) {
  return error.code == Errc::timeout || error.code == Errc::unavailable ||
         error.code == Errc::network_error;
}

bool FaultyBackend::happens(double chance) {
  // Always the same number of draws, so that a call's faults do not depend on the chances.
  const bool yes = random_.unit() < chance;
  done_ += yes;
  return yes;
}

template <class T>
Async<T> FaultyBackend::faulty(Context& ctx, std::function<Async<T>()> call) {
  const bool late = happens(faults_.delay);
  const auto rounds = random_.between(1, std::max(1, faults_.delay_rounds));
  const bool before = happens(faults_.fail_before);
  const bool twice = happens(faults_.duplicate);
  const bool after = happens(faults_.lose_answer);
  for (std::int64_t i = 0; late && i < rounds; ++i)
    co_await asio::post(ctx.executor(), asio::use_awaitable);
  if (before) co_return fail(Errc::unavailable, "backend: did not answer", "faulty backend");
  if (twice) {
    auto first = call();
    (void)co_await std::move(first);
  }
  auto answer = call();
  auto result = co_await std::move(answer);
  if (after) co_return fail(Errc::timeout, "backend: timed out", "faulty backend");
  co_return result;
}

Async<std::vector<Accepted>> FaultyBackend::enqueue(Context& ctx, Submission submission) {
  return faulty<std::vector<Accepted>>(
      ctx, [this, &ctx, submission] { return inner_->enqueue(ctx, submission); });
}
Async<Claimed> FaultyBackend::claim(Context& ctx, ClaimRequest request) {
  return faulty<Claimed>(ctx, [this, &ctx, request] { return inner_->claim(ctx, request); });
}
Async<std::vector<Beat>> FaultyBackend::beat(Context& ctx, std::string worker,
                                             std::vector<Held> held, UnixMs lease_ms) {
  return faulty<std::vector<Beat>>(ctx, [this, &ctx, worker, held, lease_ms] {
    return inner_->beat(ctx, worker, held, lease_ms);
  });
}
Async<std::vector<Finished>> FaultyBackend::finish(Context& ctx, std::vector<Finish> finishes) {
  return faulty<std::vector<Finished>>(
      ctx, [this, &ctx, finishes] { return inner_->finish(ctx, finishes); });
}
Async<Moved> FaultyBackend::cancel(Context& ctx, std::string id, std::string reason,
                                   UnixMs grace_ms) {
  return faulty<Moved>(ctx, [this, &ctx, id, reason, grace_ms] {
    return inner_->cancel(ctx, id, reason, grace_ms);
  });
}
Async<std::vector<Moved>> FaultyBackend::cancel_run(Context& ctx, std::string run_id,
                                                    std::string reason, UnixMs grace_ms) {
  return faulty<std::vector<Moved>>(ctx, [this, &ctx, run_id, reason, grace_ms] {
    return inner_->cancel_run(ctx, run_id, reason, grace_ms);
  });
}
Async<Moved> FaultyBackend::replay(Context& ctx, std::string id) {
  return faulty<Moved>(ctx, [this, &ctx, id] { return inner_->replay(ctx, id); });
}
Async<void> FaultyBackend::change(Context& ctx, std::string id, Change change) {
  return faulty<void>(ctx, [this, &ctx, id, change] { return inner_->change(ctx, id, change); });
}
Async<void> FaultyBackend::pause(Context& ctx, std::string queue, bool paused) {
  return faulty<void>(ctx,
                      [this, &ctx, queue, paused] { return inner_->pause(ctx, queue, paused); });
}
Async<void> FaultyBackend::set_limit(Context& ctx, std::string key,
                                     std::optional<std::int64_t> limit) {
  return faulty<void>(ctx, [this, &ctx, key, limit] { return inner_->set_limit(ctx, key, limit); });
}
Async<std::optional<Record>> FaultyBackend::get(Context& ctx, std::string id) {
  return faulty<std::optional<Record>>(ctx, [this, &ctx, id] { return inner_->get(ctx, id); });
}
Async<Page> FaultyBackend::list(Context& ctx, Filter filter, std::string cursor, int limit) {
  return faulty<Page>(ctx, [this, &ctx, filter, cursor, limit] {
    return inner_->list(ctx, filter, cursor, limit);
  });
}
Async<Counts> FaultyBackend::run_counts(Context& ctx, std::string run_id) {
  return faulty<Counts>(ctx, [this, &ctx, run_id] { return inner_->run_counts(ctx, run_id); });
}
Async<Stats> FaultyBackend::stats(Context& ctx) {
  return faulty<Stats>(ctx, [this, &ctx] { return inner_->stats(ctx); });
}
Async<std::int64_t> FaultyBackend::purge(Context& ctx, Filter filter, int max) {
  return faulty<std::int64_t>(
      ctx, [this, &ctx, filter, max] { return inner_->purge(ctx, filter, max); });
}
Async<Swept> FaultyBackend::sweep(Context& ctx, int max) {
  return faulty<Swept>(ctx, [this, &ctx, max] { return inner_->sweep(ctx, max); });
}
Async<void> FaultyBackend::journal_add(Context& ctx, std::string id, std::uint64_t token,
                                       Journal entries) {
  return faulty<void>(ctx, [this, &ctx, id, token, entries] {
    return inner_->journal_add(ctx, id, token, entries);
  });
}
Async<Journal> FaultyBackend::journal(Context& ctx, std::string id) {
  return faulty<Journal>(ctx, [this, &ctx, id] { return inner_->journal(ctx, id); });
}
Async<std::uint64_t> FaultyBackend::put(Context& ctx, Document document) {
  return faulty<std::uint64_t>(ctx, [this, &ctx, document] { return inner_->put(ctx, document); });
}
Async<std::optional<Document>> FaultyBackend::document(Context& ctx, std::string kind,
                                                       std::string id) {
  return faulty<std::optional<Document>>(
      ctx, [this, &ctx, kind, id] { return inner_->document(ctx, kind, id); });
}
Async<std::vector<Document>> FaultyBackend::documents(Context& ctx, std::string kind,
                                                      std::string cursor, int limit,
                                                      bool newest_first) {
  return faulty<std::vector<Document>>(ctx, [this, &ctx, kind, cursor, limit, newest_first] {
    return inner_->documents(ctx, kind, cursor, limit, newest_first);
  });
}
Async<void> FaultyBackend::erase(Context& ctx, std::string kind, std::string id) {
  return faulty<void>(ctx, [this, &ctx, kind, id] { return inner_->erase(ctx, kind, id); });
}

void FaultyBackend::watch(std::function<void()> news) {
  if (!news) return inner_->watch(nullptr);
  inner_->watch([this, news = std::move(news)] {
    if (!happens(faults_.lose_news)) news();
  });
}

}  // namespace troupe::tasks
