#include "net/testing_redis_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace troupe::net {
namespace {

// TROUPE_TEST_REDIS_SERVER: another one that speaks its protocol, as valkey-server.
const char* binary() {
  const char* other = std::getenv("TROUPE_TEST_REDIS_SERVER");
  return other && *other ? other : "/usr/bin/redis-server";
}

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

// A connected socket with 2 s for each answer, or -1.
int dial(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto address = loopback(port);
  const timeval limit{.tv_sec = 2, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

}  // namespace

bool has_redis_server() { return ::access(binary(), X_OK) == 0; }

std::int64_t RedisServer::script_calls() const {
  const std::string stats = ask("INFO commandstats"), key = "cmdstat_evalsha:calls=";
  const auto at = stats.find(key);
  return at == std::string::npos ? 0 : std::atoll(stats.c_str() + at + key.size());
}

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto address = loopback(0);
  socklen_t size = sizeof address;
  ::bind(fd, reinterpret_cast<const sockaddr*>(&address), size);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(fd);
  return ntohs(address.sin_port);
}

RedisServer::RedisServer(std::vector<std::string> options)
    : options_(std::move(options)), port_(free_port()) {
  char name[] = "/tmp/troupe-redis-XXXXXX";
  folder_ = ::mkdtemp(name);
  start();
}

RedisServer::~RedisServer() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string RedisServer::url(const std::string& user_info) const {
  return "redis://" + user_info + "127.0.0.1:" + std::to_string(port_);
}

void RedisServer::start() {
  std::vector<std::string> words = {binary()};
  // Sentinel wants its configuration file first.
  std::size_t first = 0;
  if (!options_.empty() && options_[0].ends_with(".conf")) words.push_back(options_[first++]);
  for (const char* word : {"--port", "", "--bind", "127.0.0.1", "--save", "", "--dir", "",
                           "--logfile", "log", "--daemonize", "no"})
    words.emplace_back(word);
  words[words.size() - 11] = std::to_string(port_);
  words[words.size() - 5] = folder_;
  words.insert(words.end(), options_.begin() + static_cast<long>(first), options_.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  process_ = ::fork();
  if (process_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int fd : {0, 1, 2}) ::dup2(null, fd);
    ::execv(binary(), arguments.data());
    ::_exit(127);
  }
  for (int tries = 0; tries < 500; ++tries) {
    const std::string answer = ask("PING");
    if (answer.starts_with("+PONG") || answer.starts_with("-NOAUTH")) return;
    ::usleep(10'000);
  }
  std::fprintf(stderr, "redis-server does not answer on port %d; see %s/log\n", port_,
               folder_.c_str());
  std::abort();
}

void RedisServer::kill() {
  if (process_ == 0) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
  process_ = 0;
}

void RedisServer::pause() { ::kill(process_, SIGSTOP); }
void RedisServer::resume() { ::kill(process_, SIGCONT); }

std::string RedisServer::ask(const std::string& line) const {
  const int fd = dial(port_);
  if (fd < 0) return {};
  const std::string bytes = line + "\r\n";
  std::string answer;
  if (::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size())) {
    char buffer[16384];
    const ssize_t size = ::recv(fd, buffer, sizeof buffer, 0);
    if (size > 0) answer.assign(buffer, static_cast<std::size_t>(size));
  }
  ::close(fd);
  return answer;
}

}  // namespace troupe::net
