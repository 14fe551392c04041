// The main job with everything outside scripted: each way a run can fail, and that nothing leaks
// then.
#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/testing.h"
#include "engine/engine_fixture.h"

namespace troupe::engine {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using troupe::testing::run;

asio::awaitable<void> one(Context& ctx) {
  Fixture f(ctx);
  auto result = co_await f.complete(f.request(1));
  EXPECT_EQ(result.state, RunState::succeeded);
  EXPECT_EQ(result.tasks.size(), 1u);
  EXPECT_EQ(result.outputs(), (json::array{{{"said", "hello"}, {"slot", 0}}}));
  EXPECT_EQ(f.script.created, 1);
  EXPECT_THAT(f.log->lines(), Contains(HasSubstr("Action: run.start, Status: accepted")));
  EXPECT_THAT(f.log->lines(), Contains(HasSubstr("Action: session.create, Status: ok")));
  EXPECT_THAT(f.log->lines(), Contains(HasSubstr("Action: session.release, Status: ok")));
  EXPECT_THAT(f.log->lines(), Contains(HasSubstr("Action: run.end, Status: ok")));
  co_await f.close();
}

TEST(Engine, RunsAWorkflowOnOneSession) { run(one); }

asio::awaitable<void> several(Context& ctx) {
  Fixture f(ctx);
  auto request = f.request(3);
  for (const char* word : {"a", "b", "c", "d", "e"}) request.items.push_back({{"word", word}});
  auto result = co_await f.complete(std::move(request));
  EXPECT_EQ(result.state, RunState::succeeded);
  EXPECT_EQ(result.outputs().size(), 5u);
  EXPECT_EQ(result.outputs()[4].at("said"), "e");
  EXPECT_EQ(f.script.created, 5);
  co_await f.close();
}

TEST(Engine, SpreadsItemsOverSeveralSessions) { run(several); }

asio::awaitable<void> refused(Context& ctx) {
  Fixture f(ctx);
  for (const int sessions : {0, -1, 1'000'000'000}) {
    auto id = co_await f.engine->submit(ctx, f.request(sessions));
    EXPECT_EQ(id.error().code, Errc::invalid_argument);
    EXPECT_THAT(id.error().message, HasSubstr(std::to_string(sessions)));
    EXPECT_THAT(id.error().message, HasSubstr("1..50"));
  }
  auto unknown = f.request(1);
  unknown.inputs["wrod"] = "x";
  EXPECT_THAT((co_await f.engine->submit(ctx, unknown)).error().message, HasSubstr("wrod"));
  RunRequest nowhere{.workflow = "nowhere"};
  EXPECT_EQ((co_await f.engine->submit(ctx, nowhere)).error().code, Errc::not_found);
  auto site = f.request(1);
  site.site = "nowhere";
  EXPECT_EQ((co_await f.engine->submit(ctx, site)).error().code, Errc::not_found);
  EXPECT_EQ(f.script.created, 0);
  co_await f.close();
}

TEST(Engine, RefusesWrongRequestsBeforeAnySession) { run(refused); }

asio::awaitable<void> creation_of_tasks(Context& ctx) {
  Fixture f(ctx, true);
  auto id = co_await f.engine->submit(ctx, f.request(2));
  EXPECT_EQ(id.error().code, Errc::exhausted);
  id = f.engine->begin(f.request(2));
  auto result = co_await f.engine->wait(ctx, *id);
  EXPECT_EQ(result->state, RunState::failed);
  EXPECT_EQ(result->error->code, Errc::exhausted);
  EXPECT_EQ(result->started_at, WallTime{});
  EXPECT_EQ(f.script.created, 0);
  EXPECT_THAT(f.log->lines(), Contains(HasSubstr("Action: task.create, Status: failed")));
  co_await f.close();
}

TEST(Engine, ReportsThatTasksCouldNotBeCreated) { run(creation_of_tasks); }

asio::awaitable<void> creation_fails(Context& ctx) {
  Fixture f(ctx);
  f.script.create_error = fail(Errc::browser_missing, "no browser");
  auto result = co_await f.complete(f.request(2));
  EXPECT_EQ(result.state, RunState::failed);
  EXPECT_EQ(result.error->message, "no browser");
  EXPECT_FALSE(f.engine->session_created(result.run_id));
  EXPECT_THAT(f.log->lines(), Contains(HasSubstr("Action: session.create, Status: failed")));
  co_await f.close();
}

TEST(Engine, ReportsThatNoSessionCouldBeCreated) { run(creation_fails); }

asio::awaitable<void> creation_partly_fails(Context& ctx) {
  Fixture f(ctx);
  f.script.create_error = fail(Errc::browser_missing, "no browser");
  f.script.create_error_from = 3;
  auto result = co_await f.complete(f.request(5));
  EXPECT_EQ(result.state, RunState::partial);
  EXPECT_EQ(result.succeeded(), 3u);
  EXPECT_EQ(result.outputs().size(), 3u);
  EXPECT_EQ(result.error->message, "no browser");
  co_await f.close();
}

TEST(Engine, KeepsTheResultsWhenSomeSessionsCouldNotBeCreated) { run(creation_partly_fails); }

asio::awaitable<void> execution_fails(Context& ctx) {
  Fixture f(ctx);
  f.acting.errors = {fail(Errc::script_error, "boom")};
  auto result = co_await f.complete(f.request(1));
  EXPECT_EQ(result.state, RunState::failed);
  EXPECT_THAT(result.tasks[0].error->message, HasSubstr("boom"));
  EXPECT_EQ(result.tasks[0].attempts, 1) << "a script error is not retried";
  EXPECT_EQ(result.tasks[0].failed_step, "s1");
  co_await f.close();
}

TEST(Engine, ReportsAFailedExecutionAndReleasesItsSession) { run(execution_fails); }

asio::awaitable<void> retried(Context& ctx) {
  Fixture f(ctx);
  f.acting.errors = {fail(Errc::page_crashed, "crash")};
  auto result = co_await f.complete(f.request(1));
  EXPECT_EQ(result.state, RunState::succeeded);
  EXPECT_EQ(result.tasks[0].attempts, 2);
  EXPECT_FALSE(result.tasks[0].error);
  EXPECT_EQ(f.script.created, 2) << "the second attempt has a fresh session";
  EXPECT_THAT(f.log->lines(), Contains(HasSubstr("Action: task.execute, Status: retrying")));
  co_await f.close();
}

TEST(Engine, RetriesInAFreshSession) { run(retried); }

asio::awaitable<void> release_fails(Context& ctx) {
  Fixture f(ctx);
  f.script.close_error = fail(Errc::unavailable, "no release");
  f.acting.errors = {fail(Errc::script_error, "boom")};
  auto request = f.request(1);
  request.items = {{{"word", "a"}}, {{"word", "b"}}};
  auto result = co_await f.complete(std::move(request));
  EXPECT_EQ(result.state, RunState::partial);
  EXPECT_THAT(result.tasks[0].error->message, HasSubstr("boom")) << "the cause is not masked";
  EXPECT_EQ(result.tasks[0].cleanup_errors.at(0).message, "no release");
  EXPECT_TRUE(result.tasks[1].ok()) << "a failed release does not undo a result";
  EXPECT_EQ(result.tasks[1].cleanup_errors.at(0).message, "no release");
  EXPECT_THAT(f.log->lines(), Contains(HasSubstr("Action: session.release, Status: failed")));
  co_await f.close();
}

TEST(Engine, AFailedReleaseIsReportedAndMasksNothing) { run(release_fails); }

asio::awaitable<void> tells_where_it_is(Context& ctx) {
  Fixture f(ctx);
  Event never;
  f.acting.hold = &never;
  json::object looping = json::parse(R"({"workflow": "looping", "steps": [{"set": {"a": 1}},
    {"id": "all", "for_each": [7, 8, 9], "as": "n", "do": [{"id": "one", "evaluate": "{{ n }}"}]}
    ]})")
                             .as_object();
  auto request = f.request(1);
  request.workflow = Workflow(workflows::parse_definition(looping, "looping").value());
  auto id = co_await f.engine->submit(ctx, std::move(request));
  const std::string task = f.engine->run(*id)->tasks[0].task_id;
  while (f.acting.calls == 0) (void)co_await sleep_for(ctx, std::chrono::milliseconds(1));
  f.acting.hold = nullptr;
  f.acting.on_perform = [&] { f.acting.hold = f.acting.calls == 2 ? &never : nullptr; };
  never.set();
  never.reset();
  while (f.acting.calls < 2) (void)co_await sleep_for(ctx, std::chrono::milliseconds(1));

  const auto progress = parse_json(f.engine->progress(task), "progress");
  EXPECT_EQ(progress->at("step"), "one");
  EXPECT_EQ(progress->at("kind"), "evaluate");
  EXPECT_EQ(progress->at("done"), 2);
  EXPECT_EQ(progress->at("attempt"), 1);
  EXPECT_EQ(progress->at("loops"), json::parse(R"([{"step": "all", "round": 2, "of": 3}])"));
  EXPECT_TRUE(parse_rfc3339(progress->at("began_at").as_string()));
  never.set();
  EXPECT_TRUE((co_await f.engine->wait(ctx, *id))->ok());
  while (!f.engine->progress(task).empty())
    (void)co_await sleep_for(ctx, std::chrono::milliseconds(1));
  co_await f.close();
}

TEST(Engine, TellsWhereARunningTaskIs) { run(tells_where_it_is); }

asio::awaitable<void> cancelled(Context& ctx) {
  Fixture f(ctx);
  Event never;
  f.acting.hold = &never;
  auto request = f.request(2);
  for (int i = 0; i < 4; ++i) request.items.push_back({});
  auto id = co_await f.engine->submit(ctx, std::move(request));
  (void)co_await sleep_for(ctx, std::chrono::milliseconds(20));
  EXPECT_TRUE(f.engine->cancel(*id, "enough"));
  auto result = co_await f.engine->wait(ctx, *id);
  EXPECT_EQ(result->state, RunState::cancelled);
  for (const auto& task : result->tasks) EXPECT_EQ(task.state, TaskState::cancelled);
  EXPECT_EQ(f.engine->cancel(*id, "again").error().code, Errc::conflict);
  EXPECT_EQ(f.script.created, 2);
  co_await f.close();
}

TEST(Engine, CancelsRunningAndQueuedTasks) { run(cancelled); }

asio::awaitable<void> session_dies(Context& ctx) {
  Fixture f(ctx);
  Event never;
  f.acting.hold = &never;
  auto request = f.request(1);
  request.attempts = 1;
  auto id = co_await f.engine->submit(ctx, std::move(request));
  while (f.script.lost.empty() || f.acting.calls == 0)
    (void)co_await sleep_for(ctx, std::chrono::milliseconds(1));
  f.script.lost[0]->set();
  auto result = co_await f.engine->wait(ctx, *id);
  EXPECT_EQ(result->tasks[0].error->code, Errc::session_lost);
  EXPECT_EQ(f.engine->sessions(false).at(0).end_reason, EndReason::crashed);
  co_await f.close();
}

TEST(Engine, EndsAnAttemptWhoseSessionDied) { run(session_dies); }

asio::awaitable<void> times_out(Context& ctx) {
  Fixture f(ctx);
  Event never;
  f.acting.hold = &never;
  auto request = f.request(1);
  request.attempts = 1;
  request.task_timeout = std::chrono::milliseconds(30);
  auto result = co_await f.complete(std::move(request));
  EXPECT_EQ(result.tasks[0].error->code, Errc::timeout);
  EXPECT_EQ(result.state, RunState::failed);
  co_await f.close();
}

TEST(Engine, EndsATaskAtItsTimeout) { run(times_out); }

asio::awaitable<void> drains(Context& ctx) {
  Fixture f(ctx);
  Event never;
  f.acting.hold = &never;
  auto request = f.request(1);
  request.items = {{}, {}};
  auto id = co_await f.engine->submit(ctx, std::move(request));
  while (f.acting.calls == 0) (void)co_await sleep_for(ctx, std::chrono::milliseconds(1));
  co_await f.close();  // the running task outlives the drain timeout of 200 ms
  auto result = co_await f.engine->wait(ctx, *id);
  EXPECT_EQ(result->tasks[0].state, TaskState::cancelled);
  EXPECT_EQ(result->tasks[1].state, TaskState::cancelled);
  EXPECT_EQ(result->tasks[1].error->code, Errc::draining);
  EXPECT_EQ((co_await f.engine->submit(ctx, f.request(1))).error().code, Errc::draining);
}

TEST(Engine, DrainsWithinItsTimeout) { run(drains); }

}  // namespace
}  // namespace troupe::engine
