#include "sessions/browserbase_account.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/testing.h"
#include "services/testing.h"
#include "sessions/browserbase_mapping.h"
#include "sessions/testing.h"

namespace troupe::sessions {
namespace {

namespace fs = std::filesystem;
using services::FakeBrowserbase;
using services::FakeFault;
using services::FakeOptions;
using services::RemoteStatus;
using ::testing::HasSubstr;
using troupe::testing::run;

// A service and an account at it.
struct Fixture {
  Fixture(Context& ctx, std::string dir, FakeOptions options = {})
      : http(net::HttpClient::create()) {
    fake = FakeBrowserbase::start(ctx.executor(), ctx.clock(), std::move(options)).value();
    account = make(ctx, dir);
  }
  std::unique_ptr<BrowserbaseAccount> make(Context& ctx, std::string dir) {
    services::BrowserbaseOptions service{.api_key = fake->options().api_key,
                                         .base_url = fake->base_url(),
                                         .project_id = fake->options().project_id,
                                         .retry_first = std::chrono::milliseconds(5),
                                         .breaker_failures = 100};
    auto client = services::make_browserbase_client(service, *http, ctx.clock(), Random(3));
    BrowserbaseAccountOptions own{.project_id = service.project_id,
                                  .data_dir = std::move(dir),
                                  .account = account_name,
                                  .search_for = std::chrono::milliseconds(300),
                                  .retry_first = std::chrono::milliseconds(5),
                                  .retry_max = std::chrono::milliseconds(50),
                                  .recount_every = std::chrono::milliseconds(30),
                                  .life_max = life_max};
    return std::make_unique<BrowserbaseAccount>(ctx.clock(), ctx.executor(), log,
                                                std::move(client.value()), own);
  }
  Async<void> until_live(Context& ctx, int count) {
    while (fake->live() != count)
      CO_TRY_VOID(co_await sleep_for(ctx, std::chrono::milliseconds(5)));
    co_return Result<void>{};
  }
  Async<void> end(Context& ctx) {
    auto ended = co_await account->shutdown(ctx);
    (void)co_await fake->stop(ctx);
    co_return ended;
  }
  Duration life_max = std::chrono::hours(6);
  std::string account_name;
  observe::Log& log = null_log();
  std::unique_ptr<net::HttpClient> http;
  std::unique_ptr<FakeBrowserbase> fake;
  std::unique_ptr<BrowserbaseAccount> account;
};

class BrowserbaseAccountTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(dir_); }
  void TearDown() override { fs::remove_all(dir_); }
  // Intents that no process holds any more.
  bool has_journals() const {
    for (const auto& entry : fs::directory_iterator(dir_ + "/sessions"))
      if (entry.path().extension() == ".journal") return true;
    return false;
  }
  std::string dir_ =
      (fs::temp_directory_path() / ("troupe-account-" + std::to_string(getpid()))).string();
};

SessionSpec spec_of() { return {.provider = "browserbase"}; }

asio::awaitable<void> within_limits(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir, {.concurrency = 2});
  auto first = co_await fixture.account->create(ctx, "a", spec_of());
  auto second = co_await fixture.account->create(ctx, "b", spec_of());
  EXPECT_TRUE(first) << first.error().describe();
  EXPECT_TRUE(second) << second.error().describe();
  if (!first || !second) co_return;
  EXPECT_EQ(fixture.account->room(), 0);
  Context brief = ctx.with_timeout(std::chrono::milliseconds(30), "third session");
  auto third = co_await fixture.account->create(brief, "c", spec_of());
  EXPECT_EQ(third.error().code, Errc::exhausted);
  EXPECT_THAT(third.error().message, HasSubstr("2 of 2"));
  EXPECT_EQ(fixture.fake->count("POST /v1/sessions"), 2);  // nobody asked for a 429

  fixture.account->release("a", first->id);
  auto fourth = co_await fixture.account->create(ctx, "d", spec_of());
  EXPECT_TRUE(fourth) << fourth.error().describe();
  EXPECT_EQ(fixture.fake->count("POST /v1/sessions"), 3);
  fixture.account->release("b", second->id);
  if (fourth) fixture.account->release("d", fourth->id);
  EXPECT_TRUE(co_await fixture.end(ctx));
  EXPECT_EQ(fixture.fake->live(), 0);
}

TEST_F(BrowserbaseAccountTest, WaitsForAPlaceInsteadOfAskingForTooMany) {
  run([&](Context& ctx) { return within_limits(ctx, dir_); });
  EXPECT_FALSE(has_journals());
}

asio::awaitable<void> crowded(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir, {.concurrency = 1});
  std::string foreign_id;
  {
    auto other = fixture.make(ctx, dir + "/other");
    auto foreign = co_await other->create(ctx, "foreign", spec_of());
    EXPECT_TRUE(foreign) << foreign.error().describe();
    foreign_id = foreign->id;
    (void)co_await other->shutdown(ctx);
  }
  Timer leave(ctx.clock(), ctx.clock().now() + std::chrono::milliseconds(100),
              [&] { fixture.fake->end_session(foreign_id, RemoteStatus::completed); });
  auto session = co_await fixture.account->create(ctx, "a", spec_of());
  EXPECT_TRUE(session) << session.error().describe();
  // Their sessions were counted: nobody asked for a 429.
  EXPECT_EQ(fixture.fake->count("POST /v1/sessions"), 2);
  if (session) fixture.account->release("a", session->id);
  EXPECT_TRUE(co_await fixture.end(ctx));
}

TEST_F(BrowserbaseAccountTest, WaitsItsTurnWhenOthersFillTheAccount) {
  run([&](Context& ctx) { return crowded(ctx, dir_); });
}

asio::awaitable<void> room_by_limits(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir, {.concurrency = 10, .creations_per_window = 3});
  // Nothing is known yet: one session finds the limits out, and not a burst of them.
  EXPECT_EQ(fixture.account->room(), 1);
  auto first = co_await fixture.account->create(ctx, "a", spec_of());
  EXPECT_TRUE(first) << first.error().describe();
  EXPECT_EQ(fixture.account->room(), 2);  // creations are scarcer than places
  auto second = co_await fixture.account->create(ctx, "b", spec_of());
  auto third = co_await fixture.account->create(ctx, "c", spec_of());
  EXPECT_TRUE(second && third);
  EXPECT_EQ(fixture.account->room(), 0);
  for (const auto& [id, session] : {std::pair{"a", &first}, {"b", &second}, {"c", &third}})
    if (*session) fixture.account->release(id, (*session)->id);
  EXPECT_TRUE(co_await fixture.until_live(ctx, 0));
  EXPECT_EQ(fixture.account->room(), 0);  // places are free, creations are not
  EXPECT_TRUE(co_await fixture.end(ctx));
}

TEST_F(BrowserbaseAccountTest, HasNoRoomBeyondTheCreationsLeft) {
  run([&](Context& ctx) { return room_by_limits(ctx, dir_); });
}

asio::awaitable<void> rate_kept(Context& ctx, std::string dir) {
  Fixture fixture(
      ctx, dir, {.concurrency = 10, .creations_per_window = 2, .window = std::chrono::seconds(2)});
  for (const char* id : {"a", "b", "c"}) {
    auto session = co_await fixture.account->create(ctx, id, spec_of());
    EXPECT_TRUE(session) << session.error().describe();
    if (session) fixture.account->release(id, session->id);
  }
  EXPECT_EQ(fixture.fake->count("POST /v1/sessions"), 3) << "one that was refused is asked again";
  EXPECT_TRUE(co_await fixture.end(ctx));
}

TEST_F(BrowserbaseAccountTest, CreationsBeyondTheRateWaitBeforeTheyAreRefused) {
  run([&](Context& ctx) { return rate_kept(ctx, dir_); });
}

asio::awaitable<void> after_a_refusal(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir, {.concurrency = 10});
  auto first = co_await fixture.account->create(ctx, "a", spec_of());
  EXPECT_TRUE(first) << first.error().describe();
  EXPECT_EQ(fixture.account->room(), 9);
  fixture.fake->inject({.route = "POST /v1/sessions",
                        .answer = FakeFault::Answer::status,
                        .status = 429,
                        .message = "concurrent sessions limit (limit 2, currently 2)"});
  Context brief = ctx.with_timeout(std::chrono::milliseconds(100), "second session");
  auto second = co_await fixture.account->create(brief, "b", spec_of());
  EXPECT_EQ(second.error().code, Errc::exhausted);
  EXPECT_EQ(fixture.account->room(), 0);  // full for the moment, by whomever
  if (first) fixture.account->release("a", first->id);
  EXPECT_TRUE(co_await fixture.end(ctx));
}

TEST_F(BrowserbaseAccountTest, HasNoRoomAfterARefusal) {
  run([&](Context& ctx) { return after_a_refusal(ctx, dir_); });
}

// --- A service that lies

asio::awaitable<void> says_it_runs(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir);
  fixture.life_max = std::chrono::milliseconds(150);
  fixture.account = fixture.make(ctx, dir);
  auto session = co_await fixture.account->create(ctx, "a", spec_of());
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  fixture.fake->options().ending = std::chrono::hours(1);  // whatever is asked of it
  const auto began = ctx.clock().now();
  fixture.account->release("a", session->id);
  EXPECT_TRUE(co_await fixture.account->released(ctx, "a"));
  EXPECT_GE(ctx.clock().now() - began, std::chrono::milliseconds(100));
  EXPECT_EQ(fixture.account->live(), 0);
  EXPECT_GE(fixture.fake->count("POST /v1/sessions/{id}"), 2);
  (void)co_await fixture.account->shutdown(ctx);
  (void)co_await fixture.fake->stop(ctx);
}

TEST_F(BrowserbaseAccountTest, ASessionSaidToRunForEverIsGivenUpAfterItsLongestLife) {
  run([&](Context& ctx) { return says_it_runs(ctx, dir_); });
}

asio::awaitable<void> says_it_ended(Context& ctx, std::string dir, bool while_running) {
  Fixture fixture(ctx, dir);
  auto session = co_await fixture.account->create(ctx, "a", spec_of());
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  fixture.fake->inject(
      {.route = "POST /v1/sessions/{id}", .answer = FakeFault::Answer::says_ended});
  fixture.account->release("a", session->id);
  EXPECT_TRUE(co_await fixture.account->released(ctx, "a"));
  EXPECT_EQ(fixture.fake->live(), 1);
  if (while_running) {
    fixture.account->tend();
    EXPECT_TRUE(co_await fixture.until_live(ctx, 0));
  }
  EXPECT_TRUE(co_await fixture.end(ctx));
  EXPECT_EQ(fixture.fake->live(), 0);
}

TEST_F(BrowserbaseAccountTest, ASessionSaidToHaveEndedIsLookedForOnceMore) {
  run([&](Context& ctx) { return says_it_ended(ctx, dir_, true); });
  run([&](Context& ctx) { return says_it_ended(ctx, dir_, false); });
}

asio::awaitable<void> answers_another(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir, {.concurrency = 5});
  auto theirs = fixture.make(ctx, dir + "/other");
  auto foreign = co_await theirs->create(ctx, "foreign", spec_of());
  EXPECT_TRUE(foreign) << foreign.error().describe();
  fixture.fake->inject(
      {.route = "POST /v1/sessions", .answer = FakeFault::Answer::another, .apply = true});
  auto session = co_await fixture.account->create(ctx, "a", spec_of());
  EXPECT_TRUE(session) << session.error().describe();  // its own, found by its mark
  if (!session || !foreign) co_return;
  EXPECT_NE(session->id, foreign->id);
  fixture.fake->inject({.route = "GET /v1/sessions/{id}", .answer = FakeFault::Answer::another});
  const auto read = co_await fixture.account->get(ctx, session->id);
  EXPECT_EQ(read.value().id, session->id);  // asked once more
  fixture.fake->inject({.route = "POST /v1/sessions/{id}", .answer = FakeFault::Answer::another});
  fixture.account->release("a", session->id);
  EXPECT_TRUE(co_await fixture.account->released(ctx, "a"));
  EXPECT_EQ(fixture.fake->live(), 1);
  EXPECT_EQ(fixture.fake->sessions().at(foreign->id).releases, 0);
  theirs->release("foreign", foreign->id);
  EXPECT_TRUE(co_await theirs->shutdown(ctx));
  EXPECT_TRUE(co_await fixture.end(ctx));
}

TEST_F(BrowserbaseAccountTest, AnAnswerAboutAnotherSessionIsNotActedUpon) {
  run([&](Context& ctx) { return answers_another(ctx, dir_); });
}

asio::awaitable<void> lost_answer(Context& ctx, std::string dir, FakeFault::Answer how) {
  Fixture fixture(ctx, dir);
  fixture.fake->inject({.route = "POST /v1/sessions", .answer = how, .apply = true});
  auto session = co_await fixture.account->create(ctx, "a", spec_of());
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  EXPECT_FALSE(session->connect_url.empty());
  EXPECT_EQ(fixture.fake->sessions().size(), 1u);
  fixture.account->release("a", session->id);
  EXPECT_TRUE(co_await fixture.end(ctx));
  EXPECT_EQ(fixture.fake->live(), 0);
}

TEST_F(BrowserbaseAccountTest, ASessionWhoseAnswerWasLostIsTaken) {
  run([&](Context& ctx) { return lost_answer(ctx, dir_, FakeFault::Answer::cut); });
  run([&](Context& ctx) { return lost_answer(ctx, dir_, FakeFault::Answer::garbage); });
  run([&](Context& ctx) { return lost_answer(ctx, dir_, FakeFault::Answer::status); });
  EXPECT_FALSE(has_journals());
}

asio::awaitable<void> no_answer(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir);
  auto known = co_await fixture.account->create(ctx, "known", spec_of());  // learns the limits
  EXPECT_TRUE(known) << known.error().describe();
  if (known) fixture.account->release("known", known->id);
  fixture.fake->inject(
      {.route = "POST /v1/sessions", .answer = FakeFault::Answer::silence, .apply = true});
  // Neither can it be looked for in time.
  fixture.fake->inject({.route = "GET /v1/sessions", .delay = std::chrono::milliseconds(200)});
  Context brief = ctx.with_timeout(std::chrono::milliseconds(100), "session");
  auto session = co_await fixture.account->create(brief, "a", spec_of());
  EXPECT_EQ(session.error().code, Errc::timeout);
  EXPECT_EQ(fixture.fake->sessions().size(), 2u);
  EXPECT_TRUE(co_await fixture.until_live(ctx, 0));
  EXPECT_TRUE(co_await fixture.end(ctx));
}

TEST_F(BrowserbaseAccountTest, ASessionNobodyWaitsForAnyMoreIsReleased) {
  run([&](Context& ctx) { return no_answer(ctx, dir_); });
}

asio::awaitable<void> refused(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir);
  fixture.fake->inject({.route = "POST /v1/sessions",
                        .answer = FakeFault::Answer::status,
                        .status = 402,
                        .message = "proxies are not in this plan"});
  auto session = co_await fixture.account->create(ctx, "a", spec_of());
  EXPECT_EQ(session.error().code, Errc::permission_denied);
  EXPECT_EQ(fixture.account->live(), 0);
  EXPECT_TRUE(co_await fixture.end(ctx));
}

TEST_F(BrowserbaseAccountTest, ARefusalLeavesNothingBehind) {
  run([&](Context& ctx) { return refused(ctx, dir_); });
  EXPECT_FALSE(has_journals());
}

asio::awaitable<void> stubborn(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir, {.ending = std::chrono::milliseconds(60)});
  auto session = co_await fixture.account->create(ctx, "a", spec_of());
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  fixture.fake->inject({.route = "POST /v1/sessions/{id}",
                        .answer = FakeFault::Answer::status,
                        .times = 6,
                        .status = 503});
  fixture.account->release("a", session->id);
  EXPECT_EQ(fixture.account->live(), 1);
  EXPECT_TRUE(co_await fixture.end(ctx));
  EXPECT_EQ(fixture.account->live(), 0);
  EXPECT_EQ(fixture.fake->live(), 0);
}

TEST_F(BrowserbaseAccountTest, AReleaseIsRepeatedUntilItIsConfirmed) {
  run([&](Context& ctx) { return stubborn(ctx, dir_); });
  EXPECT_FALSE(has_journals());
}

// A process that asked for a session and died; `answered`: it knew the answer.
void die_holding(const std::string& dir, const std::string& id, const std::string& provider_id,
                 const std::string& account = {}) {
  const pid_t child = fork();
  if (child == 0) {
    run([&](Context& ctx) -> asio::awaitable<void> {
      SessionIntents intents(dir, {}, account);
      SessionIntent intent{.id = id, .provider = "browserbase", .account = account};
      const auto written = co_await intents.intend(ctx, intent);
      if (written && !provider_id.empty()) (void)co_await intents.answered(ctx, id, provider_id);
      _exit(written ? 0 : 2);
    });
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
}

std::string add_session(FakeBrowserbase& fake, Clock& clock, const std::string& install_id,
                        const std::string& id) {
  const std::string remote = "remote-" + id;
  FakeBrowserbase::Session session;
  session.id = remote;
  session.created = clock.wall();
  session.expires = session.created + std::chrono::hours(1);
  session.request = {{"userMetadata", {{kInstallKey, install_id}, {kSessionKey, id}}}};
  fake.sessions()[remote] = session;
  return remote;
}

asio::awaitable<void> after_a_crash(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir, {.concurrency = 10});
  std::string install_id;
  std::ifstream(dir + "/sessions/install_id") >> install_id;
  add_session(*fixture.fake, ctx.clock(), install_id, "known");
  add_session(*fixture.fake, ctx.clock(), install_id, "asked");
  add_session(*fixture.fake, ctx.clock(), install_id, "unheard-of");
  add_session(*fixture.fake, ctx.clock(), "somebody-else", "theirs");
  // Another process that lives, and was there before the others died, has one, too.
  fs::rename(dir + "/sessions", dir + "/hidden");
  SessionIntents other(dir);
  EXPECT_TRUE(co_await other.open(ctx));
  for (const auto& entry : fs::directory_iterator(dir + "/hidden"))
    fs::rename(entry.path(), dir + "/sessions/" + entry.path().filename().string());
  SessionIntent intent{.id = "living", .provider = "browserbase"};
  EXPECT_TRUE(co_await other.intend(ctx, intent));
  add_session(*fixture.fake, ctx.clock(), install_id, "living");

  fixture.account->tend();
  EXPECT_TRUE(co_await fixture.until_live(ctx, 2));
  const auto& sessions = fixture.fake->sessions();
  EXPECT_EQ(fixture.fake->status_of(sessions.at("remote-theirs")), RemoteStatus::running);
  EXPECT_EQ(fixture.fake->status_of(sessions.at("remote-living")), RemoteStatus::running);
  EXPECT_TRUE(co_await fixture.end(ctx));
  EXPECT_TRUE(co_await other.settled(ctx, "living"));
}

TEST_F(BrowserbaseAccountTest, WhatAKilledProcessLeftIsReleased) {
  die_holding(dir_, "known", "remote-known");
  die_holding(dir_, "asked", "");
  run([&](Context& ctx) { return after_a_crash(ctx, dir_); });
  EXPECT_FALSE(has_journals());
}

// Two accounts on one data folder; the process of the second one starts first.
asio::awaitable<void> two_accounts(Context& ctx, std::string dir) {
  Fixture first(ctx, dir, {.api_key = "bb_first"});
  Fixture second(ctx, dir, {.api_key = "bb_second"});
  const std::string mine = browserbase_account_name("https://bb.test", "bb_first");
  first.account_name = mine;
  second.account_name = browserbase_account_name("https://bb.test", "bb_second");
  EXPECT_NE(first.account_name, second.account_name);
  first.account = first.make(ctx, dir);
  second.account = second.make(ctx, dir);
  std::string install_id;
  std::ifstream(dir + "/sessions/install_id") >> install_id;
  add_session(*first.fake, ctx.clock(), install_id, "known");
  add_session(*first.fake, ctx.clock(), install_id, "asked");

  second.account->tend();
  (void)co_await sleep_for(ctx, std::chrono::milliseconds(50));
  EXPECT_TRUE(co_await second.end(ctx));
  EXPECT_EQ(second.fake->count("POST /v1/sessions/{id}"), 0) << "it knows nothing of them";
  EXPECT_EQ(first.fake->live(), 2);
  EXPECT_EQ(abandoned_intents(dir).size(), 2u);

  first.account->tend();
  EXPECT_TRUE(co_await first.until_live(ctx, 0));
  EXPECT_TRUE(co_await first.end(ctx));
}

TEST_F(BrowserbaseAccountTest, WhatAKilledProcessLeftIsAskedOfItsOwnAccount) {
  const std::string account = browserbase_account_name("https://bb.test", "bb_first");
  die_holding(dir_, "known", "remote-known", account);
  die_holding(dir_, "asked", "", account);
  run([&](Context& ctx) { return two_accounts(ctx, dir_); });
  EXPECT_FALSE(has_journals());
}

asio::awaitable<void> not_writable(Context& ctx, std::string dir) {
  std::ofstream(dir + "/sessions") << "in the way";
  Fixture fixture(ctx, dir);
  auto session = co_await fixture.account->create(ctx, "a", spec_of());
  EXPECT_EQ(session.error().code, Errc::storage_failed);
  EXPECT_EQ(fixture.fake->count("POST /v1/sessions"), 0);
  EXPECT_EQ(fixture.account->live(), 0);
  EXPECT_TRUE(co_await fixture.end(ctx));
  fs::remove(dir + "/sessions");
  fs::create_directories(dir + "/sessions");
}

TEST_F(BrowserbaseAccountTest, WithoutAJournalNothingIsAskedFor) {
  run([&](Context& ctx) { return not_writable(ctx, dir_); });
}

asio::awaitable<void> unreachable_at_the_end(Context& ctx, std::string dir) {
  Fixture fixture(ctx, dir);
  auto session = co_await fixture.account->create(ctx, "a", spec_of());
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return;
  fixture.fake->inject(
      {.route = "*", .answer = FakeFault::Answer::status, .times = 1'000, .status = 503});
  fixture.account->release("a", session->id);
  Context brief = ctx.with_timeout(std::chrono::milliseconds(300), "shutdown");
  EXPECT_TRUE(co_await fixture.account->shutdown(brief));
  EXPECT_EQ(fixture.fake->live(), 1);
  (void)co_await fixture.fake->stop(ctx);
}

TEST_F(BrowserbaseAccountTest, WhatCannotBeReleasedStaysInTheJournal) {
  run([&](Context& ctx) { return unreachable_at_the_end(ctx, dir_); });
  EXPECT_TRUE(has_journals());
}

}  // namespace
}  // namespace troupe::sessions
