// The action table: every interaction that a workflow step can name, with its fields. Validation,
// the JSON Schema for editors and docs/reference/actions.md are generated from it.
#pragma once

#include <span>
#include <string_view>

namespace troupe::interact {

/// Type of a field as written in a workflow. A text with a template `{{ }}` fits every type.
enum class FieldType { text, integer, number, flag, duration, list, object, any };

struct Field {
  std::string_view name;
  FieldType type;
  bool required;
  std::string_view help;
  /// Allowed words for text, separated by `|`; empty: any text.
  std::string_view choices = {};
};

struct ActionRow {
  std::string_view kind;
  std::string_view help;
  /// Field that the short form sets: `- goto: https://…` is `- goto: {url: https://…}`. Empty:
  /// none.
  std::string_view main_field;
  std::span<const Field> fields;
  /// Takes the fields of kTargetFields too; at least one of them is required unless
  /// `target_optional`.
  bool has_target = false;
  bool target_optional = false;
};

/// How an element is named: `selector` (CSS, or `xpath=…`, `text=…`, `role=button[name="Go"]`), or
/// any of the others together. All matches are narrowed by `within` (a selector) and `nth`
/// (1-based; negative from the end).
std::span<const Field> target_fields();
std::span<const ActionRow> action_table();
/// The row, or nullptr.
const ActionRow* find_action(std::string_view kind);

}  // namespace troupe::interact
