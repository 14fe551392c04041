// A workflow as it is run: checked, with its templates parsed. Made by parse_definition only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "interact/actions.h"
#include "workflows/expression.h"
#include "workflows/mistake.h"

namespace troupe::workflows {

/// A value as written in a workflow: constant, template, or a list or object that has templates
/// inside.
class ValueTemplate final {
 public:
  ValueTemplate() = default;
  explicit ValueTemplate(json::value constant) : constant_(std::move(constant)) {}
  explicit ValueTemplate(Template text) : text_(std::move(text)) {}
  explicit ValueTemplate(std::vector<ValueTemplate> items) : items_(std::move(items)) {}
  explicit ValueTemplate(std::vector<std::pair<std::string, ValueTemplate>> members)
      : members_(std::move(members)) {}

  bool is_constant() const { return !text_ && !items_ && !members_; }
  /// Only of a constant.
  const json::value& constant() const { return constant_; }
  Result<json::value> render(const Names& names, const Evaluation& evaluation) const;

 private:
  json::value constant_;
  std::optional<Template> text_;
  std::optional<std::vector<ValueTemplate>> items_;
  std::optional<std::vector<std::pair<std::string, ValueTemplate>>> members_;
};

enum class InputType { string, integer, number, boolean, array, object, any };
std::string_view to_string(InputType type);

struct Input {
  std::string name;
  InputType type = InputType::string;
  std::optional<InputType> items;  ///< Type of an array's items.
  std::optional<json::value> default_value;
  bool required = false;
  std::optional<double> min;  ///< Value of a number; length of a text or array.
  std::optional<double> max;
  std::vector<json::value> allowed;  ///< Empty: every value.
  std::string description;
};

/// What runs a step. `action` is everything of interact::action_table().
enum class StepType {
  action,
  condition,
  for_each,
  while_loop,
  retry,
  parallel,
  call,
  assertion,
  assign,
  log,
  fail,
  break_if,
  stop,
};

struct RetryPolicy {
  int attempts = 1;
  Duration delay = std::chrono::seconds(1);
  double backoff = 2;  ///< Factor between one delay and the next.
};

struct Step {
  std::string id;    ///< Given, or its place: `s3`, `s3.1` (from 1).
  std::string name;  ///< For people; may be empty.
  std::string kind;  ///< As written: `click`, `for_each`.
  StepType type = StepType::action;
  const interact::ActionRow* action = nullptr;
  Position position;
  std::string field;  ///< Path in the document: `steps[2].do[0]` (from 0).

  std::optional<Expression> when;
  std::optional<Duration> timeout;
  bool ignore_errors = false;
  bool restart_always = false;  ///< Done again by an attempt that resumes behind it.
  RetryPolicy retry;
  std::string save_as;

  /// Fields of an action; the list of for_each and parallel; what set assigns; `with` of call; text
  /// of log, fail, stop and assert's message.
  ValueTemplate argument;
  Expression condition;                  ///< Of if, while, assert, break_if.
  std::optional<ValueTemplate> limit;    ///< for_each, parallel: `limit`; while: `max`.
  std::string as;                        ///< Name of the item in for_each and parallel.
  std::optional<ValueTemplate> collect;  ///< What one round of a loop gives to save_as.
  std::string word;                      ///< Level of log; name of call.
  /// Bodies: `do`; `then` and `else`; the branches of parallel.
  std::vector<std::vector<Step>> bodies;
};

/// Where a new attempt of a task begins.
enum class Restart {
  resume,  ///< After the last step that an earlier one finished, in a fresh session.
  always,  ///< At the first step.
  never,   ///< There is none: a task is attempted once only.
};

struct Definition {
  std::string name;
  int version = 1;
  std::string description;
  std::string file;
  std::string source;  ///< The text it was parsed from: a durable run keeps it.
  std::vector<Input> inputs;
  std::vector<Step> steps;
  ValueTemplate output;
  json::object output_schema;       ///< Empty: not checked.
  std::optional<Duration> timeout;  ///< Longest time of one attempt.
  Restart restart = Restart::resume;
};

/// What came out of a text: the definition when there are no mistakes.
struct Parsed {
  std::shared_ptr<const Definition> definition;
  std::vector<Mistake> mistakes;
};

/// Checks everything that can be known without running it. `file` names it in the mistakes.
Parsed check_definition(std::string_view text, std::string_view file);
/// Errors: invalid_argument with all mistakes, one a line.
Result<std::shared_ptr<const Definition>> parse_definition(std::string_view text,
                                                           std::string_view file);
/// The same checks for a document that was built instead of written.
Result<std::shared_ptr<const Definition>> parse_definition(const json::object& document,
                                                           std::string_view file);

/// `10s`, `500ms`, `2m`, `1h`, or a number of seconds; 0 to 24 hours.
Result<Duration> parse_duration(const json::value& value);

/// JSON Schema (draft 7) of the format, for editors; from the tables that the checks read.
json::object workflow_schema();

}  // namespace troupe::workflows
