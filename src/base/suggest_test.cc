#include "base/suggest.h"

#include <gtest/gtest.h>

namespace troupe {
namespace {

TEST(Suggest, FindsATypingErrorOnly) {
  EXPECT_EQ(nearest("sesions_max", {"sessions_max", "session_timeout"}), "sessions_max");
  EXPECT_EQ(nearest("colour", {"sessions_max", "port"}), "");
  EXPECT_EQ(nearest("prt", {"sessions_max", "port"}), "port");
  EXPECT_EQ(nearest("", {"a"}), "");
  EXPECT_EQ(nearest(std::string(65, 'a'), {std::string_view("a")}), "");
}

TEST(Suggest, TwoLettersExchangedAreOneEdit) { EXPECT_EQ(nearest("ogt", {"got"}), "got"); }

TEST(Suggest, SaysItInOnePhrase) {
  EXPECT_EQ(did_you_mean("clikc", {"click", "goto"}), " (did you mean 'click'?)");
  EXPECT_EQ(did_you_mean("zebra", {"click", "goto"}), "");
}

}  // namespace
}  // namespace troupe
