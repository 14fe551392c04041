// Nodes that are killed, stand still and are restarted one after the other, and a Redis that goes
// away under them: nothing is lost, and all goes on by itself. TROUPE_NODE_KILLS and
// TROUPE_REDIS_PAUSE (in seconds) make two of them longer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "net/testing_redis_faults.h"
#include "node.h"
#include "witness.h"

namespace troupe::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;
using ::testing::HasSubstr;

#define NEEDS_REDIS() \
  if (!net::has_redis_server()) GTEST_SKIP() << "no redis-server"

int number_from(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text ? std::atoi(text) : otherwise;
}

double seconds_of(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// Processor time of a process so far.
double cpu_seconds(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  double user = 0, kernel = 0;
  fields >> user >> kernel;
  return (user + kernel) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

void expect_all_done(const Service& node, const std::string& run_id, Witness& witness,
                     std::size_t tasks, seconds limit) {
  const json::value run = node.ended(run_id, limit);
  EXPECT_EQ(run.at("state"), "succeeded") << run;
  EXPECT_EQ(run.at("tasks").as_array().size(), tasks);
  const auto seen = witness.seen();
  for (std::size_t i = 0; i < tasks; ++i)
    EXPECT_TRUE(seen.contains("/end?t" + std::to_string(i))) << i;
}

TEST(NodeFaults, TasksOfAKilledNodeAreTakenOverSoon) {
  NEEDS_REDIS();
  const int kills = number_from("TROUPE_NODE_KILLS", 1);
  Installation installation({{"TROUPE_TASK_LEASE", "10s"}});  // the default
  const auto front = installation.node("front", "api");
  std::vector<std::unique_ptr<Service>> workers;
  for (const char* name : {"a", "b"}) workers.push_back(installation.node(name, "worker"));
  std::vector<double> took;
  for (int kill = 0; kill < kills; ++kill) {
    Witness witness;
    const std::string id = front->start(paced_run(witness.url(), 1, "40s", 1));
    ASSERT_TRUE(Binary::until(seconds(30), [&] { return witness.seen().contains("/begin?t0"); }));
    const std::size_t victim = workers[0]->binary().err().find(id) != std::string::npos ? 0 : 1;
    const auto died = Clock::now();
    workers[victim]->binary().signal(SIGKILL);
    (void)workers[victim]->binary().wait();
    workers[victim] = installation.node(victim == 0 ? "a" : "b", "worker");
    ASSERT_TRUE(Binary::until(seconds(30), [&] { return witness.seen()["/begin?t0"] == 2; }));
    took.push_back(seconds_of(witness.visits().at(1).at - died));
    EXPECT_LT(took.back(), 15.0);
    EXPECT_EQ(front->post("/v1/runs/" + id + "/cancel", "").status, 202);
    EXPECT_EQ(front->ended(id).at("state"), "cancelled");
  }
  std::ranges::sort(took);
  const auto at = [&](double share) {
    return took[static_cast<std::size_t>(share * static_cast<double>(took.size() - 1) + 0.5)];
  };
  std::cerr << kills << " kills, taken over after: p50 " << at(0.5) << " s, p95 " << at(0.95)
            << " s, most " << took.back() << " s\n";
}

TEST(NodeFaults, WhatAFrozenNodeSaysLateDoesNotCount) {
  NEEDS_REDIS();
  Installation installation;
  Witness witness;
  const auto front = installation.node("front", "api");
  const auto one = installation.node("a", "worker");
  const auto two = installation.node("b", "worker");
  const std::string id = front->start(paced_run(witness.url(), 1, "2s", 1));
  ASSERT_TRUE(Binary::until(seconds(20), [&] { return witness.seen().contains("/begin?t0"); }));
  const bool first = one->binary().err().find(id) != std::string::npos;
  Service& frozen = first ? *one : *two;
  frozen.binary().signal(SIGSTOP);
  const json::value run = front->ended(id);
  EXPECT_EQ(run.at("state"), "succeeded") << run;
  EXPECT_EQ(run.at("tasks").at(0).at("attempts"), 2) << run;
  const json::value winner = run.at("tasks").at(0).at("session_id");
  frozen.binary().signal(SIGCONT);
  EXPECT_TRUE(frozen.binary().says("lease lost"));
  EXPECT_EQ(front->run(id).at("tasks").at(0).at("session_id"), winner);
  const std::string task(run.at("tasks").at(0).at("task_id").as_string());
  EXPECT_EQ(parsed(front->get("/v1/tasks/" + task).body).at("state"), "succeeded");
  // It is one of them again.
  EXPECT_TRUE(Binary::until(seconds(10), [&] { return frozen.get("/readyz").status == 200; }));
  const std::string next = front->start(paced_run(witness.url() + "/next", 4, "300ms", 4));
  EXPECT_EQ(front->ended(next).at("state"), "succeeded");
}

TEST(NodeFaults, ARollingRestartUnderLoadLosesNothing) {
  NEEDS_REDIS();
  Installation installation({{"TROUPE_DRAIN_TIMEOUT", "500ms"}});
  Witness witness;
  std::vector<std::string> names{"a", "b", "c"};
  std::vector<std::unique_ptr<Service>> nodes;
  for (const auto& name : names) nodes.push_back(installation.node(name));
  std::vector<std::pair<std::string, std::string>> runs;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string place = "/round" + std::to_string(i);
    runs.emplace_back(nodes[(i + 1) % 3]->start(paced_run(witness.url() + place, 6, "700ms", 3)),
                      place);
    ASSERT_TRUE(
        Binary::until(seconds(30), [&] { return witness.seen().contains(place + "/begin?t0"); }));
    nodes[i]->binary().signal(SIGTERM);
    EXPECT_EQ(nodes[i]->binary().wait(), 0) << nodes[i]->binary().err();
    nodes[i] = installation.node(names[i]);
  }
  for (const auto& [id, place] : runs) {
    const json::value run = nodes[0]->ended(id, seconds(60));
    EXPECT_EQ(run.at("state"), "succeeded") << run;
    for (int task = 0; task < 6; ++task)
      EXPECT_GE(witness.seen()[place + "/end?t" + std::to_string(task)], 1) << place << task;
  }
  const json::value queue = parsed(nodes[2]->get("/v1/queue").body);
  EXPECT_EQ(queue.at("active"), 0) << queue;
}

TEST(NodeFaults, RedisMayDieAndStandStillUnderThem) {
  NEEDS_REDIS();
  const seconds pause(number_from("TROUPE_REDIS_PAUSE", 4));
  Installation installation;
  Witness witness;
  const auto one = installation.node("a");
  const auto two = installation.node("b");
  const std::string id = one->start(paced_run(witness.url(), 16, "500ms", 4));
  const auto away = [&](const std::string& what, seconds limit) {
    const auto began = Clock::now();
    const double before = cpu_seconds(one->binary().pid()) + cpu_seconds(two->binary().pid());
    std::this_thread::sleep_for(limit);  // the fault's own time
    const double used =
        cpu_seconds(one->binary().pid()) + cpu_seconds(two->binary().pid()) - before;
    const double wall = seconds_of(Clock::now() - began);
    std::cerr << what << " for " << wall << " s: two nodes used " << used << " s of processor\n";
    EXPECT_LT(used / wall, 0.5) << what;  // running tasks are a part of it
  };
  ASSERT_TRUE(Binary::until(seconds(20), [&] { return witness.seen().contains("/end?t0"); }));
  installation.redis().kill();
  away("killed", seconds(3));
  EXPECT_EQ(one->get("/livez").status, 200);
  installation.redis().start();
  const auto count = witness.visits().size();
  ASSERT_TRUE(Binary::until(seconds(30), [&] { return witness.visits().size() > count + 3; }));
  installation.redis().pause();
  away("paused", pause);
  installation.redis().resume();
  expect_all_done(*two, id, witness, 16, seconds(90));
}

TEST(NodeFaults, AFailoverIsFollowed) {
  NEEDS_REDIS();
  Installation installation;
  net::RedisServer& primary = installation.redis();
  const net::RedisServer replica({"--appendonly", "yes", "--replicaof", "127.0.0.1",
                                  std::to_string(primary.port()), "--repl-diskless-sync-delay",
                                  "0"});
  ASSERT_TRUE(Binary::until(
      seconds(10), [&] { return replica.ask("ROLE").find("connected") != std::string::npos; }));
  const std::string file = installation.scratch().write(
      "sentinel.conf", "sentinel monitor main 127.0.0.1 " + std::to_string(primary.port()) +
                           " 1\n"
                           "sentinel down-after-milliseconds main 400\n"
                           "sentinel failover-timeout main 2000\n");
  const net::RedisServer sentinel({file, "--sentinel"});
  ASSERT_TRUE(Binary::until(
      seconds(10), [&] { return !sentinel.ask("SENTINEL REPLICAS main").starts_with("*0"); }));
  const std::string url = "redis-sentinel://127.0.0.1:" + std::to_string(sentinel.port()) + "/main";
  Witness witness;
  const auto one = installation.node("a", "all", {{"TROUPE_REDIS_URL", url}});
  const auto two = installation.node("b", "all", {{"TROUPE_REDIS_URL", url}});
  const std::string id = one->start(paced_run(witness.url(), 10, "400ms", 4));
  ASSERT_TRUE(Binary::until(seconds(20), [&] { return witness.seen().contains("/end?t0"); }));
  primary.kill();
  expect_all_done(*two, id, witness, 10, seconds(60));
  expect_all_done(*one, id, witness, 10, seconds(60));
}

// A proxy on a thread of its own.
class SlowWay final {
 public:
  SlowWay(int port, milliseconds latency) : proxy_(io_.get_executor(), port) {
    proxy_.faults().latency = latency;
    thread_ = std::thread([this] { io_.run(); });
  }
  ~SlowWay() {
    io_.stop();
    thread_.join();
  }
  std::string url() const { return proxy_.url(); }
  void cut() {
    asio::post(io_, [this] { proxy_.cut(); });
  }

 private:
  asio::io_context io_;
  net::FaultProxy proxy_;
  std::thread thread_;
};

TEST(NodeFaults, ASlowWayToRedisOnlyCostsTime) {
  NEEDS_REDIS();
  Installation installation;
  Witness witness;
  SlowWay way(installation.redis().port(), milliseconds(15));
  const auto slow = installation.node("a", "all", {{"TROUPE_REDIS_URL", way.url()}});
  const auto fast = installation.node("b", "all");
  const std::string id = slow->start(paced_run(witness.url(), 6, "200ms", 4));
  ASSERT_TRUE(Binary::until(seconds(20), [&] { return witness.seen().contains("/end?t0"); }));
  way.cut();
  expect_all_done(*fast, id, witness, 6, seconds(60));
  expect_all_done(*slow, id, witness, 6, seconds(60));
}

}  // namespace
}  // namespace troupe::e2e
