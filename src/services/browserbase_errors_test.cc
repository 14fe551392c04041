#include "services/browserbase_errors.h"

#include <gmock/gmock.h>

namespace troupe::services {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

net::HttpReply answer(int status, std::string body, net::Headers headers = {}) {
  return {status, std::move(headers), std::move(body)};
}

TEST(BrowserbaseErrors, TheTwoLimitsAreToldApartByTextThenByHeaders) {
  const auto limit = [](std::string body, net::Headers headers = {}) {
    return failure_of(answer(429, std::move(body), std::move(headers)));
  };
  const std::string full = R"x({"message": "Max Concurrent sessions limit (limit 1, now 1)"})x";
  EXPECT_EQ(limit(full, {{"x-ratelimit-remaining", "0"}}), RemoteFailure::concurrency);
  EXPECT_EQ(limit(R"({"message": "Rate limit exceeded"})", {{"x-ratelimit-remaining", "4"}}),
            RemoteFailure::rate);
  EXPECT_EQ(limit("", {{"x-ratelimit-remaining", "4"}}), RemoteFailure::concurrency);
  EXPECT_EQ(limit("", {{"x-ratelimit-remaining", "0"}}), RemoteFailure::rate);
  EXPECT_EQ(limit(""), RemoteFailure::rate);
}

TEST(BrowserbaseErrors, MessagesAreTheServicesWordsOnOneShortLine) {
  const auto shown = [](std::string body) {
    const auto reply = answer(500, std::move(body));
    return error_for(RemoteFailure::server, reply, "GET /v1/x").message;
  };
  EXPECT_EQ(shown(R"({"statusCode": 500, "error": "E", "message": "no\nway"})"),
            "browserbase: GET /v1/x answered 500: no way");
  EXPECT_EQ(shown(R"({"error": "E"})"), "browserbase: GET /v1/x answered 500: E");
  EXPECT_EQ(shown(""), "browserbase: GET /v1/x answered 500");
  EXPECT_EQ(shown("plain"), "browserbase: GET /v1/x answered 500: plain");
  std::string umlauts(299, 'a');
  for (int i = 0; i < 50; ++i) umlauts += "ü";
  const std::string cut = shown(umlauts);
  EXPECT_LT(cut.size(), 360);
  EXPECT_TRUE(cut.ends_with("a…")) << cut;
}

TEST(BrowserbaseErrors, EveryCodeOfTheHttpClientHasItsFailure) {
  const auto kind = [](Errc code) { return failure_of(fail(code, "x")); };
  EXPECT_EQ(kind(Errc::timeout), RemoteFailure::timeout);
  EXPECT_EQ(kind(Errc::cancelled), RemoteFailure::cancelled);
  EXPECT_EQ(kind(Errc::dns_error), RemoteFailure::dns);
  EXPECT_EQ(kind(Errc::tls_error), RemoteFailure::tls);
  EXPECT_EQ(kind(Errc::network_error), RemoteFailure::network);
  EXPECT_EQ(kind(Errc::protocol_error), RemoteFailure::malformed);
  EXPECT_EQ(kind(Errc::payload_too_large), RemoteFailure::too_large);
  EXPECT_EQ(kind(Errc::unauthenticated), RemoteFailure::proxy);
  EXPECT_EQ(kind(Errc::invalid_argument), RemoteFailure::local);
}

TEST(BrowserbaseErrors, OnlyWhatWasSentCanHaveHadAnEffect) {
  EXPECT_TRUE(may_be_applied(RemoteFailure::timeout, true));
  EXPECT_FALSE(may_be_applied(RemoteFailure::timeout, false));
  EXPECT_TRUE(may_be_applied(RemoteFailure::cancelled, true));
  EXPECT_FALSE(may_be_applied(RemoteFailure::rate, true));
  EXPECT_FALSE(may_be_applied(RemoteFailure::key, true));
}

TEST(BrowserbaseErrors, ATlsFailureIsNeitherRepeatedNorHiddenBehindTheHint) {
  EXPECT_FALSE(may_pass_later(RemoteFailure::tls));
  const Error error =
      error_for(RemoteFailure::tls,
                fail(Errc::tls_error, "TLS with h:443: certificate has expired"), "GET /v1/x");
  EXPECT_EQ(error.code, Errc::tls_error);
  EXPECT_THAT(error.message, HasSubstr("certificate has expired"));
  EXPECT_THAT(error.hint, Not(HasSubstr("key")));
}

}  // namespace
}  // namespace troupe::services
