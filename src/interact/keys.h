// Keys by name (`Enter`, `Control+A`) to what DevTools wants of a key press.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace troupe::interact {

struct KeyStroke {
  std::string key;   ///< KeyboardEvent.key.
  std::string code;  ///< KeyboardEvent.code, US layout; empty for characters without a key.
  int virtual_key = 0;
  std::string text;     ///< What it types; empty for keys that type nothing.
  int modifiers = 0;    ///< Alt 1, Control 2, Meta 4, Shift 8.
  std::string command;  ///< Editing command (selectAll, copy, …) that the combination stands for.
};

/// `Enter`, `escape`, `a`, `Control+Shift+ArrowLeft`, `Ctrl+A`, `+`. Case of names does not matter.
/// Errors: invalid_argument naming the key.
Result<KeyStroke> parse_key(std::string_view name);
/// Whether a word names a key that is not a character ("enter", "down arrow"): for instructions.
bool is_key_name(std::string_view word);

/// Parameters of Input.dispatchKeyEvent.
json::object key_down(const KeyStroke& stroke);
json::object key_up(const KeyStroke& stroke);

}  // namespace troupe::interact
