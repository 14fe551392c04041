// Sessions that their users left behind in every way: nothing of them may stay.
// TROUPE_ABANDONED sets how many (40, of which a killed Troupe holds few at once).
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <iostream>

#include "net/url.h"
#include "service.h"

namespace troupe::e2e {
namespace {

constexpr auto kLimit = std::chrono::seconds(15);

// A WebSocket that is open, and then gone without a word.
class RudeClient final {
 public:
  explicit RudeClient(const std::string& url) {
    const auto where = net::parse_url(url);
    EXPECT_TRUE(where) << url;
    if (!where) return;
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(where->port)));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    const std::string request = "GET " + where->target +
                                " HTTP/1.1\r\nHost: " + where->authority() +
                                "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    EXPECT_EQ(send(socket_, request.data(), request.size(), 0), std::ssize(request));
    char answer[64] = {};
    EXPECT_GT(recv(socket_, answer, sizeof answer - 1, 0), 0);
    EXPECT_TRUE(std::string(answer).starts_with("HTTP/1.1 101")) << answer;
  }
  RudeClient(const RudeClient&) = delete;
  ~RudeClient() {
    const linger reset{.l_onoff = 1, .l_linger = 0};
    setsockopt(socket_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(socket_);
  }

 private:
  static ssize_t send(int socket, const char* data, std::size_t size, int flags) {
    return ::send(socket, data, size, flags);
  }
  int socket_ = -1;
};

std::size_t active(const Service& service) {
  return parsed(service.get("/v1/sessions?status=RUNNING").body).as_array().size();
}

std::map<std::string, std::string> settings() {
  return {{"TROUPE_WARM_PROCESSES", "0"},
          {"TROUPE_WARM_SESSIONS", "0"},
          {"TROUPE_SESSIONS_MAX", "8"},
          {"TROUPE_SESSION_IDLE_TIMEOUT", "3s"}};
}

int abandoned_count() {
  const char* asked = std::getenv("TROUPE_ABANDONED");
  return asked ? std::atoi(asked) : 40;
}

// Browsers that this machine can have at once.
int held_at_once() {
  constexpr std::int64_t kBrowserMb = 120;
  std::ifstream file("/proc/meminfo");
  std::int64_t available_mb = 0;
  for (std::string name, unit; file >> name >> available_mb;) {
    std::getline(file, unit);
    available_mb /= 1'024;
    if (name == "MemAvailable:") break;
  }
  const std::int64_t asked = std::getenv("TROUPE_ABANDONED") ? abandoned_count() : 4;
  return static_cast<int>(std::clamp<std::int64_t>(available_mb / kBrowserMb - 8, 2, asked));
}

enum class Way { client_dies, nobody_comes, browser_dies, released };

// Creates one session and leaves it; returns the process groups it had.
std::set<pid_t> abandon(const Service& service, const std::string& data_dir, Way way) {
  const auto before = browser_groups(data_dir);
  const auto reply = service.post("/v1/sessions", "{}");
  EXPECT_EQ(reply.status, 201) << reply.body;
  if (reply.status != 201) return {};
  const auto session = parsed(reply.body);
  std::set<pid_t> own;
  for (const pid_t group : browser_groups(data_dir))
    if (!before.contains(group)) own.insert(group);
  EXPECT_FALSE(own.empty());
  switch (way) {
    case Way::client_dies: RudeClient(session.at("connectUrl").as_string().c_str()); break;
    case Way::nobody_comes: break;
    case Way::browser_dies:
      for (const pid_t group : own) kill(-group, SIGKILL);
      break;
    case Way::released:
      service.post("/v1/sessions/" + std::string(session.at("id").as_string()),
                   R"({"status":"REQUEST_RELEASE"})");
      break;
  }
  return own;
}

TEST(Abandoned, SessionsLeaveNothingBehind) {
  const Scratch scratch;
  const std::string data = scratch.path() + "/data";
  Service service(scratch, {}, settings());
  const std::size_t descriptors = descriptors_of(service.binary().pid());
  const int count = abandoned_count();
  std::set<pid_t> groups;

  for (int i = 0; i < count; ++i) groups.merge(abandon(service, scratch.path(), Way(i % 4)));

  EXPECT_EQ(groups.size(), static_cast<std::size_t>(count));
  EXPECT_TRUE(Binary::until(kLimit, [&] { return active(service) == 0; })) << active(service);
  EXPECT_TRUE(Binary::until(kLimit, [&] { return processes_in(groups) == 0; }));
  EXPECT_TRUE(Binary::until(kLimit, [&] { return profiles_in(data) == 0; }));
  // What requests of this test still hold open comes and goes.
  EXPECT_TRUE(Binary::until(
      kLimit, [&] { return descriptors_of(service.binary().pid()) <= descriptors + 4; }))
      << descriptors_of(service.binary().pid()) << " descriptors, " << descriptors
      << " at the start";
}

TEST(Abandoned, SessionsOfAKilledTroupeAreGoneAfterItsRestart) {
  const Scratch scratch;
  const std::string data = scratch.path() + "/data";
  const auto count = static_cast<std::size_t>(held_at_once());
  auto environment = settings();
  environment["TROUPE_SESSIONS_MAX"] = std::to_string(count);
  environment["TROUPE_SESSION_IDLE_TIMEOUT"] = "1h";
  std::set<pid_t> groups;
  std::size_t processes = 0;
  {
    Service service(scratch, {}, environment);
    for (std::size_t i = 0; i < count; ++i)
      groups.merge(abandon(service, scratch.path(), Way::nobody_comes));
    ASSERT_EQ(active(service), count);
    processes = processes_in(groups);
    EXPECT_GE(processes, count);
    EXPECT_GE(profiles_in(data), count);
    service.binary().signal(SIGKILL);
    service.binary().wait();
  }
  const auto killed_at = std::chrono::steady_clock::now();

  const Service again(scratch, {}, environment);

  EXPECT_TRUE(Binary::until(kLimit, [&] { return processes_in(groups) == 0; }));
  EXPECT_TRUE(Binary::until(kLimit, [&] { return profiles_in(data) == 0; }));
  EXPECT_EQ(active(again), 0u);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - killed_at;
  EXPECT_LT(took, kLimit);
  std::cout << count << " sessions, " << processes << " processes: gone " << took.count()
            << " s after the kill\n";
}

// Many more sessions, in browsers that they share.
TEST(Abandoned, ManySessionsOfAKilledTroupeAreGoneAfterItsRestart) {
  const Scratch scratch;
  const std::string data = scratch.path() + "/data";
  const int count = abandoned_count();
  auto environment = settings();
  environment["TROUPE_SESSIONS_MAX"] = std::to_string(count);
  environment["TROUPE_SESSION_IDLE_TIMEOUT"] = "10m";
  std::set<pid_t> groups;
  {
    Service service(scratch, {}, environment);
    for (int i = 0; i < count; ++i) {
      const auto reply = service.post("/v1/sessions", R"({"isolation":"context"})");
      ASSERT_EQ(reply.status, 201) << reply.body;
    }
    EXPECT_EQ(active(service), static_cast<std::size_t>(count));
    groups = browser_groups(scratch.path());
    EXPECT_FALSE(groups.empty());
    service.binary().signal(SIGKILL);
    service.binary().wait();
  }

  const Service again(scratch, {}, environment);

  EXPECT_TRUE(Binary::until(kLimit, [&] { return processes_in(groups) == 0; }));
  EXPECT_TRUE(Binary::until(kLimit, [&] { return profiles_in(data) == 0; }));
  EXPECT_EQ(active(again), 0u);
}

}  // namespace
}  // namespace troupe::e2e
