#include "net/redis_client.h"

#include <algorithm>
#include <deque>

#include "base/random.h"
#include "net/connect.h"
#include "net/redis_connect.h"

namespace troupe::net {
namespace {

constexpr std::size_t kReadBytes = std::size_t{64} << 10;
constexpr int kRedirectionsMax = 5;

void end_of_coroutine(std::exception_ptr exception) {
  if (exception) die_of_bug("redis client", exception);
}

// `MOVED 3999 10.0.0.7:6381`; without a host it is the one that answered.
std::optional<RedisAddress> redirection(const RedisValue& answer, const RedisAddress& from) {
  const auto space = answer.text.rfind(' ');
  const auto colon = answer.text.rfind(':');
  if (space == std::string::npos || colon == std::string::npos || colon < space)
    return std::nullopt;
  RedisAddress to{.host = answer.text.substr(space + 1, colon - space - 1),
                  .port = answer.text.substr(colon + 1)};
  if (to.host.empty()) to.host = from.host;
  return to;
}

bool is_for_good(Errc code) {
  return code == Errc::unauthenticated || code == Errc::permission_denied ||
         code == Errc::unsupported || code == Errc::invalid_argument;
}

// What one caller sent and waits for.
struct Call {
  std::size_t expected = 1;
  bool was_sent = false;
  bool subscribes = false;  // answered by a push, unless it is refused
  std::vector<RedisValue> answers;
  Promise<std::vector<RedisValue>> done;
};

// One connection, from greeting to end.
struct Link {
  struct Pending {
    std::shared_ptr<Call> call;
    std::uint64_t begin = 0;  // where its bytes begin in all that is written
  };
  std::unique_ptr<ByteStream> stream;
  RedisParser parser;
  RedisAddress address;
  std::deque<Pending> pending;
  std::string out;
  std::uint64_t queued = 0, written = 0;  // bytes
  SteadyTime progress;
  SteadyTime heard;
  bool flushing = false;  // a flush is posted
  bool writing = false;   // write_rest() runs
  bool has_answered = false;
  bool leaving = false;  // takes no more commands: ends when all are answered
  std::optional<Error> broken;

  void break_off(Error why) {
    if (broken) return;
    broken = std::move(why);
    stream->close();
    for (Pending& one : std::exchange(pending, {})) {
      one.call->was_sent = one.begin < written;
      one.call->done.set(*broken);
    }
  }
};

struct Subscription {
  std::function<void(std::string_view)> message;
  std::function<void()> again;
};

}  // namespace

struct RedisClient::State final : std::enable_shared_from_this<State> {
  State(asio::any_io_executor e, Clock& c, RedisClientOptions o)
      : executor(std::move(e)), clock(c), options(std::move(o)), random(Random::from_system()) {}

  bool is_ready() const { return link && !link->broken && !link->leaving; }
  void stop();
  Result<std::shared_ptr<Call>> submit(const std::vector<RedisCommand>& commands);
  void flush_soon(std::shared_ptr<Link> to);
  void flush(std::shared_ptr<Link> to);
  static asio::awaitable<void> write_rest(std::shared_ptr<State> self, std::shared_ptr<Link> link);
  static asio::awaitable<void> run(std::shared_ptr<State> self);
  static asio::awaitable<void> serve(std::shared_ptr<State> self, std::shared_ptr<Link> link);
  Result<void> take_answers(Link& from);
  void take_push(Link& from, const RedisValue& push);
  void subscribe(std::string_view channel);
  void look_after(Link& link);
  Duration pause();
  Async<void> wait_ready(Context& ctx);

  asio::any_io_executor executor;
  Clock& clock;
  RedisClientOptions options;
  Random random;
  RedisClientCounters counters;
  CancelSource stopper;
  std::shared_ptr<Link> link;
  std::optional<RedisAddress> moved;
  std::optional<Error> failure;
  std::string server;
  std::map<std::string, Subscription, std::less<>> subscriptions;
  std::size_t waiting = 0;
  int failures = 0;
  bool stopped = false;
  Event changed;
  Event ended;
};

void RedisClient::State::stop() {
  if (stopped) return;
  stopped = true;
  subscriptions.clear();
  const Error reason = fail(Errc::cancelled, "redis: the client is closed");
  failure = reason;
  if (link) link->break_off(reason);
  stopper.cancel(reason);
  changed.pulse();
}

Result<std::shared_ptr<Call>> RedisClient::State::submit(
    const std::vector<RedisCommand>& commands) {
  if (link->pending.size() + waiting >= options.commands_max)
    return fail(Errc::exhausted, "redis: " + std::to_string(options.commands_max) +
                                     " commands wait for their answers already");
  const std::uint64_t unsent = link->queued - link->written;
  if (unsent > 0 && unsent > options.bytes_max)
    return fail(Errc::exhausted, "redis: " + std::to_string(unsent) + " bytes wait to be sent");
  auto call = std::make_shared<Call>();
  call->expected = commands.size();
  const std::size_t before = link->out.size();
  for (const RedisCommand& command : commands) command.append_to(link->out);
  if (link->pending.empty()) link->progress = clock.now();
  link->pending.push_back({call, link->queued});
  link->queued += link->out.size() - before;
  counters.commands += commands.size();
  flush_soon(link);
  return call;
}

// Not at once: what others ask in the same turn of the loop goes along.
void RedisClient::State::flush_soon(std::shared_ptr<Link> to) {
  if (to->flushing || to->writing) return;
  to->flushing = true;
  asio::post(executor, [self = shared_from_this(), to = std::move(to)] {
    to->flushing = false;
    self->flush(to);
  });
}

void RedisClient::State::flush(std::shared_ptr<Link> to) {
  if (to->broken || to->writing || to->out.empty()) return;
  boost::system::error_code error;
  const std::size_t size = to->stream->write_now(to->out, error);
  if (error) return to->break_off(network_failure(error, "redis " + to->address.text()));
  to->written += size;
  if (size == to->out.size()) {
    to->out.clear();
    if (to->out.capacity() > (std::size_t{1} << 20)) to->out.shrink_to_fit();
    return;
  }
  to->out.erase(0, size);
  to->writing = true;
  asio::co_spawn(executor, write_rest(shared_from_this(), std::move(to)), end_of_coroutine);
}

asio::awaitable<void> RedisClient::State::write_rest(std::shared_ptr<State> self,
                                                     std::shared_ptr<Link> link) {
  while (!link->broken && !link->out.empty()) {
    const std::string sending = std::exchange(link->out, {});
    std::string_view rest = sending;
    while (!rest.empty() && !link->broken) {
      boost::system::error_code error;
      const std::size_t size = co_await link->stream->write(rest, error);
      if (error) {
        link->break_off(network_failure(error, "redis " + link->address.text()));
        co_return;
      }
      rest.remove_prefix(size);
      link->written += size;
      link->progress = self->clock.now();
    }
  }
  link->writing = false;
}

Duration RedisClient::State::pause() {
  const int doublings = std::min(failures++, 20);
  const Duration least = options.pause_least / 2;
  const Duration most = std::min(options.pause_most, options.pause_least * (1 << doublings));
  const auto spread = std::max<Duration>(most - least, Duration::zero()).count();
  return least + Duration(random.between(0, spread));
}

asio::awaitable<void> RedisClient::State::run(std::shared_ptr<State> self) {
  const Context base(self->clock, self->executor);
  Context ctx = base.with_cancel(self->stopper);
  while (!self->stopped) {
    ++self->counters.attempts;
    auto connected = co_await connect_redis(ctx, self->options, self->moved);
    const SteadyTime begin = self->clock.now();
    if (self->stopped) break;
    if (connected) {
      ++self->counters.connections;
      auto link = std::make_shared<Link>();
      link->stream = std::move(connected->stream);
      link->parser = std::move(connected->parser);
      link->address = std::move(connected->address);
      link->progress = link->heard = begin;
      self->server = link->address.text();
      self->link = link;
      self->failure.reset();
      for (const auto& one : self->subscriptions) self->subscribe(one.first);
      self->changed.pulse();
      co_await serve(self, link);
      self->failure = link->broken;
      // Whoever answered something is worth to be asked again soon.
      if (link->has_answered) self->failures = 0;
    } else {
      self->failure = connected.error();
      self->moved.reset();
    }
    self->changed.pulse();
    if (self->stopped) break;
    (void)co_await sleep_for(ctx, self->pause());
  }
  self->ended.set();
}

// Reads until the connection ends.
asio::awaitable<void> RedisClient::State::serve(std::shared_ptr<State> self,
                                                std::shared_ptr<Link> link) {
  std::function<void()> tick;
  Timer timer;
  const Duration every = std::min(self->options.ping_interval, self->options.stall_timeout) / 2;
  tick = [&] {
    self->look_after(*link);
    if (!link->broken) timer = Timer(self->clock, self->clock.now() + every, tick);
  };
  timer = Timer(self->clock, self->clock.now() + every, tick);
  while (!link->broken) {
    ReadBuffer buffer;
    const auto error = co_await link->stream->read(buffer, kReadBytes);
    if (link->broken) break;
    if (error) {
      link->break_off(network_failure(error, "redis " + link->address.text()));
      break;
    }
    link->heard = link->progress = self->clock.now();
    link->parser.feed(std::string_view(buffer.bytes.get(), buffer.size));
    const auto taken = self->take_answers(*link);
    if (!taken) link->break_off(taken.error());
    if (link->leaving && link->pending.empty())
      link->break_off(fail(Errc::unavailable,
                           "redis " + link->address.text() + ": another server is responsible"));
  }
}

// Takes apart what was read. Nobody is resumed in here: their turns are posted.
Result<void> RedisClient::State::take_answers(Link& from) {
  for (;;) {
    TRY(auto value, from.parser.next());
    if (!value) return {};
    if (value->kind == RedisValue::Kind::push) {
      take_push(from, *value);
      if (from.broken) return {};
      continue;
    }
    if (from.pending.empty())
      return fail(Errc::protocol_error,
                  "redis " + from.address.text() + ": answers what was not asked");
    from.has_answered = from.has_answered || !value->is_error();
    if (value->is_error("MOVED")) moved = redirection(*value, from.address);
    if (value->is_error("MOVED") || value->is_error("READONLY")) from.leaving = true;
    Call& call = *from.pending.front().call;
    call.answers.push_back(std::move(*value));
    if (call.answers.size() < call.expected) continue;
    call.done.set(std::move(call.answers));
    from.pending.pop_front();
  }
}

void RedisClient::State::take_push(Link& from, const RedisValue& push) {
  if (push.items.size() < 3) return;
  if (push.items[0].text == "subscribe" && !from.pending.empty() &&
      from.pending.front().call->subscribes)
    from.pending.pop_front();
  const auto found = subscriptions.find(push.items[1].text);
  if (found == subscriptions.end()) return;
  // Copies: the handler may change or end the subscription.
  if (push.items[0].text == "message") {
    const auto handler = found->second.message;
    if (handler) handler(push.items[2].text);
  } else if (push.items[0].text == "subscribe") {
    const auto handler = found->second.again;
    if (handler) handler();
  }
}

void RedisClient::State::subscribe(std::string_view channel) {
  RedisCommand command("SUBSCRIBE");
  command.add(channel);
  std::vector<RedisCommand> one;
  one.push_back(std::move(command));
  if (const auto call = submit(one)) (*call)->subscribes = true;
}

void RedisClient::State::look_after(Link& link) {
  const SteadyTime now = clock.now();
  if (!link.pending.empty() && now - link.progress >= options.stall_timeout) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(options.stall_timeout);
    return link.break_off(fail(Errc::network_error, "redis " + link.address.text() +
                                                        ": has not answered for " +
                                                        std::to_string(ms.count()) + " ms"));
  }
  if (link.pending.empty() && now - link.heard >= options.ping_interval && !link.leaving)
    (void)submit({RedisCommand("PING")});
}

Async<void> RedisClient::State::wait_ready(Context& ctx) {
  while (!is_ready()) {
    if (stopped) co_return *failure;
    if (failure && is_for_good(failure->code)) co_return *failure;
    if (waiting >= options.commands_max)
      co_return fail(Errc::exhausted, "redis: " + std::to_string(waiting) +
                                          " commands wait for a connection already");
    ++waiting;
    const auto waited = co_await changed.wait(ctx);
    --waiting;
    if (waited) continue;
    if (waited.error().code != Errc::timeout) co_return waited.error();
    co_return fail(Errc::unavailable,
                   "redis: not connected: " + (failure ? failure->message : "still connecting"),
                   waited.error().source);
  }
  co_return Result<void>{};
}

RedisClient::RedisClient(asio::any_io_executor executor, Clock& clock, RedisClientOptions options)
    : state_(std::make_shared<State>(std::move(executor), clock, std::move(options))) {
  asio::co_spawn(state_->executor, State::run(state_), end_of_coroutine);
}

RedisClient::~RedisClient() { state_->stop(); }

asio::awaitable<void> RedisClient::close() {
  const auto state = state_;
  state->stop();
  Context unbounded(state->clock, state->executor);
  (void)co_await state->ended.wait(unbounded);
}

Async<void> RedisClient::connected(Context& ctx) {
  const auto state = state_;
  co_return co_await state->wait_ready(ctx);
}

Async<RedisValue> RedisClient::command(Context& ctx, RedisCommand command) {
  std::vector<RedisCommand> one;
  one.push_back(std::move(command));
  CO_TRY(auto answers, co_await pipeline(ctx, std::move(one)));
  if (answers[0].is_error()) co_return redis_error("redis", answers[0].text);
  co_return std::move(answers[0]);
}

namespace {

const RedisValue* find_error(const std::vector<RedisValue>& answers, std::string_view word) {
  const auto found = std::ranges::find_if(
      answers, [&](const RedisValue& answer) { return answer.is_error(word); });
  return found == answers.end() ? nullptr : &*found;
}

// A slot on its way to another node: that node is asked this once.
Async<std::vector<RedisValue>> ask_once(Context& ctx, RedisClientOptions options,
                                        RedisAddress address, std::vector<RedisCommand> commands) {
  options.url.addresses = {std::move(address)};
  CO_TRY(auto link, co_await connect_redis(ctx, std::move(options), std::nullopt));
  std::vector<RedisValue> answers;
  for (RedisCommand& command : commands) {
    RedisCommand asking("ASKING");
    CO_TRY(const auto accepted, co_await ask_redis(ctx, link, std::move(asking)));
    if (accepted.is_error()) co_return redis_error("redis", accepted.text);
    CO_TRY(auto answer, co_await ask_redis(ctx, link, std::move(command)));
    answers.push_back(std::move(answer));
  }
  co_return answers;
}

}  // namespace

Async<std::vector<RedisValue>> RedisClient::pipeline(Context& ctx,
                                                     std::vector<RedisCommand> commands) {
  const auto state = state_;
  for (int redirections = 0;;) {
    CO_TRY_VOID(co_await state->wait_ready(ctx));
    const auto link = state->link;
    CO_TRY(const auto call, state->submit(commands));
    auto answers = co_await call->done.wait(ctx);
    // What never left can be sent again; the break of the connection is not its own.
    if (!answers && call->done.is_set() && !call->was_sent && !state->stopped) continue;
    if (!answers) co_return answers.error();
    const RedisValue* ask = find_error(*answers, "ASK");
    if (!find_error(*answers, "MOVED") && !ask) co_return std::move(*answers);
    ++state->counters.redirections;
    if (++redirections > kRedirectionsMax)
      co_return fail(Errc::unavailable,
                     "redis: redirected more than " + std::to_string(kRedirectionsMax) + " times");
    if (!ask) continue;
    auto target = redirection(*ask, link->address);
    if (!target) co_return fail(Errc::protocol_error, "redis: " + ask->text);
    co_return co_await ask_once(ctx, state->options, std::move(*target), std::move(commands));
  }
}

void RedisClient::subscribe(std::string channel, std::function<void(std::string_view)> message,
                            std::function<void()> again) {
  State& state = *state_;
  state.subscriptions[channel] = {std::move(message), std::move(again)};
  if (state.is_ready()) state.subscribe(channel);
}

bool RedisClient::is_connected() const { return state_->is_ready(); }
const RedisClientCounters& RedisClient::counters() const { return state_->counters; }
std::string RedisClient::server() const { return state_->server; }
std::string RedisClient::last_failure() const {
  return state_->failure ? state_->failure->message : std::string();
}

}  // namespace troupe::net
