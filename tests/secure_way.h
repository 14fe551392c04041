// TLS and proxies on the way of a test: certificates of its own authority, a TLS front before a
// plain server, and a proxy that takes CONNECT with a password.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <future>

#include "base/async.h"
#include "binary.h"

namespace troupe::e2e {

/// Files `<name>.pem` (authority), `<name>-cert.pem` and `<name>-key.pem` (of a server with
/// these names) in a folder.
inline void make_certificates(const std::string& dir, const std::string& name,
                              const std::string& hosts = "DNS:api.test,DNS:browsers.test") {
  const std::string at = dir + "/" + name;
  const std::string key = " -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes ";
  std::ofstream(at + ".ext") << "subjectAltName=" << hosts << "\n";
  const std::string commands =
      "openssl req -x509" + key + "-days 2 -subj '/CN=Authority " + name + "' -keyout " + at +
      "-ca-key.pem -out " + at + ".pem && openssl req" + key + "-subj /CN=server -keyout " + at +
      "-key.pem -out " + at + ".req && openssl x509 -req -in " + at + ".req -CA " + at +
      ".pem -CAkey " + at + "-ca-key.pem -CAcreateserial -days 2 -extfile " + at + ".ext -out " +
      at + "-cert.pem";
  const std::string quiet = "(" + commands + ") 2>/dev/null";
  if (std::system(quiet.c_str()) != 0) std::abort();
}

/// TLS fronts and a proxy, on a thread of their own.
class SecureWay final {
  using tcp = asio::ip::tcp;
  static constexpr asio::as_tuple_t<asio::use_awaitable_t<>> kTuple{};
  using Tls = asio::ssl::stream<tcp::socket>;

  template <class Work>
  auto on_thread(Work work) {
    std::promise<decltype(work())> result;
    asio::post(io_, [&] {
      if constexpr (std::is_void_v<decltype(work())>) {
        work();
        result.set_value();
      } else {
        result.set_value(work());
      }
    });
    return result.get_future().get();
  }

 public:
  SecureWay() : work_(asio::make_work_guard(io_)), thread_([this] { io_.run(); }) {}
  ~SecureWay() {
    io_.stop();
    thread_.join();
  }

  /// `host:443` leads through TLS, with these certificates, to a port of this machine.
  void add(const std::string& host, int port, const std::string& certificates) {
    on_thread([&] {
      auto tls = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
      tls->use_certificate_file(certificates + "-cert.pem", asio::ssl::context::pem);
      tls->use_private_key_file(certificates + "-key.pem", asio::ssl::context::pem);
      auto acceptor = std::make_shared<tcp::acceptor>(listening());
      fronts_[host + ":443"] = acceptor->local_endpoint().port();
      spawn(serve_front(*this, acceptor, tls, port));
    });
  }
  /// A proxy that lets in who has these credentials. Gives its port.
  int proxy(const std::string& authorization) {
    return on_thread([&] {
      auto acceptor = std::make_shared<tcp::acceptor>(listening());
      const int port = acceptor->local_endpoint().port();
      spawn(serve_proxy(*this, acceptor, authorization));
      return port;
    });
  }
  /// What tunnels were asked for, also in vain: `CONNECT a.test:443`.
  std::vector<std::string> asked() {
    return on_thread([this] { return asked_; });
  }

 private:
  tcp::acceptor listening() {
    tcp::acceptor acceptor(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    ::fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
    return acceptor;
  }
  void spawn(asio::awaitable<void> work) {
    asio::co_spawn(io_, std::move(work), [](std::exception_ptr exception) {
      if (exception) std::rethrow_exception(exception);
    });
  }

  static asio::awaitable<std::shared_ptr<tcp::socket>> dial(SecureWay& self, int port) {
    auto socket = std::make_shared<tcp::socket>(self.io_);
    const tcp::endpoint place(asio::ip::address_v4::loopback(), static_cast<unsigned short>(port));
    const auto joined = co_await socket->async_connect(place, kTuple);
    if (std::get<0>(joined)) co_return nullptr;
    ::fcntl(socket->native_handle(), F_SETFD, FD_CLOEXEC);
    co_return socket;
  }

  template <class From, class To>
  static asio::awaitable<void> pump(std::shared_ptr<From> from, std::shared_ptr<To> to) {
    std::vector<char> bytes(16 << 10);
    for (;;) {
      const auto space = asio::buffer(bytes);
      const auto read = co_await from->async_read_some(space, kTuple);
      if (std::get<0>(read)) break;
      const auto piece = asio::buffer(bytes.data(), std::get<1>(read));
      const auto sent = co_await asio::async_write(*to, piece, kTuple);
      if (std::get<0>(sent)) break;
    }
    boost::system::error_code ignored;
    from->lowest_layer().close(ignored);
    to->lowest_layer().close(ignored);
  }

  static asio::awaitable<void> serve_front(SecureWay& self, std::shared_ptr<tcp::acceptor> acceptor,
                                           std::shared_ptr<asio::ssl::context> tls, int port) {
    for (;;) {
      auto [error, client] = co_await acceptor->async_accept(kTuple);
      if (error) co_return;
      ::fcntl(client.native_handle(), F_SETFD, FD_CLOEXEC);
      auto stream = std::make_shared<Tls>(std::move(client), *tls);
      self.spawn(front(self, stream, tls, port));
    }
  }
  static asio::awaitable<void> front(SecureWay& self, std::shared_ptr<Tls> client,
                                     std::shared_ptr<asio::ssl::context>, int port) {
    const auto shaken = co_await client->async_handshake(asio::ssl::stream_base::server, kTuple);
    if (std::get<0>(shaken)) co_return;
    auto server = co_await dial(self, port);
    if (!server) co_return;
    self.spawn(pump(server, client));
    co_await pump(client, server);
  }

  static asio::awaitable<void> serve_proxy(SecureWay& self, std::shared_ptr<tcp::acceptor> acceptor,
                                           std::string authorization) {
    for (;;) {
      auto [error, client] = co_await acceptor->async_accept(kTuple);
      if (error) co_return;
      ::fcntl(client.native_handle(), F_SETFD, FD_CLOEXEC);
      self.spawn(tunnel(self, std::make_shared<tcp::socket>(std::move(client)), authorization));
    }
  }
  static asio::awaitable<void> tunnel(SecureWay& self, std::shared_ptr<tcp::socket> client,
                                      std::string authorization) {
    std::string head;
    while (!head.ends_with("\r\n\r\n") && head.size() < 8'192) {
      char byte = 0;
      const auto place = asio::buffer(&byte, 1);
      const auto read = co_await client->async_read_some(place, kTuple);
      if (std::get<0>(read)) co_return;
      head += byte;
    }
    const std::string line = head.substr(0, head.find(" HTTP/"));
    self.asked_.push_back(line);
    const std::string target = line.substr(line.find(' ') + 1);
    const bool let_in =
        head.find("Proxy-Authorization: " + authorization + "\r\n") != std::string::npos;
    const bool known = line.starts_with("CONNECT ") && self.fronts_.contains(target);
    std::string answer = "HTTP/1.1 200 Connection established\r\n\r\n";
    if (!known) answer = "HTTP/1.1 502 Bad Gateway\r\n\r\n";
    if (!let_in)
      answer = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n";
    const auto bytes = asio::buffer(answer);
    (void)co_await asio::async_write(*client, bytes, kTuple);
    if (!known || !let_in) co_return;
    auto server = co_await dial(self, self.fronts_[target]);
    if (!server) co_return;
    self.spawn(pump(server, client));
    co_await pump(client, server);
  }

  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::map<std::string, int> fronts_;
  std::vector<std::string> asked_;
  std::thread thread_;
};

}  // namespace troupe::e2e
