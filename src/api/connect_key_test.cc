#include "api/connect_key.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace troupe::api {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

const WallTime kNow{std::chrono::seconds(1'790'000'000)};
constexpr auto kHour = std::chrono::hours(1);

KeyClaim claim(KeyScope scope = KeyScope::connect) {
  return {.session_id = "3f2b9a52-5f0a-4d34-9a0f-7b2f1d3c4e5f",
          .scope = scope,
          .expires = kNow + kHour};
}

TEST(ConnectKeys, GivesBackWhatWasSigned) {
  const ConnectKeys keys("secret");
  for (const KeyScope scope : {KeyScope::view, KeyScope::control, KeyScope::connect}) {
    const auto checked = keys.check(keys.sign(claim(scope)), kNow);
    ASSERT_TRUE(checked) << checked.error().describe();
    EXPECT_EQ(checked->session_id, claim().session_id);
    EXPECT_EQ(checked->scope, scope);
    EXPECT_EQ(checked->expires, kNow + kHour);
  }
}

TEST(ConnectKeys, HoldsUntilItsExpiryAndNotLonger) {
  const ConnectKeys keys("secret");
  const std::string key = keys.sign(claim());

  EXPECT_TRUE(keys.check(key, kNow + kHour - std::chrono::seconds(1)));
  const auto late = keys.check(key, kNow + kHour);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::gone);
}

TEST(ConnectKeys, RefusesEveryKeyWithOneChangedCharacter) {
  const ConnectKeys keys("secret");
  const std::string key = keys.sign(claim());
  for (std::size_t i = 0; i < key.size(); ++i) {
    std::string changed = key;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    const auto checked = keys.check(changed, kNow);
    ASSERT_FALSE(checked) << changed;
    EXPECT_EQ(checked.error().code, Errc::unauthenticated);
  }
}

TEST(ConnectKeys, RefusesKeysOfAnotherSecretAndWhatIsNone) {
  const ConnectKeys keys("secret");
  EXPECT_FALSE(keys.check(ConnectKeys("other").sign(claim()), kNow));
  for (const char* text : {"", ".", "a.b.c.d", "c.x.99999999999", "...."})
    EXPECT_FALSE(keys.check(text, kNow)) << text;
}

TEST(ConnectKeys, NeedsNoEncodingInAQuery) {
  const std::string key = ConnectKeys("secret").sign(claim());
  EXPECT_EQ(key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789-._"),
            std::string::npos);
  EXPECT_THAT(key, StartsWith("c.3f2b9a52-"));
}

class KeptSecretTest : public testing::Test {
 protected:
  KeptSecretTest() {
    char name[] = "/tmp/troupe-secret-XXXXXX";
    dir_ = mkdtemp(name);
  }
  ~KeptSecretTest() override { std::filesystem::remove_all(dir_); }
  std::string secret() {
    said_.clear();
    const auto secret = kept_secret(file(), said_);
    return secret ? *secret : secret.error().describe();
  }
  std::string file() const { return dir_ + "/connect.key"; }
  std::string dir_;
  std::string said_;
};

TEST_F(KeptSecretTest, OutlivesARestartAndIsForItsOwnerOnly) {
  const std::string first = secret();
  const std::string key = ConnectKeys(first).sign(claim());

  EXPECT_EQ(secret(), first);
  EXPECT_EQ(said_, "");
  EXPECT_TRUE(ConnectKeys(secret()).check(key, kNow));
  const auto mode = std::filesystem::status(file()).permissions();
  EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(KeptSecretTest, OneThatOthersCouldReadIsReplacedAndSaid) {
  const std::string first = secret();
  std::filesystem::permissions(file(), std::filesystem::perms(0644));

  const std::string second = secret();

  EXPECT_NE(second, first);
  EXPECT_THAT(said_, HasSubstr("others could read it"));
  EXPECT_EQ(secret(), second);
}

TEST_F(KeptSecretTest, ADamagedOneIsReplacedAndSaid) {
  {
    std::ofstream(file()) << "short\n";
  }
  std::filesystem::permissions(file(), std::filesystem::perms(0600));

  EXPECT_GE(secret().size(), 32u);
  EXPECT_THAT(said_, HasSubstr("damaged"));
}

TEST_F(KeptSecretTest, AFolderThatCannotBeWrittenIsAnError) {
  dir_ += "/none";
  EXPECT_EQ(kept_secret(file(), said_).error().code, Errc::storage_failed);
}

}  // namespace
}  // namespace troupe::api
