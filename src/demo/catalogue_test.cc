#include "demo/catalogue.h"

#include <gmock/gmock.h>

#include <set>

#include "base/assets.h"

namespace troupe::demo {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;

const Catalogue& shipped() {
  static const Catalogue catalogue = Catalogue::parse(assets::get("demo/catalogue.json")).value();
  return catalogue;
}

std::string parse_error(std::string_view text) {
  const auto parsed = Catalogue::parse(text);
  return parsed ? "" : parsed.error().message;
}

std::string title_of_best(std::string_view query) {
  const auto found = shipped().search(query);
  return found.empty() ? "" : found.front()->title;
}

TEST(DemoCatalogue, HoldsAboutTwoHundredFilms) {
  EXPECT_GE(shipped().films().size(), 190U);
  EXPECT_LE(shipped().films().size(), 260U);
  EXPECT_EQ(shipped().channels().size(), 15U);
}

TEST(DemoCatalogue, HasPlausibleYearsAndLengths) {
  for (const Film& film : shipped().films()) {
    EXPECT_GE(film.year, 1888) << film.title;
    EXPECT_LE(film.year, 1975) << film.title;
    EXPECT_GE(film.seconds, 10) << film.title;
    EXPECT_LE(film.seconds, 25'000) << film.title;
    EXPECT_FALSE(film.topics.empty()) << film.title;
  }
}

TEST(DemoCatalogue, HasUniqueIdsAndTitles) {
  std::set<std::string> ids;
  std::set<std::pair<std::string, int>> titles;
  for (const Film& film : shipped().films()) {
    EXPECT_TRUE(ids.insert(film.id).second) << film.id;
    EXPECT_TRUE(titles.insert({film.title, film.year}).second) << film.title;
  }
}

TEST(DemoCatalogue, HasIdsOfElevenLettersAndDigits) {
  for (const Film& film : shipped().films()) {
    EXPECT_EQ(film.id.size(), 11U) << film.id;
    EXPECT_EQ(film.id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789"), film.id.npos)
        << film.id;
  }
}

TEST(DemoCatalogue, HasFilmsInEveryChannel) {
  for (const Channel& channel : shipped().channels())
    EXPECT_GE(shipped().films_of(channel.id).size(), 5U) << channel.name;
}

TEST(DemoCatalogue, FindsTwentyFilmsOfEveryMainTopic) {
  for (const char* topic : {"comedy", "silent film", "science fiction", "horror", "animation",
                            "western", "documentary", "film noir"})
    EXPECT_GE(shipped().search(topic).size(), 20U) << topic;
}

TEST(DemoCatalogue, RanksFilmsOfTheWholeTopicFirst) {
  const auto found = shipped().search("science fiction");

  ASSERT_GE(found.size(), 20U);
  for (std::size_t i = 0; i < 20; ++i)
    EXPECT_THAT(found[i]->topics, testing::Contains("science fiction")) << found[i]->title;
}

TEST(DemoCatalogue, FindsByTitleDirectorAndYear) {
  EXPECT_EQ(title_of_best("metropolis"), "Metropolis");
  EXPECT_EQ(shipped().search("ida lupino").front()->director, "Ida Lupino");
  EXPECT_EQ(shipped().search("1968").front()->year, 1968);
}

TEST(DemoCatalogue, ComparesWithoutCaseAccentsAndPlural) {
  EXPECT_EQ(shipped().search("MÉLIÈS").size(), shipped().search("melies").size());
  EXPECT_EQ(shipped().search("comedies").size(), shipped().search("comedy").size());
  EXPECT_EQ(title_of_best("haxan"), "Häxan");
}

TEST(DemoCatalogue, FindsFilmsThatFitOnlyOneOfTheWords) {
  EXPECT_GT(shipped().search("western zeppelin").size(), 10U);
}

TEST(DemoCatalogue, FindsNothingForWordsOfNoFilm) {
  EXPECT_THAT(shipped().search("zeppelin"), IsEmpty());
}

TEST(DemoCatalogue, ListsEverythingForAnEmptyQuery) {
  EXPECT_EQ(shipped().search(" ! ").size(), shipped().films().size());
}

TEST(DemoCatalogue, RelatesFilmsOfOneDirectorWithoutTheFilmItself) {
  const Film& film = *shipped().search("metropolis").front();

  const auto related = shipped().related(film);

  ASSERT_FALSE(related.empty());
  EXPECT_EQ(related.front()->director, "Fritz Lang");
  EXPECT_THAT(related, Each(testing::Ne(&film)));
}

TEST(DemoCatalogue, KnowsNoOtherIds) {
  EXPECT_EQ(shipped().film("nosuchfilm0"), nullptr);
  EXPECT_EQ(shipped().channel(""), nullptr);
}

TEST(DemoCatalogue, RefusesTextThatIsNoCatalogue) {
  EXPECT_THAT(parse_error("{"), HasSubstr("demo catalogue"));
  EXPECT_THAT(parse_error("{}"), HasSubstr("channels is missing"));
  EXPECT_THAT(parse_error(R"({"channels":[{"id":"a"}],"films":[]})"), HasSubstr("name is missing"));
  EXPECT_THAT(parse_error(R"({"channels":[],"films":[1]})"), HasSubstr("film is not an object"));
}

TEST(DemoCatalogue, RefusesAFilmOfAnUnknownChannel) {
  EXPECT_THAT(parse_error(R"({"channels":[],"films":[{"id":"a","title":"b","year":1900,
    "director":"c","seconds":60,"country":"d","topics":[],"channel":"nowhere"}]})"),
              HasSubstr("no channel nowhere"));
}

TEST(DemoFold, KeepsLettersAndDigits) {
  EXPECT_EQ(fold("  Safety Last!"), "safety last");
  EXPECT_EQ(fold("Léonide d'Été, 3"), "leonide dete 3");
}

}  // namespace
}  // namespace troupe::demo
