// A conversation with Stagehand's runtime in a real Chromium, which can be recorded.
#include <fstream>

#include "cdp/transport.h"
#include "stagehand_world.h"

namespace troupe::e2e {
namespace {

// Passes everything on, and keeps it.
class RecordingTransport final : public cdp::Transport {
 public:
  RecordingTransport(std::unique_ptr<cdp::Transport> inner, std::vector<json::object>& frames)
      : inner_(std::move(inner)), frames_(frames) {}
  void start(std::function<void(std::string_view)> message,
             std::function<void(Error)> closed) override {
    inner_->start(
        [this, message = std::move(message)](std::string_view text) {
          keep("receive", text);
          message(text);
        },
        std::move(closed));
  }
  void send(std::string message) override {
    keep("send", message);
    inner_->send(std::move(message));
  }
  void close() override { inner_->close(); }

 private:
  void keep(std::string_view way, std::string_view text) {
    json::object frame = parse_json(text, "frame").value().as_object();
    if (frame.contains("method") && frame.at("method") == "Runtime.bindingCalled") {
      json::object& params = frame.at("params").as_object();
      const auto said = parse_json(params.at("payload").as_string(), "payload").value();
      params["payload"] = json::serialize(services::without_prompts(said.as_object()));
    }
    frames_.push_back({{way, std::move(frame)}});
  }

  std::unique_ptr<cdp::Transport> inner_;
  std::vector<json::object>& frames_;
};

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

struct Recording {
  std::string page;
  json::object outcomes;
  std::string text;
};

// As the unit test StagehandRecording plays it: with places that belong to no machine.
asio::awaitable<void> record(Context& ctx, std::string dir, Recording& recording) {
  const auto extension = services::read_stagehand(extension_folder());
  auto chromium = co_await launch(ctx, std::move(dir));
  EXPECT_TRUE(chromium) << chromium.error().describe();
  if (!chromium) co_return;
  const std::string endpoint = (*chromium)->endpoint();
  auto socket = co_await cdp::connect_websocket(ctx, endpoint);
  EXPECT_TRUE(socket);
  if (!socket) co_return;
  std::vector<json::object> frames;
  cdp::Connection connection(std::make_unique<RecordingTransport>(std::move(*socket), frames));
  const services::StagehandStage stage{
      .folder = extension->folder, .endpoint = endpoint, .page = recording.page};
  recording.outcomes = co_await services::play_stagehand(ctx, connection, stage);
  connection.close(fail(Errc::session_lost, "done"));
  for (const json::object& frame : frames) recording.text += json::serialize(frame) + "\n";
  replace_all(recording.text, endpoint, "ws://127.0.0.1:9222/devtools/browser/recorded");
  const std::string origin = recording.page.substr(0, recording.page.find("/stage"));
  replace_all(recording.text, origin, "http://127.0.0.1:8080");
  replace_all(recording.text, origin.substr(7), "127.0.0.1:8080");
  replace_all(recording.text, extension->folder, "/opt/stagehand");
  replace_all(recording.text, extension->id, services::unpacked_extension_id("/opt/stagehand"));
  (void)co_await (*chromium)->close(ctx);
}

// STAGEHAND_RECORDING=tests/data/stagehand_v4.jsonl records anew.
TEST_F(StagehandRuntimeTest, AnswersAsItDidWhenItWasRecorded) {
  Recording recording{.page = world_->url("/stage"), .outcomes = {}, .text = {}};
  const std::string dir = scratch_.path() + "/browsers";
  EXPECT_TRUE(in_loop([&](Context& ctx) { return record(ctx, dir, recording); }));
  EXPECT_EQ(json::serialize(recording.outcomes), json::serialize(services::stagehand_outcomes()));
  const char* file = std::getenv("STAGEHAND_RECORDING");
  if (file) std::ofstream(file) << recording.text;
}

}  // namespace
}  // namespace troupe::e2e
