// What tests of this folder share: a backend that only keeps documents, with hooks for faults, and
// a loop on virtual time. Tests only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <map>

#include "base/async.h"
#include "tasks/backend.h"

namespace troupe::tasks::testing {

/// Documents in memory; everything about tasks is a failure. Shared by the nodes of a test.
class DocumentBackend final : public Backend {
 public:
  /// Asked before each call on documents (`put`, `get`, `list`, `erase`); an error is its answer.
  std::function<Result<void>(std::string_view call, const Document&)> before;
  /// Asked after a put was applied; an error is the answer although it was.
  std::function<Result<void>(const Document&)> after_put;

  std::string_view name() const override { return "documents"; }

  Async<std::uint64_t> put(Context&, Document document) override {
    if (before) CO_TRY_VOID(before("put", document));
    auto& kind = kinds_[document.kind];
    const auto stored = kind.find(document.id);
    const std::uint64_t version = stored == kind.end() ? 0 : stored->second.version;
    if (version != document.version)
      co_return fail(Errc::conflict, "document " + document.id + ": version " +
                                         std::to_string(document.version) + " is not " +
                                         std::to_string(version));
    document.version = ++last_version_;
    kind[document.id] = document;
    if (after_put) CO_TRY_VOID(after_put(document));
    co_return document.version;
  }
  Async<std::optional<Document>> document(Context&, std::string kind, std::string id) override {
    const Document asked{kind, id};
    if (before) CO_TRY_VOID(before("get", asked));
    const auto found = kinds_[kind].find(id);
    if (found == kinds_[kind].end()) co_return std::nullopt;
    co_return found->second;
  }
  Async<std::vector<Document>> documents(Context&, std::string kind, std::string cursor, int limit,
                                         bool newest_first) override {
    const Document asked{kind, cursor};
    if (before) CO_TRY_VOID(before("list", asked));
    std::vector<Document> page;
    const auto& all = kinds_[kind];
    const auto more = [&] { return page.size() < static_cast<std::size_t>(limit); };
    if (newest_first) {
      auto at = cursor.empty() ? all.end() : all.lower_bound(cursor);
      while (at != all.begin() && more()) page.push_back((--at)->second);
    } else {
      for (auto at = all.upper_bound(cursor); at != all.end() && more(); ++at)
        page.push_back(at->second);
    }
    co_return page;
  }
  Async<void> erase(Context&, std::string kind, std::string id) override {
    const Document asked{kind, id};
    if (before) CO_TRY_VOID(before("erase", asked));
    kinds_[kind].erase(id);
    co_return Result<void>();
  }
  std::size_t count(const std::string& kind) { return kinds_[kind].size(); }

  Async<std::vector<Accepted>> enqueue(Context&, Submission) override { co_return none(); }
  Async<Claimed> claim(Context&, ClaimRequest) override { co_return none(); }
  Async<std::vector<Beat>> beat(Context&, std::string, std::vector<Held>, UnixMs) override {
    co_return none();
  }
  Async<std::vector<Finished>> finish(Context&, std::vector<Finish>) override { co_return none(); }
  Async<Moved> cancel(Context&, std::string, std::string, UnixMs) override { co_return none(); }
  Async<std::vector<Moved>> cancel_run(Context&, std::string, std::string, UnixMs) override {
    co_return none();
  }
  Async<Moved> replay(Context&, std::string) override { co_return none(); }
  Async<void> change(Context&, std::string, Change) override { co_return none(); }
  Async<void> pause(Context&, std::string, bool) override { co_return none(); }
  Async<void> set_limit(Context&, std::string, std::optional<std::int64_t>) override {
    co_return none();
  }
  Async<std::optional<Record>> get(Context&, std::string) override { co_return none(); }
  Async<Page> list(Context&, Filter, std::string, int) override { co_return none(); }
  Async<Counts> run_counts(Context&, std::string) override { co_return none(); }
  Async<Stats> stats(Context&) override { co_return none(); }
  Async<std::int64_t> purge(Context&, Filter, int) override { co_return none(); }
  Async<Swept> sweep(Context&, int) override { co_return none(); }
  Async<void> journal_add(Context&, std::string, std::uint64_t, Journal) override {
    co_return none();
  }
  Async<Journal> journal(Context&, std::string) override { co_return none(); }
  void watch(std::function<void()>) override {}
  asio::awaitable<void> close() override { co_return; }

 private:
  static Error none() { return fail(Errc::unsupported, "this backend keeps documents only"); }
  std::map<std::string, std::map<std::string, Document>> kinds_;
  std::uint64_t last_version_ = 0;
};

/// Runs coroutines to their end while virtual time stands still. What waits for time fails.
class StandingLoop final {
 public:
  ManualClock clock;
  asio::io_context io;

  template <class T>
  Result<T> run(Async<T> call) {
    std::optional<Result<T>> result;
    asio::co_spawn(io, std::move(call), [&](std::exception_ptr exception, Result<T> value) {
      if (exception) std::rethrow_exception(exception);
      result = std::move(value);
    });
    io.restart();
    // Sockets of the test may be open: they do not end the wait, only the call does.
    while (!result && io.run_one_for(std::chrono::seconds(10)) > 0) {
    }
    if (!result) return fail(Errc::timeout, "the call waits for time to pass");
    return std::move(*result);
  }
  Context context() { return Context(clock, io.get_executor()); }
  std::int64_t now_ms() const { return to_unix_ms(clock.wall()); }
};

}  // namespace troupe::tasks::testing
