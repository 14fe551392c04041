#include "sessions/browserbase_account.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/digest.h"
#include "base/json.h"
#include "sessions/browserbase_mapping.h"

namespace troupe::sessions {
namespace {

using services::RemoteFailure;
using services::RemoteSession;

constexpr auto kJournalTimeout = std::chrono::seconds(5);
constexpr auto kLimitTimeout = std::chrono::seconds(5);
constexpr auto kLimitFresh = std::chrono::minutes(10);
constexpr auto kCrowdedFirst = std::chrono::milliseconds(500);
constexpr auto kCrowdedMax = std::chrono::seconds(5);
constexpr int kSearchesInCreate = 3;
constexpr int kWarnAfter = 6;
constexpr auto kReleaseTimeout = std::chrono::seconds(8);
constexpr auto kLastLookTimeout = std::chrono::seconds(3);

// `… (limit 3, currently 3)` in the words of a refusal.
std::optional<int> limit_named_in(std::string_view text) {
  constexpr std::string_view mark = "limit ";
  for (auto at = text.find(mark); at != std::string_view::npos; at = text.find(mark, at + 1)) {
    int value = 0;
    const char* begin = text.data() + at + mark.size();
    if (std::from_chars(begin, text.data() + text.size(), value).ec == std::errc() && value > 0)
      return value;
  }
  return std::nullopt;
}

// An answer need not repeat the metadata; what it repeats must be ours.
bool is_about(const RemoteSession& session, const std::string& id) {
  const auto told = find_string(session.user_metadata, kSessionKey);
  return !told || *told == id;
}

}  // namespace

std::string browserbase_account_name(const std::string& base_url, const std::string& api_key) {
  return to_hex(sha256(base_url + "\n" + api_key).substr(0, 8));
}

BrowserbaseAccount::BrowserbaseAccount(Clock& clock, asio::any_io_executor executor,
                                       observe::Log& log,
                                       std::unique_ptr<services::BrowserbaseClient> client,
                                       BrowserbaseAccountOptions options)
    : clock_(clock),
      executor_(executor),
      log_(log),
      client_(std::move(client)),
      options_(std::move(options)),
      intents_(options_.data_dir, {}, options_.account),
      scope_(executor) {}

void BrowserbaseAccount::note(observe::Level level, std::string_view action,
                              std::string_view status, std::vector<observe::Detail> details,
                              const Error* error) {
  details.emplace_back("provider", "browserbase");
  log_.write({}, {.level = level,
                  .action = action,
                  .status = status,
                  .details = std::move(details),
                  .error = error});
}

int BrowserbaseAccount::room() const {
  if (crowded_until_ > clock_.now()) return 0;
  std::int64_t places = limit_ ? *limit_ - live_ - others_ - coming_ : 1'000'000;
  const bool limits_known = limit_asked_at_ != SteadyTime{} && !asking_limit_;
  if (!limits_known) places = std::min<std::int64_t>(places, 1 - coming_);
  if (const auto left = client_->creation_rate().remaining)
    places = std::min(places, *left - unsent_);
  return static_cast<int>(std::max<std::int64_t>(places, 0));
}

void BrowserbaseAccount::wake_first() {
  if (!queue_.empty()) queue_.front()->moved.pulse();
}

// First come, first served: only the first in line looks at the limit.
Async<void> BrowserbaseAccount::take_place(Context& ctx, bool first_in_line) {
  Waiter me;
  const auto place = queue_.insert(first_in_line ? queue_.begin() : queue_.end(), &me);
  Result<void> result = ctx.check();
  while (result && !closed_) {
    const bool is_first = queue_.front() == &me;
    Duration pause = crowded_until_ - clock_.now();
    if (is_first && pause <= Duration::zero() && has_place()) break;
    if (is_first && is_crowded_out()) {
      const Duration fresh = others_counted_at_ + options_.recount_every - clock_.now();
      if (fresh <= Duration::zero()) {
        co_await count_others(ctx);
        result = ctx.check();
        continue;
      }
      pause = std::max(pause, fresh);
    }
    if (is_first && pause > Duration::zero()) {
      Context brief = ctx.with_timeout(pause, "browserbase place");
      (void)co_await me.moved.wait(brief);
      result = ctx.check();
    } else {
      result = co_await me.moved.wait(ctx);
    }
  }
  queue_.erase(place);
  if (closed_) result = fail(Errc::draining, "browserbase: shutting down, no new sessions");
  if (result) ++live_;
  wake_first();
  if (!result && result.error().code == Errc::timeout)
    co_return fail(Errc::exhausted,
                   "browserbase: no place became free in time" +
                       (limit_ ? " (" + std::to_string(live_) + " of " + std::to_string(*limit_) +
                                     " sessions are in use here)"
                               : std::string()),
                   "session", "use fewer sessions at once, or raise session_create_timeout");
  co_return result;
}

void BrowserbaseAccount::give_place() {
  --live_;
  crowded_until_ = clock_.now();
  wake_first();
  place_given_.pulse();
}

Async<void> BrowserbaseAccount::released(Context& ctx, std::string id) {
  while (intents_.is_unsettled(id)) CO_TRY_VOID(co_await place_given_.wait(ctx));
  co_return Result<void>{};
}

// The account is full, though not by what is known here: others use it, too.
void BrowserbaseAccount::learn_from_refusal(const Error& refusal) {
  if (const auto named = limit_named_in(refusal.message)) limit_ = named;
  crowded_pause_ =
      std::clamp<Duration>(crowded_pause_ * 2, Duration(kCrowdedFirst), Duration(kCrowdedMax));
  crowded_until_ = clock_.now() + crowded_pause_;
}

// Nobody tells when one of them ends. Without an answer, refusals tell how many there are.
asio::awaitable<void> BrowserbaseAccount::count_others(Context& ctx) {
  Context limited = ctx.with_timeout(kLimitTimeout, "browserbase sessions");
  services::SessionQuery query{.status = services::RemoteStatus::running};
  const auto running = co_await client_->list_sessions(limited, std::move(query));
  others_ = 0;
  others_counted_at_ = clock_.now();
  if (!running) co_return;
  for (const auto& session : *running)
    if (!intents_.is_unsettled(
            std::string(find_string(session.user_metadata, kSessionKey).value_or(""))))
      ++others_;
}

// One asks, the others wait for the answer. Without one, refusals tell.
asio::awaitable<void> BrowserbaseAccount::learn_limit(Context& ctx) {
  Context limited = ctx.with_timeout(kLimitTimeout, "browserbase limits");
  if (asking_limit_) {
    (void)co_await limit_asked_.wait(limited);
    co_return;
  }
  const auto now = clock_.now();
  if (limit_asked_at_ != SteadyTime{} && now - limit_asked_at_ < kLimitFresh) co_return;
  asking_limit_ = true;
  limit_asked_at_ = now;
  std::optional<std::int64_t> concurrency;
  if (options_.project_id.empty()) {
    const auto projects = co_await client_->list_projects(limited);
    if (projects && projects->size() == 1) concurrency = projects->front().concurrency;
  } else {
    std::string id = options_.project_id;
    const auto project = co_await client_->get_project(limited, std::move(id));
    if (project) concurrency = project->concurrency;
  }
  if (concurrency && *concurrency > 0) limit_ = static_cast<int>(*concurrency);
  if (limit_) co_await count_others(limited);
  asking_limit_ = false;
  limit_asked_.pulse();
}

Async<RemoteSession> BrowserbaseAccount::create(Context& ctx, std::string id, SessionSpec spec) {
  if (closed_) co_return fail(Errc::draining, "browserbase: shutting down, no new sessions");
  ++coming_;
  ++unsent_;
  auto created = co_await create_counted(ctx, std::move(id), std::move(spec));
  co_return created;
}

// Has to count `coming_` down.
Async<RemoteSession> BrowserbaseAccount::create_counted(Context& ctx, std::string id,
                                                        SessionSpec spec) {
  Result<void> ready = co_await intents_.open(ctx);
  Result<services::CreateSession> request = services::CreateSession{};
  if (ready) request = browserbase_request(spec, id, intents_.install_id());
  if (ready && !request) ready = request.error();
  if (ready) {
    used_ = true;
    co_await learn_limit(ctx);
    ready = co_await take_place(ctx, false);
  }
  --coming_;
  if (!ready) --unsent_;
  if (!ready) co_return ready.error();
  SessionIntent intent{.id = id,
                       .provider = "browserbase",
                       .tenant = spec.tenant,
                       .account = options_.account,
                       .at_unix_ms = to_unix_ms(clock_.wall())};
  auto intended = co_await intents_.intend(ctx, std::move(intent));
  --unsent_;
  if (!intended) {
    give_place();
    co_return intended.error();
  }
  co_return co_await post(ctx, id, std::move(*request));
}

// The intent is on disk and a place is held; both are given up again when nothing was created.
Async<RemoteSession> BrowserbaseAccount::post(Context& ctx, const std::string& id,
                                              services::CreateSession request) {
  std::optional<Error> refusal;
  for (;;) {
    // Time is left to look for a session whose answer does not come.
    const Duration patience = std::min<Duration>(ctx.remaining(), std::chrono::seconds(90)) * 2 / 3;
    Context limited = ctx.with_timeout(patience, "browserbase session creation");
    services::CallNote call;
    services::CallOptions options{.note = &call};
    services::CreateSession copy = request;
    auto made = co_await client_->create_session(limited, std::move(copy), options);
    if (made && !is_about(*made, id)) {
      made = fail(Errc::protocol_error, "browserbase: answered about another session", "session");
      call.may_be_applied = true;
    }
    Context cleanup = ctx.for_cleanup(kJournalTimeout, "session journal");
    if (made) {
      crowded_pause_ = {};
      const auto written = co_await intents_.answered(cleanup, id, made->id);
      if (!written) {
        const Error error = written.error();
        note(observe::Level::warning, "session.journal", "failed", {{"session", id}}, &error);
      }
      co_return made;
    }
    if (call.failure == RemoteFailure::concurrency) {
      refusal = made.error();
      learn_from_refusal(*refusal);
      --live_;
      const auto placed = co_await take_place(ctx, true);
      if (placed) continue;
      (void)co_await intents_.settled(cleanup, id);
      co_return placed.error().code == Errc::exhausted ? *refusal : placed.error();
    }
    if (call.may_be_applied) co_return co_await find_created(ctx, id, made.error());
    (void)co_await intents_.settled(cleanup, id);
    give_place();
    co_return made.error();
  }
}

// The answer was lost: the session may be there all the same, or appear in a moment.
Async<RemoteSession> BrowserbaseAccount::find_created(Context& ctx, const std::string& id,
                                                      Error error) {
  Duration pause = std::chrono::milliseconds(300);
  for (int i = 0; i < kSearchesInCreate && ctx.check(); ++i, pause *= 3) {
    if (i > 0) (void)co_await sleep_for(ctx, pause);
    const auto found = co_await find(ctx, id);
    if (!found || !*found || !(*found)->is_live()) continue;
    std::string provider_id = (*found)->id;
    Context cleanup = ctx.for_cleanup(kJournalTimeout, "session journal");
    (void)co_await intents_.answered(cleanup, id, provider_id);
    auto adopted = co_await client_->get_session(ctx, provider_id);
    if (!adopted) {
      scope_.spawn("session release", dispose(id, std::move(provider_id), true));
      co_return adopted.error();
    }
    note(observe::Level::warning, "session.adopt", "ok", {{"session", id}}, &error);
    co_return adopted;
  }
  give_place();
  scope_.spawn("session search", dispose(id, "", false));
  co_return error;
}

Async<std::optional<RemoteSession>> BrowserbaseAccount::find(Context& ctx, const std::string& id) {
  services::SessionQuery query{.q = services::metadata_query(kSessionKey, id)};
  CO_TRY(auto found, co_await client_->list_sessions(ctx, std::move(query)));
  std::optional<RemoteSession> best;
  for (auto& session : found) {
    const auto told = find_string(session.user_metadata, kSessionKey);
    if (told == id && (!best || session.is_live())) best = std::move(session);
  }
  co_return best;
}

Async<RemoteSession> BrowserbaseAccount::get(Context& ctx, std::string provider_id) {
  co_return co_await client_->get_session(ctx, std::move(provider_id));
}

void BrowserbaseAccount::release(std::string id, std::string provider_id) {
  scope_.spawn("session release", dispose(std::move(id), std::move(provider_id), true));
}

// Asks for the end and looks whether it came, in turns: an answer of the one may be of no use
// (refused for a session that has ended) or never come.
Async<bool> BrowserbaseAccount::is_ended(Context& ctx, const std::string& provider_id,
                                         int attempt) {
  // Short: a connection may be dead without having said so, and the next call gets another one.
  Context limited = ctx.with_timeout(kReleaseTimeout, "browserbase release");
  auto answer = attempt % 2 == 0 ? co_await client_->release_session(limited, provider_id)
                                 : co_await client_->get_session(limited, provider_id);
  if (answer) co_return !answer->is_live();
  const Errc code = answer.error().code;
  if (code == Errc::not_found || code == Errc::gone) co_return true;
  co_return answer.error();
}

asio::awaitable<void> BrowserbaseAccount::dispose(std::string id, std::string provider_id,
                                                  bool has_place) {
  const Context base(clock_, executor_);
  Context ctx = base.with_cancel(stop_);
  const auto began = clock_.now();
  const auto asked_at = intents_.asked_at(id).value_or(clock_.wall());
  Duration pause = options_.retry_first;
  bool is_over = false;
  int attempt = 0;
  for (int round = 1; !is_over && ctx.check(); ++round) {
    std::optional<Error> error;
    if (provider_id.empty()) {
      const auto found = co_await find(ctx, id);
      if (!found) error = found.error();
      if (found && *found) provider_id = (*found)->id;
      if (found && *found && !has_place) {
        has_place = true;
        ++live_;
      }
      is_over = found && !*found && clock_.now() - began >= options_.search_for;
    }
    if (!provider_id.empty()) {
      const auto ended = co_await is_ended(ctx, provider_id, attempt++);
      if (!ended) error = ended.error();
      is_over = ended && *ended;
    }
    if (!is_over && round == kWarnAfter)
      note(observe::Level::warning, "session.release", "retrying",
           {{"session", id}, {"provider_id", provider_id}}, error ? &*error : nullptr);
    if (!is_over && clock_.wall() - asked_at > options_.life_max) {
      // Whatever the service says: this cannot be running.
      note(observe::Level::error, "session.release", "given_up",
           {{"session", id}, {"provider_id", provider_id}}, error ? &*error : nullptr);
      is_over = true;
    }
    if (is_over) break;
    (void)co_await sleep_for(ctx, pause);
    pause = std::min(pause * 2, options_.retry_max);
  }
  if (is_over) {
    sweep_due_ = true;
    Context cleanup = base.with_timeout(kJournalTimeout, "session journal");
    (void)co_await intents_.settled(cleanup, id);
  }
  if (has_place) give_place();
}

void BrowserbaseAccount::tend() {
  std::error_code ignored;
  const bool has_traces =
      std::filesystem::exists(options_.data_dir + "/sessions/install_id", ignored);
  if (closed_ || reaping_ || (!used_ && (inherited_taken_ || !has_traces))) return;
  // A service may say that a session has ended which goes on: looked at when the last one did.
  const bool sweep = sweep_due_ && live_ == 0 && coming_ == 0;
  if (!sweep && reaped_at_ != SteadyTime{} && clock_.now() - reaped_at_ < options_.reap_every)
    return;
  reaping_ = true;
  scope_.spawn("session reaper", reap());
}

// Their sessions can be ended with their key only.
void BrowserbaseAccount::tell_of_other_accounts() {
  if (options_.account.empty() || std::exchange(told_of_others_, true)) return;
  std::int64_t count = 0;
  for (const auto& intent : abandoned_intents(options_.data_dir))
    count += !intent.account.empty() && intent.account != options_.account;
  if (count == 0) return;
  const Error error =
      fail(Errc::unauthenticated,
           "browserbase: " + std::to_string(count) +
               " sessions of another account are not confirmed as ended; they may cost money",
           "browserbase_api_key", "start once with the key that they were made with");
  note(observe::Level::warning, "session.release", "postponed", {{"sessions", count}}, &error);
}

asio::awaitable<void> BrowserbaseAccount::reap() {
  const Context base(clock_, executor_);
  Context ctx = base.with_cancel(stop_);
  const auto opened = co_await intents_.open(ctx);
  sweep_due_ = false;
  bool left_any = used_;
  if (opened && !std::exchange(inherited_taken_, true)) {
    for (const auto& intent : intents_.unsettled()) {
      if (!intent.inherited || intent.provider != "browserbase") continue;
      left_any = true;
      const bool is_known = !intent.provider_id.empty();
      if (is_known) ++live_;
      scope_.spawn("session release", dispose(intent.id, intent.provider_id, is_known));
    }
  }
  if (opened) tell_of_other_accounts();
  Result<int> reaped = 0;
  if (!opened) reaped = opened.error();
  // Whoever never used the account here needs not ask it.
  if (opened && left_any) reaped = co_await reap_unowned(ctx);
  if (!reaped && !ctx.cancel_source().is_cancelled()) {
    const Error error = reaped.error();
    note(observe::Level::warning, "session.reap", "failed", {}, &error);
  }
  if (reaped && *reaped > 0)
    note(observe::Level::warning, "session.reap", "ok", {{"sessions", *reaped}});
  // A failed search is repeated soon.
  const Duration back = reaped ? Duration::zero() : options_.reap_every - options_.retry_max;
  reaped_at_ = clock_.now() - back;
  reaping_ = false;
}

Async<int> BrowserbaseAccount::reap_unowned(Context& ctx) {
  services::SessionQuery query{.q = services::metadata_query(kInstallKey, intents_.install_id())};
  CO_TRY(const auto found, co_await client_->list_sessions(ctx, std::move(query)));
  // In this order: whoever is in the list was in a journal before.
  CO_TRY(const auto elsewhere, co_await intents_.owned_elsewhere(ctx));
  int reaped = 0;
  for (const auto& session : found) {
    const std::string id(find_string(session.user_metadata, kSessionKey).value_or(""));
    if (!session.is_live() || intents_.is_unsettled(id) || elsewhere.contains(id)) continue;
    ++reaped;
    ++live_;
    scope_.spawn("session release", dispose(id, session.id, true));
  }
  co_return reaped;
}

Async<void> BrowserbaseAccount::shutdown(Context& ctx) {
  closed_ = true;
  for (Waiter* waiter : queue_) waiter->moved.pulse();
  const Duration most = std::min<Duration>(ctx.remaining(), std::chrono::seconds(30));
  Context limited = ctx.with_timeout(most * 3 / 4, "browserbase releases");
  // Searches and the reaper can go on at the next start; releases are waited for.
  for (int round = 0; round < 2; ++round) {
    while (live_ > 0 && scope_.running() > 0 && limited.check())
      (void)co_await sleep_for(limited, std::chrono::milliseconds(20));
    if (round > 0 || !std::exchange(sweep_due_, false)) break;
    Context brief = limited.with_timeout(kLastLookTimeout, "browserbase sessions");
    const auto left = co_await reap_unowned(brief);
    if (left && *left > 0)
      note(observe::Level::warning, "session.reap", "ok", {{"sessions", *left}});
  }
  stop_.cancel(fail(Errc::draining, "browserbase: shutting down"));
  Context cleanup = ctx.for_cleanup(std::chrono::seconds(3), "browserbase shutdown");
  auto joined = co_await scope_.join(cleanup);
  if (const auto left = intents_.unsettled(); !left.empty())
    note(observe::Level::warning, "session.release", "postponed",
         {{"sessions", static_cast<std::int64_t>(left.size())}});
  co_return joined;
}

}  // namespace troupe::sessions
