// Group commit: what callers ask while a call is on its way goes together with the next one.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "base/async.h"
#include "net/redis_protocol.h"

namespace troupe::tasks {

/// One caller's part of a script call: its arguments, and what it is answered.
template <class Answer>
struct Share {
  net::RedisCommand arguments;
  std::int64_t count = 1;  ///< Tasks.
  Promise<Answer> done;
};

/// Threads: engine. The owner outlives what `send` runs, or makes it end by an error.
template <class Answer>
class Batches final {
 public:
  using Shares = std::vector<std::shared_ptr<Share<Answer>>>;
  /// Sets every share's promise.
  using Send = std::function<asio::awaitable<void>(Shares)>;
  struct Limits {
    std::int64_t count_max = 1'000;  ///< Tasks in one call; a larger share goes alone.
    std::size_t bytes_max = std::size_t{4} << 20;
    std::int64_t waiting_max = 200'000;
    int calls_max = 2;  ///< On their way.
  };

  Batches(asio::any_io_executor executor, Send send, Limits limits)
      : state_(std::make_shared<State>(std::move(executor), std::move(send), limits)) {}

  /// Errors: exhausted (too much waits), and what the call ends with.
  Async<Answer> ask(Context& ctx, net::RedisCommand arguments, std::int64_t count) {
    const auto state = state_;
    if (state->waiting_count + count > state->limits.waiting_max && !state->waiting.empty())
      co_return fail(Errc::exhausted, "redis: " + std::to_string(state->waiting_count) +
                                          " tasks wait to be sent already");
    auto share = std::make_shared<Share<Answer>>();
    share->arguments = std::move(arguments);
    share->count = count;
    state->waiting_count += count;
    state->waiting.push_back(share);
    start(state);
    co_return co_await share->done.wait(ctx);
  }

  /// What waits goes at once, with something else, by `send`. False: nothing waits, `send` is not
  /// called.
  bool send_with(Send send) { return send_shares(state_, next_shares(*state_), send); }

  /// Refuses what waits, and waits for the calls that are on their way.
  asio::awaitable<void> close(Context& ctx) {
    const auto state = state_;
    for (const auto& share : std::exchange(state->waiting, {}))
      share->done.set(fail(Errc::cancelled, "tasks: the backend is closed", "tasks"));
    while (state->calls > 0)
      if (!co_await state->ended.wait(ctx)) co_return;
  }

 private:
  struct State {
    State(asio::any_io_executor e, Send s, Limits l)
        : executor(std::move(e)), send(std::move(s)), limits(l) {}
    asio::any_io_executor executor;
    Send send;
    Limits limits;
    std::deque<std::shared_ptr<Share<Answer>>> waiting;
    std::int64_t waiting_count = 0;
    int calls = 0;
    bool posted = false;
    Event ended;  // pulsed with every call's end
  };

  // Not at once: others may ask in the same turn of the loop.
  static void start(const std::shared_ptr<State>& state) {
    if (state->posted || state->calls >= state->limits.calls_max) return;
    state->posted = true;
    asio::post(state->executor, [state] {
      state->posted = false;
      send_next(state);
    });
  }

  static void send_next(const std::shared_ptr<State>& state) {
    if (state->calls >= state->limits.calls_max) return;
    if (send_shares(state, next_shares(*state), state->send) && !state->waiting.empty())
      start(state);
  }

  // As many of those that wait as go into one call.
  static Shares next_shares(State& state) {
    Shares shares;
    std::int64_t count = 0;
    std::size_t bytes = 0;
    while (!state.waiting.empty()) {
      auto& next = state.waiting.front();
      const bool fits = count + next->count <= state.limits.count_max &&
                        bytes + next->arguments.bytes() <= state.limits.bytes_max;
      if (!shares.empty() && !fits) break;
      count += next->count;
      bytes += next->arguments.bytes();
      state.waiting_count -= next->count;
      // Nobody waits any more for what nobody else holds: it was not sent, and is not.
      if (next.use_count() > 1) shares.push_back(std::move(next));
      state.waiting.pop_front();
    }
    return shares;
  }

  static bool send_shares(const std::shared_ptr<State>& state, Shares shares, const Send& send) {
    if (shares.empty()) return false;
    ++state->calls;
    asio::co_spawn(state->executor, send(std::move(shares)), [state](std::exception_ptr exception) {
      if (exception) die_of_bug("redis batch", exception);
      --state->calls;
      state->ended.pulse();
      start(state);
    });
    return true;
  }

  std::shared_ptr<State> state_;
};

}  // namespace troupe::tasks
