// The built-in workflow on a site profile and a page that behaves like a list without end.
#include "base/assets.h"
#include "engine/executor_fixture.h"
#include "workflows/planner.h"

namespace troupe::engine {
namespace {

class VideoDiscoveryTest : public testing_support::ExecutorFixture {
 protected:
  VideoDiscoveryTest() {
    site.name = "films";
    site.profile = json::parse(R"({
      "site": "films", "base_url": "https://films.example", "search_path": "/results?q=",
      "consent": {"selector": "#accept"},
      "results": {"ready": "#count", "items": ".card", "end": "#end",
                  "fields": {"title": "string", "url": "url", "views": "count"}},
      "details": {"ready": "h1", "fields": {"description": "string", "views": "count"}}
    })")
                       .get_object();
    ON_CALL(interactor, does).WillByDefault([this](const interact::Action& action) {
      return page(action);
    });
  }

  /// Twelve videos at first, twelve more after each scroll, `total` in all.
  Result<interact::ActionResult> page(const interact::Action& action) {
    done.push_back(action.kind + " " + json::serialize(action.args));
    if (action.kind == "goto") {
      shown = 12;
      topic = interactor.address.substr(interactor.address.find('=') + 1);
    }
    if (action.kind == "scroll") shown += 12;
    if (action.kind == "wait_for" && action.args.contains("min") &&
        action.args.at("min").get_int64() > std::min(shown, total))
      return fail(Errc::target_not_found, "not so many");
    interact::ActionResult result;
    if (action.kind == "extract") result.output = read(action.args.contains("items"));
    return result;
  }
  json::value read(bool list) const {
    if (!list) return {{"description", "About it"}, {"views", nullptr}};
    json::array videos;
    for (int i = 0; i < std::min(shown, total); ++i) {
      const std::string name = topic + "-" + std::to_string(i);
      videos.push_back({{"title", name},
                        {"url", "https://films.example/watch/" + name},
                        {"views", (i * 7) % 23}});
    }
    return videos;
  }
  ExecutionOutcome discover(json::object given, int index = 0, int count = 1) {
    constexpr std::string_view kPath = "workflows/video_discovery.yaml";
    ExecutionInput input;
    input.definition = *workflows::parse_definition(assets::get(kPath), kPath);
    input.inputs = *workflows::complete_inputs(*input.definition, given, "inputs");
    input.site = site;
    input.session_index = index;
    input.session_count = count;
    return run(std::move(input));
  }
  std::vector<std::string> kinds(std::string_view kind) const {
    std::vector<std::string> found;
    for (const auto& action : done)
      if (action.starts_with(kind)) found.push_back(action);
    return found;
  }

  int shown = 0;
  int total = 40;
  std::string topic;
};

TEST_F(VideoDiscoveryTest, CollectsByScrollingAndOpensTheMostWatched) {
  const auto outcome = discover({{"topics", {"jazz"}}, {"max_videos", 20}});

  ASSERT_FALSE(outcome.error) << outcome.error->describe();
  const auto& output = outcome.output.get_object();
  EXPECT_EQ(output.at("count"), json::value(20));
  EXPECT_EQ(
      json::serialize(output.at("videos").at(0)),
      R"({"title":"jazz-0","url":"https://films.example/watch/jazz-0","views":0,"topic":"jazz"})");
  EXPECT_EQ(kinds("scroll").size(), 1u);
  EXPECT_EQ(json::serialize(output.at("best")),
            R"({"title":"jazz-13","url":"https://films.example/watch/jazz-13","views":22,)"
            R"("topic":"jazz","description":"About it"})");
}

TEST_F(VideoDiscoveryTest, EndsWhenTheListGrowsNoMore) {
  total = 15;

  const auto outcome = discover({{"topics", {"jazz"}}, {"max_videos", 100}});

  ASSERT_FALSE(outcome.error) << outcome.error->describe();
  EXPECT_EQ(outcome.output.at("count"), json::value(15));
  EXPECT_EQ(kinds("scroll").size(), 2u);
}

TEST_F(VideoDiscoveryTest, DividesTheTopicsBetweenTheSessions) {
  const json::object given = {{"topics", {"a", "b c", "d", "e"}}, {"open_best", false}};

  const auto outcome = discover(given, 1, 3);

  EXPECT_EQ(json::serialize(outcome.output.at("topics")), R"(["b c"])");
  EXPECT_THAT(kinds("goto"),
              testing::ElementsAre(R"(goto {"url":"https://films.example/results?q=b%20c"})"));
  EXPECT_EQ(json::serialize(discover(given, 0, 3).output.at("topics")), R"(["a","e"])");
  EXPECT_EQ(json::serialize(discover(given, 5, 6).output.at("topics")), R"(["b c"])");
}

TEST_F(VideoDiscoveryTest, TakesOneTopicPerItem) {
  const auto outcome = discover({{"topic", "waltz"}}, 2, 3);

  EXPECT_EQ(json::serialize(outcome.output.at("topics")), R"(["waltz"])");
}

TEST_F(VideoDiscoveryTest, AsksForConsentOnlyOnceAndOnlyWhereThereIsSome) {
  discover({{"topics", {"a", "b"}}, {"open_best", false}});
  EXPECT_EQ(kinds("click").size(), 1u);

  done.clear();
  site.profile.erase("consent");
  discover({{"topics", {"a", "b"}}, {"open_best", false}});
  EXPECT_EQ(kinds("click").size(), 0u);
}

TEST_F(VideoDiscoveryTest, SaysSoWhenNothingIsFound) {
  total = 0;

  const auto outcome = discover({{"topics", {"jazz"}}});

  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code, Errc::assertion_failed);
  EXPECT_EQ(outcome.failed_step, "some");
  EXPECT_EQ(outcome.error->message,
            "assert: no video found for jazz: the site has none, or its markup changed");
}

}  // namespace
}  // namespace troupe::engine
