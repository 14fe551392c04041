// An outside server that notes every request: what the steps of tasks really did.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace troupe::e2e {

/// Notes what is asked of it, by path, and when. Answers one request per connection.
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
  struct Visit {
    std::string path;
    std::chrono::steady_clock::time_point at;
  };
  /// In order.
  std::vector<Visit> visits() {
    const std::lock_guard lock(mutex_);
    return visits_;
  }
  /// How often each path was asked for.
  std::map<std::string, int> seen() {
    std::map<std::string, int> counts;
    for (const Visit& visit : visits()) ++counts[visit.path];
    return counts;
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
        visits_.push_back(
            {request.substr(begin + 1, end - begin - 1), std::chrono::steady_clock::now()});
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
  std::vector<Visit> visits_;
  std::thread thread_;
};

}  // namespace troupe::e2e
