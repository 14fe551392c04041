// The runtime's client against a scripted browser that plays the real one's part.
#include "services/stagehand_runtime.h"

#include <gmock/gmock.h>

#include "base/testing.h"
#include "services/stagehand_calls.h"
#include "services/testing_stagehand_runtime.h"

namespace troupe::services {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using troupe::testing::run;

struct Fixture {
  explicit Fixture(Context& ctx, std::string folder = "/opt/stagehand") : fake(ctx.executor()) {
    options.folder = std::move(folder);
    options.endpoint = "ws://127.0.0.1:9/devtools/browser/b";
    options.health_timeout = milliseconds(1500);
    options.on_log = [this](std::string_view level, std::string_view message) {
      log.push_back(std::string(level) + " " + std::string(message));
    };
  }
  StagehandRuntime& runtime() {
    if (!runtime_) runtime_ = std::make_shared<StagehandRuntime>(fake.connection(), options);
    return *runtime_;
  }

  FakeStagehandRuntime fake;
  StagehandRuntimeOptions options;
  std::vector<std::string> log;

 private:
  std::shared_ptr<StagehandRuntime> runtime_;
};

Async<json::value> call(Context& ctx, Fixture& f, StagehandRequest request) {
  CO_TRY_VOID(co_await f.runtime().ensure(ctx));
  co_return co_await f.runtime().call(ctx, std::move(request));
}

asio::awaitable<void> starts(Context& ctx) {
  Fixture f(ctx);
  f.fake.sleeps = 2;
  const auto started = co_await f.runtime().ensure(ctx);
  EXPECT_TRUE(started) << started.error().describe();
  EXPECT_EQ(f.runtime().version(), "1.3.0");
  EXPECT_EQ(f.fake.commands.at(1).at("method"), "Extensions.loadUnpacked");
  EXPECT_EQ(f.fake.commands.at(1).at("params").at("enableInIncognito"), true);
  EXPECT_EQ(f.fake.calls.front().method, "stagehand.init");
  EXPECT_EQ(f.fake.calls.front().params.at("model"), (json::object{{"source", "client"}}));
  EXPECT_TRUE(co_await f.runtime().ensure(ctx));
  EXPECT_EQ(f.runtime().starts(), 1);
  EXPECT_TRUE(co_await f.runtime().close(ctx));
  EXPECT_EQ(f.fake.calls.back().method, "stagehand.close");
  EXPECT_FALSE(f.runtime().running());
  EXPECT_THAT(f.fake.problems, IsEmpty());
}
TEST(StagehandRuntime, LoadsTheExtensionAttachesAndInitialises) { run(starts); }

asio::awaitable<void> finds(Context& ctx) {
  Fixture f(ctx, "");
  f.fake.preloaded = true;
  f.fake.folder = "/srv/extension";
  EXPECT_TRUE(co_await f.runtime().ensure(ctx));
  EXPECT_EQ(f.fake.count("Extensions.loadUnpacked"), 0);
  EXPECT_EQ(f.fake.count("Extensions.getExtensions"), 1);
}
TEST(StagehandRuntime, UsesTheOneThatTheBrowserHasWhereNoneIsToBeLoaded) { run(finds); }

asio::awaitable<void> lets_in(Context& ctx) {
  Fixture f(ctx, "");
  f.fake.preloaded = true;
  f.fake.folder = "/srv/extension";
  f.options.in_contexts = true;
  EXPECT_TRUE(co_await f.runtime().ensure(ctx));
  json::value told;
  for (const json::object& command : f.fake.commands)
    if (command.at("method") == "Extensions.loadUnpacked") told = command.at("params");
  EXPECT_EQ(told, (json::object{{"path", "/srv/extension"}, {"enableInIncognito", true}}));
}
TEST(StagehandRuntime, LetsTheOneThatTheBrowserHasIntoContextsOfTheirOwn) { run(lets_in); }

asio::awaitable<void> goes_without(Context& ctx) {
  Fixture f(ctx, "");
  f.fake.preloaded = true;
  f.fake.folder = "/srv/extension";
  f.fake.unknown = {"Extensions.loadUnpacked"};
  f.options.in_contexts = true;
  EXPECT_TRUE(co_await f.runtime().ensure(ctx))
      << "one that cannot be loaded anew is used as it is";
  EXPECT_EQ(f.fake.calls.back().method, "stagehand.init");
}
TEST(StagehandRuntime, UsesWhatItMayNotLoadAnew) { run(goes_without); }

asio::awaitable<void> finds_worker(Context& ctx) {
  Fixture f(ctx, "");
  f.fake.preloaded = true;
  f.fake.has_extensions = false;
  const auto started = co_await f.runtime().ensure(ctx);
  EXPECT_TRUE(started) << started.error().describe();
  EXPECT_EQ(f.fake.count("Target.detachFromTarget"), 1) << "the look at what the worker is";
  EXPECT_EQ(f.fake.calls.back().method, "stagehand.init");
}
TEST(StagehandRuntime, FindsItsWorkerWhereTheBrowserDoesNotListExtensions) { run(finds_worker); }

asio::awaitable<void> tells_none(Context& ctx) {
  Fixture f(ctx, "");
  f.fake.is_listed = false;
  const auto started = co_await f.runtime().ensure(ctx);
  EXPECT_EQ(started.error().code, Errc::not_found);
  EXPECT_THAT(started.error().message, HasSubstr("no such extension"));
  EXPECT_GT(f.fake.count("Extensions.getExtensions"), 1) << "it may come in a moment";
}
TEST(StagehandRuntime, TellsThatTheBrowserHasNone) { run(tells_none); }

// Behind a port of this machine there may be a browser with other files.
asio::awaitable<void> other_files(Context& ctx) {
  Fixture f(ctx);
  f.fake.preloaded = true;
  f.fake.unknown = {"Extensions.loadUnpacked"};
  const auto started = co_await f.runtime().ensure(ctx);
  EXPECT_TRUE(started) << started.error().describe();
}
TEST(StagehandRuntime, TakesTheBrowsersOwnWhereOursCannotBeLoaded) { run(other_files); }

asio::awaitable<void> loads_its_own(Context& ctx) {
  for (const bool may : {true, false}) {
    Fixture f(ctx, "");
    f.fake.preloaded = true;
    f.fake.folder = "/srv/extension";
    EXPECT_TRUE(co_await f.runtime().ensure(ctx));
    if (!may) f.fake.folder.clear();
    f.runtime().distrust();
    const auto again = co_await f.runtime().ensure(ctx);
    EXPECT_EQ(bool(again), may);
    if (!may) EXPECT_EQ(again.error().code, Errc::unavailable);
    EXPECT_EQ(f.fake.count("Extensions.loadUnpacked"), may ? 1 : 0);
    EXPECT_EQ(f.fake.count("Extensions.uninstall"), 0) << "it might not come back";
  }
}
TEST(StagehandRuntime, LoadsTheBrowsersOwnAnewWhereItsFolderIsTold) { run(loads_its_own); }

asio::awaitable<void> hides(Context& ctx) {
  Fixture f(ctx, "");
  f.fake.preloaded = true;
  f.options.endpoint = "wss://connect.example/?signingKey=secret-1";
  f.fake.on_call = [&](std::int64_t id, const StagehandRequest& request) {
    if (request.method != "stagehand.init") return false;
    f.fake.notify("stagehand.log", {{"level", "error"},
                                    {"message", "dialing " + f.options.endpoint},
                                    {"data", json::object{}}});
    f.fake.refuse(id, -32603, "CDP websocket failed to open: " + f.options.endpoint);
    return true;
  };
  const auto started = co_await f.runtime().ensure(ctx);
  EXPECT_THAT(started.error().message, HasSubstr("failed to open: [endpoint]"));
  EXPECT_THAT(f.log, ElementsAre("error dialing [endpoint]"));
}
TEST(StagehandRuntime, NeverTellsTheAddressThatItDials) { run(hides); }

asio::awaitable<void> refuses(Context& ctx) {
  {
    Fixture f(ctx);
    f.fake.protocol = "4.0.0";
    const auto started = co_await f.runtime().ensure(ctx);
    EXPECT_EQ(started.error().code, Errc::unsupported);
    EXPECT_THAT(started.error().message, HasSubstr("4.0.0"));
  }
  {
    Fixture f(ctx);
    f.fake.has_extensions = false;
    const auto started = co_await f.runtime().ensure(ctx);
    EXPECT_EQ(started.error().code, Errc::unsupported);
    EXPECT_THAT(started.error().hint, HasSubstr("chromium"));
  }
  {
    Fixture f(ctx);
    f.fake.refuses_client = "A Stagehand client is already connected";
    const auto started = co_await f.runtime().ensure(ctx);
    EXPECT_EQ(started.error().code, Errc::unavailable);
    EXPECT_THAT(started.error().message, HasSubstr("already connected"));
    f.fake.refuses_client.clear();
    EXPECT_TRUE(co_await f.runtime().ensure(ctx)) << "the next try is a new one";
  }
  Fixture f(ctx);
  f.fake.receives = false;
  f.options.start_timeout = milliseconds(60);
  const auto started = co_await f.runtime().ensure(ctx);
  EXPECT_EQ(started.error().code, Errc::timeout);
  EXPECT_THAT(started.error().message, HasSubstr("start of Stagehand"));
}
TEST(StagehandRuntime, SaysWhyItDoesNotStart) { run(refuses); }

asio::awaitable<void> attaches_again(Context& ctx) {
  Fixture f(ctx);
  f.fake.dying_workers = 2;
  const auto started = co_await f.runtime().ensure(ctx);
  EXPECT_TRUE(started) << started.error().describe();
  EXPECT_EQ(f.fake.count("Target.attachToTarget"), 3);
  EXPECT_EQ(f.runtime().starts(), 1);
}
TEST(StagehandRuntime, AttachesAgainWhenItFoundAWorkerThatWasEnding) { run(attaches_again); }

asio::awaitable<void> passes_over(Context& ctx) {
  Fixture f(ctx);
  f.fake.has_old_worker = true;
  EXPECT_TRUE(co_await f.runtime().ensure(ctx));
  for (const json::object& command : f.fake.commands) {
    if (command.at("method") == "Target.attachToTarget")
      EXPECT_EQ(command.at("params").at("targetId"), "WORKER1");
  }
}
TEST(StagehandRuntime, PassesOverTheWorkerOfWhatItReplaced) { run(passes_over); }

asio::awaitable<void> takes_over(Context& ctx) {
  Fixture f(ctx, "");
  f.fake.preloaded = true;
  bool used = true;
  f.fake.on_call = [&](std::int64_t id, const StagehandRequest& request) {
    if (request.method == "stagehand.close") used = false;
    if (request.method != "stagehand.init" || !used) return false;
    f.fake.refuse(id, -32603, "A Stagehand instance is already initialized");
    return true;
  };
  const auto started = co_await f.runtime().ensure(ctx);
  EXPECT_TRUE(started) << started.error().describe();
  EXPECT_EQ(f.fake.count("stagehand.init"), 2);
  EXPECT_EQ(f.fake.count("stagehand.close"), 1);
}
TEST(StagehandRuntime, TakesOverWhatAClientThatIsGoneLeft) { run(takes_over); }

asio::awaitable<void> starts_once(Context& ctx) {
  Fixture f(ctx);
  f.fake.sleeps = 1;
  std::vector<Async<json::value>> calls;
  for (int i = 0; i < 3; ++i) calls.push_back(call(ctx, f, stagehand::title("PAGE")));
  f.fake.results["page.title"] = "Shop";
  const auto answers = co_await gather(ctx, std::move(calls));
  for (const auto& answer : answers) EXPECT_EQ(answer.value(), "Shop");
  EXPECT_EQ(f.fake.count("Extensions.loadUnpacked"), 1);
}
TEST(StagehandRuntime, IsStartedOnceForAllWhoWait) { run(starts_once); }

asio::awaitable<void> classifies(Context& ctx) {
  Fixture f(ctx);
  struct Row {
    std::int64_t code;
    const char* message;
    const char* name;
    Errc errc;
  };
  const std::vector<Row> rows = {
      {-32603, "act() timed out after 200ms", "TimeoutError", Errc::timeout},
      {-32603, "Could not find an element for the given xPath(s): #nope", "Error",
       Errc::target_not_found},
      {-32603, "Stagehand page \"x\" was not found; call context.pages and retry", "Error",
       Errc::page_crashed},
      {-32603, "Stagehand instance is closing", "Error", Errc::unavailable},
      {-32603, "net::ERR_NAME_NOT_RESOLVED at page", "Error", Errc::dns_error},
      {-32603, "something else", "Error", Errc::protocol_error},
      {-32602, "Invalid input", "Error", Errc::invalid_argument},
      {-32601, "no such method", "Error", Errc::unsupported},
      {-32600, "batches are not taken", "Error", Errc::protocol_error}};
  for (const Row& row : rows) {
    f.fake.on_call = [&](std::int64_t id, const StagehandRequest& request) {
      if (request.method != "page.title") return false;
      f.fake.refuse(id, row.code, row.message, row.name);
      return true;
    };
    const auto answer = co_await call(ctx, f, stagehand::title("PAGE"));
    EXPECT_EQ(answer.error().code, row.errc) << row.message;
  }
  f.fake.on_call = [&](std::int64_t id, const StagehandRequest& request) {
    if (request.method != "page.title") return false;
    f.fake.refuse(id, -32602, std::string(77'000, 'x'));
    return true;
  };
  const auto answer = co_await call(ctx, f, stagehand::title("PAGE"));
  EXPECT_LT(answer.error().message.size(), 500u);
}
TEST(StagehandRuntime, TellsItsErrorsApartAndCutsThem) { run(classifies); }

asio::awaitable<void> recovers(Context& ctx) {
  Fixture f(ctx);
  f.fake.silent = {"page.title"};
  Context brief = ctx.with_timeout(milliseconds(200), "probe");
  (void)co_await f.runtime().ensure(ctx);
  auto answer = co_await call(brief, f, stagehand::title("PAGE"));
  EXPECT_EQ(answer.error().code, Errc::timeout);
  // It works else: that call was the page's fault.
  EXPECT_TRUE(co_await f.runtime().ensure(ctx));
  EXPECT_EQ(f.runtime().starts(), 1);
  f.fake.silent_until_loaded = true;
  Context again = ctx.with_timeout(milliseconds(200), "probe");
  answer = co_await call(again, f, stagehand::title("PAGE"));
  EXPECT_EQ(answer.error().code, Errc::timeout);
  f.fake.silent.clear();
  f.fake.results["page.title"] = "Shop";
  answer = co_await call(ctx, f, stagehand::title("PAGE"));
  EXPECT_EQ(answer.value(), "Shop");
  EXPECT_EQ(f.runtime().starts(), 2);
  EXPECT_EQ(f.fake.count("Extensions.uninstall"), 1);
  EXPECT_THAT(f.log, Contains(HasSubstr("loading it anew")));
}
TEST(StagehandRuntime, IsLoadedAnewWhenNothingIsAnsweredAnyMore) { run(recovers); }

asio::awaitable<void> loses_worker(Context& ctx) {
  Fixture f(ctx);
  f.fake.on_call = [&](std::int64_t, const StagehandRequest& request) {
    if (request.method != "page.title") return false;
    f.fake.end_worker();
    return true;
  };
  auto answer = co_await call(ctx, f, stagehand::title("PAGE"));
  EXPECT_EQ(answer.error().code, Errc::unavailable);
  f.fake.on_call = nullptr;
  answer = co_await call(ctx, f, stagehand::url("PAGE"));
  EXPECT_EQ(answer.value(), "https://shop.example/");
  EXPECT_EQ(f.runtime().starts(), 2);
}
TEST(StagehandRuntime, IsStartedAgainWhenItsWorkerEnded) { run(loses_worker); }

// Answers what it is asked with what the test says.
class Servant final : public StagehandServant {
 public:
  Async<json::value> serve(Context& ctx, std::string method, json::object params) override {
    asked.push_back(method);
    if (slow) CO_TRY_VOID(co_await sleep_for(ctx, hours(1)));
    if (params.contains("fail"))
      co_return fail(Errc::exhausted, "the budget of the day is used up");
    co_return reply;
  }
  std::vector<std::string> asked;
  json::value reply = json::object{{"role", "assistant"},
                                   {"content", json::object{{"type", "text"}, {"text", "{}"}}},
                                   {"output_format", "json_schema"},
                                   {"structured_content", json::object{}}};
  bool slow = false;
};

json::object question(const std::string& text) {
  const json::object content{{"type", "text"}, {"text", "instruction: " + text + "\nDOM: "}};
  const json::object message{{"role", "user"}, {"content", content}};
  return {{"messages", json::array{message}}};
}

json::value act_done(bool success) {
  const json::object usage{{"input_tokens", 0},
                           {"output_tokens", 0},
                           {"reasoning_tokens", 0},
                           {"cached_input_tokens", 0},
                           {"inference_time_ms", 0}};
  const json::object cache{{"status", "DISABLED"}};
  const json::object data{{"success", success},
                          {"message", "done"},
                          {"action_description", "button \"Go\""},
                          {"actions", json::array{}}};
  return json::object{{"data", data},
                      {"metadata", json::object{{"cache", cache}, {"usage", usage}}}};
}

// Asks what `text` is about, and ends the act when that is answered.
void ask_during_act(FakeStagehandRuntime& fake, std::vector<json::object> questions) {
  fake.on_call = [&fake, questions](std::int64_t id, const StagehandRequest& request) {
    if (request.method != "stagehand.act") return false;
    fake.on_reply = [&fake, id](const json::object& reply) {
      if (reply.contains("result")) return fake.answer(id, act_done(true));
      const json::value* message = find(reply.at("error"), "message");
      if (message->as_string() != "nobody waits for this any more")
        fake.refuse(id, -32603, std::string(message->as_string()));
    };
    for (const json::object& question : questions) fake.ask("llm.generate", question);
    return true;
  };
}

asio::awaitable<void> serves(Context& ctx) {
  Fixture f(ctx);
  Servant servant;
  (void)co_await f.runtime().ensure(ctx);
  ask_during_act(f.fake, {question("of another call (call 9)"), question("click Go (call 1)")});
  StagehandAsker asker{.servant = &servant, .mark = "(call 1)"};
  auto request = stagehand::act("PAGE", "click Go (call 1)", {});
  const auto done = co_await stagehand_act(ctx, f.runtime(), std::move(request), std::move(asker));
  EXPECT_TRUE(done && done->success);
  EXPECT_THAT(servant.asked, ElementsAre("llm.generate"));
  EXPECT_EQ(f.fake.replies.size(), 2u);
  EXPECT_THAT(f.fake.problems, IsEmpty());
}
TEST(StagehandRuntime, AnswersWhatItIsAskedAboutItsOwnCalls) { run(serves); }

asio::awaitable<void> serves_not(Context& ctx) {
  Fixture f(ctx);
  Servant servant;
  (void)co_await f.runtime().ensure(ctx);
  json::object failing = question("click Go (call 1)");
  failing["fail"] = true;
  ask_during_act(f.fake, {failing});
  StagehandAsker asker{.servant = &servant, .mark = "(call 1)"};
  auto request = stagehand::act("PAGE", "click Go (call 1)", {});
  auto done = co_await stagehand_act(ctx, f.runtime(), std::move(request), std::move(asker));
  EXPECT_THAT(done.error().message, HasSubstr("the budget of the day"));
  // A model that does not answer costs no more than the call's time.
  servant.slow = true;
  ask_during_act(f.fake, {question("click Go (call 2)")});
  Context brief = ctx.with_timeout(milliseconds(200), "probe");
  StagehandAsker slow{.servant = &servant, .mark = "(call 2)"};
  auto again = stagehand::act("PAGE", "click Go (call 2)", {});
  done = co_await stagehand_act(brief, f.runtime(), std::move(again), std::move(slow));
  EXPECT_EQ(done.error().code, Errc::timeout);
}
TEST(StagehandRuntime, PassesOnWhyAModelDoesNotAnswer) { run(serves_not); }

asio::awaitable<void> reads(Context& ctx) {
  Fixture f(ctx);
  StagehandRuntime& runtime = f.runtime();
  (void)co_await runtime.ensure(ctx);
  const json::object row{{"selector", "xpath=/html[1]"},
                         {"description", "button"},
                         {"method", "fill"},
                         {"arguments", json::array{"jazz"}}};
  f.fake.results["stagehand.observe"] = json::object{{"data", json::array{row}}};
  auto request = stagehand::observe("PAGE", "the button", {});
  const auto seen = co_await stagehand_observe(ctx, runtime, std::move(request));
  EXPECT_EQ(seen.value().at(0).arguments.at(0), "jazz");
  f.fake.results["stagehand.extract"] = json::object{{"data", json::object{{"price", "5"}}}};
  request = stagehand::extract("PAGE", "the price", {}, {});
  const auto told = co_await stagehand_extract(ctx, runtime, std::move(request));
  EXPECT_EQ(told.value().at("price"), "5");
  f.fake.results["page.goto"] =
      json::object{{"page", json::object{{"page_id", "PAGE"}, {"url", "https://shop.example/a"}}},
                   {"response", json::object{{"status", 404}}}};
  request = stagehand::go_to("PAGE", "https://shop.example/a", {});
  const auto gone = co_await stagehand_navigate(ctx, runtime, std::move(request));
  EXPECT_EQ(gone.value().http_status, 404);
  f.fake.results["page.wait_for_selector"] = json::object{{"matched", true}};
  request = stagehand::wait_selector("PAGE", "#go");
  EXPECT_TRUE((co_await stagehand_flag(ctx, runtime, std::move(request))).value());
  f.fake.results["page.evaluate"] = json::object{{"value", 2}};
  request = stagehand::evaluate("PAGE", "1+1");
  EXPECT_EQ((co_await stagehand_value(ctx, runtime, std::move(request))).value(), 2);
  f.fake.results["page.screenshot"] = json::object{{"data", "YWJj"}};
  request = stagehand::screenshot("PAGE", {});
  EXPECT_EQ((co_await stagehand_bytes(ctx, runtime, std::move(request))).value(), "abc");
  EXPECT_EQ((co_await stagehand_pages(ctx, runtime)).value().at(0).id, "PAGE");
  for (const char* method : {"page.title", "page.goto", "stagehand.act", "context.pages"})
    f.fake.results[method] = 5;
  request = stagehand::title("PAGE");
  EXPECT_EQ((co_await stagehand_text(ctx, runtime, std::move(request))).error().code,
            Errc::protocol_error);
  request = stagehand::go_to("PAGE", "x", {});
  EXPECT_EQ((co_await stagehand_navigate(ctx, runtime, std::move(request))).error().code,
            Errc::protocol_error);
  request = stagehand::act("PAGE", "x", {});
  EXPECT_EQ((co_await stagehand_act(ctx, runtime, std::move(request))).error().code,
            Errc::protocol_error);
  EXPECT_EQ((co_await stagehand_pages(ctx, runtime)).error().code, Errc::protocol_error);
}
TEST(StagehandCalls, ReadAnswersAndRefuseOthers) { run(reads); }

asio::awaitable<void> hears(Context& ctx) {
  Fixture f(ctx);
  (void)co_await f.runtime().ensure(ctx);
  f.fake.notify("stagehand.log", {{"level", "warn"}, {"message", "slow"}, {"data", {}}});
  f.fake.notify("page.event", {{"event", "toolsadded"}});
  for (const char* garbage : {"", "{", "[]", "null", R"({"id":99,"result":1})", R"({"id":"x"})"})
    f.fake.say(garbage);
  EXPECT_THAT(f.log, ElementsAre("warn slow"));
  EXPECT_TRUE(co_await f.runtime().ensure(ctx));
}
TEST(StagehandRuntime, TellsItsLogAndPassesOverGarbage) { run(hears); }

asio::awaitable<void> caps(Context& ctx) {
  Fixture f(ctx);
  (void)co_await f.runtime().ensure(ctx);
  auto request = stagehand::evaluate("PAGE", std::string(50u << 20, 'x'));
  auto answer = co_await f.runtime().call(ctx, std::move(request));
  EXPECT_EQ(answer.error().code, Errc::payload_too_large);
  f.fake.results["page.title"] = std::string(49u << 20, 'x');
  request = stagehand::title("PAGE");
  answer = co_await f.runtime().call(ctx, std::move(request));
  EXPECT_EQ(answer.error().code, Errc::payload_too_large);
  EXPECT_THAT(answer.error().message, HasSubstr("page.title"));
}
TEST(StagehandRuntime, TakesNoMessagesWithoutEnd) { run(caps); }

TEST(StagehandCompatible, WantsTheSameMajorAndNoOlderMinor) {
  EXPECT_TRUE(stagehand_compatible("3.1.1", "3.1.0"));
  EXPECT_TRUE(stagehand_compatible("3.1.1", "3.2.0"));
  EXPECT_TRUE(stagehand_compatible("3.1.1-rc.1", "3.1.9-rc.1+build"));
  for (const char* offered :
       {"3.0.9", "4.1.1", "2.1.1", "3.1.1-rc.1", "", "3", "3.1", "3.1.x", "3.1.1.1", "x"})
    EXPECT_FALSE(stagehand_compatible("3.1.1", offered)) << offered;
}

}  // namespace
}  // namespace troupe::services
