// A service that is killed again and again: every accepted task ends, and what its steps did
// outside is explained, one by one. TROUPE_KILLS and TROUPE_SEED choose how often and when.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

#include "base/random.h"
#include "service.h"

namespace troupe::e2e {
namespace {

using std::chrono::milliseconds;

// Counts what is asked of it, by path. Answers one request per connection.
class Witness final {
 public:
  Witness() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool listens =
        bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
        listen(listener_, 128) == 0 &&
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    EXPECT_TRUE(listens);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Witness() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::map<std::string, int> seen() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  void serve() {
    for (;;) {
      const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) return;
      const timeval limit{.tv_sec = 2, .tv_usec = 0};
      setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      std::string request;
      char buffer[4096];
      while (request.find("\r\n\r\n") == std::string::npos) {
        const auto size = recv(client, buffer, sizeof buffer, 0);
        if (size <= 0) break;
        request.append(buffer, static_cast<std::size_t>(size));
      }
      const auto begin = request.find(' ');
      const auto end = request.find(' ', begin + 1);
      if (end != std::string::npos) {
        const std::lock_guard lock(mutex_);
        ++seen_[request.substr(begin + 1, end - begin - 1)];
      }
      const std::string answer =
          "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 12\r\n"
          "connection: close\r\n\r\n<p>seen</p>\r\n";
      (void)send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
      close(client);
    }
  }

  int listener_;
  int port_ = 0;
  std::mutex mutex_;
  std::map<std::string, int> seen_;
  std::thread thread_;
};

std::int64_t number_from(const char* name, std::int64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoll(text, nullptr, 10) : otherwise;
}

constexpr std::string_view kSteps = R"({
  "workflow": {"workflow": "marks", "inputs": {"id": "string"}, "steps": [
    {"goto": "BASE/first?{{ inputs.id }}"},
    {"goto": "BASE/second?{{ inputs.id }}"},
    {"goto": "BASE/third?{{ inputs.id }}"}], "output": "done"},
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

TEST(Killed, EveryAcceptedTaskEndsAndItsEffectsAreExplained) {
  const auto kills = number_from("TROUPE_KILLS", 6);
  const auto seed = number_from("TROUPE_SEED", 1);
  const int items = static_cast<int>(number_from("TROUPE_TASKS", 24));
  std::cerr << "seed " << seed << ", " << kills << " kills, " << items << " tasks\n";
  Random random(static_cast<std::uint64_t>(seed));
  const Scratch scratch;
  Witness witness;
  std::string run_id;
  for (int kill = 0; kill <= kills; ++kill) {
    Service service(scratch);
    if (run_id.empty()) {
      const auto reply = service.post("/v1/runs", body_for(witness.url(), items));
      ASSERT_EQ(reply.status, 202) << reply.body;
      run_id = std::string(parsed(reply.body).at("run_id").as_string());
    }
    if (kill < kills) {
      std::this_thread::sleep_for(milliseconds(random.between(50, 900)));  // the fault's own time
      service.binary().signal(SIGKILL);
      (void)service.binary().wait();
      continue;
    }
    json::value run;
    const bool ended = Binary::until(std::chrono::seconds(60), [&] {
      run = parsed(service.get("/v1/runs/" + run_id).body);
      return run.at("state") != "running" && run.at("state") != "pending";
    });
    ASSERT_TRUE(ended) << run;
    const auto seen = witness.seen();
    int poisoned = 0;
    for (const json::value& task : run.at("tasks").as_array()) {
      const std::string id = "t" + std::to_string(task.at("index").as_int64());
      const auto attempts = static_cast<int>(task.at("attempts").as_int64());
      if (task.at("state") != "succeeded") {  // its worker died with it three times in a row
        EXPECT_THAT(json::serialize(task), testing::HasSubstr("died with it"));
        ++poisoned;
        continue;
      }
      int repeated = 0;
      for (const char* step : {"/first?", "/second?", "/third?"}) {
        const auto found = seen.find(step + id);
        ASSERT_NE(found, seen.end()) << step << id << " never happened";
        repeated += found->second - 1;
      }
      // A kill can interrupt one step of an attempt; the page that the next one goes back to is
      // opened once more.
      EXPECT_LE(repeated, 2 * (attempts - 1)) << task;
    }
    EXPECT_EQ(run.at("tasks").as_array().size(), static_cast<std::size_t>(items));
    EXPECT_LE(poisoned, items / 4);
    service.binary().signal(SIGTERM);
    EXPECT_EQ(service.binary().wait(), 0);
  }
  EXPECT_EQ(browsers_of(scratch.path()), 0);
}

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

}  // namespace
}  // namespace troupe::e2e
