// `act` by the Stagehand runtime: in words, part by part, with ourselves as its model; a known
// action; and what an instruction meant before, replayed without looking for it.
#pragma once

#include <cstdint>

#include "interact/stagehand_answers.h"
#include "interact/stagehand_tab.h"
#include "services/stagehand_calls.h"

namespace troupe::interact {

/// One `act`. Threads: engine. All that it refers to outlives it.
class StagehandAct final {
 public:
  /// `native`: who does what the runtime cannot. `model`: may be null. `marks`: how many
  /// instructions the runtime was given, by anyone.
  StagehandAct(StagehandTab& tab, Interactor& native, services::Model* model, std::uint64_t& marks)
      : tab_(tab), native_(native), model_(model), marks_(marks) {}

  Async<ActionResult> perform(Context& ctx, const json::object& args);

 private:
  Async<ActionResult> in_words(Context& ctx, const json::object& args);
  Async<ActionResult> known(Context& ctx, const json::object& args);
  Async<void> await_known(Context& ctx, const services::StagehandAction& known);
  Async<ActionResult> part(Context& ctx, const Clause& clause, bool plain);
  Async<ActionResult> find_and_do(Context& ctx, const Clause& clause, bool plain,
                                  Duration patience);
  Async<ActionResult> attempt(Context& ctx, StagehandTopic topic, StagehandVerdict& verdict);
  Async<ActionResult> do_found(Context& ctx, const Clause& clause, const Resolution& found);
  Async<ActionResult> do_action(Context& ctx, services::StagehandAction action);
  Async<ActionResult> fill_at(Context& ctx, services::StagehandAction action);
  Async<void> make_ready(Context& ctx, const Clause& clause, StagehandElement element);
  Async<void> learn(Context& ctx, const Clause& clause, const StagehandElement& element, int ref);
  Async<ActionResult> natively(Context& ctx, const Clause& clause);
  Async<void> page_changes(Context& ctx);
  Async<ActionResult> effect(Context& ctx, const services::StagehandActResult& done);
  services::stagehand::Scope scope_of(const Context& ctx) const;

  StagehandTab& tab_;
  Interactor& native_;
  services::Model* model_;
  std::uint64_t& marks_;
  json::object variables_;  ///< Values for `%name%`, which only the runtime puts in.
  bool optional_ = false;
};

/// Ends each instruction that the runtime is given: see StagehandAsker.
std::string stagehand_mark_text(std::uint64_t& marks);

}  // namespace troupe::interact
