// A conversation with the real runtime, recorded (tests/stagehand_runtime_test.cc says how) and
// played back frame by frame: what we send must be what was sent then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"
#include "cdp/testing.h"
#include "services/stagehand_extension.h"
#include "services/testing_stagehand_runtime.h"
#include "services/testing_stagehand_scenario.h"

namespace troupe::services {
namespace {

using ::testing::IsEmpty;
using troupe::testing::run;

const std::string kRecording = TROUPE_SOURCE_DIR "/tests/data/stagehand_v4.jsonl";

asio::awaitable<void> replays(Context& ctx) {
  cdp::Transcript recording(kRecording, cdp::Transcript::Match::params);
  cdp::Wire wire;
  recording.attach(wire);
  cdp::Connection connection(std::make_unique<cdp::ScriptedTransport>(ctx.executor(), wire));
  const StagehandStage stage{.folder = "/opt/stagehand",
                             .endpoint = "ws://127.0.0.1:9222/devtools/browser/recorded",
                             .page = "http://127.0.0.1:8080/stage"};
  const auto outcomes = co_await play_stagehand(ctx, connection, stage);
  (void)co_await sleep_for(ctx, std::chrono::milliseconds(1));  // what was only posted
  EXPECT_EQ(recording.mismatch(), "");
  EXPECT_EQ(json::serialize(outcomes), json::serialize(stagehand_outcomes()));
  EXPECT_TRUE(recording.finished());
}
TEST(StagehandRecording, IsRepeatedFrameByFrame) { run(replays); }

// The JSON-RPC message of a frame; null: it carries none.
json::value message_in(const json::object& frame) {
  if (const json::value* sent = frame.if_contains("send")) {
    const json::value* params = find(*sent, "params");
    const json::value* expression = params ? find(*params, "expression") : nullptr;
    if (!expression || !expression->is_string()) return nullptr;
    const std::string text(expression->get_string());
    constexpr std::string_view kCall = "__stagehandReceiveFromHost(";
    const auto begin = text.find(kCall);
    if (begin == std::string::npos || text.find("typeof") != std::string::npos) return nullptr;
    const auto from = begin + kCall.size();
    const auto literal = parse_json(text.substr(from, text.rfind(')') - from), "sent");
    return parse_json(literal.value().as_string(), "message").value();
  }
  const json::object& received = frame.at("receive").as_object();
  if (!received.contains("method") || received.at("method") != "Runtime.bindingCalled")
    return nullptr;
  return parse_json(received.at("params").at("payload").as_string(), "message").value();
}

// Every payload of both sides against the protocol's schemas.
TEST(StagehandRecording, KeepsTheContractOnBothSides) {
  const StagehandContract contract;
  std::ifstream file(kRecording);
  std::map<std::pair<bool, std::int64_t>, std::string> asked;  // by who asked, and number
  std::vector<std::string> problems;
  int requests = 0, answers = 0, notifications = 0;
  for (std::string line; std::getline(file, line);) {
    const json::object frame = parse_json(line, "line").value().as_object();
    const bool ours = frame.contains("send");
    const json::value message = message_in(frame);
    if (!message.is_object()) continue;
    const json::object& body = message.get_object();
    std::string problem;
    if (const json::value* method = body.if_contains("method")) {
      const std::string name(method->as_string());
      if (!body.contains("id")) {
        ++notifications;
        problem = contract.notification_problem(name, body.at("params"));
      } else {
        ++requests;
        asked[{ours, body.at("id").as_int64()}] = name;
        const bool wrong = name == "page.dance" || body.at("params").as_object().contains("page");
        if (!wrong) problem = contract.problem(name, "params", body.at("params"));
      }
    } else if (const json::value* result = body.if_contains("result")) {
      ++answers;
      problem = contract.problem(asked.at({!ours, body.at("id").as_int64()}), "result", *result);
    }
    if (!problem.empty()) problems.push_back(problem);
  }
  EXPECT_THAT(problems, IsEmpty());
  EXPECT_GE(requests, 20);
  EXPECT_GE(answers, 18);
  EXPECT_GE(notifications, 0);
}

}  // namespace
}  // namespace troupe::services
