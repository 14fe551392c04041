// Services and browsers that are reached over TLS and through a proxy only, with the real binary:
// the client of Browserbase, the connection to its browsers, provider `cdp`, and the gateway.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "remote_stub.h"
#include "secure_way.h"
#include "sessions/remote_browser.h"

namespace troupe::e2e {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr auto kLimit = std::chrono::seconds(15);
constexpr const char* kAuthorization = "Basic dXNlcjpwQHNz";  // user:p@ss

// What a browser answers a client of the gateway; its error, if there is none.
std::string product_behind(const std::string& url) {
  asio::io_context io;
  const auto clock = make_real_clock(io.get_executor());
  Context unbounded(*clock, io.get_executor());
  Context ctx = unbounded.with_timeout(std::chrono::seconds(20), "client of the gateway");
  std::string told;
  asio::co_spawn(
      io, sessions::connect_remote_browser(ctx, url),
      [&](std::exception_ptr exception, Result<std::shared_ptr<sessions::RemoteBrowser>> browser) {
        if (exception) std::rethrow_exception(exception);
        told = browser ? (*browser)->product : browser.error().describe();
        io.stop();
      });
  io.run();
  return told;
}

class Secure : public ::testing::Test {
 protected:
  void SetUp() override {
    certificates_ = scratch_.path() + "/good";
    make_certificates(scratch_.path(), "good");
    make_certificates(scratch_.path(), "other");
    way_.add("api.test", remote_.api_port(), certificates_);
    way_.add("browsers.test", remote_.browsers_port(), certificates_);
    remote_.browsers_at = "wss://browsers.test";
  }
  // As a service is given them by who runs it.
  std::map<std::string, std::string> environment(const std::string& user = "user:p%40ss") {
    auto all = remote_.environment();
    all["BROWSERBASE_BASE_URL"] = "https://api.test";
    all["TROUPE_CDP_ENDPOINTS"] = "wss://browsers.test/devtools/browser/" + remote_.browser();
    all["SSL_CERT_FILE"] = scratch_.path() + "/good.pem";
    all["HTTPS_PROXY"] =
        "http://" + user + "@127.0.0.1:" + std::to_string(way_.proxy(kAuthorization));
    return all;
  }
  // The answer to a request for a session, of a service with this environment.
  net::HttpReply answer_with(const std::string& provider,
                             std::map<std::string, std::string> environment) {
    environment["TROUPE_SESSION_CREATE_TIMEOUT"] = "8s";
    Service service(scratch_, {"--provider", provider}, std::move(environment));
    auto reply = service.post("/v1/sessions", "{}");
    service.binary().signal(SIGTERM);
    EXPECT_EQ(service.binary().wait(), 0) << service.binary().err();
    return reply;
  }

  const Scratch scratch_;
  RemoteStub remote_;
  SecureWay way_;
  std::string certificates_;
};

TEST_F(Secure, SessionsOfBothProvidersAreReachedThroughAProxyAndTls) {
  for (const char* provider : {"browserbase", "cdp"}) {
    Service service(scratch_, {"--provider", provider}, environment());
    const auto reply = service.post("/v1/sessions", R"({"keepAlive":true})");
    ASSERT_EQ(reply.status, 201) << provider << ": " << reply.body;
    const auto session = parsed(reply.body);

    EXPECT_THAT(product_behind(session.at("connectUrl").as_string().c_str()), HasSubstr("/"))
        << provider;

    service.post("/v1/sessions/" + std::string(session.at("id").as_string()),
                 R"({"status":"REQUEST_RELEASE"})");
    EXPECT_TRUE(Binary::until(kLimit, [&] { return remote_.live() == 0; })) << provider;
    service.binary().signal(SIGTERM);
    EXPECT_EQ(service.binary().wait(), 0) << service.binary().err();
  }
  EXPECT_EQ(remote_.sessions(), 1u);
  EXPECT_THAT(way_.asked(), Contains("CONNECT api.test:443"));
  EXPECT_THAT(way_.asked(), Contains("CONNECT browsers.test:443").Times(::testing::Ge(2)));
}

TEST_F(Secure, ACertificateThatNobodyVouchesForIsATlsError) {
  auto trusting_another = environment();
  trusting_another["SSL_CERT_FILE"] = scratch_.path() + "/other.pem";
  for (const char* provider : {"browserbase", "cdp"}) {
    const auto reply = answer_with(provider, trusting_another);

    EXPECT_EQ(reply.status, 502) << provider << ": " << reply.body;
    EXPECT_THAT(reply.body, HasSubstr("TLS with ")) << provider;
    EXPECT_THAT(reply.body, HasSubstr("certificate")) << provider;
  }
  EXPECT_EQ(remote_.sessions(), 0u);
}

TEST_F(Secure, ACertificateOfAnotherHostIsATlsErrorAndTheSessionIsReleased) {
  make_certificates(scratch_.path(), "good", "DNS:elsewhere.example");
  way_.add("browsers.test", remote_.browsers_port(), certificates_);
  make_certificates(scratch_.path(), "api");
  way_.add("api.test", remote_.api_port(), scratch_.path() + "/api");
  auto all = environment();
  std::ofstream(scratch_.path() + "/both.pem")
      << scratch_.read("good.pem") << scratch_.read("api.pem");
  all["SSL_CERT_FILE"] = scratch_.path() + "/both.pem";

  const auto reply = answer_with("browserbase", all);

  EXPECT_EQ(reply.status, 502) << reply.body;
  EXPECT_THAT(reply.body, HasSubstr("TLS with browsers.test:443"));
  EXPECT_THAT(reply.body, HasSubstr("ostname")) << reply.body;
  EXPECT_EQ(remote_.sessions(), 1u);
  EXPECT_EQ(remote_.live(), 0);
}

TEST_F(Secure, AProxyThatWantsAnotherPasswordIsToldAsThat) {
  for (const char* provider : {"browserbase", "cdp"}) {
    const auto reply = answer_with(provider, environment("user:wrong"));

    EXPECT_EQ(reply.status, 401) << provider << ": " << reply.body;
    EXPECT_THAT(reply.body, HasSubstr("407")) << provider;
    EXPECT_THAT(reply.body, ::testing::Not(HasSubstr("wrong"))) << provider;
  }
  EXPECT_EQ(remote_.sessions(), 0u);
}

}  // namespace
}  // namespace troupe::e2e
