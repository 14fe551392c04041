#include "sessions/tab_limits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cdp/testing.h"

namespace troupe::sessions {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A browser whose events the test tells, and what was asked of it.
struct Fixture {
  explicit Fixture(TabLimitsOptions options)
      : connection(std::make_unique<cdp::ScriptedTransport>(loop.get_executor(), wire)),
        limits(clock, connection, options) {
    limits.start();
  }
  void tell(const std::string& method, const json::object& params) {
    json::object event{{"method", method}, {"params", params}};
    wire.deliver(json::serialize(event));
  }
  void open(const std::string& id, const std::string& context, const std::string& type = "page",
            const std::string& subtype = "") {
    json::object info{{"targetId", id}, {"type", type}, {"browserContextId", context}};
    if (!subtype.empty()) info["subtype"] = subtype;
    tell("Target.targetCreated", {{"targetInfo", info}});
  }
  std::vector<std::string> closed() const {
    std::vector<std::string> ids;
    for (const auto& sent : wire.sent)
      if (sent.at("method") == "Target.closeTarget")
        ids.emplace_back(sent.at("params").at("targetId").as_string());
    return ids;
  }

  asio::io_context loop;
  ManualClock clock;
  cdp::Wire wire;
  cdp::Connection connection;
  TabLimits limits;
};

TEST(TabLimits, ClosesPagesBeyondTheLimitOfTheirContext) {
  Fixture f({.tabs_max = 2, .one_session = false});

  for (const char* id : {"a1", "a2", "a3"}) f.open(id, "A");
  f.open("b1", "B");

  EXPECT_THAT(f.closed(), ElementsAre("a3"));
  EXPECT_EQ(f.limits.closed_tabs(), 1u);
}

TEST(TabLimits, CountsAllContextsOfABrowserThatIsOneSession) {
  Fixture f({.tabs_max = 2});

  f.open("a1", "A");
  f.open("b1", "B");
  f.open("c1", "C");

  EXPECT_THAT(f.closed(), ElementsAre("c1"));
}

TEST(TabLimits, APageThatWasClosedMakesRoom) {
  Fixture f({.tabs_max = 1});
  f.open("one", "A");
  f.tell("Target.targetDestroyed", {{"targetId", "one"}});

  f.open("two", "A");

  EXPECT_THAT(f.closed(), IsEmpty());
}

TEST(TabLimits, WorkersAndPrerenderedPagesAreNoTabs) {
  Fixture f({.tabs_max = 1});
  f.open("one", "A");

  f.open("worker", "A", "service_worker");
  f.open("ahead", "A", "page", "prerender");

  EXPECT_THAT(f.closed(), IsEmpty());
}

TEST(TabLimits, WithoutALimitNothingIsClosedAndCrashesAreCounted) {
  Fixture f({.tabs_max = 0, .one_session = false});
  std::string status;
  f.limits.watch("A", {.crashed = [&](const std::string& how) { status = how; }});
  for (int i = 0; i < 200; ++i) f.open("p" + std::to_string(i), "A");

  f.tell("Target.targetCrashed", {{"targetId", "p7"}, {"status", "oom"}});

  EXPECT_THAT(f.closed(), IsEmpty());
  EXPECT_EQ(status, "oom");
  EXPECT_EQ(f.limits.crashes(), 1u);
}

TEST(TabLimits, AStormIsToldOnceToItsSessionOnly) {
  Fixture f({.tabs_max = 2, .one_session = false, .storm_tabs = 5});
  std::vector<std::string> told;
  int others = 0;
  f.limits.watch("A", {.storm = [&](Error error) { told.push_back(error.describe()); }});
  f.limits.watch("B", {.storm = [&](Error) { ++others; }});

  for (int i = 0; i < 20; ++i) f.open("a" + std::to_string(i), "A");

  EXPECT_THAT(told, ElementsAre(HasSubstr("5 beyond session_tabs_max 2")));
  EXPECT_EQ(others, 0);
}

TEST(TabLimits, FewPagesTooManyOverALongTimeAreNoStorm) {
  Fixture f({.tabs_max = 1, .storm_tabs = 3});
  int told = 0;
  f.limits.watch("", {.storm = [&](Error) { ++told; }});
  f.open("one", "A");

  for (int i = 0; i < 10; ++i) {
    f.open("late" + std::to_string(i), "A");
    f.clock.advance(std::chrono::seconds(6));
  }

  EXPECT_EQ(f.closed().size(), 10u);
  EXPECT_EQ(told, 0);
}

TEST(TabLimits, WhoForgetsHearsNothing) {
  Fixture f({.tabs_max = 1, .one_session = false, .storm_tabs = 1});
  int told = 0;
  f.limits.watch("A", {.storm = [&](Error) { ++told; }});
  f.open("one", "A");
  f.limits.forget("A");

  f.open("two", "A");

  EXPECT_THAT(f.closed(), ElementsAre("two")) << "the limit itself stays";
  EXPECT_EQ(told, 0);
}

}  // namespace
}  // namespace troupe::sessions
