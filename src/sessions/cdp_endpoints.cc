#include "sessions/cdp_endpoints.h"

#include <algorithm>

namespace troupe::sessions {
namespace {

constexpr auto kDiagnosisTimeout = std::chrono::seconds(3);
// A place that stays away for so many attempts has nothing left that could be cleared away.
constexpr int kChoreFailuresMax = 20;

}  // namespace

Endpoints::Endpoints(Clock& clock, asio::any_io_executor executor, observe::Log& log,
                     CdpOptions options, std::unique_ptr<net::HttpClient> http)
    : clock_(clock),
      executor_(executor),
      log_(log),
      options_(std::move(options)),
      http_(std::move(http)),
      scope_(executor) {
  for (const auto& address : options_.endpoints) {
    auto endpoint = std::make_unique<Endpoint>();
    endpoint->address = address;
    endpoint->name = address_without_secrets(address);
    all_.push_back(std::move(endpoint));
  }
}

void Endpoints::note(observe::Level level, std::string_view action, std::string_view status,
                     std::vector<observe::Detail> details, const Error* error) {
  log_.write({}, {.level = level,
                  .action = action,
                  .status = status,
                  .details = std::move(details),
                  .error = error});
}

Context Endpoints::fiber_context(const CancelSource& stop) const {
  return Context(clock_, executor_).with_cancel(stop);
}

Async<Endpoints::Taken> Endpoints::take(Context& ctx, bool default_context) {
  std::set<Endpoint*> tried;
  std::optional<Error> last;
  while (!closed_) {
    Endpoint* endpoint = choose(tried, default_context);
    if (!endpoint && last) co_return *last;
    if (!endpoint) {  // every default context is in use
      CO_TRY_VOID(co_await given_back_.wait(ctx));
      continue;
    }
    tried.insert(endpoint);
    ++endpoint->sessions;
    if (default_context) endpoint->default_taken = true;
    Taken taken{.endpoint = endpoint, .browser = nullptr, .shared = nullptr};
    Result<void> result;
    if (default_context) {
      auto connected = co_await connect(ctx, *endpoint);
      if (connected) taken.browser = std::move(*connected);
      if (!connected) result = connected.error();
    } else {
      auto shared = co_await shared_connection(ctx, *endpoint);
      if (shared) taken.browser = (*shared)->browser;
      if (shared) taken.shared = std::move(*shared);
      if (!shared) result = shared.error();
    }
    if (result && !closed_) co_return taken;
    give_back(*endpoint, default_context);
    CO_TRY_VOID(ctx.check());
    if (!result) last = result.error();
  }
  co_return fail(Errc::draining, "cdp endpoints: shutting down");
}

void Endpoints::give_back(Endpoint& endpoint, bool default_context) {
  --endpoint.sessions;
  if (default_context) endpoint.default_taken = false;
  endpoint.used_at = clock_.now();
  given_back_.pulse();
}

void Endpoints::drop(Endpoint& endpoint) {
  if (!endpoint.shared) return;
  endpoint.shared->dropped = true;
  endpoint.shared->browser->connection->close(
      fail(Errc::session_lost, "cdp endpoint " + endpoint.name + ": nobody uses it"));
  endpoint.shared.reset();
}

void Endpoints::tend() {
  for (const auto& endpoint : all_) {
    const auto now = clock_.now();
    const bool in_use = endpoint->sessions > 0 || !endpoint->left_over.empty() ||
                        now - endpoint->used_at <= options_.idle_timeout;
    if (endpoint->connected() && !in_use) {
      drop(*endpoint);
    } else if (!endpoint->connected() && in_use && endpoint->used_at != SteadyTime{} &&
               !endpoint->connecting && now >= endpoint->retry_at) {
      // On its own fiber: an address that swallows packets must not hold up the others' care.
      scope_.spawn("cdp reconnect", reconnect(*endpoint));
    }
  }
}

Async<void> Endpoints::shutdown(Context& ctx) {
  closed_ = true;
  for (const auto& endpoint : all_) drop(*endpoint);
  stop_.cancel(fail(Errc::draining, "cdp endpoints: shutting down"));
  given_back_.pulse();
  co_return co_await scope_.join(ctx);
}

Endpoint* Endpoints::choose(const std::set<Endpoint*>& tried, bool default_context) const {
  Endpoint* best = nullptr;
  const auto rank = [&](const Endpoint& one) {
    const bool waits = !one.connected() && one.retry_at > clock_.now();
    return std::tuple(waits ? one.retry_at : SteadyTime{}, one.sessions);
  };
  for (const auto& one : all_)
    if (!tried.contains(one.get()) && !(default_context && one->default_taken) &&
        (!best || rank(*one) < rank(*best)))
      best = one.get();
  return best;
}

Async<std::shared_ptr<SharedConnection>> Endpoints::shared_connection(Context& ctx,
                                                                      Endpoint& endpoint) {
  if (endpoint.connecting) {
    while (endpoint.connecting) CO_TRY_VOID(co_await endpoint.settled.wait(ctx));
    if (!endpoint.connected() && endpoint.failure) co_return *endpoint.failure;
  }
  if (endpoint.connected()) co_return endpoint.shared;
  endpoint.connecting = true;
  auto connected = co_await connect(ctx, endpoint);
  endpoint.connecting = false;
  if (connected) {
    endpoint.shared = std::make_shared<SharedConnection>();
    endpoint.shared->browser = std::move(*connected);
    scope_.spawn("cdp connection", attend(endpoint.shared, endpoint.name));
  }
  endpoint.settled.pulse();
  if (!connected) co_return connected.error();
  co_return endpoint.shared;
}

// A connection of its own, not before the address may be tried again.
Async<std::shared_ptr<RemoteBrowser>> Endpoints::connect(Context& ctx, Endpoint& endpoint) {
  const auto now = clock_.now();
  if (endpoint.retry_at > now) CO_TRY_VOID(co_await sleep_for(ctx, endpoint.retry_at - now));
  Context limited = ctx.with_timeout(options_.connect_timeout, "cdp endpoint " + endpoint.name);
  std::string address = endpoint.address;
  auto url = co_await resolve_endpoint(limited, *http_, std::move(address));
  if (!url) {
    note_failure(ctx, endpoint, url.error());
    co_return url.error();
  }
  auto browser = co_await connect_remote_browser(limited, std::move(*url));
  if (!browser) {
    note_failure(ctx, endpoint, browser.error());
    co_return browser.error();
  }
  endpoint.used_at = clock_.now();
  if (endpoint.failures > 0 || !endpoint.shared)
    note(observe::Level::info, "cdp.connect", "ok",
         {{"endpoint", endpoint.name},
          {"version", (*browser)->product},
          {"failures", endpoint.failures}});
  endpoint.failures = 0;
  endpoint.failure.reset();
  endpoint.retry_at = SteadyTime{};
  for (const auto& chore : std::exchange(endpoint.left_over, {}))
    (*browser)->connection->post("", chore.method, chore.params);
  co_return browser;
}

void Endpoints::note_failure(Context& ctx, Endpoint& endpoint, const Error& error) {
  if (ctx.cancel_source().is_cancelled()) return;  // says nothing about the address
  const int doublings = std::min(endpoint.failures++, 16);
  const Duration pause = std::min(options_.retry_first * (1 << doublings), options_.retry_max);
  endpoint.retry_at = clock_.now() + pause;
  endpoint.failure = error;
  if (endpoint.failures > kChoreFailuresMax) endpoint.left_over.clear();
  if (endpoint.failures > 1) return;  // once, not every few seconds
  note(observe::Level::error, "cdp.connect", "failed", {{"endpoint", endpoint.name}}, &error);
}

asio::awaitable<void> Endpoints::reconnect(Endpoint& endpoint) {
  Context ctx = fiber_context(stop_);
  (void)co_await shared_connection(ctx, endpoint);
}

// Watches a shared connection to its end, and learns for all its sessions how that came.
asio::awaitable<void> Endpoints::attend(std::shared_ptr<SharedConnection> shared,
                                        std::string name) {
  Context ctx = fiber_context(stop_);
  const auto ended = co_await await_end(ctx, shared->browser, options_.health);
  if (ended && !shared->dropped) {
    Context brief = ctx.with_timeout(kDiagnosisTimeout, "cdp endpoint " + name);
    std::string url = shared->browser->url;
    shared->loss = co_await diagnose_loss(brief, *http_, std::move(url));
    const Error error = shared->browser->connection->close_reason();
    note(observe::Level::error, "cdp.connection", "lost",
         {{"endpoint", name}, {"end", to_string(shared->loss.as)}}, &error);
  }
  shared->diagnosed.set();
}

}  // namespace troupe::sessions
