// What a run leaves behind at its end: word to whoever listens, and large outputs outside of the
// backend. With several lives of an engine on one database.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "base/testing.h"
#include "engine/engine.h"
#include "engine/parts.h"
#include "engine/run_codec.h"
#include "engine/testing.h"
#include "sessions/testing.h"
#include "tasks/testing_folder.h"

namespace troupe::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using troupe::testing::run;

// One process's life on the folder.
struct Life {
  Life(Context& real, const std::string& folder,
       std::chrono::milliseconds retention = std::chrono::hours(1), std::string role = "all")
      : ctx(real) {
    Parts parts;
    parts.settings.runs_retention = retention;
    parts.settings.role = std::move(role);
    parts.clock = make_real_clock(real.executor());
    parts.log = observe::make_null_log();
    parts.backend =
        tasks::make_sqlite_backend(real.executor(), *parts.clock, {.path = folder + "/tasks.db"})
            .value();
    parts.keep_runs = true;
    parts.settings.data_dir = folder;
    parts.settings.drain_timeout = std::chrono::milliseconds(200);
    parts.settings.result_inline_bytes = 200;
    parts.results = ResultKeeping::create(*parts.clock, real.executor(), *parts.backend, *parts.log,
                                          parts.settings)
                        .value();
    parts.providers.push_back(std::make_unique<sessions::ScriptedProvider>(script));
    parts.interactors.push_back(std::make_unique<ScriptedInteractor>(acting));
    engine = Engine::assemble(real.executor(), std::move(parts));
  }

  // `told` gets the ids of ended runs; `answer` is what the listener gives back.
  void listen(std::vector<std::string>& told, Result<void> answer) {
    engine->on_run_end([&told, answer](Context&, RunResult result, std::string tenant) {
      told.push_back(tenant + " " + std::string(to_string(result.state)) + " " + result.run_id);
      return reply(answer);
    });
  }
  static Async<void> reply(Result<void> answer) { co_return answer; }

  asio::awaitable<std::string> complete(std::string word) {
    RunRequest request{.workflow = echo_workflow(), .sessions = 1};
    request.tenant = "acme";
    request.inputs["word"] = std::move(word);
    auto id = co_await engine->submit(ctx, std::move(request));
    EXPECT_TRUE(id) << id.error().describe();
    auto result = co_await engine->wait(ctx, *id);
    EXPECT_TRUE(result) << result.error().describe();
    co_return *id;
  }
  asio::awaitable<std::size_t> markers() {
    std::string kind(kOpenRunKind), cursor;
    const auto open =
        co_await engine->backend().documents(ctx, std::move(kind), std::move(cursor), 100, false);
    co_return open ? open->size() : 999;
  }

  Context& ctx;
  sessions::Script script;
  Acting acting;
  std::unique_ptr<Engine> engine;
};

asio::awaitable<void> told_once(Context& ctx) {
  const tasks::Folder folder;
  std::vector<std::string> told;
  std::string id;
  {
    Life life(ctx, folder.path);
    life.listen(told, Result<void>());
    id = co_await life.complete("hello");
    EXPECT_THAT(told, ElementsAre("acme succeeded " + id));
    EXPECT_EQ(co_await life.markers(), 0u);
    co_await life.engine->close(false);
  }
  Life next(ctx, folder.path);
  next.listen(told, Result<void>());
  co_await next.complete("again");
  EXPECT_EQ(told.size(), 2u);
  co_await next.engine->close(false);
}

TEST(RunEnd, IsToldOnce) { run(told_once); }

asio::awaitable<void> told_again(Context& ctx) {
  const tasks::Folder folder;
  std::vector<std::string> told;
  std::string id;
  {
    Life life(ctx, folder.path);
    life.listen(told, fail(Errc::unavailable, "the listener could not take it"));
    id = co_await life.complete("hello");
    EXPECT_EQ(co_await life.markers(), 1u);
    co_await life.engine->close(false);
  }
  told.clear();
  Life next(ctx, folder.path);
  next.listen(told, Result<void>());
  // The start looks for open runs by itself.
  while (co_await next.markers() > 0 && co_await sleep_for(ctx, std::chrono::milliseconds(5))) {
  }
  EXPECT_THAT(told, ElementsAre("acme succeeded " + id));
  co_await next.engine->close(false);
}

TEST(RunEnd, IsToldAgainAfterAFailure) { run(told_again); }

asio::awaitable<std::string> stored_text(Life& life, std::string id) {
  tasks::Filter filter{.run_id = std::move(id)};
  std::string cursor;
  auto page =
      co_await life.engine->backend().list(life.ctx, std::move(filter), std::move(cursor), 10);
  co_return page ? page->records.at(0).status.result : page.error().describe();
}

asio::awaitable<void> large(Context& ctx) {
  const tasks::Folder folder;
  const std::string word(5'000, 'w');
  std::string large_id, small_id;
  {
    Life life(ctx, folder.path);
    large_id = co_await life.complete(word);
    small_id = co_await life.complete("small");
    auto result = co_await life.engine->find_run(ctx, large_id);
    EXPECT_EQ(result->outputs()[0].at("said"), json::value(word));
    const std::string text = co_await stored_text(life, large_id);
    EXPECT_THAT(text, HasSubstr("$result"));
    EXPECT_LT(text.size(), 1'000u);
    EXPECT_THAT(co_await stored_text(life, small_id), Not(HasSubstr("$result")));
    co_await life.engine->close(false);
  }
  {
    Life next(ctx, folder.path);
    auto result = co_await next.engine->find_run(ctx, large_id);
    EXPECT_EQ(result->outputs()[0].at("said"), json::value(word));
    co_await next.engine->close(false);
  }
  std::filesystem::remove_all(folder.path + "/results");
  Life last(ctx, folder.path);
  auto result = co_await last.engine->find_run(ctx, large_id);
  EXPECT_TRUE(tasks::result_ref_from(result->outputs()[0]));  // said, not made up
  EXPECT_EQ(result->tasks[0].cleanup_errors.at(0).code, Errc::gone);
  EXPECT_THAT(result->tasks[0].cleanup_errors[0].message, HasSubstr(folder.path + "/results/"));
  co_await last.engine->close(false);
}

TEST(RunEnd, KeepsLargeOutputsOutsideTheDatabase) { run(large); }

asio::awaitable<void> unwritable(Context& ctx) {
  const tasks::Folder folder;
  Life life(ctx, folder.path);
  std::filesystem::create_directories(folder.path);
  std::FILE* file = std::fopen((folder.path + "/results").c_str(), "w");  // where the folder goes
  std::fclose(file);

  const std::string id = co_await life.complete(std::string(5'000, 'w'));

  auto result = co_await life.engine->find_run(ctx, id);
  EXPECT_NE(result->state, RunState::succeeded);
  EXPECT_TRUE(result->tasks.at(0).error);
  EXPECT_THAT(result->outputs(), IsEmpty());
  co_await life.engine->close(false);
}

TEST(RunEnd, AnOutputThatCannotBeKeptFailsItsTask) { run(unwritable); }

asio::awaitable<void> forgotten(Context& ctx) {
  const tasks::Folder folder;
  std::string old_id;
  {
    Life life(ctx, folder.path);
    old_id = co_await life.complete("old");
    co_await life.engine->close(false);
  }
  (void)co_await sleep_for(ctx, std::chrono::milliseconds(20));
  Life life(ctx, folder.path, std::chrono::milliseconds(1));
  for (bool there = true; there && ctx.check();) {
    std::string kind(kRunKind);
    auto document = co_await life.engine->backend().document(ctx, std::move(kind), old_id);
    there = document && document->has_value();
    (void)co_await sleep_for(ctx, std::chrono::milliseconds(5));
  }
  auto found = co_await life.engine->find_run(ctx, old_id);
  EXPECT_FALSE(found);
  if (!found) EXPECT_EQ(found.error().code, Errc::not_found);
  auto stats = co_await life.engine->backend().stats(ctx);
  EXPECT_EQ(stats->counts.succeeded, 0);
  co_await life.engine->close(false);
}

TEST(RunEnd, OldRunsAreForgottenWithTheirTasks) { run(forgotten); }

asio::awaitable<void> only_accepts(Context& ctx) {
  const tasks::Folder folder;
  std::string id;
  {
    Life life(ctx, folder.path, std::chrono::hours(1), "api");
    RunRequest request{.workflow = echo_workflow(), .sessions = 1};
    id = (co_await life.engine->submit(ctx, std::move(request))).value();
    (void)co_await sleep_for(ctx, std::chrono::milliseconds(30));
    EXPECT_EQ((co_await life.engine->find_run(ctx, id))->state, RunState::pending);
    EXPECT_EQ(life.script.created, 0);
    co_await life.engine->close(false);
  }
  Life life(ctx, folder.path);
  auto result = co_await life.engine->wait(ctx, id);
  EXPECT_EQ(result->state, RunState::succeeded);
  co_await life.engine->close(false);
}

TEST(RunEnd, ANodeOfTheApiLeavesTasksToWorkers) { run(only_accepts); }

}  // namespace
}  // namespace troupe::engine
