// The public facade over a scripted engine: results, each exception, callbacks, threads, the end.
#include "troupe/orchestrator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "api/orchestrator_parts.h"
#include "engine/parts.h"
#include "engine/testing.h"
#include "sessions/testing.h"
#include "troupe/async.hpp"

namespace troupe {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using tcp = asio::ip::tcp;

std::string scratch_dir() {
  const fs::path dir = fs::temp_directory_path() / "troupe-orchestrator-test";
  fs::create_directories(dir);
  return dir.string();
}

// Gives the error's code when `call` throws exactly `Exception`.
template <class Exception, class Call>
std::optional<Errc> thrown(Call call) {
  try {
    call();
  } catch (const Exception& exception) {
    return exception.error().code;
  }
  return std::nullopt;
}

// What the engine thread touches (script, acting) is read after close(), or through its own calls.
class OrchestratorTest : public ::testing::Test {
 protected:
  OrchestratorTest() {
    settings_.data_dir = scratch_dir();
    settings_.drain_timeout = std::chrono::milliseconds(100);
  }
  ~OrchestratorTest() override { end(); }

  Orchestrator& start() {
    troupe_ = make();
    return *troupe_;
  }

  std::unique_ptr<Orchestrator> make() {
    return OrchestratorAccess::make([this](asio::io_context& io) {
      const asio::any_io_executor executor = io.get_executor();
      engine::Parts parts;
      parts.clock = make_real_clock(executor);
      parts.log = std::make_unique<observe::MemoryLog>();
      parts.backend = full_backend_ ? engine::full_backend(*parts.clock)
                                    : tasks::make_memory_backend(*parts.clock, {});
      parts.providers.push_back(std::make_unique<sessions::ScriptedProvider>(script_));
      parts.interactors.push_back(std::make_unique<engine::ScriptedInteractor>(acting_));
      parts.settings = settings_;
      return Result<std::unique_ptr<engine::Engine>>(
          engine::Engine::assemble(executor, std::move(parts)));
    });
  }

  // Ends the orchestrator and checks that nothing was left open.
  void end() {
    if (!troupe_) return;
    troupe_.reset();
    EXPECT_EQ(static_cast<int>(script_.closed.size()), script_.created);
    EXPECT_EQ(acting_.open_tabs, 0);
    EXPECT_TRUE(script_.shut_down);
  }

  RunRequest echo(int sessions = 1) {
    return {.workflow = engine::echo_workflow(), .sessions = sessions};
  }

  // From here actions wait until they are cancelled; the future is ready when the first one does.
  std::future<void> hold_actions() {
    acting_.hold = &never_;
    auto begun = std::make_shared<std::promise<void>>();
    acting_.on_perform = [begun, first = true]() mutable {
      if (std::exchange(first, false)) begun->set_value();
    };
    return begun->get_future();
  }

  Settings settings_;
  sessions::Script script_;
  engine::Acting acting_;
  Event never_;
  bool full_backend_ = false;
  std::unique_ptr<Orchestrator> troupe_;
};

TEST_F(OrchestratorTest, RunsAWorkflowOnOneSession) {
  const RunResult run = start().run_workflow(echo());
  EXPECT_TRUE(run.ok());
  EXPECT_EQ(run.outputs(), (json::array{{{"said", "hello"}, {"slot", 0}}}));
}

TEST_F(OrchestratorTest, RunsAWorkflowOnSeveralSessions) {
  auto request = echo(3);
  for (const char* word : {"a", "b", "c", "d"}) request.items.push_back({{"word", word}});
  const RunResult run = start().run_workflow(request);
  EXPECT_TRUE(run.ok());
  ASSERT_THAT(run.tasks, SizeIs(4));
  EXPECT_EQ(run.tasks[3].output.at("said"), "d");
}

TEST_F(OrchestratorTest, FailuresOfTasksAreResults) {
  acting_.errors = {fail(Errc::script_error, "boom")};
  const RunResult run = start().run_workflow(echo());
  EXPECT_EQ(run.state, RunState::failed);
  EXPECT_THAT(run.error->message, HasSubstr("boom"));
}

TEST_F(OrchestratorTest, RefusesWrongRequestsWithTaskCreationError) {
  auto& troupe = start();
  using Refused = Orchestrator::TaskCreationError;
  EXPECT_EQ(thrown<Refused>([&] { troupe.run_workflow({.workflow = "nowhere"}); }),
            Errc::not_found);
  auto request = echo();
  request.site = "nowhere";
  EXPECT_EQ(thrown<Refused>([&] { troupe.run_workflow(request); }), Errc::not_found);
  request = echo();
  request.inputs["wrod"] = "x";
  EXPECT_EQ(thrown<Refused>([&] { troupe.run_workflow(request); }), Errc::invalid_argument);
  EXPECT_EQ(thrown<Refused>([&] { troupe.run_workflow(echo(0)); }), Errc::invalid_argument);
  EXPECT_EQ(thrown<Refused>([&] { troupe.start_workflow(echo(51), {}); }), Errc::invalid_argument);
  EXPECT_EQ(thrown<Refused>([&] { troupe.run_workflow({}); }), Errc::invalid_argument);
  EXPECT_THAT(troupe.list_runs(), IsEmpty());
}

TEST_F(OrchestratorTest, AQueueThatTakesNoTasksIsATaskCreationError) {
  full_backend_ = true;
  auto& troupe = start();
  EXPECT_EQ(thrown<Orchestrator::TaskCreationError>([&] { troupe.run_workflow(echo(2)); }),
            Errc::exhausted);
}

TEST_F(OrchestratorTest, NotOneSessionIsASessionCreationError) {
  script_.create_error = fail(Errc::browser_missing, "no browser");
  auto& troupe = start();
  EXPECT_EQ(thrown<Orchestrator::SessionCreationError>([&] { troupe.run_workflow(echo(2)); }),
            Errc::browser_missing);
  EXPECT_EQ(thrown<Orchestrator::SessionCreationError>([&] { troupe.create_session(); }),
            Errc::browser_missing);
}

TEST_F(OrchestratorTest, SomeSessionsAreAPartialResult) {
  script_.create_error = fail(Errc::browser_missing, "no browser");
  script_.create_error_from = 2;
  const RunResult run = start().run_workflow(echo(3));
  EXPECT_EQ(run.state, RunState::partial);
  EXPECT_EQ(run.succeeded(), 2u);
}

TEST_F(OrchestratorTest, CallsBackWithTheResult) {
  auto& troupe = start();
  std::promise<RunResult> promise;
  const auto caller = std::this_thread::get_id();
  const std::string id = troupe.start_workflow(echo(), [&](std::exception_ptr failure, auto run) {
    EXPECT_FALSE(failure);
    EXPECT_NE(std::this_thread::get_id(), caller);
    promise.set_value(std::move(run));
  });
  const RunResult run = promise.get_future().get();
  EXPECT_TRUE(run.ok());
  EXPECT_EQ(run.run_id, id);
}

TEST_F(OrchestratorTest, CallsBackWithTheException) {
  script_.create_error = fail(Errc::browser_missing, "no browser");
  std::promise<std::exception_ptr> promise;
  start().start_workflow(
      echo(), [&](std::exception_ptr failure, const RunResult&) { promise.set_value(failure); });
  const auto failure = promise.get_future().get();
  ASSERT_TRUE(failure);
  EXPECT_THROW(std::rethrow_exception(failure), Orchestrator::SessionCreationError);
}

TEST_F(OrchestratorTest, StartsARunThatNobodyWaitsFor) {
  auto& troupe = start();
  const std::string id = troupe.start_workflow(echo(), nullptr);
  EXPECT_TRUE(troupe.run_info(id));
}

TEST_F(OrchestratorTest, GivesAFuture) {
  auto& troupe = start();
  EXPECT_TRUE(async_run_workflow(troupe, echo(), asio::use_future).get().ok());
  auto refused = async_run_workflow(troupe, {.workflow = "nowhere"}, asio::use_future);
  EXPECT_THROW(refused.get(), Orchestrator::TaskCreationError);
}

asio::awaitable<void> run_twice(Orchestrator& troupe, RunRequest request) {
  const auto mine = std::this_thread::get_id();
  const RunResult run = co_await async_run_workflow(troupe, request, asio::use_awaitable);
  EXPECT_TRUE(run.ok());
  EXPECT_EQ(std::this_thread::get_id(), mine) << "resumed on its own loop";
  request.workflow = "nowhere";
  bool refused = false;
  try {
    co_await async_run_workflow(troupe, request, asio::use_awaitable);
  } catch (const Orchestrator::TaskCreationError&) {
    refused = true;
  }
  EXPECT_TRUE(refused);
}

TEST_F(OrchestratorTest, CanBeAwaitedOnTheCallersLoop) {
  auto& troupe = start();
  for (int i = 0; i < 20; ++i) {
    asio::io_context io;  // ends with each turn: nothing of the engine may touch it afterwards
    auto future = asio::co_spawn(io, run_twice(troupe, echo()), asio::use_future);
    io.run();
    future.get();
  }
}

TEST_F(OrchestratorTest, CancelsARun) {
  auto begun = hold_actions();
  auto& troupe = start();
  std::promise<RunResult> promise;
  const std::string id = troupe.start_workflow(
      echo(2), [&](std::exception_ptr, auto run) { promise.set_value(std::move(run)); });
  begun.wait();
  EXPECT_TRUE(troupe.cancel_run(id));
  EXPECT_EQ(promise.get_future().get().state, RunState::cancelled);
  EXPECT_FALSE(troupe.cancel_run(id)) << "it has ended";
  EXPECT_FALSE(troupe.cancel_run("run_unknown"));
}

TEST_F(OrchestratorTest, RemembersRuns) {
  auto& troupe = start();
  const RunResult run = troupe.run_workflow(echo());
  EXPECT_EQ(troupe.run_info(run.run_id)->state, RunState::succeeded);
  EXPECT_FALSE(troupe.run_info("run_unknown"));
  ASSERT_THAT(troupe.list_runs(), SizeIs(1));
  EXPECT_EQ(troupe.list_runs()[0].run_id, run.run_id);
}

TEST_F(OrchestratorTest, CreatesAndReleasesSessions) {
  auto& troupe = start();
  const Session session = troupe.create_session();
  EXPECT_EQ(session.state, SessionState::running);
  ASSERT_THAT(troupe.list_active_sessions(), SizeIs(1));
  EXPECT_EQ(troupe.session_info(session.id).id, session.id);
  troupe.release_session(session.id);
  EXPECT_NO_THROW(troupe.release_session(session.id)) << "harmless when repeated";
  EXPECT_THAT(troupe.list_active_sessions(), IsEmpty());
  EXPECT_EQ(troupe.session_info(session.id).end_reason, EndReason::released);
}

TEST_F(OrchestratorTest, NamesSessionsThatItDoesNotKnow) {
  auto& troupe = start();
  using NotFound = Orchestrator::SessionNotFoundError;
  EXPECT_EQ(thrown<NotFound>([&] { troupe.session_info("no-such-id"); }), Errc::not_found);
  EXPECT_EQ(thrown<NotFound>([&] { troupe.release_session("no-such-id"); }), Errc::not_found);
}

TEST_F(OrchestratorTest, AReleaseThatFailsIsASessionReleaseError) {
  script_.close_error = fail(Errc::unavailable, "no release");
  auto& troupe = start();
  const Session session = troupe.create_session();
  EXPECT_EQ(thrown<Orchestrator::SessionReleaseError>([&] { troupe.release_session(session.id); }),
            Errc::unavailable);
  EXPECT_THAT(troupe.list_active_sessions(), IsEmpty());
}

TEST_F(OrchestratorTest, ServesManyThreadsAtOnce) {
  settings_.sessions_max = 5;
  auto& troupe = start();
  std::atomic<int> succeeded = 0;
  const auto use = [&] {
    for (int i = 0; i < 5; ++i) {
      const Session session = troupe.create_session();
      const RunResult run = troupe.run_workflow(echo(2));
      succeeded += run.ok();
      EXPECT_TRUE(troupe.run_info(run.run_id));
      EXPECT_EQ(troupe.session_info(session.id).id, session.id);
      troupe.list_active_sessions();
      troupe.list_runs();
      troupe.release_session(session.id);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(use);  // 4 sessions held, 1 for the runs
  const auto start_only = [&] {
    for (int i = 0; i < 5; ++i)
      succeeded += async_run_workflow(troupe, echo(1), asio::use_future).get().ok();
  };
  for (int i = 0; i < 4; ++i) threads.emplace_back(start_only);
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(succeeded, 40);
}

TEST_F(OrchestratorTest, MayBeClosedAgainAndFromTwoThreads) {
  auto& troupe = start();
  troupe.create_session();
  std::thread other([&] { troupe.close(); });
  troupe.close();
  other.join();
  troupe.close();
  troupe.abort();
  EXPECT_THAT(troupe.list_active_sessions(), IsEmpty());
}

TEST_F(OrchestratorTest, RefusesNewWorkAfterClose) {
  auto& troupe = start();
  const RunResult run = troupe.run_workflow(echo());
  troupe.close();
  EXPECT_EQ(thrown<Orchestrator::TaskCreationError>([&] { troupe.run_workflow(echo()); }),
            Errc::draining);
  EXPECT_EQ(thrown<Orchestrator::TaskCreationError>([&] { troupe.start_workflow(echo(), {}); }),
            Errc::draining);
  EXPECT_EQ(thrown<Orchestrator::SessionCreationError>([&] { troupe.create_session(); }),
            Errc::draining);
  EXPECT_EQ(thrown<Orchestrator::ConfigurationError>([&] { troupe.start_api_server(); }),
            Errc::draining);
  EXPECT_TRUE(troupe.run_info(run.run_id)) << "results can still be fetched";
}

TEST_F(OrchestratorTest, CloseEndsCallsThatWait) {
  settings_.sessions_max = 1;
  auto begun = hold_actions();
  auto& troupe = start();
  auto run = std::async(std::launch::async, [&] { return troupe.run_workflow(echo()); });
  begun.wait();  // the only session is taken: this one waits in the queue, or comes too late
  auto session = std::async(std::launch::async, [&] { return troupe.create_session(); });
  troupe.close();
  EXPECT_EQ(run.get().state, RunState::cancelled);
  EXPECT_EQ(thrown<Orchestrator::SessionCreationError>([&] { session.get(); }), Errc::draining);
}

TEST_F(OrchestratorTest, AbortDoesNotWaitForRunningTasks) {
  settings_.drain_timeout = std::chrono::hours(1);
  auto begun = hold_actions();
  auto& troupe = start();
  auto run = std::async(std::launch::async, [&] { return troupe.run_workflow(echo(3)); });
  begun.wait();
  auto closing = std::async(std::launch::async, [&] { troupe.close(); });
  troupe.abort();
  closing.get();
  EXPECT_EQ(run.get().state, RunState::cancelled);
}

TEST_F(OrchestratorTest, RefusesToBlockInsideACallback) {
  auto& troupe = start();
  std::promise<std::vector<std::optional<Errc>>> promise;
  const auto inside = [&](std::exception_ptr, const RunResult& run) {
    using Refused = Orchestrator::Error;
    promise.set_value({thrown<Refused>([&] { troupe.run_workflow(echo()); }),
                       thrown<Refused>([&] { troupe.create_session(); }),
                       thrown<Refused>([&] { troupe.release_session(run.run_id); }),
                       thrown<Refused>([&] { troupe.start_api_server("127.0.0.1", 0); }),
                       thrown<Refused>([&] { troupe.close(); }),
                       thrown<Refused>([&] { troupe.abort(); })});
  };
  troupe.start_workflow(echo(), inside);
  const auto codes = promise.get_future().get();
  for (const auto& code : codes) EXPECT_EQ(code, Errc::conflict);
}

TEST_F(OrchestratorTest, CallbacksMayAskAndStartTheNextRun) {
  auto& troupe = start();
  std::promise<RunResult> second;
  troupe.start_workflow(echo(), [&](std::exception_ptr, const RunResult& first) {
    EXPECT_TRUE(troupe.run_info(first.run_id));
    EXPECT_FALSE(troupe.cancel_run(first.run_id));
    EXPECT_THAT(troupe.list_runs(), SizeIs(1));
    EXPECT_THAT(troupe.list_active_sessions(), IsEmpty());
    troupe.start_workflow(echo(),
                          [&](std::exception_ptr, auto run) { second.set_value(std::move(run)); });
  });
  EXPECT_TRUE(second.get_future().get().ok());
}

TEST_F(OrchestratorTest, ItsEndEndsRunsAndCallsBackOnce) {
  auto begun = hold_actions();
  std::atomic<int> calls = 0;
  RunState state = RunState::pending;
  start().start_workflow(echo(3), [&](std::exception_ptr, const RunResult& run) {
    ++calls;
    state = run.state;
  });
  begun.wait();
  const auto before = std::chrono::steady_clock::now();
  end();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(state, RunState::cancelled);
}

TEST_F(OrchestratorTest, ItsEndEndsASessionThatIsJustBeingCreated) {
  script_.hold_creation = &never_;
  auto& troupe = start();
  auto session = std::async(std::launch::async, [&] { return troupe.create_session(); });
  troupe.close();
  EXPECT_EQ(thrown<Orchestrator::SessionCreationError>([&] { session.get(); }), Errc::draining);
}

std::string answer_of(tcp::socket& socket) {
  asio::write(socket, asio::buffer(std::string("GET /livez HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")));
  char text[12] = {};
  asio::read(socket, asio::buffer(text));
  return {text, sizeof text};
}

TEST_F(OrchestratorTest, ServesTheApiOnce) {
  auto& troupe = start();
  const int port = troupe.start_api_server("127.0.0.1", 0);
  asio::io_context io;
  tcp::socket socket(io);
  socket.connect({asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port)});
  EXPECT_EQ(answer_of(socket), "HTTP/1.1 200");
  using Refused = Orchestrator::ConfigurationError;
  EXPECT_EQ(thrown<Refused>([&] { troupe.start_api_server("127.0.0.1", 0); }), Errc::conflict);

  auto other = make();
  EXPECT_EQ(thrown<Refused>([&] { other->start_api_server("127.0.0.1", port); }),
            Errc::unavailable);
  EXPECT_EQ(thrown<Refused>([&] { other->start_api_server("127.0.0.1", 65'536); }),
            Errc::invalid_argument);
  troupe.close();  // with a client still connected
  boost::system::error_code refused;
  tcp::socket late(io);
  late.connect({asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port)}, refused);
  EXPECT_TRUE(refused);
}

TEST(Orchestrator, RefusesBadSettings) {
  using Refused = Orchestrator::ConfigurationError;
  Settings settings;
  settings.sessions_max = 0;
  EXPECT_EQ(thrown<Refused>([&] { Orchestrator{settings}; }), Errc::invalid_argument);
  settings = {};
  settings.data_dir = scratch_dir() + "/file";
  std::ofstream(settings.data_dir) << "in the way";
  EXPECT_EQ(thrown<Refused>([&] { Orchestrator{settings}; }), Errc::storage_failed);
}

TEST(Orchestrator, OfSettingsStartsNothingBeforeItIsAsked) {
  Settings settings;
  settings.data_dir = scratch_dir();
  settings.log_level = "off";
  Orchestrator troupe(settings);
  EXPECT_EQ(troupe.settings().data_dir, settings.data_dir);
  EXPECT_THAT(troupe.list_active_sessions(), IsEmpty());
}

}  // namespace
}  // namespace troupe
