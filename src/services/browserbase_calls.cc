#include "services/browserbase_calls.h"

#include "services/browserbase_errors.h"
#include "services/via.h"

namespace troupe::services {

// How one attempt went.
struct BrowserbaseCalls::Attempt {
  Result<void> result;
  RemoteFailure failure = RemoteFailure::none;
  int status = 0;
  bool sent = false;
  net::RetryAdvice advice;
};

BrowserbaseCalls::BrowserbaseCalls(BrowserbaseOptions options, net::HttpClient& http, Clock& clock,
                                   Random random)
    : options_(std::move(options)),
      http_(http),
      clock_(clock),
      random_(std::move(random)),
      budget_(clock, {}),
      limiter_(clock) {}

RateState BrowserbaseCalls::creation_rate() const {
  const auto state = limiter_.state();
  return {state.limit, state.remaining, state.resets_at};
}

net::CircuitBreaker& BrowserbaseCalls::breaker(const std::string& group) {
  const net::CircuitBreaker::Options breaker_options{options_.breaker_failures,
                                                     options_.breaker_open};
  return breakers_.try_emplace(group, clock_, breaker_options).first->second;
}

Async<net::HttpReply> BrowserbaseCalls::send(Context& ctx, const RemoteCall& call, bool& sent) {
  net::HttpCall request;
  request.method = call.method;
  request.url = options_.base_url + call.path;
  request.headers = {{"X-BB-API-Key", options_.api_key},
                     {"Accept", call.accept},
                     {std::string(kViaHeader), via_from_here(call.via)}};
  if (!call.content_type.empty()) request.headers.emplace_back("Content-Type", call.content_type);
  request.body = call.body;
  request.response_bytes_max = call.response_bytes_max;
  request.on_sending = [&sent] { sent = true; };
  Context limited = ctx.with_timeout(options_.attempt_timeout + call.more_time, call.what);
  co_return co_await http_.send(limited, std::move(request));
}

void BrowserbaseCalls::judge(Attempt& attempt, const RemoteCall& call, const Accept& accept,
                             Result<net::HttpReply> reply) {
  if (!reply) {
    attempt.failure = failure_of(reply.error());
    attempt.result = error_for(attempt.failure, std::move(reply).error(), call.what);
    return;
  }
  attempt.status = reply->status;
  attempt.advice = net::retry_advice(*reply, clock_.wall());
  attempt.failure = failure_of(*reply);
  if (call.counts) limiter_.learn(*reply);
  if (attempt.failure != RemoteFailure::none) {
    attempt.result = error_for(attempt.failure, *reply, call.what);
    return;
  }
  auto accepted = accept(*reply);
  if (accepted) return;
  attempt.failure = RemoteFailure::malformed;
  attempt.result = error_for(attempt.failure, std::move(accepted).error(), call.what);
}

asio::awaitable<BrowserbaseCalls::Attempt> BrowserbaseCalls::attempt(Context& ctx,
                                                                     const RemoteCall& call,
                                                                     const Accept& accept) {
  Attempt attempt;
  auto permit = breaker(call.group).enter();
  if (!permit) {
    attempt.failure = RemoteFailure::circuit_open;
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(breaker(call.group).closed_for());
    Error error =
        fail(Errc::unavailable, "not sent for the next " + std::to_string(ms.count()) + " ms");
    attempt.result = error_for(attempt.failure, std::move(error), call.what);
    co_return attempt;
  }
  const SteadyTime began = clock_.now();
  auto reply = co_await send(ctx, call, attempt.sent);
  judge(attempt, call, accept, std::move(reply));
  // A caller with little time left says nothing about the service.
  constexpr Duration kFairWait = std::chrono::seconds(5);
  const bool hurried = attempt.failure == RemoteFailure::timeout && attempt.status == 0 &&
                       !ctx.check() && clock_.now() - began < kFairWait;
  if (hurried || attempt.failure == RemoteFailure::cancelled ||
      attempt.failure == RemoteFailure::local)
    co_return attempt;
  if (blames_service(attempt.failure))
    permit->failed();
  else
    permit->succeeded();
  co_return attempt;
}

Async<void> BrowserbaseCalls::admit(Context& ctx, const RemoteCall& call,
                                    const CallOptions& options) {
  if (!call.counts) co_return Result<void>{};
  co_return co_await limiter_.acquire(ctx, options.wait_for_rate);
}

std::optional<Duration> BrowserbaseCalls::pause_after(Context& ctx, const Attempt& attempt,
                                                      const RemoteCall& call,
                                                      const CallOptions& options, int attempts) {
  const bool ambiguous = may_be_applied(attempt.failure, attempt.sent);
  const bool asked = attempt.advice.should_retry == true;
  if (ambiguous && !call.repeatable && !options.retry_ambiguous && !asked) return {};
  if (!attempt.advice.should_retry.value_or(may_pass_later(attempt.failure))) return {};
  if (!ctx.check()) return {};
  const net::RetryPolicy policy{options.attempts_max, options_.retry_first, options_.retry_max,
                                options_.retry_after_max};
  const auto pause = net::next_pause(policy, attempts, attempt.advice, ctx.remaining(), random_);
  if (!pause || !budget_.take()) return {};
  return pause;
}

Async<void> BrowserbaseCalls::perform(Context& ctx, RemoteCall call, CallOptions options,
                                      Accept accept) {
  CallNote unused;
  CallNote& note = options.note ? *options.note : unused;
  note = {};
  if (call.refused) {
    note.failure = RemoteFailure::local;
    co_return std::move(*call.refused);
  }
  budget_.call_began();
  while (true) {
    auto admitted = co_await admit(ctx, call, options);
    if (!admitted) {
      const bool full = admitted.error().code == Errc::exhausted;
      note.failure = full ? RemoteFailure::rate : failure_of(admitted.error());
      co_return error_for(note.failure, std::move(admitted).error(), call.what);
    }
    Attempt last = co_await attempt(ctx, call, accept);
    if (last.failure == RemoteFailure::missing && call.missing_is_done && note.may_be_applied)
      last = Attempt{};
    if (last.failure != RemoteFailure::circuit_open) ++note.attempts;
    note.failure = last.failure;
    note.status = last.status;
    note.retry_after = last.advice.after;
    // What an earlier attempt may have done is not undone by a later one.
    note.may_be_applied = last.failure != RemoteFailure::none &&
                          (note.may_be_applied || may_be_applied(last.failure, last.sent));
    if (last.result) co_return Result<void>{};
    if (call.counts && last.failure == RemoteFailure::rate && last.advice.after)
      limiter_.hold(std::min(*last.advice.after, options_.retry_after_max));
    const auto pause = pause_after(ctx, last, call, options, note.attempts);
    if (!pause) co_return std::move(last.result);
    CO_TRY_VOID(co_await sleep_for(ctx, *pause));
  }
}

}  // namespace troupe::services
