// A real redis-server of a test's own: on a loopback port, in a folder of its own, killed at the
// end. Tests only.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::net {

/// Whether redis-server is installed; tests skip without it.
bool has_redis_server();

class RedisServer final {
 public:
  /// `options` as on redis-server's command line. Waits until it answers; aborts the test program
  /// when it does not within 5 s.
  explicit RedisServer(std::vector<std::string> options = {"--appendonly", "yes", "--appendfsync",
                                                           "always"});
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  int port() const { return port_; }
  std::string url(const std::string& user_info = {}) const;
  const std::string& folder() const { return folder_; }
  /// SIGKILL, and waits for its end.
  void kill();
  /// Again on the same port, with the data of before.
  void start();
  void pause();   ///< SIGSTOP
  void resume();  ///< SIGCONT
  /// Sends one command of plain words on a connection of its own and gives the raw answer.
  std::string ask(const std::string& line) const;
  /// How many calls of scripts it has taken.
  std::int64_t script_calls() const;

 private:
  std::vector<std::string> options_;
  std::string folder_;
  int port_ = 0;
  pid_t process_ = 0;
};

/// A port of this machine that is free now.
int free_port();

}  // namespace troupe::net
