// Interactor `stagehand-api` with the real binary and browser, against a fake service.
#include "interact/testing_stagehand_hands.h"
#include "stagehand_world.h"

namespace troupe::e2e {
namespace {

using services::FakeStagehand;
using ::testing::HasSubstr;

// The service, on a thread of its own. It drives the browsers that it is told of.
class StagehandService final : public ServerThread {
 public:
  StagehandService() { start(); }
  ~StagehandService() override { stop(); }

  std::map<std::string, std::string> environment() {
    return {{"TROUPE_STAGEHAND_API_URL", on_thread([this] { return fake_->url(); })},
            {"TROUPE_MODELS", "openai/gpt-5-mini"},
            {"OPENAI_API_KEY", "sk-of-the-test"},
            {"TROUPE_LOG_LEVEL", "debug"}};
  }
  int count(const std::string& operation) {
    return on_thread([&] { return fake_->count(operation); });
  }
  std::size_t live() {
    return on_thread([this] { return fake_->live(); });
  }

 private:
  asio::awaitable<void> begin(Context&) override {
    FakeStagehand::Options options;
    options.perform = [this](Context& call, FakeStagehand::Request request) {
      return hands_.perform(call, std::move(request));
    };
    options.changed = [this](Context& call, std::string session, json::object request) {
      return hands_.changed(call, std::move(session), std::move(request));
    };
    fake_ = FakeStagehand::start(executor(), clock(), std::move(options));
    co_return;
  }
  asio::awaitable<void> end(Context& ctx) override { (void)co_await fake_->stop(ctx); }

  interact::StagehandHands hands_;
  std::unique_ptr<FakeStagehand> fake_;
};

json::value outputs_of(const Binary& troupe) {
  const json::value run = parsed(troupe.out());
  EXPECT_EQ(run.at("state"), "succeeded") << troupe.err();
  json::array outputs;
  for (const auto& task : run.at("tasks").as_array()) outputs.push_back(task.at("output"));
  return outputs;
}

TEST(Stagehand, GivesTheSameResultsAsTheNativeInteractor) {
  const Scratch scratch;
  StagehandService service;
  World pages;
  const std::string workflow = scratch.write("order.yaml", at_pages(kOrderWorkflow, pages));
  Binary remote(scratch,
                {"run", workflow, "--sessions", "2", "--interactor", "stagehand-api", "--json"},
                service.environment());
  ASSERT_EQ(remote.wait(), 0) << remote.err();
  Binary native(scratch, {"run", workflow, "--sessions", "2", "--json"});
  ASSERT_EQ(native.wait(), 0) << native.err();

  EXPECT_EQ(outputs_of(remote), outputs_of(native));
  EXPECT_EQ(json::serialize(outputs_of(remote).at(0)), kOrderOutput);
  EXPECT_EQ(service.count("start"), 2);
  EXPECT_GE(service.count("act"), 16) << "two sessions with eight acts in words and more";
  EXPECT_EQ(service.count("observe"), 2);
  EXPECT_EQ(service.count("extract"), 4);
  EXPECT_EQ(service.live(), 0u) << "a session was left at the service";
  EXPECT_THAT(remote.err(), HasSubstr("stagehand.progress"));
  EXPECT_THAT(remote.err(), ::testing::Not(HasSubstr("sk-of-the-test")));
}

TEST(Stagehand, SaysWhatIsMissing) {
  const Scratch scratch;
  Binary troupe(scratch,
                {"run",
                 scratch.write("order.yaml",
                               "workflow: w\nsteps:\n  - goto: about:blank\n  - act: click Order"),
                 "--attempts", "1", "--interactor", "stagehand-api", "--json"});
  EXPECT_NE(troupe.wait(), 0);
  EXPECT_THAT(troupe.out(), HasSubstr("no model is configured"));
}

TEST(Models, AreListedWithoutTheirKeys) {
  const Scratch scratch;
  const std::string prices = scratch.write("prices.json", R"({"m": {"input": 0.25, "output": 2}})");
  Binary troupe(scratch, {"models", "list", "--json"},
                {{"TROUPE_MODELS", "openai/m,openai-chat/n@http://127.0.0.1:9/v1"},
                 {"TROUPE_MODEL_PRICES", prices},
                 {"OPENAI_API_KEY", "sk-of-the-test"}});
  ASSERT_EQ(troupe.wait(), 0) << troupe.err();
  EXPECT_EQ(parsed(troupe.out()), json::parse(R"([
    {"model": "openai/m", "address": "https://api.openai.com/v1", "key": "set",
     "input_price": "0.25", "output_price": "2"},
    {"model": "openai-chat/n", "address": "http://127.0.0.1:9/v1", "key": "none",
     "input_price": "0", "output_price": "0"}])"));

  Binary check(scratch, {"models", "check", "--json"},
               {{"TROUPE_MODELS", "openai-chat/n@http://127.0.0.1:9/v1"}});
  EXPECT_EQ(check.wait(), 1);
  EXPECT_THAT(check.out(), HasSubstr("network"));
  Binary none(scratch, {"models", "list"});
  EXPECT_EQ(none.wait(), 2);
  EXPECT_THAT(none.err(), HasSubstr("TROUPE_MODELS"));
}

}  // namespace
}  // namespace troupe::e2e
