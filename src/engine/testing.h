// A scripted interactor, a queue that fails, and a small workflow for them. Tests only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "interact/interactor.h"
#include "tasks/backend.h"
#include "troupe/run.hpp"
#include "workflows/definition.h"

namespace troupe::engine {

/// What the scripted interactor answers; keyed by nothing but the number of the call.
struct Acting {
  std::vector<std::optional<Error>> errors;  ///< By call; beyond the end: success.
  int calls = 0;
  int open_tabs = 0;
  Event* hold = nullptr;
  std::function<void()> on_perform;  ///< Called on the engine thread when an action begins.
  std::optional<Error> close_error;
};

class ScriptedTab final : public interact::Tab {
 public:
  std::string url() const override { return "about:blank"; }
};

class ScriptedInteractor final : public interact::Interactor {
 public:
  explicit ScriptedInteractor(Acting& acting) : acting_(acting) {}
  std::string_view name() const override { return "native"; }
  Async<std::unique_ptr<interact::Tab>> open(Context&, sessions::LiveSession&,
                                             interact::InteractOptions) override {
    ++acting_.open_tabs;
    std::unique_ptr<interact::Tab> tab = std::make_unique<ScriptedTab>();
    co_return tab;
  }
  Async<interact::ActionResult> perform(Context& ctx, interact::Tab&,
                                        interact::Action action) override {
    const auto call = static_cast<std::size_t>(acting_.calls++);
    if (acting_.on_perform) acting_.on_perform();
    if (acting_.hold) CO_TRY_VOID(co_await acting_.hold->wait(ctx));
    if (call < acting_.errors.size() && acting_.errors[call]) co_return *acting_.errors[call];
    interact::ActionResult result{.output = action.args.at("expression"), .changed = "nothing"};
    co_return result;
  }
  Async<std::string> screenshot(Context&, interact::Tab&) override {
    co_return fail(Errc::unsupported, "scripted");
  }
  Async<void> close(Context&, std::unique_ptr<interact::Tab>, bool) override {
    --acting_.open_tabs;
    if (acting_.close_error) co_return *acting_.close_error;
    co_return Result<void>{};
  }

 private:
  Acting& acting_;
};

/// A backend that takes no task; in all else the one in memory.
inline std::unique_ptr<tasks::Backend> full_backend(Clock& clock) {
  return tasks::make_memory_backend(clock, {.tasks_max = 0});
}

/// Says its input word and the index of its session, in one action.
inline constexpr std::string_view kEchoWorkflow = R"(
workflow: echo
inputs:
  word: {type: string, default: hello}
steps:
  - evaluate: "{{ inputs.word }}"
    save_as: said
output:
  said: "{{ said }}"
  slot: "{{ session.index }}"
)";

inline Workflow echo_workflow() {
  auto definition = workflows::parse_definition(kEchoWorkflow, "echo.yaml");
  return definition ? Workflow(*definition) : Workflow();
}

}  // namespace troupe::engine
