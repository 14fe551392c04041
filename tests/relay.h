// A way between two programs that a test can break: cut, mend, and let go dead without a word.
#pragma once

#include <fcntl.h>
#include <unistd.h>
#include <boost/asio/as_tuple.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <list>
#include <memory>

#include "base/async.h"

namespace troupe::e2e {

/// Forwards a port of its own to `target`. All calls on the executor's thread.
class Relay final {
  using tcp = asio::ip::tcp;
  static constexpr asio::as_tuple_t<asio::use_awaitable_t<>> kTuple{};

 public:
  Relay(asio::any_io_executor executor, int target)
      : executor_(executor), target_(target), acceptor_(executor), scope_(executor) {
    listen();
  }

  int port() const { return port_; }

  /// Connections are reset, new ones are refused.
  void cut() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    for (const auto& pair : pairs_) pair->reset();
    pairs_.clear();
  }
  void mend() { listen(); }
  /// What is connected now stays so, and nothing comes through any more; new ones are as ever.
  void deaden() {
    for (const auto& pair : pairs_) pair->dead = true;
  }
  void close() { cut(); }

 private:
  struct Pair {
    Pair(tcp::socket client, asio::any_io_executor executor)
        : near(std::move(client)), far(std::move(executor)) {}
    void reset() {
      boost::system::error_code ignored;
      for (tcp::socket* socket : {&near, &far}) {
        socket->set_option(asio::socket_base::linger(true, 0), ignored);
        socket->close(ignored);
      }
    }
    tcp::socket near, far;
    bool dead = false;
  };

  // Not among the ports that the kernel gives to outgoing connections: somebody who dials while
  // nothing listens might be given this very one, and reach himself.
  void listen() {
    constexpr int kFirst = 20'000, kCount = 10'000;
    boost::system::error_code error = asio::error::address_in_use;
    for (int i = 0; i < kCount && error; ++i) {
      const int port = port_ ? port_ : kFirst + (static_cast<int>(getpid()) * 7 + i) % kCount;
      const tcp::endpoint where(asio::ip::address_v4::loopback(),
                                static_cast<unsigned short>(port));
      acceptor_ = tcp::acceptor(executor_);
      acceptor_.open(where.protocol());
      keep(acceptor_.native_handle());
      acceptor_.set_option(asio::socket_base::reuse_address(true));
      acceptor_.bind(where, error);
    }
    acceptor_.listen(1'024);
    port_ = acceptor_.local_endpoint().port();
    scope_.spawn("relay", accept(*this));
  }

  // From the binaries that the test starts: with them, what is closed here would stay open.
  static void keep(int descriptor) { ::fcntl(descriptor, F_SETFD, FD_CLOEXEC); }

  static asio::awaitable<void> accept(Relay& self) {
    for (;;) {
      auto [error, client] = co_await self.acceptor_.async_accept(kTuple);
      if (error) co_return;
      keep(client.native_handle());
      auto pair = std::make_shared<Pair>(std::move(client), self.executor_);
      self.pairs_.push_back(pair);
      self.scope_.spawn("relay connection", serve(self, pair));
    }
  }

  static asio::awaitable<void> serve(Relay& self, std::shared_ptr<Pair> pair) {
    const tcp::endpoint where(asio::ip::address_v4::loopback(),
                              static_cast<unsigned short>(self.target_));
    const auto connected = co_await pair->far.async_connect(where, kTuple);
    if (std::get<0>(connected)) co_return pair->reset();
    keep(pair->far.native_handle());
    self.scope_.spawn("relay forth", pump(pair, pair->near, pair->far));
    co_await pump(pair, pair->far, pair->near);
    self.pairs_.remove(pair);
  }

  static asio::awaitable<void> pump(std::shared_ptr<Pair> pair, tcp::socket& from,
                                    tcp::socket& to) {
    std::vector<char> bytes(64 << 10);
    for (;;) {
      const auto space = asio::buffer(bytes);
      const auto [error, count] = co_await from.async_read_some(space, kTuple);
      if (pair->dead && !error) continue;  // taken, and lost on the way
      if (pair->dead) co_return;
      if (error) break;
      const auto piece = asio::buffer(bytes.data(), count);
      const auto written = co_await asio::async_write(to, piece, kTuple);
      if (std::get<0>(written)) break;
    }
    boost::system::error_code ignored;
    to.shutdown(tcp::socket::shutdown_send, ignored);
    from.shutdown(tcp::socket::shutdown_receive, ignored);
  }

  asio::any_io_executor executor_;
  int target_;
  int port_ = 0;
  tcp::acceptor acceptor_;
  std::list<std::shared_ptr<Pair>> pairs_;
  Scope scope_;
};

}  // namespace troupe::e2e
