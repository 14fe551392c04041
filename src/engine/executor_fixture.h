// A page that answers as the test says, virtual time, and what the executor reported.
#pragma once

#include "engine/executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "workflows/definition.h"

namespace troupe {
/// GoogleMock prints what a mock returns; Boost's own printing needs types that can be streamed.
template <class T>
void PrintTo(const Result<T>& result, std::ostream* out) {
  *out << (result ? "ok" : result.error().describe());
}
}  // namespace troupe

namespace troupe::engine::testing_support {

class FakeTab final : public interact::Tab {
 public:
  explicit FakeTab(std::string* address) : address_(address) {}
  std::string url() const override { return *address_; }

 private:
  std::string* address_;
};

class FakeSession final : public sessions::LiveSession {
 public:
  const std::string& id() const override { return id_; }
  Result<sessions::Browser> browser() override { return fail(Errc::unsupported, "no browser"); }
  std::unique_ptr<cdp::Page> take_page() override { return nullptr; }
  void give_back_page(std::unique_ptr<cdp::Page>) override {}
  Result<std::string> downloads_dir() override { return std::string(); }
  Session::Counters& counters() override { return counters_; }

 private:
  std::string id_ = "session-1";
  Session::Counters counters_;
};

/// What the interactor is asked to do; `does` answers for the page.
class MockInteractor : public interact::Interactor {
 public:
  MOCK_METHOD(Result<interact::ActionResult>, does, (const interact::Action&));
  MOCK_METHOD(Result<void>, opens, ());
  MOCK_METHOD(Result<std::string>, pictures, ());
  MOCK_METHOD(Result<void>, closes, (bool clean));

  std::string_view name() const override { return "mock"; }
  Async<std::unique_ptr<interact::Tab>> open(Context&, sessions::LiveSession&,
                                             interact::InteractOptions) override {
    CO_TRY_VOID(opens());
    ++open_tabs;
    co_return std::make_unique<FakeTab>(&address);
  }
  Async<interact::ActionResult> perform(Context& ctx, interact::Tab&,
                                        interact::Action action) override {
    if (action.kind == "wait_for" && action.args.contains("duration")) {
      CO_TRY(const Duration duration, workflows::parse_duration(action.args.at("duration")));
      CO_TRY_VOID(co_await sleep_for(ctx, duration));
    }
    if (takes > Duration::zero()) CO_TRY_VOID(co_await sleep_for(ctx, takes));
    if (action.kind == "goto") address = std::string(action.args.at("url").get_string());
    co_return does(action);
  }
  Async<std::string> screenshot(Context&, interact::Tab&) override { co_return pictures(); }
  Async<void> close(Context& ctx, std::unique_ptr<interact::Tab>, bool clean) override {
    CO_TRY_VOID(ctx.check());  // clean-up is never cancelled
    --open_tabs;
    co_return closes(clean);
  }

  std::string address = "about:blank";
  Duration takes{};  ///< Every action.
  int open_tabs = 0;
};

class ExecutorFixture : public testing::Test {
 protected:
  ExecutorFixture() {
    ON_CALL(interactor, opens).WillByDefault([] { return Result<void>(); });
    ON_CALL(interactor, closes).WillByDefault([](bool) { return Result<void>(); });
    ON_CALL(interactor, pictures).WillByDefault([] { return Result<std::string>("png"); });
    ON_CALL(interactor, does).WillByDefault([this](const interact::Action& action) {
      return answer(action);
    });
  }

  /// By default an action gives its arguments; queued results come first.
  Result<interact::ActionResult> answer(const interact::Action& action) {
    done.push_back(action.kind + " " + json::serialize(action.args));
    if (!results.empty()) {
      auto result = std::move(results.front());
      results.erase(results.begin());
      return result;
    }
    return interact::ActionResult{.output = action.args, .detail = "did " + action.kind};
  }

  static std::shared_ptr<const workflows::Definition> parse(std::string_view text) {
    auto parsed = workflows::parse_definition(text, "w.yaml");
    EXPECT_TRUE(parsed) << parsed.error().message;
    return parsed ? *parsed : nullptr;
  }
  ExecutionOutcome run(std::string_view text) {
    ExecutionInput input;
    input.definition = parse(text);
    input.inputs = inputs;
    input.site = site;
    input.session_index = 1;
    input.session_count = 3;
    input.run_id = "run_1";
    input.task_id = "task_1";
    input.artifacts_dir = artifacts;
    input.output_bytes_max = output_bytes_max;
    input.find_workflow = [this](const std::string& name) { return find(name); };
    return run(std::move(input));
  }
  ExecutionOutcome run_steps(std::string_view steps) {
    return run("workflow: w\nsteps:\n" + std::string(steps));
  }
  /// Virtual time: whenever nothing is left to do, the clock moves to its next timer.
  ExecutionOutcome run(ExecutionInput input) {
    asio::io_context io;
    Context root(clock, io.get_executor());
    Context cancellable = root.with_cancel(cancel);
    Context ctx = cancellable.with_timeout(task_timeout, "task task_1");
    std::optional<ExecutionOutcome> outcome;
    auto report = [this](const StepReport& step) {
      reports.push_back(step.id + " " + step.kind + " " + step.status);
      details.push_back(step.detail);
      if (on_report) on_report(step);
    };
    asio::co_spawn(io, execute(ctx, session, interactor, std::move(input), report),
                   [&outcome](std::exception_ptr exception, ExecutionOutcome value) {
                     if (exception) std::rethrow_exception(exception);
                     outcome = std::move(value);
                   });
    while (!outcome) {
      io.restart();
      io.poll();
      if (outcome || clock.next() == SteadyTime::max()) break;
      clock.advance(clock.next() - clock.now());
    }
    EXPECT_TRUE(outcome.has_value()) << "the execution hangs";
    EXPECT_EQ(interactor.open_tabs, 0) << "a tab was left open";
    return outcome.value_or(ExecutionOutcome{});
  }
  Result<std::shared_ptr<const workflows::Definition>> find(const std::string& name) {
    const auto found = others.find(name);
    if (found == others.end()) return fail(Errc::not_found, "workflow '" + name + "' is not known");
    return workflows::parse_definition(found->second, name + ".yaml");
  }
  static Error broken(Errc code, std::string message = "broken") {
    return fail(code, std::move(message));
  }
  static std::string text(const json::value& value) { return json::serialize(value); }

  ManualClock clock;
  CancelSource cancel;
  Duration task_timeout = std::chrono::minutes(10);
  FakeSession session;
  testing::NiceMock<MockInteractor> interactor;
  workflows::Site site;
  json::object inputs;
  std::string artifacts;
  std::int64_t output_bytes_max = 1 << 20;
  std::map<std::string, std::string> others;
  std::vector<Result<interact::ActionResult>> results;
  std::function<void(const StepReport&)> on_report;
  std::vector<std::string> done;
  std::vector<std::string> reports;
  std::vector<std::string> details;
};

}  // namespace troupe::engine::testing_support
