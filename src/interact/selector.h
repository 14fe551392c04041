// From the target fields of a step to the query that the page's script runs. No I/O.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace troupe::interact {

/// What to look for, as the script takes it, and as people read it.
struct Target {
  json::object query;
  std::string text;      ///< `selector "#go"`, `role "button" name "Search"`.
  std::string wanted;    ///< The words looked for, to list what is similar; may be empty.
  bool by_name = false;  ///< The query needs roles and names.
};

/// `css`, `xpath=…` or `//…`, `text=…` (quoted: equal), `role=button[name="Go"]`, `label=…`,
/// `placeholder=…`, `test_id=…`; several parts joined by ` >> `, each inside the one before.
/// Errors: invalid_argument.
Result<json::object> parse_selector(std::string_view selector);

/// A text as a selector has it: `"Go \"on\""`.
std::string quoted(std::string_view text);

/// The target of a step's fields. Errors: invalid_argument (none given, nth 0, bad selector).
Result<Target> parse_target(const json::object& args);
bool has_target(const json::object& args);
/// Whether evaluating the query needs the script for roles and names.
bool needs_names(const json::object& query);

}  // namespace troupe::interact
