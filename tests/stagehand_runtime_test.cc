// Interactor `stagehand`: the real extension of npm in a real, full Chromium, driven by the binary.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "remote_service.h"
#include "services/stagehand_calls.h"
#include "stagehand_world.h"

namespace troupe::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(StagehandRuntimeTest, GivesTheSameResultsAsTheNativeInteractor) {
  const std::string workflow = write(kOrderWorkflow);
  const json::value remote = run(workflow, {"--interactor", "stagehand"});
  ASSERT_EQ(remote.at("state"), "succeeded") << log_;
  const json::value native = run(workflow, {});
  ASSERT_EQ(native.at("state"), "succeeded") << log_;
  EXPECT_EQ(json::serialize(remote.at("tasks").at(0).at("output")), kOrderOutput);
  EXPECT_EQ(json::serialize(native.at("tasks").at(0).at("output")), kOrderOutput);
}

TEST_F(StagehandRuntimeTest, AsksTheConfiguredModelWhereTheRulesDoNotKnow) {
  world_->let_model_say(R"({"mood": "cheerful"})");
  const std::string workflow = write(R"(
workflow: mood
steps:
  - goto: "BASE/order"
  - extract: {instruction: the mood of the page, fields: {mood: string}}
    save_as: read
output: "{{ read }}"
)");
  const json::value result = run(workflow, {"--interactor", "stagehand"}, true);
  ASSERT_EQ(result.at("state"), "succeeded") << log_;
  EXPECT_EQ(result.at("tasks").at(0).at("output").at("mood"), "cheerful");
  const auto asked = world_->asked();
  ASSERT_EQ(asked.size(), 1u) << "the closing question is answered without a model";
  EXPECT_THAT(asked.front(), AllOf(HasSubstr("the mood of the page"), HasSubstr("heading: Your"),
                                   Not(HasSubstr("(call t"))));
  EXPECT_THAT(log_, AllOf(HasSubstr("stagehand.says"), Not(HasSubstr("sk-of-the-test"))));
}

TEST_F(StagehandRuntimeTest, WaitsForElementsAndNeverTellsASuccessThatWasNone) {
  const std::string workflow = write(R"(
workflow: traps
steps:
  - goto: "BASE/traps"
  - act: click Late
  - act: click Below
  - act: click Ask
  - act: select Blue from Colour
  - act: click Inside
  - act: click Shadow
  - act: click Fresh
  - act: click Never
    timeout: 2s
    on_error: continue
  - evaluate: log.textContent.trim()
    save_as: log
output: "{{ log }}"
)");
  const json::value result = run(workflow, {"--interactor", "stagehand"});
  ASSERT_EQ(result.at("state"), "succeeded") << log_;
  EXPECT_EQ(result.at("tasks").at(0).at("output"),
            "late below asked:false blue inside shadow fresh");
  EXPECT_THAT(log_, HasSubstr("Action: step.act, Status: ignored")) << "Never was pressed";
}

int count_of(const std::string& text, std::string_view part) {
  int found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST_F(StagehandRuntimeTest, ReplaysWhatItLearntWithoutRulesAndModel) {
  world_->let_model_choose("button: Order");
  const std::string workflow = write(R"(
workflow: replay
steps:
  - goto: "BASE/order"
  - act: type Ada into Name
  - act: check Newsletter
  - act: make the purchase final
  - evaluate: said.textContent
    save_as: said
output: "{{ said }}"
)");
  for (int round = 0; round < 3; ++round) {
    const json::value result = run(workflow, {"--interactor", "stagehand"}, true);
    ASSERT_EQ(result.at("state"), "succeeded") << log_;
    EXPECT_EQ(result.at("tasks").at(0).at("output"), "Thanks Ada, Free, true");
    EXPECT_EQ(world_->asked().size(), 1u) << "the model was asked again in round " << round;
    EXPECT_EQ(count_of(log_, "(cache: hit)"), round == 0 ? 0 : 3) << log_;
  }
  // Another interactor knows it, too.
  const json::value native = run(workflow, {}, true);
  EXPECT_EQ(native.at("tasks").at(0).at("output"), "Thanks Ada, Free, true") << log_;
  EXPECT_EQ(world_->asked().size(), 1u);
}

TEST_F(StagehandRuntimeTest, TypesSecretsAndTellsThemToNobody) {
  world_->let_model_say(R"({"mood": "cheerful"})");
  const std::string workflow = write(R"(
workflow: secrets
steps:
  - goto: "BASE/order"
  - act: {instruction: "type %code% into Name", variables: {code: Zx9-secret-1}}
  - evaluate: "document.getElementById('name').value === 'Zx9-' + 'secret-1'"
    save_as: first
  - act: {instruction: "select %plan% from Plan and click Order", variables: {plan: Pro}}
  - extract: {instruction: the mood of the page, fields: {mood: string}}
    save_as: read
  - act: {action: {kind: fill, selector: "#name", arguments: ["%code%"]}, variables: {code: Zx9-secret-2}}
  - evaluate: "[document.getElementById('name').value === 'Zx9-' + 'secret-2', document.getElementById('plan').value]"
    save_as: second
  - act: {instruction: "type %other% into Name", variables: {code: Zx9-secret-1}}
    on_error: continue
output: ["{{ first }}", "{{ second }}", "{{ read.mood }}"]
)");
  for (int round = 0; round < 2; ++round) {  // the second replays
    const json::value result = run(workflow, {"--interactor", "stagehand"}, true);
    ASSERT_EQ(result.at("state"), "succeeded") << log_;
    EXPECT_EQ(json::serialize(result.at("tasks").at(0).at("output")),
              R"([true,[true,"Pro"],"cheerful"])");
    EXPECT_THAT(log_, HasSubstr("variables: there is no"));
    EXPECT_EQ(count_of(log_, "Zx9-secret"), 0) << log_;
    world_->let_model_say(R"({"mood": "cheerful"})");
  }
  EXPECT_GT(count_of(log_, "(cache: hit)"), 0) << log_;
  for (const std::string& body : world_->asked()) {
    EXPECT_THAT(body, AllOf(HasSubstr("%code%"), Not(HasSubstr("Zx9-secret"))));
  }
  EXPECT_THAT(scratch_.read("data/actions.json"), Not(HasSubstr("Zx9-secret")));
}

TEST_F(StagehandRuntimeTest, TellsWhyAPageDidNotOpen) {
  const std::string workflow = write("workflow: w\nsteps:\n  - goto: http://nowhere.invalid/\n");
  const json::value result = run(workflow, {"--interactor", "stagehand"});
  EXPECT_THAT(result.at("error").at("message").as_string(), HasSubstr("net::ERR_")) << log_;
  EXPECT_THAT(result.at("error").at("message").as_string(), HasSubstr("nowhere.invalid"));
}

TEST_F(StagehandRuntimeTest, KeepsSessionsApartInOneBrowser) {
  const std::string workflow = write(R"yaml(
workflow: apart
steps:
  - goto: "BASE/order"
  - evaluate: "localStorage.visits = 1 + Number(localStorage.visits || 0), document.cookie = 'visits=' + (document.cookie ? 2 : 1), 0"
  - act: "type {{ session.index }} into Name"
  - act: click Order
  - evaluate: "[said.textContent, localStorage.visits, document.cookie].join(' ')"
    save_as: told
output: "{{ told }}"
)yaml");
  const json::value result = run(workflow, {"--interactor", "stagehand", "--sessions", "16"});
  ASSERT_EQ(result.at("state"), "succeeded") << log_;
  std::set<std::string> told;
  for (const auto& task : result.at("tasks").as_array())
    told.insert(std::string(task.at("output").as_string()));
  std::set<std::string> wanted;
  for (int i = 0; i < 16; ++i)
    wanted.insert("Thanks " + std::to_string(i) + ", Free, false 1 visits=1");
  EXPECT_EQ(told, wanted);
}

asio::awaitable<void> with_browser(Context& ctx, std::string dir,
                                   std::function<void(const std::string&)> use) {
  auto chromium = co_await launch(ctx, std::move(dir));
  EXPECT_TRUE(chromium) << chromium.error().describe();
  if (!chromium) co_return;
  use((*chromium)->endpoint());
  (void)co_await (*chromium)->close(ctx);
}

asio::awaitable<void> with_loaded(Context& ctx, std::string dir, std::string folder,
                                  std::function<void(const std::string&)> use) {
  sessions::ChromiumOptions options{.browser = sessions::find_full_browser("")->path,
                                    .browsers_dir = dir,
                                    .listening = true,
                                    .driver_folder = folder,
                                    .extra_flags = {"--load-extension=" + folder}};
  auto chromium = co_await sessions::Chromium::launch(ctx, std::move(options));
  EXPECT_TRUE(chromium) << chromium.error().describe();
  if (!chromium) co_return;
  use((*chromium)->endpoint());
  (void)co_await (*chromium)->close(ctx);
}

// A second debugger of the runtime's worker, which stops it at its next line.
asio::awaitable<bool> halt_worker(Context& ctx, cdp::Connection& connection) {
  json::object find_workers{{"filter", json::array{json::object{{"type", "service_worker"}}}}};
  const auto targets =
      co_await connection.call(ctx, "", "Target.getTargets", std::move(find_workers));
  if (!targets || targets->at("targetInfos").as_array().size() != 1) co_return false;
  const auto& worker = targets->at("targetInfos").as_array().front().as_object();
  json::object attach{{"targetId", worker.at("targetId")}, {"flatten", true}};
  const auto attached =
      co_await connection.call(ctx, "", "Target.attachToTarget", std::move(attach));
  if (!attached) co_return false;
  const std::string session(attached->at("sessionId").as_string());
  const json::object none;
  if (!co_await connection.call(ctx, session, "Debugger.enable", none)) co_return false;
  connection.post(session, "Runtime.evaluate", {{"expression", "debugger"}});
  co_return true;
}

// `theirs`: the browser was started with the extension, and we do not know where it is.
asio::awaitable<void> recover(Context& ctx, std::string dir, std::string url, bool theirs) {
  const auto extension = services::read_stagehand(extension_folder());
  sessions::ChromiumOptions options{.browser = sessions::find_full_browser("")->path,
                                    .browsers_dir = dir,
                                    .listening = true,
                                    .driver_folder = extension->folder};
  if (theirs) options.extra_flags = {"--load-extension=" + extension->folder};
  auto chromium = co_await sessions::Chromium::launch(ctx, std::move(options));
  EXPECT_TRUE(chromium) << chromium.error().describe();
  if (!chromium) co_return;
  cdp::Connection& connection = (*chromium)->connection();
  services::StagehandRuntimeOptions how{.folder = theirs ? "" : extension->folder,
                                        .endpoint = (*chromium)->endpoint(),
                                        .health_timeout = seconds(2)};
  auto runtime = std::make_shared<services::StagehandRuntime>(connection, std::move(how));
  const auto started = co_await runtime->ensure(ctx);
  EXPECT_TRUE(started) << started.error().describe();
  if (!started) co_return;
  auto page = co_await cdp::Page::open(ctx, connection, {.url = url});
  (void)co_await (*page)->wait_loaded(ctx, cdp::WaitUntil::load);

  // Its worker stands still from here on.
  EXPECT_TRUE(co_await halt_worker(ctx, connection));
  auto asking = services::stagehand::title((*page)->target_id());
  Context brief = ctx.with_timeout(seconds(1), "title");
  const auto answer = co_await services::stagehand_text(brief, *runtime, std::move(asking));
  EXPECT_EQ(answer.error().code, Errc::timeout);

  const auto again = co_await runtime->ensure(ctx);
  EXPECT_TRUE(again) << again.error().describe();
  EXPECT_EQ(runtime->starts(), 2);
  auto request = services::stagehand::title((*page)->target_id());
  const auto title = co_await services::stagehand_text(ctx, *runtime, std::move(request));
  EXPECT_TRUE(title) << title.error().describe();
  if (title) EXPECT_EQ(*title, "Shop");
  const auto gone = co_await runtime->close(ctx);
  EXPECT_TRUE(gone) << gone.error().describe();
  (void)co_await (*chromium)->close(ctx);
}

TEST_F(StagehandRuntimeTest, IsLoadedAnewWithoutLosingThePage) {
  const std::string dir = scratch_.path() + "/browsers";
  const std::string url = world_->url("/order");
  for (const bool theirs : {false, true})
    EXPECT_TRUE(in_loop([&](Context& ctx) { return recover(ctx, dir, url, theirs); })) << theirs;
}

TEST_F(StagehandRuntimeTest, WorksInABrowserThatTroupeDidNotStart) {
  const std::string dir = scratch_.path() + "/browsers";
  const std::string workflow = write(kOrderWorkflow);
  const auto use = [&](const std::string& endpoint) {
    for (int round = 0; round < 2; ++round) {  // the second finds the extension loaded
      const json::value result = run(workflow, {"--provider", "cdp", "--cdp-endpoints", endpoint,
                                                "--interactor", "stagehand", "--sessions", "2"});
      EXPECT_EQ(result.at("state"), "succeeded") << log_;
    }
  };
  EXPECT_TRUE(in_loop([&](Context& ctx) { return with_browser(ctx, dir, use); }));
}

// The extension is there when the browser starts, and Troupe does not know where.
TEST_F(StagehandRuntimeTest, FindsTheExtensionThatABrowserWasStartedWith) {
  const std::string folder = scratch_.path() + "/theirs";
  fs::copy(services::read_stagehand(extension_folder())->folder, folder,
           fs::copy_options::recursive);
  const std::string workflow = write(kOrderWorkflow);
  const std::string dir = scratch_.path() + "/browsers";
  const auto use = [&](const std::string& endpoint) {
    for (const char* isolation : {"process", "context"}) {
      auto none = environment();
      none.erase("TROUPE_STAGEHAND_FOLDER");
      Binary troupe(
          scratch_,
          {"run", workflow, "--json", "--attempts", "1", "--provider", "cdp", "--cdp-endpoints",
           endpoint, "--interactor", "stagehand", "--isolation", isolation},
          none);
      troupe.wait(seconds(120));
      EXPECT_EQ(parsed(troupe.out()).at("state"), "succeeded") << isolation << troupe.err();
    }
  };
  EXPECT_TRUE(in_loop([&](Context& ctx) { return with_loaded(ctx, dir, folder, use); }));
}

TEST_F(StagehandRuntimeTest, WorksAtBrowserbaseWithOneUploadForAllSessions) {
  RemoteService service(scratch_.path() + "/remote");
  auto remote = environment();
  remote.merge(service.environment());
  const std::string workflow = write(kOrderWorkflow);
  const std::vector<std::string> arguments{"run",         workflow,       "--json",   "--attempts",
                                           "1",           "--sessions",   "2",        "--provider",
                                           "browserbase", "--interactor", "stagehand"};
  json::value output;
  for (int round = 0; round < 2; ++round) {  // the second finds the upload of the first
    Binary troupe(scratch_, arguments, remote);
    troupe.wait(seconds(120));
    const json::value result = parsed(troupe.out());
    ASSERT_EQ(result.at("state"), "succeeded") << troupe.err();
    output = result.at("tasks").at(0).at("output");
    EXPECT_EQ(result.at("tasks").at(1).at("output"), output);
    EXPECT_THAT(troupe.err(), Not(HasSubstr("/devtools/browser/"))) << "an address is a key";
  }
  EXPECT_EQ(service.count("POST /v1/extensions"), 1);
  EXPECT_EQ(service.sessions(), 4u);
  EXPECT_EQ(service.live(), 0);
  const json::value native = run(workflow, {});
  EXPECT_EQ(output, native.at("tasks").at(0).at("output")) << log_;
}

// Troupe's own service speaks that API, too: a second Troupe drives its browsers through it.
TEST_F(StagehandRuntimeTest, WorksOnBrowsersOfAnotherTroupe) {
  const Scratch other;
  Service service(other, {});
  auto remote = environment();
  remote["BROWSERBASE_API_KEY"] = "any";
  remote["BROWSERBASE_BASE_URL"] = service.url();
  const std::string workflow = write(kOrderWorkflow);
  Binary troupe(scratch_,
                {"run", workflow, "--json", "--attempts", "1", "--provider", "browserbase",
                 "--interactor", "stagehand"},
                remote);
  troupe.wait(seconds(120));
  const json::value result = parsed(troupe.out());
  ASSERT_EQ(result.at("state"), "succeeded") << troupe.err() << service.binary().err();
  EXPECT_EQ(result.at("tasks").at(0).at("output").at("said"), "Thanks Ada, Pro, true");
}

TEST(StagehandCommand, TellsWhatIsMissingAndInstallsNothingUnchecked) {
  const Scratch scratch;
  Binary status(scratch, {"stagehand", "status"});
  EXPECT_NE(status.wait(), 0);
  EXPECT_THAT(status.err(), HasSubstr("troupe stagehand install"));
  const std::string archive = scratch.write("other.tgz", "not the archive");
  Binary wrong(scratch, {"stagehand", "install", archive});
  EXPECT_NE(wrong.wait(), 0);
  EXPECT_THAT(wrong.err(), HasSubstr("is not @browserbasehq/stagehand@4.4.0"));
  Binary no_npm(scratch, {"stagehand", "install"}, {{"PATH", scratch.path()}});
  EXPECT_NE(no_npm.wait(), 0);
  EXPECT_THAT(no_npm.err(), HasSubstr("npm: is not installed"));
  EXPECT_FALSE(fs::exists(scratch.path() + "/data/stagehand/4.4.0"));
  const std::string workflow =
      scratch.write("w.yaml", "workflow: w\nsteps:\n  - goto: about:blank");
  Binary run(scratch, {"run", workflow, "--interactor", "stagehand", "--json"});
  EXPECT_NE(run.wait(), 0);
  EXPECT_THAT(run.out(), HasSubstr("not_found"));
}

}  // namespace
}  // namespace troupe::e2e
