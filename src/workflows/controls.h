// The steps that steer instead of touching a page, and the keys that every step may have. Together
// with interact::action_table() this is all that a step can say; checks and JSON Schema read both.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "interact/actions.h"
#include "workflows/definition.h"

namespace troupe::workflows {

struct ControlRow {
  std::string_view kind;
  StepType type;
  std::string_view help;
  interact::FieldType main_type;
  std::string_view main_help;
  std::span<const interact::Field> fields;  ///< Keys beside the kind.
};

std::span<const ControlRow> control_table();
const ControlRow* find_control(std::string_view kind);
/// id, name, save_as, when, timeout, on_error, retry.
std::span<const interact::Field> common_fields();
/// attempts, delay, backoff.
std::span<const interact::Field> retry_fields();
/// do, then, else hold steps.
bool holds_steps(std::string_view field);
/// All kinds: actions, then controls.
std::vector<std::string_view> step_kinds();

/// The value as `field` wants it: numbers become text for a text, numeric text a number, a single
/// value a list of one. Errors: invalid_argument; the message does not name the field.
Result<json::value> fit_field(const interact::Field& field, json::value value);

}  // namespace troupe::workflows
