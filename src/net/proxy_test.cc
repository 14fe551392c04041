#include "net/proxy.h"

#include <gmock/gmock.h>

#include <boost/asio/write.hpp>

#include "base/testing.h"
#include "net/connect.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace troupe::net {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string chosen(const Environment& environment, const std::string& target) {
  const auto rules = proxy_rules(environment);
  if (!rules) return std::string(to_string(rules.error().code));
  const Url url = parse_url(target).value();
  const Url* proxy = proxy_for(*rules, url);
  return proxy ? proxy->authority() : "direct";
}

TEST(ProxyRules, GoByTheTargetsScheme) {
  const Environment both = {{"HTTP_PROXY", "http://a:1"}, {"https_proxy", "b:2"}};
  EXPECT_EQ(chosen(both, "http://x.test/"), "a:1");
  EXPECT_EQ(chosen(both, "ws://x.test/"), "a:1");
  EXPECT_EQ(chosen(both, "https://x.test/"), "b:2");
  EXPECT_EQ(chosen(both, "wss://x.test/"), "b:2");
  EXPECT_EQ(chosen({}, "https://x.test/"), "direct");
  EXPECT_EQ(chosen({{"ALL_PROXY", "c:3"}, {"HTTP_PROXY", "a:1"}}, "https://x.test/"), "c:3");
  EXPECT_EQ(chosen({{"HTTPS_PROXY", "a:1"}, {"https_proxy", "b:2"}}, "https://x.test/"), "b:2");
}

TEST(ProxyRules, AHeaderOfACgiRequestSetsNoProxy) {
  const Environment cgi = {{"HTTP_PROXY", "evil:1"}, {"REQUEST_METHOD", "GET"}};
  EXPECT_EQ(chosen(cgi, "http://x.test/"), "direct");
}

TEST(ProxyRules, ThisMachineIsAlwaysReachedDirectly) {
  const Environment all = {{"ALL_PROXY", "a:1"}};
  for (const char* host : {"localhost", "a.localhost", "127.0.0.1", "127.8.8.8", "[::1]"})
    EXPECT_EQ(chosen(all, "http://" + std::string(host) + ":80/"), "direct") << host;
}

TEST(ProxyRules, ExceptionsAreHostsDomainsAddressesAndNetworks) {
  const auto direct = [](const std::string& rules, const std::string& host) {
    return chosen({{"ALL_PROXY", "a:1"}, {"NO_PROXY", rules}}, "http://" + host + "/") == "direct";
  };
  EXPECT_TRUE(direct("x.test", "x.test"));
  EXPECT_TRUE(direct("x.test", "sub.X.test"));
  EXPECT_FALSE(direct("x.test", "ax.test"));
  EXPECT_FALSE(direct(".x.test", "x.test"));
  EXPECT_TRUE(direct("*.x.test", "sub.x.test"));
  EXPECT_TRUE(direct("other, X.TEST", "x.test"));
  EXPECT_TRUE(direct("x.test:8080", "x.test:8080"));
  EXPECT_FALSE(direct("x.test:8080", "x.test"));
  EXPECT_TRUE(direct("10.1.2.3", "10.1.2.3"));
  EXPECT_TRUE(direct("10.0.0.0/8", "10.1.2.3"));
  EXPECT_FALSE(direct("10.0.0.0/8", "11.1.2.3"));
  EXPECT_FALSE(direct("10.0.0.0/8", "x.test"));
  EXPECT_TRUE(direct("fd00::/8", "[fd12::1]"));
  EXPECT_FALSE(direct("fd00::/8", "10.1.2.3"));
  EXPECT_TRUE(direct("[fd12::1]:80", "[fd12::1]"));
  EXPECT_TRUE(direct("*", "x.test"));
  EXPECT_FALSE(direct("", "x.test"));
}

TEST(ProxyRules, WhatIsNoHttpProxyIsRefusedWithoutShowingIt) {
  EXPECT_EQ(chosen({{"ALL_PROXY", "socks5://a:1"}}, "http://x.test/"), "unsupported");
  const auto rules = proxy_rules({{"HTTPS_PROXY", "http://user:hunter2@:99999"}});
  ASSERT_FALSE(rules);
  EXPECT_EQ(rules.error().code, Errc::invalid_argument);
  EXPECT_THAT(rules.error().describe(), Not(HasSubstr("hunter2")));
}

TEST(ProxyRules, CredentialsAreDecodedAndEncoded) {
  EXPECT_EQ(proxy_authorization(parse_url("http://p:1").value()), "");
  EXPECT_EQ(proxy_authorization(parse_url("http://user:p%40ss@p:1").value()), "Basic dXNlcjpwQHNz");
  EXPECT_EQ(proxy_authorization(parse_url("http://user@p:1").value()), "Basic dXNlcjo=");
}

// A proxy: refuses CONNECT or joins it to one port of this machine, answers the rest by itself.
class TinyProxy final {
 public:
  explicit TinyProxy(asio::any_io_executor executor)
      : acceptor_(executor, {asio::ip::address_v4::loopback(), 0}) {
    asio::co_spawn(executor, serve(*this), rethrow);
  }
  std::string url(const std::string& user_info = {}) const {
    return "http://" + user_info + "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }
  void stop() { acceptor_.close(); }

  std::string connect_answer = "HTTP/1.1 200 Connection established\r\n\r\n";
  int upstream_port = 0;
  std::vector<std::string> heads;  ///< Of all requests.

 private:
  static void rethrow(std::exception_ptr exception) {
    if (exception) std::rethrow_exception(exception);
  }
  static asio::awaitable<void> serve(TinyProxy& self) {
    while (true) {
      auto accepted = co_await self.acceptor_.async_accept(kTuple);
      if (std::get<0>(accepted)) co_return;
      auto client = std::make_shared<tcp::socket>(std::move(std::get<1>(accepted)));
      asio::co_spawn(client->get_executor(), answer(self, client), rethrow);
    }
  }
  static asio::awaitable<void> answer(TinyProxy& self, std::shared_ptr<tcp::socket> client) {
    std::string head;
    while (!head.ends_with("\r\n\r\n")) {
      char byte = 0;
      const auto read = co_await client->async_read_some(asio::buffer(&byte, 1), kTuple);
      if (std::get<0>(read)) co_return;
      head += byte;
    }
    self.heads.push_back(head);
    const bool tunnel = head.starts_with("CONNECT ");
    const std::string text =
        tunnel ? self.connect_answer : "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy";
    (void)co_await asio::async_write(*client, asio::buffer(text), kTuple);
    if (!tunnel || !text.starts_with("HTTP/1.1 200")) co_return;
    auto server = std::make_shared<tcp::socket>(client->get_executor());
    const auto port = static_cast<unsigned short>(self.upstream_port);
    const tcp::endpoint place(asio::ip::address_v4::loopback(), port);
    const auto joined = co_await server->async_connect(place, kTuple);
    if (std::get<0>(joined)) co_return;
    asio::co_spawn(client->get_executor(), pump(server, client), rethrow);
    co_await pump(client, server);
  }
  static asio::awaitable<void> pump(std::shared_ptr<tcp::socket> from,
                                    std::shared_ptr<tcp::socket> to) {
    char bytes[4096];
    while (true) {
      const auto read = co_await from->async_read_some(asio::buffer(bytes), kTuple);
      if (std::get<0>(read)) break;
      const auto piece = asio::buffer(bytes, std::get<1>(read));
      const auto sent = co_await asio::async_write(*to, piece, kTuple);
      if (std::get<0>(sent)) break;
    }
    boost::system::error_code ignored;
    to->close(ignored);
    from->close(ignored);
  }

  tcp::acceptor acceptor_;
};

ProxyRules through(const std::string& proxy) { return proxy_rules({{"ALL_PROXY", proxy}}).value(); }

TEST(HttpClientProxy, PlainRequestsAreSentInAbsoluteForm) {
  testing::run([](Context& ctx) -> asio::awaitable<void> {
    TinyProxy proxy(ctx.executor());
    const auto client = HttpClient::create({.proxy = through(proxy.url("u:p@"))});
    HttpCall call{.url = "http://service.invalid:8080/a?b=1"};
    const auto reply = co_await client->send(ctx, std::move(call));
    EXPECT_EQ(reply.value().body, "proxy");
    EXPECT_EQ(proxy.heads.size(), 1);
    const std::string& head = proxy.heads.at(0);
    EXPECT_THAT(head, HasSubstr("GET http://service.invalid:8080/a?b=1 HTTP/1.1\r\n"));
    EXPECT_THAT(head, HasSubstr("Host: service.invalid:8080\r\n"));
    EXPECT_THAT(head, HasSubstr("Proxy-Authorization: Basic dTpw\r\n"));
    proxy.stop();
  });
}

TEST(HttpClientProxy, SecureRequestsGoThroughATunnelAndShowItNothing) {
  testing::run([](Context& ctx) -> asio::awaitable<void> {
    TinyProxy proxy(ctx.executor());
    tcp::acceptor target(ctx.executor(), {asio::ip::address_v4::loopback(), 0});
    proxy.upstream_port = target.local_endpoint().port();
    const auto client = HttpClient::create({.proxy = through(proxy.url("u:p@"))});
    HttpCall call{.url = "https://service.invalid/secret"};
    // The other end speaks no TLS: that it saw a handshake is enough here.
    std::string first;
    asio::co_spawn(
        ctx.executor(),
        [](tcp::acceptor& peer, std::string& seen) -> asio::awaitable<void> {
          auto accepted = co_await peer.async_accept(kTuple);
          seen.resize(3);
          (void)co_await std::get<1>(accepted).async_read_some(asio::buffer(seen), kTuple);
        }(target, first),
        [](std::exception_ptr exception) {
          if (exception) std::rethrow_exception(exception);
        });
    const auto reply = co_await client->send(ctx, std::move(call));
    EXPECT_FALSE(reply);
    EXPECT_EQ(first, "\x16\x03\x01") << "a TLS handshake record";
    EXPECT_EQ(proxy.heads.size(), 1);
    const std::string& head = proxy.heads.at(0);
    EXPECT_TRUE(head.starts_with("CONNECT service.invalid:443 HTTP/1.1\r\n")) << head;
    EXPECT_THAT(head, HasSubstr("Proxy-Authorization: Basic dTpw\r\n"));
    EXPECT_THAT(head, Not(HasSubstr("secret")));
    proxy.stop();
  });
}

TEST(HttpClientProxy, ARefusedTunnelSaysWhatToDo) {
  for (const char* answer : {"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
                             "HTTP/1.1 403 Forbidden\r\n\r\n", "220 mail.test ESMTP\r\n\r\n"}) {
    testing::run([answer](Context& ctx) -> asio::awaitable<void> {
      TinyProxy proxy(ctx.executor());
      proxy.connect_answer = answer;
      const auto client = HttpClient::create({.proxy = through(proxy.url("u:hunter2@"))});
      HttpCall call{.url = "https://service.invalid/"};
      const auto reply = co_await client->send(ctx, std::move(call));
      EXPECT_FALSE(reply);
      const bool password = std::string_view(answer).find("407") != std::string_view::npos;
      EXPECT_EQ(reply.error().code, password ? Errc::unauthenticated : Errc::network_error);
      EXPECT_THAT(reply.error().message, HasSubstr("CONNECT service.invalid:443"));
      EXPECT_THAT(reply.error().describe(), Not(HasSubstr("hunter2")));
      proxy.stop();
    });
  }
}

TEST(HttpClientProxy, AnExceptionGoesDirectly) {
  testing::run([](Context& ctx) -> asio::awaitable<void> {
    TinyProxy proxy(ctx.executor());
    ProxyRules rules = through(proxy.url());
    rules.direct = {"service.invalid"};
    const auto client = HttpClient::create({.proxy = rules});
    HttpCall call{.url = "http://service.invalid/"};
    const auto reply = co_await client->send(ctx, std::move(call));
    EXPECT_EQ(reply.error().code, Errc::dns_error);
    EXPECT_THAT(proxy.heads, ElementsAre());
    proxy.stop();
  });
}

}  // namespace
}  // namespace troupe::net
