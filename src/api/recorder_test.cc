// The recorder with a scripted browser: how often it asks for pictures, and that it stops asking.
#include "api/recorder.h"

#include <filesystem>

#include "api/gateway_testing.h"
#include "base/digest.h"

namespace troupe::api {
namespace {

using testing::HasSubstr;

class RecorderTest : public GatewayTest {
 protected:
  void SetUp() override {
    GatewayTest::SetUp();
    script_ = [this](const json::object& message) {
      const std::string method(message.at("method").as_string());
      ++calls_[method];
      if (method == "Target.setAutoAttach") return attached(1, first_url_);
      if (method == "Page.startScreencast" || (method == "Page.screencastFrameAck" && moving_ > 0))
        return picture(moving_ > 0 ? moving_++ : 0);
      return std::string();
    };
    options_.dir = dir_.string();
    options_.rate = {.calm = std::chrono::seconds(10), .between = std::chrono::milliseconds(10)};
  }
  void TearDown() override {
    Context ctx = base().with_timeout(std::chrono::seconds(5), "stop");
    if (recorder_) {
      for (const auto& id : recorder_->recording()) recorder_->stop(id, {});
      EXPECT_TRUE(run(recorder_->join(ctx)));
    }
    GatewayTest::TearDown();
    std::filesystem::remove_all(dir_);
  }
  static std::string info(const std::string& number, const std::string& url) {
    return R"("targetInfo":{"targetId":"T)" + number + R"(","type":"page","url":")" + url + "\"}";
  }
  static std::string attached(int number, const std::string& url = "https://a.example/") {
    const std::string n = std::to_string(number);
    return R"({"method":"Target.attachedToTarget","params":{"sessionId":"F)" + n + "\"," +
           info(n, url) + "}}";
  }
  static std::string picture(int number) {
    return R"({"method":"Page.screencastFrame","sessionId":"F1","params":{"data":")" +
           to_base64("picture " + std::to_string(number)) + R"(","sessionId":1}})";
  }
  static Async<std::unique_ptr<net::WebSocket>> reach(RecorderTest& test, Context& ctx) {
    ++test.dials_;
    if (test.unreachable_) co_return fail(Errc::network_error, "browser: is not there");
    CO_TRY(std::string url, co_await endpoint(test));
    co_return co_await net::connect_websocket(ctx, std::move(url), {});
  }
  Recorder& recorder() {
    if (!recorder_)
      recorder_ = std::make_unique<Recorder>(
          *clock_, io_.get_executor(), log_, options_,
          [this](Context& ctx, std::string) { return reach(*this, ctx); });
    return *recorder_;
  }
  std::string log() const {
    std::string all;
    for (const auto& line : log_.lines()) all += line + "\n";
    return all;
  }
  bool is_logged() const { return log().find("Action: recording.") != std::string::npos; }
  std::string reason() {
    Context ctx = base().with_timeout(std::chrono::seconds(5), "reading");
    recorder().stop(kId, {});
    EXPECT_TRUE(run(recorder().store().settle(ctx)));
    const auto end = run(recorder().store().end(ctx, kId));
    return end ? end->reason : end.error().describe();
  }

  std::filesystem::path dir_ =
      std::filesystem::temp_directory_path() / ("troupe-recorder-" + secure_token(6));
  RecorderOptions options_;
  std::map<std::string, int> calls_;
  std::string first_url_ = "https://a.example/";
  int moving_ = 0;  ///< Number of the next picture; 0: the page stands still.
  int dials_ = 0;
  bool unreachable_ = false;
  std::unique_ptr<Recorder> recorder_;
};

TEST_F(RecorderTest, APageThatStandsStillIsSeenOnce) {
  recorder().start(kId);
  recorder().start(kId);
  ASSERT_TRUE(wait_until([&] { return calls_["Page.screencastFrameAck"] == 1; }));
  turn(std::chrono::milliseconds(100));
  EXPECT_EQ(calls_["Page.startScreencast"], 1);
  EXPECT_EQ(calls_["Page.stopScreencast"], 0);
  EXPECT_EQ(calls_["Page.screencastFrameAck"], 1);
  EXPECT_EQ(dials_, 1);
  EXPECT_EQ(reason(), "");
}

TEST_F(RecorderTest, AnEmptyPageIsSeenAsSoonAsItGoesSomewhere) {
  first_url_ = "about:blank";
  recorder().start(kId);
  ASSERT_TRUE(wait_until([&] { return calls_["Target.setAutoAttach"] == 1; }));
  turn(std::chrono::milliseconds(20));
  EXPECT_EQ(calls_["Page.startScreencast"], 0);
  sockets_.back()->queue(net::Opcode::text, R"({"method":"Target.targetInfoChanged","params":{)" +
                                                info("1", "https://b.example/") + "}}");
  sockets_.back()->send_queued();
  ASSERT_TRUE(wait_until([&] { return calls_["Page.screencastFrameAck"] == 1; }));
  turn(std::chrono::milliseconds(1'200));
  EXPECT_EQ(calls_["Page.startScreencast"], 1) << "once, also when its time to wait is up";
}

TEST_F(RecorderTest, AnEmptyPageThatGoesNowhereIsSeenALittleLater) {
  first_url_ = "about:blank";
  recorder().start(kId);
  ASSERT_TRUE(wait_until([&] { return calls_["Page.screencastFrameAck"] == 1; }));
  EXPECT_EQ(calls_["Page.startScreencast"], 1);
}

TEST_F(RecorderTest, APageIsSeenUntilItIsClosed) {
  recorder().start(kId);
  ASSERT_TRUE(wait_until([&] { return calls_["Page.screencastFrameAck"] == 1; }));
  turn(std::chrono::milliseconds(50));
  sockets_.back()->queue(net::Opcode::text,
                         R"({"method":"Target.detachedFromTarget","params":{"sessionId":"F1"}})");
  sockets_.back()->queue(net::Opcode::text, attached(2));
  sockets_.back()->send_queued();
  ASSERT_TRUE(wait_until([&] { return calls_["Page.startScreencast"] == 2; }));
  EXPECT_EQ(reason(), "");
  Context ctx = base().with_timeout(std::chrono::seconds(5), "reading");
  const auto pages = run(recorder().store().pages(ctx, kId));
  ASSERT_TRUE(pages);
  ASSERT_EQ(pages->size(), 1u) << "nothing was seen of the other one";
  EXPECT_EQ(pages->at(0).frames, 2);
  EXPECT_GE(pages->at(0).end_ms - pages->at(0).start_ms, 50);
}

TEST_F(RecorderTest, APageThatMovesIsLookedAtNowAndThen) {
  moving_ = 1;
  recorder().start(kId);
  ASSERT_TRUE(wait_until([&] { return calls_["Page.startScreencast"] >= 4; }));
  EXPECT_GE(calls_["Page.stopScreencast"], 3);
  // It stands still: the same picture again does not stop the screencast, nor is it kept.
  moving_ = 0;
  const int acknowledged = calls_["Page.screencastFrameAck"];
  ASSERT_TRUE(wait_until([&] { return calls_["Page.screencastFrameAck"] > acknowledged; }));
  const int starts = calls_["Page.startScreencast"];
  turn(std::chrono::milliseconds(100));
  EXPECT_EQ(calls_["Page.startScreencast"], starts);
}

TEST_F(RecorderTest, AfterTheBurstThereIsOnePicturePerRefill) {
  options_.rate.burst = 4;
  options_.rate.refill = std::chrono::seconds(30);
  moving_ = 1;
  recorder().start(kId);
  ASSERT_TRUE(wait_until([&] { return moving_ >= 6; }));
  const int seen = moving_;
  turn(std::chrono::milliseconds(200));
  EXPECT_EQ(moving_, seen);
  EXPECT_LE(seen, 6);
  EXPECT_EQ(calls_["Page.stopScreencast"], calls_["Page.startScreencast"])
      << "Chromium makes no pictures meanwhile";
}

TEST_F(RecorderTest, AFullRecordingStopsTheBrowserFromMakingPictures) {
  options_.limits.session_bytes = 40;
  moving_ = 1;
  recorder().start(kId);
  ASSERT_TRUE(wait_until([&] { return is_logged() && connected_ == 0; }));
  EXPECT_GE(calls_["Page.stopScreencast"], 1);
  EXPECT_THAT(received_.back(), HasSubstr("Page.stopScreencast"));
  EXPECT_TRUE(recorder().is_recording(kId)) << "until the session ends";
  EXPECT_THAT(log(), HasSubstr("Action: recording.end, Status: full"));
  EXPECT_THAT(reason(), HasSubstr("40 bytes are full"));
}

TEST_F(RecorderTest, AFullDiskEndsTheRecordingAndNotTheSession) {
  std::filesystem::create_directories(dir_ / kId / "0.jpegs");  // where the file should be
  moving_ = 1;
  recorder().start(kId);
  ASSERT_TRUE(wait_until([&] { return is_logged() && connected_ == 0; }));
  EXPECT_THAT(log(), HasSubstr("Action: recording.end, Status: failed"));
  EXPECT_THAT(reason(), HasSubstr("cannot be written"));
  EXPECT_TRUE(ends_.empty());
}

TEST_F(RecorderTest, ABrowserThatCannotBeReachedIsLogged) {
  unreachable_ = true;
  recorder().start(kId);
  ASSERT_TRUE(wait_until([&] { return is_logged(); }));
  EXPECT_THAT(log(), HasSubstr("Action: recording.start, Status: failed"));
  recorder().stop(kId, {});
  EXPECT_FALSE(recorder().is_recording(kId));
}

TEST_F(RecorderTest, WithoutAFolderNothingIsAsked) {
  options_.dir.clear();
  recorder().start(kId);
  turn(std::chrono::milliseconds(50));
  EXPECT_EQ(dials_, 0);
  EXPECT_FALSE(recorder().is_recording(kId));
}

TEST_F(RecorderTest, MessagesThatMakeNoSenseAreIgnored) {
  script_ = [](const json::object& message) -> std::string {
    const auto& method = message.at("method").as_string();
    if (method == "Target.setDiscoverTargets") return "no JSON";
    if (method != "Target.setAutoAttach") return "";
    return R"([{"method":"Target.attachedToTarget","params":7},)"
           R"({"method":"Page.screencastFrame","sessionId":"?","params":{"data":7}}])";
  };
  recorder().start(kId);
  ASSERT_TRUE(wait_until([&] { return received_.size() >= 2; }));
  for (const char* text : {R"({"method":"Target.attachedToTarget","params":7})",
                           R"({"method":"Target.attachedToTarget","params":{"sessionId":"F1"}})",
                           R"({"method":"Page.screencastFrame","sessionId":"F1","params":{}})",
                           R"({"method":"Target.detachedFromTarget","params":{}})"}) {
    sockets_.back()->queue(net::Opcode::text, text);
    sockets_.back()->send_queued();
  }
  turn(std::chrono::milliseconds(50));
  EXPECT_EQ(connected_, 1);
}

}  // namespace
}  // namespace troupe::api
