// A service that is killed again and again: every accepted task ends, and each effect outside that
// came twice is explained by a kill. TROUPE_KILLS, TROUPE_TASKS and TROUPE_SEED choose how often,
// under how much work and when.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <map>
#include <set>
#include <thread>

#include "base/random.h"
#include "net/testing_redis_server.h"
#include "service.h"
#include "witness.h"

namespace troupe::e2e {
namespace {

using std::chrono::milliseconds;
using Time = std::chrono::steady_clock::time_point;

std::int64_t number_from(const char* name, std::int64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoll(text, nullptr, 10) : otherwise;
}

constexpr int kStepCount = 3;
constexpr std::string_view kSteps = R"({
  "workflow": {"workflow": "marks", "inputs": {"id": "string"}, "steps": [
    {"goto": "BASE/1?{{ inputs.id }}"},
    {"goto": "BASE/2?{{ inputs.id }}"},
    {"goto": "BASE/3?{{ inputs.id }}"}], "output": "done"},
  "sessions": 4, "attempts": 100, "items": [ITEMS]})";

std::string body_for(const std::string& base, int items) {
  std::string body(kSteps);
  std::string list;
  for (int i = 0; i < items; ++i)
    list += (i ? ", " : "") + std::string(R"({"id": "t)") + std::to_string(i) + "\"}";
  body.replace(body.find("ITEMS"), 5, list);
  for (auto at = body.find("BASE"); at != std::string::npos; at = body.find("BASE"))
    body.replace(at, 4, base);
  return body;
}

// From one start of the service to its end.
struct Life {
  Time began;
  bool killed = false;
  // What its log says, by task:
  std::map<int, int> attempts;  // that began
  std::map<int, int> lost;      // leases that ran out, though nobody was killed
};

// Lines that the kill cut off are no JSON.
void read_log(const std::string& log, Life& life) {
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const auto value = parse_json(line, "log");
    if (!value || !value->is_object()) continue;
    const json::object& object = value->get_object();
    if (find_string(object, "action") != "task.execute") continue;
    const auto id = find_string(object, "task_id").value_or("");
    const int task = std::atoi(std::string(id.substr(id.rfind('.') + 1)).c_str());
    if (find_string(object, "status") == "started") ++life.attempts[task];
    if (find_string(object, "status") == "lease lost") ++life.lost[task];
  }
}

struct Effect {
  int step = 0;
  std::size_t life = 0;
};

std::map<int, std::vector<Effect>> effects_of(const std::vector<Witness::Visit>& visits,
                                              const std::vector<Life>& lives) {
  std::map<int, std::vector<Effect>> effects;
  for (const auto& visit : visits) {
    int step = 0, task = 0;
    if (std::sscanf(visit.path.c_str(), "/%d?t%d", &step, &task) != 2) continue;
    std::size_t life = 0;
    while (life + 1 < lives.size() && lives[life + 1].began <= visit.at) ++life;
    effects[task].push_back({step, life});
  }
  return effects;
}

// Everything that could have happened to a task so far. A finished step is journalled before the
// next begins; an attempt opens the page of the last journalled step again and goes on behind it.
class Possible final {
 public:
  // Another attempt begins: it knows of the journal only.
  void begin_attempt() {
    std::set<State> begun;
    for (const State& state : states_) begun.insert({.journalled = state.journalled});
    states_ = std::move(begun);
  }
  // A request for this step's page. False: there is no way that this could be.
  bool see(int step) {
    std::set<State> after;
    for (const State& state : states_) {
      const bool fresh = state.page == 0;
      if (fresh && state.journalled > 0) {
        if (step == state.journalled) after.insert({.journalled = step, .page = step});
      } else if (state.journalled == state.page && step == state.page + 1) {
        after.insert({.journalled = step - 1, .page = step});  // cut off here, or
        after.insert({.journalled = step, .page = step});
      }
    }
    states_ = std::move(after);
    return !states_.empty();
  }
  bool may_have_finished() const {
    return std::ranges::any_of(states_,
                               [](const State& state) { return state.journalled == kStepCount; });
  }

 private:
  struct State {
    int journalled = 0;
    int page = 0;  // where this attempt is; 0: nowhere yet
    auto operator<=>(const State&) const = default;
  };
  std::set<State> states_{State{}};
};

struct Account {
  int effects = 0, repeated = 0, poisoned = 0, begun_again = 0;
  int by_leases = 0;            // repeated for a lease that ran out
  int cut_off = 0;              // claims of poisoned tasks that a kill ended before they began
  std::set<std::size_t> kills;  // that explain the others
};

int count_of(const std::map<int, int>& counts, int task) {
  const auto found = counts.find(task);
  return found == counts.end() ? 0 : found->second;
}

// Explains all effects of one task, in order; a repeated one by the kill before it, or by a lease
// that the log says was lost.
void explain(const std::string& name, int task, const std::vector<Effect>& effects,
             const std::vector<Life>& lives, bool succeeded, Account& account) {
  Possible possible;
  std::set<int> seen;
  std::size_t life = lives.size();
  int left = 0;  // attempts of this life that may begin for a lost lease
  bool by_lease = false;
  for (const Effect& effect : effects) {
    if (effect.life != life) {
      life = effect.life;
      left = count_of(lives[life].lost, task);
      by_lease = false;
      possible.begin_attempt();
    }
    Possible goes_on = possible;
    while (!goes_on.see(effect.step)) {
      ASSERT_GT(left, 0) << name << ": nothing explains step " << effect.step << " in life "
                         << life;
      --left;
      by_lease = true;
      possible.begin_attempt();
      goes_on = possible;
    }
    possible = goes_on;
    ++account.effects;
    if (seen.insert(effect.step).second) continue;
    ++account.repeated;
    account.by_leases += by_lease;
    if (by_lease) continue;
    ASSERT_GT(life, 0u) << name << ": step " << effect.step << " twice without a kill";
    ASSERT_TRUE(lives[life - 1].killed);
    account.kills.insert(life - 1);
  }
  if (succeeded) {
    EXPECT_TRUE(possible.may_have_finished()) << name;
  }
}

// Its worker died with it, or lost it, three times in a row. A kill between the claim and the first
// line about it leaves no line: such an attempt is known by its number alone, and nobody else's.
void explain_poison(int task, const std::vector<Life>& lives, const json::value& told,
                    Account& account) {
  EXPECT_THAT(json::serialize(told), testing::HasSubstr("died with it"));
  int losses = 0, logged = 0, silent_kills = 0;
  for (const Life& life : lives) {
    const bool begun = life.attempts.contains(task);
    logged += count_of(life.attempts, task);
    losses += count_of(life.lost, task) + (life.killed && begun);
    silent_kills += life.killed && !begun;
  }
  const int unlogged = static_cast<int>(told.at("attempts").as_int64()) - logged;
  EXPECT_LE(unlogged, silent_kills) << told;
  EXPECT_GE(losses + unlogged, 3) << told;
  account.cut_off += unlogged;
  ++account.poisoned;
}

class Killed : public testing::TestWithParam<std::string> {
 protected:
  void run_and_kill(std::int64_t kills, int items, std::map<std::string, std::string> environment);
  void kill(Service& service, std::chrono::milliseconds after);
  Scratch scratch_;
  Witness witness_;
  std::vector<Life> lives_;
  milliseconds life_least_{200}, life_most_{2'000};
};

void Killed::kill(Service& service, std::chrono::milliseconds after) {
  std::this_thread::sleep_for(after);  // the fault's own time
  service.binary().signal(SIGKILL);
  (void)service.binary().wait();
  lives_.back().killed = true;
  // What a browser still asked for on its way down belongs to this life.
  Binary::until(std::chrono::seconds(10), [&] { return browsers_of(scratch_.path()) == 0; });
  read_log(service.binary().err(), lives_.back());
}

void Killed::run_and_kill(std::int64_t kills, int items,
                          std::map<std::string, std::string> environment) {
  const auto seed = number_from("TROUPE_SEED", 1);
  std::cerr << "seed " << seed << ", " << kills << " kills, " << items << " tasks\n";
  Random random(static_cast<std::uint64_t>(seed));
  environment["TROUPE_LOG_FORMAT"] = "json";
  std::string run_id;
  for (std::int64_t number = 0; number < kills; ++number) {
    lives_.push_back({.began = std::chrono::steady_clock::now()});
    Service service(scratch_, {}, environment);
    if (run_id.empty()) {
      const auto reply = service.post("/v1/runs", body_for(witness_.url(), items));
      ASSERT_EQ(reply.status, 202) << reply.body;
      run_id = std::string(parsed(reply.body).at("run_id").as_string());
    }
    kill(service, milliseconds(random.between(life_least_.count(), life_most_.count())));
  }
  lives_.push_back({.began = std::chrono::steady_clock::now()});
  Service service(scratch_, {}, environment);
  const json::value run = service.ended(run_id, std::chrono::seconds(90 + items));
  read_log(service.binary().err(), lives_.back());
  ASSERT_TRUE(run.as_object().contains("ended_at")) << run;
  ASSERT_EQ(run.at("tasks").as_array().size(), static_cast<std::size_t>(items));
  auto effects = effects_of(witness_.visits(), lives_);
  Account account;
  for (const json::value& task : run.at("tasks").as_array()) {
    const int index = static_cast<int>(task.at("index").as_int64());
    const bool succeeded = task.at("state") == "succeeded";
    explain("t" + std::to_string(index), index, effects[index], lives_, succeeded, account);
    account.begun_again += static_cast<int>(task.at("attempts").as_int64()) - 1;
    if (!succeeded) explain_poison(index, lives_, task, account);
  }
  std::cerr << account.effects << " effects outside, " << account.repeated
            << " of them repeated: " << account.repeated - account.by_leases << " explained by "
            << account.kills.size() << " of " << kills << " kills, " << account.by_leases
            << " by lost leases; " << account.begun_again << " attempts began again, "
            << account.poisoned << " tasks were poisoned (each by three losses, " << account.cut_off
            << " of them before the attempt began)\n";
  service.binary().signal(SIGTERM);
  EXPECT_EQ(service.binary().wait(), 0);
  EXPECT_EQ(browsers_of(scratch_.path()), 0);
}

TEST_P(Killed, EveryAcceptedTaskEndsAndItsEffectsAreExplained) {
  const bool redis = GetParam() == "redis";
  if (redis && !net::has_redis_server()) GTEST_SKIP() << "no redis-server";
  const auto kills = number_from("TROUPE_KILLS", redis ? 4 : 6);
  const int items = static_cast<int>(number_from("TROUPE_TASKS", redis ? 90 : 24));
  if (!redis) return run_and_kill(kills, items, {});
  const net::RedisServer server;
  // What a killed node had is free after its lease: short, and lives that are longer.
  life_least_ = milliseconds(1'000);
  life_most_ = milliseconds(5'000);
  run_and_kill(kills, items,
               {{"TROUPE_BACKEND", "redis"},
                {"TROUPE_REDIS_URL", server.url()},
                {"TROUPE_TASK_LEASE", "2s"}});
}
INSTANTIATE_TEST_SUITE_P(Backends, Killed, testing::Values("sqlite", "redis"),
                         [](const auto& test) { return test.param; });

TEST(Stopped, ARunGoesOnBehindItsLastStepWhenTheServiceStartsAgain) {
  const Scratch scratch;
  Witness witness;
  const std::string body = R"({"workflow": {"workflow": "slow", "steps": [
    {"goto": ")" + witness.url() +
                           R"(/first"}, {"set": {"kept": "yes"}},
    {"wait_for": {"duration": "3s"}}, {"goto": ")" +
                           witness.url() + R"(/last"}],
    "output": "{{ kept }}"}})";
  std::string run_id;
  {
    Service service(scratch, {"--drain-timeout", "200ms"});
    run_id = service.start(json::parse(body).as_object());
    EXPECT_TRUE(Binary::until(std::chrono::seconds(20), [&] {
      const auto journal = parsed(service.get("/v1/tasks?run_id=" + run_id).body);
      const std::string task(journal.at("data").at(0).at("task_id").as_string());
      const auto entries = parsed(service.get("/v1/tasks/" + task + "/journal").body);
      return entries.at("data").as_array().size() >= 2;
    }));
    service.binary().signal(SIGTERM);
    EXPECT_EQ(service.binary().wait(), 0);
  }
  const Service service(scratch);
  const json::value run = service.ended(run_id);
  EXPECT_EQ(run.at("state"), "succeeded") << run;
  EXPECT_EQ(run.at("tasks").at(0).at("output"), "yes");
  // The page that it went on from was opened again by the second attempt, once.
  EXPECT_EQ(witness.seen()["/first"], 2);
  EXPECT_EQ(witness.seen()["/last"], 1);
}

TEST(Stopped, ALoopGoesOnInItsRoundAfterAKill) {
  const Scratch scratch;
  Witness witness;
  const std::string body = R"({"workflow": {"workflow": "pages", "steps": [
    {"id": "pages", "for_each": [1, 2, 3, 4, 5, 6, 7, 8], "as": "n", "collect": "{{ n }}",
     "save_as": "seen", "do": [{"id": "open", "goto": ")" +
                           witness.url() + R"(/page/{{ n }}"},
     {"wait_for": {"duration": "700ms"}}]}], "output": "{{ seen }}"}})";
  std::string run_id;
  {
    Service service(scratch, {});
    run_id = service.start(json::parse(body).as_object());
    json::value progress;
    EXPECT_TRUE(Binary::until(std::chrono::seconds(60), [&] {
      const auto run = parsed(service.get("/v1/runs/" + run_id).body);
      const auto* found = run.at("tasks").at(0).as_object().if_contains("progress");
      if (found && found->as_object().contains("loops")) progress = *found;
      return !progress.is_null() && progress.at("loops").at(0).at("round").as_int64() >= 4;
    }));
    EXPECT_EQ(progress.at("loops").at(0).at("of"), 8);
    EXPECT_GE(progress.at("done").as_int64(), 6);
    EXPECT_GE(progress.at("elapsed_ms").as_int64(), 0);
    service.binary().signal(SIGKILL);
    service.binary().wait();
  }
  const Service service(scratch);
  const json::value run = service.ended(run_id);
  EXPECT_EQ(run.at("state"), "succeeded") << run;
  EXPECT_EQ(run.at("tasks").at(0).at("output"), json::parse("[1,2,3,4,5,6,7,8]"));
  EXPECT_FALSE(run.at("tasks").at(0).as_object().contains("progress"));
  // The page that was open, or being opened, once more; and the one that it went on from.
  auto seen = witness.seen();
  int repeated = 0;
  for (int n = 1; n <= 8; ++n) repeated += seen["/page/" + std::to_string(n)] - 1;
  EXPECT_GE(repeated, 1);
  EXPECT_LE(repeated, 2);
  EXPECT_EQ(seen["/page/1"], 1);
}

}  // namespace
}  // namespace troupe::e2e
