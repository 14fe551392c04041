// An engine whose sessions and actions are scripted. Tests only.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>

#include "engine/engine.h"
#include "engine/parts.h"
#include "engine/testing.h"
#include "sessions/testing.h"

namespace troupe::engine {

struct Fixture {
  explicit Fixture(Context& real, bool full = false, int sessions_max = 0) : ctx(real) {
    Parts parts;
    parts.clock = make_real_clock(real.executor());
    auto memory = std::make_unique<observe::MemoryLog>();
    log = memory.get();
    parts.log = std::move(memory);
    parts.backend =
        full ? full_backend(*parts.clock) : tasks::make_memory_backend(*parts.clock, {});
    parts.providers.push_back(std::make_unique<sessions::ScriptedProvider>(script));
    parts.interactors.push_back(std::make_unique<ScriptedInteractor>(acting));
    parts.settings.data_dir =
        (std::filesystem::temp_directory_path() / "troupe-engine-test").string();
    if (sessions_max > 0) parts.settings.sessions_max = sessions_max;
    parts.settings.drain_timeout = std::chrono::milliseconds(200);
    engine = Engine::assemble(real.executor(), std::move(parts));
  }

  RunRequest request(int sessions) { return {.workflow = echo_workflow(), .sessions = sessions}; }

  asio::awaitable<RunResult> complete(RunRequest wanted) {
    auto id = co_await engine->submit(ctx, std::move(wanted));
    EXPECT_TRUE(id) << id.error().describe();
    auto result = co_await engine->wait(ctx, *id);
    EXPECT_TRUE(result) << result.error().describe();
    co_return *result;
  }

  // Closes the engine and checks that nothing was left open.
  asio::awaitable<void> close() {
    co_await engine->close(false);
    EXPECT_TRUE(engine->sessions(true).empty());
    EXPECT_EQ(static_cast<int>(script.closed.size()), script.created);
    EXPECT_EQ(acting.open_tabs, 0);
  }

  Context& ctx;
  sessions::Script script;
  Acting acting;
  observe::MemoryLog* log = nullptr;
  std::unique_ptr<Engine> engine;
};

}  // namespace troupe::engine
