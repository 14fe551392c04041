// What stands between a session's browser and the net: proxies, certificates, lists of domains.
// With a real browser.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <cstdlib>
#include <filesystem>

#include "base/testing.h"
#include "sessions/session_testing.h"

namespace troupe::sessions {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using tcp = asio::ip::tcp;
using TlsStream = asio::ssl::stream<tcp::socket>;
using troupe::testing::run;
constexpr asio::as_tuple_t<asio::use_awaitable_t<>> kToken;

class SessionNetworkTest : public ::testing::Test {
 protected:
  SessionNetworkTest() { fs::create_directories(dir_); }
  ~SessionNetworkTest() override { fs::remove_all(dir_); }
  std::string dir_ =
      (fs::temp_directory_path() / ("troupe-network-" + std::to_string(getpid()))).string();
};

tcp::endpoint loopback() { return {asio::ip::address_v4::loopback(), 0}; }

// Where the page ended, or what kept it from getting there.
asio::awaitable<std::string> visit(Context& ctx, SessionProvider& provider, SessionSpec spec,
                                   std::string url) {
  auto session = co_await provider.create(ctx, "one", spec);
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return "";
  auto client = co_await open_page(ctx, **session);
  EXPECT_TRUE(client) << client.error().describe();
  if (!client) co_return "";
  auto went = co_await client->page->navigate(ctx, std::move(url), cdp::WaitUntil::load);
  std::string told = went ? "" : went.error().describe();
  if (went) {
    const auto title = co_await evaluate(ctx, *client->page, "document.title");
    told = title.is_string() ? std::string(title.get_string()) : "";
  }
  client->page.reset();
  (void)co_await (*session)->close(ctx, false);
  session->reset();
  co_return told;
}

// A site behind TLS whose certificate only the test's own authority vouches for.
class SecretSite {
 public:
  SecretSite(asio::any_io_executor executor, const std::string& folder)
      : acceptor_(executor, loopback()) {
    const std::string at = folder + "/";
    const std::string command =
        "cd " + folder +
        " && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key"
        " -out ca.pem 2>/dev/null && openssl req -newkey rsa:2048 -nodes -subj /CN=localhost"
        " -keyout key.pem -out ask.pem -addext subjectAltName=DNS:localhost 2>/dev/null"
        " && openssl x509 -req -in ask.pem -CA ca.pem -CAkey ca.key -days 2 -copy_extensions copy"
        " -out cert.pem 2>/dev/null";
    EXPECT_EQ(std::system(command.c_str()), 0);
    tls_.use_certificate_file(at + "cert.pem", asio::ssl::context::pem);
    tls_.use_private_key_file(at + "key.pem", asio::ssl::context::pem);
    asio::co_spawn(executor, serve(acceptor_, tls_), [](std::exception_ptr) {});
  }
  std::string url() const {
    return "https://localhost:" + std::to_string(acceptor_.local_endpoint().port()) + "/";
  }
  void stop() { acceptor_.close(); }

 private:
  static asio::awaitable<void> answer(std::shared_ptr<TlsStream> stream) {
    const auto shaken = co_await stream->async_handshake(asio::ssl::stream_base::server, kToken);
    if (std::get<0>(shaken)) co_return;
    char bytes[4096];
    (void)co_await stream->async_read_some(asio::buffer(bytes), kToken);
    constexpr std::string_view kPage =
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 21\r\n"
        "Connection: close\r\n\r\n<title>secret</title>";
    (void)co_await asio::async_write(*stream, asio::buffer(kPage), kToken);
  }
  static asio::awaitable<void> serve(tcp::acceptor& acceptor, asio::ssl::context& tls) {
    for (;;) {
      auto accepted = co_await acceptor.async_accept(kToken);
      if (std::get<0>(accepted)) co_return;
      auto stream = std::make_shared<TlsStream>(std::move(std::get<1>(accepted)), tls);
      asio::co_spawn(acceptor.get_executor(), answer(stream), [](std::exception_ptr) {});
    }
  }

  tcp::acceptor acceptor_;
  asio::ssl::context tls_{asio::ssl::context::tls_server};
};

asio::awaitable<void> certificate(Context& ctx, std::string dir) {
  SecretSite secret(ctx.executor(), dir);
  LocalOptions options;
  options.certificate_file = [dir](const std::string& id) -> Result<std::string> {
    if (id != "mine") return fail(Errc::not_found, "certificate " + id);
    return dir + "/ca.pem";
  };
  SessionFixture f(ctx, dir, options);
  SessionSpec spec{.connectable = true};
  const std::string url = secret.url();
  const std::string without = co_await visit(ctx, *f.provider, spec, url);
  EXPECT_THAT(without, HasSubstr("ERR_CERT_AUTHORITY_INVALID"));

  spec.ca_certificates = {"mine"};
  const std::string with = co_await visit(ctx, *f.provider, spec, url);
  EXPECT_EQ(with, "secret");

  spec.ca_certificates = {"unknown"};
  auto refused = co_await f.provider->create(ctx, "two", spec);
  EXPECT_EQ(refused.error().code, Errc::not_found);
  secret.stop();
  co_await f.stop(ctx);
}

TEST_F(SessionNetworkTest, AnUploadedAuthorityIsTrusted) {
  run([&](Context& ctx) { return certificate(ctx, dir_); });
}

// A SOCKS5 proxy (RFC 1928, 1929) that sends everybody to one place, whatever he asked for.
class SocksProxy {
 public:
  SocksProxy(asio::any_io_executor executor, int target)
      : acceptor_(executor, loopback()), target_(target) {
    asio::co_spawn(executor, serve(*this), [](std::exception_ptr) {});
  }
  std::string address() const {
    return "socks5://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }
  void stop() { acceptor_.close(); }
  std::vector<std::string> asked;   // `host:port`
  std::vector<std::string> logins;  // `user:password`

 private:
  using Socket = std::shared_ptr<tcp::socket>;
  static asio::awaitable<std::string> take(Socket socket, std::size_t size) {
    std::string bytes(size, '\0');
    (void)co_await asio::async_read(*socket, asio::buffer(bytes), kToken);
    co_return bytes;
  }
  static asio::awaitable<void> put(Socket socket, std::string bytes) {
    (void)co_await asio::async_write(*socket, asio::buffer(bytes), kToken);
  }
  static std::size_t number(const std::string& bytes, std::size_t at) {
    return static_cast<unsigned char>(bytes[at]);
  }
  static asio::awaitable<void> pump(Socket from, Socket to) {
    char bytes[4096];
    for (;;) {
      const auto got = co_await from->async_read_some(asio::buffer(bytes), kToken);
      if (std::get<0>(got)) break;
      co_await put(to, std::string(bytes, std::get<1>(got)));
    }
    boost::system::error_code ignored;
    to->shutdown(tcp::socket::shutdown_send, ignored);
  }
  static asio::awaitable<void> carry(SocksProxy& proxy, Socket client) {
    const std::string hello = co_await take(client, 2);
    (void)co_await take(client, number(hello, 1));
    co_await put(client, std::string("\x05\x02", 2));  // user name and password
    const std::string user_size = co_await take(client, 2);
    const std::string user = co_await take(client, number(user_size, 1));
    const std::string pass_size = co_await take(client, 1);
    const std::string pass = co_await take(client, number(pass_size, 0));
    proxy.logins.push_back(user + ":" + pass);
    const bool good = user == "user" && pass == "pass";
    co_await put(client, good ? std::string("\x01\x00", 2) : std::string("\x01\x01", 2));
    if (!good) co_return;
    const std::string ask = co_await take(client, 5);
    const std::string host = co_await take(client, number(ask, 4));
    const std::string port = co_await take(client, 2);
    proxy.asked.push_back(host + ":" + std::to_string(number(port, 0) * 256 + number(port, 1)));
    auto onward = std::make_shared<tcp::socket>(client->get_executor());
    const tcp::endpoint place(asio::ip::address_v4::loopback(),
                              static_cast<unsigned short>(proxy.target_));
    (void)co_await onward->async_connect(place, kToken);
    co_await put(client, std::string("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00", 10));
    asio::co_spawn(client->get_executor(), pump(onward, client), [](std::exception_ptr) {});
    co_await pump(client, onward);
  }
  static asio::awaitable<void> serve(SocksProxy& proxy) {
    for (;;) {
      auto accepted = co_await proxy.acceptor_.async_accept(kToken);
      if (std::get<0>(accepted)) co_return;
      auto client = std::make_shared<tcp::socket>(std::move(std::get<1>(accepted)));
      asio::co_spawn(proxy.acceptor_.get_executor(), carry(proxy, client),
                     [](std::exception_ptr) {});
    }
  }

  tcp::acceptor acceptor_;
  int target_;
};

asio::awaitable<void> socks(Context& ctx, std::string dir) {
  SessionFixture f(ctx, dir);
  SocksProxy proxy(ctx.executor(), f.site->port());
  SessionSpec spec{.connectable = true};
  spec.proxies.push_back({.type = ProxySpec::Type::external,
                          .server = proxy.address(),
                          .username = "user",
                          .password = "pass"});
  const std::string through = "http://host.invalid:8080/through";
  const std::string title = co_await visit(ctx, *f.provider, spec, through);
  EXPECT_EQ(title, "/through");
  EXPECT_THAT(proxy.asked, Contains("host.invalid:8080")) << "the name is the proxy's to resolve";
  EXPECT_THAT(proxy.logins, Contains("user:pass"));

  spec.proxies[0].password = "wrong";
  const std::string wrong = "http://host.invalid/wrong";
  const std::string refused = co_await visit(ctx, *f.provider, spec, wrong);
  EXPECT_THAT(f.asked, Not(Contains("/wrong"))) << refused;
  proxy.stop();
  co_await f.stop(ctx);
}

TEST_F(SessionNetworkTest, ASocksProxyIsGivenItsCredentials) {
  run([&](Context& ctx) { return socks(ctx, dir_); });
}

// `open` or `failed`.
asio::awaitable<std::string> web_socket(Context& ctx, SessionFixture& f, SessionSpec spec,
                                        std::string url) {
  auto session = co_await f.provider->create(ctx, "one", spec);
  EXPECT_TRUE(session) << session.error().describe();
  if (!session) co_return "";
  auto client = co_await open_page(ctx, **session);
  EXPECT_TRUE(client) << client.error().describe();
  if (!client) co_return "";
  std::string start = f.url("/page");
  auto went = co_await client->page->navigate(ctx, std::move(start), cdp::WaitUntil::load);
  EXPECT_TRUE(went) << went.error().describe();
  const std::string script = "new Promise(done => {const s = new WebSocket('" + url +
                             "'); s.onopen = () => done('open'); s.onerror = () => "
                             "done('failed')})";
  const auto how = co_await evaluate(ctx, *client->page, script);
  client->page.reset();
  (void)co_await (*session)->close(ctx, false);
  session->reset();
  co_return how.is_string() ? std::string(how.get_string()) : json::serialize(how);
}

asio::awaitable<void> socket_domains(Context& ctx, std::string dir) {
  SessionFixture f(ctx, dir);
  const std::string port = std::to_string(f.site->port());
  const std::string own = "ws://127.0.0.1:" + port + "/ws-own";
  const std::string other = "ws://localhost:" + port + "/ws-other";
  SessionSpec spec{.connectable = true};
  spec.allowed_domains = {"127.0.0.1"};
  const std::string uncovered = co_await web_socket(ctx, f, spec, other);
  EXPECT_EQ(uncovered, "open") << "the lists hold for pages only";
  f.asked.clear();

  spec.domains_cover_resources = true;
  const std::string allowed = co_await web_socket(ctx, f, spec, own);
  EXPECT_EQ(allowed, "open");
  const std::string unlisted = co_await web_socket(ctx, f, spec, other);
  EXPECT_EQ(unlisted, "failed");
  EXPECT_THAT(f.asked, Contains("/ws-own"));
  EXPECT_THAT(f.asked, Not(Contains("/ws-other")));

  spec.allowed_domains.clear();
  spec.denied_domains = {"localhost"};
  const std::string secure = "wss://localhost:" + port + "/ws";
  const std::string denied = co_await web_socket(ctx, f, spec, secure);
  EXPECT_EQ(denied, "failed");
  EXPECT_THAT(f.asked, Not(Contains("/ws")));
  co_await f.stop(ctx);
}

TEST_F(SessionNetworkTest, ListsOfDomainsHoldForWebSocketsWhenTheyCoverResources) {
  run([&](Context& ctx) { return socket_domains(ctx, dir_); });
}

}  // namespace
}  // namespace troupe::sessions
