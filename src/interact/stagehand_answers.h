// We are Stagehand's model: what its runtime asks while it works on a call is answered by the
// resolver where the instruction is plain, and by the configured models where it is not.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "interact/stagehand_tree.h"
#include "services/model.h"
#include "services/stagehand_rpc.h"

namespace troupe::interact {

/// What a call of the runtime is about, which its requests do not tell.
struct StagehandTopic {
  std::string mark;    ///< In the instruction sent; taken out of what a model is asked.
  Clause clause;       ///< act.
  std::string wanted;  ///< observe: the instruction.
  std::size_t limit = 50;
  std::optional<json::value> known;  ///< extract: what was found already.
  bool use_rules = true;
  bool use_model = false;
  json::object secrets;  ///< By name; no model is told their values.
};

/// What came of it, besides what the runtime says.
struct StagehandVerdict {
  std::optional<Error> refused;  ///< Why no element was given.
  bool done_already = false;     ///< There was nothing to do: the box is ticked.
  bool asked_model = false;
  std::string what;  ///< `button "Sign in"`.
};

/// An element that was chosen, and what for.
struct StagehandElement {
  std::string id;  ///< As in the tree.
  std::string method;
  std::string what;
  bool in_main = false;  ///< Of the page's own document, not of a frame in it.
  std::vector<std::string> arguments;
  bool by_model = false;
  bool second = false;  ///< Of an act that takes two steps.
};

class StagehandAnswers final : public services::StagehandServant {
 public:
  /// Makes sure that it can be used, waiting for that. Errors: not_actionable, target_not_found.
  using Ready = std::function<Async<void>(Context&, StagehandElement)>;

  /// `model` may be null; `topic.use_model` counts only with one.
  StagehandAnswers(StagehandTopic topic, services::Model* model, Ready ready);

  Async<json::value> serve(Context& ctx, std::string method, json::object params) override;
  const StagehandVerdict& verdict() const { return verdict_; }

 private:
  Async<json::object> act(Context& ctx, const json::object& params, std::string prompt);
  Async<json::object> observe(Context& ctx, const json::object& params, std::string prompt);
  Async<json::object> extract(Context& ctx, const json::object& params);
  Async<json::object> ask(Context& ctx, const json::object& params, std::string purpose);
  Async<json::object> with_ready(Context& ctx, json::object answer, bool by_model);
  json::object refuse(Error why);

  StagehandTopic topic_;
  services::Model* model_;
  Ready ready_;
  StagehandVerdict verdict_;
  services::ModelUsage usage_;  ///< Of the present request.
  std::string main_frame_;      ///< Its ordinal, with the dash.
  int acts_ = 0;                ///< Requests for an act so far: it may take two steps.
};

/// What the runtime does for a clause on an element: its method and arguments.
struct StagehandMove {
  std::string method;
  std::vector<std::string> arguments;
  bool two_steps = false;  ///< A list made of other elements: opened first.
  bool needless = false;   ///< It is so already.
};
/// Nothing: the runtime cannot do it.
std::optional<StagehandMove> stagehand_move(const Clause& clause, const Candidate& element);

/// Text of the last message, the one that has the tree. Empty: none.
std::string prompt_of(const json::object& params);
/// The request as our models take it, without the mark. Errors: invalid_argument.
Result<services::ModelRequest> model_request(const json::object& params, std::string_view mark);

}  // namespace troupe::interact
