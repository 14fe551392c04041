#include "observe/redact.h"

#include <gtest/gtest.h>

namespace troupe::observe {
namespace {

TEST(Redact, KnowsSecretNamesInEverySpelling) {
  for (const char* name : {"password", "X-Api-Key", "api_key", "apiKey", "Authorization", "Cookie",
                           "auth_token", "client-secret", "DB_PASSWORD"})
    EXPECT_TRUE(is_secret_name(name)) << name;
}

TEST(Redact, LeavesNamesThatOnlyLookAlike) {
  for (const char* name : {"topic", "input_tokens", "author", "keyboard", "key"})
    EXPECT_FALSE(is_secret_name(name)) << name;
}

TEST(Redact, RemovesUserInfoFromUrls) {
  EXPECT_EQ(redact_urls("proxy http://bob:pw@host:80/x is down"),
            "proxy http://[secret]@host:80/x is down");
}

TEST(Redact, RemovesOnlySigningQueryValues) {
  EXPECT_EQ(redact_urls("wss://h/p?sessionId=1&signingKey=abc&X-Amz-Signature=z#t=1"),
            "wss://h/p?sessionId=1&signingKey=[secret]&X-Amz-Signature=[secret]#t=1");
}

TEST(Redact, TreatsEveryUrlOfAText) {
  EXPECT_EQ(redact_urls("from http://a:b@c to \"http://d/?token=e\" ok"),
            "from http://[secret]@c to \"http://d/?token=[secret]\" ok");
}

TEST(Redact, LeavesTextWithoutUrlsAlone) {
  EXPECT_EQ(redact_urls("a@b ?token=c :// d"), "a@b ?token=c :// d");
}

TEST(Redact, ReachesSecretsAtAnyDepth) {
  const auto value = parse_json(R"({"a":[{"password":"x","n":1}],"u":"http://a:b@c/"})", "t");
  EXPECT_EQ(json::serialize(redact(*value)),
            R"({"a":[{"password":"[secret]","n":1}],"u":"http://[secret]@c/"})");
}

}  // namespace
}  // namespace troupe::observe
