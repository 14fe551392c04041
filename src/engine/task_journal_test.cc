#include "engine/task_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/journal_image.h"

namespace troupe::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string failed(std::string_view code, int series, int done) {
  return json::serialize(
      json::object{{"error", {{"code", code}}}, {"resumed", {{"series", series}, {"done", done}}}});
}

TEST(TaskJournal, GoesOnWithTheLatestSeriesAndDropsTheOthers) {
  const auto start =
      journal_start({{"1/#done", "4"}, {"1/a", "{}"}, {"3/#done", "2"}, {"3/a", "{}"}}, 5, "");

  EXPECT_EQ(start.series, 3);
  EXPECT_THAT(start.stored, ElementsAre(Pair("#done", "2"), Pair("a", "{}")));
  EXPECT_THAT(start.stale, ElementsAre("1/#done", "1/a"));
  EXPECT_EQ(start.resumed, (json::object{{"series", 3}, {"done", 2}}));
}

TEST(TaskJournal, BeginsAnewWhereTheLastAttemptGotNowhere) {
  const JournalEntries journal{{"1/#done", "2"}, {"1/a", "{}"}};

  const auto anew = journal_start(journal, 2, failed("navigation_failed", 1, 2));
  EXPECT_EQ(anew.series, 2);
  EXPECT_THAT(anew.stored, IsEmpty());
  EXPECT_THAT(anew.stale, ElementsAre("1/#done", "1/a"));
  EXPECT_TRUE(anew.resumed.empty());
  // One that got further, or whose page was not at fault.
  EXPECT_EQ(journal_start(journal, 2, failed("navigation_failed", 1, 1)).series, 1);
  EXPECT_EQ(journal_start(journal, 2, failed("session_lost", 1, 2)).series, 1);
  EXPECT_EQ(journal_start({}, 1, "").series, 1);
  // What an earlier release wrote cannot be read.
  EXPECT_EQ(journal_start({{"1/a", "{}"}}, 2, "").series, 2);
}

TEST(TaskJournal, IsShownWithoutWhatIsForResumingOnly) {
  const auto view = journal_view({{"1/a", R"({"url":"http://x/"})"},
                                  {"1/b>", R"({"rounds":3,"most":9})"},
                                  {"1/b>#items.0", "1,2"},
                                  {"1/b>c", "{}"},
                                  {"1/d>", R"({"branch":0})"},
                                  {"1/@cookies", "[]"},
                                  {"1/$name", "7"}});

  EXPECT_EQ(json::serialize(view),
            R"({"data":[{"step":"a","begun_by_attempt":"1","url":"http://x/"},)"
            R"({"step":"b","begun_by_attempt":"1","rounds":3},{"step":"b>c",)"
            R"("begun_by_attempt":"1"}],"saved":{"name":7}})");
}

TEST(JournalImage, TellsOnlyWhatTheStoreDoesNotHave) {
  JournalImage image({{"a", "1"}, {"b", "2"}});
  image.set("a", std::string("3"));
  image.set("new", std::string("4"));
  image.set("brief", std::string("5"));
  image.erase("brief");
  image.erase("b");

  EXPECT_THAT(image.take_changes(), ElementsAre(Pair("a", "3"), Pair("b", ""), Pair("new", "4")));
  EXPECT_FALSE(image.has_changes());
  EXPECT_EQ(image.bytes(), 6u);
  image.erase("new");
  image.set("new", std::string("6"));
  EXPECT_THAT(image.take_changes(), ElementsAre(Pair("new", "6")));
}

TEST(JournalImage, ErasesARoundButNotItsLoop) {
  JournalImage image(
      {{"s>", "{}"}, {"s>#got.0", "1"}, {"s>a", "{}"}, {"s>b>c", "{}"}, {"s1", "{}"}});

  image.erase_round("s>");

  EXPECT_THAT(image.take_changes(), ElementsAre(Pair("s>a", ""), Pair("s>b>c", "")));
  EXPECT_TRUE(image.any_under("s>"));
  image.erase_under("s>");
  EXPECT_FALSE(image.any_under("s>"));
  EXPECT_NE(image.find("s1"), nullptr);
}

TEST(JournalImage, KeepsListsInPieces) {
  JournalImage image;
  GrowingList list("l.", 0);
  for (int i = 0; i < 3; ++i) list.add(image, json::value(std::string(3'000, 'x')));
  const auto written = image.take_changes();

  ASSERT_EQ(written.size(), 2u);
  JournalImage later{JournalEntries(written)};
  EXPECT_EQ(later.pieces("l.").size(), 3u);
  GrowingList more("l.", later.piece_count("l."));
  more.add(later, json::value(4));
  EXPECT_THAT(later.take_changes(), ElementsAre(Pair("l.2", "4")));
}

}  // namespace
}  // namespace troupe::engine
