#include "tasks/webhooks.h"

#include <algorithm>

#include "base/digest.h"
#include "net/url.h"

namespace troupe::tasks {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int kPage = 500;
constexpr int kRoundsMax = 20;
constexpr int kFailuresToOpen = 5;
constexpr std::size_t kBreakersMax = 1'000;
constexpr std::int64_t kAnswerBytesMax = 64 << 10;
constexpr auto kEndpointsKept = seconds(2);
constexpr auto kCallTime = seconds(15);  // for the backend, beyond the attempt's own time
constexpr UnixMs kNever = std::int64_t{1} << 60;

UnixMs ms_of(Duration duration) {
  return std::chrono::duration_cast<milliseconds>(duration).count();
}

Error no_endpoint(const std::string& id) {
  return fail(Errc::not_found, "webhook endpoint " + id + ": there is none", {},
              "GET /v1/webhook-endpoints lists them");
}

Error no_delivery(const std::string& id) {
  return fail(Errc::not_found, "delivery " + id + ": there is none", {},
              "ended deliveries are kept for some days only");
}

WebhookVerdict given_up(std::string why) {
  WebhookVerdict verdict;
  verdict.next = WebhookVerdict::Next::failed;
  verdict.receiver_fails = false;
  verdict.attempt.error = std::move(why);
  return verdict;
}

}  // namespace

Webhooks::Webhooks(Clock& clock, asio::any_io_executor executor, Backend& backend,
                   net::HttpClient& client, observe::Log& log, WebhooksOptions options)
    : clock_(clock),
      executor_(executor),
      backend_(backend),
      client_(client),
      log_(log),
      options_(std::move(options)),
      scope_(executor) {}
Webhooks::~Webhooks() = default;

Delivery Webhooks::make_delivery(const WebhookEndpoint& endpoint, std::string event,
                                 const std::string& key, const json::object& data) const {
  Delivery delivery;
  // The signed text is joined by dots: none in here.
  delivery.id = "msg_" + key + "_" + to_hex(sha256(event + "\n" + endpoint.id)).substr(0, 12);
  delivery.endpoint_id = endpoint.id;
  delivery.tenant = endpoint.tenant;
  delivery.payload = json::serialize(
      json::object{{"type", event}, {"timestamp", to_rfc3339(clock_.wall())}, {"data", data}});
  delivery.event = std::move(event);
  delivery.created_ms = delivery.next_ms = now_ms();
  return delivery;
}

Async<std::vector<std::string>> Webhooks::announce(Context& ctx, std::string tenant,
                                                   std::string event, std::string key,
                                                   json::object data) {
  const std::size_t bytes = json::serialize(data).size();
  if (bytes > options_.payload_bytes_max)
    co_return fail(Errc::payload_too_large, "webhook " + event + ": " + std::to_string(bytes) +
                                                " bytes are more than " +
                                                std::to_string(options_.payload_bytes_max));
  CO_TRY_VOID(co_await read_endpoints(ctx));
  std::vector<std::string> ids;
  const auto endpoints = endpoints_;  // others may read them anew meanwhile
  for (const WebhookEndpoint& endpoint : endpoints) {
    if (!wants(endpoint, tenant, event)) continue;
    Stored<Delivery> stored{make_delivery(endpoint, event, key, data), 0};
    ids.push_back(stored.value.id);
    CO_TRY(const auto ended, co_await load(ctx, kEnded, ids.back()));
    if (ended) continue;
    const auto saved = co_await save(ctx, stored);
    if (!saved && saved.error().code != Errc::conflict) co_return saved.error();
  }
  changed_.set();
  co_return ids;
}

Async<WebhookEndpoint> Webhooks::create(Context& ctx, WebhookEndpoint endpoint) {
  CO_TRY(const auto all, co_await list(ctx));
  if (all.size() >= options_.endpoints_max)
    co_return fail(Errc::exhausted, "webhook endpoints: there are " + std::to_string(all.size()) +
                                        " of at most " + std::to_string(options_.endpoints_max));
  endpoint.id = random_.id("whe", clock_.wall());
  endpoint.created_ms = now_ms();
  if (endpoint.secrets.empty()) endpoint.secrets.push_back({new_webhook_secret(), 0});
  CO_TRY_VOID(check(endpoint));
  Stored<WebhookEndpoint> stored{std::move(endpoint), 0};
  CO_TRY_VOID(co_await save_endpoint(ctx, stored));
  co_return std::move(stored.value);
}

Async<WebhookEndpoint> Webhooks::get(Context& ctx, std::string id) {
  CO_TRY(auto stored, co_await load_endpoint(ctx, id));
  if (!stored) co_return no_endpoint(id);
  co_return std::move(stored->value);
}

// Each end of a run asks for them: they are read every other second at most. One that another node
// made counts from then on.
Async<void> Webhooks::read_endpoints(Context& ctx) {
  if (clock_.now() < endpoints_until_) co_return Result<void>();
  CO_TRY(endpoints_, co_await list(ctx));
  endpoints_until_ = clock_.now() + kEndpointsKept;
  co_return Result<void>();
}

Async<std::vector<WebhookEndpoint>> Webhooks::list(Context& ctx) {
  std::string kind(kEndpoints), from;
  CO_TRY(const auto documents,
         co_await backend_.documents(ctx, std::move(kind), std::move(from), 1'000, false));
  std::vector<WebhookEndpoint> endpoints;
  for (const Document& document : documents) {
    CO_TRY(auto endpoint, webhook_endpoint_from_text(document.text));
    endpoints.push_back(std::move(endpoint));
  }
  co_return endpoints;
}

Async<WebhookEndpoint> Webhooks::update(Context& ctx, std::string id, Edit edit) {
  for (int round = 0;; ++round) {
    CO_TRY(auto stored, co_await load_endpoint(ctx, id));
    if (!stored) co_return no_endpoint(id);
    CO_TRY_VOID(edit(stored->value));
    CO_TRY_VOID(check(stored->value));
    const auto saved = co_await save_endpoint(ctx, *stored);
    if (saved) co_return std::move(stored->value);
    if (saved.error().code != Errc::conflict || round == kRoundsMax) co_return saved.error();
  }
}

Async<void> Webhooks::erase(Context& ctx, std::string id) {
  CO_TRY(const auto stored, co_await load_endpoint(ctx, id));
  if (!stored) co_return no_endpoint(id);
  endpoints_until_ = {};
  std::string kind(kEndpoints);
  co_return co_await backend_.erase(ctx, std::move(kind), std::move(id));
}

Async<Delivery> Webhooks::test(Context& ctx, std::string endpoint_id) {
  CO_TRY(const auto endpoint, co_await load_endpoint(ctx, endpoint_id));
  if (!endpoint) co_return no_endpoint(endpoint_id);
  const json::object data{{"message", "This is a test."}};
  const std::string key = random_.id("test", clock_.wall());
  Stored<Delivery> stored{make_delivery(endpoint->value, "webhook.test", key, data), 0};
  stored.value.attempts = 1;
  CO_TRY(auto verdict, co_await send(ctx, endpoint->value, stored.value));
  const bool delivered = verdict.next == WebhookVerdict::Next::delivered;
  stored.value.state = delivered ? Delivery::State::delivered : Delivery::State::failed;
  stored.value.log.push_back(std::move(verdict.attempt));
  CO_TRY_VOID(co_await move_to_ended(ctx, stored));
  co_return std::move(stored.value);
}

Async<Webhooks::Deliveries> Webhooks::deliveries(Context& ctx, std::string cursor, int limit) {
  Deliveries page;
  const bool known = cursor.empty() || cursor.starts_with("o:") || cursor.starts_with("e:");
  if (!known)
    co_return fail(Errc::invalid_argument, "cursor: '" + cursor.substr(0, 64) + "' is none",
                   "query");
  for (const bool open : {true, false}) {
    if (open && cursor.starts_with("e:")) continue;
    const int left = limit - static_cast<int>(page.deliveries.size());
    if (left == 0) break;
    std::string kind(open ? kOpen : kEnded), from;
    if (cursor.starts_with(open ? "o:" : "e:")) from = cursor.substr(2);
    CO_TRY(const auto documents,
           co_await backend_.documents(ctx, std::move(kind), std::move(from), left, true));
    for (const Document& document : documents) {
      CO_TRY(auto delivery, delivery_from_text(document.text));
      page.deliveries.push_back(std::move(delivery));
    }
    page.next_cursor.clear();
    if (static_cast<int>(documents.size()) == left)
      page.next_cursor = (open ? "o:" : "e:") + documents.back().id;
  }
  co_return page;
}

Async<Delivery> Webhooks::delivery(Context& ctx, std::string id) {
  for (const std::string_view kind : {kOpen, kEnded}) {
    CO_TRY(auto stored, co_await load(ctx, kind, id));
    if (stored) co_return std::move(stored->value);
  }
  co_return no_delivery(id);
}

Async<Delivery> Webhooks::redeliver(Context& ctx, std::string id) {
  CO_TRY(auto stored, co_await load(ctx, kOpen, id));
  if (!stored) {
    CO_TRY(stored, co_await load(ctx, kEnded, id));
    if (!stored) co_return no_delivery(id);
    stored->version = 0;
    stored->value.attempts = 0;
    stored->value.lease_until_ms = 0;
    stored->value.state = Delivery::State::pending;
  }
  stored->value.next_ms = now_ms();
  const auto saved = co_await save(ctx, *stored);
  // Somebody sends it at this moment: that is what was asked for.
  if (!saved && saved.error().code != Errc::conflict) co_return saved.error();
  std::string kind(kEnded);
  CO_TRY_VOID(co_await backend_.erase(ctx, std::move(kind), std::move(id)));
  changed_.set();
  co_return std::move(stored->value);
}

Async<std::optional<Webhooks::Stored<Delivery>>> Webhooks::load(Context& ctx, std::string_view kind,
                                                                std::string id) {
  std::string of(kind);
  CO_TRY(const auto document, co_await backend_.document(ctx, std::move(of), std::move(id)));
  if (!document) co_return std::nullopt;
  CO_TRY(auto delivery, delivery_from_text(document->text));
  co_return Stored<Delivery>{std::move(delivery), document->version};
}

Async<std::optional<Webhooks::Stored<WebhookEndpoint>>> Webhooks::load_endpoint(Context& ctx,
                                                                                std::string id) {
  std::string kind(kEndpoints);
  CO_TRY(const auto document, co_await backend_.document(ctx, std::move(kind), std::move(id)));
  if (!document) co_return std::nullopt;
  CO_TRY(auto endpoint, webhook_endpoint_from_text(document->text));
  co_return Stored<WebhookEndpoint>{std::move(endpoint), document->version};
}

Async<void> Webhooks::save(Context& ctx, Stored<Delivery>& stored) {
  Document document{std::string(kOpen), stored.value.id, to_text(stored.value), stored.version};
  CO_TRY(stored.version, co_await backend_.put(ctx, std::move(document)));
  note(stored.value, stored.version);
  co_return Result<void>();
}

Async<void> Webhooks::save_endpoint(Context& ctx, Stored<WebhookEndpoint>& stored) {
  Document document{std::string(kEndpoints), stored.value.id, to_text(stored.value),
                    stored.version};
  CO_TRY(stored.version, co_await backend_.put(ctx, std::move(document)));
  endpoints_until_ = {};
  co_return Result<void>();
}

void Webhooks::note(const Delivery& delivery, std::uint64_t version) {
  entries_[delivery.id] = {version, delivery.endpoint_id,
                           std::max(delivery.next_ms, delivery.lease_until_ms)};
}

Async<void> Webhooks::refresh(Context& ctx) {
  std::map<std::string, Entry> seen;
  std::string cursor;
  for (;;) {
    std::string kind(kOpen), from = cursor;
    CO_TRY(const auto documents,
           co_await backend_.documents(ctx, std::move(kind), std::move(from), kPage, false));
    for (const Document& document : documents) {
      const auto known = entries_.find(document.id);
      if (known != entries_.end() && known->second.version >= document.version) {
        seen.insert(*known);
        continue;
      }
      const auto delivery = delivery_from_text(document.text);
      Entry entry{document.version, {}, kNever};  // one that cannot be read stays as it is
      if (delivery)
        entry = {document.version, delivery->endpoint_id,
                 std::max(delivery->next_ms, delivery->lease_until_ms)};
      seen[document.id] = std::move(entry);
    }
    if (documents.size() < static_cast<std::size_t>(kPage)) break;
    cursor = documents.back().id;
  }
  entries_ = std::move(seen);
  if (breakers_.size() > kBreakersMax && under_way_.empty()) breakers_.clear();
  refresh_at_ = clock_.now() + options_.refresh;
  co_return Result<void>();
}

Async<Duration> Webhooks::tick(Context& ctx) {
  if (clock_.now() >= refresh_at_) CO_TRY_VOID(co_await refresh(ctx));
  const UnixMs now = now_ms();
  UnixMs wake = now + 1'000;  // also how soon a jump of the clock is seen
  for (const auto& [id, entry] : entries_) {
    if (under_way_.contains(id)) continue;
    if (entry.wake_ms > now) {
      wake = std::min(wake, entry.wake_ms);
      continue;
    }
    // One that finds no room is begun when another ends.
    if (static_cast<int>(under_way_.size()) >= options_.parallel_max) break;
    if (busy_[entry.endpoint_id] >= options_.parallel_per_endpoint_max) continue;
    ++busy_[entry.endpoint_id];
    under_way_.insert(id);
    scope_.spawn("webhook", attempt_in_background(id, entry.endpoint_id));
  }
  co_return milliseconds(std::max<UnixMs>(wake - now, 0));
}

asio::awaitable<void> Webhooks::attempt_in_background(std::string id, std::string endpoint_id) {
  Context ctx = Context(clock_, executor_)
                    .with_cancel(stopping_)
                    .with_timeout(options_.timeout + 2 * kCallTime, "delivery of a webhook");
  const auto done = co_await attempt(ctx, id);
  if (!done && done.error().code != Errc::conflict) {
    const Error error = done.error();
    log_.write(ctx.ids(), {.level = observe::Level::warning,
                           .action = "webhook.deliver",
                           .status = "postponed",
                           .details = {{"delivery", id}},
                           .error = &error});
    const auto entry = entries_.find(id);
    if (entry != entries_.end())
      entry->second.wake_ms = std::max(entry->second.wake_ms, now_ms() + 1'000);
  }
  if (!done && done.error().code == Errc::conflict) refresh_at_ = clock_.now();
  under_way_.erase(id);
  if (--busy_[endpoint_id] == 0) busy_.erase(endpoint_id);
  changed_.set();
}

net::CircuitBreaker& Webhooks::breaker_of(const std::string& origin) {
  auto& breaker = breakers_[origin];
  if (!breaker)
    breaker = std::make_unique<net::CircuitBreaker>(
        clock_, net::CircuitBreaker::Options{.failures = kFailuresToOpen});
  return *breaker;
}

Async<void> Webhooks::attempt(Context& ctx, std::string id) {
  CO_TRY(auto stored, co_await load(ctx, kOpen, id));
  if (!stored) {
    entries_.erase(id);
    co_return Result<void>();
  }
  Delivery& delivery = stored->value;
  note(delivery, stored->version);
  if (delivery.state != Delivery::State::pending) co_return co_await move_to_ended(ctx, *stored);
  if (std::max(delivery.next_ms, delivery.lease_until_ms) > now_ms()) co_return Result<void>();
  std::string endpoint_id = delivery.endpoint_id;
  CO_TRY(const auto endpoint, co_await load_endpoint(ctx, std::move(endpoint_id)));
  if (!endpoint || !endpoint->value.enabled) {
    auto verdict = given_up(endpoint ? "the endpoint is disabled" : "the endpoint was deleted");
    co_return co_await conclude(ctx, *stored, std::move(verdict));
  }
  CO_TRY(const net::Url url, net::parse_url(endpoint->value.url));
  net::CircuitBreaker& breaker = breaker_of(url.origin());
  auto permit = breaker.enter();
  if (!permit) {
    entries_[id].wake_ms = now_ms() + ms_of(breaker.closed_for()) + 100;
    co_return Result<void>();
  }
  ++delivery.attempts;
  delivery.lease_until_ms = now_ms() + ms_of(options_.timeout + kCallTime);
  CO_TRY_VOID(co_await save(ctx, *stored));
  auto sent = co_await send(ctx, endpoint->value, delivery);
  Context rest = ctx.for_cleanup(kCallTime, "note of a webhook's delivery");
  if (!sent) {  // this node stops: another one begins anew
    --delivery.attempts;
    delivery.lease_until_ms = 0;
    co_return co_await save(rest, *stored);
  }
  if (sent->receiver_fails)
    permit->failed();
  else
    permit->succeeded();
  co_return co_await conclude(rest, *stored, std::move(*sent));
}

// A failure of the delivery is a verdict; only that this node stops is an error.
Async<WebhookVerdict> Webhooks::send(Context& ctx, const WebhookEndpoint& endpoint,
                                     const Delivery& delivery) {
  const UnixMs began = now_ms();
  net::HttpCall call;
  call.method = "POST";
  call.url = endpoint.url;
  call.headers = signature_headers(endpoint, delivery, began);
  call.headers.emplace_back("content-type", "application/json");
  call.headers.emplace_back("user-agent", "troupe/" TROUPE_VERSION);
  call.body = delivery.payload;
  call.response_bytes_max = kAnswerBytesMax;
  Context limited = ctx.with_timeout(options_.timeout, "webhook");
  const auto reply = co_await client_.send(limited, std::move(call));
  if (!reply && reply.error().code == Errc::cancelled) co_return reply.error();
  auto verdict = judge(reply, delivery.attempts, options_.policy, clock_.wall(), random_.unit());
  verdict.attempt.at_ms = began;
  verdict.attempt.took_ms = now_ms() - began;
  co_return verdict;
}

Async<void> Webhooks::conclude(Context& ctx, Stored<Delivery>& stored, WebhookVerdict verdict) {
  using Next = WebhookVerdict::Next;
  Delivery& delivery = stored.value;
  if (verdict.attempt.at_ms == 0) verdict.attempt.at_ms = now_ms();
  log_.write(ctx.ids(), {.level = verdict.next == Next::delivered ? observe::Level::info
                                                                  : observe::Level::warning,
                         .action = "webhook.deliver",
                         .status = verdict.next == Next::delivered ? "ok"
                                   : verdict.next == Next::retry   ? "retrying"
                                                                   : "failed",
                         .details = {{"delivery", delivery.id},
                                     {"endpoint", delivery.endpoint_id},
                                     {"attempt", delivery.attempts},
                                     {"status", verdict.attempt.status},
                                     {"why", verdict.attempt.error}}});
  delivery.log.insert(delivery.log.begin(), std::move(verdict.attempt));
  delivery.lease_until_ms = 0;
  if (verdict.next == Next::retry) {
    delivery.next_ms = now_ms() + verdict.pause_ms;
    co_return co_await save(ctx, stored);
  }
  delivery.state =
      verdict.next == Next::delivered ? Delivery::State::delivered : Delivery::State::failed;
  CO_TRY_VOID(co_await save(ctx, stored));
  if (verdict.next == Next::disable) {
    std::string endpoint_id = delivery.endpoint_id;
    std::string reason = "the receiver answered 410";
    CO_TRY_VOID(co_await disable(ctx, std::move(endpoint_id), std::move(reason)));
  }
  co_return co_await move_to_ended(ctx, stored);
}

Async<void> Webhooks::move_to_ended(Context& ctx, Stored<Delivery>& stored) {
  const std::string id = stored.value.id;
  CO_TRY(const auto ended, co_await load(ctx, kEnded, id));
  Document document{std::string(kEnded), id, to_text(stored.value), ended ? ended->version : 0};
  CO_TRY_VOID(co_await backend_.put(ctx, std::move(document)));
  entries_.erase(id);
  std::string kind(kOpen), of = id;
  co_return co_await backend_.erase(ctx, std::move(kind), std::move(of));
}

Async<void> Webhooks::disable(Context& ctx, std::string endpoint_id, std::string reason) {
  Edit edit = [reason](WebhookEndpoint& endpoint) {
    endpoint.enabled = false;
    endpoint.disabled_reason = reason;
    return Result<void>();
  };
  const auto done = co_await update(ctx, std::move(endpoint_id), std::move(edit));
  if (!done && done.error().code != Errc::not_found) co_return done.error();
  co_return Result<void>();
}

Async<std::int64_t> Webhooks::sweep(Context& ctx) {
  const UnixMs oldest = now_ms() - ms_of(options_.kept);
  std::size_t seen = 0;
  std::int64_t erased = 0;
  std::string cursor;
  for (;;) {
    std::string kind(kEnded), from = cursor;
    CO_TRY(const auto documents,
           co_await backend_.documents(ctx, std::move(kind), std::move(from), kPage, true));
    for (const Document& document : documents) {
      const auto delivery = delivery_from_text(document.text);
      if (++seen <= options_.kept_max && delivery && delivery->created_ms >= oldest) continue;
      std::string of(kEnded), id = document.id;
      CO_TRY_VOID(co_await backend_.erase(ctx, std::move(of), std::move(id)));
      ++erased;
    }
    if (documents.size() < static_cast<std::size_t>(kPage)) co_return erased;
    cursor = documents.back().id;
  }
}

void Webhooks::start() {
  if (std::exchange(started_, true)) return;
  scope_.spawn("webhooks", run());
}

asio::awaitable<void> Webhooks::run() {
  const Context base = Context(clock_, executor_).with_cancel(stopping_);
  while (!stopping_.is_cancelled()) {
    changed_.reset();
    Context turn = base.with_timeout(seconds(60), "tick of the webhooks");
    std::optional<Error> error;
    const auto pause = co_await tick(turn);
    if (!pause) error = pause.error();
    if (pause && clock_.now() >= sweep_at_) {
      const auto swept = co_await sweep(turn);
      if (!swept) error = swept.error();
      sweep_at_ = clock_.now() + minutes(10);
    }
    if (error && !stopping_.is_cancelled())
      log_.write({}, {.level = observe::Level::warning,
                      .action = "webhook.tick",
                      .status = "failed",
                      .error = &*error});
    const Duration wait = pause ? *pause : seconds(1);
    Context limited = base.with_timeout(std::max<Duration>(wait, milliseconds(10)), "pause");
    (void)co_await changed_.wait(limited);
  }
}

asio::awaitable<void> Webhooks::stop() {
  stopping_.cancel(fail(Errc::cancelled, "webhooks: stopping"));
  Context ctx = Context(clock_, executor_).with_timeout(seconds(20), "end of the webhooks");
  (void)co_await scope_.join(ctx);
}

}  // namespace troupe::tasks
