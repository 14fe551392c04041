// The few ways to wait: Event, Promise, sleep, Scope (spawn and join), gather, run_blocking. Every
// wait ends at the context's deadline or cancellation. Threads: engine, unless said otherwise.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/result.h"

namespace troupe {

namespace asio = boost::asio;

template <class T>
using Async = asio::awaitable<Result<T>>;

/// Manual-reset signal with any number of waiters. Destroying it ends the waits with `cancelled`.
class Event final {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event();

  void set();
  void reset() { set_ = false; }
  bool is_set() const { return set_; }
  /// Wakes the present waiters and stays unset.
  void pulse();
  Async<void> wait(Context& ctx);

 private:
  struct Waiter;
  bool set_ = false;
  std::list<Waiter*> waiters_;
};

/// A value that arrives once. The first set() wins. One waiter takes it.
template <class T>
class Promise final {
 public:
  bool set(Result<T> value) {
    if (value_) return false;
    value_ = std::move(value);
    done_.set();
    return true;
  }
  bool is_set() const { return value_.has_value(); }
  Async<T> wait(Context& ctx) {
    CO_TRY_VOID(co_await done_.wait(ctx));
    co_return std::move(*value_);
  }

 private:
  std::optional<Result<T>> value_;
  Event done_;
};

/// Ends with ok when `duration` has passed.
Async<void> sleep_for(Context& ctx, Duration duration);

/// Children with one owner: counted, joined. An exception that leaves a child is a bug: it is
/// printed with the child's name and the process ends.
class Scope final {
 public:
  explicit Scope(asio::any_io_executor executor) : executor_(std::move(executor)) {}
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  void spawn(std::string name, asio::awaitable<void> child);
  int running() const { return running_; }
  /// Waits for all children, those spawned meanwhile too.
  Async<void> join(Context& ctx);

 private:
  asio::any_io_executor executor_;
  int running_ = 0;
  Event changed_;
};

/// Prints and ends the process: the one handler of exceptions that only a bug can cause.
[[noreturn]] void die_of_bug(const std::string& where, std::exception_ptr exception);

/// Starts all, waits for all, keeps the order. Not ended early by cancellation: each child watches
/// its own context, so cancel that.
template <class T>
asio::awaitable<std::vector<Result<T>>> gather(Context& ctx, std::vector<Async<T>> children) {
  struct State {
    std::vector<std::optional<Result<T>>> results;
    std::size_t left = 0;
    Event done;
  };
  State state;
  state.results.resize(children.size());
  state.left = children.size();
  for (std::size_t i = 0; i < children.size(); ++i) {
    asio::co_spawn(ctx.executor(), std::move(children[i]),
                   [&state, i](std::exception_ptr exception, Result<T> result) {
                     if (exception) die_of_bug("gather", exception);
                     state.results[i] = std::move(result);
                     if (--state.left == 0) state.done.set();
                   });
  }
  if (state.left == 0) state.done.set();
  Context unbounded(ctx.clock(), ctx.executor());
  (void)co_await state.done.wait(unbounded);
  std::vector<Result<T>> results;
  results.reserve(state.results.size());
  for (auto& result : state.results) results.push_back(std::move(*result));
  co_return results;
}

/// Runs `work` on `pool` and comes back to the engine thread with its value. `work` touches only
/// what it owns: a call that is cancelled or times out leaves it running.
template <class T>
Async<T> run_blocking(Context& ctx, asio::thread_pool& pool, std::function<Result<T>()> work) {
  auto promise = std::make_shared<Promise<T>>();
  auto executor = ctx.executor();
  asio::post(pool, [promise, executor, work = std::move(work)]() mutable {
    auto result = std::make_shared<Result<T>>(work());
    asio::post(executor,
               [promise = std::move(promise), result] { promise->set(std::move(*result)); });
  });
  co_return co_await promise->wait(ctx);
}

}  // namespace troupe
