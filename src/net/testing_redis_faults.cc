#include "net/testing_redis_faults.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <set>

#include "net/redis_protocol.h"

namespace troupe::net {
namespace {

using tcp = asio::ip::tcp;
constexpr asio::as_tuple_t<asio::use_awaitable_t<>> kTuple{};

void check_end(std::exception_ptr exception) {
  if (exception) die_of_bug("test server", exception);
}

tcp::acceptor listen(const asio::any_io_executor& executor) {
  return tcp::acceptor(executor, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
}

}  // namespace

struct FakeRedis::State {
  State(asio::any_io_executor e, Handler h)
      : executor(std::move(e)), handler(std::move(h)), acceptor(listen(executor)) {}
  asio::any_io_executor executor;
  Handler handler;
  tcp::acceptor acceptor;
  std::set<std::shared_ptr<tcp::socket>> sockets;
  int connections = 0;

  std::string answer(const std::vector<std::string>& words) const {
    std::string own = handler(words);
    if (!own.empty()) return own;
    if (words[0] == "HELLO") return "%1\r\n+server\r\n+redis\r\n";
    if (words[0] == "ROLE") return "*3\r\n+master\r\n:0\r\n*0\r\n";
    return {};
  }

  static asio::awaitable<void> serve(std::shared_ptr<State> self,
                                     std::shared_ptr<tcp::socket> socket) {
    RedisParser parser;
    std::string buffer(4096, '\0');
    for (bool open = true; open;) {
      const auto space = asio::buffer(buffer);
      const auto [error, size] = co_await socket->async_read_some(space, kTuple);
      if (error) break;
      parser.feed(std::string_view(buffer).substr(0, size));
      for (auto command = parser.next(); open && command && *command; command = parser.next()) {
        std::vector<std::string> words;
        for (const RedisValue& word : (*command)->items) words.push_back(word.text);
        const std::string answer = self->answer(words);
        open = answer != cut;
        if (!open || answer.empty()) continue;
        const auto bytes = asio::buffer(answer);
        const auto written = co_await asio::async_write(*socket, bytes, kTuple);
        open = !std::get<0>(written);
      }
    }
    self->sockets.erase(socket);
  }

  static asio::awaitable<void> accept(std::shared_ptr<State> self) {
    for (;;) {
      auto socket = std::make_shared<tcp::socket>(self->executor);
      const auto [error] = co_await self->acceptor.async_accept(*socket, kTuple);
      if (error) co_return;
      ++self->connections;
      self->sockets.insert(socket);
      asio::co_spawn(self->executor, serve(self, std::move(socket)), check_end);
    }
  }
};

FakeRedis::FakeRedis(asio::any_io_executor executor, Handler handler)
    : state_(std::make_shared<State>(std::move(executor), std::move(handler))) {
  asio::co_spawn(state_->executor, State::accept(state_), check_end);
}

FakeRedis::~FakeRedis() {
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  for (const auto& socket : state_->sockets) socket->close(ignored);
}

int FakeRedis::port() const { return state_->acceptor.local_endpoint().port(); }
int FakeRedis::connections() const { return state_->connections; }

struct FaultProxy::State {
  struct Pair {
    explicit Pair(const asio::any_io_executor& executor) : client(executor), server(executor) {}
    tcp::socket client, server;
    void close() {
      boost::system::error_code ignored;
      client.close(ignored);
      server.close(ignored);
    }
  };
  State(asio::any_io_executor e, int port)
      : executor(std::move(e)), acceptor(listen(executor)), target(port) {}
  asio::any_io_executor executor;
  tcp::acceptor acceptor;
  int target;
  Faults faults;
  std::set<std::shared_ptr<Pair>> pairs;
  int connections = 0;
  bool ended = false;

  asio::awaitable<void> wait(Duration duration) const {
    asio::steady_timer timer(executor, duration);
    (void)co_await timer.async_wait(kTuple);
  }

  static asio::awaitable<void> pump(std::shared_ptr<State> self, std::shared_ptr<Pair> pair,
                                    bool answers) {
    tcp::socket& from = answers ? pair->server : pair->client;
    tcp::socket& to = answers ? pair->client : pair->server;
    std::string buffer;
    for (;;) {
      buffer.resize(self->faults.slice);
      const auto space = asio::buffer(buffer);
      const auto [error, size] = co_await from.async_read_some(space, kTuple);
      if (error) break;
      if (answers && self->faults.lose_answers > 0) {
        --self->faults.lose_answers;
        break;
      }
      if (self->faults.latency > Duration::zero()) co_await self->wait(self->faults.latency);
      while (self->faults.freeze && !self->ended && from.is_open())
        co_await self->wait(std::chrono::milliseconds(5));
      const auto bytes = asio::buffer(buffer.data(), size);
      const auto written = co_await asio::async_write(to, bytes, kTuple);
      if (std::get<0>(written)) break;
    }
    pair->close();
    self->pairs.erase(pair);
  }

  static asio::awaitable<void> accept(std::shared_ptr<State> self) {
    for (;;) {
      auto pair = std::make_shared<Pair>(self->executor);
      const auto [error] = co_await self->acceptor.async_accept(pair->client, kTuple);
      if (error) co_return;
      ++self->connections;
      if (self->faults.refuse) continue;
      const tcp::endpoint there(asio::ip::address_v4::loopback(),
                                static_cast<std::uint16_t>(self->target));
      const auto [failed] = co_await pair->server.async_connect(there, kTuple);
      if (failed || self->ended) continue;
      self->pairs.insert(pair);
      asio::co_spawn(self->executor, pump(self, pair, true), check_end);
      asio::co_spawn(self->executor, pump(self, std::move(pair), false), check_end);
    }
  }
};

FaultProxy::FaultProxy(asio::any_io_executor executor, int target_port)
    : state_(std::make_shared<State>(std::move(executor), target_port)) {
  asio::co_spawn(state_->executor, State::accept(state_), check_end);
}

FaultProxy::~FaultProxy() {
  state_->ended = true;
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  cut();
}

void FaultProxy::cut() {
  for (const auto& pair : state_->pairs) pair->close();
}

int FaultProxy::port() const { return state_->acceptor.local_endpoint().port(); }
FaultProxy::Faults& FaultProxy::faults() { return state_->faults; }
int FaultProxy::connections() const { return state_->connections; }

}  // namespace troupe::net
