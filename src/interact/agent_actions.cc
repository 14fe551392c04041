// agent: reaches a goal in steps that a model chooses. Each step is one action of the native
// engine, with its own checks; the model is told what it did and what changed on the page.
#include <algorithm>
#include <array>

#include "interact/act_steps.h"
#include "interact/concealed.h"
#include "interact/page_diff.h"
#include "services/model.h"
#include "services/prompts.h"

namespace troupe::interact::native {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kRowsMax = 400;
constexpr std::size_t kHistoryMax = 60'000;  ///< Characters; then it begins anew with the page.
constexpr Duration kStepLimit = std::chrono::seconds(15);
constexpr std::array kWords = std::to_array<std::string_view>(
    {"click", "double_click", "hover", "check", "uncheck", "fill", "select", "press", "scroll",
     "goto", "back", "wait", "done", "fail"});

json::object step_schema() {
  json::array words;
  for (const auto word : kWords) words.push_back(json::string(word));
  json::array number{json::string("integer"), json::string("null")};
  json::array text{json::string("string"), json::string("null")};
  json::object properties{{"reason", json::object{{"type", "string"}}},
                          {"action", json::object{{"type", "string"}, {"enum", words}}},
                          {"element", json::object{{"type", std::move(number)}}},
                          {"value", json::object{{"type", std::move(text)}}}};
  json::array required{json::string("reason"), json::string("action"), json::string("element"),
                       json::string("value")};
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"required", std::move(required)},
          {"additionalProperties", false}};
}

struct Step {
  std::string action, value;
  std::optional<std::int64_t> element;
  bool operator==(const Step&) const = default;
};

Step step_from(const json::object& answer) {
  return {.action = std::string(find_string(answer, "action").value_or("fail")),
          .value = std::string(find_string(answer, "value").value_or("")),
          .element = find_int(answer, "element")};
}

class Agent {
 public:
  Agent(NativeTab& tab, const json::object& args)
      : tab_(tab),
        goal_(find_string(args, "goal").value_or("")),
        steps_max_(std::clamp<std::int64_t>(find_int(args, "steps_max").value_or(20), 1, 200)),
        tokens_max_(find_int(args, "tokens_max").value_or(0)) {}

  Async<ActionResult> reach(Context& ctx) {
    CO_TRY_VOID(co_await look(ctx));
    tell(whole_page(view_));
    while (static_cast<std::int64_t>(trace_.size()) < steps_max_) {
      CO_TRY_VOID(ctx.check());
      if (tokens_max_ > 0 && usage_.input_tokens + usage_.output_tokens >= tokens_max_)
        co_return unreached("its budget of " + std::to_string(tokens_max_) + " tokens is used up");
      CO_TRY(const Step step, co_await ask(ctx));
      if (step.action == "fail") co_return unreached(concealed(step.value, tab_.secrets()));
      if (step.action == "done" && !failed_) co_return finished(step);
      if (step.action == "done") {
        failed_ = false;  // it may insist
        tell("The last action failed. Answer done again only if the page shows the goal reached.");
        continue;
      }
      CO_TRY_VOID(co_await take(ctx, step));
      if (idle_ >= 3)
        co_return unreached("the same action changed nothing three times: " + step.action);
    }
    co_return unreached(std::to_string(steps_max_) + " steps were not enough");
  }

 private:
  Error unreached(const std::string& why) {
    std::string done;
    for (const auto& row : trace_)
      done += (done.empty() ? "; done: " : ", ") + std::string(row.at("did").as_string());
    return fail(Errc::not_actionable, "agent: the goal was not reached: " + why + done,
                "page " + tab_.url());
  }

  ActionResult finished(const Step& step) {
    ActionResult result;
    const std::string message = concealed(step.value, tab_.secrets());
    result.changed = changed_;
    result.detail = "reached in " + std::to_string(trace_.size()) + " steps: " + message;
    result.output = json::object{{"message", message},
                                 {"steps", trace_.size()},
                                 {"trace", std::move(trace_)},
                                 {"input_tokens", usage_.input_tokens},
                                 {"output_tokens", usage_.output_tokens}};
    return result;
  }

  Async<void> look(Context& ctx) {
    tab_.enter(nullptr);
    json::array none;
    CO_TRY(const auto rows, co_await tab_.call(ctx, kSnapshot, "snapshot", std::move(none)));
    snapshot_ = read_snapshot(rows);
    CO_TRY_VOID(co_await look_into_frames(ctx));
    view_ = view_of(snapshot_, tab_.page().document_serial(), tab_.secrets(), kRowsMax);
    co_return Result<void>{};
  }

  /// Frames of other origins: their elements have numbers of their own, a million for each frame.
  Async<void> look_into_frames(Context& ctx) {
    if (snapshot_.frames == 0) co_return Result<void>{};
    const json::value beside = json::object{{"frames", snapshot_.frames}};
    CO_TRY(const auto frames, co_await tab_.frames_beside(ctx, beside));
    for (ForeignFrame* frame : frames) {
      const std::string key = frame->id + " " + frame->loader;
      auto known = std::find(frames_.begin(), frames_.end(), key);
      if (known == frames_.end()) known = frames_.insert(frames_.end(), key);
      const auto base = static_cast<int>(known - frames_.begin() + 1) * kFrameStep;
      tab_.enter(frame);
      json::array none;
      auto rows = co_await tab_.call(ctx, kSnapshot, "snapshot", std::move(none));
      tab_.enter(nullptr);
      const bool gone = !rows && rows.error().code == Errc::navigation_failed;
      if (gone) continue;
      if (!rows) co_return rows.error();
      for (Candidate& element : read_snapshot(*rows).elements) {
        element.ref += base;
        snapshot_.elements.push_back(std::move(element));
      }
    }
    co_return Result<void>{};
  }

  /// Goes into the frame that an element's number names, and gives its number there.
  Async<int> enter_frame_of(Context& ctx, int ref) {
    if (ref < kFrameStep) co_return ref;
    const auto index = static_cast<std::size_t>(ref / kFrameStep - 1);
    const json::value beside = json::object{{"frames", snapshot_.frames}};
    CO_TRY(const auto frames, co_await tab_.frames_beside(ctx, beside));
    for (ForeignFrame* frame : frames) {
      if (index >= frames_.size() || frame->id + " " + frame->loader != frames_[index]) continue;
      tab_.enter(frame);
      co_return ref % kFrameStep;
    }
    co_return fail(Errc::target_not_found, "the frame that it was in is gone");
  }

  void tell(std::string text) {
    history_ += text.size();
    messages_.push_back({.text = std::move(text)});
  }

  Async<Step> ask(Context& ctx) {
    services::ModelRequest request;
    std::string names;
    for (const auto& [name, value] : tab_.variables())
      names += (names.empty() ? "" : ", ") + std::string("%") + std::string(name) + "%";
    if (!names.empty())
      names = "In a fill, these names stand for values that you are not told: " + names + ".";
    request.system = services::prompt("agent", {{"goal", goal_}, {"variables", names}});
    request.messages = messages_;
    request.schema = step_schema();
    request.temperature = 0;
    request.output_tokens_max = 2'048;
    request.cacheable = false;  // the page is another one each time
    request.purpose = "agent";
    services::ModelOptions options;
    CO_TRY(auto reply,
           co_await tab_.model()->generate(ctx, std::move(request), std::move(options)));
    usage_ += reply.usage;
    if (!reply.structured.is_object())
      co_return fail(Errc::protocol_error, "model " + reply.model + ": gave no object");
    std::string said = json::serialize(reply.structured);
    history_ += said.size();
    messages_.push_back({.role = services::ModelRole::assistant, .text = std::move(said)});
    co_return step_from(reply.structured.get_object());
  }

  /// One action, and what the model is told of it.
  Async<void> take(Context& ctx, const Step& step) {
    Context limited = ctx.with_timeout(kStepLimit, "step of the agent");
    auto done = co_await perform(limited, step);
    tab_.note_action(ctx.clock().now());
    CO_TRY_VOID(ctx.check());
    const bool over = !done && (done.error().code == Errc::page_crashed ||
                                done.error().code == Errc::session_lost);
    if (over) co_return done.error();
    failed_ = !done;
    json::object row{{"action", step.action}};
    row["did"] = concealed(done ? done->detail : step.action + " failed", tab_.secrets());
    if (!done) row["error"] = concealed(done.error().message, tab_.secrets());
    if (done) row["changed"] = done->changed;
    if (done && done->changed != "nothing") changed_ = done->changed;
    const PageView before = std::move(view_);
    CO_TRY_VOID(co_await look_settled(ctx));
    const std::string changes = page_changes(before, view_);
    const bool idle = changes.empty() && (!done || done->changed == "nothing");
    idle_ = idle && last_ == step ? idle_ + 1 : idle ? 1 : 0;
    last_ = step;
    std::string told = done ? "Done: " + std::string(row.at("did").as_string()) + "."
                            : "Failed: " + std::string(row.at("error").as_string()) + ".";
    trace_.push_back(std::move(row));
    if (history_ < kHistoryMax) {
      tell(told + (changes.empty() ? " Nothing changed on the page." : "\n" + changes));
    } else {
      begin_anew(told);
    }
    co_return Result<void>{};
  }

  /// The page when the outcome of an action has shown: a moment, for answers of the network.
  Async<void> look_settled(Context& ctx) {
    json::array quiet{150};
    auto waited = co_await tab_.call(ctx, kCore, "quiet", std::move(quiet));
    const bool replaced = !waited && waited.error().code == Errc::navigation_failed;
    if (!waited && !replaced) co_return waited.error();
    if (replaced) {
      auto loaded = co_await tab_.page().wait_loaded(ctx, cdp::WaitUntil::domcontentloaded);
      if (!loaded) co_return loaded.error();
    }
    co_return co_await look(ctx);
  }

  void begin_anew(const std::string& told) {
    messages_.clear();
    history_ = 0;
    std::string text = "Done so far:\n";
    for (const auto& row : trace_) text += "- " + std::string(row.at("did").as_string()) + "\n";
    tell(text + told + "\n" + whole_page(view_));
  }

  Async<ActionResult> perform(Context& ctx, const Step& step) {
    ActionResult waited;
    waited.changed = "nothing";
    waited.detail = "waited";
    if (step.action == "goto") {
      const json::object where{{"url", step.value}};
      co_return co_await go_to(ctx, tab_, where);
    }
    if (step.action == "back") co_return co_await step_history(ctx, tab_, -1);
    if (step.action == "wait") {
      CO_TRY_VOID(co_await sleep_for(ctx, milliseconds(1'000)));
      co_return waited;
    }
    if (!step.element && step.action == "press")
      co_return co_await press_target(ctx, tab_, nullptr, step.value, 1);
    if (!step.element && step.action == "scroll") {
      json::object how{{"to", step.value.empty() ? "next" : step.value}};
      co_return co_await scroll_target(ctx, tab_, nullptr, std::move(how));
    }
    co_return co_await perform_on(ctx, step);
  }

  Async<ActionResult> perform_on(Context& ctx, const Step& step) {
    const auto element =
        std::find_if(snapshot_.elements.begin(), snapshot_.elements.end(),
                     [&](const Candidate& c) { return step.element && c.ref == *step.element; });
    if (element == snapshot_.elements.end())
      co_return fail(Errc::target_not_found, "there is no line with that number");
    Resolution found;
    CO_TRY(found.ref, co_await enter_frame_of(ctx, element->ref));
    found.what = describe(*element);
    found.role = element->role;
    found.tag = element->tag;
    found.type = element->type;
    found.checked = element->checked;
    Clause clause;
    clause.verb = step.action == "double_click" ? Verb::double_click
                                                : verb_from(step.action).value_or(Verb::click);
    clause.value = step.value;
    clause.values = {step.value};
    clause.source = step.action;
    co_return co_await act_on(ctx, tab_, clause, found);
  }

  NativeTab& tab_;
  const std::string goal_;
  const std::int64_t steps_max_, tokens_max_;
  static constexpr int kFrameStep = 1'000'000;
  Snapshot snapshot_;
  std::vector<std::string> frames_;  ///< Those seen, in the order of their numbers.
  PageView view_;
  std::vector<services::ModelMessage> messages_;
  std::size_t history_ = 0;
  services::ModelUsage usage_;
  json::array trace_;
  std::string changed_ = "nothing";
  Step last_;
  bool failed_ = false;
  int idle_ = 0;
};

}  // namespace

Async<ActionResult> agent(Context& ctx, NativeTab& tab, const json::object& args) {
  const auto* given = find(args, "variables");
  const json::object variables = given && given->is_object() ? given->get_object() : json::object();
  tab.variables() = variables;
  for (const auto& [name, value] : variables) tab.secrets()[name] = value;
  Agent agent(tab, args);
  auto result = co_await agent.reach(ctx);
  tab.variables().clear();
  if (result || variables.empty()) co_return result;
  Error error = result.error();
  error.message = concealed(std::move(error.message), variables);
  co_return error;
}

}  // namespace troupe::interact::native
