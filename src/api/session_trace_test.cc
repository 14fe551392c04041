#include "api/session_trace.h"

#include <gmock/gmock.h>

namespace troupe::api {
namespace {

const WallTime kNow{std::chrono::milliseconds(1'790'000'000'123)};

TEST(SessionTrace, PairsCommandsWithTheirAnswersPerClient) {
  SessionTrace trace;
  trace.command(1, "Page.navigate", R"({"id":5,"method":"Page.navigate","params":{"url":"x"}})",
                kNow);
  trace.command(2, "Page.reload", R"({"id":5,"method":"Page.reload"})", kNow);
  trace.message(1, R"({"id":5,"result":{"frameId":"F"}})", kNow + std::chrono::milliseconds(7));

  const auto list = trace.entries("s1");
  ASSERT_EQ(list.size(), 2u);
  const auto& first = list[0].as_object();
  EXPECT_EQ(first.at("method"), "Page.navigate");
  EXPECT_EQ(first.at("sessionId"), "s1");
  EXPECT_EQ(first.at("timestamp"), 1'790'000'000'123);
  EXPECT_EQ(first.at("request").at("params").at("url"), "x");
  EXPECT_EQ(first.at("response").at("result").at("frameId"), "F");
  EXPECT_EQ(first.at("response").at("timestamp"), 1'790'000'000'130);
  EXPECT_FALSE(list[1].as_object().contains("response"));
}

TEST(SessionTrace, NumbersPagesAsTheyShowUp) {
  SessionTrace trace;
  trace.message(1,
                R"({"method":"Target.attachedToTarget","params":{"sessionId":"A",)"
                R"("targetInfo":{"targetId":"T1"}}})",
                kNow);
  trace.message(1,
                R"({"method":"Target.attachedToTarget","params":{"sessionId":"B",)"
                R"("targetInfo":{"targetId":"T2"}}})",
                kNow);
  trace.message(1,
                R"({"method":"Network.requestWillBeSent","params":{"frameId":"F",)"
                R"("loaderId":"L"},"sessionId":"B"})",
                kNow);
  trace.message(1, R"({"method":"Page.loadEventFired","params":{},"sessionId":"A"})", kNow);

  const auto list = trace.entries("s");
  ASSERT_EQ(list.size(), 4u);
  EXPECT_EQ(list[0].at("pageId"), 0);
  EXPECT_EQ(list[2].at("pageId"), 2);
  EXPECT_EQ(list[2].at("frameId"), "F");
  EXPECT_EQ(list[2].at("loaderId"), "L");
  EXPECT_EQ(list[3].at("pageId"), 1);
}

TEST(SessionTrace, WantsWhatTellsWhatAPageDid) {
  EXPECT_TRUE(SessionTrace::is_wanted(R"({"id":4,"result":{}})"));
  EXPECT_TRUE(SessionTrace::is_wanted(R"({"method":"Network.responseReceived","params":)"));
  EXPECT_TRUE(SessionTrace::is_wanted(R"({"method":"Runtime.consoleAPICalled","params":)"));
  EXPECT_FALSE(SessionTrace::is_wanted(R"({"method":"Network.dataReceived","params":)"));
  EXPECT_FALSE(SessionTrace::is_wanted(R"({"method":"Page.screencastFrame","params":)"));
  EXPECT_FALSE(SessionTrace::is_wanted(R"({"method":"DOM.setChildNodes","params":)"));
  EXPECT_FALSE(SessionTrace::is_wanted("garbage"));
}

TEST(SessionTrace, IsBoundedInEntriesAndBytes) {
  SessionTrace trace;
  const std::string text =
      R"({"method":"Log.entryAdded","params":{"t":")" + std::string(10'000, 'x') + R"("}})";
  for (int i = 0; i < 10'000; ++i) trace.message(1, text, kNow);

  EXPECT_LE(trace.bytes(), SessionTrace::kBytesMax);
  EXPECT_GT(trace.dropped(), 9'000u);
  EXPECT_FALSE(trace.entries("s").empty());
  trace.command(1, "Runtime.evaluate", std::string(20'000, ' '), kNow);
  EXPECT_EQ(trace.entries("s").back().at("method"), "Runtime.evaluate");
}

TEST(SessionTraces, KeepThoseWrittenToLast) {
  SessionTraces traces;
  const std::string text(16'000, 'x');
  for (int session = 0; session < 100; ++session)
    for (int i = 0; i < 70; ++i) traces.of(std::to_string(session)).message(1, text, kNow);
  traces.trim();

  EXPECT_FALSE(traces.find("0"));
  EXPECT_TRUE(traces.find("99"));
}

}  // namespace
}  // namespace troupe::api
