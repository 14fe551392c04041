#include "app/text.h"

#include <gtest/gtest.h>

namespace troupe::app {
namespace {

TEST(Text, WidthCountsColumnsNotBytes) {
  EXPECT_EQ(display_width("abc"), 3);
  EXPECT_EQ(display_width("Métropolis"), 10);
  EXPECT_EQ(display_width("七人の侍"), 8);
  EXPECT_EQ(display_width("e\xcc\x81"), 1);  // a combining accent
  EXPECT_EQ(display_width("\xff"), 1);
}

TEST(Text, FitCutsBetweenCharacters) {
  EXPECT_EQ(fit("Nosferatu", 9), "Nosferatu");
  EXPECT_EQ(fit("Nosferatu", 5), "Nosf…");
  EXPECT_EQ(fit("七人の侍", 5), "七人…");
  EXPECT_EQ(fit("abc", 0), "");
}

TEST(Text, PadFillsEitherSide) {
  EXPECT_EQ(pad("ab", 4), "ab  ");
  EXPECT_EQ(pad("12", 4, true), "  12");
  EXPECT_EQ(pad("abcdef", 4), "abc…");
}

TEST(Text, OneLineHoldsNothingThatDrivesATerminal) {
  EXPECT_EQ(one_line("a\nb\x1b[31mc\xc2\x9b\xff"), "a b [31mc ?");
}

TEST(Text, ShortTimesChangeTheirUnit) {
  EXPECT_EQ(short_time(0), "0.0s");
  EXPECT_EQ(short_time(12'345), "12.3s");
  EXPECT_EQ(short_time(125'000), "2m05s");
  EXPECT_EQ(short_time(3'720'000), "1h02m");
}

}  // namespace
}  // namespace troupe::app
