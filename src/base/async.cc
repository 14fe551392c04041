#include "base/async.h"

#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <cstdlib>

namespace troupe {

// One suspended coroutine. finish() is called by the signal, the timer or the cancellation,
// whichever comes first, and posts the resumption, so nobody is resumed inside somebody's call.
struct Event::Waiter {
  struct Resume {
    virtual ~Resume() = default;
    virtual void post() = 0;
  };

  asio::any_io_executor executor;
  Event* event = nullptr;  // null once taken off the event's list
  std::list<Waiter*>::iterator place{};
  std::optional<Result<void>> result;
  std::unique_ptr<Resume> resume;

  ~Waiter() { unlink(); }

  void unlink() {
    if (event) std::exchange(event, nullptr)->waiters_.erase(place);
  }

  void finish(Result<void> with) {
    if (result) return;
    result = std::move(with);
    unlink();
    if (resume) std::exchange(resume, nullptr)->post();
  }

  template <class Handler>
  struct ResumeHandler final : Resume {
    ResumeHandler(asio::any_io_executor e, Handler h)
        : executor(std::move(e)), handler(std::move(h)) {}
    void post() override { asio::post(executor, std::move(handler)); }
    asio::any_io_executor executor;
    Handler handler;
  };

  asio::awaitable<void> suspend() {
    auto start = [this](auto handler) {
      using Handler = decltype(handler);
      if (result) {
        asio::post(executor, std::move(handler));
      } else {
        resume = std::make_unique<ResumeHandler<Handler>>(executor, std::move(handler));
      }
    };
    return asio::async_initiate<const asio::use_awaitable_t<>, void()>(start, asio::use_awaitable);
  }
};

Event::~Event() {
  while (!waiters_.empty())
    waiters_.front()->finish(fail(Errc::cancelled, "the thing waited for has ended"));
}

void Event::set() {
  if (set_) return;
  set_ = true;
  pulse();
}

void Event::pulse() {
  while (!waiters_.empty()) waiters_.front()->finish({});
}

Async<void> Event::wait(Context& ctx) {
  if (set_) co_return Result<void>{};
  CO_TRY_VOID(ctx.check());
  Waiter waiter;
  waiter.executor = ctx.executor();
  waiter.place = waiters_.insert(waiters_.end(), &waiter);
  waiter.event = this;
  Timer timer;
  if (ctx.deadline() != SteadyTime::max())
    timer = Timer(ctx.clock(), ctx.deadline(), [&] { waiter.finish(ctx.timeout_error()); });
  auto& cancel = ctx.cancel_source();
  auto registration = cancel.on_cancel([&] { waiter.finish(cancel.reason()); });
  co_await waiter.suspend();
  co_return *waiter.result;
}

Async<void> sleep_for(Context& ctx, Duration duration) {
  Event due;
  const Timer timer(ctx.clock(), ctx.clock().now() + duration, [&] { due.set(); });
  co_return co_await due.wait(ctx);
}

void die_of_bug(const std::string& where, std::exception_ptr exception) {
  try {
    std::rethrow_exception(std::move(exception));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "troupe: internal error in %s: %s\n", where.c_str(), e.what());
  } catch (...) {
    std::fprintf(stderr, "troupe: internal error in %s\n", where.c_str());
  }
  std::abort();
}

namespace {

// From the loop, never inside the caller: what a child does at once must not surprise its parent.
asio::awaitable<void> from_the_loop(asio::any_io_executor executor, asio::awaitable<void> child) {
  co_await asio::post(executor, asio::use_awaitable);
  co_await std::move(child);
}

}  // namespace

void Scope::spawn(std::string name, asio::awaitable<void> child) {
  ++running_;
  asio::co_spawn(executor_, from_the_loop(executor_, std::move(child)),
                 [this, name = std::move(name)](std::exception_ptr exception) {
                   if (exception) die_of_bug(name, exception);
                   --running_;
                   changed_.pulse();
                 });
}

Async<void> Scope::join(Context& ctx) {
  while (running_ > 0) CO_TRY_VOID(co_await changed_.wait(ctx));
  co_return Result<void>{};
}

}  // namespace troupe
